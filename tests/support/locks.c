/* SPDX-License-Identifier: MIT */

/* The kinds of locks: the table, and what is done with each. */

#include "locks.h"

#define WRAP(unit, lock_call, unlock_call, consistent_call) \
    static int unit##_lock(void *lock, int64_t deadline)    \
    {                                                       \
        return lock_call(lock, deadline);                   \
    }                                                       \
    static int unit##_unlock(void *lock)                    \
    {                                                       \
        return unlock_call(lock);                           \
    }                                                       \
    static int unit##_consistent(void *lock)                \
    {                                                       \
        return consistent_call(lock);                       \
    }

WRAP(mutex, shmap_mutex_lock, shmap_mutex_unlock, shmap_mutex_consistent)
WRAP(writer, shmap_rwlock_write_lock, shmap_rwlock_unlock,
     shmap_rwlock_consistent)
WRAP(reader, shmap_rwlock_read_lock, shmap_rwlock_unlock,
     shmap_rwlock_consistent)
WRAP(once, shmap_once_begin, shmap_once_abandon, shmap_once_commit)

static const struct lock_kind mutex = {
    .letter = 'm',
    .size = sizeof(shmap_mutex),
    .offset = offsetof(struct shared, mutex),
    .spin_ns = offsetof(shmap_mutex, spin_ns),
    .died = SHMAP_OWNER_DIED,
    .excludes = true,
    .alive = SHMAP_EINVAL,
    .lock = mutex_lock,
    .unlock = mutex_unlock,
    .consistent = mutex_consistent,
};

static const struct lock_kind writer = {
    .letter = 'w',
    .size = sizeof(shmap_rwlock),
    .offset = offsetof(struct shared, rwlock),
    .spin_ns = offsetof(shmap_rwlock, spin_ns),
    .died = SHMAP_OWNER_DIED,
    .excludes = true,
    .alive = SHMAP_EINVAL,
    .lock = writer_lock,
    .unlock = writer_unlock,
    .consistent = writer_consistent,
};

/* Readers leave nothing half done. */
static const struct lock_kind reader = {
    .letter = 'r',
    .size = sizeof(shmap_rwlock),
    .offset = offsetof(struct shared, rwlock),
    .spin_ns = offsetof(shmap_rwlock, spin_ns),
    .alive = SHMAP_EPERM,
    .lock = reader_lock,
    .unlock = reader_unlock,
    .consistent = reader_consistent,
};

static const struct lock_kind once = {
    .letter = 'o',
    .size = sizeof(shmap_once),
    .offset = offsetof(struct shared, once),
    .spin_ns = offsetof(shmap_once, spin_ns),
    .granted = SHMAP_ONCE_YOURS,
    .died = SHMAP_OWNER_DIED,
    .excludes = true,
    .finishes = true,
    .lock = once_lock,
    .unlock = once_unlock,
    .consistent = once_consistent,
};

struct lock_pair lock_pairs[LOCK_PAIRS] = {
    [LOCK_MUTEX] = {&mutex, &mutex},
    [LOCK_WRITER_FOR_WRITER] = {&writer, &writer},
    [LOCK_WRITER_FOR_READER] = {&writer, &reader},
    [LOCK_READER_FOR_WRITER] = {&reader, &writer},
    [LOCK_ONCE] = {&once, &once},
};

void lock_with_each_hand(void **state, lock_body *body)
{
    const struct lock_pair *pair = *state;

    for (int kind = 0; kind < HAND_KINDS; kind++) {
        hands_begin(NULL);
        body(pair, (enum hand_kind)kind);
        hands_end();
    }
}

void *lock_in_view(const struct lock_kind *kind, int view, unsigned number)
{
    return (char *)hands_shared(view) + kind->offset + number * kind->size;
}

int self_lock(const struct lock_kind *kind, unsigned number, int64_t deadline)
{
    return kind->lock(lock_in_view(kind, 0, number), deadline);
}

int self_unlock(const struct lock_kind *kind, unsigned number)
{
    return kind->unlock(lock_in_view(kind, 0, number));
}

int self_consistent(const struct lock_kind *kind, unsigned number)
{
    return kind->consistent(lock_in_view(kind, 0, number));
}

int hand_lock(struct hand *by, const struct lock_kind *kind, unsigned number,
              const char *words)
{
    return hand(by, "lock %c%u %s", kind->letter, number, words);
}

int hand_unlock(struct hand *by, const struct lock_kind *kind, unsigned number)
{
    return hand(by, "unlock %c%u", kind->letter, number);
}

int hand_consistent(struct hand *by, const struct lock_kind *kind,
                    unsigned number)
{
    return hand(by, "consistent %c%u", kind->letter, number);
}

void hand_holds(struct hand *by, const struct lock_kind *kind, unsigned number)
{
    assert_code(hand_lock(by, kind, number, "0"), kind->granted);
}

void hand_waits_in(struct hand *by, const struct lock_kind *kind,
                   unsigned number, int view)
{
    char object[16];

    snprintf(object, sizeof object, "%c%u", kind->letter, number);
    hand_tell(by, "lock %s - %d", object, view);
    hands_wait_for(object);
}

void hand_waits(struct hand *by, const struct lock_kind *kind, unsigned number)
{
    hand_waits_in(by, kind, number, 0);
}

void lock_expect_free(const struct lock_pair *pair, unsigned number)
{
    const struct lock_kind *kinds[] = {pair->held, pair->wanted};

    for (size_t i = 0; i < COUNT(kinds); i++) {
        assert_code(self_lock(kinds[i], number, SHMAP_TRY), kinds[i]->granted);
        assert_code(self_unlock(kinds[i], number), 0);
    }
}

void lock_expect_death(const struct lock_pair *pair, unsigned number)
{
    const struct lock_kind *held = pair->held;

    if (held->died == SHMAP_OWNER_DIED) {
        assert_code(self_lock(pair->wanted, number, SHMAP_TRY),
                    SHMAP_OWNER_DIED);
        assert_code(self_unlock(pair->wanted, number), 0);
        assert_code(self_lock(held, number, SHMAP_TRY), SHMAP_OWNER_DIED);
        lock_repair(held, number);
    }
    lock_expect_free(pair, number);
}

void lock_expect_held(const struct lock_pair *pair, unsigned number)
{
    assert_code(self_lock(pair->wanted, number, SHMAP_TRY), SHMAP_ETIMEDOUT);
}

void lock_repair(const struct lock_kind *kind, unsigned number)
{
    assert_code(self_consistent(kind, number), 0);
    if (kind->finishes) {
        assert_code(self_unlock(kind, number), SHMAP_EPERM);
        memset(lock_in_view(kind, 0, number), 0, kind->size);
    } else {
        assert_code(self_consistent(kind, number), SHMAP_EINVAL);
        assert_code(self_unlock(kind, number), 0);
    }
}
