/* SPDX-License-Identifier: MIT */

/* Regions: checks, names, and the decisions that are the same on every system.
 */
#include "region/region.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/error.h"
#include "region/name.h"
#include "region/request.h"

shmap_region *shmap__region_new(const char *os_name)
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

shmap__os_status shmap__region_deliver(shmap_region **out, shmap_region *region,
                                       shmap__os_status status)
{
    if (status.code < 0)
        free(region);
    else
        *out = region;
    return status;
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

/* Check a size and round it up to whole pages. */
static shmap__os_status round_size(uint64_t *size,
                                   const shmap_region_options *options)
{
    const shmap__os_facts *facts = shmap__os_facts_get();
    uint64_t mask = facts->page_size - 1;

    if (*size == 0)
        return shmap__refuse_because(SHMAP_EINVAL,
                                     "size: a region has at least one byte");
    if (*size > facts->max_size - mask)
        return shmap__refuse(SHMAP_E2BIG);
    *size = (*size + mask) & ~mask;
    return shmap__refuse(options->reserve > *size ? SHMAP_ENOTSUP : 0);
}

static shmap__os_status create_once(shmap__os_object *object,
                                    const char *os_name, uint64_t size,
                                    const shmap_region_options *options)
{
    if (os_name[0] == '\0')
        return shmap__os_anonymous_create(object, size, options);
    return shmap__os_named_create(object, os_name, size, options);
}

/* Make the object of a new region. What our own crashed processes left behind
 * must not be the reason that there is no room. */
static shmap__os_status create(shmap_region **region, const char *os_name,
                               uint64_t size,
                               const shmap_region_options *options)
{
    shmap_region *made = shmap__region_new(os_name);
    shmap__os_status status;
    unsigned reaped = 0;

    if (made == NULL)
        return shmap__refuse(SHMAP_ENOMEM);
    status = create_once(&made->object, os_name, size, options);
    if (status.code == SHMAP_ENOSPC &&
        shmap__os_named_reap_all(false, &reaped).code == 0)
        status = create_once(&made->object, os_name, size, options);
    return shmap__region_deliver(region, made, status);
}

static shmap__os_status open_named(shmap_region **region, const char *os_name,
                                   const shmap_region_options *options)
{
    shmap_region *made = shmap__region_new(os_name);
    int access = options->access == SHMAP_ACCESS_DEFAULT
                     ? SHMAP_ACCESS_READ_WRITE
                     : options->access;

    if (made == NULL)
        return shmap__refuse(SHMAP_ENOMEM);
    return shmap__region_deliver(region, made,
                                 shmap__os_named_open(&made->object, os_name,
                                                      access, options->owner,
                                                      options->scope));
}

int shmap_region_create(shmap_region **region, const char *name, uint64_t size,
                        const shmap_region_options *options)
{
    unsigned fields =
        SHMAP__HAS_MAKING | (name == NULL ? 0U : (unsigned)SHMAP__HAS_SCOPE);
    shmap_region_options checked;
    char space[SHMAP__NAME_SPACE];
    const char *os_name = "";
    int kind = name == NULL ? SHMAP_KIND_ANONYMOUS : SHMAP_KIND_NAMED;
    shmap__os_status status;

    if (region == NULL)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    status = shmap__region_options_read(&checked, options, fields);
    if (status.code == 0)
        status = round_size(&size, &checked);
    if (status.code < 0)
        return shmap__result(status);
    if (name != NULL)
        os_name = shmap__name_resolve(space, name, checked.scope);
    if (os_name == NULL)
        return shmap__result(shmap__refuse(SHMAP_ENAME));
    return shmap__result_of_region(create(region, os_name, size, &checked),
                                   kind, os_name, size);
}

int shmap_region_open(shmap_region **region, const char *name,
                      const shmap_region_options *options)
{
    shmap_region_options checked;
    char space[SHMAP__NAME_SPACE];
    const char *os_name;
    shmap__os_status status;

    if (region == NULL || name == NULL)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    status = shmap__region_options_read(&checked, options,
                                        SHMAP__HAS_ACCESS | SHMAP__HAS_OWNER |
                                            SHMAP__HAS_SCOPE);
    if (status.code < 0)
        return shmap__result(status);
    os_name = shmap__name_resolve(space, name, checked.scope);
    if (os_name == NULL)
        return shmap__result(shmap__refuse(SHMAP_ENAME));
    return shmap__result_of_region(open_named(region, os_name, &checked),
                                   SHMAP_KIND_NAMED, os_name, 0);
}

/* Open and create in turn until one succeeds. Each round that fails means that
 * another process made or freed the region meanwhile; that many of them do so
 * for ever at just these moments is not to be expected. */
static shmap__os_status open_or_create(shmap_region **region,
                                       const char *os_name, uint64_t size,
                                       const shmap_region_options *options)
{
    enum { ROUNDS = 10000 };

    for (int round = 0; round < ROUNDS; round++) {
        shmap__os_status status = open_named(region, os_name, options);

        if (status.code != SHMAP_ENOENT)
            return status;
        status = create(region, os_name, size, options);
        if (status.code == 0)
            status.code = SHMAP_CREATED;
        if (status.code != SHMAP_EEXIST)
            return status;
    }
    return shmap__refuse(SHMAP_EBUSY);
}

int shmap_region_open_or_create(shmap_region **region, const char *name,
                                uint64_t size,
                                const shmap_region_options *options)
{
    shmap_region_options checked;
    char space[SHMAP__NAME_SPACE];
    const char *os_name;
    shmap__os_status status;

    if (region == NULL || name == NULL)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    status = shmap__region_options_read(&checked, options,
                                        SHMAP__HAS_OWNER | SHMAP__HAS_SCOPE |
                                            SHMAP__HAS_MAKING);
    if (status.code == 0)
        status = round_size(&size, &checked);
    if (status.code < 0)
        return shmap__result(status);
    os_name = shmap__name_resolve(space, name, checked.scope);
    if (os_name == NULL)
        return shmap__result(shmap__refuse(SHMAP_ENAME));
    return shmap__result_of_region(
        open_or_create(region, os_name, size, &checked), SHMAP_KIND_NAMED,
        os_name, size);
}

/* What must be so for a file: reading cannot make or extend one. */
static shmap__os_status check_file_options(const shmap_region_options *options,
                                           uint64_t size)
{
    if (options->access == SHMAP_ACCESS_READ &&
        options->create != SHMAP_CREATE_NEVER)
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: a file that is opened for reading cannot "
                          "be made: access or create is wrong");
    if (options->access == SHMAP_ACCESS_READ &&
        options->commit == SHMAP_COMMIT_ALL)
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: a file that is opened for reading cannot "
                          "be filled: access or commit is wrong");
    if (size > shmap__os_facts_get()->max_size)
        return shmap__refuse(SHMAP_E2BIG);
    return shmap__refuse(options->reserve != 0 ? SHMAP_ENOTSUP : 0);
}

static shmap__os_status open_file(shmap_region **region, const char *path,
                                  uint64_t size,
                                  const shmap_region_options *options)
{
    shmap_region *made = shmap__region_new(path);
    shmap__os_status status;
    bool alone = false;
    int access = options->access == SHMAP_ACCESS_DEFAULT
                     ? SHMAP_ACCESS_READ_WRITE
                     : options->access;

    if (made == NULL)
        return shmap__refuse(SHMAP_ENOMEM);
    status =
        shmap__os_file_open(&made->object, path, size, access, options, &alone);
    if (status.code == 0 && alone)
        status.code = SHMAP_ALONE;
    return shmap__region_deliver(region, made, status);
}

int shmap_region_open_file(shmap_region **region, const char *path,
                           uint64_t size, const shmap_region_options *options)
{
    shmap_region_options checked;
    shmap__os_status status;

    if (region == NULL || path == NULL)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    if (!shmap__name_is_utf8(path))
        return shmap__result(shmap__refuse(SHMAP_ENAME));
    status = shmap__region_options_read(&checked, options,
                                        SHMAP__HAS_ACCESS | SHMAP__HAS_CREATE |
                                            SHMAP__HAS_MAKING);
    if (status.code == 0)
        status = check_file_options(&checked, size);
    if (status.code < 0)
        return shmap__result(status);
    return shmap__result_of_region(open_file(region, path, size, &checked),
                                   SHMAP_KIND_FILE, path, size);
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
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    status = shmap__region_info_check(info);
    if (status.code == 0)
        status = shmap__os_size(&region->object, &found.size);
    if (status.code < 0)
        return shmap__result(status);
    found.reserve = found.size;
    found.page_size = region->object.page_size;
    found.kind = region->object.kind;
    found.access = region->object.access;
    found.flags = shmap__os_info_flags(&region->object, region->os_name);
    found.seals = (unsigned)shmap__os_seals(&region->object);
    found.os_name = region->os_name;
    shmap__os_owner(&region->object, found.owner, sizeof found.owner);

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

int shmap_region_adopt(shmap_region **region, intptr_t native,
                       const shmap_region_options *options)
{
    shmap_region_options checked;
    shmap_region *made;
    shmap__os_status status;

    if (region == NULL)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    status = shmap__region_options_read(&checked, options, SHMAP__HAS_ACCESS);
    if (status.code < 0)
        return shmap__result(status);
    made = shmap__region_new("");
    if (made == NULL)
        return shmap__result(shmap__refuse(SHMAP_ENOMEM));
    return shmap__result(shmap__region_deliver(
        region, made, shmap__os_adopt(&made->object, native, checked.access)));
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
    static const shmap__meaning sealing[] = {
        {SHMAP_EACCES, "the handle is for reading, or no more seals are let"},
        {SHMAP_EBUSY, "somebody can still write: a view is writable, or a "
                      "handle; after handing over for reading, seal against "
                      "writers first"},
        {SHMAP_ENOTSUP, "only anonymous regions can be sealed, and not with "
                        "every seal on every system"},
        {0, NULL}};
    const unsigned known = SHMAP_SEAL_GROW | SHMAP_SEAL_SHRINK |
                           SHMAP_SEAL_WRITERS | SHMAP_SEAL_CONTENT;

    if (region == NULL || seals == 0 || (seals & ~known) != 0)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    return shmap__result_meaning(seal(region, (int)seals), sealing);
}

static int reap(const char *name, unsigned flags, unsigned *reaped)
{
    char space[SHMAP__NAME_SPACE];
    const char *os_name;

    if (name == NULL)
        return shmap__result(shmap__os_named_reap_all(
            (flags & SHMAP_REAP_EVERY_USER) != 0, reaped));
    os_name = shmap__name_resolve(space, name, (int)flags);
    if (os_name == NULL)
        return shmap__result(shmap__refuse(SHMAP_ENAME));
    return shmap__result_of_region(
        shmap__os_named_reap(os_name, (int)flags, reaped), SHMAP_KIND_NAMED,
        os_name, 0);
}

int shmap_region_reap(const char *name, unsigned flags, unsigned *reaped)
{
    unsigned count = 0;
    int result;

    if (name == NULL ? (flags & ~(unsigned)SHMAP_REAP_EVERY_USER) != 0
                     : flags > SHMAP_REAP_NATIVE)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    result = reap(name, flags, &count);
    if (result == 0 && reaped != NULL)
        *reaped = count;
    return result;
}
