/* SPDX-License-Identifier: MIT */

/* One who scribbles over the objects of an arena: writes as a process does that
 * may write to the region and means harm, anything into the objects, and
 * nothing elsewhere.
 */
#ifndef SHMAP_TEST_SCRIBBLE_H
#define SHMAP_TEST_SCRIBBLE_H

#include "arena.h"

/* What a scribbler knows of those whom it disturbs. All are numbers that the
 * other writes and reads with memory_store and memory_load, 0 for none. */
struct scribble_hints {
    uint64_t id;                 /* its word as the owner of something */
    uint64_t cells[ARENA_KINDS]; /* where it has mapped the cells */
    uint64_t healthy[4];         /* addresses of words that it owns elsewhere,
                                    where nobody else should write */
};

struct scribbler {
    void *arena;
    const struct scribble_hints *const *hints;
    size_t hint_count;
    struct dice dice;
    /* What objects were some time ago. */
    unsigned char *past[ARENA_OBJECTS];
};

/* arena: mapped whole. */
void scribble_start(struct scribbler *scribbler, void *arena, uint64_t seed);
/* Write something into one object. */
void scribble(struct scribbler *scribbler);
/* Let those go on who wait for a cond's mutex, which has no deadline. */
void scribble_heal(void *arena);

#endif
