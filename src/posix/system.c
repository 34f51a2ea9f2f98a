/* SPDX-License-Identifier: MIT */

/* Facts about the system, its clock, and how much room it has. */
#include "posix/os.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"

/* For the whole name, slash and all. The tests of the shortest one define it.
 */
#ifndef SHMAP_NAME_LIMIT
#ifdef __APPLE__
#define SHMAP_NAME_LIMIT 31 /* PSHMNAMLEN */
#else
#define SHMAP_NAME_LIMIT (sizeof "/" - 1 + 255) /* NAME_MAX */
#endif
#endif

static shmap__os_facts facts = {
    .name_limit = SHMAP_NAME_LIMIT,
    .max_size = INT64_MAX,
    .wakes_by_address = true,
    .record_wake_ns = 50000,
};

/* Return whether the kernel has more than one processor online: "0-7", "0,2".
 */
static bool has_several_processors(void)
{
    char text[64];

    return shmap__posix_read_text("/sys/devices/system/cpu/online", text,
                                  sizeof text) == 0 &&
           strpbrk(text, "-,") != NULL;
}

static unsigned count_processors(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef CPU_COUNT
    cpu_set_t allowed;

    /* Programs keep each of their processes to one of several. */
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 &&
        CPU_COUNT(&allowed) > 1)
        online = CPU_COUNT(&allowed);
#endif
    /* Some C libraries count only the processors that this process is kept to.
     */
    if (online <= 1)
        online = has_several_processors() ? 2 : 1;
    return (unsigned)online;
}

static void fill_facts(void)
{
    facts.page_size = (size_t)sysconf(_SC_PAGESIZE);
    facts.processors = count_processors();
}

const shmap__os_facts *shmap__os_facts_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fill_facts);
    return &facts;
}

/* Two threads that ask at the same moment run on different processors; where
 * the system does not tell these, they are told apart by process and thread. */
uint64_t shmap__os_wait_id(void)
{
    static SHMAP__THREAD_LOCAL uint64_t count;
    uint32_t processor = shmap__os_processor();
    uint64_t asker = processor != 0 ? processor : (uint64_t)getpid();
    uint64_t mixed = (uint64_t)shmap__os_now() ^
                     (uint64_t)(uintptr_t)&count << 20 ^ asker << 40;

    mixed = (mixed + ++count) * UINT64_C(0x9E3779B97F4A7C15);
    mixed >>= 64 - SHMAP__WAIT_ID_BITS;
    return mixed == 0 ? 1 : mixed;
}

bool shmap__os_is_mapped(const void *address)
{
    uintptr_t page = shmap__os_facts_get()->page_size;
    uintptr_t start = (uintptr_t)address & ~(page - 1);

    return msync((void *)start, 1, MS_ASYNC) == 0 || errno != ENOMEM;
}

int64_t shmap__os_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint32_t shmap__os_processor(void)
{
#ifdef CPU_COUNT
    int number = sched_getcpu();

    return number < 0 ? 0 : (uint32_t)number + 1;
#else
    return 0;
#endif
}

bool shmap__posix_wait_a_little(unsigned *attempt)
{
    enum { YIELDS = 64, SLEEPS = 1000 };
    struct timespec millisecond = {0, 1000000};

    if (*attempt >= YIELDS + SLEEPS)
        return false;
    if ((*attempt)++ < YIELDS)
        sched_yield();
    else
        while (nanosleep(&millisecond, &millisecond) != 0 && errno == EINTR)
            continue;
    return true;
}
