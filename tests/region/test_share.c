/* SPDX-License-Identifier: MIT */

/* Sharing with others: new regions let in exactly whom the options name, from
 * the first moment on, whatever the umask; and what others then can and cannot
 * do with them. The parts with several users need root, which becomes two
 * others.
 */

#include <uv.h>

#include "place.h"
#include "puppet.h"
#include "stops.h"
#include "units.h"

#define ALICE 60001
#define BOB   60002
#define CAROL 60003

static shmap_region *const no_region = (shmap_region *)(uintptr_t)8;

/* A group that this process may let in. */
static char group_name[NAME_ROOM];
static char group_number[NAME_ROOM];

/* What a share is, and what it looks like from outside. */
static const struct share {
    int share;
    bool grouped;
    const char *words; /* for puppets */
    const char *others;
    unsigned mode;
} shares[] = {
    {SHMAP_SHARE_OWNER, false, "", "", 0600},
    {SHMAP_SHARE_EVERYONE_READ, false, "everyone_read", "read", 0644},
    {SHMAP_SHARE_EVERYONE, false, "everyone", "write", 0666},
    {SHMAP_SHARE_GROUP_READ, true, "group_read", "read", 0640},
    {SHMAP_SHARE_GROUP, true, "group", "write", 0660},
};

static void format_rights(char *out, const struct share *share,
                          const char *owners)
{
    if (*share->others == '\0')
        snprintf(out, RIGHTS_ROOM, "owner %s", owners);
    else
        snprintf(out, RIGHTS_ROOM, "owner %s, %s %s", owners,
                 share->grouped ? group_number : "everyone", share->others);
}

static shmap_region_options options_with(const struct share *share,
                                         const char *group)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    options.share = share->share;
    options.group = share->grouped ? group : NULL;
    return options;
}

static void assert_rights_and(intptr_t handle, const struct share *share,
                              const char *owners)
{
    char expected[RIGHTS_ROOM];
    char found[RIGHTS_ROOM];
    format_rights(expected, share, owners);
    raw_rights(found, handle);
    assert_string_equal(found, expected);
}

static void assert_rights(intptr_t handle, const struct share *share)
{
    assert_rights_and(handle, share, "all");
}

static bool can_share_names(void)
{
    return !os_has_lock_files();
}

/* Wine keeps mode bits with files, and not who else may do what. */
static bool shows_file_rights(const struct share *share)
{
    return !os_is_emulated() || share->share == SHMAP_SHARE_OWNER;
}

/* Exactly whom the options name. */

static void assert_named_rights(const struct share *share, const char *group,
                                int scope)
{
    struct place place = place_make(__func__, scope);
    shmap_region *region = no_region;
    shmap_region_options options = options_with(share, group);
    options.scope = scope;
    assert_code(shmap_region_create(&region, place.name, 4096, &options), 0);
    assert_rights(shmap_region_native(region), share);
    assert_true(raw_lets_system(shmap_region_native(region)));
    if (units_has_modes())
        assert_int_equal(raw_mode(place.os_name),
                         (os_has_lock_files() ? 0 : 01000) | share->mode);
    shmap_region_close(region);
    assert_false(raw_exists(place.os_name));
}

static void assert_anonymous_rights(const struct share *share,
                                    const char *group)
{
    shmap_region *region = no_region;
    shmap_region_options options = options_with(share, group);
    assert_code(shmap_region_create(&region, NULL, 4096, &options), 0);
    assert_rights_and(shmap_region_native(region), share,
                      raw_anonymous_rights());
    shmap_region_close(region);
}

static void assert_file_rights(const struct share *share, const char *group,
                               int create)
{
    char path[OS_NAME_ROOM];
    shmap_region *region = no_region;
    shmap_region_options options = options_with(share, group);
    options.create = create;
    scratch_path(path, __func__);
    assert_true(shmap_region_open_file(&region, path, 4096, &options) >= 0);
    if (shows_file_rights(share))
        assert_rights(shmap_region_native(region), share);
    if (units_has_modes())
        assert_int_equal(units_file_mode(path), share->mode);
    shmap_region_close(region);
    remove(path);
}

static void assert_all_rights(const struct share *share, const char *group)
{
    if (can_share_names() || share->share == SHMAP_SHARE_OWNER) {
        if (units_has_machine_scope())
            assert_named_rights(share, group, SHMAP_SCOPE_MACHINE);
        assert_named_rights(share, group, SHMAP_SCOPE_USER);
    }
    assert_anonymous_rights(share, group);
    assert_file_rights(share, group, SHMAP_CREATE_NEW);
    assert_file_rights(share, group, SHMAP_CREATE_IF_MISSING);
}

static void test_share__rights_are_exact_whatever_the_umask(void **state)
{
    static const unsigned masks[] = {0, 022, 077, 0777};
    (void)state;
    for (size_t i = 0; i < COUNT(masks); i++) {
        unsigned before = units_set_umask(masks[i]);
        for (size_t k = 0; k < COUNT(shares); k++)
            assert_all_rights(&shares[k], group_number);
        units_set_umask(before);
    }
}

static void test_share__a_group_can_be_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shares); i++)
        if (shares[i].grouped)
            assert_all_rights(&shares[i], group_name);
}

/* What exists keeps its rights, whoever opens it with which options. */
static void test_share__opening_changes_no_rights(void **state)
{
    char path[OS_NAME_ROOM];
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    const struct share *made = &shares[0];
    (void)state;
    scratch_path(path, __func__);
    for (size_t i = 1; i < COUNT(shares); i++) {
        shmap_region *first = no_region;
        shmap_region *second = no_region;
        shmap_region_options options = options_with(&shares[i], group_number);
        assert_code(shmap_region_create(&first, place.name, 4096, NULL), 0);
        assert_code(
            shmap_region_open_or_create(&second, place.name, 4096, &options),
            0);
        assert_rights(shmap_region_native(second), made);
        shmap_region_close(first);
        shmap_region_close(second);

        assert_true(file_write(path, "content", 7));
        assert_file_rights(made, NULL, SHMAP_CREATE_NEW);
        options.create = SHMAP_CREATE_IF_MISSING;
        char before[RIGHTS_ROOM];
        char after[RIGHTS_ROOM];
        assert_true(shmap_region_open_file(&first, path, 0, NULL) >= 0);
        raw_rights(before, shmap_region_native(first));
        assert_true(shmap_region_open_file(&second, path, 8192, &options) >= 0);
        raw_rights(after, shmap_region_native(second));
        assert_string_equal(after, before);
        shmap_region_close(first);
        shmap_region_close(second);
        remove(path);
    }
}

/* Every call that makes something, with options that are refused. */
static void assert_refused(const shmap_region_options *given, int code)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region = no_region;
    shmap_region_options options = *given;
    char path[OS_NAME_ROOM];
    char content[8];
    size_t size = sizeof content;
    size_t handles = os_open_handles();
    if (can_share_names() || code != SHMAP_EPRIVILEGE) {
        assert_code(shmap_region_create(&region, place.name, 4096, &options),
                    code);
        assert_code(
            shmap_region_open_or_create(&region, place.name, 4096, &options),
            code);
    }
    assert_code(shmap_region_create(&region, NULL, 4096, &options), code);
    scratch_path(path, __func__);
    options.create = SHMAP_CREATE_NEW;
    assert_code(shmap_region_open_file(&region, path, 4096, &options), code);
    options.create = SHMAP_CREATE_IF_MISSING;
    assert_code(shmap_region_open_file(&region, path, 4096, &options), code);
    assert_ptr_equal(region, no_region);
    assert_false(raw_exists(place.os_name));
    assert_false(file_read(path, content, &size));
    assert_true(units_same_handles(handles));
}

static void test_share__groups_that_are_none(void **state)
{
    static const char *const names[] = {"no such group",
                                        " 5",
                                        "5 ",
                                        "-1",
                                        "+5",
                                        "0x10",
                                        "5.0",
                                        "4294967295",
                                        "4294967296",
                                        "99999999999999999999",
                                        "S-1-",
                                        "S-1-5-x",
                                        "AU",
                                        "\xff\xfe",
                                        "\n"};
    (void)state;
    if (!can_share_names())
        skip_because("sharing named regions is not possible at all");
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_refused(
            &(shmap_region_options){.struct_size = sizeof(shmap_region_options),
                                    .share = SHMAP_SHARE_GROUP,
                                    .group = names[i]},
            SHMAP_EINVAL);
    }
}

/* It is looked for first: an occupied name makes no difference. */
static void test_share__unknown_groups_come_first(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *held = no_region;
    shmap_region *region = no_region;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    char path[OS_NAME_ROOM];
    (void)state;
    if (!can_share_names())
        skip_because("sharing named regions is not possible at all");
    options.share = SHMAP_SHARE_GROUP;
    options.group = "no such group";
    assert_code(shmap_region_create(&held, place.name, 4096, NULL), 0);
    assert_code(shmap_region_create(&region, place.name, 4096, &options),
                SHMAP_EINVAL);
    shmap_region_close(held);
    scratch_path(path, __func__);
    assert_true(file_write(path, "content", 7));
    options.create = SHMAP_CREATE_IF_MISSING;
    assert_code(shmap_region_open_file(&region, path, 4096, &options),
                SHMAP_EINVAL);
    options.create = SHMAP_CREATE_NEW;
    assert_code(shmap_region_open_file(&region, path, 4096, &options),
                SHMAP_EINVAL);
    assert_ptr_equal(region, no_region);
    remove(path);
}

static void test_share__group_and_share_belong_together(void **state)
{
    (void)state;
    for (int share = -1; share <= SHMAP_SHARE_GROUP + 1; share++) {
        bool grouped =
            share == SHMAP_SHARE_GROUP_READ || share == SHMAP_SHARE_GROUP;
        bool valid = share >= 0 && share <= SHMAP_SHARE_GROUP;
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
        options.share = share;
        options.group = "";
        assert_refused(&options, SHMAP_EINVAL);
        if (grouped || !valid) {
            options.group = NULL;
            assert_refused(&options, SHMAP_EINVAL);
        }
        if (!grouped) {
            options.group = group_number;
            assert_refused(&options, SHMAP_EINVAL);
        }
    }
}

/* Where names have lock files, others have no way to them. */
static void test_share__names_with_lock_files_cannot_be_shared(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    if (can_share_names())
        skip_because("named regions have no lock files");
    for (size_t i = 1; i < COUNT(shares); i++) {
        shmap_region *region = no_region;
        shmap_region_options options = options_with(&shares[i], group_number);
        options.scope = SHMAP_SCOPE_MACHINE;
        assert_code(shmap_region_create(&region, place.name, 4096, &options),
                    SHMAP_ENOTSUP);
        assert_code(
            shmap_region_open_or_create(&region, place.name, 4096, &options),
            SHMAP_ENOTSUP);
        assert_ptr_equal(region, no_region);
        assert_false(raw_exists(place.os_name));
    }
}

/* What waiters sleep on lets in those who may open the region, and no others:
 * who can only read the region can only sleep. */
static void test_share__wait_semaphores_copy_the_access_list(void **state)
{
    static const char *const others[] = {
        "owner sleep and wake", "owner sleep and wake, everyone sleep",
        "owner sleep and wake, everyone sleep and wake"};
    (void)state;
    if (!units_has_machine_scope())
        skip_because("machine scope needs a privilege");
    for (int kind = SHMAP_KIND_NAMED; kind <= SHMAP_KIND_FILE; kind++)
        for (size_t i = 0; i < COUNT(others); i++) {
            struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
            char path[OS_NAME_ROOM];
            char rights[RIGHTS_ROOM];
            shmap_region *region = no_region;
            shmap_view view = SHMAP_VIEW_INIT;
            const char *words = shares[i].words;
            if (kind == SHMAP_KIND_ANONYMOUS || os_has_lock_files() ||
                (kind == SHMAP_KIND_FILE && !shows_file_rights(&shares[i])))
                continue;
            scratch_path(path, __func__);
            struct child *sleeper = child_start("mate", NULL);
            if (kind == SHMAP_KIND_FILE) {
                child_tell(sleeper, "file %s %s", path, words);
                child_expect(sleeper, "ready");
                assert_code(shmap_region_open_file(&region, path, 0, NULL), 0);
            } else {
                child_tell(sleeper, "make %s %s", place.name, words);
                child_expect(sleeper, "ready");
                shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
                options.scope = SHMAP_SCOPE_MACHINE;
                assert_code(shmap_region_open(&region, place.name, &options),
                            0);
            }
            assert_code(shmap_view_map(&view, region, NULL), 0);
            shmap_event *event = view.data;
            child_tell(sleeper, "take");
            assert_eventually((memory_load(&event->taking_.who_) & 0xFFFF) !=
                              0);
            intptr_t handle = -1;
            /* It is about to make it. */
            assert_eventually((handle = raw_open_waiting(&event->taking_)) !=
                                  -1 ||
                              units_has_modes());
            if (handle != -1) {
                raw_rights(rights, handle);
                assert_string_equal(rights, others[i]);
                raw_close(handle);
            }
            assert_code(shmap_event_set(event), 0);
            child_expect(sleeper, "took 0");
            shmap_view_unmap(&view);
            shmap_region_close(region);
            child_end(sleeper);
            remove(path);
        }
}

static void take_event(void *argument)
{
    shmap_event *event = argument;
    shmap_event_take(event, SHMAP_FOREVER);
}

/* Also where the region's own list lets its owner less. */
static void test_share__sleepers_in_anonymous_regions(void **state)
{
    static const char *const others[] = {
        "owner sleep and wake", "owner sleep and wake, everyone sleep",
        "owner sleep and wake, everyone sleep and wake"};
    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        char rights[RIGHTS_ROOM];
        shmap_region *region = no_region;
        shmap_view view = SHMAP_VIEW_INIT;
        shmap_region_options options = options_with(&shares[i], NULL);
        uv_thread_t sleeper;
        intptr_t handle = -1;
        assert_code(shmap_region_create(&region, NULL, 4096, &options), 0);
        assert_code(shmap_view_map(&view, region, NULL), 0);
        shmap_event *event = view.data;
        assert_int_equal(uv_thread_create(&sleeper, take_event, event), 0);
        assert_eventually((memory_load(&event->taking_.who_) & 0xFFFF) != 0);
        assert_eventually((handle = raw_open_waiting(&event->taking_)) != -1 ||
                          units_has_modes());
        if (handle != -1) {
            raw_rights(rights, handle);
            assert_string_equal(rights, others[i]);
            raw_close(handle);
        }
        assert_code(shmap_event_set(event), 0);
        uv_thread_join(&sleeper);
        shmap_view_unmap(&view);
        shmap_region_close(region);
    }
}

/* What somebody else put under a name is found out by its owner. */
static void test_share__planted_by_another_user(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    shmap_region *region = no_region;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_view view = SHMAP_VIEW_INIT;
    intptr_t handle = raw_plant_of_another(place.os_name, 4096);
    (void)state;
    if (handle == -1)
        skip_because("this process may not give away what it makes");
    assert_true(raw_write(handle, 0, "planted", 8));
    assert_code(shmap_region_open(&region, place.name, NULL), SHMAP_EOWNER);
    options.access = SHMAP_ACCESS_READ;
    assert_code(shmap_region_open(&region, place.name, &options), SHMAP_EOWNER);
    assert_code(shmap_region_create(&region, place.name, 4096, NULL),
                SHMAP_EEXIST);
    assert_code(shmap_region_open_or_create(&region, place.name, 4096, NULL),
                SHMAP_EOWNER);
    options.accept = SHMAP_ACCEPT_SYSTEM;
    assert_code(shmap_region_open(&region, place.name, &options), SHMAP_EOWNER);
    assert_ptr_equal(region, no_region);

    /* Only native scope takes what nothing proves the name of. */
    options.accept = SHMAP_ACCEPT_ANYBODY;
    if (os_has_leftovers())
        assert_code(shmap_region_open(&region, place.name, &options),
                    SHMAP_ETYPE);
    options.scope = SHMAP_SCOPE_NATIVE;
    assert_code(shmap_region_open(&region, place.os_name, &options), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_string_equal(view.data, "planted");
    shmap_view_unmap(&view);
    shmap_region_close(region);
    options.access = SHMAP_ACCESS_DEFAULT;
    assert_code(
        shmap_region_open_or_create(&region, place.os_name, 4096, &options), 0);
    shmap_region_close(region);
    raw_remove(place.os_name);
    raw_close(handle);
}

/* Other users. */

#define NEEDS_USERS()                                            \
    do {                                                         \
        if (!os_is_root())                                       \
            skip_because("only root can become other users");    \
        if (!can_share_names())                                  \
            skip_because("named regions cannot be shared here"); \
    } while (0)

/* A value in a record, and locks, beside each other. */
struct shared {
    shmap_event event;
    shmap_mutex mutex;
    union {
        shmap_record record;
        unsigned char space[SHMAP_RECORD_SIZE(sizeof(uint64_t))];
    } record;
};

/* A process that shares a region with others: it obeys lines. */
static int play_mate(int count, char **arguments)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    struct shared *shared = NULL;
    char *line;
    (void)count, (void)arguments;
    while ((line = hear()) != NULL) {
        char verb[16] = "";
        char name[OS_NAME_ROOM] = "";
        char option[32] = "";
        uint64_t value = 0;
        sscanf(line, "%15s %511s %31s", verb, name, option);
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
        options.share = strcmp(option, "everyone") == 0 ? SHMAP_SHARE_EVERYONE
                        : strcmp(option, "everyone_read") == 0
                            ? SHMAP_SHARE_EVERYONE_READ
                            : SHMAP_SHARE_OWNER;
        if (strcmp(verb, "become") == 0) {
            role_check(os_become_user((unsigned)atoi(name)));
            say("ready");
            continue;
        }
        if (strcmp(verb, "block") == 0) {
            say(raw_block(raw_open(name)) ? "blocked" : "refused");
            continue;
        }
        if (strcmp(verb, "turn") == 0) {
            say(raw_take_turn(shmap_region_native(region)) ? "taken" : "no");
            continue;
        }
        if (strcmp(verb, "file") == 0) {
            options.create = SHMAP_CREATE_NEW;
            role_check(shmap_region_open_file(&region, name, 65536, &options) >=
                       0);
        } else if (strcmp(verb, "make") == 0) {
            options.scope = SHMAP_SCOPE_MACHINE;
            role_check_code(shmap_region_create(&region, name, 65536, &options),
                            0);
        } else if (strcmp(verb, "join") == 0 || strcmp(verb, "look") == 0) {
            options.share = SHMAP_SHARE_OWNER;
            options.scope = SHMAP_SCOPE_MACHINE;
            options.accept = SHMAP_ACCEPT_ANYBODY;
            if (verb[0] == 'l')
                options.access = SHMAP_ACCESS_READ;
            role_check_code(shmap_region_open(&region, name, &options), 0);
        }
        if (shared == NULL) {
            role_check_code(shmap_view_map(&view, region, NULL), 0);
            shared = view.data;
            say("ready");
        } else if (strcmp(verb, "take") == 0)
            say("took %d", shmap_event_take(&shared->event, SHMAP_FOREVER));
        else if (strcmp(verb, "lock") == 0)
            say("locked %d", shmap_mutex_lock(&shared->mutex, SHMAP_FOREVER));
        else if (strcmp(verb, "write") == 0) {
            value = strtoull(name, NULL, 10);
            say("wrote %d", shmap_record_write(&shared->record.record, &value,
                                               sizeof value));
        } else if (strcmp(verb, "wait") == 0) {
            say("waiting");
            int result =
                shmap_record_wait(&shared->record.record,
                                  strtoull(name, NULL, 10), SHMAP_FOREVER);
            if (result == 0)
                result = shmap_record_read(&shared->record.record, &value,
                                           sizeof value, NULL);
            say("read %d %llu", result, (unsigned long long)value);
        }
    }
    os_exit_now(0);
    return 0;
}

static struct child *mate_as(unsigned user, const char *verb, const char *name,
                             const char *option)
{
    struct child *mate = child_start("mate", NULL);
    child_tell(mate, "become %u", user);
    child_expect(mate, "ready");
    child_tell(mate, "%s %s %s", verb, name, option);
    child_expect(mate, "ready");
    return mate;
}

/* Bob is in the group, Carol is not. */
static void assert_may(const struct share *share, struct child *other,
                       bool in_group, const struct place *place,
                       const char *path)
{
    bool listed = share->share != SHMAP_SHARE_OWNER;
    bool let_in = listed && (!share->grouped || in_group);
    bool writes = let_in && strcmp(share->others, "write") == 0;
    int to_read = let_in ? 0 : SHMAP_EACCES;
    int to_write = writes ? 0 : SHMAP_EACCES;
    const char *const words[] = {"anybody", "system"};
    for (size_t i = 0; i < COUNT(words); i++) {
        assert_code(
            puppet(other, "open 0 %s machine read %s", place->name, words[i]),
            to_read);
        if (let_in) {
            puppet_do(other, "map 0");
            assert_string_equal(puppet_ask(other, "get 0 0"), "for-others");
            puppet_do(other, "close 0");
            assert_code(puppet(other, "map 1 0 write"), SHMAP_EINVAL);
            puppet_do(other, "unmap 0");
        }
        assert_code(
            puppet(other, "open 0 %s machine %s", place->name, words[i]),
            to_write);
        if (writes) {
            puppet_do(other, "map 0");
            puppet_do(other, "put 0 100 written");
            puppet_do(other, "unmap 0");
            puppet_do(other, "close 0");
        }
    }
    /* Being allowed in is one thing, trusting the owner another. */
    assert_code(puppet(other, "open 0 %s machine read", place->name),
                let_in ? SHMAP_EOWNER : SHMAP_EACCES);
    assert_code(puppet(other, "open 0 %s machine", place->name),
                writes ? SHMAP_EOWNER : SHMAP_EACCES);

    int result = puppet(other, "open_file 0 %s 0 read", path);
    assert_code(SHMAP_FAILED(result) ? result : 0, to_read);
    if (result >= 0)
        puppet_do(other, "close 0");
    result = puppet(other, "open_file 0 %s 0", path);
    assert_code(SHMAP_FAILED(result) ? result : 0, to_write);
    if (result >= 0)
        puppet_do(other, "close 0");
}

static void test_share__each_access_list_lets_its_users_open(void **state)
{
    (void)state;
    NEEDS_USERS();
    struct child *root = puppet_start();
    struct child *bob = puppet_start_as(BOB);
    struct child *carol = puppet_start_as(CAROL);
    for (size_t i = 0; i < COUNT(shares); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        char path[OS_NAME_ROOM];
        char group[32] = "";
        if (shares[i].grouped)
            snprintf(group, sizeof group, "group=%u", BOB);
        scratch_path(path, __func__);
        puppet_do(root, "create 0 %s 8192 machine %s %s", place.name,
                  shares[i].words, group);
        puppet_do(root, "map 0");
        puppet_do(root, "put 0 0 for-others");
        puppet_do(root, "open_file 1 %s 8192 new %s %s", path, shares[i].words,
                  group);
        assert_may(&shares[i], bob, true, &place, path);
        assert_may(&shares[i], carol, false, &place, path);
        puppet_do(root, "unmap 0");
        puppet_do(root, "close 0");
        puppet_do(root, "close 1");
        assert_false(raw_exists(place.os_name));
        remove(path);
    }
}

static void test_share__groups_that_one_may_not_give(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    char path[OS_NAME_ROOM];
    char content[8];
    size_t size = sizeof content;
    (void)state;
    NEEDS_USERS();
    struct child *alice = puppet_start_as(ALICE);
    size_t handles = (size_t)atoi(puppet_ask(alice, "handles"));
    scratch_path(path, __func__);
    assert_code(puppet(alice, "create 0 %s 4096 machine group group=%u",
                       place.name, BOB),
                SHMAP_EPRIVILEGE);
    assert_int_equal(atoi(puppet_ask(alice, "said")) != 0, 1);
    assert_code(puppet(alice, "open_or_create 0 %s 4096 machine group group=0",
                       place.name),
                SHMAP_EPRIVILEGE);
    assert_code(puppet(alice, "create 0 - 4096 group_read group=0"),
                SHMAP_EPRIVILEGE);
    assert_code(puppet(alice, "open_file 0 %s 4096 new group group=0", path),
                SHMAP_EPRIVILEGE);
    assert_code(
        puppet(alice, "open_file 0 %s 4096 missing group group=0", path),
        SHMAP_EPRIVILEGE);
    assert_false(raw_exists(place.os_name));
    assert_false(file_read(path, content, &size));
    assert_int_equal(atoi(puppet_ask(alice, "handles")), handles);
    /* Her own she may, and what exists is opened. */
    assert_code(puppet(alice, "create 0 %s 4096 machine group group=%u",
                       place.name, ALICE),
                0);
    puppet_do(alice, "open_file 1 %s 4096 new", path);
    puppet_do(alice, "open_file 2 %s 4096 missing group group=0", path);
    remove(path);
    puppet_do(alice, "close 0");
    assert_false(raw_exists(place.os_name));
}

/* A writing opener may come between a file's making and its maker's failure.
 */
static void test_share__refused_file_is_not_taken_from_others(void **state)
{
    char path[OS_NAME_ROOM];
    char line[2 * OS_NAME_ROOM];
    char content[8];
    size_t size = sizeof content;
    (void)state;
    NEEDS_USERS();
    scratch_path(path, __func__);
    struct child *maker = puppet_start_as(ALICE);
    struct child *other = puppet_start_as(ALICE);
    snprintf(line, sizeof line, "open_file 0 %s 4096 new group group=0", path);
    stops_run_into_first(maker, "file.opened", line);
    puppet_do(other, "open_file 0 %s 4096", path);
    child_tell(maker, "go");
    assert_code(puppet_result(maker), SHMAP_EPRIVILEGE);
    assert_true(file_read(path, content, &size));
    puppet_do(other, "close 0");
    remove(path);
}

/* Whoever sees a new region sees its rights. */
static void test_share__rights_are_there_from_the_first_moment(void **state)
{
    struct stop stops[64];
    char line[4 * NAME_ROOM];
    (void)state;
    NEEDS_USERS();
    for (size_t i = 0; i < COUNT(shares); i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
        struct child *first = puppet_start();
        size_t seen = 0;
        snprintf(line, sizeof line, "create 0 %s 8192 machine %s %s%s",
                 place.name, shares[i].words, shares[i].grouped ? "group=" : "",
                 shares[i].grouped ? group_number : "");
        puppet_do(first, "record");
        puppet_do(first, "%s", line);
        size_t count = stops_passed(first, stops, COUNT(stops));
        puppet_do(first, "close 0");
        assert_true(count > 2);
        for (size_t k = 0; k < count; k++) {
            struct child *maker = puppet_start();
            stops_run_into(maker, &stops[k], line);
            if (raw_exists(place.os_name)) {
                intptr_t handle = raw_open(place.os_name);
                assert_int_equal(raw_mode(place.os_name),
                                 01000 | shares[i].mode);
                assert_rights(handle, &shares[i]);
                raw_close(handle);
                ++seen;
            }
            child_end(maker);
            assert_eventually(!raw_is_held(place.os_name));
        }
        assert_true(seen > 0);
        assert_code(
            shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE), NULL),
            0);
        assert_false(raw_exists(place.os_name));
    }
}

static void test_share__reader_of_anothers_region_holds_it(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    NEEDS_USERS();
    for (int killed = 0; killed < 2; killed++) {
        struct child *alice = puppet_start_as(ALICE);
        struct child *again = puppet_start_as(ALICE);
        struct child *bob = puppet_start_as(BOB);
        struct child *carol = puppet_start_as(CAROL);
        puppet_do(alice, "create 0 %s 8192 machine everyone_read", place.name);
        puppet_do(alice, "map 0");
        puppet_do(alice, "put 0 0 alices");
        puppet_do(bob, "open 0 %s machine read anybody", place.name);
        puppet_do(bob, "map 0");
        puppet_do(bob, "close 0");
        if (killed == 0) {
            puppet_do(alice, "unmap 0");
            puppet_do(alice, "close 0");
        }
        child_end(alice);
        /* The region is alive as long as Bob looks at it. */
        assert_string_equal(puppet_ask(bob, "get 0 0"), "alices");
        assert_code(puppet(again, "create 0 %s 4096 machine", place.name),
                    SHMAP_EEXIST);
        assert_code(puppet(again, "open 0 %s machine", place.name), 0);
        puppet_do(again, "close 0");
        assert_code(puppet(carol, "open 0 %s machine read anybody", place.name),
                    0);
        puppet_do(carol, "close 0");
        assert_string_equal(puppet_ask(again, "reap %s machine", place.name),
                            "0");
        /* He may not remove the name, but nobody sees what he left. */
        puppet_do(bob, "unmap 0");
        assert_code(puppet(bob, "open 0 %s machine read anybody", place.name),
                    SHMAP_ENOENT);
        assert_code(puppet(carol, "open 0 %s machine read anybody", place.name),
                    SHMAP_ENOENT);
        assert_code(puppet(bob, "create 0 %s 4096 machine", place.name),
                    SHMAP_ESTALE);
        assert_code(puppet(bob, "reap %s machine", place.name), SHMAP_ESTALE);
        assert_true(raw_exists(place.os_name));
        /* This process closed the region before Bob did, so it asks for the
         * name again: what it frees then does not count as a leftover. */
        if (killed == 0) {
            assert_string_equal(puppet_ask(again, "reap -"), "0");
            assert_false(raw_exists(place.os_name));
        } else {
            puppet_do(again, "create 0 %s 4096 machine", place.name);
        }
        child_end(again);
        assert_code(
            shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE), NULL),
            0);
        assert_false(raw_exists(place.os_name));
    }
}

static void test_share__records_are_read_and_awaited_by_others(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    NEEDS_USERS();
    struct child *alice = mate_as(ALICE, "make", place.name, "everyone_read");
    struct child *bob = mate_as(BOB, "look", place.name, "");
    child_tell(bob, "wait 0");
    child_expect(bob, "waiting");
    for (unsigned i = 1; i <= 20; i++) {
        char expected[32];
        child_tell(alice, "write %u", i * 7);
        child_expect(alice, "wrote 0");
        snprintf(expected, sizeof expected, "read 0 %u", i * 7);
        child_expect(bob, expected);
        child_tell(bob, "wait %u", i);
        child_expect(bob, "waiting");
    }
    child_end(bob);
    child_end(alice);
    shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE), NULL);
}

static void test_share__the_death_of_anothers_owner_is_told(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    char died[32];
    (void)state;
    NEEDS_USERS();
    snprintf(died, sizeof died, "locked %d", SHMAP_OWNER_DIED);
    /* Before one waits, and while. */
    for (int waiting = 0; waiting < 2; waiting++) {
        struct child *alice = mate_as(ALICE, "make", place.name, "everyone");
        struct child *bob = mate_as(BOB, "join", place.name, "");
        child_tell(bob, "lock");
        child_expect(bob, "locked 0");
        if (waiting == 0)
            child_end(bob);
        child_tell(alice, "lock");
        if (waiting != 0)
            child_end(bob);
        child_expect(alice, died);
        child_end(alice);
        assert_eventually(!raw_is_held(place.os_name));
        assert_code(
            shmap_region_reap(place.name, in_scope(SHMAP_SCOPE_MACHINE), NULL),
            0);
    }
}

/* Those who leave take turns. Bob, who may only read, keeps his for ever. */
static void test_share__reader_holding_the_close_lock_blocks_no_one(
    void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    NEEDS_USERS();
    struct child *alice = puppet_start_as(ALICE);
    struct child *again = puppet_start_as(ALICE);
    puppet_do(alice, "create 0 %s 8192 machine everyone_read", place.name);
    struct child *bob = mate_as(BOB, "look", place.name, "");
    child_tell(bob, "turn");
    child_expect(bob, "taken");
    for (int i = 0; i < 10; i++) {
        puppet_do(again, "open 0 %s machine", place.name);
        puppet_do(again, "close 0");
    }
    int64_t begun = clock_ms();
    puppet_do(alice, "close 0");
    assert_in_range(clock_ms() - begun, 0, PATIENCE / 2);
    /* It lives: he holds it. */
    assert_code(puppet(again, "create 0 %s 4096 machine", place.name),
                SHMAP_EEXIST);
    child_end(bob);
    assert_eventually(!raw_is_held(place.os_name));
    assert_code(puppet(again, "create 0 %s 4096 machine", place.name), 0);
    puppet_do(again, "close 0");
    assert_false(raw_exists(place.os_name));
}

/* At every step of Alice's leaving, Bob, who may write, leaves as well, or
 * comes. Whatever is left then is invisible, and hers to remove. */
static void test_share__leaving_together_leaves_nothing_to_see(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    NEEDS_USERS();
    for (int inside = 0; inside < 2; inside++) {
        struct stop stops[64];
        size_t count = 0;
        struct child *alice = puppet_start_as(ALICE);
        struct child *bob = puppet_start_as(BOB);
        /* First find the steps. */
        for (size_t i = 0; i <= count; i++) {
            puppet_do(alice, "create 0 %s 8192 machine everyone", place.name);
            if (inside != 0)
                puppet_do(bob, "open 0 %s machine anybody", place.name);
            if (i == 0) {
                puppet_do(alice, "record");
                puppet_do(alice, "close 0");
                count = stops_passed(alice, stops, COUNT(stops));
                assert_in_range(count, 1, COUNT(stops));
            } else {
                stops_run_into(alice, &stops[i - 1], "close 0");
            }
            if (inside == 0) {
                int result =
                    puppet(bob, "open 0 %s machine anybody", place.name);
                if (result != 0 && result != SHMAP_EBUSY)
                    assert_code(result, SHMAP_ENOENT);
            }
            puppet_do(bob, "close 0");
            if (i != 0) {
                child_tell(alice, "go");
                assert_code(puppet_result(alice), 0);
            }
            assert_code(
                puppet(bob, "open 0 %s machine read anybody", place.name),
                SHMAP_ENOENT);
            assert_code(puppet(alice, "open 0 %s machine", place.name),
                        SHMAP_ENOENT);
            assert_false(raw_exists(place.os_name));
        }
        child_end(alice);
        child_end(bob);
    }
}

/* Bob takes the lock of one who removes, and keeps it. */
static void test_share__a_lock_for_ever_is_busy_within_a_bound(void **state)
{
    static const char *const commands[] = {
        "create 0 %s 4096 machine", "open 0 %s machine",
        "open 0 %s machine read", "open_or_create 0 %s 4096 machine",
        "reap %s machine"};
    struct place place = place_make(__func__, SHMAP_SCOPE_MACHINE);
    (void)state;
    NEEDS_USERS();
    struct child *alice = puppet_start_as(ALICE);
    struct child *bob = child_start("mate", NULL);
    child_tell(bob, "become %u", BOB);
    child_expect(bob, "ready");
    puppet_do(alice, "create 0 %s 8192 machine everyone", place.name);
    /* While somebody holds it he cannot. */
    child_tell(bob, "block %s", place.os_name);
    child_expect(bob, "refused");
    child_end(alice);
    assert_eventually(!raw_is_held(place.os_name));
    child_tell(bob, "block %s", place.os_name);
    child_expect(bob, "blocked");
    alice = puppet_start_as(ALICE);
    for (size_t i = 0; i < COUNT(commands); i++) {
        char line[2 * NAME_ROOM];
        size_t before = strcspn(commands[i], "%");
        snprintf(line, sizeof line, "%.*s%s%s", (int)before, commands[i],
                 place.name, commands[i] + before + 2);
        int64_t begun = clock_ms();
        assert_code(puppet(alice, "%s", line), SHMAP_EBUSY);
        assert_in_range(clock_ms() - begun, 0, PATIENCE / 2);
    }
    assert_string_equal(puppet_ask(alice, "reap -"), "0");
    assert_true(raw_exists(place.os_name));
    child_end(bob);
    assert_eventually(!raw_is_held(place.os_name));
    assert_code(puppet(alice, "create 0 %s 4096 machine", place.name), 0);
    assert_int_equal(raw_mode(place.os_name), 01600);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"mate", play_mate}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share__rights_are_exact_whatever_the_umask),
        cmocka_unit_test(test_share__a_group_can_be_named),
        cmocka_unit_test(test_share__opening_changes_no_rights),
        cmocka_unit_test(test_share__groups_that_are_none),
        cmocka_unit_test(test_share__unknown_groups_come_first),
        cmocka_unit_test(test_share__group_and_share_belong_together),
        cmocka_unit_test(test_share__names_with_lock_files_cannot_be_shared),
        cmocka_unit_test(test_share__wait_semaphores_copy_the_access_list),
        cmocka_unit_test(test_share__sleepers_in_anonymous_regions),
        cmocka_unit_test(test_share__planted_by_another_user),
        cmocka_unit_test(test_share__each_access_list_lets_its_users_open),
        cmocka_unit_test(test_share__groups_that_one_may_not_give),
        cmocka_unit_test(test_share__refused_file_is_not_taken_from_others),
        cmocka_unit_test(test_share__rights_are_there_from_the_first_moment),
        cmocka_unit_test(test_share__reader_of_anothers_region_holds_it),
        cmocka_unit_test(test_share__records_are_read_and_awaited_by_others),
        cmocka_unit_test(test_share__the_death_of_anothers_owner_is_told),
        cmocka_unit_test(
            test_share__reader_holding_the_close_lock_blocks_no_one),
        cmocka_unit_test(test_share__leaving_together_leaves_nothing_to_see),
        cmocka_unit_test(test_share__a_lock_for_ever_is_busy_within_a_bound),
    };
    if (!raw_find_group(group_name, group_number))
        return program_skipped("this process is in no group");
    stops_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
