/* SPDX-License-Identifier: MIT */

/* Nameless regions: sealed memory files (Linux). */
#include "posix/os.h"

#include <sys/mman.h>

#include "base/stop.h"

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 8U
#endif

/* Older kernels do not know the flag that newer ones ask for. */
static int memory_file(void)
{
    int fd = memfd_create("shmap", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("shmap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return shmap__posix_above_stdio(fd);
}

/* A file without a name would do, but for one promise: nothing keeps it from
 * being cut. So where a filter, a setting or an old kernel refuses memory files
 * or seals, there are no anonymous regions. */
static shmap__os_status memory_failed(int error)
{
    if (error == ENOSYS || error == EPERM || error == EACCES || error == EINVAL)
        return (shmap__os_status){SHMAP_ENOTSUP, error,
                                  "this process may not make or seal memory "
                                  "files (memfd_create, F_ADD_SEALS): use a "
                                  "named region or a file"};
    return shmap__posix_failed(error);
}

shmap__os_status shmap__os_anonymous_create(shmap__os_object *object,
                                            const shmap__os_request *request)
{
    struct stat stat;
    shmap__posix_rights rights;
    shmap__os_status status =
        shmap__posix_rights_init(&rights, &request->options);
    int fd;

    if (status.code < 0)
        return status;
    fd = memory_file();
    if (fd < 0)
        return memory_failed(errno);
    SHMAP__STOP("create.made");
    status = shmap__posix_extend(fd, 0, request->size, request->options.commit,
                                 true);
    if (status.code < 0)
        goto fail;
    SHMAP__STOP("create.sized");
    /* A process that gets the descriptor could cut the file, and raise SIGBUS
     * in the others. */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0 || fstat(fd, &stat) != 0) {
        status = memory_failed(errno);
        goto fail;
    }
    status = shmap__posix_rights_give(&rights, fd, 0, &stat);
    if (status.code < 0)
        goto fail;
    shmap__posix_object_fill(object, fd, &stat, SHMAP_KIND_ANONYMOUS,
                             SHMAP_ACCESS_READ_WRITE);
    return shmap__posix_done;

fail:
    shmap__posix_close_quietly(fd);
    return status;
}
