/* SPDX-License-Identifier: MIT */

/* The beginning and the end of every public call on a synchronisation object.
 */
#ifndef SHMAP_CALL_H
#define SHMAP_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sync/held.h"

/* Return whether a pointer can be that of a synchronisation object. */
static inline bool shmap__is_object(const void *object)
{
    return object != NULL && (uintptr_t)object % 8 == 0;
}

/* Find the calling thread, for a call on an object. Returns 0 or an error. The
 * argument has the name of the variable. */
#define shmap__begin(object, thread) shmap__begin_on(object, #object, thread)

static inline int shmap__begin_on(const void *object, const char *name,
                                  shmap__thread **thread)
{
    int error = SHMAP_EINVAL;

    *thread = NULL;
    if (shmap__is_object(object))
        *thread = shmap__thread_get(&error);
    else
        shmap__remember_misplaced(name);
    return *thread == NULL ? error : 0;
}

/* Check a deadline. Returns 0 or an error. */
static inline int shmap__check_deadline(int64_t deadline)
{
    return shmap__is_duration(deadline) ? shmap__remember_duration() : 0;
}

/* Inside the library 0 often means "not yet". Then this means 0. */
enum { SHMAP__DONE = 1000 };

/* Return a result inside the library as the caller gets it. */
static inline int shmap__outcome(int result)
{
    return result == SHMAP__DONE ? 0 : result;
}

/* Remember what failed. Returns the result as the caller gets it. */
static inline int shmap__end(int result)
{
    return result < 0 ? shmap__result_remembered(result)
                      : shmap__outcome(result);
}

#endif
