/* SPDX-License-Identifier: MIT */

/* Each thing that trace.sh shows the system calls of, once. Before each stands
 * a call that does nothing and is seen in the trace: a write to no descriptor.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shmap.h"

static const char name[] = "trace";
static const uint64_t size = 64 << 10;

static void announce(const char *what)
{
    if (write(-1, what, strlen(what)) >= 0)
        fputs("descriptor -1 exists\n", stderr);
}

static void say_nothing(const char *what)
{
    (void)what;
}

static int create_lazily(void (*say)(const char *))
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *made = NULL;
    int result;

    options.commit = SHMAP_COMMIT_LAZY;
    say("create lazily");
    result = shmap_region_create(&made, name, size, &options);
    say("");
    shmap_region_close(made);
    return result;
}

/* A name that was still held when it was closed is asked for again by a close
 * that is 5 ms later or more. Let that be over. */
static void settle(void)
{
    shmap_region *region = NULL;

    usleep(10000);
    if (shmap_region_create(&region, name, size, NULL) == 0)
        shmap_region_close(region);
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
    shmap_region_close(made);
    settle();
    made = NULL;
    if (result == 0)
        result = shmap_region_create(&made, name, size, NULL);
    say("last close");
    shmap_region_close(made);
    say("");
    return result;
}

/* Through a channel, then to this process as to another one that is running. */
static int give(shmap_region *region, int access, const int ends[2],
                void (*say)(const char *))
{
    char token[SHMAP_TOKEN_SIZE];
    shmap_region *taken = NULL;
    int result;

    say("send");
    result = shmap_region_send(region, access, ends[0], SHMAP_FOREVER);
    say("receive");
    if (result == 0)
        result = shmap_region_receive(&taken, ends[1], SHMAP_FOREVER, NULL);
    say("");
    shmap_region_close(taken);
    taken = NULL;
    say("export to a process");
    if (result == 0)
        result =
            shmap_region_export(region, access, getpid(), token, sizeof token);
    say("import");
    if (result == 0)
        result = shmap_region_import(&taken, token, NULL);
    say("");
    shmap_region_close(taken);
    return result;
}

/* What is handed over for reading only has been before: the first time it is
 * also mapped and sealed. */
static int hand_over(void (*say)(const char *))
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    int ends[2];
    int result;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return SHMAP_ESYSTEM;
    result = shmap_region_create(&region, NULL, size, NULL);
    if (result == 0)
        result = give(region, SHMAP_ACCESS_READ_WRITE, ends, say);
    if (result == 0)
        result = give(region, SHMAP_ACCESS_READ, ends, say_nothing);
    say("send for reading only");
    if (result == 0)
        result = shmap_region_send(region, SHMAP_ACCESS_READ, ends[0],
                                   SHMAP_FOREVER);
    say("map again for writing");
    if (result == 0)
        result = shmap_view_map(&view, region, NULL);
    say("");
    shmap_view_unmap(&view);
    shmap_region_close(region);
    close(ends[0]);
    close(ends[1]);
    return result;
}

int main(void)
{
    /* What the C library does once is not what a call costs. */
    int result = use(say_nothing);

    if (result == 0)
        result = use(announce);
    if (result == 0)
        result = create_lazily(announce);
    if (result == 0)
        result = hand_over(say_nothing);
    if (result == 0)
        result = hand_over(announce);
    if (result < 0)
        fprintf(stderr, "%s\n", shmap_error_message(result));
    return result < 0;
}
