/* SPDX-License-Identifier: MIT */

/* Paths of regions in /dev/shm, and the proof that a region has its path from
 * its owner. */
#include "posix/linux/regions.h"

#include <string.h>
#include <unistd.h>

#include "posix/linux/stamp.h"

const char *shmap__posix_name_in(const char *path)
{
    return path + sizeof SHMAP__POSIX_FOLDER;
}

bool shmap__posix_is_own(const struct stat *object)
{
    return object->st_uid == geteuid();
}

enum shmap__posix_names shmap__posix_names_of(int scope)
{
    return scope == SHMAP_SCOPE_NATIVE ? SHMAP__POSIX_NAMES_NATIVE
                                       : SHMAP__POSIX_NAMES_PROVED;
}

/* A region that has a temporary name still has the stamp of its later one. */
enum shmap__posix_names shmap__posix_names_like(const char *os_name)
{
    const char *name = os_name + (*os_name == '/');

    if (strncmp(name, "shmap.", 6) != 0)
        return SHMAP__POSIX_NAMES_LISTED;
    return name[6] == '~' ? SHMAP__POSIX_NAMES_NATIVE
                          : SHMAP__POSIX_NAMES_PROVED;
}

bool shmap__posix_is_proved(int fd, const struct stat *stat, const char *path,
                            enum shmap__posix_names names)
{
    enum shmap__posix_proof proof;

    if (names != SHMAP__POSIX_NAMES_PROVED)
        return true;
    proof = shmap__posix_stamp_check(fd, stat, shmap__posix_name_in(path));
    return proof == SHMAP__POSIX_PROOF_NAME ||
           (proof == SHMAP__POSIX_PROOF_NONE && stat->st_nlink == 1 &&
            !shmap__posix_stamp_lasts(fd));
}

/* Names were checked for their length. */
void shmap__posix_find_path(char path[SHMAP__POSIX_PATH], const char *os_name)
{
    memcpy(path, SHMAP__POSIX_FOLDER "/", sizeof SHMAP__POSIX_FOLDER);
    strcpy(path + sizeof SHMAP__POSIX_FOLDER, os_name + (*os_name == '/'));
}

int shmap__posix_open_path(const char *path, int access)
{
    return shmap__posix_open(path, access | O_NOFOLLOW | O_NONBLOCK, 0);
}

bool shmap__posix_path_is_going(const char *path, uid_t *user)
{
    int fd = shmap__posix_open_path(path, O_PATH);
    bool condemned = false;
    struct stat stat;

    if (fd < 0)
        return errno == ENOENT;
    if (fstat(fd, &stat) == 0) {
        *user = stat.st_uid;
        condemned =
            shmap__posix_make_behind(fd, &stat) == SHMAP__POSIX_CONDEMNED;
    }
    shmap__posix_close_quietly(fd);
    return condemned;
}

static bool same_object(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool shmap__posix_path_means(const char *path, const struct stat *object)
{
    struct stat now;

    return lstat(path, &now) == 0 && same_object(&now, object);
}

bool shmap__posix_name_means(const char *os_name,
                             const shmap__os_object *object)
{
    char path[SHMAP__POSIX_PATH];
    struct stat now;

    shmap__posix_find_path(path, os_name);
    return lstat(path, &now) == 0 &&
           shmap__posix_identifies(object->identity, &now);
}

/* open() fails like this for what can be no shared memory: a link, a
 * directory, a socket, a device without a driver. */
bool shmap__posix_is_other(int error)
{
    return error == ELOOP || error == EISDIR || error == ENXIO ||
           error == ENODEV;
}

bool shmap__posix_is_link(int fd, const struct stat *stat, const char *path,
                          enum shmap__posix_names names)
{
    return names == SHMAP__POSIX_NAMES_PROVED &&
           shmap__posix_make_of(stat) != SHMAP__POSIX_FOREIGN &&
           shmap__posix_is_own(stat) &&
           shmap__posix_stamp_check(fd, stat, shmap__posix_name_in(path)) ==
               SHMAP__POSIX_PROOF_OTHER;
}
