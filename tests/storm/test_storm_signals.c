/* SPDX-License-Identifier: MIT */

/* Kill storms on events, semaphores and barriers: what is there once is had by
 * one, nothing is lost but what the dead had, and nobody hangs. */

#include "storm.h"

enum entry { PHASE = 0 };
enum phase { OUTSIDE = 0, TAKING, HAVING, GIVING };

/* Whether the dead had one for certain, and whether that can be. */
static bool had_one(const struct storm_death *death)
{
    static const char *const taken[] = {"event.taken", "semaphore.taken"};
    if (death->journal[PHASE] == HAVING)
        return true;
    for (size_t i = 0; i < COUNT(taken); i++)
        if (death->point != NULL && strcmp(death->point, taken[i]) == 0)
            return true;
    return false;
}

static bool may_have_had_one(const struct storm_death *death)
{
    return death->journal[PHASE] != OUTSIDE;
}

/* What is there now, taken, with what was put back for the dead already. */
static void check_sum(uint64_t found, uint64_t all,
                      const struct storm_death *deaths, size_t count)
{
    uint64_t uncertain = 0;
    for (size_t i = 0; i < count; i++)
        uncertain += !had_one(&deaths[i]) && may_have_had_one(&deaths[i]);
    if (found > all || found + uncertain < all)
        storm_fail("%d are there, should be %d, but for %d at most", (int)found,
                   (int)all, (int)uncertain);
}

/* Waits that were long enough for anything. */
static void check_waits(uint64_t *given_up, uint64_t found, uint64_t least)
{
    if (*given_up != 0 && found >= least)
        storm_fail("a wait gave up though nothing was missing");
    *given_up = 0;
}

/* Event: a ball that one has at a time, and a door which some of those shut for
 * a while. */

struct game {
    shmap_event ball;
    shmap_event door;
    uint64_t owner; /* the stamp of who has the ball */
    uint64_t given_up;
};

static void start_game(void)
{
    struct game *game = storm_data;
    if (dice_roll(&storm_dice, 2) == 0)
        game->ball.spin_ns = game->door.spin_ns = SHMAP_SPIN_NEVER;
    shmap_event_set(&game->ball);
    shmap_event_set(&game->door);
}

/* What this wait was for did not come. */
static bool gave_up(uint64_t *given_up, int result)
{
    if (result == 0)
        return false;
    if (result != SHMAP_ETIMEDOUT)
        storm_fail("a wait is %s", shmap_error_name(result));
    if (storm_is_patient())
        memory_add(given_up, 1);
    return true;
}

static bool pass_door(struct game *game)
{
    return !gave_up(&game->given_up,
                    shmap_event_wait(&game->door, storm_deadline()));
}

static void have_ball(struct game *game)
{
    uint64_t before = memory_load(&game->owner);
    bool shuts = dice_roll(&storm_dice, 4) == 0;
    if (before != 0 && !storm_is_dead(before))
        storm_fail("two have the ball");
    memory_store(&game->owner, storm_stamp());
    if (shuts)
        storm_check(shmap_event_reset(&game->door) == 0);
    storm_dawdle();
    storm_point("test.having");
    storm_check(shmap_event_set(&game->door) == 0);
    if (memory_load(&game->owner) != storm_stamp())
        storm_fail("somebody else had the ball");
}

static bool play(void)
{
    struct game *game = storm_data;
    if (dice_roll(&storm_dice, 4) == 0)
        pass_door(game);
    storm_journal(PHASE, TAKING);
    if (gave_up(&game->given_up,
                shmap_event_take(&game->ball, storm_deadline()))) {
        storm_journal(PHASE, OUTSIDE);
        return false;
    }
    storm_journal(PHASE, HAVING);
    have_ball(game);
    storm_journal(PHASE, GIVING);
    memory_store(&game->owner, 0);
    storm_check(shmap_event_set(&game->ball) == 0);
    storm_journal(PHASE, OUTSIDE);
    storm_dawdle();
    return true;
}

static void replace_ball(const struct storm_death *death)
{
    struct game *game = storm_data;
    if (had_one(death))
        shmap_event_set(&game->ball);
}

static void check_game(const struct storm_death *deaths, size_t count)
{
    struct game *game = storm_data;
    uint64_t found = shmap_event_take(&game->ball, SHMAP_TRY) == 0;
    check_sum(found, 1, deaths, count);
    check_waits(&game->given_up, found, 1);
    storm_check(game->owner == 0 || storm_is_dead(game->owner));
    game->owner = 0;
    shmap_event_set(&game->ball);
    shmap_event_set(&game->door);
}

static const char *const event_points[] = {
    "event.set",    "event.taken", "test.having",      "wait.begun",
    "wait.entered", "wait.looked", "wait.woken",       "wait.left",
    "wake.counted", "wake.woken",  "?wake.taken_back", NULL};

static const struct storm event_storm = {.name = "event",
                                         .points = event_points,
                                         .size = sizeof(struct game),
                                         .start = start_game,
                                         .work = play,
                                         .died = replace_ball,
                                         .settled = check_game,
                                         .needs_all = true};

static void test_storm__event(void **state)
{
    (void)state;
    storm_run(&event_storm);
}

/* Semaphore: two units. */

#define UNITS 2

struct store {
    shmap_semaphore semaphore;
    uint64_t having;
    uint64_t given_up;
};

static void start_store(void)
{
    struct store *store = storm_data;
    if (dice_roll(&storm_dice, 2) == 0)
        store->semaphore.spin_ns = SHMAP_SPIN_NEVER;
    shmap_semaphore_post(&store->semaphore, UNITS);
}

static bool borrow(void)
{
    struct store *store = storm_data;
    storm_journal(PHASE, TAKING);
    if (gave_up(&store->given_up,
                shmap_semaphore_wait(&store->semaphore, storm_deadline()))) {
        storm_journal(PHASE, OUTSIDE);
        return false;
    }
    if (memory_add(&store->having, 1) >= UNITS)
        storm_fail("more were taken than are there");
    storm_journal(PHASE, HAVING);
    storm_dawdle();
    storm_point("test.having");
    storm_journal(PHASE, GIVING);
    memory_add(&store->having, UINT64_MAX);
    storm_check(shmap_semaphore_post(&store->semaphore, 1) == 0);
    storm_journal(PHASE, OUTSIDE);
    storm_dawdle();
    return true;
}

static void replace_unit(const struct storm_death *death)
{
    struct store *store = storm_data;
    if (!had_one(death))
        return;
    if (death->journal[PHASE] == HAVING)
        memory_add(&store->having, UINT64_MAX);
    shmap_semaphore_post(&store->semaphore, 1);
}

static void check_store(const struct storm_death *deaths, size_t count)
{
    struct store *store = storm_data;
    uint64_t found = 0;
    while (shmap_semaphore_wait(&store->semaphore, SHMAP_TRY) == 0)
        ++found;
    check_sum(found, UNITS, deaths, count);
    check_waits(&store->given_up, found, 1);
    store->having = 0;
    shmap_semaphore_post(&store->semaphore, UNITS);
}

static const char *const semaphore_points[] = {
    "semaphore.posted", "semaphore.taken", "test.having",      "wait.begun",
    "wait.entered",     "wait.looked",     "wait.woken",       "wait.left",
    "wake.counted",     "wake.woken",      "?wake.taken_back", NULL};

static const struct storm semaphore_storm = {.name = "semaphore",
                                             .points = semaphore_points,
                                             .size = sizeof(struct store),
                                             .start = start_store,
                                             .work = borrow,
                                             .died = replace_unit,
                                             .settled = check_store,
                                             .needs_all = true};

static void test_storm__semaphore(void **state)
{
    (void)state;
    storm_run(&semaphore_storm);
}

/* Barrier. Who dies at it has arrived, or has not. */

struct meeting {
    shmap_barrier barrier;
    uint64_t met;    /* arrivals that were told that all are there */
    uint64_t rounds; /* those that were told that they came last */
    uint64_t lost;   /* deaths at the barrier */
};

static void start_meeting(void)
{
    struct meeting *meeting = storm_data;
    if (dice_roll(&storm_dice, 2) == 0)
        meeting->barrier.spin_ns = SHMAP_SPIN_NEVER;
}

/* If somebody is missing, there is nothing to wait for. */
static int64_t meeting_deadline(void)
{
    if (storm_is_patient() && dice_roll(&storm_dice, 2) == 0)
        return shmap_after(SHMAP_MS(250));
    if (storm_has_killed())
        return storm_soon();
    return shmap_after(4000000 + (int64_t)dice_roll(&storm_dice, 8000000));
}

static bool meet(void)
{
    struct meeting *meeting = storm_data;
    int64_t deadline = meeting_deadline();
    int result;

    storm_dawdle();
    storm_journal(PHASE, TAKING);
    result = shmap_barrier_wait(&meeting->barrier, STORM_WORKERS, deadline);
    if (result == SHMAP_LAST)
        memory_add(&meeting->rounds, 1);
    if (result == 0 || result == SHMAP_LAST)
        memory_add(&meeting->met, 1);
    storm_journal(PHASE, OUTSIDE);
    if (result != 0 && result != SHMAP_LAST && result != SHMAP_ETIMEDOUT)
        storm_fail("a wait is %s", shmap_error_name(result));
    if (result == SHMAP_ETIMEDOUT && shmap_now() < deadline)
        storm_fail("a wait gave up early");
    return result != SHMAP_ETIMEDOUT;
}

/* Every round is so many arrivals, each of which was told, or died. */
static void check_meeting(const struct storm_death *deaths, size_t count)
{
    struct meeting *meeting = storm_data;
    for (size_t i = 0; i < count; i++)
        meeting->lost += deaths[i].journal[PHASE] == TAKING;
    storm_check(meeting->rounds * STORM_WORKERS <=
                meeting->met + meeting->lost);
    storm_check(meeting->met <=
                (meeting->rounds + meeting->lost) * STORM_WORKERS);
    if (dice_roll(&storm_dice, 2) == 0)
        memset(meeting, 0, sizeof *meeting);
}

static const char *const barrier_points[] = {
    "barrier.arrived",  "wait.begun", "wait.entered", "wait.looked",
    "wait.woken",       "wait.left",  "wake.counted", "wake.woken",
    "?wake.taken_back", NULL};

static const struct storm barrier_storm = {.name = "barrier",
                                           .points = barrier_points,
                                           .size = sizeof(struct meeting),
                                           .start = start_meeting,
                                           .work = meet,
                                           .settled = check_meeting,
                                           .needs_all = true};

static void test_storm__barrier(void **state)
{
    (void)state;
    storm_run(&barrier_storm);
}

int main(int argc, char **argv)
{
    static const struct storm *const storms[] = {&event_storm, &semaphore_storm,
                                                 &barrier_storm, NULL};
    static const struct CMUnitTest tests[] = {
        storm_test(test_storm__event),
        storm_test(test_storm__semaphore),
        storm_test(test_storm__barrier),
    };
    return storm_main(argc, argv, storms, tests, COUNT(tests));
}
