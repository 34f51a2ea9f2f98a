/* SPDX-License-Identifier: MIT */

/* Burying the dead members of rosters. */
#include "base/atomic.h"
#include "base/error.h"
#include "base/stop.h"
#include "data/seat.h"

static const shmap__os_status done = {0, 0};

/* Become the undertaker of a dead member. `*result` is what to return. */
static shmap__os_status begin_burial(shmap__seat *seat,
                                     const shmap__reading *read,
                                     uint64_t process, int *result)
{
    uint64_t before = read->undertaker;
    uint64_t own = process;

    *result = 0;
    if (!shmap__cas64(&seat->undertaker, &before, process))
        return done;
    SHMAP__STOP("roster.burying");
    /* Another may have buried it since it was looked at. */
    if (shmap__load64(&seat->turn) != read->turn)
        shmap__cas64(&seat->undertaker, &own, 0);
    else
        *result = read->undertaker == 0 ? SHMAP_YOURS : SHMAP_OWNER_DIED;
    return done;
}

static shmap__os_status ask_to_bury(const shmap_roster *roster,
                                    shmap_member *member, uint64_t process,
                                    int *result)
{
    shmap__os_status status = done;
    shmap__reading read;

    *result = 0;
    shmap__seat_read(roster, member->seat, &read);
    if (read.member.generation != member->generation)
        return done;
    switch (read.member.state) {
    case SHMAP_MEMBER_PRESENT:
        return shmap__refuse_because(SHMAP_EBUSY, "the member lives");
    case SHMAP_MEMBER_UNKNOWN:
        return shmap__refuse_because(
            SHMAP_EBUSY, "this process cannot tell whether the member lives");
    case SHMAP_MEMBER_DEAD:
        status = begin_burial(shmap__seat_of(roster, member->seat), &read,
                              process, result);
        break;
    default: /* It was buried before, or is another's to bury. */
        break;
    }
    if (*result > 0) {
        *member = read.member;
        member->state = SHMAP_MEMBER_BURYING;
        member->burial_ = process;
    }
    return status;
}

static shmap__os_status end_burial(shmap_roster *roster, shmap_member *member,
                                   uint64_t process)
{
    shmap__seat *seat = shmap__seat_of(roster, member->seat);
    uint64_t turn = shmap__load64(&seat->turn);
    uint64_t owner = shmap__load64(&seat->owner);
    uint64_t own = process;

    if (member->burial_ != process ||
        shmap__load64(&seat->undertaker) != process ||
        shmap__generation_of(turn) != member->generation ||
        !shmap__is_taken(turn) ||
        !shmap__cas64(&seat->turn, &turn,
                      shmap__turn_of(member->generation,
                                     shmap__deaths_of(turn) + 1,
                                     SHMAP__SEAT_OPEN)))
        return shmap__refuse_because(
            SHMAP_EPERM, "the burial is not this process's, or has ended");
    SHMAP__STOP("roster.buried");
    shmap__cas64(&seat->undertaker, &own, 0);
    SHMAP__STOP("roster.mourned");
    shmap__cas64(&seat->owner, &owner, 0);
    SHMAP__STOP("roster.freed");
    shmap__roster_tell(roster);
    member->burial_ = 0;
    member->state = SHMAP_MEMBER_DEAD;
    return done;
}

int shmap_roster_bury(shmap_roster *roster, shmap_member *member)
{
    uint32_t seats;
    uint64_t process;
    int result = 0;
    shmap__os_status status =
        shmap__roster_begin_writing(roster, &seats, &process);

    if (status.code == 0 && (member == NULL || member->seat >= seats))
        status = shmap__refuse_because(
            SHMAP_EINVAL, "member must be one that shmap_roster_walk or "
                          "shmap_roster_watch gave");
    if (status.code == 0)
        status = member->burial_ == 0
                     ? ask_to_bury(roster, member, process, &result)
                     : end_burial(roster, member, process);
    return status.code != 0 ? shmap__result(status) : result;
}
