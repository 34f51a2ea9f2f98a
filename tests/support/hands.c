/* SPDX-License-Identifier: MIT */

/* Hands: what they can do, and how they are told. */

#include "hands.h"

#include <uv.h>

#include "threads.h"

#define VIEWS 8

static char region_name[NAME_ROOM];
static shmap_region *region;
static shmap_view views[VIEWS];

enum hand_state { IDLE, TOLD, DONE, ENDING };

struct hand {
    struct hand *next;
    struct child *child; /* NULL: a thread */
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t changed;
    enum hand_state state;
    char command[80];
    int result;
};

static struct hand *hands;

/* Doing. */

struct shared *hands_shared(int view)
{
    if (view < 0 || view >= VIEWS)
        return NULL;
    return views[view].data;
}

static int do_lock(struct shared *at, char kind, unsigned i, int64_t deadline)
{
    switch (kind) {
    case 'm':
        return shmap_mutex_lock(&at->mutex[i], deadline);
    case 'r':
        return shmap_rwlock_read_lock(&at->rwlock[i], deadline);
    case 'w':
        return shmap_rwlock_write_lock(&at->rwlock[i], deadline);
    case 'o':
        return shmap_once_begin(&at->once[i], deadline);
    case 'c':
        return os_robust_lock(at->robust[i % HANDS_ROBUST]);
    default:
        return SHMAP_ESYSTEM;
    }
}

static int do_unlock(struct shared *at, char kind, unsigned i)
{
    switch (kind) {
    case 'm':
        return shmap_mutex_unlock(&at->mutex[i]);
    case 'r':
    case 'w':
        return shmap_rwlock_unlock(&at->rwlock[i]);
    case 'o':
        return shmap_once_abandon(&at->once[i]);
    case 'c':
        return os_robust_unlock(at->robust[i % HANDS_ROBUST]);
    default:
        return SHMAP_ESYSTEM;
    }
}

static int do_consistent(struct shared *at, char kind, unsigned i)
{
    switch (kind) {
    case 'm':
        return shmap_mutex_consistent(&at->mutex[i]);
    case 'r':
    case 'w':
        return shmap_rwlock_consistent(&at->rwlock[i]);
    case 'o':
        return shmap_once_commit(&at->once[i]);
    case 'c':
        return os_robust_consistent(at->robust[i % HANDS_ROBUST]);
    default:
        return SHMAP_ESYSTEM;
    }
}

static int64_t deadline_of(const char *word)
{
    long ms = strtol(word, NULL, 10);
    int64_t now = clock_ms();

    if (strcmp(word, "-") == 0)
        return SHMAP_FOREVER;
    if (ms <= 0)
        return ms;
    return shmap_after(SHMAP_MS(patience_until((int)ms) - now));
}

/* Commands that have an object. */
static int do_with_object(const char *what, const char *object,
                          const char *third, const char *fourth)
{
    bool locks = strcmp(what, "lock") == 0;
    struct shared *at = hands_shared(atoi(locks ? fourth : third));
    unsigned long i = strtoul(object + 1, NULL, 10);

    if (at == NULL || i >= HANDS_LOCKS)
        return SHMAP_ESYSTEM;
    if (locks)
        return do_lock(at, object[0], (unsigned)i, deadline_of(third));
    if (strcmp(what, "unlock") == 0)
        return do_unlock(at, object[0], (unsigned)i);
    return do_consistent(at, object[0], (unsigned)i);
}

/* Have it for a moment, and see that nobody else does. */
static int do_visit(const char *object)
{
    struct shared *at = hands_shared(0);
    unsigned i = (unsigned)strtoul(object + 1, NULL, 10);
    int result = do_lock(at, object[0], i, SHMAP_FOREVER);
    uint64_t others;

    if (SHMAP_FAILED(result))
        return result;
    others = memory_add(&at->number[0], 1);
    for (int looks = 0; looks < 200; looks++)
        others += memory_load(&at->number[0]) - 1;
    memory_add(&at->number[0], UINT64_MAX);
    if (do_unlock(at, object[0], i) != 0)
        return SHMAP_EPERM;
    return others == 0 ? result : SHMAP_EBUSY;
}

static int do_attach(const char *view)
{
    int i = atoi(view);

    return i > 0 && i < VIEWS ? shmap_view_map(&views[i], region, NULL)
                              : SHMAP_ESYSTEM;
}

static int do_detach(const char *view)
{
    int i = atoi(view);

    return i >= 0 && i < VIEWS ? shmap_view_unmap(&views[i]) : SHMAP_ESYSTEM;
}

static int or_not_supported(bool done)
{
    return done ? 0 : SHMAP_ENOTSUP;
}

/* SHMAP_ESYSTEM if it is no command of ours. */
static int obey(const char *what, const char *second, const char *third,
                const char *fourth)
{
    if (strcmp(what, "lock") == 0 || strcmp(what, "unlock") == 0 ||
        strcmp(what, "consistent") == 0)
        return do_with_object(what, second, third, fourth);
    if (strcmp(what, "join") == 0)
        return hands_join(second) == NULL ? SHMAP_ENOENT : 0;
    if (strcmp(what, "visit") == 0)
        return do_visit(second);
    if (strcmp(what, "end-thread") == 0)
        os_end_thread();
    if (strcmp(what, "leave") == 0)
        exit(0);
    if (strcmp(what, "attach") == 0)
        return do_attach(second);
    if (strcmp(what, "detach") == 0)
        return do_detach(second);
    if (strcmp(what, "enter") == 0)
        return or_not_supported(os_enter_pid_namespace(false));
    if (strcmp(what, "enter-proc") == 0)
        return or_not_supported(os_enter_pid_namespace(true));
    if (strcmp(what, "next-pid") == 0)
        return or_not_supported(os_choose_next_pid(atoi(second)));
    if (strcmp(what, "lose-proc") == 0)
        return or_not_supported(os_lose_proc());
    if (strcmp(what, "lose-others") == 0)
        return or_not_supported(os_lose_proc_of_others());
    if (strcmp(what, "lose-sys") == 0)
        return or_not_supported(os_lose_all_but_processes());
    if (strcmp(what, "limit") == 0)
        return or_not_supported(os_limit_handles((unsigned)atoi(second)));
    if (strcmp(what, "fork-sleeper") == 0)
        return os_fork_sleeper();
    if (strcmp(what, "prepare-dump") == 0)
        return or_not_supported(os_prepare_dump());
    if (strcmp(what, "dump") == 0)
        os_dump_core();
    if (strcmp(what, "pid") == 0)
        return os_process_id();
    return SHMAP_ESYSTEM;
}

int hands_obey(const char *command)
{
    char words[4][40] = {"", "", "", ""};

    sscanf(command, "%39s %39s %39s %39s", words[0], words[1], words[2],
           words[3]);
    return obey(words[0], words[1], words[2], words[3]);
}

/* Processes. */

static bool (*obey_others)(int count, char **words, const char **text);

static bool obey_as_puppet(int count, char **words, const char **text)
{
    static char answer[16];
    int result;

    if (obey_others != NULL && obey_others(count, words, text))
        return true;
    result = obey(words[0], count > 1 ? words[1] : "",
                  count > 2 ? words[2] : "", count > 3 ? words[3] : "");
    snprintf(answer, sizeof answer, "%d", result);
    *text = answer;
    return result != SHMAP_ESYSTEM;
}

void hands_enable(void)
{
    obey_others = puppet_more;
    puppet_more = obey_as_puppet;
}

static bool is_path(const char *name)
{
    return strchr(name, '/') != NULL || strchr(name, '\\') != NULL;
}

struct shared *hands_join(const char *name)
{
    int result = is_path(name) ? shmap_region_open_file(&region, name, 0, NULL)
                               : shmap_region_open(&region, name, NULL);

    if (SHMAP_FAILED(result) || shmap_view_map(&views[0], region, NULL) < 0)
        return NULL;
    return hands_shared(0);
}

/* Threads. */

static void work(void *argument)
{
    struct hand *self = argument;

    uv_mutex_lock(&self->mutex);
    for (;;) {
        int result;

        while (self->state != TOLD && self->state != ENDING)
            uv_cond_wait(&self->changed, &self->mutex);
        if (self->state == ENDING)
            break;
        uv_mutex_unlock(&self->mutex);
        result = hands_obey(self->command);
        uv_mutex_lock(&self->mutex);
        self->result = result;
        self->state = DONE;
        uv_cond_broadcast(&self->changed);
    }
    uv_mutex_unlock(&self->mutex);
}

static void set_state(struct hand *to, enum hand_state state)
{
    uv_mutex_lock(&to->mutex);
    to->state = state;
    uv_cond_broadcast(&to->changed);
    uv_mutex_unlock(&to->mutex);
}

/* False if it does not come to be done. */
static bool wait_until_done(struct hand *by)
{
    int64_t until = patience_until(PATIENCE);
    bool done;

    uv_mutex_lock(&by->mutex);
    while (by->state == TOLD) {
        int64_t left = until - clock_ms();

        if (left <= 0 || uv_cond_timedwait(&by->changed, &by->mutex,
                                           (uint64_t)left * 1000000) != 0)
            break;
    }
    done = by->state == DONE;
    if (done)
        by->state = IDLE;
    uv_mutex_unlock(&by->mutex);
    return done;
}

/* Both. */

struct hand *hand_start(enum hand_kind kind)
{
    struct hand *started = calloc(1, sizeof *started);

    assert_non_null(started);
    started->next = hands;
    hands = started;
    if (kind == HAND_PROCESS) {
        started->child = puppet_start();
        hand_do(started, "join %s", region_name);
    } else {
        assert_int_equal(uv_mutex_init(&started->mutex), 0);
        assert_int_equal(uv_cond_init(&started->changed), 0);
        assert_int_equal(uv_thread_create(&started->thread, work, started), 0);
    }
    return started;
}

struct child *hand_child(struct hand *hand)
{
    return hand->child;
}

static void tell_hand(struct hand *to, const char *format, va_list arguments)
{
    char line[sizeof to->command];

    assert_in_range(vsnprintf(line, sizeof line, format, arguments), 1,
                    sizeof line - 1);
    if (to->child != NULL) {
        child_tell(to->child, "%s", line);
        return;
    }
    assert_int_not_equal(to->state, TOLD);
    snprintf(to->command, sizeof to->command, "%s", line);
    set_state(to, TOLD);
}

void hand_tell(struct hand *to, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell_hand(to, format, arguments);
    va_end(arguments);
}

/* The puppet's result, or the number that is its text. */
static int read_answer(struct child *child)
{
    const char *line = child_read_line(child, PATIENCE);
    int result = SHMAP_ESYSTEM;
    int text;
    int count = line == NULL ? 0 : sscanf(line, "= %d %d", &result, &text);

    if (count < 1)
        fail_msg("a hand says \"%s\"", line == NULL ? "" : line);
    return count == 2 && result >= 0 ? text : result;
}

int hand_result(struct hand *of)
{
    if (of->child == NULL) {
        if (!wait_until_done(of))
            fail_msg("a hand does not finish \"%s\"", of->command);
        return of->result;
    }
    return read_answer(of->child);
}

int hand(struct hand *by, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell_hand(by, format, arguments);
    va_end(arguments);
    return hand_result(by);
}

static void forget(struct hand *gone)
{
    struct hand **link = &hands;

    while (*link != gone)
        link = &(*link)->next;
    *link = gone->next;
    free(gone);
}

void hand_end(struct hand *ended)
{
    if (ended->child != NULL) {
        child_end(ended->child);
    } else {
        set_state(ended, ENDING);
        uv_thread_join(&ended->thread);
        uv_cond_destroy(&ended->changed);
        uv_mutex_destroy(&ended->mutex);
    }
    forget(ended);
}

/* The region. */

const char *hands_name(void)
{
    return region_name;
}

struct shared *hands_begin(const char *path)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    /* What a failed test left may still be in use by its threads. */
    hands = NULL;
    memset(views, 0, sizeof views);
    if (path != NULL) {
        snprintf(region_name, sizeof region_name, "%s", path);
        options.create = SHMAP_CREATE_IF_MISSING;
        assert_true(shmap_region_open_file(&region, path, sizeof(struct shared),
                                           &options) >= 0);
    } else {
        unique_name(region_name, "hands");
        assert_code(shmap_region_create(&region, region_name,
                                        sizeof(struct shared), NULL),
                    0);
    }
    assert_code(shmap_view_map(&views[0], region, NULL), 0);
    return hands_shared(0);
}

void hands_end(void)
{
    while (hands != NULL)
        hand_end(hands);
    for (int i = 0; i < VIEWS; i++)
        shmap_view_unmap(&views[i]);
    shmap_region_close(region);
    region = NULL;
}

/* Who is registered as waiting, or has left a mark in the word. */
static bool has_waiters(const struct shared *at, char kind, unsigned i)
{
    const uint64_t count = 0xFFFF;
    const uint64_t mark = UINT64_C(0x80000000);
    const shmap_rwlock *rwlock = &at->rwlock[i];
    const shmap_mutex *mutex = kind == 'w' ? &rwlock->writer_ : &at->mutex[i];

    if (kind == 'r')
        return (memory_load(&rwlock->readers_.who_) & count) != 0;
    if (kind == 'o')
        return (memory_load(&at->once[i].waiters_.who_) & count) != 0;
    if (kind == 'w' && (memory_load(&rwlock->drain_.who_) & count) != 0)
        return true;
    return (memory_load(&mutex->owner_) & mark) != 0 ||
           (memory_load(&mutex->who_) & count) != 0;
}

void hands_wait_for(const char *object)
{
    unsigned i = (unsigned)strtoul(object + 1, NULL, 10);

    assert_eventually(has_waiters(hands_shared(0), object[0], i));
}

void hands_race(const char *role, const char *word, int processes)
{
    struct child *children[HANDS_RACERS];

    assert_in_range(processes, 1, HANDS_RACERS);
    for (int i = 0; i < processes; i++)
        children[i] = child_start(role, region_name, word, NULL);
    for (int i = 0; i < processes; i++)
        child_expect(children[i], "ready");
    for (int i = 0; i < processes; i++)
        child_tell(children[i], "go");
    for (int i = 0; i < processes; i++) {
        const char *line = child_read_line(children[i], 3 * PATIENCE);

        assert_non_null(line);
        assert_string_equal(line, "done");
        assert_int_equal(child_wait(children[i], PATIENCE), 0);
    }
}

bool hands_are_prompt(int64_t since)
{
    return clock_ms() < since + (patience_until(100) - clock_ms());
}

void with_each_kind(void (*body)(struct shared *shared, enum hand_kind kind))
{
    for (int kind = 0; kind < HAND_KINDS; kind++) {
        body(hands_begin(NULL), (enum hand_kind)kind);
        hands_end();
    }
}

void expect_death(shmap_mutex *mutex)
{
    assert_code(shmap_mutex_lock(mutex, SHMAP_TRY), SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_consistent(mutex), 0);
    assert_code(shmap_mutex_consistent(mutex), SHMAP_EINVAL);
    assert_code(shmap_mutex_unlock(mutex), 0);
    assert_code(shmap_mutex_lock(mutex, SHMAP_TRY), 0);
    assert_code(shmap_mutex_unlock(mutex), 0);
}

void expect_life(shmap_mutex *mutex)
{
    assert_code(shmap_mutex_lock(mutex, SHMAP_TRY), 0);
    assert_code(shmap_mutex_unlock(mutex), 0);
}

void hands_order(int n, int order[HANDS_FOUR])
{
    int left[HANDS_FOUR] = {0, 1, 2, 3};
    int weights[HANDS_FOUR] = {6, 2, 1, 1};

    for (int i = 0; i < HANDS_FOUR; i++) {
        int at = n / weights[i] % (HANDS_FOUR - i);

        order[i] = left[at];
        for (int j = at; j + 1 < HANDS_FOUR; j++)
            left[j] = left[j + 1];
    }
}
