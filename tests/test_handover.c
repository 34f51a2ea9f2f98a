/* SPDX-License-Identifier: MIT */

/* Handing regions over to children, to processes that are running, and through
 * channels: what arrives, who holds it then, and that reading only is reading
 * only, whatever the receiver tries.
 */

#include <uv.h>

#include "support/attack.h"
#include "support/channel.h"
#include "support/files.h"
#include "support/place.h"
#include "support/puppet.h"
#include "support/stops.h"
#include "stop.h"
#include "support/units.h"
#include "token.h"

#define ALICE 60001
#define BOB   60002

#define SIZE ((size_t)262144)

static shmap_region *const no_region = (shmap_region *)(uintptr_t)8;

static const int kinds[] = {SHMAP_KIND_NAMED, SHMAP_KIND_ANONYMOUS,
                            SHMAP_KIND_FILE};

/* A region of some kind, with a view of all of it. */
struct source {
    shmap_region *region;
    shmap_view view;
    char *data;
    struct place place;
    char path[OS_NAME_ROOM];
    int kind;
};

static struct source make_source(int kind)
{
    struct source source = {.region = no_region, .kind = kind};
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    source.place = place_make("source", SHMAP_SCOPE_USER);
    scratch_path(source.path, "source");
    options.create = SHMAP_CREATE_NEW;
    if (kind == SHMAP_KIND_FILE)
        assert_true(shmap_region_open_file(&source.region, source.path, SIZE,
                                           &options) >= 0);
    else
        assert_code(shmap_region_create(
                        &source.region,
                        kind == SHMAP_KIND_NAMED ? source.place.name : NULL,
                        SIZE, NULL),
                    0);
    assert_code(shmap_view_map(&source.view, source.region, NULL), 0);
    source.data = source.view.data;
    strcpy(source.data, "hello");
    return source;
}

static void end_source(struct source *source)
{
    shmap_view_unmap(&source->view);
    shmap_region_close(source->region);
    remove(source->path);
}

static int export_to(shmap_region *region, int access, int64_t target,
                     char *token)
{
    return shmap_region_export(region, access, target, token, SHMAP_TOKEN_SIZE);
}

/* The ways of handing over. */
enum way { TO_CHILD = 0, TO_PROCESS, THROUGH_CHANNEL, WAYS };

static int access_of(const char *word)
{
    return strcmp(word, "read") == 0    ? SHMAP_ACCESS_READ
           : strcmp(word, "write") == 0 ? SHMAP_ACCESS_READ_WRITE
                                        : SHMAP_ACCESS_DEFAULT;
}

static int send_to(struct child *child, shmap_region *region, const char *word)
{
    char address[NAME_ROOM];
    intptr_t end = channel_listen(address, CHANNEL_STREAM);
    assert_true(end != -1);
    puppet_do(child, "channel_join 0 %s", address);
    end = channel_accept(end);
    assert_true(end != -1);
    int result = shmap_region_send(region, access_of(word), end,
                                   shmap_after(PATIENCE * INT64_C(1000000)));
    if (result == 0)
        puppet_do(child, "receive 0 0");
    puppet_do(child, "channel_leave 0");
    channel_close(end);
    return result;
}

/* A puppet, of whatever user, sends its region 0. */
static void assert_sent_by(struct child *child, const char *text)
{
    char address[NAME_ROOM];
    shmap_region *region = no_region;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_view view = SHMAP_VIEW_INIT;
    intptr_t end = channel_listen(address, CHANNEL_STREAM);
    assert_true(end != -1);
    puppet_do(child, "channel_join 0 %s", address);
    end = channel_accept(end);
    assert_true(end != -1);
    puppet_do(child, "send 0 0");
    options.owner = SHMAP_OWNER_ANYBODY;
    assert_code(shmap_region_receive(&region, end,
                                     shmap_after(PATIENCE * INT64_C(1000000)),
                                     &options),
                0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_string_equal(view.data, text);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    puppet_do(child, "channel_leave 0");
    channel_close(end);
}

/* A new puppet gets the region, as its number 0, with a view of it. The child
 * is NULL if it does not. */
static int hand_over(struct child **child, shmap_region *region, int way,
                     const char *word)
{
    char token[SHMAP_TOKEN_SIZE];
    int result = 0;
    *child = way == TO_CHILD ? NULL : puppet_start();
    if (way == THROUGH_CHANNEL)
        result = send_to(*child, region, word);
    else
        result = export_to(
            region, access_of(word),
            *child == NULL ? SHMAP_TARGET_CHILD : child_pid(*child), token);
    if (result < 0) {
        if (*child != NULL)
            child_end(*child);
        *child = NULL;
        return result;
    }
    if (*child == NULL)
        *child = puppet_start();
    if (way != THROUGH_CHANNEL)
        puppet_do(*child, "import 0 %s", token);
    puppet_do(*child, "map 0");
    return 0;
}

static struct child *given(shmap_region *region, int way, const char *word)
{
    struct child *child;
    assert_code(hand_over(&child, region, way, word), 0);
    return child;
}

static bool can_read_only(int kind)
{
    return kind == SHMAP_KIND_ANONYMOUS && attack_facts()->reads_only;
}

/* Whether a named region that is on its way is held: not where that is told by
 * lock files. */
static bool holds_before_import(void)
{
    return !os_has_lock_files();
}

#define NEEDS_READING_ONLY()         \
    if (!attack_facts()->reads_only) \
    skip_because("reading only cannot be enforced here")

/* What arrives. */

static void assert_number(struct child *child, const char *what, int expected)
{
    assert_int_equal(atoi(puppet_ask(child, "%s 0", what)), expected);
}

static void test_handover__every_kind_arrives_in_every_way(void **state)
{
    static const char *const words[] = {"", "write", "read"};
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k)
        for (int way = 0; way < WAYS; ++way)
            for (size_t i = 0; i < COUNT(words); ++i) {
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
    for (size_t k = 0; k < COUNT(kinds); ++k) {
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

static void test_handover__who_reads_cannot_hand_over_for_writing(void **state)
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

/* Children. */

static void test_handover__several_children_and_theirs(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    struct child *children[3];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        struct source source = make_source(kinds[k]);
        assert_code(export_to(source.region, 0, 0, token), 0);
        for (size_t i = 0; i < COUNT(children); ++i)
            children[i] = puppet_start();
        /* A grandchild inherits what its parent has not imported yet. */
        puppet_do(children[0], "spawn");
        puppet_do(children[0], "grand import 0 %s", token);
        puppet_do(children[0], "grand map 0");
        puppet_do(children[0], "grand put 0 200 grand");
        assert_string_equal(source.data + 200, "grand");
        for (size_t i = 0; i < COUNT(children); ++i) {
            puppet_do(children[i], "import 0 %s", token);
            puppet_do(children[i], "map 0");
            puppet_do(children[i], "add 0 1000 100");
        }
        assert_true(memory_load((uint64_t *)(void *)(source.data + 1000)) ==
                    100 * COUNT(children));
        /* And not what it has. */
        puppet_do(children[1], "spawn");
        assert_code(puppet(children[1], "grand import 0 %s", token),
                    SHMAP_ENOENT);
        for (size_t i = 0; i < COUNT(children); ++i)
            child_end(children[i]);
        end_source(&source);
    }
}

/* A chain of processes hands a region on. */
static void test_handover__what_was_imported_is_handed_on(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k)
        for (int way = 0; way < WAYS; ++way) {
            char token[SHMAP_TOKEN_SIZE];
            struct source source = make_source(kinds[k]);
            struct child *child = given(source.region, way, "");
            struct child *other = puppet_start();
            snprintf(token, sizeof token, "%s",
                     puppet_ask(child, "export 0 to=%d", child_pid(other)));
            puppet_do(other, "import 1 %s", token);
            snprintf(token, sizeof token, "%s", puppet_ask(child, "export 0"));
            puppet_do(child, "spawn");
            puppet_do(child, "grand import 0 %s", token);
            puppet_do(child, "grand map 0");
            assert_string_equal(puppet_ask(child, "grand get 0 0"), "hello");
            puppet_do(other, "map 1");
            puppet_do(other, "put 1 0 other");
            assert_string_equal(puppet_ask(child, "grand get 0 0"), "other");
            assert_string_equal(source.data, "other");
            child_end(child);
            child_end(other);
            end_source(&source);
        }
}

static void test_handover__a_child_imports_once(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k)
        for (int exporting = 0; exporting < 2; ++exporting) {
            struct source source = make_source(kinds[k]);
            assert_code(export_to(source.region, 0, 0, token), 0);
            struct child *child = puppet_start();
            puppet_do(child, "import 0 %s", token);
            /* What it exports itself may get the number that is free now. */
            char further[SHMAP_TOKEN_SIZE] = "";
            if (exporting != 0)
                snprintf(further, sizeof further, "%s",
                         puppet_ask(child, "export 0"));
            assert_code(puppet(child, "import 1 %s", token), SHMAP_ENOENT);
            puppet_do(child, "map 0");
            puppet_do(child, "put 0 0 still");
            assert_string_equal(source.data, "still");
            if (exporting != 0) {
                puppet_do(child, "spawn");
                puppet_do(child, "grand import 0 %s", further);
            }
            child_end(child);
            end_source(&source);
        }
}

/* A forked child has what its parent has, and inherits as others do. */
static void test_handover__forked_children_import(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    if (!os_can_fork())
        skip_because("there is no fork here");
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        struct source source = make_source(kinds[k]);
        struct child *child = given(source.region, TO_PROCESS, "");
        snprintf(token, sizeof token, "%s", puppet_ask(child, "export 0"));
        puppet_do(child, "fork");
        puppet_do(child, "child import 1 %s", token);
        puppet_do(child, "child map 1");
        puppet_do(child, "child put 1 0 forked");
        assert_string_equal(source.data, "forked");
        assert_code(puppet(child, "child import 2 %s", token), SHMAP_ENOENT);
        /* What it lets go of is its own. */
        puppet_do(child, "child unexport 0");
        puppet_do(child, "child unmap 0");
        puppet_do(child, "child close 0");
        puppet_do(child, "child map 2 1");
        puppet_do(child, "spawn");
        puppet_do(child, "grand import 0 %s", token);
        puppet_do(child, "kill");
        puppet_do(child, "put 0 0 parent");
        assert_string_equal(source.data, "parent");
        child_end(child);
        end_source(&source);
    }
}

/* It goes only to those that are started while it is exported. */
static void test_handover__children_of_other_times_get_nothing(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        struct source source = make_source(kinds[k]);
        struct child *before = puppet_start();
        assert_code(export_to(source.region, 0, 0, token), 0);
        struct child *during = puppet_start();
        shmap_region_unexport(source.region);
        shmap_region_unexport(source.region);
        struct child *after = puppet_start();
        assert_code(puppet(before, "import 0 %s", token), SHMAP_ENOENT);
        assert_code(puppet(after, "import 0 %s", token), SHMAP_ENOENT);
        puppet_do(during, "import 0 %s", token);
        child_end(before);
        child_end(during);
        child_end(after);

        assert_code(export_to(source.region, 0, 0, token), 0);
        during = puppet_start();
        end_source(&source);
        after = puppet_start();
        assert_code(puppet(after, "import 0 %s", token), SHMAP_ENOENT);
        /* Who was started before holds it. */
        if (kinds[k] != SHMAP_KIND_NAMED || holds_before_import()) {
            puppet_do(during, "import 0 %s", token);
            puppet_do(during, "map 0");
            assert_string_equal(puppet_ask(during, "get 0 0"), "hello");
        } else {
            assert_code(puppet(during, "import 0 %s", token), SHMAP_ENOENT);
        }
        child_end(during);
        child_end(after);
    }
    shmap_region_unexport(NULL);
}

/* Who is started to read does not inherit what was made for writers before. */
static void test_handover__readers_inherit_no_writers_handle(void **state)
{
    char writers[SHMAP_TOKEN_SIZE];
    char readers[SHMAP_TOKEN_SIZE];
    (void)state;
    NEEDS_READING_ONLY();
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    assert_code(export_to(source.region, SHMAP_ACCESS_READ_WRITE, 0, writers),
                0);
    assert_code(export_to(source.region, SHMAP_ACCESS_READ, 0, readers), 0);
    struct child *child = puppet_start();
    assert_code(puppet(child, "import 0 %s", writers), SHMAP_ENOENT);
    puppet_do(child, "import 0 %s", readers);
    child_end(child);
    end_source(&source);
}

static void test_handover__exporting_again_is_the_same(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    char second[SHMAP_TOKEN_SIZE];
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    size_t handles = os_open_handles();
    (void)state;
    assert_code(export_to(source.region, 0, 0, token), 0);
    size_t more = os_open_handles();
    assert_in_range(more, handles + 1, handles + 2);
    for (int i = 0; i < 20; ++i) {
        assert_code(
            export_to(source.region, SHMAP_ACCESS_READ_WRITE, 0, second), 0);
        assert_string_equal(second, token);
    }
    assert_true(units_same_handles(more));
    struct child *child = puppet_start();
    puppet_do(child, "import 0 %s", second);
    child_end(child);
    shmap_region_unexport(source.region);
    assert_true(units_same_handles(handles));
    end_source(&source);
}

/* Programs close what they do not know, and the number is used again, for the
 * next export or for something else. */
static void test_handover__what_was_closed_is_made_again(void **state)
{
    (void)state;
    for (int taken = 0; taken < 2; ++taken) {
        char token[SHMAP_TOKEN_SIZE];
        char name[SHMAP_TOKEN_SIZE];
        shmap__os_gift gift;
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        assert_code(export_to(source.region, 0, 0, token), 0);
        assert_true(shmap__token_read(token, &gift, name));
        raw_close((intptr_t)gift.native);
        intptr_t other = taken != 0 ? units_directory() : -1;
        assert_code(export_to(source.region, 0, 0, token), 0);
        struct child *child = puppet_start();
        puppet_do(child, "import 0 %s", token);
        child_end(child);
        if (other != -1)
            raw_close(other);
        end_source(&source);
    }
}

/* Another thread hands it over for reading, at the moment when children could
 * inherit it for writing. */
static shmap_region *between;

static void hand_over_between(const char *point)
{
    char token[SHMAP_TOKEN_SIZE];
    if (strcmp(point, "give.inheritable") != 0)
        return;
    shmap__stop_hook = NULL;
    assert_code(export_to(between, SHMAP_ACCESS_READ, 0, token), 0);
}

static void test_handover__reading_overtakes_writing(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    NEEDS_READING_ONLY();
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    size_t handles = os_open_handles();
    between = source.region;
    shmap__stop_hook = hand_over_between;
    assert_code(export_to(source.region, SHMAP_ACCESS_READ_WRITE, 0, token),
                SHMAP_EACCES);
    assert_null(shmap__stop_hook);
    assert_true(units_same_handles(handles + 1));
    end_source(&source);
}

static void test_handover__not_to_oneself(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        struct source source = make_source(kinds[k]);
        shmap_region *region = no_region;
        assert_code(export_to(source.region, 0, 0, token), 0);
        size_t handles = os_open_handles();
        assert_code(shmap_region_import(&region, token, NULL), SHMAP_ENOENT);
        assert_ptr_equal(region, no_region);
        assert_true(units_same_handles(handles));
        /* It is still there for the children. */
        struct child *child = puppet_start();
        puppet_do(child, "import 0 %s", token);
        child_end(child);
        end_source(&source);
    }
}

/* Whoever hands on what he got: that stays so, and what he got stays his to
 * take. */
static void test_handover__not_to_oneself_when_handed_on(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        struct source source = make_source(kinds[k]);
        shmap_region *region = no_region;
        assert_code(export_to(source.region, 0, 0, token), 0);
        struct child *first = puppet_start();
        puppet_do(first, "import 0 %s", token);
        puppet_ask(first, "export 0");
        assert_code(shmap_region_import(&region, token, NULL), SHMAP_ENOENT);
        child_end(first);
        struct child *second = puppet_start();
        assert_code(send_to(second, source.region, ""), 0);
        puppet_ask(second, "export 0");
        puppet_do(second, "import 1 %s", token);
        child_end(second);
        end_source(&source);
    }
}

/* A process that becomes another program inherits from itself. */
static int play_heir(int count, char **arguments)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    role_check(count == 1);
    role_check_code(shmap_region_import(&region, arguments[0], NULL), 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    say("%s", strcmp(view.data, "left") == 0 ? "done" : "other memory");
    return 0;
}

static int play_testator(int count, char **arguments)
{
    char token[SHMAP_TOKEN_SIZE];
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    (void)count, (void)arguments;
    role_check_code(shmap_region_create(&region, NULL, 4096, NULL), 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    strcpy(view.data, "left");
    role_check_code(shmap_region_export(region, 0, 0, token, sizeof token), 0);
    os_exec_role("heir", token);
    say("cannot");
    return 0;
}

static void test_handover__to_the_next_program(void **state)
{
    (void)state;
    units_run_role("testator", NULL, "processes keep their program here");
}

/* Every way in which text travels. */
static void test_handover__tokens_travel_as_text(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    char path[OS_NAME_ROOM];
    char text[SHMAP_TOKEN_SIZE] = "";
    size_t size = sizeof text - 1;
    (void)state;
    scratch_path(path, __func__);
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        struct source source = make_source(kinds[k]);
        assert_code(export_to(source.region, 0, 0, token), 0);
        /* An argument. */
        struct child *child = child_start("importer", token, NULL);
        child_expect(child, "hello");
        assert_int_equal(child_wait(child, PATIENCE), 0);
        /* The environment. */
        assert_true(attack_set_variable("SHMAP_TEST_TOKEN", token));
        child = puppet_start();
        puppet_do(child, "variable SHMAP_TEST_TOKEN 0");
        puppet_do(child, "map 0");
        assert_string_equal(puppet_ask(child, "get 0 0"), "hello");
        child_end(child);
        /* A file; what goes to puppets otherwise goes through a pipe. */
        assert_true(file_write(path, token, strlen(token)));
        memset(text, 0, sizeof text);
        assert_true(file_read(path, text, &size));
        child = puppet_start();
        puppet_do(child, "import 0 %s", text);
        child_end(child);
        remove(path);
        end_source(&source);
        size = sizeof text - 1;
    }
}

static int play_importer(int count, char **arguments)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    role_check(count == 1);
    role_check_code(shmap_region_import(&region, arguments[0], NULL), 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    say("%s", (const char *)view.data);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    return 0;
}

/* How many handles a child has. */
static int handles_of_a_child(void)
{
    struct child *child = puppet_start();
    int count = atoi(puppet_ask(child, "handles"));
    child_end(child);
    return count;
}

/* Children inherit so much. Where the system opens things of its own, not every
 * child has as many. */
#define assert_children_have(count) \
    assert_eventually(handles_of_a_child() == (count))

/* Whatever a process has of regions: its children get nothing of it, unless it
 * was exported for them, and then exactly that. */
static void test_handover__children_inherit_nothing_else(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    shmap_region *adopted = no_region;
    shmap_region *imported = no_region;
    shmap_region *received = no_region;
    intptr_t ends[2];
    intptr_t address[1];
    (void)state;
    (void)address;
    int expected = handles_of_a_child();
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        struct source source = make_source(kinds[k]);
        assert_children_have(expected);

        /* With what was given by another process, and received. */
        struct child *child = given(source.region, TO_PROCESS, "");
        snprintf(token, sizeof token, "%s",
                 puppet_ask(child, "export 0 to=%d", os_process_id()));
        assert_code(shmap_region_import(&imported, token, NULL), 0);
        assert_true(channel_pair(ends, CHANNEL_STREAM, true));
        assert_code(shmap_region_send(source.region, 0, ends[0], 0), 0);
        assert_code(shmap_region_receive(&received, ends[1], 0, NULL), 0);
        channel_close(ends[0]);
        channel_close(ends[1]);
        assert_false(units_is_inheritable(shmap_region_native(imported)));
        assert_false(units_is_inheritable(shmap_region_native(received)));
        assert_children_have(expected);
        child_end(child);

        intptr_t native = units_copy(shmap_region_native(source.region));
        assert_true(units_make_inheritable(native));
        assert_children_have(expected + 1);
        assert_code(shmap_region_adopt(&adopted, native, NULL), 0);
        assert_children_have(expected);

        assert_code(export_to(source.region, 0, 0, token), 0);
        assert_children_have(expected + 1);
        assert_code(export_to(received, 0, 0, token), 0);
        assert_children_have(expected + 2);
        shmap_region_unexport(received);
        shmap_region_unexport(source.region);
        assert_children_have(expected);

        assert_code(export_to(imported, 0, 0, token), 0);
        shmap_region_close(imported);
        assert_children_have(expected);
        shmap_region_close(adopted);
        shmap_region_close(received);
        end_source(&source);
    }
}

/* Whether the puppet that it started has no more handles than the other's. */
static bool has_no_more(struct child *child, struct child *other)
{
    int count = atoi(puppet_ask(child, "grand handles"));
    return count <= atoi(puppet_ask(other, "grand handles"));
}

/* In a child that has imported, nothing is left that its children inherit. */
static void test_handover__an_importers_children_inherit_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k)
        for (int way = 0; way < WAYS; ++way) {
            struct source source = make_source(kinds[k]);
            struct child *plain = puppet_start();
            puppet_do(plain, "spawn");
            struct child *child = given(source.region, way, "");
            puppet_do(child, "spawn");
            assert_eventually(has_no_more(child, plain));
            child_end(plain);
            child_end(child);
            end_source(&source);
        }
}

/* Processes that are running. */

static void test_handover__both_ways_between_processes(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k) {
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
    for (size_t k = 0; k < COUNT(kinds); ++k) {
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

static void test_handover__no_such_process(void **state)
{
    const int64_t numbers[] = {attack_no_process(), INT64_C(1) << 31,
                               INT64_C(1) << 32, INT64_MAX};
    char token[SHMAP_TOKEN_SIZE] = "untouched";
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    size_t handles = os_open_handles();
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); ++i) {
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
    for (size_t k = 0; k < COUNT(kinds); ++k)
        for (int end = 0; end < ENDS; ++end) {
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

#define NEEDS_USERS()  \
    if (!os_is_root()) \
    skip_because("only root can become other users")

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
    for (int accepts = 0; accepts < 3; ++accepts) {
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
    for (int named = 0; named < 2; ++named) {
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
        puppet_do(giver, "spawn");
        puppet_do(giver, "grand import 0 %s", token);
        puppet_do(giver, "grand map 0");
        assert_string_equal(puppet_ask(giver, "grand get 0 0"), "hidden");
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
    for (int round = 0; round < ROUNDS; ++round) {
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
    for (int way = 0; way < WAYS; ++way)
        for (int killed = 0; killed < 2; ++killed) {
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
static void test_handover__what_nobody_imports_ends_with_the_child(void **state)
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
static void test_handover__a_name_that_was_lost_misleads_nobody(void **state)
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
    for (int replaced = 0; replaced < 2; ++replaced) {
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

static void test_handover__a_file_that_was_removed_misleads_nobody(void **state)
{
    enum { ATTEMPTS = 10 };
    (void)state;
    if (!attack_facts()->must_live)
        skip_because("what is handed over is there already");
    for (int i = 0; i < ATTEMPTS; ++i)
        if (assert_not_misled())
            return;
    skip_because("files do not get the numbers of others here");
}

/* Locks and signals work between who gave and who got. */
static void test_handover__locks_work_between_them(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        char token[SHMAP_TOKEN_SIZE];
        struct source source = make_source(kinds[k]);
        shmap_mutex *mutex = (shmap_mutex *)(void *)(source.data + 4096);
        shmap_event *event = (shmap_event *)(void *)(source.data + 8192);
        assert_code(export_to(source.region, 0, 0, token), 0);
        struct child *child = child_start("locker", token, NULL);
        child_expect(child, "locked");
        assert_code(shmap_mutex_lock(mutex, 0), SHMAP_ETIMEDOUT);
        assert_code(shmap_event_set(event), 0);
        child_expect(child, "woken");
        child_kill(child);
        assert_code(
            shmap_mutex_lock(mutex, shmap_after(PATIENCE * INT64_C(1000000))),
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
    int64_t deadline = shmap_after(PATIENCE * INT64_C(1000000));
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

/* Reading only. */

static void fill(char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; ++i)
        data[i] = (char)(i * 7 + i / 251 + seed);
}

static void assert_filled(const char *data, size_t size, unsigned seed,
                          const char *after)
{
    for (size_t i = 0; i < size; ++i)
        if (data[i] != (char)(i * 7 + i / 251 + seed))
            fail_msg("byte %zu was changed by: %s", i, after);
}

/* A puppet tries everything with its region and view 0. */
static void assert_withstands(struct child *attacker, struct source *source,
                              const char *way)
{
    for (size_t i = 0; i < attack_count(); ++i) {
        fill(source->data, SIZE, (unsigned)i);
        int result =
            atoi(puppet_ask(attacker, "attack 0 %zu %d", i, os_process_id()));
        if (result == ATTACK_WORKED)
            fail_msg("%s: this worked: %s", way, attack_name(i));
        assert_filled(source->data, SIZE, (unsigned)i, attack_name(i));
        assert_true(shmap_region_size(source->region) == SIZE);
    }
}

static const char *const way_names[] = {"to a child", "to a process",
                                        "through a channel"};

static void test_handover__readers_cannot_write(void **state)
{
    (void)state;
    NEEDS_READING_ONLY();
    for (int way = 0; way < WAYS; ++way) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct child *reader = given(source.region, way, "read");
        assert_withstands(reader, &source, way_names[way]);
        child_end(reader);
        end_source(&source);
    }
}

/* The attacks are some: they work on what was handed over for writing, with a
 * view for reading. */
static void test_handover__attackers_are_able_to_write(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; ++way) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct child *writer = given(source.region, way, "write");
        puppet_do(writer, "unmap 0");
        puppet_do(writer, "map 0 read");
        for (size_t i = 0; i < attack_count(); ++i) {
            if (!attack_is_able(i))
                continue;
            fill(source.data, SIZE, (unsigned)i);
            int result =
                atoi(puppet_ask(writer, "attack 0 %zu %d", i, os_process_id()));
            if (result == ATTACK_ABSENT)
                continue;
            if (result != ATTACK_WORKED ||
                memcmp(source.data, ATTACK_TEXT, sizeof ATTACK_TEXT) != 0)
                fail_msg("this should work: %s", attack_name(i));
        }
        child_end(writer);
        end_source(&source);
    }
}

/* Also what the reader hands on. */
static void test_handover__readers_readers_cannot_write(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    NEEDS_READING_ONLY();
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    struct child *reader = given(source.region, TO_CHILD, "read");
    struct child *second = puppet_start();
    assert_code(puppet(reader, "export 0 write"), SHMAP_EACCES);
    assert_code(puppet(reader, "export 0 write to=%d", child_pid(second)),
                SHMAP_EACCES);
    for (int access = 0; access < 2; ++access) {
        snprintf(token, sizeof token, "%s",
                 puppet_ask(reader, "export 0 %s to=%d",
                            access == 0 ? "" : "read", child_pid(second)));
        puppet_do(second, "import 0 %s", token);
        assert_number(second, "access", SHMAP_ACCESS_READ);
        puppet_do(second, "map 0");
        assert_withstands(second, &source, "a reader's reader");
        puppet_do(second, "unmap 0");
        puppet_do(second, "close 0");
    }
    child_end(second);
    child_end(reader);
    end_source(&source);
}

/* Who handed a region over goes on writing. */
static void assert_goes_on(struct source *source, struct child *reader)
{
    const uint64_t offsets[] = {0, 65536, 4096, 65537, 131072, SIZE - 1};
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_view view = SHMAP_VIEW_INIT;
    strcpy(source->data, "old view");
    assert_string_equal(puppet_ask(reader, "get 0 0"), "old view");
    for (size_t i = 0; i < COUNT(offsets); ++i) {
        options.offset = offsets[i];
        options.size = i % 2 == 0 ? 0 : 1;
        options.access = i < 3 ? 0 : SHMAP_ACCESS_READ_WRITE;
        assert_code(shmap_view_map(&view, source->region, &options), 0);
        *(char *)view.data = (char)('a' + i);
        assert_int_equal(source->data[offsets[i]], 'a' + i);
        char expected[] = {(char)('a' + i), '\0'};
        source->data[offsets[i] + (offsets[i] + 1 < SIZE)] = '\0';
        if (offsets[i] + 1 < SIZE)
            assert_string_equal(puppet_ask(reader, "get 0 %d", (int)offsets[i]),
                                expected);
        shmap_view_unmap(&view);
    }
    /* At an address, and not where something is. */
    void *place = units_reserve(SIZE);
    options = (shmap_view_options)SHMAP_VIEW_OPTIONS_INIT;
    memset(place, 'x', SIZE);
    options.address = place;
    for (int access = 0; access <= SHMAP_ACCESS_COPY; ++access) {
        options.access = access;
        assert_code(shmap_view_map(&view, source->region, &options),
                    SHMAP_EADDRINUSE);
        for (size_t i = 0; i < SIZE; ++i)
            assert_int_equal(((char *)place)[i], 'x');
    }
    /* Partly free is not free. */
    units_release(place, SIZE);
    for (int access = 0; access <= SHMAP_ACCESS_COPY; ++access) {
        options.access = access;
        assert_code(shmap_view_map(&view, source->region, &options), 0);
        assert_ptr_equal(view.data, place);
        strcpy(source->data, "through");
        assert_string_equal(view.data, "through");
        if (access != SHMAP_ACCESS_READ) {
            strcpy(view.data, "at");
            assert_string_equal(source->data,
                                access == SHMAP_ACCESS_COPY ? "through" : "at");
        }
        shmap_view_unmap(&view);
        assert_int_equal(memory_probe(place), MEMORY_ABSENT);
    }
    /* Views for reading are for reading. */
    options = (shmap_view_options)SHMAP_VIEW_OPTIONS_INIT;
    options.access = SHMAP_ACCESS_READ;
    assert_code(shmap_view_map(&view, source->region, &options), 0);
    assert_int_equal(memory_probe(view.data), MEMORY_READABLE);
    shmap_view_unmap(&view);
}

static void test_handover__who_gave_for_reading_goes_on_writing(void **state)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    (void)state;
    NEEDS_READING_ONLY();
    for (int way = 0; way < WAYS; ++way) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct child *reader = given(source.region, way, "read");
        assert_goes_on(&source, reader);
        assert_code(shmap_region_inspect(source.region, &info), 0);
        assert_int_equal(info.access, SHMAP_ACCESS_READ_WRITE);
        /* Those who read can make it neither larger nor smaller: what they can
         * open, this process can. */
        intptr_t native = shmap_region_native(source.region);
        assert_false(attack_extend(native, 2 * SIZE));
        assert_false(attack_cut(native));
        assert_true(shmap_region_size(source.region) == SIZE);
        /* Also when all views and all readers are gone. */
        shmap_view_unmap(&source.view);
        child_end(reader);
        assert_code(shmap_view_map(&source.view, source.region, NULL), 0);
        source.data = source.view.data;
        reader = given(source.region, way, "read");
        assert_goes_on(&source, reader);
        child_end(reader);
        end_source(&source);
    }
}

/* Views keep their region: also where these can no longer be had. */
static void test_handover__writable_views_outlive_the_handle(void **state)
{
    shmap_view view = SHMAP_VIEW_INIT;
    (void)state;
    NEEDS_READING_ONLY();
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    struct child *reader = given(source.region, TO_CHILD, "read");
    assert_code(shmap_view_map(&view, source.region, NULL), 0);
    shmap_region_close(source.region);
    shmap_view_unmap(&source.view);
    strcpy(view.data, "alone");
    assert_string_equal(puppet_ask(reader, "get 0 0"), "alone");
    shmap_view_unmap(&view);
    assert_string_equal(puppet_ask(reader, "get 0 0"), "alone");
    child_end(reader);
}

static void test_handover__after_reading_none_is_for_writing(void **state)
{
    char token[SHMAP_TOKEN_SIZE] = "untouched";
    intptr_t ends[2];
    (void)state;
    NEEDS_READING_ONLY();
    for (int way = 0; way < WAYS; ++way) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct child *reader = given(source.region, way, "read");
        size_t handles = os_open_handles();
        assert_code(export_to(source.region, SHMAP_ACCESS_READ_WRITE, 0, token),
                    SHMAP_EACCES);
        assert_code(export_to(source.region, 0, 0, token), SHMAP_EACCES);
        assert_code(export_to(source.region, 0, child_pid(reader), token),
                    SHMAP_EACCES);
        assert_true(channel_pair(ends, CHANNEL_STREAM, true));
        assert_code(shmap_region_send(source.region, 0, ends[0], 0),
                    SHMAP_EACCES);
        assert_int_equal(channel_drain(ends[1]), 0);
        channel_close(ends[0]);
        channel_close(ends[1]);
        assert_string_equal(token, "untouched");
        assert_true(units_same_handles(handles));
        child_end(given(source.region, TO_CHILD, "read"));
        child_end(given(source.region, TO_PROCESS, "read"));
        child_end(given(source.region, THROUGH_CHANNEL, "read"));
        child_end(reader);
        end_source(&source);
    }
}

/* Who had it for writing before: may not become more, where the system has it
 * so, and goes on with the views that there are. */
static void test_handover__those_who_had_it_for_writing_before(void **state)
{
    (void)state;
    NEEDS_READING_ONLY();
    for (int way = 0; way < WAYS; ++way) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct child *writer = given(source.region, TO_PROCESS, "write");
        struct child *reader = given(source.region, way, "read");
        puppet_do(writer, "put 0 0 writer");
        assert_string_equal(puppet_ask(reader, "get 0 0"), "writer");
        bool stopped = attack_facts()->takes_turns;
        assert_code(puppet(writer, "map 1 0 write"),
                    stopped ? SHMAP_EACCES : 0);
        assert_code(puppet(writer, "map 2 0 read"), 0);
        assert_code(puppet(writer, "map 3 0 copy"), 0);
        assert_string_equal(puppet_ask(writer, "get 2 0"), "writer");
        assert_code(puppet(writer, "export 0 write"),
                    stopped ? SHMAP_EACCES : 0);
        child_end(writer);
        assert_withstands(reader, &source, "with a writer before");
        child_end(reader);
        end_source(&source);
    }
}

/* Where it cannot be enforced it is refused, and nothing has changed. */
static void assert_not_enforced(shmap_region *region, int code)
{
    char token[SHMAP_TOKEN_SIZE] = "untouched";
    shmap_region_info before = SHMAP_REGION_INFO_INIT;
    shmap_region_info after = SHMAP_REGION_INFO_INIT;
    intptr_t ends[2];
    struct child *child = puppet_start();
    assert_true(channel_pair(ends, CHANNEL_STREAM, true));
    size_t handles = os_open_handles();
    assert_code(shmap_region_inspect(region, &before), 0);
    assert_code(export_to(region, SHMAP_ACCESS_READ, 0, token), code);
    assert_code(export_to(region, SHMAP_ACCESS_READ, child_pid(child), token),
                code);
    assert_code(shmap_region_send(region, SHMAP_ACCESS_READ, ends[0], 0), code);
    assert_int_equal(channel_drain(ends[1]), 0);
    channel_close(ends[0]);
    channel_close(ends[1]);
    child_end(child);
    assert_string_equal(token, "untouched");
    assert_code(shmap_region_inspect(region, &after), 0);
    assert_int_equal(after.seals, before.seals);
    assert_int_equal(after.access, before.access);
    assert_true(os_open_handles() <= handles || units_same_handles(handles));
    for (int way = 0; way < WAYS; ++way) {
        child = given(region, way, "write");
        puppet_do(child, "map 1 0 write");
        child_end(child);
    }
}

static void test_handover__reading_only_is_never_pretended(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); ++k) {
        if (can_read_only(kinds[k]))
            continue;
        struct source source = make_source(kinds[k]);
        assert_not_enforced(source.region, SHMAP_ENOTSUP);
        end_source(&source);
    }
}

/* A handle for reading of what this user may write to is not enough. */
static void test_handover__ones_own_file_for_reading_is_refused(void **state)
{
    char path[OS_NAME_ROOM];
    char token[SHMAP_TOKEN_SIZE];
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = no_region;
    shmap_region *held = no_region;
    (void)state;
    options.access = SHMAP_ACCESS_READ;
    scratch_path(path, __func__);
    assert_true(file_write(path, "hello", 6));
    assert_true(shmap_region_open_file(&region, path, 0, &options) >= 0);
    assert_code(export_to(region, 0, 0, token), SHMAP_ENOTSUP);
    /* Nor if the owner has taken the right from himself. */
    if (units_has_modes()) {
        assert_true(file_set_mode(path, 0400));
        assert_code(export_to(region, 0, 0, token), SHMAP_ENOTSUP);
    }
    shmap_region_close(region);
    remove(path);
    assert_code(shmap_region_create(&held, place.name, 4096, NULL), 0);
    assert_code(shmap_region_open(&region, place.name, &options), 0);
    assert_code(export_to(region, SHMAP_ACCESS_READ, 0, token), SHMAP_ENOTSUP);
    shmap_region_close(region);
    shmap_region_close(held);
}

/* Memory that was made elsewhere. */
static void test_handover__adopted_memory_for_reading(void **state)
{
    (void)state;
    NEEDS_READING_ONLY();
    for (int sealable = 0; sealable < 2; ++sealable) {
        shmap_region *region = no_region;
        shmap_view view = SHMAP_VIEW_INIT;
        intptr_t native = attack_memory(5000, sealable != 0);
        if (native == -1)
            skip_because("there is no such memory");
        assert_code(shmap_region_adopt(&region, native, NULL), 0);
        if (sealable == 0) {
            assert_not_enforced(region, SHMAP_ENOTSUP);
        } else {
            struct child *reader = given(region, TO_CHILD, "read");
            /* Of all of it: sizes are whole pages. */
            assert_code(shmap_view_map(&view, region, NULL), 0);
            assert_true(view.size >= 5000);
            strcpy(view.data, "adopted");
            assert_string_equal(puppet_ask(reader, "get 0 0"), "adopted");
            shmap_view_unmap(&view);
            /* Its size is its maker's affair. What came since cannot be had
             * for writing. */
            assert_true(attack_extend(native, 200000));
            shmap_view_options later = SHMAP_VIEW_OPTIONS_INIT;
            later.offset = 65536;
            assert_code(shmap_view_map(&view, region, &later), SHMAP_EACCES);
            child_end(reader);
        }
        shmap_region_close(region);
    }
}

/* What this process cannot write to, those who get it cannot either. */
static void test_handover__anothers_region_for_reading(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    NEEDS_USERS();
    if (os_has_lock_files())
        skip_because("named regions cannot be shared here");
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    struct child *alice = puppet_start_as(ALICE);
    struct child *bob = puppet_start_as(BOB);
    struct child *other = puppet_start_as(BOB);
    puppet_do(alice, "create 0 %s 8192 machine everyone_read", place.name);
    puppet_do(alice, "map 0");
    puppet_do(alice, "put 0 0 alices");
    puppet_do(bob, "open 0 %s machine read anybody", place.name);
    assert_code(puppet(bob, "export 0 write to=%d", child_pid(other)),
                SHMAP_EACCES);
    snprintf(token, sizeof token, "%s",
             puppet_ask(bob, "export 0 to=%d", child_pid(other)));
    assert_code(puppet(other, "import 0 %s", token), SHMAP_EOWNER);
    puppet_do(other, "import 0 %s anybody", token);
    puppet_do(other, "map 0");
    assert_string_equal(puppet_ask(other, "get 0 0"), "alices");
    for (size_t i = 0; i < attack_count(); ++i) {
        int result =
            atoi(puppet_ask(other, "attack 0 %zu %d", i, child_pid(bob)));
        if (result == ATTACK_WORKED)
            fail_msg("another's region: this worked: %s", attack_name(i));
        assert_string_equal(puppet_ask(alice, "get 0 0"), "alices");
    }
    child_end(alice);
    child_end(bob);
    child_end(other);
    shmap_region_reap(place.name, SHMAP_REAP_MACHINE, NULL);
}

/* Bob still has a handle for writing of what Alice no longer shares. What his
 * children inherit for reading does not let them write, import it or not. */
static void test_handover__lost_rights_are_not_handed_over(void **state)
{
    static const unsigned modes[] = {01600, 01000, 01620, 01602, 01644};
    (void)state;
    NEEDS_USERS();
    if (os_has_lock_files() || !units_has_modes())
        skip_because("named regions cannot be shared here");
    for (size_t i = 0; i < COUNT(modes); ++i) {
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        char text[SHMAP_TOKEN_SIZE];
        char os_name[SHMAP_TOKEN_SIZE];
        shmap__os_gift gift;
        struct child *alice = puppet_start_as(ALICE);
        struct child *bob = puppet_start_as(BOB);
        puppet_do(alice, "create 0 %s 8192 machine everyone", place.name);
        puppet_do(alice, "map 0");
        puppet_do(alice, "put 0 0 alices");
        puppet_do(bob, "open 0 %s machine anybody", place.name);
        assert_true(raw_set_mode(place.os_name, modes[i]));
        child_tell(bob, "export 0 read");
        const char *line = child_read_line(bob, PATIENCE);
        assert_non_null(line);
        int result = -1;
        text[0] = '\0';
        assert_int_not_equal(sscanf(line, "= %d %1000s", &result, text), 0);
        if (result == 0) {
            assert_true(shmap__token_read(text, &gift, os_name));
            puppet_do(bob, "fork");
            puppet_do(bob, "child adopt 0 %d", (int)gift.native);
            puppet_do(bob, "child map 0 read");
            for (size_t k = 0; k < attack_count(); ++k) {
                result = atoi(puppet_ask(bob, "child attack 0 %zu 0", k));
                if (result == ATTACK_WORKED)
                    fail_msg("mode %o: this worked: %s", modes[i],
                             attack_name(k));
                assert_string_equal(puppet_ask(alice, "get 0 0"), "alices");
            }
        }
        child_end(alice);
        child_end(bob);
        raw_remove(place.os_name);
    }
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
    for (int i = 0; i < ROUNDS; ++i) {
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
    for (int i = 0; i < ROUNDS; ++i) {
        if (export_to(work->region, access, 0, token) != 0)
            ++work->failures;
        if (i % 3 == 0)
            shmap_region_unexport(work->region);
    }
}

static void map_and_write(void *argument)
{
    struct work *work = argument;
    for (int i = 0; i < ROUNDS; ++i) {
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
    for (int round = 0; round < 5; ++round) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct work works[COUNT(jobs)];
        uv_thread_t threads[COUNT(jobs)];
        strcpy(source.data, "threads");
        for (size_t i = 0; i < COUNT(jobs); ++i) {
            works[i] = (struct work){source.region, source.data, 0};
            assert_int_equal(uv_thread_create(&threads[i], jobs[i], &works[i]),
                             0);
        }
        for (size_t i = 0; i < COUNT(jobs); ++i)
            uv_thread_join(&threads[i]);
        for (size_t i = 0; i < COUNT(jobs); ++i)
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
    for (size_t i = 0; i <= count; ++i) {
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
    for (size_t k = 0; k < COUNT(kinds); ++k)
        for (int way = TO_CHILD; way <= TO_PROCESS; ++way) {
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
    for (size_t i = 0; i < COUNT(spare); ++i)
        spare[i] = units_directory();
    if (!os_limit_handles(0)) {
        say("cannot");
        return 0;
    }
    int result = shmap_region_import(&region, arguments[0], NULL);
    for (size_t i = 0; i < COUNT(spare); ++i)
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
    for (size_t k = 0; k < COUNT(kinds); ++k) {
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
    for (size_t i = 0; i < COUNT(accesses); ++i) {
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
        {"owner", &options.owner, SHMAP_OWNER_ANYBODY + 1},
        {"scope", &options.scope, SHMAP_SCOPE_MACHINE},
        {"create", &options.create, SHMAP_CREATE_NEW},
        {"commit", &options.commit, SHMAP_COMMIT_LAZY},
    };
    for (size_t i = 0; i < COUNT(wrong); ++i) {
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
        {"importer", play_importer},
        {"testator", play_testator},
        {"heir", play_heir},
        {"locker", play_locker},
        {"many", play_many},
        {"without_handles", play_without_handles},
        {"without_numbers", play_without_numbers},
        {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_handover__every_kind_arrives_in_every_way),
        leak_checked(test_handover__no_more_access_than_was_given),
        leak_checked(test_handover__who_reads_cannot_hand_over_for_writing),
        leak_checked(test_handover__several_children_and_theirs),
        leak_checked(test_handover__what_was_imported_is_handed_on),
        leak_checked(test_handover__a_child_imports_once),
        leak_checked(test_handover__forked_children_import),
        leak_checked(test_handover__children_of_other_times_get_nothing),
        leak_checked(test_handover__readers_inherit_no_writers_handle),
        leak_checked(test_handover__exporting_again_is_the_same),
        leak_checked(test_handover__what_was_closed_is_made_again),
        leak_checked(test_handover__reading_overtakes_writing),
        leak_checked(test_handover__not_to_oneself),
        leak_checked(test_handover__not_to_oneself_when_handed_on),
        leak_checked(test_handover__to_the_next_program),
        leak_checked(test_handover__tokens_travel_as_text),
        leak_checked(test_handover__children_inherit_nothing_else),
        leak_checked(test_handover__an_importers_children_inherit_nothing),
        leak_checked(test_handover__both_ways_between_processes),
        leak_checked(test_handover__only_the_process_that_is_meant),
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
        leak_checked(test_handover__what_nobody_imports_ends_with_the_child),
        leak_checked(test_handover__a_name_that_was_lost_misleads_nobody),
        leak_checked(test_handover__a_file_that_was_removed_misleads_nobody),
        leak_checked(test_handover__locks_work_between_them),
        leak_checked(test_handover__readers_cannot_write),
        leak_checked(test_handover__attackers_are_able_to_write),
        leak_checked(test_handover__readers_readers_cannot_write),
        leak_checked(test_handover__who_gave_for_reading_goes_on_writing),
        leak_checked(test_handover__writable_views_outlive_the_handle),
        leak_checked(test_handover__after_reading_none_is_for_writing),
        leak_checked(test_handover__those_who_had_it_for_writing_before),
        leak_checked(test_handover__reading_only_is_never_pretended),
        leak_checked(test_handover__ones_own_file_for_reading_is_refused),
        leak_checked(test_handover__adopted_memory_for_reading),
        leak_checked(test_handover__anothers_region_for_reading),
        leak_checked(test_handover__lost_rights_are_not_handed_over),
        leak_checked(test_handover__by_many_threads),
        leak_checked(test_handover__killed_at_every_step),
        leak_checked(test_handover__no_free_handles),
        leak_checked(test_handover__no_free_numbers),
        leak_checked(test_handover__arguments_are_checked),
    };
    stops_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
