/* SPDX-License-Identifier: MIT */

/* Views between pages that nobody can touch, Windows. What follows a view up
 * to the next multiple of 64 KiB is nobody's. */

#include "../guard.h"

#include "win32/api.h"

#define GUARD SHMAP_VIEW_GRANULARITY
#define TRIES 100

static size_t room_for(size_t size)
{
    return (size + GUARD - 1) / GUARD * GUARD;
}

static char *reserve(char *at, size_t size)
{
    return VirtualAlloc(at, size, MEM_RESERVE, PAGE_NOACCESS);
}

static void release(char *at)
{
    if (at != NULL)
        VirtualFree(at, 0, MEM_RELEASE);
}

/* A reservation cannot be given back in part, so it is found out where there is
 * room, and then the two ends are reserved. */
void *guard_make(size_t size)
{
    for (int i = 0; i < TRIES; i++) {
        char *start = reserve(NULL, room_for(size) + (size_t)2 * GUARD);
        if (start == NULL)
            return NULL;
        release(start);
        char *before = reserve(start, GUARD);
        char *behind = reserve(start + GUARD + room_for(size), GUARD);
        if (before != NULL && behind != NULL)
            return start + GUARD;
        release(before);
        release(behind);
    }
    return NULL;
}

void guard_release(void *place, size_t size)
{
    if (place == NULL)
        return;
    release((char *)place - GUARD);
    release((char *)place + room_for(size));
}
