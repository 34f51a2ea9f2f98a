/* SPDX-License-Identifier: MIT */

/* What all locks promise while their holders live: mutexes, reader-writer locks
 * and onces. Each test runs for each pair of locks.h; what a kind of locks
 * promises besides is in the file of that kind, and what deaths do is in
 * test_lock_death.c. */

#include <uv.h>

#include "locks.h"
#include "threads.h"
#include "units.h"

/* Milliseconds in which something that need not wait is done on a busy machine.
 */
enum { AT_ONCE = 2000 };

/* Results. */

static void test_lock__is_ready_when_zero(void **state)
{
    const struct lock_pair *pair = *state;
    const struct lock_kind *kind = pair->held;
    static const int64_t deadlines[] = {SHMAP_FOREVER, SHMAP_TRY, -1};

    hands_begin(NULL);
    for (unsigned i = 0; i < COUNT(deadlines); i++) {
        assert_code(self_lock(kind, i, deadlines[i]), kind->granted);
        assert_code(self_unlock(kind, i), 0);
        assert_code(self_lock(kind, i, SHMAP_TRY), kind->granted);
        assert_code(self_unlock(kind, i), 0);
    }
    hands_end();
}

static void test_lock__bad_pointers_are_refused(void **state)
{
    const struct lock_pair *pair = *state;
    const struct lock_kind *kind = pair->held;
    shmap_rwlock locks[2];
    shmap_rwlock untouched[2];
    void *bad[] = {NULL, (char *)locks + 4};

    memset(locks, 0, sizeof locks);
    memset(untouched, 0, sizeof untouched);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_code(kind->lock(bad[i], SHMAP_TRY), SHMAP_EINVAL);
        assert_code(kind->lock(bad[i], SHMAP_FOREVER), SHMAP_EINVAL);
        assert_code(kind->unlock(bad[i]), SHMAP_EINVAL);
        assert_code(kind->consistent(bad[i]), SHMAP_EINVAL);
        assert_int_equal(shmap_system_error(), 0);
    }
    assert_memory_equal(locks, untouched, sizeof untouched);
}

/* The calls of the table fail so, and the lock stays as it is. */
static void expect_no_change(const struct lock_kind *kind, unsigned number,
                             int unlock_result, int consistent_result)
{
    void *lock = lock_in_view(kind, 0, number);
    shmap_rwlock before;

    memcpy(&before, lock, kind->size);
    if (unlock_result != 0)
        assert_code(self_unlock(kind, number), unlock_result);
    if (consistent_result != 0)
        assert_code(self_consistent(kind, number), consistent_result);
    assert_memory_equal(lock, &before, kind->size);
}

static void test_lock__unlock_without_lock_is_refused(void **state)
{
    const struct lock_pair *pair = *state;
    const struct lock_kind *kind = pair->held;

    hands_begin(NULL);
    expect_no_change(kind, 0, SHMAP_EPERM, SHMAP_EPERM);
    assert_code(self_lock(kind, 0, SHMAP_TRY), kind->granted);
    assert_code(self_unlock(kind, 0), 0);
    expect_no_change(kind, 0, SHMAP_EPERM, SHMAP_EPERM);
    lock_expect_free(pair, 0);
    hands_end();
}

static void test_lock__consistent_without_death_is_refused(void **state)
{
    const struct lock_pair *pair = *state;
    const struct lock_kind *kind = pair->held;

    hands_begin(NULL);
    assert_code(self_lock(kind, 0, SHMAP_TRY), kind->granted);
    /* A once is finished by this call. */
    if (!kind->finishes)
        expect_no_change(kind, 0, 0, kind->alive);
    assert_code(self_unlock(kind, 0), 0);
    hands_end();
}

static void test_lock__second_lock_by_its_holder_is_a_deadlock(void **state)
{
    const struct lock_pair *pair = *state;
    void *lock;
    shmap_rwlock before;

    hands_begin(NULL);
    lock = lock_in_view(pair->held, 0, 0);
    assert_code(self_lock(pair->held, 0, SHMAP_TRY), pair->held->granted);
    memcpy(&before, lock, pair->held->size);
    assert_code(self_lock(pair->wanted, 0, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(self_lock(pair->wanted, 0, SHMAP_FOREVER), SHMAP_EDEADLK);
    assert_int_equal(shmap_system_error(), 0);
    if (pair->wanted == pair->held)
        assert_memory_equal(lock, &before, pair->held->size);
    assert_code(self_unlock(pair->held, 0), 0);
    lock_expect_free(pair, 0);
    hands_end();
}

static void other_thread_is_refused(const struct lock_pair *pair,
                                    enum hand_kind kind)
{
    const struct lock_kind *held = pair->held;
    const struct lock_kind *wanted = pair->wanted;
    struct hand *other = hand_start(kind);
    shmap_rwlock before;

    hand_holds(other, wanted, 1);
    assert_code(hand_unlock(other, wanted, 1), 0);
    assert_code(self_lock(held, 0, SHMAP_TRY), held->granted);
    memcpy(&before, lock_in_view(held, 0, 0), held->size);
    assert_code(hand_unlock(other, held, 0), SHMAP_EPERM);
    assert_code(hand_consistent(other, held, 0), SHMAP_EPERM);
    assert_code(hand_lock(other, wanted, 0, "0"), SHMAP_ETIMEDOUT);
    assert_code(hand_lock(other, wanted, 0, "-5"), SHMAP_ETIMEDOUT);
    if (wanted == held)
        assert_memory_equal(lock_in_view(held, 0, 0), &before, held->size);
    assert_code(self_unlock(held, 0), 0);
    hand_holds(other, wanted, 0);
    assert_code(self_unlock(held, 0), SHMAP_EPERM);
    assert_code(self_consistent(held, 0), SHMAP_EPERM);
    if (held->excludes)
        assert_code(self_lock(held, 0, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(hand_unlock(other, wanted, 0), 0);
}

static void test_lock__belongs_to_one_thread(void **state)
{
    lock_with_each_hand(state, other_thread_is_refused);
}

/* Waiting. */

/* A wait ends with its deadline: not before, and not much later. */
static void expect_timeout(const struct lock_kind *wanted, int64_t ns)
{
    int64_t deadline = shmap_after(ns);
    int64_t late;

    assert_code(self_lock(wanted, 0, deadline), SHMAP_ETIMEDOUT);
    late = shmap_now() - deadline;
    assert_true(late >= 0);
    assert_true(late < (patience_until(AT_ONCE) - clock_ms()) * 1000000);
}

static void waits_until_the_deadline(const struct lock_pair *pair,
                                     enum hand_kind kind)
{
    /* The last one is longer than a thread sleeps at a time. */
    static const int64_t waits[] = {1,       1000,     50000,
                                    1000000, 30000000, 450000000};
    static const uint32_t spins[] = {SHMAP_SPIN_NEVER, SHMAP_SPIN_MAX};
    const int64_t past[] = {1000000000, -1, INT64_MIN, shmap_now()};
    struct hand *holder = hand_start(kind);
    uint32_t *spin_ns =
        (void *)((char *)lock_in_view(pair->held, 0, 0) + pair->held->spin_ns);

    hand_holds(holder, pair->held, 0);
    for (size_t i = 0; i < COUNT(past); i++)
        assert_code(self_lock(pair->wanted, 0, past[i]), SHMAP_ETIMEDOUT);
    for (size_t i = 0; i < COUNT(waits); i++)
        expect_timeout(pair->wanted, waits[i]);
    for (size_t i = 0; i < COUNT(spins); i++) {
        *spin_ns = spins[i];
        expect_timeout(pair->wanted, 30000000);
    }
    assert_code(hand_unlock(holder, pair->held, 0), 0);
    for (size_t i = 0; i < COUNT(past); i++) {
        assert_code(self_lock(pair->wanted, 0, past[i]), pair->wanted->granted);
        assert_code(self_unlock(pair->wanted, 0), 0);
    }
}

static void test_lock__waits_end_with_their_deadline(void **state)
{
    lock_with_each_hand(state, waits_until_the_deadline);
}

static void unlock_wakes(const struct lock_pair *pair, enum hand_kind kind)
{
    enum { ROUNDS = 20 };
    struct hand *waiter = hand_start(kind);
    int prompt = 0;

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start;

        assert_code(self_lock(pair->held, 0, SHMAP_TRY), pair->held->granted);
        hand_waits(waiter, pair->wanted, 0);
        start = clock_ms();
        assert_code(self_unlock(pair->held, 0), 0);
        assert_code(hand_result(waiter), pair->wanted->granted);
        prompt += hands_are_prompt(start);
        if (pair->held->excludes)
            assert_code(self_lock(pair->held, 0, SHMAP_TRY), SHMAP_ETIMEDOUT);
        assert_code(hand_unlock(waiter, pair->wanted, 0), 0);
    }
    assert_in_range(prompt, ROUNDS / 2, ROUNDS);
}

static void test_lock__unlock_wakes_a_waiter(void **state)
{
    lock_with_each_hand(state, unlock_wakes);
}

/* A waiter gets the lock, and lets another waiter have it. */
static void waiters_take_turns(const struct lock_pair *pair,
                               enum hand_kind kind)
{
    struct hand *first = hand_start(kind);
    struct hand *second = hand_start(kind);

    for (int i = 0; i < 10; i++) {
        assert_code(self_lock(pair->held, 0, SHMAP_TRY), pair->held->granted);
        hand_waits(first, pair->wanted, 0);
        assert_code(self_unlock(pair->held, 0), 0);
        assert_code(hand_result(first), pair->wanted->granted);
        if (pair->wanted->excludes)
            hand_waits(second, pair->wanted, 0);
        else
            hand_tell(second, "lock %c0 -", pair->wanted->letter);
        assert_code(hand_unlock(first, pair->wanted, 0), 0);
        assert_code(hand_result(second), pair->wanted->granted);
        assert_code(hand_unlock(second, pair->wanted, 0), 0);
    }
    lock_expect_free(pair, 0);
}

static void test_lock__waiters_take_turns(void **state)
{
    lock_with_each_hand(state, waiters_take_turns);
}

/* A timed-out waiter leaves nothing behind that keeps others asleep. */
static void gives_up_cleanly(const struct lock_pair *pair, enum hand_kind kind)
{
    struct hand *patient = hand_start(kind);
    struct hand *hasty = hand_start(kind);

    assert_code(self_lock(pair->held, 0, SHMAP_TRY), pair->held->granted);
    hand_waits(patient, pair->wanted, 0);
    assert_code(hand_lock(hasty, pair->wanted, 0, "20"), SHMAP_ETIMEDOUT);
    assert_code(self_unlock(pair->held, 0), 0);
    assert_code(hand_result(patient), pair->wanted->granted);
    if (pair->held->excludes)
        assert_code(hand_lock(hasty, pair->held, 0, "20"), SHMAP_ETIMEDOUT);
    assert_code(hand_unlock(patient, pair->wanted, 0), 0);
    hand_holds(hasty, pair->held, 0);
    assert_code(hand_unlock(hasty, pair->held, 0), 0);
}

static void test_lock__waiters_that_time_out_do_not_hurt_others(void **state)
{
    lock_with_each_hand(state, gives_up_cleanly);
}

/* Asleep, a wait costs no processor time. */
static void test_lock__sleeping_waiters_cost_no_processor_time(void **state)
{
    const struct lock_pair *pair = *state;
    struct hand *holder;
    uv_rusage_t before;
    uv_rusage_t after;
    long used;

    hands_begin(NULL);
    holder = hand_start(HAND_PROCESS);
    hand_holds(holder, pair->held, 0);
    assert_int_equal(uv_getrusage(&before), 0);
    assert_code(self_lock(pair->wanted, 0, shmap_after(SHMAP_S(1))),
                SHMAP_ETIMEDOUT);
    assert_int_equal(uv_getrusage(&after), 0);
    used = (long)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
           (long)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) +
           (long)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
           (long)(after.ru_stime.tv_usec - before.ru_stime.tv_usec);
    /* Microseconds, of a second. */
    assert_in_range(used, 0, scaled(100000));
    hands_end();
}

/* Many locks. */

static const struct lock_kind *each_kind(int i)
{
    static const int pairs[] = {LOCK_MUTEX, LOCK_WRITER_FOR_WRITER,
                                LOCK_READER_FOR_WRITER, LOCK_ONCE};

    return lock_pairs[pairs[i]].held;
}

enum { KINDS = 4 };

static void test_lock__thread_holds_so_many_and_no_more(void **state)
{
    const struct lock_pair *pair = *state;
    const struct lock_kind *kind = pair->held;
    const unsigned next = SHMAP_LOCKS_MAX;

    hands_begin(NULL);
    for (unsigned i = 0; i < next; i++)
        assert_code(self_lock(kind, i, SHMAP_TRY), kind->granted);
    for (int i = 0; i < KINDS; i++) {
        const struct lock_kind *refused = each_kind(i);
        shmap_rwlock before;

        memcpy(&before, lock_in_view(refused, 0, next), refused->size);
        assert_code(self_lock(refused, next, SHMAP_TRY), SHMAP_ENOLCK);
        assert_code(self_lock(refused, next, SHMAP_FOREVER), SHMAP_ENOLCK);
        assert_int_equal(shmap_system_error(), 0);
        assert_memory_equal(lock_in_view(refused, 0, next), &before,
                            refused->size);
    }
    assert_code(self_unlock(kind, 77), 0);
    assert_code(self_lock(kind, next, SHMAP_TRY), kind->granted);
    assert_code(self_lock(kind, 77, SHMAP_TRY), SHMAP_ENOLCK);
    for (unsigned i = 0; i <= next; i++)
        assert_code(self_unlock(kind, i), i == 77 ? SHMAP_EPERM : 0);
    /* What was refused is free. */
    for (int i = 0; i < KINDS; i++) {
        assert_code(self_lock(each_kind(i), next, SHMAP_TRY),
                    each_kind(i)->granted);
        assert_code(self_unlock(each_kind(i), next), 0);
    }
    hands_end();
}

static void test_lock__locks_hold_no_handles(void **state)
{
    (void)state;
    hands_begin(NULL);
    for (int i = 0; i < KINDS * 1000; i++) {
        const struct lock_kind *kind = each_kind(i % KINDS);
        unsigned number = (unsigned)(i / KINDS % 100);

        assert_code(self_lock(kind, number, SHMAP_TRY), kind->granted);
        assert_code(self_unlock(kind, number), 0);
    }
    hands_end();
}

/* The first lock in a region makes the process known there. */
static int play_without_handles(int count, char **arguments)
{
    role_check(count == 1);
    role_check(hands_join(arguments[0]) != NULL);
    if (!os_limit_handles(0)) {
        say("cannot");
        return 0;
    }
    for (int i = 0; i < KINDS; i++) {
        static const shmap_rwlock zero;
        const struct lock_kind *kind = each_kind(i);

        role_check_code(self_lock(kind, 0, SHMAP_FOREVER), SHMAP_EMFILE);
        role_check(shmap_system_error() != 0);
        role_check_code(self_lock(kind, 0, SHMAP_TRY), SHMAP_EMFILE);
        role_check(memcmp(lock_in_view(kind, 0, 0), &zero, kind->size) == 0);
    }
    role_check(os_limit_handles(4));
    role_check_code(self_lock(each_kind(0), 0, SHMAP_FOREVER), 0);
    role_check(os_limit_handles(0));
    role_check_code(self_unlock(each_kind(0), 0), 0);
    for (int i = 0; i < KINDS; i++)
        role_check_code(self_lock(each_kind(i), (unsigned)i, SHMAP_TRY),
                        each_kind(i)->granted);
    say("done");
    /* Sanitizers look for leaks, and need handles for that. */
    os_exit_now(0);
    return 0;
}

static void test_lock__first_without_handles_fails_clearly(void **state)
{
    bool can;

    (void)state;
    hands_begin(NULL);
    can = units_play_role("without_handles", hands_name());
    hands_end();
    if (!can)
        skip_because("locking needs no handles that can be limited here");
}

/* Views, and other memory. */

/* Lock each of four through one of two views, and unlock it through one of two;
 * bits of `views` say which. */
static void lock_and_unlock(const struct lock_pair *pair, const int *lock_order,
                            const int *unlock_order, int views)
{
    const struct lock_kind *held = pair->held;

    for (int i = 0; i < HANDS_FOUR; i++) {
        int m = lock_order[i];
        void *lock = lock_in_view(held, views >> m & 1, (unsigned)m);

        assert_code(held->lock(lock, SHMAP_TRY), held->granted);
    }
    for (int i = 0; i < 2 * HANDS_FOUR; i++) {
        void *lock = lock_in_view(held, i % 2, (unsigned)i / 2);

        assert_code(pair->wanted->lock(lock, SHMAP_TRY), SHMAP_EDEADLK);
    }
    for (int i = 0; i < HANDS_FOUR; i++) {
        int m = unlock_order[i];
        void *lock =
            lock_in_view(held, views >> (m + HANDS_FOUR) & 1, (unsigned)m);

        assert_code(held->unlock(lock), 0);
        assert_code(held->unlock(lock), SHMAP_EPERM);
    }
}

static void test_lock__orders_and_views_do_not_matter(void **state)
{
    const struct lock_pair *pair = *state;

    hands_begin(NULL);
    assert_code(hands_obey("attach 1"), 0);
    for (int n = 0; n < HANDS_ORDERS; n++) {
        for (int o = 0; o < HANDS_ORDERS; o++) {
            int lock_order[HANDS_FOUR];
            int unlock_order[HANDS_FOUR];

            hands_order(n, lock_order);
            hands_order(o, unlock_order);
            for (int views = 0; views < 256; views += 17)
                lock_and_unlock(pair, lock_order, unlock_order, views);
            lock_and_unlock(pair, lock_order, unlock_order,
                            (n * 37 + o * 11) & 255);
        }
    }
    for (unsigned i = 0; i < HANDS_FOUR; i++)
        lock_expect_free(pair, i);
    hands_end();
}

static void is_one_in_two_views(const struct lock_pair *pair,
                                enum hand_kind kind)
{
    const struct lock_kind *held = pair->held;
    const struct lock_kind *wanted = pair->wanted;
    struct hand *other = hand_start(kind);

    hand_do(other, "attach 1");
    assert_code(hand_lock(other, held, 0, "0 1"), held->granted);
    assert_code(hand_lock(other, wanted, 0, "0"), SHMAP_EDEADLK);
    lock_expect_held(pair, 0);
    assert_code(hand_lock(other, held, 1, "0"), held->granted);
    assert_code(hand_unlock(other, held, 0), 0);
    assert_code(self_lock(held, 0, SHMAP_TRY), held->granted);
    hand_waits_in(other, wanted, 0, 1);
    assert_code(self_unlock(held, 0), 0);
    assert_code(hand_result(other), wanted->granted);
    assert_code(hand(other, "unlock %c1 1", held->letter), 0);
    assert_code(hand_unlock(other, wanted, 0), 0);
    hand_do(other, "detach 1");
}

static void test_lock__is_one_in_two_views(void **state)
{
    lock_with_each_hand(state, is_one_in_two_views);
}

/* The last bytes of a view, and the first. */
static void test_lock__can_be_at_the_edges_of_a_view(void **state)
{
    const struct lock_pair *pair = *state;
    const struct lock_kind *kind = pair->held;
    shmap_region *region;
    shmap_view view;
    void *edges[2];

    assert_code(shmap_region_create(&region, NULL, 65536, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    edges[0] = view.data;
    edges[1] = (char *)view.data + view.size - kind->size;
    for (int i = 0; i < 2; i++) {
        assert_code(kind->lock(edges[i], SHMAP_TRY), kind->granted);
        assert_code(kind->lock(edges[1 - i], SHMAP_TRY), kind->granted);
        assert_code(kind->unlock(edges[0]), 0);
        assert_code(kind->unlock(edges[1]), 0);
    }
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

/* A lock of one process, in memory of its own, works as well. */
struct neighbour {
    const struct lock_pair *pair;
    void *lock;
    int results[2];
};

static void try_in_a_thread(void *argument)
{
    struct neighbour *neighbour = argument;
    const struct lock_pair *pair = neighbour->pair;

    neighbour->results[0] = pair->wanted->lock(neighbour->lock, SHMAP_TRY);
    neighbour->results[1] = pair->wanted->unlock(neighbour->lock);
}

static void test_lock__memory_need_not_be_shared(void **state)
{
    const struct lock_pair *pair = *state;
    struct neighbour neighbour = {.pair = pair};
    uv_thread_t thread;

    neighbour.lock = calloc(1, pair->held->size);
    assert_non_null(neighbour.lock);
    assert_code(pair->held->lock(neighbour.lock, SHMAP_TRY),
                pair->held->granted);
    assert_int_equal(uv_thread_create(&thread, try_in_a_thread, &neighbour), 0);
    uv_thread_join(&thread);
    assert_code(neighbour.results[0], SHMAP_ETIMEDOUT);
    assert_code(neighbour.results[1], SHMAP_EPERM);
    assert_code(pair->held->unlock(neighbour.lock), 0);
    free(neighbour.lock);
}

/* Exclusion. */

static uint64_t turns_of_each(void)
{
    return (uint64_t)setting("SHMAP_TEST_INCREMENTS",
                             os_is_emulated() ? 1000 : 10000);
}

/* The numbers are not atomic, and agree outside. A writer adds 1 to each. */
enum { NUMBERS = 4 };

static bool write_numbers(struct shared *shared)
{
    bool whole = shared->number[0] == shared->number[NUMBERS - 1];

    for (int i = 0; i < NUMBERS; i++)
        shared->number[i] = shared->number[i] + 1;
    return whole;
}

static bool read_numbers(const struct shared *shared)
{
    uint64_t first = shared->number[0];

    for (int i = 1; i < NUMBERS; i++) {
        if (shared->number[i] != first)
            return false;
    }
    return true;
}

/* Every fourth turn locks as `held` says, and every eighth with a deadline that
 * may pass. Returns how many turns went wrong. */
static uint64_t take_turns(const struct lock_pair *pair, struct shared *shared,
                           uint64_t times)
{
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < times; i++) {
        const struct lock_kind *kind = i % 4 == 0 ? pair->held : pair->wanted;
        int64_t deadline =
            i % 8 == 5 ? shmap_after(SHMAP_US(20)) : SHMAP_FOREVER;
        int result = self_lock(kind, 0, deadline);

        if (result == SHMAP_ETIMEDOUT)
            result = self_lock(kind, 0, SHMAP_FOREVER);
        wrong += result != kind->granted;
        wrong +=
            !(kind->excludes ? write_numbers(shared) : read_numbers(shared));
        wrong += self_unlock(kind, 0) != 0;
    }
    return wrong;
}

/* How many of so many turns write. */
static uint64_t writing_turns(const struct lock_pair *pair, uint64_t times)
{
    uint64_t fourths = (times + 3) / 4;

    return (pair->held->excludes ? fourths : 0) +
           (pair->wanted->excludes ? times - fourths : 0);
}

static int play_taker(int count, char **arguments)
{
    struct shared *shared;
    int pair;

    role_check(count == 2);
    shared = hands_join(arguments[0]);
    pair = atoi(arguments[1]);
    role_check(shared != NULL);
    say("ready");
    role_check(hear() != NULL);
    role_check(take_turns(&lock_pairs[pair], shared, turns_of_each()) == 0);
    say("done");
    return 0;
}

static void test_lock__sixteen_processes_exclude_each_other(void **state)
{
    enum { PROCESSES = 16 };
    const struct lock_pair *pair = *state;
    struct shared *shared = hands_begin(NULL);
    char word[16];

    snprintf(word, sizeof word, "%d", (int)(pair - lock_pairs));
    hands_race("taker", word, PROCESSES);
    assert_true(shared->number[0] ==
                PROCESSES * writing_turns(pair, turns_of_each()));
    assert_true(read_numbers(shared));
    hands_end();
}

struct taker {
    uv_thread_t thread;
    const struct lock_pair *pair;
    struct shared *shared;
    uint64_t wrong;
};

static void take_turns_in_a_thread(void *argument)
{
    struct taker *taker = argument;

    taker->wrong = take_turns(taker->pair, taker->shared, turns_of_each());
}

static void test_lock__threads_exclude_each_other(void **state)
{
    enum { THREADS = 8 };
    const struct lock_pair *pair = *state;
    struct taker takers[THREADS];
    struct shared *shared = hands_begin(NULL);

    for (int i = 0; i < THREADS; i++) {
        struct taker taker = {.pair = pair, .shared = shared};

        takers[i] = taker;
        assert_int_equal(uv_thread_create(&takers[i].thread,
                                          take_turns_in_a_thread, &takers[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&takers[i].thread);
    for (int i = 0; i < THREADS; i++)
        assert_true(takers[i].wrong == 0);
    assert_true(shared->number[0] ==
                THREADS * writing_turns(pair, turns_of_each()));
    hands_end();
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"taker", play_taker},
        {"without_handles", play_without_handles},
        {0, 0},
    };
    static const struct CMUnitTest tests[] = {
        LOCK_TEST(test_lock__is_ready_when_zero),
        LOCK_TEST(test_lock__bad_pointers_are_refused),
        LOCK_TEST(test_lock__unlock_without_lock_is_refused),
        LOCK_TEST(test_lock__consistent_without_death_is_refused),
        LOCK_TEST(test_lock__second_lock_by_its_holder_is_a_deadlock),
        LOCK_TEST(test_lock__belongs_to_one_thread),
        LOCK_TEST(test_lock__waits_end_with_their_deadline),
        LOCK_TEST(test_lock__unlock_wakes_a_waiter),
        LOCK_TEST(test_lock__waiters_take_turns),
        LOCK_TEST(test_lock__waiters_that_time_out_do_not_hurt_others),
        LOCK_TEST(test_lock__sleeping_waiters_cost_no_processor_time),
        LOCK_TEST(test_lock__thread_holds_so_many_and_no_more),
        leak_checked(test_lock__locks_hold_no_handles),
        cmocka_unit_test(test_lock__first_without_handles_fails_clearly),
        LOCK_TEST(test_lock__orders_and_views_do_not_matter),
        LOCK_TEST(test_lock__is_one_in_two_views),
        LOCK_TEST(test_lock__can_be_at_the_edges_of_a_view),
        LOCK_TEST(test_lock__memory_need_not_be_shared),
        LOCK_TEST(test_lock__sixteen_processes_exclude_each_other),
        LOCK_TEST(test_lock__threads_exclude_each_other),
    };

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
