/* SPDX-License-Identifier: MIT */

/* Who owns a lock: threads and processes whose numbers come again, that cannot
 * see each other, or that were there before the machine was restarted. The
 * dead are never taken for the living, nor the living for the dead. */

#include <uv.h>

#include "hands.h"
#include "stops.h"
#include "threads.h"
#include "units.h"

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
        assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
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
static void test_owner__zombie_counts_as_dead(void **state)
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
    deadline = shmap_after(SHMAP_S(10));
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

/* A process, and one of another namespace. */
struct strangers {
    struct hand *here;
    struct hand *there;
};

static struct strangers start_strangers(void)
{
    struct strangers strangers = {hand_start(HAND_PROCESS), NULL};

    strangers.there = start_elsewhere("enter-proc");
    return strangers;
}

static void test_owner__strangers_do_not_take_what_the_living_have(void **state)
{
    struct strangers two;

    (void)state;
    hands_begin(NULL);
    two = start_strangers();
    for (int turn = 0; turn < 2; turn++) {
        struct hand *owner = turn == 0 ? two.here : two.there;
        struct hand *other = turn == 0 ? two.there : two.here;

        hand_do(owner, "lock m%d 0", turn);
        hand_do(owner, "lock r%d 0", turn);
        hand_do(owner, "lock w%d 0", 4 + turn);
        assert_code(hand(owner, "lock o%d 0", turn), SHMAP_ONCE_YOURS);
        assert_code(hand(other, "lock m%d 0", turn), SHMAP_ETIMEDOUT);
        assert_code(hand(other, "lock m%d 250", turn), SHMAP_ETIMEDOUT);
        assert_code(hand(other, "unlock m%d", turn), SHMAP_EPERM);
        assert_code(hand(other, "lock w%d 250", turn), SHMAP_ETIMEDOUT);
        assert_code(hand(other, "lock r%d 250", 4 + turn), SHMAP_ETIMEDOUT);
        assert_code(hand(other, "lock w%d 250", 4 + turn), SHMAP_ETIMEDOUT);
        assert_code(hand(other, "lock o%d 250", turn), SHMAP_ETIMEDOUT);
        /* What is free binds no namespace. */
        hand_do(owner, "unlock m%d", turn);
        hand_do(other, "lock m%d 0", turn);
        hand_do(owner, "unlock r%d", turn);
        hand_do(other, "lock w%d 0", turn);
        hand_do(owner, "unlock w%d", 4 + turn);
        hand_do(other, "lock r%d 0", 4 + turn);
        hand_do(owner, "unlock o%d", turn);
        assert_code(hand(other, "lock o%d 0", turn), SHMAP_ONCE_YOURS);
    }
    hands_end();
}

static void test_owner__strangers_learn_of_each_others_death(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct strangers two = start_strangers();

    (void)state;
    hand_do(two.there, "lock m0 0");
    hand_do(two.there, "lock r0 0");
    hand_do(two.there, "lock w1 0");
    assert_code(hand(two.there, "lock o0 0"), SHMAP_ONCE_YOURS);
    hand_end(two.there);
    assert_code(hand(two.here, "lock m0 9000"), SHMAP_OWNER_DIED);
    hand_do(two.here, "lock w0 9000");
    assert_code(hand(two.here, "lock w1 9000"), SHMAP_OWNER_DIED);
    assert_code(hand(two.here, "lock o0 9000"), SHMAP_OWNER_DIED);
    two.there = start_elsewhere("enter-proc");
    hand_do(two.here, "lock r2 0");
    hand_tell(two.there, "lock w2 -");
    hands_wait_for("w2");
    hand_end(two.here);
    assert_code(hand_result(two.there), 0);
    assert_code(hand(two.there, "lock o0 9000"), SHMAP_OWNER_DIED);
    (void)shared;
    hands_end();
}

/* One process of a namespace ends, and others of it live on with the region,
 * which they have from their parent. */
static void test_owner__strangers_learn_of_one_of_several_deaths(void **state)
{
    struct strangers two;

    (void)state;
    hands_begin(NULL);
    two = start_strangers();
    hand_do(two.there, "lock m9 0");
    hand_do(two.there, "fork");
    hand_do(two.there, "child lock r0 0");
    assert_code(hand(two.there, "child lock o0 0"), SHMAP_ONCE_YOURS);
    assert_code(hand(two.here, "lock w0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(two.here, "lock o0 0"), SHMAP_ETIMEDOUT);
    hand(two.there, "kill");
    hand_do(two.here, "lock w0 9000");
    assert_code(hand(two.here, "lock o0 9000"), SHMAP_OWNER_DIED);
    assert_code(hand(two.here, "lock m9 0"), SHMAP_ETIMEDOUT);
    hands_end();
}

/* The parent ends, and a child lives on with the region. */
static void test_owner__strangers_learn_of_a_parents_death(void **state)
{
    struct hand *here;
    struct hand *parent;
    int number;
    int child;

    (void)state;
    hands_begin(NULL);
    here = hand_start(HAND_PROCESS);
    parent = hand_start(HAND_PROCESS);
    number = hand(parent, "pid");
    hand_do(parent, "lock r0 0");
    assert_code(hand(parent, "lock o0 0"), SHMAP_ONCE_YOURS);
    if (hand(here, "enter-proc") == SHMAP_ENOTSUP) {
        hands_end();
        skip_because("there are no namespaces here, or not for us");
    }
    /* From here on, the sleeper reads the pipe of its parent, too. */
    child = hand(parent, "fork-sleeper");
    assert_true(child > 0);
    assert_code(hand(here, "lock w0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(here, "lock o0 0"), SHMAP_ETIMEDOUT);
    assert_int_equal(uv_kill(number, SIGKILL), 0);
    hand_do(here, "lock w0 9000");
    assert_code(hand(here, "lock o0 9000"), SHMAP_OWNER_DIED);
    assert_int_equal(uv_kill(child, SIGKILL), 0);
    hands_end();
}

static void remove_file(const char *path)
{
    uv_fs_t request;

    uv_fs_unlink(NULL, &request, path, NULL);
    uv_fs_req_cleanup(&request);
}

/* Containers that run on one volume, one after the other, and then two at
 * once, which find what a third has left. */
static void test_owner__containers_go_on_with_a_file(void **state)
{
    struct hand *first;
    struct hand *next[2];
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    hands_begin(path);
    first = start_elsewhere("enter-proc");
    hand_do(first, "lock m0 0");
    hand_do(first, "unlock m0");
    hand_do(first, "lock m1 0");
    hand_do(first, "lock r1 0");
    assert_code(hand(first, "lock o1 0"), SHMAP_ONCE_YOURS);
    hand_end(first);
    for (int i = 0; i < 2; i++)
        next[i] = start_elsewhere("enter-proc");
    for (int i = 0; i < 2; i++)
        hand_do(next[i], "lock m0 0"), hand_do(next[i], "unlock m0");
    for (int i = 0; i < 2; i++)
        hand_tell(next[i], "visit m1");
    for (int i = 0; i < 2; i++)
        assert_code(hand_result(next[i]), SHMAP_OWNER_DIED);
    for (int i = 0; i < 2; i++)
        hand_tell(next[i], "visit w1");
    for (int i = 0; i < 2; i++)
        assert_code(hand_result(next[i]), 0);
    for (int i = 0; i < 2; i++)
        hand_tell(next[i], "visit o1");
    for (int i = 0; i < 2; i++)
        assert_code(hand_result(next[i]), SHMAP_OWNER_DIED);
    hands_end();
    remove_file(path);
}

static void test_owner__strangers_write_one_record(void **state)
{
    struct shared *shared = hands_begin(NULL);
    shmap_record *record = (shmap_record *)(uintptr_t)shared->number;
    struct hand *there = start_elsewhere("enter-proc");
    uint64_t writer;
    uint64_t value = 1;

    (void)state;
    assert_code(shmap_record_write(record, &value, 8), 0);
    hand_do(there, "lock m0 0");
    writer = shared->mutex[0].owner_;
    record->writer_ = writer; /* As one that is in the middle of it. */
    assert_code(shmap_record_write(record, &value, 8), SHMAP_EBUSY);
    hand_end(there);
    assert_code(shmap_mutex_lock(&shared->mutex[0], shmap_after(SHMAP_S(9))),
                SHMAP_OWNER_DIED);
    assert_eventually(shmap_record_write(record, &value, 8) == 0);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    hands_end();
}

/* A service that sees only processes in /proc. */
static void test_owner__what_is_seen_of_proc_makes_no_difference(void **state)
{
    static const char *const ways[] = {"lose-sys", "lose-others", "lose-proc"};
    size_t count = COUNT(ways) - (os_tells_without_proc() ? 0 : 1);
    struct shared *shared = hands_begin(NULL);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct hand *service = start_elsewhere(ways[i]);

        for (int turn = 0; turn < 2; turn++) {
            hand_do(service, "lock m0 0");
            assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                        SHMAP_ETIMEDOUT);
            hand_do(service, "unlock m0");
            assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
            assert_code(hand(service, "lock m0 0"), SHMAP_ETIMEDOUT);
            assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
        }
        hand_do(service, "lock r0 0");
        assert_code(hand(service, "lock o0 0"),
                    i == 0 ? SHMAP_ONCE_YOURS : SHMAP_OWNER_DIED);
        assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
        assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
        hand_end(service);
        assert_code(shmap_rwlock_write_lock(&shared->rwlock[0],
                                            shmap_after(SHMAP_S(9))),
                    0);
        assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
        assert_code(shmap_once_begin(&shared->once[0], shmap_after(SHMAP_S(9))),
                    SHMAP_OWNER_DIED);
        assert_code(shmap_once_abandon(&shared->once[0]), 0);
    }
    hands_end();
}

/* No descriptor is free, and a child that has died is not waited for. */
static void test_owner__zombie_is_found_without_handles(void **state)
{
    struct hand *parent;

    (void)state;
    if (!os_can_fork())
        skip_because("no parent has to hear of a death here");
    hands_begin(NULL);
    parent = hand_start(HAND_PROCESS);
    hand_do(parent, "lock m9 0");
    hand_do(parent, "fork");
    hand_do(parent, "child lock r0 0");
    assert_code(hand(parent, "child lock o0 0"), SHMAP_ONCE_YOURS);
    assert_int_equal(uv_kill(hand(parent, "child pid"), SIGKILL), 0);
    hand_do(parent, "limit 0");
    hand_do(parent, "lock w0 9000");
    assert_code(hand(parent, "lock o0 9000"), SHMAP_OWNER_DIED);
    hands_end();
}

/* The owner's memory is written to a file, which takes long. */
static void test_owner__dumping_core_is_dead(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *owner = hand_start(HAND_PROCESS);
    int pid = hand(owner, "pid");

    (void)state;
    if (hand(owner, "prepare-dump") != 0) {
        hands_end();
        os_remove_dump(pid);
        skip_because("the system does not dump core where we could see it");
    }
    hand_do(owner, "lock m0 0");
    hand_do(owner, "lock r0 0");
    assert_code(hand(owner, "lock o0 0"), SHMAP_ONCE_YOURS);
    hand_tell(owner, "dump");
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_FOREVER),
                SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_FOREVER), 0);
    assert_code(shmap_once_begin(&shared->once[0], SHMAP_FOREVER),
                SHMAP_OWNER_DIED);
    assert_true(os_is_dumping(pid));
    hands_end();
    os_remove_dump(pid);
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
static void test_owner__foreign_proc_makes_no_holder_look_dead(void **state)
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
    if (!os_tells_without_proc()) {
        assert_code(hand(a, "lock m0 0"), SHMAP_ENOTSUP);
        skip_because("the kernel does not name namespaces without /proc");
    }
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
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
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
    role_check(uv_thread_create(&thread, lock_one, &result) == 0);
    uv_thread_join(&thread);
    role_check_code(result, 0);
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
    os_put_before_restart(&past->mutex[0].owner_);
    os_put_before_restart(&past->rwlock[0].writer_.owner_);
    os_put_before_restart(&past->once[0].owner_);
    return shared;
}

static void restart(struct shared *shared)
{
    shared->mutex[0] = held_before_the_restart.mutex[0];
    shared->rwlock[0] = held_before_the_restart.rwlock[0];
    shared->once[0] = held_before_the_restart.once[0];
}

static void test_owner__restart_of_the_machine_counts_as_a_death(void **state)
{
    struct shared *shared;
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    shared = begin_with_a_past(path);
    restart(shared);
    expect_death(&shared->mutex[0]);
    restart(shared);
    assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                SHMAP_OWNER_DIED);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    restart(shared);
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    expect_death(&shared->mutex[0]);
    hands_end();
    remove_file(path);
}

/* One finds it, and is held before it has marked the owner as dead. */
static void test_owner__restart_is_found_by_a_thread_that_comes_in_between(
    void **state)
{
    struct shared *shared;
    struct hand *slow;
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    shared = begin_with_a_past(path);
    slow = hand_start(HAND_PROCESS);
    restart(shared);
    stops_run_into_first(hand_child(slow), "owner.dead", "lock m0 -");
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY),
                SHMAP_OWNER_DIED);
    child_tell(hand_child(slow), "go");
    hands_wait_for("m0");
    assert_code(shmap_mutex_consistent(&shared->mutex[0]), 0);
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    assert_code(hand_result(slow), 0);
    hands_end();
    remove_file(path);
}

/* Two find it at the same time. */
static void test_owner__restart_is_reported_to_both_of_two_racing_threads(
    void **state)
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
        for (int round = 0; round < (os_is_emulated() ? 10 : 20); round++) {
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
        TEST(zombie_counts_as_dead),
        TEST(strangers_do_not_take_what_the_living_have),
        TEST(strangers_learn_of_each_others_death),
        TEST(strangers_learn_of_one_of_several_deaths),
        TEST(strangers_learn_of_a_parents_death),
        TEST(strangers_write_one_record),
        TEST(containers_go_on_with_a_file),
        TEST(what_is_seen_of_proc_makes_no_difference),
        TEST(zombie_is_found_without_handles),
        TEST(dumping_core_is_dead),
        TEST(neighbours_in_a_namespace_are_no_strangers),
        TEST(foreign_proc_makes_no_holder_look_dead),
        TEST(without_proc_locks_work),
        TEST(those_it_cannot_look_at_are_not_dead),
        TEST(losing_proc_later_is_no_harm),
        TEST(restart_of_the_machine_counts_as_a_death),
        TEST(restart_is_found_by_a_thread_that_comes_in_between),
        TEST(restart_is_reported_to_both_of_two_racing_threads),
    };
#undef TEST

    stops_enable();
    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
