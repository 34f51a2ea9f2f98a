/* SPDX-License-Identifier: MIT */

/* Sleeping and waking on Windows, where waiting on an address stays inside a
 * process: named semaphores. A waiter makes or opens the semaphore that belongs
 * to the id of the registration, which vanishes with the last waiter, also if
 * that one is killed. So nothing is kept, and nothing is left over.
 *
 * A semaphore remembers: a wake that comes between a look at the word and the
 * sleep ends the sleep. But it does not know which waiter the wake was for. A
 * waiter that is asleep gets it at once; but a wake for a waiter that was not
 * asleep yet can be taken by one that came later. So a sleep is short at first,
 * and longer each time that the word has not changed.
 */
#include "win32/os.h"

#include <string.h>

#include "base/atomic.h"

enum {
    FIRST_MS = 2,      /* the first sleep */
    GROWTH = 4,        /* of the next */
    NAP_MS = 10,       /* the longest without a semaphore */
    TIMED_MS = 16,     /* from here on the system's own ticks are good enough */
    TOKENS_MAX = 1024, /* that a semaphore remembers */
    ID_DIGITS = SHMAP__WAIT_ID_BITS / 4
};

/* Semaphores of all sessions are in one folder, in which every user may make
 * some. */
static const wchar_t prefix[] = L"Global\\shmap.wait.";

typedef struct semaphore_name {
    wchar_t text[sizeof prefix / sizeof prefix[0] + ID_DIGITS];
} semaphore_name;

static const wchar_t *name_of(semaphore_name *name, uint64_t id)
{
    wchar_t *end = name->text + sizeof prefix / sizeof prefix[0] - 1;

    memcpy(name->text, prefix, sizeof prefix);
    for (int i = ID_DIGITS - 1; i >= 0; i--)
        *end++ = L"0123456789abcdef"[id >> (4 * i) & 0xF];
    *end = L'\0';
    return name->text;
}

/* Make a semaphore for the users of the region that the word is in: users that
 * can only read the region can only sleep. Where the region cannot be known, as
 * in memory that is no view, it is for this user. If another process made it
 * meanwhile, this opens it. */
static HANDLE make_semaphore(const wchar_t *name, const uint32_t *word)
{
    shmap__win32_security security;
    HANDLE made;
    int kind = 0;
    HANDLE region = shmap__win32_view_region(word, &kind);

    if ((region == NULL ||
         shmap__win32_likeness_init(&security, region, kind,
                                    SYNCHRONIZE | READ_CONTROL,
                                    SEMAPHORE_MODIFY_STATE) != ERROR_SUCCESS) &&
        shmap__win32_privacy_init(&security, SEMAPHORE_ALL_ACCESS, false) !=
            ERROR_SUCCESS)
        return NULL;
    do {
        made = CreateSemaphoreExW(&security.attributes, 0, TOKENS_MAX, name, 0,
                                  SYNCHRONIZE);
    } while (made == NULL &&
             shmap__win32_drop_label(&security.attributes, GetLastError()));
    return made;
}

/* Waiting without a semaphore is napping: if there are no handles, or a process
 * that knew the id has made another object of that name. */
void shmap__os_wait_begin(shmap__os_waiter *waiter, const uint32_t *word,
                          uint64_t id)
{
    semaphore_name name;
    HANDLE semaphore;

    waiter->native = 0;
    if (id == 0)
        return;
    semaphore = OpenSemaphoreW(SYNCHRONIZE, FALSE, name_of(&name, id));
    if (semaphore == NULL)
        semaphore = make_semaphore(name.text, word);
    waiter->native = (intptr_t)semaphore;
}

/* Sleep. Returns whether one of the handles ended the sleep. `handles` has room
 * for one more. */
static bool sleep_on(HANDLE *handles, DWORD count, DWORD ms)
{
    HANDLE timer = ms < TIMED_MS ? shmap__win32_timer(ms) : NULL;
    DWORD all = count;
    DWORD result = WAIT_FAILED;

    if (timer != NULL)
        handles[all++] = timer;
    if (count > 0)
        result = WaitForMultipleObjects(all, handles, FALSE, ms);
    if (timer != NULL)
        CloseHandle(timer);
    /* Other code of the program may have closed the handle. */
    if (result == WAIT_FAILED)
        shmap__win32_sleep(ms < NAP_MS ? ms : NAP_MS);
    return result < WAIT_OBJECT_0 + count;
}

void shmap__os_wait(shmap__os_waiter *waiter, const uint32_t *word,
                    uint32_t seen, uint64_t owner, int64_t until)
{
    DWORD longest = FIRST_MS;
    HANDLE thread = NULL;
    HANDLE handles[3];
    DWORD count = 0;
    bool dead = false;
    DWORD ms;

    if (owner != 0)
        thread = shmap__win32_thread_open(owner, &dead);
    if (dead)
        return;
    if (waiter->native != 0)
        handles[count++] = (HANDLE)waiter->native;
    if (thread != NULL)
        handles[count++] = thread;
    while (shmap__load32(word) == seen &&
           (ms = shmap__win32_milliseconds(until, longest)) != 0) {
        if (sleep_on(handles, count, ms))
            break;
        longest = waiter->native == 0 ? NAP_MS : ms * GROWTH;
    }
    if (thread != NULL)
        CloseHandle(thread);
}

void shmap__os_wait_end(shmap__os_waiter *waiter)
{
    if (waiter->native != 0)
        CloseHandle((HANDLE)waiter->native);
    waiter->native = 0;
}

/* Add to what the semaphore remembers, in steps that it can. If it is full, no
 * waiter is asleep on it, and later ones find enough. */
static void release(HANDLE semaphore, ULONG count)
{
    while (count > 0) {
        ULONG step = count < TOKENS_MAX ? count : TOKENS_MAX;

        if (!ReleaseSemaphore(semaphore, (LONG)step, NULL))
            break;
        count -= step;
    }
}

bool shmap__os_wake(const uint32_t *word, uint64_t id, uint32_t count)
{
    semaphore_name name;
    HANDLE semaphore;
    ULONG handles = 0;

    (void)word;
    if (id == 0)
        return false;
    semaphore =
        OpenSemaphoreW(SEMAPHORE_MODIFY_STATE, FALSE, name_of(&name, id));
    if (semaphore == NULL)
        return GetLastError() != ERROR_FILE_NOT_FOUND;
    if (count == INT32_MAX) {
        /* Each waiter has a handle, and so has this thread. Where the system
         * does not tell the number, too many are better than too few. */
        count = TOKENS_MAX;
        if (shmap__win32_handle_count(semaphore, &handles) == ERROR_SUCCESS)
            count = handles - 1;
    }
    release(semaphore, count);
    CloseHandle(semaphore);
    return true;
}
