/* SPDX-License-Identifier: MIT */

/* Sections, with and without a name. */
#include "os.h"

#include "stop.h"

/* What a failure to make a section means, but for names. */
static shmap__os_status section_failed(DWORD error)
{
    if (shmap__os_is_no_room(error))
        return shmap__os_failed_as(SHMAP_ENOSPC, error);
    /* The other parameters are known to be good. */
    if (error == ERROR_INVALID_PARAMETER)
        return shmap__os_failed_as(SHMAP_E2BIG, error);
    return shmap__os_failed(error);
}

shmap__os_status shmap__os_section_privacy(shmap__os_privacy *privacy,
                                           const shmap_region_options *options)
{
    const DWORD read = SECTION_QUERY | SECTION_MAP_READ | READ_CONTROL;
    DWORD error = shmap__os_privacy_init(privacy, SECTION_ALL_ACCESS);

    if (error != ERROR_SUCCESS)
        return shmap__os_failed(error);
    return shmap__os_privacy_share(privacy, options, read,
                                   read | SECTION_MAP_WRITE);
}

shmap__os_status shmap__os_section_create(HANDLE *section, const wchar_t *name,
                                          uint64_t size,
                                          shmap__os_privacy *privacy)
{
    shmap__os_status done = {0, 0};
    DWORD error;
    HANDLE made;

    SetLastError(ERROR_SUCCESS);
    made = CreateFileMappingW(INVALID_HANDLE_VALUE, &privacy->attributes,
                              PAGE_READWRITE | SEC_COMMIT, (DWORD)(size >> 32),
                              (DWORD)(size & 0xFFFFFFFF), name);
    error = GetLastError();
    if (made == NULL)
        return section_failed(error);
    if (error == ERROR_ALREADY_EXISTS) {
        CloseHandle(made);
        return shmap__os_failed(error);
    }
    *section = made;
    return done;
}

/* Windows charges the commit limit for the whole section at once, also if the
 * pages could wait: `commit` makes no difference. */
shmap__os_status shmap__os_anonymous_create(shmap__os_object *object,
                                            uint64_t size,
                                            const shmap_region_options *options)
{
    HANDLE section = NULL;
    shmap__os_privacy privacy;
    shmap__os_status status = shmap__os_section_privacy(&privacy, options);

    if (status.code == 0)
        status = shmap__os_section_create(&section, NULL, size, &privacy);
    if (status.code < 0)
        return status;
    SHMAP__STOP("create.made");
    object->native = (intptr_t)section;
    object->size = size;
    object->kind = SHMAP_KIND_ANONYMOUS;
    object->access = SHMAP_ACCESS_READ_WRITE;
    object->foreign = false;
    return status;
}
