/* SPDX-License-Identifier: MIT */

/* Explaining: primitives that know why they refuse say so in their status. This
 * file says what a bare code means in a call.
 */
#include "region/explain.h"

#define CALL(name) (1U << SHMAP__CALL_##name)
#define CALLS_BY_NAME \
    (CALL(CREATE) | CALL(OPEN) | CALL(OPEN_OR_CREATE) | CALL(REAP))
#define CALLS_THAT_GIVE   (CALL(EXPORT) | CALL(SEND))
#define CALLS_ON_CHANNELS (CALL(SEND) | CALL(RECEIVE))

static const struct meaning {
    unsigned calls;
    int code;
    const char *detail;
} meanings[] = {
    {CALLS_BY_NAME, SHMAP_ETYPE,
     "the object with this name is not a region that was made under it; "
     "native scope opens other programs' memory"},
    {CALL(OPEN_FILE), SHMAP_ENOENT, "the file or its folder does not exist"},
    {CALL(SEAL), SHMAP_EACCES,
     "the handle is read-only, or further seals were forbidden"},
    {CALL(SEAL), SHMAP_EBUSY,
     "a process can still write: a view or a handle is writable; after handing "
     "over for reading, seal against writers first"},
    {CALL(SEAL), SHMAP_ENOTSUP,
     "only anonymous regions can be sealed, and not with every seal on every "
     "system"},
    {CALL(EXPORT), SHMAP_EACCES,
     "the handle is read-only, or the region was handed over for reading or "
     "sealed, or the process is another user's or may not inspect this one"},
    {CALL(EXPORT), SHMAP_ENOENT, "no process has this number"},
    {CALL(SEND), SHMAP_EACCES,
     "the handle is read-only, or the region was handed over for reading or "
     "sealed, or the receiver cannot be reached"},
    {CALLS_THAT_GIVE, SHMAP_ENOTSUP,
     "only anonymous regions can be handed over for reading only, and not on "
     "every system; nor can a running process be reached on every system"},
    {CALL(IMPORT), SHMAP_ENOENT,
     "the token's region is closed or has no name here, its exporter has "
     "ended, it was imported before, or it was not inherited"},
    {CALL(IMPORT), SHMAP_ETOKEN,
     "the token is truncated or altered, or was made for another process"},
    {CALL(IMPORT), SHMAP_EACCES,
     "the token is for reading, or the region was sealed, or the system keeps "
     "this process from the exporter"},
    {CALL(IMPORT), SHMAP_ETYPE,
     "the token's object is neither memory nor a file"},
    {CALL(SEND), SHMAP_ENOENT, "the other end of the channel is closed"},
    {CALL(SEND), SHMAP_ETYPE, "this channel cannot carry a region"},
    {CALL(RECEIVE), SHMAP_ENOENT,
     "the other end of the channel is closed, or the region that came has no "
     "name here"},
    {CALL(RECEIVE), SHMAP_ETOKEN,
     "the message is not a region, or a region for the process that opened "
     "this end of the channel"},
    {CALL(RECEIVE), SHMAP_EACCES,
     "the region was sent for reading, or was sealed"},
    {CALL(RECEIVE), SHMAP_ETYPE,
     "this channel cannot carry a region, or the object that came is neither "
     "memory nor a file"},
};

static bool is_explained(const shmap__os_status *status)
{
    return status->code >= 0 || status->reason != SHMAP__OS_DETAIL ||
           status->detail != NULL;
}

shmap__os_status shmap__explain(shmap__os_status status, enum shmap__call call)
{
    if (is_explained(&status))
        return status;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].code == status.code &&
            (meanings[i].calls & 1U << call) != 0)
            status.detail = meanings[i].detail;
    }
    return status;
}

shmap__os_status shmap__explain_room(shmap__os_status status, int kind,
                                     const char *os_name, uint64_t size)
{
    if (status.code != SHMAP_ENOSPC || is_explained(&status) ||
        !shmap__os_room(kind, os_name, &status.room, &status.detail))
        return status;
    status.reason = SHMAP__OS_NO_ROOM;
    status.asked = size;
    return status;
}
