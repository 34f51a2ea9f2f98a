/* SPDX-License-Identifier: MIT */

/* Onces: an initialisation is run by the first thread that comes, and only
 * once.
 *
 *     int result = shmap_once_begin(&shared->once, SHMAP_FOREVER);
 *     if (result < 0)
 *         return result;
 *     if (result == SHMAP_OWNER_DIED)
 *         clear(shared);
 *     if (result > 0 && set_up(shared))
 *         shmap_once_commit(&shared->once);
 *     else if (result > 0)
 *         shmap_once_abandon(&shared->once);
 *
 * If the thread that runs the initialisation ends, in whatever way, or unmaps
 * the once, another thread takes over.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_ONCE_H
#define SHMAP_ONCE_H

#include <stdint.h>

#include "export.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 32 bytes. */
typedef struct shmap_once {
    SHMAP_ALIGN8 uint64_t owner_; /* id of the running thread, and flags */
    shmap_waiters waiters_;
    uint32_t zero_;
    uint32_t spin_ns; /* see shmap/wait.h */
} shmap_once;

/* Begin the initialisation, or wait until it is done.
 *
 * Returns
 *   0                  the initialisation is done, and its writes are visible
 *   SHMAP_ONCE_YOURS   (> 0) the caller must run the initialisation, then
 *                      commit or abandon
 *   SHMAP_OWNER_DIED   (> 0) the same, but the thread that ran it before has
 *                      ended: something may be half done
 *   SHMAP_ETIMEDOUT    another thread was still running it at the deadline
 *   SHMAP_EDEADLK      this thread is already running the initialisation
 *   SHMAP_ENOLCK, SHMAP_EINVAL, SHMAP_ENOTSUP, SHMAP_EMFILE
 *                      as from shmap_mutex_lock
 *
 * Since 0.1. */
SHMAP_API int shmap_once_begin(shmap_once *once, int64_t deadline);

/* Say that the initialisation is done, for all threads and for ever. Returns 0,
 * SHMAP_EPERM (this thread did not begin it), SHMAP_EINVAL or SHMAP_ENOTSUP.
 * Since 0.1. */
SHMAP_API int shmap_once_commit(shmap_once *once);

/* Say that the initialisation could not be done: the once is as it was before,
 * and the next thread gets SHMAP_ONCE_YOURS, or SHMAP_OWNER_DIED if the caller
 * did. Returns 0, SHMAP_EPERM, SHMAP_EINVAL or SHMAP_ENOTSUP. Since 0.1. */
SHMAP_API int shmap_once_abandon(shmap_once *once);

#ifdef __cplusplus
}
#endif

#endif
