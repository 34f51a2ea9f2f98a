/* SPDX-License-Identifier: MIT */

/* Records: values that are whole, their versions, their writers' deaths, and
 * waiting for them, by threads and processes. */

#include <inttypes.h>
#include <limits.h>

#include <uv.h>

#include "calls.h"
#include "puppet.h"
#include "stops.h"
#include "units.h"

enum {
    VALUE_SIZE = 200,
    CANARY = 64,
    READERS = 3,
    READS = 2000,
    VERSIONS = 2000,
    EACH = 2000,
    WAKES = 5
};

static void *odd(void *object)
{
    return (char *)object + 4;
}

/* Write the value that belongs to the next version. */
static int write_next(shmap_record *record, void *value, size_t size)
{
    value_fill(value, size, memory_load(&record->version_) + 1);
    return shmap_record_write(record, value, size);
}

static void assert_holds(const shmap_record *record, size_t size,
                         uint64_t version)
{
    char *value = malloc(size);
    uint64_t found = 0;

    assert_non_null(value);
    assert_code(shmap_record_read(record, value, size, &found), 0);
    assert_true(found == version);
    assert_true(value_is(value, size, version));
    free(value);
}

static void test_record__refuses_bad_arguments(void **state)
{
    static const size_t absurd[] = {0, SIZE_MAX, SIZE_MAX - 63, PTRDIFF_MAX};
    shmap_record *record = record_make(VALUE_SIZE);
    unsigned char before[SHMAP_RECORD_SIZE(VALUE_SIZE)];
    char value[VALUE_SIZE] = {1};
    const char kept[VALUE_SIZE] = {1};
    uint64_t version = 77;

    (void)state;
    assert_non_null(record);
    assert_code(write_next(record, value, VALUE_SIZE), 0);
    memcpy(before, record, sizeof before);
    memcpy(value, kept, sizeof kept);
    assert_code(shmap_record_write(NULL, value, VALUE_SIZE), SHMAP_EINVAL);
    assert_code(shmap_record_write(odd(record), value, VALUE_SIZE),
                SHMAP_EINVAL);
    assert_code(shmap_record_write(record, NULL, VALUE_SIZE), SHMAP_EINVAL);
    assert_code(shmap_record_read(NULL, value, VALUE_SIZE, &version),
                SHMAP_EINVAL);
    assert_code(shmap_record_read(odd(record), value, VALUE_SIZE, &version),
                SHMAP_EINVAL);
    assert_code(shmap_record_read(record, NULL, VALUE_SIZE, &version),
                SHMAP_EINVAL);
    for (size_t i = 0; i < COUNT(absurd); i++) {
        assert_code(shmap_record_write(record, value, absurd[i]), SHMAP_EINVAL);
        assert_code(shmap_record_read(record, value, absurd[i], &version),
                    SHMAP_EINVAL);
    }
    assert_code(shmap_record_wait(NULL, 0, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_record_wait(odd(record), 0, SHMAP_FOREVER), SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(record, before, sizeof before);
    assert_memory_equal(value, kept, sizeof kept);
    assert_true(version == 77);
    free(record);
}

static void test_record__has_no_value_at_first(void **state)
{
    shmap_record *record = record_make(VALUE_SIZE);
    char value[VALUE_SIZE] = {1};
    const char kept[VALUE_SIZE] = {1};
    uint64_t version = 77;

    (void)state;
    assert_code(shmap_record_read(record, value, VALUE_SIZE, &version),
                SHMAP_ENOTREADY);
    assert_memory_equal(value, kept, sizeof kept);
    assert_true(version == 77);
    assert_code(shmap_record_wait(record, 0, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(write_next(record, value, VALUE_SIZE), 0);
    assert_code(shmap_record_wait(record, 0, SHMAP_TRY), 0);
    assert_holds(record, VALUE_SIZE, 1);
    assert_code(shmap_record_read(record, value, VALUE_SIZE, NULL), 0);
    free(record);
}

static void test_record__counts_versions(void **state)
{
    shmap_record *record = record_make(VALUE_SIZE);
    char value[VALUE_SIZE];

    (void)state;
    for (uint64_t version = 1; version <= 100; version++) {
        assert_code(write_next(record, value, VALUE_SIZE), 0);
        assert_holds(record, VALUE_SIZE, version);
    }
    free(record);
}

static void assert_layout_of(size_t size)
{
    size_t space = SHMAP_RECORD_SIZE(size);
    unsigned char *memory = calloc(1, space + CANARY);
    unsigned char *value = malloc(size + CANARY);
    unsigned char canary[CANARY];

    assert_non_null(memory);
    assert_non_null(value);
    memset(canary, 0xC5, sizeof canary);
    memcpy(memory + space, canary, sizeof canary);
    for (uint64_t version = 1; version <= 7; version++) {
        uint64_t found = 0;

        assert_code(write_next((void *)memory, value, size), 0);
        memset(value, 0, size);
        memcpy(value + size, canary, sizeof canary);
        assert_code(shmap_record_read((void *)memory, value, size, &found), 0);
        assert_true(found == version);
        assert_true(value_is(value, size, version));
        assert_memory_equal(value + size, canary, sizeof canary);
        assert_memory_equal(memory + space, canary, sizeof canary);
    }
    free(value);
    free(memory);
}

static void test_record__takes_its_space_and_no_more(void **state)
{
    static const size_t sizes[] = {
        1,      2, 7, 8, 63, 64, 65, 127, 128, 4095, 4096, 4097, (1 << 20) + 1,
        4 << 20};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_layout_of(sizes[i]);
}

static void test_record__refuses_another_size(void **state)
{
    static const size_t others[] = {1, VALUE_SIZE - 1, VALUE_SIZE + 1,
                                    4 * VALUE_SIZE};
    shmap_record *record = record_make(VALUE_SIZE);
    unsigned char before[SHMAP_RECORD_SIZE(VALUE_SIZE)];
    char value[4 * VALUE_SIZE] = {1};
    const char kept[4 * VALUE_SIZE] = {1};
    uint64_t version = 77;

    (void)state;
    assert_code(write_next(record, value, VALUE_SIZE), 0);
    memcpy(before, record, sizeof before);
    memcpy(value, kept, sizeof kept);
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_code(shmap_record_write(record, value, others[i]),
                    SHMAP_ELAYOUT);
        assert_code(shmap_record_read(record, value, others[i], &version),
                    SHMAP_ELAYOUT);
    }
    assert_memory_equal(record, before, sizeof before);
    assert_memory_equal(value, kept, sizeof kept);
    assert_true(version == 77);
    assert_code(write_next(record, value, VALUE_SIZE), 0);
    assert_holds(record, VALUE_SIZE, 2);
    free(record);
}

static void test_record__waits_end_with_their_deadlines(void **state)
{
    static const int64_t past[] = {0, 1000000000, -1, INT64_MIN};
    shmap_record *record = record_make(VALUE_SIZE);

    (void)state;
    for (size_t i = 0; i < COUNT(past); i++)
        assert_code(shmap_record_wait(record, 0, past[i]), SHMAP_ETIMEDOUT);
    for (int ms = 1; ms <= 256; ms *= 4) {
        int64_t deadline = shmap_after(SHMAP_MS(ms));

        assert_code(shmap_record_wait(record, 0, deadline), SHMAP_ETIMEDOUT);
        assert_true(shmap_now() >= deadline);
        assert_true(shmap_now() < deadline + 3000000000);
    }
    free(record);
}

static void test_record__wait_is_over_at_another_version(void **state)
{
    shmap_record *record = record_make(VALUE_SIZE);
    char value[VALUE_SIZE];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_code(write_next(record, value, VALUE_SIZE), 0);
    assert_code(shmap_record_wait(record, 0, SHMAP_FOREVER), 0);
    assert_code(shmap_record_wait(record, 2, SHMAP_TRY), 0);
    assert_code(shmap_record_wait(record, 3, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_record_wait(record, 4, SHMAP_FOREVER), 0);
    assert_code(shmap_record_wait(record, (uint64_t)3 << 32 | 3, SHMAP_TRY), 0);
    free(record);
}

/* Threads. */

static shmap_record *shared_record;
static uint64_t reading;

static void read_all_the_time(void *argument)
{
    int *wrong = argument;
    uint64_t before = 0;

    for (int i = 0; i < READS; i++) {
        char value[VALUE_SIZE];
        uint64_t version = 0;
        int result =
            shmap_record_read(shared_record, value, VALUE_SIZE, &version);

        if (result == SHMAP_EBUSY)
            continue;
        *wrong += result != 0 || version < before ||
                  !value_is(value, VALUE_SIZE, version);
        before = version;
        if (i % 16 == 0)
            *wrong += shmap_record_wait(shared_record, version,
                                        deadline_ms(PATIENCE)) != 0;
    }
    memory_add(&reading, UINT64_MAX);
}

static void test_record__threads_read_whole_values(void **state)
{
    uv_thread_t threads[READERS];
    int wrong[READERS] = {0};
    char value[VALUE_SIZE];

    (void)state;
    shared_record = record_make(VALUE_SIZE);
    assert_non_null(shared_record);
    assert_code(write_next(shared_record, value, VALUE_SIZE), 0);
    memory_store(&reading, READERS);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(
            uv_thread_create(&threads[i], read_all_the_time, &wrong[i]), 0);
    while (memory_load(&reading) != 0)
        assert_code(write_next(shared_record, value, VALUE_SIZE), 0);
    for (int i = 0; i < READERS; i++) {
        uv_thread_join(&threads[i]);
        assert_int_equal(wrong[i], 0);
    }
    free(shared_record);
}

/* Processes. */

/* Write until killed. */
static int play_writer(int count, char **arguments)
{
    shmap_record *record;
    size_t size;
    void *value;

    role_check(count == 2);
    record = stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE);
    size = (size_t)atol(arguments[1]);
    value = malloc(size);
    role_check(value != NULL);
    for (;;)
        role_check_code(write_next(record, value, size), 0);
    return 0;
}

/* Read for a while, and see several versions. */
static int play_reader(int count, char **arguments)
{
    const shmap_record *record;
    size_t size;
    void *value;
    uint64_t first = 0;
    uint64_t before = 0;
    int64_t until = deadline_ms(400);
    unsigned long whole = 0;

    role_check(count == 2);
    record = stage_join(arguments[0], SHMAP_ACCESS_READ);
    size = (size_t)atol(arguments[1]);
    value = malloc(size);
    role_check(value != NULL);
    role_check_code(shmap_record_wait(record, 0, deadline_ms(PATIENCE)), 0);
    while (shmap_now() < until || whole < 3) {
        uint64_t version = 0;
        int result = shmap_record_read(record, value, size, &version);

        if (result == SHMAP_EBUSY)
            continue;
        role_check_code(result, 0);
        if (!value_is(value, size, version))
            role_fail("version %" PRIu64 " of %zu bytes is torn", version,
                      size);
        role_check(version >= before);
        if (first == 0)
            first = version;
        before = version;
        if (++whole % 8 == 0)
            role_check_code(
                shmap_record_wait(record, version, deadline_ms(PATIENCE)), 0);
    }
    role_check_code(shmap_record_wait(record, first, deadline_ms(PATIENCE)), 0);
    return 0;
}

static void test_record__processes_read_whole_values(void **state)
{
    static const size_t sizes[] = {1, 64, 4097, 1 << 20};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct stage stage;
        struct child *readers[READERS];
        char size[16];

        stage_make(&stage, __func__, SHMAP_RECORD_SIZE(sizes[i]));
        snprintf(size, sizeof size, "%zu", sizes[i]);
        child_start("writer", stage.name, size, NULL);
        for (int j = 0; j < READERS; j++)
            readers[j] = child_start("reader", stage.name, size, NULL);
        for (int j = 0; j < READERS; j++) {
            const char *line = child_read_line(readers[j], PATIENCE);

            if (line != NULL)
                fail_msg("a reader says \"%s\"", line);
            assert_int_equal(child_wait(readers[j], PATIENCE), 0);
        }
        stage_end(&stage);
    }
}

/* Follow a record to a version, and miss no wake-up. */
static int play_follower(int count, char **arguments)
{
    const shmap_record *record;
    uint64_t version = 0;

    role_check(count == 1);
    record = stage_join(arguments[0], SHMAP_ACCESS_READ);
    say("ready");
    while (version < VERSIONS) {
        char value[VALUE_SIZE];
        uint64_t next = 0;
        int64_t until = deadline_ms(3000);

        role_check_code(shmap_record_wait(record, version, until), 0);
        role_check_code(shmap_record_read(record, value, VALUE_SIZE, &next), 0);
        role_check(next > version && value_is(value, VALUE_SIZE, next));
        version = next;
    }
    say("done");
    return 0;
}

static void test_record__followers_see_the_last_value(void **state)
{
    struct stage stage;
    struct child *followers[READERS];
    struct dice dice = {fresh_seed()};
    char value[VALUE_SIZE];

    (void)state;
    stage_make(&stage, __func__, SHMAP_RECORD_SIZE(VALUE_SIZE));
    for (int i = 0; i < READERS; i++)
        followers[i] = child_start("follower", stage.name, NULL);
    for (int i = 0; i < READERS; i++)
        child_expect(followers[i], "ready");
    for (int i = 0; i < VERSIONS; i++) {
        int64_t pause = shmap_after(SHMAP_US(dice_roll(&dice, 200)));

        assert_code(write_next(stage_at(&stage, 0), value, VALUE_SIZE), 0);
        while (shmap_now() < pause)
            continue;
    }
    for (int i = 0; i < READERS; i++)
        child_expect(followers[i], "done");
    stage_end(&stage);
}

static int compare(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;

    return *a < *b ? -1 : *a > *b;
}

/* Readers sleep, and are woken before they would look again anyway. */
static void test_record__wakes_readers_of_read_only_views(void **state)
{
    struct stage stage;
    shmap_record *record;
    struct child *reader;
    int64_t late[WAKES];

    (void)state;
    stage_make(&stage, __func__, SHMAP_RECORD_SIZE(VALUE_SIZE));
    record = stage_at(&stage, 0);
    record->spin_ns = SHMAP_SPIN_NEVER;
    reader = caller_start_reader(&stage);
    for (int i = 0; i < WAKES; i++) {
        char value[VALUE_SIZE];
        char command[64];
        struct called called;
        int64_t written;

        snprintf(command, sizeof command, "record_wait 0 %d -1", i);
        stops_run_into_first(reader, "record.waiting", command);
        child_tell(reader, "go");
        /* It looks again by itself, first after a short time and then after
         * longer ones: by now it would be about 150 ms late. */
        for (int64_t until = clock_ms() + 265; clock_ms() < until;)
            patience_nap(until);
        written = shmap_now();
        assert_code(write_next(record, value, VALUE_SIZE), 0);
        called = call_result(reader);
        assert_code(called.code, 0);
        late[i] = called.ended - written;
        assert_true(late[i] < 3000000000);
    }
    qsort(late, WAKES, sizeof late[0], compare);
    assert_true(late[WAKES / 2] < 100000000);
    assert_code(call(reader, "record_read 0 %d", VALUE_SIZE).code, 0);
    stage_end(&stage);
}

/* Writers. */

static void test_record__one_writes_at_a_time(void **state)
{
    static const char *const points[] = {"record.claimed", "record.copied",
                                         "record.published"};
    struct stage stage;
    shmap_record *record;
    struct child *writer;
    char command[64];
    char value[VALUE_SIZE];
    uint64_t version = 1;

    (void)state;
    stage_make(&stage, __func__, SHMAP_RECORD_SIZE(VALUE_SIZE));
    record = stage_at(&stage, 0);
    writer = caller_start(&stage);
    snprintf(command, sizeof command, "record_write 0 %d", VALUE_SIZE);
    assert_code(write_next(record, value, VALUE_SIZE), 0);
    for (size_t i = 0; i < COUNT(points); i++) {
        unsigned char before[SHMAP_RECORD_SIZE(VALUE_SIZE)];

        stops_run_into_first(writer, points[i], command);
        memcpy(before, record, sizeof before);
        memset(value, 0x55, sizeof value);
        assert_code(shmap_record_write(record, value, VALUE_SIZE), SHMAP_EBUSY);
        assert_memory_equal(record, before, sizeof before);
        assert_holds(record, VALUE_SIZE,
                     version + (strcmp(points[i], "record.published") == 0));
        child_tell(writer, "go");
        assert_code(call_result(writer).code, 0);
        assert_holds(record, VALUE_SIZE, ++version);
        assert_code(write_next(record, value, VALUE_SIZE), 0);
        assert_holds(record, VALUE_SIZE, ++version);
    }
    stage_end(&stage);
}

static void test_record__dead_writers_leave_whole_values(void **state)
{
    static const char *const points[] = {"record.claimed", "record.copied",
                                         "record.published"};
    struct stage stage;
    shmap_record *record;
    struct child *reader;
    char command[64];
    char value[VALUE_SIZE];
    uint64_t version = 0;

    (void)state;
    stage_make(&stage, __func__, SHMAP_RECORD_SIZE(VALUE_SIZE));
    record = stage_at(&stage, 0);
    reader = caller_start_reader(&stage);
    snprintf(command, sizeof command, "record_write 0 %d", VALUE_SIZE);
    /* The first and later values. */
    for (size_t i = 0; i < 3 * COUNT(points); i++) {
        const char *point = points[i % COUNT(points)];
        struct child *victim = caller_start(&stage);
        struct called called;

        stops_run_into_first(victim, point, command);
        child_end(victim);
        version += strcmp(point, "record.published") == 0;
        called = call(reader, "record_read 0 %d", VALUE_SIZE);
        assert_code(called.code, version == 0 ? SHMAP_ENOTREADY : 0);
        assert_false(called.value_torn);
        assert_true(called.value == version);
        assert_eventually(write_next(record, value, VALUE_SIZE) == 0);
        assert_holds(record, VALUE_SIZE, ++version);
    }
    stage_end(&stage);
}

static void test_record__a_first_writer_can_die(void **state)
{
    static const char *const points[] = {"record.claimed", "record.copied"};

    (void)state;
    for (size_t i = 0; i < COUNT(points); i++) {
        struct stage stage;
        struct child *victim;
        char command[64];
        char value[VALUE_SIZE];

        stage_make(&stage, __func__, SHMAP_RECORD_SIZE(VALUE_SIZE));
        victim = caller_start(&stage);
        snprintf(command, sizeof command, "record_write 0 %d", VALUE_SIZE);
        stops_run_into_first(victim, points[i], command);
        child_end(victim);
        assert_code(
            shmap_record_read(stage_at(&stage, 0), value, VALUE_SIZE, NULL),
            SHMAP_ENOTREADY);
        assert_code(shmap_record_wait(stage_at(&stage, 0), 0, SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
        assert_eventually(write_next(stage_at(&stage, 0), value, VALUE_SIZE) ==
                          0);
        assert_holds(stage_at(&stage, 0), VALUE_SIZE, 1);
        stage_end(&stage);
    }
}

/* It stored the version and woke nobody. Returns how late the reader was. */
static int64_t read_after_a_death(void)
{
    struct stage stage;
    struct child *reader;
    struct child *victim;
    struct called called;
    char command[64];
    int64_t killed;

    stage_make(&stage, __func__, SHMAP_RECORD_SIZE(VALUE_SIZE));
    reader = caller_start_reader(&stage);
    victim = caller_start(&stage);
    stops_run_into_first(reader, "record.waiting", "record_wait 0 0 -1");
    child_tell(reader, "go");
    snprintf(command, sizeof command, "record_write 0 %d", VALUE_SIZE);
    stops_run_into_first(victim, "record.published", command);
    killed = shmap_now();
    child_end(victim);
    called = call_result(reader);
    assert_code(called.code, 0);
    stage_end(&stage);
    return called.ended - killed;
}

static void test_record__readers_find_a_dead_writers_last_value(void **state)
{
    int64_t best = INT64_MAX;

    (void)state;
    for (int i = 0; i < 5 && best > 500000000; i++) {
        int64_t late = read_after_a_death();

        best = late < best ? late : best;
    }
    assert_true(best < 500000000);
}

/* Those who write in turns, as fast as they can. */
static int play_rival(int count, char **arguments)
{
    shmap_record *record;
    uint64_t rival;

    role_check(count == 2);
    record = stage_join(arguments[0], SHMAP_ACCESS_READ_WRITE);
    rival = (uint64_t)atoi(arguments[1]) << 32;
    say("ready");
    role_check(hear() != NULL);
    for (uint64_t i = 1; i <= EACH; i++) {
        int64_t until = deadline_ms(PATIENCE);
        uint64_t value[VALUE_SIZE / 8];
        int result;

        value[0] = rival | i;
        value_fill(value + 1, sizeof value - 8, value[0]);
        do {
            result = shmap_record_write(record, value, sizeof value);
            role_check(result == 0 || result == SHMAP_EBUSY);
        } while (result != 0 && shmap_now() < until);
        role_check_code(result, 0);
    }
    return 0;
}

static void test_record__rivals_write_in_turns(void **state)
{
    struct stage stage;
    shmap_record *record;
    struct child *rivals[2];
    uint64_t version = 0;

    (void)state;
    stage_make(&stage, __func__, SHMAP_RECORD_SIZE(VALUE_SIZE));
    record = stage_at(&stage, 0);
    rivals[0] = child_start("rival", stage.name, "1", NULL);
    rivals[1] = child_start("rival", stage.name, "2", NULL);
    for (int i = 0; i < 2; i++)
        child_expect(rivals[i], "ready");
    for (int i = 0; i < 2; i++)
        child_tell(rivals[i], "go");
    while (version < 2 * EACH) {
        uint64_t value[VALUE_SIZE / 8];
        uint64_t next = 0;
        int result;

        assert_code(shmap_record_wait(record, version, deadline_ms(PATIENCE)),
                    0);
        result = shmap_record_read(record, value, sizeof value, &next);
        if (result == SHMAP_EBUSY)
            continue;
        assert_code(result, 0);
        assert_true(next > version);
        assert_true(value_is(value + 1, sizeof value - 8, value[0]));
        version = next;
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(child_wait(rivals[i], PATIENCE), 0);
    assert_true(version == 2 * EACH);
    stage_end(&stage);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"writer", play_writer},
                                        {"reader", play_reader},
                                        {"follower", play_follower},
                                        {"rival", play_rival},
                                        {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record__refuses_bad_arguments),
        cmocka_unit_test(test_record__has_no_value_at_first),
        cmocka_unit_test(test_record__counts_versions),
        cmocka_unit_test(test_record__takes_its_space_and_no_more),
        cmocka_unit_test(test_record__refuses_another_size),
        cmocka_unit_test(test_record__waits_end_with_their_deadlines),
        cmocka_unit_test(test_record__wait_is_over_at_another_version),
        cmocka_unit_test(test_record__threads_read_whole_values),
        cmocka_unit_test(test_record__processes_read_whole_values),
        cmocka_unit_test(test_record__followers_see_the_last_value),
        cmocka_unit_test(test_record__wakes_readers_of_read_only_views),
        cmocka_unit_test(test_record__one_writes_at_a_time),
        cmocka_unit_test(test_record__dead_writers_leave_whole_values),
        cmocka_unit_test(test_record__a_first_writer_can_die),
        cmocka_unit_test(test_record__readers_find_a_dead_writers_last_value),
        cmocka_unit_test(test_record__rivals_write_in_turns),
    };

    stops_enable();
    calls_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
