/* SPDX-License-Identifier: MIT */

/* Semaphores: values and who gets them, by threads and processes. */

#include <limits.h>

#include <uv.h>

#include "calls.h"
#include "puppet.h"
#include "stops.h"

enum { SIDES = 4, EACH = 3000, WAITERS = 5 };

static void *odd(void *object)
{
    return (char *)object + 4;
}

static void test_semaphore__refuses_bad_arguments(void **state)
{
    shmap_semaphore semaphores[2] = {{0}};
    shmap_semaphore before[2];
    uint32_t value = 77;

    (void)state;
    semaphores[0].value_ = 3;
    memcpy(before, semaphores, sizeof before);
    assert_code(shmap_semaphore_post(NULL, 1), SHMAP_EINVAL);
    assert_code(shmap_semaphore_post(odd(semaphores), 1), SHMAP_EINVAL);
    assert_code(shmap_semaphore_post(semaphores, 0), SHMAP_EINVAL);
    assert_code(shmap_semaphore_init(NULL, 1), SHMAP_EINVAL);
    assert_code(shmap_semaphore_init(odd(semaphores), 1), SHMAP_EINVAL);
    assert_code(shmap_semaphore_init(semaphores, SHMAP_SEMAPHORE_MAX + 1),
                SHMAP_EINVAL);
    assert_code(shmap_semaphore_value(NULL, &value), SHMAP_EINVAL);
    assert_code(shmap_semaphore_value(odd(semaphores), &value), SHMAP_EINVAL);
    assert_code(shmap_semaphore_value(semaphores, NULL), SHMAP_EINVAL);
    assert_int_equal(value, 77);
    assert_code(shmap_semaphore_wait(NULL, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_semaphore_wait(odd(semaphores), SHMAP_FOREVER),
                SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(semaphores, before, sizeof before);
}

static void test_semaphore__counts(void **state)
{
    shmap_semaphore semaphore = {0};

    (void)state;
    assert_code(shmap_semaphore_wait(&semaphore, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_semaphore_post(&semaphore, 1), 0);
    assert_code(shmap_semaphore_post(&semaphore, 3), 0);
    for (int i = 0; i < 4; i++)
        assert_code(
            shmap_semaphore_wait(&semaphore, i % 2 == 0 ? 0 : SHMAP_FOREVER),
            0);
    assert_code(shmap_semaphore_wait(&semaphore, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_int_equal(semaphore.value_, 0);
}

static uint32_t value_of(const shmap_semaphore *semaphore)
{
    uint32_t value = UINT32_MAX;

    assert_code(shmap_semaphore_value(semaphore, &value), 0);
    return value;
}

static void test_semaphore__first_value_is_given_once(void **state)
{
    shmap_semaphore semaphore = {0};

    (void)state;
    assert_int_equal(value_of(&semaphore), 0);
    assert_code(shmap_semaphore_init(&semaphore, 2), 0);
    assert_code(shmap_semaphore_init(&semaphore, 5), 0);
    assert_int_equal(value_of(&semaphore), 2);
    assert_code(shmap_semaphore_wait(&semaphore, SHMAP_TRY), 0);
    assert_code(shmap_semaphore_wait(&semaphore, SHMAP_TRY), 0);
    assert_code(shmap_semaphore_wait(&semaphore, SHMAP_TRY), SHMAP_ETIMEDOUT);
    /* Also when nothing of it is left. */
    assert_code(shmap_semaphore_init(&semaphore, 2), 0);
    assert_int_equal(value_of(&semaphore), 0);
    assert_code(shmap_semaphore_wait(&semaphore, SHMAP_TRY), SHMAP_ETIMEDOUT);
}

static void test_semaphore__first_value_can_be_any(void **state)
{
    shmap_semaphore none = {0};
    shmap_semaphore most = {0};

    (void)state;
    assert_code(shmap_semaphore_init(&none, 0), 0);
    assert_code(shmap_semaphore_init(&none, 1), 0);
    assert_int_equal(value_of(&none), 0);
    assert_code(shmap_semaphore_init(&most, SHMAP_SEMAPHORE_MAX), 0);
    assert_int_equal(value_of(&most), SHMAP_SEMAPHORE_MAX);
    assert_code(shmap_semaphore_post(&most, 1), SHMAP_EOVERFLOW);
    assert_code(shmap_semaphore_wait(&most, SHMAP_TRY), 0);
    assert_code(shmap_semaphore_post(&most, 1), 0);
    assert_int_equal(value_of(&most), SHMAP_SEMAPHORE_MAX);
}

static void test_semaphore__first_value_adds_to_what_was_posted(void **state)
{
    shmap_semaphore semaphore = {0};
    shmap_semaphore before;

    (void)state;
    assert_code(shmap_semaphore_post(&semaphore, 3), 0);
    before = semaphore;
    assert_code(shmap_semaphore_init(&semaphore, SHMAP_SEMAPHORE_MAX - 2),
                SHMAP_EOVERFLOW);
    assert_memory_equal(&semaphore, &before, sizeof before);
    assert_code(shmap_semaphore_init(&semaphore, 4), 0);
    assert_int_equal(value_of(&semaphore), 7);
}

static void test_semaphore__does_not_overflow(void **state)
{
    shmap_semaphore semaphore = {0};

    (void)state;
    assert_code(shmap_semaphore_post(&semaphore, SHMAP_SEMAPHORE_MAX + 1),
                SHMAP_EOVERFLOW);
    assert_code(shmap_semaphore_post(&semaphore, UINT32_MAX), SHMAP_EOVERFLOW);
    assert_int_equal(semaphore.value_, 0);
    assert_code(shmap_semaphore_post(&semaphore, SHMAP_SEMAPHORE_MAX), 0);
    assert_code(shmap_semaphore_post(&semaphore, 1), SHMAP_EOVERFLOW);
    assert_int_equal(semaphore.value_, SHMAP_SEMAPHORE_MAX);
    assert_code(shmap_semaphore_wait(&semaphore, SHMAP_TRY), 0);
    assert_code(shmap_semaphore_post(&semaphore, 2), SHMAP_EOVERFLOW);
    assert_code(shmap_semaphore_post(&semaphore, 1), 0);
    assert_int_equal(semaphore.value_, SHMAP_SEMAPHORE_MAX);
}

static void test_semaphore__waits_end_with_their_deadlines(void **state)
{
    static const int64_t past[] = {0, 1000000000, -1, INT64_MIN};
    shmap_semaphore semaphore = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(past); i++)
        assert_code(shmap_semaphore_wait(&semaphore, past[i]), SHMAP_ETIMEDOUT);
    for (int ms = 1; ms <= 256; ms *= 4) {
        int64_t deadline = shmap_after(SHMAP_MS(ms));

        assert_code(shmap_semaphore_wait(&semaphore, deadline),
                    SHMAP_ETIMEDOUT);
        assert_true(shmap_now() >= deadline);
        assert_true(shmap_now() < deadline + 3000000000);
    }
    assert_int_equal(semaphore.value_, 0);
    assert_int_equal(waiters_count(&semaphore.waiters_), 0);
}

/* Threads. */

static shmap_semaphore items;

static void post_all(void *argument)
{
    int *wrong = argument;

    for (int i = 0; i < EACH; i++)
        *wrong += shmap_semaphore_post(&items, 1) != 0;
}

static void take_all(void *argument)
{
    int *wrong = argument;

    for (int i = 0; i < EACH; i++)
        *wrong += shmap_semaphore_wait(&items, deadline_ms(PATIENCE)) != 0;
}

static void test_semaphore__is_exact_among_threads(void **state)
{
    uv_thread_t threads[2 * SIDES];
    int wrong[2 * SIDES] = {0};

    (void)state;
    for (int i = 0; i < 2 * SIDES; i++)
        assert_int_equal(uv_thread_create(&threads[i],
                                          i % 2 == 0 ? post_all : take_all,
                                          &wrong[i]),
                         0);
    for (int i = 0; i < 2 * SIDES; i++) {
        uv_thread_join(&threads[i]);
        assert_int_equal(wrong[i], 0);
    }
    assert_code(shmap_semaphore_wait(&items, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_int_equal(waiters_count(&items.waiters_), 0);
}

/* Whoever is told that its time is over has taken nothing. */
static void take_hastily(void *argument)
{
    struct dice dice = {fresh_seed()};
    uint32_t *taken = argument;

    for (int i = 0; i < EACH; i++) {
        int result =
            shmap_semaphore_wait(&items, shmap_after(dice_roll(&dice, 60000)));

        *taken += result == 0;
    }
}

static void test_semaphore__giving_up_races_with_posting(void **state)
{
    uv_thread_t threads[4];
    uint32_t taken[3] = {0};
    int wrong = 0;
    uint32_t left = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(uv_thread_create(&threads[i], take_hastily, &taken[i]),
                         0);
    assert_int_equal(uv_thread_create(&threads[3], post_all, &wrong), 0);
    for (int i = 0; i < 4; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(wrong, 0);
    while (shmap_semaphore_wait(&items, SHMAP_TRY) == 0)
        left++;
    assert_int_equal(taken[0] + taken[1] + taken[2] + left, EACH);
    assert_int_equal(waiters_count(&items.waiters_), 0);
}

/* Processes. */

static int play_poster(int count, char **arguments)
{
    struct dice dice = {fresh_seed()};
    shmap_semaphore *semaphore;
    uint32_t left = EACH;

    role_check(count == 1);
    semaphore = stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE);
    while (left > 0) {
        uint32_t lot = 1 + dice_roll(&dice, left < 5 ? left : 5);

        role_check_code(shmap_semaphore_post(semaphore, lot), 0);
        left -= lot;
    }
    return 0;
}

static int play_taker(int count, char **arguments)
{
    shmap_semaphore *semaphore;

    role_check(count == 1);
    semaphore = stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE);
    for (int i = 0; i < EACH; i++)
        role_check_code(shmap_semaphore_wait(semaphore, deadline_ms(PATIENCE)),
                        0);
    return 0;
}

static void test_semaphore__is_exact_among_processes(void **state)
{
    struct stage stage;
    shmap_semaphore *semaphore;
    struct child *children[2 * SIDES];

    (void)state;
    stage_make(&stage, __func__, sizeof *semaphore);
    semaphore = stage_at(&stage, 0);
    for (int i = 0; i < 2 * SIDES; i++)
        children[i] =
            child_start(i % 2 == 0 ? "taker" : "poster", stage.name, NULL);
    for (int i = 0; i < 2 * SIDES; i++)
        assert_int_equal(child_wait(children[i], PATIENCE), 0);
    assert_int_equal(semaphore->value_, 0);
    assert_code(shmap_semaphore_wait(semaphore, SHMAP_TRY), SHMAP_ETIMEDOUT);
    stage_end(&stage);
}

/* Processes that wait for the semaphore at the stage's beginning. */
static void waiters_start(struct stage *stage, struct child **waiters)
{
    const shmap_semaphore *semaphore = stage_at(stage, 0);

    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = caller_start(stage);
        child_tell(waiters[i], "semaphore_wait 0 -1");
    }
    assert_eventually(waiters_count(&semaphore->waiters_) == WAITERS);
}

static void waiters_have_it(struct child **waiters)
{
    for (int i = 0; i < WAITERS; i++)
        assert_code(call_result(waiters[i]).code, 0);
}

static void test_semaphore__wakes_as_many_as_were_posted(void **state)
{
    struct stage stage;
    shmap_semaphore *semaphore;
    struct child *waiters[WAITERS];

    (void)state;
    stage_make(&stage, __func__, sizeof *semaphore);
    semaphore = stage_at(&stage, 0);
    waiters_start(&stage, waiters);
    assert_code(shmap_semaphore_post(semaphore, 3), 0);
    assert_eventually(value_of(semaphore) == 0);
    assert_eventually(waiters_count(&semaphore->waiters_) == WAITERS - 3);
    assert_code(shmap_semaphore_wait(semaphore, SHMAP_TRY), SHMAP_ETIMEDOUT);
    /* More than there are waiters: the rest remains. */
    assert_code(shmap_semaphore_post(semaphore, 4), 0);
    waiters_have_it(waiters);
    assert_int_equal(value_of(semaphore), 2);
    stage_end(&stage);
}

static void test_semaphore__thread_that_dies_after_taking_keeps_the_unit(
    void **state)
{
    struct stage stage;
    struct child *taker;

    (void)state;
    stage_make(&stage, __func__, sizeof(shmap_semaphore));
    taker = caller_start(&stage);
    assert_code(shmap_semaphore_post(stage_at(&stage, 0), 2), 0);
    stops_run_into_first(taker, "semaphore.taken", "semaphore_wait 0 -1");
    child_end(taker);
    assert_code(shmap_semaphore_wait(stage_at(&stage, 0), SHMAP_TRY), 0);
    assert_code(shmap_semaphore_wait(stage_at(&stage, 0), SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    stage_end(&stage);
}

static void test_semaphore__thread_that_dies_waiting_takes_nothing(void **state)
{
    static const char *const points[] = {"wait.begun", "wait.entered",
                                         "wait.looked", "wait.woken"};
    struct stage stage;
    shmap_semaphore *semaphore;

    (void)state;
    stage_make(&stage, __func__, sizeof *semaphore);
    semaphore = stage_at(&stage, 0);
    for (size_t i = 0; i < COUNT(points); i++) {
        struct child *taker = caller_start(&stage);

        stops_run_into_first(taker, points[i], "semaphore_wait 0 -1");
        child_end(taker);
        assert_code(shmap_semaphore_post(semaphore, 1), 0);
        assert_code(shmap_semaphore_wait(semaphore, SHMAP_TRY), 0);
        assert_code(shmap_semaphore_wait(semaphore, SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
    }
    stage_end(&stage);
}

static void test_semaphore__first_value_wakes_waiters(void **state)
{
    struct stage stage;
    shmap_semaphore *semaphore;
    struct child *waiters[WAITERS];

    (void)state;
    stage_make(&stage, __func__, sizeof *semaphore);
    semaphore = stage_at(&stage, 0);
    waiters_start(&stage, waiters);
    assert_code(shmap_semaphore_init(semaphore, WAITERS + 1), 0);
    waiters_have_it(waiters);
    assert_int_equal(value_of(semaphore), 1);
    stage_end(&stage);
}

/* One stops in the call; others post and give the value meanwhile. */
static void race_with_init(bool posted, bool given, bool killed)
{
    struct stage stage;
    shmap_semaphore *semaphore;
    struct child *first;

    stage_make(&stage, __func__, sizeof *semaphore);
    semaphore = stage_at(&stage, 0);
    first = caller_start(&stage);
    stops_run_into_first(first, "semaphore.initialising", "semaphore_init 0 4");
    if (posted)
        assert_code(shmap_semaphore_post(semaphore, 1), 0);
    if (given)
        assert_code(shmap_semaphore_init(semaphore, 2), 0);
    if (killed) {
        child_end(first);
        assert_code(shmap_semaphore_init(semaphore, 2), 0);
    } else {
        child_tell(first, "go");
        assert_code(call_result(first).code, 0);
    }
    assert_code(shmap_semaphore_init(semaphore, 9), 0);
    assert_int_equal(value_of(semaphore),
                     (given || killed ? 2 : 4) + (posted ? 1 : 0));
    stage_end(&stage);
}

static void test_semaphore__racing_inits_set_one_first_value(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        race_with_init((i & 1) != 0, (i & 2) != 0, (i & 4) != 0);
}

static void test_semaphore__thread_that_dies_after_initialising_has_initialised(
    void **state)
{
    struct stage stage;
    struct child *first;

    (void)state;
    stage_make(&stage, __func__, sizeof(shmap_semaphore));
    first = caller_start(&stage);
    stops_run_into_first(first, "semaphore.initialised", "semaphore_init 0 4");
    child_end(first);
    assert_code(shmap_semaphore_init(stage_at(&stage, 0), 9), 0);
    assert_int_equal(value_of(stage_at(&stage, 0)), 4);
    stage_end(&stage);
}

static void test_semaphore__value_is_told_in_read_only_views(void **state)
{
    shmap_view view = SHMAP_VIEW_INIT;
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    struct stage stage;

    (void)state;
    stage_make(&stage, __func__, sizeof(shmap_semaphore));
    assert_code(shmap_semaphore_init(stage_at(&stage, 0), 3), 0);
    options.access = SHMAP_ACCESS_READ;
    assert_code(shmap_view_map(&view, stage.region, &options), 0);
    assert_int_equal(value_of(view.data), 3);
    shmap_view_unmap(&view);
    stage_end(&stage);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"poster", play_poster}, {"taker", play_taker}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_semaphore__refuses_bad_arguments),
        cmocka_unit_test(test_semaphore__counts),
        cmocka_unit_test(test_semaphore__first_value_is_given_once),
        cmocka_unit_test(test_semaphore__first_value_can_be_any),
        cmocka_unit_test(test_semaphore__first_value_adds_to_what_was_posted),
        cmocka_unit_test(test_semaphore__first_value_wakes_waiters),
        cmocka_unit_test(test_semaphore__racing_inits_set_one_first_value),
        cmocka_unit_test(
            test_semaphore__thread_that_dies_after_initialising_has_initialised),
        cmocka_unit_test(test_semaphore__value_is_told_in_read_only_views),
        cmocka_unit_test(test_semaphore__does_not_overflow),
        cmocka_unit_test(test_semaphore__waits_end_with_their_deadlines),
        cmocka_unit_test(test_semaphore__is_exact_among_threads),
        cmocka_unit_test(test_semaphore__giving_up_races_with_posting),
        cmocka_unit_test(test_semaphore__is_exact_among_processes),
        cmocka_unit_test(test_semaphore__wakes_as_many_as_were_posted),
        cmocka_unit_test(
            test_semaphore__thread_that_dies_after_taking_keeps_the_unit),
        cmocka_unit_test(
            test_semaphore__thread_that_dies_waiting_takes_nothing),
    };

    stops_enable();
    calls_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
