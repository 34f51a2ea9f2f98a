/* SPDX-License-Identifier: MIT */

/* Condition variables: nothing but waiters and their sequence number, which
 * changes with every signal while anybody is registered. */
#include "shmap/cond.h"

#include "atomic.h"
#include "error.h"
#include "mutex.h"
#include "stop.h"
#include "wait.h"

typedef struct cond_waiting {
    const uint32_t *sequence;
    uint32_t seen;
} cond_waiting;

static int is_signalled(void *context)
{
    const cond_waiting *waiting = context;

    return shmap__load32(waiting->sequence) != waiting->seen ? SHMAP__DONE : 0;
}

/* Wait while registered: whoever signals must see this one. Who was to signal
 * may have died, so the caller looks for itself after every slice. */
static int wait_registered(shmap_cond *cond, shmap__wait_place *place,
                           uint32_t seen, int64_t deadline)
{
    cond_waiting waiting = {&cond->waiters_.sequence_, seen};
    shmap__spin spin = {.most_pauses = 1};
    int result =
        shmap__spin_for(&cond->waiters_, &spin, shmap__peek32(&cond->spin_ns),
                        deadline, is_signalled, &waiting);
    bool asleep = result == 0 && !spin.late;

    if (asleep) {
        SHMAP__STOP("wait.looked");
        shmap__os_wait(&place->waiter, waiting.sequence, seen, 0,
                       shmap__wait_slice(deadline));
        SHMAP__STOP("wait.woken");
        result = is_signalled(&waiting);
    }
    if (result == 0 && shmap__os_now() >= deadline)
        result = SHMAP_ETIMEDOUT;
    shmap__spin_end(&cond->waiters_, &spin, asleep && result == SHMAP__DONE);
    return shmap__outcome(result);
}

/* Register, and read the sequence while registered. */
static uint32_t enter(shmap__wait_place *place, shmap_waiters *waiters)
{
    for (unsigned tries = 0;; tries++) {
        uint32_t seen;

        shmap__wait_enter(place, &waiters->who_, &waiters->sequence_);
        seen = shmap__load32(&waiters->sequence_);
        if (shmap__wait_counts(place) || tries == SHMAP__WAIT_TRIES)
            return seen;
        shmap__wait_leave(place);
    }
}

static int wait_for(shmap_cond *cond, shmap_mutex *mutex, shmap__thread *thread,
                    int64_t deadline)
{
    shmap__wait_place place = {0};
    uint32_t seen;
    int result;
    int locked;

    seen = enter(&place, &cond->waiters_);
    result = shmap__mutex_unlock(mutex, thread);
    if (result == 0)
        result = wait_registered(cond, &place, seen, deadline);
    shmap__wait_leave(&place);
    if (result == SHMAP_EPERM)
        return result;
    locked = shmap__mutex_lock(mutex, thread, SHMAP_FOREVER);
    return locked != 0 ? locked : result;
}

int shmap_cond_wait(shmap_cond *cond, shmap_mutex *mutex, int64_t deadline)
{
    shmap__thread *thread;
    int result = shmap__begin(mutex, &thread);

    if (!shmap__is_object(cond))
        result = SHMAP_EINVAL;
    if (result == 0)
        result = wait_for(cond, mutex, thread, deadline);
    return shmap__end(result);
}

static int wake(shmap_cond *cond, uint32_t count)
{
    if (!shmap__is_object(cond))
        return shmap__end(SHMAP_EINVAL);
    shmap__wake(&cond->waiters_, count);
    return 0;
}

int shmap_cond_signal(shmap_cond *cond)
{
    return wake(cond, 1);
}

int shmap_cond_broadcast(shmap_cond *cond)
{
    return wake(cond, SHMAP__EVERYBODY);
}
