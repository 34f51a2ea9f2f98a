/* SPDX-License-Identifier: MIT */

/* Puppets that call synchronisation objects, for programs that call
 * calls_enable.
 *
 * A stage is a region that the test and its puppets share. Objects are at the
 * offsets that the test chooses. The puppets know these commands, in which MS
 * are milliseconds until the deadline, not scaled: -1 is SHMAP_FOREVER, and 0
 * is the deadline 0:
 *
 *     share NAME [read]            map the stage
 *     event_set AT, event_reset AT
 *     event_wait AT MS, event_take AT MS
 *     semaphore_init AT VALUE
 *     semaphore_post AT COUNT, semaphore_wait AT MS
 *     mutex_lock AT MS, mutex_unlock AT, mutex_consistent AT
 *     cond_wait AT MUTEX_AT MS     until the 64-bit number behind it is not 0
 *     cond_signal AT, cond_broadcast AT       which these add 1 to before
 *     barrier_wait AT PARTIES MS
 *     record_write AT SIZE         value_fill with the next version
 *     record_read AT SIZE          `value` is the version
 *     record_wait AT VERSION MS
 *     semaphore_waits AT COUNT MS  so many waits, each afresh as to spinning
 *     use_one_processor WHICH
 */
#ifndef SHMAP_TEST_CALLS_H
#define SHMAP_TEST_CALLS_H

#include "support.h"

struct stage {
    char name[NAME_ROOM];
    shmap_region *region;
    shmap_view view;
};

/* A region of that many zeroed bytes. label: usually __func__. */
void stage_make(struct stage *stage, const char *label, size_t size);
/* The object at an offset. */
void *stage_at(const struct stage *stage, size_t at);
void stage_end(struct stage *stage);

/* In a role: map a stage, also for reading only. Returns its first byte. */
void *stage_join(const char *name, int access);

/* Call it before test_main, and after stops_enable. */
void calls_enable(void);

/* A puppet that shares the stage. */
struct child *caller_start(const struct stage *stage);
struct child *caller_start_reader(const struct stage *stage);

/* What became of a call. */
struct called {
    int code;
    int64_t began; /* shmap_now() before and after */
    int64_t ended;
    int64_t cpu_us;  /* that the process used between */
    bool early;      /* timed out before its deadline */
    uint64_t value;  /* that was read */
    bool value_torn; /* it was not one value */
};

/* Give a command, and wait for the result of it or of one that was given with
 * child_tell. */
struct called call(struct child *caller, const char *format, ...)
    PRINTF_LIKE(2);
struct called call_result(struct child *caller);

#define call_do(...) assert_code(call(__VA_ARGS__).code, 0)

/* Milliseconds. */
int64_t called_ms(const struct called *called);

/* How many are registered as waiting. */
unsigned waiters_count(const shmap_waiters *waiters);

/* The number behind a cond. */
uint64_t *cond_number(shmap_cond *cond);

/* Values of records, of which every byte follows from the version. */
void value_fill(void *value, size_t size, uint64_t version);
bool value_is(const void *value, size_t size, uint64_t version);

/* A record with room for a value, to be freed, in whatever memory. */
shmap_record *record_make(size_t size);

/* The moment after so many milliseconds, scaled. */
int64_t deadline_ms(int64_t ms);

/* Microseconds of processor time that this process used. */
int64_t cpu_us(void);

#endif
