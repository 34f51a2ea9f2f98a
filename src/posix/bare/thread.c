/* SPDX-License-Identifier: MIT */

/* Threads on systems that do not tell of their deaths: threads get no
 * identities, so that locks are refused rather than lost with a thread that
 * dies (docs/platforms.md). Objects that no thread holds, as events and
 * semaphores, need no identities. */
#include "posix/os.h"

void shmap__posix_identity_forget(void) {}

shmap__os_status shmap__os_self_find(uint64_t *id, shmap__os_robust *robust)
{
    (void)id, (void)robust;
    return (shmap__os_status){SHMAP_ENOTSUP, 0};
}

enum shmap__os_life shmap__os_life_of(const void *word, uint64_t id)
{
    (void)word, (void)id;
    return SHMAP__OS_LIFE_UNKNOWN;
}

bool shmap__os_at_thread_end(void (*end)(void))
{
    (void)end;
    return false;
}
