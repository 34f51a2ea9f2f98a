/* SPDX-License-Identifier: MIT */

/* Handing memory over with Linux' own calls: memory files, sealed for others'
 * reading, and Unix domain sockets.
 */
#include "../handover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE /* Linux 5.1 */
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Making */

static int memory_file(size_t size)
{
    int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (fallocate(fd, 0, 0, (off_t)size) == 0 && pwrite(fd, "", 1, 0) == 1)
        return fd;
    close(fd);
    return -1;
}

/* A read-only description, which the seal keeps from being reopened for
 * writing. */
static int only_for_reading(int fd)
{
    char path[64];
    int again;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    again = open(path, O_RDONLY | O_CLOEXEC);
    if (again < 0)
        return -1;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0)
        return again;
    close(again);
    return -1;
}

int bench_memory_make(bench_memory *memory, size_t size, bool for_reading)
{
    int fd = memory_file(size);
    int given = fd >= 0 && for_reading ? only_for_reading(fd) : fd;

    if (given < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *memory = (bench_memory){fd, given, size, for_reading};
    return 0;
}

void bench_memory_free(bench_memory *memory)
{
    if (memory->size == 0)
        return;
    close((int)memory->native);
    if (memory->given != memory->native)
        close((int)memory->given);
    memory->size = 0;
}

int bench_channel_open(intptr_t ends[2])
{
    int sockets[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return -1;
    ends[0] = sockets[0];
    ends[1] = sockets[1];
    return 0;
}

void bench_channel_close(const intptr_t ends[2])
{
    close((int)ends[0]);
    close((int)ends[1]);
}

/* Handing over and taking */

int64_t bench_process_id(void)
{
    return getpid();
}

/* Room for one descriptor. */
typedef union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
} control;

static int send_descriptor(int channel, int fd)
{
    char byte = 0;
    struct iovec text = {&byte, 1};
    control sent = {0};
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = &sent,
                             .msg_controllen = sizeof sent};

    sent.header.cmsg_level = SOL_SOCKET;
    sent.header.cmsg_type = SCM_RIGHTS;
    sent.header.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&sent.header), &fd, sizeof fd);
    return sendmsg(channel, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static int receive_descriptor(int channel)
{
    char byte;
    struct iovec text = {&byte, 1};
    control received;
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = &received,
                             .msg_controllen = sizeof received};
    int fd;

    if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 ||
        CMSG_FIRSTHDR(&message) == NULL ||
        received.header.cmsg_level != SOL_SOCKET ||
        received.header.cmsg_type != SCM_RIGHTS ||
        received.header.cmsg_len != CMSG_LEN(sizeof fd))
        return -1;
    memcpy(&fd, CMSG_DATA(&received.header), sizeof fd);
    return fd;
}

static int touch(int fd, size_t size, bool for_reading)
{
    int protection = for_reading ? PROT_READ : PROT_READ | PROT_WRITE;
    volatile char *data = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

    if (data == MAP_FAILED)
        return -1;
    if (for_reading)
        (void)*data;
    else
        *data = 1;
    return munmap((void *)(uintptr_t)data, size);
}

static int use(int fd, bool for_reading)
{
    struct stat stat;
    int failed = fd < 0 ? -1 : fstat(fd, &stat);

    if (failed == 0)
        failed = touch(fd, (size_t)stat.st_size, for_reading);
    if (fd >= 0)
        close(fd);
    return failed;
}

int bench_raw_send(const bench_memory *memory, const intptr_t ends[2])
{
    if (send_descriptor((int)ends[0], (int)memory->given) != 0)
        return -1;
    return use(receive_descriptor((int)ends[1]), memory->for_reading);
}

int bench_raw_reach(const bench_memory *memory)
{
    int access = memory->for_reading ? O_RDONLY : O_RDWR;
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)getpid(),
             (int)memory->given);
    return use(open(path, access | O_CLOEXEC), memory->for_reading);
}

int bench_raw_map(const bench_memory *memory)
{
    return touch((int)memory->native, memory->size, false);
}

/* Children */

static int heirloom = -1;
static void *data;
static size_t mapped;

static void *map(size_t size)
{
    mapped = size;
    data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, heirloom, 0);
    return data == MAP_FAILED ? NULL : data;
}

static void let_go(void)
{
    munmap(data, mapped);
    close(heirloom);
}

static void *raw_make(size_t size)
{
    heirloom = memory_file(size);
    return heirloom < 0 ? NULL : map(size);
}

static int raw_offer(char *token, size_t size)
{
    snprintf(token, size, "%d", heirloom);
    return fcntl(heirloom, F_SETFD, 0);
}

static void raw_withdraw(void)
{
    fcntl(heirloom, F_SETFD, FD_CLOEXEC);
}

static void *raw_take(const char *token, size_t size)
{
    struct stat stat;

    (void)size;
    heirloom = (int)strtol(token, NULL, 10);
    if (fcntl(heirloom, F_SETFD, FD_CLOEXEC) != 0 ||
        fstat(heirloom, &stat) != 0)
        return NULL;
    return map((size_t)stat.st_size);
}

const bench_giver bench_raw_giver = {
    "raw", raw_make, let_go, raw_offer, raw_withdraw, raw_take, let_go,
};
