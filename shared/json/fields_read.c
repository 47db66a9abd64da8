/* json_read(): a walk over the field table that knows where in the document it is. */
#include "shared/json/json.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/strbuf.h"

/* Where the walk is: "layers", [2], "digest". Lives in the frames of the walk. */
struct place {
    const struct place *outer; /* NULL at the document itself */
    const char *name;          /* of a member; NULL for an item */
    size_t index;              /* of an item */
};

enum { PLACE_TEXT_MAX = 200 }; /* member names come from outside, too */

static void spell(const struct place *place, struct strbuf *out)
{
    if (place->outer)
        spell(place->outer, out);
    if (!place->name)
        (void)strbuf_addf(out, "[%zu]", place->index); /* what exceeds the limit is left out of the message */
    else if (*place->name)
        (void)strbuf_addf(out, "%s%s", out->length ? "." : "", place->name);
}

static int fail_at(const struct place *place, enum error_code code, const char *story, struct error *err)
{
    SCOPED_STRBUF struct strbuf path = {.limit = PLACE_TEXT_MAX};
    spell(place, &path);
    return error_set(err, code, "%s%s%s", strbuf_text(&path), path.length ? ": " : "", story);
}

static const char *kind_name(const json_t *value)
{
    if (!value)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "an unknown kind"; /* of a later jansson */
}

static int wrong_kind(const struct place *place, const char *want, const json_t *value, struct error *err)
{
    SCOPED_STRBUF struct strbuf story = STRBUF_INIT;
    (void)strbuf_addf(&story, "want %s, got %s", want, kind_name(value));
    return fail_at(place, ERR_INVALID, strbuf_text(&story), err);
}

static const char *wanted(enum json_kind kind)
{
    switch (kind) {
    case JSON_STR:
        return "a string";
    case JSON_BOOL:
    case JSON_TRISTATE:
        return "a boolean";
    case JSON_INT32:
    case JSON_INT64:
        return "a whole number";
    case JSON_SIZE:
        return "a whole number of at least 0";
    case JSON_DIGEST:
        return "sha256: and 64 lowercase hex digits";
    case JSON_TIME:
        return "a date and time like 2029-06-01T10:00:00Z";
    case JSON_STR_LIST:
        return "an array of strings";
    case JSON_STR_MAP:
        return "an object with strings";
    case JSON_STRUCT:
    case JSON_ANY_OBJECT:
        return "an object";
    case JSON_LIST:
    case JSON_ANY_ARRAY:
        return "an array";
    case JSON_ANY:
        return "a value";
    }
    return "another kind";
}

static int read_string(const json_t *value, const struct place *place, char **out, struct error *err)
{
    if (!json_is_string(value))
        return wrong_kind(place, "a string", value, err);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return fail_at(place, ERR_INVALID, "want a string without NUL characters", err);
    *out = xstrdup(json_string_value(value));
    return 0;
}

static int read_number(const json_t *value, const struct json_field *field, const struct place *place,
                       void *out, struct error *err)
{
    if (!json_is_integer(value))
        return wrong_kind(place, wanted(field->kind), value, err);
    int64_t number = json_integer_value(value);
    if (field->kind == JSON_INT32 && (number < INT32_MIN || number > INT32_MAX))
        return fail_at(place, ERR_INVALID, "want a whole number of 32 bits", err);
    if (field->kind == JSON_SIZE && number < 0)
        return fail_at(place, ERR_INVALID, "want a whole number of at least 0, got a negative one", err);
    if (field->kind == JSON_INT32)
        *(int32_t *)out = (int32_t)number;
    else
        *(int64_t *)out = number; /* of a JSON_SIZE, too: the unsigned twin of the same type */
    return 0;
}

static int read_boolean(const json_t *value, const struct json_field *field, const struct place *place,
                        void *out, struct error *err)
{
    if (!json_is_boolean(value))
        return wrong_kind(place, wanted(field->kind), value, err);
    if (field->kind == JSON_BOOL)
        *(bool *)out = json_is_true(value);
    else
        *(int *)out = json_is_true(value) ? 1 : 0;
    return 0;
}

static int read_special_text(const json_t *value, const struct json_field *field, const struct place *place,
                             void *out, struct error *err)
{
    struct error why = {0};
    if (!json_is_string(value))
        return wrong_kind(place, wanted(field->kind), value, err);
    const char *text = json_string_value(value);
    int done = field->kind == JSON_DIGEST ? digest_parse(text, out, &why) : rfc3339_parse(text, out, &why);
    return done < 0 ? fail_at(place, why.code, why.text, err) : 0;
}

static int make_room(size_t count, size_t size, const struct place *place, void **ret_room, struct error *err)
{
    if (count == 0)
        return 0;
    void *room = calloc(count, size);
    if (!room)
        return fail_at(place, ERR_EXHAUSTED, "too many items for this machine's memory", err);
    *ret_room = room;
    return 0;
}

static int read_strings(const json_t *value, const struct place *place, struct json_strings *out,
                        struct error *err)
{
    if (!json_is_array(value))
        return wrong_kind(place, wanted(JSON_STR_LIST), value, err);
    size_t count = json_array_size(value);
    if (make_room(count, sizeof(*out->items), place, (void **)&out->items, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct place item = {.outer = place, .index = i};
        if (read_string(json_array_get(value, i), &item, &out->items[i], err) < 0)
            return -1;
        out->count = i + 1;
    }
    return 0;
}

static int read_map(const json_t *value, const struct json_field *field, const struct place *place,
                    struct json_map *out, struct error *err)
{
    const char *key;
    json_t *member;

    if (!json_is_object(value))
        return wrong_kind(place, wanted(JSON_STR_MAP), value, err);
    if (make_room(json_object_size(value), sizeof(*out->pairs), place, (void **)&out->pairs, err) < 0)
        return -1;
    json_object_foreach((json_t *)value, key, member)
    {
        struct place item = {.outer = place, .name = key};
        struct json_pair *pair = &out->pairs[out->count];
        bool kept_null = json_is_null(member) && (field->flags & JSON_NULLABLE_VALUES);
        if (!kept_null && read_string(member, &item, &pair->value, err) < 0)
            return -1;
        pair->key = xstrdup(key);
        out->count++;
    }
    return 0;
}

static int read_members(const json_t *object, const struct json_field *fields, const struct place *place,
                        char *out, struct error *err);

static int read_list(const json_t *value, const struct json_field *field, const struct place *place,
                     struct json_list *out, struct error *err)
{
    if (!json_is_array(value))
        return wrong_kind(place, wanted(field->kind), value, err);
    size_t count = json_array_size(value);
    if (make_room(count, field->item_size, place, &out->items, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct place item = {.outer = place, .index = i};
        out->count = i + 1; /* before it is filled: what a failure leaves half-filled is freed, too */
        if (read_members(json_array_get(value, i), field->fields, &item,
                         (char *)out->items + i * field->item_size, err) < 0)
            return -1;
    }
    return 0;
}

static int keep_value(json_t *value, const struct json_field *field, const struct place *place, json_t **out,
                      struct error *err)
{
    bool fits = field->kind == JSON_ANY || (field->kind == JSON_ANY_OBJECT && json_is_object(value)) ||
                (field->kind == JSON_ANY_ARRAY && json_is_array(value));
    if (!fits)
        return wrong_kind(place, wanted(field->kind), value, err);
    *out = json_incref(value);
    return 0;
}

static int read_value(json_t *value, const struct json_field *field, const struct place *place, void *out,
                      struct error *err)
{
    switch (field->kind) {
    case JSON_STR:
        return read_string(value, place, out, err);
    case JSON_BOOL:
    case JSON_TRISTATE:
        return read_boolean(value, field, place, out, err);
    case JSON_INT32:
    case JSON_INT64:
    case JSON_SIZE:
        return read_number(value, field, place, out, err);
    case JSON_DIGEST:
    case JSON_TIME:
        return read_special_text(value, field, place, out, err);
    case JSON_STR_LIST:
        return read_strings(value, place, out, err);
    case JSON_STR_MAP:
        return read_map(value, field, place, out, err);
    case JSON_STRUCT:
        return read_members(value, field->fields, place, out, err);
    case JSON_LIST:
        return read_list(value, field, place, out, err);
    case JSON_ANY:
    case JSON_ANY_OBJECT:
    case JSON_ANY_ARRAY:
        return keep_value(value, field, place, out, err);
    }
    return fail_at(place, ERR_INTERNAL, "the field table names no such kind", err);
}

/* Zero is "absent" for every kind but one. */
static void mark_absent(const struct json_field *field, char *out)
{
    if (field->kind == JSON_TRISTATE)
        *(int *)(void *)out = -1;
    if (field->kind == JSON_STRUCT)
        for (const struct json_field *inner = field->fields; inner->name; inner++)
            mark_absent(inner, out + inner->offset);
}

static int read_members(const json_t *object, const struct json_field *fields, const struct place *place,
                        char *out, struct error *err)
{
    if (!json_is_object(object))
        return wrong_kind(place, "an object", object, err);
    for (const struct json_field *field = fields; field->name; field++) {
        struct place member = {.outer = place, .name = field->name};
        json_t *value = json_object_get(object, field->name);
        bool absent = !value || json_is_null(value);
        if (absent && (field->flags & JSON_REQUIRED))
            return wrong_kind(&member, wanted(field->kind), value, err);
        if (absent)
            mark_absent(field, out + field->offset);
        else if (read_value(value, field, &member, out + field->offset, err) < 0)
            return -1;
    }
    return 0;
}

int json_read(const json_t *object, const struct json_field *fields, const char *what, void *out,
              struct error *err)
{
    struct place document = {.name = what};
    if (read_members(object, fields, &document, out, err) == 0)
        return 0;
    json_free_fields(fields, out);
    return -1;
}
