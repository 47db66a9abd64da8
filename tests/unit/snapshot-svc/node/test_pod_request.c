/* test_pod_request.c - a Pod of the store as a RunPodRequest: what is passed on, and what is refused by its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/node/pod_request.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#define META "'metadata': {'name': 'web-0', 'namespace': 'test', 'uid': 'u-1'}"

static int build(const char *json, run_pod_request **ret_request, struct json_strings *ignored,
                 struct error *err)
{
    SCOPED(json) json_t *pod = quoted(json);
    static const struct volume_places places = {
        .volumes_dir = "/state/volumes", .claims_dir = "/state/claims", .ns = "team", .pod_uid = "u-1"};
    SCOPED_VOLUMES struct volumes volumes = {0};

    if (volumes_read(json_object_get(pod, "spec"), &places, &volumes, ignored, err) < 0)
        return -1;
    return pod_request_build(pod, &volumes, ret_request, ignored, err);
}

static run_pod_request *built(const char *json)
{
    run_pod_request *request = NULL;
    struct json_strings ignored = {0};
    struct error err = {0};

    assert_ok(build(json, &request, &ignored, &err));
    assert_int_equal(ignored.count, 0);
    json_strings_free(&ignored);
    return request;
}

static void everything_that_can_be_honoured_is_passed_on(void **state)
{
    (void)state;
    SCOPED(pod_request)
    run_pod_request *request = built(
        "{'metadata': {'name': 'web-0', 'namespace': 'test', 'uid': 'u-1', 'labels': {'l': '1'},"
        " 'annotations': {'a': '2'}}, 'spec': {'hostname': 'web', 'restartPolicy': 'Never', 'volumes':"
        " [{'name': 'data', 'hostPath': {'path': '/srv/data'}}, {'name': 'tmp', 'emptyDir': {}},"
        " {'name': 'kept', 'persistentVolumeClaim': {'claimName': 'my.claim', 'readOnly': true}}],"
        " 'containers': [{'name': 'main', 'image': 'i:1', 'command': ['sh', '-c'], 'args': ['echo $(WHO)'],"
        " 'workingDir': '/w', 'imagePullPolicy': 'Always', 'ports': [{'containerPort': 80}],"
        " 'env': [{'name': 'WHO', 'value': 'me'}, {'name': 'ALSO', 'value': '$(WHO)!'}, {'name': 'NONE'},"
        " {'name': 'POD', 'valueFrom': {'fieldRef': {'fieldPath': 'metadata.name'}}}],"
        " 'resources': {'limits': {'cpu': '500m', 'memory': '64Mi'}, 'requests': {'cpu': 0.25, 'memory': "
        "'1'}},"
        " 'volumeMounts': [{'name': 'data', 'mountPath': '/data', 'readOnly': true},"
        " {'name': 'tmp', 'mountPath': '/tmp'}, {'name': 'kept', 'mountPath': '/kept', 'subPath': "
        "'a/..b'}]}]}}");
    const container_message *container = request->containers[0];

    assert_string_equal(request->pod->uid, "u-1");
    assert_string_equal(request->pod->namespace_, "test");
    assert_string_equal(request->hostname, "web");
    assert_string_equal(request->labels[0]->value, "1");
    assert_string_equal(request->annotations[0]->value, "2");
    assert_string_equal(container->command[1], "-c");
    assert_string_equal(container->args[0], "echo me");
    assert_string_equal(container->working_dir, "/w");
    assert_string_equal(container->image_pull_policy, "Always");
    assert_int_equal(container->n_env, 4);
    assert_string_equal(container->env[1]->value, "me!");
    assert_string_equal(container->env[2]->value, "");
    assert_string_equal(container->env[3]->value, "web-0");
    assert_int_equal(container->cpu_limit_millis, 500);
    assert_int_equal(container->cpu_request_millis, 250);
    assert_int_equal(container->memory_limit_bytes, 64 << 20);
    assert_string_equal(container->mounts[0]->host_path, "/srv/data");
    assert_true(container->mounts[0]->read_only);
    assert_string_equal(container->mounts[1]->host_path, "/state/volumes/u-1/tmp");
    assert_false(container->mounts[1]->read_only);
    assert_string_equal(container->mounts[2]->host_path, "/state/claims/team/my.claim");
    assert_true(container->mounts[2]->read_only);
    assert_string_equal(container->mounts[2]->sub_path, "a/..b");
}

static void init_containers_come_before_and_share_the_volumes(void **state)
{
    (void)state;
    SCOPED(pod_request)
    run_pod_request *request = built(
        "{'metadata': {'name': 'web-0', 'namespace': 'test', 'uid': 'u-1'}, 'spec': {'volumes':"
        " [{'name': 'bin', 'emptyDir': {}}], 'initContainers': [{'name': 'install', 'image': 'execd:1',"
        " 'command': ['cp', '/execd', '/bin'], 'volumeMounts': [{'name': 'bin', 'mountPath': '/bin'}]}],"
        " 'containers': [{'name': 'main', 'image': 'i:1',"
        " 'volumeMounts': [{'name': 'bin', 'mountPath': '/opt', 'readOnly': true}]}]}}");

    assert_int_equal(request->n_init_containers, 1);
    assert_int_equal(request->n_containers, 1);
    assert_string_equal(request->init_containers[0]->name, "install");
    assert_string_equal(request->init_containers[0]->command[0], "cp");
    assert_string_equal(request->init_containers[0]->mounts[0]->host_path, "/state/volumes/u-1/bin");
    assert_string_equal(request->containers[0]->mounts[0]->host_path, "/state/volumes/u-1/bin");
}

static void a_hostname_comes_from_the_name_and_is_cut_to_a_label(void **state)
{
    (void)state;
    SCOPED(pod_request)
    run_pod_request *request =
        built("{'metadata': {'name': 'a123456789a123456789a123456789a123456789a123456789a123456789a1-34', "
              "'namespace':"
              " 'test', 'uid': 'u-1'}, 'spec': {'containers': [{'name': 'main', 'image': 'x'}]}}");
    assert_string_equal(request->hostname, "a123456789a123456789a123456789a123456789a123456789a123456789a1");
}

/* ---- refusals by name ---- */

static const struct refusal {
    const char *spec, *container; /* members beside the containers; beside name and image */
    const char *named;            /* part of the refusal */
} refusals[] = {
    // clang-format off
    {"'hostNetwork': true", "", "spec.hostNetwork"},
    {"'hostPID': true", "", "spec.hostPID"},
    {"'initContainers': [{'name': 'i', 'image': 'x', 'restartPolicy': 'Always'}]", "", "spec.initContainers[0].restartPolicy"},
    {"'runtimeClassName': 'gvisor'", "", "spec.runtimeClassName"},
    {"'securityContext': {'runAsUser': 1}", "", "spec.securityContext"},
    {"'shareProcessNamespace': true", "", "spec.shareProcessNamespace"},
    {"'madeUpTomorrow': 1", "", "spec.madeUpTomorrow"},
    {"'os': {'name': 'windows'}", "", "spec.os.name"},
    {"'nodeSelector': {'disk': 'ssd'}", "", "disk=ssd"},
    {"'nodeSelector': {'kubernetes.io/os': 'windows'}", "", "kubernetes.io/os=windows"},
    {"'volumes': [{'name': 'v', 'configMap': {'name': 'c'}}]", "", "configMap"},
    {"'volumes': [{'name': 'v', 'persistentVolumeClaim': {}}]", "", "claimName"},
    {"'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': '../up'}}]", "", "claimName"},
    {"'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': '..'}}]", "", "claimName"},
    {"'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': 'a/b'}}]", "", "claimName"},
    {"'volumes': [{'name': 'v', 'emptyDir': {'medium': 'Memory'}}]", "", "Memory"},
    {"'volumes': [{'name': 'v', 'hostPath': {'path': '/a/../b'}}]", "", "hostPath.path"},
    {"'volumes': [{'name': 'v', 'hostPath': {'path': 'a'}}]", "", "hostPath.path"},
    {"'volumes': [{'name': 'v', 'hostPath': {'path': '/a', 'type': 'CharDevice'}}]", "", "hostPath.type"},
    {"'volumes': [{'name': '../up', 'emptyDir': {}}]", "", "RFC 1123 label"},
    {"", "'securityContext': {'privileged': true}", "spec.containers[0].securityContext"},
    {"", "'envFrom': [{'configMapRef': {'name': 'c'}}]", "spec.containers[0].envFrom"},
    {"", "'lifecycle': {'preStop': {}}", "spec.containers[0].lifecycle"},
    {"", "'tty': true", "spec.containers[0].tty"},
    {"", "'env': [{'name': 'A', 'valueFrom': {'secretKeyRef': {'name': 's', 'key': 'k'}}}]", "env[A].valueFrom"},
    {"", "'env': [{'value': 'x'}]", "env"},
    {"", "'command': ['sh', 3]", "command[1]"},
    {"", "'workingDir': 3", "workingDir"},
    {"", "'volumeMounts': [{'name': 'lost', 'mountPath': '/x'}]", "\"lost\""},
    {"'volumes': [{'name': 'v'}]", "'volumeMounts': [{'name': 'v', 'mountPath': 'x'}]", "mountPath"},
    {"'volumes': [{'name': 'v'}]", "'volumeMounts': [{'name': 'v', 'mountPath': '/x', 'subPath': '/y'}]", "subPath"},
    {"'volumes': [{'name': 'v'}]", "'volumeMounts': [{'name': 'v', 'mountPath': '/x', 'subPath': 'a/../../y'}]", "subPath"},
    {"'volumes': [{'name': 'v'}]", "'volumeMounts': [{'name': 'v', 'mountPath': '/x', 'subPath': '..'}]", "subPath"},
    {"'volumes': [{'name': 'v'}]", "'volumeMounts': [{'name': 'v', 'mountPath': '/x', 'subPathExpr': 'y'}]", "subPathExpr"},
    {"", "'resources': {'limits': {'nvidia.com/gpu': '1'}}", "nvidia.com/gpu"},
    {"", "'resources': {'limits': {'memory': '1X'}}", "resources.limits.memory"},
    {"", "'resources': {'requests': {'cpu': '-1'}}", "resources.requests.cpu"},
    // clang-format on
};

static char *pod_with(const char *spec, const char *container)
{
    return xasprintf("{" META ", 'spec': {%s%s'containers': [{'name': 'main', 'image': 'x'%s%s}]}}", spec,
                     *spec ? ", " : "", *container ? ", " : "", container);
}

static void what_cannot_be_honoured_is_refused_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        SCOPED(string) char *json = pod_with(refusals[i].spec, refusals[i].container);
        run_pod_request *request = NULL;
        struct json_strings ignored = {0};
        struct error err = {0};

        if (build(json, &request, &ignored, &err) == 0)
            fail_msg("let in: %s", json);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.reason, "InvalidPod");
        assert_text_has(err.text, refusals[i].named);
        assert_null(request);
        json_strings_free(&ignored);
    }
}

/* ---- what is like absent, and what is told ---- */

static void members_that_say_what_absence_says_are_fine(void **state)
{
    SCOPED(string)
    char *json = pod_with(
        "'hostNetwork': false, 'securityContext': {}, 'initContainers': [], 'runtimeClassName': null,"
        " 'dnsPolicy': 'ClusterFirst', 'tolerations': [{'operator': 'Exists'}]",
        "'securityContext': {}, 'tty': false, 'envFrom': [], 'terminationMessagePath': '/dev/x'");

    (void)state;
    SCOPED(pod_request) run_pod_request *request = built(json);
    assert_non_null(request);
}

static void members_without_effect_are_told(void **state)
{
    static const char *const wanted[] = {
        "spec.volumes[v].emptyDir.sizeLimit", "spec.affinity", "spec.containers[0].readinessProbe",
        "spec.containers[0].resources.limits.ephemeral-storage", "spec.restartPolicy"};
    SCOPED(string)
    char *json =
        pod_with("'restartPolicy': 'Always', 'affinity': {'nodeAffinity': {}},"
                 " 'volumes': [{'name': 'v', 'emptyDir': {'sizeLimit': '1Gi'}}]",
                 "'readinessProbe': {'exec': {}}, 'resources': {'limits': {'ephemeral-storage': '1Gi'}}");
    SCOPED(pod_request) run_pod_request *request = NULL;
    struct json_strings ignored = {0};
    struct error err = {0};

    (void)state;
    assert_ok(build(json, &request, &ignored, &err));
    assert_int_equal(ignored.count, sizeof(wanted) / sizeof(*wanted));
    for (size_t i = 0; i < ignored.count; i++)
        assert_string_equal(ignored.items[i], wanted[i]);
    json_strings_free(&ignored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_can_be_honoured_is_passed_on),
        cmocka_unit_test(init_containers_come_before_and_share_the_volumes),
        cmocka_unit_test(a_hostname_comes_from_the_name_and_is_cut_to_a_label),
        cmocka_unit_test(what_cannot_be_honoured_is_refused_by_its_name),
        cmocka_unit_test(members_that_say_what_absence_says_are_fine),
        cmocka_unit_test(members_without_effect_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
