/* SPDX-License-Identifier: MIT */

/* Regions to hand over, and the ways of handing them over to puppets. */

#include "gifts.h"

#include "channel.h"
#include "files.h"

struct source make_source(int kind)
{
    struct source source = {.region = no_region, .kind = kind};
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    source.place = place_make("source", SHMAP_SCOPE_USER);
    scratch_path(source.path, "source");
    options.create = SHMAP_CREATE_NEW;
    if (kind == SHMAP_KIND_FILE)
        assert_true(shmap_region_open_file(&source.region, source.path, SIZE,
                                           &options) >= 0);
    else
        assert_code(shmap_region_create(
                        &source.region,
                        kind == SHMAP_KIND_NAMED ? source.place.name : NULL,
                        SIZE, NULL),
                    0);
    assert_code(shmap_view_map(&source.view, source.region, NULL), 0);
    source.data = source.view.data;
    strcpy(source.data, "hello");
    return source;
}

void end_source(struct source *source)
{
    shmap_view_unmap(&source->view);
    shmap_region_close(source->region);
    remove(source->path);
}

int export_to(shmap_region *region, int access, int64_t target, char *token)
{
    return shmap_region_export(region, access, target, token, SHMAP_TOKEN_SIZE);
}

static int access_of(const char *word)
{
    return strcmp(word, "read") == 0    ? SHMAP_ACCESS_READ
           : strcmp(word, "write") == 0 ? SHMAP_ACCESS_READ_WRITE
                                        : SHMAP_ACCESS_DEFAULT;
}

int send_to(struct child *child, shmap_region *region, const char *word)
{
    char address[NAME_ROOM];
    intptr_t end = channel_listen(address, CHANNEL_STREAM);
    assert_true(end != -1);
    puppet_do(child, "channel_join 0 %s", address);
    end = channel_accept(end);
    assert_true(end != -1);
    int result = shmap_region_send(region, access_of(word), end,
                                   shmap_after(SHMAP_MS(PATIENCE)));
    if (result == 0)
        puppet_do(child, "receive 0 0");
    puppet_do(child, "channel_leave 0");
    channel_close(end);
    return result;
}

void assert_sent_by(struct child *child, const char *text)
{
    char address[NAME_ROOM];
    shmap_region *region = no_region;
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    shmap_view view = SHMAP_VIEW_INIT;
    intptr_t end = channel_listen(address, CHANNEL_STREAM);
    assert_true(end != -1);
    puppet_do(child, "channel_join 0 %s", address);
    end = channel_accept(end);
    assert_true(end != -1);
    puppet_do(child, "send 0 0");
    options.accept = SHMAP_ACCEPT_ANYBODY;
    assert_code(shmap_region_receive(&region, end,
                                     shmap_after(SHMAP_MS(PATIENCE)), &options),
                0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_string_equal(view.data, text);
    shmap_view_unmap(&view);
    shmap_region_close(region);
    puppet_do(child, "channel_leave 0");
    channel_close(end);
}

int hand_over(struct child **child, shmap_region *region, int way,
              const char *word)
{
    char token[SHMAP_TOKEN_SIZE];
    int result = 0;
    *child = way == TO_CHILD ? NULL : puppet_start();
    if (way == THROUGH_CHANNEL)
        result = send_to(*child, region, word);
    else
        result = export_to(
            region, access_of(word),
            *child == NULL ? SHMAP_TARGET_CHILD : child_pid(*child), token);
    if (SHMAP_FAILED(result)) {
        if (*child != NULL)
            child_end(*child);
        *child = NULL;
        return result;
    }
    if (*child == NULL)
        *child = puppet_start();
    if (way != THROUGH_CHANNEL)
        puppet_do(*child, "import 0 %s", token);
    puppet_do(*child, "map 0");
    return 0;
}

struct child *given(shmap_region *region, int way, const char *word)
{
    struct child *child;
    assert_code(hand_over(&child, region, way, word), 0);
    return child;
}

bool can_read_only(int kind)
{
    return kind == SHMAP_KIND_ANONYMOUS && attack_facts()->reads_only;
}

bool holds_before_import(void)
{
    return !os_has_lock_files();
}

void assert_number(struct child *child, const char *what, int expected)
{
    assert_int_equal(atoi(puppet_ask(child, "%s 0", what)), expected);
}
