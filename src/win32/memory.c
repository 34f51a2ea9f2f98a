/* SPDX-License-Identifier: MIT */

/* The machine's memory, and making sure of room in files. */
#include "os.h"

bool shmap__os_memory(uint64_t *room)
{
    MEMORYSTATUSEX memory;

    memory.dwLength = sizeof memory;
    if (!GlobalMemoryStatusEx(&memory))
        return false;
    *room = memory.ullAvailPageFile;
    return true;
}

/* Making a section that is larger than a file extends the file, finds room for
 * it, and fails as a whole. Unlike SetEndOfFile it never cuts one that another
 * program extended meanwhile. */
shmap__os_status shmap__os_extend(HANDLE file, uint64_t size)
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
    if (shmap__os_is_no_room(error))
        return shmap__os_failed_as(SHMAP_ENOSPC, error);
    if (error == ERROR_INVALID_PARAMETER)
        return shmap__os_failed_as(SHMAP_E2BIG, error);
    return shmap__os_failed(error);
}
