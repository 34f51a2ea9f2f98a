/* SPDX-License-Identifier: MIT */

/* Deadlines on the monotonic clock. */
#include "shmap/clock.h"

#include "platform.h"

int64_t shmap_now(void)
{
    return shmap__os_now();
}

int64_t shmap_after(int64_t ns)
{
    int64_t now;

    if (ns == SHMAP_FOREVER)
        return SHMAP_FOREVER;
    now = shmap__os_now();
    if (ns <= 0)
        return now;
    return ns > SHMAP_FOREVER - now ? SHMAP_FOREVER : now + ns;
}
