/* What creating and patching does. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_suite_priv.h"

static json_t *create(struct port *port, enum cluster_kind kind, json_t *object)
{
    struct error err = {0};
    json_t *created = NULL;

    assert_ok(cluster_create(port->cluster, kind, port->ns, object, &created, &err));
    json_decref(object);
    return created;
}

static json_t *patch(struct port *port, const char *name, const char *text)
{
    struct error err = {0};
    SCOPED(json) json_t *body = quoted(text);
    json_t *patched = NULL;

    assert_ok(cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, name, body, NULL, &patched, &err));
    return patched;
}

static json_t *patch_status(struct port *port, const char *name, json_t *body)
{
    struct error err = {0};
    json_t *patched = NULL;

    assert_ok(
        cluster_patch_status(port->cluster, KIND_BATCH_SANDBOX, port->ns, name, body, NULL, &patched, &err));
    json_decref(body);
    return patched;
}

static json_t *get(struct port *port, enum cluster_kind kind, const char *name)
{
    struct error err = {0};
    json_t *object = NULL;

    assert_ok(cluster_get(port->cluster, kind, port->ns, name, &object, &err));
    return object;
}

static json_int_t generation_of(const json_t *object)
{
    return json_integer_value(json_path(object, "metadata.generation"));
}

static void assert_version(const json_t *object, const json_t *other, bool same)
{
    const char *a = json_path_string(object, "metadata.resourceVersion");
    const char *b = json_path_string(other, "metadata.resourceVersion");
    assert_int_equal(strcmp(a, b) == 0, same);
}

/* ---- create ---- */

static void a_new_object_gets_its_identity_and_defaults(void **state)
{
    SCOPED(json) json_t *created = create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-new"));
    SCOPED(json) json_t *read = get(*state, KIND_BATCH_SANDBOX, "w-new");

    assert_int_equal(strlen(json_path_string(created, "metadata.uid")), 36);
    assert_non_null(json_path_string(created, "metadata.creationTimestamp"));
    assert_int_not_equal(atoll(json_path_string(created, "metadata.resourceVersion")), 0);
    assert_string_equal(json_path_string(created, "metadata.namespace"), ((struct port *)*state)->ns);
    assert_int_equal(generation_of(created), 1);
    assert_int_equal(json_integer_value(json_path(created, "spec.replicas")), 1);
    assert_string_equal(json_path_string(created, "spec.taskResourcePolicyWhenCompleted"), "Retain");
    assert_null(json_path(created, "spec.pause"));
    assert_null(json_path(created, "metadata.deletionTimestamp"));
    assert_true(json_equal(created, read));
}

static void a_status_comes_by_its_own_patch_not_with_the_object(void **state)
{
    json_t *wanted = sandbox_named("w-with-status");
    SCOPED(json) json_t *status = status_patch("Succeed");
    json_object_update(wanted, status);

    SCOPED(json) json_t *created = create(*state, KIND_BATCH_SANDBOX, wanted);
    assert_null(json_object_get(created, "status"));
}

static void what_only_the_server_may_set_is_dropped(void **state)
{
    SCOPED(json)
    json_t *created = create(
        *state, KIND_SANDBOX_SNAPSHOT,
        quoted("{'apiVersion': 'sandbox.opensandbox.io/v1alpha1', 'kind': 'SandboxSnapshot', 'metadata':"
               " {'name': 'w-forged', 'generation': 77, 'uid': 'mine', 'deletionTimestamp': "
               "'2001-01-01T00:00:00Z',"
               " 'creationTimestamp': '2001-01-01T00:00:00Z'}, 'spec': {'sandboxName': 'x'}}"));

    assert_int_equal(generation_of(created), 1);
    assert_string_not_equal(json_path_string(created, "metadata.uid"), "mine");
    assert_string_not_equal(json_path_string(created, "metadata.creationTimestamp"), "2001-01-01T00:00:00Z");
    assert_null(json_path(created, "metadata.deletionTimestamp"));
}

static json_t *create_event(struct port *port)
{
    return create(port, KIND_EVENT,
                  quotedf("{'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'generateName': 'w-event-'},"
                          " 'involvedObject': {'kind': 'BatchSandbox', 'name': 'x', 'namespace': '%s'},"
                          " 'reason': 'Tested', 'message': 'told', 'type': 'Normal'}",
                          port->ns));
}

static void a_generated_name_begins_as_asked_and_differs_each_time(void **state)
{
    SCOPED(json) json_t *first = create_event(*state);
    SCOPED(json) json_t *second = create_event(*state);
    const char *name = json_path_string(first, "metadata.name");

    assert_int_equal(strncmp(name, "w-event-", 8), 0);
    assert_true(strlen(name) > 8);
    assert_string_not_equal(name, json_path_string(second, "metadata.name"));
}

/* ---- generation and versions ---- */

static void a_spec_change_raises_the_generation_other_changes_do_not(void **state)
{
    json_decref(create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-generation")));
    SCOPED(json) json_t *spec = patch(*state, "w-generation", "{'spec': {'pause': true}}");
    SCOPED(json) json_t *label = patch(*state, "w-generation", "{'metadata': {'labels': {'team': 'a'}}}");
    SCOPED(json) json_t *status = patch_status(*state, "w-generation", status_patch("Pausing"));
    SCOPED(json) json_t *again = patch(*state, "w-generation", "{'spec': {'pause': null}}");

    assert_int_equal(generation_of(spec), 2);
    assert_int_equal(generation_of(label), 2);
    assert_int_equal(generation_of(status), 2);
    assert_int_equal(generation_of(again), 3);
    assert_null(json_path(again, "spec.pause"));
}

static void every_change_gives_a_higher_version(void **state)
{
    SCOPED(json) json_t *created = create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-version"));
    SCOPED(json) json_t *label = patch(*state, "w-version", "{'metadata': {'annotations': {'a': 'b'}}}");
    SCOPED(json) json_t *status = patch_status(*state, "w-version", status_patch("Pending"));
    long long versions[] = {atoll(json_path_string(created, "metadata.resourceVersion")),
                            atoll(json_path_string(label, "metadata.resourceVersion")),
                            atoll(json_path_string(status, "metadata.resourceVersion"))};

    assert_true(versions[0] < versions[1]);
    assert_true(versions[1] < versions[2]);
}

static void what_changes_nothing_writes_nothing(void **state)
{
    json_decref(create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-same")));
    SCOPED(json) json_t *paused = patch(*state, "w-same", "{'spec': {'pause': true}}");
    static const char *const idle[] = {
        "{'spec': {'pause': true}}",           "{'metadata': {'labels': {'gone': null}}}",
        "{'metadata': {'annotations': null}}", "{'spec': {'replicas': 1, 'poolRef': null}}",
        "{'metadata': {'generation': 99}}",    "{}",
    };

    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
        SCOPED(json) json_t *same = patch(*state, "w-same", idle[i]);
        assert_true(json_equal(same, paused));
    }
    SCOPED(json) json_t *status = patch_status(*state, "w-same", status_patch("Paused"));
    SCOPED(json) json_t *status_again = patch_status(*state, "w-same", status_patch("Paused"));
    assert_version(status, paused, false);
    assert_version(status, status_again, true);
}

/* ---- merge patches ---- */

static void a_merge_patch_replaces_lists_whole_and_removes_by_null(void **state)
{
    json_decref(create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-merge")));
    json_decref(patch(
        *state, "w-merge",
        "{'metadata': {'labels': {'a': '1', 'b': '2'}}, 'spec': {'shardPatches': [{'x': 1}, {'y': 2}]}}"));
    SCOPED(json)
    json_t *patched = patch(*state, "w-merge",
                            "{'metadata': {'labels': {'a': null}}, 'spec': {'shardPatches': [{'z': 3}]}}");
    SCOPED(json) json_t *labels = quoted("{'b': '2'}");
    SCOPED(json) json_t *list = quoted("[{'z': 3}]");

    assert_true(json_equal(json_path(patched, "metadata.labels"), labels));
    assert_true(json_equal(json_path(patched, "spec.shardPatches"), list));
    assert_non_null(json_path(patched, "spec.template"));
}

static void a_status_patch_touches_only_the_status(void **state)
{
    json_decref(create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-status")));
    json_t *greedy = status_patch("Succeed");
    json_object_set_new(greedy, "spec", quoted("{'pause': true}"));
    json_object_set_new(greedy, "metadata", quoted("{'labels': {'a': 'b'}}"));
    SCOPED(json) json_t *patched = patch_status(*state, "w-status", greedy);

    assert_string_equal(json_path_string(patched, "status.phase"), "Succeed");
    assert_null(json_path(patched, "spec.pause"));
    assert_null(json_path(patched, "metadata.labels"));
}

static void an_ordinary_patch_leaves_the_status(void **state)
{
    json_decref(create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-keep")));
    json_decref(patch_status(*state, "w-keep", status_patch("Succeed")));
    SCOPED(json) json_t *patched = patch(*state, "w-keep", "{'spec': {'pause': true}, 'status': null}");
    SCOPED(json) json_t *other = patch(*state, "w-keep", "{'status': {'phase': 'Failed'}}");

    assert_true(json_is_true(json_path(patched, "spec.pause")));
    assert_string_equal(json_path_string(patched, "status.phase"), "Succeed");
    assert_string_equal(json_path_string(other, "status.phase"), "Succeed");
    assert_int_equal(generation_of(other), 2);
}

static void identity_cannot_be_patched(void **state)
{
    SCOPED(json) json_t *created = create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-identity"));
    SCOPED(json)
    json_t *patched = patch(*state, "w-identity",
                            "{'metadata': {'creationTimestamp': '2001-01-01T00:00:00Z', 'generation': 9}}");
    assert_true(json_equal(created, patched));
}

static void only_a_deletion_gives_a_deletion_timestamp(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *forged = quoted("{'metadata': {'deletionTimestamp': '2001-01-01T00:00:00Z'}}");

    json_decref(create(port, KIND_BATCH_SANDBOX, sandbox_named("w-undying")));
    assert_refused(
        cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "w-undying", forged, NULL, NULL, &err),
        ERR_INVALID);
    assert_text_has(err.text, "metadata.deletionTimestamp: Invalid value");
}

static void null_counts_as_absent_but_in_opaque_parts(void **state)
{
    json_t *wanted = sandbox_named("w-null");
    json_object_set_new(
        wanted, "spec",
        quoted("{'pause': null, 'replicas': null, 'expireTime': null, 'shardPatches': [{'a': null}]}"));
    SCOPED(json) json_t *created = create(*state, KIND_BATCH_SANDBOX, wanted);
    SCOPED(json)
    json_t *spec = quoted("{'replicas': 1, 'taskResourcePolicyWhenCompleted': 'Retain',"
                          " 'shardPatches': [{'a': null}]}");
    json_t *status = status_patch("Pending");
    json_object_set_new(json_object_get(status, "status"), "conditions",
                        quoted("[{'type': 'Ready', 'status': 'True', 'message': null}]"));
    SCOPED(json) json_t *told = patch_status(*state, "w-null", status);
    SCOPED(json) json_t *conditions = quoted("[{'type': 'Ready', 'status': 'True'}]");

    assert_true(json_equal(json_object_get(created, "spec"), spec));
    assert_true(json_equal(json_path(told, "status.conditions"), conditions));
}

static void members_that_the_schema_does_not_know_are_pruned(void **state)
{
    json_t *wanted = sandbox_named("w-pruned");
    json_object_set_new(wanted, "extra", json_true());
    json_object_set_new(json_object_get(wanted, "spec"), "surprise", json_true());
    json_object_set_new(json_path(wanted, "spec.template"), "anything", quoted("{'goes': [null]}"));
    SCOPED(json) json_t *created = create(*state, KIND_BATCH_SANDBOX, wanted);
    SCOPED(json) json_t *same = patch(*state, "w-pruned", "{'spec': {'surprise': 1}, 'extra': 2}");

    assert_null(json_object_get(created, "extra"));
    assert_null(json_path(created, "spec.surprise"));
    assert_non_null(json_path(created, "spec.template.anything.goes"));
    assert_true(json_equal(created, same));

    json_t *status = status_patch("Pending");
    json_object_set_new(json_object_get(status, "status"), "mood", json_string("good"));
    json_object_set_new(json_object_get(status, "status"), "conditions",
                        quoted("[{'type': 'Ready', 'status': 'True', 'colour': 'green'}]"));
    SCOPED(json) json_t *told = patch_status(*state, "w-pruned", status);
    assert_null(json_path(told, "status.mood"));
    assert_null(json_object_get(json_array_get(json_path(told, "status.conditions"), 0), "colour"));
}

static void pods_have_a_status_and_keep_their_spec(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *created = create(port, KIND_POD, pod_named("w-pod"));
    SCOPED(json) json_t *other_spec = quoted("{'spec': {'restartPolicy': 'OnFailure'}}");
    SCOPED(json) json_t *running = quoted("{'status': {'message': 'seen by the test'}}");
    SCOPED(json) json_t *patched = NULL;

    assert_string_equal(json_path_string(created, "status.phase"), "Pending");
    assert_refused(cluster_patch(port->cluster, KIND_POD, port->ns, "w-pod", other_spec, NULL, NULL, &err),
                   ERR_INVALID);
    assert_ok(
        cluster_patch_status(port->cluster, KIND_POD, port->ns, "w-pod", running, NULL, &patched, &err));
    assert_string_equal(json_path_string(patched, "status.message"), "seen by the test");
    assert_string_equal(json_path_string(patched, "status.phase"), "Pending");
}

/* ---- a law: of writers that read first and name the version, none loses a change of another ---- */

enum { WRITERS = 4, ROUNDS = 25 };

static void *count_up(void *arg)
{
    struct port *port = arg;

    for (int done = 0; done < ROUNDS;) {
        struct error err = {0};
        SCOPED(json) json_t *object = NULL;
        if (cluster_get(port->cluster, KIND_BATCH_SANDBOX, port->ns, "w-counter", &object, &err) < 0)
            return "get failed";
        const char *text = json_path_string(object, "metadata.annotations.count");
        SCOPED(json)
        json_t *body = quotedf("{'metadata': {'annotations': {'count': '%d'}}}", (text ? atoi(text) : 0) + 1);
        if (cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "w-counter", body,
                          json_path_string(object, "metadata.resourceVersion"), NULL, &err) == 0)
            done++;
        else if (err.code != ERR_CONFLICT)
            return "patch failed";
    }
    return NULL;
}

static void no_change_is_lost_between_writers_that_name_the_version(void **state)
{
    pthread_t writers[WRITERS];

    json_decref(create(*state, KIND_BATCH_SANDBOX, sandbox_named("w-counter")));
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, count_up, *state), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *failure;
        pthread_join(writers[i], &failure);
        assert_null(failure);
    }
    SCOPED(json) json_t *object = get(*state, KIND_BATCH_SANDBOX, "w-counter");
    assert_int_equal(atoi(json_path_string(object, "metadata.annotations.count")), WRITERS * ROUNDS);
}

/* ---- what the API makes beside a sandbox ---- */

static void a_secret_is_made_read_patched_and_removed_by_its_version(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json)
    json_t *made = create(port, KIND_SECRET,
                          quoted("{'metadata': {'name': 'w-auth'}, 'type': 'kubernetes.io/dockerconfigjson',"
                                 " 'data': {'.dockerconfigjson': 'e30='}}"));
    SCOPED(json) json_t *body = quoted("{'metadata': {'labels': {'a': 'b'}}, 'data': {'more': 'eA=='}}");
    SCOPED(json) json_t *patched = NULL;
    json_t *gone = NULL;
    const char *uid = json_path_string(made, "metadata.uid");

    assert_ok(cluster_patch(port->cluster, KIND_SECRET, port->ns, "w-auth", body, NULL, &patched, &err));
    assert_version(made, patched, false);
    SCOPED(json) json_t *read = get(port, KIND_SECRET, "w-auth");
    assert_string_equal(json_path_string(read, "type"), "kubernetes.io/dockerconfigjson");
    assert_int_equal(json_object_size(json_object_get(read, "data")), 2);
    assert_refused(cluster_remove_version(port->cluster, KIND_SECRET, port->ns, "w-auth", uid,
                                          json_path_string(made, "metadata.resourceVersion"), -1, &err),
                   ERR_CONFLICT);
    error_clear(&err);
    assert_ok(cluster_remove_version(port->cluster, KIND_SECRET, port->ns, "w-auth", uid,
                                     json_path_string(read, "metadata.resourceVersion"), -1, &err));
    assert_refused(cluster_get(port->cluster, KIND_SECRET, port->ns, "w-auth", &gone, &err), ERR_NOT_FOUND);
}

static void a_volume_claim_is_made_once(void **state)
{
    static const char claim[] = "{'metadata': {'name': 'w-claim'}, 'spec': {'accessModes': ['ReadWriteOnce'],"
                                " 'resources': {'requests': {'storage': '1Gi'}}}}";
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *made = create(port, KIND_VOLUME_CLAIM, quoted(claim));
    SCOPED(json) json_t *again = quoted(claim);
    SCOPED(json) json_t *read = get(port, KIND_VOLUME_CLAIM, "w-claim");

    assert_string_equal(json_path_string(read, "kind"), "PersistentVolumeClaim");
    assert_string_equal(json_path_string(read, "metadata.uid"), json_path_string(made, "metadata.uid"));
    assert_refused(cluster_create(port->cluster, KIND_VOLUME_CLAIM, port->ns, again, NULL, &err), ERR_EXISTS);
}

static void events_are_found_by_the_name_of_their_object(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    char *names[] = {"w-told", "w-told-0"};
    const char *const about[] = {"w-told", "w-told-0", "w-told-1", "w-tol"};
    SCOPED(json) json_t *events = NULL;

    for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++)
        json_decref(
            create(port, KIND_EVENT,
                   quotedf("{'metadata': {'generateName': 'e-'}, 'involvedObject': {'kind': 'Pod',"
                           " 'namespace': '%s', 'name': '%s', 'uid': '%zu'}, 'reason': 'R', 'message':"
                           " 'm', 'type': 'Normal', 'count': 1, 'source': {'component': 'test'}}",
                           port->ns, about[i], i)));
    assert_ok(cluster_events_about(port->cluster, port->ns, names, 2, &events, &err));
    assert_int_equal(json_array_size(events), 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_secret_is_made_read_patched_and_removed_by_its_version),
    cmocka_unit_test(a_volume_claim_is_made_once),
    cmocka_unit_test(events_are_found_by_the_name_of_their_object),
    cmocka_unit_test(a_new_object_gets_its_identity_and_defaults),
    cmocka_unit_test(a_status_comes_by_its_own_patch_not_with_the_object),
    cmocka_unit_test(what_only_the_server_may_set_is_dropped),
    cmocka_unit_test(a_generated_name_begins_as_asked_and_differs_each_time),
    cmocka_unit_test(a_spec_change_raises_the_generation_other_changes_do_not),
    cmocka_unit_test(every_change_gives_a_higher_version),
    cmocka_unit_test(what_changes_nothing_writes_nothing),
    cmocka_unit_test(a_merge_patch_replaces_lists_whole_and_removes_by_null),
    cmocka_unit_test(a_status_patch_touches_only_the_status),
    cmocka_unit_test(an_ordinary_patch_leaves_the_status),
    cmocka_unit_test(identity_cannot_be_patched),
    cmocka_unit_test(only_a_deletion_gives_a_deletion_timestamp),
    cmocka_unit_test(null_counts_as_absent_but_in_opaque_parts),
    cmocka_unit_test(members_that_the_schema_does_not_know_are_pruned),
    cmocka_unit_test(pods_have_a_status_and_keep_their_spec),
    cmocka_unit_test(no_change_is_lost_between_writers_that_name_the_version),
};
const struct port_tests port_writes = {tests, sizeof(tests) / sizeof(tests[0])};
