/* SPDX-License-Identifier: MIT */

/* Kill storms: a few processes use an object without end, and one after the
 * other is killed: at each stop point inside the library in turn, and at any
 * moment. After each death the others must go on, everything is looked at while
 * they rest, and a new process takes the place of the dead one. Sometimes a
 * second one dies while the others find out about the first.
 *
 * A storm's functions run in two kinds of processes: `work` in the workers, the
 * others in the test's own. All of them report with storm_fail. What a worker
 * is at is in its journal, which is in shared memory, and outlives it.
 *
 * SHMAP_TEST_KILLS is how many die in all programs of storms together, and
 * SHMAP_SOAK=1 makes it twenty times as many; SHMAP_TEST_SEED repeats a run as
 * far as the system's scheduling lets it.
 */
#ifndef SHMAP_TEST_STORM_H
#define SHMAP_TEST_STORM_H

#include "support.h"

#define STORM_WORKERS 4
#define STORM_POINTS  40

/* Into how many storms all kills are divided. */
#define STORMS 8

/* A worker that was killed. */
struct storm_death {
    unsigned slot;
    const char *point; /* where it was stopped, or NULL */
    uint64_t journal[8];
};

struct storm {
    const char *name;
    /* All stop points that the work passes; ends with NULL. One that begins
     * with '?' is not passed on every system, or seldom. */
    const char *const *points;
    size_t size; /* bytes of the data */
    /* The data is fresh and zero. May be NULL. */
    void (*start)(void);
    /* One turn of a worker, which holds nothing before and after. Returns
     * whether it got what it wanted. */
    bool (*work)(void);
    /* A worker has just died. May be NULL. */
    void (*died)(const struct storm_death *death);
    /* Who waits for others is to come back: storm_is_paused. May be NULL, and
     * is called again and again. */
    void (*interrupt)(void);
    /* The others went on after these deaths, and rest now. */
    void (*settled)(const struct storm_death *deaths, size_t count);
    /* Fresh data is needed. May be NULL. */
    bool (*is_used_up)(void);
    /* Without the dead, or with what they took, the others can wait for their
     * deadlines. */
    bool needs_all;
    /* The system tells those who wait of most deaths. */
    bool tells_at_once;
    /* Where threads cannot be told apart, it cannot be. */
    bool needs_locks;
};

/* As test_main, with all the program's storms, ended by NULL. */
int storm_main(int argc, char **argv, const struct storm *const *storms,
               const struct CMUnitTest *tests, size_t test_count);
#define storm_test(test) cmocka_unit_test_teardown(test, storm_clear_up)
int storm_clear_up(void **state);

/* In a test: its share of all kills. */
void storm_run(const struct storm *storm);

/* For the storm's functions. */

extern void *storm_data;
extern const void *storm_mirror; /* the same, mapped for reading */
extern unsigned storm_slot;      /* this worker's */
extern struct dice storm_dice;

/* End the test, or the worker, whose words the test repeats. */
void storm_fail(const char *format, ...) PRINTF_LIKE(1);
#define storm_check(condition)                                       \
    do {                                                             \
        if (!(condition))                                            \
            storm_fail("%s:%d: %s", __FILE__, __LINE__, #condition); \
    } while (0)

/* A stop point of the storm's own. */
void storm_point(const char *point);
/* Take some time, mostly little. */
void storm_dawdle(void);
/* Somebody has been killed, and has not been accounted for yet. */
bool storm_has_killed(void);
/* All workers are to rest. */
bool storm_is_paused(void);
/* Waits are long enough to be awakened only by others; otherwise death costs
 * little time. */
bool storm_is_patient(void);
/* A deadline: by when what does not depend on who died has come. */
int64_t storm_late(void);
/* A deadline that passes soon. */
int64_t storm_soon(void);
/* A second, scaled, if patient; else soon. */
int64_t storm_deadline(void);

/* Who writes this into shared memory is known by it; 0 is nobody. */
uint64_t storm_stamp(void);
/* Whether who wrote this was killed. */
bool storm_is_dead(uint64_t stamp);

/* The journal of a worker. */
uint64_t storm_read_journal(unsigned slot, unsigned entry);
void storm_journal(unsigned entry, uint64_t value); /* this worker's */
bool storm_slot_is_dead(unsigned slot);

#endif
