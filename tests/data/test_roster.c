/* SPDX-License-Identifier: MIT */

/* Rosters: members that come, leave and die, and their burials. */

#include <inttypes.h>

#include <uv.h>

#include "calls.h"
#include "puppet.h"
#include "stops.h"
#include "threads.h"

enum { SEATS = 4, MANY = 64 };

static bool has_rosters;

/* A region with a roster, and what the test saw of it. */
struct scene {
    struct stage stage;
    shmap_roster *roster;
    shmap_seen seen[SEATS];
};

static void scene_make(struct scene *scene, const char *label)
{
    if (!has_rosters)
        skip_because("there are no rosters here");
    memset(scene, 0, sizeof *scene);
    stage_make(&scene->stage, label, 65536);
    scene->roster = scene->stage.view.data;
}

static void scene_end(struct scene *scene)
{
    stage_end(&scene->stage);
}

/* The puppet's side. Commands, each of which says its result and a text:
 *     attend NAME [read]       map the scene
 *     join SEATS NAME ROLE     says the seat; the last one joined is left by
 *     leave
 *     join_in_thread SEATS NAME    by a thread that ends
 *     leave_in_thread          says the result of a second thread
 *     bury SEAT                of its present generation: the first call
 *     buried                   the second call
 *     next MS                  shmap_roster_watch; says what */

static shmap_roster *roster;
static shmap_seat own_seat;
static shmap_member dead;
static shmap_seen seen[SEATS];

static const char *play_attend(int count, char **words)
{
    roster = stage_join(words[1], count >= 3 ? SHMAP_ACCESS_READ
                                             : SHMAP_ACCESS_READ_WRITE);
    return "0";
}

static const char *answer(int code, uint64_t number)
{
    static char text[64];

    snprintf(text, sizeof text, "%d %" PRIu64, code, number);
    return text;
}

static const char *play_join(int count, char **words)
{
    int code;

    role_check(count == 4);
    code = shmap_roster_join_as(roster, (uint32_t)strtoul(words[1], NULL, 10),
                                words[2], (uint32_t)strtoul(words[3], NULL, 10),
                                &own_seat);
    return answer(code, own_seat.number);
}

static void join_once(void *result)
{
    *(int *)result = shmap_roster_join(roster, SEATS, "thread", &own_seat);
}

static void leave_once(void *result)
{
    *(int *)result = shmap_roster_leave(roster, &own_seat);
}

static int in_thread(void (*run)(void *))
{
    uv_thread_t thread;
    int result = SHMAP_ESYSTEM;

    role_check(uv_thread_create(&thread, run, &result) == 0);
    uv_thread_join(&thread);
    return result;
}

static const char *play_bury(char **words)
{
    uint32_t cursor = (uint32_t)strtoul(words[1], NULL, 10);
    int code = shmap_roster_walk(roster, &cursor, &dead);

    if (code == 0)
        code = shmap_roster_bury(roster, &dead);
    return answer(code, dead.generation);
}

static const char *play_next(char **words)
{
    static char text[128];
    shmap_member member = {0};
    int code = shmap_roster_watch(roster, SEATS, seen, &member,
                                  deadline_ms(strtol(words[1], NULL, 10)));

    snprintf(text, sizeof text, "%d %d %u %s", code, member.state,
             (unsigned)member.seat, member.name);
    return text;
}

static bool obey_roster(int count, char **words, const char **text);
static bool (*obey_others)(int count, char **words, const char **text);

static bool obey_roster(int count, char **words, const char **text)
{
    const char *verb = words[0];

    if (strcmp(verb, "attend") == 0)
        *text = play_attend(count, words);
    else if (strcmp(verb, "join") == 0)
        *text = play_join(count, words);
    else if (strcmp(verb, "leave") == 0)
        *text = answer(shmap_roster_leave(roster, &own_seat), 0);
    else if (strcmp(verb, "join_in_thread") == 0)
        *text = answer(in_thread(join_once), own_seat.number);
    else if (strcmp(verb, "leave_in_thread") == 0)
        *text = answer(in_thread(leave_once), 0);
    else if (strcmp(verb, "bury") == 0)
        *text = play_bury(words);
    else if (strcmp(verb, "buried") == 0)
        *text = answer(shmap_roster_bury(roster, &dead), 0);
    else if (strcmp(verb, "next") == 0)
        *text = play_next(words);
    else
        return obey_others != NULL && obey_others(count, words, text);
    return true;
}

/* The test's side. */

static struct child *attendant(const struct scene *scene)
{
    struct child *child = puppet_start();

    puppet_do(child, "attend %s", scene->stage.name);
    return child;
}

/* The code with which a puppet's answer begins. */
#define ask(...) ((int)strtol(puppet_ask(__VA_ARGS__), NULL, 10))

static struct child *member_start(const struct scene *scene, const char *name)
{
    struct child *child = attendant(scene);

    assert_code(ask(child, "join %d %s 7", SEATS, name), 0);
    return child;
}

static void kill_child(struct child *child)
{
    child_kill(child);
    assert_int_equal(child_wait(child, PATIENCE), CHILD_KILLED);
}

static unsigned count_members(const shmap_roster *at)
{
    uint32_t cursor = 0;
    unsigned count = 0;
    shmap_member member;

    while (shmap_roster_walk(at, &cursor, &member) == 0)
        count++;
    return count;
}

static shmap_member member_at(const shmap_roster *at, uint32_t seat)
{
    shmap_member member = {0};
    uint32_t cursor = seat;

    if (shmap_roster_walk(at, &cursor, &member) != 0 || member.seat != seat)
        memset(&member, 0, sizeof member);
    return member;
}

static void expect_next(struct scene *scene, int state, uint32_t seat,
                        const char *name)
{
    shmap_member member = {0};

    assert_code(shmap_roster_watch(scene->roster, SEATS, scene->seen, &member,
                                   deadline_ms(PATIENCE)),
                0);
    assert_int_equal(member.state, state);
    assert_int_equal(member.seat, seat);
    if (name != NULL)
        assert_string_equal(member.name, name);
}

static void expect_nothing(struct scene *scene)
{
    shmap_member member = {0};

    assert_code(shmap_roster_watch(scene->roster, SEATS, scene->seen, &member,
                                   SHMAP_TRY),
                SHMAP_ETIMEDOUT);
}

static void wait_until_dead(struct scene *scene, uint32_t seat)
{
    assert_eventually(member_at(scene->roster, seat).state ==
                      SHMAP_MEMBER_DEAD);
}

/* Bury it as the test's own process. */
static void bury(struct scene *scene, uint32_t seat, int expected)
{
    shmap_member member;

    wait_until_dead(scene, seat);
    member = member_at(scene->roster, seat);
    assert_code(shmap_roster_bury(scene->roster, &member), expected);
    assert_int_equal(member_at(scene->roster, seat).state,
                     SHMAP_MEMBER_BURYING);
    assert_code(shmap_roster_bury(scene->roster, &member), 0);
    assert_int_equal(member_at(scene->roster, seat).state, 0);
}

static void test_roster__refuses_bad_arguments(void **state)
{
    static shmap_roster in_memory[8];
    static const char long_name[] = "12345678901234567890123456789012";
    struct scene scene;
    shmap_seat seat;
    shmap_member member = {0};
    uint32_t cursor = 0;
    uint64_t version = 0;

    (void)state;
    scene_make(&scene, __func__);
    assert_code(shmap_roster_join(NULL, 1, "", &seat), SHMAP_EINVAL);
    assert_code(shmap_roster_join((shmap_roster *)((char *)scene.roster + 4), 1,
                                  "", &seat),
                SHMAP_EINVAL);
    assert_code(shmap_roster_join(scene.roster, 0, "", &seat), SHMAP_EINVAL);
    assert_code(
        shmap_roster_join(scene.roster, SHMAP_ROSTER_SEATS + 1, "", &seat),
        SHMAP_EINVAL);
    assert_code(shmap_roster_join(scene.roster, 1, "", NULL), SHMAP_EINVAL);
    assert_code(shmap_roster_join(scene.roster, 1, long_name, &seat),
                SHMAP_ENAME);
    assert_code(shmap_roster_join(scene.roster, 1024, "", &seat), SHMAP_ERANGE);
    assert_code(shmap_roster_join(in_memory, 1, "", &seat), SHMAP_ENOTSUP);
    assert_true(shmap_error_detail()[0] != '\0');
    assert_code(shmap_roster_walk(NULL, &cursor, &member), SHMAP_EINVAL);
    assert_code(shmap_roster_walk(scene.roster, NULL, &member), SHMAP_EINVAL);
    assert_code(shmap_roster_walk(scene.roster, &cursor, NULL), SHMAP_EINVAL);
    assert_code(shmap_roster_walk(in_memory, &cursor, &member), SHMAP_ENOTSUP);
    assert_code(shmap_roster_wait(scene.roster, NULL, 0), SHMAP_EINVAL);
    assert_code(shmap_roster_wait(in_memory, &version, 0), SHMAP_ENOTSUP);
    assert_code(shmap_roster_watch(scene.roster, SEATS, NULL, &member, 0),
                SHMAP_EINVAL);
    assert_code(shmap_roster_watch(scene.roster, 0, scene.seen, &member, 0),
                SHMAP_EINVAL);
    assert_code(shmap_roster_bury(scene.roster, NULL), SHMAP_EINVAL);
    assert_code(shmap_roster_bury(scene.roster, &member), SHMAP_EINVAL);
    assert_code(shmap_roster_leave(scene.roster, NULL), SHMAP_EINVAL);
    assert_true(memory_load(&scene.roster->seats_) == 0);
    assert_int_equal(cursor, 0);
    scene_end(&scene);
}

static void test_roster__first_process_determines_the_seats(void **state)
{
    struct scene scene;
    shmap_seat seat;
    shmap_member member;

    (void)state;
    scene_make(&scene, __func__);
    assert_code(shmap_roster_join(scene.roster, SEATS, NULL, &seat), 0);
    assert_code(shmap_roster_join(scene.roster, 77, NULL, &seat),
                SHMAP_ELAYOUT);
    assert_non_null(strstr(shmap_error_detail(), "77 seats"));
    assert_non_null(strstr(shmap_error_detail(), "has 4"));
    assert_code(shmap_roster_watch(scene.roster, 3, scene.seen, &member, 0),
                SHMAP_ELAYOUT);
    scene_end(&scene);
}

static void test_roster__walk_shows_members(void **state)
{
    struct scene scene;
    shmap_view mirror;
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    struct child *first;
    struct child *second;
    shmap_member member;
    uint32_t cursor = 0;

    (void)state;
    scene_make(&scene, __func__);
    options.access = SHMAP_ACCESS_READ;
    assert_code(shmap_view_map(&mirror, scene.stage.region, &options), 0);
    first = member_start(&scene, "1234567890123456789012345678901");
    second = member_start(&scene, "second");
    for (int i = 0; i < 2; i++) {
        const shmap_roster *at = i == 0 ? scene.roster : mirror.data;

        cursor = 0;
        assert_code(shmap_roster_walk(at, &cursor, &member), 0);
        assert_string_equal(member.name, "1234567890123456789012345678901");
        assert_int_equal(member.process, child_pid(first));
        assert_int_equal(member.role, 7);
        assert_int_equal(member.state, SHMAP_MEMBER_PRESENT);
        assert_true(member.generation == 1);
        assert_code(shmap_roster_walk(at, &cursor, &member), 0);
        assert_string_equal(member.name, "second");
        assert_int_equal(member.process, child_pid(second));
        assert_int_equal(member.seat, 1);
        assert_code(shmap_roster_walk(at, &cursor, &member), SHMAP_ENOENT);
    }
    /* Through the read-only view alone, also what the dead are. */
    kill_child(first);
    assert_eventually(member_at(mirror.data, 0).state == SHMAP_MEMBER_DEAD);
    assert_code(shmap_roster_join(mirror.data, SEATS, "", &(shmap_seat){0}),
                SHMAP_EACCES);
    shmap_view_unmap(&mirror);
    scene_end(&scene);
}

static void test_roster__seats_are_given_again(void **state)
{
    struct scene scene;
    shmap_seat seats[SEATS];
    shmap_seat seat;

    (void)state;
    scene_make(&scene, __func__);
    for (uint32_t i = 0; i < SEATS; i++) {
        assert_code(shmap_roster_join(scene.roster, SEATS, "all", &seats[i]),
                    0);
        assert_int_equal(seats[i].number, i);
    }
    assert_code(shmap_roster_join(scene.roster, SEATS, "more", &seat),
                SHMAP_ENOSPC);
    assert_string_equal(shmap_error_detail(), "all seats are taken");
    assert_code(shmap_roster_leave(scene.roster, &seats[2]), 0);
    assert_code(shmap_roster_leave(scene.roster, &seats[2]), SHMAP_EPERM);
    assert_int_equal(count_members(scene.roster), SEATS - 1);
    assert_code(shmap_roster_join(scene.roster, SEATS, "more", &seat), 0);
    assert_int_equal(seat.number, 2);
    assert_true(seat.generation == 2);
    assert_code(shmap_roster_leave(scene.roster, &seats[2]), SHMAP_EPERM);
    assert_int_equal(count_members(scene.roster), SEATS);
    scene_end(&scene);
}

static void test_roster__watch_tells_what_happened(void **state)
{
    struct scene scene;
    struct child *first;
    struct child *second;

    (void)state;
    scene_make(&scene, __func__);
    expect_nothing(&scene);
    first = member_start(&scene, "first");
    second = member_start(&scene, "second");
    expect_next(&scene, SHMAP_MEMBER_PRESENT, 0, "first");
    expect_next(&scene, SHMAP_MEMBER_PRESENT, 1, "second");
    expect_nothing(&scene);
    assert_code(ask(first, "leave"), 0);
    expect_next(&scene, SHMAP_MEMBER_LEFT, 0, "first");
    kill_child(second);
    expect_next(&scene, SHMAP_MEMBER_DEAD, 1, "second");
    expect_nothing(&scene);
    bury(&scene, 1, SHMAP_YOURS);
    expect_nothing(&scene);
    assert_code(ask(first, "join 4 again 0"), 0);
    expect_next(&scene, SHMAP_MEMBER_PRESENT, 0, "again");
    /* The seat has another member already. */
    assert_code(ask(first, "leave"), 0);
    assert_code(ask(first, "join 4 third 0"), 0);
    expect_next(&scene, SHMAP_MEMBER_LEFT, 0, "");
    expect_next(&scene, SHMAP_MEMBER_PRESENT, 0, "third");
    kill_child(first);
    bury(&scene, 0, SHMAP_YOURS);
    first = member_start(&scene, "fourth");
    expect_next(&scene, SHMAP_MEMBER_DEAD, 0, "");
    expect_next(&scene, SHMAP_MEMBER_PRESENT, 0, "fourth");
    expect_nothing(&scene);
    scene_end(&scene);
}

static void test_roster__wait_ends_with_each_change(void **state)
{
    struct scene scene;
    struct child *member;
    uint64_t version = 0;
    uint64_t before;

    (void)state;
    scene_make(&scene, __func__);
    assert_code(
        shmap_roster_wait(scene.roster, &version, shmap_after(SHMAP_MS(30))),
        SHMAP_ETIMEDOUT);
    assert_true(version == 0);
    member = member_start(&scene, "one");
    assert_code(
        shmap_roster_wait(scene.roster, &version, deadline_ms(PATIENCE)), 0);
    before = version;
    assert_code(shmap_roster_wait(scene.roster, &version, SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    kill_child(member);
    assert_code(
        shmap_roster_wait(scene.roster, &version, deadline_ms(PATIENCE)), 0);
    assert_true(version != before);
    assert_int_equal(member_at(scene.roster, 0).state, SHMAP_MEMBER_DEAD);
    bury(&scene, 0, SHMAP_YOURS);
    assert_code(shmap_roster_wait(scene.roster, &version, SHMAP_TRY), 0);
    scene_end(&scene);
}

static void test_roster__a_reader_is_woken(void **state)
{
    struct scene scene;
    struct child *reader;
    int prompt = 0;

    (void)state;
    scene_make(&scene, __func__);
    reader = puppet_start();
    puppet_do(reader, "attend %s read", scene.stage.name);
    /* A reader that nothing wakes looks again after 200 ms. Some time out of
     * several is less, also on a busy machine. */
    for (int i = 0; i < 20 && prompt == 0; i++) {
        shmap_seat seat;
        int64_t since;
        const char *line;

        stops_run_into_first(reader, "wait.looked", "next 20000");
        child_tell(reader, "go");
        patience_nap(patience_until(1000));
        since = clock_ms();
        assert_code(shmap_roster_join(scene.roster, SEATS, "", &seat), 0);
        line = child_read_line(reader, PATIENCE);
        prompt = clock_ms() - since < 100;
        assert_non_null(line);
        assert_string_equal(line, "= 0 0 1 0 ");
        assert_code(shmap_roster_leave(scene.roster, &seat), 0);
        assert_code(ask(reader, "next 20000"), 0);
    }
    assert_int_equal(prompt, 1);
    scene_end(&scene);
}

static void test_roster__dead_members_are_buried_once(void **state)
{
    struct scene scene;
    struct child *victim;
    struct child *others[SEATS];
    int buried = 0;

    (void)state;
    scene_make(&scene, __func__);
    victim = member_start(&scene, "victim");
    for (int i = 0; i < SEATS; i++)
        others[i] = attendant(&scene);
    assert_code(ask(others[0], "bury 0"), SHMAP_EBUSY);
    kill_child(victim);
    wait_until_dead(&scene, 0);
    for (int i = 0; i < SEATS; i++)
        child_tell(others[i], "bury 0");
    for (int i = 0; i < SEATS; i++) {
        const char *line = child_read_line(others[i], PATIENCE);
        int code = -100;

        assert_non_null(line);
        assert_int_equal(sscanf(line, "= 0 %d", &code), 1);
        assert_true(code == SHMAP_YOURS || code == 0);
        if (code == SHMAP_YOURS) {
            buried++;
            assert_code(ask(others[(i + 1) % SEATS], "buried"), 0);
            /* The seat is not given while it is being buried. */
            for (int seat = 1; seat < SEATS; seat++)
                member_start(&scene, "other");
            assert_code(ask(others[i], "join 4 more 0"), SHMAP_ENOSPC);
            assert_code(ask(others[i], "buried"), 0);
            assert_code(ask(others[i], "buried"), 0);
            assert_code(ask(others[i], "join 4 more 0"), 0);
        }
    }
    assert_int_equal(buried, 1);
    scene_end(&scene);
}

static void test_roster__seats_of_the_dead_are_not_given(void **state)
{
    struct scene scene;
    shmap_seat seat;

    (void)state;
    scene_make(&scene, __func__);
    for (int i = 0; i < SEATS; i++)
        kill_child(member_start(&scene, "dead"));
    for (uint32_t i = 0; i < SEATS; i++)
        wait_until_dead(&scene, i);
    assert_code(shmap_roster_join(scene.roster, SEATS, "", &seat),
                SHMAP_ENOSPC);
    assert_non_null(strstr(shmap_error_detail(), "shmap_roster_bury"));
    bury(&scene, 3, SHMAP_YOURS);
    assert_code(shmap_roster_join(scene.roster, SEATS, "", &seat), 0);
    assert_int_equal(seat.number, 3);
    scene_end(&scene);
}

static void test_roster__death_of_the_undertaker_is_told(void **state)
{
    struct scene scene;
    struct child *undertaker;

    (void)state;
    scene_make(&scene, __func__);
    kill_child(member_start(&scene, "victim"));
    undertaker = attendant(&scene);
    expect_next(&scene, SHMAP_MEMBER_DEAD, 0, "victim");
    assert_code(ask(undertaker, "bury 0"), SHMAP_YOURS);
    assert_int_equal(member_at(scene.roster, 0).state, SHMAP_MEMBER_BURYING);
    expect_nothing(&scene);
    kill_child(undertaker);
    expect_next(&scene, SHMAP_MEMBER_DEAD, 0, "victim");
    expect_nothing(&scene);
    bury(&scene, 0, SHMAP_OWNER_DIED);
    scene_end(&scene);
}

static void test_roster__stopped_is_not_dead(void **state)
{
    struct scene scene;
    struct child *member;
    shmap_member found;

    (void)state;
    scene_make(&scene, __func__);
    member = member_start(&scene, "stopped");
    expect_next(&scene, SHMAP_MEMBER_PRESENT, 0, "stopped");
    if (!os_suspend(child_pid(member)))
        skip_because("processes cannot be stopped here");
    assert_code(shmap_roster_watch(scene.roster, SEATS, scene.seen, &found,
                                   shmap_after(SHMAP_MS(500))),
                SHMAP_ETIMEDOUT);
    assert_int_equal(member_at(scene.roster, 0).state, SHMAP_MEMBER_PRESENT);
    os_resume(child_pid(member));
    assert_code(ask(member, "leave"), 0);
    expect_next(&scene, SHMAP_MEMBER_LEFT, 0, "stopped");
    scene_end(&scene);
}

static void test_roster__a_seat_is_the_processs(void **state)
{
    struct scene scene;
    struct child *member;

    (void)state;
    scene_make(&scene, __func__);
    member = attendant(&scene);
    assert_code(ask(member, "join_in_thread"), 0);
    assert_int_equal(member_at(scene.roster, 0).state, SHMAP_MEMBER_PRESENT);
    assert_code(ask(member, "leave_in_thread"), 0);
    assert_int_equal(count_members(scene.roster), 0);
    scene_end(&scene);
}

static void test_roster__one_thread_uses_a_seat_at_a_time(void **state)
{
    struct scene scene;
    shmap_seat seat;
    uint64_t turn;

    (void)state;
    scene_make(&scene, __func__);
    assert_code(shmap_roster_join(scene.roster, SEATS, "", &seat), 0);
    /* As another thread of this process has it that is just leaving. */
    turn = memory_load((uint64_t *)(void *)(scene.roster + 1) + 1);
    memory_store((uint64_t *)(void *)(scene.roster + 1) + 1, turn + 1);
    assert_code(shmap_roster_leave(scene.roster, &seat), SHMAP_EBUSY);
    memory_store((uint64_t *)(void *)(scene.roster + 1) + 1, turn);
    assert_code(shmap_roster_leave(scene.roster, &seat), 0);
    scene_end(&scene);
}

static void test_roster__a_forked_child_has_no_seat(void **state)
{
    struct scene scene;
    struct child *member;

    (void)state;
    scene_make(&scene, __func__);
    if (!os_can_fork())
        skip_because("there is no fork here");
    member = member_start(&scene, "parent");
    puppet_do(member, "fork");
    assert_code(ask(member, "child leave"), SHMAP_EPERM);
    assert_int_equal(member_at(scene.roster, 0).state, SHMAP_MEMBER_PRESENT);
    assert_code(ask(member, "child join 4 child 0"), 0);
    assert_string_equal(member_at(scene.roster, 1).name, "child");
    puppet_ask(member, "kill");
    wait_until_dead(&scene, 1);
    assert_int_equal(member_at(scene.roster, 0).state, SHMAP_MEMBER_PRESENT);
    assert_code(ask(member, "leave"), 0);
    bury(&scene, 1, SHMAP_YOURS);

    /* And the child does not keep its parent's alive. */
    assert_code(ask(member, "join 4 parent 0"), 0);
    puppet_do(member, "fork");
    puppet_do(member, "orphan");
    kill_child(member);
    wait_until_dead(&scene, 0);
    scene_end(&scene);
}

/* Killed at each step. What is found then: a dead member, or none, whose seat
 * is free for the next. */
static void test_roster__killed_at_each_step(void **state)
{
    static const struct {
        const char *command;
        const char *point;
        bool is_member;
    } steps[] = {
        {"join 4 victim 0", "roster.taken", false},
        {"join 4 victim 0", "roster.named", false},
        {"join 4 victim 0", "roster.joined", true},
        {"join 4 victim 0", "roster.changed", true},
        {"join 4 victim 0", "roster.told", true},
        {"leave", "roster.leaving", true},
        {"leave", "roster.left", false},
        {"leave", "roster.freed", false},
        {"leave", "roster.changed", false},
        {"leave", "roster.told", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct scene scene;
        struct child *victim;
        shmap_seat seats[SEATS];

        scene_make(&scene, __func__);
        victim = attendant(&scene);
        if (strcmp(steps[i].command, "leave") == 0)
            assert_code(ask(victim, "join 4 victim 0"), 0);
        stops_run_into_first(victim, steps[i].point, steps[i].command);
        kill_child(victim);
        if (steps[i].is_member) {
            expect_next(&scene, SHMAP_MEMBER_DEAD, 0, "victim");
            bury(&scene, 0, SHMAP_YOURS);
        }
        /* All seats can be had, that of the dead last. */
        for (int seat = 1; seat < SEATS; seat++)
            assert_code(
                shmap_roster_join(scene.roster, SEATS, "", &seats[seat]), 0);
        assert_eventually(
            shmap_roster_join(scene.roster, SEATS, "next", &seats[0]) == 0);
        scene_end(&scene);
    }
}

/* The same while burying. */
static void test_roster__undertaker_killed_at_each_step(void **state)
{
    static const struct {
        const char *point;
        bool is_buried;
    } steps[] = {
        {"roster.burying", false}, {"roster.buried", true},
        {"roster.mourned", true},  {"roster.freed", true},
        {"roster.changed", true},  {"roster.told", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct scene scene;
        struct child *undertaker;
        shmap_seat seat = {0};

        scene_make(&scene, __func__);
        kill_child(member_start(&scene, "victim"));
        wait_until_dead(&scene, 0);
        undertaker = attendant(&scene);
        if (steps[i].is_buried) {
            assert_code(ask(undertaker, "bury 0"), SHMAP_YOURS);
            stops_run_into_first(undertaker, steps[i].point, "buried");
        } else {
            stops_run_into_first(undertaker, steps[i].point, "bury 0");
        }
        kill_child(undertaker);
        if (!steps[i].is_buried)
            bury(&scene, 0, SHMAP_OWNER_DIED);
        for (int again = 0; again < SEATS; again++)
            assert_code(shmap_roster_join(scene.roster, SEATS, "next", &seat),
                        0);
        scene_end(&scene);
    }
}

/* The next member's death is not told as one that was half repaired. */
static void test_roster__traces_of_an_undertaker_are_removed(void **state)
{
    struct scene scene;
    struct child *undertaker;

    (void)state;
    scene_make(&scene, __func__);
    kill_child(member_start(&scene, "victim"));
    wait_until_dead(&scene, 0);
    undertaker = attendant(&scene);
    assert_code(ask(undertaker, "bury 0"), SHMAP_YOURS);
    stops_run_into_first(undertaker, "roster.buried", "buried");
    kill_child(undertaker);
    for (int i = 0; i < SEATS; i++)
        kill_child(member_start(&scene, "next"));
    for (uint32_t i = 0; i < SEATS; i++)
        bury(&scene, i, SHMAP_YOURS);
    scene_end(&scene);
}

/* Whatever is written over a roster: codes that are documented, in time. */
static void test_roster__garbage_gives_errors(void **state)
{
    struct scene scene;
    struct dice dice = {fresh_seed()};
    uint64_t *words;
    const size_t count = SHMAP_ROSTER_SIZE(SEATS) / sizeof *words;

    (void)state;
    scene_make(&scene, __func__);
    words = (uint64_t *)(void *)scene.roster;
    for (int i = 0; i < 2000; i++) {
        shmap_member member = {0};
        shmap_seat seat = {0};
        uint64_t version = 0;
        uint32_t cursor = 0;
        int64_t since = shmap_now();
        int result;

        for (size_t j = 0; j < count; j++) {
            if (dice_roll(&dice, 2) == 0)
                memory_store(&words[j], (uint64_t)dice_roll(&dice, UINT32_MAX)
                                                << 32 |
                                            dice_roll(&dice, UINT32_MAX));
        }
        if (dice_roll(&dice, 4) != 0)
            memory_store(&words[0], SEATS);
        while ((result = shmap_roster_walk(scene.roster, &cursor, &member)) ==
               0) {
            assert_true(strlen(member.name) <= SHMAP_MEMBER_NAME);
            result = shmap_roster_bury(scene.roster, &member);
            if (result > 0)
                result = shmap_roster_bury(scene.roster, &member);
            assert_true(result == 0 || result == SHMAP_EBUSY ||
                        result == SHMAP_EPERM);
        }
        assert_true(result == SHMAP_ENOENT || result == SHMAP_ELAYOUT);
        result = shmap_roster_wait(scene.roster, &version, SHMAP_TRY);
        assert_true(result == 0 || result == SHMAP_ELAYOUT ||
                    result == SHMAP_ETIMEDOUT);
        result = shmap_roster_watch(scene.roster, SEATS, scene.seen, &member,
                                    SHMAP_TRY);
        assert_true(result == 0 || result == SHMAP_ELAYOUT ||
                    result == SHMAP_ETIMEDOUT);
        result = shmap_roster_join(scene.roster, SEATS, "x", &seat);
        assert_true(result == 0 || result == SHMAP_ENOSPC ||
                    result == SHMAP_ELAYOUT);
        if (result == 0)
            assert_code(shmap_roster_leave(scene.roster, &seat), 0);
        assert_true(shmap_now() - since < SHMAP_MS(scaled(1000)));
    }
    /* Nothing behind it was touched. */
    for (size_t j = count; j < 65536 / sizeof *words; j++)
        assert_true(words[j] == 0);
    scene_end(&scene);
}

/* A system without identities: SHMAP_ENOTSUP from all. */
static void test_roster__refused_where_deaths_are_not_told(void **state)
{
    struct stage stage;
    shmap_seat seat;
    uint32_t cursor = 0;
    shmap_member member;

    (void)state;
    if (has_rosters)
        skip_because("there are rosters here");
    stage_make(&stage, __func__, 4096);
    assert_code(shmap_roster_join(stage.view.data, SEATS, "", &seat),
                SHMAP_ENOTSUP);
    assert_code(shmap_roster_walk(stage.view.data, &cursor, &member),
                SHMAP_ENOTSUP);
    stage_end(&stage);
}

static bool find_rosters(void)
{
    shmap_mutex mutex = {0};

    return shmap_mutex_lock(&mutex, SHMAP_TRY) != SHMAP_ENOTSUP;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roster__refuses_bad_arguments),
        cmocka_unit_test(test_roster__first_process_determines_the_seats),
        cmocka_unit_test(test_roster__walk_shows_members),
        cmocka_unit_test(test_roster__seats_are_given_again),
        cmocka_unit_test(test_roster__watch_tells_what_happened),
        cmocka_unit_test(test_roster__wait_ends_with_each_change),
        cmocka_unit_test(test_roster__a_reader_is_woken),
        cmocka_unit_test(test_roster__dead_members_are_buried_once),
        cmocka_unit_test(test_roster__seats_of_the_dead_are_not_given),
        cmocka_unit_test(test_roster__death_of_the_undertaker_is_told),
        cmocka_unit_test(test_roster__stopped_is_not_dead),
        cmocka_unit_test(test_roster__a_seat_is_the_processs),
        cmocka_unit_test(test_roster__one_thread_uses_a_seat_at_a_time),
        cmocka_unit_test(test_roster__a_forked_child_has_no_seat),
        cmocka_unit_test(test_roster__killed_at_each_step),
        cmocka_unit_test(test_roster__undertaker_killed_at_each_step),
        cmocka_unit_test(test_roster__traces_of_an_undertaker_are_removed),
        cmocka_unit_test(test_roster__garbage_gives_errors),
        cmocka_unit_test(test_roster__refused_where_deaths_are_not_told),
    };

    stops_enable();
    obey_others = puppet_more;
    puppet_more = obey_roster;
    has_rosters = find_rosters();
    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
