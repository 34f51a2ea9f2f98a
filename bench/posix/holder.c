/* SPDX-License-Identifier: MIT */

/* Another process that holds a region, on POSIX systems. */
#include "../holder.h"

#include <fcntl.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

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

static int spawn(pid_t *child, const char *program, const char *peer,
                 const char *name, int input, int output)
{
    /* posix_spawn does not change the strings. */
    char *arguments[] = {(char *)(intptr_t)program, (char *)(intptr_t) "--hold",
                         (char *)(intptr_t)peer, (char *)(intptr_t)name, NULL};
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);

    if (error != 0)
        return error;
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    error = posix_spawnp(child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int bench_holder_start(bench_holder *holder, const char *program,
                       const char *peer, const char *name)
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
    if (spawn(&child, program, peer, name, input[0], output[1]) == 0) {
        holder->process = child;
        holder->input = input[1];
        close(output[1]);
        got = read(output[0], &byte, 1);
    } else {
        close(input[1]);
        close(output[1]);
    }
    close(input[0]);
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
