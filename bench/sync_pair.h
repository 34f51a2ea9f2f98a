/* SPDX-License-Identifier: MIT */

/* Two processes, or one, and something that they lock, wait for, or read. */
#ifndef BENCH_SYNC_PAIR_H
#define BENCH_SYNC_PAIR_H

#include "partner.h"
#include "runner.h"
#include "shmap.h"
#include "sync.h"

enum {
    PAIR_LOCKS = 1000, /* locks and unlocks in a run */
    PAIR_TURNS = 100,  /* round trips in a run */
    PAIR_WAITS = 40    /* waits in a run */
};

typedef struct pair {
    const bench_lock *lock;
    const bench_signal *signal;
    const char *job; /* what the other process does; NULL: there is none */
    /* Since begin: */
    char name[48];
    shmap_region *region;
    shmap_view view;
    struct pair_shared *shared;
    void *opened;
    bench_partner partner;
} pair;

/* The part of a runner_case; `context` is a pair. */
int pair_begin(void *context);
void pair_end(void *context);

/* The other process: the lock or the signal, the name and the job are set.
 * Returns its exit status. */
int pair_partner(pair *own);

/* PAIR_LOCKS times. */
int pair_run_lock(void *context, int64_t parts[RUNNER_PARTS]);

/* Both processes lock, for some milliseconds; parts[1] is what PAIR_LOCKS by
 * any of them take. Job: "contend". */
int pair_run_contention(void *context, int64_t parts[RUNNER_PARTS]);

/* PAIR_TURNS times there and back. Job: "answer". */
int pair_run_turns(void *context, int64_t parts[RUNNER_PARTS]);

/* parts[1] is the processor time of PAIR_WAITS waits, of a millisecond each.
 * Job: "answer-late". */
int pair_run_wait(void *context, int64_t parts[RUNNER_PARTS]);

/* A third process locks and is killed; parts[1] is the time until the second
 * one has the lock. Job: "queue". */
int pair_run_recovery(void *context, int64_t parts[RUNNER_PARTS]);

/* Write 64 bytes PAIR_LOCKS times, which parts[1] is, while the other process
 * reads, if there is one: job "read", and "read-bare" of a bare record. */
int pair_run_write(void *context, int64_t parts[RUNNER_PARTS]);
int pair_run_write_bare(void *context, int64_t parts[RUNNER_PARTS]);

#endif
