/* SPDX-License-Identifier: MIT */

/* From a region's name to the system's. */
#ifndef SHMAP_NAME_H
#define SHMAP_NAME_H

#include <stdbool.h>

/* Room for any name that shmap derives, with its NUL. */
enum { SHMAP__NAME_SPACE = 320 };

/* The system's name for `name`, which lies in `space`, or is `name` itself in
 * native scope. NULL if the name is not valid. The scope is. */
const char *shmap__name_resolve(char space[SHMAP__NAME_SPACE], const char *name,
                                int scope);

/* Whether a string is well-formed UTF-8 of one byte or more. */
bool shmap__name_is_utf8(const char *name);

#endif
