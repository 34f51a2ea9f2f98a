/* SPDX-License-Identifier: MIT */

/* Records: one thread writes a value, any number read the last complete one.
 *
 *     typedef union settings_record {
 *         shmap_record record;
 *         unsigned char space[SHMAP_RECORD_SIZE(sizeof(struct settings))];
 *     } settings_record;
 *
 *     struct shared { settings_record settings; } *shared;
 *
 *     shmap_record_write(&shared->settings.record, &settings, sizeof settings);
 *     shmap_record_read(&shared->settings.record, &settings, sizeof settings,
 *                       &version);
 *
 * Readers take no lock and write nothing, so that they can read through
 * read-only views, and never hold up the writer. A value is read whole or not
 * at all. A writer that dies, at any instruction, leaves the last complete
 * value, and the next writer goes on.
 *
 * See shmap/wait.h for what all objects have in common.
 */
#ifndef SHMAP_RECORD_H
#define SHMAP_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 64 bytes; the space for values follows it. */
typedef struct shmap_record {
    SHMAP_ALIGN8 uint64_t version_;
    SHMAP_ALIGN8 uint64_t writer_; /* id of the writing thread */
    SHMAP_ALIGN8 uint64_t size_;   /* of every value, from the first on */
    SHMAP_ALIGN8 uint64_t who_;    /* id that all waiters share */
    SHMAP_ALIGN8 int64_t woken_;   /* when waiters were last woken */
    uint32_t zero_;
    uint32_t spin_ns;    /* see shmap/wait.h */
    uint32_t processor_; /* the writer's, at the last wake */
    uint32_t rest_[3];
} shmap_record;

/* The bytes that a record takes for values of `size` bytes, space and all: the
 * struct, and then three values, each rounded up to 64 bytes. */
#define SHMAP_RECORD_SIZE(size) \
    (sizeof(shmap_record) + 3 * (((size) + 63) / 64 * 64))

/* Write a value; readers see it from now on, and waiters are woken.
 *
 * record: the first SHMAP_RECORD_SIZE(size) bytes from here are the record's.
 * size: bytes, more than 0; every value of a record has the size of the first.
 *
 * Returns 0 or
 *   SHMAP_EBUSY     another thread is writing at this moment
 *   SHMAP_ELAYOUT   the record's values have another size
 *   SHMAP_EINVAL    a null pointer, not a multiple of 8, size 0 or absurd
 *   SHMAP_ENOTSUP   as from shmap_mutex_lock
 *   SHMAP_EMFILE    as from shmap_mutex_lock
 *
 * Several threads may write in turns, for instance under a mutex. Since 0.1. */
SHMAP_API int shmap_record_write(shmap_record *record, const void *value,
                                 size_t size);

/* Read the last complete value. A reader that is slower than two writes tries
 * again; writers that never pause make that likely only for readers that are
 * interrupted.
 *
 * value: `size` bytes, filled; untouched on failure, but after SHMAP_EBUSY, or
 *        if a program writes over the record itself, it holds anything.
 * version: NULL, or where to put the value's number: 1 for the first written,
 *          and one more for each after.
 *
 * Returns 0 or
 *   SHMAP_ENOTREADY   no value was written yet
 *   SHMAP_EBUSY       writers were faster, a thousand times
 *   SHMAP_ELAYOUT     the record's values have another size
 *   SHMAP_EINVAL      a null pointer, not a multiple of 8, size 0 or absurd
 *
 * Since 0.1. */
SHMAP_API int shmap_record_read(const shmap_record *record, void *value,
                                size_t size, uint64_t *version);

/* Wait until there is a value of another version than this: the version that
 * shmap_record_read gave, or 0 for the first value.
 *
 * Waiting writes nothing, so the writer cannot know whether any thread waits.
 * It wakes possible waiters with every value, but at most every 50 microseconds
 * (Windows: every millisecond); when values come faster, a wait can end late,
 * by a fraction of a millisecond (Windows: by up to some 16 milliseconds).
 *
 * Returns 0, SHMAP_ETIMEDOUT or SHMAP_EINVAL. Since 0.1. */
SHMAP_API int shmap_record_wait(const shmap_record *record, uint64_t version,
                                int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
