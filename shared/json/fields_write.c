/* The way out: a struct becomes JSON again, and gives back what json_read put into it. */
#include "shared/json/json.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/strbuf.h"
#include "shared/base/utf8.h"

/* ---- writing ---- */

static json_t *text_value(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    SCOPED_STRBUF struct strbuf clean = STRBUF_INIT;
    utf8_append_clean(&clean, text, strlen(text));
    return json_string(strbuf_text(&clean));
}

/* Takes value. The key of a map may be no UTF-8, as its value may. */
static void put(json_t *object, const char *name, json_t *value)
{
    if (json_object_set(object, name, value) < 0) {
        SCOPED_STRBUF struct strbuf clean = STRBUF_INIT;
        utf8_append_clean(&clean, name, strlen(name));
        (void)json_object_set(object, strbuf_text(&clean), value);
    }
    json_decref(value);
}

static json_t *strings_value(const struct json_strings *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(array, text_value(list->items[i]));
    return array;
}

static json_t *map_value(const struct json_map *map)
{
    json_t *object = json_object();
    for (size_t i = 0; i < map->count; i++)
        put(object, map->pairs[i].key, map->pairs[i].value ? text_value(map->pairs[i].value) : json_null());
    return object;
}

static json_t *list_value(const struct json_list *list, const struct json_field *field)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(
            array, json_write(field->fields, (const char *)list->items + i * field->item_size));
    return array;
}

static json_t *time_value(int64_t unix_ms)
{
    char text[RFC3339_SIZE];
    return json_string(unix_ms % 1000 ? rfc3339_format_ms(unix_ms, text)
                                      : rfc3339_format(unix_ms / 1000, text));
}

static bool any_set(const struct json_field *fields, const char *in);

/* Does it say more than a zeroed struct would? */
static bool is_set(const struct json_field *field, const void *in)
{
    switch (field->kind) {
    case JSON_STR:
    case JSON_ANY:
    case JSON_ANY_OBJECT:
    case JSON_ANY_ARRAY:
        return *(void *const *)in != NULL;
    case JSON_BOOL:
        return *(const bool *)in;
    case JSON_TRISTATE:
        return *(const int *)in >= 0;
    case JSON_INT32:
        return *(const int32_t *)in != 0;
    case JSON_INT64:
    case JSON_SIZE:
    case JSON_TIME:
        return *(const int64_t *)in != 0;
    case JSON_DIGEST:
        return digest_is_set(in);
    case JSON_STR_LIST:
        return ((const struct json_strings *)in)->count > 0;
    case JSON_STR_MAP:
        return ((const struct json_map *)in)->count > 0;
    case JSON_LIST:
        return ((const struct json_list *)in)->count > 0;
    case JSON_STRUCT:
        return any_set(field->fields, in);
    }
    return false;
}

static bool any_set(const struct json_field *fields, const char *in)
{
    for (const struct json_field *field = fields; field->name; field++)
        if (is_set(field, in + field->offset))
            return true;
    return false;
}

static bool is_written(const struct json_field *field, const void *in)
{
    switch (field->kind) {
    case JSON_BOOL:
    case JSON_INT32:
    case JSON_INT64:
    case JSON_SIZE:
        return true;
    case JSON_STR_LIST:
    case JSON_STR_MAP:
    case JSON_LIST:
    case JSON_STRUCT:
        return (field->flags & JSON_REQUIRED) || is_set(field, in);
    case JSON_STR:
    case JSON_TRISTATE:
    case JSON_TIME:
    case JSON_DIGEST:
    case JSON_ANY:
    case JSON_ANY_OBJECT:
    case JSON_ANY_ARRAY:
        return is_set(field, in);
    }
    return false;
}

static json_t *value_of(const struct json_field *field, const void *in)
{
    switch (field->kind) {
    case JSON_STR:
        return text_value(*(char *const *)in);
    case JSON_BOOL:
        return json_boolean(*(const bool *)in);
    case JSON_TRISTATE:
        return json_boolean(*(const int *)in > 0);
    case JSON_INT32:
        return json_integer(*(const int32_t *)in);
    case JSON_INT64:
    case JSON_SIZE:
        return json_integer(*(const int64_t *)in);
    case JSON_DIGEST:
        return json_string(((const struct digest *)in)->text);
    case JSON_TIME:
        return time_value(*(const int64_t *)in);
    case JSON_STR_LIST:
        return strings_value(in);
    case JSON_STR_MAP:
        return map_value(in);
    case JSON_STRUCT:
        return json_write(field->fields, in);
    case JSON_LIST:
        return list_value(in, field);
    case JSON_ANY:
    case JSON_ANY_OBJECT:
    case JSON_ANY_ARRAY:
        return json_incref(*(json_t *const *)in);
    }
    return json_null();
}

json_t *json_write(const struct json_field *fields, const void *in)
{
    json_t *object = json_object();
    for (const struct json_field *field = fields; field->name; field++) {
        const void *member = (const char *)in + field->offset;
        if (is_written(field, member))
            put(object, field->name, value_of(field, member));
    }
    return object;
}

/* ---- freeing ---- */

static void free_list(struct json_list *list, const struct json_field *field)
{
    for (size_t i = 0; i < list->count; i++)
        json_free_fields(field->fields, (char *)list->items + i * field->item_size);
    free(list->items);
    *list = (struct json_list){0};
}

static void free_value(const struct json_field *field, void *in)
{
    switch (field->kind) {
    case JSON_STR:
        string_freep(in);
        return;
    case JSON_BOOL:
        *(bool *)in = false;
        return;
    case JSON_TRISTATE:
        *(int *)in = 0;
        return;
    case JSON_INT32:
        *(int32_t *)in = 0;
        return;
    case JSON_INT64:
    case JSON_SIZE:
    case JSON_TIME:
        *(int64_t *)in = 0;
        return;
    case JSON_DIGEST:
        *(struct digest *)in = (struct digest){0};
        return;
    case JSON_STR_LIST:
        json_strings_free(in);
        return;
    case JSON_STR_MAP:
        json_map_free(in);
        return;
    case JSON_STRUCT:
        json_free_fields(field->fields, in);
        return;
    case JSON_LIST:
        free_list(in, field);
        return;
    case JSON_ANY:
    case JSON_ANY_OBJECT:
    case JSON_ANY_ARRAY:
        json_freep(in);
        return;
    }
}

void json_free_fields(const struct json_field *fields, void *out)
{
    for (const struct json_field *field = fields; field->name; field++)
        free_value(field, (char *)out + field->offset);
}
