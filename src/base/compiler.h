/* SPDX-License-Identifier: MIT */

/* Spellings that differ between compilers: thread-local storage, and functions
 * kept out of the fast paths; and the few atomic operations that regions need.
 */
#ifndef SHMAP_COMPILER_H
#define SHMAP_COMPILER_H

#include <stdbool.h>
#include <stdint.h>

#if defined(_MSC_VER)

#include <intrin.h>

/* Clang would ask at each use of the other kind whether it is initialised. */
#if defined(__clang__)
#define SHMAP__THREAD_LOCAL _Thread_local
#else
#define SHMAP__THREAD_LOCAL __declspec(thread)
#endif
#define SHMAP__SLOW_PATH     __declspec(noinline)
#define SHMAP__FAST_PATH     static __forceinline
#define SHMAP__KEEP(pointer) ((void)0)

typedef volatile long shmap__refs;

static inline void shmap__refs_init(shmap__refs *refs)
{
    *refs = 1;
}

static inline void shmap__refs_retain(shmap__refs *refs)
{
    _InterlockedIncrement(refs);
}

static inline bool shmap__refs_release(shmap__refs *refs)
{
    return _InterlockedDecrement(refs) == 0;
}

static inline void shmap__touch_for_writing(volatile char *byte)
{
    _InterlockedOr8(byte, 0);
}

#else

#include <stdatomic.h>

#define SHMAP__THREAD_LOCAL  _Thread_local
#define SHMAP__SLOW_PATH     __attribute__((noinline, cold))
#define SHMAP__FAST_PATH     static inline __attribute__((always_inline))

/* Keep an address in a register: that of a thread's own memory would be
 * computed again for each use. */
#define SHMAP__KEEP(pointer) __asm__("" : "+r"(pointer))

typedef atomic_int shmap__refs;

/* One reference, the caller's. */
static inline void shmap__refs_init(shmap__refs *refs)
{
    atomic_init(refs, 1);
}

/* Add a reference. Relaxed is enough: the caller has a reference already, so
 * that nothing can be freed meanwhile. */
static inline void shmap__refs_retain(shmap__refs *refs)
{
    atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* Remove a reference; return true for the last one. Release orders this
 * thread's use before the count, acquire orders the other threads' use before
 * the freeing. */
static inline bool shmap__refs_release(shmap__refs *refs)
{
    return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

/* Make a page present and writable without changing a byte that another
 * process may be writing. By a whole word: not every processor has atomic
 * operations on bytes, and compilers then want a library. */
static inline void shmap__touch_for_writing(volatile char *byte)
{
    uintptr_t word = (uintptr_t)byte & ~(uintptr_t)3;
    atomic_fetch_or_explicit((volatile _Atomic uint32_t *)word, 0,
                             memory_order_relaxed);
}

#endif

#endif
