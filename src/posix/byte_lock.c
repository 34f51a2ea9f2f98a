/* SPDX-License-Identifier: MIT */

/* Locks on single bytes, which belong to open file descriptions. */
#include "posix/os.h"

/* The tests define SHMAP_NO_OFD_LOCKS, to be as on systems without such locks.
 */
#if defined(F_OFD_SETLK) && !defined(SHMAP_NO_OFD_LOCKS)

static struct flock byte_lock(off_t from, off_t count, short type)
{
    struct flock lock = {0};

    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = from;
    lock.l_len = count;
    return lock;
}

int shmap__posix_lock_bytes(int fd, off_t from, off_t count, short type)
{
    struct flock lock = byte_lock(from, count, type);

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    /* Security modules say that as well as some file systems of networks, which
     * mean another's lock. */
    if (errno == EACCES && fcntl(fd, F_OFD_GETLK, &lock) == 0)
        return lock.l_type == F_UNLCK ? EACCES : EAGAIN;
    return errno;
}

short shmap__posix_locked(int fd, off_t byte)
{
    struct flock lock = byte_lock(byte, 1, F_WRLCK);

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 ? lock.l_type : -1;
}

#else

int shmap__posix_lock_bytes(int fd, off_t from, off_t count, short type)
{
    (void)fd, (void)from, (void)count, (void)type;
    return ENOTSUP;
}

short shmap__posix_locked(int fd, off_t byte)
{
    (void)fd, (void)byte;
    return F_RDLCK;
}

#endif

shmap__os_status shmap__posix_lock_failed(int error)
{
    switch (error) {
    case EINVAL: /* Linux before 3.15, and some that imitate it. */
    case EACCES:
    case EPERM:
    case ENOSYS:
    case ENOTSUP:
#if EOPNOTSUPP != ENOTSUP
    case EOPNOTSUPP:
#endif
        return (shmap__os_status){
            SHMAP_ENOTSUP, error,
            "the system or a filter refuses locks of open file descriptions "
            "(fcntl F_OFD_SETLK, F_OFD_GETLK)"};
    default:
        return shmap__posix_failed(error);
    }
}

int shmap__posix_lock(int fd, off_t byte, short type)
{
    return shmap__posix_lock_bytes(fd, byte, 1, type);
}
