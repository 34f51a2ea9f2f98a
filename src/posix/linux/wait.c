/* SPDX-License-Identifier: MIT */

/* Sleeping and waking on Linux: futexes, which identify a word by the memory
 * that is mapped there, in all processes, and also where it is mapped for
 * reading only. */
#include "posix/os.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The time that the system call takes, whichever size times have in the C
 * library. */
#ifdef SYS_futex
typedef long seconds;
#else
typedef int64_t seconds;
#define SYS_futex SYS_futex_time64
#endif

typedef struct system_time {
    seconds s;
    seconds ns;
} system_time;

void shmap__os_wait_begin(shmap__os_waiter *waiter, const uint32_t *word,
                          uint64_t id)
{
    (void)word, (void)id;
    waiter->native = 0;
}

void shmap__os_wait(shmap__os_waiter *waiter, const uint32_t *word,
                    uint32_t seen, uint64_t owner, int64_t until)
{
    system_time moment;

    (void)waiter;
    (void)owner; /* The kernel wakes a waiter when the owner dies. */
    if (until < 0)
        until = 0;
    moment.s = (seconds)(until / 1000000000);
    moment.ns = (seconds)(until % 1000000000);
    /* The bitset's kind of waiting takes a moment and not a duration. */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &moment, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void shmap__os_wait_end(shmap__os_waiter *waiter)
{
    (void)waiter;
}

bool shmap__os_wake(const uint32_t *word, uint64_t id, uint32_t count)
{
    int before = errno;
    bool woke;

    (void)id;
    woke = syscall(SYS_futex, word, FUTEX_WAKE, count) != 0;
    errno = before;
    return woke;
}
