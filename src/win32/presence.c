/* SPDX-License-Identifier: MIT */

/* Presence, which is needed on Linux only: here the numbers and times of
 * threads mean the same to all processes. */
#include "win32/os.h"

uint32_t shmap__os_unsettled;

shmap__os_status shmap__os_settle(const void *object)
{
    (void)object;
    return (shmap__os_status){0, 0};
}

bool shmap__os_view_of(const void *address, size_t *room, bool *writable)
{
    int access = shmap__win32_view_room(address, room);

    *writable = access == SHMAP_ACCESS_READ_WRITE;
    return access != SHMAP_ACCESS_COPY;
}
