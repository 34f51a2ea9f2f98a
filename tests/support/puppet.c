/* SPDX-License-Identifier: MIT */

/* Puppets: what they can do, and how they are told. */

#include "puppet.h"

#include <inttypes.h>

#include "attack.h"
#include "channel.h"
#include "units.h"

#define SLOTS 8
#define WORDS 16

bool (*puppet_more)(int count, char **words, const char **text);
FILE *puppet_in;
FILE *puppet_out;

static shmap_region *regions[SLOTS];
static shmap_view views[SLOTS];
static intptr_t channels[SLOTS];
static struct child *spawned;
static FILE *forked_in;
static FILE *forked_out;
static int forked;
/* The text of an answer. */
static char answer[4096];

/* The words of a command; absent ones are "". */
struct command {
    int count;
    char **words;
};

static const char *word(const struct command *command, int index)
{
    return index < command->count ? command->words[index] : "";
}

static uint64_t number(const struct command *command, int index)
{
    return strtoull(word(command, index), NULL, 0);
}

static size_t slot(const struct command *command, int index)
{
    uint64_t value = number(command, index);
    if (index >= command->count || value >= SLOTS)
        role_fail("no such number: %s", word(command, index));
    return (size_t)value;
}

static bool has(const struct command *command, const char *option)
{
    for (int i = 1; i < command->count; i++)
        if (strcmp(command->words[i], option) == 0)
            return true;
    return false;
}

/* The number behind "at=" and the like, or 0. */
static uint64_t value_of(const struct command *command, const char *option)
{
    size_t length = strlen(option);
    for (int i = 1; i < command->count; i++)
        if (strncmp(command->words[i], option, length) == 0)
            return strtoull(command->words[i] + length, NULL, 0);
    return 0;
}

static int access_of(const struct command *command)
{
    return has(command, "read")    ? SHMAP_ACCESS_READ
           : has(command, "write") ? SHMAP_ACCESS_READ_WRITE
           : has(command, "copy")  ? SHMAP_ACCESS_COPY
                                   : SHMAP_ACCESS_DEFAULT;
}

/* The text behind "group=", or NULL. */
static const char *group_of(const struct command *command)
{
    static const char option[] = "group=";
    for (int i = 1; i < command->count; i++)
        if (strncmp(command->words[i], option, sizeof option - 1) == 0)
            return command->words[i] + sizeof option - 1;
    return NULL;
}

static int share_of(const struct command *command)
{
    return has(command, "everyone_read") ? SHMAP_SHARE_EVERYONE_READ
           : has(command, "everyone")    ? SHMAP_SHARE_EVERYONE
           : has(command, "group_read")  ? SHMAP_SHARE_GROUP_READ
           : has(command, "group")       ? SHMAP_SHARE_GROUP
                                         : SHMAP_SHARE_OWNER;
}

static shmap_region_options options_of(const struct command *command)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    options.access = access_of(command);
    options.share = share_of(command);
    options.group = group_of(command);
    options.accept = has(command, "anybody")  ? SHMAP_ACCEPT_ANYBODY
                     : has(command, "system") ? SHMAP_ACCEPT_SYSTEM
                                              : SHMAP_ACCEPT_SELF;
    options.scope = has(command, "machine")  ? SHMAP_SCOPE_MACHINE
                    : has(command, "native") ? SHMAP_SCOPE_NATIVE
                                             : SHMAP_SCOPE_USER;
    options.create = has(command, "missing") ? SHMAP_CREATE_IF_MISSING
                     : has(command, "new")   ? SHMAP_CREATE_NEW
                                             : SHMAP_CREATE_NEVER;
    options.commit =
        has(command, "lazy") ? SHMAP_COMMIT_LAZY : SHMAP_COMMIT_NOW;
    return options;
}

static const char *name_of(const struct command *command, int index)
{
    return strcmp(word(command, index), "-") == 0 ? NULL : word(command, index);
}

/* Commands about regions. */

static int do_create(const struct command *command)
{
    shmap_region_options options = options_of(command);
    return shmap_region_create(&regions[slot(command, 1)], name_of(command, 2),
                               number(command, 3), &options);
}

static int do_open(const struct command *command)
{
    shmap_region_options options = options_of(command);
    return shmap_region_open(&regions[slot(command, 1)], word(command, 2),
                             &options);
}

static int do_open_or_create(const struct command *command)
{
    shmap_region_options options = options_of(command);
    return shmap_region_open_or_create(&regions[slot(command, 1)],
                                       word(command, 2), number(command, 3),
                                       &options);
}

static int do_open_file(const struct command *command)
{
    shmap_region_options options = options_of(command);
    return shmap_region_open_file(&regions[slot(command, 1)], word(command, 2),
                                  number(command, 3), &options);
}

static int do_close(const struct command *command)
{
    shmap_region **region = &regions[slot(command, 1)];
    shmap_region_close(*region);
    *region = NULL;
    return 0;
}

static int do_reap(const struct command *command)
{
    unsigned reaped = 0;
    int result;

    if (name_of(command, 1) == NULL)
        result = shmap_region_reap_all(
            has(command, "every") ? accepting(SHMAP_ACCEPT_ANYBODY) : NULL,
            &reaped);
    else
        result = shmap_region_reap(
            name_of(command, 1),
            in_scope(has(command, "machine")  ? SHMAP_SCOPE_MACHINE
                     : has(command, "native") ? SHMAP_SCOPE_NATIVE
                                              : SHMAP_SCOPE_USER),
            &reaped);
    snprintf(answer, sizeof answer, "%u", reaped);
    return result;
}

static int do_size(const struct command *command)
{
    snprintf(answer, sizeof answer, "%" PRIu64,
             shmap_region_size(regions[slot(command, 1)]));
    return 0;
}

static int do_flags(const struct command *command)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    int result = shmap_region_inspect(regions[slot(command, 1)], &info);
    snprintf(answer, sizeof answer, "%d", info.flags);
    return result;
}

static int do_native(const struct command *command)
{
    snprintf(answer, sizeof answer, "%lld",
             (long long)shmap_region_native(regions[slot(command, 1)]));
    return 0;
}

/* Commands about handing over. */

static int do_export(const struct command *command)
{
    return shmap_region_export(regions[slot(command, 1)], access_of(command),
                               (int64_t)value_of(command, "to="), answer,
                               SHMAP_TOKEN_SIZE);
}

static int do_adopt(const struct command *command)
{
    shmap_region_options options = options_of(command);
    return shmap_region_adopt(&regions[slot(command, 1)],
                              (intptr_t)number(command, 2), &options);
}

static int do_unexport(const struct command *command)
{
    shmap_region_unexport(regions[slot(command, 1)]);
    return 0;
}

static int do_import(const struct command *command)
{
    shmap_region_options options = options_of(command);
    return shmap_region_import(&regions[slot(command, 1)], word(command, 2),
                               &options);
}

static int do_variable(const struct command *command)
{
    shmap_region_options options = options_of(command);
    const char *value = getenv(word(command, 1));
    return shmap_region_import(&regions[slot(command, 2)],
                               value == NULL ? "" : value, &options);
}

static int do_channel_join(const struct command *command)
{
    intptr_t *channel = &channels[slot(command, 1)];
    *channel = channel_join(word(command, 2));
    return *channel == -1 ? SHMAP_ENOENT : 0;
}

static int do_channel_leave(const struct command *command)
{
    channel_close(channels[slot(command, 1)]);
    return 0;
}

static int64_t deadline_of(const struct command *command)
{
    uint64_t ms = value_of(command, "ms=");
    return shmap_after(SHMAP_MS(ms == 0 ? PATIENCE : ms));
}

static int do_send(const struct command *command)
{
    return shmap_region_send(regions[slot(command, 1)], access_of(command),
                             channels[slot(command, 2)], deadline_of(command));
}

static int do_receive(const struct command *command)
{
    shmap_region_options options = options_of(command);
    return shmap_region_receive(&regions[slot(command, 1)],
                                channels[slot(command, 2)],
                                deadline_of(command), &options);
}

static int do_seal(const struct command *command)
{
    return shmap_region_seal(regions[slot(command, 1)],
                             (unsigned)number(command, 2));
}

static int inspect(const struct command *command, shmap_region_info *info)
{
    *info = (shmap_region_info)SHMAP_REGION_INFO_INIT;
    return shmap_region_inspect(regions[slot(command, 1)], info);
}

static int do_seals(const struct command *command)
{
    shmap_region_info info;
    int result = inspect(command, &info);
    snprintf(answer, sizeof answer, "%u", info.seals);
    return result;
}

static int do_access(const struct command *command)
{
    shmap_region_info info;
    int result = inspect(command, &info);
    snprintf(answer, sizeof answer, "%d", info.access);
    return result;
}

static int do_kind(const struct command *command)
{
    shmap_region_info info;
    int result = inspect(command, &info);
    snprintf(answer, sizeof answer, "%d", info.kind);
    return result;
}

static int do_attack(const struct command *command)
{
    size_t number_of_both = slot(command, 1);
    const shmap_view *view = &views[number_of_both];
    struct attack_on on = {shmap_region_native(regions[number_of_both]),
                           view->data, view->size, (int)number(command, 3)};
    snprintf(answer, sizeof answer, "%d",
             (int)attack_try((size_t)number(command, 2), &on));
    return 0;
}

static int do_inheritable(const struct command *command)
{
    intptr_t native = shmap_region_native(regions[slot(command, 1)]);
    snprintf(answer, sizeof answer, "%d", (int)units_is_inheritable(native));
    return 0;
}

/* Commands about views and memory. */

static int do_map(const struct command *command)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    options.access = access_of(command);
    options.address = (void *)(uintptr_t)value_of(command, "at=");
    options.offset = value_of(command, "offset=");
    options.size = value_of(command, "size=");
    bool numbered = command->count > 2 && word(command, 2)[0] >= '0' &&
                    word(command, 2)[0] <= '9';
    size_t region = slot(command, numbered ? 2 : 1);
    return shmap_view_map(&views[slot(command, 1)], regions[region], &options);
}

static int do_unmap(const struct command *command)
{
    shmap_view_unmap(&views[slot(command, 1)]);
    return 0;
}

static int do_flush(const struct command *command)
{
    return shmap_view_flush(&views[slot(command, 1)], 0, 0,
                            SHMAP_FLUSH_DURABLE);
}

static char *at(const struct command *command, size_t *room)
{
    const shmap_view *view = &views[slot(command, 1)];
    uint64_t offset = number(command, 2);
    if (view->data == NULL || offset >= view->size)
        role_fail("nothing is mapped there");
    *room = view->size - (size_t)offset;
    return (char *)view->data + offset;
}

static int do_put(const struct command *command)
{
    size_t room;
    char *to = at(command, &room);
    snprintf(to, room, "%s", word(command, 3));
    return 0;
}

static int do_get(const struct command *command)
{
    size_t room;
    const char *from = at(command, &room);
    snprintf(answer, sizeof answer, "%.*s", room < 1000 ? (int)room : 1000,
             from);
    return 0;
}

static volatile uint64_t *number_at(const struct command *command)
{
    size_t room;
    char *where = at(command, &room);
    if (room < sizeof(uint64_t) || (uintptr_t)where % sizeof(uint64_t) != 0)
        role_fail("no number can be there");
    return (volatile uint64_t *)(void *)where;
}

static int do_load(const struct command *command)
{
    snprintf(answer, sizeof answer, "%" PRIu64,
             memory_load(number_at(command)));
    return 0;
}

static int do_store(const struct command *command)
{
    memory_store(number_at(command), number(command, 3));
    return 0;
}

static int do_add(const struct command *command)
{
    for (uint64_t times = number(command, 3); times > 0; times--)
        memory_add(number_at(command), 1);
    return 0;
}

static int do_address(const struct command *command)
{
    snprintf(answer, sizeof answer, "0x%" PRIxPTR,
             (uintptr_t)views[slot(command, 1)].data);
    return 0;
}

static int do_probe(const struct command *command)
{
    static const char *const words[] = {"absent", "readable", "writable"};
    const void *address = (const void *)(uintptr_t)number(command, 1);
    snprintf(answer, sizeof answer, "%s", words[memory_probe(address)]);
    return 0;
}

static int do_peek(const struct command *command)
{
    const char *from = (const char *)(uintptr_t)number(command, 1);
    size_t i = 0;
    while (i < 100 && memory_copy(&answer[i], from + i, 1) && answer[i] >= ' ')
        ++i;
    answer[i] = '\0';
    return 0;
}

static int do_heap(const struct command *command)
{
    size_t size = strlen(word(command, 1)) + 1;
    /* The puppet never frees it: the test looks at it until the end. */
    char *copy = malloc(size);
    if (copy == NULL)
        role_fail("no memory");
    memcpy(copy, word(command, 1), size);
    snprintf(answer, sizeof answer, "0x%" PRIxPTR, (uintptr_t)copy);
    return 0;
}

static int do_handles(const struct command *command)
{
    (void)command;
    snprintf(answer, sizeof answer, "%zu", os_open_handles());
    return 0;
}

/* Commands about processes. */

static int do_become(const struct command *command)
{
    if (!os_become_user((unsigned)number(command, 1)))
        role_fail("cannot become that user");
    return 0;
}

static int do_drop(const struct command *command)
{
    if (!os_drop_to_user((unsigned)number(command, 1)))
        role_fail("cannot become that user");
    return 0;
}

static int do_hide(const struct command *command)
{
    (void)command;
    return os_hide_process() ? 0 : SHMAP_ENOTSUP;
}

static int do_owner(const struct command *command)
{
    shmap_region_info info;
    int result = inspect(command, &info);
    snprintf(answer, sizeof answer, "%s", info.user);
    return result;
}

static int do_limit(const struct command *command)
{
    return os_limit_file_size(number(command, 1)) ? 0 : SHMAP_ENOTSUP;
}

static int do_said(const struct command *command)
{
    (void)command;
    snprintf(answer, sizeof answer, "%d", shmap_system_error());
    return 0;
}

static int do_detail(const struct command *command)
{
    (void)command;
    snprintf(answer, sizeof answer, "%s", shmap_error_detail());
    return 0;
}

static void obey(void);

static int do_fork(const struct command *command)
{
    FILE *from;
    FILE *to;
    (void)command;
    int pid = os_fork(&from, &to);
    if (pid < 0)
        role_fail("cannot fork");
    if (pid == 0) {
        puppet_in = from;
        puppet_out = to;
        obey();
        os_exit_now(0);
    }
    forked = pid;
    forked_in = from;
    forked_out = to;
    return 0;
}

/* Pass a command on, and the answer back. */
static void do_child(const char *command)
{
    fprintf(forked_out, "%s\n", command);
    fflush(forked_out);
    if (fgets(answer, sizeof answer, forked_in) == NULL)
        role_fail("the forked child is gone");
    fputs(answer, puppet_out);
    fflush(puppet_out);
}

static int do_spawn(const struct command *command)
{
    (void)command;
    spawned = puppet_start();
    return 0;
}

static void do_grand(const char *command)
{
    const char *line;
    child_tell(spawned, "%s", command);
    line = child_read_line(spawned, PATIENCE);
    if (line == NULL)
        role_fail("the spawned puppet is gone");
    fprintf(puppet_out, "%s\n", line);
    fflush(puppet_out);
}

static int do_orphan(const struct command *command)
{
    (void)command;
    forked = 0;
    return 0;
}

static int do_wait(const struct command *command)
{
    (void)command;
    fclose(forked_out);
    fclose(forked_in);
    snprintf(answer, sizeof answer, "%d", os_fork_wait(forked));
    return 0;
}

static int do_kill(const struct command *command)
{
    os_fork_kill(forked);
    return do_wait(command);
}

static int do_exec(const struct command *command)
{
    (void)command;
    fputs("= 0 \n", puppet_out);
    fflush(puppet_out);
    os_exec_sleeper(puppet_in);
    role_fail("cannot exec");
    return 0;
}

static int do_die(const struct command *command)
{
    (void)command;
    os_kill_self();
    return 0;
}

static int do_exit(const struct command *command)
{
    os_exit_now((int)number(command, 1));
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const struct command *command);
} commands[] = {
    {"create", do_create},
    {"open", do_open},
    {"open_or_create", do_open_or_create},
    {"open_file", do_open_file},
    {"close", do_close},
    {"map", do_map},
    {"unmap", do_unmap},
    {"flush", do_flush},
    {"reap", do_reap},
    {"size", do_size},
    {"flags", do_flags},
    {"native", do_native},
    {"adopt", do_adopt},
    {"export", do_export},
    {"unexport", do_unexport},
    {"import", do_import},
    {"variable", do_variable},
    {"channel_join", do_channel_join},
    {"channel_leave", do_channel_leave},
    {"send", do_send},
    {"receive", do_receive},
    {"seal", do_seal},
    {"seals", do_seals},
    {"access", do_access},
    {"kind", do_kind},
    {"owner", do_owner},
    {"attack", do_attack},
    {"inheritable", do_inheritable},
    {"put", do_put},
    {"get", do_get},
    {"load", do_load},
    {"store", do_store},
    {"add", do_add},
    {"address", do_address},
    {"probe", do_probe},
    {"peek", do_peek},
    {"heap", do_heap},
    {"handles", do_handles},
    {"become", do_become},
    {"drop", do_drop},
    {"hide", do_hide},
    {"limit", do_limit},
    {"said", do_said},
    {"detail", do_detail},
    {"fork", do_fork},
    {"spawn", do_spawn},
    {"orphan", do_orphan},
    {"wait", do_wait},
    {"kill", do_kill},
    {"exec", do_exec},
    {"die", do_die},
    {"exit", do_exit},
};

static int run(const struct command *command)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(commands[i].name, command->words[0]) == 0)
            return commands[i].run(command);
    const char *text = "";
    if (puppet_more == NULL ||
        !puppet_more(command->count, command->words, &text))
        role_fail("no command \"%s\"", command->words[0]);
    snprintf(answer, sizeof answer, "%s", text);
    return 0;
}

static void obey(void)
{
    static char line[4096];
    while (fgets(line, sizeof line, puppet_in) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strncmp(line, "child ", 6) == 0) {
            do_child(line + 6);
            continue;
        }
        if (strncmp(line, "grand ", 6) == 0) {
            do_grand(line + 6);
            continue;
        }
        char *words[WORDS];
        struct command command = {0, words};
        for (char *at = strtok(line, " "); at != NULL && command.count < WORDS;
             at = strtok(NULL, " "))
            words[command.count++] = at;
        if (command.count == 0)
            continue;
        answer[0] = '\0';
        int result = run(&command);
        fprintf(puppet_out, "= %d %s\n", result, answer);
        fflush(puppet_out);
    }
}

int puppet_play(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    puppet_in = stdin;
    puppet_out = stdout;
    obey();
    /* Not return: what a puppet holds is for the system to let go of. */
    os_exit_now(0);
    return 0;
}

/* The other side. */

struct child *puppet_start(void)
{
    return child_start("puppet", NULL);
}

struct child *puppet_start_as(unsigned user)
{
    struct child *child = puppet_start();
    puppet_do(child, "become %u", user);
    return child;
}

static const char *read_answer(struct child *child, int *result)
{
    const char *line = child_read_line(child, PATIENCE);
    char *text = NULL;
    if (line == NULL)
        fail_msg("a puppet does not answer");
    else if (strncmp(line, "= ", 2) == 0)
        *result = (int)strtol(line + 2, &text, 10);
    else
        fail_msg("a puppet says \"%s\"", line);
    return text == NULL ? "" : text + 1;
}

int puppet_result(struct child *child)
{
    int result = SHMAP_ESYSTEM;
    read_answer(child, &result);
    return result;
}

static void tell(struct child *child, const char *format, va_list arguments)
{
    char line[4096];
    vsnprintf(line, sizeof line, format, arguments);
    child_tell(child, "%s", line);
}

int puppet(struct child *child, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(child, format, arguments);
    va_end(arguments);
    return puppet_result(child);
}

const char *puppet_ask(struct child *child, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(child, format, arguments);
    va_end(arguments);
    int result = SHMAP_ESYSTEM;
    const char *text = read_answer(child, &result);
    assert_code(result, 0);
    return text;
}

void puppet_end(struct child *child)
{
    child_close_stdin(child);
    assert_int_equal(child_wait(child, PATIENCE), 0);
}
