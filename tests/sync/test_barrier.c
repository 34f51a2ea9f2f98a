/* SPDX-License-Identifier: MIT */

/* Barriers: rounds, and who is missing, by threads and processes. */

#include <inttypes.h>
#include <limits.h>

#include <uv.h>

#include "calls.h"
#include "puppet.h"
#include "stops.h"

enum {
    PARTIES = 16,
    ROUNDS = 100,
    HASTY_ROUNDS = 1500,
    TEAM_THREADS = 20,
    TEAM_ROUNDS = 3 * (TEAM_THREADS - 1)
};

/* What the processes share. */
struct scene {
    shmap_barrier barrier;
    SHMAP_ALIGN8 uint64_t arrived[ROUNDS];
    uint64_t last[ROUNDS];
    uint64_t done[2];
    uint64_t lasts;
};

/* A wait whose deadline passes while it sleeps, on slow machines too: one that
 * is over earlier does not come to the place where a sleeper leaves. */
#define GIVING_UP "barrier_wait 0 2 300"

static void *odd(void *object)
{
    return (char *)object + 4;
}

static unsigned arrived(const shmap_barrier *barrier)
{
    return (unsigned)(memory_load(&barrier->state_) & 0xFFFF);
}

static void test_barrier__refuses_bad_arguments(void **state)
{
    shmap_barrier barriers[2] = {{0}};
    shmap_barrier before[2] = {{0}};

    (void)state;
    assert_code(shmap_barrier_wait(NULL, 1, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_barrier_wait(odd(barriers), 1, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_barrier_wait(barriers, 0, SHMAP_FOREVER), SHMAP_EINVAL);
    assert_code(shmap_barrier_wait(barriers, 65536, SHMAP_FOREVER),
                SHMAP_EINVAL);
    assert_code(shmap_barrier_wait(barriers, 65537, SHMAP_FOREVER),
                SHMAP_EINVAL);
    assert_code(shmap_barrier_wait(barriers, UINT32_MAX, SHMAP_FOREVER),
                SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(barriers, before, sizeof before);
    assert_code(shmap_barrier_wait(barriers, 65535, SHMAP_TRY),
                SHMAP_ETIMEDOUT);
}

static void test_barrier__of_one_is_always_full(void **state)
{
    shmap_barrier barrier = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_code(shmap_barrier_wait(&barrier, 1, i == 0 ? SHMAP_FOREVER : 0),
                    SHMAP_LAST);
}

static void test_barrier__waits_end_with_their_deadlines(void **state)
{
    static const int64_t past[] = {0, 1000000000, -1, INT64_MIN};
    shmap_barrier barrier = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(past); i++)
        assert_code(shmap_barrier_wait(&barrier, 2, past[i]), SHMAP_ETIMEDOUT);
    for (int ms = 1; ms <= 256; ms *= 4) {
        int64_t deadline = shmap_after(SHMAP_MS(ms));

        assert_code(shmap_barrier_wait(&barrier, 2, deadline), SHMAP_ETIMEDOUT);
        assert_true(shmap_now() >= deadline);
        assert_true(shmap_now() < deadline + 3000000000);
    }
    assert_int_equal(arrived(&barrier), 0);
    assert_int_equal(waiters_count(&barrier.waiters_), 0);
}

/* Rounds. Everybody counts itself, waits, and must find all counted. */
static int go_round(struct scene *scene, uint32_t parties)
{
    for (int i = 0; i < ROUNDS; i++) {
        int result;

        memory_add(&scene->arrived[i], 1);
        result =
            shmap_barrier_wait(&scene->barrier, parties, deadline_ms(PATIENCE));
        if (result != 0 && result != SHMAP_LAST)
            return result;
        if (memory_load(&scene->arrived[i]) != parties)
            return SHMAP_ESYSTEM;
        if (result == SHMAP_LAST)
            memory_add(&scene->last[i], 1);
    }
    return 0;
}

static void assert_rounds_were_made(const struct scene *scene, uint32_t parties)
{
    for (int i = 0; i < ROUNDS; i++) {
        assert_true(scene->arrived[i] == parties);
        assert_true(scene->last[i] == 1);
    }
    assert_int_equal(arrived(&scene->barrier), 0);
    assert_int_equal(waiters_count(&scene->barrier.waiters_), 0);
}

static int play_party(int count, char **arguments)
{
    struct scene *scene;

    role_check(count == 2);
    scene = stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE);
    say("ready");
    role_check(hear() != NULL);
    role_check_code(go_round(scene, (uint32_t)atoi(arguments[1])), 0);
    return 0;
}

static void test_barrier__rounds_of_processes(void **state)
{
    static const uint32_t parties[] = {2, 3, 7, PARTIES};

    (void)state;
    for (size_t i = 0; i < COUNT(parties); i++) {
        struct stage stage;
        struct child *children[PARTIES];
        char number[16];

        stage_make(&stage, __func__, sizeof(struct scene));
        snprintf(number, sizeof number, "%" PRIu32, parties[i]);
        for (uint32_t j = 0; j < parties[i]; j++)
            children[j] = child_start("party", stage.name, number, NULL);
        for (uint32_t j = 0; j < parties[i]; j++)
            child_expect(children[j], "ready");
        for (uint32_t j = 0; j < parties[i]; j++)
            child_tell(children[j], "go");
        for (uint32_t j = 0; j < parties[i]; j++)
            assert_int_equal(child_wait(children[j], PATIENCE), 0);
        assert_rounds_were_made(stage_at(&stage, 0), parties[i]);
        stage_end(&stage);
    }
}

struct party {
    uv_thread_t thread;
    struct scene *scene;
    int result;
};

static void go_round_in_a_thread(void *argument)
{
    struct party *party = argument;

    party->result = go_round(party->scene, 4);
}

static void test_barrier__rounds_of_threads(void **state)
{
    static struct scene scene;
    struct party parties[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        parties[i].scene = &scene;
        assert_int_equal(uv_thread_create(&parties[i].thread,
                                          go_round_in_a_thread, &parties[i]),
                         0);
    }
    for (int i = 0; i < 4; i++) {
        uv_thread_join(&parties[i].thread);
        assert_code(parties[i].result, 0);
    }
    assert_rounds_were_made(&scene, 4);
}

/* A round of two: another process and the test. */
static void go_one_round(shmap_barrier *barrier, struct child *other)
{
    child_tell(other, "barrier_wait 0 2 -1");
    assert_eventually(arrived(barrier) == 1);
    assert_code(shmap_barrier_wait(barrier, 2, SHMAP_TRY), SHMAP_LAST);
    assert_code(call_result(other).code, 0);
}

/* Later rounds are over, and one of another size has begun, while a party of
 * the first is still inside its call. */
static void leave_a_round_late(const struct stage *stage, struct child *other,
                               const char *point, int rounds)
{
    shmap_barrier *barrier = stage_at(stage, 0);
    struct child *slow = caller_start(stage);
    bool gave_up = strcmp(point, "wait.left") == 0;

    stops_run_into_first(slow, point,
                         gave_up ? GIVING_UP : "barrier_wait 0 2 -1");
    assert_code(shmap_barrier_wait(barrier, 2, SHMAP_TRY), SHMAP_LAST);
    for (int i = 0; i < rounds; i++)
        go_one_round(barrier, other);
    child_tell(other, "barrier_wait 0 3 -1");
    assert_eventually(arrived(barrier) == 1);
    child_tell(slow, "go");
    assert_code(call_result(slow).code, 0);
    assert_int_equal(arrived(barrier), 1);
    child_tell(slow, "barrier_wait 0 3 -1");
    assert_eventually(arrived(barrier) == 2);
    assert_code(shmap_barrier_wait(barrier, 3, SHMAP_TRY), SHMAP_LAST);
    assert_code(call_result(slow).code, 0);
    assert_code(call_result(other).code, 0);
    child_end(slow);
}

static void test_barrier__later_rounds_pass_a_party_that_is_inside(void **state)
{
    static const char *const points[] = {"barrier.arrived", "wait.looked",
                                         "wait.woken", "wait.left"};
    struct stage stage;
    struct child *other;

    (void)state;
    stage_make(&stage, __func__, sizeof(shmap_barrier));
    other = caller_start(&stage);
    for (size_t i = 0; i < COUNT(points); i++) {
        leave_a_round_late(&stage, other, points[i], 1);
        leave_a_round_late(&stage, other, points[i], 2);
    }
    stage_end(&stage);
}

/* Threads that are in another team, of another size, in each round. The teams'
 * barriers are used round after round and are never zeroed. */
struct teams {
    shmap_barrier whole;
    shmap_barrier team[2];
    SHMAP_ALIGN8 uint64_t arrived[2];
};

struct team_member {
    uv_thread_t thread;
    struct teams *teams;
    uint32_t number;
    int result;
};

static int go_team_round(struct teams *teams, uint32_t number, uint32_t round)
{
    uint32_t cut = 1 + round % (TEAM_THREADS - 1);
    uint32_t team = (number * 7 + round) % TEAM_THREADS < cut ? 0 : 1;
    uint32_t parties = team == 0 ? cut : TEAM_THREADS - cut;
    int result;

    memory_add(&teams->arrived[team], 1);
    result =
        shmap_barrier_wait(&teams->team[team], parties, deadline_ms(PATIENCE));
    if (result >= 0 && memory_load(&teams->arrived[team]) != parties)
        return SHMAP_ESYSTEM;
    if (result >= 0)
        result = shmap_barrier_wait(&teams->whole, TEAM_THREADS,
                                    deadline_ms(PATIENCE));
    if (result == SHMAP_LAST) {
        memory_store(&teams->arrived[0], 0);
        memory_store(&teams->arrived[1], 0);
    }
    if (result >= 0)
        result = shmap_barrier_wait(&teams->whole, TEAM_THREADS,
                                    deadline_ms(PATIENCE));
    return result;
}

static void play_in_teams(void *argument)
{
    struct team_member *member = argument;

    for (uint32_t round = 0; round < TEAM_ROUNDS && member->result >= 0;
         round++)
        member->result = go_team_round(member->teams, member->number, round);
}

static void test_barrier__rounds_of_changing_threads_need_no_zeroing(
    void **state)
{
    static struct teams teams;

    (void)state;
    for (int generation = 0; generation < 3; generation++) {
        struct team_member members[TEAM_THREADS] = {{0}};

        for (uint32_t i = 0; i < TEAM_THREADS; i++) {
            members[i].teams = &teams;
            members[i].number = i;
            assert_int_equal(uv_thread_create(&members[i].thread, play_in_teams,
                                              &members[i]),
                             0);
        }
        for (uint32_t i = 0; i < TEAM_THREADS; i++)
            uv_thread_join(&members[i].thread);
        for (uint32_t i = 0; i < TEAM_THREADS; i++)
            assert_false(SHMAP_FAILED(members[i].result));
    }
    assert_int_equal(arrived(&teams.whole), 0);
    assert_int_equal(arrived(&teams.team[0]), 0);
    assert_int_equal(arrived(&teams.team[1]), 0);
}

/* Giving up. */

static void test_barrier__thread_that_times_out_does_not_count(void **state)
{
    struct stage stage;
    shmap_barrier *barrier;
    struct child *first;
    struct child *second;
    int results[2];

    (void)state;
    stage_make(&stage, __func__, sizeof *barrier);
    barrier = stage_at(&stage, 0);
    first = caller_start(&stage);
    second = caller_start(&stage);
    assert_code(call(first, "barrier_wait 0 3 20").code, SHMAP_ETIMEDOUT);
    assert_code(shmap_barrier_wait(barrier, 3, SHMAP_TRY), SHMAP_ETIMEDOUT);
    child_tell(first, "barrier_wait 0 3 -1");
    assert_eventually(arrived(barrier) == 1);
    assert_code(shmap_barrier_wait(barrier, 3, shmap_after(SHMAP_MS(1))),
                SHMAP_ETIMEDOUT);
    assert_int_equal(arrived(barrier), 1);
    child_tell(second, "barrier_wait 0 3 -1");
    assert_eventually(arrived(barrier) == 2);
    assert_code(shmap_barrier_wait(barrier, 3, SHMAP_TRY), SHMAP_LAST);
    results[0] = call_result(first).code;
    results[1] = call_result(second).code;
    assert_code(results[0], 0);
    assert_code(results[1], 0);
    stage_end(&stage);
}

static void test_barrier__refuses_another_number_of_parties(void **state)
{
    struct stage stage;
    shmap_barrier *barrier;
    struct child *first;
    uint64_t before;

    (void)state;
    stage_make(&stage, __func__, sizeof *barrier);
    barrier = stage_at(&stage, 0);
    first = caller_start(&stage);
    child_tell(first, "barrier_wait 0 2 -1");
    assert_eventually(arrived(barrier) == 1);
    before = memory_load(&barrier->state_);
    assert_code(shmap_barrier_wait(barrier, 1, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_barrier_wait(barrier, 3, SHMAP_FOREVER), SHMAP_EINVAL);
    assert_true(memory_load(&barrier->state_) == before);
    assert_code(shmap_barrier_wait(barrier, 2, SHMAP_TRY), SHMAP_LAST);
    assert_code(call_result(first).code, 0);
    /* The next round can be of another size. */
    assert_code(shmap_barrier_wait(barrier, 3, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_barrier_wait(barrier, 1, SHMAP_TRY), SHMAP_LAST);
    stage_end(&stage);
}

/* Two who give up soon: either both are told that a round was full, or none. */
static int play_hasty(int count, char **arguments)
{
    struct dice dice = {fresh_seed()};
    struct scene *scene;

    role_check(count == 2);
    scene = stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE);
    say("ready");
    role_check(hear() != NULL);
    for (int i = 0; i < HASTY_ROUNDS; i++) {
        int result = shmap_barrier_wait(&scene->barrier, 2,
                                        shmap_after(dice_roll(&dice, 300000)));

        role_check(result == 0 || result == SHMAP_LAST ||
                   result == SHMAP_ETIMEDOUT);
        if (result >= 0)
            memory_add(&scene->done[atoi(arguments[1])], 1);
        if (result == SHMAP_LAST)
            memory_add(&scene->lasts, 1);
    }
    return 0;
}

static void test_barrier__giving_up_races_with_arriving(void **state)
{
    struct stage stage;
    const struct scene *scene;
    struct child *children[2];

    (void)state;
    stage_make(&stage, __func__, sizeof *scene);
    scene = stage_at(&stage, 0);
    children[0] = child_start("hasty", stage.name, "0", NULL);
    children[1] = child_start("hasty", stage.name, "1", NULL);
    for (int i = 0; i < 2; i++)
        child_expect(children[i], "ready");
    for (int i = 0; i < 2; i++)
        child_tell(children[i], "go");
    for (int i = 0; i < 2; i++)
        assert_int_equal(child_wait(children[i], PATIENCE), 0);
    assert_true(scene->done[0] > 0);
    assert_true(scene->done[0] == scene->done[1]);
    assert_true(scene->done[0] == scene->lasts);
    assert_int_equal(arrived(&scene->barrier), 0);
    stage_end(&stage);
}

/* The others came while it was giving up. */
static void test_barrier__being_full_outranks_the_deadline(void **state)
{
    struct stage stage;
    shmap_barrier *barrier;
    struct child *waiter;

    (void)state;
    stage_make(&stage, __func__, sizeof *barrier);
    barrier = stage_at(&stage, 0);
    waiter = caller_start(&stage);
    stops_run_into_first(waiter, "wait.left", GIVING_UP);
    assert_int_equal(arrived(barrier), 1);
    assert_code(shmap_barrier_wait(barrier, 2, SHMAP_TRY), SHMAP_LAST);
    child_tell(waiter, "go");
    assert_code(call_result(waiter).code, 0);
    assert_int_equal(arrived(barrier), 0);
    stage_end(&stage);
}

/* Deaths. */

static void test_barrier__thread_that_dies_waiting_has_arrived(void **state)
{
    static const char *const points[] = {"barrier.arrived", "wait.entered",
                                         "wait.looked", "wait.woken"};
    struct stage stage;
    shmap_barrier *barrier;

    (void)state;
    stage_make(&stage, __func__, sizeof *barrier);
    barrier = stage_at(&stage, 0);
    for (size_t i = 0; i < COUNT(points); i++) {
        struct child *victim = caller_start(&stage);

        stops_run_into_first(victim, points[i], "barrier_wait 0 2 -1");
        child_end(victim);
        assert_code(shmap_barrier_wait(barrier, 2, SHMAP_TRY), SHMAP_LAST);
        assert_code(shmap_barrier_wait(barrier, 2, SHMAP_TRY), SHMAP_ETIMEDOUT);
    }
    stage_end(&stage);
}

static void test_barrier__thread_that_dies_before_arriving_is_missed(
    void **state)
{
    struct stage stage;
    struct child *waiter;
    struct child *victim;
    struct called called;

    (void)state;
    stage_make(&stage, __func__, sizeof(shmap_barrier));
    waiter = caller_start(&stage);
    victim = caller_start(&stage);
    child_tell(waiter, "barrier_wait 0 2 300");
    child_end(victim);
    called = call_result(waiter);
    assert_code(called.code, SHMAP_ETIMEDOUT);
    assert_false(called.early);
    stage_end(&stage);
}

/* The last one dies before it wakes the others. */
static void test_barrier__the_last_one_dies_arriving(void **state)
{
    static const char *const points[] = {"barrier.arrived", "wake.counted"};
    struct stage stage;
    shmap_barrier *barrier;

    (void)state;
    stage_make(&stage, __func__, sizeof *barrier);
    barrier = stage_at(&stage, 0);
    for (size_t i = 0; i < COUNT(points); i++) {
        struct child *waiter = caller_start(&stage);
        struct child *victim = caller_start(&stage);
        struct called called;

        child_tell(waiter, "barrier_wait 0 2 -1");
        assert_eventually(waiters_count(&barrier->waiters_) == 1);
        stops_run_into_first(victim, points[i], "barrier_wait 0 2 -1");
        child_end(victim);
        called = call_result(waiter);
        assert_code(called.code, 0);
        child_end(waiter);
    }
    stage_end(&stage);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"party", play_party}, {"hasty", play_hasty}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_barrier__refuses_bad_arguments),
        cmocka_unit_test(test_barrier__of_one_is_always_full),
        cmocka_unit_test(test_barrier__waits_end_with_their_deadlines),
        cmocka_unit_test(test_barrier__rounds_of_processes),
        cmocka_unit_test(test_barrier__rounds_of_threads),
        cmocka_unit_test(
            test_barrier__later_rounds_pass_a_party_that_is_inside),
        cmocka_unit_test(
            test_barrier__rounds_of_changing_threads_need_no_zeroing),
        cmocka_unit_test(test_barrier__thread_that_times_out_does_not_count),
        cmocka_unit_test(test_barrier__refuses_another_number_of_parties),
        cmocka_unit_test(test_barrier__giving_up_races_with_arriving),
        cmocka_unit_test(test_barrier__being_full_outranks_the_deadline),
        cmocka_unit_test(test_barrier__thread_that_dies_waiting_has_arrived),
        cmocka_unit_test(
            test_barrier__thread_that_dies_before_arriving_is_missed),
        cmocka_unit_test(test_barrier__the_last_one_dies_arriving),
    };

    stops_enable();
    calls_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
