/* SPDX-License-Identifier: MIT */

/* Sleeping and waking where no function of POSIX sleeps on a word of shared
 * memory that a waiter may not even be able to write to: naps, and a look after
 * each.
 *
 * They grow from about what a wake-up takes elsewhere, so that what comes soon
 * is seen soon, up to a length at which the looks cost next to nothing: some
 * 140 a second, of a few microseconds each.
 */
#include "posix/os.h"

#include <time.h>

#include "base/atomic.h"

enum { FIRST_NAP_NS = 50000, LONGEST_NAP_NS = 10000000 };

void shmap__os_wait_begin(shmap__os_waiter *waiter, const uint32_t *word,
                          uint64_t id)
{
    (void)word, (void)id;
    waiter->native = 0;
}

/* Sleep for a while. A signal may end it early, which does no harm. */
static void nap(int64_t ns)
{
    struct timespec duration;

    duration.tv_sec = 0;
    duration.tv_nsec = (long)ns;
    nanosleep(&duration, NULL);
}

void shmap__os_wait(shmap__os_waiter *waiter, const uint32_t *word,
                    uint32_t seen, uint64_t owner, int64_t until)
{
    int64_t length = FIRST_NAP_NS;

    (void)waiter;
    (void)owner; /* Waiters for a dead owner look again after this call. */
    while (shmap__load32(word) == seen) {
        int64_t now = shmap__os_now();

        if (now >= until) /* which may be any number */
            break;
        nap(until - now < length ? until - now : length);
        length = length < LONGEST_NAP_NS / 2 ? 2 * length : LONGEST_NAP_NS;
    }
}

void shmap__os_wait_end(shmap__os_waiter *waiter)
{
    (void)waiter;
}

/* Wake no thread: a sleeping thread will look, and see that the word has
 * changed. The answer that no thread sleeps makes living waiters register anew,
 * and so forgets the dead. */
bool shmap__os_wake(const uint32_t *word, uint64_t id, uint32_t count)
{
    (void)word, (void)id, (void)count;
    return false;
}
