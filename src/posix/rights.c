/* SPDX-License-Identifier: MIT */

/* Rights: which users may open what is made here, and write to it. */
#include "posix/os.h"

#include <grp.h>
#include <stdlib.h>
#include <unistd.h>

static mode_t mode_of(int share)
{
    switch (share) {
    case SHMAP_SHARE_EVERYONE_READ:
        return S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
    case SHMAP_SHARE_EVERYONE:
        return S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;
    case SHMAP_SHARE_GROUP_READ:
        return S_IRUSR | S_IWUSR | S_IRGRP;
    case SHMAP_SHARE_GROUP:
        return S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP;
    default:
        return S_IRUSR | S_IWUSR;
    }
}

/* What getgrnam_r may say if there is no such group. */
static bool is_unknown(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
           error == EPERM;
}

static shmap__os_status no_such_group(int error)
{
    return (shmap__os_status){
        SHMAP_EINVAL, error,
        error == 0 ? "no group has the name that was given"
                   : "no group has the name that was given, or the list of "
                     "groups cannot be read"};
}

/* A group's number, by its name or as it is. SHMAP_EINVAL if there is none. */
static shmap__os_status find_group(const char *name, gid_t *number)
{
    struct group space;
    struct group *found = NULL;
    size_t size = 1024;
    char *buffer = NULL;
    char *end;
    int error;
    unsigned long parsed = strtoul(name, &end, 10);

    if (*name >= '0' && *name <= '9' && *end == '\0') {
        *number = (gid_t)parsed;
        return parsed < (gid_t)-1 ? shmap__posix_done : no_such_group(0);
    }
    do { /* Groups with many members need more space. */
        free(buffer);
        size *= 4;
        buffer = malloc(size);
        if (buffer == NULL)
            return (shmap__os_status){SHMAP_ENOMEM, 0};
        error = getgrnam_r(name, &space, buffer, size, &found);
    } while (error == ERANGE && size < 16 * 1024 * 1024);
    if (found != NULL)
        *number = found->gr_gid;
    free(buffer);
    if (found != NULL)
        return shmap__posix_done;
    return is_unknown(error) ? no_such_group(error)
                             : shmap__posix_failed(error);
}

shmap__os_status shmap__posix_rights_init(shmap__posix_rights *rights,
                                          const shmap_region_options *options)
{
    rights->mode = mode_of(options->share);
    rights->grouped = options->group != NULL;
    rights->group = 0;
    return rights->grouped ? find_group(options->group, &rights->group)
                           : shmap__posix_done;
}

static shmap__os_status give_to_group(int fd, gid_t group)
{
    if (fchown(fd, (uid_t)-1, group) == 0)
        return shmap__posix_done;
    return errno == EPERM ? (shmap__os_status){SHMAP_EPRIVILEGE, errno}
                          : shmap__posix_failed(errno);
}

/* First the group, which others than the right one must not use, then what it
 * may do. */
shmap__os_status shmap__posix_rights_give(const shmap__posix_rights *rights,
                                          int fd, mode_t bits,
                                          const struct stat *stat)
{
    const mode_t mode = bits | rights->mode;

    if (rights->grouped) {
        shmap__os_status status = give_to_group(fd, rights->group);

        if (status.code < 0)
            return status;
    } else if ((stat->st_mode & 07777) == mode) {
        return shmap__posix_done;
    }
    if (fchmod(fd, mode) == 0)
        return shmap__posix_done;
    /* A file system without such rights, or a filter. */
    if (errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP)
        return (shmap__os_status){SHMAP_ENOTSUP, errno,
                                  "the file system or a filter does not let "
                                  "this process set who may open it (fchmod)"};
    return shmap__posix_failed(errno);
}

/* An owner can change the mode. */
bool shmap__posix_cannot_write(int fd, const struct stat *stat)
{
    int again;

    if (stat->st_uid == geteuid())
        return false;
    again = shmap__posix_open_again(fd, O_RDWR);
    if (again >= 0)
        close(again);
    return again < 0 && (errno == EACCES || errno == EROFS);
}
