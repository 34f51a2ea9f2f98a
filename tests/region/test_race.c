/* SPDX-License-Identifier: MIT */

/* Many processes make, open, close and reap regions of few names at random,
 * and are killed at random. Every holder keeps asking whether what it holds is
 * still what everybody else finds.
 *
 * SHMAP_TEST_SEED repeats a run as far as the system's scheduling lets it;
 * SHMAP_TEST_SECONDS, or SHMAP_SOAK=1, make it longer.
 */

#include <inttypes.h>

#include "puppet.h"

#define NAMES  4
#define RACERS 16
#define SIZE   65536

/* Numbers in a region. The generation's stamp is written by its maker, after it
 * was made, in three places; each racer has a number to itself. */
#define FIRST_STAMP  0
#define MIDDLE_STAMP (SIZE / 16)
#define LAST_STAMP   (SIZE / 8 - 1)
#define OWN_NUMBERS  16

/* What one racer holds of one name. */
struct hold {
    char name[NAME_ROOM];
    shmap_region *region; /* NULL if it was closed, or nothing is held */
    shmap_view view;
    bool read_only;
};

static struct hold holds[NAMES];
static struct dice dice;
static unsigned racer;
static uint64_t generations;
static bool suicidal;

enum deed { CREATED, OPENED, ASKED, REAPED, CLOSED, DEEDS };

static unsigned long deeds[DEEDS];

static volatile uint64_t *number_in(const shmap_view *view, size_t index)
{
    return (volatile uint64_t *)view->data + index;
}

/* A stamp's low half follows from its high half, so that other bytes are not
 * taken for one. */
static uint64_t stamp_of(uint32_t high)
{
    return (uint64_t)high << 32 | (high * UINT32_C(2654435761) ^ 0x5a5a5a5a);
}

static bool is_stamp(uint64_t number)
{
    return number == stamp_of((uint32_t)(number >> 32));
}

/* What an opener finds: the whole size; no stamp yet or one generation's. */
static void check_found(const shmap_view *view)
{
    static const size_t places[] = {FIRST_STAMP, MIDDLE_STAMP, LAST_STAMP};
    uint64_t generation = 0;
    if (view->size != SIZE)
        role_fail("a region has %zu bytes", view->size);
    for (size_t i = 0; i < COUNT(places); i++) {
        uint64_t number = memory_load(number_in(view, places[i]));
        if (number == 0)
            continue;
        if (!is_stamp(number))
            role_fail("a stamp is %" PRIx64, number);
        if (generation != 0 && number != generation)
            role_fail("two generations in one region");
        generation = number;
    }
}

/* What a maker finds: zero, but for the numbers of those who opened already. */
static void check_fresh_and_stamp(const shmap_view *view)
{
    uint64_t stamp =
        stamp_of((uint32_t)(racer << 26 | (++generations & 0x3ffffff)));
    if (view->size != SIZE)
        role_fail("a new region has %zu bytes", view->size);
    for (size_t i = 0; i < SIZE / 8; i++)
        if ((i < OWN_NUMBERS || i >= OWN_NUMBERS + RACERS) &&
            memory_load(number_in(view, i)) != 0)
            role_fail("number %zu of a new region is not zero", i);
    memory_store(number_in(view, LAST_STAMP), stamp);
    memory_store(number_in(view, MIDDLE_STAMP), stamp);
    memory_store(number_in(view, FIRST_STAMP), stamp);
}

static void map(shmap_view *view, shmap_region *region)
{
    role_check_code(shmap_view_map(view, region, NULL), 0);
}

static void let_go(struct hold *hold)
{
    shmap_view_unmap(&hold->view);
    shmap_region_close(hold->region);
    hold->region = NULL;
    ++deeds[CLOSED];
}

/* Somebody who holds finds what is held: the name is not lost, means the same
 * region, and cannot be made. */
static void ask(struct hold *hold)
{
    shmap_region *again = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    bool writes = !hold->read_only;
    uint64_t mark = (uint64_t)dice_roll(&dice, UINT32_MAX) + 1;
    if (writes)
        memory_store(number_in(&hold->view, OWN_NUMBERS + racer), mark);
    if (dice_roll(&dice, 4) == 0)
        role_check_code(shmap_region_create(&again, hold->name, SIZE, NULL),
                        SHMAP_EEXIST);
    if (dice_roll(&dice, 2) == 0)
        role_check_code(shmap_region_open(&again, hold->name, NULL), 0);
    else
        role_check_code(
            shmap_region_open_or_create(&again, hold->name, SIZE, NULL), 0);
    map(&view, again);
    check_found(&view);
    if (writes && memory_load(number_in(&view, OWN_NUMBERS + racer)) != mark)
        role_fail("the name means another region than the one held");
    uint64_t stamp = memory_load(number_in(&hold->view, FIRST_STAMP));
    if (stamp != 0 && memory_load(number_in(&view, FIRST_STAMP)) != stamp)
        role_fail("the name means another generation than the one held");
    shmap_region_close(again);
    shmap_view_unmap(&view);
    ++deeds[ASKED];
}

static void keep_found(struct hold *hold)
{
    map(&hold->view, hold->region);
    check_found(&hold->view);
    ask(hold);
    ++deeds[OPENED];
}

static void keep_made(struct hold *hold)
{
    map(&hold->view, hold->region);
    check_fresh_and_stamp(&hold->view);
    ask(hold);
    ++deeds[CREATED];
}

static void try_to_create(struct hold *hold)
{
    hold->read_only = false;
    int result = shmap_region_create(&hold->region, hold->name, SIZE, NULL);
    if (result == SHMAP_EEXIST)
        return;
    role_check_code(result, 0);
    keep_made(hold);
}

static void try_to_open(struct hold *hold, int access)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    options.access = access;
    hold->read_only = access == SHMAP_ACCESS_READ;
    int result = shmap_region_open(&hold->region, hold->name, &options);
    if (result == SHMAP_ENOENT)
        return;
    role_check_code(result, 0);
    keep_found(hold);
}

static void try_both(struct hold *hold)
{
    hold->read_only = false;
    int result =
        shmap_region_open_or_create(&hold->region, hold->name, SIZE, NULL);
    if (result == SHMAP_CREATED) {
        keep_made(hold);
    } else {
        role_check_code(result, 0);
        keep_found(hold);
    }
}

static void reap(struct hold *hold)
{
    role_check_code(dice_roll(&dice, 8) == 0
                        ? shmap_region_reap_all(NULL, NULL)
                        : shmap_region_reap(hold->name, NULL, NULL),
                    0);
    ++deeds[REAPED];
}

static void without(struct hold *hold)
{
    switch (dice_roll(&dice, 8)) {
    case 0:
    case 1:
        try_to_create(hold);
        break;
    case 2:
    case 3:
        try_to_open(hold, SHMAP_ACCESS_DEFAULT);
        break;
    case 4:
        try_to_open(hold, SHMAP_ACCESS_READ);
        break;
    case 5:
        reap(hold);
        break;
    default:
        try_both(hold);
        break;
    }
    if (hold->view.data != NULL && dice_roll(&dice, 4) != 0)
        let_go(hold);
    /* A view alone holds as well. */
    if (hold->region != NULL && dice_roll(&dice, 3) == 0) {
        shmap_region_close(hold->region);
        hold->region = NULL;
    }
}

static void with(struct hold *hold)
{
    switch (dice_roll(&dice, 8)) {
    case 0:
    case 1:
    case 2:
        ask(hold);
        break;
    case 3:
        reap(hold);
        break;
    case 4:
        if (suicidal && dice_roll(&dice, 100) == 0)
            os_kill_self();
        break;
    default:
        let_go(hold);
        break;
    }
}

/* Some names are crowded, so that the last of many holders never comes; others
 * are made and freed all the time. Nothing is held for long. */
static struct hold *any_hold(void)
{
    uint32_t roll = dice_roll(&dice, 64);
    for (size_t i = 0; roll < 48 && i < NAMES; i++)
        if (holds[i].view.data != NULL)
            return &holds[i];
    roll = dice_roll(&dice, 64);
    return &holds[roll < 2 ? 3 : roll < 6 ? 2 : roll < 16 ? 1 : 0];
}

/* Arguments: the racer's number, the seed, when to end, whether to die before,
 * the names. */
static int play_racer(int count, char **arguments)
{
    role_check(count == 4 + NAMES);
    racer = (unsigned)strtoul(arguments[0], NULL, 10);
    dice.state = strtoull(arguments[1], NULL, 16);
    int64_t end = strtoll(arguments[2], NULL, 10);
    suicidal = strcmp(arguments[3], "die") == 0;
    generations = dice_roll(&dice, 1u << 26);
    for (size_t i = 0; i < NAMES; i++)
        snprintf(holds[i].name, NAME_ROOM, "%s", arguments[4 + i]);
    while (clock_ms() < end) {
        struct hold *hold = any_hold();
        if (hold->view.data == NULL)
            without(hold);
        else
            with(hold);
    }
    for (size_t i = 0; i < NAMES; i++)
        if (holds[i].view.data != NULL)
            let_go(&holds[i]);
    say("%lu %lu %lu %lu %lu", deeds[CREATED], deeds[OPENED], deeds[ASKED],
        deeds[REAPED], deeds[CLOSED]);
    return 0;
}

/* The other side: the one who starts and kills. */

struct race {
    char names[NAMES][NAME_ROOM];
    struct child *racers[RACERS];
    size_t count;
    struct dice dice;
    int64_t end;
    bool deadly;
    unsigned kills;
};

static void start_racer(struct race *race, size_t index)
{
    char number[16];
    char seed[24];
    char end[24];
    snprintf(number, sizeof number, "%zu", index);
    snprintf(seed, sizeof seed, "%" PRIx32, dice_roll(&race->dice, UINT32_MAX));
    snprintf(end, sizeof end, "%" PRId64, race->end);
    race->racers[index] = child_start(
        "racer", number, seed, end, race->deadly ? "die" : "live",
        race->names[0], race->names[1], race->names[2], race->names[3], NULL);
}

/* A racer's end is its last line and 0, or death if it may die. */
static void check_end(const struct race *race, size_t index, const char *line,
                      int code)
{
    bool died = code == CHILD_KILLED;
    if (line != NULL && strncmp(line, "fail", 4) == 0)
        fail_msg("racer %zu: %s", index, line);
    if (code != 0 && !(died && race->deadly))
        fail_msg("racer %zu ended with %d", index, code);
}

/* Kill one, if it did not kill itself, and start another. */
static void replace_racer(struct race *race, size_t index)
{
    struct child *child = race->racers[index];
    const char *said = child_read_line(child, 0);
    char line[1024];
    snprintf(line, sizeof line, "%s", said == NULL ? "" : said);
    child_kill(child);
    check_end(race, index, line, child_wait(child, PATIENCE));
    ++race->kills;
    start_racer(race, index);
}

/* Up to four die at once. */
static void replace_racers(struct race *race)
{
    uint32_t first = dice_roll(&race->dice, (uint32_t)race->count);
    uint32_t deaths = 1 + dice_roll(&race->dice, 4);
    for (uint32_t i = 1; i < deaths; i++)
        child_kill(race->racers[(first + i) % race->count]);
    for (uint32_t i = 0; i < deaths; i++)
        replace_racer(race, (first + i) % race->count);
}

/* The racers that got to the end say what they did. */
static void finish(struct race *race)
{
    unsigned long sums[DEEDS] = {0};
    int64_t now = clock_ms();
    int timeout = PATIENCE + (int)(race->end > now ? race->end - now : 0);
    for (size_t i = 0; i < race->count; i++) {
        const char *said = child_read_line(race->racers[i], timeout);
        unsigned long done[DEEDS] = {0};
        char line[1024];
        snprintf(line, sizeof line, "%s", said == NULL ? "" : said);
        sscanf(line, "%lu %lu %lu %lu %lu", &done[CREATED], &done[OPENED],
               &done[ASKED], &done[REAPED], &done[CLOSED]);
        check_end(race, i, line, child_wait(race->racers[i], PATIENCE));
        for (size_t deed = 0; deed < DEEDS; deed++)
            sums[deed] += done[deed];
    }
    print_message("    %u killed; those at the end had created %lu, opened "
                  "%lu, asked %lu, reaped %lu, closed %lu\n",
                  race->kills, sums[CREATED], sums[OPENED], sums[ASKED],
                  sums[REAPED], sums[CLOSED]);
    /* What those did who were killed is not known, and on a busy machine that
     * can be nearly all. */
    for (size_t deed = 0; deed < DEEDS; deed++)
        assert_true(race->deadly ? race->kills > 0 : sums[deed] > 0);
}

/* When all are gone, so are their regions. */
static void assert_nothing_left(const char *name)
{
    char os_name[OS_NAME_ROOM];
    shmap_region *region = NULL;
    os_name_of(os_name, name, SHMAP_SCOPE_USER);
    assert_eventually(shmap_region_open(&region, name, NULL) == SHMAP_ENOENT);
    assert_false(raw_exists(os_name));
    assert_code(shmap_region_create(&region, name, SIZE, NULL), 0);
    shmap_region_close(region);
    assert_false(raw_exists(os_name));
}

static void run_race(const char *label, bool deadly)
{
    struct race race = {.count = os_is_emulated() ? RACERS / 2 : RACERS,
                        .deadly = deadly};
    long seconds =
        setting("SHMAP_TEST_SECONDS", setting("SHMAP_SOAK", 0) > 0 ? 120 : 3);
    uint64_t seed = fresh_seed() & 0x7fffffff;
    race.dice.state = (uint64_t)setting("SHMAP_TEST_SEED", (long)seed);
    print_message("    SHMAP_TEST_SEED=%" PRIu64 "\n", race.dice.state);
    for (size_t i = 0; i < NAMES; i++)
        unique_name(race.names[i], label);
    race.end = clock_ms() + seconds * 1000;
    for (size_t i = 0; i < race.count; i++)
        start_racer(&race, i);
    while (deadly && clock_ms() < race.end) {
        replace_racers(&race);
        /* Some are given the time to hold something. */
        for (uint32_t naps = dice_roll(&race.dice, 4); naps > 0; naps--)
            patience_nap(race.end);
    }
    finish(&race);
    for (size_t i = 0; i < NAMES; i++)
        assert_nothing_left(race.names[i]);
}

static void test_race__nobody_is_surprised(void **state)
{
    (void)state;
    run_race(__func__, false);
}

static void test_race__nobody_is_surprised_by_deaths(void **state)
{
    (void)state;
    run_race(__func__, true);
}

/* All of them give one command at once: exactly one gets the first answer, and
 * the others the second. */
static void assert_one_of(struct child **puppets, size_t count,
                          const char *command, int first, int second)
{
    size_t firsts = 0;
    for (size_t i = 0; i < count; i++)
        child_tell(puppets[i], "%s", command);
    for (size_t i = 0; i < count; i++) {
        int result = puppet_result(puppets[i]);
        if (result == first)
            ++firsts;
        else
            assert_code(result, second);
    }
    assert_int_equal(firsts, 1);
}

static void all_close(struct child **puppets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        child_tell(puppets[i], "close 0");
    for (size_t i = 0; i < count; i++)
        assert_code(puppet_result(puppets[i]), 0);
}

static size_t start_puppets(struct child **puppets)
{
    size_t count = os_is_emulated() ? RACERS / 2 : RACERS;
    for (size_t i = 0; i < count; i++)
        puppets[i] = puppet_start();
    return count;
}

static unsigned rounds(void)
{
    return os_is_emulated() ? 10 : 100;
}

static void test_race__one_of_many_creates(void **state)
{
    struct child *puppets[RACERS];
    size_t count = start_puppets(puppets);
    char name[NAME_ROOM];
    char line[2 * NAME_ROOM];
    (void)state;
    unique_name(name, __func__);
    snprintf(line, sizeof line, "create 0 %s %d", name, SIZE);
    for (unsigned round = 0; round < rounds(); round++) {
        assert_one_of(puppets, count, line, 0, SHMAP_EEXIST);
        all_close(puppets, count);
    }
    assert_nothing_left(name);
}

static void test_race__one_of_many_opens_or_creates(void **state)
{
    struct child *puppets[RACERS];
    size_t count = start_puppets(puppets);
    char name[NAME_ROOM];
    char line[2 * NAME_ROOM];
    (void)state;
    unique_name(name, __func__);
    snprintf(line, sizeof line, "open_or_create 0 %s %d", name, SIZE);
    for (unsigned round = 0; round < rounds(); round++) {
        assert_one_of(puppets, count, line, SHMAP_CREATED, 0);
        all_close(puppets, count);
    }
    assert_nothing_left(name);
}

static void test_race__one_of_many_has_the_file_alone(void **state)
{
    struct child *puppets[RACERS];
    size_t count = start_puppets(puppets);
    char path[NAME_ROOM];
    char line[2 * NAME_ROOM];
    (void)state;
    scratch_path(path, __func__);
    snprintf(line, sizeof line, "open_file 0 %s %d missing", path, SIZE);
    for (unsigned round = 0; round < rounds(); round++) {
        assert_one_of(puppets, count, line, SHMAP_ALONE, 0);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(atoi(puppet_ask(puppets[i], "size 0")), SIZE);
        all_close(puppets, count);
        /* Every other time the file is there already. */
        if (round % 2 == 0)
            remove(path);
    }
    remove(path);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"racer", play_racer}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_race__one_of_many_creates),
        cmocka_unit_test(test_race__one_of_many_opens_or_creates),
        cmocka_unit_test(test_race__one_of_many_has_the_file_alone),
        cmocka_unit_test(test_race__nobody_is_surprised),
        cmocka_unit_test(test_race__nobody_is_surprised_by_deaths),
    };
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
