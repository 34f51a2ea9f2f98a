/* SPDX-License-Identifier: MIT */

/* What the unit tests need beyond support.h, on POSIX systems. */

#include "../units.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *units_reserve(size_t size)
{
    size_t more = size + SHMAP_VIEW_GRANULARITY;
    char *start = mmap(NULL, more, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;

    size_t before = (size_t)((0 - (uintptr_t)start) % SHMAP_VIEW_GRANULARITY);
    if (before > 0)
        munmap(start, before);
    munmap(start + before + size, more - before - size);
    return start + before;
}

void units_release(void *address, size_t size)
{
    munmap(address, size);
}

bool units_has_modes(void)
{
    return true;
}

unsigned units_file_mode(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

unsigned units_set_umask(unsigned mask)
{
    return umask((mode_t)mask);
}

bool units_obeys_modes(void)
{
    return geteuid() != 0;
}

bool units_make_fifo(const char *path)
{
    return mkfifo(path, 0600) == 0;
}

bool units_make_link(const char *path, const char *target)
{
    return symlink(target, path) == 0;
}

intptr_t units_lease(const char *path)
{
#ifdef F_SETLEASE
    int fd = open(path, O_RDWR | O_CLOEXEC);

    /* Who has a lease is told when others want the file. */
    signal(SIGIO, SIG_IGN);
    if (fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
#else
    (void)path;
#endif
    return -1;
}

const char *units_memory_folder(void)
{
    static const char folder[] = "/dev/shm";

    return access(folder, W_OK) == 0 ? folder : NULL;
}

const char *units_device(void)
{
    return "/dev/zero";
}

const char *units_unmappable_file(void)
{
    static const char path[] = "/sys/kernel/uevent_seqnum";

    return access(path, R_OK) == 0 ? path : NULL;
}

const char *const *units_reserved_names(void)
{
    static const char *const none[] = {NULL};

    return none;
}

intptr_t units_memory(uint64_t size, bool writable)
{
    int fd = memfd_create("units", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || writable)
        return fd;

    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    close(fd);
    return reader;
}

intptr_t units_open_file(const char *path, bool writable)
{
    return open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

intptr_t units_pipe(intptr_t *other)
{
    int ends[2];

    if (pipe(ends) != 0)
        return -1;
    *other = ends[1];
    return ends[0];
}

intptr_t units_directory(void)
{
    return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

intptr_t units_bad_handle(void)
{
    return 987654;
}

bool units_is_open(intptr_t handle)
{
    return fcntl((int)handle, F_GETFD) >= 0;
}

bool units_is_inheritable(intptr_t handle)
{
    int flags = fcntl((int)handle, F_GETFD);

    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

bool units_make_inheritable(intptr_t handle)
{
    return fcntl((int)handle, F_SETFD, 0) == 0;
}

intptr_t units_copy(intptr_t handle)
{
    return fcntl((int)handle, F_DUPFD_CLOEXEC, 3);
}

bool units_lock_and_unlock(intptr_t handle)
{
    return flock((int)handle, LOCK_EX | LOCK_NB) == 0 &&
           flock((int)handle, LOCK_UN) == 0;
}

bool units_replace(intptr_t number, intptr_t with)
{
    return dup3((int)with, (int)number, O_CLOEXEC) >= 0;
}

const char *const *units_native_names(void)
{
    static const char *const names[] = {
        "/shmap-unit-native",   "shmap-unit-plain", "/.hidden", "/a b",
        "/gr\303\266\303\237e", "/back\\slash",     NULL};

    return names;
}

const char *const *units_bad_native_names(void)
{
    static const char *const names[] = {"/",   ".",   "/.",  "/..", "/a/b",
                                        "a/b", "//a", "/a/", NULL};

    return names;
}

const char *units_native_start(void)
{
    return "/";
}

size_t units_native_limit(void)
{
    return 1 + 255;
}

size_t units_native_limit_wide(void)
{
    return 255 / 4;
}

size_t units_derived_limit(void)
{
    return 1 + 255;
}

void units_name_prefix(char *out, int scope)
{
    if (scope == SHMAP_SCOPE_USER)
        sprintf(out, "/shmap.%lu.", (unsigned long)geteuid());
    else
        strcpy(out, "/shmap.");
}

uint64_t units_too_much_memory(void)
{
    return 0; /* Trying it would take what there is from everybody. */
}
