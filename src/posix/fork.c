/* SPDX-License-Identifier: MIT */

/* Fork: keeping it away from steps that a child must not share, and what a
 * child begins afresh. */
#include "posix/os.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/compiler.h"

/* A child forked while another thread has an exclusive lock shares the lock's
 * description: if the parent is killed before it unlocks, the child keeps the
 * lock for as long as it lives. So fork waits for such steps, which are a few
 * system calls long, but for files that are being extended. A thread is not
 * cancelled inside. */
static pthread_rwlock_t fork_lock = PTHREAD_RWLOCK_INITIALIZER;

/* The holder of this lock is about to take the other. Without it, threads that
 * open and close could keep out for ever a thread that forks. */
static pthread_mutex_t fork_turn = PTHREAD_MUTEX_INITIALIZER;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static atomic_uint forks;
static uint32_t lineage = 1;

/* Set in a thread from before a step until after it: a signal handler that
 * forks there must not wait for its own thread. */
static SHMAP__THREAD_LOCAL volatile bool inside_step;
static SHMAP__THREAD_LOCAL int cancelability;

/* The lists of views and of threads, which are changed more often than a step
 * is made: a lock of their own, taken after the others. */
static pthread_mutex_t lists = PTHREAD_MUTEX_INITIALIZER;
static SHMAP__THREAD_LOCAL volatile bool inside_lists;

/* Set in a thread that has all locks to fork. A fork that began before the
 * handlers were registered can end after it, and has none.
 *
 * Handlers of the program's that were registered before run inside that time,
 * and may call this library: for their thread the locks are taken already, and
 * in the child all that those of this library would do is done at once. */
static SHMAP__THREAD_LOCAL bool forking;
static pid_t forker; /* the process that forks, while one does */
static bool child_has_begun;

static void before_fork(void)
{
    /* Open descriptors are shared from now on; a thread that closes one cannot
     * pass the locks before that. */
    atomic_fetch_add(&forks, 1);
    if (inside_step || inside_lists)
        return;
    pthread_mutex_lock(&fork_turn);
    pthread_rwlock_wrlock(&fork_lock);
    pthread_mutex_lock(&lists);
    forking = true;
    forker = getpid();
}

static void after_fork(void)
{
    /* So are descriptors that other handlers opened since. */
    atomic_fetch_add(&forks, 1);
    if (!forking)
        return;
    forking = false;
    pthread_mutex_unlock(&lists);
    pthread_rwlock_unlock(&fork_lock);
    pthread_mutex_unlock(&fork_turn);
}

/* In the child only the forking thread exists, and the locks remember another:
 * start afresh. */
static void begin_child(void)
{
    atomic_fetch_add(&forks, 1);
    lineage++;
    for (size_t i = 0; shmap__posix_child_begins[i] != NULL; i++)
        shmap__posix_child_begins[i]();
    forking = false;
    if (!inside_step) {
        pthread_rwlock_init(&fork_lock, NULL);
        pthread_mutex_init(&fork_turn, NULL);
    }
    if (!inside_lists)
        pthread_mutex_init(&lists, NULL);
}

static void after_fork_in_child(void)
{
    if (!child_has_begun)
        begin_child();
    child_has_begun = false;
}

/* Return whether this thread forks, and is still in the parent. */
static bool is_forking(void)
{
    if (forking && getpid() != forker) {
        begin_child();
        child_has_begun = true;
    }
    return forking;
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* As early as can be, so that handlers of programs run outside of these. */
__attribute__((constructor)) static void watch_from_the_start(void)
{
    pthread_once(&fork_once, watch_forks);
}

uint32_t shmap__posix_forks(void)
{
    pthread_once(&fork_once, watch_forks);
    (void)is_forking();
    return atomic_load(&forks);
}

uint32_t shmap__posix_lineage(void)
{
    pthread_once(&fork_once, watch_forks);
    (void)is_forking();
    return lineage;
}

void shmap__posix_fork_lock(void)
{
    pthread_once(&fork_once, watch_forks);
    if (is_forking())
        return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelability);
    inside_step = true;
    pthread_mutex_lock(&fork_turn);
    pthread_rwlock_rdlock(&fork_lock);
    pthread_mutex_unlock(&fork_turn);
}

void shmap__posix_fork_unlock(void)
{
    if (forking)
        return;
    pthread_rwlock_unlock(&fork_lock);
    inside_step = false;
    pthread_setcancelstate(cancelability, NULL);
}

void shmap__posix_views_lock(void)
{
    if (is_forking())
        return;
    inside_lists = true;
    pthread_mutex_lock(&lists);
}

void shmap__posix_views_unlock(void)
{
    if (forking)
        return;
    pthread_mutex_unlock(&lists);
    inside_lists = false;
}

uint32_t shmap__os_threads_lock(void)
{
    uint32_t process = shmap__posix_lineage();

    shmap__posix_views_lock();
    return process;
}

void shmap__os_threads_unlock(void)
{
    shmap__posix_views_unlock();
}
