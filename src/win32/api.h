/* SPDX-License-Identifier: MIT */

/* The system's own header as of Windows 7; what is newer is looked up. Which
 * Windows a project around this one asks for by macros makes no difference
 * here, and must not: the same macro twice on a command line is a warning.
 */
#ifndef SHMAP_WIN32_API_H
#define SHMAP_WIN32_API_H

#undef _WIN32_WINNT
#undef WINVER
#undef NTDDI_VERSION
#define _WIN32_WINNT 0x0601
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

#endif
