/* SPDX-License-Identifier: MIT */

/* Owner words: the id of a lock's owner in one number with flags, so that owner
 * and flags change in one step. */
#ifndef SHMAP_OWNER_H
#define SHMAP_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform.h"

/* Return the id in a word; 0 if it has no owner. */
static inline uint64_t shmap__owner_of(uint64_t word)
{
    return (word & SHMAP__OS_ID_MASK) == 0 ? 0 : word & ~SHMAP__OS_FLAGS;
}

/* Make sure that other threads can tell whether this thread lives, before it
 * owns the object. Returns 0 or an error. */
SHMAP__SLOW_PATH int shmap__owner_settle_slowly(const void *object);

static inline int shmap__owner_settle(const void *object)
{
    return shmap__peek32(&shmap__os_unsettled) == 0
               ? 0
               : shmap__owner_settle_slowly(object);
}

/* If the owner in a word, as it was found, has died, set OWNER_DIED: the word
 * then has the flag, and no owner. Returns 1 if the word changed, 0 if not, or
 * SHMAP_ENOTSUP if this process can never tell whether the owner lives. */
int shmap__owner_bury(uint64_t *word, uint64_t found);

/* Remember that this process cannot tell. Returns SHMAP_ENOTSUP. */
int shmap__owner_unknown(void);

#endif
