/* SPDX-License-Identifier: MIT */

/* Same situation, same code (P14), of synchronisation objects: each situation
 * is provoked on each system. The table is the contract. */

#include <uv.h>

#include "units.h"

/* All zero for each situation. */
static struct objects {
    shmap_mutex mutex;
    shmap_rwlock rwlock;
    shmap_once once;
    shmap_event event;
    shmap_semaphore semaphore;
    shmap_cond cond;
    shmap_barrier barrier;
    union {
        shmap_record record;
        unsigned char space[SHMAP_RECORD_SIZE(100)];
    } record;
    shmap_mutex many[SHMAP_LOCKS_MAX];
} o;

static unsigned char value[200];

#define ODD(object) ((void *)((char *)&(object) + 4))

/* A thread of its own makes the call, and ends with whatever it has got. */

struct call {
    int (*make)(void);
    int result;
};

static void make_call(void *argument)
{
    struct call *call = argument;

    call->result = call->make();
}

static int elsewhere(int (*make)(void))
{
    struct call call = {make, SHMAP_ESYSTEM};
    uv_thread_t thread;

    assert_int_equal(uv_thread_create(&thread, make_call, &call), 0);
    uv_thread_join(&thread);
    return call.result;
}

/* Calls. */

static int lock(void)
{
    return shmap_mutex_lock(&o.mutex, SHMAP_TRY);
}

static int unlock(void)
{
    return shmap_mutex_unlock(&o.mutex);
}

static int consistent(void)
{
    return shmap_mutex_consistent(&o.mutex);
}

static int read_lock(void)
{
    return shmap_rwlock_read_lock(&o.rwlock, SHMAP_TRY);
}

static int write_lock(void)
{
    return shmap_rwlock_write_lock(&o.rwlock, SHMAP_TRY);
}

static int rwlock_unlock(void)
{
    return shmap_rwlock_unlock(&o.rwlock);
}

static int rwlock_consistent(void)
{
    return shmap_rwlock_consistent(&o.rwlock);
}

static int begin(void)
{
    return shmap_once_begin(&o.once, SHMAP_TRY);
}

static int commit(void)
{
    return shmap_once_commit(&o.once);
}

static int abandon(void)
{
    return shmap_once_abandon(&o.once);
}

/* While this thread has something, another calls, or it itself does. */

static int while_locked(int (*make)(void), bool here)
{
    int result;

    assert_code(lock(), 0);
    result = here ? make() : elsewhere(make);
    assert_code(unlock(), 0);
    return result;
}

static int while_reading(int (*make)(void), bool here)
{
    int result;

    assert_code(read_lock(), 0);
    result = here ? make() : elsewhere(make);
    assert_code(rwlock_unlock(), 0);
    return result;
}

static int while_writing(int (*make)(void), bool here)
{
    int result;

    assert_code(write_lock(), 0);
    result = here ? make() : elsewhere(make);
    assert_code(rwlock_unlock(), 0);
    return result;
}

static int while_at_it(int (*make)(void), bool here)
{
    int result;

    assert_code(begin(), SHMAP_ONCE_YOURS);
    result = here ? make() : elsewhere(make);
    assert_code(abandon(), 0);
    return result;
}

/* Situations, by their numbers in the table. */

static int lock_null(void)
{
    return shmap_mutex_lock(NULL, SHMAP_TRY);
}

static int lock_misaligned(void)
{
    return shmap_mutex_lock(ODD(o.mutex), SHMAP_TRY);
}

static int lock_again(void)
{
    return while_locked(lock, true);
}

static int lock_anothers(void)
{
    return while_locked(lock, false);
}

static int unlock_free(void)
{
    return unlock();
}

static int unlock_anothers(void)
{
    return while_locked(unlock, false);
}

static int consistent_free(void)
{
    return consistent();
}

static int consistent_anothers(void)
{
    return while_locked(consistent, false);
}

static int consistent_without_death(void)
{
    return while_locked(consistent, true);
}

static int lock_after_death(void)
{
    int result;

    assert_code(elsewhere(lock), 0);
    result = lock();
    assert_code(consistent(), 0);
    assert_code(unlock(), 0);
    return result;
}

static int lock_too_many(void)
{
    int result;

    for (int i = 0; i < SHMAP_LOCKS_MAX; i++)
        assert_code(shmap_mutex_lock(&o.many[i], SHMAP_TRY), 0);
    result = lock();
    for (int i = 0; i < SHMAP_LOCKS_MAX; i++)
        assert_code(shmap_mutex_unlock(&o.many[i]), 0);
    return result;
}

static int read_lock_null(void)
{
    return shmap_rwlock_read_lock(NULL, SHMAP_TRY);
}

static int write_lock_misaligned(void)
{
    return shmap_rwlock_write_lock(ODD(o.rwlock), SHMAP_TRY);
}

static int read_lock_again(void)
{
    int result = while_reading(read_lock, true);

    assert_code(rwlock_unlock(), 0);
    return result;
}

static int read_lock_under_a_writer(void)
{
    return while_writing(read_lock, false);
}

static int read_lock_under_oneself(void)
{
    return while_writing(read_lock, true);
}

static int write_lock_under_a_reader(void)
{
    return while_reading(write_lock, false);
}

static int write_lock_under_oneself(void)
{
    return while_reading(write_lock, true);
}

static int rwlock_unlock_free(void)
{
    return rwlock_unlock();
}

static int rwlock_unlock_anothers(void)
{
    return while_writing(rwlock_unlock, false);
}

static int rwlock_consistent_as_reader(void)
{
    return while_reading(rwlock_consistent, true);
}

static int read_lock_after_a_writers_death(void)
{
    int result;

    assert_code(elsewhere(write_lock), 0);
    result = read_lock();
    assert_code(rwlock_unlock(), 0);
    return result;
}

static int write_lock_after_a_readers_death(void)
{
    int result;

    assert_code(elsewhere(read_lock), 0);
    result = write_lock();
    assert_code(rwlock_unlock(), 0);
    return result;
}

static int begin_null(void)
{
    return shmap_once_begin(NULL, SHMAP_TRY);
}

static int begin_first(void)
{
    int result = begin();

    assert_code(abandon(), 0);
    return result;
}

static int begin_again(void)
{
    return while_at_it(begin, true);
}

static int begin_anothers(void)
{
    return while_at_it(begin, false);
}

static int begin_done(void)
{
    assert_code(begin(), SHMAP_ONCE_YOURS);
    assert_code(commit(), 0);
    return begin();
}

static int begin_after_death(void)
{
    int result;

    assert_code(elsewhere(begin), SHMAP_ONCE_YOURS);
    result = begin();
    assert_code(commit(), 0);
    return result;
}

static int commit_not_begun(void)
{
    return commit();
}

static int commit_anothers(void)
{
    return while_at_it(commit, false);
}

static int abandon_anothers(void)
{
    return while_at_it(abandon, false);
}

static int event_null(void)
{
    return shmap_event_set(NULL);
}

static int event_unset(void)
{
    return shmap_event_wait(&o.event, SHMAP_TRY);
}

static int event_taken(void)
{
    assert_code(shmap_event_set(&o.event), 0);
    assert_code(shmap_event_take(&o.event, SHMAP_TRY), 0);
    return shmap_event_take(&o.event, SHMAP_TRY);
}

static int semaphore_empty(void)
{
    return shmap_semaphore_wait(&o.semaphore, SHMAP_TRY);
}

static int semaphore_init_too_large(void)
{
    return shmap_semaphore_init(&o.semaphore, SHMAP_SEMAPHORE_MAX + 1);
}

static int semaphore_init_too_many(void)
{
    assert_code(shmap_semaphore_post(&o.semaphore, 1), 0);
    return shmap_semaphore_init(&o.semaphore, SHMAP_SEMAPHORE_MAX);
}

static int semaphore_post_none(void)
{
    return shmap_semaphore_post(&o.semaphore, 0);
}

static int semaphore_post_too_many(void)
{
    assert_code(shmap_semaphore_post(&o.semaphore, 1), 0);
    return shmap_semaphore_post(&o.semaphore, SHMAP_SEMAPHORE_MAX);
}

static int wait_for_condition(void)
{
    return shmap_cond_wait(&o.cond, &o.mutex, SHMAP_TRY);
}

static int cond_without_the_mutex(void)
{
    return wait_for_condition();
}

static int cond_not_signalled(void)
{
    return while_locked(wait_for_condition, true);
}

static int cond_null(void)
{
    return shmap_cond_signal(NULL);
}

static int barrier_alone(void)
{
    return shmap_barrier_wait(&o.barrier, 1, SHMAP_TRY);
}

static int barrier_of_two(void)
{
    return shmap_barrier_wait(&o.barrier, 2, SHMAP_TRY);
}

static int barrier_of_none(void)
{
    return shmap_barrier_wait(&o.barrier, 0, SHMAP_TRY);
}

static int barrier_of_too_many(void)
{
    return shmap_barrier_wait(&o.barrier, 65536, SHMAP_TRY);
}

static int record_unwritten(void)
{
    return shmap_record_read(&o.record.record, value, 100, NULL);
}

static int record_of_nothing(void)
{
    return shmap_record_write(&o.record.record, value, 0);
}

static int write_record(void)
{
    return shmap_record_write(&o.record.record, value, 100);
}

static int record_write_another_size(void)
{
    assert_code(write_record(), 0);
    return shmap_record_write(&o.record.record, value, 50);
}

static int record_read_another_size(void)
{
    assert_code(write_record(), 0);
    return shmap_record_read(&o.record.record, value, 50, NULL);
}

static int record_nothing_newer(void)
{
    assert_code(write_record(), 0);
    return shmap_record_wait(&o.record.record, 1, SHMAP_TRY);
}

#define SITUATION(provoke, code)      \
    {                                 \
#provoke, provoke, code, NULL \
    }

/* An argument of this name is wrong, which the detail says; but not the detail
 * of calls that signal handlers make, which remember nothing. */
#define REFUSED(provoke, code, argument)  \
    {                                     \
#provoke, provoke, code, argument \
    }

static int event_null_to_wait(void)
{
    return shmap_event_wait(NULL, 0);
}

static int event_null_to_take(void)
{
    return shmap_event_take(NULL, 0);
}

static int event_null_to_reset(void)
{
    return shmap_event_reset(NULL);
}

static int semaphore_null_to_init(void)
{
    return shmap_semaphore_init(NULL, 0);
}

static int semaphore_null_to_wait(void)
{
    return shmap_semaphore_wait(NULL, 0);
}

static int semaphore_value_into_null(void)
{
    return shmap_semaphore_value(&o.semaphore, NULL);
}

static int cond_null_to_wait(void)
{
    return shmap_cond_wait(NULL, &o.mutex, 0);
}

static int cond_wait_with_null(void)
{
    return shmap_cond_wait(&o.cond, NULL, 0);
}

static int barrier_null(void)
{
    return shmap_barrier_wait(NULL, 1, 0);
}

static int record_null_to_read(void)
{
    return shmap_record_read(NULL, value, 1, NULL);
}

static int record_null_to_write(void)
{
    return shmap_record_write(NULL, value, 1);
}

static int record_null_to_wait(void)
{
    return shmap_record_wait(NULL, 1, 0);
}

static int record_read_into_null(void)
{
    return shmap_record_read(&o.record.record, NULL, 1, NULL);
}

static int record_write_null(void)
{
    return shmap_record_write(&o.record.record, NULL, 1);
}

static const struct situation {
    const char *words;
    int (*provoke)(void);
    int code;
    const char *argument;
} table[] = {
    REFUSED(lock_null, SHMAP_EINVAL, "mutex:"),
    REFUSED(lock_misaligned, SHMAP_EINVAL, "mutex:"),
    SITUATION(lock_again, SHMAP_EDEADLK),
    SITUATION(lock_anothers, SHMAP_ETIMEDOUT),
    SITUATION(unlock_free, SHMAP_EPERM),
    SITUATION(unlock_anothers, SHMAP_EPERM),
    SITUATION(consistent_free, SHMAP_EPERM),
    SITUATION(consistent_anothers, SHMAP_EPERM),
    REFUSED(consistent_without_death, SHMAP_EINVAL, "lock:"),
    SITUATION(lock_after_death, SHMAP_OWNER_DIED),
    SITUATION(lock_too_many, SHMAP_ENOLCK),
    REFUSED(read_lock_null, SHMAP_EINVAL, "rwlock:"),
    REFUSED(write_lock_misaligned, SHMAP_EINVAL, "rwlock:"),
    SITUATION(read_lock_again, SHMAP_OK),
    SITUATION(read_lock_under_a_writer, SHMAP_ETIMEDOUT),
    SITUATION(read_lock_under_oneself, SHMAP_EDEADLK),
    SITUATION(write_lock_under_a_reader, SHMAP_ETIMEDOUT),
    SITUATION(write_lock_under_oneself, SHMAP_EDEADLK),
    SITUATION(rwlock_unlock_free, SHMAP_EPERM),
    SITUATION(rwlock_unlock_anothers, SHMAP_EPERM),
    SITUATION(rwlock_consistent_as_reader, SHMAP_EPERM),
    SITUATION(read_lock_after_a_writers_death, SHMAP_OWNER_DIED),
    SITUATION(write_lock_after_a_readers_death, SHMAP_OK),
    REFUSED(begin_null, SHMAP_EINVAL, "once:"),
    SITUATION(begin_first, SHMAP_ONCE_YOURS),
    SITUATION(begin_again, SHMAP_EDEADLK),
    SITUATION(begin_anothers, SHMAP_ETIMEDOUT),
    SITUATION(begin_done, SHMAP_OK),
    SITUATION(begin_after_death, SHMAP_OWNER_DIED),
    SITUATION(commit_not_begun, SHMAP_EPERM),
    SITUATION(commit_anothers, SHMAP_EPERM),
    SITUATION(abandon_anothers, SHMAP_EPERM),
    SITUATION(event_null, SHMAP_EINVAL),
    SITUATION(event_unset, SHMAP_ETIMEDOUT),
    SITUATION(event_taken, SHMAP_ETIMEDOUT),
    SITUATION(semaphore_empty, SHMAP_ETIMEDOUT),
    REFUSED(semaphore_init_too_large, SHMAP_EINVAL, "value:"),
    SITUATION(semaphore_init_too_many, SHMAP_EOVERFLOW),
    SITUATION(semaphore_post_none, SHMAP_EINVAL),
    SITUATION(semaphore_post_too_many, SHMAP_EOVERFLOW),
    REFUSED(cond_null, SHMAP_EINVAL, "cond:"),
    SITUATION(cond_without_the_mutex, SHMAP_EPERM),
    SITUATION(cond_not_signalled, SHMAP_ETIMEDOUT),
    SITUATION(barrier_alone, SHMAP_LAST),
    SITUATION(barrier_of_two, SHMAP_ETIMEDOUT),
    REFUSED(barrier_of_none, SHMAP_EINVAL, "parties:"),
    REFUSED(barrier_of_too_many, SHMAP_EINVAL, "parties:"),
    SITUATION(record_unwritten, SHMAP_ENOTREADY),
    REFUSED(record_of_nothing, SHMAP_EINVAL, "size:"),
    SITUATION(record_write_another_size, SHMAP_ELAYOUT),
    SITUATION(record_read_another_size, SHMAP_ELAYOUT),
    SITUATION(record_nothing_newer, SHMAP_ETIMEDOUT),
    REFUSED(event_null_to_wait, SHMAP_EINVAL, "event:"),
    REFUSED(event_null_to_take, SHMAP_EINVAL, "event:"),
    REFUSED(event_null_to_reset, SHMAP_EINVAL, "event:"),
    REFUSED(semaphore_null_to_init, SHMAP_EINVAL, "semaphore:"),
    REFUSED(semaphore_null_to_wait, SHMAP_EINVAL, "semaphore:"),
    REFUSED(semaphore_value_into_null, SHMAP_EINVAL, "value:"),
    REFUSED(cond_null_to_wait, SHMAP_EINVAL, "cond:"),
    REFUSED(cond_wait_with_null, SHMAP_EINVAL, "mutex:"),
    REFUSED(barrier_null, SHMAP_EINVAL, "barrier:"),
    REFUSED(record_null_to_read, SHMAP_EINVAL, "record:"),
    REFUSED(record_null_to_write, SHMAP_EINVAL, "record:"),
    REFUSED(record_null_to_wait, SHMAP_EINVAL, "record:"),
    REFUSED(record_read_into_null, SHMAP_EINVAL, "value:"),
    REFUSED(record_write_null, SHMAP_EINVAL, "value:"),
};

static bool as_expected(const struct situation *situation)
{
    int code;

    memset(&o, 0, sizeof o);
    code = situation->provoke();
    if (code == situation->code && (code >= 0 || shmap_system_error() == 0) &&
        (situation->argument == NULL ||
         strstr(shmap_error_detail(), situation->argument) != NULL))
        return true;
    print_error("%s: %s, should be %s; system error %d; \"%s\"\n",
                situation->words, shmap_error_name(code),
                shmap_error_name(situation->code), shmap_system_error(),
                shmap_error_detail());
    return false;
}

static void test_errors_table_sync__same_situation_same_code(void **state)
{
    size_t failures = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++)
        failures += !as_expected(&table[i]);
    assert_int_equal(failures, 0);
}

/* What a process opens once, for all its threads, locks and sleeps, is not
 * leaked. */
static int lock_and_sleep(void)
{
    shmap_mutex mutex = {0};
    shmap_event event = {0};

    if (shmap_mutex_lock(&mutex, SHMAP_TRY) == 0)
        shmap_mutex_unlock(&mutex);
    return shmap_event_wait(&event, shmap_after(SHMAP_MS(1)));
}

static int count_handles(void **state)
{
    lock_and_sleep();
    elsewhere(lock_and_sleep);
    return units_count_handles(state);
}

/* Every call that takes a deadline, on objects that it need not wait for. */

static int wait_for_mutex(int64_t deadline)
{
    return shmap_mutex_lock(&o.mutex, deadline);
}

static int wait_to_read(int64_t deadline)
{
    return shmap_rwlock_read_lock(&o.rwlock, deadline);
}

static int wait_to_write(int64_t deadline)
{
    return shmap_rwlock_write_lock(&o.rwlock, deadline);
}

static int wait_for_once(int64_t deadline)
{
    return shmap_once_begin(&o.once, deadline);
}

static int wait_for_event(int64_t deadline)
{
    return shmap_event_wait(&o.event, deadline);
}

static int take_event(int64_t deadline)
{
    return shmap_event_take(&o.event, deadline);
}

static int wait_for_semaphore(int64_t deadline)
{
    return shmap_semaphore_wait(&o.semaphore, deadline);
}

static int wait_for_signal(int64_t deadline)
{
    return shmap_cond_wait(&o.cond, &o.many[0], deadline);
}

static int wait_at_barrier(int64_t deadline)
{
    return shmap_barrier_wait(&o.barrier, 1, deadline);
}

static int wait_for_value(int64_t deadline)
{
    return shmap_record_wait(&o.record.record, 0, deadline);
}

static void set_up_without_waiting(void)
{
    memset(&o, 0, sizeof o);
    assert_code(shmap_event_set(&o.event), 0);
    assert_code(shmap_semaphore_post(&o.semaphore, 1), 0);
    assert_code(shmap_record_write(&o.record.record, value, 8), 0);
    assert_code(shmap_mutex_lock(&o.many[0], SHMAP_TRY), 0);
}

static void test_errors_table_sync__a_duration_is_no_deadline(void **state)
{
    static int (*const waits[])(int64_t) = {
        wait_for_mutex, wait_to_read,       wait_to_write,   wait_for_once,
        wait_for_event, take_event,         wait_for_signal, wait_at_barrier,
        wait_for_value, wait_for_semaphore,
    };
    static const int64_t durations[] = {1, 5000, 999999999};
    static const int64_t moments[] = {INT64_MIN, -1, SHMAP_TRY, 1000000000};

    (void)state;
    for (size_t i = 0; i < COUNT(waits); i++) {
        struct objects before;

        set_up_without_waiting();
        before = o;
        for (size_t k = 0; k < COUNT(durations); k++) {
            assert_code(waits[i](durations[k]), SHMAP_EINVAL);
            assert_non_null(strstr(shmap_error_detail(), "deadline:"));
            assert_non_null(strstr(shmap_error_detail(), "shmap_after"));
        }
        assert_memory_equal(&o, &before, sizeof o);
        shmap_mutex_unlock(&o.many[0]);
        for (size_t k = 0; k < COUNT(moments); k++) {
            set_up_without_waiting();
            assert_int_not_equal(waits[i](moments[k]), SHMAP_EINVAL);
            shmap_mutex_unlock(&o.mutex);
            shmap_mutex_unlock(&o.many[0]);
            shmap_rwlock_unlock(&o.rwlock);
            shmap_once_abandon(&o.once);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_errors_table_sync__same_situation_same_code, count_handles,
            units_compare_handles),
        cmocka_unit_test(test_errors_table_sync__a_duration_is_no_deadline),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
