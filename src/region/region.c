/* SPDX-License-Identifier: MIT */

/* Regions: checks, names, and the decisions that are the same on every system.
 */
#include "region/region.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/error.h"
#include "region/explain.h"
#include "region/name.h"
#include "region/request.h"

/* Return a region without an object yet, or NULL. It is made before any system
 * object, so that no failure has to undo more than this. */
static shmap_region *region_new(const char *os_name)
{
    size_t size = strlen(os_name) + 1;
    shmap_region *region = malloc(sizeof *region + size);

    if (region == NULL)
        return NULL;
    memset(region, 0, sizeof *region);
    shmap__refs_init(&region->refs);
    memcpy(region->os_name, os_name, size);
    return region;
}

void shmap__region_retain(shmap_region *region)
{
    shmap__refs_retain(&region->refs);
}

void shmap__region_release(shmap_region *region)
{
    if (!shmap__refs_release(&region->refs))
        return;
    region->object.lent = shmap__load32(&region->lent) != 0;
    shmap__os_close(&region->object, region->os_name);
    free(region);
}

void shmap__region_end_inherited(shmap_region *region, int access)
{
    uint64_t found = shmap__exchange64(&region->inherited[access - 1], 0);

    if (found != 0)
        shmap__os_give_child_end(&region->object,
                                 shmap__inherited_number(found));
}

void shmap_region_unexport(shmap_region *region)
{
    if (region == NULL)
        return;
    for (int access = SHMAP_ACCESS_READ; access <= SHMAP_ACCESS_READ_WRITE;
         access++)
        shmap__region_end_inherited(region, access);
}

/* Obtaining: each of these fills an object, and may return more than 0. */

typedef shmap__os_status object_source(shmap__os_object *object,
                                       const shmap__os_request *request);

/* Make an object. Leftovers of this user's crashed processes must not be the
 * reason that there is no room. */
static shmap__os_status make(object_source *source, shmap__os_object *object,
                             const shmap__os_request *request)
{
    shmap__os_status status = source(object, request);
    unsigned reaped = 0;

    if (status.code == SHMAP_ENOSPC &&
        shmap__os_named_reap_all(false, &reaped).code == 0)
        status = source(object, request);
    if (status.code == 0)
        object->created = true;
    return status;
}

static shmap__os_status make_named(shmap__os_object *object,
                                   const shmap__os_request *request)
{
    return make(shmap__os_named_create, object, request);
}

static shmap__os_status make_nameless(shmap__os_object *object,
                                      const shmap__os_request *request)
{
    return make(shmap__os_anonymous_create, object, request);
}

/* Open and create in turn until one succeeds. Each round that fails means that
 * another process made or freed the region meanwhile; that many of them do so
 * for ever at just these moments is not to be expected. */
static shmap__os_status open_or_make(shmap__os_object *object,
                                     const shmap__os_request *request)
{
    enum { ROUNDS = 10000 };

    for (int round = 0; round < ROUNDS; round++) {
        shmap__os_status status = shmap__os_named_open(object, request);

        if (status.code != SHMAP_ENOENT)
            return status;
        status = make_named(object, request);
        if (status.code == 0)
            status.code = SHMAP_CREATED;
        if (status.code != SHMAP_EEXIST)
            return status;
    }
    return shmap__refuse(SHMAP_EBUSY);
}

static shmap__os_status open_file(shmap__os_object *object,
                                  const shmap__os_request *request)
{
    bool alone = false;
    shmap__os_status status = shmap__os_file_open(object, request, &alone);

    if (status.code == 0 && alone)
        status.code = SHMAP_ALONE;
    return status;
}

static object_source *const sources[] = {
    [SHMAP__CALL_CREATE] = make_named,
    [SHMAP__CALL_CREATE_NAMELESS] = make_nameless,
    [SHMAP__CALL_OPEN] = shmap__os_named_open,
    [SHMAP__CALL_OPEN_OR_CREATE] = open_or_make,
    [SHMAP__CALL_OPEN_FILE] = open_file,
    [SHMAP__CALL_ADOPT] = shmap__os_adopt,
    [SHMAP__CALL_IMPORT] = shmap__os_take,
    [SHMAP__CALL_RECEIVE] = shmap__os_take,
};

shmap__os_status shmap__region_obtain(shmap_region **region,
                                      const shmap__request *request)
{
    const shmap__os_request *os = &request->os;
    shmap_region *made = region_new(os->os_name);
    shmap__os_status status;

    if (made == NULL)
        return shmap__refuse(SHMAP_ENOMEM);
    /* The exporter may have the same open file description. */
    made->lent = os->gift != NULL;
    status = sources[request->call](&made->object, os);
    if (status.code >= 0) {
        *region = made;
        return status;
    }
    free(made);
    status = shmap__explain_room(status, os->kind, os->os_name, os->size);
    return shmap__explain(status, request->call);
}

/* Make, open or find the object of a request. */
static int obtain(shmap_region **region, shmap__request *request,
                  shmap__os_status filled)
{
    if (region == NULL)
        filled = shmap__refuse_null("region");
    if (filled.code == 0)
        filled = shmap__region_obtain(region, request);
    return shmap__result(filled);
}

int shmap_region_create(shmap_region **region, const char *name, uint64_t size,
                        const shmap_region_options *options)
{
    const enum shmap__call call =
        name == NULL ? SHMAP__CALL_CREATE_NAMELESS : SHMAP__CALL_CREATE;
    shmap__request request;

    return obtain(region, &request,
                  shmap__request_fill(&request, call, name, size, options));
}

int shmap_region_open(shmap_region **region, const char *name,
                      const shmap_region_options *options)
{
    shmap__request request;

    return obtain(
        region, &request,
        shmap__request_fill(&request, SHMAP__CALL_OPEN, name, 0, options));
}

int shmap_region_open_or_create(shmap_region **region, const char *name,
                                uint64_t size,
                                const shmap_region_options *options)
{
    shmap__request request;

    return obtain(region, &request,
                  shmap__request_fill(&request, SHMAP__CALL_OPEN_OR_CREATE,
                                      name, size, options));
}

int shmap_region_open_file(shmap_region **region, const char *path,
                           uint64_t size, const shmap_region_options *options)
{
    shmap__request request;

    return obtain(region, &request,
                  shmap__request_fill(&request, SHMAP__CALL_OPEN_FILE, path,
                                      size, options));
}

int shmap_region_adopt(shmap_region **region, intptr_t native,
                       const shmap_region_options *options)
{
    shmap__request request;
    shmap__os_status filled =
        shmap__request_fill(&request, SHMAP__CALL_ADOPT, NULL, 0, options);

    request.os.native = native;
    return obtain(region, &request, filled);
}

uint64_t shmap_region_size(const shmap_region *region)
{
    uint64_t size;

    if (region == NULL || shmap__os_size(&region->object, &size).code < 0)
        return 0;
    return size;
}

int shmap_region_inspect(const shmap_region *region, shmap_region_info *info)
{
    shmap_region_info found = SHMAP_REGION_INFO_INIT;
    shmap__os_status status;

    if (region == NULL || info == NULL)
        return shmap__result(
            shmap__refuse_null(region == NULL ? "region" : "info"));
    status = shmap__region_info_check(info);
    if (status.code == 0)
        status = shmap__os_size(&region->object, &found.size);
    if (status.code < 0)
        return shmap__result(status);
    found.reserve = found.size;
    found.page_size = region->object.page_size;
    found.kind = region->object.kind;
    found.access = region->object.access;
    found.flags =
        (unsigned)shmap__os_info_flags(&region->object, region->os_name);
    if (region->object.created)
        found.flags |= SHMAP_INFO_CREATED;
    found.seals = (unsigned)shmap__os_seals(&region->object);
    found.os_name = region->os_name;
    shmap__os_owner(&region->object, found.user, sizeof found.user);

    /* A caller with an older, shorter struct gets what it knows. */
    if (info->struct_size < found.struct_size)
        found.struct_size = info->struct_size;
    memcpy(info, &found, found.struct_size);
    return 0;
}

intptr_t shmap_region_native(const shmap_region *region)
{
    if (region == NULL)
        return -1;
    /* Not a change that the caller can see. */
    shmap__store32(&((shmap_region *)(uintptr_t)region)->lent, 1);
    return region->object.native;
}

void shmap_region_close(shmap_region *region)
{
    if (region == NULL)
        return;
    shmap_region_unexport(region);
    shmap__region_release(region);
}

static shmap__os_status seal(shmap_region *region, int seals)
{
    const int no_writers = SHMAP_SEAL_WRITERS | SHMAP_SEAL_CONTENT;
    shmap__os_object *object = &region->object;
    shmap__os_status status;

    if (object->kind != SHMAP_KIND_ANONYMOUS)
        return shmap__refuse(SHMAP_ENOTSUP);
    status = shmap__os_seal(object, seals);
    if (status.code == 0 && (seals & no_writers) != 0)
        object->access = SHMAP_ACCESS_READ;
    return status;
}

int shmap_region_seal(shmap_region *region, unsigned seals)
{
    const unsigned known = SHMAP_SEAL_GROW | SHMAP_SEAL_SHRINK |
                           SHMAP_SEAL_WRITERS | SHMAP_SEAL_CONTENT;

    if (region == NULL)
        return shmap__result(shmap__refuse_null("region"));
    if (seals == 0 || (seals & ~known) != 0)
        return shmap__result(shmap__refuse_because(
            SHMAP_EINVAL, "seals: must be one or more of enum shmap_seal"));
    return shmap__result(
        shmap__explain(seal(region, (int)seals), SHMAP__CALL_SEAL));
}

/* Tell how many leftovers were freed, if that went well. */
static int end_reaping(shmap__os_status status, unsigned count,
                       unsigned *reaped)
{
    if (status.code == 0 && reaped != NULL)
        *reaped = count;
    return shmap__result(status);
}

int shmap_region_reap(const char *name, const shmap_region_options *options,
                      unsigned *reaped)
{
    unsigned count = 0;
    shmap__request request;
    shmap__os_status status =
        shmap__request_fill(&request, SHMAP__CALL_REAP, name, 0, options);

    if (status.code == 0)
        status = shmap__explain(shmap__os_named_reap(request.os.os_name,
                                                     request.os.options.scope,
                                                     &count),
                                SHMAP__CALL_REAP);
    return end_reaping(status, count, reaped);
}

int shmap_region_reap_all(const shmap_region_options *options, unsigned *reaped)
{
    unsigned count = 0;
    shmap__request request;
    shmap__os_status status =
        shmap__request_fill(&request, SHMAP__CALL_REAP_ALL, NULL, 0, options);
    int accept = request.os.options.accept;

    if (status.code == 0 && accept != SHMAP_ACCEPT_SELF &&
        accept != SHMAP_ACCEPT_ANYBODY)
        status = shmap__refuse_because(
            SHMAP_EINVAL, "options: accept must be SHMAP_ACCEPT_SELF or "
                          "SHMAP_ACCEPT_ANYBODY, to free every user's "
                          "leftovers");
    if (status.code == 0)
        status =
            shmap__os_named_reap_all(accept == SHMAP_ACCEPT_ANYBODY, &count);
    return end_reaping(status, count, reaped);
}
