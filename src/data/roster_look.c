/* SPDX-License-Identifier: MIT */

/* Looking at rosters, which writes nothing: walking, waiting and watching. */
#include <string.h>

#include "base/atomic.h"
#include "base/error.h"
#include "base/stop.h"
#include "data/seat.h"
#include "sync/wait.h"

static const shmap__os_status done = {0, 0};

static shmap__os_status walk(const shmap_roster *roster, uint32_t *cursor,
                             shmap_member *member)
{
    shmap__reading read;
    uint32_t seats;
    shmap__os_status status = shmap__roster_find_seats(roster, false, &seats);

    if (status.code != 0)
        return status;
    if (cursor == NULL || member == NULL)
        return shmap__refuse_null(cursor == NULL ? "cursor" : "member");
    for (uint32_t i = *cursor; i < seats; i++) {
        shmap__seat_read(roster, i, &read);
        if (read.member.state == 0)
            continue;
        *member = read.member;
        *cursor = i + 1;
        return done;
    }
    return shmap__refuse_because(SHMAP_ENOENT, "there is no further member");
}

int shmap_roster_walk(const shmap_roster *roster, uint32_t *cursor,
                      shmap_member *member)
{
    return shmap__result(walk(roster, cursor, member));
}

enum { NEWS = 1 }; /* what an attempt returns that found some */

typedef struct roster_wait {
    const shmap_roster *roster;
    uint64_t version; /* in and out */
    uint32_t seats;
    shmap_seen *seen;
    shmap_member *member;
    shmap__sleeper sleeper;
    shmap__os_status status; /* of an attempt that failed */
} roster_wait;

/* Waiters write nothing, so that they can wait in read-only views: those that
 * change something wake whether or not a thread waits, under an id that the
 * first of them has made. */
static int64_t prepare_sleep(void *context, int64_t now)
{
    roster_wait *wait = context;
    shmap__os_waiter *waiter = &wait->sleeper.waiter.os;

    (void)now;
    shmap__os_wait_end(waiter);
    shmap__os_wait_begin(waiter, wait->sleeper.word,
                         shmap__load64(&wait->roster->who_));
    SHMAP__STOP("roster.waiting");
    return INT64_MAX;
}

static shmap__os_status wait_for(const shmap__wait_kind *kind,
                                 roster_wait *wait, int64_t deadline)
{
    int result;

    wait->sleeper.word = &wait->roster->changes_;
    result = shmap__wait_asleep(kind, &wait->sleeper, deadline, wait);
    shmap__os_wait_end(&wait->sleeper.waiter.os);
    if (result == NEWS)
        return done;
    return wait->status.code == result ? wait->status : shmap__refuse(result);
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    sum = (sum ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return sum ^ sum >> 29;
}

/* Compute what differs whenever anything has changed; 0 if no process has
 * joined. */
static uint64_t version_of(const shmap_roster *roster, uint32_t seats)
{
    uint64_t version = 0;
    shmap__reading read;

    for (uint32_t i = 0; i < seats; i++) {
        shmap__seat_read(roster, i, &read);
        if (read.turn == 0)
            continue;
        version = mix(version, i);
        version = mix(version, read.turn & ~(uint64_t)SHMAP__SEAT_STATE);
        version = mix(version, (uint64_t)(unsigned)read.member.state);
        version = mix(version, read.undertaker);
    }
    return version;
}

static int has_changed(void *context)
{
    roster_wait *wait = context;
    uint32_t seats;
    uint64_t version;

    wait->status = shmap__roster_find_seats(wait->roster, false, &seats);
    if (wait->status.code != 0)
        return wait->status.code;
    version = version_of(wait->roster, seats);
    if (version == wait->version)
        return 0;
    wait->version = version;
    return NEWS;
}

static const shmap__wait_kind change_wait = {
    .attempt = has_changed,
    .prepare = prepare_sleep,
};

static shmap__os_status wait_for_change(const shmap_roster *roster,
                                        uint64_t *version, int64_t deadline)
{
    roster_wait wait = {.roster = roster};
    uint32_t seats;
    shmap__os_status status = shmap__roster_find_seats(roster, false, &seats);

    if (status.code != 0)
        return status;
    if (version == NULL)
        return shmap__refuse_null("version");
    if (shmap__is_duration(deadline))
        return shmap__refuse_duration();
    wait.version = *version;
    status = wait_for(&change_wait, &wait, deadline);
    if (status.code == 0)
        *version = wait.version;
    return status;
}

int shmap_roster_wait(const shmap_roster *roster, uint64_t *version,
                      int64_t deadline)
{
    return shmap__result(wait_for_change(roster, version, deadline));
}

/* Remember that the caller is told of a member in this state. */
static int told(shmap_seen *seen, const shmap__reading *read,
                uint64_t generation, int state)
{
    seen->member_ = shmap__turn_of(generation, shmap__deaths_of(read->turn),
                                   (unsigned)state);
    seen->undertaker_ = read->undertaker;
    return NEWS;
}

/* A member of which the caller knew is one no longer. Its successor's death
 * counts as its own if both came since: better one death too many than none. */
static int tell_end(shmap_seen *seen, const shmap__reading *read,
                    shmap_member *member)
{
    const uint64_t generation = shmap__generation_of(seen->member_);
    const bool died =
        shmap__deaths_of(read->turn) != shmap__deaths_of(seen->member_);

    if (generation == read->member.generation) {
        *member = read->member;
    } else {
        memset(member, 0, sizeof *member);
        member->seat = read->member.seat;
        member->generation = generation;
    }
    member->state = died ? SHMAP_MEMBER_DEAD : SHMAP_MEMBER_LEFT;
    return told(seen, read, generation, SHMAP_MEMBER_LEFT);
}

/* Whether there is something to tell of a member, dead or living. A death of
 * which the caller knows is told again when its undertaker has died, too. */
static bool is_news(const shmap_seen *seen, const shmap__reading *read)
{
    const int state = (int)(seen->member_ & SHMAP__SEAT_STATE);
    const int now = read->member.state;

    if (read->member.generation != shmap__generation_of(seen->member_) ||
        state == 0)
        return true;
    if (now == SHMAP_MEMBER_PRESENT || now == SHMAP_MEMBER_UNKNOWN)
        return false;
    if (state == SHMAP_MEMBER_PRESENT)
        return true;
    return now == SHMAP_MEMBER_DEAD && (state == SHMAP_MEMBER_BURYING ||
                                        seen->undertaker_ != read->undertaker);
}

static int find_news(shmap_seen *seen, const shmap__reading *read,
                     shmap_member *member)
{
    const bool was_present =
        (seen->member_ & SHMAP__SEAT_STATE) == SHMAP_MEMBER_PRESENT;
    int state = read->member.state;

    if (was_present && (state == 0 || read->member.generation !=
                                          shmap__generation_of(seen->member_)))
        return tell_end(seen, read, member);
    if (state == 0 || !is_news(seen, read))
        return 0;
    if (state == SHMAP_MEMBER_UNKNOWN)
        state = SHMAP_MEMBER_PRESENT;
    *member = read->member;
    member->state = state;
    return told(seen, read, read->member.generation, state);
}

static int has_news(void *context)
{
    roster_wait *wait = context;
    uint32_t seats;
    int result = 0;
    shmap__reading read;

    wait->status = shmap__roster_find_seats(wait->roster, false, &seats);
    if (wait->status.code == 0 && seats != 0 && seats != wait->seats)
        wait->status = shmap__roster_other_seats(wait->seats, seats);
    if (wait->status.code != 0)
        return wait->status.code;
    for (uint32_t i = 0; i < seats && result == 0; i++) {
        shmap__seat_read(wait->roster, i, &read);
        result = find_news(&wait->seen[i], &read, wait->member);
    }
    return result;
}

static const shmap__wait_kind news_wait = {
    .attempt = has_news,
    .prepare = prepare_sleep,
};

static shmap__os_status watch(const shmap_roster *roster, uint32_t seats,
                              shmap_seen *seen, shmap_member *member,
                              int64_t deadline)
{
    roster_wait wait = {
        .roster = roster, .seats = seats, .seen = seen, .member = member};
    size_t room;
    shmap__os_status status = shmap__roster_check_view(roster, false, &room);

    if (status.code != 0)
        return status;
    if (seats == 0 || seats > SHMAP_ROSTER_SEATS)
        return shmap__refuse_because(SHMAP_EINVAL,
                                     "a roster has from 1 to 4096 seats");
    if (seen == NULL || member == NULL)
        return shmap__refuse_null(seen == NULL ? "seen" : "member");
    if (shmap__is_duration(deadline))
        return shmap__refuse_duration();
    return wait_for(&news_wait, &wait, deadline);
}

int shmap_roster_watch(const shmap_roster *roster, uint32_t seats,
                       shmap_seen *seen, shmap_member *member, int64_t deadline)
{
    return shmap__result(watch(roster, seats, seen, member, deadline));
}
