/* SPDX-License-Identifier: MIT */

/* Stop points: the hook. Only in the library that tests link. */
#include "base/stop.h"

#include <stddef.h>

void (*shmap__stop_hook)(const char *point) = NULL;
bool shmap__stop_own_channels = true;
