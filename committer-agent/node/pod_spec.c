#include "committer-agent/node/pod_spec.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "committer-agent/node/labels.h"
#include "committer-agent/node/subpath.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"
#include "shared/base/utf8.h"

enum {
    NAME_MAX_LENGTH = 253,
    HOSTNAME_MAX_LENGTH = 63,
    IMAGE_MAX_LENGTH = 1024,
    CPU_PERIOD_US = 100000,
    CPU_MIN_QUOTA_US = 1000,
    CPU_MIN_SHARES = 2
};

/* As the kubelet masks them for a container that is not privileged. */
static const char *const masked_paths[] = {"/proc/acpi",          "/proc/kcore",      "/proc/keys",
                                           "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                                           "/proc/sched_debug",   "/proc/scsi",       "/sys/firmware"};
static const char *const readonly_paths[] = {"/proc/asound", "/proc/bus", "/proc/fs",
                                             "/proc/irq",    "/proc/sys", "/proc/sysrq-trigger"};

static int invalid(struct error *err, const char *field, const char *want, const char *got)
{
    (void)error_set(err, ERR_INVALID, "%s: want %s, got \"%.80s\"", field, want, got);
    return error_reason(err, "InvalidPod");
}

/* RFC 1123: also what keeps a name from meaning anything in a path. */
static bool is_dns_name(const char *text, size_t max_length)
{
    size_t length = strlen(text);

    if (length == 0 || length > max_length || !isalnum((unsigned char)text[0]) ||
        !isalnum((unsigned char)text[length - 1]))
        return false;
    for (const char *c = text; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '.'))
            return false;
    return !strstr(text, "..");
}

/* containerd's peers are written in Go, which refuses other bytes in a string. */
static bool is_text(const char *text)
{
    size_t length = strlen(text);

    while (length > 0) {
        size_t step = utf8_char_length(text, length);
        if (step == 0)
            return false;
        text += step;
        length -= step;
    }
    return true;
}

static int check_ref(const Opensandbox__Committer__V1__PodRef *pod, struct error *err)
{
    if (!pod || !is_dns_name(pod->uid, NAME_MAX_LENGTH))
        return invalid(err, "pod.uid", "lowercase letters, digits, '-'", pod ? pod->uid : "");
    if (!is_dns_name(pod->namespace_, 63))
        return invalid(err, "pod.namespace", "an RFC 1123 label", pod->namespace_);
    if (!is_dns_name(pod->name, NAME_MAX_LENGTH))
        return invalid(err, "pod.name", "an RFC 1123 name", pod->name);
    return 0;
}

static int check_words(char *const *words, size_t count, const char *field, struct error *err)
{
    if (count > CONTAINER_MAX_WORDS)
        return invalid(err, field, "at most 4096 words", "more");
    for (size_t i = 0; i < count; i++)
        if (!is_text(words[i]))
            return invalid(err, field, "UTF-8", "other bytes");
    return 0;
}

static int check_env(const container_spec_message *spec, struct error *err)
{
    if (spec->n_env > CONTAINER_MAX_WORDS)
        return invalid(err, "env", "at most 4096 variables", "more");
    for (size_t i = 0; i < spec->n_env; i++) {
        const Opensandbox__Committer__V1__EnvVar *env = spec->env[i];
        if (!*env->name || strchr(env->name, '=') || !is_text(env->name))
            return invalid(err, "env.name", "a name without '='", env->name);
        if (!is_text(env->value))
            return invalid(err, "env.value", "UTF-8", env->name);
    }
    return 0;
}

static bool leads_up(const char *path)
{
    for (const char *at = path; (at = strstr(at, "..")); at += 2)
        if ((at == path || at[-1] == '/') && (at[2] == '/' || !at[2]))
            return true;
    return false;
}

static int check_mounts(const container_spec_message *spec, struct error *err)
{
    for (size_t i = 0; i < spec->n_mounts; i++) {
        const Opensandbox__Committer__V1__Mount *mount = spec->mounts[i];
        if (mount->host_path[0] != '/' || strstr(mount->host_path, "/..") || !is_text(mount->host_path))
            return invalid(err, "mounts.host_path", "an absolute path without '..'", mount->host_path);
        if (mount->container_path[0] != '/' || !is_text(mount->container_path))
            return invalid(err, "mounts.container_path", "an absolute path", mount->container_path);
        if (mount->sub_path[0] == '/' || leads_up(mount->sub_path) || strlen(mount->sub_path) >= PATH_MAX ||
            !is_text(mount->sub_path))
            return invalid(err, "mounts.sub_path", "a relative path without '..'", mount->sub_path);
    }
    return 0;
}

static int check_policy(const char *policy, struct error *err)
{
    if (!*policy || strcmp(policy, "IfNotPresent") == 0 || strcmp(policy, "Always") == 0 ||
        strcmp(policy, "Never") == 0)
        return 0;
    return invalid(err, "image_pull_policy", "IfNotPresent, Always or Never", policy);
}

static int check_container(const container_spec_message *spec, struct error *err)
{
    if (!is_dns_name(spec->name, 63) || strchr(spec->name, '.'))
        return invalid(err, "name", "an RFC 1123 label", spec->name);
    if (!*spec->image || strlen(spec->image) > IMAGE_MAX_LENGTH || !is_text(spec->image))
        return invalid(err, "image", "a reference of at most 1024 characters", spec->image);
    if (*spec->working_dir && (spec->working_dir[0] != '/' || !is_text(spec->working_dir)))
        return invalid(err, "working_dir", "an absolute path", spec->working_dir);
    if (spec->cpu_limit_millis < 0 || spec->cpu_request_millis < 0 || spec->memory_limit_bytes < 0 ||
        spec->cpu_limit_millis > INT32_MAX || spec->cpu_request_millis > INT32_MAX)
        return invalid(err, "limits", "numbers from 0 on", "another");
    if (check_words(spec->command, spec->n_command, "command", err) < 0 ||
        check_words(spec->args, spec->n_args, "args", err) < 0 || check_env(spec, err) < 0 ||
        check_mounts(spec, err) < 0)
        return -1;
    return check_policy(spec->image_pull_policy, err);
}

static int check_labels(const pod_request *request, struct error *err)
{
    if (request->n_labels > POD_MAX_LABELS || request->n_annotations > POD_MAX_LABELS)
        return invalid(err, "labels and annotations", "at most 64 of each", "more");
    for (size_t i = 0; i < request->n_labels; i++)
        if (!*request->labels[i]->key || !is_text(request->labels[i]->key) ||
            !is_text(request->labels[i]->value))
            return invalid(err, "labels", "UTF-8", request->labels[i]->key);
    for (size_t i = 0; i < request->n_annotations; i++)
        if (!*request->annotations[i]->key || !is_text(request->annotations[i]->key) ||
            !is_text(request->annotations[i]->value))
            return invalid(err, "annotations", "UTF-8", request->annotations[i]->key);
    return 0;
}

static int check_hostname(const char *hostname, struct error *err)
{
    if (*hostname && !is_dns_name(hostname, HOSTNAME_MAX_LENGTH))
        return invalid(err, "hostname", "an RFC 1123 name of at most 63 characters", hostname);
    return 0;
}

static const container_spec_message *nth(const pod_request *request, size_t i)
{
    return i < request->n_init_containers ? request->init_containers[i]
                                          : request->containers[i - request->n_init_containers];
}

static int check_containers(const pod_request *request, struct error *err)
{
    const size_t inits = request->n_init_containers;

    for (size_t i = 0; i < inits + request->n_containers; i++) {
        if (check_container(nth(request, i), err) < 0)
            return i < inits ? error_wrap(err, "init_containers[%zu]", i)
                             : error_wrap(err, "containers[%zu]", i - inits);
        for (size_t k = 0; k < i; k++)
            if (strcmp(nth(request, k)->name, nth(request, i)->name) == 0)
                return invalid(err, "containers.name", "each only once", nth(request, i)->name);
    }
    return 0;
}

int pod_request_check(const pod_request *request, struct error *err)
{
    if (check_ref(request->pod, err) < 0 || check_labels(request, err) < 0 ||
        check_hostname(request->hostname, err) < 0)
        return -1;
    if (request->n_containers == 0 || request->n_containers > POD_MAX_CONTAINERS)
        return invalid(err, "containers", "1 to 16", request->n_containers ? "more" : "none");
    if (request->n_init_containers > POD_MAX_CONTAINERS)
        return invalid(err, "init_containers", "at most 16", "more");
    return check_containers(request, err);
}

char *pod_log_dir(const char *log_dir, const char *pod_namespace, const char *name, const char *uid)
{
    return xasprintf("%s/%s_%s_%s", log_dir, pod_namespace, name, uid);
}

/* ---- building messages: every string and array is malloc'ed, as if it had been unpacked ---- */

static char **copy_words(char *const *words, size_t count)
{
    char **copy = xcalloc(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = xstrdup(words[i]);
    return copy;
}

#define NEW_MESSAGE(type, init_fn)                                                                           \
    ({                                                                                                       \
        type *message_ = xcalloc(1, sizeof(*message_));                                                      \
        init_fn(message_);                                                                                   \
        message_;                                                                                            \
    })

/* Each CRI map has an entry type of its own, all of the same shape. */
#define ADD_ENTRY(owner, list, count, type, init_fn, entry_key, entry_value)                                 \
    do {                                                                                                     \
        (owner)->list = xrealloc_array((owner)->list, (owner)->count + 1, sizeof(*(owner)->list));           \
        (owner)->list[(owner)->count] = NEW_MESSAGE(type, init_fn);                                          \
        (owner)->list[(owner)->count]->key = xstrdup(entry_key);                                             \
        (owner)->list[(owner)->count]->value = xstrdup(entry_value);                                         \
        (owner)->count++;                                                                                    \
    } while (0)

#define SANDBOX_LABEL(config, key, value)                                                                    \
    ADD_ENTRY(config, labels, n_labels, Runtime__V1__PodSandboxConfig__LabelsEntry,                          \
              runtime__v1__pod_sandbox_config__labels_entry__init, key, value)
#define SANDBOX_ANNOTATION(config, key, value)                                                               \
    ADD_ENTRY(config, annotations, n_annotations, Runtime__V1__PodSandboxConfig__AnnotationsEntry,           \
              runtime__v1__pod_sandbox_config__annotations_entry__init, key, value)
#define CONTAINER_LABEL(config, key, value)                                                                  \
    ADD_ENTRY(config, labels, n_labels, Runtime__V1__ContainerConfig__LabelsEntry,                           \
              runtime__v1__container_config__labels_entry__init, key, value)
#define CONTAINER_ANNOTATION(config, key, value)                                                             \
    ADD_ENTRY(config, annotations, n_annotations, Runtime__V1__ContainerConfig__AnnotationsEntry,            \
              runtime__v1__container_config__annotations_entry__init, key, value)

/* The caller's labels must not rename the pod. */
static bool is_reserved_label(const char *key)
{
    return strncmp(key, "io.kubernetes.", 14) == 0 || strncmp(key, "io.cri-containerd.", 18) == 0 ||
           strncmp(key, "stasis.opensandbox.io/", 22) == 0;
}

static char *names_of(container_spec_message *const *containers, size_t count)
{
    struct strbuf names = STRBUF_INIT;
    for (size_t i = 0; i < count; i++)
        strbuf_addf(&names, "%s%s", i ? "," : "", containers[i]->name);
    return strbuf_take(&names);
}

static Runtime__V1__NamespaceOption *pod_namespaces(void)
{
    Runtime__V1__NamespaceOption *option =
        NEW_MESSAGE(Runtime__V1__NamespaceOption, runtime__v1__namespace_option__init);
    option->pid = RUNTIME__V1__NAMESPACE_MODE__CONTAINER; /* network and ipc are the pod's */
    return option;
}

static Runtime__V1__SecurityProfile *default_seccomp(void)
{
    return NEW_MESSAGE(Runtime__V1__SecurityProfile,
                       runtime__v1__security_profile__init); /* RuntimeDefault is 0 */
}

static Runtime__V1__LinuxPodSandboxConfig *sandbox_linux(const char *cgroup_parent)
{
    Runtime__V1__LinuxPodSandboxConfig *config =
        NEW_MESSAGE(Runtime__V1__LinuxPodSandboxConfig, runtime__v1__linux_pod_sandbox_config__init);

    config->cgroup_parent = xstrdup(cgroup_parent);
    config->security_context = NEW_MESSAGE(Runtime__V1__LinuxSandboxSecurityContext,
                                           runtime__v1__linux_sandbox_security_context__init);
    config->security_context->namespace_options = pod_namespaces();
    config->security_context->seccomp = default_seccomp();
    return config;
}

Runtime__V1__PodSandboxConfig *pod_sandbox_config(const pod_request *request, const char *log_dir,
                                                  const char *cgroup_parent, uint32_t attempt)
{
    Runtime__V1__PodSandboxConfig *config =
        NEW_MESSAGE(Runtime__V1__PodSandboxConfig, runtime__v1__pod_sandbox_config__init);
    const Opensandbox__Committer__V1__PodRef *pod = request->pod;
    SCOPED(string) char *names = names_of(request->containers, request->n_containers);
    SCOPED(string) char *inits = names_of(request->init_containers, request->n_init_containers);

    config->metadata = NEW_MESSAGE(Runtime__V1__PodSandboxMetadata, runtime__v1__pod_sandbox_metadata__init);
    config->metadata->name = xstrdup(pod->name);
    config->metadata->uid = xstrdup(pod->uid);
    config->metadata->namespace_ = xstrdup(pod->namespace_);
    config->metadata->attempt = attempt;
    config->hostname = xstrdup(*request->hostname ? request->hostname : "");
    config->log_directory = pod_log_dir(log_dir, pod->namespace_, pod->name, pod->uid);
    config->linux = sandbox_linux(cgroup_parent);

    for (size_t i = 0; i < request->n_labels; i++)
        if (!is_reserved_label(request->labels[i]->key))
            SANDBOX_LABEL(config, request->labels[i]->key, request->labels[i]->value);
    SANDBOX_LABEL(config, LABEL_POD_NAME, pod->name);
    SANDBOX_LABEL(config, LABEL_POD_NAMESPACE, pod->namespace_);
    SANDBOX_LABEL(config, LABEL_POD_UID, pod->uid);
    SANDBOX_LABEL(config, LABEL_MANAGED, "true");
    SANDBOX_LABEL(config, LABEL_CONTAINERS, names);
    if (request->n_init_containers)
        SANDBOX_LABEL(config, LABEL_INIT_CONTAINERS, inits);
    for (size_t i = 0; i < request->n_annotations; i++)
        SANDBOX_ANNOTATION(config, request->annotations[i]->key, request->annotations[i]->value);
    return config;
}

/* The kubelet's arithmetic: shares from the request (or else the limit), quota from the limit. */
static Runtime__V1__LinuxContainerResources *container_resources(const container_spec_message *spec)
{
    Runtime__V1__LinuxContainerResources *resources =
        NEW_MESSAGE(Runtime__V1__LinuxContainerResources, runtime__v1__linux_container_resources__init);
    int64_t request = spec->cpu_request_millis ? spec->cpu_request_millis : spec->cpu_limit_millis;

    resources->cpu_shares = request * 1024 / 1000;
    if (resources->cpu_shares < CPU_MIN_SHARES)
        resources->cpu_shares = CPU_MIN_SHARES;
    if (spec->cpu_limit_millis > 0) {
        resources->cpu_period = CPU_PERIOD_US;
        resources->cpu_quota = spec->cpu_limit_millis * CPU_PERIOD_US / 1000;
        if (resources->cpu_quota < CPU_MIN_QUOTA_US)
            resources->cpu_quota = CPU_MIN_QUOTA_US;
    }
    resources->memory_limit_in_bytes = spec->memory_limit_bytes;
    return resources;
}

static Runtime__V1__LinuxContainerConfig *container_linux(const container_spec_message *spec)
{
    Runtime__V1__LinuxContainerConfig *config =
        NEW_MESSAGE(Runtime__V1__LinuxContainerConfig, runtime__v1__linux_container_config__init);
    Runtime__V1__LinuxContainerSecurityContext *security = NEW_MESSAGE(
        Runtime__V1__LinuxContainerSecurityContext, runtime__v1__linux_container_security_context__init);

    security->namespace_options = pod_namespaces();
    security->seccomp = default_seccomp();
    security->n_masked_paths = sizeof(masked_paths) / sizeof(masked_paths[0]);
    security->masked_paths = copy_words((char *const *)masked_paths, security->n_masked_paths);
    security->n_readonly_paths = sizeof(readonly_paths) / sizeof(readonly_paths[0]);
    security->readonly_paths = copy_words((char *const *)readonly_paths, security->n_readonly_paths);
    config->security_context = security;
    config->resources = container_resources(spec);
    return config;
}

static void add_env(Runtime__V1__ContainerConfig *config, const container_spec_message *spec)
{
    config->envs = xcalloc(spec->n_env + 1, sizeof(*config->envs));
    for (size_t i = 0; i < spec->n_env; i++) {
        Runtime__V1__KeyValue *env = NEW_MESSAGE(Runtime__V1__KeyValue, runtime__v1__key_value__init);
        env->key = xstrdup(spec->env[i]->name);
        env->value = xstrdup(spec->env[i]->value);
        config->envs[config->n_envs++] = env;
    }
}

static void add_mounts(Runtime__V1__ContainerConfig *config, const pod_request *request,
                       const container_spec_message *spec, const char *mounts_dir)
{
    config->mounts = xcalloc(spec->n_mounts + 1, sizeof(*config->mounts));
    for (size_t i = 0; i < spec->n_mounts; i++) {
        Runtime__V1__Mount *mount = NEW_MESSAGE(Runtime__V1__Mount, runtime__v1__mount__init);
        mount->host_path = *spec->mounts[i]->sub_path ? subpath_place(mounts_dir, request, spec, i)
                                                      : xstrdup(spec->mounts[i]->host_path);
        mount->container_path = xstrdup(spec->mounts[i]->container_path);
        mount->readonly = spec->mounts[i]->read_only;
        config->mounts[config->n_mounts++] = mount;
    }
}

Runtime__V1__ContainerConfig *pod_container_config(const pod_request *request,
                                                   const container_spec_message *spec, const char *mounts_dir)
{
    Runtime__V1__ContainerConfig *config =
        NEW_MESSAGE(Runtime__V1__ContainerConfig, runtime__v1__container_config__init);

    config->metadata = NEW_MESSAGE(Runtime__V1__ContainerMetadata, runtime__v1__container_metadata__init);
    config->metadata->name = xstrdup(spec->name);
    config->image = NEW_MESSAGE(Runtime__V1__ImageSpec, runtime__v1__image_spec__init);
    config->image->image = xstrdup(spec->image);
    config->command = copy_words(spec->command, spec->n_command);
    config->n_command = spec->n_command;
    config->args = copy_words(spec->args, spec->n_args);
    config->n_args = spec->n_args;
    config->working_dir = xstrdup(spec->working_dir);
    config->log_path = xasprintf("%s/0.log", spec->name);
    config->linux = container_linux(spec);
    add_env(config, spec);
    add_mounts(config, request, spec, mounts_dir);

    CONTAINER_LABEL(config, LABEL_CONTAINER_NAME, spec->name);
    CONTAINER_LABEL(config, LABEL_POD_NAME, request->pod->name);
    CONTAINER_LABEL(config, LABEL_POD_NAMESPACE, request->pod->namespace_);
    CONTAINER_LABEL(config, LABEL_POD_UID, request->pod->uid);
    CONTAINER_LABEL(config, LABEL_MANAGED, "true");
    CONTAINER_LABEL(config, LABEL_IMAGE, spec->image);
    CONTAINER_ANNOTATION(config, "io.kubernetes.container.restartCount", "0");
    return config;
}
