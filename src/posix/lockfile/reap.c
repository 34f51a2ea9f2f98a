/* SPDX-License-Identifier: MIT */

/* Removing dead regions, when their name is needed or their last holder leaves.
 */
#include "posix/lockfile/regions.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/stop.h"

shmap__os_status shmap__posix_dead_remove(const shmap__posix_lock_files *files)
{
    SHMAP__STOP("reap.checked");
    if (shm_unlink(files->name) != 0 && errno != ENOENT)
        return errno == EACCES || errno == EPERM
                   ? shmap__posix_belongs(SHMAP_ESTALE, errno, files->owner)
                   : shmap__posix_failed(errno);
    SHMAP__STOP("reap.unlinked");
    unlink(files->mark);
    return shmap__posix_done;
}

/* One descriptor at a time: a process that closes a region may have none to
 * spare. A dead object stays dead for the rest of the step. */
shmap__os_status shmap__posix_dead_free(const shmap__posix_lock_files *files,
                                        unsigned *reaped)
{
    shmap__posix_note note = {.held = true};
    struct stat stat;
    shmap__os_status status;
    int fd;

    SHMAP__STOP("reap.locked");
    fd = shmap__posix_lock_file_open(files->mark, O_RDONLY);
    if (fd < 0 && errno != ENOENT)
        return shmap__posix_failed(errno);
    if (fd >= 0) {
        note = shmap__posix_mark_read(fd);
        close(fd);
    }
    status = shmap__posix_memory_open(files->name, O_RDONLY, &fd, &stat);
    if (status.code == SHMAP_ENOENT) {
        /* A mark that is held may be that of another container, which has
         * objects of its own. */
        if (!note.held)
            unlink(files->mark);
        return shmap__posix_done;
    }
    if (status.code < 0)
        return status;
    close(fd);
    if (note.held || !shmap__posix_mark_is_of(&note, &stat) ||
        stat.st_uid != files->owner)
        return shmap__posix_belongs(SHMAP_EEXIST, 0, stat.st_uid);
    status = shmap__posix_dead_remove(files);
    if (status.code == 0)
        ++*reaped;
    return status;
}

/* Other holders that close do not wait for a process that is stopped in its
 * step; then that process must look again. */
bool shmap__posix_leave(const shmap__posix_lock_files *files, int gate)
{
    const int64_t too_long = 500000000; /* ns; less than the time that they wait
                                         */
    unsigned reaped = 0;
    int64_t begun;
    bool held;

    do {
        begun = shmap__os_now();
        held = shmap__posix_dead_free(files, &reaped).code == SHMAP_EEXIST;
        shmap__posix_gate_leave(files, gate);
    } while (shmap__os_now() - begun > too_long &&
             shmap__posix_gate_enter(files, &gate).code == 0);
    return held;
}

/* Identities are those of marks, because objects of some systems have no
 * identities. */
bool shmap__posix_named_is_held(const char *os_name, const uint64_t identity[2],
                                bool at_exit)
{
    shmap__posix_lock_files files;
    struct stat mark;
    int entered;
    int gate;

    (void)at_exit;
    shmap__posix_lock_files_find(&files, os_name, geteuid());
    if (lstat(files.mark, &mark) != 0 ||
        !shmap__posix_identifies(identity, &mark))
        return false;
    entered = shmap__posix_gate_enter(&files, &gate).code;
    return entered == SHMAP_EMFILE ||
           (entered == 0 && shmap__posix_leave(&files, gate));
}
