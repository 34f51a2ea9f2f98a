/* SPDX-License-Identifier: MIT */

/* Named regions where shared memory objects cannot be locked: making, opening
 * and reaping them. lifetime.c keeps them alive. */
#include "posix/lockfile/regions.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/stop.h"

/* Find the user that owns the object of this name. The answer may be
 * out of date at once: the name can get another user's object. */
static shmap__os_status find_owner(const char *os_name, uid_t *owner)
{
    shmap__posix_lock_files files;
    shmap__os_status status;
    struct stat stat;
    int fd;

    shmap__posix_lock_files_find(&files, os_name, 0);
    status = shmap__posix_memory_open(files.name, O_RDONLY, &fd, &stat);
    if (status.code < 0)
        return status;
    close(fd);
    *owner = stat.st_uid;
    return status;
}

/* Return the status of a step that failed on this user's object. */
static shmap__os_status step_failed(shmap__os_status status, uid_t owner)
{
    return status.code == SHMAP_EACCES
               ? shmap__posix_belongs(status.code, status.system, owner)
               : status;
}

/* Free the name, whichever user left it over. SHMAP_EEXIST if it was taken. */
static shmap__os_status free_name(const char *os_name, unsigned *reaped)
{
    shmap__posix_lock_files files;
    uid_t owner;
    shmap__os_status status = find_owner(os_name, &owner);
    int gate;

    if (status.code < 0)
        return status.code == SHMAP_ENOENT ? shmap__posix_done : status;
    SHMAP__STOP("free.found");
    shmap__posix_lock_files_find(&files, os_name, owner);
    status = shmap__posix_gate_enter(&files, &gate);
    if (status.code < 0)
        return status.code == SHMAP_ENOENT
                   ? shmap__posix_belongs(SHMAP_EEXIST, 0, owner)
                   : step_failed(status, owner);
    status = shmap__posix_dead_free(&files, reaped);
    shmap__posix_gate_leave(&files, gate);
    return status;
}

/* Creating */

/* Make the object, complete, with its mark held. */
static shmap__os_status make_memory(shmap__os_object *object, int mark,
                                    const shmap__posix_lock_files *files,
                                    const shmap__os_request *request)
{
    struct stat stat;
    shmap__os_status status;
    int error;
    int made =
        shm_open(files->name, O_RDWR | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
    int fd = shmap__posix_above_stdio(made);

    if (fd < 0) {
        status = shmap__posix_failed(errno);
        if (made >= 0)
            shm_unlink(files->name);
        return status;
    }
    SHMAP__STOP("create.made");
    /* Restore what the umask removed. Not every system can change a mode, and
     * few umasks are such that it matters. */
    if (fchmod(fd, S_IRUSR | S_IWUSR) != 0)
        errno = 0;
    status = shmap__posix_extend(fd, 0, request->size, request->options.commit,
                                 true);
    SHMAP__STOP("create.sized");
    if (status.code == 0) {
        error =
            fstat(fd, &stat) == 0 ? shmap__posix_mark_hold(mark, &stat) : errno;
        if (error != 0)
            status = shmap__posix_failed(error);
    }
    if (status.code < 0) {
        shm_unlink(files->name);
        close(fd);
        return status;
    }
    SHMAP__STOP("create.marked");
    shmap__posix_object_fill(object, fd, &stat, SHMAP_KIND_NAMED,
                             SHMAP_ACCESS_READ_WRITE);
    shmap__posix_mark_keep(object, mark);
    return status;
}

/* In a step, under a name that is free. */
static shmap__os_status make_region(shmap__os_object *object,
                                    const shmap__posix_lock_files *files,
                                    const shmap__os_request *request)
{
    shmap__os_status status;
    int mark = shmap__posix_mark_make(files);

    if (mark < 0)
        return shmap__posix_failed(errno);
    SHMAP__STOP("create.mark");
    status = make_memory(object, mark, files, request);
    if (status.code < 0) {
        unlink(files->mark);
        close(mark);
    }
    return status;
}

shmap__os_status shmap__os_named_create(shmap__os_object *object,
                                        const shmap__os_request *request)
{
    shmap__posix_lock_files files;
    unsigned reaped = 0;
    int gate;
    shmap__os_status status;

    /* Other users cannot reach the lock files. */
    if (request->options.share != SHMAP_SHARE_OWNER)
        return (shmap__os_status){SHMAP_ENOTSUP, 0};
    status = free_name(request->os_name, &reaped);
    if (status.code == 0)
        status = shmap__posix_folders_make();
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.free");
    shmap__posix_lock_files_find(&files, request->os_name, geteuid());
    status = shmap__posix_gate_enter(&files, &gate);
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.gated");
    status = shmap__posix_dead_free(&files, &reaped);
    if (status.code == 0)
        status = make_region(object, &files, request);
    shmap__posix_gate_leave(&files, gate);
    return status;
}

/* Opening */

/* The object changed meanwhile: try again. This status never leaves the file.
 */
static const shmap__os_status again = {1, 0};

/* Take the object that was found, alive or foreign. A mark proves the name: it
 * is a file of the owner's for that name, and notes the identity of its object.
 * An object without a mark is another program's, or another user linked it
 * there. */
static shmap__os_status take_found(shmap__os_object *object,
                                   const shmap__posix_found *found,
                                   const shmap__os_request *request)
{
    const bool foreign = found->state == SHMAP__POSIX_FOREIGN;
    shmap__os_status status = shmap__posix_object_check(
        object, found->fd, &found->stat, request, geteuid());

    if (status.code == 0 && foreign &&
        request->options.scope != SHMAP_SCOPE_NATIVE)
        status.code = SHMAP_ETYPE;
    if (status.code < 0)
        return status;
    object->foreign = foreign;
    if (!object->foreign)
        shmap__posix_mark_keep(object, found->mark);
    else if (found->mark >= 0)
        close(found->mark);
    return status;
}

static shmap__os_status open_in_step(shmap__os_object *object,
                                     const shmap__posix_lock_files *files,
                                     const shmap__os_request *request)
{
    shmap__posix_found found;
    shmap__os_status status = shmap__posix_find(
        files, shmap__posix_open_flags(request->options.access), &found);

    if (status.code < 0)
        return status;
    SHMAP__STOP("open.looked");
    if (found.stat.st_uid != files->owner) {
        status = again;
    } else if (found.state == SHMAP__POSIX_DEAD) {
        shmap__posix_dead_remove(files);
        status.code = SHMAP_ENOENT;
    } else if (found.state == SHMAP__POSIX_LIVE &&
               flock(found.mark, LOCK_SH | LOCK_NB) != 0) {
        status = again;
    } else {
        SHMAP__STOP("open.marked");
        status = take_found(object, &found, request);
    }
    if (status.code != 0)
        shmap__posix_found_close(&found);
    return status;
}

/* The name had no gate a moment ago: the object is foreign, unless it is or
 * was a region that came since. */
static shmap__os_status open_foreign(shmap__os_object *object,
                                     const shmap__posix_lock_files *files,
                                     const shmap__os_request *request)
{
    shmap__posix_found found = {.state = SHMAP__POSIX_FOREIGN, .mark = -1};
    struct stat stat;
    int fd;
    shmap__os_status status = shmap__posix_memory_open(
        files->name, shmap__posix_open_flags(request->options.access),
        &found.fd, &found.stat);

    if (status.code < 0)
        return status;
    status = shmap__posix_memory_open(files->name, O_RDONLY, &fd, &stat);
    if (status.code == 0)
        close(fd);
    if (status.code < 0 || found.stat.st_uid != files->owner ||
        stat.st_uid != files->owner || stat.st_dev != found.stat.st_dev ||
        stat.st_ino != found.stat.st_ino || lstat(files->mark, &stat) == 0)
        status = again;
    else
        status = take_found(object, &found, request);
    if (status.code != 0)
        shmap__posix_found_close(&found);
    return status;
}

static shmap__os_status try_open(shmap__os_object *object,
                                 const shmap__os_request *request)
{
    const char *os_name = request->os_name;
    shmap__posix_lock_files files;
    uid_t uid;
    int gate;
    shmap__os_status status = find_owner(os_name, &uid);

    if (status.code < 0)
        return status;
    SHMAP__STOP("open.opened");
    shmap__posix_lock_files_find(&files, os_name, uid);
    status = shmap__posix_gate_enter(&files, &gate);
    if (status.code == SHMAP_ENOENT)
        return open_foreign(object, &files, request);
    if (status.code == SHMAP_EACCES &&
        !shmap__posix_accepts(request, uid, geteuid()))
        return shmap__posix_belongs(SHMAP_EOWNER, status.system, uid);
    if (status.code < 0)
        return step_failed(status, uid);
    SHMAP__STOP("open.gated");
    status = open_in_step(object, &files, request);
    shmap__posix_gate_leave(&files, gate);
    return status;
}

shmap__os_status shmap__os_named_open(shmap__os_object *object,
                                      const shmap__os_request *request)
{
    unsigned attempt = 0;

    do {
        shmap__os_status status = try_open(object, request);

        if (status.code <= 0)
            return status;
    } while (shmap__posix_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

/* Reaping */

shmap__os_status shmap__os_named_reap(const char *os_name, int scope,
                                      unsigned *reaped)
{
    unsigned count = 0;
    shmap__os_status status = free_name(os_name, &count);

    (void)scope; /* An object without a mark is left alone in every scope. */
    /* A live region, or another program's object, is no leftover. */
    if (status.code == SHMAP_EEXIST || status.code == SHMAP_ETYPE)
        status = shmap__posix_done;
    if (status.code == 0)
        *reaped = count;
    return status;
}

static DIR *open_folder(const char *path)
{
    int fd = shmap__posix_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && folder == NULL)
        shmap__posix_close_quietly(fd);
    return folder;
}

static shmap__os_status reap_user(uid_t uid, unsigned *reaped)
{
    char path[SHMAP__POSIX_FOLDER_SPACE];
    struct dirent *entry;
    DIR *folder;

    if (!shmap__posix_marks_folder(path, uid))
        return shmap__posix_done;
    folder = open_folder(path);
    if (folder == NULL)
        return shmap__posix_failed(errno);
    while ((entry = readdir(folder)) != NULL) {
        shmap__posix_lock_files files;
        int gate;

        shmap__posix_lock_files_find(&files, entry->d_name, uid);
        if (entry->d_name[0] != '.' &&
            shmap__posix_gate_enter(&files, &gate).code == 0) {
            shmap__posix_dead_free(&files, reaped);
            shmap__posix_gate_leave(&files, gate);
        }
    }
    closedir(folder);
    return shmap__posix_done;
}

shmap__os_status shmap__os_named_reap_all(bool every_user, unsigned *reaped)
{
    struct dirent *entry;
    unsigned long uid;
    DIR *folder;

    *reaped = 0;
    shmap__posix_later_all();
    if (!every_user)
        return reap_user(geteuid(), reaped);
    folder = open_folder("/tmp/.");
    if (folder == NULL)
        return shmap__posix_failed(errno);
    while ((entry = readdir(folder)) != NULL) {
        int end = 0;

        if (sscanf(entry->d_name, "shmap.%lu.marks%n", &uid, &end) == 1 &&
            end > 0 && entry->d_name[end] == '\0')
            reap_user((uid_t)uid, reaped);
    }
    closedir(folder);
    return shmap__posix_done;
}
