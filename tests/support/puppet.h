/* SPDX-License-Identifier: MIT */

/* Puppets: children that do what they are told, one command a line, so that a
 * test with several processes reads from top to bottom.
 *
 *     struct child *a = puppet_start();
 *     assert_code(puppet(a, "create 0 %s 4096", name), 0);
 *     assert_code(puppet(a, "map 0"), 0);
 *     puppet_do(a, "put 0 0 hello");
 *     assert_string_equal(puppet_ask(a, "get 0 0"), "hello");
 *
 * A puppet has regions and views numbered 0 to 7; no argument has spaces. Where
 * [options] stands, these words may follow:
 *     lazy  machine  native  read  write  copy  anybody  system  new  missing
 *     every  everyone_read  everyone  group_read  group  group=GROUP
 *     at=ADDRESS  offset=N  size=N  to=PROCESS  ms=N
 *
 *     create R NAME SIZE [options]          NAME "-" is an anonymous region
 *     open R NAME [options]
 *     open_or_create R NAME SIZE [options]
 *     open_file R PATH SIZE [options]
 *     close R
 *     map V R [options], or map R: view and region of one number
 *     unmap V
 *     flush V                      durably, all of it
 *     reap NAME [options]          NAME "-" is none; says how many
 *     size R, flags R              says the number
 *     put V OFFSET TEXT            writes the text and a NUL
 *     get V OFFSET                 says the text there
 *     load V OFFSET                says the 64-bit number there
 *     store V OFFSET NUMBER
 *     add V OFFSET TIMES           adds 1 that often, each time indivisibly
 *     address V                    says it
 *     probe ADDRESS                says what can be done with it
 *     peek ADDRESS                 says the text there, "" if unreadable
 *     heap TEXT                    says the address of a copy of the text
 *     native R                     says the descriptor or handle
 *     adopt R NATIVE [options]
 *     export R [options]           says a token: for the process to=PROCESS,
 *                                  else for children
 *     unexport R
 *     import R TOKEN [options]
 *     variable NAME R [options]    import what an environment variable has
 *     channel_join C ADDRESS       channels, numbered as regions: channel.h
 *     channel_leave C
 *     send R C [options]           within the time ms=N; PATIENCE
 *     receive R C [options]
 *     seal R SEALS
 *     seals R, access R, kind R    says the number
 *     owner R                      says whose it is
 *     attack R N GIVER             try an attack with a region and the view of
 *                                  the same number; says the result: attack.h
 *     inheritable R                says 1 if its handle is
 *     handles                      says how many are open
 *     become USER, drop USER       see os_become_user and os_drop_to_user
 *     hide                         see os_hide_process; SHMAP_ENOTSUP
 *     limit BYTES                  see os_limit_file_size; SHMAP_ENOTSUP
 *     said                         says shmap_system_error()
 *     detail                       says shmap_error_detail()
 *     fork                         and from then on
 *     child COMMAND                is obeyed by the forked child
 *     orphan                       forget the child; it lives on
 *     spawn                        start a puppet of its own, and from then on
 *     grand COMMAND                is obeyed by that
 *     wait, kill                   for the forked child; says its exit code
 *     exec                         become a program that sleeps
 *     die                          as if killed
 *     exit CODE                    without closing anything
 *
 * and, in programs that called stops_enable:
 *
 *     stop POINT N                 stop at the Nth pass of a stop point: the
 *                                  puppet says "stopped POINT" and waits for
 *                                  the line "go", or "go POINT N" to be
                                  stopped again
 *     record                       start recording the points passed
 *     passed                       says them, with spaces between
 */
#ifndef SHMAP_TEST_PUPPET_H
#define SHMAP_TEST_PUPPET_H

#include "support.h"

struct child *puppet_start(void);
/* One that has become another user: see os_become_user. */
struct child *puppet_start_as(unsigned user);

/* Give a command, and wait for the result. */
int puppet(struct child *puppet, const char *format, ...) PRINTF_LIKE(2);

/* Give a command that answers with text, valid until the next line is read
 * from this puppet. Asserts that it could do it. */
const char *puppet_ask(struct child *puppet, const char *format, ...)
    PRINTF_LIKE(2);

/* Give a command that must succeed. */
#define puppet_do(...) assert_true(puppet(__VA_ARGS__) >= 0)

/* The result of a command that was given with child_tell, of which nothing was
 * read yet. */
int puppet_result(struct child *puppet);

/* End a puppet: by the end of its input; it closes nothing. */
void puppet_end(struct child *puppet);

/* The role. */
int puppet_play(int count, char **arguments);

/* Further commands, from stops.c: returns false if it has no such one. */
extern bool (*puppet_more)(int count, char **words, const char **text);
/* The streams that this puppet, or the forked child of one, listens to. */
extern FILE *puppet_in;
extern FILE *puppet_out;

#endif
