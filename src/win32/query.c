/* SPDX-License-Identifier: MIT */

/* Handles: finding out what they are of, and making an object for one. */
#include "win32/os.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum {
    CLASS_BASIC = 0, /* of NtQuerySection and of NtQueryObject */
    CLASS_NAME = 1   /* of NtQueryObject */
};

/* The buffer that NtQueryObject wants for ObjectBasicInformation. */
typedef struct object_info {
    ULONG attributes;
    ACCESS_MASK access;
    ULONG handles;
    ULONG pointers;
    ULONG reserved[8];
    LARGE_INTEGER created;
} object_info;

DWORD shmap__win32_section_query(HANDLE section,
                                 shmap__win32_section_info *info)
{
    const shmap__win32_system *system = shmap__win32_system_get();
    LONG status;

    if (system->query_section == NULL || system->error_of == NULL)
        return ERROR_CALL_NOT_IMPLEMENTED;
    status =
        system->query_section(section, CLASS_BASIC, info, sizeof *info, NULL);
    return status < 0 ? system->error_of(status) : ERROR_SUCCESS;
}

static DWORD query_object(HANDLE handle, object_info *info)
{
    const shmap__win32_system *system = shmap__win32_system_get();
    LONG status;

    if (system->query_object == NULL || system->error_of == NULL)
        return ERROR_CALL_NOT_IMPLEMENTED;
    status =
        system->query_object(handle, CLASS_BASIC, info, sizeof *info, NULL);
    return status < 0 ? system->error_of(status) : ERROR_SUCCESS;
}

DWORD shmap__win32_handle_count(HANDLE handle, ULONG *count)
{
    object_info info;
    DWORD error = query_object(handle, &info);

    if (error == ERROR_SUCCESS)
        *count = info.handles;
    return error;
}

DWORD shmap__win32_granted(HANDLE handle, DWORD *rights)
{
    object_info info;
    DWORD error = query_object(handle, &info);

    if (error == ERROR_SUCCESS)
        *rights = info.access;
    return error;
}

/* The buffer that NtQueryObject wants for ObjectNameInformation: a name, and
 * room for it. */
typedef struct object_name {
    USHORT size; /* bytes */
    USHORT space;
    const wchar_t *text;
    wchar_t room[500];
} object_name;

/* Ask for the name; `*more` receives a larger buffer if one is needed, for the
 * caller to free. Returns NULL if the object has no name. */
static const object_name *query_name(HANDLE handle, object_name *name,
                                     object_name **more)
{
    const shmap__win32_system *system = shmap__win32_system_get();
    object_name *found = name;
    ULONG needed = 0;
    LONG status;

    *more = NULL;
    if (system->query_object == NULL)
        return NULL;
    status =
        system->query_object(handle, CLASS_NAME, name, sizeof *name, &needed);
    if (status < 0 && needed > sizeof *name) {
        found = *more = malloc(needed);
        if (found == NULL)
            return NULL;
        status = system->query_object(handle, CLASS_NAME, found, needed, NULL);
    }
    return status < 0 || found->size == 0 ? NULL : found;
}

/* Two sums, so that two names hardly ever have the same. */
static void sum_up(uint64_t identity[2], const wchar_t *text, size_t size)
{
    identity[0] = UINT64_C(0xCBF29CE484222325);
    identity[1] = UINT64_C(0x9E3779B97F4A7C15);
    for (size_t i = 0; i < size; i++) {
        identity[0] = (identity[0] ^ text[i]) * UINT64_C(0x100000001B3);
        identity[1] = (identity[1] + text[i]) * UINT64_C(0xD1342543DE82EF95);
        identity[1] ^= identity[1] >> 29;
    }
}

bool shmap__win32_section_identify(HANDLE section, uint64_t identity[2])
{
    object_name name;
    object_name *more;
    const object_name *found = query_name(section, &name, &more);

    if (found != NULL)
        sum_up(identity, found->text, found->size / sizeof *found->text);
    free(more);
    return found != NULL;
}

/* The whole name begins with the folder that Local\ and the like mean; the
 * rest is the same. */
bool shmap__win32_section_is_named(HANDLE section, const char *os_name)
{
    object_name name;
    object_name *more;
    const object_name *found;
    wchar_t *wide;
    const wchar_t *rest;
    size_t size;
    bool same;

    if (shmap__win32_utf16(&wide, os_name).code < 0)
        return false;
    rest = wcsrchr(wide, L'\\');
    rest = rest == NULL ? wide : rest + 1;
    size = wcslen(rest);
    found = query_name(section, &name, &more);
    same = found != NULL && found->size / sizeof *rest > size &&
           memcmp((const char *)found->text + found->size - size * sizeof *rest,
                  rest, size * sizeof *rest) == 0 &&
           found->text[found->size / sizeof *rest - size - 1] == L'\\';
    free(more);
    free(wide);
    return same;
}

/* The objects of this process. */
static shmap__os_object *own_objects;
static SRWLOCK own_objects_lock = SRWLOCK_INIT;

void shmap__win32_object_add(shmap__os_object *object)
{
    AcquireSRWLockExclusive(&own_objects_lock);
    object->next = own_objects;
    own_objects = object;
    ReleaseSRWLockExclusive(&own_objects_lock);
}

void shmap__win32_object_fill(shmap__os_object *object, HANDLE handle,
                              uint64_t size, int kind, int access)
{
    object->native = (intptr_t)handle;
    object->size = size;
    object->page_size = shmap__os_facts_get()->page_size;
    object->kind = kind;
    object->access = access;
    shmap__win32_object_add(object);
}

void shmap__win32_object_remove(const shmap__os_object *object)
{
    shmap__os_object **at = &own_objects;

    AcquireSRWLockExclusive(&own_objects_lock);
    while (*at != NULL && *at != object)
        at = &(*at)->next;
    if (*at != NULL)
        *at = object->next;
    ReleaseSRWLockExclusive(&own_objects_lock);
}

bool shmap__win32_object_has(HANDLE handle)
{
    const shmap__os_object *object;

    AcquireSRWLockShared(&own_objects_lock);
    object = own_objects;
    while (object != NULL && (HANDLE)object->native != handle)
        object = object->next;
    ReleaseSRWLockShared(&own_objects_lock);
    return object != NULL;
}

bool shmap__win32_file_is_regular(HANDLE file)
{
    BY_HANDLE_FILE_INFORMATION info;

    return GetFileType(file) == FILE_TYPE_DISK &&
           GetFileInformationByHandle(file, &info) &&
           (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

/* FILE_ID_INFO, of Windows 8. On ReFS the number of a file has 128 bits, and
 * the short one need not be its own. */
typedef struct long_id {
    uint64_t volume;
    uint64_t file[2];
} long_id;

bool shmap__win32_file_identify(HANDLE file, uint64_t identity[2],
                                uint64_t *size)
{
    enum { FILE_ID_CLASS = 18 }; /* FileIdInfo */
    BY_HANDLE_FILE_INFORMATION info;
    long_id id;

    if (!GetFileInformationByHandle(file, &info))
        return false;
    if (GetFileInformationByHandleEx(
            file, (FILE_INFO_BY_HANDLE_CLASS)FILE_ID_CLASS, &id, sizeof id)) {
        identity[0] = id.volume ^ id.file[1] * UINT64_C(0x9E3779B97F4A7C15);
        identity[1] = id.file[0];
    } else {
        identity[0] = info.dwVolumeSerialNumber;
        identity[1] = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow;
    }
    *size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    return true;
}

bool shmap__win32_file_is_same(const uint64_t a[2], const uint64_t b[2])
{
    return a[1] == b[1] && (a[0] == b[0] || a[0] == 0 || b[0] == 0);
}

shmap__os_status shmap__win32_file_size(HANDLE file, uint64_t *size)
{
    shmap__os_status done = {0, 0};
    LARGE_INTEGER now;

    if (!GetFileSizeEx(file, &now))
        return shmap__win32_failed(GetLastError());
    if (now.QuadPart == 0)
        return shmap__win32_failed_as(SHMAP_ENOTREADY, 0);
    *size = (uint64_t)now.QuadPart;
    return done;
}
