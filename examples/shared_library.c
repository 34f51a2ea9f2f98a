/* SPDX-License-Identifier: MIT */

/* A DLL or shared object that shares memory between all processes that load
 * it. What such a library keeps in its variables, or allocates, belongs to the
 * one process that called it; what all are to see must be in a region. This one
 * keeps a text. It lives as long as some process that used it is running. */
#include "shared_library.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <shmap.h>

#define REGION_NAME "example.shared_library"
#define LOCK_NAME   "example.shared_library.lock"
#define TEXT_SIZE   256

/* The region. There are two texts, so that a process that is killed while it
 * writes one does no harm: the other one is still the current. */
struct shared {
    _Atomic uint32_t current; /* 0 or 1 */
    char texts[2][TEXT_SIZE];
};

/* This process's view of it, for all its threads, and what it shows. */
static shmap_view kept;
static struct shared *_Atomic mapped;

/* C calls this when the process exits or, on most systems, when it unloads the
 * library. If it is killed instead, the system lets go of the region. */
static void let_go(void)
{
    atomic_store(&mapped, NULL);
    shmap_view_unmap(&kept);
}

/* Map the region at the first call. A library does not do that while it is
 * being loaded, when little is allowed and nobody can be told of a failure. */
static int find(struct shared **shared)
{
    struct shared *nobody = NULL;
    shmap_region *region;
    shmap_view view;

    *shared = atomic_load(&mapped);
    if (*shared != NULL)
        return 0;
    int result = shmap_region_open_or_create(&region, REGION_NAME,
                                             sizeof(struct shared), NULL);
    if (result < 0)
        return result;
    result = shmap_view_map(&view, region, NULL);
    shmap_region_close(region);
    if (result < 0)
        return result;

    *shared = view.data;
    if (atomic_compare_exchange_strong(&mapped, &nobody, *shared)) {
        kept = view;
        atexit(let_go);
    } else {
        shmap_view_unmap(&view); /* another thread was faster */
        *shared = nobody;
    }
    return 0;
}

/* Only one process at a time can have a region of this name, and a process
 * that dies lets go of it: a simple lock, good enough for seldom use. */
static int lock(shmap_region **held)
{
    int64_t deadline = shmap_after(5 * EXAMPLE_SECOND);
    int result;

    while ((result = shmap_region_create(held, LOCK_NAME, 1, NULL)) ==
           SHMAP_EEXIST) {
        if (shmap_now() > deadline)
            return SHMAP_ETIMEDOUT;
        example_pause();
    }
    return result;
}

int shared_set(const char *text)
{
    struct shared *shared;
    shmap_region *held;

    if (strlen(text) >= TEXT_SIZE)
        return SHMAP_E2BIG;
    int result = find(&shared);
    if (result < 0 || (result = lock(&held)) < 0)
        return result;

    uint32_t other = !atomic_load(&shared->current);
    strcpy(shared->texts[other], text);
    atomic_store(&shared->current, other);

    shmap_region_close(held);
    return 0;
}

int shared_get(char *text, size_t size)
{
    struct shared *shared;
    shmap_region *held;

    int result = find(&shared);
    if (result < 0 || (result = lock(&held)) < 0)
        return result;

    const char *current = shared->texts[atomic_load(&shared->current)];
    if (strlen(current) < size)
        strcpy(text, current);
    else
        result = SHMAP_ERANGE;

    shmap_region_close(held);
    return result;
}
