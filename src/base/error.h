/* SPDX-License-Identifier: MIT */

/* How the portable files turn what happened into a result. */
#ifndef SHMAP_ERROR_INTERNAL_H
#define SHMAP_ERROR_INTERNAL_H

#include "base/compiler.h"
#include "platform.h"

/* A failure that the library itself found, and in words: which argument, and
 * the cure. */
shmap__os_status shmap__refuse(int code);
shmap__os_status shmap__refuse_because(int code, const char *detail);

/* End of a public call: the status's code, after remembering, if it is an
 * error, what shmap_system_error and shmap_error_detail answer. */
int shmap__result(shmap__os_status status);

/* Remember a failure of this thread, of which only the code is passed on.
 * Returns the code. */
int shmap__remember(shmap__os_status status);

/* End of a public call with such a code, or with another error code, of which
 * there is nothing more to say. */
SHMAP__SLOW_PATH int shmap__result_remembered(int error);

/* What an error means in a certain call. */
typedef struct shmap__meaning {
    int code;
    const char *detail;
} shmap__meaning;

/* The same for a call with such a list, which ends with a code of 0. */
int shmap__result_meaning(shmap__os_status status, const shmap__meaning *list);

/* The same for a call about a region of this kind, name (for SHMAP_KIND_FILE:
 * path) and size. */
int shmap__result_of_region(shmap__os_status status, int kind,
                            const char *os_name, uint64_t size);

#endif
