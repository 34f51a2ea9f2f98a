/* SPDX-License-Identifier: MIT */

/* A linked list of plain pointers in a region that two processes map at the
 * same address.
 *
 *     fixed_address write         makes it, and keeps it until its input ends
 *     fixed_address read          walks it in another process
 *     fixed_address read taken    the same, but with something else in place
 *
 * Every process has its own address space, so an address that is free in one
 * may be taken in another. shmap never maps over other memory; the reader then
 * maps the region elsewhere, and shifts each pointer by the distance. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <shmap.h>

#include "example.h"

#define NAME "example.fixed_address"

/* An address that most processes have free: far from where systems put
 * programs, stacks and libraries. If it is not, any other will do. */
#define WISH                                                    \
    ((void *)(uintptr_t)(sizeof(void *) > 4 ? UINT64_C(3) << 44 \
                                            : UINT64_C(0x60000000)))

typedef struct list_node {
    struct list_node *next;
    char word[24];
} list_node;

/* The region. Pointers are as large as the writer's, which `pointer_size`
 * tells, and mean something when the region is at `address`. */
typedef struct list_memory {
    shmap_event ready; /* all the rest can be read */
    uint32_t pointer_size;
    uint64_t address;
    list_node *first;
    list_node nodes[8];
} list_memory;

static int failed(int error)
{
    example_failed("fixed_address", error);
    return 1;
}

/* Map the region at an address. */
static int map_at(shmap_view *view, shmap_region *region, void *address)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

    options.address = address;
    return shmap_view_map(view, region, &options);
}

/* Fill the list, backwards. */
static void fill(list_memory *list)
{
    static const char *words[] = {"one", "address", "in", "two", "processes"};

    for (int i = 4; i >= 0; i--) {
        list_node *node = &list->nodes[i * 3 % 8]; /* in no particular order */
        snprintf(node->word, sizeof node->word, "%s", words[i]);
        node->next = list->first;
        list->first = node;
    }
    list->address = (uintptr_t)list;
    list->pointer_size = sizeof(void *);
    shmap_event_set(&list->ready);
}

static int write_list(void)
{
    shmap_region *region;
    shmap_view view;

    int result = shmap_region_create(&region, NAME, sizeof(list_memory), NULL);
    if (SHMAP_FAILED(result))
        return failed(result);
    result = map_at(&view, region, WISH);
    if (result == SHMAP_EADDRINUSE)
        result = shmap_view_map(&view, region, NULL);
    shmap_region_close(region);
    if (SHMAP_FAILED(result))
        return failed(result);

    fill(view.data);
    printf("ready at %p; the end of the input ends it\n", view.data);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    shmap_view_unmap(&view);
    return 0;
}

/* Ask where the writer has the region. 0 is nowhere that we could have it. */
static int find_address(shmap_region *region, uint64_t *address)
{
    shmap_view view;

    int result = shmap_view_map(&view, region, NULL);
    if (SHMAP_FAILED(result))
        return result;
    list_memory *list = view.data;
    result = shmap_event_wait(&list->ready, shmap_after(SHMAP_S(5)));
    if (result == 0 && list->pointer_size != sizeof(void *))
        result = SHMAP_ELAYOUT; /* a 32-bit and a 64-bit process */
    else if (result == 0)
        *address = list->address;
    shmap_view_unmap(&view);
    return result;
}

/* Map the region where the writer has it, or else anywhere. */
static int map_list(shmap_view *view, shmap_region *region, uint64_t address)
{
    int result = map_at(view, region, (void *)(uintptr_t)address);

    if (result != SHMAP_EADDRINUSE)
        return result;
    puts("the address is taken here: following offsets");
    return shmap_view_map(view, region, NULL);
}

/* Walk the list. `shift` is the distance from the writer's addresses to ours:
 * 0 if they are the same, and then the pointers are plain pointers. */
static void print_list(const list_memory *list, uintptr_t shift)
{
    const list_node *node = list->first;

    printf("%p:", (const void *)list);
    while (node != NULL) {
        node = (const void *)((uintptr_t)node + shift);
        printf(" %s", node->word);
        node = node->next;
    }
    printf("\n");
}

/* Put something else at an address. */
static int occupy(shmap_view *view, void *address)
{
    shmap_region *region;

    int result = shmap_region_create(&region, NULL, 1, NULL);
    if (SHMAP_FAILED(result))
        return result;
    result = map_at(view, region, address);
    shmap_region_close(region);
    return result;
}

static int read_list(bool taken)
{
    shmap_region *region;
    shmap_view view = SHMAP_VIEW_INIT;
    shmap_view other = SHMAP_VIEW_INIT;
    uint64_t address = 0;

    int result = shmap_region_open(&region, NAME, NULL);
    if (SHMAP_FAILED(result))
        return failed(result);
    result = find_address(region, &address);
    if (result == 0 && taken)
        result = occupy(&other, (void *)(uintptr_t)address);
    if (result == 0)
        result = map_list(&view, region, address);
    shmap_region_close(region);
    if (result == 0)
        print_list(view.data, (uintptr_t)view.data - (uintptr_t)address);
    shmap_view_unmap(&view);
    shmap_view_unmap(&other);
    return SHMAP_FAILED(result) ? failed(result) : 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "write") == 0)
        return write_list();
    if (argc == 2 && strcmp(argv[1], "read") == 0)
        return read_list(false);
    if (argc == 3 && strcmp(argv[1], "read") == 0 &&
        strcmp(argv[2], "taken") == 0)
        return read_list(true);
    fprintf(stderr, "usage: fixed_address write | read [taken]\n");
    return 2;
}
