/* SPDX-License-Identifier: MIT */

/* Processes that see each other come, leave and die.
 *
 *     cluster [--name NAME] [--members N] [--kills N]
 *
 * Starts members, each a process with a seat in a roster, and watches the
 * roster. It kills members at random, is told of each death, buries the dead
 * and starts others in their place. At the end all members leave. Nothing but
 * the roster tells what happened.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <shmap.h>

#include "child.h"
#include "example.h"

enum { SEATS = 16 };

#define PATIENCE SHMAP_S(10)

/* All that the processes share. Ready for use when it is zero. */
typedef struct shared_cluster {
    union {
        shmap_roster roster;
        unsigned char space[SHMAP_ROSTER_SIZE(SEATS)];
    } members;
    shmap_event stop;
} shared_cluster;

/* A member's whole life: it joins, works until it is told to stop, and leaves.
 */
static int be_member(const char *name, const char *member)
{
    shmap_view view;
    shmap_seat seat;
    int result = example_map(&view, name, 0);

    if (SHMAP_FAILED(result))
        return example_failed("cluster: member", result);
    shared_cluster *cluster = view.data;
    result = shmap_roster_join(&cluster->members.roster, SEATS, member, &seat);
    if (result == 0)
        result = shmap_event_wait(&cluster->stop, shmap_after(PATIENCE));
    if (result == 0)
        result = shmap_roster_leave(&cluster->members.roster, &seat);
    shmap_view_unmap(&view);
    return SHMAP_FAILED(result) ? example_failed("cluster: member", result)
                                : EXIT_SUCCESS;
}

/* The watching process. */
typedef struct watcher {
    const char *program;
    const char *name; /* of the region */
    uint64_t members;
    uint64_t kills;
    shared_cluster *cluster;
    shmap_seen seen[SEATS]; /* what the roster has told so far */
    uint32_t came;
    uint32_t died;
    uint32_t left;
    child_process children[SEATS];
} watcher;

/* Wait for the next thing that happens, which must be this one. */
static bool await(watcher *w, int state, shmap_member *member)
{
    int result = shmap_roster_watch(&w->cluster->members.roster, SEATS, w->seen,
                                    member, shmap_after(PATIENCE));

    if (SHMAP_FAILED(result))
        example_failed("cluster: watching", result);
    else if (member->state != state)
        fprintf(stderr, "cluster: %s is in state %d, not %d\n", member->name,
                member->state, state);
    return result == 0 && member->state == state;
}

/* Start a member, and see it come. */
static bool start_member(watcher *w, uint64_t number)
{
    shmap_member member;
    char name[SHMAP_MEMBER_NAME + 1];

    snprintf(name, sizeof name, "member-%" PRIu64, number);
    if (!child_start(&w->children[number], w->program,
                     (const char *[]){"--name", w->name, "join", name, NULL}) ||
        !await(w, SHMAP_MEMBER_PRESENT, &member))
        return false;
    w->came++;
    return true;
}

/* Kill a member, be told of its death, and bury it. */
static bool kill_member(watcher *w, uint64_t number)
{
    shmap_roster *roster = &w->cluster->members.roster;
    shmap_member member;

    child_kill(&w->children[number]);
    if (!await(w, SHMAP_MEMBER_DEAD, &member))
        return false;
    w->died++;
    /* One process is told to repair what the dead member left. */
    if (shmap_roster_bury(roster, &member) != SHMAP_YOURS)
        return false;
    printf("cluster: %s (process %" PRIu32 ") died\n", member.name,
           member.process);
    return shmap_roster_bury(roster, &member) == 0;
}

/* Tell all members to stop, and see them leave. */
static bool end_members(watcher *w)
{
    shmap_member member;
    bool well = shmap_event_set(&w->cluster->stop) == 0;

    while (well && w->left < w->members) {
        well = await(w, SHMAP_MEMBER_LEFT, &member);
        w->left += well;
    }
    for (uint64_t i = 0; i < w->members; i++) {
        child_wait(&w->children[i], shmap_after(PATIENCE));
        child_kill(&w->children[i]);
        well = well && w->children[i].status == EXIT_SUCCESS;
    }
    return well;
}

static int watch(watcher *w)
{
    shmap_view view;
    int result = example_map(&view, w->name, sizeof(shared_cluster));
    bool well = true;

    if (SHMAP_FAILED(result))
        return example_failed(w->name, result);
    w->cluster = view.data;
    for (uint64_t i = 0; well && i < w->members; i++)
        well = start_member(w, i);
    for (uint64_t i = 0; well && i < w->kills; i++) {
        uint64_t number = example_random(w->members);

        well = kill_member(w, number) && start_member(w, number);
    }
    well = end_members(w) && well;
    printf("cluster: %" PRIu32 " members came, %" PRIu32 " died, %" PRIu32
           " left: %s\n",
           w->came, w->died, w->left,
           well && w->came == w->died + w->left ? "right" : "WRONG");
    shmap_view_unmap(&view);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static watcher w = {.name = "example.cluster", .members = 4, .kills = 8};
    const char *value;
    const char *member = NULL;
    bool right = argc > 0;

    w.program = argv[0];
    while (right && *++argv != NULL) {
        if ((value = example_value(&argv, "--name")) != NULL)
            w.name = value;
        else if ((value = example_value(&argv, "--members")) != NULL)
            right = example_number(value, 1, SEATS, &w.members);
        else if ((value = example_value(&argv, "--kills")) != NULL)
            right = example_number(value, 0, 1000000, &w.kills);
        else if ((value = example_value(&argv, "join")) != NULL)
            member = value;
        else
            right = false;
    }
    if (!right) {
        fprintf(stderr, "usage: cluster [--name NAME] [--members N] "
                        "[--kills N]\n");
        return 2;
    }
    return member != NULL ? be_member(w.name, member) : watch(&w);
}
