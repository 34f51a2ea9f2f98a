/* SPDX-License-Identifier: MIT */

/* Named regions: sections with a name, which the system frees with the last
 * handle. Nothing can be left over.
 */
#include "win32/os.h"

#include <stdlib.h>
#include <string.h>

#include "base/stop.h"

/* Refusal to make an object can mean that another user's has the name, or that
 * nobody has it and this process may not make one outside its own session. */
static int denied_code(const char *os_name, const wchar_t *wide)
{
    HANDLE section;

    if (strncmp(os_name, "Global\\", 7) != 0 &&
        strncmp(os_name, "Session\\", 8) != 0)
        return SHMAP_EACCES;
    section = OpenFileMappingW(SECTION_QUERY, FALSE, wide);
    if (section != NULL)
        CloseHandle(section);
    else if (GetLastError() == ERROR_FILE_NOT_FOUND)
        return SHMAP_EPRIVILEGE;
    return SHMAP_EACCES;
}

/* What a failure means if it is about the name. */
static shmap__os_status name_failed(shmap__os_status status)
{
    /* The name is that of an event, a mutex or the like. */
    if (status.system == ERROR_INVALID_HANDLE)
        status.code = SHMAP_ETYPE;
    else if (shmap__win32_is_bad_name((DWORD)status.system))
        status.code = SHMAP_ENAME;
    return status;
}

shmap__os_status shmap__os_named_create(shmap__os_object *object,
                                        const char *os_name, uint64_t size,
                                        const shmap_region_options *options)
{
    wchar_t *wide = NULL;
    HANDLE section;
    shmap__win32_security privacy;
    shmap__os_status status;
    DWORD error =
        shmap__win32_privacy_init(&privacy, SECTION_ALL_ACCESS, false);

    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    status = shmap__win32_privacy_share(
        &privacy, options, SHMAP__OS_SECTION_READ, SHMAP__OS_SECTION_WRITE);
    if (status.code == 0)
        status = shmap__win32_utf16(&wide, os_name);
    if (status.code < 0)
        return status;
    status = shmap__win32_section_create(&section, wide, size, &privacy);
    if (status.code == SHMAP_EACCES)
        status.code = denied_code(os_name, wide);
    else if (status.code < 0)
        status = name_failed(status);
    free(wide);
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.made");
    shmap__win32_object_fill(object, section, size, SHMAP_KIND_NAMED,
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

/* The right to see who may use it is needed to know its owner, and to let the
 * same users wait for what is in it. Regions give it to all who may read; other
 * programs' sections may not. */
static HANDLE open_section(const wchar_t *name, int access, int owner)
{
    HANDLE section =
        OpenFileMappingW(open_rights(access) | READ_CONTROL, FALSE, name);

    if (section == NULL && owner == SHMAP_OWNER_ANYBODY &&
        GetLastError() == ERROR_ACCESS_DENIED)
        section = OpenFileMappingW(open_rights(access), FALSE, name);
    return section;
}

bool shmap__os_named_owner(const char *os_name, char *out, size_t size)
{
    wchar_t *wide;
    HANDLE section;
    bool told;

    if (shmap__win32_utf16(&wide, os_name).code < 0)
        return false;
    section = OpenFileMappingW(READ_CONTROL, FALSE, wide);
    free(wide);
    if (section == NULL)
        return false;
    told = shmap__win32_handle_owner(section, out, size);
    CloseHandle(section);
    return told;
}

shmap__os_status shmap__os_named_open(shmap__os_object *object,
                                      const char *os_name, int access,
                                      int owner, int scope)
{
    wchar_t *wide;
    HANDLE section;
    DWORD error;
    uint64_t size = 0;
    shmap__os_status status = shmap__win32_utf16(&wide, os_name);

    (void)scope; /* No object says who made it. */
    if (status.code < 0)
        return status;
    section = open_section(wide, access, owner);
    error = GetLastError();
    free(wide);
    if (section == NULL)
        return name_failed(shmap__win32_failed(error));
    SHMAP__STOP("open.opened");

    status = shmap__win32_check_owner(section, owner);
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
