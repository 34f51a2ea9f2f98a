/* SPDX-License-Identifier: MIT */

/* Named regions at the wrong moment: a process stops at a point inside the
 * library while another does something to the same name. It is about systems
 * where the library itself frees names; where the system does, nothing can come
 * in between.
 */

#include "place.h"
#include "puppet.h"
#include "stops.h"
#include "units.h"

#define STOPS 64

/* Of these points, how many are there. With lock files only the first: at the
 * others, the one that stops would keep everybody out. */
static size_t points_here(size_t count)
{
    return os_has_lock_files() ? 1 : count;
}

static void command_line(char *out, const char *verb, const struct place *place)
{
    snprintf(out, 2 * NAME_ROOM, "%s 0 %s 8192", verb, place->name);
}

/* A reaper has the leftover's exclusive step, and an opener has just found
 * that out. */
static void reaper_and_opener(const struct place *place, struct child **reaper,
                              struct child **opener)
{
    char line[2 * NAME_ROOM];
    place_leave_over(place);
    *reaper = puppet_start();
    *opener = puppet_start();
    snprintf(line, sizeof line, "reap %s", place->name);
    stops_run_into_first(*reaper, "reap.locked", line);
    command_line(line, "open", place);
    stops_run_into_first(*opener,
                         os_has_lock_files() ? "gate.busy" : "open.busy", line);
}

static void test_moments__opener_gets_nothing_dead_from_a_killed_reaper(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct child *reaper;
    struct child *opener;
    (void)state;
    for (int i = 0; i < 20; i++) {
        reaper_and_opener(&place, &reaper, &opener);
        child_end(reaper);
        child_tell(opener, "go");
        int result = puppet_result(opener);
        if (result != SHMAP_EBUSY)
            assert_code(result, SHMAP_ENOENT);
        child_end(opener);
        place_assert_free(&place);
    }
}

static void test_moments__opener_does_not_hang_on_a_stopped_reaper(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct child *reaper;
    struct child *opener;
    char line[2 * NAME_ROOM];
    (void)state;
    reaper_and_opener(&place, &reaper, &opener);
    child_tell(opener, "go");
    assert_code(puppet_result(opener), SHMAP_EBUSY);
    command_line(line, "create", &place);
    assert_code(puppet(opener, "%s", line), SHMAP_EBUSY);
    assert_code(puppet(opener, "reap %s", place.name), SHMAP_EBUSY);
    child_tell(reaper, "go");
    assert_code(puppet_result(reaper), 0);
    place_assert_free(&place);
}

/* The stops that a call passes when it meets a leftover. */
static size_t stops_at_leftover(const char *verb, struct stop *stops)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    char line[2 * NAME_ROOM];
    place_leave_over(&place);
    command_line(line, verb, &place);
    struct child *child = puppet_start();
    puppet_do(child, "record");
    puppet(child, "%s", line);
    size_t count = stops_passed(child, stops, STOPS);
    puppet_end(child);
    shmap_region_reap(place.name, NULL, NULL);
    return count;
}

struct both {
    int a;
    int b;
};

/* While `a` is stopped in a call, `b` makes one. It is through before `a` goes
 * on, unless it must wait for `a`: then it is soon after. */
static struct both overtake(struct child *a, struct child *b, const char *line)
{
    struct both results;
    child_tell(b, "%s", line);
    const char *early = child_read_line(b, 30);
    if (early != NULL)
        results.b = (int)strtol(early + 2, NULL, 10);
    child_tell(a, "go");
    results.a = puppet_result(a);
    if (early == NULL)
        results.b = puppet_result(b);
    return results;
}

/* One of them made the region and the other was told that it exists; the
 * maker's token can be read through the name, and its close frees it. */
static void assert_one_winner(const struct place *place, struct child *a,
                              int result_a, struct child *b, int result_b)
{
    struct child *winner = result_a == 0 ? a : b;
    assert_code(result_a == 0 ? result_b : result_a, SHMAP_EEXIST);
    assert_code(result_a == 0 ? result_a : result_b, 0);
    puppet_do(winner, "map 0");
    assert_string_equal(puppet_ask(winner, "get 0 0"), "");
    puppet_do(winner, "put 0 0 token");
    assert_string_equal(place_read(place), "token");
    puppet_do(winner, "unmap 0");
    puppet_do(winner, "close 0");
    assert_false(raw_exists(place->os_name));
}

static void test_moments__one_of_two_creators_gets_a_leftovers_name(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct stop stops[STOPS];
    char line[2 * NAME_ROOM];
    (void)state;
    command_line(line, "create", &place);
    size_t count = stops_at_leftover("create", stops);
    assert_in_range(count, 3, STOPS);
    for (size_t i = 0; i < count; i++) {
        place_leave_over(&place);
        struct child *a = puppet_start();
        struct child *b = puppet_start();
        stops_run_into(a, &stops[i], line);
        struct both results = overtake(a, b, line);
        assert_one_winner(&place, a, results.a, b, results.b);
        puppet_end(a);
        puppet_end(b);
    }
}

static void test_moments__leftover_taken_meanwhile_is_not_removed(void **state)
{
    static const char *const verbs[] = {"create", "open", "open_or_create",
                                        "reap"};
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct stop stops[STOPS];
    char line[2 * NAME_ROOM];
    (void)state;
    for (size_t v = 0; v < COUNT(verbs); v++) {
        size_t count = stops_at_leftover(verbs[v], stops);
        for (size_t i = 0; i < count; i++) {
            place_leave_over(&place);
            struct child *a = puppet_start();
            command_line(line, verbs[v], &place);
            if (strcmp(verbs[v], "reap") == 0)
                snprintf(line, sizeof line, "reap %s", place.name);
            stops_run_into(a, &stops[i], line);
            /* The name gets a new region while it stands there. */
            struct child *b = puppet_start();
            command_line(line, "create", &place);
            struct both results = overtake(a, b, line);
            struct child *winner = results.b == 0 ? b : a;
            if (results.b != 0) {
                assert_code(results.b, SHMAP_EEXIST);
                assert_true(results.a >= 0);
            }
            puppet_do(winner, "map 0");
            puppet_do(winner, "put 0 0 new");
            assert_string_equal(place_read(&place), "new");
            child_end(a);
            child_end(b);
            assert_eventually(!raw_is_held(place.os_name));
            place_assert_free(&place);
        }
    }
}

static void test_moments__opener_gets_no_region_that_ended_meanwhile(
    void **state)
{
    static const char *const points[] = {"open.opened", "open.alive"};
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    char line[2 * NAME_ROOM];
    (void)state;
    for (size_t i = 0; i < points_here(COUNT(points)); i++) {
        struct child *a = place_hold(&place);
        struct child *b = puppet_start();
        command_line(line, "open", &place);
        stops_run_into_first(b, points[i], line);
        puppet_do(a, "unmap 0");
        puppet_do(a, "close 0");
        child_tell(b, "go");
        assert_code(puppet_result(b), SHMAP_ENOENT);
        assert_false(raw_exists(place.os_name));
        puppet_end(a);
        puppet_end(b);
    }
}

static void test_moments__opener_gets_no_region_that_lost_its_name(void **state)
{
    static const char *const points[] = {"open.opened", "open.alive"};
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    char line[2 * NAME_ROOM];
    (void)state;
    for (size_t i = 0; i < points_here(COUNT(points)); i++) {
        struct child *a = place_hold(&place);
        struct child *b = puppet_start();
        command_line(line, "open", &place);
        stops_run_into_first(b, points[i], line);
        assert_true(raw_remove(place.os_name));
        child_tell(b, "go");
        assert_code(puppet_result(b), SHMAP_ENOENT);
        puppet_end(a);
        puppet_end(b);
    }
}

static void test_moments__no_process_sees_a_half_made_region(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct stop stops[STOPS];
    char line[2 * NAME_ROOM];
    size_t seen = 0;
    (void)state;
    command_line(line, "create", &place);
    struct child *a = puppet_start();
    puppet_do(a, "record");
    puppet_do(a, "%s", line);
    size_t count = stops_passed(a, stops, STOPS);
    puppet_do(a, "close 0");
    assert_in_range(count, 1, STOPS);
    for (size_t i = 0; i < count; i++) {
        shmap_region *region = NULL;
        stops_run_into(a, &stops[i], line);
        int result = shmap_region_open(&region, place.name, NULL);
        if (result == 0) {
            ++seen;
            assert_in_range(shmap_region_size(region), 8192,
                            8192 + os_page_size() - 1);
            assert_string_equal(place_read(&place), "");
            shmap_region_close(region);
        } else if (result != SHMAP_EBUSY || !os_has_lock_files()) {
            assert_code(result, SHMAP_ENOENT);
        }
        child_tell(a, "go");
        assert_code(puppet_result(a), 0);
        puppet_do(a, "close 0");
    }
    /* The last stop is behind the moment at which it appears. */
    assert_in_range(seen, 1, count);
}

static void test_moments__opener_is_not_fooled_by_a_second_name(void **state)
{
    static const char *const points[] = {"open.opened", "open.alive"};
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    char second[OS_NAME_ROOM];
    char line[2 * NAME_ROOM];
    (void)state;
    for (size_t i = 0; i < points_here(COUNT(points)); i++) {
        struct child *a = place_hold(&place);
        struct child *b = puppet_start();
        command_line(line, "open", &place);
        stops_run_into_first(b, points[i], line);
        /* The object lives on in the file system when its region is gone. */
        snprintf(second, sizeof second, "%.300s-second", place.os_name);
        assert_true(raw_hard_link(place.os_name, second));
        puppet_do(a, "unmap 0");
        puppet_do(a, "close 0");
        assert_false(raw_exists(place.os_name));
        child_tell(b, "go");
        assert_code(puppet_result(b), SHMAP_ENOENT);
        assert_code(place_open(&place), SHMAP_ENOENT);
        raw_remove(second);
        puppet_end(a);
        puppet_end(b);
        place_assert_free(&place);
    }
}

static void test_moments__opener_gets_what_the_name_means_now(void **state)
{
    static const char *const points[] = {"open.opened", "open.alive"};
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    char line[2 * NAME_ROOM];
    (void)state;
    for (size_t i = 0; i < points_here(COUNT(points)); i++) {
        struct child *a = place_hold(&place);
        struct child *b = puppet_start();
        puppet_do(a, "put 0 0 old");
        command_line(line, "open", &place);
        stops_run_into_first(b, points[i], line);
        puppet_do(a, "unmap 0");
        puppet_do(a, "close 0");
        struct child *c = puppet_start();
        puppet_do(c, "create 0 %s 8192", place.name);
        puppet_do(c, "map 0");
        puppet_do(c, "put 0 0 new");
        child_tell(b, "go");
        assert_code(puppet_result(b), 0);
        puppet_do(b, "map 0");
        assert_string_equal(puppet_ask(b, "get 0 0"), "new");
        child_end(a);
        child_end(b);
        child_end(c);
        assert_eventually(!raw_is_held(place.os_name));
        place_assert_free(&place);
    }
}

/* Two let go at once, one of them stopped at every step for longer than the
 * other is patient. */
static void test_moments__last_two_close_around_each_other(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct stop stops[STOPS];
    (void)state;
    struct child *a = place_hold(&place);
    struct child *b = place_hold(&place);
    puppet_do(a, "unmap 0");
    puppet_do(a, "record");
    puppet_do(a, "close 0");
    size_t count = stops_passed(a, stops, STOPS);
    puppet_do(b, "unmap 0");
    puppet_do(b, "record");
    puppet_do(b, "close 0");
    count += stops_passed(b, stops + count, STOPS - count);
    assert_in_range(count, 3, STOPS);
    for (size_t i = 0; i < count; i++) {
        puppet_do(a, "create 0 %s 4096", place.name);
        puppet_do(b, "open 0 %s", place.name);
        puppet_do(a, "stop %s %u", stops[i].point, stops[i].pass);
        child_tell(a, "close 0");
        const char *line = child_read_line(a, PATIENCE);
        assert_non_null(line);
        bool stopped = strncmp(line, "stopped", 7) == 0;
        puppet_do(b, "close 0");
        if (stopped) {
            child_tell(a, "go");
            assert_code(puppet_result(a), 0);
        }
        assert_false(raw_exists(place.os_name));
        /* Not to be reached by the next round's open. */
        puppet_do(a, "stop none 1");
    }
    place_assert_free(&place);
}

static void test_moments__closer_removes_only_its_own(void **state)
{
    static const char *const points[] = {"close.begun", "close.dropped"};
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    for (size_t i = 0; i < points_here(COUNT(points)); i++) {
        struct child *a = place_hold(&place);
        puppet_do(a, "unmap 0");
        stops_run_into_first(a, points[i], "close 0");
        assert_true(raw_remove(place.os_name));
        struct child *b = place_hold(&place);
        puppet_do(b, "put 0 0 other");
        child_tell(a, "go");
        assert_code(puppet_result(a), 0);
        assert_string_equal(place_read(&place), "other");
        child_end(a);
        child_end(b);
        assert_eventually(!raw_is_held(place.os_name));
        place_assert_free(&place);
    }
}

static void test_moments__closer_leaves_no_region_under_a_second_name(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct place second = place_make(__func__, SHMAP_SCOPE_USER);
    struct stop stops[STOPS];
    (void)state;
    if (os_has_lock_files())
        skip_because("meant for systems whose objects have one name");
    struct child *a = puppet_start();
    puppet_do(a, "create 0 %s 4096", place.name);
    puppet_do(a, "record");
    puppet_do(a, "close 0");
    size_t count = stops_passed(a, stops, STOPS);
    assert_in_range(count, 3, STOPS);
    for (size_t i = 0; i < count; i++) {
        puppet_do(a, "create 0 %s 4096", place.name);
        stops_run_into(a, &stops[i], "close 0");
        bool linked = raw_hard_link(place.os_name, second.os_name);
        child_tell(a, "go");
        assert_code(puppet_result(a), 0);
        assert_false(raw_exists(place.os_name));
        assert_code(place_open(&place), SHMAP_ENOENT);
        if (linked)
            place_assert_free(&second);
        else
            assert_true(i > 0);
    }
}

static void test_moments__closer_leaves_a_foreign_object(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    static const char *const points[] = {"close.begun", "close.dropped",
                                         "reap.opened", "reap.locked"};
    (void)state;
    for (size_t i = 0; i < points_here(COUNT(points)); i++) {
        struct child *a = place_hold(&place);
        puppet_do(a, "unmap 0");
        stops_run_into_first(a, points[i], "close 0");
        assert_true(raw_remove(place.os_name));
        intptr_t handle = place_plant(&place, 4096, 0600);
        child_tell(a, "go");
        assert_code(puppet_result(a), 0);
        place_assert_planted(&place, handle, 4096, 0600);
        raw_close(handle);
        raw_remove(place.os_name);
        child_end(a);
    }
}

/* Who leaves takes a turn, with a lock that lives as long as the description:
 * a copy of it must not make others wait for a turn that never ends. */
static void test_moments__a_copied_handle_keeps_no_turn(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region = NULL;
    (void)state;
    if (os_has_lock_files())
        skip_because("nobody takes turns with lock files");
    struct child *other = place_hold(&place);
    assert_code(shmap_region_open(&region, place.name, NULL), 0);
    intptr_t copy = units_copy(shmap_region_native(region));
    assert_true(copy > 0);
    shmap_region_close(region);
    intptr_t fresh = raw_open(place.os_name);
    assert_true(fresh > 0);
    assert_true(units_lock_and_unlock(fresh));
    raw_close(fresh);
    raw_close(copy);
    puppet_do(other, "unmap 0");
    puppet_do(other, "close 0");
    assert_false(raw_exists(place.os_name));
}

/* Try to open what is not ready, over and over. */
static int pester(int count, char **arguments)
{
    (void)count;
    for (int i = 0; i < 20000; i++) {
        shmap_region *region = NULL;
        role_check_code(shmap_region_open(&region, arguments[0], NULL),
                        SHMAP_ENOTREADY);
    }
    say("done");
    return 0;
}

static void test_moments__opener_does_not_lock_a_foreign_object(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    intptr_t handle = raw_plant(place.os_name, RAW_EMPTY, 0, 0600);
    assert_true(handle > 0);
    struct child *child = child_start("pester", place.name, NULL);
    const char *line = NULL;
    int refused = 0;
    int held = 0;
    int64_t until = patience_until(PATIENCE);
    while (line == NULL && clock_ms() < until) {
        line = child_read_line(child, 1);
        for (int i = 0; i < 1000; i++) {
            refused += !units_lock_and_unlock(handle);
            held += raw_is_held(place.os_name);
        }
    }
    assert_non_null(line);
    assert_string_equal(line, "done");
    assert_int_equal(child_wait(child, PATIENCE), 0);
    assert_int_equal(refused, 0);
    assert_int_equal(held, 0);
    raw_close(handle);
    raw_remove(place.os_name);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"pester", pester}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_moments__opener_gets_nothing_dead_from_a_killed_reaper),
        cmocka_unit_test(
            test_moments__opener_does_not_hang_on_a_stopped_reaper),
        cmocka_unit_test(
            test_moments__one_of_two_creators_gets_a_leftovers_name),
        cmocka_unit_test(test_moments__leftover_taken_meanwhile_is_not_removed),
        cmocka_unit_test(
            test_moments__opener_gets_no_region_that_ended_meanwhile),
        cmocka_unit_test(
            test_moments__opener_gets_no_region_that_lost_its_name),
        cmocka_unit_test(test_moments__no_process_sees_a_half_made_region),
        cmocka_unit_test(test_moments__opener_is_not_fooled_by_a_second_name),
        cmocka_unit_test(test_moments__opener_gets_what_the_name_means_now),
        cmocka_unit_test(test_moments__last_two_close_around_each_other),
        cmocka_unit_test(test_moments__closer_removes_only_its_own),
        cmocka_unit_test(
            test_moments__closer_leaves_no_region_under_a_second_name),
        cmocka_unit_test(test_moments__closer_leaves_a_foreign_object),
        cmocka_unit_test(test_moments__a_copied_handle_keeps_no_turn),
        cmocka_unit_test(test_moments__opener_does_not_lock_a_foreign_object),
    };
    if (!os_has_leftovers())
        return program_skipped("the system itself frees names here");
    stops_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
