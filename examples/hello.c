/* SPDX-License-Identifier: MIT */

/* The shortest complete program: counts how often it was started while another
 * instance of it was running. Start it several times, in several terminals;
 * when the last instance has ended, the next one counts from 1 again. */
#include <stdatomic.h>
#include <stdio.h>

#include <shmap.h>

int main(void)
{
    shmap_region *region;
    shmap_view view;

    int result = shmap_region_open_or_create(&region, "hello", 4096, NULL);
    if (result < 0) {
        fprintf(stderr, "hello: %s\n", shmap_error_message(result));
        return 1;
    }
    int mapped = shmap_view_map(&view, region, NULL);
    shmap_region_close(region); /* the view holds the region from now on */
    if (mapped < 0) {
        fprintf(stderr, "hello: %s\n", shmap_error_message(mapped));
        return 1;
    }

    /* Fresh memory is zero, so nobody has to initialise the counter. */
    atomic_int *counter = view.data;
    printf("%s region, instance %d; Enter ends it\n",
           result == SHMAP_CREATED ? "a new" : "an existing",
           atomic_fetch_add(counter, 1) + 1);
    fflush(stdout);
    getchar();

    shmap_view_unmap(&view);
    return 0;
}
