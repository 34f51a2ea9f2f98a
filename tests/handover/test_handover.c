/* SPDX-License-Identifier: MIT */

/* Handing regions over: what arrives in a child, in a process that is running
 * and through a channel, whoever's it is; who holds it then; threads, kills and
 * trouble. What children inherit is in test_inherit.c, reading only in
 * test_reading.c.
 */

#include <uv.h>

#include "channel.h"
#include "files.h"
#include "gifts.h"
#include "stops.h"
#include "units.h"

/* What arrives. */

static void test_handover__every_kind_arrives_in_every_way(void **state)
{
    static const char *const words[] = {"", "write", "read"};
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int way = 0; way < WAYS; way++)
            for (size_t i = 0; i < COUNT(words); i++) {
                bool read = strcmp(words[i], "read") == 0;
                if (read && !can_read_only(kinds[k]))
                    continue;
                struct source source = make_source(kinds[k]);
                struct child *child = given(source.region, way, words[i]);
                assert_number(child, "kind", kinds[k]);
                assert_number(child, "access",
                              read ? SHMAP_ACCESS_READ
                                   : SHMAP_ACCESS_READ_WRITE);
                assert_number(child, "size", (int)SIZE);
                assert_number(child, "inheritable", 0);
                assert_string_equal(puppet_ask(child, "get 0 0"), "hello");
                strcpy(source.data, "more");
                assert_string_equal(puppet_ask(child, "get 0 0"), "more");
                if (read) {
                    assert_code(puppet(child, "map 1 0 write"), SHMAP_EACCES);
                } else {
                    puppet_do(child, "put 0 100 back");
                    assert_string_equal(source.data + 100, "back");
                }
                /* And further, and by closing everything. */
                puppet_do(child, "map 2 0 copy");
                puppet_do(child, "put 2 0 private");
                assert_string_equal(source.data, "more");
                puppet_do(child, "unmap 0");
                puppet_do(child, "close 0");
                child_end(child);
                end_source(&source);
            }
}

/* A token says what is allowed at most. */
static void test_handover__no_more_access_than_was_given(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct source source = make_source(kinds[k]);
        if (can_read_only(kinds[k])) {
            assert_code(export_to(source.region, SHMAP_ACCESS_READ,
                                  SHMAP_TARGET_CHILD, token),
                        0);
            struct child *child = puppet_start();
            assert_code(puppet(child, "import 0 %s write", token),
                        SHMAP_EACCES);
            /* It can still be imported. */
            assert_code(puppet(child, "import 0 %s read", token), 0);
            child_end(child);
            end_source(&source);
            source = make_source(kinds[k]);
        }
        assert_code(export_to(source.region, SHMAP_ACCESS_READ_WRITE,
                              SHMAP_TARGET_CHILD, token),
                    0);
        struct child *child = puppet_start();
        assert_code(puppet(child, "import 0 %s read", token), 0);
        assert_number(child, "access", SHMAP_ACCESS_READ);
        puppet_do(child, "map 0");
        assert_code(puppet(child, "map 1 0 write"), SHMAP_EACCES);
        assert_string_equal(puppet_ask(child, "get 0 0"), "hello");
        child_end(child);
        end_source(&source);
    }
}

static void test_handover__reader_cannot_hand_over_for_writing(void **state)
{
    char path[OS_NAME_ROOM];
    char token[SHMAP_TOKEN_SIZE] = "untouched";
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = no_region;
    intptr_t ends[2];
    (void)state;
    options.access = SHMAP_ACCESS_READ;
    scratch_path(path, __func__);
    assert_true(file_write(path, "hello", 6));
    assert_true(shmap_region_open_file(&region, path, 0, &options) >= 0);
    assert_true(channel_pair(ends, CHANNEL_STREAM, true));
    assert_code(export_to(region, SHMAP_ACCESS_READ_WRITE, 0, token),
                SHMAP_EACCES);
    assert_code(
        export_to(region, SHMAP_ACCESS_READ_WRITE, os_process_id(), token),
        SHMAP_EACCES);
    assert_code(shmap_region_send(region, SHMAP_ACCESS_READ_WRITE, ends[0], 0),
                SHMAP_EACCES);
    assert_int_equal(channel_drain(ends[1]), 0);
    assert_string_equal(token, "untouched");
    channel_close(ends[0]);
    channel_close(ends[1]);
    shmap_region_close(region);
    remove(path);
}

/* Processes that are running. */

static void test_handover__both_ways_between_processes(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct source source = make_source(kinds[k]);
        shmap_region *back = no_region;
        shmap_view view = SHMAP_VIEW_INIT;
        struct child *child = given(source.region, TO_PROCESS, "");
        snprintf(token, sizeof token, "%s",
                 puppet_ask(child, "export 0 to=%d", os_process_id()));
        end_source(&source);
        assert_code(shmap_region_import(&back, token, NULL), 0);
        assert_code(shmap_view_map(&view, back, NULL), 0);
        puppet_do(child, "put 0 0 back");
        assert_string_equal(view.data, "back");
        shmap_view_unmap(&view);
        shmap_region_close(back);
        child_end(child);
    }
}

static void test_handover__only_the_process_that_is_meant(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct source source = make_source(kinds[k]);
        shmap_region *region = no_region;
        struct child *meant = puppet_start();
        struct child *other = puppet_start();
        assert_code(export_to(source.region, 0, child_pid(meant), token), 0);
        assert_code(puppet(other, "import 0 %s", token), SHMAP_ETOKEN);
        assert_code(shmap_region_import(&region, token, NULL), SHMAP_ETOKEN);
        assert_ptr_equal(region, no_region);
        puppet_do(meant, "import 0 %s", token);
        child_end(meant);
        child_end(other);
        end_source(&source);
    }
}

/* The code that Windows tells of a process that runs. */
static int play_ended(int count, char **arguments)
{
    (void)count, (void)arguments;
    return 259;
}

static void test_handover__a_process_that_ended_with_any_code(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    if (units_has_modes())
        skip_because("an exit code is no answer to this question here");
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    struct child *child = child_start("ended", NULL);
    assert_eventually(export_to(source.region, 0, child_pid(child), token) ==
                      SHMAP_ENOENT);
    assert_int_equal(child_wait(child, PATIENCE), 259);
    end_source(&source);
}

static void test_handover__no_such_process(void **state)
{
    const int64_t numbers[] = {attack_no_process(), INT64_C(1) << 31,
                               INT64_C(1) << 32, INT64_MAX};
    char token[SHMAP_TOKEN_SIZE] = "untouched";
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    size_t handles = os_open_handles();
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        assert_code(export_to(source.region, 0, numbers[i], token),
                    SHMAP_ENOENT);
        if (attack_facts()->reads_only)
            assert_code(
                export_to(source.region, SHMAP_ACCESS_READ, numbers[i], token),
                SHMAP_ENOENT);
    }
    assert_code(export_to(source.region, 0, -1, token), SHMAP_EINVAL);
    assert_code(export_to(source.region, 0, INT64_MIN, token), SHMAP_EINVAL);
    assert_string_equal(token, "untouched");
    assert_true(units_same_handles(handles));
    /* Nothing was sealed either. */
    child_end(given(source.region, TO_PROCESS, "write"));
    end_source(&source);
}

/* Where the region is taken from its exporter, that must have it still. */
static void assert_imported_late(struct child *importer, const char *token)
{
    if (attack_facts()->must_live) {
        assert_code(puppet(importer, "import 0 %s", token), SHMAP_ENOENT);
        return;
    }
    puppet_do(importer, "import 0 %s", token);
    puppet_do(importer, "map 0");
    assert_string_equal(puppet_ask(importer, "get 0 0"), "hello");
}

static void test_handover__the_exporter_is_gone(void **state)
{
    enum { CLOSED = 0, KILLED, REPLACED, ENDS };
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int end = 0; end < ENDS; end++) {
            struct source source = make_source(kinds[k]);
            struct child *importer = puppet_start();
            struct child *exporter = given(source.region, TO_PROCESS, "");
            snprintf(
                token, sizeof token, "%s",
                puppet_ask(exporter, "export 0 to=%d", child_pid(importer)));
            puppet_do(exporter, "unmap 0");
            if (end == KILLED) {
                child_kill(exporter);
                assert_eventually(attack_is_gone(child_pid(exporter)));
            } else {
                puppet_do(exporter, "close 0");
            }
            /* What gets the number is another region. */
            if (end == REPLACED)
                puppet_do(exporter, "create 0 - 4096");
            assert_imported_late(importer, token);
            child_end(importer);
            child_end(exporter);
            end_source(&source);
        }
}

/* The parent does not look after its dead child at once. */
static void test_handover__the_exporter_is_a_zombie(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    shmap_region *region = no_region;
    (void)state;
    if (!attack_facts()->must_live)
        skip_because("what is handed over is there already");
    struct child *exporter = puppet_start();
    puppet_do(exporter, "create 0 - 4096");
    snprintf(token, sizeof token, "%s",
             puppet_ask(exporter, "export 0 to=%d", os_process_id()));
    child_kill(exporter);
    assert_eventually(attack_is_gone(child_pid(exporter)));
    assert_code(shmap_region_import(&region, token, NULL), SHMAP_ENOENT);
    child_end(exporter);
    assert_code(shmap_region_import(&region, token, NULL), SHMAP_ENOENT);
    assert_ptr_equal(region, no_region);
}

/* Other users. */

static void test_handover__not_to_another_users_process(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    NEEDS_USERS();
    struct child *alice = puppet_start_as(ALICE);
    struct child *bob = puppet_start_as(BOB);
    puppet_do(alice, "create 0 - 4096");
    assert_code(puppet(alice, "export 0 to=%d", child_pid(bob)), SHMAP_EACCES);
    assert_code(puppet(alice, "export 0 to=%d read", child_pid(bob)),
                SHMAP_EACCES);
    assert_code(puppet(alice, "export 0 to=%d", os_process_id()), SHMAP_EACCES);
    /* Root may look at everybody; nobody may look at root. */
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    int result = export_to(source.region, 0, child_pid(bob), token);
    if (result == 0)
        result = puppet(bob, "import 0 %s anybody", token);
    assert_code(result, SHMAP_EACCES);
    end_source(&source);
    child_end(alice);
    child_end(bob);
}

/* A child that gave up its rights inherits what root gave it, and says that it
 * accepts root's. */
static void test_handover__to_a_child_of_another_user(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    NEEDS_USERS();
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    assert_code(export_to(source.region, 0, 0, token), 0);
    for (int accepts = 0; accepts < 3; accepts++) {
        static const char *const words[] = {"", "system", "anybody"};
        struct child *child = puppet_start();
        puppet_do(child, "drop %u", ALICE);
        assert_code(puppet(child, "import 0 %s %s", token, words[accepts]),
                    accepts == 0 ? SHMAP_EOWNER : 0);
        /* What was refused can be taken later. */
        if (accepts == 0)
            puppet_do(child, "import 0 %s anybody", token);
        puppet_do(child, "map 0");
        puppet_do(child, "put 0 0 alice%d", accepts);
        assert_int_equal(source.data[5], '0' + accepts);
        child_end(child);
    }
    end_source(&source);
}

/* What may not be looked at cannot be taken from: nobody gets a token that
 * leads nowhere. It can be sent, and inherited. */
static void test_handover__not_from_a_process_that_hides(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_USER);
        char token[SHMAP_TOKEN_SIZE];
        struct child *giver =
            os_is_root() ? puppet_start_as(ALICE) : puppet_start();
        struct child *taker =
            os_is_root() ? puppet_start_as(ALICE) : puppet_start();
        puppet_do(giver, "create 0 %s 4096", named != 0 ? place.name : "-");
        if (puppet(giver, "hide") != 0)
            skip_because("processes cannot hide here");
        puppet_do(giver, "map 0");
        puppet_do(giver, "put 0 0 hidden");
        assert_code(puppet(giver, "export 0 to=%d", child_pid(taker)),
                    SHMAP_EACCES);
        assert_string_not_equal(puppet_ask(giver, "detail"), "");
        if (named == 0 && attack_facts()->reads_only) {
            assert_code(puppet(giver, "export 0 read to=%d", child_pid(taker)),
                        SHMAP_EACCES);
            assert_number(giver, "seals", (int)attack_facts()->first_seals);
        }
        if (named == 0)
            assert_sent_by(giver, "hidden");
        snprintf(token, sizeof token, "%s", puppet_ask(giver, "export 0"));
        puppet_do(giver, "fork");
        puppet_do(giver, "child import 1 %s", token);
        puppet_do(giver, "child map 1");
        assert_string_equal(puppet_ask(giver, "child get 1 0"), "hidden");
        puppet_do(giver, "kill");
        puppet_do(giver, "unmap 0");
        puppet_do(giver, "close 0");
        child_end(giver);
        child_end(taker);
    }
}

/* Lifetime. */

/* Of what was handed over for reading, too, closing frees all. */
static int play_many(int count, char **arguments)
{
    enum { ROUNDS = 20 };
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    char token[SHMAP_TOKEN_SIZE];
    (void)count, (void)arguments;
    options.commit = SHMAP_COMMIT_LAZY;
    if (!attack_facts()->reads_only || !os_limit_memory(256 * MiB)) {
        say("cannot");
        return 0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        shmap_region *region = NULL;
        role_check_code(shmap_region_create(&region, NULL, 64 * MiB, &options),
                        0);
        role_check_code(export_to(region, SHMAP_ACCESS_READ, 0, token), 0);
        shmap_region_close(region);
    }
    say("done");
    return 0;
}

static void test_handover__closing_frees_all(void **state)
{
    (void)state;
    units_run_role("many", NULL, "memory is not limited here");
}

/* Another program's region is not marked, while it is on its way either. */
static void test_handover__foreign_regions_are_not_marked(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    if (!os_has_leftovers() || os_has_lock_files())
        skip_because("nothing is marked here");
    struct place place = place_make(__func__, SHMAP_SCOPE_NATIVE);
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = no_region;
    intptr_t planted = raw_plant(place.os_name, RAW_REGION, 4096, 0);
    options.scope = SHMAP_SCOPE_NATIVE;
    assert_code(shmap_region_open(&region, place.name, &options), 0);
    assert_code(export_to(region, 0, 0, token), 0);
    struct child *child = puppet_start();
    assert_false(raw_is_held(place.os_name));
    puppet_do(child, "import 0 %s", token);
    assert_false(raw_is_held(place.os_name));
    child_end(child);
    shmap_region_close(region);
    raw_close(planted);
    assert_true(raw_remove(place.os_name));
}

/* Who has inherited a file has it open, imported or not. */
static void test_handover__an_inherited_file_is_open(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    shmap_region *region = no_region;
    (void)state;
    if (!attack_facts()->must_live)
        skip_because("locks belong to the process that took them here");
    struct source source = make_source(SHMAP_KIND_FILE);
    assert_code(export_to(source.region, 0, 0, token), 0);
    struct child *child = puppet_start();
    shmap_view_unmap(&source.view);
    shmap_region_close(source.region);
    assert_code(shmap_region_open_file(&region, source.path, 0, NULL), 0);
    shmap_region_close(region);
    child_end(child);
    assert_eventually(shmap_region_open_file(&region, source.path, 0, NULL) ==
                          SHMAP_ALONE ||
                      (shmap_region_close(region), false));
    shmap_region_close(region);
    remove(source.path);
}

static void test_handover__importers_are_holders(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++)
        for (int killed = 0; killed < 2; killed++) {
            struct source source = make_source(SHMAP_KIND_NAMED);
            struct child *first = given(source.region, way, "");
            struct child *second = given(source.region, way, "");
            end_source(&source);
            place_assert_alive(&source.place, "hello");
            puppet_do(first, "close 0");
            child_end(second);
            place_assert_alive(&source.place, "hello");
            if (killed == 0) {
                puppet_do(first, "unmap 0");
                assert_false(raw_exists(source.place.os_name));
            }
            child_end(first);
            assert_eventually(!raw_is_held(source.place.os_name));
            place_assert_free(&source.place);
        }
}

/* A child holds what it has inherited until it ends. */
static void test_handover__region_that_is_not_imported_ends_with_the_child(
    void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    if (!holds_before_import())
        skip_because("only importing holds a named region here");
    struct source source = make_source(SHMAP_KIND_NAMED);
    assert_code(export_to(source.region, 0, 0, token), 0);
    struct child *child = puppet_start();
    end_source(&source);
    assert_true(raw_is_held(source.place.os_name));
    assert_code(shmap_region_create(&source.region, source.place.name, 1, NULL),
                SHMAP_EEXIST);
    child_end(child);
    assert_eventually(!raw_is_held(source.place.os_name));
    place_assert_free(&source.place);
}

/* Another region that has the name by now is not what was handed over. */
static void test_handover__lost_name_is_never_mistaken_for_another(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    struct source source = make_source(SHMAP_KIND_NAMED);
    (void)state;
    struct child *child = puppet_start();
    assert_code(export_to(source.region, 0, child_pid(child), token), 0);
    if (!raw_remove(source.place.os_name)) {
        child_end(child);
        end_source(&source);
        skip_because("names cannot be removed here");
    }
    for (int replaced = 0; replaced < 2; replaced++) {
        struct child *other = puppet_start();
        if (replaced != 0)
            puppet_do(other, "create 0 %s 4096", source.place.name);
        int result = puppet(child, "import 0 %s", token);
        if (result == 0) {
            puppet_do(child, "map 0");
            assert_string_equal(puppet_ask(child, "get 0 0"), "hello");
            assert_true(atoi(puppet_ask(child, "flags 0")) &
                        SHMAP_INFO_NAME_LOST);
            puppet_do(child, "unmap 0");
            puppet_do(child, "close 0");
        } else {
            assert_code(result, SHMAP_ENOENT);
        }
        /* Nor does closing it take the other one's name. */
        assert_int_equal(raw_exists(source.place.os_name), replaced);
        if (replaced != 0)
            puppet_do(other, "close 0");
        child_end(other);
    }
    child_end(child);
    end_source(&source);
}

/* Make files until one gets the number of one that was removed, at a moment
 * that can be told from the other's. It gets this path, the others go. */
static bool make_file_with(const uint64_t identity[2], const char *path)
{
    enum { ATTEMPTS = 500, TELLING_MS = 20 };
    char each[OS_NAME_ROOM + 16];
    bool done = false;
    int made = 0;
    for (int64_t since = clock_ms(); clock_ms() < since + TELLING_MS;)
        patience_nap(since + TELLING_MS);
    while (!done && made < ATTEMPTS) {
        uint64_t found[2] = {0};
        snprintf(each, sizeof each, "%s.%d", path, made++);
        assert_true(file_write(each, "other", 6));
        intptr_t native = units_open_file(each, false);
        done = attack_identify(native, SHMAP_KIND_NAMED, found) &&
               memcmp(found, identity, sizeof found) == 0;
        raw_close(native);
    }
    if (done)
        assert_int_equal(rename(each, path), 0);
    while (made-- > 0) {
        snprintf(each, sizeof each, "%s.%d", path, made);
        file_remove(each);
    }
    return done;
}

/* Another file that got the number of one that was removed, and is open in its
 * place, is not what was handed over. False if none got it: others make files,
 * too. */
static bool assert_not_misled(void)
{
    char path[OS_NAME_ROOM];
    char token[SHMAP_TOKEN_SIZE];
    char inherited[SHMAP_TOKEN_SIZE];
    char other[SHMAP_TOKEN_SIZE];
    shmap_region *region = no_region;
    shmap_region *taken = no_region;
    uint64_t identity[2];
    scratch_path(path, __func__);
    assert_true(file_write(path, "first", 6));
    assert_true(shmap_region_open_file(&region, path, 0, NULL) >= 0);
    assert_code(export_to(region, 0, os_process_id(), token), 0);
    assert_code(export_to(region, 0, 0, inherited), 0);
    intptr_t native = shmap_region_native(region);
    assert_true(attack_identify(native, SHMAP_KIND_NAMED, identity));
    shmap_region_close(region);
    assert_true(file_remove(path));
    if (!make_file_with(identity, path))
        return false;
    assert_true(shmap_region_open_file(&region, path, 0, NULL) >= 0);
    assert_int_equal(shmap_region_native(region), native);
    assert_code(export_to(region, 0, 0, other), 0);
    struct child *child = puppet_start();
    assert_code(shmap_region_import(&taken, token, NULL), SHMAP_ENOENT);
    assert_code(puppet(child, "import 0 %s", inherited), SHMAP_ENOENT);
    puppet_do(child, "import 0 %s", other);
    child_end(child);
    shmap_region_close(region);
    file_remove(path);
    return true;
}

static void test_handover__removed_file_is_never_mistaken_for_another(
    void **state)
{
    enum { ATTEMPTS = 10 };
    (void)state;
    if (!attack_facts()->must_live)
        skip_because("what is handed over is there already");
    for (int i = 0; i < ATTEMPTS; i++)
        if (assert_not_misled())
            return;
    skip_because("files do not get the numbers of others here");
}

/* Locks and signals work between who gave and who got. */
static void test_handover__locks_work_between_them(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        char token[SHMAP_TOKEN_SIZE];
        struct source source = make_source(kinds[k]);
        shmap_mutex *mutex = (shmap_mutex *)(void *)(source.data + 4096);
        shmap_event *event = (shmap_event *)(void *)(source.data + 8192);
        assert_code(export_to(source.region, 0, 0, token), 0);
        struct child *child = child_start("locker", token, NULL);
        child_expect(child, "locked");
        assert_code(shmap_mutex_lock(mutex, SHMAP_TRY), SHMAP_ETIMEDOUT);
        assert_code(shmap_event_set(event), 0);
        child_expect(child, "woken");
        child_kill(child);
        assert_code(shmap_mutex_lock(mutex, shmap_after(SHMAP_MS(PATIENCE))),
                    SHMAP_OWNER_DIED);
        assert_code(shmap_mutex_consistent(mutex), 0);
        assert_code(shmap_mutex_unlock(mutex), 0);
        child_end(child);
        end_source(&source);
    }
}

static int play_locker(int count, char **arguments)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    int64_t deadline = shmap_after(SHMAP_MS(PATIENCE));
    role_check(count == 1);
    role_check_code(shmap_region_import(&region, arguments[0], NULL), 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    char *data = view.data;
    role_check_code(
        shmap_mutex_lock((shmap_mutex *)(void *)(data + 4096), deadline), 0);
    say("locked");
    role_check_code(
        shmap_event_wait((shmap_event *)(void *)(data + 8192), deadline), 0);
    say("woken");
    hear();
    return 0;
}

/* Threads. */

enum { THREADS = 4, ROUNDS = 60 };

struct work {
    shmap_region *region;
    char *data;
    unsigned failures;
};

/* Hand over to this process, take it, look at it, and let go. */
static void hand_to_self(void *argument)
{
    struct work *work = argument;
    char token[SHMAP_TOKEN_SIZE];
    intptr_t ends[2];
    if (!channel_pair(ends, CHANNEL_STREAM, true)) {
        ++work->failures;
        return;
    }
    for (int i = 0; i < ROUNDS; i++) {
        shmap_region *taken = NULL;
        shmap_view view = SHMAP_VIEW_INIT;
        int access = attack_facts()->reads_only ? SHMAP_ACCESS_READ : 0;
        int result =
            i % 2 == 0 ? export_to(work->region, access, os_process_id(), token)
                       : shmap_region_send(work->region, access, ends[0], 0);
        if (result == 0)
            result = i % 2 == 0
                         ? shmap_region_import(&taken, token, NULL)
                         : shmap_region_receive(&taken, ends[1], 0, NULL);
        if (result == 0)
            result = shmap_view_map(&view, taken, NULL);
        if (result != 0 || *(volatile char *)view.data != 't')
            ++work->failures;
        shmap_view_unmap(&view);
        shmap_region_close(taken);
    }
    channel_close(ends[0]);
    channel_close(ends[1]);
}

static void export_and_not(void *argument)
{
    struct work *work = argument;
    char token[SHMAP_TOKEN_SIZE];
    int access = attack_facts()->reads_only ? SHMAP_ACCESS_READ : 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (export_to(work->region, access, 0, token) != 0)
            ++work->failures;
        if (i % 3 == 0)
            shmap_region_unexport(work->region);
    }
}

static void map_and_write(void *argument)
{
    struct work *work = argument;
    for (int i = 0; i < ROUNDS; i++) {
        shmap_view view = SHMAP_VIEW_INIT;
        shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
        options.access = i % 3 == 0 ? SHMAP_ACCESS_READ : 0;
        if (shmap_view_map(&view, work->region, &options) != 0) {
            ++work->failures;
            continue;
        }
        if (i % 3 != 0)
            memory_add((uint64_t *)(void *)((char *)view.data + 4096), 1);
        shmap_view_unmap(&view);
    }
}

static void test_handover__by_many_threads(void **state)
{
    static void (*const jobs[])(void *) = {hand_to_self,  export_and_not,
                                           map_and_write, export_and_not,
                                           map_and_write, hand_to_self};
    (void)state;
    size_t handles = SIZE_MAX;
    for (int round = 0; round < 5; round++) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct work works[COUNT(jobs)];
        uv_thread_t threads[COUNT(jobs)];
        strcpy(source.data, "threads");
        for (size_t i = 0; i < COUNT(jobs); i++) {
            works[i] = (struct work){source.region, source.data, 0};
            assert_int_equal(uv_thread_create(&threads[i], jobs[i], &works[i]),
                             0);
        }
        for (size_t i = 0; i < COUNT(jobs); i++)
            uv_thread_join(&threads[i]);
        for (size_t i = 0; i < COUNT(jobs); i++)
            if (works[i].failures != 0)
                fail_msg("thread %zu failed %u times", i, works[i].failures);
        assert_true(memory_load((uint64_t *)(void *)(source.data + 4096)) > 0);
        end_source(&source);
        /* The first threads make the process open things for good. */
        assert_true(os_open_handles() <= handles ||
                    units_same_handles(handles));
        if (round == 0)
            handles = os_open_handles();
    }
}

/* Kills. */

/* Killed at any of its steps, who exports or imports leaves nothing to see, and
 * the others go on. */
static void assert_survives_kill(int kind, int way, bool exporter)
{
    struct stop stops[64];
    size_t count = 0;
    for (size_t i = 0; i <= count; i++) {
        char token[SHMAP_TOKEN_SIZE];
        char line[SHMAP_TOKEN_SIZE + 64];
        struct source source = make_source(kind);
        struct child *giver = given(source.region, TO_PROCESS, "");
        struct child *taker = way == TO_CHILD ? NULL : puppet_start();
        struct child *victim = giver;
        if (way == TO_CHILD)
            snprintf(line, sizeof line, "export 0");
        else
            snprintf(line, sizeof line, "export 0 to=%d", child_pid(taker));
        if (!exporter) {
            if (way == TO_CHILD) {
                assert_code(export_to(source.region, 0, 0, token), 0);
                taker = puppet_start();
            } else {
                snprintf(token, sizeof token, "%s",
                         puppet_ask(giver, "%s", line));
            }
            snprintf(line, sizeof line, "import 0 %s", token);
            victim = taker;
        }
        if (i == 0) {
            puppet_do(victim, "record");
            puppet_do(victim, "%s", line);
            count = stops_passed(victim, stops, COUNT(stops));
        } else {
            stops_run_into(victim, &stops[i - 1], line);
        }
        child_end(victim);
        /* The others notice nothing. */
        assert_string_equal(source.data, "hello");
        if (victim != giver) {
            puppet_do(giver, "put 0 0 giver");
            assert_string_equal(source.data, "giver");
            child_end(giver);
        }
        if (taker != NULL && taker != victim)
            child_end(taker);
        child_end(given(source.region, TO_PROCESS, ""));
        end_source(&source);
        if (kind == SHMAP_KIND_NAMED) {
            assert_eventually(!raw_is_held(source.place.os_name));
            place_assert_free(&source.place);
        }
    }
}

static void test_handover__killed_at_every_step(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int way = TO_CHILD; way <= TO_PROCESS; way++) {
            assert_survives_kill(kinds[k], way, false);
            assert_survives_kill(kinds[k], way, true);
        }
}

/* Trouble. */

/* Without a free handle, what was inherited is imported, or can be later. */
static int play_without_handles(int count, char **arguments)
{
    shmap_region *region = no_region;
    shmap_view view = SHMAP_VIEW_INIT;
    role_check(count == 1);
    intptr_t spare[8];
    for (size_t i = 0; i < COUNT(spare); i++)
        spare[i] = units_directory();
    if (!os_limit_handles(0)) {
        say("cannot");
        return 0;
    }
    int result = shmap_region_import(&region, arguments[0], NULL);
    for (size_t i = 0; i < COUNT(spare); i++)
        raw_close(spare[i]);
    if (result != 0) {
        role_check_code(result, SHMAP_EMFILE);
        role_check(region == no_region);
        role_check_code(shmap_region_import(&region, arguments[0], NULL), 0);
    }
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    role_check(strcmp(view.data, "hello") == 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    say("done");
    /* Sanitizers look for leaks, and need handles for that. */
    os_exit_now(0);
    return 0;
}

static void test_handover__no_free_handles(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct source source = make_source(kinds[k]);
        assert_code(export_to(source.region, 0, 0, token), 0);
        bool can = units_play_role("without_handles", token);
        end_source(&source);
        if (!can)
            skip_because("handles are not limited here");
    }
}

/* Where no number above the standard ones may be used, that is what is said. */
static int play_without_numbers(int count, char **arguments)
{
    char token[SHMAP_TOKEN_SIZE];
    char mine[SHMAP_TOKEN_SIZE] = "untouched";
    shmap_region *region = NULL;
    shmap_region *taken = no_region;
    intptr_t ends[2];
    role_check(count == 1);
    role_check_code(shmap_region_create(&region, NULL, 4096, NULL), 0);
    role_check_code(export_to(region, 0, os_process_id(), token), 0);
    role_check(channel_pair(ends, CHANNEL_STREAM, true));
    role_check_code(shmap_region_send(region, 0, ends[0], 0), 0);
    if (!attack_be_stream(0, arguments[0])) {
        say("cannot");
        return 0;
    }
    for (unsigned numbers = 4; numbers-- > 0;) {
        role_check(os_limit_handle_numbers(numbers));
        role_check_code(export_to(region, 0, 0, mine), SHMAP_EMFILE);
        role_check_code(shmap_region_send(region, 0, ends[0], 0), SHMAP_EMFILE);
        role_check_code(shmap_region_import(&taken, token, NULL), SHMAP_EMFILE);
        role_check_code(shmap_region_adopt(&taken, 0, NULL), SHMAP_EMFILE);
        role_check(units_is_open(0));
    }
    role_check_code(shmap_region_receive(&taken, ends[1], 0, NULL),
                    SHMAP_EMFILE);
    role_check(taken == no_region && strcmp(mine, "untouched") == 0);
    say("done");
    os_exit_now(0);
    return 0;
}

static void test_handover__no_free_numbers(void **state)
{
    char path[OS_NAME_ROOM];
    (void)state;
    scratch_path(path, __func__);
    assert_true(file_write(path, "memory", 7));
    bool can = units_play_role("without_numbers", path);
    remove(path);
    if (!can)
        skip_because("standard streams have no numbers here");
}

static void test_handover__arguments_are_checked(void **state)
{
    static const int accesses[] = {-1, SHMAP_ACCESS_COPY, 4, 1000};
    char token[SHMAP_TOKEN_SIZE] = "untouched";
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    shmap_region *region = no_region;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    intptr_t ends[2];
    (void)state;
    assert_true(channel_pair(ends, CHANNEL_STREAM, true));
    for (size_t i = 0; i < COUNT(accesses); i++) {
        assert_code(export_to(source.region, accesses[i], 0, token),
                    SHMAP_EINVAL);
        assert_code(shmap_region_send(source.region, accesses[i], ends[0], 0),
                    SHMAP_EINVAL);
    }
    assert_code(export_to(NULL, 0, 0, token), SHMAP_EINVAL);
    assert_code(shmap_region_export(source.region, 0, 0, NULL, 1000),
                SHMAP_EINVAL);
    assert_code(shmap_region_send(NULL, 0, ends[0], 0), SHMAP_EINVAL);
    assert_string_equal(token, "untouched");
    struct child *child = given(source.region, TO_PROCESS, "");
    snprintf(token, sizeof token, "%s",
             puppet_ask(child, "export 0 to=%d", os_process_id()));
    assert_code(shmap_region_import(NULL, token, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_import(&region, NULL, NULL), SHMAP_EINVAL);
    assert_code(shmap_region_receive(NULL, ends[0], 0, NULL), SHMAP_EINVAL);
    struct {
        const char *what;
        int *field;
        int value;
    } wrong[] = {
        {"access", &options.access, SHMAP_ACCESS_COPY},
        {"access", &options.access, -1},
        {"share", &options.share, SHMAP_SHARE_EVERYONE},
        {"owner", &options.accept, SHMAP_ACCEPT_ANYBODY + 1},
        {"scope", &options.scope, SHMAP_SCOPE_MACHINE},
        {"create", &options.create, SHMAP_CREATE_NEW},
        {"commit", &options.commit, SHMAP_COMMIT_LAZY},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        *wrong[i].field = wrong[i].value;
        if (shmap_region_import(&region, token, &options) != SHMAP_EINVAL ||
            shmap_region_receive(&region, ends[0], 0, &options) != SHMAP_EINVAL)
            fail_msg("%s %d is accepted", wrong[i].what, wrong[i].value);
        *wrong[i].field = 0;
    }
    assert_ptr_equal(region, no_region);
    assert_int_equal(channel_drain(ends[1]), 0);
    assert_code(shmap_region_import(&region, token, &options), 0);
    shmap_region_close(region);
    channel_close(ends[0]);
    channel_close(ends[1]);
    child_end(child);
    end_source(&source);
}
int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"ended", play_ended},
        {"many", play_many},
        {"locker", play_locker},
        {"without_handles", play_without_handles},
        {"without_numbers", play_without_numbers},
        {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_handover__every_kind_arrives_in_every_way),
        leak_checked(test_handover__no_more_access_than_was_given),
        leak_checked(test_handover__reader_cannot_hand_over_for_writing),
        leak_checked(test_handover__both_ways_between_processes),
        leak_checked(test_handover__only_the_process_that_is_meant),
        leak_checked(test_handover__a_process_that_ended_with_any_code),
        leak_checked(test_handover__no_such_process),
        leak_checked(test_handover__the_exporter_is_gone),
        leak_checked(test_handover__the_exporter_is_a_zombie),
        leak_checked(test_handover__not_to_another_users_process),
        leak_checked(test_handover__to_a_child_of_another_user),
        leak_checked(test_handover__not_from_a_process_that_hides),
        leak_checked(test_handover__closing_frees_all),
        leak_checked(test_handover__foreign_regions_are_not_marked),
        leak_checked(test_handover__an_inherited_file_is_open),
        leak_checked(test_handover__importers_are_holders),
        leak_checked(
            test_handover__region_that_is_not_imported_ends_with_the_child),
        leak_checked(test_handover__lost_name_is_never_mistaken_for_another),
        leak_checked(test_handover__removed_file_is_never_mistaken_for_another),
        leak_checked(test_handover__locks_work_between_them),
        leak_checked(test_handover__by_many_threads),
        leak_checked(test_handover__killed_at_every_step),
        leak_checked(test_handover__no_free_handles),
        leak_checked(test_handover__no_free_numbers),
        leak_checked(test_handover__arguments_are_checked),
    };
    stops_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
