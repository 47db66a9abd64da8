#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/metrics/metrics.h"
#include "snapshot-svc/controller/outcomes.h"

struct fixture {
    struct metrics *metrics;
    struct outcomes *outcomes;
    int version;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));

    fixture->metrics = metrics_new();
    fixture->outcomes = outcomes_new(fixture->metrics);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    outcomes_free(fixture->outcomes);
    metrics_free(fixture->metrics);
    free(fixture);
    return 0;
}

static struct object *in_phase(struct fixture *fixture, const char *phase)
{
    struct object *object = NULL;
    struct error err = {0};
    SCOPED(string) char *version = xasprintf("%d", ++fixture->version);
    json_t *json = json_pack("{s:{s:s, s:s, s:s, s:s}, s:{s:i, s:s}, s:{s:s}}", "metadata", "name", "demo",
                             "namespace", "test", "uid", "uid-1", "resourceVersion", version, "spec",
                             "replicas", 1, "sandboxName", "demo", "status", "phase", phase);

    assert_ok(object_adopt(json, &object, &err), &err);
    return object;
}

static void sandbox_goes(struct fixture *fixture, const char *from, const char *to)
{
    SCOPED(object) struct object *old = in_phase(fixture, from);
    SCOPED(object) struct object *now = in_phase(fixture, to);

    outcomes_sandbox_updated(fixture->outcomes, old, now);
}

static void snapshot_goes(struct fixture *fixture, const char *from, const char *to)
{
    SCOPED(object) struct object *old = in_phase(fixture, from);
    SCOPED(object) struct object *now = in_phase(fixture, to);

    outcomes_snapshot_updated(fixture->outcomes, old, now);
}

static void assert_metric(struct fixture *fixture, const char *line)
{
    SCOPED_STRBUF struct strbuf page = STRBUF_INIT;
    SCOPED(string) char *whole = xasprintf("\n%s\n", line);

    metrics_render(fixture->metrics, &page);
    assert_contains(strbuf_text(&page), whole);
}

static void a_pause_and_a_resume_are_counted_and_timed(void **state)
{
    struct fixture *fixture = *state;

    sandbox_goes(fixture, "Succeed", "Pausing");
    sandbox_goes(fixture, "Pausing", "Pausing"); /* a counter moved */
    sandbox_goes(fixture, "Pausing", "Paused");
    sandbox_goes(fixture, "Paused", "Resuming");
    sandbox_goes(fixture, "Resuming", "Succeed");
    assert_metric(fixture, "stasis_pauses_total{result=\"ok\"} 1");
    assert_metric(fixture, "stasis_resumes_total{result=\"ok\"} 1");
    assert_metric(fixture, "stasis_pause_seconds_count 1");
    assert_metric(fixture, "stasis_resume_seconds_count 1");
}

static void failures_are_counted_and_not_timed(void **state)
{
    struct fixture *fixture = *state;

    sandbox_goes(fixture, "Succeed", "Pausing");
    sandbox_goes(fixture, "Pausing", "Succeed");
    sandbox_goes(fixture, "Paused", "Resuming");
    sandbox_goes(fixture, "Resuming", "Failed");
    assert_metric(fixture, "stasis_pauses_total{result=\"failed\"} 1");
    assert_metric(fixture, "stasis_resumes_total{result=\"failed\"} 1");
    assert_metric(fixture, "stasis_pause_seconds_count 0");
}

/* Its beginning was another process's to see. */
static void a_pause_that_began_before_us_is_counted_only(void **state)
{
    struct fixture *fixture = *state;

    sandbox_goes(fixture, "Pausing", "Paused");
    assert_metric(fixture, "stasis_pauses_total{result=\"ok\"} 1");
    assert_metric(fixture, "stasis_pause_seconds_count 0");
}

static void a_sandbox_deleted_while_it_pauses_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = *state;

    sandbox_goes(fixture, "Succeed", "Pausing");
    SCOPED(object) struct object *last = in_phase(fixture, "Pausing");
    outcomes_sandbox_deleted(fixture->outcomes, last);
    sandbox_goes(fixture, "Pausing", "Paused"); /* another one of that uid, for the test's sake */
    assert_metric(fixture, "stasis_pause_seconds_count 0");
}

static void commits_are_counted_by_their_end(void **state)
{
    struct fixture *fixture = *state;

    snapshot_goes(fixture, "Committing", "Succeed");
    snapshot_goes(fixture, "Committing", "Failed");
    snapshot_goes(fixture, "Pending", "Failed"); /* nothing was committed */
    assert_metric(fixture, "stasis_commits_total{result=\"ok\"} 1");
    assert_metric(fixture, "stasis_commits_total{result=\"failed\"} 1");
}

static void the_time_that_containers_stood_still_is_told_by_the_path_of_their_commit(void **state)
{
    struct fixture *fixture = *state;
    SCOPED(object) struct object *old = in_phase(fixture, "Committing");
    SCOPED(object) struct object *now = in_phase(fixture, "Succeed");
    json_t *status = json_object_get(now->json, "status");

    json_object_set_new(status, "path", json_string("Handover"));
    json_object_set_new(status, "frozenMs", json_integer(30));
    outcomes_snapshot_updated(fixture->outcomes, old, now);
    assert_metric(fixture, "stasis_commit_frozen_seconds_count{path=\"Handover\"} 1");
    assert_metric(fixture, "stasis_commit_frozen_seconds_bucket{path=\"Handover\",le=\"0.05\"} 1");
    assert_metric(fixture, "stasis_commit_frozen_seconds_count{path=\"Hold\"} 0");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pause_and_a_resume_are_counted_and_timed),
        TEST(failures_are_counted_and_not_timed),
        TEST(a_pause_that_began_before_us_is_counted_only),
        TEST(a_sandbox_deleted_while_it_pauses_leaves_nothing_behind),
        TEST(commits_are_counted_by_their_end),
        TEST(the_time_that_containers_stood_still_is_told_by_the_path_of_their_commit),
    };
    return cmocka_run_group_tests_name("outcomes", tests, NULL, NULL);
}
