/* SPDX-License-Identifier: MIT */

/* Reader-writer locks while one process is between two instructions of a lock:
 * whether a writer has to look for readers is said by a word of its own. */

#include "hands.h"
#include "stops.h"

static struct hand *reader;
static struct hand *writer;
static struct hand *next;

/* Processes, and a lock that has been read. */
static struct shared *begin(void)
{
    struct shared *shared = hands_begin(NULL);

    reader = hand_start(HAND_PROCESS);
    writer = hand_start(HAND_PROCESS);
    next = hand_start(HAND_PROCESS);
    hand_do(reader, "lock r0 0");
    hand_do(reader, "unlock r0");
    return shared;
}

static void stop_at(struct hand *hand, const char *point, const char *command)
{
    stops_run_into_first(hand_child(hand), point, command);
}

static void go_on(struct hand *hand)
{
    child_tell(hand_child(hand), "go");
}

static void expect_reading(void)
{
    assert_code(hand(next, "lock w0 0"), SHMAP_ETIMEDOUT);
    hand_do(reader, "unlock r0");
}

static void expect_death_of_the_writer(void)
{
    assert_code(hand(next, "lock w0 10000"), SHMAP_OWNER_DIED);
    hand_do(next, "consistent w0");
    hand_do(next, "unlock w0");
}

static void test_rwlock_moments__writer_that_comes_after_a_reader_waits(
    void **state)
{
    const struct shared *shared = begin();

    (void)state;
    hand_do(writer, "lock w0 0"); /* Nobody has read since. */
    hand_do(writer, "unlock w0");
    assert_int_equal(shared->rwlock[0].read_, 0);
    stop_at(reader, "rwlock.said", "lock r0 0");
    assert_code(hand(writer, "lock w0 0"), SHMAP_ETIMEDOUT);
    go_on(reader);
    assert_code(hand_result(reader), 0);
    expect_reading();
    hand_do(writer, "lock w0 0");
    hands_end();
}

static void test_rwlock_moments__reader_that_has_not_said_so_sees_the_writer(
    void **state)
{
    (void)state;
    begin();
    hand_do(writer, "lock w0 0");
    hand_do(writer, "unlock w0");
    stop_at(reader, "rwlock.entered", "lock r0 0");
    hand_do(writer, "lock w0 0");
    go_on(reader);
    assert_code(hand_result(reader), SHMAP_ETIMEDOUT);
    hand_do(writer, "unlock w0");
    hand_do(reader, "lock r0 0");
    expect_reading();
    hands_end();
}

static void test_rwlock_moments__reader_that_comes_while_a_writer_looks_counts(
    void **state)
{
    (void)state;
    begin();
    stop_at(writer, "rwlock.drained", "lock w0 0");
    stop_at(reader, "rwlock.said", "lock r0 10000");
    go_on(writer);
    assert_code(hand_result(writer), 0);
    hand_do(writer, "unlock w0");
    go_on(reader);
    assert_code(hand_result(reader), 0);
    expect_reading();
    hand_do(writer, "lock w0 0");
    hands_end();
}

/* Of a thread that reads through two views of the lock, and never stops: it
 * takes a place that the writer has looked at already, and leaves its first. */
static void test_rwlock_moments__reader_that_changes_its_place_counts(
    void **state)
{
    uint64_t *slots;
    unsigned first = 0;
    uint64_t id;

    (void)state;
    do {
        slots = begin()->rwlock[0].reader_;
        hand_do(reader, "attach 1");
        hand_do(reader, "lock r0 0");
        if (slots[0] != 0)
            hands_end();
    } while (slots[0] != 0);
    while (slots[first] == 0)
        first++;
    id = slots[first];
    stop_at(writer, "rwlock.looking", "lock w0 0");
    /* No other place is free. */
    for (unsigned i = 1; i < SHMAP_RWLOCK_READERS; i++)
        slots[i] = id;
    hand_do(reader, "lock r0 0 1");
    for (unsigned i = 1; i < SHMAP_RWLOCK_READERS; i++)
        slots[i] = i == first ? id : 0;
    hand_do(reader, "unlock r0");
    assert_true(slots[0] == id && slots[first] == 0);
    go_on(writer);
    assert_code(hand_result(writer), SHMAP_ETIMEDOUT);
    hand_do(reader, "unlock r0 1");
    hand_do(writer, "lock w0 0");
    hands_end();
}

static void test_rwlock_moments__writer_that_gives_up_leaves_the_word(
    void **state)
{
    const struct shared *shared = begin();

    (void)state;
    hand_do(reader, "lock r0 0");
    assert_code(hand(writer, "lock w0 0"), SHMAP_ETIMEDOUT);
    assert_int_not_equal(shared->rwlock[0].read_, 0);
    expect_reading();
    hands_end();
}

static void test_rwlock_moments__writer_that_dies_looking_hides_no_reader(
    void **state)
{
    (void)state;
    begin();
    hand_do(reader, "lock r0 0");
    stop_at(writer, "rwlock.draining", "lock w0 10000");
    hand_end(writer);
    expect_reading();
    expect_death_of_the_writer();
    hands_end();
}

static void test_rwlock_moments__writer_that_dies_having_looked_hides_none(
    void **state)
{
    (void)state;
    begin();
    stop_at(writer, "rwlock.drained", "lock w0 10000");
    assert_code(hand(reader, "lock r0 0"), SHMAP_ETIMEDOUT);
    hand_end(writer);
    assert_code(hand(reader, "lock r0 10000"), SHMAP_OWNER_DIED);
    expect_reading();
    expect_death_of_the_writer();
    hands_end();
}

static void test_rwlock_moments__dead_readers_block_no_one(void **state)
{
    static const char *const points[] = {"rwlock.entered", "rwlock.said"};

    (void)state;
    for (size_t i = 0; i < COUNT(points); i++) {
        for (int read_before = 0; read_before < 2; read_before++) {
            begin();
            if (read_before == 0) {
                hand_do(writer, "lock w0 0");
                hand_do(writer, "unlock w0");
            }
            stop_at(reader, points[i], "lock r0 0");
            hand_end(reader);
            hand_do(writer, "lock w0 10000");
            hand_do(writer, "unlock w0");
            hands_end();
        }
    }
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{0, 0}};
#define TEST(name) cmocka_unit_test(test_rwlock_moments__##name)
    static const struct CMUnitTest tests[] = {
        TEST(writer_that_comes_after_a_reader_waits),
        TEST(reader_that_has_not_said_so_sees_the_writer),
        TEST(reader_that_comes_while_a_writer_looks_counts),
        TEST(reader_that_changes_its_place_counts),
        TEST(writer_that_gives_up_leaves_the_word),
        TEST(writer_that_dies_looking_hides_no_reader),
        TEST(writer_that_dies_having_looked_hides_none),
        TEST(dead_readers_block_no_one),
    };
#undef TEST

    stops_enable();
    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
