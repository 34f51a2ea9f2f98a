/* SPDX-License-Identifier: MIT */

/* A name that a test is about, and what a process that has nothing to do with
 * it finds there.
 */
#ifndef SHMAP_TEST_PLACE_H
#define SHMAP_TEST_PLACE_H

#include "support.h"

struct place {
    char name[NAME_ROOM];
    char os_name[OS_NAME_ROOM];
    int scope;
};

/* A name that nobody else has. label: usually __func__. */
struct place place_make(const char *label, int scope);

/* What open answers. */
int place_open(const struct place *place);

/* The text at the region's start. Asserts that there is one. */
const char *place_read(const struct place *place);

/* The region is there, to open and not to make, and has this text. */
void place_assert_alive(const struct place *place, const char *text);

/* Nobody sees a region; a new one of 20,000 bytes can be made, is all zero, and
 * goes again. */
void place_assert_free(const struct place *place);

/* Another program's region, with the text "foreign"; raw_plant's handle. */
intptr_t place_plant(const struct place *place, uint64_t size, unsigned mode);

/* It is as it was planted. */
void place_assert_planted(const struct place *place, intptr_t handle,
                          uint64_t size, unsigned mode);

/* A puppet that made or opened the region, of 8,192 bytes, and mapped it. */
struct child *place_hold(const struct place *place);

/* Such a puppet was killed. Where the system has leftovers, the region is one
 * now, with the text "dead". */
void place_leave_over(const struct place *place);

#endif
