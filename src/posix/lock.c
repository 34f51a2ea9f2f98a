/* SPDX-License-Identifier: MIT */

/* Byte locks of open file descriptions, patience, and keeping fork away. */
#include "os.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "../compiler.h"

/* The tests define SHMAP_NO_OFD_LOCKS, to be where there are none. */
#if defined(F_OFD_SETLK) && !defined(SHMAP_NO_OFD_LOCKS)

static struct flock byte_lock(off_t byte, short type)
{
    struct flock lock = {0};

    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    return lock;
}

int shmap__os_lock(int fd, off_t byte, short type)
{
    struct flock lock = byte_lock(byte, type);

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES ? EAGAIN : errno;
}

short shmap__os_locked(int fd, off_t byte)
{
    struct flock lock = byte_lock(byte, F_WRLCK);

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 ? lock.l_type : F_UNLCK;
}

#else

int shmap__os_lock(int fd, off_t byte, short type)
{
    (void)fd, (void)byte, (void)type;
    return ENOTSUP;
}

short shmap__os_locked(int fd, off_t byte)
{
    (void)fd, (void)byte;
    return F_RDLCK;
}

#endif

bool shmap__os_wait_a_little(unsigned *attempt)
{
    enum { YIELDS = 64, SLEEPS = 1000 };
    static const struct timespec millisecond = {0, 1000000};

    if (*attempt >= YIELDS + SLEEPS)
        return false;
    if ((*attempt)++ < YIELDS)
        sched_yield();
    else
        nanosleep(&millisecond, NULL);
    return true;
}

/* A child forked while another thread has an exclusive lock shares the lock's
 * description: if the parent is killed before it unlocks, the child keeps the
 * lock for as long as it lives. So fork waits for such steps, which are a few
 * system calls long. */
#ifdef PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
/* Otherwise glibc lets threads that open and close keep out one that forks. */
#define FORK_LOCK_INITIALIZER PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
#else
#define FORK_LOCK_INITIALIZER PTHREAD_RWLOCK_INITIALIZER
#endif

static pthread_rwlock_t fork_lock = FORK_LOCK_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static atomic_uint forks;

/* Set in a thread from before a step until after it: a signal handler that
 * forks there must not wait for its own thread. */
static SHMAP__THREAD_LOCAL volatile bool inside_step;

static void before_fork(void)
{
    if (!inside_step)
        pthread_rwlock_wrlock(&fork_lock);
    atomic_fetch_add(&forks, 1);
}

static void after_fork(void)
{
    if (!inside_step)
        pthread_rwlock_unlock(&fork_lock);
}

/* In the child only the forking thread exists, and glibc's lock remembers the
 * writer's thread id, which is another now: start afresh. */
static void after_fork_in_child(void)
{
    static const pthread_rwlock_t fresh = FORK_LOCK_INITIALIZER;

    if (!inside_step)
        fork_lock = fresh;
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

uint32_t shmap__os_forks(void)
{
    pthread_once(&fork_once, watch_forks);
    return atomic_load(&forks);
}

void shmap__os_fork_lock(void)
{
    pthread_once(&fork_once, watch_forks);
    inside_step = true;
    pthread_rwlock_rdlock(&fork_lock);
}

void shmap__os_fork_unlock(void)
{
    pthread_rwlock_unlock(&fork_lock);
    inside_step = false;
}
