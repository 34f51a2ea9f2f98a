/* SPDX-License-Identifier: MIT */

/* A daemon that waits for jobs, and ends in good order when it is told to: by
 * Ctrl-C, or by SIGTERM, as systemd and kill send it.
 *
 *     clean_stop          runs the daemon
 *     clean_stop job      gives it a job
 *
 * A signal that is handled ends no wait by itself; its handler sets the event
 * that the daemon waits for. On Windows the C library calls the handler in a
 * thread of its own, to which the same applies. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <shmap.h>

/* The region. All zero is ready for use. */
typedef struct jobs {
    shmap_event wake;        /* a job has come, or the daemon is to end */
    shmap_semaphore waiting; /* jobs that no thread has begun */
} jobs;

static volatile sig_atomic_t stopping;
static shmap_event *volatile wake;

static void stop(int number)
{
    (void)number;
    stopping = 1;
    shmap_event_set(wake);
}

/* Do the jobs that there are. Returns their number. */
static int do_jobs(jobs *shared)
{
    int done = 0;

    while (!stopping && shmap_semaphore_wait(&shared->waiting, SHMAP_TRY) == 0)
        done++;
    return done;
}

static int run(jobs *shared)
{
    int done = 0;
    int result = 0;

    wake = &shared->wake; /* before there is a handler that uses it */
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("waiting for jobs; Ctrl-C ends it\n");
    fflush(stdout);
    while (!stopping && result == 0) {
        done += do_jobs(shared);
        result = shmap_event_take(wake, SHMAP_FOREVER);
    }
    signal(SIGINT, SIG_IGN); /* The event is about to be unmapped. */
    signal(SIGTERM, SIG_IGN);
    printf("stopped after %d jobs\n", done);
    return result;
}

static int give(jobs *shared)
{
    int result = shmap_semaphore_post(&shared->waiting, 1);

    return SHMAP_FAILED(result) ? result : shmap_event_set(&shared->wake);
}

int main(int argc, char **argv)
{
    shmap_region *region;
    shmap_view view;

    int result = shmap_region_open_or_create(&region, "example.clean_stop",
                                             sizeof(jobs), NULL);
    if (result >= 0) {
        result = shmap_view_map(&view, region, NULL);
        shmap_region_close(region);
    }
    if (result >= 0) {
        result = argc > 1 && strcmp(argv[1], "job") == 0 ? give(view.data)
                                                         : run(view.data);
        shmap_view_unmap(&view);
    }
    if (SHMAP_FAILED(result))
        fprintf(stderr, "clean_stop: %s\n", shmap_error_message(result));
    return SHMAP_FAILED(result);
}
