/* SPDX-License-Identifier: MIT */

/* Named regions: sections with a name, which the system frees with the last
 * handle. Nothing can be left over.
 */
#include "win32/os.h"

#include <stdlib.h>
#include <string.h>

#include "base/stop.h"

/* Return a failure because of the object that has the name. */
static shmap__os_status name_belongs(int code, DWORD error, const wchar_t *name)
{
    HANDLE section = OpenFileMappingW(READ_CONTROL, FALSE, name);
    shmap__os_status status = shmap__win32_belongs(code, error, section);

    if (section != NULL)
        CloseHandle(section);
    return status;
}

/* Refusal to make an object can mean that another user's has the name, or that
 * no object has it and this process may not make one outside its own session.
 */
static shmap__os_status create_denied(const char *os_name, const wchar_t *wide,
                                      DWORD error)
{
    const bool elsewhere = strncmp(os_name, "Global\\", 7) == 0 ||
                           strncmp(os_name, "Session\\", 8) == 0;
    HANDLE section = OpenFileMappingW(SECTION_QUERY, FALSE, wide);

    if (section != NULL)
        CloseHandle(section);
    else if (elsewhere && GetLastError() == ERROR_FILE_NOT_FOUND)
        return shmap__win32_failed_as(SHMAP_EPRIVILEGE, error);
    return name_belongs(SHMAP_EACCES, error, wide);
}

/* Return the status of a failure that is about the name. */
static shmap__os_status name_failed(shmap__os_status status)
{
    /* The name is that of an event, a mutex or the like. */
    if (status.system == ERROR_INVALID_HANDLE)
        return shmap__win32_failed_as(SHMAP_ETYPE, (DWORD)status.system);
    if (shmap__win32_is_bad_name((DWORD)status.system))
        return shmap__win32_failed_because(
            SHMAP_ENAME, (DWORD)status.system,
            "name: the system cannot have an object of this name");
    return status;
}

shmap__os_status shmap__os_named_create(shmap__os_object *object,
                                        const shmap__os_request *request)
{
    wchar_t *wide = NULL;
    HANDLE section;
    shmap__win32_security privacy;
    shmap__os_status status;
    DWORD error =
        shmap__win32_privacy_init(&privacy, SECTION_ALL_ACCESS, false);

    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    status = shmap__win32_privacy_share(&privacy, &request->options,
                                        SHMAP__WIN32_SECTION_READ,
                                        SHMAP__WIN32_SECTION_WRITE);
    if (status.code == 0)
        status = shmap__win32_utf16(&wide, request->os_name);
    if (status.code < 0)
        return status;
    status =
        shmap__win32_section_create(&section, wide, request->size, &privacy);
    if (status.code == SHMAP_EACCES)
        status = create_denied(request->os_name, wide, (DWORD)status.system);
    else if (status.code < 0)
        status = name_failed(status);
    free(wide);
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.made");
    shmap__win32_object_fill(object, section, request->size, SHMAP_KIND_NAMED,
                             SHMAP_ACCESS_READ_WRITE);
    return status;
}

static DWORD open_rights(int access)
{
    DWORD rights = SECTION_QUERY | SECTION_MAP_READ;

    if (access == SHMAP_ACCESS_READ_WRITE)
        rights |= SECTION_MAP_WRITE;
    return rights;
}

/* The right to see the access list is needed to know its owner, and to let the
 * same users wait for objects in it. Regions give it to all users that may
 * read; other programs' sections may not. */
static HANDLE open_section(const wchar_t *name,
                           const shmap_region_options *options)
{
    const DWORD rights = open_rights(options->access);
    HANDLE section = OpenFileMappingW(rights | READ_CONTROL, FALSE, name);

    if (section == NULL && options->accept == SHMAP_ACCEPT_ANYBODY &&
        GetLastError() == ERROR_ACCESS_DENIED)
        section = OpenFileMappingW(rights, FALSE, name);
    return section;
}

static shmap__os_status open_failed(const wchar_t *name, DWORD error)
{
    return error == ERROR_ACCESS_DENIED
               ? name_belongs(SHMAP_EACCES, error, name)
               : name_failed(shmap__win32_failed(error));
}

shmap__os_status shmap__os_named_open(shmap__os_object *object,
                                      const shmap__os_request *request)
{
    const int access = request->options.access;
    wchar_t *wide;
    HANDLE section;
    DWORD error;
    uint64_t size = 0;
    shmap__os_status status = shmap__win32_utf16(&wide, request->os_name);

    /* No object names its maker, so the scope does not matter. */
    if (status.code < 0)
        return status;
    section = open_section(wide, &request->options);
    error = GetLastError();
    if (section == NULL)
        status = open_failed(wide, error);
    free(wide);
    if (section == NULL)
        return status;
    SHMAP__STOP("open.opened");

    status = shmap__win32_check_owner(section, request);
    if (status.code == 0)
        status = shmap__win32_section_size(section, &size);
    if (status.code == 0)
        status = shmap__win32_section_check(section, access);
    if (status.code < 0) {
        CloseHandle(section);
        return status;
    }
    SHMAP__STOP("open.checked");
    shmap__win32_object_fill(object, section, size, SHMAP_KIND_NAMED, access);
    return status;
}

/* A section and its name go with the last handle, however its process ends:
 * nothing is ever left over. */
shmap__os_status shmap__os_named_reap(const char *os_name, int scope,
                                      unsigned *reaped)
{
    shmap__os_status done = {0, 0};

    (void)os_name, (void)scope;
    *reaped = 0;
    return done;
}

shmap__os_status shmap__os_named_reap_all(bool every_user, unsigned *reaped)
{
    shmap__os_status done = {0, 0};

    (void)every_user;
    *reaped = 0;
    return done;
}
