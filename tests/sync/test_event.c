/* SPDX-License-Identifier: MIT */

/* Events: set, reset, wait and take, by threads and processes. */

#include <limits.h>

#include <uv.h>

#include "calls.h"
#include "puppet.h"
#include "stops.h"

enum { TAKERS = 8, SETS = 300, TURNS = 2000, WAITERS = 4, RIVAL_SETS = 500 };

/* What the processes share. */
struct scene {
    shmap_event event;
    shmap_event other;
    SHMAP_ALIGN8 uint64_t taken[TAKERS];
    uint64_t turn; /* written by whose turn it is */
};

static void *odd(void *object)
{
    return (char *)object + 4;
}

static void test_event__refuses_bad_pointers(void **state)
{
    shmap_event events[2] = {{0}};
    shmap_event before[2];

    (void)state;
    events[0].state_ = 1;
    memcpy(before, events, sizeof before);
    assert_code(shmap_event_set(NULL), SHMAP_EINVAL);
    assert_code(shmap_event_reset(NULL), SHMAP_EINVAL);
    assert_code(shmap_event_wait(NULL, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_event_take(NULL, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_event_set(odd(events)), SHMAP_EINVAL);
    assert_code(shmap_event_reset(odd(events)), SHMAP_EINVAL);
    assert_code(shmap_event_wait(odd(events), SHMAP_FOREVER), SHMAP_EINVAL);
    assert_code(shmap_event_take(odd(events), SHMAP_FOREVER), SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(events, before, sizeof before);
}

static void test_event__wait_leaves_it_set_and_take_resets(void **state)
{
    shmap_event event = {0};

    (void)state;
    assert_code(shmap_event_wait(&event, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_event_take(&event, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_event_set(&event), 0);
    for (int i = 0; i < 3; i++)
        assert_code(shmap_event_wait(&event, i == 0 ? SHMAP_FOREVER : 0), 0);
    assert_code(shmap_event_take(&event, SHMAP_FOREVER), 0);
    assert_code(shmap_event_take(&event, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_event_wait(&event, SHMAP_TRY), SHMAP_ETIMEDOUT);
}

static void test_event__set_of_a_set_event_changes_nothing(void **state)
{
    shmap_event event = {0};

    (void)state;
    assert_code(shmap_event_set(&event), 0);
    assert_code(shmap_event_set(&event), 0);
    assert_code(shmap_event_take(&event, SHMAP_TRY), 0);
    assert_code(shmap_event_take(&event, SHMAP_TRY), SHMAP_ETIMEDOUT);
}

static void test_event__reset_makes_it_unset(void **state)
{
    shmap_event event = {0};

    (void)state;
    assert_code(shmap_event_reset(&event), 0);
    assert_code(shmap_event_wait(&event, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_event_set(&event), 0);
    assert_code(shmap_event_reset(&event), 0);
    assert_code(shmap_event_wait(&event, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_event_take(&event, SHMAP_TRY), SHMAP_ETIMEDOUT);
}

static void assert_time_is_kept(int (*wait)(shmap_event *, int64_t))
{
    static const int64_t past[] = {0, 1000000000, -1, INT64_MIN};
    shmap_event event = {0};
    int64_t began = shmap_now();

    for (size_t i = 0; i < COUNT(past); i++)
        assert_code(wait(&event, past[i]), SHMAP_ETIMEDOUT);
    assert_code(wait(&event, shmap_now()), SHMAP_ETIMEDOUT);
    assert_true(shmap_now() < began + 1000000000);
    for (int ms = 1; ms <= 256; ms *= 4) {
        int64_t deadline = shmap_after(SHMAP_MS(ms));

        assert_code(wait(&event, deadline), SHMAP_ETIMEDOUT);
        assert_true(shmap_now() >= deadline);
        assert_true(shmap_now() < deadline + 3000000000);
    }
    assert_int_equal(event.state_, 0);
    assert_int_equal(waiters_count(&event.waiting_), 0);
    assert_int_equal(waiters_count(&event.taking_), 0);
}

static void test_event__waits_end_with_their_deadlines(void **state)
{
    (void)state;
    assert_time_is_kept(shmap_event_wait);
    assert_time_is_kept(shmap_event_take);
}

/* Threads. */

struct waiter {
    uv_thread_t thread;
    shmap_event *event;
    int (*wait)(shmap_event *, int64_t);
    int result;
    const int *data; /* written before the event was set */
    int seen;
};

static void wait_for_it(void *argument)
{
    struct waiter *waiter = argument;

    waiter->result = waiter->wait(waiter->event, deadline_ms(PATIENCE));
    waiter->seen = *waiter->data;
}

static void test_event__wakes_all_threads_that_wait(void **state)
{
    static shmap_event event;
    static int data;
    struct waiter waiters[WAITERS];

    (void)state;
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){
            .event = &event, .wait = shmap_event_wait, .data = &data};
        assert_int_equal(
            uv_thread_create(&waiters[i].thread, wait_for_it, &waiters[i]), 0);
    }
    assert_eventually(waiters_count(&event.waiting_) == WAITERS);
    data = 5;
    assert_code(shmap_event_set(&event), 0);
    for (int i = 0; i < WAITERS; i++) {
        uv_thread_join(&waiters[i].thread);
        assert_code(waiters[i].result, 0);
        assert_int_equal(waiters[i].seen, 5);
    }
    assert_int_equal(event.state_, 1);
    assert_int_equal(waiters_count(&event.waiting_), 0);
}

static void test_event__one_thread_takes_each_set(void **state)
{
    static shmap_event event;
    static int data;
    struct waiter takers[WAITERS];

    (void)state;
    for (int i = 0; i < WAITERS; i++) {
        takers[i] = (struct waiter){
            .event = &event, .wait = shmap_event_take, .data = &data};
        assert_int_equal(
            uv_thread_create(&takers[i].thread, wait_for_it, &takers[i]), 0);
    }
    for (unsigned left = WAITERS; left > 0; left--) {
        assert_eventually(waiters_count(&event.taking_) == left);
        assert_code(shmap_event_set(&event), 0);
        assert_eventually(shmap_event_wait(&event, SHMAP_TRY) ==
                          SHMAP_ETIMEDOUT);
        assert_eventually(waiters_count(&event.taking_) == left - 1);
    }
    for (int i = 0; i < WAITERS; i++) {
        uv_thread_join(&takers[i].thread);
        assert_code(takers[i].result, 0);
    }
}

/* Two try at the same moment, again and again. */
struct rival {
    shmap_event event;
    SHMAP_ALIGN8 uint64_t there; /* how often both have come */
    uint64_t taken;
};

static bool meet(struct rival *rival, uint64_t meetings)
{
    int64_t until = deadline_ms(PATIENCE);

    memory_add(&rival->there, 1);
    for (uint64_t looks = 1; memory_load(&rival->there) < 2 * meetings;
         looks++) {
        if (looks % 1024 == 0 && shmap_now() >= until)
            return false;
    }
    return true;
}

static void take_as_rival(void *argument)
{
    struct rival *rival = argument;

    for (uint64_t i = 1; i <= RIVAL_SETS; i++) {
        if (!meet(rival, 2 * i - 1))
            break;
        if (shmap_event_take(&rival->event, SHMAP_TRY) == 0)
            memory_add(&rival->taken, 1);
        if (!meet(rival, 2 * i))
            break;
        shmap_event_set(&rival->event); /* Both: that is one set. */
    }
}

static void test_event__one_of_two_rivals_takes_it(void **state)
{
    static struct rival rival;
    uv_thread_t thread;

    (void)state;
    assert_code(shmap_event_set(&rival.event), 0);
    assert_int_equal(uv_thread_create(&thread, take_as_rival, &rival), 0);
    take_as_rival(&rival);
    uv_thread_join(&thread);
    assert_true(rival.there == 4 * RIVAL_SETS);
    assert_true(rival.taken == RIVAL_SETS);
}

/* Processes. */

/* Take for ever: the test kills it. */
static int play_taker(int count, char **arguments)
{
    role_check(count == 2);
    struct scene *scene = stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE);
    int number = atoi(arguments[1]);

    say("ready");
    for (;;) {
        role_check_code(shmap_event_take(&scene->event, SHMAP_FOREVER), 0);
        memory_add(&scene->taken[number], 1);
    }
    return 0;
}

static uint64_t taken_in_all(const struct scene *scene)
{
    uint64_t sum = 0;

    for (int i = 0; i < TAKERS; i++)
        sum += memory_load(&scene->taken[i]);
    return sum;
}

static void test_event__one_process_takes_each_set(void **state)
{
    struct stage stage;
    struct scene *scene;
    struct child *takers[TAKERS];
    int64_t until;

    (void)state;
    stage_make(&stage, __func__, sizeof *scene);
    scene = stage_at(&stage, 0);
    for (int i = 0; i < TAKERS; i++) {
        char number[16];

        snprintf(number, sizeof number, "%d", i);
        takers[i] = child_start("taker", stage.name, number, NULL);
    }
    for (int i = 0; i < TAKERS; i++)
        child_expect(takers[i], "ready");
    until = patience_until(PATIENCE);
    for (uint64_t sets = 1; sets <= SETS; sets++) {
        assert_code(shmap_event_set(&scene->event), 0);
        while (taken_in_all(scene) < sets)
            assert_true(clock_ms() < until);
    }
    assert_code(shmap_event_wait(&scene->event, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_eventually(waiters_count(&scene->event.taking_) == TAKERS);
    assert_true(taken_in_all(scene) == SETS);
    stage_end(&stage);
}

/* What was written before a set is seen after its take, without more. */
static void take_turns(struct scene *scene, uint64_t first)
{
    shmap_event *mine = first == 0 ? &scene->event : &scene->other;
    shmap_event *yours = first == 0 ? &scene->other : &scene->event;

    for (uint64_t turn = first; turn < TURNS; turn += 2) {
        role_check_code(shmap_event_take(mine, deadline_ms(PATIENCE)), 0);
        role_check(scene->turn == turn);
        scene->turn = turn + 1;
        role_check_code(shmap_event_set(yours), 0);
    }
}

static int play_turns(int count, char **arguments)
{
    role_check(count == 2);
    take_turns(stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE),
               (uint64_t)atoi(arguments[1]));
    return 0;
}

static void test_event__hands_over_what_was_written(void **state)
{
    struct stage stage;
    struct scene *scene;
    struct child *even;
    struct child *uneven;

    (void)state;
    stage_make(&stage, __func__, sizeof *scene);
    scene = stage_at(&stage, 0);
    even = child_start("turns", stage.name, "0", NULL);
    uneven = child_start("turns", stage.name, "1", NULL);
    assert_code(shmap_event_set(&scene->event), 0);
    assert_int_equal(child_wait(even, PATIENCE), 0);
    assert_int_equal(child_wait(uneven, PATIENCE), 0);
    assert_true(scene->turn == TURNS);
    stage_end(&stage);
}

static void test_event__serves_waiters_and_takers(void **state)
{
    struct stage stage;
    shmap_event *event;
    struct child *callers[WAITERS];

    (void)state;
    stage_make(&stage, __func__, sizeof *event);
    event = stage_at(&stage, 0);
    for (int i = 0; i < WAITERS; i++) {
        callers[i] = caller_start(&stage);
        child_tell(callers[i], i < 2 ? "event_take 0 -1" : "event_wait 0 -1");
    }
    assert_eventually(waiters_count(&event->taking_) == 2 &&
                      waiters_count(&event->waiting_) == WAITERS - 2);
    for (unsigned left = 2; left > 0; left--) {
        assert_code(shmap_event_set(event), 0);
        assert_eventually(shmap_event_wait(event, SHMAP_TRY) ==
                          SHMAP_ETIMEDOUT);
        assert_eventually(waiters_count(&event->taking_) == left - 1);
    }
    /* Waiters may have missed those, but not this one, which stays. */
    assert_code(shmap_event_set(event), 0);
    for (int i = 0; i < WAITERS; i++)
        assert_code(call_result(callers[i]).code, 0);
    assert_code(shmap_event_take(event, SHMAP_TRY), 0);
    stage_end(&stage);
}

static void test_event__thread_that_dies_after_taking_has_taken(void **state)
{
    struct stage stage;
    struct child *taker;

    (void)state;
    stage_make(&stage, __func__, sizeof(shmap_event));
    taker = caller_start(&stage);
    assert_code(shmap_event_set(stage_at(&stage, 0)), 0);
    stops_run_into_first(taker, "event.taken", "event_take 0 -1");
    child_end(taker);
    assert_code(shmap_event_take(stage_at(&stage, 0), SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    stage_end(&stage);
}

static void test_event__thread_that_dies_waiting_takes_nothing(void **state)
{
    static const char *const points[] = {"wait.begun", "wait.entered",
                                         "wait.looked", "wait.woken"};
    struct stage stage;
    shmap_event *event;

    (void)state;
    stage_make(&stage, __func__, sizeof *event);
    event = stage_at(&stage, 0);
    for (size_t i = 0; i < COUNT(points); i++) {
        struct child *taker = caller_start(&stage);

        stops_run_into_first(taker, points[i], "event_take 0 -1");
        child_end(taker);
        assert_code(shmap_event_set(event), 0);
        assert_code(shmap_event_take(event, SHMAP_TRY), 0);
        assert_code(shmap_event_take(event, SHMAP_TRY), SHMAP_ETIMEDOUT);
    }
    stage_end(&stage);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"taker", play_taker}, {"turns", play_turns}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__refuses_bad_pointers),
        cmocka_unit_test(test_event__wait_leaves_it_set_and_take_resets),
        cmocka_unit_test(test_event__set_of_a_set_event_changes_nothing),
        cmocka_unit_test(test_event__reset_makes_it_unset),
        cmocka_unit_test(test_event__waits_end_with_their_deadlines),
        cmocka_unit_test(test_event__wakes_all_threads_that_wait),
        cmocka_unit_test(test_event__one_thread_takes_each_set),
        cmocka_unit_test(test_event__one_of_two_rivals_takes_it),
        cmocka_unit_test(test_event__one_process_takes_each_set),
        cmocka_unit_test(test_event__hands_over_what_was_written),
        cmocka_unit_test(test_event__serves_waiters_and_takers),
        cmocka_unit_test(test_event__thread_that_dies_after_taking_has_taken),
        cmocka_unit_test(test_event__thread_that_dies_waiting_takes_nothing),
    };

    stops_enable();
    calls_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
