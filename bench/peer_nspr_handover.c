/* SPDX-License-Identifier: MIT */

/* The Netscape Portable Runtime: anonymous file maps, which children inherit.
 * Their texts do not tell the size, nor is what is found compared with them.
 */
#include <nspr.h>
#include <prshma.h>

#include "handover.h"

static PRFileMap *memory;
static void *data;
static PRUint32 mapped;

static void *map(size_t size)
{
    if (memory == NULL)
        return NULL;
    mapped = (PRUint32)size;
    data = PR_MemMap(memory, 0, mapped);
    return data;
}

static void let_go(void)
{
    PR_MemUnmap(data, mapped);
    PR_CloseFileMap(memory);
}

/* In memory, as the others'. */
static void *nspr_make(size_t size)
{
    memory = PR_OpenAnonFileMap("/dev/shm", size, PR_PROT_READWRITE);
    return map(size);
}

static int nspr_offer(char *token, size_t size)
{
    return PR_ExportFileMapAsString(memory, size, token) == PR_SUCCESS ? 0 : -1;
}

/* There is no such call. */
static void nspr_withdraw(void) {}

static void *nspr_take(const char *token, size_t size)
{
    memory = PR_ImportFileMapFromString(token);
    return map(size);
}

const bench_giver bench_nspr_giver = {
    "nspr", nspr_make, let_go, nspr_offer, nspr_withdraw, nspr_take, let_go,
};
