/* SPDX-License-Identifier: MIT */

/* What all kinds of regions have in common: descriptors, sizes, letting go. */
#include "posix/os.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/stop.h"

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

bool shmap__posix_can_be_memory(const struct stat *stat)
{
#ifdef __APPLE__ /* Shared memory objects there have no type. */
    if ((stat->st_mode & S_IFMT) == 0)
        return true;
#endif
    return S_ISREG(stat->st_mode);
}

bool shmap__posix_cannot_map(int fd, const struct stat *stat)
{
    const size_t page = shmap__os_facts_get()->page_size;
    void *mapped;

    if (stat->st_blocks > 0 || stat->st_size == 0)
        return false;
    mapped = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return errno == ENODEV;
    munmap(mapped, page);
    return false;
}

/* What is beyond the last whole huge page cannot be touched. */
uint64_t shmap__posix_whole_pages(uint64_t size, size_t page)
{
    return page > shmap__os_facts_get()->page_size ? size - size % page : size;
}

void shmap__posix_object_fill(shmap__os_object *object, int fd,
                              const struct stat *stat, int kind, int access)
{
    *object = (shmap__os_object){0};
    object->native = fd;
    object->identity[0] = (uint64_t)stat->st_dev;
    object->identity[1] = (uint64_t)stat->st_ino;
    object->page_size = shmap__posix_page_size(fd, stat);
    object->size =
        shmap__posix_whole_pages((uint64_t)stat->st_size, object->page_size);
    object->kind = kind;
    object->access = access;
}

shmap__os_status shmap__posix_object_check(shmap__os_object *object, int fd,
                                           const struct stat *stat, int kind,
                                           int access, int owner, uid_t user)
{
    if (!shmap__posix_accepts(owner, stat->st_uid, user))
        return (shmap__os_status){SHMAP_EOWNER, 0};
    if (stat->st_size == 0)
        return (shmap__os_status){SHMAP_ENOTREADY, 0};
    shmap__posix_object_fill(object, fd, stat, kind, access);
    return shmap__posix_done;
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

/* Whether nobody can map it for writing any more. */
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

shmap__os_status shmap__os_adopt(shmap__os_object *object, intptr_t native,
                                 int access)
{
    struct stat stat;
    int fd = (int)native;
    int owned = fd;

    if (native < 0 || native > INT32_MAX || fstat(fd, &stat) != 0)
        return (shmap__os_status){SHMAP_EINVAL, EBADF};
    if (!shmap__posix_can_be_memory(&stat))
        return (shmap__os_status){SHMAP_ETYPE, 0};
    access = shmap__posix_access_of(fd, access);
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
        return (shmap__os_status){SHMAP_EINVAL, EBADF};
    *size = shmap__posix_whole_pages((uint64_t)stat.st_size, object->page_size);
    /* Another program's object can end inside a page, which is all there. */
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
