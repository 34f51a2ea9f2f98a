/* SPDX-License-Identifier: MIT */

/* Channels through which regions can be sent, between two processes or two
 * ends in one, and what can be wrong with them. posix and win32 hold it, in
 * channel.c. An end is a descriptor or a HANDLE, -1 for none.
 */
#ifndef SHMAP_TEST_CHANNEL_H
#define SHMAP_TEST_CHANNEL_H

#include "support.h"

enum channel_kind {
    CHANNEL_STREAM = 0, /* bytes */
    CHANNEL_RECORDS,    /* whole messages */
    CHANNEL_KINDS
};

/* Two ends in this process, which wait or do not if a call finds nothing. */
bool channel_pair(intptr_t ends[2], enum channel_kind kind, bool waits);

/* A channel to another process: one listens,
 * at an address of less than NAME_ROOM bytes that is the same text for
 * everybody; the other joins; then the first one accepts, which makes of its
 * end the channel's. Other users may join, too. -1 on failure. */
intptr_t channel_listen(char *address, enum channel_kind kind);
intptr_t channel_join(const char *address);
intptr_t channel_accept(intptr_t listening);

/* Two ends that wait and take whole messages, but none as long as a region's.
 * False where there is no such thing. */
bool channel_small_pair(intptr_t ends[2]);

/* Whether what is sent comes to the process that has the other end, also if
 * another process opened it. */
bool channel_finds_holder(void);

void channel_close(intptr_t end);
/* What the other end sends from now on is refused. False where only closing
 * does that. */
bool channel_stop_reading(intptr_t end);

/* Bytes, or a message, as they are, without waiting. */
bool channel_write(intptr_t end, const void *data, size_t size);
/* With handles of this process. False where there is no such thing. */
bool channel_write_with(intptr_t end, const void *data, size_t size,
                        const intptr_t *handles, size_t count);
/* Until nothing more goes in. */
bool channel_fill(intptr_t end);
/* How many bytes there are to read; they are gone, and what came with them. */
size_t channel_drain(intptr_t end);

/* What is no channel. -1 where there is none. channel_close closes it. */
enum channel_not {
    CHANNEL_NOT_A_FILE = 0,
    CHANNEL_NOT_A_PIPE,   /* one without a second direction */
    CHANNEL_NOT_LOCAL,    /* a socket of the internet */
    CHANNEL_NOT_ONE,      /* datagrams, from whoever sends them */
    CHANNEL_NOT_JOINED,   /* nobody has joined yet */
    CHANNEL_NOT_ACCEPTED, /* the end that listens */
    CHANNEL_NOTS
};
intptr_t channel_make_not(enum channel_not what);

#endif
