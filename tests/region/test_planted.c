/* SPDX-License-Identifier: MIT */

/* A user who may write to one region of another user links it, or another
 * object of that user's, to that user's private names. Nothing that the
 * attacker can write to may be taken for the region of that name, in any state
 * of the object, and the honest region stays what it is. Root only, which
 * becomes two others.
 */

#include "place.h"
#include "puppet.h"
#include "stops.h"

#define ALICE 60001
#define BOB   60002

/* The attacker: another user, who uses the system's own calls. */
static int attack(int count, char **arguments)
{
    intptr_t handle = -1;
    char *line;
    (void)count;
    role_check(os_become_user((unsigned)atoi(arguments[0])));
    while ((line = hear()) != NULL) {
        char verb[16] = "";
        char name[OS_NAME_ROOM] = "";
        char second[OS_NAME_ROOM] = "";
        bool done = false;
        sscanf(line, "%15s %511s %511s", verb, name, second);
        if (strcmp(verb, "open") == 0)
            done = (handle = raw_open(name)) > 0;
        else if (strcmp(verb, "link") == 0)
            done = raw_hard_link(name, second);
        else if (strcmp(verb, "remove") == 0)
            done = raw_remove(name);
        else if (strcmp(verb, "touch") == 0)
            done = raw_touch(handle);
        else if (strcmp(verb, "plant") == 0)
            done = raw_write(handle, 0, "planted", 8);
        else if (strcmp(verb, "cut") == 0)
            done = raw_resize(handle, 0) && raw_resize(handle, 8192);
        else if (strcmp(verb, "hold") == 0)
            done = raw_hold(handle);
        else if (strcmp(verb, "hinder") == 0)
            done = raw_hinder(name);
        else if (strcmp(verb, "block") == 0)
            done = raw_block(handle);
        say("%s", done ? "done" : "refused");
    }
    return 0;
}

static bool attacks(struct child *attacker, const char *verb, const char *name,
                    const char *second)
{
    child_tell(attacker, "%s %s %s", verb, name, second);
    const char *line = child_read_line(attacker, PATIENCE);
    assert_non_null(line);
    return strcmp(line, "done") == 0;
}

/* The victim has a region that everybody may write to, and a name of its own
 * that nothing has yet. */
struct scene {
    unsigned user; /* 0: root */
    struct child *victim;
    struct child *attacker;
    struct place open; /* what everybody may write to */
    char own_name[NAME_ROOM];
    char own[OS_NAME_ROOM];
};

static struct scene set_scene(const char *label, unsigned user)
{
    struct scene scene = {.user = user};
    char attacker[16];
    if (os_has_lock_files())
        skip_because("regions cannot be shared here");
    scene.open = place_make(label, SHMAP_SCOPE_MACHINE);
    unique_name(scene.own_name, label);
    snprintf(scene.own, sizeof scene.own, "/shmap.%u.%s", user, scene.own_name);
    snprintf(attacker, sizeof attacker, "%d", BOB);
    scene.victim = user == 0 ? puppet_start() : puppet_start_as(user);
    scene.attacker = child_start("attack", attacker, NULL);
    puppet_do(scene.victim, "create 0 %s 8192 machine everyone",
              scene.open.name);
    puppet_do(scene.victim, "map 0");
    puppet_do(scene.victim, "put 0 0 honest");
    assert_true(attacks(scene.attacker, "open", scene.open.os_name, ""));
    return scene;
}

/* Whatever the victim does with its own name, it meets nothing that the
 * attacker can write to; and the honest region is untouched. */
static void assert_private(const struct scene *scene, bool honest_lives)
{
    struct child *victim = scene->victim;
    int result = puppet(victim, "open 1 %s", scene->own_name);
    if (result != SHMAP_ETYPE)
        assert_code(result, SHMAP_ENOENT);
    result = puppet(victim, "open_or_create 1 %s 8192", scene->own_name);
    if (result >= 0) {
        assert_code(result, SHMAP_CREATED);
        puppet_do(victim, "map 1");
        assert_string_equal(puppet_ask(victim, "get 1 0"), "");
        puppet_do(victim, "put 1 0 secret");
        attacks(scene->attacker, "plant", "", "");
        assert_string_equal(puppet_ask(victim, "get 1 0"), "secret");
        puppet_do(victim, "unmap 1");
        puppet_do(victim, "close 1");
        assert_false(raw_exists(scene->own));
    } else {
        assert_code(result, SHMAP_ETYPE);
    }
    if (!honest_lives)
        return;
    assert_code(puppet(victim, "open 2 %s machine", scene->open.name), 0);
    puppet_do(victim, "close 2");
    assert_int_equal(raw_mode(scene->open.os_name), 01666);
}

static const unsigned victims[] = {ALICE, 0};

static void test_planted__link_of_a_shared_region_is_removed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(victims); i++) {
        struct scene scene = set_scene(__func__, victims[i]);
        assert_true(
            attacks(scene.attacker, "link", scene.open.os_name, scene.own));
        assert_code(
            puppet(scene.victim, "open_or_create 1 %s 8192", scene.own_name),
            SHMAP_CREATED);
        puppet_do(scene.victim, "close 1");
        assert_private(&scene, true);
    }
}

/* Each call alone gets rid of the link. */
static void test_planted__every_call_removes_a_link(void **state)
{
    static const struct {
        const char *command;
        int result;
    } calls[] = {{"open 1 %s", SHMAP_ENOENT},
                 {"open 1 %s read", SHMAP_ENOENT},
                 {"create 1 %s 4096", 0},
                 {"open_or_create 1 %s 4096", SHMAP_CREATED},
                 {"reap %s", 0},
                 {"reap -", 0}};
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        struct scene scene = set_scene(__func__, ALICE);
        char line[2 * NAME_ROOM];
        size_t before = strcspn(calls[i].command, "%");
        assert_true(
            attacks(scene.attacker, "link", scene.open.os_name, scene.own));
        snprintf(line, sizeof line, "%s", calls[i].command);
        if (line[before] == '%')
            snprintf(line + before, sizeof line - before, "%s%s",
                     scene.own_name, calls[i].command + before + 2);
        assert_code(puppet(scene.victim, "%s", line), calls[i].result);
        puppet_do(scene.victim, "close 1");
        assert_false(raw_exists(scene.own));
        assert_private(&scene, true);
        child_end(scene.victim);
    }
}

/* The same in the machine's scope, where also the names are shared. */
static void test_planted__link_in_the_machines_scope_is_removed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(victims); i++) {
        struct scene scene = set_scene(__func__, victims[i]);
        struct place config = place_make(__func__, SHMAP_SCOPE_MACHINE);
        struct child *reader = puppet_start_as(BOB + 1);
        assert_true(attacks(scene.attacker, "link", scene.open.os_name,
                            config.os_name));
        /* Who accepts that user's regions, and may not remove the link. */
        assert_code(
            puppet(reader, "open 1 %s machine read anybody", config.name),
            SHMAP_ETYPE);
        assert_code(puppet(scene.victim,
                           "open_or_create 1 %s 8192 machine "
                           "everyone_read",
                           config.name),
                    SHMAP_CREATED);
        puppet_do(scene.victim, "map 1");
        assert_string_equal(puppet_ask(scene.victim, "get 1 0"), "");
        assert_code(
            puppet(reader, "open 1 %s machine read anybody", config.name), 0);
    }
}

/* The one link that is left after the owner removed the name by hand. */
static void test_planted__link_is_not_the_last_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(victims); i++) {
        struct scene scene = set_scene(__func__, victims[i]);
        assert_true(
            attacks(scene.attacker, "link", scene.open.os_name, scene.own));
        assert_true(raw_remove(scene.open.os_name));
        assert_true(attacks(scene.attacker, "plant", "", ""));
        assert_true(attacks(scene.attacker, "hold", "", ""));
        assert_private(&scene, false);
    }
}

/* The victim has closed the region, and the attacker has the only link; or the
 * victim is killed in between. */
static void test_planted__condemned_object_stays_condemned(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(victims); i++) {
        struct scene scene = set_scene(__func__, victims[i / 2]);
        const bool killed = i % 2 != 0;
        assert_true(
            attacks(scene.attacker, "link", scene.open.os_name, scene.own));
        puppet_do(scene.victim, "unmap 0");
        if (killed) {
            stops_run_into_first(scene.victim, "reap.condemned", "close 0");
            child_end(scene.victim);
            scene.victim =
                scene.user == 0 ? puppet_start() : puppet_start_as(scene.user);
            assert_eventually(!raw_is_held(scene.open.os_name));
        } else {
            puppet_do(scene.victim, "close 0");
        }
        assert_int_equal(raw_mode(scene.own), 01700);
        /* A write clears a set-user-id bit, and no more. */
        assert_true(attacks(scene.attacker, "plant", "", ""));
        assert_true(attacks(scene.attacker, "cut", "", ""));
        assert_true(attacks(scene.attacker, "plant", "", ""));
        assert_false(attacks(scene.attacker, "touch", "", ""));
        assert_int_equal(raw_mode(scene.own), 01700);
        assert_true(attacks(scene.attacker, "hold", "", ""));
        assert_private(&scene, false);
        if (killed)
            assert_code(
                puppet(scene.victim, "open 1 %s machine", scene.open.name),
                SHMAP_EBUSY);
        child_end(scene.attacker);
    }
}

/* Who may write can destroy the proof, and so keep others from opening the
 * region anew. Nobody is disturbed who has it; nothing is left over; and the
 * proof of another name cannot be made. */
static void test_planted__destroyed_proof_proves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(victims); i++) {
        struct scene scene = set_scene(__func__, victims[i]);
        assert_true(
            attacks(scene.attacker, "link", scene.open.os_name, scene.own));
        assert_true(attacks(scene.attacker, "touch", "", ""));
        assert_code(puppet(scene.victim, "open 1 %s machine", scene.open.name),
                    SHMAP_ETYPE);
        assert_code(
            puppet(scene.victim, "create 1 %s 4096 machine", scene.open.name),
            SHMAP_EEXIST);
        assert_private(&scene, false);
        assert_string_equal(puppet_ask(scene.victim, "get 0 0"), "honest");
        puppet_do(scene.victim, "unmap 0");
        puppet_do(scene.victim, "close 0");
        assert_false(raw_exists(scene.open.os_name));
        assert_code(
            puppet(scene.victim, "open_or_create 1 %s 4096", scene.own_name),
            SHMAP_CREATED);
        puppet_do(scene.victim, "close 1");
    }
}

/* Also in the middle of a removal, at any step: the attacker's link to what is
 * removed is not another program's object, which would have the name for ever.
 */
static void test_planted__proof_destroyed_meanwhile_keeps_no_name(void **state)
{
    struct stop stops[64];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i <= 2 * count; i++) {
        struct scene scene = set_scene(__func__, ALICE);
        assert_true(
            attacks(scene.attacker, "link", scene.open.os_name, scene.own));
        puppet_do(scene.victim, "unmap 0");
        if (i == 0) {
            puppet_do(scene.victim, "record");
            puppet_do(scene.victim, "close 0");
            count = stops_passed(scene.victim, stops, COUNT(stops));
            assert_in_range(count, 1, COUNT(stops));
        } else {
            stops_run_into(scene.victim, &stops[(i - 1) / 2], "close 0");
            attacks(scene.attacker, "touch", "", "");
            if (i % 2 == 0) {
                child_tell(scene.victim, "go");
                assert_code(puppet_result(scene.victim), 0);
            } else {
                child_end(scene.victim);
                scene.victim = puppet_start_as(ALICE);
                assert_eventually(!raw_is_held(scene.own));
                puppet(scene.victim, "reap %s machine", scene.open.name);
            }
        }
        assert_false(raw_exists(scene.open.os_name));
        assert_code(
            puppet(scene.victim, "open_or_create 1 %s 8192", scene.own_name),
            SHMAP_CREATED);
        child_end(scene.victim);
        child_end(scene.attacker);
    }
}

/* Another own region, which the attacker may not use, under another own name:
 * where the system lets everybody link everything. Root makes the link. */
static void test_planted__private_region_has_one_name(void **state)
{
    char other[OS_NAME_ROOM];
    (void)state;
    struct scene scene = set_scene(__func__, ALICE);
    snprintf(other, sizeof other, "/shmap.%d.other-%s", ALICE, scene.own_name);
    puppet_do(scene.victim, "create 3 %s 8192", scene.own_name);
    puppet_do(scene.victim, "map 3");
    puppet_do(scene.victim, "put 3 0 first");
    assert_true(raw_hard_link(scene.own, other));
    assert_code(puppet(scene.victim, "open 1 other-%s", scene.own_name),
                SHMAP_ENOENT);
    assert_false(raw_exists(other));
    /* It is not shut out itself. */
    assert_true(raw_hard_link(scene.own, other));
    assert_code(puppet(scene.victim, "open 1 %s", scene.own_name), 0);
    puppet_do(scene.victim, "map 1");
    assert_string_equal(puppet_ask(scene.victim, "get 1 0"), "first");
}

/* Any object of the victim's that everybody may write to. */
static void test_planted__other_programs_memory_is_refused(void **state)
{
    static const unsigned modes[] = {0666, 01666, 01600, 0600};
    (void)state;
    for (size_t i = 0; i < COUNT(modes); i++) {
        char name[NAME_ROOM];
        char own[OS_NAME_ROOM];
        char raw[OS_NAME_ROOM];
        struct child *victim = puppet_start();
        unique_name(name, __func__);
        os_name_of(own, name, SHMAP_SCOPE_USER);
        snprintf(raw, sizeof raw, "/raw-%s", name);
        intptr_t handle = raw_plant(raw, RAW_REGION, 8192, modes[i]);
        assert_true(handle > 0);
        assert_true(raw_write(handle, 0, "planted", 8));
        assert_true(raw_hold(handle));
        assert_true(raw_hard_link(raw, own));
        assert_code(puppet(victim, "open 0 %s", name), SHMAP_ETYPE);
        assert_non_null(strstr(puppet_ask(victim, "detail"), "native scope"));
        assert_code(puppet(victim, "open 0 %s anybody", name), SHMAP_ETYPE);
        assert_code(puppet(victim, "open_or_create 0 %s 8192", name),
                    SHMAP_ETYPE);
        assert_code(puppet(victim, "create 0 %s 8192", name), SHMAP_EEXIST);
        /* Native scope proves nothing. */
        assert_code(puppet(victim, "open 0 %s native", own), 0);
        puppet_do(victim, "map 0");
        assert_string_equal(puppet_ask(victim, "get 0 0"), "planted");
        puppet_do(victim, "unmap 0");
        puppet_do(victim, "close 0");
        assert_int_equal(raw_mode(raw), modes[i]);
        raw_close(handle);
        raw_remove(own);
        raw_remove(raw);
    }
}

/* A token that says another name than the region has from its owner. */
static void test_planted__import_compares_the_name(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    struct scene scene = set_scene(__func__, ALICE);
    struct child *importer = puppet_start_as(ALICE);
    assert_true(attacks(scene.attacker, "link", scene.open.os_name, scene.own));
    /* In native scope it can be opened, and is exported under that name. */
    puppet_do(scene.victim, "open 1 %s native", scene.own);
    snprintf(token, sizeof token, "%s",
             puppet_ask(scene.victim, "export 1 to=%d", child_pid(importer)));
    assert_code(puppet(importer, "import 0 %s", token), SHMAP_ENOENT);
    snprintf(token, sizeof token, "%s",
             puppet_ask(scene.victim, "export 0 to=%d", child_pid(importer)));
    assert_code(puppet(importer, "import 0 %s", token), 0);
}

/* The command, in which "%s" stands for the name, is answered SHMAP_EBUSY in
 * less time than an ordinary wait for a lock has. A loaded machine may delay
 * some of the calls, so the fastest counts. */
static void assert_busy_at_once(struct child *child, const char *command,
                                const char *name)
{
    int64_t fastest = INT64_MAX;
    size_t before = strcspn(command, "%");
    for (int calls = 0; calls < 8 && fastest > 700; calls++) {
        int64_t begun = clock_ms();
        assert_code(puppet(child, "%.*s%s%s", (int)before, command, name,
                           command + before + 2),
                    SHMAP_EBUSY);
        int64_t lasted = clock_ms() - begun;
        fastest = lasted < fastest ? lasted : fastest;
    }
    assert_in_range(fastest, 0, 700);
}

/* The owner was killed while it removed the region, and a stranger keeps it
 * locked: that is told at once. */
static void test_planted__kept_object_is_busy_at_once(void **state)
{
    static const char *const locks[] = {"hold", "block"};
    static const char *const commands[] = {
        "create 1 %s 4096 machine", "open 1 %s machine", "reap %s machine",
        "open_or_create 1 %s 4096 machine"};
    (void)state;
    for (size_t i = 0; i < COUNT(locks) * COUNT(commands); i++) {
        struct scene scene = set_scene(__func__, ALICE);
        const char *command = commands[i / 2];
        puppet_do(scene.victim, "unmap 0");
        stops_run_into_first(scene.victim, "reap.condemned", "close 0");
        child_end(scene.victim);
        assert_eventually(!raw_is_held(scene.open.os_name));
        assert_true(attacks(scene.attacker, locks[i % 2], "", ""));
        scene.victim = puppet_start_as(ALICE);
        assert_busy_at_once(scene.victim, command, scene.open.name);
        child_end(scene.attacker);
        assert_eventually(!raw_is_held(scene.open.os_name));
        assert_code(
            puppet(scene.victim, "create 1 %s 4096 machine", scene.open.name),
            0);
        child_end(scene.victim);
    }
}

/* A stranger who may only read is no holder, and keeps the region from being
 * removed: also that is told at once, and mended as soon as it ends. */
static void test_planted__reader_that_hinders_is_busy_at_once(void **state)
{
    static const char *const commands[] = {
        "create 1 %s 4096 machine", "open 1 %s machine", "reap %s machine",
        "open_or_create 1 %s 4096 machine"};
    (void)state;
    for (size_t i = 0; i < COUNT(commands); i++) {
        struct scene scene = set_scene(__func__, ALICE);
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        puppet_do(scene.victim, "create 1 %s 8192 machine everyone_read",
                  place.name);
        assert_false(attacks(scene.attacker, "open", place.os_name, ""));
        assert_true(attacks(scene.attacker, "hinder", place.os_name, ""));
        puppet_do(scene.victim, "close 1");
        assert_busy_at_once(scene.victim, commands[i], place.name);
        child_end(scene.attacker);
        puppet_do(scene.victim, "unmap 0");
        puppet_do(scene.victim, "close 0");
        assert_false(raw_exists(place.os_name));
        child_end(scene.victim);
    }
}

/* Whoever owns an object can take it from its name at any moment, also while
 * root is removing it: what an honest process then makes under the name must
 * stay. */
static void test_planted__root_removes_only_what_it_looked_at(void **state)
{
    static const char *const points[] = {"reap.locked", "reap.checked",
                                         "reap.condemned", "reap.owned"};
    char bob[16];
    (void)state;
    if (os_has_lock_files())
        skip_because("regions cannot be shared here");
    snprintf(bob, sizeof bob, "%d", BOB);
    for (size_t i = 0; i < COUNT(points); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        struct child *maker = puppet_start_as(BOB);
        struct child *attacker = child_start("attack", bob, NULL);
        struct child *root = puppet_start();
        struct child *honest = puppet_start_as(ALICE);
        char line[2 * NAME_ROOM];
        snprintf(line, sizeof line, "create 0 %s 4096 machine", place.name);
        puppet_do(maker, "%s", line);
        child_end(maker);
        assert_eventually(!raw_is_held(place.os_name));
        stops_run_into_first(root, points[i], line);
        attacks(attacker, "remove", place.os_name, "");
        int result = puppet(honest, "%s", line);
        child_tell(root, "go");
        if (result == 0) {
            assert_code(puppet_result(root), SHMAP_EEXIST);
            int flags = atoi(puppet_ask(honest, "flags 0"));
            assert_int_equal(flags & SHMAP_INFO_NAME_LOST, 0);
        } else {
            assert_code(result, SHMAP_ESTALE);
            assert_code(puppet_result(root), 0);
        }
        child_end(honest);
        child_end(root);
        child_end(attacker);
        raw_remove(place.os_name);
    }
}

/* A link to another user's region is not root's to remove while that lives. Of
 * a dead one it is, and what has the other names stays its owner's. */
static void test_planted__root_leaves_the_links_of_others(void **state)
{
    struct place linked = place_make(__func__, SHMAP_SCOPE_MACHINE);
    struct child *root = puppet_start();
    (void)state;
    struct scene scene = set_scene(__func__, ALICE);
    assert_true(
        attacks(scene.attacker, "link", scene.open.os_name, linked.os_name));
    assert_code(puppet(root, "create 0 %s 4096 machine", linked.name),
                SHMAP_EEXIST);
    assert_code(puppet(root, "open 0 %s machine", linked.name), SHMAP_EOWNER);
    assert_code(puppet(root, "open 0 %s machine anybody", linked.name),
                SHMAP_ETYPE);
    child_end(scene.victim);
    assert_eventually(!raw_is_held(scene.open.os_name));
    assert_code(puppet(root, "create 0 %s 4096 machine", linked.name), 0);
    scene.victim = puppet_start_as(ALICE);
    puppet_do(scene.victim, "create 0 %s 8192 machine", scene.open.name);
}

/* Two that find the same link: the second must not unlink the region that the
 * first has made under the name since. */
static void test_planted__removing_a_link_spares_its_successor(void **state)
{
    char line[2 * NAME_ROOM];
    struct stop stops[64];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i <= count; i++) {
        struct scene scene = set_scene(__func__, ALICE);
        struct child *other = puppet_start_as(ALICE);
        assert_true(
            attacks(scene.attacker, "link", scene.open.os_name, scene.own));
        snprintf(line, sizeof line, "open_or_create 1 %s 8192", scene.own_name);
        if (i == 0) {
            puppet_do(scene.victim, "record");
            assert_code(puppet(scene.victim, "%s", line), SHMAP_CREATED);
            count = stops_passed(scene.victim, stops, COUNT(stops));
            assert_in_range(count, 1, COUNT(stops));
        } else {
            stops_run_into(scene.victim, &stops[i - 1], line);
            int result = puppet(other, "%s", line);
            child_tell(scene.victim, "go");
            int mine = puppet_result(scene.victim);
            if (result == SHMAP_EBUSY) {
                assert_code(mine, SHMAP_CREATED);
                assert_code(puppet(other, "%s", line), 0);
            } else {
                assert_int_equal(result + mine, SHMAP_CREATED);
            }
            puppet_do(scene.victim, "map 1");
            puppet_do(scene.victim, "put 1 0 together");
            puppet_do(other, "map 1");
            assert_string_equal(puppet_ask(other, "get 1 0"), "together");
        }
        child_end(scene.victim);
        child_end(other);
        child_end(scene.attacker);
    }
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"attack", attack}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted__link_of_a_shared_region_is_removed),
        cmocka_unit_test(test_planted__every_call_removes_a_link),
        cmocka_unit_test(test_planted__link_in_the_machines_scope_is_removed),
        cmocka_unit_test(test_planted__link_is_not_the_last_name),
        cmocka_unit_test(test_planted__condemned_object_stays_condemned),
        cmocka_unit_test(test_planted__destroyed_proof_proves_nothing),
        cmocka_unit_test(test_planted__proof_destroyed_meanwhile_keeps_no_name),
        cmocka_unit_test(test_planted__private_region_has_one_name),
        cmocka_unit_test(test_planted__other_programs_memory_is_refused),
        cmocka_unit_test(test_planted__import_compares_the_name),
        cmocka_unit_test(test_planted__kept_object_is_busy_at_once),
        cmocka_unit_test(test_planted__reader_that_hinders_is_busy_at_once),
        cmocka_unit_test(test_planted__root_removes_only_what_it_looked_at),
        cmocka_unit_test(test_planted__root_leaves_the_links_of_others),
        cmocka_unit_test(test_planted__removing_a_link_spares_its_successor),
    };
    if (!os_is_root())
        return program_skipped("only root can become other users");
    stops_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
