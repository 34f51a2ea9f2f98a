/* SPDX-License-Identifier: MIT */

/* The layout of objects in shared memory, which is the same for every system
 * and every compiler (P12): layout.h says it, here for the compiler of a
 * program; where objects are in structs, and how much space they take. */

#include "sync/layout.h"
#include "support.h"

SHMAP__LAYOUT(SHMAP__ASSERT_OBJECT, SHMAP__ASSERT_FIELD)

#define NO_FIELD(type, field, offset)

/* What compilers for 32 bits would put at multiples of 4. */
#define AFTER_A_NUMBER(type, size) \
    uint32_t before_##type;        \
    type an_##type;
struct scattered {
    SHMAP__LAYOUT(AFTER_A_NUMBER, NO_FIELD)
};

static void test_layout__record_size_rounds_values_up_to_64_bytes(void **state)
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

static void test_layout__objects_in_structs_are_aligned_to_8(void **state)
{
#define ROW(type, size) {#type, offsetof(struct scattered, an_##type), size},
    static const struct {
        const char *name;
        size_t offset;
        size_t size;
    } rows[] = {SHMAP__LAYOUT(ROW, NO_FIELD)};
#undef ROW
    size_t end = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        /* Behind the object before it, and a number of 4 bytes. */
        if (rows[i].offset != (end + 4 + 7) / 8 * 8)
            fail_msg("%s is at %u", rows[i].name, (unsigned)rows[i].offset);
        end = rows[i].offset + rows[i].size;
    }
    assert_int_equal(sizeof(struct scattered), end);
}

static void test_layout__public_limits_have_their_values(void **state)
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
        cmocka_unit_test(test_layout__record_size_rounds_values_up_to_64_bytes),
        cmocka_unit_test(test_layout__objects_in_structs_are_aligned_to_8),
        cmocka_unit_test(test_layout__public_limits_have_their_values),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
