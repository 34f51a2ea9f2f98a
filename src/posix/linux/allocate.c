/* SPDX-License-Identifier: MIT */

/* The machine's memory, and making sure of room in it and in files (Linux). */
#include "posix/os.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* Return the bytes that the kernel thinks can be had without swapping; 0 if it
 * does not say (before Linux 3.14, or without /proc). */
static uint64_t available_memory(void)
{
    char text[512];
    unsigned long long kibibytes = 0;
    const char *line;

    if (shmap__posix_read_text("/proc/meminfo", text, sizeof text) != 0)
        return 0;
    line = strstr(text, "MemAvailable:");
    if (line == NULL || sscanf(line, "MemAvailable: %llu", &kibibytes) != 1)
        return 0;
    return (uint64_t)kibibytes << 10;
}

void shmap__posix_memory(uint64_t *total, uint64_t *available)
{
    struct sysinfo info = {0};
    uint64_t memory = available_memory();

    /* Not every filter lets it through. */
    if (sysinfo(&info) != 0) {
        *total = 0;
        *available = UINT64_MAX;
        return;
    }
    *total = ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
    *available =
        memory != 0 ? memory + (uint64_t)info.freeswap * info.mem_unit : *total;
}

/* Memory files have no name; shared memory objects are in one folder. */
bool shmap__posix_is_memory(int fd, const struct stat *stat)
{
    struct stat folder;

    (void)fd;
    return stat->st_nlink == 0 ||
           (fstatat(AT_FDCWD, SHMAP__POSIX_FOLDER, &folder, 0) == 0 &&
            folder.st_dev == stat->st_dev);
}

/* Only in memory do the pages have one size, which is that of the blocks. */
size_t shmap__posix_page_size(int fd, const struct stat *stat)
{
    const size_t page = shmap__os_facts_get()->page_size;
    struct statfs fs;

    if ((size_t)stat->st_blksize > page && fstatfs(fd, &fs) == 0 &&
        (unsigned long)fs.f_type == HUGETLBFS_MAGIC)
        return (size_t)fs.f_bsize;
    return page;
}

/* The kernel finds out page by page, and its last resort is to kill. */
int shmap__posix_check_room(int fd, uint64_t size, bool in_memory)
{
    struct statvfs fs;
    uint64_t total;
    uint64_t available;

    if (fstatvfs(fd, &fs) == 0 && fs.f_blocks != 0 &&
        size / fs.f_frsize > fs.f_bavail)
        return ENOSPC;
    if (in_memory) {
        shmap__posix_memory(&total, &available);
        if (size > available)
            return ENOSPC;
    }
    return 0;
}

/* Count the blocks that the file system lists as allocated, also those that are
 * only set aside. Returns false where it has no such list. */
static bool count_listed(int fd, uint64_t size, uint64_t *listed)
{
    enum { AT_ONCE = 32 };
    union {
        struct fiemap map;
        char space[sizeof(struct fiemap) +
                   AT_ONCE * sizeof(struct fiemap_extent)];
    } list;
    struct fiemap *map = &list.map;
    uint64_t at = 0;
    bool more = true;

    *listed = 0;
    while (more && at < size) {
        memset(map, 0, sizeof *map);
        map->fm_start = at;
        map->fm_length = size - at;
        map->fm_extent_count = AT_ONCE;
        /* C libraries disagree about the type of a request. */
        if (syscall(SYS_ioctl, fd, FS_IOC_FIEMAP, map) != 0)
            return false;
        more = map->fm_mapped_extents > 0;
        for (unsigned i = 0; i < map->fm_mapped_extents; i++) {
            const struct fiemap_extent *extent = &map->fm_extents[i];
            uint64_t end = extent->fe_logical + extent->fe_length;

            if (end > size)
                end = size;
            if (extent->fe_logical > at)
                at = extent->fe_logical;
            if (end > at) {
                *listed += end - at;
                at = end;
            }
            more = (extent->fe_flags & FIEMAP_EXTENT_LAST) == 0;
        }
    }
    return true;
}

/* Memory has no such list, but an exact number of blocks; those of disks can
 * lie behind the end of their file. */
uint64_t shmap__posix_missing(int fd, const struct stat *stat)
{
    const uint64_t size = (uint64_t)stat->st_size;
    const uint64_t unit = 512;
    uint64_t there = (uint64_t)stat->st_blocks * unit;
    uint64_t listed;

    if (count_listed(fd, size, &listed))
        there = listed;
    return there < size ? size - there : 0;
}

/* Return whether fallocate did nothing because the file system, the kernel or a
 * filter has no such call for this process. */
static bool is_refusal(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == EPERM ||
           error == EACCES || error == ENODEV || error == EINVAL;
}

/* Allocate in pieces, without a change of size. Before Linux 6.11, tmpfs gives
 * up the whole piece when a signal arrives, and would never finish one that
 * takes longer than a program's timer interval: after each interruption the
 * piece is halved. */
static int allocate(int fd, uint64_t from, uint64_t to)
{
    const uint64_t least = shmap__os_facts_get()->page_size;
    uint64_t piece = UINT64_C(32) << 20;

    while (from < to) {
        uint64_t size = to - from < piece ? to - from : piece;

        if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)size) == 0)
            from += size;
        else if (is_refusal(errno))
            return ENOTSUP;
        else if (errno != EINTR)
            return errno;
        else if (piece > least)
            piece /= 2;
    }
    return 0;
}

int shmap__posix_fill(int fd, uint64_t size)
{
    return allocate(fd, 0, size);
}

/* Pages of memory that are only allocated are zeroed when they are touched, one
 * by one. Written ones can be mapped many at a time, which for more than a few
 * pages is worth the writing. */
int shmap__posix_allocate(int fd, uint64_t from, uint64_t to, bool in_memory)
{
    const uint64_t worth_writing = UINT64_C(1) << 20;
    int error;

    if (in_memory && to - from >= worth_writing)
        return shmap__posix_write_zeros(fd, from, to);
    /* The size of memory that no other process has seen yet can come with the
     * pages. */
    if (in_memory && fallocate(fd, 0, (off_t)from, (off_t)(to - from)) == 0)
        return 0;
    error = allocate(fd, from, to);
    if (error == ENOTSUP)
        return shmap__posix_write_zeros(fd, from, to);
    /* The size follows when there is room for all of it, so that no process
     * maps what may be taken back. */
    if (error == 0 && ftruncate(fd, (off_t)to) != 0)
        error = errno;
    return error;
}
