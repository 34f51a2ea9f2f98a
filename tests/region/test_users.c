/* SPDX-License-Identifier: MIT */

/* Several users meet at names of the machine's scope: each situation has its
 * code, nothing of another user's is touched, and nothing hangs. Root only,
 * which becomes two others.
 */

#include <errno.h>

#include "channel.h"
#include "place.h"
#include "puppet.h"
#include "stops.h"

#define ALICE 60001
#define BOB   60002

/* Alice has a region of this mode. */
static struct child *alice_with(const struct place *place, unsigned mode)
{
    if (os_has_lock_files())
        skip_because("regions have other modes, and cannot be shared yet");
    struct child *alice = puppet_start_as(ALICE);
    puppet_do(alice, "create 0 %s 8192 machine", place->name);
    puppet_do(alice, "map 0");
    puppet_do(alice, "put 0 0 alices");
    assert_int_equal(raw_mode(place->os_name), 01600);
    assert_true(raw_set_mode(place->os_name, mode));
    return alice;
}

/* Alice had one, and was killed. */
static void leave_over(const struct place *place, unsigned mode)
{
    child_end(alice_with(place, mode));
    assert_eventually(!raw_is_held(place->os_name));
    assert_true(raw_exists(place->os_name));
}

static void assert_untouched(const struct place *place, unsigned mode)
{
    char text[8] = "";
    intptr_t handle = raw_open(place->os_name);
    assert_true(handle > 0);
    assert_true(raw_read(handle, 0, text, sizeof text));
    raw_close(handle);
    assert_string_equal(text, "alices");
    assert_int_equal(raw_mode(place->os_name), mode);
    assert_int_equal(raw_size(place->os_name), 8192);
}

/* Put the name for "@". */
static void format_command(char *out, const char *command,
                           const struct place *place)
{
    size_t before = strcspn(command, "@");
    snprintf(out, 2 * NAME_ROOM, "%.*s%s%s", (int)before, command, place->name,
             command + before + 1);
}

/* What another user's calls are answered. */
struct answers {
    unsigned mode;
    int create;
    int open;         /* for reading and writing, of this user */
    int open_anybody; /* of any user */
    int read;         /* for reading */
    int read_anybody;
    int open_or_create; /* of any user */
    int reap;
};

static void assert_answers(const struct place *place, struct child *bob,
                           const struct answers *answers)
{
    static const struct {
        const char *command;
        size_t answer;
    } calls[] = {
        {"create 0 @ 4096 machine", offsetof(struct answers, create)},
        {"open 0 @ machine", offsetof(struct answers, open)},
        {"open 0 @ machine anybody", offsetof(struct answers, open_anybody)},
        {"open 0 @ machine read", offsetof(struct answers, read)},
        {"open 0 @ machine read anybody",
         offsetof(struct answers, read_anybody)},
        {"open_or_create 0 @ 4096 machine anybody",
         offsetof(struct answers, open_or_create)},
        {"reap @ machine", offsetof(struct answers, reap)},
    };
    for (size_t i = 0; i < COUNT(calls); i++) {
        char line[2 * NAME_ROOM];
        const char *command = calls[i].command;
        format_command(line, command, place);
        int expected = *(const int *)(const void *)((const char *)answers +
                                                    calls[i].answer);
        int result = puppet(bob, "%s", line);
        if (result != expected)
            print_error("mode %04o: %s\n", answers->mode, line);
        assert_code(result, expected);
        if (expected >= 0 && command[0] == 'o')
            puppet_do(bob, "close 0");
        assert_untouched(place, answers->mode);
    }
}

static void test_users__live_region_of_another(void **state)
{
    static const struct answers answers[] = {
        {01600, SHMAP_EACCES, SHMAP_EACCES, SHMAP_EACCES, SHMAP_EACCES,
         SHMAP_EACCES, SHMAP_EACCES, SHMAP_EACCES},
        {01644, SHMAP_EEXIST, SHMAP_EACCES, SHMAP_EACCES, SHMAP_EOWNER, 0,
         SHMAP_EACCES, 0},
        {01666, SHMAP_EEXIST, SHMAP_EOWNER, 0, SHMAP_EOWNER, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        struct child *alice = alice_with(&place, answers[i].mode);
        struct child *bob = puppet_start_as(BOB);
        assert_answers(&place, bob, &answers[i]);
        puppet_do(bob, "reap -");
        assert_untouched(&place, answers[i].mode);
        puppet_do(alice, "unmap 0");
        puppet_do(alice, "close 0");
        assert_false(raw_exists(place.os_name));
    }
}

static void test_users__refused_opener_is_told_the_user(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    struct child *alice = alice_with(&place, 01666);
    struct child *bob = puppet_start_as(BOB);
    assert_code(puppet(bob, "open 0 %s machine", place.name), SHMAP_EOWNER);
    assert_string_equal(puppet_ask(bob, "detail"), "it belongs to user 60001");
    assert_true(raw_set_mode(place.os_name, 01600));
    assert_code(puppet(bob, "open 0 %s machine", place.name), SHMAP_EACCES);
    assert_string_equal(puppet_ask(bob, "detail"), "it belongs to user 60001");
    puppet_do(alice, "unmap 0");
    puppet_do(alice, "close 0");
}

/* Whoever wants a name that is taken is told by whom. */
static void test_users__occupied_names_tell_their_user(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    struct child *alice = alice_with(&place, 01666);
    struct child *bob = puppet_start_as(BOB);
    assert_code(puppet(bob, "create 0 %s 4096 machine", place.name),
                SHMAP_EEXIST);
    assert_string_equal(puppet_ask(bob, "detail"), "it belongs to user 60001");
    assert_true(raw_set_mode(place.os_name, 01644));
    assert_code(puppet(bob, "create 0 %s 4096 machine", place.name),
                SHMAP_EEXIST);
    assert_string_equal(puppet_ask(bob, "detail"), "it belongs to user 60001");
    puppet_do(alice, "unmap 0");
    puppet_do(alice, "close 0");
}

/* Whose a region is, whoever looks, however it came. */
static void test_users__regions_tell_their_user(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    char path[OS_NAME_ROOM];
    char address[NAME_ROOM];
    (void)state;
    struct child *alice = alice_with(&place, 01644);
    struct child *bob = puppet_start_as(BOB);
    puppet_do(bob, "open 0 %s machine read anybody", place.name);
    assert_string_equal(puppet_ask(alice, "owner 0"), "60001");
    assert_string_equal(puppet_ask(bob, "owner 0"), "60001");
    puppet_do(bob, "close 0");
    puppet_do(alice, "unmap 0");
    puppet_do(alice, "close 0");

    scratch_path(path, __func__);
    puppet_do(alice, "open_file 0 %s 4096 new everyone_read", path);
    puppet_do(bob, "open_file 0 %s 0 read", path);
    assert_string_equal(puppet_ask(alice, "owner 0"), "60001");
    assert_string_equal(puppet_ask(bob, "owner 0"), "60001");
    puppet_do(alice, "close 0");
    puppet_do(bob, "close 0");
    remove(path);

    /* Anonymous memory is sent to root. */
    shmap_region *region = NULL;
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    intptr_t end = channel_listen(address, CHANNEL_STREAM);
    options.accept = SHMAP_ACCEPT_ANYBODY;
    puppet_do(alice, "create 0 - 4096");
    assert_string_equal(puppet_ask(alice, "owner 0"), "60001");
    puppet_do(alice, "channel_join 0 %s", address);
    end = channel_accept(end);
    puppet_do(alice, "send 0 0");
    assert_code(shmap_region_receive(&region, end,
                                     shmap_after(SHMAP_MS(PATIENCE)), &options),
                0);
    assert_code(shmap_region_inspect(region, &info), 0);
    assert_string_equal(info.user, "60001");
    shmap_region_close(region);
    channel_close(end);
}

static void test_users__leftover_of_another(void **state)
{
    static const struct answers answers[] = {
        {01600, SHMAP_EACCES, SHMAP_EACCES, SHMAP_EACCES, SHMAP_EACCES,
         SHMAP_EACCES, SHMAP_EACCES, SHMAP_EACCES},
        {01644, SHMAP_ESTALE, SHMAP_EACCES, SHMAP_EACCES, SHMAP_ENOENT,
         SHMAP_ENOENT, SHMAP_EACCES, SHMAP_ESTALE},
        {01666, SHMAP_ESTALE, SHMAP_ENOENT, SHMAP_ENOENT, SHMAP_ENOENT,
         SHMAP_ENOENT, SHMAP_ESTALE, SHMAP_ESTALE},
        /* Its owner was killed while removing it. */
        {01700, SHMAP_ESTALE, SHMAP_ENOENT, SHMAP_ENOENT, SHMAP_ENOENT,
         SHMAP_ENOENT, SHMAP_ESTALE, SHMAP_ESTALE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        leave_over(&place, answers[i].mode);
        struct child *bob = puppet_start_as(BOB);
        assert_answers(&place, bob, &answers[i]);
        assert_string_equal(puppet_ask(bob, "reap -"), "0");
        assert_string_equal(puppet_ask(bob, "reap - every"), "0");
        assert_untouched(&place, answers[i].mode);
        /* Its owner gets rid of it. */
        struct child *alice = puppet_start_as(ALICE);
        assert_string_equal(puppet_ask(alice, "reap -"), "1");
        assert_false(raw_exists(place.os_name));
        assert_code(puppet(bob, "create 0 %s 4096 machine", place.name), 0);
    }
}

static void test_users__a_leftover_of_another_says_why(void **state)
{
    static const char *const commands[] = {"create 0 @ 4096 machine",
                                           "reap @ machine"};
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    leave_over(&place, 01666);
    struct child *bob = puppet_start_as(BOB);
    for (size_t i = 0; i < COUNT(commands); i++) {
        char line[2 * NAME_ROOM];
        format_command(line, commands[i], &place);
        /* Not what a call before it left in errno. */
        assert_code(puppet(bob, "open_file 1 /no/such/file 0"), SHMAP_ENOENT);
        assert_code(puppet(bob, "%s", line), SHMAP_ESTALE);
        assert_int_equal(atoi(puppet_ask(bob, "said")), EPERM);
        assert_string_equal(puppet_ask(bob, "detail"),
                            "it belongs to user 60001");
    }
    assert_code(
        shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE), NULL), 0);
}

/* Who may not remove it must not stand in the way of who may. */
static void test_users__stranger_takes_no_exclusive_step(void **state)
{
    static const char *const commands[] = {
        "create 0 @ 4096 machine", "open 0 @ machine", "reap @ machine"};
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    leave_over(&place, 01666);
    struct child *bob = puppet_start_as(BOB);
    for (size_t i = 0; i < COUNT(commands); i++) {
        char line[2 * NAME_ROOM];
        format_command(line, commands[i], &place);
        puppet_do(bob, "record");
        assert_true(puppet(bob, "%s", line) < 0);
        assert_null(strstr(puppet_ask(bob, "passed"), "reap.locked"));
    }
    assert_untouched(&place, 01666);
    assert_code(
        shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE), NULL), 0);
}

static void test_users__owner_reclaims_whatever_the_mode(void **state)
{
    static const unsigned modes[] = {01600, 01644, 01666};
    (void)state;
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        struct child *alice = puppet_start_as(ALICE);
        leave_over(&place, modes[i]);
        assert_code(puppet(alice, "open 0 %s machine", place.name),
                    SHMAP_ENOENT);
        assert_false(raw_exists(place.os_name));
        leave_over(&place, modes[i]);
        assert_code(puppet(alice, "create 0 %s 4096 machine", place.name), 0);
        assert_int_equal(raw_mode(place.os_name), 01600);
        puppet_do(alice, "map 0");
        assert_string_equal(puppet_ask(alice, "get 0 0"), "");
    }
}

static void test_users__root_reaps_anything_by_name(void **state)
{
    static const unsigned modes[] = {01600, 01644, 01666};
    (void)state;
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        unsigned reaped = 77;
        struct child *alice = alice_with(&place, modes[i]);
        assert_code(shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE),
                                      &reaped),
                    0);
        assert_int_equal(reaped, 0);
        assert_untouched(&place, modes[i]);
        child_end(alice);
        assert_eventually(!raw_is_held(place.os_name));
        assert_code(shmap_region_reap_all(NULL, &reaped), 0);
        assert_int_equal(reaped, 0);
        assert_untouched(&place, modes[i]);
        assert_code(shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE),
                                      &reaped),
                    0);
        assert_int_equal(reaped, 1);
        assert_false(raw_exists(place.os_name));
    }
}

static void test_users__root_reaps_everybodys_on_request(void **state)
{
    struct place dead = place_make(__func__, SHMAP_SCOPE_MACHINE);
    struct place alive = place_make(__func__, SHMAP_SCOPE_MACHINE);
    unsigned reaped = 77;
    (void)state;
    leave_over(&dead, 01600);
    alice_with(&alive, 01600);
    assert_code(shmap_region_reap_all(accepting(SHMAP_ACCEPT_ANYBODY), &reaped),
                0);
    assert_true(reaped >= 1);
    assert_false(raw_exists(dead.os_name));
    assert_untouched(&alive, 01600);
}

static void test_users__root_makes_a_dead_users_name_its_own(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    shmap_region *region = NULL;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    (void)state;
    options.scope = SHMAP_SCOPE_MACHINE;
    leave_over(&place, 01600);
    assert_code(shmap_region_create(&region, place.name, 4096, &options), 0);
    assert_code(puppet(puppet_start_as(ALICE), "open 0 %s machine", place.name),
                SHMAP_EACCES);
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
}

static void test_users__exactly_the_named_user_is_accepted(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    struct place own = place_make("own", SHMAP_SCOPE_MACHINE);
    static const char *const others[] = {"0", "root", "60002", "65534"};
    shmap_region *region = NULL;
    shmap_region *mine = NULL;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    (void)state;
    alice_with(&place, 01600);
    options.scope = SHMAP_SCOPE_MACHINE;
    assert_code(shmap_region_create(&mine, own.name, 1, &options), 0);
    options.accept = SHMAP_ACCEPT_USER;
    for (size_t i = 0; i < COUNT(others); i++) {
        options.user = others[i];
        assert_code(shmap_region_open(&region, place.name, &options),
                    SHMAP_EOWNER);
    }
    options.user = "60001";
    assert_code(shmap_region_open(&region, place.name, &options), 0);
    shmap_region_close(region);
    assert_code(shmap_region_open(&region, own.name, &options), SHMAP_EOWNER);
    options.user = "root";
    assert_code(shmap_region_open(&region, own.name, &options), 0);
    shmap_region_close(region);
    shmap_region_close(mine);
    assert_untouched(&place, 01600);
}

static void test_users__root_accepts_its_own_regions_only(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    shmap_region *region = NULL;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    (void)state;
    options.scope = SHMAP_SCOPE_MACHINE;
    alice_with(&place, 01600);
    assert_code(shmap_region_open(&region, place.name, &options), SHMAP_EOWNER);
    options.accept = SHMAP_ACCEPT_SYSTEM;
    assert_code(shmap_region_open(&region, place.name, &options), SHMAP_EOWNER);
    options.accept = SHMAP_ACCEPT_ANYBODY;
    assert_code(shmap_region_open(&region, place.name, &options), 0);
    shmap_region_close(region);
    assert_untouched(&place, 01600);
}

static void test_users__the_systems_regions_are_accepted_on_request(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    shmap_region *region = NULL;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    (void)state;
    if (os_has_lock_files())
        skip_because("lock files are their owner's only");
    options.scope = SHMAP_SCOPE_MACHINE;
    struct child *bob = puppet_start_as(BOB);
    assert_code(shmap_region_create(&region, place.name, 4096, &options), 0);
    assert_true(raw_set_mode(place.os_name, 01666));
    assert_code(puppet(bob, "open 0 %s machine", place.name), SHMAP_EOWNER);
    assert_code(puppet(bob, "open 0 %s machine system", place.name), 0);
    puppet_do(bob, "close 0");
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
}

static void test_users__reader_of_anothers_region_holds_it(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    struct child *alice = alice_with(&place, 01644);
    struct child *again = puppet_start_as(ALICE);
    struct child *bob = puppet_start_as(BOB);
    puppet_do(bob, "open 0 %s machine read anybody", place.name);
    puppet_do(bob, "map 0");
    puppet_do(bob, "close 0");
    child_end(alice);
    /* The region is alive as long as Bob looks at it. */
    assert_code(puppet(again, "create 0 %s 4096 machine", place.name),
                SHMAP_EEXIST);
    assert_code(puppet(again, "open 0 %s machine", place.name), 0);
    puppet_do(again, "close 0");
    assert_string_equal(puppet_ask(again, "reap %s machine", place.name), "0");
    assert_untouched(&place, 01644);
    /* He may not remove the name, but nobody sees what he left. */
    puppet_do(bob, "unmap 0");
    assert_code(puppet(bob, "open 0 %s machine read anybody", place.name),
                SHMAP_ENOENT);
    assert_code(puppet(again, "open 0 %s machine", place.name), SHMAP_ENOENT);
    assert_false(raw_exists(place.os_name));
}

static void test_users__refused_opener_leaves_nothing_behind(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    struct child *bob = puppet_start_as(BOB);
    for (int i = 0; i < 20; i++) {
        struct child *alice = alice_with(&place, 01666);
        puppet_do(alice, "unmap 0");
        child_tell(bob, "open 0 %s machine", place.name);
        child_tell(alice, "close 0");
        assert_code(puppet_result(alice), 0);
        int result = puppet_result(bob);
        if (result != SHMAP_EOWNER)
            assert_code(result, SHMAP_ENOENT);
        /* Bob cannot remove what he kept Alice from removing. */
        assert_code(puppet(alice, "open 0 %s machine", place.name),
                    SHMAP_ENOENT);
        assert_false(raw_exists(place.os_name));
        puppet_end(alice);
    }
}

/* Who may not have a region does not mark it on the way: the mark could keep
 * the last holder from removing it. */
static void test_users__refused_opener_never_marks(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    struct stop stops[64];
    (void)state;
    if (os_has_lock_files())
        skip_because("lock files are their owner's only");
    struct child *alice = puppet_start_as(ALICE);
    struct child *bob = puppet_start_as(BOB);
    puppet_do(alice, "create 0 %s 4096 machine everyone_read", place.name);
    puppet_do(bob, "record");
    assert_code(puppet(bob, "open 0 %s machine read", place.name),
                SHMAP_EOWNER);
    size_t count = stops_passed(bob, stops, COUNT(stops));
    assert_in_range(count, 1, COUNT(stops));
    for (size_t i = 0; i < count; i++)
        assert_string_not_equal(stops[i].point, "open.marked");
}

/* The last holder goes while a stranger is at any step of an open that is
 * refused. */
static void test_users__refused_stranger_leaves_nothing_behind(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    char line[2 * NAME_ROOM];
    struct stop stops[64];
    size_t count = 0;
    (void)state;
    if (os_has_lock_files())
        skip_because("lock files are their owner's only");
    struct child *alice = puppet_start_as(ALICE);
    struct child *bob = puppet_start_as(BOB);
    snprintf(line, sizeof line, "open 0 %s machine read", place.name);
    for (size_t i = 0; i <= count; i++) {
        puppet_do(alice, "create 0 %s 4096 machine everyone_read", place.name);
        if (i == 0) {
            puppet_do(bob, "record");
            assert_code(puppet(bob, "%s", line), SHMAP_EOWNER);
            count = stops_passed(bob, stops, COUNT(stops));
        } else {
            stops_run_into(bob, &stops[i - 1], line);
        }
        puppet_do(alice, "close 0");
        assert_false(raw_exists(place.os_name));
        if (i > 0) {
            child_tell(bob, "go");
            int result = puppet_result(bob);
            if (result != SHMAP_EOWNER)
                assert_code(result, SHMAP_ENOENT);
        }
    }
}

static void test_users__have_names_of_their_own(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    struct child *alice = puppet_start_as(ALICE);
    struct child *bob = puppet_start_as(BOB);
    assert_code(puppet(alice, "create 0 %s 4096", place.name), 0);
    assert_code(puppet(bob, "open 0 %s anybody", place.name), SHMAP_ENOENT);
    assert_code(puppet(bob, "create 0 %s 4096", place.name), 0);
    puppet_do(alice, "map 0");
    puppet_do(bob, "map 0");
    puppet_do(alice, "put 0 0 alices");
    assert_string_equal(puppet_ask(bob, "get 0 0"), "");
}

static void test_users__no_user_plants_content_under_anothers_name(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    char os_name[OS_NAME_ROOM];
    (void)state;
    if (os_has_lock_files())
        skip_because("lock files are their owner's only");
    snprintf(os_name, sizeof os_name, "/shmap.%d.%s", ALICE, place.name);
    struct child *alice = puppet_start_as(ALICE);
    struct child *bob = puppet_start_as(BOB);
    assert_code(puppet(bob, "create 0 %s 4096 native", os_name), 0);
    assert_true(raw_set_mode(os_name, 01666));
    assert_code(puppet(alice, "open 0 %s", place.name), SHMAP_EOWNER);
    assert_code(puppet(alice, "open_or_create 0 %s 4096", place.name),
                SHMAP_EOWNER);
    assert_code(puppet(alice, "create 0 %s 4096", place.name), SHMAP_EEXIST);
    child_end(bob);
    assert_eventually(!raw_is_held(os_name));
    assert_code(puppet(alice, "open 0 %s", place.name), SHMAP_ENOENT);
    assert_code(puppet(alice, "create 0 %s 4096", place.name), SHMAP_ESTALE);
    assert_code(puppet(alice, "reap %s", place.name), SHMAP_ESTALE);
    assert_code(shmap_region_reap(os_name, in_scope(SHMAP_SCOPE_NATIVE), NULL),
                0);
    assert_code(puppet(alice, "create 0 %s 4096", place.name), 0);
}

static void test_users__foreign_region_of_another(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    intptr_t handle = raw_plant(place.os_name, RAW_REGION, 8192, 0666);
    assert_true(handle > 0);
    assert_true(raw_write(handle, 0, "alices", 7));
    struct child *bob = puppet_start_as(BOB);
    assert_code(puppet(bob, "open 0 %s machine", place.name), SHMAP_EOWNER);
    assert_code(puppet(bob, "create 0 %s 4096 machine", place.name),
                SHMAP_EEXIST);
    assert_string_equal(puppet_ask(bob, "reap %s machine", place.name), "0");
    /* Only native scope takes what nothing proves the name of. */
    assert_code(puppet(bob, "open 0 %s machine anybody", place.name),
                SHMAP_ETYPE);
    assert_code(puppet(bob, "open 0 %s native anybody", place.os_name), 0);
    puppet_do(bob, "close 0");
    assert_untouched(&place, 0666);
    raw_close(handle);
    raw_remove(place.os_name);
}

/* A daemon that was root and gave it up has no access to its own /proc. */
static void test_users__process_that_gave_up_root_is_like_any_other(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    struct child *daemon = puppet_start();
    struct child *alice = puppet_start_as(ALICE);
    puppet_do(daemon, "drop %u", ALICE);
    assert_code(puppet(daemon, "create 0 %s 4096 machine", place.name), 0);
    puppet_do(daemon, "map 0");
    puppet_do(daemon, "put 0 0 hello");
    assert_code(puppet(alice, "open 0 %s machine", place.name), 0);
    puppet_do(alice, "map 0");
    assert_string_equal(puppet_ask(alice, "get 0 0"), "hello");
    puppet_do(alice, "unmap 0");
    puppet_do(alice, "close 0");
    puppet_do(daemon, "unmap 0");
    puppet_do(daemon, "close 0");
    assert_false(raw_exists(place.os_name));
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users__live_region_of_another),
        cmocka_unit_test(test_users__refused_opener_is_told_the_user),
        cmocka_unit_test(test_users__occupied_names_tell_their_user),
        cmocka_unit_test(test_users__regions_tell_their_user),
        cmocka_unit_test(test_users__leftover_of_another),
        cmocka_unit_test(test_users__a_leftover_of_another_says_why),
        cmocka_unit_test(test_users__stranger_takes_no_exclusive_step),
        cmocka_unit_test(test_users__owner_reclaims_whatever_the_mode),
        cmocka_unit_test(test_users__root_reaps_anything_by_name),
        cmocka_unit_test(test_users__root_reaps_everybodys_on_request),
        cmocka_unit_test(test_users__root_makes_a_dead_users_name_its_own),
        cmocka_unit_test(test_users__exactly_the_named_user_is_accepted),
        cmocka_unit_test(test_users__root_accepts_its_own_regions_only),
        cmocka_unit_test(
            test_users__the_systems_regions_are_accepted_on_request),
        cmocka_unit_test(test_users__reader_of_anothers_region_holds_it),
        cmocka_unit_test(test_users__refused_opener_leaves_nothing_behind),
        cmocka_unit_test(test_users__refused_opener_never_marks),
        cmocka_unit_test(test_users__refused_stranger_leaves_nothing_behind),
        cmocka_unit_test(test_users__have_names_of_their_own),
        cmocka_unit_test(
            test_users__no_user_plants_content_under_anothers_name),
        cmocka_unit_test(test_users__foreign_region_of_another),
        cmocka_unit_test(
            test_users__process_that_gave_up_root_is_like_any_other),
    };
    if (!os_is_root())
        return program_skipped("only root can become other users");
    stops_enable();
    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
