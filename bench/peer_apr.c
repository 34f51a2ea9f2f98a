/* SPDX-License-Identifier: MIT */

/* The Apache Portable Runtime: apr_shm. Its objects live in pools; each region
 * has one of its own here, so that closing frees all that opening took.
 */
#include "peer.h"

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_shm.h>
#include <stdio.h>

static apr_pool_t *root;
static apr_pool_t *pool;
static apr_shm_t *memory;

/* A file's name, although the usual builds make no file of it. */
static void begin(char *path, size_t size, const char *name)
{
    if (root == NULL) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    apr_pool_create(&pool, root);
    snprintf(path, size, "/tmp/%s", name);
}

static void *end(apr_status_t status)
{
    if (status == APR_SUCCESS)
        return apr_shm_baseaddr_get(memory);
    apr_pool_destroy(pool);
    return NULL;
}

static void *apr_peer_create(const char *name, size_t size)
{
    char path[64];

    begin(path, sizeof path, name);
    return end(apr_shm_create(&memory, size, path, pool));
}

static void apr_peer_destroy(const char *name)
{
    (void)name;
    apr_shm_destroy(memory);
    apr_pool_destroy(pool);
}

static void *apr_peer_open(const char *name, size_t size)
{
    char path[64];

    (void)size;
    begin(path, sizeof path, name);
    return end(apr_shm_attach(&memory, path, pool));
}

static void apr_peer_close(void)
{
    apr_shm_detach(memory);
    apr_pool_destroy(pool);
}

const bench_peer bench_apr = {
    "apr", apr_peer_create, apr_peer_destroy, apr_peer_open, apr_peer_close,
};
