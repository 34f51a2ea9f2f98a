/* SPDX-License-Identifier: MIT */

/* Handing regions over to child processes, which inherit descriptors. */
#include "posix/os.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"

/* The lineage that made a descriptor for its children to inherit, by the
 * descriptor's number. That lineage must not take it itself: the number of a
 * descriptor that was inherited and taken may be used again. Under this lock no
 * other thread closes or takes a descriptor that is found here. */
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

shmap__os_status shmap__os_give_child(shmap__os_object *object,
                                      shmap__os_gift *gift)
{
    struct stat stat;
    int fd = -1;
    shmap__os_status status = shmap__posix_gift_open(object, gift, &fd, &stat);

    if (status.code == 0 && !makers_reserve(fd)) {
        close(fd);
        status = shmap__posix_failed(ENOMEM);
    }
    if (status.code == 0)
        status = shmap__posix_gift_complete(object, gift, fd, &stat);
    if (status.code < 0)
        return status;
    pthread_mutex_lock(&inherited_lock);
    makers[fd] = shmap__posix_lineage();
    fcntl(fd, F_SETFD, 0);
    pthread_mutex_unlock(&inherited_lock);
    SHMAP__STOP("give.inheritable");
    return status;
}

/* Return whether children inherit the descriptor of this number. They do not
 * inherit the library's others, and the standard ones do not count. */
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

shmap__os_status shmap__posix_take_inherited(shmap__os_object *object,
                                             const shmap__os_request *request)
{
    const shmap__os_gift *gift = request->gift;
    shmap__os_status status = {SHMAP_ENOENT, 0};
    struct stat stat;

    pthread_mutex_lock(&inherited_lock);
    if (is_inheritable(gift->native) && !is_own(gift->native) &&
        shmap__posix_fd_matches_gift((int)gift->native, gift, &stat)) {
        int fd = (int)gift->native;

        fcntl(fd, F_SETFD, FD_CLOEXEC);
        status = shmap__posix_gift_take(object, fd, request);
        if (status.code < 0)
            fcntl(fd, F_SETFD, 0);
    }
    pthread_mutex_unlock(&inherited_lock);
    return status;
}
