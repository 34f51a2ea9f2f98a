/* SPDX-License-Identifier: MIT */

/* Tokens: what they look like, and that a text which is not one, or not a
 * whole one, or one that somebody made up, is an error and never a region.
 */

#include "attack.h"
#include "channel.h"
#include "place.h"
#include "puppet.h"
#include "units.h"
#include "region/token.h"

static shmap_region *const no_region = (shmap_region *)(uintptr_t)8;

/* A token for this process, of a region that another one has. */
struct given {
    struct child *giver;
    char token[SHMAP_TOKEN_SIZE];
    struct place place;
};

static struct given give(int kind)
{
    struct given given = {.giver = puppet_start()};
    given.place = place_make("given", SHMAP_SCOPE_USER);
    puppet_do(given.giver, "create 0 %s 65536",
              kind == SHMAP_KIND_NAMED ? given.place.name : "-");
    puppet_do(given.giver, "map 0");
    puppet_do(given.giver, "put 0 0 given");
    snprintf(given.token, sizeof given.token, "%s",
             puppet_ask(given.giver, "export 0 to=%d", os_process_id()));
    return given;
}

static void end_given(struct given *given)
{
    puppet_do(given->giver, "unmap 0");
    puppet_do(given->giver, "close 0");
    child_end(given->giver);
}

static void assert_is_given(const char *token)
{
    shmap_region *region = no_region;
    shmap_view view = SHMAP_VIEW_INIT;
    assert_code(shmap_region_import(&region, token, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_string_equal(view.data, "given");
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

/* Refused, with one of these codes, and nothing has changed. */
static void assert_refused(const char *token, int code, int or_code)
{
    shmap_region *region = no_region;
    size_t handles = os_open_handles();
    int result = shmap_region_import(&region, token, NULL);
    if ((result != code && result != or_code) || region != no_region ||
        !units_same_handles(handles))
        fail_msg("\"%.1100s\" is %s", token, shmap_error_name(result));
}

/* What they look like. */

static void assert_looks(const char *token, size_t limit)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789:+./_-";
    assert_int_equal(strspn(token, allowed), strlen(token));
    assert_in_range(strlen(token), 20, limit - 1);
    /* Not an option, nor a path. */
    assert_true(token[0] >= 'a' && token[0] <= 'z');
}

static void assert_token_of(shmap_region *region, size_t limit)
{
    char token[SHMAP_TOKEN_SIZE];
    struct child *other = puppet_start();
    const int64_t targets[] = {SHMAP_TARGET_CHILD, child_pid(other)};
    for (size_t i = 0; i < COUNT(targets); i++) {
        assert_code(
            shmap_region_export(region, 0, targets[i], token, sizeof token), 0);
        assert_looks(token, limit);
    }
    child_end(other);
}

static void test_token__text_format(void **state)
{
    static const char *const names[] = {
        "a",
        "A-Z_a.z-0_9",
        "with space",
        "\303\244\303\266\303\274",
        "new\nline",
        "quote\"'`$(x);|&<>*?[]{}~#%=,\\^!@",
        "12345678901234567890123456789012345678901234567890",
        "\177\001\002"};
    char path[OS_NAME_ROOM];
    shmap_region *region = no_region;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char name[2 * NAME_ROOM];
        unique_name(name, "");
        strcat(name, names[i]);
        assert_code(shmap_region_create(&region, name, 1, NULL), 0);
        assert_token_of(region, 400);
        shmap_region_close(region);
        snprintf(name, sizeof name, "t%d%s", os_process_id(), names[i]);
        assert_code(shmap_region_create(&region, name, 1, NULL), 0);
        assert_token_of(region, 200);
        shmap_region_close(region);
    }
    assert_code(shmap_region_create(&region, NULL, 1, NULL), 0);
    assert_token_of(region, 200);
    shmap_region_close(region);
    scratch_path(path, __func__);
    options.create = SHMAP_CREATE_NEW;
    assert_true(shmap_region_open_file(&region, path, 1, &options) >= 0);
    assert_token_of(region, 200);
    shmap_region_close(region);
    remove(path);
}

/* The longest names there are: derived ones, and those of the system with
 * bytes that a token writes as three. */
static void test_token__of_the_longest_names_fit(void **state)
{
    static char name[5000];
    shmap_region *region = no_region;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    (void)state;
    memset(name, 'n', sizeof name - 1);
    assert_code(shmap_region_create(&region, name, 1, NULL), 0);
    assert_token_of(region, SHMAP_TOKEN_SIZE);
    shmap_region_close(region);
    options.scope = SHMAP_SCOPE_NATIVE;
    for (int byte = 0; byte < 3; byte++) {
        size_t start = strlen(units_native_start());
        size_t limit = units_native_limit() < 255 ? units_native_limit() : 255;
        memset(name, byte == 0 ? 'x' : byte == 1 ? ' ' : '%', sizeof name);
        memcpy(name, units_native_start(), start);
        snprintf(name + start, 32, "t%d", os_process_id());
        name[strlen(name)] = '-';
        name[limit] = '\0';
        assert_code(shmap_region_create(&region, name, 1, &options), 0);
        assert_token_of(region, SHMAP_TOKEN_SIZE);
        shmap_region_close(region);
    }
}

/* The room that is asked for is enough, and no more than that. */
static void test_token__largest_numbers_fit(void **state)
{
    static const char name[] = "\xc3\xa4";
    char token[256];
    shmap__os_gift gift;
    (void)state;
    memset(&gift, 0xff, sizeof gift);
    gift.way = SHMAP__OS_SENT;
    gift.kind = SHMAP_KIND_FILE;
    gift.access = SHMAP_ACCESS_READ_WRITE;
    shmap__token_write(token, &gift, name);
    assert_int_equal(strlen(token) + 1, shmap__token_space(name));
}

/* Whatever room there is: the whole token, or none of it. */
static void test_token__does_not_fit(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    char out[SHMAP_TOKEN_SIZE + 1];
    struct child *other = puppet_start();
    (void)state;
    for (int named = 0; named < 2; named++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_USER);
        shmap_region *region = no_region;
        assert_code(shmap_region_create(&region, named != 0 ? place.name : NULL,
                                        1, NULL),
                    0);
        size_t handles = os_open_handles();
        assert_code(shmap_region_export(region, 0, child_pid(other), token,
                                        sizeof token),
                    0);
        for (size_t size = 0; size <= SHMAP_TOKEN_SIZE; size++) {
            memset(out, 'u', sizeof out);
            int64_t target = size % 2 == 0 ? child_pid(other) : 0;
            int result = shmap_region_export(region, 0, target, out, size);
            bool fits = result == 0;
            if (!fits)
                assert_code(result, SHMAP_ERANGE);
            if (size <= strlen(token) || size == SHMAP_TOKEN_SIZE)
                assert_int_equal(fits, size == SHMAP_TOKEN_SIZE);
            /* Nothing is written beyond the room, or at all. */
            for (size_t i = fits ? size : 0; i < sizeof out; i++)
                assert_int_equal(out[i], 'u');
            if (fits)
                assert_true(strlen(out) < size);
            shmap_region_unexport(region);
            assert_true(os_open_handles() <= handles + 1 ||
                        units_same_handles(handles));
        }
        shmap_region_close(region);
    }
    child_end(other);
}

/* What is refused when there is no room has made nothing. */
static void test_token__too_little_room_seals_nothing(void **state)
{
    char out[16] = "untouched";
    shmap_region *region = no_region;
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    assert_code(shmap_region_create(&region, NULL, 1, NULL), 0);
    size_t handles = os_open_handles();
    for (int access = 0; access <= SHMAP_ACCESS_READ_WRITE; access++)
        for (int child = 0; child < 2; child++)
            assert_code(shmap_region_export(region, access,
                                            child != 0 ? 0 : os_process_id(),
                                            out, sizeof out),
                        SHMAP_ERANGE);
    assert_string_equal(out, "untouched");
    assert_true(units_same_handles(handles));
    assert_code(shmap_region_inspect(region, &info), 0);
    assert_int_equal(info.seals, attack_facts()->first_seals);
    assert_code(shmap_region_export(region, SHMAP_ACCESS_READ_WRITE, 0, token,
                                    sizeof token),
                0);
    shmap_region_close(region);
}

/* Damage. */

static void test_token__every_cut_is_refused(void **state)
{
    (void)state;
    for (int kind = SHMAP_KIND_NAMED; kind <= SHMAP_KIND_ANONYMOUS; kind++) {
        struct given given = give(kind);
        char cut[SHMAP_TOKEN_SIZE];
        for (size_t size = 0; size < strlen(given.token); size++) {
            snprintf(cut, size + 1, "%s", given.token);
            assert_refused(cut, SHMAP_ETOKEN, SHMAP_ETOKEN);
            assert_refused(given.token + size + 1, SHMAP_ETOKEN, SHMAP_ETOKEN);
        }
        assert_is_given(given.token);
        end_given(&given);
    }
}

static void test_token__every_altered_byte_is_refused(void **state)
{
    static const char others[] = {
        '0', '1', '9', 'a', 'f', 'g',  'z',  'A',    'F',    ':',    '+', '.',
        '/', '-', '_', ' ', '%', '\n', '\t', '\177', '\200', '\377', '\1'};
    (void)state;
    for (int kind = SHMAP_KIND_NAMED; kind <= SHMAP_KIND_ANONYMOUS; kind++) {
        struct given given = give(kind);
        char altered[SHMAP_TOKEN_SIZE];
        /* Counting handles is slow there, and the code is the same. */
        size_t step = os_is_emulated() ? 6 : 1;
        for (size_t at = 0; at < strlen(given.token); at++)
            for (size_t i = at % step; i < COUNT(others); i += step) {
                if (given.token[at] == others[i])
                    continue;
                strcpy(altered, given.token);
                altered[at] = others[i];
                assert_refused(altered, SHMAP_ETOKEN, SHMAP_ETOKEN);
            }
        /* Two bytes that change places, and one that is there twice. */
        for (size_t at = 0; at + 1 < strlen(given.token); at++) {
            strcpy(altered, given.token);
            altered[at] = given.token[at + 1];
            altered[at + 1] = given.token[at];
            if (strcmp(altered, given.token) != 0)
                assert_refused(altered, SHMAP_ETOKEN, SHMAP_ETOKEN);
            snprintf(altered, sizeof altered, "%.*s%s", (int)at + 1,
                     given.token, given.token + at);
            assert_refused(altered, SHMAP_ETOKEN, SHMAP_ETOKEN);
        }
        assert_is_given(given.token);
        end_given(&given);
    }
}

static void test_token__what_surrounds_it_is_refused(void **state)
{
    static const char *const around[] = {"x", ":", "\"",   "'", "0",
                                         "+", ";", "\001", " ", "\n"};
    enum { SPACES = 2 };
    struct given given = give(SHMAP_KIND_NAMED);
    char text[2 * SHMAP_TOKEN_SIZE];
    (void)state;
    for (size_t i = 0; i < COUNT(around); i++) {
        snprintf(text, sizeof text, "%s%s", around[i], given.token);
        assert_refused(text, SHMAP_ETOKEN, SHMAP_ETOKEN);
        if (i < COUNT(around) - SPACES) {
            snprintf(text, sizeof text, "%s%s", given.token, around[i]);
            assert_refused(text, SHMAP_ETOKEN, SHMAP_ETOKEN);
            snprintf(text, sizeof text, "%s\n%s", given.token, around[i]);
            assert_refused(text, SHMAP_ETOKEN, SHMAP_ETOKEN);
        }
    }
    snprintf(text, sizeof text, "%s%s", given.token, given.token);
    assert_refused(text, SHMAP_ETOKEN, SHMAP_ETOKEN);
    for (size_t i = 0; i <= strlen(given.token); i++)
        text[i] = (char)(given.token[i] >= 'a' && given.token[i] <= 'z'
                             ? given.token[i] - 'a' + 'A'
                             : given.token[i]);
    assert_refused(text, SHMAP_ETOKEN, SHMAP_ETOKEN);
    /* But what a line ends with. */
    snprintf(text, sizeof text, "%s \t\r\n", given.token);
    assert_is_given(text);
    end_given(&given);
}

static void test_token__garbage_is_refused(void **state)
{
    static const char letters[] = "shmap1:cpsnafrw0123456789abcdef:::+./";
    enum { HUGE = 1 << 20 };
    char *huge = malloc(HUGE + 1);
    struct dice dice = {fresh_seed()};
    (void)state;
    assert_non_null(huge);
    print_message("seed %llu\n", (unsigned long long)dice.state);
    assert_refused("", SHMAP_ETOKEN, SHMAP_ETOKEN);
    for (int i = 0; i < 3000; i++) {
        char text[300] = "";
        size_t size = dice_roll(&dice, sizeof text);
        size_t start = i % 3 == 0 ? 0 : (size_t)sprintf(text, "shmap1:pnr:");
        for (size_t k = start; k < size; k++)
            text[k] = i % 2 == 0
                          ? (char)(1 + dice_roll(&dice, 255))
                          : letters[dice_roll(&dice, sizeof letters - 1)];
        assert_refused(text, SHMAP_ETOKEN, SHMAP_ETOKEN);
    }
    for (size_t i = 0; i < sizeof letters - 1; i++) {
        memset(huge, letters[i], HUGE);
        huge[HUGE] = '\0';
        assert_refused(huge, SHMAP_ETOKEN, SHMAP_ETOKEN);
        memcpy(huge, "shmap1:pnr:1:1:1:1:1:", 21);
        assert_refused(huge, SHMAP_ETOKEN, SHMAP_ETOKEN);
    }
    free(huge);
}

/* Tokens that somebody made up, with the right check. */

static const char *make_up(const shmap__os_gift *gift, const char *name)
{
    static char token[4 * SHMAP_TOKEN_SIZE];
    assert_true(shmap__token_space(name) <= sizeof token);
    shmap__token_write(token, gift, name);
    return token;
}

static shmap__os_gift read_gift(const char *token, char *name)
{
    shmap__os_gift gift;
    assert_true(shmap__token_read(token, &gift, name));
    return gift;
}

/* The check of a text that ends where it belongs. */
static const char *with_check(const char *text)
{
    static char token[SHMAP_TOKEN_SIZE + 16];
    uint32_t hash = 2166136261U;
    for (const char *at = text; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619U;
    snprintf(token, sizeof token, "%s:%08lx", text, (unsigned long)hash);
    return token;
}

static void test_token__only_one_way_to_write_it(void **state)
{
    struct given given = give(SHMAP_KIND_NAMED);
    char text[SHMAP_TOKEN_SIZE];
    char name[SHMAP_TOKEN_SIZE];
    (void)state;
    shmap__os_gift gift = read_gift(given.token, name);
    unsigned long long numbers[] = {
        (unsigned long long)gift.from, (unsigned long long)gift.to,
        (unsigned long long)gift.native, gift.identity[0], gift.identity[1]};
    /* The test's own writer makes the same text. */
    static const char *const forms[] = {
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s",
        /* Digits, zeros and signs that mean the same number. */
        "shmap1:pnw:0%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pnw:%llx:00%llx:%llx:%llx:%llx:%s",
        "shmap1:pnw:%llx:%llx:0000000000000000%llx:%llx:%llx:%s",
        "shmap1:pnw:+%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pnw: %llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pnw:0x%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pnw:1%016llx:%llx:%llx:%llx:%llx:%s",
        /* Other letters, and other fields. */
        "shmap1:qnw:%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pmw:%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pnx:%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:PNW:%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pn:%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pnww:%llx:%llx:%llx:%llx:%llx:%s",
        "shmap2:pnw:%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1::%llx:%llx:%llx:%llx:%llx:%s",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:0:%s",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx::%s",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s:",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s+",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s+0",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s+0g",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s+00",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s+61",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s+2D",
        "shmap1:pnw:%llx:%llx:%llx:%llx:%llx:%s ",
    };
    char *colon = strrchr(given.token, ':');
    for (size_t i = 0; i < COUNT(forms); i++) {
        char written[SHMAP_TOKEN_SIZE];
        const char *start = given.token;
        /* The name as the token has it. */
        for (int fields = 0; fields < 7; fields++)
            start = strchr(start, ':') + 1;
        snprintf(written, sizeof written, "%.*s", (int)(colon - start), start);
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#endif
        snprintf(text, sizeof text, forms[i], numbers[0], numbers[1],
                 numbers[2], numbers[3], numbers[4], written);
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
        if (i == 0)
            assert_string_equal(with_check(text), given.token);
        else
            assert_refused(with_check(text), SHMAP_ETOKEN, SHMAP_ETOKEN);
    }
    assert_is_given(given.token);
    end_given(&given);
}

static void test_token__wrong_numbers_lead_nowhere(void **state)
{
    (void)state;
    for (int kind = SHMAP_KIND_NAMED; kind <= SHMAP_KIND_ANONYMOUS; kind++) {
        struct given given = give(kind);
        char name[SHMAP_TOKEN_SIZE];
        const shmap__os_gift good = read_gift(given.token, name);
        shmap__os_gift gift = good;
        assert_string_equal(make_up(&gift, name), given.token);
        /* For another process. */
        const int64_t others[] = {0,
                                  1,
                                  -1,
                                  good.from,
                                  INT64_MAX,
                                  INT64_MIN,
                                  good.to + (INT64_C(1) << 32)};
        for (size_t i = 0; i < COUNT(others); i++) {
            gift = good;
            gift.to = others[i];
            assert_refused(make_up(&gift, name), SHMAP_ETOKEN, SHMAP_ETOKEN);
        }
        /* From somewhere else. */
        const int64_t givers[] = {attack_no_process(), -1, INT64_MAX, INT64_MIN,
                                  good.from + (INT64_C(1) << 32)};
        for (size_t i = 0; attack_facts()->must_live && i < COUNT(givers);
             i++) {
            gift = good;
            gift.from = givers[i];
            assert_refused(make_up(&gift, name), SHMAP_ENOENT, SHMAP_ENOENT);
        }
        /* Other handles, of which there are few. */
        const int64_t natives[] = {-1,         INT64_MIN,
                                   INT64_MAX,  good.native + (INT64_C(1) << 32),
                                   0x7ffffff0, 0xfffffff0};
        for (size_t i = 0; i < COUNT(natives); i++) {
            gift = good;
            gift.native = natives[i];
            assert_refused(make_up(&gift, name), SHMAP_ENOENT, SHMAP_ETOKEN);
        }
        for (int64_t native = 0; native < 64; native++) {
            gift = good;
            gift.native = native;
            /* Some are handles that cannot be read from. */
            if (native != good.native)
                assert_refused(make_up(&gift, name), SHMAP_ENOENT,
                               SHMAP_EACCES);
        }
        /* Another object. */
        for (int half = 0; half < 2; half++)
            for (int bit = 0; bit < 64; bit++) {
                gift = good;
                gift.identity[half] ^= UINT64_C(1) << bit;
                assert_refused(make_up(&gift, name), SHMAP_ENOENT,
                               SHMAP_ENOENT);
            }
        /* Another way. */
        for (int way = SHMAP__OS_TO_CHILD; way <= SHMAP__OS_SENT; way++)
            for (int to = 0; to < 2; to++) {
                gift = good;
                gift.way = way;
                gift.to = to == 0 ? 0 : good.to;
                if (way == good.way && gift.to == good.to)
                    continue;
                assert_refused(make_up(&gift, name), SHMAP_ETOKEN,
                               way == SHMAP__OS_TO_CHILD && to == 0
                                   ? SHMAP_ENOENT
                                   : SHMAP_ETOKEN);
            }
        assert_is_given(given.token);
        end_given(&given);
    }
}

/* A named region's name is what the system takes; other kinds have none. */
static void test_token__wrong_names_are_refused(void **state)
{
    static char long_name[2000];
    struct given given = give(SHMAP_KIND_NAMED);
    char name[SHMAP_TOKEN_SIZE];
    const shmap__os_gift good = read_gift(given.token, name);
    const char *const *bad = units_bad_native_names();
    (void)state;
    for (; *bad != NULL; bad++)
        assert_refused(make_up(&good, *bad), SHMAP_ETOKEN, SHMAP_ETOKEN);
    assert_refused(make_up(&good, ""), SHMAP_ETOKEN, SHMAP_ETOKEN);
    assert_refused(make_up(&good, "\377\376"), SHMAP_ETOKEN, SHMAP_ETOKEN);
    assert_refused(make_up(&good, "/../tmp/x"), SHMAP_ETOKEN, SHMAP_ENOENT);
    if (units_native_limit() < sizeof long_name) {
        memset(long_name, 'x', units_native_limit() + 1);
        assert_refused(make_up(&good, long_name), SHMAP_ETOKEN, SHMAP_ETOKEN);
    }
    shmap__os_gift gift = good;
    for (gift.kind = SHMAP_KIND_ANONYMOUS; gift.kind <= SHMAP_KIND_FILE;
         ++gift.kind)
        assert_refused(make_up(&gift, name), SHMAP_ETOKEN, SHMAP_ETOKEN);
    assert_is_given(given.token);
    end_given(&given);
}

/* More than was given. */
static void test_token__made_up_access_is_no_access(void **state)
{
    (void)state;
    if (!attack_facts()->reads_only)
        skip_because("reading only cannot be enforced here");
    for (int child = 0; child < 2; child++) {
        char token[SHMAP_TOKEN_SIZE];
        char name[SHMAP_TOKEN_SIZE];
        shmap_region *region = no_region;
        shmap_view view = SHMAP_VIEW_INIT;
        assert_code(shmap_region_create(&region, NULL, 65536, NULL), 0);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        strcpy(view.data, "mine");
        struct child *reader = child == 0 ? puppet_start() : NULL;
        assert_code(shmap_region_export(region, SHMAP_ACCESS_READ,
                                        reader == NULL ? 0 : child_pid(reader),
                                        token, sizeof token),
                    0);
        if (reader == NULL)
            reader = puppet_start();
        shmap__os_gift gift = read_gift(token, name);
        gift.access = SHMAP_ACCESS_READ_WRITE;
        const char *forged = make_up(&gift, name);
        /* It is refused, or a handle with which nothing can be written. */
        int result = puppet(reader, "import 0 %s", forged);
        if (result == 0) {
            assert_code(puppet(reader, "map 0 write"), SHMAP_EACCES);
            puppet_do(reader, "map 0 read");
            for (size_t i = 0; i < attack_count(); i++) {
                int worked = atoi(puppet_ask(reader, "attack 0 %zu 0", i));
                if (worked == ATTACK_WORKED)
                    fail_msg("this worked: %s", attack_name(i));
                assert_string_equal(view.data, "mine");
            }
        } else {
            assert_code(result, SHMAP_EACCES);
        }
        child_end(reader);
        shmap_view_unmap(&view);
        shmap_region_close(region);
    }
}

/* Things that are no regions. */

/* A process that has inherited such, or made it so. Tokens that mean it are
 * refused, and nothing is closed. */
static int play_thing(int count, char **arguments)
{
    enum { STREAMS = 3 };
    shmap_region *region = no_region;
    shmap__os_gift gift = {.way = SHMAP__OS_TO_CHILD, .from = 1};
    intptr_t native;
    role_check(count == 2);
    int thing = atoi(arguments[0]);
    if (thing < ATTACK_THINGS) {
        native = attack_make_thing((enum attack_thing)thing);
        if (native == -1) {
            say("cannot");
            return 0;
        }
    } else {
        native = thing - ATTACK_THINGS;
        if (!attack_be_stream((int)native, arguments[1])) {
            say("cannot");
            return 0;
        }
    }
    role_check(units_make_inheritable(native));
    gift.native = native;
    if (!attack_identify(native, SHMAP_KIND_NAMED, gift.identity)) {
        say("cannot");
        return 0;
    }
    size_t handles = os_open_handles();
    for (gift.kind = SHMAP_KIND_NAMED; gift.kind <= SHMAP_KIND_FILE;
         ++gift.kind)
        for (gift.access = SHMAP_ACCESS_READ;
             gift.access <= SHMAP_ACCESS_READ_WRITE; ++gift.access) {
            static char token[SHMAP_TOKEN_SIZE];
            role_check(attack_identify(native, gift.kind, gift.identity));
            shmap__token_write(token, &gift,
                               gift.kind == SHMAP_KIND_NAMED ? "/thing" : "");
            int result = shmap_region_import(&region, token, NULL);
            role_check(result == SHMAP_ENOENT || result == SHMAP_ETOKEN ||
                       result == SHMAP_ETYPE);
            role_check(region == no_region);
            role_check(units_same_handles(handles));
            role_check(units_is_open(native));
        }
    say("done");
    return 0;
}

static void test_token__things_that_are_no_regions(void **state)
{
    char path[OS_NAME_ROOM];
    bool any = false;
    (void)state;
    scratch_path(path, __func__);
    for (int thing = 0; thing < ATTACK_THINGS + 3; thing++) {
        char number[16];
        assert_true(file_write(path, "a log that is not empty\n", 24));
        snprintf(number, sizeof number, "%d", thing);
        struct child *child = child_start("thing", number, path, NULL);
        const char *line = child_read_line(child, PATIENCE);
        bool cannot = line != NULL && strcmp(line, "cannot") == 0;
        char text[200] = "";
        size_t size = sizeof text - 1;
        char said[32] = "";
        snprintf(said, sizeof said, "%s", line == NULL ? "" : line);
        assert_int_equal(child_wait(child, PATIENCE), 0);
        /* What is printed to a standard stream that is the file is there. */
        assert_true(file_read(path, text, &size));
        bool done = *said != '\0' ? strcmp(said, "done") == 0
                                  : strstr(text, "done") != NULL;
        if (!done && !cannot)
            fail_msg("thing %d: \"%s\"", thing, *said == '\0' ? text : said);
        any = any || !cannot;
        remove(path);
    }
    if (!any)
        skip_because("tokens of other things cannot be made here");
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"thing", play_thing}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_token__text_format),
        leak_checked(test_token__of_the_longest_names_fit),
        leak_checked(test_token__largest_numbers_fit),
        leak_checked(test_token__does_not_fit),
        leak_checked(test_token__too_little_room_seals_nothing),
        leak_checked(test_token__every_cut_is_refused),
        leak_checked(test_token__every_altered_byte_is_refused),
        leak_checked(test_token__what_surrounds_it_is_refused),
        leak_checked(test_token__garbage_is_refused),
        leak_checked(test_token__only_one_way_to_write_it),
        leak_checked(test_token__wrong_numbers_lead_nowhere),
        leak_checked(test_token__wrong_names_are_refused),
        leak_checked(test_token__made_up_access_is_no_access),
        leak_checked(test_token__things_that_are_no_regions),
    };
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
