/* SPDX-License-Identifier: MIT */

/* The functions of the shared library example. */
#ifndef SHARED_LIBRARY_H
#define SHARED_LIBRARY_H

#include <stddef.h>

#include "example.h"

/* Set the text that all processes with this library share: up to 255 bytes.
 * Returns 0 or an SHMAP_E... error. */
EXAMPLE_EXPORT int shared_set(const char *text);

/* Get it; "" if no process that is still running has set it. */
EXAMPLE_EXPORT int shared_get(char *text, size_t size);

#endif
