/* SPDX-License-Identifier: MIT */

/* Words that say who owns something: an id in one number with flags, so that
 * owner and flags change in one step. */
#ifndef SHMAP_OWNER_H
#define SHMAP_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "compiler.h"
#include "platform.h"

/* The id in a word; 0 if nobody owns it. */
static inline uint64_t shmap__owner_of(uint64_t word)
{
    return (word & SHMAP__OS_ID_MASK) == 0 ? 0 : word & ~SHMAP__OS_FLAGS;
}

/* See that the object's ids mean something to this process. Ownership that
 * remains from before a restart is marked as died. 0 or SHMAP_ELAYOUT. */
SHMAP__SLOW_PATH int shmap__place_join(uint32_t *place, uint64_t *word,
                                       uint32_t own);

static inline int shmap__place_check(uint32_t *place, uint64_t *word,
                                     uint32_t own)
{
    return shmap__load32(place) == own ? 0
                                       : shmap__place_join(place, word, own);
}

/* If the owner in a word, as it was found, has died, mark it so: the word is
 * nobody's, and has the flag. True if the word changed. */
bool shmap__owner_bury(uint64_t *word, uint64_t found);

#endif
