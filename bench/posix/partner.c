/* SPDX-License-Identifier: MIT */

/* Another process of the same program, on POSIX systems: forked, for the sake
 * of libraries whose locks only forked children can share. */
#include "../partner.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#include <sys/prctl.h>
#endif

int bench_partner_pinning;

int bench_partner_start(bench_partner *partner, const char *way,
                        const char *name, const char *job)
{
    pid_t child = fork();

    if (child == 0) {
#if defined(__linux__)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        _exit(bench_partner_main(way, name, job));
    }
    partner->process = child < 0 ? 0 : child;
    return child < 0 ? -1 : 0;
}

#if defined(__linux__)

void bench_partner_pin(int which)
{
    static cpu_set_t all;
    cpu_set_t one;
    int found = 0;

    if (bench_partner_pinning == BENCH_PIN_ONE)
        which = 0;
    if (CPU_COUNT(&all) == 0 && sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all) && found++ == which)
            CPU_SET(i, &one);
    if (found >= 2)
        sched_setaffinity(0, sizeof one, &one);
}

#else

void bench_partner_pin(int which)
{
    (void)which;
}

#endif

void bench_partner_kill(const bench_partner *partner)
{
    if (partner->process != 0)
        kill((pid_t)partner->process, SIGKILL);
}

void bench_partner_reap(bench_partner *partner)
{
    if (partner->process != 0)
        waitpid((pid_t)partner->process, NULL, 0);
    partner->process = 0;
}
