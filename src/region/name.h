/* SPDX-License-Identifier: MIT */

/* From a region's name to the system's. */
#ifndef SHMAP_NAME_H
#define SHMAP_NAME_H

#include <stdbool.h>

#include "platform.h"

/* Room for any name that shmap derives, with its NUL. */
enum { SHMAP__NAME_SPACE = 320 };

/* Find the system's name for `name`: `*os_name` points into `space`, or is
 * `name` itself in native scope. SHMAP_ENAME if the name is not valid. The
 * scope is. */
shmap__os_status shmap__name_resolve(const char **os_name,
                                     char space[SHMAP__NAME_SPACE],
                                     const char *name, int scope);

/* Whether a name is valid in native scope. */
bool shmap__name_is_native(const char *name);

/* Whether a string is well-formed UTF-8 of one byte or more. */
bool shmap__name_is_utf8(const char *name);

#endif
