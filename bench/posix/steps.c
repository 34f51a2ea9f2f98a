/* SPDX-License-Identifier: MIT */

/* Where the time of attaching goes on Linux: the raw calls, and then one after
 * the other what shmap adds to them, each case with one more. The differences
 * between the rows are what the additions cost; the difference between the
 * last row and bench_region's "attach-fresh/shmap" is the library's own work.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../runner.h"

enum { SIZE = 64 << 10 };

/* Each of these includes those before it. */
enum level {
    RAW,
    COMMITTED, /* the region has pages that nobody has touched */
    HELD,      /* somebody has a mark on the region */
    NAME,      /* the user's number, for the name and to compare */
    LOOK,      /* whether somebody holds it */
    MARK,      /* hold it */
    SAME_MARK, /* whether it was removed before it was held */
    SAME_MAP,  /* whether the descriptor is still ours, before mapping */
    SAME_CLOSE,
    TURN, /* the turn to leave */
    ASK,  /* whether somebody else holds it */
    LEVELS
};

static const char *const level_names[LEVELS] = {
    "raw",           "+ committed",   "+ held by a mark",
    "+ geteuid",     "+ GETLK",       "+ SETLK",
    "+ fstat again", "+ fstat (map)", "+ fstat (close)",
    "+ flock",       "+ GETLK again",
};

/* One region for each of the first three levels; the others use the last. */
static char paths[HELD + 1][64];
static enum level levels[LEVELS];

static int byte_lock(int fd, int command, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

    return fcntl(fd, command, &lock);
}

static int attach(void *context, int64_t parts[RUNNER_PARTS])
{
    enum level level = *(const enum level *)context;
    struct stat stat;
    volatile char *data;
    int fd;
    int failed = 0;

    (void)parts;
    if (level >= NAME)
        (void)geteuid();
    fd = open(paths[level < HELD ? level : HELD],
              O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    failed |= fstat(fd, &stat);
    if (level >= LOOK)
        failed |= byte_lock(fd, F_OFD_GETLK, F_WRLCK);
    if (level >= MARK)
        failed |= byte_lock(fd, F_OFD_SETLK, F_RDLCK);
    if (level >= SAME_MARK)
        failed |= fstat(fd, &stat);

    if (level >= SAME_MAP)
        failed |= fstat(fd, &stat);
    data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return -1;
    (void)*data;
    munmap((void *)(uintptr_t)data, SIZE);

    if (level >= SAME_CLOSE)
        failed |= fstat(fd, &stat);
    if (level >= TURN)
        failed |= flock(fd, LOCK_EX | LOCK_NB);
    if (level >= ASK)
        failed |= byte_lock(fd, F_OFD_GETLK, F_WRLCK);
    return failed | close(fd);
}

/* Make a region in which one page was touched, and keep it open. */
static int prepare(enum level level)
{
    int fd = open(paths[level], O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    int failed = fd < 0 ? -1 : ftruncate(fd, SIZE);

    if (failed == 0 && level >= COMMITTED)
        failed = fallocate(fd, 0, 0, SIZE);
    if (failed == 0 && level >= HELD)
        failed = byte_lock(fd, F_OFD_SETLK, F_RDLCK);
    return failed == 0 && pwrite(fd, "", 1, 0) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    static runner_case cases[LEVELS];
    const runner_group group = {
        .name = "steps",
        .title = "What shmap adds to the raw calls of an attach",
        .parts = {"all"},
        .rounds = 3001,
        .batch = 5,
        .cases = cases,
        .count = LEVELS,
    };
    int failed = 0;

    for (enum level i = RAW; i <= HELD; i++) {
        snprintf(paths[i], sizeof paths[i], "/dev/shm/steps-%ld-%d",
                 (long)getpid(), (int)i);
        failed |= prepare(i);
    }
    for (enum level i = RAW; i < LEVELS; i++) {
        levels[i] = i;
        cases[i].name = level_names[i];
        cases[i].context = &levels[i];
        cases[i].run = attach;
    }
    failed = failed != 0 ? 1 : runner_main(argc, argv, &group, 1);
    for (enum level i = RAW; i <= HELD; i++)
        unlink(paths[i]);
    return failed;
}
