/* SPDX-License-Identifier: MIT */

/* What the tests of locks need, POSIX; namespaces are Linux. */

#include "../threads.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void os_end_thread(void)
{
    pthread_exit(NULL);
}

bool os_suspend(int process)
{
    int status;

    if (kill(process, SIGSTOP) != 0)
        return false;
    /* Until it has stopped. */
    return waitpid(process, &status, WUNTRACED) == process;
}

bool os_resume(int process)
{
    return kill(process, SIGCONT) == 0;
}

bool os_ask_to_end(int process)
{
    return kill(process, SIGTERM) == 0;
}

int os_death_is_told_within(void)
{
    return 100;
}

/* Wait for the one process that goes on, and end as it does. */
static void stand_in_for(pid_t process)
{
    int status;

    while (waitpid(process, &status, 0) != process)
        continue;
    if (WIFSIGNALED(status))
        kill(getpid(), SIGKILL);
    _exit(WEXITSTATUS(status));
}

static bool mount_proc(const char *options)
{
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("proc", "/proc", "proc", 0, options) == 0;
}

bool os_enter_pid_namespace(bool own_proc)
{
    pid_t child;

    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0)
        return false;
    fflush(NULL);
    child = fork();
    if (child > 0)
        stand_in_for(child);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child == 0 && (!own_proc || mount_proc(NULL));
}

bool os_choose_next_pid(int process)
{
    FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "w");

    if (file == NULL)
        return false;
    fprintf(file, "%d", process - 1);
    return fclose(file) == 0;
}

bool os_lose_proc(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/proc", "tmpfs", 0, NULL) == 0;
}

bool os_lose_proc_of_others(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount_proc("hidepid=2");
}

bool os_lose_all_but_processes(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount_proc("subset=pid");
}

static void dump_folder(char out[64], int process)
{
    snprintf(out, 64, "/tmp/shmap-dump.%d", process);
}

bool os_prepare_dump(void)
{
    enum { MUCH = 768 << 20 };
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    char folder[64];
    FILE *file = fopen("/proc/sys/kernel/core_pattern", "r");
    int first = file == NULL ? '|' : fgetc(file);
    /* Else compilers see that it is not used, and leave it out. */
    static char *volatile memory;

    if (file != NULL)
        fclose(file);
    memory = malloc(MUCH);
    if (first == '|' || first == '/' || memory == NULL)
        return false;
    memset(memory, 1, MUCH);
    dump_folder(folder, getpid());
    return mkdir(folder, 0700) == 0 && chdir(folder) == 0 &&
           setrlimit(RLIMIT_CORE, &all) == 0;
}

void os_remove_dump(int process)
{
    char folder[64];
    char file[96];

    dump_folder(folder, process);
    snprintf(file, sizeof file, "%s/core", folder);
    unlink(file);
    snprintf(file, sizeof file, "%s/core.%d", folder, process);
    unlink(file);
    rmdir(folder);
}

void os_dump_core(void)
{
    signal(SIGQUIT, SIG_DFL);
    kill(getpid(), SIGQUIT);
}

bool os_is_dumping(int process)
{
    char path[64];
    char line[256];
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", process);
    file = fopen(path, "r");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        found = strcmp(line, "CoreDumping:\t1\n") == 0;
    if (file != NULL)
        fclose(file);
    return found;
}

/* A process of this number, and of this namespace, that no longer is. */
void os_put_before_restart(uint64_t *owner)
{
    *owner ^= UINT64_C(0x2345) << 32;
}

_Static_assert(sizeof(pthread_mutex_t) <= OS_ROBUST_ROOM, "it has room");

bool os_robust_make(void *at, bool inherits)
{
    const int protocol = inherits ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE;
    pthread_mutexattr_t attributes;
    bool made =
        pthread_mutexattr_init(&attributes) == 0 &&
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) ==
            0 &&
        pthread_mutexattr_setprotocol(&attributes, protocol) == 0 &&
        pthread_mutex_init(at, &attributes) == 0;

    pthread_mutexattr_destroy(&attributes);
    return made;
}

static int code_of(int error)
{
    return error == 0            ? 0
           : error == EBUSY      ? SHMAP_ETIMEDOUT
           : error == EOWNERDEAD ? SHMAP_OWNER_DIED
           : error == EPERM      ? SHMAP_EPERM
                                 : SHMAP_ESYSTEM;
}

int os_robust_lock(void *at)
{
    return code_of(pthread_mutex_trylock(at));
}

int os_robust_unlock(void *at)
{
    return code_of(pthread_mutex_unlock(at));
}

int os_robust_consistent(void *at)
{
    return code_of(pthread_mutex_consistent(at));
}
