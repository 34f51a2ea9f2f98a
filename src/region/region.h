/* SPDX-License-Identifier: MIT */

/* What a region is inside: shared by its handle and its views. */
#ifndef SHMAP_REGION_INTERNAL_H
#define SHMAP_REGION_INTERNAL_H

#include "base/compiler.h"
#include "platform.h"

/* Windows drops a section's name with its last handle, even while views
 * remain, and POSIX needs the name to free a region with its last view. So a
 * region lives until its handle is closed and all its views are unmapped. */
struct shmap_region {
    shmap__os_object object;
    shmap__refs refs;   /* one for the handle, one for each view */
    uint32_t lent;      /* not 0: others may have its descriptor */
    uint32_t read_only; /* not 0: it was handed over for reading only */
    /* What children inherit, for reading and for all; 0 if there is nothing. */
    _Alignas(8) uint64_t inherited[SHMAP_ACCESS_READ_WRITE];
    char os_name[];
};

/* A region without an object yet, or NULL. Made before anything of the
 * system's, so that no failure has to undo more than this. */
shmap_region *shmap__region_new(const char *os_name);

/* End of a call that makes a region: hand it out, or free it. */
shmap__os_status shmap__region_deliver(shmap_region **out, shmap_region *region,
                                       shmap__os_status status);

void shmap__region_retain(shmap_region *region);
void shmap__region_release(shmap_region *region);

#endif
