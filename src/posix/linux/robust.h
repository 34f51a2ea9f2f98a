/* SPDX-License-Identifier: MIT */

/* The system's list of the mutexes that a thread has, where there is one.
 *
 * When a thread ends, in whatever way, the Linux kernel walks a list that
 * begins in the thread's own memory and goes through the locks that it has: a
 * word in each that still says the thread's number gets OWNER_DIED in its
 * place, and one who sleeps on it is woken. A thread can have one such list,
 * and the C library has begun it for its own robust mutexes; so ours are in
 * that one, too, as if they were its own (shmap__os_self says where). Windows
 * has no such list.
 *
 * The nodes are in shared memory, where others can write. While this thread has
 * none of the C library's robust mutexes they are written and never read: what
 * is above and below is known from elsewhere. Nodes need not be aligned as the
 * C library aligns its own.
 *
 * A pointer to the node of a priority-inheriting mutex, which only the C
 * library has, carries a mark in bit 0. It belongs to the pointer, moves with
 * it, and is taken off before the pointer is followed.
 *
 * The C library reads only its own nodes' pointers back; those of ours are left
 * as they are.
 */
#ifndef SHMAP_ROBUST_H
#define SHMAP_ROBUST_H

#include <string.h>

#include "base/atomic.h"
#include "sync/held.h"

static inline void *shmap__node_get(const void *at)
{
    void *value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline void shmap__node_set(void *at, void *value)
{
    memcpy(at, &value, sizeof value);
}

/* The node to which a pointer leads, without the mark. */
static inline void *shmap__node_at(const void *pointer)
{
    uintptr_t marked = (uintptr_t)pointer & 1;

    return (char *)(uintptr_t)pointer - marked;
}

/* The node of a mutex, or the list's head for NULL. */
static inline void *shmap__node_of(const shmap__thread *thread,
                                   shmap_mutex *mutex)
{
    return mutex == NULL ? (void *)thread->self.list
                         : (char *)mutex + thread->self.node;
}

/* The thread is about to lock or to unlock a mutex. */
static inline void shmap__robust_begin(const shmap__thread *thread,
                                       shmap_mutex *mutex)
{
    if (thread->self.list == NULL)
        return;
    shmap__poke_pointer(&thread->self.list->pending,
                        shmap__node_of(thread, mutex));
    shmap__compiler_fence(); /* The kernel may look at any moment. */
}

/* That is done. */
static inline void shmap__robust_end(const shmap__thread *thread)
{
    if (thread->self.list == NULL)
        return;
    shmap__compiler_fence();
    shmap__poke_pointer(&thread->self.list->pending, NULL);
}

/* The node of what a thread, maybe another, is about to lock or to unlock. */
static inline const void *shmap__robust_pending(const shmap__thread *thread)
{
    return thread->self.list == NULL
               ? NULL
               : shmap__peek_pointer(&thread->self.list->pending);
}

/* The first of the list is to be a node of ours: let the C library's node that
 * is first now point back to that. */
SHMAP__SLOW_PATH void shmap__robust_add_mixed(const shmap__thread *thread,
                                              void *node);

/* The thread has it. */
static inline void shmap__robust_add(shmap__thread *thread, shmap_mutex *mutex,
                                     shmap_mutex *below)
{
    shmap__os_list *list = thread->self.list;
    void *node = shmap__node_of(thread, mutex);
    void *first;

    if (list == NULL)
        return;
    first = list->first;
    shmap__node_set(node, first);
    if (first != shmap__node_of(thread, below)) {
        thread->mixed = true;
        shmap__robust_add_mixed(thread, node);
    } else if (below == NULL && thread->mixed) {
        thread->mixed = false;
    }
    shmap__compiler_fence();
    list->first = node;
}

/* The thread is to have none; `last` is the mutex that it locked last, or NULL.
 * False if the C library's nodes are among them. */
static inline bool shmap__robust_empty(const shmap__thread *thread,
                                       shmap_mutex *last)
{
    if (thread->self.list == NULL)
        return true;
    if (thread->mixed ||
        thread->self.list->first != shmap__node_of(thread, last))
        return false;
    thread->self.list->first = thread->self.list;
    return true;
}

/* With nodes of the C library in between, as that does it; `below` is the node
 * of the mutex locked before. */
SHMAP__SLOW_PATH void shmap__robust_remove_mixed(const shmap__thread *thread,
                                                 const void *node,
                                                 const void *below);

/* The thread is to have it no longer. */
static inline void shmap__robust_remove(const shmap__thread *thread,
                                        shmap_mutex *mutex, shmap_mutex *above,
                                        shmap_mutex *below)
{
    shmap__os_list *list = thread->self.list;
    void *node = shmap__node_of(thread, mutex);
    void *on = shmap__node_of(thread, below);

    if (list == NULL)
        return;
    if (thread->mixed || (above == NULL && list->first != node))
        shmap__robust_remove_mixed(thread, node, on);
    else
        shmap__node_set(shmap__node_of(thread, above), on);
    shmap__compiler_fence();
}

#endif
