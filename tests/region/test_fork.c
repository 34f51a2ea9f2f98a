/* SPDX-License-Identifier: MIT */

/* Regions in forked processes: a child holds what its parent held, for itself.
 */

#include <uv.h>

#include "base/stop.h"
#include "place.h"
#include "puppet.h"

#define SLEEPERS 200
#define TURNS    2000

/* A puppet with a region and a view, and a forked child. */
static struct child *family(const struct place *place)
{
    struct child *parent = puppet_start();
    puppet_do(parent, "create 0 %s 8192", place->name);
    puppet_do(parent, "map 0");
    puppet_do(parent, "fork");
    return parent;
}

static void test_fork__child_keeps_what_its_parent_closed(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "unmap 0");
    puppet_do(parent, "close 0");
    puppet_do(parent, "child put 0 0 from-child");
    assert_string_equal(place_read(&place), "from-child");
    /* It ends without closing. */
    assert_string_equal(puppet_ask(parent, "wait"), "0");
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
    assert_false(raw_exists(place.os_name));
}

static void test_fork__child_that_is_killed_lets_go(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "unmap 0");
    puppet_do(parent, "close 0");
    assert_code(place_open(&place), 0);
    assert_string_equal(puppet_ask(parent, "kill"), "-1");
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
    assert_false(raw_exists(place.os_name));
}

static void test_fork__last_close_in_the_child_frees_at_once(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "unmap 0");
    puppet_do(parent, "close 0");
    puppet_do(parent, "child close 0");
    assert_code(place_open(&place), 0);
    puppet_do(parent, "child unmap 0");
    assert_false(raw_exists(place.os_name));
}

static void test_fork__last_close_in_the_parent_frees_at_once(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "child unmap 0");
    puppet_do(parent, "child close 0");
    puppet_do(parent, "put 0 0 from-parent");
    assert_string_equal(place_read(&place), "from-parent");
    puppet_do(parent, "close 0");
    assert_code(place_open(&place), 0);
    puppet_do(parent, "unmap 0");
    assert_false(raw_exists(place.os_name));
}

static void test_fork__end_of_the_child_does_not_hurt_the_parent(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "child put 0 0 from-child");
    assert_string_equal(puppet_ask(parent, "kill"), "-1");
    for (int i = 0; i < 5; i++) {
        puppet_do(parent, "fork");
        assert_string_equal(puppet_ask(parent, "wait"), "0");
        assert_string_equal(place_read(&place), "from-child");
    }
    puppet_do(parent, "unmap 0");
    puppet_do(parent, "close 0");
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
}

static void test_fork__end_of_the_parent_does_not_hurt_the_child(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "child put 0 0 from-child");
    /* Becoming another program ends its hold, and keeps the child's pipe. */
    puppet_do(parent, "exec");
    for (int i = 0; i < 20; i++)
        assert_string_equal(place_read(&place), "from-child");
    child_close_stdin(parent);
    assert_int_equal(child_wait(parent, PATIENCE), 0);
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
    assert_false(raw_exists(place.os_name));
}

static void test_fork__program_started_by_a_child_does_not_hold(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "put 0 0 from-parent");
    puppet_do(parent, "child exec");
    assert_string_equal(place_read(&place), "from-parent");
    puppet_do(parent, "unmap 0");
    puppet_do(parent, "close 0");
    /* The answer came before the child was the other program. */
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
    assert_false(raw_exists(place.os_name));
    assert_string_equal(puppet_ask(parent, "wait"), "0");
}

static void test_fork__grandchild_holds_as_well(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "child fork");
    puppet_do(parent, "unmap 0");
    puppet_do(parent, "close 0");
    puppet_do(parent, "child unmap 0");
    puppet_do(parent, "child close 0");
    puppet_do(parent, "child child put 0 0 third");
    assert_string_equal(place_read(&place), "third");
    puppet_do(parent, "child child unmap 0");
    puppet_do(parent, "child child close 0");
    assert_false(raw_exists(place.os_name));
}

static void test_fork__child_makes_and_opens_regions(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct place other = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = family(&place);
    puppet_do(parent, "child create 1 %s 4096", other.name);
    puppet_do(parent, "child map 1");
    puppet_do(parent, "child put 1 0 hello");
    puppet_do(parent, "open 1 %s", other.name);
    puppet_do(parent, "map 1");
    assert_string_equal(puppet_ask(parent, "get 1 0"), "hello");
    assert_code(puppet(parent, "child open 2 %s", place.name), 0);
    assert_code(puppet(parent, "child create 3 %s 4096", place.name),
                SHMAP_EEXIST);
}

static void test_fork__anonymous_region_is_shared(void **state)
{
    (void)state;
    struct child *parent = puppet_start();
    puppet_do(parent, "create 0 - 4096");
    puppet_do(parent, "map 0");
    puppet_do(parent, "map 1 0 copy");
    puppet_do(parent, "fork");
    puppet_do(parent, "child put 0 0 shared");
    assert_string_equal(puppet_ask(parent, "get 0 0"), "shared");
    puppet_do(parent, "child put 1 0 private");
    assert_string_equal(puppet_ask(parent, "get 1 0"), "shared");
}

/* Forks in the middle of things: a process that forks sleeping workers in one
 * thread, while another opens and closes. */

static char busy_name[NAME_ROOM];

static void open_and_close(void *argument)
{
    (void)argument;
    for (int i = 0; i < TURNS; i++) {
        shmap_region *region = NULL;
        role_check(
            shmap_region_open_or_create(&region, busy_name, 4096, NULL) >= 0);
        shmap_region_close(region);
    }
}

static int play_forker(int count, char **arguments)
{
    uv_thread_t thread;
    role_check(count == 1);
    snprintf(busy_name, sizeof busy_name, "%s", arguments[0]);
    say("ready");
    role_check(hear() != NULL);
    role_check(uv_thread_create(&thread, open_and_close, NULL) == 0);
    for (int i = 0; i < SLEEPERS; i++)
        role_check(os_fork_sleeper() > 0);
    uv_thread_join(&thread);
    say("done");
    /* The workers read this, too: none of them must miss its end. */
    while (hear() != NULL)
        continue;
    os_exit_now(0);
    return 0;
}

static struct child *start_forker(const struct place *place)
{
    struct child *forker = child_start("forker", place->name, NULL);
    child_expect(forker, "ready");
    child_tell(forker, "go");
    return forker;
}

/* A stranger is answered at once, and never that somebody is busy. */
static void assert_not_stuck(const struct place *place)
{
    int64_t before = clock_ms();
    int result = place_open(place);
    int64_t after = clock_ms();
    if (result != 0)
        assert_code(result, SHMAP_ENOENT);
    if (after - before > scaled(1000))
        fail_msg("an open took %d ms", (int)(after - before));
}

static void test_fork__workers_forked_meanwhile_block_no_one(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *forker = start_forker(&place);
    const char *line;
    int64_t until = patience_until(2 * PATIENCE);
    while ((line = child_read_line(forker, 0)) == NULL && clock_ms() < until)
        assert_not_stuck(&place);
    assert_non_null(line);
    assert_string_equal(line, "done");
    assert_not_stuck(&place);
    /* The workers hold what was open when they were forked, until they end. */
    child_close_stdin(forker);
    assert_int_equal(child_wait(forker, PATIENCE), 0);
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
    assert_false(raw_exists(place.os_name));
}

static void test_fork__workers_of_a_killed_parent_block_no_one(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct dice dice = {fresh_seed()};
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct child *forker = start_forker(&place);
        uint32_t turns = dice_roll(&dice, 200);
        for (uint32_t turn = 0; turn < turns; turn++)
            assert_not_stuck(&place);
        child_kill(forker);
        for (int turn = 0; turn < 20; turn++)
            assert_not_stuck(&place);
        child_close_stdin(forker);
        child_wait(forker, PATIENCE);
        assert_eventually(place_open(&place) == SHMAP_ENOENT);
    }
}

#define CLOSERS 6

static volatile uint64_t closers_end;

static void open_and_close_until_told(void *argument)
{
    char name[NAME_ROOM];
    (void)argument;
    unique_name(name, "closer");
    while (memory_load(&closers_end) == 0) {
        shmap_region *region = NULL;
        role_check(shmap_region_open_or_create(&region, name, 4096, NULL) >= 0);
        shmap_region_close(region);
    }
}

static int play_crowd(int count, char **arguments)
{
    uv_thread_t threads[CLOSERS];
    (void)count;
    (void)arguments;
    for (size_t i = 0; i < CLOSERS; i++)
        role_check(uv_thread_create(&threads[i], open_and_close_until_told,
                                    NULL) == 0);
    for (int i = 0; i < SLEEPERS; i++) {
        int64_t before = clock_ms();
        int pid = os_fork_sleeper();
        int64_t after = clock_ms();
        role_check(pid > 0);
        os_fork_kill(pid);
        os_fork_wait(pid);
        if (after - before > scaled(2000))
            role_fail("a fork took %d ms", (int)(after - before));
    }
    memory_store(&closers_end, 1);
    for (size_t i = 0; i < CLOSERS; i++)
        uv_thread_join(&threads[i]);
    say("done");
    return 0;
}

static void test_fork__is_not_kept_out_by_a_crowd_of_threads(void **state)
{
    (void)state;
    struct child *crowd = child_start("crowd", NULL);
    child_expect(crowd, "done");
    assert_int_equal(child_wait(crowd, PATIENCE), 0);
}

/* A thread inside the exclusive step waits to see whether another can fork
 * meanwhile: the child would share its lock. */

static uv_sem_t stepped;
static uv_sem_t forked;
static bool forked_inside;
static char stepping_point[40];

static void wait_inside(const char *point)
{
    if (strcmp(point, stepping_point) != 0)
        return;
    uv_sem_post(&stepped);
    for (int64_t until = patience_until(100); patience_nap(until);)
        if (uv_sem_trywait(&forked) == 0)
            forked_inside = true;
}

static void fork_meanwhile(void *argument)
{
    (void)argument;
    uv_sem_wait(&stepped);
    role_check(os_fork_sleeper() > 0);
    uv_sem_post(&forked);
}

static int play_stepper(int count, char **arguments)
{
    uv_thread_t thread;
    shmap_region *region = NULL;
    role_check(count == 2);
    snprintf(stepping_point, sizeof stepping_point, "%s", arguments[1]);
    role_check(uv_sem_init(&stepped, 0) == 0);
    role_check(uv_sem_init(&forked, 0) == 0);
    role_check_code(shmap_region_create(&region, arguments[0], 4096, NULL), 0);
    role_check(uv_thread_create(&thread, fork_meanwhile, NULL) == 0);
    shmap__stop_hook = wait_inside;
    shmap_region_close(region);
    shmap__stop_hook = NULL;
    uv_thread_join(&thread);
    say(forked_inside ? "forked inside" : "forked outside");
    os_exit_now(0);
    return 0;
}

static void test_fork__waits_for_an_exclusive_step(void **state)
{
    static const char *const points[] = {"reap.locked", "reap.checked",
                                         "reap.unlinked"};
    (void)state;
    for (size_t i = 0; i < COUNT(points); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_USER);
        struct child *stepper =
            child_start("stepper", place.name, points[i], NULL);
        child_expect(stepper, "forked outside");
        child_close_stdin(stepper);
        child_wait(stepper, PATIENCE);
        assert_false(raw_exists(place.os_name));
    }
}

/* A program's own handlers of forks, which use the library. */

static struct {
    const char *prefix;
    bool threads; /* then a child may call nothing */
    bool locks;   /* this system can have them */
    int runs;
    shmap_region *kept; /* over the fork */
} handlers;

static shmap_region *handlers_create(const char *label)
{
    char name[2 * NAME_ROOM];
    shmap_region *region;

    snprintf(name, sizeof name, "%s.%s", handlers.prefix, label);
    role_check_code(shmap_region_create(&region, name, 4096, NULL), 0);
    return region;
}

static bool can_lock(void)
{
    static shmap_mutex mutex;
    int result = shmap_mutex_lock(&mutex, SHMAP_TRY);
    role_check(result == 0 || result == SHMAP_ENOTSUP);
    return result == 0 && shmap_mutex_unlock(&mutex) == 0;
}

static void use_all(const char *label)
{
    shmap_region *region = handlers_create(label);
    shmap_view view;
    shmap_mutex *mutex;

    role_check_code(shmap_view_map(&view, region, NULL), 0);
    shmap_region_close(region);
    mutex = view.data;
    if (handlers.locks) {
        role_check_code(shmap_mutex_lock(mutex, SHMAP_TRY), 0);
        role_check_code(shmap_mutex_lock(mutex, SHMAP_TRY), SHMAP_EDEADLK);
        role_check_code(shmap_mutex_unlock(mutex), 0);
    }
    role_check_code(shmap_view_unmap(&view), 0);
}

static void handle_fork(const char *when)
{
    handlers.runs++;
    if (handlers.threads && strcmp(when, "child") == 0)
        return;
    if (strcmp(when, "before") == 0)
        handlers.kept = handlers_create("kept");
    /* Parent and child may do the same at once. */
    use_all(when);
    if (strcmp(when, "child") == 0)
        shmap_region_close(handlers.kept);
}

static void use_all_in_thread(void *argument)
{
    (void)argument;
    use_all("thread");
}

static void fork_with_handlers(void)
{
    uv_thread_t thread;
    FILE *from;
    FILE *to;
    int pid;

    handlers.runs = 0;
    pid = os_fork(&from, &to);
    role_check(pid >= 0);
    if (pid == 0 && !handlers.threads)
        use_all("child after");
    if (pid == 0)
        os_exit_now(handlers.runs == 2 ? 0 : 1);
    role_check(handlers.runs == 2);
    use_all("parent after");
    role_check(os_fork_wait(pid) == 0);
    shmap_region_close(handlers.kept);
    role_check(uv_thread_create(&thread, use_all_in_thread, NULL) == 0);
    uv_thread_join(&thread);
    fclose(from);
    fclose(to);
}

static int play_with_handlers(int count, char **arguments)
{
    uv_thread_t thread;

    role_check(count == 3);
    handlers.prefix = arguments[0];
    handlers.threads = strcmp(arguments[2], "threads") == 0;
    handlers.locks = can_lock();
    os_at_fork(strcmp(arguments[1], "early") == 0, handle_fork);
    if (handlers.threads)
        role_check(uv_thread_create(&thread, open_and_close_until_told, NULL) ==
                   0);
    for (int i = 0; i < 5; i++)
        fork_with_handlers();
    memory_store(&closers_end, 1);
    if (handlers.threads)
        uv_thread_join(&thread);
    say("done");
    return 0;
}

static void expect_handlers_work(const char *when, const char *threads)
{
    static const char *const labels[] = {
        "kept", "before", "parent", "child", "child after", "parent after"};
    struct place place = place_make(when, SHMAP_SCOPE_USER);
    struct child *child =
        child_start("with_handlers", place.name, when, threads, NULL);

    child_expect(child, "done");
    assert_int_equal(child_wait(child, PATIENCE), 0);
    for (size_t i = 0; i < COUNT(labels); i++) {
        char name[2 * NAME_ROOM];
        char os_name[OS_NAME_ROOM];

        snprintf(name, sizeof name, "%s.%s", place.name, labels[i]);
        os_name_of(os_name, name, SHMAP_SCOPE_USER);
        if (raw_exists(os_name))
            fail_msg("%s is left over", labels[i]);
    }
}

static void test_fork__handlers_of_programs_use_the_library(void **state)
{
    (void)state;
    expect_handlers_work("late", "alone");
    expect_handlers_work("late", "threads");
}

static void test_fork__handlers_registered_before_it_do_so(void **state)
{
    (void)state;
    expect_handlers_work("early", "alone");
    expect_handlers_work("early", "threads");
}

/* A child between fork and exec has its parent's regions, and closes
 * nothing. A parent that closed a region meanwhile was not the last, and
 * must come back.
 */

static struct child *close_beside_a_child(const struct place *place)
{
    struct child *parent = family(place);
    puppet_do(parent, "unmap 0");
    puppet_do(parent, "close 0");
    assert_string_equal(puppet_ask(parent, "kill"), "-1");
    assert_true(raw_exists(place->os_name));
    return parent;
}

static void close_another(struct child *parent)
{
    struct place another = place_make("another", SHMAP_SCOPE_USER);
    puppet_do(parent, "create 0 %s 4096", another.name);
    puppet_do(parent, "close 0");
}

static void test_fork__name_kept_by_a_child_goes_with_a_later_close(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = close_beside_a_child(&place);
    close_another(parent);
    assert_false(raw_exists(place.os_name));
}

/* Closes beside a child, which is killed, and ends as programs do. */
static int play_leaver(int count, char **arguments)
{
    shmap_region *region;
    FILE *from;
    FILE *to;
    role_check(count == 1);
    role_check_code(shmap_region_create(&region, arguments[0], 4096, NULL), 0);
    int pid = os_fork(&from, &to);
    if (pid == 0) {
        fgetc(from);
        os_exit_now(0);
    }
    shmap_region_close(region);
    os_fork_kill(pid);
    os_fork_wait(pid);
    say("closed");
    while (getchar() != EOF)
        continue;
    return 0;
}

static void test_fork__name_kept_by_a_child_goes_at_exit(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *leaver = child_start("leaver", place.name, NULL);
    child_expect(leaver, "closed");
    assert_true(raw_exists(place.os_name));
    child_close_stdin(leaver);
    assert_int_equal(child_wait(leaver, PATIENCE), 0);
    assert_false(raw_exists(place.os_name));
}

static void test_fork__later_close_leaves_a_new_region_of_the_name(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *parent = close_beside_a_child(&place);
    struct child *other = puppet_start();
    puppet_do(other, "create 0 %s 4096", place.name);
    close_another(parent);
    assert_code(place_open(&place), 0);
    child_close_stdin(parent);
    assert_int_equal(child_wait(parent, PATIENCE), 0);
    assert_code(place_open(&place), 0);
    puppet_do(other, "close 0");
    assert_false(raw_exists(place.os_name));
}

/* A signal's handler forks while its thread is busy with the names that were
 * kept: the child goes on with them. */

static int forked_at_a_name = -1;

static void fork_at_a_name(const char *point)
{
    FILE *from;
    FILE *to;
    if (strcmp(point, "later.gone") != 0)
        return;
    shmap__stop_hook = NULL;
    forked_at_a_name = os_fork(&from, &to);
}

static void make_and_close(void)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region;
    role_check_code(shmap_region_create(&region, place.name, 4096, NULL), 0);
    shmap_region_close(region);
    role_check(!raw_exists(place.os_name));
}

static int play_interrupted(int count, char **arguments)
{
    const int64_t pause = 6;
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region;
    FILE *from;
    FILE *to;
    (void)count, (void)arguments;
    role_check_code(shmap_region_create(&region, place.name, 4096, NULL), 0);
    int sleeper = os_fork(&from, &to);
    if (sleeper == 0) {
        fgetc(from);
        os_exit_now(0);
    }
    shmap_region_close(region);
    os_fork_kill(sleeper);
    os_fork_wait(sleeper);
    shmap__stop_hook = fork_at_a_name;
    make_and_close();
    if (forked_at_a_name == 0) {
        for (int64_t begun = clock_ms(); clock_ms() - begun < pause;)
            make_and_close();
        os_exit_now(0);
    }
    role_check(forked_at_a_name > 0);
    role_check(os_fork_wait(forked_at_a_name) == 0);
    role_check(!raw_exists(place.os_name));
    say("done");
    return 0;
}

static void test_fork__handler_of_a_signal_forks_at_a_kept_name(void **state)
{
    (void)state;
    struct child *interrupted = child_start("interrupted", NULL);
    child_expect(interrupted, "done");
    assert_int_equal(child_wait(interrupted, PATIENCE), 0);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"forker", play_forker},
                                        {"stepper", play_stepper},
                                        {"crowd", play_crowd},
                                        {"with_handlers", play_with_handlers},
                                        {"leaver", play_leaver},
                                        {"interrupted", play_interrupted},
                                        {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork__child_keeps_what_its_parent_closed),
        cmocka_unit_test(test_fork__child_that_is_killed_lets_go),
        cmocka_unit_test(test_fork__last_close_in_the_child_frees_at_once),
        cmocka_unit_test(test_fork__last_close_in_the_parent_frees_at_once),
        cmocka_unit_test(test_fork__end_of_the_child_does_not_hurt_the_parent),
        cmocka_unit_test(test_fork__end_of_the_parent_does_not_hurt_the_child),
        cmocka_unit_test(test_fork__program_started_by_a_child_does_not_hold),
        cmocka_unit_test(test_fork__grandchild_holds_as_well),
        cmocka_unit_test(test_fork__child_makes_and_opens_regions),
        cmocka_unit_test(test_fork__anonymous_region_is_shared),
        cmocka_unit_test(test_fork__workers_forked_meanwhile_block_no_one),
        cmocka_unit_test(test_fork__workers_of_a_killed_parent_block_no_one),
        cmocka_unit_test(test_fork__is_not_kept_out_by_a_crowd_of_threads),
        cmocka_unit_test(test_fork__waits_for_an_exclusive_step),
        cmocka_unit_test(test_fork__handlers_of_programs_use_the_library),
        cmocka_unit_test(test_fork__handlers_registered_before_it_do_so),
        cmocka_unit_test(
            test_fork__name_kept_by_a_child_goes_with_a_later_close),
        cmocka_unit_test(test_fork__name_kept_by_a_child_goes_at_exit),
        cmocka_unit_test(
            test_fork__later_close_leaves_a_new_region_of_the_name),
        cmocka_unit_test(test_fork__handler_of_a_signal_forks_at_a_kept_name),
    };
    if (!os_can_fork())
        return program_skipped("this system has no fork");
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
