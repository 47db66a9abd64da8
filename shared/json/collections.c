#include "shared/json/json.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

static struct json_pair *find(const struct json_map *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->pairs[i].key, key) == 0)
            return &map->pairs[i];
    return NULL;
}

const char *json_map_get(const struct json_map *map, const char *key)
{
    const struct json_pair *pair = find(map, key);
    return pair ? pair->value : NULL;
}

void json_map_set(struct json_map *map, const char *key, const char *value)
{
    struct json_pair *pair = find(map, key);
    char *copy = value ? xstrdup(value) : NULL;

    if (!pair) {
        map->pairs = xrealloc_array(map->pairs, map->count + 1, sizeof(*map->pairs));
        pair = &map->pairs[map->count++];
        *pair = (struct json_pair){.key = xstrdup(key)};
    }
    free(pair->value);
    pair->value = copy;
}

void json_map_free(struct json_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        free(map->pairs[i].key);
        free(map->pairs[i].value);
    }
    free(map->pairs);
    *map = (struct json_map){0};
}

void json_strings_add(struct json_strings *list, const char *text)
{
    list->items = xrealloc_array(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = xstrdup(text);
}

void json_strings_free(struct json_strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct json_strings){0};
}
