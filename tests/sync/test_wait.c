/* SPDX-License-Identifier: MIT */

/* Waiting itself, which is the same for all objects: what it costs, how it
 * spins, and that no death makes it last.
 */

#include <inttypes.h>

#include <uv.h>

#include "base/stop.h"
#include "calls.h"
#include "puppet.h"
#include "stops.h"

enum {
    MS = 1000000,
    /* What a busy machine may add. */
    DELAYED_MS = 3000,
    /* A wait that somebody's death delays ends after some 200 ms, */
    SLICE_MS = 500,
    /* and one that nothing delays sooner. */
    PROMPT_MS = 100,
    WAKES = 9,
    CROWD = 16,
    SETS = 20,
    VALUE = 40
};

/* One of each. */
struct objects {
    shmap_mutex mutex;
    shmap_event event;
    shmap_semaphore semaphore;
    shmap_cond cond;
    uint64_t number; /* of its signals */
    shmap_barrier barrier;
    shmap_once once;
    shmap_rwlock rwlock;
    union {
        shmap_record record;
        unsigned char space[SHMAP_RECORD_SIZE(VALUE)];
    } value;
};

#define AT(field) ((int)offsetof(struct objects, field))

/* How one kind of waiting is played. */
struct kind {
    const char *name;
    void (*wait)(char *command, size_t room, int ms);
    void (*wake)(char *command, size_t room);
    const char *stored; /* where the waker has stored, and not woken */
    size_t waiters;
    size_t spin_ns;
    bool needs_mutex;
};

#define COMMAND_ROOM 80

static void wait_event(char *command, size_t room, int ms)
{
    snprintf(command, room, "event_wait %d %d", AT(event), ms);
}

static void set_event(char *command, size_t room)
{
    snprintf(command, room, "event_set %d", AT(event));
}

static void take_event(char *command, size_t room, int ms)
{
    snprintf(command, room, "event_take %d %d", AT(event), ms);
}

static void wait_semaphore(char *command, size_t room, int ms)
{
    snprintf(command, room, "semaphore_wait %d %d", AT(semaphore), ms);
}

static void post_semaphore(char *command, size_t room)
{
    snprintf(command, room, "semaphore_post %d 1", AT(semaphore));
}

static void wait_cond(char *command, size_t room, int ms)
{
    snprintf(command, room, "cond_wait %d %d %d", AT(cond), AT(mutex), ms);
}

static void signal_cond(char *command, size_t room)
{
    snprintf(command, room, "cond_signal %d", AT(cond));
}

static void broadcast_cond(char *command, size_t room)
{
    snprintf(command, room, "cond_broadcast %d", AT(cond));
}

static void wait_barrier(char *command, size_t room, int ms)
{
    snprintf(command, room, "barrier_wait %d 2 %d", AT(barrier), ms);
}

static void fill_barrier(char *command, size_t room)
{
    snprintf(command, room, "barrier_wait %d 2 0", AT(barrier));
}

static const struct kind kinds[] = {
    {"event_wait", wait_event, set_event, "event.set",
     offsetof(struct objects, event.waiting_),
     offsetof(struct objects, event.spin_ns), false},
    {"event_take", take_event, set_event, "event.set",
     offsetof(struct objects, event.taking_),
     offsetof(struct objects, event.spin_ns), false},
    {"semaphore", wait_semaphore, post_semaphore, "semaphore.posted",
     offsetof(struct objects, semaphore.waiters_),
     offsetof(struct objects, semaphore.spin_ns), false},
    {"cond_signal", wait_cond, signal_cond, "wake.counted",
     offsetof(struct objects, cond.waiters_),
     offsetof(struct objects, cond.spin_ns), true},
    {"cond_broadcast", wait_cond, broadcast_cond, "wake.counted",
     offsetof(struct objects, cond.waiters_),
     offsetof(struct objects, cond.spin_ns), true},
    {"barrier", wait_barrier, fill_barrier, "barrier.arrived",
     offsetof(struct objects, barrier.waiters_),
     offsetof(struct objects, barrier.spin_ns), false},
};

static void each_kind(void (*test)(const struct kind *kind))
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        print_message("             %s\n", kinds[i].name);
        test(&kinds[i]);
    }
}

static shmap_waiters *waiters_of(const struct stage *stage,
                                 const struct kind *kind)
{
    return stage_at(stage, kind->waiters);
}

static uint32_t *spin_ns_of(const struct stage *stage, const struct kind *kind)
{
    return stage_at(stage, kind->spin_ns);
}

/* Let a puppet wait; the result is read with call_result. */
static void start_waiting(struct child *caller, const struct kind *kind, int ms)
{
    char command[COMMAND_ROOM];

    if (kind->needs_mutex) {
        int result = call(caller, "mutex_lock %d %d", AT(mutex), PATIENCE).code;

        if (result == SHMAP_OWNER_DIED)
            result = call(caller, "mutex_consistent %d", AT(mutex)).code;
        assert_code(result, 0);
    }
    kind->wait(command, sizeof command, ms);
    child_tell(caller, "%s", command);
}

/* After a wait that needs the mutex, the caller has it. */
static void end_waiting(struct child *caller, const struct kind *kind)
{
    if (kind->needs_mutex)
        call_do(caller, "mutex_unlock %d", AT(mutex));
}

/* Nobody who is registered has the mutex any more. */
static void until_registered(const struct stage *stage, const struct kind *kind,
                             unsigned count)
{
    const struct objects *objects = stage_at(stage, 0);

    assert_eventually(waiters_count(waiters_of(stage, kind)) == count &&
                      memory_load(&objects->mutex.owner_) << 34 == 0);
}

static struct called wake(struct child *caller, const struct kind *kind)
{
    char command[COMMAND_ROOM];

    kind->wake(command, sizeof command);
    return call(caller, "%s", command);
}

static void assert_woke(const struct called *called)
{
    if (called->code != SHMAP_LAST)
        assert_code(called->code, 0);
}

/* What waiting costs. */

static void costs_nothing(const struct kind *kind, uint32_t spin_ns)
{
    struct stage stage;
    struct child *waiter;
    struct called called;

    stage_make(&stage, __func__, sizeof(struct objects));
    *spin_ns_of(&stage, kind) = spin_ns;
    waiter = caller_start(&stage);
    start_waiting(waiter, kind, 450);
    called = call_result(waiter);
    assert_code(called.code, SHMAP_ETIMEDOUT);
    assert_false(called.early);
    assert_in_range(called_ms(&called), 450, 450 + DELAYED_MS);
    /* The clock of processor time can have steps of 16 ms. */
    assert_in_range(called.cpu_us, 0, scaled(20000));
    stage_end(&stage);
}

static void costs_nothing_asleep(const struct kind *kind)
{
    costs_nothing(kind, SHMAP_SPIN_NEVER);
}

static void test_wait__costs_no_processor_time_asleep(void **state)
{
    (void)state;
    each_kind(costs_nothing_asleep);
}

/* However long it is to be. */
static void test_wait__spins_for_a_bounded_time(void **state)
{
    (void)state;
    costs_nothing(&kinds[0], 0);
    costs_nothing(&kinds[2], SHMAP_SPIN_MAX);
    costs_nothing(&kinds[2], SHMAP_SPIN_NEVER - 1);
}

static void test_wait__for_records_costs_no_processor_time(void **state)
{
    static const uint32_t limits[] = {SHMAP_SPIN_NEVER, 0, SHMAP_SPIN_MAX};
    struct stage stage;
    struct objects *objects;
    struct child *reader;

    (void)state;
    stage_make(&stage, __func__, sizeof *objects);
    objects = stage_at(&stage, 0);
    reader = caller_start_reader(&stage);
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct called called;

        objects->value.record.spin_ns = limits[i];
        called = call(reader, "record_wait %d 0 450", AT(value));
        assert_code(called.code, SHMAP_ETIMEDOUT);
        assert_in_range(called.cpu_us, 0, scaled(20000));
    }
    stage_end(&stage);
}

static void test_wait__for_mutexes_costs_no_processor_time(void **state)
{
    struct stage stage;
    struct objects *objects;
    struct child *waiter;
    struct called called;

    (void)state;
    stage_make(&stage, __func__, sizeof *objects);
    objects = stage_at(&stage, 0);
    waiter = caller_start(&stage);
    assert_code(shmap_mutex_lock(&objects->mutex, SHMAP_TRY), 0);
    called = call(waiter, "mutex_lock %d 450", AT(mutex));
    assert_code(called.code, SHMAP_ETIMEDOUT);
    assert_in_range(called.cpu_us, 0, scaled(20000));
    assert_code(shmap_mutex_unlock(&objects->mutex), 0);
    stage_end(&stage);
}

/* The 200 ms rule. */

/* A thread that has what this thread waits for: locks, an once, and reading. */
struct rule {
    struct objects objects; /* all held, for writing */
    shmap_rwlock read;
    shmap_cond own_cond;
    shmap_mutex own_mutex;
    uv_sem_t held;
    uv_sem_t over;
};

static struct rule rule;
static unsigned looks;

static void count_looks(const char *point)
{
    looks += strcmp(point, "wait.woken") == 0;
}

static void hold_all(void *context)
{
    struct objects *objects = &rule.objects;

    (void)context;
    role_check_code(shmap_mutex_lock(&objects->mutex, SHMAP_TRY), 0);
    role_check_code(shmap_once_begin(&objects->once, SHMAP_TRY),
                    SHMAP_ONCE_YOURS);
    role_check_code(shmap_rwlock_write_lock(&objects->rwlock, SHMAP_TRY), 0);
    role_check_code(shmap_rwlock_read_lock(&rule.read, SHMAP_TRY), 0);
    uv_sem_post(&rule.held);
    uv_sem_wait(&rule.over); /* without passing points of its own */
    role_check_code(shmap_rwlock_unlock(&rule.read), 0);
    role_check_code(shmap_rwlock_unlock(&objects->rwlock), 0);
    role_check_code(shmap_once_abandon(&objects->once), 0);
    role_check_code(shmap_mutex_unlock(&objects->mutex), 0);
}

/* Asleep for 700 ms, it looked at least twice before the end: three times, if
 * it was not late for one. */
#define assert_looks_again(wait_call)                    \
    do {                                                 \
        int64_t until = shmap_after(SHMAP_MS(700));      \
        looks = 0;                                       \
        assert_code((wait_call), SHMAP_ETIMEDOUT);       \
        assert_true(shmap_now() >= until && looks >= 3); \
    } while (0)

static void wait_for_each_kind(void)
{
    struct objects *objects = &rule.objects;

    assert_looks_again(shmap_mutex_lock(&objects->mutex, until));
    assert_looks_again(shmap_once_begin(&objects->once, until));
    assert_looks_again(shmap_rwlock_read_lock(&objects->rwlock, until));
    assert_looks_again(shmap_rwlock_write_lock(&objects->rwlock, until));
    assert_looks_again(shmap_rwlock_write_lock(&rule.read, until));
    assert_looks_again(shmap_event_wait(&objects->event, until));
    assert_looks_again(shmap_event_take(&objects->event, until));
    assert_looks_again(shmap_semaphore_wait(&objects->semaphore, until));
    assert_looks_again(shmap_barrier_wait(&objects->barrier, 2, until));
    assert_looks_again(shmap_record_wait(&objects->value.record, 0, until));
    assert_code(shmap_mutex_lock(&rule.own_mutex, SHMAP_TRY), 0);
    assert_looks_again(shmap_cond_wait(&rule.own_cond, &rule.own_mutex, until));
    assert_code(shmap_mutex_unlock(&rule.own_mutex), 0);
}

static void test_wait__of_each_kind_looks_again_every_200_ms(void **state)
{
    void (*hook)(const char *) = shmap__stop_hook;
    uv_thread_t holder;

    (void)state;
    assert_int_equal(uv_sem_init(&rule.held, 0), 0);
    assert_int_equal(uv_sem_init(&rule.over, 0), 0);
    assert_int_equal(uv_thread_create(&holder, hold_all, NULL), 0);
    uv_sem_wait(&rule.held);
    shmap__stop_hook = count_looks;
    wait_for_each_kind();
    shmap__stop_hook = hook;
    uv_sem_post(&rule.over);
    uv_thread_join(&holder);
    uv_sem_destroy(&rule.held);
    uv_sem_destroy(&rule.over);
}

/* How it spins. */

static bool has_several_processors(void)
{
    uv_cpu_info_t *processors;
    int count;

    if (uv_cpu_info(&processors, &count) != 0)
        return false;
    uv_free_cpu_info(processors, count);
    return count > 1;
}

/* Microseconds of processor time for a hundred waits of 2 ms. */
static int64_t cost_of_waits(const struct stage *stage, struct child *caller,
                             uint32_t spin_ns)
{
    struct objects *objects = stage_at(stage, 0);
    struct called called;

    objects->semaphore.spin_ns = spin_ns;
    called = call(caller, "semaphore_waits %d 100 2", AT(semaphore));
    assert_code(called.code, SHMAP_ETIMEDOUT);
    return called.cpu_us;
}

static void test_wait__spins_for_as_long_as_it_is_told(void **state)
{
    struct stage stage;
    struct child *caller;
    int64_t most = 0;
    int64_t none = INT64_MAX;
    int64_t usual = INT64_MAX;

    (void)state;
    if (!has_several_processors())
        skip_because("there is one processor");
    stage_make(&stage, __func__, sizeof(struct objects));
    caller = caller_start(&stage);
    /* Others can take the processor away, or make it slow. */
    for (int i = 0; i < 15; i++) {
        int64_t cost = cost_of_waits(&stage, caller, SHMAP_SPIN_MAX);

        most = cost > most ? cost : most;
        cost = cost_of_waits(&stage, caller, SHMAP_SPIN_NEVER);
        none = cost < none ? cost : none;
        cost = cost_of_waits(&stage, caller, 0);
        usual = cost < usual ? cost : usual;
        if (most > 30000 && none < most / 2 && usual < most / 2)
            break;
    }
    assert_in_range(most, 30000, 400000);
    assert_in_range(none, 0, most / 2);
    assert_in_range(usual, 0, most / 2);
    stage_end(&stage);
}

/* Two callers, of which each is kept to a processor before the library first
 * asks how many there are. */
static void start_kept(const struct stage *stage, struct child **callers,
                       int first, int second)
{
    int which[2] = {first, second};

    for (int i = 0; i < 2; i++) {
        callers[i] = puppet_start();
        if (call(callers[i], "use_one_processor %d", which[i]).code != 0)
            skip_because("a process cannot be kept to this processor");
        puppet_do(callers[i], "share %s", stage->name);
    }
}

/* The first falls asleep, and the second wakes it. */
static void wake_from_sleep(const struct stage *stage, struct child **callers)
{
    struct objects *objects = stage_at(stage, 0);

    for (int i = 0; i < 20; i++) {
        child_tell(callers[0], "semaphore_wait %d -1", AT(semaphore));
        assert_eventually(waiters_count(&objects->semaphore.waiters_) == 1);
        call_do(callers[1], "semaphore_post %d 1", AT(semaphore));
        assert_code(call_result(callers[0]).code, 0);
    }
}

static void test_wait__does_not_spin_for_its_own_processor(void **state)
{
    struct stage stage;
    struct child *callers[2];
    int64_t none;

    (void)state;
    stage_make(&stage, __func__, sizeof(struct objects));
    start_kept(&stage, callers, 0, 0);
    wake_from_sleep(&stage, callers);
    /* A slow machine takes as long to fall asleep. */
    none = cost_of_waits(&stage, callers[0], SHMAP_SPIN_NEVER);
    assert_in_range(cost_of_waits(&stage, callers[0], SHMAP_SPIN_MAX), 0,
                    none > 25000 ? 2 * none : 50000);
    stage_end(&stage);
}

static void test_wait__spins_for_processes_kept_to_others(void **state)
{
    struct stage stage;
    struct child *callers[2];
    int64_t most = 0;

    (void)state;
    stage_make(&stage, __func__, sizeof(struct objects));
    start_kept(&stage, callers, 0, 1);
    /* Others can take the processor away, or make it slow. */
    for (int i = 0; i < 15 && most <= 60000; i++) {
        int64_t cost = cost_of_waits(&stage, callers[0], SHMAP_SPIN_MAX);

        most = cost > most ? cost : most;
        wake_from_sleep(&stage, callers);
    }
    assert_in_range(most, 60000, 400000);
    stage_end(&stage);
}

/* One that moves to the other's processor stops spinning, and one that moves
 * away begins to. */
static void test_wait__finds_out_when_processes_move(void **state)
{
    struct stage stage;
    struct child *callers[2];
    const struct objects *objects;

    (void)state;
    stage_make(&stage, __func__, sizeof(struct objects));
    objects = stage_at(&stage, 0);
    start_kept(&stage, callers, 0, 1);
    wake_from_sleep(&stage, callers);
    assert_int_not_equal(objects->semaphore.waiters_.spin_ & 0xFF, 0xFF);
    child_end(callers[1]);
    start_kept(&stage, callers, 0, 0);
    wake_from_sleep(&stage, callers);
    assert_int_equal(objects->semaphore.waiters_.spin_ & 0xFF, 0xFF);
    child_end(callers[1]);
    start_kept(&stage, callers, 1, 0);
    wake_from_sleep(&stage, callers);
    assert_int_not_equal(objects->semaphore.waiters_.spin_ & 0xFF, 0xFF);
    stage_end(&stage);
}

struct partner {
    shmap_event ping;
    shmap_event pong;
    uint64_t ended;
};

static void play_pong(void *argument)
{
    struct partner *partner = argument;

    while (memory_load(&partner->ended) == 0) {
        if (shmap_event_take(&partner->ping, shmap_after(SHMAP_MS(10))) == 0)
            shmap_event_set(&partner->pong);
    }
}

static uint32_t level_of(const shmap_event *event)
{
    return *(const volatile uint32_t *)&event->taking_.spin_ & 0xFF;
}

static void wait_for_long(struct partner *partner)
{
    assert_code(shmap_event_take(&partner->pong, shmap_after(SHMAP_MS(2))),
                SHMAP_ETIMEDOUT);
}

/* The more waits were long, the shorter it spins; now and then it tries again.
 */
static void test_wait__learns_whether_to_spin(void **state)
{
    static struct partner partner;
    uv_thread_t thread;
    int64_t until;
    int waits = 0;

    (void)state;
    if (!has_several_processors())
        skip_because("there is one processor");
    partner.pong.spin_ns = SHMAP_SPIN_MAX;
    for (uint32_t level = 0; level < 8; level++) {
        assert_int_equal(level_of(&partner.pong), level);
        wait_for_long(&partner);
    }
    while (level_of(&partner.pong) != 0 && waits++ < 200)
        wait_for_long(&partner);
    assert_in_range(waits, 10, 100);
    for (int i = 0; i < 8; i++)
        wait_for_long(&partner);
    assert_int_equal(uv_thread_create(&thread, play_pong, &partner), 0);
    until = patience_until(PATIENCE);
    /* A busy machine may keep both on one processor for long. */
    while (level_of(&partner.pong) % 0xFF > 0 && clock_ms() < until) {
        shmap_event_set(&partner.ping);
        assert_code(shmap_event_take(&partner.pong, deadline_ms(PATIENCE)), 0);
    }
    memory_store(&partner.ended, 1);
    uv_thread_join(&thread);
    assert_int_equal(level_of(&partner.pong) % 0xFF, 0);
}

/* Who wakes, wakes at once. */

static int compare(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;

    return *a < *b ? -1 : *a > *b;
}

static void is_prompt(const struct kind *kind)
{
    struct stage stage;
    struct objects *objects;
    struct child *waiter;
    struct child *waker;
    int64_t late[WAKES];

    stage_make(&stage, __func__, sizeof *objects);
    objects = stage_at(&stage, 0);
    *spin_ns_of(&stage, kind) = SHMAP_SPIN_NEVER;
    waiter = caller_start(&stage);
    waker = caller_start(&stage);
    for (int i = 0; i < WAKES; i++) {
        struct called called;
        struct called woke;

        start_waiting(waiter, kind, -1);
        until_registered(&stage, kind, 1);
        woke = wake(waker, kind);
        assert_woke(&woke);
        called = call_result(waiter);
        assert_code(called.code, 0);
        late[i] = called.ended - woke.began;
        end_waiting(waiter, kind);
        call_do(waker, "event_reset %d", AT(event));
        memory_store(&objects->number, 0);
        assert_int_equal(waiters_count(waiters_of(&stage, kind)), 0);
    }
    qsort(late, WAKES, sizeof late[0], compare);
    assert_in_range(late[WAKES / 2] / MS, 0, PROMPT_MS);
    stage_end(&stage);
}

static void test_wait__ends_as_soon_as_it_is_woken(void **state)
{
    (void)state;
    each_kind(is_prompt);
}

/* What one call wakes it wakes at once, and does not leave to those who look
 * again anyway. Returns how late the last of three was. */
static int64_t wake_three(const char *wait, const char *wake_all,
                          const struct kind *kind)
{
    struct stage stage;
    struct child *waiters[3];
    struct child *waker;
    struct called woke;
    int64_t late = 0;

    stage_make(&stage, __func__, sizeof(struct objects));
    *spin_ns_of(&stage, kind) = SHMAP_SPIN_NEVER;
    waker = caller_start(&stage);
    for (int i = 0; i < 3; i++)
        waiters[i] = caller_start(&stage);
    for (int i = 0; i < 3; i++) {
        if (kind->needs_mutex)
            call_do(waiters[i], "mutex_lock %d -1", AT(mutex));
        child_tell(waiters[i], "%s", wait);
        if (kind->needs_mutex)
            child_tell(waiters[i], "mutex_unlock %d", AT(mutex));
    }
    until_registered(&stage, kind, 3);
    woke = call(waker, "%s", wake_all);
    assert_woke(&woke);
    for (int i = 0; i < 3; i++) {
        struct called called = call_result(waiters[i]);

        assert_code(called.code, 0);
        if (called.ended - woke.began > late)
            late = called.ended - woke.began;
    }
    stage_end(&stage);
    return late;
}

static void assert_wakes_three(const char *wait, const char *wake_all,
                               const struct kind *kind)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < 5 && best >= (int64_t)PROMPT_MS * MS; i++) {
        int64_t late = wake_three(wait, wake_all, kind);

        best = late < best ? late : best;
    }
    assert_in_range(best / MS, 0, PROMPT_MS);
}

static void test_wait__wakes_all_at_once(void **state)
{
    char wait[COMMAND_ROOM];
    char wake_all[COMMAND_ROOM];

    (void)state;
    wait_event(wait, sizeof wait, -1);
    set_event(wake_all, sizeof wake_all);
    assert_wakes_three(wait, wake_all, &kinds[0]);

    wait_semaphore(wait, sizeof wait, -1);
    snprintf(wake_all, sizeof wake_all, "semaphore_post %d 3", AT(semaphore));
    assert_wakes_three(wait, wake_all, &kinds[2]);

    wait_cond(wait, sizeof wait, -1);
    broadcast_cond(wake_all, sizeof wake_all);
    assert_wakes_three(wait, wake_all, &kinds[4]);

    snprintf(wait, sizeof wait, "barrier_wait %d 4 -1", AT(barrier));
    snprintf(wake_all, sizeof wake_all, "barrier_wait %d 4 0", AT(barrier));
    assert_wakes_three(wait, wake_all, &kinds[5]);
}

/* Deaths. */

/* Each returns how late the wait ended. */
static int64_t stored_and_died(const struct kind *kind, const char *point)
{
    struct stage stage;
    struct child *waiter;
    struct child *victim;
    struct called called;
    char command[COMMAND_ROOM];
    int64_t died;

    stage_make(&stage, __func__, sizeof(struct objects));
    waiter = caller_start(&stage);
    victim = caller_start(&stage);
    start_waiting(waiter, kind, -1);
    until_registered(&stage, kind, 1);
    kind->wake(command, sizeof command);
    stops_run_into_first(victim, point, command);
    died = shmap_now();
    child_end(victim);
    called = call_result(waiter);
    assert_code(called.code, 0);
    stage_end(&stage);
    return called.ended - died;
}

static void assert_in_time_after(const struct kind *kind, const char *point,
                                 int64_t (*test)(const struct kind *kind,
                                                 const char *point))
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < 5 && best >= (int64_t)SLICE_MS * MS; i++) {
        int64_t late = test(kind, point);

        best = late < best ? late : best;
    }
    /* It may have looked by itself before. */
    assert_in_range(best < 0 ? 0 : best / MS, 0, SLICE_MS);
}

static void survives_a_dead_waker(const struct kind *kind)
{
    assert_in_time_after(kind, kind->stored, stored_and_died);
    if (strcmp(kind->stored, "wake.counted") != 0)
        assert_in_time_after(kind, "wake.counted", stored_and_died);
}

static void test_wait__outlives_a_waker_that_dies_before_waking(void **state)
{
    (void)state;
    each_kind(survives_a_dead_waker);
}

/* Of two waiters the first is woken, and dies before it acts. */
static int64_t woken_and_died(const struct kind *kind, const char *point)
{
    struct stage stage;
    struct child *victim;
    struct child *other;
    struct child *waker;
    struct called called;
    struct called woke;
    char line[64];

    stage_make(&stage, __func__, sizeof(struct objects));
    victim = caller_start(&stage);
    other = caller_start(&stage);
    waker = caller_start(&stage);
    puppet_do(victim, "stop %s 1", point);
    start_waiting(victim, kind, -1);
    until_registered(&stage, kind, 1);
    start_waiting(other, kind, -1);
    until_registered(&stage, kind, 2);
    woke = wake(waker, kind);
    assert_woke(&woke);
    snprintf(line, sizeof line, "stopped %s", point);
    child_expect(victim, line);
    child_end(victim);
    called = call_result(other);
    assert_true(called.code == 0 || called.code == SHMAP_OWNER_DIED);
    stage_end(&stage);
    return called.ended - woke.ended;
}

static void survives_a_dead_waiter(const struct kind *kind)
{
    if (strcmp(kind->name, "barrier") != 0) /* It has no third party. */
        assert_in_time_after(kind, "wait.woken", woken_and_died);
}

static void test_wait__outlives_a_waiter_that_dies_after_being_woken(
    void **state)
{
    (void)state;
    each_kind(survives_a_dead_waiter);
}

/* Killed in its sleep, a waiter stays registered, until somebody wakes. */
static void forgets_the_dead(const struct kind *kind)
{
    struct stage stage;
    struct objects *objects;
    struct child *victims[2];
    struct child *waiter;
    struct child *waker;
    struct called called;

    if (strcmp(kind->name, "barrier") == 0)
        return; /* There, the dead have arrived. */
    stage_make(&stage, __func__, sizeof *objects);
    objects = stage_at(&stage, 0);
    for (int i = 0; i < 2; i++)
        victims[i] = caller_start(&stage);
    waiter = caller_start(&stage);
    waker = caller_start(&stage);
    for (unsigned i = 0; i < 2; i++) {
        start_waiting(victims[i], kind, -1);
        until_registered(&stage, kind, i + 1);
    }
    for (int i = 0; i < 2; i++)
        child_end(victims[i]);
    if (!kind->needs_mutex) /* There, waits end after a while. */
        assert_int_equal(waiters_count(waiters_of(&stage, kind)), 2);
    for (int i = 0; i < 2; i++)
        assert_code(wake(waker, kind).code, 0);
    assert_true(memory_load(&waiters_of(&stage, kind)->who_) == 0);
    /* And later waits work. */
    memset(&objects->event, 0, sizeof objects->event);
    memset(&objects->semaphore, 0, sizeof objects->semaphore);
    memory_store(&objects->number, 0);
    start_waiting(waiter, kind, -1);
    until_registered(&stage, kind, 1);
    assert_code(wake(waker, kind).code, 0);
    called = call_result(waiter);
    assert_code(called.code, 0);
    stage_end(&stage);
}

static void test_wait__forgets_waiters_that_died_at_a_barrier(void **state)
{
    struct stage stage;
    shmap_barrier *barrier;
    struct child *victim;
    struct child *waiter;

    (void)state;
    stage_make(&stage, __func__, sizeof *barrier);
    barrier = stage_at(&stage, 0);
    victim = caller_start(&stage);
    waiter = caller_start(&stage);
    child_tell(victim, "barrier_wait 0 3 -1");
    assert_eventually(waiters_count(&barrier->waiters_) == 1);
    child_end(victim);
    child_tell(waiter, "barrier_wait 0 3 -1");
    assert_eventually(waiters_count(&barrier->waiters_) == 2);
    assert_code(shmap_barrier_wait(barrier, 3, SHMAP_TRY), SHMAP_LAST);
    assert_code(call_result(waiter).code, 0);
    assert_code(shmap_barrier_wait(barrier, 1, SHMAP_TRY), SHMAP_LAST);
    assert_true(memory_load(&barrier->waiters_.who_) == 0);
    stage_end(&stage);
}

static void test_wait__forgets_waiters_that_were_killed_asleep(void **state)
{
    (void)state;
    each_kind(forgets_the_dead);
}

/* One who is registered and not asleep loses its registration to a waker that
 * finds nobody asleep, while somebody else has what was posted. The next post
 * must reach it. */
static int64_t post_to_the_forgotten(void)
{
    struct stage stage;
    struct objects *objects;
    struct child *waiter;
    struct child *poster;
    struct called called;
    char command[COMMAND_ROOM];
    int64_t posted;

    stage_make(&stage, __func__, sizeof *objects);
    objects = stage_at(&stage, 0);
    waiter = caller_start(&stage);
    poster = caller_start(&stage);
    wait_semaphore(command, sizeof command, -1);
    stops_run_into_first(waiter, "wait.entered", command);
    post_semaphore(command, sizeof command);
    stops_run_into_first(poster, "wake.counted", command);
    assert_code(shmap_semaphore_wait(&objects->semaphore, SHMAP_TRY), 0);
    child_tell(waiter, "go wait.looked 1");
    child_expect(waiter, "stopped wait.looked");
    child_tell(poster, "go");
    assert_code(call_result(poster).code, 0);
    child_tell(waiter, "go");
    posted = shmap_now();
    assert_code(shmap_semaphore_post(&objects->semaphore, 1), 0);
    called = call_result(waiter);
    assert_code(called.code, 0);
    stage_end(&stage);
    return called.ended - posted;
}

static void test_wait__living_waiters_are_not_forgotten(void **state)
{
    int64_t best = INT64_MAX;

    (void)state;
    for (int i = 0; i < 5 && best >= (int64_t)PROMPT_MS * MS; i++) {
        int64_t late = post_to_the_forgotten();

        best = late < best ? late : best;
    }
    assert_in_range(best / MS, 0, PROMPT_MS);
}

/* More waiters than can be counted: sleep all the same, for a while. */
static void test_wait__works_when_waiters_cannot_be_counted(void **state)
{
    struct stage stage;
    struct objects *objects;
    struct child *waiter;
    struct called called;

    (void)state;
    stage_make(&stage, __func__, sizeof *objects);
    objects = stage_at(&stage, 0);
    objects->semaphore.waiters_.who_ = UINT64_C(0x1234567FFFF);
    waiter = caller_start(&stage);
    called = call(waiter, "semaphore_wait %d 100", AT(semaphore));
    assert_code(called.code, SHMAP_ETIMEDOUT);
    assert_false(called.early);
    assert_in_range(called.cpu_us, 0, scaled(20000));
    child_tell(waiter, "semaphore_wait %d -1", AT(semaphore));
    assert_code(shmap_semaphore_post(&objects->semaphore, 1), 0);
    called = call_result(waiter);
    assert_code(called.code, 0);

    objects->cond.waiters_.who_ = UINT64_C(0x1234567FFFF);
    call_do(waiter, "mutex_lock %d 0", AT(mutex));
    called = call(waiter, "cond_wait %d %d 100", AT(cond), AT(mutex));
    assert_code(called.code, SHMAP_ETIMEDOUT);
    assert_in_range(called.cpu_us, 0, scaled(20000));
    child_tell(waiter, "cond_wait %d %d -1", AT(cond), AT(mutex));
    assert_code(shmap_mutex_lock(&objects->mutex, deadline_ms(PATIENCE)), 0);
    memory_store(&objects->number, 1);
    assert_code(shmap_mutex_unlock(&objects->mutex), 0);
    assert_code(shmap_cond_signal(&objects->cond), 0);
    assert_code(call_result(waiter).code, 0);
    stage_end(&stage);
}

/* Where objects are. */

/* Across the borders of pages and of the processor's lines. */
static void test_wait__works_wherever_objects_are(void **state)
{
    struct stage stage;
    struct child *callers[2];

    (void)state;
    stage_make(&stage, __func__, 4 * 4096);
    for (int i = 0; i < 2; i++)
        callers[i] = caller_start(&stage);
    for (int at = 4096 - 64; at < 4096 + 8; at += 8) {
        memset(stage.view.data, 0, 8192);
        child_tell(callers[0], "event_take %d 20000", at);
        call_do(callers[1], "event_set %d", at);
        assert_code(call_result(callers[0]).code, 0);

        memset(stage.view.data, 0, 8192);
        child_tell(callers[0], "semaphore_wait %d 20000", at);
        call_do(callers[1], "semaphore_post %d 1", at);
        assert_code(call_result(callers[0]).code, 0);

        memset(stage.view.data, 0, 8192);
        child_tell(callers[0], "barrier_wait %d 2 20000", at);
        assert_true(call(callers[1], "barrier_wait %d 2 20000", at).code >= 0);
        assert_true(call_result(callers[0]).code >= 0);

        memset(stage.view.data, 0, 8192);
        child_tell(callers[0], "record_wait %d 0 20000", at);
        call_do(callers[1], "record_write %d %d", at, VALUE);
        assert_code(call_result(callers[0]).code, 0);
        assert_false(
            call(callers[0], "record_read %d %d", at, VALUE).value_torn);

        memset(stage.view.data, 0, 8192);
        call_do(callers[0], "mutex_lock %d 0", at);
        child_tell(callers[1], "mutex_lock %d 20000", at);
        call_do(callers[0], "mutex_unlock %d", at);
        assert_code(call_result(callers[1]).code, 0);
        call_do(callers[1], "mutex_unlock %d", at);
    }
    stage_end(&stage);
}

/* A crowd that finds nothing but zeroed memory. */

struct set {
    struct objects objects;
    SHMAP_ALIGN8 uint64_t count; /* protected by the mutex */
    uint64_t arrived;            /* the same */
    uint64_t once_done;
    uint64_t lasts;
    uint64_t written; /* protected by the rwlock */
};

struct crowd {
    SHMAP_ALIGN8 uint64_t go;
    struct set sets[SETS];
};

static void use_lock_and_cond(struct set *set, int64_t until)
{
    struct objects *objects = &set->objects;

    role_check_code(shmap_mutex_lock(&objects->mutex, until), 0);
    set->count++;
    if (++set->arrived == CROWD)
        role_check_code(shmap_cond_broadcast(&objects->cond), 0);
    while (set->arrived != CROWD)
        role_check_code(shmap_cond_wait(&objects->cond, &objects->mutex, until),
                        0);
    role_check_code(shmap_mutex_unlock(&objects->mutex), 0);
}

static void use_signals(struct set *set, int64_t until)
{
    struct objects *objects = &set->objects;

    /* A token of each kind goes round. */
    role_check_code(shmap_semaphore_post(&objects->semaphore, 1), 0);
    role_check_code(shmap_semaphore_wait(&objects->semaphore, until), 0);
    role_check_code(shmap_event_set(&objects->event), 0);
    role_check_code(shmap_event_wait(&objects->event, until), 0);
    int result = shmap_once_begin(&objects->once, until);
    if (result == SHMAP_ONCE_YOURS) {
        memory_add(&set->once_done, 1);
        role_check_code(shmap_once_commit(&objects->once), 0);
    } else {
        role_check_code(result, 0);
    }
    role_check(memory_load(&set->once_done) == 1);
}

static void use_shared_data(struct set *set, int64_t until)
{
    struct objects *objects = &set->objects;
    unsigned char value[VALUE];
    uint64_t version = 0;
    int result;

    role_check_code(shmap_rwlock_write_lock(&objects->rwlock, until), 0);
    set->written++;
    role_check_code(shmap_rwlock_unlock(&objects->rwlock), 0);
    role_check_code(shmap_rwlock_read_lock(&objects->rwlock, until), 0);
    role_check(set->written >= 1);
    role_check_code(shmap_rwlock_unlock(&objects->rwlock), 0);

    value_fill(value, sizeof value, 5);
    do {
        result =
            shmap_record_write(&objects->value.record, value, sizeof value);
    } while (result == SHMAP_EBUSY && shmap_now() < until);
    role_check_code(result, 0);
    role_check_code(shmap_record_wait(&objects->value.record, 0, until), 0);
    do {
        result = shmap_record_read(&objects->value.record, value, sizeof value,
                                   &version);
    } while (result == SHMAP_EBUSY && shmap_now() < until);
    role_check_code(result, 0);
    role_check(version >= 1 && version <= CROWD);
    role_check(value_is(value, sizeof value, 5));
}

static int play_one_of_many(int count, char **arguments)
{
    struct crowd *crowd;
    int64_t until = deadline_ms(PATIENCE);

    role_check(count == 1);
    crowd = stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE);
    say("ready");
    while (memory_load(&crowd->go) == 0)
        role_check(shmap_now() < until);
    for (int i = 0; i < SETS; i++) {
        struct set *set = &crowd->sets[i];
        int result;

        /* They come to each object at about the same time. */
        switch (i % 3) {
        case 0:
            use_lock_and_cond(set, until);
            use_signals(set, until);
            use_shared_data(set, until);
            break;
        case 1:
            use_signals(set, until);
            use_shared_data(set, until);
            use_lock_and_cond(set, until);
            break;
        default:
            use_shared_data(set, until);
            use_lock_and_cond(set, until);
            use_signals(set, until);
            break;
        }
        result = shmap_barrier_wait(&set->objects.barrier, CROWD, until);
        if (result == SHMAP_LAST)
            memory_add(&set->lasts, 1);
        else
            role_check_code(result, 0);
    }
    say("done");
    return 0;
}

static void test_wait__crowds_start_from_zeroed_memory(void **state)
{
    struct stage stage;
    struct crowd *crowd;
    struct child *children[CROWD];

    (void)state;
    stage_make(&stage, __func__, sizeof *crowd);
    crowd = stage_at(&stage, 0);
    for (int i = 0; i < CROWD; i++)
        children[i] = child_start("one_of_many", stage.name, NULL);
    for (int i = 0; i < CROWD; i++)
        child_expect(children[i], "ready");
    memory_store(&crowd->go, 1);
    for (int i = 0; i < CROWD; i++)
        child_expect(children[i], "done");
    for (int i = 0; i < SETS; i++) {
        const struct set *set = &crowd->sets[i];

        assert_int_equal(set->count, CROWD);
        assert_int_equal(set->written, CROWD);
        assert_int_equal(set->once_done, 1);
        assert_int_equal(set->lasts, 1);
        assert_int_equal(set->objects.semaphore.value_, 0);
        assert_int_equal(set->objects.value.record.version_, CROWD);
    }
    stage_end(&stage);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"one_of_many", play_one_of_many},
                                        {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait__costs_no_processor_time_asleep),
        cmocka_unit_test(test_wait__spins_for_a_bounded_time),
        cmocka_unit_test(test_wait__for_records_costs_no_processor_time),
        cmocka_unit_test(test_wait__for_mutexes_costs_no_processor_time),
        cmocka_unit_test(test_wait__of_each_kind_looks_again_every_200_ms),
        cmocka_unit_test(test_wait__spins_for_as_long_as_it_is_told),
        cmocka_unit_test(test_wait__does_not_spin_for_its_own_processor),
        cmocka_unit_test(test_wait__spins_for_processes_kept_to_others),
        cmocka_unit_test(test_wait__finds_out_when_processes_move),
        cmocka_unit_test(test_wait__learns_whether_to_spin),
        cmocka_unit_test(test_wait__ends_as_soon_as_it_is_woken),
        cmocka_unit_test(test_wait__wakes_all_at_once),
        cmocka_unit_test(test_wait__outlives_a_waker_that_dies_before_waking),
        cmocka_unit_test(
            test_wait__outlives_a_waiter_that_dies_after_being_woken),
        cmocka_unit_test(test_wait__forgets_waiters_that_were_killed_asleep),
        cmocka_unit_test(test_wait__forgets_waiters_that_died_at_a_barrier),
        cmocka_unit_test(test_wait__living_waiters_are_not_forgotten),
        cmocka_unit_test(test_wait__works_when_waiters_cannot_be_counted),
        cmocka_unit_test(test_wait__works_wherever_objects_are),
        cmocka_unit_test(test_wait__crowds_start_from_zeroed_memory),
    };

    stops_enable();
    calls_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
