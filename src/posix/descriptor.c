/* SPDX-License-Identifier: MIT */

/* Descriptors: opening, duplicating and comparing them. */
#include "posix/os.h"

#include <stdio.h>
#include <unistd.h>

int shmap__posix_open_flags(int access)
{
    return access == SHMAP_ACCESS_READ ? O_RDONLY : O_RDWR;
}

int shmap__posix_duplicate(int fd)
{
    int made = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    /* Not even that number may be used. */
    if (made < 0 && errno == EINVAL)
        errno = EMFILE;
    return made;
}

int shmap__posix_above_stdio(int fd)
{
    int moved;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    moved = shmap__posix_duplicate(fd);
    shmap__posix_close_quietly(fd);
    return moved;
}

int shmap__posix_open(const char *path, int flags, mode_t mode)
{
    const int makes = O_CREAT | O_EXCL;
    int fd;
    int moved;

    do {
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
    } while (fd < 0 && errno == EINTR);
    moved = shmap__posix_above_stdio(fd);
    if (moved < 0 && fd >= 0 && (flags & makes) == makes) {
        int error = errno;

        unlink(path);
        errno = error;
    }
    return moved;
}

void shmap__posix_close_quietly(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
}

int shmap__posix_read_text(const char *path, char *out, size_t room)
{
    int fd = shmap__posix_open(path, O_RDONLY, 0);
    ssize_t size;
    int error;

    if (fd < 0)
        return errno;
    do {
        size = read(fd, out, room - 1);
    } while (size < 0 && errno == EINTR);
    error = size < 0 ? errno : 0;
    shmap__posix_close_quietly(fd);
    if (error == 0)
        out[size] = '\0';
    return error;
}

int shmap__posix_write_zeros(int fd, uint64_t from, uint64_t to)
{
    static const char zeros[65536];

    while (from < to) {
        size_t size =
            to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        ssize_t written = pwrite(fd, zeros, size, (off_t)from);

        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0)
            from += (uint64_t)written;
    }
    return 0;
}

bool shmap__posix_can_be_memory(const struct stat *stat)
{
#ifdef __APPLE__ /* Shared memory objects there have no type. */
    if ((stat->st_mode & S_IFMT) == 0)
        return true;
#endif
    return S_ISREG(stat->st_mode);
}

bool shmap__posix_identifies(const uint64_t identity[2],
                             const struct stat *stat)
{
    return (uint64_t)stat->st_dev == identity[0] &&
           (uint64_t)stat->st_ino == identity[1];
}

bool shmap__posix_still_ours(const shmap__os_object *object, struct stat *stat)
{
    return fstat((int)object->native, stat) == 0 &&
           shmap__posix_identifies(object->identity, stat);
}

void shmap__posix_descriptor_path(char path[SHMAP__POSIX_DESCRIPTOR_PATH],
                                  int fd)
{
    snprintf(path, SHMAP__POSIX_DESCRIPTOR_PATH, "/proc/self/fd/%d", fd);
}

int shmap__posix_open_again(int fd, int flags)
{
    char path[SHMAP__POSIX_DESCRIPTOR_PATH];

    shmap__posix_descriptor_path(path, fd);
    return shmap__posix_open(path, flags | O_NONBLOCK, 0);
}
