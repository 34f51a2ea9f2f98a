/* SPDX-License-Identifier: MIT */

/* Qt: QSystemSemaphore, as a lock and as a signal, which is also what
 * QSharedMemory::lock is made of. */
#include "sync.h"

#include <QString>
#include <QSystemSemaphore>

/* A forked child does not delete its parent's, which would remove them. */
static QSystemSemaphore *mutex;
static QSystemSemaphore *signals_of[2];

static bool begin(QSystemSemaphore *&semaphore, const char *name,
                  const char *end, int value, bool make)
{
    semaphore = new QSystemSemaphore(
        QString::fromUtf8(name) + QLatin1String(end), value,
        make ? QSystemSemaphore::Create : QSystemSemaphore::Open);
    return semaphore->error() == QSystemSemaphore::NoError;
}

static void *lock_open(void *, const char *name, bool make)
{
    return begin(mutex, name, "l", 1, make) ? &mutex : nullptr;
}

static void lock_close(void *, bool)
{
    delete mutex;
}

static int lock(void *)
{
    return mutex->acquire() ? 0 : -1;
}

static int unlock(void *)
{
    return mutex->release() ? 0 : -1;
}

static int repeat(void *object, unsigned count, volatile uint64_t *section)
{
    return bench_repeat(object, count, section, lock, unlock);
}

static void *open(void *, const char *name, bool make)
{
    return begin(signals_of[0], name, "0", 0, make) &&
                   begin(signals_of[1], name, "1", 0, make)
               ? &signals_of
               : nullptr;
}

static void close(void *, bool)
{
    delete signals_of[0];
    delete signals_of[1];
}

static int post(void *, int which)
{
    return signals_of[which]->release() ? 0 : -1;
}

static int wait(void *, int which)
{
    return signals_of[which]->acquire() ? 0 : -1;
}

extern "C" const bench_lock bench_qt_lock = {
    "qt", false, lock_open, lock_close, lock, unlock, repeat, nullptr,
};

extern "C" const bench_signal bench_qt_signal = {
    "qt", open, close, post, wait,
};
