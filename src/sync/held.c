/* SPDX-License-Identifier: MIT */

/* What is known of the calling thread. */
#include "sync/held.h"

#include <stdint.h>

#include "sync/ownerword.h"
#include "sync/robust.h"

SHMAP__THREAD_LOCAL shmap__thread shmap__this_thread;

/* Where a thread looks for a slot first: threads spread over the processors'
 * cache lines, of eight slots each. */
static uint8_t first_slot(uint64_t id)
{
    enum { PER_LINE = 8, LINES = SHMAP_RWLOCK_READERS / PER_LINE };
    unsigned number = (unsigned)id ^ (unsigned)(id >> 32);

    return (uint8_t)(number % LINES * PER_LINE + number / LINES % PER_LINE);
}

/* Whether the word that says so is still this thread's. */
static bool is_owned(const shmap__thread *thread, const shmap__held *held)
{
    const uint64_t *word;

    if (held->kind == SHMAP__HELD_READ)
        word = &((const shmap_rwlock *)held->object)->reader_[held->slot];
    else if (held->kind == SHMAP__HELD_ONCE)
        word = &((const shmap_once *)held->object)->owner_;
    else
        word = &((const shmap_mutex *)held->object)->owner_;
    return shmap__owner_of(shmap__load64(word)) == thread->self.id;
}

/* Whether somebody has written over what was held: the thread no longer has it,
 * or could lock it once more. */
static bool is_lost(const shmap__thread *thread, unsigned ticket)
{
    const shmap__held *held = &thread->held[ticket];

    if (!is_owned(thread, held))
        return true;
    return held->kind != SHMAP__HELD_READ &&
           shmap__held_find(thread, held->kind, held->object) != ticket;
}

static void forget_lost(shmap__thread *thread)
{
    for (unsigned ticket = thread->held_up; ticket != 0; ticket--) {
        const shmap__held *held = &thread->held[ticket];

        if (held->kind == 0 || !is_lost(thread, ticket))
            continue;
        if (held->kind == SHMAP__HELD_MUTEX) {
            shmap__mutex_forget(thread, held->object, ticket);
            shmap__robust_end(thread);
        } else {
            shmap__held_remove(thread, ticket);
        }
    }
}

bool shmap__held_tidy(shmap__thread *thread)
{
    unsigned kept = 0;

    forget_lost(thread);
    for (unsigned ticket = 1; ticket <= thread->held_up; ticket++) {
        shmap__held held = thread->held[ticket];

        if (held.kind == 0)
            continue;
        kept++;
        shmap__poke_pointer(&thread->held[kept].object, held.object);
        shmap__poke16(&thread->held[kept].kind, held.kind);
        thread->held[kept].slot = held.slot;
        if (held.kind == SHMAP__HELD_MUTEX)
            shmap__poke16(&((shmap_mutex *)held.object)->ticket_,
                          (uint16_t)kept);
    }
    shmap__poke32(&thread->held_up, kept);
    return kept < SHMAP_LOCKS_MAX;
}

void shmap__held_forget(shmap__thread *thread, int kind, const void *object,
                        unsigned slot)
{
    unsigned other = 0;
    unsigned ticket;

    for (ticket = thread->held_up; ticket != 0; ticket--) {
        const shmap__held *found = &thread->held[ticket];

        if (found->kind != kind || found->slot != slot)
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

/* The threads of one process that may hold something and whose end is told.
 * shmap__os_threads_lock guards both. */
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

/* Whether this thread, which goes on meanwhile, holds something in a range. */
static bool holds(shmap__thread *thread, const void *base, size_t size)
{
    uint32_t held_up = shmap__peek32(&thread->held_up);

    for (uint32_t ticket = 1; ticket <= held_up; ticket++) {
        const shmap__held *held = &thread->held[ticket];

        if (shmap__peek16(&held->kind) != 0 &&
            is_inside(shmap__peek_pointer(&held->object), base, size))
            return true;
    }
    return is_inside(shmap__robust_pending(thread), base, size);
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

/* What was held, and is in the list of it no longer. */
static void give_up(const shmap__thread *thread, const shmap__held *held)
{
    switch (held->kind) {
    case SHMAP__HELD_MUTEX:
        shmap__mutex_give_up(thread, held->object);
        break;
    case SHMAP__HELD_READ:
        shmap__rwlock_give_up(thread, held->object, held->slot);
        break;
    case SHMAP__HELD_ONCE:
        shmap__once_give_up(thread, held->object);
        break;
    default: /* A hole. */
        break;
    }
}

void shmap__held_give_up(const void *base, size_t size)
{
    shmap__thread *thread = shmap__thread_here();

    if (thread->self.id == 0)
        return;
    for (unsigned ticket = thread->held_up; ticket != 0; ticket--) {
        shmap__held found = thread->held[ticket];

        if (found.kind == 0 || !is_inside(found.object, base, size))
            continue;
        if (found.kind == SHMAP__HELD_MUTEX)
            shmap__mutex_forget(thread, found.object, ticket);
        else
            shmap__held_remove(thread, ticket);
        give_up(thread, &found);
    }
}

/* At the thread's end. Some of it may have been unmapped without this library,
 * and could not be taken out of the system's list one by one. */
static void give_up_all(void)
{
    shmap__thread *thread = shmap__thread_here();
    bool emptied;

    unwatch(thread);
    if (thread->self.id == 0)
        return;
    /* First out of the list, and then given up: who has it next writes to its
     * node. */
    emptied = shmap__robust_empty(thread);
    for (unsigned ticket = thread->held_up; ticket != 0; ticket--) {
        shmap__held found = thread->held[ticket];

        if (found.kind == 0 || !shmap__os_is_mapped(found.object))
            continue;
        if (found.kind == SHMAP__HELD_MUTEX && !emptied)
            shmap__mutex_forget(thread, found.object, ticket);
        give_up(thread, &found);
    }
    shmap__poke32(&thread->held_up, 0);
}

int shmap__thread_start(void)
{
    shmap__thread *thread = &shmap__this_thread;

    thread->refused = shmap__os_self_find(&thread->self);
    if (thread->refused.code < 0)
        return thread->refused.code;
    thread->slot = first_slot(thread->self.id);
    if (thread->owner != thread->self.id) {
        thread->owner = thread->self.id;
        shmap__poke32(&thread->held_up, 0);
        thread->mixed = false;
    }
    if (shmap__os_at_thread_end(give_up_all))
        watch(thread);
    return 0;
}
