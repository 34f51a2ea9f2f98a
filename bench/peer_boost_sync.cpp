/* SPDX-License-Identifier: MIT */

/* Boost.Interprocess: interprocess_mutex, interprocess_semaphore, and
 * interprocess_condition with a mutex and a flag. None survives a death. */
#include "sync.h"

#include <boost/interprocess/sync/interprocess_condition.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <new>

using boost::interprocess::interprocess_condition;
using boost::interprocess::interprocess_exception;
using boost::interprocess::interprocess_mutex;
using boost::interprocess::interprocess_semaphore;
using boost::interprocess::scoped_lock;

struct semaphores {
    alignas(128) interprocess_semaphore first{0};
    alignas(128) interprocess_semaphore second{0};
};

struct flag {
    alignas(128) interprocess_mutex mutex;
    interprocess_condition changed;
    bool set = false;
};

struct flags {
    flag both[2];
};

/* Whoever makes it constructs it. */
template <typename Object>
static void *open(void *place, const char *, bool make)
{
    try {
        return make ? new (place) Object : place;
    } catch (const interprocess_exception &) {
        return nullptr;
    }
}

/* The memory goes; nothing is destroyed, because a condition's destructor waits
 * for those that wait, and the other process was killed waiting. */
static void close_any(void *, bool) {}

static int lock(void *object)
{
    static_cast<interprocess_mutex *>(object)->lock();
    return 0;
}

static int unlock(void *object)
{
    static_cast<interprocess_mutex *>(object)->unlock();
    return 0;
}

static int repeat(void *object, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(object, count, section, lock, unlock);
}

static interprocess_semaphore &semaphore_of(void *signal, int which)
{
    auto *both = static_cast<semaphores *>(signal);

    return which == 0 ? both->first : both->second;
}

static int semaphore_post(void *signal, int which)
{
    semaphore_of(signal, which).post();
    return 0;
}

static int semaphore_wait(void *signal, int which)
{
    semaphore_of(signal, which).wait();
    return 0;
}

static int condition_post(void *signal, int which)
{
    flag &one = static_cast<flags *>(signal)->both[which];
    scoped_lock<interprocess_mutex> held(one.mutex);

    one.set = true;
    one.changed.notify_one();
    return 0;
}

static int condition_wait(void *signal, int which)
{
    flag &one = static_cast<flags *>(signal)->both[which];
    scoped_lock<interprocess_mutex> held(one.mutex);

    while (!one.set)
        one.changed.wait(held);
    one.set = false;
    return 0;
}

extern "C" const bench_lock bench_boost_lock = {
    "boost", false,   open<interprocess_mutex>, close_any, lock, unlock,
    repeat,  nullptr,
};

extern "C" const bench_signal bench_boost_signal = {
    "boost-semaphore", open<semaphores>, close_any,
    semaphore_post,    semaphore_wait,
};

extern "C" const bench_signal bench_boost_condition = {
    "boost-condition", open<flags>, close_any, condition_post, condition_wait,
};
