/* SPDX-License-Identifier: MIT */

/* Looking at addresses that may not be there, Windows. */

#include "../support.h"

#include "win32/api.h"
#ifdef _M_IX86
#include <emmintrin.h>
#endif

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

/* The Interlocked functions write, which a read-only view forbids. Aligned
 * loads of this size are indivisible; 32-bit compilers need to be told how. */
uint64_t memory_load(const volatile uint64_t *number)
{
#if defined(__GNUC__)
    return __atomic_load_n(number, __ATOMIC_SEQ_CST);
#elif defined(_M_IX86)
    uint64_t value;
    _mm_storel_epi64((__m128i *)&value,
                     _mm_loadl_epi64((const __m128i *)(uintptr_t)number));
    MemoryBarrier();
    return value;
#else
    uint64_t value = *number;
    MemoryBarrier();
    return value;
#endif
}

int memory_is_dumped(const void *address)
{
    (void)address;
    return -1;
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
