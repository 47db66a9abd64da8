/* Requests with an id of the client's own are safe to repeat: one object, whoever asks how often. */
#include "tests/wire/lifecycle/stand.h"

#include <pthread.h>
#include <unistd.h>

#include "opensandbox/lifecycle/v1/lifecycle.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/rpc/client.h"

#define BODY(entrypoint)                                                                                     \
    "{\"image\":{\"uri\":\"busybox:1\"},\"entrypoint\":[\"" entrypoint                                       \
    "\"],\"resourceLimits\":{},\"timeout\":600}"

static const char body[] = BODY("sleep");
static const char ID_OF_R1[] = "d2e16a0b-017e-4623-9463-669176608e17";

static const struct fake_sandbox pending = {.phase = "Pending", .endpoints = ""};
static const struct fake_sandbox running = {.phase = "Succeed", .endpoints = "[\"10.0.0.9\"]"};

static struct reply create(const struct stand *stand, const char *request_id, const char *what)
{
    SCOPED(string) char *header = xasprintf("X-Request-ID: %s", request_id);
    const char *const headers[] = {"OPEN-SANDBOX-API-KEY: " STAND_KEY, header, NULL};

    return ask_with(stand, "POST", "/v1/sandboxes", what, headers);
}

/* A create on its own thread. */
struct asking {
    const struct stand *stand;
    struct reply reply;
    pthread_t thread;
};

static void *ask_to_create(void *arg)
{
    struct asking *asking = arg;

    asking->reply = create(asking->stand, "r-1", body);
    return NULL;
}

static void begin(struct asking *asking, const struct stand *stand)
{
    asking->stand = stand;
    assert_int_equal(pthread_create(&asking->thread, NULL, ask_to_create, asking), 0);
}

static void end(struct asking *asking)
{
    assert_int_equal(pthread_join(asking->thread, NULL), 0);
}

static void become(struct stand *stand, const char *name, struct fake_sandbox as)
{
    as.name = name;
    fake_put(stand->fake, &as);
}

/* Says the request, and leaves before the answer. */
static int dial_and_create(const struct stand *stand)
{
    SCOPED(string)
    char *request = xasprintf("POST /v1/sandboxes HTTP/1.1\r\nHost: h\r\nOPEN-SANDBOX-API-KEY: " STAND_KEY
                              "\r\nX-Request-ID: r-1\r\nContent-Length: %zu\r\n\r\n%s",
                              strlen(body), body);

    return dial_and_say(stand, request);
}

static void a_repeated_create_answers_with_the_first_ones_sandbox(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply first = create(stand, "r-1", body), second = create(stand, " r-1 ", body);
    SCOPED_REPLY struct reply other = create(stand, "r-2", body);
    SCOPED(string) char *request_id = fake_last_request_id(stand->fake);

    assert_int_equal(first.http.status, 202);
    assert_int_equal(second.http.status, 202);
    assert_string_equal(text_at(&first, "id"), ID_OF_R1);
    assert_string_equal(text_at(&second, "id"), ID_OF_R1);
    assert_string_not_equal(text_at(&other, "id"), ID_OF_R1);
    assert_string_equal(request_id, "r-2");
}

static void without_an_id_every_create_makes_another_sandbox(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply first = ask(stand, "POST", "/v1/sandboxes", body);
    SCOPED_REPLY struct reply second = ask(stand, "POST", "/v1/sandboxes", body);
    SCOPED(string) char *request_id = fake_last_request_id(stand->fake);

    assert_string_not_equal(text_at(&first, "id"), text_at(&second, "id"));
    assert_string_equal(request_id, "");
}

static void a_different_create_with_the_same_id_is_400(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply first = create(stand, "r-1", body),
                              second = create(stand, "r-1", BODY("other"));

    assert_int_equal(first.http.status, 202);
    assert_reply(&second, 400, "SANDBOX::INVALID_PARAMETER",
                 "X-Request-ID was used by a different create; use a new one");
    assert_int_equal(fake_expiry_ms(stand->fake, ID_OF_R1) > 0, true);
}

static void two_at_a_time_wait_for_one_sandbox(void **state)
{
    struct stand *stand = *state;
    struct asking one, two;

    fake_on_create(stand->fake, &pending);
    begin(&one, stand);
    begin(&two, stand);
    fake_await_watchers(stand->fake, 2);
    become(stand, ID_OF_R1, running);
    end(&one);
    end(&two);
    assert_int_equal(one.reply.http.status, 202);
    assert_int_equal(two.reply.http.status, 202);
    assert_string_equal(text_at(&one.reply, "id"), text_at(&two.reply, "id"));
    reply_done(&one.reply);
    reply_done(&two.reply);
}

static void who_only_found_the_sandbox_does_not_delete_it(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply first = create(stand, "r-1", body);
    struct fake_sandbox failed = {.phase = "Failed",
                                  .conditions = {{"PodFailed", NULL, "Evicted", "the node was full", 0}}};

    assert_int_equal(first.http.status, 202);
    become(stand, ID_OF_R1, failed);
    SCOPED_REPLY struct reply second = create(stand, "r-1", body);
    assert_reply(&second, 500, "KUBERNETES::POD_FAILED", "the node was full");
    assert_int_equal(fake_expiry_ms(stand->fake, ID_OF_R1), 0);
    SCOPED(string) char *call = xasprintf("DeleteSandbox %s", ID_OF_R1);
    assert_int_equal(fake_calls(stand->fake, call), 0);
}

static void a_sandbox_that_was_paused_since_is_the_answer_too(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply first = create(stand, "r-1", body);
    struct fake_sandbox paused = {.phase = "Paused", .created_ms = 1763303070000};

    assert_int_equal(first.http.status, 202);
    become(stand, ID_OF_R1, paused);
    SCOPED_REPLY struct reply second = create(stand, "r-1", body);
    assert_int_equal(second.http.status, 202);
    assert_string_equal(text_at(&second, "status.state"), "Paused");
    assert_string_equal(text_at(&second, "createdAt"), "2025-11-16T14:24:30Z");
}

/* The client of the first try left, so that one deletes what it made; the second waits for that, and makes its own. */
static void a_try_after_an_abandoned_one_waits_until_it_is_gone(void **state)
{
    struct stand *stand = *state;
    struct asking second;

    fake_on_create(stand->fake, &pending);
    fake_deletes_slowly(stand->fake);
    int fd = dial_and_create(stand);
    (void)fake_await_created(stand->fake);
    fake_await_watchers(stand->fake, 1);
    close(fd);
    fake_await_deleted(stand->fake, ID_OF_R1);
    fake_await_watchers(stand->fake, 0);
    begin(&second, stand);
    fake_await_watchers(stand->fake, 1); /* of the one that leaves */
    fake_on_create(stand->fake, &running);
    fake_remove(stand->fake, ID_OF_R1);
    end(&second);
    assert_int_equal(second.reply.http.status, 202);
    assert_string_equal(text_at(&second.reply, "id"), ID_OF_R1);
    assert_int_equal(fake_expiry_ms(stand->fake, ID_OF_R1) > 0, true);
    reply_done(&second.reply);
}

static void a_try_beside_an_abandoned_one_makes_the_sandbox_anew(void **state)
{
    struct stand *stand = *state;
    struct asking second;

    fake_on_create(stand->fake, &pending);
    int fd = dial_and_create(stand);
    (void)fake_await_created(stand->fake);
    fake_await_watchers(stand->fake, 1);
    begin(&second, stand);
    fake_await_watchers(stand->fake, 2);
    fake_on_create(stand->fake, &running);
    close(fd);
    end(&second);
    assert_int_equal(second.reply.http.status, 202);
    assert_string_equal(text_at(&second.reply, "id"), ID_OF_R1);
    reply_done(&second.reply);
}

/* snapshot-svc reads the object fresh, its watches tell of a cache that may be late. */
static void a_create_whose_sandbox_leaves_for_one_and_stays_for_another_asks_seldom(void **state)
{
    enum { MOST_CALLS = 20 }; /* three seconds, first 50 ms apart, then twice as long each time */
    static const char *const flags[] = {"--sandbox-create-timeout=3s", NULL};
    SCOPED(string) char *call = xasprintf("CreateSandbox %s", ID_OF_R1);
    struct stand stand;

    (void)state; /* it wants a shorter patience than the others */
    stand_start(&stand, flags);
    SCOPED_REPLY struct reply first = create(&stand, "r-1", body);
    fake_claims_deletion(stand.fake);
    SCOPED_REPLY struct reply second = create(&stand, "r-1", body);
    unsigned calls = fake_calls(stand.fake, call);
    stand_stop(&stand);
    assert_int_equal(first.http.status, 202);
    assert_reply(&second, 504, "KUBERNETES::POD_READY_TIMEOUT", "still being deleted");
    assert_in_range(calls, 3, MOST_CALLS);
}

static void pauses_and_resumes_carry_their_ids_on(void **state)
{
    static const char *const headers[] = {"OPEN-SANDBOX-API-KEY: " STAND_KEY, "X-Request-ID: p-1", NULL};
    struct stand *stand = *state;

    become(stand, "web", running);
    SCOPED_REPLY struct reply paused = ask_with(stand, "POST", "/v1/sandboxes/web/pause", NULL, headers);
    SCOPED(string) char *named = fake_last_request_id(stand->fake);
    SCOPED_REPLY struct reply resumed = ask(stand, "POST", "/v1/sandboxes/web/resume", NULL);
    SCOPED(string) char *nameless = fake_last_request_id(stand->fake);
    assert_int_equal(paused.http.status, 202);
    assert_int_equal(resumed.http.status, 202);
    assert_string_equal(named, "p-1");
    assert_string_equal(nameless, ""); /* what the server made up is no promise to anybody */
}

#define FROM_SNAPSHOT "{\"snapshotId\":\"snap-1\",\"resourceLimits\":{}}"

static struct fake_snapshot a_snapshot(const char *phase)
{
    return (struct fake_snapshot){.id = "snap-1",
                                  .phase = phase,
                                  .restore_image = "reg/snap:1@sha256:abc",
                                  .pull_secret = "",
                                  .containers = 1};
}

static void a_repeat_answers_though_the_snapshot_is_no_more(void **state)
{
    struct stand *stand = *state;
    const struct fake_snapshot ready = a_snapshot("Succeed");
    static const char *const headers[] = {"OPEN-SANDBOX-API-KEY: " STAND_KEY, NULL};

    fake_put_snapshot(stand->fake, &ready);
    SCOPED_REPLY struct reply first = create(stand, "r-1", FROM_SNAPSHOT);
    SCOPED_REPLY
    struct reply deleted = ask_with(stand, "DELETE", "/v1/snapshots/snap-1", NULL, headers);
    SCOPED_REPLY struct reply second = create(stand, "r-1", FROM_SNAPSHOT);
    SCOPED_REPLY struct reply other = create(stand, "r-2", FROM_SNAPSHOT);
    assert_int_equal(first.http.status, 202);
    assert_int_equal(deleted.http.status, 204);
    assert_int_equal(second.http.status, 202);
    assert_string_equal(text_at(&second, "id"), text_at(&first, "id"));
    assert_reply(&other, 404, "SNAPSHOT::NOT_FOUND", "snap-1");
}

static void a_repeat_answers_though_the_snapshot_is_of_no_use_any_more(void **state)
{
    struct stand *stand = *state;
    const struct fake_snapshot ready = a_snapshot("Succeed"), failed = a_snapshot("Failed");

    fake_put_snapshot(stand->fake, &ready);
    SCOPED_REPLY struct reply first = create(stand, "r-1", FROM_SNAPSHOT);
    fake_put_snapshot(stand->fake, &failed);
    SCOPED_REPLY struct reply second = create(stand, "r-1", FROM_SNAPSHOT);
    SCOPED_REPLY struct reply other = create(stand, "r-2", FROM_SNAPSHOT);
    assert_string_equal(text_at(&second, "id"), text_at(&first, "id"));
    assert_reply(&other, 409, "SNAPSHOT::NOT_READY", "snap-1");
}

DEFINE_FREEP(channel, struct rpc_channel, rpc_channel_free)

static void grpc_repeats_by_request_id(void **state)
{
    struct stand *stand = *state;
    SCOPED(string) char *address = xasprintf("127.0.0.1:%d", stand->grpc_port);
    struct rpc_channel_options options = {
        .name = "lifecycle-svc", .header_key = "open-sandbox-api-key", .header_value = STAND_KEY};
    SCOPED(channel) struct rpc_channel *channel = rpc_channel_new(address, &options);
    Opensandbox__Lifecycle__V1__CreateSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__CREATE_SANDBOX_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__Image image = OPENSANDBOX__LIFECYCLE__V1__IMAGE__INIT;
    Opensandbox__Lifecycle__V1__Sandbox *sandbox;
    char *command[] = {"sleep"};
    struct error err = {0};

    image.uri = (char *)"busybox:1";
    request.image = &image;
    request.entrypoint = command;
    request.n_entrypoint = 1;
    request.timeout_seconds = 600;
    request.request_id = (char *)"r-1";
    for (int i = 0; i < 2; i++) {
        assert_ok(rpc_unary(channel, &opensandbox__lifecycle__v1__lifecycle__descriptor, "CreateSandbox",
                            &request.base, &sandbox, NULL, &err),
                  &err);
        assert_string_equal(sandbox->id, ID_OF_R1);
        protobuf_c_message_free_unpacked(&sandbox->base, NULL);
    }
    SCOPED_REPLY struct reply rest = create(stand, "r-1", body); /* one door is as good as the other */
    assert_string_equal(text_at(&rest, "id"), ID_OF_R1);
}

#define WITH_STAND(test) cmocka_unit_test_setup(test, stand_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND(a_repeated_create_answers_with_the_first_ones_sandbox),
        WITH_STAND(without_an_id_every_create_makes_another_sandbox),
        WITH_STAND(a_different_create_with_the_same_id_is_400),
        WITH_STAND(two_at_a_time_wait_for_one_sandbox),
        WITH_STAND(who_only_found_the_sandbox_does_not_delete_it),
        WITH_STAND(a_sandbox_that_was_paused_since_is_the_answer_too),
        WITH_STAND(a_try_after_an_abandoned_one_waits_until_it_is_gone),
        WITH_STAND(a_try_beside_an_abandoned_one_makes_the_sandbox_anew),
        WITH_STAND(a_repeat_answers_though_the_snapshot_is_no_more),
        WITH_STAND(a_repeat_answers_though_the_snapshot_is_of_no_use_any_more),
        cmocka_unit_test(a_create_whose_sandbox_leaves_for_one_and_stays_for_another_asks_seldom),
        WITH_STAND(pauses_and_resumes_carry_their_ids_on),
        WITH_STAND(grpc_repeats_by_request_id),
    };
    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
