/* SPDX-License-Identifier: MIT */

/* File regions at work: content, size, and who has the file open. */

#include <inttypes.h>

#include "files.h"
#include "puppet.h"
#include "stops.h"
#include "units.h"

enum { FILE_SIZE = 200001 };

static char path[NAME_ROOM];

/* A file of '.'. */
static int set_up(void **state)
{
    static char dots[FILE_SIZE];

    units_count_handles(state);
    scratch_path(path, "content");
    memset(dots, '.', sizeof dots);
    return file_write(path, dots, sizeof dots) ? 0 : -1;
}

static int tear_down(void **state)
{
    int result = units_compare_handles(state);

    file_remove(path);
    return result;
}

static int open_file(shmap_region **region, int access)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.access = access;
    return shmap_region_open_file(region, path, 0, &options);
}

static shmap_region *opened(int access)
{
    shmap_region *region = NULL;

    assert_true(open_file(&region, access) >= 0);
    return region;
}

static shmap_view map(shmap_region *region, uint64_t offset, uint64_t size,
                      int access)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_view view = SHMAP_VIEW_INIT;

    options.offset = offset;
    options.size = size;
    options.access = access;
    assert_code(shmap_view_map(&view, region, &options), 0);
    return view;
}

/* The file has this text at this offset, for whoever reads it. */
static void assert_in_file(size_t offset, const char *text)
{
    static char bytes[FILE_SIZE + 1];
    size_t size = sizeof bytes;

    assert_true(file_read(path, bytes, &size));
    assert_true(size >= offset + strlen(text));
    assert_memory_equal(bytes + offset, text, strlen(text));
}

/* Print what plain reading finds in a file. */
static int read_plainly(int count, char **arguments)
{
    FILE *file = fopen(arguments[0], "rb");
    char text[32] = "";

    (void)count;
    role_check(file != NULL);
    role_check(fseek(file, atol(arguments[1]), SEEK_SET) == 0);
    role_check(fread(text, 1, strtoul(arguments[2], NULL, 10), file) > 0);
    fclose(file);
    say("%s", text);
    return 0;
}

static void assert_others_read(const char *offset, const char *text)
{
    char size[32];
    struct child *child;

    snprintf(size, sizeof size, "%zu", strlen(text));
    child = child_start("read_plainly", path, offset, size, NULL);
    child_expect(child, text);
    assert_int_equal(child_wait(child, PATIENCE), 0);
}

static void test_file_content__it_is_written_once_the_last_view_is_gone(
    void **state)
{
    shmap_region *region = opened(0);
    shmap_view view = map(region, 65537, 100, 0);

    (void)state;
    memcpy(view.data, "written", 7);
    shmap_region_close(region);
    shmap_view_unmap(&view);
    assert_in_file(65536, ".written.");
    assert_others_read("65536", ".written.");
    assert_true(file_size(path) == FILE_SIZE);
}

static void test_file_content__it_is_there_for_others_after_a_flush(
    void **state)
{
    shmap_region *region = opened(0);
    shmap_view view = map(region, 65530, 1000, 0);

    (void)state;
    memcpy((char *)view.data + 6, "durable", 7);
    assert_code(shmap_view_flush(&view, 6, 7, SHMAP_FLUSH_DURABLE), 0);
    assert_others_read("65535", ".durable.");
    memcpy((char *)view.data + 6, "started", 7);
    assert_code(shmap_view_flush(&view, 0, 0, SHMAP_FLUSH_WRITE), 0);
    assert_others_read("65535", ".started.");
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void test_file_content__the_last_byte_can_be_flushed(void **state)
{
    shmap_region *region = opened(0);
    shmap_view view = map(region, 0, 0, 0);

    (void)state;
    ((char *)view.data)[FILE_SIZE - 1] = '!';
    assert_code(shmap_view_flush(&view, FILE_SIZE - 1, 1, SHMAP_FLUSH_DURABLE),
                0);
    assert_others_read("199999", ".!");
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void test_file_content__a_view_for_reading_can_be_flushed(void **state)
{
    shmap_region *reader = opened(SHMAP_ACCESS_READ);
    shmap_view view = map(reader, 0, 0, 0);

    (void)state;
    assert_code(shmap_view_flush(&view, 0, 0, SHMAP_FLUSH_WRITE), 0);
    assert_code(shmap_view_flush(&view, 0, 0, SHMAP_FLUSH_DURABLE), 0);
    shmap_view_unmap(&view);
    shmap_region_close(reader);
}

static void test_file_content__processes_share_it(void **state)
{
    struct child *other = puppet_start();
    shmap_region *region = opened(0);
    shmap_view view = map(region, 70001, 100, 0);

    (void)state;
    assert_code(puppet(other, "open_file 0 %s 0", path), 0);
    puppet_do(other, "map 0 offset=70000 size=300");
    puppet_do(other, "put 0 1 from-there");
    assert_string_equal(view.data, "from-there");
    memcpy(view.data, "from-HERE", 9);
    assert_string_equal(puppet_ask(other, "get 0 1"), "from-HEREe");
    puppet_end(other);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void test_file_content__what_a_killed_process_wrote_stays(void **state)
{
    struct child *other = puppet_start();

    (void)state;
    puppet_do(other, "open_file 0 %s 0", path);
    puppet_do(other, "map 0");
    puppet_do(other, "put 0 4095 last-words");
    child_end(other);
    assert_in_file(4094, ".last-words");
}

static void test_file_content__copies_do_not_reach_it(void **state)
{
    static const int accesses[] = {SHMAP_ACCESS_READ, SHMAP_ACCESS_READ_WRITE};

    (void)state;
    for (size_t i = 0; i < COUNT(accesses); i++) {
        shmap_region *region = opened(accesses[i]);
        shmap_view copy = map(region, 65537, 1000, SHMAP_ACCESS_COPY);

        memset(copy.data, 'c', copy.size);
        assert_code(shmap_view_flush(&copy, 0, 0, SHMAP_FLUSH_DURABLE), 0);
        shmap_view_unmap(&copy);
        shmap_region_close(region);
        assert_in_file(65536, "......");
    }
}

static void test_file_content__for_reading_it_cannot_be_written(void **state)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *reader = opened(SHMAP_ACCESS_READ);
    shmap_view view;

    (void)state;
    options.access = SHMAP_ACCESS_READ_WRITE;
    assert_code(shmap_view_map(&view, reader, &options), SHMAP_EACCES);
    view = map(reader, 0, 0, 0);
    assert_int_equal(memory_probe(view.data), MEMORY_READABLE);
    shmap_view_unmap(&view);
    shmap_region_close(reader);
}

static void test_file_content__prefaulting_changes_nothing(void **state)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *region = opened(0);
    shmap_view view;

    (void)state;
    options.flags = SHMAP_VIEW_PREFAULT;
    options.offset = 65537;
    assert_code(shmap_view_map(&view, region, &options), 0);
    assert_int_equal(((char *)view.data)[view.size - 1], '.');
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_true(file_size(path) == FILE_SIZE);
    assert_in_file(FILE_SIZE - 3, "...");
}

static void test_file_content__growth_is_seen_but_not_by_mapped_views(
    void **state)
{
    shmap_region *region = opened(0);
    shmap_view view = map(region, 0, 0, 0);
    shmap_view larger;

    (void)state;
    if (!file_resize(path, 2 * FILE_SIZE)) {
        shmap_view_unmap(&view);
        shmap_region_close(region);
        skip_because("a file with views keeps its size here");
    }
    assert_true(shmap_region_size(region) == 2 * FILE_SIZE);
    assert_code(shmap_view_refresh(&view), 0);
    assert_int_equal(view.size, FILE_SIZE);
    assert_int_equal(view.capacity, FILE_SIZE);
    larger = map(region, 0, 0, 0);
    assert_int_equal(larger.size, 2 * FILE_SIZE);
    memcpy((char *)larger.data + FILE_SIZE - 1, "xy", 2);
    assert_int_equal(((char *)view.data)[FILE_SIZE - 1], 'x');
    shmap_view_unmap(&larger);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void test_file_content__a_cut_is_seen_after_refresh(void **state)
{
    shmap_region *region = opened(0);
    shmap_view view = map(region, 65537, 100000, 0);
    void *data = view.data;

    (void)state;
    if (!file_resize(path, 65537 + 5)) {
        shmap_view_unmap(&view);
        shmap_region_close(region);
        skip_because("a file with views keeps its size here");
    }
    assert_int_equal(view.size, 100000);
    assert_code(shmap_view_refresh(&view), 0);
    assert_int_equal(view.size, 5);
    assert_int_equal(view.capacity, 100000);
    assert_code(shmap_view_flush(&view, 0, 6, 0), SHMAP_ERANGE);
    assert_code(shmap_view_flush(&view, 0, 5, SHMAP_FLUSH_DURABLE), 0);

    assert_true(file_resize(path, 65537));
    assert_code(shmap_view_refresh(&view), 0);
    assert_int_equal(view.size, 0);
    assert_true(file_resize(path, 100));
    assert_code(shmap_view_refresh(&view), 0);
    assert_int_equal(view.size, 0);
    assert_code(shmap_view_flush(&view, 0, 0, SHMAP_FLUSH_DURABLE), 0);

    assert_true(file_resize(path, FILE_SIZE));
    assert_code(shmap_view_refresh(&view), 0);
    assert_int_equal(view.size, 100000);
    assert_ptr_equal(view.data, data);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void test_file_content__a_file_cut_to_nothing_has_no_views(void **state)
{
    shmap_region *region = opened(0);
    shmap_view view;
    shmap_view before;

    (void)state;
    assert_true(file_resize(path, 0));
    assert_true(shmap_region_size(region) == 0);
    memset(&view, 0xa5, sizeof view);
    before = view;
    assert_code(shmap_view_map(&view, region, NULL), SHMAP_ERANGE);
    assert_memory_equal(&view, &before, sizeof view);
    shmap_region_close(region);
}

static bool alone(const shmap_region *region)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;

    assert_code(shmap_region_inspect(region, &info), 0);
    return (info.flags & SHMAP_INFO_ALONE) != 0;
}

static void test_file_content__the_first_to_open_it_is_alone(void **state)
{
    struct child *other = puppet_start();
    shmap_region *first;
    shmap_region *second;

    (void)state;
    assert_code(open_file(&first, 0), SHMAP_ALONE);
    assert_true(alone(first));
    assert_code(open_file(&second, 0), 0);
    assert_false(alone(first));
    assert_code(puppet(other, "open_file 0 %s 0", path), 0);
    shmap_region_close(first);
    shmap_region_close(second);
    assert_code(open_file(&first, 0), 0);
    shmap_region_close(first);
    puppet_do(other, "close 0");
    assert_code(open_file(&first, 0), SHMAP_ALONE);
    assert_code(puppet(other, "open_file 0 %s 0", path), 0);
    assert_false(alone(first));
    shmap_region_close(first);
    puppet_end(other);
}

static void test_file_content__a_view_keeps_others_from_being_alone(
    void **state)
{
    shmap_region *region = opened(0);
    shmap_view view = map(region, 0, 0, 0);

    (void)state;
    shmap_region_close(region);
    assert_code(open_file(&region, 0), 0);
    shmap_region_close(region);
    shmap_view_unmap(&view);
    assert_code(open_file(&region, 0), SHMAP_ALONE);
    shmap_region_close(region);
}

static void test_file_content__readers_do_not_count(void **state)
{
    shmap_region *reader;
    shmap_region *second;
    shmap_region *writer;

    (void)state;
    assert_code(open_file(&reader, SHMAP_ACCESS_READ), SHMAP_ALONE);
    assert_code(open_file(&second, SHMAP_ACCESS_READ), SHMAP_ALONE);
    assert_code(open_file(&writer, 0), SHMAP_ALONE);
    shmap_region_close(reader);
    shmap_region_close(second);
    assert_code(open_file(&reader, SHMAP_ACCESS_READ), 0);
    shmap_region_close(writer);
    assert_true(alone(reader));
    shmap_region_close(reader);
}

static void test_file_content__killed_holder_does_not_count(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct child *other = puppet_start();
        shmap_region *region = NULL;

        assert_code(puppet(other, "open_file 0 %s 0", path), SHMAP_ALONE);
        puppet_do(other, "map 0");
        assert_code(open_file(&region, 0), 0);
        shmap_region_close(region);
        child_end(other);
        assert_eventually(open_file(&region, 0) == SHMAP_ALONE ||
                          (shmap_region_close(region), false));
        shmap_region_close(region);
    }
}

/* Between asking whether somebody else has the file open, and telling others
 * that it has, a process keeps them waiting. */
static void test_file_content__only_one_asks_at_a_time(void **state)
{
    struct child *other = puppet_start();
    shmap_region *region = NULL;
    char command[NAME_ROOM + 32];

    (void)state;
    snprintf(command, sizeof command, "open_file 0 %s 0", path);
    stops_run_into_first(other, "file.gated", command);
    assert_code(open_file(&region, 0), SHMAP_EBUSY);
    assert_null(region);
    child_tell(other, "go");
    assert_code(puppet_result(other), SHMAP_ALONE);
    assert_code(open_file(&region, 0), 0);
    shmap_region_close(region);
    puppet_end(other);
}

static void test_file_content__process_killed_while_asking_blocks_no_one(
    void **state)
{
    struct child *other = puppet_start();
    shmap_region *region = NULL;
    char command[NAME_ROOM + 32];

    (void)state;
    snprintf(command, sizeof command, "open_file 0 %s 0", path);
    stops_run_into_first(other, "file.gated", command);
    child_end(other);
    assert_eventually(open_file(&region, 0) == SHMAP_ALONE);
    shmap_region_close(region);
}

/* A puppet that makes the file, and will have no room for it: it stops at this
 * point first. */
static struct child *start_failing_maker(const char *point)
{
    struct child *maker = puppet_start();
    char command[NAME_ROOM + 64];

    assert_true(file_remove(path));
    if (puppet(maker, "limit %d", FILE_SIZE) != 0)
        skip_because("there is no limit for file sizes here");
    snprintf(command, sizeof command, "open_file 0 %s %d missing", path,
             FILE_SIZE + 1);
    stops_run_into_first(maker, point, command);
    return maker;
}

static void test_file_content__a_maker_that_fails_leaves_what_others_opened(
    void **state)
{
    (void)state;
    for (int closing = 0; closing < 2; closing++) {
        struct child *maker = start_failing_maker("file.opened");
        struct child *other = puppet_start();

        assert_code(puppet(other, "open_file 0 %s 4096", path), SHMAP_ALONE);
        puppet_do(other, "map 0");
        puppet_do(other, "put 0 0 written");
        puppet_do(other, "flush 0");
        if (closing) {
            puppet_do(other, "unmap 0");
            puppet_do(other, "close 0");
        }
        child_tell(maker, "go");
        assert_code(puppet_result(maker), SHMAP_ENOSPC);
        assert_true(file_size(path) == 4096);
        assert_others_read("0", "written");
        puppet_end(other);
        puppet_end(maker);
    }
}

/* Whoever opened the file in time to see it go makes another. */
static void test_file_content__removed_file_of_a_failed_maker_is_never_opened(
    void **state)
{
    (void)state;
    for (int waiting = 0; waiting < 2; waiting++) {
        struct child *maker = start_failing_maker("file.gated");
        struct child *other = puppet_start();
        char command[NAME_ROOM + 64];

        snprintf(command, sizeof command, "open_file 0 %s 4096 missing", path);
        stops_run_into_first(other, "file.opened", command);
        if (waiting)
            child_tell(other, "go");
        child_tell(maker, "go");
        assert_code(puppet_result(maker), SHMAP_ENOSPC);
        if (!waiting) {
            assert_false(file_exists(path));
            child_tell(other, "go");
        }
        assert_code(puppet_result(other), SHMAP_ALONE);
        assert_true(file_size(path) == 4096);
        puppet_do(other, "map 0");
        puppet_do(other, "put 0 0 written");
        puppet_do(other, "flush 0");
        assert_others_read("0", "written");
        puppet_end(other);
        puppet_end(maker);
    }
}

static void test_file_content__reader_sees_the_process_that_extends(
    void **state)
{
    struct child *other = puppet_start();
    shmap_region *reader = NULL;
    char command[NAME_ROOM + 32];
    int result;

    (void)state;
    snprintf(command, sizeof command, "open_file 0 %s %d", path, FILE_SIZE + 1);
    stops_run_into_first(other, "file.sized", command);
    result = open_file(&reader, SHMAP_ACCESS_READ);
    if (result != SHMAP_EBUSY) /* Where readers wait for it. */
        assert_code(result, 0);
    shmap_region_close(reader);
    child_tell(other, "go");
    assert_code(puppet_result(other), SHMAP_ALONE);
    puppet_end(other);
}

/* While the file is extended, a reader sees only what stays. The extension
 * competes with a region for the same room, so that it may also fail midway,
 * and there is no need to tell. */
static void test_file_content__a_reader_sees_no_size_in_between(void **state)
{
    enum { ROUNDS = 3, SMALL = 8192 };
    const uint64_t large = 128 * MiB;
    const char *folder = units_memory_folder();
    char name[NAME_ROOM];

    (void)state;
    if (os_has_lock_files())
        skip_because("room is only found by extending the file, in pieces");
    if (folder == NULL || !os_small_shared_memory(192 * MiB))
        skip_because("named regions cannot be given a small place here");
    unique_name(name, __func__);
    assert_true(file_remove(path));
    snprintf(path, sizeof path, "%s/extended", folder);
    for (int round = 0; round < ROUNDS; round++) {
        static const char dots[SMALL] = {'.'};
        struct child *writer = puppet_start();
        struct child *rival = puppet_start();
        shmap_region *reader;
        shmap_view view;
        const char *line = NULL;
        uint64_t size = SMALL;
        int64_t until = patience_until(PATIENCE);

        assert_true(file_write(path, dots, sizeof dots));
        reader = opened(SHMAP_ACCESS_READ);
        view = map(reader, 0, 0, 0);
        child_tell(writer, "open_file 0 %s %" PRIu64, path, large);
        child_tell(rival, "create 0 %s %" PRIu64, name, large);
        while (line == NULL && clock_ms() < until) {
            for (int i = 0; i < 1000; i++) {
                size = shmap_region_size(reader);
                if (size != SMALL && size != large)
                    fail_msg("the file has %" PRIu64 " bytes", size);
            }
            line = child_read_line(writer, 0);
        }
        assert_non_null(line);
        size = shmap_region_size(reader);
        assert_true(size == (atoi(line + 2) < 0 ? SMALL : large));
        assert_int_equal(memory_probe((char *)view.data + SMALL - 1),
                         MEMORY_READABLE);
        puppet_result(rival);
        child_end(writer);
        child_end(rival);
        shmap_view_unmap(&view);
        shmap_region_close(reader);
        assert_code(shmap_region_reap(name, NULL, NULL), 0);
        assert_true(file_remove(path));
    }
}

static void test_file_content__a_leased_file_is_busy(void **state)
{
    intptr_t lease = units_lease(path);
    shmap_region *region = NULL;

    (void)state;
    if (lease < 0)
        skip_because("nobody can keep others from opening a file here");
    assert_code(open_file(&region, 0), SHMAP_EBUSY);
    assert_code(open_file(&region, SHMAP_ACCESS_READ), SHMAP_EBUSY);
    assert_null(region);
    raw_close(lease);
    assert_code(open_file(&region, 0), SHMAP_ALONE);
    shmap_region_close(region);
}

static void test_file_content__a_link_to_nothing_is_no_file(void **state)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NULL;
    char link[NAME_ROOM];

    (void)state;
    scratch_path(link, "link");
    assert_true(file_remove(path));
    if (!units_make_link(link, path))
        skip_because("not everybody can make symbolic links here");
    assert_code(shmap_region_open_file(&region, link, 4096, &options),
                SHMAP_ENOENT);
    options.create = SHMAP_CREATE_IF_MISSING;
    assert_code(shmap_region_open_file(&region, link, 4096, &options),
                SHMAP_ENOENT);
    options.create = SHMAP_CREATE_NEW;
    assert_code(shmap_region_open_file(&region, link, 4096, &options),
                SHMAP_EEXIST);
    assert_null(region);
    assert_false(file_exists(path));
    assert_true(file_remove(link));
}

/* When told to, open the file; hold it until told to end. */
static int meet(int count, char **arguments)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NULL;

    (void)count;
    options.create = SHMAP_CREATE_IF_MISSING;
    say("ready");
    hear();
    say("%d", shmap_region_open_file(&region, arguments[0], FILE_SIZE + 99,
                                     &options));
    hear();
    shmap_region_close(region);
    return 0;
}

static void test_file_content__of_many_exactly_one_is_alone(void **state)
{
    enum { MANY = 8, ROUNDS = 4 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct child *children[MANY];
        int alones = 0;

        if (round % 2 == 1)
            assert_true(file_remove(path));
        for (int i = 0; i < MANY; i++) {
            children[i] = child_start("meet", path, NULL);
            child_expect(children[i], "ready");
        }
        for (int i = 0; i < MANY; i++)
            child_tell(children[i], "go");
        for (int i = 0; i < MANY; i++) {
            const char *result = child_read_line(children[i], PATIENCE);

            assert_non_null(result);
            assert_true(atoi(result) == 0 || atoi(result) == SHMAP_ALONE);
            alones += atoi(result) == SHMAP_ALONE;
        }
        assert_int_equal(alones, 1);
        assert_true(file_size(path) == FILE_SIZE + 99);
        for (int i = 0; i < MANY; i++) {
            child_close_stdin(children[i]);
            assert_int_equal(child_wait(children[i], PATIENCE), 0);
        }
    }
}

#define with_file(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"read_plainly", read_plainly}, {"meet", meet}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        with_file(test_file_content__it_is_written_once_the_last_view_is_gone),
        with_file(test_file_content__it_is_there_for_others_after_a_flush),
        with_file(test_file_content__the_last_byte_can_be_flushed),
        with_file(test_file_content__a_view_for_reading_can_be_flushed),
        with_file(test_file_content__processes_share_it),
        with_file(test_file_content__what_a_killed_process_wrote_stays),
        with_file(test_file_content__copies_do_not_reach_it),
        with_file(test_file_content__for_reading_it_cannot_be_written),
        with_file(test_file_content__prefaulting_changes_nothing),
        with_file(test_file_content__growth_is_seen_but_not_by_mapped_views),
        with_file(test_file_content__a_cut_is_seen_after_refresh),
        with_file(test_file_content__a_file_cut_to_nothing_has_no_views),
        with_file(test_file_content__the_first_to_open_it_is_alone),
        with_file(test_file_content__a_view_keeps_others_from_being_alone),
        with_file(test_file_content__readers_do_not_count),
        with_file(test_file_content__killed_holder_does_not_count),
        with_file(test_file_content__only_one_asks_at_a_time),
        with_file(test_file_content__process_killed_while_asking_blocks_no_one),
        with_file(test_file_content__of_many_exactly_one_is_alone),
        with_file(
            test_file_content__a_maker_that_fails_leaves_what_others_opened),
        with_file(
            test_file_content__removed_file_of_a_failed_maker_is_never_opened),
        with_file(test_file_content__reader_sees_the_process_that_extends),
        with_file(test_file_content__a_leased_file_is_busy),
        with_file(test_file_content__a_link_to_nothing_is_no_file),
        /* The last, as it leaves this program in a small place. */
        with_file(test_file_content__a_reader_sees_no_size_in_between),
    };

    stops_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
