/* SPDX-License-Identifier: MIT */

/* Stop points: places at which a test can hold a process and kill it.
 *
 * They exist only in the library that the tests link; everywhere else they
 * compile to no code. A test sets the hook, which is called with each point's
 * name as the process passes it.
 */
#ifndef SHMAP_STOP_H
#define SHMAP_STOP_H

#ifdef SHMAP_STOP_POINTS
#include <stdbool.h>

extern void (*shmap__stop_hook)(const char *point);

/* Whether a process can send a region to itself, as tests do with both ends of
 * a channel. */
extern bool shmap__stop_own_channels;
#define SHMAP__OWN_CHANNELS shmap__stop_own_channels
#define SHMAP__STOP(point)            \
    do {                              \
        if (shmap__stop_hook != NULL) \
            shmap__stop_hook(point);  \
    } while (0)
#else
#define SHMAP__STOP(point)  ((void)0)
#define SHMAP__OWN_CHANNELS false
#endif

#endif
