/* SPDX-License-Identifier: MIT */

/* Handing regions over: descriptors that children inherit, that others find
 * through /proc, or that are sent with a message. */
#include "posix/os.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"

int64_t shmap__os_process_id(void)
{
    return getpid();
}

static bool is_for_reading(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

/* Of a description of its own, for reading only if it is given so, if that can
 * be had: who has one that is shared could take the giver's mark away, with
 * which it holds a named region or a file. Memory that is given with all rights
 * has no marks. */
static int new_descriptor(const shmap__os_object *object, int access)
{
    const bool read = access == SHMAP_ACCESS_READ;
    int fd = (int)object->native;
    int again = -1;

    if (object->kind != SHMAP_KIND_ANONYMOUS || (read && !is_for_reading(fd)))
        again = shmap__posix_open_again(fd, read ? O_RDONLY : O_RDWR);
    if (again >= 0 && object->kind == SHMAP_KIND_NAMED && !object->foreign &&
        !shmap__posix_named_lend(again)) {
        close(again);
        again = -1;
    }
    if (again < 0)
        return shmap__posix_duplicate(fd);
    if (object->kind == SHMAP_KIND_FILE && !read)
        shmap__posix_file_mark(again);
    return again;
}

/* A file's inode has the number of the one before it that was removed, but not
 * its birth. */
static uint64_t birth_of(int fd, const shmap__os_gift *gift)
{
    return gift->kind == SHMAP_KIND_FILE ? shmap__posix_file_birth(fd) : 0;
}

static void identify(const shmap__os_object *object, shmap__os_gift *gift)
{
    gift->identity[0] = object->identity[0];
    gift->identity[1] =
        object->identity[1] ^ birth_of((int)object->native, gift);
}

static bool means(int fd, const shmap__os_gift *gift, struct stat *stat)
{
    const uint64_t identity[2] = {gift->identity[0],
                                  gift->identity[1] ^ birth_of(fd, gift)};

    return fstat(fd, stat) == 0 && shmap__posix_identifies(identity, stat);
}

/* Which lineage made a descriptor for its children to inherit, by its number.
 * These it must not take itself: the number of what was inherited and taken may
 * be used again. What is found here, no other thread closes or takes. */
static pthread_mutex_t inherited_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t *makers;
static size_t makers_count;

static bool makers_reserve(int fd)
{
    enum { MORE = 64 };
    size_t count = (size_t)fd + MORE;
    uint32_t *more;
    bool done = true;

    pthread_mutex_lock(&inherited_lock);
    if ((size_t)fd >= makers_count) {
        more = realloc(makers, count * sizeof *more);
        done = more != NULL;
        if (done) {
            memset(more + makers_count, 0,
                   (count - makers_count) * sizeof *more);
            makers = more;
            makers_count = count;
        }
    }
    pthread_mutex_unlock(&inherited_lock);
    return done;
}

/* A new descriptor to give away, and what tells of it. Sealing comes last: it
 * cannot be taken back. */
static shmap__os_status give(shmap__os_object *object, shmap__os_gift *gift)
{
    struct stat stat;
    shmap__os_status status = shmap__posix_done;
    int fd;

    if (!shmap__posix_still_ours(object, &stat))
        return (shmap__os_status){SHMAP_EINVAL, EBADF};
    fd = new_descriptor(object, gift->access);
    if (fd < 0)
        return shmap__posix_failed(errno);
    if (gift->way == SHMAP__OS_TO_CHILD && !makers_reserve(fd))
        status = shmap__posix_failed(ENOMEM);
    if (status.code == 0 && gift->access == SHMAP_ACCESS_READ)
        status = shmap__posix_forbid_writing(object, &stat);
    if (status.code == 0 && gift->access == SHMAP_ACCESS_READ &&
        !is_for_reading(fd) &&
        (shmap__os_seals(object) & SHMAP_SEAL_WRITERS) == 0)
        status = (shmap__os_status){SHMAP_ENOTSUP, 0};
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
    shmap__os_status status = give(object, gift);

    if (status.code < 0)
        return status;
    pthread_mutex_lock(&inherited_lock);
    makers[gift->native] = shmap__posix_lineage();
    fcntl((int)gift->native, F_SETFD, 0);
    pthread_mutex_unlock(&inherited_lock);
    SHMAP__STOP("give.inheritable");
    return status;
}

/* Whether children inherit what has this number, as they do not the standard
 * descriptors and the library's others. */
static bool is_inheritable(int64_t native)
{
    int flags = -1;

    if (native > STDERR_FILENO && native <= INT32_MAX)
        flags = fcntl((int)native, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

static bool is_own(int64_t native)
{
    return (uint64_t)native < makers_count &&
           makers[native] == shmap__posix_lineage();
}

static bool is_given(const shmap__os_object *object, int64_t native)
{
    struct stat stat;

    return is_inheritable(native) && fstat((int)native, &stat) == 0 &&
           shmap__posix_identifies(object->identity, &stat);
}

bool shmap__os_is_given_child(const shmap__os_object *object, int64_t native)
{
    bool given;

    pthread_mutex_lock(&inherited_lock);
    given = is_given(object, native);
    pthread_mutex_unlock(&inherited_lock);
    return given;
}

void shmap__os_give_child_end(const shmap__os_object *object, int64_t native)
{
    pthread_mutex_lock(&inherited_lock);
    if (is_given(object, native))
        close((int)native);
    pthread_mutex_unlock(&inherited_lock);
}

/* Root may signal other users' processes, but these could not take the object.
 * A process that may not be looked at seems to be root's. */
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

/* What this process cannot open through /proc, others cannot either: it can
 * what is its own. A process that may not be looked at, as one that gave up
 * root, seems to be root's. */
static shmap__os_status check_reach(int fd, const struct stat *stat, int access)
{
    const bool writes = access != SHMAP_ACCESS_READ;
    const mode_t bits = writes ? S_IRUSR | S_IWUSR : S_IRUSR;
    const bool own =
        stat->st_uid == geteuid() && (stat->st_mode & bits) == bits;
    char path[SHMAP__OS_DESCRIPTOR_PATH];
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
        return (shmap__os_status){SHMAP_EINVAL, EBADF};
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
    identify(object, gift);
    return status;
}

/* Whether a process has ended, and only its parent has not looked yet. What it
 * had is shown as root's until then. */
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
    /* Behind the program's name, which may be anything. */
    state = strrchr(text, ')');
    return state != NULL && state[1] == ' ' &&
           (state[2] == 'Z' || state[2] == 'X');
}

/* Look at another process's descriptor, which opens nothing. The link to it is
 * that process's user's, and readable or writable as the descriptor is: nobody
 * is led by a token to what the giver does not have. */
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
    if (!shmap__posix_accepts(request->options.owner, link.st_uid, geteuid()))
        return (shmap__os_status){SHMAP_EOWNER, 0};
    if ((link.st_mode & rights) != rights)
        return (shmap__os_status){SHMAP_EACCES, 0};
    *giver = link.st_uid;
    *fd = shmap__posix_open(path, O_PATH, 0);
    return *fd >= 0 ? shmap__posix_done : shmap__posix_failed(errno);
}

shmap__os_status shmap__os_give_channel(shmap__os_object *object,
                                        shmap__os_gift *gift, intptr_t channel,
                                        int64_t deadline)
{
    shmap__os_status status = shmap__posix_channel_await(channel, deadline);

    if (status.code < 0)
        return status;
    gift->way = SHMAP__OS_SENT;
    return give(object, gift);
}

void shmap__os_give_channel_end(const shmap__os_gift *gift, bool given)
{
    (void)given;
    close((int)gift->native);
}

void shmap__os_drop(const shmap__os_gift *gift)
{
    if (gift->way == SHMAP__OS_SENT)
        close((int)gift->native);
}

/* Taking */

static shmap__os_status take_nameless(shmap__os_object *object, int fd,
                                      const struct stat *stat,
                                      const shmap__os_request *request)
{
    shmap__os_status status =
        shmap__posix_object_check(object, fd, stat, request, geteuid());

    if (status.code < 0)
        return status;
    /* A file whose name is gone looks like memory. */
    if (object->kind == SHMAP_KIND_ANONYMOUS &&
        !shmap__posix_is_memory(fd, stat))
        object->kind = SHMAP_KIND_FILE;
    if (object->kind == SHMAP_KIND_FILE &&
        object->access == SHMAP_ACCESS_READ_WRITE)
        shmap__posix_file_mark(fd);
    return status;
}

/* Make an object of a descriptor, if it means what was given. */
static shmap__os_status take_descriptor(shmap__os_object *object, int fd,
                                        const shmap__os_request *request)
{
    const int access = request->options.access;
    struct stat stat;

    SHMAP__STOP("take.found");
    if (!means(fd, request->gift, &stat))
        return (shmap__os_status){SHMAP_ENOENT, 0};
    if (!shmap__posix_can_be_memory(&stat))
        return (shmap__os_status){SHMAP_ETYPE, 0};
    if (shmap__posix_access_of(fd, access) != access)
        return (shmap__os_status){SHMAP_EACCES, 0};
    return request->kind == SHMAP_KIND_NAMED
               ? shmap__posix_named_take(object, fd, &stat, request)
               : take_nameless(object, fd, &stat, request);
}

/* On failure, it can be taken again. */
static shmap__os_status take_inherited(shmap__os_object *object,
                                       const shmap__os_request *request)
{
    const shmap__os_gift *gift = request->gift;
    shmap__os_status status = {SHMAP_ENOENT, 0};
    struct stat stat;

    pthread_mutex_lock(&inherited_lock);
    if (is_inheritable(gift->native) && !is_own(gift->native) &&
        means((int)gift->native, gift, &stat)) {
        int fd = (int)gift->native;

        fcntl(fd, F_SETFD, FD_CLOEXEC);
        status = take_descriptor(object, fd, request);
        if (status.code < 0)
            fcntl(fd, F_SETFD, 0);
    }
    pthread_mutex_unlock(&inherited_lock);
    return status;
}

static shmap__os_status take_from_process(shmap__os_object *object,
                                          const shmap__os_request *request)
{
    const int flags = shmap__posix_open_flags(request->options.access);
    struct stat stat;
    int found = -1;
    int fd = -1;
    uid_t giver = 0;
    shmap__os_status status = find_in_process(request, &found, &giver);

    if (status.code < 0)
        return status;
    /* Opening some things has effects. And another user could have put
     * something else there since it was looked at. */
    if (!means(found, request->gift, &stat) || !S_ISREG(stat.st_mode))
        status = (shmap__os_status){SHMAP_ENOENT, 0};
    else if (giver != geteuid() && giver != stat.st_uid)
        status = (shmap__os_status){SHMAP_EOWNER, 0};
    else if ((fd = shmap__posix_open_again(found, flags)) < 0)
        status = shmap__posix_failed(errno);
    close(found);
    if (status.code == 0)
        status = take_descriptor(object, fd, request);
    if (status.code < 0 && fd >= 0)
        close(fd);
    return status;
}

shmap__os_status shmap__os_take(shmap__os_object *object,
                                const shmap__os_request *request)
{
    const shmap__os_gift *gift = request->gift;
    shmap__os_status status;

    if (gift->way == SHMAP__OS_TO_CHILD)
        status = take_inherited(object, request);
    else if (gift->way == SHMAP__OS_TO_PROCESS)
        status = take_from_process(object, request);
    else
        status = take_descriptor(object, (int)gift->native, request);
    SHMAP__STOP("take.taken");
    return status;
}
