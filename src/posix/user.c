/* SPDX-License-Identifier: MIT */

/* Users: finding the user of a region, and whether the caller accepts that
 * user. */
#include "posix/os.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Return whether getpwnam_r and getgrnam_r may say this of an unknown name. */
static bool means_unknown(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
           error == EPERM;
}

shmap__os_status shmap__posix_find_account(uint32_t *number, const char *name,
                                           shmap__posix_ask_account *ask,
                                           const char *none)
{
    size_t size = 1024;
    char *space = NULL;
    bool found = false;
    char *end;
    int error;
    unsigned long parsed = strtoul(name, &end, 10);

    if (*name >= '0' && *name <= '9' && *end == '\0') {
        *number = (uint32_t)parsed;
        return parsed < UINT32_MAX ? shmap__posix_done
                                   : (shmap__os_status){SHMAP_EINVAL, 0, none};
    }
    do { /* Groups with many members need more space. */
        free(space);
        size *= 4;
        space = malloc(size);
        if (space == NULL)
            return (shmap__os_status){SHMAP_ENOMEM, 0};
        error = ask(name, space, size, number, &found);
    } while (error == ERANGE && size < 16 * 1024 * 1024);
    free(space);
    if (found)
        return shmap__posix_done;
    return means_unknown(error) ? (shmap__os_status){SHMAP_EINVAL, error, none}
                                : shmap__posix_failed(error);
}

static int ask_user(const char *name, char *space, size_t size,
                    uint32_t *number, bool *found)
{
    struct passwd user;
    struct passwd *entry = NULL;
    int error = getpwnam_r(name, &user, space, size, &entry);

    *found = entry != NULL;
    if (*found)
        *number = user.pw_uid;
    return error;
}

shmap__os_status shmap__os_user_find(shmap__os_user *user, const char *name)
{
    uint32_t number = 0;
    shmap__os_status status = shmap__posix_find_account(
        &number, name, ask_user, "options: no user has the name of `user`");

    user->space[0] = number;
    return status;
}

bool shmap__posix_accepts(const shmap__os_request *request, uid_t uid,
                          uid_t user)
{
    switch (request->options.accept) {
    case SHMAP_ACCEPT_ANYBODY:
        return true;
    case SHMAP_ACCEPT_USER:
        return uid == request->user.space[0] && is_known(uid);
    case SHMAP_ACCEPT_SYSTEM:
        return uid == 0 || (uid == user && is_known(uid));
    default:
        return uid == user && is_known(uid);
    }
}

void shmap__os_owner(const shmap__os_object *object, char *out, size_t size)
{
    struct stat stat;

    if (shmap__posix_still_ours(object, &stat) && is_known(stat.st_uid))
        snprintf(out, size, "%lu", (unsigned long)stat.st_uid);
}
