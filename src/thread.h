/* SPDX-License-Identifier: MIT */

/* What is known of the calling thread: who it is, and what it holds.
 *
 * That is needed so that what it holds can be given up when the memory is
 * unmapped, and so that the system's list of it (robust.h) never depends on
 * what others wrote into shared memory. Every call that locks begins by asking
 * for this, once.
 */
#ifndef SHMAP_THREAD_H
#define SHMAP_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "platform.h"

enum shmap__held_kind {
    SHMAP__HELD_MUTEX = 1,
    SHMAP__HELD_READ, /* of a rwlock */
    SHMAP__HELD_ONCE
};

typedef struct shmap__held {
    void *object;
    uint8_t kind; /* 0: unused */
    uint8_t slot; /* of a reader */
    uint8_t
        above; /* tickets: what was locked next, and has not been unlocked */
    uint8_t below; /* what was locked last before; unused: the next unused */
} shmap__held;

typedef struct shmap__thread {
    shmap__os_self self;
    uint64_t owner; /* of what follows: after fork, nothing is the child's */
    uint16_t used;  /* tickets that were ever given */
    uint16_t count;
    uint8_t top;    /* ticket of what was locked last; 0: nothing */
    uint8_t unused; /* first of the tickets that came back */
    bool mixed;     /* see robust.h */
    uint8_t slot;   /* where it looks first for a slot as reader */
    shmap__held held[SHMAP_LOCKS_MAX + 1]; /* by ticket; the first is none */
} shmap__thread;

extern SHMAP__THREAD_LOCAL shmap__thread shmap__this_thread;

/* Find out who this thread is. Returns 0, or an error if that cannot be told.
 */
int shmap__thread_start(void);

/* This thread; NULL and an error if it cannot be told from others. */
static inline shmap__thread *shmap__thread_get(int *error)
{
    shmap__thread *thread = &shmap__this_thread;

    if (thread->self.id == 0) {
        *error = shmap__thread_start();
        if (*error < 0)
            return NULL;
    }
    return thread;
}

static inline bool shmap__thread_is_full(const shmap__thread *thread)
{
    return thread->count == SHMAP_LOCKS_MAX;
}

/* Remember a lock that this thread has now. Returns its ticket, above 0. */
static inline uint8_t shmap__held_add(shmap__thread *thread, int kind,
                                      void *object, unsigned slot)
{
    uint8_t ticket = thread->unused;
    shmap__held *added;

    if (ticket != 0)
        thread->unused = thread->held[ticket].below;
    else
        ticket = (uint8_t)++thread->used;
    added = &thread->held[ticket];
    added->object = object;
    added->kind = (uint8_t)kind;
    added->slot = (uint8_t)slot;
    added->above = 0;
    added->below = thread->top;
    thread->held[thread->top].above = ticket;
    thread->top = ticket;
    thread->count++;
    return ticket;
}

static inline void shmap__held_remove(shmap__thread *thread, unsigned ticket)
{
    shmap__held *removed = &thread->held[ticket];

    if (removed->above != 0)
        thread->held[removed->above].below = removed->below;
    else
        thread->top = removed->below;
    thread->held[removed->below].above = removed->above;
    removed->kind = 0;
    removed->below = thread->unused;
    thread->unused = (uint8_t)ticket;
    thread->count--;
}

/* What was added with this ticket, if there is such a one of this kind. */
static inline void *shmap__held_object(const shmap__thread *thread,
                                       unsigned ticket, int kind)
{
    if (ticket == 0 || ticket > SHMAP_LOCKS_MAX ||
        thread->held[ticket].kind != kind)
        return NULL;
    return thread->held[ticket].object;
}

/* The mutexes locked next after this one and last before it, or NULL. */
static inline shmap_mutex *shmap__held_above(const shmap__thread *thread,
                                             unsigned ticket)
{
    do {
        ticket = thread->held[ticket].above;
    } while (ticket != 0 && thread->held[ticket].kind != SHMAP__HELD_MUTEX);
    return ticket == 0 ? NULL : thread->held[ticket].object;
}

static inline shmap_mutex *shmap__held_below(const shmap__thread *thread,
                                             unsigned ticket)
{
    do {
        ticket = thread->held[ticket].below;
    } while (ticket != 0 && thread->held[ticket].kind != SHMAP__HELD_MUTEX);
    return ticket == 0 ? NULL : thread->held[ticket].object;
}

/* Forget what this thread no longer owns: the object at this address, or, if it
 * was locked through another mapping of the same memory, what shows it. Not for
 * mutexes. */
void shmap__held_forget(shmap__thread *thread, int kind, const void *object,
                        unsigned slot);

/* The ticket of what this thread holds at this address, the latest first; 0 if
 * there is nothing. */
static inline unsigned shmap__held_find(const shmap__thread *thread, int kind,
                                        const void *object)
{
    unsigned ticket = thread->top;

    while (ticket != 0 && (thread->held[ticket].object != object ||
                           thread->held[ticket].kind != kind))
        ticket = thread->held[ticket].below;
    return ticket;
}

/* Give up, as died, what this thread holds in a range that will be unmapped. */
void shmap__held_give_up(const void *base, size_t size);

/* What giving up means. */
void shmap__mutex_give_up(shmap__thread *thread, shmap_mutex *mutex,
                          unsigned ticket);
void shmap__rwlock_give_up(const shmap__thread *thread, shmap_rwlock *rwlock,
                           unsigned slot);
void shmap__once_give_up(const shmap__thread *thread, shmap_once *once);

#endif
