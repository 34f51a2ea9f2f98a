/* SPDX-License-Identifier: MIT */

/* Rounds, medians, and the tables that show them. */
#include "runner.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shmap.h"

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

typedef struct options {
    enum format format;
    unsigned rounds; /* 0: as the group says */
    const char *filter;
    bool list;
    bool processor_time;
} options;

/* One case of a group while it runs, and what came out. */
typedef struct entry {
    const runner_case *work;
    bool failed;
    /* Nanoseconds of one run, one number per round. */
    double *samples[RUNNER_PARTS];
} entry;

typedef struct statistics {
    double median;
    double least;
    double quartiles[2];
    double tail;
} statistics;

/* What has been printed, for the commas of JSON. */
static bool printed_before;

static bool use_processor_time;

int64_t runner_now(void)
{
    if (use_processor_time)
        return (int64_t)clock() * (1000000000 / CLOCKS_PER_SEC);
    return shmap_now();
}

/* Choosing */

static bool is_chosen(const runner_group *group, const runner_case *work,
                      const char *filter)
{
    char name[128];

    snprintf(name, sizeof name, "%s/%s", group->name, work->name);
    return filter == NULL || strstr(name, filter) != NULL;
}

/* The group's chosen cases. What they are compared with is always one, if any
 * is. */
static size_t choose(entry *entries, const runner_group *group,
                     const char *filter)
{
    size_t count = 0;

    for (size_t i = 0; i < group->count; i++) {
        if (!is_chosen(group, &group->cases[i], filter))
            continue;
        if (count == 0 && i > 0)
            entries[count++].work = &group->cases[0];
        entries[count++].work = &group->cases[i];
    }
    return count;
}

/* Running */

static void fail(entry *tried, const runner_group *group)
{
    fprintf(stderr, "%s/%s failed\n", group->name, tried->work->name);
    tried->failed = true;
}

/* One round of one case: the mean of its runs. */
static void run_round(entry *tried, const runner_group *group, unsigned round)
{
    const runner_case *work = tried->work;
    int64_t parts[RUNNER_PARTS] = {0};
    int64_t unused[RUNNER_PARTS] = {0};
    unsigned loops = group->loops == 0 ? 1 : group->loops;
    int failed = 0;

    /* What the case before left in the caches is not this one's business. */
    if (group->batch > 1)
        failed = work->run(work->context, unused);

    parts[0] = -runner_now();
    for (unsigned i = 0; i < group->batch && failed == 0; i++)
        failed = work->run(work->context, parts);
    parts[0] += runner_now();

    for (int part = 0; part < RUNNER_PARTS; part++)
        tried->samples[part][round] =
            (double)parts[part] / group->batch / loops;
    if (failed != 0)
        fail(tried, group);
}

static void run_rounds(entry *entries, size_t count, const runner_group *group,
                       unsigned rounds)
{
    for (size_t i = 0; i < count; i++) {
        const runner_case *work = entries[i].work;
        int64_t unused[RUNNER_PARTS] = {0};

        if ((work->begin != NULL && work->begin(work->context) != 0) ||
            work->run(work->context, unused) != 0)
            fail(&entries[i], group);
    }
    for (unsigned round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++)
            if (!entries[i].failed)
                run_round(&entries[i], group, round);
    for (size_t i = 0; i < count; i++)
        if (entries[i].work->end != NULL)
            entries[i].work->end(entries[i].work->context);
}

/* Summing up */

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

/* The value with this share of the sorted samples below it. */
static double quantile(const double *sorted, unsigned count, double share)
{
    double place = share * (count - 1);
    unsigned below = (unsigned)place;
    unsigned above = below + 1 < count ? below + 1 : below;

    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

static statistics sum_up(double *samples, unsigned count)
{
    statistics result;

    qsort(samples, count, sizeof *samples, compare);
    result.median = quantile(samples, count, 0.5);
    result.least = samples[0];
    result.quartiles[0] = quantile(samples, count, 0.25);
    result.quartiles[1] = quantile(samples, count, 0.75);
    result.tail = quantile(samples, count, 0.99);
    return result;
}

/* Printing */

static void print_time(double ns)
{
    if (ns < 1e3)
        printf(" | %6.2f ns", ns);
    else if (ns < 1e6)
        printf(" | %6.2f us", ns / 1e3);
    else
        printf(" | %6.1f ms", ns / 1e6);
}

static void print_table_row(const runner_group *group, int width,
                            const char *name, const statistics *numbers,
                            double ratio)
{
    printf("| %-*s", width, name);
    print_time(numbers->median);
    print_time(numbers->least);
    if (group->tail)
        print_time(numbers->tail);
    printf(" | %4.0f %%", (numbers->quartiles[1] - numbers->quartiles[0]) *
                              100 / numbers->median);
    if (group->bytes != 0)
        printf(" | %6.2f", (double)group->bytes / numbers->median);
    printf(ratio < 0.01 ? " | %.4f |\n" : " | %5.2f |\n", ratio);
}

static void print_csv_row(const runner_group *group, const char *part,
                          const char *name, const statistics *numbers,
                          double ratio)
{
    if (!printed_before)
        puts("group,part,case,median_ns,min_ns,quartile1_ns,quartile3_ns,"
             "percentile99_ns,ratio");
    printf("%s,%s,%s,%.1f,%.1f,%.1f,%.1f,%.1f,%.4f\n", group->name, part, name,
           numbers->median, numbers->least, numbers->quartiles[0],
           numbers->quartiles[1], numbers->tail, ratio);
}

static void print_json_row(const runner_group *group, const char *part,
                           const char *name, const statistics *numbers,
                           double ratio)
{
    printf("%s\n  {\"group\": \"%s\", \"part\": \"%s\", \"case\": \"%s\", "
           "\"median_ns\": %.1f, \"min_ns\": %.1f, "
           "\"quartiles_ns\": [%.1f, %.1f], \"percentile99_ns\": %.1f, "
           "\"ratio\": %.4f}",
           printed_before ? "," : "[", group->name, part, name, numbers->median,
           numbers->least, numbers->quartiles[0], numbers->quartiles[1],
           numbers->tail, ratio);
}

/* A table is Markdown that can be read as it is. */
static void print_part_head(const runner_group *group, int part, int width)
{
    static const char dashes[] = "----------------------------------------";
    bool throughput = group->bytes != 0;

    if (group->parts[1] != NULL)
        printf("%s:\n\n", group->parts[part]);
    printf("| %-*s |    median |   minimum%s | spread%s | ratio |\n", width,
           "case", group->tail ? " |      99 %" : "",
           throughput ? " |   GB/s" : "");
    printf("|:%.*s|----------:|----------%s:|-------%s:|------:|\n", width + 1,
           dashes, group->tail ? ":|----------" : "",
           throughput ? ":|-------" : "");
}

/* Of the column of names. */
static int width_of(const entry *entries, size_t count)
{
    size_t width = 16;

    for (size_t i = 0; i < count; i++)
        if (strlen(entries[i].work->name) > width)
            width = strlen(entries[i].work->name);
    return width < 32 ? (int)width : 32;
}

static void print_part(const runner_group *group, entry *entries, size_t count,
                       unsigned rounds, int part, enum format format)
{
    double baseline = 0;
    int width = width_of(entries, count);

    if (format == FORMAT_TABLE)
        print_part_head(group, part, width);
    for (size_t i = 0; i < count; i++) {
        const char *name = entries[i].work->name;
        statistics numbers;
        double ratio;

        if (entries[i].failed)
            continue;
        numbers = sum_up(entries[i].samples[part], rounds);
        if (i == 0)
            baseline = numbers.median;
        ratio = baseline > 0 ? numbers.median / baseline : 0;
        if (format == FORMAT_TABLE)
            print_table_row(group, width, name, &numbers, ratio);
        else if (format == FORMAT_CSV)
            print_csv_row(group, group->parts[part], name, &numbers, ratio);
        else
            print_json_row(group, group->parts[part], name, &numbers, ratio);
        printed_before = true;
    }
    if (format == FORMAT_TABLE)
        puts("");
}

static void print_group(const runner_group *group, entry *entries, size_t count,
                        unsigned rounds, enum format format)
{
    if (format == FORMAT_TABLE) {
        printf("### %s\n\n%u rounds of %u%s.", group->title, rounds,
               group->batch * (group->loops == 0 ? 1 : group->loops),
               use_processor_time ? ", processor time" : "");
        if (group->goal != NULL)
            printf(" Goal: %s.", group->goal);
        puts("\n");
    }
    for (int part = 0; part < RUNNER_PARTS; part++)
        if (group->parts[part] != NULL)
            print_part(group, entries, count, rounds, part, format);
    fflush(stdout);
}

static void list_group(const runner_group *group, const entry *entries,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s/%s\n", group->name, entries[i].work->name);
}

/* Everything about one group. Returns whether no case failed. */
static bool do_group(const runner_group *group, const options *chosen)
{
    unsigned rounds = chosen->rounds != 0 ? chosen->rounds : group->rounds;
    /* One more than cases, for a baseline that was not asked for. */
    entry *entries = calloc(group->count + 1, sizeof *entries);
    double *samples =
        calloc((group->count + 1) * RUNNER_PARTS * rounds, sizeof *samples);
    bool good = entries != NULL && samples != NULL;

    if (good) {
        size_t count = choose(entries, group, chosen->filter);

        for (size_t i = 0; i < count * RUNNER_PARTS; i++)
            entries[i / RUNNER_PARTS].samples[i % RUNNER_PARTS] =
                samples + i * rounds;
        if (chosen->list) {
            list_group(group, entries, count);
        } else if (count > 0) {
            run_rounds(entries, count, group, rounds);
            print_group(group, entries, count, rounds, chosen->format);
        }
        for (size_t i = 0; i < count; i++)
            good = good && !entries[i].failed;
    }
    free(samples);
    free(entries);
    return good;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [options]\n"
            "  --filter=TEXT  only what has TEXT in its line of --list\n"
            "  --rounds=N     instead of each group's own number\n"
            "  --processor    processor time instead of elapsed time: for long "
            "work on a\n"
            "                 busy machine (not on Windows)\n"
            "  --csv, --json  instead of tables\n"
            "  --list         run nothing\n",
            program);
    return 2;
}

/* The text after "--name=", or NULL. */
static const char *value_of(const char *argument, const char *name)
{
    size_t size = strlen(name);

    return strncmp(argument, name, size) == 0 ? argument + size : NULL;
}

static bool read_option(options *chosen, const char *argument)
{
    const char *rounds = value_of(argument, "--rounds=");
    const char *filter = value_of(argument, "--filter=");

    if (rounds != NULL)
        chosen->rounds = (unsigned)strtoul(rounds, NULL, 10);
    else if (filter != NULL)
        chosen->filter = filter;
    else if (strcmp(argument, "--csv") == 0)
        chosen->format = FORMAT_CSV;
    else if (strcmp(argument, "--json") == 0)
        chosen->format = FORMAT_JSON;
    else if (strcmp(argument, "--list") == 0)
        chosen->list = true;
    else if (strcmp(argument, "--processor") == 0)
        chosen->processor_time = true;
    else
        return false;
    return rounds == NULL || (chosen->rounds > 0 && chosen->rounds <= 1000000);
}

int runner_main(int argc, char **argv, const runner_group *groups, size_t count)
{
    options chosen = {.format = FORMAT_TABLE};
    bool good = true;

    for (int i = 1; i < argc; i++)
        if (!read_option(&chosen, argv[i]))
            return usage(argv[0]);
    use_processor_time = chosen.processor_time;
    for (size_t i = 0; i < count; i++)
        good = do_group(&groups[i], &chosen) && good;
    if (chosen.format == FORMAT_JSON && !chosen.list)
        puts(printed_before ? "\n]" : "[]");
    return good ? 0 : 1;
}
