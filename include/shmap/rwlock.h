/* SPDX-License-Identifier: MIT */

/* Reader-writer locks: one writer, or up to 64 readers at a time, in any
 * process.
 *
 * Readers do not wait for each other, and a lone one costs as much as an
 * uncontended mutex. A writer that waits comes before readers that come after
 * it, so writers that never pause keep readers out. A reader that ends without
 * unlocking, in whatever way, or unmaps the lock, is found and no longer
 * counts. A writer that does is reported, to the next holder of either kind and
 * every later one, until a writer says that the data it protects is consistent.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_RWLOCK_H
#define SHMAP_RWLOCK_H

#include <stdint.h>

#include "export.h"
#include "mutex.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most readers that one lock can have at a time; further ones wait. A
 * thread that reads several times counts as often. */
#define SHMAP_RWLOCK_READERS 64

/* 640 bytes. */
typedef struct shmap_rwlock {
    shmap_mutex writer_;
    shmap_waiters readers_; /* waiters for reading */
    shmap_waiters drain_;   /* the writer, while it waits for readers */
    uint32_t spin_ns;       /* see shmap/wait.h */
    uint32_t read_;         /* whether there may be readers */
    uint32_t zero_[6];
    SHMAP_ALIGN8 uint64_t reader_[SHMAP_RWLOCK_READERS];
} shmap_rwlock;

/* Lock for reading. A thread that reads already may do so again, and unlocks
 * as often.
 *
 * Returns
 *   0                  the caller reads
 *   SHMAP_OWNER_DIED   (> 0) the caller reads, and a writer has died since it
 *                      was last consistent: the data read may be half changed.
 *                      Outranks SHMAP_ETIMEDOUT.
 *   SHMAP_ETIMEDOUT    a writer had it, or 64 readers, at the deadline
 *   SHMAP_EDEADLK      this thread has it for writing
 *   SHMAP_ENOLCK       this thread holds SHMAP_LOCKS_MAX locks; or it reads
 *                      already, and all SHMAP_RWLOCK_READERS slots are taken,
 *                      its own included, so that the wait might never end. The
 *                      call returns at once; cure: unlock first.
 *   SHMAP_EINVAL, SHMAP_ENOTSUP, SHMAP_EMFILE
 *                      as from shmap_mutex_lock
 *
 * Since 0.1. */
SHMAP_API int shmap_rwlock_read_lock(shmap_rwlock *rwlock, int64_t deadline);

/* Lock for writing.
 *
 * Returns as shmap_mutex_lock; SHMAP_EDEADLK if this thread has it for reading
 * or writing. Since 0.1. */
SHMAP_API int shmap_rwlock_write_lock(shmap_rwlock *rwlock, int64_t deadline);

/* Unlock a lock that this thread has: for writing, or once for reading.
 *
 * Returns 0, SHMAP_EPERM (this thread has neither), SHMAP_EINVAL or
 * SHMAP_ENOTSUP. Since 0.1. */
SHMAP_API int shmap_rwlock_unlock(shmap_rwlock *rwlock);

/* Say that the data it protects is whole again; the caller has it for writing,
 * and keeps it. Returns as shmap_mutex_consistent. Since 0.1. */
SHMAP_API int shmap_rwlock_consistent(shmap_rwlock *rwlock);

#ifdef __cplusplus
}
#endif

#endif
