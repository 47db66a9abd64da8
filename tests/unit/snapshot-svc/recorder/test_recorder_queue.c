/* What becomes of events while the cluster takes its time. */
#include "tests/unit/testing.h"

#include <pthread.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/recorder/recorder.h"

enum { PATIENCE_MS = 60 * 1000 };

/* ---- a cluster behind a gate ---- */

struct gated {
    struct cluster base; /* first: the port's view */
    struct cluster_ops ops;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    bool open;
    int64_t slow_ms;    /* then every event takes so long, instead of waiting for the gate */
    unsigned at_gate;   /* came so far */
    struct strbuf told; /* the reasons, a line each */
    unsigned told_count;
};

static void wait_at_gate(struct gated *gated)
{
    const int64_t until_ms = clock_realtime_ms() + gated->slow_ms;
    const struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    bool passed = false;

    while (!gated->open && !passed)
        if (gated->slow_ms)
            passed = pthread_cond_timedwait(&gated->changed, &gated->lock, &until) != 0;
        else
            pthread_cond_wait(&gated->changed, &gated->lock);
}

static int gated_create(struct cluster *cluster, enum cluster_kind kind, const char *ns, const json_t *object,
                        json_t **ret_object, struct error *err)
{
    struct gated *gated = (struct gated *)cluster;

    if (kind != KIND_EVENT || strcmp(ns, "test") != 0)
        return error_set(err, ERR_INVALID, "no event of this namespace");
    pthread_mutex_lock(&gated->lock);
    gated->at_gate++;
    pthread_cond_broadcast(&gated->changed);
    wait_at_gate(gated);
    strbuf_addf(&gated->told, "%s\n", json_path_string(object, "reason"));
    gated->told_count++;
    pthread_mutex_unlock(&gated->lock);
    *ret_object = json_object();
    return 0;
}

static void open_gate(struct gated *gated)
{
    pthread_mutex_lock(&gated->lock);
    gated->open = true;
    pthread_cond_broadcast(&gated->changed);
    pthread_mutex_unlock(&gated->lock);
}

static void await_one_at_gate(struct gated *gated)
{
    pthread_mutex_lock(&gated->lock);
    while (gated->at_gate == 0)
        pthread_cond_wait(&gated->changed, &gated->lock);
    pthread_mutex_unlock(&gated->lock);
}

/* ---- the fixture ---- */

struct fixture {
    struct gated gated;
    struct recorder *recorder;
    int log;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    char path[] = "/tmp/stasis-recorder-XXXXXX";

    fixture->log = mkstemp(path);
    assert_true(fixture->log >= 0);
    (void)unlink(path);
    log_set_output(fixture->log);
    fixture->gated.ops.create = gated_create;
    fixture->gated.base.ops = &fixture->gated.ops;
    pthread_mutex_init(&fixture->gated.lock, NULL);
    pthread_cond_init(&fixture->gated.changed, NULL);
    fixture->recorder = recorder_new(&fixture->gated.base);
    *state = fixture;
    return 0;
}

static void close_recorder(struct fixture *fixture)
{
    recorder_free(TAKE(fixture->recorder));
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    open_gate(&fixture->gated);
    close_recorder(fixture);
    log_set_output(STDERR_FILENO);
    (void)close(fixture->log);
    strbuf_done(&fixture->gated.told);
    pthread_cond_destroy(&fixture->gated.changed);
    pthread_mutex_destroy(&fixture->gated.lock);
    free(fixture);
    return 0;
}

static void post(struct fixture *fixture, const char *reason)
{
    const struct event_subject subject = {.kind = KIND_BATCH_SANDBOX, .ns = "test", .name = "demo"};
    recorder_post(fixture->recorder, &subject, false, reason, "");
}

static void post_number(struct fixture *fixture, unsigned number)
{
    SCOPED(string) char *reason = xasprintf("Number%u", number);
    post(fixture, reason);
}

/* How many lines of the log have this message. */
static unsigned logged(struct fixture *fixture, const char *message)
{
    char text[16384];
    ssize_t length = pread(fixture->log, text, sizeof(text) - 1, 0);
    unsigned count = 0;

    assert_true(length >= 0);
    text[length] = '\0';
    for (const char *at = text; (at = strstr(at, message)); at++)
        count++;
    return count;
}

/* ---- */

static void a_post_does_not_wait_for_the_cluster(void **state)
{
    struct fixture *fixture = *state;

    post(fixture, "Pausing");
    post(fixture, "Paused"); /* would never return, with the gate shut */
    assert_false(recorder_flush(fixture->recorder, 0));
    open_gate(&fixture->gated);
    assert_true(recorder_flush(fixture->recorder, PATIENCE_MS));
    assert_string_equal(strbuf_text(&fixture->gated.told), "Pausing\nPaused\n");
}

static void what_is_under_way_is_not_flushed_yet(void **state)
{
    struct fixture *fixture = *state;

    post(fixture, "Paused");
    await_one_at_gate(&fixture->gated);
    assert_false(recorder_flush(fixture->recorder, 0));
}

static void without_posts_there_is_nothing_to_flush(void **state)
{
    struct fixture *fixture = *state;

    assert_true(recorder_flush(fixture->recorder, 0));
}

static void a_full_queue_drops_the_oldest_and_says_so_once(void **state)
{
    enum { TOO_MANY = 3 };
    struct fixture *fixture = *state;

    post(fixture, "UnderWay");
    await_one_at_gate(&fixture->gated);
    for (unsigned i = 0; i < RECORDER_QUEUE_MAX + TOO_MANY; i++)
        post_number(fixture, i);
    assert_int_equal(logged(fixture, "dropping events"), 1);
    open_gate(&fixture->gated);
    assert_true(recorder_flush(fixture->recorder, PATIENCE_MS));
    assert_int_equal(fixture->gated.told_count, 1 + RECORDER_QUEUE_MAX);
    assert_contains(strbuf_text(&fixture->gated.told), "UnderWay\nNumber3\nNumber4\n");
    SCOPED(string) char *last = xasprintf("\nNumber%d\n", RECORDER_QUEUE_MAX + TOO_MANY - 1);
    assert_contains(strbuf_text(&fixture->gated.told), last);
    close_recorder(fixture); /* its thread has said everything */
    assert_int_equal(logged(fixture, "\"dropped\":3"), 1);
}

static void what_was_posted_before_the_end_is_told(void **state)
{
    struct fixture *fixture = *state;

    fixture->gated.open = true;
    for (unsigned i = 0; i < 50; i++)
        post_number(fixture, i);
    close_recorder(fixture);
    assert_int_equal(fixture->gated.told_count, 50);
}

static void the_end_does_not_wait_for_ever(void **state)
{
    enum { POSTED = 40 };
    struct fixture *fixture = *state;

    fixture->gated.slow_ms = 500;
    for (unsigned i = 0; i < POSTED; i++)
        post_number(fixture, i);
    close_recorder(fixture); /* two seconds of them, and the one under way; all would be twenty */
    assert_in_range(fixture->gated.told_count, 1, POSTED / 2);
    assert_int_equal(logged(fixture, "stopped before all events were posted"), 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_post_does_not_wait_for_the_cluster),    TEST(what_is_under_way_is_not_flushed_yet),
        TEST(without_posts_there_is_nothing_to_flush), TEST(a_full_queue_drops_the_oldest_and_says_so_once),
        TEST(what_was_posted_before_the_end_is_told),  TEST(the_end_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests_name("recorder's queue", tests, NULL, NULL);
}
