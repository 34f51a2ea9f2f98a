/* SPDX-License-Identifier: MIT */

/* Files by their UTF-8 paths, beside file_write and file_read. The same on
 * every system.
 */
#ifndef SHMAP_TEST_FILES_H
#define SHMAP_TEST_FILES_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes; UINT64_MAX if there is no such thing. */
uint64_t file_size(const char *path);
bool file_exists(const char *path);
/* Fails on Windows while views are mapped. */
bool file_resize(const char *path, uint64_t size);
/* POSIX mode bits; on Windows the owner's right to write alone counts. */
bool file_set_mode(const char *path, int mode);
/* False if there is none. Ends what could be in the way of that. */
bool file_remove(const char *path);
bool file_rename(const char *path, const char *to);
bool folder_make(const char *path);
/* Make it the current one. */
bool folder_enter(const char *path);
bool folder_remove(const char *path);

#endif
