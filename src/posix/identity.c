/* SPDX-License-Identifier: MIT */

/* Threads on Linux: the kernel's number for one, and a hash of when it began,
 * which tells it from those that had the number before, also before the machine
 * was last restarted.
 *
 * The numbers, and the times, are those that processes of the same PID and time
 * namespaces see: these are the place.
 */
#include "os.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../compiler.h"

/* Halves of a place where /proc is missing, wholly or in part. */
enum { UNKNOWN = 0xFFFF };

/* The same for all threads, of which several may find it at once. Read and
 * written atomically; `place` is not 0 once both are known. */
static uint32_t boot;  /* a hash */
static uint32_t place; /* namespaces above, boot below */

/* What this thread was told about itself. */
static SHMAP__THREAD_LOCAL shmap__os_self *told;

static const uint32_t hash_start = UINT32_C(2166136261);

/* FNV-1a */
static uint32_t hash(uint32_t start, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        start = (start ^ bytes[i]) * UINT32_C(16777619);
    return start;
}

/* Whether a file is kept from this process for good: not by a lack of
 * descriptors. */
static bool is_missing(int error)
{
    return error == ENOENT || error == EACCES || error == EPERM ||
           error == ENOTDIR;
}

static uint32_t half_of(uint32_t hash)
{
    uint32_t folded = (hash ^ hash >> 16) & 0xFFFF;

    return folded == 0 || folded == UNKNOWN ? 1 : folded;
}

/* This process's number in /proc. It is another if /proc is that of other
 * namespaces, in which numbers mean others, and 0 if it is not there at all. */
static long number_in_proc(void)
{
    char text[32];
    ssize_t size = readlink("/proc/self", text, sizeof text - 1);

    text[size < 0 ? 0 : size] = '\0';
    return strtol(text, NULL, 10);
}

/* 0 or errno. */
static int find_boot(uint32_t *half)
{
    char text[128];
    uint32_t found;
    int error = shmap__os_read_text("/proc/sys/kernel/random/boot_id", text,
                                    sizeof text);

    if (error != 0 && !is_missing(error))
        return error;
    found = hash(hash_start, text, error == 0 ? strlen(text) : 0);
    __atomic_store_n(&boot, found, __ATOMIC_RELAXED);
    *half = error == 0 ? half_of(found) : UNKNOWN;
    return 0;
}

static uint32_t find_namespaces(void)
{
    static const char *const namespaces[] = {"/proc/self/ns/pid",
                                             "/proc/self/ns/time"};
    uint32_t found = hash_start;
    bool known = false;
    char text[128];

    for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++) {
        ssize_t size = readlink(namespaces[i], text, sizeof text);

        if (size > 0) {
            found = hash(found, text, (size_t)size);
            known = true;
        }
    }
    return known ? half_of(found) : UNKNOWN;
}

/* 0 or errno. */
static int find_place(void)
{
    uint32_t half;
    long number;
    int error;

    if (__atomic_load_n(&place, __ATOMIC_ACQUIRE) != 0)
        return 0;
    number = number_in_proc();
    if (number != 0 && number != getpid())
        return ENOTSUP;
    error = find_boot(&half);
    if (error == 0)
        __atomic_store_n(&place, find_namespaces() << 16 | half,
                         __ATOMIC_RELEASE);
    return error;
}

/* When a thread began, in ticks, and its state. 0 or errno. */
static int find_thread(const char *path, unsigned long long *began, char *state)
{
    char text[1024];
    const char *at;
    int error = shmap__os_read_text(path, text, sizeof text);

    if (error != 0)
        return error;
    at = strrchr(text, ')'); /* The program's name can hold anything. */
    if (at == NULL || at[1] == '\0')
        return EIO;
    at += 2;
    *state = *at;
    for (int field = 3; field < 22 && at != NULL; field++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
    }
    if (at == NULL)
        return EIO;
    *began = strtoull(at, NULL, 10);
    return 0;
}

static uint64_t id_of(uint32_t number, unsigned long long began)
{
    uint32_t when =
        hash(__atomic_load_n(&boot, __ATOMIC_RELAXED), &began, sizeof began);

    return (uint64_t)(when == 0 ? 1 : when) << 32 | number;
}

/* 0 or errno. Where there is no /proc, no thread's beginning is known to
 * anybody. */
static int find_self(uint64_t *id)
{
    uint32_t number = (uint32_t)syscall(SYS_gettid);
    unsigned long long began = 0;
    char path[64];
    char state;
    int error;

    snprintf(path, sizeof path, "/proc/self/task/%u/stat", (unsigned)number);
    error = find_thread(path, &began, &state);
    if (error != 0 && !is_missing(error))
        return error;
    /* Others would take it for another thread. */
    if (error != 0 &&
        __atomic_load_n(&place, __ATOMIC_RELAXED) >> 16 != UNKNOWN)
        return ENOTSUP;
    *id = id_of(number, began);
    return 0;
}

void shmap__os_identity_forget(void)
{
    __atomic_store_n(&place, 0, __ATOMIC_RELAXED);
    if (told == NULL)
        return;
    told->id = 0;
    shmap__os_list_forget(told->list);
    told = NULL;
}

shmap__os_status shmap__os_self_find(shmap__os_self *self)
{
    shmap__os_self found = {0};
    int error;

    (void)shmap__os_forks(); /* From now on, a fork is noticed. */
    if (!shmap__os_list_find(&found))
        return (shmap__os_status){SHMAP_ENOTSUP, 0};
    error = find_place();
    if (error == 0)
        error = find_self(&found.id);
    if (error != 0)
        return shmap__os_failed(error);
    found.place = __atomic_load_n(&place, __ATOMIC_RELAXED);
    *self = found;
    told = self;
    return shmap__os_done;
}

/* At a thread's end the kernel looks at its list, but some C libraries do that
 * themselves before, and know only their own mutexes. */
static pthread_key_t end_key;
static bool end_is_told;
static void (*at_end)(void);

/* Destructors of other keys may unlock something, until the last rounds. The
 * very last belongs to tools that watch threads, and then know them no more. */
static void end_round(void *round)
{
    void (*give_up)(void) = __atomic_load_n(&at_end, __ATOMIC_RELAXED);
    uintptr_t next = (uintptr_t)round + 1;

    if (next >= PTHREAD_DESTRUCTOR_ITERATIONS)
        give_up();
    else
        pthread_setspecific(end_key, (const void *)next);
}

static void make_end_key(void)
{
    end_is_told = pthread_key_create(&end_key, end_round) == 0;
}

void shmap__os_at_thread_end(void (*give_up)(void))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    __atomic_store_n(&at_end, give_up, __ATOMIC_RELAXED);
    pthread_once(&once, make_end_key);
    if (end_is_told)
        pthread_setspecific(end_key, (const void *)(uintptr_t)1);
}

/* A library that is unloaded must not be called any more. */
__attribute__((destructor)) static void forget_ends(void)
{
    if (end_is_told)
        pthread_key_delete(end_key);
    end_is_told = false;
}

bool shmap__os_is_dead(uint64_t id)
{
    uint32_t number = (uint32_t)(id & SHMAP__OS_ID_MASK);
    unsigned long long began;
    char path[64];
    char state;

    if (syscall(SYS_tkill, number, 0) != 0 && errno == ESRCH)
        return true;
    snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)number);
    /* It can be hidden from other users, and the process may have come to
     * another /proc since. */
    if (number_in_proc() != getpid() || find_thread(path, &began, &state) != 0)
        return false;
    return state == 'Z' || state == 'X' || id_of(number, began) != id;
}

bool shmap__os_place_is_past(uint32_t other)
{
    uint32_t then = other & 0xFFFF;
    uint32_t now = __atomic_load_n(&place, __ATOMIC_RELAXED) & 0xFFFF;

    return then != now && then != UNKNOWN && now != UNKNOWN;
}
