/* SPDX-License-Identifier: MIT */

/* Sending regions through channels: what arrives, when nothing does, and what
 * somebody else's bytes in the channel cannot do.
 */

#include "attack.h"
#include "channel.h"
#include "place.h"
#include "puppet.h"
#include "stops.h"
#include "units.h"
#include "base/stop.h"
#include "region/token.h"

#define ALICE 60001
#define BOB   60002

static shmap_region *const no_region = (shmap_region *)(uintptr_t)8;

static int64_t within(int ms)
{
    return shmap_after(SHMAP_MS(ms));
}

static shmap_region *make_region(const char *name, const char *text)
{
    shmap_region *region = no_region;
    shmap_view view = SHMAP_VIEW_INIT;
    assert_code(shmap_region_create(&region, name, 65536, NULL), 0);
    assert_code(shmap_view_map(&view, region, NULL), 0);
    strcpy(view.data, text);
    shmap_view_unmap(&view);
    return region;
}

static void assert_text(shmap_region *region, const char *text)
{
    shmap_view view = SHMAP_VIEW_INIT;
    assert_code(shmap_view_map(&view, region, NULL), 0);
    assert_string_equal(view.data, text);
    shmap_view_unmap(&view);
}

/* A channel with both ends here, and a region. */
struct stage {
    intptr_t ends[2];
    shmap_region *region;
};

static struct stage set_up(enum channel_kind kind, bool waits)
{
    struct stage stage;
    assert_true(channel_pair(stage.ends, kind, waits));
    stage.region = make_region(NULL, "sent");
    return stage;
}

static void tear_down(struct stage *stage)
{
    shmap_region_close(stage->region);
    channel_close(stage->ends[0]);
    channel_close(stage->ends[1]);
}

static void assert_received(intptr_t end, const char *text)
{
    shmap_region *region = no_region;
    assert_code(shmap_region_receive(&region, end, within(PATIENCE), NULL), 0);
    assert_text(region, text);
    assert_false(units_is_inheritable(shmap_region_native(region)));
    shmap_region_close(region);
}

/* Refused, and nothing came in. */
static void assert_nothing(intptr_t end, int ms, int code)
{
    shmap_region *region = no_region;
    size_t handles = os_open_handles();
    assert_code(
        shmap_region_receive(&region, end, ms == 0 ? 0 : within(ms), NULL),
        code);
    assert_ptr_equal(region, no_region);
    assert_true(units_same_handles(handles));
}

static void test_channel__every_kind_of_channel(void **state)
{
    char name[NAME_ROOM];
    (void)state;
    for (int kind = 0; kind < CHANNEL_KINDS; kind++)
        for (int waits = 0; waits < 2; waits++) {
            struct stage stage = set_up((enum channel_kind)kind, waits != 0);
            for (int i = 0; i < 3; i++) {
                assert_code(
                    shmap_region_send(stage.region, 0, stage.ends[i % 2], 0),
                    0);
                assert_received(stage.ends[1 - i % 2], "sent");
            }
            /* Several that wait in it keep their order. */
            unique_name(name, __func__);
            shmap_region *named = make_region(name, "named");
            assert_code(
                shmap_region_send(named, 0, stage.ends[0], within(PATIENCE)),
                0);
            assert_code(shmap_region_send(stage.region, 0, stage.ends[0],
                                          SHMAP_FOREVER),
                        0);
            assert_code(
                shmap_region_send(named, 0, stage.ends[0], within(PATIENCE)),
                0);
            assert_received(stage.ends[1], "named");
            assert_received(stage.ends[1], "sent");
            shmap_region_close(named);
            /* What waits in the channel holds a region, or is gone. */
            shmap_region *late = no_region;
            int result = shmap_region_receive(&late, stage.ends[1], 0, NULL);
            if (result == 0)
                assert_text(late, "named");
            else
                assert_code(result, SHMAP_ENOENT);
            if (result == 0)
                shmap_region_close(late);
            assert_nothing(stage.ends[1], 0, SHMAP_ETIMEDOUT);
            tear_down(&stage);
        }
}

/* Whoever sends may end at once. */
static void test_channel__the_sender_ends_at_once(void **state)
{
    static const char *const names[] = {"-", "named"};
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        for (int killed = 0; killed < 2; killed++) {
            char address[NAME_ROOM];
            char name[NAME_ROOM] = "-";
            if (i != 0 && os_has_lock_files())
                continue; /* Only receiving holds a named region there. */
            if (i != 0)
                unique_name(name, __func__);
            shmap_region *region = no_region;
            intptr_t end = channel_listen(address, CHANNEL_STREAM);
            struct child *sender = puppet_start();
            puppet_do(sender, "create 0 %s 65536", name);
            puppet_do(sender, "map 0");
            puppet_do(sender, "put 0 0 last");
            puppet_do(sender, "channel_join 0 %s", address);
            end = channel_accept(end);
            assert_true(end != -1);
            puppet_do(sender, "send 0 0");
            if (killed == 0)
                puppet_end(sender);
            else
                child_end(sender);
            assert_code(
                shmap_region_receive(&region, end, within(PATIENCE), NULL), 0);
            assert_text(region, "last");
            assert_nothing(end, PATIENCE, SHMAP_ENOENT);
            shmap_region_close(region);
            channel_close(end);
        }
}

/* Deadlines. */

static void test_channel__nothing_comes(void **state)
{
    (void)state;
    for (int kind = 0; kind < CHANNEL_KINDS; kind++)
        for (int waits = 0; waits < 2; waits++) {
            struct stage stage = set_up((enum channel_kind)kind, waits != 0);
            int64_t begun = clock_ms();
            assert_nothing(stage.ends[0], 0, SHMAP_ETIMEDOUT);
            assert_in_range(clock_ms() - begun, 0, PATIENCE / 4);
            begun = clock_ms();
            assert_nothing(stage.ends[0], 60, SHMAP_ETIMEDOUT);
            assert_in_range(clock_ms() - begun, 50, PATIENCE / 4);
            /* It is still of use. */
            assert_code(shmap_region_send(stage.region, 0, stage.ends[1], 0),
                        0);
            assert_received(stage.ends[0], "sent");
            tear_down(&stage);
        }
}

static void test_channel__a_full_channel(void **state)
{
    (void)state;
    for (int kind = 0; kind < CHANNEL_KINDS; kind++)
        for (int waits = 0; waits < 2; waits++) {
            struct stage stage = set_up((enum channel_kind)kind, waits != 0);
            if (!channel_fill(stage.ends[0])) {
                tear_down(&stage);
                skip_because("channels cannot be filled here");
            }
            size_t handles = os_open_handles();
            for (int access = 0; access < 2; access++) {
                int64_t begun = clock_ms();
                if (access != 0 && !attack_facts()->reads_only)
                    continue;
                assert_code(
                    shmap_region_send(stage.region, access, stage.ends[0], 0),
                    SHMAP_ETIMEDOUT);
                assert_in_range(clock_ms() - begun, 0, PATIENCE / 4);
                begun = clock_ms();
                assert_code(shmap_region_send(stage.region, access,
                                              stage.ends[0], within(60)),
                            SHMAP_ETIMEDOUT);
                assert_in_range(clock_ms() - begun, 50, PATIENCE / 4);
            }
            assert_true(units_same_handles(handles));
            /* Nothing was sealed either. */
            assert_true(channel_drain(stage.ends[1]) > 0);
            assert_code(shmap_region_send(stage.region, SHMAP_ACCESS_READ_WRITE,
                                          stage.ends[0], within(PATIENCE)),
                        0);
            assert_received(stage.ends[1], "sent");
            tear_down(&stage);
        }
}

/* Nobody there. */

static void test_channel__the_other_end_is_closed(void **state)
{
    (void)state;
    for (int kind = 0; kind < CHANNEL_KINDS; kind++)
        for (int waits = 0; waits < 2; waits++) {
            struct stage stage = set_up((enum channel_kind)kind, waits != 0);
            channel_close(stage.ends[1]);
            stage.ends[1] = -1;
            size_t handles = os_open_handles();
            for (int access = 0; access < 3; access++)
                if (access != SHMAP_ACCESS_READ || attack_facts()->reads_only)
                    assert_code(shmap_region_send(stage.region, access,
                                                  stage.ends[0],
                                                  within(PATIENCE)),
                                SHMAP_ENOENT);
            assert_nothing(stage.ends[0], PATIENCE, SHMAP_ENOENT);
            assert_true(units_same_handles(handles));
            char token[SHMAP_TOKEN_SIZE];
            assert_code(shmap_region_export(stage.region,
                                            SHMAP_ACCESS_READ_WRITE, 0, token,
                                            sizeof token),
                        0);
            tear_down(&stage);
        }
}

/* Nothing is sealed for who reads no more. */
static void test_channel__who_reads_no_more_seals_nothing(void **state)
{
    shmap_region_info info = SHMAP_REGION_INFO_INIT;
    struct stage stage = set_up(CHANNEL_STREAM, true);
    (void)state;
    if (channel_stop_reading(stage.ends[1])) {
        if (attack_facts()->reads_only)
            assert_code(shmap_region_send(stage.region, SHMAP_ACCESS_READ,
                                          stage.ends[0], within(PATIENCE)),
                        SHMAP_ENOENT);
        assert_code(shmap_region_inspect(stage.region, &info), 0);
        assert_int_equal(info.seals, attack_facts()->first_seals);
    }
    tear_down(&stage);
}

/* Standard output never is a region. */
static int play_bare(int count, char **arguments)
{
    shmap_region *region = NULL;
    shmap_region *received = no_region;
    intptr_t ends[2];
    (void)count, (void)arguments;
    role_check_code(shmap_region_create(&region, NULL, 4096, NULL), 0);
    if (!os_close_standard_streams()) {
        say("cannot");
        return 0;
    }
    role_check(channel_pair(ends, CHANNEL_STREAM, true));
    role_check_code(shmap_region_send(region, 0, ends[0], 0), 0);
    role_check_code(shmap_region_receive(&received, ends[1], 0, NULL), 0);
    role_check(shmap_region_native(received) > 2);
    shmap_region_close(received);
    shmap_region_close(region);
    say("done");
    return 0;
}

static void test_channel__never_a_standard_stream(void **state)
{
    (void)state;
    units_run_role("bare", NULL, "the streams cannot be closed here");
}

/* Breaking off must not end the program, whatever it does with signals. */
static int play_breaker(int count, char **arguments)
{
    shmap_region *region = NULL;
    (void)count, (void)arguments;
    os_heed_broken_pipes();
    role_check_code(shmap_region_create(&region, NULL, 4096, NULL), 0);
    for (int kind = 0; kind < CHANNEL_KINDS; kind++)
        for (int closes = 0; closes < 2; closes++) {
            intptr_t ends[2];
            role_check(channel_pair(ends, (enum channel_kind)kind, true));
            if (closes != 0 || !channel_stop_reading(ends[1])) {
                channel_close(ends[1]);
                ends[1] = -1;
            }
            role_check_code(shmap_region_send(region, 0, ends[0], 0),
                            SHMAP_ENOENT);
            channel_close(ends[0]);
            channel_close(ends[1]);
        }
    say("done");
    return 0;
}

static void test_channel__no_signal_follows(void **state)
{
    (void)state;
    units_run_role("breaker", NULL, "");
}

/* It waits for what comes later, and for who goes meanwhile. */
static void test_channel__waiting_ends(void **state)
{
    (void)state;
    for (int sends = 0; sends < 2; sends++) {
        char address[NAME_ROOM];
        intptr_t end = channel_listen(address, CHANNEL_STREAM);
        shmap_region *region = make_region(NULL, "later");
        struct child *receiver = puppet_start();
        puppet_do(receiver, "channel_join 0 %s", address);
        end = channel_accept(end);
        child_tell(receiver, "receive 0 0");
        if (sends != 0)
            assert_code(shmap_region_send(region, 0, end, within(PATIENCE)), 0);
        else
            channel_close(end);
        assert_code(puppet_result(receiver), sends != 0 ? 0 : SHMAP_ENOENT);
        if (sends != 0)
            channel_close(end);
        child_end(receiver);
        shmap_region_close(region);
    }
}

/* A process opened both ends and can have let a child inherit one. What it
 * sends comes to the child, or is refused and leaves nothing. */
static void test_channel__a_sender_that_opened_both_ends(void **state)
{
    (void)state;
    shmap__stop_own_channels = false;
    for (int kind = 0; kind < CHANNEL_KINDS; kind++)
        for (int end = 0; end < 2; end++) {
            struct stage stage = set_up((enum channel_kind)kind, true);
            size_t handles = os_open_handles();
            int result = shmap_region_send(stage.region, 0, stage.ends[end], 0);
            if (channel_finds_holder()) {
                assert_code(result, 0);
                assert_received(stage.ends[1 - end], "sent");
            } else {
                assert_code(result, SHMAP_ETYPE);
                assert_non_null(strstr(shmap_error_detail(), "both ends"));
                assert_true(units_same_handles(handles));
                assert_nothing(stage.ends[1 - end], 0, SHMAP_ETIMEDOUT);
            }
            tear_down(&stage);
        }
    shmap__stop_own_channels = true;
}

static void test_channel__room_for_no_message(void **state)
{
    shmap_region *region;
    intptr_t ends[2];
    (void)state;
    if (!channel_small_pair(ends))
        skip_because("channels have room here");
    region = make_region(NULL, "not sent");
    for (int end = 0; end < 2; end++) {
        size_t handles = os_open_handles();
        assert_code(shmap_region_send(region, 0, ends[end], within(PATIENCE)),
                    SHMAP_ETYPE);
        assert_non_null(strstr(shmap_error_detail(), "too small"));
        assert_true(units_same_handles(handles));
        assert_nothing(ends[1 - end], 0, SHMAP_ETIMEDOUT);
    }
    shmap_region_close(region);
    channel_close(ends[0]);
    channel_close(ends[1]);
}

static void test_channel__what_is_no_channel(void **state)
{
    shmap_region *region = make_region(NULL, "not sent");
    shmap_region *none = no_region;
    char token[SHMAP_TOKEN_SIZE];
    (void)state;
    shmap__stop_own_channels = false;
    for (int what = 0; what <= CHANNEL_NOTS + 2; what++) {
        bool owned = what < CHANNEL_NOTS;
        intptr_t channel = owned ? channel_make_not((enum channel_not)what)
                           : what == CHANNEL_NOTS ? -1
                           : what == CHANNEL_NOTS + 1
                               ? units_bad_handle()
                               : shmap_region_native(region);
        int code = !owned && what < CHANNEL_NOTS + 2 ? SHMAP_EINVAL
                   : what == CHANNEL_NOT_JOINED || what == CHANNEL_NOT_ACCEPTED
                       ? SHMAP_ENOENT
                       : SHMAP_ETYPE;
        if (owned && channel == -1)
            continue;
        size_t handles = os_open_handles();
        for (int access = 0; access < 3; access++)
            if (access != SHMAP_ACCESS_READ || attack_facts()->reads_only) {
                int result = shmap_region_send(region, access, channel, 0);
                if (result != code)
                    fail_msg("sending to %d: %s, should be %s", what,
                             shmap_error_name(result), shmap_error_name(code));
            }
        int result = shmap_region_receive(&none, channel, 0, NULL);
        if (result != code)
            fail_msg("receiving from %d: %s, should be %s", what,
                     shmap_error_name(result), shmap_error_name(code));
        assert_ptr_equal(none, no_region);
        assert_true(units_same_handles(handles));
        if (owned)
            channel_close(channel);
    }
    /* Nothing of all this sealed it. */
    assert_code(shmap_region_export(region, SHMAP_ACCESS_READ_WRITE, 0, token,
                                    sizeof token),
                0);
    shmap_region_close(region);
    shmap__stop_own_channels = true;
}

/* Other bytes. */

static void fill_message(char message[SHMAP__OS_MESSAGE], const char *text)
{
    memset(message, 0, SHMAP__OS_MESSAGE);
    memcpy(message, text, strlen(text));
}

/* As receive finds it: nothing comes of it, and what came with it is closed. */
static void assert_bad_message(const char message[SHMAP__OS_MESSAGE],
                               const intptr_t *handles, size_t count)
{
    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        struct stage stage = set_up((enum channel_kind)kind, true);
        shmap_region *region = no_region;
        size_t before = os_open_handles();
        bool sent =
            count == 0
                ? channel_write(stage.ends[1], message, SHMAP__OS_MESSAGE)
                : channel_write_with(stage.ends[1], message, SHMAP__OS_MESSAGE,
                                     handles, count);
        if (sent) {
            int result = shmap_region_receive(&region, stage.ends[0],
                                              within(PATIENCE), NULL);
            if (result != SHMAP_ETOKEN && result != SHMAP_ENOENT &&
                (result != SHMAP_ETYPE || count == 0))
                fail_msg("\"%.100s\" is %s", message, shmap_error_name(result));
            assert_ptr_equal(region, no_region);
            assert_true(units_same_handles(before));
            /* What follows is taken. */
            assert_code(shmap_region_send(stage.region, 0, stage.ends[1], 0),
                        0);
            assert_received(stage.ends[0], "sent");
        }
        tear_down(&stage);
    }
}

static const char *token_of(shmap_region *region, int way, int64_t native)
{
    static char token[SHMAP_TOKEN_SIZE];
    char name[SHMAP_TOKEN_SIZE];
    shmap__os_gift gift;
    assert_code(shmap_region_export(region, 0, 0, token, sizeof token), 0);
    shmap_region_unexport(region);
    assert_true(shmap__token_read(token, &gift, name));
    gift.way = way;
    gift.to = way == SHMAP__OS_TO_PROCESS ? os_process_id() : 0;
    gift.native = native;
    shmap__token_write(token, &gift, name);
    return token;
}

static void test_channel__garbage(void **state)
{
    char message[SHMAP__OS_MESSAGE];
    struct dice dice = {fresh_seed()};
    shmap_region *region = make_region(NULL, "mine");
    (void)state;
    fill_message(message, "");
    assert_bad_message(message, NULL, 0);
    memset(message, 'x', sizeof message);
    assert_bad_message(message, NULL, 0);
    memset(message, 0377, sizeof message);
    assert_bad_message(message, NULL, 0);
    for (int i = 0; i < 30; i++) {
        for (size_t k = 0; k < sizeof message; k++)
            message[k] = (char)dice_roll(&dice, 256);
        assert_bad_message(message, NULL, 0);
    }
    /* Tokens that would lead somewhere by themselves, as what they say and as
     * what was not sent with them. */
    for (int way = SHMAP__OS_TO_CHILD; way <= SHMAP__OS_SENT; way++) {
        if (way == SHMAP__OS_TO_PROCESS && !attack_facts()->must_live)
            continue; /* They are what is sent. */
        fill_message(message,
                     token_of(region, way, shmap_region_native(region)));
        assert_bad_message(message, NULL, 0);
        /* A token without an end. */
        memset(message + strlen(message), 'x',
               sizeof message - strlen(message));
        assert_bad_message(message, NULL, 0);
    }
    /* A name without an end. */
    memset(message, 'x', sizeof message);
    memcpy(message, "shmap1:snw:1:0:1:1:1:", 21);
    assert_bad_message(message, NULL, 0);
    shmap_region_close(region);
}

/* Whoever speaks of other things is not waited for. */
static void test_channel__another_protocol(void **state)
{
    static const char *const words[] = {"x", "GET / HTTP/1.1\r\n", "shmop1:"};
    (void)state;
    for (int kind = 0; kind < CHANNEL_KINDS; kind++)
        for (size_t i = 0; i < COUNT(words); i++) {
            struct stage stage = set_up((enum channel_kind)kind, true);
            assert_true(
                channel_write(stage.ends[1], words[i], strlen(words[i])));
            int64_t begun = clock_ms();
            assert_nothing(stage.ends[0], PATIENCE, SHMAP_ETOKEN);
            assert_in_range(clock_ms() - begun, 0, PATIENCE / 2);
            tear_down(&stage);
        }
}

/* Who sends may end without reading what was sent to it. */
static void test_channel__what_the_sender_left_unread(void **state)
{
    (void)state;
    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        struct stage stage = set_up((enum channel_kind)kind, true);
        assert_true(channel_write(stage.ends[1], "unread", 6));
        assert_code(shmap_region_send(stage.region, 0, stage.ends[0], 0), 0);
        channel_close(stage.ends[0]);
        stage.ends[0] = -1;
        assert_received(stage.ends[1], "sent");
        assert_nothing(stage.ends[1], PATIENCE, SHMAP_ENOENT);
        tear_down(&stage);
    }
}

/* Packets have no rest that could be waited for, and bring handles also when
 * they are short or empty. */
static void test_channel__short_packets(void **state)
{
    static const size_t sizes[] = {0, 1, 5, SHMAP__OS_MESSAGE - 1};
    char message[SHMAP__OS_MESSAGE];
    shmap_region *mine = make_region(NULL, "mine");
    const intptr_t handle = shmap_region_native(mine);
    (void)state;
    fill_message(message, token_of(mine, SHMAP__OS_SENT, -1));
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct stage stage = set_up(CHANNEL_RECORDS, true);
        shmap_region *region = no_region;
        size_t before = os_open_handles();
        if (channel_write_with(stage.ends[1], message, sizes[i], &handle, 1)) {
            assert_code(shmap_region_receive(&region, stage.ends[0],
                                             within(PATIENCE), NULL),
                        sizes[i] == 0 ? SHMAP_ENOENT : SHMAP_ETOKEN);
            assert_ptr_equal(region, no_region);
            assert_true(units_same_handles(before));
        }
        tear_down(&stage);
    }
    shmap_region_close(mine);
}

static void test_channel__handles_with_garbage_are_closed(void **state)
{
    static const size_t counts[] = {1, 2, 3, 100, 253};
    char message[SHMAP__OS_MESSAGE];
    intptr_t handles[253];
    (void)state;
    shmap_region *region = make_region(NULL, "mine");
    shmap_region *other = make_region(NULL, "other");
    intptr_t directory = units_directory();
    for (size_t i = 0; i < COUNT(counts); i++) {
        for (size_t k = 0; k < counts[i]; k++)
            handles[k] = shmap_region_native(region);
        fill_message(message, "garbage");
        assert_bad_message(message, handles, counts[i]);
        /* Another one than the token says: a region, or none at all. */
        fill_message(message, token_of(other, SHMAP__OS_SENT, -1));
        assert_bad_message(message, handles, counts[i]);
        handles[0] = directory;
        assert_bad_message(message, handles, counts[i]);
        /* The right one comes too late. */
        handles[counts[i] - 1] = shmap_region_native(other);
        if (counts[i] > 1)
            assert_bad_message(message, handles, counts[i]);
        /* Or with a token of another way. */
        for (size_t k = 0; k < counts[i]; k++)
            handles[k] = shmap_region_native(other);
        for (int way = SHMAP__OS_TO_CHILD; way < SHMAP__OS_SENT; way++) {
            fill_message(message,
                         token_of(other, way, shmap_region_native(other)));
            assert_bad_message(message, handles, counts[i]);
        }
    }
    raw_close(directory);
    shmap_region_close(region);
    shmap_region_close(other);
}

/* What is no region, and whose token is right otherwise. */
static void test_channel__things_that_are_no_regions(void **state)
{
    char message[SHMAP__OS_MESSAGE];
    bool any = false;
    (void)state;
    for (int thing = 0; thing < ATTACK_THINGS; thing++) {
        static char token[SHMAP_TOKEN_SIZE];
        intptr_t native = attack_make_thing((enum attack_thing)thing);
        shmap__os_gift gift = {.way = SHMAP__OS_SENT,
                               .access = SHMAP_ACCESS_READ,
                               .from = os_process_id()};
        if (native == -1)
            continue;
        for (gift.kind = SHMAP_KIND_NAMED; gift.kind <= SHMAP_KIND_FILE;
             ++gift.kind)
            if (attack_identify(native, gift.kind, gift.identity)) {
                any = true;
                shmap__token_write(token, &gift,
                                   gift.kind == SHMAP_KIND_NAMED ? "/thing"
                                                                 : "");
                fill_message(message, token);
                assert_bad_message(message, &native, 1);
            }
        raw_close(native);
    }
    if (!any)
        skip_because("tokens of other things cannot be made here");
}

/* More handles than the one that is meant: it is taken, the others closed. */
static void test_channel__further_handles_are_closed(void **state)
{
    char message[SHMAP__OS_MESSAGE];
    intptr_t handles[100];
    (void)state;
    struct stage stage = set_up(CHANNEL_STREAM, true);
    for (size_t i = 0; i < COUNT(handles); i++)
        handles[i] = shmap_region_native(stage.region);
    fill_message(message, token_of(stage.region, SHMAP__OS_SENT, 0));
    size_t before = os_open_handles();
    if (!channel_write_with(stage.ends[1], message, sizeof message, handles,
                            COUNT(handles))) {
        tear_down(&stage);
        skip_because("no handles are sent here");
    }
    assert_received(stage.ends[0], "sent");
    assert_true(units_same_handles(before));
    tear_down(&stage);
}

/* A message in pieces, with the time that each takes. */
static void test_channel__drop_by_drop(void **state)
{
    static const size_t pieces[] = {1, 7, 256, 1023};
    char message[SHMAP__OS_MESSAGE];
    (void)state;
    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct stage stage = set_up(CHANNEL_STREAM, true);
        intptr_t native = shmap_region_native(stage.region);
        fill_message(message, token_of(stage.region, SHMAP__OS_SENT, 0));
        size_t before = os_open_handles();
        /* Not all of it comes. */
        if (!channel_write_with(stage.ends[1], message, pieces[i], &native,
                                1)) {
            tear_down(&stage);
            skip_because("no handles are sent here");
        }
        int64_t begun = clock_ms();
        assert_nothing(stage.ends[0], 40, SHMAP_ETIMEDOUT);
        assert_in_range(clock_ms() - begun, 30, PATIENCE / 4);
        assert_true(units_same_handles(before));
        /* And the end of the channel instead of the rest. */
        assert_true(
            channel_write_with(stage.ends[1], message, pieces[i], &native, 1));
        channel_close(stage.ends[1]);
        stage.ends[1] = -1;
        assert_nothing(stage.ends[0], PATIENCE, SHMAP_ENOENT);
        tear_down(&stage);

        /* It comes. */
        stage = set_up(CHANNEL_STREAM, true);
        native = shmap_region_native(stage.region);
        fill_message(message, token_of(stage.region, SHMAP__OS_SENT, 0));
        for (size_t at = 0, size; at < sizeof message; at += size) {
            /* Each drop takes much more room in the channel. */
            size = at / pieces[i] < 100 ? pieces[i] : sizeof message;
            if (size > sizeof message - at)
                size = sizeof message - at;
            assert_true(channel_write_with(stage.ends[1], message + at, size,
                                           &native, at == 0 ? 1 : 0));
        }
        assert_received(stage.ends[0], "sent");
        tear_down(&stage);
    }
}

/* The feeder never stops, and does not hold the receiver beyond its deadline.
 */
static int play_feeder(int count, char **arguments)
{
    role_check(count == 1);
    intptr_t end = channel_join(arguments[0]);
    role_check(end != -1);
    say("ready");
    hear();
    role_check(channel_write(end, "shmap", 5));
    for (int64_t until = patience_until(PATIENCE); patience_nap(until);)
        if (!channel_write(end, "x", 1))
            break;
    return 0;
}

static void test_channel__a_slow_feeder_does_not_hold_it(void **state)
{
    char address[NAME_ROOM];
    intptr_t end = channel_listen(address, CHANNEL_STREAM);
    (void)state;
    struct child *feeder = child_start("feeder", address, NULL);
    child_expect(feeder, "ready");
    end = channel_accept(end);
    assert_true(end != -1);
    child_tell(feeder, "go");
    int64_t begun = clock_ms();
    assert_nothing(end, 300, SHMAP_ETIMEDOUT);
    assert_in_range(clock_ms() - begun, 290, PATIENCE / 2);
    channel_close(end);
    child_end(feeder);
}

/* No room for what comes: it is lost, and nothing is open. */
static int play_full(int count, char **arguments)
{
    shmap_region *region = NULL;
    shmap_region *received = no_region;
    intptr_t ends[2];
    (void)count, (void)arguments;
    role_check(channel_pair(ends, CHANNEL_STREAM, true));
    role_check_code(shmap_region_create(&region, NULL, 4096, NULL), 0);
    role_check_code(shmap_region_send(region, 0, ends[0], 0), 0);
    if (!os_limit_handles(0)) {
        say("cannot");
        return 0;
    }
    role_check_code(shmap_region_receive(&received, ends[1], 0, NULL),
                    SHMAP_EMFILE);
    role_check_code(shmap_region_send(region, 0, ends[0], 0), SHMAP_EMFILE);
    role_check_code(shmap_region_receive(&received, ends[1], 0, NULL),
                    SHMAP_ETIMEDOUT);
    role_check(received == no_region);
    say("done");
    /* Sanitizers look for leaks, and need handles for that. */
    os_exit_now(0);
    return 0;
}

static void test_channel__no_free_handles(void **state)
{
    (void)state;
    units_run_role("full", NULL, "handles are not limited here");
}

/* Other users. */

#define NEEDS_USERS()  \
    if (!os_is_root()) \
    skip_because("only root can become other users")

/* What belongs to Bob is taken from him on request only. */
static void test_channel__other_users_are_told_apart(void **state)
{
    (void)state;
    NEEDS_USERS();
    for (int named = 0; named < 2; named++) {
        char address[NAME_ROOM];
        char name[NAME_ROOM];
        shmap_region_options options = SHMAP_REGION_OPTIONS_INIT;
        shmap_region *region = no_region;
        unique_name(name, __func__);
        intptr_t end = channel_listen(address, CHANNEL_STREAM);
        struct child *bob = puppet_start_as(BOB);
        if (named == 0)
            puppet_do(bob, "create 0 - 4096");
        else
            puppet_do(bob, "create 0 %s 4096", name);
        puppet_do(bob, "map 0");
        puppet_do(bob, "put 0 0 bobs");
        puppet_do(bob, "channel_join 0 %s", address);
        end = channel_accept(end);
        assert_true(end != -1);
        for (int owner = SHMAP_ACCEPT_SELF; owner <= SHMAP_ACCEPT_ANYBODY;
             owner++) {
            size_t handles = os_open_handles();
            options.accept = owner;
            puppet_do(bob, "send 0 0");
            int result =
                shmap_region_receive(&region, end, within(PATIENCE), &options);
            assert_code(result,
                        owner == SHMAP_ACCEPT_ANYBODY ? 0 : SHMAP_EOWNER);
            if (result == 0) {
                assert_text(region, "bobs");
                shmap_region_close(region);
                region = no_region;
            }
            assert_true(units_same_handles(handles));
        }
        channel_close(end);
        puppet_do(bob, "unmap 0");
        puppet_do(bob, "close 0");
        child_end(bob);
    }
}

/* The receiver is another user, whom the region is not shared with. */
static void test_channel__to_another_user(void **state)
{
    (void)state;
    NEEDS_USERS();
    for (int named = 0; named < 2; named++) {
        char address[NAME_ROOM];
        char name[NAME_ROOM];
        unique_name(name, __func__);
        if (named != 0 && os_has_lock_files())
            continue; /* These have no way to its mark. */
        shmap_region *region =
            make_region(named != 0 ? name : NULL, "for alice");
        intptr_t end = channel_listen(address, CHANNEL_STREAM);
        struct child *alice = puppet_start_as(ALICE);
        puppet_do(alice, "channel_join 0 %s", address);
        end = channel_accept(end);
        assert_code(shmap_region_send(region, 0, end, within(PATIENCE)), 0);
        assert_code(puppet(alice, "receive 0 0"), SHMAP_EOWNER);
        assert_code(shmap_region_send(region, 0, end, within(PATIENCE)), 0);
        puppet_do(alice, "receive 0 0 anybody");
        puppet_do(alice, "map 0");
        assert_string_equal(puppet_ask(alice, "get 0 0"), "for alice");
        child_end(alice);
        channel_close(end);
        shmap_region_close(region);
        if (named != 0) {
            char os_name[OS_NAME_ROOM];
            os_name_of(os_name, name, SHMAP_SCOPE_USER);
            assert_false(raw_exists(os_name));
        }
    }
}

/* What another user writes cannot lead to what is the receiver's own. */
static void test_channel__sender_cannot_name_the_receivers_handles(void **state)
{
    char message[SHMAP__OS_MESSAGE];
    char name[NAME_ROOM];
    (void)state;
    unique_name(name, __func__);
    for (int named = 0; named < 2; named++) {
        shmap_region *region = make_region(named != 0 ? name : NULL, "secret");
        intptr_t ends[2];
        for (int way = SHMAP__OS_TO_CHILD; way <= SHMAP__OS_SENT; way++) {
            if (way == SHMAP__OS_TO_PROCESS && !attack_facts()->must_live)
                continue; /* Users are told apart there. */
            shmap_region *taken = no_region;
            assert_true(channel_pair(ends, CHANNEL_STREAM, true));
            fill_message(message,
                         token_of(region, way, shmap_region_native(region)));
            assert_true(channel_write(ends[1], message, sizeof message));
            assert_code(shmap_region_receive(&taken, ends[0], 0, NULL),
                        SHMAP_ETOKEN);
            assert_ptr_equal(taken, no_region);
            channel_close(ends[0]);
            channel_close(ends[1]);
        }
        shmap_region_close(region);
    }
}

/* Kills. */

/* The sender is killed at each of its steps: the region arrives or does not. */
static void test_channel__the_sender_is_killed(void **state)
{
    struct stop stops[64];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i <= count; i++) {
        char address[NAME_ROOM];
        shmap_region *region = no_region;
        intptr_t end = channel_listen(address, CHANNEL_STREAM);
        struct child *sender = puppet_start();
        puppet_do(sender, "create 0 - 65536");
        puppet_do(sender, "map 0");
        puppet_do(sender, "put 0 0 killed");
        puppet_do(sender, "channel_join 0 %s", address);
        end = channel_accept(end);
        assert_true(end != -1);
        if (i == 0) {
            puppet_do(sender, "record");
            puppet_do(sender, "send 0 0");
            count = stops_passed(sender, stops, COUNT(stops));
        } else {
            stops_run_into(sender, &stops[i - 1], "send 0 0");
        }
        child_end(sender);
        int result = shmap_region_receive(&region, end, within(PATIENCE), NULL);
        if (result == 0) {
            assert_text(region, "killed");
            shmap_region_close(region);
        } else {
            assert_code(result, SHMAP_ENOENT);
        }
        channel_close(end);
    }
}

/* So is the receiver: what it was sent ends with it. */
static void test_channel__the_receiver_is_killed(void **state)
{
    struct stop stops[64];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i <= count; i++) {
        struct place place = place_make(__func__, SHMAP_SCOPE_USER);
        char address[NAME_ROOM];
        shmap_region *region = make_region(place.name, "received");
        intptr_t end = channel_listen(address, CHANNEL_STREAM);
        struct child *receiver = puppet_start();
        puppet_do(receiver, "channel_join 0 %s", address);
        end = channel_accept(end);
        assert_true(end != -1);
        assert_code(shmap_region_send(region, 0, end, within(PATIENCE)), 0);
        if (i == 0) {
            puppet_do(receiver, "record");
            puppet_do(receiver, "receive 0 0");
            count = stops_passed(receiver, stops, COUNT(stops));
        } else {
            stops_run_into(receiver, &stops[i - 1], "receive 0 0");
        }
        child_end(receiver);
        assert_text(region, "received");
        place_assert_alive(&place, "received");
        shmap_region_close(region);
        assert_eventually(!raw_is_held(place.os_name));
        place_assert_free(&place);
        channel_close(end);
    }
}

int main(int argc, char **argv)
{
    static const struct role roles[] = {{"bare", play_bare},
                                        {"breaker", play_breaker},
                                        {"feeder", play_feeder},
                                        {"full", play_full},
                                        {0, 0}};
    static const struct CMUnitTest tests[] = {
        leak_checked(test_channel__every_kind_of_channel),
        leak_checked(test_channel__the_sender_ends_at_once),
        leak_checked(test_channel__nothing_comes),
        leak_checked(test_channel__a_full_channel),
        leak_checked(test_channel__the_other_end_is_closed),
        leak_checked(test_channel__who_reads_no_more_seals_nothing),
        leak_checked(test_channel__never_a_standard_stream),
        leak_checked(test_channel__no_signal_follows),
        leak_checked(test_channel__waiting_ends),
        leak_checked(test_channel__a_sender_that_opened_both_ends),
        leak_checked(test_channel__room_for_no_message),
        leak_checked(test_channel__what_is_no_channel),
        leak_checked(test_channel__garbage),
        leak_checked(test_channel__another_protocol),
        leak_checked(test_channel__what_the_sender_left_unread),
        leak_checked(test_channel__short_packets),
        leak_checked(test_channel__handles_with_garbage_are_closed),
        leak_checked(test_channel__things_that_are_no_regions),
        leak_checked(test_channel__further_handles_are_closed),
        leak_checked(test_channel__drop_by_drop),
        leak_checked(test_channel__a_slow_feeder_does_not_hold_it),
        leak_checked(test_channel__no_free_handles),
        leak_checked(test_channel__other_users_are_told_apart),
        leak_checked(test_channel__to_another_user),
        leak_checked(test_channel__sender_cannot_name_the_receivers_handles),
        leak_checked(test_channel__the_sender_is_killed),
        leak_checked(test_channel__the_receiver_is_killed),
    };
    stops_enable();
    return test_main(argc, argv, roles, tests, COUNT(tests));
}
