/* SPDX-License-Identifier: MIT */

/* The clock and deadlines. */

#include "units.h"

#define MS INT64_C(1000000)

static void test_clock__never_runs_backwards(void **state)
{
    int64_t last = shmap_now();

    (void)state;
    assert_true(last >= 0);
    for (int i = 0; i < 100000; i++) {
        int64_t now = shmap_now();

        assert_true(now >= last);
        last = now;
    }
}

static void test_clock__counts_nanoseconds(void **state)
{
    int64_t ms = clock_ms();
    int64_t ns = shmap_now();
    int64_t until = patience_until(PATIENCE);

    (void)state;
    while (clock_ms() - ms < 50)
        assert_true(patience_nap(until));
    ns = shmap_now() - ns;
    ms = clock_ms() - ms;
    /* The two clocks were not read at one moment: allow a good difference. */
    assert_true(ns > (ms - 40) * MS);
    assert_true(ns < (ms + 1000) * MS);
}

static int tell(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    say("%lld", (long long)shmap_now());
    return 0;
}

static void test_clock__is_one_for_all_processes(void **state)
{
    int64_t before = shmap_now();
    struct child *child = child_start("tell", NULL);
    const char *line = child_read_line(child, PATIENCE);
    int64_t told;

    (void)state;
    assert_non_null(line);
    told = strtoll(line, NULL, 10);
    assert_true(told >= before);
    assert_true(told <= shmap_now());
    assert_int_equal(child_wait(child, PATIENCE), 0);
}

static void test_clock__after_adds_to_now(void **state)
{
    int64_t before = shmap_now();
    int64_t deadline = shmap_after(SHMAP_MS(1500));
    int64_t after = shmap_now();

    (void)state;
    assert_true(deadline >= before + 1500 * MS);
    assert_true(deadline <= after + 1500 * MS);
}

static void test_clock__zero_and_less_have_passed(void **state)
{
    static const int64_t spans[] = {0, -1, -5 * MS, INT64_MIN + 1, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < COUNT(spans); i++) {
        int64_t deadline = shmap_after(spans[i]);

        assert_true(deadline <= shmap_now());
        assert_true(deadline >= 0);
    }
}

static void test_clock__forever_stays_forever(void **state)
{
    (void)state;
    assert_true(shmap_after(SHMAP_FOREVER) == SHMAP_FOREVER);
}

static void test_clock__a_sum_too_large_is_forever(void **state)
{
    (void)state;
    assert_true(shmap_after(INT64_MAX - 1) == SHMAP_FOREVER);
    /* The clock only moves on, so what was too large stays so. */
    assert_true(shmap_after(INT64_MAX - shmap_now() + 1) == SHMAP_FOREVER);
}

static void test_clock__a_large_sum_that_fits_is_kept(void **state)
{
    int64_t ns = INT64_MAX / 2;

    (void)state;
    assert_true(shmap_after(ns) > ns);
    assert_true(shmap_after(ns) < SHMAP_FOREVER);
}

static void test_clock__units_are_nanoseconds(void **state)
{
    (void)state;
    assert_true(SHMAP_US(3) == 3000);
    assert_true(SHMAP_MS(-3) == -3000000);
    assert_true(SHMAP_S(3) == 3000000000);
    assert_true(SHMAP_S(0.25) == 250000000);
    assert_true(SHMAP_MS(2 + 1) == 3000000);
    assert_true(SHMAP_S((unsigned char)200) == 200000000000);
    assert_true(SHMAP_FOREVER == INT64_MAX && SHMAP_TRY == 0);
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"tell", tell}, {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_clock__never_runs_backwards),
        cmocka_unit_test(test_clock__counts_nanoseconds),
        cmocka_unit_test(test_clock__units_are_nanoseconds),
        cmocka_unit_test(test_clock__is_one_for_all_processes),
        cmocka_unit_test(test_clock__after_adds_to_now),
        cmocka_unit_test(test_clock__zero_and_less_have_passed),
        cmocka_unit_test(test_clock__forever_stays_forever),
        cmocka_unit_test(test_clock__a_sum_too_large_is_forever),
        cmocka_unit_test(test_clock__a_large_sum_that_fits_is_kept),
    };

    return test_main(argc, argv, roles, tests, COUNT(tests));
}
