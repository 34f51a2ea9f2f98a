/* SPDX-License-Identifier: MIT */

/* Results: names, numbers and words, and what is remembered of a failure. */

#include <inttypes.h>
#include <limits.h>

#include <uv.h>

#include "attack.h"
#include "channel.h"
#include "puppet.h"
#include "units.h"

/* Written out, so that no change of the header changes what is expected. */
static const struct known {
    int number;
    const char *name;
} known[] = {
    {6, "SHMAP_YOURS"},       {5, "SHMAP_LAST"},
    {4, "SHMAP_ONCE_YOURS"},  {3, "SHMAP_OWNER_DIED"},
    {2, "SHMAP_ALONE"},       {1, "SHMAP_CREATED"},
    {0, "SHMAP_OK"},          {-1, "SHMAP_EINVAL"},
    {-2, "SHMAP_ENAME"},      {-3, "SHMAP_ENOENT"},
    {-4, "SHMAP_EEXIST"},     {-5, "SHMAP_EACCES"},
    {-6, "SHMAP_EPRIVILEGE"}, {-7, "SHMAP_EOWNER"},
    {-8, "SHMAP_ESTALE"},     {-9, "SHMAP_ETYPE"},
    {-10, "SHMAP_ENOTREADY"}, {-11, "SHMAP_ENOSPC"},
    {-12, "SHMAP_ENOMEM"},    {-13, "SHMAP_E2BIG"},
    {-14, "SHMAP_ERANGE"},    {-15, "SHMAP_EADDRINUSE"},
    {-16, "SHMAP_EBUSY"},     {-17, "SHMAP_ETIMEDOUT"},
    {-18, "SHMAP_EDEADLK"},   {-19, "SHMAP_EPERM"},
    {-20, "SHMAP_ELAYOUT"},   {-21, "SHMAP_EFAULT"},
    {-22, "SHMAP_EMFILE"},    {-23, "SHMAP_ENOTSUP"},
    {-24, "SHMAP_ESYSTEM"},   {-25, "SHMAP_ENOLCK"},
    {-26, "SHMAP_EOVERFLOW"}, {-27, "SHMAP_ETOKEN"},
};

static const int unknown[] = {INT_MIN, -1000, -28, 7, 8, 1000, INT_MAX};

static void test_error__numbers_and_names_never_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++)
        assert_string_equal(shmap_error_name(known[i].number), known[i].name);

#define IS_KNOWN(name, number, message)                   \
    assert_int_equal(name, number);                       \
    assert_string_equal(shmap_error_name(number), #name); \
    assert_string_equal(shmap_error_message(number), message);
    SHMAP_ERRORS(IS_KNOWN)
#undef IS_KNOWN
}

static void test_error__every_error_of_the_header_is_in_the_table(void **state)
{
    size_t errors = 0;

    (void)state;
#define ONE(name, number, message) errors++;
    SHMAP_ERRORS(ONE)
#undef ONE
    /* And those that are none. */
    assert_int_equal(errors + 7, COUNT(known));
}

static void test_error__every_result_has_its_own_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        const char *message = shmap_error_message(known[i].number);

        assert_in_range(strlen(message), 4, 80);
        assert_int_not_equal(message[strlen(message) - 1], '.');
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(message,
                                    shmap_error_message(known[j].number));
    }
}

static void test_error__unknown_numbers_have_a_name_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_string_equal(shmap_error_name(unknown[i]), "SHMAP_E?");
        assert_non_null(shmap_error_message(unknown[i]));
        assert_int_not_equal(shmap_error_message(unknown[i])[0], '\0');
    }
}

static void test_error__strings_are_static(void **state)
{
    const char *name = shmap_error_name(SHMAP_ENOENT);
    const char *message = shmap_error_message(SHMAP_ENOENT);

    (void)state;
    shmap_error_name(SHMAP_EINVAL);
    shmap_error_message(SHMAP_EINVAL);
    assert_string_equal(name, "SHMAP_ENOENT");
    assert_string_equal(message, "the object does not exist");
}

/* The system refuses: opening what is not there. */
static int failure_of_the_system(void)
{
    shmap_region *region;
    char name[NAME_ROOM];

    unique_name(name, __func__);
    return shmap_region_open(&region, name, NULL);
}

/* The library refuses, without asking the system. */
static int failure_of_the_caller(void)
{
    return shmap_region_open(NULL, NULL, NULL);
}

static void test_error__system_error_tells_what_the_system_said(void **state)
{
    (void)state;
    assert_code(failure_of_the_system(), SHMAP_ENOENT);
    /* ENOENT and ERROR_FILE_NOT_FOUND happen to be one number. */
    assert_int_equal(shmap_system_error(), 2);
}

static void test_error__system_error_is_zero_when_the_library_refused(
    void **state)
{
    (void)state;
    failure_of_the_system();
    assert_code(failure_of_the_caller(), SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
}

static void test_error__success_leaves_the_system_error(void **state)
{
    shmap_region *region;
    shmap_view view;
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];

    (void)state;
    unique_name(name, __func__);
    failure_of_the_system();
    assert_code(shmap_region_create(&region, name, 1, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_code(shmap_view_flush(&view, 0, 0, SHMAP_FLUSH_DURABLE), 0);
    assert_code(shmap_view_refresh(&view), 0);
    assert_code(shmap_os_name(os_name, sizeof os_name, name, 0), 0);
    assert_code(shmap_region_reap(name, NULL, NULL), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_int_equal(shmap_system_error(), 2);
}

static void test_error__detail_is_empty_when_there_is_no_more_to_say(
    void **state)
{
    (void)state;
    failure_of_the_caller();
    assert_string_not_equal(shmap_error_detail(), "");
    failure_of_the_system();
    assert_string_equal(shmap_error_detail(), "");
}

/* Each situation, one at a time: what it answers, and a word that its detail
 * has. */

static shmap_region *const no_region = (shmap_region *)(uintptr_t)8;

static shmap_region *make_region(const char *name)
{
    shmap_region *region = no_region;

    assert_code(shmap_region_create(&region, name, 4096, NULL), 0);
    return region;
}

static int import_garbage(void)
{
    shmap_region *region = no_region;

    return shmap_region_import(&region, "garbage", NULL);
}

static int import_again(void)
{
    shmap_region *region = make_region(NULL);
    struct child *child;
    char token[SHMAP_TOKEN_SIZE];
    int result;

    assert_code(shmap_region_export(region, 0, 0, token, sizeof token), 0);
    child = puppet_start();
    shmap_region_close(region);
    puppet_do(child, "import 0 %s", token);
    result = puppet(child, "import 1 %s", token);
    /* It is told in that process; the same here, where it was not inherited. */
    assert_non_null(strstr(puppet_ask(child, "detail"), "imported before"));
    child_end(child);
    assert_code(shmap_region_import(&region, token, NULL), result);
    return result;
}

static int export_for_nobody(void)
{
    shmap_region *region = make_region(NULL);
    char token[SHMAP_TOKEN_SIZE];
    int result = shmap_region_export(region, 0, attack_no_process(), token,
                                     sizeof token);

    shmap_region_close(region);
    return result;
}

static int send_into_no_channel(void)
{
    shmap_region *region = make_region(NULL);
    intptr_t end = channel_make_not(CHANNEL_NOT_A_FILE);
    int result = shmap_region_send(region, 0, end, 0);

    channel_close(end);
    shmap_region_close(region);
    return result;
}

static int receive_from_nobody(void)
{
    shmap_region *region = no_region;
    intptr_t ends[2];
    int result;

    assert_true(channel_pair(ends, CHANNEL_STREAM, true));
    channel_close(ends[1]);
    result = shmap_region_receive(&region, ends[0],
                                  shmap_after(SHMAP_MS(PATIENCE)), NULL);
    channel_close(ends[0]);
    return result;
}

static int receive_garbage(void)
{
    shmap_region *region = no_region;
    intptr_t ends[2];
    int result;

    assert_true(channel_pair(ends, CHANNEL_STREAM, true));
    assert_true(channel_write(ends[1], "garbage", 7));
    result = shmap_region_receive(&region, ends[0], 0, NULL);
    channel_close(ends[0]);
    channel_close(ends[1]);
    return result;
}

static int seal_what_has_a_name(void)
{
    char name[NAME_ROOM];
    shmap_region *region;
    int result;

    unique_name(name, __func__);
    region = make_region(name);
    result = shmap_region_seal(region, SHMAP_SEAL_GROW);
    shmap_region_close(region);
    return result;
}

static int give_a_name_for_reading(void)
{
    char name[NAME_ROOM];
    char token[SHMAP_TOKEN_SIZE];
    shmap_region *region;
    int result;

    unique_name(name, __func__);
    region = make_region(name);
    result =
        shmap_region_export(region, SHMAP_ACCESS_READ, 0, token, sizeof token);
    shmap_region_close(region);
    return result;
}

static int share_with_no_group(void)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = no_region;

    options.share = SHMAP_SHARE_GROUP;
    options.group = "no such group";
    return shmap_region_create(&region, NULL, 4096, &options);
}

static int open_no_file(void)
{
    char path[NAME_ROOM];
    shmap_region *region = no_region;

    scratch_path(path, __func__);
    return shmap_region_open_file(&region, path, 0, NULL);
}

static void test_error__details_tell_what_can_be_meant(void **state)
{
    static const struct {
        int (*provoke)(void);
        int code;
        const char *word;
    } situations[] = {
        {import_garbage, SHMAP_ETOKEN, "truncated or altered"},
        {import_again, SHMAP_ENOENT, "imported before"},
        {export_for_nobody, SHMAP_ENOENT, "process"},
        {send_into_no_channel, SHMAP_ETYPE, "channel"},
        {receive_from_nobody, SHMAP_ENOENT, "closed"},
        {receive_garbage, SHMAP_ETOKEN, "channel"},
        {seal_what_has_a_name, SHMAP_ENOTSUP, "anonymous"},
        {give_a_name_for_reading, SHMAP_ENOTSUP, "anonymous"},
        {share_with_no_group, SHMAP_EINVAL, "group"},
        {open_no_file, SHMAP_ENOENT, "file"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(situations); i++) {
        const char *word = situations[i].word;

        /* What was said before is not said again. */
        failure_of_the_system();
        assert_code(situations[i].provoke(), situations[i].code);
        /* All of it is there. */
        assert_in_range(strlen(shmap_error_detail()), strlen(word), 190);
        if (strstr(shmap_error_detail(), word) == NULL)
            fail_msg("\"%s\" has no \"%s\"", shmap_error_detail(), word);
    }
    failure_of_the_system();
    assert_string_equal(shmap_error_detail(), "");
}

struct seen {
    int at_start;
    int after_failure;
    char detail_at_start[8];
};

static void other_thread(void *argument)
{
    struct seen *seen = argument;

    seen->at_start = shmap_system_error();
    snprintf(seen->detail_at_start, sizeof seen->detail_at_start, "%s",
             shmap_error_detail());
    failure_of_the_caller();
    seen->after_failure = shmap_system_error();
}

static void test_error__each_thread_has_its_own(void **state)
{
    uv_thread_t thread;
    struct seen seen = {-1, -1, "?"};

    (void)state;
    failure_of_the_system();
    assert_int_equal(uv_thread_create(&thread, other_thread, &seen), 0);
    uv_thread_join(&thread);
    assert_int_equal(seen.at_start, 0);
    assert_string_equal(seen.detail_at_start, "");
    assert_int_equal(seen.after_failure, 0);
    assert_int_equal(shmap_system_error(), 2);
}

/* Where named regions have 8 MiB, ask for 64. */
static int no_room(int count, char **arguments)
{
    shmap_region *region;
    char name[NAME_ROOM];

    (void)count;
    (void)arguments;
    if (!os_small_shared_memory(8 * MiB)) {
        say("cannot");
        return 0;
    }
    unique_name(name, __func__);
    role_check_code(shmap_region_create(&region, name, 64 * MiB, NULL),
                    SHMAP_ENOSPC);
    say("%s", shmap_error_detail());
    role_check_code(failure_of_the_system(), SHMAP_ENOENT);
    say("detail \"%s\"", shmap_error_detail());
    return 0;
}

static void test_error__detail_tells_how_much_was_asked_and_how_much_there_is(
    void **state)
{
    struct child *child = child_start("no_room", NULL);
    const char *detail = child_read_line(child, PATIENCE);

    (void)state;
    assert_non_null(detail);
    if (strcmp(detail, "cannot") == 0)
        skip_because("named regions cannot be given a small place here");
    assert_non_null(strstr(detail, "asked for 67108864 bytes"));
    assert_non_null(strstr(detail, "room for 8388608"));
    child_expect(child, "detail \"\"");
    assert_int_equal(child_wait(child, PATIENCE), 0);
}

static void test_error__detail_tells_how_much_was_asked_of_the_system(
    void **state)
{
    uint64_t size = units_too_much_memory();
    shmap_region *region;
    char asked[64];

    (void)state;
    if (size == 0)
        skip_because("asking for too much does harm here, or succeeds");
    assert_code(shmap_region_create(&region, NULL, size, NULL), SHMAP_ENOSPC);
    snprintf(asked, sizeof asked, "asked for %" PRIu64 " bytes", size);
    assert_non_null(strstr(shmap_error_detail(), asked));
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"no_room", no_room}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__numbers_and_names_never_change),
        cmocka_unit_test(test_error__every_error_of_the_header_is_in_the_table),
        cmocka_unit_test(test_error__every_result_has_its_own_words),
        cmocka_unit_test(test_error__unknown_numbers_have_a_name_too),
        cmocka_unit_test(test_error__strings_are_static),
        leak_checked(test_error__system_error_tells_what_the_system_said),
        cmocka_unit_test(
            test_error__system_error_is_zero_when_the_library_refused),
        leak_checked(test_error__success_leaves_the_system_error),
        cmocka_unit_test(
            test_error__detail_is_empty_when_there_is_no_more_to_say),
        leak_checked(test_error__details_tell_what_can_be_meant),
        cmocka_unit_test(test_error__each_thread_has_its_own),
        cmocka_unit_test(
            test_error__detail_tells_how_much_was_asked_and_how_much_there_is),
        leak_checked(test_error__detail_tells_how_much_was_asked_of_the_system),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
