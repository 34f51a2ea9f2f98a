/* SPDX-License-Identifier: MIT */

/* Puppets that stop at a stop point, or record which they pass. */

#include "stops.h"

#include "puppet.h"

/* Not all programs that link this helper have stop points: this file is only
 * taken into those that call stops_enable. */
#ifndef SHMAP_STOP_POINTS
#define SHMAP_STOP_POINTS
#endif
#include "base/stop.h"

static char wanted[64];
static unsigned long passes;
static bool recording;
static char passed[4000];

static void stop_here(const char *point)
{
    static char line[256];
    fprintf(puppet_out, "stopped %s\n", point);
    fflush(puppet_out);
    /* A test that has ended closes the pipe. */
    if (fgets(line, sizeof line, puppet_in) == NULL)
        os_exit_now(1);
    if (sscanf(line, "go %63s %lu", wanted, &passes) != 2)
        passes = 0;
}

static void on_point(const char *point)
{
    if (recording) {
        size_t length = strlen(passed);
        if (length + strlen(point) + 2 > sizeof passed)
            role_fail("too many stop points passed");
        snprintf(passed + length, sizeof passed - length, "%s%s",
                 length == 0 ? "" : " ", point);
    }
    if (passes > 0 && strcmp(point, wanted) == 0 && --passes == 0)
        stop_here(point);
}

static bool obey_more(int count, char **words, const char **text)
{
    if (strcmp(words[0], "stop") == 0 && count == 3) {
        snprintf(wanted, sizeof wanted, "%s", words[1]);
        passes = strtoul(words[2], NULL, 10);
    } else if (strcmp(words[0], "record") == 0) {
        recording = true;
        passed[0] = '\0';
    } else if (strcmp(words[0], "passed") == 0) {
        recording = false;
        *text = passed;
    } else {
        return false;
    }
    return true;
}

void stops_enable(void)
{
    puppet_more = obey_more;
    shmap__stop_hook = on_point;
}

size_t stops_passed(struct child *child, struct stop *stops, size_t room)
{
    char list[sizeof passed];
    snprintf(list, sizeof list, "%s", puppet_ask(child, "passed"));
    size_t count = 0;
    for (char *point = strtok(list, " "); point != NULL;
         point = strtok(NULL, " ")) {
        assert_in_range(count + 1, 1, room);
        struct stop *stop = &stops[count++];
        snprintf(stop->point, sizeof stop->point, "%s", point);
        stop->pass = 1;
        for (const struct stop *earlier = stops; earlier < stop; earlier++)
            if (strcmp(earlier->point, stop->point) == 0)
                ++stop->pass;
    }
    return count;
}

void stops_run_into(struct child *child, const struct stop *stop,
                    const char *command)
{
    char line[sizeof stop->point + 16];
    puppet_do(child, "stop %s %u", stop->point, stop->pass);
    child_tell(child, "%s", command);
    snprintf(line, sizeof line, "stopped %s", stop->point);
    child_expect(child, line);
}

void stops_run_into_first(struct child *child, const char *point,
                          const char *command)
{
    struct stop stop = {"", 1};
    snprintf(stop.point, sizeof stop.point, "%s", point);
    stops_run_into(child, &stop, command);
}
