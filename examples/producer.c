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

/* A dead consumer is looked for this often while the producer waits for one. */
#define LOOK_EVERY SHMAP_MS(20)

/* Another producer may be just about to end. */
#define TAKE_OVER_NS SHMAP_MS(500)

#define NO_CONSUMER UINT32_MAX

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
    stream_memory *memory;
    uint32_t slowest;  /* the least chunk that a consumer has yet to read, when
                          it was last looked for; NO_CONSUMER: none reads */
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
static bool take_over(const producer *p)
{
    int result = stream_take(&p->memory->producer, shmap_after(TAKE_OVER_NS));

    if (result == SHMAP_ETIMEDOUT)
        fprintf(stderr, "%s: another producer is running\n", p->options.name);
    else if (SHMAP_FAILED(result))
        example_failed(p->options.name, result);
    return result == 0;
}

/* What follows, up to the next such line, is called with the mutex. */

/* Whether a consumer wants a stream. */
static bool is_willing(const stream_reader *reader)
{
    return reader->state == STREAM_WAITING || reader->state == STREAM_READING;
}

/* Count the consumers that live and want a stream. */
static unsigned count_waiting(const producer *p)
{
    unsigned count = 0;

    for (unsigned i = 0; i < STREAM_READERS; i++) {
        stream_reader *reader = &p->memory->readers[i];
        count += is_willing(reader) && stream_is_taken(&reader->holder);
    }
    return count;
}

/* Wait until there are `count` of them. */
static bool wait_for_consumers(const producer *p, uint64_t count)
{
    int64_t deadline = shmap_after(SHMAP_S(p->options.seconds));

    fprintf(stderr, "producer: waits for %" PRIu64 " consumer%s\n", count,
            count == 1 ? "" : "s");
    while (count_waiting(p) < count) {
        if (shmap_now() >= deadline) {
            fprintf(stderr, "producer: no consumers came\n");
            return false;
        }
        stream_wait(p->memory, &p->memory->consumed, deadline);
    }
    return true;
}

/* Let every consumer that is there into the stream. */
static unsigned admit(const producer *p)
{
    unsigned count = 0;

    for (unsigned i = 0; i < STREAM_READERS; i++) {
        stream_reader *reader = &p->memory->readers[i];
        if (!is_willing(reader))
            continue;
        reader->chunk = 0;
        reader->stream = p->memory->stream;
        reader->state = STREAM_READING; /* Now it is in. */
        count++;
    }
    return count;
}

/* Begin the next stream. */
static void begin(producer *p)
{
    stream_memory *memory = p->memory;

    /* First the number: from now on, no consumer is in any stream. Killed
     * before the end of this, we leave some in a stream that no producer goes
     * on with. */
    memory->stream++;
    memory->chunk_size = (uint32_t)p->options.chunk_size;
    memory->written = 0;
    memory->ended = 0;
    memory->verified = 0;
    unsigned count = admit(p);
    shmap_cond_broadcast(&memory->produced);
    p->slowest = 0;
    p->began = p->printed = shmap_now();
    fprintf(stderr, "producer: stream %" PRIu32 " for %u\n", memory->stream,
            count);
}

static bool is_reading(const producer *p, const stream_reader *reader)
{
    return reader->state == STREAM_READING &&
           reader->stream == p->memory->stream;
}

/* Find the slowest consumer of this stream. */
static uint32_t find_slowest(const producer *p)
{
    uint32_t slowest = NO_CONSUMER;

    for (unsigned i = 0; i < STREAM_READERS; i++) {
        const stream_reader *reader = &p->memory->readers[i];
        if (is_reading(p, reader) && reader->chunk < slowest)
            slowest = reader->chunk;
    }
    return slowest;
}

/* Drop the consumers that are dead, and the ones that have not moved for too
 * long and keep the others waiting. */
static void drop_lost(const producer *p, uint32_t needed,
                      uint32_t seen[STREAM_READERS],
                      int64_t since[STREAM_READERS])
{
    int64_t patience = SHMAP_S(p->options.seconds);
    int64_t now = shmap_now();

    for (unsigned i = 0; i < STREAM_READERS; i++) {
        stream_reader *reader = &p->memory->readers[i];
        if (!is_reading(p, reader) || reader->chunk >= needed)
            continue;
        if (since[i] == 0 || reader->chunk != seen[i]) {
            seen[i] = reader->chunk;
            since[i] = now;
        }
        if (!stream_is_taken(&reader->holder)) {
            reader->state = STREAM_FREE;
            fprintf(stderr, "producer: consumer %u is gone\n", i);
        } else if (now - since[i] > patience) {
            reader->state = STREAM_EVICTED;
            fprintf(stderr, "producer: consumer %u does not move and is left\n",
                    i);
        }
    }
}

/* Wait until every consumer of this stream has read all chunks before
 * `needed`, or has left. */
static void wait_for_slowest(producer *p, uint32_t needed)
{
    uint32_t seen[STREAM_READERS] = {0};
    int64_t since[STREAM_READERS] = {0};
    int64_t look = shmap_after(LOOK_EVERY);

    while ((p->slowest = find_slowest(p)) < needed) {
        if (shmap_now() >= look) {
            drop_lost(p, needed, seen, since);
            look = shmap_after(LOOK_EVERY);
        } else {
            stream_wait(p->memory, &p->memory->consumed, look);
        }
    }
}

/* What follows is called without the mutex. */

/* Wait until the cell of this chunk is free. A consumer that was dropped may
 * still be reading it; when it looks at its slot afterwards, it sees that it
 * was. */
static void wait_for_cell(producer *p, uint32_t chunk)
{
    uint32_t cells = stream_cells((uint32_t)p->options.chunk_size);

    if (chunk < cells || p->slowest > chunk - cells)
        return;
    stream_lock(p->memory);
    wait_for_slowest(p, chunk - cells + 1);
    stream_unlock(p->memory);
}

/* Count so many chunks as written. */
static void publish(producer *p, uint32_t written)
{
    stream_lock(p->memory);
    p->memory->written = written;
    stream_unlock(p->memory);
    shmap_cond_broadcast(&p->memory->produced);
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

/* Publish the end of the stream for the consumers that have read all of it.
 * Returns how many have verified it. */
static uint32_t publish_end(producer *p, uint64_t bytes, uint64_t checksum)
{
    stream_memory *memory = p->memory;

    memory->bytes = bytes;
    memory->checksum = checksum;
    stream_lock(memory);
    memory->ended = 1;
    shmap_cond_broadcast(&memory->produced);
    /* They leave when they have checked it. */
    wait_for_slowest(p, NO_CONSUMER);
    uint32_t verified = memory->verified;
    stream_unlock(memory);
    return verified;
}

/* Write the chunks of a stream, and its end. False if the source failed. */
static bool write_stream(producer *p, byte_source *source)
{
    stream_memory *memory = p->memory;
    uint32_t chunk_size = (uint32_t)p->options.chunk_size;
    uint32_t cells = stream_cells(chunk_size);
    uint64_t bytes = 0;
    uint64_t checksum = 0;
    uint32_t chunk = 0;
    uint64_t size;

    do {
        wait_for_cell(p, chunk);
        if (p->slowest == NO_CONSUMER)
            return true; /* no consumer is left to read it */

        unsigned char *data =
            memory->data + (size_t)(chunk % cells) * chunk_size;
        stream_cell *cell = &memory->cells[chunk % cells];
        if (!source_read(source, data, chunk_size, &size)) {
            perror(p->options.path);
            return false;
        }
        if (size == 0)
            break;
        if (chunk == NO_CONSUMER - 1) {
            fprintf(stderr, "producer: the chunks are too small for this\n");
            return false;
        }
        uint64_t sum = stream_checksum(data, size);
        cell->size = size;
        cell->checksum = sum;
        publish(p, ++chunk);

        bytes += size;
        checksum = stream_checksum_add(checksum, sum);
        stream_progress("producer", memory->stream, bytes, p->began,
                        &p->printed);
        hold_back(p, bytes);
    } while (size == chunk_size);

    uint32_t verified = publish_end(p, bytes, checksum);
    int64_t ns = shmap_now() - p->began;
    p->verified += verified;
    printf("producer: stream %" PRIu32 ": %" PRIu32 " chunks, %" PRIu64
           " bytes in %.2f s, %.1f MB/s, checksum %016" PRIx64
           ", verified by %" PRIu32 "\n",
           memory->stream, chunk, bytes, (double)ns / 1e9,
           stream_rate(bytes, ns), checksum, verified);
    fflush(stdout);
    return true;
}

/* Stream until a consumer has got all of it and no consumer waits for it. */
static bool produce(producer *p)
{
    uint64_t count = p->options.wait;
    bool more;
    byte_source source;

    do {
        stream_lock(p->memory);
        bool ready = wait_for_consumers(p, count) &&
                     source_open(&source, p->options.path);
        if (ready)
            begin(p);
        stream_unlock(p->memory);
        if (!ready)
            return false;
        bool done = write_stream(p, &source);
        source_close(&source);
        if (!done)
            return false;
        stream_lock(p->memory);
        more = p->verified == 0 || count_waiting(p) > 0;
        stream_unlock(p->memory);
        count = 1;
    } while (more);
    return true;
}

int main(int argc, char **argv)
{
    producer p = {
        .options = {
            .name = "stream", .chunk_size = 65536, .wait = 1, .seconds = 30}};
    byte_source source;
    shmap_view view;

    if (argc < 1 || !parse(&p.options, argv))
        return usage();
    /* Better to know now than when the consumers have come. */
    if (!source_open(&source, p.options.path))
        return EXIT_FAILURE;
    source_close(&source);

    if (!stream_open(&view, p.options.name))
        return EXIT_FAILURE;
    p.memory = view.data;
    bool done = take_over(&p);
    if (done) {
        done = produce(&p);
        shmap_mutex_unlock(&p.memory->producer);
    }
    shmap_view_unmap(&view);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
