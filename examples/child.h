/* SPDX-License-Identifier: MIT */

/* Child processes, for the examples that start and kill some. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stdint.h>

/* A process that was started. */
typedef struct child_process {
    intptr_t id;  /* its number, or its HANDLE */
    bool running; /* not known to have ended */
    int status;   /* after that: what it returned; -1 if it was killed */
} child_process;

/* Start this program again. `program` is argv[0]; the arguments follow it and
 * end with NULL. Says on stderr what went wrong. */
bool child_start(child_process *child, const char *program,
                 const char *const *arguments);

/* Kill it, without any warning, and wait until it is gone. */
void child_kill(child_process *child);

/* Whether it has ended by the deadline (shmap/clock.h). */
bool child_wait(child_process *child, int64_t deadline);

#endif
