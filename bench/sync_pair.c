/* SPDX-License-Identifier: MIT */

/* What two processes do with a lock, a signal or a record, and how long it
 * takes them. What they need to agree on when is shmap's, too. */
#include "sync_pair.h"

#include <stdio.h>
#include <string.h>

#include "bare.h"

enum {
    LINE = 128,
    CONTENTION_NS = 3000000,
    LATE_NS = 1000000,
    TOGETHER = 10,  /* locks between two looks at the time */
    PATIENCE_S = 30 /* for what takes milliseconds */
};

typedef union pair_place {
    shmap_record record;
    bench_bare_record bare;
    SHMAP_ALIGN8 unsigned char bytes[BENCH_PLACE];
} pair_place;

/* In the region. A new line of the cache for each of what may not disturb the
 * others. */
typedef struct pair_shared {
    shmap_event ready; /* the process has opened what there is */
    shmap_event go;    /* it begins */
    shmap_event done;  /* it has ended */
    uint32_t stop;     /* it is to end */
    int64_t moment;    /* when it had the lock */
    unsigned char gap[LINE - (3 * 40 + 16) % LINE];
    volatile uint64_t section; /* how often it was locked */
    unsigned char another[LINE - 8];
    pair_place place;
} pair_shared;

static int64_t patience(void)
{
    return shmap_after(SHMAP_S(PATIENCE_S));
}

static void sleep_for(int64_t ns)
{
    shmap_event never = {0};

    never.spin_ns = SHMAP_SPIN_NEVER;
    shmap_event_wait(&never, shmap_after(ns));
}

/* The other process */

static bool is_stopped(const pair_shared *shared)
{
    return *(const volatile uint32_t *)&shared->stop != 0;
}

/* The work of a job that goes on until it is told to stop. */
static void work(pair *own)
{
    pair_shared *shared = own->shared;
    unsigned char value[64];

    if (own->lock != NULL)
        own->lock->repeat(own->opened, TOGETHER, &shared->section);
    else if (strcmp(own->job, "read") == 0)
        shmap_record_read(&shared->place.record, value, sizeof value, NULL);
    else
        bench_bare_record_read(&shared->place.bare, value);
}

static void work_in_turns(pair *own)
{
    pair_shared *shared = own->shared;

    for (;;) {
        shmap_event_take(&shared->go, SHMAP_FOREVER);
        shmap_event_set(&shared->ready);
        while (!is_stopped(shared))
            work(own);
        shmap_event_set(&shared->done);
    }
}

static void answer(pair *own, int64_t late_ns)
{
    while (own->signal->wait(own->opened, 0) == 0) {
        if (late_ns != 0)
            sleep_for(late_ns);
        own->signal->post(own->opened, 1);
    }
}

static void queue(pair *own)
{
    pair_shared *shared = own->shared;

    for (;;) {
        shmap_event_take(&shared->go, SHMAP_FOREVER);
        shmap_event_set(&shared->ready);
        if (own->lock->lock(own->opened) != 0)
            return;
        shared->moment = shmap_now();
        own->lock->unlock(own->opened);
        shmap_event_set(&shared->done);
    }
}

static void hold(pair *own)
{
    int (*lock)(void *) = own->lock->hold;

    if (lock == NULL)
        lock = own->lock->lock;
    if (lock(own->opened) != 0)
        return;
    shmap_event_set(&own->shared->ready);
    sleep_for((int64_t)PATIENCE_S * 1000000000);
}

/* Until it is killed, or something fails. */
static void do_job(pair *own)
{
    if (strcmp(own->job, "answer") == 0)
        answer(own, 0);
    else if (strcmp(own->job, "answer-late") == 0)
        answer(own, LATE_NS);
    else if (strcmp(own->job, "queue") == 0)
        queue(own);
    else if (strcmp(own->job, "hold") == 0)
        hold(own);
    else
        work_in_turns(own);
}

static int open_what_there_is(pair *own, bool make)
{
    void *place = own->shared->place.bytes;

    if (own->lock != NULL)
        own->opened = own->lock->open(place, own->name, make);
    else if (own->signal != NULL)
        own->opened = own->signal->open(place, own->name, make);
    else
        own->opened = place;
    return own->opened == NULL ? -1 : 0;
}

static void close_what_there_is(pair *own, bool make)
{
    if (own->opened == NULL)
        return;
    if (own->lock != NULL)
        own->lock->close(own->opened, make);
    else if (own->signal != NULL)
        own->signal->close(own->opened, make);
    own->opened = NULL;
}

int pair_partner(pair *own)
{
    if (shmap_region_open(&own->region, own->name, NULL) != 0 ||
        shmap_view_map(&own->view, own->region, NULL) != 0)
        return 1;
    own->shared = own->view.data;
    if (open_what_there_is(own, false) != 0)
        return 1;
    if (strcmp(own->job, "hold") != 0)
        shmap_event_set(&own->shared->ready);
    bench_partner_pin(1);
    do_job(own);
    return 1;
}

/* This process */

static int start(bench_partner *partner, const pair *own, const char *job)
{
    const char *way = "-";

    if (own->lock != NULL)
        way = own->lock->name;
    else if (own->signal != NULL)
        way = own->signal->name;
    if (bench_partner_start(partner, way, own->name, job) != 0)
        return -1;
    return shmap_event_take(&own->shared->ready, patience());
}

int pair_begin(void *context)
{
    static unsigned begun;
    pair *own = context;
    int result;

    snprintf(own->name, sizeof own->name, "bench-%llx-%u",
             (unsigned long long)shmap_now(), ++begun);
    result =
        shmap_region_create(&own->region, own->name, sizeof(pair_shared), NULL);
    if (result == 0)
        result = shmap_view_map(&own->view, own->region, NULL);
    if (result != 0)
        return result;
    own->shared = own->view.data;
    bench_partner_pin(0);
    result = open_what_there_is(own, true);
    if (result == 0 && own->job != NULL)
        result = start(&own->partner, own, own->job);
    return result;
}

void pair_end(void *context)
{
    pair *own = context;

    bench_partner_kill(&own->partner);
    bench_partner_reap(&own->partner);
    close_what_there_is(own, true);
    shmap_view_unmap(&own->view);
    shmap_region_close(own->region);
    own->region = NULL;
}

/* Let the other process work, until it is told to stop. */
static int let_work(const pair *own)
{
    own->shared->stop = 0;
    if (shmap_event_set(&own->shared->go) != 0)
        return -1;
    return shmap_event_take(&own->shared->ready, patience());
}

static int let_stop(const pair *own)
{
    *(volatile uint32_t *)&own->shared->stop = 1;
    return shmap_event_take(&own->shared->done, patience());
}

int pair_run_lock(void *context, int64_t parts[RUNNER_PARTS])
{
    const pair *own = context;

    (void)parts;
    return own->lock->repeat(own->opened, PAIR_LOCKS, NULL);
}

int pair_run_contention(void *context, int64_t parts[RUNNER_PARTS])
{
    const pair *own = context;
    pair_shared *shared = own->shared;
    uint64_t before;
    uint64_t locks;
    int64_t began;
    int64_t took;
    int failed = let_work(own);

    began = shmap_now();
    before = shared->section;
    do {
        failed |= own->lock->repeat(own->opened, TOGETHER, &shared->section);
        took = shmap_now() - began;
    } while (failed == 0 && took < CONTENTION_NS);
    locks = shared->section - before;
    if (locks != 0)
        parts[1] += took * PAIR_LOCKS / (int64_t)locks;
    return failed | let_stop(own);
}

int pair_run_turns(void *context, int64_t parts[RUNNER_PARTS])
{
    const pair *own = context;
    int failed = 0;

    (void)parts;
    for (int i = 0; i < PAIR_TURNS && failed == 0; i++)
        failed = own->signal->post(own->opened, 0) |
                 own->signal->wait(own->opened, 1);
    return failed;
}

int pair_run_wait(void *context, int64_t parts[RUNNER_PARTS])
{
    const pair *own = context;
    int failed = 0;

    for (int i = 0; i < PAIR_WAITS && failed == 0; i++) {
        int64_t began;

        failed = own->signal->post(own->opened, 0);
        began = bench_processor_now();
        failed |= own->signal->wait(own->opened, 1);
        parts[1] += bench_processor_now() - began;
    }
    return failed;
}

int pair_run_recovery(void *context, int64_t parts[RUNNER_PARTS])
{
    enum { ASLEEP_NS = 1000000 }; /* Long enough to have fallen asleep. */
    const pair *own = context;
    pair_shared *shared = own->shared;
    bench_partner owner = {0};
    int64_t killed;
    int failed = start(&owner, own, "hold");

    if (failed == 0)
        failed = shmap_event_set(&shared->go) |
                 shmap_event_take(&shared->ready, patience());
    sleep_for(ASLEEP_NS);
    killed = shmap_now();
    bench_partner_kill(&owner);
    if (failed == 0)
        failed = shmap_event_take(&shared->done, patience());
    parts[1] += shared->moment - killed;
    bench_partner_reap(&owner);
    return failed;
}

/* The other process may have nothing to read before the first is written. */
static int run_write(const pair *own, int64_t parts[RUNNER_PARTS],
                     int (*write)(pair_place *place, const void *value))
{
    pair_place *place = &own->shared->place;
    unsigned char value[64] = {1};
    int64_t began;
    int failed = own->job == NULL ? 0 : let_work(own);

    began = shmap_now();
    for (int i = 0; i < PAIR_LOCKS; i++)
        failed |= write(place, value);
    parts[1] += shmap_now() - began;
    return own->job == NULL ? failed : failed | let_stop(own);
}

static int write_record(pair_place *place, const void *value)
{
    return shmap_record_write(&place->record, value, 64);
}

static int write_bare(pair_place *place, const void *value)
{
    bench_bare_record_write(&place->bare, value);
    return 0;
}

int pair_run_write(void *context, int64_t parts[RUNNER_PARTS])
{
    return run_write(context, parts, write_record);
}

int pair_run_write_bare(void *context, int64_t parts[RUNNER_PARTS])
{
    return run_write(context, parts, write_bare);
}
