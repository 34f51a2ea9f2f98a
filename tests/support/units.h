/* SPDX-License-Identifier: MIT */

/* What the unit tests need beyond support.h: places in the address space,
 * kinds of files, handles that come from elsewhere, and the count of open
 * handles around a test. posix and win32 hold it, in units.c.
 */
#ifndef SHMAP_TEST_UNITS_H
#define SHMAP_TEST_UNITS_H

#include "support.h"

#define KiB ((uint64_t)1024)
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)

/* Addresses. */

/* Private writable memory at a multiple of 64 KiB; NULL if there is none.
 * units_release frees it, so that something else can be there. */
void *units_reserve(size_t size);
void units_release(void *address, size_t size);

/* Files. */

/* Whether files have permission bits, and those of this one. */
bool units_has_modes(void);
unsigned units_file_mode(const char *path);
/* Returns what it was before. */
unsigned units_set_umask(unsigned mask);
/* Whether permissions stop this process: root passes them all. */
bool units_obeys_modes(void);
/* False where a path cannot name a pipe. */
bool units_make_fifo(const char *path);
/* The path of something that takes and gives bytes and is no file. */
const char *units_device(void);
/* The path of a file that the system cannot map; NULL where none is known. */
const char *units_unmappable_file(void);
/* Names that the system keeps for devices in every folder, ended by NULL. */
const char *const *units_reserved_names(void);

/* A symbolic link, to whatever. False where there are none. */
bool units_make_link(const char *path, const char *target);
/* Keep others from opening the file until raw_close; -1 where nobody can. */
intptr_t units_lease(const char *path);
/* A folder whose files are in memory; NULL where none is known. */
const char *units_memory_folder(void);

/* Handles: descriptors or HANDLEs. raw_close closes them. */

/* Nameless memory, with a handle that allows writing or does not. */
intptr_t units_memory(uint64_t size, bool writable);
intptr_t units_open_file(const char *path, bool writable);
/* The reading end of a pipe, and the other. */
intptr_t units_pipe(intptr_t *other);
intptr_t units_directory(void);
/* A number that no handle has. */
intptr_t units_bad_handle(void);
bool units_is_open(intptr_t handle);
bool units_is_inheritable(intptr_t handle);
bool units_make_inheritable(intptr_t handle);
/* Another handle of the same object, in POSIX' words: of the same open file
 * description. Not inheritable. */
intptr_t units_copy(intptr_t handle);
/* Take a program's own lock, exclusively, without waiting, and give it back:
 * flock. True where there is none. */
bool units_lock_and_unlock(intptr_t handle);
/* Make the number mean another object. False where nobody can choose one. */
bool units_replace(intptr_t number, intptr_t with);

/* Names, each list ended by NULL: what the system takes in native scope, and
 * what it does not. */
const char *const *units_native_names(void);
const char *const *units_bad_native_names(void);
/* The longest native name: its first bytes, and bytes in all. */
const char *units_native_start(void);
size_t units_native_limit(void);
/* How many characters of 4 bytes can follow those first bytes. */
size_t units_native_limit_wide(void);
/* The longest name that shmap derives, in bytes. */
size_t units_derived_limit(void);
/* What stands before a name that is used readably. */
void units_name_prefix(char *out, int scope);

/* Room. */

/* A size for which the system has no room, and says so at once; 0 if there is
 * none that can be tried without harm. */
uint64_t units_too_much_memory(void);

/* Whether this process may make regions in machine scope: Windows asks for a
 * privilege outside of session 0. */
static inline bool units_has_machine_scope(void)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region = NULL;
    char name[NAME_ROOM];
    int result;

    unique_name(name, __func__);
    options.scope = SHMAP_SCOPE_MACHINE;
    result = shmap_region_create(&region, name, 1, &options);
    shmap_region_close(region);
    return result != SHMAP_EPRIVILEGE;
}

/* A test that leaves as many handles open as it found. */
#define leak_checked(test)                                     \
    cmocka_unit_test_setup_teardown(test, units_count_handles, \
                                    units_compare_handles)

/* Play a role to its end. It says "done", or "cannot", which is false, where
 * the system has no such situation. */
static inline bool units_play_role(const char *role, const char *argument)
{
    struct child *child = child_start(role, argument, NULL);
    const char *line = child_read_line(child, PATIENCE);
    bool cannot = line != NULL && strcmp(line, "cannot") == 0;

    if (!cannot && (line == NULL || strcmp(line, "done") != 0)) {
        print_error("the role says \"%s\"\n", line == NULL ? "" : line);
        fail();
    }
    assert_int_equal(child_wait(child, PATIENCE), 0);
    return !cannot;
}

/* The same; if it cannot, the test is skipped for this reason. */
static inline void units_run_role(const char *role, const char *argument,
                                  const char *reason)
{
    if (!units_play_role(role, argument))
        skip_because(reason);
}

/* Whether as many handles are open as before; where the system opens some of
 * its own, whether no more stay. */
static inline bool units_same_handles(size_t before)
{
    int64_t until = patience_until(PATIENCE / 2);

    if (!os_opens_handles())
        return os_open_handles() == before;
    while (os_open_handles() > before)
        if (!patience_nap(until))
            return false;
    return true;
}

static inline int units_count_handles(void **state)
{
    static bool warm;

    /* The first child makes this process open things for good. */
    if (!warm) {
        child_end(child_start("puppet", NULL));
        /* And so do a failure's thread-local variables in a DLL of mingw's,
         * and what the system is asked for when something is made. */
        shmap_region *region = NULL;
        shmap_region_open(NULL, NULL, NULL);
        shmap_region_create(&region, NULL, 1, NULL);
        shmap_region_close(region);
    }
    warm = true;
    *state = (void *)(uintptr_t)os_open_handles();
    return 0;
}

static inline int units_compare_handles(void **state)
{
    size_t before = (size_t)(uintptr_t)*state;
    /* The threads that waited for children last for seconds on Windows. */
    int64_t until = patience_until(PATIENCE / 2);

    children_end();
    while (os_open_handles() > before && patience_nap(until))
        ;
    if (os_open_handles() <= before)
        return 0;
    print_error("handles open before the test %zu, after it %zu\n", before,
                os_open_handles());
    return -1;
}

#endif
