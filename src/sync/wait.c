/* SPDX-License-Identifier: MIT */

/* Waiting and waking: the one place of counting the sleepers, and of the rule
 * that no thread sleeps for longer than 200 ms without looking again.
 *
 * Who waits registers first, looks second, and sleeps last, on a sequence
 * number that changes with each waking. Who wakes stores first and then looks
 * whether anybody is registered. So one of the two sees the other
 * (docs/memory-order.md).
 *
 * The registration, `who`, is a number of waiters and, above it, an id, which
 * is new whenever the number was 0. A waiter that dies stays counted. That
 * costs the others a system call each time they wake, until one of them finds
 * nobody asleep and takes the whole registration back, which the id makes safe:
 * those who registered since have another.
 */
#include "sync/wait.h"

#include "base/atomic.h"
#include "base/stop.h"

enum {
    COUNT_BITS = 64 - SHMAP__WAIT_ID_BITS,
    COUNT_MAX = (1 << COUNT_BITS) - 1,
    SLICE_NS = 200000000 /* that a thread sleeps without looking again */
};

uint64_t shmap__wait_id_of(uint64_t who)
{
    return who >> COUNT_BITS;
}

static unsigned count_of(uint64_t who)
{
    return (unsigned)(who & COUNT_MAX);
}

void shmap__wait_enter(shmap__wait_place *place, uint64_t *who,
                       const uint32_t *word)
{
    uint64_t found = shmap__load64(who);

    place->who = who;
    for (unsigned tries = 0;; tries++) {
        if (count_of(found) == COUNT_MAX || tries == SHMAP__WAIT_TRIES) {
            /* Too many to count, or somebody writes here without end: sleep
             * without being woken, for a slice. */
            place->id = 0;
            place->waiter.native = 0;
            return;
        }
        place->id = count_of(found) == 0 ? shmap__os_wait_id()
                                         : shmap__wait_id_of(found);
        shmap__os_wait_begin(&place->waiter, word, place->id);
        SHMAP__STOP("wait.begun");
        if (shmap__cas64(who, &found,
                         place->id << COUNT_BITS | (count_of(found) + 1)))
            break;
        shmap__os_wait_end(&place->waiter);
    }
    SHMAP__STOP("wait.entered");
}

bool shmap__wait_counts(const shmap__wait_place *place)
{
    uint64_t found;

    if (place->id == 0)
        return true;
    found = shmap__load64(place->who);
    return count_of(found) != 0 && shmap__wait_id_of(found) == place->id;
}

/* First uncounted, then gone: who wakes and finds nobody there can believe
 * it. */
void shmap__wait_leave(shmap__wait_place *place)
{
    uint64_t found;

    if (place->id == 0)
        return;
    found = shmap__load64(place->who);
    while (count_of(found) != 0 && shmap__wait_id_of(found) == place->id) {
        uint64_t left = count_of(found) == 1 ? 0 : found - 1;

        if (shmap__cas64(place->who, &found, left))
            break;
    }
    SHMAP__STOP("wait.left");
    shmap__os_wait_end(&place->waiter);
}

/* Nobody who is registered is asleep. Those who are about to sleep, on a
 * sequence that they read before this, must not; those who read it after this
 * see that they no longer count. */
static void take_back(shmap_waiters *waiters, uint64_t who)
{
    uint64_t id = shmap__wait_id_of(who);

    if (!shmap__cas64(&waiters->who_, &who, 0))
        return;
    SHMAP__STOP("wake.taken_back");
    shmap__add32(&waiters->sequence_, 1);
    shmap__os_wake(&waiters->sequence_, id, SHMAP__EVERYBODY);
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
    /* Who registered later needs no waking, if it is not all who are woken: one
     * of those could be woken in the place of one who came before. */
    if (count != SHMAP__EVERYBODY && count > count_of(found))
        count = count_of(found);
    if (!shmap__os_wake(&waiters->sequence_, shmap__wait_id_of(found), count))
        take_back(waiters, found);
    SHMAP__STOP("wake.woken");
}

/* Read the word, and then see to it that this thread counts: if it no longer
 * does after it has read the word, it registers anew (see take_back). */
static void read_word(shmap__sleeper *sleeper)
{
    unsigned tries = 0;

    for (;;) {
        sleeper->seen = shmap__load32(sleeper->word);
        if (sleeper->who == NULL || shmap__wait_counts(&sleeper->place) ||
            tries++ == SHMAP__WAIT_TRIES)
            return;
        shmap__wait_leave(&sleeper->place);
        shmap__wait_enter(&sleeper->place, sleeper->who, sleeper->word);
    }
}

/* Sleep on the word as it was read, until a moment. Returns whether it has
 * changed. */
static bool sleep_on_word(shmap__sleeper *sleeper, int64_t until)
{
    SHMAP__STOP("wait.looked");
    shmap__os_wait(&sleeper->place.waiter, sleeper->word, sleeper->seen,
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

    if (sleeper->who != NULL)
        shmap__wait_enter(&sleeper->place, sleeper->who, sleeper->word);
    result = sleep_and_attempt(kind, sleeper, deadline, context);
    if (sleeper->who != NULL)
        shmap__wait_leave(&sleeper->place);
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

/* There is no time to wait. */
static int try_once(const shmap__wait_kind *kind, const shmap_waiters *waiters,
                    void *context)
{
    int result;

    if (kind->thorough == NULL || !shmap__may_look(waiters, 0))
        return SHMAP_ETIMEDOUT;
    result = kind->thorough(context);
    if (result != 0)
        shmap__may_look(NULL, 0); /* The next may be another death. */
    return result == 0 ? SHMAP_ETIMEDOUT : result;
}

int shmap__wait(const shmap__wait_kind *kind, shmap_waiters *waiters,
                uint32_t spin_ns, int64_t deadline, void *context)
{
    shmap__sleeper sleeper = {.word = &waiters->sequence_,
                              .who = &waiters->who_};
    shmap__spin spin = {.most_pauses = 1};
    bool asleep;
    int result = kind->attempt(context);

    if (result != 0)
        return result;
    if (deadline <= 0)
        return try_once(kind, waiters, context);
    /* With a sleeper for every other processor, spinning keeps one from those
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
