/* SPDX-License-Identifier: MIT */

/* The lifetime of named regions where shared memory objects cannot be locked,
 * and where a name cannot be given to a complete object (macOS, the BSDs).
 *
 * Beside each region are two files in folders of its owner, to which only that
 * user can write: the gate and the mark. Both are locked with flock, whose
 * locks the kernel drops with the last descriptor of a description, in whatever
 * way its processes end.
 *
 * - A holder has a shared lock on the mark. Forked children share it.
 * - Every step (making, opening, closing, reaping) is made under an exclusive
 *   lock on the gate, and so no step sees another half done. Under it, whether
 *   there is a holder is asked by trying an exclusive lock on the mark, through
 *   a fresh description.
 * - The mark is made before the object, and removed after it. So whatever
 *   moment a process is killed at, an object of shmap has a mark; if that has
 *   no holder, the object is dead. An object without a mark is foreign.
 * - Each object has a mark of its own. It notes the identity of its object, for
 *   the case that the object was removed, and its name now belongs to another.
 * - A gate without a mark is removed, so a process that gets the gate looks
 *   whether it is still the one that has the path.
 */
#include "posix/lockfile/regions.h"

#include <sys/mman.h>
#include <unistd.h>

/* Where shared memory objects are files, a pipe can have the name. Where they
 * are not, O_NONBLOCK may be an error. */
static int open_memory(const char *name, int access)
{
    int fd = shm_open(name, access | O_NONBLOCK, 0);

    if (fd < 0 && errno == EINVAL)
        fd = shm_open(name, access, 0);
    return shmap__posix_above_stdio(fd);
}

shmap__os_status shmap__posix_memory_open(const char *name, int access, int *fd,
                                          struct stat *stat)
{
    int opened = open_memory(name, access);
    shmap__os_status status = shmap__posix_done;

    /* shm_open reports a directory as EINVAL. */
    if (opened < 0)
        return errno == EINVAL || errno == ENXIO
                   ? (shmap__os_status){SHMAP_ETYPE, errno}
                   : shmap__posix_failed(errno);
    if (fstat(opened, stat) != 0)
        status = shmap__posix_failed(errno);
    else if (!shmap__posix_can_be_memory(stat))
        status.code = SHMAP_ETYPE;
    if (status.code < 0)
        shmap__posix_close_quietly(opened);
    else
        *fd = opened;
    return status;
}

shmap__os_status shmap__posix_find(const shmap__posix_lock_files *files,
                                   int access, shmap__posix_found *found)
{
    shmap__posix_note note;
    shmap__os_status status =
        shmap__posix_memory_open(files->name, access, &found->fd, &found->stat);

    if (status.code < 0)
        return status;
    found->state = SHMAP__POSIX_FOREIGN;
    found->mark = shmap__posix_lock_file_open(files->mark, O_RDONLY);
    if (found->mark < 0 && errno != ENOENT) {
        status = shmap__posix_failed(errno);
        shmap__posix_close_quietly(found->fd);
        return status;
    }
    if (found->mark >= 0) {
        note = shmap__posix_mark_read(found->mark);
        if (shmap__posix_mark_is_of(&note, &found->stat))
            found->state = note.held ? SHMAP__POSIX_LIVE : SHMAP__POSIX_DEAD;
    }
    return shmap__posix_done;
}

void shmap__posix_found_close(const shmap__posix_found *found)
{
    shmap__posix_close_quietly(found->fd);
    if (found->mark >= 0)
        shmap__posix_close_quietly(found->mark);
}

bool shmap__posix_name_means(const char *os_name,
                             const shmap__os_object *object)
{
    shmap__posix_lock_files files;
    struct stat now;
    struct stat mark;
    int fd;

    shmap__posix_lock_files_find(&files, os_name, geteuid());
    if (shmap__posix_memory_open(files.name, O_RDONLY, &fd, &now).code < 0)
        return false;
    close(fd);
    if (!shmap__posix_identifies(object->identity, &now))
        return false;
    if (object->foreign)
        return true;
    shmap__posix_lock_files_find(&files, os_name, now.st_uid);
    return lstat(files.mark, &mark) == 0 &&
           shmap__posix_identifies(object->lock_identity, &mark);
}

/* A lock does not tell how many processes share it. */
bool shmap__posix_alone(int fd)
{
    (void)fd;
    return false;
}
