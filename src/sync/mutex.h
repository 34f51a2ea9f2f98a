/* SPDX-License-Identifier: MIT */

/* Mutexes, for other objects that contain one: the pointers are valid. */
#ifndef SHMAP_MUTEX_INTERNAL_H
#define SHMAP_MUTEX_INTERNAL_H

#include "sync/held.h"

/* The value of ticket_: the ticket of the owner, or of the last owner, and
 * flags that the next lock clears. See cond.c. */
enum {
    SHMAP__TICKET = 0xFF,
    SHMAP__QUIET = 0x4000,   /* unlocked by a waiter for a signal */
    SHMAP__RELOCKED = 0x8000 /* locked by such a waiter, and QUIET before */
};
/* turn_: the number of those waits that began with a lock that was not
 * RELOCKED. */

bool shmap__mutex_is_owner(const shmap_mutex *mutex,
                           const shmap__thread *thread);
int shmap__mutex_lock(shmap_mutex *mutex, shmap__thread *thread,
                      int64_t deadline);
int shmap__mutex_unlock(shmap_mutex *mutex, shmap__thread *thread);
int shmap__mutex_consistent(shmap_mutex *mutex, shmap__thread *thread);

#endif
