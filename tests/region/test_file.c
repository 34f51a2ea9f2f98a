/* SPDX-License-Identifier: MIT */

/* Opening files as regions: which are opened, made, extended, refused. */

#include <uv.h>

#include "files.h"
#include "units.h"

#define NO_REGION ((shmap_region *)(uintptr_t)0x5a5a5a5a)

static const char content[] = "what was there";
enum { CONTENT = sizeof content - 1 };

/* The path that a test works on; nothing or the content is there. */
static char path[NAME_ROOM];

static int set_up(void **state)
{
    units_count_handles(state);
    scratch_path(path, "file");
    return 0;
}

static int set_up_content(void **state)
{
    set_up(state);
    return file_write(path, content, CONTENT) ? 0 : -1;
}

static int tear_down(void **state)
{
    file_remove(path);
    return units_compare_handles(state);
}

static shmap_region_options options_of(int access, int create)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.access = access;
    options.create = create;
    return options;
}

static shmap_region *open_file(uint64_t size, int access, int create)
{
    shmap_region_options options = options_of(access, create);
    shmap_region *region = NULL;

    assert_code(shmap_region_open_file(&region, path, size, &options),
                SHMAP_ALONE);
    return region;
}

/* A call that fails leaves everything as it was. */
static void assert_refused_at(const char *at, uint64_t size, int access,
                              int create, int code)
{
    shmap_region_options options = options_of(access, create);
    shmap_region *region = NO_REGION;
    uint64_t before = file_size(at);

    assert_code(shmap_region_open_file(&region, at, size, &options), code);
    assert_ptr_equal(region, NO_REGION);
    assert_true(file_size(at) == before);
}

static void assert_refused(uint64_t size, int access, int create, int code)
{
    assert_refused_at(path, size, access, create, code);
}

/* The file is the content, then zeros up to a size. */
static void assert_content(uint64_t size)
{
    static char bytes[256 * 1024];
    size_t read = sizeof bytes;

    assert_true(file_size(path) == size);
    assert_true(file_read(path, bytes, &read));
    assert_int_equal(read, size);
    assert_memory_equal(bytes, content, CONTENT);
    for (size_t i = CONTENT; i < read; i++)
        assert_int_equal(bytes[i], 0);
}

static void test_file__by_default_none_is_made(void **state)
{
    (void)state;
    assert_refused(0, 0, SHMAP_CREATE_NEVER, SHMAP_ENOENT);
    assert_refused(4096, 0, SHMAP_CREATE_NEVER, SHMAP_ENOENT);
    assert_refused(0, SHMAP_ACCESS_READ, SHMAP_CREATE_NEVER, SHMAP_ENOENT);
    assert_false(file_exists(path));
}

static void test_file__an_existing_one_is_opened_as_it_is(void **state)
{
    (void)state;
    for (int create = SHMAP_CREATE_NEVER; create <= SHMAP_CREATE_IF_MISSING;
         create++) {
        shmap_region *region = open_file(0, 0, create);
        shmap_view view;

        assert_true(shmap_region_size(region) == CONTENT);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        assert_int_equal(view.size, CONTENT);
        assert_memory_equal(view.data, content, CONTENT);
        shmap_view_unmap(&view);
        shmap_region_close(region);
        assert_content(CONTENT);
    }
}

static void test_file__a_missing_one_is_made_on_request(void **state)
{
    (void)state;
    for (int create = SHMAP_CREATE_IF_MISSING; create <= SHMAP_CREATE_NEW;
         create++) {
        shmap_region *region = open_file(12345, 0, create);
        shmap_view view;

        assert_true(shmap_region_size(region) == 12345);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        for (size_t i = 0; i < view.size; i++)
            assert_int_equal(((char *)view.data)[i], 0);
        shmap_view_unmap(&view);
        shmap_region_close(region);
        assert_true(file_size(path) == 12345);
        assert_true(file_remove(path));
    }
}

static void test_file__new_refuses_what_exists(void **state)
{
    (void)state;
    assert_refused(0, 0, SHMAP_CREATE_NEW, SHMAP_EEXIST);
    assert_refused(100000, 0, SHMAP_CREATE_NEW, SHMAP_EEXIST);
    assert_content(CONTENT);
}

static void test_file__without_its_folder_there_is_none(void **state)
{
    char inside[NAME_ROOM + 8];

    (void)state;
    snprintf(inside, sizeof inside, "%s/file", path);
    for (int create = SHMAP_CREATE_NEVER; create <= SHMAP_CREATE_NEW; create++)
        assert_refused_at(inside, 4096, 0, create, SHMAP_ENOENT);
    assert_false(file_exists(path));
    /* And a file is no folder. */
    assert_true(file_write(path, content, CONTENT));
    for (int create = SHMAP_CREATE_NEVER; create <= SHMAP_CREATE_NEW; create++)
        assert_refused_at(inside, 4096, 0, create, SHMAP_ENOENT);
}

static void test_file__a_folder_is_not_one(void **state)
{
    (void)state;
    assert_true(folder_make(path));
    for (int access = 0; access <= SHMAP_ACCESS_READ_WRITE; access++) {
        assert_refused(0, access, SHMAP_CREATE_NEVER, SHMAP_ETYPE);
        assert_refused(4096, access, SHMAP_CREATE_NEVER, SHMAP_ETYPE);
    }
    assert_refused(4096, 0, SHMAP_CREATE_IF_MISSING, SHMAP_ETYPE);
    assert_refused(4096, 0, SHMAP_CREATE_NEW, SHMAP_EEXIST);
    assert_true(folder_remove(path));
}

static void test_file__a_pipe_is_not_one_and_does_not_hang(void **state)
{
    (void)state;
    if (!units_make_fifo(path))
        skip_because("no path can name a pipe here");
    for (int access = 0; access <= SHMAP_ACCESS_READ_WRITE; access++)
        assert_refused(4096, access, SHMAP_CREATE_NEVER, SHMAP_ETYPE);
    assert_refused(4096, 0, SHMAP_CREATE_IF_MISSING, SHMAP_ETYPE);
    assert_refused(4096, 0, SHMAP_CREATE_NEW, SHMAP_EEXIST);
}

static void test_file__a_device_is_not_one(void **state)
{
    shmap_region *region = NO_REGION;

    (void)state;
    assert_code(shmap_region_open_file(&region, units_device(), 0, NULL),
                SHMAP_ETYPE);
    assert_code(shmap_region_open_file(&region, units_device(), 4096, NULL),
                SHMAP_ETYPE);
    assert_ptr_equal(region, NO_REGION);
}

static void test_file__a_reserved_name_is_not_one(void **state)
{
    const char *const *name = units_reserved_names();
    shmap_region *region = NO_REGION;

    (void)state;
    if (*name == NULL)
        skip_because("no names are kept for devices here");
    for (; *name != NULL; name++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

        assert_code(shmap_region_open_file(&region, *name, 0, NULL),
                    SHMAP_ETYPE);
        assert_non_null(strstr(shmap_error_detail(), "device"));
        options.create = SHMAP_CREATE_IF_MISSING;
        assert_code(shmap_region_open_file(&region, *name, 4096, &options),
                    SHMAP_ETYPE);
    }
    assert_ptr_equal(region, NO_REGION);
}

static void test_file__what_cannot_be_mapped_is_not_one(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    const char *odd = units_unmappable_file();
    shmap_region *region = NO_REGION;
    intptr_t handle;

    (void)state;
    if (odd == NULL)
        skip_because("all files can be mapped here");
    options.access = SHMAP_ACCESS_READ;
    assert_code(shmap_region_open_file(&region, odd, 0, &options), SHMAP_ETYPE);
    assert_non_null(strstr(shmap_error_detail(), "map"));
    handle = units_open_file(odd, false);
    assert_code(shmap_region_adopt(&region, handle, &options), SHMAP_ETYPE);
    raw_close(handle);
    assert_ptr_equal(region, NO_REGION);
}

static void test_file__an_ill_formed_path_is_refused(void **state)
{
    static const char *const paths[] = {"", "\377", "/tmp/\303(", "a\200"};

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++)
        for (int create = 0; create <= SHMAP_CREATE_NEW; create++)
            assert_refused_at(paths[i], 4096, 0, create, SHMAP_ENAME);
}

static void test_file__an_empty_one_is_not_ready(void **state)
{
    (void)state;
    assert_true(file_write(path, "", 0));
    assert_refused(0, 0, SHMAP_CREATE_NEVER, SHMAP_ENOTREADY);
    assert_refused(0, 0, SHMAP_CREATE_IF_MISSING, SHMAP_ENOTREADY);
    assert_refused(0, SHMAP_ACCESS_READ, 0, SHMAP_ENOTREADY);
    assert_true(file_size(path) == 0);
}

static void test_file__none_is_made_without_a_size(void **state)
{
    (void)state;
    assert_refused(0, 0, SHMAP_CREATE_IF_MISSING, SHMAP_ENOTREADY);
    assert_false(file_exists(path));
    assert_refused(0, 0, SHMAP_CREATE_NEW, SHMAP_ENOTREADY);
    assert_false(file_exists(path));
}

static void test_file__sizes_are_exact(void **state)
{
    static const uint64_t sizes[] = {1,     4095,  4096,  4097,
                                     65535, 65536, 65537, 200001};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        shmap_region *region = open_file(sizes[i], 0, SHMAP_CREATE_NEW);
        shmap_view view;

        assert_true(shmap_region_size(region) == sizes[i]);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        assert_true(view.size == sizes[i]);
        assert_true(view.capacity == sizes[i]);
        memset(view.data, 'x', view.size);
        shmap_view_unmap(&view);
        shmap_region_close(region);
        assert_true(file_size(path) == sizes[i]);
        assert_true(file_remove(path));
    }
}

static void test_file__a_shorter_one_is_extended_with_zeros(void **state)
{
    static const uint64_t sizes[] = {CONTENT + 1, 4096, 65537, 200001};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
        shmap_region *region;

        options.commit = (int)i % 2;
        assert_code(shmap_region_open_file(&region, path, sizes[i], &options),
                    SHMAP_ALONE);
        assert_true(shmap_region_size(region) == sizes[i]);
        shmap_region_close(region);
        assert_content(sizes[i]);
    }
}

static void test_file__it_is_never_cut(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= CONTENT; size++) {
        shmap_region *region = open_file(size, 0, SHMAP_CREATE_IF_MISSING);

        assert_true(shmap_region_size(region) == CONTENT);
        shmap_region_close(region);
    }
    assert_content(CONTENT);
}

static void test_file__for_reading_it_must_be_long_enough(void **state)
{
    (void)state;
    assert_refused(CONTENT + 1, SHMAP_ACCESS_READ, 0, SHMAP_ERANGE);
    assert_refused(1 << 20, SHMAP_ACCESS_READ, 0, SHMAP_ERANGE);
    shmap_region_close(open_file(CONTENT, SHMAP_ACCESS_READ, 0));
    shmap_region_close(open_file(1, SHMAP_ACCESS_READ, 0));
    shmap_region_close(open_file(0, SHMAP_ACCESS_READ, 0));
    assert_content(CONTENT);
    assert_true(file_write(path, "", 0));
    assert_refused(1, SHMAP_ACCESS_READ, 0, SHMAP_ERANGE);
}

static void test_file__for_reading_none_is_made(void **state)
{
    (void)state;
    assert_refused(4096, SHMAP_ACCESS_READ, SHMAP_CREATE_IF_MISSING,
                   SHMAP_EINVAL);
    assert_refused(4096, SHMAP_ACCESS_READ, SHMAP_CREATE_NEW, SHMAP_EINVAL);
    assert_false(file_exists(path));
}

/* What the file system refuses, as somebody to whom it does refuse. */
static int meet_read_only(int count, char **arguments)
{
    shmap_region_options read = options_of(SHMAP_ACCESS_READ, 0);
    shmap_region_options create = options_of(0, SHMAP_CREATE_IF_MISSING);
    shmap_region *region = NO_REGION;
    shmap_view view;

    (void)count;
    if (!units_obeys_modes() && !os_drop_to_user(12345)) {
        say("cannot");
        return 0;
    }
    role_check_code(shmap_region_open_file(&region, arguments[0], 0, NULL),
                    SHMAP_EACCES);
    role_check_code(shmap_region_open_file(&region, arguments[0], 99999, NULL),
                    SHMAP_EACCES);
    role_check_code(shmap_region_open_file(&region, arguments[0], 0, &create),
                    SHMAP_EACCES);
    role_check(region == NO_REGION);
    role_check(shmap_region_open_file(&region, arguments[0], 0, &read) >= 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    role_check(memcmp(view.data, content, CONTENT) == 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_file__a_read_only_one_can_be_read(void **state)
{
    (void)state;
    assert_true(file_set_mode(path, 0444));
    units_run_role("meet_read_only", path, "no permission stops this process");
    assert_content(CONTENT);
}

static void test_file__sizes_that_no_file_can_have_are_too_big(void **state)
{
    static const uint64_t sizes[] = {UINT64_C(1) << 63, UINT64_MAX - 4095,
                                     UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (int create = 0; create <= SHMAP_CREATE_IF_MISSING; create++)
            assert_refused(sizes[i], 0, create, SHMAP_E2BIG);
    assert_content(CONTENT);
    assert_true(file_remove(path));
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_refused(sizes[i], 0, SHMAP_CREATE_NEW, SHMAP_E2BIG);
    assert_false(file_exists(path));
}

/* A thousand million million bytes. */
static void test_file__more_than_the_disk_has_is_no_room(void **state)
{
    const uint64_t size = UINT64_C(1) << 50;
    shmap_region_options options = options_of(0, SHMAP_CREATE_IF_MISSING);
    shmap_region *region = NO_REGION;

    (void)state;
    for (int round = 0; round < 2; round++) {
        int code = shmap_region_open_file(&region, path, size, &options);

        if (code != SHMAP_E2BIG)
            assert_code(code, SHMAP_ENOSPC);
        assert_ptr_equal(region, NO_REGION);
        if (round == 0)
            assert_content(CONTENT);
        else
            assert_false(file_exists(path));
        file_remove(path);
    }
}

static void test_file__paths_are_utf_8(void **state)
{
    shmap_region_options options = options_of(0, SHMAP_CREATE_NEW);
    char beyond_ascii[NAME_ROOM + 32];
    shmap_region *region;

    (void)state;
    snprintf(beyond_ascii, sizeof beyond_ascii,
             "%s-gr\303\266\303\237e-\320\266-\346\274\242-\360\237\230\200",
             path);
    assert_code(shmap_region_open_file(&region, beyond_ascii, 77, &options),
                SHMAP_ALONE);
    assert_true(file_size(beyond_ascii) == 77);
    shmap_region_close(region);
    assert_refused_at(beyond_ascii, 77, 0, SHMAP_CREATE_NEW, SHMAP_EEXIST);
    assert_code(shmap_region_open_file(&region, beyond_ascii, 0, NULL),
                SHMAP_ALONE);
    assert_true(shmap_region_size(region) == 77);
    shmap_region_close(region);
    assert_true(file_remove(beyond_ascii));
}

static void test_file__paths_may_be_relative(void **state)
{
    char before[1024];
    size_t size = sizeof before;
    shmap_region *region;
    char *slash = strrchr(path, '/');

    (void)state;
    assert_non_null(slash);
    assert_int_equal(uv_cwd(before, &size), 0);
    *slash = '\0';
    assert_int_equal(uv_chdir(path), 0);
    *slash = '/';
    assert_code(shmap_region_open_file(&region, slash + 1, 0, NULL),
                SHMAP_ALONE);
    assert_int_equal(uv_chdir(before), 0);
    assert_true(shmap_region_size(region) == CONTENT);
    shmap_region_close(region);
}

static void test_file__a_new_one_is_its_owner_s_whatever_the_umask(void **state)
{
    static const unsigned masks[] = {0, 0022, 0077, 0777};

    (void)state;
    if (!units_has_modes())
        skip_because("files have no permission bits here");
    for (size_t i = 0; i < COUNT(masks); i++) {
        unsigned before = units_set_umask(masks[i]);
        shmap_region *region = open_file(10, 0, SHMAP_CREATE_NEW);

        units_set_umask(before);
        assert_int_equal(units_file_mode(path), 0600);
        shmap_region_close(region);
        assert_true(file_remove(path));
    }
}

static void test_file__an_existing_one_keeps_its_mode(void **state)
{
    (void)state;
    if (!units_has_modes())
        skip_because("files have no permission bits here");
    assert_true(file_set_mode(path, 0664));
    shmap_region_close(open_file(9999, 0, SHMAP_CREATE_IF_MISSING));
    assert_int_equal(units_file_mode(path), 0664);
}

#define with_path(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define with_content(test) \
    cmocka_unit_test_setup_teardown(test, set_up_content, tear_down)

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"meet_read_only", meet_read_only},
                                        {0, 0}};
    static const struct CMUnitTest tests[] = {
        with_path(test_file__by_default_none_is_made),
        with_content(test_file__an_existing_one_is_opened_as_it_is),
        with_path(test_file__a_missing_one_is_made_on_request),
        with_content(test_file__new_refuses_what_exists),
        with_path(test_file__without_its_folder_there_is_none),
        with_path(test_file__a_folder_is_not_one),
        with_path(test_file__a_pipe_is_not_one_and_does_not_hang),
        with_path(test_file__a_device_is_not_one),
        with_path(test_file__a_reserved_name_is_not_one),
        with_path(test_file__what_cannot_be_mapped_is_not_one),
        with_path(test_file__an_ill_formed_path_is_refused),
        with_path(test_file__an_empty_one_is_not_ready),
        with_path(test_file__none_is_made_without_a_size),
        with_path(test_file__sizes_are_exact),
        with_content(test_file__a_shorter_one_is_extended_with_zeros),
        with_content(test_file__it_is_never_cut),
        with_content(test_file__for_reading_it_must_be_long_enough),
        with_path(test_file__for_reading_none_is_made),
        with_content(test_file__a_read_only_one_can_be_read),
        with_content(test_file__sizes_that_no_file_can_have_are_too_big),
        with_content(test_file__more_than_the_disk_has_is_no_room),
        with_path(test_file__paths_are_utf_8),
        with_content(test_file__paths_may_be_relative),
        with_path(test_file__a_new_one_is_its_owner_s_whatever_the_umask),
        with_content(test_file__an_existing_one_keeps_its_mode),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
