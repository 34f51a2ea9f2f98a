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
#define LOOK_EVERY (100 * EXAMPLE_MILLISECOND)

typedef struct consumer {
    const char *path; /* NULL: nothing is written */
    FILE *output;
    uint64_t seconds;
    stream_link link;
    stream_memory *memory;
    unsigned reader;         /* which of the slots is ours */
    _Atomic uint64_t *place; /* its word */
    uint64_t number;         /* of the stream */
    uint64_t chunk_size;     /* of this stream */
    uint64_t bytes;          /* read and checked */
    uint64_t checksum;       /* of these */
    bool orphaned;           /* said that the producer is gone */
    int64_t began;
    int64_t printed;
} consumer;

/* How far a step went. */
typedef enum outcome {
    GO_ON,
    DONE,       /* the stream is complete and right */
    START_OVER, /* the producer has changed our place */
    FAILED      /* it was said why */
} outcome;

static int usage(void)
{
    fprintf(stderr, "usage: consumer [--name NAME] [--seconds S] "
                    "[--output FILE]\n");
    return 2;
}

static bool parse(consumer *c, const char **name, char **argument)
{
    const char *value;

    while (*++argument != NULL) {
        if ((value = example_value(&argument, "--name")) != NULL) {
            *name = value;
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
        int result = stream_take_reader(&c->link, i);
        if (result == 0) {
            c->reader = i;
            c->place = &c->memory->readers[i].place;
            atomic_store(c->place, STREAM_WAITING);
            return true;
        }
        if (result != SHMAP_EEXIST) {
            example_failed(c->link.name, result);
            return false;
        }
    }
    fprintf(stderr, "%s: there are too many consumers\n", c->link.name);
    return false;
}

/* Whether what was read at `place` counts: the producer lives on in the same
 * stream as far as we can know, and has not changed our place. */
static bool still_at(const consumer *c, uint64_t place)
{
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load(c->place) == place &&
           atomic_load(&c->memory->current) == stream_number(place);
}

/* Say it once when the producer has gone before the end. */
static void look_for_producer(consumer *c)
{
    if (c->orphaned || c->number == 0)
        return;
    if (stream_is_taken(&c->link, "producer"))
        return;
    c->orphaned = true;
    fprintf(stderr, "consumer %u: the producer is gone; waits for another\n",
            c->reader);
}

/* Sleep a little while `place` is ours and the producer has written nothing
 * else than `written`. */
static outcome wait_for_change(consumer *c, uint64_t place, uint64_t written)
{
    int64_t deadline = shmap_after((int64_t)c->seconds * EXAMPLE_SECOND);
    int64_t look = shmap_after(LOOK_EVERY);
    bool entered = stream_number(place) != 0;

    while (shmap_now() < deadline) {
        if (atomic_load(c->place) != place ||
            (entered &&
             atomic_load(&c->memory->current) != stream_number(place)))
            return START_OVER;
        if (atomic_load(&c->memory->written) != written ||
            (entered && atomic_load(&c->memory->end) == place))
            return GO_ON;
        if (shmap_now() >= look) {
            look_for_producer(c);
            look = shmap_after(LOOK_EVERY);
        }
        example_pause();
    }
    fprintf(stderr, "consumer %u: nothing came for %" PRIu64 " seconds\n",
            c->reader, c->seconds);
    return FAILED;
}

/* Wait until the producer has let us into its stream. */
static bool wait_for_stream(consumer *c)
{
    for (;;) {
        uint64_t place = atomic_load(c->place);
        if (stream_number(place) != 0 && stream_chunk(place) == 0 &&
            atomic_load(&c->memory->current) == stream_number(place))
            return true;
        if (place != STREAM_WAITING) {
            atomic_compare_exchange_strong(c->place, &place, STREAM_WAITING);
            continue;
        }
        /* As long as the producer writes for others, it is worth waiting. */
        uint64_t written = atomic_load(&c->memory->written);
        if (wait_for_change(c, place, written) == FAILED)
            return false;
    }
}

/* Begin to read the stream that we have been let into. */
static outcome begin(consumer *c, uint64_t place)
{
    c->number = stream_number(place);
    c->chunk_size = atomic_load(&c->memory->chunk_size);
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
            return FAILED;
        }
    }
    if (!still_at(c, place))
        return START_OVER;
    if (c->chunk_size == 0 || c->chunk_size > STREAM_DATA_SIZE / 2) {
        fprintf(stderr, "consumer %u: the chunk size is wrong\n", c->reader);
        return FAILED;
    }
    fprintf(stderr, "consumer %u: stream %" PRIu64 "\n", c->reader, c->number);
    return GO_ON;
}

/* Read the chunk at `place`, check it, and go on to the next. */
static outcome read_chunk(consumer *c, uint64_t place)
{
    stream_memory *memory = c->memory;
    uint64_t index = stream_chunk(place) % stream_cells(c->chunk_size);
    const unsigned char *data = memory->data + index * c->chunk_size;
    uint64_t size = atomic_load(&memory->cells[index].size);
    uint64_t expected = atomic_load(&memory->cells[index].checksum);
    bool fits = size <= c->chunk_size;
    uint64_t sum = fits ? stream_checksum(data, size) : 0;

    if (!still_at(c, place))
        return START_OVER;
    if (!fits || sum != expected) {
        fprintf(stderr,
                "consumer %u: stream %" PRIu64 ": chunk %" PRIu64 " is wrong\n",
                c->reader, c->number, stream_chunk(place));
        return FAILED;
    }
    if (c->output != NULL && fwrite(data, 1, (size_t)size, c->output) != size) {
        perror(c->path);
        return FAILED;
    }
    /* The cell may be written again from here on. */
    if (!atomic_compare_exchange_strong(c->place, &place, place + 1))
        return START_OVER;

    c->bytes += size;
    c->checksum = stream_checksum_add(c->checksum, sum);
    return GO_ON;
}

/* Check the whole, tell the producer, and leave the stream. */
static outcome finish(consumer *c, uint64_t place)
{
    stream_memory *memory = c->memory;
    uint64_t bytes = atomic_load(&memory->bytes);
    uint64_t checksum = atomic_load(&memory->checksum);
    int64_t ns = shmap_now() - c->began;

    if (!still_at(c, place))
        return START_OVER;
    if (bytes != c->bytes || checksum != c->checksum) {
        fprintf(stderr, "consumer %u: stream %" PRIu64 ": it is not complete\n",
                c->reader, c->number);
        return FAILED;
    }
    if (c->output != NULL && fflush(c->output) != 0) {
        perror(c->path);
        return FAILED;
    }

    uint64_t verified = atomic_load(&memory->verified);
    while (stream_number(verified) == c->number)
        if (atomic_compare_exchange_weak(&memory->verified, &verified,
                                         verified + 1))
            break;
    printf("consumer %u: stream %" PRIu64 ": %" PRIu64 " chunks, %" PRIu64
           " bytes in %.2f s, %.1f MB/s, checksum %016" PRIx64 " verified\n",
           c->reader, c->number, stream_chunk(place), c->bytes,
           (double)ns / 1e9, stream_rate(c->bytes, ns), c->checksum);
    return DONE;
}

/* Read one stream from its first chunk to its last. */
static outcome read_stream(consumer *c)
{
    char who[32];
    uint64_t place = atomic_load(c->place);
    outcome result = stream_number(place) != 0 && stream_chunk(place) == 0
                         ? begin(c, place)
                         : START_OVER;

    snprintf(who, sizeof who, "consumer %u", c->reader);
    while (result == GO_ON) {
        uint64_t written = atomic_load(&c->memory->written);
        if (atomic_load(&c->memory->end) == place) {
            result = finish(c, place);
        } else if (stream_number(written) == c->number &&
                   stream_chunk(written) > stream_chunk(place)) {
            result = read_chunk(c, place++);
            stream_progress(who, c->number, c->bytes, c->began, &c->printed);
        } else {
            result = wait_for_change(c, place, written);
        }
    }
    return result;
}

/* Read streams until one was complete. */
static bool consume(consumer *c)
{
    for (;;) {
        if (!wait_for_stream(c))
            return false;
        outcome result = read_stream(c);
        if (result != START_OVER)
            return result == DONE;
        fprintf(stderr, "consumer %u: starts over\n", c->reader);
    }
}

int main(int argc, char **argv)
{
    const char *name = "stream";
    consumer c = {.seconds = 30};

    if (argc < 1 || !parse(&c, &name, argv))
        return usage();
    if (!stream_open(&c.link, name))
        return EXIT_FAILURE;
    c.memory = c.link.memory;

    bool done = false;
    if (enter(&c)) {
        done = consume(&c);
        atomic_store(c.place, 0);
    }
    if (c.output != NULL && fclose(c.output) != 0)
        done = false;
    stream_close(&c.link);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
