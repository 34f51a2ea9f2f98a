/* SPDX-License-Identifier: MIT */

/* The meaning of Windows' error codes to shmap, where nothing more is known. */
#include "win32/os.h"

/* ERROR_DISK_QUOTA_EXCEEDED, which not every winerror.h has. */
enum { DISK_QUOTA_EXCEEDED = 1295 };

typedef struct error_row {
    DWORD error;
    int code;
} error_row;

static const error_row rows[] = {
    {ERROR_INVALID_FUNCTION, SHMAP_ENOTSUP},
    {ERROR_FILE_NOT_FOUND, SHMAP_ENOENT},
    {ERROR_PATH_NOT_FOUND, SHMAP_ENOENT},
    {ERROR_TOO_MANY_OPEN_FILES, SHMAP_EMFILE},
    {ERROR_ACCESS_DENIED, SHMAP_EACCES},
    {ERROR_INVALID_HANDLE, SHMAP_EINVAL},
    {ERROR_NOT_ENOUGH_MEMORY, SHMAP_ENOMEM},
    {ERROR_OUTOFMEMORY, SHMAP_ENOMEM},
    {ERROR_INVALID_DRIVE, SHMAP_ENOENT},
    {ERROR_WRITE_PROTECT, SHMAP_EACCES},
    {ERROR_SHARING_VIOLATION, SHMAP_EBUSY},
    {ERROR_LOCK_VIOLATION, SHMAP_EBUSY},
    {ERROR_HANDLE_DISK_FULL, SHMAP_ENOSPC},
    {ERROR_NOT_SUPPORTED, SHMAP_ENOTSUP},
    {ERROR_BAD_NETPATH, SHMAP_ENOENT},
    {ERROR_NETWORK_ACCESS_DENIED, SHMAP_EACCES},
    {ERROR_BAD_NET_NAME, SHMAP_ENOENT},
    {ERROR_FILE_EXISTS, SHMAP_EEXIST},
    {ERROR_DISK_FULL, SHMAP_ENOSPC},
    {ERROR_CALL_NOT_IMPLEMENTED, SHMAP_ENOTSUP},
    {ERROR_INVALID_NAME, SHMAP_ENAME},
    {ERROR_BAD_PATHNAME, SHMAP_ENAME},
    {ERROR_ALREADY_EXISTS, SHMAP_EEXIST},
    {ERROR_FILENAME_EXCED_RANGE, SHMAP_ENAME},
    {ERROR_FILE_TOO_LARGE, SHMAP_E2BIG},
    {ERROR_DIRECTORY, SHMAP_ENOENT},
    {ERROR_DELETE_PENDING, SHMAP_EBUSY},
    {ERROR_INVALID_ADDRESS, SHMAP_EADDRINUSE},
    {ERROR_FILE_INVALID, SHMAP_ENOTREADY},
    {ERROR_NO_UNICODE_TRANSLATION, SHMAP_ENAME},
    {ERROR_MAPPED_ALIGNMENT, SHMAP_EADDRINUSE},
    {ERROR_USER_MAPPED_FILE, SHMAP_EBUSY},
    {DISK_QUOTA_EXCEEDED, SHMAP_ENOSPC},
    {ERROR_PRIVILEGE_NOT_HELD, SHMAP_EPRIVILEGE},
    {ERROR_NO_SYSTEM_RESOURCES, SHMAP_ENOMEM},
    {ERROR_NONPAGED_SYSTEM_RESOURCES, SHMAP_ENOMEM},
    {ERROR_PAGED_SYSTEM_RESOURCES, SHMAP_ENOMEM},
    {ERROR_WORKING_SET_QUOTA, SHMAP_ENOMEM},
    {ERROR_PAGEFILE_QUOTA, SHMAP_ENOMEM},
    {ERROR_COMMITMENT_LIMIT, SHMAP_ENOMEM},
    {ERROR_NOT_ENOUGH_QUOTA, SHMAP_ENOMEM},
};

shmap__os_status shmap__win32_failed_as(int code, DWORD error)
{
    shmap__os_status status = {code, (int)error};

    return status;
}

shmap__os_status shmap__win32_failed_because(int code, DWORD error,
                                             const char *detail)
{
    shmap__os_status status = {code, (int)error, detail};

    return status;
}

shmap__os_status shmap__win32_failed(DWORD error)
{
    shmap__os_status status = shmap__win32_failed_as(SHMAP_ESYSTEM, error);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].error == error)
            status.code = rows[i].code;
    }
    if (status.code == SHMAP_EINVAL)
        status.detail = SHMAP__OS_LOST;
    return status;
}

bool shmap__win32_is_no_room(DWORD error)
{
    int code = shmap__win32_failed(error).code;

    /* To a caller that makes pages, lack of memory is lack of room. */
    return code == SHMAP_ENOSPC || code == SHMAP_ENOMEM;
}

bool shmap__win32_is_bad_name(DWORD error)
{
    /* A path that is not found is a folder in the name. */
    return error == ERROR_PATH_NOT_FOUND ||
           shmap__win32_failed(error).code == SHMAP_ENAME;
}
