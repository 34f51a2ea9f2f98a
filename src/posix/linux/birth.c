/* SPDX-License-Identifier: MIT */

/* The time at which a file was made, as Linux tells it. */
#include "posix/os.h"

#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_statx /* Linux 4.11, which not every C library has a call for */

uint64_t shmap__posix_file_birth(int fd)
{
    enum { BIRTH = 0x800 }; /* what is asked for, and told */
    struct {
        uint32_t told;
        uint32_t others[19];
        int64_t seconds;
        uint32_t nanoseconds;
        uint32_t rest[41];
    } found = {0};

    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, BIRTH, &found) != 0 ||
        (found.told & BIRTH) == 0)
        return 0;
    return (uint64_t)found.seconds * 1000000000 + found.nanoseconds;
}

#else

uint64_t shmap__posix_file_birth(int fd)
{
    (void)fd;
    return 0;
}

#endif
