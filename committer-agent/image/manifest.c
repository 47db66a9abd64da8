#include "committer-agent/image/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/image/document.h"
#include "shared/base/alloc.h"

/* The document as it is written; struct descriptor is what it means. */
struct manifest_doc {
    int32_t schema_version;
    char *media_type;
    struct descriptor_doc config;
    struct json_list layers; /* struct descriptor_doc */
    struct json_map annotations;
};

const struct json_field descriptor_doc_fields[] = {
    {"mediaType", JSON_STR, offsetof(struct descriptor_doc, media_type), JSON_REQUIRED, NULL, 0},
    {"digest", JSON_DIGEST, offsetof(struct descriptor_doc, digest), JSON_REQUIRED, NULL, 0},
    {"size", JSON_SIZE, offsetof(struct descriptor_doc, size_bytes), JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field manifest_fields[] = {
    {"schemaVersion", JSON_INT32, offsetof(struct manifest_doc, schema_version), JSON_REQUIRED, NULL, 0},
    {"mediaType", JSON_STR, offsetof(struct manifest_doc, media_type), JSON_OPTIONAL, NULL, 0},
    {"config", JSON_STRUCT, offsetof(struct manifest_doc, config), JSON_REQUIRED, descriptor_doc_fields, 0},
    {"layers", JSON_LIST, offsetof(struct manifest_doc, layers), JSON_REQUIRED, descriptor_doc_fields,
     sizeof(struct descriptor_doc)},
    {"annotations", JSON_STR_MAP, offsetof(struct manifest_doc, annotations), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

int document_parse(const char *bytes, size_t length, size_t max_bytes, const char *what, json_t **ret_doc,
                   struct error *err)
{
    if (length > max_bytes)
        return error_set(err, ERR_EXHAUSTED, "%s: %zu bytes, more than the limit of %zu", what, length,
                         max_bytes);
    return json_parse(bytes, length, what, ret_doc, err);
}

int document_version(int32_t schema_version, const char *what, struct error *err)
{
    if (schema_version == 2)
        return 0;
    return error_set(err, ERR_INVALID, "%s: schemaVersion: want 2, got %d", what, schema_version);
}

static struct descriptor descriptor_of(const struct descriptor_doc *doc)
{
    return (struct descriptor){media_type_parse(doc->media_type), doc->digest, doc->size_bytes};
}

static struct descriptor_doc descriptor_to_oci(const struct descriptor *descriptor)
{
    return (struct descriptor_doc){
        .media_type =
            (char *)media_type_text(media_type_to_oci(descriptor->media_type)), /* borrowed: never freed */
        .digest = descriptor->digest,
        .size_bytes = descriptor->size_bytes,
    };
}

static int check_types(const struct manifest_doc *doc, const char *what, struct error *err)
{
    const struct descriptor_doc *layers = doc->layers.items;

    if (doc->media_type && !media_type_is_manifest(media_type_parse(doc->media_type)))
        return error_set(err, ERR_INVALID,
                         "%s: mediaType: want an OCI or docker image manifest, got \"%.80s\"", what,
                         doc->media_type);
    if (!media_type_is_config(media_type_parse(doc->config.media_type)))
        return error_set(err, ERR_INVALID,
                         "%s: config.mediaType: want an OCI or docker image config, got \"%.80s\"", what,
                         doc->config.media_type);
    for (size_t i = 0; i < doc->layers.count; i++)
        if (!media_type_is_layer(media_type_parse(layers[i].media_type)))
            return error_set(err, ERR_INVALID,
                             "%s: layers[%zu].mediaType: want a distributable tar, tar+gzip or tar+zstd "
                             "layer, got \"%.80s\"",
                             what, i, layers[i].media_type);
    return 0;
}

static void manifest_of(struct manifest_doc *doc, struct manifest *manifest)
{
    const struct descriptor_doc *layers = doc->layers.items;

    manifest->config = descriptor_of(&doc->config);
    manifest->layer_count = doc->layers.count;
    manifest->layers = xcalloc(doc->layers.count + 1, sizeof(*manifest->layers));
    for (size_t i = 0; i < doc->layers.count; i++)
        manifest->layers[i] = descriptor_of(&layers[i]);
    manifest->annotations = doc->annotations;
    doc->annotations = (struct json_map){0};
}

int manifest_parse(const char *bytes, size_t length, const char *what, struct manifest *ret_manifest,
                   struct error *err)
{
    SCOPED(json)
    json_t *json = NULL;
    struct manifest_doc doc = {0};

    if (document_parse(bytes, length, MANIFEST_MAX_BYTES, what, &json, err) < 0 ||
        json_read(json, manifest_fields, what, &doc, err) < 0)
        return -1;
    int result = document_version(doc.schema_version, what, err);
    if (result == 0 && doc.layers.count > MANIFEST_MAX_LAYERS)
        result = error_set(err, ERR_EXHAUSTED, "%s: layers: %zu, more than the limit of %d", what,
                           doc.layers.count, MANIFEST_MAX_LAYERS);
    if (result == 0)
        result = check_types(&doc, what, err);
    if (result == 0)
        manifest_of(&doc, ret_manifest);
    json_free_fields(manifest_fields, &doc);
    return result;
}

void manifest_done(struct manifest *manifest)
{
    free(manifest->layers);
    json_map_free(&manifest->annotations);
    *manifest = (struct manifest){0};
}

int manifest_add_layer(struct manifest *manifest, const struct descriptor *layer, struct error *err)
{
    if (manifest->layer_count >= MANIFEST_MAX_LAYERS)
        return error_set(err, ERR_EXHAUSTED, "the image has %zu layers already, the limit is %d",
                         manifest->layer_count, MANIFEST_MAX_LAYERS);
    manifest->layers = xrealloc_array(manifest->layers, manifest->layer_count + 1, sizeof(*manifest->layers));
    manifest->layers[manifest->layer_count++] = *layer;
    return 0;
}

int manifest_format(const struct manifest *manifest, struct strbuf *ret_bytes, struct descriptor *ret_self,
                    struct error *err)
{
    SCOPED(memory)
    struct descriptor_doc *layers = xcalloc(manifest->layer_count + 1, sizeof(*layers));
    for (size_t i = 0; i < manifest->layer_count; i++)
        layers[i] = descriptor_to_oci(&manifest->layers[i]);
    struct manifest_doc doc = {
        .schema_version = 2,
        .media_type = (char *)media_type_text(MEDIA_OCI_MANIFEST),
        .config = descriptor_to_oci(&manifest->config),
        .layers = {layers, manifest->layer_count},
        .annotations = manifest->annotations,
    };
    SCOPED(json)
    json_t *json = json_write(manifest_fields, &doc); /* only reads: everything above is borrowed */
    SCOPED(string)
    char *text = json_text(json);
    size_t length = strlen(text);

    if (length > MANIFEST_MAX_BYTES)
        return error_set(err, ERR_EXHAUSTED, "the manifest has %zu bytes, more than the limit of %u", length,
                         MANIFEST_MAX_BYTES);
    strbuf_reset(ret_bytes);
    if (!strbuf_append(ret_bytes, text, length))
        return error_set(err, ERR_EXHAUSTED, "the manifest has %zu bytes, more than its buffer takes",
                         length);
    *ret_self = (struct descriptor){MEDIA_OCI_MANIFEST, digest_of(text, length), length};
    return 0;
}

int manifest_media_type(const char *bytes, size_t length, enum media_type *ret_type, struct error *err)
{
    SCOPED(json)
    json_t *json = NULL;

    if (document_parse(bytes, length, MANIFEST_MAX_BYTES, "manifest", &json, err) < 0)
        return -1;
    bool lists_manifests = json_object_get(json, "manifests") != NULL;
    bool lists_layers = json_object_get(json, "layers") != NULL || json_object_get(json, "config") != NULL;
    const char *text = json_string_value(json_object_get(json, "mediaType"));
    enum media_type type = media_type_parse(text);

    if (lists_manifests && lists_layers)
        return error_set(err, ERR_INVALID,
                         "manifest: it is an index (manifests) and an image (config, layers) at once");
    if (!lists_manifests && !lists_layers)
        return error_set(err, ERR_INVALID, "manifest: neither an index nor an image manifest of schema 2");
    if (!text)
        type = lists_manifests ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST;
    if (lists_manifests ? !media_type_is_index(type) : !media_type_is_manifest(type))
        return error_set(err, ERR_INVALID, "manifest: mediaType \"%.80s\" does not fit its members",
                         text ? text : "");
    *ret_type = type;
    return 0;
}
