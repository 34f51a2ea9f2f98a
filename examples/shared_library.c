/* SPDX-License-Identifier: MIT */

/* A DLL or shared object that shares memory between all processes that load
 * it. The variables of such a library, and its allocations, belong to the one
 * process that called it; data that all processes are to see must be in a
 * region. This library keeps a text. It lives as long as some process that used
 * it is running. */
#include "shared_library.h"

#include <stdlib.h>
#include <string.h>

#include <shmap.h>

#define REGION_NAME "example.shared_library"
#define TEXT_SIZE   256
#define PATIENCE    SHMAP_S(5)

/* The region. A process that is killed while it writes the record does no harm:
 * the text before is still there. */
typedef struct shared {
    shmap_mutex writers; /* a record has one writer at a time */
    union {
        shmap_record record;
        unsigned char space[SHMAP_RECORD_SIZE(TEXT_SIZE)];
    } text;
} shared;

/* This process's view of it, and the mutex of the view: all threads use it. */
static shmap_view kept;
static shmap_mutex keeping;

/* C calls this when the process exits or, on most systems, when it unloads the
 * library. If it is killed instead, the system releases the region. */
static void let_go(void)
{
    if (shmap_mutex_lock(&keeping, shmap_after(PATIENCE)) < 0)
        return;
    shmap_view_unmap(&kept);
    shmap_mutex_unlock(&keeping);
}

static int map(void)
{
    shmap_region *region;

    int result =
        shmap_region_open_or_create(&region, REGION_NAME, sizeof(shared), NULL);
    if (SHMAP_FAILED(result))
        return result;
    result = shmap_view_map(&kept, region, NULL);
    shmap_region_close(region);
    if (result == 0)
        atexit(let_go);
    return result;
}

/* Map the region at the first call. A library does not do that while it is
 * being loaded, when little is allowed and no caller can be told of a failure.
 */
static int find(shared **found)
{
    int result = shmap_mutex_lock(&keeping, shmap_after(PATIENCE));

    if (SHMAP_FAILED(result))
        return result;
    result = kept.data == NULL ? map() : 0;
    *found = kept.data;
    shmap_mutex_unlock(&keeping);
    return result;
}

int shared_set(const char *text)
{
    char value[TEXT_SIZE] = "";
    shared *found;

    if (strlen(text) >= sizeof value)
        return SHMAP_E2BIG;
    strcpy(value, text);
    int result = find(&found);
    if (result == 0)
        result = shmap_mutex_lock(&found->writers, shmap_after(PATIENCE));
    /* If a writer died, there is nothing to repair: a record is always whole.
     */
    if (result == SHMAP_OWNER_DIED)
        result = shmap_mutex_consistent(&found->writers);
    if (SHMAP_FAILED(result))
        return result;
    result = shmap_record_write(&found->text.record, value, sizeof value);
    shmap_mutex_unlock(&found->writers);
    return result;
}

int shared_get(char *text, size_t size)
{
    char value[TEXT_SIZE] = "";
    shared *found;

    int result = find(&found);
    if (result == 0)
        result =
            shmap_record_read(&found->text.record, value, sizeof value, NULL);
    if (SHMAP_FAILED(result) && result != SHMAP_ENOTREADY)
        return result;
    if (strlen(value) >= size)
        return SHMAP_ERANGE;
    strcpy(text, value);
    return 0;
}
