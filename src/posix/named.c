/* SPDX-License-Identifier: MIT */

/* Named regions on Linux: making, opening and reaping them. What keeps them
 * alive is in lifetime.c.
 */
#include "os.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../stop.h"

/* Creating */

/* A region that has not got its name yet. */
typedef struct region_draft {
    int fd;
    char path[SHMAP__OS_PATH]; /* of a temporary name; "" if it has none */
} region_draft;

static void discard(const region_draft *draft)
{
    int error = errno;

    if (draft->path[0] != '\0')
        unlink(draft->path);
    close(draft->fd);
    errno = error;
}

/* A file without a name leaves nothing if its maker is killed. */
static shmap__os_status draft_without_name(region_draft *draft)
{
    int error;

    draft->path[0] = '\0';
    draft->fd =
        shmap__os_open(SHMAP__OS_FOLDER, O_TMPFILE | O_RDWR, SHMAP__OS_PRIVATE);
    if (draft->fd < 0)
        return errno == ENOENT || errno == EISDIR || errno == EINVAL
                   ? (shmap__os_status){SHMAP_ENOTSUP, errno}
                   : shmap__os_failed(errno);
    error = shmap__os_lock(draft->fd, SHMAP__OS_MARK, F_RDLCK);
    if (error == 0)
        return shmap__os_done;
    discard(draft);
    return shmap__os_failed(error);
}

/* One with a temporary name, which no region can have, is a leftover until it
 * is marked, and somebody may remove it in between. */
static bool mark_draft(const region_draft *draft)
{
    struct stat stat;

    return shmap__os_lock(draft->fd, SHMAP__OS_MARK, F_RDLCK) == 0 &&
           fstat(draft->fd, &stat) == 0 && stat.st_nlink > 0;
}

static shmap__os_status draft_with_name(region_draft *draft)
{
    unsigned attempt = 0;

    do {
        snprintf(draft->path, sizeof draft->path,
                 SHMAP__OS_FOLDER "/shmap.~%lu.%lld", (unsigned long)getpid(),
                 (long long)shmap__os_now());
        draft->fd = shmap__os_open(draft->path, O_CREAT | O_EXCL | O_RDWR,
                                   SHMAP__OS_PRIVATE);
        if (draft->fd < 0 && errno == ENOENT) /* There is no folder. */
            return (shmap__os_status){SHMAP_ENOTSUP, errno};
        if (draft->fd < 0 && errno != EEXIST)
            return shmap__os_failed(errno);
        if (draft->fd >= 0 && mark_draft(draft))
            return shmap__os_done;
        if (draft->fd >= 0)
            discard(draft);
    } while (shmap__os_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

/* The kernel links by descriptor for the one who made the file since Linux
 * 6.10, before that for privileged processes only. /proc does it for all but
 * those that gave up their privileges, to whom it does not belong. */
static int link_draft(int fd, const char *path)
{
    char link[sizeof "/proc/self/fd/" + 3 * sizeof fd];

    if (linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno == EEXIST)
        return errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    return errno == ENOENT || errno == EACCES || errno == EPERM ? EOPNOTSUPP
                                                                : errno;
}

static int rename_draft(const char *from, const char *to)
{
    enum { NO_REPLACE = 1 };

    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, NO_REPLACE) == 0
               ? 0
               : errno;
}

/* Give the complete region its name. */
static shmap__os_status publish(const region_draft *draft, const char *path)
{
    unsigned attempt = 0;
    unsigned reaped = 0;

    do {
        int error = draft->path[0] == '\0' ? link_draft(draft->fd, path)
                                           : rename_draft(draft->path, path);
        shmap__os_status status;

        if (error == 0) {
            SHMAP__STOP("create.named");
            return shmap__os_done;
        }
        if (error != EEXIST)
            return shmap__os_failed(error);
        SHMAP__STOP("create.exists");
        status = shmap__os_free_name(path, &reaped);
        if (status.code < 0)
            return status;
    } while (shmap__os_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

static shmap__os_status complete(int fd, uint64_t size,
                                 const shmap_region_options *options,
                                 const shmap__os_rights *rights,
                                 struct stat *stat)
{
    shmap__os_status status =
        shmap__os_extend(fd, 0, size, options->commit, true);

    if (status.code < 0)
        return status;
    SHMAP__STOP("create.sized");
    if (fstat(fd, stat) != 0)
        return shmap__os_failed(errno);
    return shmap__os_rights_give(rights, fd, S_ISVTX, stat);
}

static shmap__os_status create(shmap__os_object *object, const char *path,
                               uint64_t size,
                               const shmap_region_options *options,
                               const shmap__os_rights *rights,
                               bool temporary_name)
{
    struct stat stat;
    region_draft draft;
    shmap__os_status status =
        temporary_name ? draft_with_name(&draft) : draft_without_name(&draft);

    if (status.code < 0)
        return status;
    SHMAP__STOP("create.marked");
    status = complete(draft.fd, size, options, rights, &stat);
    if (status.code == 0)
        status = publish(&draft, path);
    if (status.code < 0)
        discard(&draft);
    else
        shmap__os_object_fill(object, draft.fd, &stat, SHMAP_KIND_NAMED,
                              SHMAP_ACCESS_READ_WRITE);
    return status;
}

shmap__os_status shmap__os_named_create(shmap__os_object *object,
                                        const char *os_name, uint64_t size,
                                        const shmap_region_options *options)
{
    char path[SHMAP__OS_PATH];
    shmap__os_rights rights;
    shmap__os_status status = shmap__os_rights_init(&rights, options);
    uint32_t forks = shmap__os_forks();
    unsigned reaped = 0;

    if (status.code < 0)
        return status;
    shmap__os_find_path(path, os_name);
    /* Before any page is taken: an occupied name is no lack of room. */
    status = shmap__os_free_name(path, &reaped);
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.free");
    status = create(object, path, size, options, &rights, false);
    if (status.code == SHMAP_ENOTSUP)
        status = create(object, path, size, options, &rights, true);
    if (status.code == 0)
        object->forks = forks;
    return status;
}

/* Opening */

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
    *status = shmap__os_object_check(object, fd, stat, SHMAP_KIND_NAMED, access,
                                     owner);
    if (status->code < 0)
        return OPEN_FAILED;
    object->foreign = shmap__os_make_of(stat) == SHMAP__OS_FOREIGN;
    return OPENED;
}

/* A region without a holder: nobody can see it. */
static enum attempt reject_leftover(const char *path, shmap__os_status *status)
{
    SHMAP__STOP("open.dead");
    if (shmap__os_remove_leftover(path) == SHMAP__OS_REAP_NOTHING)
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
    enum shmap__os_make make;

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
    make = shmap__os_make_of(&stat);
    if ((make == SHMAP__OS_FOREIGN && held == F_RDLCK) ||
        (make != SHMAP__OS_FOREIGN && *foreign)) {
        *foreign = !*foreign;
        return OPEN_AGAIN;
    }
    if (make != SHMAP__OS_FOREIGN && stat.st_nlink == 0)
        return OPEN_AGAIN;
    if (make != SHMAP__OS_FOREIGN && held == F_UNLCK)
        return reject_leftover(path, status);
    if (make == SHMAP__OS_CONDEMNED)
        return OPEN_AGAIN;
    return check(object, fd, &stat, access, owner, status);
}

shmap__os_status shmap__os_named_open(shmap__os_object *object,
                                      const char *os_name, int access,
                                      int owner)
{
    char path[SHMAP__OS_PATH];
    shmap__os_status status = {SHMAP_EBUSY, 0};
    uint32_t forks = shmap__os_forks();
    bool foreign = false;
    unsigned attempts = 0;

    shmap__os_find_path(path, os_name);
    do {
        int fd = shmap__os_open_path(
            path, access == SHMAP_ACCESS_READ ? O_RDONLY : O_RDWR);
        enum attempt result;

        if (fd < 0)
            return shmap__os_is_other(errno)
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
            if (status.code != SHMAP_ENOENT)
                shmap__os_remove_if_left(path);
            return status;
        }
    } while (shmap__os_wait_a_little(&attempts));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

bool shmap__os_named_lend(int fd)
{
    return shmap__os_lock(fd, SHMAP__OS_MARK, F_RDLCK) == 0;
}

shmap__os_status shmap__os_named_take(shmap__os_object *object, int fd,
                                      const struct stat *stat, bool lent,
                                      const char *os_name, int access,
                                      int owner)
{
    const shmap__os_status gone = {SHMAP_ENOENT, 0};
    shmap__os_object found;
    shmap__os_status status;
    uint32_t forks = shmap__os_forks();
    struct stat now;

    if (check(&found, fd, stat, access, owner, &status) != OPENED)
        return status;
    if (!found.foreign) {
        /* As for one who opens: first ask whether there is a holder. */
        if (!lent && shmap__os_locked(fd, SHMAP__OS_MARK) != F_RDLCK)
            return gone;
        if (shmap__os_lock(fd, SHMAP__OS_MARK, F_RDLCK) != 0)
            return gone; /* Somebody is removing it. */
        SHMAP__STOP("take.marked");
        if (fstat(fd, &now) != 0)
            return shmap__os_failed(errno);
        if (shmap__os_make_of(&now) != SHMAP__OS_REGION)
            return gone;
    }
    /* Who gives it only says that it has this name. */
    if (!shmap__os_name_means(os_name, &found))
        return gone;
    found.forks = forks;
    *object = found;
    return shmap__os_done;
}

bool shmap__os_named_owner(const char *os_name, char *out, size_t size)
{
    char path[SHMAP__OS_PATH];
    struct stat stat;

    shmap__os_find_path(path, os_name);
    if (lstat(path, &stat) != 0)
        return false;
    snprintf(out, size, "user %lu", (unsigned long)stat.st_uid);
    return true;
}

/* Reaping */

shmap__os_status shmap__os_named_reap(const char *os_name, unsigned *reaped)
{
    char path[SHMAP__OS_PATH];
    shmap__os_status status;
    unsigned count = 0;

    shmap__os_find_path(path, os_name);
    status = shmap__os_free_name(path, &count);
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
           lstat(path, &stat) == 0 &&
           shmap__os_make_of(&stat) != SHMAP__OS_FOREIGN &&
           (every_user || stat.st_uid == geteuid());
}

shmap__os_status shmap__os_named_reap_all(bool every_user, unsigned *reaped)
{
    int fd = shmap__os_open(SHMAP__OS_FOLDER, O_RDONLY | O_DIRECTORY, 0);
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
        char path[SHMAP__OS_PATH];

        shmap__os_find_path(path, entry->d_name);
        if (is_candidate(path, entry->d_name, every_user) &&
            shmap__os_remove_leftover(path) == SHMAP__OS_REAPED)
            ++*reaped;
    }
    closedir(directory);
    return shmap__os_done;
}
