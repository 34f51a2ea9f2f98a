/* SPDX-License-Identifier: MIT */

/* The reader-writer lock of src/sync/rwlock.c, as a model for Spin.
 *
 * A few threads lock it for reading or writing, without end. Spin tries every
 * order of all their steps; a step is one operation on shared memory, or one
 * call that sleeps or wakes. check.sh, next to this file, runs every
 * configuration.
 *
 * Its mutex is one step, as mutex.pml proves of it; waiting is what wait.pml
 * proves of it: who reads the sequence, looks, and then sleeps, does not sleep
 * if the sequence has changed; and who is asleep is woken.
 *
 * Configurations (compile-time switches):
 *
 *     PROCS=n     2 or 3 threads
 *     KILLS=n     a thread may be killed before each of its steps, and a new one
 *                 gets its number; n threads are, at most, or any number for 9
 *     FULL        there is one slot for readers, not two
 *     CHANGES     one that reads may read again, in another slot, and then leave
 *                 its first one
 *
 * Who sleeps may look again without being woken: any number of times while
 * there are deaths, and twice after the last. If nobody dies, never.
 *
 * BUG_... are mistakes that the check must find.
 */

#define me _pid

#ifndef PROCS
#define PROCS 3
#endif

#ifdef FULL
#define SLOTS 1
#else
#define SLOTS 2
#endif

#ifdef KILLS
#define OR_DIE :: atomic { !final && deaths < KILLS -> dying++; goto dead }
#define MAY_LOOK_AGAIN (!final || looked[me] < 2)
#else
#define OR_DIE
#define MAY_LOOK_AGAIN false
#endif

/* ---- The lock ----------------------------------------------------------- */

/* Ids: 1 + the thread's number, or PAST for who had a number before. */
#define PAST 9
byte owner;
bit died;
byte slot[SLOTS];

/* Whether a writer need look at the slots. */
#define READ 1
#define DRAINING 2
#define AGAIN 3
byte word;

/* Two places to wait: the sequences, since each thread read them. */
#define READERS 1
#define DRAIN 2
byte at[PROCS];      /* which sequence each thread has read */
bit changed[PROCS];
byte asleep[PROCS];  /* where; 0: awake */

/* ---- The system --------------------------------------------------------- */

bit alive[PROCS] = 1;
byte looked[PROCS];

#define IS_DEAD(i) ((i) == PAST || !alive[(i) - 1])

/* ---- What the checks remember; the protocol never looks at it ----------- */

byte readers;
bit writing;
bit reads[PROCS];
bit damaged;  /* a writer died since it was last consistent */
byte deaths;
byte dying;
bit final;    /* no deaths and no new calls any more */

byte k;

inline change_sequence(where)
{
    for (k : 0 .. PROCS - 1) {
        changed[k] = changed[k] || at[k] == (where)
    }
    k = 0
}

inline wake(where)
{
    for (k : 0 .. PROCS - 1) {
        if
        :: asleep[k] == (where) -> asleep[k] = 0
        :: else
        fi
    }
    k = 0
}

inline wake_one(where)
{
    if
    :: asleep[0] == (where) -> asleep[0] = 0
    :: asleep[1] == (where) -> asleep[1] = 0
#if PROCS == 3
    :: asleep[2] == (where) -> asleep[2] = 0
    :: asleep[0] != (where) && asleep[1] != (where) && asleep[2] != (where)
#else
    :: asleep[0] != (where) && asleep[1] != (where)
#endif
    fi
}

inline forget()
{
    mine = 0;
    reader = 0;
    at[me] = 0;
    changed[me] = 0;
    asleep[me] = 0
}

inline age(i)
{
    if
    :: i == me + 1 -> i = PAST
    :: else
    fi
}

inline be_born()
{
    age(owner);
    for (k : 0 .. SLOTS - 1) {
        age(slot[k])
    }
    k = 0;
    alive[me] = 1
}

inline bury_slot(i)
{
    if
    :: slot[i] != 0 && IS_DEAD(slot[i]) -> slot[i] = 0
    :: else
    fi
}

active [PROCS] proctype thread()
{
    byte mine;   /* 1 + its slot */
    bit reader;  /* it has read, or waits to */

idle:
end:
    if
    :: atomic { !final -> printf("%d: locks for reading\n", me) }
    :: atomic { !final -> printf("%d: locks for writing\n", me); goto write }
    fi;

    /* ---- Readers */
R1: /* Read the sequence; is there a writer? */
    if
    :: atomic { true -> at[me] = READERS; changed[me] = 0 }
    OR_DIE
    fi;
    if
    :: owner == 0
    :: owner != 0 -> goto R5
    OR_DIE
    fi;
#ifdef BUG_LOOKS_FIRST
    if
    :: owner != 0 -> goto R5
    :: owner == 0
    fi;
#endif
R2: /* Take a slot. */
    if
    :: atomic { slot[0] == 0 -> slot[0] = me + 1; mine = 1 }
#if SLOTS == 2
#ifdef CHANGES
    :: atomic { slot[1] == 0 -> slot[1] = me + 1; mine = 2 }
#else
    :: atomic { slot[0] != 0 && slot[1] == 0 -> slot[1] = me + 1; mine = 2 }
#endif
    :: atomic { slot[0] != 0 && slot[1] != 0 -> skip; goto R5 }
#else
    :: atomic { slot[0] != 0 -> skip; goto R5 }
#endif
    OR_DIE
    fi;
#ifndef BUG_SAYS_LAST
    /* See that the word says so. */
    if
    :: word == READ || word == AGAIN
    :: atomic { word == 0 || word == DRAINING -> word = READ }
    OR_DIE
    fi;
#endif
R3: /* Look at the writer. */
    if
#ifdef BUG_LOOKS_FIRST
    :: atomic {
        true ->
#else
    :: atomic {
        owner == 0 ->
#endif
            printf("%d: reads, is told of a death: %d\n", me, died);
            assert(!writing);
            assert(died == damaged || owner != 0);
#ifndef BUG_SAYS_LAST
            readers++;
            reads[me] = 1
#endif
        }
#ifndef BUG_LOOKS_FIRST
    :: owner != 0 -> goto R4
#endif
    OR_DIE
    fi;
#ifdef BUG_SAYS_LAST
    if
    :: atomic { true -> word = READ; readers++; reads[me] = 1 }
    OR_DIE
    fi;
#endif
#ifdef CHANGES
    if
    :: goto R3_end
    :: atomic { mine == 2 && slot[0] == 0 -> slot[0] = me + 1 }
    :: atomic { mine == 1 && slot[1] == 0 -> slot[1] = me + 1 }
    OR_DIE
    fi;
    if
    :: word == READ || word == AGAIN
    :: atomic { word == 0 || word == DRAINING -> word = READ }
    OR_DIE
    fi;
#ifndef BUG_CHANGES_UNSEEN
    /* A writer looks at it again. */
    if
    :: owner == 0
    :: owner != 0 ->
        if
        :: atomic { true -> word = AGAIN }
        OR_DIE
        fi
    OR_DIE
    fi;
#endif
    if
    :: atomic { true -> slot[mine - 1] = 0; mine = 3 - mine }
    OR_DIE
    fi;
    if
    :: atomic { true -> d_step { change_sequence(DRAIN) } }
    OR_DIE
    fi;
    if
    :: atomic { true -> d_step { wake(DRAIN) } }
    OR_DIE
    fi;
    if
    :: atomic { true -> d_step { change_sequence(READERS) } wake_one(READERS) }
    OR_DIE
    fi;
R3_end:
#endif
    if
    :: atomic {
        true ->
            assert(!writing);
            readers--;
            reads[me] = 0;
            reader = 1;
            printf("%d: has read\n", me)
        }
    OR_DIE
    fi;

R4: /* Leave the slot. */
    if
    :: atomic { true -> slot[mine - 1] = 0; mine = 0 }
    OR_DIE
    fi;
#ifndef BUG_LEAVES_SILENTLY
    if
    :: atomic { true -> d_step { change_sequence(DRAIN) } }
    OR_DIE
    fi;
    if
    :: atomic { true -> d_step { wake(DRAIN) } }
    OR_DIE
    fi;
#endif
#ifndef BUG_SLOT_UNTOLD
    if
    :: atomic { true -> d_step { change_sequence(READERS) } }
    OR_DIE
    fi;
#endif
    if
    :: atomic {
        true ->
#ifndef BUG_SLOT_UNTOLD
            wake_one(READERS);
#endif
            if
            :: reader -> d_step { forget() } goto idle
            :: else -> goto R1
            fi
        }
    OR_DIE
    fi;

R5: /* Look for the dead, and look again. */
    if
    :: atomic { owner != 0 && IS_DEAD(owner) -> owner = 0; died = 1; goto R2 }
    :: owner != 0 && !IS_DEAD(owner)
    :: atomic {
        owner == 0 ->
            d_step {
                bury_slot(0);
#if SLOTS == 2
                bury_slot(1);
#endif
            }
            if
#if SLOTS == 2
            :: slot[0] == 0 || slot[1] == 0 -> goto R2
#else
            :: slot[0] == 0 -> goto R2
#endif
            :: else
            fi
        }
    OR_DIE
    fi;
R6:
    if
    :: atomic { !changed[me] -> asleep[me] = READERS }
    :: changed[me] -> goto R1
    OR_DIE
    fi;
R7:
    if
    :: asleep[me] == 0 -> goto R1
    :: atomic {
        asleep[me] != 0 && MAY_LOOK_AGAIN ->
            asleep[me] = 0;
            looked[me] = looked[me] + final;
            goto R1
        }
    OR_DIE
    fi;

    /* ---- Writers */
write:
W1: /* The mutex. */
    if
    :: atomic {
        owner == 0 ->
            assert(died == damaged);
            owner = me + 1
        }
    :: atomic { owner != 0 && IS_DEAD(owner) -> owner = 0; died = 1; goto W1 }
    OR_DIE
    fi;
    /* Have readers been there? */
    if
    :: word == 0 -> goto W6
    :: word != 0
    OR_DIE
    fi;
W2: /* Read the sequence, and say that this looks; have all readers left? */
    if
    :: atomic { true -> at[me] = DRAIN; changed[me] = 0 }
    OR_DIE
    fi;
#ifndef BUG_CLEARS_LATE
    if
    :: word == DRAINING
#ifdef BUG_MARKS_LATE
    :: word == AGAIN
    :: word == READ ->
#else
    :: word != DRAINING ->
#endif
        if
#ifdef BUG_CLEARS_FIRST
        :: atomic { true -> word = 0 }
#else
        :: atomic { true -> word = DRAINING }
#endif
        OR_DIE
        fi
    OR_DIE
    fi;
#endif
W3:
    if
#ifdef BUG_WRITES_AT_ONCE
    :: true
#else
    :: slot[0] == 0
    :: atomic {
        slot[0] != 0 ->
            if
            :: IS_DEAD(slot[0]) -> slot[0] = 0; goto W3
            :: else -> goto W5
            fi
        }
#endif
    OR_DIE
    fi;
#if SLOTS == 2 && !defined(BUG_WRITES_AT_ONCE)
W4:
    if
    :: slot[1] == 0
    :: atomic {
        slot[1] != 0 ->
            if
            :: IS_DEAD(slot[1]) -> slot[1] = 0; goto W4
            :: else -> goto W5
            fi
        }
    OR_DIE
    fi;
#endif
    /* None has come since. */
    if
#if defined(BUG_CLEARS_LATE) || defined(BUG_CLEARS_UNSEEN)
    :: atomic { true -> word = 0; goto W6 }
#else
    :: atomic { word == DRAINING -> word = 0; goto W6 }
    :: word != DRAINING && word != AGAIN -> goto W6
    :: word == AGAIN
#endif
    OR_DIE
    fi;
#ifdef BUG_MARKS_LATE
    if
    :: atomic { true -> word = DRAINING }
    OR_DIE
    fi;
#endif
W5:
    if
    :: atomic { !changed[me] -> asleep[me] = DRAIN }
    :: changed[me] -> goto W2
    OR_DIE
    fi;
    if
    :: asleep[me] == 0 -> goto W2
    :: atomic {
        asleep[me] != 0 && MAY_LOOK_AGAIN ->
            asleep[me] = 0;
            looked[me] = looked[me] + final;
            goto W2
        }
    OR_DIE
    fi;

W6: /* Write. */
    if
    :: atomic {
        true ->
            printf("%d: writes\n", me);
            assert(readers == 0 && !writing);
            writing = 1
        }
    OR_DIE
    fi;
    if
    :: atomic { true -> died = 0; damaged = 0 }
    :: true
    OR_DIE
    fi;
    if
    :: atomic {
        true ->
            printf("%d: has written\n", me);
            assert(readers == 0 && owner == me + 1);
            writing = 0;
            owner = 0
        }
    OR_DIE
    fi;
    if
    :: atomic { true -> d_step { change_sequence(READERS) } }
    OR_DIE
    fi;
    if
    :: atomic { true -> d_step { wake(READERS); forget() } goto idle }
    OR_DIE
    fi;

#ifdef KILLS
dead:
    atomic {
        printf("%d: dies\n", me);
        dying--;
        deaths = deaths + (KILLS < 9);
        d_step {
            if
            :: owner == me + 1 -> damaged = 1; writing = 0
            :: else
            fi;
            readers = readers - reads[me];
            reads[me] = 0;
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
