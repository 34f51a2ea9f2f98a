/* SPDX-License-Identifier: MIT */

/* The version of the header and of the library. */
#ifndef SHMAP_VERSION_H
#define SHMAP_VERSION_H

#include "export.h"

#define SHMAP_VERSION_MAJOR 0
#define SHMAP_VERSION_MINOR 1
#define SHMAP_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, as in "0.1.0". The string is static.
 *
 * Compare it with the SHMAP_VERSION_ macros to see whether the program runs
 * with the library that it was compiled for. Since 0.1.
 */
SHMAP_API const char *shmap_version(void);

#ifdef __cplusplus
}
#endif

#endif
