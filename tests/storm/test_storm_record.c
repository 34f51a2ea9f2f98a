/* SPDX-License-Identifier: MIT */

/* Kill storms on what holds data: records are never torn and never go back,
 * and set-ups are done exactly once. */

#include "storm.h"

/* Record. */

enum record_entry { VERSION = 0 };

#define LARGEST 65536
#define KNOWN   4096

struct board {
    union {
        shmap_record record;
        unsigned char space[SHMAP_RECORD_SIZE(LARGEST)];
    } at;
    uint64_t size;
    uint64_t numbers;
    uint64_t known[KNOWN]; /* what was read, by version: version and number */
};

static void start_board(void)
{
    /* A large value takes long enough to be overtaken while it is read. */
    static const uint64_t sizes[] = {LARGEST, 8, 520, 4096};
    static size_t stages;
    struct board *board = storm_data;
    board->size = sizes[stages++ % COUNT(sizes)];
    if (dice_roll(&storm_dice, 2) == 0)
        board->at.record.spin_ns = SHMAP_SPIN_NEVER;
}

static size_t size_of(const struct board *board)
{
    return (size_t)board->size;
}

/* What this or another worker has read. */
static uint64_t newest_known(void)
{
    uint64_t newest = 0;
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++) {
        uint64_t version = storm_read_journal(slot, VERSION);
        if (version > newest)
            newest = version;
    }
    return newest;
}

/* A version is one value, for everybody. */
static void compare_with_known(struct board *board, uint64_t version,
                               uint64_t number)
{
    volatile uint64_t *at = &board->known[version % KNOWN];
    uint64_t known = memory_load(at);
    if (known >> 32 == (version & UINT32_MAX) &&
        (known & UINT32_MAX) != (number & UINT32_MAX))
        storm_fail("two values of one version");
    memory_store(at, version << 32 | (number & UINT32_MAX));
}

/* Returns the version, or 0 if there was nothing to read. */
static uint64_t read_board(struct board *board, uint64_t *value)
{
    const struct board *mirror = storm_mirror;
    uint64_t newest = newest_known();
    uint64_t version = 0;
    int result =
        shmap_record_read(&mirror->at.record, value, size_of(board), &version);
    if (result == SHMAP_EBUSY || (result == SHMAP_ENOTREADY && newest == 0))
        return 0;
    if (result != 0)
        storm_fail("reading is %s", shmap_error_name(result));
    if (version < newest)
        storm_fail("the version went back");
    for (size_t i = 1; i < board->size / sizeof *value; i++)
        if (value[i] != value[0])
            storm_fail("a torn value");
    compare_with_known(board, version, value[0]);
    return version;
}

static void follow_board(struct board *board, uint64_t *value)
{
    uint64_t version = read_board(board, value);
    if (version != 0)
        storm_journal(VERSION, version);
}

/* Fill a value with a number of its own. */
static void make_value(struct board *board, uint64_t *value)
{
    uint64_t number = memory_add(&board->numbers, 1) + 1;
    for (size_t i = 0; i < board->size / sizeof *value; i++)
        value[i] = number;
}

static void write_value(struct board *board, const uint64_t *value)
{
    int64_t late = storm_late();
    int result = SHMAP_EBUSY;
    while (result == SHMAP_EBUSY && shmap_now() < late) {
        result = shmap_record_write(&board->at.record, value, size_of(board));
        if (result == SHMAP_EBUSY)
            storm_dawdle();
    }
    if (result != 0)
        storm_fail("writing is %s", shmap_error_name(result));
}

/* Often several times in a row, in less time than it takes to read, and never
 * the same soon after. */
static void write_board(struct board *board)
{
    enum { VALUES = 5 };
    static uint64_t values[VALUES][LARGEST / sizeof(uint64_t)];
    for (size_t i = 0; i < VALUES; i++)
        make_value(board, values[i]);
    for (uint32_t left = 1 + dice_roll(&storm_dice, 8); left > 0; left--)
        write_value(board, values[left % VALUES]);
    storm_dawdle();
}

/* Odd ones wait for what even ones write without waiting. */
static void wait_for_board(void)
{
    const struct board *mirror = storm_mirror;
    uint64_t version = storm_read_journal(storm_slot, VERSION);
    bool soon = dice_roll(&storm_dice, 4) == 0;
    int result = shmap_record_wait(&mirror->at.record, version,
                                   soon ? storm_soon() : storm_late());
    if (result != 0 && !(soon && result == SHMAP_ETIMEDOUT))
        storm_fail("a wait is %s", shmap_error_name(result));
}

static bool use_board(void)
{
    static uint64_t value[LARGEST / sizeof(uint64_t)];
    struct board *board = storm_data;
    for (uint32_t reads = dice_roll(&storm_dice, 4); reads > 0; reads--)
        follow_board(board, value);
    if (storm_slot % 2 == 1 && !storm_is_paused())
        wait_for_board();
    follow_board(board, value);
    write_board(board);
    return true;
}

/* Those who wait read on. */
static void write_for_waiters(void)
{
    static uint64_t value[LARGEST / sizeof(uint64_t)];
    struct board *board = storm_data;
    make_value(board, value);
    shmap_record_write(&board->at.record, value, size_of(board));
}

static void check_board(const struct storm_death *deaths, size_t count)
{
    static uint64_t value[LARGEST / sizeof(uint64_t)];
    struct board *board = storm_data;
    (void)deaths, (void)count;
    read_board(board, value);
}

static const char *const record_points[] = {
    "?place.joining",   "?presence.known",
    "record.claimed",   "record.copied",
    "record.published", "record.waiting",
    "wait.looked",      "wait.woken",
    "owner.dead",       NULL};

static const struct storm record_storm = {.name = "record",
                                          .needs_locks = true,
                                          .points = record_points,
                                          .size = sizeof(struct board),
                                          .start = start_board,
                                          .work = use_board,
                                          .interrupt = write_for_waiters,
                                          .settled = check_board};

static void test_storm__record(void **state)
{
    (void)state;
    storm_run(&record_storm);
}

/* Once: many of them, one after the other. */

enum once_entry { AT = 0, PHASE };
enum phase { OUTSIDE = 0, INSIDE, ENDING };

#define ONCES (1 << 17)

struct one {
    shmap_once once;
    uint64_t owner; /* the stamp of who is at it */
    uint64_t begun;
    uint64_t done;
    uint64_t commits;
    uint64_t deaths; /* of those who got as far as this one */
};

struct many {
    uint64_t furthest;
    struct one ones[ONCES];
};

static void start_many(void)
{
    struct many *many = storm_data;
    if (dice_roll(&storm_dice, 2) == 0)
        for (size_t i = 0; i < ONCES; i++)
            many->ones[i].once.spin_ns = SHMAP_SPIN_NEVER;
}

/* This worker is to do it. */
static void have_one(struct one *one, int result)
{
    uint64_t before = memory_load(&one->owner);
    if (result == SHMAP_OWNER_DIED && !storm_has_killed() &&
        memory_load(&one->deaths) == 0)
        storm_fail("told of a death that has not been");
    if (memory_load(&one->commits) != 0)
        storm_fail("begun again after it was committed");
    if (before != 0 && !storm_is_dead(before))
        storm_fail("two are at it");
    if (before != 0 && result == SHMAP_ONCE_YOURS)
        storm_fail("a death was not told of");
    if (result == SHMAP_ONCE_YOURS && memory_load(&one->begun) != 0)
        storm_fail("something is half done");
    memory_store(&one->owner, storm_stamp());
    storm_journal(PHASE, INSIDE);
}

static void leave_one(struct one *one)
{
    storm_check(memory_load(&one->owner) == storm_stamp());
    storm_journal(PHASE, ENDING);
    memory_store(&one->owner, 0);
}

static void set_up(struct one *one)
{
    memory_store(&one->begun, 1);
    storm_dawdle();
    storm_point("test.half");
    memory_store(&one->done, 1);
    leave_one(one);
    storm_check(shmap_once_commit(&one->once) == 0);
    storm_check(memory_add(&one->commits, 1) == 0);
    storm_journal(PHASE, OUTSIDE);
}

static void give_up(struct one *one)
{
    storm_dawdle();
    memory_store(&one->begun, 0);
    memory_store(&one->done, 0);
    leave_one(one);
    storm_check(shmap_once_abandon(&one->once) == 0);
    storm_journal(PHASE, OUTSIDE);
}

static bool begin_one(void)
{
    struct many *many = storm_data;
    uint64_t at = storm_read_journal(storm_slot, AT);
    struct one *one;
    int result;

    if (at == 0)
        at = memory_load(&many->furthest);
    storm_journal(AT, at);
    one = &many->ones[at % ONCES];
    result = shmap_once_begin(&one->once,
                              storm_is_patient() ? storm_late() : storm_soon());
    if (result == SHMAP_ETIMEDOUT && !storm_is_patient())
        return false;
    if (SHMAP_FAILED(result))
        storm_fail("beginning is %s", shmap_error_name(result));
    if (result > 0) {
        have_one(one, result);
        if (dice_roll(&storm_dice, 4) == 0) {
            give_up(one);
            return false;
        }
        set_up(one);
    }
    if (memory_load(&one->done) == 0 || memory_load(&one->begun) == 0)
        storm_fail("it is said to be done, and is not");
    storm_journal(AT, at + 1);
    if (memory_load(&many->furthest) < at + 1)
        memory_store(&many->furthest, at + 1);
    return true;
}

/* Others may come there only later. */
static void remember_death(const struct storm_death *death)
{
    struct many *many = storm_data;
    memory_add(&many->ones[death->journal[AT] % ONCES].deaths, 1);
}

static void check_many(const struct storm_death *deaths, size_t count)
{
    struct many *many = storm_data;
    (void)deaths, (void)count;
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++)
        if (!storm_slot_is_dead(slot))
            storm_check(storm_read_journal(slot, PHASE) == OUTSIDE);
    storm_check(many->furthest > 0);
}

static bool are_many_used_up(void)
{
    const struct many *many = storm_data;
    return many->furthest > ONCES / 2;
}

static const char *const once_points[] = {
    "?place.joining", "?presence.known",  "once.begun", "test.half",
    "once.ended",     "owner.dead",       "wait.begun", "wait.entered",
    "wait.looked",    "wait.woken",       "wait.left",  "wake.counted",
    "wake.woken",     "?wake.taken_back", NULL};

static const struct storm once_storm = {.name = "once",
                                        .needs_locks = true,
                                        .points = once_points,
                                        .size = sizeof(struct many),
                                        .start = start_many,
                                        .work = begin_one,
                                        .died = remember_death,
                                        .settled = check_many,
                                        .is_used_up = are_many_used_up};

static void test_storm__once(void **state)
{
    (void)state;
    storm_run(&once_storm);
}

int main(int argc, char **argv)
{
    static const struct storm *const storms[] = {&record_storm, &once_storm,
                                                 NULL};
    static const struct CMUnitTest tests[] = {
        storm_test(test_storm__record),
        storm_test(test_storm__once),
    };
    return storm_main(argc, argv, storms, tests, COUNT(tests));
}
