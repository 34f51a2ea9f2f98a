/* SPDX-License-Identifier: MIT */

/* Removing leftovers: regions of which all holders died. */
#include "posix/linux/regions.h"

#include <unistd.h>

#include "base/stop.h"
#include "posix/linux/stamp.h"

/* Unlink the object that was just seen under the path. The owner of an object
 * can take it from the path at any moment, and another user's new region can
 * get that. So root, which may remove what others own, owns it meanwhile. */
static enum shmap__posix_reaping unlink_seen(const char *path, int fd,
                                             const struct stat *object)
{
    enum shmap__posix_reaping result = SHMAP__POSIX_REAPED;
    int error;

    if (shmap__posix_is_own(object))
        return unlink(path) == 0 ? SHMAP__POSIX_REAPED
                                 : SHMAP__POSIX_REAP_FAILED;
    if (fchown(fd, geteuid(), (gid_t)-1) != 0)
        return SHMAP__POSIX_REAP_FAILED;
    if (shmap__posix_path_means(path, object)) {
        SHMAP__STOP("reap.owned");
        if (unlink(path) != 0)
            result = SHMAP__POSIX_REAP_FAILED;
    } else {
        result = SHMAP__POSIX_REAP_NOTHING;
    }
    error = errno;
    /* It may have other names, which are its owner's to remove. */
    if (fchown(fd, object->st_uid, (gid_t)-1) != 0)
        result = SHMAP__POSIX_REAP_FAILED;
    errno = error;
    return result;
}

static bool has_stamp(const char *path, int fd, const struct stat *object)
{
    return shmap__posix_stamp_check(fd, object, shmap__posix_name_in(path)) !=
               SHMAP__POSIX_PROOF_NONE ||
           shmap__posix_stamp_put(fd, shmap__posix_name_in(path)) == 0;
}

/* Make the object stop being a region. Only its stamp then tells it from
 * another program's object of this mode. A user that may write to it may have
 * destroyed the stamp, also since it was looked at, but cannot any more when it
 * is condemned. */
static bool condemn(const char *path, int fd, const struct stat *object)
{
    const mode_t writers = S_IWGRP | S_IWOTH;
    struct stat now;

    if (!has_stamp(path, fd, object))
        return false;
    SHMAP__STOP("reap.stamped");
    if (!shmap__posix_mode_condemn(fd))
        return false;
    return (object->st_mode & writers) == 0 ||
           (fstat(fd, &now) == 0 && has_stamp(path, fd, &now));
}

/* Unlink the object, which is locked exclusively, if the path still means it.
 * Late openers recognise a removed object by its having no link, but it may
 * have another one. So it stops being a region before it loses its name. */
static enum shmap__posix_reaping unlink_locked(const char *path, int fd,
                                               const struct stat *object)
{
    enum shmap__posix_reaping result;

    if (!shmap__posix_path_means(path, object))
        return SHMAP__POSIX_REAP_NOTHING;
    SHMAP__STOP("reap.checked");
    if (!condemn(path, fd, object))
        return SHMAP__POSIX_REAP_FAILED;
    SHMAP__STOP("reap.condemned");
    result = unlink_seen(path, fd, object);
    if (result == SHMAP__POSIX_REAP_FAILED && errno == ENOENT)
        result = SHMAP__POSIX_REAP_NOTHING;
    SHMAP__STOP("reap.unlinked");
    return result;
}

/* Return the result for a lock that was refused. */
static enum shmap__posix_reaping not_locked(int error,
                                            enum shmap__posix_reaping others)
{
    if (error == EAGAIN)
        return others;
    errno = error;
    return SHMAP__POSIX_REAP_UNTOLD;
}

/* Unlink a path that another user linked the object to. The object may be held
 * under its own name, so it is not condemned, and the lock is not the holders':
 * it only keeps another process of this user from unlinking the path, and a new
 * region from getting it, in between. */
static enum shmap__posix_reaping unlink_link(const char *path, int fd,
                                             const struct stat *object)
{
    enum shmap__posix_reaping result = SHMAP__POSIX_REAP_NOTHING;
    int error = shmap__posix_lock(fd, SHMAP__POSIX_REMOVER, F_WRLCK);

    if (error != 0)
        return not_locked(error, SHMAP__POSIX_REAP_BUSY);
    SHMAP__STOP("reap.link_locked");
    if (shmap__posix_path_means(path, object))
        result =
            unlink(path) == 0 ? SHMAP__POSIX_REAPED : SHMAP__POSIX_REAP_FAILED;
    shmap__posix_lock(fd, SHMAP__POSIX_REMOVER, F_UNLCK);
    return result;
}

/* Return whether the folder's sticky bit lets this process unlink the object.
 */
static bool may_remove(const struct stat *object)
{
    return shmap__posix_is_own(object) || geteuid() == 0;
}

static int lock_for_removing(int fd, short type)
{
    return shmap__posix_lock_bytes(fd, SHMAP__POSIX_MARK, 2, type);
}

/* Return whether only the second byte is locked, perhaps by another user that
 * may read. */
static bool only_remover_is_locked(int fd)
{
    return shmap__posix_locked(fd, SHMAP__POSIX_MARK) == F_UNLCK &&
           shmap__posix_locked(fd, SHMAP__POSIX_REMOVER) != F_UNLCK;
}

static enum shmap__posix_reaping reap_opened(const char *path, int fd,
                                             enum shmap__posix_names names,
                                             uid_t *user)
{
    const short lock = shmap__posix_locked(fd, SHMAP__POSIX_MARK);
    int error = lock < 0 ? errno : 0;
    enum shmap__posix_proof proof = SHMAP__POSIX_PROOF_NAME;
    struct stat object;
    enum shmap__posix_reaping result;

    if (fstat(fd, &object) != 0 ||
        shmap__posix_make_behind(fd, &object) == SHMAP__POSIX_FOREIGN)
        return SHMAP__POSIX_REAP_NOTHING;
    *user = object.st_uid;
    if (names != SHMAP__POSIX_NAMES_NATIVE)
        proof =
            shmap__posix_stamp_check(fd, &object, shmap__posix_name_in(path));
    if (names == SHMAP__POSIX_NAMES_PROVED &&
        proof == SHMAP__POSIX_PROOF_OTHER && shmap__posix_is_own(&object))
        return unlink_link(path, fd, &object);
    if (lock == F_RDLCK || lock == F_WRLCK ||
        (names == SHMAP__POSIX_NAMES_LISTED &&
         proof == SHMAP__POSIX_PROOF_NONE))
        return SHMAP__POSIX_REAP_NOTHING;
    if (error != 0)
        return not_locked(error, SHMAP__POSIX_REAP_NOTHING);
    /* A lock without a right would keep away processes that have it. */
    if (!may_remove(&object)) {
        errno = EPERM;
        return SHMAP__POSIX_REAP_DENIED;
    }
    SHMAP__STOP("reap.opened");
    error = lock_for_removing(fd, F_WRLCK);
    if (error != 0)
        return not_locked(error, only_remover_is_locked(fd)
                                     ? SHMAP__POSIX_REAP_BUSY
                                     : SHMAP__POSIX_REAP_NOTHING);
    SHMAP__STOP("reap.locked");
    result = unlink_locked(path, fd, &object);
    lock_for_removing(fd, F_UNLCK);
    return result;
}

/* The fresh description through which a leftover is removed must not end up in
 * a child, so fork is kept out while there is one. */
int shmap__posix_open_for_removing(const char *path)
{
    int fd;

    shmap__posix_fork_lock();
    fd = shmap__posix_open_path(path, O_RDWR);
    if (fd < 0)
        shmap__posix_fork_unlock();
    return fd;
}

void shmap__posix_close_after_removing(int fd)
{
    shmap__posix_close_quietly(fd);
    shmap__posix_fork_unlock();
}

/* Return why an object cannot be opened to be removed. Its owner must be seen,
 * and is not concluded from the refusal. */
static enum shmap__posix_reaping explain_refusal(const char *path, int error,
                                                 uid_t *user)
{
    struct stat object;
    enum shmap__posix_reaping result = SHMAP__POSIX_REAP_FAILED;

    if (error == ENOENT || shmap__posix_is_other(error)) {
        result = SHMAP__POSIX_REAP_NOTHING;
    } else if ((error == EACCES || error == EPERM) &&
               lstat(path, &object) == 0) {
        *user = object.st_uid;
        if (!may_remove(&object))
            result = SHMAP__POSIX_REAP_DENIED;
    }
    errno = error;
    return result;
}

enum shmap__posix_reaping shmap__posix_remove_leftover(
    const char *path, enum shmap__posix_names names, uid_t *user)
{
    int fd = shmap__posix_open_for_removing(path);
    enum shmap__posix_reaping result;

    if (fd < 0)
        return explain_refusal(path, errno, user);
    result = reap_opened(path, fd, names, user);
    shmap__posix_close_after_removing(fd);
    return result;
}

/* Return whether an object could not be looked at for a reason that passes, and
 * may be left over. */
bool shmap__posix_is_passing(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

bool shmap__posix_remove_closed(const char *path, int fd)
{
    uid_t user;
    const enum shmap__posix_reaping result =
        reap_opened(path, fd, SHMAP__POSIX_NAMES_NATIVE, &user);

    return result == SHMAP__POSIX_REAP_NOTHING ||
           result == SHMAP__POSIX_REAP_BUSY;
}

/* Fork is not kept out at exit: a thread that does not run any more may do so
 * for ever. */
bool shmap__posix_named_is_held(const char *os_name, const uint64_t identity[2],
                                bool at_exit)
{
    char path[SHMAP__POSIX_PATH];
    struct stat object;
    bool held;
    int fd;

    shmap__posix_find_path(path, os_name);
    fd = at_exit ? shmap__posix_open_path(path, O_RDWR)
                 : shmap__posix_open_for_removing(path);
    if (fd < 0)
        return shmap__posix_is_passing(errno);
    held = fstat(fd, &object) == 0 &&
           shmap__posix_identifies(identity, &object) &&
           shmap__posix_remove_closed(path, fd);
    if (at_exit)
        close(fd);
    else
        shmap__posix_close_after_removing(fd);
    return held;
}
