/* SPDX-License-Identifier: MIT */

/* Handing a region over to another process, with all rights or for reading
 * only.
 *
 * A token is a short text that leads to a region: shmap_region_export makes
 * one, to be passed on in whatever way carries text (an argument, the
 * environment, a pipe, a file), and shmap_region_import makes a region of it,
 * in a child that inherits what the token means, or in a process that is
 * running already. shmap_region_send and shmap_region_receive do both through
 * a Unix domain socket, or on Windows a named pipe, which two processes have
 * between them.
 *
 * A token is no secret and no key: it opens nothing for a process that the
 * system would not let at the region. It says which region it means, so that
 * one that is old, or that meets another process, is an error and never other
 * memory.
 *
 * Reading only
 *
 * Whoever gets a region with SHMAP_ACCESS_READ cannot write to it by any means
 * short of a privilege or of controlling a process that can: the system
 * refuses, also what does not go through this library. That is so for
 * anonymous regions on Linux 5.1 and Windows (there, if `share` does not let
 * this user write), and for what this process could not write to itself:
 * another user's region that is shared for reading.
 * Elsewhere handing over for reading only is SHMAP_ENOTSUP. What is written is
 * seen by those who read.
 *
 * On Linux this is done by sealing the memory against new writable views
 * (SHMAP_SEAL_WRITERS). The handle that handed the region over can still map
 * such views, as can children forked from its process, and all that are mapped
 * stay; other handles for writing cannot any more: SHMAP_EACCES. On all
 * systems, a handle that has handed a region over for reading can no longer
 * hand it over for writing: SHMAP_EACCES.
 *
 * What came from somebody else is not to be believed yet: shmap_region_inspect
 * tells whose it is, how large, and what is sealed, before anything is mapped.
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

/* Bytes that are enough for every token, with its NUL, but for those of native
 * names of over 255 bytes. A token has no spaces and only letters, digits and
 * ":+./_-"; it is well below 200 bytes where names are not long. White space
 * behind it, as at the end of a line, does no harm. */
#define SHMAP_TOKEN_SIZE 1024

/* For whom a token is: a process's number, which is more than 0, or this. */
#define SHMAP_TARGET_CHILD 0 /* children that are started from now on */

/* Make a token that leads to this region.
 *
 * access: SHMAP_ACCESS_READ, SHMAP_ACCESS_READ_WRITE, or
 *         SHMAP_ACCESS_DEFAULT: what the region itself has.
 * target: SHMAP_TARGET_CHILD, or the number of a process of the same user.
 * token: receives the text, with a final NUL; untouched on failure.
 * size: bytes at token; SHMAP_TOKEN_SIZE is enough.
 *
 * For children: a descriptor or handle is made that every child inherits which
 * is started from now on, whoever starts it (Windows: with bInheritHandles).
 * For reading only, what this handle made for children before with all rights
 * ends; what other handles of the region made does not.
 * It goes with shmap_region_unexport or shmap_region_close: start the child
 * before. Each child can import the token once; a second call with the same
 * access gives the same token, and no second import. A child that never imports
 * it holds the region until it ends. Windows: a file counts as open there once
 * it is imported; until then others can be told SHMAP_ALONE.
 *
 * For a process that is running: on Windows a handle is put into that process,
 * which holds the region until it imports the token, once, or ends. On POSIX
 * systems the importer takes the region from this process: it must run, and
 * this handle must be open, until that has happened. A process that may not be
 * looked at (one that gave up root, PR_SET_DUMPABLE) cannot be taken from:
 * SHMAP_EACCES; send the region.
 *
 * Where named regions need lock files (macOS, BSD), one that is on its way
 * holds nothing: keep the handle open until it was taken, also after
 * shmap_region_send.
 *
 * Returns 0 or
 *   SHMAP_EINVAL   an argument is not valid
 *   SHMAP_ERANGE   the token does not fit into `size` bytes
 *   SHMAP_EACCES   the handle is for reading only, or the region was handed
 *                  over for reading only, or sealed; the target belongs to
 *                  somebody else, or may not look at this process
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
 * Those that were started before keep it. NULL is fine. Since 0.1. */
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
 * anonymous regions. What a child inherited is the region's from now on, and no
 * longer inherited by its own children.
 *
 * Import a token once. A second time is SHMAP_ENOENT, but may succeed on POSIX
 * systems if it is for a running process, as long as its exporter keeps the
 * handle.
 *
 * An old token never leads to other memory, but it can lead to another file: if
 * its own was removed, the other has its number and is open in its place, and
 * they were made within a few milliseconds, or where nobody tells when (some
 * file systems; macOS, BSD).
 *
 * Returns 0 or
 *   SHMAP_EINVAL    an argument is not valid
 *   SHMAP_ETOKEN    this is no token, or not a whole one, or one for another
 *                   process
 *   SHMAP_ENOENT    the region that the token means is not there any more, or
 *                   never was: its exporter has closed it or ended, the child
 *                   did not inherit it, the token was imported before, or this
 *                   process itself made it for children (and did not become
 *                   another program since: exec)
 *   SHMAP_EACCES    more access is asked than the token has; it is one for
 *                   writing, and the memory was sealed against that; or the
 *                   system refuses
 *   SHMAP_EOWNER    it belongs to a user whom the options do not accept
 *   SHMAP_ETYPE     what the token means is no memory and no file
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
 *          SHMAP_ETYPE. If it is a third one, that one gets the region, and
 *          the receiver SHMAP_ETOKEN. If the handle is not overlapped, the
 *          pipe needs buffers of 1 KiB or more, else SHMAP_ETYPE, and no other
 *          thread may be using the handle: the system lets this call wait for
 *          it, whatever the deadline. It stays the caller's, and may be
 *          blocking or not.
 * deadline: until when to wait for room in the channel.
 *
 * The receiver may belong to another user, whom the region need not be shared
 * with (Windows: if this process may put a handle into that user's), and this
 * process may end at once.
 *
 * Returns 0 or SHMAP_EINVAL (no such channel), SHMAP_EACCES and SHMAP_ENOTSUP
 * as shmap_region_export, SHMAP_ETYPE (the channel cannot carry regions),
 * SHMAP_ENAME (a native name of over 255 bytes), SHMAP_ENOENT (there is nobody
 * at its other end), SHMAP_ETIMEDOUT, SHMAP_ENOMEM, SHMAP_EMFILE,
 * SHMAP_ESYSTEM. Nothing was sent then, unless others use the same end of the
 * channel at that moment, or the other end is closed just then or, of packets,
 * reads no more: a part may have been sent, and on Linux memory that was to be
 * handed over for reading stays sealed. It stays sealed as well if the system
 * refuses the message itself: for want of memory, or because too many
 * descriptors of this user are on their way (SHMAP_EMFILE, with ETOOMANYREFS).
 * Since 0.1. */
SHMAP_API int shmap_region_send(shmap_region *region, int access,
                                intptr_t channel, int64_t deadline);

/* Receive a region that the process at the other end of a channel sends.
 *
 * channel: as for shmap_region_send. The next thing in it must be a region.
 * deadline: until when to wait.
 * options: as for shmap_region_import. What belongs to another user is refused,
 *          with SHMAP_EOWNER, unless `accept` says otherwise:
 * SHMAP_ACCEPT_SYSTEM for root's, SHMAP_ACCEPT_ANYBODY for those of all users.
 * On Windows that is so also for what a process of another user sends.
 *
 * Returns 0 or what shmap_region_import returns, or SHMAP_ETIMEDOUT (nothing
 * came, or not all of it), SHMAP_ENOENT (also: the other end is closed, or
 * has sent an empty packet). Anything else but a region is SHMAP_ETOKEN at
 * once; all but sockets of packets are out of step then, and of no more use.
 * What was read from the channel by a call that failed is lost; of a named
 * region that everybody else has closed by then, a leftover may stay on POSIX
 * systems, as of one that is never received. Since 0.1. */
SHMAP_API int shmap_region_receive(shmap_region **region, intptr_t channel,
                                   int64_t deadline,
                                   const shmap_region_options *options);

#ifdef __cplusplus
}
#endif

#endif
