/* SPDX-License-Identifier: MIT */

/* Windows keeps no list of the mutexes that a thread has locked: a thread that
 * waits for a mutex waits for its owner's end as well (wait.c). */
#ifndef SHMAP_ROBUST_H
#define SHMAP_ROBUST_H

#include <stdbool.h>
#include <stddef.h>

#include "platform.h"

struct shmap__os_robust {
    char unused;
};

static inline void shmap__os_robust_begin(const shmap__os_robust *robust,
                                          shmap_mutex *mutex)
{
    (void)robust, (void)mutex;
}

static inline void shmap__os_robust_end(const shmap__os_robust *robust)
{
    (void)robust;
}

static inline const void *shmap__os_robust_pending(
    const shmap__os_robust *robust)
{
    (void)robust;
    return NULL;
}

static inline void shmap__os_robust_add(shmap__os_robust *robust,
                                        shmap_mutex *mutex, shmap_mutex *below)
{
    (void)robust, (void)mutex, (void)below;
}

static inline void shmap__os_robust_remove(const shmap__os_robust *robust,
                                           shmap_mutex *mutex,
                                           shmap_mutex *above,
                                           shmap_mutex *below)
{
    (void)robust, (void)mutex, (void)above, (void)below;
}

static inline bool shmap__os_robust_empty(const shmap__os_robust *robust,
                                          shmap_mutex *last)
{
    (void)robust, (void)last;
    return true;
}

#endif
