/* SPDX-License-Identifier: MIT */

/* Owners that have died, alone or with their machine. */
#include "sync/ownerword.h"

#include "base/error.h"
#include "base/stop.h"

int shmap__owner_settle_slowly(const void *object)
{
    return shmap__remember(shmap__os_settle(object));
}

int shmap__owner_unknown(void)
{
    return shmap__remember(shmap__refuse_because(
        SHMAP_ENOTSUP, "a process of another PID namespace has it, and whether "
                       "that process lives cannot be told from here"));
}

int shmap__owner_bury(uint64_t *word, uint64_t found)
{
    uint64_t owner = shmap__owner_of(found);
    enum shmap__os_life life;

    if (owner == 0)
        return 0;
    life = shmap__os_life_of(word, owner);
    if (life == SHMAP__OS_LIFE_UNKNOWN)
        return shmap__owner_unknown();
    if (life == SHMAP__OS_ALIVE)
        return 0;
    SHMAP__STOP("owner.dead");
    return shmap__cas64(word, &found,
                        (found & SHMAP__OS_WAITERS) | SHMAP__OS_OWNER_DIED);
}
