/* SPDX-License-Identifier: MIT */

/* Running tests and roles; expectations, waiting, numbers, names, files. */

#include "support.h"

#include <inttypes.h>

#include <uv.h>

#include "puppet.h"

static char program_name[64];

static const char *base_name(const char *path)
{
    const char *base = path;
    for (const char *at = path; *at != '\0'; at++)
        if (*at == '/' || *at == '\\')
            base = at + 1;
    return base;
}

static int play(const char *name, const struct role *roles, int count,
                char **arguments)
{
    if (strcmp(name, "puppet") == 0)
        return puppet_play(count, arguments);
    for (; roles != NULL && roles->name != NULL; roles++)
        if (strcmp(roles->name, name) == 0)
            return roles->play(count, arguments);
    role_fail("no role \"%s\"", name);
    return 1;
}

static int end_children(void **state)
{
    (void)state;
    children_end();
    return 0;
}

int test_main(int argc, char **argv, const struct role *roles,
              const struct CMUnitTest *tests, size_t test_count)
{
    snprintf(program_name, sizeof program_name, "%s", base_name(argv[0]));
    if (argc >= 3 && strcmp(argv[1], "role") == 0)
        return play(argv[2], roles, argc - 3, argv + 3);
    os_small_shared_memory(0);
    if (setting("SHMAP_TEST_FORBID_LINKS", 0) != 0 && !os_forbid_links())
        return program_skipped("links cannot be forbidden");
    if (setting("SHMAP_TEST_FORBID_SET_ID", 0) != 0 && !os_forbid_set_id())
        return program_skipped("set-user-id bits cannot be forbidden");
    os_ignore_broken_pipes();
    uv_setup_args(argc, argv);
    if (argc >= 2)
        cmocka_set_test_filter(argv[1]);

    struct CMUnitTest *run = calloc(test_count, sizeof *run);
    if (run == NULL)
        return 1;
    memcpy(run, tests, test_count * sizeof *run);
    for (size_t i = 0; i < test_count; i++)
        if (run[i].teardown_func == NULL)
            run[i].teardown_func = end_children;
    int failed =
        _cmocka_run_group_tests(program_name, run, test_count, NULL, NULL);
    free(run);
    children_end();
    return failed == 0 ? 0 : 1;
}

int program_skipped(const char *reason)
{
    printf("skipped: %s\n", reason);
    fflush(stdout);
    return 77;
}

void assert_code_(int actual, int expected, const char *call, const char *file,
                  int line)
{
    if (actual == expected)
        return;
    print_error("%s\n    is %s (%d), should be %s (%d)\n", call,
                shmap_error_name(actual), actual, shmap_error_name(expected),
                expected);
    if (actual < 0)
        print_error("    system error %d, \"%s\"\n", shmap_system_error(),
                    shmap_error_detail());
    _fail(file, line);
}

static int64_t scale(void)
{
    long factor = setting("SHMAP_TEST_TIMEOUT_SCALE", TIMEOUT_SCALE);
    return factor < 1 ? 1 : factor;
}

int64_t scaled(int64_t time)
{
    return time * scale();
}

int64_t clock_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

int64_t patience_until(int timeout)
{
    return clock_ms() + scaled(timeout);
}

bool patience_nap(int64_t until)
{
    if (clock_ms() > until)
        return false;
    uv_sleep(1);
    return true;
}

long setting(const char *variable, long otherwise)
{
    const char *value = getenv(variable);
    return value == NULL || *value == '\0' ? otherwise : atol(value);
}

/* The generator is splitmix64. */
static uint64_t dice_next(struct dice *dice)
{
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t dice_roll(struct dice *dice, uint32_t sides)
{
    return (uint32_t)((dice_next(dice) >> 32) * sides >> 32);
}

uint64_t fresh_seed(void)
{
    static volatile uint64_t calls;
    struct dice dice = {uv_hrtime() ^ ((uint64_t)os_process_id() << 40) ^
                        (memory_add(&calls, 1) << 32)};
    return dice_next(&dice);
}

void unique_name(char *out, const char *label)
{
    snprintf(out, NAME_ROOM, "t%d-%08" PRIx32 "-%.100s", os_process_id(),
             (uint32_t)fresh_seed(), label);
}

void os_name_of(char *out, const char *name, int scope)
{
    assert_code(shmap_os_name(out, OS_NAME_ROOM, name, scope), 0);
}

void scratch_path(char *out, const char *label)
{
    char folder[NAME_ROOM];
    size_t size = sizeof folder;
    char name[NAME_ROOM];
    if (uv_os_tmpdir(folder, &size) != 0)
        snprintf(folder, sizeof folder, ".");
    unique_name(name, label);
    int length = snprintf(out, NAME_ROOM, "%s/%.48s", folder, name);
    assert_in_range(length, 1, NAME_ROOM - 1);
}

bool file_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return false;
    bool done = fwrite(data, 1, size, file) == size;
    return fclose(file) == 0 && done;
}

bool file_read(const char *path, void *data, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    *size = fread(data, 1, *size, file);
    bool done = !ferror(file);
    fclose(file);
    return done;
}

FILE *role_output;

static void print_line(const char *start, const char *format, va_list arguments)
{
    FILE *output = role_output == NULL ? stdout : role_output;
    fputs(start, output);
    vfprintf(output, format, arguments);
    putc('\n', output);
    fflush(output);
}

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("", format, arguments);
    va_end(arguments);
}

char *hear(void)
{
    static char line[4096];
    if (fgets(line, sizeof line, stdin) == NULL)
        return NULL;
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

void role_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("fail: ", format, arguments);
    va_end(arguments);
    exit(1);
}

void role_check_code_(int actual, int expected, const char *call,
                      const char *file, int line)
{
    if (actual != expected)
        role_fail("%s:%d: %s is %s, should be %s (system error %d)", file, line,
                  call, shmap_error_name(actual), shmap_error_name(expected),
                  shmap_system_error());
}
