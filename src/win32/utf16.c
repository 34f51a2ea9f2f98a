/* SPDX-License-Identifier: MIT */

/* UTF-8, which shmap speaks, as the UTF-16 that Windows speaks. */
#include "win32/os.h"

#include <stdlib.h>

shmap__os_status shmap__win32_utf16(wchar_t **out, const char *text)
{
    shmap__os_status done = {0, 0};
    int units =
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide;

    if (units == 0)
        return shmap__win32_failed_as(SHMAP_ENAME, GetLastError());
    wide = malloc((size_t)units * sizeof *wide);
    if (wide == NULL)
        return shmap__win32_failed_as(SHMAP_ENOMEM, 0);
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, units);
    *out = wide;
    return done;
}
