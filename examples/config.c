/* SPDX-License-Identifier: MIT */

/* A daemon publishes its settings, and clients follow them through read-only
 * views.
 *
 *     config daemon [--name NAME] [--every MS]
 *     config client [--name NAME] [--seconds S]
 *     config stop [--name NAME]
 *     config demo [--name NAME] [--kills N]
 *
 * daemon  publishes new settings again and again, until it is stopped
 * client  follows them until the last ones; may be started before the daemon
 * stop    stops the daemon
 * demo    runs a daemon that never pauses and three clients, kills the daemon
 *         again and again while it writes, and starts it anew
 *
 * --name     of the region; default "example.config"
 * --every    milliseconds between two settings; default 1000
 * --seconds  give up when nothing comes for so long; default 30
 * --kills    how often the daemon is killed; default 20
 *
 * Clients check that no settings are half old and half new, and that each
 * daemon goes on where the daemon before was killed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmap.h>

#include "child.h"
#include "example.h"

#define CLIENTS  3
#define PATIENCE SHMAP_S(10)

/* Fixed widths, so that programs of 32 and 64 bits can meet. */
typedef struct settings {
    uint64_t number;       /* of the change; the record's version is the same */
    uint32_t last;         /* 1: the daemon ends */
    uint32_t limits[1021]; /* made of the number, all different */
} settings;

/* The region. All zero is ready for use. */
typedef struct shared_config {
    shmap_mutex daemon; /* the daemon has it as long as it lives */
    shmap_event stop;
    union {
        shmap_record record;
        unsigned char space[SHMAP_RECORD_SIZE(sizeof(settings))];
    } settings;
} shared_config;

typedef struct config_options {
    const char *program;
    const char *name;
    uint64_t every;
    uint64_t seconds;
    uint64_t kills;
} config_options;

static uint32_t limit_of(uint64_t number, uint32_t index)
{
    return (uint32_t)number * UINT32_C(2654435761) + index;
}

static void change(settings *all, bool last)
{
    all->number++;
    all->last = last;
    for (uint32_t i = 0; i < sizeof all->limits / sizeof all->limits[0]; i++)
        all->limits[i] = limit_of(all->number, i);
}

static bool are_whole(const settings *all, uint64_t version)
{
    for (uint32_t i = 0; i < sizeof all->limits / sizeof all->limits[0]; i++)
        if (all->limits[i] != limit_of(all->number, i))
            return false;
    return all->number == version;
}

/* The daemon. */

/* Become the daemon: the mutex is held for life, so there is one at a time. */
static int take_over(shared_config *shared)
{
    int result = shmap_mutex_lock(&shared->daemon, shmap_after(SHMAP_S(1)));

    if (result == SHMAP_OWNER_DIED) {
        /* There is nothing to repair: a record is always whole. */
        fprintf(stderr, "config: takes over from a daemon that was killed\n");
        result = shmap_mutex_consistent(&shared->daemon);
    }
    return result;
}

static int publish(shared_config *shared, int64_t every)
{
    shmap_record *record = &shared->settings.record;
    settings all = {0};
    bool last = false;
    int result = shmap_record_read(record, &all, sizeof all, NULL);

    if (result == SHMAP_ENOTREADY)
        result = 0; /* This is the first daemon. */
    while (result == 0) {
        change(&all, last);
        result = shmap_record_write(record, &all, sizeof all);
        if (SHMAP_FAILED(result) || last)
            break;
        result = shmap_event_take(&shared->stop, shmap_after(every));
        last = result == 0;
        if (result == SHMAP_ETIMEDOUT)
            result = 0;
    }
    return result;
}

static int run_daemon(const config_options *options)
{
    shmap_region *region;
    shmap_view view;

    /* The region is still there if clients have it. */
    int result = shmap_region_open_or_create(&region, options->name,
                                             sizeof(shared_config), NULL);
    if (SHMAP_FAILED(result))
        return example_failed(options->name, result);
    result = shmap_view_map(&view, region, NULL);
    shmap_region_close(region);
    if (SHMAP_FAILED(result))
        return example_failed(options->name, result);

    shared_config *shared = view.data;
    result = take_over(shared);
    if (result == SHMAP_ETIMEDOUT) {
        fprintf(stderr, "config: another daemon is running\n");
        return EXIT_FAILURE;
    }
    if (result == 0) {
        result = publish(shared, SHMAP_MS(options->every));
        shmap_mutex_unlock(&shared->daemon);
    }
    shmap_view_unmap(&view);
    return SHMAP_FAILED(result) ? example_failed("config: daemon", result)
                                : EXIT_SUCCESS;
}

static int run_stop(const config_options *options)
{
    shmap_view view;
    int result = example_map(&view, options->name, 0);

    if (SHMAP_FAILED(result))
        return example_failed(options->name, result);
    shared_config *shared = view.data;
    result = shmap_event_set(&shared->stop);
    shmap_view_unmap(&view);
    return SHMAP_FAILED(result) ? example_failed("config", result)
                                : EXIT_SUCCESS;
}

/* A client. */

/* Map the region for reading, once there is one. */
static int map_for_reading(shmap_view *view, const char *name, int64_t deadline)
{
    shmap_region_options reading = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    int result;

    reading.access = SHMAP_ACCESS_READ;
    while ((result = shmap_region_open(&region, name, &reading)) ==
               SHMAP_ENOENT &&
           shmap_now() < deadline)
        example_pause();
    if (SHMAP_FAILED(result))
        return result;
    result = shmap_view_map(view, region, NULL);
    shmap_region_close(region);
    return result;
}

/* Wait for settings that are newer than the version, and read them. */
static int read_next(const shared_config *shared, settings *all,
                     uint64_t *version, int64_t deadline)
{
    const shmap_record *record = &shared->settings.record;
    int result;

    do {
        result = shmap_record_wait(record, *version, deadline);
        if (result == 0)
            result = shmap_record_read(record, all, sizeof *all, version);
        /* Busy: we were interrupted for long, and were too slow. */
    } while (result == SHMAP_EBUSY && shmap_now() < deadline);
    return result;
}

static int run_client(const config_options *options)
{
    int64_t patience = SHMAP_S(options->seconds);
    int64_t print = 0;
    uint64_t version = 0;
    uint64_t count = 0;
    settings all = {0};
    shmap_view view;

    int result = map_for_reading(&view, options->name, shmap_after(patience));
    if (SHMAP_FAILED(result))
        return example_failed(options->name, result);
    while (!all.last) {
        result = read_next(view.data, &all, &version, shmap_after(patience));
        if (SHMAP_FAILED(result))
            return example_failed("config: client", result);
        if (!are_whole(&all, version)) {
            fprintf(stderr, "config: settings %" PRIu64 " are WRONG\n",
                    version);
            return EXIT_FAILURE;
        }
        count++;
        if (shmap_now() >= print) {
            fprintf(stderr, "config: settings %" PRIu64 "\n", version);
            print = shmap_after(SHMAP_MS(500));
        }
    }
    printf("config: the last settings are %" PRIu64 "; %" PRIu64
           " came, all whole\n",
           version, count);
    shmap_view_unmap(&view);
    return EXIT_SUCCESS;
}

/* The demonstration. */

static bool start(child_process *started, const config_options *options,
                  const char *role)
{
    const char *arguments[] = {role, "--name", options->name, NULL, NULL, NULL};

    if (strcmp(role, "daemon") == 0) {
        arguments[3] = "--every";
        arguments[4] = "0";
    }
    return child_start(started, options->program, arguments);
}

/* Kill the daemon so many times, each time after it has written and while it
 * goes on writing. */
static int kill_daemons(child_process *daemon, const config_options *options)
{
    uint64_t version = 0;
    settings all;
    shmap_view view;
    int result = map_for_reading(&view, options->name, shmap_after(PATIENCE));

    if (SHMAP_FAILED(result))
        return result;
    for (uint64_t i = 0; i < options->kills && result == 0; i++) {
        result = read_next(view.data, &all, &version, shmap_after(PATIENCE));
        for (uint64_t pauses = example_random(10); pauses > 0; pauses--)
            example_pause();
        child_kill(daemon);
        if (!start(daemon, options, "daemon"))
            result = SHMAP_ESYSTEM;
        /* Settings that the dead daemon wrote since we looked do not count. */
        if (result == 0)
            result = shmap_record_read(
                &((const shared_config *)view.data)->settings.record, &all,
                sizeof all, &version);
    }
    shmap_view_unmap(&view);
    return result;
}

static int run_demo(const config_options *options)
{
    child_process children[1 + CLIENTS] = {{0}}; /* the daemon is the first */
    bool well = true;

    for (int i = CLIENTS; i >= 0 && well; i--)
        well = start(&children[i], options, i == 0 ? "daemon" : "client");
    if (well) {
        int result = kill_daemons(&children[0], options);
        well = result == 0;
        if (!well)
            example_failed("config: demo", result);
    }
    well = well && run_stop(options) == EXIT_SUCCESS;

    int64_t deadline = shmap_after(PATIENCE);
    for (int i = 0; i <= CLIENTS; i++) {
        if (well)
            child_wait(&children[i], deadline);
        child_kill(&children[i]);
        well = well && children[i].status == EXIT_SUCCESS;
    }
    printf("config: the daemon was killed %" PRIu64 " times: %s\n",
           options->kills, well ? "the clients went on" : "FAILED");
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int usage(void)
{
    fprintf(stderr, "usage: config daemon [--name NAME] [--every MS]\n"
                    "       config client [--name NAME] [--seconds S]\n"
                    "       config stop [--name NAME]\n"
                    "       config demo [--name NAME] [--kills N]\n");
    return 2;
}

int main(int argc, char **argv)
{
    config_options options = {
        .name = "example.config", .every = 1000, .seconds = 30, .kills = 20};
    const char *value;
    bool right = argc > 1;

    if (!right)
        return usage();
    options.program = argv[0];
    const char *role = *++argv;
    while (right && *++argv != NULL) {
        if ((value = example_value(&argv, "--name")) != NULL)
            options.name = value;
        else if ((value = example_value(&argv, "--every")) != NULL)
            right = example_number(value, 0, 1000000, &options.every);
        else if ((value = example_value(&argv, "--seconds")) != NULL)
            right = example_number(value, 1, 1000000, &options.seconds);
        else if ((value = example_value(&argv, "--kills")) != NULL)
            right = example_number(value, 0, 1000000, &options.kills);
        else
            right = false;
    }
    if (right && strcmp(role, "daemon") == 0)
        return run_daemon(&options);
    if (right && strcmp(role, "client") == 0)
        return run_client(&options);
    if (right && strcmp(role, "stop") == 0)
        return run_stop(&options);
    if (right && strcmp(role, "demo") == 0)
        return run_demo(&options);
    return usage();
}
