/* SPDX-License-Identifier: MIT */

/* Mutexes, for the objects that are made of them: the pointers are valid. */
#ifndef SHMAP_MUTEX_INTERNAL_H
#define SHMAP_MUTEX_INTERNAL_H

#include "thread.h"

int shmap__mutex_lock(shmap_mutex *mutex, shmap__thread *thread,
                      int64_t deadline);
int shmap__mutex_unlock(shmap_mutex *mutex, shmap__thread *thread);
int shmap__mutex_consistent(shmap_mutex *mutex, shmap__thread *thread);

#endif
