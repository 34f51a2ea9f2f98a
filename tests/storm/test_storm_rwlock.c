/* SPDX-License-Identifier: MIT */

/* Kill storms on reader-writer locks: readers see whole values unless they are
 * told of a death, writers are alone, and everybody gets through. */

#include "storm.h"

enum entry { PHASE = 0, READING };
enum phase { OUTSIDE = 0, LOCKING, WRITING, UNLOCKING };

#define CELLS 16

struct table {
    shmap_rwlock rwlock;
    uint64_t writer; /* the stamp of who is inside */
    uint64_t damaged;
    uint64_t reports;
    uint64_t reports_then;
    uint64_t cells[CELLS]; /* all the same */
};

static void start_table(void)
{
    struct table *table = storm_data;
    if (dice_roll(&storm_dice, 2) == 0)
        table->rwlock.spin_ns = SHMAP_SPIN_NEVER;
}

static bool is_whole(const struct table *table)
{
    for (size_t i = 1; i < CELLS; i++)
        if (memory_load(&table->cells[i]) != memory_load(&table->cells[0]))
            return false;
    return true;
}

/* A lock of either kind was had with this result. */
static void check_result(const struct table *table, int result)
{
    uint64_t writer = memory_load(&table->writer);
    if (result != 0 && result != SHMAP_OWNER_DIED)
        storm_fail("a lock is %s", shmap_error_name(result));
    if (result == SHMAP_OWNER_DIED && !storm_has_killed())
        storm_fail("told of a death that has not been");
    if (writer != 0 && !storm_is_dead(writer))
        storm_fail("somebody is writing");
    if (result == 0 && writer != 0)
        storm_fail("a writer's death was not told of");
    if (result == 0 && memory_load(&table->damaged) != 0)
        storm_fail("damage was not passed on");
    if (result == 0 && !is_whole(table))
        storm_fail("a half-written value");
}

static void look_on(const struct table *table)
{
    uint64_t then[CELLS];
    for (size_t i = 0; i < CELLS; i++)
        then[i] = memory_load(&table->cells[i]);
    storm_dawdle();
    storm_point("test.reading");
    for (size_t i = 0; i < CELLS; i++)
        if (memory_load(&table->cells[i]) != then[i])
            storm_fail("somebody wrote while others read");
}

static bool read_table(struct table *table)
{
    bool again;
    int result = shmap_rwlock_read_lock(
        &table->rwlock, storm_is_patient() ? storm_late() : storm_soon());
    if (result == SHMAP_ETIMEDOUT && !storm_is_patient())
        return false;
    check_result(table, result);
    storm_journal(READING, 1);
    again = dice_roll(&storm_dice, 4) == 0;
    if (again)
        check_result(table,
                     shmap_rwlock_read_lock(&table->rwlock, storm_late()));
    look_on(table);
    if (again)
        storm_check(shmap_rwlock_unlock(&table->rwlock) == 0);
    look_on(table);
    storm_journal(READING, 0);
    storm_check(shmap_rwlock_unlock(&table->rwlock) == 0);
    return true;
}

static void check_alone(const struct table *table)
{
    if (memory_load(&table->writer) != storm_stamp())
        storm_fail("two write");
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++)
        if (storm_read_journal(slot, READING) != 0 && !storm_slot_is_dead(slot))
            storm_fail("somebody reads while another writes");
}

static void write_cells(struct table *table)
{
    uint64_t value = memory_load(&table->cells[0]) + 1;
    for (size_t i = 0; i < CELLS; i++) {
        memory_store(&table->cells[i], value);
        if (i == CELLS / 2)
            storm_point("test.writing");
        if (i % 4 == 0)
            storm_dawdle();
    }
}

static void unlock_writer(struct table *table)
{
    check_alone(table);
    storm_journal(PHASE, UNLOCKING);
    memory_store(&table->writer, 0);
    storm_check(shmap_rwlock_unlock(&table->rwlock) == 0);
    storm_journal(PHASE, OUTSIDE);
}

static bool write_table(struct table *table)
{
    int result;
    storm_journal(PHASE, LOCKING);
    result = shmap_rwlock_write_lock(
        &table->rwlock, storm_is_patient() ? storm_late() : storm_soon());
    if (result == SHMAP_ETIMEDOUT && !storm_is_patient()) {
        storm_journal(PHASE, OUTSIDE);
        return false;
    }
    check_result(table, result);
    memory_store(&table->writer, storm_stamp());
    check_alone(table);
    if (result == SHMAP_OWNER_DIED && dice_roll(&storm_dice, 4) == 0) {
        /* The next ones are told as well. */
        memory_store(&table->damaged, 1);
        unlock_writer(table);
        return false;
    }
    if (result == SHMAP_OWNER_DIED)
        memory_add(&table->reports, 1);
    storm_journal(PHASE, WRITING);
    write_cells(table);
    if (result == SHMAP_OWNER_DIED) {
        memory_store(&table->damaged, 0);
        storm_check(shmap_rwlock_consistent(&table->rwlock) == 0);
    }
    unlock_writer(table);
    return true;
}

/* Some reads, and a write that succeeds. */
static bool read_and_write(void)
{
    struct table *table = storm_data;
    for (uint32_t reads = dice_roll(&storm_dice, 4); reads > 0; reads--) {
        read_table(table);
        storm_dawdle();
    }
    return write_table(table);
}

static void check_table(const struct storm_death *deaths, size_t count)
{
    struct table *table = storm_data;
    uint64_t reports = table->reports - table->reports_then;
    uint64_t inside = 0;
    uint64_t possible = 0;

    for (size_t i = 0; i < count; i++) {
        inside += deaths[i].journal[PHASE] == WRITING;
        possible += deaths[i].journal[PHASE] != OUTSIDE;
    }
    if (reports < inside || reports > possible)
        storm_fail("%d writers died, %d may have, %d told of", (int)inside,
                   (int)possible, (int)reports);
    storm_check(table->writer == 0);
    storm_check(table->damaged == 0);
    storm_check(is_whole(table));
    table->reports_then = table->reports;
}

static const char *const rwlock_points[] = {
    "?place.joining",   "?presence.known", "rwlock.entered", "rwlock.said",
    "rwlock.reading",   "rwlock.left",     "rwlock.locked",  "rwlock.draining",
    "rwlock.looking",   "rwlock.drained",  "test.reading",   "test.writing",
    "mutex.begun",      "mutex.taken",     "mutex.added",    "unlock.removed",
    "unlock.stored",    "mutex.marked",    "wait.begun",     "wait.entered",
    "wait.looked",      "wait.woken",      "wait.left",      "wake.counted",
    "?wake.taken_back", "wake.woken",      "?owner.dead",    NULL};

static const struct storm rwlock_storm = {.name = "rwlock",
                                          .needs_locks = true,
                                          .points = rwlock_points,
                                          .size = sizeof(struct table),
                                          .start = start_table,
                                          .work = read_and_write,
                                          .settled = check_table};

static void test_storm__rwlock(void **state)
{
    (void)state;
    storm_run(&rwlock_storm);
}

int main(int argc, char **argv)
{
    static const struct storm *const storms[] = {&rwlock_storm, NULL};
    static const struct CMUnitTest tests[] = {storm_test(test_storm__rwlock)};
    return storm_main(argc, argv, storms, tests, COUNT(tests));
}
