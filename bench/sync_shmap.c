/* SPDX-License-Identifier: MIT */

/* shmap's own locks and signals, to be measured. */
#include "shmap.h"
#include "sync.h"

static void *open_in_place(void *place, const char *name, bool make)
{
    (void)name, (void)make;
    return place; /* Zero is ready. */
}

static void close_in_place(void *place, bool make)
{
    (void)place, (void)make;
}

/* Locks */

static int mutex_lock(void *lock)
{
    int result = shmap_mutex_lock(lock, SHMAP_FOREVER);

    return result == SHMAP_OWNER_DIED ? shmap_mutex_consistent(lock) : result;
}

static int mutex_unlock(void *lock)
{
    return shmap_mutex_unlock(lock);
}

static int mutex_repeat(void *lock, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(lock, count, section, mutex_lock, mutex_unlock);
}

static int read_lock(void *lock)
{
    return shmap_rwlock_read_lock(lock, SHMAP_FOREVER);
}

static int write_lock(void *lock)
{
    int result = shmap_rwlock_write_lock(lock, SHMAP_FOREVER);

    return result == SHMAP_OWNER_DIED ? shmap_rwlock_consistent(lock) : result;
}

static int rwlock_unlock(void *lock)
{
    return shmap_rwlock_unlock(lock);
}

static int write_repeat(void *lock, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(lock, count, section, write_lock, rwlock_unlock);
}

/* Whose turn it is: a once that is never committed is a lock. */
static int once_begin(void *lock)
{
    int result = shmap_once_begin(lock, SHMAP_FOREVER);

    return result > 0 ? 0 : -1;
}

static int once_abandon(void *lock)
{
    return shmap_once_abandon(lock);
}

static int once_repeat(void *lock, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(lock, count, section, once_begin, once_abandon);
}

static const bench_lock mutex = {
    .name = "shmap",
    .robust = true,
    .open = open_in_place,
    .close = close_in_place,
    .lock = mutex_lock,
    .unlock = mutex_unlock,
    .repeat = mutex_repeat,
};

static void *mutex_open_asleep(void *place, const char *name, bool make)
{
    shmap_mutex *lock = place;

    (void)name, (void)make;
    lock->spin_ns = SHMAP_SPIN_NEVER;
    return lock;
}

static const bench_lock mutex_asleep = {
    .name = "shmap-asleep",
    .robust = true,
    .open = mutex_open_asleep,
    .close = close_in_place,
    .lock = mutex_lock,
    .unlock = mutex_unlock,
    .repeat = mutex_repeat,
};

static const bench_lock writer = {
    .name = "shmap-rwlock-writer",
    .robust = true,
    .open = open_in_place,
    .close = close_in_place,
    .lock = write_lock,
    .unlock = rwlock_unlock,
    .repeat = write_repeat,
};

static const bench_lock reader = {
    .name = "shmap-rwlock-reader",
    .robust = true,
    .open = open_in_place,
    .close = close_in_place,
    .lock = write_lock,
    .unlock = rwlock_unlock,
    .repeat = write_repeat,
    .hold = read_lock,
};

static const bench_lock once = {
    .name = "shmap-once",
    .robust = true,
    .open = open_in_place,
    .close = close_in_place,
    .lock = once_begin,
    .unlock = once_abandon,
    .repeat = once_repeat,
};

const bench_lock *const bench_shmap_locks[] = {
    &mutex,
    &mutex_asleep,
    &writer,
    NULL,
};

const bench_lock *const bench_shmap_untold_locks[] = {
    &reader,
    &once,
    NULL,
};

/* Signals, by an event that is taken, or a semaphore */

/* Far enough from each other. */
enum { STEP = 128 };

static shmap_event *event_of(void *signal, int which)
{
    return (shmap_event *)((char *)signal + which * STEP);
}

static int event_post(void *signal, int which)
{
    return shmap_event_set(event_of(signal, which));
}

static int event_wait(void *signal, int which)
{
    return shmap_event_take(event_of(signal, which), SHMAP_FOREVER);
}

static void *event_open_asleep(void *place, const char *name, bool make)
{
    (void)name, (void)make;
    event_of(place, 0)->spin_ns = SHMAP_SPIN_NEVER;
    event_of(place, 1)->spin_ns = SHMAP_SPIN_NEVER;
    return place;
}

static shmap_semaphore *semaphore_of(void *signal, int which)
{
    return (shmap_semaphore *)((char *)signal + which * STEP);
}

static int semaphore_post(void *signal, int which)
{
    return shmap_semaphore_post(semaphore_of(signal, which), 1);
}

static int semaphore_wait(void *signal, int which)
{
    return shmap_semaphore_wait(semaphore_of(signal, which), SHMAP_FOREVER);
}

static void *semaphore_open_asleep(void *place, const char *name, bool make)
{
    (void)name, (void)make;
    semaphore_of(place, 0)->spin_ns = SHMAP_SPIN_NEVER;
    semaphore_of(place, 1)->spin_ns = SHMAP_SPIN_NEVER;
    return place;
}

/* Events of which each is used once: nothing is learnt from their past. */
static unsigned uses[2];

static shmap_event *next_event(void *signal, int which)
{
    enum { NARROW = 64, PAIRS = BENCH_PLACE / NARROW / 2 };
    unsigned next = uses[which]++ % PAIRS * 2 + (unsigned)which;

    return (shmap_event *)((char *)signal + next * NARROW);
}

static void *new_open(void *place, const char *name, bool make)
{
    (void)name, (void)make;
    uses[0] = 0;
    uses[1] = 0;
    return place;
}

static int new_post(void *signal, int which)
{
    return shmap_event_set(next_event(signal, which));
}

static int new_wait(void *signal, int which)
{
    return shmap_event_take(next_event(signal, which), SHMAP_FOREVER);
}

static const bench_signal event = {
    "shmap-event", open_in_place, close_in_place, event_post, event_wait,
};

static const bench_signal event_asleep = {
    "shmap-event-asleep", event_open_asleep, close_in_place,
    event_post,           event_wait,
};

static const bench_signal semaphore = {
    "shmap-semaphore", open_in_place,  close_in_place,
    semaphore_post,    semaphore_wait,
};

static const bench_signal semaphore_asleep = {
    "shmap-semaphore-asleep", semaphore_open_asleep, close_in_place,
    semaphore_post,           semaphore_wait,
};

static const bench_signal event_new = {
    "shmap-event-first", new_open, close_in_place, new_post, new_wait,
};

const bench_signal *const bench_shmap_spinning_signals[] = {
    &event,
    &semaphore,
    NULL,
};

const bench_signal *const bench_shmap_sleeping_signals[] = {
    &event_asleep,
    &semaphore_asleep,
    NULL,
};

const bench_signal *const bench_shmap_new_signals[] = {
    &event_new,
    NULL,
};
