/* SPDX-License-Identifier: MIT */

/* Handing regions over: handles with no more rights than they need, inherited
 * by children, or put into other processes. */
#include "win32/os.h"

#include "base/stop.h"

int64_t shmap__os_process_id(void)
{
    return GetCurrentProcessId();
}

/* What a handle for some access may do, and what it must be able to. */
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
            writes ? SHMAP__OS_SECTION_WRITE : SHMAP__OS_SECTION_READ;
    }
    return rights;
}

/* Make a handle with no more rights than that. What another program's handle
 * does not have, its copy cannot have either. */
static shmap__os_status copy_for(HANDLE handle, int kind, int access,
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

static bool identify(HANDLE handle, int kind, uint64_t identity[2])
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

static bool is_same(HANDLE handle, int kind, const uint64_t identity[2])
{
    uint64_t found[2];

    /* Of some other objects, asking for the name can wait. */
    return is_kind(handle, kind) && identify(handle, kind, found) &&
           found[0] == identity[0] && found[1] == identity[1];
}

/* Make what is to be given: a handle that nobody has yet. */
static shmap__os_status make_gift(const shmap__os_object *object,
                                  shmap__os_gift *gift, HANDLE *made)
{
    const HANDLE handle = (HANDLE)object->native;
    const int kind = object->kind;
    uint64_t size;
    shmap__os_status status = shmap__os_size(object, &size);

    if (status.code < 0)
        return status;
    if (!identify(handle, kind, gift->identity))
        return shmap__win32_failed_as(SHMAP_ENOTSUP, 0);
    status = copy_for(handle, kind, gift->access, made);
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

shmap__os_status shmap__os_give_child(shmap__os_object *object,
                                      shmap__os_gift *gift)
{
    shmap__os_gift filled = *gift;
    HANDLE made;
    shmap__os_status status = make_gift(object, &filled, &made);

    if (status.code < 0)
        return status;
    if (!SetHandleInformation(made, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT)) {
        status = shmap__win32_failed(GetLastError());
        CloseHandle(made);
        return status;
    }
    SHMAP__STOP("give.inheritable");
    *gift = filled;
    gift->native = (intptr_t)made;
    return status;
}

/* Whether this number is of a handle that is given in this way, as none of the
 * library's own is. The system would ignore the lowest bits of a number, and
 * take some negative ones for this process and the like. */
static bool can_be_gift(int64_t native, int way)
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

bool shmap__os_is_given_child(const shmap__os_object *object, int64_t native)
{
    uint64_t identity[2];

    return identify((HANDLE)object->native, object->kind, identity) &&
           can_be_gift(native, SHMAP__OS_TO_CHILD) &&
           is_same((HANDLE)(intptr_t)native, object->kind, identity);
}

void shmap__os_give_child_end(const shmap__os_object *object, int64_t native)
{
    if (shmap__os_is_given_child(object, native))
        CloseHandle((HANDLE)(intptr_t)native);
}

/* The system rounds numbers to multiples of four, and keeps processes that have
 * ended as long as somebody has a handle. */
static bool is_running(HANDLE process, int64_t id)
{
    return GetProcessId(process) == id &&
           WaitForSingleObject(process, 0) != WAIT_OBJECT_0;
}

static shmap__os_status open_process(HANDLE *process, int64_t id)
{
    shmap__os_status done = {0, 0};

    if (id > UINT32_MAX)
        return shmap__win32_failed_as(SHMAP_ENOENT, ERROR_INVALID_PARAMETER);
    *process = OpenProcess(PROCESS_DUP_HANDLE |
                               PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE,
                           FALSE, (DWORD)id);
    if (*process == NULL) {
        DWORD error = GetLastError();

        return error == ERROR_INVALID_PARAMETER
                   ? shmap__win32_failed_as(SHMAP_ENOENT, error)
                   : shmap__win32_failed(error);
    }
    if (is_running(*process, id))
        return done;
    CloseHandle(*process);
    return shmap__win32_failed_as(SHMAP_ENOENT, ERROR_INVALID_PARAMETER);
}

static shmap__os_status put_into(HANDLE process, HANDLE handle,
                                 shmap__os_gift *gift)
{
    shmap__os_status done = {0, 0};
    HANDLE there;
    DWORD error;

    if (DuplicateHandle(GetCurrentProcess(), handle, process, &there, 0, FALSE,
                        DUPLICATE_SAME_ACCESS)) {
        gift->native = (intptr_t)there;
        return done;
    }
    error = GetLastError();
    return is_running(process, gift->to)
               ? shmap__win32_failed(error)
               : shmap__win32_failed_as(SHMAP_ENOENT, error);
}

shmap__os_status shmap__os_give_process(shmap__os_object *object,
                                        shmap__os_gift *gift)
{
    shmap__os_gift filled = *gift;
    HANDLE process = NULL;
    HANDLE made;
    shmap__os_status status = open_process(&process, gift->to);

    if (status.code < 0)
        return status;
    status = make_gift(object, &filled, &made);
    if (status.code == 0) {
        status = put_into(process, made, &filled);
        CloseHandle(made);
    }
    CloseHandle(process);
    if (status.code == 0)
        *gift = filled;
    return status;
}

/* The system names the process that opened the other end. If that is this one,
 * another process has inherited the end, and which one cannot be told. */
static shmap__os_status peer_unknown(void)
{
    const shmap__os_status status = {
        SHMAP_ETYPE, 0,
        "this process opened both ends of the pipe: which process has the "
        "other one now is not known; let that process open its end itself"};

    return status;
}

static shmap__os_status no_room(void)
{
    const shmap__os_status status = {
        SHMAP_ETYPE, 0,
        "the buffers of the pipe are too small for a message, and its handle "
        "is "
        "not overlapped: make it with buffers of 1 KiB or more"};

    return status;
}

shmap__os_status shmap__os_give_channel(shmap__os_object *object,
                                        shmap__os_gift *gift, intptr_t channel,
                                        int64_t deadline)
{
    shmap__os_gift filled = *gift;
    shmap__os_status status = shmap__win32_channel_peer(channel, &filled.to);

    /* What is given can be taken back if there is no room for the message. */
    (void)deadline;
    if (status.code < 0)
        return status;
    if (filled.to == gift->from && !SHMAP__OWN_CHANNELS)
        return peer_unknown();
    if (!shmap__win32_channel_has_room(channel))
        return no_room();
    filled.way = SHMAP__OS_TO_PROCESS;
    status = shmap__os_give_process(object, &filled);
    if (status.code == 0)
        *gift = filled;
    return status;
}

/* Take back what nobody was told of. The process may have ended, and its number
 * be another's, whose handle of the same number means something else. */
void shmap__os_give_channel_end(const shmap__os_gift *gift, bool given)
{
    const HANDLE there = (HANDLE)(intptr_t)gift->native;
    HANDLE process = NULL;
    HANDLE copy;

    if (given || open_process(&process, gift->to).code < 0)
        return;
    if (DuplicateHandle(process, there, GetCurrentProcess(), &copy, 0, FALSE,
                        DUPLICATE_SAME_ACCESS)) {
        if (is_same(copy, gift->kind, gift->identity))
            DuplicateHandle(process, there, NULL, NULL, 0, FALSE,
                            DUPLICATE_CLOSE_SOURCE);
        CloseHandle(copy);
    }
    CloseHandle(process);
}

/* Taking */

/* Whether what was given is here. What this process lets its children inherit
 * is not for itself. */
static bool is_here(const shmap__os_gift *gift)
{
    const HANDLE given = (HANDLE)(intptr_t)gift->native;

    if (gift->way == SHMAP__OS_TO_CHILD && gift->from == shmap__os_process_id())
        return false;
    return can_be_gift(gift->native, gift->way) &&
           is_same(given, gift->kind, gift->identity);
}

static void close_given(const shmap__os_gift *gift)
{
    const HANDLE given = (HANDLE)(intptr_t)gift->native;

    SetHandleInformation(given, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0);
    CloseHandle(given);
}

/* What was given becomes the object's under another number, so that it cannot
 * be taken twice. */
static shmap__os_status make_own(HANDLE given, const shmap__os_request *request,
                                 HANDLE *own)
{
    const shmap__os_gift *gift = request->gift;
    const int access = request->options.access;
    shmap__os_status status = copy_for(given, gift->kind, access, own);

    if (status.code < 0)
        return status;
    close_given(gift);
    /* Where there are no locks, nothing is told of who has the file. */
    if (gift->kind == SHMAP_KIND_FILE && access == SHMAP_ACCESS_READ_WRITE)
        shmap__win32_file_mark(*own);
    return status;
}

static shmap__os_status take(shmap__os_object *object,
                             const shmap__os_request *request)
{
    const shmap__os_gift *gift = request->gift;
    const HANDLE given = (HANDLE)(intptr_t)gift->native;
    shmap__os_status status;
    uint64_t size = 0;
    HANDLE own = NULL;

    if (!is_here(gift) ||
        (gift->kind == SHMAP_KIND_NAMED &&
         !shmap__win32_section_is_named(given, request->os_name)))
        return shmap__win32_failed_as(SHMAP_ENOENT, 0);
    SHMAP__STOP("take.found");
    status = shmap__win32_check_owner(given, request->options.owner);
    if (status.code == 0)
        status = gift->kind == SHMAP_KIND_FILE
                     ? shmap__win32_file_size(given, &size)
                     : shmap__win32_section_size(given, &size);
    if (status.code == 0)
        status = make_own(given, request, &own);
    if (status.code < 0)
        return status;
    SHMAP__STOP("take.taken");
    object->identity[0] = gift->identity[0];
    object->identity[1] = gift->identity[1];
    shmap__win32_object_fill(object, own, size, gift->kind,
                             request->options.access);
    return status;
}

/* Of two threads that take the same, one does. */
static SRWLOCK taking = SRWLOCK_INIT;

shmap__os_status shmap__os_take(shmap__os_object *object,
                                const shmap__os_request *request)
{
    shmap__os_status status;

    if (request->gift->way == SHMAP__OS_SENT)
        return shmap__win32_failed_as(SHMAP_ENOENT, 0);
    AcquireSRWLockExclusive(&taking);
    status = take(object, request);
    ReleaseSRWLockExclusive(&taking);
    return status;
}

/* If the message was none, it named nothing. */
void shmap__os_drop(const shmap__os_gift *gift)
{
    AcquireSRWLockExclusive(&taking);
    if (gift->native != 0 && is_here(gift))
        close_given(gift);
    ReleaseSRWLockExclusive(&taking);
}
