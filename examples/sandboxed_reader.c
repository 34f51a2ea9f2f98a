/* SPDX-License-Identifier: MIT */

/* Gives a child a region for reading only. The child follows the values that
 * its parent writes, and tries in every way it knows to write itself.
 *
 *     sandboxed_reader [--values N]
 *
 * --values  how many the parent writes; default 20
 *
 * Ends with 0 if the child saw the last value and could write nothing, and with
 * 77 where the system cannot keep a process from writing. */
#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
#endif

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmap.h>

#include "child.h"
#include "example.h"

#define PATIENCE SHMAP_S(10)
#define REFUSED  77

typedef struct sample {
    uint64_t number; /* from 1 */
    uint64_t square; /* of it */
    bool last;
} sample;

/* The region. */
typedef union shared {
    shmap_record record;
    unsigned char space[SHMAP_RECORD_SIZE(sizeof(sample))];
} shared;

/* The child */

/* Change the protection of memory that is mapped for reading, past the library.
 */
static bool unprotect(void *data, size_t size)
{
#if defined(_WIN32)
    DWORD before;

    return VirtualProtect(data, size, PAGE_READWRITE, &before) != 0;
#else
    return mprotect(data, size, PROT_READ | PROT_WRITE) == 0;
#endif
}

/* Each of these is refused; how many are not? */
static int try_to_write(const char *token, shmap_region *region,
                        const shmap_view *view)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_view_options writable = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *other;
    shmap_view second;
    char again[SHMAP_TOKEN_SIZE];
    int broken = 0;

    options.access = writable.access = SHMAP_ACCESS_READ_WRITE;
    int result = shmap_region_import(&other, token, &options);
    printf("reader: to import it for writing: %s\n", shmap_error_name(result));
    broken += result >= 0;
    result = shmap_view_map(&second, region, &writable);
    printf("reader: to map it for writing: %s\n", shmap_error_name(result));
    broken += result >= 0;
    result = shmap_region_export(region, SHMAP_ACCESS_READ_WRITE,
                                 SHMAP_TARGET_CHILD, again, sizeof again);
    printf("reader: to hand it on for writing: %s\n", shmap_error_name(result));
    broken += result >= 0;
    bool changed = unprotect(view->data, view->size);
    printf("reader: to make its view writable: %s\n",
           changed ? "IT IS" : "the system refuses");
    broken += changed;
    fflush(stdout);
    return broken;
}

/* Follow the values to the last. Each is read whole. */
static int follow(const shared *values)
{
    sample seen = {0, 0, false};
    uint64_t version = 0;
    uint64_t count = 0;

    while (!seen.last) {
        int result =
            shmap_record_wait(&values->record, version, shmap_after(PATIENCE));
        if (result == 0)
            result = shmap_record_read(&values->record, &seen, sizeof seen,
                                       &version);
        if (SHMAP_FAILED(result))
            return result;
        if (seen.square != seen.number * seen.number)
            return SHMAP_ESYSTEM;
        count++;
    }
    printf("reader: saw %" PRIu64 " values, the last is %" PRIu64 "\n", count,
           seen.number);
    return 0;
}

static int read_all(const char *token)
{
    shmap_region *region;
    shmap_view view;

    int result = shmap_region_import(&region, token, NULL);
    if (SHMAP_FAILED(result))
        return example_failed("reader", result);
    result = shmap_view_map(&view, region, NULL);
    if (SHMAP_FAILED(result))
        return example_failed("reader", result);
    int broken = try_to_write(token, region, &view);
    result = follow(view.data);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    if (SHMAP_FAILED(result))
        return example_failed("reader", result);
    return broken == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The parent */

static int write_all(shared *values, uint64_t count)
{
    int result = 0;

    for (uint64_t i = 1; i <= count && result == 0; i++) {
        sample next = {i, i * i, i == count};

        result = shmap_record_write(&values->record, &next, sizeof next);
        example_pause();
    }
    return result;
}

static int run(const char *program, uint64_t count)
{
    char token[SHMAP_TOKEN_SIZE];
    shmap_region *region;
    shmap_view view;
    child_process child;

    int result = shmap_region_create(&region, NULL, sizeof(shared), NULL);
    if (result == 0)
        result = shmap_view_map(&view, region, NULL);
    if (SHMAP_FAILED(result))
        return example_failed("sandboxed_reader", result);
    result = shmap_region_export(region, SHMAP_ACCESS_READ, SHMAP_TARGET_CHILD,
                                 token, sizeof token);
    if (result == SHMAP_ENOTSUP) {
        printf("sandboxed_reader: this system cannot keep a reader from "
               "writing\n");
        return REFUSED;
    }
    if (SHMAP_FAILED(result))
        return example_failed("sandboxed_reader", result);

    bool well =
        child_start(&child, program, (const char *[]){"read", token, NULL});
    shmap_region_unexport(region); /* no other child is to have it */
    if (well)
        result = write_all(view.data, count);
    well = well && child_wait(&child, shmap_after(2 * PATIENCE)) &&
           child.status == EXIT_SUCCESS;
    shmap_view_unmap(&view);
    shmap_region_close(region);
    if (SHMAP_FAILED(result))
        return example_failed("sandboxed_reader", result);
    printf("sandboxed_reader: the reader %s\n",
           well ? "saw all there was to see, and wrote nothing" : "FAILED");
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const char *program = argc > 0 ? argv[0] : "";
    const char *token = NULL;
    const char *value;
    uint64_t count = 20;
    bool right = argc > 0;

    while (right && *++argv != NULL) {
        if ((value = example_value(&argv, "--values")) != NULL)
            right = example_number(value, 1, 1000000, &count);
        else if ((value = example_value(&argv, "read")) != NULL)
            token = value;
        else
            right = false;
    }
    if (!right) {
        fprintf(stderr, "usage: sandboxed_reader [--values N]\n");
        return 2;
    }
    return token != NULL ? read_all(token) : run(program, count);
}
