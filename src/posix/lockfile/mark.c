/* SPDX-License-Identifier: MIT */

/* Becoming a holder by handover, which takes a mark of its own, found by the
 * name. */
#include "posix/lockfile/regions.h"

#include <string.h>
#include <unistd.h>

/* Names that shmap derives begin with one of its prefixes, or with as much of
 * one as the system's limit leaves beside a hash. */
static bool is_derived(const char *name)
{
    return strncmp(name, "shmap.", 6) == 0 || strncmp(name, "shmap~", 6) == 0;
}

bool shmap__posix_named_lend(int fd)
{
    (void)fd;
    return true;
}

shmap__os_status shmap__posix_named_take(shmap__os_object *object, int fd,
                                         const struct stat *stat,
                                         const shmap__os_request *request)
{
    const char *os_name = request->os_name;
    shmap__os_request by_name = *request;
    shmap__os_object found;
    shmap__os_status status;

    by_name.options.scope = is_derived(os_name + (*os_name == '/'))
                                ? SHMAP_SCOPE_MACHINE
                                : SHMAP_SCOPE_NATIVE;
    status = shmap__os_named_open(&found, &by_name);
    if (status.code < 0)
        return status;
    if (!shmap__posix_identifies(found.identity, stat)) {
        if (found.foreign)
            close((int)found.native);
        else
            shmap__posix_named_close(&found, os_name, stat);
        return (shmap__os_status){SHMAP_ENOENT, 0};
    }
    close(fd);
    *object = found;
    return status;
}
