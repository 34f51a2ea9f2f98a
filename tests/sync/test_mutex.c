/* SPDX-License-Identifier: MIT */

/* Mutexes while everybody lives: results, deadlines, owners, exclusion. What
 * deaths do to them is in test_mutex_death.c. */

#include <uv.h>

#include "hands.h"
#include "threads.h"
#include "units.h"

/* Milliseconds in which something that need not wait is done on a busy machine.
 */
enum { AT_ONCE = 2000 };

static void test_mutex__is_ready_when_zero(void **state)
{
    static const shmap_mutex zero = {0};
    shmap_mutex mutex = {0};

    (void)state;
    assert_int_equal(sizeof mutex, 64);
    assert_code(shmap_mutex_lock(&mutex, SHMAP_FOREVER), 0);
    assert_code(shmap_mutex_unlock(&mutex), 0);
    assert_code(shmap_mutex_lock(&mutex, SHMAP_TRY), 0);
    assert_code(shmap_mutex_unlock(&mutex), 0);
    mutex = zero;
    assert_code(shmap_mutex_lock(&mutex, -1), 0);
    assert_code(shmap_mutex_unlock(&mutex), 0);
}

static void test_mutex__pointers_are_checked(void **state)
{
    shmap_mutex mutexes[2] = {{0}, {0}};
    shmap_mutex untouched[2];
    shmap_mutex *odd = (void *)((char *)mutexes + 4);

    (void)state;
    memcpy(untouched, mutexes, sizeof untouched);
    assert_code(shmap_mutex_lock(NULL, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_mutex_unlock(NULL), SHMAP_EINVAL);
    assert_code(shmap_mutex_consistent(NULL), SHMAP_EINVAL);
    assert_code(shmap_mutex_lock(odd, SHMAP_FOREVER), SHMAP_EINVAL);
    assert_code(shmap_mutex_unlock(odd), SHMAP_EINVAL);
    assert_code(shmap_mutex_consistent(odd), SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(mutexes, untouched, sizeof untouched);
}

static void test_mutex__second_lock_by_its_owner_is_a_deadlock(void **state)
{
    shmap_mutex mutex = {0};
    shmap_mutex before;

    (void)state;
    assert_code(shmap_mutex_lock(&mutex, SHMAP_TRY), 0);
    before = mutex;
    assert_code(shmap_mutex_lock(&mutex, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_mutex_lock(&mutex, SHMAP_FOREVER), SHMAP_EDEADLK);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(&mutex, &before, sizeof mutex);
    assert_code(shmap_mutex_unlock(&mutex), 0);
}

static void test_mutex__unlock_without_lock_is_refused(void **state)
{
    shmap_mutex mutex = {0};
    shmap_mutex before = mutex;

    (void)state;
    assert_code(shmap_mutex_unlock(&mutex), SHMAP_EPERM);
    assert_memory_equal(&mutex, &before, sizeof mutex);
    assert_code(shmap_mutex_lock(&mutex, SHMAP_TRY), 0);
    assert_code(shmap_mutex_unlock(&mutex), 0);
    before = mutex;
    assert_code(shmap_mutex_unlock(&mutex), SHMAP_EPERM);
    assert_memory_equal(&mutex, &before, sizeof mutex);
}

static void test_mutex__consistent_needs_the_lock_and_a_death(void **state)
{
    shmap_mutex mutex = {0};
    shmap_mutex before = mutex;

    (void)state;
    assert_code(shmap_mutex_consistent(&mutex), SHMAP_EPERM);
    assert_memory_equal(&mutex, &before, sizeof mutex);
    assert_code(shmap_mutex_lock(&mutex, SHMAP_TRY), 0);
    before = mutex;
    assert_code(shmap_mutex_consistent(&mutex), SHMAP_EINVAL);
    assert_memory_equal(&mutex, &before, sizeof mutex);
    assert_code(shmap_mutex_unlock(&mutex), 0);
}

static void others_are_refused(struct shared *shared, enum hand_kind kind)
{
    struct hand *other = hand_start(kind);
    shmap_mutex before;

    hand_do(other, "lock m1 0");
    hand_do(other, "unlock m1");
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
    before = shared->mutex[0];
    assert_code(hand(other, "unlock m0"), SHMAP_EPERM);
    assert_code(hand(other, "consistent m0"), SHMAP_EPERM);
    assert_code(hand(other, "lock m0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(other, "lock m0 -5"), SHMAP_ETIMEDOUT);
    assert_memory_equal(&shared->mutex[0], &before, sizeof before);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    hand_do(other, "lock m0 0");
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), SHMAP_EPERM);
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    hand_do(other, "unlock m0");
}

static void test_mutex__belongs_to_one_thread(void **state)
{
    (void)state;
    with_each_kind(others_are_refused);
}

/* A wait ends with its deadline: not before, and not much later. */
static void expect_timeout(shmap_mutex *mutex, int64_t ns)
{
    int64_t deadline = shmap_after(ns);
    int64_t late;

    assert_code(shmap_mutex_lock(mutex, deadline), SHMAP_ETIMEDOUT);
    late = shmap_now() - deadline;
    assert_true(late >= 0);
    assert_true(late < (patience_until(AT_ONCE) - clock_ms()) * 1000000);
}

static void waits_until_the_deadline(struct shared *shared, enum hand_kind kind)
{
    static const int64_t waits[] = {1, 1000, 50000, 1000000, 30000000};
    struct hand *owner = hand_start(kind);
    int64_t start = shmap_now();

    hand_do(owner, "lock m0 0");
    assert_code(shmap_mutex_lock(&shared->mutex[0], 1), SHMAP_ETIMEDOUT);
    assert_code(shmap_mutex_lock(&shared->mutex[0], start), SHMAP_ETIMEDOUT);
    assert_code(shmap_mutex_lock(&shared->mutex[0], INT64_MIN),
                SHMAP_ETIMEDOUT);
    for (size_t i = 0; i < COUNT(waits); i++)
        expect_timeout(&shared->mutex[0], waits[i]);
    /* Longer than anybody sleeps at a time. */
    expect_timeout(&shared->mutex[0], 450000000);
    shared->mutex[0].spin_ns = SHMAP_SPIN_NEVER;
    expect_timeout(&shared->mutex[0], 30000000);
    shared->mutex[0].spin_ns = SHMAP_SPIN_MAX;
    expect_timeout(&shared->mutex[0], 30000000);
    hand_do(owner, "unlock m0");
    assert_code(shmap_mutex_lock(&shared->mutex[0], start), 0);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
}

static void test_mutex__waits_end_with_their_deadline(void **state)
{
    (void)state;
    with_each_kind(waits_until_the_deadline);
}

static void unlock_wakes(struct shared *shared, enum hand_kind kind)
{
    struct hand *waiter = hand_start(kind);
    int prompt = 0;

    for (int i = 0; i < 20; i++) {
        int64_t start;

        assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
        hand_tell(waiter, "lock m0 -");
        hands_wait_for("m0");
        start = clock_ms();
        assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
        assert_code(hand_result(waiter), 0);
        prompt += hands_are_prompt(start);
        assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
        hand_do(waiter, "unlock m0");
    }
    assert_in_range(prompt, 10, 20);
}

static void test_mutex__unlock_wakes_a_waiter(void **state)
{
    (void)state;
    with_each_kind(unlock_wakes);
}

/* Of a chain of waiters, each wakes the next. */
enum { WAITERS = 4 };

/* Which of these ids has the mutex; -1 if none. */
static int owner_among(const uint64_t *ids, const shmap_mutex *mutex)
{
    const uint64_t flags = UINT64_C(0x80000000);
    uint64_t owner = memory_load(&mutex->owner_) & ~flags;

    for (int i = 0; i < WAITERS; i++) {
        if (ids[i] == owner)
            return i;
    }
    return -1;
}

/* Returns whether none of them slept for longer than it had to. */
static bool pass_it_on(struct shared *shared, struct hand **waiters,
                       const uint64_t *ids)
{
    bool has_had_it[WAITERS] = {false};
    int64_t start;

    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
    for (int i = 0; i < WAITERS; i++)
        hand_tell(waiters[i], "lock m0 -");
    hands_wait_for("m0");
    start = clock_ms();
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    for (int turn = 0; turn < WAITERS; turn++) {
        int who = -1;

        assert_eventually((who = owner_among(ids, &shared->mutex[0])) >= 0);
        assert_false(has_had_it[who]);
        has_had_it[who] = true;
        assert_code(hand_result(waiters[who]), 0);
        hand_do(waiters[who], "unlock m0");
    }
    return hands_are_prompt(start);
}

static void wakes_one_after_the_other(struct shared *shared,
                                      enum hand_kind kind)
{
    struct hand *waiters[WAITERS];
    uint64_t ids[WAITERS];
    int prompt = 0;

    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = hand_start(kind);
        hand_do(waiters[i], "lock m1 0");
        ids[i] = memory_load(&shared->mutex[1].owner_);
        hand_do(waiters[i], "unlock m1");
    }
    for (int i = 0; i < 10; i++)
        prompt += pass_it_on(shared, waiters, ids);
    assert_in_range(prompt, 5, 10);
}

static void test_mutex__every_waiter_gets_it(void **state)
{
    (void)state;
    with_each_kind(wakes_one_after_the_other);
}

/* A timed-out waiter leaves nothing behind that keeps others asleep. */
static void gives_up_cleanly(struct shared *shared, enum hand_kind kind)
{
    struct hand *patient = hand_start(kind);
    struct hand *hasty = hand_start(kind);

    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
    hand_tell(patient, "lock m0 -");
    hands_wait_for("m0");
    assert_code(hand(hasty, "lock m0 20"), SHMAP_ETIMEDOUT);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    assert_code(hand_result(patient), 0);
    assert_code(hand(hasty, "lock m0 20"), SHMAP_ETIMEDOUT);
    hand_do(patient, "unlock m0");
    hand_do(hasty, "lock m0 0");
    hand_do(hasty, "unlock m0");
}

static void test_mutex__waiters_that_give_up_do_not_hurt_others(void **state)
{
    (void)state;
    with_each_kind(gives_up_cleanly);
}

static void test_mutex__many_can_be_held_and_no_more(void **state)
{
    struct shared *shared = hands_begin(NULL);
    shmap_mutex before;

    (void)state;
    for (int i = 0; i < SHMAP_LOCKS_MAX; i++)
        assert_code(shmap_mutex_lock(&shared->mutex[i], SHMAP_TRY), 0);
    before = shared->mutex[SHMAP_LOCKS_MAX];
    assert_code(shmap_mutex_lock(&shared->mutex[SHMAP_LOCKS_MAX], SHMAP_TRY),
                SHMAP_ENOLCK);
    assert_int_equal(shmap_system_error(), 0);
    assert_true(shared->mutex[SHMAP_LOCKS_MAX].owner_ == before.owner_);
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ENOLCK);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ENOLCK);
    assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY), SHMAP_ENOLCK);
    assert_code(shmap_mutex_unlock(&shared->mutex[77]), 0);
    assert_code(shmap_mutex_lock(&shared->mutex[SHMAP_LOCKS_MAX], SHMAP_TRY),
                0);
    assert_code(shmap_mutex_lock(&shared->mutex[77], SHMAP_TRY), SHMAP_ENOLCK);
    for (int i = 0; i <= SHMAP_LOCKS_MAX; i++)
        assert_code(shmap_mutex_unlock(&shared->mutex[i]),
                    i == 77 ? SHMAP_EPERM : 0);
    /* What was refused is free. */
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY), 0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                SHMAP_ONCE_YOURS);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    hands_end();
}

/* All orders of four. */

/* Lock each through one of two views, and unlock it through one of two; bits of
 * `views` say which. */
static void lock_and_unlock(const int *lock_order, const int *unlock_order,
                            int views)
{
    struct shared *at[2] = {hands_shared(0), hands_shared(1)};

    for (int i = 0; i < HANDS_FOUR; i++) {
        int m = lock_order[i];

        assert_code(shmap_mutex_lock(&at[views >> m & 1]->mutex[m], SHMAP_TRY),
                    0);
    }
    for (int m = 0; m < HANDS_FOUR; m++) {
        assert_code(shmap_mutex_lock(&at[0]->mutex[m], SHMAP_TRY),
                    SHMAP_EDEADLK);
        assert_code(shmap_mutex_lock(&at[1]->mutex[m], SHMAP_TRY),
                    SHMAP_EDEADLK);
    }
    for (int i = 0; i < HANDS_FOUR; i++) {
        int m = unlock_order[i];

        assert_code(
            shmap_mutex_unlock(&at[views >> (m + HANDS_FOUR) & 1]->mutex[m]),
            0);
        assert_true(at[0]->mutex[m].owner_ == 0);
    }
    for (int m = 0; m < HANDS_FOUR; m++)
        assert_code(shmap_mutex_unlock(&at[0]->mutex[m]), SHMAP_EPERM);
}

static void test_mutex__orders_and_views_do_not_matter(void **state)
{
    (void)state;
    hands_begin(NULL);
    assert_code(hands_obey("attach 1"), 0);
    for (int n = 0; n < HANDS_ORDERS; n++) {
        for (int o = 0; o < HANDS_ORDERS; o++) {
            int lock_order[HANDS_FOUR];
            int unlock_order[HANDS_FOUR];

            hands_order(n, lock_order);
            hands_order(o, unlock_order);
            for (int views = 0; views < 256; views += 17)
                lock_and_unlock(lock_order, unlock_order, views);
            lock_and_unlock(lock_order, unlock_order, (n * 37 + o * 11) & 255);
        }
    }
    hands_end();
}

static void is_one_in_two_views(struct shared *shared, enum hand_kind kind)
{
    struct hand *other = hand_start(kind);

    hand_do(other, "attach 1");
    hand_do(other, "lock m0 0 1");
    assert_code(hand(other, "lock m0 0"), SHMAP_EDEADLK);
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    hand_do(other, "lock m1 0 0");
    hand_do(other, "unlock m0 0");
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
    hand_tell(other, "lock m0 - 1");
    hands_wait_for("m0");
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    assert_code(hand_result(other), 0);
    hand_do(other, "unlock m1 1");
    hand_do(other, "unlock m0 0");
    hand_do(other, "detach 1");
}

static void test_mutex__is_one_in_two_views(void **state)
{
    (void)state;
    with_each_kind(is_one_in_two_views);
}

/* The last 64 bytes of a view, and the first. */
static void test_mutex__can_be_at_the_edges_of_a_view(void **state)
{
    shmap_region *region;
    shmap_view view;
    shmap_mutex *first;
    shmap_mutex *last;

    (void)state;
    assert_code(shmap_region_create(&region, NULL, 65536, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    first = view.data;
    last = (shmap_mutex *)view.data + view.size / sizeof *last - 1;
    assert_code(shmap_mutex_lock(first, SHMAP_TRY), 0);
    assert_code(shmap_mutex_lock(last, SHMAP_TRY), 0);
    assert_code(shmap_mutex_unlock(first), 0);
    assert_code(shmap_mutex_unlock(last), 0);
    assert_code(shmap_mutex_lock(last, SHMAP_TRY), 0);
    assert_code(shmap_mutex_lock(first, SHMAP_TRY), 0);
    assert_code(shmap_mutex_unlock(first), 0);
    assert_code(shmap_mutex_unlock(last), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

/* Unlocking and locking leaves nothing to be cleaned up. */
static void test_mutex__locks_hold_no_handles(void **state)
{
    struct shared *shared = hands_begin(NULL);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_code(shmap_mutex_lock(&shared->mutex[i % 100], SHMAP_TRY), 0);
        assert_code(shmap_mutex_unlock(&shared->mutex[i % 100]), 0);
    }
    hands_end();
}

/* Child after fork. */
static void test_mutex__forked_child_has_none_of_its_parents(void **state)
{
    struct shared *shared;
    struct hand *parent;

    (void)state;
    if (!os_can_fork())
        skip_because("there is no fork here");
    shared = hands_begin(NULL);
    parent = hand_start(HAND_PROCESS);
    hand_do(parent, "lock m0 0");
    hand_do(parent, "lock m1 0");
    hand_do(parent, "fork");
    assert_code(hand(parent, "child unlock m0"), SHMAP_EPERM);
    assert_code(hand(parent, "child consistent m0"), SHMAP_EPERM);
    assert_code(hand(parent, "child lock m0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock m0 20"), SHMAP_ETIMEDOUT);
    hand_do(parent, "child lock m2 0");
    assert_code(hand(parent, "lock m2 0"), SHMAP_ETIMEDOUT);
    hand_do(parent, "child unlock m2");
    hand_do(parent, "child lock m3 0");
    /* The child ends, with what it has. */
    assert_int_equal(hand(parent, "wait"), 0);
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    assert_code(shmap_mutex_lock(&shared->mutex[1], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    assert_code(shmap_mutex_lock(&shared->mutex[3], SHMAP_TRY),
                SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_unlock(&shared->mutex[3]), 0);
    hand_do(parent, "unlock m0");
    hand_do(parent, "unlock m1");
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    hands_end();
}

static void test_mutex__forked_child_does_not_hide_its_parents_death(
    void **state)
{
    struct shared *shared;
    struct hand *parent;

    (void)state;
    if (!os_can_fork())
        skip_because("there is no fork here");
    shared = hands_begin(NULL);
    parent = hand_start(HAND_PROCESS);
    hand_do(parent, "lock m0 0");
    hand_do(parent, "fork");
    /* It lives on, as the reader of a pipe that stays open. */
    hand_do(parent, "child lock m1 0");
    hand_tell(parent, "die");
    assert_code(shmap_mutex_lock(&shared->mutex[0], shmap_after(SHMAP_S(10))),
                SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    hands_end();
}

/* The first lock in a region makes the process known there. */
static int play_without_handles(int count, char **arguments)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    struct shared *shared;

    (void)count, (void)arguments;
    role_check_code(shmap_region_create(&region, NULL, sizeof *shared, NULL),
                    0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    shared = view.data;
    if (!os_limit_handles(0)) {
        say("cannot");
        return 0;
    }
    role_check_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_FOREVER),
                    SHMAP_EMFILE);
    role_check(shmap_system_error() != 0);
    role_check_code(shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY),
                    SHMAP_EMFILE);
    role_check_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                    SHMAP_EMFILE);
    role_check_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                    SHMAP_EMFILE);
    role_check(shared->mutex[0].owner_ == 0);
    role_check(os_limit_handles(4));
    role_check_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_FOREVER), 0);
    role_check(os_limit_handles(0));
    role_check_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    role_check_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
    role_check_code(shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY), 0);
    say("done");
    /* Sanitizers look for leaks, and need handles for that. */
    os_exit_now(0);
    return 0;
}

static void test_mutex__without_handles_a_first_lock_fails_clearly(void **state)
{
    (void)state;
    units_run_role("without_handles", NULL,
                   "locking needs no handles that can be limited here");
}

/* Exclusion: many processes begin at once, on zeroed memory. */

static uint64_t increments(void)
{
    uint64_t wanted = os_is_emulated() ? 2000 : 20000;

    return (uint64_t)setting("SHMAP_TEST_INCREMENTS", (long)wanted);
}

/* The number is not atomic, and has two halves that agree outside. */
static void add_one(struct shared *shared)
{
    shared->number[0] = shared->number[0] + 1;
    if (shared->number[0] != shared->number[1] + 1)
        shared->number[2] = 1;
    shared->number[1] = shared->number[0];
}

static int play_adder(int count, char **arguments)
{
    struct shared *shared;
    uint64_t times;

    role_check(count == 2);
    shared = hands_join(arguments[0]);
    times = strtoull(arguments[1], NULL, 10);
    role_check(shared != NULL);
    say("ready");
    role_check(hear() != NULL);
    for (uint64_t i = 0; i < times; i++) {
        role_check_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_FOREVER), 0);
        add_one(shared);
        role_check_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    }
    say("done");
    return 0;
}

static void test_mutex__sixteen_processes_start_at_once(void **state)
{
    enum { PROCESSES = 16 };
    struct child *children[PROCESSES];
    struct shared *shared = hands_begin(NULL);
    uint64_t times = increments();
    char text[24];

    (void)state;
    snprintf(text, sizeof text, "%lu", (unsigned long)times);
    for (int i = 0; i < PROCESSES; i++)
        children[i] = child_start("adder", hands_name(), text, NULL);
    for (int i = 0; i < PROCESSES; i++)
        child_expect(children[i], "ready");
    for (int i = 0; i < PROCESSES; i++)
        child_tell(children[i], "go");
    for (int i = 0; i < PROCESSES; i++) {
        const char *line = child_read_line(children[i], 3 * PATIENCE);

        assert_non_null(line);
        assert_string_equal(line, "done");
        assert_int_equal(child_wait(children[i], PATIENCE), 0);
    }
    assert_true(shared->number[0] == PROCESSES * times);
    assert_true(shared->number[1] == PROCESSES * times);
    assert_true(shared->number[2] == 0);
    hands_end();
}

struct adder {
    uv_thread_t thread;
    struct shared *shared;
    uint64_t times;
    uint64_t wrong;
};

static void add_in_a_thread(void *argument)
{
    struct adder *adder = argument;

    for (uint64_t i = 0; i < adder->times; i++) {
        /* Some with deadlines that pass. */
        int64_t deadline =
            i % 4 == 0 ? shmap_after(SHMAP_US(20)) : SHMAP_FOREVER;
        int result = shmap_mutex_lock(&adder->shared->mutex[0], deadline);

        if (result == SHMAP_ETIMEDOUT)
            result = shmap_mutex_lock(&adder->shared->mutex[0], SHMAP_FOREVER);
        adder->wrong += result != 0;
        add_one(adder->shared);
        adder->wrong += shmap_mutex_unlock(&adder->shared->mutex[0]) != 0;
    }
}

static void test_mutex__threads_exclude_each_other(void **state)
{
    enum { THREADS = 8 };
    struct adder adders[THREADS];
    struct shared *shared = hands_begin(NULL);
    uint64_t times = increments() / 4;

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        struct adder adder = {.shared = shared, .times = times};

        adders[i] = adder;
        assert_int_equal(
            uv_thread_create(&adders[i].thread, add_in_a_thread, &adders[i]),
            0);
    }
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&adders[i].thread);
    for (int i = 0; i < THREADS; i++)
        assert_true(adders[i].wrong == 0);
    assert_true(shared->number[0] == THREADS * times);
    assert_true(shared->number[2] == 0);
    hands_end();
}

/* A private mutex of one process, on its stack, works as well. */
static void lock_and_unlock_in_a_thread(void *argument)
{
    struct adder *adder = argument;

    adder->wrong += shmap_mutex_lock(&adder->shared->mutex[0], SHMAP_TRY) !=
                    SHMAP_ETIMEDOUT;
    adder->wrong += shmap_mutex_unlock(&adder->shared->mutex[0]) != SHMAP_EPERM;
}

static void test_mutex__memory_need_not_be_shared(void **state)
{
    struct shared *memory = calloc(1, sizeof *memory);
    struct adder adder = {.shared = memory};

    (void)state;
    assert_non_null(memory);
    assert_code(shmap_mutex_lock(&memory->mutex[0], SHMAP_TRY), 0);
    assert_int_equal(
        uv_thread_create(&adder.thread, lock_and_unlock_in_a_thread, &adder),
        0);
    uv_thread_join(&adder.thread);
    assert_true(adder.wrong == 0);
    assert_code(shmap_mutex_unlock(&memory->mutex[0]), 0);
    free(memory);
}

/* Asleep, a wait costs no processor time. */
static void test_mutex__sleeping_waiters_cost_nothing(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *owner = hand_start(HAND_PROCESS);
    uv_rusage_t before;
    uv_rusage_t after;
    long used;

    (void)state;
    hand_do(owner, "lock m0 0");
    assert_int_equal(uv_getrusage(&before), 0);
    assert_code(shmap_mutex_lock(&shared->mutex[0], shmap_after(SHMAP_S(1))),
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

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"adder", play_adder},
        {"without_handles", play_without_handles},
        {0, 0},
    };
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutex__is_ready_when_zero),
        cmocka_unit_test(test_mutex__pointers_are_checked),
        cmocka_unit_test(test_mutex__second_lock_by_its_owner_is_a_deadlock),
        cmocka_unit_test(test_mutex__unlock_without_lock_is_refused),
        cmocka_unit_test(test_mutex__consistent_needs_the_lock_and_a_death),
        cmocka_unit_test(test_mutex__belongs_to_one_thread),
        cmocka_unit_test(test_mutex__waits_end_with_their_deadline),
        cmocka_unit_test(test_mutex__unlock_wakes_a_waiter),
        cmocka_unit_test(test_mutex__every_waiter_gets_it),
        cmocka_unit_test(test_mutex__waiters_that_give_up_do_not_hurt_others),
        cmocka_unit_test(test_mutex__many_can_be_held_and_no_more),
        cmocka_unit_test(test_mutex__orders_and_views_do_not_matter),
        cmocka_unit_test(test_mutex__is_one_in_two_views),
        cmocka_unit_test(test_mutex__can_be_at_the_edges_of_a_view),
        leak_checked(test_mutex__locks_hold_no_handles),
        cmocka_unit_test(test_mutex__forked_child_has_none_of_its_parents),
        cmocka_unit_test(
            test_mutex__forked_child_does_not_hide_its_parents_death),
        cmocka_unit_test(
            test_mutex__without_handles_a_first_lock_fails_clearly),
        cmocka_unit_test(test_mutex__sixteen_processes_start_at_once),
        cmocka_unit_test(test_mutex__threads_exclude_each_other),
        cmocka_unit_test(test_mutex__memory_need_not_be_shared),
        cmocka_unit_test(test_mutex__sleeping_waiters_cost_nothing),
    };

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
