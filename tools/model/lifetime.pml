/* SPDX-License-Identifier: MIT */

/* The life of a named region on POSIX systems, as a model for Spin.
 *
 * A few processes create, open, reap and close regions of one name, without
 * end, and each may be killed before each of its steps. Spin tries every
 * order of all their steps. docs/lifetime.md explains the protocol and what is
 * proved; check.sh, next to this file, runs every configuration.
 *
 * What a step is: one system call that others can notice (open by name, ask
 * for a lock, take a lock, link, unlink, change the mode, drop a description
 * that carries a lock), together with the computing after it. Between two
 * steps of a process, the others may do any number of theirs. Closing a
 * description that carries no lock is noticed by nobody, and belongs to the
 * step before.
 *
 * Configurations (compile-time switches):
 *
 *     PROCS=n     2 or 3 processes
 *     KILLS       a process may be killed before each of its steps
 *     FORK        processes fork, at any moment at which the library lets them;
 *                 the child shares their open file descriptions
 *     RAW         some other program makes a hard link of the region, once
 *     RENAME      regions are made under a temporary name and renamed, as on
 *                 systems that refuse to link a nameless file
 *     STRANGER    the last process is another user's: it may open the region
 *                 for writing, but not remove the name. Nobody takes turns
 *                 with such a region.
 *     PLAIN       nobody takes turns at all
 *     PLANT       an attacker links another region of the same user, which it
 *                 holds and writes to, to the name, whenever that is free. The
 *                 region's stamp is that of its own name.
 *
 * BUG_... are mistakes that the check must find. STRICT is a reading of P3 that
 * does not hold; docs/lifetime.md says why that is right.
 */

/* The process that does the step. */
#define me _pid

#ifndef PROCS
#define PROCS 3
#endif

#ifdef KILLS
#define MAY_BE_KILLED !final
#else
#define MAY_BE_KILLED false
#endif

#ifdef STRANGER
#define MAY_REMOVE(p) ((p) != PROCS - 1)
#ifndef BUG_TURNS_WITH_STRANGERS
#define PLAIN
#endif
#else
#define MAY_REMOVE(p) true
#endif

/* ---- The system: one name, inodes, open file descriptions -------------- */

#define INODES 11      /* as many as can matter at once */
#define DESCRIPTIONS 6 /* two per process */

/* Lock on byte 0. */
#define NONE 0
#define RD 1 /* the mark of a holder */
#define WR 2 /* the exclusive step */

/* Lock on the whole file, which knows nothing of the other. */
#define SHARED 1
#define EXCLUSIVE 2

/* Mode of an inode that has a link. */
#define LIVE 1      /* a region of shmap's */
#define CONDEMNED 2 /* one that somebody began to remove */

byte name; /* inode under the name; 0: there is none */
byte raw;  /* inode that the other program's hard link means; 0: none */
#ifdef RENAME
byte temporary[PROCS]; /* inode under each process's temporary name */
#endif
byte mode[INODES + 1];

/* The other region, and the process, plus 1, that has the lock of one who
 * unlinks what was linked to the name. */
#ifdef PLANT
byte plant;
byte linker;
#define PLANTED(i) ((i) != 0 && (i) == plant)
#else
#define PLANTED(i) false
#endif

/* Open file descriptions. */
byte inode[DESCRIPTIONS + 1];
byte lock[DESCRIPTIONS + 1];    /* on byte 0 */
byte turn[DESCRIPTIONS + 1];    /* the lock on the whole file (flock) */
byte users[DESCRIPTIONS + 1];   /* processes that have it; 0: it is free */

/* Each process has its region's description, and a fresh one to look at what
 * has the name, and for the exclusive step. 0: none. */
byte own[PROCS];
byte fresh[PROCS];

#define HAS(d, what, i) (inode[d] == (i) && lock[d] == (what))
#define LOCKED(what, i)                                          \
    (HAS(1, what, i) || HAS(2, what, i) || HAS(3, what, i) ||    \
     HAS(4, what, i) || HAS(5, what, i) || HAS(6, what, i))

/* What asking through description d tells: the locks of all others. */
#define OTHER(k, what, d) ((d) != k && HAS(k, what, inode[d]))
#define SEES(what, d)                                               \
    (OTHER(1, what, d) || OTHER(2, what, d) || OTHER(3, what, d) || \
     OTHER(4, what, d) || OTHER(5, what, d) || OTHER(6, what, d) || \
     (what == RD && PLANTED(inode[d])))
#define SEES_NONE(d) (!SEES(RD, d) && !SEES(WR, d))

#define TAKES(k, what, d) ((d) != k && inode[k] == inode[d] && turn[k] >= what)
#define SEES_TURN(what, d)                                             \
    (TAKES(1, what, d) || TAKES(2, what, d) || TAKES(3, what, d) ||    \
     TAKES(4, what, d) || TAKES(5, what, d) || TAKES(6, what, d))

#define OPENED(i)                                             \
    (inode[1] == (i) || inode[2] == (i) || inode[3] == (i) || \
     inode[4] == (i) || inode[5] == (i) || inode[6] == (i))

/* What fstat tells through description d. Here, an inode without a link has no
 * mode. */
#define LIVES(d) (mode[inode[d]] == LIVE)
#define UNLINKED(d) (mode[inode[d]] == 0)

/* Inode under a path: 0 is the name, p + 1 the temporary name of process p. */
#ifdef RENAME
#define UNDER(path) (path == 0 -> name : temporary[path - 1])
#else
#define UNDER(path) name
#endif

/* ---- What the checks remember; the protocol never looks at it ---------- */

/* Sets of processes, one bit each. */
byte holds;      /* completed a create or open, and did not begin to close */
byte throughout; /* are in a call, and the name's region was held by somebody
                    all the time since the call began */
byte met;        /* are in a call, and the name's region was held by somebody
                    at some moment since the call began */
byte seen;       /* are in an open, and the region they have opened was held by
                    somebody at some moment since they opened it */
#define BIT(p) (1 << (p))
#define IN(set, p) (((set) & BIT(p)) != 0)
#define PUT(set, p) set = set | BIT(p)
#define CUT(set, p) set = set & ~BIT(p)

bit held;    /* somebody holds the name's region. An opener that has marked it
                counts if it met a holder: docs/lifetime.md, "Chains". */
bit excused; /* the name's region may be left over: somebody was killed who
                had a lock on it or was about to look after it */

/* What a process is doing. */
#define BUSY 0  /* in a call, or a holder */
#define IDLE 1
#define CHILD 2 /* forked in the middle of a call: it keeps descriptions, but
                   knows nothing of them */
byte at[PROCS] = IDLE;

bit final; /* no kills and no new calls any more: everybody closes */
bit last;  /* everybody has; process 0 does a last create and close */

#define HOLDS(p, i) (IN(holds, p) && own[p] != 0 && inode[own[p]] == (i))
#if PROCS == 3
#define ALL_IDLE (at[0] == IDLE && at[1] == IDLE && at[2] == IDLE)
#define NONE_BUSY (at[0] != BUSY && at[1] != BUSY && at[2] != BUSY)
#define SOMEBODY_HOLDS(i) (HOLDS(0, i) || HOLDS(1, i) || HOLDS(2, i))
#else
#define ALL_IDLE (at[0] == IDLE && at[1] == IDLE)
#define NONE_BUSY (at[0] != BUSY && at[1] != BUSY)
#define SOMEBODY_HOLDS(i) (HOLDS(0, i) || HOLDS(1, i))
#endif

/* Time, for those who take turns. */
byte window;        /* processes whose turn began and who have not looked at the
                       clock since */
byte delayed;       /* those of them that will find that they took too long */
byte before[PROCS]; /* per closer that waits: whose windows had begun when it
                       dropped its description */

/* Who runs reap. */
#define OPENING 1
#define CREATING 2
#define CLOSING 3
#define REAPING 4

/* Scratch; 0 between steps. */
byte x, k;
byte to[INODES + 1], mode_[INODES + 1];
byte inode_[DESCRIPTIONS + 1], lock_[DESCRIPTIONS + 1];
byte turn_[DESCRIPTIONS + 1], users_[DESCRIPTIONS + 1];

/* ---- Fewer states ------------------------------------------------------ */

/* Only the equality of numbers matters. So that states which differ in nothing
 * but numbers are one state, descriptions are numbered in the order of the
 * processes that have them, and inodes in the order of the names and
 * descriptions that mean them. */
inline renumber_description(d)
{
    if
    :: d != 0 && to[d] == 0 ->
        x++;
        to[d] = x;
        inode_[x] = inode[d];
        lock_[x] = lock[d];
        turn_[x] = turn[d];
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
    for (k : 1 .. DESCRIPTIONS) {
        inode[k] = inode_[k];
        lock[k] = lock_[k];
        turn[k] = turn_[k];
        users[k] = users_[k];
        inode_[k] = 0;
        lock_[k] = 0;
        turn_[k] = 0;
        users_[k] = 0;
        to[k] = 0
    }
    x = 0;
    renumber_inode(name);
#ifdef RAW
    renumber_inode(raw);
#endif
#ifdef PLANT
    renumber_inode(plant);
#endif
#ifdef RENAME
    for (k : 0 .. PROCS - 1) {
        renumber_inode(temporary[k])
    }
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

/* ---- System calls ------------------------------------------------------ */

/* The name's region ceases to be held with its last mark. */
inline settle()
{
    if
#ifdef STRICT
    :: held && !SOMEBODY_HOLDS(name) -> held = 0; throughout = 0
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

/* x becomes the number of an inode that is not used. */
inline new_inode()
{
    x = 1;
    do
    :: x == name || x == raw || PLANTED(x) || mode[x] != 0 || OPENED(x) -> x++
    :: else -> break
    od
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

/* close(d): its locks vanish, unless a forked child has it too. */
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
                turn[d] = 0;
                settle()
            :: else
            fi;
            d = 0;
            renumber()
        :: else
        fi
    }
}

/* linkat() of the nameless file, or rename of the temporary one, to the name,
 * which is free. */
inline give_name()
{
    name = inode[own[me]];
    mode[name] = LIVE;
#ifdef RENAME
    temporary[me] = 0;
#endif
    renumber()
}

/* unlink(). Who has an inode open that loses its last link sees that. */
inline unlink_path(path)
{
    x = UNDER(path);
    if
    :: path == 0 ->
        name = 0;
        held = 0;
        excused = 0;
        throughout = 0;
        seen = 0
    :: else
#ifdef RENAME
        -> temporary[path - 1] = 0
#endif
    fi;
    if
    :: raw != x && !PLANTED(x) -> mode[x] = 0
    :: else
    fi;
    renumber()
}

/* fork(): an idle process becomes a child of p. The child of a holder is a
 * holder and may close. A child that another thread forks while p creates or
 * opens knows nothing of that, and just keeps the description until it ends.
 * The library keeps fork out of the time in which it has a fresh description,
 * and out of turns. */
#ifdef BUG_FORK_ANY_TIME
#define LETS_FORK(p) (own[p] != 0 || fresh[p] != 0)
#else
#define LETS_FORK(p) (own[p] != 0 && fresh[p] == 0)
#endif

inline inherit(p)
{
    own[me] = own[p];
    fresh[me] = fresh[p];
    users[own[me]] = users[own[me]] + (own[me] != 0);
    users[fresh[me]] = users[fresh[me]] + (fresh[me] != 0);
    renumber()
}

#define FORKED(p)                                                         \
    :: atomic {                                                           \
        !final && at[p] == BUSY && IN(holds, p) && !IN(window, p) ->      \
            printf("%d: is forked by holder %d\n", me, p);                \
            d_step { inherit(p); at[me] = BUSY; PUT(holds, me) }          \
            goto holding                                                  \
        }                                                                 \
    :: atomic {                                                           \
        !final && at[p] == BUSY && !IN(holds, p) && LETS_FORK(p) ->       \
            printf("%d: is forked by a thread of %d, in a call\n", me, p); \
            d_step { inherit(p); at[me] = CHILD }                         \
            goto child                                                    \
        }

/* ---- Beginnings, answers, ends ----------------------------------------- */

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
    caller = 0;
    path = 0
}

/* P1: when nobody does or holds anything, the name is free, unless a kill
 * excuses it, and always at the very end. */
inline finished()
{
    d_step {
        forget();
        before[me] = 0;
        at[me] = IDLE;
        assert(!ALL_IDLE || name == 0 || (excused && !last))
    }
}

/* P1: nobody is told "missing", nor creates another region, while one region
 * was held all the time. */
inline answer_missing()
{
    printf("%d: answers: missing\n", me);
    assert(!IN(throughout, me))
}

/* P1: nobody is told "exists" while none was held at any time. After the end
 * of all, a create succeeds. */
inline answer_exists()
{
    printf("%d: answers: exists\n", me);
    assert(IN(met, me));
    assert(!last)
}

/* P9: nothing that somebody linked to the name is opened.
 *
 * P3: an open found a region that was held by somebody during the open; and
 * the name means it now. P2 and this together are: as long as anybody holds a
 * region, the name means it, and all holders hold the same. */
inline answer_opened()
{
    printf("%d: answers: opened\n", me);
    assert(!PLANTED(inode[own[me]]));
    assert(IN(seen, me));
    assert(name == inode[own[me]]);
    d_step {
        PUT(holds, me);
        becomes_held();
        forget()
    }
}

/* A create that succeeds is the only one: nobody holds anything. */
inline answer_created()
{
    printf("%d: answers: created\n", me);
    assert(holds == 0);
    d_step {
        PUT(holds, me);
        becomes_held();
        forget()
    }
}

/* A create that failed removes what it made. */
inline discard()
{
#ifdef RENAME
    d_step {
        if
        :: temporary[me] != 0 -> unlink_path(me + 1)
        :: else
        fi
    }
#endif
    drop(own[me])
}

/* A holder begins to drop its description. If the last one may not remove the
 * name, the region is left over, and that is as promised. */
inline let_go()
{
    CUT(holds, me);
    caller = CLOSING;
    if
    :: !MAY_REMOVE(me) && !SEES(RD, own[me]) -> excused = 1
    :: else
    fi
}

/* A closer has looked at the clock. */
inline end_window()
{
    CUT(window, me);
    CUT(delayed, me);
    got = 0;
    other = 0;
    for (k : 0 .. PROCS - 1) {
        CUT(before[k], me)
    }
    k = 0
}

/* The end without closing: the system closes all descriptors. */
#define OWES(d) \
    ((d) != 0 && inode[d] == name && (lock[d] != NONE || turn[d] != 0))

inline die()
{
    d_step {
        printf("%d: ends without closing\n", me);
        if
        :: name != 0 &&
            (caller == CLOSING || OWES(own[me]) || OWES(fresh[me])) ->
            excused = 1
        :: else
        fi;
        CUT(holds, me);
#ifdef PLANT
        if
        :: linker == me + 1 -> linker = 0
        :: else
        fi;
#endif
        end_window()
    }
    drop(own[me]);
    drop(fresh[me]);
    finished()
}

#define REAP_TEMPORARY(p)                                              \
    :: atomic {                                                        \
        !final && temporary[p] != 0 ->                                 \
            d_step { begin(); caller = REAPING; path = p + 1 } goto R1 \
        }

#define OR_DIE :: atomic { MAY_BE_KILLED -> die(); goto idle }

/* ---- The protocol ------------------------------------------------------ */

active [PROCS] proctype process()
{
    byte caller; /* who runs reap */
    byte path;   /* what it reaps */
    bit got;     /* the closer has its turn */
    bit other;   /* the closer saw another holder */

end_idle:
idle:
    if
    :: atomic { !final -> d_step { begin() } goto O1 }
    :: atomic { !final -> d_step { begin() } goto C1 }
    :: atomic { !final -> d_step { begin(); caller = REAPING } goto R1 }
#ifdef RENAME
    REAP_TEMPORARY(0)
    REAP_TEMPORARY(1)
#if PROCS == 3
    REAP_TEMPORARY(2)
#endif
#endif
#ifdef FORK
    FORKED(0)
    FORKED(1)
#if PROCS == 3
    FORKED(2)
#endif
#endif
    :: atomic {
        final && !last && me == 0 && ALL_IDLE ->
            d_step { last = 1; begin() }
            goto C1
        }
    fi;

    /* ---- open(name) */

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
            printf("%d: open: opens inode %d\n", me, inode[own[me]]);
#ifdef BUG_MARK_FIRST
            goto O3
#endif
        }
    OR_DIE
    fi;

O2: /* Ask: does anybody hold it? */
    if
#ifdef BUG_ONE_LOCK
    :: atomic { !SEES_NONE(own[me]) -> goto O3 }
#else
#if defined(PLANT) && !defined(BUG_NO_PROOF)
    :: atomic {
        PLANTED(inode[own[me]]) ->
            printf("%d: open: sees another name's stamp\n", me);
            drop(own[me]);
            caller = OPENING;
            goto K1
        }
    :: atomic {
        SEES(RD, own[me]) && !PLANTED(inode[own[me]]) ->
            printf("%d: open: sees a mark\n", me);
            goto O3
        }
#else
    :: atomic {
        SEES(RD, own[me]) ->
            printf("%d: open: sees a mark\n", me);
            goto O3
        }
#endif
    :: atomic {
        /* Somebody is removing it: start over. While the name still means
         * this inode that would only lead back here, so it need not be
         * done. */
        SEES(WR, own[me]) && (name != inode[own[me]] || IN(seen, me)) ->
            drop(own[me]);
            goto O1
        }
#endif
    :: atomic {
        SEES_NONE(own[me]) ->
            /* It looked before, at what it had just opened. */
            printf("%d: open: sees no lock\n", me);
            drop(own[me]);
            goto O_leftover
        }
    OR_DIE
    fi;

O3: /* Mark it. */
    if
    :: atomic {
        !SEES(WR, own[me]) ->
            printf("%d: open: marks inode %d\n", me, inode[own[me]]);
            d_step {
                lock[own[me]] = RD;
#ifndef STRICT
                if
                :: IN(seen, me) && LIVES(own[me]) -> becomes_held()
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

O4: /* Look: did its removal begin before it was marked? */
    if
#ifdef BUG_NO_VERIFY
    :: atomic { answer_opened(); goto holding }
#else
    :: atomic { LIVES(own[me]) -> answer_opened(); goto holding }
    :: atomic {
        !LIVES(own[me]) ->
            printf("%d: open: it was removed before\n", me);
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
    :: atomic { !SEES(RD, own[me]) -> drop(own[me]); goto O_leftover }
    OR_DIE
    fi;
#endif

O_leftover:
    atomic { caller = OPENING; goto R1 }

    /* ---- create(name) */

#ifndef RENAME
C1: /* A nameless file. Nobody else can reach it, so marking it (C2) needs no
     * step of its own. */
    if
    :: atomic {
        true ->
            d_step {
                new_inode();
                describe(own[me], x);
#ifndef BUG_LINK_FIRST
                lock[own[me]] = RD
#endif
            }
        }
    OR_DIE
    fi;
#else
C1: /* A file with a temporary name, which others can find and reap. What a
     * killed predecessor left under another temporary name plays no part. */
    if
    :: atomic {
        true ->
            d_step {
                if
                :: temporary[me] != 0 -> unlink_path(me + 1)
                :: else
                fi;
                new_inode();
                temporary[me] = x;
                mode[x] = LIVE;
                describe(own[me], x)
            }
            printf("%d: create: makes inode %d\n", me, inode[own[me]])
        }
    OR_DIE
    fi;

C2: /* Mark it. */
    if
    :: atomic {
        !SEES(WR, own[me]) ->
            printf("%d: create: marks inode %d\n", me, inode[own[me]]);
            lock[own[me]] = RD
        }
    :: atomic { SEES(WR, own[me]) -> goto C_discard }
    OR_DIE
    fi;

    /* Look: is it still there? One that was condemned is not, when marked in
     * time: its reaper died. */
    if
    :: atomic { !UNLINKED(own[me]) -> mode[inode[own[me]]] = LIVE; goto C3 }
    :: atomic { UNLINKED(own[me]) -> goto C_discard }
    OR_DIE
    fi;

C_discard:
    atomic {
        discard();
        goto C1
    }
#endif

C3: /* Give it the name. */
    if
    :: atomic {
        name == 0 ->
            d_step { give_name() }
            printf("%d: create: links inode %d\n", me, name);
            assert(!IN(throughout, me));
#ifdef BUG_LINK_FIRST
            goto C3_mark;
#endif
            answer_created();
            goto holding
        }
    :: name != 0
    OR_DIE
    fi;

C4: /* The name is taken. By a leftover? */
    if
    :: atomic { name == 0 -> goto C3 }
    :: atomic {
        name != 0 ->
            d_step { describe(fresh[me], name) }
            printf("%d: create: opens inode %d\n", me, inode[fresh[me]])
        }
    OR_DIE
    fi;

C5: /* Ask: does anybody hold it? From here, a new attempt begins with a new
     * look, until the name is free. */
    if
#ifdef PLANT
    :: atomic {
        PLANTED(inode[fresh[me]]) ->
            printf("%d: create: sees another name's stamp\n", me);
            drop(fresh[me]);
            caller = CREATING;
            goto K1
        }
#endif
    :: atomic {
        SEES(RD, fresh[me]) && !PLANTED(inode[fresh[me]]) ->
            printf("%d: create: sees a mark\n", me);
#ifdef BUG_EXISTS_UNVERIFIED
            goto C_exists
#endif
        }
    :: atomic {
        /* As at O2. */
        SEES(WR, fresh[me]) && name != inode[fresh[me]] ->
            drop(fresh[me]);
            goto C4
        }
    :: atomic {
        SEES_NONE(fresh[me]) ->
            printf("%d: create: sees no lock\n", me);
            drop(fresh[me]);
            caller = CREATING;
            goto R1
        }
    OR_DIE
    fi;

C6: /* Look: or is it the mark of an opener who comes too late? */
    if
    :: atomic { LIVES(fresh[me]) -> goto C_exists }
    :: atomic { !LIVES(fresh[me]) -> drop(fresh[me]); goto C4 }
    OR_DIE
    fi;

C_exists:
    atomic {
        answer_exists();
        drop(fresh[me]);
        discard();
        finished();
        goto idle
    }

#ifdef BUG_LINK_FIRST
C3_mark:
    if
    :: atomic {
        !SEES(WR, own[me]) ->
            d_step { lock[own[me]] = RD }
            answer_created();
            assert(name == inode[own[me]]);
            goto holding
        }
    OR_DIE
    fi;
#endif

    /* ---- A child that was forked in the middle of a call */

#ifdef FORK
child: /* It ends when it likes. Nobody may depend on that. */
    if
    :: atomic { !final || NONE_BUSY -> die(); goto idle }
    fi;
#endif

    /* ---- close(). A holder does nothing until then. */

holding:
#ifdef PLAIN

#ifdef BUG_ASK_FIRST
    if
    :: atomic { true -> other = SEES(RD, own[me]) }
    OR_DIE
    fi;
#endif
#ifdef BUG_UNLOCK_BY_HAND
    if
    :: atomic {
        true ->
            printf("%d: close: unlocks its mark\n", me);
            d_step { let_go(); lock[own[me]] = NONE; settle() }
        }
    OR_DIE
    fi;
#endif

D1: /* Drop the description; with it goes the mark, if nobody shares it. */
    if
    :: atomic {
        true ->
            printf("%d: close: drops inode %d\n", me, inode[own[me]]);
            d_step { let_go() }
            drop(own[me]);
#ifdef BUG_ASK_FIRST
            if
            :: other -> other = 0; finished(); goto idle
            :: else
            fi;
#endif
            goto R1
        }
    OR_DIE
    fi;

#else

L1: /* Take a turn, if nobody has one or waits for one. Who has forked since it
     * opened the region takes none: the child would prolong it. */
    if
    :: atomic {
        users[own[me]] == 1 && !SEES_TURN(SHARED, own[me]) ->
            printf("%d: close: has its turn\n", me);
            d_step { turn[own[me]] = EXCLUSIVE; got = 1; PUT(window, me) }
        }
    :: goto L3
    OR_DIE
    fi;

L2: /* Ask: does anybody else hold it? */
    if
    :: atomic {
        true ->
            other = SEES(RD, own[me]);
            printf("%d: close: sees others: %d\n", me, other)
        }
    OR_DIE
    fi;

L3: /* Drop the description. The system lets go of the mark, then of the turn. */
    if
    :: atomic {
        true ->
            printf("%d: close: drops inode %d\n", me, inode[own[me]]);
            d_step {
                let_go();
                before[me] = window & ~BIT(me);
                if
                :: got ->
#ifdef BUG_TURN_ENDS_FIRST
                    turn[own[me]] = 0
#else
                    lock[own[me]] = NONE;
                    settle()
#endif
                :: else
                fi
            }
            if
            :: !got -> drop(own[me]); goto R1
            :: else
            fi
        }
    OR_DIE
    fi;
    atomic { drop(own[me]) }

L4: /* Look at the clock. If all that was quick, the other one will find that we
     * are gone: it does not ask during our turn. */
    if
    :: atomic {
#ifdef BUG_NO_CLOCK
        other ->
#else
        other && !IN(delayed, me) ->
#endif
            printf("%d: close: leaves it to the other\n", me);
            d_step { end_window() }
            finished();
            goto idle
        }
    :: atomic {
#ifdef BUG_NO_CLOCK
        !other ->
#else
        true ->
#endif
            d_step { end_window() }
            goto R1
        }
    OR_DIE
    fi;

#endif

    /* ---- reap(name), and the second half of close() */

R1: /* Open what has the path. */
    if
    :: atomic { UNDER(path) == 0 -> goto R_nothing }
    :: atomic {
        UNDER(path) != 0 ->
            d_step { x = UNDER(path); describe(fresh[me], x) }
            printf("%d: reap: opens inode %d\n", me, inode[fresh[me]]);
            if
            :: caller != CLOSING -> goto R2
            :: else
            fi
        }
    OR_DIE
    fi;

#ifdef BUG_WRONG_ORDER
    if
    :: atomic { SEES(RD, fresh[me]) -> skip }
    :: atomic { !SEES(RD, fresh[me]) -> goto R3 }
    OR_DIE
    fi;
    if
    :: atomic {
        !SEES_TURN(EXCLUSIVE, fresh[me]) -> drop(fresh[me]); goto R_nothing
        }
    :: atomic { SEES_TURN(EXCLUSIVE, fresh[me]) -> drop(fresh[me]); goto R1 }
    OR_DIE
    fi;
#endif

#if !defined(PLAIN) && !defined(BUG_NO_WAIT)
L5: /* A closer waits until nobody has a turn. */
    if
    :: atomic {
        !SEES_TURN(EXCLUSIVE, fresh[me]) ->
            printf("%d: close: nobody has a turn\n", me);
            turn[fresh[me]] = SHARED
        }
    :: atomic {
        /* It has waited long enough. Whoever saw its mark began before it
         * dropped that, and will find its turn too long. */
        SEES_TURN(EXCLUSIVE, fresh[me]) ->
            printf("%d: close: waits no longer\n", me);
            delayed = delayed | (before[me] & window)
        }
    OR_DIE
    fi;
#endif

R2: /* Ask: does anybody hold it? */
    if
#ifdef PLANT
    :: atomic {
        PLANTED(inode[fresh[me]]) && caller != CLOSING ->
            drop(fresh[me]);
            goto K1
        }
    :: atomic {
        PLANTED(inode[fresh[me]]) && caller == CLOSING ->
            drop(fresh[me]);
            goto R_nothing
        }
#endif
    :: atomic {
        SEES(RD, fresh[me]) && !PLANTED(inode[fresh[me]]) ->
            printf("%d: reap: sees a mark\n", me);
            drop(fresh[me]);
            goto R_nothing
        }
#ifdef BUG_TRUST_REAPER
    :: atomic { SEES(WR, fresh[me]) -> drop(fresh[me]); goto R_nothing }
#else
    :: atomic {
        SEES(WR, fresh[me]) && caller != CLOSING ->
            drop(fresh[me]);
            goto R_nothing
        }
    :: atomic {
        /* Somebody else removes it, or would have liked to. A closer waits and
         * looks again. While the path still means this inode, it would come
         * back here, so that need not be done. */
        SEES(WR, fresh[me]) && caller == CLOSING &&
            UNDER(path) != inode[fresh[me]] ->
            drop(fresh[me]);
            goto R1
        }
#endif
#if defined(STRANGER) && !defined(BUG_PERMISSION_LATE)
    :: atomic {
        SEES_NONE(fresh[me]) && !MAY_REMOVE(me) ->
            drop(fresh[me]);
            goto R_denied
        }
    :: SEES_NONE(fresh[me]) && MAY_REMOVE(me)
#else
    :: SEES_NONE(fresh[me])
#endif
    OR_DIE
    fi;

R3: /* The exclusive step begins, unless anybody has any lock. */
    if
    :: atomic {
        SEES_NONE(fresh[me]) ->
            printf("%d: reap: write-locks inode %d\n", me, inode[fresh[me]]);
            lock[fresh[me]] = WR
        }
    :: atomic {
        !SEES_NONE(fresh[me]) ->
            drop(fresh[me]);
#ifndef BUG_TRUST_REAPER
            if
            :: caller == CLOSING -> goto R1
            :: else
            fi;
#endif
            goto R_nothing
        }
    OR_DIE
    fi;

R4: /* Look: does the path still mean this inode? */
    if
#ifdef BUG_NO_RECHECK
    :: true
#else
    :: UNDER(path) == inode[fresh[me]]
    :: atomic {
        UNDER(path) != inode[fresh[me]] ->
            printf("%d: reap: the path means something else\n", me);
            lock[fresh[me]] = NONE;
            drop(fresh[me]);
            goto R_nothing
        }
#endif
    OR_DIE
    fi;

#ifdef BUG_PERMISSION_LATE
    if
    :: MAY_REMOVE(me)
    :: atomic {
        !MAY_REMOVE(me) ->
            printf("%d: reap: may not remove it\n", me);
            lock[fresh[me]] = NONE;
            drop(fresh[me]);
            goto R_denied
        }
    OR_DIE
    fi;
#endif

#ifndef BUG_CONDEMN_LAST
R5: /* Condemn it. Openers who come too late will see that even if a hard link
     * keeps the inode, and even if we die before the next step. */
    if
    :: atomic {
        true ->
            printf("%d: reap: condemns inode %d\n", me, inode[fresh[me]]);
            mode[inode[fresh[me]]] = CONDEMNED
        }
    OR_DIE
    fi;
#endif

R6: /* Unlink it. */
    if
    :: atomic {
        true ->
            printf("%d: reap: unlinks inode %d\n", me, UNDER(path));
            /* P2. */
            assert(UNDER(path) == 0 || !SOMEBODY_HOLDS(UNDER(path)));
            d_step { unlink_path(path) }
        }
    OR_DIE
    fi;

#ifdef BUG_CONDEMN_LAST
    if
    :: atomic { UNLINKED(fresh[me]) -> skip }
    :: atomic { !UNLINKED(fresh[me]) -> mode[inode[fresh[me]]] = CONDEMNED }
    OR_DIE
    fi;
#endif

R7: /* The exclusive step ends. */
    if
    :: atomic {
        true ->
            lock[fresh[me]] = NONE;
            drop(fresh[me]);
            goto R_removed
        }
    OR_DIE
    fi;

#ifdef PLANT
    /* ---- unlinking what somebody linked to the name. Its region may live under
     * its own name, so it is not condemned, and the lock is not the holders'. */

K1: /* Open what has the name. */
    if
    :: atomic { name == 0 -> goto R_nothing }
    :: atomic { name != 0 && !PLANTED(name) -> goto R_nothing }
    :: atomic {
        PLANTED(name) ->
            printf("%d: link: opens inode %d\n", me, name);
            d_step { describe(fresh[me], name) }
        }
    OR_DIE
    fi;

K2: /* Lock the second byte. */
    if
#ifdef BUG_LINK_UNLOCKED
    :: true
#else
    :: atomic {
        linker == 0 ->
            printf("%d: link: locks\n", me);
            linker = me + 1
        }
    :: atomic { linker != 0 -> drop(fresh[me]); goto R_nothing }
#endif
    OR_DIE
    fi;

K3: /* Look: does the name still mean it? */
    if
    :: PLANTED(name)
    :: atomic {
        !PLANTED(name) ->
            linker = 0;
            drop(fresh[me]);
            goto R_nothing
        }
    OR_DIE
    fi;

K4: /* Unlink it. */
    if
    :: atomic {
        true ->
            printf("%d: link: unlinks inode %d\n", me, name);
            /* P2. */
            assert(name == 0 || !SOMEBODY_HOLDS(name));
            d_step { unlink_path(0) }
        }
    OR_DIE
    fi;

K5: /* Unlock. */
    if
    :: atomic {
        true ->
            linker = 0;
            drop(fresh[me]);
            goto R_removed
        }
    OR_DIE
    fi;
#endif

R_removed:
    atomic {
        if
        :: caller == OPENING -> answer_missing()
        :: caller == CREATING -> caller = 0; goto C4
        :: else
        fi;
        finished();
        goto idle
    }

R_nothing: /* No leftover has the path, or no longer. */
    atomic {
        if
        :: caller == OPENING -> caller = 0; goto O1
        :: caller == CREATING -> caller = 0; goto C4
        :: else
        fi;
        finished();
        goto idle
    }

#ifdef STRANGER
R_denied: /* It is a leftover of another user. */
    atomic {
        if
        :: caller == OPENING -> answer_missing()
        :: caller == CREATING ->
            printf("%d: answers: stale\n", me);
            discard()
        :: else
        fi;
        finished();
        goto idle
    }
#endif
}

/* ---- Surroundings ------------------------------------------------------ */

#ifdef RAW
/* The other program. */
active proctype linker()
{
end:
    if
    :: atomic {
        !final && name != 0 ->
            raw = name;
            printf("-: a hard link of inode %d is made\n", raw)
        }
    fi
}
#endif

#ifdef PLANT
/* The attacker. It holds its region and has it under another name, for ever or
 * until that is removed by hand: no step of others depends on that. */
active proctype attacker()
{
    d_step { plant = INODES; mode[INODES] = LIVE };
end:
    do
    :: atomic {
        !final && name == 0 ->
            d_step { name = plant; excused = 1; renumber() }
            printf("-: the other region is linked to the name\n")
        }
    od
}
#endif

/* At some moment the last calls have begun and there are no more kills. From
 * then on, everybody must come to an end: no deadlock (invalid end state), and
 * no retrying for ever (non-progress cycle). */
active proctype curtain()
{
progress:
    atomic { final = 1; printf("-: no kills and no new calls from here\n") }
}
