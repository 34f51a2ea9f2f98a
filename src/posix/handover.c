/* SPDX-License-Identifier: MIT */

/* Handing regions over: descriptors that children inherit, that others find
 * through /proc, or that are sent with a message. */
#include "os.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../stop.h"

int64_t shmap__os_process_id(void)
{
    return getpid();
}

int shmap__os_open_again(int fd, int flags)
{
    char path[sizeof "/proc/self/fd/" + 10];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return shmap__os_open(path, flags | O_NONBLOCK, 0);
}

/* An owner can change the mode. */
bool shmap__os_cannot_write(int fd, const struct stat *stat)
{
    int again;

    if (stat->st_uid == geteuid())
        return false;
    again = shmap__os_open_again(fd, O_RDWR);
    if (again >= 0)
        close(again);
    return again < 0 && (errno == EACCES || errno == EROFS);
}

/* One for reading is of a description that is for reading. */
static shmap__os_status new_descriptor(int fd, int access, int *made)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return shmap__os_failed(errno);
    if (access == SHMAP_ACCESS_READ && (flags & O_ACCMODE) != O_RDONLY)
        *made = shmap__os_open_again(fd, O_RDONLY);
    else
        *made = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (*made >= 0)
        return shmap__os_done;
    return errno == ENOENT ? (shmap__os_status){SHMAP_ENOTSUP, errno}
                           : shmap__os_failed(errno);
}

static void identify(const shmap__os_object *object, shmap__os_gift *gift)
{
    gift->identity[0] = object->identity[0];
    gift->identity[1] = object->identity[1];
}

/* Sealing comes last: it cannot be taken back. */
shmap__os_status shmap__os_give(shmap__os_object *object, shmap__os_gift *gift)
{
    struct stat stat;
    shmap__os_status status;
    int fd = -1;

    if (!shmap__os_still_ours(object, &stat))
        return (shmap__os_status){SHMAP_EINVAL, EBADF};
    status = new_descriptor((int)object->native, gift->access, &fd);
    if (status.code < 0)
        return status;
    if (gift->access == SHMAP_ACCESS_READ)
        status = shmap__os_forbid_writing(object);
    if (status.code < 0) {
        close(fd);
        return status;
    }
    SHMAP__STOP("give.made");
    gift->native = fd;
    identify(object, gift);
    return status;
}

shmap__os_status shmap__os_give_child(shmap__os_object *object,
                                      shmap__os_gift *gift)
{
    shmap__os_gift made = *gift;
    shmap__os_status status = shmap__os_give(object, &made);

    if (status.code < 0)
        return status;
    /* Not for this process itself: see is_inherited. */
    if (fcntl((int)made.native, F_SETOWN, getpid()) != 0 ||
        fcntl((int)made.native, F_SETFD, 0) != 0) {
        status = shmap__os_failed(errno);
        close((int)made.native);
        return status;
    }
    SHMAP__STOP("give.inheritable");
    *gift = made;
    return status;
}

static bool means(int fd, const uint64_t identity[2], struct stat *stat)
{
    return fstat(fd, stat) == 0 && (uint64_t)stat->st_dev == identity[0] &&
           (uint64_t)stat->st_ino == identity[1];
}

/* Whether this number is of a descriptor that children inherit, as the standard
 * ones and the library's others are not, and that means this object. */
static bool is_inheritable(int64_t native, const uint64_t identity[2],
                           struct stat *stat)
{
    int flags = -1;

    if (native > STDERR_FILENO && native <= INT32_MAX)
        flags = fcntl((int)native, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) == 0 &&
           means((int)native, identity, stat);
}

/* The same, and that this process did not make it so itself: the number of what
 * was inherited and taken may be used again. Who did is known as the one who
 * would get signals about the descriptor, of which there are none. */
static bool is_inherited(int64_t native, const uint64_t identity[2],
                         struct stat *stat)
{
    return is_inheritable(native, identity, stat) &&
           fcntl((int)native, F_GETOWN) != getpid();
}

void shmap__os_give_child_end(const shmap__os_object *object, int64_t native)
{
    struct stat stat;

    if (is_inheritable(native, object->identity, &stat))
        close((int)native);
}

#ifdef O_PATH

shmap__os_status shmap__os_give_process(shmap__os_object *object,
                                        shmap__os_gift *gift)
{
    struct stat stat;
    shmap__os_status status = shmap__os_done;
    int again;

    if (!shmap__os_still_ours(object, &stat))
        return (shmap__os_status){SHMAP_EINVAL, EBADF};
    if (gift->to > INT32_MAX || kill((pid_t)gift->to, 0) != 0)
        return errno == EPERM && gift->to <= INT32_MAX
                   ? (shmap__os_status){SHMAP_EACCES, errno}
                   : (shmap__os_status){SHMAP_ENOENT, ESRCH};
    /* What this process cannot do, others cannot either. */
    again = shmap__os_open_again((int)object->native, O_PATH);
    if (again < 0)
        return errno == ENOENT ? (shmap__os_status){SHMAP_ENOTSUP, errno}
                               : shmap__os_failed(errno);
    close(again);
    if (gift->access == SHMAP_ACCESS_READ)
        status = shmap__os_forbid_writing(object);
    if (status.code < 0)
        return status;
    gift->native = object->native;
    identify(object, gift);
    return status;
}

/* Looking at another process's descriptor opens nothing. */
static int find_in_process(const shmap__os_gift *gift)
{
    char path[sizeof "/proc//fd/" + 2 * 20];

    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)gift->from,
             (long long)gift->native);
    return shmap__os_open(path, O_PATH, 0);
}

#else

shmap__os_status shmap__os_give_process(shmap__os_object *object,
                                        shmap__os_gift *gift)
{
    (void)object, (void)gift;
    return (shmap__os_status){SHMAP_ENOTSUP, 0};
}

static int find_in_process(const shmap__os_gift *gift)
{
    (void)gift;
    errno = ENOTSUP;
    return -1;
}

#endif

shmap__os_status shmap__os_give_channel(shmap__os_object *object,
                                        shmap__os_gift *gift, intptr_t channel,
                                        int64_t deadline)
{
    shmap__os_status status = shmap__os_channel_await(channel, deadline);

    if (status.code < 0)
        return status;
    gift->way = SHMAP__OS_SENT;
    return shmap__os_give(object, gift);
}

void shmap__os_give_channel_end(const shmap__os_gift *gift, bool given)
{
    (void)given;
    close((int)gift->native);
}

/* Taking */

/* Find what was given: a descriptor that is this function's caller's to close,
 * for looking only if it was found in another process. */
static shmap__os_status find(const shmap__os_gift *gift, int *fd,
                             struct stat *stat)
{
    shmap__os_status gone = {SHMAP_ENOENT, 0};

    *fd = (int)gift->native;
    if (gift->way == SHMAP__OS_TO_CHILD)
        return is_inherited(gift->native, gift->identity, stat) ? shmap__os_done
                                                                : gone;
    if (gift->way == SHMAP__OS_TO_PROCESS)
        *fd = find_in_process(gift);
    if (*fd < 0)
        return shmap__os_failed(errno);
    if (means(*fd, gift->identity, stat))
        return shmap__os_done;
    if (gift->way == SHMAP__OS_TO_PROCESS)
        close(*fd);
    return gone;
}

/* A descriptor of our own for what was found. */
static int own_descriptor(int fd, const shmap__os_gift *gift, int access)
{
    if (gift->way == SHMAP__OS_TO_PROCESS)
        return shmap__os_open_again(fd, access == SHMAP_ACCESS_READ ? O_RDONLY
                                                                    : O_RDWR);
    return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static shmap__os_status take_nameless(shmap__os_object *object, int fd,
                                      const struct stat *stat, int access,
                                      int owner)
{
    int kind;

    if (!shmap__os_accepts(owner, stat->st_uid))
        return (shmap__os_status){SHMAP_EOWNER, 0};
    if (stat->st_size == 0)
        return (shmap__os_status){SHMAP_ENOTREADY, 0};
    kind =
        shmap__os_is_memory(fd, stat) ? SHMAP_KIND_ANONYMOUS : SHMAP_KIND_FILE;
    if (kind == SHMAP_KIND_FILE && access == SHMAP_ACCESS_READ_WRITE)
        shmap__os_file_mark(fd);
    shmap__os_object_fill(object, fd, stat, kind, access);
    return shmap__os_done;
}

static shmap__os_status take_found(shmap__os_object *object, int found,
                                   const struct stat *stat,
                                   const shmap__os_gift *gift,
                                   const char *os_name, int access, int owner)
{
    shmap__os_status status;
    int fd;

    if (!shmap__os_can_be_memory(stat))
        return (shmap__os_status){SHMAP_ETYPE, 0};
    fd = own_descriptor(found, gift, access);
    if (fd < 0)
        return shmap__os_failed(errno);
    if (shmap__os_access_of(fd, access) != access)
        status = (shmap__os_status){SHMAP_EACCES, 0};
    else if (gift->kind == SHMAP_KIND_NAMED)
        status = shmap__os_named_take(object, fd, os_name, access, owner);
    else
        status = take_nameless(object, fd, stat, access, owner);
    if (status.code < 0)
        close(fd);
    return status;
}

shmap__os_status shmap__os_take(shmap__os_object *object,
                                const shmap__os_gift *gift, const char *os_name,
                                int access, int owner)
{
    struct stat stat;
    int fd;
    shmap__os_status status = find(gift, &fd, &stat);

    if (status.code == 0) {
        SHMAP__STOP("take.found");
        status = take_found(object, fd, &stat, gift, os_name, access, owner);
        SHMAP__STOP("take.taken");
        /* What was inherited can be taken again if that failed. */
        if (gift->way == SHMAP__OS_TO_PROCESS ||
            (gift->way == SHMAP__OS_TO_CHILD && status.code == 0))
            close(fd);
    }
    if (gift->way == SHMAP__OS_SENT)
        close((int)gift->native);
    return status;
}
