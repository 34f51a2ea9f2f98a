/* SPDX-License-Identifier: MIT */

/* Hands: threads, in this process or in others, that do with the locks of a
 * region what they are told, so that a test with several reads from top to
 * bottom, and one test serves threads and processes.
 *
 *     struct hand *a = hand_start(HAND_PROCESS);
 *     struct hand *b = hand_start(HAND_THREAD);
 *     hand_do(a, "lock m0 0");
 *     hand_tell(b, "lock m0 -1");
 *     hands_wait_for("m0");
 *     hand_end(a);
 *     assert_code(hand_result(b), SHMAP_OWNER_DIED);
 *
 * Objects are a letter and a number below HANDS_LOCKS: m is a mutex, r a rwlock
 * for reading, w the same for writing, o a once, c a robust mutex of the C
 * library. A deadline is a number of milliseconds, scaled; 0 and less are past,
 * "-" is SHMAP_FOREVER. A view is a number, usually left out: 0.
 *
 *     lock OBJECT DEADLINE [VIEW]
 *     unlock OBJECT [VIEW]          a once: abandon
 *     consistent OBJECT [VIEW]      a once: commit
 *     visit OBJECT                  lock, see that nobody else has it, unlock;
 *                                   the lock's result, SHMAP_EBUSY if one has
 *     attach VIEW, detach VIEW      map the region once more, 1 to 7, or unmap
 *     enter, enter-proc             see os_enter_pid_namespace
 *     next-pid NUMBER               see os_choose_next_pid
 *     lose-proc, lose-others, lose-sys
 *                                   see threads.h; these answer SHMAP_ENOTSUP
 *     fork-sleeper                  see os_fork_sleeper; answers the number
 *     prepare-dump, dump            see os_prepare_dump; dump: no answer
 *     limit NUMBER                  see os_limit_handles
 *     end-thread                    see os_end_thread; no answer
 *     leave                         call exit; no answer
 *     pid                           the process's number, as it sees it
 *
 * A process is a puppet (puppet.h) and knows its commands, too.
 */
#ifndef SHMAP_TEST_HANDS_H
#define SHMAP_TEST_HANDS_H

#include "puppet.h"

enum {
    HANDS_LOCKS = 160,
    HANDS_NUMBERS = 16,
    HANDS_ROBUST = 8,
    HANDS_RACERS = 16
};

/* What is in the region. */
struct shared {
    shmap_mutex mutex[HANDS_LOCKS];
    shmap_rwlock rwlock[HANDS_LOCKS];
    shmap_once once[HANDS_LOCKS];
    SHMAP_ALIGN8 uint64_t robust[HANDS_ROBUST][8];
    SHMAP_ALIGN8 volatile uint64_t number[HANDS_NUMBERS];
};

/* Call it before test_main. */
void hands_enable(void);

/* A fresh region, for the hands that are started until hands_end. Returns it
 * mapped, as view 0 of this process. `path` NULL: in memory. */
struct shared *hands_begin(const char *path);
/* The same region at another address. */
struct shared *hands_shared(int view);
/* What child processes find it by. */
const char *hands_name(void);
/* In a role: map the region of a test. */
struct shared *hands_join(const char *name);
/* End all hands, and let go of the region. */
void hands_end(void);

enum hand_kind { HAND_THREAD = 0, HAND_PROCESS, HAND_KINDS };

struct hand;

/* Ends the test if that fails. */
struct hand *hand_start(enum hand_kind kind);
/* The puppet, of a process. */
struct child *hand_child(struct hand *hand);
/* Do something, and say what came of it. */
int hand(struct hand *hand, const char *format, ...) PRINTF_LIKE(2);
#define hand_do(...) assert_code(hand(__VA_ARGS__), 0)
/* The same in two steps. */
void hand_tell(struct hand *hand, const char *format, ...) PRINTF_LIKE(2);
int hand_result(struct hand *hand);
/* A thread returns, a process is killed; neither unlocks anything. */
void hand_end(struct hand *hand);

/* Wait until somebody is waiting for an object: asleep, or just about to be. */
void hands_wait_for(const char *object);

/* Start a role in so many processes, with the region's name and another word,
 * which may be NULL. Each says "ready", hears "go" once all have, says "done",
 * and ends. */
void hands_race(const char *role, const char *word, int processes);

/* Whether the wait that began at this moment (clock_ms) was over too soon for
 * one that nobody wakes: such a one looks again after 200 ms. A busy machine
 * can make it seem otherwise, so it takes several attempts. */
bool hands_are_prompt(int64_t since);

/* What a hand does, in the calling thread. */
int hands_obey(const char *command);

/* Run a test's body with each kind of hands, each in a region of its own. */
void with_each_kind(void (*body)(struct shared *shared, enum hand_kind kind));

/* The next one to lock a mutex is told of a death; then all is well again. */
void expect_death(shmap_mutex *mutex);
/* Nobody has it, and nobody died with it. */
void expect_life(shmap_mutex *mutex);

/* The nth of all orders of four. */
enum { HANDS_FOUR = 4, HANDS_ORDERS = 24 };
void hands_order(int n, int order[HANDS_FOUR]);

#endif
