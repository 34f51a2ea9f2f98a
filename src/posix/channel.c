/* SPDX-License-Identifier: MIT */

/* Messages with descriptors, through Unix domain sockets. */
#include "posix/os.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL /* macOS */
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

#ifdef __linux__
enum { PIDFD = 4 }; /* SCM_PIDFD, of Linux 6.5 */
#else
enum { PIDFD = SCM_RIGHTS }; /* Equal, so that the test below never matches. */
#endif

/* The most descriptors that are taken from a message, to be closed if it is not
 * one of the library: a sender of many must not be able to leave them here. */
enum { DESCRIPTORS_MAX = 253 };

static const char no_channel[] =
    "channel: must be an open descriptor of a connected Unix domain socket";

static shmap__os_status channel_failed(int error)
{
    switch (error) {
    case ENOTSOCK:
    case EAFNOSUPPORT:
    case EOPNOTSUPP:
    case EPROTOTYPE:
        return (shmap__os_status){SHMAP_ETYPE, error};
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case EDESTADDRREQ:
    case ECONNREFUSED:
        return (shmap__os_status){SHMAP_ENOENT, error};
    case EBADF:
    case EINVAL:
        return (shmap__os_status){SHMAP_EINVAL, error, no_channel};
    case ETOOMANYREFS: /* too many descriptors in messages not yet read */
        return (shmap__os_status){SHMAP_EMFILE, error};
    default:
        return shmap__posix_failed(error);
    }
}

/* Check the channel. Only Unix domain sockets carry descriptors, and only
 * connected ones have another end. Every process can send to a socket of
 * datagrams. */
static shmap__os_status check_channel(intptr_t channel, int *type)
{
    struct sockaddr address = {0};
    socklen_t size = sizeof address;
    socklen_t type_size = sizeof *type;

    if (channel < 0 || channel > INT32_MAX)
        return channel_failed(EBADF);
    if (getsockname((int)channel, &address, &size) != 0 ||
        getsockopt((int)channel, SOL_SOCKET, SO_TYPE, type, &type_size) != 0)
        return channel_failed(errno);
    if (address.sa_family != AF_UNIX || *type == SOCK_DGRAM)
        return channel_failed(EAFNOSUPPORT);
    size = sizeof address;
    if (getpeername((int)channel, &address, &size) != 0)
        return channel_failed(errno);
    return shmap__posix_done;
}

/* Wait until the channel looks ready for something, or the deadline has passed.
 */
static shmap__os_status wait_for(int channel, short event, int64_t deadline)
{
    const int64_t ms = 1000000;
    struct pollfd poller = {channel, event, 0};
    int64_t now = shmap__os_now();
    int64_t left = deadline > now ? deadline - now : 0;
    int result;

    left = left > INT32_MAX * ms ? INT32_MAX : (left + ms - 1) / ms;
    result = poll(&poller, 1, (int)left);
    if (result > 0 && event == POLLOUT &&
        (poller.revents & (POLLERR | POLLHUP)) != 0)
        return channel_failed(EPIPE);
    if (result < 0 && errno == EINVAL) /* The limit is 0. */
        return (shmap__os_status){SHMAP_EMFILE, EINVAL};
    if (result < 0 && errno != EINTR)
        return channel_failed(errno);
    if (result > 0 || deadline > shmap__os_now())
        return shmap__posix_done;
    return (shmap__os_status){SHMAP_ETIMEDOUT, 0};
}

/* Wait once more, after a channel that looked ready was not. */
static shmap__os_status wait_again(intptr_t channel, short event,
                                   int64_t deadline)
{
    if (shmap__os_now() >= deadline)
        return (shmap__os_status){SHMAP_ETIMEDOUT, 0};
    return wait_for((int)channel, event, deadline);
}

/* A stream whose other end is closed, or reads no more, has room as well; but
 * sending to it fails, even without any data. */
shmap__os_status shmap__posix_channel_await(intptr_t channel, int64_t deadline)
{
    int type = 0;
    shmap__os_status status = check_channel(channel, &type);

    if (status.code == 0)
        status = wait_for((int)channel, POLLOUT, deadline);
    if (status.code == 0 && type == SOCK_STREAM &&
        send((int)channel, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        status = channel_failed(errno);
    return status;
}

/* Descriptors follow their message's first byte. */
typedef union descriptors {
    struct cmsghdr header;
    char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
} descriptors;

static void attach(struct msghdr *message, descriptors *control, int fd)
{
    struct cmsghdr *header;

    memset(control, 0, CMSG_SPACE(sizeof fd));
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof fd);
    header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
}

shmap__os_status shmap__os_send(intptr_t channel, const shmap__os_gift *gift,
                                const char message[SHMAP__OS_MESSAGE],
                                int64_t deadline)
{
    shmap__os_status status = shmap__posix_done;
    size_t sent = 0;

    while (status.code == 0 && sent < SHMAP__OS_MESSAGE) {
        descriptors control;
        struct iovec rest = {(char *)(uintptr_t)message + sent,
                             SHMAP__OS_MESSAGE - sent};
        struct msghdr header = {.msg_iov = &rest, .msg_iovlen = 1};
        ssize_t count;

        if (sent == 0)
            attach(&header, &control, (int)gift->native);
        count = sendmsg((int)channel, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0)
            sent += (size_t)count;
        else if (errno == EAGAIN)
            status = wait_again(channel, POLLOUT, deadline);
        else if (errno != EINTR)
            status = channel_failed(errno);
    }
    return status;
}

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* in musl's macro */
#endif
static struct cmsghdr *next_header(struct msghdr *message,
                                   struct cmsghdr *header)
{
    return CMSG_NXTHDR(message, header);
}
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* Keep the first descriptor of all that came; close the others. Returns false
 * if there was no room for them. */
static bool collect(struct msghdr *message, int64_t *native)
{
    bool complete = (message->msg_flags & MSG_CTRUNC) == 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = next_header(message, header)) {
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        /* A socket that was told to also sends a descriptor of the sending
         * process. */
        if (header->cmsg_level != SOL_SOCKET ||
            (header->cmsg_type != SCM_RIGHTS && header->cmsg_type != PIDFD))
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (MSG_CMSG_CLOEXEC == 0)
                fcntl(fd, F_SETFD, FD_CLOEXEC);
            if (*native < 0 && header->cmsg_type == SCM_RIGHTS) {
                *native = shmap__posix_above_stdio(fd);
                complete = complete && *native >= 0;
            } else {
                close(fd);
            }
        }
    }
    return complete;
}

/* Return whether this can begin a message. A packet has no rest. */
static bool is_message(const char *message, size_t size, int type)
{
    return shmap__os_begins_message(message, size) &&
           (type == SOCK_STREAM || size == SHMAP__OS_MESSAGE);
}

shmap__os_status shmap__os_receive(intptr_t channel,
                                   char message[SHMAP__OS_MESSAGE],
                                   const shmap__os_request *request,
                                   shmap__os_gift *delivered, int64_t deadline)
{
    int type = 0;
    shmap__os_status status = check_channel(channel, &type);
    int64_t found = -1;
    size_t received = 0;
    bool reset = false;

    (void)request; /* The sender of a descriptor could use its object itself. */
    while (status.code == 0 && received < SHMAP__OS_MESSAGE) {
        descriptors control;
        struct iovec rest = {message + received, SHMAP__OS_MESSAGE - received};
        struct msghdr header = {.msg_iov = &rest,
                                .msg_iovlen = 1,
                                .msg_control = &control,
                                .msg_controllen = sizeof control};
        ssize_t count =
            recvmsg((int)channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (count > 0) {
            received += (size_t)count;
            if (!collect(&header, &found))
                status = (shmap__os_status){SHMAP_EMFILE, 0};
            else if (!is_message(message, received, type))
                status = (shmap__os_status){SHMAP_ETOKEN, 0};
        } else if (count == 0) {
            collect(&header, &found);
            status = (shmap__os_status){SHMAP_ENOENT, 0};
        } else if (errno == EAGAIN) {
            status = wait_again(channel, POLLIN, deadline);
        } else if (errno == ECONNRESET && !reset) {
            reset = true; /* Packets may be there still. */
        } else if (errno != EINTR) {
            status = channel_failed(errno);
        }
    }
    if (status.code == 0 && found < 0)
        status = (shmap__os_status){SHMAP_ETOKEN, 0};
    if (status.code < 0) {
        if (found >= 0)
            close((int)found);
        return status;
    }
    delivered->way = SHMAP__OS_SENT;
    delivered->native = found;
    return status;
}
