/* Discovery on a real informer, whose stream the test dictates. */
#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/dispatch/discovery.h"
#include "tests/unit/snapshot-svc/dispatch/pods_cluster.h"

#define NS "stasis-system"

struct fixture {
    struct pods_cluster pods;
    struct informer *informer;
    struct agents *agents;
    struct discovery *discovery;
    unsigned changes; /* told by the table */
};

static void count_change(void *self, const char *node)
{
    (void)node;
    ((struct fixture *)self)->changes++;
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error err = {0};

    pods_cluster_init(&fixture->pods);
    const struct informer_options options = {
        .cluster = &fixture->pods.cluster, .kind = KIND_POD, .ns = NS, .labels = DISCOVERY_SELECTOR};
    fixture->informer = informer_new(&options);
    fixture->agents = agents_new(NULL);
    agents_subscribe(fixture->agents, count_change, fixture);
    const struct discovery_options discovery = {
        .pods = fixture->informer, .agents = fixture->agents, .ns = NS};
    fixture->discovery = discovery_new(&discovery);
    assert_ok(informer_start(fixture->informer, &err), &err);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    informer_free(fixture->informer);
    discovery_free(fixture->discovery);
    agents_free(fixture->agents);
    pods_cluster_done(&fixture->pods);
    free(fixture);
    return 0;
}

/* ---- pods ---- */

/* A pod that counts; a test changes what it is about. */
static json_t *agent_pod(const char *name, const char *node, const char *ip)
{
    SCOPED(string) char *uid = xasprintf("uid-of-%s", name);

    json_t *pod = json_pack(
        "{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:{s:s}}, s:{s:s, s:[{s:s}]}, s:{s:s, s:s, s:[{s:s, s:s}]}}",
        "apiVersion", "v1", "kind", "Pod", "metadata", "name", name, "namespace", NS, "uid", uid,
        "creationTimestamp", "2029-06-01T10:00:00Z", "labels", DISCOVERY_LABEL, DISCOVERY_LABEL_VALUE, "spec",
        "nodeName", node, "containers", "name", "agent", "status", "phase", "Running", "podIP", ip,
        "conditions", "type", "Ready", "status", "True");
    assert_non_null(pod);
    return pod;
}

static json_t *changed(json_t *pod, const char *merge_patch)
{
    struct error err = {0};
    SCOPED(json) json_t *patch = NULL;
    SCOPED(string) char *text = xstrdup(merge_patch);

    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    assert_ok(json_parse(text, strlen(text), "patch", &patch, &err), &err);
    return json_merge_patch(pod, patch);
}

static void comes(struct fixture *fixture, json_t *pod)
{
    pods_cluster_tell(&fixture->pods, WATCH_ADDED, pod);
}

static void becomes(struct fixture *fixture, json_t *pod)
{
    pods_cluster_tell(&fixture->pods, WATCH_MODIFIED, pod);
}

static void goes(struct fixture *fixture, json_t *pod)
{
    pods_cluster_tell(&fixture->pods, WATCH_DELETED, pod);
}

/* Putting what is there already is no news: so a table's address is asked for. */
static void assert_address(struct fixture *fixture, const char *node, const char *address)
{
    assert_true(agents_has(fixture->agents, node));
    const unsigned before = fixture->changes;
    agents_put(fixture->agents, node, address);
    assert_int_equal(fixture->changes, before);
}

/* ---- one pod ---- */

static void a_ready_pod_is_its_nodes_agent(void **state)
{
    struct fixture *fixture = *state;

    comes(fixture, agent_pod("agent-x", "node-a", "10.1.2.3"));
    assert_address(fixture, "node-a", "10.1.2.3:9091");
    assert_false(agents_has(fixture->agents, "node-b"));
}

static void an_address_has_the_named_port_and_brackets_where_they_are_due(void **state)
{
    static const struct {
        const char *ip, *containers, *address;
    } rows[] = {
        {"10.0.0.1", "[{'name': 'agent'}]", "10.0.0.1:9091"},
        {"10.0.0.1", "[{'name': 'a', 'ports': [{'name': 'grpc', 'containerPort': 7000}]}]", "10.0.0.1:7000"},
        {"10.0.0.1",
         "[{'name': 'a', 'ports': [{'containerPort': 1}]}, {'name': 'b', 'ports': "
         "[{'name': 'metrics', 'containerPort': 2}, {'name': 'grpc', 'containerPort': 3}]}]",
         "10.0.0.1:3"},
        {"10.0.0.1", "[{'name': 'a', 'ports': [{'name': 'grpc', 'containerPort': 0}]}]", "10.0.0.1:9091"},
        {"10.0.0.1", "[{'name': 'a', 'ports': [{'name': 'grpc', 'containerPort': 65536}]}]", "10.0.0.1:9091"},
        {"10.0.0.1", "[{'name': 'a', 'ports': [{'name': 'grpc', 'containerPort': '80'}]}]", "10.0.0.1:9091"},
        {"fd00::7", "[{'name': 'a'}]", "[fd00::7]:9091"},
        {"::1", "[{'name': 'a', 'ports': [{'name': 'grpc', 'containerPort': 65535}]}]", "[::1]:65535"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(string) char *node = xasprintf("node-%zu", i);
        SCOPED(string) char *patch = xasprintf("{'spec': {'containers': %s}}", rows[i].containers);
        comes(fixture, changed(agent_pod(node, node, rows[i].ip), patch));
        assert_address(fixture, node, rows[i].address);
    }
}

/* Each of these is no agent that we could call; and each stops being one when it becomes so. */
static void a_pod_that_does_not_count_is_nobodys_agent(void **state)
{
    static const char *const patches[] = {
        "{'metadata': {'labels': null}}",
        "{'metadata': {'labels': {'" DISCOVERY_LABEL "': 'snapshot-svc'}}}",
        "{'metadata': {'deletionTimestamp': '2029-06-01T11:00:00Z'}}",
        "{'spec': {'nodeName': null}}",
        "{'spec': {'nodeName': ''}}",
        "{'status': {'podIP': null}}",
        "{'status': {'podIP': ''}}",
        "{'status': {'podIP': 'unix:/run/evil.sock'}}",
        "{'status': {'podIP': 'evil.example.com'}}",
        "{'status': {'podIP': '10.0.0.1,10.0.0.2'}}",
        "{'status': {'phase': 'Pending'}}",
        "{'status': {'phase': 'Failed'}}",
        "{'status': {'conditions': null}}",
        "{'status': {'conditions': [{'type': 'Ready', 'status': 'False'}]}}",
        "{'status': {'conditions': [{'type': 'Ready', 'status': 'Unknown'}]}}",
        "{'status': {'conditions': 'Ready'}}",
        "{'status': null}",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(patches) / sizeof(*patches); i++) {
        SCOPED(string) char *name = xasprintf("agent-%zu", i);
        comes(fixture, agent_pod(name, "node-a", "10.0.0.1"));
        assert_true(agents_has(fixture->agents, "node-a"));
        becomes(fixture, changed(agent_pod(name, "node-a", "10.0.0.1"), patches[i]));
        if (agents_has(fixture->agents, "node-a"))
            fail_msg("it still counts: %s", patches[i]);
        becomes(fixture, agent_pod(name, "node-a", "10.0.0.1"));
        assert_true(agents_has(fixture->agents, "node-a"));
        goes(fixture, agent_pod(name, "node-a", "10.0.0.1"));
        assert_false(agents_has(fixture->agents, "node-a"));
    }
    comes(fixture, changed(agent_pod("nameless", "node-a", "10.0.0.1"), "{'metadata': {'uid': null}}"));
    assert_false(agents_has(fixture->agents, "node-a"));
}

static void a_pod_of_another_namespace_is_nobodys_agent(void **state)
{
    struct fixture *fixture = *state;

    comes(fixture, changed(agent_pod("impostor", "node-a", "10.0.0.1"),
                           "{'metadata': {'namespace': 'somebody-elses'}}"));
    assert_false(agents_has(fixture->agents, "node-a"));
}

static void what_does_not_matter_changes_nothing(void **state)
{
    struct fixture *fixture = *state;

    comes(fixture, agent_pod("agent-x", "node-a", "10.0.0.1"));
    assert_int_equal(fixture->changes, 1);
    becomes(fixture, changed(agent_pod("agent-x", "node-a", "10.0.0.1"),
                             "{'metadata': {'annotations': {'a': 'b'}}, 'status': {'message': 'fine'}}"));
    assert_int_equal(fixture->changes, 1);
}

static void a_pod_that_gets_another_ip_moves(void **state)
{
    struct fixture *fixture = *state;

    comes(fixture, agent_pod("agent-x", "node-a", "10.0.0.1"));
    becomes(fixture, agent_pod("agent-x", "node-a", "10.0.0.2"));
    assert_int_equal(fixture->changes, 2);
    assert_address(fixture, "node-a", "10.0.0.2:9091");
}

static void a_container_restarted_in_place_is_another_process(void **state)
{
    struct fixture *fixture = *state;

    comes(fixture, agent_pod("agent-x", "node-a", "10.0.0.1"));
    becomes(fixture, changed(agent_pod("agent-x", "node-a", "10.0.0.1"),
                             "{'status': {'containerStatuses': [{'name': 'agent', 'restartCount': 1}]}}"));
    assert_int_equal(fixture->changes, 2);
}

/* ---- two pods on a node ---- */

static json_t *younger(json_t *pod)
{
    return changed(pod, "{'metadata': {'creationTimestamp': '2029-06-01T10:05:00Z'}}");
}

static void of_two_on_a_node_the_younger_wins_whoever_comes_first(void **state)
{
    struct fixture *fixture = *state;

    comes(fixture, agent_pod("old", "node-a", "10.0.0.1"));
    comes(fixture, younger(agent_pod("new", "node-a", "10.0.0.2")));
    assert_address(fixture, "node-a", "10.0.0.2:9091");
    goes(fixture, agent_pod("old", "node-a", "10.0.0.1"));
    assert_address(fixture, "node-a", "10.0.0.2:9091");

    comes(fixture, younger(agent_pod("new-b", "node-b", "10.0.1.2")));
    comes(fixture, agent_pod("old-b", "node-b", "10.0.1.1"));
    assert_address(fixture, "node-b", "10.0.1.2:9091");
}

static void a_younger_one_that_is_not_ready_does_not_win_yet(void **state)
{
    static const char not_ready[] = "{'status': {'conditions': [{'type': 'Ready', 'status': 'False'}]}}";
    struct fixture *fixture = *state;

    comes(fixture, agent_pod("old", "node-a", "10.0.0.1"));
    comes(fixture, changed(younger(agent_pod("new", "node-a", "10.0.0.2")), not_ready));
    assert_address(fixture, "node-a", "10.0.0.1:9091");
    becomes(fixture, younger(agent_pod("new", "node-a", "10.0.0.2")));
    assert_address(fixture, "node-a", "10.0.0.2:9091");
    becomes(fixture, changed(younger(agent_pod("new", "node-a", "10.0.0.2")), not_ready));
    assert_address(fixture, "node-a", "10.0.0.1:9091"); /* back to the one that is */
}

static void a_successor_at_the_same_address_is_told_as_news(void **state)
{
    struct fixture *fixture = *state;

    comes(fixture, agent_pod("old", "node-a", "10.0.0.1"));
    comes(fixture, younger(agent_pod("new", "node-a", "10.0.0.1"))); /* on the host's network */
    assert_int_equal(fixture->changes, 2);
    goes(fixture, agent_pod("old", "node-a", "10.0.0.1"));
    assert_int_equal(fixture->changes, 2);
}

static void nodes_do_not_disturb_each_other(void **state)
{
    struct fixture *fixture = *state;

    comes(fixture, agent_pod("a", "node-a", "10.0.0.1"));
    comes(fixture, agent_pod("b", "node-b", "10.0.0.2"));
    goes(fixture, agent_pod("a", "node-a", "10.0.0.1"));
    assert_false(agents_has(fixture->agents, "node-a"));
    assert_address(fixture, "node-b", "10.0.0.2:9091");
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(a_ready_pod_is_its_nodes_agent),
        SCENE(an_address_has_the_named_port_and_brackets_where_they_are_due),
        SCENE(a_pod_that_does_not_count_is_nobodys_agent),
        SCENE(a_pod_of_another_namespace_is_nobodys_agent),
        SCENE(what_does_not_matter_changes_nothing),
        SCENE(a_pod_that_gets_another_ip_moves),
        SCENE(a_container_restarted_in_place_is_another_process),
        SCENE(of_two_on_a_node_the_younger_wins_whoever_comes_first),
        SCENE(a_younger_one_that_is_not_ready_does_not_win_yet),
        SCENE(a_successor_at_the_same_address_is_told_as_news),
        SCENE(nodes_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests_name("discovery", tests, NULL, NULL);
}
