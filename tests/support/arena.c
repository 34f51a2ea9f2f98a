/* SPDX-License-Identifier: MIT */

/* The arena's layout and its guards, and the calls that use it. */

#include "arena.h"

#include "guard.h"

/* Bytes between two objects. */
#define GAP 64

#define TRIES 100

/* Layout. */

static const char *const kind_names[ARENA_KINDS] = {
    "mutex",     "rwlock",  "cond", "event",
    "semaphore", "barrier", "once", "record"};

static const size_t sizes[ARENA_KINDS] = {
    sizeof(shmap_mutex),       sizeof(shmap_rwlock),
    sizeof(struct arena_cond), sizeof(shmap_event),
    sizeof(shmap_semaphore),   sizeof(shmap_barrier),
    sizeof(shmap_once),        0};

/* One that fills its place, also at the page's end. */
static const size_t values[ARENA_COPIES] = {64, 40, ARENA_VALUE_MAX, 128};

const char *arena_kind_name(enum arena_kind kind)
{
    return kind_names[kind];
}

static size_t size_of(enum arena_kind kind, unsigned copy)
{
    return kind == ARENA_RECORD ? SHMAP_RECORD_SIZE(values[copy]) : sizes[kind];
}

struct arena_object arena_object(unsigned number)
{
    struct arena_object object = {.kind =
                                      (enum arena_kind)(number / ARENA_COPIES)};
    unsigned copy = number % ARENA_COPIES;
    object.size = size_of(object.kind, copy);
    if (object.kind == ARENA_RECORD)
        object.value = values[copy];
    if (copy == ARENA_COPIES - 1)
        object.at = os_page_size() - object.size;
    else
        for (unsigned before = 0; before < copy; before++)
            object.at += size_of(object.kind, before) + GAP;
    return object;
}

void *arena_at(void *arena, unsigned number)
{
    struct arena_object object = arena_object(number);
    return (char *)arena + (size_t)object.kind * SHMAP_VIEW_GRANULARITY +
           object.at;
}

/* Bytes that nobody writes. */

static unsigned char pattern(uint64_t seed, size_t at)
{
    uint64_t mixed = (at + seed) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned char)(mixed >> 56 | 1);
}

static void mark_objects(bool *is_object, enum arena_kind kind)
{
    memset(is_object, 0, os_page_size() * sizeof *is_object);
    for (unsigned copy = 0; copy < ARENA_COPIES; copy++) {
        struct arena_object object =
            arena_object((unsigned)kind * ARENA_COPIES + copy);
        for (size_t i = 0; i < object.size; i++)
            is_object[object.at + i] = true;
    }
}

static bool *make_marks(void)
{
    bool *marks = malloc(os_page_size() * sizeof *marks);
    if (marks == NULL)
        abort();
    return marks;
}

void arena_clear(void *arena, uint64_t seed)
{
    bool *is_object = make_marks();
    for (int kind = 0; kind < ARENA_KINDS; kind++) {
        unsigned char *cell =
            (unsigned char *)arena + (size_t)kind * SHMAP_VIEW_GRANULARITY;
        mark_objects(is_object, (enum arena_kind)kind);
        for (size_t i = 0; i < os_page_size(); i++)
            cell[i] = is_object[i] ? 0 : pattern(seed, i);
    }
    free(is_object);
}

static bool is_damaged(const unsigned char *cell, const bool *is_object,
                       size_t at, uint64_t seed)
{
    if (at >= os_page_size())
        return cell[at] != 0;
    return !is_object[at] && cell[at] != pattern(seed, at);
}

long arena_damage(const void *arena, uint64_t seed)
{
    bool *is_object = make_marks();
    long found = -1;
    for (int kind = 0; kind < ARENA_KINDS && found < 0; kind++) {
        size_t start = (size_t)kind * SHMAP_VIEW_GRANULARITY;
        const unsigned char *cell = (const unsigned char *)arena + start;
        mark_objects(is_object, (enum arena_kind)kind);
        for (size_t i = 0; i < SHMAP_VIEW_GRANULARITY && found < 0; i++)
            if (is_damaged(cell, is_object, i, seed))
                found = (long)(start + i);
    }
    free(is_object);
    return found;
}

/* Cells. */

int arena_cell_map(struct arena_cell *cell, shmap_region *region,
                   enum arena_kind kind, int access)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    int result = SHMAP_ENOMEM;
    options.offset =
        kind == ARENA_KINDS ? 0 : (uint64_t)kind * SHMAP_VIEW_GRANULARITY;
    options.size = os_page_size();
    options.access = access;
    for (int i = 0; i < TRIES; i++) {
        options.address = cell->guarded = guard_make(os_page_size());
        if (cell->guarded == NULL)
            return SHMAP_ENOMEM;
        result = shmap_view_map(&cell->view, region, &options);
        if (result == 0)
            return 0;
        guard_release(cell->guarded, os_page_size());
        cell->guarded = NULL;
        if (result != SHMAP_EADDRINUSE) /* Another thread was faster. */
            break;
    }
    return result;
}

void arena_cell_unmap(struct arena_cell *cell)
{
    shmap_view_unmap(&cell->view);
    guard_release(cell->guarded, os_page_size());
    cell->guarded = NULL;
}

/* Calls. */

enum { RESULTS = 7 };

struct calling {
    const char *name;
    enum arena_kind kind;
    int errors; /* how many of the results that are not 0 */
    int results[RESULTS];
};

/* What locking answers. 0 may always be. */
#define LOCKING                                                      \
    {                                                                \
        SHMAP_ETIMEDOUT, SHMAP_EDEADLK, SHMAP_ENOLCK, SHMAP_ENOTSUP, \
            SHMAP_OWNER_DIED                                         \
    }
#define READING                                     \
    {                                               \
        SHMAP_ENOTREADY, SHMAP_EBUSY, SHMAP_ELAYOUT \
    }

static const struct calling callings[ARENA_CALLS] = {
    {"mutex_lock", ARENA_MUTEX, 4, LOCKING},
    {"mutex_unlock", ARENA_MUTEX, 1, {SHMAP_EPERM}},
    {"mutex_consistent", ARENA_MUTEX, 2, {SHMAP_EPERM, SHMAP_EINVAL}},
    {"rwlock_read_lock", ARENA_RWLOCK, 4, LOCKING},
    {"rwlock_write_lock", ARENA_RWLOCK, 4, LOCKING},
    {"rwlock_unlock", ARENA_RWLOCK, 1, {SHMAP_EPERM}},
    {"rwlock_consistent", ARENA_RWLOCK, 2, {SHMAP_EPERM, SHMAP_EINVAL}},
    {"cond_wait",
     ARENA_COND,
     3,
     {SHMAP_ETIMEDOUT, SHMAP_EPERM, SHMAP_EDEADLK, SHMAP_OWNER_DIED}},
    {"cond_signal", ARENA_COND, 0, {0}},
    {"cond_broadcast", ARENA_COND, 0, {0}},
    {"event_set", ARENA_EVENT, 0, {0}},
    {"event_reset", ARENA_EVENT, 0, {0}},
    {"event_wait", ARENA_EVENT, 1, {SHMAP_ETIMEDOUT}},
    {"event_take", ARENA_EVENT, 1, {SHMAP_ETIMEDOUT}},
    {"semaphore_post", ARENA_SEMAPHORE, 1, {SHMAP_EOVERFLOW}},
    {"semaphore_wait", ARENA_SEMAPHORE, 1, {SHMAP_ETIMEDOUT}},
    {"barrier_wait",
     ARENA_BARRIER,
     2,
     {SHMAP_ETIMEDOUT, SHMAP_EINVAL, SHMAP_LAST}},
    {"once_begin",
     ARENA_ONCE,
     4,
     {SHMAP_ETIMEDOUT, SHMAP_EDEADLK, SHMAP_ENOLCK, SHMAP_ENOTSUP,
      SHMAP_OWNER_DIED, SHMAP_ONCE_YOURS}},
    {"once_commit", ARENA_ONCE, 1, {SHMAP_EPERM}},
    {"once_abandon", ARENA_ONCE, 1, {SHMAP_EPERM}},
    {"record_write",
     ARENA_RECORD,
     3,
     {SHMAP_EBUSY, SHMAP_ELAYOUT, SHMAP_ENOTSUP}},
    {"record_read", ARENA_RECORD, 3, READING},
    {"record_wait", ARENA_RECORD, 1, {SHMAP_ETIMEDOUT}},
    {"record_read, read-only", ARENA_RECORD, 3, READING},
    {"record_wait, read-only", ARENA_RECORD, 1, {SHMAP_ETIMEDOUT}},
};

const char *arena_call_name(enum arena_call call)
{
    return callings[call].name;
}

enum arena_kind arena_call_kind(enum arena_call call)
{
    return callings[call].kind;
}

bool arena_call_can_fail(enum arena_call call)
{
    return callings[call].errors != 0;
}

bool arena_call_may_answer(enum arena_call call, int result)
{
    for (int i = 0; i < RESULTS; i++)
        if (callings[call].results[i] == result)
            return true;
    return result == 0;
}

static int write_record(const struct arena_use *use)
{
    unsigned char *value = use->end - use->object.value;
    memset(value, (int)dice_roll(use->dice, 256), use->object.value);
    return shmap_record_write(use->at, value, use->object.value);
}

/* What is before the buffer stays as it is; behind it there is nothing. */
static int read_record(const struct arena_use *use, const shmap_record *record,
                       const char **wrong)
{
    enum { BEFORE = 256, MARK = 0x5A };
    unsigned char *value = use->end - use->object.value;
    uint64_t version[3] = {UINT64_MAX, 0, UINT64_MAX};
    int result;
    memset(value - BEFORE, MARK, BEFORE);
    result = shmap_record_read(record, value, use->object.value, &version[1]);
    for (int i = 1; i <= BEFORE; i++)
        if (value[-i] != MARK)
            *wrong = "it wrote before the buffer";
    if (version[0] != UINT64_MAX || version[2] != UINT64_MAX)
        *wrong = "it wrote beside the version";
    if ((result == 0) != (version[1] != 0))
        *wrong = "it gave a version with an error, or none";
    return result;
}

static int wait_for_record(const struct arena_use *use,
                           const shmap_record *record)
{
    uint64_t version =
        dice_roll(use->dice, 4) == 0 ? 0 : memory_load(&record->version_);
    return shmap_record_wait(record, version, use->deadline);
}

static int use_mutex(const struct arena_use *use)
{
    switch (use->call) {
    case MUTEX_LOCK:
        return shmap_mutex_lock(use->at, use->deadline);
    case MUTEX_UNLOCK:
        return shmap_mutex_unlock(use->at);
    default:
        return shmap_mutex_consistent(use->at);
    }
}

static int use_rwlock(const struct arena_use *use)
{
    switch (use->call) {
    case RWLOCK_READ_LOCK:
        return shmap_rwlock_read_lock(use->at, use->deadline);
    case RWLOCK_WRITE_LOCK:
        return shmap_rwlock_write_lock(use->at, use->deadline);
    case RWLOCK_UNLOCK:
        return shmap_rwlock_unlock(use->at);
    default:
        return shmap_rwlock_consistent(use->at);
    }
}

static int use_cond(const struct arena_use *use)
{
    struct arena_cond *pair = use->at;
    switch (use->call) {
    case COND_WAIT:
        return shmap_cond_wait(&pair->cond, &pair->mutex, use->deadline);
    case COND_SIGNAL:
        return shmap_cond_signal(&pair->cond);
    default:
        return shmap_cond_broadcast(&pair->cond);
    }
}

static int use_event(const struct arena_use *use)
{
    switch (use->call) {
    case EVENT_SET:
        return shmap_event_set(use->at);
    case EVENT_RESET:
        return shmap_event_reset(use->at);
    case EVENT_WAIT:
        return shmap_event_wait(use->at, use->deadline);
    default:
        return shmap_event_take(use->at, use->deadline);
    }
}

static int use_once(const struct arena_use *use)
{
    switch (use->call) {
    case ONCE_BEGIN:
        return shmap_once_begin(use->at, use->deadline);
    case ONCE_COMMIT:
        return shmap_once_commit(use->at);
    default:
        return shmap_once_abandon(use->at);
    }
}

static int use_record(const struct arena_use *use, const char **wrong)
{
    switch (use->call) {
    case RECORD_WRITE:
        return write_record(use);
    case RECORD_READ:
        return read_record(use, use->at, wrong);
    case RECORD_WAIT:
        return wait_for_record(use, use->at);
    case RECORD_READ_ONLY:
        return read_record(use, use->only, wrong);
    default:
        return wait_for_record(use, use->only);
    }
}

static int use_semaphore(const struct arena_use *use)
{
    uint32_t count = dice_roll(use->dice, 8) == 0 ? SHMAP_SEMAPHORE_MAX
                                                  : 1 + dice_roll(use->dice, 3);
    return use->call == SEMAPHORE_POST
               ? shmap_semaphore_post(use->at, count)
               : shmap_semaphore_wait(use->at, use->deadline);
}

int arena_call(const struct arena_use *use, const char **wrong)
{
    switch (use->object.kind) {
    case ARENA_MUTEX:
        return use_mutex(use);
    case ARENA_RWLOCK:
        return use_rwlock(use);
    case ARENA_COND:
        return use_cond(use);
    case ARENA_EVENT:
        return use_event(use);
    case ARENA_SEMAPHORE:
        return use_semaphore(use);
    case ARENA_BARRIER:
        return shmap_barrier_wait(use->at, 1 + dice_roll(use->dice, 3),
                                  use->deadline);
    case ARENA_ONCE:
        return use_once(use);
    default:
        return use_record(use, wrong);
    }
}
