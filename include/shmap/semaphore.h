/* SPDX-License-Identifier: MIT */

/* Counting semaphores: so many of something are there.
 *
 * Whoever dies with something that it took has it for ever: the semaphore does
 * not know who that is. If that matters, keep a list of who has what under a
 * mutex. Waiting and posting survive any death.
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

/* 24 bytes. Zero is a semaphore of value 0. */
typedef struct shmap_semaphore {
    SHMAP_ALIGN8 uint32_t value_;
    uint32_t spin_ns; /* see shmap/wait.h */
    shmap_waiters waiters_;
} shmap_semaphore;

/* Add to the value, and wake as many waiters. What the caller did before is
 * visible to those who get what it added.
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
