/* SPDX-License-Identifier: MIT */

/* Children: this program in other processes, talked to over pipes. */

#include "support.h"

#include <uv.h>

#define ARGUMENTS 16
#define LINE_ROOM 8192

struct child {
    struct child *next;
    uv_process_t process;
    uv_pipe_t input;
    uv_pipe_t output;
    /* What it printed; `taken` bytes of that were returned already. */
    char text[LINE_ROOM];
    size_t filled;
    size_t taken;
    int open_handles;
    bool output_ended;
    bool input_closed;
    bool exited;
    int64_t exit_code;
    int signal;
};

const char *child_program;

static struct child *children;

static void on_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    --child->open_handles;
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void on_ended(uv_process_t *process, int64_t exit_code, int signal)
{
    struct child *child = process->data;
    child->exited = true;
    child->exit_code = exit_code;
    child->signal = signal;
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct child *child = handle->data;
    (void)suggested;
    if (child->taken > 0) {
        child->filled -= child->taken;
        memmove(child->text, child->text + child->taken, child->filled);
        child->taken = 0;
    }
    *buffer = uv_buf_init(child->text + child->filled,
                          (unsigned)(sizeof child->text - child->filled));
}

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct child *child = stream->data;
    (void)buffer;
    if (size < 0)
        child->output_ended = true;
    else
        child->filled += (size_t)size;
    /* The buffer must not move while a line in it is being read. */
    uv_read_stop(stream);
}

static void on_alarm(uv_timer_t *timer)
{
    (void)timer;
}

/* Let things happen, until something did or the deadline passed; also if it
 * passed before. False if it did. */
static bool wait_a_while(int64_t until)
{
    int64_t now = clock_ms();
    if (now >= until) {
        uv_run(uv_default_loop(), UV_RUN_NOWAIT);
        return false;
    }
    uv_timer_t alarm;
    uv_timer_init(uv_default_loop(), &alarm);
    uv_update_time(uv_default_loop());
    /* Again and again: one that is over before the loop has begun ends no
     * wait. */
    uv_timer_start(&alarm, on_alarm, (uint64_t)(until - now), 1);
    uv_run(uv_default_loop(), UV_RUN_ONCE);
    uv_close((uv_handle_t *)&alarm, NULL);
    uv_run(uv_default_loop(), UV_RUN_NOWAIT);
    return true;
}

static void open_pipe(struct child *child, uv_pipe_t *pipe)
{
    uv_pipe_init(uv_default_loop(), pipe, 0);
    pipe->data = child;
    ++child->open_handles;
}

static void forget(struct child *child)
{
    struct child **link = &children;
    while (*link != child)
        link = &(*link)->next;
    *link = child->next;
    close_handle((uv_handle_t *)&child->input);
    close_handle((uv_handle_t *)&child->output);
    close_handle((uv_handle_t *)&child->process);
    while (child->open_handles > 0)
        uv_run(uv_default_loop(), UV_RUN_ONCE);
    free(child);
}

struct child *child_start(const char *role, ...)
{
    char path[1024];
    size_t size = sizeof path;
    if (child_program != NULL)
        snprintf(path, sizeof path, "%s", child_program);
    else
        assert_int_equal(uv_exepath(path, &size), 0);

    char word[] = "role";
    char name[32];
    snprintf(name, sizeof name, "%s", role);
    char *arguments[ARGUMENTS] = {path, word, name};
    va_list more;
    va_start(more, role);
    for (size_t i = 3; i + 1 < ARGUMENTS; i++)
        if ((arguments[i] = va_arg(more, char *)) == NULL)
            break;
    va_end(more);

    struct child *child = calloc(1, sizeof *child);
    assert_non_null(child);
    child->next = children;
    children = child;
    open_pipe(child, &child->input);
    open_pipe(child, &child->output);
    uv_stdio_container_t streams[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE,
         .data.stream = (uv_stream_t *)&child->input},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&child->output},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {.file = path,
                                    .args = arguments,
                                    .exit_cb = on_ended,
                                    .stdio = streams,
                                    .stdio_count = 3,
                                    .flags = UV_PROCESS_WINDOWS_HIDE};
    child->process.data = child;
    ++child->open_handles;
    int result = uv_spawn(uv_default_loop(), &child->process, &options);
    if (result != 0)
        fail_msg("cannot start a child: %s", uv_strerror(result));
    return child;
}

static const char *next_line(struct child *child)
{
    char *start = child->text + child->taken;
    char *end = memchr(start, '\n', child->filled - child->taken);
    if (end == NULL)
        return NULL;
    child->taken = (size_t)(end + 1 - child->text);
    *end = '\0';
    if (end > start && end[-1] == '\r')
        end[-1] = '\0';
    return start;
}

const char *child_read_line(struct child *child, int timeout)
{
    int64_t until = patience_until(timeout);
    const char *line;
    while ((line = next_line(child)) == NULL) {
        if (child->output_ended || child->filled == sizeof child->text)
            return NULL;
        uv_read_start((uv_stream_t *)&child->output, give_room, on_output);
        if (!wait_a_while(until))
            return next_line(child);
    }
    return line;
}

void child_expect_(struct child *child, const char *line, const char *file,
                   int where)
{
    const char *actual = child_read_line(child, PATIENCE);
    if (actual != NULL && strcmp(actual, line) == 0)
        return;
    print_error("a child says \"%s\", should say \"%s\"\n",
                actual == NULL ? "(nothing)" : actual, line);
    _fail(file, where);
}

static void on_told(uv_write_t *request, int status)
{
    (void)status; /* A child that is gone shows when it is waited for. */
    free(request);
}

void child_tell(struct child *child, const char *format, ...)
{
    struct {
        uv_write_t request;
        char line[LINE_ROOM];
    } *message = malloc(sizeof *message);
    assert_non_null(message);
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(message->line, sizeof message->line - 1, format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, sizeof message->line - 2);
    message->line[length++] = '\n';
    uv_buf_t buffer = uv_buf_init(message->line, (unsigned)length);
    if (uv_write(&message->request, (uv_stream_t *)&child->input, &buffer, 1,
                 on_told) != 0)
        free(message);
}

void child_close_stdin(struct child *child)
{
    close_handle((uv_handle_t *)&child->input);
    uv_run(uv_default_loop(), UV_RUN_NOWAIT);
}

void child_kill(struct child *child)
{
    if (!child->exited)
        uv_process_kill(&child->process, SIGKILL);
}

int child_wait(struct child *child, int timeout)
{
    int64_t until = patience_until(timeout);
    while (!child->exited)
        if (!wait_a_while(until))
            fail_msg("a child does not end");
    bool killed = child->signal == SIGKILL || child->exit_code == KILLED_ITSELF;
    int code = killed               ? CHILD_KILLED
               : child->signal != 0 ? CHILD_KILLED - child->signal
                                    : (int)child->exit_code;
    forget(child);
    return code;
}

void child_end(struct child *child)
{
    child_kill(child);
    child_wait(child, PATIENCE);
}

int child_pid(const struct child *child)
{
    return uv_process_get_pid(&child->process);
}

void children_end(void)
{
    while (children != NULL) {
        struct child *child = children;
        int64_t until = patience_until(PATIENCE);
        child_kill(child);
        while (!child->exited && child->process.pid != 0 && wait_a_while(until))
            ;
        forget(child);
    }
}
