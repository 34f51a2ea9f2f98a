/* SPDX-License-Identifier: MIT */

/* Counting semaphores: so many of something are there.
 *
 *     shmap_semaphore_init(&shared->slots, 8);     in every process
 *     if (shmap_semaphore_wait(&shared->slots, deadline) == 0) {
 *         use_slot();
 *         shmap_semaphore_post(&shared->slots, 1);
 *     }
 *
 * What a process took and did not post before it died is lost: the semaphore
 * does not know its holders. If that matters, keep a list of the holders, and
 * of what each has, under a mutex. Waiting and posting survive any death.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_SEMAPHORE_H
#define SHMAP_SEMAPHORE_H

#include <stdint.h>

#include "export.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The largest value. */
#define SHMAP_SEMAPHORE_MAX 0x7FFFFFFFu

/* 24 bytes. Zero is a semaphore of value 0 that was not given a first value. */
typedef struct shmap_semaphore {
    SHMAP_ALIGN8 uint32_t value_; /* and whether the first one was given */
    uint32_t spin_ns;             /* see shmap/wait.h */
    shmap_waiters waiters_;
} shmap_semaphore;

/* Give a semaphore its first value: every process calls this before it uses the
 * semaphore, with the same value, and the first call of all does it, in one
 * step. Later ones change nothing, whatever their value. So a process that is
 * killed in this call has either done all of it, or leaves it to the next one.
 *
 * Earlier posts are kept: the value becomes the sum. In a file region a
 * semaphore keeps its value, and that it was given one, when all processes have
 * ended; to begin anew, zero it when no process uses it. A semaphore that
 * begins with 0 needs no such call.
 *
 * value: 0 to SHMAP_SEMAPHORE_MAX.
 *
 * Returns 0 or
 *   SHMAP_EOVERFLOW  earlier posts and `value` together are more than
 *                    SHMAP_SEMAPHORE_MAX
 *   SHMAP_EINVAL     a null pointer, not a multiple of 8, or the value is too
 *                    large
 *
 * Since 0.1. */
SHMAP_API int shmap_semaphore_init(shmap_semaphore *semaphore, uint32_t value);

/* Tell the value at this moment; it may be another when the call returns. The
 * semaphore can be in a read-only view.
 *
 * Returns 0 or SHMAP_EINVAL (a null pointer, not a multiple of 8).
 * Since 0.1. */
SHMAP_API int shmap_semaphore_value(const shmap_semaphore *semaphore,
                                    uint32_t *value);

/* Add to the value, and wake as many waiters. What the caller wrote before is
 * visible to the threads that take what it added.
 *
 * Async-signal-safe: a signal handler may call it, whatever call with whatever
 * object it interrupts, and so end a wait. It leaves errno, shmap_system_error
 * and shmap_error_detail alone, also when it fails.
 *
 * Returns 0, SHMAP_EOVERFLOW (the value would be above SHMAP_SEMAPHORE_MAX) or
 * SHMAP_EINVAL (a null pointer, not a multiple of 8, count 0). Since 0.1. */
SHMAP_API int shmap_semaphore_post(shmap_semaphore *semaphore, uint32_t count);

/* Take one, waiting until the deadline for the value to be above zero.
 *
 * Returns 0, SHMAP_ETIMEDOUT or SHMAP_EINVAL. Since 0.1. */
SHMAP_API int shmap_semaphore_wait(shmap_semaphore *semaphore,
                                   int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
