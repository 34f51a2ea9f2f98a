/* SPDX-License-Identifier: MIT */

/* The slots of a reader-writer lock: the slow paths. */
#include "sync/slots.h"

#include "sync/ownerword.h"

unsigned shmap__slots_count(const shmap_rwlock *rwlock, uint64_t id)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SHMAP__SLOTS; i++)
        count += shmap__load64(&rwlock->reader_[i]) == id;
    return count;
}

/* Empty a slot if its reader has died. A slot that is not 0 but has no id
 * belongs to no reader: a kernel that was led there wrote it. Returns the
 * reader's life. */
static enum shmap__os_life bury_reader(uint64_t *slot)
{
    uint64_t reader = shmap__load64(slot);
    uint64_t id = shmap__owner_of(reader);
    enum shmap__os_life life;

    if (reader == 0)
        return SHMAP__OS_DEAD;
    life = id == 0 ? SHMAP__OS_DEAD : shmap__os_life_of(slot, id);
    if (life == SHMAP__OS_DEAD)
        shmap__cas64(slot, &reader, 0);
    return life;
}

int shmap__slots_bury(shmap_rwlock *rwlock)
{
    bool known = true;

    for (unsigned i = 0; i < SHMAP__SLOTS; i++) {
        if (bury_reader(&rwlock->reader_[i]) == SHMAP__OS_LIFE_UNKNOWN)
            known = false;
    }
    return known ? 0 : shmap__owner_unknown();
}
