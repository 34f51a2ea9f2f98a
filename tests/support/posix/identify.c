/* SPDX-License-Identifier: MIT */

/* What tokens say of objects, POSIX. */

#include "../attack.h"
#include "posix/os.h"

bool attack_identify(intptr_t native, int kind, uint64_t identity[2])
{
    struct stat status;
    if (fstat((int)native, &status) != 0)
        return false;
    identity[0] = (uint64_t)status.st_dev;
    identity[1] = (uint64_t)status.st_ino;
    if (kind == SHMAP_KIND_FILE)
        identity[1] ^= shmap__posix_file_birth((int)native);
    return true;
}
