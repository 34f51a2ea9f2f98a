/* SPDX-License-Identifier: MIT */

/* Making a region: first without its name, so that it appears complete or not
 * at all. */
#include "posix/linux/regions.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/stop.h"
#include "posix/linux/stamp.h"

/* A region that does not have its name yet. */
typedef struct region_draft {
    int fd;
    char path[SHMAP__POSIX_PATH]; /* of a temporary name; "" if there is no such
                                     name */
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
    draft->fd = shmap__posix_open(SHMAP__POSIX_FOLDER, O_TMPFILE | O_RDWR,
                                  SHMAP__POSIX_PRIVATE);
    if (draft->fd < 0)
        return errno == ENOENT || errno == EISDIR || errno == EINVAL ||
                       errno == EACCES || errno == EPERM
                   ? (shmap__os_status){SHMAP_ENOTSUP, errno}
                   : shmap__posix_failed(errno);
    error = shmap__posix_lock(draft->fd, SHMAP__POSIX_MARK, F_RDLCK);
    if (error == 0)
        return shmap__posix_done;
    discard(draft);
    return shmap__posix_lock_failed(error);
}

/* Become the holder of the draft. One with a temporary name, which no region
 * can have, is a leftover until it is marked, and another process may remove it
 * in between: SHMAP_EBUSY. */
static shmap__os_status mark_draft(const region_draft *draft)
{
    int error = shmap__posix_lock(draft->fd, SHMAP__POSIX_MARK, F_RDLCK);
    struct stat stat;

    if (error != 0)
        return shmap__posix_lock_failed(error);
    if (fstat(draft->fd, &stat) != 0)
        return shmap__posix_failed(errno);
    return (shmap__os_status){stat.st_nlink > 0 ? 0 : SHMAP_EBUSY, 0};
}

static shmap__os_status draft_with_name(region_draft *draft)
{
    shmap__os_status status = {SHMAP_EBUSY, 0};
    unsigned attempt = 0;

    do {
        snprintf(draft->path, sizeof draft->path,
                 SHMAP__POSIX_FOLDER "/shmap.~%lu.%lld",
                 (unsigned long)getpid(), (long long)shmap__os_now());
        draft->fd = shmap__posix_open(draft->path, O_CREAT | O_EXCL | O_RDWR,
                                      SHMAP__POSIX_PRIVATE);
        if (draft->fd < 0 && errno == ENOENT) /* There is no folder. */
            return (shmap__os_status){SHMAP_ENOTSUP, errno};
        if (draft->fd < 0 && errno != EEXIST)
            return shmap__posix_failed(errno);
        if (draft->fd >= 0) {
            status = mark_draft(draft);
            if (status.code == 0)
                return status;
            discard(draft);
        }
    } while (status.code == SHMAP_EBUSY &&
             shmap__posix_wait_a_little(&attempt));
    return status;
}

/* The kernel links by descriptor for the maker of the file since Linux 6.10,
 * before that for privileged processes only. /proc does it for all but
 * processes that gave up their privileges, which do not own it. */
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
    /* Other errors mean that this way does not exist; if the other way fails as
     * well, the caller gets its error. */
    return errno == EEXIST || errno == ENOSPC || errno == EDQUOT ||
                   errno == ENOMEM || errno == EIO
               ? errno
               : EOPNOTSUPP;
}

static int rename_draft(const char *from, const char *to)
{
    enum { NO_REPLACE = 1 };

    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, NO_REPLACE) == 0)
        return 0;
    return errno == EINVAL || errno == EPERM ? EOPNOTSUPP : errno;
}

/* Give the complete region its name. */
static shmap__os_status publish(const region_draft *draft, const char *path,
                                enum shmap__posix_names names)
{
    unsigned attempt = 0;
    unsigned reaped = 0;

    do {
        int error = draft->path[0] == '\0' ? link_draft(draft->fd, path)
                                           : rename_draft(draft->path, path);
        shmap__os_status status;

        if (error == 0) {
            SHMAP__STOP("create.named");
            return shmap__posix_done;
        }
        if (error != EEXIST)
            return shmap__posix_failed(error);
        SHMAP__STOP("create.exists");
        status = shmap__posix_free_name(path, names, &reaped);
        if (status.code < 0)
            return status;
    } while (shmap__posix_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

/* Size, stamp, and rights. Without a stamp, no process could open it in user or
 * machine scope. */
static shmap__os_status complete(int fd, const char *path,
                                 const shmap__os_request *request,
                                 const shmap__posix_rights *rights,
                                 struct stat *stat)
{
    shmap__os_status status = shmap__posix_extend(
        fd, 0, request->size, request->options.commit, true);
    int error;

    if (status.code < 0)
        return status;
    SHMAP__STOP("create.sized");
    error = shmap__posix_stamp_put(fd, shmap__posix_name_in(path));
    if (fstat(fd, stat) != 0)
        return shmap__posix_failed(errno);
    if (request->options.scope != SHMAP_SCOPE_NATIVE &&
        shmap__posix_stamp_check(fd, stat, shmap__posix_name_in(path)) !=
            SHMAP__POSIX_PROOF_NAME &&
        shmap__posix_stamp_lasts(fd))
        return (shmap__os_status){
            SHMAP_ENOTSUP, error,
            "the system or a filter does not let regions have the access times "
            "that prove their names (utimensat): use native scope"};
    return shmap__posix_rights_give(rights, fd, SHMAP__POSIX_REGION_BIT, stat);
}

shmap__os_status shmap__posix_region_make(shmap__os_object *object,
                                          const char *path,
                                          const shmap__os_request *request,
                                          const shmap__posix_rights *rights,
                                          bool temporary_name)
{
    struct stat stat;
    region_draft draft;
    shmap__os_status status =
        temporary_name ? draft_with_name(&draft) : draft_without_name(&draft);

    if (status.code < 0)
        return status;
    SHMAP__STOP("create.marked");
    status = complete(draft.fd, path, request, rights, &stat);
    if (status.code == 0)
        status = publish(&draft, path,
                         shmap__posix_names_of(request->options.scope));
    if (status.code < 0)
        discard(&draft);
    else
        shmap__posix_object_fill(object, draft.fd, &stat, SHMAP_KIND_NAMED,
                                 SHMAP_ACCESS_READ_WRITE);
    return status;
}
