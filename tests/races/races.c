/* SPDX-License-Identifier: MIT */

/* Hand plain numbers from thread to thread through each kind of object, so that
 * a race detector can be asked whether it understands them. check.sh runs it.
 *
 *     races OBJECT     mutex, rwlock, cond, event, take, semaphore, barrier,
 *                      once, record
 *     races none       without any object: a detector must report this
 *     races died       threads end while they have the mutex
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmap.h>

enum { THREADS = 3, ROUNDS = 500, VALUE = 256 };

static struct shared {
    shmap_mutex mutex;
    shmap_rwlock rwlock;
    shmap_cond cond;
    shmap_event event;
    shmap_semaphore semaphore;
    shmap_barrier barrier;
    shmap_once once;
    union {
        shmap_record record;
        unsigned char space[SHMAP_RECORD_SIZE(VALUE)];
    } record;
    long number; /* plain, and handed on */
} * shared;

static void check(int true)
{
    if (!true)
        abort();
}

static void use_mutex(long thread)
{
    (void)thread;
    for (int i = 0; i < ROUNDS; i++) {
        check(shmap_mutex_lock(&shared->mutex, SHMAP_FOREVER) == 0);
        shared->number++;
        check(shmap_mutex_unlock(&shared->mutex) == 0);
    }
}

static void use_rwlock(long thread)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (thread == 0) {
            check(shmap_rwlock_write_lock(&shared->rwlock, SHMAP_FOREVER) == 0);
            shared->number++;
        } else {
            check(shmap_rwlock_read_lock(&shared->rwlock, SHMAP_FOREVER) == 0);
            check(shared->number <= ROUNDS);
        }
        check(shmap_rwlock_unlock(&shared->rwlock) == 0);
    }
}

/* The threads take turns. */
static void use_cond(long thread)
{
    check(shmap_mutex_lock(&shared->mutex, SHMAP_FOREVER) == 0);
    for (int i = 0; i < ROUNDS / 10; i++) {
        while (shared->number % THREADS != thread)
            check(shmap_cond_wait(&shared->cond, &shared->mutex,
                                  SHMAP_FOREVER) == 0);
        shared->number++;
        check(shmap_cond_broadcast(&shared->cond) == 0);
    }
    check(shmap_mutex_unlock(&shared->mutex) == 0);
}

static void use_event(long thread)
{
    if (thread == 0) {
        shared->number = 1;
        check(shmap_event_set(&shared->event) == 0);
    }
    check(shmap_event_wait(&shared->event, SHMAP_FOREVER) == 0);
    check(shared->number == 1);
}

static void use_take(long thread)
{
    if (thread == 0)
        check(shmap_event_set(&shared->event) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        check(shmap_event_take(&shared->event, SHMAP_FOREVER) == 0);
        shared->number++;
        check(shmap_event_set(&shared->event) == 0);
    }
}

static void use_semaphore(long thread)
{
    if (thread == 0)
        check(shmap_semaphore_post(&shared->semaphore, 1) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        check(shmap_semaphore_wait(&shared->semaphore, SHMAP_FOREVER) == 0);
        shared->number++;
        check(shmap_semaphore_post(&shared->semaphore, 1) == 0);
    }
}

static void use_barrier(long thread)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (thread == i % THREADS)
            shared->number = i;
        check(shmap_barrier_wait(&shared->barrier, THREADS, SHMAP_FOREVER) >=
              0);
        check(shared->number == i);
        check(shmap_barrier_wait(&shared->barrier, THREADS, SHMAP_FOREVER) >=
              0);
    }
}

static void use_once(long thread)
{
    int result = shmap_once_begin(&shared->once, SHMAP_FOREVER);

    (void)thread;
    check(result == 0 || result == SHMAP_ONCE_YOURS);
    if (result == SHMAP_ONCE_YOURS) {
        shared->number = 1;
        check(shmap_once_commit(&shared->once) == 0);
    }
    check(shared->number == 1);
}

/* What the writer did before it wrote is visible to those who read that. */
static void use_record(long thread)
{
    unsigned char value[VALUE];
    shmap_record *record = &shared->record.record;

    if (thread == 0) {
        shared->number = 1;
        for (int i = 0; i < ROUNDS; i++) {
            memset(value, i, sizeof value);
            check(shmap_record_write(record, value, sizeof value) == 0);
        }
        return;
    }
    check(shmap_record_wait(record, 0, SHMAP_FOREVER) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        int result = shmap_record_read(record, value, sizeof value, NULL);

        check(result == 0 || result == SHMAP_EBUSY);
        check(result != 0 || value[0] == value[VALUE - 1]);
        check(result != 0 || shared->number == 1);
    }
}

static void use_none(long thread)
{
    (void)thread;
    for (int i = 0; i < ROUNDS; i++)
        shared->number++;
}

static void use_died(long thread)
{
    int result = shmap_mutex_lock(&shared->mutex, SHMAP_FOREVER);

    (void)thread;
    check(result == 0 || result == SHMAP_OWNER_DIED);
    shared->number++;
}

static const struct use {
    const char *object;
    void (*function)(long thread);
} uses[] = {
    {"mutex", use_mutex},   {"rwlock", use_rwlock},       {"cond", use_cond},
    {"event", use_event},   {"take", use_take},           {"once", use_once},
    {"none", use_none},     {"semaphore", use_semaphore}, {"died", use_died},
    {"record", use_record}, {"barrier", use_barrier},
};
static const struct use *use;

static void *run(void *thread)
{
    use->function((long)thread);
    return NULL;
}

int main(int argc, char **argv)
{
    shmap_region *region;
    shmap_view view = SHMAP_VIEW_INIT;
    pthread_t threads[THREADS];

    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (argc == 2 && strcmp(argv[1], uses[i].object) == 0)
            use = &uses[i];
    check(use != NULL);
    check(shmap_region_create(&region, NULL, sizeof *shared, NULL) == 0);
    check(shmap_view_map(&view, region, NULL) == 0);
    shared = view.data;
    for (long i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        check(pthread_join(threads[i], NULL) == 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    return 0;
}
