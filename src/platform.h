/* SPDX-License-Identifier: MIT */

/* The seam: every primitive that shmap asks of a system.
 *
 * src/posix and src/win32 implement all of it, in files of the same names; src/
 * calls it and decides. Every primitive can rely on this, and owes this:
 *
 * - Arguments are checked: pointers are valid, sizes and offsets are in range
 *   and rounded, names are well-formed, access is READ or READ_WRITE (COPY for
 *   views), enumerations hold a known value.
 * - It returns {0, 0}, or an SHMAP_E... code with the system's own error code,
 *   read before any clean-up (0 if the system reported none).
 * - On failure it has written no output, and left nothing open and no name.
 * - It never calls back into src/, prints, or changes signal handling.
 * - Descriptors and handles it opens are not inheritable, and on POSIX never
 *   0, 1 or 2.
 */
#ifndef SHMAP_PLATFORM_H
#define SHMAP_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shmap.h"

/* A status without words is {code, system}. */
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

/* The detail where a region's descriptor or handle is no longer its own. */
#define SHMAP__OS_LOST                                                       \
    "region: its descriptor or handle was closed or replaced: do not close " \
    "what shmap_region_native returns"

#define SHMAP__OS_SHORT_FILE \
    "size: the file is shorter, and is not extended for reading"

/* How shmap_error_detail is made of a status. */
enum shmap__os_reason {
    SHMAP__OS_DETAIL,     /* `detail` says it; NULL: what the code means in the
                             call */
    SHMAP__OS_NO_ROOM,    /* `asked` bytes were asked for, and `detail` has room
                             for `room` */
    SHMAP__OS_OF_USER,    /* the object belongs to the user of this number */
    SHMAP__OS_OF_ACCOUNT, /* the object belongs to the account `detail` */
    SHMAP__OS_NULL,       /* the argument `detail` is a null pointer */
    SHMAP__OS_MISPLACED,  /* or no multiple of 8 */
    SHMAP__OS_OTHER_SIZE  /* the caller says `asked`, in the unit `detail`, and
                             the object has `room` */
};

typedef struct shmap__os_status {
    int code;           /* 0 or SHMAP_E... */
    int system;         /* errno or GetLastError(); 0 if the system reported
                           none */
    const char *detail; /* static, or this thread's until its next failure */
    int reason;         /* enum shmap__os_reason, which says what follows */
    uint32_t user;
    uint64_t asked;
    uint64_t room;
} shmap__os_status;

/* Linux: a view of this process, see presence.c. */
typedef struct shmap__os_known_view {
    struct shmap__os_known_view *next;
    const char *base;
    size_t size;
    struct shmap__os_object *object;
    bool writable;
    bool settled;
} shmap__os_known_view;

/* The system's side of a region. Filled by the primitives that create, open,
 * adopt or take; the portable side passes it back, reads `native`, `kind` and
 * `access`, says `lent`, and makes `access` less when it has sealed. */
typedef struct shmap__os_object {
    intptr_t native;      /* the descriptor; the section's or file's HANDLE */
    uint64_t identity[2]; /* device and inode, volume and index of a file: to
                             notice a descriptor or handle that was closed or
                             replaced behind our back */
    uint64_t size;        /* when it was filled; a section has one for life */
    size_t page_size;     /* bytes: every mapping of it begins and ends with a
                             page; more than the system's for huge pages */
    uint32_t forks;       /* POSIX: to notice that a child may share it */
    bool lent;            /* the caller got `native`, and may have shared it */
    void *path;           /* a file's, absolute, in the system's own characters,
                             to be freed; NULL: not known */
    int kind;             /* enum shmap_kind */
    int access;           /* SHMAP_ACCESS_READ or SHMAP_ACCESS_READ_WRITE */
    bool foreign;         /* opened, and made by another program */
    /* Linux: where all of it is mapped, for views that can no longer be mapped
     * otherwise; 0: nowhere. */
    _Alignas(8) uint64_t writable;
    /* Some POSIX systems: the descriptor of a named region's mark, and its
     * device and inode. */
    intptr_t lock;
    uint64_t lock_identity[2];
    /* Linux, see presence.c: the object that keeps this process's presence
     * known, the process it is for, and the errno of why presence cannot be
     * known. */
    void *presence;
    int64_t presence_of;
    int presence_denied;
    /* The entry of the first known view, which needs no memory of its own; not
     * 0: it is in use. */
    shmap__os_known_view first_view;
    uint32_t first_view_used;
    /* Windows: the seals that this handle has made certain, and the next of all
     * objects of this process. */
    int seals;
    bool created; /* by the call that obtained it */
    struct shmap__os_object *next;
} shmap__os_object;

/* system.c */

/* Facts about the system, filled in once. */
typedef struct shmap__os_facts {
    size_t page_size;      /* bytes */
    size_t name_limit;     /* bytes, for prefix and name together, of names that
                              shmap derives */
    uint64_t max_size;     /* bytes, of any region */
    unsigned processors;   /* that this process can use at a time; if that is
                              one, all: another process may be kept to
                              another */
    bool wakes_by_address; /* shmap__os_wake needs no id */
    int64_t record_wake_ns; /* how often it pays to wake possible waiters */
} shmap__os_facts;

const shmap__os_facts *shmap__os_facts_get(void);

/* Whether there is memory at this address. */
bool shmap__os_is_mapped(const void *address);

/* Nanoseconds on the monotonic clock. */
int64_t shmap__os_now(void);

/* 1 and the number of the processor on which this thread runs; 0 if that cannot
 * be told. Below 16,777,216. */
uint32_t shmap__os_processor(void);

/* room.c */

/* Tell for how many more bytes there is room where regions of this kind (for
 * SHMAP_KIND_FILE: the file of that path) have their pages; `*where` names that
 * place in English and is static. Returns false if that cannot be told. */
bool shmap__os_room(int kind, const char *path, uint64_t *room,
                    const char **where);

/* name.c */

/* Write the prefix of the name of a region in user or machine scope, as
 * "/shmap.1000." or "Local\shmap.". `out` has room for 64 bytes. */
void shmap__os_name_prefix(char *out, int scope);

/* Whether `name`, valid UTF-8, can be one of the system's own: not too long,
 * no reserved word, no folder. */
bool shmap__os_native_name_valid(const char *name);

/* A user, in bytes that only the system's files understand. */
typedef struct shmap__os_user {
    uint64_t space[9];
} shmap__os_user;

/* user.c: find a user by name or number; Windows: an account by name or SID.
 * SHMAP_EINVAL if the user does not exist. */
shmap__os_status shmap__os_user_find(shmap__os_user *user, const char *name);

/* The request for a region: see region/request.h. Each primitive says which
 * fields it reads. */
typedef struct shmap__os_request {
    int kind;            /* enum shmap_kind, of the object made or opened */
    const char *os_name; /* the system's whole name of a named region; a
                            file's path */
    uint64_t size;       /* bytes; of memory whole pages */
    size_t page_size;    /* bytes */
    intptr_t native;     /* the descriptor or handle to adopt */
    const struct shmap__os_gift *gift; /* the gift to take */
    shmap__os_user user;               /* with SHMAP_ACCEPT_USER */
    shmap_region_options options;      /* `access` is not DEFAULT, but to adopt
                                        */
} shmap__os_request;

/* named.c: regions found by name. */

/* Make a region of `size` bytes, zeroed; reads `os_name`, `size`, `commit`,
 * `share`, `group` and `scope`. It appears complete, with its rights, or not at
 * all. A leftover under the name is removed. Codes: see shmap_region_create. */
shmap__os_status shmap__os_named_create(shmap__os_object *object,
                                        const shmap__os_request *request);

/* Open a region; in native scope also a foreign one. Reads `os_name`, `access`,
 * `accept`, `user` and `scope`. Codes: see shmap_region_open. */
shmap__os_status shmap__os_named_open(shmap__os_object *object,
                                      const shmap__os_request *request);

/* Remove the leftover of this name. `*reaped` is 1 if there was one, else 0. */
shmap__os_status shmap__os_named_reap(const char *os_name, int scope,
                                      unsigned *reaped);

/* Remove all leftovers of this user, or of every user, in all scopes. Leftovers
 * that resist are passed over; if nothing else was removed, the result says
 * why. */
shmap__os_status shmap__os_named_reap_all(bool every_user, unsigned *reaped);

/* anonymous.c */

/* Make a nameless region. As shmap__os_named_create. It cannot be shrunk. */
shmap__os_status shmap__os_anonymous_create(shmap__os_object *object,
                                            const shmap__os_request *request);

/* file.c */

/* Open or make a file, and extend it to `size` bytes if it is shorter. Reads
 * `os_name`, `size`, `access`, `create`, `commit`, `share` and `group`. `alone`
 * tells whether no other handle had it open, `created` whether this call made
 * it. Codes: see shmap_region_open_file. */
shmap__os_status shmap__os_file_open(shmap__os_object *object,
                                     const shmap__os_request *request,
                                     bool *alone);

/* object.c: what all kinds have in common. */

/* Take over a descriptor or handle that the caller got elsewhere. Reads
 * `native` and `access`, which may be SHMAP_ACCESS_DEFAULT: what it allows. On
 * failure it stays the caller's. */
shmap__os_status shmap__os_adopt(shmap__os_object *object,
                                 const shmap__os_request *request);

/* Release an object. `os_name` is the name it was made or opened under. A named
 * region that has no other holder vanishes, name and pages. All views are
 * unmapped already. A descriptor that is no longer the object's is left alone.
 */
void shmap__os_close(shmap__os_object *object, const char *os_name);

/* The object's size now, in bytes. SHMAP_EINVAL if the descriptor is no longer
 * the object's. */
shmap__os_status shmap__os_size(const shmap__os_object *object, uint64_t *size);

/* The SHMAP_INFO_ flags that hold now. */
int shmap__os_info_flags(const shmap__os_object *object, const char *os_name);

/* user.c: write the number or SID of the object's user as text; untouched where
 * that cannot be told. */
void shmap__os_owner(const shmap__os_object *object, char *out, size_t size);

/* seal.c */

/* Seal an anonymous region, as far as it is not. Codes: see shmap_region_seal.
 */
shmap__os_status shmap__os_seal(shmap__os_object *object, int wanted);

/* The seals that surely hold. */
int shmap__os_seals(const shmap__os_object *object);

/* handover.c: handing objects over to other processes. */

enum shmap__os_way {
    SHMAP__OS_TO_CHILD = 1, /* inherited under the same number */
    SHMAP__OS_TO_PROCESS,   /* put there, or to be taken from the giver */
    SHMAP__OS_SENT          /* the number came through the channel */
};

/* What one process says to another about an object that it hands over. */
typedef struct shmap__os_gift {
    int way;              /* enum shmap__os_way */
    int kind;             /* enum shmap_kind */
    int access;           /* SHMAP_ACCESS_READ or SHMAP_ACCESS_READ_WRITE */
    int64_t from;         /* the process that hands it over */
    int64_t to;           /* SHMAP__OS_TO_PROCESS: the receiver */
    int64_t native;       /* the number of a descriptor or handle, valid in
                             the process that the way says */
    uint64_t identity[2]; /* of the object */
} shmap__os_gift;

/* This process's number. */
int64_t shmap__os_process_id(void);

/* Each shmap__os_give_ fills `native` and `identity` of a gift, whose access
 * the object has, and if it is SHMAP_ACCESS_READ makes certain that no receiver
 * can write, else SHMAP_ENOTSUP; then `writable` may be set in the object. */

/* handover_inherit.c */

/* Make a new descriptor or handle for children to inherit. */
shmap__os_status shmap__os_give_child(shmap__os_object *object,
                                      shmap__os_gift *gift);

/* Return whether this number is still the one that shmap__os_give_child made.
 */
bool shmap__os_is_given_child(const shmap__os_object *object, int64_t native);

/* Close it, if it still is. */
void shmap__os_give_child_end(const shmap__os_object *object, int64_t native);

/* handover_process.c */

/* Make the gift ready for the process `gift->to`. SHMAP_ENOENT: the process
 * does not exist. */
shmap__os_status shmap__os_give_process(shmap__os_object *object,
                                        shmap__os_gift *gift);

/* handover.c, for gifts that go through a channel, and for taking any gift. */

/* Make the gift ready for the process at the other end of a channel, once there
 * is room in that; fills `way` and `to` as well. */
shmap__os_status shmap__os_give_channel(shmap__os_object *object,
                                        shmap__os_gift *gift, intptr_t channel,
                                        int64_t deadline);

/* After shmap__os_give_channel: `given` tells whether the message went off. */
void shmap__os_give_channel_end(const shmap__os_gift *gift, bool given);

/* Take the object of a gift, if it has the identity that the gift says: else
 * SHMAP_ENOENT. Reads `gift`, `os_name`, `access`, `accept` and `user`. On
 * failure it can be taken again. */
shmap__os_status shmap__os_take(shmap__os_object *object,
                                const shmap__os_request *request);

/* Release the object of a gift that came through a channel and is not taken:
 * the one sent, or the one put into this process if it has the gift's identity.
 */
void shmap__os_drop(const shmap__os_gift *gift);

/* channel.c: messages of up to SHMAP__OS_MESSAGE bytes through the caller's
 * channel. */

enum { SHMAP__OS_MESSAGE = 1024 };

#define SHMAP__OS_MESSAGE_START "shmap"

/* Return whether this can be the beginning of a message. The receiver does not
 * wait for the rest of other bytes: they are SHMAP_ETOKEN at once. */
static inline bool shmap__os_begins_message(const char *text, size_t size)
{
    const size_t start = sizeof SHMAP__OS_MESSAGE_START - 1;

    return memcmp(text, SHMAP__OS_MESSAGE_START, size < start ? size : start) ==
           0;
}

/* Send a message, and with it the gift, until a deadline. */
shmap__os_status shmap__os_send(intptr_t channel, const shmap__os_gift *gift,
                                const char message[SHMAP__OS_MESSAGE],
                                int64_t deadline);

/* Receive one. Fills the way of the delivered gift, which is the same for all
 * messages, and for SHMAP__OS_SENT `native`. Reads `accept` and `user`: for
 * SHMAP__OS_TO_PROCESS, a sender that it does not accept is SHMAP_EOWNER. */
shmap__os_status shmap__os_receive(intptr_t channel,
                                   char message[SHMAP__OS_MESSAGE],
                                   const shmap__os_request *request,
                                   shmap__os_gift *delivered, int64_t deadline);

/* thread.c: which thread is which.
 *
 * A thread's id is a word. Its low half has the number that the system calls
 * the thread by, in the bits of SHMAP__OS_ID_MASK; its high half distinguishes
 * the thread from earlier threads with the same number, and from threads that
 * have it in other PID namespaces.
 *
 * Owner words hold an id and, in the other bits of the low half,
 * flags: the Linux kernel sets OWNER_DIED, and removes the id, when a thread
 * ends. */
#define SHMAP__OS_ID_MASK    UINT64_C(0x000000003FFFFFFF)
#define SHMAP__OS_OWNER_DIED UINT64_C(0x0000000040000000)
#define SHMAP__OS_WAITERS    UINT64_C(0x0000000080000000)
#define SHMAP__OS_FLAGS      (SHMAP__OS_OWNER_DIED | SHMAP__OS_WAITERS)

/* The system's record of the mutexes that a thread has, from which it tells of
 * the thread's death: see inline.h, below. */
typedef struct shmap__os_robust shmap__os_robust;

/* Find the calling thread's id and record, which it keeps at these addresses.
 * In a child after fork, the id becomes 0. SHMAP_ENOTSUP if this system cannot
 * tell threads apart or does not tell their deaths, SHMAP_EMFILE. */
shmap__os_status shmap__os_self_find(uint64_t *id, shmap__os_robust *robust);

/* Have this called in the calling thread when that ends, as late as possible,
 * for it may unlock until then. False where that cannot be had. */
bool shmap__os_at_thread_end(void (*end)(void));

enum shmap__os_life {
    SHMAP__OS_ALIVE,       /* or unknown to the caller, but not to others */
    SHMAP__OS_DEAD,        /* it has ended, and can no longer touch memory */
    SHMAP__OS_LIFE_UNKNOWN /* this process can never tell */
};

/* Return whether the thread of this id, without flags, lives. `word` is where
 * the id was found. */
enum shmap__os_life shmap__os_life_of(const void *word, uint64_t id);

/* presence.c: how processes that share a region know of each other. */

/* Not 0: in the region of some view this process's presence is not known. Every
 * lock reads it. Never written where presence is not needed. */
extern uint32_t shmap__os_unsettled;

/* Before a thread of this process owns the object at this address: make the
 * process's presence known in the object's region. SHMAP_EMFILE, or
 * SHMAP_ENOTSUP if the region does not allow it. */
shmap__os_status shmap__os_settle(const void *object);

/* Find the view of a region in which this address is: how many bytes there are
 * from the address to the view's end, and whether it is writable. False if it
 * is in none. */
bool shmap__os_view_of(const void *address, size_t *room, bool *writable);

/* process.c: which process is which. */

/* Find this process's number for objects in the region of a writable view in
 * which the address is: its low half is the system's number of the process, its
 * high half distinguishes the process from all others that had the number, or
 * have it in other PID namespaces. It is never 0. A forked child has another.
 * SHMAP_ENOTSUP if others could not tell when the process ends, SHMAP_EMFILE.
 */
shmap__os_status shmap__os_process_find(const void *object, uint64_t *number);

/* Whether the process of this number has ended; `object` is in a view of the
 * region in which the number was found, which may be any number. */
enum shmap__os_life shmap__os_process_life(const void *object, uint64_t number);

/* fork.c */

/* Lock this process's knowledge of its threads against other threads. Returns a
 * number that a forked child does not share with its parent. */
uint32_t shmap__os_threads_lock(void);
void shmap__os_threads_unlock(void);

/* wait.c: sleeping in one process and waking in another. */

/* One thread that waits. */
typedef struct shmap__os_waiter {
    intptr_t native; /* the object it sleeps on, where one is needed */
} shmap__os_waiter;

/* A number, above 0, of SHMAP__WAIT_ID_BITS bits that is unlikely to come
 * again. */
enum { SHMAP__WAIT_ID_BITS = 48 };
uint64_t shmap__os_wait_id(void);

/* Prepare to sleep on a word of shared memory. `id` is shared by all waiters of
 * one object; 0 if none was assigned yet. */
void shmap__os_wait_begin(shmap__os_waiter *waiter, const uint32_t *word,
                          uint64_t id);

/* Sleep while `*word` is `seen`: until woken, until `until`, until the thread
 * `owner` has died (0: no thread; the kernel may tell in other ways), or for no
 * reason. Costs no processor time. */
void shmap__os_wait(shmap__os_waiter *waiter, const uint32_t *word,
                    uint32_t seen, uint64_t owner, int64_t until);

void shmap__os_wait_end(shmap__os_waiter *waiter);

/* Wake `count` threads that sleep on a word, or are just about to; INT32_MAX is
 * all. False if certainly no thread sleeps. POSIX: called by signal handlers,
 * it leaves errno alone. */
bool shmap__os_wake(const uint32_t *word, uint64_t id, uint32_t count);

/* view.c */

/* Map `size` bytes from `offset`, a multiple of SHMAP_VIEW_GRANULARITY and of
 * the object's page size; both lie inside the object as shmap__os_size just
 * told. Where its pages are larger than the system's, `size` is a multiple of
 * them, too. If `address` is not NULL
 * it is a multiple too, and the view is there or SHMAP_EADDRINUSE, and nothing
 * was replaced. */
shmap__os_status shmap__os_view_map(const shmap__os_object *object,
                                    uint64_t offset, size_t size, int access,
                                    void *address, void **base);

/* Unmap what shmap__os_view_map mapped: the same base and size. On failure it
 * is mapped as before. */
shmap__os_status shmap__os_view_unmap(void *base, size_t size);

/* Leave a view, as it was mapped, out of the dump that the system writes of a
 * process that crashes, until it is unmapped. SHMAP_ENOTSUP if the system
 * cannot. */
shmap__os_status shmap__os_view_no_dump(void *base, size_t size);

/* Make every page of the range present, writable ones for writing, without
 * changing a byte. `start` need not be aligned. SHMAP_ENOSPC if there is no
 * room, SHMAP_ENOTSUP if the system has no call for it that tells. */
shmap__os_status shmap__os_view_prefault(const shmap__os_object *object,
                                         void *start, size_t size, int access);

/* Write a range of a mapped file back; `durable`: and wait until it is on the
 * disk. `start` need not be aligned. */
shmap__os_status shmap__os_view_flush(const shmap__os_object *object,
                                      void *start, size_t size, bool durable);

/* inline.h: code that is compiled into every lock. Each family's header defines
 * struct shmap__os_robust and these functions, which are about the calling
 * thread's record of its mutexes. Where the system keeps none they do nothing.
 *
 * The thread is about to lock or to unlock a mutex; and that is done. */
static inline void shmap__os_robust_begin(const shmap__os_robust *robust,
                                          shmap_mutex *mutex);
static inline void shmap__os_robust_end(const shmap__os_robust *robust);

/* Return an address in the mutex that a thread, maybe another, is about to lock
 * or to unlock, else NULL. */
static inline const void *shmap__os_robust_pending(
    const shmap__os_robust *robust);

/* Add a mutex that the thread has locked; `below` is the mutex that it locked
 * last before and still has, or NULL. */
static inline void shmap__os_robust_add(shmap__os_robust *robust,
                                        shmap_mutex *mutex, shmap_mutex *below);

/* Remove a mutex before it is unlocked; `above` and `below` are the mutexes
 * that the thread locked next after it and last before it, or NULL. */
static inline void shmap__os_robust_remove(const shmap__os_robust *robust,
                                           shmap_mutex *mutex,
                                           shmap_mutex *above,
                                           shmap_mutex *below);

/* Remove all mutexes at once; `last` is the one locked last, or NULL. False if
 * that is not possible, since mutexes other than this library's are among them.
 */
static inline bool shmap__os_robust_empty(const shmap__os_robust *robust,
                                          shmap_mutex *last);

#include "inline.h"

#endif
