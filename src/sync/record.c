/* SPDX-License-Identifier: MIT */

/* Records: three slots for values, used in turn, and a version that says how
 * many were written.
 *
 * Version v is in slot v % 3. The writer writes the slot of v + 1, which
 * readers of v and of v - 1 do not look at, and then makes v + 1 the version.
 * So what a reader copied is whole if the version is at most one more than when
 * it began. A value that a writer left half written when it died is in no
 * version.
 */
#include "shmap/record.h"

#include "base/stop.h"
#include "sync/call.h"
#include "sync/ownerword.h"
#include "sync/wait.h"

enum { SLOTS = 3, TRIES = 1000, ROUNDING = 64 };

typedef struct record_newer {
    const shmap_record *record;
    uint64_t version;
    int64_t nap;   /* length of the last sleep in ns; 0: it has not slept */
    int64_t until; /* the moment at which it was to end */
    shmap__sleeper sleeper;
} record_newer;

static bool is_size(size_t size)
{
    return size != 0 && size <= PTRDIFF_MAX / 4;
}

/* Return the offset of a version's slot. `size` is the caller's own: the size
 * in the record may be any number. */
static size_t offset_of(uint64_t version, size_t size)
{
    size_t step = (size + ROUNDING - 1) / ROUNDING * ROUNDING;

    return sizeof(shmap_record) + (size_t)(version % SLOTS) * step;
}

/* Become the writer. Returns 0, or an error such as SHMAP_EBUSY. */
static int claim(shmap_record *record, const shmap__thread *thread)
{
    uint64_t found = 0;
    int result = shmap__owner_settle(record);

    if (result < 0)
        return result;
    while (!shmap__cas64(&record->writer_, &found, thread->id)) {
        if (shmap__owner_of(found) != 0) {
            result = shmap__owner_bury(&record->writer_, found);
            if (result <= 0)
                return result < 0 ? result : SHMAP_EBUSY;
        }
        found = shmap__load64(&record->writer_);
    }
    SHMAP__STOP("record.claimed");
    return 0;
}

/* Wake the threads that may wait, which cannot register. Waking at every value
 * would cost a system call each time, so after one there is silence for a
 * while. */
static void wake(shmap_record *record)
{
    const uint32_t *half = shmap__low_half(&record->version_);
    int64_t now = shmap__os_now();

    /* Unsigned, a moment that has not come is long ago. */
    if ((uint64_t)now - (uint64_t)record->woken_ <
        (uint64_t)shmap__os_facts_get()->record_wake_ns)
        return;
    record->woken_ = now;
    shmap__poke32(&record->processor_, shmap__os_processor());
    if (shmap__load64(&record->who_) == 0)
        shmap__store64(&record->who_, shmap__os_wait_id());
    shmap__os_wake(half, shmap__load64(&record->who_), SHMAP__ALL_WAITERS);
}

static int write_claimed(shmap_record *record, const void *value, size_t size)
{
    uint64_t next = shmap__load64(&record->version_) + 1;
    uint64_t unset = 0;

    if (shmap__load64(&record->size_) != size &&
        (!shmap__cas64(&record->size_, &unset, size)))
        return SHMAP_ELAYOUT;
    /* The version before was visible before any byte of this one. */
    shmap__fence();
    shmap__copy_shared((char *)record + offset_of(next, size), value, size);
    SHMAP__STOP("record.copied");
    shmap__store64(&record->version_, next);
    SHMAP__STOP("record.published");
    return 0;
}

/* Check the arguments. Returns 0 or an error. */
static int check_value(const void *value, size_t size)
{
    if (value == NULL)
        return shmap__remember(shmap__refuse_null("value"));
    if (!is_size(size))
        return shmap__remember_because(
            SHMAP_EINVAL, "size: must be one that a value can have, not 0");
    return 0;
}

int shmap_record_write(shmap_record *record, const void *value, size_t size)
{
    shmap__thread *thread;
    int result = shmap__begin(record, &thread);

    if (result == 0)
        result = check_value(value, size);
    if (result == 0)
        result = claim(record, thread);
    if (result < 0)
        return shmap__end(result);
    result = write_claimed(record, value, size);
    if (result == 0)
        wake(record);
    shmap__store64(&record->writer_, 0);
    return shmap__end(result);
}

int shmap_record_read(const shmap_record *record, void *value, size_t size,
                      uint64_t *version)
{
    int checked = shmap__is_object(record)
                      ? check_value(value, size)
                      : shmap__remember_misplaced("record");

    if (checked < 0)
        return shmap__end(checked);
    for (int i = 0; i < TRIES; i++) {
        uint64_t found = shmap__load64(&record->version_);

        if (found == 0)
            return shmap__end(SHMAP_ENOTREADY);
        if (shmap__load64(&record->size_) != size)
            return shmap__end(SHMAP_ELAYOUT);
        shmap__copy_shared(value, (const char *)record + offset_of(found, size),
                           size);
        /* Every byte was read before the version is looked at again. */
        shmap__fence();
        if (shmap__load64(&record->version_) - found <= 1) {
            if (version != NULL)
                *version = found;
            return 0;
        }
    }
    return shmap__end(SHMAP_EBUSY);
}

static int is_newer(void *context)
{
    const record_newer *newer = context;

    return shmap__load64(&newer->record->version_) != newer->version
               ? SHMAP__DONE
               : 0;
}

/* A value that came in the writer's silence woke no thread. After the silence
 * every value wakes. So a thread that sleeps for a little more than that at
 * first, looks at the version, and then sleeps for longer and longer, is never
 * late by more than it has waited. A wake-up without a new value means that a
 * silence has begun. */
static int64_t prepare_nap(void *context, int64_t now)
{
    enum { NAP_MAX = 1000000000 };
    record_newer *newer = context;
    shmap__os_waiter *waiter = &newer->sleeper.waiter.os;

    if (newer->nap == 0 || now < newer->until)
        newer->nap = 4 * shmap__os_facts_get()->record_wake_ns;
    else if (newer->nap < NAP_MAX)
        newer->nap *= 2;
    newer->until = now + newer->nap;
    /* The writer may have made an id since. */
    shmap__os_wait_end(waiter);
    shmap__os_wait_begin(waiter, newer->sleeper.word,
                         shmap__load64(&newer->record->who_));
    SHMAP__STOP("record.waiting");
    return newer->until;
}

static const shmap__wait_kind value_wait = {
    .attempt = is_newer,
    .prepare = prepare_nap,
};

static int wait_asleep(record_newer *newer, int64_t deadline)
{
    int result;

    newer->sleeper.word = shmap__low_half(&newer->record->version_);
    result = shmap__wait_asleep(&value_wait, &newer->sleeper, deadline, newer);
    shmap__os_wait_end(&newer->sleeper.waiter.os);
    return result;
}

int shmap_record_wait(const shmap_record *record, uint64_t version,
                      int64_t deadline)
{
    /* The level is not learnt: only the writer may write to the record. */
    enum { SPIN_LEVEL = 2 };
    /* The record whose writer was last seen to run on this processor. */
    static SHMAP__THREAD_LOCAL const shmap_record *together;
    record_newer newer = {.record = record, .version = version};
    shmap__spin spin = {.most_pauses = 1};
    uint32_t spin_ns;
    int result;

    if (!shmap__is_object(record))
        return shmap__end(shmap__remember_misplaced("record"));
    if (shmap__is_duration(deadline))
        return shmap__end(shmap__remember_duration());
    result = is_newer(&newer);
    if (result == 0 && (deadline <= 0 || shmap__os_now() >= deadline))
        result = SHMAP_ETIMEDOUT;
    spin_ns =
        record == together ? SHMAP_SPIN_NEVER : shmap__peek32(&record->spin_ns);
    if (result == 0)
        result = shmap__spin_start(&spin, spin_ns, SPIN_LEVEL, deadline,
                                   is_newer, &newer);
    if (result == 0) {
        result = wait_asleep(&newer, deadline);
        if (shmap__is_here(shmap__peek32(&record->processor_)))
            together = record;
        else if (record == together)
            together = NULL;
    }
    return shmap__end(result);
}
