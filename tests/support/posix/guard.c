/* SPDX-License-Identifier: MIT */

/* Views between pages that nobody can touch, POSIX. */

#include "../guard.h"

#include <sys/mman.h>

#define GUARD SHMAP_VIEW_GRANULARITY

/* A larger range is made, of which the middle and what is too much are given
 * back. */
void *guard_make(size_t size)
{
    size_t whole = size + (size_t)3 * GUARD;
    char *start =
        mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;

    size_t before = (size_t)((0 - (uintptr_t)start) % GUARD);
    char *place = start + before + GUARD;
    char *behind = place + size + GUARD;
    if (before > 0)
        munmap(start, before);
    munmap(place, size);
    if (behind < start + whole)
        munmap(behind, (size_t)(start + whole - behind));
    return place;
}

void guard_release(void *place, size_t size)
{
    if (place == NULL)
        return;
    munmap((char *)place - GUARD, GUARD);
    munmap((char *)place + size, GUARD);
}
