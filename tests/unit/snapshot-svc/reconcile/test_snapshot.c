/* Contract controller-behaviour.md §8, §14; crds.md §6.4; §17 "SandboxSnapshot". */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot-svc/model/names.h"

#define SNAPSHOT (world->now.snapshot)
#define SANDBOX  (world->now.sandbox)

static struct world *with_snapshot(const char *phase)
{
    static struct world world;
    world_init(&world, "Succeed");
    (void)snapshot_appears(&world, phase);
    return &world;
}

static struct world *with_public_snapshot(const char *name)
{
    struct world *world = with_snapshot("");
    json_t *meta = json_object_get(SNAPSHOT, "metadata");

    json_object_set_new(meta, "name", json_string(name));
    json_object_set_new(meta, "uid", json_string("uid-public"));
    json_object_del(meta, "ownerReferences");
    json_object_del(meta, "annotations");
    world->now.public_snapshot = SNAPSHOT;
    SNAPSHOT = NULL;
    return world;
}

static void done(struct world *world)
{
    if (world->broken_law)
        fail_msg("law broken: %s", world->broken_law);
    world_done(world);
}

static const char *image_of(const json_t *snapshot)
{
    return text_at(json_array_get(json_object_get(json_object_get(snapshot, "status"), "containers"), 0),
                   "imageUri");
}

/* ---- Pending ---- */

static void what_is_committed_is_written_down_before_the_commit_starts(void **state)
{
    (void)state;
    struct world *world = with_snapshot("");

    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(CreatedJob) commit(hold)");
    assert_string_equal(text_at(SNAPSHOT, "status.sourcePodName"), "demo-0");
    assert_string_equal(text_at(SNAPSHOT, "status.sourceNodeName"), "node-1");
    assert_string_equal(text_at(SNAPSHOT, "status.sourcePodUid"), text_at(first_pod(world), "metadata.uid"));
    assert_string_equal(image_of(SNAPSHOT), "registry:5000/snapshots/demo-main:snap-gen1");
    assert_int_equal(status_number(SNAPSHOT, "attempts"), 1);
    assert_int_equal(status_number(SNAPSHOT, "observedGeneration"), 1);
    assert_string_not_equal(text_at(SNAPSHOT, "status.startTime"), "");
    assert_string_equal(world->commits[0].key, "uid-snap.1");
    assert_int_equal(json_array_size(json_object_get(json_object_get(SNAPSHOT, "status"), "conditions")), 0);
    done(world);
}

static void an_unknown_phase_is_taken_as_pending(void **state)
{
    (void)state;
    struct world *world = with_snapshot("Weird");

    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(CreatedJob) commit(hold)");
    done(world);
}

static void a_missing_finalizer_comes_first(void **state)
{
    (void)state;
    struct world *world = with_snapshot("");

    json_object_set_new(json_object_get(SNAPSHOT, "metadata"), "finalizers", json_pack("[s]", "other/one"));
    assert_string_equal(pass_snapshot_once(world), "patch(snapshot)");
    const json_t *finalizers = json_object_get(json_object_get(SNAPSHOT, "metadata"), "finalizers");
    assert_int_equal(json_array_size(finalizers), 2); /* K22: the other party's stays */
    assert_string_equal(json_string_value(json_array_get(finalizers, 1)), FINALIZER_SNAPSHOT);
    done(world);
}

struct failure {
    const char *name;
    void (*prepare)(struct world *world);
    const char *reason;
    const char *message[3]; /* must contain */
};

static void no_registry(struct world *world)
{
    world->config.snapshot_registry = "";
}

static void no_registry_and_no_sandbox(struct world *world)
{
    no_registry(world);
    json_decref(SANDBOX);
    SANDBOX = NULL;
}

static void set_secret(struct world *world, enum push_secret_state secret_state, const char *type)
{
    world->config.snapshot_push_secret = "push";
    world->push_secret = (struct push_secret_check){secret_state, type};
}

static void secret_absent(struct world *world)
{
    set_secret(world, PUSH_SECRET_NOT_FOUND, NULL);
}

static void secret_opaque(struct world *world)
{
    set_secret(world, PUSH_SECRET_WRONG_TYPE, "Opaque");
}

static void secret_without_key(struct world *world)
{
    set_secret(world, PUSH_SECRET_NO_KEY, "kubernetes.io/dockerconfigjson");
}

static void secret_for_another_registry(struct world *world)
{
    set_secret(world, PUSH_SECRET_NO_REGISTRY, "kubernetes.io/dockerconfigjson");
}

static void no_sandbox(struct world *world)
{
    json_decref(SANDBOX);
    SANDBOX = NULL;
}

static void no_pod(struct world *world)
{
    json_array_clear(world->now.pods);
}

static void pod_not_running(struct world *world)
{
    kubelet_sets(first_pod(world), "Pending", false, NULL);
}

static void pod_deleting(struct world *world)
{
    user_deletes(world, first_pod(world));
}

static void pod_of_somebody_else(struct world *world)
{
    json_object_del(json_object_get(first_pod(world), "metadata"), "ownerReferences");
}

static void no_containers(struct world *world)
{
    json_object_del(json_object_get(SANDBOX, "spec"), "template");
    json_object_set_new(json_object_get(first_pod(world), "spec"), "containers", json_array());
}

static void bad_registry(struct world *world)
{
    world->config.snapshot_registry = "https://registry:5000";
}

static const struct failure failures[] = {
    {"no registry", no_registry, "RegistryNotConfigured", {"snapshot-registry"}},
    {"registry is asked first", no_registry_and_no_sandbox, "RegistryNotConfigured", {"snapshot-registry"}},
    {"no Secret", secret_absent, "PushSecretNotFound", {"push", "default"}},
    {"wrong type", secret_opaque, "PushSecretInvalid", {"push", "default", "Opaque"}},
    {"no key", secret_without_key, "PushSecretInvalid", {"push", "default", ".dockerconfigjson"}},
    {"no entry", secret_for_another_registry, "PushSecretInvalid", {"push", "default", "registry:5000"}},
    {"no sandbox", no_sandbox, "BatchSandboxLookupFailed", {"demo"}},
    {"no pod", no_pod, "SourcePodNotFound", {"demo"}},
    {"pod pending", pod_not_running, "SourcePodNotFound", {"demo"}},
    {"pod deleting", pod_deleting, "SourcePodNotFound", {"demo"}},
    {"pod of another", pod_of_somebody_else, "SourcePodNotFound", {"demo"}},
    {"no containers", no_containers, "NoContainers", {"demo"}},
    {"bad registry", bad_registry, "BuildCommitJobFailed", {"--snapshot-registry", "https://registry:5000"}},
};

static void each_failed_check_has_its_reason_and_starts_no_commit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
        struct world *world = with_snapshot("Pending");
        failures[i].prepare(world);
        (void)pass_snapshot_once(world);
        assert_string_equal(phase_of(SNAPSHOT), "Failed");
        assert_string_equal(condition_text(SNAPSHOT, "Failed", "reason"), failures[i].reason);
        for (size_t j = 0; j < 3 && failures[i].message[j]; j++)
            if (!strstr(condition_text(SNAPSHOT, "Failed", "message"), failures[i].message[j]))
                fail_msg("%s: %s", failures[i].name, condition_text(SNAPSHOT, "Failed", "message"));
        assert_int_equal(world->commit_count, 0);
        assert_string_equal(pass_snapshot_once(world), "");
        done(world);
    }
}

static void without_a_template_the_pods_containers_are_committed(void **state)
{
    (void)state;
    struct world *world = with_snapshot("");

    json_object_del(json_object_get(SANDBOX, "spec"), "template");
    (void)pass_snapshot_once(world);
    assert_string_equal(image_of(SNAPSHOT), "registry:5000/snapshots/demo-main:snap-gen1");
    done(world);
}

static void the_tag_tells_pause_and_public_snapshots_apart(void **state)
{
    (void)state;
    static const struct {
        const char *name, *tag;
    } rows[] = {
        {"osb-snap-0123456789abcdef0123456789abcdef", ":snap-0123456789abcdef0123456789abcdef"},
        {"by-hand", NULL}, /* first 32 hex digits of SHA-256(name): test_names */
    };

    for (size_t i = 0; i < 2; i++) {
        struct world *world = with_public_snapshot(rows[i].name);
        assert_string_equal(pass_snapshot_once(world), "status(Committing) event(CreatedJob) commit(thaw)");
        SCOPED(string) char *tag = tag_public(rows[i].name);
        assert_non_null(strstr(image_of(world->now.public_snapshot), tag));
        if (i == 0)
            assert_non_null(strstr(image_of(world->now.public_snapshot), rows[i].tag));
        done(world);
    }
}

static void only_a_live_sandbox_of_our_group_makes_a_snapshot_internal(void **state)
{
    (void)state;
    static const struct {
        const char *member, *value;
    } rows[] = {{"uid", "uid-former"}, {"kind", "Pod"}, {"apiVersion", "other.io/v1"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *world = with_snapshot("");
        json_t *owner =
            json_array_get(json_object_get(json_object_get(SNAPSHOT, "metadata"), "ownerReferences"), 0);
        json_object_set_new(owner, rows[i].member, json_string(rows[i].value));
        assert_string_equal(pass_snapshot_once(world), "status(Committing) event(CreatedJob) commit(thaw)");
        assert_null(strstr(image_of(SNAPSHOT), "snap-gen"));
        done(world);
    }
}

static void one_commit_per_pod_at_a_time(void **state) /* K21 */
{
    (void)state;
    struct world *world = with_public_snapshot("osb-snap-0123456789abcdef0123456789abcdef");

    (void)pass_snapshot_once(world);
    (void)snapshot_appears(world, "");
    assert_string_equal(pass_snapshot_once(world), "status(Pending)");
    assert_string_equal(pass_snapshot_once(world), "");
    assert_int_equal(world->commit_count, 1);
    done(world);
}

static void a_public_snapshot_waits_while_the_sandbox_is_pausing(void **state) /* K21 */
{
    (void)state;
    struct world *world = with_public_snapshot("osb-snap-0123456789abcdef0123456789abcdef");

    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    assert_string_equal(pass_snapshot_once(world), "status(Pending)");
    assert_int_equal(world->commit_count, 0);
    done(world);
}

/* ---- Committing ---- */

static struct world *committing(void)
{
    struct world *world = with_snapshot("");
    (void)pass_snapshot_once(world);
    return world;
}

static void progress_is_written_when_it_changed(void **state)
{
    (void)state;
    struct world *world = committing();

    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "Pushing");
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(json_object_get(SNAPSHOT, "status"), "progress"), "bytesTotal")),
                     20);
    assert_string_equal(pass_snapshot_once(world), "");
    done(world);
}

static void after_a_restart_the_commit_is_attached_to_under_the_same_key(void **state)
{
    (void)state;
    struct world *world = committing();
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    process_restarts(world);
    world->now_ms += 60 * 1000;
    world_plan_snapshot(world, &world->now, false, &plan);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.actions[0].type, ACTION_COMMIT);
    assert_string_equal(plan.actions[0].commit_key, "uid-snap.1");
    assert_string_equal(plan.actions[0].node, "node-1");
    assert_string_equal(plan.actions[0].targets[0].container, "main");
    assert_true(plan.actions[0].hold);
    assert_int_equal(plan.actions[0].timeout_ms, world->config.commit_timeout_ms - 60 * 1000);
    done(world);
}

static void a_crash_before_the_commit_action_is_healed_by_the_next_pass(void **state)
{
    (void)state;
    struct world *world = with_snapshot("");
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_snapshot(world, &world->now, false, &plan);
    assert_false(world_execute(world, &plan, 1));
    assert_int_equal(world->commit_count, 0);
    assert_string_equal(pass_snapshot_once(world), "commit(hold)");
    assert_int_equal(world->commit_count, 1);
    done(world);
}

static void a_success_stores_digests_and_sizes(void **state)
{
    (void)state;
    struct world *world = committing();

    (void)pass_snapshot_once(world);
    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    const json_t *container =
        json_array_get(json_object_get(json_object_get(SNAPSHOT, "status"), "containers"), 0);
    assert_memory_equal(text_at(container, "imageDigest"), "sha256:", 7);
    assert_string_equal(condition_text(SNAPSHOT, "Ready", "reason"), "SnapshotReady");
    assert_string_equal(condition_text(SNAPSHOT, "Ready", "message"), "Snapshot is ready");
    assert_int_equal(status_number(SNAPSHOT, "size"), 1000);
    assert_int_equal(status_number(SNAPSHOT, "layers"), 2);
    assert_string_not_equal(text_at(SNAPSHOT, "status.completionTime"), "");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "");
    done(world);
}

static void a_failure_says_what_the_agent_said(void **state)
{
    (void)state;
    struct world *world = committing();

    agent_finishes(world, AGENT_FAILED, "RegistryUnauthorized");
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "reason"), "CommitJobFailed");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "message"),
                        "RegistryUnauthorized: says the agent");
    done(world);
}

static void a_success_without_a_digest_is_no_success(void **state)
{
    (void)state;
    struct world *world = committing();

    (void)snprintf(world->commits[0].container, sizeof(world->commits[0].container), "other");
    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    assert_string_equal(pass_snapshot_once(world), "cancel() status(Failed) event(JobFailed)");
    assert_false(world->commits[0].frozen);
    done(world);
}

static void a_commit_that_never_ends_is_given_up_and_cancelled(void **state)
{
    (void)state;
    struct world *world = committing();

    world->now_ms += world->config.commit_timeout_ms + 29 * 1000;
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    world->now_ms += 2 * 1000;
    assert_string_equal(pass_snapshot_once(world), "cancel() status(Failed) event(JobFailed)");
    assert_non_null(strstr(condition_text(SNAPSHOT, "Failed", "message"), "DeadlineExceeded"));
    assert_false(world->commits[0].frozen);
    done(world);
}

static void an_agent_that_stays_away_does_not_keep_a_commit_for_ever(void **state)
{
    (void)state;
    struct world *world = committing();

    world->now_ms += world->config.commit_timeout_ms + 151 * 1000;
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
    done(world);
}

static void after_a_long_outage_the_agent_is_asked_before_giving_up(void **state)
{
    (void)state;
    struct world *world = committing();

    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    process_restarts(world);
    world->now_ms += 24 * 3600 * 1000;
    assert_string_equal(pass_snapshot_once(world), "commit(hold)");
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    done(world);
}

static void a_commit_of_an_earlier_controllers_job_starts_again(void **state)
{
    (void)state;
    struct world *world = with_snapshot("Committing");

    json_object_del(json_object_get(SNAPSHOT, "status"), "attempts");
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(CreatedJob) commit(hold)");
    assert_int_equal(json_array_size(json_object_get(json_object_get(SNAPSHOT, "status"), "containers")), 1);
    done(world);
}

static void an_agent_that_goes_in_the_middle_is_told_about_once_and_waited_for(void **state)
{
    (void)state;
    struct world *world = committing();

    world->agent_ready = false;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(AgentUnreachable)");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "WaitingForAgent");
    assert_string_equal(pass_snapshot_once(world), "");
    process_restarts(world);
    assert_string_equal(pass_snapshot_once(world), "commit(hold)");
    world->agent_ready = true;
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "Pushing");
    done(world);
}

/* ---- final ---- */

static void a_final_phase_is_never_left(void **state)
{
    (void)state;
    static const char *const phases[] = {"Succeed", "Failed"};

    for (size_t i = 0; i < 2; i++) {
        struct world *world = with_snapshot(phases[i]);
        (void)pass_snapshot_once(world);
        json_object_set_new(json_object_get(SNAPSHOT, "metadata"), "generation", json_integer(2));
        assert_int_equal(strncmp(pass_snapshot_once(world), "status(", 7), 0); /* only observedGeneration */
        assert_string_equal(phase_of(SNAPSHOT), phases[i]);
        assert_int_equal(status_number(SNAPSHOT, "observedGeneration"), 2);
        if (i == 1) /* K18 */
            assert_string_equal(condition_text(SNAPSHOT, "Failed", "message"),
                                "RegistryDenied: says the registry");
        done(world);
    }
}

/* ---- deleting ---- */

static void a_deletion_in_the_middle_of_a_commit_thaws_first(void **state) /* K20 */
{
    (void)state;
    struct world *world = committing();

    user_deletes(world, SNAPSHOT);
    assert_string_equal(pass_snapshot_once(world), "discard() patch(snapshot)");
    assert_null(SNAPSHOT);
    assert_false(world->commits[0].frozen);
    done(world);
}

static void a_deletion_while_the_pod_is_held_thaws_it(void **state)
{
    (void)state;
    struct world *world = committing();

    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    (void)pass_snapshot_once(world);
    user_deletes(world, SNAPSHOT);
    assert_string_equal(pass_snapshot_once(world), "cancel() patch(snapshot)");
    assert_false(world->commits[0].frozen);
    done(world);
}

static void an_agent_that_stays_away_does_not_keep_a_deleted_snapshot_for_ever(void **state)
{
    (void)state;
    struct world *world = committing();

    user_deletes(world, SNAPSHOT);
    world->now_ms += 2 * 60 * 1000;
    assert_string_equal(pass_snapshot_once(world), "patch(snapshot)");
    assert_null(SNAPSHOT);
    done(world);
}

static void somebody_elses_finalizer_stays(void **state) /* K22 */
{
    (void)state;
    struct world *world = with_snapshot("Failed");

    json_array_append_new(json_object_get(json_object_get(SNAPSHOT, "metadata"), "finalizers"),
                          json_string("other/one"));
    user_deletes(world, SNAPSHOT);
    (void)pass_snapshot_once(world);
    assert_non_null(SNAPSHOT);
    assert_int_equal(json_array_size(json_object_get(json_object_get(SNAPSHOT, "metadata"), "finalizers")),
                     1);
    assert_string_equal(pass_snapshot_once(world), "");
    done(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_is_written_down_before_the_commit_starts),
        cmocka_unit_test(an_unknown_phase_is_taken_as_pending),
        cmocka_unit_test(a_missing_finalizer_comes_first),
        cmocka_unit_test(each_failed_check_has_its_reason_and_starts_no_commit),
        cmocka_unit_test(without_a_template_the_pods_containers_are_committed),
        cmocka_unit_test(the_tag_tells_pause_and_public_snapshots_apart),
        cmocka_unit_test(only_a_live_sandbox_of_our_group_makes_a_snapshot_internal),
        cmocka_unit_test(one_commit_per_pod_at_a_time),
        cmocka_unit_test(a_public_snapshot_waits_while_the_sandbox_is_pausing),
        cmocka_unit_test(progress_is_written_when_it_changed),
        cmocka_unit_test(after_a_restart_the_commit_is_attached_to_under_the_same_key),
        cmocka_unit_test(a_crash_before_the_commit_action_is_healed_by_the_next_pass),
        cmocka_unit_test(a_success_stores_digests_and_sizes),
        cmocka_unit_test(a_failure_says_what_the_agent_said),
        cmocka_unit_test(a_success_without_a_digest_is_no_success),
        cmocka_unit_test(a_commit_that_never_ends_is_given_up_and_cancelled),
        cmocka_unit_test(an_agent_that_stays_away_does_not_keep_a_commit_for_ever),
        cmocka_unit_test(after_a_long_outage_the_agent_is_asked_before_giving_up),
        cmocka_unit_test(a_commit_of_an_earlier_controllers_job_starts_again),
        cmocka_unit_test(an_agent_that_goes_in_the_middle_is_told_about_once_and_waited_for),
        cmocka_unit_test(a_final_phase_is_never_left),
        cmocka_unit_test(a_deletion_in_the_middle_of_a_commit_thaws_first),
        cmocka_unit_test(a_deletion_while_the_pod_is_held_thaws_it),
        cmocka_unit_test(an_agent_that_stays_away_does_not_keep_a_deleted_snapshot_for_ever),
        cmocka_unit_test(somebody_elses_finalizer_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
