/* SPDX-License-Identifier: MIT */

/* Processes on Linux: the kernel's number of one, and above it the tag by which
 * its presence is known (presence.c), from the moment at which it has the
 * number until its memory is gone. So a process whose main thread has ended
 * lives, and one that waits to be collected by its parent does not.
 */
#include "posix/os.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "posix/linux/identity.h"

enum { TAG_SHIFT = 32 };

shmap__os_status shmap__os_process_find(const void *object, uint64_t *number)
{
    uint32_t tag;
    shmap__os_status status = shmap__posix_identity_find(&tag);

    if (status.code == 0 && tag == 0)
        status = (shmap__os_status){
            SHMAP_ENOTSUP, 0,
            "a region of this process cannot be opened anew and locked, so "
            "that others could not tell whether the process lives"};
    if (status.code == 0)
        status = shmap__os_settle(object);
    if (status.code == 0)
        *number = (uint64_t)tag << TAG_SHIFT | (uint32_t)getpid();
    return status;
}

enum shmap__os_life shmap__os_process_life(const void *object, uint64_t number)
{
    const uint32_t tag = (uint32_t)(number >> TAG_SHIFT);
    const enum shmap__posix_kinship kinship = shmap__posix_identity_of(tag);
    const int process = (int)(uint32_t)number;

    if (kinship == SHMAP__POSIX_NO_PROCESS)
        return SHMAP__OS_DEAD;
    if (kinship == SHMAP__POSIX_SELF && process == getpid())
        return SHMAP__OS_ALIVE;
    /* Another process may happen to have the same tag. */
    if (kinship != SHMAP__POSIX_STRANGER &&
        syscall(SYS_tkill, process, 0) != 0 && errno == ESRCH)
        return SHMAP__OS_DEAD;
    return shmap__posix_presence_of(object, tag);
}
