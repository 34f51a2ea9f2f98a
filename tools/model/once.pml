/* SPDX-License-Identifier: MIT */

/* The once of src/sync/once.c, as a model for Spin.
 *
 * A few threads begin one once, without end; who gets to do it commits it,
 * abandons it, or unmaps it. Spin tries every order of all their steps; a step
 * is one operation on shared memory, or one call that sleeps or wakes. check.sh,
 * next to this file, runs every configuration.
 *
 * Waiting is what wait.pml proves of it: who reads the sequence, looks, and then
 * sleeps, does not sleep if the sequence has changed; and who is asleep is
 * woken.
 *
 * Configurations (compile-time switches):
 *
 *     PROCS=n     2 or 3 threads
 *     KILLS=n     a thread may be killed before each of its steps, and a new one
 *                 gets its number; n threads are, at most, or any number for 9
 *
 * Who sleeps may look again without being woken: any number of times while
 * there are deaths, and once after the last. If nobody dies, never.
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
#else
#define OR_DIE
#define MAY_LOOK_AGAIN false
#endif

/* ---- The once ----------------------------------------------------------- */

byte number;   /* 1 + the owner's number; 0: nobody is at it */
byte life;     /* 0: of who has the number now; others: of who had it before */
bit died;
bit committed;

bit changed[PROCS];  /* the sequence, since each thread read it */

/* ---- The system --------------------------------------------------------- */

bit alive[PROCS] = 1;
bit asleep[PROCS];
bit looked[PROCS];
byte saw_number[PROCS];  /* in the word */
byte saw_life[PROCS];

#ifdef BUG_NUMBER_ONLY
#define SAW_DEAD (!alive[saw_number[me] - 1])
#else
#define SAW_DEAD (!alive[saw_number[me] - 1] || saw_life[me] != 0)
#endif

/* ---- What the checks remember; the protocol never looks at it ----------- */

byte doer;     /* 1 + who is at it */
bit half_done; /* somebody died at it */
bit done;
byte deaths;
byte dying;
bit final;     /* no deaths and no new calls any more */

/* Scratch; 0 between steps. */
byte k, x;

/* ---- Parts -------------------------------------------------------------- */

inline wake_one()
{
    if
    :: asleep[0] -> asleep[0] = 0
    :: asleep[1] -> asleep[1] = 0
#if PROCS == 3
    :: asleep[2] -> asleep[2] = 0
    :: !asleep[0] && !asleep[1] && !asleep[2]
#else
    :: !asleep[0] && !asleep[1]
#endif
    fi
}

inline change_sequence()
{
    for (k : 0 .. PROCS - 1) {
        changed[k] = 1
    }
    k = 0
}

inline wake_everybody()
{
    for (k : 0 .. PROCS - 1) {
        asleep[k] = 0
    }
    k = 0
}

inline forget()
{
    timed = 0;
    one = 0;
    asleep[me] = 0;
    changed[me] = 1;
    saw_number[me] = 0;
    saw_life[me] = 0
}

/* Nobody is at it, and never was to the end. Whether somebody has died at it is
 * told, and true. */
inline take()
{
    assert(doer == 0 && !done);
    assert(died == half_done);
    number = me + 1;
    life = 0;
    doer = me + 1
}

#define WAS(n, l, i) ((n) == me + 1 && (l) == (i))
#define GROWS_OLD(n, l)                 \
    if                                  \
    :: WAS(n, l, 0) -> l = x            \
    :: else                             \
    fi

/* Ids that anybody still knows become those of the past. */
inline be_born()
{
    x = 1;
    do
    :: WAS(number, life, x) || WAS(saw_number[0], saw_life[0], x) ||
       WAS(saw_number[1], saw_life[1], x) ||
#if PROCS == 3
       WAS(saw_number[2], saw_life[2], x) ||
#endif
       false -> x++
    :: else -> break
    od;
    GROWS_OLD(number, life);
    for (k : 0 .. PROCS - 1) {
        GROWS_OLD(saw_number[k], saw_life[k])
    }
    x = 0;
    k = 0;
    alive[me] = 1
}

/* ---- Threads ------------------------------------------------------------ */

active [PROCS] proctype thread()
{
    bit timed;  /* it has a deadline */
    bit one;    /* it wakes one, not everybody */

idle:
end:
    if
    :: atomic {
        !final ->
            if
            :: timed = 0
            :: timed = 1
            fi;
            printf("%d: begins, deadline: %d\n", me, timed)
        }
    OR_DIE
    fi;

B1: /* Read the sequence. */
    if
    :: atomic { true -> changed[me] = 0 }
    OR_DIE
    fi;

B2: /* Take it, or learn that it is done, or see who is at it. */
    if
    :: atomic {
        committed ->
            printf("%d: answers: done\n", me);
            assert(done);
            d_step { forget() }
            goto idle
        }
    :: atomic {
        !committed && number == 0 ->
            printf("%d: is at it, is told of a death: %d\n", me, died);
            d_step { take(); forget() }
            goto doing
        }
    :: atomic {
        number != 0 -> saw_number[me] = number; saw_life[me] = life
        }
    OR_DIE
    fi;

B3: /* Has it died? */
    if
    :: SAW_DEAD
    :: atomic {
        !SAW_DEAD ->
            saw_number[me] = 0;
            saw_life[me] = 0;
            if
            :: timed -> d_step { forget() } goto idle
            :: true -> goto B5
            fi
        }
    OR_DIE
    fi;

B4: /* Mark it so, and begin again. */
    if
    :: atomic {
        true ->
            if
#ifdef BUG_BURY_UNSEEN
            :: number != 0 ->
#elif defined(BUG_NUMBER_ONLY)
            :: number != 0 && number == saw_number[me] ->
#else
            :: number != 0 && number == saw_number[me] && life == saw_life[me] ->
#endif
                printf("%d: buries %d\n", me, number - 1);
                number = 0;
                life = 0;
                died = 1
            :: else
            fi;
            saw_number[me] = 0;
            saw_life[me] = 0;
            goto B2
        }
    OR_DIE
    fi;

B5: /* Sleep, unless the sequence has changed. */
    if
    :: atomic { !changed[me] -> asleep[me] = 1 }
    :: changed[me] -> goto B1
    OR_DIE
    fi;
B6:
    if
    :: !asleep[me] -> goto B1
    :: atomic { asleep[me] && timed -> asleep[me] = 0; goto B1 }
    :: atomic {
        asleep[me] && MAY_LOOK_AGAIN ->
            asleep[me] = 0;
            looked[me] = final;
            goto B1
        }
    OR_DIE
    fi;

doing:
    if
    :: atomic {
        true ->
            printf("%d: commits\n", me);
            assert(doer == me + 1 && number == me + 1 && life == 0);
            number = 0;
            committed = 1;
            died = 0;
            done = 1;
            doer = 0
#ifdef BUG_COMMIT_WAKES_ONE
            ;
            one = 1
#endif
        }
    :: atomic {
        true ->
            printf("%d: abandons\n", me);
            assert(doer == me + 1 && number == me + 1 && life == 0);
            number = 0;
#ifdef BUG_ABANDON_FORGETS
            died = 0;
#endif
            doer = 0;
            one = 1
        }
    :: atomic {
        true ->
            printf("%d: unmaps\n", me);
            assert(doer == me + 1 && number == me + 1 && life == 0);
            number = 0;
            died = 1;
            half_done = 1;
            doer = 0;
            one = 1
        }
    OR_DIE
    fi;

W1:
#ifndef BUG_SILENT
    if
    :: atomic { true -> d_step { change_sequence() } }
    OR_DIE
    fi;
    if
    :: atomic {
        true ->
            if
            :: one -> wake_one()
            :: else -> d_step { wake_everybody() }
            fi
        }
    OR_DIE
    fi;
#endif
    atomic { d_step { forget() } goto idle }

#ifdef KILLS
dead:
    atomic {
        printf("%d: dies\n", me);
        dying--;
        deaths = deaths + (KILLS < 9);
        d_step {
            if
            :: doer == me + 1 -> doer = 0; half_done = 1
            :: else
            fi;
            forget();
            alive[me] = 0
        }
    }
end_dead: /* A new thread gets the number. */
    atomic { !final -> d_step { be_born() } goto idle }
#endif
}

/* At some moment the last calls have begun and there are no more deaths. From
 * then on, everybody must come to an end. */
active proctype curtain()
{
    atomic {
        dying == 0 -> final = 1;
        printf("-: no deaths and no new calls from here\n")
    }
}
