/* SPDX-License-Identifier: MIT */

/* Facts about the system, its clock, and how much room there is. */
#include "win32/os.h"

/* The largest section that Windows makes: 16 PiB less a page. */
static const uint64_t max_section = (UINT64_C(1) << 54) - 4096;

/* Of the 32,766 characters that a name may have, names that shmap derives use
 * as many as on other systems, so that the same names stay readable. */
enum { NAME_LIMIT = 255 };

/* A wake looks for a semaphore by name, whether or not there is one. */
static const int64_t record_wake_ns = 1000000;

static shmap__os_facts the_facts;
static shmap__win32_system the_system;

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

/* Return how many processors this process can use now; all if that is one, as
 * programs keep each of their processes to one of several. */
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
        (shmap__win32_query_section)find_in_ntdll("NtQuerySection");
    the_system.query_object =
        (shmap__win32_query_object)find_in_ntdll("NtQueryObject");
    the_system.query_file =
        (shmap__win32_query_file)find_in_ntdll("NtQueryInformationFile");
    the_system.error_of =
        (shmap__win32_error_of)find_in_ntdll("RtlNtStatusToDosError");
    the_system.client_computer = (shmap__win32_client_computer)find_in(
        L"kernel32.dll", "GetNamedPipeClientComputerNameW");
    the_system.exclude_block = (shmap__win32_exclude_block)find_in(
        L"kernel32.dll", "WerRegisterExcludedMemoryBlock");
    the_system.include_block = (shmap__win32_include_block)find_in(
        L"kernel32.dll", "WerUnregisterExcludedMemoryBlock");
    return TRUE;
}

const shmap__win32_system *shmap__win32_system_get(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;

    InitOnceExecuteOnce(&once, fill_system, NULL, NULL);
    return &the_system;
}

/* Load a library of the system's. Windows 7 without updates does not know where
 * to look only, and the flag. */
static HMODULE load(const wchar_t *library)
{
    enum { SEARCH_SYSTEM = 0x800 }; /* LOAD_LIBRARY_SEARCH_SYSTEM32 */

    return LoadLibraryExW(library, NULL, SEARCH_SYSTEM);
}

typedef BOOL(WINAPI *fill_random)(void *out, SIZE_T size);
typedef BOOLEAN(NTAPI *fill_random_long)(void *out, ULONG size);

static fill_random process_prng;
static fill_random_long rtl_gen_random;

/* The first is what programs from the store may use; the second is what
 * ntsecapi.h calls RtlGenRandom. */
static BOOL CALLBACK find_random(INIT_ONCE *once, void *argument,
                                 void **context)
{
    HMODULE module = load(L"bcryptprimitives.dll");

    (void)once;
    (void)argument;
    (void)context;
    if (module != NULL)
        process_prng =
            (fill_random)(any_function)GetProcAddress(module, "ProcessPrng");
    rtl_gen_random =
        (fill_random_long)find_in(L"advapi32.dll", "SystemFunction036");
    return TRUE;
}

bool shmap__win32_random(void *out, ULONG size)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;

    InitOnceExecuteOnce(&once, find_random, NULL, NULL);
    if (process_prng != NULL && process_prng(out, size))
        return true;
    return rtl_gen_random != NULL && rtl_gen_random(out, size);
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
    int64_t frequency = shmap__win32_system_get()->ticks_per_second;
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

HANDLE shmap__win32_timer(DWORD ms)
{
    enum { HIGH_RESOLUTION = 2, TICKS_PER_MS = 10000 };
    const DWORD rights = SYNCHRONIZE | TIMER_MODIFY_STATE;
    LARGE_INTEGER due;
    HANDLE timer = CreateWaitableTimerExW(NULL, NULL, HIGH_RESOLUTION, rights);

    if (timer == NULL)
        return NULL;
    due.QuadPart = -(LONGLONG)ms * TICKS_PER_MS;
    if (SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE))
        return timer;
    CloseHandle(timer);
    return NULL;
}

void shmap__win32_sleep(DWORD ms)
{
    HANDLE timer = shmap__win32_timer(ms);

    /* The limit is for a handle that other code of the program closed. */
    if (timer == NULL || WaitForSingleObject(timer, ms + 1) == WAIT_FAILED)
        Sleep(ms);
    if (timer != NULL)
        CloseHandle(timer);
}

DWORD shmap__win32_milliseconds(int64_t deadline, DWORD longest)
{
    enum { NS_PER_MS = 1000000 };
    int64_t now = shmap__os_now();
    int64_t left;

    if (deadline <= now)
        return 0;
    left = (deadline - now - 1) / NS_PER_MS + 1;
    return left < (int64_t)longest ? (DWORD)left : longest;
}

uint64_t shmap__os_wait_id(void)
{
    uint64_t id = 0;

    /* No other process can know it, and make the semaphore first. */
    if (!shmap__win32_random(&id, sizeof id))
        id = (uint64_t)shmap__os_now() * UINT64_C(0x9E3779B97F4A7C15) ^
             GetCurrentThreadId();
    id >>= 64 - SHMAP__WAIT_ID_BITS;
    return id == 0 ? 1 : id;
}
