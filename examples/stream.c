/* SPDX-License-Identifier: MIT */

/* What the producer and the consumer share: the region, roles, checksums. */
#include "stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "example.h"

/* The region is zero when it is fresh, and the first process writes its layout;
 * there is no moment at which it is half made. Of another program's region, no
 * mutex is touched. */
static int check_layout(const shmap_view *view)
{
    stream_memory *memory = view->data;

    if (view->size < sizeof(stream_memory) ||
        (memory->layout != 0 && memory->layout != STREAM_LAYOUT))
        return SHMAP_ELAYOUT;
    int result = shmap_mutex_lock(&memory->mutex, SHMAP_FOREVER);
    if (SHMAP_FAILED(result))
        return result;
    memory->layout = STREAM_LAYOUT;
    return shmap_mutex_unlock(&memory->mutex);
}

bool stream_open(shmap_view *view, const char *name)
{
    shmap_region *region;

    *view = (shmap_view)SHMAP_VIEW_INIT;
    int result =
        shmap_region_open_or_create(&region, name, sizeof(stream_memory), NULL);
    if (result >= 0) {
        result = shmap_view_map(view, region, NULL);
        shmap_region_close(region); /* the view holds the region from now on */
    }
    if (result >= 0)
        result = check_layout(view);
    if (SHMAP_FAILED(result)) {
        example_failed(name, result);
        shmap_view_unmap(view);
    }
    return result >= 0;
}

/* Handle the result of locking the mutex. A process that died with it has left
 * nothing to repair: see stream.h. */
static void have_locked(stream_memory *memory, int result)
{
    if (result == SHMAP_OWNER_DIED)
        result = shmap_mutex_consistent(&memory->mutex);
    if (SHMAP_FAILED(result) && result != SHMAP_ETIMEDOUT)
        exit(example_failed("stream", result));
}

void stream_lock(stream_memory *memory)
{
    have_locked(memory, shmap_mutex_lock(&memory->mutex, SHMAP_FOREVER));
}

void stream_unlock(stream_memory *memory)
{
    shmap_mutex_unlock(&memory->mutex);
}

void stream_wait(stream_memory *memory, shmap_cond *cond, int64_t deadline)
{
    have_locked(memory, shmap_cond_wait(cond, &memory->mutex, deadline));
}

int stream_take(shmap_mutex *role, int64_t deadline)
{
    int result = shmap_mutex_lock(role, deadline);

    return result == SHMAP_OWNER_DIED ? shmap_mutex_consistent(role) : result;
}

bool stream_is_taken(shmap_mutex *role)
{
    int result = shmap_mutex_lock(role, SHMAP_TRY);

    if (result >= 0)
        shmap_mutex_unlock(role);
    return result == SHMAP_ETIMEDOUT;
}

uint32_t stream_cells(uint32_t chunk_size)
{
    uint32_t cells = STREAM_DATA_SIZE / chunk_size;

    return cells < STREAM_CELLS ? cells : STREAM_CELLS;
}

/* One step of a checksum; no two inputs have the same result. */
static uint64_t mix(uint64_t value)
{
    value *= UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio, odd */
    return value ^ value >> 32;
}

uint64_t stream_checksum(const void *data, uint64_t size)
{
    const unsigned char *bytes = data;
    uint64_t checksum = mix(size);
    uint64_t word = 0;

    for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        checksum = mix(checksum ^ word);
    }
    word = 0;
    memcpy(&word, bytes, (size_t)size);
    return mix(checksum ^ word);
}

uint64_t stream_checksum_add(uint64_t checksum, uint64_t chunk_checksum)
{
    return mix(checksum ^ chunk_checksum);
}

double stream_rate(uint64_t bytes, int64_t ns)
{
    return (double)bytes * 1e3 / (double)(ns > 0 ? ns : 1);
}

void stream_progress(const char *title, uint32_t stream, uint64_t bytes,
                     int64_t since, int64_t *last)
{
    int64_t now = shmap_now();

    if (now - *last < SHMAP_S(1))
        return;
    *last = now;
    fprintf(stderr, "%s: stream %" PRIu32 ": %.1f MB, %.1f MB/s\n", title,
            stream, (double)bytes / 1e6, stream_rate(bytes, now - since));
}
