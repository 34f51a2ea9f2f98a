/* SPDX-License-Identifier: MIT */

/* A process is killed at every step of every call, in every situation that
 * the call can meet: nobody else is hurt, nothing stays, and the next one finds
 * its way.
 *
 * SHMAP_TEST_KILLS is how many are killed in all; SHMAP_SOAK=1 makes it many.
 */

#include "place.h"
#include "puppet.h"
#include "stops.h"

#define STOPS 64
#define SIZE  65536

/* What the call meets. */
enum situation {
    NOTHING = 0, /* the name is free */
    LEFTOVER,    /* its holder was killed */
    HOLDER,      /* another process holds it */
    READER,      /* another process has a view of it, for reading */
    RIVAL,       /* another process makes it just before this one can */
    REMOVER,     /* another process stands in the middle of removing it */
    LEAVER,      /* its only holder stands in the middle of letting go */
    SITUATIONS
};

static const char *const situation_names[SITUATIONS] = {
    "nothing", "leftover", "holder", "reader", "rival", "remover", "leaver"};

/* The stage: one name, and who is there besides the victim. */
struct stage {
    enum situation situation;
    struct place place;
    struct child *other;
};

static unsigned kills;

static void start_holder(struct stage *stage)
{
    stage->other = puppet_start();
    puppet_do(stage->other, "create 0 %s %d", stage->place.name, SIZE);
    puppet_do(stage->other, "map 0");
    puppet_do(stage->other, "put 0 0 alive");
}

static void start_reader(struct stage *stage)
{
    struct child *maker = puppet_start();
    puppet_do(maker, "create 0 %s %d", stage->place.name, SIZE);
    puppet_do(maker, "map 0");
    puppet_do(maker, "put 0 0 alive");
    stage->other = puppet_start();
    puppet_do(stage->other, "open 0 %s read", stage->place.name);
    puppet_do(stage->other, "map 0");
    puppet_do(stage->other, "close 0");
    puppet_end(maker);
}

static void set_up(struct stage *stage, enum situation situation)
{
    char line[2 * NAME_ROOM];
    stage->situation = situation;
    stage->other = NULL;
    switch (situation) {
    case LEFTOVER:
        place_leave_over(&stage->place);
        break;
    case HOLDER:
        start_holder(stage);
        break;
    case READER:
        start_reader(stage);
        break;
    case REMOVER:
        place_leave_over(&stage->place);
        stage->other = puppet_start();
        snprintf(line, sizeof line, "reap %s", stage->place.name);
        stops_run_into_first(stage->other, "reap.locked", line);
        break;
    case LEAVER:
        start_holder(stage);
        puppet_do(stage->other, "unmap 0");
        stops_run_into_first(stage->other, "leave.asked", "close 0");
        break;
    default:
        break;
    }
}

/* Somebody else holds the region: to them, nothing happened. */
static void assert_unhurt(const struct stage *stage)
{
    place_assert_alive(&stage->place, "alive");
    assert_string_equal(puppet_ask(stage->other, "get 0 0"), "alive");
}

/* Nobody holds the region: what was left is reclaimed in three ways, in turn.
 */
static void assert_reclaimed(const struct stage *stage, unsigned turn)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    if (turn % 3 == 0) {
        assert_eventually(place_open(&stage->place) == SHMAP_ENOENT);
        assert_false(raw_exists(stage->place.os_name));
    } else if (turn % 3 == 1) {
        assert_eventually(!raw_is_held(stage->place.os_name));
        assert_code(shmap_region_reap(stage->place.name, NULL, NULL), 0);
        assert_false(raw_exists(stage->place.os_name));
    }
    assert_eventually(
        shmap_region_create(&region, stage->place.name, SIZE, NULL) == 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    for (size_t i = 0; i < view.size; i++)
        if (((const char *)view.data)[i] != 0)
            fail_msg("byte %zu of a fresh region is not zero", i);
    assert_code(place_open(&stage->place), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_int_equal(raw_count(stage->place.os_name), 0);
}

/* After the victim's death. */
static void check_and_clear(struct stage *stage, unsigned turn)
{
    struct child *other = stage->other;
    if (stage->situation == REMOVER || stage->situation == LEAVER) {
        /* The other one finishes, or dies as well. */
        if (turn % 2 == 0) {
            child_tell(other, "go");
            assert_code(puppet_result(other), 0);
        }
        child_end(other);
        assert_reclaimed(stage, turn);
    } else if (other != NULL) {
        assert_unhurt(stage);
        puppet_do(other, "unmap 0");
        puppet_do(other, "close 0");
        puppet_end(other);
        assert_false(raw_exists(stage->place.os_name));
        assert_reclaimed(stage, turn);
    } else {
        assert_reclaimed(stage, turn);
    }
}

/* A call, as commands to the victim; "@" stands for the name. */
struct call {
    const char *before[3];
    const char *command;
    unsigned situations; /* bits: which it can meet */
};

#define MEETS(situation) (1u << (situation))
#define MEETS_HOLDERS \
    (MEETS(NOTHING) | MEETS(HOLDER) | MEETS(READER) | MEETS(LEAVER))
#define MEETS_ALL_BUT_RIVAL (MEETS_HOLDERS | MEETS(LEFTOVER) | MEETS(REMOVER))
#define MEETS_ALL           (MEETS_ALL_BUT_RIVAL | MEETS(RIVAL))

static void format_command(char *out, const char *command,
                           const struct stage *stage)
{
    const char *at = strchr(command, '@');
    snprintf(out, 2 * NAME_ROOM, "%.*s%s%s",
             at == NULL ? (int)strlen(command) : (int)(at - command), command,
             at == NULL ? "" : stage->place.name, at == NULL ? "" : at + 1);
}

static struct child *start_victim(const struct call *call,
                                  const struct stage *stage)
{
    char line[2 * NAME_ROOM];
    struct child *victim = puppet_start();
    for (size_t i = 0; i < COUNT(call->before) && call->before[i]; i++) {
        format_command(line, call->before[i], stage);
        puppet_do(victim, "%s", line);
    }
    return victim;
}

/* Which stops the call passes in this situation. */
static size_t record(const struct call *call, struct stage *stage,
                     enum situation situation, struct stop *stops)
{
    char line[2 * NAME_ROOM];
    size_t count = 0;
    if (situation == RIVAL) {
        snprintf(stops[0].point, sizeof stops[0].point, "create.exists");
        stops[0].pass = 1;
        return 1;
    }
    if (situation == REMOVER) {
        for (; count < 3; count++) {
            snprintf(stops[count].point, sizeof stops[count].point, "%s.busy",
                     os_has_lock_files()                     ? "gate"
                     : strstr(call->command, "open") != NULL ? "open"
                                                             : "free");
            stops[count].pass = (unsigned)count + 1;
        }
        return count;
    }
    set_up(stage, situation);
    struct child *victim = start_victim(call, stage);
    format_command(line, call->command, stage);
    puppet_do(victim, "record");
    puppet(victim, "%s", line);
    count = stops_passed(victim, stops, STOPS);
    child_end(victim);
    check_and_clear(stage, 0);
    return count;
}

/* Bring the victim to the stop. */
static void run_into(const struct call *call, struct stage *stage,
                     struct child *victim, const struct stop *stop)
{
    char line[2 * NAME_ROOM];
    format_command(line, call->command, stage);
    if (stage->situation != RIVAL) {
        stops_run_into(victim, stop, line);
        return;
    }
    stops_run_into_first(victim, "create.marked", line);
    start_holder(stage);
    child_tell(victim, "go %s %u", stop->point, stop->pass);
    snprintf(line, sizeof line, "stopped %s", stop->point);
    child_expect(victim, line);
}

static void kill_at(const struct call *call, struct stage *stage,
                    enum situation situation, const struct stop *stop)
{
    set_up(stage, situation);
    struct child *victim = start_victim(call, stage);
    run_into(call, stage, victim, stop);
    child_kill(victim);
    assert_int_equal(child_wait(victim, PATIENCE), CHILD_KILLED);
    check_and_clear(stage, ++kills);
}

/* This test's share of all kills. */
static unsigned share(unsigned parts)
{
    long all = setting("SHMAP_TEST_KILLS", os_is_emulated() ? 250 : 2200);
    if (setting("SHMAP_SOAK", 0) > 0)
        all *= 20;
    return (unsigned)((unsigned long)all / parts);
}

#define PARTS 8

/* Whether a situation can come about on this system. */
static bool can_be(enum situation situation)
{
    /* With lock files, makers and leavers keep each other out. */
    if (os_has_lock_files() && (situation == RIVAL || situation == LEAVER))
        return false;
    return os_has_leftovers() || (situation != LEFTOVER && situation != RIVAL &&
                                  situation != REMOVER && situation != LEAVER);
}

static void kill_everywhere(const char *label, const struct call *call)
{
    static struct stop stops[SITUATIONS][STOPS];
    size_t counts[SITUATIONS] = {0};
    size_t total = 0;
    struct stage stage;
    stage.place = place_make(label, SHMAP_SCOPE_USER);
    for (int situation = 0; situation < SITUATIONS; situation++) {
        if ((call->situations & MEETS(situation)) == 0 ||
            !can_be((enum situation)situation))
            continue;
        counts[situation] =
            record(call, &stage, (enum situation)situation, stops[situation]);
        total += counts[situation];
        print_message("    %s: %zu stops\n", situation_names[situation],
                      counts[situation]);
    }
    assert_true(total > 0);
    for (unsigned before = kills; kills - before < share(PARTS);)
        for (int situation = 0; situation < SITUATIONS; situation++)
            for (size_t i = 0; i < counts[situation]; i++)
                kill_at(call, &stage, (enum situation)situation,
                        &stops[situation][i]);
}

static void test_kill__in_create(void **state)
{
    static const struct call call = {{NULL}, "create 0 @ 65536", MEETS_ALL};
    (void)state;
    kill_everywhere(__func__, &call);
}

static void test_kill__in_open(void **state)
{
    static const struct call call = {{NULL}, "open 0 @", MEETS_ALL_BUT_RIVAL};
    (void)state;
    kill_everywhere(__func__, &call);
}

static void test_kill__in_open_for_reading(void **state)
{
    static const struct call call = {
        {NULL}, "open 0 @ read", MEETS_ALL_BUT_RIVAL};
    (void)state;
    kill_everywhere(__func__, &call);
}

static void test_kill__in_open_or_create(void **state)
{
    static const struct call call = {
        {NULL}, "open_or_create 0 @ 65536", MEETS_ALL};
    (void)state;
    kill_everywhere(__func__, &call);
}

static void test_kill__in_close(void **state)
{
    static const struct call call = {
        {"open_or_create 0 @ 65536"}, "close 0", MEETS_HOLDERS};
    (void)state;
    kill_everywhere(__func__, &call);
}

static void test_kill__in_unmap(void **state)
{
    static const struct call call = {
        {"open_or_create 0 @ 65536", "map 0", "close 0"},
        "unmap 0",
        MEETS_HOLDERS};
    (void)state;
    kill_everywhere(__func__, &call);
}

static void test_kill__in_reap(void **state)
{
    static const struct call call = {{NULL}, "reap @", MEETS_ALL_BUT_RIVAL};
    (void)state;
    if (!os_has_leftovers())
        skip_because("there is nothing to reap here");
    kill_everywhere(__func__, &call);
}

/* Files. */

/* Kill a process in the call that makes or extends the file. `other` has it
 * open or is NULL. */
static void kill_at_in_file(const char *path, const char *line,
                            struct child *other, const struct stop *stop)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    options.create = SHMAP_CREATE_IF_MISSING;
    struct child *victim = puppet_start();
    stops_run_into(victim, stop, line);
    child_end(victim);
    ++kills;
    /* The next one can make of it what the victim wanted, and is told whether
     * it is alone. */
    assert_eventually(
        shmap_region_open_file(&region, path, 3 * SIZE, &options) ==
        (other == NULL ? SHMAP_ALONE : 0));
    assert_true(shmap_region_size(region) == 3 * SIZE);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    if (other != NULL) {
        assert_string_equal((const char *)view.data, "alive");
        assert_string_equal(puppet_ask(other, "get 0 0"), "alive");
    }
    for (size_t i = other != NULL ? SIZE : 0; i < view.size; i++)
        if (((const char *)view.data)[i] != 0)
            fail_msg("byte %zu of a new file is not zero", i);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

/* Somebody has the file open, with fewer bytes than the victim wants. */
static struct child *file_holder(const char *path)
{
    struct child *other = puppet_start();
    puppet_do(other, "open_file 0 %s %d new", path, SIZE);
    puppet_do(other, "map 0");
    puppet_do(other, "put 0 0 alive");
    return other;
}

static void kill_in_file(const char *label, bool held)
{
    char path[NAME_ROOM];
    char line[2 * NAME_ROOM];
    struct stop stops[STOPS];
    scratch_path(path, label);
    snprintf(line, sizeof line, "open_file 0 %s %d missing", path, 2 * SIZE);

    struct child *other = held ? file_holder(path) : NULL;
    struct child *first = puppet_start();
    puppet_do(first, "record");
    puppet_do(first, "%s", line);
    size_t count = stops_passed(first, stops, STOPS);
    child_end(first);
    remove(path);
    assert_true(count > 0);

    for (unsigned before = kills; kills - before < share(2 * PARTS);)
        for (size_t i = 0; i < count; i++) {
            if (held)
                child_end(other);
            remove(path);
            other = held ? file_holder(path) : NULL;
            kill_at_in_file(path, line, other, &stops[i]);
        }
    if (held)
        child_end(other);
    remove(path);
}

static void test_kill__in_open_file(void **state)
{
    (void)state;
    kill_in_file(__func__, false);
}

static void test_kill__in_open_file_that_is_open(void **state)
{
    (void)state;
    kill_in_file(__func__, true);
}

/* Whether somebody is alone is found out by one at a time, also if that one
 * stops, or dies, on the way. */
static void test_kill__openers_of_a_file_wait_for_each_other(void **state)
{
    char path[NAME_ROOM];
    char line[2 * NAME_ROOM];
    (void)state;
    scratch_path(path, __func__);
    snprintf(line, sizeof line, "open_file 0 %s %d missing", path, SIZE);
    for (int dies = 0; dies < 2; dies++) {
        struct child *a = puppet_start();
        struct child *b = puppet_start();
        stops_run_into_first(a, "file.gated", line);
        child_tell(b, "%s", line);
        assert_null(child_read_line(b, 50));
        if (dies) {
            child_end(a);
            assert_code(puppet_result(b), SHMAP_ALONE);
        } else {
            child_tell(a, "go");
            assert_code(puppet_result(a), SHMAP_ALONE);
            assert_code(puppet_result(b), 0);
            child_end(a);
        }
        child_end(b);
        remove(path);
    }
}

/* Whether all tests together killed as many as was asked for; 1 if not. */
static int check_kills(void)
{
    print_message("    %u processes were killed\n", kills);
    if (kills > share(2))
        return 0;
    print_error("    that is no more than %u\n", share(2));
    return 1;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill__in_create),
        cmocka_unit_test(test_kill__in_open),
        cmocka_unit_test(test_kill__in_open_for_reading),
        cmocka_unit_test(test_kill__in_open_or_create),
        cmocka_unit_test(test_kill__in_close),
        cmocka_unit_test(test_kill__in_unmap),
        cmocka_unit_test(test_kill__in_reap),
        cmocka_unit_test(test_kill__in_open_file),
        cmocka_unit_test(test_kill__in_open_file_that_is_open),
        cmocka_unit_test(test_kill__openers_of_a_file_wait_for_each_other),
    };

    stops_enable();
    int result = test_main(argc, argv, NULL, tests, COUNT(tests));
    /* With arguments, it ran some of the tests only, or played a role. */
    if (result == 0 && argc < 2)
        result = check_kills();
    return result;
}
