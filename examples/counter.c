/* SPDX-License-Identifier: MIT */

/* Counts with several processes at once while their supervisor kills them, one
 * after the other, wherever they happen to be; and counts exactly.
 *
 *     counter [--name NAME] [--workers N] [--kills N]
 *
 * --name     of the region; default "example.counter"
 * --workers  how many processes count; default 4
 * --kills    how many are killed, and replaced; default 100
 *
 * Counting is a step in two places, the total and the worker's own part of it,
 * so a worker that dies may leave them different. Before it changes them, it
 * writes down what it is going to do. The next process that locks the mutex is
 * told by SHMAP_OWNER_DIED, and finishes the dead worker's step. Ends with 0 if
 * in the end the parts make the total. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmap.h>

#include "child.h"
#include "example.h"

#define MAX_WORKERS 64
#define PATIENCE    SHMAP_S(10)

/* A kill comes between two instructions, and compilers are free to change the
 * order in which plain variables are written, as long as the program itself
 * cannot tell. `volatile` makes them keep it. */
typedef volatile uint32_t word;
typedef volatile uint64_t number;

/* The region. All zero is ready for use. */
typedef struct shared_counter {
    shmap_mutex supervisor; /* the supervisor has it as long as it is there */
    shmap_mutex mutex;      /* protects all of the following */
    number total;
    number parts[MAX_WORKERS];
    /* The step being done, as long as `valid` is 1. */
    word valid;
    word worker;
    number new_total;
    number new_part;
    /* For the curious. */
    word deaths;  /* with the mutex */
    word repairs; /* of steps that they left half done */
} shared_counter;

/* Make what happens in between take its time, so that kills meet it. */
static void dawdle(void)
{
    for (word i = 0; i < 1000; i++)
        continue;
}

/* Do the step that is written down. If it was done before, in part or all of
 * it, this does no harm. */
static void carry_out(shared_counter *counter)
{
    counter->total = counter->new_total;
    dawdle();
    counter->parts[counter->worker] = counter->new_part;
    counter->valid = 0;
}

static int lock(shared_counter *counter)
{
    int result = shmap_mutex_lock(&counter->mutex, shmap_after(PATIENCE));

    if (result != SHMAP_OWNER_DIED)
        return result;
    counter->deaths++;
    if (counter->valid) {
        counter->repairs++;
        carry_out(counter);
    }
    /* Killed before this, we leave the repair to the next one. */
    return shmap_mutex_consistent(&counter->mutex);
}

static int count_one(shared_counter *counter, uint32_t worker)
{
    int result = lock(counter);

    if (SHMAP_FAILED(result))
        return result;
    counter->worker = worker;
    counter->new_total = counter->total + 1;
    counter->new_part = counter->parts[worker] + 1;
    counter->valid = 1;
    carry_out(counter);
    return shmap_mutex_unlock(&counter->mutex);
}

/* The supervisor ends the workers by letting go of this mutex. If it dies, that
 * has the same effect. */
static bool is_supervised(shared_counter *counter)
{
    int result = shmap_mutex_lock(&counter->supervisor, SHMAP_TRY);

    if (result >= 0)
        shmap_mutex_unlock(&counter->supervisor);
    return result == SHMAP_ETIMEDOUT;
}

/* A worker's whole life. */
static int work(const char *name, uint32_t worker)
{
    shmap_view view;
    int result = example_map(&view, name, 0);

    if (SHMAP_FAILED(result))
        return example_failed("counter: worker", result);
    while (result == 0 && is_supervised(view.data))
        for (int i = 0; i < 1000 && result == 0; i++)
            result = count_one(view.data, worker);
    shmap_view_unmap(&view);
    return SHMAP_FAILED(result) ? example_failed("counter: worker", result)
                                : EXIT_SUCCESS;
}

/* The supervisor's state. */
typedef struct supervisor {
    const char *program;
    const char *name; /* of the region */
    uint64_t workers;
    uint64_t kills;
    shared_counter *counter;
    child_process children[MAX_WORKERS];
} supervisor;

static int read_part(shared_counter *counter, uint64_t worker, uint64_t *part)
{
    int result = lock(counter);

    if (SHMAP_FAILED(result))
        return result;
    *part = counter->parts[worker];
    return shmap_mutex_unlock(&counter->mutex);
}

/* Start a worker, and see it count: a process takes its time to start, and to
 * kill it before would show nothing. */
static bool start_worker(supervisor *s, uint64_t worker)
{
    int64_t deadline = shmap_after(PATIENCE);
    uint64_t before = 0;
    uint64_t now = 0;
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, worker);
    int result = read_part(s->counter, worker, &before);
    if (!child_start(&s->children[worker], s->program,
                     (const char *[]){"--name", s->name, "work", text, NULL}))
        return false;
    while (result == 0 && shmap_now() < deadline) {
        result = read_part(s->counter, worker, &now);
        if (result == 0 && now != before)
            return true;
        example_pause();
    }
    example_failed("counter: starting a worker",
                   SHMAP_FAILED(result) ? result : SHMAP_ETIMEDOUT);
    return false;
}

/* Start all workers, and kill and replace one after the other. */
static bool supervise(supervisor *s)
{
    for (uint64_t i = 0; i < s->workers; i++)
        if (!start_worker(s, i))
            return false;
    for (uint64_t i = 0; i < s->kills; i++) {
        uint64_t worker = example_random(s->workers);

        for (uint64_t pauses = example_random(5); pauses > 0; pauses--)
            example_pause();
        child_kill(&s->children[worker]);
        if (!start_worker(s, worker))
            return false;
    }
    return true;
}

/* Wait for the workers to end; kill the workers that do not. */
static bool end_workers(supervisor *s)
{
    int64_t deadline = shmap_after(PATIENCE);
    bool well = true;

    for (uint64_t i = 0; i < s->workers; i++) {
        child_wait(&s->children[i], deadline);
        child_kill(&s->children[i]);
        well = well && s->children[i].status == EXIT_SUCCESS;
    }
    return well;
}

/* Return whether the parts make the total. No worker counts any more. */
static bool check(const supervisor *s)
{
    shared_counter *counter = s->counter;
    uint64_t sum = 0;

    int result = lock(counter);
    if (SHMAP_FAILED(result)) {
        example_failed("counter", result);
        return false;
    }
    for (uint64_t i = 0; i < s->workers; i++)
        sum += counter->parts[i];
    printf("counter: %" PRIu64 " workers were killed, %" PRIu32
           " of them with the mutex and %" PRIu32 " half way\n"
           "counter: the total is %" PRIu64 ", the sum of the parts %" PRIu64
           ": %s\n",
           s->kills, counter->deaths, counter->repairs, counter->total, sum,
           counter->total == sum ? "exact" : "WRONG");
    shmap_mutex_unlock(&counter->mutex);
    return counter->total == sum;
}

static int run(supervisor *s)
{
    shmap_view view;
    int result = example_map(&view, s->name, sizeof(shared_counter));

    if (SHMAP_FAILED(result))
        return example_failed(s->name, result);
    s->counter = view.data;
    result = shmap_mutex_lock(&s->counter->supervisor, SHMAP_TRY);
    if (SHMAP_FAILED(result))
        return example_failed(s->name, result);

    bool well = supervise(s);
    shmap_mutex_unlock(&s->counter->supervisor);
    well = end_workers(s) && well;
    well = check(s) && well;
    shmap_view_unmap(&view);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static supervisor s = {
        .name = "example.counter", .workers = 4, .kills = 100};
    const char *value;
    uint64_t worker = MAX_WORKERS;
    bool right = argc > 0;

    s.program = argv[0];
    while (right && *++argv != NULL) {
        if ((value = example_value(&argv, "--name")) != NULL)
            s.name = value;
        else if ((value = example_value(&argv, "--workers")) != NULL)
            right = example_number(value, 1, MAX_WORKERS, &s.workers);
        else if ((value = example_value(&argv, "--kills")) != NULL)
            right = example_number(value, 0, 1000000, &s.kills);
        else if ((value = example_value(&argv, "work")) != NULL)
            right = example_number(value, 0, MAX_WORKERS - 1, &worker);
        else
            right = false;
    }
    if (!right) {
        fprintf(stderr, "usage: counter [--name NAME] [--workers N] "
                        "[--kills N]\n");
        return 2;
    }
    return worker < MAX_WORKERS ? work(s.name, (uint32_t)worker) : run(&s);
}
