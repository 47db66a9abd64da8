#include "snapshot-svc/reconcile/restore.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

char *restore_image(const struct snapshot_container *container)
{
    bool pin = container->image_digest && *container->image_digest && !strchr(container->image_uri, '@');
    return pin ? xasprintf("%s@%s", container->image_uri, container->image_digest)
               : xstrdup(container->image_uri);
}

/* Sets the images in `containers`; *restored becomes {"<container>":"<image>"}. */
static void set_images(json_t *containers, const struct sandboxsnapshot *snapshot, json_t *restored)
{
    size_t i;
    json_t *container;

    json_array_foreach(containers, i, container)
    {
        const char *name = json_string_value(json_object_get(container, "name"));
        const struct snapshot_container *source =
            name ? sandboxsnapshot_container(&snapshot->status, name) : NULL;
        if (!source)
            continue;
        SCOPED(string) char *image = restore_image(source);
        json_object_set_new(container, "image", json_string(image));
        json_object_set_new(restored, name, json_string(image));
    }
}

static json_t *with_pull_secret(const json_t *secrets, const char *name)
{
    json_t *all = json_is_array(secrets) ? json_deep_copy(secrets) : json_array();
    size_t i;
    json_t *entry;

    json_array_foreach(all, i, entry)
    {
        const char *found = json_string_value(json_object_get(entry, "name"));
        if (found && strcmp(found, name) == 0)
            return all;
    }
    json_array_append_new(all, json_pack("{s:s}", "name", name));
    return all;
}

/* Says in `annotations` which node has the images; null for what is no longer so. An agent leaves them unpacked where it committed. */
static void set_nodes(const struct batchsandbox *sandbox, const struct sandboxsnapshot_status *source,
                      json_t *annotations)
{
    const bool kept = sandboxsnapshot_is_kept(source);
    const bool by_agent = source->attempts > 0 && sandboxsnapshot_committer(source) == COMMITTER_AGENT;
    const struct {
        const char *name, *value;
    } wanted[] = {{ANNOTATION_REQUIRED_NODE, kept ? source->kept_on_node : NULL},
                  {ANNOTATION_RESUME_NODE, !kept && by_agent ? source->source_node_name : NULL}};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        if (wanted[i].value)
            json_object_set_new(annotations, wanted[i].name, json_string(wanted[i].value));
        else if (meta_annotation(&sandbox->meta, wanted[i].name))
            json_object_set_new(annotations, wanted[i].name, json_null());
    }
}

static bool has_annotations(const struct object_meta *meta, const json_t *wanted)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)wanted, name, value)
    {
        const char *old = meta_annotation(meta, name);
        if (!old || !json_is_string(value) || strcmp(old, json_string_value(value)) != 0)
            return false;
    }
    return true;
}

enum restore_result restore_patch(const struct batchsandbox *sandbox, const struct sandboxsnapshot *snapshot,
                                  const char *pull_secret, json_t **ret_patch)
{
    const json_t *old_spec = json_path(sandbox->spec.template_, "spec");
    SCOPED(json) json_t *spec = json_object(), *restored = json_object(), *annotations = json_object();
    json_t *containers = json_deep_copy(json_object_get(old_spec, "containers"));

    json_object_set_new(spec, "containers", json_is_array(containers) ? containers : json_array());
    if (!json_is_array(containers))
        json_decref(containers);
    set_images(json_object_get(spec, "containers"), snapshot, restored);
    if (json_object_size(restored) == 0)
        return RESTORE_NO_IMAGES;
    if (pull_secret && *pull_secret)
        json_object_set_new(spec, "imagePullSecrets",
                            with_pull_secret(json_object_get(old_spec, "imagePullSecrets"), pull_secret));

    SCOPED(string) char *note = json_canonical(restored);
    json_object_set_new(annotations, ANNOTATION_RESTORED_IMAGES, json_string(note));
    set_nodes(sandbox, &snapshot->status, annotations);
    bool same = has_annotations(&sandbox->meta, annotations);
    const char *member;
    json_t *value;
    json_object_foreach(spec, member, value)
    {
        same = same && json_equal(value, json_object_get(old_spec, member));
    }
    if (same)
        return RESTORE_DONE;
    *ret_patch = json_pack("{s:{s:O}, s:{s:{s:O}}}", "metadata", "annotations", annotations, "spec",
                           "template", "spec", spec);
    return RESTORE_NEEDED;
}
