/* Lists, and the watches that go on from them. */
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

static void label(struct port *port, const char *name, const char *value)
{
    struct error err = {0};
    SCOPED(json) json_t *body = quotedf("{'metadata': {'labels': {'step': '%s'}}}", value);
    assert_ok(cluster_patch(port->cluster, KIND_BATCH_SANDBOX, port->ns, name, body, NULL, NULL, &err));
}

static void delete_sandbox(struct port *port, const char *name)
{
    struct error err = {0};
    assert_ok(cluster_remove(port->cluster, KIND_BATCH_SANDBOX, port->ns, name, NULL, -1, &err));
}

static long long version_of(const json_t *object)
{
    return atoll(json_path_string(object, "metadata.resourceVersion"));
}

static void a_list_has_every_object_of_its_kind_and_namespace(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *created = create(port, KIND_BATCH_SANDBOX, sandbox_named("l-listed"));
    SCOPED(json) json_t *items = NULL;
    SCOPED(json) json_t *elsewhere = NULL;
    SCOPED(string) char *version = NULL;
    SCOPED(string) char *other_version = NULL;
    size_t i, found = 0;
    json_t *item;

    json_decref(create(port, KIND_SANDBOX_SNAPSHOT, snapshot_named("l-other-kind", "x")));
    assert_ok(cluster_list(port->cluster, KIND_BATCH_SANDBOX, port->ns, NULL, &items, &version, &err));
    json_array_foreach(items, i, item)
    {
        assert_string_not_equal(json_path_string(item, "metadata.name"), "l-other-kind");
        found += json_equal(item, created);
    }
    assert_int_equal(found, 1);
    assert_true(atoll(version) >= version_of(created));
    assert_ok(cluster_list(port->cluster, KIND_BATCH_SANDBOX, "l-elsewhere", NULL, &elsewhere, &other_version,
                           &err));
    assert_int_equal(json_array_size(elsewhere), 0);
}

static void a_watch_tells_every_change_in_order(void **state)
{
    struct port *port = *state;
    struct watcher *watcher = watcher_start(port->cluster, KIND_BATCH_SANDBOX, port->ns, NULL);
    size_t at = 0;

    SCOPED(json) json_t *created = create(port, KIND_BATCH_SANDBOX, sandbox_named("l-watched"));
    label(port, "l-watched", "one");
    label(port, "l-watched", "one"); /* changes nothing, tells nothing */
    label(port, "l-watched", "two");
    delete_sandbox(port, "l-watched");

    json_t *added = watcher_wait(watcher, WATCH_ADDED, "l-watched", &at);
    json_t *one = watcher_wait(watcher, WATCH_MODIFIED, "l-watched", &at);
    json_t *two = watcher_wait(watcher, WATCH_MODIFIED, "l-watched", &at);
    json_t *deleted = watcher_wait(watcher, WATCH_DELETED, "l-watched", &at);
    assert_true(added && one && two && deleted);
    assert_true(json_equal(added, created));
    assert_string_equal(json_path_string(one, "metadata.labels.step"), "one");
    assert_string_equal(json_path_string(two, "metadata.labels.step"), "two");
    assert_string_equal(json_path_string(deleted, "metadata.labels.step"), "two");
    assert_true(version_of(added) < version_of(one));
    assert_true(version_of(one) < version_of(two));
    assert_true(version_of(two) < version_of(deleted));
    watcher_stop(watcher);
}

static void a_watch_tells_only_of_its_kind_and_namespace(void **state)
{
    struct port *port = *state;
    struct watcher *watcher = watcher_start(port->cluster, KIND_BATCH_SANDBOX, port->ns, NULL);
    struct watcher *elsewhere = watcher_start(port->cluster, KIND_BATCH_SANDBOX, "l-elsewhere", NULL);
    struct watcher *everywhere = watcher_start(port->cluster, KIND_BATCH_SANDBOX, NULL, NULL);
    size_t at = 0, everywhere_at = 0;

    json_decref(create(port, KIND_SANDBOX_SNAPSHOT, snapshot_named("l-silent", "x")));
    json_decref(create(port, KIND_BATCH_SANDBOX, sandbox_named("l-told")));
    assert_non_null(watcher_wait(watcher, WATCH_ADDED, NULL, &at));
    assert_string_equal(json_path_string(watcher->events[0].object, "metadata.name"), "l-told");
    assert_non_null(watcher_wait(everywhere, WATCH_ADDED, "l-told", &everywhere_at));
    assert_int_equal(watcher_count(elsewhere), 0);
    watcher_stop(watcher);
    watcher_stop(elsewhere);
    watcher_stop(everywhere);
}

static void a_watch_resumes_behind_the_version_it_is_given(void **state)
{
    struct port *port = *state;
    size_t at = 0;

    SCOPED(json) json_t *created = create(port, KIND_BATCH_SANDBOX, sandbox_named("l-resumed"));
    label(port, "l-resumed", "missed");
    delete_sandbox(port, "l-resumed");
    struct watcher *watcher = watcher_start(port->cluster, KIND_BATCH_SANDBOX, port->ns,
                                            json_path_string(created, "metadata.resourceVersion"));

    json_t *missed = watcher_wait(watcher, WATCH_MODIFIED, "l-resumed", &at);
    assert_non_null(missed);
    assert_string_equal(json_path_string(missed, "metadata.labels.step"), "missed");
    assert_non_null(watcher_wait(watcher, WATCH_DELETED, "l-resumed", &at));
    watcher_stop(watcher);
}

static void a_stopped_watch_is_cancelled(void **state)
{
    struct port *port = *state;
    struct watcher *watcher = watcher_start(port->cluster, KIND_POD, port->ns, NULL);

    cluster_watch_stop(port->cluster, watcher->watch);
    struct error end = watcher_wait_end(watcher);
    assert_int_equal(end.code, ERR_CANCELLED);
    watcher_stop(watcher);
}

static void a_watch_stopped_before_it_runs_is_cancelled_too(void **state)
{
    struct port *port = *state;
    struct error err = {0};
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    struct cluster_watch *watch = NULL;

    assert_ok(cluster_list(port->cluster, KIND_POD, port->ns, NULL, &items, &version, &err));
    assert_ok(cluster_watch_open(port->cluster, KIND_POD, port->ns, NULL, version, &watch, &err));
    cluster_watch_stop(port->cluster, watch);
    assert_refused(cluster_watch_run(port->cluster, watch, NULL, NULL, &err), ERR_CANCELLED);
    cluster_watch_free(port->cluster, watch);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_list_has_every_object_of_its_kind_and_namespace),
    cmocka_unit_test(a_watch_tells_every_change_in_order),
    cmocka_unit_test(a_watch_tells_only_of_its_kind_and_namespace),
    cmocka_unit_test(a_watch_resumes_behind_the_version_it_is_given),
    cmocka_unit_test(a_stopped_watch_is_cancelled),
    cmocka_unit_test(a_watch_stopped_before_it_runs_is_cancelled_too),
};
const struct port_tests port_watches = {tests, sizeof(tests) / sizeof(tests[0])};
