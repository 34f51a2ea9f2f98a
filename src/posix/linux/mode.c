/* SPDX-License-Identifier: MIT */

/* The modes of objects in /dev/shm: of a region, of one that is about to be
 * removed, and of another program's object. */
#include "posix/linux/regions.h"

#include "posix/linux/stamp.h"

static const mode_t condemned_mode = S_ISVTX | S_IRWXU;

enum shmap__posix_make shmap__posix_make_of(const struct stat *stat)
{
    const mode_t others = S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;
    const mode_t mode = stat->st_mode & 07777;

    if (!S_ISREG(stat->st_mode))
        return SHMAP__POSIX_FOREIGN;
    if (mode == condemned_mode)
        return SHMAP__POSIX_CONDEMNED;
    return (mode & ~others) == SHMAP__POSIX_PRIVATE ? SHMAP__POSIX_REGION
                                                    : SHMAP__POSIX_FOREIGN;
}

enum shmap__posix_make shmap__posix_make_behind(int fd, const struct stat *stat)
{
    enum shmap__posix_make make = shmap__posix_make_of(stat);

    if (make == SHMAP__POSIX_CONDEMNED &&
        shmap__posix_stamp_check(fd, stat, "") == SHMAP__POSIX_PROOF_NONE &&
        shmap__posix_stamp_lasts(fd))
        return SHMAP__POSIX_FOREIGN;
    return make;
}

bool shmap__posix_mode_condemn(int fd)
{
    return fchmod(fd, condemned_mode) == 0;
}
