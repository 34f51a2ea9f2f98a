/* SPDX-License-Identifier: MIT */

/* What the tests share: processes to play with, a way to say what was
 * expected, and the raw system calls that a test needs to plant, look at and
 * break things.
 *
 * A test program is
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const struct role roles[] = {{"victim", victim}, {0, 0}};
 *         static const struct CMUnitTest tests[] = {
 *             cmocka_unit_test(test_unit__behaviour),
 *         };
 *         return test_main(argc, argv, roles, tests, COUNT(tests));
 *     }
 *
 * Without arguments it runs its tests; with one, those that match it ("*" is
 * any text). Started as "role NAME ...", which child_start does, it plays that
 * role. Every program also has the role "puppet", see puppet.h.
 *
 * Only the tests' own process makes cmocka assertions. A role reports what
 * went wrong with role_fail.
 *
 * Where the system allows it (to root), each program has a place of its own for
 * named regions, so that programs that run at once do not reap each other's.
 *
 * With SHMAP_TEST_FORBID_LINKS=1 in the environment, os_forbid_links holds from
 * the start.
 *
 * With SHMAP_TEST_FORBID_SET_ID=1, os_forbid_set_id does.
 *
 * Every wait gives up: timeouts are in milliseconds and multiplied by the
 * environment variable SHMAP_TEST_TIMEOUT_SCALE, or the CMake variable of that
 * name. What is left of a test's children is killed when the test ends.
 */
#ifndef SHMAP_TEST_SUPPORT_H
#define SHMAP_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shmap.h"

/* cmocka 2 has it for both kinds of numbers, and warns of the old name. */
#ifdef assert_int_in_range
#undef assert_in_range
#define assert_in_range assert_int_in_range
#endif

#if defined(__MINGW_PRINTF_FORMAT)
#define PRINTF_LIKE(at) \
    __attribute__((format(__MINGW_PRINTF_FORMAT, at, (at) + 1)))
#elif defined(__GNUC__)
#define PRINTF_LIKE(at) __attribute__((format(printf, at, (at) + 1)))
#else
#define PRINTF_LIKE(at)
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Long enough for anything that is to happen at all. */
#define PATIENCE 20000

/* Running tests. */

struct role {
    const char *name;
    /* arguments: what follows the role's name. Returns the exit code. */
    int (*play)(int count, char **arguments);
};

/* roles: ends with a zeroed one; may be NULL. */
int test_main(int argc, char **argv, const struct role *roles,
              const struct CMUnitTest *tests, size_t test_count);

/* The exit code by which a whole program says that it could not run here.
 * Prints the reason: return program_skipped("..."); */
int program_skipped(const char *reason);

/* End this test as skipped, and print why. */
#define skip_because(reason)                          \
    do {                                              \
        print_message("[  REASON  ] %s\n", (reason)); \
        skip();                                       \
    } while (0)

/* A result is what it should be; prints both names if not. */
#define assert_code(actual, expected) \
    assert_code_((actual), (expected), #actual, __FILE__, __LINE__)
void assert_code_(int actual, int expected, const char *call, const char *file,
                  int line);

/* The condition becomes true before the timeout. The only helper that sleeps:
 * for what the system does in its own time, such as tearing down a process. */
#define assert_eventually(condition)                             \
    do {                                                         \
        int64_t until_ = patience_until(PATIENCE);               \
        while (!(condition)) {                                   \
            if (!patience_nap(until_))                           \
                fail_msg("not within the time: %s", #condition); \
        }                                                        \
    } while (0)

/* So much time, as much longer as tests may take on this machine. */
int64_t scaled(int64_t time);
/* The moment at which a wait of so many milliseconds, scaled, is over. */
int64_t patience_until(int timeout);
/* Sleep for a moment; false if the deadline has passed. */
bool patience_nap(int64_t until);
/* Milliseconds, unscaled, since some moment. */
int64_t clock_ms(void);

/* A number from the environment, or what it is without. */
long setting(const char *variable, long otherwise);

/* Random numbers that a seed repeats. */
struct dice {
    uint64_t state;
};
uint32_t dice_roll(struct dice *dice, uint32_t sides); /* 0 .. sides - 1 */
uint64_t fresh_seed(void);

/* Names. */

#define NAME_ROOM    160
#define OS_NAME_ROOM 512

/* A name that nobody else has: of the process, a random number, and the
 * label, usually __func__. `out` has NAME_ROOM bytes. */
void unique_name(char *out, const char *label);
/* shmap_os_name, asserted. `out` has OS_NAME_ROOM bytes. */
void os_name_of(char *out, const char *name, int scope);

/* Options that say only where a name lives, or only which users are accepted.
 */
#define in_scope(value)                                                   \
    (&(shmap_region_options){.struct_size = sizeof(shmap_region_options), \
                             .scope = (value)})
#define accepting(value)                                                  \
    (&(shmap_region_options){.struct_size = sizeof(shmap_region_options), \
                             .accept = (value)})
/* A path in the temporary folder that nobody else has; nothing is made. */
void scratch_path(char *out, const char *label);
/* Write a file, or read one; false if that failed. A file that is longer than
 * the buffer counts as read. `*size` is in: room, out: bytes read. */
bool file_write(const char *path, const void *data, size_t size);
bool file_read(const char *path, void *data, size_t *size);

/* Children: this program in another process. */

struct child;

/* The program that plays the roles; NULL, as at first, is this one. */
extern const char *child_program;
/* Start a role. The arguments end with NULL. Ends the test if that fails. */
struct child *child_start(const char *role, ...);
/* The next line of its output without the line's end, or NULL at the end of
 * the output or after the timeout. Valid until the next call. */
const char *child_read_line(struct child *child, int timeout);
/* Its next line is this one, within PATIENCE. */
#define child_expect(child, line) \
    child_expect_((child), (line), __FILE__, __LINE__)
void child_expect_(struct child *child, const char *line, const char *file,
                   int where);
/* Send it a line. The line's end is added. */
void child_tell(struct child *child, const char *format, ...) PRINTF_LIKE(2);
/* It reads end-of-file. */
void child_close_stdin(struct child *child);
/* SIGKILL or TerminateProcess. Does not wait. */
void child_kill(struct child *child);
/* Wait for its end, forget it, and return its exit code; CHILD_KILLED if it
 * was killed, a smaller number if it crashed. Ends the test if it does not end
 * within the timeout. */
int child_wait(struct child *child, int timeout);
#define CHILD_KILLED (-1)
/* Kill, and wait. */
void child_end(struct child *child);
int child_pid(const struct child *child);
/* Kill and forget all children. */
void children_end(void);

/* In a role. */

/* Where a role's lines go; NULL, as at first, is standard output. */
extern FILE *role_output;
/* Print a line, at once. */
void say(const char *format, ...) PRINTF_LIKE(1);
/* Wait for a line of input; NULL at its end. Valid until the next call. */
char *hear(void);
/* Print "fail: ..." and end the process with exit code 1. */
void role_fail(const char *format, ...) PRINTF_LIKE(1);
#define role_check(condition)                                       \
    do {                                                            \
        if (!(condition))                                           \
            role_fail("%s:%d: %s", __FILE__, __LINE__, #condition); \
    } while (0)
#define role_check_code(actual, expected) \
    role_check_code_((actual), (expected), #actual, __FILE__, __LINE__)
void role_check_code_(int actual, int expected, const char *call,
                      const char *file, int line);

/* The rest differs between systems: posix and win32 hold it, in files of the
 * same names. */

/* system.c: facts. */

/* Whether the killed holder of a named region leaves its name behind. */
bool os_has_leftovers(void);
/* Whether lock files beside named regions tell who holds them: not the system
 * itself, and not locks on the regions. Then nobody can ask who is alone, and
 * the steps that the library takes are others. */
bool os_has_lock_files(void);
bool os_is_root(void);
/* Whether this number of a user, a SID on Windows, is of one whose this
 * process's things are. */
bool os_is_own_user(const char *number);
/* Whether this is Windows' calls on another system. */
bool os_is_emulated(void);
/* Whether the system itself marks the locks of a thread that has died. */
bool os_marks_the_dead(void);
size_t os_page_size(void);
/* How many descriptors or handles this process has open. */
size_t os_open_handles(void);
/* Whether the system itself opens some in this process, at any time: for
 * threads of its own, or where threads meet at a lock. */
bool os_opens_handles(void);
int os_process_id(void);
/* End this process as if another had killed it. Where that has no signal, it
 * ends with this exit code, which child_wait() knows. */
#define KILLED_ITSELF 0x6b696c6c
void os_kill_self(void);
/* From now on this process runs on one processor only: the first that it may
 * use, or the next, 1, and so on. False where that cannot be had. */
bool os_use_one_processor(unsigned which);
/* Writing to a child that is gone must not end the tests. */
void os_ignore_broken_pipes(void);
/* It ends this role, as it does programs that say nothing about signals. */
void os_heed_broken_pipes(void);

/* memory.c: looking at addresses that may not be there. */

enum memory_state { MEMORY_ABSENT = 0, MEMORY_READABLE, MEMORY_WRITABLE };

/* What can be done with this byte. It may be written over itself, so nobody
 * else must be writing to it. */
enum memory_state memory_probe(const void *address);
/* Copy, if all of it can be read. */
bool memory_copy(void *to, const void *from, size_t size);

/* Whether a crash would write it to a core dump: 1 or 0; -1 if that cannot be
 * told. */
int memory_is_dumped(const void *address);

/* Numbers in shared memory, used by several processes at once. Each is one
 * indivisible step, in one order for everybody. */
uint64_t memory_load(const volatile uint64_t *number);
void memory_store(volatile uint64_t *number, uint64_t value);
/* Returns the value before. */
uint64_t memory_add(volatile uint64_t *number, uint64_t value);

/* raw.c: the system's own calls, behind the library's back. Names are the
 * system's, as shmap_os_name gives them; handles are descriptors or HANDLEs,
 * -1 for none. */

enum raw_kind {
    RAW_REGION = 0, /* shared memory with a size */
    RAW_EMPTY,      /* shared memory that nobody has sized yet */
    RAW_FIFO,
    RAW_DIRECTORY,
    RAW_SYMLINK, /* to a regular file */
    RAW_MUTEX
};

/* Put an object under a name, exclusively. It stays until raw_remove and, on
 * Windows, raw_close. `size` for RAW_REGION; `mode` are POSIX mode bits, exact
 * whatever the umask, 0 for 0600; Windows: 0400 is a section of some
 * size that is mapped for reading only. Returns a handle, which may be 0 for
 * kinds that have none, or -1, also where the system has no such kind. */
intptr_t raw_plant(const char *os_name, enum raw_kind kind, uint64_t size,
                   unsigned mode);
/* Plant a region that everybody may use, and that belongs to somebody else. -1
 * also if this process may not. */
intptr_t raw_plant_of_another(const char *os_name, uint64_t size);
/* Whether this system has such objects. */
bool raw_can_plant(enum raw_kind kind);
/* Open shared memory for reading and writing. */
intptr_t raw_open(const char *os_name);
void raw_close(intptr_t handle);
bool raw_read(intptr_t handle, uint64_t offset, void *data, size_t size);
bool raw_write(intptr_t handle, uint64_t offset, const void *data, size_t size);
/* Give a planted RAW_EMPTY its size, or a region another one. */
bool raw_resize(intptr_t handle, uint64_t size);
/* Whether anything has this name. */
bool raw_exists(const char *os_name);
/* Size in bytes; 0 if there is nothing. */
uint64_t raw_size(const char *os_name);
/* Mode bits, 0 on Windows. */
unsigned raw_mode(const char *os_name);
bool raw_set_mode(const char *os_name, unsigned mode);
/* Whether its times fit into 32 bits, so that programs with such times can ask
 * for its size. */
bool raw_has_small_times(const char *os_name);
/* Remove a name, whatever has it. False where names cannot be removed. */
bool raw_remove(const char *os_name);
/* Give an object a second name. False where there is no such thing. */
bool raw_hard_link(const char *os_name, const char *second);
/* Set the times of an object to now, as whoever may write to it can. */
bool raw_touch(intptr_t handle);
/* Hold an object as the published convention for other programs says: an open
 * file description read lock on byte 0; on Windows the handle is enough. */
bool raw_hold(intptr_t handle);
/* Whether anybody holds an object so, or is just removing it. */
bool raw_is_held(const char *os_name);
/* How many objects have names that begin so. */
unsigned raw_count(const char *os_name_prefix);
/* Who may do what with an object of this user's, the same on all systems:
 * "owner all", and what others may: ", everyone read", ", everyone write", or
 * with a group's number for everyone; what a semaphore lets do is "sleep" or
 * "sleep and wake". Anything that is not exactly such looks different. `out`
 * has RIGHTS_ROOM bytes; a HANDLE needs READ_CONTROL. */
#define RIGHTS_ROOM 512
void raw_rights(char *out, intptr_t handle);
/* Whether the system's own accounts (root; SYSTEM and Administrators) may do
 * what the owner may. */
bool raw_lets_system(intptr_t handle);
/* What the owner may do who opens an anonymous region again: "all", or "read"
 * where that can be kept from writing. */
const char *raw_anonymous_rights(void);
/* A group that this process may let in, by name and by number, which is a SID
 * on Windows. Both have NAME_ROOM bytes. */
bool raw_find_group(char *name, char *number);
/* The object that those sleep on who wait for something; -1 where there is
 * none. */
intptr_t raw_open_waiting(const shmap_waiters *waiters);
/* Take the lock of one who removes a region, exclusively, without waiting. It
 * goes with the handle. */
bool raw_block(intptr_t handle);
/* Lock an object for reading, until this process ends, so that nobody can
 * remove it, but without being a holder. False where there is no such lock. */
bool raw_hinder(const char *os_name);
/* Take the turn of those who let go of a region. */
bool raw_take_turn(intptr_t handle);

/* limits.c: a process puts itself in trouble. Each returns false where that
 * cannot be done, and is for roles only. */

bool os_limit_handles(unsigned further); /* so many more can be opened */
/* Numbers of descriptors that are opened are below this one. */
bool os_limit_handle_numbers(unsigned numbers);
bool os_limit_file_size(uint64_t bytes);
bool os_limit_memory(uint64_t further); /* bytes of address space */
/* A signal every so many microseconds, handled without SA_RESTART. */
bool os_start_interval_timer(int microseconds);
/* Named regions live in a place of their own, of this size; 0: as it comes. */
bool os_small_shared_memory(uint64_t bytes);
/* A folder becomes one of huge pages, for this process; `*page` is the size of
 * one. False also where fewer than four are free. */
bool os_enter_huge_folder(const char *path, uint64_t *page);
/* This process has as many mappings as it can have; and fewer again. */
bool os_fill_mappings(void);
void os_release_mappings(void);
/* From now on a system call fails in this process, with an error of this name.
 * `call` is its name, or "fcntl F_ADD_SEALS" and the like. */
bool os_refuse(const char *call, const char *error);
/* Without /proc, a process can find out which namespace it is in. */
bool os_tells_without_proc(void);
/* Files made without a name cannot get one later, in this process and its
 * children, as on older kernels for a process that gave up root. */
bool os_forbid_links(void);
/* No file can get a set-user-id or set-group-id bit in this process and its
 * children, as in a service with RestrictSUIDSGID=. */
bool os_forbid_set_id(void);
/* Our user is unknown here. */
bool os_enter_user_namespace(void);
/* Close descriptors 0, 1 and 2, so that they are the next ones opened. What
 * say prints still arrives. */
bool os_close_standard_streams(void);
/* Close everything but the standard streams. */
bool os_close_all_above_standard(void);
/* Become another user, as a program does that was started by that user, or as
 * one that was root and gave it up. */
bool os_become_user(unsigned user);
bool os_drop_to_user(unsigned user);
/* Others of this user may not look at this process any more; root may. */
bool os_hide_process(void);

/* fork.c */

bool os_can_fork(void);
/* As fork: 0 in the child, its process id in the parent, -1 on failure. Each
 * side has a stream from and a stream to the other. */
int os_fork(FILE **from, FILE **to);
/* Plain fork, also of a process with threads; the child sleeps until its
 * standard input ends, and calls nothing else. */
int os_fork_sleeper(void);
/* Have this called around every fork, with "before", "parent" or "child": by
 * handlers that were registered now, or, `early`, before the library's own. */
void os_at_fork(bool early, void (*handler)(const char *when));
/* Replace the program by one that sleeps until this stream ends. Returns if
 * that failed. */
void os_exec_sleeper(FILE *until);
/* Replace the program by another run of it, in a role with an argument: the
 * same process, which keeps what is inherited. Returns if that failed, or if
 * the system has no such thing. */
void os_exec_role(const char *role, const char *argument);
/* Kill a forked child, or wait for it: its exit code, as from child_wait. */
void os_fork_kill(int pid);
int os_fork_wait(int pid);
/* End a forked child: no handlers, no flushing. */
void os_exit_now(int code);

#endif
