/* SPDX-License-Identifier: MIT */

/* The system's own calls behind the library's back, POSIX. Shared memory
 * objects are files in a folder, which is how a test can put other things in
 * their place. */

#include "../support.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/dev/shm"

static const char *path_of(char *path, const char *os_name)
{
    snprintf(path, OS_NAME_ROOM, FOLDER "%s%s", os_name[0] == '/' ? "" : "/",
             os_name);
    return path;
}

static intptr_t plant_region(const char *os_name, uint64_t size, mode_t mode)
{
    int descriptor = shm_open(os_name, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (descriptor < 0)
        return -1;
    if (fchmod(descriptor, mode) == 0 &&
        ftruncate(descriptor, (off_t)size) == 0)
        return descriptor;
    close(descriptor);
    shm_unlink(os_name);
    return -1;
}

/* The link's target is a file beside it, so that a program that follows the
 * link finds shared memory. */
static int plant_symlink(const char *path)
{
    char target[OS_NAME_ROOM + 8];
    snprintf(target, sizeof target, "%s-target", path);
    int descriptor = open(target, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return -1;
    int result = ftruncate(descriptor, 4096);
    close(descriptor);
    return result == 0 ? symlink(target, path) : result;
}

intptr_t raw_plant(const char *os_name, enum raw_kind kind, uint64_t size,
                   unsigned mode)
{
    char path[OS_NAME_ROOM];
    path_of(path, os_name);
    if (mode == 0)
        mode = kind == RAW_DIRECTORY ? 0700 : 0600;
    switch (kind) {
    case RAW_REGION:
        return plant_region(os_name, size, (mode_t)mode);
    case RAW_EMPTY:
        return plant_region(os_name, 0, (mode_t)mode);
    case RAW_FIFO:
        return mkfifo(path, 0600) == 0 && chmod(path, (mode_t)mode) == 0 ? 0
                                                                         : -1;
    case RAW_DIRECTORY:
        return mkdir(path, (mode_t)mode) == 0 ? 0 : -1;
    case RAW_SYMLINK:
        return plant_symlink(path) == 0 ? 0 : -1;
    case RAW_MUTEX:
        break;
    }
    return -1;
}

intptr_t raw_plant_of_another(const char *os_name, uint64_t size)
{
    enum { ANOTHER = 60001 };
    intptr_t handle = raw_plant(os_name, RAW_REGION, size, 0666);
    if (handle == -1 || fchown((int)handle, ANOTHER, ANOTHER) == 0)
        return handle;
    raw_close(handle);
    raw_remove(os_name);
    return -1;
}

bool raw_can_plant(enum raw_kind kind)
{
    return kind != RAW_MUTEX;
}

intptr_t raw_open(const char *os_name)
{
    return shm_open(os_name, O_RDWR, 0);
}

void raw_close(intptr_t handle)
{
    if (handle > 0)
        close((int)handle);
}

bool raw_read(intptr_t handle, uint64_t offset, void *data, size_t size)
{
    return pread((int)handle, data, size, (off_t)offset) == (ssize_t)size;
}

bool raw_write(intptr_t handle, uint64_t offset, const void *data, size_t size)
{
    return pwrite((int)handle, data, size, (off_t)offset) == (ssize_t)size;
}

bool raw_resize(intptr_t handle, uint64_t size)
{
    return ftruncate((int)handle, (off_t)size) == 0;
}

static bool look(struct stat *status, const char *os_name)
{
    char path[OS_NAME_ROOM];
    return lstat(path_of(path, os_name), status) == 0;
}

bool raw_exists(const char *os_name)
{
    struct stat status;
    return look(&status, os_name);
}

uint64_t raw_size(const char *os_name)
{
    struct stat status;
    return look(&status, os_name) ? (uint64_t)status.st_size : 0;
}

unsigned raw_mode(const char *os_name)
{
    struct stat status;
    return look(&status, os_name) ? status.st_mode & 07777u : 0;
}

bool raw_has_small_times(const char *os_name)
{
    struct stat status;
    return look(&status, os_name) && status.st_atime <= INT32_MAX &&
           status.st_mtime <= INT32_MAX && status.st_ctime <= INT32_MAX;
}

bool raw_set_mode(const char *os_name, unsigned mode)
{
    char path[OS_NAME_ROOM];
    return chmod(path_of(path, os_name), (mode_t)mode) == 0;
}

bool raw_remove(const char *os_name)
{
    char path[OS_NAME_ROOM];
    char target[OS_NAME_ROOM + 8];
    path_of(path, os_name);
    snprintf(target, sizeof target, "%s-target", path);
    unlink(target);
    return unlink(path) == 0 || rmdir(path) == 0;
}

bool raw_hard_link(const char *os_name, const char *second)
{
    char from[OS_NAME_ROOM];
    char to[OS_NAME_ROOM];
    return link(path_of(from, os_name), path_of(to, second)) == 0;
}

bool raw_touch(intptr_t handle)
{
    return futimens((int)handle, NULL) == 0;
}

bool raw_hold(intptr_t handle)
{
    struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return fcntl((int)handle, F_OFD_SETLK, &lock) == 0;
}

/* Asked through a description of the lock file that is beside the object. */
static bool has_locked_mark(const char *os_name)
{
    char path[OS_NAME_ROOM];
    snprintf(path, sizeof path, "/tmp/shmap.%lu.marks/%s",
             (unsigned long)geteuid(), os_name + (os_name[0] == '/'));
    int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    bool held = flock(descriptor, LOCK_EX | LOCK_NB) != 0;
    close(descriptor);
    return held;
}

bool raw_is_held(const char *os_name)
{
    char path[OS_NAME_ROOM];
    if (os_has_lock_files())
        return has_locked_mark(os_name);
    int descriptor = open(path_of(path, os_name),
                          O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    bool held =
        fcntl(descriptor, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(descriptor);
    return held;
}

unsigned raw_count(const char *os_name_prefix)
{
    const char *prefix = os_name_prefix + (os_name_prefix[0] == '/');
    DIR *folder = opendir(FOLDER);
    if (folder == NULL)
        return 0;
    unsigned count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            ++count;
    closedir(folder);
    return count;
}

void raw_rights(char *out, intptr_t handle)
{
    static const char *const words[] = {"", "", "", "", "read", "", "write"};
    struct stat status;
    if (fstat((int)handle, &status) != 0)
        memset(&status, 0, sizeof status);
    unsigned group = status.st_mode >> 3 & 7;
    unsigned others = status.st_mode & 7;
    const char *word = group < COUNT(words) ? words[group] : "";
    if (status.st_uid != geteuid())
        snprintf(out, RIGHTS_ROOM, "owner %lu", (unsigned long)status.st_uid);
    else if ((status.st_mode & 0700) != 0600 || (group != 0 && *word == '\0') ||
             (others != 0 && others != group))
        snprintf(out, RIGHTS_ROOM, "mode %04o", status.st_mode & 07777u);
    else if (others != 0)
        snprintf(out, RIGHTS_ROOM, "owner all, everyone %s", word);
    else if (group != 0)
        snprintf(out, RIGHTS_ROOM, "owner all, %lu %s",
                 (unsigned long)status.st_gid, word);
    else
        snprintf(out, RIGHTS_ROOM, "owner all");
}

bool raw_lets_system(intptr_t handle)
{
    (void)handle;
    return true;
}

const char *raw_anonymous_rights(void)
{
    return "all";
}

intptr_t raw_open_waiting(const shmap_waiters *waiters)
{
    (void)waiters;
    return -1;
}

static bool change_lock(intptr_t handle, off_t byte, short type)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl((int)handle, F_OFD_SETLK, &lock) == 0;
}

bool raw_block(intptr_t handle)
{
    return change_lock(handle, 0, F_WRLCK);
}

bool raw_hinder(const char *os_name)
{
    return change_lock(shm_open(os_name, O_RDONLY, 0), 1, F_RDLCK);
}

bool raw_find_group(char *name, char *number)
{
    struct group *group = getgrgid(getegid());
    if (geteuid() == 0) {
        setgrent();
        do
            group = getgrent();
        while (group != NULL && group->gr_gid == getegid());
    }
    if (group == NULL)
        return false;
    snprintf(name, NAME_ROOM, "%s", group->gr_name);
    snprintf(number, NAME_ROOM, "%lu", (unsigned long)group->gr_gid);
    endgrent();
    return true;
}

bool raw_take_turn(intptr_t handle)
{
    return flock((int)handle, LOCK_EX | LOCK_NB) == 0;
}
