/* SPDX-License-Identifier: MIT */

/* Another process of the same program, on Windows. It is in a job that ends
 * with this process. */
#include "../partner.h"

#include <stdio.h>
#include "win32/api.h"

int bench_partner_pinning;

static HANDLE find_job(void)
{
    static HANDLE job;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};

    if (job != NULL)
        return job;
    job = CreateJobObjectW(NULL, NULL);
    limits.BasicLimitInformation.LimitFlags =
        JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits,
                            sizeof limits);
    return job;
}

int bench_partner_start(bench_partner *partner, const char *way,
                        const char *name, const char *job)
{
    wchar_t program[MAX_PATH];
    wchar_t line[MAX_PATH + 128];
    STARTUPINFOW startup = {0};
    PROCESS_INFORMATION process;
    DWORD_PTR own = 0;
    DWORD_PTR all = 0;
    BOOL started;

    partner->process = 0;
    GetModuleFileNameW(NULL, program, MAX_PATH);
    if (_snwprintf(line, sizeof line / sizeof *line - 1,
                   L"\"%ls\" --partner %hs %hs %hs %d", program, way, name, job,
                   bench_partner_pinning) < 0)
        return -1;
    line[sizeof line / sizeof *line - 1] = L'\0';
    startup.cb = sizeof startup;
    /* A child begins with its parent's processors, and counts them. */
    if (GetProcessAffinityMask(GetCurrentProcess(), &own, &all))
        SetProcessAffinityMask(GetCurrentProcess(), all);
    started = CreateProcessW(program, line, NULL, NULL, FALSE, 0, NULL, NULL,
                             &startup, &process);
    if (own != 0)
        SetProcessAffinityMask(GetCurrentProcess(), own);
    if (!started)
        return -1;
    AssignProcessToJobObject(find_job(), process.hProcess);
    CloseHandle(process.hThread);
    partner->process = (intptr_t)process.hProcess;
    return 0;
}

/* Of all that there are: this process may be kept to one already. */
void bench_partner_pin(int which)
{
    DWORD_PTR own;
    DWORD_PTR all;
    DWORD_PTR first;
    DWORD_PTR others;

    if (!GetProcessAffinityMask(GetCurrentProcess(), &own, &all))
        return;
    first = all & (~all + 1);
    others = all & ~first;
    if (bench_partner_pinning == BENCH_PIN_ONE)
        which = 0;
    if (others != 0)
        SetProcessAffinityMask(GetCurrentProcess(),
                               which == 0 ? first : others & (~others + 1));
}

void bench_partner_kill(const bench_partner *partner)
{
    if (partner->process != 0)
        TerminateProcess((HANDLE)partner->process, 1);
}

void bench_partner_reap(bench_partner *partner)
{
    if (partner->process == 0)
        return;
    WaitForSingleObject((HANDLE)partner->process, INFINITE);
    CloseHandle((HANDLE)partner->process);
    partner->process = 0;
}
