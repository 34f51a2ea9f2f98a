/* SPDX-License-Identifier: MIT */

/* Mutexes: a word that is taken by compare-and-swap, and names the owner.
 *
 *     0                          unlocked
 *     id                         locked by that thread
 *     id | WAITERS               the same, and a waiter may be asleep
 *     OWNER_DIED                 unlocked: its last owner died
 *     id | OWNER_DIED            locked by that thread, which was told so
 *
 * On Linux the kernel knows which mutexes a thread has (posix/linux/robust.h);
 * when it ends, the kernel replaces the id's lower half by OWNER_DIED, and
 * wakes one waiter that sleeps on the word. On other systems the waiters find
 * out themselves. A thread that was woken takes the mutex with WAITERS, because
 * it cannot know whether others sleep.
 */
#include "shmap/mutex.h"

#include "base/stop.h"
#include "sync/call.h"
#include "sync/mutex.h"
#include "sync/ownerword.h"
#include "sync/wait.h"

/* Waits for a mutex are shorter than for an event, and its owner needs the
 * cache line that a spinning thread reads. */
enum { SPIN_NS = 20000, MOST_PAUSES = 256 };

typedef struct mutex_locking {
    shmap__thread *thread;
    shmap_mutex *mutex;
    uint64_t flags;  /* set in the word when it is taken */
    uint64_t waited; /* the word as this thread last set WAITERS in it */
    shmap__sleeper sleeper;
} mutex_locking;

static void forget_held(shmap__thread *thread, void *mutex, unsigned ticket);
static void abandon_held(const shmap__thread *thread, void *mutex,
                         unsigned slot);

static const shmap__held_kind mutex_held = {
    .owner = offsetof(shmap_mutex, owner_),
    .ticket = offsetof(shmap_mutex, ticket_),
    .forget = forget_held,
    .abandon = abandon_held,
};

/* Note that this thread has taken the word. Returns SHMAP_OWNER_DIED or
 * SHMAP__DONE. */
SHMAP__FAST_PATH int mutex_taken(shmap__thread *thread, shmap_mutex *mutex,
                                 uint64_t was)
{
    unsigned ticket;

    SHMAP__STOP("mutex.taken");
    ticket = shmap__held_add(thread, &mutex_held, mutex, 0);
    thread->before = shmap__peek16(&mutex->ticket_);
    shmap__poke16(&mutex->ticket_, (uint16_t)ticket);
    shmap__os_robust_add(&thread->robust, mutex,
                         shmap__held_below(thread, &mutex_held, ticket));
    SHMAP__STOP("mutex.added");
    return (was & SHMAP__OS_OWNER_DIED) != 0 ? SHMAP_OWNER_DIED : SHMAP__DONE;
}

/* Take the mutex if it is unlocked. Returns 0 if not. */
static int try_lock(void *context)
{
    const mutex_locking *locking = context;
    uint64_t *word = &locking->mutex->owner_;
    uint64_t found = shmap__load64(word);

    while (shmap__owner_of(found) == 0) {
        uint64_t flags = (found & SHMAP__OS_FLAGS) | locking->flags;

        if (shmap__cas64(word, &found, locking->thread->id | flags))
            return mutex_taken(locking->thread, locking->mutex, found);
    }
    return 0;
}

/* Take the mutex, or set WAITERS and sleep on the word with that flag. A waiter
 * that stops waiting has set it as well, for the sake of the others: it may be
 * the thread that was woken instead of them. */
static int take_or_set_waiters(void *context)
{
    mutex_locking *locking = context;
    uint64_t *word = &locking->mutex->owner_;
    uint64_t found;
    uint64_t flagged;
    int result = try_lock(context);

    while (result == 0) {
        found = shmap__load64(word);
        flagged = found | SHMAP__OS_WAITERS;
        if (shmap__owner_of(found) == 0)
            result = try_lock(context);
        else if (found == flagged || shmap__cas64(word, &found, flagged))
            break;
    }
    if (result != 0)
        return result;
    /* From now on it cannot know whether others sleep. */
    locking->flags = SHMAP__OS_WAITERS;
    locking->waited = flagged;
    locking->sleeper.seen = (uint32_t)flagged;
    locking->sleeper.owner = shmap__owner_of(flagged);
    SHMAP__STOP("mutex.marked");
    return 0;
}

static int take_from_the_dead(void *context)
{
    mutex_locking *locking = context;

    shmap__owner_bury(&locking->mutex->owner_, locking->waited);
    return take_or_set_waiters(context);
}

static const shmap__wait_kind mutex_wait = {
    .attempt = take_or_set_waiters,
    .thorough = take_from_the_dead,
    .owner_ends_sleep = true,
};

static int lock_asleep(mutex_locking *locking, int64_t deadline)
{
    locking->sleeper.word = shmap__low_half(&locking->mutex->owner_);
    if (!shmap__os_facts_get()->wakes_by_address)
        locking->sleeper.waiters = &locking->mutex->who_;
    return shmap__wait_asleep(&mutex_wait, &locking->sleeper, deadline,
                              locking);
}

/* Try without waiting. Returns SHMAP_ETIMEDOUT if the mutex stays locked. The
 * system does not tell of all deaths, and not everywhere. */
static int lock_at_once(mutex_locking *locking)
{
    uint64_t *word = &locking->mutex->owner_;
    uint64_t found = shmap__load64(word);
    int result;

    if (shmap__may_look(word, shmap__owner_of(found)))
        shmap__owner_bury(word, found);
    result = try_lock(locking);
    return result != 0 ? result : SHMAP_ETIMEDOUT;
}

static int lock_spinning(mutex_locking *locking, int64_t deadline)
{
    shmap_mutex *mutex = locking->mutex;
    uint32_t spin_ns = shmap__peek32(&mutex->spin_ns);
    uint32_t level = shmap__peek16(&mutex->spin_);
    uint32_t learnt;
    shmap__spin spin = {.most_pauses = MOST_PAUSES};
    int result = shmap__spin_start(&spin, spin_ns == 0 ? SPIN_NS : spin_ns,
                                   level, deadline, try_lock, locking);

    if (spin.late)
        return lock_at_once(locking);
    if (result == 0)
        result = lock_asleep(locking, deadline);
    learnt = shmap__spin_learn(&spin, level);
    if (learnt != level)
        shmap__poke16(&mutex->spin_, (uint16_t)learnt);
    return result;
}

static SHMAP__SLOW_PATH int lock_slowly(shmap__thread *thread,
                                        shmap_mutex *mutex, int64_t deadline)
{
    mutex_locking locking = {.thread = thread, .mutex = mutex};
    uint64_t word = shmap__load64(&mutex->owner_);
    int result;

    if (shmap__owner_of(word) == thread->id)
        return SHMAP_EDEADLK;
    result = try_lock(&locking);
    if (result != 0)
        return result;
    return deadline > 0 ? lock_spinning(&locking, deadline)
                        : lock_at_once(&locking);
}

SHMAP__FAST_PATH int lock(shmap_mutex *mutex, shmap__thread *thread,
                          int64_t deadline)
{
    uint64_t unlocked = 0;
    int result = shmap__owner_settle(mutex);

    if (result < 0)
        return result;
    if (!shmap__held_has_room(thread))
        return SHMAP_ENOLCK;
    shmap__os_robust_begin(&thread->robust, mutex);
    SHMAP__STOP("mutex.begun");
    if (shmap__cas64(&mutex->owner_, &unlocked, thread->id))
        result = mutex_taken(thread, mutex, 0);
    else
        result = lock_slowly(thread, mutex, deadline);
    shmap__os_robust_end(&thread->robust);
    return shmap__outcome(result);
}

int shmap__mutex_lock(shmap_mutex *mutex, shmap__thread *thread,
                      int64_t deadline)
{
    return lock(mutex, thread, deadline);
}

static inline bool owns(const shmap__thread *thread, const shmap_mutex *mutex)
{
    return shmap__owner_of(shmap__load64(&mutex->owner_)) == thread->id;
}

bool shmap__mutex_is_owner(const shmap_mutex *mutex,
                           const shmap__thread *thread)
{
    return owns(thread, mutex);
}

/* Return the ticket of a mutex that may have been locked through another
 * mapping of the same memory, or 0: what is changed in one mapping then changes
 * in the other. Other processes can write to a ticket, and must not make this
 * thread release what it locked elsewhere. */
static SHMAP__SLOW_PATH unsigned find_ticket_elsewhere(shmap_mutex *mutex,
                                                       shmap__thread *thread,
                                                       unsigned ticket)
{
    unsigned own = shmap__held_find(thread, &mutex_held, mutex);
    const shmap_mutex *locked = shmap__held_object(thread, &mutex_held, ticket);
    bool same;

    if (own != 0 || locked == NULL)
        return own;
    same = (shmap__peek16(&locked->ticket_) & SHMAP__TICKET) == ticket;
    shmap__poke16(&mutex->ticket_, 0);
    shmap__compiler_fence();
    same = same && shmap__peek16(&locked->ticket_) == 0;
    shmap__poke16(&mutex->ticket_, (uint16_t)ticket);
    return same ? ticket : 0;
}

/* Return this thread's ticket for the mutex, or 0 if it does not hold it. */
static inline unsigned find_ticket(shmap_mutex *mutex, shmap__thread *thread)
{
    unsigned ticket = shmap__peek16(&mutex->ticket_) & SHMAP__TICKET;

    if (!owns(thread, mutex))
        return 0;
    if (shmap__held_object(thread, &mutex_held, ticket) == mutex)
        return ticket;
    return find_ticket_elsewhere(mutex, thread, ticket);
}

/* Wake one waiter. Where sleepers are found by their registration and not by
 * the word, finding none means that those registered have died; or that one has
 * registered since, which is woken to register anew. */
static SHMAP__SLOW_PATH void wake_one(shmap_mutex *mutex)
{
    const uint32_t *half = shmap__low_half(&mutex->owner_);
    uint64_t waiters;
    uint64_t id;

    /* The next owner may already have unmapped the mutex. */
    if (shmap__os_facts_get()->wakes_by_address) {
        shmap__os_wake(half, 0, 1);
        return;
    }
    waiters = shmap__load64(&mutex->who_);
    id = shmap__wait_id_of(waiters);
    if (!shmap__os_wake(half, id, 1) && waiters != 0 &&
        shmap__cas64(&mutex->who_, &waiters, 0))
        shmap__os_wake(half, id, SHMAP__ALL_WAITERS);
}

/* Unlock the word, which keeps these flags, and wake a waiter. */
SHMAP__FAST_PATH void release_word(shmap_mutex *mutex, uint64_t flags)
{
    uint64_t had = shmap__exchange64(&mutex->owner_, flags);

    SHMAP__STOP("unlock.stored");
    if ((had & SHMAP__OS_WAITERS) != 0)
        wake_one(mutex);
}

/* Remove a mutex from what this thread holds. */
SHMAP__FAST_PATH void forget_mutex(shmap__thread *thread, shmap_mutex *locked,
                                   unsigned ticket)
{
    shmap__os_robust_remove(&thread->robust, locked,
                            shmap__held_above(thread, &mutex_held, ticket),
                            shmap__held_below(thread, &mutex_held, ticket));
    shmap__held_remove(thread, ticket);
    SHMAP__STOP("unlock.removed");
}

SHMAP__FAST_PATH int unlock(shmap_mutex *mutex, shmap__thread *thread)
{
    unsigned ticket = find_ticket(mutex, thread);
    shmap_mutex *locked;

    if (ticket == 0)
        return SHMAP_EPERM;
    locked = thread->held[ticket].object;
    shmap__os_robust_begin(&thread->robust, locked);
    forget_mutex(thread, locked, ticket);
    release_word(mutex, shmap__load64(&mutex->owner_) & SHMAP__OS_OWNER_DIED);
    shmap__os_robust_end(&thread->robust);
    return 0;
}

int shmap__mutex_unlock(shmap_mutex *mutex, shmap__thread *thread)
{
    return unlock(mutex, thread);
}

static void forget_held(shmap__thread *thread, void *mutex, unsigned ticket)
{
    shmap__os_robust_begin(&thread->robust, mutex);
    forget_mutex(thread, mutex, ticket);
}

/* Release the mutex as that of a dead owner. It is another thread's only if a
 * process wrote where it must not. */
static void abandon_held(const shmap__thread *thread, void *mutex,
                         unsigned slot)
{
    (void)slot;
    if (owns(thread, mutex))
        release_word(mutex, SHMAP__OS_OWNER_DIED);
}

int shmap__mutex_consistent(shmap_mutex *mutex, shmap__thread *thread)
{
    uint64_t word = shmap__load64(&mutex->owner_);

    if (find_ticket(mutex, thread) == 0)
        return SHMAP_EPERM;
    if ((word & SHMAP__OS_OWNER_DIED) == 0)
        return shmap__remember_because(
            SHMAP_EINVAL, "the lock: no owner of it died, or it was made "
                          "consistent already");
    while (!shmap__cas64(&mutex->owner_, &word, word & ~SHMAP__OS_OWNER_DIED))
        continue;
    return 0;
}

/* The public calls: check, and remember what failed. */

int shmap_mutex_lock(shmap_mutex *mutex, int64_t deadline)
{
    shmap__thread *thread;
    int result = shmap__begin(mutex, &thread);

    if (result == 0)
        result = shmap__check_deadline(deadline);
    if (result == 0)
        result = lock(mutex, thread, deadline);
    return shmap__end(result);
}

int shmap_mutex_unlock(shmap_mutex *mutex)
{
    shmap__thread *thread;
    int result = shmap__begin(mutex, &thread);

    if (result == 0)
        result = unlock(mutex, thread);
    return shmap__end(result);
}

int shmap_mutex_consistent(shmap_mutex *mutex)
{
    shmap__thread *thread;
    int result = shmap__begin(mutex, &thread);

    if (result == 0)
        result = shmap__mutex_consistent(mutex, thread);
    return shmap__end(result);
}
