/* SPDX-License-Identifier: MIT */

/* Named regions on Linux: making, opening and reaping them. lifetime.c keeps
 * them alive. */
#include "posix/linux/regions.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"

/* An occupied name is never told as a lack of room: it is looked for before any
 * page is taken. A region that takes no pages finds out when it gets its name,
 * and looks only if another step fails. */
shmap__os_status shmap__os_named_create(shmap__os_object *object,
                                        const shmap__os_request *request)
{
    const shmap_region_options *options = &request->options;
    char path[SHMAP__POSIX_PATH];
    shmap__posix_rights rights;
    shmap__os_status status = shmap__posix_rights_init(&rights, options);
    uint32_t forks = shmap__posix_forks();
    const enum shmap__posix_names names = shmap__posix_names_of(options->scope);
    const bool takes_pages = options->commit != SHMAP_COMMIT_LAZY;
    shmap__os_status name = shmap__posix_done;
    unsigned reaped = 0;

    if (status.code < 0)
        return status;
    shmap__posix_find_path(path, request->os_name);
    if (takes_pages)
        name = shmap__posix_free_name(path, names, &reaped);
    if (name.code < 0)
        return name;
    SHMAP__STOP("create.free");
    status = shmap__posix_region_make(object, path, request, &rights, false);
    if (status.code == SHMAP_ENOTSUP)
        status = shmap__posix_region_make(object, path, request, &rights, true);
    if (status.code == 0)
        object->forks = forks;
    else if (!takes_pages)
        name = shmap__posix_free_name(path, names, &reaped);
    return name.code < 0 ? name : status;
}

/* Opening */

/* The object that is to be opened. */
typedef struct open_wish {
    const shmap__os_request *request;
    char path[SHMAP__POSIX_PATH];
    enum shmap__posix_names names;
    uid_t user; /* that asks */
} open_wish;

enum attempt {
    OPENED,
    OPEN_FAILED, /* *status */
    OPEN_AGAIN,  /* something changed meanwhile */
    OPEN_KEPT    /* another user has a lock on a removed object */
};

static enum attempt attempt_failed(shmap__os_status *status, int code)
{
    *status = (shmap__os_status){code, 0};
    return OPEN_FAILED;
}

/* Reject a region without a holder, or one that another user linked here: it
 * cannot be opened. */
static enum attempt reject_leftover(const open_wish *wish,
                                    shmap__os_status *status)
{
    uid_t user;

    SHMAP__STOP("open.dead");
    switch (shmap__posix_remove_leftover(wish->path, wish->names, &user)) {
    case SHMAP__POSIX_REAP_NOTHING:
        return OPEN_AGAIN;
    case SHMAP__POSIX_REAP_BUSY:
        return OPEN_KEPT;
    default:
        return attempt_failed(status, SHMAP_ENOENT);
    }
}

/* Open another program's object, which is not marked. */
static enum attempt open_foreign(shmap__os_object *object, int fd,
                                 const struct stat *stat, const open_wish *wish,
                                 shmap__os_status *status)
{
    if (!S_ISREG(stat->st_mode))
        return attempt_failed(status, SHMAP_ETYPE);
    *status =
        shmap__posix_object_check(object, fd, stat, wish->request, wish->user);
    if (status->code < 0)
        return OPEN_FAILED;
    if (wish->names == SHMAP__POSIX_NAMES_PROVED)
        return attempt_failed(status, SHMAP_ETYPE);
    object->foreign = true;
    return OPENED;
}

/* Check a region that has a holder: it may be marked only if it is one that is
 * asked for: another mark would keep its last holder from removing it. */
static enum attempt check_live(shmap__os_object *object, int fd,
                               const struct stat *stat, const open_wish *wish,
                               shmap__os_status *status)
{
    SHMAP__STOP("open.alive");
    *status =
        shmap__posix_object_check(object, fd, stat, wish->request, wish->user);
    if (status->code == SHMAP_EOWNER)
        return OPEN_FAILED;
    if (shmap__posix_is_proved(fd, stat, wish->path, wish->names))
        return status->code < 0 ? OPEN_FAILED : OPENED;
    if (shmap__posix_is_link(fd, stat, wish->path, wish->names))
        return reject_leftover(wish, status);
    return attempt_failed(status, SHMAP_ETYPE);
}

/* Become a holder of a region that had one a moment ago. */
static enum attempt become_holder(int fd, shmap__os_status *status)
{
    struct stat stat;
    int error = shmap__posix_lock(fd, SHMAP__POSIX_MARK, F_RDLCK);

    if (error == EAGAIN)
        return OPEN_AGAIN;
    SHMAP__STOP("open.marked");
    if (error != 0) {
        *status = shmap__posix_lock_failed(error);
        return OPEN_FAILED;
    }
    if (fstat(fd, &stat) != 0) {
        *status = shmap__posix_failed(errno);
        return OPEN_FAILED;
    }
    /* Its removal began before. */
    return stat.st_nlink == 0 ||
                   shmap__posix_make_of(&stat) != SHMAP__POSIX_REGION
               ? OPEN_AGAIN
               : OPENED;
}

/* Try to become a holder of the object of the descriptor. */
static enum attempt hold_opened(shmap__os_object *object, int fd,
                                const open_wish *wish, shmap__os_status *status)
{
    struct stat stat;
    enum shmap__posix_make make;
    enum attempt result;
    short held;

    if (fstat(fd, &stat) != 0) {
        *status = shmap__posix_failed(errno);
        return OPEN_FAILED;
    }
    make = shmap__posix_make_behind(fd, &stat);
    if (make == SHMAP__POSIX_FOREIGN)
        return open_foreign(object, fd, &stat, wish, status);
    held = shmap__posix_locked(fd, SHMAP__POSIX_MARK);
    if (held < 0) {
        *status = shmap__posix_lock_failed(errno);
        return OPEN_FAILED;
    }
    if (held == F_WRLCK)
        SHMAP__STOP("open.busy");
    if (stat.st_nlink == 0)
        return OPEN_AGAIN;
    if (held == F_UNLCK ||
        (make == SHMAP__POSIX_CONDEMNED &&
         shmap__posix_is_link(fd, &stat, wish->path, wish->names)))
        return reject_leftover(wish, status);
    if (make == SHMAP__POSIX_CONDEMNED)
        return shmap__posix_is_kept(fd) ? OPEN_KEPT : OPEN_AGAIN;
    if (held == F_WRLCK)
        return OPEN_AGAIN;
    result = check_live(object, fd, &stat, wish, status);
    return result == OPENED ? become_holder(fd, status) : result;
}

/* Return this user. In user scope the number is in the name (name.c), for which
 * the same call has asked the system. */
static uid_t find_user(const char *os_name, int scope)
{
    const char *digit = os_name + sizeof "/shmap." - 1;
    uid_t user = 0;

    if (scope != SHMAP_SCOPE_USER)
        return geteuid();
    while (*digit >= '0' && *digit <= '9')
        user = 10 * user + (uid_t)(*digit++ - '0');
    return user;
}

static void fill_wish(open_wish *wish, const shmap__os_request *request)
{
    wish->request = request;
    shmap__posix_find_path(wish->path, request->os_name);
    wish->names = shmap__posix_names_of(request->options.scope);
    wish->user = find_user(request->os_name, request->options.scope);
}

/* Return why an object cannot be opened. Another user's region that is about to
 * be removed cannot, and is dead; it can be gone by now. */
static shmap__os_status explain_refusal(const char *path, int error)
{
    uid_t user = (uid_t)-1;

    if (shmap__posix_is_other(error))
        return (shmap__os_status){SHMAP_ETYPE, error};
    if (error != EACCES)
        return shmap__posix_failed(error);
    if (shmap__posix_path_is_going(path, &user))
        return (shmap__os_status){SHMAP_ENOENT, error};
    return shmap__posix_belongs(SHMAP_EACCES, error, user);
}

shmap__os_status shmap__os_named_open(shmap__os_object *object,
                                      const shmap__os_request *request)
{
    const int flags = shmap__posix_open_flags(request->options.access);
    open_wish wish;
    shmap__os_status status = {SHMAP_EBUSY, 0};
    uint32_t forks = shmap__posix_forks();
    unsigned attempts = 0;
    enum attempt result;

    fill_wish(&wish, request);
    do {
        int fd = shmap__posix_open_path(wish.path, flags);

        if (fd < 0)
            return explain_refusal(wish.path, errno);
        SHMAP__STOP("open.opened");
        result = hold_opened(object, fd, &wish, &status);
        if (result == OPENED) {
            object->forks = forks;
            return shmap__posix_done;
        }
        shmap__posix_close_quietly(fd);
        if (result == OPEN_FAILED)
            return status;
    } while ((result != OPEN_KEPT || attempts < SHMAP__POSIX_ATTEMPTS_BRIEF) &&
             shmap__posix_wait_a_little(&attempts));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

/* Reaping */

shmap__os_status shmap__os_named_reap(const char *os_name, int scope,
                                      unsigned *reaped)
{
    char path[SHMAP__POSIX_PATH];
    shmap__os_status status;
    unsigned count = 0;

    shmap__posix_find_path(path, os_name);
    status = shmap__posix_free_name(path, shmap__posix_names_of(scope), &count);
    /* A live region, or another program's object, is no leftover. */
    if (status.code == SHMAP_EEXIST || status.code == SHMAP_ETYPE)
        status = shmap__posix_done;
    if (status.code == 0)
        *reaped = count;
    return status;
}

/* Return whether a folder's entry can be a leftover that the caller asks for.
 */
static bool is_candidate(const char *path, bool every_user)
{
    struct stat stat;

    return lstat(path, &stat) == 0 &&
           shmap__posix_make_of(&stat) != SHMAP__POSIX_FOREIGN &&
           (every_user || stat.st_uid == geteuid());
}

/* Count one entry if it was a leftover. */
static shmap__os_status reap_entry(const char *name, bool every_user,
                                   unsigned *reaped)
{
    char path[SHMAP__POSIX_PATH];
    enum shmap__posix_reaping result;
    uid_t user;

    shmap__posix_find_path(path, name);
    if (!is_candidate(path, every_user))
        return shmap__posix_done;
    result = shmap__posix_remove_leftover(path, shmap__posix_names_like(name),
                                          &user);
    if (result == SHMAP__POSIX_REAP_FAILED)
        return shmap__posix_failed(errno);
    if (result == SHMAP__POSIX_REAP_UNTOLD)
        return shmap__posix_lock_failed(errno);
    *reaped += result == SHMAP__POSIX_REAPED;
    return shmap__posix_done;
}

shmap__os_status shmap__os_named_reap_all(bool every_user, unsigned *reaped)
{
    int fd = shmap__posix_open(SHMAP__POSIX_FOLDER, O_RDONLY | O_DIRECTORY, 0);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    shmap__os_status failure = shmap__posix_done;
    struct dirent *entry;

    *reaped = 0;
    shmap__posix_later_all();
    if (directory == NULL) {
        shmap__os_status status = shmap__posix_failed(errno);

        if (fd >= 0)
            close(fd);
        return status;
    }
    while ((errno = 0, entry = readdir(directory)) != NULL) {
        shmap__os_status status = reap_entry(entry->d_name, every_user, reaped);

        if (status.code < 0)
            failure = status;
    }
    if (errno != 0)
        failure = shmap__posix_failed(errno);
    closedir(directory);
    return *reaped == 0 ? failure : shmap__posix_done;
}
