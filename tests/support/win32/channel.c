/* SPDX-License-Identifier: MIT */

/* Channels, Windows: named pipes. */

#include "../channel.h"

#include "win32/api.h"

enum { ROOM = 65536 };

static HANDLE make_pipe(const char *address, enum channel_kind kind, bool waits)
{
    DWORD type = kind == CHANNEL_RECORDS
                     ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE
                     : PIPE_TYPE_BYTE;
    return CreateNamedPipeA(
        address, PIPE_ACCESS_DUPLEX | (waits ? 0 : FILE_FLAG_OVERLAPPED),
        type | PIPE_WAIT, 1, ROOM, ROOM, 0, NULL);
}

static HANDLE open_pipe(const char *address, bool waits)
{
    return CreateFileA(address, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                       OPEN_EXISTING, waits ? 0 : FILE_FLAG_OVERLAPPED, NULL);
}

static void choose_address(char *address)
{
    snprintf(address, NAME_ROOM, "\\\\.\\pipe\\t%d-%08x", os_process_id(),
             (unsigned)fresh_seed());
}

bool channel_pair(intptr_t ends[2], enum channel_kind kind, bool waits)
{
    char address[NAME_ROOM];
    choose_address(address);
    HANDLE server = make_pipe(address, kind, waits);
    HANDLE client = open_pipe(address, waits);
    if (server == INVALID_HANDLE_VALUE || client == INVALID_HANDLE_VALUE) {
        channel_close((intptr_t)server);
        channel_close((intptr_t)client);
        return false;
    }
    ends[0] = (intptr_t)server;
    ends[1] = (intptr_t)client;
    return true;
}

intptr_t channel_listen(char *address, enum channel_kind kind)
{
    choose_address(address);
    return (intptr_t)make_pipe(address, kind, true);
}

intptr_t channel_join(const char *address)
{
    return (intptr_t)open_pipe(address, true);
}

/* Who has joined is connected. */
intptr_t channel_accept(intptr_t listening)
{
    return listening;
}

bool channel_small_pair(intptr_t ends[2])
{
    char address[NAME_ROOM];
    choose_address(address);
    ends[0] = (intptr_t)CreateNamedPipeA(address, PIPE_ACCESS_DUPLEX,
                                         PIPE_TYPE_MESSAGE |
                                             PIPE_READMODE_MESSAGE | PIPE_WAIT,
                                         1, 512, 512, 0, NULL);
    ends[1] = (intptr_t)open_pipe(address, true);
    return ends[0] != -1 && ends[1] != -1;
}

bool channel_finds_holder(void)
{
    return false;
}

void channel_close(intptr_t end)
{
    if (end != -1)
        CloseHandle((HANDLE)end);
}

bool channel_stop_reading(intptr_t end)
{
    (void)end;
    return false;
}

static DWORD waiting(intptr_t end)
{
    DWORD count = 0;
    PeekNamedPipe((HANDLE)end, NULL, 0, NULL, &count, NULL);
    return count;
}

static bool transfer(intptr_t end, void *data, DWORD size, bool write)
{
    OVERLAPPED overlapped = {0};
    DWORD count = 0;
    overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    BOOL done = write ? WriteFile((HANDLE)end, data, size, NULL, &overlapped)
                      : ReadFile((HANDLE)end, data, size, NULL, &overlapped);
    if (!done && GetLastError() == ERROR_IO_PENDING)
        done = TRUE;
    done = done && GetOverlappedResult((HANDLE)end, &overlapped, &count, TRUE);
    CloseHandle(overlapped.hEvent);
    return done && count == size;
}

bool channel_write(intptr_t end, const void *data, size_t size)
{
    return transfer(end, (void *)(uintptr_t)data, (DWORD)size, true);
}

bool channel_write_with(intptr_t end, const void *data, size_t size,
                        const intptr_t *handles, size_t count)
{
    (void)end, (void)data, (void)size, (void)handles, (void)count;
    return false;
}

/* What is more than the pipe's room would wait. */
bool channel_fill(intptr_t end)
{
    (void)end;
    return false;
}

size_t channel_drain(intptr_t end)
{
    static char data[ROOM];
    DWORD count = waiting(end);
    return count > 0 && count <= sizeof data &&
                   transfer(end, data, count, false)
               ? count
               : 0;
}

intptr_t channel_make_not(enum channel_not what)
{
    char address[NAME_ROOM];
    HANDLE ends[2] = {INVALID_HANDLE_VALUE, INVALID_HANDLE_VALUE};
    switch (what) {
    case CHANNEL_NOT_A_PIPE:
        if (CreatePipe(&ends[0], &ends[1], NULL, 0))
            CloseHandle(ends[0]);
        return (intptr_t)ends[1];
    case CHANNEL_NOT_A_FILE:
        return (intptr_t)CreateFileA("NUL", GENERIC_READ | GENERIC_WRITE, 0,
                                     NULL, OPEN_EXISTING, 0, NULL);
    case CHANNEL_NOT_JOINED:
        choose_address(address);
        return (intptr_t)make_pipe(address, CHANNEL_STREAM, true);
    default:
        return -1;
    }
}
