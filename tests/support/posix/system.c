/* SPDX-License-Identifier: MIT */

/* Facts about the system, POSIX. */

#include "../support.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/utsname.h>
#include <unistd.h>

bool os_has_leftovers(void)
{
    return true;
}

bool os_has_lock_files(void)
{
#ifdef SHMAP_TEST_LOCK_FILES
    return true;
#else
    return false;
#endif
}

/* Linux can since 6.11. */
bool os_tells_without_proc(void)
{
    struct utsname system;
    int major = 0;
    int minor = 0;

    return uname(&system) == 0 &&
           sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 11));
}

bool os_is_root(void)
{
    return geteuid() == 0;
}

bool os_is_own_user(const char *number)
{
    char own[32];
    snprintf(own, sizeof own, "%lu", (unsigned long)geteuid());
    return strcmp(number, own) == 0;
}

bool os_is_emulated(void)
{
    return false;
}

/* Where it does not, there are no locks. */
bool os_marks_the_dead(void)
{
    return true;
}

size_t os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t os_open_handles(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        folder = opendir("/dev/fd");
    if (folder == NULL)
        return 0;
    size_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            ++count;
    closedir(folder);
    return count - 1;
}

bool os_opens_handles(void)
{
    return false;
}

int os_process_id(void)
{
    return (int)getpid();
}

void os_kill_self(void)
{
    kill(getpid(), SIGKILL);
}

bool os_use_one_processor(unsigned which)
{
#ifdef CPU_SET
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return false;
    size_t found = 0;
    if ((unsigned)CPU_COUNT(&allowed) <= which)
        return false;
    while (!CPU_ISSET(found, &allowed) || which-- > 0)
        ++found;
    CPU_ZERO(&allowed);
    CPU_SET(found, &allowed);
    return sched_setaffinity(0, sizeof allowed, &allowed) == 0;
#else
    (void)which;
    return false;
#endif
}

void os_ignore_broken_pipes(void)
{
    signal(SIGPIPE, SIG_IGN);
}

void os_heed_broken_pipes(void)
{
    signal(SIGPIPE, SIG_DFL);
}
