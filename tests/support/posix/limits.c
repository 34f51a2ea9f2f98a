/* SPDX-License-Identifier: MIT */

/* A process puts itself in trouble, POSIX; some of it is Linux. */

#include "../support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* C libraries disagree about the type of a resource's number, so this is no
 * function. */
#define limit(resource, value)              \
    (getrlimit((resource), &limits) == 0 && \
     (limits.rlim_cur = (rlim_t)(value), setrlimit((resource), &limits) == 0))
static struct rlimit limits;

bool os_limit_handles(unsigned further)
{
    /* The limit is one of descriptor numbers, so holes are filled first. */
    int highest = 0;
    for (int i = 0; i < 4096; i++)
        if (fcntl(i, F_GETFD) >= 0)
            highest = i;
    if (!limit(RLIMIT_NOFILE, (uint64_t)highest + 1))
        return false;
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        continue;
    return errno == EMFILE &&
           limit(RLIMIT_NOFILE, (uint64_t)highest + 1 + further);
}

bool os_limit_handle_numbers(unsigned numbers)
{
    return limit(RLIMIT_NOFILE, numbers);
}

bool os_limit_file_size(uint64_t bytes)
{
    return limit(RLIMIT_FSIZE, bytes);
}

static uint64_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * os_page_size();
}

bool os_limit_memory(uint64_t further)
{
    uint64_t now = address_space();
    return now > 0 && limit(RLIMIT_AS, now + further);
}

static void on_alarm(int signal)
{
    (void)signal;
}

bool os_start_interval_timer(int microseconds)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    return sigaction(SIGALRM, &action, NULL) == 0 &&
           setitimer(ITIMER_REAL, &timer, NULL) == 0;
}

/* The folders of root's lock files, which go with the regions. */
static bool private_lock_files(void)
{
    static const char *const folders[] = {"/tmp/shmap.0.gates",
                                          "/tmp/shmap.0.marks"};
    for (size_t i = 0; i < COUNT(folders); i++)
        if ((mkdir(folders[i], 0711) != 0 && errno != EEXIST) ||
            mount("shmap-test", folders[i], "tmpfs", 0, "mode=0711") != 0)
            return false;
    return true;
}

bool os_small_shared_memory(uint64_t bytes)
{
    char options[64] = "mode=1777";
    if (bytes > 0)
        snprintf(options, sizeof options, "mode=1777,size=%llu",
                 (unsigned long long)bytes);
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("shmap-test", "/dev/shm", "tmpfs", 0, options) == 0 &&
           (!os_has_lock_files() || private_lock_files());
}

bool os_enter_huge_folder(const char *path, uint64_t *page)
{
    struct statvfs fs;
    unsigned long free_pages = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "r");

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "HugePages_Free: %lu", &free_pages) == 1)
            break;
    if (file != NULL)
        fclose(file);
    if (free_pages < 4 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("shmap-test", path, "hugetlbfs", 0, NULL) != 0 ||
        statvfs(path, &fs) != 0)
        return false;
    *page = fs.f_bsize;
    return true;
}

/* Neighbours with different rights are mappings of their own. */
static struct {
    char *start;
    size_t size;
} filling;

bool os_fill_mappings(void)
{
    const size_t page = os_page_size();
    size_t at = 0;

    filling.size = (size_t)1 << 29;
    filling.start = mmap(NULL, filling.size, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (filling.start == MAP_FAILED)
        return false;
    while (at < filling.size &&
           mprotect(filling.start + at, page, PROT_READ) == 0)
        at += 2 * page;
    /* The last one there is room for. */
    return at < filling.size && errno == ENOMEM &&
           (mprotect(filling.start + filling.size - page, page, PROT_READ) ==
                0 ||
            errno == ENOMEM);
}

void os_release_mappings(void)
{
    munmap(filling.start, filling.size);
}

bool os_enter_user_namespace(void)
{
    return unshare(CLONE_NEWUSER) == 0;
}

static bool set_filter(struct sock_filter *program, size_t count)
{
    struct sock_fprog filter = {(unsigned short)count, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* Where 32-bit systems have two calls, the newer one is used. */
#ifndef SYS_fcntl64
#define SYS_fcntl64 SYS_fcntl
#endif
#ifndef SYS_ftruncate64
#define SYS_ftruncate64 SYS_ftruncate
#endif
#ifndef SYS_fstatfs64
#define SYS_fstatfs64 SYS_fstatfs
#endif
#ifndef SYS_fchown32
#define SYS_fchown32 SYS_fchown
#endif
#ifndef SYS_utimensat_time64
#define SYS_utimensat_time64 SYS_utimensat
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif

static const struct {
    const char *name;
    int number;
    int command; /* of fcntl; -1: any */
} refused_calls[] = {
    {"memfd_create", SYS_memfd_create, -1},
    {"fcntl F_ADD_SEALS", SYS_fcntl64, F_ADD_SEALS},
    {"fcntl F_OFD_SETLK", SYS_fcntl64, F_OFD_SETLK},
    {"fcntl F_OFD_GETLK", SYS_fcntl64, F_OFD_GETLK},
    {"fallocate", SYS_fallocate, -1},
    {"fchmod", SYS_fchmod, -1},
    {"fchown", SYS_fchown32, -1},
    {"fstatfs", SYS_fstatfs64, -1},
    {"fsync", SYS_fsync, -1},
    {"ftruncate", SYS_ftruncate64, -1},
    {"getcwd", SYS_getcwd, -1},
    {"getdents64", SYS_getdents64, -1},
    {"ioctl", SYS_ioctl, -1},
    {"madvise", SYS_madvise, -1},
    {"msync", SYS_msync, -1},
    {"munmap", SYS_munmap, -1},
    {"prlimit64", SYS_prlimit64, -1},
    {"sysinfo", SYS_sysinfo, -1},
    {"utimensat", SYS_utimensat_time64, -1},
};

static const struct {
    const char *name;
    int number;
} refusals[] = {
    {"EACCES", EACCES}, {"EINVAL", EINVAL}, {"EIO", EIO},
    {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"ENODEV", ENODEV},
    {"ENOLCK", ENOLCK}, {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC},
    {"ENOSYS", ENOSYS}, {"EPERM", EPERM},   {"EOPNOTSUPP", EOPNOTSUPP},
};

static bool refuse(int number, int command, int error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)command, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    if (command < 0) /* Whatever it is. */
        program[3] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 0, 0, 0);
    return set_filter(program, COUNT(program));
}

bool os_refuse(const char *call, const char *error)
{
    for (size_t i = 0; i < COUNT(refused_calls); i++)
        for (size_t j = 0; j < COUNT(refusals); j++)
            if (strcmp(call, refused_calls[i].name) == 0 &&
                strcmp(error, refusals[j].name) == 0)
                return refuse(refused_calls[i].number, refused_calls[i].command,
                              refusals[j].number);
    return false;
}

/* By a filter that answers EACCES for one system call, but with its flags 0: so
 * link calls it on some processors. */
bool os_forbid_links(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_linkat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[4])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return set_filter(program, COUNT(program));
}

/* EPERM for fchmod and fchmodat with such a mode. */
bool os_forbid_set_id(void)
{
    enum { SET_ID = 06000 };
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchmodat, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JA, 2, 0, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchmod, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SET_ID, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return set_filter(program, COUNT(program));
}

bool os_close_standard_streams(void)
{
    int copy = fcntl(1, F_DUPFD_CLOEXEC, 100);
    if (copy < 0)
        return false;
    FILE *stream = fdopen(copy, "w");
    if (stream == NULL)
        return false;
    fflush(stdout);
    role_output = stream;
    return close(0) == 0 && close(1) == 0 && close(2) == 0;
}

bool os_close_all_above_standard(void)
{
    /* The call itself: musl has no function for it. */
    return syscall(SYS_close_range, 3, ~0u, 0) == 0;
}

bool os_drop_to_user(unsigned user)
{
    return setgroups(0, NULL) == 0 && setgid((gid_t)user) == 0 &&
           setuid((uid_t)user) == 0;
}

/* A process that changes its user belongs to root as far as /proc is concerned;
 * one that is started by that user does not. */
bool os_become_user(unsigned user)
{
    return os_drop_to_user(user) && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

bool os_hide_process(void)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}
