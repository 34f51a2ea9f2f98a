/* SPDX-License-Identifier: MIT */

/* What all locks promise when their holders die, in whatever way, seem to, or
 * unmap the view: the next holder is told, if it matters to this kind of locks,
 * and only then (P11). Each test runs for each pair of locks.h. */

#include <uv.h>

#include "locks.h"
#include "threads.h"

/* The result of a wanted lock after the holder's death. */
static int after_death(const struct lock_pair *pair)
{
    return pair->held->died == 0 ? pair->wanted->granted : pair->held->died;
}

/* Ways to end. */

static void end_is_reported(const struct lock_pair *pair, enum hand_kind kind)
{
    struct hand *holder = hand_start(kind);

    hand_holds(holder, pair->held, 0);
    hand_holds(holder, pair->held, 1);
    assert_code(hand_unlock(holder, pair->held, 1), 0);
    hand_end(holder);
    lock_expect_death(pair, 0);
    lock_expect_free(pair, 1);
}

static void test_lock_death__end_of_the_holder_is_reported(void **state)
{
    lock_with_each_hand(state, end_is_reported);
}

static void test_lock_death__thread_that_ends_itself_is_reported(void **state)
{
    const struct lock_pair *pair = *state;
    struct hand *holder;

    hands_begin(NULL);
    holder = hand_start(HAND_THREAD);
    hand_holds(holder, pair->held, 0);
    hand_tell(holder, "end-thread");
    hand_end(holder);
    lock_expect_death(pair, 0);
    hands_end();
}

/* Ends of a process that is not killed. */
static void expect_end_by(const struct lock_pair *pair, const char *command)
{
    struct hand *holder;

    hands_begin(NULL);
    holder = hand_start(HAND_PROCESS);
    hand_holds(holder, pair->held, 0);
    hand_holds(holder, pair->held, 1);
    hand_tell(holder, "%s", command);
    for (unsigned i = 2; i-- > 0;) {
        assert_code(self_lock(pair->wanted, i, shmap_after(SHMAP_S(10))),
                    after_death(pair));
        assert_code(self_unlock(pair->wanted, i), 0);
        lock_expect_death(pair, i);
    }
    hands_end();
}

static void test_lock_death__exit_is_reported(void **state)
{
    expect_end_by(*state, "leave");
    expect_end_by(*state, "exit 0");
    expect_end_by(*state, "die");
}

static void test_lock_death__exec_is_reported(void **state)
{
    if (!os_can_fork())
        skip_because("no process becomes another program here");
    expect_end_by(*state, "exec");
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
    const struct lock_kind *kind;

    role_check(count == 2);
    role_check(hands_join(arguments[0]) != NULL);
    kind = lock_pairs[atoi(arguments[1])].held;
    role_check_code(self_lock(kind, 0, SHMAP_TRY), kind->granted);
    role_check(uv_thread_create(&survivor, live_on, NULL) == 0);
    say("locked");
    os_end_thread();
    return 0;
}

static void test_lock_death__first_thread_may_end_before_the_others(
    void **state)
{
    const struct lock_pair *pair = *state;
    struct child *headless;
    char word[16];

    hands_begin(NULL);
    snprintf(word, sizeof word, "%d", (int)(pair - lock_pairs));
    headless = child_start("headless", hands_name(), word, NULL);
    child_expect(headless, "locked");
    assert_code(self_lock(pair->wanted, 0, shmap_after(SHMAP_S(10))),
                after_death(pair));
    assert_code(self_unlock(pair->wanted, 0), 0);
    child_close_stdin(headless);
    assert_int_equal(child_wait(headless, PATIENCE), 0);
    hands_end();
}

/* How long it is reported. */

static void sticks_until_consistent(const struct lock_pair *pair,
                                    enum hand_kind kind)
{
    const struct lock_kind *held = pair->held;
    const struct lock_kind *wanted = pair->wanted;
    struct hand *first = hand_start(kind);
    struct hand *second = hand_start(kind);
    struct hand *third = hand_start(kind);

    hand_holds(first, held, 0);
    hand_end(first);
    assert_code(hand_lock(second, wanted, 0, "0"), SHMAP_OWNER_DIED);
    /* A thread that comes too late hears nothing of it, and hides nothing. */
    assert_code(hand_lock(third, held, 0, "0"), SHMAP_ETIMEDOUT);
    assert_code(hand_lock(third, held, 0, "20"), SHMAP_ETIMEDOUT);
    assert_code(hand_unlock(second, wanted, 0), 0);
    assert_code(hand_lock(third, wanted, 0, "0"), SHMAP_OWNER_DIED);
    assert_code(hand_lock(second, held, 0, "250"), SHMAP_ETIMEDOUT);
    assert_code(hand_unlock(third, wanted, 0), 0);
    assert_code(hand_lock(second, wanted, 0, "-"), SHMAP_OWNER_DIED);
    assert_code(hand_unlock(second, wanted, 0), 0);
    /* So it stays while holders come and go, and also if they die. */
    assert_code(hand_lock(third, held, 0, "-"), SHMAP_OWNER_DIED);
    hand_end(third);
    assert_code(hand_lock(second, wanted, 0, "0"), SHMAP_OWNER_DIED);
    assert_code(hand_unlock(second, wanted, 0), 0);
    assert_code(hand_lock(second, held, 0, "0"), SHMAP_OWNER_DIED);
    assert_code(hand_consistent(second, held, 0), 0);
    assert_code(hand_consistent(second, held, 0),
                held->finishes ? SHMAP_EPERM : SHMAP_EINVAL);
    assert_code(hand_unlock(second, held, 0), held->finishes ? SHMAP_EPERM : 0);
    if (!held->finishes)
        lock_expect_free(pair, 0);
}

static void test_lock_death__is_reported_until_consistent(void **state)
{
    const struct lock_pair *pair = *state;

    if (pair->held->died != 0)
        lock_with_each_hand(state, sticks_until_consistent);
}

static void dies_after_consistent(const struct lock_pair *pair,
                                  enum hand_kind kind)
{
    struct hand *first = hand_start(kind);
    struct hand *second = hand_start(kind);

    hand_holds(first, pair->held, 0);
    hand_end(first);
    assert_code(hand_lock(second, pair->held, 0, "0"), SHMAP_OWNER_DIED);
    assert_code(hand_consistent(second, pair->held, 0), 0);
    hand_end(second);
    lock_expect_death(pair, 0);
}

static void test_lock_death__is_reported_anew_after_consistent(void **state)
{
    const struct lock_pair *pair = *state;

    /* A once is done then. */
    if (pair->held->died != 0 && !pair->held->finishes)
        lock_with_each_hand(state, dies_after_consistent);
}

/* A thread that has just tried need not look for a death again at once, so each
 * of these is the first try of its lock. */
static void outranks_the_deadline(const struct lock_pair *pair,
                                  enum hand_kind kind)
{
    static const int64_t past[] = {0, -1, 1000000000, INT64_MIN};
    struct hand *other = hand_start(kind);

    for (unsigned i = 0; i < COUNT(past); i++) {
        struct hand *holder = hand_start(kind);

        hand_holds(holder, pair->held, i);
        assert_code(hand_lock(other, pair->wanted, i, "0"), SHMAP_ETIMEDOUT);
        hand_end(holder);
        assert_code(self_lock(pair->wanted, i, past[i]), after_death(pair));
        assert_code(self_unlock(pair->wanted, i), 0);
        lock_expect_death(pair, i);
    }
}

static void test_lock_death__outranks_a_deadline_that_has_passed(void **state)
{
    lock_with_each_hand(state, outranks_the_deadline);
}

/* Waiters. */

static void waiter_is_told(const struct lock_pair *pair, enum hand_kind kind)
{
    struct hand *holder = hand_start(kind);
    struct hand *waiter = hand_start(kind);
    int64_t start;

    hand_holds(holder, pair->held, 0);
    hand_waits(waiter, pair->wanted, 0);
    start = clock_ms();
    hand_end(holder);
    assert_code(hand_result(waiter), after_death(pair));
    assert_true(clock_ms() - start < patience_until(1000) - clock_ms());
    assert_code(hand_unlock(waiter, pair->wanted, 0), 0);
    lock_expect_death(pair, 0);
}

static void test_lock_death__waiters_are_told(void **state)
{
    lock_with_each_hand(state, waiter_is_told);
}

static void waiters_die(const struct lock_pair *pair, enum hand_kind kind)
{
    struct hand *holder = hand_start(kind);
    struct hand *waiter = hand_start(kind);
    struct hand *victims[3];

    hand_holds(holder, pair->held, 0);
    for (size_t i = 0; i < COUNT(victims); i++) {
        victims[i] = hand_start(HAND_PROCESS);
        hand_waits(victims[i], pair->wanted, 0);
    }
    hand_tell(waiter, "lock %c0 -", pair->wanted->letter);
    for (size_t i = 0; i < COUNT(victims); i++)
        hand_end(victims[i]);
    assert_code(hand_unlock(holder, pair->held, 0), 0);
    /* None of them had it. */
    assert_code(hand_result(waiter), pair->wanted->granted);
    assert_code(hand_unlock(waiter, pair->wanted, 0), 0);
    lock_expect_free(pair, 0);
}

static void test_lock_death__of_waiters_does_not_matter(void **state)
{
    const struct lock_pair *pair = *state;

    /* A writer that waits for readers may be a dead holder: see
     * test_rwlock__waiting_writer_that_dies_does_not_block. */
    if (pair->held->excludes)
        lock_with_each_hand(state, waiters_die);
}

/* Not dead. */

static void test_lock_death__suspended_holder_is_not_dead(void **state)
{
    const struct lock_pair *pair = *state;
    struct hand *holder;

    hands_begin(NULL);
    holder = hand_start(HAND_PROCESS);
    hand_holds(holder, pair->held, 0);
    assert_true(os_suspend(child_pid(hand_child(holder))));
    assert_code(self_lock(pair->wanted, 0, shmap_after(SHMAP_MS(500))),
                SHMAP_ETIMEDOUT);
    assert_true(os_resume(child_pid(hand_child(holder))));
    assert_code(hand_unlock(holder, pair->held, 0), 0);
    lock_expect_free(pair, 0);
    hands_end();
}

static void test_lock_death__of_a_suspended_holder_is_told(void **state)
{
    const struct lock_pair *pair = *state;
    struct hand *holder;
    struct hand *waiter;

    hands_begin(NULL);
    holder = hand_start(HAND_PROCESS);
    waiter = hand_start(HAND_THREAD);
    hand_holds(holder, pair->held, 0);
    hand_waits(waiter, pair->wanted, 0);
    assert_true(os_suspend(child_pid(hand_child(holder))));
    hand_end(holder);
    assert_code(hand_result(waiter), after_death(pair));
    assert_code(hand_unlock(waiter, pair->wanted, 0), 0);
    lock_expect_death(pair, 0);
    hands_end();
}

/* Unmapping. */

static void hold_in_view(struct hand *by, const struct lock_pair *pair,
                         unsigned number, int view)
{
    assert_code(hand(by, "lock %c%u 0 %d", pair->held->letter, number, view),
                pair->held->granted);
}

static void unlock_in_view(struct hand *by, const struct lock_pair *pair,
                           unsigned number, int view)
{
    hand_do(by, "unlock %c%u %d", pair->held->letter, number, view);
}

/* Locks 0 and 2 are held in view 1, which is unmapped, and 3 and 4 elsewhere.
 */
static void unmap_with_some(struct hand *holder, const struct lock_pair *pair)
{
    hand_do(holder, "attach 1");
    hold_in_view(holder, pair, 3, 0);
    hold_in_view(holder, pair, 0, 1);
    hold_in_view(holder, pair, 4, 0);
    hold_in_view(holder, pair, 1, 1);
    hold_in_view(holder, pair, 2, 1);
    unlock_in_view(holder, pair, 1, 1);
    hand_do(holder, "detach 1");
}

static void unmapping_abandons(const struct lock_pair *pair,
                               enum hand_kind kind)
{
    struct hand *holder = hand_start(kind);

    for (int round = 0; round < 2; round++) {
        unmap_with_some(holder, pair);
        assert_code(hand_unlock(holder, pair->held, 0), SHMAP_EPERM);
        lock_expect_death(pair, 0);
        lock_expect_free(pair, 1);
        lock_expect_death(pair, 2);
        lock_expect_held(pair, 3);
        lock_expect_held(pair, 4);
        assert_code(hand_unlock(holder, pair->held, 0), SHMAP_EPERM);
        hand_holds(holder, pair->held, 0);
        assert_code(hand_unlock(holder, pair->held, 3), 0);
        assert_code(hand_unlock(holder, pair->held, 0), 0);
        assert_code(hand_unlock(holder, pair->held, 4), 0);
        for (unsigned i = 0; i < 5; i++)
            lock_expect_free(pair, i);
    }
    /* What was kept is still reported. */
    hand_do(holder, "attach 1");
    hold_in_view(holder, pair, 0, 1);
    hold_in_view(holder, pair, 1, 0);
    hand_do(holder, "detach 1");
    hand_end(holder);
    lock_expect_death(pair, 0);
    lock_expect_death(pair, 1);
}

static void test_lock_death__unmapping_abandons_what_was_in_the_view(
    void **state)
{
    lock_with_each_hand(state, unmapping_abandons);
}

static void unmapping_tells_waiters(const struct lock_pair *pair,
                                    enum hand_kind kind)
{
    struct hand *holder = hand_start(kind);
    struct hand *waiter = hand_start(kind);

    hand_do(holder, "attach 1");
    hold_in_view(holder, pair, 0, 1);
    hand_waits(waiter, pair->wanted, 0);
    hand_do(holder, "detach 1");
    assert_code(hand_result(waiter), after_death(pair));
    assert_code(hand_unlock(waiter, pair->wanted, 0), 0);
}

static void test_lock_death__unmapping_tells_waiters(void **state)
{
    lock_with_each_hand(state, unmapping_tells_waiters);
}

/* What a thread has locked through one view is unmapped with that one. */
static void unmapping_after_unlock_elsewhere(const struct lock_pair *pair,
                                             enum hand_kind kind)
{
    struct hand *holder = hand_start(kind);

    hand_do(holder, "attach 1");
    hold_in_view(holder, pair, 0, 1);
    unlock_in_view(holder, pair, 0, 0);
    hold_in_view(holder, pair, 0, 0);
    hand_do(holder, "detach 1");
    lock_expect_held(pair, 0);
    assert_code(hand_unlock(holder, pair->held, 0), 0);
    lock_expect_free(pair, 0);
}

static void test_lock_death__unmapping_keeps_what_was_locked_elsewhere(
    void **state)
{
    lock_with_each_hand(state, unmapping_after_unlock_elsewhere);
}

/* Many at once. */

static void all_are_reported(const struct lock_pair *pair, enum hand_kind kind)
{
    struct hand *holder = hand_start(kind);

    for (unsigned i = 0; i < SHMAP_LOCKS_MAX; i++)
        hand_holds(holder, pair->held, i);
    assert_code(hand_lock(holder, pair->held, SHMAP_LOCKS_MAX, "0"),
                SHMAP_ENOLCK);
    hand_end(holder);
    for (unsigned i = 0; i < SHMAP_LOCKS_MAX; i++)
        lock_expect_death(pair, i);
    lock_expect_free(pair, SHMAP_LOCKS_MAX);
}

static void test_lock_death__with_all_it_can_hold_is_told_of_each(void **state)
{
    lock_with_each_hand(state, all_are_reported);
}

static void all_kinds_are_reported(struct shared *shared, enum hand_kind kind)
{
    enum { EACH = SHMAP_LOCKS_MAX / 4 };
    struct hand *holder = hand_start(kind);

    (void)shared;
    for (unsigned i = 0; i < EACH; i++) {
        hand_do(holder, "lock m%u 0", i);
        hand_do(holder, "lock r%u 0", i);
        hand_do(holder, "lock w%u 0", EACH + i);
        assert_code(hand(holder, "lock o%u 0", i), SHMAP_ONCE_YOURS);
    }
    assert_code(hand(holder, "lock o%d 0", EACH), SHMAP_ENOLCK);
    hand_end(holder);
    for (unsigned i = 0; i < EACH; i++) {
        lock_expect_death(&lock_pairs[LOCK_MUTEX], i);
        lock_expect_death(&lock_pairs[LOCK_READER_FOR_WRITER], i);
        lock_expect_death(&lock_pairs[LOCK_WRITER_FOR_READER], EACH + i);
        lock_expect_death(&lock_pairs[LOCK_ONCE], i);
    }
}

static void test_lock_death__with_locks_of_all_kinds_is_told(void **state)
{
    (void)state;
    with_each_kind(all_kinds_are_reported);
}

/* Locked through one view and unlocked through another, in odd orders, and then
 * the holder dies with some of them. */
static void views_and_orders(const struct lock_pair *pair, enum hand_kind kind)
{
    enum { LOCKS = 6 };
    struct dice dice = {7};

    for (int round = 0; round < (kind == HAND_THREAD ? 60 : 8); round++) {
        struct hand *holder = hand_start(kind);
        bool held[LOCKS] = {false};

        hand_do(holder, "attach 1");
        for (int step = 0; step < 30; step++) {
            unsigned i = dice_roll(&dice, LOCKS);
            int view = (int)dice_roll(&dice, 2);

            if (held[i])
                unlock_in_view(holder, pair, i, view);
            else
                hold_in_view(holder, pair, i, view);
            held[i] = !held[i];
        }
        hand_end(holder);
        for (unsigned i = 0; i < LOCKS; i++) {
            if (held[i])
                lock_expect_death(pair, i);
            else
                lock_expect_free(pair, i);
        }
        if (kind == HAND_THREAD)
            hands_obey("detach 1");
    }
}

static void test_lock_death__after_many_views_and_orders_is_told(void **state)
{
    lock_with_each_hand(state, views_and_orders);
}

/* Fork. */

static struct hand *fork_with_locks(const struct lock_pair *pair,
                                    unsigned count)
{
    struct hand *parent;

    if (!os_can_fork())
        skip_because("there is no fork here");
    hands_begin(NULL);
    parent = hand_start(HAND_PROCESS);
    for (unsigned i = 0; i < count; i++)
        hand_holds(parent, pair->held, i);
    hand_do(parent, "fork");
    return parent;
}

static void test_lock_death__forked_child_holds_none_of_its_parents(
    void **state)
{
    const struct lock_pair *pair = *state;
    const struct lock_kind *held = pair->held;
    const char wanted = pair->wanted->letter;
    struct hand *parent = fork_with_locks(pair, 2);

    assert_code(hand(parent, "child unlock %c0", held->letter), SHMAP_EPERM);
    assert_code(hand(parent, "child consistent %c0", held->letter),
                SHMAP_EPERM);
    assert_code(hand(parent, "child lock %c0 0", wanted), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock %c0 20", wanted), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock %c2 0", held->letter), held->granted);
    assert_code(hand_lock(parent, pair->wanted, 2, "0"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child unlock %c2", held->letter), 0);
    assert_code(hand(parent, "child lock %c3 0", held->letter), held->granted);
    /* The child ends, with what it has. */
    assert_int_equal(hand(parent, "wait"), 0);
    lock_expect_held(pair, 0);
    lock_expect_held(pair, 1);
    lock_expect_death(pair, 3);
    for (unsigned i = 0; i < 2; i++) {
        assert_code(hand_unlock(parent, held, i), 0);
        lock_expect_free(pair, i);
    }
    hands_end();
}

static void test_lock_death__forked_child_does_not_hide_its_parents(
    void **state)
{
    const struct lock_pair *pair = *state;
    struct hand *parent = fork_with_locks(pair, 1);

    /* It lives on, as the reader of a pipe that stays open. */
    assert_code(hand(parent, "child lock %c1 0", pair->held->letter),
                pair->held->granted);
    hand_tell(parent, "die");
    assert_code(self_lock(pair->wanted, 0, shmap_after(SHMAP_S(10))),
                after_death(pair));
    assert_code(self_unlock(pair->wanted, 0), 0);
    lock_expect_death(pair, 0);
    hands_end();
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"headless", play_headless}, {0, 0}};
#define TEST(name) LOCK_TEST(test_lock_death__##name)
    static const struct CMUnitTest tests[] = {
        TEST(end_of_the_holder_is_reported),
        TEST(thread_that_ends_itself_is_reported),
        TEST(exit_is_reported),
        TEST(exec_is_reported),
        TEST(first_thread_may_end_before_the_others),
        TEST(is_reported_until_consistent),
        TEST(is_reported_anew_after_consistent),
        TEST(outranks_a_deadline_that_has_passed),
        TEST(waiters_are_told),
        TEST(of_waiters_does_not_matter),
        TEST(suspended_holder_is_not_dead),
        TEST(of_a_suspended_holder_is_told),
        TEST(unmapping_abandons_what_was_in_the_view),
        TEST(unmapping_tells_waiters),
        TEST(unmapping_keeps_what_was_locked_elsewhere),
        TEST(with_all_it_can_hold_is_told_of_each),
        cmocka_unit_test(test_lock_death__with_locks_of_all_kinds_is_told),
        TEST(after_many_views_and_orders_is_told),
        TEST(forked_child_holds_none_of_its_parents),
        TEST(forked_child_does_not_hide_its_parents),
    };
#undef TEST

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
