/* SPDX-License-Identifier: MIT */

/* Condition variables: unlock a mutex, wait for the data that it protects to
 * change, and lock it again.
 *
 *     shmap_mutex_lock(&queue->mutex, SHMAP_FOREVER);
 *     while (queue->count == 0 && result >= 0) {
 *         result = shmap_cond_wait(&queue->filled, &queue->mutex, deadline);
 *         if (result == SHMAP_OWNER_DIED) {
 *             repair(queue);
 *             shmap_mutex_consistent(&queue->mutex);
 *         }
 *     }
 *
 * Waits can end without a signal, so wait in a loop. A waiter or a signaller
 * that dies, at whatever moment, delays the others by at most 200 ms: that
 * often a waiter looks whether the mutex was locked since, and if so, returns
 * 0. So the data waited for must be changed with the mutex locked; a change
 * without it is seen when it is signalled, but not if the signaller dies
 * before.
 *
 * Compared with pthread_cond_wait: as there, a wait lasts while no thread locks
 * the mutex or signals. It ends with 0 more often than there when threads lock
 * the mutex for other reasons, up to five times a second. Compute a deadline
 * once, before the loop.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_COND_H
#define SHMAP_COND_H

#include <stdint.h>

#include "export.h"
#include "mutex.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 24 bytes. */
typedef struct shmap_cond {
    shmap_waiters waiters_;
    uint32_t spin_ns; /* see shmap/wait.h */
    uint32_t zero_;
} shmap_cond;

/* Unlock the mutex, wait to be woken, and lock the mutex again. No signal that
 * comes after the unlocking is missed. All threads that wait at one time use
 * one mutex. Locking again does not end with the deadline: whatever the result,
 * unless it says otherwise below, the caller has the mutex.
 *
 * Returns
 *   0                  woken, or other threads locked the mutex: look
 *   SHMAP_OWNER_DIED   (> 0) as from shmap_mutex_lock; outranks
 *                      SHMAP_ETIMEDOUT
 *   SHMAP_ETIMEDOUT    no thread woke the caller before the deadline
 *   SHMAP_EPERM        the caller does not have the mutex: nothing happened
 *   SHMAP_EINVAL       a null pointer or not a multiple of 8: nothing happened
 *   SHMAP_ENOTSUP, SHMAP_EMFILE
 *                      as from shmap_mutex_lock: nothing happened
 *   SHMAP_EDEADLK      another thread wrote over the mutex meanwhile: the
 *                      caller does not have it
 *
 * Since 0.1. */
SHMAP_API int shmap_cond_wait(shmap_cond *cond, shmap_mutex *mutex,
                              int64_t deadline);

/* Wake at least one waiter, if there is any. The caller may have the mutex or
 * not. Returns 0 or SHMAP_EINVAL. Since 0.1. */
SHMAP_API int shmap_cond_signal(shmap_cond *cond);

/* Wake all waiters. Returns 0 or SHMAP_EINVAL. Since 0.1. */
SHMAP_API int shmap_cond_broadcast(shmap_cond *cond);

#ifdef __cplusplus
}
#endif

#endif
