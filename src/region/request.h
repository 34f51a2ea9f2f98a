/* SPDX-License-Identifier: MIT */

/* Requests: what a call asks for, checked and complete. */
#ifndef SHMAP_REQUEST_H
#define SHMAP_REQUEST_H

#include "platform.h"
#include "region/name.h"

/* The calls that obtain a region, and other calls that explain a failure. */
enum shmap__call {
    SHMAP__CALL_CREATE,
    SHMAP__CALL_CREATE_NAMELESS,
    SHMAP__CALL_OPEN,
    SHMAP__CALL_OPEN_OR_CREATE,
    SHMAP__CALL_OPEN_FILE,
    SHMAP__CALL_ADOPT,
    SHMAP__CALL_IMPORT,
    SHMAP__CALL_RECEIVE,
    SHMAP__CALL_EXPORT,
    SHMAP__CALL_SEND,
    SHMAP__CALL_SEAL,
    SHMAP__CALL_REAP,
    SHMAP__CALL_REAP_ALL
};

typedef struct shmap__request {
    enum shmap__call call;
    shmap__os_request os;
    char space[SHMAP__NAME_SPACE]; /* of `os.os_name`, if it is derived */
} shmap__request;

/* Fill a request from the arguments of a call. `name` is a file's path for
 * OPEN_FILE; calls without a name or a size ignore them. For ADOPT the caller
 * adds `native`, for IMPORT and RECEIVE the gift with its kind, name and
 * access. Returns 0, or which argument is not valid. */
shmap__os_status shmap__request_fill(shmap__request *request,
                                     enum shmap__call call, const char *name,
                                     uint64_t size,
                                     const shmap_region_options *given);

/* Copy options of views, NULL for the defaults, and check them. */
shmap__os_status shmap__view_options_read(shmap_view_options *options,
                                          const shmap_view_options *given);

/* Check the size of a struct that shmap_region_inspect is to fill. */
shmap__os_status shmap__region_info_check(const shmap_region_info *info);

#endif
