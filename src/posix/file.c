/* SPDX-License-Identifier: MIT */

/* Regions of files: making, extending, and telling who is alone.
 *
 * Who has a file open for writing has a read lock on a mark byte far beyond
 * any data. Opening for writing happens under a gate, a write lock on the byte
 * before it, so that of several that open at once exactly one finds no mark,
 * and extends the file. Both locks end with their holder.
 */
#include "os.h"

#include <unistd.h>

#include "../stop.h"

static const off_t gate_byte = INT64_MAX - 2;
static const off_t mark_byte = INT64_MAX - 1;

bool shmap__os_file_alone(int fd)
{
    return shmap__os_locked(fd, mark_byte) == F_UNLCK;
}

/* Take the gate. Not every file system has locks: then there is none, and
 * nobody is alone. */
static shmap__os_status pass_gate(int fd, bool *gate)
{
    unsigned attempt = 0;
    int error;

    do {
        error = shmap__os_lock(fd, gate_byte, F_WRLCK);
        if (error != EAGAIN) {
            *gate = error == 0;
            return shmap__os_done;
        }
    } while (shmap__os_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

/* Open the file, or make it; `*made` tells which. */
static int open_or_make(const char *path, int access, int create, bool *made)
{
    enum { ROUNDS = 100 };
    int flags = O_NONBLOCK | (access == SHMAP_ACCESS_READ ? O_RDONLY : O_RDWR);
    int fd = -1;

    for (int round = 0; round < ROUNDS; round++) {
        *made = false;
        if (create != SHMAP_CREATE_NEW) {
            fd = shmap__os_open(path, flags, 0);
            if (fd >= 0 || errno != ENOENT || create == SHMAP_CREATE_NEVER)
                return fd;
        }
        *made = true;
        fd = shmap__os_open(path, flags | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST || create == SHMAP_CREATE_NEW)
            return fd;
    }
    return fd;
}

/* Bring the file to `size` bytes if it is shorter. On failure it is as it was.
 */
static shmap__os_status fit(int fd, struct stat *stat, uint64_t size,
                            int access, int commit)
{
    uint64_t old = (uint64_t)stat->st_size;
    shmap__os_status status;

    if (old == 0 && size == 0)
        return (shmap__os_status){SHMAP_ENOTREADY, 0};
    if (old >= size)
        return shmap__os_done;
    if (access == SHMAP_ACCESS_READ)
        return (shmap__os_status){SHMAP_ERANGE, 0};
    status = shmap__os_extend(fd, old, size, commit, false);
    if (status.code < 0) {
        if (ftruncate(fd, (off_t)old) != 0) {
            /* What failed first is what the caller must know. */
        }
        return status;
    }
    SHMAP__STOP("file.sized");
    return fstat(fd, stat) == 0 ? shmap__os_done : shmap__os_failed(errno);
}

/* What happens under the gate. */
static shmap__os_status enter(int fd, struct stat *stat, uint64_t size,
                              int access, int commit, bool gate, bool *alone)
{
    shmap__os_status status;

    if (fstat(fd, stat) != 0)
        return shmap__os_failed(errno);
    if (!S_ISREG(stat->st_mode))
        return (shmap__os_status){SHMAP_ETYPE, 0};
    status = fit(fd, stat, size, access, commit);
    if (status.code < 0)
        return status;
    *alone = shmap__os_file_alone(fd);
    if (gate && shmap__os_lock(fd, mark_byte, F_RDLCK) != 0)
        *alone = false;
    return shmap__os_done;
}

/* Remove a file that was made here, if the path still means it. */
static void unmake(const char *path, int fd)
{
    struct stat made;
    struct stat now;

    if (fstat(fd, &made) == 0 && lstat(path, &now) == 0 &&
        made.st_dev == now.st_dev && made.st_ino == now.st_ino)
        unlink(path);
}

static shmap__os_status open_entered(int fd, struct stat *stat, uint64_t size,
                                     int access, int commit, bool *alone)
{
    shmap__os_status status;
    bool gate = false;

    /* Readers change nothing, and have no right to a write lock. */
    if (access == SHMAP_ACCESS_READ)
        return enter(fd, stat, size, access, commit, false, alone);
    status = pass_gate(fd, &gate);
    if (status.code < 0)
        return status;
    SHMAP__STOP("file.gated");
    status = enter(fd, stat, size, access, commit, gate, alone);
    if (gate)
        shmap__os_lock(fd, gate_byte, F_UNLCK);
    *alone = *alone && gate;
    return status;
}

static shmap__os_status open_unforked(shmap__os_object *object,
                                      const char *path, uint64_t size,
                                      int access, int create, int commit,
                                      bool *alone)
{
    shmap__os_status status = shmap__os_done;
    struct stat stat;
    bool found_alone = false;
    bool made;
    int fd = open_or_make(path, access, create, &made);

    if (fd < 0)
        return shmap__os_failed(errno);
    SHMAP__STOP("file.opened");
    /* Whatever the umask took: the owner's, and nobody else's. */
    if (made && fchmod(fd, 0600) != 0)
        status = shmap__os_failed(errno);
    if (status.code == 0)
        status = open_entered(fd, &stat, size, access, commit, &found_alone);
    if (status.code < 0) {
        if (made)
            unmake(path, fd);
        shmap__os_close_quietly(fd);
        return status;
    }
    shmap__os_object_fill(object, fd, &stat, SHMAP_KIND_FILE, access);
    *alone = found_alone;
    return shmap__os_done;
}

/* A child forked under the gate would keep it if this process were killed. */
shmap__os_status shmap__os_file_open(shmap__os_object *object, const char *path,
                                     uint64_t size, int access, int create,
                                     int commit, bool *alone)
{
    shmap__os_status status;

    shmap__os_fork_lock();
    status = open_unforked(object, path, size, access, create, commit, alone);
    shmap__os_fork_unlock();
    return status;
}
