/* SPDX-License-Identifier: MIT */

/* Puppets that call synchronisation objects in a region they share. */

#include "calls.h"

#include <inttypes.h>

#include <uv.h>

#include "puppet.h"

enum { MS = 1000000, NUMBERS = 3 };

/* The test's side of a stage. */

void stage_make(struct stage *stage, const char *label, size_t size)
{
    memset(stage, 0, sizeof *stage);
    unique_name(stage->name, label);
    assert_code(shmap_region_create(&stage->region, stage->name, size, NULL),
                0);
    assert_code(shmap_view_map(&stage->view, stage->region, NULL), 0);
}

void *stage_at(const struct stage *stage, size_t at)
{
    return (char *)stage->view.data + at;
}

void stage_end(struct stage *stage)
{
    children_end();
    shmap_view_unmap(&stage->view);
    shmap_region_close(stage->region);
}

void *stage_join(const char *name, int access)
{
    static shmap_view view;
    shmap_region *region;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;

    options.access = access;
    role_check_code(shmap_region_open(&region, name, &options), 0);
    role_check_code(shmap_view_map(&view, region, NULL), 0);
    return view.data;
}

int64_t deadline_ms(int64_t ms)
{
    return shmap_after(SHMAP_MS(scaled(ms)));
}

int64_t cpu_us(void)
{
    uv_rusage_t usage;

    if (uv_getrusage(&usage) != 0)
        return 0;
    return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

unsigned waiters_count(const shmap_waiters *waiters)
{
    return (unsigned)(memory_load(&waiters->who_) & 0xFFFF);
}

uint64_t *cond_number(shmap_cond *cond)
{
    return (uint64_t *)(void *)(cond + 1);
}

/* Values. */

static uint64_t word_of(uint64_t version, size_t index)
{
    uint64_t mixed = (version + index) * UINT64_C(0x9E3779B97F4A7C15);

    return mixed ^ mixed >> 29;
}

void value_fill(void *value, size_t size, uint64_t version)
{
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = word_of(version, at);

        memcpy((char *)value + at, &word, size - at < 8 ? size - at : 8);
    }
}

bool value_is(const void *value, size_t size, uint64_t version)
{
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = word_of(version, at);

        if (memcmp((const char *)value + at, &word,
                   size - at < 8 ? size - at : 8) != 0)
            return false;
    }
    return true;
}

shmap_record *record_make(size_t size)
{
    return calloc(1, SHMAP_RECORD_SIZE(size));
}

/* The puppet's side. */

static char *base;
static int64_t deadline;
static uint64_t value_read;
static bool value_torn;

static void *at(const int64_t *numbers)
{
    return base + numbers[0];
}

static int64_t until(int64_t ms)
{
    deadline = ms < 0 ? SHMAP_FOREVER : ms == 0 ? 0 : shmap_after(SHMAP_MS(ms));
    return deadline;
}

static int do_event_set(const int64_t *numbers)
{
    return shmap_event_set(at(numbers));
}

static int do_event_reset(const int64_t *numbers)
{
    return shmap_event_reset(at(numbers));
}

static int do_event_wait(const int64_t *numbers)
{
    return shmap_event_wait(at(numbers), until(numbers[1]));
}

static int do_event_take(const int64_t *numbers)
{
    return shmap_event_take(at(numbers), until(numbers[1]));
}

static int do_semaphore_post(const int64_t *numbers)
{
    return shmap_semaphore_post(at(numbers), (uint32_t)numbers[1]);
}

static int do_semaphore_wait(const int64_t *numbers)
{
    return shmap_semaphore_wait(at(numbers), until(numbers[1]));
}

static int do_semaphore_init(const int64_t *numbers)
{
    return shmap_semaphore_init(at(numbers), (uint32_t)numbers[1]);
}

static int do_semaphore_waits(const int64_t *numbers)
{
    shmap_semaphore *semaphore = at(numbers);
    int result = 0;

    for (int64_t i = 0; i < numbers[1]; i++) {
        semaphore->waiters_.spin_ = 0;
        result = shmap_semaphore_wait(semaphore, until(numbers[2]));
    }
    return result;
}

static int do_mutex_lock(const int64_t *numbers)
{
    return shmap_mutex_lock(at(numbers), until(numbers[1]));
}

static int do_mutex_unlock(const int64_t *numbers)
{
    return shmap_mutex_unlock(at(numbers));
}

static int do_mutex_consistent(const int64_t *numbers)
{
    return shmap_mutex_consistent(at(numbers));
}

static int do_cond_wait(const int64_t *numbers)
{
    shmap_cond *cond = at(numbers);
    int result;

    until(numbers[2]);
    do {
        result = shmap_cond_wait(cond, at(numbers + 1), deadline);
    } while (result == 0 && memory_load(cond_number(cond)) == 0);
    return result;
}

static int do_cond_signal(const int64_t *numbers)
{
    memory_add(cond_number(at(numbers)), 1);
    return shmap_cond_signal(at(numbers));
}

static int do_cond_broadcast(const int64_t *numbers)
{
    memory_add(cond_number(at(numbers)), 1);
    return shmap_cond_broadcast(at(numbers));
}

static int do_barrier_wait(const int64_t *numbers)
{
    return shmap_barrier_wait(at(numbers), (uint32_t)numbers[1],
                              until(numbers[2]));
}

static int do_record_write(const int64_t *numbers)
{
    shmap_record *record = at(numbers);
    size_t size = (size_t)numbers[1];
    void *value = malloc(size);
    int result;

    role_check(value != NULL);
    value_fill(value, size, memory_load(&record->version_) + 1);
    result = shmap_record_write(record, value, size);
    free(value);
    return result;
}

static int do_record_read(const int64_t *numbers)
{
    size_t size = (size_t)numbers[1];
    void *value = malloc(size);
    int result;

    role_check(value != NULL);
    result = shmap_record_read(at(numbers), value, size, &value_read);
    value_torn = result == 0 && !value_is(value, size, value_read);
    free(value);
    return result;
}

static int do_record_wait(const int64_t *numbers)
{
    return shmap_record_wait(at(numbers), (uint64_t)numbers[1],
                             until(numbers[2]));
}

static int do_use_one_processor(const int64_t *numbers)
{
    return os_use_one_processor((unsigned)numbers[0]) ? 0 : SHMAP_ENOTSUP;
}

static const struct {
    const char *name;
    int (*run)(const int64_t *numbers);
} calls[] = {
    {"event_set", do_event_set},
    {"event_reset", do_event_reset},
    {"event_wait", do_event_wait},
    {"event_take", do_event_take},
    {"semaphore_init", do_semaphore_init},
    {"semaphore_post", do_semaphore_post},
    {"semaphore_wait", do_semaphore_wait},
    {"semaphore_waits", do_semaphore_waits},
    {"mutex_lock", do_mutex_lock},
    {"mutex_unlock", do_mutex_unlock},
    {"mutex_consistent", do_mutex_consistent},
    {"cond_wait", do_cond_wait},
    {"cond_signal", do_cond_signal},
    {"cond_broadcast", do_cond_broadcast},
    {"barrier_wait", do_barrier_wait},
    {"record_write", do_record_write},
    {"record_read", do_record_read},
    {"record_wait", do_record_wait},
    {"use_one_processor", do_use_one_processor},
};

static bool (*more)(int count, char **words, const char **text);

static const char *run(int (*run_it)(const int64_t *), int count, char **words)
{
    static char text[200];
    int64_t numbers[NUMBERS] = {0};

    for (int i = 0; i < NUMBERS && i + 1 < count; i++)
        numbers[i] = (int64_t)strtoll(words[i + 1], NULL, 10);
    deadline = SHMAP_FOREVER;
    value_read = 0;
    value_torn = false;
    int64_t cpu = cpu_us();
    int64_t began = shmap_now();
    int code = run_it(numbers);
    int64_t ended = shmap_now();
    cpu = cpu_us() - cpu;
    snprintf(text, sizeof text,
             "%d %" PRId64 " %" PRId64 " %" PRId64 " %d %" PRIu64 " %d", code,
             began, ended, cpu, code == SHMAP_ETIMEDOUT && ended < deadline,
             value_read, value_torn);
    return text;
}

static bool obey_call(int count, char **words, const char **text)
{
    if (strcmp(words[0], "share") == 0 && count >= 2) {
        base = stage_join(words[1], count >= 3 ? SHMAP_ACCESS_READ
                                               : SHMAP_ACCESS_READ_WRITE);
        return true;
    }
    for (size_t i = 0; i < COUNT(calls); i++) {
        if (strcmp(words[0], calls[i].name) == 0) {
            *text = run(calls[i].run, count, words);
            return true;
        }
    }
    return more != NULL && more(count, words, text);
}

void calls_enable(void)
{
    more = puppet_more;
    puppet_more = obey_call;
}

/* The test's side of a puppet. */

struct child *caller_start(const struct stage *stage)
{
    struct child *caller = puppet_start();

    puppet_do(caller, "share %s", stage->name);
    return caller;
}

struct child *caller_start_reader(const struct stage *stage)
{
    struct child *caller = puppet_start();

    puppet_do(caller, "share %s read", stage->name);
    return caller;
}

struct called call_result(struct child *caller)
{
    struct called called = {0};
    const char *line = child_read_line(caller, PATIENCE);
    int early = 0;
    int torn = 0;

    if (line == NULL)
        fail_msg("a caller does not answer");
    else if (sscanf(line,
                    "= 0 %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %d %" SCNu64
                    " %d",
                    &called.code, &called.began, &called.ended, &called.cpu_us,
                    &early, &called.value, &torn) != 7)
        fail_msg("a caller says \"%s\"", line);
    called.early = early != 0;
    called.value_torn = torn != 0;
    return called;
}

struct called call(struct child *caller, const char *format, ...)
{
    char line[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    child_tell(caller, "%s", line);
    return call_result(caller);
}

int64_t called_ms(const struct called *called)
{
    return (called->ended - called->began) / MS;
}
