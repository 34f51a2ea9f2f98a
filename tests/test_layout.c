/* SPDX-License-Identifier: MIT */

/* The layout of objects in shared memory, which is the same for every system
 * and every compiler (P12). */

#include "support.h"

/* What compilers for 32 bits would put at multiples of 4. */
struct scattered {
    uint32_t a;
    shmap_waiters waiters;
    uint32_t b;
    shmap_mutex mutex;
    uint32_t c;
    shmap_event event;
    uint32_t d;
    shmap_semaphore semaphore;
    uint32_t e;
    shmap_cond cond;
    uint32_t f;
    shmap_once once;
    uint32_t g;
    shmap_barrier barrier;
    uint32_t h;
    shmap_rwlock rwlock;
    uint32_t i;
    shmap_record record;
};

#define assert_field(type, field, offset, size)                \
    do {                                                       \
        assert_int_equal(offsetof(type, field), (offset));     \
        assert_int_equal(sizeof(((type *)NULL)->field), size); \
    } while (0)

#define assert_object(type, size)             \
    do {                                      \
        assert_int_equal(sizeof(type), size); \
        assert_int_equal(_Alignof(type), 8);  \
    } while (0)

static void test_layout__waiters(void **state)
{
    (void)state;
    assert_object(shmap_waiters, 16);
    assert_field(shmap_waiters, who_, 0, 8);
    assert_field(shmap_waiters, sequence_, 8, 4);
    assert_field(shmap_waiters, spin_, 12, 4);
}

static void test_layout__mutex(void **state)
{
    (void)state;
    assert_object(shmap_mutex, 64);
    assert_field(shmap_mutex, owner_, 0, 8);
    assert_field(shmap_mutex, node_, 8, 36);
    assert_field(shmap_mutex, place_, 44, 4);
    assert_field(shmap_mutex, who_, 48, 8);
    assert_field(shmap_mutex, spin_ns, 56, 4);
    assert_field(shmap_mutex, ticket_, 60, 2);
    assert_field(shmap_mutex, spin_, 62, 2);
}

static void test_layout__event(void **state)
{
    (void)state;
    assert_object(shmap_event, 40);
    assert_field(shmap_event, state_, 0, 4);
    assert_field(shmap_event, spin_ns, 4, 4);
    assert_field(shmap_event, waiting_, 8, 16);
    assert_field(shmap_event, taking_, 24, 16);
}

static void test_layout__semaphore(void **state)
{
    (void)state;
    assert_object(shmap_semaphore, 24);
    assert_field(shmap_semaphore, value_, 0, 4);
    assert_field(shmap_semaphore, spin_ns, 4, 4);
    assert_field(shmap_semaphore, waiters_, 8, 16);
}

static void test_layout__cond(void **state)
{
    (void)state;
    assert_object(shmap_cond, 24);
    assert_field(shmap_cond, waiters_, 0, 16);
    assert_field(shmap_cond, spin_ns, 16, 4);
    assert_field(shmap_cond, zero_, 20, 4);
}

static void test_layout__barrier(void **state)
{
    (void)state;
    assert_object(shmap_barrier, 32);
    assert_field(shmap_barrier, state_, 0, 8);
    assert_field(shmap_barrier, waiters_, 8, 16);
    assert_field(shmap_barrier, spin_ns, 24, 4);
    assert_field(shmap_barrier, zero_, 28, 4);
}

static void test_layout__once(void **state)
{
    (void)state;
    assert_object(shmap_once, 32);
    assert_field(shmap_once, owner_, 0, 8);
    assert_field(shmap_once, waiters_, 8, 16);
    assert_field(shmap_once, place_, 24, 4);
    assert_field(shmap_once, spin_ns, 28, 4);
}

static void test_layout__rwlock(void **state)
{
    (void)state;
    assert_object(shmap_rwlock, 640);
    assert_field(shmap_rwlock, writer_, 0, 64);
    assert_field(shmap_rwlock, readers_, 64, 16);
    assert_field(shmap_rwlock, drain_, 80, 16);
    assert_field(shmap_rwlock, spin_ns, 96, 4);
    assert_field(shmap_rwlock, zero_, 100, 28);
    assert_field(shmap_rwlock, reader_, 128, 512);
    assert_int_equal(SHMAP_RWLOCK_READERS, 64);
}

static void test_layout__record(void **state)
{
    (void)state;
    assert_object(shmap_record, 64);
    assert_field(shmap_record, version_, 0, 8);
    assert_field(shmap_record, writer_, 8, 8);
    assert_field(shmap_record, size_, 16, 8);
    assert_field(shmap_record, who_, 24, 8);
    assert_field(shmap_record, woken_, 32, 8);
    assert_field(shmap_record, place_, 40, 4);
    assert_field(shmap_record, spin_ns, 44, 4);
    assert_field(shmap_record, zero_, 48, 16);
}

static void test_layout__space_of_records(void **state)
{
    (void)state;
    assert_int_equal(SHMAP_RECORD_SIZE(1), 64 + 3 * 64);
    assert_int_equal(SHMAP_RECORD_SIZE(63), 64 + 3 * 64);
    assert_int_equal(SHMAP_RECORD_SIZE(64), 64 + 3 * 64);
    assert_int_equal(SHMAP_RECORD_SIZE(65), 64 + 3 * 128);
    assert_int_equal(SHMAP_RECORD_SIZE(4096), 64 + 3 * 4096);
    assert_int_equal(SHMAP_RECORD_SIZE(4097), 64 + 3 * 4160);
    assert_int_equal(SHMAP_RECORD_SIZE(4 << 20), 64 + 3 * (4 << 20));
}

static void test_layout__objects_are_aligned_everywhere(void **state)
{
    (void)state;
    assert_int_equal(offsetof(struct scattered, waiters), 8);
    assert_int_equal(offsetof(struct scattered, mutex), 32);
    assert_int_equal(offsetof(struct scattered, event), 104);
    assert_int_equal(offsetof(struct scattered, semaphore), 152);
    assert_int_equal(offsetof(struct scattered, cond), 184);
    assert_int_equal(offsetof(struct scattered, once), 216);
    assert_int_equal(offsetof(struct scattered, barrier), 256);
    assert_int_equal(offsetof(struct scattered, rwlock), 296);
    assert_int_equal(offsetof(struct scattered, record), 944);
    assert_int_equal(sizeof(struct scattered), 1008);
}

static void test_layout__numbers_of_the_interface(void **state)
{
    (void)state;
    assert_true(SHMAP_SPIN_NEVER == UINT32_MAX);
    assert_int_equal(SHMAP_SPIN_MAX, 1000000);
    assert_int_equal(SHMAP_SEMAPHORE_MAX, 0x7FFFFFFF);
    assert_int_equal(SHMAP_LOCKS_MAX, 128);
    assert_true(SHMAP_FOREVER == INT64_MAX);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout__waiters),
        cmocka_unit_test(test_layout__mutex),
        cmocka_unit_test(test_layout__event),
        cmocka_unit_test(test_layout__semaphore),
        cmocka_unit_test(test_layout__cond),
        cmocka_unit_test(test_layout__once),
        cmocka_unit_test(test_layout__barrier),
        cmocka_unit_test(test_layout__rwlock),
        cmocka_unit_test(test_layout__record),
        cmocka_unit_test(test_layout__space_of_records),
        cmocka_unit_test(test_layout__objects_are_aligned_everywhere),
        cmocka_unit_test(test_layout__numbers_of_the_interface),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
