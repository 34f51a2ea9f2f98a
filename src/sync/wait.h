/* SPDX-License-Identifier: MIT */

/* How every object waits and wakes. */
#ifndef SHMAP_WAIT_INTERNAL_H
#define SHMAP_WAIT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform.h"

/* Do what is waited for, if that is possible now. Returns 0 if not, else the
 * result, of which SHMAP__DONE means 0. */
typedef int shmap__attempt(void *context);

/* Attempt until it succeeds or fails, or SHMAP_ETIMEDOUT: at once, then
 * spinning, then each time after shmap__wake, and at least every 200 ms.
 * `thorough` is an attempt that also looks for dead owners, and takes longer:
 * it is made before the first sleep, every 200 ms, and before giving up. */
int shmap__wait_thoroughly(shmap_waiters *waiters, uint32_t spin_ns,
                           int64_t deadline, shmap__attempt *attempt,
                           shmap__attempt *thorough, void *context);

static inline int shmap__wait(shmap_waiters *waiters, uint32_t spin_ns,
                              int64_t deadline, shmap__attempt *attempt,
                              void *context)
{
    return shmap__wait_thoroughly(waiters, spin_ns, deadline, attempt, attempt,
                                  context);
}

/* Whether one that only tries may look for dead owners, which takes long: not
 * within 200 ms of the last time, if it tries the same object again and the
 * same thread has it; `owner` is 0 where several can. */
bool shmap__may_look(const void *object, uint64_t owner);

/* Wake those who wait, after what they wait for was stored by an exchange, an
 * addition or a compare-and-swap. */
SHMAP__SLOW_PATH void shmap__wake_counted(shmap_waiters *waiters,
                                          uint32_t count);

static inline void shmap__wake(shmap_waiters *waiters, uint32_t count)
{
    if (shmap__load64(&waiters->who_) != 0)
        shmap__wake_counted(waiters, count);
}

#define SHMAP__EVERYBODY UINT32_C(0x7FFFFFFF)

/* The parts, for those that wait in their own way. */

/* Spin, if that may pay off, until the attempt does not return 0. `*level` is
 * how badly it did lately; shmap__spin_learn makes it so, from how long the
 * whole wait took. */
typedef struct shmap__spin {
    bool quick;           /* it came before the clock was looked at */
    bool late;            /* the deadline had passed by then */
    bool refused;         /* there is nothing to learn: spinning is forbidden */
    int64_t began;        /* if not */
    int64_t limit;        /* ns that a spin may last at all */
    unsigned pauses;      /* between two looks; they double */
    unsigned most_pauses; /* up to this, which the caller sets: where a look
                             delays whoever is looked at, there are few */
} shmap__spin;
int shmap__spin_start(shmap__spin *spin, uint32_t spin_ns, uint32_t level,
                      int64_t deadline, shmap__attempt *attempt, void *context);
uint32_t shmap__spin_learn(const shmap__spin *spin, uint32_t level);

/* The same for those that wait in the usual way, which keeps what they learn;
 * `woken`: after a sleep that ended with what was waited for. They learn as
 * well not to spin for one that runs on the same processor. */
int shmap__spin_for(shmap_waiters *waiters, shmap__spin *spin, uint32_t spin_ns,
                    int64_t deadline, shmap__attempt *attempt, void *context);
void shmap__spin_end(shmap_waiters *waiters, const shmap__spin *spin,
                     bool woken);

/* Whether this thread runs on this processor, which 0 says nothing of. */
static inline bool shmap__is_here(uint32_t processor)
{
    return processor != 0 && processor == shmap__os_processor();
}

/* The moment until which a wait may sleep at a time. */
int64_t shmap__wait_slice(int64_t deadline);

/* How often to begin anew when what others do is in the way: who writes to an
 * object without end must not keep a waiter beyond its deadline. */
enum { SHMAP__WAIT_TRIES = 1000 };

/* Register as one who waits; the word is what they sleep on. */
typedef struct shmap__wait_place {
    uint64_t *who;
    uint64_t id; /* 0: not registered */
    shmap__os_waiter waiter;
} shmap__wait_place;
void shmap__wait_enter(shmap__wait_place *place, uint64_t *who,
                       const uint32_t *word);
void shmap__wait_leave(shmap__wait_place *place);

/* Whether whoever wakes still counts this one, if it ever did. */
bool shmap__wait_counts(const shmap__wait_place *place);

/* The id under which those sleep who are registered, or 0. */
uint64_t shmap__wait_id_of(uint64_t who);

#endif
