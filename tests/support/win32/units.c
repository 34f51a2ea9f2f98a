/* SPDX-License-Identifier: MIT */

/* What the unit tests need beyond support.h, on Windows. */

#include "../units.h"

#include "win32/api.h"

static wchar_t *wide(const char *text)
{
    static wchar_t out[32768];

    if (MultiByteToWideChar(CP_UTF8, 0, text, -1, out, 32768) == 0)
        out[0] = 0;
    return out;
}

void *units_reserve(size_t size)
{
    /* The system hands out multiples of 64 KiB by itself. */
    return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void units_release(void *address, size_t size)
{
    (void)size;
    VirtualFree(address, 0, MEM_RELEASE);
}

bool units_has_modes(void)
{
    return false;
}

unsigned units_file_mode(const char *path)
{
    (void)path;
    return 0;
}

unsigned units_set_umask(unsigned mask)
{
    (void)mask;
    return 0;
}

/* The read-only attribute stops everybody, but for Wine's root. */
bool units_obeys_modes(void)
{
    wchar_t folder[MAX_PATH];
    wchar_t path[MAX_PATH];
    HANDLE file;

    if (GetTempPathW(MAX_PATH, folder) == 0 ||
        GetTempFileNameW(folder, L"shm", 0, path) == 0)
        return false;
    SetFileAttributesW(path, FILE_ATTRIBUTE_READONLY);
    file = CreateFileW(path, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
    SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL);
    DeleteFileW(path);
    return file == INVALID_HANDLE_VALUE;
}

bool units_make_fifo(const char *path)
{
    (void)path;
    return false;
}

bool units_make_link(const char *path, const char *target)
{
    (void)path, (void)target;
    return false; /* Most users may not. */
}

intptr_t units_lease(const char *path)
{
    (void)path;
    return -1;
}

const char *units_memory_folder(void)
{
    return NULL;
}

const char *units_device(void)
{
    return "NUL";
}

const char *units_unmappable_file(void)
{
    return NULL;
}

const char *const *units_reserved_names(void)
{
    static const char *const names[] = {"CON",  "con",  "PRN", "AUX",
                                        "COM1", "LPT9", NULL};

    return names;
}

intptr_t units_memory(uint64_t size, bool writable)
{
    HANDLE whole =
        CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                           (DWORD)(size >> 32), (DWORD)size, NULL);
    if (whole == NULL)
        return -1;
    if (writable)
        return (intptr_t)whole;

    HANDLE reader = NULL;
    DuplicateHandle(GetCurrentProcess(), whole, GetCurrentProcess(), &reader,
                    FILE_MAP_READ | SECTION_QUERY, FALSE, 0);
    CloseHandle(whole);
    return reader == NULL ? -1 : (intptr_t)reader;
}

intptr_t units_open_file(const char *path, bool writable)
{
    DWORD access = writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

    return (intptr_t)CreateFileW(wide(path), access, share, NULL, OPEN_EXISTING,
                                 FILE_ATTRIBUTE_NORMAL, NULL);
}

intptr_t units_pipe(intptr_t *other)
{
    HANDLE from, to;

    if (!CreatePipe(&from, &to, NULL, 0))
        return -1;
    *other = (intptr_t)to;
    return (intptr_t)from;
}

intptr_t units_directory(void)
{
    return (intptr_t)CreateFileW(L".", GENERIC_READ, FILE_SHARE_READ, NULL,
                                 OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS,
                                 NULL);
}

intptr_t units_bad_handle(void)
{
    return 0x7ffffff0;
}

bool units_is_open(intptr_t handle)
{
    DWORD flags;

    return GetHandleInformation((HANDLE)handle, &flags) != 0;
}

bool units_is_inheritable(intptr_t handle)
{
    DWORD flags;

    return GetHandleInformation((HANDLE)handle, &flags) != 0 &&
           (flags & HANDLE_FLAG_INHERIT) != 0;
}

bool units_make_inheritable(intptr_t handle)
{
    return SetHandleInformation((HANDLE)handle, HANDLE_FLAG_INHERIT,
                                HANDLE_FLAG_INHERIT) != 0;
}

intptr_t units_copy(intptr_t handle)
{
    HANDLE copy = NULL;

    DuplicateHandle(GetCurrentProcess(), (HANDLE)handle, GetCurrentProcess(),
                    &copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
    return copy == NULL ? -1 : (intptr_t)copy;
}

bool units_lock_and_unlock(intptr_t handle)
{
    (void)handle;
    return true;
}

bool units_replace(intptr_t number, intptr_t with)
{
    (void)number;
    (void)with;
    return false;
}

const char *const *units_native_names(void)
{
    static const char *const names[] = {"shmap-unit-native",
                                        "Local\\shmap-unit-native",
                                        "Global\\shmap-unit-native",
                                        "a b",
                                        "gr\303\266\303\237e",
                                        "for/ward",
                                        NULL};

    return names;
}

const char *const *units_bad_native_names(void)
{
    static const char *const names[] = {
        "a\\b",          "Local\\",      "Global\\",
        "Local\\Global", "Local\\Local", "Local\\Session",
        "\\a",           "Local\\a\\b",  NULL};

    return names;
}

/* A scope in front counts as what it stands for: how long that is, depends on
 * the session. */
const char *units_native_start(void)
{
    return "";
}

size_t units_native_limit(void)
{
    return 32766;
}

size_t units_native_limit_wide(void)
{
    return 32766 / 2;
}

size_t units_derived_limit(void)
{
    return 255;
}

void units_name_prefix(char *out, int scope)
{
    strcpy(out, scope == SHMAP_SCOPE_USER ? "Local\\shmap." : "Global\\shmap.");
}

uint64_t units_too_much_memory(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof status};

    /* What emulates Windows promises memory that it does not have. */
    if (os_is_emulated() || !GlobalMemoryStatusEx(&status))
        return 0;
    return status.ullTotalPageFile + 64 * GiB;
}
