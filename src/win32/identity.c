/* SPDX-License-Identifier: MIT */

/* Threads on Windows: the system's number for one, and a hash of when it began,
 * which tells it from those that had the number before, also before the machine
 * was last restarted. Threads of 32-bit and 64-bit processes, and of all
 * sessions, have numbers and times of one kind.
 */
#include "os.h"

/* Thread numbers are multiples of four. */
enum { NUMBER_SHIFT = 2 };

/* Returns false if the system does not tell. */
static bool find_beginning(HANDLE thread, uint32_t *hash)
{
    FILETIME began;
    FILETIME other;
    uint64_t time;

    if (!GetThreadTimes(thread, &began, &other, &other, &other))
        return false;
    time = (uint64_t)began.dwHighDateTime << 32 | began.dwLowDateTime;
    *hash = (uint32_t)(time * UINT64_C(0x9E3779B97F4A7C15) >> 32);
    if (*hash == 0)
        *hash = 1;
    return true;
}

shmap__os_status shmap__os_self_find(shmap__os_self *self)
{
    static const shmap__os_self nobody = {0};
    const shmap__os_status done = {0, 0};
    uint32_t began;

    if (!find_beginning(GetCurrentThread(), &began))
        return shmap__os_failed_as(SHMAP_ENOTSUP, GetLastError());
    *self = nobody;
    self->id = (uint64_t)began << 32 | GetCurrentThreadId() >> NUMBER_SHIFT;
    return done;
}

HANDLE shmap__os_thread_open(uint64_t id, bool *dead)
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
    HANDLE thread = shmap__os_thread_open(id, &dead);

    (void)word;
    if (thread == NULL)
        return dead ? SHMAP__OS_DEAD : SHMAP__OS_ALIVE;
    /* A thread that has ended can be opened as long as somebody has a handle of
     * it. */
    dead = WaitForSingleObject(thread, 0) == WAIT_OBJECT_0;
    CloseHandle(thread);
    return dead ? SHMAP__OS_DEAD : SHMAP__OS_ALIVE;
}

/* Others find out: they wait for the owner's thread, too. */
void shmap__os_at_thread_end(void (*give_up)(void))
{
    (void)give_up;
}
