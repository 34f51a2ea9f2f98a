/* SPDX-License-Identifier: MIT */

/* Finding out what a descriptor is of, and making an object for it. */
#include "posix/os.h"

#include <sys/mman.h>

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

/* Bytes beyond the last whole huge page cannot be touched. */
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
                                           const struct stat *stat,
                                           const shmap__os_request *request,
                                           uid_t user)
{
    if (!shmap__posix_accepts(request, stat->st_uid, user))
        return shmap__posix_belongs(SHMAP_EOWNER, 0, stat->st_uid);
    if (stat->st_size == 0)
        return (shmap__os_status){SHMAP_ENOTREADY, 0};
    shmap__posix_object_fill(object, fd, stat, request->kind,
                             request->options.access);
    return shmap__posix_done;
}
