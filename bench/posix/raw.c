/* SPDX-License-Identifier: MIT */

/* The system's own calls on POSIX systems, as a program without a library
 * would write them: what everything else is compared with.
 */
#include "../peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int descriptor = -1;
static void *data;
static size_t mapped;

static void *map(size_t size)
{
    data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    mapped = size;
    if (data != MAP_FAILED)
        return data;
    close(descriptor);
    return NULL;
}

static void *raw_create(const char *name, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/%s", name);
    descriptor = shm_open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (descriptor < 0)
        return NULL;
    if (ftruncate(descriptor, (off_t)size) != 0) {
        close(descriptor);
        return NULL;
    }
    return map(size);
}

static void *raw_open(const char *name, size_t size)
{
    char path[64];
    struct stat stat;

    (void)size;
    snprintf(path, sizeof path, "/%s", name);
    descriptor = shm_open(path, O_RDWR, 0);
    if (descriptor < 0)
        return NULL;
    if (fstat(descriptor, &stat) != 0) {
        close(descriptor);
        return NULL;
    }
    return map((size_t)stat.st_size);
}

static void raw_close(void)
{
    munmap(data, mapped);
    close(descriptor);
}

static void raw_destroy(const char *name)
{
    char path[64];

    raw_close();
    snprintf(path, sizeof path, "/%s", name);
    shm_unlink(path);
}

const bench_peer bench_raw = {
    "raw", raw_create, raw_destroy, raw_open, raw_close,
};
