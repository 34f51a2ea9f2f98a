/* SPDX-License-Identifier: MIT */

/* Barriers: so many parties wait for each other.
 *
 * A party that dies waiting has arrived: the others go on when the rest is
 * there. A party that dies before it arrives is missed, and the others' waits
 * end with their deadlines; a party that gives up has not arrived. If parties
 * can die, give deadlines.
 *
 * A barrier needs no zeroing between rounds: as soon as one party's wait has
 * returned, the next round can begin, also with other threads and another
 * number of parties. Never zero a barrier after a round, not even when the call
 * has returned SHMAP_LAST: the other parties of the round can still be inside
 * the call, where they look whether the number of the round has changed.
 * Zeroing sets that number back, and they wait for a round that is over. It
 * also loses arrivals for the next round. A program that wants a barrier
 * without the arrivals of the dead uses another one (32 bytes), or zeroes it
 * when no thread of any process is inside a call with it and none can come: for
 * example, after it has joined all threads or waited for all processes that use
 * it.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_BARRIER_H
#define SHMAP_BARRIER_H

#include <stdint.h>

#include "export.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 32 bytes. */
typedef struct shmap_barrier {
    SHMAP_ALIGN8 uint64_t state_; /* round, parties, arrived */
    shmap_waiters waiters_;
    uint32_t spin_ns; /* see shmap/wait.h */
    uint32_t zero_;
} shmap_barrier;

/* Arrive, and wait until all parties have; then the barrier is ready for the
 * next round. What any party wrote before it arrived is visible to all parties
 * after.
 *
 * parties: 1 to 65535; the same from all parties of a round.
 *
 * Returns
 *   0                 all parties are there
 *   SHMAP_LAST        (> 0) all parties are there, and the caller came last:
 *                     one party of each round is told so
 *   SHMAP_ETIMEDOUT   some parties were still missing at the deadline; the
 *                     caller no longer counts
 *   SHMAP_EINVAL      a null pointer, not a multiple of 8, parties is 0 or too
 *                     large, or earlier parties of the round gave another
 *                     number
 *
 * Since 0.1. */
SHMAP_API int shmap_barrier_wait(shmap_barrier *barrier, uint32_t parties,
                                 int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
