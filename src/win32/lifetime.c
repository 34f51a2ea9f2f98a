/* SPDX-License-Identifier: MIT */

/* The lifetime of named regions on Windows is the system's affair: a section
 * and its name go with the last handle, however its process ends. Nothing is
 * ever left over.
 */
#include "os.h"

shmap__os_status shmap__os_named_reap(const char *os_name, int scope,
                                      unsigned *reaped)
{
    shmap__os_status done = {0, 0};

    (void)os_name, (void)scope;
    *reaped = 0;
    return done;
}

shmap__os_status shmap__os_named_reap_all(bool every_user, unsigned *reaped)
{
    shmap__os_status done = {0, 0};

    (void)every_user;
    *reaped = 0;
    return done;
}
