/* Contract controller-behaviour.md §2, §3, §7, §14; §17 "Runtime status", "BatchSandbox basics"; admission: rest-api.md §7. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/admission.h"
#include "snapshot-svc/reconcile/intent.h"

#define SNAPSHOT (world->now.snapshot)
#define SANDBOX  (world->now.sandbox)

static struct world *fresh(const char *phase)
{
    static struct world world;
    world_init(&world, phase);
    return &world;
}

static void done(struct world *world)
{
    if (world->broken_law)
        fail_msg("law broken: %s", world->broken_law);
    world_done(world);
}

/* ---- creation ---- */

static void a_new_sandbox_gets_its_pods_then_its_status_then_its_endpoints(void **state)
{
    (void)state;
    struct world *world = fresh("");

    assert_string_equal(pass_sandbox_once(world), "create(demo-0) event(SuccessfulCreate)");
    assert_string_equal(pass_sandbox_once(world), "status(Pending) patch(endpoints)");
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_ENDPOINTS), "[\"\"]");
    assert_string_equal(condition_text(SANDBOX, "Progressing", "reason"), "Creating");
    kubelet_sets(first_pod(world), "Running", true, NULL);
    assert_string_equal(pass_sandbox_once(world), "status(Succeed) patch(endpoints)");
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_ENDPOINTS), "[\"10.0.0.7\"]");
    assert_string_equal(condition_text(SANDBOX, "Ready", "reason"), "PodsReady");
    assert_string_equal(pass_sandbox_once(world), ""); /* an unchanged status is not written */
    done(world);
}

static void the_first_status_carries_all_eight_counters(void **state)
{
    (void)state;
    struct world *world = fresh("");
    static const char *const counters[] = {"replicas",    "allocated",  "ready",       "taskRunning",
                                           "taskSucceed", "taskFailed", "taskPending", "taskUnknown"};

    (void)pass_sandbox_once(world);
    (void)pass_sandbox_once(world);
    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
        assert_true(status_number(SANDBOX, counters[i]) >= 0);
    done(world);
}

static void a_pod_is_the_template_plus_name_labels_and_owner(void **state)
{
    (void)state;
    struct world *world = fresh("");

    (void)pass_sandbox_once(world);
    const json_t *pod = first_pod(world), *meta = json_object_get(pod, "metadata");
    assert_string_equal(text_at(pod, "metadata.name"), "demo-0");
    assert_string_equal(text_at(pod, "metadata.labels.app"), "demo");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(meta, "labels"), LABEL_SANDBOX_NAME)), "demo");
    assert_string_equal(json_string_value(json_object_get(json_object_get(meta, "labels"), LABEL_POD_INDEX)),
                        "0");
    const json_t *owner = json_array_get(json_object_get(meta, "ownerReferences"), 0);
    assert_string_equal(text_at(owner, "uid"), SANDBOX_UID);
    assert_true(json_is_true(json_object_get(owner, "controller")));
    assert_true(json_is_true(json_object_get(owner, "blockOwnerDeletion")));
    assert_true(json_equal(json_object_get(pod, "spec"), json_path(SANDBOX, "spec.template.spec")));
    done(world);
}

static void scale_out_adds_the_missing_indexes_and_scale_in_removes_none(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    user_edits(world, "replicas", json_integer(3));
    assert_non_null(
        strstr(pass_sandbox_once(world), "create(demo-1) event(SuccessfulCreate) create(demo-2)"));
    assert_int_equal(json_array_size(world->now.pods), 3);
    user_edits(world, "replicas", json_integer(1));
    (void)pass_sandbox_once(world);
    assert_int_equal(json_array_size(world->now.pods), 3);
    done(world);
}

static void replicas_from_outside_do_not_make_an_endless_plan(void **state)
{
    (void)state;
    struct world *world = fresh("");
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    json_object_set_new(json_object_get(SANDBOX, "spec"), "replicas", json_integer(INT32_MAX));
    world_plan_sandbox(world, &world->now, &plan);
    assert_true(plan.count < 200);
    assert_true(plan.requeue_at_ms > world->now_ms);
    done(world);
}

static void a_vanished_pod_is_made_again_and_a_terminating_one_is_not(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    user_deletes(world, first_pod(world));
    assert_string_equal(pass_sandbox_once(world), "status(Pending) patch(endpoints)");
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_ENDPOINTS), "[]"); /* K16 */
    kubelet_removes_deleted_pods(world);
    assert_non_null(strstr(pass_sandbox_once(world), "create(demo-0)"));
    done(world);
}

static void a_shard_patch_applies_to_its_index(void **state)
{
    (void)state;
    struct world *world = fresh("");
    const char *patches =
        "[null,{\"metadata\":{\"labels\":{\"shard\":\"one\"}},\"spec\":{\"containers\":[{\"name\":\"main\","
        "\"env\":[{\"name\":\"A\",\"value\":\"1\"}]},{\"name\":\"extra\",\"image\":\"x:1\"}]}}]";

    json_object_set_new(json_object_get(SANDBOX, "spec"), "shardPatches", json_loads(patches, 0, NULL));
    json_object_set_new(json_object_get(SANDBOX, "spec"), "replicas", json_integer(2));
    (void)pass_sandbox_once(world);
    const json_t *plain = json_array_get(world->now.pods, 0), *patched = json_array_get(world->now.pods, 1);
    assert_string_equal(text_at(plain, "metadata.labels.shard"), "");
    assert_string_equal(text_at(patched, "metadata.labels.shard"), "one");
    assert_int_equal(json_array_size(json_path(plain, "spec.containers")), 1);
    assert_int_equal(json_array_size(json_path(patched, "spec.containers")), 2);
    const json_t *main_container = json_array_get(json_path(patched, "spec.containers"), 0);
    assert_string_equal(text_at(main_container, "image"), "busybox:1");
    assert_int_equal(json_array_size(json_object_get(main_container, "env")), 1);
    done(world);
}

static void what_makes_no_pod_is_told_in_a_condition(void **state)
{
    (void)state;
    static const struct {
        const char *member, *value, *message;
    } rows[] = {
        {"template", "null", "spec.template"},
        {"template", "{\"spec\":{}}", "containers"},
        {"template", "[]", "containers"},
        {"shardPatches", "[{\"spec\":{\"$retainKeys\":[\"x\"]}}]", "$retainKeys"},
        {"shardPatches", "[{\"spec\":{\"containers\":[{\"image\":\"x\"}]}}]", "name"},
        {"shardPatches", "[7]", "want an object"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *world = fresh("");
        json_object_set_new(json_object_get(SANDBOX, "spec"), rows[i].member,
                            json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        assert_string_equal(pass_sandbox_once(world), "status(Failed)");
        assert_string_equal(condition_text(SANDBOX, "PodFailed", "reason"), "InvalidTemplate");
        assert_non_null(strstr(condition_text(SANDBOX, "PodFailed", "message"), rows[i].message));
        assert_string_equal(pass_sandbox_once(world), "");
        done(world);
    }
}

/* ---- runtime status (§7) ---- */

static void the_phase_follows_the_pods(void **state) /* §7.1 with K6 */
{
    (void)state;
    static const char *const from[] = {"", "Pending", "Succeed", "Failed"};
    static const struct {
        const char *pod_phase;
        bool ready;
        const char *waiting, *phase;
    } rows[] = {
        {"Pending", false, NULL, "Pending"},
        {"Running", false, NULL, "Pending"},
        {"Running", true, NULL, "Succeed"},
        {"Pending", false, "ContainerCreating", "Pending"},
        {"Pending", false, "ImagePullBackOff", "Failed"},
        {"Pending", false, "ErrImagePull", "Failed"},
        {"Running", false, "CrashLoopBackOff", "Failed"},
        {"Pending", false, "CreateContainerConfigError", "Failed"},
        {"Pending", false, "InvalidImageName", "Failed"},
        {"Failed", false, NULL, "Failed"},    /* K17 */
        {"Succeeded", false, NULL, "Failed"}, /* K17, restartPolicy Never */
    };

    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < sizeof(rows) / sizeof(*rows); j++) {
            struct world *world = fresh(from[i]);
            if (!first_pod(world))
                (void)kubelet_adds_pod(world, 0, "Pending", false);
            kubelet_sets(first_pod(world), rows[j].pod_phase, rows[j].ready, rows[j].waiting);
            (void)pass_sandbox_once(world);
            assert_string_equal(phase_of(SANDBOX), rows[j].phase);
            assert_int_equal(has_condition(SANDBOX, "PodFailed"), strcmp(rows[j].phase, "Failed") == 0);
            if (rows[j].waiting && has_condition(SANDBOX, "PodFailed"))
                assert_string_equal(condition_text(SANDBOX, "PodFailed", "reason"), rows[j].waiting);
            done(world);
        }
}

static void an_ended_pod_is_named_with_its_reason_and_left_alone(void **state) /* K17 */
{
    (void)state;
    struct world *world = fresh("Succeed");

    kubelet_sets(first_pod(world), "Failed", false, NULL);
    json_object_set_new(json_object_get(first_pod(world), "status"), "reason", json_string("Evicted"));
    (void)pass_sandbox_once(world);
    assert_string_equal(condition_text(SANDBOX, "PodFailed", "reason"), "Evicted");
    assert_int_equal(json_array_size(world->now.pods), 1);
    assert_string_equal(text_at(first_pod(world), "metadata.deletionTimestamp"), "");
    done(world);
}

static void a_failed_init_container_gives_the_reason(void **state) /* K40 */
{
    (void)state;
    struct world *world = fresh("Succeed");

    kubelet_sets(first_pod(world), "Failed", false, "PodInitializing");
    json_object_set_new(json_object_get(first_pod(world), "status"), "initContainerStatuses",
                        json_pack("[{s:s, s:{s:{s:i, s:s}}}, {s:s, s:{s:{s:i, s:s}}}]", "name", "first",
                                  "state", "terminated", "exitCode", 0, "reason", "Completed", "name",
                                  "second", "state", "terminated", "exitCode", 1, "reason", "OOMKilled"));
    (void)pass_sandbox_once(world);
    assert_string_equal(condition_text(SANDBOX, "PodFailed", "reason"), "OOMKilled");
    done(world);
}

static void a_pod_without_a_node_is_told_about(void **state) /* K40 */
{
    (void)state;
    struct world *world = fresh("Pending");

    kubelet_sets(first_pod(world), "Pending", false, NULL);
    json_array_append_new(json_object_get(json_object_get(first_pod(world), "status"), "conditions"),
                          json_pack("{s:s, s:s, s:s, s:s}", "type", "PodScheduled", "status", "False",
                                    "reason", "Unschedulable", "message", "0/1 nodes are available"));
    assert_non_null(strstr(pass_sandbox_once(world), "event(PodUnschedulable)"));
    assert_string_equal(phase_of(SANDBOX), "Pending");
    done(world);
}

static void failures_are_counted_with_primary_reason_and_sample_pod(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    user_edits(world, "replicas", json_integer(4));
    for (int i = 1; i < 4; i++)
        (void)kubelet_adds_pod(world, i, "Running", true);
    kubelet_sets(json_array_get(world->now.pods, 1), "Pending", false, "ErrImagePull");
    kubelet_sets(json_array_get(world->now.pods, 2), "Running", false, "CrashLoopBackOff");
    kubelet_sets(json_array_get(world->now.pods, 3), "Running", false, "CrashLoopBackOff");
    (void)pass_sandbox_once(world);
    assert_string_equal(condition_text(SANDBOX, "PodFailed", "reason"), "CrashLoopBackOff");
    assert_string_equal(condition_text(SANDBOX, "PodFailed", "message"),
                        "3/4 observed pods failed; primary reason=CrashLoopBackOff; sample pod=demo-2");
    done(world);
}

static void the_first_reason_of_a_failure_is_kept(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    kubelet_sets(first_pod(world), "Pending", false, "ErrImagePull");
    (void)pass_sandbox_once(world);
    kubelet_sets(first_pod(world), "Pending", false, "ImagePullBackOff");
    (void)pass_sandbox_once(world);
    assert_string_equal(condition_text(SANDBOX, "PodFailed", "reason"), "ErrImagePull");
    done(world);
}

static void an_unchanged_condition_keeps_its_time(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");
    SCOPED(string) char *since = strdup(condition_text(SANDBOX, "Ready", "lastTransitionTime"));

    world->now_ms += 5000;
    user_edits(world, "expireTime", json_string("2099-01-01T00:00:00Z"));
    assert_string_equal(pass_sandbox_once(world), "status(Succeed)");
    assert_string_equal(condition_text(SANDBOX, "Ready", "lastTransitionTime"), since);
    done(world);
}

static void conditions_of_other_writers_survive(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    json_array_append_new(
        json_path(SANDBOX, "status.conditions"),
        json_pack("{s:s, s:s, s:s}", "type", "PauseFailed", "status", "True", "reason", "SnapshotFailed"));
    user_edits(world, "expireTime", json_string("2099-01-01T00:00:00Z"));
    (void)pass_sandbox_once(world);
    assert_true(has_condition(SANDBOX, "PauseFailed"));
    done(world);
}

/* ---- expiry and deletion (§2, §14) ---- */

static void an_expired_sandbox_is_deleted_and_a_future_end_is_remembered(void **state)
{
    (void)state;
    static const char *const phases[] = {"", "Pending", "Succeed",
                                         "Failed"}; /* in the others it stands still */

    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        struct world *world = fresh(phases[i]);
        SCOPED_PLAN struct plan plan = PLAN_INIT;
        json_object_set_new(json_object_get(SANDBOX, "spec"), "expireTime",
                            json_string("2030-03-17T18:00:00Z"));
        world_plan_sandbox(world, &world->now, &plan);
        assert_int_equal(plan.requeue_at_ms, 1900000800000);
        world->now_ms = 1900000800000;
        assert_string_equal(pass_sandbox_once(world), "delete(demo)");
        assert_null(SANDBOX);
        done(world);
    }
}

static void nothing_is_started_for_a_sandbox_that_goes(void **state) /* K15 */
{
    (void)state;
    static const char *const phases[] = {"", "Pending", "Succeed", "Failed", "Pausing", "Paused", "Resuming"};

    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++)
        for (int pause = PAUSE_ABSENT; pause <= PAUSE_TRUE; pause++) {
            struct world *world = fresh(phases[i]);
            json_array_clear(world->now.pods);
            user_pauses(world, pause);
            json_object_set_new(json_object_get(SANDBOX, "metadata"), "finalizers",
                                json_pack("[s]", "other/one"));
            user_deletes(world, SANDBOX);
            assert_string_equal(pass_sandbox_once(world), "");
            done(world);
        }
}

static void a_task_finalizer_of_an_earlier_controller_is_released(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    json_object_set_new(json_object_get(SANDBOX, "metadata"), "finalizers",
                        json_pack("[s, s]", "other/one", FINALIZER_TASK_CLEANUP));
    user_deletes(world, SANDBOX);
    assert_string_equal(pass_sandbox_once(world), "patch(sandbox)");
    assert_int_equal(json_array_size(json_path(SANDBOX, "metadata.finalizers")), 1);
    done(world);
}

static void a_pooled_sandbox_is_told_that_it_is_not_served(void **state)
{
    (void)state;
    struct world *world = fresh("");

    json_object_set_new(json_object_get(SANDBOX, "spec"), "poolRef", json_string("warm"));
    assert_string_equal(pass_sandbox_once(world), "status(Pending)");
    assert_string_equal(condition_text(SANDBOX, "Progressing", "reason"), "PoolNotSupported");
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

/* ---- intent (§4) ---- */

static void what_counts_as_a_wish(void **state)
{
    (void)state;
    static const struct {
        const char *name, *phase;
        int acked;              /* generation is 5 */
        const char *remembered; /* NULL: no memory */
        bool same_digest;
        int pause;
        enum intent intent;
    } rows[] = {
        {"nothing new", "Succeed", 5, "absent", true, PAUSE_ABSENT, INTENT_NONE},
        {"nothing new, true", "Paused", 5, "true", true, PAUSE_TRUE, INTENT_NONE},
        {"set to true", "Succeed", 4, "absent", true, PAUSE_TRUE, INTENT_PAUSE},
        {"set to true among other edits", "Succeed", 4, "false", false, PAUSE_TRUE, INTENT_PAUSE},
        {"set to false", "Paused", 4, "true", true, PAUSE_FALSE, INTENT_RESUME},
        {"removed", "Succeed", 4, "true", true, PAUSE_ABSENT, INTENT_ACK_ONLY},
        {"true, null, true", "Succeed", 3, "true", true, PAUSE_TRUE, INTENT_PAUSE},
        {"false, null, false", "Paused", 3, "false", true, PAUSE_FALSE, INTENT_RESUME},
        {"renewal while paused", "Paused", 4, "true", false, PAUSE_TRUE, INTENT_ACK_ONLY},
        {"renewal while running", "Succeed", 4, "false", false, PAUSE_FALSE, INTENT_ACK_ONLY},
        {"edit without any wish", "Succeed", 4, "absent", false, PAUSE_ABSENT, INTENT_ACK_ONLY},
        {"new, true", "", 0, NULL, true, PAUSE_TRUE, INTENT_PAUSE},
        {"new, false", "", 0, NULL, true, PAUSE_FALSE, INTENT_RESUME},
        {"new, nothing", "", 0, NULL, true, PAUSE_ABSENT, INTENT_ACK_ONLY},
        {"no memory, paused, false", "Paused", 4, NULL, true, PAUSE_FALSE, INTENT_RESUME},
        {"no memory, running, true", "Succeed", 4, NULL, true, PAUSE_TRUE, INTENT_PAUSE},
        {"no memory, paused, true", "Paused", 4, NULL, true, PAUSE_TRUE, INTENT_ACK_ONLY},
        {"no memory, running, false", "Succeed", 4, NULL, true, PAUSE_FALSE, INTENT_ACK_ONLY},
        {"no memory, failed, true", "Failed", 4, NULL, true, PAUSE_TRUE, INTENT_ACK_ONLY},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *world = fresh("Succeed");
        SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
        struct error err = {0};
        assert_int_equal(batchsandbox_read(SANDBOX, &sandbox, &err), 0);
        sandbox.meta.generation = 5;
        sandbox.spec.pause = rows[i].pause;
        sandbox.status.pause_observed_generation = rows[i].acked;
        batchsandbox_set_phase(&sandbox.status, sandbox_phase_parse(rows[i].phase));
        free(sandbox.status.observed_pause);
        sandbox.status.observed_pause = rows[i].remembered ? strdup(rows[i].remembered) : NULL;
        if (!rows[i].same_digest) {
            free(sandbox.status.observed_spec_digest);
            sandbox.status.observed_spec_digest = strdup("sha256:another");
        }
        if (sandbox_intent(&sandbox) != rows[i].intent)
            fail_msg("%s: got %d", rows[i].name, sandbox_intent(&sandbox));
        done(world);
    }
}

/* ---- admission (rest-api.md §7) ---- */

static void the_api_admits_and_refuses_with_the_contracts_words(void **state)
{
    (void)state;
    static const struct {
        const char *phase;
        int pause;
        const char *condition; /* True, or NULL */
        const char *pause_answer, *resume_answer;
    } rows[] = {
        {"Succeed", PAUSE_ABSENT, NULL, "patch", "expected Paused"},
        {"Succeed", PAUSE_FALSE, NULL, "patch", "expected Paused"},
        {"Succeed", PAUSE_TRUE, NULL, "bridge", "expected Paused"},
        {"Succeed", PAUSE_TRUE, "PauseFailed", "bridge", "expected Paused"},
        {"Paused", PAUSE_TRUE, NULL, "already paused", "patch"},
        {"Paused", PAUSE_FALSE, NULL, "already paused", "bridge"},
        {"Paused", PAUSE_FALSE, "ResumeFailed", "already paused", "bridge"},
        {"Pausing", PAUSE_TRUE, NULL, "operation in progress", "operation in progress"},
        {"Resuming", PAUSE_FALSE, NULL, "operation in progress", "operation in progress"},
        {"Pending", PAUSE_ABSENT, NULL, "being created", "being created"},
        {"Failed", PAUSE_ABSENT, NULL, "not available", "not available"},
        {"Failed", PAUSE_TRUE, "PauseFailed", "pause caused pod loss", "not available"},
        {"Failed", PAUSE_FALSE, "ResumeFailed", "not available", "resume caused pod start failure"},
        {"", PAUSE_ABSENT, NULL, "cannot pause", "expected Paused"},
        {"Elsewhere", PAUSE_ABSENT, NULL, "cannot pause", "expected Paused"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct batchsandbox sandbox = {.meta = {.name = (char *)"demo"}, .spec = {.pause = rows[i].pause}};
        sandbox.status.phase_name = (char *)rows[i].phase;
        if (rows[i].condition)
            condition_set(&sandbox.status.conditions, rows[i].condition, "Because", "why", 0);
        for (int resume = 0; resume < 2; resume++) {
            const char *want = resume ? rows[i].resume_answer : rows[i].pause_answer;
            struct error err = {0};
            enum admit_step admitted = ADMIT_PATCH;
            int answer = (resume ? admit_resume : admit_pause)(&sandbox, &admitted, &err);
            const char *got = answer < 0 ? err.text : admitted == ADMIT_BRIDGE ? "bridge" : "patch";
            if (!strstr(got, want))
                fail_msg("%s of %s: want %s, got %s", resume ? "resume" : "pause", rows[i].phase, want, got);
            assert_int_equal(err.code, answer < 0 ? ERR_PRECONDITION : ERR_NONE);
        }
        if (rows[i].condition)
            condition_remove(&sandbox.status.conditions, rows[i].condition);
        free(sandbox.status.conditions.items);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_sandbox_gets_its_pods_then_its_status_then_its_endpoints),
        cmocka_unit_test(the_first_status_carries_all_eight_counters),
        cmocka_unit_test(a_pod_is_the_template_plus_name_labels_and_owner),
        cmocka_unit_test(scale_out_adds_the_missing_indexes_and_scale_in_removes_none),
        cmocka_unit_test(replicas_from_outside_do_not_make_an_endless_plan),
        cmocka_unit_test(a_vanished_pod_is_made_again_and_a_terminating_one_is_not),
        cmocka_unit_test(a_shard_patch_applies_to_its_index),
        cmocka_unit_test(what_makes_no_pod_is_told_in_a_condition),
        cmocka_unit_test(the_phase_follows_the_pods),
        cmocka_unit_test(an_ended_pod_is_named_with_its_reason_and_left_alone),
        cmocka_unit_test(a_failed_init_container_gives_the_reason),
        cmocka_unit_test(a_pod_without_a_node_is_told_about),
        cmocka_unit_test(failures_are_counted_with_primary_reason_and_sample_pod),
        cmocka_unit_test(the_first_reason_of_a_failure_is_kept),
        cmocka_unit_test(an_unchanged_condition_keeps_its_time),
        cmocka_unit_test(conditions_of_other_writers_survive),
        cmocka_unit_test(an_expired_sandbox_is_deleted_and_a_future_end_is_remembered),
        cmocka_unit_test(nothing_is_started_for_a_sandbox_that_goes),
        cmocka_unit_test(a_task_finalizer_of_an_earlier_controller_is_released),
        cmocka_unit_test(a_pooled_sandbox_is_told_that_it_is_not_served),
        cmocka_unit_test(what_counts_as_a_wish),
        cmocka_unit_test(the_api_admits_and_refuses_with_the_contracts_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
