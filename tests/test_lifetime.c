/* SPDX-License-Identifier: MIT */

/* How long named regions live: whoever ends how, a region lives as long as
 * somebody holds it, and not a moment longer. */

#include "support/puppet.h"
#include "support/stops.h"

#define MANY 16

/* A region that a test is about. */
struct place {
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];
};

static struct place somewhere(const char *label)
{
    struct place place;
    unique_name(place.name, label);
    os_name_of(place.os_name, place.name, SHMAP_SCOPE_USER);
    return place;
}

/* What a process that has nothing to do with it is told when it opens. */
static int stranger_opens(const struct place *place)
{
    shmap_region *region = NULL;
    int result = shmap_region_open(&region, place->name, NULL);
    shmap_region_close(region);
    return result;
}

/* The text at the start of the region, as a stranger reads it. */
static const char *stranger_reads(const struct place *place)
{
    static char text[64];
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    assert_code(shmap_region_open(&region, place->name, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    snprintf(text, sizeof text, "%s", (const char *)view.data);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    return text;
}

/* The name is free: nobody sees a region, and a new one is all zero, of its own
 * size, and can be found. */
static void assert_free(const struct place *place)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    assert_code(stranger_opens(place), SHMAP_ENOENT);
    assert_code(shmap_region_create(&region, place->name, 20000, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_true(view.size >= 20000 && view.size < 20000 + 65536);
    for (size_t i = 0; i < view.size; ++i)
        if (((const char *)view.data)[i] != 0)
            fail_msg("byte %zu of a fresh region is not zero", i);
    assert_code(stranger_opens(place), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_false(raw_exists(place->os_name));
}

static struct child *holder(const struct place *place)
{
    struct child *child = puppet_start();
    puppet_do(child, "open_or_create 0 %s 8192", place->name);
    puppet_do(child, "map 0");
    return child;
}

/* A region whose holder was killed, with its text still in it, if the system
 * has such things. */
static void leave_over(const struct place *place)
{
    struct child *child = holder(place);
    puppet_do(child, "put 0 0 dead");
    child_end(child);
    assert_eventually(!raw_is_held(place->os_name));
    if (os_has_leftovers())
        assert_true(raw_exists(place->os_name));
}

#define NEEDS_LEFTOVERS                                                 \
    do {                                                                \
        if (!os_has_leftovers())                                        \
            skip_because("killed processes leave nothing behind here"); \
    } while (0)

/* Closing. */

static void test_lifetime__last_close_frees_the_name_at_once(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    puppet_do(a, "create 0 %s 4096", place.name);
    puppet_do(b, "open 0 %s", place.name);
    puppet_do(a, "close 0");
    assert_true(raw_exists(place.os_name));
    assert_code(stranger_opens(&place), 0);
    puppet_do(b, "close 0");
    assert_false(raw_exists(place.os_name));
    assert_free(&place);
}

static void test_lifetime__last_of_two_handles_in_one_process_counts(
    void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *a = puppet_start();
    puppet_do(a, "create 0 %s 4096", place.name);
    puppet_do(a, "open 1 %s", place.name);
    puppet_do(a, "close 0");
    assert_code(stranger_opens(&place), 0);
    puppet_do(a, "close 1");
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__last_of_many_closing_at_once_frees(void **state)
{
    struct place place = somewhere(__func__);
    int rounds = os_is_emulated() ? 5 : 40;
    size_t many = os_is_emulated() ? MANY / 2 : MANY;
    struct child *holders[MANY];
    (void)state;
    for (size_t i = 0; i < many; ++i)
        holders[i] = puppet_start();
    for (int round = 0; round < rounds; ++round) {
        for (size_t i = 0; i < many; ++i) {
            puppet_do(holders[i], "open_or_create 0 %s 4096", place.name);
            puppet_do(holders[i], "map 0");
            /* Every other one holds the region by its view only. */
            if (i % 2 == 0)
                puppet_do(holders[i], "close 0");
            else
                puppet_do(holders[i], "unmap 0");
        }
        for (size_t i = 0; i < many; ++i)
            child_tell(holders[i], i % 2 == 0 ? "unmap 0" : "close 0");
        for (size_t i = 0; i < many; ++i)
            assert_code(puppet_result(holders[i]), 0);
        assert_false(raw_exists(place.os_name));
    }
    assert_free(&place);
}

/* Views. */

static void test_lifetime__view_keeps_the_name_open_to_strangers(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *a = holder(&place);
    puppet_do(a, "put 0 0 kept");
    puppet_do(a, "close 0");
    assert_string_equal(stranger_reads(&place), "kept");
    puppet_do(a, "put 0 0 again");
    assert_string_equal(stranger_reads(&place), "again");
    puppet_do(a, "unmap 0");
    assert_false(raw_exists(place.os_name));
    assert_free(&place);
}

static void test_lifetime__any_view_of_several_keeps_the_region(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *a = holder(&place);
    puppet_do(a, "map 1 0 read");
    puppet_do(a, "map 2 0 copy");
    puppet_do(a, "close 0");
    puppet_do(a, "unmap 0");
    assert_code(stranger_opens(&place), 0);
    puppet_do(a, "unmap 1");
    assert_code(stranger_opens(&place), 0);
    puppet_do(a, "unmap 2");
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__reader_holds_as_well_as_a_writer(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *a = holder(&place);
    struct child *b = puppet_start();
    puppet_do(a, "put 0 0 written");
    puppet_do(b, "open 0 %s read", place.name);
    puppet_do(a, "unmap 0");
    puppet_do(a, "close 0");
    assert_string_equal(stranger_reads(&place), "written");
    puppet_do(b, "map 0");
    puppet_do(b, "close 0");
    assert_string_equal(stranger_reads(&place), "written");
    puppet_do(b, "unmap 0");
    assert_false(raw_exists(place.os_name));
}

/* Ends without closing. */

static void test_lifetime__exit_without_close_lets_go(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *a = holder(&place);
    child_tell(a, "exit 0");
    assert_int_equal(child_wait(a, PATIENCE), 0);
    assert_eventually(stranger_opens(&place) == SHMAP_ENOENT);
    assert_free(&place);
}

static void test_lifetime__exit_of_one_hurts_nobody(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *a = holder(&place);
    struct child *b = holder(&place);
    puppet_do(a, "put 0 0 from-a");
    child_tell(a, "exit 0");
    child_wait(a, PATIENCE);
    assert_string_equal(puppet_ask(b, "get 0 0"), "from-a");
    assert_string_equal(stranger_reads(&place), "from-a");
}

static void test_lifetime__kill_of_one_hurts_nobody(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *b = holder(&place);
    for (int i = 0; i < 10; ++i) {
        struct child *a = holder(&place);
        puppet_do(a, "put 0 0 from-%d", i);
        child_end(a);
        assert_code(stranger_opens(&place), 0);
        assert_int_equal(atoi(puppet_ask(b, "get 0 5")), i);
    }
    puppet_do(b, "unmap 0");
    puppet_do(b, "close 0");
    assert_eventually(!raw_exists(place.os_name) ||
                      stranger_opens(&place) == SHMAP_ENOENT);
    assert_free(&place);
}

static void test_lifetime__kill_of_all_lets_go(void **state)
{
    struct place place = somewhere(__func__);
    struct child *holders[MANY];
    size_t many = os_is_emulated() ? MANY / 2 : MANY;
    (void)state;
    for (size_t i = 0; i < many; ++i)
        holders[i] = holder(&place);
    puppet_do(holders[0], "put 0 0 dead");
    for (size_t i = 0; i < many; ++i)
        child_kill(holders[i]);
    for (size_t i = 0; i < many; ++i)
        assert_int_equal(child_wait(holders[i], PATIENCE), CHILD_KILLED);
    assert_eventually(stranger_opens(&place) == SHMAP_ENOENT);
    assert_free(&place);
}

static void test_lifetime__started_program_does_not_hold(void **state)
{
    struct place place = somewhere(__func__);
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    (void)state;
    assert_code(shmap_region_create(&region, place.name, 4096, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    struct child *a = puppet_start();
    puppet_do(a, "handles");
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
    puppet_end(a);
}

static void test_lifetime__exec_lets_go(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    if (!os_can_fork())
        skip_because("a process cannot become another program here");
    struct child *a = holder(&place);
    puppet_do(a, "exec");
    assert_eventually(stranger_opens(&place) == SHMAP_ENOENT);
    assert_free(&place);
    child_close_stdin(a);
    assert_int_equal(child_wait(a, PATIENCE), 0);
}

/* Leftovers. */

static void test_lifetime__leftover_is_invisible(void **state)
{
    struct place place = somewhere(__func__);
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NULL;
    (void)state;
    leave_over(&place);
    options.access = SHMAP_ACCESS_READ;
    options.owner = SHMAP_OWNER_ANYBODY;
    assert_code(shmap_region_open(&region, place.name, &options), SHMAP_ENOENT);
    assert_null(region);
    assert_free(&place);
}

static void test_lifetime__open_reclaims_a_leftover(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    leave_over(&place);
    assert_code(stranger_opens(&place), SHMAP_ENOENT);
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__create_reclaims_a_leftover(void **state)
{
    struct place place = somewhere(__func__);
    shmap_region *region = NULL;
    (void)state;
    leave_over(&place);
    assert_code(shmap_region_create(&region, place.name, 300000, NULL), 0);
    assert_string_equal(stranger_reads(&place), "");
    assert_true(shmap_region_size(region) >= 300000);
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__open_or_create_reclaims_a_leftover(void **state)
{
    struct place place = somewhere(__func__);
    shmap_region *region = NULL;
    (void)state;
    leave_over(&place);
    assert_code(shmap_region_open_or_create(&region, place.name, 300000, NULL),
                SHMAP_CREATED);
    assert_string_equal(stranger_reads(&place), "");
    assert_true(shmap_region_size(region) >= 300000);
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__reap_frees_a_leftover_by_name(void **state)
{
    struct place place = somewhere(__func__);
    unsigned reaped = 77;
    (void)state;
    leave_over(&place);
    assert_code(shmap_region_reap(place.name, SHMAP_REAP_USER, &reaped), 0);
    assert_int_equal(reaped, os_has_leftovers() ? 1 : 0);
    assert_false(raw_exists(place.os_name));
    assert_code(shmap_region_reap(place.name, SHMAP_REAP_USER, &reaped), 0);
    assert_int_equal(reaped, 0);
    assert_free(&place);
}

static void test_lifetime__reap_frees_all_leftovers(void **state)
{
    struct place places[3];
    struct place alive = somewhere(__func__);
    unsigned reaped = 77;
    (void)state;
    struct child *a = holder(&alive);
    puppet_do(a, "put 0 0 alive");
    for (size_t i = 0; i < COUNT(places); ++i) {
        places[i] = somewhere(__func__);
        leave_over(&places[i]);
    }
    assert_code(shmap_region_reap(NULL, 0, &reaped), 0);
    assert_true(reaped >= (os_has_leftovers() ? 3u : 0u));
    for (size_t i = 0; i < COUNT(places); ++i)
        assert_false(raw_exists(places[i].os_name));
    assert_string_equal(stranger_reads(&alive), "alive");
}

static void test_lifetime__reap_leaves_what_is_held(void **state)
{
    struct place place = somewhere(__func__);
    unsigned reaped = 77;
    (void)state;
    struct child *a = holder(&place);
    puppet_do(a, "put 0 0 held");
    assert_code(shmap_region_reap(place.name, SHMAP_REAP_USER, &reaped), 0);
    assert_int_equal(reaped, 0);
    puppet_do(a, "close 0");
    assert_code(shmap_region_reap(place.name, SHMAP_REAP_USER, &reaped), 0);
    assert_int_equal(reaped, 0);
    assert_string_equal(stranger_reads(&place), "held");
}

/* Other programs. */

static void assert_as_planted(const struct place *place, intptr_t handle,
                              uint64_t size, unsigned mode)
{
    char text[8] = "";
    assert_true(raw_exists(place->os_name));
    assert_true(raw_size(place->os_name) == size);
    if (raw_mode(place->os_name) != 0)
        assert_int_equal(raw_mode(place->os_name), mode);
    assert_true(raw_read(handle, 0, text, sizeof text));
    assert_string_equal(text, "foreign");
}

/* Sizes are told in whole pages. */
static bool is_told_as(const shmap_region *region, uint64_t size)
{
    uint64_t told = shmap_region_size(region);
    return told >= size && told - size < os_page_size();
}

/* Every call that could change the foreign object of this name. */
static void do_everything_to(const struct place *place, const char *name,
                             int scope, intptr_t handle, uint64_t size,
                             unsigned mode)
{
    shmap_region *region = NULL;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    unsigned reaped = 77;
    options.scope = scope;
    assert_code(shmap_region_create(&region, name, 4096, &options),
                SHMAP_EEXIST);
    /* On Windows, who owns what other programs make depends on settings. */
    options.owner = SHMAP_OWNER_ANYBODY;
    assert_as_planted(place, handle, size, mode);
    assert_code(shmap_region_open(&region, name, &options), 0);
    assert_true(is_told_as(region, size));
    assert_as_planted(place, handle, size, mode);
    shmap_region_close(region);
    assert_as_planted(place, handle, size, mode);
    assert_code(shmap_region_open_or_create(&region, name, 4 * size, &options),
                0);
    assert_true(is_told_as(region, size));
    shmap_region_close(region);
    assert_as_planted(place, handle, size, mode);
    assert_code(shmap_region_reap(name, (unsigned)scope, &reaped), 0);
    assert_int_equal(reaped, 0);
    assert_code(shmap_region_reap(NULL, 0, NULL), 0);
    assert_as_planted(place, handle, size, mode);
}

static void plant_and_do_everything(const char *label, uint64_t size,
                                    unsigned mode)
{
    struct place place = somewhere(label);
    intptr_t handle = raw_plant(place.os_name, RAW_REGION, size, mode);
    assert_true(handle > 0);
    assert_true(raw_write(handle, 0, "foreign", 8));
    do_everything_to(&place, place.name, SHMAP_SCOPE_USER, handle, size, mode);
    do_everything_to(&place, place.os_name, SHMAP_SCOPE_NATIVE, handle, size,
                     mode);
    raw_close(handle);
    raw_remove(place.os_name);
}

static void test_lifetime__foreign_region_is_left_as_found(void **state)
{
    (void)state;
    plant_and_do_everything(__func__, 4096, 0600);
}

static void test_lifetime__odd_foreign_regions_are_left_as_found(void **state)
{
    static const unsigned modes[] = {0666, 0640, 01777, 01700, 02600, 0};
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; modes[i] != 0; ++i)
        plant_and_do_everything(__func__, 12345, modes[i]);
}

static void test_lifetime__other_programs_hold_by_the_convention(void **state)
{
    struct place place = somewhere(__func__);
    shmap_region *region = NULL;
    (void)state;
    if (os_has_lock_files())
        skip_because("other programs cannot hold a region here");
    assert_code(shmap_region_create(&region, place.name, 4096, NULL), 0);
    intptr_t handle = raw_open(place.os_name);
    assert_true(handle > 0);
    assert_true(raw_hold(handle));
    shmap_region_close(region);
    assert_code(stranger_opens(&place), 0);
    raw_close(handle);
    assert_free(&place);
}

static void test_lifetime__region_survives_the_loss_of_its_name(void **state)
{
    struct place place = somewhere(__func__);
    (void)state;
    struct child *a = holder(&place);
    puppet_do(a, "put 0 0 mine");
    if (!raw_remove(place.os_name))
        skip_because("nobody can remove a name here");
    assert_code(stranger_opens(&place), SHMAP_ENOENT);
    int flags = atoi(puppet_ask(a, "flags 0"));
    assert_int_equal(flags & SHMAP_INFO_NAME_LOST, SHMAP_INFO_NAME_LOST);
    assert_string_equal(puppet_ask(a, "get 0 0"), "mine");
    /* The name now means another region, which closing the first leaves. */
    struct child *b = holder(&place);
    puppet_do(b, "put 0 0 other");
    puppet_do(a, "unmap 0");
    puppet_do(a, "close 0");
    assert_string_equal(stranger_reads(&place), "other");
}

/* At the wrong moment. A process stops at a point inside the library while
 * another does something to the same name. */

/* Of these points, how many are there. With lock files only the first: at the
 * others, the one that stops would keep everybody out. */
static size_t points_here(size_t count)
{
    return os_has_lock_files() ? 1 : count;
}

#define STOPS 64

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
    leave_over(place);
    *reaper = puppet_start();
    *opener = puppet_start();
    snprintf(line, sizeof line, "reap %s", place->name);
    stops_run_into_first(*reaper, "reap.locked", line);
    command_line(line, "open", place);
    stops_run_into_first(*opener,
                         os_has_lock_files() ? "gate.busy" : "open.busy", line);
}

static void test_lifetime__opener_gets_nothing_dead_from_a_killed_reaper(
    void **state)
{
    struct place place = somewhere(__func__);
    struct child *reaper;
    struct child *opener;
    (void)state;
    NEEDS_LEFTOVERS;
    for (int i = 0; i < 20; ++i) {
        reaper_and_opener(&place, &reaper, &opener);
        child_end(reaper);
        child_tell(opener, "go");
        int result = puppet_result(opener);
        if (result != SHMAP_EBUSY)
            assert_code(result, SHMAP_ENOENT);
        child_end(opener);
        assert_free(&place);
    }
}

static void test_lifetime__opener_does_not_hang_on_a_stopped_reaper(
    void **state)
{
    struct place place = somewhere(__func__);
    struct child *reaper;
    struct child *opener;
    char line[2 * NAME_ROOM];
    (void)state;
    NEEDS_LEFTOVERS;
    reaper_and_opener(&place, &reaper, &opener);
    child_tell(opener, "go");
    assert_code(puppet_result(opener), SHMAP_EBUSY);
    command_line(line, "create", &place);
    assert_code(puppet(opener, "%s", line), SHMAP_EBUSY);
    assert_code(puppet(opener, "reap %s", place.name), SHMAP_EBUSY);
    child_tell(reaper, "go");
    assert_code(puppet_result(reaper), 0);
    assert_free(&place);
}

/* The stops that a call passes when it meets a leftover. */
static size_t stops_at_leftover(const char *verb, struct stop *stops)
{
    struct place place = somewhere(__func__);
    char line[2 * NAME_ROOM];
    leave_over(&place);
    command_line(line, verb, &place);
    struct child *child = puppet_start();
    puppet_do(child, "record");
    puppet(child, "%s", line);
    size_t count = stops_passed(child, stops, STOPS);
    puppet_end(child);
    shmap_region_reap(place.name, SHMAP_REAP_USER, NULL);
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
    assert_string_equal(stranger_reads(place), "token");
    puppet_do(winner, "unmap 0");
    puppet_do(winner, "close 0");
    assert_false(raw_exists(place->os_name));
}

static void test_lifetime__one_of_two_creators_gets_a_leftovers_name(
    void **state)
{
    struct place place = somewhere(__func__);
    struct stop stops[STOPS];
    char line[2 * NAME_ROOM];
    (void)state;
    NEEDS_LEFTOVERS;
    command_line(line, "create", &place);
    size_t count = stops_at_leftover("create", stops);
    assert_in_range(count, 3, STOPS);
    for (size_t i = 0; i < count; ++i) {
        leave_over(&place);
        struct child *a = puppet_start();
        struct child *b = puppet_start();
        stops_run_into(a, &stops[i], line);
        struct both results = overtake(a, b, line);
        assert_one_winner(&place, a, results.a, b, results.b);
        puppet_end(a);
        puppet_end(b);
    }
}

static void test_lifetime__leftover_taken_meanwhile_is_not_removed(void **state)
{
    static const char *const verbs[] = {"create", "open", "open_or_create",
                                        "reap"};
    struct place place = somewhere(__func__);
    struct stop stops[STOPS];
    char line[2 * NAME_ROOM];
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t v = 0; v < COUNT(verbs); ++v) {
        size_t count = stops_at_leftover(verbs[v], stops);
        for (size_t i = 0; i < count; ++i) {
            leave_over(&place);
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
            assert_string_equal(stranger_reads(&place), "new");
            child_end(a);
            child_end(b);
            assert_eventually(!raw_is_held(place.os_name));
            assert_free(&place);
        }
    }
}

static void test_lifetime__opener_gets_no_region_that_ended_meanwhile(
    void **state)
{
    static const char *const points[] = {"open.opened", "open.alive"};
    struct place place = somewhere(__func__);
    char line[2 * NAME_ROOM];
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; i < points_here(COUNT(points)); ++i) {
        struct child *a = holder(&place);
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

static void test_lifetime__opener_gets_no_region_that_lost_its_name(
    void **state)
{
    static const char *const points[] = {"open.opened", "open.alive"};
    struct place place = somewhere(__func__);
    char line[2 * NAME_ROOM];
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; i < points_here(COUNT(points)); ++i) {
        struct child *a = holder(&place);
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

static void test_lifetime__nobody_sees_a_half_made_region(void **state)
{
    struct place place = somewhere(__func__);
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
    for (size_t i = 0; i < count; ++i) {
        shmap_region *region = NULL;
        stops_run_into(a, &stops[i], line);
        int result = shmap_region_open(&region, place.name, NULL);
        if (result == 0) {
            ++seen;
            assert_true(is_told_as(region, 8192));
            assert_string_equal(stranger_reads(&place), "");
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

static void test_lifetime__opener_is_not_fooled_by_a_second_name(void **state)
{
    static const char *const points[] = {"open.opened", "open.alive"};
    struct place place = somewhere(__func__);
    char second[OS_NAME_ROOM];
    char line[2 * NAME_ROOM];
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; i < points_here(COUNT(points)); ++i) {
        struct child *a = holder(&place);
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
        assert_code(stranger_opens(&place), SHMAP_ENOENT);
        raw_remove(second);
        puppet_end(a);
        puppet_end(b);
        assert_free(&place);
    }
}

static void test_lifetime__opener_gets_what_the_name_means_now(void **state)
{
    static const char *const points[] = {"open.opened", "open.alive"};
    struct place place = somewhere(__func__);
    char line[2 * NAME_ROOM];
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; i < points_here(COUNT(points)); ++i) {
        struct child *a = holder(&place);
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
        assert_free(&place);
    }
}

/* Two let go at once, one of them stopped at every step for longer than the
 * other is patient. */
static void test_lifetime__last_two_close_around_each_other(void **state)
{
    struct place place = somewhere(__func__);
    struct stop stops[STOPS];
    (void)state;
    NEEDS_LEFTOVERS;
    struct child *a = holder(&place);
    struct child *b = holder(&place);
    puppet_do(a, "unmap 0");
    puppet_do(a, "record");
    puppet_do(a, "close 0");
    size_t count = stops_passed(a, stops, STOPS);
    puppet_do(b, "unmap 0");
    puppet_do(b, "record");
    puppet_do(b, "close 0");
    count += stops_passed(b, stops + count, STOPS - count);
    assert_in_range(count, 3, STOPS);
    for (size_t i = 0; i < count; ++i) {
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
    assert_free(&place);
}

static void test_lifetime__closer_removes_only_its_own(void **state)
{
    static const char *const points[] = {"close.begun", "close.dropped"};
    struct place place = somewhere(__func__);
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; i < points_here(COUNT(points)); ++i) {
        struct child *a = holder(&place);
        puppet_do(a, "unmap 0");
        stops_run_into_first(a, points[i], "close 0");
        assert_true(raw_remove(place.os_name));
        struct child *b = holder(&place);
        puppet_do(b, "put 0 0 other");
        child_tell(a, "go");
        assert_code(puppet_result(a), 0);
        assert_string_equal(stranger_reads(&place), "other");
        child_end(a);
        child_end(b);
        assert_eventually(!raw_is_held(place.os_name));
        assert_free(&place);
    }
}

static void test_lifetime__closer_leaves_no_region_under_a_second_name(
    void **state)
{
    struct place place = somewhere(__func__);
    struct place second = somewhere(__func__);
    struct stop stops[STOPS];
    (void)state;
    NEEDS_LEFTOVERS;
    if (os_has_lock_files())
        skip_because("meant for systems whose objects have one name");
    struct child *a = puppet_start();
    puppet_do(a, "create 0 %s 4096", place.name);
    puppet_do(a, "record");
    puppet_do(a, "close 0");
    size_t count = stops_passed(a, stops, STOPS);
    assert_in_range(count, 3, STOPS);
    for (size_t i = 0; i < count; ++i) {
        puppet_do(a, "create 0 %s 4096", place.name);
        stops_run_into(a, &stops[i], "close 0");
        bool linked = raw_hard_link(place.os_name, second.os_name);
        child_tell(a, "go");
        assert_code(puppet_result(a), 0);
        assert_false(raw_exists(place.os_name));
        assert_code(stranger_opens(&place), SHMAP_ENOENT);
        if (linked)
            assert_free(&second);
        else
            assert_true(i > 0);
    }
}

static void test_lifetime__closer_leaves_a_foreign_object(void **state)
{
    struct place place = somewhere(__func__);
    static const char *const points[] = {"close.begun", "close.dropped",
                                         "reap.opened", "reap.locked"};
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; i < points_here(COUNT(points)); ++i) {
        struct child *a = holder(&place);
        puppet_do(a, "unmap 0");
        stops_run_into_first(a, points[i], "close 0");
        assert_true(raw_remove(place.os_name));
        intptr_t handle = raw_plant(place.os_name, RAW_REGION, 4096, 0600);
        assert_true(handle > 0);
        assert_true(raw_write(handle, 0, "foreign", 8));
        child_tell(a, "go");
        assert_code(puppet_result(a), 0);
        assert_as_planted(&place, handle, 4096, 0600);
        raw_close(handle);
        raw_remove(place.os_name);
        child_end(a);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lifetime__last_close_frees_the_name_at_once),
        cmocka_unit_test(
            test_lifetime__last_of_two_handles_in_one_process_counts),
        cmocka_unit_test(test_lifetime__last_of_many_closing_at_once_frees),
        cmocka_unit_test(test_lifetime__view_keeps_the_name_open_to_strangers),
        cmocka_unit_test(test_lifetime__any_view_of_several_keeps_the_region),
        cmocka_unit_test(test_lifetime__reader_holds_as_well_as_a_writer),
        cmocka_unit_test(test_lifetime__exit_without_close_lets_go),
        cmocka_unit_test(test_lifetime__exit_of_one_hurts_nobody),
        cmocka_unit_test(test_lifetime__kill_of_one_hurts_nobody),
        cmocka_unit_test(test_lifetime__kill_of_all_lets_go),
        cmocka_unit_test(test_lifetime__started_program_does_not_hold),
        cmocka_unit_test(test_lifetime__exec_lets_go),
        cmocka_unit_test(test_lifetime__leftover_is_invisible),
        cmocka_unit_test(test_lifetime__open_reclaims_a_leftover),
        cmocka_unit_test(test_lifetime__create_reclaims_a_leftover),
        cmocka_unit_test(test_lifetime__open_or_create_reclaims_a_leftover),
        cmocka_unit_test(test_lifetime__reap_frees_a_leftover_by_name),
        cmocka_unit_test(test_lifetime__reap_frees_all_leftovers),
        cmocka_unit_test(test_lifetime__reap_leaves_what_is_held),
        cmocka_unit_test(test_lifetime__foreign_region_is_left_as_found),
        cmocka_unit_test(test_lifetime__odd_foreign_regions_are_left_as_found),
        cmocka_unit_test(test_lifetime__other_programs_hold_by_the_convention),
        cmocka_unit_test(test_lifetime__region_survives_the_loss_of_its_name),
        cmocka_unit_test(
            test_lifetime__opener_gets_nothing_dead_from_a_killed_reaper),
        cmocka_unit_test(
            test_lifetime__opener_does_not_hang_on_a_stopped_reaper),
        cmocka_unit_test(
            test_lifetime__one_of_two_creators_gets_a_leftovers_name),
        cmocka_unit_test(
            test_lifetime__leftover_taken_meanwhile_is_not_removed),
        cmocka_unit_test(
            test_lifetime__opener_gets_no_region_that_ended_meanwhile),
        cmocka_unit_test(
            test_lifetime__opener_gets_no_region_that_lost_its_name),
        cmocka_unit_test(test_lifetime__nobody_sees_a_half_made_region),
        cmocka_unit_test(test_lifetime__opener_is_not_fooled_by_a_second_name),
        cmocka_unit_test(test_lifetime__opener_gets_what_the_name_means_now),
        cmocka_unit_test(test_lifetime__last_two_close_around_each_other),
        cmocka_unit_test(test_lifetime__closer_removes_only_its_own),
        cmocka_unit_test(
            test_lifetime__closer_leaves_no_region_under_a_second_name),
        cmocka_unit_test(test_lifetime__closer_leaves_a_foreign_object),
    };
    stops_enable();
    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
