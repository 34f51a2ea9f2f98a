/* SPDX-License-Identifier: MIT */

/* What the producer and the consumer share: the layout of the region through
 * which the producer streams, and the rules for it.
 *
 * The region holds a ring of cells, each with room for one chunk. Chunk n of a
 * stream goes to cell n % cells. Streams are numbered from 1 and carry their
 * number in every word that two processes agree on, so what a dead producer
 * left half done is never mistaken for a part of the next stream.
 *
 * Who is there. The producer, and each consumer, holds a small region of its
 * own: NAME.producer, NAME.reader.5. Creating a region is exclusive, so there
 * is one producer, and one consumer for each reader slot. A region lives as
 * long as its holder, so opening it tells whether the holder is alive, at
 * once and however it died, without any heartbeat. One that is stopped but not
 * dead delays a stream until the producer's time-out.
 *
 * Who reads what. Each reader slot has one word, the next chunk that its
 * consumer is going to read. All changes of it are compare-and-swap:
 *
 *     consumer   waits for a stream         0, stream_evicted -> stream_waiting
 *     producer   lets it into a stream      any but 0, evicted -> {stream, 0}
 *     consumer   has read a chunk           {stream, n} -> {stream, n + 1}
 *     consumer   has read all, and leaves   -> 0
 *     producer   found it dead              {stream, n} -> 0
 *     producer   found it stuck             {stream, n} -> stream_evicted
 *
 * The producer writes a chunk only when every consumer in the stream has read
 * the one that was in the cell before. A consumer that finds its word changed
 * by the producer drops what it just read and starts over.
 *
 * A consumer is let in at the beginning of a stream only, so it gets every
 * chunk from the first. The producer repeats the stream as long as consumers
 * wait for one.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmap.h>

/* Other processes cannot see the locks behind an atomic that is not free of
 * them. */
#if ATOMIC_LLONG_LOCK_FREE != 2 || ATOMIC_INT_LOCK_FREE != 2
#error "this example needs lock-free 64-bit atomics"
#endif

#define STREAM_LAYOUT    0x53540001u /* changes with the structures below */
#define STREAM_NAME_SIZE 200         /* bytes, with the final NUL */
#define STREAM_READERS   64
#define STREAM_CELLS     256
#define STREAM_DATA_SIZE (4 * 1024 * 1024)

/* A place in a stream: the stream's number in the upper 24 bits, a chunk's in
 * the lower 40. */
#define STREAM_CHUNK_BITS 40
#define STREAM_MAX_NUMBER ((UINT64_C(1) << 24) - 1)
#define STREAM_MAX_CHUNKS (UINT64_C(1) << STREAM_CHUNK_BITS)

static inline uint64_t stream_place(uint64_t number, uint64_t chunk)
{
    return number << STREAM_CHUNK_BITS | chunk;
}

static inline uint64_t stream_number(uint64_t place)
{
    return place >> STREAM_CHUNK_BITS;
}

static inline uint64_t stream_chunk(uint64_t place)
{
    return place & (STREAM_MAX_CHUNKS - 1);
}

/* Places in no stream; 0 is a reader slot without a consumer. */
#define STREAM_WAITING UINT64_C(1)
#define STREAM_EVICTED UINT64_C(2)

/* A reader's place, on a cache line of its own. */
typedef struct stream_reader {
    _Alignas(64) _Atomic uint64_t place;
} stream_reader;

/* What is in a cell. */
typedef struct stream_cell {
    _Atomic uint64_t size; /* bytes */
    _Atomic uint64_t checksum;
} stream_cell;

/* The region. All zero is a region in which there was no stream yet. */
typedef struct stream_memory {
    _Atomic uint32_t layout;     /* STREAM_LAYOUT, set by whoever is first */
    _Atomic uint32_t chunk_size; /* bytes; of all chunks but the last */
    _Atomic uint64_t current;    /* the number of the current stream */
    _Atomic uint64_t bytes;      /* of the whole stream, once it has ended */
    _Atomic uint64_t checksum;   /* likewise */
    _Atomic uint64_t end;        /* the place after its last chunk, likewise */
    _Atomic uint64_t verified;   /* {stream, how many consumers have got it
                                    complete and right} */
    _Alignas(64) _Atomic uint64_t written; /* the place to be written next */
    stream_reader readers[STREAM_READERS];
    stream_cell cells[STREAM_CELLS];
    _Alignas(64) unsigned char data[STREAM_DATA_SIZE];
} stream_memory;

/* The same for every compiler, so that 32-bit and 64-bit processes can meet. */
_Static_assert(sizeof(stream_cell) == 16 && sizeof(stream_reader) == 64 &&
                   offsetof(stream_memory, verified) == 40 &&
                   offsetof(stream_memory, written) == 64 &&
                   offsetof(stream_memory, readers) == 128 &&
                   offsetof(stream_memory, cells) == 4224 &&
                   offsetof(stream_memory, data) == 8320,
               "the layout of the region");

/* A process's connection to it. All zero is none. */
typedef struct stream_link {
    const char *name;
    stream_memory *memory;
    shmap_view view;
    shmap_region *presence;
} stream_link;

/* Open the region of this name, or make it if nobody did yet. Says on stderr
 * what went wrong. */
bool stream_open(stream_link *link, const char *name);

/* Close it, and the presence. */
void stream_close(stream_link *link);

/* Take a role, "producer" or "reader.5", by creating its region. Returns what
 * shmap_region_create does: SHMAP_EEXIST if another process has it. */
int stream_take(stream_link *link, const char *role);

/* Whether some process has this role. */
bool stream_is_taken(const stream_link *link, const char *role);

/* The same for reader slots. */
int stream_take_reader(stream_link *link, unsigned reader);
bool stream_is_reading(const stream_link *link, unsigned reader);

/* How many cells there are for chunks of this size. */
uint64_t stream_cells(uint64_t chunk_size);

/* A checksum of some bytes. */
uint64_t stream_checksum(const void *data, uint64_t size);

/* The checksum of a stream: begin with 0, and add the chunks' in order. */
uint64_t stream_checksum_add(uint64_t checksum, uint64_t chunk_checksum);

/* Megabytes in a second. */
double stream_rate(uint64_t bytes, int64_t ns);

/* Print "who: stream 3: 12.5 MB, 100.0 MB/s" to stderr, once a second at most.
 * *last is when it was printed, and is updated. */
void stream_progress(const char *who, uint64_t number, uint64_t bytes,
                     int64_t since, int64_t *last);

#endif
