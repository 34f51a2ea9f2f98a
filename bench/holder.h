/* SPDX-License-Identifier: MIT */

/* Another process that holds a region while this one attaches to it. */
#ifndef BENCH_HOLDER_H
#define BENCH_HOLDER_H

#include <stdint.h>

typedef struct bench_holder {
    intptr_t process; /* 0: none */
    intptr_t input;   /* what it reads: when this ends, so does the process */
} bench_holder;

/* Start `program --hold <peer> <name> <pages>` and wait until it has written a
 * byte. Returns 0, or -1 if it never does. */
int bench_holder_start(bench_holder *holder, const char *program,
                       const char *peer, const char *name, const char *pages);

/* End the process and wait for it. Zeroed is fine. */
void bench_holder_stop(bench_holder *holder);

#endif
