/* SPDX-License-Identifier: MIT */

/* What handing a region over costs: through a channel, to a process that is
 * running, and to children, by shmap, by the system's own calls, and by other
 * libraries.
 */
#include <stdio.h>
#include <string.h>

#include "handover.h"
#include "holder.h"
#include "runner.h"
#include "shmap.h"

enum { SIZE = 64 << 10 };

/* One who hands over to itself. */
typedef struct contender {
    bool for_reading;
    bench_memory memory;  /* raw's */
    shmap_region *region; /* shmap's */
    bool has_channel;
    intptr_t ends[2];
} contender;

/* What is measured must not end with a deadline. */
static const int64_t deadline = SHMAP_FOREVER;

static int access_of(const contender *one)
{
    return one->for_reading ? SHMAP_ACCESS_READ : SHMAP_ACCESS_READ_WRITE;
}

/* Beginning and ending */

static int open_channel(contender *one)
{
    one->has_channel = bench_channel_open(one->ends) == 0;
    return one->has_channel ? 0 : -1;
}

static int begin_raw(void *context)
{
    contender *one = context;

    if (bench_memory_make(&one->memory, SIZE, one->for_reading) != 0)
        return -1;
    return open_channel(one);
}

/* Map, touch a page, unmap. */
static int touch(shmap_region *region, bool for_reading)
{
    shmap_view view;
    volatile char *data;

    if (shmap_view_map(&view, region, NULL) != 0)
        return -1;
    data = view.data;
    if (for_reading)
        (void)*data;
    else
        *data = 1;
    shmap_view_unmap(&view);
    return 0;
}

static int begin_shmap(void *context)
{
    contender *one = context;

    if (shmap_region_create(&one->region, NULL, SIZE, NULL) != 0 ||
        touch(one->region, false) != 0)
        return -1;
    return open_channel(one);
}

/* A region that has been handed over for reading only. */
static int begin_shmap_handed_over(void *context)
{
    contender *one = context;
    char token[SHMAP_TOKEN_SIZE];

    if (begin_shmap(one) != 0)
        return -1;
    return shmap_region_export(one->region, SHMAP_ACCESS_READ,
                               SHMAP_TARGET_CHILD, token, sizeof token);
}

static void end(void *context)
{
    contender *one = context;

    if (one->has_channel)
        bench_channel_close(one->ends);
    bench_memory_free(&one->memory);
    shmap_region_close(one->region);
    memset(one->ends, 0, sizeof one->ends);
    one->has_channel = false;
    one->region = NULL;
}

/* Work */

static int raw_send(void *context, int64_t parts[RUNNER_PARTS])
{
    const contender *one = context;

    (void)parts;
    return bench_raw_send(&one->memory, one->ends);
}

static int raw_reach(void *context, int64_t parts[RUNNER_PARTS])
{
    const contender *one = context;

    (void)parts;
    return bench_raw_reach(&one->memory);
}

static int raw_map(void *context, int64_t parts[RUNNER_PARTS])
{
    const contender *one = context;

    (void)parts;
    return bench_raw_map(&one->memory);
}

static int use(shmap_region *taken, bool for_reading)
{
    int failed = touch(taken, for_reading);

    shmap_region_close(taken);
    return failed;
}

static int shmap_send(void *context, int64_t parts[RUNNER_PARTS])
{
    const contender *one = context;
    shmap_region *taken;

    (void)parts;
    if (shmap_region_send(one->region, access_of(one), one->ends[0],
                          deadline) != 0 ||
        shmap_region_receive(&taken, one->ends[1], deadline, NULL) != 0)
        return -1;
    return use(taken, one->for_reading);
}

static int shmap_reach(void *context, int64_t parts[RUNNER_PARTS])
{
    const contender *one = context;
    char token[SHMAP_TOKEN_SIZE];
    shmap_region *taken;

    (void)parts;
    if (shmap_region_export(one->region, access_of(one), bench_process_id(),
                            token, sizeof token) != 0 ||
        shmap_region_import(&taken, token, NULL) != 0)
        return -1;
    return use(taken, one->for_reading);
}

static int shmap_map(void *context, int64_t parts[RUNNER_PARTS])
{
    const contender *one = context;

    (void)parts;
    return touch(one->region, false);
}

/* Children */

static shmap_region *heirloom;
static shmap_view view;

static void *map(void)
{
    return shmap_view_map(&view, heirloom, NULL) == 0 ? view.data : NULL;
}

static void *shmap_make(size_t size)
{
    return shmap_region_create(&heirloom, NULL, size, NULL) == 0 ? map() : NULL;
}

static void shmap_drop(void)
{
    shmap_view_unmap(&view);
    shmap_region_close(heirloom);
}

static int shmap_offer(char *token, size_t size)
{
    return shmap_region_export(heirloom, SHMAP_ACCESS_READ_WRITE,
                               SHMAP_TARGET_CHILD, token, size);
}

static void shmap_withdraw(void)
{
    shmap_region_unexport(heirloom);
}

static void *shmap_take(const char *token, size_t size)
{
    (void)size;
    return shmap_region_import(&heirloom, token, NULL) == 0 ? map() : NULL;
}

static const bench_giver bench_shmap_giver = {
    "shmap",        shmap_make, shmap_drop, shmap_offer,
    shmap_withdraw, shmap_take, shmap_drop,
};

/* One who has children, and what they write into its memory: how long they
 * needed until then. */
typedef struct parent {
    const bench_giver *giver;
    int64_t *needed;
} parent;

static const char *program;

static int begin_parent(void *context)
{
    parent *one = context;

    one->needed = one->giver->make(SIZE);
    return one->needed != NULL ? 0 : -1;
}

static void end_parent(void *context)
{
    const parent *one = context;

    if (one->needed != NULL)
        one->giver->unmake();
}

static int have_child(void *context, int64_t parts[RUNNER_PARTS])
{
    const parent *one = context;
    char token[SHMAP_TOKEN_SIZE];
    bench_holder child = {0};
    int failed;

    if (one->giver->offer(token, sizeof token) != 0)
        return -1;
    failed = bench_holder_start(&child, program, one->giver->name, token, "1");
    bench_holder_stop(&child);
    one->giver->withdraw();
    parts[1] += *one->needed;
    return failed;
}

/* What children do: take what their parent offers, and say so. */
static int be_child(const bench_giver *giver, const char *token)
{
    int64_t began = runner_now();
    volatile int64_t *needed = giver->take(token, SIZE);

    if (needed == NULL)
        return 1;
    *needed = 0;
    *needed = runner_now() - began;
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    giver->drop();
    return 0;
}

/* The table */

static parent parents[] = {
    {.giver = &bench_raw_giver},
    {.giver = &bench_shmap_giver},
#ifdef BENCH_NSPR_HANDOVER
    {.giver = &bench_nspr_giver},
#endif
};

enum { PARENTS = sizeof parents / sizeof *parents };

static runner_case child_cases[PARENTS];

static contender writers[2];
static contender readers[2] = {{.for_reading = true}, {.for_reading = true}};
static contender mappers[3];

static const runner_case send_cases[] = {
    {"raw", &writers[0], begin_raw, end, raw_send},
    {"shmap", &writers[1], begin_shmap, end, shmap_send},
};

static const runner_case send_read_cases[] = {
    {"raw", &readers[0], begin_raw, end, raw_send},
    {"shmap", &readers[1], begin_shmap, end, shmap_send},
};

static const runner_case reach_cases[] = {
    {"raw", &writers[0], begin_raw, end, raw_reach},
    {"shmap", &writers[1], begin_shmap, end, shmap_reach},
};

static const runner_case reach_read_cases[] = {
    {"raw", &readers[0], begin_raw, end, raw_reach},
    {"shmap", &readers[1], begin_shmap, end, shmap_reach},
};

static const runner_case map_cases[] = {
    {"raw", &mappers[0], begin_raw, end, raw_map},
    {"shmap", &mappers[1], begin_shmap, end, shmap_map},
    {"shmap-handed-over", &mappers[2], begin_shmap_handed_over, end, shmap_map},
};

static const runner_group groups[] = {
    {
        .name = "send",
        .title = "Through a channel, for reading and writing: send, receive, "
                 "map 64 KiB, write a byte, unmap, close",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 10,
        .cases = send_cases,
        .count = sizeof send_cases / sizeof *send_cases,
    },
    {
        .name = "send-read",
        .title = "Through a channel, for reading only, not for the first "
                 "time: likewise, read a byte",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 10,
        .cases = send_read_cases,
        .count = sizeof send_read_cases / sizeof *send_read_cases,
    },
    {
        .name = "reach",
        .title = "To a process that is running, for reading and writing: "
                 "export, import, map 64 KiB, write a byte, unmap, close",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 10,
        .cases = reach_cases,
        .count = sizeof reach_cases / sizeof *reach_cases,
    },
    {
        .name = "reach-read",
        .title = "To a process that is running, for reading only, not for the "
                 "first time: likewise, read a byte",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 10,
        .cases = reach_read_cases,
        .count = sizeof reach_read_cases / sizeof *reach_read_cases,
    },
    {
        .name = "map",
        .title = "Another view for writing, also of what was handed over for "
                 "reading only: map 64 KiB, write a byte, unmap",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 20,
        .cases = map_cases,
        .count = sizeof map_cases / sizeof *map_cases,
    },
    {
        .name = "child",
        .title = "To a child: export, start it; it imports, maps 64 KiB, "
                 "writes a number, unmaps, ends",
        .parts = {"All", "In the child, until the number is written"},
        .rounds = 301,
        .batch = 1,
        .cases = child_cases,
        .count = PARENTS,
    },
};

static void fill_table(void)
{
    for (size_t i = 0; i < PARENTS; i++)
        child_cases[i] = (runner_case){parents[i].giver->name, &parents[i],
                                       begin_parent, end_parent, have_child};
}

static const bench_giver *find_giver(const char *name)
{
    for (size_t i = 0; i < PARENTS; i++)
        if (strcmp(parents[i].giver->name, name) == 0)
            return parents[i].giver;
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--hold") == 0) {
        const bench_giver *giver = find_giver(argv[2]);

        return giver != NULL ? be_child(giver, argv[3]) : 2;
    }
    program = argv[0];
    fill_table();
    return runner_main(argc, argv, groups, sizeof groups / sizeof *groups);
}
