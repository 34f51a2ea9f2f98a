/* SPDX-License-Identifier: MIT */

/* The mutex of src/sync/mutex.c and src/sync/ownerword.c, with the waiting loop
 * of src/sync/wait.c, as a model for Spin.
 *
 * A few threads lock and unlock one mutex, without end, and each may be killed
 * before each of its steps; a new one then gets its number. Spin tries every
 * order of all their steps. check.sh, next to this file, runs every
 * configuration; docs/memory-order.md says what holds on processors that
 * reorder.
 *
 * What a step is: one operation on shared memory, or one call that sleeps or
 * wakes. A load and the compare-and-swap that follows it in a loop are one step:
 * if anything came in between, the loop begins again.
 *
 * Configurations (compile-time switches):
 *
 *     PROCS=n     2 or 3 threads
 *     KERNEL      the Linux form: who sleeps does so on the word, and the kernel
 *                 marks the mutexes of who dies. Otherwise the Windows form: who
 *                 waits is counted, sleeps on a semaphore and for the death of
 *                 the owner, and marks the word itself.
 *     KILLS=n     a thread may be killed before each of its steps; n threads are,
 *                 at most, or any number for 9
 *     RESTART     the machine restarts once, while anybody does anything; the
 *                 mutex is in a file
 *
 * Who sleeps may look again without being woken, as it does after 200 ms: any
 * number of times while there are deaths, and once after the last death. If
 * nobody dies, never: then a wake-up that was lost leaves somebody asleep.
 *
 * BUG_... are mistakes that the check must find.
 */

#define me _pid

/* What a thread does when it is no longer registered. */
#define ANEW  0
#define HOLD  1
#define LEAVE 2

#ifndef PROCS
#define PROCS 3
#endif

#if defined(KILLS) || defined(RESTART)
#define MAY_LOOK_AGAIN (!final || !looked[me])
#else
#define MAY_LOOK_AGAIN false
#endif

/* ---- The mutex ---------------------------------------------------------- */

/* The owner word. A thread's id is its number, which threads have again and
 * again, and its incarnation, which no other has: here 0 for who has the number
 * now, others for those that had it before. */
byte number;  /* 1 + the owner's number; 0: nobody has it */
byte life;    /* the owner's incarnation */
bit waiters;  /* WAITERS */
bit died;     /* OWNER_DIED */

/* Who is registered (Windows). */
#define IDS (2 * PROCS + 1)
#define COUNT_MAX (PROCS + 1)
byte who_id;
byte who_count;

/* ---- The system --------------------------------------------------------- */

bit alive[PROCS] = 1;
byte boot = 1;

bit asleep[PROCS];
bit looked[PROCS]; /* again, after the last death */

/* Semaphores, one for each id. */
byte handle[PROCS];    /* of the semaphore of this id */
byte tokens[IDS + 1];
byte waking[PROCS];    /* the id that this thread is about to wake */

/* The kernel's list. */
bit pending[PROCS];
bit listed[PROCS];

/* What the waiter found in the word. */
byte saw_number[PROCS];
byte saw_life[PROCS];
bit saw_died[PROCS];

#define IS_DEAD(n, l) (!alive[(n) - 1] || (l) != 0)
#ifdef BUG_NUMBER_ONLY
#define OWNER_DEAD (!alive[saw_number[me] - 1])
#else
#define OWNER_DEAD IS_DEAD(saw_number[me], saw_life[me])
#endif

/* The whole word is as it was seen; and the half on which threads sleep. */
#ifdef BUG_NUMBER_ONLY
#define AS_SEEN HALF_AS_SEEN
#else
#define AS_SEEN (HALF_AS_SEEN && life == saw_life[me])
#endif
#ifdef BUG_UNMARKED
#define MARKED true
#else
#define MARKED waiters
#endif
#define HALF_AS_SEEN \
    (number == saw_number[me] && MARKED && died == saw_died[me])

/* Whoever wakes still counts this one. */
#define COUNTS (who_count != 0 && who_id == handle[me])

/* ---- What the checks remember; the protocol never looks at it ----------- */

byte holder;  /* 1 + who has it */
bit damaged;  /* somebody died with it since it was last consistent */
byte deaths;
byte dying;
bit final;    /* no deaths and no new calls any more */

/* Scratch; 0 between steps. */
byte k, x;
byte to[IDS + 1], tokens_[IDS + 1];

/* ---- Calls of the system ------------------------------------------------ */

/* One of those who sleep on this id, on Linux on the word, is woken. */
#if PROCS == 3
#define ASLEEP(i) \
    ((asleep[0] && handle[0] == (i)) || (asleep[1] && handle[1] == (i)) || \
     (asleep[2] && handle[2] == (i)))
#define OPEN(i) (handle[0] == (i) || handle[1] == (i) || handle[2] == (i))
#define WAKING(i) (waking[0] == (i) || waking[1] == (i) || waking[2] == (i))
#define WAKE_ONE(i)                                             \
    if                                                          \
    :: asleep[0] && handle[0] == (i) -> asleep[0] = 0           \
    :: asleep[1] && handle[1] == (i) -> asleep[1] = 0           \
    :: asleep[2] && handle[2] == (i) -> asleep[2] = 0           \
    :: !ASLEEP(i)                                               \
    fi
#else
#define ASLEEP(i) \
    ((asleep[0] && handle[0] == (i)) || (asleep[1] && handle[1] == (i)))
#define OPEN(i) (handle[0] == (i) || handle[1] == (i))
#define WAKING(i) (waking[0] == (i) || waking[1] == (i))
#define WAKE_ONE(i)                                             \
    if                                                          \
    :: asleep[0] && handle[0] == (i) -> asleep[0] = 0           \
    :: asleep[1] && handle[1] == (i) -> asleep[1] = 0           \
    :: !ASLEEP(i)                                               \
    fi
#endif

/* A semaphore gives to those who sleep on it, and remembers what is left. */
inline release(i)
{
    if
    :: i == 0 || !OPEN(i)
    :: i != 0 && ASLEEP(i) -> WAKE_ONE(i)
    :: i != 0 && OPEN(i) && !ASLEEP(i) && tokens[i] < PROCS -> tokens[i]++
    :: i != 0 && OPEN(i) && !ASLEEP(i) && tokens[i] == PROCS
    fi
}

/* One for each handle. */
inline release_all(i)
{
    for (k : 0 .. PROCS - 1) {
        if
        :: handle[k] == i && asleep[k] -> asleep[k] = 0
        :: handle[k] == i && !asleep[k] && tokens[i] < PROCS -> tokens[i]++
        :: else
        fi
    }
    k = 0
}

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
        renumber_id(handle[k]);
        renumber_id(waking[k])
    }
    x = 0;
    for (k : 1 .. IDS) {
        tokens[k] = (OPEN(k) -> tokens_[k] : 0);
        tokens_[k] = 0;
        to[k] = 0
    }
    k = 0
}

inline close_handle()
{
    handle[me] = 0;
    renumber()
}

/* An id that is nobody's. */
inline new_id()
{
    x = 1;
    do
    :: x == who_id || OPEN(x) || WAKING(x) -> x++
    :: else -> break
    od
}

inline forget_seen()
{
    saw_number[me] = 0;
    saw_life[me] = 0;
    saw_died[me] = 0
}

/* The kernel, for each mutex that it knows of, when this thread ends. */
inline kernel_mark(is_pending)
{
    if
    :: number == me + 1 ->
        number = 0;
        life = 0;
        died = 1;
        if
        :: waiters -> WAKE_ONE(0)
        :: else
        fi
    :: number == 0 && is_pending -> WAKE_ONE(0)
    :: else
    fi
}

/* This thread ends. */
inline die()
{
    if
    :: holder == me + 1 -> holder = 0; damaged = 1
    :: else
    fi;
    alive[me] = 0;
    asleep[me] = 0;
    waking[me] = 0;
    close_handle();
    forget_seen();
    timed = 0;
    woken = 0;
    same = 0;
    then_ = ANEW;
    fresh = 0;
    old_count = 0
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

/* Take the mutex, which nobody has. It says whether anybody died with it, and
 * that is true. */
inline take(with_waiters)
{
    assert(holder == 0);
    assert(died == damaged);
    number = me + 1;
    life = 0;
    waiters = waiters | with_waiters;
    holder = me + 1
}

#ifdef KILLS
#define OR_DIE :: atomic { !final && deaths < KILLS -> dying++; goto dead }
#else
#define OR_DIE
#endif

active [PROCS] proctype thread()
{
    bit timed;  /* it has a deadline */
    bit woken;  /* it has marked: it takes the mutex with WAITERS */
    bit same;   /* the word did not change while it slept */
    byte then_; /* what follows when it is no longer registered */
    bit fresh;  /* the id is one that nobody had before */
    byte old_count;
    byte own_boot = 1;

#ifdef RESTART
    {
        true;
#endif
idle:
end:
    if
    :: atomic {
        !final ->
            if
            :: timed = 0
            :: timed = 1
            fi;
            printf("%d: locks, deadline: %d\n", me, timed)
        }
    OR_DIE
    fi;

L1: /* The kernel shall look at this mutex. */
#ifdef KERNEL
    if
    :: atomic { true -> pending[me] = 1 }
    OR_DIE
    fi;
#endif

L2: /* Take it, or find that somebody has it. */
    if
    :: atomic {
        number == 0 ->
            printf("%d: takes it, is told of a death: %d\n", me, died);
            d_step { take(0) }
            goto holding
        }
    :: number != 0
#ifdef KERNEL
    :: atomic { number != 0 && timed -> goto leaving }
#else
    :: atomic {
        /* It does not wait at all, but looks whether the owner has died. */
        number != 0 && timed ->
            saw_number[me] = number;
            saw_life[me] = life;
            saw_died[me] = died;
            goto T1
        }
#endif
    OR_DIE
    fi;

#ifndef KERNEL
W1: /* Open the semaphore, and then register. Too many cannot be counted. */
    if
    :: atomic {
        who_count < COUNT_MAX ->
            d_step {
                if
                :: who_count == 0 -> new_id(); handle[me] = x; fresh = 1
                :: else -> handle[me] = who_id
                fi;
                renumber()
            }
        }
    :: who_count == COUNT_MAX -> goto W3
    OR_DIE
    fi;
W2:
    if
    :: atomic {
        who_count < COUNT_MAX && who_id == (fresh -> 0 : handle[me]) ->
            d_step {
                who_id = handle[me];
                who_count++;
                fresh = 0;
                renumber()
            }
        }
    :: atomic {
        who_count == COUNT_MAX || who_id != (fresh -> 0 : handle[me]) ->
            d_step { close_handle(); fresh = 0 }
            goto W1
        }
    OR_DIE
    fi;
W3: /* A thread that no longer counts registers anew. */
    if
    :: handle[me] == 0 || COUNTS
    :: atomic { handle[me] != 0 && !COUNTS -> then_ = ANEW; goto W8 }
    OR_DIE
    fi;
#else
W3:
#endif

W4: /* Take it, or say that a thread waits, and give up only having said so: the
     * thread that woke this one may have meant another. */
    if
    :: atomic {
        number == 0 ->
            printf("%d: takes it, is told of a death: %d\n", me, died);
            d_step { same = 0; take(woken) }
#ifdef KERNEL
            goto holding
#else
            then_ = HOLD;
            goto W8
#endif
        }
    :: atomic {
        number != 0 && timed ->
            printf("%d: gives up\n", me);
            same = 0;
#ifndef BUG_TIMEOUT_FORGETS
            waiters = 1;
#endif
#ifdef KERNEL
            goto leaving
#else
            then_ = LEAVE;
            goto W8
#endif
        }
    :: atomic {
        number != 0 ->
            printf("%d: waits for %d\n", me, number - 1);
            d_step {
#ifndef BUG_UNMARKED
                waiters = 1;
#endif
#ifndef BUG_WOKEN_UNMARKED
                woken = 1;
#endif
                saw_number[me] = number;
                saw_life[me] = life;
                saw_died[me] = died
            }
            if
            :: same -> same = 0; goto W7
            :: else
            fi
        }
    OR_DIE
    fi;

#ifdef KERNEL
W5: /* Sleep, if the word is as it was. */
    if
    :: atomic { HALF_AS_SEEN -> asleep[me] = 1 }
    :: !HALF_AS_SEEN
    OR_DIE
    fi;
    if
    :: !asleep[me]
    :: atomic { asleep[me] && timed -> asleep[me] = 0 }
    :: atomic {
        asleep[me] && MAY_LOOK_AGAIN -> asleep[me] = 0; looked[me] = final
        }
    OR_DIE
    fi;
#else
W5: /* Look at the word once more, and only then sleep: on the semaphore, and for
     * the owner's death. */
    if
    :: HALF_AS_SEEN && handle[me] != 0
    :: !HALF_AS_SEEN || handle[me] == 0 -> goto W6
    OR_DIE
    fi;
    if
    :: atomic {
        tokens[handle[me]] != 0 -> tokens[handle[me]]--; goto W6
        }
    :: atomic {
        tokens[handle[me]] == 0 ->
            asleep[me] = 1;
            printf("%d: is asleep\n", me)
        }
    OR_DIE
    fi;
    if
    :: !asleep[me]
    :: atomic { asleep[me] && OWNER_DEAD -> asleep[me] = 0 }
    :: atomic { asleep[me] && timed -> asleep[me] = 0 }
    :: atomic {
        asleep[me] && MAY_LOOK_AGAIN -> asleep[me] = 0; looked[me] = final
        }
    OR_DIE
    fi;
#endif

W6: /* If the word is as it was, the next look is a thorough one. */
    if
    :: atomic { true -> same = HALF_AS_SEEN; forget_seen(); goto W3 }
    OR_DIE
    fi;

W7: /* Has the owner that is waited for died, and still has it? Then try again. */
    if
    :: atomic { AS_SEEN && OWNER_DEAD -> skip }
    :: atomic { !AS_SEEN || !OWNER_DEAD -> forget_seen(); goto W4 }
    OR_DIE
    fi;
    if
    :: atomic {
        true ->
            if
#ifdef BUG_BURY_UNSEEN
            :: number != 0 ->
#else
            :: AS_SEEN ->
#endif
                printf("%d: buries %d\n", me, number - 1);
                number = 0;
                life = 0;
                died = 1
            :: else
            fi;
            forget_seen();
            goto W4
        }
    OR_DIE
    fi;

#ifndef KERNEL
W8: /* First uncounted, then gone. */
    if
    :: atomic {
        handle[me] != 0 ->
            if
            :: who_count != 0 && who_id == handle[me] ->
                d_step {
                    who_count--;
                    if
                    :: who_count == 0 -> who_id = 0
                    :: else
                    fi;
                    renumber()
                }
            :: else
            fi
        }
    :: handle[me] == 0
    OR_DIE
    fi;
    if
    :: atomic {
        true ->
            d_step { close_handle() }
            if
            :: then_ == ANEW -> goto W1
            :: then_ == HOLD -> then_ = ANEW; goto holding
            :: then_ == LEAVE -> then_ = ANEW; goto leaving
            fi
        }
    OR_DIE
    fi;
#endif

holding:
    if
#ifdef KERNEL
    :: atomic { pending[me] && !listed[me] -> listed[me] = 1; goto holding }
    :: atomic { pending[me] && listed[me] -> pending[me] = 0; goto holding }
    :: !pending[me]
#else
    :: true
#endif
    OR_DIE
    fi;
    if
    :: atomic {
        died ->
            printf("%d: makes it consistent\n", me);
            died = 0;
            damaged = 0
        }
    :: true
    OR_DIE
    fi;

#ifdef KERNEL
U1:
    if
    :: atomic { true -> pending[me] = 1 }
    OR_DIE
    fi;
    if
    :: atomic { true -> listed[me] = 0 }
    OR_DIE
    fi;
#endif

U2: /* Let go of it. It stays marked, unless it was made consistent. */
    if
    :: atomic {
        true ->
            printf("%d: unlocks\n", me);
            assert(holder == me + 1 && number == me + 1);
            d_step {
                holder = 0;
                number = 0;
                life = 0;
#ifdef BUG_UNLOCK_CLEARS
                died = 0;
#endif
                woken = waiters;
                waiters = 0
            }
            if
            :: !woken -> goto leaving
            :: else
            fi
        }
    OR_DIE
    fi;
#ifdef KERNEL
    if
    :: atomic { true -> WAKE_ONE(0) }
    OR_DIE
    fi;
#else
    if
    :: atomic {
        true ->
            d_step { waking[me] = who_id; old_count = who_count; renumber() }
        }
    OR_DIE
    fi;
    if
    :: atomic {
        waking[me] == 0 || OPEN(waking[me]) ->
            release(waking[me]);
            d_step { waking[me] = 0; old_count = 0; renumber() }
            goto leaving
        }
    :: waking[me] != 0 && !OPEN(waking[me])
    OR_DIE
    fi;
    /* Nobody is there: take the registrations back, and wake who came since. */
    if
    :: atomic {
        who_id == waking[me] && who_count == old_count ->
            printf("%d: takes back %d registrations\n", me, who_count);
            d_step { old_count = 0; who_id = 0; who_count = 0; renumber() }
        }
    :: atomic {
        who_id != waking[me] || who_count != old_count ->
            d_step { waking[me] = 0; old_count = 0; renumber() }
            goto leaving
        }
    OR_DIE
    fi;
    if
    :: atomic {
        true ->
            d_step {
                release_all(waking[me]);
                waking[me] = 0;
                renumber()
            }
        }
    OR_DIE
    fi;
#endif

leaving:
    atomic { woken = 0; timed = 0 }
#ifdef KERNEL
    if
    :: atomic { true -> pending[me] = 0 }
    OR_DIE
    fi;
#endif
    goto idle;

#ifndef KERNEL
T1: /* If the owner that was found has died, mark it so, and try once more. */
    if
    :: atomic { !OWNER_DEAD -> forget_seen(); goto leaving }
    :: OWNER_DEAD
    OR_DIE
    fi;
    if
    :: atomic {
        true ->
            if
            :: number == saw_number[me] && life == saw_life[me] &&
               died == saw_died[me] ->
                number = 0;
                life = 0;
                died = 1
            :: else
            fi;
            forget_seen()
        }
    OR_DIE
    fi;
    if
    :: atomic {
        number == 0 -> d_step { take(woken) } goto holding
        }
    :: atomic { number != 0 -> goto leaving }
    OR_DIE
    fi;
#endif

#ifdef KILLS
dead:
    atomic {
        printf("%d: dies\n", me);
        dying--;
        deaths = deaths + (KILLS < 9);
        d_step { die() }
#ifdef KERNEL
        if
        :: pending[me] || listed[me] -> kernel_mark(pending[me])
        :: else
        fi;
        pending[me] = 0;
        listed[me] = 0;
#endif
    }
end_dead: /* A new thread gets the number. */
    atomic { !final -> d_step { be_born() } goto idle }
#endif
#ifdef RESTART
    } unless {
        atomic {
            boot != own_boot ->
                own_boot = boot;
                timed = 0;
                woken = 0;
                same = 0;
                then_ = ANEW;
                fresh = 0;
                old_count = 0;
                d_step { be_born() }
                goto idle
        }
    }
#endif
}

/* ---- Surroundings ------------------------------------------------------- */

#ifdef RESTART
/* The machine restarts: nobody is told of anybody's death. */
active proctype machine()
{
    if
    :: atomic {
        !final ->
            printf("-: the machine restarts\n");
            d_step {
                if
                :: holder != 0 -> holder = 0; damaged = 1
                :: else
                fi;
                for (k : 0 .. PROCS - 1) {
                    alive[k] = 0;
                    asleep[k] = 0;
                    handle[k] = 0;
                    waking[k] = 0;
                    pending[k] = 0;
                    listed[k] = 0;
                    saw_number[k] = 0;
                    saw_life[k] = 0;
                    saw_died[k] = 0
                }
                for (k : 1 .. IDS) {
                    tokens[k] = 0
                }
                k = 0;
                boot = 2
            }
        }
    :: final
    fi
}
#endif

/* At some moment the last calls have begun and there are no more deaths. From
 * then on, everybody must come to an end. */
active proctype curtain()
{
    atomic {
        dying == 0 -> final = 1;
        printf("-: no deaths and no new calls from here\n")
    }
}
