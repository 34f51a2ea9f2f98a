/* SPDX-License-Identifier: MIT */

/* A thread whose number was that of a dead owner is not the owner. Systems
 * that give numbers again after some hundred threads show it. */

#include <uv.h>

#include "support.h"

enum { THREADS = 3000 };

static const uint64_t number_mask = UINT64_C(0x3FFFFFFF);

static shmap_mutex mutex;
static shmap_once once;
static shmap_rwlock rwlock;
static uint64_t died; /* the owner's id */

/* A thread that shows its id, and stays if its number was the owner's. */
struct next {
    uv_sem_t shown;
    uv_sem_t leave;
    uint64_t id;
};

static void own(void *unused)
{
    (void)unused;
    if (shmap_mutex_lock(&mutex, SHMAP_TRY) != 0 ||
        shmap_once_begin(&once, SHMAP_TRY) != SHMAP_ONCE_YOURS ||
        shmap_rwlock_read_lock(&rwlock, SHMAP_TRY) != 0)
        return;
    died = mutex.owner_;
}

static bool has_the_number(const struct next *next)
{
    return ((next->id ^ died) & number_mask) == 0;
}

static void show(void *argument)
{
    struct next *next = argument;
    shmap_mutex own_mutex = {0};

    if (shmap_mutex_lock(&own_mutex, SHMAP_TRY) == 0) {
        next->id = own_mutex.owner_;
        shmap_mutex_unlock(&own_mutex);
    }
    uv_sem_post(&next->shown);
    if (has_the_number(next))
        uv_sem_wait(&next->leave);
}

/* Start threads until one has the number, and lives. */
static bool find(struct next *next, uv_thread_t *thread)
{
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(uv_thread_create(thread, show, next), 0);
        uv_sem_wait(&next->shown);
        if (has_the_number(next))
            return true;
        uv_thread_join(thread);
    }
    return false;
}

static void test_reuse__of_a_number_is_not_the_owner(void **state)
{
    struct next next = {.id = 0};
    uv_thread_t thread;
    bool found;

    (void)state;
    assert_int_equal(uv_sem_init(&next.shown, 0), 0);
    assert_int_equal(uv_sem_init(&next.leave, 0), 0);
    assert_int_equal(uv_thread_create(&thread, own, NULL), 0);
    uv_thread_join(&thread);
    assert_true(died != 0);
    found = find(&next, &thread);
    if (found) {
        assert_true(next.id != died);
        assert_code(shmap_mutex_lock(&mutex, SHMAP_TRY), SHMAP_OWNER_DIED);
        assert_code(shmap_once_begin(&once, SHMAP_TRY), SHMAP_OWNER_DIED);
        assert_code(shmap_rwlock_write_lock(&rwlock, SHMAP_TRY), 0);
        uv_sem_post(&next.leave);
        uv_thread_join(&thread);
        shmap_rwlock_unlock(&rwlock);
        shmap_once_commit(&once);
        shmap_mutex_unlock(&mutex);
    }
    uv_sem_destroy(&next.shown);
    uv_sem_destroy(&next.leave);
    if (!found)
        skip_because("numbers do not come again so soon here");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reuse__of_a_number_is_not_the_owner),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
