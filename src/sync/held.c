/* SPDX-License-Identifier: MIT */

/* The calling thread: its id, and the objects that it holds. */
#include "sync/held.h"

#include <stdint.h>

#include "base/error.h"
#include "sync/ownerword.h"

SHMAP__THREAD_LOCAL shmap__thread shmap__this_thread;

/* Return the slot that a thread tries first: threads spread over the
 * processors' cache lines, of eight slots each. */
static uint8_t first_slot(uint64_t id)
{
    enum { PER_LINE = 8, LINES = SHMAP_RWLOCK_READERS / PER_LINE };
    unsigned number = (unsigned)id ^ (unsigned)(id >> 32);

    return (uint8_t)(number % LINES * PER_LINE + number / LINES % PER_LINE);
}

static const uint64_t *owner_word(const shmap__held *held)
{
    const char *object = held->object;

    return (const uint64_t *)(const void *)(object + held->kind->owner) +
           held->slot;
}

static bool is_owned(const shmap__thread *thread, const shmap__held *held)
{
    return shmap__owner_of(shmap__load64(owner_word(held))) == thread->id;
}

/* Return whether another thread has written over the owner word: this thread no
 * longer has the lock of this ticket, or could lock the object once more. */
static bool is_lost(const shmap__thread *thread, unsigned ticket)
{
    const uint64_t *word = owner_word(&thread->held[ticket]);

    if (!is_owned(thread, &thread->held[ticket]))
        return true;
    while (++ticket <= thread->held_up) {
        if (thread->held[ticket].object != NULL &&
            owner_word(&thread->held[ticket]) == word)
            return true;
    }
    return false;
}

/* Remove an entry from this thread's list and the system's. Removing from the
 * latter has only begun: shmap__os_robust_end ends it. */
static void forget_entry(shmap__thread *thread, unsigned ticket)
{
    const shmap__held *held = &thread->held[ticket];

    if (held->kind->forget != NULL)
        held->kind->forget(thread, held->object, ticket);
    else
        shmap__held_remove(thread, ticket);
}

static void forget_lost(shmap__thread *thread)
{
    for (unsigned ticket = thread->held_up; ticket != 0; ticket--) {
        if (thread->held[ticket].object == NULL || !is_lost(thread, ticket))
            continue;
        forget_entry(thread, ticket);
        shmap__os_robust_end(&thread->robust);
    }
}

/* Move an entry to a lower ticket, and tell the object if it keeps its ticket.
 */
static void renumber(shmap__thread *thread, unsigned from, unsigned to)
{
    const shmap__held *held = &thread->held[from];
    char *kept = (char *)held->object + held->kind->ticket;

    if (held->kind->ticket != 0)
        shmap__poke16((uint16_t *)(void *)kept, (uint16_t)to);
    shmap__poke_pointer(&thread->held[to].object, held->object);
    thread->held[to].kind = held->kind;
    thread->held[to].slot = held->slot;
}

bool shmap__held_tidy(shmap__thread *thread)
{
    unsigned kept = 0;

    forget_lost(thread);
    for (unsigned ticket = 1; ticket <= thread->held_up; ticket++) {
        if (thread->held[ticket].object != NULL)
            renumber(thread, ticket, ++kept);
    }
    shmap__poke32(&thread->held_up, kept);
    return kept < SHMAP_LOCKS_MAX;
}

void shmap__held_forget(shmap__thread *thread, const shmap__held_kind *kind,
                        const void *object, unsigned slot)
{
    unsigned other = 0;
    unsigned ticket;

    for (ticket = thread->held_up; ticket != 0; ticket--) {
        const shmap__held *found = &thread->held[ticket];

        if (found->object == NULL || found->kind != kind || found->slot != slot)
            continue;
        if (found->object == object)
            break;
        if (other == 0 && !is_owned(thread, found))
            other = ticket;
    }
    if (ticket == 0)
        ticket = other;
    if (ticket != 0)
        shmap__held_remove(thread, ticket);
}

/* The threads of one process that may hold something and of whose end the
 * system tells. shmap__os_threads_lock guards both. */
static shmap__thread *threads;
static uint32_t threads_process;

static void lock_threads(void)
{
    uint32_t process = shmap__os_threads_lock();

    /* A forked child has only the thread that forked. */
    if (process != threads_process)
        threads = NULL;
    threads_process = process;
}

static void watch(shmap__thread *thread)
{
    shmap__thread *at;

    lock_threads();
    for (at = threads; at != NULL && at != thread;)
        at = at->next;
    if (at == NULL) {
        thread->next = threads;
        threads = thread;
    }
    shmap__os_threads_unlock();
}

static void unwatch(const shmap__thread *thread)
{
    lock_threads();
    for (shmap__thread **at = &threads; *at != NULL; at = &(*at)->next) {
        if (*at == thread) {
            *at = thread->next;
            break;
        }
    }
    shmap__os_threads_unlock();
}

static bool is_inside(const void *at, const void *base, size_t size)
{
    return (uintptr_t)at - (uintptr_t)base < size;
}

/* Return whether a thread, which goes on meanwhile, holds something in a range.
 */
static bool holds(shmap__thread *thread, const void *base, size_t size)
{
    uint32_t held_up = shmap__peek32(&thread->held_up);

    for (uint32_t ticket = 1; ticket <= held_up; ticket++) {
        const void *object = shmap__peek_pointer(&thread->held[ticket].object);

        if (is_inside(object, base, size))
            return true;
    }
    return is_inside(shmap__os_robust_pending(&thread->robust), base, size);
}

bool shmap__held_by_others(const void *base, size_t size)
{
    bool found = false;

    lock_threads();
    for (shmap__thread *at = threads; at != NULL && !found; at = at->next)
        found = at != shmap__thread_here() && holds(at, base, size);
    shmap__os_threads_unlock();
    return found;
}

/* Abandon one object. `listed` tells whether it is in the system's list. */
static void abandon_entry(shmap__thread *thread, unsigned ticket, bool listed)
{
    const shmap__held held = thread->held[ticket];

    if (listed)
        forget_entry(thread, ticket);
    held.kind->abandon(thread, held.object, held.slot);
    shmap__os_robust_end(&thread->robust);
}

void shmap__held_abandon(const void *base, size_t size)
{
    shmap__thread *thread = shmap__thread_here();

    if (thread->id == 0)
        return;
    for (unsigned ticket = thread->held_up; ticket != 0; ticket--) {
        const void *object = thread->held[ticket].object;

        if (object != NULL && is_inside(object, base, size))
            abandon_entry(thread, ticket, true);
    }
}

/* Return the last object that is in the system's list, or NULL. */
static void *last_listed(const shmap__thread *thread)
{
    unsigned ticket = thread->held_up;

    while (ticket != 0 && (thread->held[ticket].object == NULL ||
                           thread->held[ticket].kind->forget == NULL))
        ticket--;
    return ticket == 0 ? NULL : thread->held[ticket].object;
}

/* Abandon all that a thread holds, at its end. Some of it may have been
 * unmapped without this library, and could not be removed from the system's
 * list one by one. */
static void abandon_all(void)
{
    shmap__thread *thread = shmap__thread_here();
    bool emptied;

    unwatch(thread);
    if (thread->id == 0)
        return;
    /* First remove all from the system's list: the next owner of an object
     * writes to its node. */
    emptied = shmap__os_robust_empty(&thread->robust, last_listed(thread));
    for (unsigned ticket = thread->held_up; ticket != 0; ticket--) {
        const void *object = thread->held[ticket].object;

        if (object != NULL && shmap__os_is_mapped(object))
            abandon_entry(thread, ticket, !emptied);
    }
    shmap__poke32(&thread->held_up, 0);
}

int shmap__thread_start(void)
{
    shmap__thread *thread = &shmap__this_thread;

    int error =
        shmap__remember(shmap__os_self_find(&thread->id, &thread->robust));

    if (error < 0)
        return error;
    thread->slot = first_slot(thread->id);
    if (thread->owner != thread->id) {
        thread->owner = thread->id;
        shmap__poke32(&thread->held_up, 0);
    }
    if (shmap__os_at_thread_end(abandon_all))
        watch(thread);
    return 0;
}
