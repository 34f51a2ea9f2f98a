/* SPDX-License-Identifier: MIT */

/* Descriptors as gifts: making one for another process, and making an object of
 * one that this process was given. */
#include "posix/os.h"

#include <unistd.h>

#include "base/stop.h"

static bool is_for_reading(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

/* Return a new descriptor, or -1 and errno: of a description of its own, for
 * reading only if it is given so, where that can be had: a process that shares
 * a description could take away the mark with which the exporter holds a named
 * region or a file. Memory that is given with all rights has no marks. */
static int new_descriptor(const shmap__os_object *object, int access)
{
    const bool read = access == SHMAP_ACCESS_READ;
    int fd = (int)object->native;
    int again = -1;

    if (object->kind != SHMAP_KIND_ANONYMOUS || (read && !is_for_reading(fd)))
        again = shmap__posix_open_again(fd, read ? O_RDONLY : O_RDWR);
    if (again >= 0 && object->kind == SHMAP_KIND_NAMED && !object->foreign &&
        !shmap__posix_named_lend(again)) {
        close(again);
        again = -1;
    }
    if (again < 0)
        return shmap__posix_duplicate(fd);
    if (object->kind == SHMAP_KIND_FILE && !read)
        shmap__posix_file_mark(again);
    return again;
}

/* Return the time of a file's making; 0 for other kinds. A file's inode can
 * have the number of a removed one, but not its time. */
static uint64_t birth_of(int fd, const shmap__os_gift *gift)
{
    return gift->kind == SHMAP_KIND_FILE ? shmap__posix_file_birth(fd) : 0;
}

void shmap__posix_gift_identify(const shmap__os_object *object,
                                shmap__os_gift *gift)
{
    gift->identity[0] = object->identity[0];
    gift->identity[1] =
        object->identity[1] ^ birth_of((int)object->native, gift);
}

bool shmap__posix_fd_matches_gift(int fd, const shmap__os_gift *gift,
                                  struct stat *stat)
{
    const uint64_t identity[2] = {gift->identity[0],
                                  gift->identity[1] ^ birth_of(fd, gift)};

    return fstat(fd, stat) == 0 && shmap__posix_identifies(identity, stat);
}

shmap__os_status shmap__posix_gift_open(const shmap__os_object *object,
                                        const shmap__os_gift *gift, int *fd,
                                        struct stat *stat)
{
    if (!shmap__posix_still_ours(object, stat))
        return shmap__posix_failed(EBADF);
    *fd = new_descriptor(object, gift->access);
    return *fd >= 0 ? shmap__posix_done : shmap__posix_failed(errno);
}

shmap__os_status shmap__posix_gift_complete(shmap__os_object *object,
                                            shmap__os_gift *gift, int fd,
                                            const struct stat *stat)
{
    shmap__os_status status = shmap__posix_done;

    if (gift->access == SHMAP_ACCESS_READ)
        status = shmap__posix_forbid_writing(object, stat);
    if (status.code == 0 && gift->access == SHMAP_ACCESS_READ &&
        !is_for_reading(fd) &&
        (shmap__os_seals(object) & SHMAP_SEAL_WRITERS) == 0)
        status = (shmap__os_status){SHMAP_ENOTSUP, 0};
    if (status.code < 0) {
        close(fd);
        return status;
    }
    SHMAP__STOP("give.made");
    gift->native = fd;
    shmap__posix_gift_identify(object, gift);
    return status;
}

static shmap__os_status take_nameless(shmap__os_object *object, int fd,
                                      const struct stat *stat,
                                      const shmap__os_request *request)
{
    shmap__os_status status =
        shmap__posix_object_check(object, fd, stat, request, geteuid());

    if (status.code < 0)
        return status;
    /* A file whose name is gone looks like memory. */
    if (object->kind == SHMAP_KIND_ANONYMOUS &&
        !shmap__posix_is_memory(fd, stat))
        object->kind = SHMAP_KIND_FILE;
    if (object->kind == SHMAP_KIND_FILE &&
        object->access == SHMAP_ACCESS_READ_WRITE)
        shmap__posix_file_mark(fd);
    return status;
}

shmap__os_status shmap__posix_gift_take(shmap__os_object *object, int fd,
                                        const shmap__os_request *request)
{
    const int access = request->options.access;
    struct stat stat;

    SHMAP__STOP("take.found");
    if (!shmap__posix_fd_matches_gift(fd, request->gift, &stat))
        return (shmap__os_status){SHMAP_ENOENT, 0};
    if (!shmap__posix_can_be_memory(&stat))
        return (shmap__os_status){SHMAP_ETYPE, 0};
    if (shmap__posix_access_of(fd, access) != access)
        return (shmap__os_status){SHMAP_EACCES, 0};
    return request->kind == SHMAP_KIND_NAMED
               ? shmap__posix_named_take(object, fd, &stat, request)
               : take_nameless(object, fd, &stat, request);
}
