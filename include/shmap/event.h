/* SPDX-License-Identifier: MIT */

/* Events: something has happened.
 *
 * An event is set or not. shmap_event_wait leaves it set, for as many waiters
 * as there are, until shmap_event_reset; shmap_event_take resets it, so that
 * exactly one taker has each set. Setting an event that is set changes nothing.
 *
 * A process that dies while it waits takes nothing with it. One that dies in
 * shmap_event_take may have taken the event, as if it had died just after.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_EVENT_H
#define SHMAP_EVENT_H

#include <stdint.h>

#include "export.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 40 bytes. */
typedef struct shmap_event {
    SHMAP_ALIGN8 uint32_t state_;
    uint32_t spin_ns; /* see shmap/wait.h */
    shmap_waiters waiting_;
    shmap_waiters taking_;
} shmap_event;

/* Set an event: wake all threads in shmap_event_wait and one in
 * shmap_event_take. What the caller wrote before is visible to every thread
 * that waited for or took this set.
 *
 * Async-signal-safe: a signal handler may call it, whatever call with whatever
 * object it interrupts, and so end a wait (examples/clean_stop.c). It leaves
 * errno, shmap_system_error and shmap_error_detail alone, also when it fails.
 *
 * Returns 0 or SHMAP_EINVAL (a null pointer, or not a multiple of 8). Since
 * 0.1. */
SHMAP_API int shmap_event_set(shmap_event *event);

/* Reset an event. Returns 0 or SHMAP_EINVAL. Since 0.1. */
SHMAP_API int shmap_event_reset(shmap_event *event);

/* Wait until the event is set, and leave it so. If it is set and reset at once,
 * a waiter may miss that.
 *
 * Returns 0, SHMAP_ETIMEDOUT or SHMAP_EINVAL. Since 0.1. */
SHMAP_API int shmap_event_wait(shmap_event *event, int64_t deadline);

/* Wait until the event is set, and reset it: of several takers, one gets it.
 *
 * Returns 0, SHMAP_ETIMEDOUT or SHMAP_EINVAL. Since 0.1. */
SHMAP_API int shmap_event_take(shmap_event *event, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
