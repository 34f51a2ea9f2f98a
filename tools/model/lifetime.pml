/* SPDX-License-Identifier: MIT */

/* The life of a named region on POSIX systems, as a model for Spin.
 *
 * A few processes create, open, reap and close regions of one name, without
 * end, and each may be killed before each of its steps. Spin tries every
 * order of all their steps. docs/lifetime.md explains the protocol and what is
 * proved; check.sh next to this file runs every configuration.
 *
 * What a step is. Between two steps of one process, any other process may do
 * any number of its own. A step is one system call that others can notice
 * (open by name, ask for or take a lock, link, unlink, change the mode, drop a
 * description), together with the computing after it. Closing a description
 * that carries no lock is noticed by nobody, and is part of the step before.
 *
 * Configuration (compile-time switches):
 *
 *     PROCS       2 or 3 processes; 3 is the default
 *     KILLS       a process may be killed before each of its steps
 *     FORK        a holder may fork, and any other process too, as a second
 *                 thread would; the child shares the open descriptions
 *     RAW         a stranger makes a hard link of the region, once, any time
 *     STRANGER    the last process is another user's: it may open the region
 *                 for writing, but not unlink it
 *     FAST        close with the "leaving" lock, else the plain close
 *
 * and the mistakes BUG_..., each of which the checker must find.
 */

/* The process that does the step. */
#define me _pid

#ifndef PROCS
#define PROCS 3
#endif

#ifdef KILLS
#define KILLED !final
#else
#define KILLED false
#endif

#ifdef STRANGER
#define PERMITTED(p) ((p) != PROCS - 1)
#else
#define PERMITTED(p) true
#endif

/* ---- The system: one name, inodes, open file descriptions -------------- */

#define INODES 8 /* two per process, the one under the name, the linked one */
#define DESCRIPTIONS 6

/* Lock on byte 0 of an inode. */
#define NONE 0
#define RD 1 /* the mark of a holder */
#define WR 2 /* the exclusive step */

/* Mode of an inode. */
#define LIVE 1      /* made by shmap */
#define CONDEMNED 2 /* made by shmap, and somebody began to remove it */

byte name; /* the inode under the name; 0: there is none */
byte raw;  /* the inode that the stranger's hard link means; 0: none */

byte mode[INODES + 1];

/* Open file descriptions, numbered from 1. */
byte inode[DESCRIPTIONS + 1];
byte lock[DESCRIPTIONS + 1];    /* on byte 0 */
bit leaving[DESCRIPTIONS + 1];  /* write lock on byte 1 */
byte users[DESCRIPTIONS + 1];   /* processes that have it; 0: it is free */

/* Each process has its region's description, and a fresh one for questions
 * and for the exclusive step. 0: none. */
byte own[PROCS];
byte fresh[PROCS];

#define HAS(k, what, i) (inode[k] == (i) && lock[k] == (what))
#define LOCKED(what, i)                                       \
    (HAS(1, what, i) || HAS(2, what, i) || HAS(3, what, i) || \
     HAS(4, what, i) || HAS(5, what, i) || HAS(6, what, i))

/* What F_OFD_GETLK tells through description d: locks of the others. */
#define OTHER(k, what, d) ((d) != k && HAS(k, what, inode[d]))
#define SEES(what, d)                                            \
    (OTHER(1, what, d) || OTHER(2, what, d) || OTHER(3, what, d) || \
     OTHER(4, what, d) || OTHER(5, what, d) || OTHER(6, what, d))

#define LEAVER(k, d) ((d) != k && inode[k] == inode[d] && leaving[k])
#define SEES_LEAVING(d)                              \
    (LEAVER(1, d) || LEAVER(2, d) || LEAVER(3, d) || \
     LEAVER(4, d) || LEAVER(5, d) || LEAVER(6, d))

#define OPENED(i)                                                   \
    (inode[1] == (i) || inode[2] == (i) || inode[3] == (i) ||       \
     inode[4] == (i) || inode[5] == (i) || inode[6] == (i))

#define LINKED(i) (name == (i) || raw == (i))

/* ---- What the checks remember; the protocol does not look at it -------- */

/* Sets of processes, one bit each. */
byte holds;     /* completed a create or open, and did not begin to let go */
byte throughout; /* in a call since whose beginning the name's region was
                    held all the time */
byte met;       /* in a call since whose beginning the name's region was held
                   at some moment */
byte seen;      /* in an open, and the inode it has opened was held at some
                   moment since it opened it */
#define BIT(p) (1 << (p))
#define IN(set, p) (((set) & BIT(p)) != 0)
#define PUT(set, p) set = set | BIT(p)
#define CUT(set, p) set = set & ~BIT(p)

bit held;    /* the name's region is held. An opener that has marked it counts
                if it met a holder: see docs/lifetime.md. */
bit excused; /* the name's region may be left over: somebody was killed */

#define HOLDER_OF(p, i) (IN(holds, p) && own[p] != 0 && inode[own[p]] == (i))
#if PROCS == 3
#define HELD_BY_SOMEBODY(i) (HOLDER_OF(0, i) || HOLDER_OF(1, i) || HOLDER_OF(2, i))
#else
#define HELD_BY_SOMEBODY(i) (HOLDER_OF(0, i) || HOLDER_OF(1, i))
#endif

#define OWES(d)                                                       \
    ((d) != 0 && inode[d] == name && (lock[d] != NONE || leaving[d]))

/* Where a process is. */
#define BUSY 0  /* in a call, or a holder */
#define IDLE 1
#define CHILD 2 /* forked in the middle of a call: it only keeps descriptions */
byte at[PROCS] = IDLE;

bit final;  /* no kills and no new calls any more: everybody finishes */
bit last;   /* everybody has; process 0 makes a last create and close */

#if PROCS == 3
#define ALL(what) (at[0] == what && at[1] == what && at[2] == what)
#define NOBODY_BUSY (at[0] != BUSY && at[1] != BUSY && at[2] != BUSY)
#else
#define ALL(what) (at[0] == what && at[1] == what)
#define NOBODY_BUSY (at[0] != BUSY && at[1] != BUSY)
#endif

/* Callers of reap. */
#define OPENING 1
#define CREATING 2
#define CLOSING 3
#define REAPING 4

/* Timing of the fast close. */
byte window;         /* processes between their leaving lock and the moment
                        at which they look at the clock */
byte delayed;        /* those of them that will find themselves too slow */
byte before[PROCS];  /* per slow closer: whose windows had begun when it
                        dropped its description */

/* Scratch; 0 between steps. */
byte x, k;
byte to[INODES + 1], mode_[INODES + 1];
byte inode_[DESCRIPTIONS + 1], lock_[DESCRIPTIONS + 1];
byte leaving_[DESCRIPTIONS + 1], users_[DESCRIPTIONS + 1];

/* ---- System calls ------------------------------------------------------ */

/* The name's region is no longer held when its last mark goes. */
inline settle()
{
    if
#ifdef STRICT
    :: held && !HELD_BY_SOMEBODY(name) -> held = 0; throughout = 0
#else
    :: held && !LOCKED(RD, name) -> held = 0; throughout = 0
#endif
    :: else
    fi
}

/* The name's region is held from now on. */
inline becomes_held()
{
    held = 1;
    met = BIT(PROCS) - 1;
    for (k : 0 .. PROCS - 1) {
        if
        :: own[k] != 0 && inode[own[k]] == name -> PUT(seen, k)
        :: else
        fi
    }
    k = 0
}

/* Only equality of numbers matters. To have fewer states that are the same but
 * for the numbers, descriptions are numbered in the order of the processes
 * that have them, and inodes in the order of these. */
inline renumber_description(d)
{
    if
    :: d != 0 && to[d] == 0 ->
        x++;
        to[d] = x;
        inode_[x] = inode[d];
        lock_[x] = lock[d];
        leaving_[x] = leaving[d];
        users_[x] = users[d];
        d = x
    :: else -> d = to[d]
    fi
}

inline renumber_inode(i)
{
    if
    :: i != 0 && to[i] == 0 ->
        x++;
        to[i] = x;
        mode_[x] = mode[i];
        i = x
    :: else -> i = to[i]
    fi
}

inline renumber()
{
    x = 0;
    for (k : 0 .. PROCS - 1) {
        renumber_description(own[k]);
        renumber_description(fresh[k])
    }
    x = 0;
    for (k : 1 .. DESCRIPTIONS) {
        inode[k] = inode_[k];
        lock[k] = lock_[k];
        leaving[k] = leaving_[k];
        users[k] = users_[k];
        inode_[k] = 0;
        lock_[k] = 0;
        leaving_[k] = 0;
        users_[k] = 0;
        to[k] = 0
    }
    renumber_inode(name);
#ifdef RAW
    renumber_inode(raw);
#endif
    for (k : 1 .. DESCRIPTIONS) {
        renumber_inode(inode[k])
    }
    x = 0;
    for (k : 1 .. INODES) {
        mode[k] = mode_[k];
        mode_[k] = 0;
        to[k] = 0
    }
    k = 0
}

/* d becomes a new description of inode i. */
inline describe(d, i)
{
    d = 1;
    do
    :: users[d] != 0 -> d++
    :: else -> break
    od;
    users[d] = 1;
    inode[d] = i;
    renumber()
}

/* close(): the locks go when nobody else has the description. */
inline drop(d)
{
    d_step {
        if
        :: d != 0 ->
            users[d]--;
            if
            :: users[d] == 0 ->
                inode[d] = 0;
                lock[d] = NONE;
                leaving[d] = 0;
                settle()
            :: else
            fi;
            d = 0;
            renumber()
        :: else
        fi
    }
}

/* ---- Answers ----------------------------------------------------------- */

/* A call begins. */
inline begin()
{
    at[me] = BUSY;
    if
    :: held -> PUT(throughout, me); PUT(met, me)
    :: else -> CUT(throughout, me); CUT(met, me)
    fi
}

inline forget()
{
    CUT(throughout, me);
    CUT(met, me);
    CUT(seen, me);
    caller = 0
}

/* P1: when nobody does or holds anything, the name is free, unless somebody
 * was killed who held a lock on this region or was about to look after it. */
inline finished()
{
    d_step {
        forget();
        at[me] = IDLE;
        assert(!(ALL(IDLE) && name != 0 && !excused));
        assert(!(ALL(IDLE) && name != 0 && last))
    }
}

/* P1: nobody is told "no such region" while one was held all the time. */
inline answer_missing()
{
    assert(!IN(throughout, me))
}

/* P1: nobody is told "exists" while none was held at any time. */
inline answer_exists()
{
    assert(IN(met, me));
    assert(!last)
}

/* A create or open succeeded: the name means this region. */
inline answer_held()
{
    assert(name == inode[own[me]]);
    assert(mode[name] == LIVE);
    PUT(holds, me);
    becomes_held();
    forget()
}

/* Killed: the system closes all descriptors. */
inline die()
{
    d_step {
        if
        :: name != 0 && (caller == CLOSING || OWES(own[me]) || OWES(fresh[me]))
            -> excused = 1
        :: else
        fi;
        CUT(holds, me);
        CUT(window, me);
        CUT(delayed, me);
        before[me] = 0;
        got = 0;
        fast = 0
    }
    drop(own[me]);
    drop(fresh[me]);
    finished()
}

/* A holder begins to drop its description. The last holder may be one who may
 * not remove the name; the region is then left over. */
inline let_go()
{
    CUT(holds, me);
    caller = CLOSING;
    if
    :: !PERMITTED(me) && !SEES(RD, own[me]) -> excused = 1
    :: else
    fi
}

/* A closer has looked at the clock. */
inline leave_window()
{
    CUT(window, me);
    CUT(delayed, me);
    got = 0;
    fast = 0;
    for (k : 0 .. PROCS - 1) {
        CUT(before[k], me)
    }
    k = 0
}

/* fork(): an idle process becomes a child of p. The child of a holder is one
 * too, and may close. A child forked by another thread while p opens or
 * creates knows nothing of that, and keeps the description until it ends. Fork
 * is kept out of the time in which p has a fresh description. */
#ifdef BUG_FORK_ANY_TIME
#define MAY_FORK(p) (own[p] != 0 || fresh[p] != 0)
#else
#define MAY_FORK(p) (own[p] != 0 && fresh[p] == 0)
#endif

inline inherit(p)
{
    own[me] = own[p];
    users[own[me]] = users[own[me]] + (own[me] != 0);
    fresh[me] = fresh[p];
    users[fresh[me]] = users[fresh[me]] + (fresh[me] != 0);
    renumber()
}

#define FORKED(p)                                            \
    :: atomic {                                              \
        !final && at[p] == BUSY && IN(holds, p) ->           \
            d_step { inherit(p); at[me] = BUSY; PUT(holds, me) } \
            goto holding                                     \
        }                                                    \
    :: atomic {                                              \
        !final && at[p] == BUSY && !IN(holds, p) && MAY_FORK(p) -> \
            d_step { inherit(p); at[me] = CHILD }            \
            goto child                                       \
        }

#define OR_DIE :: atomic { KILLED -> die(); goto idle }

/* ---- The protocol ------------------------------------------------------ */

active [PROCS] proctype process()
{
    byte caller; /* of reap */
    bit got;     /* the leaving lock was free */
    bit fast;    /* somebody else holds the region */

end_idle:
idle:
    if
    :: atomic { !final -> d_step { begin() } goto O1 }
    :: atomic { !final -> d_step { begin() } goto C1 }
    :: atomic { !final -> d_step { begin(); caller = REAPING } goto R1 }
#ifdef FORK
    FORKED(0)
    FORKED(1)
#if PROCS == 3
    FORKED(2)
#endif
#endif
    :: atomic {
        final && me == 0 && !last && ALL(IDLE) ->
            d_step { last = 1; begin() }
            goto C1
        }
    fi;

/* open(name) */
O1: /* Open by name. */
    if
    :: atomic { name == 0 -> answer_missing(); finished(); goto idle }
    :: atomic {
        name != 0 ->
        d_step {
            describe(own[me], name);
            if
            :: held -> PUT(seen, me)
            :: else -> CUT(seen, me)
            fi
        }
#ifdef BUG_MARK_FIRST
        goto O3
#endif
        }
    OR_DIE
    fi;

O2: /* Ask: does anybody hold it? */
    if
#ifdef BUG_ONE_LOCK
    :: atomic { SEES(RD, own[me]) || SEES(WR, own[me]) -> goto O3 }
#else
    :: atomic { SEES(RD, own[me]) -> goto O3 }
    :: atomic {
        /* Somebody removes it: start over. To start over while the name still
         * means this inode leads back here, so that need not be done. */
        SEES(WR, own[me]) && (name != inode[own[me]] || IN(seen, me)) ->
            drop(own[me]);
            goto O1
        }
#endif
    :: atomic {
        /* A leftover. */
        !SEES(RD, own[me]) && !SEES(WR, own[me]) ->
            drop(own[me]);
            caller = OPENING;
            goto R1
        }
    OR_DIE
    fi;

O3: /* Mark it. */
    if
    :: atomic {
        !SEES(WR, own[me]) ->
            d_step {
                lock[own[me]] = RD;
#ifndef STRICT
                if
                :: IN(seen, me) -> becomes_held()
                :: else
                fi
#endif
            }
#ifdef BUG_MARK_FIRST
            goto O3_ask
#endif
        }
#ifndef BUG_ONE_LOCK
    :: atomic { SEES(WR, own[me]) -> drop(own[me]); goto O1 }
#endif
    OR_DIE
    fi;

O4: /* Look whether it was removed before it was marked. */
    if
    :: atomic {
#ifdef BUG_NO_VERIFY
        true ->
#else
        mode[inode[own[me]]] == LIVE ->
#endif
            /* P3: no dead bytes. */
            assert(IN(seen, me));
            d_step { answer_held() }
            goto holding
        }
#ifndef BUG_NO_VERIFY
    :: atomic {
        !(mode[inode[own[me]]] == LIVE) ->
            drop(own[me]);
            goto O1
        }
#endif
    OR_DIE
    fi;

#ifdef BUG_MARK_FIRST
O3_ask:
    if
    :: atomic { SEES(RD, own[me]) -> goto O4 }
    :: atomic {
        !SEES(RD, own[me]) -> drop(own[me]); caller = OPENING; goto R1
        }
    OR_DIE
    fi;
#endif

/* create(name) */
C1: /* A nameless file. Nobody knows it, so that marking it (C2) is the same
     * step. */
    if
    :: atomic {
        true ->
        d_step {
            x = 1;
            do
            :: OPENED(x) || LINKED(x) -> x++
            :: else -> break
            od;
            describe(own[me], x);
#ifndef BUG_LINK_FIRST
            lock[own[me]] = RD;
#endif
            x = 0
        }
        }
    OR_DIE
    fi;

C3: /* Give it the name. */
    if
    :: atomic {
        name == 0 ->
            answer_missing();
            d_step {
                name = inode[own[me]];
                mode[name] = LIVE;
                renumber();
#ifndef BUG_LINK_FIRST
                answer_held();
#endif
            }
#ifdef BUG_LINK_FIRST
            goto C3_mark
#else
            goto holding
#endif
        }
    :: atomic { name != 0 -> skip }
    OR_DIE
    fi;

C4: /* The name is taken: by a holder, or by a leftover? */
    if
    :: atomic { name == 0 -> goto C3 }
    :: atomic {
        name != 0 -> d_step { describe(fresh[me], name) }
        }
    OR_DIE
    fi;

C5: if
    :: atomic {
        SEES(RD, fresh[me]) ->
#ifdef BUG_EXISTS_UNVERIFIED
            answer_exists();
            drop(fresh[me]);
            drop(own[me]);
            finished();
            goto idle
#endif
        }
    :: atomic {
        SEES(WR, fresh[me]) && name != inode[fresh[me]] ->
            drop(fresh[me]);
            goto C3
        }
    :: atomic {
        !SEES(RD, fresh[me]) && !SEES(WR, fresh[me]) ->
            drop(fresh[me]);
            caller = CREATING;
            goto R1
        }
    OR_DIE
    fi;

#ifndef BUG_EXISTS_UNVERIFIED
C6: /* The mark may be of an opener that came too late and will find out. */
    if
    :: atomic {
        mode[inode[fresh[me]]] == LIVE ->
            answer_exists();
            drop(fresh[me]);
            drop(own[me]);
            finished();
            goto idle
        }
    :: atomic {
        !(mode[inode[fresh[me]]] == LIVE) ->
            drop(fresh[me]);
            goto C3
        }
    OR_DIE
    fi;
#endif

#ifdef BUG_LINK_FIRST
C3_mark:
    if
    :: atomic {
        !SEES(WR, own[me]) ->
            d_step { lock[own[me]] = RD; answer_held() }
            goto holding
        }
    OR_DIE
    fi;
#endif

#ifdef FORK
child: /* It ends when it likes, but nobody may have to wait for that. */
    if
    :: atomic { !final || NOBODY_BUSY -> die(); goto idle }
    fi;
#endif

holding: /* A holder does nothing until it closes. */
#ifndef FAST
/* close(), plain */
D1: /* Drop the description. */
    if
    :: atomic {
        true ->
#ifdef BUG_ASK_FIRST
            fast = SEES(RD, own[me]);
        }
    OR_DIE
    fi;
    if
    :: atomic {
        true ->
#endif
            d_step { let_go() }
            drop(own[me]);
#ifdef BUG_ASK_FIRST
            if
            :: fast -> fast = 0; finished(); goto idle
            :: else
            fi;
#endif
            goto R1
        }
    OR_DIE
    fi;
#else
/* close(), with the leaving lock */
L1: /* Take the leaving lock; a region that was opened for reading cannot. */
    if
    :: atomic {
        !SEES_LEAVING(own[me]) ->
            d_step { leaving[own[me]] = 1; got = 1; PUT(window, me) }
        }
    :: goto L3
    OR_DIE
    fi;

L2: /* Ask: does anybody else hold it? */
    if
    :: atomic { true -> fast = SEES(RD, own[me]) }
    OR_DIE
    fi;

L3: /* Drop the description, and both locks with it. */
    if
    :: atomic {
        true ->
            d_step { let_go(); before[me] = window & ~BIT(me) }
            drop(own[me])
        }
    OR_DIE
    fi;

    /* Look at the clock. */
    if
    :: atomic {
#ifdef BUG_NO_CLOCK
        got && fast ->
#else
        got && fast && !IN(delayed, me) ->
#endif
            d_step { leave_window(); before[me] = 0 }
            finished();
            goto idle
        }
    :: atomic {
#ifdef BUG_NO_CLOCK
        !(got && fast) ->
#else
        true ->
#endif
            d_step { leave_window() }
            goto R1
        }
    OR_DIE
    fi;
#endif

/* reap(name), and the second half of close() */
R1: /* Open by name, for writing. */
    if
    :: atomic { name == 0 -> goto R_missing }
    :: atomic {
        name != 0 && PERMITTED(me) ->
            d_step { describe(fresh[me], name) }
            if
            :: caller != CLOSING -> goto R2
            :: else
            fi
        }
    :: atomic { name != 0 && !PERMITTED(me) -> goto R_not_permitted }
    OR_DIE
    fi;

#ifdef FAST
#ifndef BUG_NO_LOOK
S2: /* Is somebody leaving who might count on us? Ask this first. */
    if
    :: atomic { !SEES_LEAVING(fresh[me]) -> skip }
    :: atomic {
        /* Wait. To ask again is the same as to ask later, unless the name
         * means something else by now. */
        SEES_LEAVING(fresh[me]) && name != inode[fresh[me]] ->
            drop(fresh[me]);
            goto R1
        }
    :: atomic {
        /* Waited long enough: whoever began before us takes longer than it
         * allows itself, and will look after the name as we do. */
        SEES_LEAVING(fresh[me]) -> delayed = delayed | (before[me] & window)
        }
    OR_DIE
    fi;
#endif
#endif

R1_ask: /* A closer leaves it to whoever has a lock. */
    if
    :: atomic {
        SEES(RD, fresh[me]) || SEES(WR, fresh[me]) ->
            drop(fresh[me]);
            goto R_held
        }
    :: atomic { !SEES(RD, fresh[me]) && !SEES(WR, fresh[me]) -> skip }
    OR_DIE
    fi;

R2: /* The exclusive step begins, if nobody has any lock. */
    if
    :: atomic {
        !SEES(RD, fresh[me]) && !SEES(WR, fresh[me]) -> lock[fresh[me]] = WR
        }
    :: atomic {
        SEES(RD, fresh[me]) || SEES(WR, fresh[me]) ->
            drop(fresh[me]);
            goto R_held
        }
    OR_DIE
    fi;

R3: /* Does the name still mean this inode? */
    if
#ifndef BUG_NO_RECHECK
    :: atomic {
        name != inode[fresh[me]] ->
            lock[fresh[me]] = NONE;
            drop(fresh[me]);
            goto R_missing
        }
#endif
    :: atomic {
#ifdef BUG_NO_RECHECK
        true ->
#else
        name == inode[fresh[me]] ->
#endif
#ifndef BUG_STRIP_LAST
            /* The mode tells late openers, also if a hard link keeps the
             * inode. It comes before the unlinking, because we may die in
             * between. */
            mode[inode[fresh[me]]] = CONDEMNED
#endif
        }
    OR_DIE
    fi;

R4: /* Unlink. */
    if
    :: atomic {
        true ->
            /* P2: nobody holds what is removed. */
            assert(name == 0 || !HELD_BY_SOMEBODY(name));
            d_step {
                if
                :: raw != name -> mode[name] = 0
                :: else
                fi;
                name = 0;
                held = 0;
                excused = 0;
                throughout = 0;
                seen = 0;
                renumber()
            }
        }
    OR_DIE
    fi;

#ifdef BUG_STRIP_LAST
R5: if
    :: atomic { true -> mode[inode[fresh[me]]] = CONDEMNED }
    OR_DIE
    fi;
#endif

R6: /* The exclusive step ends, by hand: a forked child may share it. */
    if
    :: atomic {
        true ->
            lock[fresh[me]] = NONE;
            drop(fresh[me]);
            goto R_removed
        }
    OR_DIE
    fi;

R_removed:
R_missing:
    atomic {
        if
        :: caller == OPENING -> answer_missing()
        :: caller == CREATING -> caller = 0; goto C3
        :: else
        fi;
        before[me] = 0;
        finished();
        goto idle
    }

R_held:
    atomic {
        if
        :: caller == OPENING -> caller = 0; goto O1
        :: caller == CREATING -> caller = 0; goto C3
        :: else
        fi;
        before[me] = 0;
        finished();
        goto idle
    }

R_not_permitted:
    atomic {
        if
        :: caller == OPENING -> answer_missing()
        :: caller == CREATING -> drop(own[me]) /* "another user's leftover" */
        :: else
        fi;
        before[me] = 0;
        finished();
        goto idle
    }
}

/* The stranger with the hard link. */
#ifdef RAW
active proctype stranger()
{
end:
    if
    :: atomic { !final && name != 0 -> raw = name }
    fi
}
#endif

/* At some moment the last calls have begun, and there are no more kills. */
active proctype curtain()
{
progress:
    final = true
}
