/* SPDX-License-Identifier: MIT */

/* Explaining: what a failure means in the call that failed. */
#ifndef SHMAP_EXPLAIN_H
#define SHMAP_EXPLAIN_H

#include "platform.h"
#include "region/request.h"

/* Return the status with what its code means in a call, if nothing better is
 * known. */
shmap__os_status shmap__explain(shmap__os_status status, enum shmap__call call);

/* Return the status of a call that asked for `size` bytes of a region with, if
 * there was no room, how much room there is. `os_name` is a file's path. */
shmap__os_status shmap__explain_room(shmap__os_status status, int kind,
                                     const char *os_name, uint64_t size);

#endif
