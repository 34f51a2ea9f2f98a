/* SPDX-License-Identifier: MIT */

/* Onces: one sets up, the others wait for that; and another takes over from one
 * who cannot, or has died. */

#include <uv.h>

#include "hands.h"
#include "threads.h"
#include "units.h"

static void expect_done(shmap_once *once)
{
    assert_code(shmap_once_begin(once, SHMAP_TRY), 0);
    assert_code(shmap_once_begin(once, SHMAP_FOREVER), 0);
    assert_code(shmap_once_commit(once), SHMAP_EPERM);
    assert_code(shmap_once_abandon(once), SHMAP_EPERM);
    assert_code(shmap_once_begin(once, SHMAP_TRY), 0);
}

/* Results. */

static void test_once__is_ready_when_zero(void **state)
{
    shmap_once once = {0};

    (void)state;
    assert_int_equal(sizeof once, 32);
    assert_code(shmap_once_begin(&once, SHMAP_FOREVER), SHMAP_ONCE_YOURS);
    assert_code(shmap_once_commit(&once), 0);
    expect_done(&once);
}

static void test_once__pointers_are_checked(void **state)
{
    shmap_once onces[2] = {{0}, {0}};
    shmap_once untouched[2] = {{0}, {0}};
    shmap_once *odd = (void *)((char *)onces + 4);

    (void)state;
    assert_code(shmap_once_begin(NULL, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_once_commit(NULL), SHMAP_EINVAL);
    assert_code(shmap_once_abandon(NULL), SHMAP_EINVAL);
    assert_code(shmap_once_begin(odd, SHMAP_FOREVER), SHMAP_EINVAL);
    assert_code(shmap_once_commit(odd), SHMAP_EINVAL);
    assert_code(shmap_once_abandon(odd), SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(onces, untouched, sizeof untouched);
}

static void test_once__who_did_not_begin_cannot_end(void **state)
{
    shmap_once once = {0};
    shmap_once before = once;

    (void)state;
    assert_code(shmap_once_commit(&once), SHMAP_EPERM);
    assert_code(shmap_once_abandon(&once), SHMAP_EPERM);
    assert_memory_equal(&once, &before, sizeof once);
    assert_code(shmap_once_begin(&once, SHMAP_TRY), SHMAP_ONCE_YOURS);
    assert_code(shmap_once_abandon(&once), 0);
    assert_code(shmap_once_commit(&once), SHMAP_EPERM);
    assert_code(shmap_once_abandon(&once), SHMAP_EPERM);
    assert_code(shmap_once_begin(&once, SHMAP_TRY), SHMAP_ONCE_YOURS);
    assert_code(shmap_once_commit(&once), 0);
    expect_done(&once);
}

static void test_once__begins_once_at_a_time(void **state)
{
    shmap_once once = {0};
    shmap_once before;

    (void)state;
    assert_code(shmap_once_begin(&once, SHMAP_TRY), SHMAP_ONCE_YOURS);
    before = once;
    assert_code(shmap_once_begin(&once, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_once_begin(&once, SHMAP_FOREVER), SHMAP_EDEADLK);
    assert_memory_equal(&once, &before, sizeof once);
    assert_code(shmap_once_commit(&once), 0);
}

static void others_are_refused(struct shared *shared, enum hand_kind kind)
{
    struct hand *other = hand_start(kind);
    shmap_once before;

    assert_code(hand(other, "lock o1 0"), SHMAP_ONCE_YOURS);
    assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                SHMAP_ONCE_YOURS);
    before = shared->once[0];
    assert_code(hand(other, "lock o0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(other, "lock o0 -1"), SHMAP_ETIMEDOUT);
    assert_code(hand(other, "unlock o0"), SHMAP_EPERM);
    assert_code(hand(other, "consistent o0"), SHMAP_EPERM);
    assert_memory_equal(&shared->once[0], &before, sizeof before);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    assert_code(hand(other, "lock o0 0"), 0);
    assert_code(hand(other, "lock o0 -"), 0);
    assert_code(hand(other, "unlock o0"), SHMAP_EPERM);
    hand_do(other, "consistent o1");
    expect_done(&shared->once[1]);
}

static void test_once__belongs_to_who_began(void **state)
{
    (void)state;
    with_each_kind(others_are_refused);
}

/* Waiting. */

static void all_wait(struct shared *shared, enum hand_kind kind)
{
    enum { ROUNDS = 10 };
    struct hand *waiters[4];
    int prompt = 0;

    for (size_t i = 0; i < COUNT(waiters); i++)
        waiters[i] = hand_start(kind);
    for (int round = 0; round < ROUNDS; round++) {
        char object[8];
        int64_t start;

        snprintf(object, sizeof object, "o%d", round);
        assert_code(shmap_once_begin(&shared->once[round], SHMAP_TRY),
                    SHMAP_ONCE_YOURS);
        for (size_t i = 0; i < COUNT(waiters); i++)
            hand_tell(waiters[i], "lock %s -", object);
        hands_wait_for(object);
        start = clock_ms();
        assert_code(shmap_once_commit(&shared->once[round]), 0);
        for (size_t i = 0; i < COUNT(waiters); i++)
            assert_code(hand_result(waiters[i]), 0);
        prompt += hands_are_prompt(start);
    }
    assert_in_range(prompt, ROUNDS / 2, ROUNDS);
}

static void test_once__commit_lets_all_go_on(void **state)
{
    (void)state;
    with_each_kind(all_wait);
}

static void one_takes_over(struct shared *shared, enum hand_kind kind)
{
    enum { ROUNDS = 10 };
    struct hand *first = hand_start(kind);
    struct hand *second = hand_start(kind);
    int prompt = 0;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t start;

        assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                    SHMAP_ONCE_YOURS);
        hand_tell(first, "lock o0 -");
        hands_wait_for("o0");
        start = clock_ms();
        assert_code(shmap_once_abandon(&shared->once[0]), 0);
        assert_code(hand_result(first), SHMAP_ONCE_YOURS);
        prompt += hands_are_prompt(start);
        assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
        hand_tell(second, "lock o0 -");
        hands_wait_for("o0");
        hand_do(first, "unlock o0");
        assert_code(hand_result(second), SHMAP_ONCE_YOURS);
        hand_do(second, "unlock o0");
    }
    assert_in_range(prompt, ROUNDS / 2, ROUNDS);
    assert_code(hand(second, "lock o0 0"), SHMAP_ONCE_YOURS);
    hand_do(second, "consistent o0");
    expect_done(&shared->once[0]);
}

static void test_once__abandon_lets_one_take_over(void **state)
{
    (void)state;
    with_each_kind(one_takes_over);
}

static void waits_until_the_deadline(struct shared *shared, enum hand_kind kind)
{
    static const int64_t waits[] = {1, 50000, 1000000, 30000000, 450000000};
    struct hand *other = hand_start(kind);

    assert_code(hand(other, "lock o0 0"), SHMAP_ONCE_YOURS);
    for (size_t i = 0; i < COUNT(waits); i++) {
        int64_t deadline = shmap_after(waits[i]);
        int64_t late;

        assert_code(shmap_once_begin(&shared->once[0], deadline),
                    SHMAP_ETIMEDOUT);
        late = shmap_now() - deadline;
        assert_true(late >= 0);
        assert_true(late < (patience_until(2000) - clock_ms()) * 1000000);
        shared->once[0].spin_ns = i % 2 == 0 ? SHMAP_SPIN_NEVER : 0;
    }
    hand_do(other, "unlock o0");
    assert_code(shmap_once_begin(&shared->once[0], 1), SHMAP_ONCE_YOURS);
    assert_code(shmap_once_abandon(&shared->once[0]), 0);
}

static void test_once__waits_end_with_their_deadline(void **state)
{
    (void)state;
    with_each_kind(waits_until_the_deadline);
}

/* Deaths. */

static void death_is_reported(struct shared *shared, enum hand_kind kind)
{
    static const char *const past[] = {"0", "-1", "-"};

    for (unsigned i = 0; i < COUNT(past); i++) {
        struct hand *first = hand_start(kind);
        struct hand *second = hand_start(kind);

        assert_code(hand(first, "lock o%u 0", i), SHMAP_ONCE_YOURS);
        hand_end(first);
        assert_code(hand(second, "lock o%u %s", i, past[i]), SHMAP_OWNER_DIED);
        /* It cannot either: the next one hears of it, too. */
        hand_do(second, "unlock o%u", i);
        assert_code(shmap_once_begin(&shared->once[i], SHMAP_TRY),
                    SHMAP_OWNER_DIED);
        assert_code(hand(second, "lock o%u 0", i), SHMAP_ETIMEDOUT);
        assert_code(hand(second, "lock o%u 20", i), SHMAP_ETIMEDOUT);
        assert_code(shmap_once_abandon(&shared->once[i]), 0);
        assert_code(hand(second, "lock o%u 0", i), SHMAP_OWNER_DIED);
        hand_end(second);
        assert_code(shmap_once_begin(&shared->once[i], SHMAP_TRY),
                    SHMAP_OWNER_DIED);
        assert_code(shmap_once_commit(&shared->once[i]), 0);
        expect_done(&shared->once[i]);
    }
}

static void test_once__death_is_reported_until_it_is_done(void **state)
{
    (void)state;
    with_each_kind(death_is_reported);
}

static void waiter_learns(struct shared *shared, enum hand_kind kind)
{
    struct hand *first = hand_start(kind);
    struct hand *second = hand_start(kind);
    int64_t start;

    assert_code(hand(first, "lock o0 0"), SHMAP_ONCE_YOURS);
    hand_tell(second, "lock o0 -");
    hands_wait_for("o0");
    start = clock_ms();
    hand_end(first);
    assert_code(hand_result(second), SHMAP_OWNER_DIED);
    assert_true(clock_ms() - start < patience_until(1000) - clock_ms());
    hand_do(second, "consistent o0");
    expect_done(&shared->once[0]);
}

static void test_once__those_who_wait_learn_of_a_death(void **state)
{
    (void)state;
    with_each_kind(waiter_learns);
}

static void waiter_dies(struct shared *shared, enum hand_kind kind)
{
    struct hand *victim = hand_start(HAND_PROCESS);
    struct hand *waiter = hand_start(kind);

    assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                SHMAP_ONCE_YOURS);
    hand_tell(victim, "lock o0 -");
    hands_wait_for("o0");
    hand_tell(waiter, "lock o0 -");
    hand_end(victim);
    assert_code(shmap_once_abandon(&shared->once[0]), 0);
    assert_code(hand_result(waiter), SHMAP_ONCE_YOURS);
    hand_do(waiter, "consistent o0");
    expect_done(&shared->once[0]);
}

static void test_once__death_of_a_waiter_does_not_matter(void **state)
{
    (void)state;
    with_each_kind(waiter_dies);
}

static void test_once__exit_is_a_death(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *leaves = hand_start(HAND_PROCESS);

    (void)state;
    assert_code(hand(leaves, "lock o0 0"), SHMAP_ONCE_YOURS);
    hand_tell(leaves, "leave");
    assert_code(shmap_once_begin(&shared->once[0], shmap_after(SHMAP_S(5))),
                SHMAP_OWNER_DIED);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    hands_end();
}

/* Becoming another program is none: that one has to end. */
static void test_once__exec_is_a_death(void **state)
{
    struct shared *shared;
    struct hand *execs;

    (void)state;
    if (!os_can_fork())
        skip_because("no process becomes another program here");
    shared = hands_begin(NULL);
    execs = hand_start(HAND_PROCESS);
    assert_code(hand(execs, "lock o0 0"), SHMAP_ONCE_YOURS);
    hand_do(execs, "exec");
    assert_code(shmap_once_begin(&shared->once[0], shmap_after(SHMAP_S(5))),
                SHMAP_OWNER_DIED);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    hands_end();
}

static void unmapping_is_a_death(struct shared *shared, enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);
    struct hand *waiter = hand_start(kind);

    hand_do(owner, "attach 1");
    assert_code(hand(owner, "lock o0 0 1"), SHMAP_ONCE_YOURS);
    assert_code(hand(owner, "lock o1 0 0"), SHMAP_ONCE_YOURS);
    assert_code(hand(owner, "lock o2 0 1"), SHMAP_ONCE_YOURS);
    hand_do(owner, "consistent o2");
    hand_tell(waiter, "lock o0 -");
    hands_wait_for("o0");
    hand_do(owner, "detach 1");
    assert_code(hand_result(waiter), SHMAP_OWNER_DIED);
    hand_do(waiter, "consistent o0");
    assert_code(hand(owner, "consistent o0"), SHMAP_EPERM);
    expect_done(&shared->once[0]);
    assert_code(shmap_once_begin(&shared->once[1], SHMAP_TRY), SHMAP_ETIMEDOUT);
    hand_do(owner, "consistent o1");
    expect_done(&shared->once[1]);
    expect_done(&shared->once[2]);
}

static void test_once__unmapping_gives_up_what_was_in_the_view(void **state)
{
    (void)state;
    with_each_kind(unmapping_is_a_death);
}

/* Two views of one. */
static void test_once__is_one_in_two_views(void **state)
{
    struct shared *a = hands_begin(NULL);
    struct shared *b;

    (void)state;
    assert_code(hands_obey("attach 1"), 0);
    b = hands_shared(1);
    for (int i = 0; i < 300; i++) {
        shmap_once *begun[3];

        for (int j = 0; j < 3; j++) {
            begun[j] = i >> j & 1 ? &b->once[j] : &a->once[j];
            assert_code(shmap_once_begin(begun[j], SHMAP_TRY),
                        SHMAP_ONCE_YOURS);
        }
        for (int j = 0; j < 3; j++) {
            int k = (i / 8 + j) % 3;

            assert_code(shmap_once_begin(&a->once[k], SHMAP_TRY),
                        SHMAP_EDEADLK);
            assert_code(shmap_once_begin(&b->once[k], SHMAP_TRY),
                        SHMAP_EDEADLK);
            assert_code(
                shmap_once_abandon(i >> 3 & 1 ? &b->once[k] : &a->once[k]), 0);
        }
    }
    /* Nothing of that is still thought to be held. */
    for (int i = 0; i < SHMAP_LOCKS_MAX; i++)
        assert_code(shmap_once_begin(&a->once[i], SHMAP_TRY), SHMAP_ONCE_YOURS);
    assert_code(shmap_once_begin(&a->once[SHMAP_LOCKS_MAX], SHMAP_TRY),
                SHMAP_ENOLCK);
    for (int i = 0; i < SHMAP_LOCKS_MAX; i++)
        assert_code(shmap_once_commit(&b->once[i]), 0);
    assert_code(shmap_once_begin(&a->once[SHMAP_LOCKS_MAX], SHMAP_TRY),
                SHMAP_ONCE_YOURS);
    assert_code(shmap_once_commit(&a->once[SHMAP_LOCKS_MAX]), 0);
    expect_done(&a->once[0]);
    expect_done(&b->once[SHMAP_LOCKS_MAX]);
    hands_end();
}

static void test_once__forked_child_did_not_begin(void **state)
{
    struct shared *shared;
    struct hand *parent;

    (void)state;
    if (!os_can_fork())
        skip_because("there is no fork here");
    shared = hands_begin(NULL);
    parent = hand_start(HAND_PROCESS);
    assert_code(hand(parent, "lock o0 0"), SHMAP_ONCE_YOURS);
    hand_do(parent, "fork");
    assert_code(hand(parent, "child consistent o0"), SHMAP_EPERM);
    assert_code(hand(parent, "child unlock o0"), SHMAP_EPERM);
    assert_code(hand(parent, "child lock o0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock o1 0"), SHMAP_ONCE_YOURS);
    assert_int_equal(hand(parent, "wait"), 0);
    assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY), SHMAP_ETIMEDOUT);
    hand_do(parent, "consistent o0");
    expect_done(&shared->once[0]);
    assert_code(hand(parent, "lock o1 0"), SHMAP_OWNER_DIED);
    hands_end();
}

/* Many at once. Each counts who set up, and sees that it is set up. */

enum { ONCES = HANDS_LOCKS };

/* The rwlocks of the region serve as memory that is set up. */

static void set_up_all(struct shared *shared)
{
    for (int i = 0; i < ONCES; i++) {
        int result = shmap_once_begin(&shared->once[i], SHMAP_FOREVER);

        role_check_code(SHMAP_FAILED(result) ? result : 0, 0);
        if (result == SHMAP_ONCE_YOURS) {
            /* What is set up are plain numbers, beside each once. */
            shared->rwlock[i].reader_[0]++;
            shared->rwlock[i].reader_[1] = (uint64_t)i + 1;
            role_check_code(shmap_once_commit(&shared->once[i]), 0);
        }
        role_check(shared->rwlock[i].reader_[1] == (uint64_t)i + 1);
    }
}

static int play_setter(int count, char **arguments)
{
    struct shared *shared;

    role_check(count == 1);
    shared = hands_join(arguments[0]);
    role_check(shared != NULL);
    say("ready");
    role_check(hear() != NULL);
    set_up_all(shared);
    say("done");
    return 0;
}

static void test_once__sixteen_processes_set_up_once(void **state)
{
    enum { PROCESSES = 16 };
    struct child *children[PROCESSES];

    (void)state;
    for (int round = 0; round < 3; round++) {
        struct shared *shared = hands_begin(NULL);

        for (int i = 0; i < PROCESSES; i++)
            children[i] = child_start("setter", hands_name(), NULL);
        for (int i = 0; i < PROCESSES; i++)
            child_expect(children[i], "ready");
        for (int i = 0; i < PROCESSES; i++)
            child_tell(children[i], "go");
        for (int i = 0; i < PROCESSES; i++) {
            child_expect(children[i], "done");
            assert_int_equal(child_wait(children[i], PATIENCE), 0);
        }
        for (int i = 0; i < ONCES; i++)
            assert_true(shared->rwlock[i].reader_[0] == 1);
        hands_end();
    }
}

struct beginner {
    uv_thread_t thread;
    struct shared *shared;
    uint64_t set_up;
    uint64_t wrong;
};

/* Now and then it cannot be done. */
static void begin_all(void *argument)
{
    struct beginner *beginner = argument;
    struct shared *shared = beginner->shared;
    struct dice dice = {fresh_seed()};

    for (int i = 0; i < ONCES; i++) {
        int result = shmap_once_begin(&shared->once[i], SHMAP_FOREVER);

        while (result == SHMAP_ONCE_YOURS && dice_roll(&dice, 3) != 0) {
            beginner->wrong += shmap_once_abandon(&shared->once[i]) != 0;
            result = shmap_once_begin(&shared->once[i], SHMAP_FOREVER);
        }
        if (result == SHMAP_ONCE_YOURS) {
            shared->rwlock[i].reader_[0]++;
            beginner->set_up++;
            beginner->wrong += shmap_once_commit(&shared->once[i]) != 0;
        }
        beginner->wrong += SHMAP_FAILED(result) || result == SHMAP_OWNER_DIED;
        beginner->wrong += shared->rwlock[i].reader_[0] != 1;
    }
}

static void test_once__threads_set_up_once(void **state)
{
    enum { THREADS = 6 };
    struct beginner beginners[THREADS];
    uint64_t set_up = 0;
    uint64_t wrong = 0;

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct shared *shared = hands_begin(NULL);

        for (int i = 0; i < THREADS; i++) {
            struct beginner beginner = {.shared = shared};

            beginners[i] = beginner;
            assert_int_equal(uv_thread_create(&beginners[i].thread, begin_all,
                                              &beginners[i]),
                             0);
        }
        for (int i = 0; i < THREADS; i++) {
            uv_thread_join(&beginners[i].thread);
            set_up += beginners[i].set_up;
            wrong += beginners[i].wrong;
        }
        hands_end();
    }
    assert_true(wrong == 0);
    assert_true(set_up == 20 * ONCES);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"setter", play_setter}, {0, 0}};
#define TEST(name) cmocka_unit_test(test_once__##name)
    static const struct CMUnitTest tests[] = {
        TEST(is_ready_when_zero),
        TEST(pointers_are_checked),
        TEST(who_did_not_begin_cannot_end),
        TEST(begins_once_at_a_time),
        TEST(belongs_to_who_began),
        TEST(commit_lets_all_go_on),
        TEST(abandon_lets_one_take_over),
        TEST(waits_end_with_their_deadline),
        TEST(death_is_reported_until_it_is_done),
        TEST(those_who_wait_learn_of_a_death),
        TEST(death_of_a_waiter_does_not_matter),
        TEST(exit_is_a_death),
        TEST(exec_is_a_death),
        TEST(unmapping_gives_up_what_was_in_the_view),
        TEST(is_one_in_two_views),
        TEST(forked_child_did_not_begin),
        TEST(sixteen_processes_set_up_once),
        TEST(threads_set_up_once),
    };
#undef TEST

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
