/* SPDX-License-Identifier: MIT */

/* The public macros, used in what C99 and C++98 have in common. */
#include <shmap.h>

int use(void);

static shmap_region_options region_options = SHMAP_REGION_OPTIONS_INIT;
static shmap_region_info region_info = SHMAP_REGION_INFO_INIT;
static shmap_view_options view_options = SHMAP_VIEW_OPTIONS_INIT;
static shmap_view view = SHMAP_VIEW_INIT;

#define NAME(name, number, message) #name,
static const char *const names[] = {SHMAP_ERRORS(NAME) ""};

int use(void)
{
    shmap_region *region = 0;
    int result = shmap_region_create(&region, names[0], SHMAP_VIEW_GRANULARITY,
                                     &region_options);

    if (result == SHMAP_EEXIST || shmap_now() == SHMAP_FOREVER)
        return SHMAP_VERSION_MAJOR + SHMAP_VERSION_MINOR + SHMAP_VERSION_PATCH;
    result = shmap_view_map(&view, region, &view_options);
    shmap_view_unmap(&view);
    return result + shmap_region_inspect(region, &region_info);
}
