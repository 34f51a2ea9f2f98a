/* SPDX-License-Identifier: MIT */

/* Facts about the system, its clock, and how much room it has. */
#include "posix/os.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
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

/* Whether the kernel has more than one processor online: "0-7", "0,2". */
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
    /* Some C libraries count those that this process is kept to. */
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

/* Two that ask at the same moment run on different processors; where these are
 * not told, they are different processes, or threads. */
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

/* Room on the file system of a path, or of the folder it is in. */
static bool file_system_room(const char *path, uint64_t *room)
{
    struct statvfs fs;
    char folder[4096];
    const char *slash;
    size_t size;

    if (statvfs(path, &fs) != 0) {
        slash = strrchr(path, '/');
        size = slash == NULL ? 0 : (size_t)(slash - path) + 1;
        if (size >= sizeof folder)
            return false;
        memcpy(folder, size == 0 ? "." : path, size == 0 ? 1 : size);
        folder[size == 0 ? 1 : size] = '\0';
        if (statvfs(folder, &fs) != 0)
            return false;
    }
    *room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (fs.f_files != 0 && fs.f_favail == 0) /* No more files. */
        *room = 0;
    return true;
}

bool shmap__os_room(int kind, const char *path, uint64_t *room,
                    const char **where)
{
    struct rlimit limit;
    uint64_t total;

    if (kind == SHMAP_KIND_ANONYMOUS) {
        shmap__posix_memory(&total, room);
        if (total == 0)
            return false;
        *where = "the machine's memory";
    } else if (kind == SHMAP_KIND_FILE) {
        if (!file_system_room(path, room))
            return false;
        *where = "the file system";
    } else {
        struct stat folder;

        /* Not every system keeps shared memory in a folder. */
        if (lstat(SHMAP__OS_FOLDER, &folder) != 0 ||
            !file_system_room(SHMAP__OS_FOLDER, room))
            return false;
        *where = SHMAP__OS_FOLDER;
    }
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < *room) {
        *room = limit.rlim_cur;
        *where = "the limit for file sizes (ulimit -f)";
    }
    return true;
}
