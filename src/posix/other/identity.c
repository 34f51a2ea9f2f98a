/* SPDX-License-Identifier: MIT */

/* Threads on systems that do not tell of their deaths: nobody is told apart, so
 * that locks are refused rather than lost with who dies (docs/platforms.md).
 * What belongs to nobody, as events and semaphores, needs no identities. */
#include "../os.h"

void shmap__os_identity_forget(void) {}

shmap__os_status shmap__os_self_find(shmap__os_self *self)
{
    (void)self;
    return (shmap__os_status){SHMAP_ENOTSUP, 0};
}

bool shmap__os_is_dead(uint64_t id)
{
    (void)id;
    return false;
}

bool shmap__os_place_is_past(uint32_t place)
{
    (void)place;
    return false;
}

void shmap__os_at_thread_end(void (*give_up)(void))
{
    (void)give_up;
}
