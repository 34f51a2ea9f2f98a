/* SPDX-License-Identifier: MIT */

/* What the tests of locks need of a system beyond support.h: ends of threads,
 * stopped processes, processes that cannot see each other, and the C library's
 * own robust mutexes. posix and win32 hold it, in threads.c.
 *
 * What returns bool is false where there is no such thing.
 */
#ifndef SHMAP_TEST_THREADS_H
#define SHMAP_TEST_THREADS_H

#include "support.h"

/* End the calling thread, from wherever it is. */
void os_end_thread(void);

/* Stop all threads of another process, and let them go on. */
bool os_suspend(int process);
bool os_resume(int process);

/* Send another process SIGTERM. */
bool os_ask_to_end(int process);

/* How long a death that is told at once may take to arrive, in milliseconds. */
int os_death_is_told_within(void);

/* The calling process, which has one thread, goes on as the first one of a new
 * namespace of process numbers; what it was before waits for that. `own_proc`:
 * /proc is that namespace's, too. */
bool os_enter_pid_namespace(bool own_proc);
/* The next process of this namespace has this number. */
bool os_choose_next_pid(int process);

/* From now on, this process and its children find nothing in /proc, or nothing
 * of other users. */
bool os_lose_proc(void);
bool os_lose_proc_of_others(void);

/* What an object's place_ would be if it were used by processes that this one
 * cannot see; 0 where there is no such thing. */
uint32_t os_place_elsewhere(uint32_t place);

/* Make the owner_ and place_ of an object that somebody has those of one that
 * was left so before the machine was restarted. */
void os_put_before_restart(uint64_t *owner, uint32_t *place);

/* A robust mutex of the C library for several processes, in OS_ROBUST_ROOM
 * bytes, which lends its owner the priority of waiters if it `inherits`; it
 * cannot be made where there are none. The others return shmap's codes. */
enum { OS_ROBUST_ROOM = 64 };
bool os_robust_make(void *at, bool inherits);
int os_robust_lock(void *at); /* does not wait */
int os_robust_unlock(void *at);
int os_robust_consistent(void *at);

#endif
