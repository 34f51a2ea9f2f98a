/* SPDX-License-Identifier: MIT */

/* What a region is inside: shared by its handle and its views. */
#ifndef SHMAP_REGION_INTERNAL_H
#define SHMAP_REGION_INTERNAL_H

#include "base/compiler.h"
#include "platform.h"
#include "region/request.h"

/* Windows drops a section's name with its last handle, even while views
 * remain, and POSIX needs the name to free a region with its last view. So a
 * region lives until its handle is closed and all its views are unmapped. */
struct shmap_region {
    shmap__os_object object;
    shmap__refs refs;   /* one for the handle, one for each view */
    uint32_t lent;      /* not 0: other processes may have its descriptor */
    uint32_t read_only; /* not 0: it was handed over for reading only */
    /* The descriptors or handles that children inherit, for reading, and
     * for reading and writing; 0: none. */
    _Alignas(8) uint64_t inherited[SHMAP_ACCESS_READ_WRITE];
    char os_name[];
};

/* Obtain a region from a filled request. Returns 0, a positive result, or an
 * error that is explained; then `*region` is untouched. */
shmap__os_status shmap__region_obtain(shmap_region **region,
                                      const shmap__request *request);

/* Return the descriptor or handle that children inherit. Above it a count tells
 * it from an earlier one of the same number. */
static inline int64_t shmap__inherited_number(uint64_t inherited)
{
    return (int64_t)(uint32_t)inherited;
}

/* Close the descriptor or handle that children inherit with this access, if
 * any. */
void shmap__region_end_inherited(shmap_region *region, int access);

void shmap__region_retain(shmap_region *region);
void shmap__region_release(shmap_region *region);

#endif
