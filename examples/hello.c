/* SPDX-License-Identifier: MIT */

/* The shortest complete program: counts how often it was started while another
 * instance of it was running. Start it several times, in several terminals;
 * when the last instance has ended, the next one counts from 1 again. */
#include <stdio.h>

#include <shmap.h>

/* The region. Fresh memory is zero, and so ready for use. */
typedef struct hello {
    shmap_mutex mutex;
    int instances;
} hello;

static int failed(int error)
{
    fprintf(stderr, "hello: %s\n", shmap_error_message(error));
    return 1;
}

int main(void)
{
    shmap_region *region;
    shmap_view view;

    int made =
        shmap_region_open_or_create(&region, "hello", sizeof(hello), NULL);
    if (SHMAP_FAILED(made))
        return failed(made);
    int result = shmap_view_map(&view, region, NULL);
    shmap_region_close(region); /* the view holds the region from now on */
    if (SHMAP_FAILED(result))
        return failed(result);

    hello *shared = view.data;
    result = shmap_mutex_lock(&shared->mutex, SHMAP_FOREVER);
    if (SHMAP_FAILED(result))
        return failed(result);
    /* A process that died with it has counted or not: nothing is broken. */
    if (result == SHMAP_OWNER_DIED)
        shmap_mutex_consistent(&shared->mutex);
    int instance = ++shared->instances;
    shmap_mutex_unlock(&shared->mutex);

    printf("%s region, instance %d; Enter ends it\n",
           made == SHMAP_CREATED ? "a new" : "an existing", instance);
    fflush(stdout);
    getchar();

    shmap_view_unmap(&view);
    return 0;
}
