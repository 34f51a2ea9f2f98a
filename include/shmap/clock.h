/* SPDX-License-Identifier: MIT */

/* Deadlines.
 *
 * A call that waits takes the moment at which to give up, not a duration, so
 * that a loop around it cannot stretch the wait. The clock is the system's
 * monotonic one: all processes of a machine share it, nobody can set it, and
 * it starts again with the machine.
 */
#ifndef SHMAP_CLOCK_H
#define SHMAP_CLOCK_H

#include <stdint.h>

#include "export.h"

/* A deadline that never comes: the largest int64_t, whose own macro C++98 may
 * lack. */
#ifdef __cplusplus
#define SHMAP_FOREVER (static_cast<int64_t>(~static_cast<uint64_t>(0) >> 1))
#else
#define SHMAP_FOREVER ((int64_t)(~(uint64_t)0 >> 1))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds on the monotonic clock. Never fails; never negative. Since 0.1.
 */
SHMAP_API int64_t shmap_now(void);

/* The deadline that is `ns` nanoseconds from now. 0 and less mean "try": the
 * result is a moment that has passed. SHMAP_FOREVER, or a sum too large to
 * hold, gives SHMAP_FOREVER. Since 0.1. */
SHMAP_API int64_t shmap_after(int64_t ns);

#ifdef __cplusplus
}
#endif

#endif
