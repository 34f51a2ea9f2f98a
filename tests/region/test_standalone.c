/* SPDX-License-Identifier: MIT */

/* Never in the way: descriptors, output, and what others put in its place. */

#include "files.h"
#include "puppet.h"
#include "units.h"

#define NO_REGION ((shmap_region *)(uintptr_t)0x5a5a5a5a)

/* One region of each kind, made or opened in each way. */
enum { NAMED, OPENED, ANONYMOUS, OF_FILE, OF_FILE_READ, ADOPTED, KINDS };

struct regions {
    shmap_region *of[KINDS];
    char name[NAME_ROOM];
    char path[NAME_ROOM];
};

static bool open_all(struct regions *regions)
{
    shmap_region_options read = SHMAP_REGION_OPTIONS_INIT;
    shmap_region **of = regions->of;

    read.access = SHMAP_ACCESS_READ;
    return shmap_region_create(&of[NAMED], regions->name, 4096, NULL) == 0 &&
           shmap_region_open(&of[OPENED], regions->name, NULL) == 0 &&
           shmap_region_create(&of[ANONYMOUS], NULL, 4096, NULL) == 0 &&
           shmap_region_open_file(&of[OF_FILE], regions->path, 0, NULL) >= 0 &&
           shmap_region_open_file(&of[OF_FILE_READ], regions->path, 0, &read) >=
               0 &&
           shmap_region_adopt(&of[ADOPTED], units_memory(4096, true), NULL) ==
               0;
}

static void close_all(struct regions *regions)
{
    for (int i = 0; i < KINDS; i++)
        shmap_region_close(regions->of[i]);
}

/* Names for the regions of a role, from its argument, a path of a file. */
static struct regions named_after(const char *path)
{
    struct regions regions = {0};

    unique_name(regions.name, "standalone");
    snprintf(regions.path, sizeof regions.path, "%s", path);
    return regions;
}

/* Play a role that gets the path of a file with content. */
static void run_role(const char *role, const char *reason)
{
    char path[NAME_ROOM];
    bool played;

    scratch_path(path, role);
    assert_true(file_write(path, "content", 7));
    played = units_play_role(role, path);
    assert_true(file_remove(path));
    if (!played)
        skip_because(reason);
}

static int without_streams(int count, char **arguments)
{
    struct regions regions = named_after(arguments[0]);

    (void)count;
    if (!os_close_standard_streams()) {
        say("cannot");
        return 0;
    }
    role_check(open_all(&regions));
    for (int i = 0; i < KINDS; i++)
        if (shmap_region_native(regions.of[i]) <= 2)
            role_fail("region %d has descriptor %d", i,
                      (int)shmap_region_native(regions.of[i]));
    close_all(&regions);
    for (int i = 0; i <= 2; i++)
        role_check(!units_is_open(i));
    say("done");
    return 0;
}

static void test_standalone__descriptors_are_never_0_1_or_2(void **state)
{
    (void)state;
    run_role("without_streams", "there are no such numbers here");
}

/* Somebody closes every descriptor. */
static int closed_behind(int count, char **arguments)
{
    struct regions regions = named_after(arguments[0]);
    shmap_view views[KINDS];
    char first[KINDS];

    (void)count;
    role_check(open_all(&regions));
    for (int i = 0; i < KINDS; i++) {
        role_check_code(shmap_view_map(&views[i], regions.of[i], NULL), 0);
        first[i] = *(char *)views[i].data;
    }
    if (!os_close_all_above_standard())
        for (int i = 0; i < KINDS; i++)
            raw_close(shmap_region_native(regions.of[i]));
    for (int i = 0; i < KINDS; i++) {
        shmap_region_info info = SHMAP_REGION_INFO_INIT;
        shmap_region_info no_info = SHMAP_REGION_INFO_INIT;
        shmap_view view = SHMAP_VIEW_INIT;
        shmap_view before = views[i];

        role_check(shmap_region_size(regions.of[i]) == 0);
        role_check_code(shmap_region_inspect(regions.of[i], &info),
                        SHMAP_EINVAL);
        role_check(memcmp(&info, &no_info, sizeof info) == 0);
        role_check_code(shmap_view_map(&view, regions.of[i], NULL),
                        SHMAP_EINVAL);
        role_check(view.data == NULL);
        role_check_code(shmap_view_refresh(&views[i]), SHMAP_EINVAL);
        role_check(memcmp(&views[i], &before, sizeof before) == 0);
        /* What is mapped stays so. */
        role_check(*(char *)views[i].data == first[i]);
        shmap_view_unmap(&views[i]);
        shmap_region_close(regions.of[i]);
    }
    say("done");
    return 0;
}

static void test_standalone__descriptors_closed_behind_its_back_are_noticed(
    void **state)
{
    (void)state;
    run_role("closed_behind", "");
}

/* Somebody closes a descriptor, and something else gets its number. */
static int replaced_behind(int count, char **arguments)
{
    struct regions regions = named_after(arguments[0]);
    intptr_t other = units_memory(12288, true);
    char text[8] = "";

    (void)count;
    role_check(raw_write(other, 0, "theirs", 7));
    role_check(open_all(&regions));
    for (int i = 0; i < KINDS; i++) {
        shmap_region_info info = SHMAP_REGION_INFO_INIT;
        shmap_view view = SHMAP_VIEW_INIT;
        shmap_view kept;
        intptr_t number = shmap_region_native(regions.of[i]);

        role_check_code(shmap_view_map(&kept, regions.of[i], NULL), 0);
        if (!units_replace(number, other)) {
            say("cannot");
            return 0;
        }
        role_check(shmap_region_size(regions.of[i]) == 0);
        role_check_code(shmap_region_inspect(regions.of[i], &info),
                        SHMAP_EINVAL);
        role_check_code(shmap_view_map(&view, regions.of[i], NULL),
                        SHMAP_EINVAL);
        role_check_code(shmap_view_refresh(&kept), SHMAP_EINVAL);
        if (i == OF_FILE)
            role_check_code(shmap_view_flush(&kept, 0, 0, SHMAP_FLUSH_DURABLE),
                            SHMAP_EINVAL);
        shmap_view_unmap(&kept);
        shmap_region_close(regions.of[i]);
        role_check(units_is_open(number));
        role_check(raw_read(number, 0, text, sizeof text));
        role_check(strcmp(text, "theirs") == 0);
    }
    say("done");
    return 0;
}

static void test_standalone__a_number_that_means_something_else_is_left_alone(
    void **state)
{
    (void)state;
    run_role("replaced_behind", "numbers of handles cannot be chosen here");
}

/* With so many more handles as the argument says, every call works or says
 * what it lacks, and then has changed nothing. */
static int few_handles(int count, char **arguments)
{
    struct regions regions = named_after(arguments[0]);
    unsigned further = (unsigned)atoi(arguments[1]);
    shmap_region *region = NO_REGION;
    shmap_region *held;
    char fresh[NAME_ROOM];
    char os_name[OS_NAME_ROOM];
    int results[7] = {0};
    int failures = 0;

    (void)count;
    unique_name(fresh, "fresh");
    role_check(shmap_os_name(os_name, sizeof os_name, fresh, 0) == 0);
    role_check_code(shmap_region_create(&held, regions.name, 4096, NULL), 0);
    if (!os_limit_handles(further)) {
        say("cannot");
        return 0;
    }
    for (int i = 0; i < (int)COUNT(results); i++) {
        region = NO_REGION;
        if (i == 0)
            results[i] = shmap_region_create(&region, fresh, 4096, NULL);
        else if (i == 1)
            results[i] = shmap_region_create(&region, NULL, 4096, NULL);
        else if (i == 2)
            results[i] = shmap_region_open(&region, regions.name, NULL);
        else if (i == 3)
            results[i] =
                shmap_region_open_or_create(&region, fresh, 4096, NULL);
        else if (i == 4)
            results[i] =
                shmap_region_open_or_create(&region, regions.name, 4096, NULL);
        else if (i == 5)
            results[i] = shmap_region_open_file(&region, regions.path, 0, NULL);
        else
            results[i] = shmap_region_reap(regions.name, NULL, NULL);
        if (results[i] < 0) {
            failures++;
            role_check_code(results[i], SHMAP_EMFILE);
            role_check(region == NO_REGION);
        } else if (region != NO_REGION) {
            shmap_region_close(region);
        }
        role_check(!raw_exists(os_name));
    }
    /* Letting go needs no further handle. */
    role_check(shmap_os_name(os_name, sizeof os_name, regions.name, 0) == 0);
    role_check(raw_exists(os_name));
    shmap_region_close(held);
    role_check(!raw_exists(os_name));
    say("%s", further == 0 && failures == 0 ? "none failed" : "done");
    return 0;
}

static void test_standalone__too_few_handles_are_an_error(void **state)
{
    char path[NAME_ROOM];

    (void)state;
    scratch_path(path, __func__);
    assert_true(file_write(path, "content", 7));
    for (int further = 0; further < 6; further++) {
        char number[16];
        struct child *child;
        const char *line;

        snprintf(number, sizeof number, "%d", further);
        child = child_start("few_handles", path, number, NULL);
        line = child_read_line(child, PATIENCE);
        assert_non_null(line);
        if (strcmp(line, "cannot") == 0) {
            file_remove(path);
            skip_because("the number of handles cannot be limited here");
        }
        assert_string_equal(line, "done");
        assert_int_equal(child_wait(child, PATIENCE), 0);
    }
    assert_true(file_remove(path));
}

/* Everything that has names, where the system counts all of it as ours. */
static unsigned count_names(void)
{
    return os_is_root() ? raw_count("/") : 0;
}

/* Standard input is closed, and so many numbers above the standard ones are
 * free: what is made gets the number 0 first, which it must not keep. */
static int few_numbers(int count, char **arguments)
{
    struct regions regions = named_after(arguments[0]);
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NO_REGION;
    intptr_t spare[8];
    char os_name[OS_NAME_ROOM];
    int results[5];
    unsigned names;

    (void)count;
    role_check(shmap_os_name(os_name, sizeof os_name, regions.name, 0) == 0);
    /* What there is afterwards for good. */
    role_check_code(shmap_region_create(&region, regions.name, 1, NULL), 0);
    shmap_region_close(region);
    names = count_names();
    for (size_t i = 0; i < COUNT(spare); i++)
        spare[i] = units_directory();
    if (!os_limit_handles((unsigned)atoi(arguments[1]))) {
        say("cannot");
        return 0;
    }
    fclose(stdin);
    for (int i = 0; i < (int)COUNT(results); i++) {
        region = NO_REGION;
        options.create = i == 3 ? SHMAP_CREATE_NEW : SHMAP_CREATE_IF_MISSING;
        if (i == 0)
            results[i] = shmap_region_create(&region, regions.name, 4096, NULL);
        else if (i == 1)
            results[i] =
                shmap_region_open_or_create(&region, regions.name, 4096, NULL);
        else if (i == 2)
            results[i] = shmap_region_create(&region, NULL, 4096, NULL);
        else
            results[i] =
                shmap_region_open_file(&region, regions.path, 4096, &options);
        if (results[i] < 0) {
            role_check_code(results[i], SHMAP_EMFILE);
            role_check(region == NO_REGION);
            role_check(i < 3 || !file_exists(regions.path));
        } else {
            role_check(shmap_region_native(region) > 2);
            shmap_region_close(region);
            role_check(i < 3 || file_remove(regions.path));
        }
        role_check(!raw_exists(os_name));
    }
    for (size_t i = 0; i < COUNT(spare); i++)
        raw_close(spare[i]);
    role_check(count_names() == names);
    /* Nor does anything stand in the way of the next one. */
    role_check_code(shmap_region_create(&region, regions.name, 1, NULL), 0);
    shmap_region_close(region);
    say("%s", results[0] < 0 ? "failed" : "done");
    os_exit_now(0);
    return 0;
}

static void test_standalone__too_few_numbers_leave_nothing_behind(void **state)
{
    enum { MANY = 12 };
    bool failed = false;
    bool done = false;

    (void)state;
    for (int further = 0; further < MANY; further++) {
        char path[NAME_ROOM];
        char number[16];
        struct child *child;
        const char *line;

        scratch_path(path, __func__);
        snprintf(number, sizeof number, "%d", further);
        child = child_start("few_numbers", path, number, NULL);
        line = child_read_line(child, PATIENCE);
        assert_non_null(line);
        if (strcmp(line, "cannot") == 0)
            skip_because("the number of handles cannot be limited here");
        if (strcmp(line, "failed") == 0)
            failed = true;
        else
            assert_string_equal(line, "done");
        done = strcmp(line, "done") == 0;
        assert_int_equal(child_wait(child, PATIENCE), 0);
        assert_false(file_exists(path));
    }
    assert_true(failed && done);
}

/* Something else has the name of a region: what each call says of it. */
static void assert_planted(enum raw_kind kind, int open_code, int create_code)
{
    shmap_region_options anybody = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NO_REGION;
    unsigned reaped = 77;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];
    intptr_t planted;

    if (!raw_can_plant(kind))
        return;
    anybody.accept = SHMAP_ACCEPT_ANYBODY;
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    planted = raw_plant(os_name, kind, 4096, 0);
    assert_int_not_equal(planted, -1);
    assert_code(shmap_region_open(&region, name, &anybody), open_code);
    assert_code(shmap_region_create(&region, name, 4096, NULL), create_code);
    assert_code(shmap_region_open_or_create(&region, name, 4096, &anybody),
                open_code);
    assert_ptr_equal(region, NO_REGION);
    assert_code(shmap_region_reap(name, NULL, &reaped), 0);
    assert_int_equal(reaped, 0);
    assert_true(raw_exists(os_name));
    raw_remove(os_name);
    raw_close(planted);
}

static void test_standalone__a_pipe_under_the_name_does_not_hang(void **state)
{
    (void)state;
    if (!raw_can_plant(RAW_FIFO))
        skip_because("names of memory have no pipes here");
    assert_planted(RAW_FIFO, SHMAP_ETYPE, SHMAP_ETYPE);
}

static void test_standalone__what_is_no_memory_is_of_another_type(void **state)
{
    (void)state;
    assert_planted(RAW_DIRECTORY, SHMAP_ETYPE, SHMAP_ETYPE);
    assert_planted(RAW_SYMLINK, SHMAP_ETYPE, SHMAP_ETYPE);
    assert_planted(RAW_MUTEX, SHMAP_ETYPE, SHMAP_ETYPE);
}

static void test_standalone__memory_without_a_size_is_not_ready(void **state)
{
    (void)state;
    assert_planted(RAW_EMPTY, SHMAP_ENOTREADY, SHMAP_EEXIST);
}

/* In a user namespace where our user is unknown, what belongs to the unknown
 * is everybody's and nobody's. */
static int unknown_here(int count, char **arguments)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    shmap_region *region = NO_REGION;

    (void)count;
    options.scope = SHMAP_SCOPE_MACHINE;
    if (!os_enter_user_namespace()) {
        say("cannot");
        return 0;
    }
    role_check_code(shmap_region_open(&region, arguments[0], &options),
                    SHMAP_EOWNER);
    options.accept = SHMAP_ACCEPT_SYSTEM;
    role_check_code(shmap_region_open(&region, arguments[0], &options),
                    SHMAP_EOWNER);
    role_check(region == NO_REGION);
    options.accept = SHMAP_ACCEPT_ANYBODY;
    role_check_code(shmap_region_open(&region, arguments[0], &options), 0);
    role_check_code(shmap_region_inspect(region, &info), 0);
    role_check(info.user[0] == '\0');
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_standalone__an_unknown_owner_is_not_ours(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    char name[NAME_ROOM];
    bool played;

    (void)state;
    if (!units_has_machine_scope())
        skip_because("this process may not make what the machine sees");
    if (os_has_lock_files())
        skip_because("meant for systems without user namespaces");
    unique_name(name, __func__);
    options.scope = SHMAP_SCOPE_MACHINE;
    assert_code(shmap_region_create(&region, name, 4096, &options), 0);
    played = units_play_role("unknown_here", name);
    shmap_region_close(region);
    if (!played)
        skip_because("user namespaces cannot be made here");
}

/* Wait, with whatever this program inherited. */
static int heir(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    say("started");
    hear();
    return 0;
}

static void test_standalone__programs_do_not_inherit(void **state)
{
    struct regions regions = {0};
    shmap_region *again;
    struct child *child;
    char os_name[OS_NAME_ROOM];

    (void)state;
    unique_name(regions.name, __func__);
    scratch_path(regions.path, __func__);
    assert_true(file_write(regions.path, "content", 7));
    assert_true(open_all(&regions));
    for (int i = 0; i < KINDS; i++)
        assert_false(units_is_inheritable(shmap_region_native(regions.of[i])));
    child = child_start("heir", NULL);
    child_expect(child, "started");
    close_all(&regions);
    os_name_of(os_name, regions.name, SHMAP_SCOPE_USER);
    assert_false(raw_exists(os_name));
    assert_code(shmap_region_open_file(&again, regions.path, 0, NULL),
                SHMAP_ALONE);
    shmap_region_close(again);
    child_end(child);
    assert_true(file_remove(regions.path));
}

/* Succeed and fail in many ways, with both streams kept in files. */
static int be_quiet(int count, char **arguments)
{
    struct regions regions = named_after(arguments[0]);
    shmap_region *region;
    shmap_view view = SHMAP_VIEW_INIT;
    char error_path[NAME_ROOM + 8];

    (void)count;
    snprintf(error_path, sizeof error_path, "%s-err", arguments[0]);
    role_check(freopen(error_path, "wb", stderr) != NULL);
    role_check(open_all(&regions));
    shmap_region_create(&region, regions.name, 4096, NULL);
    shmap_region_create(&region, "", 4096, NULL);
    shmap_region_create(&region, NULL, UINT64_MAX, NULL);
    shmap_region_open(NULL, NULL, NULL);
    shmap_region_open(&region, "\377", NULL);
    shmap_region_open_file(&region, ".", 0, NULL);
    shmap_region_adopt(&region, units_bad_handle(), NULL);
    shmap_view_refresh(&view);
    shmap_view_map(&view, regions.of[NAMED], NULL);
    shmap_view_unmap(&view);
    shmap_view_unmap(&view);
    shmap_region_reap(regions.name, in_scope(99), NULL);
    close_all(&regions);
    fflush(stderr);
    role_check(file_size(error_path) == 0);
    fclose(stderr);
    role_check(file_remove(error_path));
    say("done");
    return 0;
}

static void test_standalone__nothing_is_printed(void **state)
{
    (void)state;
    run_role("be_quiet", "");
}

static void test_standalone__the_umask_makes_no_difference(void **state)
{
    static const unsigned masks[] = {0, 0022, 0777};

    (void)state;
    if (!units_has_modes())
        skip_because("there is no umask here");
    for (size_t i = 0; i < COUNT(masks); i++) {
        shmap_region *region;
        char name[NAME_ROOM];
        char os_name[OS_NAME_ROOM];
        unsigned before = units_set_umask(masks[i]);
        int result;

        unique_name(name, __func__);
        os_name_of(os_name, name, SHMAP_SCOPE_USER);
        result = shmap_region_create(&region, name, 4096, NULL);
        assert_int_equal(units_set_umask(before), masks[i]);
        assert_code(result, 0);
        assert_int_equal(raw_mode(os_name), os_has_lock_files() ? 0600 : 01600);
        shmap_region_close(region);
    }
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"without_streams", without_streams},
        {"closed_behind", closed_behind},
        {"replaced_behind", replaced_behind},
        {"few_handles", few_handles},
        {"few_numbers", few_numbers},
        {"unknown_here", unknown_here},
        {"heir", heir},
        {"be_quiet", be_quiet},
        {0, 0},
    };
    static const struct CMUnitTest tests[] = {
        leak_checked(test_standalone__descriptors_are_never_0_1_or_2),
        leak_checked(
            test_standalone__descriptors_closed_behind_its_back_are_noticed),
        leak_checked(
            test_standalone__a_number_that_means_something_else_is_left_alone),
        leak_checked(test_standalone__too_few_handles_are_an_error),
        cmocka_unit_test(test_standalone__too_few_numbers_leave_nothing_behind),
        leak_checked(test_standalone__a_pipe_under_the_name_does_not_hang),
        leak_checked(test_standalone__what_is_no_memory_is_of_another_type),
        leak_checked(test_standalone__memory_without_a_size_is_not_ready),
        leak_checked(test_standalone__an_unknown_owner_is_not_ours),
        leak_checked(test_standalone__programs_do_not_inherit),
        leak_checked(test_standalone__nothing_is_printed),
        leak_checked(test_standalone__the_umask_makes_no_difference),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
