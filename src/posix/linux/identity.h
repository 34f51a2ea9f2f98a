/* SPDX-License-Identifier: MIT */

/* The numbers by which processes on Linux are known: thread.c. */
#ifndef SHMAP_POSIX_IDENTITY_H
#define SHMAP_POSIX_IDENTITY_H

#include "posix/os.h"

/* Find the tag of this process. `*own` is 0 if it is known only by the numbers
 * of its threads. SHMAP_EMFILE. */
shmap__os_status shmap__posix_identity_find(uint32_t *own);

/* A tag is that of this process, of one in its PID namespace, of one in
 * another, or of no process. */
enum shmap__posix_kinship {
    SHMAP__POSIX_SELF,
    SHMAP__POSIX_NEIGHBOUR,
    SHMAP__POSIX_STRANGER,
    SHMAP__POSIX_NO_PROCESS
};
enum shmap__posix_kinship shmap__posix_identity_of(uint32_t other);

#endif
