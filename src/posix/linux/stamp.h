/* SPDX-License-Identifier: MIT */

/* The proof of a name: a stamp on the object, which only its owner can write.
 */
#ifndef SHMAP_POSIX_LINUX_STAMP_H
#define SHMAP_POSIX_LINUX_STAMP_H

#include "posix/os.h"

enum shmap__proof {
    SHMAP__PROOF_NONE, /* there is no stamp */
    SHMAP__PROOF_NAME, /* the owner gave the object this name */
    SHMAP__PROOF_OTHER /* the owner gave it another name: this one is a link */
};

/* Stamp a new object with the name that it will have, without a slash. Returns
 * 0 or errno. */
int shmap__stamp_put(int fd, const char *name);

/* Compare the object's stamp with the name. `stat` is the descriptor's. */
enum shmap__proof shmap__stamp_check(int fd, const struct stat *stat,
                                     const char *name);

/* Return whether stamps last: false on a file system that notes every access.
 */
bool shmap__stamp_lasts(int fd);

#endif
