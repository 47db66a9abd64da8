/* What the executor promises for each action (reconcile/plan.h), on a real store. Pods of nobody are used, so that the
 * controllers, which run beside it, have nothing to say. */
#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/controller/execute.h"
#include "snapshot-svc/reconcile/actions.h"
#include "tests/unit/snapshot-svc/controller/kit.h"

static int set_up(void **state)
{
    struct kit *kit = kit_new();

    kit->pods_stay_pending = true;
    kit->pods_keep_their_finalizer = true;
    kit_begin(kit);
    *state = kit;
    return 0;
}

static int tear_down(void **state)
{
    kit_free(*state);
    return 0;
}

static const struct event_subject subject = {
    .kind = KIND_BATCH_SANDBOX, .ns = KIT_NS, .name = "subject", .uid = "uid-subject"};

static int execute(struct kit *kit, const struct plan *plan, struct error *err)
{
    error_clear(err);
    return execute_plan(kit->controller, &subject, plan, err);
}

/* owner: its uid, as a controller of a kind that the store does not hold. */
static json_t *pod_of(const char *owner, const char *image)
{
    return json_pack("{s:s, s:s, s:{s:s, s:[{s:s, s:s, s:s, s:s, s:b}]}, s:{s:[{s:s, s:s}]}}", "apiVersion",
                     "v1", "kind", "Pod", "metadata", "name", "pod", "ownerReferences", "apiVersion",
                     "example.com/v1", "kind", "Thing", "name", "thing", "uid", owner, "controller", 1,
                     "spec", "containers", "name", "main", "image", image);
}

static int create(struct kit *kit, json_t *pod, struct error *err)
{
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    act_create(&plan, KIND_POD, KIT_NS, "pod", pod, "FailedCreate");
    return execute(kit, &plan, err);
}

/* ---- creating ---- */

static void what_was_created_is_seen_at_once(void **state)
{
    struct kit *kit = *state;
    struct error err = {0};

    assert_ok(create(kit, pod_of("uid-1", "base:1"), &err), &err);
    SCOPED(object) struct object *seen = informer_get(kit->service.informers[KIND_POD], KIT_NS, "pod");
    assert_non_null(seen);
}

static void what_is_ours_already_counts_as_created(void **state)
{
    struct kit *kit = *state;
    struct error err = {0};

    assert_ok(create(kit, pod_of("uid-1", "base:1"), &err), &err);
    assert_ok(create(kit, pod_of("uid-1", "base:1"), &err), &err);
    assert_int_equal(kit_event_count(kit, "subject", "FailedCreate"), 0);
}

static void what_is_somebody_elses_is_an_error_and_an_event(void **state)
{
    struct kit *kit = *state;
    struct error err = {0};

    assert_ok(create(kit, pod_of("uid-1", "base:1"), &err), &err);
    assert_fails(create(kit, pod_of("uid-2", "base:1"), &err), &err, ERR_EXISTS, "CREATE Pod pod");
    assert_fails(create(kit, pod_of("uid-2", "base:1"), &err), &err, ERR_EXISTS, "belongs to somebody else");
    assert_int_equal(kit_event_count(kit, "subject", "FailedCreate"), 2);
}

static void a_refused_object_is_an_error_and_an_event(void **state)
{
    struct kit *kit = *state;
    struct error err = {0};

    assert_fails(
        create(kit,
               json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Pod", "metadata", "name", "pod"),
               &err),
        &err, ERR_INVALID, "CREATE Pod pod");
    assert_int_equal(kit_event_count(kit, "subject", "FailedCreate"), 1);
}

static void an_outage_is_no_event(void **state)
{
    struct kit *kit = *state;
    struct error err = {0};

    fuse_set(&kit->fuse, 1);
    assert_fails(create(kit, pod_of("uid-1", "base:1"), &err), &err, ERR_UNAVAILABLE, "died");
    fuse_set(&kit->fuse, 0);
    assert_int_equal(kit_event_count(kit, "subject", "FailedCreate"), 0);
}

/* ---- patching ---- */

static void patch_label(struct plan *plan, const char *name, const char *version, const char *value)
{
    struct action *action = plan_add(plan, ACTION_PATCH);

    action->kind = KIND_POD;
    action->ns = xstrdup(KIT_NS);
    action->name = xstrdup(name);
    action->resource_version = version ? xstrdup(version) : NULL;
    action->body = json_pack("{s:{s:{s:s}}}", "metadata", "labels", "x", value);
}

static const char *label_in_cache(struct kit *kit, char out[16])
{
    SCOPED(object) struct object *seen = informer_get(kit->service.informers[KIND_POD], KIT_NS, "pod");
    const char *value = json_path_string(seen->json, "metadata.labels.x");

    snprintf(out, 16, "%s", value ? value : "");
    return out;
}

static void a_patch_on_an_old_copy_conflicts_and_the_newer_one_is_at_hand(void **state)
{
    struct kit *kit = *state;
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    struct error err = {0};
    char label[16];

    assert_ok(create(kit, pod_of("uid-1", "base:1"), &err), &err);
    SCOPED(json) json_t *old = kit_get(kit, KIND_POD, "pod");
    kit_patch(kit, KIND_POD, "pod", "{\"metadata\":{\"labels\":{\"x\":\"theirs\"}}}");
    patch_label(&plan, "pod", json_path_string(old, "metadata.resourceVersion"), "ours");
    assert_fails(execute(kit, &plan, &err), &err, ERR_CONFLICT, "PATCH Pod pod");
    assert_string_equal(label_in_cache(kit, label), "theirs");
}

static void a_patch_is_seen_at_once(void **state)
{
    struct kit *kit = *state;
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    struct error err = {0};
    char label[16];

    assert_ok(create(kit, pod_of("uid-1", "base:1"), &err), &err);
    patch_label(&plan, "pod", NULL, "ours");
    assert_ok(execute(kit, &plan, &err), &err);
    assert_string_equal(label_in_cache(kit, label), "ours");
}

static void a_patch_of_what_is_gone_asks_for_a_new_plan(void **state)
{
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    struct error err = {0};

    patch_label(&plan, "nobody", NULL, "ours");
    assert_fails(execute(*state, &plan, &err), &err, ERR_CONFLICT, "nobody");
}

/* ---- deleting ---- */

static void delete_pod(struct plan *plan, const char *name, const char *uid)
{
    struct action *action = plan_add(plan, ACTION_DELETE);

    action->kind = KIND_POD;
    action->ns = xstrdup(KIT_NS);
    action->name = xstrdup(name);
    action->uid = xstrdup(uid);
}

static void deleting_what_is_gone_or_another_by_now_is_fine(void **state)
{
    struct kit *kit = *state;
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    struct error err = {0};

    assert_ok(create(kit, pod_of("uid-1", "base:1"), &err), &err);
    delete_pod(&plan, "nobody", "uid-x");
    delete_pod(&plan, "pod", "uid-of-an-earlier-one");
    assert_ok(execute(kit, &plan, &err), &err);
    SCOPED(json) json_t *there = kit_get(kit, KIND_POD, "pod");
    assert_non_null(there);
    assert_null(json_path(there, "metadata.deletionTimestamp"));
}

/* ---- in order ---- */

static void nothing_after_a_failure_is_carried_out(void **state)
{
    struct kit *kit = *state;
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    struct error err = {0};

    patch_label(&plan, "nobody", NULL, "ours");
    act_create(&plan, KIND_POD, KIT_NS, "pod", pod_of("uid-1", "base:1"), NULL);
    assert_int_equal(execute(kit, &plan, &err), -1);
    assert_null(kit_get(kit, KIND_POD, "pod"));
}

static void an_event_that_cannot_be_posted_stops_nothing(void **state)
{
    struct kit *kit = *state;
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    struct error err = {0};
    const struct object_meta elsewhere = {.ns = (char *)"no-such-namespace", .name = (char *)"demo"};
    const struct object_ref object = {KIND_BATCH_SANDBOX, &elsewhere};

    act_event(&plan, object, false, "Paused", "Sandbox is paused");
    act_create(&plan, KIND_POD, KIT_NS, "pod", pod_of("uid-1", "base:1"), NULL);
    assert_ok(execute(kit, &plan, &err), &err);
    SCOPED(json) json_t *there = kit_get(kit, KIND_POD, "pod");
    assert_non_null(there);
}

static void a_controller_that_stops_takes_up_no_more_actions(void **state)
{
    struct kit *kit = *state;
    struct error err = {0};

    controller_stop(kit->controller);
    assert_fails(create(kit, pod_of("uid-1", "base:1"), &err), &err, ERR_CANCELLED, "stops");
    assert_null(kit_get(kit, KIND_POD, "pod"));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_created_is_seen_at_once),
        TEST(what_is_ours_already_counts_as_created),
        TEST(what_is_somebody_elses_is_an_error_and_an_event),
        TEST(a_refused_object_is_an_error_and_an_event),
        TEST(an_outage_is_no_event),
        TEST(a_patch_on_an_old_copy_conflicts_and_the_newer_one_is_at_hand),
        TEST(a_patch_is_seen_at_once),
        TEST(a_patch_of_what_is_gone_asks_for_a_new_plan),
        TEST(deleting_what_is_gone_or_another_by_now_is_fine),
        TEST(nothing_after_a_failure_is_carried_out),
        TEST(an_event_that_cannot_be_posted_stops_nothing),
        TEST(a_controller_that_stops_takes_up_no_more_actions),
    };
    return cmocka_run_group_tests_name("execute", tests, NULL, NULL);
}
