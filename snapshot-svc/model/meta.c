#include "snapshot-svc/model/meta.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
static const struct json_field owner_fields[] = {
    {"apiVersion", JSON_STR,  offsetof(struct owner_reference, api_version), JSON_REQUIRED, NULL, 0},
    {"kind",       JSON_STR,  offsetof(struct owner_reference, kind),        JSON_REQUIRED, NULL, 0},
    {"name",       JSON_STR,  offsetof(struct owner_reference, name),        JSON_REQUIRED, NULL, 0},
    {"uid",        JSON_STR,  offsetof(struct owner_reference, uid),         JSON_REQUIRED, NULL, 0},
    {"controller", JSON_BOOL, offsetof(struct owner_reference, controller),  JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

const struct json_field object_meta_fields[] = {
    {"name",              JSON_STR,      offsetof(struct object_meta, name),             JSON_REQUIRED, NULL, 0},
    {"namespace",         JSON_STR,      offsetof(struct object_meta, ns),               JSON_OPTIONAL, NULL, 0},
    {"uid",               JSON_STR,      offsetof(struct object_meta, uid),              JSON_OPTIONAL, NULL, 0},
    {"resourceVersion",   JSON_STR,      offsetof(struct object_meta, resource_version), JSON_OPTIONAL, NULL, 0},
    {"generation",        JSON_INT64,    offsetof(struct object_meta, generation),       JSON_OPTIONAL, NULL, 0},
    {"creationTimestamp", JSON_TIME,     offsetof(struct object_meta, created_ms),       JSON_OPTIONAL, NULL, 0},
    {"deletionTimestamp", JSON_TIME,     offsetof(struct object_meta, deleted_ms),       JSON_OPTIONAL, NULL, 0},
    {"deletionGracePeriodSeconds", JSON_INT64, offsetof(struct object_meta, deletion_grace_s), JSON_OPTIONAL, NULL, 0},
    {"labels",            JSON_STR_MAP,  offsetof(struct object_meta, labels),           JSON_OPTIONAL, NULL, 0},
    {"annotations",       JSON_STR_MAP,  offsetof(struct object_meta, annotations),      JSON_OPTIONAL, NULL, 0},
    {"finalizers",        JSON_STR_LIST, offsetof(struct object_meta, finalizers),       JSON_OPTIONAL, NULL, 0},
    {"ownerReferences",   JSON_LIST,     offsetof(struct object_meta, owners),           JSON_OPTIONAL, owner_fields,
     sizeof(struct owner_reference)},
    JSON_FIELDS_END,
};
/* clang-format on */

bool meta_is_deleting(const struct object_meta *meta)
{
    return meta->deleted_ms != 0;
}

bool meta_has_finalizer(const struct object_meta *meta, const char *finalizer)
{
    for (size_t i = 0; i < meta->finalizers.count; i++)
        if (strcmp(meta->finalizers.items[i], finalizer) == 0)
            return true;
    return false;
}

json_t *meta_finalizers_without(const struct object_meta *meta, const char *finalizer)
{
    json_t *rest = json_array();

    for (size_t i = 0; i < meta->finalizers.count; i++)
        if (strcmp(meta->finalizers.items[i], finalizer) != 0)
            json_array_append_new(rest, json_string(meta->finalizers.items[i]));
    return rest;
}

json_t *meta_finalizers_with(const struct object_meta *meta, const char *finalizer)
{
    json_t *all = meta_finalizers_without(meta, finalizer);

    json_array_append_new(all, json_string(finalizer));
    return all;
}

const char *meta_label(const struct object_meta *meta, const char *key)
{
    return json_map_get(&meta->labels, key);
}

const char *meta_annotation(const struct object_meta *meta, const char *key)
{
    return json_map_get(&meta->annotations, key);
}

const struct owner_reference *meta_controller(const struct object_meta *meta)
{
    const struct owner_reference *owners = meta->owners.items;

    for (size_t i = 0; i < meta->owners.count; i++)
        if (owners[i].controller)
            return &owners[i];
    return NULL;
}

static bool is_our_group(const char *api_version)
{
    const size_t length = strlen(SANDBOX_API_GROUP);
    return strncmp(api_version, SANDBOX_API_GROUP, length) == 0 && api_version[length] == '/';
}

bool meta_is_controlled_by_sandbox(const struct object_meta *meta, const char *sandbox_uid)
{
    const struct owner_reference *owner = meta_controller(meta);

    return owner && sandbox_uid && is_our_group(owner->api_version) &&
           strcmp(owner->kind, "BatchSandbox") == 0 && strcmp(owner->uid, sandbox_uid) == 0;
}

bool meta_is_controlled_by(const struct object_meta *meta, const char *uid)
{
    const struct owner_reference *owner = meta_controller(meta);
    return owner && uid && strcmp(owner->uid, uid) == 0;
}

static json_t *owner_references_to(const struct object_meta *owner, const char *kind)
{
    return json_pack("[{s:s, s:s, s:s, s:s, s:b, s:b}]", "apiVersion", SANDBOX_API_VERSION, "kind", kind,
                     "name", owner->name, "uid", owner->uid ? owner->uid : "", "controller", 1,
                     "blockOwnerDeletion", 1);
}

json_t *owner_references_to_sandbox(const struct object_meta *sandbox)
{
    return owner_references_to(sandbox, "BatchSandbox");
}

json_t *owner_references_to_pool(const struct object_meta *pool)
{
    return owner_references_to(pool, "Pool");
}

json_t *owner_references_to_snapshot(const struct object_meta *snapshot)
{
    return owner_references_to(snapshot, "SandboxSnapshot");
}
