/* SPDX-License-Identifier: MIT */

/* Handing regions over to other processes: checks, tokens, and the decisions
 * that are the same on every system. */
#include "shmap/handover.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/error.h"
#include "region/name.h"
#include "region/request.h"
#include "region/region.h"
#include "base/stop.h"
#include "region/token.h"

#define NOT_SUPPORTED                                               \
    "only anonymous regions can be given for reading only, not on " \
    "every system; nor can a running process be reached on every one"

static const shmap__meaning exporting[] = {
    {SHMAP_EACCES, "the handle is for reading, or the region was handed over "
                   "for reading or sealed, or the process is another user's or "
                   "cannot look at this one"},
    {SHMAP_ENOENT, "no process has this number"},
    {SHMAP_ENOTSUP, NOT_SUPPORTED},
    {0, NULL}};

static const shmap__meaning importing[] = {
    {SHMAP_ENOENT, "its region is closed or has no name here, its maker has "
                   "ended, it was imported before, or it was not inherited"},
    {SHMAP_ETOKEN, "it is cut or altered, or has another process's number"},
    {SHMAP_EACCES, "the token is for reading, or the region was sealed, or the "
                   "system keeps this process from its maker"},
    {SHMAP_ETYPE, "what it means is no memory and no file"},
    {0, NULL}};

static const shmap__meaning sending[] = {
    {SHMAP_EACCES, "the handle is for reading, or the region was handed over "
                   "for reading or sealed, or the receiver cannot be reached"},
    {SHMAP_ENOENT, "nobody is at the other end of the channel"},
    {SHMAP_ETYPE, "this is no channel that can carry a region"},
    {SHMAP_ENOTSUP, NOT_SUPPORTED},
    {0, NULL}};

static const shmap__meaning receiving[] = {
    {SHMAP_ENOENT, "the other end of the channel is closed, or the region that "
                   "came has no name here"},
    {SHMAP_ETOKEN, "what came through the channel is no region, or one for the "
                   "process that opened this end of it"},
    {SHMAP_EACCES, "the region was sent for reading, or was sealed"},
    {SHMAP_ETYPE, "this is no channel that can carry a region, or what came is "
                  "no memory and no file"},
    {0, NULL}};

/* Begin a gift. Returns 0 or an error. */
static int gift_begin(shmap__os_gift *gift, const shmap_region *region,
                      int access, int way)
{
    const shmap__os_object *object = &region->object;

    memset(gift, 0, sizeof *gift);
    if (access < SHMAP_ACCESS_DEFAULT || access > SHMAP_ACCESS_READ_WRITE)
        return SHMAP_EINVAL;
    if (access == SHMAP_ACCESS_DEFAULT)
        access = object->access;
    /* Others could no longer map what this handle still can. */
    if (access == SHMAP_ACCESS_READ_WRITE &&
        (object->access == SHMAP_ACCESS_READ ||
         (shmap__os_seals(object) & SHMAP_SEAL_WRITERS) != 0 ||
         shmap__load32(&region->read_only) != 0))
        return SHMAP_EACCES;
    gift->way = way;
    gift->kind = object->kind;
    gift->access = access;
    gift->from = shmap__os_process_id();
    return 0;
}

/* Of files, the name is not needed to find them. */
static const char *name_in_token(const shmap_region *region)
{
    return region->object.kind == SHMAP_KIND_NAMED ? region->os_name : "";
}

/* A number is used again for what another thread makes: what is kept has a
 * count above it, so that each is told from the one before. */
static uint64_t inherited_of(const shmap__os_gift *gift)
{
    static uint32_t count;

    return (uint64_t)shmap__add32(&count, 1) << 32 | (uint32_t)gift->native;
}

static int64_t number_of(uint64_t inherited)
{
    return (int64_t)(uint32_t)inherited;
}

static void end_inherited(shmap_region *region, int access)
{
    uint64_t found = shmap__exchange64(&region->inherited[access - 1], 0);

    if (found != 0)
        shmap__os_give_child_end(&region->object, number_of(found));
}

/* Another thread may have handed it over for reading meanwhile. */
static shmap__os_status recheck(shmap_region *region, shmap__os_gift *gift)
{
    if (gift->access == SHMAP_ACCESS_READ ||
        shmap__load32(&region->read_only) == 0)
        return shmap__refuse(0);
    end_inherited(region, SHMAP_ACCESS_READ_WRITE);
    return shmap__refuse(SHMAP_EACCES);
}

/* What children inherit is made once for each access, if nobody closes it. Who
 * may only read must not inherit the other, too. */
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
        end_inherited(region, SHMAP_ACCESS_READ_WRITE);
    }
    /* What had the new one's number is gone. */
    while (found == 0 || number_of(found) == gift->native ||
           !shmap__os_is_given_child(object, number_of(found))) {
        if (shmap__cas64(inherited, &found, inherited_of(gift))) {
            shmap__store32(&region->lent, 1);
            return recheck(region, gift);
        }
    }
    shmap__os_give_child_end(object, gift->native);
    gift->native = number_of(found);
    return status;
}

static shmap__os_status give(shmap_region *region, int access, int64_t target,
                             char *token, size_t size)
{
    const char *os_name = name_in_token(region);
    int way = target == SHMAP_TARGET_CHILD ? SHMAP__OS_TO_CHILD
                                           : SHMAP__OS_TO_PROCESS;
    shmap__os_gift gift;
    shmap__os_status status;
    int code = gift_begin(&gift, region, access, way);

    if (code == 0 && size < shmap__token_space(os_name))
        code = SHMAP_ERANGE;
    if (code < 0)
        return shmap__refuse(code);
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

int shmap_region_export(const shmap_region *region, int access, int64_t target,
                        char *token, size_t size)
{
    if (region == NULL || token == NULL || target < 0)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    /* What a region is does not change, but what it may be used for can. */
    return shmap__result_meaning(
        give((shmap_region *)(uintptr_t)region, access, target, token, size),
        exporting);
}

void shmap_region_unexport(shmap_region *region)
{
    if (region == NULL)
        return;
    for (int access = SHMAP_ACCESS_READ; access <= SHMAP_ACCESS_READ_WRITE;
         access++)
        end_inherited(region, access);
}

/* Make a region of a gift. */
static shmap__os_status take(shmap_region **region, const shmap__os_gift *gift,
                             const char *os_name,
                             const shmap_region_options *options)
{
    int access = options->access == SHMAP_ACCESS_DEFAULT ? gift->access
                                                         : options->access;
    shmap_region *made = shmap__region_new(os_name);

    if (made == NULL)
        return shmap__refuse(SHMAP_ENOMEM);
    /* The giver may have the same description. */
    shmap__store32(&made->lent, 1);
    return shmap__region_deliver(
        region, made,
        shmap__os_take(&made->object, gift, os_name, access, options->owner));
}

/* What a token must be, beyond well-formed. */
static int check_gift(const shmap__os_gift *gift, const char *os_name,
                      const shmap_region_options *options)
{
    int64_t self = shmap__os_process_id();
    bool named = gift->kind == SHMAP_KIND_NAMED;

    if (named ? shmap__name_resolve(NULL, os_name, SHMAP_SCOPE_NATIVE) == NULL
              : *os_name != '\0')
        return SHMAP_ETOKEN;
    if (gift->way == SHMAP__OS_TO_PROCESS ? gift->to != self : gift->to != 0)
        return SHMAP_ETOKEN;
    return options->access > gift->access ? SHMAP_EACCES : 0;
}

/* Read a token into a gift and a name, which the caller frees. */
static int read_token(const char *token, shmap__os_gift *gift, char **os_name)
{
    *os_name = malloc(strlen(token) + 1);
    if (*os_name == NULL)
        return SHMAP_ENOMEM;
    return shmap__token_read(token, gift, *os_name) ? 0 : SHMAP_ETOKEN;
}

static shmap__os_status import(shmap_region **region, const char *token,
                               const shmap_region_options *options)
{
    char *os_name;
    shmap__os_gift gift;
    shmap__os_status status;
    int code = read_token(token, &gift, &os_name);

    if (code == 0 && gift.way == SHMAP__OS_SENT)
        code = SHMAP_ETOKEN;
    if (code == 0)
        code = check_gift(&gift, os_name, options);
    status =
        code == 0 ? take(region, &gift, os_name, options) : shmap__refuse(code);
    free(os_name);
    return status;
}

int shmap_region_import(shmap_region **region, const char *token,
                        const shmap_region_options *options)
{
    shmap_region_options checked;
    shmap__os_status status;

    if (region == NULL || token == NULL)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    status = shmap__region_options_read(&checked, options,
                                        SHMAP__HAS_ACCESS | SHMAP__HAS_OWNER);
    if (status.code < 0)
        return shmap__result(status);
    return shmap__result_meaning(import(region, token, &checked), importing);
}

static shmap__os_status send(shmap_region *region, int access, intptr_t channel,
                             int64_t deadline)
{
    const char *os_name = name_in_token(region);
    char message[SHMAP__OS_MESSAGE] = "";
    shmap__os_gift gift;
    shmap__os_status status;
    int code = gift_begin(&gift, region, access, SHMAP__OS_SENT);

    if (code == 0 && shmap__token_space(os_name) > sizeof message)
        code = SHMAP_ENAME;
    if (code < 0)
        return shmap__refuse(code);
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

int shmap_region_send(const shmap_region *region, int access, intptr_t channel,
                      int64_t deadline)
{
    if (region == NULL)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    return shmap__result_meaning(
        send((shmap_region *)(uintptr_t)region, access, channel, deadline),
        sending);
}

/* What came must have come in the way that the token says. */
static int read_message(const char *message, shmap__os_gift *gift,
                        char *os_name)
{
    const int64_t native = gift->native;
    const int way = gift->way;

    if (memchr(message, '\0', SHMAP__OS_MESSAGE) == NULL ||
        !shmap__token_read(message, gift, os_name) || gift->way != way) {
        gift->way = way;
        gift->native = native;
        return SHMAP_ETOKEN;
    }
    if (way == SHMAP__OS_SENT)
        gift->native = native;
    return 0;
}

static shmap__os_status receive(shmap_region **region, intptr_t channel,
                                int64_t deadline,
                                const shmap_region_options *options)
{
    char message[SHMAP__OS_MESSAGE];
    char os_name[SHMAP__OS_MESSAGE];
    shmap__os_gift gift = {0};
    shmap__os_status status =
        shmap__os_receive(channel, message, options->owner, &gift, deadline);
    int code;

    if (status.code < 0)
        return status;
    SHMAP__STOP("receive.received");
    code = read_message(message, &gift, os_name);
    if (code == 0)
        code = check_gift(&gift, os_name, options);
    status =
        code == 0 ? take(region, &gift, os_name, options) : shmap__refuse(code);
    if (status.code < 0)
        shmap__os_drop(&gift);
    return status;
}

int shmap_region_receive(shmap_region **region, intptr_t channel,
                         int64_t deadline, const shmap_region_options *options)
{
    shmap_region_options checked;
    shmap__os_status status;

    if (region == NULL)
        return shmap__result(shmap__refuse(SHMAP_EINVAL));
    status = shmap__region_options_read(&checked, options,
                                        SHMAP__HAS_ACCESS | SHMAP__HAS_OWNER);
    if (status.code < 0)
        return shmap__result(status);
    return shmap__result_meaning(receive(region, channel, deadline, &checked),
                                 receiving);
}
