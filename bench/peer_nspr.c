/* SPDX-License-Identifier: MIT */

/* The Netscape Portable Runtime: PRSharedMemory. It does not tell a region's
 * size: who opens one must know it.
 */
#include "peer.h"

#include <nspr.h>

static PRSharedMemory *memory;
static void *data;

static void *open_with(const char *name, size_t size, PRIntn flags)
{
    memory = PR_OpenSharedMemory(name, size, flags, 0600);
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
    nspr_close();
    PR_DeleteSharedMemory(name);
}

const bench_peer bench_nspr = {
    "nspr", nspr_create, nspr_destroy, nspr_open, nspr_close,
};
