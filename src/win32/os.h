/* SPDX-License-Identifier: MIT */

/* Declarations that the files of the Windows side share. */
#ifndef SHMAP_WIN32_OS_H
#define SHMAP_WIN32_OS_H

#include "win32/api.h"

#include "platform.h"

/* error.c */

/* Return the status for a code of GetLastError, where nothing more is known. */
shmap__os_status shmap__win32_failed(DWORD error);

/* Return the status {code, error}, where the situation says what the error
 * means. */
shmap__os_status shmap__win32_failed_as(int code, DWORD error);

/* The same with a detail. */
shmap__os_status shmap__win32_failed_because(int code, DWORD error,
                                             const char *detail);

/* Return whether the error means that there is no room for pages or on a disk.
 */
bool shmap__win32_is_no_room(DWORD error);

/* Return whether the error means that the system cannot have an object of this
 * name.
 */
bool shmap__win32_is_bad_name(DWORD error);

/* system.c */

typedef LONG(NTAPI *shmap__win32_query_section)(HANDLE section, int class_,
                                                void *out, SIZE_T size,
                                                SIZE_T *written);
typedef LONG(NTAPI *shmap__win32_query_object)(HANDLE handle, int class_,
                                               void *out, ULONG size,
                                               ULONG *written);
typedef LONG(NTAPI *shmap__win32_query_file)(HANDLE file, void *result,
                                             void *out, ULONG size, int class_);
typedef ULONG(NTAPI *shmap__win32_error_of)(LONG nt_status);
typedef BOOL(WINAPI *shmap__win32_client_computer)(HANDLE pipe, wchar_t *name,
                                                   ULONG size);

/* The system's numbers, and its functions that no import library has. */
typedef HRESULT(WINAPI *shmap__win32_exclude_block)(const void *, DWORD);
typedef HRESULT(WINAPI *shmap__win32_include_block)(const void *);

typedef struct shmap__win32_system {
    uintptr_t lowest_address;                 /* that a program can map */
    uintptr_t highest_address;                /* as well */
    int64_t ticks_per_second;                 /* of the performance counter */
    shmap__win32_query_section query_section; /* NtQuerySection */
    shmap__win32_query_object query_object;   /* NtQueryObject */
    shmap__win32_query_file query_file;       /* NtQueryInformationFile */
    shmap__win32_error_of error_of;           /* RtlNtStatusToDosError */
    shmap__win32_client_computer
        client_computer; /* GetNamedPipeClientComputerName
                          */
    /* WerRegisterExcludedMemoryBlock, WerUnregisterExcludedMemoryBlock */
    shmap__win32_exclude_block exclude_block;
    shmap__win32_include_block include_block;
} shmap__win32_system;

const shmap__win32_system *shmap__win32_system_get(void);

/* Make random bytes, which no other process can know. Returns false if the
 * system gives none. */
bool shmap__win32_random(void *out, ULONG size);

/* Return how long to sleep until a deadline, at most `longest`; 0 if it has
 * come. */
DWORD shmap__win32_milliseconds(int64_t deadline, DWORD longest);

/* Return a timer that ends after so many milliseconds, for the caller to close.
 * Sleeps of the system end at its own ticks, which may be 15.6 ms apart; this
 * one does not need to wait for them. NULL where the system lacks them: before
 * Windows 10 1803. */
HANDLE shmap__win32_timer(DWORD ms);

/* Sleep by such a timer, where the system has them. */
void shmap__win32_sleep(DWORD ms);

/* room.c */

/* Find how much more the system will commit, in bytes. */
bool shmap__win32_memory(uint64_t *available);

/* Return how many of a file's first `size` bytes have no room on the disk yet.
 */
uint64_t shmap__win32_missing(HANDLE file, uint64_t size);

/* Find room for all of them, and change none. */
shmap__os_status shmap__win32_fill(HANDLE file);

/* Extend a file to `size` bytes, with room for them, or fail as a whole. */
shmap__os_status shmap__win32_extend(HANDLE file, uint64_t size);

/* byte_lock.c: locks on single bytes, which end with their handle. */

/* Lock a byte now or not at all; ERROR_LOCK_VIOLATION if another handle has it.
 * `flags` may be LOCKFILE_EXCLUSIVE_LOCK. */
DWORD shmap__win32_lock(HANDLE file, uint64_t byte, DWORD flags);

/* Lock a byte exclusively, within about a second. */
DWORD shmap__win32_lock_patiently(HANDLE file, uint64_t byte);

/* Unlock a byte. Returns false if the handle had no lock on it. */
bool shmap__win32_unlock(HANDLE file, uint64_t byte);

/* utf16.c */

/* Make the UTF-16 of valid UTF-8, for the caller to free. SHMAP_ENAME if it is
 * not valid. */
shmap__os_status shmap__win32_utf16(wchar_t **out, const char *text);

/* user.c */

/* The user that this thread acts as. */
typedef struct shmap__win32_user {
    union {
        TOKEN_USER user;
        BYTE space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } token;
} shmap__win32_user;

/* Find the user that this thread acts as. Returns 0 or an error. */
DWORD shmap__win32_find_user(shmap__win32_user *user);

/* Return a failure because of an object, with its owner in the detail. The
 * handle has READ_CONTROL; NULL: nothing is known of the object. */
shmap__os_status shmap__win32_belongs(int code, DWORD error, HANDLE handle);

/* Write the SID of the owner of the object. The handle has READ_CONTROL. */
bool shmap__win32_handle_owner(HANDLE handle, char *out, size_t size);

/* An account's SID. */
typedef union shmap__win32_account {
    SID sid;
    BYTE space[SECURITY_MAX_SID_SIZE];
} shmap__win32_account;

/* Find an account by its SID in text or by its name. SHMAP_EINVAL, with `none`
 * as its detail, if no account has it. */
shmap__os_status shmap__win32_find_account(shmap__win32_account *id,
                                           const char *name, const char *none);

/* Check whether a request accepts the user that an object belongs to. Reads
 * `accept` and `user`. The handle has READ_CONTROL, unless all are accepted. */
shmap__os_status shmap__win32_check_owner(HANDLE handle,
                                          const shmap__os_request *request);

/* Check whether the request accepts the user of a process. */
shmap__os_status shmap__win32_check_process(DWORD id,
                                            const shmap__os_request *request);

/* Check whether the request accepts the user at the other end of a pipe that
 * this process has read from, and has made. */
shmap__os_status shmap__win32_check_client(HANDLE pipe,
                                           const shmap__os_request *request);

/* security.c */

/* The label that lets processes of low integrity write. */
typedef union shmap__win32_label {
    ACL acl;
    BYTE space[sizeof(ACL) + sizeof(SYSTEM_MANDATORY_LABEL_ACE) +
               SECURITY_MAX_SID_SIZE];
} shmap__win32_label;

/* The security of a new object. It points into itself: do not copy it. */
typedef struct shmap__win32_security {
    SECURITY_ATTRIBUTES attributes;
    SECURITY_DESCRIPTOR descriptor;
    shmap__win32_user user;
    shmap__win32_label label;
    union {
        ACL acl;
        ACCESS_ALLOWED_ACE ace; /* for its alignment */
        BYTE own[sizeof(ACL) +
                 4 * (sizeof(ACCESS_ALLOWED_ACE) + SECURITY_MAX_SID_SIZE)];
        BYTE likeness[2048];
    } access;
} shmap__win32_security;

/* Fill it for an object of its user alone; `rights` are those of the user, of
 * SYSTEM and of the Administrators. If `binding`, they are the user's only, and
 * all that the user has as the object's owner, which otherwise can always
 * change the access list. Returns 0 or an error. */
DWORD shmap__win32_privacy_init(shmap__win32_security *privacy, DWORD rights,
                                bool binding);

/* Let other users in, as the options say, with these rights. */
shmap__os_status shmap__win32_privacy_share(shmap__win32_security *privacy,
                                            const shmap_region_options *options,
                                            DWORD read, DWORD write);

/* Fill it for an object that is for the users that may open a region: those
 * that may read the region get some rights, those that may write get others.
 * Returns 0 or an error. */
DWORD shmap__win32_likeness_init(shmap__win32_security *likeness, HANDLE region,
                                 int kind, DWORD read, DWORD write);

/* Return whether to try once more after this error, without the label that the
 * attributes had until now. */
bool shmap__win32_drop_label(SECURITY_ATTRIBUTES *attributes, DWORD error);

/* Return whether this SID in a list stands for an object's owner, whichever
 * account that is. */
bool shmap__win32_is_owner_rights(PSID account);

/* query.c: finding out what handles are of. */

typedef struct shmap__win32_section_info {
    void *base;
    ULONG attributes; /* SEC_... */
    LARGE_INTEGER size;
} shmap__win32_section_info;

/* Ask about a section; the handle has SECTION_QUERY. Returns 0 or an error. */
DWORD shmap__win32_section_query(HANDLE section,
                                 shmap__win32_section_info *info);

/* Count the handles of an object, in all processes. Returns 0 or an
 * error. */
DWORD shmap__win32_handle_count(HANDLE handle, ULONG *count);

/* Find the rights of a handle. Returns 0 or an error. */
DWORD shmap__win32_granted(HANDLE handle, DWORD *rights);

/* Find which section the handle means, on this machine. False if it has no
 * name, or cannot be asked. */
bool shmap__win32_section_identify(HANDLE section, uint64_t identity[2]);

/* Return whether this is the name of the section. */
bool shmap__win32_section_is_named(HANDLE section, const char *os_name);

/* Return whether the handle is that of a file, not of a folder or a whole
 * volume. */
bool shmap__win32_file_is_regular(HANDLE file);

/* Find which file the handle means, on this machine, and its size. Returns
 * false and GetLastError if it is not a file's. */
bool shmap__win32_file_identify(HANDLE file, uint64_t identity[2],
                                uint64_t *size);

/* Return whether two of these are of one file. A volume of 0 could not be told,
 * as by Wine of a file that got another path. */
bool shmap__win32_file_is_same(const uint64_t a[2], const uint64_t b[2]);

/* Find the file's size, which is more than 0, or SHMAP_ENOTREADY. */
shmap__os_status shmap__win32_file_size(HANDLE file, uint64_t *size);

/* Fill an object for a handle, and let it be known as this process's, until it
 * is closed. */
void shmap__win32_object_fill(shmap__os_object *object, HANDLE handle,
                              uint64_t size, int kind, int access);

/* Let an object be known as this process's, and no longer. */
void shmap__win32_object_add(shmap__os_object *object);
void shmap__win32_object_remove(const shmap__os_object *object);

/* Return whether the handle is that of an object of this process. */
bool shmap__win32_object_has(HANDLE handle);

/* section.c */

enum {
    SHMAP__WIN32_SECTION_READ = SECTION_QUERY | SECTION_MAP_READ | READ_CONTROL,
    SHMAP__WIN32_SECTION_WRITE = SHMAP__WIN32_SECTION_READ | SECTION_MAP_WRITE
};

/* Make a section. ERROR_ALREADY_EXISTS is a failure. */
shmap__os_status shmap__win32_section_create(HANDLE *section,
                                             const wchar_t *name, uint64_t size,
                                             shmap__win32_security *privacy);

/* Return whether a section that was found can be mapped with this access. */
shmap__os_status shmap__win32_section_check(HANDLE section, int access);

/* Fill in the size of a section that was found, if shmap can use it. */
shmap__os_status shmap__win32_section_size(HANDLE section, uint64_t *size);

/* The same of a section that was asked about already. */
shmap__os_status shmap__win32_section_usable(
    HANDLE section, const shmap__win32_section_info *info, uint64_t *size);

/* thread.c */

/* Return a handle of the thread of this id, to wait for its end; NULL if it
 * cannot be opened: if `*dead`, because the thread has ended. */
HANDLE shmap__win32_thread_open(uint64_t id, bool *dead);

/* Hash the moment at which a thread or process began. Never 0. */
uint32_t shmap__win32_time_hash(const FILETIME *moment);

/* view.c */

/* Return the handle of the region that this address is a view of, and its kind;
 * NULL if it is in no view. */
HANDLE shmap__win32_view_region(const void *address, int *kind);

/* Find the bytes from this address to the end of the view in which it is.
 * Returns how the view was mapped; SHMAP_ACCESS_COPY if no view has it. */
int shmap__win32_view_room(const void *address, size_t *room);

/* seal.c */

/* Return whether a process with the rights of this one, which has only this
 * handle for reading, can get one for writing. */
bool shmap__win32_can_be_written(HANDLE handle, int kind);

/* channel.c */

/* Return whether a message can be put into the pipe without waiting for its
 * reader. */
bool shmap__win32_channel_has_room(intptr_t channel);

/* Find the process at the other end of a pipe. */
shmap__os_status shmap__win32_channel_peer(intptr_t channel, int64_t *peer);

/* file.c */

/* Return whether the path that a file was opened by certainly does not mean it
 * any more. */
bool shmap__win32_file_is_lost(const shmap__os_object *object);

/* Mark the file as one that may be written. Returns 0 or an error. */
DWORD shmap__win32_file_mark(HANDLE file);

/* Return whether no other handle marks the file as one that may be written. */
bool shmap__win32_file_is_alone(HANDLE file);

/* Take back the mark of this handle, if it has one. */
void shmap__win32_file_unmark(HANDLE file);

/* gift.c */

/* Make a handle of an object with no more rights than an access needs. A copy
 * cannot have a right that another program's handle does not have. */
shmap__os_status shmap__win32_copy_for(HANDLE handle, int kind, int access,
                                       HANDLE *copy);

/* Find which object of this kind the handle means. False if it cannot be told.
 */
bool shmap__win32_identify(HANDLE handle, int kind, uint64_t identity[2]);

/* Return whether a handle means the object of this kind and identity. */
bool shmap__win32_handle_matches(HANDLE handle, int kind,
                                 const uint64_t identity[2]);

/* Make a handle to be given, which no other process has yet. Fills the
 * identity.
 */
shmap__os_status shmap__win32_gift_make(const shmap__os_object *object,
                                        shmap__os_gift *gift, HANDLE *made);

/* Return whether this number is of a handle that is given in this way, and not
 * one of the library's own handles. */
bool shmap__win32_can_be_gift(int64_t native, int way);

/* handover_process.c */

/* Open a running process, to put handles into it. SHMAP_ENOENT if no process
 * has the id. */
shmap__os_status shmap__win32_open_process(HANDLE *process, int64_t id);

#endif
