/* SPDX-License-Identifier: MIT */

/* File regions: opening, making and extending files, and telling whether
 * another handle has one open.
 *
 * A handle that may write a file region marks it: a shared lock on one byte,
 * held as long as the handle. Whether another handle does is told by an
 * exclusive lock on the same byte. Both are taken only behind a gate, an
 * exclusive lock on another byte, so that one question does not answer another,
 * and of several that come at once exactly one is alone. The system drops all
 * these locks when a process dies. The bytes are far beyond any data, which
 * such locks would otherwise keep others from reading.
 */
#include "win32/os.h"

#include <stdlib.h>
#include <wchar.h>

#include "base/stop.h"

/* Below 2^63, where signed offsets end. */
static const uint64_t gate_byte = UINT64_C(0x7FFFFFFFFFFFFFF0);
static const uint64_t mark_byte = UINT64_C(0x7FFFFFFFFFFFFFF1);

/* Return whether no handle marks the file. Called inside the gate, while this
 * handle has no mark. */
static bool no_handle_marks(HANDLE file)
{
    if (shmap__win32_lock(file, mark_byte, LOCKFILE_EXCLUSIVE_LOCK) !=
        ERROR_SUCCESS)
        return false;
    shmap__win32_unlock(file, mark_byte);
    return true;
}

bool shmap__win32_file_is_alone(HANDLE file)
{
    bool marked;
    bool alone;

    if (shmap__win32_lock_patiently(file, gate_byte) != ERROR_SUCCESS)
        return false;
    /* The mark of this handle would be in the way. No other handle looks for it
     * meanwhile. */
    marked = shmap__win32_unlock(file, mark_byte);
    alone = no_handle_marks(file);
    if (marked)
        shmap__win32_file_mark(file);
    shmap__win32_unlock(file, gate_byte);
    return alone;
}

DWORD shmap__win32_file_mark(HANDLE file)
{
    return shmap__win32_lock(file, mark_byte, 0);
}

void shmap__win32_file_unmark(HANDLE file)
{
    shmap__win32_unlock(file, mark_byte);
}

static shmap__os_status ensure_size(HANDLE file, uint64_t size, int access)
{
    uint64_t now = 0;
    shmap__os_status status = shmap__win32_file_size(file, &now);

    if (size <= now || (status.code < 0 && status.code != SHMAP_ENOTREADY) ||
        (status.code == SHMAP_ENOTREADY && size == 0))
        return status;
    if (access == SHMAP_ACCESS_READ)
        return (shmap__os_status){SHMAP_ERANGE, 0, SHMAP__OS_SHORT_FILE};
    return shmap__win32_extend(file, size);
}

/* Remove a file that was made here. Its handle has no right to: with that
 * right, only programs that expect the file to vanish could open it. */
static void remove_made(HANDLE file)
{
    FILE_DISPOSITION_INFO disposition = {TRUE};
    HANDLE again =
        ReOpenFile(file, DELETE,
                   FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, 0);

    if (again == INVALID_HANDLE_VALUE)
        return;
    SetFileInformationByHandle(again, FileDispositionInfo, &disposition,
                               sizeof disposition);
    CloseHandle(again);
}

/* Return whether the file will vanish with its last handle. */
static bool is_doomed(HANDLE file)
{
    FILE_STANDARD_INFO info;

    return GetFileInformationByHandleEx(file, FileStandardInfo, &info,
                                        sizeof info) &&
           info.DeletePending;
}

/* Fill the holes of a file that is to have `size` bytes. */
static shmap__os_status fill_holes(HANDLE file, const char *path, uint64_t size)
{
    shmap__os_status status = {0, 0};
    const char *where;
    uint64_t now = 0;
    uint64_t room = UINT64_MAX;
    uint64_t missing;

    status = shmap__win32_file_size(file, &now);
    missing = status.code < 0 ? 0 : shmap__win32_missing(file, now);
    if (missing == 0)
        return shmap__win32_failed_as(0, 0);
    missing += size > now ? size - now : 0;
    if (shmap__os_room(SHMAP_KIND_FILE, path, &room, &where) && missing > room)
        status = shmap__win32_failed(ERROR_DISK_FULL);
    else
        status = shmap__win32_fill(file);
    if (status.code == SHMAP_ENOSPC)
        status.detail = "there is no room for all of the file's holes";
    return status;
}

/* Size the file and mark it, behind the gate if the volume has locks. */
static shmap__os_status prepare_file(HANDLE file,
                                     const shmap__os_request *request,
                                     bool made, bool *alone)
{
    DWORD gate = shmap__win32_lock_patiently(file, gate_byte);
    DWORD marked = ERROR_SUCCESS;
    shmap__os_status status;
    uint64_t now;

    if (gate == ERROR_LOCK_VIOLATION)
        return shmap__win32_failed_as(SHMAP_EBUSY, gate);
    SHMAP__STOP("file.gated");
    /* Its maker could not size the file, and is removing it. */
    if (is_doomed(file)) {
        if (gate == ERROR_SUCCESS)
            shmap__win32_unlock(file, gate_byte);
        return shmap__win32_failed(ERROR_DELETE_PENDING);
    }
    *alone = gate == ERROR_SUCCESS && no_handle_marks(file);
    status = shmap__win32_failed_as(0, 0);
    /* Where there are locks at all, an opener without a mark would let other
     * openers believe that they are alone. */
    if (gate == ERROR_SUCCESS &&
        request->options.access == SHMAP_ACCESS_READ_WRITE)
        marked = shmap__win32_file_mark(file);
    if (marked != ERROR_SUCCESS)
        status = shmap__win32_failed(marked);
    if (status.code == 0 && request->options.commit == SHMAP_COMMIT_ALL)
        status = fill_holes(file, request->os_name, request->size);
    if (status.code == 0)
        status = ensure_size(file, request->size, request->options.access);
    SHMAP__STOP("file.sized");
    /* Empty still, it is used by this thread only. */
    if (status.code < 0 && made && (*alone || gate != ERROR_SUCCESS) &&
        shmap__win32_file_size(file, &now).code == SHMAP_ENOTREADY)
        remove_made(file);
    if (gate == ERROR_SUCCESS)
        shmap__win32_unlock(file, gate_byte);
    return status;
}

static DWORD creation(int create)
{
    switch (create) {
    case SHMAP_CREATE_NEW:
        return CREATE_NEW;
    case SHMAP_CREATE_IF_MISSING:
        return OPEN_ALWAYS;
    default:
        return OPEN_EXISTING;
    }
}

/* Open the path; `*error` receives the reason, or ERROR_ALREADY_EXISTS if there
 * was a file. If it is a pipe, its server must not be able to act as this user.
 */
static HANDLE open_path(const wchar_t *path, int access, int create,
                        SECURITY_ATTRIBUTES *security, DWORD *error)
{
    DWORD rights = GENERIC_READ;
    HANDLE file;

    if (access == SHMAP_ACCESS_READ_WRITE)
        rights |= GENERIC_WRITE;
    SetLastError(ERROR_SUCCESS);
    file = CreateFileW(
        path, rights, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        security, creation(create),
        FILE_ATTRIBUTE_NORMAL | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS,
        NULL);
    *error = GetLastError();
    return file;
}

static shmap__os_status open_failed(DWORD error, const wchar_t *path)
{
    DWORD attributes;

    /* Opening a folder as a file is denied. */
    if (error == ERROR_ACCESS_DENIED) {
        attributes = GetFileAttributesW(path);
        if (attributes != INVALID_FILE_ATTRIBUTES &&
            (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
            return shmap__win32_failed_as(SHMAP_ETYPE, error);
    }
    return shmap__win32_failed(error);
}

static shmap__os_status open_once(HANDLE *file, const wchar_t *path,
                                  const shmap__os_request *request, bool *made,
                                  bool *alone)
{
    const int create = request->options.create;
    shmap__win32_security privacy;
    shmap__os_status status = {0, 0};
    SECURITY_ATTRIBUTES *security = NULL;
    DWORD error = ERROR_SUCCESS;

    if (create != SHMAP_CREATE_NEVER) {
        error = shmap__win32_privacy_init(&privacy, FILE_ALL_ACCESS, false);
        security = &privacy.attributes;
        if (error == ERROR_SUCCESS)
            status = shmap__win32_privacy_share(
                &privacy, &request->options, FILE_GENERIC_READ,
                FILE_GENERIC_READ | FILE_GENERIC_WRITE);
    }
    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    if (status.code < 0)
        return status;
    do {
        *file =
            open_path(path, request->options.access, create, security, &error);
    } while (*file == INVALID_HANDLE_VALUE &&
             shmap__win32_drop_label(security, error));
    if (*file == INVALID_HANDLE_VALUE)
        return open_failed(error, path);
    SHMAP__STOP("file.opened");
    *made = create == SHMAP_CREATE_NEW || (create == SHMAP_CREATE_IF_MISSING &&
                                           error != ERROR_ALREADY_EXISTS);
    if (shmap__win32_file_is_regular(*file))
        status = prepare_file(*file, request, *made, alone);
    else
        status = shmap__win32_failed_as(SHMAP_ETYPE, 0);
    if (status.code < 0)
        CloseHandle(*file);
    return status;
}

/* Open the file, again if it was just being removed. */
static shmap__os_status open_file(HANDLE *file, const wchar_t *path,
                                  const shmap__os_request *request, bool *made,
                                  bool *alone)
{
    enum { ROUNDS = 100 };
    shmap__os_status status = {0, 0};

    for (int i = 0; i < ROUNDS; i++) {
        status = open_once(file, path, request, made, alone);
        if (status.system != ERROR_DELETE_PENDING)
            break;
    }
    return status;
}

/* Return the absolute path, for the object to keep; NULL if there is no memory.
 */
static wchar_t *absolute(const wchar_t *path)
{
    DWORD size = GetFullPathNameW(path, 0, NULL, NULL);
    wchar_t *full = size == 0 ? NULL : malloc(size * sizeof *full);
    DWORD used = full == NULL ? 0 : GetFullPathNameW(path, size, full, NULL);

    if (full != NULL && used > 0 && used < size)
        return full;
    free(full);
    return NULL;
}

bool shmap__win32_file_is_lost(const shmap__os_object *object)
{
    const DWORD sharing =
        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    uint64_t identity[2];
    uint64_t size;
    HANDLE found;
    DWORD error;
    bool known;

    if (is_doomed((HANDLE)object->native))
        return true;
    if (object->path == NULL)
        return false;
    found = CreateFileW(object->path, FILE_READ_ATTRIBUTES, sharing, NULL,
                        OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    error = GetLastError();
    if (found == INVALID_HANDLE_VALUE)
        return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
    known = shmap__win32_file_identify(found, identity, &size);
    CloseHandle(found);
    return known && !shmap__win32_file_is_same(identity, object->identity);
}

/* Return whether a path is that of a device. The system has names for devices
 * in every folder, and shows that by giving them another path. To open such a
 * device could have effects. */
static bool is_device(const wchar_t *path, const wchar_t *full)
{
    static const wchar_t devices[] = L"\\\\.\\";
    const size_t size = sizeof devices / sizeof devices[0] - 1;

    return full != NULL && wcsncmp(full, devices, size) == 0 &&
           wcsncmp(path, devices, size) != 0;
}

/* Windows allocates the room of a file when it extends it: lazy makes no
 * difference. */
shmap__os_status shmap__os_file_open(shmap__os_object *object,
                                     const shmap__os_request *request,
                                     bool *alone)
{
    wchar_t *wide;
    wchar_t *full;
    HANDLE file = INVALID_HANDLE_VALUE;
    bool made = false;
    bool found_alone = false;
    uint64_t size = 0;
    shmap__os_status status = shmap__win32_utf16(&wide, request->os_name);

    if (status.code < 0)
        return status;
    full = absolute(wide);
    if (is_device(wide, full)) {
        status = shmap__win32_failed_as(SHMAP_ETYPE, 0);
        status.detail = "the system keeps this file name for a device";
    } else {
        status = open_file(&file, wide, request, &made, &found_alone);
    }
    free(wide);
    if (status.code == 0 &&
        !shmap__win32_file_identify(file, object->identity, &size)) {
        status = shmap__win32_failed(GetLastError());
        CloseHandle(file);
    }
    if (status.code < 0) {
        free(full);
        return status;
    }
    object->path = full;
    shmap__win32_object_fill(object, file, size, SHMAP_KIND_FILE,
                             request->options.access);
    object->created = made;
    *alone = found_alone;
    return status;
}
