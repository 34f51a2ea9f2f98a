/* SPDX-License-Identifier: MIT */

/* Waiting and waking as src/sync/wait.c does it, as a model for Spin.
 *
 * A few threads wait for something and make it come about, without end. Spin
 * tries every order of all their steps; a step is one operation on shared
 * memory, or one call that sleeps or wakes. check.sh, next to this file, runs
 * every configuration.
 *
 * Configurations (compile-time switches):
 *
 *     PROCS=n     2 or 3 threads
 *     KILLS=n     a thread may be killed before each of its steps; n threads are,
 *                 at most, or any number for 9
 *     TOKENS      threads sleep on semaphores, as on Windows, and not on the
 *                 sequence, as on Linux
 *
 * and what they wait for:
 *
 *     (nothing)   a number above 0, of which each takes 1: semaphores, events
 *                 that are taken, onces that are abandoned
 *     ROUNDS      the end of the round in which they began: barriers, events
 *                 that are left set, onces that are committed, unlocked writers
 *     COND        a signal that there is such a number, by a condition and a
 *                 mutex (src/sync/cond.c)
 *
 * Who sleeps may look again without being woken: any number of times while
 * there are deaths, and once after the last. If nobody dies, never: then a
 * wake-up that was lost leaves somebody asleep. With NAPS, who sleeps on a
 * semaphore looks at the sequence from time to time.
 *
 * BUG_... are mistakes that the check must find.
 */

#define me _pid

#ifndef PROCS
#define PROCS 3
#endif

#ifdef KILLS
#define OR_DIE :: atomic { !final && deaths < KILLS -> dying++; goto dead }
#define MAY_LOOK_AGAIN (!final || !looked[me])
#define HAS_LOOKED(p) looked[p]
#else
#define OR_DIE
#define MAY_LOOK_AGAIN false
#ifdef NAPS
#define HAS_LOOKED(p) !changed[p]
#else
#define HAS_LOOKED(p) true
#endif
#endif

/* ---- The object --------------------------------------------------------- */

/* Who is registered. */
#define IDS (2 * PROCS + 1)
#define COUNT_MAX (PROCS + 1)
byte who_id;
byte who_count;

/* The sequence number: whether it has changed since each thread read it. */
bit changed[PROCS];

/* What is waited for. */
#define VALUE_MAX 2
byte value;
bit over[PROCS];  /* the round in which this thread waits */
byte locked;      /* the mutex: 1 + who has it */

/* COND: what the mutex says of its last lock, and whether the turn is another
 * than each thread remembers. */
#define QUIET 1
#define RELOCKED 2
byte ticket;
bit moved[PROCS];

#ifdef ROUNDS
#define IS_THERE(p) over[p]
#else
#define IS_THERE(p) (value != 0)
#endif

/* ---- The system --------------------------------------------------------- */

bit asleep[PROCS];
bit looked[PROCS];

byte id[PROCS];        /* of a waiter, and the semaphore that it has open */
byte tokens[IDS + 1];
byte found_id[PROCS];  /* by who wakes */
byte found_count[PROCS];

/* ---- What the checks remember; the protocol never looks at it ----------- */

byte deaths;
byte dying;
bit final;  /* no deaths and no new calls any more */
bit idle_[PROCS];

/* Scratch; 0 between steps. */
byte k, x;
byte to[IDS + 1], tokens_[IDS + 1];

/* ---- Calls of the system ------------------------------------------------ */

#ifdef TOKENS
#define REACHES(p, i) (asleep[p] && id[p] == (i))
#else
#define REACHES(p, i) asleep[p]
#endif

#if PROCS == 3
#define OPEN(i) (id[0] == (i) || id[1] == (i) || id[2] == (i))
#define FOUND(i) (found_id[0] == (i) || found_id[1] == (i) || found_id[2] == (i))
#define ASLEEP(i) (REACHES(0, i) || REACHES(1, i) || REACHES(2, i))
#else
#define OPEN(i) (id[0] == (i) || id[1] == (i))
#define FOUND(i) (found_id[0] == (i) || found_id[1] == (i))
#define ASLEEP(i) (REACHES(0, i) || REACHES(1, i))
#endif

/* Whoever wakes still counts this thread. */
#define COUNTS (who_count != 0 && who_id == id[me])

/* Wake one, whichever the system likes. */
inline wake_one(i)
{
    if
    :: REACHES(0, i) -> asleep[0] = 0
    :: REACHES(1, i) -> asleep[1] = 0
#if PROCS == 3
    :: REACHES(2, i) -> asleep[2] = 0
#endif
    fi
}

/* shmap__os_wake(). A semaphore remembers what nobody was asleep for. `there`
 * becomes its result. */
inline wake(i, count)
{
#ifdef TOKENS
    there = OPEN(i);
#else
    there = ASLEEP(i);
#endif
    x = count;
    do
    :: x != 0 && ASLEEP(i) -> wake_one(i); x--
    :: x == 0 || !ASLEEP(i) -> break
    od;
#ifdef TOKENS
    if
    :: there && x != 0 && tokens[i] + x <= PROCS -> tokens[i] = tokens[i] + x
    :: there && x != 0 && tokens[i] + x > PROCS -> tokens[i] = PROCS
    :: else
    fi;
#endif
    x = 0
}

/* The same for all: one for each handle. */
inline wake_everybody(i)
{
#ifdef TOKENS
    there = OPEN(i);
#else
    there = ASLEEP(i);
#endif
    for (k : 0 .. PROCS - 1) {
        if
        :: REACHES(k, i) -> asleep[k] = 0
#ifdef TOKENS
        :: id[k] == i && !asleep[k] && tokens[i] < PROCS -> tokens[i]++
#endif
        :: else
        fi
    }
    k = 0
}

/* ---- Fewer states ------------------------------------------------------- */

/* Only the equality of ids matters. So that states which differ in nothing but
 * numbers are one state, ids are numbered in the order of those who know
 * them. */
inline renumber_id(i)
{
    if
    :: i != 0 && to[i] == 0 ->
        x++;
        to[i] = x;
        tokens_[x] = tokens[i];
        i = x
    :: else -> i = to[i]
    fi
}

inline renumber()
{
    x = 0;
    renumber_id(who_id);
    for (k : 0 .. PROCS - 1) {
        renumber_id(id[k]);
        renumber_id(found_id[k])
    }
    x = 0;
    for (k : 1 .. IDS) {
        tokens[k] = (OPEN(k) -> tokens_[k] : 0);
        tokens_[k] = 0;
        to[k] = 0
    }
    k = 0
}

/* ---- Parts of the protocol ---------------------------------------------- */

inline change_sequence()
{
    for (k : 0 .. PROCS - 1) {
        changed[k] = 1
    }
    k = 0
}

inline forget()
{
    id[me] = 0;
    found_id[me] = 0;
    found_count[me] = 0;
    fresh = 0;
    there = 0;
    timed = 0;
    again = 0;
    other = 0;
    moved[me] = 0;
    changed[me] = 1;
    over[me] = 0;
    asleep[me] = 0;
    idle_[me] = 1;
    renumber()
}

/* Which id to register under. */
inline choose_id()
{
    if
    :: who_count == 0 ->
        x = 1;
        do
        :: x == who_id || OPEN(x) || FOUND(x) -> x++
        :: else -> break
        od;
        id[me] = x;
        fresh = 1
    :: who_count != 0 && who_count < COUNT_MAX -> id[me] = who_id
    :: who_count == COUNT_MAX
    fi;
    renumber()
}

inline register()
{
    who_id = id[me];
    who_count++;
    fresh = 0;
    renumber()
}

inline unregister()
{
    if
    :: COUNTS ->
        who_count--;
        if
        :: who_count == 0 -> who_id = 0
        :: else
        fi
    :: else
    fi
}

/* ---- Threads ------------------------------------------------------------ */

active [PROCS] proctype thread()
{
    bit timed;  /* it has a deadline */
    bit fresh;  /* its id is one that nobody had before */
    bit there;  /* shmap__os_wake found somebody; it has waited (COND) */
    bit again;  /* COND: it locks the mutex again after a wait */
    bit other;  /* COND: it waits with the same mutex for something else */

    atomic { d_step { changed[me] = 1; idle_[me] = 1 } }
idle:
end:
    if
    :: atomic { !final -> idle_[me] = 0; printf("%d: posts\n", me); goto post }
    :: atomic {
        !final ->
            idle_[me] = 0;
            if
            :: timed = 0
            :: timed = 1
            fi;
#ifdef COND
            if
            :: other = 0
            :: other = 1
            fi;
#endif
            printf("%d: waits, deadline: %d\n", me, timed);
            goto enter
        }
    fi;

    /* ---- Store first, then look who is registered. */
post:
#ifdef BUG_WAKE_LOOKS_FIRST
    if
    :: atomic { true -> found_id[me] = who_id; found_count[me] = who_count }
    OR_DIE
    fi;
#endif
    if
#ifdef ROUNDS
    :: atomic {
        true ->
            d_step {
                for (k : 0 .. PROCS - 1) {
                    over[k] = !idle_[k] && id[k] != 0
                }
                k = 0
            }
        }
#else
    :: atomic {
        value < VALUE_MAX && locked == 0 -> value++; ticket = 0
        }
    :: atomic { value == VALUE_MAX && locked == 0 -> d_step { forget() } goto idle }
#endif
    OR_DIE
    fi;

M1:
#ifndef BUG_WAKE_LOOKS_FIRST
    if
    :: atomic {
        who_count != 0 ->
            d_step {
                found_id[me] = who_id;
                found_count[me] = who_count;
                renumber()
            }
        }
    :: atomic { who_count == 0 -> d_step { forget() } goto idle }
    OR_DIE
    fi;
#else
    if
    :: atomic { found_count[me] == 0 -> d_step { forget() } goto idle }
    :: found_count[me] != 0
    OR_DIE
    fi;
#endif

M2: /* Those who are not asleep yet shall not fall asleep. */
#ifndef BUG_SEQUENCE_LAST
    if
    :: atomic { true -> d_step { change_sequence() } }
    OR_DIE
    fi;
#endif

M3: /* Wake those who are. */
    if
    :: atomic {
        true ->
#ifndef ROUNDS
            wake(found_id[me], 1);
#elif defined(BUG_CLIPPED)
            wake(found_id[me], found_count[me]);
#else
            d_step { wake_everybody(found_id[me]) }
#endif
            printf("%d: wakes, finds somebody: %d\n", me, there);
#ifdef BUG_SEQUENCE_LAST
            goto M6
#else
            if
            :: there -> d_step { forget() } goto idle
            :: else
            fi
#endif
        }
    OR_DIE
    fi;

M4: /* Nobody: whoever is registered has died, or is not asleep yet. */
    if
    :: atomic {
#ifdef BUG_OTHERS_REGISTRATION
        true ->
#else
        who_id == found_id[me] && who_count == found_count[me] ->
#endif
            printf("%d: takes the registrations back\n", me);
            d_step { who_id = 0; who_count = 0; renumber() }
        }
#ifndef BUG_OTHERS_REGISTRATION
    :: atomic {
        who_id != found_id[me] || who_count != found_count[me] ->
            d_step { forget() }
            goto idle
        }
#endif
    OR_DIE
    fi;

#ifndef BUG_TAKEN_BACK_UNTOLD
M5: /* In the latter case it must not sleep uncounted. */
    if
    :: atomic { true -> d_step { change_sequence() } }
    OR_DIE
    fi;
    if
    :: atomic { true -> d_step { wake_everybody(found_id[me]) } }
    OR_DIE
    fi;
#endif
    atomic { d_step { forget() } goto idle }

#ifdef BUG_SEQUENCE_LAST
M6:
    if
    :: atomic { true -> d_step { change_sequence(); forget() } goto idle }
    OR_DIE
    fi;
#endif

    /* ---- Register first, then look, then sleep. */
enter:
#ifdef COND
    /* Lock the mutex; if it is there, take it. */
    if
    :: atomic {
        locked == 0 && value != 0 && !other ->
            value--;
            ticket = 0;
            d_step { forget() }
            goto idle
        }
    :: atomic {
        locked == 0 && (value == 0 || other) && there ->
            ticket = 0;
            d_step { forget() }
            goto idle
        }
    :: atomic {
        locked == 0 && (value == 0 || other) && !there ->
            locked = me + 1;
#ifdef BUG_RELOCKED_UNSEEN
            ticket = (again -> RELOCKED : 0)
#else
            ticket = (again && ticket == QUIET -> RELOCKED : 0)
#endif
        }
    OR_DIE
    fi;
#endif
#ifdef BUG_LOOKS_FIRST
    if
    :: atomic { !IS_THERE(me) -> changed[me] = 0 }
    :: atomic {
        IS_THERE(me) -> value = value - 1; d_step { forget() } goto idle
        }
    OR_DIE
    fi;
#endif
#ifdef COND
    if
    :: other -> goto C1
    :: !other
    fi;
#endif
E1: /* Open the semaphore of those who wait already, or a new one. */
    if
    :: atomic { true -> d_step { choose_id() } }
    OR_DIE
    fi;
    if
    :: atomic {
        id[me] != 0 && who_count < COUNT_MAX &&
            who_id == (fresh -> 0 : id[me]) ->
            d_step { register() }
        }
    :: atomic {
        id[me] != 0 &&
            (who_count == COUNT_MAX || who_id != (fresh -> 0 : id[me])) ->
            d_step { id[me] = 0; fresh = 0; renumber() }
            goto E1
        }
    :: id[me] == 0
    OR_DIE
    fi;

#ifndef BUG_LOOKS_FIRST
S1: /* Read the sequence. */
    if
    :: atomic { true -> changed[me] = 0 }
    OR_DIE
    fi;

S2: /* Who no longer counts registers anew. */
#ifndef BUG_UNCOUNTED
    if
    :: atomic { id[me] != 0 && !COUNTS -> d_step { id[me] = 0; renumber() } goto E1 }
    :: id[me] == 0 || COUNTS
    OR_DIE
    fi;
#endif
#endif

#ifdef COND
C1: /* Say which turn it is, and unlock the mutex. */
    if
    :: atomic {
        true ->
            d_step {
#ifndef BUG_TURN_STAYS
                if
                :: ticket != RELOCKED ->
                    for (k : 0 .. PROCS - 1) {
                        moved[k] = 1
                    }
                    k = 0
                :: else
                fi;
#endif
                moved[me] = 0;
                ticket = QUIET
            }
        }
    OR_DIE
    fi;
    if
    :: atomic { !other -> locked = 0 }
    :: atomic { other && !final -> locked = 0; there = timed; again = 1; goto enter }
    :: atomic { other && final -> locked = 0; d_step { forget() } goto idle }
    OR_DIE
    fi;
#else
#ifndef BUG_LOOKS_FIRST
S3: /* Is it there? */
    if
    :: atomic {
        IS_THERE(me) ->
#ifndef ROUNDS
            value--;
#endif
            goto leave
        }
    :: !IS_THERE(me)
    :: atomic { !IS_THERE(me) && timed -> goto leave }
    OR_DIE
    fi;
#endif
#endif

S4: /* Sleep, unless the sequence has changed. */
#ifdef TOKENS
    if
    :: atomic { !changed[me] && id[me] != 0 -> skip }
    :: atomic { changed[me] || id[me] == 0 -> goto S6 }
    OR_DIE
    fi;
    if
    :: atomic { tokens[id[me]] != 0 -> tokens[id[me]]--; goto S6 }
    :: atomic { tokens[id[me]] == 0 -> asleep[me] = 1 }
    OR_DIE
    fi;
#else
    if
    :: atomic { !changed[me] -> asleep[me] = 1 }
    :: atomic { changed[me] -> goto S6 }
    OR_DIE
    fi;
#endif

S5:
end_asleep:
    if
    :: !asleep[me]
    :: atomic { asleep[me] && timed -> asleep[me] = 0 }
    :: atomic {
        asleep[me] && MAY_LOOK_AGAIN ->
            looked[me] = final;
#ifdef COND
            if
            :: ticket == QUIET && !moved[me] && locked == 0 && COUNTS -> goto S5
            :: else -> asleep[me] = 0; goto leave
            fi
#else
            asleep[me] = 0
#endif
        }
#ifdef NAPS
    :: atomic { asleep[me] && changed[me] -> asleep[me] = 0; goto S4 }
#endif
    :: atomic { asleep[me] && id[me] == 0 -> asleep[me] = 0 }
    OR_DIE
    fi;

S6:
#ifdef COND
    if
    :: changed[me] || !COUNTS || timed -> goto leave
    :: !changed[me] && COUNTS -> goto S4
    OR_DIE
    fi;
#elif defined(BUG_LOOKS_FIRST)
    if
    :: atomic { IS_THERE(me) -> value--; goto leave }
    :: atomic { !IS_THERE(me) && timed -> goto leave }
    :: atomic { !IS_THERE(me) -> changed[me] = 0; goto S4 }
    OR_DIE
    fi;
#else
    goto S1;
#endif

leave: /* First uncounted, then gone. */
    if
    :: atomic { true -> d_step { unregister(); renumber() } }
    OR_DIE
    fi;
#ifdef COND
    /* Look again; who has a deadline then does not wait again. */
    if
    :: atomic {
        true ->
            d_step {
                there = timed;
                again = 1;
                id[me] = 0;
                changed[me] = 1;
                renumber()
            }
            goto enter
        }
    OR_DIE
    fi;
#else
    if
    :: atomic { true -> d_step { forget() } goto idle }
    OR_DIE
    fi;
#endif

#ifdef KILLS
dead:
    atomic {
        printf("%d: dies\n", me);
        dying--;
        deaths = deaths + (KILLS < 9);
        if
        :: locked == me + 1 ->
            locked = 0
#ifdef COND
            ;
            ticket = 0 /* the next is told */
#endif
        :: else
        fi;
        d_step { forget() }
        goto idle
    }
#endif
}

/* ---- Surroundings ------------------------------------------------------- */

/* Nothing happens any more, but that who sleeps might. */
#define QUIET_(p) (idle_[p] || (asleep[p] && id[p] != 0 && HAS_LOOKED(p)))
#define MISSED(p) (asleep[p] && IS_THERE(p))
#if PROCS == 3
#define QUIET (QUIET_(0) && QUIET_(1) && QUIET_(2))
#define SOMEBODY_MISSED (MISSED(0) || MISSED(1) || MISSED(2))
#define ALL_IDLE (idle_[0] && idle_[1] && idle_[2])
#else
#define QUIET (QUIET_(0) && QUIET_(1))
#define SOMEBODY_MISSED (MISSED(0) || MISSED(1))
#define ALL_IDLE (idle_[0] && idle_[1])
#endif

/* At some moment the last calls have begun and there are no more deaths. When
 * nothing happens any more, nobody sleeps who should not; and if only the dead
 * are counted, whoever wakes next finds that out. */
active proctype curtain()
{
    bit there;

    atomic {
        dying == 0 -> final = 1;
        printf("-: no deaths and no new calls from here\n")
    }
    atomic {
        QUIET -> assert(!SOMEBODY_MISSED);
        if
        :: ALL_IDLE && who_count != 0 ->
            wake(who_id, who_count);
            assert(!there)
        :: else
        fi
    }
}
