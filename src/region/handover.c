/* SPDX-License-Identifier: MIT */

/* Handing regions over to other processes: checks, tokens, and the decisions
 * that are the same on every system. */
#include "shmap/handover.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/error.h"
#include "region/explain.h"
#include "region/name.h"
#include "region/request.h"
#include "region/region.h"
#include "base/stop.h"
#include "region/token.h"

/* Begin a gift. Returns 0, or why not. */
static shmap__os_status gift_begin(shmap__os_gift *gift,
                                   const shmap_region *region, int access,
                                   int way)
{
    const shmap__os_object *object = &region->object;

    memset(gift, 0, sizeof *gift);
    if (access < SHMAP_ACCESS_DEFAULT || access > SHMAP_ACCESS_READ_WRITE)
        return shmap__refuse_because(SHMAP_EINVAL,
                                     "access: must be 0, SHMAP_ACCESS_READ or "
                                     "SHMAP_ACCESS_READ_WRITE");
    if (access == SHMAP_ACCESS_DEFAULT)
        access = object->access;
    /* Other handles can no longer map what this handle still can. */
    if (access == SHMAP_ACCESS_READ_WRITE &&
        (object->access == SHMAP_ACCESS_READ ||
         (shmap__os_seals(object) & SHMAP_SEAL_WRITERS) != 0 ||
         shmap__load32(&region->read_only) != 0))
        return shmap__refuse(SHMAP_EACCES);
    gift->way = way;
    gift->kind = object->kind;
    gift->access = access;
    gift->from = shmap__os_process_id();
    return shmap__refuse(0);
}

/* Of files, the name is not needed to find them. */
static const char *name_in_token(const shmap_region *region)
{
    return region->object.kind == SHMAP_KIND_NAMED ? region->os_name : "";
}

/* Return the number of an inherited descriptor or handle with a count above it:
 * another thread's next one can have the same number, and the count tells them
 * apart. */
static uint64_t inherited_of(const shmap__os_gift *gift)
{
    static uint32_t count;

    return (uint64_t)shmap__add32(&count, 1) << 32 | (uint32_t)gift->native;
}

/* Refuse if another thread has handed the region over for reading meanwhile. */
static shmap__os_status recheck(shmap_region *region, shmap__os_gift *gift)
{
    if (gift->access == SHMAP_ACCESS_READ ||
        shmap__load32(&region->read_only) == 0)
        return shmap__refuse(0);
    shmap__region_end_inherited(region, SHMAP_ACCESS_READ_WRITE);
    return shmap__refuse(SHMAP_EACCES);
}

/* Make the descriptor or handle that children inherit: once for each access,
 * unless another thread closes it. Children that may only read must not inherit
 * the writable one, too. */
static shmap__os_status give_child(shmap_region *region, shmap__os_gift *gift)
{
    shmap__os_object *object = &region->object;
    uint64_t *inherited = &region->inherited[gift->access - 1];
    uint64_t found = shmap__load64(inherited);
    shmap__os_status status = shmap__os_give_child(object, gift);

    if (status.code < 0)
        return status;
    if (gift->access == SHMAP_ACCESS_READ) {
        shmap__store32(&region->read_only, 1);
        shmap__region_end_inherited(region, SHMAP_ACCESS_READ_WRITE);
    }
    /* The earlier one with the new one's number is gone. */
    while (found == 0 || shmap__inherited_number(found) == gift->native ||
           !shmap__os_is_given_child(object, shmap__inherited_number(found))) {
        if (shmap__cas64(inherited, &found, inherited_of(gift))) {
            shmap__store32(&region->lent, 1);
            return recheck(region, gift);
        }
    }
    shmap__os_give_child_end(object, gift->native);
    gift->native = shmap__inherited_number(found);
    return status;
}

static shmap__os_status give(shmap_region *region, int access, int64_t target,
                             char *token, size_t size)
{
    const char *os_name = name_in_token(region);
    int way = target == SHMAP_TARGET_CHILD ? SHMAP__OS_TO_CHILD
                                           : SHMAP__OS_TO_PROCESS;
    shmap__os_gift gift;
    shmap__os_status status = gift_begin(&gift, region, access, way);

    if (status.code == 0 && size < shmap__token_space(os_name))
        status = shmap__refuse_because(
            SHMAP_ERANGE, "size: token has no room: SHMAP_TOKEN_SIZE bytes are "
                          "enough but for long names");
    if (status.code < 0)
        return status;
    gift.to = target;
    status = way == SHMAP__OS_TO_CHILD
                 ? give_child(region, &gift)
                 : shmap__os_give_process(&region->object, &gift);
    if (status.code < 0)
        return status;
    if (gift.access == SHMAP_ACCESS_READ)
        shmap__store32(&region->read_only, 1);
    shmap__token_write(token, &gift, os_name);
    return status;
}

int shmap_region_export(shmap_region *region, int access, int64_t target,
                        char *token, size_t size)
{
    if (region == NULL || token == NULL)
        return shmap__result(
            shmap__refuse_null(region == NULL ? "region" : "token"));
    if (target < 0)
        return shmap__result(shmap__refuse_because(
            SHMAP_EINVAL, "target: must be SHMAP_TARGET_CHILD or the number of "
                          "a process"));
    return shmap__result(shmap__explain(
        give(region, access, target, token, size), SHMAP__CALL_EXPORT));
}

/* Check a gift beyond its form. Returns 0 or an error. */
static int check_gift(const shmap__os_gift *gift, const char *os_name,
                      const shmap_region_options *options)
{
    int64_t self = shmap__os_process_id();
    bool named = gift->kind == SHMAP_KIND_NAMED;

    if (named ? !shmap__name_is_native(os_name) : *os_name != '\0')
        return SHMAP_ETOKEN;
    if (gift->way == SHMAP__OS_TO_PROCESS ? gift->to != self : gift->to != 0)
        return SHMAP_ETOKEN;
    return options->access > gift->access ? SHMAP_EACCES : 0;
}

/* Make a region of a gift. */
static shmap__os_status take(shmap_region **region, shmap__request *request,
                             const shmap__os_gift *gift, const char *os_name)
{
    shmap__os_request *os = &request->os;
    shmap__os_status status;
    int code = check_gift(gift, os_name, &os->options);

    if (code < 0)
        return shmap__explain(shmap__refuse(code), request->call);
    os->kind = gift->kind;
    os->os_name = os_name;
    os->gift = gift;
    if (os->options.access == SHMAP_ACCESS_DEFAULT)
        os->options.access = gift->access;
    status = shmap__region_obtain(region, request);
    /* The request outlives these. */
    os->gift = NULL;
    os->os_name = "";
    return status;
}

static shmap__os_status import(shmap_region **region, shmap__request *request,
                               const char *token)
{
    char *os_name = malloc(strlen(token) + 1);
    shmap__os_gift gift;
    shmap__os_status status = shmap__refuse(SHMAP_ETOKEN);

    if (os_name == NULL)
        return shmap__refuse(SHMAP_ENOMEM);
    if (shmap__token_read(token, &gift, os_name) && gift.way != SHMAP__OS_SENT)
        status = take(region, request, &gift, os_name);
    free(os_name);
    return shmap__explain(status, SHMAP__CALL_IMPORT);
}

/* Fill a request of a call that takes a gift. */
static shmap__os_status fill_request(shmap__request *request,
                                     shmap_region **region,
                                     enum shmap__call call,
                                     const shmap_region_options *options)
{
    if (region == NULL)
        return shmap__refuse_null("region");
    return shmap__request_fill(request, call, NULL, 0, options);
}

int shmap_region_import(shmap_region **region, const char *token,
                        const shmap_region_options *options)
{
    shmap__request request;
    shmap__os_status status =
        fill_request(&request, region, SHMAP__CALL_IMPORT, options);

    if (status.code == 0 && token == NULL)
        status = shmap__refuse_null("token");
    if (status.code == 0)
        status = import(region, &request, token);
    return shmap__result(status);
}

static shmap__os_status send(shmap_region *region, int access, intptr_t channel,
                             int64_t deadline)
{
    const char *os_name = name_in_token(region);
    char message[SHMAP__OS_MESSAGE] = "";
    shmap__os_gift gift;
    shmap__os_status status = gift_begin(&gift, region, access, SHMAP__OS_SENT);

    if (status.code == 0 && shmap__token_space(os_name) > sizeof message)
        status = shmap__refuse_because(
            SHMAP_ENAME, "region: its name is too long for a message");
    if (status.code < 0)
        return status;
    status = shmap__os_give_channel(&region->object, &gift, channel, deadline);
    if (status.code < 0)
        return status;
    shmap__store32(&region->lent, 1);
    shmap__token_write(message, &gift, os_name);
    status = shmap__os_send(channel, &gift, message, deadline);
    SHMAP__STOP("send.sent");
    shmap__os_give_channel_end(&gift, status.code == 0);
    if (status.code == 0 && gift.access == SHMAP_ACCESS_READ)
        shmap__store32(&region->read_only, 1);
    return status;
}

int shmap_region_send(shmap_region *region, int access, intptr_t channel,
                      int64_t deadline)
{
    if (region == NULL)
        return shmap__result(shmap__refuse_null("region"));
    if (shmap__is_duration(deadline))
        return shmap__result(shmap__refuse_duration());
    return shmap__result(shmap__explain(send(region, access, channel, deadline),
                                        SHMAP__CALL_SEND));
}

/* Read what a message claims. What came must have come in the way that it
 * says; and a descriptor that came has another number here than there. */
static bool read_message(const char *message, const shmap__os_gift *delivered,
                         shmap__os_gift *claimed, char *os_name)
{
    if (memchr(message, '\0', SHMAP__OS_MESSAGE) == NULL ||
        !shmap__token_read(message, claimed, os_name) ||
        claimed->way != delivered->way)
        return false;
    if (claimed->way == SHMAP__OS_SENT)
        claimed->native = delivered->native;
    return true;
}

static shmap__os_status receive(shmap_region **region, shmap__request *request,
                                intptr_t channel, int64_t deadline)
{
    char message[SHMAP__OS_MESSAGE];
    char os_name[SHMAP__OS_MESSAGE];
    shmap__os_gift delivered = {0};
    shmap__os_gift claimed;
    shmap__os_status status =
        shmap__os_receive(channel, message, &request->os, &delivered, deadline);

    if (status.code < 0)
        return status;
    SHMAP__STOP("receive.received");
    if (!read_message(message, &delivered, &claimed, os_name)) {
        shmap__os_drop(&delivered);
        return shmap__refuse(SHMAP_ETOKEN);
    }
    status = take(region, request, &claimed, os_name);
    if (status.code < 0)
        shmap__os_drop(&claimed);
    return status;
}

int shmap_region_receive(shmap_region **region, intptr_t channel,
                         int64_t deadline, const shmap_region_options *options)
{
    shmap__request request;
    shmap__os_status status =
        fill_request(&request, region, SHMAP__CALL_RECEIVE, options);

    if (status.code == 0 && shmap__is_duration(deadline))
        status = shmap__refuse_duration();
    if (status.code == 0)
        status = shmap__explain(receive(region, &request, channel, deadline),
                                SHMAP__CALL_RECEIVE);
    return shmap__result(status);
}
