/* SPDX-License-Identifier: MIT */

/* Whoever can write to some locks of a thread can break those, and nothing
 * else: not what the thread has elsewhere, and not the news of its death. What
 * comes of random scribbling is in test_storm_scribble.c.
 */

#include "support.h"

#define TICKETS 300
#define LOSSES  1000

static void need_locks(void)
{
    static shmap_mutex mutex;
    if (shmap_mutex_lock(&mutex, SHMAP_TRY) == SHMAP_ENOTSUP)
        skip_because("there are no locks here");
    shmap_mutex_unlock(&mutex);
}

/* Which of its locks a mutex is, the thread is told by the mutex. */
static void test_scribble__other_locks_are_kept(void **state)
{
    (void)state;
    need_locks();
    for (unsigned ticket = 0; ticket < TICKETS; ticket++) {
        shmap_mutex healthy = {0};
        shmap_mutex bad = {0};
        bool first = ticket % 2 == 0;
        if (first)
            assert_code(shmap_mutex_lock(&healthy, SHMAP_TRY), 0);
        assert_code(shmap_mutex_lock(&bad, SHMAP_TRY), 0);
        if (!first)
            assert_code(shmap_mutex_lock(&healthy, SHMAP_TRY), 0);
        bad.ticket_ = (uint16_t)(ticket / 2);
        assert_code(shmap_mutex_unlock(&bad), 0);
        assert_code(shmap_mutex_consistent(&healthy), SHMAP_EINVAL);
        assert_code(shmap_mutex_unlock(&healthy), 0);
    }
}

/* Also if the bad one says that it is this thread's, and is not. */
static void test_scribble__what_is_not_held_unlocks_nothing(void **state)
{
    shmap_mutex healthy = {0};
    shmap_mutex bad = {0};
    (void)state;
    need_locks();
    assert_code(shmap_mutex_lock(&healthy, SHMAP_TRY), 0);
    bad = healthy;
    assert_code(shmap_mutex_unlock(&bad), SHMAP_EPERM);
    assert_code(shmap_mutex_consistent(&bad), SHMAP_EPERM);
    assert_code(shmap_mutex_lock(&bad, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_mutex_unlock(&healthy), 0);
}

/* A rwlock in which others say that this thread reads. */
static void test_scribble__slots_of_others_are_kept(void **state)
{
    static shmap_rwlock healthy;
    static shmap_rwlock bad;
    (void)state;
    need_locks();
    memset(&healthy, 0, sizeof healthy);
    assert_code(shmap_rwlock_read_lock(&healthy, SHMAP_TRY), 0);
    bad = healthy;
    assert_code(shmap_rwlock_unlock(&bad), 0);
    assert_code(shmap_rwlock_unlock(&bad), SHMAP_EPERM);
    assert_code(shmap_rwlock_write_lock(&healthy, SHMAP_TRY), SHMAP_EDEADLK);
    assert_code(shmap_rwlock_unlock(&healthy), 0);
    assert_code(shmap_rwlock_write_lock(&healthy, SHMAP_TRY), 0);
    assert_code(shmap_rwlock_unlock(&healthy), 0);
}

/* What can no longer be unlocked does not count for ever. */
static void test_scribble__lost_locks_make_room(void **state)
{
    static shmap_rwlock rwlock;
    static shmap_once once;
    shmap_mutex healthy = {0};
    shmap_mutex bad = {0};
    (void)state;
    need_locks();
    for (int i = 0; i < LOSSES; i++) {
        memset(&bad, 0, sizeof bad);
        memset(&rwlock, 0, sizeof rwlock);
        memset(&once, 0, sizeof once);
        assert_code(shmap_mutex_lock(&bad, SHMAP_TRY), 0);
        assert_code(shmap_once_begin(&once, SHMAP_TRY), SHMAP_ONCE_YOURS);
        assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_TRY), 0);
        bad.owner_ ^= UINT64_C(1) << 33;
        once.owner_ = rwlock.writer_.owner_ = 0;
        assert_code(shmap_mutex_lock(&healthy, SHMAP_TRY), 0);
        assert_code(shmap_mutex_unlock(&healthy), 0);
    }
}

/* What a kernel that walks through nodes in shared memory is led to. */

struct locks {
    shmap_mutex bad;
    shmap_rwlock reading;
    shmap_rwlock writing;
    shmap_mutex mutex;
    shmap_once once;
    shmap_mutex worse;
    SHMAP_ALIGN8 uint64_t ready;
};

static struct locks *join(shmap_view *view, const char *name)
{
    shmap_region *region = NULL;
    role_check_code(shmap_region_open(&region, name, NULL), 0);
    role_check_code(shmap_view_map(view, region, NULL), 0);
    return view->data;
}

/* Has everything, the bad ones first and last, and says where. */
static int play_victim(int count, char **arguments)
{
    static shmap_view view;
    struct locks *locks;
    role_check(count == 1);
    locks = join(&view, arguments[0]);
    role_check_code(shmap_mutex_lock(&locks->bad, SHMAP_TRY), 0);
    role_check_code(shmap_rwlock_read_lock(&locks->reading, SHMAP_TRY), 0);
    role_check_code(shmap_rwlock_write_lock(&locks->writing, SHMAP_TRY), 0);
    role_check_code(shmap_mutex_lock(&locks->mutex, SHMAP_TRY), 0);
    role_check_code(shmap_once_begin(&locks->once, SHMAP_TRY),
                    SHMAP_ONCE_YOURS);
    role_check_code(shmap_mutex_lock(&locks->worse, SHMAP_TRY), 0);
    say("%llu", (unsigned long long)(uintptr_t)locks);
    hear();
    return 0;
}

/* Write a pointer wherever a mutex can have one. */
static void write_node(shmap_mutex *mutex, uintptr_t address)
{
    for (size_t i = 0; i + sizeof address <= sizeof mutex->node_;
         i += sizeof address)
        memcpy((char *)mutex->node_ + i, &address, sizeof address);
}

static size_t slot_in(const struct locks *locks)
{
    for (int i = 0; i < SHMAP_RWLOCK_READERS; i++)
        if (locks->reading.reader_[i] != 0)
            return (size_t)((const char *)&locks->reading.reader_[i] -
                            (const char *)locks);
    fail_msg("nobody reads");
    return 0;
}

/* The number of an owner's word is some bytes before its node: 32 or 20 in the
 * C libraries that are known. */
enum { AT_ITSELF = 0, IN_A_CIRCLE, NOWHERE, AT_NULL, ODD, AT_A_READER };
#define LEADS (AT_A_READER + 2)

static void mislead(struct locks *locks, uintptr_t there, int lead)
{
    size_t bad = offsetof(struct locks, bad);
    size_t worse = offsetof(struct locks, worse);
    size_t way = sizeof(void *) == 8 ? 32 : 20;
    uintptr_t target = 0;
    switch (lead) {
    case AT_ITSELF:
        target = there + worse + way;
        break;
    case IN_A_CIRCLE:
        target = there + bad + way;
        write_node(&locks->bad, there + worse + way);
        break;
    case NOWHERE:
        target = 4096 * 16;
        break;
    case AT_NULL:
        break;
    case ODD:
        target = there + bad + way + 1;
        break;
    default:
        target = there + slot_in(locks) + (lead == AT_A_READER ? 32 : 20);
        break;
    }
    write_node(&locks->worse, target);
}

static int64_t late(void)
{
    return shmap_after(SHMAP_MS(patience_until(PATIENCE) - clock_ms()));
}

static void kill_misled(const char *name, int lead)
{
    shmap_region *region = NULL;
    shmap_view view;
    struct locks *locks;
    struct child *victim;
    const char *line;
    assert_code(shmap_region_create(&region, name, sizeof(struct locks), NULL),
                0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    locks = view.data;
    victim = child_start("victim", name, NULL);
    line = child_read_line(victim, PATIENCE);
    assert_non_null(line);
    mislead(locks, (uintptr_t)strtoull(line, NULL, 10), lead);
    child_kill(victim);
    assert_int_equal(child_wait(victim, PATIENCE), CHILD_KILLED);
    assert_code(shmap_rwlock_write_lock(&locks->reading, late()), 0);
    assert_code(shmap_rwlock_unlock(&locks->reading), 0);
    assert_code(shmap_rwlock_read_lock(&locks->writing, late()),
                SHMAP_OWNER_DIED);
    assert_code(shmap_rwlock_unlock(&locks->writing), 0);
    assert_code(shmap_mutex_lock(&locks->mutex, late()), SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_unlock(&locks->mutex), 0);
    assert_code(shmap_once_begin(&locks->once, late()), SHMAP_OWNER_DIED);
    assert_code(shmap_once_abandon(&locks->once), 0);
    /* The bad ones are so where people can see it only. */
    assert_code(shmap_mutex_lock(&locks->bad, late()), SHMAP_OWNER_DIED);
    assert_code(shmap_mutex_unlock(&locks->bad), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
}

static void test_scribble__deaths_are_told_of(void **state)
{
    (void)state;
    need_locks();
    for (int lead = 0; lead < LEADS; lead++) {
        char name[NAME_ROOM];
        unique_name(name, __func__);
        kill_misled(name, lead);
    }
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"victim", play_victim}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scribble__other_locks_are_kept),
        cmocka_unit_test(test_scribble__what_is_not_held_unlocks_nothing),
        cmocka_unit_test(test_scribble__slots_of_others_are_kept),
        cmocka_unit_test(test_scribble__lost_locks_make_room),
        cmocka_unit_test(test_scribble__deaths_are_told_of),
    };
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
