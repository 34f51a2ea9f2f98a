/* SPDX-License-Identifier: MIT */

/* The Apache Portable Runtime: apr_proc_mutex, of the kind that is made of
 * pthread mutexes. Only forked children can use it. */
#include "sync.h"

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_proc_mutex.h>

static apr_pool_t *pool;
static apr_proc_mutex_t *mutex;

static void *apr_open(void *place, const char *name, bool make)
{
    (void)place, (void)name;
    if (!make)
        return apr_proc_mutex_child_init(&mutex, NULL, pool) == APR_SUCCESS
                   ? mutex
                   : NULL;
    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return NULL;
    return apr_proc_mutex_create(&mutex, NULL, APR_LOCK_PROC_PTHREAD, pool) ==
                   APR_SUCCESS
               ? mutex
               : NULL;
}

static void apr_close(void *lock, bool make)
{
    if (!make)
        return;
    apr_proc_mutex_destroy(lock);
    apr_pool_destroy(pool);
    apr_terminate();
}

static int apr_lock(void *lock)
{
    return apr_proc_mutex_lock(lock);
}

static int apr_unlock(void *lock)
{
    return apr_proc_mutex_unlock(lock);
}

static int apr_repeat(void *lock, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(lock, count, section, apr_lock, apr_unlock);
}

const bench_lock bench_apr_lock = {
    .name = "apr",
    .robust = true,
    .open = apr_open,
    .close = apr_close,
    .lock = apr_lock,
    .unlock = apr_unlock,
    .repeat = apr_repeat,
};
