/* SPDX-License-Identifier: MIT */

/* Locks and signals of Windows itself, as a program without a library would
 * write them: what everything else is compared with. */
#include "../sync.h"

#include <stdio.h>
#include "win32/api.h"

/* Long enough for anything; nothing here should wait for ever. */
enum { TIMEOUT_MS = 60000 };

static void find_name(wchar_t out[96], const char *name, const char *end)
{
    _snwprintf(out, 95, L"Local\\%hs%hs", name, end);
    out[95] = L'\0';
}

/* Named mutexes */

static void *mutex_open(void *place, const char *name, bool make)
{
    wchar_t wide[96];

    (void)place, (void)make;
    find_name(wide, name, "-mutex");
    return CreateMutexW(NULL, FALSE, wide);
}

static void mutex_close(void *lock, bool make)
{
    (void)make;
    CloseHandle(lock);
}

static int mutex_lock(void *lock)
{
    DWORD found = WaitForSingleObject(lock, TIMEOUT_MS);

    return found == WAIT_OBJECT_0 || found == WAIT_ABANDONED ? 0 : -1;
}

static int mutex_unlock(void *lock)
{
    return ReleaseMutex(lock) ? 0 : -1;
}

static int mutex_repeat(void *lock, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(lock, count, section, mutex_lock, mutex_unlock);
}

static const bench_lock named_mutex = {
    .name = "named-mutex",
    .robust = true,
    .open = mutex_open,
    .close = mutex_close,
    .lock = mutex_lock,
    .unlock = mutex_unlock,
    .repeat = mutex_repeat,
};

/* Named events that one waiter takes */

static HANDLE events[2];

static void *events_open(void *place, const char *name, bool make)
{
    wchar_t wide[96];

    (void)place, (void)make;
    find_name(wide, name, "-event0");
    events[0] = CreateEventW(NULL, FALSE, FALSE, wide);
    find_name(wide, name, "-event1");
    events[1] = CreateEventW(NULL, FALSE, FALSE, wide);
    return events[0] != NULL && events[1] != NULL ? events : NULL;
}

static void events_close(void *signal, bool make)
{
    (void)signal, (void)make;
    CloseHandle(events[0]);
    CloseHandle(events[1]);
}

static int events_post(void *signal, int which)
{
    (void)signal;
    return SetEvent(events[which]) ? 0 : -1;
}

static int events_wait(void *signal, int which)
{
    (void)signal;
    return WaitForSingleObject(events[which], TIMEOUT_MS) == WAIT_OBJECT_0 ? 0
                                                                           : -1;
}

static const bench_signal named_events = {
    "named-event", events_open, events_close, events_post, events_wait,
};

const bench_lock *const bench_raw_locks[] = {
    &named_mutex,
    NULL,
};

/* Nothing of Windows spins for another process. */
const bench_signal *const bench_spinning_signals[] = {
    &named_events,
    NULL,
};

const bench_signal *const bench_sleeping_signals[] = {
    &named_events,
    NULL,
};

/* It counts in ticks of some 16 milliseconds. */
const bool bench_tells_processor_time = false;

int64_t bench_processor_now(void)
{
    return 0;
}
