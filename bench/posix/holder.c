/* SPDX-License-Identifier: MIT */

/* Another process that holds a region, on POSIX systems. */
#include "../holder.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* A pipe that no other child gets: a holder ends when nobody can write to it
 * any more. */
static int make_pipe(int ends[2])
{
    if (pipe(ends) != 0)
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

static pid_t spawn(const char *program, const char *peer, const char *name,
                   const char *pages, int input, int output)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0)
        execlp(program, program, "--hold", peer, name, pages, (char *)NULL);
    _exit(1);
}

int bench_holder_start(bench_holder *holder, const char *program,
                       const char *peer, const char *name, const char *pages)
{
    int input[2];
    int output[2];
    pid_t child;
    char byte;
    ssize_t got = -1;

    if (make_pipe(input) != 0)
        return -1;
    if (make_pipe(output) != 0) {
        close(input[0]);
        close(input[1]);
        return -1;
    }
    child = spawn(program, peer, name, pages, input[0], output[1]);
    close(input[0]);
    close(output[1]);
    if (child < 0) {
        close(input[1]);
    } else {
        holder->process = child;
        holder->input = input[1];
        got = read(output[0], &byte, 1);
    }
    close(output[0]);
    if (got != 1)
        bench_holder_stop(holder);
    return got == 1 ? 0 : -1;
}

void bench_holder_stop(bench_holder *holder)
{
    if (holder->process == 0)
        return;
    close((int)holder->input);
    waitpid((pid_t)holder->process, NULL, 0);
    holder->process = 0;
}
