/* SPDX-License-Identifier: MIT */

/* The lifetime of named regions where shared memory objects cannot be locked,
 * and where a name cannot be given to a complete object (macOS, the BSDs).
 *
 * Beside each region are two files in folders of its owner, which nobody else
 * can write to: the gate and the mark. Both are locked with flock, whose locks
 * the kernel drops with the last descriptor of a description, in whatever way
 * its processes end.
 *
 * - A holder has a shared lock on the mark. Forked children share it.
 * - Every step (making, opening, closing, reaping) is made under an exclusive
 *   lock on the gate, and so no step sees another half done. Under it, whether
 *   anybody holds is asked by trying an exclusive lock on the mark, through a
 *   fresh description.
 * - The mark is made before the object, and removed after it. So whatever
 * moment a process is killed at, an object of ours has a mark; if nobody holds
 * it, the object is dead. An object without a mark is foreign.
 * - Each object has a mark of its own. It says which object that is, for the
 *   case that somebody removed the object, and its name means another.
 * - A gate without a mark is removed, so whoever gets the gate looks whether it
 *   is still the one that has the path.
 */
#include "posix/lockfile/lifetime.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/stop.h"

/* Not in $TMPDIR: all processes of a user must mean the same folders. Others
 * may look whether there is a mark, and no more. */
#define FOLDER "/tmp/shmap.%lu.%s"

enum { FOLDER_MODE = 0711, LOCK_MODE = 0600 };

static void find_folder(char path[SHMAP__FOLDER_SPACE], uid_t owner,
                        const char *kind)
{
    snprintf(path, SHMAP__FOLDER_SPACE, FOLDER, (unsigned long)owner, kind);
}

/* Names were checked for their length. */
void shmap__posix_place_find(shmap__posix_place *place, const char *os_name,
                             uid_t owner)
{
    char folder[SHMAP__FOLDER_SPACE];

    os_name += *os_name == '/';
    place->owner = owner;
    snprintf(place->name, sizeof place->name, "/%s", os_name);
    find_folder(folder, owner, "gates");
    snprintf(place->gate, sizeof place->gate, "%s/%s", folder, os_name);
    find_folder(folder, owner, "marks");
    snprintf(place->mark, sizeof place->mark, "%s/%s", folder, os_name);
}

/* Whoever can write to the folder could take a region from those who hold it.
 * Anybody can make it for another user, who then has no named regions. */
static bool is_trusted(const struct stat *folder, uid_t owner)
{
    return S_ISDIR(folder->st_mode) && folder->st_uid == owner &&
           (folder->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool shmap__posix_marks_folder(char path[SHMAP__FOLDER_SPACE], uid_t owner)
{
    struct stat folder;

    find_folder(path, owner, "marks");
    return lstat(path, &folder) == 0 && is_trusted(&folder, owner);
}

static shmap__os_status make_folder(const char *kind)
{
    char path[SHMAP__FOLDER_SPACE];
    struct stat folder;

    find_folder(path, geteuid(), kind);
    if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST)
        return errno == ENOENT ? (shmap__os_status){SHMAP_ENOTSUP, errno}
                               : shmap__posix_failed(errno);
    if (lstat(path, &folder) != 0)
        return shmap__posix_failed(errno);
    if (!is_trusted(&folder, geteuid()))
        return (shmap__os_status){SHMAP_EACCES, 0};
    /* Whatever the umask took. */
    if ((folder.st_mode & 0777) != FOLDER_MODE && chmod(path, FOLDER_MODE) != 0)
        return shmap__posix_failed(errno);
    return shmap__posix_done;
}

shmap__os_status shmap__posix_folders_make(void)
{
    shmap__os_status status = make_folder("gates");

    return status.code < 0 ? status : make_folder("marks");
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Gates */

static int open_lock(const char *path, int flags)
{
    return shmap__posix_open(path, flags | O_NOFOLLOW | O_NONBLOCK, LOCK_MODE);
}

/* 0 or errno; EWOULDBLOCK if somebody else has the gate. */
static int try_gate(const shmap__posix_place *place, int flags, int *gate)
{
    struct stat mine;
    struct stat now;
    int error = 0;
    int fd = open_lock(place->gate, flags);

    if (fd < 0)
        return errno;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &mine) != 0)
        error = errno;
    else if (lstat(place->gate, &now) != 0 || !is_same(&mine, &now))
        error = EWOULDBLOCK;
    else if ((mine.st_mode & 0777) != LOCK_MODE && fchmod(fd, LOCK_MODE) != 0)
        error = errno;
    if (error != 0)
        close(fd);
    else
        *gate = fd;
    return error;
}

shmap__os_status shmap__posix_gate_enter(const shmap__posix_place *place,
                                         int *gate)
{
    int flags = place->owner == geteuid() ? O_RDONLY | O_CREAT : O_RDONLY;
    char folder[SHMAP__FOLDER_SPACE];
    unsigned attempt = 0;

    if (!shmap__posix_marks_folder(folder, place->owner))
        return (shmap__os_status){SHMAP_ENOENT, 0};
    do {
        int error;

        shmap__posix_fork_lock();
        error = try_gate(place, flags, gate);
        if (error == 0)
            return shmap__posix_done;
        shmap__posix_fork_unlock();
        if (error != EWOULDBLOCK && error != EINTR)
            return shmap__posix_failed(error);
        SHMAP__STOP("gate.busy");
    } while (shmap__posix_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

void shmap__posix_gate_leave(const shmap__posix_place *place, int gate)
{
    struct stat mark;

    if (lstat(place->mark, &mark) != 0 && errno == ENOENT) {
        SHMAP__STOP("gate.unmarked");
        unlink(place->gate);
    }
    SHMAP__STOP("gate.leaving");
    /* Until it starts its program, a child of vfork shares the description. */
    flock(gate, LOCK_UN);
    close(gate);
    shmap__posix_fork_unlock();
    SHMAP__STOP("gate.left");
}

/* Marks */

int shmap__posix_mark_make(const shmap__posix_place *place)
{
    int mark;

    /* Of an object whose name was removed; its holders keep the file. */
    unlink(place->mark);
    mark = open_lock(place->mark, O_RDWR | O_CREAT | O_EXCL);
    if (mark >= 0 && fchmod(mark, LOCK_MODE) != 0) {
        unlink(place->mark);
        shmap__posix_close_quietly(mark);
        return -1;
    }
    return mark;
}

int shmap__posix_mark_hold(int mark, const struct stat *object)
{
    const uint64_t identity[2] = {(uint64_t)object->st_dev,
                                  (uint64_t)object->st_ino};

    if (pwrite(mark, identity, sizeof identity, 0) != sizeof identity)
        return errno;
    return flock(mark, LOCK_SH | LOCK_NB) == 0 ? 0 : errno;
}

void shmap__posix_mark_keep(shmap__os_object *object, int mark)
{
    struct stat stat;

    object->lock = mark;
    if (fstat(mark, &stat) == 0) {
        object->lock_identity[0] = (uint64_t)stat.st_dev;
        object->lock_identity[1] = (uint64_t)stat.st_ino;
    }
}

/* What a mark says. */
struct note {
    bool held;
    bool noted;
    uint64_t identity[2];
};

/* Inside a step only: those who ask are not holders. */
static struct note read_mark(int mark)
{
    struct note note = {0};

    note.held = flock(mark, LOCK_EX | LOCK_NB) != 0;
    note.noted = pread(mark, note.identity, sizeof note.identity, 0) ==
                 sizeof note.identity;
    return note;
}

/* Whether a mark is that of the object. On macOS objects have no identity, and
 * it always is. A mark that notes nothing is that of a process that was killed
 * before it could. */
static bool is_mark_of(const struct note *note, const struct stat *object)
{
    return !note->noted || shmap__posix_identifies(note->identity, object);
}

/* Looking and freeing */

/* Where shared memory objects are files, a pipe can have the name. Where they
 * are not, O_NONBLOCK may be an error. */
static int open_memory(const char *name, int access)
{
    int fd = shm_open(name, access | O_NONBLOCK, 0);

    if (fd < 0 && errno == EINVAL)
        fd = shm_open(name, access, 0);
    return shmap__posix_above_stdio(fd);
}

shmap__os_status shmap__posix_memory_open(const char *name, int access, int *fd,
                                          struct stat *stat)
{
    int opened = open_memory(name, access);
    shmap__os_status status = shmap__posix_done;

    /* EINVAL is how shm_open speaks of a directory. */
    if (opened < 0)
        return errno == EINVAL || errno == ENXIO
                   ? (shmap__os_status){SHMAP_ETYPE, errno}
                   : shmap__posix_failed(errno);
    if (fstat(opened, stat) != 0)
        status = shmap__posix_failed(errno);
    else if (!shmap__posix_can_be_memory(stat))
        status.code = SHMAP_ETYPE;
    if (status.code < 0)
        shmap__posix_close_quietly(opened);
    else
        *fd = opened;
    return status;
}

shmap__os_status shmap__posix_place_look(const shmap__posix_place *place,
                                         int access, shmap__posix_found *found)
{
    struct note note;
    shmap__os_status status =
        shmap__posix_memory_open(place->name, access, &found->fd, &found->stat);

    if (status.code < 0)
        return status;
    found->state = SHMAP__FOREIGN;
    found->mark = open_lock(place->mark, O_RDONLY);
    if (found->mark < 0 && errno != ENOENT) {
        status = shmap__posix_failed(errno);
        shmap__posix_close_quietly(found->fd);
        return status;
    }
    if (found->mark >= 0) {
        note = read_mark(found->mark);
        if (is_mark_of(&note, &found->stat))
            found->state = note.held ? SHMAP__LIVE : SHMAP__DEAD;
    }
    return shmap__posix_done;
}

void shmap__posix_found_close(const shmap__posix_found *found)
{
    shmap__posix_close_quietly(found->fd);
    if (found->mark >= 0)
        shmap__posix_close_quietly(found->mark);
}

shmap__os_status shmap__posix_place_remove(const shmap__posix_place *place)
{
    SHMAP__STOP("reap.checked");
    if (shm_unlink(place->name) != 0 && errno != ENOENT)
        return errno == EACCES || errno == EPERM
                   ? shmap__posix_belongs(SHMAP_ESTALE, errno, place->owner)
                   : shmap__posix_failed(errno);
    SHMAP__STOP("reap.unlinked");
    unlink(place->mark);
    return shmap__posix_done;
}

/* One descriptor at a time: who closes a region has none to spare. What is dead
 * stays dead for the rest of the step. */
shmap__os_status shmap__posix_place_free(const shmap__posix_place *place,
                                         unsigned *reaped)
{
    struct note note = {.held = true};
    struct stat stat;
    shmap__os_status status;
    int fd;

    SHMAP__STOP("reap.locked");
    fd = open_lock(place->mark, O_RDONLY);
    if (fd < 0 && errno != ENOENT)
        return shmap__posix_failed(errno);
    if (fd >= 0) {
        note = read_mark(fd);
        close(fd);
    }
    status = shmap__posix_memory_open(place->name, O_RDONLY, &fd, &stat);
    if (status.code == SHMAP_ENOENT) {
        /* A mark that is held may be that of another container, which has
         * objects of its own. */
        if (!note.held)
            unlink(place->mark);
        return shmap__posix_done;
    }
    if (status.code < 0)
        return status;
    close(fd);
    if (note.held || !is_mark_of(&note, &stat) || stat.st_uid != place->owner)
        return shmap__posix_belongs(SHMAP_EEXIST, 0, stat.st_uid);
    status = shmap__posix_place_remove(place);
    if (status.code == 0)
        ++*reaped;
    return status;
}

/* Holders */

/* Free the name unless somebody is left: true. Others who close do not wait for
 * one that is stopped in its step; then it must look again. */
static bool leave(const shmap__posix_place *place, int gate)
{
    const int64_t too_long = 500000000; /* ns, less than they wait */
    unsigned reaped = 0;
    int64_t begun;
    bool held;

    do {
        begun = shmap__os_now();
        held = shmap__posix_place_free(place, &reaped).code == SHMAP_EEXIST;
        shmap__posix_gate_leave(place, gate);
    } while (shmap__os_now() - begun > too_long &&
             shmap__posix_gate_enter(place, &gate).code == 0);
    return held;
}

/* Identities are those of marks, which objects of some systems have none of. */
bool shmap__posix_named_is_held(const char *os_name, const uint64_t identity[2],
                                bool at_exit)
{
    shmap__posix_place place;
    struct stat mark;
    int entered;
    int gate;

    (void)at_exit;
    shmap__posix_place_find(&place, os_name, geteuid());
    if (lstat(place.mark, &mark) != 0 ||
        !shmap__posix_identifies(identity, &mark))
        return false;
    entered = shmap__posix_gate_enter(&place, &gate).code;
    return entered == SHMAP_EMFILE || (entered == 0 && leave(&place, gate));
}

/* Where nobody else is left, the region is dead from the moment that its mark
 * is let go, for everybody. Each descriptor that is closed makes room for the
 * next. */
void shmap__posix_named_close(const shmap__os_object *object,
                              const char *os_name, const struct stat *stat)
{
    int lock = (int)object->lock;
    struct stat mark;
    bool kept = fstat(lock, &mark) == 0 &&
                shmap__posix_identifies(object->lock_identity, &mark);
    shmap__posix_place place;
    bool again; /* it must be asked for */
    int entered;
    int gate;

    shmap__posix_place_find(&place, os_name, kept ? mark.st_uid : geteuid());
    if (stat != NULL)
        close((int)object->native);
    entered = shmap__posix_gate_enter(&place, &gate).code;
    if (kept)
        close(lock);
    SHMAP__STOP("close.let_go");
    again = entered == SHMAP_EMFILE || (entered == 0 && leave(&place, gate));
    shmap__posix_later(again && kept ? os_name : NULL, object->lock_identity);
}

bool shmap__posix_name_means(const char *os_name,
                             const shmap__os_object *object)
{
    shmap__posix_place place;
    struct stat now;
    struct stat mark;
    int fd;

    shmap__posix_place_find(&place, os_name, geteuid());
    if (shmap__posix_memory_open(place.name, O_RDONLY, &fd, &now).code < 0)
        return false;
    close(fd);
    if (!shmap__posix_identifies(object->identity, &now))
        return false;
    if (object->foreign)
        return true;
    shmap__posix_place_find(&place, os_name, now.st_uid);
    return lstat(place.mark, &mark) == 0 &&
           shmap__posix_identifies(object->lock_identity, &mark);
}

/* A lock does not tell how many share it. */
bool shmap__posix_alone(int fd)
{
    (void)fd;
    return false;
}
