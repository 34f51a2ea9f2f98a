/* SPDX-License-Identifier: MIT */

/* The machine's memory, and making sure of room in files. */
#include "win32/os.h"

#include <stdlib.h>
#include <winioctl.h>

/* Ask a file system, also through a handle that is overlapped. Returns 0 or an
 * error. */
static DWORD ask(HANDLE file, DWORD request, void *in, DWORD in_size, void *out,
                 DWORD out_size, DWORD *written)
{
    OVERLAPPED moment = {0};
    DWORD error = ERROR_SUCCESS;

    *written = 0;
    moment.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (moment.hEvent == NULL)
        return GetLastError();
    if (!DeviceIoControl(file, request, in, in_size, out, out_size, written,
                         &moment))
        error = GetLastError();
    if (error == ERROR_IO_PENDING)
        error = GetOverlappedResult(file, &moment, written, TRUE)
                    ? ERROR_SUCCESS
                    : GetLastError();
    CloseHandle(moment.hEvent);
    return error;
}

/* Only such files have ranges without room. */
static bool can_have_holes(HANDLE file)
{
    const DWORD kinds = FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_COMPRESSED;
    BY_HANDLE_FILE_INFORMATION info;

    return GetFileInformationByHandle(file, &info) &&
           (info.dwFileAttributes & kinds) != 0;
}

/* FILE_ALLOCATED_RANGE_BUFFER, which not every winioctl.h has. */
struct range {
    LARGE_INTEGER offset;
    LARGE_INTEGER length;
};

uint64_t shmap__win32_missing(HANDLE file, uint64_t size)
{
    enum { AT_ONCE = 64 };
    struct range found[AT_ONCE];
    uint64_t at = 0;
    uint64_t missing = 0;
    DWORD error = ERROR_MORE_DATA;

    if (!can_have_holes(file))
        return 0;
    while (at < size && error == ERROR_MORE_DATA) {
        struct range rest;
        DWORD written;

        rest.offset.QuadPart = (LONGLONG)at;
        rest.length.QuadPart = (LONGLONG)(size - at);
        error = ask(file, FSCTL_QUERY_ALLOCATED_RANGES, &rest, sizeof rest,
                    found, sizeof found, &written);
        if ((error != ERROR_SUCCESS && error != ERROR_MORE_DATA) ||
            (error == ERROR_MORE_DATA && written == 0))
            return 0; /* It cannot be told. */
        for (DWORD i = 0; i < written / sizeof found[0]; i++) {
            uint64_t start = (uint64_t)found[i].offset.QuadPart;
            uint64_t end = start + (uint64_t)found[i].length.QuadPart;

            missing += start > at ? start - at : 0;
            at = end > at ? end : at;
        }
    }
    return at < size ? missing + (size - at) : missing;
}

/* A file that is no longer to be sparse gets room for all of it, since Windows
 * 8; before, that had unpredictable results. */
shmap__os_status shmap__win32_fill(HANDLE file)
{
    shmap__os_status status = {SHMAP_ENOTSUP, 0,
                               "this system cannot fill a file's holes: copy "
                               "the file"};
    HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
    BOOLEAN sparse = FALSE;
    DWORD written;
    DWORD error;

    if (kernel == NULL ||
        GetProcAddress(kernel, "GetSystemTimePreciseAsFileTime") == NULL)
        return status;
    error =
        ask(file, FSCTL_SET_SPARSE, &sparse, sizeof sparse, NULL, 0, &written);
    if (error == ERROR_INVALID_FUNCTION || error == ERROR_NOT_SUPPORTED) {
        status.system = (int)error;
        return status;
    }
    return shmap__win32_failed(error);
}

bool shmap__win32_memory(uint64_t *room)
{
    MEMORYSTATUSEX memory;

    memory.dwLength = sizeof memory;
    if (!GlobalMemoryStatusEx(&memory))
        return false;
    *room = memory.ullAvailPageFile;
    return true;
}

/* Making a section that is larger than a file extends the file, finds room for
 * it, and fails as a whole. Unlike SetEndOfFile it never cuts a file that
 * another program extended meanwhile. */
shmap__os_status shmap__win32_extend(HANDLE file, uint64_t size)
{
    shmap__os_status done = {0, 0};
    HANDLE section =
        CreateFileMappingW(file, NULL, PAGE_READWRITE, (DWORD)(size >> 32),
                           (DWORD)(size & 0xFFFFFFFF), NULL);
    DWORD error = GetLastError();

    if (section != NULL) {
        CloseHandle(section);
        return done;
    }
    if (shmap__win32_is_no_room(error))
        return shmap__win32_failed_as(SHMAP_ENOSPC, error);
    if (error == ERROR_INVALID_PARAMETER)
        return shmap__win32_failed_as(SHMAP_E2BIG, error);
    return shmap__win32_failed(error);
}

/* Return the folder of a file, for the caller to free; NULL if there is no
 * memory, or the path does not exist. */
static wchar_t *folder_of(const char *path)
{
    wchar_t *wide;
    wchar_t *full;
    wchar_t *file = NULL;
    DWORD size;

    if (shmap__win32_utf16(&wide, path).code < 0)
        return NULL;
    size = GetFullPathNameW(wide, 0, NULL, NULL);
    full = size == 0 ? NULL : malloc(size * sizeof *full);
    if (full != NULL) {
        DWORD used = GetFullPathNameW(wide, size, full, &file);

        if (used == 0 || used >= size) {
            free(full);
            full = NULL;
        } else if (file != NULL) {
            *file = L'\0';
        }
    }
    free(wide);
    return full;
}

static bool disk_room(const char *path, uint64_t *room)
{
    wchar_t *folder = folder_of(path);
    ULARGE_INTEGER available;
    BOOL done;

    if (folder == NULL)
        return false;
    done = GetDiskFreeSpaceExW(folder, &available, NULL, NULL);
    free(folder);
    if (done)
        *room = available.QuadPart;
    return done != FALSE;
}

bool shmap__os_room(int kind, const char *path, uint64_t *room,
                    const char **where)
{
    if (kind == SHMAP_KIND_FILE ? !disk_room(path, room)
                                : !shmap__win32_memory(room))
        return false;
    *where = kind == SHMAP_KIND_FILE ? "the file system" : "the commit limit";
    return true;
}
