/* SPDX-License-Identifier: MIT */

/* The layout of what lives in shared memory (P12): the same for every compiler,
 * for 32 and for 64 bits. layout.c asserts it for the compiler of the library,
 * and the test of the layout for the compiler of a program.
 */
#ifndef SHMAP_LAYOUT_H
#define SHMAP_LAYOUT_H

#include <stddef.h>

#include "shmap.h"

/* Each object with its size, and its fields with their offsets, in bytes. All
 * objects are aligned to 8. */
#define SHMAP__LAYOUT(OBJECT, FIELD)    \
    OBJECT(shmap_waiters, 16)           \
    FIELD(shmap_waiters, who_, 0)       \
    FIELD(shmap_waiters, sequence_, 8)  \
    FIELD(shmap_waiters, spin_, 12)     \
    OBJECT(shmap_mutex, 64)             \
    FIELD(shmap_mutex, owner_, 0)       \
    FIELD(shmap_mutex, node_, 8)        \
    FIELD(shmap_mutex, turn_, 44)       \
    FIELD(shmap_mutex, who_, 48)        \
    FIELD(shmap_mutex, spin_ns, 56)     \
    FIELD(shmap_mutex, ticket_, 60)     \
    FIELD(shmap_mutex, spin_, 62)       \
    OBJECT(shmap_event, 40)             \
    FIELD(shmap_event, state_, 0)       \
    FIELD(shmap_event, spin_ns, 4)      \
    FIELD(shmap_event, waiting_, 8)     \
    FIELD(shmap_event, taking_, 24)     \
    OBJECT(shmap_semaphore, 24)         \
    FIELD(shmap_semaphore, value_, 0)   \
    FIELD(shmap_semaphore, spin_ns, 4)  \
    FIELD(shmap_semaphore, waiters_, 8) \
    OBJECT(shmap_cond, 24)              \
    FIELD(shmap_cond, waiters_, 0)      \
    FIELD(shmap_cond, spin_ns, 16)      \
    OBJECT(shmap_once, 32)              \
    FIELD(shmap_once, owner_, 0)        \
    FIELD(shmap_once, waiters_, 8)      \
    FIELD(shmap_once, spin_ns, 28)      \
    OBJECT(shmap_barrier, 32)           \
    FIELD(shmap_barrier, state_, 0)     \
    FIELD(shmap_barrier, waiters_, 8)   \
    FIELD(shmap_barrier, spin_ns, 24)   \
    OBJECT(shmap_rwlock, 640)           \
    FIELD(shmap_rwlock, writer_, 0)     \
    FIELD(shmap_rwlock, readers_, 64)   \
    FIELD(shmap_rwlock, drain_, 80)     \
    FIELD(shmap_rwlock, spin_ns, 96)    \
    FIELD(shmap_rwlock, read_, 100)     \
    FIELD(shmap_rwlock, reader_, 128)   \
    OBJECT(shmap_record, 64)            \
    FIELD(shmap_record, version_, 0)    \
    FIELD(shmap_record, writer_, 8)     \
    FIELD(shmap_record, size_, 16)      \
    FIELD(shmap_record, who_, 24)       \
    FIELD(shmap_record, woken_, 32)     \
    FIELD(shmap_record, spin_ns, 44)    \
    FIELD(shmap_record, processor_, 48) \
    OBJECT(shmap_roster, 64)            \
    FIELD(shmap_roster, seats_, 0)      \
    FIELD(shmap_roster, who_, 8)        \
    FIELD(shmap_roster, changes_, 16)

#define SHMAP__ASSERT_OBJECT(type, size)                               \
    _Static_assert(sizeof(type) == (size), #type " has another size"); \
    _Static_assert(_Alignof(type) == 8, #type " is aligned otherwise");

#define SHMAP__ASSERT_FIELD(type, field, offset)      \
    _Static_assert(offsetof(type, field) == (offset), \
                   #type "." #field " is somewhere else");

#endif
