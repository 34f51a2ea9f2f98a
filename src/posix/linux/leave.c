/* SPDX-License-Identifier: MIT */

/* Closing: how a holder of a region leaves, and the last one removes it. */
#include "posix/linux/regions.h"

#include <sys/file.h>
#include <unistd.h>

#include "base/stop.h"

/* Leaving
 *
 * A leaving holder must find out whether another is left, and only after it has
 * left: of two that ask first and leave then, each would see the other. Asking
 * then takes a fresh description, which is the most expensive part of
 * attaching.
 *
 * So leaving holders take turns where they can: an exclusive flock through the
 * region's own description, from before the question until the description is
 * gone. (flock knows nothing of byte locks.) The process that has it, and sees
 * a holder, can leave: that holder is not asking at the same time. A process
 * that does not get it leaves first, waits until the turn is over, and asks
 * then.
 *
 * A process that is stopped between its question and its end would make others
 * wait. They stop waiting after PATIENCE, and that process, which finds its
 * turn longer than TURN, less than PATIENCE, asks again after it has left. */

enum { TURN_NS = 5000000, PATIENCE_NS = 10000000 };

/* Ask, and leave. Returns false if the question must be asked again. */
static bool leave_in_turn(int fd)
{
    int64_t begun = shmap__os_now();
    bool certain = flock(fd, LOCK_EX | LOCK_NB) == 0 &&
                   shmap__posix_locked(fd, SHMAP__POSIX_MARK) == F_RDLCK;

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

/* Remove a closed region if it is left over. Returns true if it must be asked
 * for again: it has a holder, or could not be opened. */
static bool remove_if_left(const char *path)
{
    int fd = shmap__posix_open_for_removing(path);
    struct stat object;
    bool again = false;

    if (fd < 0)
        return shmap__posix_is_passing(errno);
    SHMAP__STOP("leave.opened");
    /* Locks of other programs on objects of their own mean nothing here. */
    if (fstat(fd, &object) == 0 &&
        shmap__posix_make_behind(fd, &object) != SHMAP__POSIX_FOREIGN) {
        await_turns(fd);
        again = shmap__posix_remove_closed(path, fd);
    }
    shmap__posix_close_after_removing(fd);
    return again;
}

void shmap__posix_named_close(const shmap__os_object *object,
                              const char *os_name, const struct stat *stat)
{
    const mode_t others = S_IRWXG | S_IRWXO;
    int fd = (int)object->native;
    char path[SHMAP__POSIX_PATH];
    bool certain = false; /* that another holder is left */

    /* Where another process shares the description, the turn would not end. And
     * if users may hold the region that may not remove it, then a holder that
     * is left does not have to remove it. */
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
