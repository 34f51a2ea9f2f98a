/* SPDX-License-Identifier: MIT */

/* How the library's functions are exported. Programs that use shmap define
 * nothing: a call works the same against the static and the shared library.
 */
#ifndef SHMAP_EXPORT_H
#define SHMAP_EXPORT_H

#if defined(SHMAP_BUILDING_SHARED) && defined(_WIN32)
#define SHMAP_API __declspec(dllexport)
#elif defined(SHMAP_BUILDING_SHARED) && defined(__GNUC__)
#define SHMAP_API __attribute__((visibility("default")))
#else
#define SHMAP_API
#endif

#endif
