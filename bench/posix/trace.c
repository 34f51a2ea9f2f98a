/* SPDX-License-Identifier: MIT */

/* Each thing that trace.sh shows the system calls of, once. Before each stands
 * a call that does nothing and is seen in the trace: a write to no descriptor.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shmap.h"

static const char name[] = "trace";
static const uint64_t size = 64 << 10;

static void announce(const char *what)
{
    if (write(-1, what, strlen(what)) >= 0)
        fputs("descriptor -1 exists\n", stderr);
}

static int use(void (*say)(const char *))
{
    shmap_region *made = NULL;
    shmap_region *opened = NULL;
    shmap_view first = SHMAP_VIEW_INIT;
    shmap_view second = SHMAP_VIEW_INIT;
    int result;

    say("create");
    result = shmap_region_create(&made, name, size, NULL);
    say("map");
    if (result == 0)
        result = shmap_view_map(&first, made, NULL);
    say("open");
    if (result == 0)
        result = shmap_region_open(&opened, name, NULL);
    say("");
    if (result == 0)
        result = shmap_view_map(&second, opened, NULL);
    say("unmap");
    shmap_view_unmap(&second);
    say("close");
    shmap_region_close(opened);
    say("");
    shmap_view_unmap(&first);
    say("last close");
    shmap_region_close(made);
    say("");
    return result;
}

static void say_nothing(const char *what)
{
    (void)what;
}

int main(void)
{
    /* What the C library does once is not what a call costs. */
    int result = use(say_nothing);

    if (result == 0)
        result = use(announce);
    if (result < 0)
        fprintf(stderr, "%s\n", shmap_error_message(result));
    return result < 0;
}
