/* What the SQLite implementation does beyond the port's common rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#define NS "test"

static json_t *create(struct local_kit *kit, enum cluster_kind kind, json_t *object)
{
    struct error err = {0};
    json_t *created = NULL;

    assert_ok(cluster_create(kit->cluster, kind, NS, object, &created, &err));
    json_decref(object);
    return created;
}

static json_t *get(struct local_kit *kit, enum cluster_kind kind, const char *name)
{
    struct error err = {0};
    json_t *object = NULL;
    assert_ok(cluster_get(kit->cluster, kind, NS, name, &object, &err));
    return object;
}

static size_t count_of(struct local_kit *kit, enum cluster_kind kind)
{
    struct error err = {0};
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    assert_ok(cluster_list(kit->cluster, kind, NS, NULL, &items, &version, &err));
    return json_array_size(items);
}

/* ---- the file ---- */

static void what_was_written_is_there_after_a_restart(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(json) json_t *created = create(kit, KIND_BATCH_SANDBOX, sandbox_named("kept"));

    local_kit_close(kit);
    local_kit_open(kit);
    SCOPED(json) json_t *read = get(kit, KIND_BATCH_SANDBOX, "kept");
    assert_true(json_equal(created, read));
    SCOPED(json) json_t *next = create(kit, KIND_BATCH_SANDBOX, sandbox_named("next"));
    assert_true(atoll(json_path_string(next, "metadata.resourceVersion")) >
                atoll(json_path_string(created, "metadata.resourceVersion")));
}

static void a_watch_resumes_over_a_restart(void **state)
{
    struct local_kit *kit = *state;
    size_t at = 0;

    SCOPED(json) json_t *seen = create(kit, KIND_BATCH_SANDBOX, sandbox_named("seen"));
    json_decref(create(kit, KIND_BATCH_SANDBOX, sandbox_named("missed")));
    local_kit_close(kit);
    local_kit_open(kit);
    struct watcher *watcher = watcher_start(kit->cluster, KIND_BATCH_SANDBOX, NS,
                                            json_path_string(seen, "metadata.resourceVersion"));
    assert_non_null(watcher_wait(watcher, WATCH_ADDED, "missed", &at));
    watcher_stop(watcher);
}

static void nobody_else_may_read_the_files(void **state)
{
    struct local_kit *kit = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};

    json_decref(create(kit, KIND_BATCH_SANDBOX, sandbox_named("private")));
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        SCOPED(string) char *path = xasprintf("%s%s", kit->path, suffixes[i]);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void a_second_process_is_refused_in_plain_words(void **state)
{
    struct local_kit *kit = *state;
    struct cluster *second = NULL;
    struct error err = {0};

    assert_refused(cluster_local_open(&kit->options, &second, &err), ERR_UNAVAILABLE);
    assert_text_has(err.text, kit->path);
    assert_text_has(err.text, "another running process holds it");
    local_kit_close(kit);
    local_kit_open(kit);
}

static void a_namespace_that_is_none_is_refused(void **state)
{
    struct local_kit *kit = *state;
    struct cluster *cluster = NULL;
    struct error err = {0};

    local_kit_close(kit);
    kit->options.ns = "Not A Namespace";
    assert_refused(cluster_local_open(&kit->options, &cluster, &err), ERR_INVALID);
}

static void an_object_too_large_is_refused_and_leaves_no_trace(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *object = sandbox_named("huge");
    SCOPED(string) char *text = xcalloc(2 * 1024 * 1024, 1);

    memset(text, 'x', 2 * 1024 * 1024 - 1);
    json_object_set_new(json_object_get(object, "spec"), "taskTemplate", json_string(text));
    assert_refused(cluster_create(kit->cluster, KIND_BATCH_SANDBOX, NS, object, NULL, &err), ERR_INVALID);
    assert_text_has(err.text, "too large");
    assert_int_equal(count_of(kit, KIND_BATCH_SANDBOX), 0);
    json_decref(create(kit, KIND_BATCH_SANDBOX, sandbox_named("huge")));
}

/* ---- watches ---- */

static void create_snapshots(struct local_kit *kit, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        SCOPED(string) char *name = xasprintf("s%d", i);
        json_decref(create(kit, KIND_SANDBOX_SNAPSHOT, snapshot_named(name, "x")));
    }
}

static void a_version_that_the_log_has_forgotten_is_expired(void **state)
{
    struct local_kit *kit = *state;

    SCOPED(json) json_t *old = create(kit, KIND_BATCH_SANDBOX, sandbox_named("old"));
    create_snapshots(kit, 0, 200);
    const char *const versions[] = {json_path_string(old, "metadata.resourceVersion"), "99999999"};
    for (int i = 0; i < 2; i++) {
        struct watcher *watcher = watcher_start(kit->cluster, KIND_BATCH_SANDBOX, NS, versions[i]);
        struct error end = watcher_wait_end(watcher);
        assert_int_equal(end.code, ERR_PRECONDITION);
        assert_string_equal(end.reason, "Expired");
        watcher_stop(watcher);
    }
}

static void bookmarks_let_a_quiet_watch_resume(void **state)
{
    struct local_kit *kit = *state;
    struct watcher *watcher = watcher_start(kit->cluster, KIND_BATCH_SANDBOX, NS, NULL);
    json_t *bookmark = NULL;
    size_t at = 0, resumed_at = 0;

    for (int round = 0; round < 6; round++) { /* far more changes than the log keeps */
        create_snapshots(kit, round * 40, 40);
        bookmark = watcher_wait(watcher, WATCH_BOOKMARK, NULL, &at);
        assert_non_null(bookmark);
    }
    struct watcher *resumed = watcher_start(kit->cluster, KIND_BATCH_SANDBOX, NS,
                                            json_path_string(bookmark, "metadata.resourceVersion"));
    json_decref(create(kit, KIND_BATCH_SANDBOX, sandbox_named("news")));
    assert_non_null(watcher_wait(resumed, WATCH_ADDED, "news", &resumed_at));
    watcher_stop(resumed);
    watcher_stop(watcher);
}

static void a_watch_needs_the_version_of_a_list(void **state)
{
    struct local_kit *kit = *state;
    static const char *const bad[] = {NULL, "", "0", "abc", "12x", "-3", "99999999999999999999999"};
    struct cluster_watch *watch = NULL;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(cluster_watch_open(kit->cluster, KIND_POD, NS, NULL, bad[i], &watch, &err),
                       ERR_INVALID);
}

/* ---- pods ---- */

static void a_pod_is_bound_to_the_node_and_held_by_it(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(json) json_t *pod = create(kit, KIND_POD, pod_named("bound"));
    json_t *elsewhere_wanted = pod_named("elsewhere");
    json_object_set_new(json_object_get(elsewhere_wanted, "spec"), "nodeName", json_string("other"));
    SCOPED(json) json_t *elsewhere = create(kit, KIND_POD, elsewhere_wanted);

    assert_string_equal(json_path_string(pod, "spec.nodeName"), "this-machine");
    assert_string_equal(json_path_string(elsewhere, "spec.nodeName"), "other");
    assert_string_equal(json_string_value(json_array_get(json_path(pod, "metadata.finalizers"), 0)),
                        POD_NODE_FINALIZER);
}

static json_int_t grace_of(struct local_kit *kit, const char *name)
{
    SCOPED(json) json_t *pod = get(kit, KIND_POD, name);
    assert_non_null(json_path(pod, "metadata.deletionTimestamp"));
    return json_integer_value(json_path(pod, "metadata.deletionGracePeriodSeconds"));
}

static void a_deleted_pod_stays_until_its_node_lets_go(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    json_t *object = NULL;
    SCOPED(json) json_t *let_go = quoted("{'metadata': {'finalizers': null}}");

    json_decref(create(kit, KIND_POD, pod_named("dying")));
    assert_ok(cluster_remove(kit->cluster, KIND_POD, NS, "dying", NULL, -1, &err));
    assert_int_equal(grace_of(kit, "dying"), 30);
    assert_ok(cluster_remove(kit->cluster, KIND_POD, NS, "dying", NULL, 5, &err));
    assert_int_equal(grace_of(kit, "dying"), 5);
    assert_ok(cluster_remove(kit->cluster, KIND_POD, NS, "dying", NULL, 60, &err));
    assert_int_equal(grace_of(kit, "dying"), 5); /* only ever shorter */
    assert_ok(cluster_patch(kit->cluster, KIND_POD, NS, "dying", let_go, NULL, NULL, &err));
    assert_refused(cluster_get(kit->cluster, KIND_POD, NS, "dying", &object, &err), ERR_NOT_FOUND);
}

static void pods_go_with_their_sandbox_in_two_phases(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *sandbox = create(kit, KIND_BATCH_SANDBOX, sandbox_named("owner"));
    json_t *wanted = owned_by(pod_named("owner-0"), sandbox);
    json_object_set_new(json_object_get(wanted, "spec"), "terminationGracePeriodSeconds", json_integer(7));

    json_decref(create(kit, KIND_POD, wanted));
    assert_ok(cluster_remove(kit->cluster, KIND_BATCH_SANDBOX, NS, "owner", NULL, -1, &err));
    assert_int_equal(grace_of(kit, "owner-0"), 7);
    assert_int_equal(count_of(kit, KIND_BATCH_SANDBOX), 0);
}

/* ---- owners ---- */

static void an_owner_of_a_kind_that_is_not_kept_here_counts_as_alive(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(json)
    json_t *set =
        quoted("{'apiVersion': 'apps/v1', 'kind': 'ReplicaSet', 'metadata': {'name': 's', 'uid': 'u'}}");

    json_decref(create(kit, KIND_SANDBOX_SNAPSHOT, owned_by(snapshot_named("of-a-set", "x"), set)));
    json_decref(get(kit, KIND_SANDBOX_SNAPSHOT, "of-a-set"));
}

static void a_long_chain_of_owners_falls_as_one(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *owner = create(kit, KIND_SANDBOX_SNAPSHOT, snapshot_named("chain", "x"));

    for (int i = 0; i < 300; i++) {
        SCOPED(string) char *name = xasprintf("chain-%d", i);
        json_t *child = create(kit, KIND_SANDBOX_SNAPSHOT, owned_by(snapshot_named(name, "x"), owner));
        json_decref(owner);
        owner = child;
    }
    assert_ok(cluster_remove(kit->cluster, KIND_SANDBOX_SNAPSHOT, NS, "chain", NULL, -1, &err));
    assert_int_equal(count_of(kit, KIND_SANDBOX_SNAPSHOT), 0);
}

/* ---- events ---- */

static json_t *event_about(const char *uid)
{
    return quotedf("{'metadata': {'generateName': 'e-'}, 'involvedObject': {'kind': 'Pod', 'name': 'p',"
                   " 'namespace': '" NS "', 'uid': '%s'}, 'reason': 'R', 'message': 'm', 'type': 'Normal'}",
                   uid);
}

static void the_newest_events_of_each_object_are_kept(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    json_t *gone = NULL;
    SCOPED(json) json_t *oldest = create(kit, KIND_EVENT, event_about("busy"));

    json_decref(create(kit, KIND_EVENT, event_about("quiet")));
    for (int i = 0; i < LOCAL_EVENTS_PER_OBJECT; i++)
        json_decref(create(kit, KIND_EVENT, event_about("busy")));
    assert_int_equal(count_of(kit, KIND_EVENT), LOCAL_EVENTS_PER_OBJECT + 1);
    assert_refused(
        cluster_get(kit->cluster, KIND_EVENT, NS, json_path_string(oldest, "metadata.name"), &gone, &err),
        ERR_NOT_FOUND);
}

static void an_event_lives_for_an_hour_after_it_was_last_told(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *again = quoted("{'count': 2}");
    SCOPED(json) json_t *repeated = create(kit, KIND_EVENT, event_about("a"));

    json_decref(create(kit, KIND_EVENT, event_about("a")));
    kit->now_ms += LOCAL_EVENT_TTL_S * 1000 - 1000;
    assert_int_equal(count_of(kit, KIND_EVENT), 2);
    assert_ok(cluster_patch(kit->cluster, KIND_EVENT, NS, json_path_string(repeated, "metadata.name"), again,
                            NULL, NULL, &err));
    kit->now_ms += 1000;
    assert_int_equal(count_of(kit, KIND_EVENT), 1);
    kit->now_ms += LOCAL_EVENT_TTL_S * 1000;
    assert_int_equal(count_of(kit, KIND_EVENT), 0);
}

static int setup(void **state)
{
    struct local_kit *kit = local_kit_new();
    kit->options.node = "this-machine";
    kit->options.history_max = 100;
    local_kit_stop_clock(kit, 1900000000000);
    local_kit_open(kit);
    *state = kit;
    return 0;
}

/* As newer API servers do it. v1.20 checks list keys when an object is written as a whole, not its status. */
static void a_condition_type_stands_in_a_status_once(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *body = status_patch("Pending");

    json_decref(create(kit, KIND_BATCH_SANDBOX, sandbox_named("twice")));
    json_object_set_new(json_object_get(body, "status"), "conditions",
                        quoted("[{'type': 'Ready', 'status': 'True'}, {'type': 'Ready', 'status': 'True'}]"));
    assert_refused(
        cluster_patch_status(kit->cluster, KIND_BATCH_SANDBOX, NS, "twice", body, NULL, NULL, &err),
        ERR_INVALID);
    assert_text_has(err.text, "status.conditions[1]: Duplicate value");
}

static int teardown(void **state)
{
    local_kit_free(*state);
    return 0;
}

#define LOCAL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCAL_TEST(what_was_written_is_there_after_a_restart),
        LOCAL_TEST(a_watch_resumes_over_a_restart),
        LOCAL_TEST(nobody_else_may_read_the_files),
        LOCAL_TEST(a_second_process_is_refused_in_plain_words),
        LOCAL_TEST(a_namespace_that_is_none_is_refused),
        LOCAL_TEST(an_object_too_large_is_refused_and_leaves_no_trace),
        LOCAL_TEST(a_version_that_the_log_has_forgotten_is_expired),
        LOCAL_TEST(bookmarks_let_a_quiet_watch_resume),
        LOCAL_TEST(a_watch_needs_the_version_of_a_list),
        LOCAL_TEST(a_pod_is_bound_to_the_node_and_held_by_it),
        LOCAL_TEST(a_deleted_pod_stays_until_its_node_lets_go),
        LOCAL_TEST(pods_go_with_their_sandbox_in_two_phases),
        LOCAL_TEST(an_owner_of_a_kind_that_is_not_kept_here_counts_as_alive),
        LOCAL_TEST(a_long_chain_of_owners_falls_as_one),
        LOCAL_TEST(the_newest_events_of_each_object_are_kept),
        LOCAL_TEST(an_event_lives_for_an_hour_after_it_was_last_told),
        LOCAL_TEST(a_condition_type_stands_in_a_status_once),
    };
    return cmocka_run_group_tests_name("cluster/local", tests, NULL, NULL);
}
