/* SPDX-License-Identifier: MIT */

/* A pool of worker processes that counts primes: the supervisor puts jobs into
 * a list, the workers do them, and workers that are killed are replaced. Each
 * job counts once, whichever process dies.
 *
 *     worker_pool [--name NAME] [--workers N] [--kills N]
 *
 * --name     of the region; default "example.worker_pool"
 * --workers  how many processes work; default 4
 * --kills    how many are killed with a job in hand; default 30
 *
 * A semaphore says how many jobs are waiting, a mutex protects the list, and an
 * event tells the supervisor that all jobs are done. Ends with 0 if the number
 * of primes is right. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmap.h>

#include "child.h"
#include "example.h"

/* There are 664,579 primes below 10,000,000. */
#define JOBS     400
#define PER_JOB  25000
#define EXPECTED 664579

#define MAX_WORKERS 64
#define PATIENCE    SHMAP_S(10)

/* Written in the order of the program: a kill comes between two instructions.
 */
typedef volatile uint32_t word;

enum job_state { WAITING = 0, IN_HAND, DONE };

typedef struct job {
    word state;
    word worker; /* number of the worker that has it in hand */
    word primes; /* once it is done */
} job;

/* The region. All zero is ready for use. */
typedef struct pool {
    shmap_mutex supervisor;  /* the supervisor has it as long as it is there */
    shmap_semaphore waiting; /* jobs that no worker has in hand, at least */
    shmap_event finished;
    shmap_mutex mutex; /* protects all of the following */
    word done;         /* jobs */
    word primes;       /* that these have found */
    job jobs[JOBS];
} pool;

/* Add up the jobs that are done. */
static void add_up(pool *p)
{
    uint32_t done = 0;
    uint32_t primes = 0;

    for (int i = 0; i < JOBS; i++) {
        if (p->jobs[i].state != DONE)
            continue;
        done++;
        primes += p->jobs[i].primes;
    }
    p->done = done;
    p->primes = primes;
    if (done == JOBS)
        shmap_event_set(&p->finished);
}

/* If one dies with the mutex, each job is in one state or another, because that
 * is one word. Only the sums may be wrong. */
static int lock(pool *p)
{
    int result = shmap_mutex_lock(&p->mutex, shmap_after(PATIENCE));

    if (result != SHMAP_OWNER_DIED)
        return result;
    add_up(p);
    return shmap_mutex_consistent(&p->mutex);
}

/* Find a job that waits, else NULL: the semaphore may say more jobs than there
 * are. */
static int take_job(pool *p, uint32_t worker, job **taken)
{
    int result = lock(p);

    *taken = NULL;
    if (SHMAP_FAILED(result))
        return result;
    for (int i = 0; i < JOBS && *taken == NULL; i++)
        if (p->jobs[i].state == WAITING)
            *taken = &p->jobs[i];
    if (*taken != NULL) {
        (*taken)->worker = worker;
        (*taken)->state = IN_HAND;
    }
    return shmap_mutex_unlock(&p->mutex);
}

static int finish_job(pool *p, job *finished, uint32_t primes)
{
    int result = lock(p);

    if (SHMAP_FAILED(result))
        return result;
    finished->primes = primes;
    finished->state = DONE;
    p->done++;
    p->primes += primes;
    if (p->done == JOBS)
        shmap_event_set(&p->finished);
    return shmap_mutex_unlock(&p->mutex);
}

static bool is_prime(uint32_t number)
{
    if (number < 4 || number % 2 == 0)
        return number == 2 || number == 3;
    for (uint32_t i = 3; i <= number / i; i += 2)
        if (number % i == 0)
            return false;
    return true;
}

static uint32_t count_primes(uint32_t from, uint32_t count)
{
    uint32_t primes = 0;

    for (uint32_t i = 0; i < count; i++)
        primes += is_prime(from + i);
    return primes;
}

/* Wait for a job, and do it. */
static int do_one(pool *p, uint32_t worker)
{
    job *taken = NULL;
    int result = shmap_semaphore_wait(&p->waiting, shmap_after(SHMAP_S(1)));

    if (result == SHMAP_ETIMEDOUT)
        return 0;
    if (result == 0)
        result = take_job(p, worker, &taken);
    if (SHMAP_FAILED(result) || taken == NULL)
        return result;
    uint32_t number = (uint32_t)(taken - p->jobs);
    return finish_job(p, taken, count_primes(number * PER_JOB, PER_JOB));
}

/* The supervisor ends the workers by letting go of this mutex. If it dies, that
 * has the same effect. */
static bool is_supervised(pool *p)
{
    int result = shmap_mutex_lock(&p->supervisor, SHMAP_TRY);

    if (result >= 0)
        shmap_mutex_unlock(&p->supervisor);
    return result == SHMAP_ETIMEDOUT;
}

/* A worker's whole life. */
static int work(const char *name, uint32_t worker)
{
    shmap_view view;
    int result = example_map(&view, name, 0);

    if (SHMAP_FAILED(result))
        return example_failed("worker_pool: worker", result);
    while (result == 0 && is_supervised(view.data))
        result = do_one(view.data, worker);
    shmap_view_unmap(&view);
    return SHMAP_FAILED(result) ? example_failed("worker_pool: worker", result)
                                : EXIT_SUCCESS;
}

/* The supervisor's state. */
typedef struct supervisor {
    const char *program;
    const char *name; /* of the region */
    uint64_t workers;
    uint64_t kills; /* still to come */
    uint32_t killed;
    uint32_t again; /* jobs that the dead had in hand */
    pool *pool;
    child_process children[MAX_WORKERS];
} supervisor;

static bool start_worker(supervisor *s, uint64_t worker)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, worker);
    return child_start(&s->children[worker], s->program,
                       (const char *[]){"--name", s->name, "work", text, NULL});
}

/* A worker has died: put back the job that it had in hand. It may also have
 * died between the semaphore and the list; so post once for each dead worker.
 * That may be once too often, and then a worker looks into the list in vain. */
static int bury(supervisor *s, uint32_t worker)
{
    int result = lock(s->pool);

    if (SHMAP_FAILED(result))
        return result;
    for (int i = 0; i < JOBS; i++) {
        job *left = &s->pool->jobs[i];

        if (left->state == IN_HAND && left->worker == worker) {
            left->state = WAITING;
            s->again++;
        }
    }
    result = shmap_mutex_unlock(&s->pool->mutex);
    return SHMAP_FAILED(result) ? result
                                : shmap_semaphore_post(&s->pool->waiting, 1);
}

/* Replace the workers that have died, of whatever. */
static int replace_dead(supervisor *s)
{
    int result = 0;

    for (uint32_t i = 0; i < s->workers && result == 0; i++) {
        if (!child_wait(&s->children[i], 0))
            continue;
        result = bury(s, i);
        if (result == 0 && !start_worker(s, i))
            return SHMAP_ESYSTEM;
    }
    return result;
}

/* Kill a worker that has a job in hand. */
static int kill_one(supervisor *s)
{
    uint32_t worker = MAX_WORKERS;
    uint64_t first = example_random(JOBS);
    int result = lock(s->pool);

    if (SHMAP_FAILED(result))
        return result;
    for (uint64_t i = 0; i < JOBS && worker == MAX_WORKERS; i++) {
        const job *found = &s->pool->jobs[(first + i) % JOBS];

        if (found->state == IN_HAND)
            worker = found->worker;
    }
    result = shmap_mutex_unlock(&s->pool->mutex);
    if (worker != MAX_WORKERS) {
        child_kill(&s->children[worker]);
        s->killed++;
        s->kills--;
    }
    return result;
}

/* Start the workers, and see to it that all jobs are done. */
static int supervise(supervisor *s)
{
    pool *p = s->pool;
    int result = shmap_semaphore_post(&p->waiting, JOBS);

    for (uint64_t i = 0; i < s->workers; i++)
        if (!start_worker(s, i))
            return SHMAP_ESYSTEM;
    while (result == 0) {
        uint64_t ms = example_random(50) + 1;

        result = shmap_event_wait(&p->finished, shmap_after(SHMAP_MS(ms)));
        if (result != SHMAP_ETIMEDOUT)
            break;
        result = s->kills > 0 ? kill_one(s) : 0;
        if (result == 0)
            result = replace_dead(s);
    }
    return result;
}

/* Let the workers go; kill the workers that do not end. */
static bool end_workers(supervisor *s)
{
    int64_t deadline = shmap_after(PATIENCE);
    bool well = true;

    shmap_mutex_unlock(&s->pool->supervisor);
    shmap_semaphore_post(&s->pool->waiting, (uint32_t)s->workers);
    for (uint64_t i = 0; i < s->workers; i++) {
        child_wait(&s->children[i], deadline);
        child_kill(&s->children[i]);
        well = well && s->children[i].status == EXIT_SUCCESS;
    }
    return well;
}

static int run(supervisor *s)
{
    shmap_view view;
    int result = example_map(&view, s->name, sizeof(pool));

    if (SHMAP_FAILED(result))
        return example_failed(s->name, result);
    s->pool = view.data;
    result = shmap_mutex_lock(&s->pool->supervisor, SHMAP_TRY);
    if (result == 0)
        result = supervise(s);
    bool well = end_workers(s);
    if (result == 0)
        result = lock(s->pool);
    if (SHMAP_FAILED(result))
        return example_failed("worker_pool", result);

    well = well && s->pool->done == JOBS && s->pool->primes == EXPECTED;
    printf("worker_pool: %" PRIu32 " workers were killed, %" PRIu32
           " jobs done again\n"
           "worker_pool: %" PRIu32 " of %d jobs are done, %" PRIu32
           " primes: %s\n",
           s->killed, s->again, s->pool->done, JOBS, s->pool->primes,
           well ? "right" : "WRONG");
    shmap_mutex_unlock(&s->pool->mutex);
    shmap_view_unmap(&view);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static supervisor s = {
        .name = "example.worker_pool", .workers = 4, .kills = 30};
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
        fprintf(stderr, "usage: worker_pool [--name NAME] [--workers N] "
                        "[--kills N]\n");
        return 2;
    }
    return worker < MAX_WORKERS ? work(s.name, (uint32_t)worker) : run(&s);
}
