/* SPDX-License-Identifier: MIT */

/* Users: which one owns a region, and whether the caller accepts that. */
#include "posix/os.h"

#include <stdio.h>

/* Return whether the kernel's number for a user is that user. In a user
 * namespace, all users without a number there look like this one. */
static bool is_known(uid_t uid)
{
    enum { UNMAPPED = 65534 };
    char map[128];
    unsigned inside;
    unsigned outside;
    unsigned count;

    if (uid != UNMAPPED)
        return true;
    return shmap__posix_read_text("/proc/self/uid_map", map, sizeof map) == 0 &&
           sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 &&
           inside == 0 && outside == 0 && count == UINT32_MAX;
}

bool shmap__posix_accepts(int owner, uid_t uid, uid_t user)
{
    return owner == SHMAP_OWNER_ANYBODY ||
           (owner == SHMAP_OWNER_SYSTEM && uid == 0) ||
           (uid == user && is_known(uid));
}

void shmap__os_owner(const shmap__os_object *object, char *out, size_t size)
{
    struct stat stat;

    if (shmap__posix_still_ours(object, &stat) && is_known(stat.st_uid))
        snprintf(out, size, "%lu", (unsigned long)stat.st_uid);
}
