/* The agent is killed at every failpoint of a commit (commit/failpoints.h), in every kind of commit that passes it, and started
 * again; whoever asked for the commit asks again, or gives it up. The law, whichever way it was:
 *
 *   the sandbox runs with all its files, or its image in the registry (or on the node) has all of them, to the attribute;
 *   nobody is frozen, and nothing is left (leftovers.h)
 *
 * A point that a kind of commit does not reach fails the test: a row that cannot fire is a lie. */
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "tests/integration/commit/leftovers.h"
#include "tests/integration/commit/orchestrator.h"
#include "tests/integration/commit/sh.h"
#include "tests/unit/testing.h"

enum after { ASKED_AGAIN, GIVEN_UP };

struct row {
    char *name;           /* as a test: "killed at frozen, while handed over, asked again" */
    char *point;          /* as STASIS_FAILPOINT has it */
    const char *again_at; /* and once more there, while that is settled; NULL: no more */
    unsigned kind;
    enum after after;
};

static struct {
    struct node node;
    struct agent_process agent;
    struct gate *gate;
    struct sandbox sandbox;
    struct orchestrator orchestrator;
} world;

/* ---- the rows ---- */

static const struct {
    unsigned kind;
    const char *text;
} kinds[] = {{FAIL_IN_HOLD, "while held"},
             {FAIL_IN_HANDOVER, "while handed over"},
             {FAIL_IN_LATE_HANDOVER, "while handed over late"},
             {FAIL_IN_LIVE, "in a live snapshot"},
             {FAIL_IN_GIVEN_UP, "while released by thawing"},
             {FAIL_IN_KEPT_LOCALLY, "while kept locally"},
             {FAIL_IN_DISCARDED, "while discarded"}};

static const struct {
    const char *name;
    unsigned kinds;
} points[] = {
#define X(name, kinds) {#name, kinds},
    COMMIT_FAILPOINTS(X)
#undef X
};

static struct row *row_new(const char *point, int pass, size_t kind, enum after after)
{
    struct row *row = xcalloc(1, sizeof(*row));

    row->point = pass == 1 ? xstrdup(point) : xasprintf("%s:%d", point, pass);
    row->kind = kinds[kind].kind;
    row->after = after;
    row->name = xasprintf("killed at %s, %s, then %s", row->point, kinds[kind].text,
                          after == ASKED_AGAIN ? "asked again" : "given up");
    return row;
}

/* One kind at one point. What was promised to an end cannot be given up. */
static size_t rows_of(size_t point, size_t kind, struct row **rows)
{
    bool may_be_given_up = kinds[kind].kind & (FAIL_IN_PUSHES | FAIL_IN_LATE_HANDOVER);
    size_t count = 0;

    rows[count++] = row_new(points[point].name, 1, kind, ASKED_AGAIN);
    if (points[point].kinds & FAIL_AT_EACH)
        rows[count++] = row_new(points[point].name, 2, kind, ASKED_AGAIN);
    if (may_be_given_up)
        rows[count++] = row_new(points[point].name, 1, kind, GIVEN_UP);
    return count;
}

/* What the next process settles at its start can be cut short as well. */
static const struct {
    const char *point, *again_at;
    size_t kind; /* in kinds */
} twice[] = {{"frozen", "container_thawed", 0},
             {"frozen", "container_thawed:3", 1},
             {"frozen", "thawed", 3},
             {"expired_journalled", "thawed", 4},
             {"killing_journalled", "container_killed", 0},
             {"killing_journalled", "all_killed", 1},
             {"killing_journalled", "snapshot_committed", 1},
             {"all_killed", "snapshot_committed:2", 2},
             {"all_killed", "handed_over_journalled", 1},
             {"all_killed", "alias_made", 2},
             {"all_killed", "killed_journalled", 0}};

static struct row *row_twice(size_t i)
{
    struct row *row = row_new(twice[i].point, 1, twice[i].kind, ASKED_AGAIN);

    row->again_at = twice[i].again_at;
    free(row->name);
    row->name = xasprintf("killed at %s, %s, and at %s when it is settled", row->point,
                          kinds[twice[i].kind].text, row->again_at);
    return row;
}

/* ---- a world for one row ---- */

static int start_world(void **state)
{
    struct error err;
    (void)state;

    if (node_open(&world.node) < 0)
        return -1;
    world.gate = gate_start(world.node.registry);
    world.agent.program = getenv("STASIS_TEST_AGENT");
    world.agent.containerd_socket = world.node.socket;
    world.agent.dir = xasprintf("%s/agent", world.node.dir);
    assert_ok(dir_ensure(world.agent.dir, 0700, &err), &err);
    return world.agent.program ? 0 : -1;
}

static int end_world(void **state)
{
    (void)state;
    gate_stop(world.gate);
    free(world.agent.dir);
    node_close(&world.node);
    return 0;
}

static int start_sandbox(void **state)
{
    const struct row *row = *state;

    sandbox_start(&world.node, &world.sandbox);
    orchestrator_init(&world.orchestrator, row->kind);
    world.orchestrator.agent = &world.agent;
    world.orchestrator.sandbox = &world.sandbox;
    world.orchestrator.gate = world.gate;
    sandbox_note_files(&world.sandbox); /* for what is left of it when it runs on */
    return 0;
}

static int end_sandbox(void **state)
{
    (void)state;
    gate_set_open(world.gate, true);
    agent_kill(&world.agent);
    /* What is remembered for an hour, or for a week where it was given up: the next row begins anew. */
    (void)sh("rm -f %s/spool/upload-* %s/commits/*", world.agent.dir, world.agent.dir);
    sandbox_done(&world.sandbox);
    orchestrator_done(&world.orchestrator);
    return 0;
}

/* ---- the law ---- */

static void must_end_well(enum ending ending)
{
    if (ending != ENDED_WELL) {
        (void)sh("grep -vF '\"level\":\"info\"' %s/log | tail -n 60 >&2", world.agent.dir);
        fail_msg("%s: %s", ending == ENDED_REFUSED ? "refused" : "the agent died",
                 world.orchestrator.err.text);
    }
}

static void assert_paused(void)
{
    const struct orchestrator *orchestrator = &world.orchestrator;

    sandbox_delete(&world.sandbox);
    agent_kill(&world.agent); /* once more; and this one sees that nobody needs the commit any more */
    agent_start_forgetful(&world.agent);
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++) {
        assert_one_image(&world.sandbox, &world.sandbox.members[i], "snap", orchestrator->digests[i]);
        sandbox_assert_image(&world.sandbox, &world.sandbox.members[i], "snap");
    }
    assert_nothing_is_left(&world.sandbox, orchestrator->key, world.agent.dir);
}

static void assert_runs(void)
{
    assert_int_equal(sandbox_frozen(&world.sandbox), 0);
    assert_true(sandbox_runs(&world.sandbox));
    assert_nothing_is_left(&world.sandbox, world.orchestrator.key, world.agent.dir);
    assert_nothing_is_kept(&world.sandbox, world.orchestrator.key);
}

static void assert_live(void)
{
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++) {
        assert_one_image(&world.sandbox, &world.sandbox.members[i], "snap", world.orchestrator.digests[i]);
        sandbox_assert_live_image(&world.sandbox, &world.sandbox.members[i], "snap");
    }
    assert_runs();
}

static void assert_kept(void)
{
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++) {
        SCOPED(string) char *repository = sandbox_repository(&world.sandbox, &world.sandbox.members[i]);
        SCOPED(string) char *image = xasprintf("%s/%s:snap", gate_host(world.gate), repository);
        sandbox_assert_local_image(&world.sandbox, &world.sandbox.members[i], image);
    }
    must_end_well(orchestrate_discard(&world.orchestrator)); /* the sandbox was deleted: now all of it goes */
    assert_nothing_is_left(&world.sandbox, world.orchestrator.key, world.agent.dir);
    assert_nothing_is_kept(&world.sandbox, world.orchestrator.key);
}

static void assert_discarded(void)
{
    assert_nothing_is_left(&world.sandbox, world.orchestrator.key, world.agent.dir);
    assert_nothing_is_kept(&world.sandbox, world.orchestrator.key);
}

/* Cancelled: it runs, unless nobody could run any more; then it must end paused. */
static void give_up(void)
{
    struct orchestrator *orchestrator = &world.orchestrator;

    must_end_well(orchestrate_cancel(orchestrator));
    if (!orchestrator->released && sandbox_runs(&world.sandbox)) {
        assert_runs();
        return;
    }
    must_end_well(orchestrate(orchestrator));
    if (orchestrator->kind != FAIL_IN_LIVE)
        assert_paused();
}

static void ask_again(void)
{
    struct orchestrator *orchestrator = &world.orchestrator;

    switch (orchestrator->kind) {
    case FAIL_IN_GIVEN_UP:
        must_end_well(orchestrate_thaw(orchestrator));
        assert_runs();
        return;
    case FAIL_IN_DISCARDED:
        must_end_well(orchestrate_discard(orchestrator));
        assert_discarded();
        return;
    case FAIL_IN_LIVE:
        must_end_well(orchestrate(orchestrator));
        assert_live();
        return;
    case FAIL_IN_KEPT_LOCALLY:
        must_end_well(orchestrate(orchestrator));
        assert_kept();
        return;
    default:
        must_end_well(orchestrate(orchestrator));
        assert_paused();
    }
}

static void the_law_holds(void **state)
{
    const struct row *row = *state;

    agent_start(&world.agent, row->point);
    enum ending ending = orchestrate(&world.orchestrator);
    if (ending == ENDED_REFUSED)
        fail_msg("refused before %s: %s", row->point, world.orchestrator.err.text);
    if (!agent_was_killed(&world.agent))
        fail_msg("the commit ended, and %s was not reached", row->point);
    SCOPED_UPLOADS struct uploads uploads;
    uploads_note(&world.sandbox, world.agent.dir, &uploads);
    if (row->again_at && !agent_dies_at_start(&world.agent, row->again_at))
        fail_msg("%s was not settled by way of %s", row->point, row->again_at);
    agent_start(&world.agent, NULL);
    if (row->after == GIVEN_UP) {
        give_up(); /* who gives up brings no credentials to end an upload */
        return;
    }
    ask_again();
    if (row->kind & (FAIL_IN_PUSHES | FAIL_IN_LATE_HANDOVER))
        assert_uploads_ended(&world.sandbox, world.agent.dir, &uploads);
}

static struct CMUnitTest test_of(struct row *row)
{
    return (struct CMUnitTest){.name = row->name,
                               .test_func = the_law_holds,
                               .setup_func = start_sandbox,
                               .teardown_func = end_sandbox,
                               .initial_state = row};
}

int main(int argc, char **argv)
{
    enum { POINTS = sizeof(points) / sizeof(points[0]), KINDS = sizeof(kinds) / sizeof(kinds[0]) };
    enum { TWICE = sizeof(twice) / sizeof(twice[0]), ROWS_MAX = POINTS * KINDS * 3 + TWICE };
    struct CMUnitTest tests[ROWS_MAX];
    struct row *rows[ROWS_MAX];
    size_t count = 0;

    for (size_t point = 0; point < POINTS; point++)
        for (size_t kind = 0; kind < KINDS; kind++)
            if (points[point].kinds & kinds[kind].kind)
                count += rows_of(point, kind, &rows[count]);
    for (size_t i = 0; i < TWICE; i++)
        rows[count++] = row_twice(i);
    for (size_t i = 0; i < count; i++)
        tests[i] = test_of(rows[i]);
    if (argc > 1) /* one of them, by a pattern */
        cmocka_set_test_filter(argv[1]);
    int failures = _cmocka_run_group_tests("crashes", tests, count, start_world, end_world);
    for (size_t i = 0; i < count; i++) {
        free(rows[i]->name);
        free(rows[i]->point);
        free(rows[i]);
    }
    return failures;
}
