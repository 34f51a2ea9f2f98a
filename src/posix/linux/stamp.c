/* SPDX-License-Identifier: MIT */

/* The proof of a name. Every user that may write to an object of /dev/shm can
 * link it to any free name there, also to one of the owner's private names, and
 * so plant content under it. But only its owner can give explicit times to an
 * object. So the access time of a region is a hash of its name, far in the
 * future, where no access changes it (relatime, noatime). A user with the right
 * to write can destroy the stamp, by setting the time to now, but cannot make
 * another.
 *
 * On file systems that note every access (strictatime) the stamp is lost with
 * the first one. There, an object proves its name by having no other name.
 */
#include "posix/linux/stamp.h"

#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A 64-bit number of seconds, and nanoseconds. */
typedef struct stamp {
    int64_t seconds;
    int64_t nanoseconds;
} stamp;

/* The low half of the seconds of every stamp. A 32-bit kernel compares the low
 * halves only, and must find that the time is not past: it does until 2092. */
enum { HALF = 32 };
static const uint32_t low_half = UINT32_C(0xE6000000);

/* Other programs meet regions whose names are not derived. Many 32-bit ones
 * have times of 32 bits, and cannot ask for the size of what has others; and no
 * stamp is compared for them. So these stamps are in January 2038, when such
 * programs end. */
static const int64_t small_seconds = INT64_C(0x7FFF0000);

/* SipHash-4-8 with a key that is no secret. Other users may have a say in the
 * names of shared regions, so it must not be possible to find a name with the
 * hash of another: the state has 256 bits, of which a name can choose 64 at a
 * time, and no shorter way is known than to try 2^58 names. A cryptographic
 * hash takes a microsecond, which attaching would feel. */

enum { BLOCK = 8, ROUNDS = 4, LAST_ROUNDS = 8 };

static inline uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void mix(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

/* The next 8 bytes, or as many as are left, the same in all byte orders. */
static inline uint64_t load(const char *text, size_t size)
{
    uint64_t block = 0;

    for (size_t i = 0; i < size; i++)
        block |= (uint64_t)(unsigned char)text[i] << 8 * i;
    return block;
}

static uint64_t hash_of(const char *text)
{
    uint64_t v[4] = {UINT64_C(0x736F6D6570736575), UINT64_C(0x646F72616E646F6D),
                     UINT64_C(0x6C7967656E657261),
                     UINT64_C(0x7465646279746573)};
    size_t size = strlen(text);
    size_t left = size;
    uint64_t block;

    for (; left >= BLOCK; left -= BLOCK, text += BLOCK) {
        block = load(text, BLOCK);
        v[3] ^= block;
        mix(v, ROUNDS);
        v[0] ^= block;
    }
    block = load(text, left) | (uint64_t)size << 56;
    v[3] ^= block;
    mix(v, ROUNDS);
    v[0] ^= block;
    v[2] ^= 0xFF;
    mix(v, LAST_ROUNDS);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Stamps */

/* The beginning of the names that the library derives. */
static const char derived_start[] = "shmap.";

static stamp stamp_of(const char *name)
{
    const uint32_t nanoseconds = 1000000000;
    uint64_t hash = hash_of(name);
    /* 29 bits, and one more so that it is not 0. */
    uint64_t high = (hash >> 32 & 0x1FFFFFFF) | UINT32_C(1) << 29;
    bool derived = strncmp(name, derived_start, sizeof derived_start - 1) == 0;
    stamp made;

    made.seconds = derived ? (int64_t)(high << HALF | low_half) : small_seconds;
    made.nanoseconds = (int64_t)((hash & 0xFFFFFFFF) * nanoseconds >> 32);
    return made;
}

static bool is_stamp(const stamp *time)
{
    return time->seconds == small_seconds ||
           (time->seconds >> HALF > 0 &&
            ((uint64_t)time->seconds & 0xFFFFFFFF) == low_half);
}

/* Where the C library's times have 32 bits, the kernel is asked itself. */
#if defined(SYS_utimensat_time64) && defined(SYS_statx)

static int set_time(int fd, const stamp *time)
{
    const stamp times[2] = {*time, {0, UTIME_OMIT}};

    return syscall(SYS_utimensat_time64, fd, NULL, times, 0) == 0 ? 0 : errno;
}

static stamp get_time(int fd, const struct stat *stat)
{
    enum { EMPTY_PATH = 0x1000, ACCESS_TIME = 0x20 };
    struct {
        uint32_t before[16];
        int64_t seconds;
        uint32_t nanoseconds;
        uint32_t after[45];
    } answer = {{0}, 0, 0, {0}};

    if (sizeof stat->st_atim.tv_sec < sizeof answer.seconds &&
        syscall(SYS_statx, fd, "", EMPTY_PATH, ACCESS_TIME, &answer) == 0)
        return (stamp){answer.seconds, answer.nanoseconds};
    return (stamp){stat->st_atim.tv_sec, stat->st_atim.tv_nsec};
}

#else

static int set_time(int fd, const stamp *time)
{
    struct timespec times[2] = {{0, 0}, {0, UTIME_OMIT}};

    times[0].tv_sec = (time_t)time->seconds;
    times[0].tv_nsec = (long)time->nanoseconds;
    return futimens(fd, times) == 0 ? 0 : errno;
}

static stamp get_time(int fd, const struct stat *stat)
{
    (void)fd;
    return (stamp){stat->st_atim.tv_sec, stat->st_atim.tv_nsec};
}

#endif

bool shmap__posix_stamp_lasts(int fd)
{
    enum { NOATIME = 0x400, RELATIME = 0x1000 };
    struct statfs fs;

    return fstatfs(fd, &fs) != 0 ||
           ((unsigned long)fs.f_flags & (NOATIME | RELATIME)) != 0;
}

int shmap__posix_stamp_put(int fd, const char *name)
{
    const stamp made = stamp_of(name);

    return set_time(fd, &made);
}

enum shmap__posix_proof shmap__posix_stamp_check(int fd,
                                                 const struct stat *stat,
                                                 const char *name)
{
    stamp now = get_time(fd, stat);
    stamp made;

    if (!is_stamp(&now))
        return SHMAP__POSIX_PROOF_NONE;
    made = stamp_of(name);
    return now.seconds == made.seconds && now.nanoseconds == made.nanoseconds
               ? SHMAP__POSIX_PROOF_NAME
               : SHMAP__POSIX_PROOF_OTHER;
}
