/* SPDX-License-Identifier: MIT */

/* What sections and files have in common: adopting, closing, sizes. */
#include "win32/os.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/stop.h"

enum {
    CLASS_BASIC = 0, /* of NtQuerySection and of NtQueryObject */
    CLASS_NAME = 1,  /* of NtQueryObject */
    SECTION_OF_IMAGE = 0x1000000,
    SECTION_RESERVED = 0x4000000
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
 * caller to free. NULL if there is none. */
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

static shmap__os_object *own_objects;
static SRWLOCK own_objects_lock = SRWLOCK_INIT;

static void own(shmap__os_object *object)
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
    own(object);
}

static void disown(const shmap__os_object *object)
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

static shmap__os_status usable_size(HANDLE section,
                                    const shmap__win32_section_info *info,
                                    uint64_t *size)
{
    shmap__os_status done = {0, 0};

    /* A program's code. */
    if ((info->attributes & SECTION_OF_IMAGE) != 0)
        return shmap__win32_failed_as(SHMAP_ETYPE, 0);
    /* Whoever made it commits its pages bit by bit; to touch others would end
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
    return usable_size(section, &info, size);
}

/* Find what a handle's rights allow, and whether that is enough. */
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
    shmap__os_status status =
        usable_size((HANDLE)object->native, info, &object->size);

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
        return shmap__win32_failed_as(SHMAP_EINVAL, 0);
    if (!GetHandleInformation(handle, &flags))
        return shmap__win32_failed_as(SHMAP_EINVAL, GetLastError());
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
    own(object);
    return status;
}

void shmap__os_close(shmap__os_object *object, const char *os_name)
{
    HANDLE handle = (HANDLE)object->native;
    uint64_t size;

    (void)os_name;
    SHMAP__STOP("close.begun");
    disown(object);
    free(object->path);
    if (shmap__os_size(object, &size).code < 0)
        return;
    if (object->kind == SHMAP_KIND_FILE)
        shmap__win32_file_unmark(handle);
    CloseHandle(handle);
    object->native = -1;
}

/* The file's size, if the handle is still the object's: its number may mean
 * another file by now. */
static shmap__os_status file_size_now(const shmap__os_object *object,
                                      uint64_t *size)
{
    shmap__os_status done = {0, 0};
    uint64_t identity[2];
    uint64_t now;

    if (!shmap__win32_file_identify((HANDLE)object->native, identity, &now))
        return shmap__win32_failed_as(SHMAP_EINVAL, GetLastError());
    if (!shmap__win32_file_is_same(identity, object->identity))
        return shmap__win32_failed_as(SHMAP_EINVAL, 0);
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
        return shmap__win32_failed_as(SHMAP_EINVAL, error);
    if ((uint64_t)info.size.QuadPart != object->size)
        return shmap__win32_failed_as(SHMAP_EINVAL, 0);
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
