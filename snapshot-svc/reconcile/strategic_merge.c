#include "snapshot-svc/reconcile/strategic_merge.h"

#include <stdbool.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

/* Spec: patchMergeKey of the fields of core/v1 PodSpec and Container. */
static const struct {
    const char *list, *key;
} merge_keys[] = {
    {"containers", "name"},
    {"initContainers", "name"},
    {"ephemeralContainers", "name"},
    {"volumes", "name"},
    {"env", "name"},
    {"imagePullSecrets", "name"},
    {"volumeMounts", "mountPath"},
    {"volumeDevices", "devicePath"},
    {"ports", "containerPort"},
    {"hostAliases", "ip"},
    {"ownerReferences", "uid"},
    {"topologySpreadConstraints", "topologyKey"},
    {"resourceClaims", "name"},
};

static const char *merge_key(const char *list)
{
    for (size_t i = 0; i < sizeof(merge_keys) / sizeof(*merge_keys); i++)
        if (strcmp(merge_keys[i].list, list) == 0)
            return merge_keys[i].key;
    return NULL;
}

static int merge_objects(json_t *target, const json_t *patch, int depth, struct error *err);

static const char *directive(const json_t *patch)
{
    return json_string_value(json_object_get(patch, "$patch"));
}

/* The index of the item with this key, or the array's size. */
static size_t find_item(const json_t *list, const char *key, const json_t *value)
{
    size_t at = 0;
    while (at < json_array_size(list) && !json_equal(json_object_get(json_array_get(list, at), key), value))
        at++;
    return at;
}

static int merge_item(json_t *list, const char *key, const json_t *item, int depth, struct error *err)
{
    const json_t *value = json_object_get(item, key);
    const char *what = directive(item);

    if (!value)
        return error_set(err, ERR_INVALID, "want an object with \"%s\" in a list that merges by it", key);
    size_t at = find_item(list, key, value);
    bool found = at < json_array_size(list);
    if (what && strcmp(what, "delete") == 0) {
        if (found)
            json_array_remove(list, at);
        return 0;
    }
    if (!found) {
        json_array_append_new(list, json_object());
        at = json_array_size(list) - 1;
    }
    return merge_objects(json_array_get(list, at), item, depth + 1, err);
}

static int merge_lists(json_t *list, const char *key, const json_t *patch, int depth, struct error *err)
{
    size_t i;
    json_t *item;

    json_array_foreach(patch, i, item)
    {
        if (merge_item(list, key, item, depth, err) < 0)
            return error_wrap(err, "item %zu", i);
    }
    return 0;
}

static json_t *member_of_kind(json_t *target, const char *name, json_type kind)
{
    json_t *member = json_object_get(target, name);

    if (!member || json_typeof(member) != kind) {
        member = kind == JSON_OBJECT ? json_object() : json_array();
        json_object_set_new(target, name, member);
    }
    return member;
}

static int merge_member(json_t *target, const char *name, json_t *patch, int depth, struct error *err)
{
    const char *key = json_is_array(patch) ? merge_key(name) : NULL;

    if (json_is_null(patch)) {
        json_object_del(target, name);
        return 0;
    }
    if (json_is_object(patch))
        return merge_objects(member_of_kind(target, name, JSON_OBJECT), patch, depth + 1, err);
    if (key)
        return merge_lists(member_of_kind(target, name, JSON_ARRAY), key, patch, depth, err);
    json_object_set_new(target, name, json_deep_copy(patch));
    return 0;
}

static int merge_objects(json_t *target, const json_t *patch, int depth, struct error *err)
{
    const char *what = directive(patch), *name;
    json_t *value;

    if (depth > DEPTH_MAX)
        return error_set(err, ERR_INVALID, "nested more than %d levels", DEPTH_MAX);
    if (what && strcmp(what, "replace") != 0)
        return error_set(err, ERR_UNSUPPORTED, "\"$patch\": \"%s\" is not supported here", what);
    if (what)
        json_object_clear(target);
    json_object_foreach((json_t *)patch, name, value)
    {
        if (strcmp(name, "$patch") == 0)
            continue;
        if (*name == '$')
            return error_set(err, ERR_UNSUPPORTED, "the directive \"%s\" is not supported", name);
        if (merge_member(target, name, value, depth, err) < 0)
            return error_wrap(err, "%s", name);
    }
    return 0;
}

int strategic_merge(json_t *target, const json_t *patch, struct error *err)
{
    if (!json_is_object(patch))
        return error_set(err, ERR_INVALID, "want an object");
    return merge_objects(target, patch, 0, err);
}
