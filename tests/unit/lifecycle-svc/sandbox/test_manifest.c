/* The BatchSandbox that a request becomes, as golden texts. Contract rest-api.md §4.2, §4.3. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/manifest.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static const int64_t NOW_MS = 1763303070123;
static const struct manifest_settings direct = {.execd_image = "", .image_pull_policy = "IfNotPresent"};
static const struct manifest_settings with_execd = {.execd_image = "reg/execd:1",
                                                    .image_pull_policy = "Always"};

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

    const struct manifest_subject subject = {.id = "ID", .image = request->image.uri};
    manifest_build(request, &subject, settings, NOW_MS, &manifest);
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

static void add_claim(struct create_request *request, const char *name, const char *path, const char *claim)
{
    struct volume *volumes =
        xrealloc_array(request->volumes.items, request->volumes.count + 1, sizeof(*volumes));

    volumes[request->volumes.count++] =
        (struct volume){.name = xstrdup(name),
                        .mount_path = xstrdup(path),
                        .claim = {.name = xstrdup(claim), .create_if_absent = -1}};
    request->volumes.items = volumes;
}

static void a_claim_that_is_mounted_twice_is_one_volume(void **state)
{
    struct create_request request = {.image.uri = xstrdup("b"), .timeout_s = 60};

    (void)state;
    json_strings_add(&request.entrypoint, "run");
    add_claim(&request, "first", "/a", "data");
    add_claim(&request, "other", "/b", "more");
    add_claim(&request, "second", "/c", "data");
    check_template(&request, &direct,
                   "{\"metadata\":{\"labels\":{\"opensandbox.io/id\":\"ID\"}},"
                   "\"spec\":{\"containers\":[{\"command\":[\"run\"],\"image\":\"b\",\"imagePullPolicy\":"
                   "\"IfNotPresent\","
                   "\"name\":\"sandbox\",\"volumeMounts\":["
                   "{\"mountPath\":\"/a\",\"name\":\"first\",\"readOnly\":false},"
                   "{\"mountPath\":\"/b\",\"name\":\"other\",\"readOnly\":false},"
                   "{\"mountPath\":\"/c\",\"name\":\"first\",\"readOnly\":false}]}],"
                   "\"volumes\":[{\"name\":\"first\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}},"
                   "{\"name\":\"other\",\"persistentVolumeClaim\":{\"claimName\":\"more\"}}]}}");
}

static void a_snapshot_brings_its_image_its_label_and_its_pull_secret(void **state)
{
    struct create_request request = {.snapshot_id = xstrdup("snap"), .timeout_s = 60};
    const struct manifest_subject subject = {.id = "ID", .image = "reg/snap@sha256:1", .pull_secret = "pull"};
    SCOPED_MANIFEST struct manifest manifest;

    (void)state;
    json_strings_add(&request.entrypoint, "tail");
    manifest_build(&request, &subject, &direct, NOW_MS, &manifest);
    assert_contains(manifest.template_json, "\"image\":\"reg/snap@sha256:1\"");
    assert_contains(manifest.template_json, "\"imagePullSecrets\":[{\"name\":\"pull\"}]");
    assert_string_equal(json_map_get(&manifest.labels, "opensandbox.io/snapshot-id"), "snap");
    create_request_done(&request);
}

static void the_operators_template_goes_under_what_is_generated(void **state)
{
    static const char yaml[] = "metadata: {labels: {zone: a}}\n"
                               "spec: {template: {spec: {restartPolicy: Never}}}\n";
    struct create_request request = {.image.uri = xstrdup("b"), .timeout_s = 60};
    const struct manifest_subject subject = {.id = "ID", .image = "b"};
    SCOPED(sandbox_template) struct sandbox_template *template = NULL;
    SCOPED(json) json_t *resources = NULL;
    SCOPED_MANIFEST struct manifest manifest;
    struct manifest_settings settings = with_execd;
    struct error err = {0};

    (void)state;
    json_strings_add(&request.entrypoint, "run");
    assert_ok(sandbox_template_parse(yaml, strlen(yaml), "file", &template, &err), &err);
    assert_ok(container_resources_parse("{\"limits\":{\"cpu\":\"1\"}}", &resources, &err), &err);
    settings.template = template;
    settings.execd_resources = resources;
    manifest_build(&request, &subject, &settings, NOW_MS, &manifest);
    assert_contains(manifest.template_json, "\"restartPolicy\":\"Never\"");
    assert_contains(manifest.template_json, "\"resources\":{\"limits\":{\"cpu\":\"1\"}}");
    assert_lacks(manifest.template_json, "zone");
    assert_string_equal(json_map_get(&manifest.labels, "zone"), "a");
    create_request_done(&request);
}

static void the_expiry_is_whole_seconds_from_now(void **state)
{
    struct create_request request = full();
    SCOPED_MANIFEST struct manifest manifest;

    (void)state;
    const struct manifest_subject subject = {.id = "ID", .image = request.image.uri};
    manifest_build(&request, &subject, &direct, NOW_MS, &manifest);
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
        cmocka_unit_test(a_claim_that_is_mounted_twice_is_one_volume),
        cmocka_unit_test(a_snapshot_brings_its_image_its_label_and_its_pull_secret),
        cmocka_unit_test(the_operators_template_goes_under_what_is_generated),
        cmocka_unit_test(the_expiry_is_whole_seconds_from_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
