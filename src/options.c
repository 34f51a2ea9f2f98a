/* SPDX-License-Identifier: MIT */

/* Options: copying them across versions of the struct, and checking them. */
#include "options.h"

#include <string.h>

/* Copy a struct that begins with its own size. One from an older header is
 * shorter: what it lacks is zero. One from a newer header is longer: what is
 * not known here must be zero. */
static bool copy_struct(void *out, size_t known, const void *given)
{
    enum { LARGEST = 4096 }; /* no header will ever have a larger one */
    const unsigned char *bytes = given;
    size_t size;

    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > LARGEST)
        return false;
    for (size_t i = known; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    memset(out, 0, known);
    memcpy(out, given, size < known ? size : known);
    return true;
}

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
           in_range(o->commit, SHMAP_COMMIT_LAZY) && o->numa_node >= 0 &&
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

int shmap__region_options_read(shmap_region_options *options,
                               const shmap_region_options *given,
                               unsigned fields)
{
    static const shmap_region_options defaults = SHMAP_REGION_OPTIONS_INIT;

    *options = defaults;
    if (given == NULL)
        return 0;
    if (!copy_struct(options, sizeof *options, given) ||
        !values_valid(options) || !only_meaningful(options, fields))
        return SHMAP_EINVAL;
    if (options->numa_node != 0 ||
        (options->page_size != 0 &&
         options->page_size != shmap__os_facts_get()->page_size))
        return SHMAP_ENOTSUP;
    return 0;
}

int shmap__view_options_read(shmap_view_options *options,
                             const shmap_view_options *given)
{
    static const shmap_view_options defaults = SHMAP_VIEW_OPTIONS_INIT;

    *options = defaults;
    if (given == NULL)
        return 0;
    if (!copy_struct(options, sizeof *options, given) ||
        !in_range(options->access, SHMAP_ACCESS_COPY) ||
        (options->flags & ~(SHMAP_VIEW_PREFAULT | SHMAP_VIEW_LOCK)) != 0)
        return SHMAP_EINVAL;
    return (options->flags & SHMAP_VIEW_LOCK) != 0 ? SHMAP_ENOTSUP : 0;
}
