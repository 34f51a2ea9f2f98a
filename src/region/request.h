/* SPDX-License-Identifier: MIT */

/* Options: what the caller gave, checked and complete. */
#ifndef SHMAP_OPTIONS_H
#define SHMAP_OPTIONS_H

#include "platform.h"

/* Fields of shmap_region_options that can have a meaning for a call. */
enum {
    SHMAP__HAS_ACCESS = 1,
    SHMAP__HAS_OWNER = 2,
    SHMAP__HAS_SCOPE = 4,
    SHMAP__HAS_CREATE = 8,
    SHMAP__HAS_MAKING = 16 /* share, group, commit, reserve, page size, node */
};

/* Copy `given`, NULL for the defaults, to `options`. Fields without a meaning
 * for the call must be zero. The code is 0, SHMAP_EINVAL or SHMAP_ENOTSUP. */
shmap__os_status shmap__region_options_read(shmap_region_options *options,
                                            const shmap_region_options *given,
                                            unsigned fields);

shmap__os_status shmap__view_options_read(shmap_view_options *options,
                                          const shmap_view_options *given);

/* Check the size of a struct that shmap_region_inspect is to fill. */
shmap__os_status shmap__region_info_check(const shmap_region_info *info);

#endif
