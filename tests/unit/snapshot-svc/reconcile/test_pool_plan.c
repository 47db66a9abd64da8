/* Contract controller-behaviour.md §10, §14: what a pass over a Pool does, and in which order. */
#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "snapshot-svc/reconcile/pool_plan.h"
#include "tests/unit/snapshot-svc/reconcile/pool_stand.h"

#define CAPACITY(min, max, least, most)                                                                      \
    "\"capacitySpec\":{\"bufferMin\":" min ",\"bufferMax\":" max ",\"poolMin\":" least ",\"poolMax\":" most  \
    "}"
#define TEMPLATE       "\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\"}]}}"
#define POOL(capacity) "{" TEMPLATE "," capacity "}"
#define RECYCLES(how)                                                                                        \
    "{" TEMPLATE "," CAPACITY("0", "9", "0", "9") ",\"recycleStrategy\":{\"type\":\"" how "\"}}"
#define ANY_NUMBER POOL(CAPACITY("0", "9", "0", "9")) /* makes and removes nothing by itself */
#define P          "{\"pods\":[\"p\"]}"
#define P_Q        "{\"pods\":[\"p\",\"q\"]}"

/* ---- a plan as text ---- */

static void say_list(struct strbuf *out, const json_t *annotations, const char *key, const char *word)
{
    const char *text = json_string_value(json_object_get(annotations, key));

    if (text)
        strbuf_addf(out, " %s %s", word, text + strlen("{\"pods\":"));
}

static void say_patch(struct strbuf *out, const struct action *action)
{
    const json_t *meta = json_object_get(action->body, "metadata");
    const json_t *annotations = json_object_get(meta, "annotations"),
                 *finalizers = json_object_get(meta, "finalizers");
    const json_t *claim = json_object_get(annotations, ANNOTATION_ALLOCATED_TO);

    if (action->kind == KIND_POD) {
        strbuf_addf(out, "%s %s", json_is_null(claim) ? "unclaim" : "claim", action->name);
        return;
    }
    assert_non_null(action->resource_version);
    strbuf_adds(out, action->name);
    say_list(out, annotations, ANNOTATION_ALLOC_STATUS, "given");
    say_list(out, annotations, ANNOTATION_ALLOC_RELEASE, "returned");
    say_list(out, annotations, ANNOTATION_ALLOC_RELEASED, "recycled");
    if (finalizers)
        strbuf_adds(out, json_array_size(finalizers) ? " +finalizer" : " -finalizer");
}

static void say(struct strbuf *out, const struct action *action)
{
    switch (action->type) {
    case ACTION_PATCH:
        say_patch(out, action);
        break;
    case ACTION_PATCH_STATUS:
        strbuf_adds(out, "status");
        break;
    case ACTION_CREATE:
        strbuf_adds(out, "create");
        break;
    case ACTION_DELETE:
        strbuf_addf(out, "delete %s", action->name);
        break;
    case ACTION_EVENT:
        strbuf_adds(out, action->reason);
        break;
    default:
        fail_msg("no action of a Pool: %s", action_type_name(action->type));
    }
    strbuf_adds(out, "; ");
}

static void assert_plans(struct stand *stand, const char *wanted)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    pool_plan(&stand->seen, &plan);
    for (size_t i = 0; i < plan.count; i++)
        say(&out, &plan.actions[i]);
    assert_string_equal(strbuf_text(&out), wanted);
}

/* ---- giving ---- */

static void a_pod_is_protected_then_claimed_then_listed(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, ANY_NUMBER, 0);
    put_pod(stand, "p", READY | CURRENT, NULL);
    put_sandbox(stand, "s", "warm", 0, 1, NULL, NULL, NULL);
    assert_plans(stand, "warm +finalizer; claim p; s given [\"p\"]} +finalizer; ");
}

static void the_first_is_filled_before_the_next_and_partly_is_better_than_not(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, POOL(CAPACITY("0", "9", "0", "3")), PROTECTED);
    put_pod(stand, "p", READY | CURRENT, NULL);
    put_pod(stand, "q", READY | CURRENT, NULL);
    put_pod(stand, "r", READY | CURRENT, NULL);
    put_sandbox(stand, "s", "warm", 0, 2, NULL, NULL, NULL);
    put_sandbox(stand, "t", "warm", 0, 2, NULL, NULL, NULL);
    assert_plans(stand, "claim p; claim q; claim r; s given [\"p\",\"q\"]} +finalizer; "
                        "t given [\"r\"]} +finalizer; status; ");
}

static void only_what_is_ready_clean_and_wanted_here_is_given(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, POOL(CAPACITY("0", "9", "0", "5")), PROTECTED);
    put_pod(stand, "unready", CURRENT, NULL);
    put_pod(stand, "going", READY | CURRENT | DELETING, NULL);
    put_pod(stand, "evicted", READY | CURRENT | TO_BE_EVICTED, NULL);
    put_pod(stand, "orphan", READY | CURRENT, "gone gone");
    put_sandbox(stand, "s", "warm", 0, 1, NULL, NULL, NULL);
    assert_plans(stand, "delete orphan; PodEvicted; delete evicted; status; ");
}

static void one_of_the_current_revision_is_given_before_an_older_one(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, POOL(CAPACITY("0", "9", "0", "2")), PROTECTED);
    put_pod(stand, "old", READY, NULL);
    put_pod(stand, "new", READY | CURRENT, NULL);
    put_sandbox(stand, "s", "warm", 0, 1, NULL, NULL, NULL);
    assert_plans(stand, "claim new; s given [\"new\"]} +finalizer; delete old; status; ");
}

/* ---- taking back ---- */

static void a_returned_pod_is_deleted_and_noted_when_it_goes(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, ANY_NUMBER, PROTECTED);
    put_pod(stand, "p", READY | CURRENT, "s s");
    put_sandbox(stand, "s", "warm", PROTECTED, 1, P, P, NULL);
    assert_plans(stand, "delete p; status; ");
    clear(stand);
    put_pool(stand, ANY_NUMBER, PROTECTED);
    put_pod(stand, "p", READY | CURRENT | DELETING, "s s");
    put_sandbox(stand, "s", "warm", PROTECTED, 1, P, P, NULL);
    assert_plans(stand, "s given [\"p\"]} returned [\"p\"]} recycled [\"p\"]}; warm -finalizer; ");
}

static void without_recycling_it_is_noted_first_and_let_go_after(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, RECYCLES("Noop"), PROTECTED);
    put_pod(stand, "p", READY | CURRENT, "s s");
    put_sandbox(stand, "s", "warm", PROTECTED, 1, P, P, NULL);
    assert_plans(stand, "s given [\"p\"]} returned [\"p\"]} recycled [\"p\"]}; status; ");
    clear(stand);
    put_pool(stand, RECYCLES("Noop"), PROTECTED);
    put_pod(stand, "p", READY | CURRENT, "s s");
    put_sandbox(stand, "s", "warm", PROTECTED, 1, P, P, P);
    assert_plans(stand, "unclaim p; status; ");
}

static void an_orphan_is_recycled_without_anybody_to_note_it(void **state)
{
    static const struct {
        const char *spec, *plan;
    } rows[] = {{RECYCLES("Delete"), "delete p; status; "},
                {RECYCLES("Noop"), "unclaim p; status; "},
                {RECYCLES("Restart"), "RecycledByDeletion; delete p; status; "}};
    struct stand *stand = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        clear(stand);
        put_pool(stand, rows[i].spec, PROTECTED);
        put_pod(stand, "p", READY | CURRENT, "gone gone");
        assert_plans(stand, rows[i].plan);
    }
}

static void one_that_goes_waits_for_its_pods_and_for_nothing_else(void **state)
{
    static const struct {
        const char *given, *recycled;
        bool has_pod;
        const char *plan;
    } rows[] = {
        {P, NULL, true, "delete p; status; "},
        {P, NULL, false,
         "s given [\"p\"]} recycled [\"p\"]} -finalizer; warm -finalizer; "},              /* it was lost */
        {P, P, false, "s given [\"p\"]} recycled [\"p\"]} -finalizer; warm -finalizer; "}, /* K28 */
        {NULL, NULL, false, "s -finalizer; warm -finalizer; "},
        {P_Q, "{\"pods\":[\"q\"]}", true, "delete p; status; "},
    };
    struct stand *stand = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        clear(stand);
        put_pool(stand, ANY_NUMBER, PROTECTED);
        if (rows[i].has_pod)
            put_pod(stand, "p", READY | CURRENT, "s s");
        put_sandbox(stand, "s", "warm", DELETING | PROTECTED, 1, rows[i].given, NULL, rows[i].recycled);
        assert_plans(stand, rows[i].plan);
    }
}

static void an_interrupted_claim_is_listed_or_given_back(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, ANY_NUMBER, PROTECTED);
    put_pod(stand, "p", READY | CURRENT, "s s");
    put_pod(stand, "q", READY | CURRENT, "s s");
    put_sandbox(stand, "s", "warm", PROTECTED, 1, NULL, NULL, NULL);
    assert_plans(stand, "s given [\"p\",\"q\"]} returned [\"q\"]}; status; ");
}

static void what_another_controller_gave_is_claimed(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, ANY_NUMBER, PROTECTED);
    put_pod(stand, "p", READY | CURRENT, NULL);
    put_sandbox(stand, "s", "warm", PROTECTED, 1, P, NULL, NULL);
    assert_plans(stand, "claim p; status; ");
}

static void lists_that_cannot_be_read_stop_the_pool(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, POOL(CAPACITY("5", "5", "5", "5")), 0);
    put_pod(stand, "p", READY | TO_BE_EVICTED, NULL);
    put_sandbox(stand, "s", "warm", 0, 1, "p", NULL, NULL);
    put_sandbox(stand, "t", "warm", 0, 1, NULL, NULL, NULL);
    assert_plans(stand, "UnreadableAllocation; UnreadableAllocation; status; ");
}

/* ---- the stock ---- */

static void too_many_idle_pods_go_oldest_first(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, POOL(CAPACITY("0", "2", "0", "9")), PROTECTED);
    put_pod(stand, "held", READY | CURRENT, "s s");
    put_pod(stand, "a", READY | CURRENT, NULL);
    put_pod(stand, "b", CURRENT, NULL);
    put_pod(stand, "c", READY | CURRENT, NULL);
    put_sandbox(stand, "s", "warm", PROTECTED, 1, "{\"pods\":[\"held\"]}", NULL, NULL);
    assert_plans(stand, "delete a; delete b; status; ");
}

static void an_update_replaces_what_is_idle_as_fast_as_the_budget_allows(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, ANY_NUMBER, PROTECTED); /* 25 % of 5: two may be unready */
    put_pod(stand, "held", READY, "s s");
    put_pod(stand, "unready", 0, NULL);
    put_pod(stand, "a", READY, NULL);
    put_pod(stand, "b", READY, NULL);
    put_pod(stand, "c", READY | CURRENT, NULL);
    put_sandbox(stand, "s", "warm", PROTECTED, 1, "{\"pods\":[\"held\"]}", NULL, NULL);
    assert_plans(stand, "delete unready; delete b; create; SuccessfulCreate; status; ");
}

static void a_pool_that_is_deleted_keeps_what_is_in_use_and_gives_nothing(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, POOL(CAPACITY("2", "2", "2", "9")), DELETING | PROTECTED);
    put_pod(stand, "p", READY | CURRENT, "s s");
    put_pod(stand, "idle", READY | CURRENT, NULL);
    put_sandbox(stand, "s", "warm", PROTECTED, 1, P, NULL, NULL);
    put_sandbox(stand, "t", "warm", 0, 1, NULL, NULL, NULL);
    assert_plans(stand, "delete idle; status; ");
    clear(stand);
    put_pool(stand, POOL(CAPACITY("2", "2", "2", "9")), DELETING | PROTECTED);
    assert_plans(stand, "warm -finalizer; ");
}

static void swapped_bounds_are_told(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, POOL(CAPACITY("0", "0", "1", "0")), 0);
    assert_plans(stand, "InvalidCapacity; create; SuccessfulCreate; status; ");
}

static void a_pool_without_a_template_says_so(void **state)
{
    struct stand *stand = *state;

    put_pool(stand, "{" CAPACITY("1", "1", "0", "9") "}", 0);
    assert_plans(stand, "FailedCreate; status; ");
}

static void a_pod_is_made_of_the_template_and_is_the_pools(void **state)
{
    struct stand *stand = *state;
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    put_pool(stand,
             "{" CAPACITY("1", "1", "0",
                          "9") ",\"template\":{\"metadata\":{\"labels\":{\"app\":\"x\",\"" LABEL_EVICT
                               "\":\"\"},\"annotations\":{\"note\":\"n\",\"" ANNOTATION_ALLOCATED_TO
                               "\":\"s s\"}},\"spec\":{\"containers\":[{\"name\":\"c\"}]}}}",
             0);
    pool_plan(&stand->seen, &plan);
    const json_t *pod = plan.actions[0].body;
    SCOPED(string) char *revision = pool_revision(&stand->pool);
    SCOPED(string) char *labels = json_canonical(json_path(pod, "metadata.labels"));
    SCOPED(string)
    char *wanted = xasprintf(
        "{\"app\":\"x\",\"" LABEL_POOL_NAME "\":\"warm\",\"" LABEL_POOL_REVISION "\":\"%s\"}", revision);
    assert_int_equal(plan.actions[0].type, ACTION_CREATE);
    assert_string_equal(plan.actions[0].on_failure, "FailedCreate");
    assert_int_equal(strncmp(plan.actions[0].name, "warm-", 5), 0);
    assert_string_equal(labels, wanted);
    SCOPED(string) char *annotations = json_canonical(json_path(pod, "metadata.annotations"));
    assert_string_equal(annotations, "{\"note\":\"n\"}");
    SCOPED(string) char *owners = json_canonical(json_path(pod, "metadata.ownerReferences"));
    assert_string_equal(owners,
                        "[{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"blockOwnerDeletion\":true,"
                        "\"controller\":true,\"kind\":\"Pool\",\"name\":\"warm\",\"uid\":\"pool-uid\"}]");
    SCOPED(string) char *spec = json_canonical(json_path(pod, "spec"));
    assert_string_equal(spec, "{\"containers\":[{\"name\":\"c\"}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAND(a_pod_is_protected_then_claimed_then_listed),
        ON_STAND(the_first_is_filled_before_the_next_and_partly_is_better_than_not),
        ON_STAND(only_what_is_ready_clean_and_wanted_here_is_given),
        ON_STAND(one_of_the_current_revision_is_given_before_an_older_one),
        ON_STAND(a_returned_pod_is_deleted_and_noted_when_it_goes),
        ON_STAND(without_recycling_it_is_noted_first_and_let_go_after),
        ON_STAND(an_orphan_is_recycled_without_anybody_to_note_it),
        ON_STAND(one_that_goes_waits_for_its_pods_and_for_nothing_else),
        ON_STAND(an_interrupted_claim_is_listed_or_given_back),
        ON_STAND(what_another_controller_gave_is_claimed),
        ON_STAND(lists_that_cannot_be_read_stop_the_pool),
        ON_STAND(too_many_idle_pods_go_oldest_first),
        ON_STAND(an_update_replaces_what_is_idle_as_fast_as_the_budget_allows),
        ON_STAND(a_pool_that_is_deleted_keeps_what_is_in_use_and_gives_nothing),
        ON_STAND(swapped_bounds_are_told),
        ON_STAND(a_pool_without_a_template_says_so),
        ON_STAND(a_pod_is_made_of_the_template_and_is_the_pools),
    };
    return cmocka_run_group_tests_name("pool plan", tests, NULL, NULL);
}
