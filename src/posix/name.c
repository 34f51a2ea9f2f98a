/* SPDX-License-Identifier: MIT */

/* What names of shared memory objects look like on POSIX systems. */
#include "os.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void shmap__os_name_prefix(char *out, int scope)
{
    if (scope == SHMAP_SCOPE_USER)
        snprintf(out, 64, "/shmap.%lu.", (unsigned long)geteuid());
    else
        snprintf(out, 64, "/shmap.");
}

/* The form that POSIX specifies, a slash and then none, with or without the
 * first. */
bool shmap__os_native_name_valid(const char *name)
{
    const char *rest = name + (name[0] == '/');

    return rest[0] != '\0' && strlen(rest) <= 255 &&
           strchr(rest, '/') == NULL && strcmp(rest, ".") != 0 &&
           strcmp(rest, "..") != 0;
}
