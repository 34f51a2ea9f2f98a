/* SPDX-License-Identifier: MIT */

/* Room for regions: extending one, and how much is left. */
#include "posix/os.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

shmap__os_status shmap__posix_extend(int fd, uint64_t from, uint64_t to,
                                     int commit, bool in_memory)
{
    const uint64_t worth_asking = UINT64_C(16) << 20;
    struct rlimit limit;
    int error = 0;

    /* Beyond this limit the kernel sends SIGXFSZ, which ends programs. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && to > limit.rlim_cur)
        return (shmap__os_status){SHMAP_ENOSPC, EFBIG};

    if (commit == SHMAP_COMMIT_LAZY)
        return ftruncate(fd, (off_t)to) == 0 ? shmap__posix_done
                                             : shmap__posix_failed(errno);
    if (to - from > worth_asking)
        error = shmap__posix_check_room(fd, to - from, in_memory);
    if (error == 0)
        error = shmap__posix_allocate(fd, from, to, in_memory);
    if (error == ENOMEM)
        return (shmap__os_status){SHMAP_ENOSPC, error};
    return error == 0 ? shmap__posix_done : shmap__posix_failed(error);
}

/* Room on the file system of a path, or of the folder it is in. */
static bool file_system_room(const char *path, uint64_t *room)
{
    struct statvfs fs;
    char folder[4096];
    const char *slash;
    size_t size;

    if (statvfs(path, &fs) != 0) {
        slash = strrchr(path, '/');
        size = slash == NULL ? 0 : (size_t)(slash - path) + 1;
        if (size >= sizeof folder)
            return false;
        memcpy(folder, size == 0 ? "." : path, size == 0 ? 1 : size);
        folder[size == 0 ? 1 : size] = '\0';
        if (statvfs(folder, &fs) != 0)
            return false;
    }
    *room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (fs.f_files != 0 && fs.f_favail == 0) /* No more files. */
        *room = 0;
    return true;
}

bool shmap__os_room(int kind, const char *path, uint64_t *room,
                    const char **where)
{
    struct rlimit limit;
    uint64_t total;

    if (kind == SHMAP_KIND_ANONYMOUS) {
        shmap__posix_memory(&total, room);
        if (total == 0)
            return false;
        *where = "the machine's memory";
    } else if (kind == SHMAP_KIND_FILE) {
        if (!file_system_room(path, room))
            return false;
        *where = "the file system";
    } else {
        struct stat folder;

        /* Not every system keeps shared memory in a folder. */
        if (lstat(SHMAP__POSIX_FOLDER, &folder) != 0 ||
            !file_system_room(SHMAP__POSIX_FOLDER, room))
            return false;
        *where = SHMAP__POSIX_FOLDER;
    }
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < *room) {
        *room = limit.rlim_cur;
        *where = "the limit for file sizes (ulimit -f)";
    }
    return true;
}
