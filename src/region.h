/* SPDX-License-Identifier: MIT */

/* What a region is inside: shared by its handle and its views. */
#ifndef SHMAP_REGION_INTERNAL_H
#define SHMAP_REGION_INTERNAL_H

#include "compiler.h"
#include "platform.h"

/* Windows drops a section's name with its last handle, even while views
 * remain, and POSIX needs the name to free a region with its last view. So a
 * region lives until its handle is closed and all its views are unmapped. */
struct shmap_region {
    shmap__os_object object;
    shmap__refs refs;  /* one for the handle, one for each view */
    shmap__refs loans; /* of the descriptor, and one */
    char os_name[];
};

void shmap__region_retain(shmap_region *region);
void shmap__region_release(shmap_region *region);

#endif
