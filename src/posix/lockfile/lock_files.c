/* SPDX-License-Identifier: MIT */

/* Lock files: the gate and the mark of a name, in folders of its owner. */
#include "posix/lockfile/regions.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/stop.h"

/* Not in $TMPDIR: all processes of a user must mean the same folders. Other
 * users may look whether there is a mark, and no more. */
#define FOLDER "/tmp/shmap.%lu.%s"

enum { FOLDER_MODE = 0711, LOCK_MODE = 0600 };

static void find_folder(char path[SHMAP__POSIX_FOLDER_SPACE], uid_t owner,
                        const char *kind)
{
    snprintf(path, SHMAP__POSIX_FOLDER_SPACE, FOLDER, (unsigned long)owner,
             kind);
}

/* Names were checked for their length. */
void shmap__posix_lock_files_find(shmap__posix_lock_files *files,
                                  const char *os_name, uid_t owner)
{
    char folder[SHMAP__POSIX_FOLDER_SPACE];

    os_name += *os_name == '/';
    files->owner = owner;
    snprintf(files->name, sizeof files->name, "/%s", os_name);
    find_folder(folder, owner, "gates");
    snprintf(files->gate, sizeof files->gate, "%s/%s", folder, os_name);
    find_folder(folder, owner, "marks");
    snprintf(files->mark, sizeof files->mark, "%s/%s", folder, os_name);
}

/* A user that can write to the folder could take a region from its holders. Any
 * user can make the folder of another user, which then has no named regions. */
static bool is_trusted(const struct stat *folder, uid_t owner)
{
    return S_ISDIR(folder->st_mode) && folder->st_uid == owner &&
           (folder->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool shmap__posix_marks_folder(char path[SHMAP__POSIX_FOLDER_SPACE],
                               uid_t owner)
{
    struct stat folder;

    find_folder(path, owner, "marks");
    return lstat(path, &folder) == 0 && is_trusted(&folder, owner);
}

static shmap__os_status make_folder(const char *kind)
{
    char path[SHMAP__POSIX_FOLDER_SPACE];
    struct stat folder;

    find_folder(path, geteuid(), kind);
    if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST)
        return errno == ENOENT ? (shmap__os_status){SHMAP_ENOTSUP, errno}
                               : shmap__posix_failed(errno);
    if (lstat(path, &folder) != 0)
        return shmap__posix_failed(errno);
    if (!is_trusted(&folder, geteuid()))
        return (shmap__os_status){SHMAP_EACCES, 0};
    /* Restore what the umask removed. */
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

int shmap__posix_lock_file_open(const char *path, int flags)
{
    return shmap__posix_open(path, flags | O_NOFOLLOW | O_NONBLOCK, LOCK_MODE);
}

/* Return 0 or errno; EWOULDBLOCK if another process has the gate. */
static int try_gate(const shmap__posix_lock_files *files, int flags, int *gate)
{
    struct stat mine;
    struct stat now;
    int error = 0;
    int fd = shmap__posix_lock_file_open(files->gate, flags);

    if (fd < 0)
        return errno;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &mine) != 0)
        error = errno;
    else if (lstat(files->gate, &now) != 0 || !is_same(&mine, &now))
        error = EWOULDBLOCK;
    else if ((mine.st_mode & 0777) != LOCK_MODE && fchmod(fd, LOCK_MODE) != 0)
        error = errno;
    if (error != 0)
        close(fd);
    else
        *gate = fd;
    return error;
}

shmap__os_status shmap__posix_gate_enter(const shmap__posix_lock_files *files,
                                         int *gate)
{
    int flags = files->owner == geteuid() ? O_RDONLY | O_CREAT : O_RDONLY;
    char folder[SHMAP__POSIX_FOLDER_SPACE];
    unsigned attempt = 0;

    if (!shmap__posix_marks_folder(folder, files->owner))
        return (shmap__os_status){SHMAP_ENOENT, 0};
    do {
        int error;

        shmap__posix_fork_lock();
        error = try_gate(files, flags, gate);
        if (error == 0)
            return shmap__posix_done;
        shmap__posix_fork_unlock();
        if (error != EWOULDBLOCK && error != EINTR)
            return shmap__posix_failed(error);
        SHMAP__STOP("gate.busy");
    } while (shmap__posix_wait_a_little(&attempt));
    return (shmap__os_status){SHMAP_EBUSY, 0};
}

void shmap__posix_gate_leave(const shmap__posix_lock_files *files, int gate)
{
    struct stat mark;

    if (lstat(files->mark, &mark) != 0 && errno == ENOENT) {
        SHMAP__STOP("gate.unmarked");
        unlink(files->gate);
    }
    SHMAP__STOP("gate.leaving");
    /* Until it starts its program, a child of vfork shares the description. */
    flock(gate, LOCK_UN);
    close(gate);
    shmap__posix_fork_unlock();
    SHMAP__STOP("gate.left");
}

int shmap__posix_mark_make(const shmap__posix_lock_files *files)
{
    int mark;

    /* This removes the mark of an object that has lost its name; its holders
     * keep the file open. */
    unlink(files->mark);
    mark = shmap__posix_lock_file_open(files->mark, O_RDWR | O_CREAT | O_EXCL);
    if (mark >= 0 && fchmod(mark, LOCK_MODE) != 0) {
        unlink(files->mark);
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

/* Inside a step only: a process that asks is not a holder. */
shmap__posix_note shmap__posix_mark_read(int mark)
{
    shmap__posix_note note = {0};

    note.held = flock(mark, LOCK_EX | LOCK_NB) != 0;
    note.noted = pread(mark, note.identity, sizeof note.identity, 0) ==
                 sizeof note.identity;
    return note;
}

/* Return whether a mark is that of the object. On macOS objects have no
 * identity, and it always is. A mark without an identity is that of a process
 * that was killed before it wrote one. */
bool shmap__posix_mark_is_of(const shmap__posix_note *note,
                             const struct stat *object)
{
    return !note->noted || shmap__posix_identifies(note->identity, object);
}
