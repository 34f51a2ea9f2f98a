/* SPDX-License-Identifier: MIT */

/* Messages through pipes. Their handles may be blocking or not, overlapped or
 * not. */
#include "win32/os.h"

enum {
    CLASS_MODE = 16, /* of NtQueryInformationFile */
    SYNCHRONOUS = 0x30,
    NAP_MS = 10 /* the longest between two looks */
};

static shmap__os_status channel_failed(DWORD error)
{
    switch (error) {
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA: /* It is being closed. */
    case ERROR_PIPE_NOT_CONNECTED:
    case ERROR_PIPE_LISTENING:
    case ERROR_BAD_PIPE: /* as well, where one looks into it */
        return shmap__win32_failed_as(SHMAP_ENOENT, error);
    case ERROR_ACCESS_DENIED: /* The end is for the other direction only. */
        return shmap__win32_failed_as(SHMAP_ETYPE, error);
    default:
        return shmap__win32_failed(error);
    }
}

static shmap__os_status no_channel(DWORD error)
{
    return shmap__win32_failed_because(
        SHMAP_EINVAL, error, "channel: must be an open handle of a named pipe");
}

/* Find which end of a pipe this is. */
static shmap__os_status find_end(intptr_t channel, DWORD *flags)
{
    shmap__os_status done = {0, 0};
    HANDLE pipe = (HANDLE)channel;
    DWORD ignored;
    DWORD error;

    /* Negative numbers mean this process, and other pseudo handles. */
    if (channel <= 0)
        return no_channel(ERROR_INVALID_HANDLE);
    if (!GetHandleInformation(pipe, &ignored))
        return no_channel(GetLastError());
    if (GetNamedPipeInfo(pipe, flags, NULL, NULL, NULL))
        return done;
    error = GetLastError();
    return error == ERROR_ACCESS_DENIED
               ? shmap__win32_failed(error)
               : shmap__win32_failed_as(SHMAP_ETYPE, error);
}

/* Return whether the opener of the other end is on another machine, where
 * numbers of processes mean nothing here. */
static bool is_remote(HANDLE pipe)
{
    const shmap__win32_system *system = shmap__win32_system_get();
    wchar_t name[256];

    return system->client_computer != NULL &&
           system->client_computer(pipe, name, sizeof name);
}

shmap__os_status shmap__win32_channel_peer(intptr_t channel, int64_t *peer)
{
    HANDLE pipe = (HANDLE)channel;
    DWORD flags;
    ULONG id = 0;
    BOOL found;
    shmap__os_status status = find_end(channel, &flags);

    if (status.code < 0)
        return status;
    if ((flags & PIPE_SERVER_END) != 0) {
        found = GetNamedPipeClientProcessId(pipe, &id);
        if (found && is_remote(pipe))
            return shmap__win32_failed_as(SHMAP_ETYPE, 0);
    } else {
        found = GetNamedPipeServerProcessId(pipe, &id);
    }
    if (!found || id == 0)
        return shmap__win32_failed_as(SHMAP_ENOENT, found ? 0 : GetLastError());
    /* The system still knows the opener of an end that is closed. */
    if (!PeekNamedPipe(pipe, NULL, 0, NULL, NULL, NULL) &&
        channel_failed(GetLastError()).code == SHMAP_ENOENT)
        return channel_failed(GetLastError());
    *peer = id;
    return status;
}

/* Sleep before looking again, longer each time. Returns false at the deadline.
 */
static bool nap(DWORD *longest, int64_t deadline)
{
    DWORD ms = shmap__win32_milliseconds(deadline, *longest);

    if (ms == 0)
        return false;
    shmap__win32_sleep(ms);
    if (*longest < NAP_MS)
        ++*longest;
    return true;
}

/* Overlapped reading and writing. The event's lowest bit keeps a completion
 * port of the caller's from hearing of it. */

typedef struct io {
    OVERLAPPED overlapped;
    HANDLE event;
} io;

static DWORD io_begin(io *at)
{
    static const OVERLAPPED none = {0};

    at->overlapped = none;
    at->event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (at->event == NULL)
        return GetLastError();
    at->overlapped.hEvent = (HANDLE)((uintptr_t)at->event | 1);
    return ERROR_SUCCESS;
}

/* Wait for the end of what began, and end it at the deadline. */
static DWORD io_finish(HANDLE pipe, io *at, DWORD begun, DWORD *count,
                       int64_t deadline)
{
    DWORD error = begun;
    DWORD ms;

    if (begun == ERROR_IO_PENDING) {
        while ((ms = shmap__win32_milliseconds(deadline, INT32_MAX)) != 0 &&
               WaitForSingleObject(at->event, ms) == WAIT_TIMEOUT)
            ;
        if (WaitForSingleObject(at->event, 0) != WAIT_OBJECT_0)
            CancelIoEx(pipe, &at->overlapped);
        error = ERROR_SUCCESS;
    }
    /* A message may be longer than the part that is read. */
    if (error == ERROR_SUCCESS || error == ERROR_MORE_DATA) {
        error = GetOverlappedResult(pipe, &at->overlapped, count, TRUE)
                    ? ERROR_SUCCESS
                    : GetLastError();
        if (error == ERROR_MORE_DATA)
            error = ERROR_SUCCESS;
    }
    CloseHandle(at->event);
    return error;
}

static DWORD write_overlapped(HANDLE pipe, const char *data, DWORD size,
                              DWORD *count, int64_t deadline)
{
    io one;
    DWORD error = io_begin(&one);

    if (error != ERROR_SUCCESS)
        return error;
    if (!WriteFile(pipe, data, size, NULL, &one.overlapped))
        error = GetLastError();
    return io_finish(pipe, &one, error, count, deadline);
}

static DWORD read_overlapped(HANDLE pipe, char *data, DWORD size, DWORD *count,
                             int64_t deadline)
{
    io one;
    DWORD error = io_begin(&one);

    if (error != ERROR_SUCCESS)
        return error;
    if (!ReadFile(pipe, data, size, NULL, &one.overlapped))
        error = GetLastError();
    return io_finish(pipe, &one, error, count, deadline);
}

/* Only another thread can end a write through a handle that is not overlapped;
 * so the write must not wait. */
static DWORD write_now(HANDLE pipe, const char *data, DWORD size, DWORD *count)
{
    DWORD error = ERROR_SUCCESS;
    DWORD mode;
    DWORD patient;

    if (!GetNamedPipeHandleStateW(pipe, &mode, NULL, NULL, NULL, NULL, 0))
        return GetLastError();
    patient = mode;
    mode |= PIPE_NOWAIT;
    if (mode != patient && !SetNamedPipeHandleState(pipe, &mode, NULL, NULL))
        return GetLastError();
    if (!WriteFile(pipe, data, size, count, NULL))
        error = GetLastError();
    if (mode != patient)
        SetNamedPipeHandleState(pipe, &patient, NULL, NULL);
    return error;
}

/* Return how many of `size` bytes to write at once: a part larger than the
 * pipe's buffer would never fit. */
static DWORD fitting(HANDLE pipe, DWORD size)
{
    DWORD out;
    DWORD in;

    if (!GetNamedPipeInfo(pipe, NULL, &out, &in, NULL))
        return size;
    if (out != 0 && size > out)
        size = out;
    return in != 0 && size > in ? in : size;
}

static bool is_synchronous(HANDLE pipe)
{
    const shmap__win32_system *system = shmap__win32_system_get();
    void *result[2];
    ULONG mode = 0;

    return system->query_file != NULL &&
           system->query_file(pipe, result, &mode, sizeof mode, CLASS_MODE) >=
               0 &&
           (mode & SYNCHRONOUS) != 0;
}

bool shmap__win32_channel_has_room(intptr_t channel)
{
    const HANDLE pipe = (HANDLE)channel;
    DWORD flags;
    DWORD out;
    DWORD in;

    if (!is_synchronous(pipe) ||
        !GetNamedPipeInfo(pipe, &flags, &out, &in, NULL))
        return true;
    /* A message cannot be written in parts. */
    if ((flags & PIPE_TYPE_MESSAGE) != 0)
        return (out != 0 || in != 0) &&
               fitting(pipe, SHMAP__OS_MESSAGE) == SHMAP__OS_MESSAGE;
    return out != 0 || in != 0;
}

shmap__os_status shmap__os_send(intptr_t channel, const shmap__os_gift *gift,
                                const char message[SHMAP__OS_MESSAGE],
                                int64_t deadline)
{
    const HANDLE pipe = (HANDLE)channel;
    const bool synchronous = is_synchronous(pipe);
    shmap__os_status done = {0, 0};
    DWORD longest = 1;
    DWORD sent = 0;

    (void)gift;
    while (sent < SHMAP__OS_MESSAGE) {
        const char *rest = message + sent;
        const DWORD left = SHMAP__OS_MESSAGE - sent;
        DWORD count = 0;
        DWORD error =
            synchronous ? write_now(pipe, rest, fitting(pipe, left), &count)
                        : write_overlapped(pipe, rest, left, &count, deadline);

        if (error == ERROR_OPERATION_ABORTED)
            return shmap__win32_failed_as(SHMAP_ETIMEDOUT, 0);
        if (error != ERROR_SUCCESS)
            return channel_failed(error);
        sent += count;
        if (count == 0 && !nap(&longest, deadline))
            return shmap__win32_failed_as(SHMAP_ETIMEDOUT, 0);
    }
    return done;
}

/* Reading what is there does not wait, whatever the handle. */
static shmap__os_status receive_all(HANDLE pipe, char *message,
                                    int64_t deadline)
{
    shmap__os_status done = {0, 0};
    DWORD longest = 1;
    DWORD received = 0;

    while (received < SHMAP__OS_MESSAGE) {
        const DWORD left = SHMAP__OS_MESSAGE - received;
        DWORD count = 0;
        DWORD error = ERROR_SUCCESS;

        if (!PeekNamedPipe(pipe, NULL, 0, NULL, &count, NULL))
            error = GetLastError();
        else if (count > 0)
            error =
                read_overlapped(pipe, message + received,
                                count < left ? count : left, &count, deadline);
        if (error != ERROR_SUCCESS)
            return channel_failed(error);
        if (count == 0 && !nap(&longest, deadline))
            return shmap__win32_failed_as(SHMAP_ETIMEDOUT, 0);
        received += count;
        if (!shmap__os_begins_message(message, received))
            return shmap__win32_failed_as(SHMAP_ETOKEN, 0);
    }
    return done;
}

/* A sender can name any handle of this process. */
static shmap__os_status check_sender(HANDLE pipe, DWORD flags,
                                     const shmap__os_request *request)
{
    shmap__os_status done = {0, 0};
    char known[256];
    ULONG id;

    if (request->options.accept == SHMAP_ACCEPT_ANYBODY)
        return done;
    if ((flags & PIPE_SERVER_END) != 0)
        return shmap__win32_check_client(pipe, request);
    /* The maker of the pipe. Where pipes have no owners, as under Wine, the
     * user of the process that made it; but its number can be that of another
     * process by now. */
    if (shmap__win32_handle_owner(pipe, known, sizeof known))
        return shmap__win32_check_owner(pipe, request);
    if (!GetNamedPipeServerProcessId(pipe, &id))
        return shmap__win32_failed_as(SHMAP_EOWNER, GetLastError());
    return shmap__win32_check_process(id, request);
}

shmap__os_status shmap__os_receive(intptr_t channel,
                                   char message[SHMAP__OS_MESSAGE],
                                   const shmap__os_request *request,
                                   shmap__os_gift *delivered, int64_t deadline)
{
    const HANDLE pipe = (HANDLE)channel;
    DWORD flags;
    shmap__os_status status = find_end(channel, &flags);

    if (status.code == 0)
        status = receive_all(pipe, message, deadline);
    if (status.code == 0)
        status = check_sender(pipe, flags, request);
    if (status.code == 0)
        delivered->way = SHMAP__OS_TO_PROCESS;
    return status;
}
