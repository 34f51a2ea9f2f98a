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
#include "os.h"

#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../stop.h"

/* One that is about to be removed has this bit beside its others. */
enum { CONDEMNED = S_ISUID };

enum shmap__os_make shmap__os_make_of(const struct stat *stat)
{
    const mode_t never = S_ISGID | S_IXUSR | S_IXGRP | S_IXOTH;

    if (!S_ISREG(stat->st_mode) || (stat->st_mode & never) != 0 ||
        (stat->st_mode & SHMAP__OS_PRIVATE) != SHMAP__OS_PRIVATE)
        return SHMAP__OS_FOREIGN;
    return (stat->st_mode & CONDEMNED) != 0 ? SHMAP__OS_CONDEMNED
                                            : SHMAP__OS_REGION;
}

/* Names were checked for their length. */
void shmap__os_find_path(char path[SHMAP__OS_PATH], const char *os_name)
{
    memcpy(path, SHMAP__OS_FOLDER "/", sizeof SHMAP__OS_FOLDER);
    strcpy(path + sizeof SHMAP__OS_FOLDER, os_name + (*os_name == '/'));
}

int shmap__os_open_path(const char *path, int access)
{
    return shmap__os_open(path, access | O_NOFOLLOW | O_NONBLOCK, 0);
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

bool shmap__os_name_means(const char *os_name, const shmap__os_object *object)
{
    char path[SHMAP__OS_PATH];
    struct stat now;

    shmap__os_find_path(path, os_name);
    return lstat(path, &now) == 0 &&
           shmap__os_identifies(object->identity, &now);
}

/* Removing */

/* Unlink the object, which is locked exclusively, if the path still means it.
 * Late openers recognise a removed object by its having no link, but it may
 * have another one. So it stops being a region before it loses its name. */
static enum shmap__os_reaping unlink_locked(const char *path, int fd,
                                            const struct stat *object)
{
    if (!path_means(path, object))
        return SHMAP__OS_REAP_NOTHING;
    SHMAP__STOP("reap.checked");
    if (fchmod(fd, (object->st_mode & 07777) | CONDEMNED) != 0)
        return errno == EPERM ? SHMAP__OS_REAP_DENIED : SHMAP__OS_REAP_FAILED;
    SHMAP__STOP("reap.condemned");
    if (unlink(path) != 0)
        return errno == ENOENT                     ? SHMAP__OS_REAP_NOTHING
               : errno == EACCES || errno == EPERM ? SHMAP__OS_REAP_DENIED
                                                   : SHMAP__OS_REAP_FAILED;
    SHMAP__STOP("reap.unlinked");
    return SHMAP__OS_REAPED;
}

/* Whether the folder's sticky bit lets this process unlink the object. */
static bool may_remove(const struct stat *object)
{
    uid_t user = geteuid();

    return user == 0 || user == object->st_uid;
}

static enum shmap__os_reaping reap_opened(const char *path, int fd)
{
    struct stat object;
    enum shmap__os_reaping result = SHMAP__OS_REAP_NOTHING;

    if (shmap__os_locked(fd, SHMAP__OS_MARK) != F_UNLCK ||
        fstat(fd, &object) != 0 ||
        shmap__os_make_of(&object) == SHMAP__OS_FOREIGN)
        return SHMAP__OS_REAP_NOTHING;
    /* A lock without a right would keep those away who have it. */
    if (!may_remove(&object)) {
        errno = EPERM;
        return SHMAP__OS_REAP_DENIED;
    }
    SHMAP__STOP("reap.opened");
    if (shmap__os_lock(fd, SHMAP__OS_MARK, F_WRLCK) == 0) {
        SHMAP__STOP("reap.locked");
        result = unlink_locked(path, fd, &object);
        shmap__os_lock(fd, SHMAP__OS_MARK, F_UNLCK);
    }
    return result;
}

/* The fresh description through which a leftover is removed must not end up in
 * a child, so fork is kept out while there is one. */
static int open_for_removing(const char *path)
{
    int fd;

    shmap__os_fork_lock();
    fd = shmap__os_open_path(path, O_RDWR);
    if (fd < 0)
        shmap__os_fork_unlock();
    return fd;
}

static void close_after_removing(int fd)
{
    shmap__os_close_quietly(fd);
    shmap__os_fork_unlock();
}

enum shmap__os_reaping shmap__os_remove_leftover(const char *path)
{
    int fd = open_for_removing(path);
    enum shmap__os_reaping result;

    if (fd < 0) {
        if (errno == EACCES || errno == EPERM)
            return SHMAP__OS_REAP_DENIED;
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM
                   ? SHMAP__OS_REAP_FAILED
                   : SHMAP__OS_REAP_NOTHING;
    }
    result = reap_opened(path, fd);
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
                   shmap__os_locked(fd, SHMAP__OS_MARK) == F_RDLCK;

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
        shmap__os_wait_a_little(&attempt);
}

void shmap__os_remove_if_left(const char *path)
{
    int fd = open_for_removing(path);
    struct stat object;

    if (fd < 0)
        return;
    SHMAP__STOP("leave.opened");
    /* Locks of other programs on objects of their own are their affair. */
    if (fstat(fd, &object) == 0 &&
        shmap__os_make_of(&object) != SHMAP__OS_FOREIGN) {
        await_turns(fd);
        reap_opened(path, fd);
    }
    close_after_removing(fd);
}

void shmap__os_named_close(const shmap__os_object *object, const char *os_name,
                           const struct stat *stat)
{
    const mode_t others = S_IRWXG | S_IRWXO;
    int fd = (int)object->native;
    char path[SHMAP__OS_PATH];
    bool certain = false;

    /* Where somebody shares the description, the turn would not end. And if
     * others may hold the region, who may not remove it, then that somebody is
     * left does not mean that somebody will remove it. */
    shmap__os_fork_lock();
    if (stat != NULL && object->forks == shmap__os_forks() && !object->lent &&
        (stat->st_mode & others) == 0)
        certain = leave_in_turn(fd);
    else if (stat != NULL)
        close(fd);
    shmap__os_fork_unlock();
    if (certain)
        return;
    SHMAP__STOP("close.dropped");
    shmap__os_find_path(path, os_name);
    shmap__os_remove_if_left(path);
}

/* Looking */

enum finding {
    FOUND_NOTHING,
    FOUND_LIVE,    /* a region that somebody holds */
    FOUND_DEAD,    /* a leftover */
    FOUND_BUSY,    /* something that is being removed */
    FOUND_FOREIGN, /* another program's memory */
    FOUND_OTHER,   /* something that is not memory */
    FOUND_FAILED   /* errno */
};

/* open() fails like this for what can be no shared memory: a link, a
 * directory, a socket, a device without a driver. */
bool shmap__os_is_other(int error)
{
    return error == ELOOP || error == EISDIR || error == ENXIO ||
           error == ENODEV;
}

/* `lock` was asked before `stat`: a lock may be that of a late opener, whose
 * object was removed before and shows it. */
static enum finding classify(const struct stat *stat, short lock)
{
    if (!S_ISREG(stat->st_mode))
        return FOUND_OTHER;
    switch (shmap__os_make_of(stat)) {
    case SHMAP__OS_FOREIGN:
        return FOUND_FOREIGN;
    case SHMAP__OS_REGION:
        if (stat->st_nlink == 0 || lock == F_WRLCK)
            return FOUND_BUSY;
        return lock == F_RDLCK ? FOUND_LIVE : FOUND_DEAD;
    default:
        return stat->st_nlink == 0 || lock != F_UNLCK ? FOUND_BUSY : FOUND_DEAD;
    }
}

/* What has this path. */
static enum finding look(const char *path)
{
    struct stat stat;
    enum finding found = FOUND_FAILED;
    int fd = shmap__os_open_path(path, O_RDONLY);
    short lock;

    if (fd < 0)
        return errno == ENOENT             ? FOUND_NOTHING
               : shmap__os_is_other(errno) ? FOUND_OTHER
                                           : FOUND_FAILED;
    lock = shmap__os_locked(fd, SHMAP__OS_MARK);
    if (fstat(fd, &stat) == 0)
        found = classify(&stat, lock);
    shmap__os_close_quietly(fd);
    return found;
}

shmap__os_status shmap__os_free_name(const char *path, unsigned *reaped)
{
    unsigned attempt = 0;

    do {
        switch (look(path)) {
        case FOUND_NOTHING:
            return shmap__os_done;
        case FOUND_LIVE:
        case FOUND_FOREIGN:
            return (shmap__os_status){SHMAP_EEXIST, 0};
        case FOUND_OTHER:
            return (shmap__os_status){SHMAP_ETYPE, 0};
        case FOUND_FAILED:
            return shmap__os_failed(errno);
        case FOUND_BUSY:
            SHMAP__STOP("free.busy");
            break;
        case FOUND_DEAD:
            SHMAP__STOP("free.dead");
            switch (shmap__os_remove_leftover(path)) {
            case SHMAP__OS_REAP_DENIED:
                return (shmap__os_status){SHMAP_ESTALE, errno};
            case SHMAP__OS_REAP_FAILED:
                return shmap__os_failed(errno);
            case SHMAP__OS_REAPED:
                ++*reaped;
                break;
            case SHMAP__OS_REAP_NOTHING:
                break;
            }
        }
    } while (shmap__os_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

bool shmap__os_alone(int fd)
{
    return shmap__os_locked(fd, SHMAP__OS_MARK) == F_UNLCK;
}
