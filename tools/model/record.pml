/* SPDX-License-Identifier: MIT */

/* The record of src/sync/record.c, as a model for Spin.
 *
 * Threads write values of two halves, one half at a time, each value another
 * than the one before, and may be killed before each step; readers copy one half
 * at a time. Spin tries every order of all their steps. check.sh, next to this
 * file, runs every configuration; docs/memory-order.md says why the steps have
 * an order on processors that reorder.
 *
 * Versions and values are counted modulo 8: no copy is longer than eight writes
 * without having been refused, which is checked as well.
 *
 *     KILLS=n     a writer may be killed before each of its steps; n are, at
 *                 most, or any number for 9
 *
 * BUG_... are mistakes that the check must find.
 */

#ifdef BUG_TWO_PLACES
#define PLACES 2
#else
#define PLACES 3
#endif

#define WRITERS 2
#define NUMBERS 8
#define NEXT(v) (((v) + 1) % NUMBERS)
#define AGE(v) ((version + NUMBERS - (v)) % NUMBERS)

#define me _pid

#ifdef KILLS
#define OR_DIE :: atomic { deaths < KILLS -> goto dead }
#else
#define OR_DIE
#endif

/* The place of the version, which does not follow from it modulo 8. */
byte version;
byte at;       /* version % PLACES */
byte left[PLACES], right[PLACES];  /* the halves of the value of a version */

byte writer;   /* 1 + who is writing */
bit alive[WRITERS] = 1;
byte deaths;

/* What the checks remember. */
byte written;  /* completed versions since the reader began, up to 7 */
bit reading;

active [WRITERS] proctype writes()
{
    byte next;  /* 1 + the version that it writes */

idle:
end:
    /* Become the one who writes. */
    if
    :: atomic { writer == 0 -> writer = me + 1 }
    :: atomic { writer != 0 && !alive[writer - 1] -> writer = 0; goto idle }
    OR_DIE
    fi;
    if
    :: atomic { true -> next = NEXT(version) }
    OR_DIE
    fi;
#ifdef BUG_VERSION_FIRST
    if
    :: atomic { true -> version = next; at = (at + 1) % PLACES }
    OR_DIE
    fi;
#endif
    /* Copy. */
    if
#ifdef BUG_VERSION_FIRST
    :: atomic { true -> left[at] = next }
#else
    :: atomic { true -> left[(at + 1) % PLACES] = next }
#endif
    OR_DIE
    fi;
    if
#ifdef BUG_VERSION_FIRST
    :: atomic { true -> right[at] = next }
#else
    :: atomic { true -> right[(at + 1) % PLACES] = next }
#endif
    OR_DIE
    fi;
#ifndef BUG_VERSION_FIRST
    if
    :: atomic {
        true ->
            assert(writer == me + 1);
            version = next;
            at = (at + 1) % PLACES;
            written = (reading && written < 7 -> written + 1 : written)
        }
    OR_DIE
    fi;
#endif
    if
    :: atomic { true -> writer = 0; next = 0; goto idle }
    OR_DIE
    fi;

#ifdef KILLS
dead: /* And another comes. What it leaves in `writer` is its dead id. */
    atomic {
        deaths = deaths + (KILLS < 9);
        printf("%d: dies\n", me);
        alive[me] = 0;
        next = 0
    }
    atomic {
        (writer != me + 1) -> alive[me] = 1; goto idle
    }
#endif
}

active proctype reads()
{
    byte found, place, first, second;

idle:
end:
    atomic {
        true -> found = version; place = at; reading = 1; written = 0
    }
    atomic { true -> first = left[place] }
    atomic { true -> second = right[place] }
    atomic {
        if
#ifdef BUG_TOLERANT
        :: AGE(found) <= 2 ->
#elif defined(BUG_NO_SECOND_LOOK)
        :: true ->
#else
        :: AGE(found) <= 1 ->
#endif
            if
            :: written < 7 -> assert(first == found && second == found)
            :: else
            fi
        :: else
        fi;
        found = 0;
        place = 0;
        first = 0;
        second = 0;
        reading = 0;
        written = 0
    }
    goto idle
}
