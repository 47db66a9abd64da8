/* Creating: what becomes of the request, and of the object when things go wrong. Contract rest-api.md §4. */
#include "tests/wire/lifecycle/stand.h"

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include <pthread.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "tests/wire/lifecycle/fake_snapshots.h"

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

static void what_a_request_leaves_at_its_default_is_accepted_in_silence(void **state)
{
    SCOPED_REPLY struct reply reply =
        ask(*state, "POST", "/v1/sandboxes",
            "{\"image\":{\"uri\":\"b\",\"auth\":null},\"entrypoint\":[\"a\"],\"resourceLimits\":{},"
            "\"secureAccess\":false,"
            "\"networkPolicy\":{},\"credentialProxy\":{\"enabled\":false},\"extensions\":{\"poolRef\":\" \"},"
            "\"volumes\":[],\"platform\":null,\"env\":{\"EMPTY\":null},\"snapshotId\":\"\",\"unknown\":[1]}");

    assert_int_equal(reply.http.status, 202);
}

/* -- image credentials ----------------------------------------------------------------------------------------- */

static void credentials_become_a_secret_that_the_pod_pulls_with(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes",
                                          "{\"image\":{\"uri\":\"reg.example:5000/"
                                          "a:1\",\"auth\":{\"username\":\"ann\",\"password\":\"hunter2\"}},"
                                          "\"entrypoint\":[\"a\"],\"resourceLimits\":{}}");
    SCOPED(string) char *secret = xasprintf("opensandbox-image-auth-%s", text_at(&reply, "id"));
    SCOPED(string) char *pulls = xasprintf("\"imagePullSecrets\":[{\"name\":\"%s\"}]", secret);
    SCOPED(string) char *config = fake_created_docker_config(stand->fake);

    assert_int_equal(reply.http.status, 202);
    assert_string_equal(fake_created_secret(stand->fake), secret);
    assert_contains(fake_created_template(stand->fake), pulls);
    assert_lacks(fake_created_template(stand->fake), "hunter2");
    assert_string_equal(config,
                        "{\"auths\":{\"reg.example:5000\":{\"username\":\"ann\",\"password\":\"hunter2\","
                        "\"auth\":\"YW5uOmh1bnRlcjI=\"}}}");
}

static void without_credentials_there_is_no_secret(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes", body);

    assert_int_equal(reply.http.status, 202);
    assert_string_equal(fake_created_secret(stand->fake), "");
    assert_lacks(fake_created_template(stand->fake), "imagePullSecrets");
}

/* -- volumes --------------------------------------------------------------------------------------------------- */

static void claims_are_asked_for_once_each_and_mounted(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply reply = ask(
        stand, "POST", "/v1/sandboxes",
        "{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{},\"volumes\":["
        "{\"name\":\"in\",\"mountPath\":\"/in\",\"readOnly\":true,\"subPath\":\"a/"
        "b\",\"pvc\":{\"claimName\":\"data\"}},"
        "{\"name\":\"out\",\"mountPath\":\"/out\",\"pvc\":{\"claimName\":\"data\",\"storage\":\"9Gi\"}},"
        "{\"name\":\"big\",\"mountPath\":\"/big\",\"pvc\":{\"claimName\":\"big\",\"createIfNotExists\":false,"
        "\"deleteOnSandboxTermination\":true,\"storage\":\"10Gi\",\"storageClass\":\"fast\","
        "\"accessModes\":[\"ReadWriteMany\"]}}]}");
    SCOPED(string) char *claims = fake_created_claims(stand->fake);

    assert_int_equal(reply.http.status, 202);
    assert_string_equal(claims, "data create  ;big wait 10Gi fast ReadWriteMany;");
    assert_contains(
        fake_created_template(stand->fake),
        "\"volumeMounts\":[{\"name\":\"in\",\"mountPath\":\"/in\",\"readOnly\":true,\"subPath\":\"a/b\"},"
        "{\"name\":\"in\",\"mountPath\":\"/out\",\"readOnly\":false},"
        "{\"name\":\"big\",\"mountPath\":\"/big\",\"readOnly\":false}]");
    assert_contains(fake_created_template(stand->fake),
                    "\"volumes\":[{\"name\":\"in\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}},"
                    "{\"name\":\"big\",\"persistentVolumeClaim\":{\"claimName\":\"big\"}}]");
}

/* -- from a snapshot ------------------------------------------------------------------------------------------- */

static void a_snapshot_is_restored_with_its_image_and_pull_secret(void **state)
{
    struct stand *stand = *state;
    const struct fake_snapshot ready = {.id = "snap-1",
                                        .phase = "Succeed",
                                        .restore_image = "reg/snap:1@sha256:abc",
                                        .pull_secret = "pull",
                                        .containers = 1};

    fake_put_snapshot(stand->fake, &ready);
    SCOPED_REPLY struct reply reply =
        ask(stand, "POST", "/v1/sandboxes", "{\"snapshotId\":\" snap-1 \",\"resourceLimits\":{}}");
    SCOPED(string) char *entrypoint = json_text(json_object_get(reply.json, "entrypoint"));
    assert_int_equal(reply.http.status, 202);
    assert_string_equal(entrypoint, "[\"tail\",\"-f\",\"/dev/null\"]");
    assert_string_equal(fake_created_label(stand->fake, "opensandbox.io/snapshot-id"), "snap-1");
    assert_contains(fake_created_template(stand->fake), "\"image\":\"reg/snap:1@sha256:abc\"");
    assert_contains(fake_created_template(stand->fake), "\"imagePullSecrets\":[{\"name\":\"pull\"}]");
    assert_string_equal(fake_created_secret(stand->fake), "");
}

static void a_snapshot_keeps_an_explicit_entrypoint(void **state)
{
    struct stand *stand = *state;
    const struct fake_snapshot ready = {.id = "snap-1",
                                        .phase = "Succeed",
                                        .restore_image = "reg/snap:1@sha256:abc",
                                        .pull_secret = "",
                                        .containers = 1};

    fake_put_snapshot(stand->fake, &ready);
    SCOPED_REPLY struct reply reply =
        ask(stand, "POST", "/v1/sandboxes",
            "{\"snapshotId\":\"snap-1\",\"entrypoint\":[\"run\"],\"resourceLimits\":{}}");
    assert_int_equal(reply.http.status, 202);
    assert_contains(fake_created_template(stand->fake), "\"command\":[\"run\"]");
    assert_lacks(fake_created_template(stand->fake), "imagePullSecrets");
}

static void a_snapshot_that_cannot_be_restored_is_refused_before_the_rest_is_checked(void **state)
{
    static const struct {
        struct fake_snapshot snapshot;
        int status;
        const char *code;
    } rows[] = {
        {{.id = "other", .phase = "Succeed", .restore_image = "x", .pull_secret = ""},
         404,
         "SNAPSHOT::NOT_FOUND"},
        {{.id = "snap-1", .phase = "Committing", .restore_image = "", .pull_secret = ""},
         409,
         "SNAPSHOT::NOT_READY"},
        {{.id = "snap-1", .phase = "Failed", .restore_image = "", .pull_secret = ""},
         409,
         "SNAPSHOT::NOT_READY"},
        {{.id = "snap-1", .phase = "Succeed", .restore_image = "", .pull_secret = "", .containers = 0},
         409,
         "SNAPSHOT::INVALID_RESTORE_CONFIG"},
        {{.id = "snap-1", .phase = "Succeed", .restore_image = "", .pull_secret = "", .containers = 2},
         409,
         "SNAPSHOT::INVALID_RESTORE_CONFIG"},
    };
    struct stand *stand = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_clear(stand->fake);
        fake_put_snapshot(stand->fake, &rows[i].snapshot);
        SCOPED_REPLY struct reply reply =
            ask(stand, "POST", "/v1/sandboxes",
                "{\"snapshotId\":\"snap-1\",\"resourceLimits\":{},\"metadata\":{\"bad key\":\"x\"}}");
        assert_reply(&reply, rows[i].status, rows[i].code, "snap-1");
    }
}

/* -- what the operator adds ------------------------------------------------------------------------------------ */

static void the_template_file_and_execd_are_part_of_every_sandbox(void **state)
{
    static const char yaml[] = "kind: BatchSandbox\n"
                               "metadata:\n  labels: {zone: a}\n"
                               "spec:\n  template:\n    spec:\n      restartPolicy: Never\n"
                               "      nodeSelector: {kubernetes.io/arch: amd64}\n"
                               "      tolerations:\n        - operator: Exists\n";
    char path[] = "/tmp/stasis-template-XXXXXX";
    int fd = mkstemp(path);
    SCOPED(string) char *file = xasprintf("--sandbox-template-file=%s", path);
    const char *const flags[] = {file, "--execd-image=reg/execd:1",
                                 "--execd-init-resources={\"limits\":{\"cpu\":\"1\"}}",
                                 "--image-pull-policy=Always", NULL};
    struct stand stand;

    (void)state;
    assert_int_equal(write(fd, yaml, sizeof(yaml) - 1), sizeof(yaml) - 1);
    close(fd);
    stand_start(&stand, flags);
    SCOPED_REPLY struct reply reply = ask(&stand, "POST", "/v1/sandboxes", body);
    SCOPED_REPLY struct reply elsewhere =
        ask(&stand, "POST", "/v1/sandboxes",
            "{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{},"
            "\"platform\":{\"os\":\"linux\",\"arch\":\"arm64\"}}");
    const char *pod = fake_created_template(stand.fake);

    assert_int_equal(reply.http.status, 202);
    assert_contains(pod, "\"restartPolicy\":\"Never\"");
    assert_contains(pod, "\"tolerations\":[{\"operator\":\"Exists\"}]");
    assert_contains(pod,
                    "\"name\":\"execd-installer\",\"image\":\"reg/execd:1\",\"imagePullPolicy\":\"Always\"");
    assert_contains(pod, "\"resources\":{\"limits\":{\"cpu\":\"1\"}}");
    assert_contains(pod, "\"command\":[\"/opt/opensandbox/bootstrap.sh\",\"sleep\",\"9\"]");
    assert_string_equal(fake_created_label(stand.fake, "zone"), "a");
    assert_reply(&elsewhere, 400, "SANDBOX::INVALID_PARAMETER",
                 "nodeSelector wants kubernetes.io/arch=amd64");
    stand_stop(&stand);
    unlink(path);
}

static void a_template_file_that_is_wrong_ends_the_start(void **state)
{
    static const struct {
        const char *flag, *why;
    } rows[] = {
        {"--sandbox-template-file=/nowhere/at/all.yaml", "--sandbox-template-file"},
        {"--sandbox-template-file=/proc/self/stat", "--sandbox-template-file"},
        {"--execd-init-resources=cpu=1", "--execd-init-resources"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const char *const environment[] = {"OPENSANDBOX_SERVER_API_KEY=k", NULL};
        const char *const argv[] = {lifecycle_svc_path(), "--address=127.0.0.1:0",
                                    "--grpc-address=", rows[i].flag, NULL};
        struct run run = run_program(argv, environment);

        assert_int_equal(run.exit_code, 2);
        assert_contains(run.errors, rows[i].why);
        run_done(&run);
    }
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

/* -- what stays in memory --------------------------------------------------------------------------------------- */

enum { MOST_OF_A_REGION = 1 << 28 }; /* what is larger is a sanitizer's shadow */

static bool region_holds(int mem_fd, uintptr_t from, uintptr_t to, const char *text)
{
    SCOPED(string) char *bytes = xcalloc(1, to - from);
    ssize_t length = pread(mem_fd, bytes, to - from, (off_t)from);

    return length > 0 && memmem(bytes, (size_t)length, text, strlen(text));
}

/* Does the memory of the process hold the text anywhere? */
static bool process_holds(pid_t pid, const char *text)
{
    SCOPED(string) char *mem_path = xasprintf("/proc/%d/mem", (int)pid);
    SCOPED(string) char *maps_path = xasprintf("/proc/%d/maps", (int)pid);
    SCOPED(fd) int mem_fd = open(mem_path, O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen(maps_path, "re");
    char line[512], rights[8];
    uintptr_t from, to;
    bool found = false;

    assert_true(mem_fd >= 0);
    assert_non_null(maps);
    while (!found && fgets(line, sizeof(line), maps))
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) == 3 && rights[1] == 'w' &&
            to - from <= MOST_OF_A_REGION)
            found = region_holds(mem_fd, from, to, text);
    fclose(maps);
    return found;
}

/* In pieces, so that the buffer of the body moves while it grows; and as only the client spells it. */
static void a_body_with_a_password_leaves_nothing_behind(void **state)
{
    enum { PADDING = 40000, PATIENCE = 50 };
    static const char secret[] = "\"password\"  :  \"correct horse battery\"";
    struct stand *stand = *state;
    SCOPED(string)
    char *head =
        xasprintf("{\"image\":{\"uri\":\"reg.example/a:1\",\"auth\":{\"username\":\"me\",%s}},", secret);
    SCOPED(string)
    char *tail = xasprintf("%*s\"entrypoint\":[\"sleep\"],\"resourceLimits\":{}}", PADDING, "");
    SCOPED(string)
    char *request = xasprintf("POST /v1/sandboxes HTTP/1.1\r\nHost: h\r\nOPEN-SANDBOX-API-KEY: " STAND_KEY
                              "\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "%zx\r\n%s\r\n%zx\r\n%s\r\n0\r\n\r\n",
                              strlen(head), head, strlen(tail), tail);
    SCOPED(fd) int fd = dial_and_say(stand, request);
    SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;
    char piece[4096];
    int looks = 0;

    for (ssize_t length; (length = read(fd, piece, sizeof(piece))) > 0;)
        strbuf_append(&answer, piece, (size_t)length);
    assert_contains(strbuf_text(&answer), "HTTP/1.1 202 ");
    /* The connection's own buffer goes a moment after the client has seen its end. */
    while (process_holds(stand->pid, secret)) {
        SCOPED_REPLY struct reply health = ask(stand, "GET", "/health", NULL);
        if (++looks == PATIENCE)
            fail_msg("the password of a finished create is still in the server's memory");
    }
}

#define WITH_STAND(test) cmocka_unit_test_setup(test, stand_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND(a_usable_sandbox_is_202_with_what_was_asked),
        WITH_STAND(the_object_carries_template_labels_and_whole_seconds),
        WITH_STAND(without_a_timeout_it_never_expires),
        WITH_STAND(what_a_request_leaves_at_its_default_is_accepted_in_silence),
        WITH_STAND(credentials_become_a_secret_that_the_pod_pulls_with),
        WITH_STAND(without_credentials_there_is_no_secret),
        WITH_STAND(claims_are_asked_for_once_each_and_mounted),
        WITH_STAND(a_snapshot_is_restored_with_its_image_and_pull_secret),
        WITH_STAND(a_snapshot_keeps_an_explicit_entrypoint),
        WITH_STAND(a_snapshot_that_cannot_be_restored_is_refused_before_the_rest_is_checked),
        cmocka_unit_test(the_template_file_and_execd_are_part_of_every_sandbox),
        cmocka_unit_test(a_template_file_that_is_wrong_ends_the_start),
        WITH_STAND(it_waits_through_pending_and_through_running_without_an_address),
        WITH_STAND(an_allocated_sandbox_is_reported_as_running),
        WITH_STAND(a_failure_ends_the_wait_and_deletes_the_object),
        WITH_STAND(the_deadline_is_504_and_deletes_the_object),
        WITH_STAND(a_deletion_meanwhile_ends_the_wait),
        WITH_STAND(a_restart_of_the_orchestrator_does_not_end_the_wait),
        WITH_STAND(a_body_with_a_password_leaves_nothing_behind),
    };
    const struct CMUnitTest patient[] = {
        WITH_STAND(a_client_that_hangs_up_leaves_no_sandbox_behind),
    };
    int failed =
        cmocka_run_group_tests_name("a create may take 1 s", tests, setup_group, stand_teardown_group);
    return failed + cmocka_run_group_tests_name("a create may take 60 s", patient, stand_setup_group,
                                                stand_teardown_group);
}
