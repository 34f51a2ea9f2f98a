/* SPDX-License-Identifier: MIT */

/* Explaining: primitives that know why they refuse say so in their status. Here
 * is what a bare code means in a call.
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
     "what has the name is no region that was made under it; native scope "
     "opens other programs' memory"},
    {CALL(OPEN_FILE), SHMAP_ENOENT, "there is no such file or folder"},
    {CALL(SEAL), SHMAP_EACCES,
     "the handle is for reading, or no more seals are let"},
    {CALL(SEAL), SHMAP_EBUSY,
     "somebody can still write: a view is writable, or a handle; after handing "
     "over for reading, seal against writers first"},
    {CALL(SEAL), SHMAP_ENOTSUP,
     "only anonymous regions can be sealed, and not with every seal on every "
     "system"},
    {CALL(EXPORT), SHMAP_EACCES,
     "the handle is for reading, or the region was handed over for reading or "
     "sealed, or the process is another user's or cannot look at this one"},
    {CALL(EXPORT), SHMAP_ENOENT, "no process has this number"},
    {CALL(SEND), SHMAP_EACCES,
     "the handle is for reading, or the region was handed over for reading or "
     "sealed, or the receiver cannot be reached"},
    {CALLS_THAT_GIVE, SHMAP_ENOTSUP,
     "only anonymous regions can be given for reading only, not on every "
     "system; nor can a running process be reached on every one"},
    {CALL(IMPORT), SHMAP_ENOENT,
     "its region is closed or has no name here, its maker has ended, it was "
     "imported before, or it was not inherited"},
    {CALL(IMPORT), SHMAP_ETOKEN,
     "it is cut or altered, or has another process's number"},
    {CALL(IMPORT), SHMAP_EACCES,
     "the token is for reading, or the region was sealed, or the system keeps "
     "this process from its maker"},
    {CALL(IMPORT), SHMAP_ETYPE, "what it means is no memory and no file"},
    {CALL(SEND), SHMAP_ENOENT, "nobody is at the other end of the channel"},
    {CALL(SEND), SHMAP_ETYPE, "this is no channel that can carry a region"},
    {CALL(RECEIVE), SHMAP_ENOENT,
     "the other end of the channel is closed, or the region that came has no "
     "name here"},
    {CALL(RECEIVE), SHMAP_ETOKEN,
     "what came through the channel is no region, or one for the process that "
     "opened this end of it"},
    {CALL(RECEIVE), SHMAP_EACCES,
     "the region was sent for reading, or was sealed"},
    {CALL(RECEIVE), SHMAP_ETYPE,
     "this is no channel that can carry a region, or what came is no memory "
     "and no file"},
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
