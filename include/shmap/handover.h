/* SPDX-License-Identifier: MIT */

/* Handing a region over to another process, with all rights or for reading
 * only.
 *
 * A token is a short text that leads to a region: shmap_region_export makes
 * one, to be passed on in whatever way carries text (an argument, the
 * environment, a pipe, a file), and shmap_region_import makes a region of it,
 * in a child that inherits the descriptor or handle that the token names, or in
 * a process that is running already. shmap_region_send and shmap_region_receive
 * do both through a Unix domain socket, or on Windows a named pipe, that
 * connects two processes.
 *
 * A token is no secret and no key: it opens nothing for a process to which the
 * system would refuse the region. It says which region it means, so that an old
 * token, or one that reaches the wrong process, is an error and never other
 * memory.
 *
 * Reading only
 *
 * The receiver of a region with SHMAP_ACCESS_READ cannot write to it by any
 * means short of a privilege or of controlling a process that can: the system
 * refuses, also calls that do not go through this library. That is so for
 * anonymous regions on Linux 5.1 and Windows (there, if `share` does not let
 * this user write), and for regions that this process could not write to
 * itself: another user's that are shared for reading. Elsewhere handing over
 * for reading only is SHMAP_ENOTSUP. Readers see what writers write.
 *
 * On Linux this is done by sealing the memory against new writable views
 * (SHMAP_SEAL_WRITERS). The handle that handed the region over can still map
 * such views, as can children forked from its process, and all that are mapped
 * stay; other handles for writing cannot any more: SHMAP_EACCES. On all
 * systems, a handle that has handed a region over for reading can no longer
 * hand it over for writing: SHMAP_EACCES.
 *
 * Do not trust a region from another process yet: shmap_region_inspect tells
 * its user, its size and its seals before anything is mapped.
 */
#ifndef SHMAP_HANDOVER_H
#define SHMAP_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that are enough for every token, with its NUL, but for tokens of native
 * names of over 255 bytes. A token has no spaces and only letters, digits and
 * ":+./_-"; it is well below 200 bytes where names are not long. White space
 * behind it, as at the end of a line, does no harm. */
#define SHMAP_TOKEN_SIZE 1024

/* The receiver of a token: a process's number, which is more than 0, or this.
 */
#define SHMAP_TARGET_CHILD 0 /* children that are started from now on */

/* Make a token that leads to this region.
 *
 * access: SHMAP_ACCESS_READ, SHMAP_ACCESS_READ_WRITE, or
 *         SHMAP_ACCESS_DEFAULT: the access of the region itself.
 * target: SHMAP_TARGET_CHILD, or the number of a process of the same user.
 * token: receives the text, with a final NUL; untouched on failure.
 * size: bytes at token; SHMAP_TOKEN_SIZE is enough.
 *
 * For children: a descriptor or handle is made that every child inherits which
 * any code of this process starts from now on (Windows: with bInheritHandles).
 * An export for reading only ends this handle's earlier export to children with
 * all rights, but not the exports of other handles of the region.
 * shmap_region_unexport and shmap_region_close end an export: start the child
 * before. Each child can import the token once; a second call with the same
 * access gives the same token, and no second import. A child that never imports
 * it holds the region until it ends. Windows: a file counts as open there once
 * it is imported; until then other openers can be told SHMAP_ALONE.
 *
 * For a process that is running: on Windows a handle is put into that process,
 * which holds the region until it imports the token, once, or ends. On POSIX
 * systems the importer takes the region from this process: it must run, and
 * this handle must be open, until that has happened. From a process that may
 * not be inspected (one that gave up root, PR_SET_DUMPABLE) the importer cannot
 * take it: SHMAP_EACCES; send the region.
 *
 * Where named regions need lock files (macOS, BSD), a region in transit is not
 * held: keep the handle open until the receiver has the region, also after
 * shmap_region_send.
 *
 * Returns 0 or
 *   SHMAP_EINVAL   an argument is not valid
 *   SHMAP_ERANGE   the token does not fit into `size` bytes
 *   SHMAP_EACCES   the handle is for reading only, or the region was handed
 *                  over for reading only, or sealed; the target belongs to
 *                  another user, or may not inspect this process
 *   SHMAP_ENOENT   no process has the number
 *   SHMAP_ENOTSUP  reading only cannot be enforced for this region or on this
 *                  system; the system has no way to hand something to a
 *                  running process (macOS: send it); Windows: the region is an
 *                  adopted section without a name
 *   SHMAP_ENOMEM, SHMAP_EMFILE, SHMAP_ESYSTEM
 *
 * Since 0.1. */
SHMAP_API int shmap_region_export(shmap_region *region, int access,
                                  int64_t target, char *token, size_t size);

/* Let no further child inherit what shmap_region_export made for children.
 * Children that were started before keep it. NULL is fine. Since 0.1. */
SHMAP_API void shmap_region_unexport(shmap_region *region);

/* Make a region of a token that another process made for this one, or for
 * children such as this one.
 *
 * options: access: no more than the token has, which is the default; accept,
 * user: whose regions to accept; NULL for the defaults.
 *
 * The kind is that of the region which was handed over; so is a named one's
 * name. A named region must still have its name, also where this process looks
 * for it: one with a /dev/shm of its own, as in a container, can be given
 * anonymous regions. The descriptor or handle that a child inherited belongs to
 * the region from now on, and the child's own children do not inherit it.
 *
 * Import a token once. A second time is SHMAP_ENOENT, but may succeed on POSIX
 * systems if it is for a running process, as long as its exporter keeps the
 * handle.
 *
 * An old token never leads to other memory, but it can lead to another file: if
 * its own was removed, the other has its number and is open in its place, and
 * they were made within a few milliseconds, or the system does not tell when
 * (some file systems; macOS, BSD).
 *
 * Returns 0 or
 *   SHMAP_EINVAL    an argument is not valid
 *   SHMAP_ETOKEN    not a valid token (it may be truncated or altered), or a
 *                   token for another process
 *   SHMAP_ENOENT    the region that the token means is not there any more, or
 *                   never was: its exporter has closed it or ended, the child
 *                   did not inherit it, the token was imported before, or this
 *                   process itself made it for children (and did not become
 *                   another program since: exec)
 *   SHMAP_EACCES    more access is asked than the token has; the token is for
 *                   writing, and the memory was sealed against that; or the
 *                   system refuses
 *   SHMAP_EOWNER    it belongs to a user that the options do not accept
 *   SHMAP_ETYPE     the object of the token is neither memory nor a file
 *   SHMAP_ENOTREADY it has no size
 *   SHMAP_ENOTSUP, SHMAP_ENOMEM, SHMAP_EMFILE, SHMAP_EBUSY, SHMAP_ESYSTEM
 *
 * Since 0.1. */
SHMAP_API int shmap_region_import(shmap_region **region, const char *token,
                                  const shmap_region_options *options);

/* Hand a region over to the process at the other end of a channel, which calls
 * shmap_region_receive.
 *
 * access: as for shmap_region_export.
 * channel: POSIX: a connected Unix domain socket, of a stream or of packets in
 *          sequence. Windows: the HANDLE of a named pipe, whose other end was
 *          opened by the process that is to get the region, not inherited or
 *          duplicated from another process: the system tells only which
 *          process opened it. If that is this process, as with CreatePipe:
 *          SHMAP_ETYPE. If it is a third one, that process gets the region, and
 *          the receiver SHMAP_ETOKEN. If the handle is not overlapped, the pipe
 *          needs buffers of 1 KiB or more, else SHMAP_ETYPE, and no other
 *          thread may be using the handle: the system lets this call wait for
 *          it, whatever the deadline. It stays the caller's, and may be
 *          blocking or not.
 * deadline: until when to wait for room in the channel.
 *
 * The receiver may belong to another user, even if the region is not shared
 * with that user (Windows: if this process may put a handle into the receiver),
 * and this process may end at once.
 *
 * Returns 0 or SHMAP_EINVAL (not a channel), SHMAP_EACCES and SHMAP_ENOTSUP as
 * shmap_region_export, SHMAP_ETYPE (the channel cannot carry regions),
 * SHMAP_ENAME (a native name of over 255 bytes), SHMAP_ENOENT (its other end is
 * closed), SHMAP_ETIMEDOUT, SHMAP_ENOMEM, SHMAP_EMFILE, SHMAP_ESYSTEM. Nothing
 * was sent then, unless other callers use the same end of the channel at that
 * moment, or the other end is closed just then or, of packets, reads no more: a
 * part may have been sent, and on Linux memory that was to be handed over for
 * reading stays sealed. It stays sealed as well if the system refuses the
 * message itself: for want of memory, or because too many descriptors of this
 * user are on their way (SHMAP_EMFILE, with ETOOMANYREFS).
 * Since 0.1. */
SHMAP_API int shmap_region_send(shmap_region *region, int access,
                                intptr_t channel, int64_t deadline);

/* Receive a region that the process at the other end of a channel sends.
 *
 * channel: as for shmap_region_send. The next thing in it must be a region.
 * deadline: until when to wait.
 * options: as for shmap_region_import. A region of another user is refused,
 *          with SHMAP_EOWNER, unless `accept` says otherwise:
 *          SHMAP_ACCEPT_SYSTEM for root's, SHMAP_ACCEPT_ANYBODY for regions of
 *          all users. On Windows the same holds for regions that a process of
 *          another user sends.
 *
 * Returns 0 or what shmap_region_import returns, or SHMAP_ETIMEDOUT (nothing
 * came, or not all of it), SHMAP_ENOENT (also: the other end is closed, or
 * has sent an empty packet). Anything else but a region is SHMAP_ETOKEN at
 * once; all channels but sockets of packets are out of step then, and of no
 * more use. The bytes that a failed call read from the channel are lost; of a
 * named region that every other holder has closed by then, a leftover may stay
 * on POSIX systems, as of one that is never received. Since 0.1. */
SHMAP_API int shmap_region_receive(shmap_region **region, intptr_t channel,
                                   int64_t deadline,
                                   const shmap_region_options *options);

#ifdef __cplusplus
}
#endif

#endif
