/* SPDX-License-Identifier: MIT */

/* Descriptors and handles that come from elsewhere. */

#include <limits.h>

#include "files.h"
#include "units.h"

#define NO_REGION ((shmap_region *)(uintptr_t)0x5a5a5a5a)

static shmap_region_info inspect(const shmap_region *region)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;

    assert_code(shmap_region_inspect(region, &info), 0);
    return info;
}

static int adopt(shmap_region **region, intptr_t native, int access)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.access = access;
    return shmap_region_adopt(region, native, &options);
}

/* Refused, and still the caller's, as it was. */
static void assert_refused(intptr_t native, int access, int code)
{
    shmap_region *region = NO_REGION;
    bool open = units_is_open(native);
    bool inheritable = units_is_inheritable(native);

    if (adopt(&region, native, access) != code)
        print_error("of handle %lld:\n", (long long)native);
    assert_code(adopt(&region, native, access), code);
    assert_ptr_equal(region, NO_REGION);
    assert_int_equal(units_is_open(native), open);
    assert_int_equal(units_is_inheritable(native), inheritable);
}

static void test_adopt__memory_becomes_a_region(void **state)
{
    intptr_t memory = units_memory(65536, true);
    shmap_region *region = NULL;
    shmap_region_info info;
    shmap_view view;
    char text[8] = "";

    (void)state;
    assert_int_not_equal(memory, -1);
    assert_true(raw_write(memory, 60000, "adopted", 8));
    assert_code(shmap_region_adopt(&region, memory, NULL), 0);
    info = inspect(region);
    assert_true(info.size == 65536);
    assert_int_equal(info.kind, SHMAP_KIND_ANONYMOUS);
    assert_int_equal(info.access, SHMAP_ACCESS_READ_WRITE);
    assert_string_equal(info.os_name, "");
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_true(view.size == 65536);
    assert_string_equal((char *)view.data + 60000, "adopted");
    strcpy(view.data, "written");
    assert_true(raw_read(shmap_region_native(region), 0, text, sizeof text));
    assert_string_equal(text, "written");
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void test_adopt__it_is_closed_with_the_region(void **state)
{
    intptr_t memory = units_memory(65536, true);
    shmap_region *region = NULL;
    intptr_t native;

    (void)state;
    assert_code(shmap_region_adopt(&region, memory, NULL), 0);
    native = shmap_region_native(region);
    assert_int_equal(native, memory);
    shmap_region_close(region);
    assert_false(units_is_open(native));
}

static void test_adopt__a_view_keeps_what_was_adopted(void **state)
{
    intptr_t memory = units_memory(65536, true);
    shmap_region *region = NULL;
    shmap_view view;

    (void)state;
    assert_code(shmap_region_adopt(&region, memory, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    shmap_region_close(region);
    assert_true(units_is_open(memory));
    strcpy(view.data, "still there");
    shmap_view_unmap(&view);
    assert_false(units_is_open(memory));
}

static void test_adopt__named_memory_of_others_is_left_as_it_is(void **state)
{
    shmap_region *region = NULL;
    char name[OS_NAME_ROOM];
    intptr_t raw;
    intptr_t second;

    (void)state;
    strcpy(name, units_native_start());
    unique_name(name + strlen(name), __func__);
    raw = raw_plant(name, RAW_REGION, 65536, 0640);
    assert_int_not_equal(raw, -1);
    second = units_copy(raw);
    assert_code(shmap_region_adopt(&region, second, NULL), 0);
    assert_int_equal(inspect(region).kind, SHMAP_KIND_ANONYMOUS);
    shmap_region_close(region);
    assert_true(raw_exists(name));
    assert_true(raw_size(name) == 65536);
    if (units_has_modes())
        assert_int_equal(raw_mode(name), 0640);
    raw_remove(name);
    raw_close(raw);
}

static void test_adopt__a_file_becomes_a_file_region(void **state)
{
    char path[NAME_ROOM];
    shmap_region *region = NULL;
    shmap_region_info info;
    shmap_view view;
    char bytes[16];
    size_t size = sizeof bytes;

    (void)state;
    scratch_path(path, __func__);
    assert_true(file_write(path, "1234567", 7));
    assert_code(shmap_region_adopt(&region, units_open_file(path, true), NULL),
                0);
    info = inspect(region);
    assert_true(info.size == 7);
    assert_int_equal(info.kind, SHMAP_KIND_FILE);
    assert_int_equal(info.access, SHMAP_ACCESS_READ_WRITE);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_int_equal(view.size, 7);
    memcpy(view.data, "abc", 3);
    assert_code(shmap_view_flush(&view, 0, 0, SHMAP_FLUSH_DURABLE), 0);
    assert_true(file_read(path, bytes, &size));
    assert_int_equal(size, 7);
    assert_memory_equal(bytes, "abc4567", 7);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_true(file_remove(path));
}

static void test_adopt__the_access_is_what_the_handle_allows(void **state)
{
    static const struct {
        bool writable;
        int asked;
        int got;
    } cases[] = {
        {true, SHMAP_ACCESS_DEFAULT, SHMAP_ACCESS_READ_WRITE},
        {true, SHMAP_ACCESS_READ, SHMAP_ACCESS_READ},
        {true, SHMAP_ACCESS_READ_WRITE, SHMAP_ACCESS_READ_WRITE},
        {false, SHMAP_ACCESS_DEFAULT, SHMAP_ACCESS_READ},
        {false, SHMAP_ACCESS_READ, SHMAP_ACCESS_READ},
    };
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    assert_true(file_write(path, "1234567", 7));
    for (size_t i = 0; i < 2 * COUNT(cases); i++) {
        bool writable = cases[i / 2].writable;
        intptr_t native = i % 2 == 0 ? units_memory(65536, writable)
                                     : units_open_file(path, writable);
        shmap_region *region = NULL;
        shmap_view view;

        assert_int_not_equal(native, -1);
        assert_code(adopt(&region, native, cases[i / 2].asked), 0);
        assert_int_equal(inspect(region).access, cases[i / 2].got);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        assert_int_equal(memory_probe(view.data),
                         cases[i / 2].got == SHMAP_ACCESS_READ
                             ? MEMORY_READABLE
                             : MEMORY_WRITABLE);
        shmap_view_unmap(&view);
        shmap_region_close(region);
    }
    assert_true(file_remove(path));
}

static void test_adopt__a_handle_for_reading_cannot_write(void **state)
{
    char path[NAME_ROOM];
    intptr_t memory = units_memory(65536, false);
    intptr_t file;

    (void)state;
    scratch_path(path, __func__);
    assert_true(file_write(path, "1234567", 7));
    file = units_open_file(path, false);
    assert_refused(memory, SHMAP_ACCESS_READ_WRITE, SHMAP_EACCES);
    assert_refused(file, SHMAP_ACCESS_READ_WRITE, SHMAP_EACCES);
    raw_close(memory);
    raw_close(file);
    assert_true(file_remove(path));
}

static void test_adopt__a_handle_for_reading_has_no_writable_views(void **state)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *region = NULL;
    shmap_view view;

    (void)state;
    assert_code(shmap_region_adopt(&region, units_memory(65536, false), NULL),
                0);
    options.access = SHMAP_ACCESS_READ_WRITE;
    assert_code(shmap_view_map(&view, region, &options), SHMAP_EACCES);
    options.access = SHMAP_ACCESS_COPY;
    assert_code(shmap_view_map(&view, region, &options), 0);
    memset(view.data, 1, view.size);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void test_adopt__what_is_not_open_is_invalid(void **state)
{
    intptr_t closed = units_memory(4096, true);

    (void)state;
    /* Numbers of which a part is that of something open. */
    if (sizeof(intptr_t) > 4 && os_has_leftovers())
        assert_refused((intptr_t)((UINT64_C(1) << 32) + (uint64_t)closed), 0,
                       SHMAP_EINVAL);
    raw_close(closed);
    assert_refused(closed, 0, SHMAP_EINVAL);
    assert_refused(units_bad_handle(), 0, SHMAP_EINVAL);
    assert_refused(-1, 0, SHMAP_EINVAL);
    assert_refused(INT_MAX - 7, 0, SHMAP_EINVAL);
    assert_refused(INTPTR_MIN, 0, SHMAP_EINVAL);
    /* With 32 bits, Wine takes this for the process itself. */
    assert_refused(INTPTR_MAX, 0,
                   units_is_open(INTPTR_MAX) ? SHMAP_ETYPE : SHMAP_EINVAL);
}

static void test_adopt__pipes_and_folders_are_of_another_type(void **state)
{
    intptr_t to = -1;
    intptr_t from = units_pipe(&to);
    intptr_t folder = units_directory();

    (void)state;
    assert_int_not_equal(from, -1);
    assert_refused(from, 0, SHMAP_ETYPE);
    assert_refused(to, 0, SHMAP_ETYPE);
    raw_close(from);
    raw_close(to);
    assert_int_not_equal(folder, -1);
    assert_refused(folder, SHMAP_ACCESS_READ, SHMAP_ETYPE);
    raw_close(folder);
}

static void test_adopt__what_has_no_size_is_not_ready(void **state)
{
    char path[NAME_ROOM];
    intptr_t file;

    (void)state;
    scratch_path(path, __func__);
    assert_true(file_write(path, "", 0));
    file = units_open_file(path, true);
    assert_refused(file, 0, SHMAP_ENOTREADY);
    raw_close(file);
    assert_true(file_remove(path));

    if (os_has_leftovers()) {
        intptr_t memory = units_memory(0, true);

        assert_refused(memory, 0, SHMAP_ENOTREADY);
        raw_close(memory);
    }
}

static void test_adopt__it_becomes_non_inheritable(void **state)
{
    intptr_t memory = units_memory(4096, true);
    shmap_region *region = NULL;

    (void)state;
    assert_true(units_make_inheritable(memory));
    assert_true(units_is_inheritable(memory));
    assert_code(shmap_region_adopt(&region, memory, NULL), 0);
    assert_false(units_is_inheritable(shmap_region_native(region)));
    shmap_region_close(region);
}

static void test_adopt__what_is_refused_stays_inheritable(void **state)
{
    intptr_t memory = units_memory(4096, false);

    (void)state;
    assert_true(units_make_inheritable(memory));
    assert_refused(memory, SHMAP_ACCESS_READ_WRITE, SHMAP_EACCES);
    assert_true(units_is_inheritable(memory));
    raw_close(memory);
}

/* A descriptor that is 0: adopted, it must not stay where output can go. */
static int adopt_zero(int count, char **arguments)
{
    shmap_region *region = NO_REGION;
    intptr_t memory;

    (void)count;
    (void)arguments;
    memory = os_close_standard_streams() ? units_memory(4096, true) : 100;
    if (memory > 2) {
        say("cannot");
        return 0;
    }
    role_check_code(shmap_region_adopt(&region, memory, NULL), 0);
    role_check(shmap_region_native(region) > 2);
    role_check(!units_is_open(memory));
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_adopt__a_number_below_3_is_moved(void **state)
{
    (void)state;
    units_run_role("adopt_zero", NULL, "handles are no small numbers here");
}

static void test_adopt__the_native_of_a_region_can_be_passed_on(void **state)
{
    shmap_region *made;
    shmap_region *adopted = NULL;
    shmap_view first;
    shmap_view second;
    char name[NAME_ROOM];
    intptr_t copy;

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_create(&made, name, 65536, NULL), 0);
    copy = units_copy(shmap_region_native(made));
    assert_int_not_equal(copy, -1);
    assert_code(shmap_region_adopt(&adopted, copy, NULL), 0);
    assert_code(shmap_view_map(&first, made, NULL), 0);
    assert_code(shmap_view_map(&second, adopted, NULL), 0);
    strcpy(first.data, "one memory");
    assert_string_equal(second.data, "one memory");
    shmap_view_unmap(&first);
    shmap_view_unmap(&second);
    shmap_region_close(adopted);
    shmap_region_close(made);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"adopt_zero", adopt_zero}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_adopt__memory_becomes_a_region),
        leak_checked(test_adopt__it_is_closed_with_the_region),
        leak_checked(test_adopt__a_view_keeps_what_was_adopted),
        leak_checked(test_adopt__named_memory_of_others_is_left_as_it_is),
        leak_checked(test_adopt__a_file_becomes_a_file_region),
        leak_checked(test_adopt__the_access_is_what_the_handle_allows),
        leak_checked(test_adopt__a_handle_for_reading_cannot_write),
        leak_checked(test_adopt__a_handle_for_reading_has_no_writable_views),
        leak_checked(test_adopt__what_is_not_open_is_invalid),
        leak_checked(test_adopt__pipes_and_folders_are_of_another_type),
        leak_checked(test_adopt__what_has_no_size_is_not_ready),
        leak_checked(test_adopt__it_becomes_non_inheritable),
        leak_checked(test_adopt__what_is_refused_stays_inheritable),
        leak_checked(test_adopt__a_number_below_3_is_moved),
        leak_checked(test_adopt__the_native_of_a_region_can_be_passed_on),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
