/* The BatchSandbox that a request becomes, as golden texts. Contract rest-api.md §4.2, §4.3. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/manifest.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static const int64_t NOW_MS = 1763303070123;
static const struct manifest_settings direct = {"", "IfNotPresent"};
static const struct manifest_settings with_execd = {"reg/execd:1", "Always"};

static struct create_request full(void)
{
    struct create_request request = {.image.uri = xstrdup("busybox:1"), .timeout_s = 600};

    json_strings_add(&request.entrypoint, "sh");
    json_strings_add(&request.entrypoint, "-c");
    json_map_set(&request.metadata, "team", "blue");
    json_map_set(&request.env, "A", "b");
    json_map_set(&request.resource_limits, "cpu", "1");
    json_map_set(&request.resource_limits, "gpu", "2");
    json_map_set(&request.extensions, "access.renew.extend.seconds", "300");
    json_map_set(&request.extensions, "opensandbox.extensions.color", "red");
    json_map_set(&request.extensions, "other", "dropped");
    request.platform.os = xstrdup("linux");
    request.platform.arch = xstrdup("arm64");
    return request;
}

static void check_template(struct create_request *request, const struct manifest_settings *settings,
                           const char *golden)
{
    SCOPED_MANIFEST struct manifest manifest;
    SCOPED(json) json_t *template = NULL;
    struct error err = {0};

    manifest_build(request, settings, "ID", NOW_MS, &manifest);
    assert_ok(json_parse(manifest.template_json, strlen(manifest.template_json), "template", &template, &err),
              &err);
    SCOPED(string) char *text = json_canonical(template);
    assert_string_equal(text, golden);
    create_request_done(request);
}

static void without_an_execd_image_the_entrypoint_runs_directly(void **state)
{
    struct create_request request = full();

    (void)state;
    check_template(
        &request, &direct,
        "{\"metadata\":{\"annotations\":{\"opensandbox.io/access-renew-extend-seconds\":\"300\","
        "\"opensandbox.io/extensions.color\":\"red\"},\"labels\":{\"opensandbox.io/"
        "id\":\"ID\",\"team\":\"blue\"}},"
        "\"spec\":{\"containers\":[{\"command\":[\"sh\",\"-c\"],\"env\":[{\"name\":\"A\",\"value\":\"b\"}],"
        "\"image\":\"busybox:1\",\"imagePullPolicy\":\"IfNotPresent\",\"name\":\"sandbox\","
        "\"resources\":{\"limits\":{\"cpu\":\"1\",\"nvidia.com/gpu\":\"2\"},"
        "\"requests\":{\"cpu\":\"1\",\"nvidia.com/gpu\":\"2\"}}}],"
        "\"nodeSelector\":{\"kubernetes.io/arch\":\"arm64\",\"kubernetes.io/os\":\"linux\"}}}");
}

static void with_an_execd_image_the_bootstrap_script_wraps_the_entrypoint(void **state)
{
    struct create_request request = {.image.uri = xstrdup("b")};

    (void)state;
    json_strings_add(&request.entrypoint, "run");
    check_template(
        &request, &with_execd,
        "{\"metadata\":{\"labels\":{\"opensandbox.io/id\":\"ID\",\"opensandbox.io/"
        "manual-cleanup\":\"true\"}},"
        "\"spec\":{\"containers\":[{\"command\":[\"/opt/opensandbox/bootstrap.sh\",\"run\"],"
        "\"env\":[{\"name\":\"EXECD\",\"value\":\"/opt/opensandbox/execd\"}],\"image\":\"b\","
        "\"imagePullPolicy\":\"Always\",\"name\":\"sandbox\","
        "\"volumeMounts\":[{\"mountPath\":\"/opt/opensandbox\",\"name\":\"opensandbox-bin\"}]}],"
        "\"initContainers\":[{\"args\":[\"cp ./execd /opt/opensandbox/execd && cp ./bootstrap.sh "
        "/opt/opensandbox/bootstrap.sh && chmod +x /opt/opensandbox/execd /opt/opensandbox/bootstrap.sh\"],"
        "\"command\":[\"/bin/sh\",\"-c\"],\"image\":\"reg/execd:1\",\"imagePullPolicy\":\"Always\","
        "\"name\":\"execd-installer\","
        "\"volumeMounts\":[{\"mountPath\":\"/opt/opensandbox\",\"name\":\"opensandbox-bin\"}]}],"
        "\"volumes\":[{\"emptyDir\":{},\"name\":\"opensandbox-bin\"}]}}");
}

static void requests_replace_the_limits_and_bad_gpus_are_dropped(void **state)
{
    struct create_request request = {.image.uri = xstrdup("b")};

    (void)state;
    json_strings_add(&request.entrypoint, "run");
    json_map_set(&request.resource_limits, "gpu", "none");
    json_map_set(&request.resource_requests, "cpu", "100m");
    check_template(&request, &direct,
                   "{\"metadata\":{\"labels\":{\"opensandbox.io/id\":\"ID\",\"opensandbox.io/"
                   "manual-cleanup\":\"true\"}},"
                   "\"spec\":{\"containers\":[{\"command\":[\"run\"],\"image\":\"b\",\"imagePullPolicy\":"
                   "\"IfNotPresent\","
                   "\"name\":\"sandbox\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}]}}");
}

static void host_volumes_are_mounted(void **state)
{
    struct create_request request = {.image.uri = xstrdup("b")};
    struct volume *volume = xcalloc(1, sizeof(*volume));

    (void)state;
    *volume = (struct volume){.name = xstrdup("d"),
                              .mount_path = xstrdup("/d"),
                              .sub_path = xstrdup("x"),
                              .read_only = true,
                              .host_path = xstrdup("/srv")};
    request.volumes = (struct json_list){volume, 1};
    json_strings_add(&request.entrypoint, "run");
    check_template(
        &request, &direct,
        "{\"metadata\":{\"labels\":{\"opensandbox.io/id\":\"ID\",\"opensandbox.io/"
        "manual-cleanup\":\"true\"}},"
        "\"spec\":{\"containers\":[{\"command\":[\"run\"],\"image\":\"b\",\"imagePullPolicy\":"
        "\"IfNotPresent\","
        "\"name\":\"sandbox\","
        "\"volumeMounts\":[{\"mountPath\":\"/d\",\"name\":\"d\",\"readOnly\":true,\"subPath\":\"x\"}]}],"
        "\"volumes\":[{\"hostPath\":{\"path\":\"/srv\",\"type\":\"DirectoryOrCreate\"},\"name\":\"d\"}]}}");
}

static void the_expiry_is_whole_seconds_from_now(void **state)
{
    struct create_request request = full();
    SCOPED_MANIFEST struct manifest manifest;

    (void)state;
    manifest_build(&request, &direct, "ID", NOW_MS, &manifest);
    assert_int_equal(manifest.expire_time_unix_ms, 1763303670000);
    assert_null(json_map_get(&manifest.labels, "opensandbox.io/manual-cleanup"));
    create_request_done(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_execd_image_the_entrypoint_runs_directly),
        cmocka_unit_test(with_an_execd_image_the_bootstrap_script_wraps_the_entrypoint),
        cmocka_unit_test(requests_replace_the_limits_and_bad_gpus_are_dropped),
        cmocka_unit_test(host_volumes_are_mounted),
        cmocka_unit_test(the_expiry_is_whole_seconds_from_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
