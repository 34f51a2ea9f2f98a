/* SPDX-License-Identifier: MIT */

/* The part of the seam (platform.h) that is compiled into its users, on
 * Windows. */
#ifndef SHMAP_INLINE_H
#define SHMAP_INLINE_H

#include "win32/robust.h"

#endif
