/* SPDX-License-Identifier: MIT */

/* Channels, POSIX: Unix domain sockets. */

#include "../channel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const int types[CHANNEL_KINDS] = {SOCK_STREAM, SOCK_SEQPACKET};

bool channel_pair(intptr_t ends[2], enum channel_kind kind, bool waits)
{
    int sockets[2];
    int flags = SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK);
    if (socketpair(AF_UNIX, types[kind] | flags, 0, sockets) != 0)
        return false;
    ends[0] = sockets[0];
    ends[1] = sockets[1];
    return true;
}

/* The address is the path; its first letter tells the kind. */
static void fill_address(struct sockaddr_un *out, const char *address)
{
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    snprintf(out->sun_path, sizeof out->sun_path, "%s", address + 1);
}

intptr_t channel_listen(char *address, enum channel_kind kind)
{
    struct sockaddr_un at;
    int listening = socket(AF_UNIX, types[kind] | SOCK_CLOEXEC, 0);
    snprintf(address, NAME_ROOM, "%d/tmp/t%d-%08x", (int)kind, os_process_id(),
             (unsigned)fresh_seed());
    fill_address(&at, address);
    if (listening < 0 ||
        bind(listening, (const struct sockaddr *)&at, sizeof at) != 0 ||
        chmod(at.sun_path, 0666) != 0 || listen(listening, 1) != 0) {
        channel_close(listening);
        return -1;
    }
    return listening;
}

intptr_t channel_join(const char *address)
{
    struct sockaddr_un at;
    int kind = address[0] - '0';
    int end = socket(AF_UNIX, types[kind] | SOCK_CLOEXEC, 0);
    fill_address(&at, address);
    if (end >= 0 &&
        connect(end, (const struct sockaddr *)&at, sizeof at) != 0) {
        close(end);
        return -1;
    }
    return end;
}

intptr_t channel_accept(intptr_t listening)
{
    struct sockaddr_un at;
    socklen_t size = sizeof at;
    int end = accept4((int)listening, NULL, NULL, SOCK_CLOEXEC);
    memset(&at, 0, sizeof at);
    if (getsockname((int)listening, (struct sockaddr *)&at, &size) == 0)
        unlink(at.sun_path);
    close((int)listening);
    return end;
}

bool channel_small_pair(intptr_t ends[2])
{
    (void)ends;
    return false;
}

bool channel_finds_holder(void)
{
    return true;
}

void channel_close(intptr_t end)
{
    if (end >= 0)
        close((int)end);
}

bool channel_stop_reading(intptr_t end)
{
    return shutdown((int)end, SHUT_RD) == 0;
}

bool channel_write(intptr_t end, const void *data, size_t size)
{
    return send((int)end, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) ==
           (ssize_t)size;
}

bool channel_write_with(intptr_t end, const void *data, size_t size,
                        const intptr_t *handles, size_t count)
{
    enum { MOST = 253 };
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(MOST * sizeof(int))];
    } control;
    struct iovec content = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1};
    if (count > MOST)
        return false;
    memset(&control, 0, sizeof control);
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
        for (size_t i = 0; i < count; i++) {
            int fd = (int)handles[i];
            memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
        }
    }
    return sendmsg((int)end, &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
           (ssize_t)size;
}

bool channel_fill(intptr_t end)
{
    static const char nothing[4096];
    /* The smaller, the fuller. */
    for (size_t size = sizeof nothing; size > 0; size /= 2)
        while (send((int)end, nothing, size, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            continue;
    return errno == EAGAIN;
}

size_t channel_drain(intptr_t end)
{
    char data[4096];
    size_t sum = 0;
    ssize_t count;
    while ((count = recv((int)end, data, sizeof data, MSG_DONTWAIT)) > 0)
        sum += (size_t)count;
    return sum;
}

/* Linux: one with a number for a name is no file. */
static int listening_without_a_name(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(end, (const struct sockaddr *)&at, sizeof at.sun_family) != 0 ||
        listen(end, 1) != 0) {
        channel_close(end);
        return -1;
    }
    return end;
}

intptr_t channel_make_not(enum channel_not what)
{
    int ends[2] = {-1, -1};
    switch (what) {
    case CHANNEL_NOT_A_FILE:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    case CHANNEL_NOT_A_PIPE:
        if (pipe(ends) == 0)
            close(ends[0]);
        return ends[1];
    case CHANNEL_NOT_LOCAL:
        return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    case CHANNEL_NOT_ONE:
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0)
            close(ends[1]);
        return ends[0];
    case CHANNEL_NOT_JOINED:
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    case CHANNEL_NOT_ACCEPTED:
        return listening_without_a_name();
    default:
        return -1;
    }
}
