#include "snapshot-svc/reconcile/job_build.h"

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/job.h"
#include "snapshot-svc/model/names.h"

#define PROGRAM         "/usr/local/bin/image-committer"
#define SOCKET_IN_POD   "/var/run/containerd/containerd.sock"
#define REGISTRY_DIR    "/var/run/opensandbox/registry"
#define JOURNAL_DIR     "/var/lib/stasis/jobs"
#define CGROUP_DIR      "/sys/fs/cgroup"
#define VOLUME_SOCKET   "containerd-sock"
#define VOLUME_REGISTRY "registry-creds"

enum { TTL_S = 300, COMMIT_BACKOFF_LIMIT = 3 };

/* ---- metadata ---- */

static json_t *labels_of(const struct job_request *request)
{
    SCOPED(string) char *snapshot = name_label_value(request->snapshot->meta.name);

    return json_pack("{s:s, s:s, s:s}", LABEL_JOB_SNAPSHOT, snapshot, LABEL_JOB_SNAPSHOT_GUIDE, snapshot,
                     LABEL_NODE_ACCESS, "true");
}

static json_t *annotations_of(const struct job_request *request)
{
    SCOPED(string) char *key = sandboxsnapshot_commit_key(request->snapshot, request->source->attempts);

    return json_pack("{s:s, s:s}", ANNOTATION_JOB_SNAPSHOT, request->snapshot->meta.name,
                     ANNOTATION_COMMIT_KEY, key);
}

/* ---- container ---- */

static void add_env(json_t *env, const char *name, const char *value)
{
    json_array_append_new(env, json_pack("{s:s, s:s}", "name", name, "value", value));
}

static json_t *common_env(const struct job_request *request)
{
    SCOPED(string) char *key = sandboxsnapshot_commit_key(request->snapshot, request->source->attempts);
    json_t *env = json_array();

    add_env(env, "CONTAINERD_SOCKET", SOCKET_IN_POD);
    add_env(env, "STASIS_COMMIT_KEY", key);
    add_env(env, "STASIS_POD_UID", request->source->source_pod_uid);
    return env;
}

static int64_t timeout_s(const struct job_request *request)
{
    const int64_t seconds = request->config->commit_timeout_ms / 1000;
    return seconds > 0 ? seconds : 1;
}

/* The Job's deadline is minded by the cluster, which may have lost the node: so the program minds the time as well, and nothing is
 * killed on that node after the snapshot was given up. */
static json_t *commit_env(const struct job_request *request)
{
    SCOPED(string) char *timeout = xasprintf("%llds", (long long)timeout_s(request));
    json_t *env = common_env(request);

    add_env(env, "STASIS_COMMIT_TIMEOUT", timeout);
    if (request->config->job.registry_insecure)
        add_env(env, "SNAPSHOT_REGISTRY_INSECURE", "true");
    add_env(env, "STASIS_COMMIT_HOLD", request->hold ? "kill" : "thaw");
    return env;
}

static json_t *commit_args(const struct job_request *request)
{
    const struct sandboxsnapshot_status *source = request->source;
    const struct snapshot_container *containers = source->containers.items;
    json_t *args = json_pack("[s, s]", source->source_pod_name, request->snapshot->meta.ns);

    for (size_t i = 0; i < source->containers.count; i++) {
        SCOPED(string) char *spec = xasprintf("%s:%s", containers[i].name, containers[i].image_uri);
        json_array_append_new(args, json_string(spec));
    }
    return args;
}

static json_t *unpause_args(const struct job_request *request)
{
    const struct sandboxsnapshot_status *source = request->source;
    const struct snapshot_container *containers = source->containers.items;
    json_t *args = json_pack("[s, s, s]", "unpause", source->source_pod_name, request->snapshot->meta.ns);

    for (size_t i = 0; i < source->containers.count; i++)
        json_array_append_new(args, json_string(containers[i].name));
    return args;
}

static json_t *security_context(void)
{
    return json_pack("{s:i, s:b, s:{s:[s], s:[s, s, s]}, s:{s:s}}", "runAsUser", 0,
                     "allowPrivilegeEscalation", 0, "capabilities", "drop", "ALL", "add", "SYS_ADMIN",
                     "DAC_READ_SEARCH", "KILL", "seccompProfile", "type", "RuntimeDefault");
}

/* ---- volumes ---- */

static void add_volume(json_t *pod_spec, json_t *container, json_t *volume, const char *path, bool read_only)
{
    json_t *mount = json_pack("{s:O, s:s}", "name", json_object_get(volume, "name"), "mountPath", path);

    if (read_only)
        json_object_set_new(mount, "readOnly", json_true());
    json_array_append_new(json_object_get(pod_spec, "volumes"), volume);
    json_array_append_new(json_object_get(container, "volumeMounts"), mount);
}

static json_t *host_path(const char *name, const char *path, const char *type)
{
    return json_pack("{s:s, s:{s:s, s:s}}", "name", name, "hostPath", "path", path, "type", type);
}

static void add_common_volumes(const struct job_request *request, json_t *pod_spec, json_t *container)
{
    add_volume(pod_spec, container,
               host_path(VOLUME_SOCKET, request->config->job.containerd_socket, "Socket"), SOCKET_IN_POD,
               false);
    add_volume(pod_spec, container, host_path("journal", JOURNAL_DIR, "DirectoryOrCreate"), JOURNAL_DIR,
               false);
    /* Writable: a freeze that was cut off may have to be undone in the freezer itself. */
    add_volume(pod_spec, container, host_path("cgroup", CGROUP_DIR, "Directory"), CGROUP_DIR, false);
}

static void add_commit_volumes(const struct job_request *request, json_t *pod_spec, json_t *container)
{
    const char *secret = request->config->snapshot_push_secret, *root = request->config->job.containerd_root;

    add_volume(pod_spec, container, host_path("containerd-root", root, "Directory"), root, true);
    if (secret && *secret)
        add_volume(pod_spec, container,
                   json_pack("{s:s, s:{s:s, s:[{s:s, s:s}]}}", "name", VOLUME_REGISTRY, "secret",
                             "secretName", secret, "items", "key", ".dockerconfigjson", "path",
                             "config.json"),
                   REGISTRY_DIR, true);
}

/* ---- pod ---- */

/* By the node's name, as the DaemonSet controller does: the label kubernetes.io/hostname may differ from it. Through the scheduler and
 * not spec.nodeName, so that a full or missing node is told as Unschedulable. */
static json_t *on_node(const char *node)
{
    return json_pack("{s:{s:{s:[{s:[{s:s, s:s, s:[s]}]}]}}}", "nodeAffinity",
                     "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", "matchFields",
                     "key", "metadata.name", "operator", "In", "values", node);
}

static json_t *container_of(const struct job_request *request, json_t *args, json_t *env)
{
    return json_pack("{s:s, s:s, s:s, s:[s], s:o, s:o, s:[], s:o}", "name", JOB_CONTAINER, "image",
                     request->config->job.image, "imagePullPolicy", "IfNotPresent", "command", PROGRAM,
                     "args", args, "env", env, "volumeMounts", "securityContext", security_context());
}

static json_t *pull_secrets_of(const struct commit_job_config *config)
{
    json_t *secrets = json_array();

    for (size_t i = 0; i < config->image_pull_secret_count; i++)
        if (*config->image_pull_secrets[i])
            json_array_append_new(secrets, json_pack("{s:s}", "name", config->image_pull_secrets[i]));
    return secrets;
}

static json_t *pod_spec_of(const struct job_request *request)
{
    json_t *pull_secrets = pull_secrets_of(&request->config->job);
    json_t *spec =
        json_pack("{s:s, s:b, s:b, s:o, s:[{s:s}], s:[], s:[]}", "restartPolicy", "Never", "hostPID", 1,
                  "automountServiceAccountToken", 0, "affinity", on_node(request->source->source_node_name),
                  "tolerations", "operator", "Exists", "volumes", "containers");

    if (json_array_size(pull_secrets) > 0)
        json_object_set(spec, "imagePullSecrets", pull_secrets);
    json_decref(pull_secrets);
    return spec;
}

/* ---- Jobs ---- */

static json_t *job_of(const struct job_request *request, const char *name, int backoff_limit,
                      json_t *pod_spec)
{
    return json_pack(
        "{s:s, s:s, s:{s:s, s:s, s:o, s:o, s:o}, s:{s:i, s:i, s:I, s:{s:{s:o, s:o}, s:o}}}", "apiVersion",
        "batch/v1", "kind", "Job", "metadata", "name", name, "namespace", request->snapshot->meta.ns,
        "labels", labels_of(request), "annotations", annotations_of(request), "ownerReferences",
        owner_references_to_snapshot(&request->snapshot->meta), "spec", "backoffLimit", backoff_limit,
        "ttlSecondsAfterFinished", TTL_S, "activeDeadlineSeconds", (json_int_t)timeout_s(request), "template",
        "metadata", "labels", labels_of(request), "annotations", annotations_of(request), "spec", pod_spec);
}

json_t *job_build_commit(const struct job_request *request)
{
    SCOPED(string) char *name = name_commit_job(request->snapshot->meta.name);
    json_t *spec = pod_spec_of(request);
    json_t *container = container_of(request, commit_args(request), commit_env(request));

    add_common_volumes(request, spec, container);
    add_commit_volumes(request, spec, container);
    json_array_append_new(json_object_get(spec, "containers"), container);
    return job_of(request, name, COMMIT_BACKOFF_LIMIT, spec);
}

json_t *job_build_unpause(const struct job_request *request)
{
    SCOPED(string) char *name = name_unpause_job(request->snapshot->meta.name);
    json_t *spec = pod_spec_of(request);
    json_t *container = container_of(request, unpause_args(request), common_env(request));

    add_common_volumes(request, spec, container);
    json_array_append_new(json_object_get(spec, "containers"), container);
    return job_of(request, name, 0, spec);
}
