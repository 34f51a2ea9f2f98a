/* SPDX-License-Identifier: MIT */

/* A small benchmark runner.
 *
 * It takes groups of cases that do the same work in different ways, runs the
 * cases of a group in turn (A B C A B C ...) for many rounds, and prints the
 * median of each and its ratio to the group's first. Whatever else the machine
 * does meanwhile hits neighbours in a round alike, and medians ignore what
 * hits only some rounds.
 */
#ifndef BENCH_RUNNER_H
#define BENCH_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RUNNER_PARTS = 3 };

typedef struct runner_case {
    const char *name;
    void *context; /* passed to the functions */
    /* Before the first round and after the last; may be NULL. */
    int (*begin)(void *context);
    void (*end)(void *context);
    /* Do the work once. Adds to parts[1] and up the nanoseconds of what the
     * group names there; the runner itself times the whole. Not 0: failed. */
    int (*run)(void *context, int64_t parts[RUNNER_PARTS]);
} runner_case;

typedef struct runner_group {
    const char *name;                /* for --filter */
    const char *title;               /* what is done, in words */
    const char *goal;                /* in words; NULL: none */
    const char *parts[RUNNER_PARTS]; /* what is timed; parts[0] is the whole;
                                        NULL: do not show */
    uint64_t bytes;                  /* that a run touches, for a column of
                                        throughput; 0: no such column */
    unsigned rounds;
    unsigned batch;           /* runs in a round, for the clock's sake */
    unsigned loops;           /* how often a run does the work; 0 is once */
    bool tail;                /* a column for the 99th of 100 rounds */
    const runner_case *cases; /* the first is what all are compared with */
    size_t count;
} runner_group;

/* Nanoseconds, elapsed or of processor time, as the command line says. */
int64_t runner_now(void);

/* Run the groups as the command line says. Returns the exit status: 1 if a
 * case failed, 2 if the command line is not understood. Times are never a
 * reason to fail. */
int runner_main(int argc, char **argv, const runner_group *groups,
                size_t count);

#endif
