/* SPDX-License-Identifier: MIT */

/* A program of mingw-w64 has the old C run-time, which lacks the function that
 * Microsoft's headers make of vsnprintf. */
#include <stdarg.h>
#include <stdio.h>

static int print(unsigned long long options, char *out, size_t room,
                 const char *format, void *locale, va_list arguments)
{
    (void)options, (void)locale;
    return vsnprintf(out, room, format, arguments);
}

int (*__imp___stdio_common_vsprintf)(unsigned long long, char *, size_t,
                                     const char *, void *, va_list) = print;
