/* SPDX-License-Identifier: MIT */

/* Options of views: flags, sizes over 4 GiB, and what is refused. */

#include <limits.h>

#include "units.h"

static shmap_region *region;

static int set_up(void **state)
{
    units_count_handles(state);
    return shmap_region_create(&region, NULL, 200 * KiB, NULL) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    shmap_region_close(region);
    return units_compare_handles(state);
}

static void assert_map(const shmap_view_options *options, int code)
{
    shmap_view view;
    shmap_view before;

    memset(&view, 0xa5, sizeof view);
    before = view;
    assert_code(shmap_view_map(&view, region, options), code);
    if (code < 0)
        assert_memory_equal(&view, &before, sizeof view);
    else
        shmap_view_unmap(&view);
}

static void test_view_options__null_and_init_are_the_defaults(void **state)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

    (void)state;
    assert_map(NULL, 0);
    assert_map(&options, 0);
    assert_int_equal(options.struct_size, sizeof options);
    /* Not byte for byte: with 32 bits there is room between fields. */
    assert_true(options.offset == 0);
    assert_true(options.size == 0);
    assert_null(options.address);
    assert_int_equal(options.access, 0);
    assert_int_equal(options.flags, 0);
    options.struct_size = 0;
    assert_map(&options, SHMAP_EINVAL);
}

static void test_view_options__a_size_that_no_release_had_is_refused(
    void **state)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

    (void)state;
    for (size_t size = 0; size < sizeof options; size++) {
        options.struct_size = size;
        assert_map(&options, SHMAP_EINVAL);
        assert_non_null(strstr(shmap_error_detail(), "struct_size"));
    }
}

static void test_view_options__a_longer_struct_must_end_with_zeros(void **state)
{
    struct {
        shmap_view_options options;
        char tail[32];
    } longer = {.options = SHMAP_VIEW_OPTIONS_INIT};

    (void)state;
    longer.options.struct_size = sizeof longer;
    assert_map(&longer.options, 0);
    longer.tail[31] = 1;
    assert_map(&longer.options, SHMAP_EINVAL);
    longer.options.struct_size = sizeof longer - 1;
    assert_map(&longer.options, 0);
}

static void test_view_options__unknown_values_are_refused(void **state)
{
    static const int accesses[] = {-1, 4, 0x100, INT_MAX, INT_MIN};
    static const int flags[] = {-1, 8, 16, 9, 0x100, INT_MAX, INT_MIN};

    (void)state;
    for (size_t i = 0; i < COUNT(accesses); i++) {
        shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

        options.access = accesses[i];
        assert_map(&options, SHMAP_EINVAL);
    }
    for (size_t i = 0; i < COUNT(flags); i++) {
        shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

        options.flags = (unsigned)flags[i];
        assert_map(&options, SHMAP_EINVAL);
    }
}

static void test_view_options__locking_is_not_supported_yet(void **state)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

    (void)state;
    options.flags = SHMAP_VIEW_RESIDENT;
    assert_map(&options, SHMAP_ENOTSUP);
    options.flags = SHMAP_VIEW_RESIDENT | SHMAP_VIEW_PREFAULT;
    assert_map(&options, SHMAP_ENOTSUP);
}

static void test_view_options__no_dump_leaves_the_whole_view_out(void **state)
{
    static const uint64_t offsets[] = {0, 65537, 204799};

    (void)state;
    for (int access = SHMAP_ACCESS_DEFAULT; access <= SHMAP_ACCESS_COPY;
         access++)
        for (size_t i = 0; i < COUNT(offsets); i++) {
            shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
            shmap_view view = SHMAP_VIEW_INIT;
            shmap_view dumped = SHMAP_VIEW_INIT;
            int result;

            options.offset = offsets[i];
            options.access = access;
            assert_code(shmap_view_map(&dumped, region, &options), 0);
            options.flags = SHMAP_VIEW_NO_DUMP | SHMAP_VIEW_PREFAULT;
            result = shmap_view_map(&view, region, &options);
            if (result == SHMAP_ENOTSUP) {
                assert_null(view.data);
                shmap_view_unmap(&dumped);
                skip_because("the system keeps nothing out of dumps");
            }
            assert_code(result, 0);
            assert_int_not_equal(memory_is_dumped(dumped.data), 0);
            assert_int_not_equal(memory_is_dumped(view.data), 1);
            assert_int_not_equal(
                memory_is_dumped((char *)view.data + view.size - 1), 1);
            shmap_view_unmap(&view);
            shmap_view_unmap(&dumped);
            /* What is mapped there next is as it is without the flag. */
            options.flags = 0;
            assert_code(shmap_view_map(&dumped, region, &options), 0);
            assert_int_not_equal(memory_is_dumped(dumped.data), 0);
            shmap_view_unmap(&dumped);
        }
}

static void test_view_options__options_are_not_changed(void **state)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_view_options before;

    (void)state;
    options.offset = 65537;
    options.flags = SHMAP_VIEW_PREFAULT;
    before = options;
    assert_map(&options, 0);
    assert_memory_equal(&options, &before, sizeof before);
}

static void test_view_options__prefaulting_changes_no_byte(void **state)
{
    static const uint64_t offsets[] = {0, 1, 4096, 65535, 65537, 204799};
    shmap_view whole;

    (void)state;
    assert_code(shmap_view_map(&whole, region, NULL), 0);
    for (size_t i = 0; i < whole.size; i++)
        ((char *)whole.data)[i] = (char)(i % 127);
    for (int access = SHMAP_ACCESS_DEFAULT; access <= SHMAP_ACCESS_COPY;
         access++)
        for (size_t i = 0; i < COUNT(offsets); i++) {
            shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
            shmap_view view;

            options.offset = offsets[i];
            options.access = access;
            options.flags = SHMAP_VIEW_PREFAULT;
            assert_code(shmap_view_map(&view, region, &options), 0);
            assert_true(view.size == whole.size - offsets[i]);
            assert_memory_equal(view.data, (char *)whole.data + offsets[i],
                                view.size);
            shmap_view_unmap(&view);
        }
    for (size_t i = 0; i < whole.size; i++)
        assert_int_equal(((char *)whole.data)[i], i % 127);
    shmap_view_unmap(&whole);
}

/* A region over 4 GiB that takes no memory, or a skipped test. */
static shmap_region *large_region(void)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *large = NULL;
    int result;

    options.commit = SHMAP_COMMIT_LAZY;
    result = shmap_region_create(&large, NULL, 6 * GiB, &options);
    if (result == SHMAP_ENOSPC && !os_has_leftovers())
        skip_because("the commit limit is below 6 GiB");
    assert_code(result, 0);
    return large;
}

static void test_view_options__a_view_may_start_beyond_4_gib(void **state)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *large = large_region();
    shmap_view view;
    shmap_view other;

    (void)state;
    options.offset = 4 * GiB + 65537;
    options.size = 1000;
    assert_code(shmap_view_map(&view, large, &options), 0);
    strcpy(view.data, "far away");
    options.offset = 65537;
    assert_code(shmap_view_map(&other, large, &options), 0);
    assert_string_equal(other.data, "");
    shmap_view_unmap(&other);
    options.offset = 4 * GiB + 65536;
    assert_code(shmap_view_map(&other, large, &options), 0);
    assert_string_equal((char *)other.data + 1, "far away");
    shmap_view_unmap(&other);
    shmap_view_unmap(&view);

    options.offset = 6 * GiB - 1;
    options.size = 0;
    assert_code(shmap_view_map(&view, large, &options), 0);
    assert_int_equal(view.size, 1);
    shmap_view_unmap(&view);
    shmap_region_close(large);
}

static void test_view_options__a_view_may_be_larger_than_4_gib(void **state)
{
    shmap_region *large = large_region();
    shmap_view view;
    shmap_view before;
    int result;

    (void)state;
    memset(&view, 0xa5, sizeof view);
    before = view;
    result = shmap_view_map(&view, large, NULL);
    if (sizeof(void *) == 4) {
        assert_code(result, SHMAP_ENOMEM);
        assert_memory_equal(&view, &before, sizeof view);
    } else {
        char *data = view.data;

        assert_code(result, 0);
        assert_true(view.size == 6 * GiB);
        data[view.size - 1] = 'z';
        data[(size_t)(4 * GiB)] = 'y';
        assert_int_equal(data[0], 0);
        assert_int_equal(data[(size_t)(2 * GiB - 1)], 0);
        shmap_view_unmap(&view);
    }
    shmap_region_close(large);
}

/* Map more than the process has addresses for. */
static int short_of_addresses(int count, char **arguments)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *large;
    shmap_view view = SHMAP_VIEW_INIT;

    (void)count;
    (void)arguments;
    options.commit = SHMAP_COMMIT_LAZY;
    role_check_code(shmap_region_create(&large, NULL, GiB, &options), 0);
    if (!os_limit_memory(512 * MiB)) {
        say("cannot");
        return 0;
    }
    role_check_code(shmap_view_map(&view, large, NULL), SHMAP_ENOMEM);
    role_check(view.data == NULL);
    say("done");
    return 0;
}

static void test_view_options__no_address_space_is_no_memory(void **state)
{
    (void)state;
    units_run_role("short_of_addresses", NULL,
                   "the address space cannot be limited here");
}

#define with_region(test) \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"short_of_addresses", short_of_addresses}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        with_region(test_view_options__null_and_init_are_the_defaults),
        with_region(test_view_options__a_size_that_no_release_had_is_refused),
        with_region(test_view_options__a_longer_struct_must_end_with_zeros),
        with_region(test_view_options__unknown_values_are_refused),
        with_region(test_view_options__locking_is_not_supported_yet),
        with_region(test_view_options__no_dump_leaves_the_whole_view_out),
        with_region(test_view_options__options_are_not_changed),
        with_region(test_view_options__prefaulting_changes_no_byte),
        leak_checked(test_view_options__a_view_may_start_beyond_4_gib),
        leak_checked(test_view_options__a_view_may_be_larger_than_4_gib),
        leak_checked(test_view_options__no_address_space_is_no_memory),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
