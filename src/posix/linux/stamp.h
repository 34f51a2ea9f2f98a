/* SPDX-License-Identifier: MIT */

/* The proof of a name: a stamp on the object, which only its owner can write.
 */
#ifndef SHMAP_POSIX_LINUX_STAMP_H
#define SHMAP_POSIX_LINUX_STAMP_H

#include "posix/os.h"

enum shmap__posix_proof {
    SHMAP__POSIX_PROOF_NONE, /* there is no stamp */
    SHMAP__POSIX_PROOF_NAME, /* the owner gave the object this name */
    SHMAP__POSIX_PROOF_OTHER /* the owner gave it another name: this one is a
                                link */
};

/* Stamp a new object with the name that it will have, without a slash. Returns
 * 0 or errno. */
int shmap__posix_stamp_put(int fd, const char *name);

/* Compare the object's stamp with the name. `stat` is the descriptor's. */
enum shmap__posix_proof shmap__posix_stamp_check(int fd,
                                                 const struct stat *stat,
                                                 const char *name);

/* Return whether stamps last: false on a file system that notes every access.
 */
bool shmap__posix_stamp_lasts(int fd);

#endif
