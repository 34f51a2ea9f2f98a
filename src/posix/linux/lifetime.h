/* SPDX-License-Identifier: MIT */

/* The objects of /dev/shm, for the files that keep and remove them. lifetime.c
 * says how they work together.
 */
#ifndef SHMAP_POSIX_LINUX_LIFETIME_H
#define SHMAP_POSIX_LINUX_LIFETIME_H

#include "posix/os.h"

/* The byte that a holder of a region marks with a read lock; one who removes a
 * region has a write lock on both, one who removes a link on the second. */
enum { SHMAP__OS_MARK = 0, SHMAP__OS_REMOVER = 1 };

/* lifetime.c */

/* Room for a path in the folder. */
enum { SHMAP__OS_PATH = sizeof SHMAP__OS_FOLDER "/" + 255 };

void shmap__posix_find_path(char path[SHMAP__OS_PATH], const char *os_name);

/* shmap__posix_open for whatever somebody may have put there. `access` is
 * O_RDONLY or O_RDWR. */
int shmap__posix_open_path(const char *path, int access);

/* Whether open() failed because there is something that cannot be memory. */
bool shmap__posix_is_other(int error);

/* Objects made by shmap have the sticky bit and are not executable. A blanket
 * `chmod -R 1777` of the folder makes them foreign, and so safe. One that is
 * about to be removed has exactly another mode: its owner can open it, nobody
 * else, and nobody but the owner can change that. A set-user-id bit is cleared
 * by a write of any other user, and some sandboxes forbid to set one. */
enum {
    SHMAP__OS_PRIVATE = S_ISVTX | S_IRUSR | S_IWUSR,
    SHMAP__OS_CONDEMNED_MODE = S_ISVTX | S_IRWXU
};

enum shmap__posix_make {
    SHMAP__OS_FOREIGN,
    SHMAP__OS_REGION,
    SHMAP__OS_CONDEMNED /* was a region, and is about to be removed */
};

/* What a mode says, and what a descriptor does, of which `stat` is: a condemned
 * object of ours still has a stamp, another program's of this mode has none. */
enum shmap__posix_make shmap__posix_make_of(const struct stat *stat);
enum shmap__posix_make shmap__posix_make_behind(int fd,
                                                const struct stat *stat);

/* Whether what could not be opened a moment ago is being removed, and may be
 * another user's: a condemned object has this path, or none any more. `*user`
 * becomes whose it is, if it can be looked at. */
bool shmap__posix_path_is_going(const char *path, uid_t *user);

enum shmap__posix_reaping {
    SHMAP__OS_REAPED,
    SHMAP__OS_REAP_NOTHING, /* no leftover has the path, or no longer */
    SHMAP__OS_REAP_BUSY,    /* another process has a lock on it */
    SHMAP__OS_REAP_DENIED,  /* it is another user's */
    SHMAP__OS_REAP_FAILED,  /* errno */
    SHMAP__OS_REAP_UNTOLD   /* errno, of a lock: it cannot be told */
};

/* What proves that an object has its name from its owner. */
enum shmap__posix_names {
    SHMAP__OS_NAMES_PROVED, /* the object's stamp: user and machine scope */
    SHMAP__OS_NAMES_NATIVE, /* nothing does */
    SHMAP__OS_NAMES_LISTED  /* as NATIVE, but an object without any stamp is
                               another program's */
};

/* What the names of a scope are, and those of which only the name is known. */
enum shmap__posix_names shmap__posix_names_of(int scope);
enum shmap__posix_names shmap__posix_names_like(const char *os_name);

/* Remove what has this path if it is a leftover, or if its owner, this user,
 * gave it another name, and so somebody else linked it here. `*user` becomes
 * whose it is, if it was looked at. */
enum shmap__posix_reaping shmap__posix_remove_leftover(
    const char *path, enum shmap__posix_names names, uid_t *user);

/* Whether the region has the path from its owner. `stat` is that of `fd`. */
bool shmap__posix_is_proved(int fd, const struct stat *stat, const char *path,
                            enum shmap__posix_names names);

/* Whether this user owns it and gave it another name. */
bool shmap__posix_is_link(int fd, const struct stat *stat, const char *path,
                          enum shmap__posix_names names);

/* Whether a condemned object is locked, and not by one who is just removing
 * it: a stranger who had it open keeps it so. */
bool shmap__posix_is_kept(int fd);

/* Free the path if what has it is a leftover: 0 if it is free then, or why it
 * cannot be. Counts in `*reaped` what was removed. */
shmap__os_status shmap__posix_free_name(const char *path,
                                        enum shmap__posix_names names,
                                        unsigned *reaped);

#endif
