/* test_create.c - CreateSandbox: once for each request, with the Secret and the claims that it needs.
 * Spec: contract/rest-api.md §4.1 row 10, §4.3. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "tests/unit/snapshot-svc/api/api_kit.h"
#include "tests/unit/snapshot-svc/api/meddled_cluster.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)
#define TEMPLATE     "{\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":\"busybox\"}]}}"
#define FINGERPRINT  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ANOTHER      "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SECRET       "opensandbox-image-auth-web"
#define CREDENTIALS  "{\"auths\":{\"r.example\":{\"username\":\"u\",\"password\":\"correct horse\"}}}"
#define CREDENTIALS64                                                                                        \
    "eyJhdXRocyI6eyJyLmV4YW1wbGUiOnsidXNlcm5hbWUiOiJ1IiwicGFzc3dvcmQiOiJjb3JyZWN0IGhvcnNlIn19fQ=="

typedef Opensandbox__Orchestrator__V1__Sandbox sandbox_message;
typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest create_request;
typedef Opensandbox__Orchestrator__V1__VolumeClaim volume_claim;

static void message_free(sandbox_message *message)
{
    if (message)
        protobuf_c_message_free_unpacked(&message->base, NULL);
}
DEFINE_FREEP(sandbox, sandbox_message, message_free)

static create_request a_request(void)
{
    create_request request = OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SANDBOX_REQUEST__INIT;

    request.name = "web";
    request.template_json = TEMPLATE;
    return request;
}

static create_request a_repeatable_request(void)
{
    create_request request = a_request();

    request.request_id = "id-1";
    request.request_fingerprint = FINGERPRINT;
    return request;
}

static create_request a_request_with_credentials(create_request request)
{
    request.image_auth_secret = SECRET;
    request.image_auth_docker_config =
        (ProtobufCBinaryData){.data = (uint8_t *)CREDENTIALS, .len = strlen(CREDENTIALS)};
    return request;
}

static int create_by(struct rpc_channel *channel, const create_request *request,
                     sandbox_message **ret_sandbox, struct error *err)
{
    error_clear(err);
    return rpc_unary(channel, ORCHESTRATOR, "CreateSandbox", &request->base, ret_sandbox, NULL, err);
}

static int create(struct stage *stage, create_request request, sandbox_message **ret_sandbox,
                  struct error *err)
{
    return create_by(stage->channel, &request, ret_sandbox, err);
}

static void made(struct stage *stage, create_request request, bool existed)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    assert_ok(create(stage, request, &sandbox, &err));
    assert_int_equal(sandbox->existed, existed);
}

static void refused(struct stage *stage, create_request request, enum error_code code, const char *reason)
{
    sandbox_message *sandbox = NULL;
    struct error err = {0};

    assert_refused(create(stage, request, &sandbox, &err), code);
    assert_string_equal(err.reason, reason);
    if (strstr(err.text, "correct horse") || strstr(err.text, CREDENTIALS64))
        fail_msg("the error tells the credentials");
}

/* ---- once for each request ---- */

static void the_same_request_again_is_answered_with_the_sandbox_that_is_there(void **state)
{
    struct stage *stage = *state;
    SCOPED(sandbox) sandbox_message *first = NULL;
    SCOPED(sandbox) sandbox_message *again = NULL;
    struct error err = {0};

    assert_ok(create(stage, a_repeatable_request(), &first, &err));
    assert_false(first->existed);
    assert_ok(create(stage, a_repeatable_request(), &again, &err));
    assert_true(again->existed);
    assert_string_equal(again->uid, first->uid);
    assert_string_equal(again->resource_version, first->resource_version);
}

static void who_wants_only_an_earlier_one_gets_that_or_nothing(void **state)
{
    create_request request = a_repeatable_request(), only = a_repeatable_request();

    only.existing_only = true;
    only.template_json = "";
    refused(*state, only, ERR_NOT_FOUND, "SandboxNotFound");
    assert_null(stage_get(*state, KIND_BATCH_SANDBOX, "web"));
    made(*state, request, false);
    made(*state, only, true);
    only.request_fingerprint = ANOTHER;
    refused(*state, only, ERR_EXISTS, "RequestMismatch");
    only.request_id = "";
    refused(*state, only, ERR_INVALID, "");
}

static void another_request_with_its_id_is_told_so(void **state)
{
    create_request another = a_repeatable_request();

    made(*state, a_repeatable_request(), false);
    another.request_fingerprint = ANOTHER;
    refused(*state, another, ERR_EXISTS, "RequestMismatch");
    refused(*state, a_request(), ERR_EXISTS, "");
}

static void a_name_that_a_request_without_an_id_has_taken_is_no_repeat(void **state)
{
    made(*state, a_request(), false);
    refused(*state, a_repeatable_request(), ERR_EXISTS, "RequestMismatch");
}

static void a_sandbox_that_is_being_deleted_is_no_answer(void **state)
{
    struct stage *stage = *state;
    SCOPED(json) json_t *hold = quoted("{'metadata': {'finalizers': ['x.io/y']}}");
    SCOPED(json) json_t *release = quoted("{'metadata': {'finalizers': null}}");
    struct error err = {0};

    made(stage, a_repeatable_request(), false);
    assert_ok(cluster_patch(stage->kit->cluster, KIND_BATCH_SANDBOX, "test", "web", hold, NULL, NULL, &err));
    stage_delete(stage, KIND_BATCH_SANDBOX, "web", 0);
    refused(stage, a_repeatable_request(), ERR_EXISTS, "BeingDeleted");
    assert_ok(
        cluster_patch(stage->kit->cluster, KIND_BATCH_SANDBOX, "test", "web", release, NULL, NULL, &err));
    made(stage, a_repeatable_request(), false);
}

static void an_id_wants_a_fingerprint_and_is_bounded(void **state)
{
    static char *const bad[] = {"", "00", FINGERPRINT "0",
                                "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"};
    create_request request = a_repeatable_request();
    char id[1026];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        request.request_fingerprint = bad[i];
        refused(*state, request, ERR_INVALID, "");
    }
    memset(id, 'x', sizeof(id));
    id[1025] = '\0';
    request = a_repeatable_request();
    request.request_id = id;
    refused(*state, request, ERR_INVALID, "");
    id[1024] = '\0';
    made(*state, request, false);
}

/* The one that is there goes while we look at it. */
static int vanish(void *self, const struct meddled_call *call, struct error *err)
{
    struct meddled_cluster *meddled = self;

    if (call->verb != MEDDLED_GET || call->kind != KIND_BATCH_SANDBOX)
        return 0;
    meddled->before = NULL;
    return cluster_remove(meddled->inner, KIND_BATCH_SANDBOX, "test", "web", NULL, 0, err);
}

static void meddle(struct stage *stage, struct meddled_cluster *meddled)
{
    meddled_cluster_init(meddled, stage->kit->cluster);
    meddled->self = meddled;
    stage->service.cluster = &meddled->cluster;
}

static void a_sandbox_that_vanishes_meanwhile_is_made_anew(void **state)
{
    struct stage *stage = *state;
    struct meddled_cluster meddled;

    made(stage, a_repeatable_request(), false);
    meddle(stage, &meddled);
    meddled.before = vanish;
    made(stage, a_repeatable_request(), false);
}

struct racer {
    struct rpc_channel *channel;
    create_request request;
    int done;
    bool existed;
    char uid[64];
    struct error err;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    SCOPED(sandbox) sandbox_message *sandbox = NULL;

    racer->done = create_by(racer->channel, &racer->request, &sandbox, &racer->err);
    if (racer->done < 0)
        return NULL;
    racer->existed = sandbox->existed;
    snprintf(racer->uid, sizeof(racer->uid), "%s", sandbox->uid);
    return NULL;
}

/* Laws: of racing callers of one request each gets the same sandbox, and one has made it; and its Secret is there,
 * whoever came first where. */
static void racing_callers_of_one_request_get_one_sandbox(void **state)
{
    enum { RACERS = 8, ROUNDS = 5 };
    struct stage *stage = *state;
    struct replica *other = replica_new(stage);
    struct racer racers[RACERS] = {0};
    pthread_t threads[RACERS];

    for (int round = 0; round < ROUNDS; round++) {
        int makers = 0;
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){.channel = i % 2 ? stage->channel : replica_channel(other),
                                       .request = a_request_with_credentials(a_repeatable_request())};
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < RACERS; i++) {
            if (racers[i].done < 0)
                fail_msg("%s", racers[i].err.text);
            assert_string_equal(racers[i].uid, racers[0].uid);
            makers += !racers[i].existed;
        }
        assert_int_equal(makers, 1);
        SCOPED(json) json_t *secret = stage_get(stage, KIND_SECRET, SECRET);
        assert_non_null(secret);
        stage_delete(stage, KIND_BATCH_SANDBOX, "web", 0);
        assert_null(stage_get(stage, KIND_SECRET, SECRET));
    }
    replica_free(other);
}

/* ---- image credentials ---- */

static void credentials_become_a_secret_that_the_sandbox_owns(void **state)
{
    struct stage *stage = *state;

    made(stage, a_request_with_credentials(a_request()), false);
    SCOPED(json) json_t *secret = stage_get(stage, KIND_SECRET, SECRET);
    SCOPED(string) char *uid = stage_uid(stage, KIND_BATCH_SANDBOX, "web");
    const json_t *owner = json_array_get(json_path(secret, "metadata.ownerReferences"), 0);
    assert_string_equal(json_path_string(secret, "type"), "kubernetes.io/dockerconfigjson");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(secret, "data"), ".dockerconfigjson")),
        CREDENTIALS64);
    assert_string_equal(
        json_string_value(json_object_get(json_path(secret, "metadata.labels"), "opensandbox.io/id")), "web");
    assert_string_equal(json_path_string(owner, "uid"), uid);
    assert_string_equal(json_path_string(owner, "kind"), "BatchSandbox");
    assert_true(json_is_false(json_object_get(owner, "controller")));
    assert_true(json_is_false(json_object_get(owner, "blockOwnerDeletion")));
}

static void without_credentials_there_is_no_secret(void **state)
{
    made(*state, a_request(), false);
    assert_null(stage_get(*state, KIND_SECRET, SECRET));
}

/* The verb and kind that are refused, and how. */
struct refusal {
    enum meddled_verb verb;
    enum cluster_kind kind;
    enum error_code code;
    struct meddled_cluster meddled;
};

static int refuse(void *self, const struct meddled_call *call, struct error *err)
{
    struct refusal *refusal = self;

    if (call->verb != refusal->verb || call->kind != refusal->kind)
        return 0;
    return error_set(err, refusal->code, "the cluster does not want that");
}

static void refuse_all(struct stage *stage, struct refusal *refusal)
{
    meddled_cluster_init(&refusal->meddled, stage->kit->cluster);
    refusal->meddled.self = refusal;
    refusal->meddled.before = refuse;
    stage->service.cluster = &refusal->meddled.cluster;
}

static void nothing_is_left(struct stage *stage)
{
    assert_null(stage_get(stage, KIND_SECRET, SECRET));
    assert_null(stage_get(stage, KIND_BATCH_SANDBOX, "web"));
}

static void a_secret_that_cannot_be_made_fails_the_create(void **state)
{
    struct refusal refusal = {.verb = MEDDLED_CREATE, .kind = KIND_SECRET, .code = ERR_DENIED};

    refuse_all(*state, &refusal);
    refused(*state, a_request_with_credentials(a_request()), ERR_DENIED, "ImageAuthSecret");
    nothing_is_left(*state);
}

static void a_sandbox_that_cannot_be_made_leaves_no_secret(void **state)
{
    static const enum error_code codes[] = {ERR_INVALID, ERR_DENIED, ERR_UNAVAILABLE};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        struct refusal refusal = {.verb = MEDDLED_CREATE, .kind = KIND_BATCH_SANDBOX, .code = codes[i]};
        refuse_all(*state, &refusal);
        refused(*state, a_request_with_credentials(a_request()), codes[i], "");
        nothing_is_left(*state);
    }
}

static void a_secret_that_cannot_be_given_away_takes_the_sandbox_back(void **state)
{
    struct refusal refusal = {.verb = MEDDLED_PATCH, .kind = KIND_SECRET, .code = ERR_DENIED};

    refuse_all(*state, &refusal);
    refused(*state, a_request_with_credentials(a_request()), ERR_DENIED, "ImageAuthSecret");
    nothing_is_left(*state);
}

/* As a try leaves it that ended between the two writes. */
static void a_secret_that_an_earlier_try_left_is_put_right_and_given(void **state)
{
    struct stage *stage = *state;

    stage_create(stage, KIND_SECRET,
                 "{'metadata': {'name': '" SECRET "'}, 'data': {'.dockerconfigjson': 'b2xk'}}");
    made(stage, a_request_with_credentials(a_repeatable_request()), false);
    SCOPED(json) json_t *secret = stage_get(stage, KIND_SECRET, SECRET);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(secret, "data"), ".dockerconfigjson")),
        CREDENTIALS64);
    assert_int_equal(json_array_size(json_path(secret, "metadata.ownerReferences")), 1);
}

static void a_repeat_gives_the_sandbox_a_secret_that_it_lost(void **state)
{
    struct stage *stage = *state;

    made(stage, a_request_with_credentials(a_repeatable_request()), false);
    stage_delete(stage, KIND_SECRET, SECRET, -1);
    made(stage, a_request_with_credentials(a_repeatable_request()), true);
    SCOPED(json) json_t *secret = stage_get(stage, KIND_SECRET, SECRET);
    assert_int_equal(json_array_size(json_path(secret, "metadata.ownerReferences")), 1);
}

static void another_request_with_its_id_does_not_touch_its_secret(void **state)
{
    struct stage *stage = *state;
    create_request another = a_request_with_credentials(a_repeatable_request());

    made(stage, a_request_with_credentials(a_repeatable_request()), false);
    SCOPED(json) json_t *before = stage_get(stage, KIND_SECRET, SECRET);
    another.request_fingerprint = ANOTHER;
    another.image_auth_docker_config = (ProtobufCBinaryData){.data = (uint8_t *)"{}", .len = 2};
    refused(stage, another, ERR_EXISTS, "RequestMismatch");
    SCOPED(json) json_t *after = stage_get(stage, KIND_SECRET, SECRET);
    assert_true(json_equal(before, after));
}

/* Another caller of the request fails and drops the Secret, just before we give it away. */
static int drop_secret(void *self, const struct meddled_call *call, struct error *err)
{
    struct meddled_cluster *meddled = self;

    if (call->verb != MEDDLED_PATCH || call->kind != KIND_SECRET)
        return 0;
    meddled->before = NULL;
    return cluster_remove(meddled->inner, KIND_SECRET, "test", SECRET, NULL, -1, err);
}

static void a_secret_that_was_dropped_before_the_gift_is_made_again(void **state)
{
    struct stage *stage = *state;
    struct meddled_cluster meddled;

    meddle(stage, &meddled);
    meddled.before = drop_secret;
    made(stage, a_request_with_credentials(a_request()), false);
    SCOPED(json) json_t *secret = stage_get(stage, KIND_SECRET, SECRET);
    assert_int_equal(json_array_size(json_path(secret, "metadata.ownerReferences")), 1);
}

/* Another caller of the request has used our Secret by the time that we fail. */
static int adopt_then_refuse(void *self, const struct meddled_call *call, struct error *err)
{
    struct meddled_cluster *meddled = self;
    SCOPED(json) json_t *patch = quoted("{'metadata': {'labels': {'used': 'yes'}}}");
    struct error ignored = {0};

    if (call->verb != MEDDLED_CREATE || call->kind != KIND_BATCH_SANDBOX)
        return 0;
    (void)cluster_patch(meddled->inner, KIND_SECRET, "test", SECRET, patch, NULL, NULL, &ignored);
    return error_set(err, ERR_UNAVAILABLE, "the cluster is away");
}

static void a_failed_create_leaves_a_secret_that_another_caller_uses(void **state)
{
    struct stage *stage = *state;
    struct meddled_cluster meddled;

    meddle(stage, &meddled);
    meddled.before = adopt_then_refuse;
    refused(stage, a_request_with_credentials(a_repeatable_request()), ERR_UNAVAILABLE, "");
    SCOPED(json) json_t *secret = stage_get(stage, KIND_SECRET, SECRET);
    assert_non_null(secret);
}

/* ---- claims ---- */

static int create_with_claim(struct stage *stage, volume_claim *claim, struct error *err)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    create_request request = a_request();

    request.claims = &claim;
    request.n_claims = 1;
    return create(stage, request, &sandbox, err);
}

static volume_claim a_claim(void)
{
    volume_claim claim = OPENSANDBOX__ORCHESTRATOR__V1__VOLUME_CLAIM__INIT;

    claim.name = "data";
    claim.create = true;
    return claim;
}

static void a_missing_claim_is_made_of_one_gibibyte_for_one_writer(void **state)
{
    volume_claim claim = a_claim();
    struct error err = {0};

    assert_ok(create_with_claim(*state, &claim, &err));
    SCOPED(json) json_t *object = stage_get(*state, KIND_VOLUME_CLAIM, "data");
    SCOPED(json)
    json_t *wanted =
        quoted("{'accessModes': ['ReadWriteOnce'], 'resources': {'requests': {'storage': '1Gi'}}}");
    assert_true(json_equal(json_object_get(object, "spec"), wanted));
    assert_string_equal(json_path_string(object, "kind"), "PersistentVolumeClaim");
    assert_string_equal(
        json_string_value(json_object_get(json_path(object, "metadata.labels"), "opensandbox.io/id")), "web");
    assert_null(json_path(object, "metadata.ownerReferences"));
}

static void a_claim_says_its_size_class_and_modes(void **state)
{
    volume_claim claim = a_claim();
    char *modes[] = {"ReadWriteMany", "ReadOnlyMany"};
    struct error err = {0};

    claim.storage = "10Gi";
    claim.storage_class = "fast";
    claim.access_modes = modes;
    claim.n_access_modes = 2;
    assert_ok(create_with_claim(*state, &claim, &err));
    SCOPED(json) json_t *object = stage_get(*state, KIND_VOLUME_CLAIM, "data");
    SCOPED(json)
    json_t *wanted = quoted("{'accessModes': ['ReadWriteMany', 'ReadOnlyMany'], 'storageClassName': 'fast',"
                            " 'resources': {'requests': {'storage': '10Gi'}}}");
    assert_true(json_equal(json_object_get(object, "spec"), wanted));
}

static void a_claim_that_is_there_stays_as_it_is(void **state)
{
    struct stage *stage = *state;
    volume_claim claim = a_claim();
    struct error err = {0};

    claim.storage = "10Gi";
    stage_create(stage, KIND_VOLUME_CLAIM, "{'metadata': {'name': 'data'}, 'spec': {'mine': true}}");
    SCOPED(json) json_t *before = stage_get(stage, KIND_VOLUME_CLAIM, "data");
    assert_ok(create_with_claim(stage, &claim, &err));
    SCOPED(json) json_t *after = stage_get(stage, KIND_VOLUME_CLAIM, "data");
    assert_true(json_equal(before, after));
}

static void a_claim_outlives_its_sandbox(void **state)
{
    volume_claim claim = a_claim();
    struct error err = {0};

    assert_ok(create_with_claim(*state, &claim, &err));
    stage_delete(*state, KIND_BATCH_SANDBOX, "web", 0);
    SCOPED(json) json_t *object = stage_get(*state, KIND_VOLUME_CLAIM, "data");
    assert_non_null(object);
}

static void a_missing_claim_that_is_not_to_be_made_is_waited_for(void **state)
{
    volume_claim claim = a_claim();
    struct error err = {0};

    claim.create = false;
    assert_ok(create_with_claim(*state, &claim, &err));
    assert_null(stage_get(*state, KIND_VOLUME_CLAIM, "data"));
}

/* The rows of the contract: who may not read or make claims leaves them to the cluster. */
static void what_the_cluster_says_to_a_claim_decides(void **state)
{
    static const struct {
        enum meddled_verb verb;
        enum error_code said, told;
    } rows[] = {
        {MEDDLED_GET, ERR_DENIED, ERR_NONE},
        {MEDDLED_CREATE, ERR_DENIED, ERR_NONE},
        {MEDDLED_CREATE, ERR_EXISTS, ERR_NONE},
        {MEDDLED_CREATE, ERR_INVALID, ERR_INVALID},
        {MEDDLED_GET, ERR_UNAVAILABLE, ERR_UNAVAILABLE},
        {MEDDLED_CREATE, ERR_UNAVAILABLE, ERR_UNAVAILABLE},
    };
    struct stage *stage = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct refusal refusal = {.verb = rows[i].verb, .kind = KIND_VOLUME_CLAIM, .code = rows[i].said};
        volume_claim claim = a_claim();
        struct error err = {0};
        refuse_all(stage, &refusal);
        int done = create_with_claim(stage, &claim, &err);
        if (err.code != rows[i].told)
            fail_msg("row %zu: %s", i, err.text);
        assert_null(stage_get(stage, KIND_VOLUME_CLAIM, "data"));
        if (done == 0)
            stage_delete(stage, KIND_BATCH_SANDBOX, "web", 0);
        else
            assert_text_has(err.text, "volume claim data");
    }
}

static void a_claim_that_is_refused_leaves_nothing(void **state)
{
    struct stage *stage = *state;
    struct refusal refusal = {.verb = MEDDLED_CREATE, .kind = KIND_VOLUME_CLAIM, .code = ERR_INVALID};
    create_request request = a_request_with_credentials(a_request());
    volume_claim claim = a_claim(), *claims[] = {&claim};

    request.claims = claims;
    request.n_claims = 1;
    refuse_all(stage, &refusal);
    refused(stage, request, ERR_INVALID, "");
    nothing_is_left(stage);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_same_request_again_is_answered_with_the_sandbox_that_is_there),
        TEST(who_wants_only_an_earlier_one_gets_that_or_nothing),
        TEST(another_request_with_its_id_is_told_so),
        TEST(a_name_that_a_request_without_an_id_has_taken_is_no_repeat),
        TEST(a_sandbox_that_is_being_deleted_is_no_answer),
        TEST(an_id_wants_a_fingerprint_and_is_bounded),
        TEST(a_sandbox_that_vanishes_meanwhile_is_made_anew),
        TEST(racing_callers_of_one_request_get_one_sandbox),
        TEST(credentials_become_a_secret_that_the_sandbox_owns),
        TEST(without_credentials_there_is_no_secret),
        TEST(a_secret_that_cannot_be_made_fails_the_create),
        TEST(a_sandbox_that_cannot_be_made_leaves_no_secret),
        TEST(a_secret_that_cannot_be_given_away_takes_the_sandbox_back),
        TEST(a_secret_that_an_earlier_try_left_is_put_right_and_given),
        TEST(a_repeat_gives_the_sandbox_a_secret_that_it_lost),
        TEST(another_request_with_its_id_does_not_touch_its_secret),
        TEST(a_secret_that_was_dropped_before_the_gift_is_made_again),
        TEST(a_failed_create_leaves_a_secret_that_another_caller_uses),
        TEST(a_missing_claim_is_made_of_one_gibibyte_for_one_writer),
        TEST(a_claim_says_its_size_class_and_modes),
        TEST(a_claim_that_is_there_stays_as_it_is),
        TEST(a_claim_outlives_its_sandbox),
        TEST(a_missing_claim_that_is_not_to_be_made_is_waited_for),
        TEST(what_the_cluster_says_to_a_claim_decides),
        TEST(a_claim_that_is_refused_leaves_nothing),
    };

    log_setup("test", LOG_LEVEL_MAX, LOG_FORMAT_JSON);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
