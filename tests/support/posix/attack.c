/* SPDX-License-Identifier: MIT */

/* Ways to write to what one may only read, POSIX; most are Linux. */

#include "../attack.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define TEXT ATTACK_TEXT

static int open_again(intptr_t native, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)native);
    return open(path, flags | O_CLOEXEC | O_NONBLOCK);
}

static enum attack_result worked(bool done)
{
    return done ? ATTACK_WORKED : ATTACK_REFUSED;
}

/* A pipe with the text in it. */
static bool fill_pipe(int ends[2])
{
    return pipe(ends) == 0 && write(ends[1], TEXT, sizeof TEXT) > 0;
}

static void close_pipe(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

/* Have the kernel write to an address, which no signal follows: the call
 * itself, because sanitizers look at the address first. */
static bool poke(void *address)
{
    int ends[2];
    bool done = fill_pipe(ends) &&
                syscall(SYS_read, ends[0], address, sizeof TEXT) == sizeof TEXT;
    close_pipe(ends);
    return done;
}

/* Through descriptors. */

static bool write_through(int fd)
{
    return pwrite(fd, TEXT, sizeof TEXT, 0) > 0;
}

/* Merely to have a writable view is too much. */
static bool map_through(int fd)
{
    void *mapped =
        mmap(NULL, os_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return false;
    poke(mapped);
    munmap(mapped, os_page_size());
    return true;
}

/* A view for reading that becomes one for writing. */
static bool protect_through(int fd)
{
    void *mapped = mmap(NULL, os_page_size(), PROT_READ, MAP_SHARED, fd, 0);
    bool done = false;
    if (mapped == MAP_FAILED)
        return false;
    if (mprotect(mapped, os_page_size(), PROT_READ | PROT_WRITE) == 0) {
        poke(mapped);
        done = true;
    }
    munmap(mapped, os_page_size());
    return done;
}

static bool splice_through(int fd)
{
    int ends[2];
    loff_t offset = 0;
    bool done = fill_pipe(ends) &&
                splice(ends[0], NULL, fd, &offset, sizeof TEXT, 0) > 0;
    close_pipe(ends);
    return done;
}

/* A file with the text in it. */
static int text_file(void)
{
    int fd = memfd_create("text", MFD_CLOEXEC);
    if (fd >= 0 && pwrite(fd, TEXT, sizeof TEXT, 0) < 0)
        return -1;
    return fd;
}

static bool sendfile_through(int fd)
{
    int from = text_file();
    off_t offset = 0;
    bool done = lseek(fd, 0, SEEK_SET) == 0 &&
                sendfile(fd, from, &offset, sizeof TEXT) > 0;
    close(from);
    return done;
}

static bool copy_through(int fd)
{
    int from = text_file();
    loff_t in = 0;
    loff_t out = 0;
    bool done =
        syscall(SYS_copy_file_range, from, &in, fd, &out, sizeof TEXT, 0) > 0;
    close(from);
    return done;
}

static bool submit_through(int fd)
{
    static char text[] = TEXT;
    aio_context_t context = 0;
    struct iocb request = {.aio_fildes = (uint32_t)fd,
                           .aio_lio_opcode = IOCB_CMD_PWRITE,
                           .aio_buf = (uintptr_t)text,
                           .aio_nbytes = sizeof text};
    struct iocb *requests[] = {&request};
    struct io_event event = {0};
    if (syscall(SYS_io_setup, 1, &context) != 0)
        return false;
    bool done = syscall(SYS_io_submit, context, 1, requests) == 1 &&
                syscall(SYS_io_getevents, context, 1, 1, &event, NULL) == 1 &&
                event.res > 0;
    syscall(SYS_io_destroy, context);
    return done;
}

static bool punch_through(int fd)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                     (off_t)os_page_size()) == 0;
}

static bool zero_through(int fd)
{
    return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0,
                     (off_t)os_page_size()) == 0;
}

static bool cut_through(int fd)
{
    struct stat before;
    if (fstat(fd, &before) != 0 || ftruncate(fd, 0) != 0)
        return false;
    /* Others must not die of it. */
    if (ftruncate(fd, before.st_size) != 0)
        abort();
    return true;
}

/* What can be done with a descriptor, however one came by it. */
static bool (*const uses[])(int fd) = {
    write_through,  map_through,      protect_through,
    splice_through, sendfile_through, copy_through,
    submit_through, punch_through,    zero_through,
};

static bool use(int fd)
{
    bool done = false;
    if (fd < 0)
        return false;
    for (size_t i = 0; i < COUNT(uses); i++)
        done = uses[i](fd) || done;
    /* Last, so that what works is seen. */
    done = write_through(fd) || done;
    return done;
}

static bool use_and_close(int fd)
{
    bool done = use(fd);
    if (fd >= 0)
        close(fd);
    return done;
}

static enum attack_result by_descriptor(const struct attack_on *on)
{
    return worked(use((int)on->native));
}

static enum attack_result by_copy(const struct attack_on *on)
{
    return worked(use_and_close(fcntl((int)on->native, F_DUPFD_CLOEXEC, 3)));
}

static enum attack_result by_flags(const struct attack_on *on)
{
    fcntl((int)on->native, F_SETFL, O_RDWR);
    return worked(use((int)on->native));
}

static enum attack_result by_reopening(const struct attack_on *on)
{
    return worked(use_and_close(open_again(on->native, O_RDWR)));
}

static enum attack_result by_reopening_for_writing(const struct attack_on *on)
{
    return worked(use_and_close(open_again(on->native, O_WRONLY)));
}

static enum attack_result by_appending(const struct attack_on *on)
{
    return worked(use_and_close(open_again(on->native, O_RDWR | O_APPEND)));
}

/* Opening it so cuts it to nothing. */
static enum attack_result by_truncating(const struct attack_on *on)
{
    int fd = open_again(on->native, O_RDWR | O_TRUNC);
    enum attack_result result = worked(fd >= 0);
    use_and_close(fd);
    return result;
}

static enum attack_result by_cutting(const struct attack_on *on)
{
    return worked(attack_cut(on->native));
}

static enum attack_result by_changing_the_mode(const struct attack_on *on)
{
    fchmod((int)on->native, 0666);
    return worked(use_and_close(open_again(on->native, O_RDWR)));
}

static enum attack_result by_path_descriptor(const struct attack_on *on)
{
    int path = open_again(on->native, O_PATH);
    int fd = path < 0 ? -1 : open_again(path, O_RDWR);
    if (path >= 0)
        close(path);
    return worked(use_and_close(fd));
}

/* The view, as the kernel shows it: for those who may look at memory. */
static enum attack_result by_map_files(const struct attack_on *on)
{
    char path[100];
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx",
             (unsigned long)(uintptr_t)on->data,
             (unsigned long)(uintptr_t)(on->data + on->size));
    if (access(path, F_OK) != 0)
        return ATTACK_ABSENT;
    return worked(use_and_close(open(path, O_RDWR | O_CLOEXEC)));
}

/* Every descriptor of the giver that means the object. */
static enum attack_result by_givers_descriptors(const struct attack_on *on,
                                                int (*get)(int, int))
{
    char path[64];
    struct stat wanted;
    bool done = false;
    bool found = false;
    if (fstat((int)on->native, &wanted) != 0)
        return ATTACK_ABSENT;
    for (int number = 0; number < 256; number++) {
        struct stat status;
        snprintf(path, sizeof path, "/proc/%d/fd/%d", on->giver, number);
        if (stat(path, &status) != 0 || status.st_dev != wanted.st_dev ||
            status.st_ino != wanted.st_ino)
            continue;
        found = true;
        done = use_and_close(get(on->giver, number)) || done;
    }
    return found ? worked(done) : ATTACK_ABSENT;
}

static int reopen_of(int process, int number)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", process, number);
    return open(path, O_RDWR | O_CLOEXEC);
}

static int take_from(int process, int number)
{
    int pidfd = (int)syscall(SYS_pidfd_open, process, 0);
    int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    if (pidfd >= 0)
        close(pidfd);
    return fd;
}

static enum attack_result by_reopening_the_givers(const struct attack_on *on)
{
    return by_givers_descriptors(on, reopen_of);
}

static enum attack_result by_taking_the_givers(const struct attack_on *on)
{
    return by_givers_descriptors(on, take_from);
}

/* Through the view. */

static enum attack_result by_read_into_view(const struct attack_on *on)
{
    return worked(poke(on->data));
}

static enum attack_result by_protection(const struct attack_on *on)
{
    if (mprotect(on->data, on->size, PROT_READ | PROT_WRITE) != 0)
        return ATTACK_REFUSED;
    poke(on->data);
    mprotect(on->data, on->size, PROT_READ);
    return ATTACK_WORKED;
}

/* A second mapping of the same pages. */
static enum attack_result by_remapping(const struct attack_on *on)
{
    void *second = mremap(on->data, 0, os_page_size(), MREMAP_MAYMOVE);
    if (second == MAP_FAILED)
        return ATTACK_REFUSED;
    bool done = mprotect(second, os_page_size(), PROT_READ | PROT_WRITE) == 0;
    poke(second);
    munmap(second, os_page_size());
    return worked(done);
}

static enum attack_result by_nonlinear_mapping(const struct attack_on *on)
{
#ifdef SYS_remap_file_pages
    if (syscall(SYS_remap_file_pages, on->data, os_page_size(), 0, 0, 0) != 0)
        return ATTACK_REFUSED;
    bool done = mprotect(on->data, os_page_size(), PROT_READ | PROT_WRITE) == 0;
    poke(on->data);
    if (done)
        mprotect(on->data, os_page_size(), PROT_READ);
    return worked(done);
#else
    (void)on;
    return ATTACK_ABSENT;
#endif
}

/* The process's memory as a file: a debugger's way. */
static enum attack_result by_own_memory(const struct attack_on *on)
{
    int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return ATTACK_ABSENT;
    bool done = lseek(fd, (off_t)(uintptr_t)on->data, SEEK_SET) >= 0 &&
                write(fd, TEXT, sizeof TEXT) > 0;
    close(fd);
    return worked(done);
}

static enum attack_result by_process_write(const struct attack_on *on)
{
    static char text[] = TEXT;
    struct iovec from = {text, sizeof text};
    struct iovec to = {on->data, sizeof text};
    return worked(
        syscall(SYS_process_vm_writev, getpid(), &from, 1, &to, 1, 0) > 0);
}

static enum attack_result by_removing_pages(const struct attack_on *on)
{
    return worked(madvise(on->data, os_page_size(), MADV_REMOVE) == 0);
}

/* Pages that are dropped come back as they were. */
static enum attack_result by_dropping_pages(const struct attack_on *on)
{
    madvise(on->data, os_page_size(), MADV_DONTNEED);
    madvise(on->data, os_page_size(), 8 /* MADV_FREE */);
    return ATTACK_REFUSED;
}

/* What is written to a private view stays there. */
static enum attack_result by_private_view(const struct attack_on *on)
{
    void *mapped = mmap(NULL, os_page_size(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE, (int)on->native, 0);
    if (mapped == MAP_FAILED)
        return ATTACK_REFUSED;
    poke(mapped);
    msync(mapped, os_page_size(), MS_SYNC);
    munmap(mapped, os_page_size());
    return ATTACK_REFUSED;
}

/* Into a pipe by reference, and then? The pipe's pages are the region's. */
static enum attack_result by_pipe_pages(const struct attack_on *on)
{
    int ends[2];
    loff_t offset = 0;
    if (pipe(ends) != 0)
        return ATTACK_ABSENT;
    if (splice((int)on->native, &offset, ends[1], NULL, 8, 0) > 0)
        /* Appended to the same page if the kernel forgets whose it is. */
        (void)!write(ends[1], TEXT, sizeof TEXT);
    close_pipe(ends);
    return ATTACK_REFUSED;
}

static const struct {
    const char *name;
    enum attack_result (*run)(const struct attack_on *on);
    bool able;
} attacks[] = {
    {"the descriptor itself", by_descriptor, true},
    {"a copy of the descriptor", by_copy, true},
    {"F_SETFL", by_flags, true},
    {"/proc/self/fd, read and write", by_reopening, true},
    {"/proc/self/fd, write", by_reopening_for_writing, true},
    {"/proc/self/fd, append", by_appending, false},
    {"/proc/self/fd, truncate", by_truncating, false},
    {"ftruncate", by_cutting, false},
    {"fchmod and /proc/self/fd", by_changing_the_mode, true},
    {"O_PATH and /proc/self/fd", by_path_descriptor, true},
    {"/proc/self/map_files", by_map_files, true},
    {"the giver's /proc/fd", by_reopening_the_givers, true},
    {"pidfd_getfd", by_taking_the_givers, true},
    {"read into the view", by_read_into_view, false},
    {"mprotect", by_protection, true},
    {"mremap", by_remapping, true},
    {"remap_file_pages", by_nonlinear_mapping, true},
    {"/proc/self/mem", by_own_memory, false},
    {"process_vm_writev", by_process_write, false},
    {"MADV_REMOVE", by_removing_pages, false},
    {"MADV_DONTNEED", by_dropping_pages, false},
    {"a private view", by_private_view, false},
    {"pages in a pipe", by_pipe_pages, false},
};

size_t attack_count(void)
{
    return COUNT(attacks);
}

const char *attack_name(size_t index)
{
    return attacks[index].name;
}

enum attack_result attack_try(size_t index, const struct attack_on *on)
{
    return attacks[index].run(on);
}

bool attack_is_able(size_t index)
{
    return attacks[index].able;
}

bool attack_cut(intptr_t native)
{
    int fd = open_again(native, O_RDWR);
    bool done = cut_through(fd) || cut_through((int)native);
    if (fd >= 0)
        close(fd);
    return done;
}

bool attack_extend(intptr_t native, uint64_t size)
{
    int fd = open_again(native, O_RDWR);
    bool done = ftruncate(fd, (off_t)size) == 0 ||
                fallocate(fd, 0, 0, (off_t)size) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

const struct attack_facts *attack_facts(void)
{
    static const struct attack_facts facts = {
        .reads_only = true,
        .takes_turns = true,
        .must_live = true,
        .seals = SHMAP_SEAL_GROW | SHMAP_SEAL_SHRINK | SHMAP_SEAL_WRITERS |
                 SHMAP_SEAL_CONTENT,
        .first_seals = SHMAP_SEAL_SHRINK,
    };
    static const struct attack_facts without = {.must_live = true};
    return os_has_lock_files() ? &without : &facts;
}

intptr_t attack_make_thing(enum attack_thing thing)
{
    int ends[2] = {-1, -1};
    switch (thing) {
    case ATTACK_DIRECTORY:
        return open("/", O_RDONLY | O_DIRECTORY);
    case ATTACK_FIFO:
        if (pipe(ends) == 0)
            close(ends[1]);
        return ends[0];
    case ATTACK_SOCKET:
        return socket(AF_UNIX, SOCK_STREAM, 0);
    case ATTACK_TERMINAL:
        return open("/dev/ptmx", O_RDWR | O_NOCTTY);
    default:
        return -1;
    }
}

bool attack_be_stream(int stream, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool done = fd >= 0 && dup2(fd, stream) == stream;
    if (fd >= 0)
        close(fd);
    return done;
}

intptr_t attack_memory(uint64_t size, bool sealable)
{
    int fd = memfd_create("attack",
                          MFD_CLOEXEC | (sealable ? MFD_ALLOW_SEALING : 0));
    if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool attack_set_variable(const char *name, const char *value)
{
    return setenv(name, value, 1) == 0;
}

int64_t attack_no_process(void)
{
    /* Above what any Linux has. */
    return INT64_C(4194304) + 1;
}

/* It may be a zombie, which has nothing. */
bool attack_is_gone(int process)
{
    char path[64];
    char text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    /* The state follows the program's name. */
    const char *state = strrchr(text, ')');
    return size == 0 ||
           (state != NULL && strchr("ZX", state[strlen(") ")]) != NULL);
}

intptr_t attack_look_at(const char *path)
{
#ifdef O_PATH
    return open(path, O_PATH | O_CLOEXEC);
#else
    (void)path;
    return -1;
#endif
}

bool attack_drop_locks(intptr_t native)
{
#ifdef F_OFD_SETLK
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    return fcntl((int)native, F_OFD_SETLK, &lock) == 0;
#else
    (void)native;
    return false;
#endif
}
