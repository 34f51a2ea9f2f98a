/* SPDX-License-Identifier: MIT */

/* Waiting and waking: the one place of spinning, of counting who sleeps, and of
 * the rule that nobody sleeps for longer than 200 ms without looking again.
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
 *
 * The word `spin_` is a hint. Its lowest bits say how badly spinning did
 * lately, or that the one who was woken last runs on the same processor as the
 * one that woke it: spinning would keep that from it. The bits above are the
 * processor of the one that woke last. Of an object through which nobody was
 * woken yet, a thread believes what it found out at the last one.
 */
#include "sync/wait.h"

#include "base/atomic.h"
#include "base/stop.h"
#include "shmap/wait.h"

enum {
    COUNT_BITS = 64 - SHMAP__WAIT_ID_BITS,
    COUNT_MAX = (1 << COUNT_BITS) - 1,
    LOOKS = 32,      /* between two looks at the clock */
    WORST_LEVEL = 6, /* spin for a 64th of the limit; more is no worse */
    WAITS_AT_WORST = 32,
    SPIN_NS = 100000,
    SLICE_NS = 200000000,
    LEVEL_BITS = 8,
    LEVEL_MASK = (1 << LEVEL_BITS) - 1,
    TOGETHER = LEVEL_MASK /* on one processor: not to spin at all */
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

/* Before the wake, so that the one who is woken sees it. */
static void say_where(shmap_waiters *waiters)
{
    uint32_t found = shmap__peek32(&waiters->spin_);
    uint32_t said = shmap__os_processor() << LEVEL_BITS | (found & LEVEL_MASK);

    if (said != found)
        shmap__poke32(&waiters->spin_, said);
}

void shmap__wake_counted(shmap_waiters *waiters, uint32_t count)
{
    uint64_t found = shmap__load64(&waiters->who_);

    if (count_of(found) == 0)
        return;
    say_where(waiters);
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

int64_t shmap__wait_slice(int64_t deadline)
{
    int64_t slice = shmap__os_now() + SLICE_NS;

    return deadline < slice ? deadline : slice;
}

/* Look a number of times, without looking at the clock. */
static int look(shmap__spin *spin, shmap__attempt *attempt, void *context)
{
    int result = 0;

    for (unsigned i = 0; i < LOOKS && result == 0; i += spin->pauses) {
        if (spin->pauses < spin->most_pauses)
            spin->pauses *= 2;
        for (unsigned pause = 0; pause < spin->pauses; pause++)
            shmap__pause();
        result = attempt(context);
    }
    return result;
}

int shmap__spin_start(shmap__spin *spin, uint32_t spin_ns, uint32_t level,
                      int64_t deadline, shmap__attempt *attempt, void *context)
{
    int64_t until;
    int64_t now;
    int result;

    spin->began = 0;
    spin->quick = false;
    spin->late = false;
    spin->pauses = 1;
    spin->limit = spin_ns == 0 ? SPIN_NS : spin_ns;
    if (spin_ns == SHMAP_SPIN_NEVER || shmap__os_facts_get()->processors == 1)
        spin->limit = 0;
    else if (spin_ns > SHMAP_SPIN_MAX)
        spin->limit = SHMAP_SPIN_MAX;
    /* Who runs on another processor has answered before the clock has. */
    result = spin->limit == 0 ? 0 : look(spin, attempt, context);
    spin->quick = result != 0;
    if (spin->quick)
        return result;
    now = shmap__os_now();
    spin->began = now;
    spin->late = now >= deadline;
    until = now + (spin->limit >> (level < WORST_LEVEL ? level : WORST_LEVEL));
    if (until > deadline)
        until = deadline;
    while (result == 0 && now < until) {
        result = look(spin, attempt, context);
        now = shmap__os_now();
    }
    return result;
}

/* Spinning for as long as the limit would have paid off, or not. Now and then
 * it starts anew: two who sleep for each other cannot see that they need not.
 */
uint32_t shmap__spin_learn(const shmap__spin *spin, uint32_t level)
{
    if (spin->limit == 0)
        return level;
    if (spin->quick || shmap__os_now() - spin->began <= spin->limit) {
        if (level > WORST_LEVEL)
            level = WORST_LEVEL;
        return level == 0 ? 0 : level - 1;
    }
    return level < WORST_LEVEL + WAITS_AT_WORST ? level + 1 : 0;
}

/* Whether the one that woke this thread last ran on the same processor. */
static SHMAP__THREAD_LOCAL bool together_lately;

int shmap__spin_for(shmap_waiters *waiters, shmap__spin *spin, uint32_t spin_ns,
                    int64_t deadline, shmap__attempt *attempt, void *context)
{
    uint32_t found = shmap__peek32(&waiters->spin_);
    uint32_t level = found & LEVEL_MASK;

    spin->refused = spin_ns == SHMAP_SPIN_NEVER;
    if (level == TOGETHER || (found == 0 && together_lately))
        spin_ns = SHMAP_SPIN_NEVER;
    return shmap__spin_start(spin, spin_ns, level, deadline, attempt, context);
}

void shmap__spin_end(shmap_waiters *waiters, const shmap__spin *spin,
                     bool woken)
{
    uint32_t found = shmap__peek32(&waiters->spin_);
    uint32_t level = found & LEVEL_MASK;
    uint32_t learnt = level;

    if (spin->refused)
        return;
    if (woken && shmap__is_here(found >> LEVEL_BITS))
        learnt = TOGETHER;
    else if (level != TOGETHER)
        learnt = shmap__spin_learn(spin, level);
    else if (woken)
        learnt = 0;
    if (woken)
        together_lately = learnt == TOGETHER;
    if (learnt != level)
        shmap__poke32(&waiters->spin_,
                      (found & ~(uint32_t)LEVEL_MASK) | learnt);
}

/* Sleep between attempts. Who no longer counts after it has read the sequence
 * registers anew: see take_back. */
static int attempt_asleep(shmap_waiters *waiters, int64_t deadline,
                          shmap__attempt *attempt, shmap__attempt *thorough,
                          void *context)
{
    shmap__wait_place place = {0};
    unsigned tries = 0;
    int64_t next = 0;
    int result = 0;

    shmap__wait_enter(&place, &waiters->who_, &waiters->sequence_);
    for (;;) {
        uint32_t seen = shmap__load32(&waiters->sequence_);
        int64_t now;

        if (!shmap__wait_counts(&place) && tries++ < SHMAP__WAIT_TRIES) {
            shmap__wait_leave(&place);
            shmap__wait_enter(&place, &waiters->who_, &waiters->sequence_);
            continue;
        }
        result = attempt(context);
        if (result != 0)
            break;
        now = shmap__os_now();
        if (now >= next || now >= deadline) {
            if (thorough != attempt)
                result = thorough(context);
            next = now + SLICE_NS;
        }
        if (result == 0 && now >= deadline)
            result = SHMAP_ETIMEDOUT;
        if (result != 0)
            break;
        SHMAP__STOP("wait.looked");
        shmap__os_wait(&place.waiter, &waiters->sequence_, seen, 0,
                       next < deadline ? next : deadline);
        SHMAP__STOP("wait.woken");
    }
    shmap__wait_leave(&place);
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
static int try_once(const shmap_waiters *waiters, shmap__attempt *thorough,
                    void *context)
{
    int result = shmap__may_look(waiters, 0) ? thorough(context) : 0;

    if (result != 0)
        shmap__may_look(NULL, 0); /* The next may be another death. */
    return result == 0 ? SHMAP_ETIMEDOUT : result;
}

int shmap__wait_thoroughly(shmap_waiters *waiters, uint32_t spin_ns,
                           int64_t deadline, shmap__attempt *attempt,
                           shmap__attempt *thorough, void *context)
{
    shmap__spin spin = {.most_pauses = 1};
    bool asleep;
    int result = attempt(context);

    if (result != 0)
        return result;
    if (deadline <= 0)
        return try_once(waiters, thorough, context);
    /* With a sleeper for every other processor, spinning keeps one from those
     * that could go on. */
    if (count_of(shmap__load64(&waiters->who_)) + 1 >=
        shmap__os_facts_get()->processors)
        spin_ns = SHMAP_SPIN_NEVER;
    result =
        shmap__spin_for(waiters, &spin, spin_ns, deadline, attempt, context);
    if (spin.late)
        return try_once(waiters, thorough, context);
    asleep = result == 0;
    if (asleep)
        result = attempt_asleep(waiters, deadline, attempt, thorough, context);
    shmap__spin_end(waiters, &spin, asleep && result != SHMAP_ETIMEDOUT);
    return result;
}
