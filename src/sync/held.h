/* SPDX-License-Identifier: MIT */

/* The calling thread: its id, and the objects that it holds.
 *
 * The list of what it holds is needed so that this can be abandoned when the
 * memory is unmapped, and is not unmapped by other threads, which look here;
 * and so that the system's list of it (platform.h) never depends on what other
 * processes wrote into shared memory. Every call that locks asks for the thread
 * at its beginning, once.
 *
 * Nothing here knows what can be held: each primitive describes its own objects
 * by a constant, to which every entry points.
 */
#ifndef SHMAP_HELD_H
#define SHMAP_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform.h"

typedef struct shmap__thread shmap__thread;

/* One kind of object that a thread can hold. */
typedef struct shmap__held_kind {
    uint16_t owner;  /* offset of the owner word; with slots, of the first of
                        an array of owner words */
    uint16_t ticket; /* offset of a uint16_t in which the object keeps its
                        ticket; 0: no ticket is kept */
    /* Remove an object from the system's list and from the thread's, and leave
     * it to the caller to tell the system that this is done. NULL: objects of
     * this kind are not in the system's list. */
    void (*forget)(shmap__thread *thread, void *object, unsigned ticket);
    /* Abandon an object that was forgotten: other threads see that its owner
     * has died. */
    void (*abandon)(const shmap__thread *thread, void *object, unsigned slot);
} shmap__held_kind;

/* One lock that a thread holds. Entries are in the order of locking and are
 * numbered from 1: the number is the lock's ticket. */
typedef struct shmap__held {
    void *object; /* NULL: unlocked already, while later ones are not */
    const shmap__held_kind *kind;
    uint16_t slot; /* the index of the owner word; 0 without slots */
} shmap__held;

struct shmap__thread {
    uint64_t id; /* 0: not known yet */
    shmap__os_robust robust;
    uint64_t owner;   /* the thread that holds what follows; after fork it is
                         the parent's, and the child holds nothing */
    uint32_t held_up; /* the last ticket, of a lock that is held; 0: none */
    uint8_t slot;     /* the first slot that it tries as reader */
    uint16_t before;  /* ticket_ of the mutex that it locked last, as it was
                         before the lock */
    shmap__held held[SHMAP_LOCKS_MAX + 1];
    shmap__thread *next; /* see shmap__held_by_others */
};

extern SHMAP__THREAD_LOCAL shmap__thread shmap__this_thread;

/* Find this thread's id. Returns 0, or an error if the system does not tell
 * threads apart. */
SHMAP__SLOW_PATH int shmap__thread_start(void);

/* Return this thread. Its id is 0 if it is not known yet. */
static inline shmap__thread *shmap__thread_here(void)
{
    shmap__thread *thread = &shmap__this_thread;

    SHMAP__KEEP(thread);
    return thread;
}

/* Return this thread; NULL and an error if it cannot be told from others. */
static inline shmap__thread *shmap__thread_get(int *error)
{
    shmap__thread *thread = shmap__thread_here();

    if (thread->id == 0) {
        *error = shmap__thread_start();
        if (*error < 0)
            return NULL;
    }
    return thread;
}

/* Free the tickets of locks that are unlocked already, or were written over.
 * Returns false if no ticket is free: the thread holds SHMAP_LOCKS_MAX locks.
 */
SHMAP__SLOW_PATH bool shmap__held_tidy(shmap__thread *thread);

/* Return whether this thread can hold one more object. */
static inline bool shmap__held_has_room(shmap__thread *thread)
{
    return thread->held_up < SHMAP_LOCKS_MAX || shmap__held_tidy(thread);
}

/* Remember a lock that this thread has now. Returns its ticket. */
static inline unsigned shmap__held_add(shmap__thread *thread,
                                       const shmap__held_kind *kind,
                                       void *object, unsigned slot)
{
    uint32_t ticket = thread->held_up + 1;
    shmap__held *added = &thread->held[ticket];

    shmap__poke_pointer(&added->object, object);
    added->kind = kind;
    added->slot = (uint16_t)slot;
    shmap__poke32(&thread->held_up, ticket);
    return ticket;
}

static inline void shmap__held_remove(shmap__thread *thread, unsigned ticket)
{
    if (ticket != thread->held_up) {
        shmap__poke_pointer(&thread->held[ticket].object, NULL);
        return;
    }
    do {
        ticket--;
    } while (ticket != 0 && thread->held[ticket].object == NULL);
    shmap__poke32(&thread->held_up, ticket);
}

/* Return the object with this ticket if it is of this kind, else NULL. */
static inline void *shmap__held_object(const shmap__thread *thread,
                                       const shmap__held_kind *kind,
                                       unsigned ticket)
{
    if (ticket == 0 || ticket > thread->held_up ||
        thread->held[ticket].kind != kind)
        return NULL;
    return thread->held[ticket].object;
}

/* Return the object of this kind that was locked next after this ticket, or
 * last before it; NULL if there is no other. */
static inline void *shmap__held_above(const shmap__thread *thread,
                                      const shmap__held_kind *kind,
                                      unsigned ticket)
{
    while (++ticket <= thread->held_up) {
        if (thread->held[ticket].kind == kind &&
            thread->held[ticket].object != NULL)
            return thread->held[ticket].object;
    }
    return NULL;
}

static inline void *shmap__held_below(const shmap__thread *thread,
                                      const shmap__held_kind *kind,
                                      unsigned ticket)
{
    while (--ticket != 0) {
        if (thread->held[ticket].kind == kind &&
            thread->held[ticket].object != NULL)
            return thread->held[ticket].object;
    }
    return NULL;
}

/* Remove an object of this kind, which this thread no longer owns: the one at
 * this address, or, if it was locked through another mapping of the same
 * memory, one whose owner word shows that. Not for objects in the system's
 * list. */
void shmap__held_forget(shmap__thread *thread, const shmap__held_kind *kind,
                        const void *object, unsigned slot);

/* Return the latest ticket of the object of this kind at this address, or 0. */
static inline unsigned shmap__held_find(const shmap__thread *thread,
                                        const shmap__held_kind *kind,
                                        const void *object)
{
    unsigned ticket = thread->held_up;

    while (ticket != 0 && (thread->held[ticket].object != object ||
                           thread->held[ticket].kind != kind))
        ticket--;
    return ticket;
}

/* Return whether other threads of this process hold something in a range, or
 * are just about to: they will write to it again, and so must the C library,
 * which takes what is in the system's list for what it locked last. False where
 * the system does not tell of the end of a thread, with which what it holds is
 * forgotten. */
bool shmap__held_by_others(const void *base, size_t size);

/* Abandon what this thread holds in a range that will be unmapped: other
 * threads see that its owner has died. */
void shmap__held_abandon(const void *base, size_t size);

#endif
