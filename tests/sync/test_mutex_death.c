/* SPDX-License-Identifier: MIT */

/* Mutexes: which waiter gets one, how soon a death is told, and what becomes of
 * one whose owner or waiter dies at any point of lock and unlock (P11). What
 * all locks promise is in test_lock.c and test_lock_death.c. */

#include <uv.h>

#include "hands.h"
#include "stops.h"
#include "threads.h"
#include "units.h"

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

static void test_mutex_death__every_waiter_gets_it(void **state)
{
    (void)state;
    with_each_kind(wakes_one_after_the_other);
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

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"crowd", play_crowd}, {0, 0}};
#define TEST(name) cmocka_unit_test(test_mutex_death__##name)
    static const struct CMUnitTest tests[] = {
        TEST(all_threads_die_with_their_process),
        TEST(waiters_are_told_at_once),
        TEST(every_waiter_gets_it),
        TEST(every_waiter_in_turn_is_told),
        TEST(of_one_who_came_in_between_is_told),
        TEST(of_one_who_came_in_between_is_told_later),
        TEST(of_one_who_was_woken_leaves_others_awake),
        TEST(at_every_point_leaves_it_whole),
        TEST(between_unlock_and_wake_leaves_nobody_asleep),
        TEST(at_the_start_of_a_view_is_told),
    };
#undef TEST

    stops_enable();
    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
