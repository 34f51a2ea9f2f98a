/* SPDX-License-Identifier: MIT */

/* Handles as gifts: making one that is to be given to another process, with no
 * more rights than it needs, and recognising one that was given. */
#include "win32/os.h"

#include "base/stop.h"

/* The rights that a handle for an access may have, and those that it must have.
 */
typedef struct handle_rights {
    DWORD wanted;
    DWORD needed;
} handle_rights;

static handle_rights rights_for(int kind, int access)
{
    handle_rights rights;
    bool writes = access == SHMAP_ACCESS_READ_WRITE;

    if (kind == SHMAP_KIND_FILE) {
        rights.needed = FILE_READ_DATA | (writes ? FILE_WRITE_DATA : 0);
        rights.wanted = FILE_GENERIC_READ | (writes ? FILE_GENERIC_WRITE : 0);
    } else {
        rights.needed =
            SECTION_QUERY | SECTION_MAP_READ | (writes ? SECTION_MAP_WRITE : 0);
        rights.wanted =
            writes ? SHMAP__WIN32_SECTION_WRITE : SHMAP__WIN32_SECTION_READ;
    }
    return rights;
}

/* Make a handle with no more rights than that. A copy cannot have a right that
 * another program's handle does not have. */
shmap__os_status shmap__win32_copy_for(HANDLE handle, int kind, int access,
                                       HANDLE *copy)
{
    const handle_rights rights = rights_for(kind, access);
    shmap__os_status done = {0, 0};
    HANDLE self = GetCurrentProcess();
    DWORD granted;
    DWORD error = shmap__win32_granted(handle, &granted);

    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    if ((granted & rights.needed) != rights.needed)
        return shmap__win32_failed_as(SHMAP_EACCES, 0);
    if (!DuplicateHandle(self, handle, self, copy, granted & rights.wanted,
                         FALSE, 0))
        return shmap__win32_failed(GetLastError());
    return done;
}

bool shmap__win32_identify(HANDLE handle, int kind, uint64_t identity[2])
{
    uint64_t size;

    return kind == SHMAP_KIND_FILE
               ? shmap__win32_file_identify(handle, identity, &size)
               : shmap__win32_section_identify(handle, identity);
}

static bool is_kind(HANDLE handle, int kind)
{
    shmap__win32_section_info info;

    return kind == SHMAP_KIND_FILE
               ? shmap__win32_file_is_regular(handle)
               : shmap__win32_section_query(handle, &info) == ERROR_SUCCESS;
}

bool shmap__win32_handle_matches(HANDLE handle, int kind,
                                 const uint64_t identity[2])
{
    uint64_t found[2];

    /* For some other objects, the question for the name can wait without end.
     */
    return is_kind(handle, kind) &&
           shmap__win32_identify(handle, kind, found) &&
           found[0] == identity[0] && found[1] == identity[1];
}

/* Make a handle to be given, which no other process has yet. */
shmap__os_status shmap__win32_gift_make(const shmap__os_object *object,
                                        shmap__os_gift *gift, HANDLE *made)
{
    const HANDLE handle = (HANDLE)object->native;
    const int kind = object->kind;
    uint64_t size;
    shmap__os_status status = shmap__os_size(object, &size);

    if (status.code < 0)
        return status;
    if (!shmap__win32_identify(handle, kind, gift->identity))
        return shmap__win32_failed_as(SHMAP_ENOTSUP, 0);
    status = shmap__win32_copy_for(handle, kind, gift->access, made);
    if (status.code < 0)
        return status;
    SHMAP__STOP("give.made");
    if (gift->access == SHMAP_ACCESS_READ &&
        shmap__win32_can_be_written(*made, kind)) {
        CloseHandle(*made);
        return shmap__win32_failed_as(SHMAP_ENOTSUP, 0);
    }
    return status;
}

/* Return whether this number is of a handle that is given in this way, and not
 * one of the library's own handles. The system would ignore the lowest bits of
 * a number, and take some negative ones for this process and the like. */
bool shmap__win32_can_be_gift(int64_t native, int way)
{
    enum { TAG_BITS = 3 };
    HANDLE handle = (HANDLE)(intptr_t)native;
    DWORD flags;

    if (native <= 0 || native > INT32_MAX || (native & TAG_BITS) != 0 ||
        !GetHandleInformation(handle, &flags))
        return false;
    if (way == SHMAP__OS_TO_CHILD)
        return (flags & HANDLE_FLAG_INHERIT) != 0;
    return (flags & HANDLE_FLAG_INHERIT) == 0 &&
           !shmap__win32_object_has(handle);
}
