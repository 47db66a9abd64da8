/* Two replicas on one store: the kit's process leads, another one follows and leads later, with caches that may be old. */
#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/metrics/metrics.h"
#include "tests/unit/snapshot-svc/controller/kit.h"

#define PAUSE  "{\"spec\":{\"pause\":true}}"
#define RESUME "{\"spec\":{\"pause\":false}}"

enum { PATIENCE_MS = 60 * 1000 };

struct replica {
    struct fuse fuse;
    struct fused_cluster cluster;
    struct service service;
    struct controller *controller;
};

struct fixture {
    struct kit *kit;
    struct replica replica;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));

    fixture->kit = kit_new();
    kit_begin(fixture->kit);
    *state = fixture;
    return 0;
}

/* What it has listed is true; of this kind it hears nothing afterwards. */
static void begin_follower(struct fixture *fixture, enum cluster_kind deaf_kind)
{
    static const enum cluster_kind kinds[] = {KIND_BATCH_SANDBOX, KIND_SANDBOX_SNAPSHOT, KIND_POD};
    struct replica *replica = &fixture->replica;
    SCOPED(string) char *address = xasprintf("unix:%s", fixture->kit->socket);
    struct controller_options options = fixture->kit->options;
    struct error err = {0};

    fuse_init(&replica->fuse, NULL, NULL);
    fused_cluster_init(&replica->cluster, fixture->kit->local->cluster, &replica->fuse);
    replica->cluster.deaf_kind = deaf_kind;
    replica->service = (struct service){.cluster = &replica->cluster.cluster,
                                        .ns = KIT_NS,
                                        .metrics = metrics_new(),
                                        .agents = agents_new(NULL)};
    agents_put(replica->service.agents, KIT_NODE, address);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        const struct informer_options informer = {.cluster = replica->service.cluster, .kind = kinds[i]};
        replica->service.informers[kinds[i]] = informer_new(&informer);
    }
    options.service = &replica->service;
    replica->controller = controller_new(&options);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        assert_ok(informer_start(replica->service.informers[kinds[i]], &err), &err);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        assert_ok(informer_wait_synced(replica->service.informers[kinds[i]], PATIENCE_MS, &err), &err);
}

static void change_leader(struct fixture *fixture)
{
    struct error err = {0};

    controller_stop(fixture->kit->controller);
    assert_ok(controller_start(fixture->replica.controller, &err), &err);
}

static void end_follower(struct replica *replica)
{
    if (!replica->controller)
        return;
    controller_stop(replica->controller);
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        informer_free(replica->service.informers[kind]);
    agents_drop(replica->service.agents, KIT_NODE); /* it does not listen any more */
    controller_free(replica->controller);
    agents_free(replica->service.agents);
    metrics_free(replica->service.metrics);
    fuse_done(&replica->fuse);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    end_follower(&fixture->replica);
    kit_free(fixture->kit);
    free(fixture);
    return 0;
}

/* ---- words ---- */

static void run_demo(struct kit *kit)
{
    kit_create_sandbox(kit, "demo");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
}

static void pause_demo(struct kit *kit)
{
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
}

static void resume_demo(struct kit *kit)
{
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", RESUME);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
}

static void begin_pause_of_demo(struct kit *kit)
{
    fake_committer_plans(kit->agent, FAKE_WAITS);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    fake_committer_await_calls(kit->agent, 1);
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Committing");
}

static void finish_commit_of_demo(struct kit *kit)
{
    SCOPED(json) json_t *snapshot = kit_get(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    SCOPED(string) char *key = xasprintf("%s.1", json_path_string(snapshot, "metadata.uid"));

    fake_committer_succeeds(kit->agent, key);
}

static void assert_demo_runs(struct kit *kit, const char *tag)
{
    SCOPED(json) json_t *pod = kit_get(kit, KIND_POD, "demo-0");
    const json_t *container = json_array_get(json_path(pod, "spec.containers"), 0);

    assert_contains(json_path_string(container, "image"), tag);
}

/* ---- following ---- */

static bool follower_knows_that_demo_is_paused(struct kit *kit, const void *context)
{
    const struct replica *replica = context;
    SCOPED(object)
    struct object *demo = informer_get(replica->service.informers[KIND_BATCH_SANDBOX], KIT_NS, "demo");
    const char *phase = demo ? json_path_string(demo->json, "status.phase") : NULL;

    (void)kit;
    return phase && strcmp(phase, "Paused") == 0;
}

static bool has_metric(const struct service *service, const char *line)
{
    SCOPED_STRBUF struct strbuf page = STRBUF_INIT;
    SCOPED(string) char *whole = xasprintf("\n%s\n", line);

    metrics_render(service->metrics, &page);
    return strstr(strbuf_text(&page), whole) != NULL;
}

static bool leader_has_counted_a_pause(struct kit *kit, const void *context)
{
    (void)context;
    return has_metric(&kit->service, "stasis_pauses_total{result=\"ok\"} 1");
}

/* Nobody would ever take out what it queued, and what the leader did is counted once. */
static void a_follower_queues_nothing_and_counts_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct replica *replica = &fixture->replica;

    begin_follower(fixture, KIND_MAX);
    run_demo(fixture->kit);
    pause_demo(fixture->kit);
    kit_await(fixture->kit, follower_knows_that_demo_is_paused, replica, "the follower's news");
    kit_await(fixture->kit, leader_has_counted_a_pause, NULL, "the leader's count");
    controller_refresh_metrics(replica->controller);
    assert_true(has_metric(&replica->service, "stasis_workqueue_depth{controller=\"batchsandbox\"} 0"));
    assert_true(has_metric(&replica->service, "stasis_workqueue_depth{controller=\"sandboxsnapshot\"} 0"));
    assert_true(has_metric(&replica->service, "stasis_pauses_total{result=\"ok\"} 0"));
    assert_true(has_metric(&replica->service, "stasis_commits_total{result=\"ok\"} 0"));
}

/* ---- old caches ---- */

static void a_new_leader_never_resumes_from_the_snapshot_of_an_earlier_pause(void **state)
{
    struct fixture *fixture = *state;
    struct kit *kit = fixture->kit;

    run_demo(kit);
    pause_demo(kit);
    begin_follower(fixture, KIND_SANDBOX_SNAPSHOT); /* it knows snap-gen1, and never hears of another */
    resume_demo(kit);
    pause_demo(kit);
    change_leader(fixture);
    resume_demo(kit);
    assert_demo_runs(kit, ":snap-gen2@");
}

static void a_new_leader_resumes_from_a_snapshot_that_it_has_not_heard_of(void **state)
{
    struct fixture *fixture = *state;
    struct kit *kit = fixture->kit;

    run_demo(kit);
    begin_follower(fixture, KIND_SANDBOX_SNAPSHOT);
    pause_demo(kit);
    change_leader(fixture);
    resume_demo(kit);
    assert_demo_runs(kit, ":snap-gen1@");
}

/* The kit's law: no sandbox is Paused while its pod is there. */
static void a_new_leader_deletes_a_pod_that_it_has_not_heard_of(void **state)
{
    struct fixture *fixture = *state;
    struct kit *kit = fixture->kit;

    begin_follower(fixture, KIND_POD);
    run_demo(kit);
    begin_pause_of_demo(kit);
    change_leader(fixture);
    finish_commit_of_demo(kit);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
    kit_await_gone(kit, KIND_POD, "demo-0");
}

static void a_new_leader_commits_a_pod_that_it_has_not_heard_of(void **state)
{
    struct fixture *fixture = *state;
    struct kit *kit = fixture->kit;

    begin_follower(fixture, KIND_POD);
    run_demo(kit);
    agents_drop(kit->service.agents, KIT_NODE); /* so the first leader does not begin */
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Pending");
    change_leader(fixture);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_follower_queues_nothing_and_counts_nothing),
        TEST(a_new_leader_never_resumes_from_the_snapshot_of_an_earlier_pause),
        TEST(a_new_leader_resumes_from_a_snapshot_that_it_has_not_heard_of),
        TEST(a_new_leader_deletes_a_pod_that_it_has_not_heard_of),
        TEST(a_new_leader_commits_a_pod_that_it_has_not_heard_of),
    };
    return cmocka_run_group_tests_name("a change of leader", tests, NULL, NULL);
}
