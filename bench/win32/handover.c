/* SPDX-License-Identifier: MIT */

/* Handing memory over with Windows' own calls: handles of sections, duplicated
 * with the rights that others are to have.
 */
#include "../handover.h"

#include <stdio.h>
#include <stdlib.h>
#include "win32/api.h"

/* Making */

/* What others get is duplicated for each of them. */
int bench_memory_make(bench_memory *memory, size_t size, bool for_reading)
{
    HANDLE section =
        CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                           (DWORD)((uint64_t)size >> 32), (DWORD)size, NULL);

    if (section == NULL)
        return -1;
    *memory =
        (bench_memory){(intptr_t)section, (intptr_t)section, size, for_reading};
    return bench_raw_map(memory);
}

void bench_memory_free(bench_memory *memory)
{
    if (memory->size != 0)
        CloseHandle((HANDLE)memory->native);
    memory->size = 0;
}

int bench_channel_open(intptr_t ends[2])
{
    enum { BUFFER = 4096 };
    wchar_t name[64];
    HANDLE server;
    HANDLE client;

    _snwprintf(name, sizeof name / sizeof *name, L"\\\\.\\pipe\\bench-%lx-%p",
               GetCurrentProcessId(), (void *)ends);
    server = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX, 0, 1, BUFFER, BUFFER, 0,
                              NULL);
    if (server == INVALID_HANDLE_VALUE)
        return -1;
    client = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                         OPEN_EXISTING, 0, NULL);
    if (client == INVALID_HANDLE_VALUE) {
        CloseHandle(server);
        return -1;
    }
    ends[0] = (intptr_t)server;
    ends[1] = (intptr_t)client;
    return 0;
}

void bench_channel_close(const intptr_t ends[2])
{
    CloseHandle((HANDLE)ends[1]);
    CloseHandle((HANDLE)ends[0]);
}

/* Handing over and taking */

int64_t bench_process_id(void)
{
    return GetCurrentProcessId();
}

/* A handle for another process. */
static HANDLE duplicate(const bench_memory *memory, DWORD process)
{
    DWORD access =
        memory->for_reading ? FILE_MAP_READ : FILE_MAP_READ | FILE_MAP_WRITE;
    HANDLE target = OpenProcess(PROCESS_DUP_HANDLE, FALSE, process);
    HANDLE made = NULL;

    if (target == NULL)
        return NULL;
    if (!DuplicateHandle(GetCurrentProcess(), (HANDLE)memory->native, target,
                         &made, access, FALSE, 0))
        made = NULL;
    CloseHandle(target);
    return made;
}

static int touch(HANDLE section, bool for_reading)
{
    DWORD access = for_reading ? FILE_MAP_READ : FILE_MAP_READ | FILE_MAP_WRITE;
    volatile char *data = MapViewOfFile(section, access, 0, 0, 0);
    MEMORY_BASIC_INFORMATION info;

    if (data == NULL)
        return -1;
    /* The size, as fstat tells it elsewhere. */
    VirtualQuery((void *)(uintptr_t)data, &info, sizeof info);
    if (for_reading)
        (void)*data;
    else
        *data = 1;
    return UnmapViewOfFile((void *)(uintptr_t)data) ? 0 : -1;
}

static int use(HANDLE section, bool for_reading)
{
    int failed = section == NULL ? -1 : touch(section, for_reading);

    if (section != NULL)
        CloseHandle(section);
    return failed;
}

int bench_raw_send(const bench_memory *memory, const intptr_t ends[2])
{
    ULONG receiver;
    HANDLE section;
    DWORD count;

    if (!GetNamedPipeClientProcessId((HANDLE)ends[0], &receiver))
        return -1;
    section = duplicate(memory, receiver);
    if (section == NULL ||
        !WriteFile((HANDLE)ends[0], &section, sizeof section, &count, NULL) ||
        !ReadFile((HANDLE)ends[1], &section, sizeof section, &count, NULL) ||
        count != sizeof section)
        return -1;
    return use(section, memory->for_reading);
}

int bench_raw_reach(const bench_memory *memory)
{
    return use(duplicate(memory, GetCurrentProcessId()), memory->for_reading);
}

int bench_raw_map(const bench_memory *memory)
{
    return touch((HANDLE)memory->native, false);
}

/* Children */

static HANDLE heirloom;
static void *data;

static void *map(void)
{
    data = MapViewOfFile(heirloom, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
    return data;
}

static void let_go(void)
{
    UnmapViewOfFile(data);
    CloseHandle(heirloom);
}

static void *raw_make(size_t size)
{
    heirloom =
        CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                           (DWORD)((uint64_t)size >> 32), (DWORD)size, NULL);
    return heirloom == NULL ? NULL : map();
}

static int raw_offer(char *token, size_t size)
{
    snprintf(token, size, "%llx", (unsigned long long)(uintptr_t)heirloom);
    return SetHandleInformation(heirloom, HANDLE_FLAG_INHERIT,
                                HANDLE_FLAG_INHERIT)
               ? 0
               : -1;
}

static void raw_withdraw(void)
{
    SetHandleInformation(heirloom, HANDLE_FLAG_INHERIT, 0);
}

static void *raw_take(const char *token, size_t size)
{
    MEMORY_BASIC_INFORMATION info;

    (void)size;
    heirloom = (HANDLE)(uintptr_t)strtoull(token, NULL, 16);
    if (!SetHandleInformation(heirloom, HANDLE_FLAG_INHERIT, 0) ||
        map() == NULL)
        return NULL;
    VirtualQuery(data, &info, sizeof info);
    return data;
}

const bench_giver bench_raw_giver = {
    "raw", raw_make, let_go, raw_offer, raw_withdraw, raw_take, let_go,
};
