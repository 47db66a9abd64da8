/* run.c - starting a pod, and what its status says while it cannot be started. */
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "snapshot-svc/node/agent_calls.h"
#include "snapshot-svc/node/node_priv.h"
#include "snapshot-svc/node/pod_request.h"
#include "snapshot-svc/node/volumes.h"
#include "snapshot-svc/secret/docker_secret.h"

enum { EXIT_START_ERROR = 128 }; /* what a kubelet reports for a container that could not be started */

#define SCOPED_STRINGS __attribute__((cleanup(json_strings_free)))

/* ---- what to start ---- */

/* As the kubelet: a secret that is not there may not be needed. */
static void add_pull_secret(struct node *node, const json_t *pod, const char *name, run_pod_request *request)
{
    SCOPED_DOCKER_SECRET struct docker_secret secret = {0};
    struct error err = {0};

    if (docker_secret_read(node->service->cluster, node->service->ns, name, &secret, &err) == 0 &&
        secret.config.length > 0) {
        size_t length = secret.config.length;
        pod_request_adopt_secret(request, strbuf_take(&secret.config), length);
        return;
    }
    if (err.code == ERR_NONE)
        (void)error_set(&err, ERR_INVALID, "want type %s and a key .dockerconfigjson", SECRET_TYPE_DOCKER);
    SCOPED(string) char *text = xasprintf("imagePullSecret %.63s is not used: %s", name, err.text);
    node_post(node, pod, true, "FailedToRetrieveImagePullSecret", text);
}

static void add_pull_secrets(struct node *node, const json_t *pod, run_pod_request *request)
{
    size_t i;
    json_t *reference;

    json_array_foreach(json_path(pod, "spec.imagePullSecrets"), i, reference)
    {
        const char *name = json_string_value(json_object_get(reference, "name"));
        if (name && *name)
            add_pull_secret(node, pod, name, request);
    }
}

static void tell_ignored(struct node *node, const json_t *pod, const struct json_strings *ignored)
{
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;

    if (ignored->count == 0)
        return;
    strbuf_adds(&text, "the local backend ignores");
    for (size_t i = 0; i < ignored->count; i++)
        strbuf_addf(&text, "%s %s", i ? "," : "", ignored->items[i]);
    node_post(node, pod, true, "TemplateMembersIgnored", strbuf_text(&text));
}

/* The folder is made for a claim that is there; who deleted the claim object has not asked for that. */
static int check_claims(struct node *node, const struct volumes *volumes, struct error *err)
{
    for (size_t i = 0; i < volumes->count; i++) {
        const char *claim = volumes->items[i].claim;
        SCOPED(json) json_t *found = NULL;
        if (!claim || cluster_get(node->service->cluster, KIND_VOLUME_CLAIM, node->service->ns, claim, &found,
                                  err) == 0)
            continue;
        if (err->code != ERR_NOT_FOUND)
            return -1;
        (void)error_set(err, ERR_PRECONDITION, "persistentvolumeclaim \"%s\" not found", claim);
        return error_reason(err, "FailedMount");
    }
    return 0;
}

static int make_request(struct node *node, const json_t *pod, run_pod_request **ret_request,
                        struct error *err)
{
    SCOPED_VOLUMES struct volumes volumes = {0};
    SCOPED_STRINGS struct json_strings ignored = {0};
    SCOPED(pod_request) run_pod_request *request = NULL;
    const struct volume_places places = {.volumes_dir = node->volumes_dir,
                                         .claims_dir = node->claims_dir,
                                         .ns = node->service->ns,
                                         .pod_uid = json_path_string(pod, "metadata.uid")};

    if (volumes_read(json_object_get(pod, "spec"), &places, &volumes, &ignored, err) < 0 ||
        pod_request_build(pod, &volumes, &request, &ignored, err) < 0)
        return -1;
    tell_ignored(node, pod, &ignored);
    if (check_claims(node, &volumes, err) < 0 || volumes_prepare(&volumes, err) < 0)
        return -1;
    add_pull_secrets(node, pod, request);
    *ret_request = TAKE(request);
    return 0;
}

/* ---- why it did not start ---- */

enum verdict {
    VERDICT_QUIET,   /* nothing to say about the pod: try again */
    VERDICT_WAITING, /* tell why, and try again */
    VERDICT_INVALID, /* never to be started */
    VERDICT_ENDED    /* its container ended before it began */
};

/* The agent's reasons, and ours. A lost agent says nothing about the pod. */
static const struct {
    const char *reason;
    enum verdict verdict;
} verdicts[] = {
    {"InvalidPod", VERDICT_INVALID},           {"ErrImagePull", VERDICT_WAITING},
    {"CreateContainerError", VERDICT_WAITING}, {"CreatePodSandboxError", VERDICT_WAITING},
    {"FailedMount", VERDICT_WAITING},          {"RunContainerError", VERDICT_ENDED},
};

static enum verdict verdict_of(const struct error *err)
{
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++)
        if (strcmp(err->reason, verdicts[i].reason) == 0) {
            /* containerd went away under the start: that is no word about the program */
            if (verdicts[i].verdict == VERDICT_ENDED && error_is_transient(err->code))
                return VERDICT_QUIET;
            return verdicts[i].verdict;
        }
    return VERDICT_QUIET;
}

/* A pull that failed once is ErrImagePull, later ImagePullBackOff: the same words in the same order as a kubelet's. */
static const char *waiting_reason(const struct error *err, unsigned failures)
{
    if (strcmp(err->reason, "ErrImagePull") != 0)
        return err->reason;
    if (err->code == ERR_INVALID)
        return "InvalidImageName";
    return failures > 1 ? "ImagePullBackOff" : "ErrImagePull";
}

static int give_up(struct node *node, const json_t *pod, const char *reason, int exit_code,
                   const struct error *failure, struct error *err)
{
    node_post(node, pod, true, reason, failure->text);
    return node_write_status(
        node, pod, pod_status_failed(pod, reason, failure->text, exit_code, clock_realtime_ms()), err);
}

static int wait_and_tell(struct node *node, const json_t *pod, const struct error *failure,
                         int64_t *ret_wait_ms, struct error *err)
{
    unsigned failures = table_start_failed(node->table, json_path_string(pod, "metadata.uid"),
                                           node->retry_first_ms, node->retry_max_ms, ret_wait_ms);
    const char *reason = waiting_reason(failure, failures);

    node_post(node, pod, true, failure->reason, failure->text);
    log_failure(LOG_WARN, "pod cannot be started yet", failure,
                log_str("pod", json_path_string(pod, "metadata.name")), log_i64("retry_ms", *ret_wait_ms));
    return node_write_status(node, pod, pod_status_waiting(pod, reason, failure->text, clock_realtime_ms()),
                             err);
}

/* failure and err may be the same. */
static int start_failed(struct node *node, const json_t *pod, struct error failure, int64_t *ret_wait_ms,
                        struct error *err)
{
    error_clear(err);
    switch (verdict_of(&failure)) {
    case VERDICT_WAITING:
        return wait_and_tell(node, pod, &failure, ret_wait_ms, err);
    case VERDICT_INVALID:
        return give_up(node, pod, "InvalidPod", -1, &failure, err);
    case VERDICT_ENDED:
        return give_up(node, pod, "StartError", EXIT_START_ERROR, &failure, err);
    case VERDICT_QUIET:
        break;
    }
    *err = failure;
    return -1;
}

int node_run_pod(struct node *node, const json_t *pod, int64_t *ret_wait_ms, struct error *err)
{
    SCOPED(pod_request) run_pod_request *request = NULL;
    SCOPED(pod_seen) pod_seen *seen = NULL;
    int64_t begun_ms = clock_monotonic_ms();

    if (make_request(node, pod, &request, err) < 0 || agent_run_pod(node, request, &seen, err) < 0)
        return err->code == ERR_CANCELLED ? 0 : start_failed(node, pod, *err, ret_wait_ms, err);
    table_start_worked(node->table, request->pod->uid);
    table_note_started(node->table, seen);
    if (!pod_seen_is_incomplete(seen)) /* else an init container runs: its end brings the pod here again */
        log_info("pod started", log_str("pod", request->pod->name),
                 log_i64("elapsed_ms", clock_monotonic_ms() - begun_ms));
    return node_mirror(node, pod, seen, err);
}
