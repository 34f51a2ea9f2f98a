/* SPDX-License-Identifier: MIT */

/* The kernel's list of what a thread has locked (robust.h).
 *
 * Where the C library keeps its nodes, seen from the words, it tells the kernel
 * and so us. Whether they point back is found out by locking two of its
 * mutexes. If anything is not as expected, locks are refused: by programs that
 * imitate Linux without this, for instance.
 */
#include "os.h"

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../atomic.h"

/* What is found out once. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool usable;
static bool doubly;
static ptrdiff_t node; /* where a shmap_mutex has its node */
static pthread_mutex_t probe = PTHREAD_MUTEX_INITIALIZER;

/* A child has none of its parent's locks, and must not write to their nodes. */
void shmap__os_list_forget(shmap__os_list *list)
{
    list->first = list;
    list->pending = NULL;
}

static shmap__os_list *find_list(void)
{
    shmap__os_list *found = NULL;
    size_t size = 0;

    /* Some C libraries begin the list with the first lock. */
    if (pthread_mutex_lock(&probe) == EOWNERDEAD)
        pthread_mutex_consistent(&probe);
    pthread_mutex_unlock(&probe);
    if (syscall(SYS_get_robust_list, 0, &found, &size) != 0 ||
        size != sizeof *found)
        return NULL;
    return found;
}

/* Whether a node, with what points back, is inside the space that a mutex has
 * for it. */
static bool find_node(const shmap__os_list *list)
{
    static const shmap_mutex mutex;
    const char *start = (const char *)&mutex;
    ptrdiff_t space = (const char *)mutex.node_ - start;

    node = (const char *)shmap__low_half(&mutex.owner_) - start - list->offset;
    return node >= space + (doubly ? (ptrdiff_t)sizeof(void *) : 0) &&
           node + (ptrdiff_t)sizeof(void *) <=
               space + (ptrdiff_t)sizeof mutex.node_;
}

static void *pointer_at(const char *at)
{
    void *value;

    memcpy(&value, at, sizeof value);
    return value;
}

static bool is_inside(const void *at, const pthread_mutex_t *mutex)
{
    return (uintptr_t)at - (uintptr_t)mutex < sizeof *mutex;
}

/* Lock a mutex of the C library above another, and see what it makes of that.
 */
static void look_at_nodes(const shmap__os_list *list, pthread_mutex_t *second)
{
    char *first = list->first;
    char *top;
    uint32_t word;

    if (pthread_mutex_lock(second) != 0)
        return;
    top = list->first;
    if (is_inside(first, &probe) && is_inside(top, second)) {
        memcpy(&word, top + list->offset, sizeof word);
        doubly = pointer_at(first - sizeof(void *)) == top;
        usable = pointer_at(top) == first &&
                 (word & (uint32_t)SHMAP__OS_ID_MASK) ==
                     (uint32_t)syscall(SYS_gettid) &&
                 find_node(list);
    }
    pthread_mutex_unlock(second);
}

static void find_out(void)
{
    pthread_mutexattr_t robust;
    pthread_mutex_t second;
    const shmap__os_list *list;

    if (pthread_mutexattr_init(&robust) != 0)
        return;
    if (pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST) == 0 &&
        pthread_mutex_init(&probe, &robust) == 0 &&
        pthread_mutex_init(&second, &robust) == 0) {
        list = find_list();
        if (list != NULL && pthread_mutex_lock(&probe) == 0) {
            look_at_nodes(list, &second);
            pthread_mutex_unlock(&probe);
        }
        pthread_mutex_destroy(&second);
    }
    pthread_mutexattr_destroy(&robust);
}

bool shmap__os_list_find(shmap__os_self *self)
{
    pthread_once(&once, find_out);
    if (!usable)
        return false;
    self->list = find_list();
    self->node = node;
    self->doubly = doubly;
    return self->list != NULL;
}
