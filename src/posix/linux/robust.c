/* SPDX-License-Identifier: MIT */

/* The kernel's list of the mutexes that a thread has locked: finding it, and
 * handling it while the C library's own nodes are in it.
 *
 * Where the C library keeps its nodes, seen from the words, it tells the kernel
 * and so us. Whether they point back is found out by locking two of its
 * mutexes. If anything is not as expected, locks are refused: by programs that
 * imitate Linux without this, for instance.
 */
#include "posix/linux/robust.h"

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix/os.h"

/* Facts that are found out once. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool usable;
static bool doubly;
static ptrdiff_t node; /* where a shmap_mutex has its node */

enum { NODES_MAX = 2048 }; /* the most nodes that the kernel looks at */

static bool make_robust_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t robust;
    bool made;

    if (pthread_mutexattr_init(&robust) != 0)
        return false;
    /* Some C libraries begin their list with the first that is shared, too. */
    made = pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST) == 0 &&
           pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED) == 0 &&
           pthread_mutex_init(mutex, &robust) == 0;
    pthread_mutexattr_destroy(&robust);
    return made;
}

static void let_go(pthread_mutex_t *mutex)
{
    pthread_mutex_unlock(mutex);
    pthread_mutex_destroy(mutex);
}

/* Lock a mutex of the C library, which may begin its list with the first, and
 * find this thread's. Returns NULL if there is no list, and then the mutex is
 * not locked. */
static shmap__posix_list *find_list(pthread_mutex_t *mutex)
{
    shmap__posix_list *found = NULL;
    size_t size = 0;

    if (!make_robust_mutex(mutex))
        return NULL;
    if (pthread_mutex_lock(mutex) != 0) {
        pthread_mutex_destroy(mutex);
        return NULL;
    }
    if (syscall(SYS_get_robust_list, 0, &found, &size) != 0 ||
        size != sizeof *found) {
        let_go(mutex);
        return NULL;
    }
    return found;
}

/* Find where the list's node must be in a shmap_mutex, and set `node`. Returns
 * whether it fits into `node_`, with the pointer back before it if the C
 * library has one. */
static bool find_node(const shmap__posix_list *list)
{
    static const shmap_mutex mutex;
    const char *start = (const char *)&mutex;
    ptrdiff_t space = (const char *)mutex.node_ - start;

    node = (const char *)shmap__low_half(&mutex.owner_) - start - list->offset;
    return node >= space + (doubly ? (ptrdiff_t)sizeof(void *) : 0) &&
           node + (ptrdiff_t)sizeof(void *) <=
               space + (ptrdiff_t)sizeof mutex.node_;
}

static bool is_inside(const void *at, const pthread_mutex_t *mutex)
{
    return (uintptr_t)at - (uintptr_t)mutex < sizeof(pthread_mutex_t);
}

/* With two mutexes locked, find out how the C library linked their nodes. */
static void look_at_nodes(const shmap__posix_list *list,
                          const pthread_mutex_t *below,
                          const pthread_mutex_t *above)
{
    const char *top = list->first;
    const char *next;
    uint32_t word;

    if (!is_inside(top, above))
        return;
    next = shmap__posix_node_get(top);
    if (!is_inside(next, below))
        return;
    memcpy(&word, top + list->offset, sizeof word);
    doubly = shmap__posix_node_get(next - sizeof(void *)) == top;
    usable =
        (word & (uint32_t)SHMAP__OS_ID_MASK) == (uint32_t)syscall(SYS_gettid) &&
        find_node(list);
}

static void find_out(void)
{
    pthread_mutex_t below;
    pthread_mutex_t above;
    const shmap__posix_list *list = find_list(&below);

    if (list == NULL)
        return;
    if (find_list(&above) != NULL) {
        look_at_nodes(list, &below, &above);
        let_go(&above);
    }
    let_go(&below);
}

bool shmap__posix_robust_find(shmap__os_robust *robust)
{
    pthread_mutex_t mutex;

    pthread_once(&once, find_out);
    if (!usable)
        return false;
    robust->list = find_list(&mutex);
    robust->node = node;
    robust->doubly = doubly;
    robust->mixed = false;
    if (robust->list == NULL)
        return false;
    let_go(&mutex);
    return true;
}

void shmap__posix_robust_forget(const shmap__os_robust *robust)
{
    robust->list->first = robust->list;
    robust->list->pending = NULL;
}

/* Let a node of the C library, to which a pointer leads, point back. Those that
 * do so have that pointer just before the one that leads on. */
static void point_back(const shmap__os_robust *robust, const void *to,
                       void *back)
{
    char *first = shmap__posix_node_at(to);

    if (robust->doubly && first != (char *)robust->list)
        shmap__posix_node_set(first - sizeof(void *), back);
}

void shmap__posix_robust_add_mixed(const shmap__os_robust *robust, void *added)
{
    point_back(robust, shmap__posix_node_get(added), added);
}

void shmap__posix_robust_remove_mixed(const shmap__os_robust *robust,
                                      const void *removed, const void *below)
{
    void *back = robust->list;
    void *on = shmap__posix_node_get(removed);

    for (unsigned i = 0;
         shmap__posix_node_at(shmap__posix_node_get(back)) != removed; i++) {
        if (i == NODES_MAX)
            return; /* A process wrote over a node: it cannot be found. */
        back = shmap__posix_node_at(shmap__posix_node_get(back));
    }
    shmap__posix_node_set(back, on);
    if (shmap__posix_node_at(on) != below)
        point_back(robust, on, back);
}
