/* SPDX-License-Identifier: MIT */

/* Declarations that the files of the POSIX side share. */
#ifndef SHMAP_POSIX_OS_H
#define SHMAP_POSIX_OS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "platform.h"

#ifndef O_PATH /* The system cannot open an object only to look at it. */
#define O_PATH 0
#endif

static const shmap__os_status shmap__posix_done = {0, 0};

/* error.c: a failure with this errno, as an SHMAP_E... code. */
shmap__os_status shmap__posix_failed(int error);

/* A failure because of an object of this user; -1: the user is not known. */
shmap__os_status shmap__posix_belongs(int code, int error, uid_t user);

/* descriptor.c */

/* Open, close-on-exec, without a controlling terminal, with a descriptor
 * above 2: what a program prints must never end up in a region. Returns -1 and
 * errno. */
int shmap__posix_open(const char *path, int flags, mode_t mode);

/* Return the flags of open() for an access. */
int shmap__posix_open_flags(int access);

/* Duplicate, close-on-exec. Return a descriptor above 2, or -1 and errno. */
int shmap__posix_duplicate(int fd);

/* Move a new descriptor above 2. -1 stays -1. */
int shmap__posix_above_stdio(int fd);

/* Close, and leave errno alone. */
void shmap__posix_close_quietly(int fd);

/* Open the object of a descriptor once more, in a description of its own. -1
 * and errno. */
int shmap__posix_open_again(int fd, int flags);

/* Write the path under which this process finds its own descriptor. */
enum { SHMAP__POSIX_DESCRIPTOR_PATH = sizeof "/proc/self/fd/" + 10 };
void shmap__posix_descriptor_path(char path[SHMAP__POSIX_DESCRIPTOR_PATH],
                                  int fd);

/* Read a small file, as /proc has them, as a string. 0 or errno. */
int shmap__posix_read_text(const char *path, char *out, size_t room);

/* Write zeros, also where a file system cannot allocate. 0 or errno. */
int shmap__posix_write_zeros(int fd, uint64_t from, uint64_t to);

/* Return whether a descriptor can be that of a file or of shared memory. */
bool shmap__posix_can_be_memory(const struct stat *stat);

/* Return whether this is the device and inode of what a stat is of. */
bool shmap__posix_identifies(const uint64_t identity[2],
                             const struct stat *stat);

/* Return whether the descriptor is still the object's. Programs close
 * descriptors that they do not know (close_range, daemon starters), and the
 * number is used again for something else. Also yields the current stat. */
bool shmap__posix_still_ours(const shmap__os_object *object, struct stat *stat);

/* byte_lock.c: locks on single bytes, which belong to the open file
 * description. It lives with its descriptors and mappings, also in forked
 * children, and with it end its locks. `type` is F_RDLCK, F_WRLCK or F_UNLCK.
 */

/* Take or change a lock without waiting. Returns 0 or errno; EAGAIN if and only
 * if another description's lock is in the way. */
int shmap__posix_lock(int fd, off_t byte, short type);

/* The same for several bytes at once. */
int shmap__posix_lock_bytes(int fd, off_t from, off_t count, short type);

/* Return the type of another description's lock on the byte; F_UNLCK if the
 * byte is free; -1 and errno if the system refuses to tell. Where it has no
 * such locks, taking one is ENOTSUP, and every byte is answered to be locked.
 */
short shmap__posix_locked(int fd, off_t byte);

/* Return the status for this errno of one of these. */
shmap__os_status shmap__posix_lock_failed(int error);

/* fork.c */

/* Keep fork out while this thread has a lock that must not end up in a child.
 * Nesting is not needed. */
void shmap__posix_fork_lock(void);
void shmap__posix_fork_unlock(void);

/* Return how often this process, or an ancestor, forked since the library was
 * first used. If it did since a description was opened, a child may share it.
 */
uint32_t shmap__posix_forks(void);

/* Return a number, not 0, that a forked child does not share with its parent.
 */
uint32_t shmap__posix_lineage(void);

/* Lock the list of this process's views, which fork must not copy half
 * changed. */
void shmap__posix_views_lock(void);
void shmap__posix_views_unlock(void);

/* fork_child.c: what a child calls after fork, up to NULL. */
extern void (*const shmap__posix_child_begins[])(void);

/* system.c */

/* Bounded patience with another process in the middle of a step: wait a
 * little, more from time to time. False after about a second. `*attempt`
 * begins with 0. */
bool shmap__posix_wait_a_little(unsigned *attempt);

/* The value of `*attempt` after about 50 milliseconds. */
enum { SHMAP__POSIX_ATTEMPTS_BRIEF = 64 + 50 };

/* user.c */

/* Return whether the request of this user accepts an object that belongs to
 * `uid`. Reads `accept` and `user`. */
bool shmap__posix_accepts(const shmap__os_request *request, uid_t uid,
                          uid_t user);

/* Ask the system for the number that an account of this name has: one of
 * getpwnam_r and getgrnam_r, behind a function that all accounts have in
 * common. `found` is untouched if no account has the name. Returns 0 or an
 * errno. */
typedef int shmap__posix_ask_account(const char *name, char *space, size_t size,
                                     uint32_t *number, bool *found);

/* Find an account's number, by its name or as it is. SHMAP_EINVAL, with `none`
 * as its detail, if no account has it. */
shmap__os_status shmap__posix_find_account(uint32_t *number, const char *name,
                                           shmap__posix_ask_account *ask,
                                           const char *none);

/* rights.c */

/* The rights that a new file is to have. */
typedef struct shmap__posix_rights {
    mode_t mode;
    bool grouped; /* there is a group that is to have some */
    gid_t group;
} shmap__posix_rights;

/* As the options say: before anything is made or looked at, so that an unknown
 * group is always the same error. */
shmap__os_status shmap__posix_rights_init(shmap__posix_rights *rights,
                                          const shmap_region_options *options);

/* Give them to a file, whatever the umask, and these other bits of its mode.
 * `stat` is the file's until now. */
shmap__os_status shmap__posix_rights_give(const shmap__posix_rights *rights,
                                          int fd, mode_t bits,
                                          const struct stat *stat);

/* Return whether this process cannot write to the object of the descriptor, and
 * cannot give itself the right to. */
bool shmap__posix_cannot_write(int fd, const struct stat *stat);

/* allocate.c */

/* The folder of shared memory objects, on systems where they are files. */
#define SHMAP__POSIX_FOLDER "/dev/shm"

/* Find the machine's memory and swap, in bytes: all, and what is free. All is
 * 0, and there is no bound to what is free, if that cannot be told. */
void shmap__posix_memory(uint64_t *total, uint64_t *available);

/* Return whether this descriptor's pages are the machine's memory. */
bool shmap__posix_is_memory(int fd, const struct stat *stat);

/* Return the size of the pages in which this descriptor is mapped. */
size_t shmap__posix_page_size(int fd, const struct stat *stat);

/* Refuse what can be seen not to fit, before pages are taken that others need.
 * `in_memory`: the file's pages are the machine's memory. 0 or errno. */
int shmap__posix_check_room(int fd, uint64_t size, bool in_memory);

/* Return how many of a file's bytes have no room yet. */
uint64_t shmap__posix_missing(int fd, const struct stat *stat);

/* Find room for all of a file's first bytes, and change none. 0 or errno,
 * ENOTSUP if the file system has no way. */
int shmap__posix_fill(int fd, uint64_t size);

/* Give a file room from `from`, its size, up to `to`. 0 or errno; then the size
 * is anywhere between. `in_memory` as above. */
int shmap__posix_allocate(int fd, uint64_t from, uint64_t to, bool in_memory);

/* room.c */

/* Give a file `to` bytes instead of `from`, fewer. Committed, the new bytes
 * have room; what fails then has left the size anywhere between. `in_memory`:
 * the pages are the machine's memory. */
shmap__os_status shmap__posix_extend(int fd, uint64_t from, uint64_t to,
                                     int commit, bool in_memory);

/* query.c */

/* Return whether a descriptor's file certainly cannot be mapped, as those of
 * /sys and /proc: they have no blocks. */
bool shmap__posix_cannot_map(int fd, const struct stat *stat);

/* Return the size that regions of these pages can have: made smaller where they
 * are larger than the system's. */
uint64_t shmap__posix_whole_pages(uint64_t size, size_t page);

/* Fill an object for a descriptor of which the stat is known. */
void shmap__posix_object_fill(shmap__os_object *object, int fd,
                              const struct stat *stat, int kind, int access);

/* The same for what was found, if it has a size and a user that the request
 * accepts, asked by this user. Reads `kind`, `access`, `accept` and `user`. */
shmap__os_status shmap__posix_object_check(shmap__os_object *object, int fd,
                                           const struct stat *stat,
                                           const shmap__os_request *request,
                                           uid_t user);

/* object.c */

/* Return the access that a descriptor allows, fitted to the one asked for,
 * which may be SHMAP_ACCESS_DEFAULT; < 0 is an error. */
int shmap__posix_access_of(int fd, int asked);

/* seal.c */

/* Make sure that no process can write to the object from now on that cannot
 * write to it now, but for this one: SHMAP_ENOTSUP if that cannot be had.
 * `stat` is the descriptor's. */
shmap__os_status shmap__posix_forbid_writing(shmap__os_object *object,
                                             const struct stat *stat);

/* Map a range for writing where only object->writable leads to it still: at
 * `address` as shmap__os_view_map. Returns MAP_FAILED and errno. */
void *shmap__posix_map_writable(const shmap__os_object *object, uint64_t offset,
                                size_t size, void *address);

/* Unmap object->writable. */
void shmap__posix_writable_end(const shmap__os_object *object);

/* presence.c: the views of this process, and its presence in the regions of the
 * writable ones. */

/* Remember a view. False if there is no memory. */
bool shmap__posix_view_remember(const void *base, size_t size, bool writable,
                                const shmap__os_object *object);

/* Forget one, and get what is known of it, to recall it if it stays, or else to
 * end; NULL of a view that was not remembered. */
shmap__os_known_view *shmap__posix_view_forget(const void *base);
void shmap__posix_view_recall(shmap__os_known_view *known);
void shmap__posix_view_end(shmap__os_known_view *known);

/* Make this process known by a tag, not 0, in the regions of all views; the tag
 * becomes 0 if one does not allow that. 0, or an errno that passes. The caller
 * keeps fork out. */
int shmap__posix_presence_begin(uint32_t *tag);

/* In a child after fork. */
void shmap__posix_presence_forget(void);

/* Before an object is closed. */
void shmap__posix_presence_end(shmap__os_object *object);

/* Return whether a process of this tag is there, in the region that the word is
 * in. */
enum shmap__os_life shmap__posix_presence_of(const void *word, uint32_t tag);

/* thread.c */

/* In a child after fork. */
void shmap__posix_identity_forget(void);

/* birth.c */

/* Return when the file was made, as a number; 0 where the system does not tell.
 */
uint64_t shmap__posix_file_birth(int fd);

/* file.c */

/* Return whether no other description has the file open for writing; and mark
 * this one as such. */
bool shmap__posix_file_alone(int fd);
int shmap__posix_file_mark(int fd); /* 0 or errno */

/* Return whether the path that a file was opened by certainly does not mean it
 * any more. */
bool shmap__posix_file_is_lost(const shmap__os_object *object,
                               const struct stat *stat);

/* channel.c */

/* Wait until there is room for a message. */
shmap__os_status shmap__posix_channel_await(intptr_t channel, int64_t deadline);

/* named.c */

/* Put a holder's mark on a new description of a named region that is to be
 * given to another process. And become a holder of the region of a descriptor,
 * which another holder gave to this process with that mark, or which this
 * process only found there. Reads what shmap__os_take reads. The descriptor is
 * the object's then. */
bool shmap__posix_named_lend(int fd);
shmap__os_status shmap__posix_named_take(shmap__os_object *object, int fd,
                                         const struct stat *stat,
                                         const shmap__os_request *request);

/* lifetime.c */

/* Return whether a named region's name still means this object. */
bool shmap__posix_name_means(const char *os_name,
                             const shmap__os_object *object);

/* Return whether no other description holds this named or anonymous region;
 * false if that cannot be told. */
bool shmap__posix_alone(int fd);

/* reap.c */

/* Return whether a name that was closed before still means this object, and
 * that has a holder. Without one it is removed. The identity is that given to
 * shmap__posix_later. `at_exit`: do not wait for other threads. */
bool shmap__posix_named_is_held(const char *os_name, const uint64_t identity[2],
                                bool at_exit);

/* later.c */

/* A region was closed. If others still hold it, remember its name, else
 * `os_name` is NULL; and ask for a few names that were remembered before. */
void shmap__posix_later(const char *os_name, const uint64_t identity[2]);

/* Ask for all remembered names: those regions are closed, and no leftovers. */
void shmap__posix_later_all(void);

/* In a child after fork: its parent asks for the names. */
void shmap__posix_later_forget(void);

/* leave.c */

/* Close a named region's descriptor, and free the region if it has no other
 * holder. `stat` is the descriptor's; NULL if it is no longer ours. */
void shmap__posix_named_close(const shmap__os_object *object,
                              const char *os_name, const struct stat *stat);

/* gift.c */

/* Make a new descriptor of an object's, to be given away with `gift->access`.
 * Yields the object's stat. */
shmap__os_status shmap__posix_gift_open(const shmap__os_object *object,
                                        const shmap__os_gift *gift, int *fd,
                                        struct stat *stat);

/* Make sure that the descriptor cannot be used for more, and note it in the
 * gift; on failure it is closed. Comes last: sealing cannot be taken back. */
shmap__os_status shmap__posix_gift_complete(shmap__os_object *object,
                                            shmap__os_gift *gift, int fd,
                                            const struct stat *stat);

/* Note the object's identity in the gift. */
void shmap__posix_gift_identify(const shmap__os_object *object,
                                shmap__os_gift *gift);

/* Return whether a descriptor is of the object that was given, and its stat. */
bool shmap__posix_fd_matches_gift(int fd, const shmap__os_gift *gift,
                                  struct stat *stat);

/* Make an object of a descriptor, if it is of the object that was given: else
 * SHMAP_ENOENT. On success the descriptor is the object's. */
shmap__os_status shmap__posix_gift_take(shmap__os_object *object, int fd,
                                        const shmap__os_request *request);

/* handover_inherit.c */

/* Take a region that this process inherited. After a failure it can be taken
 * again. */
shmap__os_status shmap__posix_take_inherited(shmap__os_object *object,
                                             const shmap__os_request *request);

/* handover_process.c */

/* Take a region that another process has, under a new descriptor. */
shmap__os_status shmap__posix_take_from_process(
    shmap__os_object *object, const shmap__os_request *request);

#endif
