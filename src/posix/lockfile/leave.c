/* SPDX-License-Identifier: MIT */

/* Closing: how a holder of a region leaves, and the last one removes it. */
#include "posix/lockfile/regions.h"

#include <unistd.h>

#include "base/stop.h"

/* If no other holder is left, the region is dead from the moment that its mark
 * is released, for every process. Each descriptor that is closed makes room for
 * the next. */
void shmap__posix_named_close(const shmap__os_object *object,
                              const char *os_name, const struct stat *stat)
{
    int lock = (int)object->lock;
    struct stat mark;
    bool kept = fstat(lock, &mark) == 0 &&
                shmap__posix_identifies(object->lock_identity, &mark);
    shmap__posix_lock_files files;
    bool again; /* it must be asked for */
    int entered;
    int gate;

    shmap__posix_lock_files_find(&files, os_name,
                                 kept ? mark.st_uid : geteuid());
    if (stat != NULL)
        close((int)object->native);
    entered = shmap__posix_gate_enter(&files, &gate).code;
    if (kept)
        close(lock);
    SHMAP__STOP("close.let_go");
    again = entered == SHMAP_EMFILE ||
            (entered == 0 && shmap__posix_leave(&files, gate));
    shmap__posix_later(again && kept ? os_name : NULL, object->lock_identity);
}
