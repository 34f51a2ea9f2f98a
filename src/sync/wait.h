/* SPDX-License-Identifier: MIT */

/* Waiting and waking, for every object. */
#ifndef SHMAP_WAIT_INTERNAL_H
#define SHMAP_WAIT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform.h"
#include "sync/spin.h"

/* Waiting for objects of one kind. All functions get the context of one wait.
 */
typedef struct shmap__wait_kind {
    /* Do what is waited for, if that is possible now. */
    shmap__attempt *attempt;
    /* An attempt that also looks for dead owners, and takes longer: made every
     * 200 ms, and before giving up. NULL: there is nothing more to look for. */
    shmap__attempt *thorough;
    /* A sleep ends with the owner's death. So the thorough attempt follows each
     * sleep during which the word stayed the same; without this, it precedes
     * the first sleep. */
    bool owner_ends_sleep;
    /* Prepare one sleep. Returns until when it may last. NULL: there is nothing
     * to prepare. */
    int64_t (*prepare)(void *context, int64_t now);
} shmap__wait_kind;

/* Wait until the attempt succeeds or fails, or return SHMAP_ETIMEDOUT: attempt
 * at once, then spinning, then each time after shmap__wake, and at least every
 * 200 ms. */
int shmap__wait(const shmap__wait_kind *kind, shmap_waiters *waiters,
                uint32_t spin_ns, int64_t deadline, void *context);

/* Return whether a thread that only tries may look for dead owners, which takes
 * long: not within 200 ms of the last time, if it tries the same object again
 * and the owner is the same; `owner` is 0 where several threads can have it. */
bool shmap__may_look(const void *object, uint64_t owner);

/* Wake waiters, at most `count`, after what they wait for was stored by an
 * exchange, an addition or a compare-and-swap. */
SHMAP__SLOW_PATH void shmap__wake_counted(shmap_waiters *waiters,
                                          uint32_t count);

static inline void shmap__wake(shmap_waiters *waiters, uint32_t count)
{
    if (shmap__load64(&waiters->who_) != 0)
        shmap__wake_counted(waiters, count);
}

#define SHMAP__ALL_WAITERS UINT32_C(0x7FFFFFFF)

/* The parts, for objects with a wait of their own. */

/* How often to begin anew when other threads are in the way: a process that
 * writes to an object without end must not keep a waiter beyond its deadline.
 */
enum { SHMAP__WAIT_TRIES = 1000 };

/* A registered waiter, and registering one; `word` is the one that it sleeps
 * on. */
typedef struct shmap__waiter {
    uint64_t *waiters;
    uint64_t id; /* 0: not registered */
    shmap__os_waiter os;
} shmap__waiter;
void shmap__wait_enter(shmap__waiter *waiter, uint64_t *waiters,
                       const uint32_t *word);
void shmap__wait_leave(shmap__waiter *waiter);

/* Return whether threads that wake still count this waiter, if they ever did.
 */
bool shmap__wait_counts(const shmap__waiter *waiter);

/* The last part of waiting, asleep, of one thread that has attempted before. */
typedef struct shmap__sleeper {
    const uint32_t *word; /* changes when the thread must attempt again */
    uint64_t *waiters;    /* the registration; NULL: the thread needs none, or
                         has registered in `waiter` */
    uint32_t seen;        /* the word before an attempt, which may set it: the
                             thread sleeps while the word is this */
    uint64_t owner;       /* the thread whose death ends the sleep; 0: none */
    shmap__waiter waiter;
} shmap__sleeper;
int shmap__wait_asleep(const shmap__wait_kind *kind, shmap__sleeper *sleeper,
                       int64_t deadline, void *context);

/* Return the id under which the registered waiters sleep, or 0. */
uint64_t shmap__wait_id_of(uint64_t waiters);

#endif
