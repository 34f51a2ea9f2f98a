/* SPDX-License-Identifier: MIT */

/* The functions by which a child begins afresh after fork, listed above the
 * files that do it: they use fork.c, which calls these. */
#include "posix/os.h"

void (*const shmap__posix_child_begins[])(void) = {
    shmap__posix_identity_forget,
    shmap__posix_later_forget,
    NULL,
};
