/* SPDX-License-Identifier: MIT */

/* Systems that refuse a call: sandboxes with filters, kernels that imitate
 * Linux, old ones. Another way is taken, or the code and its words are true. */

#include "files.h"
#include "units.h"

static shmap_region_options options;
static char scratch[NAME_ROOM];

/* What is done after the call is refused. Each closes what it made. */

static int closed(int result, shmap_region *region)
{
    if (result >= 0)
        shmap_region_close(region);
    return result;
}

static int make(uint64_t size)
{
    shmap_region *region = NULL;

    return closed(shmap_region_create(&region, NULL, size, &options), region);
}

static int small(void)
{
    return make(4096);
}

static int large(void)
{
    return make(4 * MiB);
}

static int very_large(void)
{
    return make(32 * MiB);
}

static int named(void)
{
    shmap_region *region = NULL;
    char name[NAME_ROOM];

    unique_name(name, __func__);
    return closed(shmap_region_create(&region, name, 4096, &options), region);
}

static int named_natively(void)
{
    options.scope = SHMAP_SCOPE_NATIVE;
    return named();
}

/* A name of which the holder ended without closing it, and a living one. */
static char leftover[NAME_ROOM];
static char alive[NAME_ROOM];
static shmap_region *living;

static void leave_over(void)
{
    shmap_region *region;
    FILE *from;
    FILE *to;
    int pid;

    unique_name(leftover, __func__);
    unique_name(alive, __func__);
    if (!os_can_fork())
        return;
    pid = os_fork(&from, &to);
    if (pid == 0) {
        shmap_region_create(&region, leftover, 4096, NULL);
        os_exit_now(0);
    }
    role_check(os_fork_wait(pid) == 0);
    role_check_code(shmap_region_create(&living, alive, 4096, NULL), 0);
}

static int over_leftover(void)
{
    shmap_region *region = NULL;

    return closed(shmap_region_create(&region, leftover, 4096, &options),
                  region);
}

static int over_living(void)
{
    shmap_region *region = NULL;

    return closed(shmap_region_create(&region, alive, 4096, &options), region);
}

/* What takes no page before it has its name. */
static int lazy_over_leftover(void)
{
    options.commit = SHMAP_COMMIT_LAZY;
    return over_leftover();
}

static int lazy_over_living(void)
{
    options.commit = SHMAP_COMMIT_LAZY;
    return over_living();
}

static int leftover_opened(void)
{
    shmap_region *region = NULL;

    return closed(shmap_region_open(&region, leftover, &options), region);
}

static int living_opened(void)
{
    shmap_region *region = NULL;

    return closed(shmap_region_open(&region, alive, &options), region);
}

static int leftover_reaped(void)
{
    return shmap_region_reap(leftover, NULL, NULL);
}

static int all_reaped(void)
{
    return shmap_region_reap_all(NULL, NULL);
}

static int file_of(const char *path, uint64_t size)
{
    shmap_region *region = NULL;
    int result = shmap_region_open_file(&region, path, size, &options);

    return closed(result, region);
}

static int file_made(void)
{
    int result;

    options.create = SHMAP_CREATE_NEW;
    result = file_of(scratch, 3 * MiB);
    role_check(file_exists(scratch) == (result >= 0));
    return result;
}

static int file_shared(void)
{
    options.share = SHMAP_SHARE_EVERYONE_READ;
    return file_made();
}

static int file_of_group(void)
{
    options.share = SHMAP_SHARE_GROUP;
    options.group = "1";
    return file_made();
}

static int file_extended(void)
{
    int result;

    role_check(file_write(scratch, "content", 7));
    result = file_of(scratch, 3 * MiB);
    role_check(file_size(scratch) == (result >= 0 ? 3 * MiB : 7));
    return result;
}

static int file_filled(void)
{
    role_check(file_write(scratch, "content", 7));
    role_check(file_resize(scratch, 3 * MiB));
    options.commit = SHMAP_COMMIT_ALL;
    return file_of(scratch, 0);
}

static int file_told(void)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    shmap_region *region;

    options.create = SHMAP_CREATE_NEW;
    role_check(shmap_region_open_file(&region, scratch, MiB, &options) >= 0);
    role_check_code(shmap_region_inspect(region, &info), 0);
    shmap_region_close(region);
    return (info.flags & (SHMAP_INFO_SPARSE | SHMAP_INFO_NAME_LOST)) != 0;
}

static int relative_file(void)
{
    int result;

    role_check(file_write("refusal-test", "content", 7));
    result = file_of("refusal-test", 0);
    file_remove("refusal-test");
    return result;
}

static int prefaulted(void)
{
    shmap_view_options prefault = SHMAP_VIEW_OPTIONS_INIT;
    shmap_region *region;
    shmap_view view;
    int result;

    role_check_code(shmap_region_create(&region, NULL, MiB, NULL), 0);
    prefault.flags = SHMAP_VIEW_PREFAULT;
    result = shmap_view_map(&view, region, &prefault);
    if (result == 0)
        shmap_view_unmap(&view);
    return closed(result, region);
}

/* What cannot be unmapped stays in the list of views, which look at regions. */
static int prefaulted_for_ever(void)
{
    shmap_region *region;
    shmap_view_options prefault = SHMAP_VIEW_OPTIONS_INIT;
    shmap_view view;
    size_t handles = os_open_handles();
    int result;

    role_check(os_refuse("munmap", "EPERM"));
    prefault.flags = SHMAP_VIEW_PREFAULT;
    role_check_code(shmap_region_create(&region, NULL, MiB, NULL), 0);
    result = shmap_view_map(&view, region, &prefault);
    closed(0, region);
    role_check(os_open_handles() == handles + 1);
    return result;
}

static int unmapped(void)
{
    shmap_region *region;
    shmap_view view;
    int result;

    role_check_code(shmap_region_create(&region, NULL, MiB, NULL), 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    result = shmap_view_unmap(&view);
    role_check(((char *)view.data)[MiB - 1] == 0);
    return result;
}

static int flush(int mode)
{
    shmap_region *region;
    shmap_view view;
    int result;

    options.create = SHMAP_CREATE_NEW;
    role_check(shmap_region_open_file(&region, scratch, MiB, &options) >= 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    result = shmap_view_flush(&view, 0, 0, mode);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    return result;
}

static int flushed(void)
{
    return flush(SHMAP_FLUSH_WRITE);
}

static int flushed_durably(void)
{
    return flush(SHMAP_FLUSH_DURABLE);
}

static const struct refusal {
    const char *call;
    const char *errors; /* each refused in a process of its own */
    int (*act)(void);
    int expected;
    const char *word; /* of the detail */
} table[] = {
    {"memfd_create", "ENOSYS EPERM EACCES", small, SHMAP_ENOTSUP,
     "memfd_create"},
    {"memfd_create", "EMFILE ENFILE", small, SHMAP_EMFILE, ""},
    {"memfd_create", "ENOMEM", small, SHMAP_ENOMEM, ""},
    {"fcntl F_ADD_SEALS", "ENOSYS EPERM EINVAL", small, SHMAP_ENOTSUP,
     "F_ADD_SEALS"},
    {"fallocate", "ENOSYS EPERM EACCES EOPNOTSUPP ENODEV", small, 0, NULL},
    {"fallocate", "ENOSYS EPERM EACCES EOPNOTSUPP ENODEV", large, 0, NULL},
    {"fallocate", "ENOSYS EPERM EACCES EOPNOTSUPP ENODEV", named, 0, NULL},
    {"fallocate", "ENOSYS EPERM EACCES EOPNOTSUPP ENODEV", file_made,
     SHMAP_ALONE, NULL},
    {"fallocate", "ENOSYS EPERM EACCES EOPNOTSUPP ENODEV", file_extended,
     SHMAP_ALONE, NULL},
    {"fallocate", "ENOSYS EPERM EOPNOTSUPP", file_filled, SHMAP_ENOTSUP,
     "holes"},
    {"fallocate", "ENOSPC", small, SHMAP_ENOSPC, "asked for"},
    {"fallocate", "ENOSPC", file_extended, SHMAP_ENOSPC, "asked for"},
    {"fallocate", "ENOSPC", file_filled, SHMAP_ENOSPC, "holes"},
    {"fallocate", "ENOSPC", over_living, SHMAP_EEXIST, ""},
    {"ftruncate", "ENOSPC EMFILE EPERM", lazy_over_living, SHMAP_EEXIST, ""},
    {"ftruncate", "ENOSPC", lazy_over_leftover, SHMAP_ENOSPC, "asked for"},
    {"sysinfo", "ENOSYS EPERM", very_large, 0, NULL},
    {"fstatfs", "ENOSYS EPERM", very_large, 0, NULL},
    {"prlimit64", "ENOSYS EPERM", small, 0, NULL},
    {"madvise", "ENOSYS EPERM EACCES EINVAL", prefaulted, 0, NULL},
    {"madvise", "ENOMEM", prefaulted, SHMAP_ENOSPC, "asked for"},
    {"madvise", "ENOMEM", prefaulted_for_ever, SHMAP_ENOSPC, NULL},
    {"munmap", "EPERM", unmapped, SHMAP_ESYSTEM, "refuses to unmap"},
    {"munmap", "ENOMEM", unmapped, SHMAP_ENOMEM, "mappings"},
    {"msync", "ENOSYS EPERM EACCES EIO", flushed, SHMAP_ESYSTEM, ""},
    {"msync", "ENOSPC", flushed, SHMAP_ENOSPC, ""},
    {"fsync", "ENOSYS EPERM EINVAL EIO", flushed_durably, SHMAP_ESYSTEM, ""},
    /* Without locks nobody is known to be alone. */
    {"fcntl F_OFD_SETLK", "ENOSYS EPERM EACCES EINVAL ENOLCK", file_made, 0,
     NULL},
    {"fcntl F_OFD_SETLK", "ENOSYS EPERM EACCES EINVAL", named, SHMAP_ENOTSUP,
     "F_OFD_SETLK"},
    {"fcntl F_OFD_SETLK", "ENOLCK", named, SHMAP_EMFILE, ""},
    {"fcntl F_OFD_SETLK", "ENOSYS EPERM EACCES EINVAL", living_opened,
     SHMAP_ENOTSUP, "F_OFD_SETLK"},
    {"fcntl F_OFD_SETLK", "ENOSYS EPERM EACCES EINVAL", leftover_opened,
     SHMAP_ENOENT, ""},
    {"fcntl F_OFD_SETLK", "ENOSYS EPERM EACCES EINVAL", over_leftover,
     SHMAP_ENOTSUP, "F_OFD_SETLK"},
    {"fcntl F_OFD_SETLK", "ENOSYS EPERM EACCES EINVAL", leftover_reaped,
     SHMAP_ENOTSUP, "F_OFD_SETLK"},
    {"fcntl F_OFD_SETLK", "ENOSYS EPERM EACCES EINVAL", all_reaped,
     SHMAP_ENOTSUP, "F_OFD_SETLK"},
    {"fcntl F_OFD_GETLK", "ENOSYS EPERM EACCES", over_living, SHMAP_ENOTSUP,
     "F_OFD_GETLK"},
    {"fcntl F_OFD_GETLK", "ENOSYS EPERM EACCES", living_opened, SHMAP_ENOTSUP,
     "F_OFD_GETLK"},
    {"fcntl F_OFD_GETLK", "ENOSYS EPERM EACCES", leftover_opened, SHMAP_ENOTSUP,
     "F_OFD_GETLK"},
    {"fcntl F_OFD_GETLK", "ENOSYS EPERM EACCES", all_reaped, SHMAP_ENOTSUP,
     "F_OFD_GETLK"},
    {"utimensat", "ENOSYS EPERM EACCES", named, SHMAP_ENOTSUP, "utimensat"},
    {"utimensat", "ENOSYS EPERM EACCES", named_natively, 0, NULL},
    {"getdents64", "ENOSYS", all_reaped, SHMAP_ENOTSUP, NULL},
    {"getdents64", "EPERM", all_reaped, SHMAP_EACCES, NULL},
    {"fchmod", "ENOSYS EPERM EOPNOTSUPP", file_shared, SHMAP_ENOTSUP, "fchmod"},
    {"fchown", "EPERM", file_of_group, SHMAP_EPRIVILEGE, ""},
    {"fchown", "ENOSYS", file_of_group, SHMAP_ENOTSUP, ""},
    {"ioctl", "ENOSYS EPERM", file_told, 0, NULL},
    {"getcwd", "ENOSYS EPERM", relative_file, SHMAP_ALONE, NULL},
};

/* Arguments: a row's number, and an error. */
static int refused(int count, char **arguments)
{
    static const shmap_region_options defaults = SHMAP_REGION_OPTIONS_INIT;
    const struct refusal *row;
    int row_number = -1;
    char error[16];
    int result;

    (void)count;
    role_check(sscanf(arguments[0], "%d %15s", &row_number, error) == 2);
    row = &table[row_number];
    options = defaults;
    scratch_path(scratch, __func__);
    leave_over();
    if (!os_refuse(row->call, error)) {
        say("cannot");
        return 0;
    }
    result = row->act();
    if (file_exists(scratch))
        file_remove(scratch);
    if (result != row->expected ||
        (row->word != NULL && strstr(shmap_error_detail(), row->word) == NULL))
        role_fail("row %d, %s: %s: %s, should be %s (system error %d): \"%s\"",
                  row_number, row->call, error, shmap_error_name(result),
                  shmap_error_name(row->expected), shmap_system_error(),
                  shmap_error_detail());
    say("done");
    return 0;
}

static void test_refusal__another_way_is_taken_or_the_words_are_true(
    void **state)
{
    char errors[128];

    (void)state;
    if (os_has_lock_files())
        skip_because("the calls here are those of Linux's own mechanism");
    for (size_t i = 0; i < COUNT(table); i++) {
        snprintf(errors, sizeof errors, "%s", table[i].errors);
        for (char *error = strtok(errors, " "); error != NULL;
             error = strtok(NULL, " ")) {
            char what[64];

            snprintf(what, sizeof what, "%u %s", (unsigned)i, error);
            units_run_role("refused", what,
                           "calls cannot be made to fail here");
        }
    }
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"refused", refused}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_refusal__another_way_is_taken_or_the_words_are_true),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
