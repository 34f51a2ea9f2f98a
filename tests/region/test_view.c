/* SPDX-License-Identifier: MIT */

/* Views: ranges, access, what they show, and how they end. */

#include <limits.h>

#include "puppet.h"
#include "units.h"

/* The region of most tests: its byte i is pattern(i). */
enum { REGION_SIZE = 200 * 1024 };

static shmap_region *region;
static char name[NAME_ROOM];

static unsigned char pattern(uint64_t i)
{
    return (unsigned char)((i * 31 + i / 253) % 251);
}

static int set_up(void **state)
{
    shmap_view view;

    units_count_handles(state);
    unique_name(name, "view");
    if (shmap_region_create(&region, name, REGION_SIZE, NULL) < 0 ||
        shmap_view_map(&view, region, NULL) < 0)
        return -1;
    for (size_t i = 0; i < view.size; i++)
        ((unsigned char *)view.data)[i] = pattern(i);
    shmap_view_unmap(&view);
    return 0;
}

static int tear_down(void **state)
{
    shmap_region_close(region);
    region = NULL;
    return units_compare_handles(state);
}

/* A view as a failed call must leave it. */
static void soil(shmap_view *view)
{
    memset(view, 0xa5, sizeof *view);
}

static void assert_soiled(const shmap_view *view)
{
    shmap_view soiled;

    soil(&soiled);
    assert_memory_equal(view, &soiled, sizeof soiled);
}

static void assert_map_fails(const shmap_view_options *options, int code)
{
    shmap_view view;

    soil(&view);
    assert_code(shmap_view_map(&view, region, options), code);
    assert_soiled(&view);
}

static shmap_view map(uint64_t offset, uint64_t size, int access)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_view view;

    options.offset = offset;
    options.size = size;
    options.access = access;
    soil(&view);
    assert_code(shmap_view_map(&view, region, &options), 0);
    return view;
}

static unsigned char *bytes(const shmap_view *view)
{
    return view->data;
}

static void test_view__the_default_is_the_whole_region(void **state)
{
    shmap_view view;

    (void)state;
    soil(&view);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_true(view.size == REGION_SIZE);
    assert_true(view.capacity == REGION_SIZE);
    for (size_t i = 0; i < view.size; i++)
        assert_int_equal(bytes(&view)[i], pattern(i));
    assert_int_equal(memory_probe(view.data), MEMORY_WRITABLE);
    assert_int_equal(memory_probe(bytes(&view) + view.size - 1),
                     MEMORY_WRITABLE);
    shmap_view_unmap(&view);
}

static void test_view__any_byte_range_can_be_mapped(void **state)
{
    static const struct {
        uint64_t offset, size;
    } ranges[] = {
        {0, 1},
        {1, 1},
        {4095, 1},
        {4095, 2},
        {4096, 4096},
        {65535, 1},
        {65535, 2},
        {65536, 1},
        {65537, 70000},
        {131071, 3},
        {100, 150000},
        {REGION_SIZE - 1, 1},
        {1, REGION_SIZE - 1},
        {0, REGION_SIZE},
        {70001, 1},
    };
    shmap_view whole = map(0, 0, 0);

    (void)state;
    for (size_t i = 0; i < COUNT(ranges); i++) {
        shmap_view view = map(ranges[i].offset, ranges[i].size, 0);
        unsigned char *in_whole = bytes(&whole) + ranges[i].offset;

        assert_true(view.size == ranges[i].size);
        assert_true(view.capacity == ranges[i].size);
        assert_memory_equal(view.data, in_whole, view.size);
        bytes(&view)[0] ^= 0xff;
        bytes(&view)[view.size - 1] ^= 0x0f;
        assert_memory_equal(view.data, in_whole, view.size);
        bytes(&view)[0] ^= 0xff;
        bytes(&view)[view.size - 1] ^= 0x0f;
        shmap_view_unmap(&view);
    }
    shmap_view_unmap(&whole);
}

static void test_view__size_zero_reaches_to_the_end(void **state)
{
    static const uint64_t offsets[] = {1, 4096, 65536, 65537, REGION_SIZE - 1};

    (void)state;
    for (size_t i = 0; i < COUNT(offsets); i++) {
        shmap_view view = map(offsets[i], 0, 0);

        assert_true(view.size == REGION_SIZE - offsets[i]);
        assert_int_equal(bytes(&view)[0], pattern(offsets[i]));
        assert_int_equal(bytes(&view)[view.size - 1], pattern(REGION_SIZE - 1));
        shmap_view_unmap(&view);
    }
}

static void test_view__ranges_beyond_the_end_are_refused(void **state)
{
    static const struct {
        uint64_t offset, size;
    } ranges[] = {
        {REGION_SIZE, 0},
        {REGION_SIZE, 1},
        {REGION_SIZE + 1, 0},
        {REGION_SIZE - 1, 2},
        {0, REGION_SIZE + 1},
        {UINT64_MAX, 0},
        {UINT64_MAX, 1},
        {0, UINT64_MAX},
        /* Sums that overflow, to 0 and to 1. */
        {1, UINT64_MAX},
        {65536, UINT64_MAX - 65535},
        {65536, UINT64_MAX - 65534},
        {UINT64_MAX - 65535, 65536},
        {UINT64_MAX - 65535, 65537},
        {UINT64_C(1) << 63, 1},
        {UINT64_C(1) << 32, 1},
        {1, UINT64_C(1) << 32},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(ranges); i++) {
        shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

        options.offset = ranges[i].offset;
        options.size = ranges[i].size;
        assert_map_fails(&options, SHMAP_ERANGE);
    }
}

static void test_view__views_of_one_region_show_the_same_bytes(void **state)
{
    shmap_view first = map(0, 0, 0);
    shmap_view second = map(0, 0, 0);
    shmap_view part = map(65537, 1000, 0);
    shmap_view reading = map(65000, 2000, SHMAP_ACCESS_READ);

    (void)state;
    assert_ptr_not_equal(first.data, second.data);
    memcpy(part.data, "part", 5);
    assert_memory_equal(bytes(&first) + 65537, "part", 5);
    assert_memory_equal(bytes(&second) + 65537, "part", 5);
    assert_memory_equal(bytes(&reading) + 537, "part", 5);
    memcpy(bytes(&second) + 65538, "ENDS", 5);
    assert_memory_equal(part.data, "pENDS", 6);
    shmap_view_unmap(&second);
    shmap_view_unmap(&first);
    assert_memory_equal(bytes(&reading) + 537, "pENDS", 6);
    shmap_view_unmap(&reading);
    shmap_view_unmap(&part);
}

static void test_view__processes_see_the_same_bytes(void **state)
{
    struct child *other = puppet_start();
    shmap_view view = map(70001, 100, 0);

    (void)state;
    puppet_do(other, "open 0 %s", name);
    puppet_do(other, "map 0 offset=70000 size=200");
    puppet_do(other, "put 0 1 from-there");
    assert_string_equal(view.data, "from-there");
    strcpy(view.data, "from-here");
    assert_string_equal(puppet_ask(other, "get 0 1"), "from-here");
    puppet_end(other);
    shmap_view_unmap(&view);
}

static void test_view__access_is_what_was_asked_for(void **state)
{
    shmap_view view = map(0, 0, SHMAP_ACCESS_DEFAULT);

    (void)state;
    assert_int_equal(memory_probe(view.data), MEMORY_WRITABLE);
    shmap_view_unmap(&view);
    view = map(0, 0, SHMAP_ACCESS_READ);
    assert_int_equal(memory_probe(view.data), MEMORY_READABLE);
    shmap_view_unmap(&view);
    view = map(0, 0, SHMAP_ACCESS_READ_WRITE);
    assert_int_equal(memory_probe(view.data), MEMORY_WRITABLE);
    shmap_view_unmap(&view);
    view = map(0, 0, SHMAP_ACCESS_COPY);
    assert_int_equal(memory_probe(view.data), MEMORY_WRITABLE);
    shmap_view_unmap(&view);
}

static void test_view__copies_are_private(void **state)
{
    shmap_view shared = map(0, 0, 0);
    shmap_view copy = map(65537, 10000, SHMAP_ACCESS_COPY);
    shmap_view other_copy = map(65537, 10000, SHMAP_ACCESS_COPY);

    (void)state;
    assert_memory_equal(copy.data, bytes(&shared) + 65537, 10000);
    memset(copy.data, 0xee, 10000);
    for (size_t i = 0; i < 10000; i++) {
        assert_int_equal(bytes(&shared)[65537 + i], pattern(65537 + i));
        assert_int_equal(bytes(&other_copy)[i], pattern(65537 + i));
        assert_int_equal(bytes(&copy)[i], 0xee);
    }
    shmap_view_unmap(&copy);
    copy = map(65537, 10000, SHMAP_ACCESS_COPY);
    assert_int_equal(bytes(&copy)[0], pattern(65537));
    shmap_view_unmap(&copy);
    shmap_view_unmap(&other_copy);
    shmap_view_unmap(&shared);
}

/* What a region that was opened for reading allows. */
static void test_view__a_region_for_reading_has_no_writable_views(void **state)
{
    shmap_region_options read = SHMAP_REGION_OPTIONS_INIT;
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *reader;
    shmap_view view;

    (void)state;
    read.access = SHMAP_ACCESS_READ;
    assert_code(shmap_region_open(&reader, name, &read), 0);
    soil(&view);
    options.access = SHMAP_ACCESS_READ_WRITE;
    assert_code(shmap_view_map(&view, reader, &options), SHMAP_EACCES);
    assert_soiled(&view);

    for (int access = 0; access <= SHMAP_ACCESS_READ; access++) {
        options.access = access;
        assert_code(shmap_view_map(&view, reader, &options), 0);
        assert_int_equal(memory_probe(view.data), MEMORY_READABLE);
        assert_int_equal(bytes(&view)[7], pattern(7));
        shmap_view_unmap(&view);
    }
    shmap_region_close(reader);
}

static void test_view__a_region_for_reading_has_private_copies(void **state)
{
    shmap_region_options read = SHMAP_REGION_OPTIONS_INIT;
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_view shared = map(0, 0, 0);
    shmap_region *reader;
    shmap_view copy;

    (void)state;
    read.access = SHMAP_ACCESS_READ;
    assert_code(shmap_region_open(&reader, name, &read), 0);
    options.access = SHMAP_ACCESS_COPY;
    assert_code(shmap_view_map(&copy, reader, &options), 0);
    memset(copy.data, 0x77, copy.size);
    assert_int_equal(bytes(&shared)[0], pattern(0));
    assert_int_equal(bytes(&shared)[REGION_SIZE - 1], pattern(REGION_SIZE - 1));
    shmap_view_unmap(&copy);
    shmap_region_close(reader);
    shmap_view_unmap(&shared);
}

static void test_view__a_view_outlives_its_region_handle(void **state)
{
    struct child *other = puppet_start();
    shmap_view view = map(65537, 100, 0);
    char os_name[OS_NAME_ROOM];

    (void)state;
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    shmap_region_close(region);
    region = NULL;
    assert_int_equal(bytes(&view)[0], pattern(65537));
    strcpy(view.data, "written after close");
    assert_code(puppet(other, "open 0 %s", name), 0);
    puppet_do(other, "map 0");
    assert_string_equal(puppet_ask(other, "get 0 65537"),
                        "written after close");
    puppet_do(other, "unmap 0");
    puppet_do(other, "close 0");
    puppet_end(other);
    assert_true(raw_exists(os_name));
    shmap_view_unmap(&view);
    assert_false(raw_exists(os_name));
}

static void test_view__the_last_of_many_frees_the_region(void **state)
{
    shmap_view views[5];
    static const size_t order[] = {2, 4, 0, 1, 3};
    char os_name[OS_NAME_ROOM];

    (void)state;
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    for (size_t i = 0; i < COUNT(views); i++)
        views[i] = map(i * 1000, 0, 0);
    shmap_region_close(region);
    region = NULL;
    for (size_t i = 0; i < COUNT(order); i++) {
        assert_true(raw_exists(os_name));
        assert_int_equal(bytes(&views[order[i]])[0], pattern(order[i] * 1000));
        shmap_view_unmap(&views[order[i]]);
    }
    assert_false(raw_exists(os_name));
}

static void test_view__unmap_frees_the_addresses_and_zeroes_the_struct(
    void **state)
{
    static const shmap_view nothing = SHMAP_VIEW_INIT;
    shmap_view view = map(65537, 100000, 0);
    char *data = view.data;

    (void)state;
    shmap_view_unmap(&view);
    assert_memory_equal(&view, &nothing, sizeof nothing);
    assert_int_equal(memory_probe(data), MEMORY_ABSENT);
    assert_int_equal(memory_probe(data + 99999), MEMORY_ABSENT);
}

static void test_view__unmapping_nothing_is_fine(void **state)
{
    shmap_view view = SHMAP_VIEW_INIT;

    (void)state;
    shmap_view_unmap(NULL);
    shmap_view_unmap(&view);
    view = map(0, 0, 0);
    shmap_view_unmap(&view);
    shmap_view_unmap(&view);
}

static void test_view__the_struct_may_be_moved(void **state)
{
    shmap_view view = map(65537, 100, 0);
    shmap_view *moved = malloc(sizeof *moved);

    (void)state;
    assert_non_null(moved);
    memcpy(moved, &view, sizeof view);
    memset(&view, 0xa5, sizeof view);
    assert_int_equal(bytes(moved)[0], pattern(65537));
    assert_code(shmap_view_refresh(moved), 0);
    assert_code(shmap_view_flush(moved, 0, 0, 0), 0);
    shmap_view_unmap(moved);
    free(moved);
}

static void test_view__refresh_of_memory_changes_nothing(void **state)
{
    shmap_view view = map(65537, 1000, 0);
    shmap_view before = view;

    (void)state;
    assert_code(shmap_view_refresh(&view), 0);
    assert_memory_equal(&view, &before, sizeof before);
    shmap_view_unmap(&view);
}

static void test_view__refresh_refuses_what_is_not_mapped(void **state)
{
    shmap_view view = SHMAP_VIEW_INIT;

    (void)state;
    assert_code(shmap_view_refresh(NULL), SHMAP_EINVAL);
    assert_code(shmap_view_refresh(&view), SHMAP_EINVAL);
}

static void test_view__flush_checks_its_arguments(void **state)
{
    shmap_view nothing = SHMAP_VIEW_INIT;
    shmap_view view = map(65537, 1000, 0);
    shmap_view copy = map(65537, 1000, SHMAP_ACCESS_COPY);

    (void)state;
    assert_code(shmap_view_flush(NULL, 0, 0, 0), SHMAP_EINVAL);
    assert_code(shmap_view_flush(&nothing, 0, 0, 0), SHMAP_EINVAL);
    assert_code(shmap_view_flush(&view, 0, 0, -1), SHMAP_EINVAL);
    assert_code(shmap_view_flush(&view, 0, 0, 2), SHMAP_EINVAL);
    assert_code(shmap_view_flush(&view, 0, 0, INT_MAX), SHMAP_EINVAL);
    assert_code(shmap_view_flush(&view, 0, 1001, 0), SHMAP_ERANGE);
    assert_code(shmap_view_flush(&view, 1000, 1, 0), SHMAP_ERANGE);
    assert_code(shmap_view_flush(&view, 1001, 0, 0), SHMAP_ERANGE);
    assert_code(shmap_view_flush(&view, 1, SIZE_MAX, 0), SHMAP_ERANGE);
    assert_code(shmap_view_flush(&view, SIZE_MAX, 1, 0), SHMAP_ERANGE);
    assert_code(shmap_view_flush(&view, SIZE_MAX, 2, 0), SHMAP_ERANGE);
    for (int mode = SHMAP_FLUSH_WRITE; mode <= SHMAP_FLUSH_DURABLE; mode++) {
        assert_code(shmap_view_flush(&view, 0, 0, mode), 0);
        assert_code(shmap_view_flush(&view, 0, 1000, mode), 0);
        assert_code(shmap_view_flush(&view, 999, 1, mode), 0);
        assert_code(shmap_view_flush(&view, 1000, 0, mode), 0);
        assert_code(shmap_view_flush(&copy, 1, 100, mode), 0);
    }
    shmap_view_unmap(&copy);
    shmap_view_unmap(&view);
}

static void test_view__null_pointers_are_refused(void **state)
{
    shmap_view view;

    (void)state;
    soil(&view);
    assert_code(shmap_view_map(NULL, region, NULL), SHMAP_EINVAL);
    assert_code(shmap_view_map(&view, NULL, NULL), SHMAP_EINVAL);
    assert_soiled(&view);
}

#define with_region(test) \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        with_region(test_view__the_default_is_the_whole_region),
        with_region(test_view__any_byte_range_can_be_mapped),
        with_region(test_view__size_zero_reaches_to_the_end),
        with_region(test_view__ranges_beyond_the_end_are_refused),
        with_region(test_view__views_of_one_region_show_the_same_bytes),
        with_region(test_view__processes_see_the_same_bytes),
        with_region(test_view__access_is_what_was_asked_for),
        with_region(test_view__copies_are_private),
        with_region(test_view__a_region_for_reading_has_no_writable_views),
        with_region(test_view__a_region_for_reading_has_private_copies),
        with_region(test_view__a_view_outlives_its_region_handle),
        with_region(test_view__the_last_of_many_frees_the_region),
        with_region(test_view__unmap_frees_the_addresses_and_zeroes_the_struct),
        with_region(test_view__unmapping_nothing_is_fine),
        with_region(test_view__the_struct_may_be_moved),
        with_region(test_view__refresh_of_memory_changes_nothing),
        with_region(test_view__refresh_refuses_what_is_not_mapped),
        with_region(test_view__flush_checks_its_arguments),
        with_region(test_view__null_pointers_are_refused),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
