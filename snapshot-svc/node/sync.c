/* sync.c - one pod: what the store wants, what the agent has, and the one step that brings them together. */
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "snapshot-svc/cluster/local/local.h"
#include "snapshot-svc/node/agent_calls.h"
#include "snapshot-svc/node/node_priv.h"
#include "snapshot-svc/node/volumes.h"

enum {
    ORPHAN_GRACE_MS = 10000,
    DEFAULT_GRACE_S = 30,
    EXIT_UNKNOWN = 137, /* what a kubelet says of a container that it lost */
    RELEASE_ATTEMPTS = 5
};

/* ---- status ---- */

void node_post(struct node *node, const json_t *pod, bool warning, const char *reason, const char *message)
{
    const struct event_subject subject = {.kind = KIND_POD,
                                          .ns = json_path_string(pod, "metadata.namespace"),
                                          .name = json_path_string(pod, "metadata.name"),
                                          .uid = json_path_string(pod, "metadata.uid")};

    recorder_post(node->recorder, &subject, warning, reason, message);
}

int node_write_status(struct node *node, const json_t *pod, json_t *status, struct error *err)
{
    SCOPED(json) json_t *owned = status;
    SCOPED(json) json_t *patch = pod_status_patch(pod, owned);
    SCOPED(json) json_t *written = NULL;

    if (!patch)
        return 0;
    if (cluster_patch_status(node->service->cluster, KIND_POD, json_path_string(pod, "metadata.namespace"),
                             json_path_string(pod, "metadata.name"), patch, NULL, &written, err) < 0) {
        if (err->code != ERR_NOT_FOUND)
            return error_wrap(err, "writing the pod's status");
        error_clear(err); /* it is gone: nobody wants to know any more */
        return 0;
    }
    return informer_apply(node->service->informers[KIND_POD], written, err);
}

int node_mirror(struct node *node, const json_t *pod, const pod_seen *seen, struct error *err)
{
    return node_write_status(node, pod, pod_status_seen(pod, seen, clock_realtime_ms()), err);
}

/* ---- a pod that is to run ---- */

static int lost(struct node *node, const json_t *pod, const char *reason, const char *text, struct error *err)
{
    node_post(node, pod, true, reason, text);
    return node_write_status(node, pod,
                             pod_status_failed(pod, reason, text, EXIT_UNKNOWN, clock_realtime_ms()), err);
}

static bool is_bound_here(const struct node *node, const json_t *pod)
{
    const char *bound = json_path_string(pod, "spec.nodeName");
    return bound && strcmp(bound, node->service->node_name) == 0;
}

/* This is the only node: after it got another name, its pods are still here, and no other node will ever run one. */
static int lost_node(struct node *node, const json_t *pod, struct error *err)
{
    const char *bound = json_path_string(pod, "spec.nodeName");
    SCOPED(string)
    char *text = xasprintf("the pod is bound to node \"%.253s\", but the only node is \"%s\"",
                           bound ? bound : "", node->service->node_name);
    return lost(node, pod, "NodeLost", text, err);
}

/* It ran, and the watch shows it no more: asked again before it is declared lost, for a watch lags behind. */
static int look_again(struct node *node, const json_t *pod, struct error *err)
{
    SCOPED(pod_seen) pod_seen *seen = NULL;

    if (agent_look_up_pod(node, json_path_string(pod, "metadata.uid"), &seen, err) < 0) {
        if (err->code != ERR_CANCELLED)
            return -1;
        error_clear(err); /* it is being deleted by now */
        return 0;
    }
    if (seen)
        return node_mirror(node, pod, seen, err);
    return lost(node, pod, "ContainerGone", "the pod's containers are not on this node any more", err);
}

static int keep_running(struct node *node, const json_t *pod, const struct pod_facts *facts,
                        int64_t *ret_wait_ms, struct error *err)
{
    if (!facts->agent_known || pod_object_has_ended(pod))
        return 0; /* the end of a list brings every key back */
    if (!facts->seen && pod_has_started(pod))
        return look_again(node, pod, err);
    if (!facts->seen && !is_bound_here(node, pod))
        return lost_node(node, pod, err);
    if (facts->seen && !pod_seen_is_incomplete(facts->seen))
        return node_mirror(node, pod, facts->seen, err);
    if (facts->wait_ms > 0) {
        *ret_wait_ms = facts->wait_ms;
        return 0;
    }
    return node_run_pod(node, pod, ret_wait_ms, err);
}

/* ---- a pod that is to go ---- */

static json_t *without_finalizer(const json_t *pod)
{
    json_t *kept = json_array(), *finalizer;
    size_t i;

    json_array_foreach(json_path(pod, "metadata.finalizers"), i, finalizer)
    {
        const char *name = json_string_value(finalizer);
        if (!name || strcmp(name, POD_NODE_FINALIZER) != 0)
            json_array_append(kept, finalizer);
    }
    return json_pack("{s:{s:s, s:o}}", "metadata", "uid", json_path_string(pod, "metadata.uid"), "finalizers",
                     kept);
}

/* 0 done, 1 somebody wrote in between, -1. */
static int release_once(struct node *node, const json_t *pod, struct error *err)
{
    struct cluster *cluster = node->service->cluster;
    const char *ns = json_path_string(pod, "metadata.namespace"),
               *name = json_path_string(pod, "metadata.name");
    const char *uid = json_path_string(pod, "metadata.uid");
    SCOPED(json) json_t *fresh = NULL;

    if (cluster_get(cluster, KIND_POD, ns, name, &fresh, err) < 0)
        return -1;
    if (strcmp(json_path_string(fresh, "metadata.uid"), uid) != 0)
        return 0;
    SCOPED(json) json_t *patch = without_finalizer(fresh);
    if (cluster_patch(cluster, KIND_POD, ns, name, patch, json_path_string(fresh, "metadata.resourceVersion"),
                      NULL, err) == 0)
        return 0;
    return err->code == ERR_CONFLICT ? 1 : -1;
}

static int release(struct node *node, const json_t *pod, struct error *err)
{
    int done = 1;

    for (int attempt = 0; done == 1 && attempt < RELEASE_ATTEMPTS; attempt++)
        done = release_once(node, pod, err);
    if (done < 0 && err->code == ERR_NOT_FOUND) {
        error_clear(err);
        return 0;
    }
    return done == 0 ? 0 : error_wrap(err, "letting the pod go");
}

static int64_t grace_ms_of(const json_t *pod)
{
    const json_t *grace_s = json_path(pod, "metadata.deletionGracePeriodSeconds");
    json_int_t seconds = json_is_integer(grace_s) ? json_integer_value(grace_s) : DEFAULT_GRACE_S;

    if (seconds < 0)
        seconds = 0;
    return seconds > INT32_MAX / 1000 ? INT32_MAX : (int64_t)seconds * 1000;
}

static int end_pod(struct node *node, const char *uid, int64_t grace_ms, struct error *err)
{
    if (agent_stop_pod(node, uid, grace_ms, err) < 0)
        return -1;
    return volumes_remove(node->volumes_dir, uid, err);
}

static int finish(struct node *node, const json_t *pod, struct error *err)
{
    if (!json_path(pod, "metadata.finalizers"))
        return 0;
    if (end_pod(node, json_path_string(pod, "metadata.uid"), grace_ms_of(pod), err) < 0 ||
        release(node, pod, err) < 0)
        return -1;
    log_info("pod ended", log_str("pod", json_path_string(pod, "metadata.name")));
    return 0;
}

/* 1: it is, -1: nobody can say. The cache shows one namespace; after --namespace was changed, the pods of the other one are still
 * in the store, and here. */
static int is_in_store(struct node *node, const char *uid, const struct pod_facts *facts, struct error *err)
{
    SCOPED(json) json_t *fresh = NULL;

    if (cluster_get(node->service->cluster, KIND_POD, facts->ns, facts->name, &fresh, err) == 0)
        return strcmp(json_path_string(fresh, "metadata.uid"), uid) == 0;
    if (err->code != ERR_NOT_FOUND && err->code != ERR_INVALID) /* a name that is none cannot exist */
        return error_wrap(err, "looking for pod %s/%s", facts->ns, facts->name);
    error_clear(err);
    return 0;
}

static int stop_orphan(struct node *node, const char *uid, const struct pod_facts *facts, struct error *err)
{
    if (!facts->seen || !facts->agent_known)
        return 0;
    int kept = is_in_store(node, uid, facts, err);
    if (kept < 0)
        return -1;
    if (kept) {
        log_warn("leaving a pod of another namespace alone", log_str("namespace", facts->ns),
                 log_str("uid", uid));
        return 0;
    }
    log_warn("stopping a pod that the store does not know", log_str("pod", facts->name), log_str("uid", uid));
    return end_pod(node, uid, ORPHAN_GRACE_MS, err);
}

/* ---- */

int node_sync_pod(struct node *node, const char *uid, int64_t *ret_wait_ms, struct error *err)
{
    SCOPED_POD_FACTS struct pod_facts facts = {0};
    SCOPED(object) struct object *object = NULL;

    if (!table_get(node->table, uid, &facts))
        return 0;
    LOG_SCOPE(log_str("pod", facts.name));
    if (!facts.is_stored)
        return stop_orphan(node, uid, &facts, err);
    object = informer_get(node->service->informers[KIND_POD], facts.ns, facts.name);
    if (!object || strcmp(object->uid, uid) != 0)
        return 0; /* the informer is about to tell of its end */
    if (json_path_string(object->json, "metadata.deletionTimestamp"))
        return finish(node, object->json, err);
    return keep_running(node, object->json, &facts, ret_wait_ms, err);
}
