/* SPDX-License-Identifier: MIT */

/* The layout of what lives in shared memory. A compiler that sees it otherwise
 * than layout.h says ends here. */
#include "sync/layout.h"

SHMAP__LAYOUT(SHMAP__ASSERT_OBJECT, SHMAP__ASSERT_FIELD)
