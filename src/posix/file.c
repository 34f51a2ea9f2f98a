/* SPDX-License-Identifier: MIT */

/* Regions of files: making, extending, and telling which opener is alone.
 *
 * A process that has a file open for writing has a read lock on a mark byte far
 * beyond any data. Opening for writing happens under a gate, a write lock on
 * the byte before it, so that of several that open at once exactly one finds no
 * mark, and extends the file. Both locks end with their holder.
 */
#include "posix/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"

static const off_t gate_byte = INT64_MAX - 2;
static const off_t mark_byte = INT64_MAX - 1;

bool shmap__posix_file_alone(int fd)
{
    return shmap__posix_locked(fd, mark_byte) == F_UNLCK;
}

int shmap__posix_file_mark(int fd)
{
    return shmap__posix_lock(fd, mark_byte, F_RDLCK);
}

/* Take the gate, and keep fork out while this process has it: a child would
 * keep it if this process were killed. Not every file system has locks: then
 * there is no gate, and no opener is alone. */
static shmap__os_status pass_gate(int fd, bool *gate)
{
    unsigned attempt = 0;

    do {
        int error;

        shmap__posix_fork_lock();
        error = shmap__posix_lock(fd, gate_byte, F_WRLCK);
        *gate = error == 0;
        if (error != EAGAIN)
            return shmap__posix_done;
        shmap__posix_fork_unlock();
    } while (shmap__posix_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

static void leave_gate(int fd, bool gate)
{
    if (gate)
        shmap__posix_lock(fd, gate_byte, F_UNLCK);
    shmap__posix_fork_unlock();
}

/* Open the file, or make it; `*made` tells which. */
static int open_or_make(const shmap__os_request *request, bool *made)
{
    enum { ROUNDS = 100 };
    const char *path = request->os_name;
    const int create = request->options.create;
    int flags = O_NONBLOCK | shmap__posix_open_flags(request->options.access);
    int fd = -1;

    for (int round = 0; round < ROUNDS; round++) {
        *made = false;
        if (create != SHMAP_CREATE_NEW) {
            fd = shmap__posix_open(path, flags, 0);
            if (fd >= 0 || errno != ENOENT || create == SHMAP_CREATE_NEVER)
                return fd;
        }
        *made = true;
        fd = shmap__posix_open(path, flags | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST || create == SHMAP_CREATE_NEW)
            return fd;
    }
    errno = ENOENT; /* A link to nothing. */
    return fd;
}

/* Fill the holes of a file that is to become `more` bytes longer. */
static shmap__os_status fill_holes(int fd, const struct stat *stat,
                                   uint64_t more)
{
    uint64_t missing = shmap__posix_missing(fd, stat);
    int error = 0;

    if (missing == 0)
        return shmap__posix_done;
    error = shmap__posix_check_room(fd, missing + more, false);
    if (error == 0)
        error = shmap__posix_fill(fd, (uint64_t)stat->st_size);
    if (error == ENOSPC || error == ENOMEM || error == EDQUOT)
        return (shmap__os_status){SHMAP_ENOSPC, error,
                                  "there is no room for all of the file's "
                                  "holes"};
    if (error == ENOTSUP)
        return (shmap__os_status){SHMAP_ENOTSUP, error,
                                  "this file system cannot fill a file's "
                                  "holes: copy the file"};
    return error == 0 ? shmap__posix_done : shmap__posix_failed(error);
}

/* Bring the file to `size` bytes if it is shorter. A failure leaves it as it
 * was. */
static shmap__os_status extend_to_fit(int fd, struct stat *stat,
                                      const shmap__os_request *request)
{
    const int commit = request->options.commit;
    uint64_t size = request->size;
    uint64_t old = (uint64_t)stat->st_size;
    uint64_t page = shmap__posix_page_size(fd, stat);
    shmap__os_status status;

    if (page > shmap__os_facts_get()->page_size) /* They are always whole. */
        size = (size + page - 1) / page * page;
    if (old == 0 && size == 0)
        return (shmap__os_status){SHMAP_ENOTREADY, 0};
    if (old < size && request->options.access == SHMAP_ACCESS_READ)
        return (shmap__os_status){SHMAP_ERANGE, 0, SHMAP__OS_SHORT_FILE};
    if (commit == SHMAP_COMMIT_ALL) {
        status = fill_holes(fd, stat, old < size ? size - old : 0);
        if (status.code < 0)
            return status;
    }
    if (old >= size)
        return shmap__posix_done;
    status = shmap__posix_extend(fd, old, size, commit, false);
    if (status.code < 0) {
        if (ftruncate(fd, (off_t)old) != 0) {
            /* The caller gets the first error. */
        }
        return status;
    }
    SHMAP__STOP("file.sized");
    return fstat(fd, stat) == 0 ? shmap__posix_done
                                : shmap__posix_failed(errno);
}

/* Remove a file that was made here, if the path still means it. */
static void unmake(const char *path, const struct stat *made)
{
    struct stat now;

    if (lstat(path, &now) == 0 && made->st_dev == now.st_dev &&
        made->st_ino == now.st_ino)
        unlink(path);
}

/* An open file, on its way to be a region. */
typedef struct file_entrant {
    const shmap__os_request *request;
    int fd;
    bool made; /* by this call; unused by others if it has no other mark */
    shmap__posix_rights rights; /* if it is made */
    struct stat stat;
} file_entrant;

/* Prepare the file, under the gate. SHMAP_ENOENT: its maker could not size it
 * and removed it while this thread waited; there may be another one now. */
static shmap__os_status enter(file_entrant *entrant, bool gate, bool *alone)
{
    shmap__os_status status;
    int fd = entrant->fd;
    int error;

    if (fstat(fd, &entrant->stat) != 0)
        return shmap__posix_failed(errno);
    if (entrant->stat.st_nlink == 0)
        return (shmap__os_status){SHMAP_ENOENT, 0};
    *alone = gate && shmap__posix_file_alone(fd);
    /* Without a mark, the next opener would be told that it is alone. */
    error = gate ? shmap__posix_file_mark(fd) : 0;
    if (error != 0 && error != EAGAIN)
        return shmap__posix_failed(error);
    status = entrant->made ? shmap__posix_rights_give(&entrant->rights, fd, 0,
                                                      &entrant->stat)
                           : shmap__posix_done;
    if (status.code == 0)
        status = extend_to_fit(fd, &entrant->stat, entrant->request);
    /* Empty still, it is used by this thread only. */
    if (status.code < 0 && entrant->made && entrant->stat.st_size == 0 &&
        (*alone || !gate))
        unmake(entrant->request->os_name, &entrant->stat);
    return status;
}

static shmap__os_status enter_for_writing(file_entrant *entrant, bool *alone)
{
    bool gate;
    shmap__os_status status = pass_gate(entrant->fd, &gate);

    if (status.code < 0)
        return status;
    SHMAP__STOP("file.gated");
    status = enter(entrant, gate, alone);
    leave_gate(entrant->fd, gate);
    return status;
}

static shmap__os_status open_once(file_entrant *entrant, bool *alone)
{
    int fd = open_or_make(entrant->request, &entrant->made);
    shmap__os_status status;

    if (fd < 0)
        return shmap__posix_failed(errno);
    SHMAP__STOP("file.opened");
    entrant->fd = fd;
    if (fstat(fd, &entrant->stat) != 0)
        status = shmap__posix_failed(errno);
    else if (!S_ISREG(entrant->stat.st_mode))
        status = (shmap__os_status){SHMAP_ETYPE, 0};
    else if (shmap__posix_cannot_map(fd, &entrant->stat))
        status = (shmap__os_status){SHMAP_ETYPE, ENODEV,
                                    "this file system cannot map the file"};
    else if (entrant->request->options.access == SHMAP_ACCESS_READ_WRITE)
        status = enter_for_writing(entrant, alone);
    else {
        /* Readers change nothing, and have no right to a write lock. */
        status = extend_to_fit(fd, &entrant->stat, entrant->request);
        *alone = shmap__posix_file_alone(fd);
    }
    if (status.code < 0)
        shmap__posix_close_quietly(fd);
    return status;
}

/* Return the absolute path, for the caller to free; NULL if there is no memory
 * or no current folder. */
static char *absolute(const char *path)
{
    char *folder = *path == '/' ? strdup("") : getcwd(NULL, 0);
    size_t size = folder == NULL ? 0 : strlen(folder) + 1 + strlen(path) + 1;
    char *full = folder == NULL ? NULL : malloc(size);

    if (full != NULL)
        snprintf(full, size, "%s%s%s", folder, *path == '/' ? "" : "/", path);
    free(folder);
    return full;
}

bool shmap__posix_file_is_lost(const shmap__os_object *object,
                               const struct stat *stat)
{
    struct stat found;

    if (stat->st_nlink == 0)
        return true;
    if (object->path == NULL)
        return false;
    if (fstatat(AT_FDCWD, object->path, &found, 0) != 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    return !shmap__posix_identifies(object->identity, &found);
}

shmap__os_status shmap__os_file_open(shmap__os_object *object,
                                     const shmap__os_request *request,
                                     bool *alone)
{
    file_entrant entrant = {.request = request, .fd = -1};
    shmap__os_status status = shmap__posix_done;
    bool found_alone = false;
    unsigned attempt = 0;

    if (request->options.create != SHMAP_CREATE_NEVER)
        status = shmap__posix_rights_init(&entrant.rights, &request->options);
    if (status.code < 0)
        return status;
    do {
        status = open_once(&entrant, &found_alone);
    } while (status.code == SHMAP_ENOENT && status.system == 0 &&
             shmap__posix_wait_a_little(&attempt));
    if (status.code < 0)
        return status;
    shmap__posix_object_fill(object, entrant.fd, &entrant.stat, SHMAP_KIND_FILE,
                             request->options.access);
    object->path = absolute(request->os_name);
    object->created = entrant.made;
    *alone = found_alone;
    return shmap__posix_done;
}
