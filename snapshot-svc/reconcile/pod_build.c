#include "snapshot-svc/reconcile/pod_build.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pod_place.h"
#include "snapshot-svc/reconcile/strategic_merge.h"

static json_t *object_member(json_t *object, const char *name)
{
    json_t *member = json_object_get(object, name);

    if (!json_is_object(member)) {
        member = json_object();
        json_object_set_new(object, name, member);
    }
    return member;
}

static void copy_member(json_t *to, const json_t *from, const char *name)
{
    json_t *member = json_object_get(from, name);
    if (member && !json_is_null(member))
        json_object_set_new(to, name, json_deep_copy(member));
}

static int from_template(const struct batchsandbox *sandbox, json_t **ret_pod, struct error *err)
{
    const json_t *template_ = sandbox->spec.template_, *meta = json_object_get(template_, "metadata");
    const json_t *containers = json_path(template_, "spec.containers");

    if (!template_)
        return error_set(err, ERR_INVALID, "spec.template: want a pod template, for spec.poolRef is empty");
    if (!json_is_array(containers) || json_array_size(containers) == 0)
        return error_set(err, ERR_INVALID, "spec.template.spec.containers: want at least one container");

    json_t *pod = json_pack("{s:s, s:s, s:{}, s:o}", "apiVersion", "v1", "kind", "Pod", "metadata", "spec",
                            json_deep_copy(json_object_get(template_, "spec")));
    json_t *pod_meta = json_object_get(pod, "metadata");
    copy_member(pod_meta, meta, "labels");
    copy_member(pod_meta, meta, "annotations");
    copy_member(pod_meta, meta, "finalizers");
    *ret_pod = pod;
    return 0;
}

static int apply_shard_patch(const struct batchsandbox *sandbox, int32_t index, json_t *pod,
                             struct error *err)
{
    const json_t *patch = json_array_get(sandbox->spec.shard_patches, (size_t)index);

    if (!patch || json_is_null(patch))
        return 0;
    if (strategic_merge(pod, patch, err) < 0)
        return error_wrap(err, "spec.shardPatches[%d]", (int)index);
    return 0;
}

static json_t *container_named(const json_t *containers, const char *name)
{
    size_t i;
    json_t *container;

    json_array_foreach(containers, i, container)
    {
        const char *found = json_string_value(json_object_get(container, "name"));
        if (found && strcmp(found, name) == 0)
            return container;
    }
    return NULL;
}

/* A resume wrote snapshot images into the template. While the template still has them (no user chose another
 * one since), a shard patch must not boot the old file system instead. What one node alone has must not be looked for elsewhere.
 * true: there are such images. */
static bool keep_restored_images(const struct batchsandbox *sandbox, json_t *pod)
{
    const char *text = meta_annotation(&sandbox->meta, ANNOTATION_RESTORED_IMAGES);
    SCOPED(json) json_t *restored = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const json_t *in_template = json_path(sandbox->spec.template_, "spec.containers");
    const json_t *in_pod = json_path(pod, "spec.containers");
    const bool unpushed = meta_annotation(&sandbox->meta, ANNOTATION_REQUIRED_NODE) != NULL;
    const char *name;
    json_t *image;
    bool any = false;

    json_object_foreach(restored, name, image)
    {
        const json_t *source = container_named(in_template, name);
        json_t *container = container_named(in_pod, name);
        if (!source || !container || !json_equal(json_object_get(source, "image"), image))
            continue;
        json_object_set(container, "image", image);
        if (unpushed)
            json_object_set_new(container, "imagePullPolicy", json_string("IfNotPresent"));
        any = true;
    }
    return any;
}

static void set_identity(const struct batchsandbox *sandbox, int32_t index, json_t *pod)
{
    SCOPED(string) char *name = name_pod(sandbox->meta.name, index);
    SCOPED(string) char *label = name_label_value(sandbox->meta.name);
    char number[16];
    json_t *meta = object_member(pod, "metadata"), *labels = object_member(meta, "labels");

    (void)snprintf(number, sizeof(number), "%d", (int)index);
    json_object_set_new(labels, LABEL_SANDBOX_NAME, json_string(label));
    json_object_set_new(labels, LABEL_POD_INDEX, json_string(number));
    json_object_set_new(meta, "name", json_string(name));
    json_object_set_new(meta, "namespace", json_string(sandbox->meta.ns ? sandbox->meta.ns : ""));
    json_object_set_new(meta, "ownerReferences", owner_references_to_sandbox(&sandbox->meta));
    json_object_del(meta, "generateName"); /* a shard patch may say so; our names are derived */
}

int pod_build(const struct batchsandbox *sandbox, int32_t index, bool has_scheduler, json_t **ret_pod,
              struct error *err)
{
    SCOPED(json) json_t *pod = NULL;

    if (from_template(sandbox, &pod, err) < 0 || apply_shard_patch(sandbox, index, pod, err) < 0)
        return -1;
    if (keep_restored_images(sandbox, pod) && has_scheduler)
        pod_place(pod, meta_annotation(&sandbox->meta, ANNOTATION_RESUME_NODE),
                  meta_annotation(&sandbox->meta, ANNOTATION_REQUIRED_NODE));
    set_identity(sandbox, index, pod);
    *ret_pod = TAKE(pod);
    return 0;
}
