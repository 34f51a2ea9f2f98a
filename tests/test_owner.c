/* SPDX-License-Identifier: MIT */

/* Who owns a lock: threads and processes whose numbers come again, that cannot
 * see each other, or that were there before the machine was restarted. The
 * dead are never taken for the living, nor the living for the dead. */

#include <uv.h>

#include "support/hands.h"
#include "support/stops.h"
#include "support/threads.h"
#include "support/units.h"

/* Numbers of threads and processes that come again. */

/* One system gives the number of the thread that ended last to the next one. */
static void test_owner__next_thread_is_not_taken_for_the_owner(void **state)
{
    struct shared *shared = hands_begin(NULL);

    (void)state;
    for (int i = 0; i < (os_is_emulated() ? 50 : 200); i++) {
        struct hand *owner = hand_start(HAND_THREAD);
        struct hand *next;

        hand_do(owner, "lock m0 0");
        assert_code(hand(owner, "lock o0 0"),
                    i == 0 ? SHMAP_ONCE_YOURS : SHMAP_OWNER_DIED);
        hand_do(owner, "lock r0 0");
        hand_end(owner);
        next = hand_start(HAND_THREAD);
        assert_code(hand(next, "lock m0 0"), SHMAP_OWNER_DIED);
        hand_do(next, "consistent m0");
        hand_do(next, "unlock m0");
        assert_code(hand(next, "lock o0 0"), SHMAP_OWNER_DIED);
        hand_do(next, "lock w0 0");
        hand_end(next);
        assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], 0),
                    SHMAP_OWNER_DIED);
        assert_code(shmap_rwlock_consistent(&shared->rwlock[0]), 0);
        assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    }
    hands_end();
}

/* A process in a namespace of its own, with a view of it in /proc. */
static struct hand *start_elsewhere(const char *how)
{
    struct hand *first = hand_start(HAND_PROCESS);

    if (hand(first, "%s", how) == SHMAP_ENOTSUP) {
        hands_end();
        skip_because("there are no namespaces here, or not for us");
    }
    return first;
}

/* Start the process of this number; a number is given once in a while. */
static void fork_as(struct hand *parent, int pid)
{
    for (int i = 0; i < 50; i++) {
        hand_do(parent, "next-pid %d", pid);
        hand_do(parent, "fork");
        if (hand(parent, "child pid") == pid)
            return;
        hand(parent, "wait");
    }
    fail_msg("no process gets the number %d", pid);
}

static void test_owner__next_process_is_not_taken_for_the_owner(void **state)
{
    struct hand *parent;
    int64_t until;
    int pid;

    (void)state;
    hands_begin(NULL);
    parent = start_elsewhere("enter-proc");
    hand_do(parent, "fork");
    pid = hand(parent, "child pid");
    hand_do(parent, "child lock m0 0");
    for (int i = 0; i < 2; i++) {
        assert_code(hand(parent, "child lock o%d 0", i), SHMAP_ONCE_YOURS);
        hand_do(parent, "child lock r%d 0", i);
    }
    assert_code(hand(parent, "lock o0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "lock w0 0"), SHMAP_ETIMEDOUT);
    hand(parent, "kill");
    /* A process is known by its number and by when it began, in ticks. */
    until = clock_ms() + 50;
    while (clock_ms() < until)
        patience_nap(INT64_MAX);
    fork_as(parent, pid);
    /* Others do not take it for the owner. */
    assert_code(hand(parent, "lock o0 0"), SHMAP_OWNER_DIED);
    hand_do(parent, "lock w0 0");
    /* Nor does it itself. */
    assert_code(hand(parent, "child unlock m0"), SHMAP_EPERM);
    assert_code(hand(parent, "child unlock o1"), SHMAP_EPERM);
    assert_code(hand(parent, "child unlock r1"), SHMAP_EPERM);
    assert_code(hand(parent, "child lock m0 0"), SHMAP_OWNER_DIED);
    assert_code(hand(parent, "child lock o1 0"), SHMAP_OWNER_DIED);
    hand_do(parent, "child lock w1 0");
    hands_end();
}

/* A process that has died, and whose parent has not heard of it yet. */
static void test_owner__unmourned_is_dead(void **state)
{
    struct shared *shared;
    struct hand *parent;
    int64_t deadline;
    int pid;

    (void)state;
    if (!os_can_fork())
        skip_because("no parent has to hear of a death here");
    shared = hands_begin(NULL);
    parent = hand_start(HAND_PROCESS);
    hand_do(parent, "fork");
    pid = hand(parent, "child pid");
    hand_do(parent, "child lock m0 0");
    hand_do(parent, "child lock r0 0");
    assert_code(hand(parent, "child lock o0 0"), SHMAP_ONCE_YOURS);
    assert_int_equal(uv_kill(pid, SIGKILL), 0);
    deadline = shmap_after(10000000000);
    assert_code(shmap_mutex_lock(&shared->mutex[0], deadline),
                SHMAP_OWNER_DIED);
    assert_code(shmap_once_begin(&shared->once[0], deadline), SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], deadline), 0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    hands_end();
}

/* Namespaces. */

static void test_owner__strangers_are_refused(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *here = hand_start(HAND_PROCESS);
    struct hand *there = start_elsewhere("enter-proc");
    shmap_mutex before;

    (void)state;
    hand_do(here, "lock m0 0");
    hand_do(here, "lock r0 0");
    hand_do(here, "lock w1 0");
    assert_code(hand(here, "lock o0 0"), SHMAP_ONCE_YOURS);
    before = shared->mutex[0];
    assert_code(hand(there, "lock m0 0"), SHMAP_ELAYOUT);
    assert_code(hand(there, "lock m0 -"), SHMAP_ELAYOUT);
    assert_memory_equal(&shared->mutex[0], &before, sizeof before);
    assert_code(hand(there, "unlock m0"), SHMAP_EPERM);
    for (int i = 0; i < 2; i++) {
        assert_code(hand(there, "lock r%d 0", i), SHMAP_ELAYOUT);
        assert_code(hand(there, "lock w%d -", i), SHMAP_ELAYOUT);
    }
    assert_code(hand(there, "lock o0 -"), SHMAP_ELAYOUT);
    /* Also when nobody has it, and when who had it has died. */
    hand_do(here, "unlock m0");
    assert_code(hand(there, "lock m0 0"), SHMAP_ELAYOUT);
    hand_do(here, "lock m0 0");
    hand_end(here);
    assert_code(hand(there, "lock m0 0"), SHMAP_ELAYOUT);
    expect_death(&shared->mutex[0]);
    /* And the other way round. */
    hand_do(there, "lock m5 0");
    assert_code(shmap_mutex_lock(&shared->mutex[5], 0), SHMAP_ELAYOUT);
    hand_do(there, "unlock m5");
    assert_code(shmap_mutex_lock(&shared->mutex[5], SHMAP_FOREVER),
                SHMAP_ELAYOUT);
    /* What is done is done for everybody. */
    assert_code(shmap_once_begin(&shared->once[1], 0), SHMAP_ONCE_YOURS);
    assert_code(shmap_once_commit(&shared->once[1]), 0);
    assert_code(hand(there, "lock o1 0"), 0);
    hands_end();
}

/* Two in one namespace get along. */
static void test_owner__neighbours_in_a_namespace_are_no_strangers(void **state)
{
    struct hand *parent;

    (void)state;
    hands_begin(NULL);
    parent = start_elsewhere("enter-proc");
    hand_do(parent, "fork");
    hand_do(parent, "child lock m0 0");
    hand_do(parent, "child lock m1 0");
    assert_code(hand(parent, "lock m0 20"), SHMAP_ETIMEDOUT);
    hand_do(parent, "child unlock m0");
    hand_do(parent, "lock m0 0");
    hand(parent, "kill");
    assert_code(hand(parent, "lock m1 0"), SHMAP_OWNER_DIED);
    hands_end();
}

/* Who sees another namespace's /proc can tell nothing from it, and must not
 * take the living for dead. */
static void test_owner__with_a_strange_proc_nobody_is_taken_for_dead(
    void **state)
{
    struct hand *parent;
    int result;

    (void)state;
    hands_begin(NULL);
    parent = start_elsewhere("enter");
    result = hand(parent, "lock m0 0");
    if (result >= 0) {
        hand_do(parent, "lock r0 0");
        hand(parent, "lock o0 0");
        hand_do(parent, "fork");
        assert_code(hand(parent, "child lock m0 300"), SHMAP_ETIMEDOUT);
        assert_code(hand(parent, "child lock w0 300"), SHMAP_ETIMEDOUT);
        assert_code(hand(parent, "child lock o0 300"), SHMAP_ETIMEDOUT);
    } else {
        assert_code(result, SHMAP_ENOTSUP);
        assert_code(hand(parent, "lock r0 0"), SHMAP_ENOTSUP);
        assert_code(hand(parent, "lock o0 0"), SHMAP_ENOTSUP);
    }
    hands_end();
}

static void test_owner__without_proc_locks_work(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *a = start_elsewhere("lose-proc");
    struct hand *b = start_elsewhere("lose-proc");

    (void)state;
    hand_do(a, "lock m0 0");
    hand_do(a, "lock r0 0");
    assert_code(hand(a, "lock o0 0"), SHMAP_ONCE_YOURS);
    assert_code(hand(b, "lock m0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(b, "lock m0 250"), SHMAP_ETIMEDOUT);
    assert_code(hand(b, "lock w0 250"), SHMAP_ETIMEDOUT);
    assert_code(hand(b, "lock o0 250"), SHMAP_ETIMEDOUT);
    hand_do(a, "unlock m0");
    hand_do(b, "lock m0 0");
    hand_do(b, "unlock m0");
    hand_do(a, "lock m0 0");
    /* Who can see more than they is a stranger. */
    assert_code(shmap_mutex_lock(&shared->mutex[0], 0), SHMAP_ELAYOUT);
    hand_tell(b, "lock m0 -");
    hands_wait_for("m0");
    hand_end(a);
    assert_code(hand_result(b), SHMAP_OWNER_DIED);
    hand_do(b, "lock w0 5000");
    assert_code(hand(b, "lock o0 5000"), SHMAP_OWNER_DIED);
    hands_end();
}

static void test_owner__those_it_cannot_look_at_are_not_dead(void **state)
{
    struct hand *parent;

    (void)state;
    hands_begin(NULL);
    parent = start_elsewhere("lose-others");
    hand_do(parent, "fork");
    hand_do(parent, "child drop 60001");
    hand_do(parent, "lock m0 0");
    hand_do(parent, "lock r0 0");
    hand_do(parent, "lock w1 0");
    assert_code(hand(parent, "lock o0 0"), SHMAP_ONCE_YOURS);
    assert_code(hand(parent, "child lock m0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock m0 250"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock w0 250"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock r1 250"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock o0 250"), SHMAP_ETIMEDOUT);
    hand_do(parent, "unlock m0");
    hand_do(parent, "child lock m0 0");
    hand(parent, "kill");
    assert_code(hand(parent, "lock m0 0"), SHMAP_OWNER_DIED);
    hands_end();
}

/* A process that cuts itself off after its first lock. */

static void lock_one(void *argument)
{
    int *result = argument;

    *result = hands_obey("lock m1 0");
}

static int play_cut_off(int count, char **arguments)
{
    uv_thread_t thread;
    int result = SHMAP_ESYSTEM;

    role_check(count == 1);
    role_check(hands_join(arguments[0]) != NULL);
    role_check_code(hands_obey("lock m0 0"), 0);
    if (!os_lose_proc()) {
        say("cannot");
        return 0;
    }
    role_check_code(hands_obey("unlock m0"), 0);
    role_check_code(hands_obey("lock m0 0"), 0);
    /* A new thread cannot tell others who it is. */
    role_check(uv_thread_create(&thread, lock_one, &result) == 0);
    uv_thread_join(&thread);
    role_check_code(result, SHMAP_ENOTSUP);
    say("done");
    /* Sanitizers look for leaks in /proc. */
    os_exit_now(0);
    return 0;
}

static void test_owner__losing_proc_later_is_no_harm(void **state)
{
    (void)state;
    hands_begin(NULL);
    units_run_role("cut_off", hands_name(), "there is no /proc to lose");
    hands_end();
}

/* Without any namespace: a place that is not ours. */
static void test_owner__another_place_is_refused(void **state)
{
    struct shared *shared = hands_begin(NULL);
    shmap_mutex before;
    uint32_t place;

    (void)state;
    expect_life(&shared->mutex[0]);
    place = os_place_elsewhere(shared->mutex[0].place_);
    if (place == 0) {
        hands_end();
        skip_because("there are no namespaces here");
    }
    shared->mutex[0].place_ = place;
    before = shared->mutex[0];
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_FOREVER),
                SHMAP_ELAYOUT);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(&shared->mutex[0], &before, sizeof before);
    shared->once[0].place_ = place;
    assert_code(shmap_once_begin(&shared->once[0], 0), SHMAP_ELAYOUT);
    shared->rwlock[0].writer_.place_ = place;
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[0], 0), SHMAP_ELAYOUT);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], 0), SHMAP_ELAYOUT);
    hands_end();
}

/* After a restart of the machine. */

/* The words of a mutex that a living process holds, as a restart leaves them in
 * a file. That process has another mutex in truth, so that the number is one
 * that looks alive. */
static struct shared held_before_the_restart;

static struct shared *begin_with_a_past(const char *path)
{
    struct shared *shared = hands_begin(path);
    struct shared *past = &held_before_the_restart;
    struct hand *owner = hand_start(HAND_PROCESS);

    hand_do(owner, "lock m9 0");
    hand_do(owner, "lock w9 0");
    assert_code(hand(owner, "lock o9 0"), SHMAP_ONCE_YOURS);
    past->mutex[0] = shared->mutex[9];
    past->rwlock[0] = shared->rwlock[9];
    past->once[0] = shared->once[9];
    os_put_before_restart(&past->mutex[0].owner_, &past->mutex[0].place_);
    os_put_before_restart(&past->rwlock[0].writer_.owner_,
                          &past->rwlock[0].writer_.place_);
    os_put_before_restart(&past->once[0].owner_, &past->once[0].place_);
    return shared;
}

static void restart(struct shared *shared)
{
    shared->mutex[0] = held_before_the_restart.mutex[0];
    shared->rwlock[0] = held_before_the_restart.rwlock[0];
    shared->once[0] = held_before_the_restart.once[0];
}

static void remove_file(const char *path)
{
    uv_fs_t request;

    uv_fs_unlink(NULL, &request, path, NULL);
    uv_fs_req_cleanup(&request);
}

static void test_owner__restart_of_the_machine_is_one(void **state)
{
    struct shared *shared;
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    shared = begin_with_a_past(path);
    restart(shared);
    expect_death(&shared->mutex[0]);
    restart(shared);
    assert_code(shmap_once_begin(&shared->once[0], 0), SHMAP_OWNER_DIED);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], 0),
                SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    restart(shared);
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[0], 0),
                SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    /* A lock that nobody had is just free. */
    expect_death(&shared->mutex[0]);
    shared->mutex[0].place_ = held_before_the_restart.mutex[0].place_;
    expect_life(&shared->mutex[0]);
    hands_end();
    remove_file(path);
}

/* One finds it, and is held before it has made the mutex its own. */
static void test_owner__restart_is_found_by_who_comes_in_between(void **state)
{
    struct shared *shared;
    struct hand *slow;
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    shared = begin_with_a_past(path);
    slow = hand_start(HAND_PROCESS);
    restart(shared);
    if (shared->mutex[0].place_ == shared->mutex[9].place_) {
        hands_end();
        remove_file(path);
        skip_because("numbers tell by themselves that they are past");
    }
    stops_run_into_first(hand_child(slow), "place.joining", "lock m0 -");
    assert_code(shmap_mutex_lock(&shared->mutex[0], 0), SHMAP_OWNER_DIED);
    child_tell(hand_child(slow), "go");
    hands_wait_for("m0");
    assert_code(shmap_mutex_consistent(&shared->mutex[0]), 0);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    assert_code(hand_result(slow), 0);
    hands_end();
    remove_file(path);
}

/* Two find it at the same time. */
static void test_owner__restart_is_one_for_two_who_race(void **state)
{
    struct shared *shared;
    struct hand *hands[2];
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    shared = begin_with_a_past(path);
    for (int kind = 0; kind < HAND_KINDS; kind++) {
        for (size_t i = 0; i < COUNT(hands); i++)
            hands[i] = hand_start((enum hand_kind)kind);
        for (int round = 0; round < (os_is_emulated() ? 30 : 150); round++) {
            restart(shared);
            for (size_t i = 0; i < COUNT(hands); i++)
                hand_tell(hands[i], "visit m0");
            for (size_t i = 0; i < COUNT(hands); i++)
                assert_code(hand_result(hands[i]), SHMAP_OWNER_DIED);
            for (size_t i = 0; i < COUNT(hands); i++)
                hand_tell(hands[i], "visit o0");
            for (size_t i = 0; i < COUNT(hands); i++)
                assert_code(hand_result(hands[i]), SHMAP_OWNER_DIED);
        }
    }
    hands_end();
    remove_file(path);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"cut_off", play_cut_off}, {0, 0}};
#define TEST(name) cmocka_unit_test(test_owner__##name)
    static const struct CMUnitTest tests[] = {
        TEST(next_thread_is_not_taken_for_the_owner),
        TEST(next_process_is_not_taken_for_the_owner),
        TEST(unmourned_is_dead),
        TEST(strangers_are_refused),
        TEST(neighbours_in_a_namespace_are_no_strangers),
        TEST(with_a_strange_proc_nobody_is_taken_for_dead),
        TEST(without_proc_locks_work),
        TEST(those_it_cannot_look_at_are_not_dead),
        TEST(losing_proc_later_is_no_harm),
        TEST(another_place_is_refused),
        TEST(restart_of_the_machine_is_one),
        TEST(restart_is_found_by_who_comes_in_between),
        TEST(restart_is_one_for_two_who_race),
    };
#undef TEST

    stops_enable();
    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
