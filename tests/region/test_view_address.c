/* SPDX-License-Identifier: MIT */

/* Views at an address: there, or an error, and nothing replaced. */

#include "puppet.h"
#include "units.h"

enum { GRANULE = SHMAP_VIEW_GRANULARITY, REGION_SIZE = 4 * GRANULE };

static shmap_region *region;
static char name[NAME_ROOM];

static int set_up(void **state)
{
    units_count_handles(state);
    unique_name(name, "address");
    return shmap_region_create(&region, name, REGION_SIZE, NULL) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    shmap_region_close(region);
    return units_compare_handles(state);
}

/* Addresses where nothing is, a moment ago at least. */
static char *free_place(size_t size)
{
    char *place = units_reserve(size);

    assert_non_null(place);
    units_release(place, size);
    return place;
}

static int map_at(shmap_view *view, void *address, uint64_t offset,
                  uint64_t size)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;

    options.address = address;
    options.offset = offset;
    options.size = size;
    return shmap_view_map(view, region, &options);
}

static void assert_map_fails(void *address, uint64_t offset, uint64_t size,
                             int code)
{
    shmap_view view;
    shmap_view before;

    memset(&view, 0xa5, sizeof view);
    before = view;
    assert_code(map_at(&view, address, offset, size), code);
    assert_memory_equal(&view, &before, sizeof view);
}

static void test_view_address__the_view_is_there(void **state)
{
    char *place = free_place(REGION_SIZE);
    shmap_view view;

    (void)state;
    assert_code(map_at(&view, place, 0, 0), 0);
    assert_ptr_equal(view.data, place);
    assert_true(view.size == REGION_SIZE);
    memset(view.data, 1, view.size);
    shmap_view_unmap(&view);
    assert_int_equal(memory_probe(place), MEMORY_ABSENT);
    assert_code(map_at(&view, place, 2 * GRANULE, GRANULE), 0);
    assert_ptr_equal(view.data, place);
    assert_int_equal(*place, 1);
    shmap_view_unmap(&view);
}

static void test_view_address__odd_offsets_go_to_odd_addresses(void **state)
{
    static const uint64_t offsets[] = {
        1, 4095, 4096, GRANULE - 1, GRANULE + 1, 3 * GRANULE + 777};
    shmap_view whole;

    (void)state;
    assert_code(map_at(&whole, NULL, 0, 0), 0);
    for (size_t i = 0; i < COUNT(offsets); i++) {
        char *address = free_place(REGION_SIZE) + offsets[i] % GRANULE;
        shmap_view view;

        assert_code(map_at(&view, address, offsets[i], 100), 0);
        assert_ptr_equal(view.data, address);
        memset(view.data, (int)i + 1, 100);
        assert_memory_equal((char *)whole.data + offsets[i], view.data, 100);
        shmap_view_unmap(&view);
    }
    shmap_view_unmap(&whole);
}

static void test_view_address__address_less_offset_is_a_multiple_of_64_kib(
    void **state)
{
    static const struct {
        size_t into_place;
        uint64_t offset;
    } wrong[] = {{1, 0},           {4096, 0},    {GRANULE / 2, 0},
                 {GRANULE - 1, 0}, {0, 1},       {0, 4096},
                 {4096, 8192},     {4097, 4096}, {1, GRANULE}};
    char *place = free_place(REGION_SIZE);

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_map_fails(place + wrong[i].into_place, wrong[i].offset, 100,
                         SHMAP_EINVAL);
    assert_int_equal(memory_probe(place), MEMORY_ABSENT);
}

static void test_view_address__what_is_there_stays_there(void **state)
{
    static const size_t at[] = {0, 1, 2, 3};
    size_t size = REGION_SIZE;

    (void)state;
    /* Something in each of the four parts of the place that the view needs. */
    for (size_t i = 0; i < COUNT(at); i++) {
        char *place = free_place(size);
        shmap_view view;

        assert_code(map_at(&view, place + at[i] * GRANULE, 0, GRANULE), 0);
        memset(view.data, 0x66, GRANULE);
        assert_map_fails(place, 0, 0, SHMAP_EADDRINUSE);
        for (size_t j = 0; j < GRANULE; j++)
            assert_int_equal(((char *)view.data)[j], 0x66);
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(memory_probe(place + j * GRANULE),
                             j == at[i] ? MEMORY_WRITABLE : MEMORY_ABSENT);
        shmap_view_unmap(&view);
    }
}

static void test_view_address__the_heap_is_not_replaced(void **state)
{
    char *memory = units_reserve(REGION_SIZE);

    (void)state;
    assert_non_null(memory);
    memset(memory, 0x33, REGION_SIZE);
    assert_map_fails(memory, 0, 0, SHMAP_EADDRINUSE);
    assert_map_fails(memory + GRANULE, 0, 1, SHMAP_EADDRINUSE);
    assert_map_fails(memory + GRANULE + 5, 5, 1, SHMAP_EADDRINUSE);
    for (size_t i = 0; i < REGION_SIZE; i++)
        assert_int_equal(memory[i], 0x33);
    units_release(memory, REGION_SIZE);
}

static void test_view_address__program_and_stack_are_not_replaced(void **state)
{
    int on_stack = 42;
    uintptr_t mask = ~(uintptr_t)(GRANULE - 1);
    void *code = (void *)((uintptr_t)set_up & mask);
    void *stack = (void *)((uintptr_t)&on_stack & mask);

    (void)state;
    assert_map_fails(code, 0, 0, SHMAP_EADDRINUSE);
    assert_map_fails(stack, 0, 0, SHMAP_EADDRINUSE);
    assert_int_equal(on_stack, 42);
}

/* The mapping starts at the multiple of 64 KiB below an odd address, and that
 * part must be free as well. */
static void test_view_address__what_is_before_an_odd_address_counts(
    void **state)
{
    char *place = free_place(REGION_SIZE);
    shmap_view view;

    (void)state;
    assert_code(map_at(&view, place, 0, 1), 0);
    assert_map_fails(place + 40000, 40000, 1, SHMAP_EADDRINUSE);
    shmap_view_unmap(&view);
    assert_code(map_at(&view, place + 40000, 40000, 1), 0);
    shmap_view_unmap(&view);
}

static void test_view_address__nothing_can_be_beyond_what_programs_have(
    void **state)
{
    uintptr_t top = UINTPTR_MAX - (GRANULE - 1);
    uintptr_t half = UINTPTR_MAX / 2 + 1;
    uintptr_t last = half - GRANULE;

    (void)state;
    /* The last of all addresses: the view's end would be the first again. */
    assert_map_fails((void *)top, 0, 0, SHMAP_EADDRINUSE);
    assert_map_fails((void *)(top + 5), 5, 0, SHMAP_EADDRINUSE);
    if (sizeof(void *) > 4) { /* Else programs may have nearly all of them. */
        assert_map_fails((void *)(top - REGION_SIZE), 0, 0, SHMAP_EADDRINUSE);
        assert_map_fails((void *)half, 0, 0, SHMAP_EADDRINUSE);
        assert_map_fails((void *)last, 0, 0, SHMAP_EADDRINUSE);
    }
}

static void test_view_address__nothing_can_be_at_the_lowest_addresses(
    void **state)
{
    (void)state;
    assert_map_fails((void *)(uintptr_t)1, 1, 0, SHMAP_EADDRINUSE);
    assert_map_fails((void *)(uintptr_t)4096, 4096, 0, SHMAP_EADDRINUSE);
    assert_map_fails((void *)(uintptr_t)(GRANULE - 1), GRANULE - 1, 1,
                     SHMAP_EADDRINUSE);
}

static void test_view_address__ranges_are_checked_as_without(void **state)
{
    char *place = free_place(REGION_SIZE);

    (void)state;
    assert_map_fails(place, REGION_SIZE, 0, SHMAP_ERANGE);
    assert_map_fails(place, 0, REGION_SIZE + 1, SHMAP_ERANGE);
    assert_int_equal(memory_probe(place), MEMORY_ABSENT);
}

static void test_view_address__every_access_can_be_at_an_address(void **state)
{
    (void)state;
    for (int access = SHMAP_ACCESS_READ; access <= SHMAP_ACCESS_COPY;
         access++) {
        shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
        shmap_view view;

        options.access = access;
        options.address = free_place(REGION_SIZE);
        assert_code(shmap_view_map(&view, region, &options), 0);
        assert_ptr_equal(view.data, options.address);
        shmap_view_unmap(&view);
    }
}

static void test_view_address__two_processes_can_have_one_address(void **state)
{
    struct child *other = puppet_start();
    char *place = NULL;
    shmap_view view;
    int result = SHMAP_EADDRINUSE;

    (void)state;
    puppet_do(other, "open 0 %s", name);
    /* What is free here may not be free there: try several. */
    for (int i = 0; i < 16 && result == SHMAP_EADDRINUSE; i++) {
        place = free_place((size_t)(i + 1) * 16 * REGION_SIZE);
        result = puppet(other, "map 0 at=%llu",
                        (unsigned long long)(uintptr_t)place);
    }
    assert_code(result, 0);
    assert_code(map_at(&view, place, 0, 0), 0);
    strcpy(view.data, "same place");
    assert_string_equal(puppet_ask(other, "get 0 0"), "same place");
    shmap_view_unmap(&view);
    puppet_end(other);
}

#define with_region(test) \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        with_region(test_view_address__the_view_is_there),
        with_region(test_view_address__odd_offsets_go_to_odd_addresses),
        with_region(
            test_view_address__address_less_offset_is_a_multiple_of_64_kib),
        with_region(test_view_address__what_is_there_stays_there),
        with_region(test_view_address__the_heap_is_not_replaced),
        with_region(test_view_address__program_and_stack_are_not_replaced),
        with_region(test_view_address__what_is_before_an_odd_address_counts),
        with_region(
            test_view_address__nothing_can_be_beyond_what_programs_have),
        with_region(test_view_address__nothing_can_be_at_the_lowest_addresses),
        with_region(test_view_address__ranges_are_checked_as_without),
        with_region(test_view_address__every_access_can_be_at_an_address),
        with_region(test_view_address__two_processes_can_have_one_address),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
