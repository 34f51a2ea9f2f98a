/* SPDX-License-Identifier: MIT */

/* Presence, src/posix/linux/presence.c and src/posix/linux/thread.c, as a model for Spin:
 * who is taken for dead.
 *
 * Processes of two PID namespaces, and a child of the first one, lock and unlock
 * one object, are killed, and begin anew. Each makes its tag known in the region
 * before it locks, and judges an owner by the owner's tag, and inside its own
 * namespace by the owner's number, too. Spin tries every order of their steps; a
 * step is one operation on shared memory, or one question to the kernel.
 * check.sh, next to this file, runs every configuration.
 *
 *     KILLS=n     how many are killed, at most
 *     BLIND       the process of the second namespace cannot make itself known:
 *                 others than itself can never tell whether it lives
 *
 * Checked: a living owner is never taken for dead; a dead one is found, or the
 * caller is told that it cannot be, by every process that goes on looking.
 *
 * BUG_... are mistakes that the check must find.
 */

#define me _pid
#define PROCS 3

#ifndef KILLS
#define KILLS 2
#endif

/* Namespaces: processes 0 and 1 are in one, 2 in another, where the first
 * process has the number that process 0 has in the first. */
#define SPACE(i) ((i) / 2)
#define NUMBER(i) ((i) == 2 -> 0 : (i))

/* A process's tag is its place here and its life: numbers come again, tags do
 * not. */
byte life[PROCS] = 1;
bit alive[PROCS] = 1;

/* The owner's word: 1 + its process, and its life; 0: nobody has it. */
byte owner;
byte owner_life;

/* For each process the lives whose tags are locked in the region: this one's, or
 * also one before that a child has kept. */
byte present[PROCS];

/* What the checks remember. */
byte holder;
byte kills;
bit final;

#define GONE(o, l) (!alive[(o) - 1] || life[(o) - 1] != (l))

#ifdef BLIND
#define KNOWN(i) ((i) != 2)
#else
#define KNOWN(i) true
#endif

/* Whether the caller's namespace has a process of the owner's number. */
#define HERE(o) (SPACE(o) == SPACE(me))
#ifdef BUG_ANY_NAMESPACE
#define MAY_ASK_NUMBER(o) true
#else
#define MAY_ASK_NUMBER(o) HERE(o)
#endif
#define NUMBER_GONE(o) \
    (HERE(o) -> !alive[o] : \
     !((SPACE(me) == 0 && alive[NUMBER(o)]) || (SPACE(me) == 1 && NUMBER(o) == 0)))

#define OR_DIE :: atomic { !final && kills < KILLS -> goto dead }

active [PROCS] proctype process()
{
    byte saw, saw_life;

begin:
end:
    if
    :: !final
    OR_DIE
    fi;

#ifndef BUG_LOCKS_FIRST
    if
    :: atomic { KNOWN(me) -> present[me] = life[me] }
    :: !KNOWN(me)
    OR_DIE
    fi;
#endif

lock:
    if
    :: atomic {
        owner == 0 ->
            assert(holder == 0);
            owner = me + 1;
            owner_life = life[me];
            holder = me + 1;
            goto holding
        }
    :: atomic { owner != 0 -> saw = owner; saw_life = owner_life }
    OR_DIE
    fi;

    /* The number, where it means something. */
    if
    :: MAY_ASK_NUMBER(saw - 1) && NUMBER_GONE(saw - 1) -> goto bury
    :: !(MAY_ASK_NUMBER(saw - 1) && NUMBER_GONE(saw - 1))
    OR_DIE
    fi;
    /* The presence. */
    if
    :: KNOWN(saw - 1) && present[saw - 1] != saw_life -> goto bury
#ifdef BUG_UNKNOWN_IS_DEAD
    :: !KNOWN(saw - 1) && !HERE(saw - 1) -> goto bury
#else
    :: atomic {
        /* It is told that this cannot be known, and does not wait. */
        !KNOWN(saw - 1) && !HERE(saw - 1) -> saw = 0; saw_life = 0; goto end
        }
#endif
    :: !KNOWN(saw - 1) && HERE(saw - 1) && GONE(saw, saw_life) -> goto bury
    :: atomic {
        (KNOWN(saw - 1) && present[saw - 1] == saw_life) ||
        (!KNOWN(saw - 1) && HERE(saw - 1) && !GONE(saw, saw_life)) ->
            /* It waits until the word changes, or looks again. A dead one must
             * have been found; but a death may come right after the look. */
            if
            :: final -> assert(!GONE(saw, saw_life))
            :: !final
            fi;
            saw = 0;
            saw_life = 0
        }
        goto wait
    OR_DIE
    fi;

bury:
    if
    :: atomic {
        true ->
            if
#ifdef BUG_BURY_UNSEEN
            :: owner != 0 ->
#else
            :: owner == saw && owner_life == saw_life ->
#endif
                assert(GONE(owner, owner_life));
                owner = 0;
                owner_life = 0
            :: else
            fi;
            saw = 0;
            saw_life = 0
        }
        goto lock
    OR_DIE
    fi;

wait:
    if
    :: owner == 0 -> goto lock
    :: owner != 0 && !final -> goto lock
    :: owner != 0 && final && GONE(owner, owner_life) -> goto lock
    OR_DIE
    fi;

holding:
#ifdef BUG_LOCKS_FIRST
    if
    :: atomic { KNOWN(me) -> present[me] = life[me] }
    :: !KNOWN(me)
    OR_DIE
    fi;
#endif
    if
    :: atomic {
        true ->
            assert(owner == me + 1 && owner_life == life[me]);
            owner = 0;
            owner_life = 0;
            holder = 0
        }
        goto begin
    OR_DIE
    fi;

dead: /* Its memory goes, and with it its presence. */
    atomic {
        kills++;
        alive[me] = 0;
        saw = 0;
        saw_life = 0;
        if
        :: holder == me + 1 -> holder = 0
        :: else
        fi;
#ifdef BUG_INHERITED
        /* A child, here process 1, has the description as well. */
        if
        :: me == 0 && alive[1]
        :: else -> present[me] = 0
        fi
#else
        present[me] = 0
#endif
    }
end_dead: /* Another process gets its number. */
    atomic {
        !final ->
            life[me]++;
            alive[me] = 1
    }
    goto begin
}

/* At some moment there are no deaths and no new calls any more. */
active proctype curtain()
{
    final = 1
}
