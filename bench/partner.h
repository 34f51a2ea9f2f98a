/* SPDX-License-Identifier: MIT */

/* Another process of the same program, to take turns with, or to kill. */
#ifndef BENCH_PARTNER_H
#define BENCH_PARTNER_H

#include <stdint.h>

typedef struct bench_partner {
    intptr_t process; /* 0: none */
} bench_partner;

/* Start a process that does bench_partner_main. Returns 0 or -1. */
int bench_partner_start(bench_partner *partner, const char *way,
                        const char *name, const char *job);

/* When processes are kept to a processor, and to which. */
enum bench_pinning {
    BENCH_PIN_LATE = 0, /* each to its own, after its first use of libraries */
    BENCH_PIN_EARLY,    /* each to its own, before that */
    BENCH_PIN_ONE       /* all to the same, before that */
};

extern int bench_partner_pinning;

/* Keep this process to one of two processors, 0 or 1, if there are two; with
 * BENCH_PIN_ONE, to 0. */
void bench_partner_pin(int which);

/* Kill it, and do not wait for that. */
void bench_partner_kill(const bench_partner *partner);

/* Wait until a killed one has gone. Zeroed is fine. */
void bench_partner_reap(bench_partner *partner);

/* What the process does: the program has it. Where processes cannot fork, main
 * is called with "--partner", these three, and the pinning. */
int bench_partner_main(const char *way, const char *name, const char *job);

#endif
