/* SPDX-License-Identifier: MIT */

/* Views: mapping, unmapping, writing back. */
#include "win32/os.h"

#include <stdlib.h>

#include "base/stop.h"

/* The views of this process: objects made for their contents get their security
 * from their region. */
typedef struct known_view {
    struct known_view *next;
    const void *base;
    size_t size;
    const shmap__os_object *region;
    int access;
    bool excluded; /* from reports of crashes */
} known_view;

static known_view *known_views;
static SRWLOCK known_views_lock = SRWLOCK_INIT;

static void put_in(known_view *view)
{
    AcquireSRWLockExclusive(&known_views_lock);
    view->next = known_views;
    known_views = view;
    ReleaseSRWLockExclusive(&known_views_lock);
}

/* Remember a view. Returns false if there is no memory. */
static bool remember(const void *base, size_t size, int access,
                     const shmap__os_object *object)
{
    known_view *view = malloc(sizeof *view);

    if (view == NULL)
        return false;
    view->base = base;
    view->access = access;
    view->excluded = false;
    view->size = size;
    view->region = object;
    put_in(view);
    return true;
}

/* Take a view out of the list, for the caller to free, or to put back. */
static known_view *forget(const void *base)
{
    known_view **at = &known_views;
    known_view *view;

    AcquireSRWLockExclusive(&known_views_lock);
    while (*at != NULL && (*at)->base != base)
        at = &(*at)->next;
    view = *at;
    if (view != NULL)
        *at = view->next;
    ReleaseSRWLockExclusive(&known_views_lock);
    return view;
}

HANDLE shmap__win32_view_region(const void *address, int *kind)
{
    HANDLE region = NULL;

    AcquireSRWLockShared(&known_views_lock);
    for (const known_view *view = known_views; view != NULL; view = view->next)
        if ((uintptr_t)address - (uintptr_t)view->base < view->size) {
            region = (HANDLE)view->region->native;
            *kind = view->region->kind;
            break;
        }
    ReleaseSRWLockShared(&known_views_lock);
    return region;
}

int shmap__win32_view_room(const void *address, size_t *room)
{
    int access = SHMAP_ACCESS_COPY;

    AcquireSRWLockShared(&known_views_lock);
    for (const known_view *view = known_views; view != NULL; view = view->next)
        if ((uintptr_t)address - (uintptr_t)view->base < view->size) {
            *room = view->size - ((uintptr_t)address - (uintptr_t)view->base);
            access = view->access;
            break;
        }
    ReleaseSRWLockShared(&known_views_lock);
    return access;
}

static bool can_be_mapped(const void *address, size_t size)
{
    const shmap__win32_system *system = shmap__win32_system_get();
    uintptr_t start = (uintptr_t)address;

    return start >= system->lowest_address &&
           start <= system->highest_address &&
           size - 1 <= system->highest_address - start;
}

/* Return the section to map. A file has no section of its own, because its size
 * may change: each view makes one of the size that the file has now, which
 * stays with the view when its handle is closed. Having no name, it meets no
 * other section, and needs no security. */
static HANDLE take_section(const shmap__os_object *object, int access)
{
    DWORD protection =
        access == SHMAP_ACCESS_READ_WRITE ? PAGE_READWRITE : PAGE_READONLY;

    if (object->kind != SHMAP_KIND_FILE)
        return (HANDLE)object->native;
    return CreateFileMappingW((HANDLE)object->native, NULL, protection, 0, 0,
                              NULL);
}

static void give_section_back(const shmap__os_object *object, HANDLE section)
{
    if (object->kind == SHMAP_KIND_FILE && section != NULL)
        CloseHandle(section);
}

static DWORD view_rights(int access)
{
    switch (access) {
    case SHMAP_ACCESS_READ_WRITE:
        return FILE_MAP_READ | FILE_MAP_WRITE;
    case SHMAP_ACCESS_COPY:
        return FILE_MAP_COPY;
    default:
        return FILE_MAP_READ;
    }
}

/* Return whether the range is outside a file that was cut a moment ago. */
static bool was_cut(const shmap__os_object *object, uint64_t offset,
                    size_t size)
{
    uint64_t now;

    return object->kind == SHMAP_KIND_FILE &&
           shmap__os_size(object, &now).code == 0 &&
           (now < offset || now - offset < size);
}

/* Return whether the whole range of addresses has no room for a view of this
 * size. */
static bool is_too_large(size_t size)
{
    const shmap__win32_system *system = shmap__win32_system_get();

    return size > system->highest_address - system->lowest_address;
}

static shmap__os_status map_failed(DWORD error, const void *address,
                                   size_t size)
{
    if (address != NULL && error == ERROR_INVALID_PARAMETER)
        return shmap__win32_failed_as(SHMAP_EADDRINUSE, error);
    /* Another program made the section for reading only, whatever its handle
     * may do. */
    if (error == ERROR_INVALID_PARAMETER)
        return shmap__win32_failed_as(
            is_too_large(size) ? SHMAP_ENOMEM : SHMAP_EACCES, error);
    /* Without a given address, this error means that no free range is large
     * enough. */
    if (address == NULL && error == ERROR_INVALID_ADDRESS)
        return shmap__win32_failed_as(SHMAP_ENOMEM, error);
    return shmap__win32_failed(error);
}

shmap__os_status shmap__os_view_map(const shmap__os_object *object,
                                    uint64_t offset, size_t size, int access,
                                    void *address, void **base)
{
    shmap__os_status done = {0, 0};
    HANDLE section;
    void *start = NULL;
    DWORD error;

    /* Not every system checks this itself. */
    if (address != NULL && !can_be_mapped(address, size))
        return shmap__win32_failed_as(SHMAP_EADDRINUSE, 0);
    section = take_section(object, access);
    if (section != NULL)
        start =
            MapViewOfFileEx(section, view_rights(access), (DWORD)(offset >> 32),
                            (DWORD)(offset & 0xFFFFFFFF), size, address);
    error = GetLastError();
    give_section_back(object, section);
    if (start == NULL && was_cut(object, offset, size))
        return shmap__win32_failed_as(SHMAP_ERANGE, error);
    if (start == NULL)
        return map_failed(error, address, size);
    if (address != NULL && start != address) {
        UnmapViewOfFile(start);
        return shmap__win32_failed_as(SHMAP_EADDRINUSE, 0);
    }
    if (!remember(start, size, access, object)) {
        UnmapViewOfFile(start);
        return shmap__win32_failed_as(SHMAP_ENOMEM, 0);
    }
    SHMAP__STOP("view.mapped");
    *base = start;
    return done;
}

/* The system takes blocks of 32-bit sizes, and 512 of them. */
enum { EXCLUDED_BLOCK = 1 << 30 };

static void end_excluding(const char *base, size_t size)
{
    const shmap__win32_system *system = shmap__win32_system_get();

    for (size_t at = 0; at < size; at += EXCLUDED_BLOCK)
        system->include_block(base + at);
}

static void mark_excluded(const void *base)
{
    AcquireSRWLockExclusive(&known_views_lock);
    for (known_view *view = known_views; view != NULL; view = view->next)
        if (view->base == base)
            view->excluded = true;
    ReleaseSRWLockExclusive(&known_views_lock);
}

shmap__os_status shmap__os_view_no_dump(void *base, size_t size)
{
    const shmap__win32_system *system = shmap__win32_system_get();
    const shmap__os_status done = {0, 0};
    size_t at = 0;

    if (system->exclude_block == NULL || system->include_block == NULL)
        return shmap__win32_failed_as(SHMAP_ENOTSUP, 0);
    while (at < size) {
        size_t rest = size - at;
        DWORD block = (DWORD)(rest < EXCLUDED_BLOCK ? rest : EXCLUDED_BLOCK);
        HRESULT result = system->exclude_block((char *)base + at, block);

        if (FAILED(result)) {
            end_excluding(base, at);
            return shmap__win32_failed_as(SHMAP_ENOTSUP, (DWORD)result);
        }
        at += block;
    }
    mark_excluded(base);
    return done;
}

/* Another view can be at the same address as soon as this one is unmapped. */
shmap__os_status shmap__os_view_unmap(void *base, size_t size)
{
    shmap__os_status done = {0, 0};
    known_view *view = forget(base);

    if (view != NULL && view->excluded)
        end_excluding(base, size);
    if (UnmapViewOfFile(base)) {
        free(view);
        return done;
    }
    done = shmap__win32_failed_as(SHMAP_ESYSTEM, GetLastError());
    if (view != NULL)
        put_in(view);
    return done;
}

/* PrefetchVirtualMemory is a hint that says nothing about its success. */
shmap__os_status shmap__os_view_prefault(const shmap__os_object *object,
                                         void *start, size_t size, int access)
{
    (void)object;
    (void)start;
    (void)size;
    (void)access;
    return shmap__win32_failed_as(SHMAP_ENOTSUP, 0);
}

/* Write back what is dirty. The system refuses for a moment while it writes
 * the same pages itself. */
static DWORD write_back(const void *start, size_t size)
{
    enum { TRIES = 1000 };
    DWORD error = ERROR_SUCCESS;

    for (int i = 0; i < TRIES; i++) {
        if (FlushViewOfFile(start, size))
            return ERROR_SUCCESS;
        error = GetLastError();
        if (error != ERROR_LOCK_VIOLATION)
            break;
        shmap__win32_sleep(1);
    }
    return error;
}

shmap__os_status shmap__os_view_flush(const shmap__os_object *object,
                                      void *start, size_t size, bool durable)
{
    shmap__os_status done = {0, 0};
    DWORD error = write_back(start, size);

    /* A handle for reading has written nothing, and cannot be flushed. */
    if (error == ERROR_SUCCESS && durable &&
        object->access == SHMAP_ACCESS_READ_WRITE &&
        !FlushFileBuffers((HANDLE)object->native))
        error = GetLastError();
    if (error == ERROR_SUCCESS)
        return done;
    if (shmap__win32_failed(error).code == SHMAP_ENOSPC)
        return shmap__win32_failed(error);
    return shmap__win32_failed_as(SHMAP_ESYSTEM, error);
}
