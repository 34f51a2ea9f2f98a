/* SPDX-License-Identifier: MIT */

/* Forking, POSIX. */

#include "../support.h"

#include <pthread.h>
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

static void (*early_handler)(const char *when);
static void (*late_handler)(const char *when);

static void early_before(void)
{
    if (early_handler != NULL)
        early_handler("before");
}

static void early_in_parent(void)
{
    if (early_handler != NULL)
        early_handler("parent");
}

static void early_in_child(void)
{
    if (early_handler != NULL)
        early_handler("child");
}

static void late_before(void)
{
    late_handler("before");
}

static void late_in_parent(void)
{
    late_handler("parent");
}

static void late_in_child(void)
{
    late_handler("child");
}

/* Before the constructors of libraries that the program is linked with. */
__attribute__((constructor(101))) static void register_early(void)
{
    pthread_atfork(early_before, early_in_parent, early_in_child);
}

void os_at_fork(bool early, void (*handler)(const char *when))
{
    if (early) {
        early_handler = handler;
        return;
    }
    late_handler = handler;
    pthread_atfork(late_before, late_in_parent, late_in_child);
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
