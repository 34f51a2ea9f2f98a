/* SPDX-License-Identifier: MIT */

/* Options of regions: what each call takes, and what it refuses. */

#include <limits.h>

#include "units.h"

#define NO_REGION ((shmap_region *)(uintptr_t)0x5a5a5a5a)

/* What the calls work on, fresh for each test. */
static char fresh_name[NAME_ROOM];
static char held_name[NAME_ROOM];
static char path[NAME_ROOM];
static shmap_region *held;

static int set_up(void **state)
{
    units_count_handles(state);
    unique_name(fresh_name, "fresh");
    unique_name(held_name, "held");
    scratch_path(path, "options");
    return file_write(path, "content", 7) &&
                   shmap_region_create(&held, held_name, 4096, NULL) == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    shmap_region_close(held);
    remove(path);
    return units_compare_handles(state);
}

static int create(shmap_region **region, const shmap_region_options *options)
{
    return shmap_region_create(region, fresh_name, 4096, options);
}

static int create_anonymous(shmap_region **region,
                            const shmap_region_options *options)
{
    return shmap_region_create(region, NULL, 4096, options);
}

static int open_held(shmap_region **region, const shmap_region_options *options)
{
    return shmap_region_open(region, held_name, options);
}

static int open_or_create(shmap_region **region,
                          const shmap_region_options *options)
{
    return shmap_region_open_or_create(region, fresh_name, 4096, options);
}

static int open_file(shmap_region **region, const shmap_region_options *options)
{
    return shmap_region_open_file(region, path, 0, options);
}

static int adopt(shmap_region **region, const shmap_region_options *options)
{
    intptr_t memory = units_memory(4096, true);
    int result = shmap_region_adopt(region, memory, options);

    if (SHMAP_FAILED(result))
        raw_close(memory);
    return result;
}

/* Fields, as bits, and the calls for which they have a meaning. */
enum {
    HAS_ACCESS = 1,
    HAS_SHARE = 2,
    HAS_OWNER = 4,
    HAS_SCOPE = 8,
    HAS_CREATE = 16,
    HAS_COMMIT = 32,
    HAS_RESERVE = 64,
    PAGES = 128,
    HAS_MAKING = HAS_SHARE | HAS_COMMIT | HAS_RESERVE | PAGES
};

static const struct call {
    const char *name;
    int (*make)(shmap_region **region, const shmap_region_options *options);
    int fields;
} calls[] = {
    {"create", create, HAS_SCOPE | HAS_MAKING},
    {"create anonymous", create_anonymous, HAS_MAKING},
    {"open", open_held, HAS_ACCESS | HAS_OWNER | HAS_SCOPE},
    {"open_or_create", open_or_create, HAS_OWNER | HAS_SCOPE | HAS_MAKING},
    {"open_file", open_file, HAS_ACCESS | HAS_CREATE | HAS_MAKING},
    {"adopt", adopt, HAS_ACCESS},
};

/* Make a call, close what it made, and assert its result. */
static void assert_call(const struct call *call,
                        const shmap_region_options *options, int expected)
{
    shmap_region *region = NO_REGION;
    char os_name[OS_NAME_ROOM];
    int result = call->make(&region, options);

    if (SHMAP_FAILED(result))
        assert_ptr_equal(region, NO_REGION);
    else
        shmap_region_close(region);
    if ((SHMAP_FAILED(result)) != (expected < 0) ||
        (expected < 0 && result != expected))
        print_error("of %s:\n", call->name);
    assert_code(SHMAP_FAILED(result) ? result : 0, expected);
    os_name_of(os_name, fresh_name, SHMAP_SCOPE_USER);
    assert_false(raw_exists(os_name));
}

static void set_field(shmap_region_options *options, int field, int value)
{
    switch (field) {
    case HAS_ACCESS:
        options->access = value;
        break;
    case HAS_SHARE:
        options->share = value;
        break;
    case HAS_OWNER:
        options->accept = value;
        break;
    case HAS_SCOPE:
        options->scope = value;
        break;
    case HAS_CREATE:
        options->create = value;
        break;
    case HAS_COMMIT:
        options->commit = value;
        break;
    case HAS_RESERVE:
        options->reserve = (uint64_t)value;
        break;
    case PAGES:
        options->page_size = (uint64_t)value;
        break;
    default:
        fail_msg("no field %d", field);
    }
}

/* Every call with one field set: `code` where it has a meaning, else
 * SHMAP_EINVAL. */
static void assert_field(int field, int value, int code)
{
    for (size_t i = 0; i < COUNT(calls); i++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

        set_field(&options, field, value);
        assert_call(&calls[i], &options,
                    (calls[i].fields & field) != 0 ? code : SHMAP_EINVAL);
    }
}

static void test_region_options__null_and_init_are_the_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

        assert_call(&calls[i], NULL, 0);
        assert_call(&calls[i], &options, 0);
    }
}

static void test_region_options__init_sets_the_size_and_zeros(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region_options zero;

    (void)state;
    assert_int_equal(options.struct_size, sizeof options);
    options.struct_size = 0;
    memset(&zero, 0, sizeof zero);
    assert_memory_equal(&options, &zero, sizeof zero);
}

/* Half a pointer would be followed. */
static void test_region_options__a_size_that_no_release_had_is_refused(
    void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

        options.share = SHMAP_SHARE_GROUP;
        options.group = "0";
        for (size_t size = 0; size < sizeof options; size++) {
            options.struct_size = size;
            assert_call(&calls[i], &options, SHMAP_EINVAL);
            assert_non_null(strstr(shmap_error_detail(), "struct_size"));
        }
    }
}

static void test_region_options__a_group_is_for_what_is_made(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    (void)state;
    options.group = "0";
    for (size_t i = 0; i < COUNT(calls); i++)
        assert_call(&calls[i], &options, SHMAP_EINVAL);
    options.share = SHMAP_SHARE_GROUP;
    options.group = "";
    for (size_t i = 0; i < COUNT(calls); i++)
        assert_call(&calls[i], &options, SHMAP_EINVAL);
    options.group = "0";
    assert_call(&calls[2], &options, SHMAP_EINVAL); /* open */
    assert_call(&calls[5], &options, SHMAP_EINVAL); /* adopt */
}

/* One compiled with a newer header has more of them, which must be zero. */
static void test_region_options__a_longer_struct_must_end_with_zeros(
    void **state)
{
    static const size_t more[] = {1, 7, 8, 100};

    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++)
        for (size_t j = 0; j < COUNT(more); j++) {
            struct {
                shmap_region_options options;
                char tail[104];
            } longer = {.options = SHMAP_REGION_OPTIONS_INIT};

            longer.options.struct_size += more[j];
            assert_call(&calls[i], &longer.options, 0);
            longer.tail[more[j] - 1] = 1;
            assert_call(&calls[i], &longer.options, SHMAP_EINVAL);
            longer.options.struct_size -= 1;
            assert_call(&calls[i], &longer.options, 0);
        }
}

/* What was never set to anything must not be read for long. */
static void test_region_options__a_struct_of_more_than_4_kib_is_refused(
    void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        union {
            shmap_region_options options;
            char space[4096];
        } large = {.options = SHMAP_REGION_OPTIONS_INIT};

        large.options.struct_size = sizeof large;
        assert_call(&calls[i], &large.options, 0);
        large.options.struct_size = sizeof large + 1;
        assert_call(&calls[i], &large.options, SHMAP_EINVAL);
        large.options.struct_size = SIZE_MAX;
        assert_call(&calls[i], &large.options, SHMAP_EINVAL);
    }
}

static void test_region_options__unknown_values_are_refused(void **state)
{
    static const struct {
        int field;
        int last;
    } fields[] = {
        {HAS_ACCESS, SHMAP_ACCESS_READ_WRITE}, {HAS_SHARE, SHMAP_SHARE_GROUP},
        {HAS_OWNER, SHMAP_ACCEPT_ANYBODY},     {HAS_SCOPE, SHMAP_SCOPE_NATIVE},
        {HAS_CREATE, SHMAP_CREATE_NEW},        {HAS_COMMIT, SHMAP_COMMIT_ALL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(fields); i++) {
        assert_field(fields[i].field, -1, SHMAP_EINVAL);
        assert_field(fields[i].field, fields[i].last + 1, SHMAP_EINVAL);
        assert_field(fields[i].field, 0x100, SHMAP_EINVAL);
        assert_field(fields[i].field, INT_MAX, SHMAP_EINVAL);
        assert_field(fields[i].field, INT_MIN, SHMAP_EINVAL);
    }
}

static void test_region_options__fields_without_a_meaning_must_be_zero(
    void **state)
{
    (void)state;
    assert_field(HAS_ACCESS, SHMAP_ACCESS_READ, 0);
    assert_field(HAS_ACCESS, SHMAP_ACCESS_READ_WRITE, 0);
    assert_field(HAS_OWNER, SHMAP_ACCEPT_SYSTEM, 0);
    assert_field(HAS_OWNER, SHMAP_ACCEPT_ANYBODY, 0);
    assert_field(HAS_CREATE, SHMAP_CREATE_IF_MISSING, 0);
    assert_field(HAS_COMMIT, SHMAP_COMMIT_LAZY, 0);
    assert_field(HAS_COMMIT, SHMAP_COMMIT_ALL, 0);
    assert_field(PAGES, (int)os_page_size(), 0);
    if (!os_has_lock_files()) {
        assert_field(HAS_SHARE, SHMAP_SHARE_EVERYONE_READ, 0);
        assert_field(HAS_SHARE, SHMAP_SHARE_EVERYONE, 0);
    }
}

static void test_region_options__scope_is_for_names_only(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    (void)state;
    for (int scope = SHMAP_SCOPE_MACHINE; scope <= SHMAP_SCOPE_NATIVE;
         scope++) {
        if (scope == SHMAP_SCOPE_MACHINE && !units_has_machine_scope())
            continue;
        options.scope = scope;
        assert_call(&calls[0], &options, 0);
        assert_call(&calls[1], &options, SHMAP_EINVAL);
        assert_call(&calls[2], &options, SHMAP_ENOENT);
        assert_call(&calls[3], &options, 0);
        assert_call(&calls[4], &options, SHMAP_EINVAL);
        assert_call(&calls[5], &options, SHMAP_EINVAL);
    }
}

static void test_region_options__what_is_not_built_is_not_supported(
    void **state)
{
    (void)state;
    assert_field(HAS_RESERVE, 1 << 20, SHMAP_ENOTSUP);
    assert_field(PAGES, 1, SHMAP_ENOTSUP);
    assert_field(PAGES, 2 << 20, SHMAP_ENOTSUP);
}

static void test_region_options__a_reserve_of_its_size_is_fine(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NO_REGION;

    (void)state;
    assert_call(&calls[0], &options, 0);
    options.reserve = 1;
    assert_call(&calls[0], &options, 0);
    assert_call(&calls[1], &options, 0);
    assert_call(&calls[3], &options, 0);
    assert_call(&calls[4], &options, SHMAP_ENOTSUP); /* a file */
    options.reserve = 2 * os_page_size();
    assert_code(
        shmap_region_create(&region, NULL, os_page_size() + 1, &options), 0);
    shmap_region_close(region);
    region = NO_REGION;
    options.reserve = 2 * os_page_size() + 1;
    assert_code(
        shmap_region_create(&region, NULL, os_page_size() + 1, &options),
        SHMAP_ENOTSUP);
    options.reserve = UINT64_MAX;
    assert_code(shmap_region_create(&region, NULL, 1, &options), SHMAP_ENOTSUP);
    assert_ptr_equal(region, NO_REGION);
}

static void test_region_options__regions_are_never_copy_on_write(void **state)
{
    (void)state;
    assert_field(HAS_ACCESS, SHMAP_ACCESS_COPY, SHMAP_EINVAL);
}

static void test_region_options__options_are_not_changed(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region_options before = SHMAP_REGION_OPTIONS_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        assert_call(&calls[i], &options, 0);
        assert_memory_equal(&options, &before, sizeof before);
    }
}

#define with_calls(test) \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        with_calls(test_region_options__null_and_init_are_the_defaults),
        cmocka_unit_test(test_region_options__init_sets_the_size_and_zeros),
        with_calls(test_region_options__a_size_that_no_release_had_is_refused),
        with_calls(test_region_options__a_group_is_for_what_is_made),
        with_calls(test_region_options__a_longer_struct_must_end_with_zeros),
        with_calls(test_region_options__a_struct_of_more_than_4_kib_is_refused),
        with_calls(test_region_options__unknown_values_are_refused),
        with_calls(test_region_options__fields_without_a_meaning_must_be_zero),
        with_calls(test_region_options__scope_is_for_names_only),
        with_calls(test_region_options__what_is_not_built_is_not_supported),
        with_calls(test_region_options__a_reserve_of_its_size_is_fine),
        with_calls(test_region_options__regions_are_never_copy_on_write),
        with_calls(test_region_options__options_are_not_changed),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
