/* SPDX-License-Identifier: MIT */

/* The layout of what lives in shared memory. A compiler whose layout differs
 * from layout.h stops here. */
#include "sync/layout.h"

SHMAP__LAYOUT(SHMAP__ASSERT_OBJECT, SHMAP__ASSERT_FIELD)
