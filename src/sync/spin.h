/* SPDX-License-Identifier: MIT */

/* Spinning: looking again and again for a short time before a sleep, for as
 * long as that paid off lately. */
#ifndef SHMAP_SPIN_H
#define SHMAP_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include "platform.h"

/* Do what is waited for, if that is possible now. Returns 0 if not, else the
 * result, of which SHMAP__DONE means 0. */
typedef int shmap__attempt(void *context);

/* One spin. The caller sets `most_pauses`. */
typedef struct shmap__spin {
    bool quick;           /* the attempt succeeded before a look at the clock */
    bool late;            /* the deadline had passed at that look */
    bool refused;         /* there is nothing to learn: spinning is forbidden */
    int64_t began;        /* the moment at which it began; 0 if quick */
    int64_t limit;        /* ns that a spin may last at all */
    unsigned pauses;      /* between two attempts; doubled each time */
    unsigned most_pauses; /* the most pauses; set by the caller; few where each
                             attempt delays the thread that is waited for */
} shmap__spin;

/* Spin, if that may pay off, until the attempt does not return 0 or the
 * deadline passes. Returns what the attempt returned. `level` is how badly
 * spinning did lately; shmap__spin_learn returns the next level, from how long
 * the whole wait took. */
int shmap__spin_start(shmap__spin *spin, uint32_t spin_ns, uint32_t level,
                      int64_t deadline, shmap__attempt *attempt, void *context);
uint32_t shmap__spin_learn(const shmap__spin *spin, uint32_t level);

/* The same for threads that wait in the usual way, and what they learn is kept;
 * `woken`: after a sleep that ended with what was waited for. They also learn
 * not to spin for a thread on the same processor. */
int shmap__spin_for(shmap_waiters *waiters, shmap__spin *spin, uint32_t spin_ns,
                    int64_t deadline, shmap__attempt *attempt, void *context);
void shmap__spin_end(shmap_waiters *waiters, const shmap__spin *spin,
                     bool woken);

/* Return whether this thread runs on this processor; false for 0, which is
 * unknown. */
static inline bool shmap__is_here(uint32_t processor)
{
    return processor != 0 && processor == shmap__os_processor();
}

/* Say on which processor this thread runs, before it wakes the waiters. */
void shmap__spin_say_where(shmap_waiters *waiters);

#endif
