/* SPDX-License-Identifier: MIT */

/* Onces: a word that names the thread that runs the initialisation.
 *
 *     0                     not begun, or abandoned and put back
 *     id                    that thread runs it
 *     id | OWNER_DIED       that thread runs it, after one that died in it
 *     OWNER_DIED            no thread runs it; the last one died in it
 *     COMMITTED             it is done
 */
#include "shmap/once.h"

#include "base/stop.h"
#include "sync/call.h"
#include "sync/ownerword.h"
#include "sync/wait.h"

/* An owner word never has this flag here. */
static const uint64_t committed = SHMAP__OS_WAITERS;

typedef struct once_beginning {
    shmap_once *once;
    shmap__thread *thread;
} once_beginning;

/* Abandon an initialisation that this thread has begun, as after its death. */
static void abandon_held(const shmap__thread *thread, void *held, unsigned slot)
{
    shmap_once *once = held;
    uint64_t word = shmap__load64(&once->owner_);

    (void)slot;
    if (shmap__owner_of(word) == thread->id &&
        shmap__cas64(&once->owner_, &word, SHMAP__OS_OWNER_DIED))
        shmap__wake(&once->waiters_, 1);
}

static const shmap__held_kind once_held = {
    .owner = offsetof(shmap_once, owner_),
    .abandon = abandon_held,
};

static int once_taken(shmap_once *once, shmap__thread *thread, uint64_t was)
{
    shmap__held_add(thread, &once_held, once, 0);
    SHMAP__STOP("once.begun");
    return (was & SHMAP__OS_OWNER_DIED) != 0 ? SHMAP_OWNER_DIED
                                             : SHMAP_ONCE_YOURS;
}

static int try_begin(void *context)
{
    const once_beginning *beginning = context;
    uint64_t *owner = &beginning->once->owner_;
    uint64_t id = beginning->thread->id;
    uint64_t found = shmap__load64(owner);

    while (shmap__owner_of(found) == 0) {
        if ((found & committed) != 0)
            return SHMAP__DONE;
        if (shmap__cas64(owner, &found, id | (found & SHMAP__OS_OWNER_DIED)))
            return once_taken(beginning->once, beginning->thread, found);
    }
    return shmap__owner_of(found) == id ? SHMAP_EDEADLK : 0;
}

/* Begin, also in place of a thread that has died in the initialisation. Returns
 * 0 if another thread runs it. */
static int try_to_inherit(void *context)
{
    const once_beginning *beginning = context;
    uint64_t *owner = &beginning->once->owner_;
    int result = try_begin(context);
    int buried;

    if (result != 0)
        return result;
    buried = shmap__owner_bury(owner, shmap__load64(owner));
    return buried > 0 ? try_begin(context) : buried;
}

static const shmap__wait_kind beginning_kind = {
    .attempt = try_begin,
    .thorough = try_to_inherit,
};

static int begin(shmap_once *once, shmap__thread *thread, int64_t deadline)
{
    once_beginning beginning = {once, thread};
    int result = shmap__owner_settle(once);

    if (result < 0)
        return result;
    if (!shmap__held_has_room(thread))
        return SHMAP_ENOLCK;
    return shmap__wait(&beginning_kind, &once->waiters_,
                       shmap__peek32(&once->spin_ns), deadline, &beginning);
}

int shmap_once_begin(shmap_once *once, int64_t deadline)
{
    shmap__thread *thread;
    int result;

    if (shmap__is_object(once) && !shmap__is_duration(deadline) &&
        shmap__load64(&once->owner_) == committed)
        return 0;
    result = shmap__begin(once, &thread);
    if (result == 0)
        result = shmap__check_deadline(deadline);
    if (result == 0)
        result = begin(once, thread, deadline);
    return shmap__end(result);
}

/* End what this thread began: as committed, or as abandoned. Returns 0 or an
 * error. */
static int end(shmap_once *once, bool done)
{
    shmap__thread *thread;
    uint64_t word;
    int result = shmap__begin(once, &thread);

    if (result < 0)
        return result;
    word = shmap__load64(&once->owner_);
    if (shmap__owner_of(word) != thread->id)
        return SHMAP_EPERM;
    shmap__exchange64(&once->owner_,
                      done ? committed : word & SHMAP__OS_OWNER_DIED);
    SHMAP__STOP("once.ended");
    shmap__held_forget(thread, &once_held, once, 0);
    shmap__wake(&once->waiters_, done ? SHMAP__ALL_WAITERS : 1);
    return 0;
}

int shmap_once_commit(shmap_once *once)
{
    return shmap__end(end(once, true));
}

int shmap_once_abandon(shmap_once *once)
{
    return shmap__end(end(once, false));
}
