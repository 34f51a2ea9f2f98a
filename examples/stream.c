/* SPDX-License-Identifier: MIT */

/* What the producer and the consumer share: the region, presence, checksums. */
#include "stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "example.h"

/* The region is zero when it is fresh, and whoever comes first writes what its
 * layout is; there is no moment at which it is half made. */
static bool check_layout(stream_link *link)
{
    uint32_t expected = 0;

    if (link->view.size < sizeof(stream_memory))
        return false;
    if (atomic_compare_exchange_strong(&link->memory->layout, &expected,
                                       STREAM_LAYOUT))
        return true;
    return expected == STREAM_LAYOUT;
}

bool stream_open(stream_link *link, const char *name)
{
    shmap_region *region;

    *link = (stream_link){.name = name};
    if (strlen(name) >= STREAM_NAME_SIZE) {
        fprintf(stderr, "the name is too long\n");
        return false;
    }
    int result =
        shmap_region_open_or_create(&region, name, sizeof(stream_memory), NULL);
    if (result < 0) {
        example_failed(name, result);
        return false;
    }
    result = shmap_view_map(&link->view, region, NULL);
    shmap_region_close(region); /* the view holds the region from now on */
    if (result < 0) {
        example_failed(name, result);
        return false;
    }
    link->memory = link->view.data;
    if (!check_layout(link)) {
        fprintf(stderr, "%s: some other program uses this name\n", name);
        stream_close(link);
        return false;
    }
    return true;
}

void stream_close(stream_link *link)
{
    shmap_region_close(link->presence);
    shmap_view_unmap(&link->view);
    *link = (stream_link){0};
}

/* The name of a role's region. */
static void role_name(char out[STREAM_NAME_SIZE + 32], const stream_link *link,
                      const char *role)
{
    snprintf(out, STREAM_NAME_SIZE + 32, "%s.%s", link->name, role);
}

int stream_take(stream_link *link, const char *role)
{
    char name[STREAM_NAME_SIZE + 32];

    role_name(name, link, role);
    return shmap_region_create(&link->presence, name, 1, NULL);
}

bool stream_is_taken(const stream_link *link, const char *role)
{
    char name[STREAM_NAME_SIZE + 32];
    shmap_region *region;

    role_name(name, link, role);
    int result = shmap_region_open(&region, name, NULL);
    if (result == 0)
        shmap_region_close(region);
    /* Only this error says that nobody is there. */
    return result != SHMAP_ENOENT;
}

int stream_take_reader(stream_link *link, unsigned reader)
{
    char role[32];

    snprintf(role, sizeof role, "reader.%u", reader);
    return stream_take(link, role);
}

bool stream_is_reading(const stream_link *link, unsigned reader)
{
    char role[32];

    snprintf(role, sizeof role, "reader.%u", reader);
    return stream_is_taken(link, role);
}

uint64_t stream_cells(uint64_t chunk_size)
{
    uint64_t cells = STREAM_DATA_SIZE / chunk_size;

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

void stream_progress(const char *who, uint64_t number, uint64_t bytes,
                     int64_t since, int64_t *last)
{
    int64_t now = shmap_now();

    if (now - *last < EXAMPLE_SECOND)
        return;
    *last = now;
    fprintf(stderr, "%s: stream %" PRIu64 ": %.1f MB, %.1f MB/s\n", who, number,
            (double)bytes / 1e6, stream_rate(bytes, now - since));
}
