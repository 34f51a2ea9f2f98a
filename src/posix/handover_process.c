/* SPDX-License-Identifier: MIT */

/* Handing regions over to a running process, which finds the descriptor of the
 * exporting process through /proc. */
#include "posix/os.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"

/* Check that the process exists and can take the object. Root may signal other
 * users' processes, but these could not take it. A process that may not be
 * looked at seems to be root's. */
static shmap__os_status check_target(int64_t process)
{
    char path[sizeof "/proc/" + 20];
    struct stat stat;

    if (process > INT32_MAX)
        return (shmap__os_status){SHMAP_ENOENT, ESRCH};
    if (kill((pid_t)process, 0) != 0)
        return errno == EPERM ? (shmap__os_status){SHMAP_EACCES, errno}
                              : (shmap__os_status){SHMAP_ENOENT, errno};
    snprintf(path, sizeof path, "/proc/%d", (int)process);
    if (lstat(path, &stat) == 0 && stat.st_uid != 0 && stat.st_uid != geteuid())
        return (shmap__os_status){SHMAP_EACCES, 0};
    return shmap__posix_done;
}

/* Check that a descriptor can be opened through /proc: if this process, whose
 * own it is, cannot do that, others cannot either. A process that may not be
 * looked at, as one that gave up root, seems to be root's. */
static shmap__os_status check_reach(int fd, const struct stat *stat, int access)
{
    const bool writes = access != SHMAP_ACCESS_READ;
    const mode_t bits = writes ? S_IRUSR | S_IWUSR : S_IRUSR;
    const bool own =
        stat->st_uid == geteuid() && (stat->st_mode & bits) == bits;
    char path[SHMAP__POSIX_DESCRIPTOR_PATH];
    struct stat link;

    shmap__posix_descriptor_path(path, fd);
    if ((!own && faccessat(AT_FDCWD, path, writes ? R_OK | W_OK : R_OK,
                           AT_EACCESS) != 0) ||
        lstat(path, &link) != 0)
        return errno == ENOENT ? (shmap__os_status){SHMAP_ENOTSUP, errno}
                               : shmap__posix_failed(errno);
    if (link.st_uid != geteuid())
        return (shmap__os_status){SHMAP_EACCES, 0};
    return shmap__posix_done;
}

shmap__os_status shmap__os_give_process(shmap__os_object *object,
                                        shmap__os_gift *gift)
{
    struct stat stat;
    shmap__os_status status = shmap__posix_done;

    if (O_PATH == 0)
        return (shmap__os_status){SHMAP_ENOTSUP, 0};
    if (!shmap__posix_still_ours(object, &stat))
        return shmap__posix_failed(EBADF);
    status = check_target(gift->to);
    if (status.code == 0)
        status = check_reach((int)object->native, &stat, gift->access);
    if (status.code < 0)
        return status;
    if (gift->access == SHMAP_ACCESS_READ)
        status = shmap__posix_forbid_writing(object, &stat);
    if (status.code < 0)
        return status;
    gift->native = object->native;
    shmap__posix_gift_identify(object, gift);
    return status;
}

/* Return whether a process is a zombie. Its descriptors are shown as root's
 * until its parent has waited for it. */
static bool has_ended(int64_t process)
{
    char path[sizeof "/proc//stat" + 20];
    char text[256];
    const char *state;
    int error;

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)process);
    error = shmap__posix_read_text(path, text, sizeof text);
    if (error != 0)
        return error == ENOENT || error == ESRCH;
    /* The state comes after the program's name, which may be any text. */
    state = strrchr(text, ')');
    return state != NULL && state[1] == ' ' &&
           (state[2] == 'Z' || state[2] == 'X');
}

/* Find the object of another process's descriptor, without opening it. The link
 * to it is that process's user's, and readable or writable as the descriptor
 * is: a token leads no process to an object that the exporter does not have. */
static shmap__os_status find_in_process(const shmap__os_request *request,
                                        int *fd, uid_t *giver)
{
    const shmap__os_gift *gift = request->gift;
    const mode_t rights = request->options.access == SHMAP_ACCESS_READ
                              ? S_IRUSR
                              : S_IRUSR | S_IWUSR;
    char path[sizeof "/proc//fd/" + 2 * 20];
    struct stat link;

    if (O_PATH == 0)
        return (shmap__os_status){SHMAP_ENOTSUP, 0};
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)gift->from,
             (long long)gift->native);
    if (lstat(path, &link) != 0) {
        int error = errno;

        return error == EACCES && has_ended(gift->from)
                   ? (shmap__os_status){SHMAP_ENOENT, error}
                   : shmap__posix_failed(error);
    }
    if (!shmap__posix_accepts(request, link.st_uid, geteuid()))
        return (shmap__os_status){SHMAP_EOWNER, 0};
    if ((link.st_mode & rights) != rights)
        return (shmap__os_status){SHMAP_EACCES, 0};
    *giver = link.st_uid;
    *fd = shmap__posix_open(path, O_PATH, 0);
    return *fd >= 0 ? shmap__posix_done : shmap__posix_failed(errno);
}

shmap__os_status shmap__posix_take_from_process(
    shmap__os_object *object, const shmap__os_request *request)
{
    const int flags = shmap__posix_open_flags(request->options.access);
    struct stat stat;
    int found = -1;
    int fd = -1;
    uid_t giver = 0;
    shmap__os_status status = find_in_process(request, &found, &giver);

    if (status.code < 0)
        return status;
    /* Opening a device can have effects. And another user could have put
     * another object there since it was looked at. */
    if (!shmap__posix_fd_matches_gift(found, request->gift, &stat) ||
        !S_ISREG(stat.st_mode))
        status = (shmap__os_status){SHMAP_ENOENT, 0};
    else if (giver != geteuid() && giver != stat.st_uid)
        status = (shmap__os_status){SHMAP_EOWNER, 0};
    else if ((fd = shmap__posix_open_again(found, flags)) < 0)
        status = shmap__posix_failed(errno);
    close(found);
    if (status.code == 0)
        status = shmap__posix_gift_take(object, fd, request);
    if (status.code < 0 && fd >= 0)
        close(fd);
    return status;
}
