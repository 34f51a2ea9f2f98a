/* SPDX-License-Identifier: MIT */

/* Owners that have died, of themselves or with their machine. */
#include "owner.h"

#include "stop.h"

static bool mark_died(uint64_t *word, uint64_t found)
{
    return shmap__cas64(word, &found,
                        (found & SHMAP__OS_WAITERS) | SHMAP__OS_OWNER_DIED);
}

bool shmap__owner_bury(uint64_t *word, uint64_t found)
{
    uint64_t owner = shmap__owner_of(found);

    if (owner == 0 || !shmap__os_is_dead(owner))
        return false;
    SHMAP__STOP("owner.dead");
    return mark_died(word, found);
}

int shmap__place_join(uint32_t *place, uint64_t *word, uint32_t own)
{
    uint32_t found = shmap__load32(place);

    while (found != own) {
        if (found != 0) {
            uint64_t left = shmap__load64(word);

            if (!shmap__os_place_is_past(found))
                return SHMAP_ELAYOUT;
            /* First the word: nobody who has joined can own it before. The id
             * of a past owner never comes again, so a late mark hits nobody. */
            if (shmap__owner_of(left) != 0 && shmap__load32(place) == found)
                mark_died(word, left);
        }
        SHMAP__STOP("place.joining");
        if (shmap__cas32(place, &found, own))
            break;
    }
    return 0;
}
