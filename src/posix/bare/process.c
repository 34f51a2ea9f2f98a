/* SPDX-License-Identifier: MIT */

/* Processes on systems that do not tell of their deaths. */
#include "posix/os.h"

shmap__os_status shmap__os_process_find(const void *object, uint64_t *number)
{
    (void)object, (void)number;
    return (shmap__os_status){SHMAP_ENOTSUP, 0};
}

enum shmap__os_life shmap__os_process_life(const void *object, uint64_t number)
{
    (void)object, (void)number;
    return SHMAP__OS_LIFE_UNKNOWN;
}
