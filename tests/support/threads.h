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

/* From now on, this process and its children find nothing in /proc, nothing of
 * other users, or nothing but processes. */
bool os_lose_proc(void);
bool os_lose_proc_of_others(void);
bool os_lose_all_but_processes(void);

/* Have much memory, which the system will write to a file when os_dump_core
 * ends this process. */
bool os_prepare_dump(void);
void os_dump_core(void);
void os_remove_dump(int process);

/* Whether a process's memory is being written to a file. */
bool os_is_dumping(int process);

/* Make the owner_ of an object that a thread has that of one which was left so
 * before the machine was restarted. */
void os_put_before_restart(uint64_t *owner);

/* A robust mutex of the C library for several processes, in OS_ROBUST_ROOM
 * bytes, which lends its owner the priority of waiters if it `inherits`; it
 * cannot be made where there are none. The others return shmap's codes. */
enum { OS_ROBUST_ROOM = 64 };
bool os_robust_make(void *at, bool inherits);
int os_robust_lock(void *at); /* does not wait */
int os_robust_unlock(void *at);
int os_robust_consistent(void *at);

#endif
