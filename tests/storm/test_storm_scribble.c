/* SPDX-License-Identifier: MIT */

/* Whoever may write to shared memory may write anything there. Threads of
 * several processes use every kind of object in every way, while others
 * scribble over the objects, and while processes are killed, threads end, and
 * views are unmapped with whatever they hold. Then wrong answers, errors and
 * time-outs are fine, but these are not: a crash, a call that does not come
 * back, a result that the call does not document, a byte written outside of an
 * object or of a caller's buffer. After each round the same threads use the
 * same objects, zeroed, and everything works again; and all the time they use
 * others elsewhere, which are healthy, and which their deaths are told of.
 *
 * Of healthy objects this is true: the kernel walks a dead thread's list
 * through nodes in shared memory, and so may find no locks beyond a scribbled
 * one, or take words for locks that are none. The locks of the dead are found
 * all the same, because who waits looks for the dead, too, if later. What can
 * no longer be unlocked counts among a thread's SHMAP_LOCKS_MAX until there are
 * so many. Robust mutexes of the C library are not used here: a thread that has
 * those and scribbled ones at a time is beyond the library's protection.
 *
 * SHMAP_TEST_SCRIBBLE_SECONDS is how long, SHMAP_SOAK=1 makes it a minute;
 * SHMAP_TEST_SEED repeats a run as far as the system's scheduling lets it.
 */

#include <inttypes.h>

#include "crowd.h"

#define SECONDS      6
#define SOAK_SECONDS 60
#define ROUNDS_MAX   100 /* if not everything was seen before */

/* One word is written without any pause while calls with its object wait. Who
 * waits may try again because of that, but not beyond its deadline. */

static volatile uint64_t *hammered; /* NULL: nothing */
static uint64_t hammer_wanted;      /* a request, 0 for none */
static uint64_t hammer_busy;        /* with this one */

static void hammer(void *unused)
{
    struct dice dice = {fresh_seed()};
    uint64_t value = fresh_seed();
    (void)unused;
    crowd_check(shmap_mutex_lock(&crowd_board->own[0][1].mutex, SHMAP_TRY) ==
                0);
    for (;;) {
        uint64_t wanted = memory_load(&hammer_wanted);
        memory_store(&hammer_busy, wanted);
        if (wanted == THE_END)
            break;
        if (wanted == 0)
            patience_nap(INT64_MAX);
        else if (dice_roll(&dice, 4) == 0)
            for (int i = 0; i < 1000; i++)
                *hammered = value += UINT64_C(0x9e3779b97f4a7c15);
        else
            *hammered = value += 1;
    }
    crowd_check(shmap_mutex_unlock(&crowd_board->own[0][1].mutex) == 0);
}

static void ask_hammer(uint64_t request)
{
    memory_store(&hammer_wanted, request);
    while (memory_load(&hammer_busy) != request)
        continue;
}

/* What it waits for does not come: somebody who lives has it. */
static void prepare(const struct arena_use *use)
{
    uint64_t other = memory_load(&crowd_board->own[0][1].mutex.owner_);
    uint64_t *words = use->at;
    shmap_record *record = use->at;
    for (size_t i = 0; i < use->object.size / 8; i++)
        words[i] = 0;
    switch (use->object.kind) {
    case ARENA_MUTEX:
    case ARENA_RWLOCK:
    case ARENA_ONCE:
        words[0] = other;
        break;
    case ARENA_COND:
        crowd_check(
            shmap_mutex_lock(&((struct arena_cond *)use->at)->mutex, 0) == 0);
        break;
    case ARENA_RECORD:
        if (use->call != RECORD_WAIT && use->call != RECORD_WAIT_ONLY) {
            record->size_ = use->object.value;
            record->version_ = 1;
        }
        break;
    default:
        break;
    }
}

/* With the mutex of a cond, that would be without a deadline. */
static size_t words_to_hammer(enum arena_kind kind)
{
    enum { MOST = 16 };
    size_t size = arena_object((unsigned)kind * ARENA_COPIES).size;
    size_t words = (kind == ARENA_COND ? sizeof(shmap_cond) : size) / 8;
    return words < MOST ? words : MOST;
}

static void call_hammered(struct crowd_user *me, enum arena_call call,
                          size_t word)
{
    struct arena_use use = crowd_choose(me, arena_call_kind(call));
    use.call = call;
    prepare(&use);
    hammered = (uint64_t *)use.at + word;
    ask_hammer(1);
    use.deadline = shmap_after(SHMAP_MS(2));
    crowd_do_call(me, &use);
    ask_hammer(0);
    if (use.object.kind == ARENA_COND)
        shmap_mutex_unlock(&((struct arena_cond *)use.at)->mutex);
}

/* All in this process. Says what it is at. */
static int play_hammered(int count, char **arguments)
{
    static struct board alone;
    static struct crowd_user user;
    struct crowd_user *me = &user;
    uv_thread_t hammering;
    (void)count, (void)arguments;
    crowd_board = &alone;
    me->board = &crowd_board->users[0].threads[0];
    me->dice.state = fresh_seed();
    role_check_code(shmap_region_create(&crowd_arena, NULL, ARENA_SIZE, NULL),
                    0);
    crowd_map_buffer(me);
    crowd_map_all(me);
    role_check(uv_thread_create(&hammering, hammer, NULL) == 0);
    ask_hammer(0);
    while (memory_load(&crowd_board->own[0][1].mutex.owner_) == 0)
        patience_nap(INT64_MAX);
    for (int call = 0; call < ARENA_CALLS; call++) {
        enum arena_kind kind = arena_call_kind((enum arena_call)call);
        say("%s", arena_call_name((enum arena_call)call));
        for (size_t word = 0; word < words_to_hammer(kind); word++)
            call_hammered(me, (enum arena_call)call, word);
        crowd_lose_all(me);
    }
    ask_hammer(THE_END);
    role_check(uv_thread_join(&hammering) == 0);
    say("done");
    return 0;
}

/* Scribblers. Arguments: crowd_board, arena, number, seed. */

/* From without any pause to seldom enough that what was locked stays so for a
 * while. */
static void pause_for(struct dice *dice, uint32_t longest)
{
    int64_t until;
    if (dice_roll(dice, 1024) == 0)
        patience_nap(INT64_MAX);
    if (longest == 0)
        return;
    until = shmap_after((int64_t)dice_roll(dice, longest));
    while (shmap_now() < until)
        continue;
}

static int play_scribbler(int count, char **arguments)
{
    static const uint32_t pauses[] = {100000, 0, 10000, 500000, 1000};
    static const struct scribble_hints *hints[PARTIES];
    static struct scribbler scribbler = {.hints = hints, .hint_count = PARTIES};
    static shmap_view view;
    unsigned number;
    role_check(count == 4);
    crowd_board = crowd_join_board(arguments[0]);
    role_check_code(shmap_region_open(&crowd_arena, arguments[1], NULL), 0);
    role_check_code(shmap_view_map(&view, crowd_arena, NULL), 0);
    number = (unsigned)strtoul(arguments[2], NULL, 10);
    for (unsigned i = 0; i < PARTIES; i++)
        hints[i] = &crowd_board->users[i / THREADS].threads[i % THREADS].hints;
    scribble_start(&scribbler, view.data, strtoull(arguments[3], NULL, 16));
    while (crowd_phase() != THE_END && !crowd_is_over()) {
        uint64_t phase = crowd_phase();
        if (phase % PHASE_KINDS == SCRIBBLING) {
            scribble(&scribbler);
            memory_add(&crowd_board->scribbles, 1);
            pause_for(&scribbler.dice,
                      pauses[phase / PHASE_KINDS % COUNT(pauses)]);
        } else {
            memory_store(&crowd_board->scribblers_arrived[number], phase);
            patience_nap(INT64_MAX);
        }
    }
    return 0;
}

/* The test's own process. */

struct run {
    char names[2][NAME_ROOM];
    shmap_region *regions[2];
    shmap_view views[2];
    void *arena;
    struct dice dice;
    uint64_t seed;
    char seed_text[64];
    struct child *children[USERS];
    struct child *scribblers[SCRIBBLERS];
    unsigned rounds;
    unsigned kills;
};

static struct run run;

/* Why something has not come. Ends the test. */
static void give_up(const char *what, int user)
{
    const struct user_board *its = &crowd_board->users[user];
    char calls[256] = "";
    int code;
    for (int i = 0; i < THREADS; i++) {
        uint64_t call = memory_load(&its->threads[i].call);
        size_t length = strlen(calls);
        if (call != 0 && call <= ARENA_CALLS)
            snprintf(calls + length, sizeof calls - length,
                     "    in %s of %s %d\n",
                     arena_call_name((enum arena_call)(call - 1)),
                     arena_kind_name(
                         arena_object((unsigned)its->threads[i].object).kind),
                     (int)its->threads[i].object);
    }
    child_kill(run.children[user]);
    code = child_wait(run.children[user], PATIENCE);
    if (memory_load(&its->failed) != 0)
        fail_msg("%s\n    %s", its->failure, run.seed_text);
    fail_msg("%s in round %u; the process ended with %d%s\n%s    %s", what,
             run.rounds, code,
             code == CHILD_KILLED ? " (killed by the test)" : "", calls,
             run.seed_text);
}

/* A child that says something, or whose output has ended, has failed. */
static void look_at(struct child *child, int user)
{
    int64_t until = clock_ms() + 2;
    const char *line;
    if (user >= 0 && memory_load(&crowd_board->users[user].failed) != 0)
        give_up("it failed", user);
    line = child_read_line(child, 2);
    if (line == NULL && clock_ms() >= until)
        return;
    if (user >= 0)
        give_up(line == NULL ? "a user crashed" : line, user);
    fail_msg("a scribbler says \"%s\"\n    %s", line == NULL ? "" : line,
             run.seed_text);
}

static void look_at_all(void)
{
    for (int i = 0; i < USERS; i++)
        look_at(run.children[i], i);
    for (int i = 0; i < SCRIBBLERS; i++)
        look_at(run.scribblers[i], -1);
}

/* Waits for a cond's mutex end with nobody's deadline, so somebody helps. */
static bool have_arrived(uint64_t phase, int *missing)
{
    for (int i = 0; i < PARTIES; i++) {
        *missing = i / THREADS;
        if (memory_load(&crowd_board->users[i / THREADS]
                             .threads[i % THREADS]
                             .arrived) != phase)
            return false;
    }
    return true;
}

static bool have_scribblers_arrived(uint64_t phase)
{
    for (int i = 0; i < SCRIBBLERS; i++)
        if (memory_load(&crowd_board->scribblers_arrived[i]) != phase)
            return false;
    return true;
}

static void await(uint64_t phase, bool heal)
{
    int64_t until = patience_until(2 * PATIENCE);
    int missing = 0;
    while (!have_scribblers_arrived(phase) || !have_arrived(phase, &missing)) {
        look_at_all();
        if (heal && have_scribblers_arrived(phase))
            scribble_heal(run.arena);
        if (clock_ms() > until)
            give_up("a user does not come back", missing);
    }
}

static struct child *start(const char *role, int number)
{
    char digits[12];
    char seed[24];
    snprintf(digits, sizeof digits, "%d", number);
    snprintf(seed, sizeof seed, "%" PRIx64,
             (uint64_t)dice_roll(&run.dice, UINT32_MAX) << 16);
    return child_start(role, run.names[0], run.names[1], digits, seed, NULL);
}

static void share(int which, const char *label, size_t size)
{
    unique_name(run.names[which], label);
    assert_code(
        shmap_region_create(&run.regions[which], run.names[which], size, NULL),
        0);
    assert_code(shmap_view_map(&run.views[which], run.regions[which], NULL), 0);
}

static void begin_run(int seconds)
{
    static const struct run nothing;
    int64_t longest = (int64_t)(seconds + 120) * 1000;
    run = nothing;
    run.seed =
        (uint64_t)setting("SHMAP_TEST_SEED", (long)(fresh_seed() & 0x7fffffff));
    run.dice.state = run.seed;
    snprintf(run.seed_text, sizeof run.seed_text, "SHMAP_TEST_SEED=%" PRIu64,
             run.seed);
    share(0, "board", sizeof(struct board));
    share(1, "arena", ARENA_SIZE);
    crowd_board = run.views[0].data;
    run.arena = run.views[1].data;
    memory_store(&crowd_board->until,
                 (uint64_t)shmap_after(
                     SHMAP_MS(patience_until((int)longest) - clock_ms())));
    memory_store(&crowd_board->phase,
                 PHASE_KINDS); /* Not 0, which nobody wrote. */
    arena_clear(run.arena, run.seed);
    for (int i = 0; i < USERS; i++)
        run.children[i] = start("user", i);
    for (int i = 0; i < SCRIBBLERS; i++)
        run.scribblers[i] = start("scribbler", i);
}

static void next_phase(void)
{
    memory_store(&crowd_board->phase, crowd_phase() + 1);
}

static void check_arena(const char *after)
{
    long damage = arena_damage(run.arena, run.seed);
    if (damage >= 0)
        fail_msg(
            "after %s, the byte %ld of the cell of %ss was written to\n"
            "    %s",
            after, damage % SHMAP_VIEW_GRANULARITY,
            arena_kind_name((enum arena_kind)(damage / SHMAP_VIEW_GRANULARITY)),
            run.seed_text);
}

/* Everybody has let go of everything, and uses fresh objects. */
static void try_all(void)
{
    arena_clear(run.arena, run.seed);
    memset(crowd_board->trials, 0, sizeof crowd_board->trials);
    next_phase();
    await(crowd_phase(), false);
    for (unsigned copy = 0; copy < ARENA_COPIES; copy++) {
        const struct trial *trial = &crowd_board->trials[copy];
        assert_int_equal(trial->locked, PARTIES * TURNS);
        assert_int_equal(trial->written, PARTIES);
        assert_int_equal(trial->gathered, PARTIES);
        assert_int_equal(trial->last, 1);
        assert_int_equal(trial->taken, 1);
        assert_int_equal(trial->begun, 1);
    }
    check_arena("a trial");
}

static void scribble_for(int ms)
{
    int64_t until = clock_ms() + ms;
    while (clock_ms() < until)
        look_at_all();
}

static void kill_one(void)
{
    int user = (int)dice_roll(&run.dice, USERS);
    int code;
    child_kill(run.children[user]);
    code = child_wait(run.children[user], PATIENCE);
    if (code != CHILD_KILLED)
        fail_msg("a user ended with %d: %s\n    %s", code,
                 crowd_board->users[user].failure, run.seed_text);
    ++run.kills;
    for (int i = 0; i < THREADS; i++) {
        struct thread_board *dead = &crowd_board->users[user].threads[i];
        const char *wrong;
        const char *which =
            crowd_check_after(&crowd_board->own[user][i], dead, &wrong);
        if (wrong != NULL)
            fail_msg("the %s of one that was killed: %s\n    %s", which, wrong,
                     run.seed_text);
        dead->arrived = UINT64_MAX;
    }
    run.children[user] = start("user", user);
}

static void run_round(void)
{
    await(crowd_phase(), true);
    check_arena("scribbling");
    try_all();
    arena_clear(run.arena, run.seed);
    next_phase();
    scribble_for(50 + (int)dice_roll(&run.dice, 200));
    if (dice_roll(&run.dice, 4) != 0) {
        kill_one();
        scribble_for((int)dice_roll(&run.dice, 100));
    }
    next_phase();
    ++run.rounds;
}

static uint64_t sum(size_t offset, int call)
{
    uint64_t total = 0;
    for (int i = 0; i < PARTIES; i++) {
        const char *thread =
            (const char *)&crowd_board->users[i / THREADS].threads[i % THREADS];
        total += ((const uint64_t *)(const void *)(thread + offset))[call];
    }
    return total;
}

/* Every call has succeeded, and failed where it can, and so on. */
static bool have_seen_everything(void)
{
    for (int call = 0; call < ARENA_CALLS; call++)
        if (sum(offsetof(struct thread_board, good), call) == 0 ||
            (arena_call_can_fail((enum arena_call)call) &&
             sum(offsetof(struct thread_board, bad), call) == 0))
            return false;
    return run.kills > 0 && memory_load(&crowd_board->endings) > 0 &&
           memory_load(&crowd_board->remapped) > 0 &&
           memory_load(&crowd_board->reported) > 0;
}

static void sum_up(void)
{
    print_message("    %u rounds, %u kills, %d ends of threads, %" PRIu64
                  " remappings, %" PRIu64 " deaths told, %" PRIu64
                  " crowded, %" PRIu64 " scribbles; %s\n",
                  run.rounds, run.kills, (int)crowd_board->endings,
                  crowd_board->remapped, crowd_board->reported,
                  crowd_board->crowded, crowd_board->scribbles, run.seed_text);
    for (int call = 0; call < ARENA_CALLS; call++)
        print_message("    %-24s %8" PRIu64 " done %8" PRIu64 " errors\n",
                      arena_call_name((enum arena_call)call),
                      sum(offsetof(struct thread_board, good), call),
                      sum(offsetof(struct thread_board, bad), call));
    assert_true(have_seen_everything());
}

static void end_run(void)
{
    memory_store(&crowd_board->phase, THE_END);
    for (int i = 0; i < USERS; i++)
        assert_int_equal(child_wait(run.children[i], PATIENCE), 0);
    for (int i = 0; i < SCRIBBLERS; i++)
        assert_int_equal(child_wait(run.scribblers[i], PATIENCE), 0);
}

static int clear_up(void **state)
{
    (void)state;
    children_end();
    for (int i = 0; i < 2; i++) {
        shmap_view_unmap(&run.views[i]);
        shmap_region_close(run.regions[i]);
        run.regions[i] = NULL;
    }
    return 0;
}

static void need_locks(void)
{
    static shmap_mutex mutex;
    if (shmap_mutex_lock(&mutex, SHMAP_TRY) == SHMAP_ENOTSUP)
        skip_because("there are no locks here");
    shmap_mutex_unlock(&mutex);
}

static void test_storm_scribble__anything(void **state)
{
    long seconds =
        setting("SHMAP_TEST_SCRIBBLE_SECONDS",
                setting("SHMAP_SOAK", 0) != 0 ? SOAK_SECONDS : SECONDS);
    int64_t until = clock_ms() + seconds * 1000;
    (void)state;
    need_locks();
    begin_run((int)seconds);
    while (clock_ms() < until ||
           (run.rounds < ROUNDS_MAX && !have_seen_everything()))
        run_round();
    await(crowd_phase(), true);
    check_arena("scribbling");
    try_all();
    sum_up();
    end_run();
}

static void test_storm_scribble__one_word_without_pause(void **state)
{
    struct child *child;
    const char *line;
    char last[256] = "";
    (void)state;
    need_locks();
    child = child_start("hammered", NULL);
    while ((line = child_read_line(child, PATIENCE)) != NULL)
        snprintf(last, sizeof last, "%s", line);
    if (strcmp(last, "done") != 0)
        fail_msg("it ends, or does not, with: %s", last);
    assert_int_equal(child_wait(child, PATIENCE), 0);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"user", crowd_play_user},
                                        {"scribbler", play_scribbler},
                                        {"hammered", play_hammered},
                                        {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_storm_scribble__anything, clear_up),
        cmocka_unit_test(test_storm_scribble__one_word_without_pause),
    };
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
