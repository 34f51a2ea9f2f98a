/* SPDX-License-Identifier: MIT */

/* What is known of the calling thread: who it is, and what it holds.
 *
 * That is needed so that what it holds can be given up when the memory is
 * unmapped, and is not unmapped by other threads, which look here; and so that
 * the system's list of it (robust.h) never depends on what others wrote into
 * shared memory. Every call that locks begins by asking for this, once.
 */
#ifndef SHMAP_HELD_H
#define SHMAP_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform.h"

enum shmap__held_kind {
    SHMAP__HELD_MUTEX = 1,
    SHMAP__HELD_READ, /* of a rwlock */
    SHMAP__HELD_ONCE
};

/* A place in the order in which things were locked, numbered from 1: its number
 * is what was locked there's ticket. */
typedef struct shmap__held {
    void *object;
    uint16_t kind; /* 0: unlocked already, while later ones are not */
    uint16_t slot; /* of a reader */
} shmap__held;

typedef struct shmap__thread {
    shmap__os_self self;
    shmap__os_status refused; /* the last that could not be told of a thread */
    uint64_t owner;   /* of what follows: after fork, nothing is the child's */
    uint32_t held_up; /* the last ticket; it is one of something held */
    uint8_t slot;     /* where it looks first for a slot as reader */
    uint16_t before;  /* ticket_ of the mutex that it locked last, before */
    bool mixed;       /* see robust.h */
    shmap__held held[SHMAP_LOCKS_MAX + 1];
    struct shmap__thread *next; /* see shmap__held_by_others */
} shmap__thread;

extern SHMAP__THREAD_LOCAL shmap__thread shmap__this_thread;

/* Find out who this thread is. Returns 0, or an error if that cannot be told.
 */
SHMAP__SLOW_PATH int shmap__thread_start(void);

/* This thread, which may not know yet who it is: then its id is 0. */
static inline shmap__thread *shmap__thread_here(void)
{
    shmap__thread *thread = &shmap__this_thread;

    SHMAP__KEEP(thread);
    return thread;
}

/* This thread; NULL and an error if it cannot be told from others. */
static inline shmap__thread *shmap__thread_get(int *error)
{
    shmap__thread *thread = shmap__thread_here();

    if (thread->self.id == 0) {
        *error = shmap__thread_start();
        if (*error < 0)
            return NULL;
    }
    return thread;
}

/* Give up the tickets of what is unlocked already, or was written over. Returns
 * false if there is none: the thread holds SHMAP_LOCKS_MAX locks. */
SHMAP__SLOW_PATH bool shmap__held_tidy(shmap__thread *thread);

/* Whether one more can be held. */
static inline bool shmap__held_has_room(shmap__thread *thread)
{
    return thread->held_up < SHMAP_LOCKS_MAX || shmap__held_tidy(thread);
}

/* Remember a lock that this thread has now. Returns its ticket. */
static inline unsigned shmap__held_add(shmap__thread *thread, int kind,
                                       void *object, unsigned slot)
{
    uint32_t ticket = thread->held_up + 1;
    shmap__held *added = &thread->held[ticket];

    shmap__poke_pointer(&added->object, object);
    shmap__poke16(&added->kind, (uint16_t)kind);
    added->slot = (uint16_t)slot;
    shmap__poke32(&thread->held_up, ticket);
    return ticket;
}

static inline void shmap__held_remove(shmap__thread *thread, unsigned ticket)
{
    if (ticket != thread->held_up) {
        shmap__poke16(&thread->held[ticket].kind, 0);
        return;
    }
    do {
        ticket--;
    } while (ticket != 0 && thread->held[ticket].kind == 0);
    shmap__poke32(&thread->held_up, ticket);
}

/* What has this ticket, if there is such a one of this kind. */
static inline void *shmap__held_object(const shmap__thread *thread,
                                       unsigned ticket, int kind)
{
    if (ticket == 0 || ticket > thread->held_up ||
        thread->held[ticket].kind != kind)
        return NULL;
    return thread->held[ticket].object;
}

/* The mutexes locked next after this ticket and last before it, or NULL. */
static inline shmap_mutex *shmap__held_above(const shmap__thread *thread,
                                             unsigned ticket)
{
    while (++ticket <= thread->held_up) {
        if (thread->held[ticket].kind == SHMAP__HELD_MUTEX)
            return thread->held[ticket].object;
    }
    return NULL;
}

static inline shmap_mutex *shmap__held_below(const shmap__thread *thread,
                                             unsigned ticket)
{
    while (--ticket != 0) {
        if (thread->held[ticket].kind == SHMAP__HELD_MUTEX)
            return thread->held[ticket].object;
    }
    return NULL;
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
    unsigned ticket = thread->held_up;

    while (ticket != 0 && (thread->held[ticket].object != object ||
                           thread->held[ticket].kind != kind))
        ticket--;
    return ticket;
}

/* Whether other threads of this process hold something in a range, or are just
 * about to: they will write to it again, and so must the C library, for which
 * what is in the system's list is what it locked last. False where the end of a
 * thread is not told, with which what it holds is forgotten. */
bool shmap__held_by_others(const void *base, size_t size);

/* Give up, as died, what this thread holds in a range that will be unmapped. */
void shmap__held_give_up(const void *base, size_t size);

/* What giving up means: for mutexes, in two steps. */
void shmap__mutex_forget(shmap__thread *thread, shmap_mutex *mutex,
                         unsigned ticket);
void shmap__mutex_give_up(const shmap__thread *thread, shmap_mutex *mutex);
void shmap__rwlock_give_up(const shmap__thread *thread, shmap_rwlock *rwlock,
                           unsigned slot);
void shmap__once_give_up(const shmap__thread *thread, shmap_once *once);

#endif
