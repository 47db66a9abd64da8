#include "snapshot-svc/cluster/local/metadata.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "snapshot-svc/cluster/local/grammar.h"
#include "snapshot-svc/cluster/local/refusal.h"

#define ANNOTATIONS_MAX_BYTES (256 * 1024)
#define GENERATED_BASE_MAX    58 /* with five random characters still a DNS label */

/* Set by the API server alone, whatever a client sends. */
static const char *const server_members[] = {
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "generation",        "selfLink",          "managedFields",
};
#define SERVER_MEMBERS (sizeof(server_members) / sizeof(server_members[0]))

/* ---- normal form ---- */

static bool is_as_good_as_absent(const json_t *value)
{
    return json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

void metadata_normalise(json_t *meta)
{
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(meta, next, name, value)
    {
        if (is_as_good_as_absent(value))
            json_object_del(meta, name);
    }
}

/* ---- a new object ---- */

/* Without vowels and look-alikes, so that no word comes out. */
static void random_suffix(char out[6])
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    uint64_t roll;

    for (int i = 0; i < 5; i++) {
        random_bytes(&roll, sizeof(roll));
        out[i] = alphabet[roll % (sizeof(alphabet) - 1)];
    }
    out[5] = '\0';
}

static int ensure_name(json_t *meta, struct error *err)
{
    const char *base = json_string_value(json_object_get(meta, "generateName"));
    const char *name = json_string_value(json_object_get(meta, "name"));
    char suffix[6];

    if (name && name[0])
        return 0;
    if (!base || !base[0])
        return error_set(err, ERR_INVALID, "metadata.name: Required value: name or generateName is required");
    random_suffix(suffix);
    json_object_set_new(meta, "name", json_sprintf("%.*s%s", GENERATED_BASE_MAX, base, suffix));
    return 0;
}

static int ensure_namespace(json_t *meta, const char *ns, struct error *err)
{
    const char *given = json_string_value(json_object_get(meta, "namespace"));
    if (given && given[0] && strcmp(given, ns) != 0)
        return error_set(
            err, ERR_INVALID,
            "the namespace of the provided object does not match the namespace sent on the request "
            "(%.*s, %s)",
            QUOTED(given), ns);
    json_object_set_new(meta, "namespace", json_string(ns));
    return 0;
}

int metadata_begin(json_t *meta, const char *ns, int64_t now_ms, struct error *err)
{
    char uid[UUID_SIZE], now[RFC3339_SIZE];
    const char *version = json_string_value(json_object_get(meta, "resourceVersion"));

    if (version && version[0])
        return error_set(err, ERR_INVALID, "resourceVersion should not be set on objects to be created");
    for (size_t i = 0; i < SERVER_MEMBERS; i++)
        json_object_del(meta, server_members[i]);
    if (ensure_name(meta, err) < 0 || ensure_namespace(meta, ns, err) < 0)
        return -1;
    uuid_v4(uid);
    json_object_set_new(meta, "uid", json_string(uid));
    json_object_set_new(meta, "creationTimestamp", json_string(rfc3339_format(now_ms / 1000, now)));
    return 0;
}

/* ---- a change ---- */

static void put_back(json_t *meta, const json_t *old_meta, const char *name)
{
    json_t *old = json_object_get(old_meta, name);
    if (old)
        json_object_set(meta, name, old);
    else
        json_object_del(meta, name);
}

static int check_unchanged(const json_t *meta, const json_t *old_meta, const char *name, struct error *err)
{
    const json_t *value = json_object_get(meta, name);
    const char *text = json_string_value(value);

    if (!value || json_equal(value, json_object_get(old_meta, name)))
        return 0;
    return error_set(err, ERR_INVALID, "metadata.%s: Invalid value: \"%.*s\": field is immutable", name,
                     QUOTED(text ? text : ""));
}

static bool list_has(const json_t *list, const json_t *wanted)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        if (json_equal(item, wanted))
            return true;
    }
    return false;
}

static int check_no_new_finalizer(const json_t *meta, const json_t *old_meta, struct error *err)
{
    size_t i;
    json_t *finalizer;

    json_array_foreach(json_object_get(meta, "finalizers"), i, finalizer)
    {
        if (!list_has(json_object_get(old_meta, "finalizers"), finalizer))
            return error_set(
                err, ERR_INVALID,
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is "
                "being deleted, found new finalizers []string{\"%.*s\"}",
                QUOTED(json_is_string(finalizer) ? json_string_value(finalizer) : ""));
    }
    return 0;
}

int metadata_keep(json_t *meta, const json_t *old_meta, struct error *err)
{
    if (check_unchanged(meta, old_meta, "name", err) < 0 ||
        check_unchanged(meta, old_meta, "namespace", err) < 0 ||
        check_unchanged(meta, old_meta, "deletionTimestamp", err) < 0)
        return -1;
    put_back(meta, old_meta, "name");
    put_back(meta, old_meta, "namespace");
    put_back(meta, old_meta, "uid");
    put_back(meta, old_meta, "resourceVersion");
    for (size_t i = 0; i < SERVER_MEMBERS; i++)
        put_back(meta, old_meta, server_members[i]);
    return metadata_is_deleting(old_meta) ? check_no_new_finalizer(meta, old_meta, err) : 0;
}

/* ---- grammar ---- */

static int check_name(const json_t *meta, struct error *err)
{
    const char *name = json_string_value(json_object_get(meta, "name"));
    if (name && is_dns_subdomain(name))
        return 0;
    if (name && strlen(name) > SUBDOMAIN_MAX)
        return error_set(err, ERR_INVALID,
                         "metadata.name: Invalid value: \"%.*s...\": must be no more than %d characters",
                         QUOTED(name), SUBDOMAIN_MAX);
    return error_set(err, ERR_INVALID, "metadata.name: Invalid value: \"%.*s\": " SUBDOMAIN_MESSAGE,
                     QUOTED(name ? name : ""));
}

static int check_string_map(const json_t *map, const char *path, struct error *err)
{
    const char *key;
    json_t *value;

    if (map && !json_is_object(map))
        return error_set(err, ERR_INVALID, "%s: Invalid value: must be an object of strings", path);
    json_object_foreach((json_t *)map, key, value)
    {
        if (!is_qualified_name(key))
            return error_set(err, ERR_INVALID, "%s: Invalid value: \"%.*s\": " QUALIFIED_NAME_MESSAGE, path,
                             QUOTED(key));
        if (!json_is_string(value))
            return error_set(err, ERR_INVALID, "%s: Invalid value: value of \"%.*s\" must be a string", path,
                             QUOTED(key));
    }
    return 0;
}

static int check_labels(const json_t *labels, struct error *err)
{
    const char *key;
    json_t *value;

    if (check_string_map(labels, "metadata.labels", err) < 0)
        return -1;
    json_object_foreach((json_t *)labels, key, value)
    {
        const char *text = json_string_value(value);
        if (strlen(text) > LABEL_VALUE_MAX)
            return error_set(
                err, ERR_INVALID,
                "metadata.labels: Invalid value: \"%.*s...\": must be no more than %d characters",
                QUOTED(text), LABEL_VALUE_MAX);
        if (!is_label_value(text))
            return error_set(err, ERR_INVALID, "metadata.labels: Invalid value: \"%s\": " LABEL_VALUE_MESSAGE,
                             text);
    }
    return 0;
}

static int check_annotations(const json_t *annotations, struct error *err)
{
    const char *key;
    json_t *value;
    size_t bytes = 0;

    if (check_string_map(annotations, "metadata.annotations", err) < 0)
        return -1;
    json_object_foreach((json_t *)annotations, key, value) bytes += strlen(key) + json_string_length(value);
    if (bytes > ANNOTATIONS_MAX_BYTES)
        return error_set(err, ERR_INVALID, "metadata.annotations: Too long: must have at most %d bytes",
                         ANNOTATIONS_MAX_BYTES);
    return 0;
}

static int check_finalizers(const json_t *finalizers, struct error *err)
{
    size_t i;
    json_t *finalizer;

    if (finalizers && !json_is_array(finalizers))
        return error_set(err, ERR_INVALID, "metadata.finalizers: Invalid value: must be an array of strings");
    json_array_foreach(finalizers, i, finalizer)
    {
        const char *text = json_string_value(finalizer);
        if (!text || !is_qualified_name(text))
            return error_set(err, ERR_INVALID,
                             "metadata.finalizers[%zu]: Invalid value: \"%.*s\": " QUALIFIED_NAME_MESSAGE, i,
                             QUOTED(text ? text : ""));
    }
    return 0;
}

static int check_owner(const json_t *owner, size_t at, struct error *err)
{
    static const char *const required[] = {"apiVersion", "kind", "name", "uid"};

    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        const char *text = json_string_value(json_object_get(owner, required[i]));
        if (!text || !text[0])
            return error_set(err, ERR_INVALID,
                             "metadata.ownerReferences[%zu].%s: Invalid value: \"\": must not be empty", at,
                             required[i]);
    }
    return 0;
}

static int check_owners(const json_t *owners, struct error *err)
{
    size_t i, controllers = 0;
    json_t *owner;

    if (owners && !json_is_array(owners))
        return error_set(err, ERR_INVALID, "metadata.ownerReferences: Invalid value: must be an array");
    json_array_foreach(owners, i, owner)
    {
        if (check_owner(owner, i, err) < 0)
            return -1;
        controllers += json_is_true(json_object_get(owner, "controller"));
    }
    if (controllers > 1)
        return error_set(
            err, ERR_INVALID,
            "metadata.ownerReferences: Invalid value: Only one reference can have Controller set to true");
    return 0;
}

int metadata_check(const json_t *meta, struct error *err)
{
    if (check_name(meta, err) < 0 || check_labels(json_object_get(meta, "labels"), err) < 0 ||
        check_annotations(json_object_get(meta, "annotations"), err) < 0 ||
        check_finalizers(json_object_get(meta, "finalizers"), err) < 0 ||
        check_owners(json_object_get(meta, "ownerReferences"), err) < 0)
        return -1;
    return 0;
}

/* ---- deletion ---- */

bool metadata_is_deleting(const json_t *meta)
{
    return json_object_get(meta, "deletionTimestamp") != NULL;
}

bool metadata_has_finalizers(const json_t *meta)
{
    return json_array_size(json_object_get(meta, "finalizers")) > 0;
}

void metadata_add_finalizer(json_t *meta, const char *finalizer)
{
    json_t *list = json_object_get(meta, "finalizers"), *wanted = json_string(finalizer);

    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(meta, "finalizers", list);
    }
    if (!list_has(list, wanted))
        json_array_append(list, wanted);
    json_decref(wanted);
}
