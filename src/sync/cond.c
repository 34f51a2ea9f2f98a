/* SPDX-License-Identifier: MIT */

/* Condition variables: waiters and their sequence number, which changes with
 * every signal while a waiter is registered.
 *
 * A thread that dies between changing what a mutex protects and signalling
 * leaves a waiter asleep. So every 200 ms a waiter looks whether any thread but
 * waiters has locked the mutex since, and returns if so. This is told by two
 * words of the mutex, without cost for a lock, which overwrites ticket_ anyway:
 *
 * - A waiter makes ticket_ QUIET before it unlocks the mutex. If it got the
 *   lock in the usual way, it adds one to the turn before; other threads may
 *   have had the lock since the turn that they remember.
 * - After its wait it locks the mutex again, and finds QUIET if only waiters
 *   had the lock in between. Then it makes ticket_ RELOCKED, and if it waits
 *   again with that, the turn stays. What it changed meanwhile it has
 *   signalled, if it lives, or RELOCKED remains.
 *
 * So while a waiter finds QUIET and its own turn, it need not return.
 */
#include "shmap/cond.h"

#include "base/atomic.h"
#include "base/stop.h"
#include "sync/call.h"
#include "sync/mutex.h"
#include "sync/wait.h"

typedef struct cond_waiting {
    uint32_t seen; /* the sequence at first */
    uint32_t turn;
    const shmap_mutex *mutex;
    shmap__sleeper sleeper;
} cond_waiting;

/* The wait ends without a signal. */
enum { MAY_BE_LOST = SHMAP__DONE + 1 };

static int is_signalled(void *context)
{
    const cond_waiting *waiting = context;

    return shmap__load32(waiting->sleeper.word) != waiting->seen ? SHMAP__DONE
                                                                 : 0;
}

/* Make ticket_ QUIET before this waiter unlocks the mutex. Returns its turn. */
static uint32_t make_quiet(shmap_mutex *mutex)
{
    uint16_t ticket = shmap__peek16(&mutex->ticket_);
    uint32_t turn = shmap__load32(&mutex->turn_);

    if ((ticket & SHMAP__RELOCKED) == 0)
        shmap__store32(&mutex->turn_, ++turn);
    /* A thread that sees QUIET sees the turn. */
    shmap__fence();
    shmap__poke16(&mutex->ticket_,
                  (uint16_t)((ticket & SHMAP__TICKET) | SHMAP__QUIET));
    SHMAP__STOP("cond.quiet");
    return turn;
}

static bool is_quiet(const shmap_mutex *mutex, uint32_t turn)
{
    bool quiet = (shmap__peek16(&mutex->ticket_) & SHMAP__QUIET) != 0;

    shmap__fence();
    return quiet && shmap__load32(&mutex->turn_) == turn &&
           shmap__load64(&mutex->owner_) == 0;
}

static int lock_again(shmap_mutex *mutex, shmap__thread *thread)
{
    int locked = shmap__mutex_lock(mutex, thread, SHMAP_FOREVER);
    uint16_t ticket;

    if (locked >= 0 && (thread->before & SHMAP__QUIET) != 0) {
        ticket = shmap__peek16(&mutex->ticket_);
        shmap__poke16(&mutex->ticket_, ticket | SHMAP__RELOCKED);
        SHMAP__STOP("cond.relocked");
    }
    return locked;
}

/* Return SHMAP__DONE after a signal, MAY_BE_LOST if there may have been one
 * that was not given, or not to this thread, and else 0. */
static int is_signalled_or_lost(void *context)
{
    const cond_waiting *waiting = context;
    const shmap__waiter *waiter = &waiting->sleeper.waiter;

    if (is_signalled(context) != 0)
        return SHMAP__DONE;
    return waiter->id != 0 && shmap__wait_counts(waiter) &&
                   is_quiet(waiting->mutex, waiting->turn)
               ? 0
               : MAY_BE_LOST;
}

static const shmap__wait_kind signal_wait = {
    .attempt = is_signalled,
    .thorough = is_signalled_or_lost,
    .owner_ends_sleep = true, /* There is no owner: the first sleep needs no
                                 thorough look. */
};

/* Wait while registered: a thread that signals must see this waiter. */
static int wait_registered(shmap_cond *cond, cond_waiting *waiting,
                           int64_t deadline)
{
    shmap__spin spin = {.most_pauses = 1};
    int result =
        shmap__spin_for(&cond->waiters_, &spin, shmap__peek32(&cond->spin_ns),
                        deadline, is_signalled, waiting);
    bool asleep = result == 0 && !spin.late;

    if (asleep)
        result = shmap__wait_asleep(&signal_wait, &waiting->sleeper, deadline,
                                    waiting);
    else if (result == 0)
        result = SHMAP_ETIMEDOUT;
    shmap__spin_end(&cond->waiters_, &spin, asleep && result == SHMAP__DONE);
    if (result == MAY_BE_LOST)
        return shmap__os_now() >= deadline ? SHMAP_ETIMEDOUT : 0;
    return shmap__outcome(result);
}

/* Register a waiter, and return the sequence as read while registered. */
static uint32_t enter(shmap__waiter *waiter, shmap_waiters *waiters)
{
    for (unsigned tries = 0;; tries++) {
        uint32_t seen;

        shmap__wait_enter(waiter, &waiters->who_, &waiters->sequence_);
        seen = shmap__load32(&waiters->sequence_);
        if (shmap__wait_counts(waiter) || tries == SHMAP__WAIT_TRIES)
            return seen;
        shmap__wait_leave(waiter);
    }
}

static int wait_for(shmap_cond *cond, shmap_mutex *mutex, shmap__thread *thread,
                    int64_t deadline)
{
    cond_waiting waiting = {.mutex = mutex,
                            .sleeper = {.word = &cond->waiters_.sequence_}};
    shmap__waiter *waiter = &waiting.sleeper.waiter;
    int result;
    int locked;

    if (!shmap__mutex_is_owner(mutex, thread))
        return SHMAP_EPERM;
    waiting.seen = enter(waiter, &cond->waiters_);
    waiting.turn = make_quiet(mutex);
    result = shmap__mutex_unlock(mutex, thread);
    if (result == 0)
        result = wait_registered(cond, &waiting, deadline);
    shmap__wait_leave(waiter);
    if (result == SHMAP_EPERM)
        return result;
    locked = lock_again(mutex, thread);
    return locked != 0 ? locked : result;
}

int shmap_cond_wait(shmap_cond *cond, shmap_mutex *mutex, int64_t deadline)
{
    shmap__thread *thread;
    int result = shmap__begin(mutex, &thread);

    if (!shmap__is_object(cond)) {
        shmap__remember_misplaced("cond");
        result = SHMAP_EINVAL;
    }
    if (result == 0)
        result = shmap__check_deadline(deadline);
    if (result == 0)
        result = wait_for(cond, mutex, thread, deadline);
    return shmap__end(result);
}

static int wake(shmap_cond *cond, uint32_t count)
{
    if (!shmap__is_object(cond))
        return shmap__end(shmap__remember_misplaced("cond"));
    shmap__wake(&cond->waiters_, count);
    return 0;
}

int shmap_cond_signal(shmap_cond *cond)
{
    return wake(cond, 1);
}

int shmap_cond_broadcast(shmap_cond *cond)
{
    return wake(cond, SHMAP__ALL_WAITERS);
}
