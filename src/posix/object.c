/* SPDX-License-Identifier: MIT */

/* The parts that all kinds of regions have in common: descriptors, sizes,
 * closing. */
#include "posix/os.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/stop.h"

/* Return whether no new writable mapping can be made. */
static bool is_sealed(int fd)
{
    const shmap__os_object object = {.native = fd};

    return (shmap__os_seals(&object) & SHMAP_SEAL_WRITERS) != 0;
}

int shmap__posix_access_of(int fd, int asked)
{
    int flags = fcntl(fd, F_GETFL);
    int allowed;

    if (flags < 0)
        return SHMAP_EINVAL;
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
        return SHMAP_EACCES;
    allowed = (flags & O_ACCMODE) == O_RDWR && !is_sealed(fd)
                  ? SHMAP_ACCESS_READ_WRITE
                  : SHMAP_ACCESS_READ;
    if (asked == SHMAP_ACCESS_DEFAULT)
        return allowed;
    return asked > allowed ? SHMAP_EACCES : asked;
}

shmap__os_status shmap__os_adopt(shmap__os_object *object,
                                 const shmap__os_request *request)
{
    const intptr_t native = request->native;
    struct stat stat;
    int fd = (int)native;
    int owned = fd;
    int access;

    if (native < 0 || native > INT32_MAX || fstat(fd, &stat) != 0)
        return (shmap__os_status){SHMAP_EINVAL, EBADF,
                                  "native: must be an open descriptor"};
    if (!shmap__posix_can_be_memory(&stat))
        return (shmap__os_status){SHMAP_ETYPE, 0};
    access = shmap__posix_access_of(fd, request->options.access);
    if (access < 0)
        return (shmap__os_status){access, 0};
    if (stat.st_size == 0)
        return (shmap__os_status){SHMAP_ENOTREADY, 0};
    if (shmap__posix_cannot_map(fd, &stat))
        return (shmap__os_status){SHMAP_ETYPE, ENODEV,
                                  "this file system cannot map the file"};

    if (fd <= STDERR_FILENO)
        owned = shmap__posix_duplicate(fd);
    if (owned < 0 || fcntl(owned, F_SETFD, FD_CLOEXEC) != 0)
        return shmap__posix_failed(errno);
    if (owned != fd)
        close(fd);
    shmap__posix_object_fill(object, owned, &stat,
                             shmap__posix_is_memory(owned, &stat)
                                 ? SHMAP_KIND_ANONYMOUS
                                 : SHMAP_KIND_FILE,
                             access);
    object->foreign = true;
    return shmap__posix_done;
}

void shmap__os_close(shmap__os_object *object, const char *os_name)
{
    struct stat stat;
    bool ours = shmap__posix_still_ours(object, &stat);

    SHMAP__STOP("close.begun");
    shmap__posix_presence_end(object);
    if (object->kind == SHMAP_KIND_NAMED && !object->foreign)
        shmap__posix_named_close(object, os_name, ours ? &stat : NULL);
    else if (ours)
        close((int)object->native);
    shmap__posix_writable_end(object);
    free(object->path);
}

shmap__os_status shmap__os_size(const shmap__os_object *object, uint64_t *size)
{
    struct stat stat;

    if (!shmap__posix_still_ours(object, &stat))
        return shmap__posix_failed(EBADF);
    *size = shmap__posix_whole_pages((uint64_t)stat.st_size, object->page_size);
    /* Another program's object can end inside a page, which exists as a whole.
     */
    if (object->kind != SHMAP_KIND_FILE) {
        uint64_t mask = object->page_size - 1;

        *size = (*size + mask) & ~mask;
    }
    return shmap__posix_done;
}

int shmap__os_info_flags(const shmap__os_object *object, const char *os_name)
{
    int fd = (int)object->native;
    int flags = object->foreign ? SHMAP_INFO_FOREIGN : 0;
    bool alone = false;
    struct stat stat;

    if (shmap__posix_still_ours(object, &stat)) {
        if (shmap__posix_missing(fd, &stat) > 0)
            flags |= SHMAP_INFO_SPARSE;
        if (object->kind == SHMAP_KIND_FILE &&
            shmap__posix_file_is_lost(object, &stat))
            flags |= SHMAP_INFO_NAME_LOST;
    }
    if (object->kind == SHMAP_KIND_NAMED &&
        !shmap__posix_name_means(os_name, object))
        flags |= SHMAP_INFO_NAME_LOST;
    if (object->kind == SHMAP_KIND_FILE)
        alone = shmap__posix_file_alone(fd);
    else if (object->kind == SHMAP_KIND_NAMED && !object->foreign)
        alone = shmap__posix_alone(fd);
    return alone ? flags | SHMAP_INFO_ALONE : flags;
}
