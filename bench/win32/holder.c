/* SPDX-License-Identifier: MIT */

/* Another process that holds a region, on Windows. */
#include "../holder.h"

#include <stdio.h>
#include "win32/api.h"

/* A pipe of which only the end `inherited` goes to a child. */
static BOOL make_pipe(HANDLE ends[2], int inherited)
{
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};

    return CreatePipe(&ends[0], &ends[1], &inheritable, 0) &&
           SetHandleInformation(ends[1 - inherited], HANDLE_FLAG_INHERIT, 0);
}

static HANDLE spawn(const char *peer, const char *name, const char *pages,
                    HANDLE input, HANDLE output)
{
    wchar_t program[MAX_PATH];
    wchar_t line[MAX_PATH + 128];
    STARTUPINFOW startup = {0};
    PROCESS_INFORMATION process;

    GetModuleFileNameW(NULL, program, MAX_PATH);
    if (_snwprintf(line, sizeof line / sizeof *line - 1,
                   L"\"%ls\" --hold %hs %hs %hs", program, peer, name,
                   pages) < 0)
        return NULL;
    line[sizeof line / sizeof *line - 1] = L'\0';
    startup.cb = sizeof startup;
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = input;
    startup.hStdOutput = output;
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    if (!CreateProcessW(program, line, NULL, NULL, TRUE, 0, NULL, NULL,
                        &startup, &process))
        return NULL;
    CloseHandle(process.hThread);
    return process.hProcess;
}

int bench_holder_start(bench_holder *holder, const char *program,
                       const char *peer, const char *name, const char *pages)
{
    HANDLE input[2];
    HANDLE output[2];
    HANDLE process;
    char byte;
    DWORD got = 0;

    (void)program;
    if (!make_pipe(input, 0))
        return -1;
    if (!make_pipe(output, 1)) {
        CloseHandle(input[0]);
        CloseHandle(input[1]);
        return -1;
    }
    process = spawn(peer, name, pages, input[0], output[1]);
    CloseHandle(input[0]);
    CloseHandle(output[1]);
    if (process == NULL) {
        CloseHandle(input[1]);
    } else {
        holder->process = (intptr_t)process;
        holder->input = (intptr_t)input[1];
        ReadFile(output[0], &byte, 1, &got, NULL);
    }
    CloseHandle(output[0]);
    if (got != 1)
        bench_holder_stop(holder);
    return got == 1 ? 0 : -1;
}

void bench_holder_stop(bench_holder *holder)
{
    if (holder->process == 0)
        return;
    CloseHandle((HANDLE)holder->input);
    WaitForSingleObject((HANDLE)holder->process, INFINITE);
    CloseHandle((HANDLE)holder->process);
    holder->process = 0;
}
