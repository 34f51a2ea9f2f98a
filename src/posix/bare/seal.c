/* SPDX-License-Identifier: MIT */

/* Sealing, on systems where memory cannot be sealed. */
#include "posix/os.h"

#include <sys/mman.h>

shmap__os_status shmap__os_seal(shmap__os_object *object, int wanted)
{
    (void)object, (void)wanted;
    return (shmap__os_status){SHMAP_ENOTSUP, 0};
}

int shmap__os_seals(const shmap__os_object *object)
{
    (void)object;
    return 0;
}

shmap__os_status shmap__posix_forbid_writing(shmap__os_object *object,
                                             const struct stat *stat)
{
    if (shmap__posix_cannot_write((int)object->native, stat))
        return shmap__posix_done;
    return (shmap__os_status){SHMAP_ENOTSUP, 0};
}

void *shmap__posix_map_writable(const shmap__os_object *object, uint64_t offset,
                                size_t size, void *address)
{
    (void)object, (void)offset, (void)size, (void)address;
    errno = EPERM;
    return MAP_FAILED;
}

void shmap__posix_writable_end(const shmap__os_object *object)
{
    (void)object;
}
