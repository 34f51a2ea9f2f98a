/* SPDX-License-Identifier: MIT */

/* Regions to hand over, and the ways of handing them over to puppets. */
#ifndef SHMAP_TEST_GIFTS_H
#define SHMAP_TEST_GIFTS_H

#include "attack.h"
#include "place.h"
#include "puppet.h"

#define ALICE 60001
#define BOB   60002

#define SIZE ((size_t)262144)

static shmap_region *const no_region = (shmap_region *)(uintptr_t)8;

static const int kinds[] = {SHMAP_KIND_NAMED, SHMAP_KIND_ANONYMOUS,
                            SHMAP_KIND_FILE};

#define NEEDS_READING_ONLY()         \
    if (!attack_facts()->reads_only) \
    skip_because("reading only cannot be enforced here")

#define NEEDS_USERS()  \
    if (!os_is_root()) \
    skip_because("only root can become other users")

/* A region of some kind, with a view of all of it, which says "hello". */
struct source {
    shmap_region *region;
    shmap_view view;
    char *data;
    struct place place;
    char path[OS_NAME_ROOM];
    int kind;
};
struct source make_source(int kind);
void end_source(struct source *source);

int export_to(shmap_region *region, int access, int64_t target, char *token);

/* The ways of handing over. */
enum way { TO_CHILD = 0, TO_PROCESS, THROUGH_CHANNEL, WAYS };

/* A new puppet gets the region, as its number 0, with a view of it; access is
 * "read", "write" or "". The child is NULL if it does not. */
int hand_over(struct child **child, shmap_region *region, int way,
              const char *word);
/* The same, which must succeed. */
struct child *given(shmap_region *region, int way, const char *word);
/* To this puppet, through a channel. */
int send_to(struct child *child, shmap_region *region, const char *word);
/* A puppet, of whatever user, sends its region 0. */
void assert_sent_by(struct child *child, const char *text);

/* A puppet's answer about its region 0. */
void assert_number(struct child *child, const char *what, int expected);

bool can_read_only(int kind);
/* Whether a named region that is on its way is held: not where that is told by
 * lock files. */
bool holds_before_import(void);

#endif
