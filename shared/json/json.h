/* json.h - JSON from outside becomes typed structs at the door, through one table per document.
 *
 *   static const struct json_field descriptor_fields[] = {
 *       {"mediaType", JSON_STR,    offsetof(struct descriptor, media_type), JSON_REQUIRED},
 *       {"digest",    JSON_DIGEST, offsetof(struct descriptor, digest),     JSON_REQUIRED},
 *       {"size",      JSON_SIZE,   offsetof(struct descriptor, size_bytes), JSON_REQUIRED},
 *       JSON_FIELDS_END,
 *   };
 *
 * One message shape: "layers[2].digest: want sha256: and 64 hex digits, got \"md5:...\"".
 * Unknown members are ignored. JSON null counts as absent. Messages never quote a value, except a digest or a time
 * of the wrong form: the rest may be secret. Built on jansson.
 * Threads: values and structs belong to one thread at a time; nothing here locks. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"

/* What the struct member is. */
enum json_kind {
    JSON_STR,        /* char *; malloc'ed */
    JSON_BOOL,       /* bool */
    JSON_TRISTATE,   /* int: -1 absent, 0 false, 1 true */
    JSON_INT32,      /* int32_t */
    JSON_INT64,      /* int64_t */
    JSON_SIZE,       /* uint64_t, >= 0 */
    JSON_DIGEST,     /* struct digest */
    JSON_TIME,       /* int64_t Unix milliseconds, from RFC 3339; 0 absent */
    JSON_STR_LIST,   /* struct json_strings */
    JSON_STR_MAP,    /* struct json_map: object with string values */
    JSON_STRUCT,     /* a nested struct, read by .fields (jansson has taken the name JSON_OBJECT) */
    JSON_LIST,       /* struct json_list of nested structs, read by .fields, each .item_size bytes */
    JSON_ANY,        /* json_t *: kept as it is, a new reference */
    JSON_ANY_OBJECT, /* json_t *: must be an object */
    JSON_ANY_ARRAY,  /* json_t *: must be an array */
};

enum {
    JSON_OPTIONAL = 0,
    JSON_REQUIRED = 1,
    JSON_NULLABLE_VALUES = 2 /* JSON_STR_MAP: null values are kept as NULL */
};

struct json_field {
    const char *name;
    enum json_kind kind;
    size_t offset;
    unsigned flags;
    const struct json_field *fields; /* JSON_STRUCT, JSON_LIST */
    size_t item_size;                /* JSON_LIST */
};
// clang-format off
#define JSON_FIELDS_END {NULL, JSON_STR, 0, 0, NULL, 0}
// clang-format on

struct json_strings {
    char **items;
    size_t count;
};

struct json_pair {
    char *key;
    char *value; /* NULL only with JSON_NULLABLE_VALUES */
};
struct json_map {
    struct json_pair *pairs; /* in document order */
    size_t count;
};
struct json_list {
    void *items;
    size_t count;
};

/* Parses text of known length, any JSON value (NUL characters and members named twice are refused, nesting is
 * bounded by jansson's 2048, size by the caller's length). *ret_doc is the caller's.
 * ERR_INVALID: "<what>: line 1 column 5: ...". */
int json_parse(const char *text, size_t length, const char *what, json_t **ret_doc, struct error *err);

/* Fills the zeroed struct at `out`. On failure what was filled so far is freed again.
 * An absent JSON_STRUCT is read as an empty one would be, so its JSON_TRISTATE members become -1.
 * ERR_INVALID: wrong kind, missing member, out of range; the path starts with `what` when that is not "".
 * ERR_EXHAUSTED: no memory for a JSON_LIST (count comes from the document, item_size from the table). */
int json_read(const json_t *object, const struct json_field *fields, const char *what, void *out,
              struct error *err);

/* Frees everything json_read put into `out` and zeroes it. */
void json_free_fields(const struct json_field *fields, void *out);

/* A new object holding every member that is not absent (NULL string, empty list or map, tristate -1, zero time,
 * unset digest); JSON_BOOL, JSON_INT*, JSON_SIZE are always written. A JSON_REQUIRED list, map or struct is
 * written even when empty. Any other JSON_STRUCT in which every member is absent, false or 0 is absent itself.
 * Bytes that are no UTF-8 become U+FFFD. */
json_t *json_write(const struct json_field *fields, const void *in);

const char *json_map_get(const struct json_map *map, const char *key);       /* NULL: absent */
void json_map_set(struct json_map *map, const char *key, const char *value); /* both are copied */
void json_map_free(struct json_map *map);
void json_strings_add(struct json_strings *list, const char *text);
void json_strings_free(struct json_strings *list);

/* Text without spaces; the caller frees. Members in sorted order when `canonical` (equal values, equal bytes). */
char *json_text(const json_t *value);
char *json_canonical(const json_t *value);

/* RFC 7396 merge patch: changes `target` in place and answers it, or a replacement (both owned by the caller).
 * `patch` is borrowed. */
json_t *json_merge_patch(json_t *target, const json_t *patch);

/* Borrowed value at a dotted path of object members ("spec.template.spec"), or NULL. */
json_t *json_path(const json_t *object, const char *path);
const char *json_path_string(const json_t *object, const char *path); /* NULL: absent or no string */

__attribute__((unused)) static inline void json_freep(json_t **value)
{
    json_decref(*value);
    *value = NULL;
}
