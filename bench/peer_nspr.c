/* SPDX-License-Identifier: MIT */

/* The Netscape Portable Runtime: PRSharedMemory. It does not tell a region's
 * size: who opens one must know it.
 */
#include "peer.h"

#include <nspr.h>
#include <stdio.h>

static PRSharedMemory *memory;
static void *data;

/* Names are those of files, which the usual builds for Unix make. */
static void find_path(char path[64], const char *name)
{
    snprintf(path, 64, "/tmp/%s", name);
}

static void *open_with(const char *name, size_t size, PRIntn flags)
{
    char path[64];

    find_path(path, name);
    memory = PR_OpenSharedMemory(path, size, flags, 0600);
    if (memory == NULL)
        return NULL;
    data = PR_AttachSharedMemory(memory, 0);
    if (data == NULL)
        PR_CloseSharedMemory(memory);
    return data;
}

static void *nspr_create(const char *name, size_t size)
{
    return open_with(name, size, PR_SHM_CREATE | PR_SHM_EXCL);
}

static void *nspr_open(const char *name, size_t size)
{
    return open_with(name, size, 0);
}

static void nspr_close(void)
{
    PR_DetachSharedMemory(memory, data);
    PR_CloseSharedMemory(memory);
}

static void nspr_destroy(const char *name)
{
    char path[64];

    nspr_close();
    find_path(path, name);
    PR_DeleteSharedMemory(path);
}

const bench_peer bench_nspr = {
    "nspr", nspr_create, nspr_destroy, nspr_open, nspr_close,
};
