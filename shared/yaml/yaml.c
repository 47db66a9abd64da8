#include "shared/yaml/yaml.h"

#include <string.h>
#include <yaml.h>

#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "shared/json/secret.h"
#include "shared/yaml/scalar.h"

/* A container that is being filled; key: the one that waits for its value (objects only). */
struct level {
    json_t *value;
    char *key;
};

struct reader {
    const char *what;
    enum yaml_scalars scalars;
    struct level levels[YAML_DEPTH_MAX];
    size_t depth;
    json_t *root; /* NULL: not seen yet */
};

static int refuse(const struct reader *reader, const yaml_mark_t *mark, const char *why, struct error *err)
{
    return error_set(err, ERR_INVALID, "%s: line %zu column %zu: %s", reader->what, mark->line + 1,
                     mark->column + 1, why);
}

/* Takes the value over. */
static int place(struct reader *reader, json_t *value, const yaml_mark_t *mark, struct error *err)
{
    struct level *level = reader->depth ? &reader->levels[reader->depth - 1] : NULL;

    if (!level) {
        reader->root = value;
    } else if (json_is_array(level->value)) {
        json_array_append_new(level->value, value);
    } else if (!level->key) {
        json_secret_free(value);
        return refuse(reader, mark, "want a text as key", err);
    } else {
        json_object_set_new(level->value, level->key, value);
        free(TAKE(level->key));
    }
    return 0;
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static int place_typed(struct reader *reader, const yaml_event_t *event, const char *text, struct error *err)
{
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (event->data.scalar.tag)
        return refuse(reader, &event->start_mark, "tags (!!type) are not read here", err);
    json_t *value = plain ? yaml_scalar(text) : json_string(text);
    if (!value)
        return refuse(reader, &event->start_mark,
                      "want true or false, a number of at most 64 bits, or a text in quotes", err);
    return place(reader, value, &event->start_mark, err);
}

static int take_scalar(struct reader *reader, const yaml_event_t *event, struct error *err)
{
    struct level *level = reader->depth ? &reader->levels[reader->depth - 1] : NULL;
    const char *text = (const char *)event->data.scalar.value;

    if (strlen(text) != event->data.scalar.length)
        return refuse(reader, &event->start_mark, "NUL in a text", err);
    if (level && json_is_object(level->value) && !level->key) {
        if (json_object_get(level->value, text))
            return refuse(reader, &event->start_mark, "a key that was there before", err);
        level->key = strdup(text);
        return level->key ? 0 : refuse(reader, &event->start_mark, "no memory", err);
    }
    if (is_null(event))
        return place(reader, json_null(), &event->start_mark, err);
    if (reader->scalars == YAML_TYPED)
        return place_typed(reader, event, text, err);
    return place(reader, json_string(text), &event->start_mark, err);
}

static int open_level(struct reader *reader, json_t *value, const yaml_event_t *event, struct error *err)
{
    if (reader->depth == YAML_DEPTH_MAX) {
        json_decref(value);
        return refuse(reader, &event->start_mark, "nested too deeply", err);
    }
    if (place(reader, value, &event->start_mark, err) < 0)
        return -1;
    reader->levels[reader->depth++] = (struct level){.value = value}; /* borrowed from its parent */
    return 0;
}

static int take_event(struct reader *reader, const yaml_event_t *event, struct error *err)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(reader, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return open_level(reader, json_array(), event, err);
    case YAML_MAPPING_START_EVENT:
        return open_level(reader, json_object(), event, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reader->depth--;
        return 0;
    case YAML_ALIAS_EVENT:
        return refuse(reader, &event->start_mark, "aliases (*name) are not read here; write the value out",
                      err);
    case YAML_DOCUMENT_START_EVENT:
        return reader->root ? refuse(reader, &event->start_mark, "want one document", err) : 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

static void wipe_event(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT && event->data.scalar.value)
        explicit_bzero(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

static int read_events(struct reader *reader, yaml_parser_t *parser, struct error *err)
{
    bool ended = false;
    int result = 0;

    while (!ended && result == 0) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return refuse(reader, &parser->problem_mark, parser->problem ? parser->problem : "not YAML", err);
        result = take_event(reader, &event, err);
        ended = event.type == YAML_STREAM_END_EVENT;
        wipe_event(&event);
    }
    return result;
}

static void wipe_parser(yaml_parser_t *parser)
{
    if (parser->raw_buffer.start)
        explicit_bzero(parser->raw_buffer.start, (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
    if (parser->buffer.start)
        explicit_bzero(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
    yaml_parser_delete(parser);
}

int yaml_parse(const char *text, size_t length, enum yaml_scalars scalars, const char *what,
               json_t **ret_document, struct error *err)
{
    struct reader reader = {.what = what, .scalars = scalars};
    yaml_parser_t parser;

    if (!yaml_parser_initialize(&parser))
        return error_set(err, ERR_EXHAUSTED, "%s: no memory to read it", what);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    int result = read_events(&reader, &parser, err);
    wipe_parser(&parser);
    for (size_t i = 0; i < YAML_DEPTH_MAX; i++)
        free(reader.levels[i].key);
    if (result < 0) {
        json_secret_free(reader.root);
        return -1;
    }
    *ret_document = reader.root ? reader.root : json_null();
    return 0;
}
