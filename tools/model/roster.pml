/* SPDX-License-Identifier: MIT */

/* The roster of src/data/roster.c, as a model for Spin: one seat.
 *
 * Processes join, leave, look at the seat and bury whom they find dead, and may
 * be killed before each step; another process comes in the place of a dead one,
 * whose number never comes again: it is the place and the life. Spin tries every
 * order of all their steps; a step is one operation on shared memory, or one
 * question to the kernel. check.sh, next to this file, runs every configuration.
 *
 *     PROCS=n     processes
 *     KILLS=n     how many are killed, at most; all places are taken again
 *     JOINS=n     how many members there are, at most: generations
 *
 * A watcher, with a read-only view, looks, and sleeps until it is woken, or, when
 * nothing else happens any more, until its 200 ms are over.
 *
 * Checked: a seat has one member at a time; at most one living process buries a
 * member, and it is dead; a dead member is buried once, and before the seat is
 * given again; in the end no dead process keeps the seat, and the watcher knows
 * of the last change.
 *
 * BUG_... are mistakes that the check must find.
 */

#ifndef PROCS
#define PROCS 2
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifndef JOINS
#define JOINS 3
#endif

#define me _pid
#define LIVES (KILLS + 1)
/* A process's number; 0 is none. */
#define NUMBER(i) (1 + (i) * LIVES + life[i])
#define IS_DEAD(n) \
    (!alive[((n) - 1) / LIVES] || life[((n) - 1) / LIVES] != ((n) - 1) % LIVES)

/* The seat. */
byte owner;
byte turn;       /* twice the generation, and 1 while there is a member */
byte undertaker;
byte changes;    /* the word on which watchers sleep, modulo 4 */

#define IS_TAKEN(t) ((t) % 2 == 1)

byte life[PROCS];
bit alive[PROCS] = 1;

/* What the checks remember. */
byte kills;
byte member;     /* the number of the member; 0: none */
byte burying;    /* the number of the living process that was told to bury */
bit forgotten;   /* a dead process has the seat for ever */
bit final;       /* no more deaths and calls, but for looking */
bit signalled;   /* the watcher was woken */

#define DIE goto dead
#define OR_DIE :: atomic { !final && kills < KILLS -> DIE }

active [PROCS] proctype process()
{
    byte saw, was, dug;

begin:
    atomic { true -> was = 0; dug = 0; saw = 0 }
end:
    if
    :: atomic { !final && turn / 2 < JOINS -> goto join }
    /* In the end only one that finds something to do looks. */
    :: (!final && (turn != 0 || owner != 0)) ||
       (final && owner != 0 && IS_DEAD(owner)) -> goto look
    OR_DIE
    fi;

join:
    if
    :: atomic { true -> saw = owner }
    OR_DIE
    fi;
    if
    :: saw == 0
#ifndef BUG_DEATH_LOST
    :: atomic { saw != 0 && IS_DEAD(saw) } ->
        if
        :: atomic { true -> was = turn }
        OR_DIE
        fi;
#ifndef BUG_GIVEN_UNBURIED
        if
        :: IS_TAKEN(was) -> goto begin
        :: else
        fi
#endif
#endif
    :: atomic { saw != 0 && !IS_DEAD(saw) -> goto begin }
#ifdef BUG_DEATH_LOST
    :: atomic { saw != 0 && IS_DEAD(saw) -> goto begin }
#endif
    OR_DIE
    fi;
    if
    :: atomic { owner == saw -> owner = NUMBER(me) }
    :: atomic { owner != saw -> goto begin }
    OR_DIE
    fi;
    /* Become a member. */
    if
    :: atomic { true ->
        assert(member == 0); /* the last one left or was buried */
        assert(owner == NUMBER(me));
        turn = (turn / 2 + 1) * 2 + 1;
        member = NUMBER(me) }
    OR_DIE
    fi;
    if
    :: atomic { true -> changes = (changes + 1) % 4; signalled = 1 }
    OR_DIE
    fi;

    /* Stay for ever, or leave. */
    if
    :: atomic { !final -> goto leave }
    :: final -> goto stay
    OR_DIE
    fi;

leave:
    if
    :: atomic { true ->
        assert(IS_TAKEN(turn) && member == NUMBER(me));
        turn = turn - 1;
        member = 0 }
    OR_DIE
    fi;
    if
    :: atomic { true ->
        if
        :: owner == NUMBER(me) -> owner = 0
        :: else
        fi }
    OR_DIE
    fi;
    if
    :: atomic { true -> changes = (changes + 1) % 4; signalled = 1 }
        goto begin
    OR_DIE
    fi;

    /* Look for a dead member. */
look:
    if
    :: atomic { true -> was = turn }
    OR_DIE
    fi;
    if
    :: atomic { true -> saw = owner }
    OR_DIE
    fi;
    if
    :: !IS_TAKEN(was) ->
        /* In the end somebody has to free what a dead one that is no member
         * keeps: one that joins. */
        if
        :: atomic { final && owner != 0 && IS_DEAD(owner) && !IS_TAKEN(turn) ->
#ifdef BUG_DEATH_LOST
            forgotten = 1;
            assert(!forgotten);
#endif
            owner = 0 }
        :: else
        fi;
        goto begin
    :: IS_TAKEN(was)
    OR_DIE
    fi;
    if
    :: atomic { true -> dug = undertaker }
    OR_DIE
    fi;
    if
    :: atomic { was != turn || saw == 0 || !IS_DEAD(saw) -> goto begin }
    :: atomic { was == turn && saw != 0 && IS_DEAD(saw) }
    OR_DIE
    fi;
    if
    :: dug == 0
#ifndef BUG_UNDERTAKER_LOST
    :: atomic { dug != 0 && IS_DEAD(dug) }
#endif
#ifdef BUG_UNDERTAKER_LOST
    :: atomic { dug != 0 ->
        forgotten = final && IS_DEAD(dug) && undertaker == dug;
        assert(!forgotten);
        goto begin }
#else
    :: atomic { dug != 0 && !IS_DEAD(dug) -> goto begin }
#endif
    OR_DIE
    fi;
    if
#ifdef BUG_TWO_UNDERTAKERS
    :: atomic { true -> undertaker = NUMBER(me) }
#else
    :: atomic { undertaker == dug -> undertaker = NUMBER(me) }
    :: atomic { undertaker != dug -> goto begin }
#endif
    OR_DIE
    fi;
    /* Another may have buried it meanwhile. */
    if
#ifndef BUG_NO_SECOND_LOOK
    :: atomic { turn != was -> undertaker = 0; goto begin }
    :: atomic { turn == was ->
#else
    :: atomic { true ->
#endif
        assert(burying == 0 || IS_DEAD(burying)); /* one undertaker */
        assert(member != 0 && IS_DEAD(member));
        burying = NUMBER(me) }
    OR_DIE
    fi;
    /* The repair; then the end of the burial. */
    if
    :: atomic { true ->
        assert(turn == was && undertaker == NUMBER(me));
        turn = turn - 1;
        member = 0;
        burying = 0 }
    OR_DIE
    fi;
    if
    :: atomic { true ->
        if
        :: undertaker == NUMBER(me) -> undertaker = 0
        :: else
        fi }
    OR_DIE
    fi;
    if
    :: atomic { true ->
        if
        :: owner == saw -> owner = 0
        :: else
        fi }
    OR_DIE
    fi;
    if
    :: atomic { true -> changes = (changes + 1) % 4; signalled = 1 }
        goto begin
    OR_DIE
    fi;

dead:
    atomic {
        kills++;
        alive[me] = 0;
        saw = 0; was = 0; dug = 0
    }
    /* Another process comes. */
    atomic {
        true ->
            life[me]++;
            alive[me] = 1
    }
    goto begin;

stay:
end_stay:
    false
}

/* The watcher, and, in the end, the 200 ms. What it knows: the turn, and whether
 * its member was dead. */
#define STANDING (turn * 2 + (IS_TAKEN(turn) && owner != 0 && IS_DEAD(owner)))

byte knows;

active proctype watcher()
{
    byte seen, found;

look:
    atomic { true -> seen = changes; signalled = 0 }
    atomic { true -> found = STANDING }
    if
    :: atomic { found != knows -> knows = found; goto look }
    :: found == knows
    fi;
    /* Sleep. */
end_sleep:
    if
    :: changes != seen -> goto look
    :: signalled -> goto look
#ifndef BUG_NO_SLICES
    :: atomic { STANDING != knows -> goto look } /* the 200 ms are over */
#endif
    fi
}

/* At some moment there are no deaths and no new calls any more; then whoever
 * lives goes on looking. */
active proctype curtain()
{
    final = 1;
    /* When nothing can be done any more, nothing may be left to do. */
    timeout ->
    forgotten = owner != 0 && IS_DEAD(owner);
    assert(!forgotten);
    assert(knows == STANDING)
}
