/* SPDX-License-Identifier: MIT */

/* Sets or gets the text that all processes with the shared library share.
 *
 *     shared_library_main set TEXT    keeps it until its standard input ends
 *     shared_library_main get         prints it, from another process
 */
#include <stdio.h>
#include <string.h>

#include <shmap.h>

#include "shared_library.h"

static int failed(int error)
{
    fprintf(stderr, "shared_library_main: %s\n", shmap_error_message(error));
    return 1;
}

static int set(const char *text)
{
    int result = shared_set(text);

    if (SHMAP_FAILED(result))
        return failed(result);
    puts("set; the end of the input ends it");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}

static int get(void)
{
    char text[256];
    int result = shared_get(text, sizeof text);

    if (SHMAP_FAILED(result))
        return failed(result);
    puts(text);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "set") == 0)
        return set(argv[2]);
    if (argc == 2 && strcmp(argv[1], "get") == 0)
        return get();
    fprintf(stderr, "usage: shared_library_main set TEXT | get\n");
    return 2;
}
