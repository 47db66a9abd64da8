/* Creating: what becomes of the request, and of the object when things go wrong. Contract rest-api.md §4. */
#include "tests/wire/lifecycle/stand.h"

#include <pthread.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"

static const char *const quick[] = {"--sandbox-create-timeout=1s", NULL};

static const char body[] =
    "{\"image\":{\"uri\":\"busybox:1\"},\"entrypoint\":[\"sleep\",\"9\"],"
    "\"resourceLimits\":{\"cpu\":\"1\"},\"timeout\":600,\"metadata\":{\"team\":\"blue\"},"
    "\"secureAccess\":false,\"extensions\":{},\"env\":{\"A\":\"b\"}}";

static const struct fake_sandbox pending = {.phase = "Pending", .endpoints = ""};
static const struct fake_sandbox running = {.phase = "Succeed", .endpoints = "[\"10.0.0.9\"]"};

static int setup_group(void **state)
{
    static struct stand stand;

    stand_start(&stand, quick);
    *state = &stand;
    return 0;
}

static void a_usable_sandbox_is_202_with_what_was_asked(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes", body);
    SCOPED(string) char *entrypoint = json_text(json_object_get(reply.json, "entrypoint"));

    assert_int_equal(reply.http.status, 202);
    assert_string_equal(text_at(&reply, "id"), fake_await_created(stand->fake));
    assert_int_equal(strlen(text_at(&reply, "id")), 36);
    assert_string_equal(text_at(&reply, "status.state"), "Running");
    assert_string_equal(text_at(&reply, "metadata.team"), "blue");
    assert_string_equal(entrypoint, "[\"sleep\",\"9\"]");
    assert_non_null(text_at(&reply, "createdAt"));
    assert_non_null(text_at(&reply, "expiresAt"));
    assert_null(json_object_get(reply.json, "image"));
    assert_null(json_object_get(reply.json, "platform"));
}

static void the_object_carries_template_labels_and_whole_seconds(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes", body);

    assert_contains(
        fake_created_template(stand->fake),
        "\"containers\":[{\"name\":\"sandbox\",\"image\":\"busybox:1\",\"imagePullPolicy\":\"IfNotPresent\","
        "\"command\":[\"sleep\",\"9\"],\"env\":[{\"name\":\"A\",\"value\":\"b\"}],\"resources\":{\"limits\":{"
        "\"cpu\":\"1\"},\"requests\":{\"cpu\":\"1\"}}}]");
    assert_string_equal(fake_created_label(stand->fake, "opensandbox.io/id"), text_at(&reply, "id"));
    assert_string_equal(fake_created_label(stand->fake, "team"), "blue");
    assert_null(fake_created_label(stand->fake, "opensandbox.io/manual-cleanup"));
    assert_int_not_equal(fake_created_expiry_ms(stand->fake), 0);
    assert_int_equal(fake_created_expiry_ms(stand->fake) % 1000, 0);
}

static void without_a_timeout_it_never_expires(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply reply =
        ask(stand, "POST", "/v1/sandboxes",
            "{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{},\"timeout\":null}");

    assert_int_equal(reply.http.status, 202);
    assert_null(json_object_get(reply.json, "expiresAt"));
    assert_null(json_object_get(reply.json, "metadata"));
    assert_string_equal(fake_created_label(stand->fake, "opensandbox.io/manual-cleanup"), "true");
    assert_int_equal(fake_created_expiry_ms(stand->fake), 0);
}

/* A create on its own thread, so that the test can change the world meanwhile. */
struct asking {
    const struct stand *stand;
    struct reply reply;
    pthread_t thread;
};

static void *ask_to_create(void *arg)
{
    struct asking *asking = arg;

    asking->reply = ask(asking->stand, "POST", "/v1/sandboxes", body);
    return NULL;
}

static void begin(struct asking *asking, const struct stand *stand)
{
    asking->stand = stand;
    assert_int_equal(pthread_create(&asking->thread, NULL, ask_to_create, asking), 0);
}

static void become(struct stand *stand, const char *name, struct fake_sandbox as)
{
    as.name = name;
    fake_put(stand->fake, &as);
}

static void it_waits_through_pending_and_through_running_without_an_address(void **state)
{
    struct stand *stand = *state;
    struct asking asking;

    fake_on_create(stand->fake, &pending);
    begin(&asking, stand);
    const char *id = fake_await_created(stand->fake);
    fake_await_watchers(stand->fake, 1);
    become(stand, id, (struct fake_sandbox){.phase = "Succeed", .endpoints = "[\"\"]"});
    become(stand, id, running);
    pthread_join(asking.thread, NULL);
    assert_int_equal(asking.reply.http.status, 202);
    assert_string_equal(text_at(&asking.reply, "status.state"), "Running");
    reply_done(&asking.reply);
}

static void an_allocated_sandbox_is_reported_as_running(void **state)
{
    struct stand *stand = *state;
    struct fake_sandbox allocated = {.phase = "", .endpoints = "[\"10.0.0.9\"]", .allocated = 1};

    fake_on_create(stand->fake, &allocated);
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes", body);
    assert_int_equal(reply.http.status, 202);
    assert_string_equal(text_at(&reply, "status.state"), "Running");
    assert_string_equal(text_at(&reply, "status.reason"), "IP_ASSIGNED");
}

static void a_failure_ends_the_wait_and_deletes_the_object(void **state)
{
    struct stand *stand = *state;
    struct fake_sandbox failed = {
        .phase = "Failed", .conditions = {{"PodFailed", NULL, "ErrImagePull", "no such image busybox:1", 0}}};

    fake_on_create(stand->fake, &failed);
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes", body);
    assert_reply(&reply, 500, "KUBERNETES::POD_FAILED", "no such image busybox:1");
    fake_await_deleted(stand->fake, fake_await_created(stand->fake));
}

static void the_deadline_is_504_and_deletes_the_object(void **state)
{
    struct stand *stand = *state;

    fake_on_create(stand->fake, &pending);
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes", body);
    assert_reply(&reply, 504, "KUBERNETES::POD_READY_TIMEOUT", "Pending");
    fake_await_deleted(stand->fake, fake_await_created(stand->fake));
}

static void a_deletion_meanwhile_ends_the_wait(void **state)
{
    struct stand *stand = *state;
    struct asking asking;

    fake_on_create(stand->fake, &pending);
    begin(&asking, stand);
    const char *id = fake_await_created(stand->fake);
    fake_await_watchers(stand->fake, 1);
    fake_remove(stand->fake, id);
    pthread_join(asking.thread, NULL);
    assert_reply(&asking.reply, 500, "KUBERNETES::POD_FAILED", "deleted while it was being created");
    reply_done(&asking.reply);
}

static void a_restart_of_the_orchestrator_does_not_end_the_wait(void **state)
{
    struct stand *stand = *state;
    struct asking asking;

    fake_on_create(stand->fake, &pending);
    begin(&asking, stand);
    const char *id = fake_await_created(stand->fake);
    fake_await_watchers(stand->fake, 1);
    fake_drop_watches(stand->fake);
    become(stand, id, running);
    pthread_join(asking.thread, NULL);
    assert_int_equal(asking.reply.http.status, 202);
    reply_done(&asking.reply);
}

static void a_client_that_hangs_up_leaves_no_sandbox_behind(void **state)
{
    struct stand *stand = *state;
    SCOPED(string)
    char *request = xasprintf("POST /v1/sandboxes HTTP/1.1\r\nHost: h\r\nOPEN-SANDBOX-API-KEY: " STAND_KEY
                              "\r\nContent-Length: %zu\r\n\r\n%s",
                              strlen(body), body);

    fake_on_create(stand->fake, &pending);
    int fd = dial_and_say(stand, request);
    const char *id = fake_await_created(stand->fake);
    fake_await_watchers(stand->fake, 1);
    close(fd);
    fake_await_deleted(stand->fake, id);
    fake_await_watchers(stand->fake, 0);
}

#define WITH_STAND(test) cmocka_unit_test_setup(test, stand_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND(a_usable_sandbox_is_202_with_what_was_asked),
        WITH_STAND(the_object_carries_template_labels_and_whole_seconds),
        WITH_STAND(without_a_timeout_it_never_expires),
        WITH_STAND(it_waits_through_pending_and_through_running_without_an_address),
        WITH_STAND(an_allocated_sandbox_is_reported_as_running),
        WITH_STAND(a_failure_ends_the_wait_and_deletes_the_object),
        WITH_STAND(the_deadline_is_504_and_deletes_the_object),
        WITH_STAND(a_deletion_meanwhile_ends_the_wait),
        WITH_STAND(a_restart_of_the_orchestrator_does_not_end_the_wait),
    };
    const struct CMUnitTest patient[] = {
        WITH_STAND(a_client_that_hangs_up_leaves_no_sandbox_behind),
    };
    int failed =
        cmocka_run_group_tests_name("a create may take 1 s", tests, setup_group, stand_teardown_group);
    return failed + cmocka_run_group_tests_name("a create may take 60 s", patient, stand_setup_group,
                                                stand_teardown_group);
}
