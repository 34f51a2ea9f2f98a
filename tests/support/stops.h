/* SPDX-License-Identifier: MIT */

/* Stop points, for programs that link the library built with them. */
#ifndef SHMAP_TEST_STOPS_H
#define SHMAP_TEST_STOPS_H

#include "support.h"

/* Call it before test_main: puppets then know the commands about stop points.
 */
void stops_enable(void);

/* One pass of a stop point, the first being 1. */
struct stop {
    char point[40];
    unsigned pass;
};

/* Ask a puppet that was told to record for the stops it passed, in order. */
size_t stops_passed(struct child *puppet, struct stop *stops, size_t room);

/* Let a puppet run into a stop: give it a command, of which the result is read
 * with puppet_result after it was told to go on. */
void stops_run_into(struct child *puppet, const struct stop *stop,
                    const char *command);
/* The same for a point's first pass. */
void stops_run_into_first(struct child *puppet, const char *point,
                          const char *command);

#endif
