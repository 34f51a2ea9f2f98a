/* SPDX-License-Identifier: MIT */

/* shmap: shared memory for portable C programs.
 *
 * A region is memory that several processes can map; a view is a range of a
 * region, mapped into this process. The calls, their results and their
 * promises are the same on Windows and on POSIX systems, also when processes
 * are killed.
 *
 *     struct counter { shmap_mutex mutex; int count; } *counter;
 *     shmap_region *region;
 *     shmap_view view = SHMAP_VIEW_INIT;
 *
 *     int result = shmap_region_open_or_create(&region, "counter", 4096, NULL);
 *     if (result < 0)
 *         return puts(shmap_error_message(result));
 *     result = shmap_view_map(&view, region, NULL);
 *     counter = view.data;
 *     if (result == 0 &&
 *         shmap_mutex_lock(&counter->mutex, SHMAP_FOREVER) >= 0) {
 *         ++counter->count;
 *         shmap_mutex_unlock(&counter->mutex);
 *     }
 *     shmap_view_unmap(&view);
 *     shmap_region_close(region);
 *
 * Where to read on:
 *
 *     shmap/region.h   regions: named, anonymous, of a file
 *     shmap/handover.h handing a region over to another process
 *     shmap/view.h     views of them
 *     shmap/error.h    results
 *     shmap/clock.h    deadlines
 *     shmap/wait.h     what all synchronisation objects have in common; then
 *                      mutex.h, rwlock.h, cond.h, event.h, semaphore.h,
 *                      barrier.h, once.h, record.h
 *     shmap/roster.h   the processes that take part, and those that have died
 *     shmap/version.h  versions
 *
 * What holds for every call
 *
 * Threads: any thread may call any function. Calls on different objects do not
 * wait for each other, but some wait for a thread that forks. A region or view
 * must not be closed or unmapped while another thread uses it.
 *
 * Fork: a child holds the regions and views of its parent, at the same
 * addresses, and closes and unmaps its own copies. After fork in a program
 * with several threads, only async-signal-safe functions may be called until
 * exec; of the library's, these are shmap_event_set and shmap_semaphore_post. A
 * child made in other ways than by fork (_Fork, clone) must not call any
 * function. Handlers of pthread_atfork may call any function; in the child,
 * only if the program has one thread. But handlers that a program registered
 * before it loaded the library (dlopen), or in a constructor, must not call
 * functions of locks.
 *
 * Fork also waits while another thread extends a file region. A thread must not
 * be cancelled (pthread_cancel) inside a call: the locks and handles that the
 * call holds would be lost.
 *
 * Signals: a signal handler may call shmap_event_set and shmap_semaphore_post,
 * and no other function. A handled signal ends no wait by itself; a handler
 * that sets the event, or posts the semaphore, that is waited for does, and
 * this is how to stop a daemon (examples/clean_stop.c). No function raises a
 * signal or installs a handler. Windows: handlers of Ctrl-C and of the console
 * run in a thread of their own, and may call any function.
 *
 * Crashes: a process that ends in any way releases its regions and views as the
 * system tears it down. See shmap/region.h, "Lifetime".
 *
 * Exec: descriptors and handles are not inherited by programs that this process
 * starts, but for the ones that shmap_region_export made for children.
 */
#ifndef SHMAP_H
#define SHMAP_H

#include "shmap/barrier.h"
#include "shmap/clock.h"
#include "shmap/cond.h"
#include "shmap/error.h"
#include "shmap/event.h"
#include "shmap/export.h"
#include "shmap/handover.h"
#include "shmap/mutex.h"
#include "shmap/once.h"
#include "shmap/record.h"
#include "shmap/region.h"
#include "shmap/roster.h"
#include "shmap/rwlock.h"
#include "shmap/semaphore.h"
#include "shmap/version.h"
#include "shmap/view.h"
#include "shmap/wait.h"

#endif
