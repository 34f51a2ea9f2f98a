/* SPDX-License-Identifier: MIT */

/* Views: ranges of regions, mapped into this process.
 *
 * A view keeps its region: the region handle may be closed while views are
 * mapped. Views of one region show the same bytes, in one process and in
 * several, except copy-on-write views, whose writes are private.
 *
 * A view is freed by shmap_view_unmap, or by the system when the process ends.
 */
#ifndef SHMAP_VIEW_H
#define SHMAP_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The granularity of requested addresses, on every system, in bytes. */
#define SHMAP_VIEW_GRANULARITY 65536

/* A view. The caller owns the struct; shmap_view_map fills it. It may be moved
 * but not copied: one of two copies would be unmapped twice. All zero is a
 * view of nothing. */
typedef struct shmap_view {
    void *data;      /* first byte */
    size_t size;     /* bytes that can be used now */
    size_t capacity; /* bytes that size may become with shmap_view_refresh */
    /* Private. */
    shmap_region *region_;
    void *base_;
    size_t mapped_;
    uint64_t offset_;
    int access_;
    int zero_;
} shmap_view;

#define SHMAP_VIEW_INIT           \
    {                             \
        0, 0, 0, 0, 0, 0, 0, 0, 0 \
    }

enum shmap_view_flags {
    /* Touch every page now, so that no later first access has to wait. With a
     * lazy region, no room is SHMAP_ENOSPC from this call; before Linux 5.14,
     * and on other POSIX systems, it is SIGBUS. */
    SHMAP_VIEW_PREFAULT = 1,
    /* Keep the pages in memory. Not built yet: SHMAP_ENOTSUP. */
    SHMAP_VIEW_RESIDENT = 2,
    /* Leave the view's memory out of the dump that the system writes when the
     * process crashes: core dumps (Linux, FreeBSD), error reports (Windows 10,
     * and not what a debugger writes). Dumps then take less time and room, and
     * have no secrets of the region. Other views of the same pages are not left
     * out unless they have this flag as well. SHMAP_ENOTSUP where the system
     * cannot, as in Windows before version 1709, and on macOS. */
    SHMAP_VIEW_NO_DUMP = 4
};

/* How a region is mapped. Start from SHMAP_VIEW_OPTIONS_INIT; zero is the
 * default of every field. A null pointer means all defaults: the whole region,
 * with its access, anywhere. */
typedef struct shmap_view_options {
    size_t struct_size; /* sizeof(shmap_view_options), from the macro */
    uint64_t offset;    /* bytes from the region's start; any */
    uint64_t size;      /* bytes; 0: up to the region's end */
    void *address;      /* where the view's first byte is to be; NULL:
                           anywhere. address - offset must be a multiple of
                           SHMAP_VIEW_GRANULARITY, and of the region's page
                           size where that is larger (huge pages). */
    int access;         /* enum shmap_access */
    unsigned flags;     /* enum shmap_view_flags */
} shmap_view_options;

#define SHMAP_VIEW_OPTIONS_INIT                   \
    {                                             \
        sizeof(shmap_view_options), 0, 0, 0, 0, 0 \
    }

/* Map a range of a region.
 *
 * view: is filled; untouched on failure. Its old content is not read, so a
 *       mapped view must be unmapped first.
 * options: NULL for the defaults.
 *
 * Returns 0 or
 *   SHMAP_EINVAL      an argument is not valid; address - offset is no
 *                     multiple of 64 KiB, or of a huge page; the region's
 *                     descriptor was closed
 *   SHMAP_ERANGE      the range reaches beyond the region's end, or starts
 *                     there
 *   SHMAP_EACCES      a writable view of a region opened for reading, or that
 *                     another handle has sealed or handed over for reading
 *   SHMAP_EADDRINUSE  the view cannot be at this address: something is there,
 *                     or nothing can be. Nothing was replaced.
 *   SHMAP_ENOMEM      no address space: a view of over 4 GiB in a 32-bit
 *                     process, a limit of the process
 *   SHMAP_ENOSPC      prefaulting found no room; there are not enough free
 *                     huge pages
 *   SHMAP_ETYPE       the file system cannot map this file
 *   SHMAP_ENOTSUP, SHMAP_ESYSTEM
 *
 * Since 0.1. */
SHMAP_API int shmap_view_map(shmap_view *view, shmap_region *region,
                             const shmap_view_options *options);

/* Set view->size to the region's size now, up to view->capacity. Moves nothing.
 * A file that became shorter makes the view's size smaller: the bytes beyond
 * must not be touched.
 *
 * Returns 0 or SHMAP_EINVAL (nothing is mapped; the descriptor was closed).
 * Since 0.1. */
SHMAP_API int shmap_view_refresh(shmap_view *view);

enum shmap_flush_mode {
    SHMAP_FLUSH_WRITE = 0,  /* hand the bytes to the system: readers of the
                               file see them, but a crash of the machine may
                               lose them */
    SHMAP_FLUSH_DURABLE = 1 /* and wait until they are on the disk */
};

/* Write a range of a view to the file behind it. Views of regions that are no
 * files, copy-on-write views, and views for reading have nothing to write: done
 * at once.
 *
 * offset, size: bytes, in the view; size 0: up to the view's end.
 * mode: enum shmap_flush_mode.
 *
 * Returns 0 or SHMAP_EINVAL, SHMAP_ERANGE, SHMAP_ENOSPC, SHMAP_ESYSTEM (the
 * disk failed). Since 0.1. */
SHMAP_API int shmap_view_flush(const shmap_view *view, size_t offset,
                               size_t size, int mode);

/* Unmap a view and zero the struct. The last unmap of a region whose handles
 * are closed frees it. NULL, and a view that is all zero, are fine.
 *
 * Returns 0, or, with the view mapped and usable as before,
 *   SHMAP_EBUSY    another thread of this process holds a mutex, rwlock or once
 *                  in the view, or is locking one: let it unlock, or end, and
 *                  try again
 *   SHMAP_ENOMEM   the process has as many mappings as the system lets it
 *                  have, and to unmap the middle of one of the system's
 *                  mappings would make one more: unmap something else, and try
 *                  again
 *   SHMAP_ESYSTEM  the system refuses to unmap it
 *
 * Locks that this thread holds in the view are abandoned as if it had died,
 * also if the system then refuses to unmap the view (SHMAP_ENOMEM,
 * SHMAP_ESYSTEM). Locks of other threads cannot be abandoned: the system and
 * the C library write into a lock that a thread holds when that thread locks or
 * unlocks another one. For the same reason a view must not be unmapped, or
 * replaced, with the system's own calls while a thread holds a lock in it.
 * Since 0.1. */
SHMAP_API int shmap_view_unmap(shmap_view *view);

#ifdef __cplusplus
}
#endif

#endif
