/* SPDX-License-Identifier: MIT */

/* Names: which are valid, and what the system calls a region. */

#include <limits.h>

#include "units.h"

/* Room for the longest names of these tests. */
#define LONG_ROOM 140000

static const char hex_digits[] = "0123456789abcdef";

/* Assert what shmap_os_name makes of a name that is used readably. */
static void assert_direct(const char *name, int scope)
{
    char os_name[OS_NAME_ROOM];
    char expected[OS_NAME_ROOM];

    units_name_prefix(expected, scope);
    strcat(expected, name);
    os_name_of(os_name, name, scope);
    assert_string_equal(os_name, expected);
}

/* Assert the readable beginning and the hash. */
static void assert_hashed(const char *name, const char *readable,
                          const char *hash)
{
    char os_name[OS_NAME_ROOM];
    char expected[OS_NAME_ROOM];

    units_name_prefix(expected, SHMAP_SCOPE_USER);
    strcat(expected, readable);
    strcat(expected, "~");
    strcat(expected, hash);
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    assert_string_equal(os_name, expected);
}

static bool is_hashed(const char *os_name)
{
    const char *hash = strrchr(os_name, '~');

    return hash != NULL && strlen(hash) == 33 &&
           strspn(hash + 1, hex_digits) == 32;
}

/* `size` times the character, at the end of the text. */
static void append(char *text, char character, size_t size)
{
    size_t used = strlen(text);

    memset(text + used, character, size);
    text[used + size] = '\0';
}

static void test_name__letters_digits_dot_underscore_dash_are_direct(
    void **state)
{
    static const char *const names[] = {
        "a",
        "Z",
        "0",
        "_",
        "-",
        "a.b",
        "a..",
        "-.x",
        "_.",
        "counter",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_direct(names[i], SHMAP_SCOPE_USER);
        assert_direct(names[i], SHMAP_SCOPE_MACHINE);
    }
}

static void test_name__every_other_character_is_hashed(void **state)
{
    static const char direct[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs"
                                 "tuvwxyz0123456789._-";

    (void)state;
    for (int c = 1; c < 128; c++) {
        char name[] = {'x', (char)c, 'y', '\0'};
        char os_name[OS_NAME_ROOM];

        os_name_of(os_name, name, SHMAP_SCOPE_USER);
        assert_int_equal(is_hashed(os_name), strchr(direct, c) == NULL);
        if (is_hashed(os_name))
            assert_non_null(strstr(os_name, ".x_y~"));
    }
}

static void test_name__a_leading_dot_is_hashed(void **state)
{
    (void)state;
    assert_hashed(".hidden", ".hidden", "1692419006a88aab3372cf255367e2cc");
}

static void test_name__hashes_are_sha_256(void **state)
{
    (void)state;
    assert_hashed("a b", "a_b", "c8687a08aa5d6ed2044328fa6a697ab8");
    assert_hashed("gr\303\266\303\237e", "gr__e",
                  "d353a2671b67afff0941ae456e5c76e9");
    assert_hashed("a/b\\c", "a_b_c", "7e65aa1c27456dec52e6a517f44f0641");
    assert_hashed("\360\237\230\200", "_", "f0443a342c5ef54783a111b51ba56c93");
    assert_hashed("tab\there", "tab_here", "5b8765931ded06ac39c11c47f83f7457");
    assert_hashed("tilde~", "tilde_", "687cefd7f3e47daee37681d3cdc52b60");
}

static void test_name__forty_characters_stay_readable(void **state)
{
    (void)state;
    assert_hashed("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\303\251",
                  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                  "4ac04c2939c4dd120df458ad485fcb9e");
    assert_hashed(
        "AbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAb ",
        "AbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAbAb",
        "0b1a43942ba503f0401de1289c9649bb");
}

static void test_name__a_hashed_name_is_never_a_direct_one(void **state)
{
    char prefix[OS_NAME_ROOM];
    char first[OS_NAME_ROOM];
    char second[OS_NAME_ROOM];

    (void)state;
    units_name_prefix(prefix, SHMAP_SCOPE_USER);
    os_name_of(first, "a b", SHMAP_SCOPE_USER);
    os_name_of(second, first + strlen(prefix), SHMAP_SCOPE_USER);
    assert_string_not_equal(first, second);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_name__hashes_are_stable_and_distinct(void **state)
{
    enum { NAMES = 1000 };
    static char os_names[NAMES][128];
    char again[OS_NAME_ROOM];

    (void)state;
    for (int i = 0; i < NAMES; i++) {
        char name[64];

        snprintf(name, sizeof name, "the same beginning of them all, no %d", i);
        os_name_of(os_names[i], name, SHMAP_SCOPE_USER);
        os_name_of(again, name, SHMAP_SCOPE_USER);
        assert_string_equal(os_names[i], again);
    }
    qsort(os_names, NAMES, sizeof os_names[0], by_text);
    for (int i = 1; i < NAMES; i++)
        assert_string_not_equal(os_names[i - 1], os_names[i]);
}

/* The longest name that is direct, and one more character. */
static void boundary(int scope)
{
    char name[OS_NAME_ROOM] = "";
    char os_name[OS_NAME_ROOM];
    size_t prefix_size;

    units_name_prefix(os_name, scope);
    prefix_size = strlen(os_name);
    append(name, 'n', units_derived_limit() - prefix_size);
    assert_direct(name, scope);
    append(name, 'n', 1);
    os_name_of(os_name, name, scope);
    assert_true(is_hashed(os_name));
    assert_true(strlen(os_name) <= units_derived_limit());
}

static void test_name__the_longest_direct_name_and_one_more(void **state)
{
    (void)state;
    boundary(SHMAP_SCOPE_USER);
    boundary(SHMAP_SCOPE_MACHINE);
}

/* A region of this name can be made, opened, and is gone in the end. */
static void assert_works(const char *name, int scope)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *made;
    shmap_region *opened;
    shmap_region *no_region = NULL;

    options.scope = scope;
    assert_code(shmap_region_create(&made, name, 1, &options), 0);
    assert_code(shmap_region_open(&opened, name, &options), 0);
    assert_code(shmap_region_create(&no_region, name, 1, &options),
                SHMAP_EEXIST);
    shmap_region_close(opened);
    shmap_region_close(made);
    assert_code(shmap_region_open(&no_region, name, &options), SHMAP_ENOENT);
    assert_null(no_region);
}

static void test_name__regions_have_names_up_to_the_limit(void **state)
{
    char name[OS_NAME_ROOM];
    char prefix[OS_NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    units_name_prefix(prefix, SHMAP_SCOPE_USER);
    append(name, 'n', units_derived_limit() - strlen(prefix) - strlen(name));
    assert_works(name, SHMAP_SCOPE_USER);
    append(name, 'n', 1);
    assert_works(name, SHMAP_SCOPE_USER);
}

static void test_name__regions_have_names_of_any_utf_8(void **state)
{
    /* The first and the last of each size, and around the surrogates. */
    static const char *const endings[] = {"\001",
                                          "\177",
                                          " ",
                                          "\302\200",
                                          "\337\277",
                                          "\340\240\200",
                                          "\355\237\277",
                                          "\356\200\200",
                                          "\357\277\277",
                                          "/",
                                          "\\",
                                          "\360\220\200\200",
                                          "..",
                                          "\n",
                                          "\364\217\277\277"};
    char name[NAME_ROOM];

    (void)state;
    for (size_t i = 0; i < COUNT(endings); i++) {
        unique_name(name, __func__);
        strcat(name, endings[i]);
        assert_works(name, SHMAP_SCOPE_USER);
        if (units_has_machine_scope())
            assert_works(name, SHMAP_SCOPE_MACHINE);
    }
}

static void test_name__long_names_are_hashed(void **state)
{
    static char name[LONG_ROOM];
    char beginning[41] = "";

    (void)state;
    append(name, 'k', 102400);
    append(beginning, 'k', 40);
    assert_hashed(name, beginning, "fa7601f3b0a26363dfd34457e7f0e2f0");
    name[102399] = 'l';
    assert_hashed(name, beginning, "88ce3b9a671f0fe02052dc22b5e15ce2");
}

static void test_name__regions_have_very_long_names(void **state)
{
    static char name[LONG_ROOM];

    (void)state;
    unique_name(name, __func__);
    append(name, 'k', 100 * 1024);
    assert_works(name, SHMAP_SCOPE_USER);
}

/* Every call that takes a name refuses this one. */
static void assert_refused(const char *name, int scope, int code)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *no_region = NULL;
    unsigned reaped = 77;
    char out[8] = "as was";

    options.scope = scope;
    assert_code(shmap_region_open(&no_region, name, &options), code);
    assert_int_equal(shmap_system_error(), 0);
    assert_code(shmap_region_open_or_create(&no_region, name, 1, &options),
                code);
    assert_int_equal(shmap_system_error(), 0);
    assert_code(shmap_os_name(out, sizeof out, name, scope), code);
    assert_int_equal(shmap_system_error(), 0);
    if (name != NULL) {
        assert_code(shmap_region_create(&no_region, name, 1, &options), code);
        assert_int_equal(shmap_system_error(), 0);
        assert_code(shmap_region_reap(name, in_scope(scope), &reaped), code);
        assert_int_equal(shmap_system_error(), 0);
    }
    assert_null(no_region);
    assert_int_equal(reaped, 77);
    assert_string_equal(out, "as was");
}

static void test_name__ill_formed_utf_8_is_refused(void **state)
{
    static const char *const names[] = {
        /* Continuations of nothing. */
        "\200", "\277", "a\200", "\303\266\277",
        /* Cut short, by the end or by something else. */
        "\303", "\340\240", "\360\237\230", "a\357\277", "\303a", "\342(\241",
        "\342\202(", "\360(\214\274", "\360\220(\274", "\360\237\230(",
        "\303\303\266",
        /* Longer than needed. */
        "\300\200", "\300\257", "\301\277", "\340\200\257", "\340\237\277",
        "\360\200\200\257", "\360\217\277\277",
        /* Surrogates, alone and in pairs. */
        "\355\240\200", "\355\257\277", "\355\260\200", "\355\277\277",
        "\355\240\275\355\270\200",
        /* Beyond U+10FFFF, and bytes that never occur. */
        "\364\220\200\200", "\365\200\200\200", "\367\277\277\277",
        "\370\210\200\200\200", "\374\204\200\200\200\200", "\376", "\377",
        "x\377y"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        for (int scope = SHMAP_SCOPE_USER; scope <= SHMAP_SCOPE_NATIVE; scope++)
            assert_refused(names[i], scope, SHMAP_ENAME);
}

static void test_name__the_empty_name_is_refused(void **state)
{
    (void)state;
    for (int scope = SHMAP_SCOPE_USER; scope <= SHMAP_SCOPE_NATIVE; scope++)
        assert_refused("", scope, SHMAP_ENAME);
}

static void test_name__no_name_is_an_invalid_argument(void **state)
{
    (void)state;
    assert_refused(NULL, SHMAP_SCOPE_USER, SHMAP_EINVAL);
}

static void test_name__native_names_are_used_as_they_are(void **state)
{
    (void)state;
    for (const char *const *name = units_native_names(); *name != NULL;
         name++) {
        char os_name[OS_NAME_ROOM];

        os_name_of(os_name, *name, SHMAP_SCOPE_NATIVE);
        assert_string_equal(os_name, *name);
    }
}

static void test_name__native_names_that_the_system_reserves_are_refused(
    void **state)
{
    (void)state;
    for (const char *const *name = units_bad_native_names(); *name != NULL;
         name++)
        assert_refused(*name, SHMAP_SCOPE_NATIVE, SHMAP_ENAME);
}

static void test_name__native_names_reach_up_to_the_system_s_limit(void **state)
{
    static char name[LONG_ROOM];

    (void)state;
    strcpy(name, units_native_start());
    unique_name(name + strlen(name), __func__);
    append(name, 'n', units_native_limit() - strlen(name));
    assert_works(name, SHMAP_SCOPE_NATIVE);
    append(name, 'n', 1);
    assert_refused(name, SHMAP_SCOPE_NATIVE, SHMAP_ENAME);
    append(name, 'n', 100 * 1024);
    assert_refused(name, SHMAP_SCOPE_NATIVE, SHMAP_ENAME);
}

static void test_name__the_limit_counts_the_system_s_own_units(void **state)
{
    static char name[LONG_ROOM];
    static char os_name[LONG_ROOM];

    (void)state;
    strcpy(name, units_native_start());
    for (size_t i = 0; i < units_native_limit_wide(); i++)
        strcat(name + strlen(units_native_start()) + 4 * i, "\360\237\230\200");
    assert_code(
        shmap_os_name(os_name, sizeof os_name, name, SHMAP_SCOPE_NATIVE), 0);
    assert_string_equal(os_name, name);
    strcat(name, "\360\237\230\200");
    assert_refused(name, SHMAP_SCOPE_NATIVE, SHMAP_ENAME);
}

static void test_name__a_buffer_that_is_too_small_is_out_of_range(void **state)
{
    char os_name[OS_NAME_ROOM];
    char out[OS_NAME_ROOM];
    size_t needed;

    (void)state;
    os_name_of(os_name, "counter", SHMAP_SCOPE_USER);
    needed = strlen(os_name) + 1;
    memset(out, 'x', sizeof out);
    for (size_t size = 0; size < needed; size++) {
        assert_code(shmap_os_name(out, size, "counter", SHMAP_SCOPE_USER),
                    SHMAP_ERANGE);
        assert_int_equal(out[0], 'x');
    }
    assert_code(shmap_os_name(out, needed, "counter", SHMAP_SCOPE_USER), 0);
    assert_string_equal(out, os_name);
    assert_int_equal(out[needed], 'x');
}

/* A user's names begin with the user's number on some systems. */
static void test_name__no_machine_name_is_a_users(void **state)
{
    static const char *const names[] = {"0.x", "1000.x", "4294967295.a.b"};
    char own[OS_NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        os_name_of(os_name, names[i], SHMAP_SCOPE_MACHINE);
        assert_non_null(strchr(os_name, '~'));
        assert_direct(names[i], SHMAP_SCOPE_USER);
    }
    assert_direct("1000", SHMAP_SCOPE_MACHINE);
    assert_direct("1000x.y", SHMAP_SCOPE_MACHINE);
    assert_direct("x1.y", SHMAP_SCOPE_MACHINE);

    /* Ours, taken apart: what follows the machine's prefix is no name there. */
    os_name_of(own, "x", SHMAP_SCOPE_USER);
    units_name_prefix(os_name, SHMAP_SCOPE_MACHINE);
    if (strncmp(own, os_name, strlen(os_name)) == 0) {
        char taken[OS_NAME_ROOM];

        os_name_of(taken, own + strlen(os_name), SHMAP_SCOPE_MACHINE);
        assert_string_not_equal(taken, own);
    }
}

static void test_name__unknown_scopes_are_invalid(void **state)
{
    static const int scopes[] = {-1, 3, 4, INT_MIN, INT_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(scopes); i++) {
        char out[8] = "as was";

        assert_code(shmap_os_name(out, sizeof out, "x", scopes[i]),
                    SHMAP_EINVAL);
        assert_string_equal(out, "as was");
    }
    assert_code(shmap_os_name(NULL, 100, "x", SHMAP_SCOPE_USER), SHMAP_EINVAL);
}

/* Both names, in these scopes, are regions of their own. */
static void assert_different(const char *name, int scope,
                             const char *other_name, int other_scope)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    shmap_region *other = NULL;

    options.scope = scope;
    assert_code(shmap_region_create(&region, name, 1, &options), 0);
    options.scope = other_scope;
    assert_code(shmap_region_open(&other, other_name, &options), SHMAP_ENOENT);
    assert_code(shmap_region_create(&other, other_name, 1, &options), 0);
    shmap_region_close(other);
    shmap_region_close(region);
}

static void test_name__case_makes_a_difference(void **state)
{
    char lower[NAME_ROOM];
    char upper[NAME_ROOM];

    (void)state;
    unique_name(lower, __func__);
    strcpy(upper, lower);
    strcat(lower, "x");
    strcat(upper, "X");
    assert_different(lower, SHMAP_SCOPE_USER, upper, SHMAP_SCOPE_USER);
    strcat(lower, " ");
    strcat(upper, " ");
    assert_different(lower, SHMAP_SCOPE_USER, upper, SHMAP_SCOPE_USER);
}

static void test_name__user_and_machine_have_names_of_their_own(void **state)
{
    char name[NAME_ROOM];

    (void)state;
    if (!units_has_machine_scope())
        skip_because("this process may not make what the machine sees");
    unique_name(name, __func__);
    assert_different(name, SHMAP_SCOPE_USER, name, SHMAP_SCOPE_MACHINE);
    strcat(name, " ");
    assert_different(name, SHMAP_SCOPE_USER, name, SHMAP_SCOPE_MACHINE);
}

static void test_name__the_os_name_is_what_the_system_knows(void **state)
{
    shmap_region *region;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    for (int hashed = 0; hashed <= 1; hashed++) {
        unique_name(name, __func__);
        strcat(name, hashed ? "\303\266" : "");
        os_name_of(os_name, name, SHMAP_SCOPE_USER);
        assert_false(raw_exists(os_name));
        assert_code(shmap_region_create(&region, name, 1, NULL), 0);
        assert_true(raw_exists(os_name));
        shmap_region_close(region);
        assert_false(raw_exists(os_name));
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_name__letters_digits_dot_underscore_dash_are_direct),
        cmocka_unit_test(test_name__every_other_character_is_hashed),
        cmocka_unit_test(test_name__a_leading_dot_is_hashed),
        cmocka_unit_test(test_name__hashes_are_sha_256),
        cmocka_unit_test(test_name__forty_characters_stay_readable),
        cmocka_unit_test(test_name__a_hashed_name_is_never_a_direct_one),
        cmocka_unit_test(test_name__hashes_are_stable_and_distinct),
        cmocka_unit_test(test_name__the_longest_direct_name_and_one_more),
        leak_checked(test_name__regions_have_names_up_to_the_limit),
        leak_checked(test_name__regions_have_names_of_any_utf_8),
        cmocka_unit_test(test_name__long_names_are_hashed),
        leak_checked(test_name__regions_have_very_long_names),
        leak_checked(test_name__ill_formed_utf_8_is_refused),
        leak_checked(test_name__the_empty_name_is_refused),
        leak_checked(test_name__no_name_is_an_invalid_argument),
        leak_checked(test_name__native_names_are_used_as_they_are),
        leak_checked(
            test_name__native_names_that_the_system_reserves_are_refused),
        leak_checked(test_name__native_names_reach_up_to_the_system_s_limit),
        leak_checked(test_name__the_limit_counts_the_system_s_own_units),
        leak_checked(test_name__a_buffer_that_is_too_small_is_out_of_range),
        cmocka_unit_test(test_name__no_machine_name_is_a_users),
        leak_checked(test_name__unknown_scopes_are_invalid),
        leak_checked(test_name__case_makes_a_difference),
        leak_checked(test_name__user_and_machine_have_names_of_their_own),
        leak_checked(test_name__the_os_name_is_what_the_system_knows),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
