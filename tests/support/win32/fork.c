/* SPDX-License-Identifier: MIT */

/* Forking, Windows: there is none. */

#include "../support.h"

#include "win32/api.h"

bool os_can_fork(void)
{
    return false;
}

int os_fork(FILE **from, FILE **to)
{
    *from = NULL;
    *to = NULL;
    return -1;
}

int os_fork_sleeper(void)
{
    return -1;
}

void os_at_fork(bool early, void (*handler)(const char *when))
{
    (void)early, (void)handler;
}

void os_exec_sleeper(FILE *until)
{
    (void)until;
}

void os_exec_role(const char *role, const char *argument)
{
    (void)role, (void)argument;
}

void os_fork_kill(int pid)
{
    (void)pid;
}

int os_fork_wait(int pid)
{
    (void)pid;
    return 1;
}

void os_exit_now(int code)
{
    TerminateProcess(GetCurrentProcess(), (UINT)code);
}
