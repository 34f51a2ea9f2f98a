/* SPDX-License-Identifier: MIT */

/* The library's version. */
#include "shmap/version.h"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *shmap_version(void)
{
    return TEXT(SHMAP_VERSION_MAJOR) "." TEXT(SHMAP_VERSION_MINOR) "." TEXT(
        SHMAP_VERSION_PATCH);
}
