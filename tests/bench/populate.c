/* bench-populate - fills a new store of the local backend with paused sandboxes: for measuring, nothing else.
 *
 *   bench-populate FILE COUNT     the SQLite file of a snapshot-svc that does not run; prints the first sandbox's id
 *
 * Each is as a pause of a real one leaves it: a BatchSandbox in phase Paused and the SandboxSnapshot with its image. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/cleanup.h"
#include "shared/base/ids.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/local.h"

#define NS     "default"
#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TIME   "2026-01-01T00:00:00Z"

DEFINE_FREEP(cluster, struct cluster, cluster_free)

static json_t *sandbox_object(const char *id, int64_t number)
{
    char team[16];

    (void)snprintf(team, sizeof(team), "team-%d", (int)(number % 100));
    json_t *template = json_pack(
        "{s:{s:{s:s}}, s:{s:[{s:s, s:s, s:[s,s], s:[{s:s, s:s}], s:{s:{s:s, s:s}, s:{s:s, s:s}}}]}}",
        "metadata", "labels", "opensandbox.io/id", id, "spec", "containers", "name", "sandbox", "image",
        "registry.example.com/base/python:3.12", "command", "sleep", "infinity", "env", "name", "GREETING",
        "value", "hello", "resources", "limits", "cpu", "1", "memory", "2Gi", "requests", "cpu", "1",
        "memory", "2Gi");
    return json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:s, s:s}, s:{s:s}}, s:{s:i, s:b, s:o}}", "apiVersion",
                     cluster_kind_info(KIND_BATCH_SANDBOX)->api_version, "kind", "BatchSandbox", "metadata",
                     "name", id, "labels", "opensandbox.io/id", id, "team", team, "project", "bench",
                     "annotations", "sandbox.opensandbox.io/pause-cycle", "1", "spec", "replicas", 1, "pause",
                     1, "template", template);
}

static json_t *condition(const char *type, const char *reason)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", type, "status", "True", "reason", reason, "message",
                     "Sandbox is paused", "lastTransitionTime", TIME);
}

static json_t *sandbox_status(void)
{
    return json_pack("{s:{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i, s:i, s:i, s:s, s:[o]}}", "status", "replicas", 1,
                     "allocated", 0, "ready", 0, "taskRunning", 0, "taskSucceed", 0, "taskFailed", 0,
                     "taskPending", 0, "taskUnknown", 0, "observedGeneration", 1, "pauseObservedGeneration",
                     1, "phase", "Paused", "conditions", condition("Paused", "Paused"));
}

static json_t *snapshot_object(const char *id, const char *uid)
{
    const char *api = cluster_kind_info(KIND_SANDBOX_SNAPSHOT)->api_version;
    char name[UUID_SIZE + 8];

    (void)snprintf(name, sizeof(name), "%s-pause", id);
    return json_pack("{s:s, s:s, s:{s:s, s:[s], s:[{s:s, s:s, s:s, s:s, s:b, s:b}]}, s:{s:s}}", "apiVersion",
                     api, "kind", "SandboxSnapshot", "metadata", "name", name, "finalizers",
                     "sandboxsnapshot.sandbox.opensandbox.io/cleanup", "ownerReferences", "apiVersion", api,
                     "kind", "BatchSandbox", "name", id, "uid", uid, "controller", 1, "blockOwnerDeletion", 1,
                     "spec", "sandboxName", id);
}

static json_t *snapshot_status(const char *id)
{
    char image[128];

    (void)snprintf(image, sizeof(image), "registry.example.com/snapshots/%s-sandbox:snap-gen1", id);
    return json_pack("{s:{s:s, s:[o], s:[{s:s, s:s, s:s}], s:i, s:i, s:i, s:s, s:s}}", "status", "phase",
                     "Succeed", "conditions", condition("Ready", "SnapshotReady"), "containers",
                     "containerName", "sandbox", "imageUri", image, "imageDigest", DIGEST, "attempts", 1,
                     "layers", 3, "size", 1 << 20, "startTime", TIME, "completionTime", TIME);
}

static int put(struct cluster *cluster, enum cluster_kind kind, json_t *object_, json_t *status_,
               char **ret_uid, struct error *err)
{
    SCOPED(json) json_t *object = object_;
    SCOPED(json) json_t *status = status_;
    SCOPED(json) json_t *created = NULL;
    const char *name = json_path_string(object, "metadata.name");

    if (cluster_create(cluster, kind, NS, object, &created, err) < 0)
        return -1;
    if (ret_uid)
        *ret_uid = strdup(json_path_string(created, "metadata.uid"));
    return cluster_patch_status(cluster, kind, NS, name, status, NULL, NULL, err);
}

static int put_sandbox(struct cluster *cluster, const char *id, int64_t number, struct error *err)
{
    SCOPED(string) char *uid = NULL;

    if (put(cluster, KIND_BATCH_SANDBOX, sandbox_object(id, number), sandbox_status(), &uid, err) < 0)
        return -1;
    return put(cluster, KIND_SANDBOX_SNAPSHOT, snapshot_object(id, uid), snapshot_status(id), NULL, err);
}

int main(int argc, char **argv)
{
    const struct cluster_local_options options = {.path = argc == 3 ? argv[1] : NULL};
    const int64_t count = argc == 3 ? strtoll(argv[2], NULL, 10) : 0;
    SCOPED(cluster) struct cluster *cluster = NULL;
    struct error err = {0};
    char id[UUID_SIZE];

    if (count < 1) {
        (void)fprintf(stderr, "usage: bench-populate FILE COUNT\n");
        return 2;
    }
    int done = cluster_local_open(&options, &cluster, &err);
    for (int64_t i = 0; done == 0 && i < count; i++) {
        uuid_v4(id);
        done = put_sandbox(cluster, id, i, &err);
        if (done == 0 && i == 0)
            (void)puts(id);
    }
    if (done < 0)
        (void)fprintf(stderr, "bench-populate: %s\n", err.text);
    return done < 0 ? 1 : 0;
}
