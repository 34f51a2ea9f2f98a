/* SPDX-License-Identifier: MIT */

/* What synchronisation costs: alone, between two processes, and when one of
 * them dies, by shmap, by the system's own calls, and by other libraries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare.h"
#include "runner.h"
#include "shmap.h"
#include "sync.h"
#include "sync_pair.h"

/* One process, and nobody waits */

enum { LINE = 128, SMALL_VALUE = 64, LARGE_VALUE = 4096 };

/* Everything that is used alone, in memory of this process: what it costs is
 * the same. Large enough that each is in lines of its own. */
static union {
    shmap_event event;
    shmap_semaphore semaphore;
    shmap_rwlock rwlock;
    uint32_t word;
    uint64_t number;
    SHMAP_ALIGN8 unsigned char bytes[1024];
} alone[4];

static int event_inline(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        bench_bare_event_set(&alone[0].word);
        failed |= !bench_bare_event_is_set(&alone[0].word);
    }
    return failed;
}

static int event_called(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        bench_called_event_set(&alone[0].word);
        failed |= !bench_called_event_is_set(&alone[0].word);
    }
    return failed;
}

static int event_shmap(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        failed |= shmap_event_set(&alone[1].event);
        failed |= shmap_event_wait(&alone[1].event, SHMAP_FOREVER);
    }
    return failed;
}

static int semaphore_inline(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        bench_bare_semaphore_post(&alone[0].word);
        failed |= !bench_bare_semaphore_take(&alone[0].word);
    }
    return failed;
}

static int semaphore_called(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        bench_called_semaphore_post(&alone[0].word);
        failed |= !bench_called_semaphore_take(&alone[0].word);
    }
    return failed;
}

static int semaphore_shmap(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        failed |= shmap_semaphore_post(&alone[2].semaphore, 1);
        failed |= shmap_semaphore_wait(&alone[2].semaphore, SHMAP_FOREVER);
    }
    return failed;
}

static int read_lock_inline(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        failed |= !bench_bare_read_lock(&alone[0].number);
        bench_bare_read_unlock(&alone[0].number);
    }
    return failed;
}

static int read_lock_called(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        failed |= !bench_called_read_lock(&alone[0].number);
        bench_called_read_unlock(&alone[0].number);
    }
    return failed;
}

static int read_lock_shmap(void *context, int64_t parts[RUNNER_PARTS])
{
    int failed = 0;

    (void)context, (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++) {
        failed |= shmap_rwlock_read_lock(&alone[3].rwlock, SHMAP_FOREVER);
        failed |= shmap_rwlock_unlock(&alone[3].rwlock);
    }
    return failed;
}

/* The baselines leave their words as they found them, but for the event's. */
static int begin_bare(void *context)
{
    (void)context;
    alone[0].number = 0;
    return 0;
}

static const runner_case event_cases[] = {
    {"bare-called", NULL, begin_bare, NULL, event_called},
    {"bare-inline", NULL, NULL, NULL, event_inline},
    {"shmap", NULL, NULL, NULL, event_shmap},
};

static const runner_case semaphore_cases[] = {
    {"bare-called", NULL, begin_bare, NULL, semaphore_called},
    {"bare-inline", NULL, NULL, NULL, semaphore_inline},
    {"shmap", NULL, NULL, NULL, semaphore_shmap},
};

static const runner_case read_lock_cases[] = {
    {"bare-called", NULL, begin_bare, NULL, read_lock_called},
    {"bare-inline", NULL, NULL, NULL, read_lock_inline},
    {"shmap", NULL, NULL, NULL, read_lock_shmap},
};

/* Records that nobody writes meanwhile */

static union {
    shmap_record record;
    SHMAP_ALIGN8 unsigned char space[SHMAP_RECORD_SIZE(LARGE_VALUE)];
} records[2];

static const size_t record_sizes[2] = {SMALL_VALUE, LARGE_VALUE};
static unsigned char sources[2][LARGE_VALUE];
static SHMAP_ALIGN8 unsigned char target[LARGE_VALUE];

/* `context` is one of record_sizes. */
static size_t record_index(const void *context)
{
    return (size_t)((const size_t *)context - record_sizes);
}

static int copy(void *context, int64_t parts[RUNNER_PARTS])
{
    size_t index = record_index(context);

    (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++)
        bench_called_copy(target, sources[index], record_sizes[index]);
    return 0;
}

static int begin_read(void *context)
{
    size_t index = record_index(context);

    return shmap_record_write(&records[index].record, sources[index],
                              record_sizes[index]);
}

static int read_record(void *context, int64_t parts[RUNNER_PARTS])
{
    size_t index = record_index(context);
    uint64_t version;
    int failed = 0;

    (void)parts;
    for (int i = 0; i < PAIR_LOCKS; i++)
        failed |= shmap_record_read(&records[index].record, target,
                                    record_sizes[index], &version);
    return failed;
}

#define CONTEXT(index) ((void *)(uintptr_t)&record_sizes[index])

static const runner_case read_small_cases[] = {
    {"memcpy", CONTEXT(0), NULL, NULL, copy},
    {"shmap", CONTEXT(0), begin_read, NULL, read_record},
};

static const runner_case read_large_cases[] = {
    {"memcpy", CONTEXT(1), NULL, NULL, copy},
    {"shmap", CONTEXT(1), begin_read, NULL, read_record},
};

static pair write_bare;
static pair write_bare_read = {.job = "read-bare"};
static pair write_record;
static pair write_record_read = {.job = "read"};

static const runner_case write_cases[] = {
    {"bare", &write_bare, pair_begin, pair_end, pair_run_write_bare},
    {"bare-with-reader", &write_bare_read, pair_begin, pair_end,
     pair_run_write_bare},
    {"shmap", &write_record, pair_begin, pair_end, pair_run_write},
    {"shmap-with-reader", &write_record_read, pair_begin, pair_end,
     pair_run_write},
};

/* Two processes */

static const bench_lock *const peer_locks[] = {
#ifdef BENCH_APR_SYNC
    &bench_apr_lock,
#endif
#ifdef BENCH_BOOST_SYNC
    &bench_boost_lock,
#endif
#ifdef BENCH_NSPR_SYNC
    &bench_nspr_lock,
#endif
#ifdef BENCH_QT_SYNC
    &bench_qt_lock,
#endif
    NULL,
};

static const bench_signal *const peer_signals[] = {
#ifdef BENCH_BOOST_SYNC
    &bench_boost_signal,
    &bench_boost_condition,
#endif
#ifdef BENCH_NSPR_SYNC
    &bench_nspr_signal,
#endif
#ifdef BENCH_QT_SYNC
    &bench_qt_signal,
#endif
    NULL,
};

enum { CASES = 16 };

/* A group's cases, made of lists. */
typedef struct table {
    size_t count;
    runner_case cases[CASES];
    pair pairs[CASES];
} table;

typedef int table_run(void *context, int64_t parts[RUNNER_PARTS]);

static void add(table *to, const bench_lock *lock, const bench_signal *signal,
                const char *job, table_run *run)
{
    size_t at = to->count++;

    to->pairs[at].lock = lock;
    to->pairs[at].signal = signal;
    to->pairs[at].job = job;
    to->cases[at] = (runner_case){lock != NULL ? lock->name : signal->name,
                                  &to->pairs[at], pair_begin, pair_end, run};
}

static void add_locks(table *to, const bench_lock *const *locks,
                      const char *job, table_run *run)
{
    for (; *locks != NULL; locks++)
        if (run != pair_run_recovery || (*locks)->robust)
            add(to, *locks, NULL, job, run);
}

static void add_signals(table *to, const bench_signal *const *signals,
                        const char *job, table_run *run)
{
    for (; *signals != NULL; signals++)
        add(to, NULL, *signals, job, run);
}

static table lock_table;
static table contention_table;
static table turns_table;
static table asleep_table;
static table pair_table;
static table wait_table;
static table recovery_table;
static table untold_table;

static void fill_tables(void)
{
    add_locks(&lock_table, bench_raw_locks, NULL, pair_run_lock);
    add_locks(&lock_table, bench_shmap_locks, NULL, pair_run_lock);
    add_locks(&lock_table, peer_locks, NULL, pair_run_lock);

    add_locks(&contention_table, bench_raw_locks, "contend",
              pair_run_contention);
    add_locks(&contention_table, bench_shmap_locks, "contend",
              pair_run_contention);
    add_locks(&contention_table, peer_locks, "contend", pair_run_contention);

    add_signals(&turns_table, bench_spinning_signals, "answer", pair_run_turns);
    add_signals(&turns_table, bench_shmap_spinning_signals, "answer",
                pair_run_turns);

    add_signals(&asleep_table, bench_sleeping_signals, "answer",
                pair_run_turns);
    add_signals(&asleep_table, bench_shmap_sleeping_signals, "answer",
                pair_run_turns);
    add_signals(&asleep_table, peer_signals, "answer", pair_run_turns);

    add_signals(&pair_table, bench_sleeping_signals, "answer", pair_run_turns);
    add_signals(&pair_table, bench_spinning_signals, "answer", pair_run_turns);
    add_signals(&pair_table, bench_shmap_spinning_signals, "answer",
                pair_run_turns);

    add_signals(&wait_table, bench_sleeping_signals, "answer-late",
                pair_run_wait);
    add_signals(&wait_table, bench_shmap_sleeping_signals, "answer-late",
                pair_run_wait);
    add_signals(&wait_table, bench_shmap_spinning_signals, "answer-late",
                pair_run_wait);
    add_signals(&wait_table, bench_shmap_new_signals, "answer-late",
                pair_run_wait);
    add_signals(&wait_table, bench_spinning_signals, "answer-late",
                pair_run_wait);

    add_locks(&recovery_table, bench_raw_locks, "queue", pair_run_recovery);
    add_locks(&recovery_table, bench_shmap_locks, "queue", pair_run_recovery);
    add_locks(&recovery_table, peer_locks, "queue", pair_run_recovery);

    add_locks(&untold_table, bench_shmap_untold_locks, "queue",
              pair_run_recovery);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static runner_group groups[] = {
    {
        .name = "mutex",
        .title = "Lock and unlock a mutex that nobody else wants",
        .goal = "shmap at most 1.10, and the time of a non-robust one if that "
                "can be reached; Windows: at most 0.01",
        .parts = {"all"},
        .rounds = 501,
        .batch = 4,
        .loops = PAIR_LOCKS,
        .cases = lock_table.cases,
    },
    {
        .name = "contention",
        .title = "Lock, add one, and unlock, by two processes that do nothing "
                 "else: the time per lock of either",
        .goal = "shmap at most 1.00, and the time of a non-robust one if that "
                "can be reached",
        .parts = {NULL, "A lock of either"},
        .rounds = 151,
        .batch = 1,
        .loops = PAIR_LOCKS,
        .cases = contention_table.cases,
    },
    {
        .name = "event",
        .title = "Set an event and wait for it; bare is an exchange and a load",
        .goal = "shmap at most 1.20",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 4,
        .loops = PAIR_LOCKS,
        .cases = event_cases,
        .count = COUNT(event_cases),
    },
    {
        .name = "semaphore",
        .title = "Post to a semaphore and wait for it; bare is an addition and "
                 "a compare-and-swap",
        .goal = "shmap at most 1.20",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 4,
        .loops = PAIR_LOCKS,
        .cases = semaphore_cases,
        .count = COUNT(semaphore_cases),
    },
    {
        .name = "read-lock",
        .title = "Lock for reading and unlock; bare is a compare-and-swap and "
                 "an exchange",
        .goal = "shmap at most 1.20",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 4,
        .loops = PAIR_LOCKS,
        .cases = read_lock_cases,
        .count = COUNT(read_lock_cases),
    },
    {
        .name = "turns-spinning",
        .title = "There and back between two processes that look for a while "
                 "before they sleep",
        .goal = "shmap at most 0.5 us",
        .parts = {"all"},
        .rounds = 301,
        .batch = 4,
        .loops = PAIR_TURNS,
        .cases = turns_table.cases,
    },
    {
        .name = "turns-asleep",
        .title = "There and back between two processes that sleep at once",
        .goal = "shmap-event-asleep and shmap-semaphore-asleep at most 1.05",
        .parts = {"all"},
        .rounds = 101,
        .batch = 1,
        .loops = PAIR_TURNS,
        .cases = asleep_table.cases,
    },
    {
        .name = "pair",
        .title = "There and back between two processes, by the ways of both "
                 "tables above",
        .goal = "shmap at most 1.10 where they share a processor",
        .parts = {"all"},
        .rounds = 51,
        .batch = 2,
        .loops = PAIR_TURNS,
        .cases = pair_table.cases,
    },
    {
        .name = "wait-cost",
        .title = "Processor time of waiting for what comes after a "
                 "millisecond, one wait after the other",
        .parts = {NULL, "A wait"},
        .rounds = 31,
        .batch = 1,
        .loops = PAIR_WAITS,
        .cases = wait_table.cases,
    },
    {
        .name = "record-read-64",
        .title = "Read a record of 64 bytes",
        .goal = "shmap at most 30 ns",
        .parts = {"all"},
        .rounds = 1001,
        .batch = 4,
        .loops = PAIR_LOCKS,
        .cases = read_small_cases,
        .count = COUNT(read_small_cases),
    },
    {
        .name = "record-read-4096",
        .title = "Read a record of 4 KiB",
        .goal = "shmap at most 1.25, which is 0.8 times the throughput",
        .parts = {"all"},
        .bytes = LARGE_VALUE,
        .rounds = 1001,
        .batch = 4,
        .loops = PAIR_LOCKS,
        .cases = read_large_cases,
        .count = COUNT(read_large_cases),
    },
    {
        .name = "record-write",
        .title = "Write a record of 64 bytes, also while another process reads "
                 "it all the time; bare is two values and a number",
        .goal = "a reader slows shmap by the cache's traffic only",
        .parts = {NULL, "A write"},
        .rounds = 501,
        .batch = 1,
        .loops = PAIR_LOCKS,
        .cases = write_cases,
        .count = COUNT(write_cases),
    },
    {
        .name = "recovery",
        .title = "From the kill of a lock's owner until one who waits for it "
                 "has it",
        .parts = {NULL, "From the kill to the lock"},
        .rounds = 401,
        .batch = 1,
        .tail = true,
        .cases = recovery_table.cases,
    },
    {
        .name = "recovery-untold",
        .title = "The same, where the system tells nobody of the death and it "
                 "is found by looking",
        .parts = {NULL, "From the kill to the lock"},
        .rounds = 31,
        .batch = 1,
        .tail = true,
        .cases = untold_table.cases,
    },
};

static const table *const tables[] = {
    &lock_table, &contention_table, &turns_table,    &asleep_table,
    &pair_table, &wait_table,       &recovery_table, &untold_table,
};

/* The counts of the tables that were filled. */
static void fill_groups(void)
{
    for (size_t i = 0; i < COUNT(groups); i++)
        for (size_t j = 0; j < COUNT(tables); j++)
            if (groups[i].cases == tables[j]->cases)
                groups[i].count = tables[j]->count;
}

static const pair *find(const table *in, const char *name)
{
    for (size_t i = 0; i < in->count; i++)
        if (strcmp(in->cases[i].name, name) == 0)
            return &in->pairs[i];
    return NULL;
}

/* Locks and signals may have the same name: the job tells which it is. */
int bench_partner_main(const char *way, const char *name, const char *job)
{
    bool answers = strncmp(job, "answer", 6) == 0;
    const pair *found = find(answers ? &asleep_table : &contention_table, way);
    pair own = {0};

    if (bench_partner_pinning != BENCH_PIN_LATE)
        bench_partner_pin(1);
    if (found == NULL)
        found = find(answers ? &wait_table : &untold_table, way);
    if (found == NULL && strncmp(job, "read", 4) != 0)
        return 2;
    if (found != NULL) {
        own.lock = found->lock;
        own.signal = found->signal;
    }
    own.job = job;
    snprintf(own.name, sizeof own.name, "%s", name);
    return pair_partner(&own);
}

/* A process that was killed was forked while there were other pairs' regions,
 * too, and so was their last holder. */
static void reap(const pair *one)
{
    if (one->name[0] != '\0')
        shmap_region_reap(one->name, NULL, NULL);
}

static void reap_all(void)
{
    reap(&write_bare);
    reap(&write_bare_read);
    reap(&write_record);
    reap(&write_record_read);
    for (size_t i = 0; i < COUNT(tables); i++)
        for (size_t j = 0; j < tables[i]->count; j++)
            reap(&tables[i]->pairs[j]);
}

/* Take the first argument, if it says how processes are kept to processors.
 * Returns how many arguments it is. */
static int choose_pinning(int argc, char **argv)
{
    if (argc < 2 || strncmp(argv[1], "--pin=", 6) != 0)
        return 0;
    bench_partner_pinning = BENCH_PIN_EARLY;
    if (strcmp(argv[1], "--pin=one") == 0)
        bench_partner_pinning = BENCH_PIN_ONE;
    bench_partner_pin(0);
    return 1;
}

int main(int argc, char **argv)
{
    int status;
    int taken;

    fill_tables();
    if (argc == 6 && strcmp(argv[1], "--partner") == 0) {
        bench_partner_pinning = atoi(argv[5]);
        return bench_partner_main(argv[2], argv[3], argv[4]);
    }
    taken = choose_pinning(argc, argv);
    argc -= taken;
    argv += taken;
    if (!bench_tells_processor_time)
        wait_table.count = 0;
    fill_groups();
    status = runner_main(argc, argv, groups, COUNT(groups));
    reap_all();
    return status;
}
