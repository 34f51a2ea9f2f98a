/* SPDX-License-Identifier: MIT */

/* Locks beside named regions, for systems whose shared memory objects cannot be
 * locked themselves. lifetime.c says how they work together.
 */
#ifndef SHMAP_POSIX_LOCKFILE_LIFETIME_H
#define SHMAP_POSIX_LOCKFILE_LIFETIME_H

#include "posix/os.h"

/* A name, as one user's objects have it, and that user's lock files for it. */
typedef struct shmap__posix_place {
    uid_t owner;
    char name[sizeof "/" + 255];
    char gate[320];
    char mark[320];
} shmap__posix_place;

void shmap__posix_place_find(shmap__posix_place *place, const char *os_name,
                             uid_t owner);

enum { SHMAP__FOLDER_SPACE = 64 };

/* The folder of a user's marks, which are named as their objects. False if
 * there is none, or it is not to be trusted. */
bool shmap__posix_marks_folder(char path[SHMAP__FOLDER_SPACE], uid_t owner);

/* Make this user's folders of locks. */
shmap__os_status shmap__posix_folders_make(void);

/* Begin a step: nobody else does anything to the place until it is over, and
 * fork is kept out. SHMAP_ENOENT if the place has no gate, and so no region. */
shmap__os_status shmap__posix_gate_enter(const shmap__posix_place *place,
                                         int *gate);
void shmap__posix_gate_leave(const shmap__posix_place *place, int gate);

/* shm_open for what is there. SHMAP_ETYPE if it is no memory. */
shmap__os_status shmap__posix_memory_open(const char *name, int access, int *fd,
                                          struct stat *stat);

/* What has the name. Descriptors are above 2; `mark` is -1 if there is none. */
typedef struct shmap__posix_found {
    enum { SHMAP__LIVE, SHMAP__DEAD, SHMAP__FOREIGN } state;
    int fd;
    int mark;
    struct stat stat;
} shmap__posix_found;

/* The rest happens inside a step. */

/* Look at what has the name. SHMAP_ENOENT if nothing has. */
shmap__os_status shmap__posix_place_look(const shmap__posix_place *place,
                                         int access, shmap__posix_found *found);
void shmap__posix_found_close(const shmap__posix_found *found);

/* Remove a dead region. SHMAP_ESTALE if that is another user's right. */
shmap__os_status shmap__posix_place_remove(const shmap__posix_place *place);

/* Free the name if what has it is dead. SHMAP_EEXIST if it is not. Adds one to
 * `*reaped` if there was something. */
shmap__os_status shmap__posix_place_free(const shmap__posix_place *place,
                                         unsigned *reaped);

/* A new mark for a new object, or -1 and errno. */
int shmap__posix_mark_make(const shmap__posix_place *place);

/* Note what object a mark is for, and hold it. 0 or errno. */
int shmap__posix_mark_hold(int mark, const struct stat *object);

/* Note the held mark in the object. */
void shmap__posix_mark_keep(shmap__os_object *object, int mark);

#endif
