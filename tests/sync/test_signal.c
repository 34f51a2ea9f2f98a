/* SPDX-License-Identifier: MIT */

/* Signals: what a handler may call does what it does elsewhere, whatever call
 * it interrupts, and wherever. */

#include <errno.h>
#include <signal.h>

#include "base/stop.h"
#include "support.h"
#include "threads.h"

enum { VALUE = 64, SIGNALS = 300, ERRNO = 77 };

static struct objects {
    shmap_event event;
    shmap_semaphore semaphore;
    shmap_mutex mutex;
    shmap_rwlock rwlock;
    shmap_cond cond;
    shmap_once once;
    shmap_barrier barrier;
    SHMAP_ALIGN8 unsigned char record[SHMAP_RECORD_SIZE(VALUE)];
} objects;

/* How many stop points are passed until the signal is raised. */
static unsigned passes;
static volatile sig_atomic_t handled;
static volatile sig_atomic_t wrong;

static void handle(int number)
{
    int before = errno;

    signal(number, handle);
    errno = ERRNO;
    wrong += shmap_event_set(&objects.event) != 0;
    wrong += shmap_semaphore_post(&objects.semaphore, 1) != 0;
    wrong += shmap_event_set(NULL) != SHMAP_EINVAL;
    wrong += shmap_semaphore_post(&objects.semaphore, 0) != SHMAP_EINVAL;
    wrong += shmap_semaphore_post(&objects.semaphore, SHMAP_SEMAPHORE_MAX) !=
             SHMAP_EOVERFLOW;
    wrong += errno != ERRNO;
    errno = before;
    handled++;
}

static void raise_here(const char *point)
{
    (void)point;
    if (passes == 0 || --passes != 0)
        return;
    signal(SIGTERM, handle);
    raise(SIGTERM);
}

static int wait_for_event(void)
{
    return shmap_event_wait(&objects.event, SHMAP_FOREVER);
}

static int take_event(void)
{
    return shmap_event_take(&objects.event, SHMAP_FOREVER);
}

static int take_set_event(void)
{
    objects.event.state_ = 1;
    return shmap_event_take(&objects.event, SHMAP_FOREVER);
}

static int wait_for_semaphore(void)
{
    return shmap_semaphore_wait(&objects.semaphore, SHMAP_FOREVER);
}

static int wait_for_posted(void)
{
    objects.semaphore.value_ = 1;
    return shmap_semaphore_wait(&objects.semaphore, SHMAP_FOREVER);
}

/* One that waited has died. */
static void register_dead(shmap_waiters *waiters)
{
    waiters->who_ = 1 << 16 | 1;
}

static int set_event(void)
{
    register_dead(&objects.event.waiting_);
    register_dead(&objects.event.taking_);
    return shmap_event_set(&objects.event);
}

static int post_semaphore(void)
{
    register_dead(&objects.semaphore.waiters_);
    return shmap_semaphore_post(&objects.semaphore, 1);
}

static int use_mutex(void)
{
    int locked = shmap_mutex_lock(&objects.mutex, SHMAP_FOREVER);

    return locked != 0 ? locked : shmap_mutex_unlock(&objects.mutex);
}

static int use_rwlock(void)
{
    int result = shmap_rwlock_read_lock(&objects.rwlock, SHMAP_FOREVER);

    if (result == 0)
        result = shmap_rwlock_unlock(&objects.rwlock);
    if (result == 0)
        result = shmap_rwlock_write_lock(&objects.rwlock, SHMAP_FOREVER);
    return result != 0 ? result : shmap_rwlock_unlock(&objects.rwlock);
}

static int use_cond(void)
{
    int result = shmap_mutex_lock(&objects.mutex, SHMAP_FOREVER);

    if (result == 0)
        result = shmap_cond_wait(&objects.cond, &objects.mutex,
                                 shmap_after(SHMAP_MS(1)));
    if (result == 0 || result == SHMAP_ETIMEDOUT)
        result = shmap_mutex_unlock(&objects.mutex);
    return result != 0 ? result : shmap_cond_signal(&objects.cond);
}

static int use_once(void)
{
    int result = shmap_once_begin(&objects.once, SHMAP_FOREVER);

    return result != SHMAP_ONCE_YOURS ? result
                                      : shmap_once_commit(&objects.once);
}

static int use_barrier(void)
{
    int result = shmap_barrier_wait(&objects.barrier, 1, SHMAP_FOREVER);

    return result == SHMAP_LAST ? 0 : result;
}

static int use_record(void)
{
    shmap_record *record = (void *)objects.record;
    unsigned char value[VALUE] = {0};
    int result = shmap_record_write(record, value, VALUE);

    return result != 0 ? result : shmap_record_read(record, value, VALUE, NULL);
}

static int use_region(void)
{
    char name[NAME_ROOM];
    shmap_region *region;
    shmap_view view;
    int result;

    unique_name(name, "signal");
    result = shmap_region_create(&region, name, 4096, NULL);
    if (result != 0)
        return result;
    result = shmap_view_map(&view, region, NULL);
    if (result == 0)
        shmap_view_unmap(&view);
    shmap_region_close(region);
    return result;
}

/* A call; how many stop points of it to look at at most, for those that go on
 * until the signal comes; and how many events and units there are after it. */
struct interrupted {
    const char *name;
    int (*call)(void);
    unsigned most;
    int events;
    int units;
};

static const struct interrupted calls[] = {
    {"shmap_event_wait", wait_for_event, 6, 1, 1},
    {"shmap_event_take", take_event, 6, 0, 1},
    {"shmap_event_take of a set one", take_set_event, 99, 1, 1},
    {"shmap_semaphore_wait", wait_for_semaphore, 6, 1, 0},
    {"shmap_semaphore_wait with a unit", wait_for_posted, 99, 1, 1},
    {"shmap_event_set", set_event, 99, 1, 1},
    {"shmap_semaphore_post", post_semaphore, 99, 1, 2},
    {"a mutex", use_mutex, 99, 1, 1},
    {"a rwlock", use_rwlock, 99, 1, 1},
    {"a cond", use_cond, 99, 1, 1},
    {"a once", use_once, 99, 1, 1},
    {"a barrier", use_barrier, 99, 1, 1},
    {"a record", use_record, 99, 1, 1},
    {"a region", use_region, 99, 1, 1},
};

static void expect_left(const struct interrupted *interrupted)
{
    int events = shmap_event_take(&objects.event, SHMAP_TRY) == 0;
    int units = 0;

    while (shmap_semaphore_wait(&objects.semaphore, SHMAP_TRY) == 0)
        units++;
    assert_int_equal(events, interrupted->events);
    assert_int_equal(units, interrupted->units);
}

/* The signal comes at the nth stop point. Returns false if there is none. */
static bool interrupt(const struct interrupted *interrupted, unsigned n)
{
    int result;

    memset(&objects, 0, sizeof objects);
    handled = wrong = 0;
    passes = n;
    shmap__stop_hook = raise_here;
    result = interrupted->call();
    shmap__stop_hook = NULL;
    if (result != 0 || wrong != 0)
        fail_msg("%s, point %u: %s, %d wrong", interrupted->name, n,
                 shmap_error_name(result), (int)wrong);
    if (handled == 0)
        return false;
    expect_left(interrupted);
    return true;
}

static void test_signal__handler_interrupts_any_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        unsigned n = 1;

        while (n <= calls[i].most && interrupt(&calls[i], n))
            n++;
        if (n == 1)
            fail_msg("%s has no stop points", calls[i].name);
    }
    signal(SIGTERM, SIG_DFL);
}

static void test_signal__handler_leaves_the_last_error_alone(void **state)
{
    char before[200];
    char path[NAME_ROOM];
    shmap_region *region;
    int system;

    (void)state;
    scratch_path(path, __func__);
    assert_true(shmap_region_open_file(&region, path, 0, NULL) < 0);
    system = shmap_system_error();
    snprintf(before, sizeof before, "%s", shmap_error_detail());
    handled = wrong = 0;
    signal(SIGTERM, handle);
    raise(SIGTERM);
    signal(SIGTERM, SIG_DFL);
    assert_int_equal(handled, 1);
    assert_int_equal(wrong, 0);
    assert_int_equal(shmap_system_error(), system);
    assert_string_equal(shmap_error_detail(), before);
}

/* Waits for units that only a signal's handler posts, as many as told. */
static int play_waiter(int count, char **arguments)
{
    int units = 0;
    int wanted;

    role_check(count == 1);
    wanted = atoi(arguments[0]);
    memset(&objects, 0, sizeof objects);
    signal(SIGTERM, handle);
    say("ready");
    for (int i = 0; i < wanted; i++) {
        role_check_code(wait_for_event(), 0);
        role_check_code(wait_for_semaphore(), 0);
        role_check_code(take_event(), 0);
    }
    signal(SIGTERM, SIG_IGN);
    while (shmap_semaphore_wait(&objects.semaphore, SHMAP_TRY) == 0)
        units++;
    role_check(handled == wanted + units && wrong == 0);
    say("ended");
    return 0;
}

static struct child *start_waiter(const char *wanted)
{
    struct child *waiter = child_start("waiter", wanted, NULL);

    child_expect(waiter, "ready");
    if (!os_ask_to_end(child_pid(waiter)))
        skip_because("this system sends no signals to processes");
    return waiter;
}

static void test_signal__handler_ends_the_wait_of_its_thread(void **state)
{
    struct child *waiter = start_waiter("1");

    (void)state;
    child_expect(waiter, "ended");
    assert_int_equal(child_wait(waiter, PATIENCE), 0);
}

static void test_signal__many_signals_lose_nothing(void **state)
{
    char wanted[8];
    struct child *waiter;
    const char *line;
    int64_t until = patience_until(PATIENCE);

    (void)state;
    snprintf(wanted, sizeof wanted, "%d", SIGNALS);
    waiter = start_waiter(wanted);
    while ((line = child_read_line(waiter, 0)) == NULL && clock_ms() < until)
        os_ask_to_end(child_pid(waiter));
    assert_non_null(line);
    assert_string_equal(line, "ended");
    assert_int_equal(child_wait(waiter, PATIENCE), 0);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"waiter", play_waiter}, {0, 0}};
#define TEST(name) cmocka_unit_test(test_signal__##name)
    static const struct CMUnitTest tests[] = {
        TEST(handler_interrupts_any_call),
        TEST(handler_leaves_the_last_error_alone),
        TEST(handler_ends_the_wait_of_its_thread),
        TEST(many_signals_lose_nothing),
    };
#undef TEST

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
