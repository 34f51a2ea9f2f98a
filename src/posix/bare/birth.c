/* SPDX-License-Identifier: MIT */

/* The time at which a file was made, as macOS and the BSDs tell it. */
#include "posix/os.h"

#ifdef st_birthtime

uint64_t shmap__posix_file_birth(int fd)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return 0;
    return (uint64_t)found.st_birthtimespec.tv_sec * 1000000000 +
           (uint64_t)found.st_birthtimespec.tv_nsec;
}

#else

uint64_t shmap__posix_file_birth(int fd)
{
    (void)fd;
    return 0;
}

#endif
