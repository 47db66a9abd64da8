#include "committer-agent/image/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/image/manifest.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"

struct image_config {
    json_t *doc; /* the whole document, in its order; what we change is changed in here */
    struct platform platform;
    struct digest *diff_ids; /* of rootfs.diff_ids, kept in step with doc */
    size_t layer_count;
};

struct rootfs_doc {
    char *type;
    struct json_strings diff_ids;
};

struct config_doc {
    char *os, *architecture, *variant;
    struct rootfs_doc rootfs;
    json_t *history;
};

static const struct json_field rootfs_fields[] = {
    {"type", JSON_STR, offsetof(struct rootfs_doc, type), JSON_REQUIRED, NULL, 0},
    {"diff_ids", JSON_STR_LIST, offsetof(struct rootfs_doc, diff_ids), JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field config_fields[] = {
    {"os", JSON_STR, offsetof(struct config_doc, os), JSON_REQUIRED, NULL, 0},
    {"architecture", JSON_STR, offsetof(struct config_doc, architecture), JSON_REQUIRED, NULL, 0},
    {"variant", JSON_STR, offsetof(struct config_doc, variant), JSON_OPTIONAL, NULL, 0},
    {"rootfs", JSON_STRUCT, offsetof(struct config_doc, rootfs), JSON_REQUIRED, rootfs_fields, 0},
    {"history", JSON_ANY_ARRAY, offsetof(struct config_doc, history), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

void image_config_free(struct image_config *config)
{
    if (!config)
        return;
    json_decref(config->doc);
    free(config->diff_ids);
    free(config);
}

static int read_diff_ids(const struct json_strings *texts, const char *what, struct image_config *config,
                         struct error *err)
{
    if (texts->count > MANIFEST_MAX_LAYERS)
        return error_set(err, ERR_EXHAUSTED, "%s: rootfs.diff_ids: %zu, more than the limit of %d", what,
                         texts->count, MANIFEST_MAX_LAYERS);
    config->diff_ids = xcalloc(texts->count + 1, sizeof(*config->diff_ids));
    for (size_t i = 0; i < texts->count; i++)
        if (digest_parse(texts->items[i], &config->diff_ids[i], err) < 0)
            return error_wrap(err, "%s: rootfs.diff_ids[%zu]", what, i);
    config->layer_count = texts->count;
    return 0;
}

static int read_platform(const struct config_doc *doc, const char *what, struct platform *platform,
                         struct error *err)
{
    const char *variant = doc->variant ? doc->variant : "";

    if (strlen(doc->os) >= sizeof(platform->os) ||
        strlen(doc->architecture) >= sizeof(platform->architecture) ||
        strlen(variant) >= sizeof(platform->variant))
        return error_set(err, ERR_INVALID,
                         "%s: os, architecture, variant: want words of at most 31 characters", what);
    (void)snprintf(platform->os, sizeof(platform->os), "%s", doc->os);
    (void)snprintf(platform->architecture, sizeof(platform->architecture), "%s", doc->architecture);
    (void)snprintf(platform->variant, sizeof(platform->variant), "%s", variant);
    return 0;
}

static int read_doc(struct image_config *config, const char *what, struct error *err)
{
    struct config_doc doc = {0};

    if (json_read(config->doc, config_fields, what, &doc, err) < 0)
        return -1;
    int result = 0;
    if (strcmp(doc.rootfs.type, "layers") != 0)
        result = error_set(err, ERR_INVALID, "%s: rootfs.type: want \"layers\", got \"%.40s\"", what,
                           doc.rootfs.type);
    if (result == 0)
        result = read_platform(&doc, what, &config->platform, err);
    if (result == 0)
        result = read_diff_ids(&doc.rootfs.diff_ids, what, config, err);
    json_free_fields(config_fields, &doc);
    return result;
}

int image_config_parse(const char *bytes, size_t length, const char *what, struct image_config **ret_config,
                       struct error *err)
{
    SCOPED(image_config)
    struct image_config *config = xcalloc(1, sizeof(*config));

    if (length > IMAGE_CONFIG_MAX_BYTES)
        return error_set(err, ERR_EXHAUSTED, "%s: %zu bytes, more than the limit of %u", what, length,
                         IMAGE_CONFIG_MAX_BYTES);
    if (json_parse(bytes, length, what, &config->doc, err) < 0 || read_doc(config, what, err) < 0)
        return -1;
    *ret_config = TAKE(config);
    return 0;
}

size_t image_config_layer_count(const struct image_config *config)
{
    return config->layer_count;
}

const struct digest *image_config_diff_id(const struct image_config *config, size_t layer)
{
    return layer < config->layer_count ? &config->diff_ids[layer] : NULL;
}

bool image_config_chain_id(const struct image_config *config, struct digest *ret_chain_id)
{
    if (config->layer_count == 0)
        return false;
    struct digest chain = config->diff_ids[0];
    for (size_t i = 1; i < config->layer_count; i++) {
        SCOPED(string)
        char *pair = xasprintf("%s %s", chain.text, config->diff_ids[i].text);
        chain = digest_of(pair, strlen(pair));
    }
    *ret_chain_id = chain;
    return true;
}

struct platform image_config_platform(const struct image_config *config)
{
    return config->platform;
}

static bool made_a_layer(const json_t *entry)
{
    return !json_is_true(json_object_get(entry, "empty_layer"));
}

/* The history entry of a layer, as an index; -1: none. Counted from the top, where our own layers are: what a
 * base leaves out of its history it leaves out at the bottom. */
static long history_entry_of(const struct image_config *config, size_t layer)
{
    const json_t *history = json_object_get(config->doc, "history");
    size_t above = config->layer_count - 1 - layer;

    for (size_t i = json_array_size(history); i-- > 0;)
        if (made_a_layer(json_array_get(history, i)) && above-- == 0)
            return (long)i;
    return -1;
}

const char *image_config_layer_comment(const struct image_config *config, size_t layer)
{
    long entry = layer < config->layer_count ? history_entry_of(config, layer) : -1;
    if (entry < 0)
        return NULL;
    const json_t *history = json_object_get(config->doc, "history");
    return json_string_value(json_object_get(json_array_get(history, (size_t)entry), "comment"));
}

static json_t *time_value(int64_t unix_ms)
{
    char text[RFC3339_SIZE];
    return json_string(rfc3339_format_ms(unix_ms, text));
}

void image_config_set_created(struct image_config *config, int64_t unix_ms)
{
    (void)json_object_set_new(config->doc, "created",
                              time_value(unix_ms)); /* fails only when out of memory */
}

/* A history array, made when the base has none. */
static json_t *history_of(struct image_config *config)
{
    json_t *history = json_object_get(config->doc, "history");
    if (!json_is_array(history)) {
        history = json_array();
        (void)json_object_set_new(config->doc, "history", history);
    }
    return history;
}

/* Before ours is added, each layer below it has an entry: readers pair them by counting. */
static void pad_history(struct image_config *config, json_t *history)
{
    size_t entries = 0;
    for (size_t i = 0; i < json_array_size(history); i++)
        entries += made_a_layer(json_array_get(history, i));
    for (; entries < config->layer_count; entries++)
        (void)json_array_insert_new(history, 0, json_object());
}

int image_config_add_layer(struct image_config *config, const struct digest *diff_id,
                           const struct image_history *history, struct error *err)
{
    if (config->layer_count >= MANIFEST_MAX_LAYERS)
        return error_set(err, ERR_EXHAUSTED, "the image has %zu layers already, the limit is %d",
                         config->layer_count, MANIFEST_MAX_LAYERS);
    json_t *entry = json_object(), *entries = history_of(config);
    if (history->created_unix_ms)
        (void)json_object_set_new(entry, "created", time_value(history->created_unix_ms));
    (void)json_object_set_new(entry, "created_by", json_string(history->created_by));
    if (history->comment)
        (void)json_object_set_new(entry, "comment", json_string(history->comment));
    pad_history(config, entries);
    (void)json_array_append_new(entries, entry);
    (void)json_array_append_new(json_path(config->doc, "rootfs.diff_ids"), json_string(diff_id->text));
    config->diff_ids = xrealloc_array(config->diff_ids, config->layer_count + 1, sizeof(*config->diff_ids));
    config->diff_ids[config->layer_count++] = *diff_id;
    return 0;
}

void image_config_keep_layers(struct image_config *config, size_t keep)
{
    json_t *diff_ids = json_path(config->doc, "rootfs.diff_ids");

    while (config->layer_count > keep) {
        size_t top = config->layer_count - 1;
        long entry = history_entry_of(config, top);
        if (entry >= 0)
            (void)json_array_remove(json_object_get(config->doc, "history"), (size_t)entry);
        (void)json_array_remove(diff_ids, top);
        config->layer_count--;
    }
}

int image_config_format(const struct image_config *config, struct strbuf *ret_bytes, struct error *err)
{
    SCOPED(string)
    char *text = json_text(config->doc);
    size_t length = strlen(text);

    if (length > IMAGE_CONFIG_MAX_BYTES)
        return error_set(err, ERR_EXHAUSTED, "the image config has %zu bytes, more than the limit of %u",
                         length, IMAGE_CONFIG_MAX_BYTES);
    strbuf_reset(ret_bytes);
    if (!strbuf_append(ret_bytes, text, length))
        return error_set(err, ERR_EXHAUSTED, "the image config has %zu bytes, more than its buffer takes",
                         length);
    return 0;
}
