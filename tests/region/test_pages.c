/* SPDX-License-Identifier: MIT */

/* Views of what has larger pages than the system's, and views that cannot be
 * unmapped at the moment.
 */

#include "files.h"
#include "units.h"

static const char no_huge_pages[] =
    "huge pages need root and vm.nr_hugepages of 4 or more";

/* Make a file of `pages` huge pages in a folder of them. */
static shmap_region *make(const char *folder, uint64_t pages, uint64_t *page)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    char path[NAME_ROOM + 8];

    if (!os_enter_huge_folder(folder, page)) {
        say("cannot");
        exit(0);
    }
    snprintf(path, sizeof path, "%s/file", folder);
    options.create = SHMAP_CREATE_NEW;
    role_check_code(
        shmap_region_open_file(&region, path, pages * *page, &options),
        SHMAP_ALONE);
    return region;
}

static int small_views(int count, char **arguments)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    static const uint64_t offsets[] = {0, 65536, 65537, 200000};
    uint64_t page;
    shmap_region *region = make(arguments[0], 2, &page);
    shmap_view whole;

    (void)count;
    role_check_code(shmap_view_map(&whole, region, NULL), 0);
    for (size_t i = 0; i < COUNT(offsets); i++) {
        shmap_view view;
        char *data;

        options.offset = offsets[i];
        options.size = 65536;
        role_check_code(shmap_view_map(&view, region, &options), 0);
        role_check(view.size == 65536);
        data = view.data;
        data[0] = (char)(i + 1);
        role_check(((char *)whole.data)[offsets[i]] == (char)(i + 1));
        role_check_code(shmap_view_unmap(&view), 0);
        role_check(memory_probe(data) == MEMORY_ABSENT);
    }
    role_check_code(shmap_view_unmap(&whole), 0);
    shmap_region_close(region);
    say("done");
    return 0;
}

/* Run a role with a folder that it can mount something on. */
static void run_in_folder(const char *role, const char *label)
{
    char folder[NAME_ROOM];

    scratch_path(folder, label);
    assert_true(folder_make(folder));
    units_run_role(role, folder, no_huge_pages);
    folder_remove(folder);
}

static void test_pages__a_view_of_less_than_a_huge_page_is_unmapped_whole(
    void **state)
{
    (void)state;
    run_in_folder("small_views", __func__);
}

static int sizes(int count, char **arguments)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    uint64_t page;
    shmap_region *region = make(arguments[0], 1, &page);
    shmap_region *other;
    char path[NAME_ROOM + 8];

    (void)count;
    role_check_code(shmap_region_inspect(region, &info), 0);
    role_check(info.page_size == page);
    role_check(info.size == page);
    snprintf(path, sizeof path, "%s/other", arguments[0]);
    options.create = SHMAP_CREATE_NEW;
    role_check_code(shmap_region_open_file(&other, path, page + 1, &options),
                    SHMAP_ALONE);
    role_check(shmap_region_size(other) == 2 * page);
    role_check(file_size(path) == 2 * page);
    shmap_region_close(other);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_pages__sizes_are_whole_huge_pages(void **state)
{
    (void)state;
    run_in_folder("sizes", __func__);
}

static int addresses(int count, char **arguments)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    uint64_t page;
    shmap_region *region = make(arguments[0], 2, &page);
    shmap_view view;
    char *place;

    (void)count;
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    place = view.data;
    role_check_code(shmap_view_unmap(&view), 0);
    options.offset = page + 65536;
    options.size = 1;
    options.address = place + page;
    role_check_code(shmap_view_map(&view, region, &options), SHMAP_EINVAL);
    role_check(strstr(shmap_error_detail(), "page size") != NULL);
    options.address = place + page + 65536;
    role_check_code(shmap_view_map(&view, region, &options), 0);
    role_check(view.data == options.address);
    role_check_code(shmap_view_unmap(&view), 0);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_pages__an_address_fits_the_huge_page(void **state)
{
    (void)state;
    run_in_folder("addresses", __func__);
}

static int too_many(int count, char **arguments)
{
    shmap_region_options lazy = SHMAP_REGION_OPTIONS_INIT;
    uint64_t page;
    shmap_region *region = make(arguments[0], 1, &page);
    shmap_region *large;
    shmap_view view = SHMAP_VIEW_INIT;
    char path[NAME_ROOM + 8];

    (void)count;
    snprintf(path, sizeof path, "%s/large", arguments[0]);
    lazy.create = SHMAP_CREATE_NEW;
    lazy.commit = SHMAP_COMMIT_LAZY;
    role_check_code(shmap_region_open_file(&large, path, 100000 * page, &lazy),
                    SHMAP_ALONE);
    role_check_code(shmap_view_map(&view, large, NULL), SHMAP_ENOSPC);
    role_check(strstr(shmap_error_detail(), "huge pages") != NULL);
    shmap_region_close(large);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_pages__too_few_huge_pages_are_no_room(void **state)
{
    (void)state;
    run_in_folder("too_many", __func__);
}

/* The system keeps neighbouring views of one region as one mapping, and needs
 * one more to unmap the middle one. */
static int no_more_mappings(int count, char **arguments)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *region;
    shmap_view views[3];
    shmap_view before;
    char *place = units_reserve(sizeof views / sizeof views[0] * 65536);

    (void)count;
    (void)arguments;
    role_check(place != NULL);
    units_release(place, COUNT(views) * 65536);
    role_check_code(shmap_region_create(&region, NULL, 3 * 65536, NULL), 0);
    options.size = 65536;
    for (size_t i = 0; i < COUNT(views); i++) {
        options.offset = i * 65536;
        options.address = place + i * 65536;
        role_check_code(shmap_view_map(&views[i], region, &options), 0);
    }
    if (!os_fill_mappings()) {
        say("cannot");
        return 0;
    }
    before = views[1];
    role_check_code(shmap_view_unmap(&views[1]), SHMAP_ENOMEM);
    role_check(memcmp(&views[1], &before, sizeof before) == 0);
    strcpy(views[1].data, "still there");
    os_release_mappings();
    role_check(strstr(shmap_error_detail(), "mappings") != NULL);
    for (size_t i = 0; i < COUNT(views); i++) {
        role_check_code(shmap_view_unmap(&views[i]), 0);
        role_check(memory_probe(place + i * 65536) == MEMORY_ABSENT);
    }
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_pages__a_view_that_cannot_be_unmapped_stays(void **state)
{
    (void)state;
    units_run_role("no_more_mappings", NULL,
                   "mappings are not counted here, or there are too many");
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"small_views", small_views},
        {"sizes", sizes},
        {"addresses", addresses},
        {"too_many", too_many},
        {"no_more_mappings", no_more_mappings},
        {0, 0},
    };
    static const struct CMUnitTest tests[] = {
        leak_checked(
            test_pages__a_view_of_less_than_a_huge_page_is_unmapped_whole),
        leak_checked(test_pages__sizes_are_whole_huge_pages),
        leak_checked(test_pages__an_address_fits_the_huge_page),
        leak_checked(test_pages__too_few_huge_pages_are_no_room),
        leak_checked(test_pages__a_view_that_cannot_be_unmapped_stays),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
