/* SPDX-License-Identifier: MIT */

/* Processes of different compilers and C libraries, of 32 and 64 bits, that use
 * the same objects at the same time.
 *
 * SHMAP_TEST_PEERS in the environment has the paths of this program as others
 * built it, with commas between. Each kind of program, this one among them,
 * starts as role "peer NAME": it maps the region of that name, and does what
 * its standard input says.
 */
#include <inttypes.h>

#include "platform.h"
#include "support.h"

enum {
    KINDS_MAX = 6,
    SLOTS = 2 * KINDS_MAX,
    RING = 8,
    TURNS = 300,  /* of two who wait for each other */
    ITEMS = 2000, /* through the queue, of each producer */
    PAIR_ITEMS = 800,
    ROUNDS = 300, /* of a barrier */
    COUNTS = 300, /* of one life in the mutex's test */
    LIVES = 8,
    VALUES = 300, /* that a reader follows a record for */
    VALUE = 200,  /* numbers in one */
    AT_ONCE_MS = 100
};

struct account {
    uint64_t total;
    uint64_t inside; /* the slot that has the lock, and 1; 0: nobody */
    uint64_t deaths; /* that somebody was told of */
    uint64_t done[SLOTS];
};

struct queue {
    uint64_t filled;
    uint64_t taken;
    uint64_t item[RING];
};

/* What all share. */
struct meeting {
    shmap_mutex mutex;
    shmap_rwlock rwlock;
    shmap_once once;
    shmap_barrier barrier;
    shmap_event ping;
    shmap_event pong;
    shmap_semaphore there;
    shmap_semaphore back;
    shmap_cond not_empty;
    shmap_cond not_full;
    SHMAP_ALIGN8 uint64_t stop;
    struct account account;
    struct queue queue;
    uint64_t arrived[SLOTS];
    union {
        shmap_record record;
        unsigned char space[SHMAP_RECORD_SIZE(VALUE * sizeof(uint64_t))];
    } news;
};

/* Of this process: to write, and to read only. */
static struct meeting *meeting;
static const struct meeting *shown;

static bool join(const char *name)
{
    static shmap_view view;
    static shmap_view read_only;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_region *region;
    bool joined;

    options.access = SHMAP_ACCESS_READ;
    if (shmap_region_open(&region, name, NULL) != 0)
        return false;
    joined = shmap_view_map(&view, region, NULL) == 0;
    shmap_region_close(region);
    if (!joined || shmap_region_open(&region, name, &options) != 0)
        return false;
    joined = shmap_view_map(&read_only, region, NULL) == 0;
    shmap_region_close(region);
    meeting = view.data;
    shown = read_only.data;
    return joined;
}

static int64_t patience(void)
{
    return shmap_after(SHMAP_MS(patience_until(PATIENCE) - clock_ms()));
}

/* The peers' part: commands. Each returns the result of a call, and may say a
 * number. */

static uint64_t said;

static int do_locks(const uint64_t *numbers)
{
    static shmap_mutex own;
    int result = shmap_mutex_lock(&own, SHMAP_TRY);

    (void)numbers;
    return result == 0 ? shmap_mutex_unlock(&own) : result;
}

/* A number that differs if a size or a place does. */
static int do_layout(const uint64_t *numbers)
{
    static const size_t sizes[] = {
        sizeof(shmap_mutex),
        sizeof(shmap_rwlock),
        sizeof(shmap_once),
        sizeof(shmap_barrier),
        sizeof(shmap_event),
        sizeof(shmap_semaphore),
        sizeof(shmap_cond),
        sizeof(shmap_record),
        sizeof(struct meeting),
        offsetof(struct meeting, rwlock),
        offsetof(struct meeting, once),
        offsetof(struct meeting, ping),
        offsetof(struct meeting, there),
        offsetof(struct meeting, not_empty),
        offsetof(struct meeting, account),
        offsetof(struct meeting, news),
    };

    (void)numbers;
    said = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        said = said * 31 + sizes[i];
    return 0;
}

static int do_lock(const uint64_t *numbers)
{
    int result = shmap_mutex_lock(&meeting->mutex, patience());

    (void)numbers;
    said = (uint64_t)shmap_now();
    return result;
}

static int do_try_lock(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_mutex_lock(&meeting->mutex, SHMAP_TRY);
}

static int do_unlock(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_mutex_unlock(&meeting->mutex);
}

static int do_consistent(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_mutex_consistent(&meeting->mutex);
}

static int do_read(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_rwlock_read_lock(&meeting->rwlock, patience());
}

static int do_write(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_rwlock_write_lock(&meeting->rwlock, patience());
}

static int do_rw_unlock(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_rwlock_unlock(&meeting->rwlock);
}

static int do_rw_consistent(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_rwlock_consistent(&meeting->rwlock);
}

static int do_begin(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_once_begin(&meeting->once, patience());
}

static int do_commit(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_once_commit(&meeting->once);
}

static int do_abandon(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_once_abandon(&meeting->once);
}

static uint64_t sum_done(const struct account *account)
{
    uint64_t sum = 0;

    for (int i = 0; i < SLOTS; i++)
        sum += account->done[i];
    return sum;
}

/* Lock, and repair what a dead one left. */
static void lock_account(struct account *account, uint64_t slot)
{
    int result = shmap_mutex_lock(&meeting->mutex, patience());

    if (result == SHMAP_OWNER_DIED) {
        account->deaths++;
        account->total = sum_done(account);
        account->inside = 0;
        role_check_code(shmap_mutex_consistent(&meeting->mutex), 0);
    } else {
        role_check_code(result, 0);
    }
    role_check(account->inside == 0);
    role_check(account->total == sum_done(account));
    account->inside = slot + 1;
}

/* count SLOT TIMES DIE: count under the mutex until told to stop; if DIE, die
 * in the middle of the last time. */
static int do_count(const uint64_t *numbers)
{
    struct account *account = &meeting->account;
    uint64_t slot = numbers[0];

    for (uint64_t i = 1; i <= numbers[1]; i++) {
        if (memory_load(&meeting->stop) != 0)
            break;
        lock_account(account, slot);
        account->total++;
        if (numbers[2] != 0 && i == numbers[1])
            os_kill_self();
        account->done[slot]++;
        account->inside = 0;
        role_check_code(shmap_mutex_unlock(&meeting->mutex), 0);
    }
    return 0;
}

/* play FIRST TIMES: set one event and take the other, in turns. */
static int do_play(const uint64_t *numbers)
{
    shmap_event *mine = numbers[0] ? &meeting->ping : &meeting->pong;
    shmap_event *yours = numbers[0] ? &meeting->pong : &meeting->ping;

    for (uint64_t i = 0; i < numbers[1]; i++) {
        if (numbers[0])
            role_check_code(shmap_event_set(mine), 0);
        role_check_code(shmap_event_take(yours, patience()), 0);
        if (!numbers[0])
            role_check_code(shmap_event_set(mine), 0);
    }
    return 0;
}

/* The same with semaphores. */
static int do_exchange(const uint64_t *numbers)
{
    shmap_semaphore *mine = numbers[0] ? &meeting->there : &meeting->back;
    shmap_semaphore *yours = numbers[0] ? &meeting->back : &meeting->there;

    for (uint64_t i = 0; i < numbers[1]; i++) {
        if (numbers[0])
            role_check_code(shmap_semaphore_post(mine, 1), 0);
        role_check_code(shmap_semaphore_wait(yours, patience()), 0);
        if (!numbers[0])
            role_check_code(shmap_semaphore_post(mine, 1), 0);
    }
    return 0;
}

/* Wait until it is set, which all do at once. */
static int do_wait(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_event_wait(&meeting->ping, patience());
}

static int do_set(const uint64_t *numbers)
{
    (void)numbers;
    return shmap_event_set(&meeting->ping);
}

static void wait_for_room(shmap_cond *cond)
{
    role_check_code(shmap_cond_wait(cond, &meeting->mutex, patience()), 0);
}

/* produce FROM COUNT: so many numbers into the queue. */
static int do_produce(const uint64_t *numbers)
{
    struct queue *queue = &meeting->queue;

    for (uint64_t i = 0; i < numbers[1]; i++) {
        role_check_code(shmap_mutex_lock(&meeting->mutex, patience()), 0);
        while (queue->filled - queue->taken == RING)
            wait_for_room(&meeting->not_full);
        queue->item[queue->filled++ % RING] = numbers[0] + i;
        role_check_code(shmap_cond_signal(&meeting->not_empty), 0);
        role_check_code(shmap_mutex_unlock(&meeting->mutex), 0);
    }
    return 0;
}

/* consume COUNT: says their sum. */
static int do_consume(const uint64_t *numbers)
{
    struct queue *queue = &meeting->queue;

    said = 0;
    for (uint64_t i = 0; i < numbers[0]; i++) {
        role_check_code(shmap_mutex_lock(&meeting->mutex, patience()), 0);
        while (queue->filled == queue->taken)
            wait_for_room(&meeting->not_empty);
        said += queue->item[queue->taken++ % RING];
        role_check_code(shmap_cond_signal(&meeting->not_full), 0);
        role_check_code(shmap_mutex_unlock(&meeting->mutex), 0);
    }
    return 0;
}

/* gather SLOT PARTIES ROUNDS: says how often it was the last. */
static int do_gather(const uint64_t *numbers)
{
    uint32_t parties = (uint32_t)numbers[1];

    said = 0;
    for (uint64_t round = 1; round <= numbers[2]; round++) {
        int result;

        memory_store(&meeting->arrived[numbers[0]], round);
        result = shmap_barrier_wait(&meeting->barrier, parties, patience());
        if (result == SHMAP_LAST)
            said++;
        else
            role_check_code(result, 0);
        for (uint32_t i = 0; i < parties; i++)
            role_check(memory_load(&meeting->arrived[i]) >= round);
        result = shmap_barrier_wait(&meeting->barrier, parties, patience());
        role_check(result == 0 || result == SHMAP_LAST);
    }
    return 0;
}

/* publish FROM COUNT: so many values, each of one number. */
static int do_publish(const uint64_t *numbers)
{
    static uint64_t value[VALUE];
    int result = 0;

    for (uint64_t i = 0; i < numbers[1] && result == 0; i++) {
        if (memory_load(&meeting->stop) != 0)
            break;
        for (size_t at = 0; at < VALUE; at++)
            value[at] = numbers[0] + i;
        result = shmap_record_write(&meeting->news.record, value, sizeof value);
    }
    return result;
}

/* follow COUNT: through the read-only view, for so many versions; says the last
 * value's number. */
static int do_follow(const uint64_t *numbers)
{
    static uint64_t value[VALUE];
    const shmap_record *record = &shown->news.record;
    uint64_t version = 0;
    uint64_t until = 0;

    do {
        uint64_t found;

        role_check_code(shmap_record_wait(record, version, patience()), 0);
        role_check_code(shmap_record_read(record, value, sizeof value, &found),
                        0);
        role_check(found > version);
        version = found;
        if (until == 0)
            until = version - 1 + numbers[0];
        for (size_t at = 1; at < VALUE; at++)
            role_check(value[at] == value[0]);
    } while (version < until);
    said = value[0];
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(const uint64_t *numbers);
} commands[] = {
    {"locks", do_locks},         {"layout", do_layout},
    {"lock", do_lock},           {"try_lock", do_try_lock},
    {"unlock", do_unlock},       {"consistent", do_consistent},
    {"read", do_read},           {"write", do_write},
    {"rw_unlock", do_rw_unlock}, {"rw_consistent", do_rw_consistent},
    {"begin", do_begin},         {"commit", do_commit},
    {"abandon", do_abandon},     {"count", do_count},
    {"play", do_play},           {"exchange", do_exchange},
    {"wait", do_wait},           {"set", do_set},
    {"produce", do_produce},     {"consume", do_consume},
    {"gather", do_gather},       {"publish", do_publish},
    {"follow", do_follow},
};

static int obey(const char *line)
{
    char name[32];
    uint64_t numbers[3] = {0};

    if (sscanf(line, "%31s %" SCNu64 " %" SCNu64 " %" SCNu64, name, &numbers[0],
               &numbers[1], &numbers[2]) < 1)
        role_fail("no command");
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(numbers);
    role_fail("no command \"%s\"", name);
    return 1;
}

static int peer(int count, char **arguments)
{
    const char *line;

    role_check(count == 1);
    role_check(join(arguments[0]));
    while ((line = hear()) != NULL) {
        int result = obey(line);

        say("= %d %" PRIu64, result, said);
    }
    return 0;
}

/* The tests' part. */

static struct kind {
    char path[1000]; /* "": this program */
    bool locks;
} kinds[KINDS_MAX];
static int kind_count;
static char region_name[NAME_ROOM];
static shmap_region *our_region;
static shmap_view our_view = SHMAP_VIEW_INIT;

static const char *name_of(int kind)
{
    return kinds[kind].path[0] == '\0' ? "this one" : kinds[kind].path;
}

static struct child *start(int kind)
{
    struct child *child;

    child_program = kinds[kind].path[0] == '\0' ? NULL : kinds[kind].path;
    child = child_start("peer", region_name, NULL);
    child_program = NULL;
    return child;
}

/* The result of the command that was given last. */
static int result_of(struct child *child)
{
    const char *line = child_read_line(child, 2 * PATIENCE);
    int result = SHMAP_ESYSTEM;

    said = 0;
    if (line == NULL || sscanf(line, "= %d %" SCNu64, &result, &said) != 2)
        fail_msg("a peer says \"%s\"", line == NULL ? "(nothing)" : line);
    return result;
}

static int ask(struct child *child, const char *command)
{
    child_tell(child, "%s", command);
    return result_of(child);
}

static void end(struct child *child)
{
    child_close_stdin(child);
    assert_int_equal(child_wait(child, PATIENCE), 0);
}

static void end_all(struct child **children, int count)
{
    for (int i = 0; i < count; i++)
        end(children[i]);
}

/* Find out which kinds of programs can have locks. */
static void find_locks(void)
{
    static bool known;

    for (int i = 0; i < kind_count && !known; i++) {
        struct child *child = start(i);
        int result = ask(child, "locks");

        if (result != SHMAP_ENOTSUP)
            assert_code(result, 0);
        kinds[i].locks = result == 0;
        print_message("[  KIND    ] %s: %s\n", name_of(i),
                      result == 0 ? "has locks" : "cannot have locks");
        end(child);
    }
    known = true;
}

/* Each test has a region of its own, all zeros. */
static int set_up(void **state)
{
    (void)state;
    unique_name(region_name, "interop");
    assert_code(
        shmap_region_create(&our_region, region_name, sizeof *meeting, NULL),
        0);
    assert_code(shmap_view_map(&our_view, our_region, NULL), 0);
    meeting = our_view.data;
    find_locks();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    children_end();
    shmap_view_unmap(&our_view);
    shmap_region_close(our_region);
    return 0;
}

/* Use these objects as often as they are new. */
static void renew(void)
{
    memset(meeting, 0, sizeof *meeting);
}

static void test_interop__layout_is_the_same(void **state)
{
    uint64_t layout;

    (void)state;
    do_layout(NULL);
    layout = said;
    for (int i = 0; i < kind_count; i++) {
        struct child *child = start(i);

        assert_code(ask(child, "layout"), 0);
        assert_true(said == layout);
        end(child);
    }
}

/* Who cannot have locks says so, at every call. */
static void test_interop__locks_are_refused_where_they_cannot_be_held(
    void **state)
{
    static const char *const refused[] = {
        "lock",      "unlock", "consistent", "read",    "write",
        "rw_unlock", "begin",  "commit",     "abandon", "publish 1 1"};
    bool any = false;

    (void)state;
    for (int i = 0; i < kind_count; i++) {
        struct child *child;

        if (kinds[i].locks)
            continue;
        any = true;
        child = start(i);
        for (size_t call = 0; call < COUNT(refused); call++)
            assert_code(ask(child, refused[call]), SHMAP_ENOTSUP);
        end(child);
    }
    if (!any)
        skip_because("all kinds of programs can have locks");
}

static int start_counters(struct child **children)
{
    int count = 0;

    for (int i = 0; i < 2 * kind_count; i++)
        if (kinds[i / 2].locks)
            children[count++] = start(i / 2);
    return count;
}

/* Two of each kind count, and die in the middle of it. Who lives repairs what
 * they left, once for each. */
static void test_interop__mutex_counts_exactly(void **state)
{
    struct child *children[SLOTS];
    const struct account *account = &meeting->account;
    uint64_t deaths = 0;
    uint64_t total = 0;

    (void)state;
    for (int life = 0; life <= LIVES; life++) {
        int count = start_counters(children);
        bool last = life == LIVES;

        for (int slot = 0; slot < count; slot++)
            child_tell(children[slot], "count %d %d %d", slot, COUNTS, !last);
        for (int slot = 0; slot < count; slot++) {
            if (last)
                assert_code(result_of(children[slot]), 0);
            else
                assert_int_equal(child_wait(children[slot], PATIENCE),
                                 CHILD_KILLED);
        }
        deaths += last ? 0 : (uint64_t)count;
        total += (uint64_t)count * (last ? COUNTS : COUNTS - 1);
        if (last)
            end_all(children, count);
    }
    assert_true(account->total == total);
    assert_true(sum_done(account) == total);
    assert_true(account->deaths == deaths);
}

/* The same, killed at any moment. */
static void test_interop__mutex_survives_kills_at_any_moment(void **state)
{
    struct child *children[SLOTS];
    int kind_of[SLOTS];
    const struct account *account = &meeting->account;
    struct dice dice = {fresh_seed()};
    long kills = setting("SHMAP_SOAK", 0) == 1 ? 2000 : 60;
    int count = 0;

    (void)state;
    for (int i = 0; i < kind_count; i++)
        if (kinds[i].locks)
            kind_of[count++] = i;
    for (int i = 0; i < count; i++)
        children[i] = NULL;
    for (long i = 0; i < kills + count; i++) {
        int slot = (int)(i % count);
        uint64_t before;

        if (children[slot] != NULL)
            child_end(children[slot]);
        before = memory_load(&account->done[slot]);
        children[slot] = start(kind_of[slot]);
        child_tell(children[slot], "count %d 1000000000 0", slot);
        /* It counts, and then for some microseconds more. */
        assert_eventually(memory_load(&account->done[slot]) > before);
        for (uint32_t spin = dice_roll(&dice, 30000); spin > 0; spin--)
            memory_load(&account->total);
    }
    memory_store(&meeting->stop, 1);
    for (int i = 0; i < count; i++)
        assert_code(result_of(children[i]), 0);
    assert_true(account->total == sum_done(account));
    end_all(children, count);
}

static bool is_waited_for(void)
{
    return (memory_load(&meeting->mutex.owner_) & SHMAP__OS_WAITERS) != 0;
}

/* How long after the death of who has the lock a waiter has it, in ns. */
static int64_t time_of_report(int holder, int waiter)
{
    struct child *dying = start(holder);
    struct child *waiting = start(waiter);
    int64_t killed;
    int64_t told;

    assert_code(ask(dying, "lock"), 0);
    child_tell(waiting, "lock");
    assert_eventually(is_waited_for());
    killed = shmap_now();
    child_kill(dying);
    assert_code(result_of(waiting), SHMAP_OWNER_DIED);
    told = (int64_t)said;
    assert_int_equal(child_wait(dying, PATIENCE), CHILD_KILLED);
    assert_code(ask(waiting, "consistent"), 0);
    assert_code(ask(waiting, "unlock"), 0);
    end(waiting);
    return told - killed;
}

/* Who has just gone to sleep is not woken by its own looking again, within
 * 200 ms, but by the death. A busy machine has several chances. */
static void test_interop__death_is_reported_at_once(void **state)
{
    (void)state;
    meeting->mutex.spin_ns = SHMAP_SPIN_NEVER;
    for (int pair = 0; pair < kind_count * kind_count; pair++) {
        int holder = pair / kind_count;
        int waiter = pair % kind_count;
        int64_t fastest = INT64_MAX;

        if (!kinds[holder].locks || !kinds[waiter].locks)
            continue;
        for (int i = 0; i < 5 && fastest > AT_ONCE_MS * INT64_C(1000000); i++) {
            int64_t took = time_of_report(holder, waiter);

            fastest = took < fastest ? took : fastest;
        }
        if (fastest > AT_ONCE_MS * INT64_C(1000000))
            fail_msg("%s tells %s of its death after %d ms", name_of(holder),
                     name_of(waiter), (int)(fastest / 1000000));
    }
}

/* All kinds wait for one; it dies, and they are told until one repairs. */
static void test_interop__death_is_reported_to_all(void **state)
{
    (void)state;
    for (int holder = 0; holder < kind_count; holder++) {
        struct child *children[KINDS_MAX];
        struct child *dying;
        int count = 0;

        if (!kinds[holder].locks)
            continue;
        dying = start(holder);
        assert_code(ask(dying, "lock"), 0);
        for (int i = 0; i < kind_count; i++)
            if (kinds[i].locks)
                children[count++] = start(i);
        for (int i = 0; i < count; i++)
            assert_code(ask(children[i], "try_lock"), SHMAP_ETIMEDOUT);
        child_end(dying);
        for (int i = 0; i < count; i++) {
            assert_code(ask(children[i], "lock"), SHMAP_OWNER_DIED);
            if (i + 1 == count)
                assert_code(ask(children[i], "consistent"), 0);
            assert_code(ask(children[i], "unlock"), 0);
        }
        for (int i = 0; i < count; i++) {
            assert_code(ask(children[i], "lock"), 0);
            assert_code(ask(children[i], "unlock"), 0);
        }
        end_all(children, count);
    }
}

/* For each two kinds that can have locks. */
static void for_each_pair(void (*meet)(int one, int other))
{
    for (int pair = 0; pair < kind_count * kind_count; pair++) {
        int one = pair / kind_count;
        int other = pair % kind_count;

        if (!kinds[one].locks || !kinds[other].locks)
            continue;
        renew();
        meet(one, other);
    }
}

static void meet_at_rwlock(int one, int other)
{
    struct child *dying = start(one);
    struct child *reader = start(one);
    struct child *living = start(other);

    /* Readers together; then the writer waits, for a living and a dead one. */
    assert_code(ask(dying, "read"), 0);
    assert_code(ask(reader, "read"), 0);
    assert_code(ask(living, "read"), 0);
    assert_code(ask(living, "rw_unlock"), 0);
    child_tell(living, "write");
    child_end(dying);
    assert_code(ask(reader, "rw_unlock"), 0);
    assert_code(result_of(living), 0);
    assert_code(ask(living, "rw_unlock"), 0);

    /* A writer dies: readers and writers are told until one repairs. */
    assert_code(ask(reader, "write"), 0);
    child_tell(living, "read");
    child_end(reader);
    assert_code(result_of(living), SHMAP_OWNER_DIED);
    assert_code(ask(living, "rw_unlock"), 0);
    assert_code(ask(living, "write"), SHMAP_OWNER_DIED);
    assert_code(ask(living, "rw_consistent"), 0);
    assert_code(ask(living, "rw_unlock"), 0);
    assert_code(ask(living, "read"), 0);
    end(living);
}

static void test_interop__rwlock_finds_the_dead(void **state)
{
    (void)state;
    for_each_pair(meet_at_rwlock);
}

static void meet_at_once(int one, int other)
{
    struct child *dying = start(one);
    struct child *living = start(other);
    struct child *third = start(one);

    assert_code(ask(dying, "begin"), SHMAP_ONCE_YOURS);
    assert_code(ask(dying, "abandon"), 0);
    assert_code(ask(living, "begin"), SHMAP_ONCE_YOURS);
    child_tell(dying, "begin");
    assert_code(ask(living, "abandon"), 0);
    assert_code(result_of(dying), SHMAP_ONCE_YOURS);
    child_tell(living, "begin");
    child_end(dying);
    assert_code(result_of(living), SHMAP_OWNER_DIED);
    child_tell(third, "begin");
    assert_code(ask(living, "commit"), 0);
    assert_code(result_of(third), 0);
    end(third);
    end(living);
}

static void test_interop__once_is_inherited(void **state)
{
    (void)state;
    for_each_pair(meet_at_once);
}

/* Two take turns: without spinning, each turn needs a wake-up. If one were
 * lost, it would take 200 ms. */
static void take_turns(const char *how, int one, int other, uint32_t spin_ns)
{
    struct child *first = start(one);
    struct child *second = start(other);
    int64_t began = shmap_now();

    renew();
    meeting->ping.spin_ns = meeting->pong.spin_ns = spin_ns;
    meeting->there.spin_ns = meeting->back.spin_ns = spin_ns;
    child_tell(second, "%s 0 %d", how, TURNS);
    child_tell(first, "%s 1 %d", how, TURNS);
    assert_code(result_of(second), 0);
    assert_code(result_of(first), 0);
    if (shmap_now() - began > TURNS * INT64_C(50000000))
        fail_msg("%s and %s take turns too slowly", name_of(one),
                 name_of(other));
    end(first);
    end(second);
}

static void for_each_turn(const char *how)
{
    for (int one = 0; one < kind_count; one++) {
        for (int other = 0; other < kind_count; other++) {
            take_turns(how, one, other, 0);
            take_turns(how, one, other, SHMAP_SPIN_NEVER);
        }
    }
}

static void test_interop__events_take_turns(void **state)
{
    (void)state;
    for_each_turn("play");
}

static void test_interop__semaphores_take_turns(void **state)
{
    (void)state;
    for_each_turn("exchange");
}

static void test_interop__event_wakes_all(void **state)
{
    (void)state;
    for (int setter = 0; setter < kind_count; setter++) {
        struct child *children[KINDS_MAX];

        renew();
        for (int i = 0; i < kind_count; i++)
            children[i] = start(i);
        for (int i = 0; i < kind_count; i++)
            if (i != setter)
                child_tell(children[i], "wait");
        assert_code(ask(children[setter], "set"), 0);
        for (int i = 0; i < kind_count; i++)
            if (i != setter)
                assert_code(result_of(children[i]), 0);
        end_all(children, kind_count);
    }
}

static void tell_to_queue(struct child *producer, struct child *consumer,
                          int from, int count)
{
    child_tell(consumer, "consume %d", count);
    child_tell(producer, "produce %d %d", from, count);
}

/* One producer and one consumer of each kind. */
static void test_interop__queue_loses_nothing(void **state)
{
    struct child *producers[KINDS_MAX];
    struct child *consumers[KINDS_MAX];
    uint64_t sent = 0;
    uint64_t received = 0;
    int count = 0;

    (void)state;
    for (int i = 0; i < kind_count; i++) {
        if (!kinds[i].locks)
            continue;
        producers[count] = start(i);
        consumers[count++] = start(i);
    }
    for (int i = 0; i < count; i++)
        tell_to_queue(producers[i], consumers[i], i * ITEMS, ITEMS);
    for (int i = 0; i < count; i++) {
        assert_code(result_of(producers[i]), 0);
        assert_code(result_of(consumers[i]), 0);
        received += said;
    }
    for (int i = 0; i < count * ITEMS; i++)
        sent += (uint64_t)i;
    assert_true(received == sent);
    end_all(producers, count);
    end_all(consumers, count);
}

/* If signals were lost, a full or an empty queue would be one for 200 ms. */
static void meet_at_queue(int one, int other)
{
    struct child *producer = start(one);
    struct child *consumer = start(other);
    int64_t began = shmap_now();

    meeting->not_empty.spin_ns = SHMAP_SPIN_NEVER;
    meeting->not_full.spin_ns = SHMAP_SPIN_NEVER;
    tell_to_queue(producer, consumer, 0, PAIR_ITEMS);
    assert_code(result_of(producer), 0);
    assert_code(result_of(consumer), 0);
    if (shmap_now() - began > PAIR_ITEMS / RING * INT64_C(50000000))
        fail_msg("%s is slow to signal to %s, or the other way round",
                 name_of(one), name_of(other));
    end(producer);
    end(consumer);
}

static void test_interop__signals_wake(void **state)
{
    (void)state;
    for_each_pair(meet_at_queue);
}

static void test_interop__barrier_gathers_all(void **state)
{
    struct child *children[KINDS_MAX];
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < kind_count; i++)
        children[i] = start(i);
    for (int i = 0; i < kind_count; i++)
        child_tell(children[i], "gather %d %d %d", i, kind_count, ROUNDS);
    for (int i = 0; i < kind_count; i++) {
        assert_code(result_of(children[i]), 0);
        last += said;
    }
    assert_true(last == ROUNDS);
    end_all(children, kind_count);
}

/* All kinds follow what one writes, through read-only views; it is killed, and
 * the next kind goes on. */
static void test_interop__record_is_followed(void **state)
{
    struct child *readers[KINDS_MAX];

    (void)state;
    for (int i = 0; i < kind_count; i++)
        readers[i] = start(i);
    for (int i = 0; i < 2 * kind_count; i++) {
        struct child *writer;

        if (!kinds[i % kind_count].locks)
            continue;
        writer = start(i % kind_count);
        meeting->news.record.spin_ns = i < kind_count ? 0 : SHMAP_SPIN_NEVER;
        child_tell(writer, "publish 0 1000000000");
        for (int k = 0; k < kind_count; k++)
            child_tell(readers[k], "follow %d", VALUES);
        for (int k = 0; k < kind_count; k++)
            assert_code(result_of(readers[k]), 0);
        child_end(writer);
        /* What the dead one left does not hold up the next, nor mislead. */
        writer = start((i + 1) % kind_count);
        if (kinds[(i + 1) % kind_count].locks) {
            assert_code(ask(writer, "publish 7777777777 1"), 0);
            for (int k = 0; k < kind_count; k++) {
                assert_code(ask(readers[k], "follow 1"), 0);
                assert_true(said == UINT64_C(7777777777));
            }
        }
        end(writer);
    }
    end_all(readers, kind_count);
}

/* This program, and those of the environment. */
static void find_kinds(const char *peers)
{
    kind_count = 1;
    while (*peers != '\0' && kind_count < KINDS_MAX) {
        size_t size = strcspn(peers, ",");

        snprintf(kinds[kind_count].path, sizeof kinds[0].path, "%.*s",
                 (int)size, peers);
        kind_count += size != 0;
        peers += size + (peers[size] == ',');
    }
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"peer", peer}, {0, 0}};
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_interop__layout_is_the_same),
        TEST(test_interop__locks_are_refused_where_they_cannot_be_held),
        TEST(test_interop__mutex_counts_exactly),
        TEST(test_interop__mutex_survives_kills_at_any_moment),
        TEST(test_interop__death_is_reported_at_once),
        TEST(test_interop__death_is_reported_to_all),
        TEST(test_interop__rwlock_finds_the_dead),
        TEST(test_interop__once_is_inherited),
        TEST(test_interop__events_take_turns),
        TEST(test_interop__semaphores_take_turns),
        TEST(test_interop__event_wakes_all),
        TEST(test_interop__queue_loses_nothing),
        TEST(test_interop__signals_wake),
        TEST(test_interop__barrier_gathers_all),
        TEST(test_interop__record_is_followed),
    };
    const char *peers = getenv("SHMAP_TEST_PEERS");

    if (peers == NULL || *peers == '\0')
        return program_skipped("SHMAP_TEST_PEERS names no other programs");
    find_kinds(peers);
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
