/* SPDX-License-Identifier: MIT */

/* Facts about the system, its clock, and how much room there is. */
#include "os.h"

#include <stdlib.h>

/* The largest section that Windows makes: 16 PiB less a page. */
static const uint64_t max_section = (UINT64_C(1) << 54) - 4096;

/* Of the 32,766 characters that a name may have, what shmap derives uses as
 * many as on other systems, so that the same names stay readable. */
enum { NAME_LIMIT = 255 };

/* A wake looks for a semaphore by name, whether or not there is one. */
static const int64_t record_wake_ns = 1000000;

static shmap__os_facts the_facts;
static shmap__os_system the_system;

/* What ntsecapi.h calls RtlGenRandom; not every version of that header can be
 * used in C for 32 bits. */
BOOLEAN NTAPI SystemFunction036(void *out, ULONG size);

typedef void (*any_function)(void);

static any_function find_in(const wchar_t *library, const char *name)
{
    HMODULE module = GetModuleHandleW(library);

    return module == NULL ? NULL : (any_function)GetProcAddress(module, name);
}

static any_function find_in_ntdll(const char *name)
{
    return find_in(L"ntdll.dll", name);
}

/* How many processors this process can use now; all if that is one, as programs
 * keep each of their processes to one of several. */
static unsigned count_processors(DWORD installed)
{
    DWORD_PTR own = 0;
    DWORD_PTR all;
    unsigned count = 0;

    /* In processes of several groups of processors there is no mask. */
    if (!GetProcessAffinityMask(GetCurrentProcess(), &own, &all) || own == 0)
        return installed;
    for (; own != 0; own &= own - 1)
        count++;
    return count == 1 ? installed : count;
}

/* Apart from the rest, which every look at the clock needs: a program may still
 * say on which processors it wants to be. */
static BOOL CALLBACK fill_facts(INIT_ONCE *once, void *argument, void **context)
{
    SYSTEM_INFO info;

    (void)once;
    (void)argument;
    (void)context;
    GetSystemInfo(&info);
    the_facts.page_size = info.dwPageSize;
    the_facts.name_limit = NAME_LIMIT;
    the_facts.max_size = max_section;
    the_facts.processors = count_processors(info.dwNumberOfProcessors);
    the_facts.wakes_by_address = false;
    the_facts.record_wake_ns = record_wake_ns;
    return TRUE;
}

static BOOL CALLBACK fill_system(INIT_ONCE *once, void *argument,
                                 void **context)
{
    SYSTEM_INFO info;
    LARGE_INTEGER frequency;

    (void)once;
    (void)argument;
    (void)context;
    GetSystemInfo(&info);
    QueryPerformanceFrequency(&frequency);
    the_system.lowest_address = (uintptr_t)info.lpMinimumApplicationAddress;
    the_system.highest_address = (uintptr_t)info.lpMaximumApplicationAddress;
    the_system.ticks_per_second = frequency.QuadPart;
    the_system.query_section =
        (shmap__os_query_section)find_in_ntdll("NtQuerySection");
    the_system.query_object =
        (shmap__os_query_object)find_in_ntdll("NtQueryObject");
    the_system.query_file =
        (shmap__os_query_file)find_in_ntdll("NtQueryInformationFile");
    the_system.error_of =
        (shmap__os_error_of)find_in_ntdll("RtlNtStatusToDosError");
    the_system.client_computer = (shmap__os_client_computer)find_in(
        L"kernel32.dll", "GetNamedPipeClientComputerNameW");
    return TRUE;
}

const shmap__os_system *shmap__os_system_get(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;

    InitOnceExecuteOnce(&once, fill_system, NULL, NULL);
    return &the_system;
}

bool shmap__os_random(void *out, ULONG size)
{
    return SystemFunction036(out, size) != FALSE;
}

const shmap__os_facts *shmap__os_facts_get(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;

    InitOnceExecuteOnce(&once, fill_facts, NULL, NULL);
    return &the_facts;
}

bool shmap__os_is_mapped(const void *address)
{
    MEMORY_BASIC_INFORMATION page;

    return VirtualQuery(address, &page, sizeof page) != 0 &&
           page.State == MEM_COMMIT;
}

int64_t shmap__os_now(void)
{
    enum { NS_PER_SECOND = 1000000000 };
    int64_t frequency = shmap__os_system_get()->ticks_per_second;
    LARGE_INTEGER now;

    /* Whole seconds apart, because ticks times a thousand million would
     * overflow within an hour. */
    QueryPerformanceCounter(&now);
    return now.QuadPart / frequency * NS_PER_SECOND +
           now.QuadPart % frequency * NS_PER_SECOND / frequency;
}

uint32_t shmap__os_processor(void)
{
    enum { PER_GROUP = 64 };
    PROCESSOR_NUMBER number;

    GetCurrentProcessorNumberEx(&number);
    return (uint32_t)number.Group * PER_GROUP + number.Number + 1;
}

DWORD shmap__os_milliseconds(int64_t deadline, DWORD longest)
{
    enum { NS_PER_MS = 1000000 };
    int64_t now = shmap__os_now();
    int64_t left;

    if (deadline <= now)
        return 0;
    left = (deadline - now - 1) / NS_PER_MS + 1;
    return left < (int64_t)longest ? (DWORD)left : longest;
}

/* The folder of a file, for the caller to free; NULL if there is no memory or
 * no such path. */
static wchar_t *folder_of(const char *path)
{
    wchar_t *wide;
    wchar_t *full;
    wchar_t *file = NULL;
    DWORD size;

    if (shmap__os_utf16(&wide, path).code < 0)
        return NULL;
    size = GetFullPathNameW(wide, 0, NULL, NULL);
    full = size == 0 ? NULL : malloc(size * sizeof *full);
    if (full != NULL) {
        DWORD used = GetFullPathNameW(wide, size, full, &file);

        if (used == 0 || used >= size) {
            free(full);
            full = NULL;
        } else if (file != NULL) {
            *file = L'\0';
        }
    }
    free(wide);
    return full;
}

static bool disk_room(const char *path, uint64_t *room)
{
    wchar_t *folder = folder_of(path);
    ULARGE_INTEGER available;
    BOOL done;

    if (folder == NULL)
        return false;
    done = GetDiskFreeSpaceExW(folder, &available, NULL, NULL);
    free(folder);
    if (done)
        *room = available.QuadPart;
    return done != FALSE;
}

bool shmap__os_room(int kind, const char *path, uint64_t *room,
                    const char **where)
{
    if (kind == SHMAP_KIND_FILE ? !disk_room(path, room)
                                : !shmap__os_memory(room))
        return false;
    *where = kind == SHMAP_KIND_FILE ? "the file system" : "the commit limit";
    return true;
}
