/* SPDX-License-Identifier: MIT */

/* Freeing a name: finding the object that has it, and removing it if that is
 * allowed. */
#include "posix/linux/regions.h"

#include <unistd.h>

#include "base/stop.h"

enum finding {
    FOUND_NOTHING,
    FOUND_LIVE,    /* a region that has a holder */
    FOUND_DEAD,    /* a leftover */
    FOUND_BUSY,    /* an object that is being removed */
    FOUND_KEPT,    /* a removed object that another user keeps locked */
    FOUND_LINK,    /* a region that has another name from its owner */
    FOUND_FOREIGN, /* another program's memory */
    FOUND_OTHER,   /* an object that is not memory */
    FOUND_FAILED,  /* errno */
    FOUND_UNTOLD   /* errno, of a lock: it cannot be told whether it is alive */
};

/* `lock` was asked before `stat`: a lock may be that of a late opener, and the
 * object was removed before and shows it. */
static enum finding classify(int fd, const struct stat *stat, short lock)
{
    enum shmap__posix_make make;

    if (!S_ISREG(stat->st_mode))
        return FOUND_OTHER;
    make = shmap__posix_make_behind(fd, stat);
    if (lock < 0 && make != SHMAP__POSIX_FOREIGN)
        return FOUND_UNTOLD;
    switch (make) {
    case SHMAP__POSIX_FOREIGN:
        return FOUND_FOREIGN;
    case SHMAP__POSIX_REGION:
        if (stat->st_nlink == 0 || lock == F_WRLCK)
            return FOUND_BUSY;
        return lock == F_RDLCK ? FOUND_LIVE : FOUND_DEAD;
    default:
        if (stat->st_nlink == 0)
            return FOUND_BUSY;
        if (lock == F_UNLCK)
            return FOUND_DEAD;
        return shmap__posix_is_kept(fd) ? FOUND_KEPT : FOUND_BUSY;
    }
}

/* Find the object of this path, and the user that owns it. */
static enum finding find_at_path(const char *path,
                                 enum shmap__posix_names names, uid_t *user)
{
    struct stat stat;
    enum finding found = FOUND_FAILED;
    int fd = shmap__posix_open_path(path, O_RDONLY);
    short lock;
    int error;

    if (fd < 0 && errno == EACCES && shmap__posix_path_is_going(path, user))
        return FOUND_DEAD;
    if (fd < 0)
        return errno == ENOENT                ? FOUND_NOTHING
               : shmap__posix_is_other(errno) ? FOUND_OTHER
                                              : FOUND_FAILED;
    lock = shmap__posix_locked(fd, SHMAP__POSIX_MARK);
    error = lock < 0 ? errno : 0;
    if (fstat(fd, &stat) == 0) {
        *user = stat.st_uid;
        found = shmap__posix_is_link(fd, &stat, path, names)
                    ? FOUND_LINK
                    : classify(fd, &stat, lock);
    }
    if (found == FOUND_UNTOLD)
        errno = error;
    shmap__posix_close_quietly(fd);
    return found;
}

/* Return the status for an object of this user that could not be opened. */
static shmap__os_status refused(int error, uid_t user)
{
    shmap__os_status status = shmap__posix_failed(error);

    return status.code == SHMAP_EACCES
               ? shmap__posix_belongs(SHMAP_EACCES, error, user)
               : status;
}

/* Remove a leftover or a link, and tell whether that is over: 0 if the path
 * must be looked at again. */
static shmap__os_status free_path(const char *path,
                                  enum shmap__posix_names names,
                                  unsigned attempt, unsigned *reaped)
{
    enum shmap__posix_reaping result;
    uid_t user = (uid_t)-1;
    int error;

    SHMAP__STOP("free.dead");
    result = shmap__posix_remove_leftover(path, names, &user);
    error = errno;
    switch (result) {
    case SHMAP__POSIX_REAP_DENIED:
    case SHMAP__POSIX_REAP_FAILED:
        /* Another user, or root, is just removing it, as a rule. */
        if (error == EACCES && attempt < SHMAP__POSIX_ATTEMPTS_BRIEF &&
            shmap__posix_path_is_going(path, &user))
            break;
        return result == SHMAP__POSIX_REAP_DENIED
                   ? shmap__posix_belongs(SHMAP_ESTALE, error, user)
                   : refused(error, user);
    case SHMAP__POSIX_REAP_UNTOLD:
        return shmap__posix_lock_failed(error);
    case SHMAP__POSIX_REAPED:
        ++*reaped;
        break;
    case SHMAP__POSIX_REAP_BUSY:
        if (attempt >= SHMAP__POSIX_ATTEMPTS_BRIEF)
            return (shmap__os_status){SHMAP_EBUSY, 0};
        break;
    case SHMAP__POSIX_REAP_NOTHING:
        break;
    }
    return shmap__posix_done;
}

shmap__os_status shmap__posix_free_name(const char *path,
                                        enum shmap__posix_names names,
                                        unsigned *reaped)
{
    const shmap__os_status busy = {SHMAP_EBUSY, 0};
    unsigned attempt = 0;
    shmap__os_status status;

    do {
        uid_t user = (uid_t)-1;

        switch (find_at_path(path, names, &user)) {
        case FOUND_NOTHING:
            return shmap__posix_done;
        case FOUND_LIVE:
        case FOUND_FOREIGN:
            return shmap__posix_belongs(SHMAP_EEXIST, 0, user);
        case FOUND_OTHER:
            return (shmap__os_status){SHMAP_ETYPE, 0};
        case FOUND_FAILED:
            return refused(errno, user);
        case FOUND_UNTOLD:
            return shmap__posix_lock_failed(errno);
        case FOUND_KEPT:
            if (attempt >= SHMAP__POSIX_ATTEMPTS_BRIEF)
                return busy;
            break;
        case FOUND_BUSY:
            SHMAP__STOP("free.busy");
            break;
        case FOUND_DEAD:
        case FOUND_LINK:
            status = free_path(path, names, attempt, reaped);
            if (status.code < 0)
                return status;
        }
    } while (shmap__posix_wait_a_little(&attempt));
    return busy;
}
