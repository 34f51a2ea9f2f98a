/* SPDX-License-Identifier: MIT */

/* The form of the names of shared memory objects on POSIX systems. */
#include "posix/os.h"

#include <string.h>
#include <unistd.h>

/* Opening a region is a matter of microseconds: printf is a part of one. */
static char *append_number(char *out, unsigned long number)
{
    char digits[3 * sizeof number];
    size_t used = 0;

    do {
        digits[used++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (used > 0)
        *out++ = digits[--used];
    return out;
}

void shmap__os_name_prefix(char *out, int scope)
{
    static const char begin[] = "/shmap.";

    memcpy(out, begin, sizeof begin);
    out += sizeof begin - 1;
    if (scope == SHMAP_SCOPE_USER) {
        out = append_number(out, geteuid());
        memcpy(out, ".", sizeof ".");
    }
}

/* The form that POSIX specifies, one slash at the beginning, which may be
 * missing, and no other. */
bool shmap__os_native_name_valid(const char *name)
{
    const char *rest = name + (name[0] == '/');

    return rest[0] != '\0' && strlen(rest) <= 255 &&
           strchr(rest, '/') == NULL && strcmp(rest, ".") != 0 &&
           strcmp(rest, "..") != 0;
}
