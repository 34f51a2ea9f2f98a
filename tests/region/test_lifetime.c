/* SPDX-License-Identifier: MIT */

/* How long named regions live: whoever ends how, a region lives as long as
 * somebody holds it, and not a moment longer. */

#include "place.h"
#include "puppet.h"
#include "units.h"

#define MANY 16

#define NEEDS_LEFTOVERS                                                 \
    do {                                                                \
        if (!os_has_leftovers())                                        \
            skip_because("killed processes leave nothing behind here"); \
    } while (0)

/* Closing. */

static void test_lifetime__last_close_frees_the_name_at_once(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    puppet_do(a, "create 0 %s 4096", place.name);
    puppet_do(b, "open 0 %s", place.name);
    puppet_do(a, "close 0");
    assert_true(raw_exists(place.os_name));
    assert_code(place_open(&place), 0);
    puppet_do(b, "close 0");
    assert_false(raw_exists(place.os_name));
    place_assert_free(&place);
}

static void test_lifetime__last_of_two_handles_in_one_process_counts(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *a = puppet_start();
    puppet_do(a, "create 0 %s 4096", place.name);
    puppet_do(a, "open 1 %s", place.name);
    puppet_do(a, "close 0");
    assert_code(place_open(&place), 0);
    puppet_do(a, "close 1");
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__last_of_many_closing_at_once_frees(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    int rounds = os_is_emulated() ? 5 : 40;
    size_t many = os_is_emulated() ? MANY / 2 : MANY;
    struct child *holders[MANY];
    (void)state;
    for (size_t i = 0; i < many; i++)
        holders[i] = puppet_start();
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < many; i++) {
            puppet_do(holders[i], "open_or_create 0 %s 4096", place.name);
            puppet_do(holders[i], "map 0");
            /* Every other one holds the region by its view only. */
            if (i % 2 == 0)
                puppet_do(holders[i], "close 0");
            else
                puppet_do(holders[i], "unmap 0");
        }
        for (size_t i = 0; i < many; i++)
            child_tell(holders[i], i % 2 == 0 ? "unmap 0" : "close 0");
        for (size_t i = 0; i < many; i++)
            assert_code(puppet_result(holders[i]), 0);
        assert_false(raw_exists(place.os_name));
    }
    place_assert_free(&place);
}

/* Views. */

static shmap_region *role_create(const struct place *place)
{
    shmap_region *region;
    role_check_code(shmap_region_create(&region, place->name, 4096, NULL), 0);
    return region;
}

/* The last holder closes while it may open nothing, as programs that give up
 * their rights do, or that are at their limit. */
static int closes_without_handles(int count, char **arguments)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct place another = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region = role_create(&place);
    (void)count, (void)arguments;
    if (!os_limit_handle_numbers(0)) {
        say("cannot");
        return 0;
    }
    shmap_region_close(region);
    role_check(os_limit_handle_numbers(256));
    shmap_region_close(role_create(&another));
    role_check(!raw_exists(place.os_name));
    say("done");
    return 0;
}

static void test_lifetime__close_without_handles_is_made_up_for(void **state)
{
    (void)state;
    units_run_role("closes_without_handles", NULL,
                   "handles cannot be limited here");
}

static void test_lifetime__view_keeps_the_name_open_to_strangers(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *a = place_hold(&place);
    puppet_do(a, "put 0 0 kept");
    puppet_do(a, "close 0");
    assert_string_equal(place_read(&place), "kept");
    puppet_do(a, "put 0 0 again");
    assert_string_equal(place_read(&place), "again");
    puppet_do(a, "unmap 0");
    assert_false(raw_exists(place.os_name));
    place_assert_free(&place);
}

static void test_lifetime__any_view_of_several_keeps_the_region(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *a = place_hold(&place);
    puppet_do(a, "map 1 0 read");
    puppet_do(a, "map 2 0 copy");
    puppet_do(a, "close 0");
    puppet_do(a, "unmap 0");
    assert_code(place_open(&place), 0);
    puppet_do(a, "unmap 1");
    assert_code(place_open(&place), 0);
    puppet_do(a, "unmap 2");
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__reader_holds_as_well_as_a_writer(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *a = place_hold(&place);
    struct child *b = puppet_start();
    puppet_do(a, "put 0 0 written");
    puppet_do(b, "open 0 %s read", place.name);
    puppet_do(a, "unmap 0");
    puppet_do(a, "close 0");
    assert_string_equal(place_read(&place), "written");
    puppet_do(b, "map 0");
    puppet_do(b, "close 0");
    assert_string_equal(place_read(&place), "written");
    puppet_do(b, "unmap 0");
    assert_false(raw_exists(place.os_name));
}

/* Ends without closing. */

static void test_lifetime__exit_without_close_lets_go(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *a = place_hold(&place);
    child_tell(a, "exit 0");
    assert_int_equal(child_wait(a, PATIENCE), 0);
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
    place_assert_free(&place);
}

static void test_lifetime__exit_of_one_holder_leaves_the_others_unharmed(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *a = place_hold(&place);
    struct child *b = place_hold(&place);
    puppet_do(a, "put 0 0 from-a");
    child_tell(a, "exit 0");
    child_wait(a, PATIENCE);
    assert_string_equal(puppet_ask(b, "get 0 0"), "from-a");
    assert_string_equal(place_read(&place), "from-a");
}

static void test_lifetime__kill_of_one_holder_leaves_the_others_unharmed(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *b = place_hold(&place);
    for (int i = 0; i < 10; i++) {
        struct child *a = place_hold(&place);
        puppet_do(a, "put 0 0 from-%d", i);
        child_end(a);
        assert_code(place_open(&place), 0);
        assert_int_equal(atoi(puppet_ask(b, "get 0 5")), i);
    }
    puppet_do(b, "unmap 0");
    puppet_do(b, "close 0");
    assert_eventually(!raw_exists(place.os_name) ||
                      place_open(&place) == SHMAP_ENOENT);
    place_assert_free(&place);
}

static void test_lifetime__kill_of_all_lets_go(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    struct child *holders[MANY];
    size_t many = os_is_emulated() ? MANY / 2 : MANY;
    (void)state;
    for (size_t i = 0; i < many; i++)
        holders[i] = place_hold(&place);
    puppet_do(holders[0], "put 0 0 dead");
    for (size_t i = 0; i < many; i++)
        child_kill(holders[i]);
    for (size_t i = 0; i < many; i++)
        assert_int_equal(child_wait(holders[i], PATIENCE), CHILD_KILLED);
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
    place_assert_free(&place);
}

static void test_lifetime__started_program_does_not_hold(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
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
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    if (!os_can_fork())
        skip_because("a process cannot become another program here");
    struct child *a = place_hold(&place);
    puppet_do(a, "exec");
    assert_eventually(place_open(&place) == SHMAP_ENOENT);
    place_assert_free(&place);
    child_close_stdin(a);
    assert_int_equal(child_wait(a, PATIENCE), 0);
}

/* Leftovers. */

static void test_lifetime__leftover_is_invisible(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NULL;
    (void)state;
    place_leave_over(&place);
    options.access = SHMAP_ACCESS_READ;
    options.accept = SHMAP_ACCEPT_ANYBODY;
    assert_code(shmap_region_open(&region, place.name, &options), SHMAP_ENOENT);
    assert_null(region);
    place_assert_free(&place);
}

static void test_lifetime__open_reclaims_a_leftover(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    place_leave_over(&place);
    assert_code(place_open(&place), SHMAP_ENOENT);
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__create_reclaims_a_leftover(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region = NULL;
    (void)state;
    place_leave_over(&place);
    assert_code(shmap_region_create(&region, place.name, 300000, NULL), 0);
    assert_string_equal(place_read(&place), "");
    assert_true(shmap_region_size(region) >= 300000);
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__open_or_create_reclaims_a_leftover(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region = NULL;
    (void)state;
    place_leave_over(&place);
    assert_code(shmap_region_open_or_create(&region, place.name, 300000, NULL),
                SHMAP_CREATED);
    assert_string_equal(place_read(&place), "");
    assert_true(shmap_region_size(region) >= 300000);
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__reap_frees_a_leftover_by_name(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    unsigned reaped = 77;
    (void)state;
    place_leave_over(&place);
    assert_code(shmap_region_reap(place.name, NULL, &reaped), 0);
    assert_int_equal(reaped, os_has_leftovers() ? 1 : 0);
    assert_false(raw_exists(place.os_name));
    assert_code(shmap_region_reap(place.name, NULL, &reaped), 0);
    assert_int_equal(reaped, 0);
    place_assert_free(&place);
}

static void test_lifetime__reap_frees_all_leftovers(void **state)
{
    static const int scopes[] = {SHMAP_SCOPE_USER, SHMAP_SCOPE_NATIVE,
                                 SHMAP_SCOPE_NATIVE};
    struct place places[COUNT(scopes)];
    struct place alive = place_make(__func__, SHMAP_SCOPE_NATIVE);
    unsigned reaped = 77;
    (void)state;
    struct child *a = place_hold(&alive);
    puppet_do(a, "put 0 0 alive");
    for (size_t i = 0; i < COUNT(places); i++) {
        places[i] = place_make(__func__, scopes[i]);
        place_leave_over(&places[i]);
    }
    assert_code(shmap_region_reap_all(NULL, &reaped), 0);
    assert_true(reaped >= (os_has_leftovers() ? 3u : 0u));
    for (size_t i = 0; i < COUNT(places); i++)
        assert_false(raw_exists(places[i].os_name));
    assert_string_equal(place_read(&alive), "alive");
}

static void test_lifetime__reap_leaves_what_is_held(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    unsigned reaped = 77;
    (void)state;
    struct child *a = place_hold(&place);
    puppet_do(a, "put 0 0 held");
    assert_code(shmap_region_reap(place.name, NULL, &reaped), 0);
    assert_int_equal(reaped, 0);
    puppet_do(a, "close 0");
    assert_code(shmap_region_reap(place.name, NULL, &reaped), 0);
    assert_int_equal(reaped, 0);
    assert_string_equal(place_read(&place), "held");
}

/* In a service that may not set set-user-id bits, a name works again and again,
 * and what is left over can be reaped. */
static int sandboxed(int count, char **arguments)
{
    const struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)count, (void)arguments;
    if (!os_forbid_set_id()) {
        say("cannot");
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        shmap_region *region = NULL;
        unsigned reaped = 0;
        role_check_code(
            shmap_region_open_or_create(&region, place.name, 4096, NULL),
            SHMAP_CREATED);
        shmap_region_close(region);
        role_check(!raw_exists(place.os_name));
        FILE *from;
        FILE *to;
        int pid = os_fork(&from, &to);
        if (pid == 0) {
            shmap_region_create(&region, place.name, 4096, NULL);
            os_exit_now(0);
        }
        role_check(os_fork_wait(pid) == 0);
        role_check(raw_exists(place.os_name));
        role_check_code(shmap_region_reap(place.name, NULL, &reaped), 0);
        role_check(reaped == 1);
        role_check(!raw_exists(place.os_name));
    }
    say("done");
    return 0;
}

static void test_lifetime__no_set_user_id_bit_is_needed(void **state)
{
    (void)state;
    units_run_role("sandboxed", NULL, "nothing forbids such bits here");
}

/* Other programs. */

/* Sizes are told in whole pages. */
static bool is_told_as(const shmap_region *region, uint64_t size)
{
    uint64_t told = shmap_region_size(region);
    return told >= size && told - size < os_page_size();
}

/* In user and machine scope, nothing tells that its owner gave it the name; on
 * Windows nothing tells who made it. */
static void assert_refused(const struct place *place, intptr_t handle,
                           uint64_t size, unsigned mode)
{
    shmap_region *region = NULL;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    unsigned reaped = 77;
    if (!os_has_leftovers())
        return;
    assert_code(shmap_region_create(&region, place->name, 4096, NULL),
                SHMAP_EEXIST);
    options.accept = SHMAP_ACCEPT_ANYBODY;
    assert_code(shmap_region_open(&region, place->name, &options), SHMAP_ETYPE);
    assert_non_null(strstr(shmap_error_detail(), "native scope"));
    assert_code(
        shmap_region_open_or_create(&region, place->name, 4 * size, &options),
        SHMAP_ETYPE);
    assert_code(shmap_region_reap(place->name, NULL, &reaped), 0);
    assert_int_equal(reaped, 0);
    assert_code(shmap_region_reap_all(NULL, NULL), 0);
    place_assert_planted(place, handle, size, mode);
}

/* Another program's object looks like a dead region, but has no stamp. */
static void test_lifetime__reap_of_all_spares_other_programs(void **state)
{
    static const unsigned modes[] = {01600, 01666, 01700};
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_NATIVE);
        intptr_t handle = place_plant(&place, 4096, modes[i]);
        assert_code(shmap_region_reap_all(NULL, NULL), 0);
        place_assert_planted(&place, handle, 4096, modes[i]);
        raw_close(handle);
        raw_remove(place.os_name);
    }
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
    options.accept = SHMAP_ACCEPT_ANYBODY;
    place_assert_planted(place, handle, size, mode);
    assert_code(shmap_region_open(&region, name, &options), 0);
    assert_true(is_told_as(region, size));
    place_assert_planted(place, handle, size, mode);
    shmap_region_close(region);
    place_assert_planted(place, handle, size, mode);
    assert_code(shmap_region_open_or_create(&region, name, 4 * size, &options),
                0);
    assert_true(is_told_as(region, size));
    shmap_region_close(region);
    place_assert_planted(place, handle, size, mode);
    assert_code(shmap_region_reap(name, in_scope(scope), &reaped), 0);
    assert_int_equal(reaped, 0);
    assert_code(shmap_region_reap_all(NULL, NULL), 0);
    place_assert_planted(place, handle, size, mode);
}

static void plant_and_do_everything(const char *label, uint64_t size,
                                    unsigned mode)
{
    struct place place = place_make(label, SHMAP_SCOPE_USER);
    intptr_t handle = place_plant(&place, size, mode);
    assert_refused(&place, handle, size, mode);
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
    static const unsigned modes[] = {0666, 0640, 01777, 01700, 0};
    (void)state;
    NEEDS_LEFTOVERS;
    for (size_t i = 0; modes[i] != 0; i++)
        plant_and_do_everything(__func__, 12345, modes[i]);
}

static void test_lifetime__foreign_set_group_id_bit_is_left_as_found(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    NEEDS_LEFTOVERS;
    intptr_t handle = raw_plant(place.os_name, RAW_REGION, 4096, 02600);
    if (handle <= 0)
        skip_because("set-group-id bits are forbidden here");
    raw_close(handle);
    raw_remove(place.os_name);
    plant_and_do_everything(__func__, 12345, 02600);
}

static void test_lifetime__other_programs_hold_by_the_convention(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region = NULL;
    (void)state;
    if (os_has_lock_files())
        skip_because("other programs cannot hold a region here");
    assert_code(shmap_region_create(&region, place.name, 4096, NULL), 0);
    intptr_t handle = raw_open(place.os_name);
    assert_true(handle > 0);
    assert_true(raw_hold(handle));
    shmap_region_close(region);
    assert_code(place_open(&place), 0);
    raw_close(handle);
    place_assert_free(&place);
}

/* In 32-bit programs, times have 32 bits as a rule, and their C library does
 * not tell the size of what has others. */
static void test_lifetime__small_programs_meet_native_regions(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_NATIVE);
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    unsigned reaped = 0;
    (void)state;
    options.scope = SHMAP_SCOPE_NATIVE;
    assert_code(shmap_region_create(&region, place.name, 4096, &options), 0);
    assert_true(raw_has_small_times(place.os_name));
    shmap_region_close(region);
    NEEDS_LEFTOVERS;
    place_leave_over(&place);
    assert_true(raw_has_small_times(place.os_name));
    assert_code(shmap_region_reap_all(NULL, &reaped), 0);
    assert_true(reaped >= 1);
    assert_false(raw_exists(place.os_name));
}

static void test_lifetime__region_survives_the_loss_of_its_name(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    (void)state;
    struct child *a = place_hold(&place);
    puppet_do(a, "put 0 0 mine");
    if (!raw_remove(place.os_name))
        skip_because("nobody can remove a name here");
    assert_code(place_open(&place), SHMAP_ENOENT);
    int flags = atoi(puppet_ask(a, "flags 0"));
    assert_int_equal(flags & SHMAP_INFO_NAME_LOST, SHMAP_INFO_NAME_LOST);
    assert_string_equal(puppet_ask(a, "get 0 0"), "mine");
    /* The name now means another region, which closing the first leaves. */
    struct child *b = place_hold(&place);
    puppet_do(b, "put 0 0 other");
    puppet_do(a, "unmap 0");
    puppet_do(a, "close 0");
    assert_string_equal(place_read(&place), "other");
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"sandboxed", sandboxed},
        {"closes_without_handles", closes_without_handles},
        {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lifetime__last_close_frees_the_name_at_once),
        cmocka_unit_test(
            test_lifetime__last_of_two_handles_in_one_process_counts),
        cmocka_unit_test(test_lifetime__last_of_many_closing_at_once_frees),
        cmocka_unit_test(test_lifetime__close_without_handles_is_made_up_for),
        cmocka_unit_test(test_lifetime__view_keeps_the_name_open_to_strangers),
        cmocka_unit_test(test_lifetime__any_view_of_several_keeps_the_region),
        cmocka_unit_test(test_lifetime__reader_holds_as_well_as_a_writer),
        cmocka_unit_test(test_lifetime__exit_without_close_lets_go),
        cmocka_unit_test(
            test_lifetime__exit_of_one_holder_leaves_the_others_unharmed),
        cmocka_unit_test(
            test_lifetime__kill_of_one_holder_leaves_the_others_unharmed),
        cmocka_unit_test(test_lifetime__kill_of_all_lets_go),
        cmocka_unit_test(test_lifetime__started_program_does_not_hold),
        cmocka_unit_test(test_lifetime__exec_lets_go),
        cmocka_unit_test(test_lifetime__leftover_is_invisible),
        cmocka_unit_test(test_lifetime__open_reclaims_a_leftover),
        cmocka_unit_test(test_lifetime__create_reclaims_a_leftover),
        cmocka_unit_test(test_lifetime__open_or_create_reclaims_a_leftover),
        cmocka_unit_test(test_lifetime__reap_frees_a_leftover_by_name),
        cmocka_unit_test(test_lifetime__reap_frees_all_leftovers),
        cmocka_unit_test(test_lifetime__no_set_user_id_bit_is_needed),
        cmocka_unit_test(test_lifetime__reap_of_all_spares_other_programs),
        cmocka_unit_test(test_lifetime__reap_leaves_what_is_held),
        cmocka_unit_test(test_lifetime__foreign_region_is_left_as_found),
        cmocka_unit_test(test_lifetime__odd_foreign_regions_are_left_as_found),
        cmocka_unit_test(
            test_lifetime__foreign_set_group_id_bit_is_left_as_found),
        cmocka_unit_test(test_lifetime__other_programs_hold_by_the_convention),
        cmocka_unit_test(test_lifetime__small_programs_meet_native_regions),
        cmocka_unit_test(test_lifetime__region_survives_the_loss_of_its_name),
    };
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
