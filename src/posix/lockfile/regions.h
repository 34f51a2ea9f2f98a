/* SPDX-License-Identifier: MIT */

/* Locks beside named regions, for systems on which shared memory objects cannot
 * be locked themselves. lifetime.c says how they work together.
 */
#ifndef SHMAP_POSIX_LOCKFILE_REGIONS_H
#define SHMAP_POSIX_LOCKFILE_REGIONS_H

#include "posix/os.h"

/* lock_files.c */

/* A name, as one user's objects have it, and that user's lock files for it. */
typedef struct shmap__posix_lock_files {
    uid_t owner;
    char name[sizeof "/" + 255];
    char gate[320];
    char mark[320];
} shmap__posix_lock_files;

void shmap__posix_lock_files_find(shmap__posix_lock_files *files,
                                  const char *os_name, uid_t owner);

enum { SHMAP__POSIX_FOLDER_SPACE = 64 };

/* Find the folder of a user's marks, which are named as their objects. Returns
 * false if the folder does not exist, or cannot be trusted. */
bool shmap__posix_marks_folder(char path[SHMAP__POSIX_FOLDER_SPACE],
                               uid_t owner);

/* Make this user's folders of locks. */
shmap__os_status shmap__posix_folders_make(void);

/* Open a lock file. -1 and errno. */
int shmap__posix_lock_file_open(const char *path, int flags);

/* Begin a step: no other process does anything to the name until it is over,
 * and fork is kept out. SHMAP_ENOENT if there is no gate, and so no region. */
shmap__os_status shmap__posix_gate_enter(const shmap__posix_lock_files *files,
                                         int *gate);
void shmap__posix_gate_leave(const shmap__posix_lock_files *files, int gate);

/* The rest happens inside a step. */

/* Make a new mark for a new object. -1 and errno. */
int shmap__posix_mark_make(const shmap__posix_lock_files *files);

/* Note the identity of its object in a mark, and hold the mark. Returns 0 or
 * errno. */
int shmap__posix_mark_hold(int mark, const struct stat *object);

/* Note the held mark in the object. */
void shmap__posix_mark_keep(shmap__os_object *object, int mark);

/* The content of a mark. */
typedef struct shmap__posix_note {
    bool held;
    bool noted;
    uint64_t identity[2];
} shmap__posix_note;

shmap__posix_note shmap__posix_mark_read(int mark);

/* Return whether a mark is that of the object. */
bool shmap__posix_mark_is_of(const shmap__posix_note *note,
                             const struct stat *object);

/* lifetime.c */

/* Open the object of a name, also outside a step. SHMAP_ETYPE if it is no
 * memory. */
shmap__os_status shmap__posix_memory_open(const char *name, int access, int *fd,
                                          struct stat *stat);

/* The object of a name. Descriptors are above 2; `mark` is -1 without a mark.
 */
typedef struct shmap__posix_found {
    enum { SHMAP__POSIX_LIVE, SHMAP__POSIX_DEAD, SHMAP__POSIX_FOREIGN } state;
    int fd;
    int mark;
    struct stat stat;
} shmap__posix_found;

/* Find the object of a name. SHMAP_ENOENT if no object has it. */
shmap__os_status shmap__posix_find(const shmap__posix_lock_files *files,
                                   int access, shmap__posix_found *found);
void shmap__posix_found_close(const shmap__posix_found *found);

/* reap.c */

/* Remove a dead region. SHMAP_ESTALE if that is another user's right. */
shmap__os_status shmap__posix_dead_remove(const shmap__posix_lock_files *files);

/* Free the name if its object is dead. SHMAP_EEXIST if it is not. Adds one to
 * `*reaped` if there was something. */
shmap__os_status shmap__posix_dead_free(const shmap__posix_lock_files *files,
                                        unsigned *reaped);

/* End a step by which a holder has left: free the name unless another holder is
 * left. Returns whether one is. */
bool shmap__posix_leave(const shmap__posix_lock_files *files, int gate);

#endif
