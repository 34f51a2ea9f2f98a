/* SPDX-License-Identifier: MIT */

/* The atomic operations that an effect needs, and nothing else: what shmap's
 * objects are compared with while nobody waits. Inline here; bench_called_ ones
 * are the same in a file of their own, as a library's are.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>
#include <stdint.h>

#include "../src/base/atomic.h"

/* An event is a word. */
static inline void bench_bare_event_set(uint32_t *event)
{
    shmap__exchange32(event, 1);
}

static inline bool bench_bare_event_is_set(const uint32_t *event)
{
    return shmap__load32(event) != 0;
}

/* A semaphore is a number. */
static inline void bench_bare_semaphore_post(uint32_t *semaphore)
{
    shmap__add32(semaphore, 1);
}

static inline bool bench_bare_semaphore_take(uint32_t *semaphore)
{
    uint32_t value = shmap__load32(semaphore);

    while (value != 0)
        if (shmap__cas32(semaphore, &value, value - 1))
            return true;
    return false;
}

/* A reader is in a place that was empty. */
static inline bool bench_bare_read_lock(uint64_t *place)
{
    uint64_t empty = 0;

    return shmap__cas64(place, &empty, 1);
}

static inline void bench_bare_read_unlock(uint64_t *place)
{
    shmap__exchange64(place, 0);
}

/* A record is two values and a number that says which of them is whole, and
 * knows nothing of sizes, of writers that die, or of waiting. */
typedef struct bench_bare_record {
    uint64_t version;
    unsigned char gap[56];
    unsigned char values[2][64];
} bench_bare_record;

void bench_bare_record_write(bench_bare_record *record, const void *value);
void bench_bare_record_read(const bench_bare_record *record, void *value);

void bench_called_event_set(uint32_t *event);
bool bench_called_event_is_set(const uint32_t *event);
void bench_called_semaphore_post(uint32_t *semaphore);
bool bench_called_semaphore_take(uint32_t *semaphore);
bool bench_called_read_lock(uint64_t *place);
void bench_called_read_unlock(uint64_t *place);

/* memcpy, of a size that the compiler does not know. */
void bench_called_copy(void *to, const void *from, size_t size);

#endif
