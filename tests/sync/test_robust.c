/* SPDX-License-Identifier: MIT */

/* Mutexes together with the C library's own robust ones, in one thread and so
 * in one list of the kernel's: all kinds are reported right, whatever is
 * locked and unlocked in which order. The C library marks the pointers to those
 * that inherit priorities. */

#include <uv.h>

#include "hands.h"
#include "threads.h"

/* Together with the C library's own robust mutexes, which the same list holds.
 */

struct mixed {
    struct shared *shared;
    int lock_order[HANDS_FOUR];
    int unlock_order[HANDS_FOUR];
    int unlocks;
    int wrong;
};

/* Even ones are ours. */
static int lock_mixed(struct shared *shared, int i)
{
    return i % 2 == 0 ? shmap_mutex_lock(&shared->mutex[i], SHMAP_TRY)
                      : os_robust_lock(shared->robust[i]);
}

static int unlock_mixed(struct shared *shared, int i)
{
    return i % 2 == 0 ? shmap_mutex_unlock(&shared->mutex[i])
                      : os_robust_unlock(shared->robust[i]);
}

static int mixed_is_consistent(struct shared *shared, int i)
{
    return i % 2 == 0 ? shmap_mutex_consistent(&shared->mutex[i])
                      : os_robust_consistent(shared->robust[i]);
}

static void lock_some_and_end(void *argument)
{
    struct mixed *mixed = argument;

    for (int i = 0; i < HANDS_FOUR; i++)
        mixed->wrong += lock_mixed(mixed->shared, mixed->lock_order[i]) != 0;
    for (int i = 0; i < mixed->unlocks; i++)
        mixed->wrong +=
            unlock_mixed(mixed->shared, mixed->unlock_order[i]) != 0;
}

/* The first ones of the order were unlocked, the others died with their owner.
 */
static bool is_told_of_the_rest(const struct mixed *mixed)
{
    struct shared *shared = mixed->shared;

    for (int i = 0; i < HANDS_FOUR; i++) {
        int lock = mixed->unlock_order[i];
        int expected = i < mixed->unlocks ? 0 : SHMAP_OWNER_DIED;
        int result = lock_mixed(shared, lock);

        if (result == SHMAP_OWNER_DIED)
            mixed_is_consistent(shared, lock);
        if (result != expected || unlock_mixed(shared, lock) != 0) {
            print_error("lock %d: %s\n", lock, shmap_error_name(result));
            return false;
        }
    }
    return true;
}

/* Which of theirs inherit priorities: a bit for each number. */
static const unsigned inheriting[] = {0, 1 << 1, 1 << 3, 1 << 1 | 1 << 3};

static struct shared *begin_mixed(unsigned inherit)
{
    struct shared *shared = hands_begin(NULL);

    for (int i = 0; i < HANDS_ROBUST; i++) {
        bool inherits = (inherit >> i & 1) != 0;

        if (!os_robust_make(shared->robust[i], inherits)) {
            hands_end();
            skip_because(inherits ? "no robust mutexes inherit priorities"
                                  : "the C library has no robust mutexes");
        }
    }
    return shared;
}

static void expect_mixed(const struct mixed *mixed)
{
    const int *l = mixed->lock_order;
    const int *u = mixed->unlock_order;

    if (mixed->wrong == 0 && is_told_of_the_rest(mixed))
        return;
    fail_msg("locked %d %d %d %d, unlocked %d of %d %d %d %d, wrong %d", l[0],
             l[1], l[2], l[3], mixed->unlocks, u[0], u[1], u[2], u[3],
             mixed->wrong);
}

static void expect_every_order_told(unsigned inherit)
{
    struct mixed mixed = {.shared = begin_mixed(inherit)};

    for (int n = 0; n < HANDS_ORDERS * HANDS_ORDERS; n++) {
        hands_order(n / HANDS_ORDERS, mixed.lock_order);
        hands_order(n % HANDS_ORDERS, mixed.unlock_order);
        for (mixed.unlocks = 0; mixed.unlocks <= HANDS_FOUR; mixed.unlocks++) {
            uv_thread_t thread;

            assert_int_equal(
                uv_thread_create(&thread, lock_some_and_end, &mixed), 0);
            uv_thread_join(&thread);
            expect_mixed(&mixed);
        }
    }
    hands_end();
}

static void test_robust__with_others_of_the_c_library_is_told(void **state)
{
    (void)state;
    expect_every_order_told(inheriting[0]);
}

static void test_robust__with_others_that_inherit_is_told(void **state)
{
    (void)state;
    for (size_t i = 1; i < COUNT(inheriting); i++)
        expect_every_order_told(inheriting[i]);
}

/* One thread, again and again, in random orders: nothing remains of earlier
 * mixtures. */
static void test_robust__mixing_leaves_nothing_behind(void **state)
{
    struct shared *shared = begin_mixed(1 << 3 | 1 << 7);
    struct dice dice = {fresh_seed()};
    bool held[8] = {false};

    (void)state;
    for (int step = 0; step < 20000; step++) {
        int i = (int)dice_roll(&dice, 8);

        assert_code(held[i] ? unlock_mixed(shared, i) : lock_mixed(shared, i),
                    0);
        held[i] = !held[i];
    }
    for (int i = 0; i < 8; i++) {
        if (held[i])
            assert_code(unlock_mixed(shared, i), 0);
        assert_code(lock_mixed(shared, i), 0);
        assert_code(unlock_mixed(shared, i), 0);
    }
    hands_end();
}

static int play_mixer(int count, char **arguments)
{
    struct mixed mixed = {0};

    role_check(count == 4);
    mixed.shared = hands_join(arguments[0]);
    role_check(mixed.shared != NULL);
    hands_order(atoi(arguments[1]), mixed.lock_order);
    hands_order(atoi(arguments[2]), mixed.unlock_order);
    mixed.unlocks = atoi(arguments[3]);
    lock_some_and_end(&mixed);
    role_check(mixed.wrong == 0);
    say("done");
    hear();
    return 0;
}

static void expect_processes_told(unsigned inherit)
{
    struct mixed mixed = {.shared = begin_mixed(inherit)};
    struct dice dice = {fresh_seed()};

    for (int n = 0; n < HANDS_ORDERS; n++) {
        uint32_t other = dice_roll(&dice, HANDS_ORDERS);
        char words[3][8];
        struct child *child;

        hands_order(n % HANDS_ORDERS, mixed.lock_order);
        hands_order((int)other, mixed.unlock_order);
        mixed.unlocks = n % HANDS_FOUR;
        snprintf(words[0], sizeof words[0], "%d", n % HANDS_ORDERS);
        snprintf(words[1], sizeof words[1], "%d", (int)other);
        snprintf(words[2], sizeof words[2], "%d", mixed.unlocks);
        child = child_start("mixer", hands_name(), words[0], words[1], words[2],
                            NULL);
        child_expect(child, "done");
        child_end(child);
        expect_mixed(&mixed);
    }
    hands_end();
}

static void test_robust__of_a_process_with_others_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(inheriting); i++)
        expect_processes_told(inheriting[i]);
}

/* A view that holds some of them is unmapped. */
static void test_robust__unmapping_among_others_is_told(void **state)
{
    struct shared *shared = begin_mixed(1 << 3);

    (void)state;
    for (int n = 0; n < HANDS_ORDERS; n++) {
        struct hand *owner = hand_start(HAND_THREAD);
        int order[HANDS_FOUR];

        hands_order(n, order);
        hand_do(owner, "attach 1");
        for (int i = 0; i < HANDS_FOUR; i++)
            hand_do(owner, order[i] % 2 == 0 ? "lock m%d 0 1" : "lock c%d 0 0",
                    order[i]);
        hand_do(owner, "detach 1");
        expect_death(&shared->mutex[0]);
        expect_death(&shared->mutex[2]);
        hand_do(owner, "lock m4 0");
        hand_do(owner, "unlock c1");
        hand_end(owner);
        expect_death(&shared->mutex[4]);
        assert_code(os_robust_lock(shared->robust[1]), 0);
        assert_code(os_robust_unlock(shared->robust[1]), 0);
        assert_code(os_robust_lock(shared->robust[3]), SHMAP_OWNER_DIED);
        assert_code(os_robust_consistent(shared->robust[3]), 0);
        assert_code(os_robust_unlock(shared->robust[3]), 0);
    }
    hands_end();
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"mixer", play_mixer}, {0, 0}};
#define TEST(name) cmocka_unit_test(test_robust__##name)
    static const struct CMUnitTest tests[] = {
        TEST(with_others_of_the_c_library_is_told),
        TEST(with_others_that_inherit_is_told),
        TEST(mixing_leaves_nothing_behind),
        TEST(of_a_process_with_others_is_told),
        TEST(unmapping_among_others_is_told),
    };
#undef TEST

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
