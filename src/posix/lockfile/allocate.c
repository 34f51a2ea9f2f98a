/* SPDX-License-Identifier: MIT */

/* The machine's memory, and making sure of room in it and in files, on systems
 * of which only POSIX is known. */
#include "posix/os.h"

#include <sys/statvfs.h>
#include <unistd.h>

/* POSIX has no function that tells. */
void shmap__posix_memory(uint64_t *total, uint64_t *available)
{
    *total = 0;
    *available = 0;
}

bool shmap__posix_is_memory(int fd, const struct stat *stat)
{
    struct stat folder;
    struct statvfs fs;

    /* Where shared memory objects are not in a folder, they are on no file
     * system. */
    return stat->st_nlink == 0 || fstatvfs(fd, &fs) != 0 ||
           (lstat(SHMAP__POSIX_FOLDER, &folder) == 0 &&
            folder.st_dev == stat->st_dev);
}

/* Huge pages that programs must know about are Linux's. */
size_t shmap__posix_page_size(int fd, const struct stat *stat)
{
    (void)fd, (void)stat;
    return shmap__os_facts_get()->page_size;
}

int shmap__posix_check_room(int fd, uint64_t size, bool in_memory)
{
    struct statvfs fs;

    (void)in_memory;
    if (fstatvfs(fd, &fs) == 0 && fs.f_blocks != 0 && fs.f_frsize != 0 &&
        size / fs.f_frsize > fs.f_bavail)
        return ENOSPC;
    return 0;
}

uint64_t shmap__posix_missing(int fd, const struct stat *stat)
{
    const uint64_t unit = 512;
    uint64_t there = (uint64_t)stat->st_blocks * unit;

    (void)fd;
    return there < (uint64_t)stat->st_size ? (uint64_t)stat->st_size - there
                                           : 0;
}

/* posix_fallocate may write where the file system cannot allocate, and undo
 * what others write at the same time. */
int shmap__posix_fill(int fd, uint64_t size)
{
    (void)fd, (void)size;
    return ENOTSUP;
}

/* Return 0 or an error, EINVAL among them where this cannot be done. */
static int allocate(int fd, uint64_t from, uint64_t size)
{
#if defined(_POSIX_ADVISORY_INFO) && _POSIX_ADVISORY_INFO > 0
    return posix_fallocate(fd, (off_t)from, (off_t)size);
#else
    (void)fd, (void)from, (void)size;
    return EINVAL;
#endif
}

/* The pages of shared memory objects come from memory and swap when they are
 * touched, unless the system can allocate them. On macOS the size of an object
 * can be set once, so that comes first. */
int shmap__posix_allocate(int fd, uint64_t from, uint64_t to, bool in_memory)
{
    const uint64_t least = shmap__os_facts_get()->page_size;
    uint64_t piece = UINT64_C(32) << 20;

    if (in_memory && ftruncate(fd, (off_t)to) != 0)
        return errno;
    while (from < to) {
        uint64_t size = to - from < piece ? to - from : piece;
        int error = allocate(fd, from, size);

        if (error == 0)
            from += size;
        else if (error == EINVAL || error == EOPNOTSUPP || error == ENODEV)
            return in_memory ? 0 : shmap__posix_write_zeros(fd, from, to);
        else if (error != EINTR)
            return error;
        else if (piece > least)
            piece /= 2;
    }
    return 0;
}
