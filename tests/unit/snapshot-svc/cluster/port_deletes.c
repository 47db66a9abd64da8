/* Deletion, finalizers, and what follows its owner. */
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

static json_t *with_finalizer(json_t *object, const char *finalizer)
{
    json_object_set_new(json_object_get(object, "metadata"), "finalizers", json_pack("[s]", finalizer));
    return object;
}

static void assert_gone(struct port *port, enum cluster_kind kind, const char *name)
{
    struct error err = {0};
    json_t *object = NULL;
    assert_refused(cluster_get(port->cluster, kind, port->ns, name, &object, &err), ERR_NOT_FOUND);
}

static void an_object_without_finalizers_is_gone_at_once(void **state)
{
    struct port *port = *state;
    struct error err = {0};

    json_decref(create(port, KIND_BATCH_SANDBOX, sandbox_named("d-plain")));
    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-plain", NULL, -1, &err));
    assert_gone(port, KIND_BATCH_SANDBOX, "d-plain");
}

static void only_the_object_that_was_meant_is_deleted(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *created = create(port, KIND_BATCH_SANDBOX, sandbox_named("d-meant"));

    assert_refused(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-meant",
                                  "00000000-0000-4000-8000-000000000000", -1, &err),
                   ERR_CONFLICT);
    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-meant",
                             json_path_string(created, "metadata.uid"), -1, &err));
    assert_gone(port, KIND_BATCH_SANDBOX, "d-meant");
}

static void only_the_version_that_was_meant_is_deleted(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *created = create(port, KIND_BATCH_SANDBOX, sandbox_named("d-version"));
    SCOPED(json) json_t *changed = NULL;
    SCOPED(json) json_t *touch = json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "a", "1");
    const char *uid = json_path_string(created, "metadata.uid");

    assert_ok(
        cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-version", touch, NULL, &changed, &err));
    assert_refused(cluster_remove_version(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-version", uid,
                                          json_path_string(created, "metadata.resourceVersion"), -1, &err),
                   ERR_CONFLICT);
    assert_ok(cluster_remove_version(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-version", uid,
                                     json_path_string(changed, "metadata.resourceVersion"), -1, &err));
    assert_gone(port, KIND_BATCH_SANDBOX, "d-version");
}

static void finalizers_hold_an_object_until_the_last_is_removed(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *marked = NULL;
    SCOPED(json) json_t *again = NULL;
    SCOPED(json) json_t *none = quoted("{'metadata': {'finalizers': null}}");
    SCOPED(json)
    json_t *more = quoted("{'metadata': {'finalizers': ['example.test/hold', 'example.test/more']}}");

    json_decref(
        create(port, KIND_BATCH_SANDBOX, with_finalizer(sandbox_named("d-held"), "example.test/hold")));
    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-held", NULL, -1, &err));
    assert_ok(cluster_get(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-held", &marked, &err));
    assert_non_null(json_path_string(marked, "metadata.deletionTimestamp"));
    assert_int_equal(json_integer_value(json_path(marked, "metadata.generation")), 2);

    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-held", NULL, -1, &err));
    assert_ok(cluster_get(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-held", &again, &err));
    assert_true(json_equal(marked, again));

    assert_refused(
        cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-held", more, NULL, NULL, &err),
        ERR_INVALID);
    assert_text_has(err.text, "metadata.finalizers: Forbidden");
    assert_ok(cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-held", none, NULL, NULL, &err));
    assert_gone(port, KIND_BATCH_SANDBOX, "d-held");
}

static void what_is_being_deleted_can_still_tell_its_status(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *status = status_patch("Failed");
    SCOPED(json) json_t *none = quoted("{'metadata': {'finalizers': null}}");
    SCOPED(json) json_t *told = NULL;

    json_decref(
        create(port, KIND_BATCH_SANDBOX, with_finalizer(sandbox_named("d-status"), "example.test/hold")));
    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-status", NULL, -1, &err));
    assert_ok(cluster_patch_status(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-status", status, NULL,
                                   &told, &err));
    assert_non_null(json_path_string(told, "metadata.deletionTimestamp"));
    assert_ok(cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-status", none, NULL, NULL, &err));
    assert_gone(port, KIND_BATCH_SANDBOX, "d-status");
}

/* ---- owners ---- */

static bool is_being_deleted(const json_t *object)
{
    return json_path(object, "metadata.deletionTimestamp") != NULL;
}

static void children_follow_their_owner(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    size_t at = 0, held_at = 0;
    SCOPED(json) json_t *owner = create(port, KIND_BATCH_SANDBOX, sandbox_named("d-owner"));
    SCOPED(json)
    json_t *child = create(port, KIND_SANDBOX_SNAPSHOT, owned_by(snapshot_named("d-child", "x"), owner));
    json_decref(create(port, KIND_SANDBOX_SNAPSHOT, owned_by(snapshot_named("d-grandchild", "x"), child)));
    json_decref(
        create(port, KIND_SANDBOX_SNAPSHOT,
               owned_by(with_finalizer(snapshot_named("d-held-child", "x"), "example.test/hold"), owner)));
    json_decref(create(port, KIND_SANDBOX_SNAPSHOT, snapshot_named("d-stranger", "x")));
    struct watcher *watcher = watcher_start(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, NULL);

    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-owner", NULL, -1, &err));
    assert_non_null(watcher_wait(watcher, WATCH_DELETED, "d-child", &at));
    assert_non_null(watcher_wait(watcher, WATCH_DELETED, "d-grandchild", &at));
    json_t *held = watcher_wait(watcher, WATCH_MODIFIED, "d-held-child", &held_at);
    assert_non_null(held);
    assert_true(is_being_deleted(held));
    watcher_stop(watcher);

    SCOPED(json) json_t *stranger = NULL;
    SCOPED(json) json_t *none = quoted("{'metadata': {'finalizers': null}}");
    assert_ok(cluster_get(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, "d-stranger", &stranger, &err));
    assert_ok(cluster_patch(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, "d-held-child", none, NULL, NULL,
                            &err));
    assert_gone(port, KIND_SANDBOX_SNAPSHOT, "d-held-child");
}

static void a_child_with_another_owner_stays(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    size_t at = 0;
    SCOPED(json) json_t *first = create(port, KIND_BATCH_SANDBOX, sandbox_named("d-first"));
    SCOPED(json) json_t *second = create(port, KIND_SANDBOX_SNAPSHOT, snapshot_named("d-second", "x"));
    json_t *wanted = owned_by(owned_by(snapshot_named("d-shared", "x"), first), second);
    json_object_set_new(json_array_get(json_path(wanted, "metadata.ownerReferences"), 1), "controller",
                        json_false());
    json_decref(create(port, KIND_SANDBOX_SNAPSHOT, wanted));
    struct watcher *watcher = watcher_start(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, NULL);

    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-first", NULL, -1, &err));
    json_t *kept = watcher_wait(watcher, WATCH_MODIFIED, "d-shared", &at);
    assert_non_null(kept);
    assert_false(is_being_deleted(kept));
    assert_int_equal(json_array_size(json_path(kept, "metadata.ownerReferences")), 1);
    assert_ok(cluster_remove(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, "d-second", NULL, -1, &err));
    assert_non_null(watcher_wait(watcher, WATCH_DELETED, "d-shared", &at));
    watcher_stop(watcher);
}

static void a_child_of_an_owner_that_vanished_before_is_collected(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    size_t at = 0;
    SCOPED(json) json_t *owner = create(port, KIND_BATCH_SANDBOX, sandbox_named("d-vanished"));
    struct watcher *watcher = watcher_start(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, NULL);

    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-vanished", NULL, -1, &err));
    json_decref(create(port, KIND_SANDBOX_SNAPSHOT, owned_by(snapshot_named("d-late", "x"), owner)));
    assert_non_null(watcher_wait(watcher, WATCH_ADDED, "d-late", &at));
    assert_non_null(watcher_wait(watcher, WATCH_DELETED, "d-late", &at));
    watcher_stop(watcher);
}

static void a_namesake_of_the_owner_is_not_the_owner(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    size_t at = 0;
    SCOPED(json) json_t *owner = create(port, KIND_BATCH_SANDBOX, sandbox_named("d-namesake"));
    struct watcher *watcher = watcher_start(port->cluster, KIND_SANDBOX_SNAPSHOT, port->ns, NULL);

    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, "d-namesake", NULL, -1, &err));
    json_decref(create(port, KIND_BATCH_SANDBOX, sandbox_named("d-namesake")));
    json_decref(create(port, KIND_SANDBOX_SNAPSHOT, owned_by(snapshot_named("d-misled", "x"), owner)));
    assert_non_null(watcher_wait(watcher, WATCH_DELETED, "d-misled", &at));
    watcher_stop(watcher);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_object_without_finalizers_is_gone_at_once),
    cmocka_unit_test(only_the_object_that_was_meant_is_deleted),
    cmocka_unit_test(only_the_version_that_was_meant_is_deleted),
    cmocka_unit_test(finalizers_hold_an_object_until_the_last_is_removed),
    cmocka_unit_test(what_is_being_deleted_can_still_tell_its_status),
    cmocka_unit_test(children_follow_their_owner),
    cmocka_unit_test(a_child_with_another_owner_stays),
    cmocka_unit_test(a_child_of_an_owner_that_vanished_before_is_collected),
    cmocka_unit_test(a_namesake_of_the_owner_is_not_the_owner),
};
const struct port_tests port_deletes = {tests, sizeof(tests) / sizeof(tests[0])};
