/* SPDX-License-Identifier: MIT */

/* The slots of a reader-writer lock: owner words, one for each reader. */
#ifndef SHMAP_SLOTS_H
#define SHMAP_SLOTS_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform.h"
#include "sync/held.h"

enum { SHMAP__SLOTS = SHMAP_RWLOCK_READERS };

/* Put this thread's id into an empty slot. Returns its index, or -1 if no slot
 * is empty. */
SHMAP__FAST_PATH int shmap__slot_take(shmap_rwlock *rwlock,
                                      const shmap__thread *thread)
{
    for (unsigned i = 0; i < SHMAP__SLOTS; i++) {
        unsigned slot = (thread->slot + i) % SHMAP__SLOTS;
        uint64_t empty = 0;

        if (shmap__load64(&rwlock->reader_[slot]) == 0 &&
            shmap__cas64(&rwlock->reader_[slot], &empty, thread->id))
            return (int)slot;
    }
    return -1;
}

/* Return how many slots have this id. The id 0 counts the empty ones. */
SHMAP__SLOW_PATH unsigned shmap__slots_count(const shmap_rwlock *rwlock,
                                             uint64_t id);

/* Empty the slots of dead readers. Returns 0, or SHMAP_ENOTSUP if this process
 * can never tell whether a reader lives. */
int shmap__slots_bury(shmap_rwlock *rwlock);

#endif
