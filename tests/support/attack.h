/* SPDX-License-Identifier: MIT */

/* What somebody can try who was given a region for reading only, and what the
 * tests of handing over have to know of a system. posix and win32 hold it, in
 * attack.c.
 */
#ifndef SHMAP_TEST_ATTACK_H
#define SHMAP_TEST_ATTACK_H

#include "support.h"

/* What an attacker has: a region and a view of it, both for reading, and the
 * number of the process that gave the region, or 0. */
struct attack_on {
    intptr_t native;
    char *data;
    size_t size;
    int giver;
};

enum attack_result {
    ATTACK_ABSENT = 0, /* there is no such way here */
    ATTACK_REFUSED,
    ATTACK_WORKED /* something was written, or could have been */
};

/* Each is a way to write ATTACK_TEXT at the region's start, through the
 * system's own calls, in the attacker's own process. */
#define ATTACK_TEXT "HACKED"
size_t attack_count(void);
const char *attack_name(size_t index);
enum attack_result attack_try(size_t index, const struct attack_on *on);
/* Whether it works on what was handed over for writing. */
bool attack_is_able(size_t index);

/* Ways to change the size. */
bool attack_cut(intptr_t native);
bool attack_extend(intptr_t native, uint64_t size);

/* Facts about handing over and sealing. */
struct attack_facts {
    bool reads_only;  /* anonymous regions can be handed over for reading */
    bool takes_turns; /* the others' handles cannot write any more then */
    bool must_live;   /* what is for a process is taken from the exporter */
    unsigned seals;   /* that can be asked for, at a time when nobody else has
                         the region */
    unsigned first_seals; /* that anonymous regions have from the beginning */
};
const struct attack_facts *attack_facts(void);

/* Things that are no regions, with inheritable handles. */
enum attack_thing {
    ATTACK_DIRECTORY = 0,
    ATTACK_FIFO,
    ATTACK_SOCKET,
    ATTACK_TERMINAL,
    ATTACK_EVENT,
    ATTACK_THINGS
};
/* -1 where there is none. raw_close closes it. */
intptr_t attack_make_thing(enum attack_thing thing);
/* identify.c: what tokens say of an object that they take for this kind; false
 * where that cannot be known. */
bool attack_identify(intptr_t native, int kind, uint64_t identity[2]);
/* Have a standard stream (0 to 2) be this file; false where that has no
 * number. */
bool attack_be_stream(int stream, const char *path);

/* A handle of a file that this process need not be allowed to open, with which
 * nothing can be done but to say which file it means; -1 where there is none.
 */
intptr_t attack_look_at(const char *path);
/* Let go of all the locks that the handle's description has. */
bool attack_drop_locks(intptr_t native);

/* Nameless memory that can be sealed, or cannot; -1 where there is no such
 * difference. */
intptr_t attack_memory(uint64_t size, bool sealable);

/* An environment variable, for the children. */
bool attack_set_variable(const char *name, const char *value);

/* The number of a process that does not exist. */
int64_t attack_no_process(void);
/* Whether a process that was killed has let go of everything. */
bool attack_is_gone(int process);

#endif
