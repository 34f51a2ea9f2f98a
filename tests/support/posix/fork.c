/* SPDX-License-Identifier: MIT */

/* Forking, POSIX. */

#include "../support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

bool os_can_fork(void)
{
    return true;
}

static bool make_pipe(int ends[2])
{
    return pipe(ends) == 0;
}

int os_fork(FILE **from, FILE **to)
{
    int down[2];
    int up[2];
    if (!make_pipe(down) || !make_pipe(up))
        return -1;
    fflush(NULL);
    int pid = (int)fork();
    bool child = pid == 0;
    close(child ? down[1] : down[0]);
    close(child ? up[0] : up[1]);
    *from = fdopen(child ? down[0] : up[0], "r");
    *to = fdopen(child ? up[1] : down[1], "w");
    return *from == NULL || *to == NULL ? -1 : pid;
}

int os_fork_sleeper(void)
{
    char byte;
    int pid = (int)fork();
    if (pid != 0)
        return pid;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    _exit(0);
}

void os_exec_sleeper(FILE *until)
{
    char *const arguments[] = {(char[]){"cat"}, NULL};
    dup2(fileno(until), STDIN_FILENO);
    execvp("cat", arguments);
}

void os_exec_role(const char *role, const char *argument)
{
    fflush(NULL);
    execl("/proc/self/exe", "test", "role", role, argument, (char *)NULL);
}

void os_fork_kill(int pid)
{
    kill(pid, SIGKILL);
}

int os_fork_wait(int pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        return 1;
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    return WTERMSIG(status) == SIGKILL ? CHILD_KILLED
                                       : CHILD_KILLED - WTERMSIG(status);
}

void os_exit_now(int code)
{
    _exit(code);
}
