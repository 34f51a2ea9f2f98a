/* SPDX-License-Identifier: MIT */

/* Reader-writer locks: a mutex for the writer, and a slot for each reader.
 *
 * A reader puts its id into a slot, and then looks at the mutex; a writer takes
 * the mutex, and then looks at the slots. So one of the two sees the other
 * (docs/memory-order.md): a reader that sees a writer takes its id back and
 * waits, and a writer that sees readers waits until they have left, or have
 * died. Slots and not a count, because a count does not tell which of its
 * readers have died.
 *
 * A word tells a writer that it need not look at the slots:
 *
 *     0           no reader is in a slot, or will still look for the writer
 *     READ        readers have been there
 *     DRAINING    a writer has begun to look at the slots
 *     AGAIN       since then, a thread that reads has taken another slot
 *
 * A reader makes sure that the word is READ, between taking its slot and
 * looking at the mutex. A writer that finds it not 0 makes it DRAINING, looks
 * at the slots, and, once all of them were empty, makes it 0 if it is DRAINING
 * still. So a reader that came before DRAINING is seen in its slot, and one
 * that came after it has made the word READ again.
 *
 * A thread that reads already may do so again while a writer looks, and then
 * leave its first slot: the writer could find the one empty before, and the
 * other after. So such a thread makes the word AGAIN, and the writer looks
 * again.
 */
#include "shmap/rwlock.h"

#include "base/stop.h"
#include "sync/call.h"
#include "sync/mutex.h"
#include "sync/ownerword.h"
#include "sync/slots.h"
#include "sync/wait.h"

/* Values of `read_`. */
enum { READ = 1, DRAINING = 2, AGAIN = READ | DRAINING };

typedef struct rwlock_locking {
    shmap_rwlock *rwlock;
    shmap__thread *thread;
} rwlock_locking;

/* Wake the threads that wait for an empty slot: the writer, and a reader that
 * found no slot. */
SHMAP__FAST_PATH void tell_of_slot(shmap_rwlock *rwlock)
{
    shmap__wake(&rwlock->drain_, SHMAP__ALL_WAITERS);
    shmap__wake(&rwlock->readers_, 1);
}

/* Empty the slot of a thread that reads, when it ends or unmaps the memory. */
static void abandon_held(const shmap__thread *thread, void *held, unsigned slot)
{
    shmap_rwlock *rwlock = held;
    uint64_t reader = thread->id;

    if (shmap__cas64(&rwlock->reader_[slot], &reader, 0))
        tell_of_slot(rwlock);
}

static const shmap__held_kind read_held = {
    .owner = offsetof(shmap_rwlock, reader_),
    .abandon = abandon_held,
};

SHMAP__FAST_PATH void leave_slot(shmap_rwlock *rwlock, unsigned slot)
{
    shmap__exchange64(&rwlock->reader_[slot], 0);
    SHMAP__STOP("rwlock.left");
    tell_of_slot(rwlock);
}

/* Make the word READ, between taking a slot and looking at the writer. */
SHMAP__FAST_PATH void say_read(shmap_rwlock *rwlock)
{
    uint32_t found = shmap__load32(&rwlock->read_);

    while ((found & READ) == 0 && !shmap__cas32(&rwlock->read_, &found, READ))
        continue;
    SHMAP__STOP("rwlock.said");
}

static bool writer_has_it(const shmap_rwlock *rwlock, uint64_t *writer)
{
    *writer = shmap__load64(&rwlock->writer_.owner_);
    return shmap__owner_of(*writer) != 0;
}

/* Decide what a thread does that found no empty slot. If it reads already, it
 * does not wait for one: all threads that have the slots might be waiting so.
 * Returns SHMAP_ENOLCK then, and 0 if waiting is right, or a slot was a dead
 * reader's. */
static SHMAP__SLOW_PATH int full_for(shmap_rwlock *rwlock,
                                     const shmap__thread *thread)
{
    if (shmap__slots_count(rwlock, thread->id) == 0)
        return 0;
    shmap__slots_bury(rwlock);
    return shmap__slots_count(rwlock, 0) == 0 ? SHMAP_ENOLCK : 0;
}

/* Take a slot and read. Returns 0 if a writer has the lock, or there is no slot
 * to wait for. */
SHMAP__FAST_PATH int read_now(shmap_rwlock *rwlock, shmap__thread *thread)
{
    uint64_t writer;
    int slot = shmap__slot_take(rwlock, thread);

    if (slot < 0)
        return full_for(rwlock, thread);
    SHMAP__STOP("rwlock.entered");
    say_read(rwlock);
    /* A thread that reads already must not wait for the writer, which waits for
     * it. */
    if (writer_has_it(rwlock, &writer)) {
        if (shmap__slots_count(rwlock, thread->id) == 1) {
            leave_slot(rwlock, (unsigned)slot);
            return 0;
        }
        shmap__exchange32(&rwlock->read_, AGAIN);
    }
    shmap__held_add(thread, &read_held, rwlock, (unsigned)slot);
    SHMAP__STOP("rwlock.reading");
    return (writer & SHMAP__OS_OWNER_DIED) != 0 ? SHMAP_OWNER_DIED
                                                : SHMAP__DONE;
}

static int try_read(void *context)
{
    const rwlock_locking *locking = context;
    uint64_t writer;

    /* A writer that waits for other readers is not disturbed. */
    if (writer_has_it(locking->rwlock, &writer)) {
        if (shmap__owner_of(writer) == locking->thread->id)
            return SHMAP_EDEADLK;
        if (shmap__slots_count(locking->rwlock, locking->thread->id) == 0)
            return 0;
    }
    return read_now(locking->rwlock, locking->thread);
}

static int try_read_thoroughly(void *context)
{
    const rwlock_locking *locking = context;
    shmap_rwlock *rwlock = locking->rwlock;
    int result = try_read(context);
    int buried = 0;
    uint64_t writer;

    if (result != 0)
        return result;
    if (writer_has_it(rwlock, &writer)) /* Of a mutex the kernel tells. */
        shmap__owner_bury(&rwlock->writer_.owner_, writer);
    else /* Readers have all slots. */
        buried = shmap__slots_bury(rwlock);
    result = try_read(context);
    return result != 0 ? result : buried;
}

/* Return SHMAP__DONE if all slots were empty, else 0. If AGAIN was set while
 * this looked, the writer will be woken: the reader that set it has yet to
 * leave its other slot, or to tell that it has. */
static int is_drained(void *context)
{
    const rwlock_locking *locking = context;
    shmap_rwlock *rwlock = locking->rwlock;
    uint32_t found = DRAINING;

    if (shmap__load32(&rwlock->read_) != DRAINING)
        shmap__exchange32(&rwlock->read_, DRAINING);
    SHMAP__STOP("rwlock.draining");
    for (unsigned i = 0; i < SHMAP__SLOTS; i++) {
        if (shmap__load64(&rwlock->reader_[i]) != 0)
            return 0;
        if (i == 0)
            SHMAP__STOP("rwlock.looking");
    }
    SHMAP__STOP("rwlock.drained");
    shmap__cas32(&rwlock->read_, &found, 0);
    return found == AGAIN ? 0 : SHMAP__DONE;
}

static int is_drained_thoroughly(void *context)
{
    const rwlock_locking *locking = context;

    int buried = shmap__slots_bury(locking->rwlock);
    int drained = is_drained(context);

    return drained != 0 ? drained : buried;
}

static const shmap__wait_kind reading = {
    .attempt = try_read,
    .thorough = try_read_thoroughly,
};

static const shmap__wait_kind draining = {
    .attempt = is_drained,
    .thorough = is_drained_thoroughly,
};

SHMAP__FAST_PATH int begin_locking(shmap_rwlock *rwlock, shmap__thread **thread)
{
    int result = shmap__begin(rwlock, thread);

    if (result == 0)
        result = shmap__owner_settle(rwlock);
    return result;
}

static int read_waiting(shmap_rwlock *rwlock, shmap__thread *thread,
                        int64_t deadline)
{
    rwlock_locking locking = {rwlock, thread};

    return shmap__wait(&reading, &rwlock->readers_,
                       shmap__peek32(&rwlock->spin_ns), deadline, &locking);
}

static SHMAP__SLOW_PATH int read_lock(shmap_rwlock *rwlock, int64_t deadline)
{
    shmap__thread *thread;
    int result = begin_locking(rwlock, &thread);

    if (result == 0)
        result = shmap__check_deadline(deadline);
    if (result == 0 && !shmap__held_has_room(thread))
        result = SHMAP_ENOLCK;
    if (result == 0) {
        result = read_now(rwlock, thread);
        if (result == 0)
            result = read_waiting(rwlock, thread, deadline);
    }
    return shmap__end(result);
}

/* The common case: no thread writes, and the thread's first slot is empty. */
int shmap_rwlock_read_lock(shmap_rwlock *rwlock, int64_t deadline)
{
    shmap__thread *thread = shmap__thread_here();
    uint64_t empty = 0;

    if (shmap__is_object(rwlock) && !shmap__is_duration(deadline) &&
        thread->id != 0 && shmap__peek32(&shmap__os_unsettled) == 0 &&
        thread->held_up < SHMAP_LOCKS_MAX &&
        shmap__cas64(&rwlock->reader_[thread->slot], &empty, thread->id)) {
        SHMAP__STOP("rwlock.entered");
        say_read(rwlock);
        if (shmap__load64(&rwlock->writer_.owner_) == 0) {
            shmap__held_add(thread, &read_held, rwlock, thread->slot);
            SHMAP__STOP("rwlock.reading");
            return 0;
        }
        leave_slot(rwlock, thread->slot);
    }
    return read_lock(rwlock, deadline);
}

/* Unlock the mutex, and wake the readers that waited for the writer. */
static int unlock_writer(shmap_rwlock *rwlock, shmap__thread *thread)
{
    int result = shmap__mutex_unlock(&rwlock->writer_, thread);

    if (result == 0)
        shmap__wake(&rwlock->readers_, SHMAP__ALL_WAITERS);
    return result;
}

/* Wait until no thread reads; the word says that some may. */
static SHMAP__SLOW_PATH int drain(rwlock_locking *locking, int64_t deadline)
{
    shmap_rwlock *rwlock = locking->rwlock;

    return shmap__outcome(shmap__wait(&draining, &rwlock->drain_,
                                      shmap__peek32(&rwlock->spin_ns), deadline,
                                      locking));
}

static int write_lock(shmap_rwlock *rwlock, shmap__thread *thread,
                      int64_t deadline)
{
    rwlock_locking locking = {rwlock, thread};
    uint32_t spin_ns = shmap__peek32(&rwlock->spin_ns);
    int locked;
    int drained;

    if (thread->held_up != 0 && shmap__load32(&rwlock->read_) != 0 &&
        shmap__slots_count(rwlock, thread->id) != 0)
        return SHMAP_EDEADLK;
    if (shmap__peek32(&rwlock->writer_.spin_ns) != spin_ns)
        shmap__poke32(&rwlock->writer_.spin_ns, spin_ns);
    locked = shmap__mutex_lock(&rwlock->writer_, thread, deadline);
    if (locked < 0)
        return locked;
    SHMAP__STOP("rwlock.locked");
    drained =
        shmap__load32(&rwlock->read_) == 0 ? 0 : drain(&locking, deadline);
    if (drained < 0)
        unlock_writer(rwlock, thread);
    return drained < 0 ? drained : locked;
}

int shmap_rwlock_write_lock(shmap_rwlock *rwlock, int64_t deadline)
{
    shmap__thread *thread;
    int result = begin_locking(rwlock, &thread);

    if (result == 0)
        result = shmap__check_deadline(deadline);
    if (result == 0)
        result = write_lock(rwlock, thread, deadline);
    return shmap__end(result);
}

/* Return the slot in which this thread reads: of the latest lock through this
 * mapping, or of any; -1 if it does not read. */
static inline int slot_of(const shmap_rwlock *rwlock,
                          const shmap__thread *thread)
{
    unsigned ticket = shmap__held_find(thread, &read_held, rwlock);

    if (ticket != 0)
        return thread->held[ticket].slot;
    if (shmap__load32(&rwlock->read_) == 0)
        return -1;
    for (unsigned i = 0; i < SHMAP__SLOTS; i++) {
        if (shmap__load64(&rwlock->reader_[i]) == thread->id)
            return (int)i;
    }
    return -1;
}

static SHMAP__SLOW_PATH int unlock(shmap_rwlock *rwlock)
{
    shmap__thread *thread;
    int result = shmap__begin(rwlock, &thread);
    int slot;

    if (result < 0)
        return shmap__end(result);
    slot = slot_of(rwlock, thread);
    if (slot < 0)
        return shmap__end(unlock_writer(rwlock, thread));
    leave_slot(rwlock, (unsigned)slot);
    shmap__held_forget(thread, &read_held, rwlock, (unsigned)slot);
    return 0;
}

/* The common case: this thread locked this lock last of all that it holds, to
 * read. */
int shmap_rwlock_unlock(shmap_rwlock *rwlock)
{
    shmap__thread *thread = shmap__thread_here();
    unsigned ticket = thread->held_up;
    const shmap__held *last = &thread->held[ticket];

    if (thread->id == 0 || ticket == 0 || last->object != rwlock ||
        last->kind != &read_held)
        return unlock(rwlock);
    shmap__held_remove(thread, ticket);
    leave_slot(rwlock, last->slot);
    return 0;
}

int shmap_rwlock_consistent(shmap_rwlock *rwlock)
{
    shmap__thread *thread;
    int result = shmap__begin(rwlock, &thread);

    if (result == 0)
        result = shmap__mutex_consistent(&rwlock->writer_, thread);
    return shmap__end(result);
}
