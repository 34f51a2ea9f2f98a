/* SPDX-License-Identifier: MIT */

/* The Linux kernel's list of the mutexes that a thread has.
 *
 * When a thread ends, in whatever way, the kernel walks a list that begins in
 * the thread's own memory and goes through the locks that it has: in each whose
 * word still has the thread's number, that number is replaced by OWNER_DIED,
 * and one thread that sleeps on the word is woken. A thread can have one such
 * list, and the C library has begun it for its own robust mutexes; so the
 * mutexes of this library are in that list, too, as if they were its own.
 *
 * The nodes are in shared memory, where other processes can write. While this
 * thread has none of the C library's robust mutexes they are written and never
 * read: the caller knows the nodes above and below. Nodes need not be aligned
 * as the C library aligns its own.
 *
 * A pointer to the node of a priority-inheriting mutex, which only the C
 * library has, carries a flag in bit 0. It belongs to the pointer, moves with
 * it, and is taken off before the pointer is followed.
 *
 * The C library reads only its own nodes' pointers back; those of this library
 * are left as they are.
 */
#ifndef SHMAP_ROBUST_H
#define SHMAP_ROBUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform.h"

/* As the kernel defines it. */
typedef struct shmap__posix_list {
    void *first;   /* the node that was added last, or the list itself */
    long offset;   /* of the words from their nodes */
    void *pending; /* the node that is being added or removed, or NULL */
} shmap__posix_list;

struct shmap__os_robust {
    shmap__posix_list *list;
    ptrdiff_t node; /* offset of the node in a shmap_mutex */
    bool doubly;    /* the C library's nodes point back, too */
    bool mixed;     /* nodes of the C library may be in between */
};

/* Find the list of the calling thread. Returns false if the thread has no
 * usable list. */
bool shmap__posix_robust_find(shmap__os_robust *robust);

/* Empty the list in a child after fork: the child has none of its parent's
 * locks, and must not write to their nodes. */
void shmap__posix_robust_forget(const shmap__os_robust *robust);

static inline void *shmap__posix_node_get(const void *at)
{
    void *value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline void shmap__posix_node_set(void *at, void *value)
{
    memcpy(at, &value, sizeof value);
}

/* Return the node to which a pointer leads, without the flag. */
static inline void *shmap__posix_node_at(const void *pointer)
{
    uintptr_t flag = (uintptr_t)pointer & 1;

    return (char *)(uintptr_t)pointer - flag;
}

/* Return the node of a mutex, or the list's head for NULL. */
static inline void *shmap__posix_node_of(const shmap__os_robust *robust,
                                         shmap_mutex *mutex)
{
    return mutex == NULL ? (void *)robust->list : (char *)mutex + robust->node;
}

static inline void shmap__os_robust_begin(const shmap__os_robust *robust,
                                          shmap_mutex *mutex)
{
    shmap__poke_pointer(&robust->list->pending,
                        shmap__posix_node_of(robust, mutex));
    shmap__compiler_fence(); /* The kernel may look at any moment. */
}

static inline void shmap__os_robust_end(const shmap__os_robust *robust)
{
    shmap__compiler_fence();
    shmap__poke_pointer(&robust->list->pending, NULL);
}

static inline const void *shmap__os_robust_pending(
    const shmap__os_robust *robust)
{
    return shmap__peek_pointer(&robust->list->pending);
}

/* Let the first node, which is the C library's, point back to a node of this
 * library that will be put before it. */
SHMAP__SLOW_PATH void shmap__posix_robust_add_mixed(
    const shmap__os_robust *robust, void *node);

static inline void shmap__os_robust_add(shmap__os_robust *robust,
                                        shmap_mutex *mutex, shmap_mutex *below)
{
    shmap__posix_list *list = robust->list;
    void *node = shmap__posix_node_of(robust, mutex);
    void *first;

    first = list->first;
    shmap__posix_node_set(node, first);
    if (first != shmap__posix_node_of(robust, below)) {
        robust->mixed = true;
        shmap__posix_robust_add_mixed(robust, node);
    } else if (below == NULL && robust->mixed) {
        robust->mixed = false;
    }
    shmap__compiler_fence();
    list->first = node;
}

static inline bool shmap__os_robust_empty(const shmap__os_robust *robust,
                                          shmap_mutex *last)
{
    if (robust->mixed ||
        robust->list->first != shmap__posix_node_of(robust, last))
        return false;
    robust->list->first = robust->list;
    return true;
}

/* Remove a node with nodes of the C library in between, as that library does
 * it; `below` is the node of the mutex locked before. */
SHMAP__SLOW_PATH void shmap__posix_robust_remove_mixed(
    const shmap__os_robust *robust, const void *node, const void *below);

static inline void shmap__os_robust_remove(const shmap__os_robust *robust,
                                           shmap_mutex *mutex,
                                           shmap_mutex *above,
                                           shmap_mutex *below)
{
    shmap__posix_list *list = robust->list;
    void *node = shmap__posix_node_of(robust, mutex);
    void *on = shmap__posix_node_of(robust, below);

    if (robust->mixed || (above == NULL && list->first != node))
        shmap__posix_robust_remove_mixed(robust, node, on);
    else
        shmap__posix_node_set(shmap__posix_node_of(robust, above), on);
    shmap__compiler_fence();
}

#endif
