/* Snapshots that are not a pause's: what becomes of them as their sandbox is paused and resumed, and who may ask for one.
 * Contract rest-api.md §12, A17; controller-behaviour.md §8, K21. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/snapshot_admission.h"

#define PUBLIC (world->now.public_snapshot)

/* A sandbox in this phase, with the snapshot of its pause in that one (NULL: none), and a public snapshot that has not begun. */
static struct world *with_source(const char *phase, const char *pause)
{
    static struct world world;

    world_init(&world, phase);
    if (pause)
        (void)snapshot_appears(&world, pause);
    world.now.public_snapshot = json_pack("{s:{s:s, s:s, s:s, s:i, s:s, s:[s]}, s:{s:s}}", "metadata", "name",
                                          "osb-snap-0123456789abcdef0123456789abcdef", "namespace", "default",
                                          "uid", "uid-public", "generation", 1, "resourceVersion", "public-1",
                                          "finalizers", FINALIZER_SNAPSHOT, "spec", "sandboxName", "demo");
    return &world;
}

static void done(struct world *world)
{
    if (world->broken_law)
        fail_msg("law broken: %s", world->broken_law);
    world_done(world);
}

/* One pass over the public one, whatever other snapshot there is. */
static const char *public_pass(struct world *world)
{
    static char text[256];
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_snapshot(world, &world->now, true, &plan);
    (void)world_execute(world, &plan, SIZE_MAX);
    SCOPED(string) char *spelled = plan_text(&plan);
    (void)snprintf(text, sizeof(text), "%s", spelled);
    return text;
}

static const json_t *image(const json_t *snapshot)
{
    return json_array_get(json_path(snapshot, "status.containers"), 0);
}

/* ---- of a paused sandbox ---- */

static void a_paused_sandbox_is_referred_to_and_nothing_is_committed(void **state)
{
    (void)state;
    struct world *world = with_source("Paused", "Succeed");
    json_t *pause = json_object_get(world->now.snapshot, "status");

    json_object_set_new(pause, "size", json_integer(4711));
    json_object_set_new(pause, "layers", json_integer(3));
    world->truth = -1; /* the pause of this test has no files */
    assert_string_equal(public_pass(world), "status(Succeed) event(Referenced)");
    assert_string_equal(text_at(PUBLIC, "status.path"), "Reference");
    assert_true(json_equal(image(PUBLIC), image(world->now.snapshot)));
    assert_string_not_equal(text_at(image(PUBLIC), "imageDigest"), "");
    assert_int_equal(status_number(PUBLIC, "size"), 4711);
    assert_int_equal(status_number(PUBLIC, "layers"), 3);
    assert_string_equal(condition_text(PUBLIC, "Ready", "reason"), "SnapshotReady");
    assert_string_not_equal(text_at(PUBLIC, "status.completionTime"), "");
    assert_int_equal(status_number(PUBLIC, "attempts"), -1); /* no commit, and no debt of one */
    assert_int_equal(world->commit_count, 0);
    assert_string_equal(public_pass(world), ""); /* and that was all */
    done(world);
}

static void a_reference_needs_no_registry_and_no_push_secret(void **state)
{
    (void)state;
    struct world *world = with_source("Paused", "Succeed");

    world->truth = -1;
    world->config.snapshot_registry = "";
    world->push_secret.state = PUSH_SECRET_NOT_FOUND;
    assert_string_equal(public_pass(world), "status(Succeed) event(Referenced)");
    done(world);
}

static void a_reference_stays_when_its_source_is_gone(void **state)
{
    (void)state;
    struct world *world = with_source("Paused", "Succeed");

    world->truth = -1;
    (void)public_pass(world);
    user_deletes(world, world->now.sandbox);
    world_settles(world);
    assert_null(world->now.sandbox);
    assert_null(world->now.snapshot);
    assert_string_equal(phase_of(PUBLIC), "Succeed");
    done(world);
}

static void a_deleted_reference_owes_nobody_anything(void **state)
{
    (void)state;
    struct world *world = with_source("Paused", "Succeed");

    world->truth = -1;
    (void)public_pass(world);
    user_deletes(world, PUBLIC);
    assert_string_equal(public_pass(world), "patch(snapshot)"); /* its finalizer, and no call to an agent */
    assert_null(PUBLIC);
    assert_string_equal(phase_of(world->now.snapshot), "Succeed");
    done(world);
}

/* ---- what the source is doing decides ---- */

static void is_kept(struct world *world)
{
    json_object_set_new(json_object_get(world->now.snapshot, "status"), "keptOnNode", json_string("node-1"));
    json_object_set_new(json_object_get(world->now.snapshot, "status"), "containers",
                        json_pack("[{s:s, s:s}]", "containerName", "main", "imageUri", "r/demo:snap-gen1"));
}

static void is_of_another_sandbox(struct world *world)
{
    json_t *owners = json_object_get(json_object_get(world->now.snapshot, "metadata"), "ownerReferences");
    json_object_set_new(json_array_get(owners, 0), "uid", json_string("uid-former"));
}

static void is_of_an_earlier_pause(struct world *world)
{
    json_t *annotations = json_object_get(json_object_get(world->now.sandbox, "metadata"), "annotations");
    json_object_set_new(annotations, ANNOTATION_PAUSE_CYCLE, json_string("2"));
}

static void is_being_deleted(struct world *world)
{
    user_deletes(world, world->now.snapshot);
}

static void has_no_images(struct world *world)
{
    json_object_del(json_object_get(world->now.snapshot, "status"), "containers");
}

#define COMMITS  "status(Committing) event(CreatedJob) commit(thaw)"
#define WAITS    "status(Pending)"
#define REFERS   "status(Succeed) event(Referenced)"
#define NO_FILES "status(Failed) event(PauseSnapshotNotFound)"

static const struct row {
    const char *source, *pause; /* NULL: no snapshot of a pause */
    void (*which)(struct world *world);
    const char *plan;
} rows[] = {
    {"Paused", "Succeed", NULL, REFERS},
    {"Paused", "Failed", is_kept, "status(Failed) event(KeptOnOneNode)"},
    {"Paused", NULL, NULL, NO_FILES},
    {"Paused", "Failed", NULL, NO_FILES},
    {"Paused", "Succeed", is_of_another_sandbox, NO_FILES},
    {"Paused", "Succeed", is_of_an_earlier_pause, NO_FILES},
    {"Paused", "Succeed", is_being_deleted, NO_FILES},
    {"Paused", "Succeed", has_no_images, NO_FILES},
    {"Resuming", "Succeed", NULL, WAITS},
    {"Resuming", "Failed", is_kept, WAITS},
    {"Resuming", NULL, NULL, WAITS},
    {"Pausing", NULL, NULL, WAITS},
    {"Pausing", "Committing", NULL, WAITS},
    {"Pausing", "Succeed", NULL, WAITS},
    {"Succeed", NULL, NULL, COMMITS},
    {"Succeed", "Succeed", NULL, COMMITS}, /* resumed a moment ago, and its snapshot is about to go */
    {"Succeed", "Committing", NULL, WAITS},
};

static void what_its_source_is_doing_decides(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct row *row = &rows[i];
        struct world *world = with_source(row->source, row->pause);
        if (row->which)
            row->which(world);
        world->truth = -1;
        const char *plan = public_pass(world);
        if (strcmp(plan, row->plan) != 0)
            fail_msg("row %zu: source %s, pause %s: %s, want %s", i, row->source,
                     row->pause ? row->pause : "none", plan, row->plan);
        done(world);
    }
}

static void the_text_says_which_node_has_the_files_and_what_helps(void **state)
{
    (void)state;
    struct world *world = with_source("Paused", "Failed");

    is_kept(world);
    (void)public_pass(world);
    const char *message = condition_text(PUBLIC, "Failed", "message");
    assert_string_equal(condition_text(PUBLIC, "Failed", "reason"), "KeptOnOneNode");
    assert_non_null(strstr(message, "node-1"));
    assert_non_null(strstr(message, "resume the sandbox"));
    done(world);
}

static void another_sandbox_of_that_name_is_not_taken_for_the_source(void **state)
{
    (void)state;
    static const char *const phases[] = {"Succeed", "Paused", "Resuming"};

    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        struct world *world = with_source(phases[i], "Succeed");
        json_object_set_new(json_object_get(PUBLIC, "metadata"), "annotations",
                            json_pack("{s:s}", ANNOTATION_SOURCE_UID, "uid-former"));
        assert_string_equal(public_pass(world), "status(Failed) event(BatchSandboxLookupFailed)");
        json_object_set_new(json_object_get(PUBLIC, "metadata"), "annotations",
                            json_pack("{s:s}", ANNOTATION_SOURCE_UID, SANDBOX_UID));
        done(world);
    }
}

/* ---- in between ---- */

static void one_that_was_asked_for_while_it_ran_gets_the_files_of_the_pause_that_came_first(void **state)
{
    (void)state;
    struct world *world = with_source("Succeed", NULL);

    user_writes_files(world);
    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    assert_string_equal(public_pass(world), WAITS);
    world_settles(world);
    assert_string_equal(phase_of(world->now.sandbox), "Paused");
    assert_string_equal(phase_of(PUBLIC), "Succeed");
    assert_string_equal(text_at(PUBLIC, "status.path"), "Reference"); /* the law compares the files */
    done(world);
}

static void one_that_was_asked_for_while_it_was_paused_is_committed_as_it_runs_again(void **state)
{
    (void)state;
    struct world *world = with_source("Succeed", NULL);

    json_t *asked_later = json_incref(PUBLIC);
    PUBLIC = NULL;
    user_pauses(world, PAUSE_TRUE);
    world_settles(world);
    assert_string_equal(phase_of(world->now.sandbox), "Paused");
    PUBLIC = asked_later;
    user_pauses(world, PAUSE_FALSE);
    (void)pass_sandbox_once(world);
    assert_string_equal(public_pass(world), WAITS);
    world_settles(world);
    assert_string_equal(phase_of(world->now.sandbox), "Succeed");
    assert_string_equal(phase_of(PUBLIC), "Succeed");
    assert_string_equal(text_at(PUBLIC, "status.sourcePodName"), "demo-0");
    assert_false(anything_is_frozen(world));
    json_decref(asked_later);
    done(world);
}

static void a_pause_waits_for_the_snapshot_that_has_begun(void **state) /* A17 */
{
    (void)state;
    struct world *world = with_source("Succeed", NULL);

    assert_string_equal(public_pass(world), COMMITS);
    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    (void)pass_sandbox_once(world);
    assert_non_null(world->now.snapshot);
    assert_string_equal(pass_snapshot_once(world), WAITS);
    assert_int_equal(world->commit_count, 1);
    world_settles(world);
    assert_string_equal(phase_of(world->now.sandbox), "Paused");
    assert_string_equal(phase_of(PUBLIC), "Succeed");
    done(world);
}

/* ---- who may ask ---- */

static const struct admission {
    const char *source, *pause;
    void (*which)(struct world *world);
    int wish;            /* unanswered; PAUSE_ABSENT: none */
    const char *refusal; /* NULL: let in */
} admissions[] = {
    {"Succeed", NULL, NULL, PAUSE_ABSENT, NULL},
    {"Succeed", NULL, NULL, PAUSE_TRUE, "phase Succeed: operation in progress"},
    {"Paused", "Succeed", NULL, PAUSE_ABSENT, NULL},
    {"Paused", "Succeed", NULL, PAUSE_FALSE, NULL},
    {"Paused", "Failed", is_kept, PAUSE_ABSENT, NULL}, /* fails with a reason of its own */
    {"Paused", NULL, NULL, PAUSE_ABSENT, "phase Paused: the snapshot of its pause is gone"},
    {"Paused", "Failed", NULL, PAUSE_ABSENT, "the snapshot of its pause is gone"},
    {"Paused", "Succeed", is_of_another_sandbox, PAUSE_ABSENT, "the snapshot of its pause is gone"},
    {"Pausing", "Committing", NULL, PAUSE_ABSENT, "phase Pausing: operation in progress"},
    {"Resuming", "Succeed", NULL, PAUSE_ABSENT, "phase Resuming: operation in progress"},
    {"Pending", NULL, NULL, PAUSE_ABSENT, "phase Pending: being created"},
    {"", NULL, NULL, PAUSE_ABSENT, "phase none: being created"},
    {"Failed", NULL, NULL, PAUSE_ABSENT, "phase Failed: not available"},
};

static int admit(struct world *world, struct error *err)
{
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
    SCOPED_SANDBOXSNAPSHOT struct sandboxsnapshot pause = {0};

    assert_int_equal(batchsandbox_read(world->now.sandbox, &sandbox, err), 0);
    if (world->now.snapshot)
        assert_int_equal(sandboxsnapshot_read(world->now.snapshot, &pause, err), 0);
    return admit_snapshot(&sandbox, world->now.snapshot ? &pause : NULL, err);
}

static void only_a_sandbox_that_runs_or_is_paused_is_a_source(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof(admissions) / sizeof(*admissions); i++) {
        const struct admission *row = &admissions[i];
        struct world *world = with_source(row->source, row->pause);
        struct error err = {0};
        if (row->which)
            row->which(world);
        if (row->wish != PAUSE_ABSENT)
            user_pauses(world, row->wish);
        int result = admit(world, &err);
        if (result != (row->refusal ? -1 : 0) || (row->refusal && !strstr(err.text, row->refusal)))
            fail_msg("row %zu: %d, \"%s\", want \"%s\"", i, result, err.text,
                     row->refusal ? row->refusal : "");
        if (row->refusal) {
            assert_int_equal(err.code, ERR_PRECONDITION);
            assert_string_equal(err.reason, "InvalidSourceState");
        }
        world_done(world);
    }
}

static void one_that_is_being_deleted_is_no_source(void **state)
{
    (void)state;
    struct world *world = with_source("Succeed", NULL);
    struct error err = {0};

    json_object_set_new(json_object_get(world->now.sandbox, "metadata"), "deletionTimestamp",
                        json_string("2030-03-17T17:46:40Z"));
    assert_int_equal(admit(world, &err), -1);
    assert_non_null(strstr(err.text, "being deleted"));
    world_done(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_sandbox_is_referred_to_and_nothing_is_committed),
        cmocka_unit_test(a_reference_needs_no_registry_and_no_push_secret),
        cmocka_unit_test(a_reference_stays_when_its_source_is_gone),
        cmocka_unit_test(a_deleted_reference_owes_nobody_anything),
        cmocka_unit_test(what_its_source_is_doing_decides),
        cmocka_unit_test(the_text_says_which_node_has_the_files_and_what_helps),
        cmocka_unit_test(another_sandbox_of_that_name_is_not_taken_for_the_source),
        cmocka_unit_test(one_that_was_asked_for_while_it_ran_gets_the_files_of_the_pause_that_came_first),
        cmocka_unit_test(one_that_was_asked_for_while_it_was_paused_is_committed_as_it_runs_again),
        cmocka_unit_test(a_pause_waits_for_the_snapshot_that_has_begun),
        cmocka_unit_test(only_a_sandbox_that_runs_or_is_paused_is_a_source),
        cmocka_unit_test(one_that_is_being_deleted_is_no_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
