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
 */
#ifndef SHMAP_ROBUST_H
#define SHMAP_ROBUST_H

#include <string.h>

#include "atomic.h"
#include "thread.h"

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

/* Nodes that point back do so from just before where they point on. */
static inline void *shmap__node_back(void *node)
{
    return (char *)node - sizeof(void *);
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
    thread->self.list->pending = shmap__node_of(thread, mutex);
    shmap__compiler_fence(); /* The kernel may look at any moment. */
}

/* That is done. */
static inline void shmap__robust_end(const shmap__thread *thread)
{
    if (thread->self.list == NULL)
        return;
    shmap__compiler_fence();
    thread->self.list->pending = NULL;
}

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
    if (first != shmap__node_of(thread, below))
        thread->mixed = true;
    else if (below == NULL && thread->mixed)
        thread->mixed = false;
    shmap__node_set(node, first);
    /* Who is first needs not point back: it is known who that is. */
    if (thread->self.doubly && first != list)
        shmap__node_set(shmap__node_back(first), node);
    shmap__compiler_fence();
    list->first = node;
}

/* The thread is to have none. False if the C library's nodes are among them. */
static inline bool shmap__robust_empty(const shmap__thread *thread)
{
    shmap_mutex *last = shmap__held_below(thread, thread->held_up + 1);

    if (thread->self.list == NULL)
        return true;
    if (thread->mixed ||
        thread->self.list->first != shmap__node_of(thread, last))
        return false;
    thread->self.list->first = thread->self.list;
    return true;
}

/* With nodes of the C library in between, as that does it. */
SHMAP__SLOW_PATH void shmap__robust_remove_mixed(const shmap__thread *thread,
                                                 void *node);

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
    if (thread->mixed || (above == NULL && list->first != node)) {
        shmap__robust_remove_mixed(thread, node);
    } else {
        void *back = shmap__node_of(thread, above);

        shmap__node_set(back, on);
        if (thread->self.doubly && on != list)
            shmap__node_set(shmap__node_back(on), back);
    }
    shmap__compiler_fence();
}

#endif
