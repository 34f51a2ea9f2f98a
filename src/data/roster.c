/* SPDX-License-Identifier: MIT */

/* Rosters: seats that processes have.
 *
 * A seat has three words. `owner` is the process that has the seat, or that is
 * about to; 0: it is free. `turn` says whether the owner is a member, and
 * counts: the members so far, and how many of them have died. `undertaker` is
 * the process that buries the member.
 *
 * Joining: take the seat (owner), write the name, become a member (turn).
 * Leaving and burying: be a member no longer (turn), then free the seat. So one
 * word, turn, decides: a process that dies before it is a member, or when it is
 * no longer one, leaves a seat whose owner is dead and no member, which the
 * next process takes that looks for one.
 *
 * The number of a process never comes again: what is found to be a dead
 * process's stays so, and a compare-and-swap from it cannot be mistaken.
 *
 * Who joined, left or died, each process finds by comparing the words with
 * those that it saw before; to be woken only saves time. tools/model/roster.pml
 * has all this.
 */
#include "shmap/roster.h"

#include <string.h>

#include "base/atomic.h"
#include "base/error.h"
#include "base/stop.h"
#include "data/seat.h"

static const shmap__os_status done = {0, 0};

/* Take a seat that is free, or whose owner died when it was no member. */
static bool take_seat(shmap__seat *seat, uint64_t process, bool look_for_dead)
{
    uint64_t owner = shmap__load64(&seat->owner);

    if (owner != 0 && (!look_for_dead || !shmap__seat_is_dead(seat, owner) ||
                       shmap__is_taken(shmap__load64(&seat->turn))))
        return false;
    return shmap__cas64(&seat->owner, &owner, process);
}

/* Return the seat, or `seats` if none can be had. */
static uint32_t find_seat(const shmap_roster *roster, uint32_t seats,
                          uint64_t process)
{
    for (int look_for_dead = 0; look_for_dead < 2; look_for_dead++) {
        for (uint32_t i = 0; i < seats; i++) {
            if (take_seat(shmap__seat_of(roster, i), process,
                          look_for_dead != 0))
                return i;
        }
    }
    return seats;
}

static shmap__os_status full(const shmap_roster *roster, uint32_t seats)
{
    shmap__reading read;

    for (uint32_t i = 0; i < seats; i++) {
        shmap__seat_read(roster, i, &read);
        if (read.member.state == SHMAP_MEMBER_DEAD)
            return shmap__refuse_because(
                SHMAP_ENOSPC, "all seats are taken, some by members that have "
                              "died: bury them (shmap_roster_bury)");
    }
    return shmap__refuse_because(SHMAP_ENOSPC, "all seats are taken");
}

/* The number of seats is the first caller's. */
static shmap__os_status agree(shmap_roster *roster, uint32_t seats)
{
    uint64_t found = 0;
    uint64_t unset = 0;

    if (!shmap__cas64(&roster->seats_, &found, seats) && found != seats)
        return shmap__roster_other_seats(seats, found);
    if (shmap__load64(&roster->who_) == 0)
        shmap__cas64(&roster->who_, &unset, shmap__os_wait_id());
    return done;
}

static shmap__os_status begin_joining(shmap_roster *roster, uint32_t seats,
                                      uint64_t *process)
{
    size_t room;
    shmap__os_status status = shmap__roster_check_view(roster, true, &room);

    if (status.code != 0)
        return status;
    if (SHMAP_ROSTER_SIZE((size_t)seats) > room)
        return shmap__refuse_because(
            SHMAP_ERANGE, "so many seats reach beyond the end of the view");
    status = shmap__os_process_find(roster, process);
    return status.code != 0 ? status : agree(roster, seats);
}

/* Become the member of a seat that this process has taken. */
static uint64_t become_member(shmap__seat *seat, const char *name,
                              uint32_t role)
{
    uint64_t turn = shmap__load64(&seat->turn);
    uint64_t undertaker = shmap__load64(&seat->undertaker);
    char padded[SHMAP_MEMBER_NAME + 1] = {0};

    /* One that died when it had buried the last member. */
    if (undertaker != 0 && shmap__seat_is_dead(seat, undertaker))
        shmap__cas64(&seat->undertaker, &undertaker, 0);
    memcpy(padded, name, strlen(name));
    /* The last member was none before any byte of this one's is seen. */
    shmap__fence();
    shmap__copy_shared(seat->name, padded, sizeof padded);
    shmap__store32(&seat->role, role);
    SHMAP__STOP("roster.named");
    turn = shmap__turn_of(shmap__generation_of(turn) + 1,
                          shmap__deaths_of(turn), SHMAP__SEAT_TAKEN);
    shmap__store64(&seat->turn, turn);
    SHMAP__STOP("roster.joined");
    return shmap__generation_of(turn);
}

static shmap__os_status check_joining(uint32_t seats, const char *name,
                                      const shmap_seat *seat)
{
    if (seats == 0 || seats > SHMAP_ROSTER_SEATS)
        return shmap__refuse_because(SHMAP_EINVAL,
                                     "a roster has from 1 to 4096 seats");
    if (seat == NULL)
        return shmap__refuse_null("seat");
    if (strlen(name) > SHMAP_MEMBER_NAME)
        return shmap__refuse_because(SHMAP_ENAME,
                                     "a member's name has at most 31 bytes");
    return done;
}

static shmap__os_status join(shmap_roster *roster, uint32_t seats,
                             const char *name, uint32_t role, shmap_seat *seat)
{
    shmap__os_status status = check_joining(seats, name, seat);
    uint64_t process;
    uint32_t number;

    if (status.code == 0)
        status = begin_joining(roster, seats, &process);
    if (status.code != 0)
        return status;
    number = find_seat(roster, seats, process);
    if (number == seats)
        return full(roster, seats);
    SHMAP__STOP("roster.taken");
    seat->process_ = process;
    seat->number = number;
    seat->rest_ = 0;
    seat->generation =
        become_member(shmap__seat_of(roster, number), name, role);
    shmap__roster_tell(roster);
    return done;
}

int shmap_roster_join_as(shmap_roster *roster, uint32_t seats, const char *name,
                         uint32_t role, shmap_seat *seat)
{
    return shmap__result(
        join(roster, seats, name == NULL ? "" : name, role, seat));
}

int shmap_roster_join(shmap_roster *roster, uint32_t seats, const char *name,
                      shmap_seat *seat)
{
    return shmap_roster_join_as(roster, seats, name, 0, seat);
}

/* Begin to use a seat that this process has. */
static shmap__os_status use_seat(shmap__seat *at, const shmap_seat *seat)
{
    uint64_t turn = shmap__load64(&at->turn);

    if (shmap__generation_of(turn) != seat->generation ||
        shmap__load64(&at->owner) != seat->process_ || !shmap__is_taken(turn))
        return shmap__refuse_because(SHMAP_EPERM,
                                     "this process has left the seat");
    if ((turn & SHMAP__SEAT_STATE) != SHMAP__SEAT_TAKEN ||
        !shmap__cas64(&at->turn, &turn,
                      turn - SHMAP__SEAT_TAKEN + SHMAP__SEAT_USED))
        return shmap__refuse_because(
            SHMAP_EBUSY, "another thread of this process uses the seat");
    return done;
}

static shmap__os_status leave(shmap_roster *roster, const shmap_seat *seat)
{
    uint32_t seats;
    uint64_t process;
    uint64_t turn;
    shmap__seat *at;
    shmap__os_status status =
        shmap__roster_begin_writing(roster, &seats, &process);

    if (status.code != 0)
        return status;
    if (seat == NULL)
        return shmap__refuse_null("seat");
    if (seat->process_ != process || seat->number >= seats)
        return shmap__refuse_because(
            SHMAP_EPERM, "another process joined: a child after fork has none "
                         "of its parent's seats");
    at = shmap__seat_of(roster, seat->number);
    status = use_seat(at, seat);
    if (status.code != 0)
        return status;
    SHMAP__STOP("roster.leaving");
    turn = shmap__load64(&at->turn);
    shmap__store64(&at->turn,
                   shmap__turn_of(shmap__generation_of(turn),
                                  shmap__deaths_of(turn), SHMAP__SEAT_OPEN));
    SHMAP__STOP("roster.left");
    shmap__cas64(&at->owner, &process, 0);
    SHMAP__STOP("roster.freed");
    shmap__roster_tell(roster);
    return done;
}

int shmap_roster_leave(shmap_roster *roster, const shmap_seat *seat)
{
    return shmap__result(leave(roster, seat));
}
