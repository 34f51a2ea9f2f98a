/* SPDX-License-Identifier: MIT */

/* Locks and signals of Linux itself, as a program without a library would write
 * them: what everything else is compared with. */
#include "../sync.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Mutexes of the C library */

static void *open_mutex(void *place, bool make, int robust)
{
    pthread_mutexattr_t kind;
    pthread_mutex_t *mutex = place;
    int failed;

    if (!make)
        return place;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutexattr_setrobust(&kind, robust);
    failed = pthread_mutex_init(mutex, &kind);
    pthread_mutexattr_destroy(&kind);
    return failed == 0 ? mutex : NULL;
}

static void *robust_open(void *place, const char *name, bool make)
{
    (void)name;
    return open_mutex(place, make, PTHREAD_MUTEX_ROBUST);
}

static void *stalled_open(void *place, const char *name, bool make)
{
    (void)name;
    return open_mutex(place, make, PTHREAD_MUTEX_STALLED);
}

static void mutex_close(void *lock, bool make)
{
    if (make)
        pthread_mutex_destroy(lock);
}

static int mutex_lock(void *lock)
{
    int failed = pthread_mutex_lock(lock);

    return failed == EOWNERDEAD ? pthread_mutex_consistent(lock) : failed;
}

static int mutex_unlock(void *lock)
{
    return pthread_mutex_unlock(lock);
}

static int mutex_repeat(void *lock, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(lock, count, section, mutex_lock, mutex_unlock);
}

static const bench_lock robust_mutex = {
    .name = "robust",
    .robust = true,
    .open = robust_open,
    .close = mutex_close,
    .lock = mutex_lock,
    .unlock = mutex_unlock,
    .repeat = mutex_repeat,
};

static const bench_lock stalled_mutex = {
    .name = "non-robust",
    .open = stalled_open,
    .close = mutex_close,
    .lock = mutex_lock,
    .unlock = mutex_unlock,
    .repeat = mutex_repeat,
};

/* A word and the kernel */

static void futex_wait(uint32_t *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void *futex_open(void *place, const char *name, bool make)
{
    (void)name, (void)make;
    return place;
}

static void futex_close(void *place, bool make)
{
    (void)place, (void)make;
}

/* 0: free; 1: locked; 2: locked, and somebody may be asleep. */
static int futex_lock(void *lock)
{
    uint32_t *word = lock;
    uint32_t found = 0;

    if (__atomic_compare_exchange_n(word, &found, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return 0;
    while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
        futex_wait(word, 2);
    return 0;
}

static int futex_unlock(void *lock)
{
    uint32_t *word = lock;

    if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
        futex_wake(word);
    return 0;
}

static int futex_repeat(void *lock, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(lock, count, section, futex_lock, futex_unlock);
}

static const bench_lock futex = {
    .name = "futex",
    .open = futex_open,
    .close = futex_close,
    .lock = futex_lock,
    .unlock = futex_unlock,
    .repeat = futex_repeat,
};

/* 0: unset; 1: set; 2: unset, and somebody may be asleep. */
static uint32_t *futex_word(void *signal, int which)
{
    return (uint32_t *)signal + (which == 0 ? 0 : 32);
}

static int futex_post(void *signal, int which)
{
    uint32_t *word = futex_word(signal, which);

    if (__atomic_exchange_n(word, 1, __ATOMIC_SEQ_CST) == 2)
        futex_wake(word);
    return 0;
}

static bool futex_take(uint32_t *word)
{
    uint32_t set = 1;

    return __atomic_load_n(word, __ATOMIC_RELAXED) == 1 &&
           __atomic_compare_exchange_n(word, &set, 0, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* With the way to sleep on a word that is 2. */
static int futex_sleep_by(uint32_t *word,
                          void (*wait)(uint32_t *word, uint32_t seen))
{
    while (!futex_take(word)) {
        uint32_t unset = 0;

        if (__atomic_compare_exchange_n(word, &unset, 2, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED) ||
            unset == 2)
            wait(word, 2);
    }
    return 0;
}

static int futex_sleep(void *signal, int which)
{
    return futex_sleep_by(futex_word(signal, which), futex_wait);
}

static int64_t now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Until a moment 200 ms from now, as one that must look for the dead. */
static void futex_wait_200ms(uint32_t *word, uint32_t seen)
{
    int64_t until = now(CLOCK_MONOTONIC) + 200000000;
    struct timespec moment = {(time_t)(until / 1000000000),
                              (long)(until % 1000000000)};

    syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &moment, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

static int futex_sleep_200ms(void *signal, int which)
{
    return futex_sleep_by(futex_word(signal, which), futex_wait_200ms);
}

/* Look for 100 microseconds, and sleep then. */
static int futex_spin(void *signal, int which)
{
    enum { SPIN_NS = 100000, LOOKS = 32 };
    uint32_t *word = futex_word(signal, which);
    int64_t until = now(CLOCK_MONOTONIC) + SPIN_NS;

    do {
        for (int i = 0; i < LOOKS; i++) {
            if (futex_take(word))
                return 0;
#if defined(__i386__) || defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
    } while (now(CLOCK_MONOTONIC) < until);
    return futex_sleep(signal, which);
}

static const bench_signal futex_sleeping = {
    "futex", futex_open, futex_close, futex_post, futex_sleep,
};

static const bench_signal futex_sleeping_200ms = {
    "futex-200ms", futex_open, futex_close, futex_post, futex_sleep_200ms,
};

static const bench_signal futex_spinning = {
    "futex-spinning", futex_open, futex_close, futex_post, futex_spin,
};

/* Semaphores of the C library */

static sem_t *semaphore_of(void *signal, int which)
{
    return (sem_t *)((char *)signal + (which == 0 ? 0 : 128));
}

static void *semaphore_open(void *place, const char *name, bool make)
{
    (void)name;
    if (make && (sem_init(semaphore_of(place, 0), 1, 0) != 0 ||
                 sem_init(semaphore_of(place, 1), 1, 0) != 0))
        return NULL;
    return place;
}

static void semaphore_close(void *signal, bool make)
{
    if (!make)
        return;
    sem_destroy(semaphore_of(signal, 0));
    sem_destroy(semaphore_of(signal, 1));
}

static int semaphore_post(void *signal, int which)
{
    return sem_post(semaphore_of(signal, which));
}

static int semaphore_wait(void *signal, int which)
{
    return sem_wait(semaphore_of(signal, which));
}

static const bench_signal semaphore = {
    "sem_t", semaphore_open, semaphore_close, semaphore_post, semaphore_wait,
};

const bench_lock *const bench_raw_locks[] = {
    &robust_mutex,
    &stalled_mutex,
    &futex,
    NULL,
};

const bench_signal *const bench_spinning_signals[] = {
    &futex_spinning,
    NULL,
};

const bench_signal *const bench_sleeping_signals[] = {
    &futex_sleeping,
    &futex_sleeping_200ms,
    &semaphore,
    NULL,
};

const bool bench_tells_processor_time = true;

int64_t bench_processor_now(void)
{
    return now(CLOCK_THREAD_CPUTIME_ID);
}
