/* SPDX-License-Identifier: MIT */

/* Kill storms on mutexes and condition variables: one at a time, every death
 * inside is reported, and nothing in a queue is lost or doubled. */

#include "storm.h"

enum entry { PHASE = 0, HALF, IN_HAND };
enum phase { OUTSIDE = 0, LOCKING, INSIDE, UNLOCKING };

/* Deaths that happened in this phase. */
static uint64_t deaths_in(const struct storm_death *deaths, size_t count,
                          enum phase phase)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += deaths[i].journal[PHASE] == (uint64_t)phase;
    return sum;
}

/* Deaths that may have been inside. */
static uint64_t possible_deaths(const struct storm_death *deaths, size_t count)
{
    return count - deaths_in(deaths, count, OUTSIDE);
}

/* Mutex: two numbers, one of which is always changed after the other. */

struct counter {
    shmap_mutex mutex;
    uint64_t owner;   /* the stamp of who is inside */
    uint64_t damaged; /* somebody was told, and has not repaired it */
    uint64_t tries;   /* increments that were begun, indivisibly */
    uint64_t first;
    uint64_t second;
    uint64_t reports; /* deaths that were told of, and dealt with */
    uint64_t repairs;
    /* Of the test's: what they were when last looked at. */
    uint64_t reports_then;
    uint64_t repairs_then;
};

static void start_counter(void)
{
    struct counter *counter = storm_data;
    if (dice_roll(&storm_dice, 2) == 0)
        counter->mutex.spin_ns = SHMAP_SPIN_NEVER;
}

/* The lock was had with this result. */
static void enter(struct counter *counter, int result)
{
    uint64_t before = memory_load(&counter->owner);
    if (result != 0 && result != SHMAP_OWNER_DIED)
        storm_fail("locking is %s", shmap_error_name(result));
    if (result == SHMAP_OWNER_DIED && !storm_has_killed())
        storm_fail("told of a death that has not been");
    if (before != 0 && result == 0)
        storm_fail("a death inside was not told of, or two are inside");
    if (before != 0 && !storm_is_dead(before))
        storm_fail("two are inside");
    if (memory_load(&counter->damaged) != 0 && result == 0)
        storm_fail("damage was not passed on");
    if (result == 0 && counter->first != counter->second)
        storm_fail("the numbers differ, and nobody has died");
    memory_store(&counter->owner, storm_stamp());
}

static void repair(struct counter *counter)
{
    if (counter->first != counter->second) {
        counter->second = counter->first;
        ++counter->repairs;
    }
    memory_store(&counter->damaged, 0);
    ++counter->reports;
    storm_check(shmap_mutex_consistent(&counter->mutex) == 0);
}

static void leave(struct counter *counter)
{
    if (memory_load(&counter->owner) != storm_stamp())
        storm_fail("somebody else was inside");
    storm_journal(PHASE, UNLOCKING);
    memory_store(&counter->owner, 0);
    storm_check(shmap_mutex_unlock(&counter->mutex) == 0);
    storm_journal(PHASE, OUTSIDE);
}

static void count_one(struct counter *counter)
{
    storm_dawdle();
    storm_journal(HALF, 1);
    memory_add(&counter->tries, 1);
    ++counter->first;
    storm_point("test.half");
    ++counter->second;
    storm_journal(HALF, 0);
    storm_dawdle();
}

static bool count(void)
{
    struct counter *counter = storm_data;
    bool soon = dice_roll(&storm_dice, 8) == 0;
    int result;

    storm_journal(PHASE, LOCKING);
    result =
        shmap_mutex_lock(&counter->mutex, soon ? storm_soon() : storm_late());
    if (soon && result == SHMAP_ETIMEDOUT) {
        storm_journal(PHASE, OUTSIDE);
        return false;
    }
    enter(counter, result);
    if (result == SHMAP_OWNER_DIED && dice_roll(&storm_dice, 4) == 0) {
        /* The next one is told as well. */
        memory_store(&counter->damaged, 1);
        leave(counter);
        return false;
    }
    if (result == SHMAP_OWNER_DIED)
        repair(counter);
    storm_journal(PHASE, INSIDE);
    count_one(counter);
    leave(counter);
    storm_dawdle();
    return true;
}

static void check_counter(const struct storm_death *deaths, size_t count)
{
    struct counter *counter = storm_data;
    uint64_t reports = counter->reports - counter->reports_then;
    uint64_t repairs = counter->repairs - counter->repairs_then;
    uint64_t inside = deaths_in(deaths, count, INSIDE);
    uint64_t half = 0;

    for (size_t i = 0; i < count; i++)
        half += deaths[i].journal[HALF];
    if (reports < inside || reports > possible_deaths(deaths, count))
        storm_fail("%d deaths inside, %d that may be, %d told of", (int)inside,
                   (int)possible_deaths(deaths, count), (int)reports);
    if (repairs > half)
        storm_fail("%d half-way, %d repaired", (int)half, (int)repairs);
    if (count == 1 && repairs == 0 && deaths[0].point != NULL &&
        strcmp(deaths[0].point, "test.half") == 0)
        storm_fail("half-way, and not repaired");
    storm_check(counter->owner == 0);
    storm_check(counter->damaged == 0);
    storm_check(counter->first == counter->second);
    storm_check(counter->first <= counter->tries);
    storm_check(counter->first + half >= counter->tries);
    counter->tries = counter->first;
    counter->reports_then = counter->reports;
    counter->repairs_then = counter->repairs;
}

static const char *const mutex_points[] = {"?place.joining",
                                           "?presence.known",
                                           "mutex.begun",
                                           "mutex.taken",
                                           "mutex.added",
                                           "test.half",
                                           "unlock.removed",
                                           "unlock.stored",
                                           "mutex.marked",
                                           "wait.looked",
                                           "wait.woken",
                                           "?wait.begun",
                                           "?wait.entered",
                                           "?wait.left",
                                           "?wake.taken_back",
                                           "?owner.dead",
                                           NULL};

static const struct storm mutex_storm = {.name = "mutex",
                                         .needs_locks = true,
                                         .tells_at_once = true,
                                         .points = mutex_points,
                                         .size = sizeof(struct counter),
                                         .start = start_counter,
                                         .work = count,
                                         .settled = check_counter};

static void test_storm__mutex(void **state)
{
    (void)state;
    storm_run(&mutex_storm);
}

/* Condition: a short queue. An item is its number in it. */

#define ITEMS (1 << 18)
#define ROOM  4

struct queue {
    shmap_mutex mutex;
    shmap_cond filled;
    shmap_cond emptied;
    uint64_t owner;
    uint64_t head; /* consumed */
    uint64_t tail; /* produced */
    uint64_t audited;
    uint64_t seen[ITEMS];
};

static void start_queue(void)
{
    struct queue *queue = storm_data;
    if (dice_roll(&storm_dice, 2) == 0)
        queue->filled.spin_ns = queue->emptied.spin_ns = SHMAP_SPIN_NEVER;
}

/* The queue is whole at any time. */
static void have_queue(struct queue *queue, int result)
{
    uint64_t before = memory_load(&queue->owner);
    if (result == SHMAP_OWNER_DIED) {
        storm_check(storm_has_killed());
        storm_check(shmap_mutex_consistent(&queue->mutex) == 0);
    } else if (result != 0) {
        storm_fail("a wait is %s", shmap_error_name(result));
    }
    if (before != 0 && (result == 0 || !storm_is_dead(before)))
        storm_fail("two have the queue");
    memory_store(&queue->owner, storm_stamp());
    storm_check(queue->tail - queue->head <= ROOM);
}

static void lock_queue(struct queue *queue)
{
    have_queue(queue, shmap_mutex_lock(&queue->mutex, storm_late()));
}

static void unlock_queue(struct queue *queue)
{
    storm_check(memory_load(&queue->owner) == storm_stamp());
    memory_store(&queue->owner, 0);
    storm_check(shmap_mutex_unlock(&queue->mutex) == 0);
}

static void wait_for_queue(struct queue *queue, shmap_cond *cond, bool soon)
{
    int result;
    memory_store(&queue->owner, 0);
    result = shmap_cond_wait(cond, &queue->mutex,
                             soon ? storm_soon() : storm_late());
    have_queue(queue, soon && result == SHMAP_ETIMEDOUT ? 0 : result);
}

static void wake(shmap_cond *cond)
{
    storm_check((dice_roll(&storm_dice, 4) == 0
                     ? shmap_cond_broadcast(cond)
                     : shmap_cond_signal(cond)) == 0);
}

static bool produce(struct queue *queue)
{
    bool woken_late = dice_roll(&storm_dice, 2) == 0;
    lock_queue(queue);
    while (queue->tail - queue->head == ROOM) {
        wait_for_queue(queue, &queue->emptied, dice_roll(&storm_dice, 8) == 0);
        if (storm_is_paused()) {
            unlock_queue(queue);
            return false;
        }
    }
    memory_store(&queue->tail, queue->tail + 1);
    storm_point("test.half");
    if (!woken_late)
        wake(&queue->filled);
    unlock_queue(queue);
    if (woken_late)
        wake(&queue->filled);
    return true;
}

static bool consume(struct queue *queue)
{
    uint64_t item;
    lock_queue(queue);
    while (queue->tail == queue->head) {
        wait_for_queue(queue, &queue->filled, dice_roll(&storm_dice, 8) == 0);
        if (storm_is_paused()) {
            unlock_queue(queue);
            return false;
        }
    }
    item = queue->head;
    storm_journal(IN_HAND, item + 1);
    memory_store(&queue->head, item + 1);
    wake(&queue->emptied);
    unlock_queue(queue);
    storm_dawdle();
    if (memory_add(&queue->seen[item], 1) != 0)
        storm_fail("two had the same item");
    storm_journal(IN_HAND, 0);
    return true;
}

/* Even ones produce and odd ones consume. */
static bool produce_or_consume(void)
{
    struct queue *queue = storm_data;
    return storm_slot % 2 == 0 ? produce(queue) : consume(queue);
}

static void wake_all(void)
{
    struct queue *queue = storm_data;
    shmap_cond_broadcast(&queue->filled);
    shmap_cond_broadcast(&queue->emptied);
}

static void check_queue(const struct storm_death *deaths, size_t count)
{
    struct queue *queue = storm_data;
    storm_check(queue->tail - queue->head <= ROOM);
    storm_check(queue->owner == 0);
    for (; queue->audited < queue->head; ++queue->audited) {
        bool in_dead_hand = false;
        for (size_t i = 0; i < count; i++)
            if (deaths[i].journal[IN_HAND] == queue->audited + 1)
                in_dead_hand = true;
        if (queue->seen[queue->audited] == 0 && !in_dead_hand)
            storm_fail("an item was lost");
    }
    for (uint64_t item = queue->head; item < queue->tail; item++)
        storm_check(queue->seen[item] == 0);
}

static bool is_queue_used_up(void)
{
    const struct queue *queue = storm_data;
    return queue->tail > ITEMS / 2;
}

static const char *const cond_points[] = {
    "?place.joining",   "?presence.known", "mutex.begun",
    "mutex.taken",      "mutex.added",     "test.half",
    "unlock.removed",   "unlock.stored",   "?mutex.marked",
    "cond.quiet",       "?cond.relocked",  "wait.begun",
    "wait.entered",     "wait.looked",     "wait.woken",
    "wait.left",        "wake.counted",    "wake.woken",
    "?wake.taken_back", "?owner.dead",     NULL};

static const struct storm cond_storm = {.name = "cond",
                                        .needs_locks = true,
                                        .tells_at_once = true,
                                        .points = cond_points,
                                        .size = sizeof(struct queue),
                                        .start = start_queue,
                                        .work = produce_or_consume,
                                        .interrupt = wake_all,
                                        .settled = check_queue,
                                        .is_used_up = is_queue_used_up};

static void test_storm__cond(void **state)
{
    (void)state;
    storm_run(&cond_storm);
}

int main(int argc, char **argv)
{
    static const struct storm *const storms[] = {&mutex_storm, &cond_storm,
                                                 NULL};
    static const struct CMUnitTest tests[] = {
        storm_test(test_storm__mutex),
        storm_test(test_storm__cond),
    };
    return storm_main(argc, argv, storms, tests, COUNT(tests));
}
