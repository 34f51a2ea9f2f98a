/* SPDX-License-Identifier: MIT */

/* Nameless regions: shared memory objects that lose their name at once. They
 * cannot be protected from being cut. */
#include "posix/os.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/stop.h"

#ifdef SHM_ANON /* FreeBSD */
static int open_nameless(void)
{
    return shm_open(SHM_ANON, O_RDWR, S_IRUSR | S_IWUSR);
}
#else
/* Killed between its two calls, a process leaves an object that cannot be
 * found, until the machine is restarted. */
static int open_nameless(void)
{
    enum { ROUNDS = 100 };
    char name[] = "/shmap~0123456789abcdef";
    int fd = -1;

    for (int round = 0; round < ROUNDS; round++) {
        snprintf(name, sizeof name, "/shmap~%08lx%08lx",
                 (unsigned long)getpid() & 0xffffffff,
                 (unsigned long)(shmap__os_now() + round) & 0xffffffff);
        fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
        if (fd >= 0)
            shm_unlink(name);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return fd;
}
#endif

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
    fd = shmap__posix_above_stdio(open_nameless());
    if (fd < 0)
        return shmap__posix_failed(errno);
    SHMAP__STOP("create.made");
    status = shmap__posix_extend(fd, 0, request->size, request->options.commit,
                                 true);
    if (status.code == 0 && fstat(fd, &stat) != 0)
        status = shmap__posix_failed(errno);
    if (status.code == 0)
        status = shmap__posix_rights_give(&rights, fd, 0, &stat);
    if (status.code < 0) {
        shmap__posix_close_quietly(fd);
        return status;
    }
    SHMAP__STOP("create.sized");
    shmap__posix_object_fill(object, fd, &stat, SHMAP_KIND_ANONYMOUS,
                             SHMAP_ACCESS_READ_WRITE);
    return shmap__posix_done;
}
