/* SPDX-License-Identifier: MIT */

/* Reading only is reading only, whatever the receiver tries; the giver goes on
 * writing; and where it cannot be enforced, it is refused.
 */

#include "channel.h"
#include "files.h"
#include "gifts.h"
#include "units.h"
#include "region/token.h"

static void fill(char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 7 + i / 251 + seed);
}

static void assert_filled(const char *data, size_t size, unsigned seed,
                          const char *after)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != (char)(i * 7 + i / 251 + seed))
            fail_msg("byte %zu was changed by: %s", i, after);
}

/* A puppet tries everything with its region and view 0. */
static void assert_withstands(struct child *attacker, struct source *source,
                              const char *way)
{
    for (size_t i = 0; i < attack_count(); i++) {
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

static void test_reading__readers_cannot_write(void **state)
{
    (void)state;
    NEEDS_READING_ONLY();
    for (int way = 0; way < WAYS; way++) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct child *reader = given(source.region, way, "read");
        assert_withstands(reader, &source, way_names[way]);
        child_end(reader);
        end_source(&source);
    }
}

/* The attacks are some: they work on what was handed over for writing, with a
 * view for reading. */
static void test_reading__attackers_are_able_to_write(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct source source = make_source(SHMAP_KIND_ANONYMOUS);
        struct child *writer = given(source.region, way, "write");
        puppet_do(writer, "unmap 0");
        puppet_do(writer, "map 0 read");
        for (size_t i = 0; i < attack_count(); i++) {
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
static void test_reading__readers_readers_cannot_write(void **state)
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
    for (int access = 0; access < 2; access++) {
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
    for (size_t i = 0; i < COUNT(offsets); i++) {
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
    for (int access = 0; access <= SHMAP_ACCESS_COPY; access++) {
        options.access = access;
        assert_code(shmap_view_map(&view, source->region, &options),
                    SHMAP_EADDRINUSE);
        for (size_t i = 0; i < SIZE; i++)
            assert_int_equal(((char *)place)[i], 'x');
    }
    /* Partly free is not free. */
    units_release(place, SIZE);
    for (int access = 0; access <= SHMAP_ACCESS_COPY; access++) {
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

static void test_reading__exporter_for_reading_goes_on_writing(void **state)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    (void)state;
    NEEDS_READING_ONLY();
    for (int way = 0; way < WAYS; way++) {
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
static void test_reading__writable_views_outlive_the_handle(void **state)
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

static void test_reading__after_reading_none_is_for_writing(void **state)
{
    char token[SHMAP_TOKEN_SIZE] = "untouched";
    intptr_t ends[2];
    (void)state;
    NEEDS_READING_ONLY();
    for (int way = 0; way < WAYS; way++) {
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
static void test_reading__those_who_had_it_for_writing_before(void **state)
{
    (void)state;
    NEEDS_READING_ONLY();
    for (int way = 0; way < WAYS; way++) {
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
    for (int way = 0; way < WAYS; way++) {
        child = given(region, way, "write");
        puppet_do(child, "map 1 0 write");
        child_end(child);
    }
}

static void test_reading__reading_only_is_never_pretended(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        if (can_read_only(kinds[k]))
            continue;
        struct source source = make_source(kinds[k]);
        assert_not_enforced(source.region, SHMAP_ENOTSUP);
        end_source(&source);
    }
}

/* A handle for reading of what this user may write to is not enough. */
static void test_reading__ones_own_file_for_reading_is_refused(void **state)
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
static void test_reading__adopted_memory_for_reading(void **state)
{
    (void)state;
    NEEDS_READING_ONLY();
    for (int sealable = 0; sealable < 2; sealable++) {
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
static void test_reading__anothers_region_for_reading(void **state)
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
    for (size_t i = 0; i < attack_count(); i++) {
        int result =
            atoi(puppet_ask(other, "attack 0 %zu %d", i, child_pid(bob)));
        if (result == ATTACK_WORKED)
            fail_msg("another's region: this worked: %s", attack_name(i));
        assert_string_equal(puppet_ask(alice, "get 0 0"), "alices");
    }
    child_end(alice);
    child_end(bob);
    child_end(other);
    shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE), NULL);
}

/* Bob still has a handle for writing of what Alice no longer shares. What his
 * children inherit for reading does not let them write, import it or not. */
static void test_reading__lost_rights_are_not_handed_over(void **state)
{
    static const unsigned modes[] = {01600, 01000, 01620, 01602, 01644};
    (void)state;
    NEEDS_USERS();
    if (os_has_lock_files() || !units_has_modes())
        skip_because("named regions cannot be shared here");
    for (size_t i = 0; i < COUNT(modes); i++) {
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
            for (size_t k = 0; k < attack_count(); k++) {
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

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        leak_checked(test_reading__readers_cannot_write),
        leak_checked(test_reading__attackers_are_able_to_write),
        leak_checked(test_reading__readers_readers_cannot_write),
        leak_checked(test_reading__exporter_for_reading_goes_on_writing),
        leak_checked(test_reading__writable_views_outlive_the_handle),
        leak_checked(test_reading__after_reading_none_is_for_writing),
        leak_checked(test_reading__those_who_had_it_for_writing_before),
        leak_checked(test_reading__reading_only_is_never_pretended),
        leak_checked(test_reading__ones_own_file_for_reading_is_refused),
        leak_checked(test_reading__adopted_memory_for_reading),
        leak_checked(test_reading__anothers_region_for_reading),
        leak_checked(test_reading__lost_rights_are_not_handed_over),
    };
    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
