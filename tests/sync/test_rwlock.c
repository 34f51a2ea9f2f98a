/* SPDX-License-Identifier: MIT */

/* Reader-writer locks: which threads may hold one together, which comes first,
 * and what deaths do to readers. What all locks promise is in test_lock.c and
 * test_lock_death.c. */

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

static void test_rwlock__nested_reader_cannot_become_a_writer(void **state)
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

static void test_rwlock__unlock_wakes_all_waiters_that_can_go_on(void **state)
{
    (void)state;
    with_each_kind(all_can_go_on);
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

/* Two views of one lock. */

static void test_rwlock__reader_reads_again_through_any_view(void **state)
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

static void test_rwlock__forked_child_reads_beside_its_parent(void **state)
{
    struct shared *shared;
    struct hand *parent;

    (void)state;
    if (!os_can_fork())
        skip_because("there is no fork here");
    shared = hands_begin(NULL);
    parent = hand_start(HAND_PROCESS);
    hand_do(parent, "lock r0 0");
    hand_do(parent, "fork");
    assert_code(hand(parent, "child unlock r0"), SHMAP_EPERM);
    hand_do(parent, "child lock r0 0");
    hand_do(parent, "unlock r0");
    assert_code(hand(parent, "lock w0 0"), SHMAP_ETIMEDOUT);
    hand_do(parent, "lock r0 0");
    assert_int_equal(hand(parent, "wait"), 0);
    assert_code(shmap_rwlock_write_lock(&shared->rwlock[0], SHMAP_TRY),
                SHMAP_ETIMEDOUT);
    hand_do(parent, "unlock r0");
    expect_free(&shared->rwlock[0]);
    hands_end();
}

/* Other processes write over the slot of a reader, which takes it again and
 * again: it holds that once. */
static void test_rwlock__readers_lost_slots_do_not_count(void **state)
{
    struct shared *shared = hands_begin(NULL);
    shmap_rwlock *rwlock = &shared->rwlock[0];

    (void)state;
    for (int i = 0; i < SHMAP_LOCKS_MAX; i++) {
        memset(rwlock->reader_, 0, sizeof rwlock->reader_);
        assert_code(shmap_rwlock_read_lock(rwlock, SHMAP_TRY), 0);
    }
    assert_code(shmap_rwlock_read_lock(&shared->rwlock[1], SHMAP_TRY), 0);
    assert_code(shmap_rwlock_unlock(&shared->rwlock[1]), 0);
    while (shmap_rwlock_unlock(rwlock) == 0)
        continue;
    expect_free(rwlock);
    hands_end();
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{0, 0}};
#define TEST(name) cmocka_unit_test(test_rwlock__##name)
    static const struct CMUnitTest tests[] = {
        TEST(nested_reader_cannot_become_a_writer),
        TEST(reader_of_all_places_does_not_wait),
        TEST(readers_do_not_wait_for_each_other),
        TEST(readers_are_there_together),
        TEST(writer_that_waits_comes_first),
        TEST(writer_that_gives_up_lets_readers_in),
        TEST(unlock_wakes_all_waiters_that_can_go_on),
        TEST(further_readers_wait),
        TEST(dead_readers_make_room_for_others),
        TEST(dead_readers_do_not_count),
        TEST(dead_writer_is_reported_until_consistent),
        TEST(waiting_writer_that_dies_does_not_block),
        TEST(unmapping_lets_go_of_what_was_in_the_view),
        TEST(reader_reads_again_through_any_view),
        TEST(forked_child_reads_beside_its_parent),
        TEST(readers_lost_slots_do_not_count),
    };
#undef TEST

    hands_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
