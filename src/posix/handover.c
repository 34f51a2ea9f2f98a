/* SPDX-License-Identifier: MIT */

/* Handing regions over: descriptors that are sent with a message, and the
 * choice of the way a region came. handover_inherit.c and handover_process.c
 * have the other ways. */
#include "posix/os.h"

#include <unistd.h>

#include "base/stop.h"

int64_t shmap__os_process_id(void)
{
    return getpid();
}

shmap__os_status shmap__os_give_channel(shmap__os_object *object,
                                        shmap__os_gift *gift, intptr_t channel,
                                        int64_t deadline)
{
    struct stat stat;
    int fd = -1;
    shmap__os_status status = shmap__posix_channel_await(channel, deadline);

    if (status.code < 0)
        return status;
    gift->way = SHMAP__OS_SENT;
    status = shmap__posix_gift_open(object, gift, &fd, &stat);
    return status.code < 0
               ? status
               : shmap__posix_gift_complete(object, gift, fd, &stat);
}

void shmap__os_give_channel_end(const shmap__os_gift *gift, bool given)
{
    (void)given;
    close((int)gift->native);
}

void shmap__os_drop(const shmap__os_gift *gift)
{
    if (gift->way == SHMAP__OS_SENT)
        close((int)gift->native);
}

shmap__os_status shmap__os_take(shmap__os_object *object,
                                const shmap__os_request *request)
{
    const shmap__os_gift *gift = request->gift;
    shmap__os_status status;

    if (gift->way == SHMAP__OS_TO_CHILD)
        status = shmap__posix_take_inherited(object, request);
    else if (gift->way == SHMAP__OS_TO_PROCESS)
        status = shmap__posix_take_from_process(object, request);
    else
        status = shmap__posix_gift_take(object, (int)gift->native, request);
    SHMAP__STOP("take.taken");
    return status;
}
