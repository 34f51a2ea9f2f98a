/* SPDX-License-Identifier: MIT */

/* Handing regions over to a running process, which gets a handle put into it.
 */
#include "win32/os.h"

/* The system rounds numbers to multiples of four, and keeps processes that have
 * ended as long as there is a handle. */
static bool is_running(HANDLE process, int64_t id)
{
    return GetProcessId(process) == id &&
           WaitForSingleObject(process, 0) != WAIT_OBJECT_0;
}

shmap__os_status shmap__win32_open_process(HANDLE *process, int64_t id)
{
    shmap__os_status done = {0, 0};

    if (id > UINT32_MAX)
        return shmap__win32_failed_as(SHMAP_ENOENT, ERROR_INVALID_PARAMETER);
    *process = OpenProcess(PROCESS_DUP_HANDLE |
                               PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE,
                           FALSE, (DWORD)id);
    if (*process == NULL) {
        DWORD error = GetLastError();

        return error == ERROR_INVALID_PARAMETER
                   ? shmap__win32_failed_as(SHMAP_ENOENT, error)
                   : shmap__win32_failed(error);
    }
    if (is_running(*process, id))
        return done;
    CloseHandle(*process);
    return shmap__win32_failed_as(SHMAP_ENOENT, ERROR_INVALID_PARAMETER);
}

static shmap__os_status put_into(HANDLE process, HANDLE handle,
                                 shmap__os_gift *gift)
{
    shmap__os_status done = {0, 0};
    HANDLE there;
    DWORD error;

    if (DuplicateHandle(GetCurrentProcess(), handle, process, &there, 0, FALSE,
                        DUPLICATE_SAME_ACCESS)) {
        gift->native = (intptr_t)there;
        return done;
    }
    error = GetLastError();
    return is_running(process, gift->to)
               ? shmap__win32_failed(error)
               : shmap__win32_failed_as(SHMAP_ENOENT, error);
}

shmap__os_status shmap__os_give_process(shmap__os_object *object,
                                        shmap__os_gift *gift)
{
    shmap__os_gift filled = *gift;
    HANDLE process = NULL;
    HANDLE made;
    shmap__os_status status = shmap__win32_open_process(&process, gift->to);

    if (status.code < 0)
        return status;
    status = shmap__win32_gift_make(object, &filled, &made);
    if (status.code == 0) {
        status = put_into(process, made, &filled);
        CloseHandle(made);
    }
    CloseHandle(process);
    if (status.code == 0)
        *gift = filled;
    return status;
}
