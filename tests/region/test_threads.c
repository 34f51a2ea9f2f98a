/* SPDX-License-Identifier: MIT */

/* Threads of one process that use the same names, regions and files. */

#include <uv.h>

#include "support.h"
#include "units.h"

enum { THREADS = 6, ROUNDS = 300, REGION_SIZE = 8192 };

static char shared_name[NAME_ROOM];
static char shared_path[OS_NAME_ROOM];
static shmap_region *shared_region;

/* Assertions belong to the first thread: the others count what went wrong. */
struct worker {
    uv_thread_t thread;
    int number;
    int made;
    int wrong;
    shmap_region *kept;
};

static void expect(struct worker *worker, bool condition)
{
    worker->wrong += !condition;
}

static int crowd(void (*work)(void *))
{
    struct worker workers[THREADS] = {{0}};
    int made = 0;

    for (int i = 0; i < THREADS; i++) {
        workers[i].number = i;
        assert_int_equal(
            uv_thread_create(&workers[i].thread, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        uv_thread_join(&workers[i].thread);
        made += workers[i].made;
    }
    for (int i = 0; i < THREADS; i++) {
        shmap_region_close(workers[i].kept);
        assert_int_equal(workers[i].wrong, 0);
    }
    return made;
}

static void use_a_name(void *argument)
{
    struct worker *worker = argument;

    for (int i = 0; i < ROUNDS; i++) {
        shmap_region *region = NULL;
        shmap_view view = SHMAP_VIEW_INIT;
        int result = shmap_region_open_or_create(&region, shared_name,
                                                 REGION_SIZE, NULL);

        expect(worker, result == 0 || result == SHMAP_CREATED);
        worker->made += result == SHMAP_CREATED;
        if (SHMAP_FAILED(result))
            continue;
        expect(worker, shmap_view_map(&view, region, NULL) == 0);
        expect(worker, view.size == REGION_SIZE);
        shmap_region_close(region);
        shmap_view_unmap(&view);
    }
}

static void test_threads__meet_under_one_name(void **state)
{
    shmap_region *region = NULL;

    (void)state;
    unique_name(shared_name, __func__);
    assert_true(crowd(use_a_name) >= 1);
    assert_code(shmap_region_open(&region, shared_name, NULL), SHMAP_ENOENT);
}

static void test_threads__meet_under_a_name_that_is_held(void **state)
{
    shmap_region *region = NULL;

    (void)state;
    unique_name(shared_name, __func__);
    assert_code(shmap_region_create(&region, shared_name, REGION_SIZE, NULL),
                0);
    assert_int_equal(crowd(use_a_name), 0);
    shmap_region_close(region);
    assert_code(shmap_region_open(&region, shared_name, NULL), SHMAP_ENOENT);
}

static void create(void *argument)
{
    struct worker *worker = argument;
    shmap_region *region = NULL;
    int result = shmap_region_create(&region, shared_name, REGION_SIZE, NULL);

    expect(worker, result == 0 || result == SHMAP_EEXIST);
    worker->made = result == 0;
    if (result == 0)
        shared_region = region;
}

static void test_threads__one_of_them_creates(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        unique_name(shared_name, __func__);
        assert_int_equal(crowd(create), 1);
        shmap_region_close(shared_region);
    }
}

static void map_and_unmap(void *argument)
{
    struct worker *worker = argument;

    for (int i = 0; i < ROUNDS; i++) {
        shmap_view view = SHMAP_VIEW_INIT;

        expect(worker, shmap_view_map(&view, shared_region, NULL) == 0);
        expect(worker, shmap_region_size(shared_region) == REGION_SIZE);
        expect(worker, shmap_region_native(shared_region) != -1);
        if (view.data != NULL)
            ((char *)view.data)[worker->number] = (char)(worker->number + 1);
        shmap_view_unmap(&view);
    }
}

static void test_threads__map_one_region(void **state)
{
    shmap_view view;

    (void)state;
    assert_code(shmap_region_create(&shared_region, NULL, REGION_SIZE, NULL),
                0);
    crowd(map_and_unmap);
    assert_code(shmap_view_map(&view, shared_region, NULL), 0);
    shmap_region_close(shared_region);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(((char *)view.data)[i], i + 1);
    shmap_view_unmap(&view);
}

static void open_a_file(void *argument)
{
    shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
    struct worker *worker = argument;
    shmap_region *region = NULL;
    int result;

    options.create = SHMAP_CREATE_IF_MISSING;
    result =
        shmap_region_open_file(&region, shared_path, REGION_SIZE, &options);
    expect(worker, result == 0 || result == SHMAP_ALONE);
    expect(worker, shmap_region_size(region) == REGION_SIZE);
    worker->made = result == SHMAP_ALONE;
    /* Until all have opened it, so that nobody else is alone. */
    worker->kept = region;
}

static void test_threads__one_of_them_is_alone_with_a_file(void **state)
{
    uv_fs_t request;

    (void)state;
    scratch_path(shared_path, __func__);
    assert_int_equal(crowd(open_a_file), 1);
    uv_fs_unlink(NULL, &request, shared_path, NULL);
    uv_fs_req_cleanup(&request);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads__meet_under_one_name),
        cmocka_unit_test(test_threads__meet_under_a_name_that_is_held),
        cmocka_unit_test(test_threads__one_of_them_creates),
        cmocka_unit_test(test_threads__map_one_region),
        cmocka_unit_test(test_threads__one_of_them_is_alone_with_a_file),
    };

    return test_main(argc, argv, NULL, tests, COUNT(tests));
}
