#include "snapshot-svc/reconcile/snapshot_checks.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pod_health.h"

static int fail(struct error *err, const char *reason)
{
    return error_reason(err, reason);
}

static int check_registry(const struct reconcile_config *config, struct error *err)
{
    if (config->snapshot_registry && *config->snapshot_registry)
        return 0;
    (void)error_set(err, ERR_PRECONDITION,
                    "no registry to push to: start the controller with --snapshot-registry");
    return fail(err, "RegistryNotConfigured");
}

static int check_push_secret(const struct sandboxsnapshot_observed *seen,
                             const struct reconcile_config *config, struct error *err)
{
    const char *name = config->snapshot_push_secret ? config->snapshot_push_secret : "";
    const char *ns = seen->snapshot->meta.ns ? seen->snapshot->meta.ns : "";
    const char *type = seen->push_secret.found_type ? seen->push_secret.found_type : "none";

    switch (seen->push_secret.state) {
    case PUSH_SECRET_NOT_CONFIGURED:
    case PUSH_SECRET_OK:
    case PUSH_SECRET_STATE_MAX:
        return 0;
    case PUSH_SECRET_NOT_FOUND:
        (void)error_set(err, ERR_PRECONDITION, "push Secret %s not found in namespace %s", name, ns);
        return fail(err, "PushSecretNotFound");
    case PUSH_SECRET_WRONG_TYPE:
        (void)error_set(err, ERR_PRECONDITION,
                        "push Secret %s in namespace %s: want type kubernetes.io/dockerconfigjson, found %s",
                        name, ns, type);
        return fail(err, "PushSecretInvalid");
    case PUSH_SECRET_NO_KEY:
        (void)error_set(
            err, ERR_PRECONDITION,
            "push Secret %s in namespace %s (type %s): want a Docker configuration under .dockerconfigjson",
            name, ns, type);
        return fail(err, "PushSecretInvalid");
    case PUSH_SECRET_NO_REGISTRY:
        (void)error_set(err, ERR_PRECONDITION,
                        "push Secret %s in namespace %s (type %s) has no entry for the registry %s", name, ns,
                        type, config->snapshot_registry);
        return fail(err, "PushSecretInvalid");
    }
    return 0;
}

static int find_pod(const struct sandboxsnapshot_observed *seen, const struct pod **ret_pod,
                    struct error *err)
{
    struct pod_health health;

    if (pod_health_read(seen->pods, seen->pod_count, &health, err) < 0)
        return fail(err, "SourcePodNotFound");
    const struct pod *pod = health.running;
    pod_health_done(&health);
    if (pod && pod->node_name && *pod->node_name &&
        meta_is_controlled_by_sandbox(&pod->meta, seen->sandbox->meta.uid)) {
        *ret_pod = pod;
        return 0;
    }
    (void)error_set(err, ERR_PRECONDITION, "no running pod of BatchSandbox %s to snapshot",
                    seen->snapshot->sandbox_name);
    return fail(err, "SourcePodNotFound");
}

/* Spec: crds.md §6.4. A pause snapshot carries its number; one that somebody else created falls back to
 * OpenSandbox's rule. */
static char *tag_of(const struct sandboxsnapshot_observed *seen, bool internal)
{
    const int64_t cycle = pause_cycle_parse(meta_annotation(&seen->snapshot->meta, ANNOTATION_PAUSE_CYCLE));

    if (!internal)
        return tag_public(seen->snapshot->meta.name);
    return tag_internal(cycle > 0 ? cycle : seen->sandbox->meta.generation);
}

static void add_image(struct json_list *images, const char *container, char *image)
{
    images->items = xrealloc_array(images->items, images->count + 1, sizeof(struct snapshot_container));
    ((struct snapshot_container *)images->items)[images->count++] =
        (struct snapshot_container){.name = xstrdup(container), .image_uri = image};
}

static int add_container(const struct sandboxsnapshot_observed *seen, const struct reconcile_config *config,
                         const char *container, struct snapshot_source *source, struct error *err)
{
    SCOPED(string) char *tag = tag_of(seen, source->internal);
    char *image = NULL;

    if (name_snapshot_image(config->snapshot_registry, seen->sandbox->meta.name, container, tag, &image,
                            err) < 0) {
        (void)error_wrap(err, "image of container %s", container);
        return fail(err, "BuildCommitJobFailed");
    }
    add_image(&source->images, container, image);
    return 0;
}

/* The template's containers, or the pod's when there is no template; init containers never. */
static int list_images(const struct sandboxsnapshot_observed *seen, const struct reconcile_config *config,
                       struct snapshot_source *source, struct error *err)
{
    const json_t *containers = json_path(seen->sandbox->spec.template_, "spec.containers");
    const struct pod_container *in_pod = source->pod->containers.items;
    const bool by_template = json_array_size(containers) > 0;
    const size_t count = by_template ? json_array_size(containers) : source->pod->containers.count;

    for (size_t i = 0; i < count; i++) {
        const char *name = by_template
                               ? json_string_value(json_object_get(json_array_get(containers, i), "name"))
                               : in_pod[i].name;
        if (name && add_container(seen, config, name, source, err) < 0)
            return -1;
    }
    if (source->images.count > 0)
        return 0;
    (void)error_set(err, ERR_PRECONDITION, "BatchSandbox %s and its pod %s have no container to commit",
                    seen->snapshot->sandbox_name, source->pod->meta.name);
    return fail(err, "NoContainers");
}

bool snapshot_is_of(const struct sandboxsnapshot *snapshot, const struct batchsandbox *sandbox)
{
    const char *uid = meta_annotation(&snapshot->meta, ANNOTATION_SOURCE_UID);
    return !uid || (sandbox->meta.uid && strcmp(uid, sandbox->meta.uid) == 0);
}

static int check_sandbox(const struct sandboxsnapshot_observed *seen, struct error *err)
{
    if (seen->sandbox && snapshot_is_of(seen->snapshot, seen->sandbox))
        return 0;
    if (seen->sandbox) {
        (void)error_set(err, ERR_PRECONDITION,
                        "BatchSandbox %s is another one than the snapshot was asked of, which is gone",
                        seen->snapshot->sandbox_name);
        return fail(err, "BatchSandboxLookupFailed");
    }
    (void)error_set(err, ERR_PRECONDITION, "BatchSandbox %s not found in namespace %s",
                    seen->snapshot->sandbox_name, seen->snapshot->meta.ns ? seen->snapshot->meta.ns : "");
    return fail(err, "BatchSandboxLookupFailed");
}

int snapshot_source_find(const struct sandboxsnapshot_observed *seen, const struct reconcile_config *config,
                         struct snapshot_source *ret_source, struct error *err)
{
    struct snapshot_source source = {0};

    if (check_registry(config, err) < 0 || check_push_secret(seen, config, err) < 0 ||
        check_sandbox(seen, err) < 0 || find_pod(seen, &source.pod, err) < 0)
        return -1;
    source.internal = sandboxsnapshot_is_internal(seen->snapshot, seen->sandbox->meta.uid);
    if (list_images(seen, config, &source, err) < 0) {
        snapshot_source_done(&source);
        return -1;
    }
    *ret_source = source;
    return 0;
}

void snapshot_source_done(struct snapshot_source *source)
{
    struct snapshot_container *images = source->images.items;

    for (size_t i = 0; i < source->images.count; i++) {
        free(images[i].name);
        free(images[i].image_uri);
    }
    free(images);
    *source = (struct snapshot_source){0};
}
