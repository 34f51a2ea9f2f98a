/* SPDX-License-Identifier: MIT */

/* Child processes, on Windows and on POSIX systems. */
#if defined(_WIN32)
#include <process.h>
#include <windows.h>
#else
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#endif

#include "child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shmap.h>

#include "example.h"

enum { MAX_ARGUMENTS = 7 };

#if defined(_WIN32)

/* Windows has one string for all arguments, in which they are quoted. */
static int start(child_process *child, const char *program,
                 const char *const *arguments)
{
    char quoted[MAX_ARGUMENTS][300];
    const char *words[MAX_ARGUMENTS + 2] = {"child"};

    for (int i = 0; i < MAX_ARGUMENTS && arguments[i] != NULL; i++) {
        snprintf(quoted[i], sizeof quoted[i], "\"%s\"", arguments[i]);
        words[i + 1] = quoted[i];
    }
    child->id = _spawnvp(_P_NOWAIT, program, words);
    return child->id == -1 ? errno : 0;
}

static void send_kill(const child_process *child)
{
    TerminateProcess((HANDLE)child->id, (UINT)-1);
}

static void look(child_process *child)
{
    DWORD status;

    if (WaitForSingleObject((HANDLE)child->id, 0) != WAIT_OBJECT_0)
        return;
    GetExitCodeProcess((HANDLE)child->id, &status);
    CloseHandle((HANDLE)child->id);
    child->running = false;
    child->status = (int)status;
}

#else

extern char **environ;

static int start(child_process *child, const char *program,
                 const char *const *arguments)
{
    char *words[MAX_ARGUMENTS + 2] = {(char *)(uintptr_t)program};
    pid_t id;

    for (int i = 0; i < MAX_ARGUMENTS && arguments[i] != NULL; i++)
        words[i + 1] = (char *)(uintptr_t)arguments[i];
    int error = posix_spawnp(&id, program, NULL, NULL, words, environ);
    child->id = id;
    return error;
}

static void send_kill(const child_process *child)
{
    kill((pid_t)child->id, SIGKILL);
}

static void look(child_process *child)
{
    int status;

    if (waitpid((pid_t)child->id, &status, WNOHANG) == 0)
        return;
    child->running = false;
    child->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif

bool child_start(child_process *child, const char *program,
                 const char *const *arguments)
{
    int error = start(child, program, arguments);

    if (error != 0)
        fprintf(stderr, "%s: %s\n", program, strerror(error));
    child->running = error == 0;
    return child->running;
}

bool child_wait(child_process *child, int64_t deadline)
{
    while (child->running) {
        look(child);
        if (!child->running || shmap_now() >= deadline)
            break;
        example_pause();
    }
    return !child->running;
}

void child_kill(child_process *child)
{
    if (!child->running)
        return;
    send_kill(child);
    child_wait(child, SHMAP_FOREVER);
}
