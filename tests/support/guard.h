/* SPDX-License-Identifier: MIT */

/* Views between pages that nobody can read or write: whoever touches a byte
 * just before or just behind such a view crashes. posix and win32 hold what
 * differs, in guard.c.
 */
#ifndef SHMAP_TEST_GUARD_H
#define SHMAP_TEST_GUARD_H

#include "support.h"

/* Address space that is free, for a view of `size` bytes, a multiple of the
 * page size, between two ranges that cannot be touched. A multiple of 64 KiB;
 * NULL if there is none. Another thread may be given the same space, so what
 * maps a view there must be ready to fail. */
void *guard_make(size_t size);
/* The view is unmapped. NULL is fine. */
void guard_release(void *place, size_t size);

#endif
