/* SPDX-License-Identifier: MIT */

/* Mutexes: one thread at a time, in any process.
 *
 *     struct account { shmap_mutex mutex; int64_t balance; } *account;
 *
 *     int result = shmap_mutex_lock(&account->mutex, SHMAP_FOREVER);
 *     if (result < 0)
 *         return result;
 *     if (result == SHMAP_OWNER_DIED) {
 *         repair(account);
 *         shmap_mutex_consistent(&account->mutex);
 *     }
 *     account->balance += 1;
 *     shmap_mutex_unlock(&account->mutex);
 *
 * A mutex belongs to the thread that locked it. If that thread ends without
 * unlocking it, in whatever way, or unmaps the view it is in, the next owner
 * gets the lock with SHMAP_OWNER_DIED: what the mutex protects may be half
 * changed. So does every later owner until one of them says that it is
 * consistent. A kill comes between two instructions, and compilers change the
 * order of plain stores: let fields be volatile whose order a repair relies on.
 *
 * There is no priority inheritance: an owner of low priority that gets no
 * processor, because threads of middle priority use all, keeps a waiter of high
 * priority waiting. Real-time programs that share a mutex run the threads that
 * lock it at one priority, or raise the owner's before it locks, as a priority
 * ceiling does.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_MUTEX_H
#define SHMAP_MUTEX_H

#include <stdint.h>

#include "export.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most locks, mutexes, rwlocks and onces together, that one thread can hold
 * at a time. */
#define SHMAP_LOCKS_MAX 128

/* 64 bytes. */
typedef struct shmap_mutex {
    SHMAP_ALIGN8 uint64_t owner_; /* id of the owning thread, and flags */
    uint32_t node_[9];            /* entry of the kernel's robust list (Linux);
                                     unused elsewhere */
    uint32_t turn_;               /* counts waits for conds */
    SHMAP_ALIGN8 uint64_t who_;   /* id that all waiters share */
    uint32_t spin_ns;             /* see shmap/wait.h */
    uint16_t ticket_;
    uint16_t spin_;
} shmap_mutex;

/* Lock a mutex, waiting for its owner until the deadline.
 *
 * Writes made before the mutex was last unlocked are visible after.
 *
 * Returns
 *   0                  the caller has the lock
 *   SHMAP_OWNER_DIED   (> 0) the caller has the lock, and since it was last
 *                      consistent an owner ended or unmapped it without
 *                      unlocking: check what it protects, repair it, and call
 *                      shmap_mutex_consistent. Outranks SHMAP_ETIMEDOUT.
 *   SHMAP_ETIMEDOUT    another thread still had it at the deadline
 *   SHMAP_EDEADLK      this thread has it already
 *   SHMAP_ENOLCK       this thread holds SHMAP_LOCKS_MAX locks
 *   SHMAP_EINVAL       a null pointer, or not a multiple of 8
 *   SHMAP_ENOTSUP      other processes could not detect this thread's death, or
 *                      this process cannot detect the owner's;
 *                      shmap_error_detail says why (Linux programs run by
 *                      qemu-user; see shmap/wait.h; macOS and BSD so far)
 *   SHMAP_EMFILE       no descriptor is free for this process's first lock in
 *                      a region
 *
 * Linux: how long a death delays waiters is the kernel's scheduling; Windows:
 * the same, unless the waiter may not open the owning thread, as one of another
 * user: then the lock is lost, and waits end with their deadlines.
 *
 * Since 0.1. */
SHMAP_API int shmap_mutex_lock(shmap_mutex *mutex, int64_t deadline);

/* Unlock a mutex that this thread has. It may be mapped elsewhere than where it
 * was locked. If it was not made consistent, the next owner gets
 * SHMAP_OWNER_DIED as well.
 *
 * Returns 0, SHMAP_EPERM (this thread does not have it; so in a child after
 * fork), SHMAP_EINVAL or SHMAP_ENOTSUP. Since 0.1. */
SHMAP_API int shmap_mutex_unlock(shmap_mutex *mutex);

/* Say that what a mutex protects is whole again. The caller has the lock, and
 * keeps it.
 *
 * Returns 0, SHMAP_EPERM (this thread does not have it) or SHMAP_EINVAL (no
 * owner died since it was last consistent). Since 0.1. */
SHMAP_API int shmap_mutex_consistent(shmap_mutex *mutex);

#ifdef __cplusplus
}
#endif

#endif
