#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/recorder/recorder.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"

enum { PATIENCE_MS = 60 * 1000 };

struct fixture {
    struct local_kit *kit;
    struct recorder *recorder;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));

    fixture->kit = local_kit_new();
    local_kit_open(fixture->kit);
    fixture->recorder = recorder_new(fixture->kit->cluster);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    recorder_free(fixture->recorder);
    local_kit_free(fixture->kit);
    free(fixture);
    return 0;
}

static const struct event_subject demo = {
    .kind = KIND_BATCH_SANDBOX, .ns = "test", .name = "demo", .uid = "uid-1"};

static void post(struct fixture *fixture, const char *reason, const char *message)
{
    recorder_post(fixture->recorder, &demo, true, reason, message);
}

/* All there are, once those that were posted so far are there. */
static json_t *events(struct fixture *fixture)
{
    json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    struct error err = {0};

    assert_true(recorder_flush(fixture->recorder, PATIENCE_MS));
    assert_ok(cluster_list(fixture->kit->cluster, KIND_EVENT, "test", NULL, &items, &version, &err), &err);
    return items;
}

/* The name of the event about the object of this name. */
static const char *name_of_event_about(const json_t *all, const char *object)
{
    size_t i;
    const json_t *event;

    json_array_foreach(all, i, event)
    {
        if (strcmp(json_path_string(event, "involvedObject.name"), object) == 0)
            return json_path_string(event, "metadata.name");
    }
    fail_msg("no event about %s", object);
    return NULL;
}

static void an_event_says_what_happened_to_whom(void **state)
{
    struct fixture *fixture = *state;

    post(fixture, "FailedCreate", "no room");
    SCOPED(json) json_t *all = events(fixture);
    assert_int_equal(json_array_size(all), 1);
    const json_t *event = json_array_get(all, 0);
    assert_string_equal(json_path_string(event, "involvedObject.kind"), "BatchSandbox");
    assert_string_equal(json_path_string(event, "involvedObject.name"), "demo");
    assert_string_equal(json_path_string(event, "involvedObject.uid"), "uid-1");
    assert_string_equal(json_path_string(event, "type"), "Warning");
    assert_string_equal(json_path_string(event, "reason"), "FailedCreate");
    assert_string_equal(json_path_string(event, "message"), "no room");
    assert_string_equal(json_path_string(event, "source.component"), "snapshot-svc");
    assert_int_equal(json_integer_value(json_path(event, "count")), 1);
}

static void the_same_event_again_is_counted(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++)
        post(fixture, "FailedCreate", "no room");
    post(fixture, "FailedCreate", "no time");
    SCOPED(json) json_t *all = events(fixture);
    assert_int_equal(json_array_size(all), 2);
    json_int_t counts = json_integer_value(json_path(json_array_get(all, 0), "count")) *
                        json_integer_value(json_path(json_array_get(all, 1), "count"));
    assert_int_equal(counts, 3); /* 3 and 1, in any order */
}

static void an_event_that_was_dropped_meanwhile_is_posted_anew(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    post(fixture, "FailedCreate", "no room");
    SCOPED(json) json_t *first = events(fixture);
    assert_ok(cluster_remove(fixture->kit->cluster, KIND_EVENT, "test",
                             json_path_string(json_array_get(first, 0), "metadata.name"), NULL, -1, &err),
              &err);
    post(fixture, "FailedCreate", "no room");
    post(fixture, "FailedCreate", "no room");
    SCOPED(json) json_t *all = events(fixture);
    assert_int_equal(json_array_size(all), 1);
    assert_int_equal(json_integer_value(json_path(json_array_get(all, 0), "count")), 2);
}

static void a_long_message_that_is_no_text_is_cut_and_cleaned(void **state)
{
    struct fixture *fixture = *state;
    char message[5000];

    memset(message, 'x', sizeof(message));
    message[0] = '\xff';
    message[sizeof(message) - 1] = '\0';
    post(fixture, "FailedCreate", message);
    SCOPED(json) json_t *all = events(fixture);
    assert_int_equal(json_array_size(all), 1);
    assert_in_range(strlen(json_path_string(json_array_get(all, 0), "message")), 1000, 1030);
}

static void what_is_remembered_is_bounded(void **state)
{
    enum { KINDS_OF_EVENTS = 1100 }; /* more than are remembered, and than the store keeps of one object */
    struct fixture *fixture = *state;

    for (int i = 0; i < KINDS_OF_EVENTS; i++) {
        SCOPED(string) char *name = xasprintf("box-%d", i);
        const struct event_subject subject = {.kind = KIND_BATCH_SANDBOX, .ns = "test", .name = name};
        recorder_post(fixture->recorder, &subject, false, "Paused", "Sandbox is paused");
    }
    SCOPED(json) json_t *all = events(fixture);
    assert_int_equal(json_array_size(all), KINDS_OF_EVENTS);
    const struct event_subject first = {.kind = KIND_BATCH_SANDBOX, .ns = "test", .name = "box-0"};
    recorder_post(fixture->recorder, &first, false, "Paused", "Sandbox is paused"); /* forgotten: a new one */
    const struct event_subject last = {.kind = KIND_BATCH_SANDBOX, .ns = "test", .name = "box-1099"};
    recorder_post(fixture->recorder, &last, false, "Paused", "Sandbox is paused"); /* counted */
    SCOPED(json) json_t *later = events(fixture);
    assert_int_equal(json_array_size(later), KINDS_OF_EVENTS + 1);
}

static void the_name_of_a_long_object_is_cut_where_a_name_may_end(void **state)
{
    static const struct {
        const char *ends; /* what comes after 190 times "a" */
        size_t kept;      /* of those */
    } rows[] = {{"", 0},
                {"bcd", 3},
                {"b-2.c", 5},
                {"123456789z", 10},
                {"123456789-z", 9},
                {"123456789.z", 9},
                {"123456---.z", 6},
                {"123456789zz", 10}};
    struct fixture *fixture = *state;
    char stem[191];

    memset(stem, 'a', sizeof(stem) - 1);
    stem[sizeof(stem) - 1] = '\0';
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *name = xasprintf("%s%s", stem, rows[i].ends);
        SCOPED(string) char *want = xasprintf("%s%.*s.", stem, (int)rows[i].kept, rows[i].ends);
        const struct event_subject subject = {.kind = KIND_BATCH_SANDBOX, .ns = "test", .name = name};
        recorder_post(fixture->recorder, &subject, false, "Paused", "Sandbox is paused");
        SCOPED(json) json_t *all = events(fixture);
        const char *event = name_of_event_about(all, name);
        assert_int_equal(strlen(event), strlen(want) + 16);
        assert_memory_equal(event, want, strlen(want));
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_says_what_happened_to_whom),
        TEST(the_same_event_again_is_counted),
        TEST(an_event_that_was_dropped_meanwhile_is_posted_anew),
        TEST(a_long_message_that_is_no_text_is_cut_and_cleaned),
        TEST(what_is_remembered_is_bounded),
        TEST(the_name_of_a_long_object_is_cut_where_a_name_may_end),
    };
    return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
