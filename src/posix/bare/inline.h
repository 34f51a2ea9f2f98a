/* SPDX-License-Identifier: MIT */

/* The part of the seam (platform.h) that is compiled into its users, on systems
 * that do not tell of a thread's death. */
#ifndef SHMAP_INLINE_H
#define SHMAP_INLINE_H

#include "posix/bare/robust.h"

#endif
