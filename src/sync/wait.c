/* SPDX-License-Identifier: MIT */

/* Waiting and waking: the one file that counts the waiters, and has the rule
 * that no thread sleeps for longer than 200 ms without looking again.
 *
 * A waiter registers first, looks second, and sleeps last, on a sequence number
 * that changes with each waking. A thread that wakes stores first and then
 * looks whether a waiter is registered. So one of the two sees the other
 * (docs/memory-order.md).
 *
 * The registration, `waiters` (who_ in an object), is a number of waiters and,
 * above it, an id, which is new whenever the number was 0. A waiter that dies
 * stays counted. That costs the others a system call each time they wake, until
 * one of them finds no waiter asleep and takes the whole registration back,
 * which the id makes safe: waiters that registered since have another.
 */
#include "sync/wait.h"

#include "base/atomic.h"
#include "base/stop.h"

enum {
    COUNT_BITS = 64 - SHMAP__WAIT_ID_BITS,
    COUNT_MAX = (1 << COUNT_BITS) - 1,
    SLICE_NS = 200000000 /* the longest sleep without looking again */
};

uint64_t shmap__wait_id_of(uint64_t waiters)
{
    return waiters >> COUNT_BITS;
}

static unsigned count_of(uint64_t waiters)
{
    return (unsigned)(waiters & COUNT_MAX);
}

void shmap__wait_enter(shmap__waiter *waiter, uint64_t *waiters,
                       const uint32_t *word)
{
    uint64_t found = shmap__load64(waiters);

    waiter->waiters = waiters;
    for (unsigned tries = 0;; tries++) {
        if (count_of(found) == COUNT_MAX || tries == SHMAP__WAIT_TRIES) {
            /* Too many to count, or a process writes here without end: sleep
             * without being woken, for a slice. */
            waiter->id = 0;
            waiter->os.native = 0;
            return;
        }
        waiter->id = count_of(found) == 0 ? shmap__os_wait_id()
                                          : shmap__wait_id_of(found);
        shmap__os_wait_begin(&waiter->os, word, waiter->id);
        SHMAP__STOP("wait.begun");
        if (shmap__cas64(waiters, &found,
                         waiter->id << COUNT_BITS | (count_of(found) + 1)))
            break;
        shmap__os_wait_end(&waiter->os);
    }
    SHMAP__STOP("wait.entered");
}

bool shmap__wait_counts(const shmap__waiter *waiter)
{
    uint64_t found;

    if (waiter->id == 0)
        return true;
    found = shmap__load64(waiter->waiters);
    return count_of(found) != 0 && shmap__wait_id_of(found) == waiter->id;
}

/* The count goes down before the waiter is gone: so a thread that wakes, and
 * finds no waiter, can believe that. */
void shmap__wait_leave(shmap__waiter *waiter)
{
    uint64_t found;

    if (waiter->id == 0)
        return;
    found = shmap__load64(waiter->waiters);
    while (count_of(found) != 0 && shmap__wait_id_of(found) == waiter->id) {
        uint64_t left = count_of(found) == 1 ? 0 : found - 1;

        if (shmap__cas64(waiter->waiters, &found, left))
            break;
    }
    SHMAP__STOP("wait.left");
    shmap__os_wait_end(&waiter->os);
}

/* Take a registration back of which no waiter is asleep. Waiters that are about
 * to sleep, on a sequence that they read before this, must not; those that read
 * it after this see that they no longer count. */
static void take_back(shmap_waiters *waiters, uint64_t found)
{
    uint64_t id = shmap__wait_id_of(found);

    if (!shmap__cas64(&waiters->who_, &found, 0))
        return;
    SHMAP__STOP("wake.taken_back");
    shmap__add32(&waiters->sequence_, 1);
    shmap__os_wake(&waiters->sequence_, id, SHMAP__ALL_WAITERS);
}

void shmap__wake_counted(shmap_waiters *waiters, uint32_t count)
{
    uint64_t found = shmap__load64(&waiters->who_);

    if (count_of(found) == 0)
        return;
    /* Before the wake, so that the thread that is woken sees it. */
    shmap__spin_say_where(waiters);
    shmap__add32(&waiters->sequence_, 1);
    SHMAP__STOP("wake.counted");
    /* Unless all waiters are woken, those that registered later are not
     * counted: one of them could be woken instead of an earlier waiter. */
    if (count != SHMAP__ALL_WAITERS && count > count_of(found))
        count = count_of(found);
    if (!shmap__os_wake(&waiters->sequence_, shmap__wait_id_of(found), count))
        take_back(waiters, found);
    SHMAP__STOP("wake.woken");
}

/* Read the word, and then make sure that this thread counts: if it no longer
 * does after it has read the word, it registers anew (see take_back). */
static void read_word(shmap__sleeper *sleeper)
{
    unsigned tries = 0;

    for (;;) {
        sleeper->seen = shmap__load32(sleeper->word);
        if (sleeper->waiters == NULL || shmap__wait_counts(&sleeper->waiter) ||
            tries++ == SHMAP__WAIT_TRIES)
            return;
        shmap__wait_leave(&sleeper->waiter);
        shmap__wait_enter(&sleeper->waiter, sleeper->waiters, sleeper->word);
    }
}

/* Sleep on the word as it was read, until a moment. Returns whether it has
 * changed. */
static bool sleep_on_word(shmap__sleeper *sleeper, int64_t until)
{
    SHMAP__STOP("wait.looked");
    shmap__os_wait(&sleeper->waiter.os, sleeper->word, sleeper->seen,
                   sleeper->owner, until);
    SHMAP__STOP("wait.woken");
    return shmap__load32(sleeper->word) != sleeper->seen;
}

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

static int sleep_and_attempt(const shmap__wait_kind *kind,
                             shmap__sleeper *sleeper, int64_t deadline,
                             void *context)
{
    bool thorough = !kind->owner_ends_sleep;
    int64_t next = INT64_MAX;

    for (;;) {
        int64_t now;
        int64_t until;
        int result;

        read_word(sleeper);
        result = kind->attempt(context);
        if (result != 0)
            return result;
        now = shmap__os_now();
        thorough = thorough || now >= next || now >= deadline;
        if (thorough && kind->thorough != NULL)
            result = kind->thorough(context);
        if (result == 0 && now >= deadline)
            result = SHMAP_ETIMEDOUT;
        if (result != 0)
            return result;
        if (thorough || next == INT64_MAX)
            next = now + SLICE_NS;
        until = earlier(next, deadline);
        if (kind->prepare != NULL)
            until = earlier(until, kind->prepare(context, now));
        thorough = !sleep_on_word(sleeper, until) && kind->owner_ends_sleep;
    }
}

int shmap__wait_asleep(const shmap__wait_kind *kind, shmap__sleeper *sleeper,
                       int64_t deadline, void *context)
{
    int result;

    if (sleeper->waiters != NULL)
        shmap__wait_enter(&sleeper->waiter, sleeper->waiters, sleeper->word);
    result = sleep_and_attempt(kind, sleeper, deadline, context);
    if (sleeper->waiters != NULL)
        shmap__wait_leave(&sleeper->waiter);
    return result;
}

bool shmap__may_look(const void *object, uint64_t owner)
{
    static SHMAP__THREAD_LOCAL const void *last;
    static SHMAP__THREAD_LOCAL uint64_t last_owner;
    static SHMAP__THREAD_LOCAL int64_t next;
    int64_t now = shmap__os_now();

    if (object == last && owner == last_owner && now < next)
        return false;
    last = object;
    last_owner = owner;
    next = now + SLICE_NS;
    return true;
}

/* Try without waiting. Returns SHMAP_ETIMEDOUT if nothing came of it. */
static int try_once(const shmap__wait_kind *kind, const shmap_waiters *waiters,
                    void *context)
{
    int result;

    if (!shmap__may_look(waiters, 0))
        return SHMAP_ETIMEDOUT;
    result = kind->thorough != NULL ? kind->thorough(context)
                                    : kind->attempt(context);
    if (result != 0)
        shmap__may_look(NULL, 0); /* The next call may find another death. */
    return result == 0 ? SHMAP_ETIMEDOUT : result;
}

int shmap__wait(const shmap__wait_kind *kind, shmap_waiters *waiters,
                uint32_t spin_ns, int64_t deadline, void *context)
{
    shmap__sleeper sleeper = {.word = &waiters->sequence_,
                              .waiters = &waiters->who_};
    shmap__spin spin = {.most_pauses = 1};
    bool asleep;
    int result = kind->attempt(context);

    if (result != 0)
        return result;
    if (deadline <= 0)
        return try_once(kind, waiters, context);
    /* With a waiter for every other processor, spinning keeps one from threads
     * that could go on. */
    if (count_of(shmap__load64(&waiters->who_)) + 1 >=
        shmap__os_facts_get()->processors)
        spin_ns = SHMAP_SPIN_NEVER;
    result = shmap__spin_for(waiters, &spin, spin_ns, deadline, kind->attempt,
                             context);
    if (spin.late)
        return try_once(kind, waiters, context);
    asleep = result == 0;
    if (asleep)
        result = shmap__wait_asleep(kind, &sleeper, deadline, context);
    shmap__spin_end(waiters, &spin, asleep && result != SHMAP_ETIMEDOUT);
    return result;
}
