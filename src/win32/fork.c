/* SPDX-License-Identifier: MIT */

/* Fork, which Windows does not have: data that it must not copy half changed is
 * only locked against other threads. */
#include "win32/os.h"

static SRWLOCK threads_lock = SRWLOCK_INIT;

uint32_t shmap__os_threads_lock(void)
{
    AcquireSRWLockExclusive(&threads_lock);
    return 1; /* There is no fork. */
}

void shmap__os_threads_unlock(void)
{
    ReleaseSRWLockExclusive(&threads_lock);
}
