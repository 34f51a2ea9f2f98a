/* SPDX-License-Identifier: MIT */

/* Condition variables, by threads and processes. */

#include <limits.h>

#include <uv.h>

#include "calls.h"
#include "puppet.h"
#include "stops.h"

enum { WAITERS = 3, SIDES = 3, EACH = 1500, ROOM = 4 };

/* What the processes share. */
struct scene {
    shmap_mutex mutex;
    shmap_cond cond;
    uint64_t number; /* of signals */
    shmap_cond other;
    /* A queue. Protected by the mutex. */
    uint32_t first;
    uint32_t filled;
    uint32_t queue[ROOM];
    unsigned char got[SIDES * EACH];
};

enum {
    MUTEX = offsetof(struct scene, mutex),
    COND = offsetof(struct scene, cond)
};

static char wait_forever[64];

static struct scene *scene_make(struct stage *stage, const char *label)
{
    snprintf(wait_forever, sizeof wait_forever, "cond_wait %d %d -1", COND,
             MUTEX);
    stage_make(stage, label, sizeof(struct scene));
    return stage_at(stage, 0);
}

static void *odd(void *object)
{
    return (char *)object + 4;
}

static void test_cond__refuses_bad_pointers(void **state)
{
    struct scene scene = {0};
    struct scene before;

    (void)state;
    assert_code(shmap_mutex_lock(&scene.mutex, SHMAP_TRY), 0);
    before = scene;
    assert_code(shmap_cond_wait(NULL, &scene.mutex, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_cond_wait(odd(&scene.cond), &scene.mutex, SHMAP_TRY),
                SHMAP_EINVAL);
    assert_code(shmap_cond_wait(&scene.cond, NULL, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_cond_wait(&scene.cond, odd(&scene.mutex), SHMAP_TRY),
                SHMAP_EINVAL);
    assert_code(shmap_cond_signal(NULL), SHMAP_EINVAL);
    assert_code(shmap_cond_signal(odd(&scene.cond)), SHMAP_EINVAL);
    assert_code(shmap_cond_broadcast(NULL), SHMAP_EINVAL);
    assert_code(shmap_cond_broadcast(odd(&scene.cond)), SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(&scene, &before, sizeof scene);
    assert_code(shmap_mutex_unlock(&scene.mutex), 0);
}

static void wait_without_mutex(void *argument)
{
    struct scene *scene = argument;

    scene->filled = shmap_cond_wait(&scene->cond, &scene->mutex,
                                    SHMAP_FOREVER) == SHMAP_EPERM;
}

static void test_cond__needs_the_mutex(void **state)
{
    static struct scene scene;
    uv_thread_t thread;

    (void)state;
    assert_code(shmap_cond_wait(&scene.cond, &scene.mutex, SHMAP_FOREVER),
                SHMAP_EPERM);
    assert_int_equal(waiters_count(&scene.cond.waiters_), 0);
    assert_code(shmap_mutex_lock(&scene.mutex, SHMAP_TRY), 0);
    assert_int_equal(uv_thread_create(&thread, wait_without_mutex, &scene), 0);
    uv_thread_join(&thread);
    assert_int_equal(scene.filled, 1);
    assert_int_equal(waiters_count(&scene.cond.waiters_), 0);
    /* It is still ours. */
    assert_code(shmap_mutex_lock(&scene.mutex, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_mutex_unlock(&scene.mutex), 0);
}

/* Wait for no signal: waits can end without one. */
static int wait_in_vain(struct scene *scene, int64_t deadline)
{
    int result;

    do {
        result = shmap_cond_wait(&scene->cond, &scene->mutex, deadline);
    } while (result == 0);
    return result;
}

static void test_cond__waits_end_with_their_deadlines(void **state)
{
    static const int64_t past[] = {0, 1000000000, -1, INT64_MIN};
    struct scene scene = {0};

    (void)state;
    assert_code(shmap_mutex_lock(&scene.mutex, SHMAP_TRY), 0);
    for (size_t i = 0; i < COUNT(past); i++)
        assert_code(shmap_cond_wait(&scene.cond, &scene.mutex, past[i]),
                    SHMAP_ETIMEDOUT);
    for (int ms = 1; ms <= 256; ms *= 4) {
        int64_t deadline = shmap_after(SHMAP_MS(ms));

        assert_code(wait_in_vain(&scene, deadline), SHMAP_ETIMEDOUT);
        assert_true(shmap_now() >= deadline);
        assert_true(shmap_now() < deadline + 3000000000);
    }
    assert_int_equal(waiters_count(&scene.cond.waiters_), 0);
    assert_code(shmap_mutex_unlock(&scene.mutex), 0);
}

static void test_cond__remembers_no_signal(void **state)
{
    struct scene scene = {0};

    (void)state;
    assert_code(shmap_cond_signal(&scene.cond), 0);
    assert_code(shmap_cond_broadcast(&scene.cond), 0);
    assert_code(shmap_mutex_lock(&scene.mutex, SHMAP_TRY), 0);
    assert_code(shmap_cond_signal(&scene.cond), 0);
    assert_code(
        shmap_cond_wait(&scene.cond, &scene.mutex, shmap_after(SHMAP_MS(20))),
        SHMAP_ETIMEDOUT);
    assert_code(shmap_mutex_unlock(&scene.mutex), 0);
}

/* A queue, whose items are each had by exactly one. */

static int wait_for(shmap_cond *cond, struct scene *scene)
{
    return shmap_cond_wait(cond, &scene->mutex, deadline_ms(PATIENCE));
}

static int produce(struct scene *scene, uint32_t start)
{
    for (uint32_t i = start; i < start + EACH; i++) {
        int result = shmap_mutex_lock(&scene->mutex, deadline_ms(PATIENCE));

        while (result == 0 && scene->filled == ROOM)
            result = wait_for(&scene->other, scene);
        if (result != 0)
            return result;
        scene->queue[(scene->first + scene->filled++) % ROOM] = i;
        shmap_mutex_unlock(&scene->mutex);
        shmap_cond_signal(&scene->cond);
    }
    return 0;
}

static int consume(struct scene *scene)
{
    for (uint32_t i = 0; i < EACH; i++) {
        int result = shmap_mutex_lock(&scene->mutex, deadline_ms(PATIENCE));

        while (result == 0 && scene->filled == 0)
            result = wait_for(&scene->cond, scene);
        if (result != 0)
            return result;
        scene->got[scene->queue[scene->first]]++;
        scene->first = (scene->first + 1) % ROOM;
        scene->filled--;
        /* This one while it has the mutex. */
        shmap_cond_signal(&scene->other);
        shmap_mutex_unlock(&scene->mutex);
    }
    return 0;
}

static void assert_each_was_had_once(const struct scene *scene)
{
    assert_int_equal(scene->filled, 0);
    for (int i = 0; i < SIDES * EACH; i++)
        assert_int_equal(scene->got[i], 1);
    assert_int_equal(waiters_count(&scene->cond.waiters_), 0);
    assert_int_equal(waiters_count(&scene->other.waiters_), 0);
}

struct worker {
    uv_thread_t thread;
    struct scene *scene;
    uint32_t number;
    int result;
};

static void work(void *argument)
{
    struct worker *worker = argument;

    worker->result = worker->number % 2 == 0
                         ? produce(worker->scene, worker->number / 2 * EACH)
                         : consume(worker->scene);
}

static void test_cond__serves_a_queue_of_threads(void **state)
{
    static struct scene scene;
    struct worker workers[2 * SIDES];

    (void)state;
    for (uint32_t i = 0; i < 2 * SIDES; i++) {
        workers[i] = (struct worker){.scene = &scene, .number = i};
        assert_int_equal(
            uv_thread_create(&workers[i].thread, work, &workers[i]), 0);
    }
    for (int i = 0; i < 2 * SIDES; i++) {
        uv_thread_join(&workers[i].thread);
        assert_code(workers[i].result, 0);
    }
    assert_each_was_had_once(&scene);
}

static int play_producer(int count, char **arguments)
{
    role_check(count == 2);
    role_check_code(produce(stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE),
                            (uint32_t)atoi(arguments[1]) * EACH),
                    0);
    return 0;
}

static int play_consumer(int count, char **arguments)
{
    role_check(count == 2);
    role_check_code(consume(stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE)),
                    0);
    return 0;
}

static void test_cond__serves_a_queue_of_processes(void **state)
{
    struct stage stage;
    const struct scene *scene = scene_make(&stage, __func__);
    struct child *children[2 * SIDES];

    (void)state;
    for (int i = 0; i < 2 * SIDES; i++) {
        char number[16];

        snprintf(number, sizeof number, "%d", i / 2);
        children[i] = child_start(i % 2 == 0 ? "producer" : "consumer",
                                  stage.name, number, NULL);
    }
    for (int i = 0; i < 2 * SIDES; i++)
        assert_int_equal(child_wait(children[i], PATIENCE), 0);
    assert_each_was_had_once(scene);
    stage_end(&stage);
}

/* Waiters. */

static void lock(struct child *caller)
{
    int result = call(caller, "mutex_lock %d %d", MUTEX, PATIENCE).code;

    if (result == SHMAP_OWNER_DIED)
        result = call(caller, "mutex_consistent %d", MUTEX).code;
    assert_code(result, 0);
}

static struct child *waiter_start(const struct stage *stage)
{
    struct child *waiter = caller_start(stage);

    lock(waiter);
    child_tell(waiter, "%s", wait_forever);
    return waiter;
}

static void waiters_start(const struct stage *stage, struct child **waiters)
{
    const struct scene *scene = stage_at(stage, 0);

    for (int i = 0; i < WAITERS; i++)
        waiters[i] = waiter_start(stage);
    assert_eventually(waiters_count(&scene->cond.waiters_) == WAITERS);
}

static void lock_here(struct scene *scene)
{
    assert_code(shmap_mutex_lock(&scene->mutex, deadline_ms(PATIENCE)), 0);
}

static void unlock_here(struct scene *scene)
{
    assert_code(shmap_mutex_unlock(&scene->mutex), 0);
}

static void test_cond__wait_unlocks_the_mutex(void **state)
{
    struct stage stage;
    struct scene *scene = scene_make(&stage, __func__);
    struct child *waiter = waiter_start(&stage);

    (void)state;
    lock_here(scene);
    memory_store(&scene->number, 1);
    assert_code(shmap_cond_signal(&scene->cond), 0);
    unlock_here(scene);
    assert_code(call_result(waiter).code, 0);
    /* It has the mutex. */
    assert_code(shmap_mutex_lock(&scene->mutex, SHMAP_TRY), SHMAP_ETIMEDOUT);
    call_do(waiter, "mutex_unlock %d", MUTEX);
    assert_code(shmap_mutex_lock(&scene->mutex, SHMAP_TRY), 0);
    unlock_here(scene);
    stage_end(&stage);
}

static void test_cond__broadcast_wakes_all(void **state)
{
    struct stage stage;
    struct scene *scene = scene_make(&stage, __func__);
    struct child *waiters[WAITERS];

    (void)state;
    waiters_start(&stage, waiters);
    memory_store(&scene->number, 1);
    assert_code(shmap_cond_broadcast(&scene->cond), 0);
    for (int i = 0; i < WAITERS; i++)
        child_tell(waiters[i], "mutex_unlock %d", MUTEX);
    for (int i = 0; i < WAITERS; i++) {
        assert_code(call_result(waiters[i]).code, 0);
        assert_code(call_result(waiters[i]).code, 0);
    }
    assert_int_equal(waiters_count(&scene->cond.waiters_), 0);
    stage_end(&stage);
}

/* A waiter stops after it unlocked and before it sleeps: signals count from
 * then on. Returns how late it ends. */
static int64_t signal_at(const char *point)
{
    struct stage stage;
    struct scene *scene = scene_make(&stage, __func__);
    struct child *waiter = caller_start(&stage);
    struct called called;
    int64_t signalled;

    scene->cond.spin_ns = SHMAP_SPIN_NEVER;
    lock(waiter);
    stops_run_into_first(waiter, point, wait_forever);
    memory_store(&scene->number, 1);
    assert_code(shmap_cond_signal(&scene->cond), 0);
    signalled = shmap_now();
    child_tell(waiter, "go");
    called = call_result(waiter);
    assert_code(called.code, 0);
    stage_end(&stage);
    return called.ended - signalled;
}

static void test_cond__no_signal_after_unlocking_is_missed(void **state)
{
    static const char *const points[] = {"unlock.stored", "wait.looked"};

    (void)state;
    for (size_t i = 0; i < COUNT(points); i++) {
        int64_t best = INT64_MAX;

        /* At the latest it looks again after 200 ms. */
        for (int j = 0; j < 5 && best > 100000000; j++) {
            int64_t late = signal_at(points[i]);

            best = late < best ? late : best;
        }
        assert_true(best < 100000000);
    }
}

/* Deaths. */

static void test_cond__tells_of_a_dead_owner_until_consistent(void **state)
{
    struct stage stage;
    struct scene *scene = scene_make(&stage, __func__);
    struct child *waiter = waiter_start(&stage);
    struct child *victim = caller_start(&stage);

    (void)state;
    lock(victim);
    call_do(victim, "cond_signal %d", COND);
    child_end(victim);
    assert_code(call_result(waiter).code, SHMAP_OWNER_DIED);
    /* Outranks ETIMEDOUT, and stays. */
    for (int i = 0; i < 2; i++)
        assert_code(
            call(waiter, "cond_wait %d %d %d", COND, MUTEX, i * 20).code,
            SHMAP_OWNER_DIED);
    call_do(waiter, "mutex_unlock %d", MUTEX);
    assert_code(shmap_mutex_lock(&scene->mutex, SHMAP_TRY), SHMAP_OWNER_DIED);
    assert_code(shmap_cond_wait(&scene->cond, &scene->mutex, SHMAP_TRY),
                SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_consistent(&scene->mutex), 0);
    assert_code(shmap_cond_wait(&scene->cond, &scene->mutex, SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    assert_code(shmap_mutex_unlock(&scene->mutex), 0);
    stage_end(&stage);
}

static void test_cond__dead_waiters_are_passed_over(void **state)
{
    struct stage stage;
    struct scene *scene = scene_make(&stage, __func__);
    struct child *waiters[WAITERS];

    (void)state;
    waiters_start(&stage, waiters);
    lock_here(scene);
    for (int i = 0; i < WAITERS - 1; i++)
        child_end(waiters[i]);
    memory_store(&scene->number, 1);
    assert_code(shmap_cond_signal(&scene->cond), 0);
    unlock_here(scene);
    assert_code(call_result(waiters[WAITERS - 1]).code, 0);
    call_do(waiters[WAITERS - 1], "mutex_unlock %d", MUTEX);
    /* The registrations of the dead do not stay for ever. */
    assert_code(shmap_cond_signal(&scene->cond), 0);
    assert_int_equal(waiters_count(&scene->cond.waiters_), 0);
    stage_end(&stage);
}

/* Waits that nobody signals. */

static void test_cond__unsignalled_wait_lasts_until_its_deadline(void **state)
{
    struct scene scene = {0};
    int64_t began = shmap_now();

    (void)state;
    assert_code(shmap_mutex_lock(&scene.mutex, SHMAP_TRY), 0);
    assert_code(
        shmap_cond_wait(&scene.cond, &scene.mutex, shmap_after(SHMAP_MS(900))),
        SHMAP_ETIMEDOUT);
    assert_true(shmap_now() - began >= 900000000);
    assert_code(shmap_mutex_unlock(&scene.mutex), 0);
}

struct idler {
    uv_thread_t thread;
    struct scene *scene;
    shmap_cond *cond;
    uint64_t *ended; /* 0: go on waiting */
    uint64_t returns;
};

static void idle(void *argument)
{
    struct idler *idler = argument;
    shmap_mutex *mutex = &idler->scene->mutex;

    if (shmap_mutex_lock(mutex, deadline_ms(PATIENCE)) != 0)
        return;
    while (memory_load(idler->ended) == 0) {
        shmap_cond_wait(idler->cond, mutex, SHMAP_FOREVER);
        memory_add(&idler->returns, 1);
    }
    shmap_mutex_unlock(mutex);
}

static void idler_start(struct idler *idler, struct scene *scene,
                        shmap_cond *cond, uint64_t *ended)
{
    unsigned before = waiters_count(&cond->waiters_);

    *idler = (struct idler){.scene = scene, .cond = cond, .ended = ended};
    assert_int_equal(uv_thread_create(&idler->thread, idle, idler), 0);
    assert_eventually(waiters_count(&cond->waiters_) == before + 1);
}

static void idler_end(struct idler *idler)
{
    assert_code(shmap_cond_broadcast(idler->cond), 0);
    uv_thread_join(&idler->thread);
}

static void nap_ms(int64_t ms)
{
    shmap_event never = {0};

    assert_code(shmap_event_wait(&never, shmap_after(SHMAP_MS(ms))),
                SHMAP_ETIMEDOUT);
}

/* Each may look once or twice because another came. */
static void test_cond__several_idle_waiters_leave_each_other_alone(void **state)
{
    static struct scene scene;
    static uint64_t ended;
    struct idler idlers[WAITERS];
    uint64_t before[WAITERS];

    (void)state;
    for (int i = 0; i < WAITERS; i++)
        idler_start(&idlers[i], &scene, i == 0 ? &scene.other : &scene.cond,
                    &ended);
    nap_ms(1500);
    for (int i = 0; i < WAITERS; i++)
        before[i] = memory_load(&idlers[i].returns);
    nap_ms(1500);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(memory_load(&idlers[i].returns), before[i]);
    memory_store(&ended, 1);
    for (int i = 0; i < WAITERS; i++)
        idler_end(&idlers[i]);
}

/* Start an idler, and change what it waits for without a signal. */
static void idler_misses_a_change(struct idler *idler, struct scene *scene,
                                  uint64_t *ended)
{
    idler_start(idler, scene, &scene->cond, ended);
    nap_ms(300);
    memory_store(ended, 1);
    lock_here(scene);
    unlock_here(scene);
}

/* Something may have changed, and the thread that did it have died. */
static void test_cond__wait_ends_when_another_has_locked(void **state)
{
    static struct scene scene;
    static uint64_t ended;
    struct idler idler;

    (void)state;
    idler_misses_a_change(&idler, &scene, &ended);
    assert_eventually(memory_load(&idler.returns) > 0);
    idler_end(&idler);
}

/* The same, and then another began to wait, for something else. */
static void test_cond__later_waiters_hide_no_lock(void **state)
{
    static struct scene scene;
    static uint64_t ended;
    static uint64_t other_ended;
    struct idler idler;
    struct idler other;

    (void)state;
    idler_misses_a_change(&idler, &scene, &ended);
    idler_start(&other, &scene, &scene.other, &other_ended);
    assert_eventually(memory_load(&idler.returns) > 0);
    memory_store(&other_ended, 1);
    idler_end(&idler);
    idler_end(&other);
}

/* The same, and it was one that had waited. */
static void test_cond__waiters_that_unlock_have_locked(void **state)
{
    static struct scene scene;
    static uint64_t ended;
    static uint64_t other_ended;
    struct idler idler;
    struct idler other;

    (void)state;
    idler_start(&other, &scene, &scene.other, &other_ended);
    idler_start(&idler, &scene, &scene.cond, &ended);
    nap_ms(1000);
    memory_store(&ended, 1);
    memory_store(&other_ended, 1);
    idler_end(&other);
    assert_eventually(memory_load(&idler.returns) > 0);
    idler_end(&idler);
}

/* What is waited for came, and whoever was to signal that did not live to. */
static void test_cond__dead_signallers_are_not_waited_for(void **state)
{
    struct stage stage;
    struct scene *scene = scene_make(&stage, __func__);
    struct child *waiter = waiter_start(&stage);
    struct called called;
    int64_t changed;

    (void)state;
    assert_eventually(waiters_count(&scene->cond.waiters_) == 1);
    lock_here(scene);
    changed = shmap_now();
    memory_store(&scene->number, 1);
    unlock_here(scene);
    called = call_result(waiter);
    assert_code(called.code, 0);
    assert_true(called.ended - changed < 3000000000);
    stage_end(&stage);
}

/* One of two waiters stops at a point and dies there; the other is woken. */
static void lose_no_signal_at(const char *point)
{
    struct stage stage;
    struct scene *scene = scene_make(&stage, __func__);
    struct child *victim = caller_start(&stage);
    struct child *other = caller_start(&stage);
    struct called called;
    char line[64];
    int64_t signalled;

    scene->cond.spin_ns = SHMAP_SPIN_NEVER; /* It passes all points. */
    lock(victim);
    puppet_do(victim, "stop %s 1", point);
    child_tell(victim, "%s", wait_forever);
    child_tell(other, "mutex_lock %d -1", MUTEX);
    child_tell(other, "%s", wait_forever);
    child_tell(other, "mutex_unlock %d", MUTEX);
    assert_eventually(waiters_count(&scene->cond.waiters_) == 2);
    lock_here(scene);
    signalled = shmap_now();
    memory_store(&scene->number, 1);
    unlock_here(scene);
    assert_code(shmap_cond_signal(&scene->cond), 0);
    snprintf(line, sizeof line, "stopped %s", point);
    child_expect(victim, line);
    child_end(victim);
    called = call_result(other);
    assert_true(called.code == 0 || called.code == SHMAP_OWNER_DIED);
    called = call_result(other);
    assert_true(called.code == 0 || called.code == SHMAP_OWNER_DIED);
    assert_true(called.ended - signalled < 3000000000);
    assert_code(call_result(other).code, 0);
    stage_end(&stage);
}

static void test_cond__dying_waiters_lose_no_signal(void **state)
{
    static const char *const points[] = {"wait.looked", "wait.woken",
                                         "wait.left",   "mutex.begun",
                                         "mutex.taken", "mutex.added"};

    (void)state;
    for (size_t i = 0; i < COUNT(points); i++)
        lose_no_signal_at(points[i]);
}

/* Before it sleeps a waiter has the mutex. */
static void test_cond__waiters_that_die_before_waiting_had_the_mutex(
    void **state)
{
    static const char *const points[] = {"wait.begun", "wait.entered",
                                         "unlock.removed"};
    struct stage stage;
    struct scene *scene = scene_make(&stage, __func__);

    (void)state;
    for (size_t i = 0; i < COUNT(points); i++) {
        struct child *victim = caller_start(&stage);

        lock(victim);
        stops_run_into_first(victim, points[i], wait_forever);
        assert_code(shmap_cond_signal(&scene->cond), 0);
        child_end(victim);
        assert_code(shmap_mutex_lock(&scene->mutex, deadline_ms(PATIENCE)),
                    SHMAP_OWNER_DIED);
        assert_code(shmap_mutex_consistent(&scene->mutex), 0);
        assert_code(shmap_cond_wait(&scene->cond, &scene->mutex, SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
        assert_code(shmap_mutex_unlock(&scene->mutex), 0);
    }
    stage_end(&stage);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {
        {"producer", play_producer}, {"consumer", play_consumer}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cond__refuses_bad_pointers),
        cmocka_unit_test(test_cond__needs_the_mutex),
        cmocka_unit_test(test_cond__waits_end_with_their_deadlines),
        cmocka_unit_test(test_cond__remembers_no_signal),
        cmocka_unit_test(test_cond__serves_a_queue_of_threads),
        cmocka_unit_test(test_cond__serves_a_queue_of_processes),
        cmocka_unit_test(test_cond__wait_unlocks_the_mutex),
        cmocka_unit_test(test_cond__broadcast_wakes_all),
        cmocka_unit_test(test_cond__no_signal_after_unlocking_is_missed),
        cmocka_unit_test(test_cond__tells_of_a_dead_owner_until_consistent),
        cmocka_unit_test(test_cond__dead_waiters_are_passed_over),
        cmocka_unit_test(test_cond__unsignalled_wait_lasts_until_its_deadline),
        cmocka_unit_test(
            test_cond__several_idle_waiters_leave_each_other_alone),
        cmocka_unit_test(test_cond__wait_ends_when_another_has_locked),
        cmocka_unit_test(test_cond__later_waiters_hide_no_lock),
        cmocka_unit_test(test_cond__waiters_that_unlock_have_locked),
        cmocka_unit_test(test_cond__dead_signallers_are_not_waited_for),
        cmocka_unit_test(test_cond__dying_waiters_lose_no_signal),
        cmocka_unit_test(
            test_cond__waiters_that_die_before_waiting_had_the_mutex),
    };

    stops_enable();
    calls_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
