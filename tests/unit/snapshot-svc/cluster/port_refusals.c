/* What is refused, with which code, and in words that name the member. */
#include <string.h>

#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_suite_priv.h"

static int try_create(struct port *port, enum cluster_kind kind, const char *text, struct error *err)
{
    SCOPED(json) json_t *object = quoted(text);
    return cluster_create(port->cluster, kind, port->ns, object, NULL, err);
}

static void create_sandbox(struct port *port, const char *name)
{
    struct error err = {0};
    SCOPED(json) json_t *object = sandbox_named(name);
    assert_ok(cluster_create(port->cluster, KIND_BATCH_SANDBOX, port->ns, object, NULL, &err));
}

static void bad_specs_are_refused_by_member(void **state)
{
    static const struct {
        const char *spec, *text;
    } rows[] = {
        {"{'replicas': -1}", "spec.replicas: Invalid value"},
        {"{'replicas': -1}", "should be greater than or equal to 0"},
        {"{'replicas': '1'}", "spec.replicas in body must be of type integer"},
        {"{'replicas': 1.5}", "spec.replicas in body must be of type integer"},
        {"{'pause': 'yes'}", "spec.pause in body must be of type boolean: \"string\""},
        {"{'expireTime': 'tomorrow'}", "spec.expireTime in body must be of type date-time"},
        {"{'poolRef': 7}", "spec.poolRef in body must be of type string"},
    };
    struct error err = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *object = sandbox_named("r-bad-spec");
        json_object_set_new(object, "spec", quoted(rows[i].spec));
        assert_refused(cluster_create(((struct port *)*state)->cluster, KIND_BATCH_SANDBOX,
                                      ((struct port *)*state)->ns, object, NULL, &err),
                       ERR_INVALID);
        assert_text_has(err.text, rows[i].text);
        assert_text_has(err.text, "r-bad-spec");
    }
}

static void a_snapshot_must_name_its_sandbox(void **state)
{
    struct error err = {0};

    assert_refused(try_create(*state, KIND_SANDBOX_SNAPSHOT,
                              "{'apiVersion': 'sandbox.opensandbox.io/v1alpha1', 'kind': 'SandboxSnapshot',"
                              " 'metadata': {'name': 'r-nameless'}, 'spec': {}}",
                              &err),
                   ERR_INVALID);
    assert_text_has(err.text, "spec.sandboxName: Required value");
}

static void bad_metadata_is_refused_by_member(void **state)
{
    static const struct {
        const char *metadata, *text;
    } rows[] = {
        {"{'name': 'Capital'}", "metadata.name: Invalid value: \"Capital\""},
        {"{'name': 'a..b'}", "metadata.name"},
        {"{'name': '-a'}", "metadata.name"},
        {"{'name': 'a/b'}", "metadata.name"},
        {"{}", "name or generateName is required"},
        {"{'name': 'r-x', 'labels': {'a': 'not a label'}}",
         "metadata.labels: Invalid value: \"not a label\""},
        {"{'name': 'r-x', 'labels': {'a b': 'x'}}", "metadata.labels: Invalid value: \"a b\""},
        {"{'name': 'r-x', 'annotations': {'a b': 'x'}}", "metadata.annotations: Invalid value: \"a b\""},
        {"{'name': 'r-x', 'finalizers': ['a b']}", "metadata.finalizers"},
        {"{'name': 'r-x', 'ownerReferences': [{'kind': 'Pod', 'name': 'p', 'uid': 'u', 'apiVersion': ''}]}",
         "metadata.ownerReferences"},
        {"{'name': 'r-x', 'ownerReferences': [{'apiVersion': 'v1', 'kind': 'Pod', 'name': 'p', 'uid': 'u1', "
         "'controller':"
         " true}, {'apiVersion': 'v1', 'kind': 'Pod', 'name': 'q', 'uid': 'u2', 'controller': true}]}",
         "Only one reference can have Controller set to true"},
    };
    struct port *port = *state;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *object = snapshot_named("unused", "x");
        json_object_set_new(object, "metadata", quoted(rows[i].metadata));
        assert_refused(cluster_create(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, object, NULL, &err),
                       ERR_INVALID);
        assert_text_has(err.text, rows[i].text);
    }
}

/* kube-apiserver takes it for an error of its own (500), so there is more than one code for it. */
static void a_new_object_cannot_have_a_version_already(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *object = snapshot_named("r-versioned", "x");

    json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string("12"));
    assert_int_equal(cluster_create(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, object, NULL, &err), -1);
    assert_text_has(err.text, "resourceVersion should not be set");
}

static void a_name_of_253_characters_is_good_and_one_more_is_not(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    char name[255];

    memset(name, 'n', sizeof(name));
    name[254] = '\0';
    SCOPED(json) json_t *longer = snapshot_named(name, "x");
    assert_refused(cluster_create(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, longer, NULL, &err),
                   ERR_INVALID);
    name[253] = '\0';
    SCOPED(json) json_t *longest = snapshot_named(name, "x");
    assert_ok(cluster_create(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, longest, NULL, &err));
}

static void another_kind_or_namespace_is_refused(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *elsewhere = sandbox_named("r-elsewhere");

    assert_refused(try_create(port, KIND_POD,
                              "{'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'r-kind'}}", &err),
                   ERR_INVALID);
    json_object_set_new(json_object_get(elsewhere, "metadata"), "namespace", json_string("r-other"));
    assert_refused(cluster_create(port->cluster, KIND_BATCH_SANDBOX, port->ns, elsewhere, NULL, &err),
                   ERR_INVALID);
    assert_text_has(err.text, "does not match");
    json_object_del(json_object_get(elsewhere, "metadata"), "namespace");
    assert_refused(cluster_create(port->cluster, KIND_BATCH_SANDBOX, "r-other", elsewhere, NULL, &err),
                   ERR_NOT_FOUND);
}

static void bad_pods_are_refused_by_member(void **state)
{
    static const struct {
        const char *containers, *text;
    } rows[] = {
        {"[]", "spec.containers: Required value"},
        {"[{'name': 'main'}]", "spec.containers[0].image: Required value"},
        {"[{'image': 'i'}]", "spec.containers[0].name: Required value"},
        {"[{'name': 'Main', 'image': 'i'}]", "spec.containers[0].name: Invalid value: \"Main\""},
        {"[{'name': 'a', 'image': 'i'}, {'name': 'a', 'image': 'i'}]",
         "spec.containers[1].name: Duplicate value: \"a\""},
    };
    struct port *port = *state;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *pod = pod_named("r-pod");
        json_object_set_new(json_object_get(pod, "spec"), "containers", quoted(rows[i].containers));
        assert_refused(cluster_create(port->cluster, KIND_POD, port->ns, pod, NULL, &err), ERR_INVALID);
        assert_text_has(err.text, rows[i].text);
    }
}

static void an_event_tells_of_an_object_in_its_own_namespace(void **state)
{
    struct error err = {0};

    assert_refused(try_create(*state, KIND_EVENT,
                              "{'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'name': 'r-event'},"
                              " 'involvedObject': {'kind': 'Pod', 'name': 'x', 'namespace': 'r-elsewhere'}}",
                              &err),
                   ERR_INVALID);
    assert_text_has(err.text, "involvedObject.namespace");
}

/* ---- status ---- */

static void a_status_must_carry_every_counter(void **state)
{
    static const char *const counters[] = {"replicas",    "allocated",  "ready",       "taskRunning",
                                           "taskSucceed", "taskFailed", "taskPending", "taskUnknown"};
    struct port *port = *state;
    struct error err = {0};

    create_sandbox(port, "r-counters");
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        SCOPED(json) json_t *body = status_patch("Pending");
        json_object_del(json_object_get(body, "status"), counters[i]);
        assert_refused(cluster_patch_status(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-counters", body,
                                            NULL, NULL, &err),
                       ERR_INVALID);
        assert_text_has(err.text, counters[i]);
        assert_text_has(err.text, "Required value");
    }
}

static void bad_status_members_are_refused(void **state)
{
    static const struct {
        const char *status, *text;
    } rows[] = {
        {"{'phase': 'Running'}",
         "status.phase: Unsupported value: \"Running\": supported values: \"Pending\""},
        {"{'ready': 'all'}", "status.ready"},
        /* v1.20 does not say which item of a list it means */
        {"{'conditions': [{'type': 'Ready'}]}", ".status: Required value"},
        {"{'conditions': [{'type': 'Ready', 'status': null}]}", ".status: Required value"},
        {"{'conditions': [{'status': 'True'}]}", ".type: Required value"},
        {"{'conditions': [{'type': 'Ready', 'status': 'Unknown'}]}", ".status: Unsupported value"},
    };
    struct port *port = *state;
    struct error err = {0};

    create_sandbox(port, "r-status");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *body = status_patch("Pending");
        SCOPED(json) json_t *bad = quoted(rows[i].status);
        json_object_update(json_object_get(body, "status"), bad);
        assert_refused(cluster_patch_status(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-status", body,
                                            NULL, NULL, &err),
                       ERR_INVALID);
        assert_text_has(err.text, rows[i].text);
    }
}

static void a_committed_container_must_have_its_name_and_image(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *snapshot = snapshot_named("r-containers", "x");
    SCOPED(json) json_t *nameless = quoted("{'status': {'containers': [{'imageUri': 'i'}]}}");
    SCOPED(json)
    json_t *whole = quoted("{'status': {'phase': 'Succeed', 'containers': [{'containerName': 'c',"
                           " 'imageUri': 'i', 'imageDigest': 'd'}]}}");

    assert_ok(cluster_create(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, snapshot, NULL, &err));
    assert_refused(cluster_patch_status(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, "r-containers",
                                        nameless, NULL, NULL, &err),
                   ERR_INVALID);
    assert_text_has(err.text, "status.containers");
    assert_text_has(err.text, ".containerName: Required value");
    assert_ok(cluster_patch_status(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, "r-containers", whole,
                                   NULL, NULL, &err));
}

/* ---- codes ---- */

static void a_second_object_of_the_same_name_exists_already(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *object = sandbox_named("r-twice");

    create_sandbox(port, "r-twice");
    assert_refused(cluster_create(port->cluster, KIND_BATCH_SANDBOX, port->ns, object, NULL, &err),
                   ERR_EXISTS);
    assert_text_has(err.text, "batchsandboxes.sandbox.opensandbox.io \"r-twice\" already exists");
    SCOPED(json) json_t *namesake = snapshot_named("r-twice", "x");
    assert_ok(cluster_create(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, namesake, NULL, &err));
}

static void what_is_not_there_is_not_found_by_any_call(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    json_t *object = NULL;
    SCOPED(json) json_t *body = quoted("{'spec': {'pause': true}}");
    SCOPED(json) json_t *status = status_patch("Pending");

    assert_refused(cluster_get(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-none", &object, &err),
                   ERR_NOT_FOUND);
    assert_text_has(err.text, "batchsandboxes.sandbox.opensandbox.io \"r-none\" not found");
    assert_null(object);
    assert_refused(cluster_get(port->cluster, KIND_POD, port->ns, "r-none", &object, &err), ERR_NOT_FOUND);
    assert_text_has(err.text, "pods \"r-none\" not found");
    assert_refused(cluster_get(port->cluster, KIND_SECRET, port->ns, "r-none", &object, &err), ERR_NOT_FOUND);
    assert_refused(
        cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-none", body, NULL, NULL, &err),
        ERR_NOT_FOUND);
    assert_refused(
        cluster_patch_status(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-none", status, NULL, NULL, &err),
        ERR_NOT_FOUND);
    assert_refused(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-none", NULL, -1, &err),
                   ERR_NOT_FOUND);
}

static void who_names_an_old_version_has_a_conflict(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *created = NULL;
    SCOPED(json) json_t *object = sandbox_named("r-stale");
    SCOPED(json) json_t *body = quoted("{'spec': {'pause': true}}");
    SCOPED(json) json_t *status = status_patch("Pending");

    assert_ok(cluster_create(port->cluster, KIND_BATCH_SANDBOX, port->ns, object, &created, &err));
    const char *old = json_path_string(created, "metadata.resourceVersion");
    assert_ok(cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-stale", body, old, NULL, &err));

    SCOPED(json) json_t *other = quoted("{'spec': {'pause': false}}");
    SCOPED(json)
    json_t *inside = quotedf("{'metadata': {'resourceVersion': '%s'}, 'spec': {'pause': false}}", old);
    assert_refused(
        cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-stale", other, old, NULL, &err),
        ERR_CONFLICT);
    assert_text_has(err.text, "the object has been modified");
    assert_refused(
        cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-stale", inside, NULL, NULL, &err),
        ERR_CONFLICT);
    assert_refused(
        cluster_patch_status(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-stale", status, old, NULL, &err),
        ERR_CONFLICT);
    SCOPED(json) json_t *after = NULL;
    assert_ok(cluster_get(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-stale", &after, &err));
    assert_true(json_is_true(json_path(after, "spec.pause")));
}

static void another_name_cannot_be_patched_in(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *renamed = quoted("{'metadata': {'name': 'r-renamed-too'}}");
    SCOPED(json) json_t *not_an_object = quoted("['spec']");

    create_sandbox(port, "r-renamed");
    assert_refused(
        cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-renamed", renamed, NULL, NULL, &err),
        ERR_INVALID);
    assert_refused(cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "r-renamed", not_an_object,
                                 NULL, NULL, &err),
                   ERR_INVALID);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(bad_specs_are_refused_by_member),
    cmocka_unit_test(a_snapshot_must_name_its_sandbox),
    cmocka_unit_test(bad_metadata_is_refused_by_member),
    cmocka_unit_test(a_new_object_cannot_have_a_version_already),
    cmocka_unit_test(a_name_of_253_characters_is_good_and_one_more_is_not),
    cmocka_unit_test(another_kind_or_namespace_is_refused),
    cmocka_unit_test(bad_pods_are_refused_by_member),
    cmocka_unit_test(an_event_tells_of_an_object_in_its_own_namespace),
    cmocka_unit_test(a_status_must_carry_every_counter),
    cmocka_unit_test(bad_status_members_are_refused),
    cmocka_unit_test(a_committed_container_must_have_its_name_and_image),
    cmocka_unit_test(a_second_object_of_the_same_name_exists_already),
    cmocka_unit_test(what_is_not_there_is_not_found_by_any_call),
    cmocka_unit_test(who_names_an_old_version_has_a_conflict),
    cmocka_unit_test(another_name_cannot_be_patched_in),
};
const struct port_tests port_refusals = {tests, sizeof(tests) / sizeof(tests[0])};
