/* SPDX-License-Identifier: MIT */

/* Rights: the users that may open a new object, and write to it. */
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

static int ask_group(const char *name, char *space, size_t size,
                     uint32_t *number, bool *found)
{
    struct group group;
    struct group *entry = NULL;
    int error = getgrnam_r(name, &group, space, size, &entry);

    *found = entry != NULL;
    if (*found)
        *number = group.gr_gid;
    return error;
}

static shmap__os_status find_group(const char *name, gid_t *group)
{
    uint32_t number = 0;
    shmap__os_status status = shmap__posix_find_account(
        &number, name, ask_group, "options: no group has the name of `group`");

    *group = (gid_t)number;
    return status;
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

/* First the group, so that no other group gets its rights, then the rights. */
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
        return (shmap__os_status){
            SHMAP_ENOTSUP, errno,
            "the file system or a filter does not let "
            "this process set the mode of the object (fchmod)"};
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
