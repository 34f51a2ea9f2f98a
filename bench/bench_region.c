/* SPDX-License-Identifier: MIT */

/* What regions cost: attaching to one, making one, and the first touch of a
 * large one, by shmap, by the system's own calls, and by other libraries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holder.h"
#include "peer.h"
#include "runner.h"
#include "shmap.h"

/* No system's pages are smaller. */
enum { PAGE = 4096, SMALL = 64 << 10, LARGE = 256 << 20 };

/* shmap */

static shmap_region *region;
static shmap_view view;

static void *map(const shmap_view_options *options)
{
    if (shmap_view_map(&view, region, options) == 0)
        return view.data;
    shmap_region_close(region);
    return NULL;
}

static void *shmap_peer_create(const char *name, size_t size)
{
    return shmap_region_create(&region, name, size, NULL) == 0 ? map(NULL)
                                                               : NULL;
}

static void *shmap_peer_create_prefaulted(const char *name, size_t size)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

    options.flags = SHMAP_VIEW_PREFAULT;
    return shmap_region_create(&region, name, size, NULL) == 0 ? map(&options)
                                                               : NULL;
}

static void *shmap_peer_create_lazy(const char *name, size_t size)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.commit = SHMAP_COMMIT_LAZY;
    return shmap_region_create(&region, name, size, &options) == 0 ? map(NULL)
                                                                   : NULL;
}

static void *shmap_peer_open(const char *name, size_t size)
{
    (void)size;
    return shmap_region_open(&region, name, NULL) == 0 ? map(NULL) : NULL;
}

static void shmap_peer_close(void)
{
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void shmap_peer_destroy(const char *name)
{
    (void)name;
    shmap_peer_close();
}

static const bench_peer bench_shmap = {
    "shmap",         shmap_peer_create, shmap_peer_destroy,
    shmap_peer_open, shmap_peer_close,
};

static const bench_peer bench_shmap_prefaulted = {
    "shmap",
    shmap_peer_create_prefaulted,
    shmap_peer_destroy,
    shmap_peer_open,
    shmap_peer_close,
};

static const bench_peer bench_shmap_lazy = {
    "shmap",         shmap_peer_create_lazy, shmap_peer_destroy,
    shmap_peer_open, shmap_peer_close,
};

/* Work */

/* No other run has the same. */
static char run_name[32];
static const char *program;

static void touch(volatile char *data, size_t size)
{
    for (size_t at = 0; at < size; at += PAGE)
        data[at] = 1;
}

/* One way of sharing memory, and another process that holds a region of its.
 */
typedef struct contender {
    const bench_peer *peer;
    char held_name[48];
    bench_holder holder;
} contender;

/* Attaching to a region costs more the more of its pages have ever been
 * touched: the first touch of one maps some of its neighbours too. */
static int begin_attach(contender *one, const char *pages_touched)
{
    const char *peer = one->peer->name;

    snprintf(one->held_name, sizeof one->held_name, "%s-%s", run_name, peer);
    return bench_holder_start(&one->holder, program, peer, one->held_name,
                              pages_touched);
}

static int begin_attach_to_full(void *context)
{
    return begin_attach(context, "16");
}

static int begin_attach_to_fresh(void *context)
{
    return begin_attach(context, "1");
}

static void end_attach(void *context)
{
    contender *one = context;

    bench_holder_stop(&one->holder);
}

static int attach(void *context, int64_t parts[RUNNER_PARTS])
{
    const contender *one = context;
    volatile char *data = one->peer->open(one->held_name, SMALL);

    (void)parts;
    if (data == NULL)
        return -1;
    (void)*data;
    one->peer->close();
    return 0;
}

/* parts[1]: until all that is asked is touched; parts[2]: touching alone. */
static int make(void *context, size_t size, size_t touched,
                int64_t parts[RUNNER_PARTS])
{
    const bench_peer *peer = ((contender *)context)->peer;
    int64_t began = runner_now();
    int64_t made;
    void *data = peer->create(run_name, size);

    if (data == NULL)
        return -1;
    made = runner_now();
    touch(data, touched);
    parts[1] += runner_now() - began;
    parts[2] += runner_now() - made;
    peer->destroy(run_name);
    return 0;
}

static int make_and_touch_all(void *context, int64_t parts[RUNNER_PARTS])
{
    return make(context, SMALL, SMALL, parts);
}

static int make_and_touch_one(void *context, int64_t parts[RUNNER_PARTS])
{
    return make(context, SMALL, PAGE, parts);
}

static int make_large(void *context, int64_t parts[RUNNER_PARTS])
{
    return make(context, LARGE, LARGE, parts);
}

/* The table */

static contender contenders[] = {
    {.peer = &bench_raw},     {.peer = &bench_shmap},
#ifdef BENCH_APR
    {.peer = &bench_apr},
#endif
#ifdef BENCH_BOOST
    {.peer = &bench_boost},
#endif
#ifdef BENCH_NSPR
    {.peer = &bench_nspr},
#endif
#ifdef BENCH_PLIBSYS
    {.peer = &bench_plibsys},
#endif
#ifdef BENCH_QT
    {.peer = &bench_qt},
#endif
};

enum { CONTENDERS = sizeof contenders / sizeof *contenders };

static contender prefaulted = {.peer = &bench_shmap_prefaulted};
static contender lazy = {.peer = &bench_shmap_lazy};

static runner_case attach_cases[CONTENDERS];
static runner_case fresh_cases[CONTENDERS];
static runner_case all_cases[CONTENDERS];
static runner_case one_cases[CONTENDERS];
static runner_case lazy_cases[CONTENDERS];
static runner_case large_cases[CONTENDERS];

static const runner_group groups[] = {
    {
        .name = "attach",
        .title = "Attach: open, map 64 KiB, read a byte, unmap, close; "
                 "another process holds it and has touched every page",
        .goal = "shmap at most 1.40",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 10,
        .cases = attach_cases,
        .count = CONTENDERS,
    },
    {
        .name = "attach-fresh",
        .title = "Attach likewise, the other process has touched one page",
        .goal = "shmap at most 1.40",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 10,
        .cases = fresh_cases,
        .count = CONTENDERS,
    },
    {
        .name = "create-touch-all",
        .title = "Create 64 KiB, map, touch every page, unmap, destroy",
        .goal = "shmap at most 1.25",
        .parts = {"all"},
        .rounds = 501,
        .batch = 5,
        .cases = all_cases,
        .count = CONTENDERS,
    },
    {
        .name = "create-touch-one",
        .title = "Create 64 KiB, map, touch one page, unmap, destroy",
        .parts = {"all"},
        .rounds = 501,
        .batch = 5,
        .cases = one_cases,
        .count = CONTENDERS,
    },
    {
        .name = "create-lazy",
        .title = "Create 64 KiB likewise, shmap: committed lazily",
        .goal = "shmap at most 1.50",
        .parts = {"all"},
        .rounds = 501,
        .batch = 5,
        .cases = lazy_cases,
        .count = CONTENDERS,
    },
    {
        .name = "first-touch",
        .title = "First touch of 256 MiB: create, map (shmap: committed, "
                 "prefaulted), touch every page, unmap, destroy",
        .goal = "shmap at most 0.83, which is 1.2 times the throughput",
        .parts = {"All", "Until every page is touched", "The touching alone"},
        .bytes = LARGE,
        .rounds = 21,
        .batch = 1,
        .cases = large_cases,
        .count = CONTENDERS,
    },
};

static void fill_table(void)
{
    for (size_t i = 0; i < CONTENDERS; i++) {
        contender *one = &contenders[i];
        const char *name = one->peer->name;

        attach_cases[i] =
            (runner_case){name, one, begin_attach_to_full, end_attach, attach};
        fresh_cases[i] =
            (runner_case){name, one, begin_attach_to_fresh, end_attach, attach};
        all_cases[i] = (runner_case){name, one, NULL, NULL, make_and_touch_all};
        one_cases[i] = (runner_case){name, one, NULL, NULL, make_and_touch_one};
        if (contenders[i].peer == &bench_shmap)
            one = &lazy;
        lazy_cases[i] =
            (runner_case){name, one, NULL, NULL, make_and_touch_one};
        if (contenders[i].peer == &bench_shmap)
            one = &prefaulted;
        large_cases[i] = (runner_case){name, one, NULL, NULL, make_large};
    }
}

/* What holders do: keep a region until the standard input ends. */
static int hold(const char *peer_name, const char *name, size_t pages)
{
    const bench_peer *peer = NULL;
    void *data;

    for (size_t i = 0; i < CONTENDERS; i++)
        if (strcmp(contenders[i].peer->name, peer_name) == 0)
            peer = contenders[i].peer;
    if (peer == NULL)
        return 2;
    data = peer->create(name, SMALL);
    if (data == NULL)
        return 1;
    touch(data, pages * PAGE);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    peer->destroy(name);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--hold") == 0)
        return hold(argv[2], argv[3], strtoul(argv[4], NULL, 10));
    program = argv[0];
    snprintf(run_name, sizeof run_name, "bench-%llx",
             (unsigned long long)shmap_now());
    fill_table();
    return runner_main(argc, argv, groups, sizeof groups / sizeof *groups);
}
