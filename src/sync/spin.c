/* SPDX-License-Identifier: MIT */

/* Spinning, and learning from it.
 *
 * The word `spin_` is a hint. Its lowest bits say how badly spinning did
 * lately, or that the thread that was woken last runs on the same processor as
 * the thread that woke it: spinning would keep the processor from the latter.
 * The bits above are the processor of the thread that woke others last. For an
 * object that has woken no thread yet, a waiter uses what it learnt from its
 * last object.
 */
#include "sync/spin.h"

#include "base/atomic.h"
#include "base/compiler.h"
#include "shmap/wait.h"

enum {
    LOOKS = 32,      /* attempts between two looks at the clock */
    WORST_LEVEL = 6, /* spin for a 64th of the limit; more is no worse */
    WAITS_AT_WORST = 32,
    SPIN_NS = 100000,
    LEVEL_BITS = 8,
    LEVEL_MASK = (1 << LEVEL_BITS) - 1,
    TOGETHER = LEVEL_MASK /* on one processor: not to spin at all */
};

/* Attempt a number of times, without looking at the clock. Returns the result
 * of the last attempt. */
static int attempt_often(shmap__spin *spin, shmap__attempt *attempt,
                         void *context)
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
    /* A thread on another processor can answer sooner than the clock. */
    result = spin->limit == 0 ? 0 : attempt_often(spin, attempt, context);
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
        result = attempt_often(spin, attempt, context);
        now = shmap__os_now();
    }
    return result;
}

/* Return the level after a wait: spinning for as long as the limit would have
 * paid off, or not. Now and then it starts anew: two threads that sleep for
 * each other cannot see that they need not. */
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

/* Whether the thread that woke this one last ran on the same processor. */
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

void shmap__spin_say_where(shmap_waiters *waiters)
{
    uint32_t found = shmap__peek32(&waiters->spin_);
    uint32_t said = shmap__os_processor() << LEVEL_BITS | (found & LEVEL_MASK);

    if (said != found)
        shmap__poke32(&waiters->spin_, said);
}
