/* SPDX-License-Identifier: MIT */

/* What bench_handover.c compares shmap with: memory without a name, handed over
 * by the system's own calls, as a program without a library would write it, or
 * by another library.
 */
#ifndef BENCH_HANDOVER_H
#define BENCH_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory, and what is handed over of it. */
typedef struct bench_memory {
    intptr_t native; /* for reading and writing */
    intptr_t given;  /* what others get, if that is not made for each */
    size_t size;
    bool for_reading; /* others can only read */
} bench_memory;

/* Make memory that has all its pages, the first of them touched. If it is for
 * others' reading, nobody who gets it can write to it. Returns 0 or -1, as all
 * of these. */
int bench_memory_make(bench_memory *memory, size_t size, bool for_reading);

/* Zeroed is fine. */
void bench_memory_free(bench_memory *memory);

/* What carries memory, with both ends in this process. */
int bench_channel_open(intptr_t ends[2]);
void bench_channel_close(const intptr_t ends[2]);

/* This process's number. */
int64_t bench_process_id(void);

/* Hand over, and take what came: map it, touch a page, unmap, close. Through a
 * channel; and by the numbers of a process, here this one, and of what it has.
 */
int bench_raw_send(const bench_memory *memory, const intptr_t ends[2]);
int bench_raw_reach(const bench_memory *memory);

/* Map it for writing, touch a page, unmap. */
int bench_raw_map(const bench_memory *memory);

/* A way of handing memory to children, which inherit it. A process has one such
 * memory of each giver at a time. */
typedef struct bench_giver {
    const char *name;
    /* Make memory and map all of it. Returns its first byte, or NULL. `unmake`
     * lets go. */
    void *(*make)(size_t size);
    void (*unmake)(void);
    /* Write what a child is told, of letters, digits and ":+./_-". Only those
     * children inherit the memory that are started until `withdraw`. */
    int (*offer)(char *token, size_t size);
    void (*withdraw)(void);
    /* In the child: find the memory, and map all of it. `size` is only for
     * those that cannot tell it. `drop` lets go. */
    void *(*take)(const char *token, size_t size);
    void (*drop)(void);
} bench_giver;

extern const bench_giver bench_raw_giver;

/* If it was there when this was built. */
extern const bench_giver bench_nspr_giver;

#endif
