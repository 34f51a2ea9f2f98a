/* SPDX-License-Identifier: MIT */

/* Mutexes whose owners die, in whatever way, or seem to: the next one is told,
 * and only then (P11). */

#include <uv.h>

#include "hands.h"
#include "stops.h"
#include "threads.h"
#include "units.h"

/* Ways to end. */

static void end_is_reported(struct shared *shared, enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);

    hand_do(owner, "lock m0 0");
    hand_do(owner, "lock m1 0");
    hand_do(owner, "unlock m1");
    hand_end(owner);
    expect_death(&shared->mutex[0]);
    expect_life(&shared->mutex[1]);
}

static void test_mutex_death__end_of_the_owner_is_reported(void **state)
{
    (void)state;
    with_each_kind(end_is_reported);
}

static void test_mutex_death__thread_that_ends_itself_is_reported(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *owner = hand_start(HAND_THREAD);

    (void)state;
    hand_do(owner, "lock m0 0");
    hand_tell(owner, "end-thread");
    hand_end(owner);
    expect_death(&shared->mutex[0]);
    hands_end();
}

/* Ends of a process that is not killed. */
static void expect_end_by(const char *command)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *owner = hand_start(HAND_PROCESS);

    hand_do(owner, "lock m0 0");
    hand_do(owner, "lock m1 0");
    hand_tell(owner, "%s", command);
    assert_code(shmap_mutex_lock(&shared->mutex[1], shmap_after(SHMAP_S(10))),
                SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_unlock(&shared->mutex[1]), 0);
    assert_code(shmap_mutex_lock(&shared->mutex[0], shmap_after(SHMAP_S(10))),
                SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    hands_end();
}

static void test_mutex_death__exit_is_reported(void **state)
{
    (void)state;
    expect_end_by("leave");
    expect_end_by("exit 0");
    expect_end_by("die");
}

static void test_mutex_death__exec_is_reported(void **state)
{
    (void)state;
    if (!os_can_fork())
        skip_because("no process becomes another program here");
    expect_end_by("exec");
}

/* Threads of one process, which dies with all of them. */

enum { CROWD = 4 };

static uv_sem_t have_locked;

static void lock_and_stay(void *argument)
{
    shmap_mutex *mutex = argument;

    role_check_code(shmap_mutex_lock(mutex, SHMAP_TRY), 0);
    uv_sem_post(&have_locked);
    for (;;)
        uv_sleep(10000);
}

static int play_crowd(int count, char **arguments)
{
    struct shared *shared;
    uv_thread_t threads[CROWD];

    role_check(count == 1);
    shared = hands_join(arguments[0]);
    role_check(shared != NULL);
    role_check(uv_sem_init(&have_locked, 0) == 0);
    for (int i = 0; i < CROWD; i++)
        role_check(uv_thread_create(&threads[i], lock_and_stay,
                                    &shared->mutex[i]) == 0);
    role_check_code(shmap_mutex_lock(&shared->mutex[CROWD], SHMAP_TRY), 0);
    for (int i = 0; i < CROWD; i++)
        uv_sem_wait(&have_locked);
    say("locked");
    hear();
    return 0;
}

static void test_mutex_death__all_threads_die_with_their_process(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct child *crowd = child_start("crowd", hands_name(), NULL);

    (void)state;
    child_expect(crowd, "locked");
    for (int i = 0; i <= CROWD; i++)
        assert_code(shmap_mutex_lock(&shared->mutex[i], SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
    child_end(crowd);
    for (int i = 0; i <= CROWD; i++)
        expect_death(&shared->mutex[i]);
    hands_end();
}

/* The first thread of a process ends, and the process lives on. */

static uv_thread_t survivor;

static void live_on(void *argument)
{
    (void)argument;
    hear();
    exit(0);
}

static int play_headless(int count, char **arguments)
{
    struct shared *shared;

    role_check(count == 1);
    shared = hands_join(arguments[0]);
    role_check(shared != NULL);
    role_check_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
    role_check_code(shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY), 0);
    role_check_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                    SHMAP_ONCE_YOURS);
    role_check(uv_thread_create(&survivor, live_on, NULL) == 0);
    say("locked");
    os_end_thread();
    return 0;
}

static void test_mutex_death__first_thread_may_end_before_the_others(
    void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct child *headless = child_start("headless", hands_name(), NULL);
    int64_t deadline;

    (void)state;
    child_expect(headless, "locked");
    deadline = shmap_after(SHMAP_S(10));
    assert_code(shmap_mutex_lock(&shared->mutex[0], deadline),
                SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], deadline), 0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    assert_code(shmap_once_begin(&shared->once[0], deadline), SHMAP_OWNER_DIED);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    child_close_stdin(headless);
    assert_int_equal(child_wait(headless, PATIENCE), 0);
    hands_end();
}

/* How long it is reported. */

static void sticks_until_consistent(struct shared *shared, enum hand_kind kind)
{
    struct hand *first = hand_start(kind);
    struct hand *second = hand_start(kind);
    struct hand *third = hand_start(kind);

    hand_do(first, "lock m0 0");
    hand_end(first);
    assert_code(hand(second, "lock m0 0"), SHMAP_OWNER_DIED);
    /* Who is too late hears nothing of it, and hides nothing. */
    assert_code(hand(third, "lock m0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(third, "lock m0 20"), SHMAP_ETIMEDOUT);
    hand_do(second, "unlock m0");
    assert_code(hand(third, "lock m0 0"), SHMAP_OWNER_DIED);
    assert_code(hand(second, "lock m0 250"), SHMAP_ETIMEDOUT);
    hand_do(third, "unlock m0");
    assert_code(hand(second, "lock m0 -"), SHMAP_OWNER_DIED);
    hand_do(second, "unlock m0");
    /* So it stays while owners come and go, and also if they die. */
    assert_code(hand(third, "lock m0 -"), SHMAP_OWNER_DIED);
    hand_end(third);
    assert_code(hand(second, "lock m0 0"), SHMAP_OWNER_DIED);
    hand_do(second, "consistent m0");
    assert_code(hand(second, "consistent m0"), SHMAP_EINVAL);
    hand_do(second, "unlock m0");
    expect_life(&shared->mutex[0]);
}

static void test_mutex_death__is_reported_until_consistent(void **state)
{
    (void)state;
    with_each_kind(sticks_until_consistent);
}

static void dies_after_consistent(struct shared *shared, enum hand_kind kind)
{
    struct hand *first = hand_start(kind);
    struct hand *second = hand_start(kind);

    hand_do(first, "lock m0 0");
    hand_end(first);
    assert_code(hand(second, "lock m0 0"), SHMAP_OWNER_DIED);
    hand_do(second, "consistent m0");
    hand_end(second);
    expect_death(&shared->mutex[0]);
}

static void test_mutex_death__is_reported_anew_after_consistent(void **state)
{
    (void)state;
    with_each_kind(dies_after_consistent);
}

/* One who has just tried need not look for a death again at once, so each of
 * these is the first try of its mutex. */
static void outranks_the_deadline(struct shared *shared, enum hand_kind kind)
{
    static const int64_t past[] = {0, -1, 1, INT64_MIN};
    struct hand *other = hand_start(kind);

    for (size_t i = 0; i < COUNT(past); i++) {
        struct hand *owner = hand_start(kind);

        hand_do(owner, "lock m%d 0", (int)i);
        assert_code(hand(other, "lock m%d 0", (int)i), SHMAP_ETIMEDOUT);
        hand_end(owner);
        assert_code(shmap_mutex_lock(&shared->mutex[i], past[i]),
                    SHMAP_OWNER_DIED);
        assert_code(shmap_mutex_consistent(&shared->mutex[i]), 0);
        assert_code(shmap_mutex_unlock(&shared->mutex[i]), 0);
    }
}

static void test_mutex_death__outranks_a_deadline_that_has_passed(void **state)
{
    (void)state;
    with_each_kind(outranks_the_deadline);
}

/* Those who wait. */

/* Milliseconds from an owner's end to the waiter's lock. */
static int64_t time_until_told(enum hand_kind owners, enum hand_kind waiters)
{
    struct hand *owner;
    struct hand *waiter;
    int64_t start;
    int64_t took;

    hands_begin(NULL);
    owner = hand_start(owners);
    waiter = hand_start(waiters);
    hand_do(owner, "lock m0 0");
    hand_tell(waiter, "lock m0 -");
    hands_wait_for("m0");
    start = clock_ms();
    if (owners == HAND_PROCESS)
        child_kill(hand_child(owner));
    else
        hand_end(owner);
    assert_code(hand_result(waiter), SHMAP_OWNER_DIED);
    took = clock_ms() - start;
    hands_end();
    return took;
}

/* Right after it fell asleep, a waiter that nobody wakes sleeps for a whole
 * slice. */
static void test_mutex_death__waiters_are_told_at_once(void **state)
{
    int64_t bound = patience_until(os_death_is_told_within()) - clock_ms();

    (void)state;
    for (int owners = 0; owners < HAND_KINDS; owners++) {
        for (int waiters = 0; waiters < HAND_KINDS; waiters++) {
            int64_t best = INT64_MAX;

            for (int i = 0; i < 4; i++) {
                int64_t took = time_until_told((enum hand_kind)owners,
                                               (enum hand_kind)waiters);
                best = took < best ? took : best;
            }
            if (best > bound)
                fail_msg("owners %d, waiters %d: %d ms", owners, waiters,
                         (int)best);
        }
    }
}

enum { WAITERS = 4 };

/* Which of these ids has the mutex; -1 if none. */
static int owner_among(const uint64_t *ids, const shmap_mutex *mutex)
{
    const uint64_t flags = UINT64_C(0xC0000000);
    uint64_t owner = memory_load(&mutex->owner_) & ~flags;

    for (int i = 0; i < WAITERS; i++) {
        if (ids[i] != 0 && ids[i] == owner)
            return i;
    }
    return -1;
}

static void each_waiter_dies(struct shared *shared, enum hand_kind kind)
{
    struct hand *waiters[WAITERS];
    uint64_t ids[WAITERS];
    struct hand *owner = hand_start(kind);

    hand_do(owner, "lock m0 0");
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = hand_start(kind);
        hand_do(waiters[i], "lock m1 0");
        ids[i] = memory_load(&shared->mutex[1].owner_);
        hand_do(waiters[i], "unlock m1");
        hand_tell(waiters[i], "lock m0 -");
    }
    hands_wait_for("m0");
    hand_end(owner);
    for (int turn = 0; turn < WAITERS; turn++) {
        int who = -1;

        assert_eventually((who = owner_among(ids, &shared->mutex[0])) >= 0);
        assert_code(hand_result(waiters[who]), SHMAP_OWNER_DIED);
        hand_end(waiters[who]);
        ids[who] = 0;
    }
    expect_death(&shared->mutex[0]);
}

static void test_mutex_death__every_waiter_in_turn_is_told(void **state)
{
    (void)state;
    with_each_kind(each_waiter_dies);
}

static void waiter_dies(struct shared *shared, enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);
    struct hand *victims[3];
    struct hand *waiter = hand_start(kind);

    hand_do(owner, "lock m0 0");
    for (size_t i = 0; i < COUNT(victims); i++) {
        victims[i] = hand_start(HAND_PROCESS);
        hand_tell(victims[i], "lock m0 -");
    }
    hands_wait_for("m0");
    hand_tell(waiter, "lock m0 -");
    for (size_t i = 0; i < COUNT(victims); i++)
        hand_end(victims[i]);
    hand_do(owner, "unlock m0");
    /* None of them had it. */
    assert_code(hand_result(waiter), 0);
    hand_do(waiter, "unlock m0");
    expect_life(&shared->mutex[0]);
}

static void test_mutex_death__of_waiters_does_not_matter(void **state)
{
    (void)state;
    with_each_kind(waiter_dies);
}

/* The owner lets go of it, another comes before the waiter looks, and dies. */
static void test_mutex_death__of_one_who_came_in_between_is_told(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *owner = hand_start(HAND_PROCESS);
    struct hand *waiter = hand_start(HAND_PROCESS);
    struct hand *barger = hand_start(HAND_PROCESS);

    (void)state;
    hand_do(owner, "lock m0 0");
    /* It has seen the owner, and is about to sleep. */
    stops_run_into_first(hand_child(waiter), "mutex.marked", "lock m0 10000");
    hand_do(owner, "unlock m0");
    hand_do(barger, "lock m0 0");
    hand_end(barger);
    child_tell(hand_child(waiter), "go");
    assert_code(hand_result(waiter), SHMAP_OWNER_DIED);
    hand_do(waiter, "unlock m0");
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    hands_end();
}

/* The same, but it dies while the waiter sleeps. */
static void test_mutex_death__of_one_who_came_in_between_is_told_later(
    void **state)
{
    struct hand *owner;
    struct hand *waiter;
    struct hand *barger;

    (void)state;
    hands_begin(NULL);
    owner = hand_start(HAND_PROCESS);
    waiter = hand_start(HAND_PROCESS);
    barger = hand_start(HAND_PROCESS);
    hand_do(owner, "lock m0 0");
    stops_run_into_first(hand_child(waiter), "mutex.marked", "lock m0 10000");
    hand_do(owner, "unlock m0");
    hand_do(barger, "lock m0 0");
    child_tell(hand_child(waiter), "go");
    hands_wait_for("m0");
    hand_end(barger);
    assert_code(hand_result(waiter), SHMAP_OWNER_DIED);
    hand_do(waiter, "unlock m0");
    hands_end();
}

/* Whether one who waits has heard in time of what happened at this moment. A
 * busy machine can make it seem otherwise. */
static bool is_in_time(int64_t since)
{
    int64_t bound = patience_until(os_death_is_told_within()) - clock_ms();

    return clock_ms() - since < bound;
}

/* It was woken, and dies before it acts: another is asleep. */
static bool wake_and_kill(void)
{
    struct hand *owner;
    struct hand *woken;
    struct hand *other;
    int64_t start;
    bool in_time;

    hands_begin(NULL);
    owner = hand_start(HAND_PROCESS);
    woken = hand_start(HAND_PROCESS);
    other = hand_start(HAND_PROCESS);
    hand_do(owner, "lock m0 0");
    puppet_do(hand_child(woken), "stop wait.woken 1");
    hand_tell(woken, "lock m0 -");
    hands_wait_for("m0");
    hand_tell(other, "lock m0 -");
    hand_do(owner, "unlock m0");
    child_expect(hand_child(woken), "stopped wait.woken");
    start = clock_ms();
    hand_end(woken);
    assert_code(hand_result(other), 0);
    in_time = is_in_time(start);
    hands_end();
    return in_time;
}

static void test_mutex_death__of_one_who_was_woken_leaves_others_awake(
    void **state)
{
    int in_time = 0;

    (void)state;
    for (int i = 0; i < 6; i++)
        in_time += wake_and_kill();
    assert_in_range(in_time, 3, 6);
}

/* Killed at a point of lock or unlock. */

static void expect_after_kill_at(const char *point, bool unlocking, int result)
{
    struct hand *victim;
    struct hand *waiter;
    int first;
    int second;

    hands_begin(NULL);
    victim = hand_start(HAND_PROCESS);
    waiter = hand_start(HAND_PROCESS);
    if (unlocking)
        hand_do(victim, "lock m0 0");
    stops_run_into_first(hand_child(victim), point,
                         unlocking ? "unlock m0" : "lock m0 0");
    hand_end(victim);
    /* Once it is dead, a look is enough. */
    first = hand(waiter, "lock m0 0");
    second = hand(waiter, "unlock m0");
    if (first != result || second != 0)
        fail_msg("killed at %s: lock %s, unlock %s", point,
                 shmap_error_name(first), shmap_error_name(second));
    hands_end();
}

static void test_mutex_death__at_every_point_leaves_it_whole(void **state)
{
    (void)state;
    expect_after_kill_at("mutex.begun", false, 0);
    expect_after_kill_at("mutex.taken", false, SHMAP_OWNER_DIED);
    expect_after_kill_at("mutex.added", false, SHMAP_OWNER_DIED);
    expect_after_kill_at("unlock.removed", true, SHMAP_OWNER_DIED);
    expect_after_kill_at("unlock.stored", true, 0);
}

/* Killed between unlocking and waking. */
static bool unlock_and_kill(void)
{
    struct hand *victim;
    struct hand *waiter;
    int64_t start;
    bool in_time;

    hands_begin(NULL);
    victim = hand_start(HAND_PROCESS);
    waiter = hand_start(HAND_PROCESS);
    hand_do(victim, "lock m0 0");
    hand_tell(waiter, "lock m0 -");
    hands_wait_for("m0");
    stops_run_into_first(hand_child(victim), "unlock.stored", "unlock m0");
    start = clock_ms();
    hand_end(victim);
    assert_code(hand_result(waiter), 0);
    in_time = is_in_time(start);
    hand_do(waiter, "unlock m0");
    hands_end();
    return in_time;
}

static void test_mutex_death__between_unlock_and_wake_leaves_nobody_asleep(
    void **state)
{
    int in_time = 0;

    (void)state;
    for (int i = 0; i < 6; i++)
        in_time += unlock_and_kill();
    assert_in_range(in_time, 3, 6);
}

/* Not dead. */

static void test_mutex_death__stopped_is_not_dead(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *owner = hand_start(HAND_PROCESS);
    int64_t deadline;

    (void)state;
    hand_do(owner, "lock m0 0");
    hand_do(owner, "lock r0 0");
    assert_code(hand(owner, "lock o0 0"), SHMAP_ONCE_YOURS);
    assert_true(os_suspend(child_pid(hand_child(owner))));
    deadline = shmap_after(SHMAP_MS(500));
    assert_code(shmap_mutex_lock(&shared->mutex[0], deadline), SHMAP_ETIMEDOUT);
    deadline = shmap_after(SHMAP_MS(300));
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], deadline),
                SHMAP_ETIMEDOUT);
    deadline = shmap_after(SHMAP_MS(300));
    assert_code(shmap_once_begin(&shared->once[0], deadline), SHMAP_ETIMEDOUT);
    assert_true(os_resume(child_pid(hand_child(owner))));
    hand_do(owner, "unlock m0");
    hand_do(owner, "unlock r0");
    hand_do(owner, "consistent o0");
    expect_life(&shared->mutex[0]);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY), 0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY), 0);
    hands_end();
}

/* And can die all the same. */
static void test_mutex_death__of_a_stopped_owner_is_told(void **state)
{
    struct hand *owner;
    struct hand *waiter;

    (void)state;
    hands_begin(NULL);
    owner = hand_start(HAND_PROCESS);
    waiter = hand_start(HAND_THREAD);
    hand_do(owner, "lock m0 0");
    hand_tell(waiter, "lock m0 -");
    hands_wait_for("m0");
    assert_true(os_suspend(child_pid(hand_child(owner))));
    hand_end(owner);
    assert_code(hand_result(waiter), SHMAP_OWNER_DIED);
    hand_do(waiter, "unlock m0");
    hands_end();
}

/* Unmapping. */

static void unmapping_gives_up(struct shared *shared, enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);

    for (int round = 0; round < 2; round++) {
        hand_do(owner, "attach 1");
        hand_do(owner, "lock m3 0");
        hand_do(owner, "lock m0 0 1");
        hand_do(owner, "lock m4 0");
        hand_do(owner, "lock m1 0 1");
        hand_do(owner, "lock m2 0 1");
        hand_do(owner, "unlock m1 1");
        hand_do(owner, "detach 1");
        expect_death(&shared->mutex[0]);
        expect_life(&shared->mutex[1]);
        expect_death(&shared->mutex[2]);
        assert_code(shmap_mutex_lock(&shared->mutex[3], SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
        assert_code(shmap_mutex_lock(&shared->mutex[4], SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
        assert_code(hand(owner, "unlock m0"), SHMAP_EPERM);
        hand_do(owner, "lock m0 0");
        hand_do(owner, "unlock m3");
        hand_do(owner, "unlock m0");
        hand_do(owner, "unlock m4");
        for (int i = 0; i < 5; i++)
            expect_life(&shared->mutex[i]);
    }
    /* What was kept is still reported. */
    hand_do(owner, "attach 1");
    hand_do(owner, "lock m0 0 1");
    hand_do(owner, "lock m1 0");
    hand_do(owner, "detach 1");
    hand_end(owner);
    expect_death(&shared->mutex[0]);
    expect_death(&shared->mutex[1]);
}

static void test_mutex_death__unmapping_gives_up_what_was_in_the_view(
    void **state)
{
    (void)state;
    with_each_kind(unmapping_gives_up);
}

static void unmapping_tells_waiters(struct shared *shared, enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);
    struct hand *waiter = hand_start(kind);

    (void)shared;
    hand_do(owner, "attach 1");
    hand_do(owner, "lock m0 0 1");
    hand_tell(waiter, "lock m0 -");
    hands_wait_for("m0");
    hand_do(owner, "detach 1");
    assert_code(hand_result(waiter), SHMAP_OWNER_DIED);
    hand_do(waiter, "unlock m0");
}

static void test_mutex_death__unmapping_tells_those_who_wait(void **state)
{
    (void)state;
    with_each_kind(unmapping_tells_waiters);
}

/* What a thread has locked through one view is unmapped with that one. */
static void unmapping_after_unlock_elsewhere(struct shared *shared,
                                             enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);

    hand_do(owner, "attach 1");
    hand_do(owner, "lock m0 0 1");
    hand_do(owner, "unlock m0 0");
    hand_do(owner, "lock m0 0 0");
    hand_do(owner, "detach 1");
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    hand_do(owner, "unlock m0");
    expect_life(&shared->mutex[0]);
}

static void test_mutex_death__unmapping_keeps_what_was_locked_elsewhere(
    void **state)
{
    (void)state;
    with_each_kind(unmapping_after_unlock_elsewhere);
}

/* A thread ends with a mutex at the first address that can be read. */
static void end_with_it(void *argument)
{
    shmap_mutex_lock(argument, SHMAP_TRY);
}

static void test_mutex_death__at_the_start_of_a_view_is_told(void **state)
{
    enum { ROOM = 196608 };
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *region;
    shmap_view view;
    uv_thread_t thread;
    char *room = units_reserve(ROOM);

    (void)state;
    assert_non_null(room);
    units_release(room, ROOM);
    assert_code(shmap_region_create(&region, NULL, 65536, NULL), 0);
    options.address = room + SHMAP_VIEW_GRANULARITY;
    assert_code(shmap_view_map(&view, region, &options), 0);
    assert_int_equal(uv_thread_create(&thread, end_with_it, view.data), 0);
    uv_thread_join(&thread);
    expect_death(view.data);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

/* Many at once. */

static void all_are_reported(struct shared *shared, enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);

    for (int i = 0; i < SHMAP_LOCKS_MAX; i++)
        hand_do(owner, "lock m%d 0", i);
    assert_code(hand(owner, "lock m%d 0", SHMAP_LOCKS_MAX), SHMAP_ENOLCK);
    hand_end(owner);
    for (int i = 0; i < SHMAP_LOCKS_MAX; i++)
        expect_death(&shared->mutex[i]);
    expect_life(&shared->mutex[SHMAP_LOCKS_MAX]);
}

static void test_mutex_death__with_all_it_can_have_is_told_of_each(void **state)
{
    (void)state;
    with_each_kind(all_are_reported);
}

static void all_kinds_are_reported(struct shared *shared, enum hand_kind kind)
{
    enum { EACH = SHMAP_LOCKS_MAX / 4 };
    struct hand *owner = hand_start(kind);

    for (int i = 0; i < EACH; i++) {
        hand_do(owner, "lock m%d 0", i);
        hand_do(owner, "lock r%d 0", i);
        hand_do(owner, "lock w%d 0", EACH + i);
        assert_code(hand(owner, "lock o%d 0", i), SHMAP_ONCE_YOURS);
    }
    assert_code(hand(owner, "lock o%d 0", EACH), SHMAP_ENOLCK);
    hand_end(owner);
    for (int i = 0; i < EACH; i++) {
        expect_death(&shared->mutex[i]);
        assert_code(shmap_rwlock_write_lock(&shared->rwlock[i], SHMAP_TRY), 0);
        assert_code(shmap_rwlock_unlock(&shared->rwlock[i]), 0);
        assert_code(
            shmap_rwlock_write_lock(&shared->rwlock[EACH + i], SHMAP_TRY),
            SHMAP_OWNER_DIED);
        assert_code(shmap_rwlock_unlock(&shared->rwlock[EACH + i]), 0);
        assert_code(shmap_once_begin(&shared->once[i], SHMAP_TRY),
                    SHMAP_OWNER_DIED);
        assert_code(shmap_once_abandon(&shared->once[i]), 0);
    }
}

static void test_mutex_death__with_locks_of_all_kinds_is_told(void **state)
{
    (void)state;
    with_each_kind(all_kinds_are_reported);
}

/* Locked through one view and unlocked through another, in odd orders, and then
 * the owner dies with some of them. */
static void views_and_orders(struct shared *shared, enum hand_kind kind)
{
    enum { LOCKS = 6 };
    struct dice dice = {7};

    for (int round = 0; round < (kind == HAND_THREAD ? 60 : 8); round++) {
        struct hand *owner = hand_start(kind);
        bool held[LOCKS] = {false};

        hand_do(owner, "attach 1");
        for (int step = 0; step < 30; step++) {
            unsigned i = dice_roll(&dice, LOCKS);
            int view = (int)dice_roll(&dice, 2);

            if (held[i])
                hand_do(owner, "unlock m%u %d", i, view);
            else
                hand_do(owner, "lock m%u 0 %d", i, view);
            held[i] = !held[i];
        }
        hand_end(owner);
        for (int i = 0; i < LOCKS; i++) {
            if (held[i])
                expect_death(&shared->mutex[i]);
            else
                expect_life(&shared->mutex[i]);
        }
        if (kind == HAND_THREAD)
            hands_obey("detach 1");
    }
}

static void test_mutex_death__after_many_views_and_orders_is_told(void **state)
{
    (void)state;
    with_each_kind(views_and_orders);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"crowd", play_crowd}, {"headless", play_headless}, {0, 0}};
#define TEST(name) cmocka_unit_test(test_mutex_death__##name)
    static const struct CMUnitTest tests[] = {
        TEST(end_of_the_owner_is_reported),
        TEST(thread_that_ends_itself_is_reported),
        TEST(exit_is_reported),
        TEST(exec_is_reported),
        TEST(all_threads_die_with_their_process),
        TEST(first_thread_may_end_before_the_others),
        TEST(is_reported_until_consistent),
        TEST(is_reported_anew_after_consistent),
        TEST(outranks_a_deadline_that_has_passed),
        TEST(waiters_are_told_at_once),
        TEST(every_waiter_in_turn_is_told),
        TEST(of_waiters_does_not_matter),
        TEST(of_one_who_came_in_between_is_told),
        TEST(of_one_who_came_in_between_is_told_later),
        TEST(of_one_who_was_woken_leaves_others_awake),
        TEST(at_every_point_leaves_it_whole),
        TEST(between_unlock_and_wake_leaves_nobody_asleep),
        TEST(stopped_is_not_dead),
        TEST(of_a_stopped_owner_is_told),
        TEST(unmapping_gives_up_what_was_in_the_view),
        TEST(unmapping_tells_those_who_wait),
        TEST(unmapping_keeps_what_was_locked_elsewhere),
        TEST(at_the_start_of_a_view_is_told),
        TEST(with_all_it_can_have_is_told_of_each),
        TEST(with_locks_of_all_kinds_is_told),
        TEST(after_many_views_and_orders_is_told),
    };
#undef TEST

    stops_enable();
    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
