/* SPDX-License-Identifier: MIT */

/* Presence, which is needed on Linux only: where no locks have owners, it is
 * never asked for. */
#include "posix/os.h"

uint32_t shmap__os_unsettled;

shmap__os_status shmap__os_settle(const void *object)
{
    (void)object;
    return (shmap__os_status){0, 0};
}

void shmap__posix_presence_end(shmap__os_object *object)
{
    (void)object;
}

bool shmap__os_view_of(const void *address, size_t *room, bool *writable)
{
    (void)address, (void)room, (void)writable;
    return false;
}

bool shmap__posix_view_remember(const void *base, size_t size, bool writable,
                                const shmap__os_object *object)
{
    (void)base, (void)size, (void)writable, (void)object;
    return true;
}

shmap__os_known_view *shmap__posix_view_forget(const void *base)
{
    (void)base;
    return NULL;
}

void shmap__posix_view_recall(shmap__os_known_view *known)
{
    (void)known;
}

void shmap__posix_view_end(shmap__os_known_view *known)
{
    (void)known;
}
