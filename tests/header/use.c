/* SPDX-License-Identifier: MIT */

/* The public macros, used in what C99 and C++98 have in common. */
#include <shmap.h>

int use(void);

static shmap_region_options region_options = SHMAP_REGION_OPTIONS_INIT;
static shmap_region_info region_info = SHMAP_REGION_INFO_INIT;
static shmap_view_options view_options = SHMAP_VIEW_OPTIONS_INIT;
static shmap_view view = SHMAP_VIEW_INIT;

/* One of each object, in a structure as users make them. */
typedef union value_record {
    shmap_record record;
    unsigned char space[SHMAP_RECORD_SIZE(100)];
} value_record;

static struct objects {
    char odd;
    shmap_mutex mutex;
    shmap_rwlock rwlock;
    shmap_cond cond;
    shmap_event event;
    shmap_semaphore semaphore;
    shmap_barrier barrier;
    shmap_once once;
    value_record value;
} objects;

#define NAME(name, number, message) #name,
static const char *const names[] = {SHMAP_ERRORS(NAME) ""};

int use(void)
{
    shmap_region *region = 0;
    int result = shmap_region_create(&region, names[0], SHMAP_VIEW_GRANULARITY,
                                     &region_options);
    int64_t after = shmap_after(SHMAP_S(1) + SHMAP_MS(2) + SHMAP_US(0.5));

    if (SHMAP_FAILED(result) || after == SHMAP_TRY || after == SHMAP_FOREVER)
        return SHMAP_VERSION_MAJOR + SHMAP_VERSION_MINOR + SHMAP_VERSION_PATCH;
    result = shmap_view_map(&view, region, &view_options);
    objects.event.spin_ns = SHMAP_SPIN_NEVER;
    objects.semaphore.spin_ns = SHMAP_SPIN_MAX;
    if (shmap_semaphore_post(&objects.semaphore, SHMAP_SEMAPHORE_MAX) == 0)
        result = SHMAP_RWLOCK_READERS + SHMAP_LOCKS_MAX;
    shmap_view_unmap(&view);
    return result + shmap_region_inspect(region, &region_info);
}
