/* SPDX-License-Identifier: MIT */

/* The system's own calls on Windows, as a program without a library would
 * write them: what everything else is compared with.
 */
#include "../peer.h"

#include <stdint.h>
#include "win32/api.h"

static HANDLE section;
static void *data;

static void find_name(wchar_t *out, const char *name)
{
    static const wchar_t prefix[] = L"Local\\";
    size_t used = sizeof prefix / sizeof *prefix - 1;

    for (size_t i = 0; i < used; i++)
        out[i] = prefix[i];
    while (*name != '\0')
        out[used++] = (wchar_t)*name++;
    out[used] = L'\0';
}

static void *map(void)
{
    if (section == NULL)
        return NULL;
    data = MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
    if (data == NULL)
        CloseHandle(section);
    return data;
}

static void *raw_create(const char *name, size_t size)
{
    wchar_t wide[64];

    find_name(wide, name);
    section =
        CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                           (DWORD)((uint64_t)size >> 32), (DWORD)size, wide);
    return map();
}

static void *raw_open(const char *name, size_t size)
{
    wchar_t wide[64];
    MEMORY_BASIC_INFORMATION info;

    (void)size;
    find_name(wide, name);
    section = OpenFileMappingW(FILE_MAP_READ | FILE_MAP_WRITE, FALSE, wide);
    if (map() == NULL)
        return NULL;
    /* The size, as fstat tells it elsewhere. */
    VirtualQuery(data, &info, sizeof info);
    return data;
}

static void raw_close(void)
{
    UnmapViewOfFile(data);
    CloseHandle(section);
}

/* The last one to close frees the region. */
static void raw_destroy(const char *name)
{
    (void)name;
    raw_close();
}

const bench_peer bench_raw = {
    "raw", raw_create, raw_destroy, raw_open, raw_close,
};
