/* SPDX-License-Identifier: MIT */

/* plibsys: PShm. One call creates or opens; on POSIX systems the creator is
 * who removes it.
 */
#include "peer.h"

#include <plibsys.h>
#include <stdbool.h>

static PShm *memory;

static void *plibsys_open(const char *name, size_t size)
{
    static bool initialised;

    if (!initialised)
        p_libsys_init();
    initialised = true;
    memory = p_shm_new(name, size, P_SHM_ACCESS_READWRITE, NULL);
    return memory == NULL ? NULL : p_shm_get_address(memory);
}

static void plibsys_close(void)
{
    p_shm_free(memory);
}

static void plibsys_destroy(const char *name)
{
    (void)name;
    p_shm_take_ownership(memory);
    p_shm_free(memory);
}

const bench_peer bench_plibsys = {
    "plibsys", plibsys_open, plibsys_destroy, plibsys_open, plibsys_close,
};
