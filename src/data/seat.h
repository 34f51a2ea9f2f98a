/* SPDX-License-Identifier: MIT */

/* The seats of rosters, as the files of rosters share them. */
#ifndef SHMAP_SEAT_H
#define SHMAP_SEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "shmap/roster.h"

/* Bits of `turn`, from the lowest: what the owner is, how many members of the
 * seat have died, and the number of the last member, its generation. */
enum {
    SHMAP__SEAT_OPEN = 0,
    SHMAP__SEAT_TAKEN = 1, /* by a member */
    SHMAP__SEAT_USED = 2,  /* and one of its threads is using the seat */
    SHMAP__SEAT_STATE = 0xF,
    DEATHS_SHIFT = 4,
    DEATHS_MASK = 0xFFFF,
    GENERATION_SHIFT = 20
};

typedef struct shmap__seat {
    _Alignas(8) uint64_t owner;
    uint64_t turn;
    uint64_t undertaker;
    uint32_t role;
    uint32_t rest;
    char name[SHMAP_MEMBER_NAME + 1];
} shmap__seat;

/* What was found in a seat; `member.state` is 0 if it has no member. */
typedef struct shmap__reading {
    uint64_t turn;
    uint64_t undertaker;
    shmap_member member;
} shmap__reading;

static inline uint64_t shmap__generation_of(uint64_t turn)
{
    return turn >> GENERATION_SHIFT;
}

static inline uint64_t shmap__turn_of(uint64_t generation, uint64_t deaths,
                                      unsigned state)
{
    return generation << GENERATION_SHIFT |
           (deaths & DEATHS_MASK) << DEATHS_SHIFT | state;
}

static inline uint64_t shmap__deaths_of(uint64_t turn)
{
    return turn >> DEATHS_SHIFT & DEATHS_MASK;
}

static inline bool shmap__is_taken(uint64_t turn)
{
    return (turn & SHMAP__SEAT_STATE) != SHMAP__SEAT_OPEN;
}

static inline shmap__seat *shmap__seat_of(const shmap_roster *roster,
                                          uint32_t number)
{
    return (shmap__seat *)(uintptr_t)(roster + 1) + number;
}
/* Whether a process is dead; `in` is an address in the roster's view. */
bool shmap__seat_is_dead(const void *in, uint64_t process);

/* Read a seat as it was at one moment. */
void shmap__seat_read(const shmap_roster *roster, uint32_t number,
                      shmap__reading *read);

/* Check that a roster is in a view, writable if the caller is `writing`, and
 * find the bytes from there to the view's end. */
shmap__os_status shmap__roster_check_view(const shmap_roster *roster,
                                          bool writing, size_t *room);

/* The same, and find how many seats a roster has: it may say anything. */
shmap__os_status shmap__roster_find_seats(const shmap_roster *roster,
                                          bool writing, uint32_t *seats);

/* The same for a caller that writes, and the number of its process. */
shmap__os_status shmap__roster_begin_writing(const shmap_roster *roster,
                                             uint32_t *seats,
                                             uint64_t *process);

/* The failure of a caller that says another number of seats than there is. */
shmap__os_status shmap__roster_other_seats(uint64_t asked, uint64_t found);

/* Wake those who wait, after something was changed. */
void shmap__roster_tell(shmap_roster *roster);

#endif
