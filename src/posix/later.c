/* SPDX-License-Identifier: MIT */

/* Names that were still held when this process closed their regions. Another
 * holder removes its region when it closes. But a child of this process between
 * fork and exec has its descriptors too, and closes nothing: when it starts its
 * program, no holder is left, and the name and the memory are left over. (No
 * handler tells of vfork and posix_spawn.) So these names are asked for again,
 * a few at later closes, all when leftovers are looked for, and when the
 * process ends.
 */
#include "posix/os.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/stop.h"

enum {
    MOST = 1024, /* names that are remembered */
    AT_ONCE = 2  /* that a close asks for again */
};

/* The time for which closing does not ask, and the longest time for asking for
 * all. */
static const int64_t pause_ns = 5000000;
static const int64_t all_ns = 100000000;

/* One remembered name; the list has the oldest first. */
typedef struct later {
    uint64_t identity[2];
    char *os_name;
} later;

static later list[MOST];
static size_t count;
static int64_t asked; /* when, by shmap__os_now */

/* 1: a thread has the list. */
static uint32_t taken;

/* Set in that thread: a signal handler of it can fork, and the child then goes
 * on with the list. */
static SHMAP__THREAD_LOCAL volatile bool inside;

static bool try_list(void)
{
    if (shmap__exchange32(&taken, 1) != 0)
        return false;
    inside = true;
    return true;
}

static void unlock_list(void)
{
    inside = false;
    shmap__store32(&taken, 0);
}

/* Take the list. Returns false after a while: a thread that has the list can
 * wait for a thread that forks, of which a handler closes a region. */
static bool lock_list(void)
{
    unsigned attempt = 0;

    while (!try_list()) {
        if (attempt >= SHMAP__POSIX_ATTEMPTS_BRIEF ||
            !shmap__posix_wait_a_little(&attempt))
            return false;
    }
    return true;
}

/* A list that another thread of the parent was changing is left alone. */
void shmap__posix_later_forget(void)
{
    if (inside)
        return;
    count = 0;
    unlock_list();
}

/* Ask for the first name of the list again, which becomes the last, or is
 * removed. */
static void ask_first(bool at_exit)
{
    const later first = list[0];

    memmove(list, list + 1, (count - 1) * sizeof *list);
    list[count - 1] = first;
    if (shmap__posix_named_is_held(first.os_name, first.identity, at_exit))
        return;
    SHMAP__STOP("later.gone");
    count--;
    free(first.os_name);
}

/* Entries are found by their objects: a name that another region has got since
 * is another entry. */
static void remember(const char *os_name, const uint64_t identity[2])
{
    char *copy;

    for (size_t i = 0; i < count; i++) {
        if (list[i].identity[0] == identity[0] &&
            list[i].identity[1] == identity[1])
            return;
    }
    if (count == MOST)
        ask_first(false);
    if (count == MOST)
        free(list[--count].os_name);
    copy = malloc(strlen(os_name) + 1);
    if (copy == NULL)
        return;
    strcpy(copy, os_name);
    list[count++] = (later){{identity[0], identity[1]}, copy};
}

void shmap__posix_later(const char *os_name, const uint64_t identity[2])
{
    int64_t now;

    if (!lock_list())
        return;
    if (count > 0 &&
        ((now = shmap__os_now()) - asked >= pause_ns || count > MOST / 2)) {
        for (size_t i = 0; i < AT_ONCE && count > 0; i++)
            ask_first(false);
        asked = now;
    }
    if (os_name != NULL)
        remember(os_name, identity);
    unlock_list();
}

/* Ask for all of the list once, within bounds. */
static void ask_all(bool at_exit)
{
    int64_t begun = shmap__os_now();

    for (size_t left = count; left > 0; left--) {
        if (shmap__os_now() - begun < all_ns)
            ask_first(at_exit);
    }
}

void shmap__posix_later_all(void)
{
    if (!lock_list())
        return;
    ask_all(false);
    unlock_list();
}

/* At the process's end, and when the library is unloaded. */
__attribute__((destructor)) static void ask_at_exit(void)
{
    if (!try_list())
        return;
    ask_all(true);
    while (count > 0)
        free(list[--count].os_name);
    unlock_list();
}
