/* SPDX-License-Identifier: MIT */

/* Regions: making, opening, sizes. */

#include "puppet.h"
#include "units.h"

/* No region: what a failed call must leave as it is. */
#define NO_REGION ((shmap_region *)(uintptr_t)0x5a5a5a5a)

static uint64_t rounded(uint64_t size)
{
    uint64_t page = os_page_size();

    return (size + page - 1) / page * page;
}

static void test_region__create_makes_one(void **state)
{
    shmap_region *region = NULL;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    assert_code(shmap_region_create(&region, name, 4096, NULL), 0);
    assert_non_null(region);
    assert_true(raw_exists(os_name));
    shmap_region_close(region);
    assert_false(raw_exists(os_name));
}

static void test_region__create_is_exclusive(void **state)
{
    shmap_region *region;
    shmap_region *second = NO_REGION;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_create(&region, name, 4096, NULL), 0);
    assert_code(shmap_region_create(&second, name, 4096, NULL), SHMAP_EEXIST);
    assert_code(shmap_region_create(&second, name, 8192, NULL), SHMAP_EEXIST);
    assert_ptr_equal(second, NO_REGION);
    assert_true(shmap_region_size(region) == rounded(4096));
    shmap_region_close(region);
}

static void test_region__create_is_exclusive_between_processes(void **state)
{
    struct child *other = puppet_start();
    shmap_region *region = NO_REGION;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    puppet_do(other, "create 0 %s 4096", name);
    assert_code(shmap_region_create(&region, name, 4096, NULL), SHMAP_EEXIST);
    assert_ptr_equal(region, NO_REGION);
    puppet_do(other, "close 0");
    assert_code(shmap_region_create(&region, name, 4096, NULL), 0);
    assert_code(puppet(other, "create 0 %s 4096", name), SHMAP_EEXIST);
    shmap_region_close(region);
    puppet_end(other);
}

static void test_region__open_never_creates(void **state)
{
    shmap_region *region = NO_REGION;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    assert_code(shmap_region_open(&region, name, NULL), SHMAP_ENOENT);
    assert_ptr_equal(region, NO_REGION);
    assert_false(raw_exists(os_name));
}

static void test_region__open_finds_the_same_memory(void **state)
{
    shmap_region *made;
    shmap_region *opened;
    shmap_view first;
    shmap_view second;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_create(&made, name, 100, NULL), 0);
    assert_code(shmap_region_open(&opened, name, NULL), 0);
    assert_code(shmap_view_map(&first, made, NULL), 0);
    assert_code(shmap_view_map(&second, opened, NULL), 0);
    strcpy(first.data, "seen by both");
    assert_string_equal(second.data, "seen by both");
    strcpy(second.data, "and back");
    assert_string_equal(first.data, "and back");
    shmap_view_unmap(&first);
    shmap_view_unmap(&second);
    shmap_region_close(made);
    shmap_region_close(opened);
}

static void test_region__open_never_changes_a_region(void **state)
{
    struct child *other = puppet_start();
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];
    unsigned mode;

    (void)state;
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    puppet_do(other, "create 0 %s 8192", name);
    puppet_do(other, "map 0");
    puppet_do(other, "put 0 100 hello");
    mode = raw_mode(os_name);
    for (int access = SHMAP_ACCESS_DEFAULT; access <= SHMAP_ACCESS_READ_WRITE;
         access++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
        shmap_region *region;

        options.access = access;
        assert_code(shmap_region_open(&region, name, &options), 0);
        assert_true(shmap_region_size(region) == rounded(8192));
        shmap_region_close(region);
    }
    assert_true(raw_size(os_name) == rounded(8192));
    assert_int_equal(raw_mode(os_name), mode);
    assert_string_equal(puppet_ask(other, "get 0 100"), "hello");
    puppet_do(other, "unmap 0");
    puppet_do(other, "close 0");
    puppet_end(other);
}

static void test_region__open_or_create_tells_the_maker_from_the_opener(
    void **state)
{
    shmap_region *first;
    shmap_region *second;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_open_or_create(&first, name, 4096, NULL),
                SHMAP_CREATED);
    assert_code(shmap_region_open_or_create(&second, name, 4096, NULL), 0);
    shmap_region_close(first);
    assert_code(shmap_region_open_or_create(&first, name, 4096, NULL), 0);
    shmap_region_close(first);
    shmap_region_close(second);
    assert_code(shmap_region_open_or_create(&first, name, 4096, NULL),
                SHMAP_CREATED);
    shmap_region_close(first);
}

static void test_region__open_or_create_keeps_the_size_of_what_it_opens(
    void **state)
{
    static const uint64_t others[] = {1, 4 * MiB};
    shmap_region *made;
    shmap_region *opened;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_create(&made, name, MiB, NULL), 0);
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_code(shmap_region_open_or_create(&opened, name, others[i], NULL),
                    0);
        assert_true(shmap_region_size(opened) == MiB);
        shmap_region_close(opened);
    }
    shmap_region_close(made);
}

/* When told to, make or open the region; hold it until told to end. */
static int meet(int count, char **arguments)
{
    shmap_region *region = NULL;

    (void)count;
    say("ready");
    hear();
    say("%d",
        shmap_region_open_or_create(&region, arguments[0], 100 * KiB, NULL));
    hear();
    shmap_region_close(region);
    return 0;
}

static void test_region__of_many_that_meet_exactly_one_makes_it(void **state)
{
    enum { MANY = 6, ROUNDS = 4 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct child *children[MANY];
        char name[NAME_ROOM];
        int makers = 0;

        unique_name(name, __func__);
        for (int i = 0; i < MANY; i++) {
            children[i] = child_start("meet", name, NULL);
            child_expect(children[i], "ready");
        }
        for (int i = 0; i < MANY; i++)
            child_tell(children[i], "go");
        for (int i = 0; i < MANY; i++) {
            const char *result = child_read_line(children[i], PATIENCE);

            assert_non_null(result);
            assert_in_range(atoi(result), 0, SHMAP_CREATED);
            makers += atoi(result) == SHMAP_CREATED;
        }
        assert_int_equal(makers, 1);
        children_end();
        assert_code(shmap_region_reap(name, NULL, NULL), 0);
    }
}

/* Everybody is told the rounded size, and all of it can be used. */
static void check_size(const char *name, uint64_t size)
{
    struct child *other = puppet_start();
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    shmap_region *made;
    shmap_region *opened;
    shmap_view view;
    char os_name[OS_NAME_ROOM];

    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    assert_code(shmap_region_create(&made, name, size, NULL), 0);
    assert_true(shmap_region_size(made) == rounded(size));
    assert_true(raw_size(os_name) == rounded(size));
    assert_code(shmap_region_inspect(made, &info), 0);
    assert_true(info.size == rounded(size));
    assert_code(shmap_region_open(&opened, name, NULL), 0);
    assert_true(shmap_region_size(opened) == rounded(size));
    puppet_do(other, "open 0 %s", name);
    assert_true(strtoull(puppet_ask(other, "size 0"), NULL, 10) ==
                rounded(size));
    puppet_end(other);

    assert_code(shmap_view_map(&view, opened, NULL), 0);
    assert_true(view.size == rounded(size));
    assert_true(view.capacity == rounded(size));
    for (size_t i = 0; i < view.size; i++)
        assert_int_equal(((char *)view.data)[i], 0);
    memset(view.data, 0x55, view.size);
    shmap_view_unmap(&view);
    shmap_region_close(opened);
    shmap_region_close(made);
}

static void test_region__sizes_are_rounded_up_to_whole_pages(void **state)
{
    uint64_t page = os_page_size();
    const uint64_t sizes[] = {
        1,        page - 1,     page,         page + 1,     2 * page,
        64 * KiB, 64 * KiB - 1, 64 * KiB + 1, 3 * MiB + 17,
    };

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char name[NAME_ROOM];

        unique_name(name, __func__);
        check_size(name, sizes[i]);
    }
}

static void test_region__sizes_over_4_gib_are_kept(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    const uint64_t size = 5 * GiB + os_page_size();
    struct child *other = puppet_start();
    shmap_region *region;
    char name[NAME_ROOM];
    int result;

    (void)state;
    unique_name(name, __func__);
    options.commit = SHMAP_COMMIT_LAZY;
    result = shmap_region_create(&region, name, size, &options);
    if (result == SHMAP_ENOSPC && !os_has_leftovers())
        skip_because("the commit limit is below 5 GiB");
    assert_code(result, 0);
    assert_true(shmap_region_size(region) == size);
    puppet_do(other, "open 0 %s", name);
    assert_true(strtoull(puppet_ask(other, "size 0"), NULL, 10) == size);
    puppet_end(other);
    shmap_region_close(region);
}

/* A size that cannot be, made by every call that makes a region. */
static void assert_size_refused(uint64_t size, int code)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    for (int commit = SHMAP_COMMIT_NOW; commit <= SHMAP_COMMIT_LAZY; commit++) {
        shmap_region *region = NO_REGION;

        options.commit = commit;
        assert_code(shmap_region_create(&region, name, size, &options), code);
        assert_code(shmap_region_open_or_create(&region, name, size, &options),
                    code);
        assert_code(shmap_region_create(&region, NULL, size, &options), code);
        assert_ptr_equal(region, NO_REGION);
        assert_false(raw_exists(os_name));
    }
}

static void test_region__a_size_of_zero_is_invalid(void **state)
{
    (void)state;
    assert_size_refused(0, SHMAP_EINVAL);
}

static void test_region__sizes_that_no_object_can_have_are_too_big(void **state)
{
    const uint64_t half = UINT64_C(1) << 63;
    const uint64_t sizes[] = {half - 1,           half,
                              half + 1,           UINT64_MAX - os_page_size(),
                              UINT64_MAX - 65535, UINT64_MAX - 1,
                              UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_size_refused(sizes[i], SHMAP_E2BIG);
}

static void test_region__huge_lazy_sizes_work_or_are_refused(void **state)
{
    static const int shifts[] = {40, 46, 50, 58, 62};
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    options.commit = SHMAP_COMMIT_LAZY;
    for (size_t i = 0; i < COUNT(shifts); i++) {
        uint64_t size = UINT64_C(1) << shifts[i];
        shmap_region *region = NO_REGION;
        int result = shmap_region_create(&region, name, size, &options);

        if (result == 0) {
            assert_true(shmap_region_size(region) == size);
            shmap_region_close(region);
        } else {
            assert_true(result == SHMAP_ENOSPC || result == SHMAP_E2BIG);
            assert_ptr_equal(region, NO_REGION);
        }
        assert_false(raw_exists(os_name));
    }
}

static void test_region__fresh_memory_is_zero(void **state)
{
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    for (int round = 0; round < 5; round++) {
        shmap_region *region;
        shmap_view view;

        assert_code(shmap_region_create(&region, name, MiB, NULL), 0);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        for (size_t i = 0; i < view.size; i++)
            assert_int_equal(((char *)view.data)[i], 0);
        memset(view.data, 0xff, view.size);
        shmap_view_unmap(&view);
        shmap_region_close(region);
    }
}

static void test_region__anonymous_regions_are_never_shared_by_chance(
    void **state)
{
    shmap_region *first;
    shmap_region *second;
    shmap_view views[2];

    (void)state;
    assert_code(shmap_region_create(&first, NULL, 10000, NULL), 0);
    assert_code(shmap_region_create(&second, NULL, 10000, NULL), 0);
    assert_true(shmap_region_size(first) == rounded(10000));
    assert_code(shmap_view_map(&views[0], first, NULL), 0);
    assert_code(shmap_view_map(&views[1], second, NULL), 0);
    for (size_t i = 0; i < views[0].size; i++)
        assert_int_equal(((char *)views[0].data)[i], 0);
    memset(views[0].data, 1, views[0].size);
    assert_int_equal(*(char *)views[1].data, 0);
    shmap_view_unmap(&views[0]);
    shmap_view_unmap(&views[1]);
    shmap_region_close(first);
    shmap_region_close(second);
}

static void test_region__opened_for_reading_it_can_be_read(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    struct child *other = puppet_start();
    shmap_region *region;
    shmap_view view;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    puppet_do(other, "create 0 %s 4096", name);
    puppet_do(other, "map 0");
    puppet_do(other, "put 0 0 hello");
    options.access = SHMAP_ACCESS_READ;
    assert_code(shmap_region_open(&region, name, &options), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_string_equal(view.data, "hello");
    assert_int_equal(memory_probe(view.data), MEMORY_READABLE);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    puppet_do(other, "unmap 0");
    puppet_do(other, "close 0");
    puppet_end(other);
}

static void test_region__null_pointers_are_refused(void **state)
{
    shmap_region *region = NO_REGION;
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_create(NULL, name, 4096, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_create(NULL, NULL, 4096, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_open(NULL, name, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_open(&region, NULL, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_open_or_create(NULL, name, 1, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_open_or_create(&region, NULL, 1, NULL),
                SHMAP_EINVAL);
    assert_code(shmap_region_open_file(NULL, name, 1, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_open_file(&region, NULL, 1, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_adopt(NULL, 0, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_inspect(NULL, &info), SHMAP_EINVAL);
    assert_ptr_equal(region, NO_REGION);
    assert_true(shmap_region_size(NULL) == 0);
    assert_int_equal(shmap_region_native(NULL), -1);
    shmap_region_close(NULL);
}

static void test_region__reap_of_what_is_not_there_does_nothing(void **state)
{
    unsigned reaped = 77;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_reap(name, NULL, &reaped), 0);
    assert_int_equal(reaped, 0);
    reaped = 77;
    assert_code(shmap_region_reap(name, in_scope(SHMAP_SCOPE_MACHINE), &reaped),
                0);
    assert_int_equal(reaped, 0);
    assert_code(shmap_region_reap(name, NULL, NULL), 0);
}

static void test_region__reap_leaves_what_is_held(void **state)
{
    shmap_region *region;
    shmap_region *again;
    unsigned reaped = 77;
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    assert_code(shmap_region_create(&region, name, 1, NULL), 0);
    assert_code(shmap_region_reap(name, NULL, &reaped), 0);
    assert_int_equal(reaped, 0);
    assert_code(shmap_region_open(&again, name, NULL), 0);
    shmap_region_close(again);
    shmap_region_close(region);
}

static void test_region__reap_refuses_other_options(void **state)
{
    const int scopes[] = {3, -1, 4, 1 << 30};
    const int users[] = {SHMAP_ACCEPT_SYSTEM, SHMAP_ACCEPT_USER, 4, -1};
    unsigned reaped = 77;

    (void)state;
    for (size_t i = 0; i < COUNT(scopes); i++) {
        assert_code(shmap_region_reap("x", in_scope(scopes[i]), &reaped),
                    SHMAP_EINVAL);
        assert_code(shmap_region_reap_all(in_scope(scopes[i]), &reaped),
                    SHMAP_EINVAL);
        assert_code(shmap_region_reap_all(accepting(users[i]), &reaped),
                    SHMAP_EINVAL);
    }
    assert_code(
        shmap_region_reap("x", accepting(SHMAP_ACCEPT_ANYBODY), &reaped),
        SHMAP_EINVAL);
    assert_code(shmap_region_reap(NULL, NULL, &reaped), SHMAP_EINVAL);
    assert_int_equal(reaped, 77);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"meet", meet}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_region__create_makes_one),
        leak_checked(test_region__create_is_exclusive),
        leak_checked(test_region__create_is_exclusive_between_processes),
        leak_checked(test_region__open_never_creates),
        leak_checked(test_region__open_finds_the_same_memory),
        leak_checked(test_region__open_never_changes_a_region),
        leak_checked(
            test_region__open_or_create_tells_the_maker_from_the_opener),
        leak_checked(
            test_region__open_or_create_keeps_the_size_of_what_it_opens),
        leak_checked(test_region__of_many_that_meet_exactly_one_makes_it),
        leak_checked(test_region__sizes_are_rounded_up_to_whole_pages),
        leak_checked(test_region__sizes_over_4_gib_are_kept),
        leak_checked(test_region__a_size_of_zero_is_invalid),
        leak_checked(test_region__sizes_that_no_object_can_have_are_too_big),
        leak_checked(test_region__huge_lazy_sizes_work_or_are_refused),
        leak_checked(test_region__fresh_memory_is_zero),
        leak_checked(test_region__anonymous_regions_are_never_shared_by_chance),
        leak_checked(test_region__opened_for_reading_it_can_be_read),
        leak_checked(test_region__null_pointers_are_refused),
        leak_checked(test_region__reap_of_what_is_not_there_does_nothing),
        leak_checked(test_region__reap_leaves_what_is_held),
        leak_checked(test_region__reap_refuses_other_options),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
