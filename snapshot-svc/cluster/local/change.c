#include "snapshot-svc/cluster/local/change.h"

#include <stdbool.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/events.h"
#include "snapshot-svc/cluster/local/metadata.h"
#include "snapshot-svc/cluster/local/pod.h"
#include "snapshot-svc/cluster/local/refusal.h"
#include "snapshot-svc/cluster/local/schema.h"

static bool counts_generations(enum cluster_kind kind)
{
    return kind == KIND_BATCH_SANDBOX || kind == KIND_SANDBOX_SNAPSHOT || kind == KIND_POOL;
}

static const char *name_of(const json_t *object)
{
    const char *name = json_path_string(object, "metadata.name");
    return name ? name : "";
}

static int check(const struct change *change, const json_t *object, struct error *err)
{
    if (metadata_check(json_object_get(object, "metadata"), err) < 0 ||
        schema_check(change->kind, object, err) < 0 ||
        (change->kind == KIND_POD && pod_check(object, err) < 0) ||
        (change->kind == KIND_EVENT && event_check(object, err) < 0))
        return refuse_invalid(err, change->kind, name_of(object));
    return 0;
}

/* ---- create ---- */

static int ensure_word(json_t *object, const char *member, const char *wanted, struct error *err)
{
    const char *found = json_string_value(json_object_get(object, member));
    if (found && found[0] && strcmp(found, wanted) != 0)
        return error_set(err, ERR_INVALID, "%s in the data (%.*s) does not match the expected one (%s)",
                         member, QUOTED(found), wanted);
    json_object_set_new(object, member, json_string(wanted));
    return 0;
}

static int ensure_type(enum cluster_kind kind, json_t *object, struct error *err)
{
    const struct cluster_kind_info *info = cluster_kind_info(kind);
    if (ensure_word(object, "apiVersion", info->api_version, err) < 0)
        return -1;
    return ensure_word(object, "kind", info->kind, err);
}

int change_create(const struct change *change, const json_t *wanted, json_t **ret_object, struct error *err)
{
    if (!json_is_object(wanted))
        return error_set(err, ERR_INVALID, "creating: want a JSON object");
    SCOPED(json) json_t *object = json_deep_copy(wanted);
    json_t *meta = json_object_get(object, "metadata");

    if (!json_is_object(meta)) {
        meta = json_object();
        json_object_set_new(object, "metadata", meta);
    }
    metadata_normalise(meta);
    if (ensure_type(change->kind, object, err) < 0)
        return -1;
    if (metadata_begin(meta, change->ns, change->now_ms, err) < 0)
        return refuse_invalid(err, change->kind, name_of(object));
    json_object_del(object, "status"); /* a subresource: the first one comes by its own patch */
    if (counts_generations(change->kind))
        json_object_set_new(meta, "generation", json_integer(1));
    if (change->kind == KIND_POD)
        pod_begin(object, change->node);
    schema_apply(change->kind, object);
    if (check(change, object, err) < 0)
        return -1;
    *ret_object = TAKE(object);
    return 0;
}

/* ---- patch ---- */

/* A patch may name the version or the object it means; the merge has put that in the place of the old. */
static int check_preconditions(enum cluster_kind kind, const json_t *object, const json_t *old,
                               struct error *err)
{
    const char *version = json_path_string(object, "metadata.resourceVersion");
    const char *uid = json_path_string(object, "metadata.uid"),
               *old_uid = json_path_string(old, "metadata.uid");

    if (uid && strcmp(uid, old_uid) != 0)
        return refuse_other_uid(err, kind, name_of(old), uid, old_uid);
    if (version && strcmp(version, json_path_string(old, "metadata.resourceVersion")) != 0)
        return refuse_stale(err, kind, name_of(old));
    return 0;
}

static void copy_member(json_t *to, const json_t *from, const char *name)
{
    json_t *value = json_object_get(from, name);
    if (value)
        json_object_set_new(to, name, json_deep_copy(value));
    else
        json_object_del(to, name);
}

static bool same_but_metadata_and_status(const json_t *a, const json_t *b)
{
    SCOPED(json) json_t *left = json_copy((json_t *)a);
    SCOPED(json) json_t *right = json_copy((json_t *)b);

    json_object_del(left, "metadata");
    json_object_del(left, "status");
    json_object_del(right, "metadata");
    json_object_del(right, "status");
    return json_equal(left, right);
}

static void raise_generation(json_t *meta)
{
    json_int_t generation = json_integer_value(json_object_get(meta, "generation"));
    json_object_set_new(meta, "generation", json_integer(generation + 1));
}

static int patch_all_but_status(const struct change *change, json_t *object, const json_t *old,
                                struct error *err)
{
    json_t *meta = json_object_get(object, "metadata");

    metadata_normalise(meta);
    copy_member(object, old, "status");
    if (ensure_type(change->kind, object, err) < 0)
        return -1;
    if (metadata_keep(meta, json_object_get(old, "metadata"), err) < 0)
        return refuse_invalid(err, change->kind, name_of(old));
    schema_apply(change->kind, object);
    if (same_but_metadata_and_status(object, old))
        return 0;
    if (change->kind == KIND_POD) {
        (void)error_set(err, ERR_INVALID, "spec: Forbidden: pod updates may not change the spec");
        return refuse_invalid(err, change->kind, name_of(old));
    }
    if (counts_generations(change->kind))
        raise_generation(meta);
    return 0;
}

int change_patch(const struct change *change, enum patch_target target, const json_t *old,
                 const json_t *patch, json_t **ret_object, struct error *err)
{
    if (!json_is_object(patch))
        return error_set(err, ERR_INVALID, "patching %s: want a JSON object", name_of(old));
    SCOPED(json) json_t *object = json_merge_patch(json_deep_copy(old), patch);

    if (!json_is_object(json_object_get(object, "metadata")))
        copy_member(object, old, "metadata");
    if (check_preconditions(change->kind, object, old, err) < 0)
        return -1;
    if (target == PATCH_STATUS) {
        json_t *status = json_incref(json_object_get(object, "status"));
        json_decref(object);
        object = json_deep_copy(old);
        if (status)
            json_object_set_new(object, "status", status);
        else
            json_object_del(object, "status");
        schema_apply(change->kind, object);
    } else if (patch_all_but_status(change, object, old, err) < 0) {
        return -1;
    }
    if (check(change, object, err) < 0)
        return -1;
    *ret_object = TAKE(object);
    return 0;
}

/* ---- delete ---- */

static void mark_pod(json_t *meta, const json_t *old, int grace_s)
{
    const json_t *under_way = json_object_get(meta, "deletionGracePeriodSeconds");
    int wanted_s = pod_grace_s(old, grace_s);

    if (!metadata_is_deleting(meta) || wanted_s < json_integer_value(under_way))
        json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(wanted_s));
}

json_t *change_mark_deleted(const struct change *change, const json_t *old, int grace_s)
{
    json_t *object = json_deep_copy(old), *meta = json_object_get(object, "metadata");
    char when[RFC3339_SIZE];
    int64_t wait_s = 0;

    if (change->kind == KIND_POD) {
        mark_pod(meta, old, grace_s);
        wait_s = json_integer_value(json_object_get(meta, "deletionGracePeriodSeconds"));
    } else if (!metadata_is_deleting(meta)) {
        json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(0));
    }
    if (metadata_is_deleting(meta))
        return object;
    json_object_set_new(meta, "deletionTimestamp",
                        json_string(rfc3339_format(change->now_ms / 1000 + wait_s, when)));
    if (counts_generations(change->kind))
        raise_generation(meta);
    return object;
}
