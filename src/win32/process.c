/* SPDX-License-Identifier: MIT */

/* Processes on Windows: the system's number for one, and a hash of when it
 * began, as for threads (thread.c). */
#include "win32/os.h"

enum { TIME_SHIFT = 32 };

/* Return 0 if the system does not tell. */
static uint64_t number_of(HANDLE process, DWORD id)
{
    FILETIME began;
    FILETIME other;

    if (!GetProcessTimes(process, &began, &other, &other, &other))
        return 0;
    return (uint64_t)shmap__win32_time_hash(&began) << TIME_SHIFT | id;
}

shmap__os_status shmap__os_process_find(const void *object, uint64_t *number)
{
    const shmap__os_status done = {0, 0};
    uint64_t found = number_of(GetCurrentProcess(), GetCurrentProcessId());

    (void)object;
    if (found == 0)
        return shmap__win32_failed_as(SHMAP_ENOTSUP, GetLastError());
    *number = found;
    return done;
}

enum shmap__os_life shmap__os_process_life(const void *object, uint64_t number)
{
    const DWORD id = (DWORD)(number & UINT32_MAX);
    HANDLE process =
        OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id);
    uint64_t found;
    bool dead;

    (void)object;
    /* Another error, as ERROR_ACCESS_DENIED for another user's, says nothing
     * about its life. */
    if (process == NULL)
        return GetLastError() == ERROR_INVALID_PARAMETER ? SHMAP__OS_DEAD
                                                         : SHMAP__OS_ALIVE;
    found = number_of(process, id);
    /* A process that has ended can be opened as long as there is a handle of
     * it. */
    dead = (found != 0 && found != number) ||
           WaitForSingleObject(process, 0) == WAIT_OBJECT_0;
    CloseHandle(process);
    return dead ? SHMAP__OS_DEAD : SHMAP__OS_ALIVE;
}
