/* SPDX-License-Identifier: MIT */

/* What the threads of a crowd do. */

#include "crowd.h"

/* Milliseconds, scaled: for a call to come back after its deadline. */
#define LATE 10000

struct board *crowd_board;
shmap_region *crowd_arena;

uint64_t crowd_phase(void)
{
    return memory_load(&crowd_board->phase);
}

bool crowd_is_over(void)
{
    return shmap_now() > (int64_t)memory_load(&crowd_board->until);
}

/* The test is gone, or takes too long. */
void crowd_nap(void)
{
    patience_nap(INT64_MAX);
    if (!crowd_is_over())
        return;
    say("the time is over");
    os_exit_now(1);
}

int64_t crowd_late(void)
{
    return shmap_after(SHMAP_MS(patience_until(PATIENCE) - clock_ms()));
}

static unsigned my_process;
static struct crowd_user users[THREADS];

void crowd_failed(const char *format, ...)
{
    struct user_board *mine = &crowd_board->users[my_process];
    va_list arguments;
    va_start(arguments, format);
    if (memory_add(&mine->failed, 1) == 0)
        vsnprintf(mine->failure, sizeof mine->failure, format, arguments);
    va_end(arguments);
    say("%s", mine->failure);
    os_exit_now(1);
}

static uint32_t roll(struct crowd_user *me, uint32_t sides)
{
    return dice_roll(&me->dice, sides);
}

/* Views. */

static void map(struct crowd_user *me, int set)
{
    for (int kind = 0; kind < ARENA_KINDS; kind++) {
        struct arena_cell *cell = &me->cells[set][kind];
        crowd_check(arena_cell_map(cell, crowd_arena, (enum arena_kind)kind,
                                   SHMAP_ACCESS_DEFAULT) == 0);
        if (set == 0)
            memory_store(&me->board->hints.cells[kind],
                         (uint64_t)(uintptr_t)cell->view.data);
    }
}

static void unmap(struct crowd_user *me, int set)
{
    for (int kind = 0; kind < ARENA_KINDS; kind++)
        arena_cell_unmap(&me->cells[set][kind]);
}

void crowd_map_all(struct crowd_user *me)
{
    if (me->mapped)
        return;
    map(me, 0);
    map(me, 1);
    crowd_check(arena_cell_map(&me->records, crowd_arena, ARENA_RECORD,
                               SHMAP_ACCESS_READ) == 0);
    me->mapped = true;
}

/* With all that is held in them. */
static void unmap_all(struct crowd_user *me)
{
    if (!me->mapped)
        return;
    unmap(me, 0);
    unmap(me, 1);
    arena_cell_unmap(&me->records);
    me->mapped = false;
}

void crowd_map_buffer(struct crowd_user *me)
{
    shmap_region *region = NULL;
    crowd_check(shmap_region_create(&region, NULL, os_page_size(), NULL) == 0);
    crowd_check(arena_cell_map(&me->buffer, region, ARENA_KINDS,
                               SHMAP_ACCESS_DEFAULT) == 0);
    shmap_region_close(region);
}

/* Things elsewhere. */

void crowd_lose_all(struct crowd_user *me)
{
    memory_add(&crowd_board->remapped, 1);
    unmap_all(me);
    crowd_map_all(me);
}

/* A healthy lock can be refused only because the thread has locked, elsewhere,
 * too much for reading. */
#define healthy(me, call)                             \
    do {                                              \
        int result_ = (call);                         \
        if (result_ == SHMAP_ENOLCK) {                \
            memory_add(&crowd_board->crowded, 1);     \
            crowd_lose_all(me);                       \
            result_ = (call);                         \
        }                                             \
        if (result_ != 0)                             \
            crowd_failed("%s, healthy, is %s", #call, \
                         shmap_error_name(result_));  \
    } while (0)

static void toggle_mutex(struct crowd_user *me)
{
    uint64_t *state = &me->board->mutex;
    bool has = *state == HAVING;
    memory_store(state, UNSURE);
    if (has) {
        healthy(me, shmap_mutex_unlock(&me->own->mutex));
    } else {
        healthy(me, shmap_mutex_lock(&me->own->mutex, crowd_late()));
        memory_store(&me->board->hints.id, memory_load(&me->own->mutex.owner_) &
                                               ~(UINT64_C(3) << 30));
        memory_store(&me->board->hints.healthy[0],
                     (uint64_t)(uintptr_t)&me->own->mutex);
    }
    memory_store(state, has ? NOT : HAVING);
}

static void read_own(struct crowd_user *me)
{
    const shmap_rwlock *rwlock = &me->own->rwlock;
    healthy(me, shmap_rwlock_read_lock(&me->own->rwlock, crowd_late()));
    for (int i = 0; i < SHMAP_RWLOCK_READERS; i++)
        if (memory_load(&rwlock->reader_[i]) != 0)
            memory_store(&me->board->hints.healthy[1],
                         (uint64_t)(uintptr_t)&rwlock->reader_[i]);
    memory_store(&me->board->rwlock, READING);
}

static void toggle_rwlock(struct crowd_user *me)
{
    uint64_t *state = &me->board->rwlock;
    bool has = *state != NOT;
    memory_store(state, UNSURE);
    if (has) {
        healthy(me, shmap_rwlock_unlock(&me->own->rwlock));
        memory_store(state, NOT);
    } else if (roll(me, 2) == 0) {
        read_own(me);
    } else {
        healthy(me, shmap_rwlock_write_lock(&me->own->rwlock, crowd_late()));
        memory_store(&me->board->hints.healthy[2],
                     (uint64_t)(uintptr_t)&me->own->rwlock);
        memory_store(state, HAVING);
    }
}

static int begin_own(struct crowd_user *me)
{
    int result = shmap_once_begin(&me->own->once, crowd_late());
    return result == SHMAP_ONCE_YOURS ? 0 : result == 0 ? SHMAP_EEXIST : result;
}

static void toggle_once(struct crowd_user *me)
{
    uint64_t *state = &me->board->once;
    bool has = *state == HAVING;
    memory_store(state, UNSURE);
    if (has) {
        healthy(me, shmap_once_abandon(&me->own->once));
    } else {
        healthy(me, begin_own(me));
        memory_store(&me->board->hints.healthy[3],
                     (uint64_t)(uintptr_t)&me->own->once);
    }
    memory_store(state, has ? NOT : HAVING);
}

/* One that all share: nobody else is inside, unless somebody died there. */
static int visit(void)
{
    int result = shmap_mutex_lock(&crowd_board->shared, crowd_late());
    if (SHMAP_FAILED(result))
        return result;
    if (result == SHMAP_OWNER_DIED) {
        memory_store(&crowd_board->inside, 0);
        crowd_check(shmap_mutex_consistent(&crowd_board->shared) == 0);
    }
    crowd_check(memory_add(&crowd_board->inside, 1) == 0);
    crowd_check(memory_add(&crowd_board->inside, UINT64_MAX) == 1);
    return shmap_mutex_unlock(&crowd_board->shared);
}

static void let_go_of_own(struct crowd_user *me)
{
    if (me->board->mutex == HAVING)
        toggle_mutex(me);
    if (me->board->rwlock != NOT)
        toggle_rwlock(me);
    if (me->board->once == HAVING)
        toggle_once(me);
}

/* A thread's death is told of: everywhere where it had something, and nowhere
 * else, but where it was just about to. Returns what is wrong, or NULL. */

static const char *check_mutex_after(struct own *own, enum having state)
{
    int result = shmap_mutex_lock(&own->mutex, crowd_late());
    if (SHMAP_FAILED(result) || (state == HAVING && result == 0) ||
        (state == NOT && result != 0))
        return shmap_error_name(result);
    if (result == SHMAP_OWNER_DIED) {
        memory_add(&crowd_board->reported, 1);
        if (shmap_mutex_consistent(&own->mutex) != 0)
            return "not made consistent";
    }
    return shmap_mutex_unlock(&own->mutex) == 0 ? NULL : "not unlocked";
}

static const char *check_rwlock_after(struct own *own, enum having state)
{
    int result = shmap_rwlock_write_lock(&own->rwlock, crowd_late());
    if (SHMAP_FAILED(result) || (state == HAVING && result == 0) ||
        ((state == NOT || state == READING) && result != 0))
        return shmap_error_name(result);
    if (result == SHMAP_OWNER_DIED) {
        memory_add(&crowd_board->reported, 1);
        if (shmap_rwlock_consistent(&own->rwlock) != 0)
            return "not made consistent";
    }
    return shmap_rwlock_unlock(&own->rwlock) == 0 ? NULL : "not unlocked";
}

/* It stays marked, so it is zeroed then. */
static const char *check_once_after(struct own *own, enum having state)
{
    int result = shmap_once_begin(&own->once, crowd_late());
    if (result <= 0 || (state == HAVING && result != SHMAP_OWNER_DIED) ||
        (state == NOT && result != SHMAP_ONCE_YOURS))
        return shmap_error_name(result);
    memory_add(&crowd_board->reported, result == SHMAP_OWNER_DIED);
    if (shmap_once_abandon(&own->once) != 0)
        return "not abandoned";
    memset(&own->once, 0, sizeof own->once);
    return NULL;
}

/* Whoever looks may die, too: then nothing is sure. */
static enum having take_state(uint64_t *state)
{
    enum having was = (enum having)memory_load(state);
    memory_store(state, UNSURE);
    return was;
}

/* The thread has died. Returns which of its things was not as it should be. */
const char *crowd_check_after(struct own *own, struct thread_board *dead,
                              const char **wrong)
{
    const char *which = "mutex";
    *wrong = check_mutex_after(own, take_state(&dead->mutex));
    if (*wrong == NULL) {
        which = "rwlock";
        *wrong = check_rwlock_after(own, take_state(&dead->rwlock));
    }
    if (*wrong == NULL) {
        which = "once";
        *wrong = check_once_after(own, take_state(&dead->once));
    }
    memory_store(&dead->mutex, NOT);
    memory_store(&dead->rwlock, NOT);
    memory_store(&dead->once, NOT);
    memory_store(&dead->call, 0);
    for (size_t i = 0; i < COUNT(dead->hints.healthy); i++)
        memory_store(&dead->hints.healthy[i], 0);
    return which;
}

/* Calls. */

/* Most have passed, or pass soon. */
static int64_t some_deadline(struct crowd_user *me)
{
    switch (roll(me, 8)) {
    case 0:
        return 0;
    case 1:
        return -(int64_t)roll(me, 1000);
    case 2:
        return shmap_now();
    case 3:
        return shmap_after((int64_t)roll(me, 20000000));
    default:
        return shmap_after((int64_t)roll(me, 500000));
    }
}

int crowd_do_call(struct crowd_user *me, const struct arena_use *use)
{
    struct thread_board *mine = me->board;
    const char *name = arena_call_name(use->call);
    int64_t began = shmap_now();
    int64_t should = use->deadline > began ? use->deadline : began;
    const char *wrong = NULL;
    int64_t over;
    int result;
    memory_store(&mine->object, use->number);
    memory_store(&mine->call, (uint64_t)use->call + 1);
    result = arena_call(use, &wrong);
    memory_store(&mine->call, 0);
    over = (shmap_now() - should) / 1000000;
    if (wrong != NULL)
        crowd_failed("%s: %s", name, wrong);
    if (!arena_call_may_answer(use->call, result))
        crowd_failed("%s is %s", name, shmap_error_name(result));
    if (over > patience_until(LATE) - clock_ms())
        crowd_failed("%s came back after %d ms", name, (int)over);
    memory_add(result >= 0 ? &mine->good[use->call] : &mine->bad[use->call], 1);
    return result;
}

/* Some object of a kind, through one mapping or the other. */
struct arena_use crowd_choose(struct crowd_user *me, enum arena_kind kind)
{
    int set = roll(me, 4) == 0;
    struct arena_use use = {.deadline = some_deadline(me),
                            .dice = &me->dice,
                            .end = (unsigned char *)me->buffer.view.data +
                                   os_page_size()};
    use.number = (unsigned)kind * ARENA_COPIES + roll(me, ARENA_COPIES);
    use.object = arena_object(use.number);
    use.at = (char *)me->cells[set][kind].view.data + use.object.at;
    if (kind == ARENA_RECORD)
        use.only = (const char *)me->records.view.data + use.object.at;
    return use;
}

/* Having the mutex, or not. */
static void call_cond(struct crowd_user *me)
{
    struct arena_use use = crowd_choose(me, ARENA_COND);
    shmap_mutex *mutex = &((struct arena_cond *)use.at)->mutex;
    use.call = (enum arena_call)(COND_WAIT + roll(me, 3));
    if (roll(me, 8) != 0)
        shmap_mutex_lock(mutex, some_deadline(me));
    crowd_do_call(me, &use);
    if (roll(me, 8) != 0)
        shmap_mutex_unlock(mutex);
}

static void call_once(struct crowd_user *me)
{
    struct arena_use use = crowd_choose(me, ARENA_ONCE);
    use.call = ONCE_BEGIN;
    if (roll(me, 2) == 0 && crowd_do_call(me, &use) > 0 && roll(me, 4) == 0)
        return;
    use.call = roll(me, 8) == 0 ? ONCE_COMMIT : ONCE_ABANDON;
    crowd_do_call(me, &use);
}

/* Lock it, and often unlock it. */
static void call_lock(struct crowd_user *me, enum arena_kind kind)
{
    struct arena_use use = crowd_choose(me, kind);
    bool reads = roll(me, 3) != 0;
    bool is_mutex = kind == ARENA_MUTEX;
    use.call = is_mutex ? MUTEX_LOCK
               : reads  ? RWLOCK_READ_LOCK
                        : RWLOCK_WRITE_LOCK;
    if (roll(me, 8) != 0 && crowd_do_call(me, &use) == SHMAP_OWNER_DIED &&
        roll(me, 2) == 0) {
        use.call = is_mutex ? MUTEX_CONSISTENT : RWLOCK_CONSISTENT;
        crowd_do_call(me, &use);
    }
    if (roll(me, 16) == 0) {
        use.call = is_mutex ? MUTEX_CONSISTENT : RWLOCK_CONSISTENT;
        crowd_do_call(me, &use);
    }
    if (roll(me, 4) == 0)
        return;
    if (roll(me, 4) == 0)
        use = crowd_choose(me, kind);
    use.call = is_mutex ? MUTEX_UNLOCK : RWLOCK_UNLOCK;
    crowd_do_call(me, &use);
}

static void call_other(struct crowd_user *me, enum arena_kind kind)
{
    struct arena_use use = crowd_choose(me, kind);
    switch (kind) {
    case ARENA_EVENT:
        use.call = (enum arena_call)(EVENT_SET + roll(me, 4));
        break;
    case ARENA_SEMAPHORE:
        use.call = (enum arena_call)(SEMAPHORE_POST + roll(me, 2));
        break;
    case ARENA_BARRIER:
        use.call = BARRIER_WAIT;
        break;
    default:
        use.call = (enum arena_call)(RECORD_WRITE + roll(me, 5));
        break;
    }
    crowd_do_call(me, &use);
}

static void call_something(struct crowd_user *me)
{
    enum arena_kind kind = (enum arena_kind)roll(me, ARENA_KINDS);
    switch (kind) {
    case ARENA_MUTEX:
    case ARENA_RWLOCK:
        call_lock(me, kind);
        break;
    case ARENA_COND:
        call_cond(me);
        break;
    case ARENA_ONCE:
        call_once(me);
        break;
    default:
        call_other(me, kind);
        break;
    }
}

static void take_turn(struct crowd_user *me)
{
    switch (roll(me, 32)) {
    case 0:
    case 1:
        toggle_mutex(me);
        break;
    case 2:
    case 3:
        toggle_rwlock(me);
        break;
    case 4:
        toggle_once(me);
        break;
    case 5:
        healthy(me, visit());
        break;
    case 6:
        if (roll(me, 16) == 0) {
            int set = (int)roll(me, 2);
            memory_add(&crowd_board->remapped, 1);
            unmap(me, set);
            map(me, set);
        }
        break;
    default:
        call_something(me);
        break;
    }
    memory_add(&me->board->turns, 1);
}

/* Fresh objects, used by all at once. */

static void *fresh(struct crowd_user *me, enum arena_kind kind, unsigned copy)
{
    struct arena_object object =
        arena_object((unsigned)kind * ARENA_COPIES + copy);
    return (char *)me->cells[copy % 2][kind].view.data + object.at;
}

static void try_locks(struct crowd_user *me, unsigned copy, struct trial *trial)
{
    shmap_mutex *mutex = fresh(me, ARENA_MUTEX, copy);
    shmap_rwlock *rwlock = fresh(me, ARENA_RWLOCK, copy);
    shmap_once *once = fresh(me, ARENA_ONCE, copy);
    int result;
    for (int i = 0; i < TURNS; i++) {
        crowd_check(shmap_mutex_lock(mutex, crowd_late()) == 0);
        ++*(volatile uint64_t *)&trial->locked;
        crowd_check(shmap_mutex_unlock(mutex) == 0);
    }
    crowd_check(shmap_rwlock_write_lock(rwlock, crowd_late()) == 0);
    ++*(volatile uint64_t *)&trial->written;
    crowd_check(shmap_rwlock_unlock(rwlock) == 0);
    crowd_check(shmap_rwlock_read_lock(rwlock, crowd_late()) == 0);
    crowd_check(shmap_rwlock_unlock(rwlock) == 0);
    result = shmap_once_begin(once, crowd_late());
    crowd_check(result == 0 || result == SHMAP_ONCE_YOURS);
    if (result == SHMAP_ONCE_YOURS) {
        memory_add(&trial->begun, 1);
        crowd_check(shmap_once_commit(once) == 0);
    }
}

static void try_cond(struct crowd_user *me, unsigned copy, struct trial *trial)
{
    struct arena_cond *pair = fresh(me, ARENA_COND, copy);
    crowd_check(shmap_mutex_lock(&pair->mutex, crowd_late()) == 0);
    memory_add(&trial->gathered, 1);
    crowd_check(shmap_cond_broadcast(&pair->cond) == 0);
    while (memory_load(&trial->gathered) < PARTIES)
        crowd_check(shmap_cond_wait(&pair->cond, &pair->mutex, crowd_late()) ==
                    0);
    crowd_check(shmap_mutex_unlock(&pair->mutex) == 0);
}

static void try_signals(struct crowd_user *me, unsigned copy,
                        struct trial *trial)
{
    shmap_event *event = fresh(me, ARENA_EVENT, copy);
    shmap_semaphore *semaphore = fresh(me, ARENA_SEMAPHORE, copy);
    shmap_barrier *barrier = fresh(me, ARENA_BARRIER, copy);
    int result;
    crowd_check(shmap_event_set(event) == 0);
    crowd_check(shmap_event_wait(event, crowd_late()) == 0);
    crowd_check(shmap_semaphore_post(semaphore, 1) == 0);
    crowd_check(shmap_semaphore_wait(semaphore, crowd_late()) == 0);
    result = shmap_barrier_wait(barrier, PARTIES, crowd_late());
    crowd_check(result == 0 || result == SHMAP_LAST);
    memory_add(&trial->last, result == SHMAP_LAST);
    result = shmap_event_take(event, SHMAP_TRY);
    crowd_check(result == 0 || result == SHMAP_ETIMEDOUT);
    memory_add(&trial->taken, result == 0);
}

static void try_record(struct crowd_user *me, unsigned copy)
{
    shmap_mutex *mutex = fresh(me, ARENA_MUTEX, copy);
    shmap_record *record = fresh(me, ARENA_RECORD, copy);
    struct arena_object object =
        arena_object(ARENA_RECORD * ARENA_COPIES + copy);
    const shmap_record *only =
        (const void *)((const char *)me->records.view.data + object.at);
    unsigned char value[ARENA_VALUE_MAX];
    uint64_t version = 0;
    memset(value, (int)roll(me, 256), sizeof value);
    crowd_check(shmap_mutex_lock(mutex, crowd_late()) == 0);
    crowd_check(shmap_record_write(record, value, object.value) == 0);
    crowd_check(shmap_mutex_unlock(mutex) == 0);
    crowd_check(shmap_record_wait(only, 0, crowd_late()) == 0);
    crowd_check(shmap_record_read(only, value, object.value, &version) == 0);
    crowd_check(version > 0 && version <= PARTIES);
    for (size_t i = 1; i < object.value; i++)
        crowd_check(value[i] == value[0]);
}

static void try_fresh(struct crowd_user *me)
{
    crowd_map_all(me);
    for (unsigned copy = 0; copy < ARENA_COPIES; copy++) {
        struct trial *trial = &crowd_board->trials[copy];
        try_locks(me, copy, trial);
        try_cond(me, copy, trial);
        try_signals(me, copy, trial);
        try_record(me, copy);
    }
    unmap_all(me);
}

/* Threads. */

static bool is_mortal(const struct crowd_user *me)
{
    return me->number == THREADS - 1;
}

static void wait_for_phase(struct crowd_user *me, uint64_t after)
{
    memory_store(&me->board->arrived, after);
    while (crowd_phase() == after) {
        crowd_nap();
    }
}

/* Whether to go on. */
static bool scribbled(struct crowd_user *me, uint64_t phase)
{
    uint32_t most = is_mortal(me) ? 1 + roll(me, 2000) : UINT32_MAX;
    crowd_map_all(me);
    for (uint32_t i = 0; i < most && crowd_phase() == phase; i++)
        take_turn(me);
    return !is_mortal(me);
}

static void run_user(void *argument)
{
    struct crowd_user *me = argument;
    bool goes_on = true;
    if (me->buffer.view.data == NULL)
        crowd_map_buffer(me);
    while (goes_on) {
        uint64_t phase = crowd_phase();
        if (phase == THE_END)
            break;
        if (phase % PHASE_KINDS == SCRIBBLING) {
            goes_on = scribbled(me, phase);
            continue;
        }
        if (phase % PHASE_KINDS == TRIAL)
            try_fresh(me);
        let_go_of_own(me);
        unmap_all(me);
        wait_for_phase(me, phase);
    }
    memory_store(&me->ended, 1);
}

static void start_thread(struct crowd_user *me)
{
    memory_store(&me->ended, 0);
    crowd_check(uv_thread_create(&me->thread, run_user, me) == 0);
}

/* It has ended with what it held. */
static void bury(struct crowd_user *me)
{
    const char *wrong;
    const char *which;
    crowd_check(uv_thread_join(&me->thread) == 0);
    memory_add(&crowd_board->endings, 1);
    unmap_all(me);
    which = crowd_check_after(me->own, me->board, &wrong);
    if (wrong != NULL)
        crowd_failed("the %s of a thread that ended: %s", which, wrong);
}

struct board *crowd_join_board(const char *name)
{
    static shmap_view view;
    shmap_region *region = NULL;
    role_check_code(shmap_region_open(&region, name, NULL), 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    return view.data;
}

/* Arguments: crowd_board, arena, number, seed. */
int crowd_play_user(int count, char **arguments)
{
    uint64_t seed;
    role_check(count == 4);
    crowd_board = crowd_join_board(arguments[0]);
    role_check_code(shmap_region_open(&crowd_arena, arguments[1], NULL), 0);
    my_process = (unsigned)strtoul(arguments[2], NULL, 10);
    seed = strtoull(arguments[3], NULL, 16);
    for (unsigned i = 0; i < THREADS; i++) {
        users[i].number = i;
        users[i].dice.state = seed + i;
        users[i].board = &crowd_board->users[my_process].threads[i];
        users[i].own = &crowd_board->own[my_process][i];
        start_thread(&users[i]);
    }
    while (crowd_phase() != THE_END) {
        struct crowd_user *mortal = &users[THREADS - 1];
        if (memory_load(&mortal->ended) != 0 && crowd_phase() != THE_END) {
            bury(mortal);
            start_thread(mortal);
        }
        crowd_nap();
    }
    for (unsigned i = 0; i < THREADS; i++)
        crowd_check(uv_thread_join(&users[i].thread) == 0);
    return 0;
}
