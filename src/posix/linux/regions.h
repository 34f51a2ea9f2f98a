/* SPDX-License-Identifier: MIT */

/* The objects of /dev/shm, for the files that make, keep and remove them.
 * lifetime.c says how these work together.
 */
#ifndef SHMAP_POSIX_LINUX_REGIONS_H
#define SHMAP_POSIX_LINUX_REGIONS_H

#include "posix/os.h"

/* The byte that a holder of a region marks with a read lock; a process that
 * removes a region has a write lock on both, one that removes a link on the
 * second. */
enum { SHMAP__POSIX_MARK = 0, SHMAP__POSIX_REMOVER = 1 };

/* mode.c */

/* Objects made by shmap have the sticky bit and are not executable. A blanket
 * `chmod -R 1777` of the folder makes them foreign, and so safe. One that is
 * about to be removed has exactly another mode: its owner can open it, no other
 * user can, and only the owner can change that. A set-user-id bit is cleared by
 * a write of any other user, and some sandboxes forbid to set one. */
enum {
    SHMAP__POSIX_REGION_BIT = S_ISVTX,
    SHMAP__POSIX_PRIVATE = S_ISVTX | S_IRUSR | S_IWUSR
};

enum shmap__posix_make {
    SHMAP__POSIX_FOREIGN,
    SHMAP__POSIX_REGION,
    SHMAP__POSIX_CONDEMNED /* was a region, and is about to be removed */
};

/* Return the kind of object that has this mode. */
enum shmap__posix_make shmap__posix_make_of(const struct stat *stat);

/* Return the kind of object behind a descriptor, of which `stat` is: a
 * condemned object of the library still has a stamp, another program's object
 * of this mode has no stamp. */
enum shmap__posix_make shmap__posix_make_behind(int fd,
                                                const struct stat *stat);

/* Give a region the mode of one that is about to be removed. Returns false and
 * errno if that is refused. */
bool shmap__posix_mode_condemn(int fd);

/* path.c */

/* Room for a path in the folder. */
enum { SHMAP__POSIX_PATH = sizeof SHMAP__POSIX_FOLDER "/" + 255 };

void shmap__posix_find_path(char path[SHMAP__POSIX_PATH], const char *os_name);

/* Return the name in a path. */
const char *shmap__posix_name_in(const char *path);

/* Open as shmap__posix_open does, safely, whichever object another user may
 * have put there. `access` is O_RDONLY or O_RDWR. */
int shmap__posix_open_path(const char *path, int access);

/* Return whether the path still means the object that was looked at. */
bool shmap__posix_path_means(const char *path, const struct stat *object);

/* Return whether open() failed because the path has an object that cannot be
 * memory. */
bool shmap__posix_is_other(int error);

/* Return whether an object that could not be opened a moment ago is being
 * removed, and may be another user's: a condemned object has this path, or no
 * object any more. `*user` becomes the user that owns it, if it can be looked
 * at. */
bool shmap__posix_path_is_going(const char *path, uid_t *user);

/* Return whether this user owns the object. */
bool shmap__posix_is_own(const struct stat *object);

/* The proof that an object has its name from its owner. */
enum shmap__posix_names {
    SHMAP__POSIX_NAMES_PROVED, /* the object's stamp: user and machine scope */
    SHMAP__POSIX_NAMES_NATIVE, /* no proof */
    SHMAP__POSIX_NAMES_LISTED  /* as NATIVE, but an object without any stamp is
                               another program's */
};

/* Return the proof of names in a scope, and of a name of which the scope is not
 * known. */
enum shmap__posix_names shmap__posix_names_of(int scope);
enum shmap__posix_names shmap__posix_names_like(const char *os_name);

/* Return whether the region has the path from its owner. `stat` is that of
 * `fd`. */
bool shmap__posix_is_proved(int fd, const struct stat *stat, const char *path,
                            enum shmap__posix_names names);

/* Return whether this user owns the object and gave it another name. */
bool shmap__posix_is_link(int fd, const struct stat *stat, const char *path,
                          enum shmap__posix_names names);

/* lifetime.c */

/* Return whether a condemned object is locked, and not by a process that is
 * just removing it: another user that had it open keeps it so. */
bool shmap__posix_is_kept(int fd);

/* reap.c */

enum shmap__posix_reaping {
    SHMAP__POSIX_REAPED,
    SHMAP__POSIX_REAP_NOTHING, /* no leftover has the path, or no longer */
    SHMAP__POSIX_REAP_BUSY,    /* another process has a lock on it */
    SHMAP__POSIX_REAP_DENIED,  /* it is another user's */
    SHMAP__POSIX_REAP_FAILED,  /* errno */
    SHMAP__POSIX_REAP_UNTOLD   /* errno, of a lock: it cannot be told */
};

/* Remove the object of this path if it is a leftover, or if its owner, this
 * user, gave it another name, and so another user linked it here. `*user`
 * becomes the user that owns it, if that could be seen. */
enum shmap__posix_reaping shmap__posix_remove_leftover(
    const char *path, enum shmap__posix_names names, uid_t *user);

/* Open an object, to find out whether it is a leftover, and keep fork out until
 * it is closed: a child must not share the description. -1 and errno. */
int shmap__posix_open_for_removing(const char *path);
void shmap__posix_close_after_removing(int fd);

/* Remove a closed region if it is a leftover. Return whether it must be asked
 * for again: it has a holder, or another process removes it. */
bool shmap__posix_remove_closed(const char *path, int fd);

/* Return whether an object could not be opened for a reason that passes, and
 * may be left over. */
bool shmap__posix_is_passing(int error);

/* free.c */

/* Free the path if it is that of a leftover: 0 if it is free then, or why it
 * cannot be. Counts removed objects in `*reaped`. */
shmap__os_status shmap__posix_free_name(const char *path,
                                        enum shmap__posix_names names,
                                        unsigned *reaped);

/* draft.c */

/* Make a region, complete, and give it its name. `temporary_name`: it has
 * another one until then, where files cannot be made without a name.
 * SHMAP_ENOTSUP if this way is not there. */
shmap__os_status shmap__posix_region_make(shmap__os_object *object,
                                          const char *path,
                                          const shmap__os_request *request,
                                          const shmap__posix_rights *rights,
                                          bool temporary_name);

#endif
