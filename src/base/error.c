/* SPDX-License-Identifier: MIT */

/* Results: their names and words, and the remembered facts of a failure. */
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
    SHMAP_ERRORS(ROW) /* then the results that are no errors: */
    {SHMAP_OK, "SHMAP_OK", "done"},
    {SHMAP_CREATED, "SHMAP_CREATED", "done: the region was created"},
    {SHMAP_ALONE, "SHMAP_ALONE",
     "done: no other handle has the file open for writing"},
    {SHMAP_OWNER_DIED, "SHMAP_OWNER_DIED", "done: the owner before has died"},
    {SHMAP_ONCE_YOURS, "SHMAP_ONCE_YOURS",
     "done: this caller must run the initialisation"},
    {SHMAP_LAST, "SHMAP_LAST", "done: the caller was the last to arrive"},
    {SHMAP_YOURS, "SHMAP_YOURS", "done: the repair is the caller's to do"},
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

static void remember_detail(const shmap__os_status *status)
{
    const char *detail = status->detail == NULL ? "" : status->detail;

    switch (status->reason) {
    case SHMAP__OS_NO_ROOM:
        snprintf(last_detail, sizeof last_detail,
                 "asked for %" PRIu64 " bytes, %s has room for %" PRIu64,
                 status->asked, detail, status->room);
        break;
    case SHMAP__OS_OF_USER:
        snprintf(last_detail, sizeof last_detail, "it belongs to user %" PRIu32,
                 status->user);
        break;
    case SHMAP__OS_OF_ACCOUNT:
        snprintf(last_detail, sizeof last_detail, "it belongs to %s", detail);
        break;
    case SHMAP__OS_NULL:
        snprintf(last_detail, sizeof last_detail,
                 "%s: must not be a null pointer", detail);
        break;
    case SHMAP__OS_MISPLACED:
        snprintf(last_detail, sizeof last_detail,
                 "%s: must be an address that is a multiple of 8, and not null",
                 detail);
        break;
    case SHMAP__OS_OTHER_SIZE:
        snprintf(last_detail, sizeof last_detail,
                 "asked for %" PRIu64 " %s, the object has %" PRIu64,
                 status->asked, detail, status->room);
        break;
    default:
        snprintf(last_detail, sizeof last_detail, "%s", detail);
        break;
    }
}

int shmap__result(shmap__os_status status)
{
    if (status.code < 0) {
        last_system_error = status.system;
        remember_detail(&status);
    }
    return status.code;
}

int shmap__remember(shmap__os_status status)
{
    remembered = status;
    return status.code;
}

int shmap__remember_misplaced(const char *argument)
{
    return shmap__remember(
        (shmap__os_status){SHMAP_EINVAL, 0, argument, SHMAP__OS_MISPLACED});
}

shmap__os_status shmap__refuse_duration(void)
{
    return shmap__refuse_because(
        SHMAP_EINVAL, "deadline: this is a duration: pass the moment that "
                      "shmap_after makes of it, SHMAP_TRY or SHMAP_FOREVER");
}

int shmap__remember_duration(void)
{
    return shmap__remember(shmap__refuse_duration());
}

int shmap__remember_because(int code, const char *detail)
{
    return shmap__remember(shmap__refuse_because(code, detail));
}

int shmap__result_remembered(int error)
{
    return shmap__result(remembered.code == error ? remembered
                                                  : shmap__refuse(error));
}
