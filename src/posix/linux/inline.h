/* SPDX-License-Identifier: MIT */

/* The part of the seam (platform.h) that is compiled into its users, on Linux.
 */
#ifndef SHMAP_INLINE_H
#define SHMAP_INLINE_H

#include "posix/linux/robust.h"

#endif
