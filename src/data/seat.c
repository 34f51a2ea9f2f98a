/* SPDX-License-Identifier: MIT */

/* The seats of rosters: checks, reading, and telling of changes. */
#include "data/seat.h"

#include <string.h>

#include "base/atomic.h"
#include "base/error.h"
#include "base/stop.h"
#include "sync/wait.h"

_Static_assert(sizeof(shmap__seat) == sizeof(shmap_roster),
               "SHMAP_ROSTER_SIZE");
_Static_assert(offsetof(shmap__seat, turn) == 8, "roster_seat.turn");
_Static_assert(offsetof(shmap__seat, undertaker) == 16,
               "roster_seat.undertaker");
_Static_assert(offsetof(shmap__seat, role) == 24, "roster_seat.role");
_Static_assert(offsetof(shmap__seat, name) == 32, "roster_seat.name");

static const shmap__os_status done = {0, 0};

bool shmap__seat_is_dead(const void *in, uint64_t process)
{
    return shmap__os_process_life(in, process) == SHMAP__OS_DEAD;
}

/* Checks. */

shmap__os_status shmap__roster_check_view(const shmap_roster *roster,
                                          bool writing, size_t *room)
{
    bool writable;

    if (roster == NULL || (uintptr_t)roster % 8 != 0)
        return (shmap__os_status){SHMAP_EINVAL, 0, "roster",
                                  SHMAP__OS_MISPLACED};
    if (!shmap__os_view_of(roster, room, &writable))
        return shmap__refuse_because(
            SHMAP_ENOTSUP, "the roster must be in a view of a region, on a "
                           "system that tells of the end of processes");
    if (writing && !writable)
        return shmap__refuse_because(
            SHMAP_EACCES, "the roster is in a read-only view: map it for "
                          "reading and writing");
    return done;
}

shmap__os_status shmap__roster_find_seats(const shmap_roster *roster,
                                          bool writing, uint32_t *seats)
{
    size_t room;
    uint64_t said;
    shmap__os_status status = shmap__roster_check_view(roster, writing, &room);

    if (status.code != 0)
        return status;
    said = room < sizeof *roster ? UINT64_MAX : shmap__load64(&roster->seats_);
    if (said > SHMAP_ROSTER_SEATS || SHMAP_ROSTER_SIZE(said) > room)
        return shmap__refuse_because(
            SHMAP_ELAYOUT, "a roster with so many seats does not end in its "
                           "view: map more, or it has been written over");
    *seats = (uint32_t)said;
    return done;
}

shmap__os_status shmap__roster_other_seats(uint64_t asked, uint64_t found)
{
    return (shmap__os_status){
        SHMAP_ELAYOUT, 0, "seats", SHMAP__OS_OTHER_SIZE, 0, asked, found};
}

shmap__os_status shmap__roster_begin_writing(const shmap_roster *roster,
                                             uint32_t *seats, uint64_t *process)
{
    shmap__os_status status = shmap__roster_find_seats(roster, true, seats);

    return status.code != 0 ? status : shmap__os_process_find(roster, process);
}

/* Looking at a seat. */

static int state_of(const shmap__seat *seat, uint64_t owner,
                    uint64_t undertaker)
{
    switch (shmap__os_process_life(seat, owner)) {
    case SHMAP__OS_ALIVE:
        return SHMAP_MEMBER_PRESENT;
    case SHMAP__OS_DEAD:
        return undertaker == 0 || shmap__seat_is_dead(seat, undertaker)
                   ? SHMAP_MEMBER_DEAD
                   : SHMAP_MEMBER_BURYING;
    default:
        return SHMAP_MEMBER_UNKNOWN;
    }
}

static void read_member(const shmap__seat *seat, shmap__reading *read)
{
    shmap_member *member = &read->member;
    uint64_t owner = shmap__load64(&seat->owner);

    read->undertaker = shmap__load64(&seat->undertaker);
    if (shmap__is_taken(read->turn))
        member->state = state_of(seat, owner, read->undertaker);
    member->generation = shmap__generation_of(read->turn);
    member->process = (uint32_t)owner;
    member->role = shmap__load32(&seat->role);
    shmap__copy_shared(member->name, seat->name, sizeof member->name);
    member->name[SHMAP_MEMBER_NAME] = '\0';
}

/* Read a seat as it was at one moment: a member's name and number change only
 * when it is one no longer. */
void shmap__seat_read(const shmap_roster *roster, uint32_t number,
                      shmap__reading *read)
{
    const shmap__seat *seat = shmap__seat_of(roster, number);

    for (unsigned i = 0; i < SHMAP__WAIT_TRIES; i++) {
        memset(read, 0, sizeof *read);
        read->turn = shmap__load64(&seat->turn);
        read->member.seat = number;
        read_member(seat, read);
        shmap__fence();
        if (shmap__load64(&seat->turn) == read->turn)
            return;
    }
    /* Something writes here without end. */
    read->member.state = 0;
}

/* Changing it. */

void shmap__roster_tell(shmap_roster *roster)
{
    shmap__add32(&roster->changes_, 1);
    SHMAP__STOP("roster.changed");
    shmap__os_wake(&roster->changes_, shmap__load64(&roster->who_),
                   SHMAP__ALL_WAITERS);
    SHMAP__STOP("roster.told");
}
