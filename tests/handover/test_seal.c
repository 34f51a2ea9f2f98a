/* SPDX-License-Identifier: MIT */

/* Seals: what holds afterwards for those who have the region, and for those
 * who get it; and what does not seal anything.
 */

#include "attack.h"
#include "channel.h"
#include "place.h"
#include "puppet.h"
#include "units.h"

enum {
    SIZES = SHMAP_SEAL_GROW | SHMAP_SEAL_SHRINK,
    ALL = SIZES | SHMAP_SEAL_WRITERS | SHMAP_SEAL_CONTENT
};

#define SIZE ((size_t)65536)

static shmap_region *const no_region = (shmap_region *)(uintptr_t)8;

static unsigned possible(void)
{
    return attack_facts()->seals;
}

static unsigned at_first(void)
{
    return attack_facts()->first_seals;
}

/* Sealed content has no writers either. */
static unsigned with_implied(unsigned seals)
{
    return (seals & SHMAP_SEAL_CONTENT) != 0 ? seals | SHMAP_SEAL_WRITERS
                                             : seals;
}

static shmap_region *make_region(void)
{
    shmap_region *region = no_region;
    assert_code(shmap_region_create(&region, NULL, SIZE, NULL), 0);
    return region;
}

static shmap_region_info info_of(const shmap_region *region)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    assert_code(shmap_region_inspect(region, &info), 0);
    return info;
}

static int map(shmap_view *view, shmap_region *region, int access)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    options.access = access;
    return shmap_view_map(view, region, &options);
}

/* A puppet has it too, for writing. */
static struct child *give(shmap_region *region, const char *words)
{
    char token[SHMAP_TOKEN_SIZE];
    struct child *child = puppet_start();
    assert_code(
        shmap_region_export(region, 0, child_pid(child), token, sizeof token),
        0);
    puppet_do(child, "import 0 %s %s", token, words);
    return child;
}

static void assert_seals(const shmap_region *region, unsigned seals)
{
    assert_int_equal(info_of(region).seals, seals);
}

/* No call of this test has sealed anything. */
static void assert_untouched(shmap_region *region)
{
    shmap_view view = SHMAP_VIEW_INIT;
    assert_code(map(&view, region, SHMAP_ACCESS_READ_WRITE), 0);
    strcpy(view.data, "written");
    shmap_view_unmap(&view);
    assert_int_equal(info_of(region).access, SHMAP_ACCESS_READ_WRITE);
}

static void test_seal__what_holds_from_the_beginning(void **state)
{
    char path[OS_NAME_ROOM];
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = make_region();
    (void)state;
    assert_seals(region, at_first());
    shmap_region_close(region);
    /* Nothing is certain for what has a name. */
    assert_code(shmap_region_create(&region, place.name, SIZE, NULL), 0);
    assert_int_equal(info_of(region).seals & ~at_first(), 0);
    assert_int_equal(
        info_of(region).seals & (SHMAP_SEAL_WRITERS | SHMAP_SEAL_CONTENT), 0);
    shmap_region_close(region);
    scratch_path(path, __func__);
    options.create = SHMAP_CREATE_NEW;
    assert_true(shmap_region_open_file(&region, path, SIZE, &options) >= 0);
    assert_seals(region, 0);
    shmap_region_close(region);
    remove(path);
}

static void test_seal__arguments_are_checked(void **state)
{
    static const unsigned wrong[] = {
        0, 16, 32, 17, 31, ALL + 1, ~0u, 1u << 31, ~(unsigned)ALL};
    shmap_region *region = make_region();
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_code(shmap_region_seal(region, wrong[i]), SHMAP_EINVAL);
    for (unsigned seals = 0; seals <= 16; seals++)
        assert_code(shmap_region_seal(NULL, seals), SHMAP_EINVAL);
    assert_seals(region, at_first());
    assert_untouched(region);
    shmap_region_close(region);
}

static void test_seal__only_anonymous_regions(void **state)
{
    char path[OS_NAME_ROOM];
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *named = no_region;
    shmap_region *file = no_region;
    (void)state;
    assert_code(shmap_region_create(&named, place.name, SIZE, NULL), 0);
    scratch_path(path, __func__);
    options.create = SHMAP_CREATE_NEW;
    assert_true(shmap_region_open_file(&file, path, SIZE, &options) >= 0);
    for (unsigned seals = 1; seals <= ALL; seals++) {
        assert_code(shmap_region_seal(named, seals), SHMAP_ENOTSUP);
        assert_code(shmap_region_seal(file, seals), SHMAP_ENOTSUP);
    }
    assert_untouched(named);
    assert_untouched(file);
    shmap_region_close(named);
    shmap_region_close(file);
    remove(path);
}

/* Every combination, where nobody else has the region. */
static void test_seal__every_combination(void **state)
{
    (void)state;
    for (unsigned seals = 1; seals <= ALL; seals++) {
        shmap_region *region = make_region();
        shmap_view view = SHMAP_VIEW_INIT;
        int result = shmap_region_seal(region, seals);
        if ((seals & ~possible()) != 0) {
            assert_code(result, SHMAP_ENOTSUP);
            assert_seals(region, at_first());
            assert_untouched(region);
            shmap_region_close(region);
            continue;
        }
        assert_code(result, 0);
        unsigned held = with_implied(at_first() | seals);
        assert_seals(region, held);
        bool reads = (held & SHMAP_SEAL_WRITERS) != 0;
        assert_int_equal(info_of(region).access,
                         reads ? SHMAP_ACCESS_READ : SHMAP_ACCESS_READ_WRITE);
        /* And once more, also by those who read. */
        for (unsigned again = 1; again <= ALL; again++)
            if ((again & ~held) == 0)
                assert_code(shmap_region_seal(region, again), 0);
        assert_code(map(&view, region, SHMAP_ACCESS_READ_WRITE),
                    reads ? SHMAP_EACCES : 0);
        shmap_view_unmap(&view);
        assert_code(map(&view, region, SHMAP_ACCESS_READ), 0);
        assert_int_equal(*(const char *)view.data, 0);
        shmap_view_unmap(&view);
        assert_code(map(&view, region, SHMAP_ACCESS_DEFAULT), 0);
        assert_int_equal(memory_probe(view.data),
                         reads ? MEMORY_READABLE : MEMORY_WRITABLE);
        shmap_view_unmap(&view);
        assert_code(map(&view, region, SHMAP_ACCESS_COPY), 0);
        strcpy(view.data, "private");
        shmap_view_unmap(&view);
        /* The size. */
        intptr_t native = shmap_region_native(region);
        if ((held & SHMAP_SEAL_GROW) != 0)
            assert_false(attack_extend(native, 2 * SIZE));
        if ((held & SHMAP_SEAL_SHRINK) != 0)
            assert_false(attack_cut(native));
        assert_true(shmap_region_size(region) == SIZE);
        shmap_region_close(region);
    }
}

/* Without the seal it can grow, or the seal says nothing. */
static void test_seal__what_is_not_sealed_can_grow(void **state)
{
    shmap_region *region = make_region();
    (void)state;
    if ((at_first() & SHMAP_SEAL_GROW) == 0) {
        assert_true(attack_extend(shmap_region_native(region), 2 * SIZE));
        assert_true(shmap_region_size(region) == 2 * SIZE);
    }
    shmap_region_close(region);
}

static void test_seal__one_after_another(void **state)
{
    static const unsigned order[] = {SHMAP_SEAL_SHRINK, SHMAP_SEAL_GROW,
                                     SHMAP_SEAL_WRITERS};
    shmap_region *region = make_region();
    unsigned held = at_first();
    (void)state;
    for (size_t i = 0; i < COUNT(order); i++) {
        if ((order[i] & ~possible()) != 0)
            continue;
        held |= order[i];
        assert_code(shmap_region_seal(region, order[i]), 0);
        assert_seals(region, held);
    }
    /* Who cannot write any more can still freeze it. */
    if ((possible() & SHMAP_SEAL_CONTENT) != 0) {
        assert_code(shmap_region_seal(region, SHMAP_SEAL_CONTENT), 0);
        assert_seals(region, held | SHMAP_SEAL_CONTENT);
        assert_code(shmap_region_seal(region, ALL), 0);
    }
    shmap_region_close(region);
}

static void test_seal__not_by_readers(void **state)
{
    shmap_region *region = make_region();
    (void)state;
    struct child *reader = give(region, "read");
    for (unsigned seals = 1; seals <= ALL; seals++)
        assert_code(puppet(reader, "seal 0 %u", seals),
                    (seals & ~at_first()) == 0 ? 0
                    : possible() == 0          ? SHMAP_ENOTSUP
                                               : SHMAP_EACCES);
    assert_seals(region, at_first());
    assert_untouched(region);
    child_end(reader);
    shmap_region_close(region);
}

/* Content. */

#define NEEDS(seal)                 \
    if ((possible() & (seal)) == 0) \
    skip_because("this cannot be sealed here")

static void test_seal__content_with_a_writer_is_busy(void **state)
{
    (void)state;
    NEEDS(SHMAP_SEAL_CONTENT);
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        shmap_region *region = make_region();
        shmap_view view = SHMAP_VIEW_INIT;
        struct child *writer = NULL;
        if (elsewhere == 0) {
            assert_code(map(&view, region, SHMAP_ACCESS_READ_WRITE), 0);
        } else {
            writer = give(region, "");
            puppet_do(writer, "map 0");
        }
        static const unsigned sets[] = {
            SHMAP_SEAL_CONTENT, SHMAP_SEAL_CONTENT | SHMAP_SEAL_GROW,
            SHMAP_SEAL_CONTENT | SHMAP_SEAL_WRITERS, ALL};
        for (size_t i = 0; i < COUNT(sets); i++) {
            assert_code(shmap_region_seal(region, sets[i]), SHMAP_EBUSY);
            assert_seals(region, at_first());
            assert_untouched(region);
        }
        if (elsewhere == 0) {
            strcpy(view.data, "still");
            shmap_view_unmap(&view);
        } else {
            puppet_do(writer, "put 0 0 still");
            puppet_do(writer, "unmap 0");
        }
        /* One of a reader is not in the way. */
        struct child *reader = give(region, "read");
        puppet_do(reader, "map 0");
        assert_string_equal(puppet_ask(reader, "get 0 0"), "still");
        assert_code(shmap_region_seal(region, SHMAP_SEAL_CONTENT), 0);
        assert_string_equal(puppet_ask(reader, "get 0 0"), "still");
        child_end(reader);
        assert_code(map(&view, region, SHMAP_ACCESS_READ), 0);
        assert_string_equal(view.data, "still");
        assert_seals(region,
                     at_first() | SHMAP_SEAL_CONTENT | SHMAP_SEAL_WRITERS);
        shmap_view_unmap(&view);
        if (writer != NULL) {
            assert_code(puppet(writer, "map 0 write"), SHMAP_EACCES);
            assert_int_equal(atoi(puppet_ask(writer, "seals 0")),
                             info_of(region).seals);
            puppet_do(writer, "map 0 read");
            puppet_do(writer, "map 1 0 copy");
            puppet_do(writer, "put 1 0 mine");
            assert_string_equal(puppet_ask(writer, "get 0 0"), "still");
            child_end(writer);
        }
        shmap_region_close(region);
    }
}

/* Nobody writes any more, neither who sealed it, nor who had it before, nor who
 * gets it. */
static void test_seal__sealed_content_stays(void **state)
{
    (void)state;
    NEEDS(SHMAP_SEAL_CONTENT);
    shmap_region *region = make_region();
    shmap_view view = SHMAP_VIEW_INIT;
    struct child *before = give(region, "");
    assert_code(map(&view, region, SHMAP_ACCESS_READ_WRITE), 0);
    memset(view.data, 's', SIZE);
    shmap_view_unmap(&view);
    assert_code(shmap_region_seal(region, SHMAP_SEAL_CONTENT), 0);
    struct child *after = give(region, "");
    assert_int_equal(atoi(puppet_ask(after, "access 0")), SHMAP_ACCESS_READ);
    assert_code(map(&view, region, SHMAP_ACCESS_READ), 0);
    struct attack_on on = {shmap_region_native(region), view.data, view.size,
                           os_process_id()};
    puppet_do(before, "map 0 read");
    puppet_do(after, "map 0");
    for (size_t i = 0; i < attack_count(); i++) {
        if (attack_try(i, &on) == ATTACK_WORKED ||
            atoi(puppet_ask(before, "attack 0 %zu %d", i, os_process_id())) ==
                ATTACK_WORKED ||
            atoi(puppet_ask(after, "attack 0 %zu %d", i, os_process_id())) ==
                ATTACK_WORKED)
            fail_msg("this worked: %s", attack_name(i));
        for (size_t k = 0; k < SIZE; k++)
            assert_int_equal(((const char *)view.data)[k], 's');
    }
    shmap_view_unmap(&view);
    child_end(before);
    child_end(after);
    shmap_region_close(region);
}

static void test_seal__content_after_handing_over_for_reading(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    NEEDS(SHMAP_SEAL_CONTENT);
    shmap_region *region = make_region();
    assert_code(
        shmap_region_export(region, SHMAP_ACCESS_READ, 0, token, sizeof token),
        0);
    unsigned held = info_of(region).seals;
    assert_code(shmap_region_seal(region, SHMAP_SEAL_CONTENT), SHMAP_EBUSY);
    assert_seals(region, held);
    assert_untouched(region);
    /* Who gives up writing can. */
    assert_code(shmap_region_seal(region, SHMAP_SEAL_WRITERS), 0);
    assert_code(shmap_region_seal(region, SHMAP_SEAL_CONTENT), 0);
    assert_seals(region, held | SHMAP_SEAL_WRITERS | SHMAP_SEAL_CONTENT);
    shmap_region_close(region);
}

/* Writers. */

static void test_seal__no_more_writers(void **state)
{
    (void)state;
    NEEDS(SHMAP_SEAL_WRITERS);
    shmap_region *region = make_region();
    shmap_view old = SHMAP_VIEW_INIT;
    shmap_view view = SHMAP_VIEW_INIT;
    assert_code(map(&old, region, SHMAP_ACCESS_READ_WRITE), 0);
    assert_code(shmap_region_seal(region, SHMAP_SEAL_WRITERS), 0);
    assert_seals(region, at_first() | SHMAP_SEAL_WRITERS);
    assert_int_equal(info_of(region).access, SHMAP_ACCESS_READ);
    /* Those that are there write. */
    strcpy(old.data, "old");
    assert_code(map(&view, region, SHMAP_ACCESS_READ_WRITE), SHMAP_EACCES);
    assert_code(map(&view, region, SHMAP_ACCESS_READ), 0);
    assert_string_equal(view.data, "old");
    shmap_view_unmap(&view);
    /* Who gets it reads. */
    char token[SHMAP_TOKEN_SIZE] = "untouched";
    assert_code(shmap_region_export(region, SHMAP_ACCESS_READ_WRITE, 0, token,
                                    sizeof token),
                SHMAP_EACCES);
    assert_string_equal(token, "untouched");
    struct child *reader = give(region, "");
    assert_int_equal(atoi(puppet_ask(reader, "access 0")), SHMAP_ACCESS_READ);
    /* Where nobody is stopped, only the giver knows that nobody else is. */
    assert_int_equal((unsigned)atoi(puppet_ask(reader, "seals 0")),
                     attack_facts()->takes_turns ? info_of(region).seals
                                                 : at_first());
    puppet_do(reader, "map 0");
    for (size_t i = 0; i < attack_count(); i++) {
        int result =
            atoi(puppet_ask(reader, "attack 0 %zu %d", i, os_process_id()));
        if (result == ATTACK_WORKED)
            fail_msg("this worked: %s", attack_name(i));
        assert_string_equal(old.data, "old");
    }
    strcpy(old.data, "newer");
    assert_string_equal(puppet_ask(reader, "get 0 0"), "newer");
    child_end(reader);
    shmap_view_unmap(&old);
    /* The last one is gone. */
    assert_code(map(&view, region, SHMAP_ACCESS_READ_WRITE), SHMAP_EACCES);
    assert_code(map(&view, region, SHMAP_ACCESS_READ), 0);
    assert_string_equal(view.data, "newer");
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

/* Others that have the region for writing: they cannot any more, or, where
 * nobody can take that from them, sealing is refused. */
static void test_seal__writers_elsewhere(void **state)
{
    (void)state;
    NEEDS(SHMAP_SEAL_WRITERS);
    shmap_region *region = make_region();
    struct child *other = give(region, "");
    int result = shmap_region_seal(region, SHMAP_SEAL_WRITERS);
    if (attack_facts()->takes_turns) {
        assert_code(result, 0);
        assert_code(puppet(other, "map 0 write"), SHMAP_EACCES);
        assert_code(puppet(other, "export 0 write"), SHMAP_EACCES);
        puppet_do(other, "map 0 read");
        assert_int_equal(atoi(puppet_ask(other, "seals 0")),
                         at_first() | SHMAP_SEAL_WRITERS);
    } else {
        assert_code(result, SHMAP_EBUSY);
        assert_seals(region, at_first());
        assert_untouched(region);
        puppet_do(other, "map 0 write");
    }
    child_end(other);
    shmap_region_close(region);
}

/* Ways in which memory becomes one that others cannot write to. */
enum way { SEALED_AGAINST_WRITERS = 0, FROZEN, GIVEN_FOR_READING, WAYS };

static void close_for_writing(shmap_region *region, int way)
{
    char token[SHMAP_TOKEN_SIZE];
    if (way == GIVEN_FOR_READING)
        assert_code(shmap_region_export(region, SHMAP_ACCESS_READ, 0, token,
                                        sizeof token),
                    0);
    else
        assert_code(shmap_region_seal(region, way == FROZEN
                                                  ? SHMAP_SEAL_CONTENT
                                                  : SHMAP_SEAL_WRITERS),
                    0);
}

/* What the puppet got is for reading. */
static void assert_reads(struct child *child)
{
    assert_int_equal(atoi(puppet_ask(child, "access 0")), SHMAP_ACCESS_READ);
    puppet_do(child, "map 0");
    assert_string_equal(puppet_ask(child, "get 0 0"), "sealed");
    assert_code(puppet(child, "map 1 0 write"), SHMAP_EACCES);
    puppet_do(child, "unmap 0");
    puppet_do(child, "close 0");
}

/* What was given for writing before is refused, unless it is asked for to read;
 * and what a descriptor could be used for does not count any more. */
static void test_seal__tokens_from_before(void **state)
{
    char running[SHMAP_TOKEN_SIZE];
    char inherited[SHMAP_TOKEN_SIZE];
    char address[NAME_ROOM];
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    (void)state;
    if (!attack_facts()->takes_turns)
        skip_because("what others have stays as it is here");
    for (int way = 0; way < WAYS; way++) {
        shmap_region *region = make_region();
        shmap_region *adopted = no_region;
        shmap_view view = SHMAP_VIEW_INIT;
        assert_code(map(&view, region, 0), 0);
        strcpy(view.data, "sealed");
        shmap_view_unmap(&view);
        assert_code(
            shmap_region_export(region, 0, 0, inherited, sizeof inherited), 0);
        struct child *child = puppet_start();
        assert_code(shmap_region_export(region, 0, child_pid(child), running,
                                        sizeof running),
                    0);
        intptr_t end = channel_listen(address, CHANNEL_STREAM);
        puppet_do(child, "channel_join 0 %s", address);
        end = channel_accept(end);
        for (int i = 0; i < 3; i++)
            assert_code(shmap_region_send(region, 0, end, 0), 0);
        intptr_t native = units_copy(shmap_region_native(region));
        close_for_writing(region, way);

        assert_code(puppet(child, "import 0 %s", running), SHMAP_EACCES);
        assert_string_not_equal(puppet_ask(child, "detail"), "");
        assert_code(puppet(child, "import 0 %s write", running), SHMAP_EACCES);
        puppet_do(child, "import 0 %s read", running);
        assert_reads(child);
        assert_code(puppet(child, "import 0 %s", inherited), SHMAP_EACCES);
        assert_code(puppet(child, "import 0 %s write", inherited),
                    SHMAP_EACCES);
        puppet_do(child, "import 0 %s read", inherited);
        assert_reads(child);
        assert_code(puppet(child, "receive 0 0"), SHMAP_EACCES);
        assert_code(puppet(child, "receive 0 0 write"), SHMAP_EACCES);
        puppet_do(child, "receive 0 0 read");
        assert_reads(child);

        options.access = SHMAP_ACCESS_READ_WRITE;
        assert_code(shmap_region_adopt(&adopted, native, &options),
                    SHMAP_EACCES);
        assert_code(shmap_region_adopt(&adopted, native, NULL), 0);
        assert_int_equal(info_of(adopted).access, SHMAP_ACCESS_READ);
        assert_code(map(&view, adopted, 0), 0);
        assert_string_equal(view.data, "sealed");
        assert_int_equal(memory_probe(view.data), MEMORY_READABLE);
        shmap_view_unmap(&view);
        shmap_region_close(adopted);
        channel_close(end);
        child_end(child);
        shmap_region_close(region);
    }
}

/* Sealed before, it is handed over for reading as if it were not. */
static void test_seal__readers_cannot_make_it_grow(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    shmap_region *region = no_region;
    (void)state;
    if ((attack_facts()->seals & SHMAP_SEAL_WRITERS) == 0)
        skip_because("nothing can be sealed here");
    assert_code(shmap_region_create(&region, NULL, 4096, NULL), 0);
    assert_code(shmap_region_seal(region, SHMAP_SEAL_WRITERS), 0);
    assert_code(shmap_region_export(region, SHMAP_ACCESS_READ,
                                    SHMAP_TARGET_CHILD, token, sizeof token),
                0);
    assert_code(shmap_region_inspect(region, &info), 0);
    assert_true((info.seals & SHMAP_SEAL_GROW) != 0);
    assert_false(attack_extend(shmap_region_native(region), 1 << 20));
    shmap_region_close(region);
}

/* What handing over for reading does. */
static void test_seal__handing_over_is_told(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    if (!attack_facts()->reads_only)
        skip_because("reading only cannot be enforced here");
    shmap_region *region = make_region();
    assert_code(shmap_region_export(region, SHMAP_ACCESS_READ_WRITE, 0, token,
                                    sizeof token),
                0);
    assert_seals(region, at_first());
    assert_code(
        shmap_region_export(region, SHMAP_ACCESS_READ, 0, token, sizeof token),
        0);
    if (attack_facts()->takes_turns)
        assert_true((info_of(region).seals & SHMAP_SEAL_WRITERS) != 0);
    assert_untouched(region);
    /* To seal it afterwards takes writing from this handle, too. */
    int result = shmap_region_seal(region, SHMAP_SEAL_WRITERS);
    if (attack_facts()->takes_turns) {
        shmap_view view = SHMAP_VIEW_INIT;
        assert_code(result, 0);
        assert_int_equal(info_of(region).access, SHMAP_ACCESS_READ);
        assert_code(map(&view, region, SHMAP_ACCESS_READ_WRITE), SHMAP_EACCES);
    }
    shmap_region_close(region);
}

/* Memory that was made elsewhere. */

static void test_seal__adopted_memory(void **state)
{
    (void)state;
    for (int sealable = 0; sealable < 2; sealable++)
        for (unsigned seals = 1; seals <= ALL; seals++) {
            shmap_region *region = no_region;
            intptr_t native = attack_memory(SIZE, sealable != 0);
            if (native == -1 || possible() == 0) {
                raw_close(native);
                skip_because("there is no such memory");
            }
            assert_code(shmap_region_adopt(&region, native, NULL), 0);
            assert_seals(region, 0);
            if (sealable != 0) {
                assert_code(shmap_region_seal(region, seals), 0);
                assert_seals(region, with_implied(seals));
            } else {
                assert_code(shmap_region_seal(region, seals), SHMAP_ENOTSUP);
                assert_seals(region, 0);
                assert_untouched(region);
            }
            shmap_region_close(region);
        }
}

/* Where there are no seals at all, everything says so. */
static void test_seal__where_nothing_can_be_sealed(void **state)
{
    shmap_region *region = make_region();
    (void)state;
    if (possible() != 0) {
        shmap_region_close(region);
        skip_because("regions can be sealed here");
    }
    for (unsigned seals = 1; seals <= ALL; seals++)
        assert_code(shmap_region_seal(region, seals), SHMAP_ENOTSUP);
    assert_seals(region, 0);
    assert_untouched(region);
    shmap_region_close(region);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        leak_checked(test_seal__what_holds_from_the_beginning),
        leak_checked(test_seal__arguments_are_checked),
        leak_checked(test_seal__only_anonymous_regions),
        leak_checked(test_seal__every_combination),
        leak_checked(test_seal__what_is_not_sealed_can_grow),
        leak_checked(test_seal__one_after_another),
        leak_checked(test_seal__not_by_readers),
        leak_checked(test_seal__content_with_a_writer_is_busy),
        leak_checked(test_seal__sealed_content_stays),
        leak_checked(test_seal__content_after_handing_over_for_reading),
        leak_checked(test_seal__no_more_writers),
        leak_checked(test_seal__writers_elsewhere),
        leak_checked(test_seal__tokens_from_before),
        leak_checked(test_seal__readers_cannot_make_it_grow),
        leak_checked(test_seal__handing_over_is_told),
        leak_checked(test_seal__adopted_memory),
        leak_checked(test_seal__where_nothing_can_be_sealed),
    };
    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
