/* SPDX-License-Identifier: MIT */

/* What several of the examples need and C does not have. Only this file and
 * child.c ask for the operating system. */
#if defined(_WIN32)
#include <windows.h>
#else
#define _POSIX_C_SOURCE 200809L
#include <time.h>
#endif

#include "example.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void example_pause(void)
{
#if defined(_WIN32)
    Sleep(1);
#else
    nanosleep(&(struct timespec){0, 1000000}, NULL);
#endif
}

uint64_t example_random(uint64_t limit)
{
    static uint64_t state;

    state += (uint64_t)shmap_now();
    state *= UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio, odd */
    state ^= state >> 32;
    return state % limit;
}

int example_map(shmap_view *view, const char *name, uint64_t size)
{
    shmap_region *region;
    int result = size == 0 ? shmap_region_open(&region, name, NULL)
                           : shmap_region_create(&region, name, size, NULL);

    if (SHMAP_FAILED(result))
        return result;
    result = shmap_view_map(view, region, NULL);
    shmap_region_close(region); /* the view holds the region from now on */
    return result;
}

int example_failed(const char *what, int error)
{
    const char *detail = shmap_error_detail();

    fprintf(stderr, "%s: %s (%s, system error %d)%s%s\n", what,
            shmap_error_message(error), shmap_error_name(error),
            shmap_system_error(), detail[0] != '\0' ? ": " : "", detail);
    return EXIT_FAILURE;
}

const char *example_value(char ***argument, const char *option)
{
    if (strcmp(**argument, option) != 0 || (*argument)[1] == NULL)
        return NULL;
    ++*argument;
    return **argument;
}

bool example_number(const char *text, uint64_t min, uint64_t max,
                    uint64_t *number)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max)
        return false;
    *number = value;
    return true;
}
