/* SPDX-License-Identifier: MIT */

/* Looking at addresses that may not be there, POSIX: a system call that meets
 * a bad address answers EFAULT where an instruction would raise a signal. */

#include "../support.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

/* Sanitizers look at what is passed to write and read, so these are called
 * behind their backs. */
#ifdef __linux__
#define WRITE(to, from, size) syscall(SYS_write, to, from, size)
#define READ(from, to, size)  syscall(SYS_read, from, to, size)
#else
#define WRITE write
#define READ  read
#endif

/* Pass the byte at `from` through a pipe to `to`. The call itself, because the
 * functions for it look at the addresses first if a sanitizer is there. */
static bool pass(void *to, const void *from)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    bool done = syscall(SYS_write, ends[1], from, 1) == 1 &&
                syscall(SYS_read, ends[0], to, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return done;
}

enum memory_state memory_probe(const void *address)
{
    char byte;
    if (!pass(&byte, address))
        return MEMORY_ABSENT;
    /* The byte is written over itself. */
    return pass((void *)(uintptr_t)address, address) ? MEMORY_WRITABLE
                                                     : MEMORY_READABLE;
}

bool memory_copy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!pass((char *)to + i, (const char *)from + i))
            return false;
    return true;
}

int memory_is_dumped(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    int result = -1;

    while (file != NULL && SHMAP_FAILED(result) &&
           fgets(line, sizeof line, file)) {
        unsigned long from;
        unsigned long to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)address >= from && (uintptr_t)address < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            result = strstr(line, " dd") == NULL;
    }
    if (file != NULL)
        fclose(file);
    return result;
}

uint64_t memory_load(const volatile uint64_t *number)
{
    return atomic_load((const volatile _Atomic uint64_t *)number);
}

void memory_store(volatile uint64_t *number, uint64_t value)
{
    atomic_store((volatile _Atomic uint64_t *)number, value);
}

uint64_t memory_add(volatile uint64_t *number, uint64_t value)
{
    return atomic_fetch_add((volatile _Atomic uint64_t *)number, value);
}
