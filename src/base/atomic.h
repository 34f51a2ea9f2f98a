/* SPDX-License-Identifier: MIT */

/* Atomic operations on numbers in shared memory, which are plain integers in
 * the public structs.
 *
 * All are sequentially consistent, but for stores, which are releases. The
 * pattern "I wrote mine, then I looked at yours" needs that
 * (docs/memory-order.md), and it costs no more than a weaker order where
 * processors are strong: an exchange or an addition is a full fence there, and
 * a load is a load.
 */
#ifndef SHMAP_ATOMIC_H
#define SHMAP_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER) && !defined(__clang__)

#include <intrin.h>

/* Interlocked functions are full fences. Loads of volatile objects are whole,
 * and in order where processors are strong, which EC code for ARM is not. */
#if defined(_M_ARM64) || defined(_M_ARM64EC)
#define SHMAP__LOAD_FENCE() __dmb(_ARM64_BARRIER_ISH)
#else
#define SHMAP__LOAD_FENCE() _ReadWriteBarrier()
#endif

static inline uint32_t shmap__load32(const uint32_t *from)
{
    uint32_t value;

    SHMAP__LOAD_FENCE();
    value = *(const volatile uint32_t *)from;
    SHMAP__LOAD_FENCE();
    return value;
}

/* Never by compare-and-swap, which would write to read-only views. */
static inline uint64_t shmap__load64(const uint64_t *from)
{
    uint64_t value;

    SHMAP__LOAD_FENCE();
#if defined(_M_IX86)
    _mm_storel_epi64((__m128i *)&value, _mm_loadl_epi64((const __m128i *)from));
#else
    value = *(const volatile uint64_t *)from;
#endif
    SHMAP__LOAD_FENCE();
    return value;
}

static inline uint32_t shmap__exchange32(uint32_t *at, uint32_t value)
{
    return (uint32_t)_InterlockedExchange((volatile long *)at, (long)value);
}

static inline uint32_t shmap__add32(uint32_t *at, uint32_t value)
{
    return (uint32_t)_InterlockedExchangeAdd((volatile long *)at, (long)value);
}

static inline bool shmap__cas32(uint32_t *at, uint32_t *expected,
                                uint32_t value)
{
    long found = _InterlockedCompareExchange((volatile long *)at, (long)value,
                                             (long)*expected);
    bool done = (uint32_t)found == *expected;

    *expected = (uint32_t)found;
    return done;
}

static inline bool shmap__cas64(uint64_t *at, uint64_t *expected,
                                uint64_t value)
{
    __int64 found = _InterlockedCompareExchange64(
        (volatile __int64 *)at, (__int64)value, (__int64)*expected);
    bool done = (uint64_t)found == *expected;

    *expected = (uint64_t)found;
    return done;
}

static inline uint64_t shmap__exchange64(uint64_t *at, uint64_t value)
{
    uint64_t found = shmap__load64(at);

    while (!shmap__cas64(at, &found, value))
        continue;
    return found;
}

static inline void shmap__store32(uint32_t *at, uint32_t value)
{
    shmap__exchange32(at, value);
}

static inline void shmap__store64(uint64_t *at, uint64_t value)
{
    shmap__exchange64(at, value);
}

/* For hints, where any old value does. */
static inline uint32_t shmap__peek32(const uint32_t *from)
{
    return *(const volatile uint32_t *)from;
}

static inline void shmap__poke32(uint32_t *at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

static inline uint16_t shmap__peek16(const uint16_t *from)
{
    return *(const volatile uint16_t *)from;
}

static inline void shmap__poke16(uint16_t *at, uint16_t value)
{
    *(volatile uint16_t *)at = value;
}

static inline void *shmap__peek_pointer(void *const *from)
{
    return *(void *const volatile *)from;
}

static inline void shmap__poke_pointer(void **at, void *value)
{
    *(void *volatile *)at = value;
}

/* Order this thread's earlier stores before its later stores, and its earlier
 * loads before its later loads. */
static inline void shmap__fence(void)
{
    SHMAP__LOAD_FENCE();
}

/* The compiler keeps stores on their side of this. */
static inline void shmap__compiler_fence(void)
{
    _ReadWriteBarrier();
}

static inline void shmap__pause(void)
{
#if defined(_M_ARM64) || defined(_M_ARM64EC)
    __yield();
#else
    _mm_pause();
#endif
}

#else

/* In structs for 32 bits, compilers assume less than the 8 bytes' alignment
 * that the public structs have. */
typedef uint64_t __attribute__((aligned(8))) shmap__u64;

/* Helgrind knows nothing of atomic operations. A build for it (the CMake option
 * SHMAP_HELGRIND) tells it what happens before a number is stored, and after it
 * was loaded. */
#if defined(SHMAP_HELGRIND)
#include <valgrind/helgrind.h>
#define SHMAP__BEFORE_STORE(at) ANNOTATE_HAPPENS_BEFORE(at)
#define SHMAP__AFTER_LOAD(at)   ANNOTATE_HAPPENS_AFTER(at)
#else
#define SHMAP__BEFORE_STORE(at) ((void)0)
#define SHMAP__AFTER_LOAD(at)   ((void)0)
#endif

/* A lock in one process would not keep out other processes. */
#if __GCC_ATOMIC_LLONG_LOCK_FREE != 2 && \
    !defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8)
#error "this processor has no 64-bit atomic operations"
#endif

static inline uint32_t shmap__load32(const uint32_t *from)
{
    uint32_t value = __atomic_load_n(from, __ATOMIC_SEQ_CST);

    SHMAP__AFTER_LOAD(from);
    return value;
}

static inline uint64_t shmap__load64(const uint64_t *from)
{
    uint64_t value =
        __atomic_load_n((const shmap__u64 *)from, __ATOMIC_SEQ_CST);

    SHMAP__AFTER_LOAD(from);
    return value;
}

static inline uint32_t shmap__exchange32(uint32_t *at, uint32_t value)
{
    uint32_t found;

    SHMAP__BEFORE_STORE(at);
    found = __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
    SHMAP__AFTER_LOAD(at);
    return found;
}

static inline uint32_t shmap__add32(uint32_t *at, uint32_t value)
{
    uint32_t found;

    SHMAP__BEFORE_STORE(at);
    found = __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
    SHMAP__AFTER_LOAD(at);
    return found;
}

static inline bool shmap__cas32(uint32_t *at, uint32_t *expected,
                                uint32_t value)
{
    bool done;

    SHMAP__BEFORE_STORE(at);
    done = __atomic_compare_exchange_n(at, expected, value, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    SHMAP__AFTER_LOAD(at);
    return done;
}

static inline bool shmap__cas64(uint64_t *at, uint64_t *expected,
                                uint64_t value)
{
    bool done;

    SHMAP__BEFORE_STORE(at);
    done = __atomic_compare_exchange_n((shmap__u64 *)at, expected, value, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    SHMAP__AFTER_LOAD(at);
    return done;
}

static inline uint64_t shmap__exchange64(uint64_t *at, uint64_t value)
{
    uint64_t found;

    SHMAP__BEFORE_STORE(at);
    found = __atomic_exchange_n((shmap__u64 *)at, value, __ATOMIC_SEQ_CST);
    SHMAP__AFTER_LOAD(at);
    return found;
}

static inline void shmap__store32(uint32_t *at, uint32_t value)
{
    SHMAP__BEFORE_STORE(at);
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline void shmap__store64(uint64_t *at, uint64_t value)
{
    SHMAP__BEFORE_STORE(at);
    __atomic_store_n((shmap__u64 *)at, value, __ATOMIC_RELEASE);
}

/* For hints, where any old value does. */
static inline uint32_t shmap__peek32(const uint32_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static inline void shmap__poke32(uint32_t *at, uint32_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static inline uint16_t shmap__peek16(const uint16_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static inline void shmap__poke16(uint16_t *at, uint16_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static inline void *shmap__peek_pointer(void *const *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static inline void shmap__poke_pointer(void **at, void *value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

/* Order this thread's earlier stores before its later stores, and its earlier
 * loads before its later loads. */
static inline void shmap__fence(void)
{
    __atomic_thread_fence(__ATOMIC_ACQ_REL);
}

/* The compiler keeps stores on their side of this. */
static inline void shmap__compiler_fence(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void shmap__pause(void)
{
#if defined(__i386__) || defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__ARM_ARCH)
    __asm__ volatile("yield");
#else
    shmap__compiler_fence();
#endif
}

#endif

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHMAP__THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define SHMAP__THREAD_SANITIZER
#endif

/* Copy bytes while other threads may be writing them; the caller finds out
 * whether the copy is whole. */
static inline void shmap__copy_shared(void *to, const void *from, size_t size)
{
#if defined(SHMAP__THREAD_SANITIZER)
    /* It cannot know that such races are meant. */
    for (size_t i = 0; i < size; i++)
        __atomic_store_n(
            (char *)to + i,
            __atomic_load_n((const char *)from + i, __ATOMIC_RELAXED),
            __ATOMIC_RELAXED);
#else
    memcpy(to, from, size);
#endif
}

/* The half of a number that holds its low 32 bits: what a system call that
 * knows only 32 bits looks at. */
static inline uint32_t *shmap__low_half(const uint64_t *number)
{
    static const uint16_t one = 1;
    unsigned char first;

    memcpy(&first, &one, 1);
    return (uint32_t *)(uintptr_t)number + (first == 1 ? 0 : 1);
}

#endif
