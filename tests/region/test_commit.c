/* SPDX-License-Identifier: MIT */

/* Room: found when a region is made, or an error, but never a signal. */

#include "files.h"
#include "units.h"

#define NO_REGION ((shmap_region *)(uintptr_t)0x5a5a5a5a)

static const char no_small_place[] =
    "named regions cannot be given a small place here";

/* In a role: all named regions together have 8 MiB. */
static bool enter_small_place(void)
{
    if (os_small_shared_memory(8 * MiB))
        return true;
    say("cannot");
    return false;
}

/* A region that must be there. */
static shmap_region *make(const char *name, uint64_t size, int commit)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NO_REGION;

    options.commit = commit;
    role_check_code(shmap_region_create(&region, name, size, &options), 0);
    return region;
}

/* A region for which there is no room: nothing may be left of it. */
static void check_no_room(const char *name, uint64_t size)
{
    shmap_region *region = NO_REGION;
    char os_name[OS_NAME_ROOM];

    role_check_code(shmap_region_create(&region, name, size, NULL),
                    SHMAP_ENOSPC);
    role_check(shmap_system_error() != 0);
    role_check_code(shmap_region_open_or_create(&region, name, size, NULL),
                    SHMAP_ENOSPC);
    role_check(region == NO_REGION);
    role_check(shmap_os_name(os_name, sizeof os_name, name, 0) == 0);
    role_check(!raw_exists(os_name));
}

/* Write to all of a region; where a page has no room, this is the end. */
static void fill(shmap_region *region)
{
    shmap_view view;

    role_check_code(shmap_view_map(&view, region, NULL), 0);
    memset(view.data, 0x42, view.size);
    shmap_view_unmap(&view);
}

static int no_room(int count, char **arguments)
{
    shmap_region *region;
    size_t handles;

    (void)count;
    (void)arguments;
    if (!enter_small_place())
        return 0;
    handles = os_open_handles();
    check_no_room("a", 64 * MiB);
    check_no_room("a", 9 * MiB);
    check_no_room("a", 8 * MiB + 1);
    check_no_room("a", UINT64_C(1) << 40);
    check_no_room("a", UINT64_C(1) << 62);
    /* The failures took nothing: all the room is there. */
    region = make("a", 8 * MiB, SHMAP_COMMIT_NOW);
    fill(region);
    shmap_region_close(region);
    role_check(units_same_handles(handles));
    say("done");
    return 0;
}

static void test_commit__no_room_is_an_error_and_nothing_is_left(void **state)
{
    (void)state;
    units_run_role("no_room", NULL, no_small_place);
}

static int taken_at_once(int count, char **arguments)
{
    shmap_region *first;
    shmap_region *second;

    (void)count;
    (void)arguments;
    if (!enter_small_place())
        return 0;
    first = make("first", 5 * MiB, SHMAP_COMMIT_NOW);
    check_no_room("second", 4 * MiB);
    fill(first);
    second = make("second", 3 * MiB, SHMAP_COMMIT_NOW);
    fill(second);
    shmap_region_close(first);
    first = make("first", 5 * MiB, SHMAP_COMMIT_NOW);
    shmap_region_close(first);
    shmap_region_close(second);
    say("done");
    return 0;
}

static void test_commit__room_is_taken_when_a_region_is_made(void **state)
{
    (void)state;
    units_run_role("taken_at_once", NULL, no_small_place);
}

static int lazily(int count, char **arguments)
{
    shmap_region *region;
    shmap_region *other;
    shmap_view view;

    (void)count;
    (void)arguments;
    if (!enter_small_place())
        return 0;
    region = make("lazy", 64 * MiB, SHMAP_COMMIT_LAZY);
    role_check(shmap_region_size(region) == 64 * MiB);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    ((char *)view.data)[64 * MiB - 1] = 1;
    other = make("other", 7 * MiB, SHMAP_COMMIT_NOW);
    shmap_region_close(other);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_commit__a_lazy_region_takes_no_room(void **state)
{
    (void)state;
    units_run_role("lazily", NULL, no_small_place);
}

static int prefault(int count, char **arguments)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *region;
    shmap_view view;
    shmap_view before;

    (void)count;
    (void)arguments;
    if (!enter_small_place())
        return 0;
    region = make("lazy", 64 * MiB, SHMAP_COMMIT_LAZY);
    memset(&view, 0xa5, sizeof view);
    before = view;
    options.flags = SHMAP_VIEW_PREFAULT;
    role_check_code(shmap_view_map(&view, region, &options), SHMAP_ENOSPC);
    role_check(memcmp(&view, &before, sizeof view) == 0);
    if (strstr(shmap_error_detail(), "asked for 67108864 bytes") == NULL)
        role_fail("the detail is \"%s\"", shmap_error_detail());
    options.offset = 65537;
    options.size = MiB;
    shmap_region_close(region);
    region = make("lazy", 64 * MiB, SHMAP_COMMIT_LAZY);
    role_check_code(shmap_view_map(&view, region, &options), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_commit__prefaulting_without_room_is_an_error(void **state)
{
    (void)state;
    units_run_role("prefault", NULL, no_small_place);
}

/* Leave a region behind, as a process does that ends without closing. */
static void leave_in(int scope, const char *name, uint64_t size)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NO_REGION;
    FILE *from;
    FILE *to;
    int pid = os_fork(&from, &to);

    role_check(pid >= 0);
    if (pid == 0) {
        options.scope = scope;
        role_check_code(shmap_region_create(&region, name, size, &options), 0);
        os_exit_now(0);
    }
    role_check(os_fork_wait(pid) == 0);
    fclose(from);
    fclose(to);
}

static void leave(const char *name, uint64_t size)
{
    leave_in(SHMAP_SCOPE_USER, name, size);
}

static void leave_native(const char *name, uint64_t size)
{
    leave_in(SHMAP_SCOPE_NATIVE, name, size);
}

static int reclaim(int count, char **arguments)
{
    shmap_region *region;
    char os_name[OS_NAME_ROOM];

    (void)count;
    (void)arguments;
    if (!os_can_fork()) {
        say("cannot");
        return 0;
    }
    if (!enter_small_place())
        return 0;
    leave("dead", 3 * MiB);
    leave("dead too", 3 * MiB);
    role_check(shmap_os_name(os_name, sizeof os_name, "dead", 0) == 0);
    role_check(raw_exists(os_name));

    /* What fits leaves them; what does not removes them. */
    region = make("small", MiB, SHMAP_COMMIT_NOW);
    role_check(raw_exists(os_name));
    shmap_region_close(region);
    region = make("large", 7 * MiB, SHMAP_COMMIT_NOW);
    role_check(!raw_exists(os_name));
    role_check(shmap_os_name(os_name, sizeof os_name, "dead too", 0) == 0);
    role_check(!raw_exists(os_name));
    fill(region);
    shmap_region_close(region);

    leave_native("dead natively", 6 * MiB);
    region = make("large", 7 * MiB, SHMAP_COMMIT_NOW);
    role_check(!raw_exists("dead natively"));
    shmap_region_close(region);

    leave("dead", 6 * MiB);
    role_check_code(
        shmap_region_open_or_create(&region, "another", 5 * MiB, NULL),
        SHMAP_CREATED);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_commit__leftovers_are_no_reason_for_lack_of_room(void **state)
{
    (void)state;
    units_run_role("reclaim", NULL,
                   "nothing can be left over, or the place is not small");
}

static int keep_the_living(int count, char **arguments)
{
    shmap_region *region;
    shmap_region *again;
    shmap_view view;

    (void)count;
    (void)arguments;
    if (!enter_small_place())
        return 0;
    region = make("living", 5 * MiB, SHMAP_COMMIT_NOW);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    strcpy(view.data, "alive");
    shmap_region_close(region);
    check_no_room("large", 7 * MiB);
    role_check(strcmp(view.data, "alive") == 0);
    role_check_code(shmap_region_open(&again, "living", NULL), 0);
    shmap_region_close(again);
    shmap_view_unmap(&view);
    say("done");
    return 0;
}

static void test_commit__living_regions_are_never_reclaimed(void **state)
{
    (void)state;
    units_run_role("keep_the_living", NULL, no_small_place);
}

/* The limit for file sizes, beyond which a program gets a signal that ends it.
 */
static int limited(int count, char **arguments)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    const char *path = arguments[0];
    shmap_region *region = NO_REGION;
    char name[NAME_ROOM];

    (void)count;
    unique_name(name, __func__);
    role_check(file_write(path, "content", 7));
    if (!os_limit_file_size(MiB)) {
        say("cannot");
        return 0;
    }
    for (int commit = SHMAP_COMMIT_NOW; commit <= SHMAP_COMMIT_LAZY; commit++) {
        options.commit = commit;
        role_check_code(shmap_region_create(&region, name, MiB + 1, &options),
                        SHMAP_ENOSPC);
        role_check_code(
            shmap_region_open_or_create(&region, name, 2 * MiB, &options),
            SHMAP_ENOSPC);
        role_check_code(shmap_region_create(&region, NULL, MiB + 1, &options),
                        SHMAP_ENOSPC);
        role_check_code(
            shmap_region_open_file(&region, path, MiB + 1, &options),
            SHMAP_ENOSPC);
        role_check(file_size(path) == 7);
        role_check(region == NO_REGION);
    }
    check_no_room(name, 2 * MiB);
    role_check(file_remove(path));
    options.create = SHMAP_CREATE_NEW;
    role_check_code(shmap_region_open_file(&region, path, MiB + 1, &options),
                    SHMAP_ENOSPC);
    role_check(!file_exists(path));

    /* What the limit allows works. */
    region = make(name, MiB, SHMAP_COMMIT_NOW);
    fill(region);
    shmap_region_close(region);
    role_check_code(shmap_region_open_file(&region, path, MiB, &options),
                    SHMAP_ALONE);
    fill(region);
    shmap_region_close(region);
    role_check(file_remove(path));
    say("done");
    return 0;
}

static void test_commit__the_limit_for_file_sizes_is_no_signal(void **state)
{
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    units_run_role("limited", path, "there is no limit for file sizes here");
}

/* Signals that interrupt what takes longer than they are apart. */
static int interrupted(int count, char **arguments)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    const char *path = arguments[0];
    shmap_region *region;
    char name[NAME_ROOM];

    (void)count;
    unique_name(name, __func__);
    if (!os_start_interval_timer(1000)) {
        say("cannot");
        return 0;
    }
    region = make(name, 256 * MiB, SHMAP_COMMIT_NOW);
    role_check(shmap_region_size(region) == 256 * MiB);
    shmap_region_close(region);
    region = make(NULL, 64 * MiB, SHMAP_COMMIT_NOW);
    shmap_region_close(region);
    options.create = SHMAP_CREATE_NEW;
    role_check_code(shmap_region_open_file(&region, path, 64 * MiB, &options),
                    SHMAP_ALONE);
    shmap_region_close(region);
    role_check(file_size(path) == 64 * MiB);
    role_check(file_remove(path));
    say("done");
    return 0;
}

static void test_commit__signals_do_not_stop_it(void **state)
{
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    units_run_role("interrupted", path, "there are no such signals here");
}

static int interrupted_prefault(int count, char **arguments)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *region;
    shmap_view view;

    (void)count;
    (void)arguments;
    if (!os_start_interval_timer(1000)) {
        say("cannot");
        return 0;
    }
    region = make(NULL, 128 * MiB, SHMAP_COMMIT_LAZY);
    options.flags = SHMAP_VIEW_PREFAULT;
    role_check_code(shmap_view_map(&view, region, &options), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_commit__signals_do_not_stop_prefaulting(void **state)
{
    (void)state;
    units_run_role("interrupted_prefault", NULL,
                   "there are no such signals here");
}

static void test_commit__more_than_the_system_has_is_no_room(void **state)
{
    shmap_region *region = NO_REGION;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];
    uint64_t size = units_too_much_memory();

    (void)state;
    if (size == 0)
        skip_because("asking for too much does harm here, or succeeds");
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    assert_code(shmap_region_create(&region, name, size, NULL), SHMAP_ENOSPC);
    assert_code(shmap_region_create(&region, NULL, size, NULL), SHMAP_ENOSPC);
    assert_ptr_equal(region, NO_REGION);
    assert_false(raw_exists(os_name));
}

static void test_commit__all_of_a_region_can_be_written(void **state)
{
    char name[NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    for (int i = 0; i < 4; i++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
        shmap_region *region;
        shmap_view view;

        options.commit = i % 2 == 0 ? SHMAP_COMMIT_NOW : SHMAP_COMMIT_LAZY;
        assert_code(shmap_region_create(&region, i < 2 ? name : NULL, 40 * MiB,
                                        &options),
                    0);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        memset(view.data, 0x42, view.size);
        shmap_view_unmap(&view);
        shmap_region_close(region);
    }
}

static void test_commit__an_anonymous_region_cannot_be_shrunk(void **state)
{
    shmap_region *region;

    (void)state;
    if (!os_has_leftovers())
        skip_because("no memory changes its size here");
    if (os_has_lock_files())
        skip_because("nothing protects memory from being shrunk here");
    for (int commit = SHMAP_COMMIT_NOW; commit <= SHMAP_COMMIT_LAZY; commit++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
        shmap_view view;

        options.commit = commit;
        assert_code(shmap_region_create(&region, NULL, 65536, &options), 0);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        assert_false(raw_resize(shmap_region_native(region), 0));
        assert_false(raw_resize(shmap_region_native(region), 65535));
        assert_true(shmap_region_size(region) == 65536);
        memset(view.data, 1, view.size);
        shmap_view_unmap(&view);
        shmap_region_close(region);
    }
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"no_room", no_room},
        {"taken_at_once", taken_at_once},
        {"lazily", lazily},
        {"prefault", prefault},
        {"reclaim", reclaim},
        {"keep_the_living", keep_the_living},
        {"limited", limited},
        {"interrupted", interrupted},
        {"interrupted_prefault", interrupted_prefault},
        {0, 0},
    };
    static const struct CMUnitTest tests[] = {
        leak_checked(test_commit__no_room_is_an_error_and_nothing_is_left),
        leak_checked(test_commit__room_is_taken_when_a_region_is_made),
        leak_checked(test_commit__a_lazy_region_takes_no_room),
        leak_checked(test_commit__prefaulting_without_room_is_an_error),
        leak_checked(test_commit__leftovers_are_no_reason_for_lack_of_room),
        leak_checked(test_commit__living_regions_are_never_reclaimed),
        leak_checked(test_commit__the_limit_for_file_sizes_is_no_signal),
        leak_checked(test_commit__signals_do_not_stop_it),
        leak_checked(test_commit__signals_do_not_stop_prefaulting),
        leak_checked(test_commit__more_than_the_system_has_is_no_room),
        leak_checked(test_commit__all_of_a_region_can_be_written),
        leak_checked(test_commit__an_anonymous_region_cannot_be_shrunk),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
