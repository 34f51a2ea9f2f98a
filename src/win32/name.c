/* SPDX-License-Identifier: MIT */

/* Names as Windows has them: a folder that is a scope, then the name. */
#include "win32/os.h"

#include <string.h>

/* A name has less than this many UTF-16 units. Longer ones must not reach the
 * system: Wine cuts them, and two that differ at the end would be one. */
enum { UNITS_LIMIT = 32767 };

void shmap__os_name_prefix(char *out, int scope)
{
    strcpy(out,
           scope == SHMAP_SCOPE_MACHINE ? "Global\\shmap." : "Local\\shmap.");
}

/* Return how many UTF-16 units valid UTF-8 becomes: one for each sequence, two
 * for those of four bytes. */
static size_t utf16_units(const char *name)
{
    size_t units = 0;

    for (; *name != '\0'; name++) {
        unsigned char byte = (unsigned char)*name;

        if ((byte & 0xC0) != 0x80)
            units += byte < 0xF0 ? 1U : 2U;
    }
    return units;
}

/* Return the rest of `name` after `folder`; NULL if it does not start with
 * that. */
static const char *after(const char *name, const char *folder)
{
    size_t size = strlen(folder);

    return strncmp(name, folder, size) == 0 ? name + size : NULL;
}

/* Return the rest of a name after its scope: Local\, Global\ or Session\ and a
 * number. */
static const char *skip_scope(const char *name)
{
    const char *rest = after(name, "Local\\");

    if (rest == NULL)
        rest = after(name, "Global\\");
    if (rest == NULL && (rest = after(name, "Session\\")) != NULL) {
        size_t digits = strspn(rest, "0123456789");

        if (digits == 0 || rest[digits] != '\\')
            return name;
        rest += digits + 1;
    }
    return rest == NULL ? name : rest;
}

bool shmap__os_native_name_valid(const char *name)
{
    const char *rest = skip_scope(name);

    if (rest[0] == '\0' || strchr(rest, '\\') != NULL)
        return false;
    /* Each scope has links of these names in it. */
    if (strcmp(rest, "Local") == 0 || strcmp(rest, "Global") == 0 ||
        strcmp(rest, "Session") == 0)
        return false;
    return utf16_units(name) < UNITS_LIMIT;
}
