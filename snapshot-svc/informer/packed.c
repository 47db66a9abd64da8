#include "snapshot-svc/informer/packed.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

/* ---- packing: all strings lie in one block behind the struct ---- */

/* Where in the block each string begins, until the block has its place. */
struct layout {
    size_t key, ns, name, uid, phase, endpoints, labels, owners, json;
};

static size_t put(struct strbuf *block, const char *text)
{
    size_t at = block->length;

    (void)strbuf_append(block, text, strlen(text) + 1);
    return at;
}

static const char *text_or_empty(const json_t *json)
{
    const char *text = json_string_value(json);
    return text ? text : "";
}

static const char *member(const json_t *json, const char *path)
{
    return text_or_empty(json_path(json, path));
}

static size_t put_labels(struct strbuf *block, const json_t *json)
{
    size_t count = 0;
    const char *key;
    json_t *value;

    json_object_foreach(json_path(json, "metadata.labels"), key, value)
    {
        (void)put(block, key);
        (void)put(block, text_or_empty(value));
        count++;
    }
    return count;
}

static size_t put_owners(struct strbuf *block, const json_t *json)
{
    size_t i, count = 0;
    json_t *owner;

    json_array_foreach(json_path(json, "metadata.ownerReferences"), i, owner)
    {
        (void)put(block, member(owner, "uid"));
        count++;
    }
    return count;
}

static int append(const char *piece, size_t length, void *block)
{
    (void)strbuf_append(block, piece, length);
    return 0;
}

static void put_json(struct strbuf *block, const json_t *json)
{
    if (json_dump_callback(json, append, block, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
        abort(); /* a tree that was parsed can be written, and memory does not end here: see alloc.h */
}

static struct layout put_all(struct strbuf *block, const struct object *object, struct packed *packed)
{
    const json_t *json = object->json;
    struct layout at = {.key = put(block, object->key),
                        .ns = put(block, object->ns),
                        .name = put(block, object->name),
                        .uid = put(block, object->uid),
                        .phase = put(block, member(json, "status.phase"))};

    at.endpoints = put(
        block, text_or_empty(json_object_get(json_path(json, "metadata.annotations"), ANNOTATION_ENDPOINTS)));
    at.labels = block->length;
    packed->label_count = put_labels(block, json);
    at.owners = block->length;
    packed->owner_count = put_owners(block, json);
    at.json = block->length;
    put_json(block, json);
    packed->json_length = block->length - at.json;
    return at;
}

static int64_t created_unix_ms(const json_t *json)
{
    struct error ignored = {0};
    int64_t unix_ms = 0;

    (void)rfc3339_parse(member(json, "metadata.creationTimestamp"), &unix_ms, &ignored);
    return unix_ms;
}

static int32_t count_at(const json_t *json, const char *path)
{
    return (int32_t)json_integer_value(json_path(json, path));
}

struct packed *packed_new(const struct object *object)
{
    SCOPED_STRBUF struct strbuf block = STRBUF_INIT;
    struct packed packed = {
        .version = object->version,
        .created_unix_ms = created_unix_ms(object->json),
        .refs = 1,
        .signs = {.deleting = json_path(object->json, "metadata.deletionTimestamp") != NULL,
                  .ready = count_at(object->json, "status.ready"),
                  .allocated = count_at(object->json, "status.allocated")}};
    const struct layout at = put_all(&block, object, &packed);
    struct packed *own = xcalloc(1, sizeof(packed) + block.length);
    const char *base = memcpy(own + 1, block.bytes, block.length);

    packed.key = base + at.key;
    packed.ns = base + at.ns;
    packed.name = base + at.name;
    packed.uid = base + at.uid;
    packed.signs.phase = base + at.phase;
    packed.signs.endpoints = base + at.endpoints;
    packed.labels = base + at.labels;
    packed.owners = base + at.owners;
    packed.json = base + at.json;
    *own = packed;
    return own;
}

struct packed *packed_ref(struct packed *packed)
{
    if (packed)
        (void)__atomic_add_fetch(&packed->refs, 1, __ATOMIC_RELAXED);
    return packed;
}

void packed_unref(struct packed *packed)
{
    if (packed && __atomic_sub_fetch(&packed->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(packed);
}

/* ---- reading ---- */

struct object *packed_open(const struct packed *packed)
{
    struct object *object = NULL;
    struct error err = {0};

    if (!packed)
        return NULL;
    json_t *json = json_loadb(packed->json, packed->json_length, JSON_ALLOW_NUL, NULL);
    if (!json || object_adopt(json, &object, &err) < 0)
        abort(); /* it was adopted once and written by us */
    return object;
}

const char *packed_label(const struct packed *packed, const char *key)
{
    const char *at = packed->labels;

    for (size_t i = 0; i < packed->label_count; i++) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, key) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

/* ---- lists ---- */

void packed_list_add(struct packed_list *list, struct packed *packed)
{
    if ((list->count & (list->count - 1)) == 0) /* full at each power of two */
        list->items = xrealloc_array(list->items, list->count ? list->count * 2 : 1, sizeof(list->items[0]));
    list->items[list->count++] = packed_ref(packed);
}

void packed_list_done(struct packed_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        packed_unref(list->items[i]);
    free(list->items);
    *list = (struct packed_list)PACKED_LIST_INIT;
}

void packed_list_open(const struct packed_list *list, struct object_list *objects)
{
    for (size_t i = 0; i < list->count; i++) {
        SCOPED(object) struct object *object = packed_open(list->items[i]);
        object_list_add(objects, object);
    }
}
