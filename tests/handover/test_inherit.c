/* SPDX-License-Identifier: MIT */

/* What children inherit: exactly what was exported for them, from the moment
 * when it was and until it no longer is.
 */

#include "channel.h"
#include "files.h"
#include "gifts.h"
#include "units.h"
#include "base/stop.h"
#include "region/token.h"

static void test_inherit__several_children_and_theirs(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    struct child *children[3];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct source source = make_source(kinds[k]);
        assert_code(export_to(source.region, 0, 0, token), 0);
        for (size_t i = 0; i < COUNT(children); i++)
            children[i] = puppet_start();
        /* A grandchild inherits what its parent has not imported yet. */
        puppet_do(children[0], "spawn");
        puppet_do(children[0], "grand import 0 %s", token);
        puppet_do(children[0], "grand map 0");
        puppet_do(children[0], "grand put 0 200 grand");
        assert_string_equal(source.data + 200, "grand");
        for (size_t i = 0; i < COUNT(children); i++) {
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
        for (size_t i = 0; i < COUNT(children); i++)
            child_end(children[i]);
        end_source(&source);
    }
}

/* A chain of processes hands a region on. */
static void test_inherit__what_was_imported_is_handed_on(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int way = 0; way < WAYS; way++) {
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

static void test_inherit__a_child_imports_once(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int exporting = 0; exporting < 2; exporting++) {
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
static void test_inherit__forked_children_import(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    if (!os_can_fork())
        skip_because("there is no fork here");
    for (size_t k = 0; k < COUNT(kinds); k++) {
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
static void test_inherit__children_of_other_times_get_nothing(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
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
static void test_inherit__readers_inherit_no_writers_handle(void **state)
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

static void test_inherit__exporting_again_is_the_same(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    char second[SHMAP_TOKEN_SIZE];
    struct source source = make_source(SHMAP_KIND_ANONYMOUS);
    size_t handles = os_open_handles();
    (void)state;
    assert_code(export_to(source.region, 0, 0, token), 0);
    size_t more = os_open_handles();
    assert_in_range(more, handles + 1, handles + 2);
    for (int i = 0; i < 20; i++) {
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
static void test_inherit__what_was_closed_is_made_again(void **state)
{
    (void)state;
    for (int taken = 0; taken < 2; taken++) {
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

static void test_inherit__reading_overtakes_writing(void **state)
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

static void test_inherit__not_to_oneself(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
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
static void test_inherit__not_to_oneself_when_handed_on(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
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

static void test_inherit__to_the_next_program(void **state)
{
    (void)state;
    units_run_role("testator", NULL, "processes keep their program here");
}

/* Every way in which text travels. */
static void test_inherit__tokens_travel_as_text(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    char path[OS_NAME_ROOM];
    char text[SHMAP_TOKEN_SIZE] = "";
    size_t size = sizeof text - 1;
    (void)state;
    scratch_path(path, __func__);
    for (size_t k = 0; k < COUNT(kinds); k++) {
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
static void test_inherit__children_inherit_nothing_else(void **state)
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
    for (size_t k = 0; k < COUNT(kinds); k++) {
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
static void test_inherit__an_importers_children_inherit_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int way = 0; way < WAYS; way++) {
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

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"heir", play_heir},
                                        {"testator", play_testator},
                                        {"importer", play_importer},
                                        {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_inherit__several_children_and_theirs),
        leak_checked(test_inherit__what_was_imported_is_handed_on),
        leak_checked(test_inherit__a_child_imports_once),
        leak_checked(test_inherit__forked_children_import),
        leak_checked(test_inherit__children_of_other_times_get_nothing),
        leak_checked(test_inherit__readers_inherit_no_writers_handle),
        leak_checked(test_inherit__exporting_again_is_the_same),
        leak_checked(test_inherit__what_was_closed_is_made_again),
        leak_checked(test_inherit__reading_overtakes_writing),
        leak_checked(test_inherit__not_to_oneself),
        leak_checked(test_inherit__not_to_oneself_when_handed_on),
        leak_checked(test_inherit__to_the_next_program),
        leak_checked(test_inherit__tokens_travel_as_text),
        leak_checked(test_inherit__children_inherit_nothing_else),
        leak_checked(test_inherit__an_importers_children_inherit_nothing),
    };
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
