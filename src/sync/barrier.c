/* SPDX-License-Identifier: MIT */

/* Barriers: one word says which round it is, how many parties it has, and how
 * many of them are there. */
#include "shmap/barrier.h"

#include "base/atomic.h"
#include "base/stop.h"
#include "sync/call.h"
#include "sync/wait.h"

enum { PARTIES_MAX = 65535 };

typedef struct barrier_arrival {
    shmap_barrier *barrier;
    uint32_t round;
} barrier_arrival;

static uint64_t state_of(uint32_t round, uint32_t parties, uint32_t arrived)
{
    return (uint64_t)round << 32 | (uint64_t)parties << 16 | arrived;
}

static uint32_t round_of(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static uint32_t parties_of(uint64_t state)
{
    return (uint32_t)(state >> 16) & PARTIES_MAX;
}

static uint32_t arrived_of(uint64_t state)
{
    return (uint32_t)state & PARTIES_MAX;
}

static int is_over(void *context)
{
    const barrier_arrival *arrival = context;

    return round_of(shmap__load64(&arrival->barrier->state_)) != arrival->round
               ? SHMAP__DONE
               : 0;
}

static const shmap__wait_kind waiting = {.attempt = is_over};

/* Count one more party; the last one begins the next round. Returns SHMAP_LAST
 * to that one, 0 to the others, or an error. */
static int arrive(barrier_arrival *arrival, uint32_t parties)
{
    uint64_t *at = &arrival->barrier->state_;
    uint64_t state = shmap__load64(at);
    uint64_t next;
    uint32_t arrived;

    do {
        arrived = arrived_of(state) + 1;
        if (arrived > 1 && parties_of(state) != parties)
            return shmap__remember_because(
                SHMAP_EINVAL, "parties: the threads that wait already gave "
                              "another number");
        arrival->round = round_of(state);
        next = arrived >= parties ? state_of(arrival->round + 1, 0, 0)
                                  : state_of(arrival->round, parties, arrived);
    } while (!shmap__cas64(at, &state, next));
    SHMAP__STOP("barrier.arrived");
    return arrived >= parties ? SHMAP_LAST : 0;
}

/* Take this thread out of the count. Returns false if the round is over: all
 * parties were there. */
static bool withdraw(const barrier_arrival *arrival)
{
    uint64_t *at = &arrival->barrier->state_;
    uint64_t state = shmap__load64(at);

    do {
        if (round_of(state) != arrival->round || arrived_of(state) == 0)
            return false;
    } while (!shmap__cas64(at, &state, state - 1));
    return true;
}

int shmap_barrier_wait(shmap_barrier *barrier, uint32_t parties,
                       int64_t deadline)
{
    barrier_arrival arrival = {barrier, 0};
    int result;

    if (!shmap__is_object(barrier))
        return shmap__end(shmap__remember_misplaced("barrier"));
    if (parties == 0 || parties > PARTIES_MAX)
        return shmap__end(shmap__remember_because(
            SHMAP_EINVAL, "parties: must be 1 to 65535"));
    if (shmap__is_duration(deadline))
        return shmap__end(shmap__remember_duration());
    result = arrive(&arrival, parties);
    if (result == SHMAP_LAST)
        shmap__wake(&barrier->waiters_, SHMAP__ALL_WAITERS);
    else if (result == 0)
        result =
            shmap__wait(&waiting, &barrier->waiters_,
                        shmap__peek32(&barrier->spin_ns), deadline, &arrival);
    if (result == SHMAP_ETIMEDOUT && !withdraw(&arrival))
        result = 0;
    return shmap__end(result);
}
