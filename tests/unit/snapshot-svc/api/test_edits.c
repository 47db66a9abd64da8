/* test_edits.c - RenewSandbox and LabelSandbox. Spec: contract/rest-api.md §8, §9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "tests/unit/snapshot-svc/api/api_kit.h"
#include "tests/unit/snapshot-svc/api/meddled_cluster.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)
#define STOPPED_AT   "stasis.opensandbox.io/ttl-stopped-at"

typedef Opensandbox__Orchestrator__V1__Sandbox sandbox_message;
typedef Opensandbox__Orchestrator__V1__LabelSandboxRequest__SetEntry set_entry;

static void message_free(sandbox_message *message)
{
    if (message)
        protobuf_c_message_free_unpacked(&message->base, NULL);
}
DEFINE_FREEP(sandbox, sandbox_message, message_free)

static int renew_by(struct rpc_channel *channel, const char *name, int64_t unix_ms,
                    sandbox_message **ret_sandbox, struct error *err)
{
    Opensandbox__Orchestrator__V1__RenewSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__RENEW_SANDBOX_REQUEST__INIT;

    request.name = (char *)name;
    request.expire_time_unix_ms = unix_ms;
    return rpc_unary(channel, ORCHESTRATOR, "RenewSandbox", &request.base, ret_sandbox, NULL, err);
}

static int renew(struct stage *stage, const char *name, int64_t unix_ms, sandbox_message **ret_sandbox,
                 struct error *err)
{
    return renew_by(stage->channel, name, unix_ms, ret_sandbox, err);
}

static void give(struct stage *stage, const char *name, const char *expires, const char *annotations)
{
    SCOPED(string)
    char *json = xasprintf("{'metadata': {'name': '%s', 'labels': {'team': 'a', 'keep': 'me'}, 'annotations':"
                           " {%s}}, 'spec': {'replicas': 1, 'template': {}%s%s%s}}",
                           name, annotations, expires ? ", 'expireTime': '" : "", expires ? expires : "",
                           expires ? "'" : "");
    stage_create(stage, KIND_BATCH_SANDBOX, json);
}

static char *stored(struct stage *stage, const char *name, const char *annotation)
{
    SCOPED(json) json_t *sandbox = stage_get(stage, KIND_BATCH_SANDBOX, name);
    const char *text =
        annotation
            ? json_string_value(json_object_get(json_path(sandbox, "metadata.annotations"), annotation))
            : json_path_string(sandbox, "spec.expireTime");
    return text ? xstrdup(text) : NULL;
}

/* ---- renew ---- */

static void a_renewal_is_whole_seconds_rounded_up(void **state)
{
    static const struct {
        int64_t asked_ms;
        const char *written;
    } rows[] = {
        {1893456000000, "2030-01-01T00:00:00Z"},
        {1893456000001, "2030-01-01T00:00:01Z"},
        {1893456000999, "2030-01-01T00:00:01Z"},
    };
    struct error err = {0};

    give(*state, "web", "2029-01-01T00:00:00Z", "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(sandbox) sandbox_message *sandbox = NULL;
        assert_ok(renew(*state, "web", rows[i].asked_ms, &sandbox, &err));
        SCOPED(string) char *expires = stored(*state, "web", NULL);
        assert_string_equal(expires, rows[i].written);
        assert_int_equal(sandbox->expire_time_unix_ms, (rows[i].asked_ms + 999) / 1000 * 1000);
    }
}

static void a_renewal_may_bring_the_end_nearer(void **state)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    give(*state, "web", "2031-01-01T00:00:00Z", "");
    assert_ok(renew(*state, "web", 1893456000000, &sandbox, &err));
    SCOPED(string) char *expires = stored(*state, "web", NULL);
    assert_string_equal(expires, "2030-01-01T00:00:00Z");
}

static void what_never_expires_stays_so(void **state)
{
    sandbox_message *sandbox = NULL;
    struct error err = {0};

    give(*state, "web", NULL, "");
    assert_refused(renew(*state, "web", 1893456000000, &sandbox, &err), ERR_PRECONDITION);
    assert_string_equal(err.reason, "NoExpiry");
}

static void a_renewal_of_nobody_is_not_found_and_of_no_time_is_invalid(void **state)
{
    sandbox_message *sandbox = NULL;
    struct error err = {0};

    assert_refused(renew(*state, "web", 1893456000000, &sandbox, &err), ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SandboxNotFound");
    assert_refused(renew(*state, "web", 0, &sandbox, &err), ERR_INVALID);
    assert_refused(renew(*state, "web", -5, &sandbox, &err), ERR_INVALID);
}

static void while_the_time_to_live_stands_still_what_remains_counts_from_the_renewal(void **state)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    int64_t before_ms = clock_realtime_ms(), stopped_ms = 0;
    struct error err = {0};

    give(*state, "web", "2029-01-01T00:00:00Z", "'" STOPPED_AT "': '2024-01-01T00:00:00Z'");
    assert_ok(renew(*state, "web", 1893456000000, &sandbox, &err));
    SCOPED(string) char *stopped = stored(*state, "web", STOPPED_AT);
    assert_ok(rfc3339_parse(stopped, &stopped_ms, &err));
    assert_true(stopped_ms >= before_ms / 1000 * 1000 && stopped_ms <= clock_realtime_ms());
}

static void while_it_runs_nothing_says_that_it_stands_still(void **state)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    give(*state, "web", "2029-01-01T00:00:00Z", "");
    assert_ok(renew(*state, "web", 1893456000000, &sandbox, &err));
    assert_null(stored(*state, "web", STOPPED_AT));
}

/* The controller lets the clock run again just before our write. */
static int start_the_clock(void *self, const struct meddled_call *call, struct error *err)
{
    struct meddled_cluster *meddled = self;
    SCOPED(json) json_t *patch = quoted("{'metadata': {'annotations': {'" STOPPED_AT "': null}}}");

    if (call->verb != MEDDLED_PATCH)
        return 0;
    meddled->before = NULL;
    return cluster_patch(meddled->inner, KIND_BATCH_SANDBOX, "test", "web", patch, NULL, NULL, err);
}

static void a_clock_that_was_started_in_between_is_not_stopped_again(void **state)
{
    struct stage *stage = *state;
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct meddled_cluster meddled;
    struct error err = {0};

    give(stage, "web", "2029-01-01T00:00:00Z", "'" STOPPED_AT "': '2024-01-01T00:00:00Z'");
    meddled_cluster_init(&meddled, stage->kit->cluster);
    meddled.before = start_the_clock;
    meddled.self = &meddled;
    stage->service.cluster = &meddled.cluster;
    assert_ok(renew(stage, "web", 1893456000000, &sandbox, &err));
    assert_null(stored(stage, "web", STOPPED_AT));
    SCOPED(string) char *expires = stored(stage, "web", NULL);
    assert_string_equal(expires, "2030-01-01T00:00:00Z");
}

static int64_t expiry_told(struct rpc_channel *channel)
{
    Opensandbox__Orchestrator__V1__GetSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SANDBOX_REQUEST__INIT;
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    request.name = "web";
    assert_ok(rpc_unary(channel, ORCHESTRATOR, "GetSandbox", &request.base, &sandbox, NULL, &err));
    return sandbox->expire_time_unix_ms;
}

/* By a replica that no watch tells anything: what it knows, it wrote itself. */
static void who_renewed_reads_it_at_once(void **state)
{
    struct stage *stage = *state;
    struct replica *replica = replica_new(stage);
    Opensandbox__Orchestrator__V1__CreateSandboxRequest create =
        OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SANDBOX_REQUEST__INIT;
    SCOPED(sandbox) sandbox_message *created = NULL;
    SCOPED(sandbox) sandbox_message *renewed = NULL;
    struct error err = {0};

    create.name = "web";
    create.template_json = "{}";
    create.expire_time_unix_ms = 1861920000000;
    assert_ok(rpc_unary(replica_channel(replica), ORCHESTRATOR, "CreateSandbox", &create.base, &created, NULL,
                        &err));
    assert_int_equal(expiry_told(replica_channel(replica)), 1861920000000);
    assert_ok(renew_by(replica_channel(replica), "web", 1893456000000, &renewed, &err));
    assert_int_equal(expiry_told(replica_channel(replica)), 1893456000000);
    replica_free(replica);
}

/* ---- labels ---- */

struct labelling {
    const char *key, *value; /* of the one that is set; NULL: none */
    const char *removed;     /* NULL: none */
};

static int label(struct stage *stage, const char *name, struct labelling wanted,
                 sandbox_message **ret_sandbox, struct error *err)
{
    Opensandbox__Orchestrator__V1__LabelSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__LABEL_SANDBOX_REQUEST__INIT;
    set_entry entry = OPENSANDBOX__ORCHESTRATOR__V1__LABEL_SANDBOX_REQUEST__SET_ENTRY__INIT;
    set_entry *entries[] = {&entry};
    char *removed[] = {(char *)wanted.removed};

    request.name = (char *)name;
    entry.key = (char *)wanted.key;
    entry.value = (char *)wanted.value;
    request.set = entries;
    request.n_set = wanted.key ? 1 : 0;
    request.remove = removed;
    request.n_remove = wanted.removed ? 1 : 0;
    return rpc_unary(stage->channel, ORCHESTRATOR, "LabelSandbox", &request.base, ret_sandbox, NULL, err);
}

static const char *label_of(const sandbox_message *sandbox, const char *key)
{
    for (size_t i = 0; i < sandbox->n_labels; i++)
        if (strcmp(sandbox->labels[i]->key, key) == 0)
            return sandbox->labels[i]->value;
    return NULL;
}

static void labels_are_set_and_removed_and_the_rest_stays(void **state)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    give(*state, "web", NULL, "");
    assert_ok(label(*state, "web", (struct labelling){"project", "x", "team"}, &sandbox, &err));
    assert_string_equal(label_of(sandbox, "project"), "x");
    assert_string_equal(label_of(sandbox, "keep"), "me");
    assert_null(label_of(sandbox, "team"));
    SCOPED(json) json_t *object = stage_get(*state, KIND_BATCH_SANDBOX, "web");
    assert_int_equal(json_object_size(json_path(object, "metadata.labels")), 2);
    assert_int_equal(json_integer_value(json_path(object, "metadata.generation")), 1);
}

static void no_labels_at_all_is_a_look(void **state)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    give(*state, "web", NULL, "");
    SCOPED(json) json_t *before = stage_get(*state, KIND_BATCH_SANDBOX, "web");
    assert_ok(label(*state, "web", (struct labelling){0}, &sandbox, &err));
    sandbox_freep(&sandbox);
    assert_ok(label(*state, "web", (struct labelling){.removed = "not-there"}, &sandbox, &err));
    SCOPED(json) json_t *after = stage_get(*state, KIND_BATCH_SANDBOX, "web");
    assert_true(json_equal(before, after));
    assert_string_equal(label_of(sandbox, "team"), "a");
}

static void a_label_that_is_none_is_refused_and_nobody_is_not_found(void **state)
{
    sandbox_message *sandbox = NULL;
    struct error err = {0};

    assert_refused(label(*state, "web", (struct labelling){"k", "v", NULL}, &sandbox, &err), ERR_NOT_FOUND);
    give(*state, "web", NULL, "");
    assert_refused(label(*state, "web", (struct labelling){"k", "no good", NULL}, &sandbox, &err),
                   ERR_INVALID);
}

static void a_legacy_name_is_labelled(void **state)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    give(*state, "sandbox-old", NULL, "");
    assert_ok(label(*state, "old", (struct labelling){"k", "v", NULL}, &sandbox, &err));
    assert_string_equal(sandbox->name, "sandbox-old");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_renewal_is_whole_seconds_rounded_up),
        TEST(a_renewal_may_bring_the_end_nearer),
        TEST(what_never_expires_stays_so),
        TEST(a_renewal_of_nobody_is_not_found_and_of_no_time_is_invalid),
        TEST(while_the_time_to_live_stands_still_what_remains_counts_from_the_renewal),
        TEST(while_it_runs_nothing_says_that_it_stands_still),
        TEST(a_clock_that_was_started_in_between_is_not_stopped_again),
        TEST(who_renewed_reads_it_at_once),
        TEST(labels_are_set_and_removed_and_the_rest_stays),
        TEST(no_labels_at_all_is_a_look),
        TEST(a_label_that_is_none_is_refused_and_nobody_is_not_found),
        TEST(a_legacy_name_is_labelled),
    };

    log_setup("test", LOG_LEVEL_MAX, LOG_FORMAT_JSON);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
