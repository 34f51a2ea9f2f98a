/* SPDX-License-Identifier: MIT */

/* Bare atomic operations that are called, as a library's are. */
#include "bare.h"

void bench_called_event_set(uint32_t *event)
{
    bench_bare_event_set(event);
}

bool bench_called_event_is_set(const uint32_t *event)
{
    return bench_bare_event_is_set(event);
}

void bench_called_semaphore_post(uint32_t *semaphore)
{
    bench_bare_semaphore_post(semaphore);
}

bool bench_called_semaphore_take(uint32_t *semaphore)
{
    return bench_bare_semaphore_take(semaphore);
}

bool bench_called_read_lock(uint64_t *place)
{
    return bench_bare_read_lock(place);
}

void bench_called_read_unlock(uint64_t *place)
{
    bench_bare_read_unlock(place);
}

void bench_called_copy(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}

/* One writer, in the value that is not the last whole one.
 */
void bench_bare_record_write(bench_bare_record *record, const void *value)
{
    uint64_t version = shmap__load64(&record->version);

    shmap__fence();
    shmap__copy_shared(record->values[(version + 1) % 2], value, 64);
    shmap__store64(&record->version, version + 1);
}

void bench_bare_record_read(const bench_bare_record *record, void *value)
{
    uint64_t version;

    do {
        version = shmap__load64(&record->version);
        shmap__copy_shared(value, record->values[version % 2], 64);
        shmap__fence();
    } while (shmap__load64(&record->version) != version);
}
