/* The agent is killed while the image of a pod that is gone already is on its way: the next one goes on from what was handed
 * over, for whoever asks by the same key and brings credentials. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "tests/integration/commit/leftovers.h"
#include "tests/integration/commit/orchestrator.h"
#include "tests/integration/commit/sh.h"
#include "tests/unit/testing.h"

static struct {
    struct node node;
    struct agent_process agent;
    struct gate *gate;
    struct sandbox sandbox;
    struct orchestrator orchestrator;
} world;

static int start(void **state)
{
    struct error err;
    (void)state;

    if (node_open(&world.node) < 0 || !getenv("STASIS_TEST_AGENT"))
        return -1;
    world.gate = gate_start(world.node.registry);
    world.agent.program = getenv("STASIS_TEST_AGENT");
    world.agent.containerd_socket = world.node.socket;
    world.agent.dir = xasprintf("%s/agent", world.node.dir);
    assert_ok(dir_ensure(world.agent.dir, 0700, &err), &err);
    sandbox_start(&world.node, &world.sandbox);
    orchestrator_init(&world.orchestrator, FAIL_IN_HANDOVER);
    world.orchestrator.agent = &world.agent;
    world.orchestrator.sandbox = &world.sandbox;
    world.orchestrator.gate = world.gate;
    return 0;
}

static int end(void **state)
{
    (void)state;
    gate_set_open(world.gate, true);
    agent_kill(&world.agent);
    sandbox_done(&world.sandbox);
    orchestrator_done(&world.orchestrator);
    gate_stop(world.gate);
    free(world.agent.dir);
    node_close(&world.node);
    return 0;
}

/* Every blob that the registry knows in the member's repository. The caller frees. */
static char *blobs_of(const struct member *member)
{
    SCOPED(string) char *repository = sandbox_repository(&world.sandbox, member);
    SCOPED(string)
    char *command = xasprintf("ls %s/registry/data/docker/registry/v2/repositories/%s/_layers/sha256",
                              world.node.dir, repository);
    FILE *out = popen(command, "r");
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    char piece[4096];
    size_t got;

    assert_non_null(out);
    while ((got = fread(piece, 1, sizeof(piece), out)) > 0)
        (void)strbuf_append(&text, piece, got);
    (void)pclose(out);
    return xstrdup(strbuf_text(&text));
}

static void die_at(const char *point)
{
    agent_start(&world.agent, point);
    assert_int_equal(orchestrate(&world.orchestrator), ENDED_WITH_AGENT);
    assert_true(agent_was_killed(&world.agent));
    assert_true(world.orchestrator.released);
    assert_true(world.sandbox.deleted); /* nobody is left to be frozen again */
}

static void go_on_to_the_end(void)
{
    if (orchestrate(&world.orchestrator) != ENDED_WELL)
        fail_msg("%s", world.orchestrator.err.text);
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++) {
        assert_one_image(&world.sandbox, &world.sandbox.members[i], "snap", world.orchestrator.digests[i]);
        sandbox_assert_image(&world.sandbox, &world.sandbox.members[i], "snap");
    }
}

static void the_layer_that_was_on_its_way_is_the_one_that_arrives(void **state)
{
    const struct member *first = &world.sandbox.members[0];
    (void)state;

    die_at("layer_uploaded");
    SCOPED(string) char *uploaded = blobs_of(first);
    agent_start(&world.agent, NULL);
    go_on_to_the_end();
    assert_contains(uploaded, world.orchestrator.layer_digests[0] + strlen("sha256:"));
}

static void it_goes_on_as_soon_as_somebody_brings_credentials(void **state)
{
    const char *password = world.orchestrator.password;
    (void)state;

    die_at("config_uploaded");
    agent_start(&world.agent, NULL);
    assert_int_not_equal(sh("grep -rqF %s %s", password, world.agent.dir), 0);

    world.orchestrator.password = "wrong";
    assert_int_equal(orchestrate(&world.orchestrator), ENDED_REFUSED);
    assert_contains(world.orchestrator.err.text, "RegistryUnauthorized");
    assert_true(world.orchestrator.was_handed_over);

    world.orchestrator.password = password;
    go_on_to_the_end();
}

/* Kills the agent once it has noted both uploads, which stand still. */
static void *kill_when_noted(void *arg)
{
    (void)arg;
    while (sh("test $(ls %s/spool | grep -c ^upload-) = %d", world.agent.dir, SANDBOX_COMMITTED) != 0)
        (void)poll(NULL, 0, 5); /* nobody announces it; the test has a time limit */
    (void)kill(world.agent.pid, SIGKILL);
    return NULL;
}

static void an_upload_that_was_open_is_ended_by_whoever_asks_again(void **state)
{
    SCOPED_UPLOADS struct uploads uploads;
    pthread_t killer;
    (void)state;

    world.orchestrator.kind = FAIL_IN_HOLD;
    world.orchestrator.gate_stays_closed = true;
    agent_start(&world.agent, NULL);
    assert_int_equal(pthread_create(&killer, NULL, kill_when_noted, NULL), 0);
    assert_int_equal(orchestrate(&world.orchestrator), ENDED_WITH_AGENT);
    (void)pthread_join(killer, NULL);
    assert_true(agent_was_killed(&world.agent));
    gate_cut(world.gate);
    uploads_note(&world.sandbox, world.agent.dir, &uploads);
    assert_contains(uploads.open, "startedat");

    world.orchestrator.gate_stays_closed = false;
    agent_start(&world.agent, NULL);
    go_on_to_the_end();
    assert_uploads_ended(&world.sandbox, world.agent.dir, &uploads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_layer_that_was_on_its_way_is_the_one_that_arrives, start, end),
        cmocka_unit_test_setup_teardown(an_upload_that_was_open_is_ended_by_whoever_asks_again, start, end),
        cmocka_unit_test_setup_teardown(it_goes_on_as_soon_as_somebody_brings_credentials, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
