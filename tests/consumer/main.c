/* SPDX-License-Identifier: MIT */

/* A program outside shmap: make a region, open it again by its name, and read
 * through one view what was written through the other, under a mutex. */
#include <stdio.h>
#include <string.h>

#include <shmap.h>

typedef struct content {
    shmap_mutex mutex;
    char text[8];
} content;

/* Lock in one view and unlock in the other. */
static int talk(content *in, content *out)
{
    int result = shmap_mutex_lock(&in->mutex, SHMAP_FOREVER);

    if (SHMAP_FAILED(result))
        return result;
    memcpy(in->text, "hello", sizeof "hello");
    if (strcmp(out->text, "hello") != 0)
        return SHMAP_EFAULT;
    return shmap_mutex_unlock(&out->mutex);
}

static int meet(const char *name, shmap_region *made)
{
    shmap_region *found;
    shmap_view in;
    shmap_view out;
    int result = shmap_region_open(&found, name, NULL);

    if (SHMAP_FAILED(result))
        return result;
    result = shmap_view_map(&in, made, NULL);
    if (result == 0) {
        result = shmap_view_map(&out, found, NULL);
        if (result == 0) {
            result = talk((content *)in.data, (content *)out.data);
            shmap_view_unmap(&out);
        }
        shmap_view_unmap(&in);
    }
    shmap_region_close(found);
    return result;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "consumer";
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *made;
    int result = shmap_region_create(&made, name, 4096, &options);

    if (result == 0) {
        result = meet(name, made);
        shmap_region_close(made);
    }
    printf("shmap %s: %s\n", shmap_version(), shmap_error_name(result));
    return SHMAP_FAILED(result);
}
