/* SPDX-License-Identifier: MIT */

/* Tokens and descriptors of a hostile user: a token leads nobody to what its
 * giver does not have itself, and who got a region cannot make it look dead.
 * The hostile one is another user, so all this needs root.
 */

#include "attack.h"
#include "channel.h"
#include "place.h"
#include "puppet.h"
#include "units.h"

#include "region/token.h"

#define MALLORY 60001
#define SECRET  "roots own"

#define NEEDS_USERS()  \
    if (!os_is_root()) \
    skip_because("only root can become another user")

static shmap_region *const no_region = (shmap_region *)(uintptr_t)8;

/* Mallory opens this file, to look at, as far as that is possible, and says the
 * number. */
static int play_looker(int count, char **arguments)
{
    role_check(count == 2);
    role_check(os_become_user(MALLORY));
    intptr_t native = strcmp(arguments[1], "read") == 0
                          ? units_open_file(arguments[0], false)
                          : attack_look_at(arguments[0]);
    if (native == -1)
        say("cannot");
    else
        say("%lld", (long long)native);
    hear();
    return 0;
}

/* A file of root's, which others may read or not. */
static void make_file(char *path, bool readable)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = no_region;
    options.create = SHMAP_CREATE_NEW;
    options.share = readable ? SHMAP_SHARE_EVERYONE_READ : SHMAP_SHARE_OWNER;
    scratch_path(path, __func__);
    assert_true(shmap_region_open_file(&region, path, 4096, &options) >= 0);
    shmap_view view;
    assert_code(shmap_view_map(&view, region, NULL), 0);
    strcpy(view.data, SECRET);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

/* What a token says that leads to a process's descriptor of this file. */
static void make_token(char *token, const char *path, int64_t process,
                       int64_t native, int access)
{
    shmap__os_gift gift = {.way = SHMAP__OS_TO_PROCESS,
                           .kind = SHMAP_KIND_FILE,
                           .access = access,
                           .from = process,
                           .to = os_process_id(),
                           .native = native};
    intptr_t handle = units_open_file(path, false);
    assert_true(attack_identify(handle, gift.kind, gift.identity));
    raw_close(handle);
    shmap__token_write(token, &gift, "");
}

static int import(const char *token, int owner)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = no_region;
    options.accept = owner;
    int result = shmap_region_import(&region, token, &options);
    if (result == 0)
        shmap_region_close(region);
    else
        assert_ptr_equal(region, no_region);
    return result;
}

static void assert_leads_nowhere(const char *how)
{
    char path[OS_NAME_ROOM];
    char token[SHMAP_TOKEN_SIZE];
    make_file(path, strcmp(how, "read") == 0);
    struct child *mallory = child_start("looker", path, how, NULL);
    const char *line = child_read_line(mallory, PATIENCE);
    assert_non_null(line);
    assert_string_not_equal(line, "cannot");
    make_token(token, path, child_pid(mallory), atoll(line),
               SHMAP_ACCESS_READ_WRITE);
    size_t handles = os_open_handles();
    assert_code(import(token, SHMAP_ACCEPT_SELF), SHMAP_EOWNER);
    assert_code(import(token, SHMAP_ACCEPT_SYSTEM), SHMAP_EOWNER);
    assert_code(import(token, SHMAP_ACCEPT_ANYBODY), SHMAP_EACCES);
    /* What Mallory may read is no reason to take it for a region of hers. */
    make_token(token, path, child_pid(mallory), atoll(line), SHMAP_ACCESS_READ);
    assert_code(import(token, SHMAP_ACCEPT_SELF), SHMAP_EOWNER);
    assert_true(import(token, SHMAP_ACCEPT_ANYBODY) < 0);
    assert_true(units_same_handles(handles));
    child_end(mallory);
    remove(path);
}

static void test_forgery__leads_to_nothing_the_giver_does_not_have(void **state)
{
    (void)state;
    NEEDS_USERS();
    if (!attack_facts()->must_live)
        skip_because("tokens lead to what is in the importer already");
    assert_leads_nowhere("look");
    assert_leads_nowhere("read");
}

/* Of this process itself: what is open for reading stays so. */
static void test_forgery__makes_nothing_writable(void **state)
{
    char path[OS_NAME_ROOM];
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    if (!attack_facts()->must_live)
        skip_because("tokens lead to what is in the importer already");
    make_file(path, false);
    intptr_t native = units_open_file(path, false);
    assert_int_not_equal(native, -1);
    make_token(token, path, os_process_id(), native, SHMAP_ACCESS_READ_WRITE);
    assert_code(import(token, SHMAP_ACCEPT_SELF), SHMAP_EACCES);
    make_token(token, path, os_process_id(), native, SHMAP_ACCESS_READ);
    assert_code(import(token, SHMAP_ACCEPT_SELF), 0);
    raw_close(native);
    remove(path);
}

/* A token that was altered to mean a region's own handle takes that from
 * nobody: it leads nowhere, or to a handle of its own. */
static void test_forgery__takes_no_regions_own_handle(void **state)
{
    char token[SHMAP_TOKEN_SIZE];
    char name[SHMAP_TOKEN_SIZE];
    shmap__os_gift gift;
    shmap_region *made = no_region;
    shmap_region *taken = no_region;
    shmap_view view;
    (void)state;
    assert_code(shmap_region_create(&made, NULL, 4096, NULL), 0);
    int result = shmap_region_export(made, SHMAP_ACCESS_READ_WRITE,
                                     os_process_id(), token, sizeof token);
    if (result == SHMAP_ENOTSUP)
        skip_because("nothing is handed over to running processes here");
    assert_code(result, 0);
    assert_code(shmap_region_import(&taken, token, NULL), 0);
    assert_true(shmap__token_read(token, &gift, name));
    gift.native = shmap_region_native(taken);
    shmap__token_write(token, &gift, name);
    result = import(token, SHMAP_ACCEPT_SELF);
    assert_code(result, attack_facts()->must_live ? 0 : SHMAP_ENOENT);
    assert_code(shmap_view_map(&view, taken, NULL), 0);
    shmap_view_unmap(&view);
    assert_true(units_is_open(shmap_region_native(taken)));
    shmap_region_close(taken);
    shmap_region_close(made);
}

/* Mallory gets a region or file through a channel, drops all locks of what she
 * got, and keeps it. */
static int play_unmarker(int count, char **arguments)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    role_check(count == 1);
    role_check(os_become_user(MALLORY));
    intptr_t end = channel_join(arguments[0]);
    role_check(end != -1);
    options.accept = SHMAP_ACCEPT_ANYBODY;
    role_check_code(
        shmap_region_receive(&region, end, shmap_after(SHMAP_S(20)), &options),
        0);
    role_check(attack_drop_locks(shmap_region_native(region)));
    say("done");
    hear();
    return 0;
}

static struct child *give_to_mallory(shmap_region *region)
{
    char address[NAME_ROOM];
    intptr_t end = channel_listen(address, CHANNEL_STREAM);
    struct child *mallory = child_start("unmarker", address, NULL);
    end = channel_accept(end);
    assert_int_not_equal(end, -1);
    assert_code(shmap_region_send(region, 0, end, shmap_after(SHMAP_S(20))), 0);
    child_expect(mallory, "done");
    channel_close(end);
    return mallory;
}

static void test_forgery__no_process_can_remove_the_mark_of_a_holder(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region = no_region;
    shmap_region *again = no_region;
    (void)state;
    NEEDS_USERS();
    if (os_has_lock_files() || !attack_facts()->must_live)
        skip_because("holders are not known by locks on what they hold");
    assert_code(shmap_region_create(&region, place.name, 4096, NULL), 0);
    struct child *mallory = give_to_mallory(region);
    assert_code(shmap_region_open(&again, place.name, NULL), 0);
    shmap_region_close(again);
    assert_true(raw_exists(place.os_name));
    child_end(mallory);
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
}

static void test_forgery__no_process_can_fake_being_alone_with_a_file(
    void **state)
{
    char path[OS_NAME_ROOM];
    shmap_region *region = no_region;
    shmap_region *again = no_region;
    (void)state;
    NEEDS_USERS();
    if (!attack_facts()->must_live)
        skip_because("who has the file is not known by locks on descriptors");
    make_file(path, false);
    assert_code(shmap_region_open_file(&region, path, 0, NULL), SHMAP_ALONE);
    struct child *mallory = give_to_mallory(region);
    assert_code(shmap_region_open_file(&again, path, 0, NULL), 0);
    shmap_region_close(again);
    child_end(mallory);
    shmap_region_close(region);
    remove(path);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"looker", play_looker}, {"unmarker", play_unmarker}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_forgery__leads_to_nothing_the_giver_does_not_have),
        cmocka_unit_test(test_forgery__makes_nothing_writable),
        cmocka_unit_test(test_forgery__takes_no_regions_own_handle),
        cmocka_unit_test(
            test_forgery__no_process_can_remove_the_mark_of_a_holder),
        cmocka_unit_test(
            test_forgery__no_process_can_fake_being_alone_with_a_file),
    };
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
