/* SPDX-License-Identifier: MIT */

/* Streams a file through a named region to any number of consumers, which may
 * be started before or after it. See stream.h for the rules.
 *
 *     producer [--name NAME] [--chunk BYTES] [--wait N] [--seconds S]
 *              [--rate MB] [FILE]
 *
 * --name     of the region; default "stream"
 * --chunk    bytes in a chunk; default 65536
 * --wait     begin when so many consumers are there; default 1
 * --seconds  give up when no consumer comes, and give a consumer up that does
 *            not move, for so long; default 30
 * --rate     megabytes in a second, at most
 * FILE       what to stream; default 64 MiB of made-up bytes
 *
 * Ends with 0 when at least one consumer has verified the whole stream and no
 * other waits for it; with 1 on any failure; with 2 if the command line is
 * wrong. Started anew after it was killed, it goes on where that left off: with
 * the consumers that are there, and a new stream. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <shmap.h>

#include "example.h"
#include "stream.h"

#define MADE_UP_SIZE (UINT64_C(64) * 1024 * 1024)

/* A dead consumer is looked for this often while the producer waits. */
#define LOOK_EVERY (20 * EXAMPLE_MILLISECOND)

/* A producer's name is free a moment after its holder has died. */
#define TAKE_OVER_NS (2 * EXAMPLE_SECOND)

typedef struct producer_options {
    const char *name;
    const char *path; /* NULL: made-up bytes */
    uint64_t chunk_size;
    uint64_t wait;
    uint64_t seconds;
    uint64_t rate; /* bytes in a second; 0: no limit */
} producer_options;

/* Where the bytes come from. */
typedef struct byte_source {
    FILE *file; /* NULL: made-up bytes */
    uint64_t position;
} byte_source;

typedef struct producer {
    producer_options options;
    stream_link link;
    stream_memory *memory;
    uint64_t number;   /* of the current stream */
    uint64_t slowest;  /* the least chunk that a consumer has yet to read, when
                          it was last looked for; UINT64_MAX: there is none */
    uint64_t verified; /* consumers that have got a whole stream */
    int64_t began;
    int64_t printed;
} producer;

static int usage(void)
{
    fprintf(stderr, "usage: producer [--name NAME] [--chunk BYTES] [--wait N] "
                    "[--seconds S] [--rate MB] [FILE]\n");
    return 2;
}

static bool parse(producer_options *options, char **argument)
{
    const char *value;

    while (*++argument != NULL) {
        if ((value = example_value(&argument, "--name")) != NULL) {
            options->name = value;
        } else if ((value = example_value(&argument, "--chunk")) != NULL) {
            if (!example_number(value, 1, STREAM_DATA_SIZE / 2,
                                &options->chunk_size))
                return false;
        } else if ((value = example_value(&argument, "--wait")) != NULL) {
            if (!example_number(value, 1, STREAM_READERS, &options->wait))
                return false;
        } else if ((value = example_value(&argument, "--seconds")) != NULL) {
            if (!example_number(value, 1, 1000000, &options->seconds))
                return false;
        } else if ((value = example_value(&argument, "--rate")) != NULL) {
            if (!example_number(value, 1, 1000000, &options->rate))
                return false;
            options->rate *= 1000000;
        } else if (**argument != '-' && options->path == NULL) {
            options->path = *argument;
        } else {
            return false;
        }
    }
    return true;
}

static bool source_open(byte_source *source, const char *path)
{
    *source = (byte_source){0};
    if (path == NULL)
        return true;
    source->file = fopen(path, "rb");
    if (source->file == NULL)
        perror(path);
    return source->file != NULL;
}

static void source_close(byte_source *source)
{
    if (source->file != NULL)
        fclose(source->file);
}

/* Read up to `size` bytes, fewer only at the end. False if that failed. */
static bool source_read(byte_source *source, unsigned char *data, uint64_t size,
                        uint64_t *got)
{
    if (source->file != NULL) {
        *got = fread(data, 1, (size_t)size, source->file);
        return *got == size || !ferror(source->file);
    }
    if (size > MADE_UP_SIZE - source->position)
        size = MADE_UP_SIZE - source->position;
    for (uint64_t i = 0; i < size; i++) {
        uint64_t word = ++source->position * UINT64_C(0x9e3779b97f4a7c15);
        data[i] = (unsigned char)(word >> 40 ^ word >> 56);
    }
    *got = size;
    return true;
}

/* Become the producer. */
static bool take_over(stream_link *link)
{
    int64_t deadline = shmap_after(TAKE_OVER_NS);
    int result;

    while ((result = stream_take(link, "producer")) == SHMAP_EEXIST &&
           shmap_now() < deadline)
        example_pause();
    if (result == SHMAP_EEXIST)
        fprintf(stderr, "%s: another producer is running\n", link->name);
    else if (result < 0)
        example_failed(link->name, result);
    return result == 0;
}

/* Count the consumers that live and want a stream. */
static unsigned count_waiting(const producer *p)
{
    unsigned count = 0;

    for (unsigned i = 0; i < STREAM_READERS; i++) {
        uint64_t place = atomic_load(&p->memory->readers[i].place);
        if (place != 0 && place != STREAM_EVICTED &&
            stream_is_reading(&p->link, i))
            count++;
    }
    return count;
}

/* Wait until there are `count` of them. */
static bool wait_for_consumers(const producer *p, uint64_t count)
{
    int64_t deadline =
        shmap_after((int64_t)p->options.seconds * EXAMPLE_SECOND);
    int64_t look = shmap_now();

    fprintf(stderr, "producer: waits for %" PRIu64 " consumer%s\n", count,
            count == 1 ? "" : "s");
    while (shmap_now() < deadline) {
        if (shmap_now() >= look) {
            if (count_waiting(p) >= count)
                return true;
            look = shmap_after(LOOK_EVERY);
        }
        example_pause();
    }
    fprintf(stderr, "producer: no consumers came\n");
    return false;
}

/* Let every consumer that is there into the stream. */
static unsigned admit(producer *p)
{
    unsigned count = 0;

    for (unsigned i = 0; i < STREAM_READERS; i++) {
        _Atomic uint64_t *place = &p->memory->readers[i].place;
        uint64_t now = atomic_load(place);
        while (now != 0 && now != STREAM_EVICTED)
            if (atomic_compare_exchange_weak(place, &now,
                                             stream_place(p->number, 0))) {
                count++;
                break;
            }
    }
    return count;
}

/* Begin the next stream. */
static void begin(producer *p)
{
    stream_memory *memory = p->memory;
    uint64_t number = atomic_load(&memory->current) % STREAM_MAX_NUMBER + 1;

    /* First the number, so that a consumer of a dead producer's stream sees
     * that it is over before any of what follows can mislead it. */
    atomic_store(&memory->current, number);
    atomic_store(&memory->chunk_size, (uint32_t)p->options.chunk_size);
    atomic_store(&memory->verified, stream_place(number, 0));
    p->number = number;
    p->slowest = 0;
    p->began = p->printed = shmap_now();
    fprintf(stderr, "producer: stream %" PRIu64 " for %u\n", number, admit(p));
    /* What is written to the cells from now on is written after that. */
    atomic_thread_fence(memory_order_seq_cst);
}

/* Find the slowest consumer of this stream. */
static uint64_t find_slowest(const producer *p)
{
    uint64_t slowest = UINT64_MAX;

    for (unsigned i = 0; i < STREAM_READERS; i++) {
        uint64_t place = atomic_load(&p->memory->readers[i].place);
        if (stream_number(place) == p->number && stream_chunk(place) < slowest)
            slowest = stream_chunk(place);
    }
    return slowest;
}

/* Take a consumer out of the stream that is still at `place`. */
static void drop(const producer *p, unsigned reader, uint64_t place,
                 uint64_t instead, const char *why)
{
    if (atomic_compare_exchange_strong(&p->memory->readers[reader].place,
                                       &place, instead))
        fprintf(stderr, "producer: consumer %u %s\n", reader, why);
}

/* Drop the consumers that are dead, and those that have not moved for too long
 * and keep the others waiting. */
static void drop_lost(const producer *p, uint64_t needed,
                      uint64_t seen[STREAM_READERS],
                      int64_t since[STREAM_READERS])
{
    int64_t patience = (int64_t)p->options.seconds * EXAMPLE_SECOND;
    int64_t now = shmap_now();

    for (unsigned i = 0; i < STREAM_READERS; i++) {
        uint64_t place = atomic_load(&p->memory->readers[i].place);
        if (stream_number(place) != p->number || stream_chunk(place) >= needed)
            continue;
        if (place != seen[i]) {
            seen[i] = place;
            since[i] = now;
        }
        if (!stream_is_reading(&p->link, i))
            drop(p, i, place, 0, "is gone");
        else if (now - since[i] > patience)
            drop(p, i, place, STREAM_EVICTED, "does not move and is left");
    }
}

/* Wait until every consumer of this stream has read all chunks before
 * `needed`, or has left. */
static void wait_for_slowest(producer *p, uint64_t needed)
{
    uint64_t seen[STREAM_READERS] = {0};
    int64_t since[STREAM_READERS] = {0};
    int64_t look = shmap_after(LOOK_EVERY);

    while ((p->slowest = find_slowest(p)) < needed) {
        if (shmap_now() >= look) {
            drop_lost(p, needed, seen, since);
            look = shmap_after(LOOK_EVERY);
        }
        example_pause();
    }
    /* A consumer that was dropped may still be reading a cell; when it looks at
     * its word afterwards, it sees that it was. */
    atomic_thread_fence(memory_order_seq_cst);
}

/* Be no faster than the options allow. */
static void hold_back(const producer *p, uint64_t bytes)
{
    if (p->options.rate == 0)
        return;
    while ((double)bytes / (double)p->options.rate * 1e9 >
           (double)(shmap_now() - p->began))
        example_pause();
}

/* Write the chunks of a stream, and its end. False if the source failed. */
static bool write_stream(producer *p, byte_source *source)
{
    stream_memory *memory = p->memory;
    uint64_t chunk_size = p->options.chunk_size;
    uint64_t cells = stream_cells(chunk_size);
    uint64_t bytes = 0;
    uint64_t checksum = 0;
    uint64_t chunk = 0;
    uint64_t size;

    do {
        if (chunk >= cells && p->slowest <= chunk - cells)
            wait_for_slowest(p, chunk - cells + 1);
        if (p->slowest == UINT64_MAX)
            return true; /* nobody is left to read it */

        unsigned char *data = memory->data + chunk % cells * chunk_size;
        stream_cell *cell = &memory->cells[chunk % cells];
        if (!source_read(source, data, chunk_size, &size)) {
            perror(p->options.path);
            return false;
        }
        if (size == 0)
            break;
        if (chunk + 1 == STREAM_MAX_CHUNKS) {
            fprintf(stderr, "producer: the chunks are too small for this\n");
            return false;
        }
        uint64_t sum = stream_checksum(data, size);
        atomic_store_explicit(&cell->size, size, memory_order_relaxed);
        atomic_store_explicit(&cell->checksum, sum, memory_order_relaxed);
        atomic_store(&memory->written, stream_place(p->number, ++chunk));

        bytes += size;
        checksum = stream_checksum_add(checksum, sum);
        stream_progress("producer", p->number, bytes, p->began, &p->printed);
        hold_back(p, bytes);
    } while (size == chunk_size);

    atomic_store(&memory->bytes, bytes);
    atomic_store(&memory->checksum, checksum);
    atomic_store(&memory->end, stream_place(p->number, chunk));
    wait_for_slowest(p, UINT64_MAX); /* they leave when they have checked it */

    uint64_t verified = stream_chunk(atomic_load(&memory->verified));
    int64_t ns = shmap_now() - p->began;
    p->verified += verified;
    printf("producer: stream %" PRIu64 ": %" PRIu64 " chunks, %" PRIu64
           " bytes in %.2f s, %.1f MB/s, checksum %016" PRIx64
           ", verified by %" PRIu64 "\n",
           p->number, chunk, bytes, (double)ns / 1e9, stream_rate(bytes, ns),
           checksum, verified);
    fflush(stdout);
    return true;
}

/* Stream until somebody has got it and nobody waits for it. */
static bool produce(producer *p)
{
    uint64_t count = p->options.wait;
    byte_source source;

    do {
        if (!wait_for_consumers(p, count) ||
            !source_open(&source, p->options.path))
            return false;
        begin(p);
        bool done = write_stream(p, &source);
        source_close(&source);
        if (!done)
            return false;
        count = 1;
    } while (p->verified == 0 || count_waiting(p) > 0);
    return true;
}

int main(int argc, char **argv)
{
    producer p = {
        .options = {
            .name = "stream", .chunk_size = 65536, .wait = 1, .seconds = 30}};
    byte_source source;

    if (argc < 1 || !parse(&p.options, argv))
        return usage();
    /* Better to know now than when the consumers have come. */
    if (!source_open(&source, p.options.path))
        return EXIT_FAILURE;
    source_close(&source);

    if (!stream_open(&p.link, p.options.name))
        return EXIT_FAILURE;
    p.memory = p.link.memory;
    bool done = take_over(&p.link) && produce(&p);
    stream_close(&p.link);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
