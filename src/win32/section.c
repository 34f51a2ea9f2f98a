/* SPDX-License-Identifier: MIT */

/* Sections: making one, and checking one that was found. */
#include "win32/os.h"

enum { SECTION_OF_IMAGE = 0x1000000, SECTION_RESERVED = 0x4000000 };

/* Return the status of a failure to make a section, except for failures about
 * names. */
static shmap__os_status section_failed(DWORD error)
{
    if (shmap__win32_is_no_room(error))
        return shmap__win32_failed_as(SHMAP_ENOSPC, error);
    /* The other parameters are known to be good. */
    if (error == ERROR_INVALID_PARAMETER)
        return shmap__win32_failed_as(SHMAP_E2BIG, error);
    return shmap__win32_failed(error);
}

shmap__os_status shmap__win32_section_create(HANDLE *section,
                                             const wchar_t *name, uint64_t size,
                                             shmap__win32_security *privacy)
{
    shmap__os_status done = {0, 0};
    DWORD error;
    HANDLE made;

    do {
        SetLastError(ERROR_SUCCESS);
        made =
            CreateFileMappingW(INVALID_HANDLE_VALUE, &privacy->attributes,
                               PAGE_READWRITE | SEC_COMMIT, (DWORD)(size >> 32),
                               (DWORD)(size & 0xFFFFFFFF), name);
        error = GetLastError();
    } while (made == NULL &&
             shmap__win32_drop_label(&privacy->attributes, error));
    if (made == NULL)
        return section_failed(error);
    if (error == ERROR_ALREADY_EXISTS) {
        done = shmap__win32_belongs(SHMAP_EEXIST, error, made);
        CloseHandle(made);
        return done;
    }
    *section = made;
    return done;
}

/* Tell whether the first page of a section is committed: SHMAP_ENOTSUP, or
 * SHMAP_ENOTREADY if not, or why that cannot be told. */
static shmap__os_status look_at_reserved(HANDLE section)
{
    MEMORY_BASIC_INFORMATION page = {0};
    void *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 1);

    if (view == NULL)
        return shmap__win32_failed(GetLastError());
    VirtualQuery(view, &page, sizeof page);
    UnmapViewOfFile(view);
    return shmap__win32_failed_as(
        page.State == MEM_COMMIT ? SHMAP_ENOTSUP : SHMAP_ENOTREADY, 0);
}

/* Another program can have made the section for reading only: its handles have
 * the right to map views for writing, and each try fails. */
shmap__os_status shmap__win32_section_check(HANDLE section, int access)
{
    shmap__os_status done = {0, 0};
    DWORD error;
    void *view;

    if (access != SHMAP_ACCESS_READ_WRITE)
        return done;
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 1);
    if (view != NULL) {
        UnmapViewOfFile(view);
        return done;
    }
    error = GetLastError();
    return error == ERROR_INVALID_PARAMETER
               ? shmap__win32_failed_as(SHMAP_EACCES, error)
               : shmap__win32_failed(error);
}

shmap__os_status shmap__win32_section_usable(
    HANDLE section, const shmap__win32_section_info *info, uint64_t *size)
{
    shmap__os_status done = {0, 0};

    /* A program's code. */
    if ((info->attributes & SECTION_OF_IMAGE) != 0)
        return shmap__win32_failed_as(SHMAP_ETYPE, 0);
    /* Its maker commits its pages bit by bit; to touch others would end
     * the process. */
    if ((info->attributes & SECTION_RESERVED) != 0)
        return look_at_reserved(section);
    *size = (uint64_t)info->size.QuadPart;
    return done;
}

shmap__os_status shmap__win32_section_size(HANDLE section, uint64_t *size)
{
    shmap__win32_section_info info;
    DWORD error = shmap__win32_section_query(section, &info);

    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    return shmap__win32_section_usable(section, &info, size);
}
