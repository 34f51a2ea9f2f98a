/* SPDX-License-Identifier: MIT */

/* Semaphores: a number that is never below zero. */
#include "shmap/semaphore.h"

#include "atomic.h"
#include "error.h"
#include "stop.h"
#include "wait.h"

SHMAP__FAST_PATH int take_now(shmap_semaphore *semaphore)
{
    uint32_t value = shmap__load32(&semaphore->value_);

    while (value != 0) {
        if (shmap__cas32(&semaphore->value_, &value, value - 1)) {
            SHMAP__STOP("semaphore.taken");
            return SHMAP__DONE;
        }
    }
    return 0;
}

static int take(void *context)
{
    return take_now(context);
}

int shmap_semaphore_post(shmap_semaphore *semaphore, uint32_t count)
{
    uint32_t value;

    if (!shmap__is_object(semaphore) || count == 0)
        return shmap__end(SHMAP_EINVAL);
    value = shmap__load32(&semaphore->value_);
    do {
        if (value > SHMAP_SEMAPHORE_MAX || count > SHMAP_SEMAPHORE_MAX - value)
            return shmap__end(SHMAP_EOVERFLOW);
    } while (!shmap__cas32(&semaphore->value_, &value, value + count));
    SHMAP__STOP("semaphore.posted");
    shmap__wake(&semaphore->waiters_, count);
    return 0;
}

static SHMAP__SLOW_PATH int wait_slowly(shmap_semaphore *semaphore,
                                        int64_t deadline)
{
    int result = SHMAP_EINVAL;

    if (shmap__is_object(semaphore))
        result = shmap__wait(&semaphore->waiters_,
                             shmap__peek32(&semaphore->spin_ns), deadline, take,
                             semaphore);
    return shmap__end(result);
}

int shmap_semaphore_wait(shmap_semaphore *semaphore, int64_t deadline)
{
    if (shmap__is_object(semaphore) && take_now(semaphore) != 0)
        return 0;
    return wait_slowly(semaphore, deadline);
}
