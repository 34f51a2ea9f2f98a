/* SPDX-License-Identifier: MIT */

/* Locks on single bytes of files, which the system drops with their handle. */
#include "win32/os.h"

enum { PATIENCE_MS = 1000 };

static OVERLAPPED at_byte(uint64_t byte)
{
    OVERLAPPED position = {0};

    position.Offset = (DWORD)(byte & 0xFFFFFFFF);
    position.OffsetHigh = (DWORD)(byte >> 32);
    return position;
}

DWORD shmap__win32_lock(HANDLE file, uint64_t byte, DWORD flags)
{
    OVERLAPPED position = at_byte(byte);

    if (LockFileEx(file, LOCKFILE_FAIL_IMMEDIATELY | flags, 0, 1, 0, &position))
        return ERROR_SUCCESS;
    /* A handle for overlapped access gives this error instead. */
    if (GetLastError() == ERROR_IO_PENDING)
        return ERROR_LOCK_VIOLATION;
    return GetLastError();
}

bool shmap__win32_unlock(HANDLE file, uint64_t byte)
{
    OVERLAPPED position = at_byte(byte);

    return UnlockFileEx(file, 0, 1, 0, &position) != FALSE;
}

DWORD shmap__win32_lock_patiently(HANDLE file, uint64_t byte)
{
    ULONGLONG start = GetTickCount64();

    for (;;) {
        DWORD error = shmap__win32_lock(file, byte, LOCKFILE_EXCLUSIVE_LOCK);

        if (error != ERROR_LOCK_VIOLATION ||
            GetTickCount64() - start >= PATIENCE_MS)
            return error;
        shmap__win32_sleep(1);
    }
}
