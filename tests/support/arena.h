/* SPDX-License-Identifier: MIT */

/* An arena: synchronisation objects that may be scribbled over.
 *
 * It is a region with a cell for each kind of object: a page at a multiple of
 * 64 KiB, to be mapped as a view of its own. In each cell there are some
 * objects, the first at the page's start and the last at its end, and between
 * them bytes that nobody may write to. Mapped by arena_cell_map there is
 * nothing before and behind the page, so what reaches over an object's end
 * either crashes or is found by arena_damage.
 */
#ifndef SHMAP_TEST_ARENA_H
#define SHMAP_TEST_ARENA_H

#include "support.h"

enum arena_kind {
    ARENA_MUTEX = 0,
    ARENA_RWLOCK,
    ARENA_COND, /* struct arena_cond */
    ARENA_EVENT,
    ARENA_SEMAPHORE,
    ARENA_BARRIER,
    ARENA_ONCE,
    ARENA_RECORD, /* with its space */
    ARENA_KINDS
};

#define ARENA_COPIES  4
#define ARENA_OBJECTS (ARENA_KINDS * ARENA_COPIES)
#define ARENA_SIZE    ((size_t)ARENA_KINDS * SHMAP_VIEW_GRANULARITY)

/* The largest value of a record. */
#define ARENA_VALUE_MAX 192

struct arena_cond {
    shmap_cond cond;
    shmap_mutex mutex;
};

struct arena_object {
    enum arena_kind kind;
    size_t at; /* in its cell */
    size_t size;
    size_t value; /* bytes of a record's values */
};

/* number: 0 to ARENA_OBJECTS - 1; those of one kind follow each other. */
struct arena_object arena_object(unsigned number);
const char *arena_kind_name(enum arena_kind kind);
/* The object in a mapping of the whole arena. */
void *arena_at(void *arena, unsigned number);

/* Nobody else uses it: make all objects fresh, and write the bytes between
 * them. */
void arena_clear(void *arena, uint64_t seed);
/* The first byte outside the objects that was written to since, as an offset;
 * -1 if there is none. */
long arena_damage(const void *arena, uint64_t seed);

/* A cell, mapped with nothing around it. */
struct arena_cell {
    shmap_view view;
    void *guarded;
};
/* kind ARENA_KINDS: the region's first page, whatever it is for. */
int arena_cell_map(struct arena_cell *cell, shmap_region *region,
                   enum arena_kind kind, int access);
void arena_cell_unmap(struct arena_cell *cell);

/* Calls, each with a kind of object. */

enum arena_call {
    MUTEX_LOCK,
    MUTEX_UNLOCK,
    MUTEX_CONSISTENT,
    RWLOCK_READ_LOCK,
    RWLOCK_WRITE_LOCK,
    RWLOCK_UNLOCK,
    RWLOCK_CONSISTENT,
    COND_WAIT,
    COND_SIGNAL,
    COND_BROADCAST,
    EVENT_SET,
    EVENT_RESET,
    EVENT_WAIT,
    EVENT_TAKE,
    SEMAPHORE_POST,
    SEMAPHORE_WAIT,
    BARRIER_WAIT,
    ONCE_BEGIN,
    ONCE_COMMIT,
    ONCE_ABANDON,
    RECORD_WRITE,
    RECORD_READ,
    RECORD_WAIT,
    RECORD_READ_ONLY, /* through a view for reading */
    RECORD_WAIT_ONLY,
    ARENA_CALLS
};

const char *arena_call_name(enum arena_call call);
enum arena_kind arena_call_kind(enum arena_call call);
/* Whether it documents errors that can come of what is in the object. */
bool arena_call_can_fail(enum arena_call call);
/* Whether it documents this result. */
bool arena_call_may_answer(enum arena_call call, int result);

struct arena_use {
    enum arena_call call;
    unsigned number; /* of the object */
    struct arena_object object;
    void *at;         /* where it is mapped */
    const void *only; /* a record, mapped for reading */
    unsigned char
        *end; /* of a page of memory for values, with nothing behind */
    int64_t deadline;
    struct dice *dice; /* for all other arguments */
};

/* Make a call. `*wrong` becomes what it did that it must not do, if there is
 * anything: beyond crashing, or a wrong result. */
int arena_call(const struct arena_use *use, const char **wrong);

#endif
