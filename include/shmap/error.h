/* SPDX-License-Identifier: MIT */

/* Results.
 *
 * Every call that can fail returns an int: 0 is done; a negative number is an
 * SHMAP_E... error, and nothing changed; a positive number is done, with
 * something that the caller must know. The same situation has the same code on
 * every system; shmap_system_error() returns the system's own code.
 */
#ifndef SHMAP_ERROR_H
#define SHMAP_ERROR_H

#include "export.h"

/* X(name, number, message). The numbers never change. */
#define SHMAP_ERRORS(X)                                                       \
    /* A null pointer, zero size, unknown flag or option, or an object that   \
     * was closed behind the library's back. Cure: correct the call. */       \
    X(SHMAP_EINVAL, -1, "an argument is not valid")                           \
    /* An empty or ill-formed name, or one that the system reserves. */       \
    X(SHMAP_ENAME, -2, "the name is not valid")                               \
    /* No process holds a region of this name, the file or process does not   \
     * exist, the region of a token is gone, or a channel's other end is      \
     * closed: shmap_error_detail() tells which it can be. */                 \
    X(SHMAP_ENOENT, -3, "the object does not exist")                          \
    /* A process holds a region of this name: open it instead. */             \
    X(SHMAP_EEXIST, -4, "a region of this name exists already")               \
    /* The system refuses access: another user's object, a read-only file, or \
     * a writable view of a region that was opened for reading or sealed. */  \
    X(SHMAP_EACCES, -5, "access is denied")                                   \
    /* Creating in this scope needs a privilege that the process lacks. */    \
    X(SHMAP_EPRIVILEGE, -6, "the process lacks a privilege")                  \
    /* The object's user is not one that the accept option allows. */         \
    X(SHMAP_EOWNER, -7, "the region belongs to another user")                 \
    /* A dead region of another user occupies the name. That user, or an      \
     * administrator, can remove it with shmap_region_reap. */                \
    X(SHMAP_ESTALE, -8, "another user's dead region occupies the name")       \
    /* The name belongs to another object: a directory, a pipe, a mutex, or   \
     * another program's memory outside of native scope; or a channel cannot  \
     * carry regions. */                                                      \
    X(SHMAP_ETYPE, -9, "the object is of another type")                       \
    /* The object exists, but its maker has not given it a size yet, or the   \
     * record has no value yet. */                                            \
    X(SHMAP_ENOTREADY, -10, "the object is not ready yet")                    \
    /* The file system or the memory has no room for the region's pages; how  \
     * much was asked and how much there is: shmap_error_detail(). */         \
    X(SHMAP_ENOSPC, -11, "there is no room for the region")                   \
    /* The process has no memory or no address space for this. */             \
    X(SHMAP_ENOMEM, -12, "out of memory or address space")                    \
    /* The size is larger than the system or the region allows. */            \
    X(SHMAP_E2BIG, -13, "the size is too large")                              \
    /* A range reaches beyond the end of its region, view or buffer. */       \
    X(SHMAP_ERANGE, -14, "the range does not fit")                            \
    /* Something is mapped at the requested address, or nothing can be. */    \
    X(SHMAP_EADDRINUSE, -15, "the address is not free")                       \
    /* Another process keeps the name in the middle of a step for too long,   \
     * another thread writes the record at this moment, or a region to be     \
     * sealed can still be written to. Cure: try again; find the stopped      \
     * process, or the writer. */                                             \
    X(SHMAP_EBUSY, -16, "another process or thread is busy with the object")  \
    /* The deadline passed. */                                                \
    X(SHMAP_ETIMEDOUT, -17, "the deadline passed")                            \
    /* Waiting here would never end. */                                       \
    X(SHMAP_EDEADLK, -18, "the caller holds the lock already")                \
    /* Only the thread that holds the lock or once may do this. */            \
    X(SHMAP_EPERM, -19, "the caller does not hold the lock")                  \
    /* The record's values have another size. */                              \
    X(SHMAP_ELAYOUT, -20, "the object has another layout")                    \
    /* An address that should be readable or writable is not. */              \
    X(SHMAP_EFAULT, -21, "the memory cannot be reached")                      \
    /* The process or the system is out of descriptors or handles. */         \
    X(SHMAP_EMFILE, -22, "too many descriptors or handles are open")          \
    /* This system, or this version of the library, cannot do this. */        \
    X(SHMAP_ENOTSUP, -23, "not supported here")                               \
    /* Anything else: see shmap_system_error(). */                            \
    X(SHMAP_ESYSTEM, -24, "the system reported an error")                     \
    /* The thread holds SHMAP_LOCKS_MAX locks. */                             \
    X(SHMAP_ENOLCK, -25, "the thread holds too many locks")                   \
    /* A semaphore cannot count that far. */                                  \
    X(SHMAP_EOVERFLOW, -26, "the count is too large")                         \
    /* Not a token, a truncated or altered token, or a token for another      \
     * process. */                                                            \
    X(SHMAP_ETOKEN, -27, "not a valid token, or a token for another process")

#define SHMAP__ENUMERATOR(name, number, message) name = (number),
enum shmap_result {
    SHMAP_ERRORS(SHMAP__ENUMERATOR)
    /* Done. */
    SHMAP_OK = 0,
    /* Done: the region did not exist and was made by this call. */
    SHMAP_CREATED = 1,
    /* Done: no other handle has the file open for writing. */
    SHMAP_ALONE = 2,
    /* Done: the caller has the lock, or must run the initialisation of a once,
     * and an earlier owner has died. */
    SHMAP_OWNER_DIED = 3,
    /* Done: this caller must run the initialisation of a once. */
    SHMAP_ONCE_YOURS = 4,
    /* Done: the caller was the last to arrive. */
    SHMAP_LAST = 5,
    /* Done: a member of a roster has died, and the caller is to repair what it
     * left half done. */
    SHMAP_YOURS = 6
};
#undef SHMAP__ENUMERATOR

/* Whether a result is an error. Positive results are not: a caller of
 * shmap_mutex_lock that takes SHMAP_OWNER_DIED for one returns with the mutex
 * locked. Since 0.1. */
#define SHMAP_FAILED(result) ((result) < 0)

#ifdef __cplusplus
extern "C" {
#endif

/* Return the name of a result, as in "SHMAP_ENOENT", or "SHMAP_E?" for an
 * unknown number. The string is static. Since 0.1. */
SHMAP_API const char *shmap_error_name(int error);

/* Return a result in words, without a full stop. The string is static. Since
 * 0.1. */
SHMAP_API const char *shmap_error_message(int error);

/* Return the details of this thread's last failed call beyond its code, as in
 * "asked for 1073741824 bytes, /dev/shm has room for 67108864" or "it belongs
 * to user 1000"; "" when there is no more to say. Valid until this thread's
 * next failure. Since 0.1. */
SHMAP_API const char *shmap_error_detail(void);

/* Return errno or GetLastError() as the system left it after this thread's last
 * failed call, before any clean-up; 0 when the library itself refused. A call
 * that succeeds leaves it alone. Since 0.1. */
SHMAP_API int shmap_system_error(void);

#ifdef __cplusplus
}
#endif

#endif
