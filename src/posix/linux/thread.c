/* SPDX-License-Identifier: MIT */

/* Threads on Linux: their ids, and whether they live.
 *
 * An id is the kernel's number of a thread, and above it
 *
 *     16 bits   the PID namespace in which the number means that thread: the
 *               lower half of the namespace's inode, which no two namespaces
 *               share that exist at a time; 0: not known
 *     1         set: what follows tells the process
 *     15        its process, whose presence is known by these 32 bits
 *               (presence.c); or, of a process that has no presence, when the
 *               thread began, hashed; 0: not known
 *
 * So whether a thread lives can be told without /proc, and from other PID
 * namespaces, by its process's presence; and from its own namespace by its
 * number as well. A process with neither gets no id, since no process could
 * tell whether it lives.
 */
#include "posix/os.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/compiler.h"
#include "posix/linux/identity.h"
#include "posix/linux/robust.h"

enum { PRESENT = 0x8000, REST = 0x7FFF, DOMAIN_BITS = 16 };

/* The same for all threads. `found` is read and written atomically. */
static uint32_t domain; /* 0: not known */
static uint32_t tag;    /* the upper half of ids; 0: this process has none */
static bool found;
static pthread_mutex_t finding = PTHREAD_MUTEX_INITIALIZER;

/* Where this thread keeps its id and its list; NULL: they are not known yet. */
static SHMAP__THREAD_LOCAL uint64_t *told_id;
static SHMAP__THREAD_LOCAL const shmap__os_robust *told_robust;

/* FNV-1a */
static uint32_t hash(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint32_t hash = UINT32_C(2166136261);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT32_C(16777619);
    return hash;
}

/* Return whether this process's /proc is that of its own PID namespace. */
static bool owns_proc(void)
{
    char text[32];
    ssize_t size = readlink("/proc/self", text, sizeof text - 1);

    text[size < 0 ? 0 : size] = '\0';
    return strtol(text, NULL, 10) == getpid();
}

/* Find the inode of this process's PID namespace by asking the kernel itself
 * (Linux 6.11), where /proc does not have it. Returns 0 or errno. */
static int ask_for_domain(struct stat *stat)
{
    enum { GET_PID_NAMESPACE = _IO(0xFF, 5) };
#ifdef SYS_pidfd_open
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int space;
    int error;

    if (self < 0)
        return errno;
    space = ioctl(self, GET_PID_NAMESPACE, 0);
    error = space < 0 || fstat(space, stat) != 0 ? errno : 0;
    if (space >= 0)
        close(space);
    close(self);
    return error;
#else
    (void)stat;
    return ENOSYS;
#endif
}

/* Find this process's domain. Returns 0, or the errno of a lack of descriptors.
 */
static int find_domain(void)
{
    struct stat space;
    int error = 0;

    if (stat("/proc/self/ns/pid", &space) != 0)
        error = ask_for_domain(&space);
    if (error == EMFILE || error == ENFILE)
        return error;
    domain = error == 0 ? (uint32_t)(space.st_ino & 0xFFFF) : 0;
    if (error == 0 && domain == 0)
        domain = 0xFFFF;
    return 0;
}

/* Find what all threads have in common. Returns 0 or errno. A thread that
 * forks, whose handlers may call this, waits for the threads that are already
 * in it. */
static int find_process(void)
{
    int error = 0;

    if (__atomic_load_n(&found, __ATOMIC_ACQUIRE))
        return 0;
    shmap__posix_fork_lock();
    pthread_mutex_lock(&finding);
    if (!found) {
        error = find_domain();
        tag = domain << DOMAIN_BITS | PRESENT |
              (uint32_t)(shmap__os_wait_id() & REST);
        if (error == 0)
            error = shmap__posix_presence_begin(&tag);
        if (error == 0)
            __atomic_store_n(&found, true, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&finding);
    shmap__posix_fork_unlock();
    return error;
}

/* Return the time at which a thread began, hashed to 15 bits; 0 if it is not
 * known. In time namespaces other than the first, times are shown differently.
 */
static uint32_t find_beginning(uint32_t number)
{
    static const char first_times[] = "time:[4026531834]";
    char text[1024];
    char path[64];
    const char *at;
    uint32_t began;
    ssize_t size = readlink("/proc/self/ns/time", text, sizeof text);

    if (size > 0 && (size != sizeof first_times - 1 ||
                     memcmp(text, first_times, (size_t)size) != 0))
        return 0;
    snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)number);
    if (!owns_proc() || shmap__posix_read_text(path, text, sizeof text) != 0)
        return 0;
    at = strrchr(text, ')'); /* The program's name can hold anything. */
    for (int field = 2; field < 22 && at != NULL; field++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
    }
    if (at == NULL)
        return 0;
    size = (ssize_t)strcspn(at, " ");
    began = hash(at, (size_t)size) & REST;
    return began == 0 ? 1 : began;
}

void shmap__posix_identity_forget(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

    finding = fresh;
    found = false;
    tag = 0;
    shmap__posix_presence_forget();
    if (told_id == NULL)
        return;
    *told_id = 0;
    shmap__posix_robust_forget(told_robust);
    told_id = NULL;
}

shmap__os_status shmap__posix_identity_find(uint32_t *own)
{
    int error;

    (void)shmap__posix_forks(); /* From now on, a fork is noticed. */
    error = find_process();
    *own = error == 0 ? tag : 0;
    return error == 0 ? shmap__posix_done : shmap__posix_failed(error);
}

enum shmap__posix_kinship shmap__posix_identity_of(uint32_t other)
{
    if ((other & PRESENT) == 0)
        return SHMAP__POSIX_NO_PROCESS;
    if (other == tag)
        return SHMAP__POSIX_SELF;
    return domain != 0 && other >> DOMAIN_BITS == domain
               ? SHMAP__POSIX_NEIGHBOUR
               : SHMAP__POSIX_STRANGER;
}

shmap__os_status shmap__os_self_find(uint64_t *id, shmap__os_robust *robust)
{
    uint32_t number = (uint32_t)syscall(SYS_gettid);
    shmap__os_robust found_robust;
    uint32_t above;
    int error;

    (void)shmap__posix_forks(); /* From now on, a fork is noticed. */
    if (!shmap__posix_robust_find(&found_robust))
        return (shmap__os_status){
            SHMAP_ENOTSUP, 0,
            "the system keeps no list of a thread's mutexes, so that its death "
            "would not be told"};
    error = find_process();
    if (error != 0)
        return shmap__posix_failed(error);
    if (tag == 0 && domain == 0)
        return (shmap__os_status){
            SHMAP_ENOTSUP, 0,
            "without /proc others could not tell whether this process lives"};
    above = tag != 0 ? tag : domain << DOMAIN_BITS | find_beginning(number);
    *id = (uint64_t)above << 32 | number;
    *robust = found_robust;
    told_id = id;
    told_robust = robust;
    return shmap__posix_done;
}

/* At a thread's end the kernel looks at its list, but some C libraries do that
 * themselves before, and know only their own mutexes. */
static pthread_key_t end_key;
static bool end_is_told;
static void (*at_end)(void);

/* Destructors of other keys may unlock something, until the last rounds. The
 * very last belongs to tools that watch threads, and then know them no more. */
static void end_round(void *round)
{
    void (*give_up)(void) = __atomic_load_n(&at_end, __ATOMIC_RELAXED);
    uintptr_t next = (uintptr_t)round + 1;

    if (next >= PTHREAD_DESTRUCTOR_ITERATIONS)
        give_up();
    else
        pthread_setspecific(end_key, (const void *)next);
}

static void make_end_key(void)
{
    end_is_told = pthread_key_create(&end_key, end_round) == 0;
}

bool shmap__os_at_thread_end(void (*end)(void))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    __atomic_store_n(&at_end, end, __ATOMIC_RELAXED);
    pthread_once(&once, make_end_key);
    return end_is_told &&
           pthread_setspecific(end_key, (const void *)(uintptr_t)1) == 0;
}

/* A library that is unloaded must not be called any more. */
__attribute__((destructor)) static void forget_ends(void)
{
    if (end_is_told)
        pthread_key_delete(end_key);
    end_is_told = false;
}

/* The facts of a thread in /proc/N/status. */
typedef struct thread_status {
    char state;
    bool dumping; /* its process writes its memory to a file, and then ends */
    uint64_t signals; /* those that it has not yet taken */
} thread_status;

static void read_line(thread_status *status, const char *line)
{
    static const char state[] = "State:\t";
    static const char dumping[] = "CoreDumping:\t";
    static const char signals[] = "SigPnd:\t";

    if (strncmp(line, state, sizeof state - 1) == 0)
        status->state = line[sizeof state - 1];
    else if (strncmp(line, dumping, sizeof dumping - 1) == 0)
        status->dumping = line[sizeof dumping - 1] == '1';
    else if (strncmp(line, signals, sizeof signals - 1) == 0)
        status->signals = strtoull(line + sizeof signals - 1, NULL, 16);
}

/* Read the status of a thread. Lines can be longer than any buffer, so only the
 * beginning of each is kept. Returns 0 or errno. */
static int read_status(thread_status *status, uint32_t number)
{
    char text[1024];
    char line[64] = "";
    size_t filled = 0;
    ssize_t size;
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/%u/status", (unsigned)number);
    fd = shmap__posix_open(path, O_RDONLY, 0);
    if (fd < 0)
        return errno;
    while ((size = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < size; i++) {
            if (text[i] == '\n') {
                line[filled] = '\0';
                read_line(status, line);
                filled = 0;
            } else if (filled + 1 < sizeof line) {
                line[filled++] = text[i];
            }
        }
    }
    shmap__posix_close_quietly(fd);
    return size < 0 ? EIO : 0;
}

/* Return whether a process has no memory any more, without using a descriptor.
 * Where security modules watch, this is told in the system's log, so it comes
 * last. */
static bool has_no_memory(uint32_t number)
{
    char byte;
    struct iovec own = {&byte, 1};
    struct iovec nothing = {NULL, 1};

    return syscall(SYS_process_vm_readv, number, &own, 1, &nothing, 1, 0) < 0 &&
           errno == ESRCH;
}

/* A thread that dumps core takes no signals, and the other threads of its
 * process are sent one that ends them, which they have taken when they can
 * never again run their code. The kernel says that it dumps, and sends, in one
 * step, and shows the signals later in the text. */
static bool has_ended(const thread_status *status)
{
    const uint64_t kill = UINT64_C(1) << (9 - 1);

    return status->state == 'Z' || status->state == 'X' ||
           (status->dumping && (status->signals & kill) == 0);
}

/* Return whether the thread of this number in this PID namespace has ended. */
static bool is_over(uint32_t number)
{
    thread_status status = {0};

    if (owns_proc() && read_status(&status, number) == 0)
        return has_ended(&status);
    /* There may be no descriptor free. */
    return has_no_memory(number);
}

enum shmap__os_life shmap__os_life_of(const void *word, uint64_t id)
{
    const uint32_t above = (uint32_t)(id >> 32);
    const uint32_t number = (uint32_t)(id & SHMAP__OS_ID_MASK);
    const bool here = domain != 0 && above >> DOMAIN_BITS == domain;
    const bool known = here || (tag != 0 && above == tag);
    enum shmap__os_life life = SHMAP__OS_LIFE_UNKNOWN;
    uint32_t began;

    if (known && syscall(SYS_tkill, number, 0) != 0 && errno == ESRCH)
        return SHMAP__OS_DEAD;
    if ((above & PRESENT) != 0 && above != tag)
        life = shmap__posix_presence_of(word, above);
    if (life == SHMAP__OS_DEAD || !known)
        return life;
    if (is_over(number))
        return SHMAP__OS_DEAD;
    if ((above & PRESENT) == 0 && (above & REST) != 0) {
        began = find_beginning(number);
        if (began != 0 && began != (above & REST))
            return SHMAP__OS_DEAD;
    }
    return SHMAP__OS_ALIVE;
}
