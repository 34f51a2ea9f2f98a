/* SPDX-License-Identifier: MIT */

/* Sealing, and writing by this process afterwards: memory files (Linux). */
#include "posix/os.h"

#include <sys/mman.h>

#include "base/atomic.h"
#include "base/stop.h"

#ifndef F_SEAL_FUTURE_WRITE /* Linux 5.1 */
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MAP_FIXED_NOREPLACE /* Linux 4.17: before, the address is a hint. */
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static const struct {
    int seal;
    int kernels;
} seals[] = {
    {SHMAP_SEAL_GROW, F_SEAL_GROW},
    {SHMAP_SEAL_SHRINK, F_SEAL_SHRINK},
    {SHMAP_SEAL_WRITERS, F_SEAL_FUTURE_WRITE},
    {SHMAP_SEAL_CONTENT, F_SEAL_WRITE},
};

int shmap__os_seals(const shmap__os_object *object)
{
    int kernels = fcntl((int)object->native, F_GET_SEALS);
    int held = 0;

    if (kernels < 0)
        return 0;
    for (size_t i = 0; i < sizeof seals / sizeof seals[0]; i++) {
        if ((kernels & seals[i].kernels) != 0)
            held |= seals[i].seal;
    }
    if ((held & SHMAP_SEAL_CONTENT) != 0)
        held |= SHMAP_SEAL_WRITERS;
    return held;
}

static shmap__os_status add_seals(const shmap__os_object *object, int kernels)
{
    int fd = (int)object->native;
    int error;

    if (fcntl(fd, F_ADD_SEALS, kernels) == 0)
        return shmap__posix_done;
    error = errno;
    /* Not a memory file, or a kernel that does not know the seal. */
    if (error == EINVAL)
        return (shmap__os_status){SHMAP_ENOTSUP, error};
    /* A memory file made without MFD_ALLOW_SEALING has F_SEAL_SEAL from the
     * start: it never supported seals. */
    if (error == EPERM && fcntl(fd, F_GET_SEALS) == F_SEAL_SEAL)
        return (shmap__os_status){SHMAP_ENOTSUP, error};
    return shmap__posix_failed(error);
}

/* Map all of it for writing while that can be done, and let the other threads
 * of this process see that mapping before it no longer can. */
static shmap__os_status keep_writable(shmap__os_object *object)
{
    uint64_t none = 0;
    void *all;

    if (object->size > SIZE_MAX)
        return (shmap__os_status){SHMAP_ENOMEM, 0};
    all = mmap(NULL, (size_t)object->size, PROT_READ | PROT_WRITE, MAP_SHARED,
               (int)object->native, 0);
    if (all == MAP_FAILED && errno == EAGAIN) /* All memory is to be locked. */
        return (shmap__os_status){SHMAP_ENOMEM, errno};
    if (all == MAP_FAILED)
        return shmap__posix_failed(errno);
    if (!shmap__cas64(&object->writable, &none, (uintptr_t)all))
        munmap(all, (size_t)object->size);
    return shmap__posix_done;
}

static void drop_writable(const shmap__os_object *object, uint64_t writable)
{
    if (writable != 0)
        munmap((void *)(uintptr_t)writable, (size_t)object->size);
}

shmap__os_status shmap__os_seal(shmap__os_object *object, int wanted)
{
    struct stat stat;
    int missing = wanted & ~shmap__os_seals(object);
    int kernels = 0;
    shmap__os_status status = shmap__posix_done;

    if (!shmap__posix_still_ours(object, &stat))
        return shmap__posix_failed(EBADF);
    for (size_t i = 0; i < sizeof seals / sizeof seals[0]; i++) {
        if ((missing & seals[i].seal) != 0)
            kernels |= seals[i].kernels;
    }
    if (kernels != 0)
        status = add_seals(object, kernels);
    if (status.code == 0 && (wanted & SHMAP_SEAL_WRITERS) != 0)
        drop_writable(object, shmap__exchange64(&object->writable, 0));
    return status;
}

static bool is_forbidden(const shmap__os_object *object)
{
    return (shmap__os_seals(object) & SHMAP_SEAL_WRITERS) != 0;
}

/* Forbid writing, and growing, which would be at the maker's cost; but another
 * program's object may still grow. */
static shmap__os_status forbid(shmap__os_object *object)
{
    const int kernels =
        F_SEAL_FUTURE_WRITE | (object->foreign ? 0 : F_SEAL_GROW);
    shmap__os_status status = keep_writable(object);

    if (status.code < 0)
        return status;
    SHMAP__STOP("seal.mapped");
    status = add_seals(object, kernels);
    /* Another thread may have been faster, and needs the mapping. */
    if (status.code < 0 && !is_forbidden(object))
        drop_writable(object, shmap__exchange64(&object->writable, 0));
    return status;
}

shmap__os_status shmap__posix_forbid_writing(shmap__os_object *object,
                                             const struct stat *stat)
{
    shmap__os_status status = {SHMAP_ENOTSUP, 0};
    int held = shmap__os_seals(object);

    if ((held & SHMAP_SEAL_WRITERS) != 0) {
        /* Best effort: a recipient's read-only descriptor cannot add seals and
         * does not have to. */
        if (!object->foreign && (held & SHMAP_SEAL_GROW) == 0)
            fcntl((int)object->native, F_ADD_SEALS, F_SEAL_GROW);
        return shmap__posix_done;
    }
    if (object->access == SHMAP_ACCESS_READ_WRITE &&
        object->kind == SHMAP_KIND_ANONYMOUS)
        status = forbid(object);
    /* Another thread was faster; or there is no need. */
    if (status.code < 0 &&
        (is_forbidden(object) ||
         (status.code == SHMAP_ENOTSUP &&
          shmap__posix_cannot_write((int)object->native, stat))))
        status = shmap__posix_done;
    return status;
}

/* Reserve the addresses of a view at this address. Returns MAP_FAILED and errno
 * on failure. */
static void *reserve(void *address, size_t size)
{
    void *reserved =
        mmap(address, size, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
             -1, 0);

    if (reserved != MAP_FAILED && reserved != address) {
        munmap(reserved, size);
        errno = EEXIST;
        reserved = MAP_FAILED;
    }
    return reserved;
}

/* With an old size of 0, the kernel makes a second mapping of shared memory:
 * it asks for no right that the first one has. */
void *shmap__posix_map_writable(const shmap__os_object *object, uint64_t offset,
                                size_t size, void *address)
{
    uint64_t writable = shmap__load64(&object->writable);
    uint64_t mask = object->page_size - 1;
    uint64_t all = (object->size + mask) & ~mask;
    char *from;
    void *reserved;
    void *made;

    if (writable == 0 || offset > all || size > all - offset) {
        errno = EPERM;
        return MAP_FAILED;
    }
    from = (char *)(uintptr_t)writable + offset;
    if (address == NULL)
        return mremap(from, 0, size, MREMAP_MAYMOVE);
    /* Only the reservation is replaced. */
    reserved = reserve(address, size);
    if (reserved == MAP_FAILED)
        return MAP_FAILED;
    made = mremap(from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, reserved);
    if (made == MAP_FAILED) {
        int error = errno;

        munmap(reserved, size);
        errno = error;
    }
    return made;
}

void shmap__posix_writable_end(const shmap__os_object *object)
{
    drop_writable(object, object->writable);
}
