/* SPDX-License-Identifier: MIT */

/* Events: a word that is 0 or 1. Threads that leave it set and threads that
 * take it register in two fields, so that setting it wakes one taker and not
 * all. */
#include "shmap/event.h"

#include "base/atomic.h"
#include "base/stop.h"
#include "sync/call.h"
#include "sync/wait.h"

static int is_set(void *context)
{
    const shmap_event *event = context;

    return shmap__load32(&event->state_) != 0 ? SHMAP__DONE : 0;
}

static int take_event(void *context)
{
    shmap_event *event = context;
    uint32_t set = shmap__load32(&event->state_);

    if (set == 0 || !shmap__cas32(&event->state_, &set, 0))
        return 0;
    SHMAP__STOP("event.taken");
    return SHMAP__DONE;
}

static const shmap__wait_kind waiting = {.attempt = is_set};
static const shmap__wait_kind taking = {.attempt = take_event};

/* Also called by signal handlers: what fails is not remembered, which would
 * need memory of this thread that it may not have touched yet. */
int shmap_event_set(shmap_event *event)
{
    if (!shmap__is_object(event))
        return SHMAP_EINVAL;
    shmap__exchange32(&event->state_, 1);
    SHMAP__STOP("event.set");
    shmap__wake(&event->waiting_, SHMAP__ALL_WAITERS);
    shmap__wake(&event->taking_, 1);
    return 0;
}

int shmap_event_reset(shmap_event *event)
{
    if (!shmap__is_object(event))
        return shmap__end(shmap__remember_misplaced("event"));
    shmap__exchange32(&event->state_, 0);
    return 0;
}

static SHMAP__SLOW_PATH int wait_slowly(shmap_event *event, int64_t deadline)
{
    int result;

    if (!shmap__is_object(event))
        result = shmap__remember_misplaced("event");
    else if (shmap__is_duration(deadline))
        result = shmap__remember_duration();
    else
        result = shmap__wait(&waiting, &event->waiting_,
                             shmap__peek32(&event->spin_ns), deadline, event);
    return shmap__end(result);
}

int shmap_event_wait(shmap_event *event, int64_t deadline)
{
    if (shmap__is_object(event) && !shmap__is_duration(deadline) &&
        shmap__load32(&event->state_) != 0)
        return 0;
    return wait_slowly(event, deadline);
}

int shmap_event_take(shmap_event *event, int64_t deadline)
{
    int result;

    if (!shmap__is_object(event))
        result = shmap__remember_misplaced("event");
    else if (shmap__is_duration(deadline))
        result = shmap__remember_duration();
    else
        result = shmap__wait(&taking, &event->taking_,
                             shmap__peek32(&event->spin_ns), deadline, event);
    return shmap__end(result);
}
