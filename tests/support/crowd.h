/* SPDX-License-Identifier: MIT */

/* A crowd: threads of several processes that use an arena's objects in every
 * way, while others may scribble over them, and things of their own elsewhere,
 * which nobody scribbles over. They check all that a call may not do: answer
 * what it does not document, come back late, or write beside the caller's
 * buffer; and that what is healthy works, and that deaths are told of there.
 *
 * All are in one of three phases. In REST they let go of everything, in TRIAL
 * they find that fresh objects work, and in SCRIBBLING they do anything, and
 * some threads end in the midst.
 */
#ifndef SHMAP_TEST_CROWD_H
#define SHMAP_TEST_CROWD_H

#include <uv.h>

#include "scribble.h"

#define USERS      3 /* processes */
#define THREADS    3 /* of each; the last one ends in the midst */
#define PARTIES    (USERS * THREADS)
#define SCRIBBLERS 2
#define TURNS      20 /* with each mutex, in a trial */

/* What is shared and healthy. */

/* Whether a thread has something. */
enum having { NOT = 0, UNSURE, READING, HAVING };

struct thread_board {
    uint64_t arrived; /* in this phase */
    uint64_t call;    /* that it is in, plus 1 */
    uint64_t object;
    uint64_t turns;
    uint64_t mutex; /* enum having, of its own things */
    uint64_t rwlock;
    uint64_t once;
    uint64_t good[ARENA_CALLS]; /* results that are no errors */
    uint64_t bad[ARENA_CALLS];
    struct scribble_hints hints;
};

struct user_board {
    uint64_t failed;
    char failure[256];
    struct thread_board threads[THREADS];
};

/* Objects that nobody scribbles over: each thread's own. */
struct own {
    shmap_mutex mutex;
    shmap_rwlock rwlock;
    shmap_once once;
};

/* What the fresh objects of a round are tried with. */
struct trial {
    uint64_t locked;
    uint64_t written;
    uint64_t gathered;
    uint64_t last;
    uint64_t taken;
    uint64_t begun;
};

struct board {
    uint64_t phase;
    uint64_t until; /* ns; then processes end by themselves */
    uint64_t scribblers_arrived[SCRIBBLERS];
    uint64_t scribbles;
    uint64_t reported; /* healthy things whose owner's death was told */
    uint64_t endings;  /* of threads */
    uint64_t remapped;
    uint64_t crowded; /* SHMAP_ENOLCK from a healthy mutex */
    shmap_mutex shared;
    uint64_t inside;
    struct trial trials[ARENA_COPIES];
    struct own own[USERS][THREADS];
    struct user_board users[USERS];
};

/* Phases follow each other; what one is is its number's remainder. */
enum { REST = 0, TRIAL, SCRIBBLING, PHASE_KINDS };
#define THE_END UINT64_MAX

extern struct board *crowd_board;
extern shmap_region *crowd_arena;

/* A thread, in its own process. */
struct crowd_user {
    uv_thread_t thread;
    unsigned number; /* of its process's threads */
    struct dice dice;
    struct thread_board *board;
    struct own *own;
    /* The arena, mapped twice, and its records once more for reading. */
    struct arena_cell cells[2][ARENA_KINDS];
    struct arena_cell records;
    struct arena_cell buffer; /* at whose end values are read and written */
    bool mapped;
    uint64_t ended; /* it has returned */
};

/* For all processes. */

uint64_t crowd_phase(void);
/* The test is gone, or takes too long. */
bool crowd_is_over(void);
/* Sleep for a moment; end the process if it is over. */
void crowd_nap(void);
/* The deadline of what must come. */
int64_t crowd_late(void);
/* In a role: map the board, which is a region. */
struct board *crowd_join_board(const char *name);
/* A thread has died. Returns which of its things was not as it should be, and
 * what was; *wrong is NULL if all was well. */
const char *crowd_check_after(struct own *own, struct thread_board *dead,
                              const char **wrong);

/* A role. Arguments: board, arena, number, seed. */
int crowd_play_user(int count, char **arguments);

/* The parts of that role. Whatever is wrong ends the process. */

void crowd_failed(const char *format, ...) PRINTF_LIKE(1);
#define crowd_check(condition)                                         \
    do {                                                               \
        if (!(condition))                                              \
            crowd_failed("%s:%d: %s", __FILE__, __LINE__, #condition); \
    } while (0)

void crowd_map_buffer(struct crowd_user *me);
void crowd_map_all(struct crowd_user *me);
/* Map the arena afresh, and so lose all that is held there. */
void crowd_lose_all(struct crowd_user *me);
/* Some object of a kind, through one mapping or the other. */
struct arena_use crowd_choose(struct crowd_user *me, enum arena_kind kind);
/* Returns the result. */
int crowd_do_call(struct crowd_user *me, const struct arena_use *use);

#endif
