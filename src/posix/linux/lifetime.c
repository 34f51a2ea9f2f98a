/* SPDX-License-Identifier: MIT */

/* The lifetime of named regions on Linux: holding one, how its last holder
 * frees it, and the removal of regions of which all holders died.
 * docs/lifetime.md explains the protocol and what was proved of it; the short
 * form:
 *
 * - A holder has a read lock on the mark byte of its own description. Only the
 *   kernel drops it, with the last descriptor and mapping, whatever happens to
 *   the process.
 * - To remove an object, a process takes a write lock on the mark byte through
 *   a fresh description: no process can get it while a holder lives, and no
 *   process can become a holder until it is released.
 * - An opener asks first whether there is a holder, then marks: the object was
 *   alive in between, and it stays so. An object without a holder is dead.
 * - A region is made without a name, marked, and then given its name.
 */
#include "posix/linux/regions.h"

#include <unistd.h>

#include "base/stop.h"

/* A process of this user that removes the object has both locks. */
bool shmap__posix_is_kept(int fd)
{
    return shmap__posix_locked(fd, SHMAP__POSIX_MARK) != F_UNLCK &&
           shmap__posix_locked(fd, SHMAP__POSIX_REMOVER) != F_WRLCK;
}

bool shmap__posix_alone(int fd)
{
    return shmap__posix_locked(fd, SHMAP__POSIX_MARK) == F_UNLCK;
}

bool shmap__posix_named_lend(int fd)
{
    return shmap__posix_lock(fd, SHMAP__POSIX_MARK, F_RDLCK) == 0;
}

/* Mark a received region as an opener does: first ask whether there is a
 * holder. Returns SHMAP_ENOENT if the region has no holder, or is being
 * removed. */
static shmap__os_status mark_received(int fd, bool lent)
{
    const shmap__os_status gone = {SHMAP_ENOENT, 0};
    const short held =
        lent ? F_RDLCK : shmap__posix_locked(fd, SHMAP__POSIX_MARK);
    int error = held < 0 ? errno : 0;

    if (error == 0 && held != F_RDLCK)
        return gone;
    if (error == 0)
        error = shmap__posix_lock(fd, SHMAP__POSIX_MARK, F_RDLCK);
    if (error == EAGAIN)
        return gone;
    return error == 0 ? shmap__posix_done : shmap__posix_lock_failed(error);
}

shmap__os_status shmap__posix_named_take(shmap__os_object *object, int fd,
                                         const struct stat *stat,
                                         const shmap__os_request *request)
{
    const shmap__os_status gone = {SHMAP_ENOENT, 0};
    const bool lent = request->gift->way != SHMAP__OS_TO_PROCESS;
    const enum shmap__posix_names names =
        shmap__posix_names_like(request->os_name);
    shmap__os_object found;
    shmap__os_status status =
        shmap__posix_object_check(&found, fd, stat, request, geteuid());
    uint32_t forks = shmap__posix_forks();
    char path[SHMAP__POSIX_PATH];
    struct stat now;

    if (status.code < 0)
        return status;
    found.foreign = shmap__posix_make_behind(fd, stat) == SHMAP__POSIX_FOREIGN;
    shmap__posix_find_path(path, request->os_name);
    if (found.foreign ? names == SHMAP__POSIX_NAMES_PROVED
                      : !shmap__posix_is_proved(fd, stat, path, names))
        return gone;
    if (!found.foreign) {
        status = mark_received(fd, lent);
        if (status.code < 0)
            return status;
        SHMAP__STOP("take.marked");
        if (fstat(fd, &now) != 0)
            return shmap__posix_failed(errno);
        if (shmap__posix_make_of(&now) != SHMAP__POSIX_REGION)
            return gone;
    }
    /* Only the exporter says that the region has this name. */
    if (!shmap__posix_name_means(request->os_name, &found))
        return gone;
    found.forks = forks;
    *object = found;
    return shmap__posix_done;
}
