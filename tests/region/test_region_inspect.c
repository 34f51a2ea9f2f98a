/* SPDX-License-Identifier: MIT */

/* What is known about a region, its descriptor or handle, and regions that
 * other programs made with the system's own calls.
 */

#include "files.h"
#include "puppet.h"
#include "units.h"

#define NO_REGION ((shmap_region *)(uintptr_t)0x5a5a5a5a)

static shmap_region_info inspect(const shmap_region *region)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;

    assert_code(shmap_region_inspect(region, &info), 0);
    return info;
}

static bool alone(const shmap_region *region)
{
    return (inspect(region).flags & SHMAP_INFO_ALONE) != 0;
}

static bool name_lost(const shmap_region *region)
{
    return (inspect(region).flags & SHMAP_INFO_NAME_LOST) != 0;
}

static void test_region_inspect__tells_of_a_named_region(void **state)
{
    shmap_region *region;
    shmap_region_info info;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    assert_code(shmap_region_create(&region, name, 2 * MiB + 1, NULL), 0);
    info = inspect(region);
    assert_int_equal(info.struct_size, sizeof info);
    assert_true(info.size == 2 * MiB + os_page_size());
    assert_true(info.reserve == info.size);
    assert_true(info.page_size == os_page_size());
    assert_int_equal(info.kind, SHMAP_KIND_NAMED);
    assert_int_equal(info.access, SHMAP_ACCESS_READ_WRITE);
    assert_int_equal(info.flags,
                     SHMAP_INFO_CREATED |
                         (os_has_lock_files() ? 0 : SHMAP_INFO_ALONE));
    assert_string_equal(info.os_name, os_name);
    shmap_region_close(region);
}

static void test_region_inspect__tells_of_an_opened_region(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *made;
    shmap_region *opened;
    shmap_region_info info;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    if (!units_has_machine_scope())
        skip_because("this process may not make what the machine sees");
    unique_name(name, __func__);
    options.scope = SHMAP_SCOPE_MACHINE;
    os_name_of(os_name, name, SHMAP_SCOPE_MACHINE);
    assert_code(shmap_region_create(&made, name, 1, &options), 0);
    options.access = SHMAP_ACCESS_READ;
    assert_code(shmap_region_open(&opened, name, &options), 0);
    info = inspect(opened);
    assert_int_equal(info.kind, SHMAP_KIND_NAMED);
    assert_int_equal(info.access, SHMAP_ACCESS_READ);
    assert_int_equal(info.flags, 0);
    assert_true(info.size == os_page_size());
    assert_string_equal(info.os_name, os_name);
    shmap_region_close(opened);
    shmap_region_close(made);
}

static void test_region_inspect__tells_of_an_anonymous_region(void **state)
{
    shmap_region *region;
    shmap_region_info info;

    (void)state;
    assert_code(shmap_region_create(&region, NULL, 1, NULL), 0);
    info = inspect(region);
    assert_true(info.size == os_page_size());
    assert_true(info.reserve == os_page_size());
    assert_int_equal(info.kind, SHMAP_KIND_ANONYMOUS);
    assert_int_equal(info.access, SHMAP_ACCESS_READ_WRITE);
    assert_int_equal(info.flags, SHMAP_INFO_CREATED);
    assert_string_equal(info.os_name, "");
    shmap_region_close(region);
}

static bool is_created(const shmap_region *region)
{
    return (inspect(region).flags & SHMAP_INFO_CREATED) != 0;
}

static void test_region_inspect__tells_which_handle_made_it(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *first = NULL;
    shmap_region *second = NULL;
    char name[NAME_ROOM];
    char path[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_open_or_create(&first, name, 1, NULL),
                SHMAP_CREATED);
    assert_code(shmap_region_open_or_create(&second, name, 1, NULL), 0);
    assert_true(is_created(first));
    assert_false(is_created(second));
    shmap_region_close(first);
    assert_false(is_created(second));
    shmap_region_close(second);

    scratch_path(path, __func__);
    options.create = SHMAP_CREATE_IF_MISSING;
    assert_code(shmap_region_open_file(&first, path, 1, &options), SHMAP_ALONE);
    assert_code(shmap_region_open_file(&second, path, 1, &options), 0);
    assert_true(is_created(first));
    assert_false(is_created(second));
    shmap_region_close(first);
    shmap_region_close(second);
    options.create = SHMAP_CREATE_NEW;
    remove(path);
    assert_code(shmap_region_open_file(&first, path, 1, &options), SHMAP_ALONE);
    assert_true(is_created(first));
    shmap_region_close(first);
    assert_code(shmap_region_open_file(&first, path, 0, NULL), SHMAP_ALONE);
    assert_false(is_created(first));
    shmap_region_close(first);
    remove(path);
}

/* The user that inspect tells is one that an opener can name. */
static void test_region_inspect__its_user_can_be_accepted(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *made;
    shmap_region *opened = NULL;
    shmap_region_info info;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_create(&made, name, 1, NULL), 0);
    info = inspect(made);
    options.accept = SHMAP_ACCEPT_USER;
    options.user = info.user;
    assert_code(shmap_region_open(&opened, name, &options), 0);
    shmap_region_close(opened);
    opened = NULL;
    options.user = info.user[0] == 'S' ? "S-1-5-18" : "65533";
    assert_code(shmap_region_open(&opened, name, &options), SHMAP_EOWNER);
    options.user = "no such user";
    assert_code(shmap_region_open(&opened, name, &options), SHMAP_EINVAL);
    assert_non_null(strstr(shmap_error_detail(), "`user`"));
    options.user = NULL;
    assert_code(shmap_region_open(&opened, name, &options), SHMAP_EINVAL);
    options.accept = SHMAP_ACCEPT_ANYBODY;
    options.user = info.user;
    assert_code(shmap_region_open(&opened, name, &options), SHMAP_EINVAL);
    assert_non_null(strstr(shmap_error_detail(), "user"));
    assert_null(opened);
    shmap_region_close(made);
}

static void test_region_inspect__tells_of_a_file_region(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    shmap_region_info info;
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    assert_true(file_write(path, "1234567", 7));
    assert_code(shmap_region_open_file(&region, path, 0, NULL), SHMAP_ALONE);
    info = inspect(region);
    assert_true(info.size == 7);
    assert_true(info.reserve == 7);
    assert_int_equal(info.kind, SHMAP_KIND_FILE);
    assert_int_equal(info.access, SHMAP_ACCESS_READ_WRITE);
    assert_int_equal(info.flags, SHMAP_INFO_ALONE);
    assert_string_equal(info.os_name, path);
    shmap_region_close(region);

    options.access = SHMAP_ACCESS_READ;
    assert_true(shmap_region_open_file(&region, path, 0, &options) >= 0);
    assert_int_equal(inspect(region).access, SHMAP_ACCESS_READ);
    shmap_region_close(region);
    remove(path);
}

/* Whatever it is and whoever looks: what this process makes is its user's. */
static void test_region_inspect__tells_the_user_of_the_region(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    enum { ADOPTED = 3, ALL };
    shmap_region *regions[ALL];
    struct child *child = puppet_start();
    char name[NAME_ROOM];
    char path[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    scratch_path(path, __func__);
    assert_code(shmap_region_create(&regions[0], name, 1, NULL), 0);
    assert_code(shmap_region_create(&regions[1], NULL, 1, NULL), 0);
    options.create = SHMAP_CREATE_NEW;
    assert_true(shmap_region_open_file(&regions[2], path, 1, &options) >= 0);
    assert_code(
        shmap_region_adopt(&regions[ADOPTED], units_memory(4096, true), NULL),
        0);
    for (int i = 0; i < ALL; i++) {
        shmap_region_info info = inspect(regions[i]);

        /* Wine does not tell what nobody said. */
        if (i == ADOPTED && os_is_emulated() && info.user[0] == '\0')
            continue;
        if (!os_is_own_user(info.user))
            fail_msg("region %d is of \"%s\"", i, info.user);
    }
    puppet_do(child, "open 0 %s", name);
    puppet_do(child, "open_file 1 %s 0", path);
    assert_true(os_is_own_user(puppet_ask(child, "owner 0")));
    assert_true(os_is_own_user(puppet_ask(child, "owner 1")));
    child_end(child);
    for (int i = 0; i < ALL; i++)
        shmap_region_close(regions[i]);
    file_remove(path);
}

static void test_region_inspect__a_longer_struct_is_filled_as_far_as_known(
    void **state)
{
    struct {
        shmap_region_info info;
        char more[16];
    } wide = {.info = SHMAP_REGION_INFO_INIT};
    char untouched[sizeof wide.more];
    shmap_region *region;

    (void)state;
    assert_code(shmap_region_create(&region, NULL, 1, NULL), 0);
    memset(untouched, 0x11, sizeof untouched);
    memset(wide.more, 0x11, sizeof wide.more);
    wide.info.struct_size = sizeof wide;
    assert_code(shmap_region_inspect(region, &wide.info), 0);
    assert_true(wide.info.struct_size == sizeof wide.info);
    assert_true(wide.info.size == os_page_size());
    assert_memory_equal(wide.more, untouched, sizeof wide.more);
    shmap_region_close(region);
}

static void test_region_inspect__a_size_that_no_release_had_is_refused(
    void **state)
{
    shmap_region_info info;
    shmap_region_info before;
    shmap_region *region;

    (void)state;
    assert_code(shmap_region_create(&region, NULL, 1, NULL), 0);
    memset(&info, 0x11, sizeof info);
    for (size_t size = 0; size < sizeof info; size++) {
        info.struct_size = size;
        before = info;
        assert_code(shmap_region_inspect(region, &info), SHMAP_EINVAL);
        assert_non_null(strstr(shmap_error_detail(), "struct_size"));
        assert_memory_equal(&info, &before, sizeof info);
    }
    shmap_region_close(region);
}

static void test_region_inspect__refuses_what_is_not_valid(void **state)
{
    shmap_region_info info;
    shmap_region_info before;
    shmap_region *region;

    (void)state;
    assert_code(shmap_region_create(&region, NULL, 1, NULL), 0);
    memset(&info, 0x11, sizeof info);
    info.struct_size = 0;
    before = info;
    assert_code(shmap_region_inspect(region, &info), SHMAP_EINVAL);
    info.struct_size = before.struct_size = sizeof info;
    assert_code(shmap_region_inspect(NULL, &info), SHMAP_EINVAL);
    assert_memory_equal(&info, &before, sizeof info);
    assert_code(shmap_region_inspect(region, NULL), SHMAP_EINVAL);
    shmap_region_close(region);
}

static void test_region_inspect__alone_means_no_other_handle(void **state)
{
    struct child *other = puppet_start();
    shmap_region *first;
    shmap_region *second;
    char name[NAME_ROOM];

    (void)state;
    if (os_has_lock_files())
        skip_because("nobody can tell who is alone here");
    unique_name(name, __func__);
    assert_code(shmap_region_create(&first, name, 1, NULL), 0);
    assert_true(alone(first));
    assert_code(shmap_region_open(&second, name, NULL), 0);
    assert_false(alone(first));
    assert_false(alone(second));
    shmap_region_close(first);
    assert_true(alone(second));
    puppet_do(other, "open 0 %s", name);
    assert_false(alone(second));
    puppet_do(other, "close 0");
    assert_true(alone(second));
    puppet_end(other);
    shmap_region_close(second);
}

static void test_region_inspect__views_do_not_change_whether_it_is_alone(
    void **state)
{
    shmap_region *region;
    shmap_region *other;
    shmap_view view;
    char name[NAME_ROOM];

    (void)state;
    if (os_has_lock_files())
        skip_because("nobody can tell who is alone here");
    unique_name(name, __func__);
    assert_code(shmap_region_create(&region, name, 1, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_true(alone(region));
    shmap_view_unmap(&view);
    assert_code(shmap_region_open(&other, name, NULL), 0);
    assert_code(shmap_view_map(&view, other, NULL), 0);
    shmap_region_close(other);
    assert_false(alone(region));
    shmap_view_unmap(&view);
    assert_true(alone(region));
    shmap_region_close(region);
}

static void test_region_inspect__tells_that_the_name_was_lost(void **state)
{
    shmap_region *region;
    shmap_region *second;
    shmap_view view;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    if (!os_has_leftovers())
        skip_because("names cannot be removed here");
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    assert_code(shmap_region_create(&region, name, 1, NULL), 0);
    assert_false(name_lost(region));
    assert_true(raw_remove(os_name));
    assert_true(name_lost(region));
    assert_code(shmap_view_map(&view, region, NULL), 0);
    strcpy(view.data, "still there");

    /* Another region of this name does not bring it back. */
    assert_code(shmap_region_create(&second, name, 1, NULL), 0);
    assert_true(name_lost(region));
    assert_false(name_lost(second));
    assert_string_equal(view.data, "still there");
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_true(raw_exists(os_name));
    shmap_region_close(second);
    assert_false(raw_exists(os_name));
}

static void test_region_inspect__native_is_the_system_s_handle(void **state)
{
    shmap_region *region;
    shmap_view view;
    char name[NAME_ROOM];
    char text[8] = "";

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_create(&region, name, 1, NULL), 0);
    assert_true(units_is_open(shmap_region_native(region)));
    assert_code(shmap_view_map(&view, region, NULL), 0);
    strcpy(view.data, "through");
    assert_true(raw_read(shmap_region_native(region), 0, text, sizeof text));
    assert_string_equal(text, "through");
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

/* A name in native scope. */
static void native_name(char *out, const char *label)
{
    strcpy(out, units_native_start());
    unique_name(out + strlen(out), label);
}

static void test_region_inspect__native_scope_meets_other_programs(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    shmap_view view;
    char name[OS_NAME_ROOM];
    char text[16] = "";
    intptr_t raw;

    (void)state;
    native_name(name, __func__);
    options.scope = SHMAP_SCOPE_NATIVE;
    assert_code(shmap_region_create(&region, name, 4096, &options), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    strcpy(view.data, "from shmap");
    raw = raw_open(name);
    assert_int_not_equal(raw, -1);
    assert_true(raw_read(raw, 0, text, sizeof text));
    assert_string_equal(text, "from shmap");
    assert_true(raw_write(raw, 0, "from outside", 13));
    assert_string_equal(view.data, "from outside");
    raw_close(raw);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_false(raw_exists(name));
}

static void test_region_inspect__native_scope_finds_other_programs_memory(
    void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    shmap_view view;
    char name[OS_NAME_ROOM];
    char text[16] = "";
    intptr_t raw;

    (void)state;
    native_name(name, __func__);
    raw = raw_plant(name, RAW_REGION, 65536, 0);
    assert_int_not_equal(raw, -1);
    assert_true(raw_write(raw, 65520, "from outside", 13));
    options.scope = SHMAP_SCOPE_NATIVE;
    /* Who owns it is a test of its own. */
    options.accept = SHMAP_ACCEPT_ANYBODY;
    assert_code(shmap_region_open(&region, name, &options), 0);
    assert_true(shmap_region_size(region) == 65536);
    assert_int_equal(inspect(region).kind, SHMAP_KIND_NAMED);
    if (os_has_leftovers())
        assert_true((inspect(region).flags & SHMAP_INFO_FOREIGN) != 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_string_equal((char *)view.data + 65520, "from outside");
    strcpy(view.data, "from shmap");
    assert_true(raw_read(raw, 0, text, sizeof text));
    assert_string_equal(text, "from shmap");
    shmap_view_unmap(&view);
    shmap_region_close(region);
    raw_remove(name);
    raw_close(raw);
}

static uint64_t rounded(uint64_t size)
{
    uint64_t page = os_page_size();

    return (size + page - 1) / page * page;
}

/* Everything that could change a foreign object: its size, mode, name and
 * bytes must survive. */
static void assert_left_alone(uint64_t size, unsigned mode)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NO_REGION;
    shmap_view view;
    unsigned reaped = 0;
    char name[OS_NAME_ROOM];
    char text[6] = "";
    intptr_t raw;

    native_name(name, __func__);
    raw = raw_plant(name, RAW_REGION, size, mode);
    assert_int_not_equal(raw, -1);
    assert_true(raw_write(raw, 1, "bytes", 6));
    options.scope = SHMAP_SCOPE_NATIVE;
    assert_code(shmap_region_create(&region, name, MiB, &options),
                SHMAP_EEXIST);
    assert_code(shmap_region_reap(name, in_scope(SHMAP_SCOPE_NATIVE), &reaped),
                0);
    assert_int_equal(reaped, 0);
    assert_ptr_equal(region, NO_REGION);
    options.accept = SHMAP_ACCEPT_ANYBODY;
    assert_code(shmap_region_open(&region, name, &options), 0);
    assert_true(shmap_region_size(region) == rounded(size));
    assert_true(inspect(region).size == rounded(size));
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_true(view.size == rounded(size));
    ((char *)view.data)[view.size - 1] = 1;
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_code(shmap_region_open_or_create(&region, name, MiB, &options), 0);
    shmap_region_close(region);

    assert_true(raw_exists(name));
    if (os_has_leftovers()) {
        assert_true(raw_size(name) == size);
        assert_int_equal(raw_mode(name), mode);
    }
    assert_true(raw_read(raw, 1, text, sizeof text));
    assert_string_equal(text, "bytes");
    raw_remove(name);
    raw_close(raw);
}

/* Its program lets nobody write: that is told when it is opened, not when a
 * view is mapped. */
static void test_region_inspect__foreign_region_for_reading_only(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NO_REGION;
    shmap_view view;
    char name[OS_NAME_ROOM];
    intptr_t raw;

    (void)state;
    native_name(name, __func__);
    raw = raw_plant(name, RAW_REGION, 65536, 0400);
    assert_int_not_equal(raw, -1);
    options.scope = SHMAP_SCOPE_NATIVE;
    options.accept = SHMAP_ACCEPT_ANYBODY;
    if (!os_is_root()) {
        assert_code(shmap_region_open(&region, name, &options), SHMAP_EACCES);
        assert_code(shmap_region_open_or_create(&region, name, 1, &options),
                    SHMAP_EACCES);
        assert_ptr_equal(region, NO_REGION);
    }
    options.access = SHMAP_ACCESS_READ;
    assert_code(shmap_region_open(&region, name, &options), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);

    region = NO_REGION;
    assert_code(shmap_region_adopt(&region, raw, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    shmap_view_unmap(&view);
    raw_remove(name);
    shmap_region_close(region);
}

static void test_region_inspect__foreign_regions_are_left_alone(void **state)
{
    /* Modes that resemble, but are not, that of shmap's own. */
    static const unsigned modes[] = {0600, 0644, 0666, 0700, 01777, 01700};

    (void)state;
    for (size_t i = 0; i < COUNT(modes); i++)
        assert_left_alone(65536, modes[i]);
    /* A size of no whole pages is told rounded up, as on every system. */
    assert_left_alone(5000, 0600);
    assert_left_alone(1 + 6, 0600);
}

static void test_region_inspect__foreign_memory_without_a_size_is_not_ready(
    void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NO_REGION;
    char name[OS_NAME_ROOM];
    intptr_t raw;

    (void)state;
    native_name(name, __func__);
    raw = raw_plant(name, RAW_EMPTY, 0, 0);
    assert_int_not_equal(raw, -1);
    options.scope = SHMAP_SCOPE_NATIVE;
    options.accept = SHMAP_ACCEPT_ANYBODY;
    assert_code(shmap_region_open(&region, name, &options), SHMAP_ENOTREADY);
    assert_code(shmap_region_open_or_create(&region, name, 4096, &options),
                SHMAP_ENOTREADY);
    assert_ptr_equal(region, NO_REGION);
    options.accept = 0;
    assert_code(shmap_region_create(&region, name, 4096, &options),
                SHMAP_EEXIST);
    assert_true(raw_exists(name));
    if (os_has_leftovers()) {
        options.accept = SHMAP_ACCEPT_ANYBODY;
        assert_true(raw_size(name) == 0);
        assert_true(raw_resize(raw, 8192));
        assert_code(shmap_region_open(&region, name, &options), 0);
        assert_true(shmap_region_size(region) == 8192);
        shmap_region_close(region);
    }
    raw_remove(name);
    raw_close(raw);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        leak_checked(test_region_inspect__tells_of_a_named_region),
        leak_checked(test_region_inspect__tells_of_an_opened_region),
        leak_checked(test_region_inspect__tells_of_an_anonymous_region),
        leak_checked(test_region_inspect__tells_which_handle_made_it),
        leak_checked(test_region_inspect__its_user_can_be_accepted),
        leak_checked(test_region_inspect__tells_of_a_file_region),
        leak_checked(test_region_inspect__tells_the_user_of_the_region),
        leak_checked(
            test_region_inspect__a_longer_struct_is_filled_as_far_as_known),
        leak_checked(
            test_region_inspect__a_size_that_no_release_had_is_refused),
        leak_checked(test_region_inspect__refuses_what_is_not_valid),
        leak_checked(test_region_inspect__alone_means_no_other_handle),
        leak_checked(
            test_region_inspect__views_do_not_change_whether_it_is_alone),
        leak_checked(test_region_inspect__tells_that_the_name_was_lost),
        leak_checked(test_region_inspect__native_is_the_system_s_handle),
        leak_checked(test_region_inspect__native_scope_meets_other_programs),
        leak_checked(
            test_region_inspect__native_scope_finds_other_programs_memory),
        leak_checked(test_region_inspect__foreign_region_for_reading_only),
        leak_checked(test_region_inspect__foreign_regions_are_left_alone),
        leak_checked(
            test_region_inspect__foreign_memory_without_a_size_is_not_ready),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
