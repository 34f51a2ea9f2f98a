/* SPDX-License-Identifier: MIT */

/* The processes of a kill storm, and who starts, stops, kills and counts them.
 */

#include "storm.h"

#include <inttypes.h>
#include <signal.h>

#ifndef SHMAP_STOP_POINTS
#define SHMAP_STOP_POINTS
#endif
#include "base/stop.h"

#define JOURNAL       COUNT(((struct storm_death *)NULL)->journal)
#define PAGE          4096
#define KILLS_A_STAGE 50
#define STOP_TIME     20   /* ms, for a worker to come to a stop point */
#define SETTLE_TIME   5000 /* ms, for the others to go on */
#define ORPHAN_TIME   (3 * (int64_t)PATIENCE) /* ms */
#define AT_ONCE       150                     /* ms */

/* Of the last point, which is none. */
#define NO_POINT   (STORM_POINTS - 1)
#define NO_REQUEST NO_POINT

/* What is shared, all of it numbers of 64 bits, so that they are aligned. */
struct worker {
    uint64_t incarnation; /* above 0 */
    uint64_t doomed;      /* the incarnation that is being killed */
    uint64_t wanted;      /* a request to stop: see ask_to_stop */
    uint64_t pass;        /* which one */
    uint64_t stopped;     /* on this request */
    uint64_t parked;
    uint64_t turns;
    uint64_t laps; /* turns that were successful */
    uint64_t failed;
    uint64_t journal[JOURNAL];
    char failure[256];
};

struct stage {
    uint64_t until; /* ns; then workers end by themselves */
    uint64_t paused;
    uint64_t ended;
    uint64_t killed;
    uint64_t patient;
    uint64_t passes[STORM_POINTS];
    uint64_t stranger; /* a point was passed that the storm does not list */
    char stranger_name[64];
    struct worker workers[STORM_WORKERS];
};

#define DATA_AT ((sizeof(struct stage) + PAGE - 1) / PAGE * PAGE)

void *storm_data;
const void *storm_mirror;
unsigned storm_slot;
struct dice storm_dice;

static const struct storm *const *all_storms;
static const struct storm *storm_now;
static struct stage *stage;
static struct worker *me; /* NULL in the test's own process */
static char seed_text[64];

/* Both sides. */

void storm_fail(const char *format, ...)
{
    char text[sizeof me->failure];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (me == NULL) {
        fail_msg("%s\n    %s", text, seed_text);
        return;
    }
    memcpy(me->failure, text, sizeof text);
    memory_store(&me->failed, 1);
    os_exit_now(1);
}

bool storm_has_killed(void)
{
    return memory_load(&stage->killed) != 0;
}

bool storm_is_paused(void)
{
    return memory_load(&stage->paused) != 0;
}

bool storm_is_patient(void)
{
    return memory_load(&stage->patient) != 0;
}

static int64_t after_ms(int64_t ms)
{
    return shmap_after(SHMAP_MS(ms));
}

int64_t storm_late(void)
{
    return after_ms(scaled(PATIENCE));
}

int64_t storm_soon(void)
{
    return shmap_after((int64_t)dice_roll(&storm_dice, 6000000));
}

int64_t storm_deadline(void)
{
    return storm_is_patient() ? after_ms(scaled(3000)) : storm_soon();
}

uint64_t storm_stamp(void)
{
    return me->incarnation * STORM_WORKERS + storm_slot;
}

bool storm_is_dead(uint64_t stamp)
{
    const struct worker *worker = &stage->workers[stamp % STORM_WORKERS];
    uint64_t incarnation = stamp / STORM_WORKERS;
    return memory_load(&worker->incarnation) != incarnation ||
           memory_load(&worker->doomed) == incarnation;
}

bool storm_slot_is_dead(unsigned slot)
{
    const struct worker *worker = &stage->workers[slot];
    return memory_load(&worker->doomed) == memory_load(&worker->incarnation);
}

uint64_t storm_read_journal(unsigned slot, unsigned entry)
{
    return memory_load(&stage->workers[slot].journal[entry]);
}

void storm_journal(unsigned entry, uint64_t value)
{
    memory_store(&me->journal[entry], value);
}

static const char *point_name(size_t index)
{
    const char *name = storm_now->points[index];
    return name[0] == '?' ? name + 1 : name;
}

static size_t point_count(void)
{
    size_t count = 0;
    while (storm_now->points[count] != NULL)
        ++count;
    return count;
}

/* Workers. */

static void check_orphaned(void)
{
    if (shmap_now() > (int64_t)memory_load(&stage->until))
        os_exit_now(1);
}

static void nap(void)
{
    patience_nap(INT64_MAX);
    check_orphaned();
}

static size_t index_of(const char *point)
{
    size_t count = point_count();
    for (size_t i = 0; i < count; i++)
        if (strcmp(point_name(i), point) == 0)
            return i;
    if (memory_add(&stage->stranger, 1) == 0)
        snprintf(stage->stranger_name, sizeof stage->stranger_name, "%s",
                 point);
    return NO_POINT;
}

static void on_point(const char *point)
{
    size_t index = index_of(point);
    uint64_t wanted = memory_load(&me->wanted);
    memory_add(&stage->passes[index], 1);
    if (wanted % STORM_POINTS != index ||
        memory_add(&me->pass, UINT64_MAX) != 1)
        return;
    memory_store(&me->stopped, wanted);
    while (memory_load(&me->wanted) == wanted)
        nap();
}

void storm_point(const char *point)
{
    on_point(point);
}

void storm_dawdle(void)
{
    uint32_t roll = dice_roll(&storm_dice, 256);
    int64_t until = shmap_after((int64_t)dice_roll(&storm_dice, 20000));
    if (roll < 128)
        return;
    if (roll == 255)
        nap();
    while (shmap_now() < until)
        continue;
}

static void park(uint64_t pause)
{
    memory_store(&me->parked, pause);
    while (memory_load(&stage->paused) == pause)
        nap();
}

static void work_until_killed(unsigned slot)
{
    storm_slot = slot;
    me = &stage->workers[slot];
    shmap__stop_hook = on_point;
    for (;;) {
        uint64_t pause = memory_load(&stage->paused);
        if (memory_load(&stage->ended) != 0)
            os_exit_now(0);
        check_orphaned();
        if (pause != 0) {
            park(pause);
            continue;
        }
        if (storm_now->work())
            memory_add(&me->laps, 1);
        memory_add(&me->turns, 1);
    }
}

static void map(shmap_region *region, shmap_view *view, shmap_view *mirror)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    options.access = SHMAP_ACCESS_READ;
    if (shmap_view_map(view, region, NULL) < 0 ||
        shmap_view_map(mirror, region, &options) < 0) {
        if (me == NULL)
            fail_msg("cannot map");
        os_exit_now(1);
    }
    stage = view->data;
    storm_data = (char *)view->data + DATA_AT;
    storm_mirror = (const char *)mirror->data + DATA_AT;
}

/* Where there is no fork. Arguments: storm, region, slot, seed. */
static int play_worker(int count, char **arguments)
{
    static shmap_view view;
    static shmap_view mirror;
    shmap_region *region = NULL;
    role_check(count == 4);
    for (storm_now = *all_storms; storm_now != NULL; storm_now = *++all_storms)
        if (strcmp(storm_now->name, arguments[0]) == 0)
            break;
    role_check(storm_now != NULL);
    role_check_code(shmap_region_open(&region, arguments[1], NULL), 0);
    storm_dice.state = strtoull(arguments[3], NULL, 16);
    map(region, &view, &mirror);
    work_until_killed((unsigned)strtoul(arguments[2], NULL, 10));
    return 0;
}

int storm_main(int argc, char **argv, const struct storm *const *storms,
               const struct CMUnitTest *tests, size_t test_count)
{
    static const struct role roles[] = {{"worker", play_worker}, {0, 0}};
    all_storms = storms;
    return test_main(argc, argv, roles, tests, test_count);
}

/* The test's own process. */

struct run {
    char name[NAME_ROOM];
    shmap_region *region;
    shmap_view view;
    shmap_view mirror;
    int pids[STORM_WORKERS]; /* of forked ones */
    struct child *children[STORM_WORKERS];
    struct dice dice;
    uint64_t incarnations;
    uint64_t pauses;
    size_t cursor; /* over the points */
    struct storm_death deaths[2];
    size_t death_count;
    /* What came of it. */
    unsigned kills;
    unsigned kills_at[STORM_POINTS];
    uint64_t passes[STORM_POINTS]; /* on the stages before */
    int64_t began;
    unsigned slow;
    int64_t longest;
};

/* Also for what is left of a test that failed. */
static struct run *current;

static int64_t elapsed_ms(int64_t since)
{
    return (shmap_now() - since) / 1000000;
}

/* What crashes in a forked worker is to end it, not to fail the test there. */
static void forget_handlers(void)
{
    signal(SIGSEGV, SIG_DFL);
    signal(SIGILL, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
#ifdef SIGBUS
    signal(SIGBUS, SIG_DFL);
#endif
}

static void start_worker(struct run *run, unsigned slot)
{
    struct worker *worker = &stage->workers[slot];
    uint64_t seed = (uint64_t)dice_roll(&run->dice, UINT32_MAX);
    char number[16];
    char digits[24];
    memset(worker, 0, sizeof *worker);
    worker->incarnation = ++run->incarnations;
    worker->wanted = NO_REQUEST;
    if (os_can_fork()) {
        FILE *from;
        FILE *to;
        int pid = os_fork(&from, &to);
        if (pid == 0) {
            current = NULL;
            forget_handlers();
            storm_dice.state = seed;
            work_until_killed(slot);
        }
        assert_true(pid > 0);
        fclose(from);
        fclose(to);
        run->pids[slot] = pid;
        return;
    }
    snprintf(number, sizeof number, "%u", slot);
    snprintf(digits, sizeof digits, "%" PRIx64, seed);
    run->children[slot] =
        child_start("worker", storm_now->name, run->name, number, digits, NULL);
}

/* Also what is left of them. Returns how it ended. */
static int kill_worker(struct run *run, unsigned slot)
{
    int code = 0;
    if (run->children[slot] != NULL) {
        child_kill(run->children[slot]);
        code = child_wait(run->children[slot], PATIENCE);
    } else if (run->pids[slot] != 0) {
        os_fork_kill(run->pids[slot]);
        code = os_fork_wait(run->pids[slot]);
    }
    run->children[slot] = NULL;
    run->pids[slot] = 0;
    return code;
}

int storm_clear_up(void **state)
{
    (void)state;
    for (unsigned slot = 0; current != NULL && slot < STORM_WORKERS; slot++)
        if (current->pids[slot] != 0)
            kill_worker(current, slot);
    current = NULL;
    children_end();
    return 0;
}

static void check_failures(void)
{
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++)
        if (memory_load(&stage->workers[slot].failed) != 0)
            fail_msg("worker %u: %s\n    %s", slot,
                     stage->workers[slot].failure, seed_text);
    if (memory_load(&stage->stranger) != 0)
        fail_msg("the storm does not list the stop point \"%s\"",
                 stage->stranger_name);
}

static bool is_alive(unsigned slot)
{
    return !storm_slot_is_dead(slot);
}

/* Wait until all that live have counted so far. */
typedef uint64_t number_of(const struct worker *worker);

static uint64_t laps_of(const struct worker *worker)
{
    return memory_load(&worker->laps);
}

static uint64_t turns_of(const struct worker *worker)
{
    return memory_load(&worker->turns);
}

static uint64_t parked_of(const struct worker *worker)
{
    return memory_load(&worker->parked);
}

static void describe(const char *what)
{
    const unsigned char *bytes = storm_data;
    print_error("not within the time: %s\n", what);
    for (size_t i = 0; i < current->death_count; i++)
        print_error("    worker %u died at %s\n", current->deaths[i].slot,
                    current->deaths[i].point == NULL
                        ? "no stop"
                        : current->deaths[i].point);
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++) {
        const struct worker *worker = &stage->workers[slot];
        print_error("    worker %u%s: turns %" PRIu64 ", laps %" PRIu64
                    ", stopped %" PRIu64 ", parked %" PRIu64 ", journal",
                    slot, is_alive(slot) ? "" : " (dead)", worker->turns,
                    worker->laps, worker->stopped, worker->parked);
        for (size_t i = 0; i < JOURNAL; i++)
            print_error(" %" PRIu64, worker->journal[i]);
        print_error("\n");
    }
    print_error("    the data begins with");
    for (size_t i = 0; i < 128 && i < storm_now->size; i++)
        print_error("%s%02x", i % 8 == 0 ? " " : "", bytes[i]);
    print_error("\n");
}

/* Some may have ended before they were to. */
static void describe_ends(void)
{
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++) {
        int code = is_alive(slot) ? kill_worker(current, slot) : CHILD_KILLED;
        if (code != CHILD_KILLED)
            print_error("    worker %u had ended with %d\n", slot, code);
    }
}

static void wait_for(number_of *number, const uint64_t *least, const char *what)
{
    int64_t until = patience_until(SETTLE_TIME);
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++)
        while (is_alive(slot) && number(&stage->workers[slot]) < least[slot]) {
            check_failures();
            if (storm_is_paused() && storm_now->interrupt != NULL)
                storm_now->interrupt();
            if (!patience_nap(until)) {
                describe(what);
                describe_ends();
                fail_msg("somebody hangs: %s\n    %s", what, seed_text);
            }
        }
    check_failures();
}

static void wait_for_more(number_of *number, uint64_t more, const char *what)
{
    uint64_t least[STORM_WORKERS];
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++)
        least[slot] = number(&stage->workers[slot]) + more;
    wait_for(number, least, what);
}

static void pause_all(struct run *run)
{
    uint64_t least[STORM_WORKERS];
    uint64_t pause = ++run->pauses;
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++)
        least[slot] = pause;
    memory_store(&stage->paused, pause);
    wait_for(parked_of, least, "all rest");
}

static void open_stage(struct run *run)
{
    uint64_t size = DATA_AT + storm_now->size;
    unique_name(run->name, storm_now->name);
    assert_code(shmap_region_create(&run->region, run->name, size, NULL), 0);
    map(run->region, &run->view, &run->mirror);
    memory_store(&stage->until, (uint64_t)after_ms(scaled(ORPHAN_TIME)));
    if (storm_now->start != NULL)
        storm_now->start();
}

static void close_stage(struct run *run)
{
    pause_all(run);
    memory_store(&stage->ended, 1);
    memory_store(&stage->paused, 0);
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++)
        kill_worker(run, slot);
    for (size_t i = 0; i < STORM_POINTS; i++)
        run->passes[i] += stage->passes[i];
    shmap_view_unmap(&run->mirror);
    shmap_view_unmap(&run->view);
    shmap_region_close(run->region);
    stage = NULL;
}

/* A request has a number, so that none is taken for another, and a point. */
static void ask_to_stop(unsigned slot, size_t point, uint64_t pass)
{
    static uint64_t requests;
    struct worker *worker = &stage->workers[slot];
    memory_store(&worker->pass, pass);
    memory_store(&worker->wanted, ++requests * STORM_POINTS + point);
}

/* It goes on, or did not come there. */
static void let_go(unsigned slot)
{
    memory_store(&stage->workers[slot].wanted, NO_REQUEST);
}

static bool has_stopped(unsigned slot)
{
    const struct worker *worker = &stage->workers[slot];
    uint64_t wanted = memory_load(&worker->wanted);
    return wanted != NO_REQUEST && memory_load(&worker->stopped) == wanted;
}

/* Time passes while somebody stands still, or before one dies anywhere. */
static void linger(struct run *run)
{
    uint32_t roll = dice_roll(&run->dice, 192);
    int64_t until = shmap_after((int64_t)dice_roll(&run->dice, 300000));
    if (roll == 0) {
        /* Long enough for everybody to look who is dead. */
        for (until = clock_ms() + 250; patience_nap(until);)
            continue;
    } else if (roll < 48) {
        for (uint32_t naps = dice_roll(&run->dice, 3); naps > 0; naps--)
            patience_nap(INT64_MAX);
    } else if (roll < 144) {
        while (shmap_now() < until)
            continue;
    }
}

/* The worker dies, here and now. */
static void kill_now(struct run *run, unsigned slot, size_t point)
{
    struct worker *worker = &stage->workers[slot];
    struct storm_death *death = &run->deaths[run->death_count++];
    bool stopped = point < NO_POINT && has_stopped(slot);
    int code;
    memory_store(&stage->killed, 1);
    memory_store(&worker->doomed, worker->incarnation);
    code = kill_worker(run, slot);
    check_failures();
    assert_int_equal(code, CHILD_KILLED);
    ++run->kills;
    death->slot = slot;
    death->point = stopped ? point_name(point) : NULL;
    memcpy(death->journal, worker->journal, sizeof death->journal);
    if (stopped)
        ++run->kills_at[point];
    if (storm_now->died != NULL)
        storm_now->died(death);
}

/* Passed in the beginning only, or after a death only. */
static bool is_special(size_t point)
{
    return strcmp(point_name(point), "place.joining") == 0 ||
           strcmp(point_name(point), "owner.dead") == 0;
}

static bool is_passed(const struct run *run, size_t point)
{
    return run->passes[point] + memory_load(&stage->passes[point]) > 0;
}

/* The point at which to kill next: all that are passed, in turn, or
 * NO_POINT. */
static size_t next_point(struct run *run)
{
    size_t count = point_count();
    if (dice_roll(&run->dice, 5) == 0)
        return NO_POINT;
    for (size_t i = 0; i < count; i++) {
        size_t point = run->cursor++ % count;
        if (is_passed(run, point) && !is_special(point))
            return point;
    }
    return NO_POINT;
}

static bool any_stopped(const unsigned *slots, int64_t until)
{
    while (!has_stopped(slots[0]) && !has_stopped(slots[1])) {
        check_failures();
        if (!patience_nap(until))
            return false;
    }
    return true;
}

/* Bring one of two workers to a point. Returns which, and where it is. */
static unsigned stop_one(struct run *run, const unsigned *slots, size_t *point,
                         int time)
{
    unsigned chosen = dice_roll(&run->dice, 2);
    if (*point < NO_POINT && any_stopped(slots, clock_ms() + scaled(time)))
        chosen = has_stopped(slots[0]) ? 0 : 1;
    else
        *point = NO_POINT;
    let_go(slots[1 - chosen]);
    if (!has_stopped(slots[chosen]))
        let_go(slots[chosen]);
    return slots[chosen];
}

/* Some point that is passed when others have died, or any. */
static size_t second_point(struct run *run)
{
    size_t count = point_count();
    size_t point;
    for (size_t i = 0; i < count; i++)
        if (strcmp(point_name(i), "owner.dead") == 0 && is_passed(run, i) &&
            dice_roll(&run->dice, 2) == 0)
            return i;
    point = dice_roll(&run->dice, (uint32_t)count);
    return is_passed(run, point) && !is_special(point) ? point : NO_POINT;
}

/* Workers of even and of odd numbers can do different things, so one of each
 * kind survives. */
static void kill_some(struct run *run)
{
    unsigned kind = dice_roll(&run->dice, 2);
    const unsigned first[2] = {kind, kind + 2};
    const unsigned second[2] = {1 - kind, 3 - kind};
    bool twice = dice_roll(&run->dice, 4) == 0;
    size_t point = next_point(run);
    size_t other = second_point(run);
    uint64_t pass = 1 + dice_roll(&run->dice, 3);
    unsigned slot;

    for (size_t i = 0; i < 2 && point < NO_POINT; i++)
        ask_to_stop(first[i], point, pass);
    slot = stop_one(run, first, &point, STOP_TIME);
    linger(run);
    for (size_t i = 0; i < 2 && twice && other < NO_POINT; i++)
        ask_to_stop(second[i], other, 1);
    kill_now(run, slot, point);
    if (twice) {
        slot = stop_one(run, second, &other, STOP_TIME / 2);
        kill_now(run, slot, other);
    }
}

/* Nobody needs who died, or at least nobody waits for it beyond a deadline. */
static void settle(struct run *run)
{
    int64_t since = shmap_now();
    int64_t took;
    if (storm_now->needs_all)
        wait_for_more(turns_of, 1, "no wait lasts longer than it may");
    else
        wait_for_more(laps_of, 2, "the others go on after a death");
    took = elapsed_ms(since);
    if (took > run->longest)
        run->longest = took;
    if (took > scaled(AT_ONCE))
        ++run->slow;
    pause_all(run);
    storm_now->settled(run->deaths, run->death_count);
}

/* What is not passed again once it was: kill at it in the beginning. */
static void kill_first(struct run *run)
{
    static const unsigned slots[2] = {0, 1};
    size_t count = point_count();
    for (size_t point = 0; point < count; point++) {
        if (strcmp(point_name(point), "place.joining") != 0)
            continue;
        ask_to_stop(slots[0], point, 1);
        ask_to_stop(slots[1], point, 1);
        memory_store(&stage->paused, 0);
        kill_now(run, stop_one(run, slots, &point, STOP_TIME), point);
        return;
    }
}

/* Let the next ones in the places of the dead go on with the others. */
static void go_on(struct run *run)
{
    memory_store(&stage->killed, 0);
    memory_store(&stage->patient, dice_roll(&run->dice, 24) == 0);
    memory_store(&stage->until, (uint64_t)after_ms(scaled(ORPHAN_TIME)));
    for (size_t i = 0; i < run->death_count; i++)
        start_worker(run, run->deaths[i].slot);
    run->death_count = 0;
    memory_store(&stage->paused, 0);
    wait_for_more(laps_of, 1, "everybody gets what it wants");
}

static void run_stage(struct run *run, unsigned kills)
{
    unsigned before = run->kills;
    run->death_count = 0;
    storm_dice.state = (uint64_t)dice_roll(&run->dice, UINT32_MAX);
    open_stage(run);
    memory_store(&stage->paused, ++run->pauses);
    for (unsigned slot = 0; slot < STORM_WORKERS; slot++)
        start_worker(run, slot);
    kill_first(run);
    while (run->kills - before < kills) {
        if (run->death_count != 0)
            settle(run);
        go_on(run);
        if (storm_now->is_used_up != NULL && storm_now->is_used_up())
            break;
        kill_some(run);
    }
    if (run->death_count != 0)
        settle(run);
    check_failures();
    close_stage(run);
}

/* This storm's share of all kills. */
static unsigned share(void)
{
    long all = setting("SHMAP_TEST_KILLS", os_is_emulated() ? 320 : 5200);
    if (setting("SHMAP_SOAK", 0) > 0)
        all *= 20;
    return (unsigned)((unsigned long)all / STORMS) + 1;
}

/* Nearly all deaths are known at once. Where the system itself marks what the
 * dead had, hardly anybody finds it out in another way. */
static void check_told(const struct run *run)
{
    size_t count = point_count();
    if (run->slow > run->kills / 8)
        fail_msg("too many deaths held others up");
    for (size_t i = 0; i < count; i++)
        if (os_marks_the_dead() && strcmp(point_name(i), "owner.dead") == 0 &&
            run->passes[i] > run->kills / 20)
            fail_msg("the system did not tell of %u deaths",
                     (unsigned)run->passes[i]);
}

/* Every point was one at which somebody died, if there was the time. */
static void sum_up(const struct run *run)
{
    size_t count = point_count();
    unsigned points = 0;
    unsigned at_points = 0;
    for (size_t i = 0; i < count; i++) {
        points += run->kills_at[i] > 0;
        at_points += run->kills_at[i];
    }
    print_message("    %u processes were killed in %" PRId64
                  " ms, %u of them at %u of %zu stops; %u deaths held others "
                  "up, the longest for %" PRId64 " ms\n",
                  run->kills, clock_ms() - run->began, at_points, points, count,
                  run->slow, run->longest);
    if (storm_now->tells_at_once && run->kills >= 100)
        check_told(run);
    if (run->kills < 20 * count)
        return;
    for (size_t i = 0; i < count; i++)
        if (storm_now->points[i][0] != '?' && run->kills_at[i] == 0)
            fail_msg("nobody was killed at %s", point_name(i));
}

void storm_run(const struct storm *storm)
{
    static struct run run;
    shmap_mutex mutex = {0};
    uint64_t seed = fresh_seed() & 0x7fffffff;
    if (shmap_mutex_lock(&mutex, SHMAP_TRY) == SHMAP_ENOTSUP &&
        storm->needs_locks)
        skip_because("there are no locks here");
    shmap_mutex_unlock(&mutex);
    memset(&run, 0, sizeof run);
    run.began = clock_ms();
    run.dice.state = (uint64_t)setting("SHMAP_TEST_SEED", (long)seed);
    snprintf(seed_text, sizeof seed_text, "SHMAP_TEST_SEED=%" PRIu64,
             run.dice.state);
    storm_now = storm;
    current = &run;
    while (run.kills < share()) {
        unsigned left = share() - run.kills;
        run_stage(&run, left < KILLS_A_STAGE ? left : KILLS_A_STAGE);
    }
    sum_up(&run);
    current = NULL;
}
