/* SPDX-License-Identifier: MIT */

/* Looking at addresses that may not be there, Windows. */

#include "../support.h"

#include <windows.h>

enum memory_state memory_probe(const void *address)
{
    MEMORY_BASIC_INFORMATION info;
    if (VirtualQuery(address, &info, sizeof info) == 0 ||
        info.State != MEM_COMMIT || (info.Protect & PAGE_GUARD) != 0)
        return MEMORY_ABSENT;
    switch (info.Protect & 0xff) {
    case PAGE_READWRITE:
    case PAGE_WRITECOPY:
    case PAGE_EXECUTE_READWRITE:
    case PAGE_EXECUTE_WRITECOPY:
        return MEMORY_WRITABLE;
    case PAGE_READONLY:
    case PAGE_EXECUTE_READ:
        return MEMORY_READABLE;
    default:
        return MEMORY_ABSENT;
    }
}

bool memory_copy(void *to, const void *from, size_t size)
{
    SIZE_T copied = 0;
    return ReadProcessMemory(GetCurrentProcess(), from, to, size, &copied) &&
           copied == size;
}

uint64_t memory_load(const volatile uint64_t *number)
{
    return memory_add((volatile uint64_t *)(uintptr_t)number, 0);
}

void memory_store(volatile uint64_t *number, uint64_t value)
{
    InterlockedExchange64((volatile LONG64 *)number, (LONG64)value);
}

uint64_t memory_add(volatile uint64_t *number, uint64_t value)
{
    return (uint64_t)InterlockedExchangeAdd64((volatile LONG64 *)number,
                                              (LONG64)value);
}
