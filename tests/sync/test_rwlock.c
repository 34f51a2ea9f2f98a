/* SPDX-License-Identifier: MIT */

/* Reader-writer locks: who may be there together, who comes first, and what
 * deaths do to them. */

#include <uv.h>

#include "hands.h"
#include "threads.h"
#include "units.h"

static void expect_free(shmap_rwlock *rwlock)
{
    assert_code(shmap_rwlock_write_lock(rwlock, SHMAP_TRY), 0);
    assert_code(shmap_rwlock_unlock(rwlock), 0);
    assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_TRY), 0);
    assert_code(shmap_rwlock_unlock(rwlock), 0);
}

/* Results. */

static void test_rwlock__is_ready_when_zero(void **state)
{
    shmap_rwlock rwlock = {0};

    (void)state;
    assert_int_equal(sizeof rwlock, 640);
    assert_code(shmap_rwlock_read_lock(&rwlock, SHMAP_FOREVER), 0);
    assert_code(shmap_rwlock_unlock(&rwlock), 0);
    memset(&rwlock, 0, sizeof rwlock);
    assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_FOREVER), 0);
    assert_code(shmap_rwlock_unlock(&rwlock), 0);
    expect_free(&rwlock);
}

static void test_rwlock__pointers_are_checked(void **state)
{
    shmap_rwlock rwlocks[2];
    shmap_rwlock untouched[2];
    shmap_rwlock *odd = (void *)((char *)rwlocks + 4);

    (void)state;
    memset(rwlocks, 0, sizeof rwlocks);
    memset(untouched, 0, sizeof untouched);
    assert_code(shmap_rwlock_read_lock(NULL, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_rwlock_write_lock(NULL, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_rwlock_unlock(NULL), SHMAP_EINVAL);
    assert_code(shmap_rwlock_consistent(NULL), SHMAP_EINVAL);
    assert_code(shmap_rwlock_read_lock(odd, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_rwlock_write_lock(odd, SHMAP_TRY), SHMAP_EINVAL);
    assert_code(shmap_rwlock_unlock(odd), SHMAP_EINVAL);
    assert_code(shmap_rwlock_consistent(odd), SHMAP_EINVAL);
    assert_int_equal(shmap_system_error(), 0);
    assert_memory_equal(rwlocks, untouched, sizeof untouched);
}

static void test_rwlock__unlock_without_lock_is_refused(void **state)
{
    shmap_rwlock rwlock = {0};
    shmap_rwlock before = rwlock;

    (void)state;
    assert_code(shmap_rwlock_unlock(&rwlock), SHMAP_EPERM);
    assert_code(shmap_rwlock_consistent(&rwlock), SHMAP_EPERM);
    assert_memory_equal(&rwlock, &before, sizeof rwlock);
    assert_code(shmap_rwlock_read_lock(&rwlock, SHMAP_TRY), 0);
    assert_code(shmap_rwlock_consistent(&rwlock), SHMAP_EPERM);
    assert_code(shmap_rwlock_unlock(&rwlock), 0);
    assert_code(shmap_rwlock_unlock(&rwlock), SHMAP_EPERM);
    assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_TRY), 0);
    assert_code(shmap_rwlock_consistent(&rwlock), SHMAP_EINVAL);
    assert_code(shmap_rwlock_unlock(&rwlock), 0);
    assert_code(shmap_rwlock_unlock(&rwlock), SHMAP_EPERM);
}

static void test_rwlock__thread_does_not_wait_for_itself(void **state)
{
    shmap_rwlock rwlock = {0};
    shmap_rwlock before;

    (void)state;
    assert_code(shmap_rwlock_read_lock(&rwlock, SHMAP_TRY), 0);
    before = rwlock;
    assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_FOREVER), SHMAP_EDEADLK);
    assert_memory_equal(&rwlock, &before, sizeof rwlock);
    assert_code(shmap_rwlock_read_lock(&rwlock, SHMAP_TRY), 0);
    assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_rwlock_unlock(&rwlock), 0);
    assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_rwlock_unlock(&rwlock), 0);
    assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_TRY), 0);
    assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_FOREVER), SHMAP_EDEADLK);
    assert_code(shmap_rwlock_read_lock(&rwlock, SHMAP_FOREVER), SHMAP_EDEADLK);
    assert_code(shmap_rwlock_read_lock(&rwlock, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_rwlock_unlock(&rwlock), 0);
    expect_free(&rwlock);
}

/* A thread has so many of the readers' places. */
static void read_often(shmap_rwlock *rwlock, int count)
{
    for (int i = 0; i < count; i++)
        assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_TRY), 0);
}

static void unlock_often(shmap_rwlock *rwlock, int count)
{
    for (int i = 0; i < count; i++)
        assert_code(shmap_rwlock_unlock(rwlock), 0);
}

static void test_rwlock__reader_of_all_places_does_not_wait(void **state)
{
    shmap_rwlock rwlock = {0};
    shmap_rwlock before;

    (void)state;
    read_often(&rwlock, SHMAP_RWLOCK_READERS);
    before = rwlock;
    assert_code(shmap_rwlock_read_lock(&rwlock, SHMAP_FOREVER), SHMAP_ENOLCK);
    assert_code(shmap_rwlock_read_lock(&rwlock, SHMAP_TRY), SHMAP_ENOLCK);
    assert_memory_equal(&rwlock, &before, sizeof rwlock);
    unlock_often(&rwlock, 1);
    read_often(&rwlock, 1);
    unlock_often(&rwlock, SHMAP_RWLOCK_READERS);
    assert_code(shmap_rwlock_unlock(&rwlock), SHMAP_EPERM);
    expect_free(&rwlock);
}

/* Two who read have all the places, and each wants one more. */
static void two_want_more(struct shared *shared, enum hand_kind kind)
{
    shmap_rwlock *rwlock = &shared->rwlock[0];
    struct hand *other = hand_start(kind);
    struct hand *third = hand_start(kind);

    read_often(rwlock, SHMAP_RWLOCK_READERS - 2);
    hand_do(other, "lock r0 0");
    hand_do(other, "lock r0 0");
    assert_code(hand(other, "lock r0 -"), SHMAP_ENOLCK);
    assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_FOREVER), SHMAP_ENOLCK);
    assert_code(hand(third, "lock r0 0"), SHMAP_ETIMEDOUT);
    hand_tell(third, "lock r0 -");
    hand_do(other, "unlock r0");
    assert_code(hand_result(third), 0);
    assert_code(hand(other, "lock r0 -"), SHMAP_ENOLCK);
    hand_do(third, "unlock r0");
    hand_do(other, "lock r0 -");
    hand_end(other);
    /* The dead one's places are free. */
    read_often(rwlock, 2);
    unlock_often(rwlock, SHMAP_RWLOCK_READERS);
    expect_free(rwlock);
}

static void test_rwlock__readers_do_not_wait_for_each_other(void **state)
{
    (void)state;
    with_each_kind(two_want_more);
}

/* Who may be there together. */

static void readers_share(struct shared *shared, enum hand_kind kind)
{
    struct hand *a = hand_start(kind);
    struct hand *b = hand_start(kind);

    hand_do(a, "lock r0 0");
    hand_do(b, "lock r0 0");
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY), 0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), SHMAP_EPERM);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    hand_do(a, "unlock r0");
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    assert_code(hand(a, "unlock r0"), SHMAP_EPERM);
    hand_do(b, "unlock r0");
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__readers_are_there_together(void **state)
{
    (void)state;
    with_each_kind(readers_share);
}

static void writer_is_alone(struct shared *shared, enum hand_kind kind)
{
    struct hand *writer = hand_start(kind);

    hand_do(writer, "lock w0 0");
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), SHMAP_EPERM);
    assert_code(shmap_rwlock_consistent(&shared->rwlock[0]), SHMAP_EPERM);
    hand_do(writer, "unlock w0");
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__writer_is_alone(void **state)
{
    (void)state;
    with_each_kind(writer_is_alone);
}

static void writer_that_waits_is_first(struct shared *shared,
                                       enum hand_kind kind)
{
    struct hand *reader = hand_start(kind);
    struct hand *writer = hand_start(kind);
    struct hand *late = hand_start(kind);

    hand_do(reader, "lock r0 0");
    hand_tell(writer, "lock w0 -");
    hands_wait_for("w0");
    /* Those who come later wait; who reads may do so again. */
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    assert_code(hand(late, "lock r0 20"), SHMAP_ETIMEDOUT);
    hand_do(reader, "lock r0 -");
    hand_do(reader, "lock r0 0");
    hand_tell(late, "lock r0 -");
    hands_wait_for("r0");
    for (int i = 0; i < 3; i++)
        hand_do(reader, "unlock r0");
    assert_code(hand_result(writer), 0);
    assert_code(hand(reader, "lock r0 0"), SHMAP_ETIMEDOUT);
    hand_do(writer, "unlock w0");
    assert_code(hand_result(late), 0);
    hand_do(late, "unlock r0");
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__writer_that_waits_comes_first(void **state)
{
    (void)state;
    with_each_kind(writer_that_waits_is_first);
}

static void writer_gives_up(struct shared *shared, enum hand_kind kind)
{
    struct hand *reader = hand_start(kind);
    struct hand *writer = hand_start(kind);
    struct hand *late = hand_start(kind);

    hand_do(reader, "lock r0 0");
    hand_tell(writer, "lock w0 300");
    hands_wait_for("w0");
    hand_tell(late, "lock r0 -");
    assert_code(hand_result(writer), SHMAP_ETIMEDOUT);
    assert_code(hand_result(late), 0);
    hand_do(late, "unlock r0");
    hand_do(reader, "unlock r0");
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__writer_that_gives_up_lets_readers_in(void **state)
{
    (void)state;
    with_each_kind(writer_gives_up);
}

/* Returns whether none slept for longer than it had to. */
static bool let_all_in(struct hand *writer, struct hand **readers, int count)
{
    int64_t start;
    bool prompt;

    hand_do(writer, "lock w0 0");
    for (int i = 0; i < count; i++)
        hand_tell(readers[i], "lock r0 -");
    hands_wait_for("r0");
    start = clock_ms();
    hand_do(writer, "unlock w0");
    for (int i = 0; i < count; i++)
        assert_code(hand_result(readers[i]), 0);
    prompt = hands_are_prompt(start);
    hand_tell(writer, "lock w0 -");
    hands_wait_for("w0");
    start = clock_ms();
    for (int i = 0; i < count; i++)
        hand_do(readers[i], "unlock r0");
    assert_code(hand_result(writer), 0);
    prompt = prompt && hands_are_prompt(start);
    hand_tell(readers[0], "lock w0 -");
    hands_wait_for("w0");
    start = clock_ms();
    hand_do(writer, "unlock w0");
    assert_code(hand_result(readers[0]), 0);
    hand_do(readers[0], "unlock w0");
    return prompt && hands_are_prompt(start);
}

static void all_can_go_on(struct shared *shared, enum hand_kind kind)
{
    struct hand *writer = hand_start(kind);
    struct hand *readers[3];
    int prompt = 0;

    for (size_t i = 0; i < COUNT(readers); i++)
        readers[i] = hand_start(kind);
    for (int i = 0; i < 10; i++)
        prompt += let_all_in(writer, readers, (int)COUNT(readers));
    assert_in_range(prompt, 5, 10);
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__unlock_wakes_all_who_can_go_on(void **state)
{
    (void)state;
    with_each_kind(all_can_go_on);
}

/* Deadlines. */

static void expect_timeout(int (*lock)(shmap_rwlock *, int64_t),
                           shmap_rwlock *rwlock, int64_t ns)
{
    int64_t deadline = shmap_after(ns);
    int64_t late;

    assert_code(lock(rwlock, deadline), SHMAP_ETIMEDOUT);
    late = shmap_now() - deadline;
    assert_true(late >= 0);
    assert_true(late < (patience_until(2000) - clock_ms()) * 1000000);
}

static void waits_until_the_deadline(struct shared *shared, enum hand_kind kind)
{
    static const int64_t waits[] = {1, 50000, 1000000, 30000000, 450000000};
    shmap_rwlock *rwlock = &shared->rwlock[0];
    struct hand *other = hand_start(kind);

    hand_do(other, "lock r0 0");
    assert_code(shmap_rwlock_write_lock(rwlock, 1), SHMAP_ETIMEDOUT);
    assert_code(shmap_rwlock_write_lock(rwlock, -1), SHMAP_ETIMEDOUT);
    for (size_t i = 0; i < COUNT(waits); i++)
        expect_timeout(shmap_rwlock_write_lock, rwlock, waits[i]);
    rwlock->spin_ns = SHMAP_SPIN_NEVER;
    expect_timeout(shmap_rwlock_write_lock, rwlock, 30000000);
    hand_do(other, "unlock r0");
    hand_do(other, "lock w0 0");
    for (size_t i = 0; i < COUNT(waits); i++)
        expect_timeout(shmap_rwlock_read_lock, rwlock, waits[i]);
    rwlock->spin_ns = 0;
    for (size_t i = 0; i < COUNT(waits); i++)
        expect_timeout(shmap_rwlock_write_lock, rwlock, waits[i]);
    hand_do(other, "unlock w0");
    expect_free(rwlock);
}

static void test_rwlock__waits_end_with_their_deadline(void **state)
{
    (void)state;
    with_each_kind(waits_until_the_deadline);
}

/* As many readers as it can have. */

static void has_room_for_64(struct shared *shared, enum hand_kind kind)
{
    shmap_rwlock *rwlock = &shared->rwlock[0];
    struct hand *a = hand_start(kind);
    struct hand *b = hand_start(kind);
    struct hand *c = hand_start(kind);

    for (int i = 0; i < SHMAP_RWLOCK_READERS; i++)
        hand_do(i % 2 == 0 ? a : b, "lock r0 0");
    assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(hand(c, "lock r0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(c, "lock r0 20"), SHMAP_ETIMEDOUT);
    assert_code(shmap_rwlock_write_lock(rwlock, SHMAP_TRY), SHMAP_ETIMEDOUT);
    hand_do(a, "unlock r0");
    assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_TRY), 0);
    hand_tell(c, "lock r0 -");
    assert_code(shmap_rwlock_unlock(rwlock), 0);
    assert_code(hand_result(c), 0);
    hand_do(c, "unlock r0");
    hand_do(a, "lock r0 0");
    for (int i = 0; i < SHMAP_RWLOCK_READERS; i++)
        hand_do(i % 2 == 0 ? a : b, "unlock r0");
    expect_free(rwlock);
}

static void test_rwlock__further_readers_wait(void **state)
{
    (void)state;
    with_each_kind(has_room_for_64);
}

static void dead_readers_make_room(struct shared *shared, enum hand_kind kind)
{
    shmap_rwlock *rwlock = &shared->rwlock[0];
    struct hand *readers = hand_start(kind);

    for (int i = 0; i < SHMAP_RWLOCK_READERS; i++)
        hand_do(readers, "lock r0 0");
    assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_TRY), SHMAP_ETIMEDOUT);
    hand_end(readers);
    /* A try looks for the dead only now and then. */
    assert_eventually(shmap_rwlock_read_lock(rwlock, SHMAP_TRY) == 0);
    assert_code(shmap_rwlock_unlock(rwlock), 0);
    expect_free(rwlock);
}

static void test_rwlock__dead_readers_make_room_for_others(void **state)
{
    (void)state;
    with_each_kind(dead_readers_make_room);
}

/* Deaths. */

static void dead_reader_is_found(struct shared *shared, enum hand_kind kind)
{
    shmap_rwlock *rwlock = &shared->rwlock[0];
    struct hand *dead = hand_start(kind);
    struct hand *alive = hand_start(kind);

    hand_do(dead, "lock r0 0");
    hand_do(dead, "lock r0 0");
    hand_do(alive, "lock r0 0");
    hand_end(dead);
    assert_code(shmap_rwlock_write_lock(rwlock, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_rwlock_write_lock(rwlock, shmap_after(SHMAP_MS(1))),
                SHMAP_ETIMEDOUT);
    hand_do(alive, "unlock r0");
    /* Readers leave nothing half done. */
    expect_free(rwlock);
}

static void test_rwlock__dead_readers_do_not_count(void **state)
{
    (void)state;
    with_each_kind(dead_reader_is_found);
}

static void reader_dies_under_a_writer(struct shared *shared,
                                       enum hand_kind kind)
{
    struct hand *reader = hand_start(kind);
    struct hand *writer = hand_start(kind);
    int64_t start;

    hand_do(reader, "lock r0 0");
    hand_tell(writer, "lock w0 -");
    hands_wait_for("w0");
    start = clock_ms();
    hand_end(reader);
    assert_code(hand_result(writer), 0);
    assert_true(clock_ms() - start < patience_until(1000) - clock_ms());
    hand_do(writer, "unlock w0");
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__writers_learn_of_a_readers_death(void **state)
{
    (void)state;
    with_each_kind(reader_dies_under_a_writer);
}

static void dead_writer_is_reported(struct shared *shared, enum hand_kind kind)
{
    shmap_rwlock *rwlock = &shared->rwlock[0];
    struct hand *writer = hand_start(kind);
    struct hand *other = hand_start(kind);

    hand_do(writer, "lock w0 0");
    hand_end(writer);
    /* To readers, together and one after the other. */
    assert_code(hand(other, "lock r0 0"), SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_TRY), SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_consistent(rwlock), SHMAP_EPERM);
    assert_code(shmap_rwlock_write_lock(rwlock, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_rwlock_unlock(rwlock), 0);
    assert_code(shmap_rwlock_write_lock(rwlock, SHMAP_TRY), SHMAP_ETIMEDOUT);
    assert_code(shmap_rwlock_write_lock(rwlock, shmap_after(SHMAP_MS(1))),
                SHMAP_ETIMEDOUT);
    hand_do(other, "unlock r0");
    /* And to writers. */
    assert_code(hand(other, "lock w0 0"), SHMAP_OWNER_DIED);
    hand_do(other, "unlock w0");
    assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_TRY), SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(rwlock), 0);
    assert_code(hand(other, "lock w0 0"), SHMAP_OWNER_DIED);
    hand_end(other);
    assert_code(shmap_rwlock_write_lock(rwlock, SHMAP_TRY), SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_consistent(rwlock), 0);
    assert_code(shmap_rwlock_consistent(rwlock), SHMAP_EINVAL);
    assert_code(shmap_rwlock_unlock(rwlock), 0);
    expect_free(rwlock);
}

static void test_rwlock__dead_writer_is_reported_until_consistent(void **state)
{
    (void)state;
    with_each_kind(dead_writer_is_reported);
}

static void writer_dies_before_all(struct shared *shared, enum hand_kind kind)
{
    struct hand *writer = hand_start(kind);
    struct hand *reader = hand_start(kind);
    struct hand *next = hand_start(kind);
    int64_t start;

    hand_do(writer, "lock w0 0");
    hand_tell(reader, "lock r0 -");
    hands_wait_for("r0");
    start = clock_ms();
    hand_end(writer);
    assert_code(hand_result(reader), SHMAP_OWNER_DIED);
    assert_true(clock_ms() - start < patience_until(1000) - clock_ms());
    hand_do(reader, "unlock r0");
    assert_code(hand(next, "lock w0 0"), SHMAP_OWNER_DIED);
    hand_tell(reader, "lock w0 -");
    hands_wait_for("w0");
    start = clock_ms();
    hand_end(next);
    assert_code(hand_result(reader), SHMAP_OWNER_DIED);
    assert_true(clock_ms() - start < patience_until(1000) - clock_ms());
    hand_do(reader, "consistent w0");
    hand_do(reader, "unlock w0");
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__those_who_wait_learn_of_a_writers_death(void **state)
{
    (void)state;
    with_each_kind(writer_dies_before_all);
}

/* It has the lock's mutex, and waits for readers: nothing is half written. */
static void waiting_writer_dies(struct shared *shared, enum hand_kind kind)
{
    struct hand *reader = hand_start(kind);
    struct hand *writer = hand_start(HAND_PROCESS);
    int result;

    hand_do(reader, "lock r0 0");
    hand_tell(writer, "lock w0 -");
    hands_wait_for("w0");
    hand_end(writer);
    hand_do(reader, "unlock r0");
    /* Nobody can tell whether it had begun to write. */
    result = shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_TRY);
    assert_true(result == 0 || result == SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    assert_true(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY) >= 0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
}

static void test_rwlock__waiting_writer_that_dies_does_not_block(void **state)
{
    (void)state;
    with_each_kind(waiting_writer_dies);
}

static void waiting_reader_dies(struct shared *shared, enum hand_kind kind)
{
    struct hand *writer = hand_start(kind);
    struct hand *victim = hand_start(HAND_PROCESS);
    struct hand *reader = hand_start(kind);

    hand_do(writer, "lock w0 0");
    hand_tell(victim, "lock r0 -");
    hands_wait_for("r0");
    hand_tell(reader, "lock r0 -");
    hand_end(victim);
    hand_do(writer, "unlock w0");
    assert_code(hand_result(reader), 0);
    hand_do(reader, "unlock r0");
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__waiting_reader_that_dies_does_not_block(void **state)
{
    (void)state;
    with_each_kind(waiting_reader_dies);
}

/* Becoming another program lets go of what is written and of what is read. */
static void test_rwlock__exec_lets_go(void **state)
{
    struct shared *shared;
    struct hand *reader;
    struct hand *writer;

    (void)state;
    if (!os_can_fork())
        skip_because("no process becomes another program here");
    shared = hands_begin(NULL);
    reader = hand_start(HAND_PROCESS);
    writer = hand_start(HAND_PROCESS);
    hand_do(reader, "lock r0 0");
    hand_do(writer, "lock w1 0");
    hand_tell(reader, "exec");
    hand_tell(writer, "exec");
    assert_code(
        shmap_rwlock_read_lock(&shared->rwlock[1], shmap_after(SHMAP_S(5))),
        SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[1]), 0);
    assert_code(
        shmap_rwlock_write_lock(&shared->rwlock[0], shmap_after(SHMAP_S(5))),
        0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[0]), 0);
    hands_end();
}

/* Unmapping. */

static void unmapping_lets_go(struct shared *shared, enum hand_kind kind)
{
    struct hand *owner = hand_start(kind);
    struct hand *waiter = hand_start(kind);

    hand_do(owner, "attach 1");
    hand_do(owner, "lock r0 0 1");
    hand_do(owner, "lock r0 0 0");
    hand_do(owner, "lock w1 0 1");
    hand_do(owner, "lock r2 0 1");
    hand_do(owner, "lock w3 0 0");
    hand_do(owner, "lock r4 0 0");
    hand_tell(waiter, "lock r1 -");
    hands_wait_for("r1");
    hand_do(owner, "detach 1");
    assert_code(hand_result(waiter), SHMAP_OWNER_DIED);
    hand_do(waiter, "unlock r1");
    expect_free(&shared->rwlock[2]);
    /* What it has in another view stays. */
    for (int i = 0; i <= 4; i += i == 0 ? 3 : 1)
        assert_code(shmap_rwlock_write_lock(&shared->rwlock[i], SHMAP_TRY),
                    SHMAP_ETIMEDOUT);
    assert_code(hand(owner, "unlock r1"), SHMAP_EPERM);
    hand_do(owner, "unlock r0");
    assert_code(hand(owner, "unlock r0"), SHMAP_EPERM);
    hand_do(owner, "unlock w3");
    hand_do(owner, "unlock r4");
    expect_free(&shared->rwlock[0]);
    expect_free(&shared->rwlock[3]);
    expect_free(&shared->rwlock[4]);
}

static void test_rwlock__unmapping_lets_go_of_what_was_in_the_view(void **state)
{
    (void)state;
    with_each_kind(unmapping_lets_go);
}

static void unmapping_tells_a_writer(struct shared *shared, enum hand_kind kind)
{
    struct hand *reader = hand_start(kind);
    struct hand *writer = hand_start(kind);

    hand_do(reader, "attach 1");
    hand_do(reader, "lock r0 0 1");
    hand_tell(writer, "lock w0 -");
    hands_wait_for("w0");
    hand_do(reader, "detach 1");
    assert_code(hand_result(writer), 0);
    hand_do(writer, "unlock w0");
    expect_free(&shared->rwlock[0]);
}

static void test_rwlock__unmapping_tells_a_writer_that_waits(void **state)
{
    (void)state;
    with_each_kind(unmapping_tells_a_writer);
}

/* Two views of one lock. */

static void test_rwlock__is_one_in_two_views(void **state)
{
    struct shared *shared = hands_begin(NULL);
    struct hand *other = hand_start(HAND_THREAD);
    struct dice dice = {11};
    int count[3] = {0, 0, 0};

    (void)state;
    assert_code(hands_obey("attach 1"), 0);
    for (int i = 0; i < 2; i++) {
        struct shared *a = hands_shared(i);
        struct shared *b = hands_shared(1 - i);

        assert_code(shmap_rwlock_write_lock(&a->rwlock[0], SHMAP_TRY), 0);
        assert_code(shmap_rwlock_write_lock(&b->rwlock[0], SHMAP_TRY),
                    SHMAP_EDEADLK);
        assert_code(shmap_rwlock_read_lock(&b->rwlock[0], SHMAP_TRY),
                    SHMAP_EDEADLK);
        assert_code(shmap_rwlock_unlock(&b->rwlock[0]), 0);
        assert_code(shmap_rwlock_read_lock(&a->rwlock[0], SHMAP_TRY), 0);
        assert_code(shmap_rwlock_write_lock(&b->rwlock[0], SHMAP_TRY),
                    SHMAP_EDEADLK);
        assert_code(shmap_rwlock_read_lock(&b->rwlock[0], SHMAP_TRY), 0);
        assert_code(shmap_rwlock_unlock(&b->rwlock[0]), 0);
        assert_code(shmap_rwlock_unlock(&b->rwlock[0]), 0);
        assert_code(shmap_rwlock_unlock(&b->rwlock[0]), SHMAP_EPERM);
    }
    /* Read locks, again and again, through either. */
    for (int step = 0; step < 20000; step++) {
        struct shared *at = hands_shared((int)dice_roll(&dice, 2));
        unsigned i = dice_roll(&dice, 3);

        if (count[i] < 8 && dice_roll(&dice, 2) == 0) {
            assert_code(shmap_rwlock_read_lock(&at->rwlock[i], SHMAP_TRY), 0);
            count[i]++;
        } else {
            assert_code(shmap_rwlock_unlock(&at->rwlock[i]),
                        count[i] > 0 ? 0 : SHMAP_EPERM);
            count[i] -= count[i] > 0;
        }
    }
    for (int i = 0; i < 3; i++) {
        assert_code(hand(other, "lock w%d 0", i),
                    count[i] > 0 ? SHMAP_ETIMEDOUT : 0);
        if (count[i] == 0)
            hand_do(other, "unlock w%d", i);
        for (; count[i] > 0; count[i]--)
            assert_code(shmap_rwlock_unlock(&shared->rwlock[i]), 0);
        expect_free(&shared->rwlock[i]);
    }
    hands_end();
}

/* Fork. */

static void test_rwlock__forked_child_has_none_of_its_parents(void **state)
{
    struct shared *shared;
    struct hand *parent;

    (void)state;
    if (!os_can_fork())
        skip_because("there is no fork here");
    shared = hands_begin(NULL);
    parent = hand_start(HAND_PROCESS);
    hand_do(parent, "lock r0 0");
    hand_do(parent, "lock w1 0");
    hand_do(parent, "fork");
    assert_code(hand(parent, "child unlock r0"), SHMAP_EPERM);
    assert_code(hand(parent, "child unlock w1"), SHMAP_EPERM);
    assert_code(hand(parent, "child lock w0 0"), SHMAP_ETIMEDOUT);
    assert_code(hand(parent, "child lock w1 0"), SHMAP_ETIMEDOUT);
    hand_do(parent, "child lock r0 0");
    hand_do(parent, "unlock r0");
    assert_code(hand(parent, "lock w0 0"), SHMAP_ETIMEDOUT);
    hand_do(parent, "lock r0 0");
    assert_int_equal(hand(parent, "wait"), 0);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[1], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    hand_do(parent, "unlock r0");
    hand_do(parent, "unlock w1");
    expect_free(&shared->rwlock[0]);
    expect_free(&shared->rwlock[1]);
    hands_end();
}

/* Exclusion. */

static void write_once(struct shared *shared)
{
    for (int i = 1; i < 4; i++)
        shared->number[i] = shared->number[i] + 1;
    shared->number[0] = shared->number[0] + 1;
}

static bool read_once(const struct shared *shared)
{
    uint64_t first = shared->number[0];

    for (int i = 1; i < 4; i++) {
        if (shared->number[i] != first)
            return false;
    }
    return true;
}

static uint64_t turns(void)
{
    return (uint64_t)setting("SHMAP_TEST_INCREMENTS",
                             os_is_emulated() ? 500 : 4000);
}

/* Every fourth turn writes. */
static uint64_t take_turns(struct shared *shared, uint64_t times)
{
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < times; i++) {
        if (i % 4 == 0) {
            wrong +=
                shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_FOREVER) != 0;
            write_once(shared);
        } else {
            wrong +=
                shmap_rwlock_read_lock(&shared->rwlock[0], SHMAP_FOREVER) != 0;
            wrong += !read_once(shared);
        }
        wrong += shmap_rwlock_unlock(&shared->rwlock[0]) != 0;
    }
    return wrong;
}

static int play_mixed(int count, char **arguments)
{
    struct shared *shared;

    role_check(count == 1);
    shared = hands_join(arguments[0]);
    role_check(shared != NULL);
    say("ready");
    role_check(hear() != NULL);
    role_check(take_turns(shared, turns()) == 0);
    say("done");
    return 0;
}

static void test_rwlock__sixteen_processes_start_at_once(void **state)
{
    enum { PROCESSES = 16 };
    struct child *children[PROCESSES];
    struct shared *shared = hands_begin(NULL);

    (void)state;
    for (int i = 0; i < PROCESSES; i++)
        children[i] = child_start("mixed", hands_name(), NULL);
    for (int i = 0; i < PROCESSES; i++)
        child_expect(children[i], "ready");
    for (int i = 0; i < PROCESSES; i++)
        child_tell(children[i], "go");
    for (int i = 0; i < PROCESSES; i++) {
        const char *line = child_read_line(children[i], 3 * PATIENCE);

        assert_non_null(line);
        assert_string_equal(line, "done");
        assert_int_equal(child_wait(children[i], PATIENCE), 0);
    }
    assert_true(shared->number[0] == PROCESSES * ((turns() + 3) / 4));
    assert_true(read_once(shared));
    hands_end();
}

struct turner {
    uv_thread_t thread;
    struct shared *shared;
    uint64_t wrong;
};

static void take_turns_in_a_thread(void *argument)
{
    struct turner *turner = argument;

    turner->wrong = take_turns(turner->shared, turns());
}

static void test_rwlock__threads_exclude_each_other(void **state)
{
    enum { THREADS = 6 };
    struct turner turners[THREADS];
    struct shared *shared = hands_begin(NULL);

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        turners[i].shared = shared;
        assert_int_equal(uv_thread_create(&turners[i].thread,
                                          take_turns_in_a_thread, &turners[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&turners[i].thread);
    for (int i = 0; i < THREADS; i++)
        assert_true(turners[i].wrong == 0);
    assert_true(shared->number[0] == THREADS * ((turns() + 3) / 4));
    hands_end();
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"mixed", play_mixed}, {0, 0}};
#define TEST(name) cmocka_unit_test(test_rwlock__##name)
    static const struct CMUnitTest tests[] = {
        TEST(is_ready_when_zero),
        TEST(pointers_are_checked),
        TEST(unlock_without_lock_is_refused),
        TEST(thread_does_not_wait_for_itself),
        TEST(reader_of_all_places_does_not_wait),
        TEST(readers_do_not_wait_for_each_other),
        TEST(readers_are_there_together),
        TEST(writer_is_alone),
        TEST(writer_that_waits_comes_first),
        TEST(writer_that_gives_up_lets_readers_in),
        TEST(unlock_wakes_all_who_can_go_on),
        TEST(waits_end_with_their_deadline),
        TEST(further_readers_wait),
        TEST(dead_readers_make_room_for_others),
        TEST(dead_readers_do_not_count),
        TEST(writers_learn_of_a_readers_death),
        TEST(dead_writer_is_reported_until_consistent),
        TEST(those_who_wait_learn_of_a_writers_death),
        TEST(waiting_writer_that_dies_does_not_block),
        TEST(waiting_reader_that_dies_does_not_block),
        TEST(exec_lets_go),
        TEST(unmapping_lets_go_of_what_was_in_the_view),
        TEST(unmapping_tells_a_writer_that_waits),
        TEST(is_one_in_two_views),
        TEST(forked_child_has_none_of_its_parents),
        TEST(sixteen_processes_start_at_once),
        TEST(threads_exclude_each_other),
    };
#undef TEST

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
