#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/node/cri.h"
#include "committer-agent/node/pod_spec.h"

typedef Opensandbox__Committer__V1__RunPodRequest__LabelsEntry label_message;

/* A request that is right; each test spoils or reads one thing. */
struct fixture {
    pod_request request;
    Opensandbox__Committer__V1__PodRef pod;
    container_spec_message main, side, *containers[2];
    label_message label, reserved, *labels[2];
    Opensandbox__Committer__V1__Mount mount, *mounts[1];
    Opensandbox__Committer__V1__EnvVar env, *envs[1];
    char *command[2];
};

static void fill(struct fixture *f)
{
    *f = (struct fixture){.containers = {&f->main, &f->side},
                          .labels = {&f->label, &f->reserved},
                          .mounts = {&f->mount},
                          .envs = {&f->env},
                          .command = {(char *)"sleep", (char *)"1"}};
    opensandbox__committer__v1__run_pod_request__init(&f->request);
    opensandbox__committer__v1__pod_ref__init(&f->pod);
    opensandbox__committer__v1__container_spec__init(&f->main);
    opensandbox__committer__v1__container_spec__init(&f->side);
    opensandbox__committer__v1__run_pod_request__labels_entry__init(&f->label);
    opensandbox__committer__v1__run_pod_request__labels_entry__init(&f->reserved);
    opensandbox__committer__v1__mount__init(&f->mount);
    opensandbox__committer__v1__env_var__init(&f->env);
    f->pod.uid = (char *)"3f6c-1";
    f->pod.namespace_ = (char *)"team";
    f->pod.name = (char *)"box-1";
    f->label.key = (char *)"app";
    f->label.value = (char *)"demo";
    f->reserved.key = (char *)"io.kubernetes.pod.uid";
    f->reserved.value = (char *)"somebody-else";
    f->main.name = (char *)"main";
    f->main.image = (char *)"registry:5000/team/app:1";
    f->main.command = f->command;
    f->main.n_command = 2;
    f->mount.host_path = (char *)"/srv/data";
    f->mount.container_path = (char *)"/data";
    f->main.mounts = f->mounts;
    f->main.n_mounts = 1;
    f->env.name = (char *)"A";
    f->env.value = (char *)"b=c";
    f->main.env = f->envs;
    f->main.n_env = 1;
    f->side.name = (char *)"side";
    f->side.image = (char *)"busybox";
    f->request.pod = &f->pod;
    f->request.containers = f->containers;
    f->request.n_containers = 2;
    f->request.labels = f->labels;
    f->request.n_labels = 2;
    f->request.hostname = (char *)"box";
}

static void assert_refused(struct fixture *f, const char *field)
{
    struct error err = {0};

    assert_int_equal(pod_request_check(&f->request, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.reason, "InvalidPod");
    if (!strstr(err.text, field))
        fail_msg("want %s named, got: %s", field, err.text);
}

#define REFUSED(field, spoil)                                                                                \
    do {                                                                                                     \
        struct fixture f;                                                                                    \
        fill(&f);                                                                                            \
        spoil;                                                                                               \
        assert_refused(&f, field);                                                                           \
    } while (0)

static void what_makes_no_pod_is_refused_by_name(void **state)
{
    struct fixture good;
    struct error err = {0};

    (void)state;
    fill(&good);
    assert_int_equal(pod_request_check(&good.request, &err), 0);
    REFUSED("pod.uid", f.request.pod = NULL);
    REFUSED("pod.uid", f.pod.uid = (char *)"../../etc");
    REFUSED("pod.uid", f.pod.uid = (char *)"");
    REFUSED("pod.namespace", f.pod.namespace_ = (char *)"Team");
    REFUSED("pod.name", f.pod.name = (char *)"a..b");
    REFUSED("hostname", f.request.hostname = (char *)"under_score");
    REFUSED("containers", f.request.n_containers = 0);
    REFUSED("containers.name", f.side.name = (char *)"main");
    REFUSED("containers[0]: name", f.main.name = (char *)"a/b");
    REFUSED("containers[0]: image", f.main.image = (char *)"");
    REFUSED("working_dir", f.main.working_dir = (char *)"tmp");
    REFUSED("limits", f.main.memory_limit_bytes = -1);
    REFUSED("command", f.command[1] = (char *)"\xff");
    REFUSED("env.name", f.env.name = (char *)"A=B");
    REFUSED("mounts.host_path", f.mount.host_path = (char *)"/srv/../etc");
    REFUSED("mounts.container_path", f.mount.container_path = (char *)"data");
    REFUSED("image_pull_policy", f.main.image_pull_policy = (char *)"always");
    REFUSED("labels", f.label.value = (char *)"\xc3");
}

static const char *sandbox_label(const Runtime__V1__PodSandboxConfig *config, const char *key)
{
    const char *found = NULL;
    for (size_t i = 0; i < config->n_labels; i++)
        if (strcmp(config->labels[i]->key, key) == 0) {
            assert_null(found); /* once */
            found = config->labels[i]->value;
        }
    return found ? found : "";
}

static void the_sandbox_carries_the_labels_that_a_kubelet_sets(void **state)
{
    struct fixture f;

    (void)state;
    fill(&f);
    SCOPED_CRI Runtime__V1__PodSandboxConfig *config =
        pod_sandbox_config(&f.request, "/var/log/pods", "/stasis", 2);
    assert_string_equal(sandbox_label(config, "io.kubernetes.pod.uid"), "3f6c-1"); /* not somebody else's */
    assert_string_equal(sandbox_label(config, "io.kubernetes.pod.namespace"), "team");
    assert_string_equal(sandbox_label(config, "io.kubernetes.pod.name"), "box-1");
    assert_string_equal(sandbox_label(config, "stasis.opensandbox.io/managed"), "true");
    assert_string_equal(sandbox_label(config, "stasis.opensandbox.io/containers"), "main,side");
    assert_string_equal(sandbox_label(config, "app"), "demo");
    assert_string_equal(config->log_directory, "/var/log/pods/team_box-1_3f6c-1");
    assert_string_equal(config->hostname, "box");
    assert_string_equal(config->linux->cgroup_parent, "/stasis");
    assert_int_equal(config->metadata->attempt, 2);
    assert_int_equal(config->linux->security_context->namespace_options->pid,
                     RUNTIME__V1__NAMESPACE_MODE__CONTAINER);
    assert_int_equal(config->linux->security_context->namespace_options->network,
                     RUNTIME__V1__NAMESPACE_MODE__POD);
}

static const char *container_label(const Runtime__V1__ContainerConfig *config, const char *key)
{
    for (size_t i = 0; i < config->n_labels; i++)
        if (strcmp(config->labels[i]->key, key) == 0)
            return config->labels[i]->value;
    return "";
}

static void the_container_is_what_the_request_says(void **state)
{
    struct fixture f;

    (void)state;
    fill(&f);
    SCOPED_CRI Runtime__V1__ContainerConfig *config =
        pod_container_config(&f.request, &f.main, "/run/mounts");
    assert_string_equal(container_label(config, "io.kubernetes.container.name"), "main");
    assert_string_equal(container_label(config, "io.kubernetes.pod.uid"), "3f6c-1");
    assert_string_equal(container_label(config, "stasis.opensandbox.io/managed"), "true");
    assert_string_equal(container_label(config, "stasis.opensandbox.io/image"), "registry:5000/team/app:1");
    assert_string_equal(config->log_path, "main/0.log");
    assert_string_equal(config->command[1], "1");
    assert_string_equal(config->envs[0]->value, "b=c");
    assert_string_equal(config->mounts[0]->container_path, "/data");
    assert_true(config->linux->security_context->n_masked_paths > 5);
    assert_int_equal(config->linux->security_context->seccomp->profile_type,
                     RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault);
}

static void limits_follow_the_kubelets_arithmetic(void **state)
{
    static const struct {
        int64_t limit_millis, request_millis, shares, quota;
    } rows[] = {
        {0, 0, 2, 0},    {1000, 0, 1024, 100000}, {500, 250, 256, 50000},
        {1, 0, 2, 1000}, {0, 2000, 2048, 0},      {2500, 0, 2560, 250000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture f;
        fill(&f);
        f.main.cpu_limit_millis = rows[i].limit_millis;
        f.main.cpu_request_millis = rows[i].request_millis;
        f.main.memory_limit_bytes = 5;
        SCOPED_CRI Runtime__V1__ContainerConfig *config =
            pod_container_config(&f.request, &f.main, "/run/mounts");
        assert_int_equal(config->linux->resources->cpu_shares, rows[i].shares);
        assert_int_equal(config->linux->resources->cpu_quota, rows[i].quota);
        assert_int_equal(config->linux->resources->memory_limit_in_bytes, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_makes_no_pod_is_refused_by_name),
        cmocka_unit_test(the_sandbox_carries_the_labels_that_a_kubelet_sets),
        cmocka_unit_test(the_container_is_what_the_request_says),
        cmocka_unit_test(limits_follow_the_kubelets_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
