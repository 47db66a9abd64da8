/* Answers become objects. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/cluster/kube/kube_priv.h"

/* NUL characters in strings are users' business; refusing them would hide the object. */
static int load(struct json_span text, const char *what, json_t **ret_value, struct error *err)
{
    json_error_t problem;
    json_t *value = json_loadb(text.at, text.length, JSON_ALLOW_NUL, &problem);

    if (!value)
        return error_set(err, ERR_INVALID, "%s that we cannot read: %s", what, problem.text);
    if (!json_is_object(value)) {
        json_decref(value);
        return error_set(err, ERR_INVALID, "%s that is no JSON object", what);
    }
    *ret_value = value;
    return 0;
}

/* Items of lists of built-in kinds do not say what they are. */
static void add_kind(json_t *object, enum cluster_kind kind)
{
    const struct cluster_kind_info *info = cluster_kind_info(kind);

    if (!json_object_get(object, "kind"))
        json_object_set_new(object, "kind", json_string(info->kind));
    if (!json_object_get(object, "apiVersion"))
        json_object_set_new(object, "apiVersion", json_string(info->api_version));
}

int kube_object_parse(struct json_span text, enum cluster_kind kind, json_t **ret_object, struct error *err)
{
    json_t *object;

    if (load(text, cluster_kind_info(kind)->kind, &object, err) < 0)
        return -1;
    add_kind(object, kind);
    json_object_del(json_object_get(object, "metadata"), "managedFields"); /* large, and of no use to us */
    *ret_object = object;
    return 0;
}

int kube_object_parse_metadata(struct json_span text, enum cluster_kind kind, json_t **ret_object,
                               struct error *err)
{
    struct json_span span;
    json_t *metadata;

    if (!json_scan_member(text, "metadata", &span))
        return error_set(err, ERR_INVALID, "%s without metadata", cluster_kind_info(kind)->kind);
    if (load(span, "metadata", &metadata, err) < 0)
        return -1;
    *ret_object = json_pack("{s:o}", "metadata", metadata);
    add_kind(*ret_object, kind);
    json_object_del(metadata, "managedFields");
    return 0;
}

/* ---- lists ---- */

static void note_unreadable(struct json_span text, enum cluster_kind kind, const struct error *failure)
{
    struct error err = {0};
    json_t *named = NULL;
    const char *name = NULL, *ns = NULL;

    if (kube_object_parse_metadata(text, kind, &named, &err) == 0) {
        name = json_path_string(named, "metadata.name");
        ns = json_path_string(named, "metadata.namespace");
    }
    log_failure(LOG_WARN, "object left out of a list", failure,
                log_str("kind", cluster_kind_info(kind)->plural), log_str("namespace", ns),
                log_str("name", name));
    json_decref(named);
}

static int read_items(struct json_span array, enum cluster_kind kind, json_t *items, struct error *err)
{
    struct json_span rest = array, text;
    bool whole = false;

    if (strncmp(array.at, "null", array.length) == 0)
        return 0; /* how Go writes an empty list */
    while (json_scan_element(&rest, &text, &whole)) {
        struct error failure = {0};
        json_t *object;
        if (kube_object_parse(text, kind, &object, &failure) == 0)
            json_array_append_new(items, object);
        else
            note_unreadable(text, kind, &failure);
    }
    return whole ? 0
                 : error_set(err, ERR_UNAVAILABLE, "list of %s: want an array in \"items\"",
                             cluster_kind_info(kind)->plural);
}

static char *copy_or_null(const char *text)
{
    return text && *text ? xstrdup(text) : NULL;
}

int kube_page_parse(struct json_span page, enum cluster_kind kind, json_t *items, char **ret_version,
                    char **ret_continue, struct error *err)
{
    struct json_span metadata_text, array;
    SCOPED(json) json_t *metadata = NULL;

    if (!json_scan_member(page, "metadata", &metadata_text) || !json_scan_member(page, "items", &array) ||
        load(metadata_text, "metadata of a list", &metadata, err) < 0)
        return error_set(err, ERR_UNAVAILABLE, "list of %s: the answer is no whole list",
                         cluster_kind_info(kind)->plural);
    const char *version = json_path_string(metadata, "resourceVersion");
    if (!version || !*version)
        return error_set(err, ERR_UNAVAILABLE, "list of %s: metadata.resourceVersion is missing",
                         cluster_kind_info(kind)->plural);
    if (read_items(array, kind, items, err) < 0)
        return -1;
    *ret_version = xstrdup(version);
    *ret_continue = copy_or_null(json_path_string(metadata, "continue"));
    return 0;
}
