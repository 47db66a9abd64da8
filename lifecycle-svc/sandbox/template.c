#include "lifecycle-svc/sandbox/template.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/quantity.h"
#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/yaml/yaml.h"

enum { MAX_FILE_BYTES = 1 << 20 };

struct sandbox_template {
    json_t *pod; /* PodTemplateSpec; an empty object when there is none */
    struct json_map labels, annotations;
};

/* -- reading --------------------------------------------------------------------------------------------------- */

/* Members that are not in `known` are refused: silently left out, they would look as if they worked. */
static int check_members(const json_t *object, const char *const *known, const char *place, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], name) != 0)
            i++;
        if (!known[i])
            return error_set(err, ERR_INVALID, "%s%.60s: not used here; remove it", place, name);
    }
    return 0;
}

/* *ret_object is borrowed; NULL: absent or null. */
static int read_object(const json_t *parent, const char *name, const char *path, const json_t **ret_object,
                       struct error *err)
{
    const json_t *value = json_object_get(parent, name);

    if (value && !json_is_null(value) && !json_is_object(value))
        return error_set(err, ERR_INVALID, "%s: want an object", path);
    *ret_object = json_is_object(value) ? value : NULL;
    return 0;
}

static int read_map(const json_t *object, const char *path, struct json_map *ret_map, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        if (!json_is_string(value))
            return error_set(err, ERR_INVALID, "%s.%.100s: want a text; put it in quotes", path, name);
        json_map_set(ret_map, name, json_string_value(value));
    }
    return 0;
}

static int read_metadata(const json_t *root, struct sandbox_template *template, struct error *err)
{
    static const char *const known[] = {"labels", "annotations", NULL};
    const json_t *metadata = NULL, *labels = NULL, *annotations = NULL;

    if (read_object(root, "metadata", "metadata", &metadata, err) < 0 ||
        check_members(metadata, known, "metadata.", err) < 0 ||
        read_object(metadata, "labels", "metadata.labels", &labels, err) < 0 ||
        read_object(metadata, "annotations", "metadata.annotations", &annotations, err) < 0 ||
        read_map(labels, "metadata.labels", &template->labels, err) < 0 ||
        read_map(annotations, "metadata.annotations", &template->annotations, err) < 0)
        return -1;
    return 0;
}

/* replicas and expireTime are legal, and every sandbox has its own. */
static int read_spec(const json_t *root, struct sandbox_template *template, struct error *err)
{
    static const char *const known[] = {"replicas", "expireTime", "template", NULL}, *const known_of_pod[] = {
                                                                                         "metadata", "spec",
                                                                                         NULL};
    const json_t *spec = NULL, *pod = NULL, *ignored = NULL;

    if (read_object(root, "spec", "spec", &spec, err) < 0 || check_members(spec, known, "spec.", err) < 0 ||
        read_object(spec, "template", "spec.template", &pod, err) < 0 ||
        check_members(pod, known_of_pod, "spec.template.", err) < 0 ||
        read_object(pod, "metadata", "spec.template.metadata", &ignored, err) < 0 ||
        read_object(pod, "spec", "spec.template.spec", &ignored, err) < 0)
        return -1;
    template->pod = pod ? json_deep_copy(pod) : json_object();
    return 0;
}

static int read_kind(const json_t *root, struct error *err)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", NULL};
    const json_t *kind = json_object_get(root, "kind");

    if (!json_is_object(root))
        return error_set(err, ERR_INVALID, "want a BatchSandbox with spec.template");
    if (kind && (!json_is_string(kind) || strcmp(json_string_value(kind), "BatchSandbox") != 0))
        return error_set(err, ERR_INVALID, "kind: want BatchSandbox");
    return check_members(root, known, "", err);
}

int sandbox_template_parse(const char *text, size_t length, const char *what,
                           struct sandbox_template **ret_template, struct error *err)
{
    SCOPED(sandbox_template) struct sandbox_template *template = xcalloc(1, sizeof(*template));
    SCOPED(json) json_t *root = NULL;

    if (yaml_parse(text, length, YAML_TYPED, what, &root, err) < 0)
        return -1;
    if (read_kind(root, err) < 0 || read_metadata(root, template, err) < 0 ||
        read_spec(root, template, err) < 0)
        return error_wrap(err, "%s", what);
    *ret_template = TAKE(template);
    return 0;
}

int sandbox_template_load(const char *path, struct sandbox_template **ret_template, struct error *err)
{
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;

    if (file_read(path, MAX_FILE_BYTES, &text, err) < 0)
        return -1;
    return sandbox_template_parse(strbuf_text(&text), text.length, path, ret_template, err);
}

void sandbox_template_free(struct sandbox_template *template)
{
    if (!template)
        return;
    json_decref(template->pod);
    json_map_free(&template->labels);
    json_map_free(&template->annotations);
    free(template);
}

static int check_amounts(const json_t *resources, const char *name, struct error *err)
{
    struct json_map amounts = {0};
    const json_t *object = NULL;

    int read =
        read_object(resources, name, name, &object, err) < 0 ? -1 : read_map(object, name, &amounts, err);
    for (size_t i = 0; read == 0 && i < amounts.count; i++)
        if (!is_quantity(amounts.pairs[i].value))
            read = error_set(err, ERR_INVALID, "%s.%.60s: want a quantity such as 500m, 2 or 512Mi", name,
                             amounts.pairs[i].key);
    json_map_free(&amounts);
    return read;
}

int container_resources_parse(const char *text, json_t **ret_resources, struct error *err)
{
    static const char *const known[] = {"limits", "requests", NULL};
    SCOPED(json) json_t *resources = NULL;

    if (json_parse(text, strlen(text), "JSON", &resources, err) < 0)
        return -1;
    if (!json_is_object(resources))
        return error_set(err, ERR_INVALID, "want an object with limits and requests");
    if (check_members(resources, known, "", err) < 0 || check_amounts(resources, "limits", err) < 0 ||
        check_amounts(resources, "requests", err) < 0)
        return -1;
    *ret_resources = TAKE(resources);
    return 0;
}

/* -- merging --------------------------------------------------------------------------------------------------- */

static void add_missing(const struct json_map *from, struct json_map *into)
{
    for (size_t i = 0; i < from->count; i++)
        if (!json_map_get(into, from->pairs[i].key))
            json_map_set(into, from->pairs[i].key, from->pairs[i].value);
}

void sandbox_template_label(const struct sandbox_template *template, struct json_map *labels,
                            struct json_map *annotations)
{
    if (!template)
        return;
    add_missing(&template->labels, labels);
    add_missing(&template->annotations, annotations);
}

/* The template is copied, never shared: it is read by many threads, and json_t counts its references. */
static void fill_in(json_t *into, const json_t *from)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)from, name, value)
    {
        json_t *have = json_object_get(into, name);

        if (!have || json_is_null(have))
            (void)json_object_set_new(into, name, json_deep_copy(value));
        else if (json_is_object(have) && json_is_object(value))
            fill_in(have, value);
    }
}

static bool has_name(const json_t *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        const char *other = json_path_string(json_array_get(list, i), "name");
        if (name && other && strcmp(name, other) == 0)
            return true;
    }
    return false;
}

/* Adds to object.member those of `more` whose names are not used there by what was generated. */
static void add_named(json_t *object, const char *member, const json_t *more)
{
    json_t *list = json_object_get(object, member), *item;
    size_t generated = json_array_size(list), at;

    if (json_array_size(more) == 0)
        return;
    if (!list) {
        list = json_array();
        (void)json_object_set_new(object, member, list);
    }
    json_array_foreach((json_t *)more, at,
                       item) if (!has_name(list, generated, json_path_string(item, "name")))(void)
        json_array_append_new(list, json_deep_copy(item));
}

/* The container of the template that stands for the sandbox's own, or NULL. */
static const json_t *main_container(const json_t *pod)
{
    const json_t *containers = json_path(pod, "spec.containers");
    json_t *container;
    size_t at;

    json_array_foreach((json_t *)containers, at, container)
    {
        const char *name = json_path_string(container, "name");
        if (name && strcmp(name, "sandbox") == 0)
            return container;
    }
    return json_array_get(containers, 0);
}

void sandbox_template_fill(const struct sandbox_template *template, json_t *pod)
{
    if (!template)
        return;
    json_t *spec = json_object_get(pod, "spec");
    json_t *container = json_array_get(json_object_get(spec, "containers"), 0);

    add_named(spec, "volumes", json_path(template->pod, "spec.volumes"));
    add_named(container, "volumeMounts", json_object_get(main_container(template->pod), "volumeMounts"));
    fill_in(pod, template->pod);
}

/* -- platform -------------------------------------------------------------------------------------------------- */

static bool holds(const json_t *values, const char *wanted)
{
    json_t *value;
    size_t at;

    json_array_foreach((json_t *)values, at, value)
    {
        if (json_is_string(value) && strcmp(json_string_value(value), wanted) == 0)
            return true;
    }
    return false;
}

/* Does this term of a node affinity keep out the nodes whose label `key` is `wanted`? */
static bool keeps_out(const json_t *term, const char *key, const char *wanted)
{
    json_t *expression;
    size_t at;

    json_array_foreach(json_object_get(term, "matchExpressions"), at, expression)
    {
        const char *name = json_path_string(expression, "key"),
                   *how = json_path_string(expression, "operator");
        const json_t *values = json_object_get(expression, "values");

        if (!name || !how || strcmp(name, key) != 0)
            continue;
        if ((strcmp(how, "In") == 0 && !holds(values, wanted)) ||
            (strcmp(how, "NotIn") == 0 && holds(values, wanted)) || strcmp(how, "DoesNotExist") == 0)
            return true;
    }
    return false;
}

static int check_label(const json_t *pod, const char *key, const char *wanted, struct error *err)
{
    static const char path[] =
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    /* Not by json_path: the keys have dots. */
    const json_t *selector = json_path(pod, "spec.nodeSelector"), *terms = json_path(pod, path);
    const char *selected = json_string_value(json_object_get(selector, key));
    size_t out = 0, at;
    json_t *term;

    if (selected && strcmp(selected, wanted) != 0)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "platform: \"%.40s\" is not possible here, the server's nodeSelector wants %s=%.40s",
                      wanted, key, selected);
    json_array_foreach((json_t *)terms, at, term) out += keeps_out(term, key, wanted);
    if (out > 0 && out == json_array_size(terms))
        return refuse(
            err, CODE_INVALID_PARAMETER,
            "platform: \"%.40s\" is not possible here, the server's node affinity keeps %s=%.40s out", wanted,
            key, wanted);
    return 0;
}

int sandbox_template_check_platform(const struct sandbox_template *template, const char *os, const char *arch,
                                    struct error *err)
{
    if (!template || !os)
        return 0;
    if (check_label(template->pod, "kubernetes.io/os", os, err) < 0 ||
        check_label(template->pod, "kubernetes.io/arch", arch, err) < 0)
        return -1;
    return 0;
}
