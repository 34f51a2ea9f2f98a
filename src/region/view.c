/* SPDX-License-Identifier: MIT */

/* Views: ranges, addresses, and the decisions that are the same on every
 * system.
 */
#include "shmap/view.h"

#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "region/explain.h"
#include "region/region.h"
#include "sync/held.h"

enum { GRANULARITY = SHMAP_VIEW_GRANULARITY };

/* A range that was asked for, as the system maps it: from a multiple of
 * `unit`, `skip` bytes before the view's first byte. */
typedef struct view_range {
    size_t unit;
    uint64_t offset;
    size_t skip;
    size_t size;   /* of the view */
    size_t mapped; /* of the mapping */
} view_range;

/* Pages that are larger than the system's are mapped as a whole. */
static uint64_t to_whole_pages(uint64_t size, size_t page)
{
    uint64_t mask = page - 1;

    return page > shmap__os_facts_get()->page_size ? (size + mask) & ~mask
                                                   : size;
}

/* Fit the range into a region of `region_size` bytes, with pages of this size,
 * and into the address space. */
static shmap__os_status range_find(view_range *range,
                                   const shmap_view_options *options,
                                   uint64_t region_size, size_t page)
{
    uint64_t rest;
    uint64_t size;
    uint64_t mapped;

    if (options->offset >= region_size)
        return shmap__refuse_because(
            SHMAP_ERANGE, "options: offset is at or behind the region's end");
    rest = region_size - options->offset;
    size = options->size == 0 ? rest : options->size;
    if (size > rest)
        return shmap__refuse_because(
            SHMAP_ERANGE, "options: offset and size reach beyond the region");
    range->unit = page > GRANULARITY ? page : GRANULARITY;
    range->skip = (size_t)(options->offset % range->unit);
    range->offset = options->offset - range->skip;
    if (size > PTRDIFF_MAX - range->skip)
        return shmap__refuse(SHMAP_ENOMEM);
    mapped = to_whole_pages(range->skip + size, page);
    if (mapped > PTRDIFF_MAX)
        return shmap__refuse(SHMAP_ENOMEM);
    range->size = (size_t)size;
    range->mapped = (size_t)mapped;
    return shmap__refuse(0);
}

/* The address of the mapping for a view at options->address: NULL if none was
 * asked for. */
static shmap__os_status address_find(char **base,
                                     const shmap_view_options *options,
                                     const view_range *range)
{
    uintptr_t address = (uintptr_t)options->address;

    if (address != 0 && address % range->unit != range->skip)
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: address - offset must be a multiple of "
                          "64 KiB, and of the region's page size");
    if (address != 0 && address - range->skip == 0)
        return shmap__refuse(SHMAP_EADDRINUSE); /* the null page */
    *base = address == 0 ? NULL : (char *)options->address - range->skip;
    return shmap__refuse(0);
}

static int access_find(int *access, const shmap_view_options *options,
                       const shmap_region *region)
{
    *access = options->access == SHMAP_ACCESS_DEFAULT ? region->object.access
                                                      : options->access;
    if (*access == SHMAP_ACCESS_READ_WRITE &&
        region->object.access == SHMAP_ACCESS_READ)
        return SHMAP_EACCES;
    return 0;
}

/* Touch every page, where the system has no call for it. */
static void touch(volatile char *data, size_t size, int access)
{
    size_t page = shmap__os_facts_get()->page_size;
    size_t at = 0;

    while (at < size) {
        if (access == SHMAP_ACCESS_READ_WRITE)
            shmap__touch_for_writing(data + at);
        else
            (void)data[at];
        /* Up to the first byte of the next page, wherever this one began. */
        at += page - (uintptr_t)(data + at) % page;
    }
}

static shmap__os_status prefault(const shmap__os_object *object, char *data,
                                 size_t size, int access)
{
    shmap__os_status status =
        shmap__os_view_prefault(object, data, size, access);

    if (status.code == SHMAP_ENOTSUP) {
        touch(data, size, access);
        status = shmap__refuse(0);
    }
    return status;
}

static shmap__os_status map(shmap_view *view, shmap_region *region,
                            const shmap_view_options *options)
{
    shmap_view made = SHMAP_VIEW_INIT;
    view_range range = {0};
    uint64_t region_size;
    char *address = NULL;
    shmap__os_status status;
    int code = access_find(&made.access_, options, region);

    if (code < 0)
        return shmap__refuse(code);
    status = shmap__os_size(&region->object, &region_size);
    if (status.code < 0)
        return status;
    status = range_find(&range, options, region_size, region->object.page_size);
    if (status.code < 0)
        return status;
    status = address_find(&address, options, &range);
    if (status.code < 0)
        return status;

    made.mapped_ = range.mapped;
    status = shmap__os_view_map(&region->object, range.offset, made.mapped_,
                                made.access_, address, &made.base_);
    if (status.code < 0)
        return status;
    made.data = (char *)made.base_ + range.skip;
    if ((options->flags & SHMAP_VIEW_NO_DUMP) != 0)
        status = shmap__os_view_no_dump(made.base_, made.mapped_);
    if (status.code == 0 && (options->flags & SHMAP_VIEW_PREFAULT) != 0)
        status = prefault(&region->object, made.data, range.size, made.access_);
    if (status.code < 0) {
        /* A view that cannot be unmapped keeps its region. */
        if (shmap__os_view_unmap(made.base_, made.mapped_).code < 0)
            shmap__region_retain(region);
        return status;
    }

    made.size = made.capacity = range.size;
    made.offset_ = options->offset;
    made.region_ = region;
    shmap__region_retain(region);
    *view = made;
    return status;
}

int shmap_view_map(shmap_view *view, shmap_region *region,
                   const shmap_view_options *options)
{
    shmap_view_options checked;
    shmap__os_status status;
    uint64_t asked;

    if (view == NULL || region == NULL)
        return shmap__result(
            shmap__refuse_null(view == NULL ? "view" : "region"));
    status = shmap__view_options_read(&checked, options);
    if (status.code < 0)
        return shmap__result(status);
    status = map(view, region, &checked);
    if (status.code != SHMAP_ENOSPC)
        return shmap__result(status);
    asked = checked.size != 0 ? checked.size
                              : shmap_region_size(region) - checked.offset;
    return shmap__result(shmap__explain_room(status, region->object.kind,
                                             region->os_name, asked));
}

static shmap__os_status check_mapped(const shmap_view *view)
{
    if (view == NULL)
        return shmap__refuse_null("view");
    if (view->region_ == NULL)
        return shmap__refuse_because(SHMAP_EINVAL,
                                     "view: nothing is mapped in it");
    return shmap__refuse(0);
}

int shmap_view_refresh(shmap_view *view)
{
    shmap__os_status status;
    uint64_t region_size;
    uint64_t rest;

    status = check_mapped(view);
    if (status.code < 0)
        return shmap__result(status);
    status = shmap__os_size(&view->region_->object, &region_size);
    if (status.code < 0)
        return shmap__result(status);
    rest = region_size > view->offset_ ? region_size - view->offset_ : 0;
    view->size = rest < view->capacity ? (size_t)rest : view->capacity;
    return 0;
}

int shmap_view_flush(const shmap_view *view, size_t offset, size_t size,
                     int mode)
{
    const shmap__os_object *object;
    shmap__os_status status = check_mapped(view);

    if (status.code == 0 &&
        (mode < SHMAP_FLUSH_WRITE || mode > SHMAP_FLUSH_DURABLE))
        status = shmap__refuse_because(SHMAP_EINVAL,
                                       "mode: must be one of enum shmap_flush");
    if (status.code == 0 && (offset > view->size || size > view->size - offset))
        status = shmap__refuse_because(
            SHMAP_ERANGE, "offset, size: they reach beyond the view");
    if (status.code < 0)
        return shmap__result(status);
    object = &view->region_->object;
    if (size == 0)
        size = view->size - offset;
    if (object->kind != SHMAP_KIND_FILE ||
        view->access_ != SHMAP_ACCESS_READ_WRITE || size == 0)
        return 0;
    return shmap__result(shmap__os_view_flush(object,
                                              (char *)view->data + offset, size,
                                              mode == SHMAP_FLUSH_DURABLE));
}

int shmap_view_unmap(shmap_view *view)
{
    static const shmap_view nothing = SHMAP_VIEW_INIT;
    shmap__os_status status;
    shmap_region *region;

    if (view == NULL || view->region_ == NULL)
        return 0;
    if (shmap__held_by_others(view->base_, view->mapped_))
        return shmap__result(shmap__refuse_because(
            SHMAP_EBUSY, "another thread of this process holds a lock in the "
                         "view: it must unlock, or end, first"));
    shmap__held_abandon(view->base_, view->mapped_);
    status = shmap__os_view_unmap(view->base_, view->mapped_);
    if (status.code < 0)
        return shmap__result(status);
    region = view->region_;
    *view = nothing;
    shmap__region_release(region);
    return 0;
}
