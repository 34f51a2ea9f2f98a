/* SPDX-License-Identifier: MIT */

/* The numbers by which processes on Linux are known: thread.c. */
#ifndef SHMAP_POSIX_IDENTITY_H
#define SHMAP_POSIX_IDENTITY_H

#include "posix/os.h"

/* Find what this process is known by. `*tag` is 0 if that is only the
 * numbers of its threads. SHMAP_EMFILE. */
shmap__os_status shmap__posix_identity_find(uint32_t *tag);

/* Whether a tag is this process's, or one of its PID namespace, or none.
 */
enum shmap__posix_kinship {
    SHMAP__POSIX_SELF,
    SHMAP__POSIX_NEIGHBOUR,
    SHMAP__POSIX_STRANGER,
    SHMAP__POSIX_NOBODY
};
enum shmap__posix_kinship shmap__posix_identity_of(uint32_t tag);

#endif
