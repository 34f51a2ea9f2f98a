/* SPDX-License-Identifier: MIT */

/* A shared library that allocates memory and has a variable, for test_scope.
 */

#include <stdlib.h>
#include <string.h>

static char *kept;

const char *library_keep(const char *text);
const char *library_kept(void);

const char *library_keep(const char *text)
{
    free(kept);
    kept = malloc(strlen(text) + 1);
    return kept == NULL ? NULL : strcpy(kept, text);
}

const char *library_kept(void)
{
    return kept == NULL ? "" : kept;
}
