/* SPDX-License-Identifier: MIT */

/* The lifetime of named regions on Linux: who holds one, how its last holder
 * frees it, and what becomes of those whose holders all died. docs/lifetime.md
 * explains the protocol and what was proved of it; the short form:
 *
 * - A holder has a read lock on the mark byte of its own description. Only the
 *   kernel drops it, with the last descriptor and mapping, whatever happens to
 *   the process.
 * - Who wants to remove an object takes a write lock on the mark byte through a
 *   fresh description: nobody can get it while a holder lives, and nobody can
 *   become a holder until it is released.
 * - Who opens asks first whether there is a holder, then marks: the object was
 *   alive in between, and it stays so. An object without a holder is dead.
 * - A region is made without a name, marked, and then given its name.
 */
#include "posix/linux/lifetime.h"

#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/stop.h"
#include "posix/linux/stamp.h"

enum shmap__posix_make shmap__posix_make_of(const struct stat *stat)
{
    const mode_t others = S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;
    const mode_t mode = stat->st_mode & 07777;

    if (!S_ISREG(stat->st_mode))
        return SHMAP__OS_FOREIGN;
    if (mode == SHMAP__OS_CONDEMNED_MODE)
        return SHMAP__OS_CONDEMNED;
    return (mode & ~others) == SHMAP__OS_PRIVATE ? SHMAP__OS_REGION
                                                 : SHMAP__OS_FOREIGN;
}

enum shmap__posix_make shmap__posix_make_behind(int fd, const struct stat *stat)
{
    enum shmap__posix_make make = shmap__posix_make_of(stat);

    if (make == SHMAP__OS_CONDEMNED &&
        shmap__stamp_check(fd, stat, "") == SHMAP__PROOF_NONE &&
        shmap__stamp_lasts(fd))
        return SHMAP__OS_FOREIGN;
    return make;
}

static const char *name_in(const char *path)
{
    return path + sizeof SHMAP__OS_FOLDER;
}

enum shmap__posix_names shmap__posix_names_of(int scope)
{
    return scope == SHMAP_SCOPE_NATIVE ? SHMAP__OS_NAMES_NATIVE
                                       : SHMAP__OS_NAMES_PROVED;
}

/* A region that has a temporary name still has the stamp of its later one. */
enum shmap__posix_names shmap__posix_names_like(const char *os_name)
{
    const char *name = os_name + (*os_name == '/');

    if (strncmp(name, "shmap.", 6) != 0)
        return SHMAP__OS_NAMES_LISTED;
    return name[6] == '~' ? SHMAP__OS_NAMES_NATIVE : SHMAP__OS_NAMES_PROVED;
}

bool shmap__posix_is_proved(int fd, const struct stat *stat, const char *path,
                            enum shmap__posix_names names)
{
    enum shmap__proof proof;

    if (names != SHMAP__OS_NAMES_PROVED)
        return true;
    proof = shmap__stamp_check(fd, stat, name_in(path));
    return proof == SHMAP__PROOF_NAME ||
           (proof == SHMAP__PROOF_NONE && stat->st_nlink == 1 &&
            !shmap__stamp_lasts(fd));
}

/* Names were checked for their length. */
void shmap__posix_find_path(char path[SHMAP__OS_PATH], const char *os_name)
{
    memcpy(path, SHMAP__OS_FOLDER "/", sizeof SHMAP__OS_FOLDER);
    strcpy(path + sizeof SHMAP__OS_FOLDER, os_name + (*os_name == '/'));
}

int shmap__posix_open_path(const char *path, int access)
{
    return shmap__posix_open(path, access | O_NOFOLLOW | O_NONBLOCK, 0);
}

bool shmap__posix_path_is_going(const char *path, uid_t *user)
{
    int fd = shmap__posix_open_path(path, O_PATH);
    bool condemned = false;
    struct stat stat;

    if (fd < 0)
        return errno == ENOENT;
    if (fstat(fd, &stat) == 0) {
        *user = stat.st_uid;
        condemned = shmap__posix_make_behind(fd, &stat) == SHMAP__OS_CONDEMNED;
    }
    shmap__posix_close_quietly(fd);
    return condemned;
}

static bool same_object(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool path_means(const char *path, const struct stat *object)
{
    struct stat now;

    return lstat(path, &now) == 0 && same_object(&now, object);
}

bool shmap__posix_name_means(const char *os_name,
                             const shmap__os_object *object)
{
    char path[SHMAP__OS_PATH];
    struct stat now;

    shmap__posix_find_path(path, os_name);
    return lstat(path, &now) == 0 &&
           shmap__posix_identifies(object->identity, &now);
}

/* Removing */

static bool is_own(const struct stat *object)
{
    return object->st_uid == geteuid();
}

/* Unlink what was just seen under the path. The owner of an object can take it
 * from the path at any moment, and somebody else's new region can get that. So
 * root, who may remove what others own, owns it meanwhile. */
static enum shmap__posix_reaping unlink_seen(const char *path, int fd,
                                             const struct stat *object)
{
    enum shmap__posix_reaping result = SHMAP__OS_REAPED;
    int error;

    if (is_own(object))
        return unlink(path) == 0 ? SHMAP__OS_REAPED : SHMAP__OS_REAP_FAILED;
    if (fchown(fd, geteuid(), (gid_t)-1) != 0)
        return SHMAP__OS_REAP_FAILED;
    if (path_means(path, object)) {
        SHMAP__STOP("reap.owned");
        if (unlink(path) != 0)
            result = SHMAP__OS_REAP_FAILED;
    } else {
        result = SHMAP__OS_REAP_NOTHING;
    }
    error = errno;
    /* It may have other names, which are its owner's to remove. */
    if (fchown(fd, object->st_uid, (gid_t)-1) != 0)
        result = SHMAP__OS_REAP_FAILED;
    errno = error;
    return result;
}

static bool has_stamp(const char *path, int fd, const struct stat *object)
{
    return shmap__stamp_check(fd, object, name_in(path)) != SHMAP__PROOF_NONE ||
           shmap__stamp_put(fd, name_in(path)) == 0;
}

/* Make it a region no more, which only its stamp tells from another program's
 * object of this mode. Who may write to it may have destroyed the stamp, also
 * since it was looked at, but cannot any more when it is condemned. */
static bool condemn(const char *path, int fd, const struct stat *object)
{
    const mode_t writers = S_IWGRP | S_IWOTH;
    struct stat now;

    if (!has_stamp(path, fd, object))
        return false;
    SHMAP__STOP("reap.stamped");
    if (fchmod(fd, SHMAP__OS_CONDEMNED_MODE) != 0)
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

    if (!path_means(path, object))
        return SHMAP__OS_REAP_NOTHING;
    SHMAP__STOP("reap.checked");
    if (!condemn(path, fd, object))
        return SHMAP__OS_REAP_FAILED;
    SHMAP__STOP("reap.condemned");
    result = unlink_seen(path, fd, object);
    if (result == SHMAP__OS_REAP_FAILED && errno == ENOENT)
        result = SHMAP__OS_REAP_NOTHING;
    SHMAP__STOP("reap.unlinked");
    return result;
}

/* A lock was not got. */
static enum shmap__posix_reaping not_locked(int error,
                                            enum shmap__posix_reaping others)
{
    if (error == EAGAIN)
        return others;
    errno = error;
    return SHMAP__OS_REAP_UNTOLD;
}

/* Unlink a path that somebody else linked the object to. The object may be held
 * under its own name, so it is not condemned, and the lock is not the holders':
 * it only keeps another process of this user from unlinking the path, and a new
 * region from getting it, in between. */
static enum shmap__posix_reaping unlink_link(const char *path, int fd,
                                             const struct stat *object)
{
    enum shmap__posix_reaping result = SHMAP__OS_REAP_NOTHING;
    int error = shmap__posix_lock(fd, SHMAP__OS_REMOVER, F_WRLCK);

    if (error != 0)
        return not_locked(error, SHMAP__OS_REAP_BUSY);
    SHMAP__STOP("reap.link_locked");
    if (path_means(path, object))
        result = unlink(path) == 0 ? SHMAP__OS_REAPED : SHMAP__OS_REAP_FAILED;
    shmap__posix_lock(fd, SHMAP__OS_REMOVER, F_UNLCK);
    return result;
}

/* Whether the folder's sticky bit lets this process unlink the object. */
static bool may_remove(const struct stat *object)
{
    return is_own(object) || geteuid() == 0;
}

static int lock_for_removing(int fd, short type)
{
    return shmap__posix_lock_bytes(fd, SHMAP__OS_MARK, 2, type);
}

/* Perhaps by a stranger who may read. */
static bool only_remover_is_locked(int fd)
{
    return shmap__posix_locked(fd, SHMAP__OS_MARK) == F_UNLCK &&
           shmap__posix_locked(fd, SHMAP__OS_REMOVER) != F_UNLCK;
}

static enum shmap__posix_reaping reap_opened(const char *path, int fd,
                                             enum shmap__posix_names names,
                                             uid_t *user)
{
    const short lock = shmap__posix_locked(fd, SHMAP__OS_MARK);
    int error = lock < 0 ? errno : 0;
    enum shmap__proof proof = SHMAP__PROOF_NAME;
    struct stat object;
    enum shmap__posix_reaping result;

    if (fstat(fd, &object) != 0 ||
        shmap__posix_make_behind(fd, &object) == SHMAP__OS_FOREIGN)
        return SHMAP__OS_REAP_NOTHING;
    *user = object.st_uid;
    if (names != SHMAP__OS_NAMES_NATIVE)
        proof = shmap__stamp_check(fd, &object, name_in(path));
    if (names == SHMAP__OS_NAMES_PROVED && proof == SHMAP__PROOF_OTHER &&
        is_own(&object))
        return unlink_link(path, fd, &object);
    if (lock == F_RDLCK || lock == F_WRLCK ||
        (names == SHMAP__OS_NAMES_LISTED && proof == SHMAP__PROOF_NONE))
        return SHMAP__OS_REAP_NOTHING;
    if (error != 0)
        return not_locked(error, SHMAP__OS_REAP_NOTHING);
    /* A lock without a right would keep those away who have it. */
    if (!may_remove(&object)) {
        errno = EPERM;
        return SHMAP__OS_REAP_DENIED;
    }
    SHMAP__STOP("reap.opened");
    error = lock_for_removing(fd, F_WRLCK);
    if (error != 0)
        return not_locked(error, only_remover_is_locked(fd)
                                     ? SHMAP__OS_REAP_BUSY
                                     : SHMAP__OS_REAP_NOTHING);
    SHMAP__STOP("reap.locked");
    result = unlink_locked(path, fd, &object);
    lock_for_removing(fd, F_UNLCK);
    return result;
}

static bool must_ask_again(enum shmap__posix_reaping result)
{
    return result == SHMAP__OS_REAP_NOTHING || result == SHMAP__OS_REAP_BUSY;
}

/* The fresh description through which a leftover is removed must not end up in
 * a child, so fork is kept out while there is one. */
static int open_for_removing(const char *path)
{
    int fd;

    shmap__posix_fork_lock();
    fd = shmap__posix_open_path(path, O_RDWR);
    if (fd < 0)
        shmap__posix_fork_unlock();
    return fd;
}

static void close_after_removing(int fd)
{
    shmap__posix_close_quietly(fd);
    shmap__posix_fork_unlock();
}

/* Why something cannot be opened to be removed. That it is another user's must
 * be seen, and is not concluded from the refusal. */
static enum shmap__posix_reaping explain_refusal(const char *path, int error,
                                                 uid_t *user)
{
    struct stat object;
    enum shmap__posix_reaping result = SHMAP__OS_REAP_FAILED;

    if (error == ENOENT || shmap__posix_is_other(error)) {
        result = SHMAP__OS_REAP_NOTHING;
    } else if ((error == EACCES || error == EPERM) &&
               lstat(path, &object) == 0) {
        *user = object.st_uid;
        if (!may_remove(&object))
            result = SHMAP__OS_REAP_DENIED;
    }
    errno = error;
    return result;
}

enum shmap__posix_reaping shmap__posix_remove_leftover(
    const char *path, enum shmap__posix_names names, uid_t *user)
{
    int fd = open_for_removing(path);
    enum shmap__posix_reaping result;

    if (fd < 0)
        return explain_refusal(path, errno, user);
    result = reap_opened(path, fd, names, user);
    close_after_removing(fd);
    return result;
}

/* Leaving
 *
 * Whoever lets go must find out whether somebody is left, and only after it let
 * go: of two that ask first and then go, each would see the other. Asking then
 * takes a fresh description, which is the most expensive part of attaching.
 *
 * So those who leave take turns where they can: an exclusive flock through the
 * region's own description, from before the question until the description is
 * gone. (flock knows nothing of byte locks.) Who has it, and sees a holder, can
 * go: that holder is not asking at the same time. Who does not get it goes
 * first, waits until the turn is over, and asks then.
 *
 * A process that is stopped between its question and its end would make others
 * wait. They give up after PATIENCE, and that process, which finds its turn
 * longer than TURN, less than PATIENCE, asks again after it let go. */

enum { TURN_NS = 5000000, PATIENCE_NS = 10000000 };

/* Let go with a question before. False if it must be asked again. */
static bool leave_in_turn(int fd)
{
    int64_t begun = shmap__os_now();
    bool certain = flock(fd, LOCK_EX | LOCK_NB) == 0 &&
                   shmap__posix_locked(fd, SHMAP__OS_MARK) == F_RDLCK;

    SHMAP__STOP("leave.asked");
    close(fd);
    return certain && shmap__os_now() - begun < TURN_NS;
}

/* Wait until no turn is on, within bounds. Beginning another is no harm. */
static void await_turns(int fd)
{
    int64_t deadline = shmap__os_now() + PATIENCE_NS;
    unsigned attempt = 0;

    while (flock(fd, LOCK_SH | LOCK_NB) != 0 && shmap__os_now() < deadline)
        shmap__posix_wait_a_little(&attempt);
}

/* Whether an object could not be looked at for a reason that passes, and may
 * be left over. */
static bool is_passing(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Remove what is left over. True if it must be asked for again: it has a
 * holder.
 */
static bool is_left(const char *path, int fd)
{
    uid_t user;

    return must_ask_again(reap_opened(path, fd, SHMAP__OS_NAMES_NATIVE, &user));
}

/* Remove what was closed. True if it must be asked for again: it has a holder,
 * or could not be opened. */
static bool remove_if_left(const char *path)
{
    int fd = open_for_removing(path);
    struct stat object;
    bool again = false;

    if (fd < 0)
        return is_passing(errno);
    SHMAP__STOP("leave.opened");
    /* Locks of other programs on objects of their own are their affair. */
    if (fstat(fd, &object) == 0 &&
        shmap__posix_make_behind(fd, &object) != SHMAP__OS_FOREIGN) {
        await_turns(fd);
        again = is_left(path, fd);
    }
    close_after_removing(fd);
    return again;
}

/* Fork is not kept out at exit: a thread that does not run any more may do so
 * for ever. */
bool shmap__posix_named_is_held(const char *os_name, const uint64_t identity[2],
                                bool at_exit)
{
    char path[SHMAP__OS_PATH];
    struct stat object;
    bool held;
    int fd;

    shmap__posix_find_path(path, os_name);
    fd = at_exit ? shmap__posix_open_path(path, O_RDWR)
                 : open_for_removing(path);
    if (fd < 0)
        return is_passing(errno);
    held = fstat(fd, &object) == 0 &&
           shmap__posix_identifies(identity, &object) && is_left(path, fd);
    if (at_exit)
        close(fd);
    else
        close_after_removing(fd);
    return held;
}

void shmap__posix_named_close(const shmap__os_object *object,
                              const char *os_name, const struct stat *stat)
{
    const mode_t others = S_IRWXG | S_IRWXO;
    int fd = (int)object->native;
    char path[SHMAP__OS_PATH];
    bool certain = false; /* that another holder is left */

    /* Where somebody shares the description, the turn would not end. And if
     * others may hold the region, who may not remove it, then that somebody is
     * left does not mean that somebody will remove it. */
    shmap__posix_fork_lock();
    if (stat != NULL && object->forks == shmap__posix_forks() &&
        !object->lent && (stat->st_mode & others) == 0)
        certain = leave_in_turn(fd);
    else if (stat != NULL)
        close(fd);
    shmap__posix_fork_unlock();
    if (!certain) {
        SHMAP__STOP("close.dropped");
        shmap__posix_find_path(path, os_name);
        certain = remove_if_left(path);
    }
    shmap__posix_later(certain ? os_name : NULL, object->identity);
}

/* Looking */

enum finding {
    FOUND_NOTHING,
    FOUND_LIVE,    /* a region that somebody holds */
    FOUND_DEAD,    /* a leftover */
    FOUND_BUSY,    /* something that is being removed */
    FOUND_KEPT,    /* something removed that a stranger keeps locked */
    FOUND_LINK,    /* a region that has another name from its owner */
    FOUND_FOREIGN, /* another program's memory */
    FOUND_OTHER,   /* something that is not memory */
    FOUND_FAILED,  /* errno */
    FOUND_UNTOLD   /* errno, of a lock: it cannot be told whether it is alive */
};

/* open() fails like this for what can be no shared memory: a link, a
 * directory, a socket, a device without a driver. */
bool shmap__posix_is_other(int error)
{
    return error == ELOOP || error == EISDIR || error == ENXIO ||
           error == ENODEV;
}

/* One of this user who removes it has both locks. */
bool shmap__posix_is_kept(int fd)
{
    return shmap__posix_locked(fd, SHMAP__OS_MARK) != F_UNLCK &&
           shmap__posix_locked(fd, SHMAP__OS_REMOVER) != F_WRLCK;
}

/* `lock` was asked before `stat`: a lock may be that of a late opener, whose
 * object was removed before and shows it. */
static enum finding classify(int fd, const struct stat *stat, short lock)
{
    enum shmap__posix_make make;

    if (!S_ISREG(stat->st_mode))
        return FOUND_OTHER;
    make = shmap__posix_make_behind(fd, stat);
    if (lock < 0 && make != SHMAP__OS_FOREIGN)
        return FOUND_UNTOLD;
    switch (make) {
    case SHMAP__OS_FOREIGN:
        return FOUND_FOREIGN;
    case SHMAP__OS_REGION:
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

bool shmap__posix_is_link(int fd, const struct stat *stat, const char *path,
                          enum shmap__posix_names names)
{
    return names == SHMAP__OS_NAMES_PROVED &&
           shmap__posix_make_of(stat) != SHMAP__OS_FOREIGN && is_own(stat) &&
           shmap__stamp_check(fd, stat, name_in(path)) == SHMAP__PROOF_OTHER;
}

/* What has this path, and whose it is. */
static enum finding look(const char *path, enum shmap__posix_names names,
                         uid_t *user)
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
    lock = shmap__posix_locked(fd, SHMAP__OS_MARK);
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

/* A failure that a refusal to open this user's object may be. */
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
    case SHMAP__OS_REAP_DENIED:
    case SHMAP__OS_REAP_FAILED:
        /* Another user, or root, is just removing it, as a rule. */
        if (error == EACCES && attempt < SHMAP__OS_ATTEMPTS_BRIEF &&
            shmap__posix_path_is_going(path, &user))
            break;
        return result == SHMAP__OS_REAP_DENIED
                   ? shmap__posix_belongs(SHMAP_ESTALE, error, user)
                   : refused(error, user);
    case SHMAP__OS_REAP_UNTOLD:
        return shmap__posix_lock_failed(error);
    case SHMAP__OS_REAPED:
        ++*reaped;
        break;
    case SHMAP__OS_REAP_BUSY:
        if (attempt >= SHMAP__OS_ATTEMPTS_BRIEF)
            return (shmap__os_status){SHMAP_EBUSY, 0};
        break;
    case SHMAP__OS_REAP_NOTHING:
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

        switch (look(path, names, &user)) {
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
            if (attempt >= SHMAP__OS_ATTEMPTS_BRIEF)
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

bool shmap__posix_alone(int fd)
{
    return shmap__posix_locked(fd, SHMAP__OS_MARK) == F_UNLCK;
}
