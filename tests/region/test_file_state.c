/* SPDX-License-Identifier: MIT */

/* Files with holes, and files whose path means another one. */

#include "files.h"
#include "units.h"

static bool is_flagged(const shmap_region *region, unsigned flag)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;

    return shmap_region_inspect(region, &info) == 0 && (info.flags & flag) != 0;
}

/* Make a file that begins with some bytes, and has only holes behind them. */
static bool make_sparse(const char *path, uint64_t size)
{
    return file_write(path, "begun", 5) && file_resize(path, size);
}

static int open_all(shmap_region **region, const char *path, uint64_t size)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.commit = SHMAP_COMMIT_ALL;
    return shmap_region_open_file(region, path, size, &options);
}

/* In a role: a folder with room for 1 MiB. */
static const char *enter_small_folder(void)
{
    if (units_memory_folder() == NULL || !os_small_shared_memory(MiB)) {
        say("cannot");
        exit(0);
    }
    return units_memory_folder();
}

static int full_disk(int count, char **arguments)
{
    const char *folder = enter_small_folder();
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    shmap_region *region = NULL;
    char path[NAME_ROOM];

    (void)count, (void)arguments;
    snprintf(path, sizeof path, "%s/file", folder);
    role_check(make_sparse(path, 8 * MiB));
    role_check_code(open_all(&region, path, 0), SHMAP_ENOSPC);
    role_check(strstr(shmap_error_detail(), "holes") != NULL);
    role_check_code(open_all(&region, path, 9 * MiB), SHMAP_ENOSPC);
    role_check(region == NULL);
    role_check(file_size(path) == 8 * MiB);
    /* It is mapped as it is, and tells. */
    role_check_code(shmap_region_open_file(&region, path, 0, NULL),
                    SHMAP_ALONE);
    role_check_code(shmap_region_inspect(region, &info), 0);
    role_check((info.flags & SHMAP_INFO_SPARSE) != 0);
    shmap_region_close(region);
    /* Nothing was taken. */
    role_check_code(shmap_region_open_file(&region, path, 8 * MiB, NULL),
                    SHMAP_ALONE);
    shmap_region_close(region);
    role_check(file_remove(path));
    role_check(make_sparse(path, 900 * KiB));
    if (!os_has_lock_files()) { /* There, no hole can be filled. */
        role_check_code(open_all(&region, path, 0), SHMAP_ALONE);
        shmap_region_close(region);
    }
    say("done");
    return 0;
}

static void test_file_state__holes_without_room_are_told_at_open(void **state)
{
    (void)state;
    units_run_role("full_disk", NULL,
                   "there is no small folder for files here");
}

static int extended(int count, char **arguments)
{
    const char *folder = enter_small_folder();
    shmap_region *region = NULL;
    char path[NAME_ROOM];

    (void)count, (void)arguments;
    snprintf(path, sizeof path, "%s/file", folder);
    role_check(make_sparse(path, 600 * KiB));
    role_check_code(open_all(&region, path, 1200 * KiB), SHMAP_ENOSPC);
    role_check(file_size(path) == 600 * KiB);
    if (os_has_lock_files()) {
        say("cannot");
        return 0;
    }
    role_check_code(open_all(&region, path, 800 * KiB), SHMAP_ALONE);
    role_check(shmap_region_size(region) == 800 * KiB);
    role_check(!is_flagged(region, SHMAP_INFO_SPARSE));
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_file_state__holes_and_new_bytes_have_room_together(
    void **state)
{
    (void)state;
    units_run_role("extended", NULL,
                   "there is no small folder here, or holes cannot be filled");
}

static void assert_filled(const char *path)
{
    shmap_region *region;
    shmap_view view;

    assert_true(make_sparse(path, 8 * MiB));
    assert_code(shmap_region_open_file(&region, path, 0, NULL), SHMAP_ALONE);
    if (!is_flagged(region, SHMAP_INFO_SPARSE)) {
        shmap_region_close(region);
        assert_code(open_all(&region, path, 0), SHMAP_ALONE);
        shmap_region_close(region);
        file_remove(path);
        skip_because("files have no holes here, or nobody can tell");
    }
    assert_code(shmap_view_map(&view, region, NULL), 0);
    strcpy((char *)view.data + 4 * MiB, "middle");
    shmap_view_unmap(&view);
    shmap_region_close(region);

    if (os_has_lock_files()) {
        assert_code(open_all(&region, path, 0), SHMAP_ENOTSUP);
        file_remove(path);
        return;
    }
    assert_code(open_all(&region, path, 0), SHMAP_ALONE);
    assert_false(is_flagged(region, SHMAP_INFO_SPARSE));
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_string_equal((char *)view.data + 4 * MiB, "middle");
    assert_memory_equal(view.data, "begun", 5);
    assert_int_equal(((char *)view.data)[8 * MiB - 1], 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    file_remove(path);
}

static void test_file_state__filling_holes_changes_no_byte(void **state)
{
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    assert_filled(path);
}

static void test_file_state__holes_of_files_in_memory_are_filled(void **state)
{
    char path[2 * NAME_ROOM];
    char name[NAME_ROOM];

    (void)state;
    if (units_memory_folder() == NULL)
        skip_because("no folder in memory is known here");
    unique_name(name, "sparse");
    snprintf(path, sizeof path, "%s/%s", units_memory_folder(), name);
    assert_filled(path);
}

static void test_file_state__what_was_made_with_room_has_no_holes(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    options.create = SHMAP_CREATE_NEW;
    assert_code(shmap_region_open_file(&region, path, 3 * MiB + 17, &options),
                SHMAP_ALONE);
    assert_false(is_flagged(region, SHMAP_INFO_SPARSE));
    shmap_region_close(region);
    file_remove(path);
    for (int commit = SHMAP_COMMIT_NOW; commit <= SHMAP_COMMIT_ALL;
         commit += 2) {
        options.create = SHMAP_CREATE_NEVER;
        options.commit = commit;
        assert_code(shmap_region_create(&region, NULL, 3 * MiB, &options), 0);
        assert_false(is_flagged(region, SHMAP_INFO_SPARSE));
        shmap_region_close(region);
    }
}

static void test_file_state__a_reader_cannot_fill_holes(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NULL;
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    assert_true(make_sparse(path, MiB));
    options.access = SHMAP_ACCESS_READ;
    options.commit = SHMAP_COMMIT_ALL;
    assert_code(shmap_region_open_file(&region, path, 0, &options),
                SHMAP_EINVAL);
    assert_non_null(strstr(shmap_error_detail(), "commit"));
    assert_null(region);
    file_remove(path);
}

/* Log files are rotated so: the old one gets another name, and a new one takes
 * its path. */
static void test_file_state__file_with_a_replaced_path_is_reported(void **state)
{
    shmap_region *region;
    char path[NAME_ROOM];
    char aside[NAME_ROOM + 2];

    (void)state;
    scratch_path(path, __func__);
    snprintf(aside, sizeof aside, "%s.1", path);
    assert_true(file_write(path, "content", 7));
    assert_code(shmap_region_open_file(&region, path, 0, NULL), SHMAP_ALONE);
    assert_false(is_flagged(region, SHMAP_INFO_NAME_LOST));
    assert_true(file_rename(path, aside));
    assert_true(is_flagged(region, SHMAP_INFO_NAME_LOST));
    assert_true(file_write(path, "another", 7));
    assert_true(is_flagged(region, SHMAP_INFO_NAME_LOST));
    file_remove(path);
    assert_true(file_rename(aside, path));
    assert_false(is_flagged(region, SHMAP_INFO_NAME_LOST));
    shmap_region_close(region);
    file_remove(path);
}

/* A path that is not absolute is meant as it was when the file was opened. */
static int another_folder(int count, char **arguments)
{
    shmap_region *region;
    char folder[NAME_ROOM];

    (void)count, (void)arguments;
    scratch_path(folder, __func__);
    role_check(folder_make(folder));
    role_check(folder_enter(folder));
    role_check(file_write("file", "content", 7));
    role_check_code(shmap_region_open_file(&region, "file", 0, NULL),
                    SHMAP_ALONE);
    role_check(folder_enter(".."));
    role_check(!is_flagged(region, SHMAP_INFO_NAME_LOST));
    role_check(folder_enter(folder));
    role_check(file_rename("file", "file.1"));
    role_check(folder_enter(".."));
    role_check(is_flagged(region, SHMAP_INFO_NAME_LOST));
    shmap_region_close(region);
    role_check(folder_enter(folder));
    file_remove("file.1");
    role_check(folder_enter(".."));
    folder_remove(folder);
    say("done");
    return 0;
}

static void test_file_state__a_relative_path_is_not_followed_elsewhere(
    void **state)
{
    (void)state;
    units_run_role("another_folder", NULL, "");
}

static void test_file_state__a_removed_file_is_told(void **state)
{
    shmap_region *region;
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    assert_true(file_write(path, "content", 7));
    assert_code(shmap_region_open_file(&region, path, 0, NULL), SHMAP_ALONE);
    assert_true(file_remove(path));
    if (file_exists(path)) {
        shmap_region_close(region);
        skip_because("a file that is open stays here");
    }
    assert_true(is_flagged(region, SHMAP_INFO_NAME_LOST));
    shmap_region_close(region);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"full_disk", full_disk},
        {"extended", extended},
        {"another_folder", another_folder},
        {0, 0},
    };
    static const struct CMUnitTest tests[] = {
        leak_checked(test_file_state__holes_without_room_are_told_at_open),
        leak_checked(test_file_state__holes_and_new_bytes_have_room_together),
        leak_checked(test_file_state__filling_holes_changes_no_byte),
        leak_checked(test_file_state__holes_of_files_in_memory_are_filled),
        leak_checked(test_file_state__what_was_made_with_room_has_no_holes),
        leak_checked(test_file_state__a_reader_cannot_fill_holes),
        leak_checked(test_file_state__file_with_a_replaced_path_is_reported),
        leak_checked(
            test_file_state__a_relative_path_is_not_followed_elsewhere),
        leak_checked(test_file_state__a_removed_file_is_told),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
