/* SPDX-License-Identifier: MIT */

/* Deadlines.
 *
 * A call that waits takes a deadline, the moment at which it gives up. It takes
 * no duration, so that a loop around the call cannot stretch the wait:
 *
 *     int64_t deadline = shmap_after(SHMAP_MS(500));
 *
 *     while (!is_done(shared) && !SHMAP_FAILED(result))
 *         result = shmap_cond_wait(&shared->done, &shared->mutex, deadline);
 *
 * Compute it once, before the loop: inside the loop it would begin anew with
 * each turn. A duration passed as a deadline, as in shmap_event_wait(event,
 * 5000), is a moment in the machine's first second, which no call can mean:
 * deadlines from 1 to 999,999,999 are SHMAP_EINVAL.
 *
 * The clock is the system's monotonic one: all processes of a machine share it,
 * nothing sets it, and it starts again with the machine.
 */
#ifndef SHMAP_CLOCK_H
#define SHMAP_CLOCK_H

#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
#define SHMAP__INT64(n) (static_cast<int64_t>(n))
#else
#define SHMAP__INT64(n) ((int64_t)(n))
#endif

/* Deadlines: one that has passed, so that the call only tries; and one that
 * never comes, the largest int64_t. Since 0.1. */
#define SHMAP_TRY 0
#define SHMAP_FOREVER \
    (SHMAP__INT64(0x7FFFFFFF) << 32 | SHMAP__INT64(0xFFFFFFFF))

/* Durations of n microseconds, milliseconds and seconds, in nanoseconds, for
 * shmap_after. n is an integer or a fraction, as in SHMAP_S(0.5). Since 0.1. */
#define SHMAP_US(n) SHMAP__INT64((n)*SHMAP__INT64(1000))
#define SHMAP_MS(n) SHMAP__INT64((n)*SHMAP__INT64(1000000))
#define SHMAP_S(n)  SHMAP__INT64((n)*SHMAP__INT64(1000000000))

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds on the monotonic clock. Never fails; never negative. Since 0.1.
 */
SHMAP_API int64_t shmap_now(void);

/* The deadline that is `ns` nanoseconds from now: SHMAP_US, SHMAP_MS and
 * SHMAP_S write them. 0 and less give a moment that has passed, as SHMAP_TRY
 * is. SHMAP_FOREVER, or a sum too large to hold, gives SHMAP_FOREVER. Since
 * 0.1. */
SHMAP_API int64_t shmap_after(int64_t ns);

#ifdef __cplusplus
}
#endif

#endif
