/* SPDX-License-Identifier: MIT */

/* Semaphores: a number that is never below zero, and, in the same word, whether
 * its first value was set. */
#include "shmap/semaphore.h"

#include "base/atomic.h"
#include "base/stop.h"
#include "sync/call.h"
#include "sync/wait.h"

static const uint32_t initialised = SHMAP_SEMAPHORE_MAX + 1;

static inline uint32_t value_of(uint32_t word)
{
    return word & SHMAP_SEMAPHORE_MAX;
}

SHMAP__FAST_PATH int take_now(shmap_semaphore *semaphore)
{
    uint32_t value = shmap__load32(&semaphore->value_);

    while (value_of(value) != 0) {
        if (shmap__cas32(&semaphore->value_, &value, value - 1)) {
            SHMAP__STOP("semaphore.taken");
            return SHMAP__DONE;
        }
    }
    return 0;
}

static int try_take(void *context)
{
    return take_now(context);
}

static const shmap__wait_kind taking = {.attempt = try_take};

int shmap_semaphore_init(shmap_semaphore *semaphore, uint32_t value)
{
    uint32_t word;

    if (!shmap__is_object(semaphore))
        return shmap__end(shmap__remember_misplaced("semaphore"));
    if (value > SHMAP_SEMAPHORE_MAX)
        return shmap__end(shmap__remember_because(
            SHMAP_EINVAL, "value: must be at most SHMAP_SEMAPHORE_MAX"));
    word = shmap__load32(&semaphore->value_);
    do {
        if ((word & initialised) != 0)
            return 0;
        if (value > SHMAP_SEMAPHORE_MAX - word)
            return shmap__end(SHMAP_EOVERFLOW);
        SHMAP__STOP("semaphore.initialising");
    } while (
        !shmap__cas32(&semaphore->value_, &word, (word + value) | initialised));
    SHMAP__STOP("semaphore.initialised");
    if (value != 0)
        shmap__wake(&semaphore->waiters_, value);
    return 0;
}

int shmap_semaphore_value(const shmap_semaphore *semaphore, uint32_t *value)
{
    if (!shmap__is_object(semaphore))
        return shmap__end(shmap__remember_misplaced("semaphore"));
    if (value == NULL)
        return shmap__result(shmap__refuse_null("value"));
    *value = value_of(shmap__load32(&semaphore->value_));
    return 0;
}

/* Also called by signal handlers: see shmap_event_set. */
int shmap_semaphore_post(shmap_semaphore *semaphore, uint32_t count)
{
    uint32_t value;

    if (!shmap__is_object(semaphore) || count == 0)
        return SHMAP_EINVAL;
    value = shmap__load32(&semaphore->value_);
    do {
        if (count > SHMAP_SEMAPHORE_MAX - value_of(value))
            return SHMAP_EOVERFLOW;
    } while (!shmap__cas32(&semaphore->value_, &value, value + count));
    SHMAP__STOP("semaphore.posted");
    shmap__wake(&semaphore->waiters_, count);
    return 0;
}

static SHMAP__SLOW_PATH int wait_slowly(shmap_semaphore *semaphore,
                                        int64_t deadline)
{
    int result;

    if (!shmap__is_object(semaphore))
        result = shmap__remember_misplaced("semaphore");
    else if (shmap__is_duration(deadline))
        result = shmap__remember_duration();
    else
        result = shmap__wait(&taking, &semaphore->waiters_,
                             shmap__peek32(&semaphore->spin_ns), deadline,
                             semaphore);
    return shmap__end(result);
}

int shmap_semaphore_wait(shmap_semaphore *semaphore, int64_t deadline)
{
    if (shmap__is_object(semaphore) && !shmap__is_duration(deadline) &&
        take_now(semaphore) != 0)
        return 0;
    return wait_slowly(semaphore, deadline);
}
