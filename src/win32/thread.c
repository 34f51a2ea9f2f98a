/* SPDX-License-Identifier: MIT */

/* Threads on Windows: an id is the system's number of a thread, and a hash of
 * the time at which it began, which distinguishes it from earlier threads with
 * the same number, also before the machine was last restarted. Threads of
 * 32-bit and 64-bit processes, and of all sessions, have numbers and times of
 * one kind. */
#include "win32/os.h"

#include <stdlib.h>

/* Thread numbers are multiples of four. */
enum { NUMBER_SHIFT = 2 };

uint32_t shmap__win32_time_hash(const FILETIME *moment)
{
    uint64_t time =
        (uint64_t)moment->dwHighDateTime << 32 | moment->dwLowDateTime;
    uint32_t hash = (uint32_t)(time * UINT64_C(0x9E3779B97F4A7C15) >> 32);

    return hash == 0 ? 1 : hash;
}

/* Find the hash of the time at which a thread began. Returns false if the
 * system does not tell. */
static bool find_beginning(HANDLE thread, uint32_t *hash)
{
    FILETIME began;
    FILETIME other;

    if (!GetThreadTimes(thread, &began, &other, &other, &other))
        return false;
    *hash = shmap__win32_time_hash(&began);
    return true;
}

shmap__os_status shmap__os_self_find(uint64_t *id, shmap__os_robust *robust)
{
    const shmap__os_status done = {0, 0};
    uint32_t began;

    if (!find_beginning(GetCurrentThread(), &began))
        return shmap__win32_failed_as(SHMAP_ENOTSUP, GetLastError());
    (void)robust;
    *id = (uint64_t)began << 32 | GetCurrentThreadId() >> NUMBER_SHIFT;
    return done;
}

HANDLE shmap__win32_thread_open(uint64_t id, bool *dead)
{
    DWORD number = (DWORD)(id & SHMAP__OS_ID_MASK) << NUMBER_SHIFT;
    HANDLE thread = OpenThread(SYNCHRONIZE | THREAD_QUERY_LIMITED_INFORMATION,
                               FALSE, number);
    uint32_t began;

    /* Another error, as ERROR_ACCESS_DENIED for another user's, says nothing
     * about its life. */
    *dead = thread == NULL && GetLastError() == ERROR_INVALID_PARAMETER;
    if (thread == NULL || !find_beginning(thread, &began) || began == id >> 32)
        return thread;
    *dead = true; /* The number is another thread's by now. */
    CloseHandle(thread);
    return NULL;
}

enum shmap__os_life shmap__os_life_of(const void *word, uint64_t id)
{
    bool dead;
    HANDLE thread = shmap__win32_thread_open(id, &dead);

    (void)word;
    if (thread == NULL)
        return dead ? SHMAP__OS_DEAD : SHMAP__OS_ALIVE;
    /* A thread that has ended can be opened as long as any process has a handle
     * of it. */
    dead = WaitForSingleObject(thread, 0) == WAIT_OBJECT_0;
    CloseHandle(thread);
    return dead ? SHMAP__OS_DEAD : SHMAP__OS_ALIVE;
}

/* The system tells of a thread's end by calling a function for each index of a
 * fiber's local storage that has a value. */
static DWORD end_index = FLS_OUT_OF_INDEXES;
static INIT_ONCE end_once = INIT_ONCE_STATIC_INIT;
static void (*at_end)(void);

/* End one thread. The system calls this for all other threads' values, too,
 * when the index is freed. */
static void NTAPI thread_ends(void *thread)
{
    if ((uintptr_t)thread == GetCurrentThreadId())
        at_end();
}

/* A library that is unloaded must not be called any more. */
static void forget_ends(void)
{
    DWORD index = end_index;

    end_index = FLS_OUT_OF_INDEXES;
    FlsFree(index);
}

static BOOL CALLBACK find_end_index(INIT_ONCE *once, void *parameter,
                                    void **context)
{
    (void)once, (void)parameter, (void)context;
    end_index = FlsAlloc(thread_ends);
    if (end_index != FLS_OUT_OF_INDEXES && atexit(forget_ends) != 0)
        forget_ends();
    return TRUE;
}

bool shmap__os_at_thread_end(void (*end)(void))
{
    at_end = end;
    InitOnceExecuteOnce(&end_once, find_end_index, NULL, NULL);
    return end_index != FLS_OUT_OF_INDEXES &&
           FlsSetValue(end_index, (void *)(uintptr_t)GetCurrentThreadId());
}
