/* SPDX-License-Identifier: MIT */

/* Reads a producer's stream, checks every chunk of it and the whole, and ends.
 * May be started before the producer or after it, any number of times. See
 * stream.h for the rules.
 *
 *     consumer [--name NAME] [--seconds S] [--output FILE]
 *
 * --name     of the region; default "stream"
 * --seconds  give up when nothing comes for so long; default 30
 * --output   write what comes to this file
 *
 * Ends with 0 after one complete stream whose checksums are right; with 1 on
 * any failure; with 2 if the command line is wrong. If the producer is killed,
 * it waits for the next one and starts over. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <shmap.h>

#include "example.h"
#include "stream.h"

/* A dead producer is looked for this often while the consumer waits. */
#define LOOK_EVERY SHMAP_MS(100)

typedef struct consumer {
    const char *name;
    const char *path; /* NULL: nothing is written */
    FILE *output;
    uint64_t seconds;
    stream_memory *memory;
    unsigned number;       /* of our slot */
    stream_reader *reader; /* which is this */
    uint32_t stream;       /* that we are in, or were in last */
    uint32_t chunk;        /* that we are going to read */
    uint32_t chunk_size;   /* of this stream */
    uint64_t bytes;        /* read and checked */
    uint64_t checksum;     /* of these */
    bool orphaned;         /* said that the producer is gone */
    int64_t began;
    int64_t printed;
} consumer;

/* How far a step went. */
typedef enum outcome {
    GO_ON,
    DONE,       /* the stream is complete and right */
    START_OVER, /* we are out of the stream */
    FAILED      /* it was said why */
} outcome;

static int usage(void)
{
    fprintf(stderr, "usage: consumer [--name NAME] [--seconds S] "
                    "[--output FILE]\n");
    return 2;
}

static bool parse(consumer *c, char **argument)
{
    const char *value;

    while (*++argument != NULL) {
        if ((value = example_value(&argument, "--name")) != NULL) {
            c->name = value;
        } else if ((value = example_value(&argument, "--seconds")) != NULL) {
            if (!example_number(value, 1, 1000000, &c->seconds))
                return false;
        } else if ((value = example_value(&argument, "--output")) != NULL) {
            c->path = value;
        } else {
            return false;
        }
    }
    return true;
}

/* Take a reader slot. */
static bool enter(consumer *c)
{
    for (unsigned i = 0; i < STREAM_READERS; i++) {
        int result = stream_take(&c->memory->readers[i].holder, 0);
        if (result == 0) {
            c->number = i;
            c->reader = &c->memory->readers[i];
            stream_lock(c->memory);
            c->reader->state = STREAM_FREE; /* whatever a dead one left */
            stream_unlock(c->memory);
            return true;
        }
        if (result != SHMAP_ETIMEDOUT) {
            example_failed(c->name, result);
            return false;
        }
    }
    fprintf(stderr, "%s: there are too many consumers\n", c->name);
    return false;
}

/* What follows, up to the next such line, is called with the mutex. */

/* Whether a producer has let us into the stream of this number, which is not
 * over. */
static bool is_in(const consumer *c, uint32_t stream)
{
    return c->reader->state == STREAM_READING && c->reader->stream == stream &&
           c->memory->stream == stream;
}

/* Say what we want from now on. */
static void set_state(const consumer *c, uint32_t state)
{
    c->reader->state = state;
    shmap_cond_signal(&c->memory->consumed);
}

/* Say it once when the producer has gone before the end. */
static void look_for_producer(consumer *c)
{
    if (c->orphaned || c->stream == 0 || stream_is_taken(&c->memory->producer))
        return;
    c->orphaned = true;
    fprintf(stderr, "consumer %u: the producer is gone; waits for another\n",
            c->number);
}

/* Wait until the producer has done something since it was in this stream and
 * had written so much. False if that takes too long. */
static bool wait_for_news(consumer *c, uint32_t stream, uint32_t written)
{
    const stream_memory *memory = c->memory;
    int64_t deadline = shmap_after(SHMAP_S(c->seconds));

    while (memory->stream == stream && memory->written == written &&
           !(memory->ended && is_in(c, stream))) {
        if (shmap_now() >= deadline) {
            fprintf(stderr,
                    "consumer %u: nothing came for %" PRIu64 " seconds\n",
                    c->number, c->seconds);
            return false;
        }
        stream_wait(c->memory, &c->memory->produced, shmap_after(LOOK_EVERY));
        look_for_producer(c);
    }
    return true;
}

/* Wait until there is a chunk to read, or the end. */
static outcome wait_for_chunk(consumer *c)
{
    const stream_memory *memory = c->memory;

    while (is_in(c, c->stream)) {
        if (memory->written > c->chunk)
            return GO_ON;
        if (memory->ended)
            return DONE;
        if (!wait_for_news(c, c->stream, memory->written))
            return FAILED;
    }
    return START_OVER;
}

/* Wait until a producer has let us into a stream other than the one we were in,
 * and note what that is like. */
static bool wait_for_stream(consumer *c)
{
    const stream_memory *memory = c->memory;

    while (memory->stream == c->stream || !is_in(c, memory->stream)) {
        if (c->reader->state != STREAM_WAITING)
            set_state(c, STREAM_WAITING);
        /* As long as the producer writes for others, it is worth waiting. */
        if (!wait_for_news(c, memory->stream, memory->written))
            return false;
    }
    c->stream = memory->stream;
    c->chunk = 0;
    c->chunk_size = memory->chunk_size;
    return true;
}

/* What follows is called without the mutex. */

/* Begin to read the stream that we have been let into. */
static bool begin(consumer *c)
{
    c->bytes = 0;
    c->checksum = 0;
    c->orphaned = false;
    c->began = c->printed = shmap_now();
    if (c->path != NULL) {
        if (c->output != NULL)
            fclose(c->output);
        c->output = fopen(c->path, "wb");
        if (c->output == NULL) {
            perror(c->path);
            return false;
        }
    }
    if (c->chunk_size == 0 || c->chunk_size > STREAM_DATA_SIZE / 2) {
        fprintf(stderr, "consumer %u: the chunk size is wrong\n", c->number);
        return false;
    }
    fprintf(stderr, "consumer %u: stream %" PRIu32 "\n", c->number, c->stream);
    return true;
}

/* Count the chunk as read, if it counts: we were in the stream until now. The
 * cell may be written again from here on. */
static bool count_chunk(consumer *c)
{
    stream_lock(c->memory);
    bool in = is_in(c, c->stream);
    if (in)
        c->reader->chunk = ++c->chunk;
    stream_unlock(c->memory);
    shmap_cond_signal(&c->memory->consumed);
    return in;
}

/* Read the next chunk and check it. */
static outcome read_chunk(consumer *c)
{
    uint32_t index = c->chunk % stream_cells(c->chunk_size);
    const unsigned char *data = c->memory->data + (size_t)index * c->chunk_size;
    uint64_t size = c->memory->cells[index].size;
    uint64_t expected = c->memory->cells[index].checksum;
    bool right =
        size <= c->chunk_size && stream_checksum(data, size) == expected;

    if (right && c->output != NULL &&
        fwrite(data, 1, (size_t)size, c->output) != size) {
        perror(c->path);
        return FAILED;
    }
    if (!count_chunk(c))
        return START_OVER;
    if (!right) {
        fprintf(stderr,
                "consumer %u: stream %" PRIu32 ": chunk %" PRIu32 " is wrong\n",
                c->number, c->stream, c->chunk - 1);
        return FAILED;
    }
    c->bytes += size;
    c->checksum = stream_checksum_add(c->checksum, expected);
    return GO_ON;
}

/* Check the whole, tell the producer, and leave the stream. */
static outcome finish(consumer *c)
{
    stream_memory *memory = c->memory;
    uint64_t bytes = memory->bytes;
    uint64_t checksum = memory->checksum;
    int64_t ns = shmap_now() - c->began;
    bool right = bytes == c->bytes && checksum == c->checksum;

    if (c->output != NULL && fflush(c->output) != 0) {
        perror(c->path);
        return FAILED;
    }
    stream_lock(memory);
    bool in = is_in(c, c->stream);
    if (in && right)
        memory->verified++;
    if (in)
        set_state(c, STREAM_FREE);
    stream_unlock(memory);
    if (!in)
        return START_OVER;
    if (!right) {
        fprintf(stderr, "consumer %u: stream %" PRIu32 ": it is not complete\n",
                c->number, c->stream);
        return FAILED;
    }
    printf("consumer %u: stream %" PRIu32 ": %" PRIu32 " chunks, %" PRIu64
           " bytes in %.2f s, %.1f MB/s, checksum %016" PRIx64 " verified\n",
           c->number, c->stream, c->chunk, c->bytes, (double)ns / 1e9,
           stream_rate(c->bytes, ns), c->checksum);
    return DONE;
}

/* Read one stream from its first chunk to its last. */
static outcome read_stream(consumer *c)
{
    char title[32];
    outcome result = begin(c) ? GO_ON : FAILED;

    snprintf(title, sizeof title, "consumer %u", c->number);
    while (result == GO_ON) {
        stream_lock(c->memory);
        result = wait_for_chunk(c);
        stream_unlock(c->memory);
        if (result == GO_ON)
            result = read_chunk(c);
        else if (result == DONE)
            return finish(c);
        stream_progress(title, c->stream, c->bytes, c->began, &c->printed);
    }
    return result;
}

/* Read streams until one was complete. */
static bool consume(consumer *c)
{
    outcome result = START_OVER;

    while (result == START_OVER) {
        stream_lock(c->memory);
        bool entered = wait_for_stream(c);
        stream_unlock(c->memory);
        result = entered ? read_stream(c) : FAILED;
        if (result == START_OVER)
            fprintf(stderr, "consumer %u: starts over\n", c->number);
    }
    return result == DONE;
}

int main(int argc, char **argv)
{
    consumer c = {.name = "stream", .seconds = 30};
    shmap_view view;

    if (argc < 1 || !parse(&c, argv))
        return usage();
    if (!stream_open(&view, c.name))
        return EXIT_FAILURE;
    c.memory = view.data;

    bool done = false;
    if (enter(&c)) {
        done = consume(&c);
        stream_lock(c.memory);
        set_state(&c, STREAM_FREE);
        stream_unlock(c.memory);
        shmap_mutex_unlock(&c.reader->holder);
    }
    if (c.output != NULL && fclose(c.output) != 0)
        done = false;
    shmap_view_unmap(&view);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
