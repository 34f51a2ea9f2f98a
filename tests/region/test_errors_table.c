/* SPDX-License-Identifier: MIT */

/* Same situation, same code (P14): each error situation is provoked on each
 * system. The table is the contract; how a situation comes about may differ.
 */

#include "attack.h"
#include "channel.h"
#include "files.h"
#include "puppet.h"
#include "units.h"

#define NO_REGION ((shmap_region *)(uintptr_t)0x5a5a5a5a)

/* What a situation answers where this system has no such thing. */
enum { NO_SUCH_SITUATION = 12345 };

/* For each situation there are a fresh name and a fresh path. */
static char name[NAME_ROOM];
static char os_name[OS_NAME_ROOM];
static char path[NAME_ROOM];
static shmap_region *region;
static shmap_view view;

static shmap_region_options options_of(int owner, int access, int create)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.accept = owner;
    options.access = access;
    options.create = create;
    return options;
}

static int open_anybodys(void)
{
    shmap_region_options options = options_of(SHMAP_ACCEPT_ANYBODY, 0, 0);

    return shmap_region_open(&region, name, &options);
}

static int create(void)
{
    return shmap_region_create(&region, name, 4096, NULL);
}

/* Finds what has the name later than others. */
static int create_lazily(void)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.commit = SHMAP_COMMIT_LAZY;
    return shmap_region_create(&region, name, 4096, &options);
}

static int open_or_create(void)
{
    shmap_region_options options = options_of(SHMAP_ACCEPT_ANYBODY, 0, 0);

    return shmap_region_open_or_create(&region, name, 4096, &options);
}

static int open_path(uint64_t size, int access, int make)
{
    shmap_region_options options = options_of(0, access, make);

    return shmap_region_open_file(&region, path, size, &options);
}

/* A region of this name that lives during the call. */
static int while_held(int (*call)(void))
{
    shmap_region *held = NULL;
    int result;

    assert_code(create(), 0);
    held = region;
    region = NO_REGION;
    result = call();
    shmap_region_close(held);
    return result;
}

/* Something else that has the name during the call. */
static int while_planted(enum raw_kind kind, int (*call)(void))
{
    intptr_t planted;
    int result;

    if (!raw_can_plant(kind))
        return NO_SUCH_SITUATION;
    planted = raw_plant(os_name, kind, 4096, 0);
    assert_int_not_equal(planted, -1);
    result = call();
    raw_remove(os_name);
    raw_close(planted);
    return result;
}

/* A view of these options, of a fresh region of 256 KiB. */
static int map_fresh(uint64_t offset, uint64_t size, void *address, int access)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *fresh;
    int result;

    assert_code(shmap_region_create(&fresh, NULL, 262144, NULL), 0);
    options.offset = offset;
    options.size = size;
    options.address = address;
    options.access = access;
    result = shmap_view_map(&view, fresh, &options);
    if (result >= 0)
        shmap_view_unmap(&view);
    shmap_region_close(fresh);
    return result;
}

/* Situations, by their numbers in the table. */

static int create_size_0(void)
{
    return shmap_region_create(&region, name, 0, NULL);
}

static int create_size_2_63(void)
{
    return shmap_region_create(&region, name, UINT64_C(1) << 63, NULL);
}

static int create_held(void)
{
    return while_held(create);
}

static int create_on_memory(void)
{
    return while_planted(RAW_REGION, create);
}

static int create_on_empty_memory(void)
{
    return while_planted(RAW_EMPTY, create);
}

static int create_on_directory(void)
{
    return while_planted(RAW_DIRECTORY, create);
}

static int create_on_fifo(void)
{
    return while_planted(RAW_FIFO, create);
}

static int create_on_mutex(void)
{
    return while_planted(RAW_MUTEX, create);
}

static int create_lazily_on_memory(void)
{
    return while_planted(RAW_REGION, create_lazily);
}

static int create_lazily_on_directory(void)
{
    return while_planted(RAW_DIRECTORY, create_lazily);
}

static int create_for_no_group(void)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.share = SHMAP_SHARE_GROUP;
    options.group = "no such group";
    return shmap_region_create(&region, NULL, 1, &options);
}

static int open_missing(void)
{
    return open_anybodys();
}

static int open_after_close(void)
{
    assert_code(create(), 0);
    shmap_region_close(region);
    region = NO_REGION;
    return open_anybodys();
}

static int open_after_kill(void)
{
    struct child *other = puppet_start();
    int result = SHMAP_OK;

    puppet_do(other, "create 0 %s 4096", name);
    puppet_do(other, "map 0");
    child_end(other);
    assert_eventually((result = open_anybodys()) < 0 ||
                      (shmap_region_close(region), region = NO_REGION, false));
    assert_code(shmap_region_reap(name, NULL, NULL), 0);
    return result;
}

static int open_empty_name(void)
{
    return shmap_region_open(&region, "", NULL);
}

static int open_no_utf_8(void)
{
    return shmap_region_open(&region, "\300\257", NULL);
}

static int open_too_long_native(void)
{
    static char long_name[40000];
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.scope = SHMAP_SCOPE_NATIVE;
    memset(long_name, 'n', units_native_limit() + 1);
    memcpy(long_name, units_native_start(), strlen(units_native_start()));
    return shmap_region_open(&region, long_name, &options);
}

static int open_empty_memory(void)
{
    return while_planted(RAW_EMPTY, open_anybodys);
}

static int open_directory(void)
{
    return while_planted(RAW_DIRECTORY, open_anybodys);
}

static int open_symlink(void)
{
    return while_planted(RAW_SYMLINK, open_anybodys);
}

static int open_fifo(void)
{
    return while_planted(RAW_FIFO, open_anybodys);
}

static int open_mutex(void)
{
    return while_planted(RAW_MUTEX, open_anybodys);
}

static int open_or_create_empty_memory(void)
{
    return while_planted(RAW_EMPTY, open_or_create);
}

static int open_or_create_directory(void)
{
    return while_planted(RAW_DIRECTORY, open_or_create);
}

static int open_or_create_mutex(void)
{
    return while_planted(RAW_MUTEX, open_or_create);
}

static int file_missing(void)
{
    return open_path(0, 0, 0);
}

static int file_missing_folder(void)
{
    strcat(path, "/x");
    return open_path(1, 0, SHMAP_CREATE_NEW);
}

static int file_new_exists(void)
{
    assert_true(file_write(path, "x", 1));
    return open_path(1, 0, SHMAP_CREATE_NEW);
}

static int file_is_folder(void)
{
    int result;

    assert_true(folder_make(path));
    result = open_path(0, 0, 0);
    assert_true(folder_remove(path));
    return result;
}

static int file_is_device(void)
{
    return shmap_region_open_file(&region, units_device(), 0, NULL);
}

static int file_is_empty(void)
{
    assert_true(file_write(path, "", 0));
    return open_path(0, 0, 0);
}

static int file_too_short(void)
{
    assert_true(file_write(path, "x", 1));
    return open_path(2, SHMAP_ACCESS_READ, 0);
}

static int file_too_big(void)
{
    return open_path(UINT64_C(1) << 63, 0, SHMAP_CREATE_IF_MISSING);
}

static int file_no_utf_8(void)
{
    return shmap_region_open_file(&region, "\300\257", 0, NULL);
}

static int file_read_only(void)
{
    if (!units_obeys_modes())
        return NO_SUCH_SITUATION;
    assert_true(file_write(path, "x", 1));
    assert_true(file_set_mode(path, 0444));
    return open_path(0, 0, 0);
}

static int adopt_closed(void)
{
    return shmap_region_adopt(&region, units_bad_handle(), NULL);
}

static int adopt_pipe(void)
{
    intptr_t to = -1;
    intptr_t from = units_pipe(&to);
    int result = shmap_region_adopt(&region, from, NULL);

    raw_close(from);
    raw_close(to);
    return result;
}

static int adopt_read_only(void)
{
    shmap_region_options options = options_of(0, SHMAP_ACCESS_READ_WRITE, 0);
    intptr_t memory = units_memory(4096, false);
    int result = shmap_region_adopt(&region, memory, &options);

    raw_close(memory);
    return result;
}

static int adopt_empty_file(void)
{
    intptr_t file;
    int result;

    assert_true(file_write(path, "", 0));
    file = units_open_file(path, true);
    result = shmap_region_adopt(&region, file, NULL);
    raw_close(file);
    return result;
}

static int map_at_the_end(void)
{
    return map_fresh(262144, 0, NULL, 0);
}

static int map_beyond(void)
{
    return map_fresh(1, 262144, NULL, 0);
}

static int map_overflow(void)
{
    return map_fresh(65536, UINT64_MAX - 65535, NULL, 0);
}

static int map_unaligned_address(void)
{
    return map_fresh(0, 0, (void *)(uintptr_t)0x10001000, 0);
}

static int map_occupied(void)
{
    void *memory = units_reserve(262144);
    int result = map_fresh(0, 0, memory, 0);

    units_release(memory, 262144);
    return result;
}

static int map_beyond_user_space(void)
{
    return map_fresh(0, 0, (void *)(UINTPTR_MAX - 65535), 0);
}

static int map_unknown_access(void)
{
    return map_fresh(0, 0, NULL, 4);
}

static int map_reader_for_writing(void)
{
    shmap_region_options options = options_of(0, SHMAP_ACCESS_READ, 0);
    shmap_view_options writing = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *held;
    shmap_region *reader;
    int result;

    assert_code(create(), 0);
    held = region;
    region = NO_REGION;
    assert_code(shmap_region_open(&reader, name, &options), 0);
    writing.access = SHMAP_ACCESS_READ_WRITE;
    result = shmap_view_map(&view, reader, &writing);
    shmap_region_close(reader);
    shmap_region_close(held);
    return result;
}

static int map_locked(void)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *fresh;
    int result;

    assert_code(shmap_region_create(&fresh, NULL, 1, NULL), 0);
    options.flags = SHMAP_VIEW_RESIDENT;
    result = shmap_view_map(&view, fresh, &options);
    shmap_region_close(fresh);
    return result;
}

static int flush_nothing(void)
{
    shmap_view nothing = SHMAP_VIEW_INIT;

    return shmap_view_flush(&nothing, 0, 0, 0);
}

static int os_name_small_buffer(void)
{
    char out[4];

    return shmap_os_name(out, sizeof out, name, 0);
}

static int os_name_unknown_scope(void)
{
    return shmap_os_name(os_name, sizeof os_name, name, 3);
}

static int reap_unknown_scope(void)
{
    return shmap_region_reap(name, in_scope(8), NULL);
}

static int reap_bad_name(void)
{
    return shmap_region_reap("\377", NULL, NULL);
}

static int reap_missing(void)
{
    return shmap_region_reap(name, NULL, NULL);
}

static int too_much_memory(void)
{
    uint64_t size = units_too_much_memory();

    return size == 0 ? NO_SUCH_SITUATION
                     : shmap_region_create(&region, name, size, NULL);
}

/* Handing over. */

static char token[SHMAP_TOKEN_SIZE];

static int export_fresh(int access, int64_t target, size_t size)
{
    shmap_region *fresh;
    int result;

    assert_code(shmap_region_create(&fresh, NULL, 1, NULL), 0);
    result = shmap_region_export(fresh, access, target, token, size);
    shmap_region_close(fresh);
    return result;
}

static int export_for_copying(void)
{
    return export_fresh(SHMAP_ACCESS_COPY, 0, sizeof token);
}

static int export_to_a_negative_number(void)
{
    return export_fresh(0, -1, sizeof token);
}

static int export_to_nobody(void)
{
    return export_fresh(0, attack_no_process(), sizeof token);
}

static int export_into_too_little(void)
{
    return export_fresh(0, 0, 10);
}

/* With a handle for reading of one's own region. */
static int export_reader(int access)
{
    shmap_region_options options = options_of(0, SHMAP_ACCESS_READ, 0);
    shmap_region *held;
    shmap_region *reader;
    int result;

    assert_code(create(), 0);
    held = region;
    region = NO_REGION;
    assert_code(shmap_region_open(&reader, name, &options), 0);
    result = shmap_region_export(reader, access, 0, token, sizeof token);
    shmap_region_close(reader);
    shmap_region_close(held);
    return result;
}

static int export_reader_for_writing(void)
{
    return export_reader(SHMAP_ACCESS_READ_WRITE);
}

static int export_ones_own_for_reading(void)
{
    return export_reader(SHMAP_ACCESS_READ);
}

static int import_nothing(void)
{
    return shmap_region_import(&region, "", NULL);
}

static int import_a_word(void)
{
    return shmap_region_import(&region, "token", NULL);
}

static int import_ones_own(void)
{
    shmap_region *fresh;
    int result;

    assert_code(shmap_region_create(&fresh, NULL, 1, NULL), 0);
    assert_code(shmap_region_export(fresh, 0, 0, token, sizeof token), 0);
    result = shmap_region_import(&region, token, NULL);
    shmap_region_close(fresh);
    return result;
}

/* What another process exports to one of these. */
static int import_from_another(bool for_child, bool for_itself, bool cut,
                               int access)
{
    shmap_region_options options = options_of(0, access, 0);
    struct child *other = puppet_start();
    int result;

    puppet_do(other, "create 0 - 4096");
    if (for_child)
        snprintf(token, sizeof token, "%s", puppet_ask(other, "export 0"));
    else
        snprintf(token, sizeof token, "%s",
                 puppet_ask(other, "export 0 to=%d",
                            for_itself ? child_pid(other) : os_process_id()));
    char last = token[strlen(token) - 1];
    if (cut)
        token[strlen(token) - 1] = '\0';
    result = shmap_region_import(&region, token, &options);
    /* What was put into this process stays there until it is taken. */
    if (cut)
        token[strlen(token)] = last;
    if (SHMAP_FAILED(result) &&
        shmap_region_import(&region, token, NULL) == 0) {
        shmap_region_close(region);
        region = NO_REGION;
    }
    child_end(other);
    return result;
}

static int import_for_a_child_of_another(void)
{
    return import_from_another(true, false, false, 0);
}

static int import_for_another_process(void)
{
    return import_from_another(false, true, false, 0);
}

static int import_cut(void)
{
    return import_from_another(false, false, true, 0);
}

static int import_for_copying(void)
{
    return import_from_another(false, false, false, SHMAP_ACCESS_COPY);
}

/* Through a channel with both ends here, or with one. */
static int with_channel(bool other_end, bool sends, int access)
{
    shmap_region *fresh;
    intptr_t ends[2];
    int result;

    assert_code(shmap_region_create(&fresh, NULL, 1, NULL), 0);
    assert_true(channel_pair(ends, CHANNEL_STREAM, true));
    if (!other_end)
        channel_close(ends[1]);
    result = sends ? shmap_region_send(fresh, access, ends[0], 0)
                   : shmap_region_receive(&region, ends[0], 0, NULL);
    if (other_end)
        channel_close(ends[1]);
    channel_close(ends[0]);
    shmap_region_close(fresh);
    return result;
}

static int send_to_nobody(void)
{
    return with_channel(false, true, 0);
}

static int send_for_copying(void)
{
    return with_channel(true, true, SHMAP_ACCESS_COPY);
}

static int receive_from_nobody(void)
{
    return with_channel(false, false, 0);
}

static int receive_nothing(void)
{
    return with_channel(true, false, 0);
}

static int receive_from_a_bad_handle(void)
{
    return shmap_region_receive(&region, units_bad_handle(), 0, NULL);
}

static int receive_from_a_device(void)
{
    intptr_t channel = channel_make_not(CHANNEL_NOT_A_FILE);
    int result = shmap_region_receive(&region, channel, 0, NULL);

    channel_close(channel);
    return result;
}

static int send_into_a_device(void)
{
    intptr_t channel = channel_make_not(CHANNEL_NOT_A_FILE);
    shmap_region *fresh;
    int result;

    assert_code(shmap_region_create(&fresh, NULL, 1, NULL), 0);
    result = shmap_region_send(fresh, 0, channel, 0);
    shmap_region_close(fresh);
    channel_close(channel);
    return result;
}

static int seal_unknown(void)
{
    shmap_region *fresh;
    int result;

    assert_code(shmap_region_create(&fresh, NULL, 1, NULL), 0);
    result = shmap_region_seal(fresh, 16);
    shmap_region_close(fresh);
    return result;
}

static int seal_named(void)
{
    int result;

    assert_code(create(), 0);
    result = shmap_region_seal(region, SHMAP_SEAL_SHRINK);
    shmap_region_close(region);
    region = NO_REGION;
    return result;
}

static int map_sealed_for_writing(void)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *fresh;
    int result;

    if ((attack_facts()->seals & SHMAP_SEAL_WRITERS) == 0)
        return NO_SUCH_SITUATION;
    assert_code(shmap_region_create(&fresh, NULL, 1, NULL), 0);
    assert_code(shmap_region_seal(fresh, SHMAP_SEAL_WRITERS), 0);
    options.access = SHMAP_ACCESS_READ_WRITE;
    result = shmap_view_map(&view, fresh, &options);
    shmap_region_close(fresh);
    return result;
}

static int export_again_for_writing(void)
{
    shmap_region *fresh;
    int result;

    if (!attack_facts()->reads_only)
        return NO_SUCH_SITUATION;
    assert_code(shmap_region_create(&fresh, NULL, 1, NULL), 0);
    assert_code(
        shmap_region_export(fresh, SHMAP_ACCESS_READ, 0, token, sizeof token),
        0);
    result = shmap_region_export(fresh, SHMAP_ACCESS_READ_WRITE, 0, token,
                                 sizeof token);
    shmap_region_close(fresh);
    return result;
}

#define SITUATION(provoke, code)      \
    {                                 \
#provoke, provoke, code, NULL \
    }

/* An argument of this name is wrong, which the detail says. */
#define REFUSED(provoke, code, argument)  \
    {                                     \
#provoke, provoke, code, argument \
    }

static const struct situation {
    const char *words;
    int (*provoke)(void);
    int code;
    const char *argument;
} table[] = {
    REFUSED(create_size_0, SHMAP_EINVAL, "size"),
    REFUSED(create_size_2_63, SHMAP_E2BIG, "size"),
    SITUATION(create_held, SHMAP_EEXIST),
    SITUATION(create_on_memory, SHMAP_EEXIST),
    SITUATION(create_on_empty_memory, SHMAP_EEXIST),
    SITUATION(create_on_directory, SHMAP_ETYPE),
    SITUATION(create_on_fifo, SHMAP_ETYPE),
    SITUATION(create_on_mutex, SHMAP_ETYPE),
    SITUATION(create_lazily_on_memory, SHMAP_EEXIST),
    SITUATION(create_lazily_on_directory, SHMAP_ETYPE),
    REFUSED(create_for_no_group, SHMAP_EINVAL, "group"),
    SITUATION(open_missing, SHMAP_ENOENT),
    SITUATION(open_after_close, SHMAP_ENOENT),
    SITUATION(open_after_kill, SHMAP_ENOENT),
    REFUSED(open_empty_name, SHMAP_ENAME, "name"),
    REFUSED(open_no_utf_8, SHMAP_ENAME, "name"),
    REFUSED(open_too_long_native, SHMAP_ENAME, "name"),
    SITUATION(open_empty_memory, SHMAP_ENOTREADY),
    SITUATION(open_directory, SHMAP_ETYPE),
    SITUATION(open_symlink, SHMAP_ETYPE),
    SITUATION(open_fifo, SHMAP_ETYPE),
    SITUATION(open_mutex, SHMAP_ETYPE),
    SITUATION(open_or_create_empty_memory, SHMAP_ENOTREADY),
    SITUATION(open_or_create_directory, SHMAP_ETYPE),
    SITUATION(open_or_create_mutex, SHMAP_ETYPE),
    SITUATION(file_missing, SHMAP_ENOENT),
    SITUATION(file_missing_folder, SHMAP_ENOENT),
    SITUATION(file_new_exists, SHMAP_EEXIST),
    SITUATION(file_is_folder, SHMAP_ETYPE),
    SITUATION(file_is_device, SHMAP_ETYPE),
    SITUATION(file_is_empty, SHMAP_ENOTREADY),
    REFUSED(file_too_short, SHMAP_ERANGE, "size"),
    REFUSED(file_too_big, SHMAP_E2BIG, "size"),
    REFUSED(file_no_utf_8, SHMAP_ENAME, "path"),
    SITUATION(file_read_only, SHMAP_EACCES),
    REFUSED(adopt_closed, SHMAP_EINVAL, "native"),
    SITUATION(adopt_pipe, SHMAP_ETYPE),
    SITUATION(adopt_read_only, SHMAP_EACCES),
    SITUATION(adopt_empty_file, SHMAP_ENOTREADY),
    REFUSED(map_at_the_end, SHMAP_ERANGE, "offset"),
    REFUSED(map_beyond, SHMAP_ERANGE, "size"),
    REFUSED(map_overflow, SHMAP_ERANGE, "size"),
    REFUSED(map_unaligned_address, SHMAP_EINVAL, "address"),
    SITUATION(map_occupied, SHMAP_EADDRINUSE),
    SITUATION(map_beyond_user_space, SHMAP_EADDRINUSE),
    REFUSED(map_unknown_access, SHMAP_EINVAL, "access"),
    SITUATION(map_reader_for_writing, SHMAP_EACCES),
    REFUSED(map_locked, SHMAP_ENOTSUP, "flags"),
    REFUSED(flush_nothing, SHMAP_EINVAL, "view"),
    REFUSED(os_name_small_buffer, SHMAP_ERANGE, "size"),
    REFUSED(os_name_unknown_scope, SHMAP_EINVAL, "scope"),
    REFUSED(reap_unknown_scope, SHMAP_EINVAL, "scope"),
    REFUSED(reap_bad_name, SHMAP_ENAME, "name"),
    SITUATION(reap_missing, SHMAP_OK),
    SITUATION(too_much_memory, SHMAP_ENOSPC),
    REFUSED(export_for_copying, SHMAP_EINVAL, "access"),
    REFUSED(export_to_a_negative_number, SHMAP_EINVAL, "target"),
    SITUATION(export_to_nobody, SHMAP_ENOENT),
    REFUSED(export_into_too_little, SHMAP_ERANGE, "size"),
    SITUATION(export_reader_for_writing, SHMAP_EACCES),
    SITUATION(export_ones_own_for_reading, SHMAP_ENOTSUP),
    SITUATION(export_again_for_writing, SHMAP_EACCES),
    SITUATION(import_nothing, SHMAP_ETOKEN),
    SITUATION(import_a_word, SHMAP_ETOKEN),
    SITUATION(import_ones_own, SHMAP_ENOENT),
    SITUATION(import_for_a_child_of_another, SHMAP_ENOENT),
    SITUATION(import_for_another_process, SHMAP_ETOKEN),
    SITUATION(import_cut, SHMAP_ETOKEN),
    REFUSED(import_for_copying, SHMAP_EINVAL, "access"),
    SITUATION(send_to_nobody, SHMAP_ENOENT),
    REFUSED(send_for_copying, SHMAP_EINVAL, "access"),
    SITUATION(send_into_a_device, SHMAP_ETYPE),
    SITUATION(receive_from_nobody, SHMAP_ENOENT),
    SITUATION(receive_nothing, SHMAP_ETIMEDOUT),
    REFUSED(receive_from_a_bad_handle, SHMAP_EINVAL, "channel"),
    SITUATION(receive_from_a_device, SHMAP_ETYPE),
    REFUSED(seal_unknown, SHMAP_EINVAL, "seals"),
    SITUATION(seal_named, SHMAP_ENOTSUP),
    SITUATION(map_sealed_for_writing, SHMAP_EACCES),
};

/* A fresh region, or NULL. */
static shmap_region *made(bool wanted)
{
    shmap_region *fresh = NULL;

    if (wanted)
        assert_code(shmap_region_create(&fresh, NULL, 4096, NULL), 0);
    return fresh;
}

/* Calls with one argument that cannot be. */

static int null_region_to_create(void)
{
    return shmap_region_create(NULL, name, 1, NULL);
}

static int null_region_to_open(void)
{
    return shmap_region_open(NULL, name, NULL);
}

static int null_name_to_open(void)
{
    return shmap_region_open(&region, NULL, NULL);
}

static int null_name_to_open_or_create(void)
{
    return shmap_region_open_or_create(&region, NULL, 1, NULL);
}

static int size_0_to_open_or_create(void)
{
    return shmap_region_open_or_create(&region, name, 0, NULL);
}

static int null_path_to_open_file(void)
{
    return shmap_region_open_file(&region, NULL, 1, NULL);
}

static int null_region_to_adopt(void)
{
    return shmap_region_adopt(NULL, 0, NULL);
}

static int null_region_to_inspect(void)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;

    return shmap_region_inspect(NULL, &info);
}

static int with_fresh(int (*call)(shmap_region *fresh))
{
    shmap_region *fresh = made(true);
    int result = call(fresh);

    shmap_region_close(fresh);
    return result;
}

static int inspect_null(shmap_region *fresh)
{
    return shmap_region_inspect(fresh, NULL);
}

static int null_info_to_inspect(void)
{
    return with_fresh(inspect_null);
}

static int inspect_short(shmap_region *fresh)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;

    info.struct_size = 3;
    return shmap_region_inspect(fresh, &info);
}

static int short_info_to_inspect(void)
{
    return with_fresh(inspect_short);
}

static int null_region_to_seal(void)
{
    return shmap_region_seal(NULL, SHMAP_SEAL_GROW);
}

static int seal_0(shmap_region *fresh)
{
    return shmap_region_seal(fresh, 0);
}

static int no_seals_to_seal(void)
{
    return with_fresh(seal_0);
}

static int unknown_user_to_reap_all(void)
{
    return shmap_region_reap_all(accepting(64), NULL);
}

static int null_out_to_os_name(void)
{
    return shmap_os_name(NULL, 1, name, 0);
}

static int null_name_to_os_name(void)
{
    return shmap_os_name(os_name, sizeof os_name, NULL, 0);
}

static int null_view_to_map(void)
{
    return shmap_view_map(NULL, NO_REGION, NULL);
}

static int null_region_to_map(void)
{
    return shmap_view_map(&view, NULL, NULL);
}

static int map_short(shmap_region *fresh)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

    options.struct_size = 3;
    return shmap_view_map(&view, fresh, &options);
}

static int short_options_to_map(void)
{
    return with_fresh(map_short);
}

static int null_view_to_refresh(void)
{
    return shmap_view_refresh(NULL);
}

static int unmapped_view_to_refresh(void)
{
    shmap_view nothing = SHMAP_VIEW_INIT;

    return shmap_view_refresh(&nothing);
}

static int null_view_to_flush(void)
{
    return shmap_view_flush(NULL, 0, 0, 0);
}

static int flush_mapped(shmap_region *fresh, size_t offset, int mode)
{
    shmap_view mapped = SHMAP_VIEW_INIT;
    int result;

    assert_code(shmap_view_map(&mapped, fresh, NULL), 0);
    result = shmap_view_flush(&mapped, offset, 0, mode);
    shmap_view_unmap(&mapped);
    return result;
}

static int flush_unknown(shmap_region *fresh)
{
    return flush_mapped(fresh, 0, 17);
}

static int unknown_mode_to_flush(void)
{
    return with_fresh(flush_unknown);
}

static int flush_beyond(shmap_region *fresh)
{
    return flush_mapped(fresh, 1 << 20, SHMAP_FLUSH_WRITE);
}

static int offset_beyond_to_flush(void)
{
    return with_fresh(flush_beyond);
}

static int null_region_to_export(void)
{
    return shmap_region_export(NULL, 0, 0, token, sizeof token);
}

static int export_into_null(shmap_region *fresh)
{
    return shmap_region_export(fresh, 0, 0, NULL, 100);
}

static int null_token_to_export(void)
{
    return with_fresh(export_into_null);
}

static int null_region_to_import(void)
{
    return shmap_region_import(NULL, "token", NULL);
}

static int null_token_to_import(void)
{
    return shmap_region_import(&region, NULL, NULL);
}

static int null_region_to_send(void)
{
    return shmap_region_send(NULL, 0, 0, 0);
}

static int send_into_closed(shmap_region *fresh)
{
    return shmap_region_send(fresh, 0, units_bad_handle(), 0);
}

static int closed_channel_to_send(void)
{
    return with_fresh(send_into_closed);
}

static int null_region_to_receive(void)
{
    return shmap_region_receive(NULL, 0, 0, NULL);
}

static const struct situation refusals[] = {
    REFUSED(null_region_to_create, SHMAP_EINVAL, "region:"),
    REFUSED(null_region_to_open, SHMAP_EINVAL, "region:"),
    REFUSED(null_name_to_open, SHMAP_EINVAL, "name:"),
    REFUSED(null_name_to_open_or_create, SHMAP_EINVAL, "name:"),
    REFUSED(size_0_to_open_or_create, SHMAP_EINVAL, "size:"),
    REFUSED(null_path_to_open_file, SHMAP_EINVAL, "path:"),
    REFUSED(null_region_to_adopt, SHMAP_EINVAL, "region:"),
    REFUSED(null_region_to_inspect, SHMAP_EINVAL, "region:"),
    REFUSED(null_info_to_inspect, SHMAP_EINVAL, "info:"),
    REFUSED(short_info_to_inspect, SHMAP_EINVAL, "info:"),
    REFUSED(null_region_to_seal, SHMAP_EINVAL, "region:"),
    REFUSED(no_seals_to_seal, SHMAP_EINVAL, "seals:"),
    REFUSED(unknown_user_to_reap_all, SHMAP_EINVAL, "accept"),
    REFUSED(null_out_to_os_name, SHMAP_EINVAL, "out:"),
    REFUSED(null_name_to_os_name, SHMAP_EINVAL, "name:"),
    REFUSED(null_view_to_map, SHMAP_EINVAL, "view:"),
    REFUSED(null_region_to_map, SHMAP_EINVAL, "region:"),
    REFUSED(short_options_to_map, SHMAP_EINVAL, "options:"),
    REFUSED(null_view_to_refresh, SHMAP_EINVAL, "view:"),
    REFUSED(unmapped_view_to_refresh, SHMAP_EINVAL, "view:"),
    REFUSED(null_view_to_flush, SHMAP_EINVAL, "view:"),
    REFUSED(unknown_mode_to_flush, SHMAP_EINVAL, "mode:"),
    REFUSED(offset_beyond_to_flush, SHMAP_ERANGE, "offset"),
    REFUSED(null_region_to_export, SHMAP_EINVAL, "region:"),
    REFUSED(null_token_to_export, SHMAP_EINVAL, "token:"),
    REFUSED(null_region_to_import, SHMAP_EINVAL, "region:"),
    REFUSED(null_token_to_import, SHMAP_EINVAL, "token:"),
    REFUSED(null_region_to_send, SHMAP_EINVAL, "region:"),
    REFUSED(closed_channel_to_send, SHMAP_EINVAL, "channel:"),
    REFUSED(null_region_to_receive, SHMAP_EINVAL, "region:"),
};

/* Each option, set in a call that does not read it, or to a value that does not
 * exist. */

static const struct {
    const char *name;
    size_t offset;
    bool reads; /* so 99 is a value that does not exist */
} options_table[] = {
    {"access", offsetof(shmap_region_options, access), false},
    {"share", offsetof(shmap_region_options, share), true},
    {"accept", offsetof(shmap_region_options, accept), false},
    {"scope", offsetof(shmap_region_options, scope), true},
    {"create", offsetof(shmap_region_options, create), false},
    {"commit", offsetof(shmap_region_options, commit), true},
};

static void test_errors_table__a_wrong_option_is_named(void **state)
{
    (void)state;
    unique_name(name, __func__);
    for (size_t i = 0; i < COUNT(options_table); i++) {
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
        const int value = options_table[i].reads ? 99 : 1;

        region = NO_REGION;
        memcpy((char *)&options + options_table[i].offset, &value,
               sizeof value);
        assert_code(shmap_region_create(&region, name, 1, &options),
                    SHMAP_EINVAL);
        assert_ptr_equal(region, NO_REGION);
        if (strstr(shmap_error_detail(), options_table[i].name) == NULL)
            fail_msg("\"%s\" does not name %s", shmap_error_detail(),
                     options_table[i].name);
    }
}

/* Whether what was just said names the argument that was wrong. No other
 * argument error may be without words. */
static bool names_argument(const struct situation *situation)
{
    const char *argument = situation->argument;

    if (argument == NULL)
        return situation->code != SHMAP_EINVAL;
    return strstr(shmap_error_detail(), argument) != NULL;
}

/* Provoke one, and see that it changed nothing either. */
static bool as_expected(const struct situation *situation)
{
    shmap_view untouched;
    size_t handles;
    int code;

    unique_name(name, "table");
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    scratch_path(path, "table");
    region = NO_REGION;
    memset(&untouched, 0xa5, sizeof untouched);
    view = untouched;
    handles = os_open_handles();
    code = situation->provoke();
    file_remove(path);

    if (code == NO_SUCH_SITUATION) {
        print_message("no %s here\n", situation->words);
        return true;
    }
    if (code == situation->code && region == NO_REGION &&
        memcmp(&view, &untouched, sizeof view) == 0 &&
        (os_open_handles() <= handles || units_same_handles(handles)) &&
        !raw_exists(os_name) && names_argument(situation))
        return true;
    print_error("%s: %s, should be %s; system error %d; handles %zu, %zu; "
                "\"%s\"\n",
                situation->words, shmap_error_name(code),
                shmap_error_name(situation->code), shmap_system_error(),
                handles, os_open_handles(), shmap_error_detail());
    return false;
}

static void test_errors_table__same_situation_same_code(void **state)
{
    size_t failures = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++)
        failures += !as_expected(&table[i]);
    assert_int_equal(failures, 0);
}

static void test_errors_table__a_wrong_argument_is_named(void **state)
{
    size_t failures = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(refusals); i++)
        failures += !as_expected(&refusals[i]);
    assert_int_equal(failures, 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        leak_checked(test_errors_table__same_situation_same_code),
        leak_checked(test_errors_table__a_wrong_argument_is_named),
        leak_checked(test_errors_table__a_wrong_option_is_named),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
