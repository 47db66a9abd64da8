#include "snapshot-svc/cluster/local/secret_box.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/json/secret.h"
#include "snapshot-svc/cluster/local/refusal.h"

#define SECRET_MAX_BYTES (1024 * 1024) /* as the API server's */

struct boxed {
    char *name; /* the key */
    json_t *secret;
    size_t bytes; /* of its data */
    UT_hash_handle hh;
};

struct secret_box {
    struct boxed *secrets;
    size_t bytes;
    uint64_t version; /* of the last write */
};

struct secret_box *secret_box_new(void)
{
    return xcalloc(1, sizeof(struct secret_box));
}

/* The metadata may be shared with the next version; the data never is. */
static void wipe(json_t *secret)
{
    json_t *data = json_incref(json_object_get(secret, "data"));

    json_decref(secret);
    json_secret_free(data);
}

static void take_out(struct secret_box *box, struct boxed *boxed)
{
    box->bytes -= boxed->bytes;
    HASH_DEL(box->secrets, boxed);
    wipe(boxed->secret);
    free(boxed->name);
    free(boxed);
}

void secret_box_free(struct secret_box *box)
{
    struct boxed *boxed, *next;

    if (!box)
        return;
    HASH_ITER(hh, box->secrets, boxed, next)
    take_out(box, boxed);
    free(box);
}

bool secret_box_is_empty(const struct secret_box *box)
{
    return box->secrets == NULL;
}

static struct boxed *find(const struct secret_box *box, const char *name)
{
    struct boxed *boxed;
    HASH_FIND_STR(box->secrets, name, boxed);
    return boxed;
}

bool secret_box_has(const struct secret_box *box, const char *name)
{
    return find(box, name) != NULL;
}

int secret_box_get(const struct secret_box *box, const char *name, json_t **ret_secret, struct error *err)
{
    const struct boxed *boxed = find(box, name);

    if (!boxed)
        return refuse_not_found(err, KIND_SECRET, name);
    *ret_secret = json_deep_copy(boxed->secret);
    return 0;
}

/* ---- writing: the rules for all objects see it without its data, for they copy what they are given ---- */

static json_t *without_data(const json_t *secret)
{
    json_t *bare = json_copy((json_t *)secret); /* a copy of the members */
    json_object_del(bare, "data");
    return bare;
}

static int check_data(const json_t *data, size_t *ret_bytes, struct error *err)
{
    const char *key;
    json_t *value;
    size_t bytes = 0;

    if (data && !json_is_object(data))
        return error_set(err, ERR_INVALID, "data: want an object");
    json_object_foreach((json_t *)data, key, value)
    {
        if (!json_is_string(value))
            return error_set(err, ERR_INVALID, "data: want base64 texts");
        bytes += strlen(key) + json_string_length(value);
    }
    if (bytes > SECRET_MAX_BYTES)
        return error_set(err, ERR_INVALID, "data: want at most %d bytes, got %zu", SECRET_MAX_BYTES, bytes);
    *ret_bytes = bytes;
    return 0;
}

static int check_room(const struct secret_box *box, const struct boxed *old, size_t bytes, struct error *err)
{
    if (box->bytes - (old ? old->bytes : 0) + bytes <= SECRET_BOX_MAX_BYTES)
        return 0;
    return error_set(err, ERR_EXHAUSTED,
                     "Secrets in memory: there are %d MiB of them: delete sandboxes that need one",
                     SECRET_BOX_MAX_BYTES >> 20);
}

/* wanted: what the caller sent, data: what comes of it. */
static int check(const struct secret_box *box, const struct boxed *old, const char *name,
                 const json_t *wanted, const json_t *data, size_t *ret_bytes, struct error *err)
{
    if (json_object_get(wanted, "stringData"))
        (void)error_set(err, ERR_INVALID, "stringData: not taken here: want data");
    else if (check_data(data, ret_bytes, err) == 0)
        return check_room(box, old, *ret_bytes, err);
    return refuse_invalid(err, KIND_SECRET, name ? name : "");
}

static void stamp(struct secret_box *box, json_t *secret)
{
    char version[24];

    (void)snprintf(version, sizeof(version), "%" PRIu64, ++box->version);
    json_object_set_new(json_object_get(secret, "metadata"), "resourceVersion", json_string(version));
}

static void put(struct secret_box *box, struct boxed *boxed, json_t *secret, size_t bytes)
{
    box->bytes += bytes - boxed->bytes;
    boxed->bytes = bytes;
    boxed->secret = secret;
}

static void give(const struct boxed *boxed, json_t **ret_secret)
{
    if (ret_secret)
        *ret_secret = json_deep_copy(boxed->secret);
}

int secret_box_create(struct secret_box *box, const struct change *change, const json_t *wanted,
                      json_t **ret_secret, struct error *err)
{
    SCOPED(json) json_t *bare = without_data(wanted);
    SCOPED(json) json_t *secret = NULL;
    const json_t *data = json_object_get(wanted, "data");
    size_t bytes = 0;

    if (check(box, NULL, json_path_string(wanted, "metadata.name"), wanted, data, &bytes, err) < 0 ||
        change_create(change, bare, &secret, err) < 0)
        return -1;
    const char *name = json_path_string(secret, "metadata.name");
    if (secret_box_has(box, name))
        return refuse_exists(err, KIND_SECRET, name);
    if (data)
        json_object_set_new(secret, "data", json_deep_copy(data));
    stamp(box, secret);
    struct boxed *boxed = xcalloc(1, sizeof(*boxed));
    boxed->name = xstrdup(name);
    put(box, boxed, TAKE(secret), bytes);
    HASH_ADD_KEYPTR(hh, box->secrets, boxed->name, strlen(boxed->name), boxed);
    give(boxed, ret_secret);
    return 0;
}

/* *ret_data: a copy, to be wiped; NULL: there is none. */
static json_t *patched_data(const json_t *old, const json_t *merge_patch)
{
    json_t *data = json_deep_copy(json_object_get(old, "data"));
    const json_t *patch = json_object_get(merge_patch, "data");

    if (!patch)
        return data;
    return json_merge_patch(data ? data : json_object(), patch);
}

int secret_box_patch(struct secret_box *box, const struct change *change, const char *name,
                     const json_t *merge_patch, const char *resource_version, json_t **ret_secret,
                     struct error *err)
{
    struct boxed *boxed = find(box, name);
    size_t bytes = 0;

    if (!boxed)
        return refuse_not_found(err, KIND_SECRET, name);
    if (resource_version &&
        strcmp(resource_version, json_path_string(boxed->secret, "metadata.resourceVersion")) != 0)
        return refuse_stale(err, KIND_SECRET, name);
    SCOPED(json) json_t *old = without_data(boxed->secret);
    SCOPED(json) json_t *patch = without_data(merge_patch);
    SCOPED(json) json_t *secret = NULL;
    SCOPED(json_secret) json_t *data = patched_data(boxed->secret, merge_patch);
    if (check(box, boxed, name, merge_patch, data, &bytes, err) < 0 ||
        change_patch(change, PATCH_ALL_BUT_STATUS, old, patch, &secret, err) < 0)
        return -1;
    if (data)
        json_object_set_new(secret, "data", TAKE(data));
    json_t *replaced = boxed->secret;
    if (!json_equal(secret, replaced)) /* a write that changes nothing makes no version */
        stamp(box, secret);
    put(box, boxed, TAKE(secret), bytes);
    wipe(replaced);
    give(boxed, ret_secret);
    return 0;
}

int secret_box_remove(struct secret_box *box, const char *name, const char *uid, const char *resource_version,
                      struct error *err)
{
    struct boxed *boxed = find(box, name);

    if (!boxed)
        return refuse_not_found(err, KIND_SECRET, name);
    const char *own = json_path_string(boxed->secret, "metadata.uid");
    if (uid && strcmp(uid, own) != 0)
        return refuse_other_uid(err, KIND_SECRET, name, uid, own);
    if (resource_version &&
        strcmp(resource_version, json_path_string(boxed->secret, "metadata.resourceVersion")) != 0)
        return refuse_stale(err, KIND_SECRET, name);
    take_out(box, boxed);
    return 0;
}

static bool is_only_owned_by(const json_t *secret, const char *uid)
{
    const json_t *owners = json_path(secret, "metadata.ownerReferences");
    const char *owner = json_string_value(json_object_get(json_array_get(owners, 0), "uid"));

    return json_array_size(owners) == 1 && owner && strcmp(owner, uid) == 0;
}

void secret_box_owner_gone(struct secret_box *box, const char *uid)
{
    struct boxed *boxed, *next;

    HASH_ITER(hh, box->secrets, boxed, next)
    if (is_only_owned_by(boxed->secret, uid))
        take_out(box, boxed);
}
