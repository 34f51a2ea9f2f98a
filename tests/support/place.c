/* SPDX-License-Identifier: MIT */

/* Names that tests are about. */

#include "place.h"

#include "puppet.h"

struct place place_make(const char *label, int scope)
{
    struct place place = {.scope = scope};
    unique_name(place.name, label);
    os_name_of(place.os_name, place.name, scope);
    return place;
}

static shmap_region_options options_for(const struct place *place)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    options.scope = place->scope;
    return options;
}

int place_open(const struct place *place)
{
    shmap_region *region = NULL;
    shmap_region_options options = options_for(place);
    int result = shmap_region_open(&region, place->name, &options);
    shmap_region_close(region);
    return result;
}

const char *place_read(const struct place *place)
{
    static char text[64];
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    shmap_region_options options = options_for(place);
    assert_code(shmap_region_open(&region, place->name, &options), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    snprintf(text, sizeof text, "%s", (const char *)view.data);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    return text;
}

void place_assert_alive(const struct place *place, const char *text)
{
    shmap_region *region = NULL;
    shmap_region_options options = options_for(place);
    assert_true(raw_exists(place->os_name));
    assert_code(shmap_region_create(&region, place->name, 4096, &options),
                SHMAP_EEXIST);
    assert_string_equal(place_read(place), text);
}

void place_assert_free(const struct place *place)
{
    shmap_region *region = NULL;
    shmap_view view = SHMAP_VIEW_INIT;
    shmap_region_options options = options_for(place);
    assert_code(place_open(place), SHMAP_ENOENT);
    assert_code(shmap_region_create(&region, place->name, 20000, &options), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_in_range(view.size, 20000, 20000 + os_page_size());
    for (size_t i = 0; i < view.size; i++)
        if (((const char *)view.data)[i] != 0)
            fail_msg("byte %zu of a fresh region is not zero", i);
    assert_code(place_open(place), 0);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    assert_false(raw_exists(place->os_name));
}

intptr_t place_plant(const struct place *place, uint64_t size, unsigned mode)
{
    intptr_t handle = raw_plant(place->os_name, RAW_REGION, size, mode);
    assert_true(handle > 0);
    assert_true(raw_write(handle, 0, "foreign", 8));
    return handle;
}

void place_assert_planted(const struct place *place, intptr_t handle,
                          uint64_t size, unsigned mode)
{
    char text[8] = "";
    assert_true(raw_exists(place->os_name));
    assert_true(raw_size(place->os_name) == size);
    if (raw_mode(place->os_name) != 0)
        assert_int_equal(raw_mode(place->os_name), mode);
    assert_true(raw_read(handle, 0, text, sizeof text));
    assert_string_equal(text, "foreign");
}

struct child *place_hold(const struct place *place)
{
    struct child *child = puppet_start();
    puppet_do(child, "open_or_create 0 %s 8192%s", place->name,
              place->scope == SHMAP_SCOPE_MACHINE  ? " machine"
              : place->scope == SHMAP_SCOPE_NATIVE ? " native"
                                                   : "");
    puppet_do(child, "map 0");
    return child;
}

void place_leave_over(const struct place *place)
{
    struct child *child = place_hold(place);
    puppet_do(child, "put 0 0 dead");
    child_end(child);
    assert_eventually(!raw_is_held(place->os_name));
    if (os_has_leftovers())
        assert_true(raw_exists(place->os_name));
}
