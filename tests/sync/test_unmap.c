/* SPDX-License-Identifier: MIT */

/* Unmapping a view while other threads of the process hold locks in it. */

#include <uv.h>

#include "base/stop.h"
#include "hands.h"
#include "place.h"
#include "threads.h"
#include "units.h"

static void expect_busy(const char *command)
{
    assert_code(hands_obey(command), SHMAP_EBUSY);
    assert_true(strlen(shmap_error_detail()) > 0);
    assert_non_null(hands_shared(command[strlen("detach ")] - '0'));
}

/* Another thread holds the object in view 1, and goes on with others. */
static void held_elsewhere(const char *object)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *holder = hand_start(HAND_THREAD);
    bool others = os_robust_make(shared->robust[1], false);

    assert_code(hands_obey("attach 1"), 0);
    hand_do(holder, "lock m7 0");
    assert_true(hand(holder, "lock %s 0 1", object) >= 0);
    expect_busy("detach 1");
    hand_do(holder, "lock m8 0");
    if (others)
        hand_do(holder, "lock c1 0");
    hand_do(holder, "unlock m7");
    hand_do(holder, "unlock m8");
    if (others)
        hand_do(holder, "unlock c1");
    expect_busy("detach 1");
    hand_do(holder, "unlock %s 1", object);
    assert_code(hands_obey("detach 1"), 0);
    hand_do(holder, "lock m8 0");
    hand_end(holder);
    expect_death(&shared->mutex[8]);
    expect_life(&shared->mutex[7]);
    expect_life(&shared->mutex[0]);
    hands_end();
}

static void test_unmap__what_others_hold_is_refused(void **state)
{
    (void)state;
    held_elsewhere("m0");
    held_elsewhere("r0");
    held_elsewhere("w0");
    held_elsewhere("o0");
}

/* A thread that has ended is in nobody's way, and its death is told. */
static void test_unmap__ends_of_holders_make_it_possible(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *holder = hand_start(HAND_THREAD);

    (void)state;
    assert_code(hands_obey("attach 1"), 0);
    hand_do(holder, "lock m0 0 1");
    hand_do(holder, "lock w1 0 1");
    expect_busy("detach 1");
    hand_end(holder);
    assert_code(hands_obey("detach 1"), 0);
    expect_death(&shared->mutex[0]);
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[1], SHMAP_TRY),
                SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[1]), 0);
    hands_end();
}

/* What the thread itself holds there is not in its way; nor is what others hold
 * in other views. */
static void test_unmap__own_locks_are_given_up(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *other = hand_start(HAND_THREAD);

    (void)state;
    assert_code(hands_obey("attach 1"), 0);
    hand_do(other, "lock m1 0");
    hand_do(other, "lock r2 0");
    assert_code(hands_obey("lock m0 0 1"), 0);
    expect_busy("detach 0");
    assert_code(hands_obey("detach 1"), 0);
    expect_death(&shared->mutex[0]);
    hand_do(other, "unlock m1");
    hand_do(other, "unlock r2");
    hands_end();
}

/* A thread inside the call that locks. */
static void test_unmap__waits_for_those_that_lock(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *waiter = hand_start(HAND_THREAD);

    (void)state;
    if (!os_robust_make(shared->robust[0], false)) {
        hands_end();
        skip_because("the system has no list of what a thread locks");
    }
    assert_code(hands_obey("attach 1"), 0);
    assert_code(shmap_mutex_lock(&shared->mutex[0], SHMAP_TRY), 0);
    hand_tell(waiter, "lock m0 - 1");
    hands_wait_for("m0");
    expect_busy("detach 1");
    assert_code(shmap_mutex_unlock(&shared->mutex[0]), 0);
    assert_code(hand_result(waiter), 0);
    expect_busy("detach 1");
    hand_do(waiter, "unlock m0 1");
    assert_code(hands_obey("detach 1"), 0);
    hands_end();
}

/* Threads lock and unlock elsewhere without end. */

static volatile uint64_t busy_end;

static void be_busy(void *argument)
{
    struct shared *shared = argument;

    while (memory_load(&busy_end) == 0) {
        shmap_mutex_lock(&shared->mutex[0], SHMAP_FOREVER);
        shmap_mutex_lock(&shared->mutex[1], SHMAP_FOREVER);
        shmap_mutex_unlock(&shared->mutex[0]);
        shmap_mutex_unlock(&shared->mutex[1]);
        shmap_rwlock_read_lock(&shared->rwlock[2], SHMAP_FOREVER);
        shmap_rwlock_unlock(&shared->rwlock[2]);
    }
}

static void test_unmap__busy_threads_do_not_disturb(void **state)
{
    struct shared *shared = hands_begin(NULL);
    uv_thread_t threads[2];

    (void)state;
    memory_store(&busy_end, 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(uv_thread_create(&threads[i], be_busy, shared), 0);
    for (int i = 0; i < 2000; i++) {
        assert_code(hands_obey("attach 1"), 0);
        assert_code(hands_obey("lock m3 0 1"), 0);
        assert_code(hands_obey("unlock m3 1"), 0);
        assert_code(hands_obey("detach 1"), 0);
    }
    memory_store(&busy_end, 1);
    for (size_t i = 0; i < COUNT(threads); i++)
        uv_thread_join(&threads[i]);
    hands_end();
}

/* Another thread maps a region where the system has just unmapped one, which
 * is to be forgotten. The stop point stands for that thread. */

static struct {
    shmap_region *region;
    shmap_view_options options;
    shmap_view view;
    int result;
} successor;

static void map_there(const char *point)
{
    if (strcmp(point, "view.unmapped") != 0)
        return;
    shmap__stop_hook = NULL;
    successor.result =
        shmap_view_map(&successor.view, successor.region, &successor.options);
}

static int play_locker(int count, char **arguments)
{
    shmap_region *region;
    shmap_view view;

    role_check(count == 1);
    role_check_code(shmap_region_open(&region, arguments[0], NULL), 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    say("%s", shmap_error_name(shmap_mutex_lock(view.data, SHMAP_TRY)));
    shmap_view_unmap(&view);
    shmap_region_close(region);
    return 0;
}

static void test_unmap__place_is_free_for_another_at_once(void **state)
{
    struct place place = place_make(__func__, SHMAP_SCOPE_USER);
    static const shmap_view_options defaults = SHMAP_VIEW_OPTIONS_INIT;
    const size_t size = SHMAP_VIEW_GRANULARITY;
    shmap_region *region;
    shmap_view view;

    (void)state;
    successor.options = defaults;
    successor.options.address = units_reserve(size);
    assert_non_null(successor.options.address);
    units_release(successor.options.address, size);
    assert_code(shmap_region_create(&region, NULL, size, NULL), 0);
    assert_code(shmap_view_map(&view, region, &successor.options), 0);
    if (shmap_mutex_lock(view.data, SHMAP_TRY) == SHMAP_ENOTSUP) {
        shmap_view_unmap(&view);
        shmap_region_close(region);
        skip_because("there are no locks here");
    }
    assert_code(shmap_mutex_unlock(view.data), 0);
    assert_code(shmap_region_create(&successor.region, place.name, size, NULL),
                0);
    successor.result = 1;
    shmap__stop_hook = map_there;
    assert_code(shmap_view_unmap(&view), 0);
    shmap__stop_hook = NULL;
    shmap_region_close(region);
    if (successor.result > 0) {
        shmap_region_close(successor.region);
        skip_because("the library remembers no views here");
    }
    assert_code(successor.result, 0);
    assert_code(shmap_mutex_lock(successor.view.data, SHMAP_TRY), 0);
    child_expect(child_start("locker", place.name, NULL), "SHMAP_ETIMEDOUT");
    assert_code(shmap_mutex_unlock(successor.view.data), 0);
    assert_code(shmap_view_unmap(&successor.view), 0);
    shmap_region_close(successor.region);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"locker", play_locker}, {0, 0}};
#define TEST(name) cmocka_unit_test(test_unmap__##name)
    static const struct CMUnitTest tests[] = {
        TEST(what_others_hold_is_refused),
        TEST(ends_of_holders_make_it_possible),
        TEST(own_locks_are_given_up),
        TEST(waits_for_those_that_lock),
        TEST(busy_threads_do_not_disturb),
        TEST(place_is_free_for_another_at_once),
    };
#undef TEST

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
