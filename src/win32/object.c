/* SPDX-License-Identifier: MIT */

/* The parts that sections and files have in common: adopting, closing, sizes.
 */
#include "win32/os.h"

#include <stdlib.h>

#include "base/stop.h"

/* Find the access that a handle's rights allow, and whether it is enough. */
static shmap__os_status find_access(HANDLE handle, ACCESS_MASK read,
                                    ACCESS_MASK write, int *access)
{
    shmap__os_status done = {0, 0};
    DWORD granted;
    DWORD error = shmap__win32_granted(handle, &granted);
    bool writable;

    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    writable = (granted & write) != 0;
    if ((granted & read) == 0 ||
        (*access == SHMAP_ACCESS_READ_WRITE && !writable))
        return shmap__win32_failed_as(SHMAP_EACCES, 0);
    if (*access == SHMAP_ACCESS_DEFAULT)
        *access = writable ? SHMAP_ACCESS_READ_WRITE : SHMAP_ACCESS_READ;
    return done;
}

static shmap__os_status look_at_section(shmap__os_object *object,
                                        const shmap__win32_section_info *info)
{
    const bool asked = object->access != SHMAP_ACCESS_DEFAULT;
    shmap__os_status status = shmap__win32_section_usable(
        (HANDLE)object->native, info, &object->size);

    object->kind = SHMAP_KIND_ANONYMOUS;
    if (status.code < 0)
        return status;
    status = find_access((HANDLE)object->native, SECTION_MAP_READ,
                         SECTION_MAP_WRITE, &object->access);
    if (status.code < 0)
        return status;
    status = shmap__win32_section_check((HANDLE)object->native, object->access);
    if (status.code == SHMAP_EACCES && !asked) {
        object->access = SHMAP_ACCESS_READ;
        return shmap__win32_section_check((HANDLE)object->native,
                                          object->access);
    }
    return status;
}

static shmap__os_status look_at_file(shmap__os_object *object)
{
    HANDLE file = (HANDLE)object->native;
    shmap__os_status status;
    uint64_t size;

    object->kind = SHMAP_KIND_FILE;
    if (!shmap__win32_file_is_regular(file) ||
        !shmap__win32_file_identify(file, object->identity, &size))
        return shmap__win32_failed_as(SHMAP_ETYPE, 0);
    status =
        find_access(file, FILE_READ_DATA, FILE_WRITE_DATA, &object->access);
    if (status.code < 0)
        return status;
    return shmap__win32_file_size(file, &size);
}

static shmap__os_status no_handle(DWORD error)
{
    return shmap__win32_failed_because(SHMAP_EINVAL, error,
                                       "native: must be an open handle");
}

shmap__os_status shmap__os_adopt(shmap__os_object *object,
                                 const shmap__os_request *request)
{
    shmap__os_object found = {0};
    HANDLE handle = (HANDLE)request->native;
    shmap__win32_section_info info;
    shmap__os_status status;
    DWORD flags;
    DWORD error;

    /* INVALID_HANDLE_VALUE is also this process. */
    if (handle == NULL || handle == INVALID_HANDLE_VALUE)
        return no_handle(0);
    if (!GetHandleInformation(handle, &flags))
        return no_handle(GetLastError());
    found.native = request->native;
    found.page_size = shmap__os_facts_get()->page_size;
    found.access = request->options.access;
    error = shmap__win32_section_query(handle, &info);
    if (error == ERROR_SUCCESS)
        status = look_at_section(&found, &info);
    else if (error == ERROR_INVALID_HANDLE)
        status = look_at_file(&found);
    else
        status = shmap__win32_failed(error);
    if (status.code < 0)
        return status;
    if (!SetHandleInformation(
            handle, HANDLE_FLAG_INHERIT | HANDLE_FLAG_PROTECT_FROM_CLOSE, 0))
        return shmap__win32_failed(GetLastError());
    *object = found;
    shmap__win32_object_add(object);
    return status;
}

void shmap__os_close(shmap__os_object *object, const char *os_name)
{
    HANDLE handle = (HANDLE)object->native;
    uint64_t size;

    (void)os_name;
    SHMAP__STOP("close.begun");
    shmap__win32_object_remove(object);
    free(object->path);
    if (shmap__os_size(object, &size).code < 0)
        return;
    if (object->kind == SHMAP_KIND_FILE)
        shmap__win32_file_unmark(handle);
    CloseHandle(handle);
    object->native = -1;
}

static shmap__os_status lost(DWORD error)
{
    return shmap__win32_failed_because(SHMAP_EINVAL, error, SHMAP__OS_LOST);
}

/* Find the file's size, if the handle is still the object's: its number may
 * mean another file by now. */
static shmap__os_status file_size_now(const shmap__os_object *object,
                                      uint64_t *size)
{
    shmap__os_status done = {0, 0};
    uint64_t identity[2];
    uint64_t now;

    if (!shmap__win32_file_identify((HANDLE)object->native, identity, &now))
        return lost(GetLastError());
    if (!shmap__win32_file_is_same(identity, object->identity))
        return lost(0);
    *size = now;
    return done;
}

shmap__os_status shmap__os_size(const shmap__os_object *object, uint64_t *size)
{
    shmap__os_status done = {0, 0};
    HANDLE handle = (HANDLE)object->native;
    shmap__win32_section_info info;
    DWORD error;

    if (object->kind == SHMAP_KIND_FILE)
        return file_size_now(object, size);
    /* A section's size never changes, but the handle may have been closed, and
     * its number given to something else. */
    error = shmap__win32_section_query(handle, &info);
    if (error != ERROR_SUCCESS)
        return lost(error);
    if ((uint64_t)info.size.QuadPart != object->size)
        return lost(0);
    *size = object->size;
    return done;
}

int shmap__os_info_flags(const shmap__os_object *object, const char *os_name)
{
    HANDLE handle = (HANDLE)object->native;
    ULONG handles = 0;
    uint64_t size;
    int flags = 0;
    bool alone = false;

    (void)os_name;
    if (object->kind == SHMAP_KIND_FILE &&
        shmap__os_size(object, &size).code == 0) {
        alone = shmap__win32_file_is_alone(handle);
        if (shmap__win32_missing(handle, size) > 0)
            flags |= SHMAP_INFO_SPARSE;
        if (shmap__win32_file_is_lost(object))
            flags |= SHMAP_INFO_NAME_LOST;
    } else if (object->kind == SHMAP_KIND_NAMED) {
        alone = shmap__win32_handle_count(handle, &handles) == ERROR_SUCCESS &&
                handles == 1;
    }
    return alone ? flags | SHMAP_INFO_ALONE : flags;
}
