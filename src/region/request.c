/* SPDX-License-Identifier: MIT */

/* Options: copying them across versions of the struct, and checking them. */
#include "region/request.h"

#include <string.h>

#include "base/error.h"

/* The sizes that each struct has had in releases, the first one first and this
 * header's last. A size that ends inside a field can only be a mistake: half a
 * pointer would be followed. When a release adds a field, the offset of the
 * first new field goes before the last entry. */
static const size_t region_options_sizes[] = {sizeof(shmap_region_options), 0};
static const size_t view_options_sizes[] = {sizeof(shmap_view_options), 0};
static const size_t region_info_sizes[] = {sizeof(shmap_region_info), 0};

/* Whether a struct can have this size: one that a release had, or more, as a
 * newer header has. `sizes` ends with 0. */
static bool size_valid(size_t size, const size_t *sizes)
{
    enum { LARGEST = 4096 }; /* no header will ever have a larger struct */
    size_t known = 0;

    for (; *sizes != 0; sizes++) {
        if (size == *sizes)
            return true;
        known = *sizes;
    }
    return size > known && size <= LARGEST;
}

/* Copy a struct that begins with its own size, and is `known` bytes here. One
 * from an older header is shorter: what it lacks is zero. One from a newer
 * header is longer: what is not known here must be zero. */
static bool copy_struct(void *out, size_t known, const void *given)
{
    const unsigned char *bytes = given;
    size_t size;

    memcpy(&size, given, sizeof size);
    for (size_t i = known; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    memset(out, 0, known);
    memcpy(out, given, size < known ? size : known);
    return true;
}

static const char bad_tail[] =
    "options: a field that this version of the library does not know is not "
    "zero";
static const char bad_value[] =
    "options: a field has a value that does not exist, or the group is missing "
    "or not wanted";

static bool in_range(int value, int last)
{
    return value >= 0 && value <= last;
}

/* A group is named if and only if there is to be one. */
static bool has_group(const shmap_region_options *o)
{
    bool wanted =
        o->share == SHMAP_SHARE_GROUP_READ || o->share == SHMAP_SHARE_GROUP;

    return wanted ? o->group != NULL && o->group[0] != '\0' : o->group == NULL;
}

static bool values_valid(const shmap_region_options *o)
{
    return in_range(o->access, SHMAP_ACCESS_READ_WRITE) &&
           in_range(o->share, SHMAP_SHARE_GROUP) && has_group(o) &&
           in_range(o->owner, SHMAP_OWNER_ANYBODY) &&
           in_range(o->scope, SHMAP_SCOPE_NATIVE) &&
           in_range(o->create, SHMAP_CREATE_NEW) &&
           in_range(o->commit, SHMAP_COMMIT_ALL) && o->numa_node >= 0 &&
           o->zero_ == 0;
}

static bool only_meaningful(const shmap_region_options *o, unsigned fields)
{
    return ((fields & SHMAP__HAS_ACCESS) != 0 || o->access == 0) &&
           ((fields & SHMAP__HAS_OWNER) != 0 || o->owner == 0) &&
           ((fields & SHMAP__HAS_SCOPE) != 0 || o->scope == 0) &&
           ((fields & SHMAP__HAS_CREATE) != 0 || o->create == 0) &&
           ((fields & SHMAP__HAS_MAKING) != 0 ||
            (o->share == 0 && o->group == NULL && o->commit == 0 &&
             o->reserve == 0 && o->page_size == 0 && o->numa_node == 0));
}

shmap__os_status shmap__region_options_read(shmap_region_options *options,
                                            const shmap_region_options *given,
                                            unsigned fields)
{
    static const shmap_region_options defaults = SHMAP_REGION_OPTIONS_INIT;

    *options = defaults;
    if (given == NULL)
        return shmap__refuse(0);
    if (!size_valid(given->struct_size, region_options_sizes))
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: no version has this struct_size: begin "
                          "with SHMAP_REGION_OPTIONS_INIT");
    if (!copy_struct(options, sizeof *options, given))
        return shmap__refuse_because(SHMAP_EINVAL, bad_tail);
    if (!values_valid(options))
        return shmap__refuse_because(SHMAP_EINVAL, bad_value);
    if (!only_meaningful(options, fields))
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: a field is set that has no meaning for "
                          "this call");
    if (options->numa_node != 0 ||
        (options->page_size != 0 &&
         options->page_size != shmap__os_facts_get()->page_size))
        return shmap__refuse_because(
            SHMAP_ENOTSUP, "options: this version of the library has only the "
                           "system's page size, and no NUMA nodes");
    return shmap__refuse(0);
}

shmap__os_status shmap__view_options_read(shmap_view_options *options,
                                          const shmap_view_options *given)
{
    static const shmap_view_options defaults = SHMAP_VIEW_OPTIONS_INIT;

    *options = defaults;
    if (given == NULL)
        return shmap__refuse(0);
    if (!size_valid(given->struct_size, view_options_sizes))
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: no version has this struct_size: begin "
                          "with SHMAP_VIEW_OPTIONS_INIT");
    if (!copy_struct(options, sizeof *options, given))
        return shmap__refuse_because(SHMAP_EINVAL, bad_tail);
    if (!in_range(options->access, SHMAP_ACCESS_COPY) ||
        (options->flags &
         ~(SHMAP_VIEW_PREFAULT | SHMAP_VIEW_LOCK | SHMAP_VIEW_NO_DUMP)) != 0)
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: access or flags has a value that does not "
                          "exist");
    return shmap__refuse((options->flags & SHMAP_VIEW_LOCK) != 0 ? SHMAP_ENOTSUP
                                                                 : 0);
}

shmap__os_status shmap__region_info_check(const shmap_region_info *info)
{
    if (size_valid(info->struct_size, region_info_sizes))
        return shmap__refuse(0);
    return shmap__refuse_because(SHMAP_EINVAL,
                                 "info: no version has this struct_size: begin "
                                 "with SHMAP_REGION_INFO_INIT");
}
