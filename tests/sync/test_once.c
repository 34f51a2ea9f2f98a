/* SPDX-License-Identifier: MIT */

/* Onces that are done: one thread sets up, and the others go on. What they
 * promise as all locks do is in test_lock.c and test_lock_death.c. */

#include <uv.h>

#include "hands.h"

static void expect_done(shmap_once *once)
{
    assert_code(shmap_once_begin(once, SHMAP_TRY), 0);
    assert_code(shmap_once_begin(once, SHMAP_FOREVER), 0);
    assert_code(shmap_once_commit(once), SHMAP_EPERM);
    assert_code(shmap_once_abandon(once), SHMAP_EPERM);
    assert_code(shmap_once_begin(once, SHMAP_TRY), 0);
}

static void all_see_that_it_is_done(struct shared *shared, enum hand_kind kind)
{
    struct hand *other = hand_start(kind);

    assert_code(shmap_once_begin(&shared->once[0], SHMAP_TRY),
                SHMAP_ONCE_YOURS);
    assert_code(shmap_once_commit(&shared->once[0]), 0);
    expect_done(&shared->once[0]);
    assert_code(hand(other, "lock o0 0"), 0);
    assert_code(hand(other, "lock o0 -"), 0);
    assert_code(hand(other, "unlock o0"), SHMAP_EPERM);
    assert_code(hand(other, "consistent o0"), SHMAP_EPERM);
}

static void test_once__is_done_for_all_after_commit(void **state)
{
    (void)state;
    with_each_kind(all_see_that_it_is_done);
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

static void unmapping_keeps_what_is_done(struct shared *shared,
                                         enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);

    hand_do(owner, "attach 1");
    assert_code(hand(owner, "lock o0 0 1"), SHMAP_ONCE_YOURS);
    hand_do(owner, "consistent o0");
    hand_do(owner, "detach 1");
    assert_code(hand(owner, "consistent o0"), SHMAP_EPERM);
    expect_done(&shared->once[0]);
}

static void test_once__stays_done_when_the_view_is_unmapped(void **state)
{
    (void)state;
    with_each_kind(unmapping_keeps_what_is_done);
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
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct shared *shared = hands_begin(NULL);

        hands_race("setter", NULL, 16);
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
        TEST(is_done_for_all_after_commit),
        TEST(commit_lets_all_go_on),
        TEST(stays_done_when_the_view_is_unmapped),
        TEST(sixteen_processes_set_up_once),
        TEST(threads_set_up_once),
    };
#undef TEST

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
