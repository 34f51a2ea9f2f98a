/* SPDX-License-Identifier: MIT */

/* Waiting, as all synchronisation objects do it.
 *
 * Objects are plain structs inside shared memory, and ready when all their
 * bytes are zero, as those of a new region are: nothing initialises them, and
 * no two processes race to do it. They have one layout for 32 and 64 bits and
 * for every compiler. Fields whose names end in _ are private.
 *
 * Where they can be: in a writable view of a region (to read a record, and to
 * wait for it, a read-only one will do), or in any other memory of one process
 * for its threads; at a multiple of 8 bytes, which their types ask of the
 * compiler. They must not be copied or moved while in use. None needs zeroing
 * between uses. Zero one only when no thread of any process is inside a call
 * with it or holds it, and none can come: that one call has returned does not
 * show it of the others (docs/synchronisation.md). A process must not unmap one
 * before all its own calls with it have returned, also the one that woke the
 * last waiter.
 *
 * Deadlines are moments on the monotonic clock (shmap/clock.h). One that has
 * passed, such as 0, means "try": the call does what can be done at once, or
 * answers SHMAP_ETIMEDOUT. SHMAP_FOREVER waits without end.
 *
 * Death: a process or thread that is killed while it waits, wakes others, or
 * holds something, at any instruction, never makes other threads wait for ever.
 * No wait sleeps for longer than 200 ms without looking again, so that is the
 * longest delay that a death causes; calls that only try look for dead owners
 * that often, too. What a death means for each object is said with the object.
 * A stopped process is not dead. A process that becomes another program (exec)
 * releases what it holds. A process that dumps core will never run again: the
 * next owner gets its locks within about 200 ms, also while the file is being
 * written.
 *
 * Spinning: a wait looks again and again for a short time before it sleeps,
 * which costs a processor but saves some fifty microseconds if what it waits
 * for comes soon. How long pays off is learnt from each object's past. Nothing
 * spins on a machine with one processor; nor for a thread that runs on the
 * waiter's own processor, once it has woken a waiter there. Processes may be
 * kept to processors at any time. An object's field spin_ns changes the limit:
 * nanoseconds, 0 for the default, SHMAP_SPIN_NEVER to sleep at once. It may be
 * set at any time, by any process that can write to the object.
 *
 * Asleep, a thread wakes up five times a second to look for dead owners, for
 * some microseconds each time.
 *
 * Priorities: a waiter's priority is not lent to the owner that it waits for,
 * and waiters are not served in the order of their priorities.
 *
 * Fork: a child has none of its parent's locks. Signals: one that is handled
 * ends no wait, but its handler can: it may call shmap_event_set and
 * shmap_semaphore_post. See also shmap.h.
 *
 * Linux: a process that locks makes itself known in each region that it has a
 * writable view of, by a read lock on a byte far beyond any data, which ends
 * with the process. So other processes can tell whether an owner lives in
 * whatever PID namespace (container) they are, and whatever they see of /proc;
 * and a lock that was held when the machine was restarted counts as its owner's
 * death. The process opens the region anew for that, through /proc/self/fd. A
 * process that cannot, because there is no /proc, or the file system has no
 * locks, is known by its threads' numbers, inside its own PID namespace only: a
 * process elsewhere that meets a rwlock that it reads under, a once that it has
 * begun or a record that it writes gets SHMAP_ENOTSUP. (Mutexes work there: the
 * kernel tells every process of a dead owner's.) If it has made itself known in
 * other regions before, it gets SHMAP_ENOTSUP itself from the locks of a region
 * where it cannot, from the first one on.
 */
#ifndef SHMAP_WAIT_H
#define SHMAP_WAIT_H

#include <stdint.h>

#include "export.h"

/* Sleep at once. */
#define SHMAP_SPIN_NEVER 0xFFFFFFFFu

/* The most that spin_ns can ask for: a millisecond. */
#define SHMAP_SPIN_MAX 1000000u

/* Compilers for 32 bits would align 64-bit numbers to 4 bytes. */
#if defined(_MSC_VER)
#define SHMAP_ALIGN8 __declspec(align(8))
#else
#define SHMAP_ALIGN8 __attribute__((aligned(8)))
#endif

/* Private: the threads that wait for one condition of an object. */
typedef struct shmap_waiters {
    SHMAP_ALIGN8 uint64_t who_; /* number of waiters, and the id they share */
    uint32_t sequence_;         /* changes whenever they are woken */
    uint32_t spin_;             /* how badly spinning did lately */
} shmap_waiters;

#endif
