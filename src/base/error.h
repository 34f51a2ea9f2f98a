/* SPDX-License-Identifier: MIT */

/* How the portable files turn a status into a result. */
#ifndef SHMAP_ERROR_INTERNAL_H
#define SHMAP_ERROR_INTERNAL_H

#include "base/compiler.h"
#include "platform.h"

/* Return a failure that the library itself found, and in words: which argument,
 * and the cure. */
static inline shmap__os_status shmap__refuse(int code)
{
    return (shmap__os_status){code, 0};
}

static inline shmap__os_status shmap__refuse_because(int code,
                                                     const char *detail)
{
    return (shmap__os_status){code, 0, detail};
}

/* The same for an argument of this name that is a null pointer. */
static inline shmap__os_status shmap__refuse_null(const char *argument)
{
    return (shmap__os_status){SHMAP_EINVAL, 0, argument, SHMAP__OS_NULL};
}

/* End a public call: return the status's code, after remembering, if it is an
 * error, the answers of shmap_system_error and shmap_error_detail. */
int shmap__result(shmap__os_status status);

/* Remember a failure of this thread, of which only the code is passed on.
 * Returns the code. */
int shmap__remember(shmap__os_status status);

/* The same with a detail; and that an argument of this name is no address of a
 * synchronisation object, which is SHMAP_EINVAL. */
SHMAP__SLOW_PATH int shmap__remember_because(int code, const char *detail);
SHMAP__SLOW_PATH int shmap__remember_misplaced(const char *argument);

/* Whether a deadline lies in the machine's first second. No call is made so
 * early, so that it is a duration. */
static inline bool shmap__is_duration(int64_t deadline)
{
    return (uint64_t)deadline - 1 < 999999999;
}

/* Refuse such a deadline, which is SHMAP_EINVAL; and remember that. */
shmap__os_status shmap__refuse_duration(void);
SHMAP__SLOW_PATH int shmap__remember_duration(void);

/* End a public call with such a code, or with another error code, which has no
 * detail. */
SHMAP__SLOW_PATH int shmap__result_remembered(int error);

#endif
