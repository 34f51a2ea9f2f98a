/* SPDX-License-Identifier: MIT */

/* Regions: memory that can be mapped by several processes.
 *
 * There are three kinds. A named region is found by its name; an anonymous one
 * is passed on as a descriptor or handle; a file region is a file's content.
 *
 * Lifetime
 *
 * A named region lives as long as some process holds it, by a region handle or
 * by a view. The last holder to close frees the name and the memory at once. A
 * process that ends without closing (exit, exec, crash, SIGKILL,
 * TerminateProcess) releases the region as well. On Windows the system then
 * frees name and memory; on POSIX systems they may be left over, but no process
 * can see that: opening such a name answers SHMAP_ENOENT, and creating it gives
 * fresh, zeroed memory. The memory of a leftover is freed by the next create or
 * open of its name, by shmap_region_reap, and by a create that runs out of
 * room. (A region that is closed while a child of the process is about to
 * become another program is freed by the process's next closes, or when it
 * exits.) Memory that must outlive its processes is a file region.
 *
 * The end of one process hurts no other: no close, exit, fork or crash of one
 * process removes a region or its name while another process holds it. (On
 * POSIX systems an administrator's rm can, and systemd's RemoveIPC= can when a
 * user logs out; shmap_region_inspect tells.)
 *
 * Names
 *
 * A name is any valid UTF-8 string of one byte or more. One of letters,
 * digits and "._-" that does not start with a dot is used readably, as
 * "/shmap.1000.name" or "Local\shmap.name"; any other, or a longer one than
 * the system allows, becomes a readable beginning and a hash. So does one in
 * machine scope that begins with a number and a dot, as a user's names do.
 * shmap_os_name() tells which.
 *
 * Sizes
 *
 * The size of a named or anonymous region is rounded up to whole pages, and
 * every process is told the rounded number. A file region has its file's exact
 * size; but one on hugetlbfs (Linux) has as many whole huge pages as the file,
 * and a file that is made or extended there is rounded up to them. Byte 0 is
 * the program's: nothing is hidden in a region.
 */
#ifndef SHMAP_REGION_H
#define SHMAP_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A handle to a region. Made by the functions below, freed by
 * shmap_region_close. */
typedef struct shmap_region shmap_region;

/* What a handle or a view may be used for. */
enum shmap_access {
    SHMAP_ACCESS_DEFAULT = 0,    /* a region: read and write;
                                    a view: as its region */
    SHMAP_ACCESS_READ = 1,       /* reading only */
    SHMAP_ACCESS_READ_WRITE = 2, /* reading and writing */
    SHMAP_ACCESS_COPY = 3        /* views only: writes stay private to the
                                    view (copy-on-write) */
};

/* The users that may open a region, beside its creator and administrators,
 * whatever the umask or the default security. Other users find it in machine or
 * native scope, and open it with an `accept` option that accepts its creator's
 * regions. POSIX: mode bits 0600, 0644, 0666, 0640, 0660 and, for named shared
 * memory, the sticky bit. Windows: access for these accounts, for SYSTEM and
 * for the Administrators, to the section and to the objects behind
 * synchronisation. Where named regions need lock files (macOS, BSD), sharing
 * them is SHMAP_ENOTSUP. */
enum shmap_share {
    SHMAP_SHARE_OWNER = 0,         /* no other user */
    SHMAP_SHARE_EVERYONE_READ = 1, /* all users, for reading */
    SHMAP_SHARE_EVERYONE = 2,      /* all users */
    SHMAP_SHARE_GROUP_READ = 3,    /* the members of `group`, for reading */
    SHMAP_SHARE_GROUP = 4          /* the members of `group` */
};

/* The users whose regions an opener accepts. Any user can occupy a free name,
 * so to accept another user's region is to trust what that user put there. */
enum shmap_accept {
    SHMAP_ACCEPT_SELF = 0,    /* this user's */
    SHMAP_ACCEPT_SYSTEM = 1,  /* also the system's: root;
                                 SYSTEM and Administrators */
    SHMAP_ACCEPT_ANYBODY = 2, /* every user's */
    SHMAP_ACCEPT_USER = 3     /* only those of the user that the option `user`
                                 names, such as a service's; not this user's */
};

/* Where a name lives. */
enum shmap_scope {
    SHMAP_SCOPE_USER = 0,    /* among this user's processes
                                (on Windows: this session's) */
    SHMAP_SCOPE_MACHINE = 1, /* on the whole machine */
    SHMAP_SCOPE_NATIVE = 2   /* the system's own name, verbatim: meets
                                programs that use the system's own calls.
                                Nothing proves there that its user gave an
                                object its name: a user that may write to
                                an object can link it to another free name.
                                In the other scopes, an object that another
                                program made, or linked there, is
                                SHMAP_ETYPE (not on Windows, which has no
                                links, and where no object tells its maker). */
};

/* Whether shmap_region_open_file may make the file. */
enum shmap_create {
    SHMAP_CREATE_NEVER = 0,
    SHMAP_CREATE_IF_MISSING = 1,
    SHMAP_CREATE_NEW = 2 /* SHMAP_EEXIST if the file exists */
};

/* When the system finds room for the pages. */
enum shmap_commit {
    SHMAP_COMMIT_NOW = 0,  /* when the region is made, or the file extended: no
                              room is SHMAP_ENOSPC from that call. What a file
                              had before is mapped as it is, holes and all. */
    SHMAP_COMMIT_LAZY = 1, /* when a page is touched: no room then ends the
                              process (SIGBUS). Windows takes the room from
                              its commit limit at once all the same. */
    SHMAP_COMMIT_ALL = 2   /* as SHMAP_COMMIT_NOW, and shmap_region_open_file
                              fills the holes of an existing file with room
                              for what is written there: SHMAP_ENOSPC if there
                              is not enough */
};

/* How a region is made or opened. Start from SHMAP_REGION_OPTIONS_INIT; zero
 * is the default of every field. A null pointer means all defaults. A field
 * that has no meaning for a call must be zero there, else SHMAP_EINVAL. */
typedef struct shmap_region_options {
    size_t struct_size; /* sizeof(shmap_region_options), from the macro */
    int access;         /* enum shmap_access; open, open_file, adopt, import,
                           receive */
    int share;          /* enum shmap_share; calls that make a region */
    int accept;         /* enum shmap_accept; open, open_or_create, import,
                           receive, reap_all */
    int scope;          /* enum shmap_scope; calls that take a name, and reap */
    int create;         /* enum shmap_create; open_file */
    int commit;         /* enum shmap_commit; calls that make a region */
    uint64_t reserve;   /* bytes up to which the region may grow; more than
                           its size, or of a file: SHMAP_ENOTSUP for now */
    uint64_t page_size; /* bytes; other than the system's own page size:
                           SHMAP_ENOTSUP for now */
    const char *group;  /* with SHMAP_SHARE_GROUP...: POSIX: the group's name or
                           number; Windows: an account's name or SID
                           ("S-1-..."). An unknown name:
                           SHMAP_EINVAL. A group that the process may not give
                           it to: SHMAP_EPRIVILEGE (POSIX). Else NULL. */
    const char *user;   /* with SHMAP_ACCEPT_USER: POSIX: the user's name or
                           number; Windows: an account's name or SID. An
                           unknown name: SHMAP_EINVAL. Else NULL. */
} shmap_region_options;

#define SHMAP_REGION_OPTIONS_INIT                                  \
    {                                                              \
        sizeof(shmap_region_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
    }

/* Make a region. Fails if a process holds one of this name.
 *
 * region: receives the handle; untouched on failure.
 * name: a name, or NULL for an anonymous region.
 * size: bytes, more than 0; rounded up to whole pages.
 * options: share, scope (named regions only), commit; NULL for the defaults.
 *
 * The memory is zero, and committed unless the options say otherwise. The
 * region becomes visible under its name complete or not at all: no process ever
 * opens a half-made one.
 *
 * Returns 0 or
 *   SHMAP_EINVAL     an argument is not valid
 *   SHMAP_ENAME      the name is not valid
 *   SHMAP_EEXIST     a region of this name is alive, or a foreign object has
 *                    the name: open it, or choose another name
 *   SHMAP_ESTALE     another user's dead region has the name:
 *                    shmap_error_detail tells whose
 *   SHMAP_EACCES     another user's object has the name and cannot be inspected
 *   SHMAP_ETYPE      something that is not shared memory has the name
 *                    (open_or_create: see shmap_region_open)
 *   SHMAP_EPRIVILEGE the scope is one where this process may not create
 *   SHMAP_ENOSPC     there is no room, also after freeing this user's leftovers
 *   SHMAP_E2BIG      no system object can have this size
 *   SHMAP_EBUSY      a stopped process keeps the name in the middle of a step,
 *                    or another user keeps a dead region locked
 *   SHMAP_ENOTSUP    the system refuses what regions need, such as locks or
 *                    (Linux) access times
 *   SHMAP_ENOMEM, SHMAP_EMFILE, SHMAP_ESYSTEM
 *
 * Killed in this call, a process leaves nothing, or a leftover at most. Since
 * 0.1. */
SHMAP_API int shmap_region_create(shmap_region **region, const char *name,
                                  uint64_t size,
                                  const shmap_region_options *options);

/* Open the region of this name. Never makes, sizes or changes one.
 *
 * options: access, accept, user, scope; NULL for the defaults.
 *
 * Returns 0 or
 *   SHMAP_EINVAL, SHMAP_ENAME
 *   SHMAP_ENOENT     no process holds a region of this name
 *   SHMAP_EACCES     the system refuses this access
 *   SHMAP_EOWNER     it belongs to a user that the options do not accept
 *   SHMAP_ETYPE      something that is not shared memory has the name; or, in
 *                    user and machine scope, memory that another program made
 *                    or linked there, or a region whose proof of the name was
 *                    destroyed by a user that may write to it: open it in
 *                    native scope, or remove it
 *   SHMAP_ENOTREADY  another program made it and has not sized it yet
 *   SHMAP_EBUSY      a stopped process keeps the name in the middle of a step,
 *                    or another user keeps a dead region locked
 *   SHMAP_ENOTSUP    the system refuses locks
 *   SHMAP_ENOMEM, SHMAP_EMFILE, SHMAP_ESYSTEM
 *
 * Since 0.1. */
SHMAP_API int shmap_region_open(shmap_region **region, const char *name,
                                const shmap_region_options *options);

/* Open the region of this name, or make it if no process holds one. Of any
 * number of processes that do this at once, exactly one makes the region.
 *
 * size: bytes, for the case that it is made; an existing region keeps its own.
 * options: share, accept, user, scope, commit; NULL for the defaults.
 *
 * Returns SHMAP_CREATED (> 0) if the region was made by this call, 0 if it was
 * opened, or what create and open return, except SHMAP_ENOENT and, for a region
 * that shmap made, SHMAP_EEXIST. Since 0.1. */
SHMAP_API int shmap_region_open_or_create(shmap_region **region,
                                          const char *name, uint64_t size,
                                          const shmap_region_options *options);

/* Open a file as a region.
 *
 * path: UTF-8; relative to the current directory if not absolute.
 * size: 0 for the file as it is; else the file is extended with zeros to this
 *       many bytes if it is shorter. It is never cut.
 * options: access, share (of a file made here), commit, create; NULL for the
 *       defaults.
 *
 * A file that exists is mapped as it is. If it has holes, and the disk becomes
 * full, writing into one ends the process: shmap_region_inspect tells of them
 * (SHMAP_INFO_SPARSE), and SHMAP_COMMIT_ALL fills them here. File systems that
 * copy what is written (btrfs, ZFS), compress it or are on other machines can
 * run out of room in any case.
 *
 * The file holds what was written once the last view is gone, and at once
 * after shmap_view_flush. The file system alone decides which users may open
 * it: the library does not check the file's user.
 *
 * Returns SHMAP_ALONE (> 0) if no other handle had the file open as a region
 * that can be written, so that its content can be checked or repaired first; of
 * several callers that open it for writing at once, exactly one is told so.
 * SHMAP_INFO_CREATED tells that this call made the file. Returns 0 if another
 * handle had it open, or
 *   SHMAP_EINVAL     also: access is SHMAP_ACCESS_READ, and create is not
 *                    SHMAP_CREATE_NEVER, or commit is SHMAP_COMMIT_ALL
 *   SHMAP_ENAME      the path is empty or not UTF-8
 *   SHMAP_ENOENT     the file does not exist, or its folder does not
 *   SHMAP_EEXIST     the file exists, and options.create is SHMAP_CREATE_NEW
 *   SHMAP_EACCES     the file system refuses this access
 *   SHMAP_ETYPE      it is a directory, a pipe, a device (Windows: also the
 *                    name of one, as CON or NUL), or a file that cannot be
 *                    mapped, as in /sys
 *   SHMAP_ENOTREADY  it is empty and no size was given
 *   SHMAP_ERANGE     it is shorter than size and opened for reading only
 *   SHMAP_ENOSPC     there is no room on the file system or below the limit
 *                    for file sizes
 *   SHMAP_EBUSY      another process has been extending it for over a second,
 *                    is stopped while it opens it, or keeps other openers out
 *   SHMAP_ENOTSUP    the file system, or Windows 7, cannot fill holes
 *                    (SHMAP_COMMIT_ALL); the file system, or a filter of system
 *                    calls, does not let a new file have the rights of `share`
 *   SHMAP_E2BIG, SHMAP_ENOMEM, SHMAP_EMFILE, SHMAP_ESYSTEM
 *
 * A failed call leaves the file as it was, and makes none; but an empty one
 * that it made can stay after SHMAP_EBUSY, since another process has it open.
 * Since 0.1. */
SHMAP_API int shmap_region_open_file(shmap_region **region, const char *path,
                                     uint64_t size,
                                     const shmap_region_options *options);

/* Return the size of the region now, in bytes; 0 if the region is NULL or its
 * descriptor was closed behind the library's back. Since 0.1. */
SHMAP_API uint64_t shmap_region_size(const shmap_region *region);

enum shmap_kind {
    SHMAP_KIND_NAMED = 1,
    SHMAP_KIND_ANONYMOUS = 2,
    SHMAP_KIND_FILE = 3
};

enum shmap_info_flags {
    SHMAP_INFO_FOREIGN = 1, /* made by another program with the system's own
                               calls, and opened in native scope; never told on
                               Windows, where no object tells its maker */
    SHMAP_INFO_NAME_LOST =
        2, /* a named region's name was removed; the holders of the region
              keep it, no other process finds it. Of a file: its path means
              another file now, or none, as after a rotation of log files. */
    SHMAP_INFO_ALONE = 4,   /* no other handle holds a named region, or has a
                              file open for writing; handles that share this
                              one's descriptor, as forked children's do,
                              are not counted. Never told of anonymous and
                              foreign regions. */
    SHMAP_INFO_SPARSE = 8,  /* parts of it have no room yet: holes of a file,
                               pages of lazy and of some foreign regions. To
                               write there when there is no room ends the
                               process (SIGBUS; on Windows an exception,
                               EXCEPTION_IN_PAGE_ERROR). */
    SHMAP_INFO_CREATED = 16 /* the call that returned this handle made the
                               region, or the file */
};

/* The facts known about a region. Start from SHMAP_REGION_INFO_INIT. */
typedef struct shmap_region_info {
    size_t struct_size;  /* sizeof(shmap_region_info), from the macro */
    uint64_t size;       /* bytes, now */
    uint64_t reserve;    /* bytes up to which it may grow */
    uint64_t page_size;  /* bytes, of the pages in which it is mapped: the
                            system's, or a huge page of hugetlbfs */
    int kind;            /* enum shmap_kind */
    int access;          /* enum shmap_access */
    unsigned flags;      /* enum shmap_info_flags */
    unsigned seals;      /* enum shmap_seal: the seals that surely hold */
    const char *os_name; /* the system's name for it, or the file's path as
                            given; "" if it has none. Valid until the region
                            is closed. */
    char user[192]; /* the user it belongs to: a user's number as in "1000";
                       Windows: a SID; "" if the system does not tell */
} shmap_region_info;

#define SHMAP_REGION_INFO_INIT                                \
    {                                                         \
        sizeof(shmap_region_info), 0, 0, 0, 0, 0, 0, 0, 0, "" \
    }

/* Tell the facts known about a region. Returns 0 or SHMAP_EINVAL. Since 0.1. */
SHMAP_API int shmap_region_inspect(const shmap_region *region,
                                   shmap_region_info *info);

/* What can be made certain for a region. */
enum shmap_seal {
    SHMAP_SEAL_GROW = 1,    /* no process can make it larger */
    SHMAP_SEAL_SHRINK = 2,  /* no process can make it smaller: accesses
                               cannot raise SIGBUS, except for lack of
                               memory in a region made with
                               SHMAP_COMMIT_LAZY */
    SHMAP_SEAL_WRITERS = 4, /* no new writable view can be mapped; existing
                               ones keep working */
    SHMAP_SEAL_CONTENT = 8  /* no process can write: its bytes stay */
};

/* Seal an anonymous region, for all processes and for ever.
 * shmap_region_inspect tells which seals hold: anonymous regions are sealed
 * against shrinking from the beginning.
 *
 * seals: enum shmap_seal, one or several. After SHMAP_SEAL_WRITERS and
 *        SHMAP_SEAL_CONTENT this handle is read-only.
 *
 * No other thread may use the handle during this call. On Windows sections
 * have one size for life, so that the first two always hold, and handles cannot
 * be taken from other processes: see SHMAP_EBUSY and SHMAP_ENOTSUP.
 *
 * Returns 0, also if the seals held before, or
 *   SHMAP_EINVAL   an argument is not valid
 *   SHMAP_EACCES   the handle is read-only, or further seals were forbidden
 *   SHMAP_EBUSY    SHMAP_SEAL_CONTENT: a process has a view that is writable or
 *                  was mapped through a handle for writing; or this handle has
 *                  handed the region over for reading only and was not sealed
 *                  with SHMAP_SEAL_WRITERS since. Windows: SHMAP_SEAL_WRITERS:
 *                  there are other handles
 *   SHMAP_ENOTSUP  the region is not anonymous, or not memory that can be
 *                  sealed; Windows: SHMAP_SEAL_CONTENT, and if `share` lets
 *                  this user write, SHMAP_SEAL_WRITERS; before Linux 5.1:
 *                  SHMAP_SEAL_WRITERS
 *   SHMAP_ESYSTEM
 *
 * A failed call has sealed nothing. Since 0.1. */
SHMAP_API int shmap_region_seal(shmap_region *region, unsigned seals);

/* Return the region's descriptor or HANDLE, borrowed: it stays the region's,
 * and is valid until the region is closed. A process that gets a duplicate of
 * it holds the region. A file region's is the file's. -1 if the region is NULL.
 * Since 0.1. */
SHMAP_API intptr_t shmap_region_native(const shmap_region *region);

/* Make a region of a descriptor or HANDLE that the caller got elsewhere: a
 * memfd, a shared memory object or a regular file; a section or a file.
 *
 * native: belongs to the region from now on, and is closed with it; still the
 *         caller's if the call fails. It is made non-inheritable. A section
 *         needs the right SECTION_QUERY, which OpenFileMapping gives with
 *         FILE_MAP_ALL_ACCESS, and should be one of memory: to adopt a file,
 *         give the file's handle.
 * options: access; default: the access that the descriptor allows, for reading
 *          if the memory is sealed against writing.
 *
 * An adopted region is never resized, marked or removed. Its kind is
 * anonymous for memory and file for a file.
 *
 * Returns 0 or SHMAP_EINVAL (not an open descriptor), SHMAP_ETYPE, SHMAP_EACCES
 * (it allows less than asked), SHMAP_ENOTREADY (it has no size yet),
 * SHMAP_EMFILE, SHMAP_ENOMEM, SHMAP_ESYSTEM. Since 0.1. */
SHMAP_API int shmap_region_adopt(shmap_region **region, intptr_t native,
                                 const shmap_region_options *options);

/* Close a region handle, which must not be used any more. Views of the region
 * stay valid, and hold it. The last close or unmap frees a named region. NULL
 * is fine. Since 0.1. */
SHMAP_API void shmap_region_close(shmap_region *region);

/* Free the leftover of this name, if there is one: the name and the memory of a
 * region whose holders all died. Never needed for correctness. A region that
 * is held stays, and so does another program's memory.
 *
 * options: scope; NULL for the defaults.
 * reaped: receives how many were freed; may be NULL. Of several links to one
 *         leftover, each counts. On Windows always 0.
 *
 * Returns 0, also when there was nothing to free, or SHMAP_EINVAL, SHMAP_ENAME,
 * SHMAP_ESTALE (it is another user's), SHMAP_EACCES (it is another user's and
 * cannot be inspected), SHMAP_EBUSY, SHMAP_ENOTSUP (the system refuses locks),
 * SHMAP_EMFILE, SHMAP_ENOMEM, SHMAP_ESYSTEM. Since 0.1. */
SHMAP_API int shmap_region_reap(const char *name,
                                const shmap_region_options *options,
                                unsigned *reaped);

/* Free all leftovers, in all scopes.
 *
 * options: accept: SHMAP_ACCEPT_SELF, this user's leftovers, or
 *          SHMAP_ACCEPT_ANYBODY, all that this user may remove: root may remove
 *          every user's. NULL for the defaults.
 * reaped: as for shmap_region_reap.
 *
 * Returns 0, or, if none could be freed, the reason for one of them: codes as
 * from shmap_region_reap. Since 0.1. */
SHMAP_API int shmap_region_reap_all(const shmap_region_options *options,
                                    unsigned *reaped);

/* Tell the system's name for a region's name.
 *
 * out: receives the name, in UTF-8, with a final NUL.
 * size: bytes at out.
 * scope: enum shmap_scope.
 *
 * Returns 0 or SHMAP_EINVAL, SHMAP_ENAME, SHMAP_ERANGE (out is too small).
 * Since 0.1. */
SHMAP_API int shmap_os_name(char *out, size_t size, const char *name,
                            int scope);

#ifdef __cplusplus
}
#endif

#endif
