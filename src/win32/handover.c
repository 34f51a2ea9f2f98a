/* SPDX-License-Identifier: MIT */

/* Handing regions over: handles that a message through a channel tells of, and
 * taking a handle that was given. handover_inherit.c and handover_process.c
 * have the other ways. */
#include "win32/os.h"

#include "base/stop.h"

int64_t shmap__os_process_id(void)
{
    return GetCurrentProcessId();
}

/* The system names the process that opened the other end. If that is this
 * process, another process has inherited the end, and which one cannot be told.
 */
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

    /* The handle can be taken back if there is no room for the message. */
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

/* Take back a handle of which no message tells. The process may have ended, and
 * its number be that of another, in which the handle of the same number is of
 * another object. */
void shmap__os_give_channel_end(const shmap__os_gift *gift, bool given)
{
    const HANDLE there = (HANDLE)(intptr_t)gift->native;
    HANDLE process = NULL;
    HANDLE copy;

    if (given || shmap__win32_open_process(&process, gift->to).code < 0)
        return;
    if (DuplicateHandle(process, there, GetCurrentProcess(), &copy, 0, FALSE,
                        DUPLICATE_SAME_ACCESS)) {
        if (shmap__win32_handle_matches(copy, gift->kind, gift->identity))
            DuplicateHandle(process, there, NULL, NULL, 0, FALSE,
                            DUPLICATE_CLOSE_SOURCE);
        CloseHandle(copy);
    }
    CloseHandle(process);
}

/* Return whether the handle that was given is in this process. Handles that
 * this process lets its children inherit are not for itself. */
static bool is_here(const shmap__os_gift *gift)
{
    const HANDLE given = (HANDLE)(intptr_t)gift->native;

    if (gift->way == SHMAP__OS_TO_CHILD && gift->from == shmap__os_process_id())
        return false;
    return shmap__win32_can_be_gift(gift->native, gift->way) &&
           shmap__win32_handle_matches(given, gift->kind, gift->identity);
}

static void close_given(const shmap__os_gift *gift)
{
    const HANDLE given = (HANDLE)(intptr_t)gift->native;

    SetHandleInformation(given, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0);
    CloseHandle(given);
}

/* Give the object a handle of another number instead of the one that was given,
 * so that this cannot be taken twice. */
static shmap__os_status make_own(HANDLE given, const shmap__os_request *request,
                                 HANDLE *own)
{
    const shmap__os_gift *gift = request->gift;
    const int access = request->options.access;
    shmap__os_status status =
        shmap__win32_copy_for(given, gift->kind, access, own);

    if (status.code < 0)
        return status;
    close_given(gift);
    /* On a volume without locks, it is not known which processes have the file.
     */
    if (gift->kind == SHMAP_KIND_FILE && access == SHMAP_ACCESS_READ_WRITE)
        shmap__win32_file_mark(*own);
    return status;
}

static shmap__os_status take_given(shmap__os_object *object,
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
    status = shmap__win32_check_owner(given, request);
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

/* Of two threads that take the same handle, only one succeeds. */
static SRWLOCK taking = SRWLOCK_INIT;

shmap__os_status shmap__os_take(shmap__os_object *object,
                                const shmap__os_request *request)
{
    shmap__os_status status;

    if (request->gift->way == SHMAP__OS_SENT)
        return shmap__win32_failed_as(SHMAP_ENOENT, 0);
    AcquireSRWLockExclusive(&taking);
    status = take_given(object, request);
    ReleaseSRWLockExclusive(&taking);
    return status;
}

/* A message that was not read named nothing. */
void shmap__os_drop(const shmap__os_gift *gift)
{
    AcquireSRWLockExclusive(&taking);
    if (gift->native != 0 && is_here(gift))
        close_given(gift);
    ReleaseSRWLockExclusive(&taking);
}
