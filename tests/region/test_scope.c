/* SPDX-License-Identifier: MIT */

/* What is private to a process and what is shared, fact by fact, on every
 * system alike. */

#include <inttypes.h>

#include <uv.h>

#include "puppet.h"

/* The library beside this program, of tests/scope_library.c. */
static const char *(*library_keep)(const char *text);
static const char *(*library_kept)(void);

static void load_library(void)
{
    static uv_lib_t library;
    char path[1024];
    size_t size = sizeof path - 32;
    if (uv_exepath(path, &size) != 0)
        role_fail("cannot find this program");
    while (size > 0 && path[size - 1] != '/' && path[size - 1] != '\\')
        --size;
    snprintf(path + size, sizeof path - size, "%s", "scope_library.plugin");
    if (uv_dlopen(path, &library) != 0 ||
        uv_dlsym(&library, "library_keep", (void **)&library_keep) != 0 ||
        uv_dlsym(&library, "library_kept", (void **)&library_kept) != 0)
        role_fail("%s: %s", path, uv_dlerror(&library));
}

/* What puppets can do here beyond the usual: have the library keep a text, and
 * ask it what it keeps. */
static bool obey_library(int count, char **words, const char **text)
{
    static char address[32];
    if (library_keep == NULL)
        load_library();
    if (strcmp(words[0], "keep") == 0 && count == 2) {
        snprintf(address, sizeof address, "0x%" PRIxPTR,
                 (uintptr_t)library_keep(words[1]));
        *text = address;
        return true;
    }
    *text = library_kept();
    return strcmp(words[0], "kept") == 0;
}

/* A text that is nowhere else. */
static void secret(char *out)
{
    unique_name(out, "secret");
}

/* The answer to a question, kept. */
#define ask(out, ...) \
    snprintf((out), sizeof(out), "%s", puppet_ask(__VA_ARGS__))

static void test_scope__heap_of_one_process_is_invisible_to_another(
    void **state)
{
    char text[NAME_ROOM];
    char address[32];
    (void)state;
    secret(text);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    ask(address, a, "heap %s", text);
    assert_string_equal(puppet_ask(a, "peek %s", address), text);
    assert_string_not_equal(puppet_ask(b, "peek %s", address), text);
}

static void test_scope__writing_a_heap_does_not_change_anothers(void **state)
{
    char first[NAME_ROOM];
    char second[NAME_ROOM];
    char address[32];
    (void)state;
    secret(first);
    secret(second);
    struct child *a = puppet_start();
    ask(address, a, "heap %s", first);
    for (int i = 0; i < 3; i++) {
        struct child *b = puppet_start();
        puppet_ask(b, "heap %s", second);
        puppet_end(b);
    }
    assert_string_equal(puppet_ask(a, "peek %s", address), first);
}

static void test_scope__library_allocates_for_its_caller(void **state)
{
    char text[NAME_ROOM];
    char address[32];
    (void)state;
    secret(text);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    assert_string_equal(puppet_ask(b, "kept"), "");
    ask(address, a, "keep %s", text);
    assert_string_equal(puppet_ask(a, "peek %s", address), text);
    assert_string_equal(puppet_ask(a, "kept"), text);
    assert_string_not_equal(puppet_ask(b, "peek %s", address), text);
    assert_string_equal(puppet_ask(b, "kept"), "");
}

static void test_scope__library_memory_ends_with_its_caller(void **state)
{
    char text[NAME_ROOM];
    (void)state;
    secret(text);
    struct child *a = puppet_start();
    puppet_ask(a, "keep %s", text);
    puppet_end(a);
    assert_string_equal(puppet_ask(puppet_start(), "kept"), "");
}

static void test_scope__two_processes_meet_through_a_name(void **state)
{
    char name[NAME_ROOM];
    char other[NAME_ROOM];
    (void)state;
    unique_name(name, __func__);
    unique_name(other, __func__);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    assert_code(puppet(b, "open 0 %s", name), SHMAP_ENOENT);
    assert_code(puppet(a, "create 0 %s 4096", name), 0);
    assert_code(puppet(b, "open 0 %s", name), 0);
    assert_code(puppet(b, "open 1 %s", other), SHMAP_ENOENT);
}

static void test_scope__each_process_maps_a_view_of_its_own(void **state)
{
    char name[NAME_ROOM];
    char address[32];
    (void)state;
    unique_name(name, __func__);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    puppet_do(a, "create 0 %s 4096", name);
    puppet_do(a, "map 0");
    puppet_do(a, "put 0 0 mine");
    puppet_do(b, "open 0 %s", name);
    puppet_do(b, "map 0");
    ask(address, b, "address 0");
    puppet_do(b, "unmap 0");
    assert_string_equal(puppet_ask(b, "probe %s", address), "absent");
    assert_string_equal(puppet_ask(a, "get 0 0"), "mine");
}

static void test_scope__views_show_the_same_pages(void **state)
{
    char name[NAME_ROOM];
    (void)state;
    unique_name(name, __func__);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    puppet_do(a, "create 0 %s 200000", name);
    puppet_do(a, "map 0");
    puppet_do(b, "open 0 %s", name);
    puppet_do(b, "map 0");
    puppet_do(b, "map 1 0 offset=65536 read");
    puppet_do(a, "put 0 100000 from-a");
    assert_string_equal(puppet_ask(b, "get 0 100000"), "from-a");
    assert_string_equal(puppet_ask(b, "get 1 34464"), "from-a");
    puppet_do(b, "put 0 100000 from-b");
    assert_string_equal(puppet_ask(a, "get 0 100000"), "from-b");
    assert_string_equal(puppet_ask(b, "get 1 34464"), "from-b");
}

/* Places at which processes rarely have anything. */
static uint64_t free_place(unsigned index)
{
    if (sizeof(void *) == 4)
        return UINT64_C(0x30000000) + index * UINT64_C(0x8000000);
    return index == 0 ? UINT64_C(0x600000000) : (uint64_t)index << 44;
}

#define FREE_PLACES 7

/* Map the region 0 of both puppets at one address, and return it. */
static uint64_t map_at_one_address(struct child *a, struct child *b)
{
    for (unsigned i = 0; i < FREE_PLACES; i++) {
        uint64_t place = free_place(i);
        if (puppet(a, "map 0 at=0x%" PRIx64, place) != 0)
            continue;
        if (puppet(b, "map 0 at=0x%" PRIx64, place) == 0)
            return place;
        puppet_do(a, "unmap 0");
    }
    fail_msg("no address is free in both processes");
    return 0;
}

static void test_scope__addresses_may_differ(void **state)
{
    char name[NAME_ROOM];
    char at_a[32];
    char at_b[32];
    (void)state;
    unique_name(name, __func__);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    puppet_do(a, "create 0 %s 4096", name);
    puppet_do(b, "open 0 %s", name);
    puppet_do(a, "map 0");
    ask(at_a, a, "address 0");
    /* The place is taken in b, so that its view must be elsewhere. */
    puppet_do(b, "create 1 - 4096");
    puppet(b, "map 1 at=%s", at_a);
    puppet_do(b, "map 0");
    ask(at_b, b, "address 0");
    assert_string_not_equal(at_a, at_b);
    puppet_do(a, "put 0 0 elsewhere");
    assert_string_equal(puppet_ask(b, "get 0 0"), "elsewhere");
}

static void test_scope__addresses_are_equal_on_request(void **state)
{
    char name[NAME_ROOM];
    char at_a[32];
    (void)state;
    unique_name(name, __func__);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    puppet_do(a, "create 0 %s 4096", name);
    puppet_do(b, "open 0 %s", name);
    map_at_one_address(a, b);
    ask(at_a, a, "address 0");
    assert_string_equal(puppet_ask(b, "address 0"), at_a);
    puppet_do(a, "put 0 0 same-place");
    assert_string_equal(puppet_ask(b, "peek %s", at_a), "same-place");
}

static void test_scope__pages_are_out_of_reach_without_a_view(void **state)
{
    char name[NAME_ROOM];
    char text[NAME_ROOM];
    (void)state;
    unique_name(name, __func__);
    secret(text);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    struct child *c = puppet_start();
    puppet_do(a, "create 0 %s 4096", name);
    puppet_do(b, "open 0 %s", name);
    uint64_t place = map_at_one_address(a, b);
    puppet_do(a, "put 0 0 %s", text);
    assert_string_equal(puppet_ask(b, "peek 0x%" PRIx64, place), text);
    assert_string_not_equal(puppet_ask(c, "peek 0x%" PRIx64, place), text);
    /* A handle is not a view. */
    puppet_do(c, "open 0 %s", name);
    assert_string_not_equal(puppet_ask(c, "peek 0x%" PRIx64, place), text);
    /* And a view that is gone is none. */
    puppet_do(b, "unmap 0");
    assert_string_equal(puppet_ask(b, "probe 0x%" PRIx64, place), "absent");
}

/* Two processes have views, and no handles. */
static void two_viewers(const char *name, struct child **a, struct child **b)
{
    *a = puppet_start();
    *b = puppet_start();
    puppet_do(*a, "create 0 %s 4096", name);
    puppet_do(*a, "map 0");
    puppet_do(*a, "put 0 0 still-here");
    puppet_do(*b, "open 0 %s", name);
    puppet_do(*b, "map 0");
    puppet_do(*a, "close 0");
    puppet_do(*b, "close 0");
}

static void test_scope__pages_go_when_the_last_view_is_unmapped(void **state)
{
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];
    struct child *a;
    struct child *b;
    (void)state;
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    two_viewers(name, &a, &b);
    puppet_do(a, "unmap 0");
    assert_code(puppet(a, "open 0 %s", name), 0);
    puppet_do(a, "close 0");
    assert_string_equal(puppet_ask(b, "get 0 0"), "still-here");
    puppet_do(b, "unmap 0");
    assert_false(raw_exists(os_name));
    assert_code(puppet(a, "open 0 %s", name), SHMAP_ENOENT);
}

static void test_scope__pages_go_when_the_last_process_ends(void **state)
{
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];
    struct child *a;
    struct child *b;
    (void)state;
    unique_name(name, __func__);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    two_viewers(name, &a, &b);
    puppet_end(a);
    a = puppet_start();
    assert_code(puppet(a, "open 0 %s", name), 0);
    puppet_do(a, "close 0");
    assert_string_equal(puppet_ask(b, "get 0 0"), "still-here");
    puppet_end(b);
    assert_eventually(puppet(a, "open 0 %s", name) == SHMAP_ENOENT);
    assert_false(raw_exists(os_name));
    assert_code(puppet(a, "create 0 %s 4096", name), 0);
    puppet_do(a, "map 0");
    assert_string_equal(puppet_ask(a, "get 0 0"), "");
}

/* The file's text at `offset`, as any program that reads the file sees it. */
static void assert_file_text(const char *path, size_t offset, const char *text)
{
    static char content[10000];
    size_t size = sizeof content;
    assert_true(file_read(path, content, &size));
    assert_int_equal(size, sizeof content);
    assert_string_equal(content + offset, text);
}

static void test_scope__file_is_updated_by_a_flush(void **state)
{
    char path[NAME_ROOM];
    (void)state;
    scratch_path(path, __func__);
    struct child *a = puppet_start();
    puppet_do(a, "open_file 0 %s 10000 new", path);
    puppet_do(a, "map 0");
    puppet_do(a, "put 0 9000 flushed");
    puppet_do(a, "flush 0");
    assert_file_text(path, 9000, "flushed");
    puppet_end(a);
    remove(path);
}

static void test_scope__file_is_updated_when_the_last_view_goes(void **state)
{
    char path[NAME_ROOM];
    (void)state;
    scratch_path(path, __func__);
    struct child *a = puppet_start();
    struct child *b = puppet_start();
    puppet_do(a, "open_file 0 %s 10000 new", path);
    puppet_do(a, "map 0");
    puppet_do(b, "open_file 0 %s 0", path);
    puppet_do(b, "map 0");
    puppet_do(a, "put 0 0 from-a");
    puppet_do(b, "put 0 9000 from-b");
    /* One view is unmapped, the other ends with its process. */
    puppet_do(a, "unmap 0");
    puppet_do(a, "close 0");
    puppet_end(b);
    assert_file_text(path, 0, "from-a");
    assert_file_text(path, 9000, "from-b");
    assert_int_equal(remove(path), 0);
}

/* Two processes with one number, which is zero. */
static void two_counters(const char *name, struct child **a, struct child **b)
{
    *a = puppet_start();
    *b = puppet_start();
    puppet_do(*a, "create 0 %s 4096", name);
    puppet_do(*b, "open 0 %s", name);
    puppet_do(*a, "map 0");
    puppet_do(*b, "map 0");
    assert_string_equal(puppet_ask(*b, "load 0 64"), "0");
}

static void test_scope__unsynchronised_writers_lose_updates(void **state)
{
    char name[NAME_ROOM];
    struct child *a;
    struct child *b;
    (void)state;
    unique_name(name, __func__);
    two_counters(name, &a, &b);
    /* Both read before either writes: one of two additions is lost. */
    long at_a = atol(puppet_ask(a, "load 0 64"));
    long at_b = atol(puppet_ask(b, "load 0 64"));
    puppet_do(a, "store 0 64 %ld", at_a + 1);
    puppet_do(b, "store 0 64 %ld", at_b + 1);
    assert_string_equal(puppet_ask(a, "load 0 64"), "1");
    /* Taking turns, none is lost. */
    at_a = atol(puppet_ask(a, "load 0 64"));
    puppet_do(a, "store 0 64 %ld", at_a + 1);
    at_b = atol(puppet_ask(b, "load 0 64"));
    puppet_do(b, "store 0 64 %ld", at_b + 1);
    assert_string_equal(puppet_ask(a, "load 0 64"), "3");
}

static void test_scope__synchronised_writers_lose_none(void **state)
{
    char name[NAME_ROOM];
    struct child *a;
    struct child *b;
    (void)state;
    unique_name(name, __func__);
    two_counters(name, &a, &b);
    child_tell(a, "add 0 64 500000");
    child_tell(b, "add 0 64 500000");
    assert_code(puppet_result(a), 0);
    assert_code(puppet_result(b), 0);
    assert_string_equal(puppet_ask(a, "load 0 64"), "1000000");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_scope__heap_of_one_process_is_invisible_to_another),
        cmocka_unit_test(test_scope__writing_a_heap_does_not_change_anothers),
        cmocka_unit_test(test_scope__library_allocates_for_its_caller),
        cmocka_unit_test(test_scope__library_memory_ends_with_its_caller),
        cmocka_unit_test(test_scope__two_processes_meet_through_a_name),
        cmocka_unit_test(test_scope__each_process_maps_a_view_of_its_own),
        cmocka_unit_test(test_scope__views_show_the_same_pages),
        cmocka_unit_test(test_scope__addresses_may_differ),
        cmocka_unit_test(test_scope__addresses_are_equal_on_request),
        cmocka_unit_test(test_scope__pages_are_out_of_reach_without_a_view),
        cmocka_unit_test(test_scope__pages_go_when_the_last_view_is_unmapped),
        cmocka_unit_test(test_scope__pages_go_when_the_last_process_ends),
        cmocka_unit_test(test_scope__file_is_updated_by_a_flush),
        cmocka_unit_test(test_scope__file_is_updated_when_the_last_view_goes),
        cmocka_unit_test(test_scope__unsynchronised_writers_lose_updates),
        cmocka_unit_test(test_scope__synchronised_writers_lose_none),
    };
    puppet_more = obey_library;
    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
