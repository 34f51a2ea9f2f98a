/* SPDX-License-Identifier: MIT */

/* Requests: the arguments of a call are checked and completed in one place,
 * from a table of the options. A new option is a field of shmap_region_options,
 * a row of that table, and what the primitives do with it.
 */
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
 * header is longer: fields unknown here must be zero. */
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

static bool in_range(int value, int last)
{
    return value >= 0 && value <= last;
}

/* Sets of calls. */
#define CALL(name)      (1U << SHMAP__CALL_##name)
#define CALLS_THAT_NAME (CALL(CREATE) | CALL(OPEN) | CALL(OPEN_OR_CREATE))
#define CALLS_THAT_MAKE                                            \
    (CALL(CREATE) | CALL(CREATE_NAMELESS) | CALL(OPEN_OR_CREATE) | \
     CALL(OPEN_FILE))
#define CALLS_THAT_GET_ACCESS \
    (CALL(OPEN) | CALL(OPEN_FILE) | CALL(ADOPT) | CALL(IMPORT) | CALL(RECEIVE))
#define CALLS_THAT_ACCEPT                                               \
    (CALL(OPEN) | CALL(OPEN_OR_CREATE) | CALL(IMPORT) | CALL(RECEIVE) | \
     CALL(REAP_ALL))

/* An option: which calls read it, and its last value if it is an int. Where it
 * is not read it must be zero. */
typedef struct option_row {
    size_t offset;
    size_t size;
    unsigned calls;
    int last; /* -1: any */
    const char *bad_value;
    const char *not_read;
} option_row;

#define OPTION(field, calls, last)                                       \
    {                                                                    \
        offsetof(shmap_region_options, field),                           \
            sizeof((shmap_region_options *)0)->field, (calls), (last),   \
            "options: " #field " has a value that does not exist",       \
            "options: " #field " has no meaning for this call and must " \
            "be zero"                                                    \
    }

static const option_row options_table[] = {
    OPTION(access, CALLS_THAT_GET_ACCESS, SHMAP_ACCESS_READ_WRITE),
    OPTION(share, CALLS_THAT_MAKE, SHMAP_SHARE_GROUP),
    OPTION(group, CALLS_THAT_MAKE, -1),
    OPTION(accept, CALLS_THAT_ACCEPT, SHMAP_ACCEPT_USER),
    OPTION(user, CALLS_THAT_ACCEPT, -1),
    OPTION(scope, CALLS_THAT_NAME | CALL(REAP), SHMAP_SCOPE_NATIVE),
    OPTION(create, CALL(OPEN_FILE), SHMAP_CREATE_NEW),
    OPTION(commit, CALLS_THAT_MAKE, SHMAP_COMMIT_ALL),
    OPTION(reserve, CALLS_THAT_MAKE, -1),
    OPTION(page_size, CALLS_THAT_MAKE, -1),
};

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Return NULL, or the fault of the first field that has one. */
static const char *find_fault(const shmap_region_options *options,
                              enum shmap__call call)
{
    const unsigned char *start = (const unsigned char *)options;

    for (size_t i = 0; i < sizeof options_table / sizeof *options_table; i++) {
        const option_row *row = &options_table[i];
        int value;

        if (is_zero(start + row->offset, row->size))
            continue;
        if ((row->calls & 1U << call) == 0)
            return row->not_read;
        memcpy(&value, start + row->offset, sizeof value);
        if (row->last >= 0 && !in_range(value, row->last))
            return row->bad_value;
    }
    return NULL;
}

/* Whether a group is named if and only if there is to be one. */
static bool has_group(const shmap_region_options *o)
{
    bool wanted =
        o->share == SHMAP_SHARE_GROUP_READ || o->share == SHMAP_SHARE_GROUP;

    return wanted ? o->group != NULL && o->group[0] != '\0' : o->group == NULL;
}

/* Whether a user is named if and only if one is to be accepted. */
static bool has_user(const shmap_region_options *o)
{
    return o->accept == SHMAP_ACCEPT_USER
               ? o->user != NULL && o->user[0] != '\0'
               : o->user == NULL;
}

static shmap__os_status read_options(shmap_region_options *options,
                                     const shmap_region_options *given,
                                     enum shmap__call call)
{
    static const shmap_region_options defaults = SHMAP_REGION_OPTIONS_INIT;
    const char *fault;

    *options = defaults;
    if (given == NULL)
        return shmap__refuse(0);
    if (!size_valid(given->struct_size, region_options_sizes))
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: no version has this struct_size: begin "
                          "with SHMAP_REGION_OPTIONS_INIT");
    if (!copy_struct(options, sizeof *options, given))
        return shmap__refuse_because(SHMAP_EINVAL, bad_tail);
    options->struct_size = sizeof *options;
    fault = find_fault(options, call);
    if (fault == NULL && !has_group(options))
        fault = "options: group must be set with SHMAP_SHARE_GROUP and "
                "SHMAP_SHARE_GROUP_READ, and only then";
    if (fault == NULL && !has_user(options))
        fault = "options: user must be set with SHMAP_ACCEPT_USER, and only "
                "then";
    if (fault != NULL)
        return shmap__refuse_because(SHMAP_EINVAL, fault);
    if (options->page_size != 0 &&
        options->page_size != shmap__os_facts_get()->page_size)
        return shmap__refuse_because(
            SHMAP_ENOTSUP, "options: page_size: this version of the library "
                           "has only the system's page size");
    return shmap__refuse(0);
}

static const char no_growth[] =
    "options: reserve: this version of the library has no regions that grow";
static const char too_large[] =
    "size: no region can have as many bytes on this system";

/* Check the size of memory and round it up to whole pages. */
static shmap__os_status fill_memory_size(shmap__os_request *os, uint64_t size)
{
    uint64_t mask = os->page_size - 1;

    if (size == 0)
        return shmap__refuse_because(SHMAP_EINVAL,
                                     "size: a region has at least one byte");
    if (size > shmap__os_facts_get()->max_size - mask)
        return shmap__refuse_because(SHMAP_E2BIG, too_large);
    os->size = (size + mask) & ~mask;
    return os->options.reserve > os->size
               ? shmap__refuse_because(SHMAP_ENOTSUP, no_growth)
               : shmap__refuse(0);
}

/* Check the size of a file: reading cannot make or extend one. */
static shmap__os_status fill_file_size(shmap__os_request *os, uint64_t size)
{
    const bool reads = os->options.access == SHMAP_ACCESS_READ;

    if (reads && os->options.create != SHMAP_CREATE_NEVER)
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: a file that is opened for reading cannot "
                          "be made: access or create is wrong");
    if (reads && os->options.commit == SHMAP_COMMIT_ALL)
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: a file that is opened for reading cannot "
                          "be filled: access or commit is wrong");
    if (size > shmap__os_facts_get()->max_size)
        return shmap__refuse_because(SHMAP_E2BIG, too_large);
    os->size = size;
    return os->options.reserve != 0
               ? shmap__refuse_because(SHMAP_ENOTSUP, no_growth)
               : shmap__refuse(0);
}

static shmap__os_status fill_size(shmap__request *request, uint64_t size)
{
    shmap__os_request *os = &request->os;

    os->page_size = os->options.page_size != 0
                        ? (size_t)os->options.page_size
                        : shmap__os_facts_get()->page_size;
    os->size = 0;
    if ((CALLS_THAT_MAKE & 1U << request->call) == 0)
        return shmap__refuse(0);
    return request->call == SHMAP__CALL_OPEN_FILE ? fill_file_size(os, size)
                                                  : fill_memory_size(os, size);
}

/* The kind of region that the calls ask for; 0 where the object tells it. */
static int kind_of(enum shmap__call call)
{
    if ((CALLS_THAT_NAME & 1U << call) != 0)
        return SHMAP_KIND_NAMED;
    if (call == SHMAP__CALL_CREATE_NAMELESS)
        return SHMAP_KIND_ANONYMOUS;
    if (call == SHMAP__CALL_REAP)
        return SHMAP_KIND_NAMED;
    return call == SHMAP__CALL_OPEN_FILE ? SHMAP_KIND_FILE : 0;
}

static shmap__os_status fill_name(shmap__request *request, const char *name)
{
    shmap__os_request *os = &request->os;

    os->os_name = "";
    if (os->kind == SHMAP_KIND_NAMED)
        return shmap__name_resolve(&os->os_name, request->space, name,
                                   os->options.scope);
    if (os->kind == SHMAP_KIND_FILE)
        os->os_name = name;
    return shmap__refuse(0);
}

static shmap__os_status check_name(int kind, const char *name)
{
    if (kind == SHMAP_KIND_NAMED && name == NULL)
        return shmap__refuse_null("name");
    if (kind == SHMAP_KIND_FILE && name == NULL)
        return shmap__refuse_null("path");
    if (kind == SHMAP_KIND_FILE && !shmap__name_is_utf8(name))
        return shmap__refuse_because(SHMAP_ENAME,
                                     "path: must be UTF-8 of one byte or more");
    return shmap__refuse(0);
}

shmap__os_status shmap__request_fill(shmap__request *request,
                                     enum shmap__call call, const char *name,
                                     uint64_t size,
                                     const shmap_region_options *given)
{
    shmap__os_request *os = &request->os;
    shmap__os_status status;

    request->call = call;
    os->kind = kind_of(call);
    os->native = -1;
    os->gift = NULL;
    status = check_name(os->kind, name);
    if (status.code == 0)
        status = read_options(&os->options, given, call);
    if (status.code == 0 && os->options.accept == SHMAP_ACCEPT_USER)
        status = shmap__os_user_find(&os->user, os->options.user);
    if (status.code == 0)
        status = fill_size(request, size);
    if (status.code == 0)
        status = fill_name(request, name);
    if (status.code == 0 && os->options.access == SHMAP_ACCESS_DEFAULT &&
        os->kind != 0)
        os->options.access = SHMAP_ACCESS_READ_WRITE;
    return status;
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
         ~(unsigned)(SHMAP_VIEW_PREFAULT | SHMAP_VIEW_RESIDENT |
                     SHMAP_VIEW_NO_DUMP)) != 0)
        return shmap__refuse_because(
            SHMAP_EINVAL, "options: access or flags has a value that does not "
                          "exist");
    if ((options->flags & SHMAP_VIEW_RESIDENT) != 0)
        return shmap__refuse_because(
            SHMAP_ENOTSUP, "options: flags: this version of the library cannot "
                           "keep views in memory");
    return shmap__refuse(0);
}

shmap__os_status shmap__region_info_check(const shmap_region_info *info)
{
    if (size_valid(info->struct_size, region_info_sizes))
        return shmap__refuse(0);
    return shmap__refuse_because(SHMAP_EINVAL,
                                 "info: no version has this struct_size: begin "
                                 "with SHMAP_REGION_INFO_INIT");
}
