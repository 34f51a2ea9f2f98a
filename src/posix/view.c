/* SPDX-License-Identifier: MIT */

/* Mapping, unmapping, prefaulting and writing back. */
#include "posix/os.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/stop.h"

#ifndef MAP_FIXED_NOREPLACE
#ifdef MAP_EXCL /* FreeBSD */
#define MAP_FIXED_NOREPLACE (MAP_FIXED | MAP_EXCL)
#else
#define MAP_FIXED_NOREPLACE 0
#endif
#endif
#if defined(__linux__) && !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* On a system without it, or that does not know it yet, the address is a hint,
 * and the address of the view is compared. */
static const int at_address = MAP_FIXED_NOREPLACE;

static shmap__os_status map_failed(const shmap__os_object *object, int error,
                                   const void *address)
{
    /* The kernel sets aside the huge pages of a view when that is mapped. */
    if (error == ENOMEM && object->page_size > shmap__os_facts_get()->page_size)
        return (shmap__os_status){SHMAP_ENOSPC, error,
                                  "there are not enough free huge pages"};
    /* Out of the address space, or below what the system lets programs use. */
    if (address != NULL && (error == EEXIST || error == ENOMEM ||
                            error == EPERM || error == EINVAL))
        return (shmap__os_status){SHMAP_EADDRINUSE, error};
    if (error == ENODEV)
        return (shmap__os_status){SHMAP_ETYPE, error,
                                  "this file system cannot map the file"};
    /* 32-bit systems have offsets that they cannot map (EINVAL, EOVERFLOW). */
    if (error == EAGAIN || error == EOVERFLOW || error == EINVAL)
        return (shmap__os_status){SHMAP_ENOMEM, error};
    return shmap__posix_failed(error);
}

static bool is_sealed(const shmap__os_object *object)
{
    int error = errno;
    bool sealed = (shmap__os_seals(object) & SHMAP_SEAL_WRITERS) != 0;

    errno = error;
    return sealed;
}

/* Map a view of a region that is sealed against writing. Before Linux 6.7, a
 * view for reading had to be mapped through a descriptor for reading. */
static void *map_sealed(const shmap__os_object *object, uint64_t offset,
                        size_t size, int access, void *address)
{
    void *mapped = MAP_FAILED;
    int error;
    int fd;

    if (access == SHMAP_ACCESS_READ_WRITE)
        return shmap__posix_map_writable(object, offset, size, address);
    fd = shmap__posix_open_again((int)object->native, O_RDONLY);
    if (fd < 0)
        return MAP_FAILED;
    mapped = mmap(address, size, PROT_READ,
                  address == NULL ? MAP_SHARED : MAP_SHARED | at_address, fd,
                  (off_t)offset);
    error = errno;
    close(fd);
    errno = error;
    return mapped;
}

shmap__os_status shmap__os_view_map(const shmap__os_object *object,
                                    uint64_t offset, size_t size, int access,
                                    void *address, void **base)
{
    int protection =
        access == SHMAP_ACCESS_READ ? PROT_READ : PROT_READ | PROT_WRITE;
    int flags = access == SHMAP_ACCESS_COPY ? MAP_PRIVATE : MAP_SHARED;
    void *mapped = mmap(address, size, protection,
                        address == NULL ? flags : flags | at_address,
                        (int)object->native, (off_t)offset);

    if (mapped == MAP_FAILED && errno == EPERM && is_sealed(object)) {
        mapped = map_sealed(object, offset, size, access, address);
        if (mapped == MAP_FAILED && errno == EPERM)
            return shmap__posix_failed(errno);
    }
    /* macOS has no private views of shared memory objects. */
    if (mapped == MAP_FAILED && errno == EINVAL && flags == MAP_PRIVATE &&
        object->kind != SHMAP_KIND_FILE)
        return (shmap__os_status){SHMAP_ENOTSUP, errno};
    if (mapped == MAP_FAILED)
        return map_failed(object, errno, address);
    if (address != NULL && mapped != address) {
        munmap(mapped, size);
        return (shmap__os_status){SHMAP_EADDRINUSE, 0};
    }
    if (access != SHMAP_ACCESS_COPY &&
        !shmap__posix_view_remember(
            mapped, size, access == SHMAP_ACCESS_READ_WRITE, object)) {
        munmap(mapped, size);
        return (shmap__os_status){SHMAP_ENOMEM, 0};
    }
    SHMAP__STOP("view.mapped");
    *base = mapped;
    return shmap__posix_done;
}

shmap__os_status shmap__os_view_unmap(void *base, size_t size)
{
    /* Before: as soon as it is unmapped, another thread can have a view there.
     */
    shmap__os_known_view *known = shmap__posix_view_forget(base);
    int error = munmap(base, size) == 0 ? 0 : errno;

    if (error == 0) {
        SHMAP__STOP("view.unmapped");
        shmap__posix_view_end(known);
        return shmap__posix_done;
    }
    shmap__posix_view_recall(known);
    if (error == ENOMEM)
        return (shmap__os_status){
            SHMAP_ENOMEM, error,
            "the process has as many mappings as it may have "
            "(vm.max_map_count): unmap something else first"};
    return (shmap__os_status){SHMAP_ESYSTEM, error,
                              "the system refuses to unmap the view"};
}

#if !defined(MADV_DONTDUMP) && defined(MADV_NOCORE) /* FreeBSD */
#define MADV_DONTDUMP MADV_NOCORE
#endif

shmap__os_status shmap__os_view_no_dump(void *base, size_t size)
{
#ifdef MADV_DONTDUMP
    return madvise(base, size, MADV_DONTDUMP) == 0 ? shmap__posix_done
                                                   : shmap__posix_failed(errno);
#else
    (void)base, (void)size;
    return (shmap__os_status){SHMAP_ENOTSUP, 0,
                              "core dumps are whole on this system"};
#endif
}

/* Move a start down to its page. */
static char *to_page(void *start, size_t *size)
{
    size_t over = (uintptr_t)start % shmap__os_facts_get()->page_size;

    *size += over;
    return (char *)start - over;
}

#ifdef MADV_POPULATE_READ
/* Reading makes the pages of memory present, several at a time, and writable
 * where the view is: the system need not know that they are changed. A file has
 * to, so each page must be written to. */
shmap__os_status shmap__os_view_prefault(const shmap__os_object *object,
                                         void *start, size_t size, int access)
{
    bool write =
        object->kind == SHMAP_KIND_FILE && access == SHMAP_ACCESS_READ_WRITE;
    int advice = write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    char *page = to_page(start, &size);
    int result;

    do {
        result = madvise(page, size, advice);
    } while (result != 0 && (errno == EINTR || errno == EAGAIN));
    if (result == 0)
        return shmap__posix_done;
    /* Linux before 5.14, systems that imitate it, and filters. */
    if (errno == EINVAL || errno == ENOSYS || errno == EPERM || errno == EACCES)
        return (shmap__os_status){SHMAP_ENOTSUP, errno};
    /* EFAULT is where touching the page would have been SIGBUS. */
    if (errno == EFAULT || errno == ENOMEM)
        return (shmap__os_status){SHMAP_ENOSPC, errno};
    return shmap__posix_failed(errno);
}
#else
shmap__os_status shmap__os_view_prefault(const shmap__os_object *object,
                                         void *start, size_t size, int access)
{
    (void)object, (void)start, (void)size, (void)access;
    return (shmap__os_status){SHMAP_ENOTSUP, 0};
}
#endif

/* Return the failure of a flush. A region that was mapped for writing could be
 * written: only the disk, or a filter, refuses. */
static shmap__os_status flush_failed(int error)
{
    return error == ENOSPC || error == EDQUOT
               ? (shmap__os_status){SHMAP_ENOSPC, error}
               : (shmap__os_status){SHMAP_ESYSTEM, error};
}

shmap__os_status shmap__os_view_flush(const shmap__os_object *object,
                                      void *start, size_t size, bool durable)
{
    struct stat stat;
    char *page = to_page(start, &size);

    if (msync(page, size, durable ? MS_SYNC : MS_ASYNC) != 0)
        return flush_failed(errno);
    if (!durable)
        return shmap__posix_done;
    if (!shmap__posix_still_ours(object, &stat))
        return shmap__posix_failed(EBADF);
    /* The file's size and blocks, which msync may leave in memory. */
    return fsync((int)object->native) == 0 ? shmap__posix_done
                                           : flush_failed(errno);
}
