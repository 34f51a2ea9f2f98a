/* SPDX-License-Identifier: MIT */

/* Named regions on Linux: how they appear, are found, and vanish with their
 * last holder. docs/lifetime.md explains the protocol and what was proved of
 * it; the short form:
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

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../stop.h"

static const char folder[] = "/dev/shm";

enum { PATH_SPACE = sizeof folder + 1 + 255 };

/* Objects made by shmap have the sticky bit and are not executable. A blanket
 * `chmod -R 1777` of the folder makes them foreign, and so safe. One that is
 * about to be removed has the set-user-id bit, and is no region any more. */
enum {
    MADE_BY_SHMAP = S_ISVTX,
    PRIVATE_MODE = MADE_BY_SHMAP | S_IRUSR | S_IWUSR,
    CONDEMNED = S_ISUID
};

enum make { FOREIGN, REGION, CONDEMNED_REGION };

static enum make make_of(const struct stat *stat)
{
    const mode_t never = S_ISGID | S_IXUSR | S_IXGRP | S_IXOTH;

    if (!S_ISREG(stat->st_mode) || (stat->st_mode & never) != 0 ||
        (stat->st_mode & PRIVATE_MODE) != PRIVATE_MODE)
        return FOREIGN;
    return (stat->st_mode & CONDEMNED) != 0 ? CONDEMNED_REGION : REGION;
}

/* Names were checked for their length. */
static void find_path(char path[PATH_SPACE], const char *os_name)
{
    memcpy(path, folder, sizeof folder - 1);
    path[sizeof folder - 1] = '/';
    strcpy(path + sizeof folder, os_name + (*os_name == '/'));
}

static int open_path(const char *path, int access)
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
    char path[PATH_SPACE];
    struct stat now;

    find_path(path, os_name);
    return lstat(path, &now) == 0 &&
           (uint64_t)now.st_dev == object->identity[0] &&
           (uint64_t)now.st_ino == object->identity[1];
}

/* Removing */

enum reaping {
    REAPED,
    REAP_NOTHING, /* no leftover of ours has the name, or no longer */
    REAP_DENIED,  /* it is another user's */
    REAP_FAILED   /* errno */
};

/* Unlink the object, which is locked exclusively, if the path still means it.
 * Late openers recognise a removed object by its having no link, but it may
 * have another one. So it stops being a region before it loses its name. */
static enum reaping unlink_locked(const char *path, int fd,
                                  const struct stat *object)
{
    if (!path_means(path, object))
        return REAP_NOTHING;
    SHMAP__STOP("reap.checked");
    if (fchmod(fd, (object->st_mode & 07777) | CONDEMNED) != 0)
        return errno == EPERM ? REAP_DENIED : REAP_FAILED;
    SHMAP__STOP("reap.condemned");
    if (unlink(path) != 0)
        return errno == ENOENT                     ? REAP_NOTHING
               : errno == EACCES || errno == EPERM ? REAP_DENIED
                                                   : REAP_FAILED;
    SHMAP__STOP("reap.unlinked");
    return REAPED;
}

/* Whether the folder's sticky bit lets this process unlink the object. */
static bool may_remove(const struct stat *object)
{
    uid_t user = geteuid();

    return user == 0 || user == object->st_uid;
}

static enum reaping reap_opened(const char *path, int fd)
{
    struct stat object;
    enum reaping result = REAP_NOTHING;

    if (shmap__os_locked(fd, SHMAP__OS_MARK) != F_UNLCK ||
        fstat(fd, &object) != 0 || make_of(&object) == FOREIGN)
        return REAP_NOTHING;
    /* A lock without a right would keep those away who have it. */
    if (!may_remove(&object))
        return REAP_DENIED;
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
    fd = open_path(path, O_RDWR);
    if (fd < 0)
        shmap__os_fork_unlock();
    return fd;
}

static void close_after_removing(int fd)
{
    shmap__os_close_quietly(fd);
    shmap__os_fork_unlock();
}

/* Remove what has this path if it is a leftover. */
static enum reaping reap(const char *path)
{
    int fd = open_for_removing(path);
    enum reaping result;

    if (fd < 0) {
        if (errno == EACCES || errno == EPERM)
            return REAP_DENIED;
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM
                   ? REAP_FAILED
                   : REAP_NOTHING;
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

/* After letting go: free the region if nobody is left. */
static void remove_if_left(const char *path)
{
    int fd = open_for_removing(path);

    if (fd < 0)
        return;
    SHMAP__STOP("leave.opened");
    await_turns(fd);
    reap_opened(path, fd);
    close_after_removing(fd);
}

void shmap__os_named_close(const shmap__os_object *object, const char *os_name,
                           const struct stat *stat)
{
    const mode_t others = S_IRWXG | S_IRWXO;
    int fd = (int)object->native;
    char path[PATH_SPACE];
    bool certain = false;

    /* Where a child shares the description, the turn would not end. And if
     * others may hold the region, who may not remove it, then that somebody is
     * left does not mean that somebody will remove it. */
    shmap__os_fork_lock();
    if (stat != NULL && object->forks == shmap__os_forks() &&
        (stat->st_mode & others) == 0)
        certain = leave_in_turn(fd);
    else if (stat != NULL)
        close(fd);
    shmap__os_fork_unlock();
    if (certain)
        return;
    SHMAP__STOP("close.dropped");
    find_path(path, os_name);
    remove_if_left(path);
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
static bool is_other_error(int error)
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
    switch (make_of(stat)) {
    case FOREIGN:
        return FOUND_FOREIGN;
    case REGION:
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
    int fd = open_path(path, O_RDONLY);
    short lock;

    if (fd < 0)
        return errno == ENOENT         ? FOUND_NOTHING
               : is_other_error(errno) ? FOUND_OTHER
                                       : FOUND_FAILED;
    lock = shmap__os_locked(fd, SHMAP__OS_MARK);
    if (fstat(fd, &stat) == 0)
        found = classify(&stat, lock);
    shmap__os_close_quietly(fd);
    return found;
}

/* Free the name if what has it is a leftover: 0 if it is free then, or why it
 * cannot be. Counts in `*reaped` what was removed. */
static shmap__os_status free_name(const char *path, unsigned *reaped)
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
            switch (reap(path)) {
            case REAP_DENIED:
                return (shmap__os_status){SHMAP_ESTALE, errno};
            case REAP_FAILED:
                return shmap__os_failed(errno);
            case REAPED:
                ++*reaped;
                break;
            case REAP_NOTHING:
                break;
            }
        }
    } while (shmap__os_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

/* Creating */

/* The kernel links by descriptor for the one who made the file since Linux
 * 6.10, before that for privileged processes only; /proc does it for all. */
static int link_to(int fd, const char *path)
{
    char link[sizeof "/proc/self/fd/" + 3 * sizeof fd];

    if (linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOENT && errno != EPERM && errno != EINVAL)
        return errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    return errno == ENOENT ? ENOSYS : errno;
}

/* Give the complete region its name. */
static shmap__os_status publish(int fd, const char *path)
{
    unsigned attempt = 0;
    unsigned reaped = 0;

    do {
        int error = link_to(fd, path);
        shmap__os_status status;

        if (error == 0) {
            SHMAP__STOP("create.linked");
            return shmap__os_done;
        }
        if (error != EEXIST)
            return shmap__os_failed(error);
        SHMAP__STOP("create.exists");
        status = free_name(path, &reaped);
        if (status.code < 0)
            return status;
    } while (shmap__os_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

/* A nameless file that will be the region. */
static shmap__os_status make(int *made)
{
    int fd = shmap__os_open(folder, O_TMPFILE | O_RDWR, PRIVATE_MODE);

    if (fd < 0)
        return errno == ENOENT || errno == EISDIR || errno == EINVAL
                   ? (shmap__os_status){SHMAP_ENOTSUP, errno}
                   : shmap__os_failed(errno);
    *made = fd;
    return shmap__os_done;
}

static shmap__os_status complete(int fd, uint64_t size, int commit,
                                 struct stat *stat)
{
    shmap__os_status status = shmap__os_extend(fd, 0, size, commit, true);
    int error;

    if (status.code < 0)
        return status;
    SHMAP__STOP("create.sized");
    if (fstat(fd, stat) != 0)
        return shmap__os_failed(errno);
    /* The umask may have taken more than it should. */
    if ((stat->st_mode & 07777) != PRIVATE_MODE &&
        fchmod(fd, PRIVATE_MODE) != 0)
        return shmap__os_failed(errno);
    error = shmap__os_lock(fd, SHMAP__OS_MARK, F_RDLCK);
    return error == 0 ? shmap__os_done : shmap__os_failed(error);
}

shmap__os_status shmap__os_named_create(shmap__os_object *object,
                                        const char *os_name, uint64_t size,
                                        int commit)
{
    char path[PATH_SPACE];
    struct stat stat;
    shmap__os_status status;
    uint32_t forks = shmap__os_forks();
    unsigned reaped = 0;
    int fd = -1;

    find_path(path, os_name);
    /* Before any page is taken: an occupied name is no lack of room. */
    status = free_name(path, &reaped);
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.free");
    status = make(&fd);
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.made");
    status = complete(fd, size, commit, &stat);
    if (status.code == 0) {
        SHMAP__STOP("create.marked");
        status = publish(fd, path);
    }
    if (status.code < 0) {
        shmap__os_close_quietly(fd);
        return status;
    }
    shmap__os_object_fill(object, fd, &stat, SHMAP_KIND_NAMED,
                          SHMAP_ACCESS_READ_WRITE);
    object->forks = forks;
    return status;
}

/* Opening */

/* Whether the kernel's number for a user is that user. In a user namespace,
 * all users without a number there look like this one. */
static bool is_known(uid_t uid)
{
    enum { UNMAPPED = 65534 };
    char map[128];
    unsigned inside;
    unsigned outside;
    unsigned count;
    ssize_t size;
    int fd;

    if (uid != UNMAPPED)
        return true;
    fd = shmap__os_open("/proc/self/uid_map", O_RDONLY, 0);
    if (fd < 0)
        return false;
    size = read(fd, map, sizeof map - 1);
    close(fd);
    map[size > 0 ? size : 0] = '\0';
    return sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 &&
           inside == 0 && outside == 0 && count == UINT32_MAX;
}

static bool accepts(int owner, uid_t uid)
{
    return owner == SHMAP_OWNER_ANYBODY ||
           (owner == SHMAP_OWNER_SYSTEM && uid == 0) ||
           (uid == geteuid() && is_known(uid));
}

enum attempt {
    OPENED,
    OPEN_FAILED, /* *status */
    OPEN_AGAIN   /* something changed meanwhile */
};

/* A region that the description is marked in, or a foreign object, which it
 * is not marked in. */
static enum attempt check(shmap__os_object *object, int fd,
                          const struct stat *stat, int access, int owner,
                          shmap__os_status *status)
{
    if (!accepts(owner, stat->st_uid)) {
        *status = (shmap__os_status){SHMAP_EOWNER, 0};
        return OPEN_FAILED;
    }
    if (stat->st_size == 0) {
        *status = (shmap__os_status){SHMAP_ENOTREADY, 0};
        return OPEN_FAILED;
    }
    shmap__os_object_fill(object, fd, stat, SHMAP_KIND_NAMED, access);
    object->foreign = make_of(stat) == FOREIGN;
    return OPENED;
}

/* A region without a holder: nobody can see it. */
static enum attempt reject_leftover(const char *path, shmap__os_status *status)
{
    SHMAP__STOP("open.dead");
    if (reap(path) == REAP_NOTHING)
        return OPEN_AGAIN;
    *status = (shmap__os_status){SHMAP_ENOENT, 0};
    return OPEN_FAILED;
}

/* Try to become a holder of what the descriptor means. `*foreign` remembers
 * across attempts that the name means a foreign object, which is not marked. */
static enum attempt hold(shmap__os_object *object, int fd, const char *path,
                         int access, int owner, bool *foreign,
                         shmap__os_status *status)
{
    short held = *foreign ? F_UNLCK : shmap__os_locked(fd, SHMAP__OS_MARK);
    struct stat stat;
    enum make make;

    if (held == F_WRLCK) {
        SHMAP__STOP("open.busy");
        return OPEN_AGAIN;
    }
    if (held == F_RDLCK) {
        SHMAP__STOP("open.alive");
        if (shmap__os_lock(fd, SHMAP__OS_MARK, F_RDLCK) != 0)
            return OPEN_AGAIN;
        SHMAP__STOP("open.marked");
    }
    if (fstat(fd, &stat) != 0) {
        *status = shmap__os_failed(errno);
        return OPEN_FAILED;
    }
    if (!S_ISREG(stat.st_mode)) {
        *status = (shmap__os_status){SHMAP_ETYPE, 0};
        return OPEN_FAILED;
    }
    make = make_of(&stat);
    if ((make == FOREIGN && held == F_RDLCK) || (make != FOREIGN && *foreign)) {
        *foreign = !*foreign;
        return OPEN_AGAIN;
    }
    if (make != FOREIGN && stat.st_nlink == 0)
        return OPEN_AGAIN;
    if (make != FOREIGN && held == F_UNLCK)
        return reject_leftover(path, status);
    if (make == CONDEMNED_REGION)
        return OPEN_AGAIN;
    return check(object, fd, &stat, access, owner, status);
}

shmap__os_status shmap__os_named_open(shmap__os_object *object,
                                      const char *os_name, int access,
                                      int owner)
{
    char path[PATH_SPACE];
    shmap__os_status status = {SHMAP_EBUSY, 0};
    uint32_t forks = shmap__os_forks();
    bool foreign = false;
    unsigned attempts = 0;

    find_path(path, os_name);
    do {
        int fd =
            open_path(path, access == SHMAP_ACCESS_READ ? O_RDONLY : O_RDWR);
        enum attempt result;

        if (fd < 0)
            return is_other_error(errno)
                       ? (shmap__os_status){SHMAP_ETYPE, errno}
                       : shmap__os_failed(errno);
        SHMAP__STOP("open.opened");
        result = hold(object, fd, path, access, owner, &foreign, &status);
        if (result == OPENED) {
            object->forks = forks;
            return shmap__os_done;
        }
        shmap__os_close_quietly(fd);
        if (result == OPEN_FAILED) {
            /* The mark may have kept the last holder from removing it. */
            if (status.code == SHMAP_EOWNER)
                reap(path);
            return status;
        }
    } while (shmap__os_wait_a_little(&attempts));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

/* Reaping */

shmap__os_status shmap__os_named_reap(const char *os_name, unsigned *reaped)
{
    char path[PATH_SPACE];
    shmap__os_status status;
    unsigned count = 0;

    find_path(path, os_name);
    status = free_name(path, &count);
    /* What is alive, or not ours, is no leftover. */
    if (status.code == SHMAP_EEXIST || status.code == SHMAP_ETYPE)
        status = shmap__os_done;
    if (status.code == 0)
        *reaped = count;
    return status;
}

/* Whether a folder's entry can be a leftover that the caller asks for. */
static bool is_candidate(const char *path, const char *name, bool every_user)
{
    static const char prefix[] = "shmap.";
    struct stat stat;

    return strncmp(name, prefix, sizeof prefix - 1) == 0 &&
           lstat(path, &stat) == 0 && make_of(&stat) != FOREIGN &&
           (every_user || stat.st_uid == geteuid());
}

shmap__os_status shmap__os_named_reap_all(bool every_user, unsigned *reaped)
{
    int fd = shmap__os_open(folder, O_RDONLY | O_DIRECTORY, 0);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    *reaped = 0;
    if (directory == NULL) {
        shmap__os_status status = shmap__os_failed(errno);

        if (fd >= 0)
            close(fd);
        return status;
    }
    while ((entry = readdir(directory)) != NULL) {
        char path[PATH_SPACE];

        find_path(path, entry->d_name);
        if (is_candidate(path, entry->d_name, every_user) &&
            reap(path) == REAPED)
            ++*reaped;
    }
    closedir(directory);
    return shmap__os_done;
}
