/* SPDX-License-Identifier: MIT */

/* The kinds of locks, for the tests of what all of them promise.
 *
 * A pair is a way to hold a lock, and a way to ask for it that has to wait
 * meanwhile. A test of test_lock.c or test_lock_death.c runs once for each
 * pair, and its name then ends with the pair's.
 */
#ifndef SHMAP_TEST_LOCKS_H
#define SHMAP_TEST_LOCKS_H

#include "hands.h"

/* A way to hold a lock. */
struct lock_kind {
    char letter;    /* of hands.h */
    size_t size;    /* of the lock */
    size_t offset;  /* of the first such lock in struct shared */
    size_t spin_ns; /* offset of this field in the lock */
    int granted;    /* what `lock` returns when no thread died */
    int died;       /* what the next lock returns after the holder's death */
    bool excludes;  /* only one thread can hold it so */
    bool finishes;  /* `consistent` also unlocks, and then the lock is done */
    int alive;      /* what `consistent` returns to a holder without a death */
    int (*lock)(void *lock, int64_t deadline);
    int (*unlock)(void *lock);
    int (*consistent)(void *lock);
};

struct lock_pair {
    const struct lock_kind *held;
    const struct lock_kind *wanted;
};

enum {
    LOCK_MUTEX = 0,
    LOCK_WRITER_FOR_WRITER,
    LOCK_WRITER_FOR_READER,
    LOCK_READER_FOR_WRITER,
    LOCK_ONCE,
    LOCK_PAIRS
};
extern struct lock_pair lock_pairs[LOCK_PAIRS];

/* The rows of a test in cmocka's table. */
#define LOCK_ROW(test, which, pair)                      \
    {                                                    \
#test which, test, NULL, NULL, &lock_pairs[pair] \
    }
#define LOCK_TEST(test)                                                \
    LOCK_ROW(test, "__mutex", LOCK_MUTEX),                             \
        LOCK_ROW(test, "__writer_for_writer", LOCK_WRITER_FOR_WRITER), \
        LOCK_ROW(test, "__writer_for_reader", LOCK_WRITER_FOR_READER), \
        LOCK_ROW(test, "__reader_for_writer", LOCK_READER_FOR_WRITER), \
        LOCK_ROW(test, "__once", LOCK_ONCE)

/* Run a test's body with each kind of hands, each in a region of its own. */
typedef void lock_body(const struct lock_pair *pair, enum hand_kind kind);
void lock_with_each_hand(void **state, lock_body *body);

/* A lock of the hands' region, in a view of this process. */
void *lock_in_view(const struct lock_kind *kind, int view, unsigned number);

/* The calling thread locks and unlocks, through view 0. */
int self_lock(const struct lock_kind *kind, unsigned number, int64_t deadline);
int self_unlock(const struct lock_kind *kind, unsigned number);
int self_consistent(const struct lock_kind *kind, unsigned number);

/* A hand does it. `words`: its further words, see hands.h. */
int hand_lock(struct hand *by, const struct lock_kind *kind, unsigned number,
              const char *words);
int hand_unlock(struct hand *by, const struct lock_kind *kind, unsigned number);
int hand_consistent(struct hand *by, const struct lock_kind *kind,
                    unsigned number);
/* It tries to lock, and must succeed. */
void hand_holds(struct hand *by, const struct lock_kind *kind, unsigned number);
/* It locks without a deadline; the test goes on once it waits. */
void hand_waits(struct hand *by, const struct lock_kind *kind, unsigned number);
void hand_waits_in(struct hand *by, const struct lock_kind *kind,
                   unsigned number, int view);

/* No thread holds the lock, and no death is to be reported. */
void lock_expect_free(const struct lock_pair *pair, unsigned number);
/* The death of the holder is reported, if it matters to this kind; then the
 * lock is as good as new. */
void lock_expect_death(const struct lock_pair *pair, unsigned number);
/* A thread holds the lock. */
void lock_expect_held(const struct lock_pair *pair, unsigned number);
/* The calling thread, told of a death, makes the lock as good as new. */
void lock_repair(const struct lock_kind *kind, unsigned number);

#endif
