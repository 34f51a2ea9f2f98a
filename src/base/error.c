/* SPDX-License-Identifier: MIT */

/* Results: their names and words, and what is remembered of a failure. */
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/compiler.h"

static SHMAP__THREAD_LOCAL int last_system_error;
static SHMAP__THREAD_LOCAL char last_detail[192];
static SHMAP__THREAD_LOCAL shmap__os_status remembered;

typedef struct result_text {
    int number;
    const char *name;
    const char *message;
} result_text;

#define ROW(name, number, message) {number, #name, message},
static const result_text texts[] = {
    SHMAP_ERRORS(ROW) /* then what is not an error: */
    {SHMAP_OK, "SHMAP_OK", "done"},
    {SHMAP_CREATED, "SHMAP_CREATED", "done: the region was created"},
    {SHMAP_ALONE, "SHMAP_ALONE", "done: nobody else has the file open"},
    {SHMAP_OWNER_DIED, "SHMAP_OWNER_DIED", "done: the owner before has died"},
    {SHMAP_ONCE_YOURS, "SHMAP_ONCE_YOURS", "done: it is the caller's to do"},
    {SHMAP_LAST, "SHMAP_LAST", "done: the caller was the last to arrive"},
};
#undef ROW

static const result_text *find(int number)
{
    static const result_text unknown = {0, "SHMAP_E?", "unknown result"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].number == number)
            return &texts[i];
    }
    return &unknown;
}

const char *shmap_error_name(int error)
{
    return find(error)->name;
}

const char *shmap_error_message(int error)
{
    return find(error)->message;
}

const char *shmap_error_detail(void)
{
    return last_detail;
}

int shmap_system_error(void)
{
    return last_system_error;
}

shmap__os_status shmap__refuse(int code)
{
    return (shmap__os_status){code, 0};
}

shmap__os_status shmap__refuse_because(int code, const char *detail)
{
    return (shmap__os_status){code, 0, detail};
}

static void tell(const char *detail)
{
    snprintf(last_detail, sizeof last_detail, "%s", detail);
}

int shmap__result(shmap__os_status status)
{
    if (status.code < 0) {
        last_system_error = status.system;
        tell(status.detail == NULL ? "" : status.detail);
    }
    return status.code;
}

int shmap__remember(shmap__os_status status)
{
    remembered = status;
    return status.code;
}

int shmap__result_remembered(int error)
{
    return shmap__result(remembered.code == error ? remembered
                                                  : shmap__refuse(error));
}

int shmap__result_meaning(shmap__os_status status, const shmap__meaning *list)
{
    shmap__result(status);
    if (status.detail != NULL)
        return status.code;
    for (; status.code < 0 && list->code < 0; list++) {
        if (list->code == status.code)
            tell(list->detail);
    }
    return status.code;
}

static void tell_room(int kind, const char *path, uint64_t size)
{
    uint64_t room;
    const char *where;

    if (shmap__os_room(kind, path, &room, &where))
        snprintf(last_detail, sizeof last_detail,
                 "asked for %" PRIu64 " bytes, %s has room for %" PRIu64, size,
                 where, room);
}

static void tell_owner(const char *os_name)
{
    char owner[sizeof last_detail / 2];

    if (shmap__os_named_owner(os_name, owner, sizeof owner))
        snprintf(last_detail, sizeof last_detail, "it belongs to %s", owner);
}

int shmap__result_of_region(shmap__os_status status, int kind,
                            const char *os_name, uint64_t size)
{
    shmap__result(status);
    if (status.detail != NULL)
        return status.code;
    if (status.code == SHMAP_ENOSPC)
        tell_room(kind, os_name, size);
    else if (status.code == SHMAP_ENOENT && kind == SHMAP_KIND_FILE)
        tell("there is no such file or folder");
    else if (kind == SHMAP_KIND_NAMED && status.code == SHMAP_ETYPE)
        tell("what has the name is no region that was made under it; native "
             "scope opens other programs' memory");
    else if (kind == SHMAP_KIND_NAMED &&
             (status.code == SHMAP_EOWNER || status.code == SHMAP_ESTALE ||
              status.code == SHMAP_EACCES || status.code == SHMAP_EEXIST))
        tell_owner(os_name);
    return status.code;
}
