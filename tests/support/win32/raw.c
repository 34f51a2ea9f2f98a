/* SPDX-License-Identifier: MIT */

/* The system's own calls behind the library's back, Windows. Kernel objects
 * vanish with their last handle, so what is planted is held by its handle. */

#include "../support.h"

#include <windows.h>

#define CHARACTERS 512

static const wchar_t *wide(wchar_t *out, const char *name)
{
    if (MultiByteToWideChar(CP_UTF8, 0, name, -1, out, CHARACTERS) == 0)
        out[0] = L'\0';
    return out;
}

static HANDLE as_handle(intptr_t handle)
{
    return (HANDLE)handle;
}

/* A section without a single committed page is how one that nobody has sized
 * yet looks here. */
static HANDLE plant_section(const wchar_t *name, uint64_t size, DWORD flags)
{
    HANDLE handle =
        CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | flags,
                           (DWORD)(size >> 32), (DWORD)size, name);
    if (handle != NULL && GetLastError() == ERROR_ALREADY_EXISTS) {
        CloseHandle(handle);
        handle = NULL;
    }
    return handle;
}

intptr_t raw_plant(const char *os_name, enum raw_kind kind, uint64_t size,
                   unsigned mode)
{
    wchar_t name[CHARACTERS];
    HANDLE handle = NULL;
    (void)mode;
    wide(name, os_name);
    switch (kind) {
    case RAW_REGION:
        handle = plant_section(name, size, 0);
        break;
    case RAW_EMPTY:
        handle = plant_section(name, 1 << 20, SEC_RESERVE);
        break;
    case RAW_MUTEX:
        handle = CreateMutexW(NULL, FALSE, name);
        break;
    case RAW_FIFO:
    case RAW_DIRECTORY:
    case RAW_SYMLINK:
        break;
    }
    return handle == NULL ? -1 : (intptr_t)handle;
}

bool raw_can_plant(enum raw_kind kind)
{
    return kind == RAW_REGION || kind == RAW_EMPTY || kind == RAW_MUTEX;
}

intptr_t raw_open(const char *os_name)
{
    wchar_t name[CHARACTERS];
    HANDLE handle = OpenFileMappingW(FILE_MAP_READ | FILE_MAP_WRITE, FALSE,
                                     wide(name, os_name));
    return handle == NULL ? -1 : (intptr_t)handle;
}

void raw_close(intptr_t handle)
{
    if (handle > 0)
        CloseHandle(as_handle(handle));
}

static bool copy(intptr_t handle, uint64_t offset, void *data, size_t size,
                 bool write)
{
    char *view = MapViewOfFile(as_handle(handle),
                               FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
    if (view == NULL)
        return false;
    if (write)
        memcpy(view + offset, data, size);
    else
        memcpy(data, view + offset, size);
    UnmapViewOfFile(view);
    return true;
}

bool raw_read(intptr_t handle, uint64_t offset, void *data, size_t size)
{
    return copy(handle, offset, data, size, false);
}

bool raw_write(intptr_t handle, uint64_t offset, const void *data, size_t size)
{
    return copy(handle, offset, (void *)(uintptr_t)data, size, true);
}

bool raw_resize(intptr_t handle, uint64_t size)
{
    /* Committing pages is all that a section's size can do. */
    void *view = MapViewOfFile(as_handle(handle),
                               FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
    bool done = view != NULL && VirtualAlloc(view, (SIZE_T)size, MEM_COMMIT,
                                             PAGE_READWRITE) != NULL;
    if (view != NULL)
        UnmapViewOfFile(view);
    return done;
}

static bool exists(const wchar_t *name)
{
    HANDLE handle = OpenFileMappingW(FILE_MAP_READ, FALSE, name);
    if (handle == NULL)
        /* Of another kind, or not for us: there all the same. */
        return GetLastError() != ERROR_FILE_NOT_FOUND;
    CloseHandle(handle);
    return true;
}

bool raw_exists(const char *os_name)
{
    wchar_t name[CHARACTERS];
    return exists(wide(name, os_name));
}

uint64_t raw_size(const char *os_name)
{
    wchar_t name[CHARACTERS];
    HANDLE handle = OpenFileMappingW(FILE_MAP_READ, FALSE, wide(name, os_name));
    if (handle == NULL)
        return 0;
    MEMORY_BASIC_INFORMATION info = {0};
    void *view = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0);
    if (view != NULL) {
        VirtualQuery(view, &info, sizeof info);
        UnmapViewOfFile(view);
    }
    CloseHandle(handle);
    return info.RegionSize;
}

unsigned raw_mode(const char *os_name)
{
    (void)os_name;
    return 0;
}

bool raw_set_mode(const char *os_name, unsigned mode)
{
    (void)os_name;
    (void)mode;
    return false;
}

bool raw_remove(const char *os_name)
{
    (void)os_name;
    return false;
}

bool raw_hard_link(const char *os_name, const char *second)
{
    (void)os_name;
    (void)second;
    return false;
}

bool raw_hold(intptr_t handle)
{
    return handle > 0;
}

bool raw_is_held(const char *os_name)
{
    return raw_exists(os_name);
}

unsigned raw_count(const char *os_name_prefix)
{
    (void)os_name_prefix;
    return 0;
}
