/* SPDX-License-Identifier: MIT */

/* What the producer and the consumer share: the layout of the region through
 * which the producer streams, and the rules for it.
 *
 * The region holds a ring of cells, each with room for one chunk. Chunk n of a
 * stream goes to cell n % cells.
 *
 * Roles. The producer, and each consumer, has a mutex of its own that it locks
 * once and holds for life. So there is one producer, and one consumer for each
 * reader slot; and to try to lock such a mutex tells whether its holder is
 * alive, at once and however it died, without any heartbeat. A holder that is
 * stopped but not dead delays a stream until the producer's time-out.
 *
 * Access. One mutex protects all that producer and consumers agree on. Two
 * conditions carry the news, one to the consumers and one to the producer. The
 * bytes of a chunk are written and read without the mutex: a cell is the
 * producer's until it counts the chunk as written, then the consumers' until
 * every one in the stream has counted it as read. A consumer that finds itself
 * out of the stream drops what it just read and starts over.
 *
 * A process that dies with the mutex leaves all as it should be, because each
 * step under it is done by storing one word, after all data that the word
 * speaks of. So there is nothing to repair.
 *
 * A consumer is let in at the beginning of a stream only, so it gets every
 * chunk from the first. The producer repeats the stream as long as consumers
 * wait for one.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmap.h>

#define STREAM_LAYOUT    0x53540002u /* changes with the structures below */
#define STREAM_READERS   64
#define STREAM_CELLS     256
#define STREAM_DATA_SIZE (4 * 1024 * 1024)

/* Stored in the order of the program: a process is killed between two
 * instructions, and compilers change the order of plain stores. */
typedef volatile uint32_t stream_word;
typedef volatile uint64_t stream_number;

/* The states of a reader slot. */
enum {
    STREAM_FREE = 0, /* no consumer wants a stream here */
    STREAM_WAITING,  /* for the next stream to begin */
    STREAM_READING,  /* the stream of that number */
    STREAM_EVICTED   /* did not move, and was left behind */
};

/* A consumer, on cache lines of its own. */
typedef struct stream_reader {
    _Alignas(64) shmap_mutex holder; /* the consumer has it for life */
    _Alignas(64) stream_word state;
    stream_word stream; /* number of the stream it was let into */
    stream_word chunk;  /* number of the chunk it reads next */
} stream_reader;

/* The content of a cell. */
typedef struct stream_cell {
    stream_number size; /* bytes */
    stream_number checksum;
} stream_cell;

/* The region. All zero is a region in which there was no stream yet. */
typedef struct stream_memory {
    stream_word layout;     /* STREAM_LAYOUT, set by the first process */
    stream_word stream;     /* the number of the current stream, from 1 on */
    stream_word chunk_size; /* bytes; of all chunks but the last */
    stream_word written;    /* chunks */
    stream_word ended;      /* 1: the following two can be read */
    stream_word verified;   /* how many consumers got it complete and right */
    stream_number bytes;    /* of the whole stream */
    stream_number checksum; /* likewise */
    _Alignas(64) shmap_mutex producer; /* the producer has it for life */
    _Alignas(64) shmap_mutex mutex;    /* for everything but chunks */
    shmap_cond produced; /* news of the producer: the consumers wait for it */
    shmap_cond consumed; /* news of a consumer: the producer waits for it */
    stream_reader readers[STREAM_READERS];
    stream_cell cells[STREAM_CELLS];
    _Alignas(64) unsigned char data[STREAM_DATA_SIZE];
} stream_memory;

/* The same for every compiler, so that 32-bit and 64-bit processes can meet. */
_Static_assert(sizeof(stream_cell) == 16 && sizeof(stream_reader) == 128 &&
                   offsetof(stream_memory, bytes) == 24 &&
                   offsetof(stream_memory, producer) == 64 &&
                   offsetof(stream_memory, mutex) == 128 &&
                   offsetof(stream_memory, consumed) == 216 &&
                   offsetof(stream_memory, readers) == 256 &&
                   offsetof(stream_memory, cells) == 8448 &&
                   offsetof(stream_memory, data) == 12544,
               "the layout of the region");

/* Open the region of this name, or make it if it does not exist. Says on stderr
 * what went wrong. */
bool stream_open(shmap_view *view, const char *name);

/* Lock the mutex; unlock it; wait for a condition. That cannot fail where
 * stream_open did not. */
void stream_lock(stream_memory *memory);
void stream_unlock(stream_memory *memory);
void stream_wait(stream_memory *memory, shmap_cond *cond, int64_t deadline);

/* Take a role for life: lock its mutex. Returns 0 or what shmap_mutex_lock
 * does: SHMAP_ETIMEDOUT if another process has it. */
int stream_take(shmap_mutex *role, int64_t deadline);

/* Return whether a process has this role. */
bool stream_is_taken(shmap_mutex *role);

/* How many cells there are for chunks of this size. */
uint32_t stream_cells(uint32_t chunk_size);

/* A checksum of some bytes. */
uint64_t stream_checksum(const void *data, uint64_t size);

/* The checksum of a stream: begin with 0, and add the chunks' in order. */
uint64_t stream_checksum_add(uint64_t checksum, uint64_t chunk_checksum);

/* Megabytes in a second. */
double stream_rate(uint64_t bytes, int64_t ns);

/* Print "title: stream 3: 12.5 MB, 100.0 MB/s" to stderr, once a second at
 * most. *last is when it was printed, and is updated. */
void stream_progress(const char *title, uint32_t stream, uint64_t bytes,
                     int64_t since, int64_t *last);

#endif
