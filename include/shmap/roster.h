/* SPDX-License-Identifier: MIT */

/* Rosters: the processes that take part in something, and those that have died.
 *
 *     enum { SEATS = 16 };
 *     struct shared {
 *         union {
 *             shmap_roster roster;
 *             unsigned char space[SHMAP_ROSTER_SIZE(SEATS)];
 *         } at;
 *     } *shared;
 *
 *     shmap_seat seat;
 *     shmap_seen seen[SEATS] = {{0, 0}};
 *     shmap_member member;
 *
 *     shmap_roster_join(&shared->at.roster, SEATS, "worker", &seat);
 *     while (shmap_roster_watch(&shared->at.roster, SEATS, seen, &member,
 *                               SHMAP_FOREVER) == 0) {
 *         if (member.state == SHMAP_MEMBER_DEAD &&
 *             shmap_roster_bury(&shared->at.roster, &member) > 0) {
 *             repair(shared, &member);
 *             shmap_roster_bury(&shared->at.roster, &member);
 *         }
 *     }
 *
 * A process becomes a member by joining, and has a seat until it leaves or
 * ends. A member that ends without leaving is dead: every process that looks
 * finds that out, and one of them is told to bury it, which is to repair what
 * the dead member left half done. Its seat is given again after that.
 *
 * Whether a process lives, the system's kernel is asked, never a clock: a
 * stopped or slow process is alive. The seat is the process's: any of its
 * threads may use it, and it does not end with the thread that joined, nor with
 * the main thread while others run. A process can have several seats. Fork: a
 * child has none of its parent's seats. Exec ends a member as its death does.
 *
 * A roster is in a view of a region, writable to join, leave and bury; to walk,
 * wait and watch a read-only view will do, and nothing is written. A call with
 * one that is in other memory is SHMAP_ENOTSUP. Systems on which threads cannot
 * be told apart (docs/platforms.md) have no rosters: all calls are
 * SHMAP_ENOTSUP.
 *
 * A death is told within 200 ms of the moment at which the process has ended
 * and the system has taken its memory back. What was written over a roster by
 * other means gives errors or members that never were, not endless waits.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_ROSTER_H
#define SHMAP_ROSTER_H

#include <stdint.h>

#include "export.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 64 bytes; the seats follow, of 64 bytes each. */
typedef struct shmap_roster {
    SHMAP_ALIGN8 uint64_t seats_; /* their number; 0: no process has joined */
    SHMAP_ALIGN8 uint64_t who_;   /* the id of those who wait */
    uint32_t changes_;
    uint32_t rest_[11];
} shmap_roster;

/* The seats that a roster can have. */
#define SHMAP_ROSTER_SEATS 4096

/* The bytes of a member's name, without the NUL. */
#define SHMAP_MEMBER_NAME 31

/* The bytes that a roster with so many seats takes. */
#define SHMAP_ROSTER_SIZE(seats) (sizeof(shmap_roster) * ((seats) + 1u))

/* A seat that this process has: plain memory of its own, filled by joining. It
 * may be copied. */
typedef struct shmap_seat {
    SHMAP_ALIGN8 uint64_t process_; /* that has joined */
    SHMAP_ALIGN8 uint64_t generation;
    uint32_t number; /* from 0 */
    uint32_t rest_;
} shmap_seat;

enum shmap_member_state {
    /* It takes part. */
    SHMAP_MEMBER_PRESENT = 1,
    /* It has died, and is to be buried. */
    SHMAP_MEMBER_DEAD = 2,
    /* It has died, and a living process is burying it. */
    SHMAP_MEMBER_BURYING = 3,
    /* It has left. Only from shmap_roster_watch. */
    SHMAP_MEMBER_LEFT = 4,
    /* It takes part, but this process can not tell whether it lives. */
    SHMAP_MEMBER_UNKNOWN = 5
};

typedef struct shmap_member {
    SHMAP_ALIGN8 uint64_t generation; /* of the seat: each member of a seat has
                                         another, from 1 */
    SHMAP_ALIGN8 uint64_t burial_;
    uint32_t seat;    /* from 0 */
    uint32_t process; /* the system's number of it, in its own PID namespace */
    uint32_t role;
    int state; /* enum shmap_member_state */
    char name[SHMAP_MEMBER_NAME + 1];
} shmap_member;

/* What a process was told of one seat: memory of its own. Zero at first. */
typedef struct shmap_seen {
    SHMAP_ALIGN8 uint64_t member_;
    SHMAP_ALIGN8 uint64_t undertaker_;
} shmap_seen;

/* Join. Looks for a free seat; waits for nothing.
 *
 * roster: the first SHMAP_ROSTER_SIZE(seats) bytes from here are the roster's.
 * seats: how many there are, up to SHMAP_ROSTER_SEATS; the same for all: the
 *        first process that joins determines it.
 * name: up to SHMAP_MEMBER_NAME bytes for the others to read, or NULL for "".
 *       Members can have the same name.
 * seat: filled; unchanged on failure.
 *
 * Returns 0 or
 *   SHMAP_ENOSPC    all seats are taken; shmap_error_detail tells whether by
 *                   the dead. Cure: bury those, or use more seats
 *   SHMAP_ELAYOUT   the roster has another number of seats, which is in
 *                   shmap_error_detail
 *   SHMAP_ENAME     the name is too long
 *   SHMAP_ERANGE    so many seats reach beyond the end of the view
 *   SHMAP_EACCES    the view is read-only
 *   SHMAP_EINVAL    a null pointer, not a multiple of 8, no seats or too many
 *   SHMAP_ENOTSUP   the roster is in no view of a region, or other processes
 *                   could not tell whether this one lives: shmap/wait.h
 *   SHMAP_EMFILE    as from shmap_mutex_lock
 *
 * A process that is killed while it joins is a member or has no seat. Since
 * 0.1. */
SHMAP_API int shmap_roster_join(shmap_roster *roster, uint32_t seats,
                                const char *name, shmap_seat *seat);

/* The same with a role: a number for the others to read, of the program's
 * choice; shmap_roster_join gives 0. Since 0.1. */
SHMAP_API int shmap_roster_join_as(shmap_roster *roster, uint32_t seats,
                                   const char *name, uint32_t role,
                                   shmap_seat *seat);

/* Leave: the seat is free.
 *
 * Returns 0 or
 *   SHMAP_EPERM     this process does not have the seat: it has left it, or it
 *                   is a child after fork
 *   SHMAP_EBUSY     another thread uses the seat at this moment
 *   SHMAP_EINVAL    a null pointer, or not a multiple of 8
 *   SHMAP_EACCES, SHMAP_ENOTSUP, SHMAP_EMFILE
 *                   as from shmap_roster_join
 *
 * A process that is killed while it leaves has left or is dead. Since 0.1. */
SHMAP_API int shmap_roster_leave(shmap_roster *roster, const shmap_seat *seat);

/* Find the next member, living or dead, in the order of the seats.
 *
 *     uint32_t cursor = 0;
 *
 *     while (shmap_roster_walk(roster, &cursor, &member) == 0)
 *         printf("%s\n", member.name);
 *
 * cursor: 0 to begin; each call moves it on.
 * member: filled; unchanged on failure.
 *
 * Returns 0 or
 *   SHMAP_ENOENT    there is no further member
 *   SHMAP_ELAYOUT   what is there is no roster, or has been written over
 *   SHMAP_EINVAL    a null pointer, or not a multiple of 8
 *   SHMAP_ENOTSUP   the roster is in no view of a region
 *
 * Since 0.1. */
SHMAP_API int shmap_roster_walk(const shmap_roster *roster, uint32_t *cursor,
                                shmap_member *member);

/* Wait until the roster is another than when `*version` was returned, because a
 * process joined, left or died, or one was buried, or began to be.
 *
 * version: in: 0 for a roster that no process has joined, or what an earlier
 *          call gave; out, on success: what it is now. The number has no other
 *          meaning.
 *
 * Returns 0 or
 *   SHMAP_ETIMEDOUT nothing changed before the deadline
 *   SHMAP_ELAYOUT, SHMAP_EINVAL, SHMAP_ENOTSUP
 *                   as from shmap_roster_walk
 *
 * Since 0.1. */
SHMAP_API int shmap_roster_wait(const shmap_roster *roster, uint64_t *version,
                                int64_t deadline);

/* Wait until something happened to a member of which this process was not told
 * yet, and say what.
 *
 * seats: the roster's
 * seen: what the caller was told so far: `seats` entries of its own, zero at
 *       first, when it will be told of all members; for one thread at a time
 * member: filled; unchanged on failure. `state` says what happened:
 *   SHMAP_MEMBER_PRESENT   it came
 *   SHMAP_MEMBER_LEFT      it left. Its name, role and process are known only
 *                          as long as its seat is free
 *   SHMAP_MEMBER_DEAD      it died. Told again if the process that buried it
 *                          has died, too; not told by this state if it was
 *                          found only when a living process was burying it:
 *   SHMAP_MEMBER_BURYING   it died, and is being buried
 *   If it was buried before this process looked, or its seat was given to
 *   others since, it is also said to be DEAD, but shmap_roster_bury finds
 *   nothing to do. Of a member that came and went between two looks nothing is
 *   told; but if that one died, its predecessor may be said to have died.
 *
 * Returns 0 or
 *   SHMAP_ETIMEDOUT nothing happened before the deadline
 *   SHMAP_ELAYOUT   the roster has another number of seats
 *   SHMAP_EINVAL, SHMAP_ENOTSUP
 *                   as from shmap_roster_walk
 *
 * Since 0.1. */
SHMAP_API int shmap_roster_watch(const shmap_roster *roster, uint32_t seats,
                                 shmap_seen *seen, shmap_member *member,
                                 int64_t deadline);

/* Bury a dead member, in two steps. The first call asks whether that is this
 * caller's to do: of all processes and threads that ask, one is told so. It
 * repairs what the member left, and calls once more with the same member, which
 * ends the burial and frees the seat.
 *
 * Nothing needs to be done for members whose death means nothing; but their
 * seats, too, are given again only after they were buried. The caller need not
 * be a member.
 *
 * member: as shmap_roster_walk or shmap_roster_watch gave it
 *
 * Returns
 *   SHMAP_YOURS        (> 0) the caller is to repair what this member left, and
 *                      then to call again
 *   SHMAP_OWNER_DIED   (> 0) the same, but the process that was told so before
 *                      has died: the repair may be half done
 *   0                  the burial is done, or, from the first call, it is
 *                      another's, or was done before
 *   SHMAP_EBUSY        the member lives, or this process cannot tell
 *   SHMAP_EPERM        the second call, but the burial is not this caller's
 *   SHMAP_ELAYOUT, SHMAP_EINVAL
 *                      as from shmap_roster_walk
 *   SHMAP_EACCES, SHMAP_ENOTSUP, SHMAP_EMFILE
 *                      as from shmap_roster_join
 *
 * A thread that never calls again keeps the burial until its process ends.
 * Since 0.1. */
SHMAP_API int shmap_roster_bury(shmap_roster *roster, shmap_member *member);

#ifdef __cplusplus
}
#endif

#endif
