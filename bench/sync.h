/* SPDX-License-Identifier: MIT */

/* What a way of locking, or of waiting for another process, must offer to be
 * measured: shmap, the system's own, other libraries.
 *
 * Results are 0, or not if it failed.
 */
#ifndef BENCH_SYNC_H
#define BENCH_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The bytes that each has in memory that both processes share: zeroed, and at a
 * multiple of 128. */
enum { BENCH_PLACE = 256 << 10 };

/* Locks. `make` is true in the process that comes first, and false in those
 * that it starts; `name` is for those who need one, short and of letters,
 * digits and "-". `open` returns what the other functions get, or NULL. */
typedef struct bench_lock {
    const char *name;
    bool robust; /* whoever waits gets it when its owner is killed */
    void *(*open)(void *place, const char *name, bool make);
    void (*close)(void *lock, bool make);
    int (*lock)(void *lock); /* and repair it, if its owner died */
    int (*unlock)(void *lock);
    /* Lock and unlock so many times, and add one to `*section`, unless that is
     * NULL, in between: bench_repeat. */
    int (*repeat)(void *lock, unsigned count, volatile uint64_t *section);
    /* What the one does that is killed with it; NULL: it locks it. */
    int (*hold)(void *lock);
} bench_lock;

/* Two signals, 0 and 1, by which two processes take turns: one waits for what
 * the other posts. */
typedef struct bench_signal {
    const char *name;
    void *(*open)(void *place, const char *name, bool make);
    void (*close)(void *signal, bool make);
    int (*post)(void *signal, int which);
    int (*wait)(void *signal, int which);
} bench_signal;

/* To be called with two functions that the compiler knows, so that it calls
 * them directly, or inlines what is in them. */
static inline int bench_repeat(void *lock, unsigned count,
                               volatile uint64_t *section,
                               int (*take)(void *lock),
                               int (*leave)(void *lock))
{
    int failed = 0;

    if (section == NULL) {
        for (unsigned i = 0; i < count; i++)
            failed |= take(lock) | leave(lock);
        return failed;
    }
    for (unsigned i = 0; i < count; i++) {
        failed |= take(lock);
        *section = *section + 1;
        failed |= leave(lock);
    }
    return failed;
}

/* The system's own; the first is what all are compared with. A NULL ends
 * them. */
extern const bench_lock *const bench_raw_locks[];
extern const bench_signal *const bench_spinning_signals[];
extern const bench_signal *const bench_sleeping_signals[];

extern const bench_lock *const bench_shmap_locks[];
extern const bench_signal *const bench_shmap_spinning_signals[];
extern const bench_signal *const bench_shmap_sleeping_signals[];
extern const bench_signal *const bench_shmap_new_signals[];

/* Those whose process is killed while others wait, and that the system does not
 * tell of it: it takes longer, and is shown apart. */
extern const bench_lock *const bench_shmap_untold_locks[];

/* Other libraries, if they were there when this was built. */
extern const bench_lock bench_apr_lock;
extern const bench_lock bench_boost_lock;
extern const bench_lock bench_nspr_lock;
extern const bench_lock bench_qt_lock;
extern const bench_signal bench_boost_signal;
extern const bench_signal bench_boost_condition;
extern const bench_signal bench_nspr_signal;
extern const bench_signal bench_qt_signal;

/* Processor time of this thread, in nanoseconds. Where it cannot be told finely
 * enough, bench_tells_processor_time is false. */
extern const bool bench_tells_processor_time;
int64_t bench_processor_now(void);

#ifdef __cplusplus
}
#endif

#endif
