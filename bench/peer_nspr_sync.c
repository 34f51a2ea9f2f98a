/* SPDX-License-Identifier: MIT */

/* The Netscape Portable Runtime: PRSem, named semaphores. */
#include "sync.h"

#include <nspr.h>
#include <stdio.h>

/* One of value 1 as a lock; two of value 0 as signals. A process has only one
 * of each. */
static PRSem *lock_semaphore;
static PRSem *semaphores[2];

/* Names are those of files for some systems. */
static void find_path(char path[64], const char *name, const char *end)
{
    snprintf(path, 64, "/tmp/%s%s", name, end);
}

static PRSem *open_semaphore(const char *name, const char *end, bool make,
                             unsigned value)
{
    char path[64];

    find_path(path, name, end);
    return PR_OpenSemaphore(path, make ? PR_SEM_CREATE | PR_SEM_EXCL : 0, 0600,
                            value);
}

static void close_semaphore(PRSem *semaphore)
{
    PR_CloseSemaphore(semaphore);
}

/* The name can go as soon as both have it open, but that is known only at the
 * end. */
static char paths[3][64];

static void *nspr_lock_open(void *place, const char *name, bool make)
{
    (void)place;
    lock_semaphore = open_semaphore(name, "l", make, 1);
    find_path(paths[2], name, "l");
    return lock_semaphore;
}

static void nspr_lock_close(void *lock, bool make)
{
    close_semaphore(lock);
    if (make)
        PR_DeleteSemaphore(paths[2]);
}

static int nspr_lock(void *lock)
{
    return PR_WaitSemaphore(lock) == PR_SUCCESS ? 0 : -1;
}

static int nspr_unlock(void *lock)
{
    return PR_PostSemaphore(lock) == PR_SUCCESS ? 0 : -1;
}

static int nspr_repeat(void *lock, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(lock, count, section, nspr_lock, nspr_unlock);
}

static void *nspr_open(void *place, const char *name, bool make)
{
    (void)place;
    semaphores[0] = open_semaphore(name, "0", make, 0);
    semaphores[1] = open_semaphore(name, "1", make, 0);
    find_path(paths[0], name, "0");
    find_path(paths[1], name, "1");
    return semaphores[0] != NULL && semaphores[1] != NULL ? semaphores : NULL;
}

static void nspr_close(void *signal, bool make)
{
    (void)signal;
    for (int i = 0; i < 2; i++) {
        close_semaphore(semaphores[i]);
        if (make)
            PR_DeleteSemaphore(paths[i]);
    }
}

static int nspr_post(void *signal, int which)
{
    (void)signal;
    return PR_PostSemaphore(semaphores[which]) == PR_SUCCESS ? 0 : -1;
}

static int nspr_wait(void *signal, int which)
{
    (void)signal;
    return PR_WaitSemaphore(semaphores[which]) == PR_SUCCESS ? 0 : -1;
}

const bench_lock bench_nspr_lock = {
    .name = "nspr",
    .open = nspr_lock_open,
    .close = nspr_lock_close,
    .lock = nspr_lock,
    .unlock = nspr_unlock,
    .repeat = nspr_repeat,
};

const bench_signal bench_nspr_signal = {
    "nspr", nspr_open, nspr_close, nspr_post, nspr_wait,
};
