/* SPDX-License-Identifier: MIT */

/* What several of the examples need and C does not have. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include <shmap.h>

/* For the functions of the shared library. CMake defines this macro when it
 * compiles a shared library of that name. */
#if defined(_WIN32) && defined(shared_library_EXPORTS)
#define EXAMPLE_EXPORT __declspec(dllexport)
#elif !defined(_WIN32) && defined(__GNUC__)
#define EXAMPLE_EXPORT __attribute__((visibility("default")))
#else
#define EXAMPLE_EXPORT
#endif

/* Sleep for about a millisecond. */
void example_pause(void);

/* A number below the limit, at random. */
uint64_t example_random(uint64_t limit);

/* Make the region of this name and map it; or, with size 0, map the existing
 * one. Returns the result of shmap. */
int example_map(shmap_view *view, const char *name, uint64_t size);

/* Say on stderr what went wrong, with all that shmap knows about it. Returns
 * EXIT_FAILURE. */
int example_failed(const char *what, int error);

/* If *argument is this option, step to the word after it and return that; else
 * NULL, also when no word follows. */
const char *example_value(char ***argument, const char *option);

/* Read a number from min to max; false if the text is not one. */
bool example_number(const char *text, uint64_t min, uint64_t max,
                    uint64_t *number);

#endif
