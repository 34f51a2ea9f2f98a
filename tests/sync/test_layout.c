/* SPDX-License-Identifier: MIT */

/* The layout of objects in shared memory, which is the same for every system
 * and every compiler (P12): where they are in structs, and how much space they
 * take. What is in them, src/layout.c states for each compiler. */

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
    assert_int_equal(SHMAP_RWLOCK_READERS, 64);
    assert_true(SHMAP_FOREVER == INT64_MAX);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout__space_of_records),
        cmocka_unit_test(test_layout__objects_are_aligned_everywhere),
        cmocka_unit_test(test_layout__numbers_of_the_interface),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
