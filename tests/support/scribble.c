/* SPDX-License-Identifier: MIT */

/* What is scribbled over an arena. All is written as by one who races with
 * everybody else: word by word, and not indivisibly. */

#include "scribble.h"

#include <stddef.h>

static void put32(void *at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

static void put64(void *at, uint64_t value)
{
    *(volatile uint64_t *)at = value;
}

static void put_pointer(void *at, uintptr_t value)
{
    unsigned char bytes[sizeof value];
    memcpy(bytes, &value, sizeof value);
    for (size_t i = 0; i < sizeof value; i += 4) {
        uint32_t word;
        memcpy(&word, bytes + i, sizeof word);
        put32((char *)at + i, word);
    }
}

static uint32_t get32(const void *at)
{
    return *(const volatile uint32_t *)at;
}

static uint64_t get64(const void *at)
{
    return *(const volatile uint64_t *)at;
}

static uint32_t roll(struct scribbler *scribbler, uint32_t sides)
{
    return dice_roll(&scribbler->dice, sides);
}

static uint32_t random32(struct scribbler *scribbler)
{
    return roll(scribbler, 65536) << 16 | roll(scribbler, 65536);
}

static uint64_t random64(struct scribbler *scribbler)
{
    return (uint64_t)random32(scribbler) << 32 | random32(scribbler);
}

/* Words that mean something somewhere. */
static uint64_t special64(struct scribbler *scribbler)
{
    static const uint64_t words[] = {
        0,
        1,
        2,
        3,
        UINT64_MAX,
        UINT64_C(0x40000000), /* an owner died */
        UINT64_C(0x80000000), /* somebody waits */
        UINT64_C(0xC0000000),
        UINT64_C(0x7FFFFFFF),
        UINT64_C(0xFFFFFFFF),
        UINT64_C(0x12345678) << 32, /* number 0 */
        UINT64_C(0x8000000000000000),
        UINT64_C(0x7FFFFFFFFFFFFFFF),
        UINT64_C(0xFFFF), /* waiters, all that can be counted */
        UINT64_C(0xFFFFFFFFFFFF) << 16,
    };
    return words[roll(scribbler, COUNT(words))];
}

static const struct scribble_hints *some_hints(struct scribbler *scribbler)
{
    return scribbler->hints[roll(scribbler, (uint32_t)scribbler->hint_count)];
}

/* Somebody's word, with or without flags. */
static uint64_t some_id(struct scribbler *scribbler)
{
    uint64_t id = memory_load(&some_hints(scribbler)->id);
    uint64_t flags = roll(scribbler, 2) == 0 ? 0 : roll(scribbler, 4);
    return id | flags << 30;
}

/* Where the words of a kind are. SIZE_MAX ends a list. */
#define COND_MUTEX offsetof(struct arena_cond, mutex)

static const size_t owners[ARENA_KINDS][6] = {
    [ARENA_MUTEX] = {offsetof(shmap_mutex, owner_), SIZE_MAX},
    [ARENA_RWLOCK] = {0, offsetof(shmap_rwlock, reader_),
                      offsetof(shmap_rwlock, reader_) + 8 * 8,
                      offsetof(shmap_rwlock, reader_) + 33 * 8,
                      offsetof(shmap_rwlock, reader_) + 63 * 8, SIZE_MAX},
    [ARENA_COND] = {COND_MUTEX, SIZE_MAX},
    [ARENA_EVENT] = {SIZE_MAX},
    [ARENA_SEMAPHORE] = {SIZE_MAX},
    [ARENA_BARRIER] = {SIZE_MAX},
    [ARENA_ONCE] = {offsetof(shmap_once, owner_), SIZE_MAX},
    [ARENA_RECORD] = {offsetof(shmap_record, writer_), SIZE_MAX},
};

static const size_t registrations[ARENA_KINDS][6] = {
    [ARENA_MUTEX] = {offsetof(shmap_mutex, who_), SIZE_MAX},
    [ARENA_RWLOCK] = {offsetof(shmap_mutex, who_),
                      offsetof(shmap_rwlock, readers_),
                      offsetof(shmap_rwlock, drain_), SIZE_MAX},
    [ARENA_COND] = {0, COND_MUTEX + offsetof(shmap_mutex, who_), SIZE_MAX},
    [ARENA_EVENT] = {offsetof(shmap_event, waiting_),
                     offsetof(shmap_event, taking_), SIZE_MAX},
    [ARENA_SEMAPHORE] = {offsetof(shmap_semaphore, waiters_), SIZE_MAX},
    [ARENA_BARRIER] = {offsetof(shmap_barrier, waiters_), SIZE_MAX},
    [ARENA_ONCE] = {offsetof(shmap_once, waiters_), SIZE_MAX},
    [ARENA_RECORD] = {offsetof(shmap_record, who_), SIZE_MAX},
};

/* One of these words of an object, or NULL. */
static char *pick(struct scribbler *scribbler, const size_t *list, char *at)
{
    uint32_t count = 0;
    while (list[count] != SIZE_MAX)
        ++count;
    return count == 0 ? NULL : at + list[roll(scribbler, count)];
}

static shmap_mutex *mutex_of(enum arena_kind kind, char *at)
{
    switch (kind) {
    case ARENA_MUTEX:
    case ARENA_RWLOCK: /* Its first field is one. */
        return (shmap_mutex *)at;
    case ARENA_COND:
        return &((struct arena_cond *)at)->mutex;
    default:
        return NULL;
    }
}

static void write_random(struct scribbler *scribbler, char *at, size_t size)
{
    uint32_t words = (uint32_t)(size / 4);
    size_t word = (size_t)roll(scribbler, words) * 4;
    switch (roll(scribbler, 4)) {
    case 0:
        put32(at + word, random32(scribbler));
        break;
    case 1:
        *(volatile char *)(at + word + roll(scribbler, 4)) =
            (char)roll(scribbler, 256);
        break;
    case 2:
        put32(at + word, get32(at + word) ^ UINT32_C(1) << roll(scribbler, 32));
        break;
    default:
        put64(at + word / 8 * 8, special64(scribbler));
        break;
    }
}

static void write_all_random(struct scribbler *scribbler, char *at, size_t size)
{
    for (size_t i = 0; i < size; i += 4)
        put32(at + i, random32(scribbler));
}

static void write_zero(char *at, size_t size)
{
    for (size_t i = 0; i < size; i += 8)
        put64(at + i, 0);
}

/* The word of another object, or of this one, at another time. */
static void write_copy(struct scribbler *scribbler, char *at, size_t size)
{
    unsigned other = roll(scribbler, ARENA_OBJECTS);
    struct arena_object from = arena_object(other);
    const char *source = roll(scribbler, 2) == 0
                             ? arena_at(scribbler->arena, other)
                             : (const char *)scribbler->past[other];
    size_t common = size < from.size ? size : from.size;
    size_t word = (size_t)roll(scribbler, (uint32_t)(common / 8)) * 8;
    put64(at + word, get64(source + word));
}

/* Replay a whole state. */
static void write_past(struct scribbler *scribbler, char *at, unsigned number,
                       size_t size)
{
    for (size_t i = 0; i < size; i += 8)
        put64(at + i, get64(scribbler->past[number] + i));
}

static void keep(struct scribbler *scribbler, const char *at, unsigned number,
                 size_t size)
{
    for (size_t i = 0; i < size; i += 8)
        put64(scribbler->past[number] + i, get64(at + i));
}

static void write_owner(struct scribbler *scribbler, enum arena_kind kind,
                        char *at)
{
    char *word = pick(scribbler, owners[kind], at);
    if (word != NULL)
        put64(word, roll(scribbler, 4) == 0 ? special64(scribbler)
                                            : some_id(scribbler));
}

static void write_registration(struct scribbler *scribbler,
                               enum arena_kind kind, char *at)
{
    static const uint64_t counts[] = {0, 1, 2, 100, 0xFFFE, 0xFFFF};
    unsigned other = roll(scribbler, ARENA_OBJECTS);
    char *word = pick(scribbler, registrations[kind], at);
    char *others = pick(scribbler, registrations[arena_object(other).kind],
                        arena_at(scribbler->arena, other));
    uint64_t id = roll(scribbler, 2) == 0 ? get64(others) : random64(scribbler);
    put64(word,
          (id & ~UINT64_C(0xFFFF)) | counts[roll(scribbler, COUNT(counts))]);
}

static void write_ticket(struct scribbler *scribbler, enum arena_kind kind,
                         char *at)
{
    shmap_mutex *mutex = mutex_of(kind, at);
    if (mutex == NULL)
        return;
    *(volatile uint16_t *)&mutex->ticket_ =
        (uint16_t)(roll(scribbler, 4) == 0 ? random32(scribbler)
                                           : roll(scribbler, 8));
}

/* An address in the process of another: of a node, or of what could be taken
 * for one. The word that belongs to a node is some way before it. */
static uintptr_t some_address(struct scribbler *scribbler)
{
    static const int ways[] = {32, 20, 24, 16, 28, 12, 8, 0, -8, -32};
    const struct scribble_hints *hints = some_hints(scribbler);
    unsigned number = roll(scribbler, ARENA_OBJECTS);
    struct arena_object object = arena_object(number);
    uintptr_t way = (uintptr_t)(intptr_t)
        ways[roll(scribbler, roll(scribbler, 2) == 0 ? 2 : COUNT(ways))];
    uint64_t cell = memory_load(&hints->cells[object.kind]);
    uint64_t healthy =
        memory_load(&hints->healthy[roll(scribbler, COUNT(hints->healthy))]);
    switch (roll(scribbler, 8)) {
    case 0:
        return 0;
    case 1: /* not there */
        return (uintptr_t)cell + os_page_size();
    case 2:
        return (uintptr_t)cell - 8;
    case 3:
        return (uintptr_t)random64(scribbler);
    case 4:
        return (uintptr_t)cell + object.at + way + 1;
    case 5:
        return (uintptr_t)cell + object.at + way;
    default:
        return (uintptr_t)healthy + way;
    }
}

static void write_node(struct scribbler *scribbler, enum arena_kind kind,
                       char *at)
{
    shmap_mutex *mutex = mutex_of(kind, at);
    uint32_t room = (uint32_t)(sizeof mutex->node_ - sizeof(uintptr_t));
    bool everywhere = roll(scribbler, 2) == 0;
    uintptr_t address = some_address(scribbler);
    if (mutex == NULL)
        return;
    if (!everywhere) {
        put_pointer((char *)mutex->node_ +
                        (size_t)roll(scribbler, room / 4 + 1) * 4,
                    address);
        return;
    }
    for (size_t i = 0; i + sizeof address <= sizeof mutex->node_;
         i += sizeof address)
        put_pointer((char *)mutex->node_ + i, address);
}

/* What only some have. */
static void write_numbers(struct scribbler *scribbler,
                          const struct arena_object *object, char *at)
{
    shmap_record *record = (shmap_record *)at;
    shmap_barrier *barrier = (shmap_barrier *)at;
    static const uint64_t huge[] = {0,
                                    1,
                                    65,
                                    4096,
                                    UINT64_C(0x7FFFFFFF),
                                    UINT64_C(0x4000000000000000),
                                    UINT64_MAX};
    switch (object->kind) {
    case ARENA_RECORD:
        if (roll(scribbler, 2) == 0)
            put64(&record->size_, roll(scribbler, 4) == 0
                                      ? huge[roll(scribbler, COUNT(huge))]
                                      : object->value);
        else
            put64(&record->version_, roll(scribbler, 2) == 0
                                         ? special64(scribbler)
                                         : random64(scribbler));
        if (roll(scribbler, 4) == 0)
            put64(&record->woken_, random64(scribbler));
        break;
    case ARENA_BARRIER:
        put32(&barrier->state_, random32(scribbler));
        break;
    case ARENA_SEMAPHORE:
        put32(at, (uint32_t)special64(scribbler));
        break;
    default:
        write_random(scribbler, at, object->size);
        break;
    }
}

void scribble_start(struct scribbler *scribbler, void *arena, uint64_t seed)
{
    scribbler->arena = arena;
    scribbler->dice.state = seed;
    for (unsigned i = 0; i < ARENA_OBJECTS; i++) {
        scribbler->past[i] = calloc(1, arena_object(i).size);
        if (scribbler->past[i] == NULL)
            abort();
    }
}

void scribble(struct scribbler *scribbler)
{
    unsigned number = roll(scribbler, ARENA_OBJECTS);
    struct arena_object object = arena_object(number);
    char *at = arena_at(scribbler->arena, number);
    switch (roll(scribbler, 20)) {
    case 0:
    case 1:
        write_random(scribbler, at, object.size);
        break;
    case 2:
        write_all_random(scribbler, at, object.size);
        break;
    case 3:
        write_copy(scribbler, at, object.size);
        break;
    case 4:
        write_past(scribbler, at, number, object.size);
        break;
    case 5:
    case 6:
        keep(scribbler, at, number, object.size);
        break;
    case 7:
    case 8:
        write_owner(scribbler, object.kind, at);
        break;
    case 9:
    case 10:
        write_registration(scribbler, object.kind, at);
        break;
    case 11:
    case 12:
        write_ticket(scribbler, object.kind, at);
        break;
    case 13:
    case 14:
        write_node(scribbler, object.kind, at);
        break;
    case 15:
        write_numbers(scribbler, &object, at);
        break;
    default: /* So that calls succeed, too. */
        write_zero(at, object.size);
        break;
    }
}

void scribble_heal(void *arena)
{
    for (unsigned copy = 0; copy < ARENA_COPIES; copy++) {
        struct arena_cond *cond =
            arena_at(arena, ARENA_COND * ARENA_COPIES + copy);
        put64(&cond->mutex.owner_, 0);
    }
}
