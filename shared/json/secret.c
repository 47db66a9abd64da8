#include "shared/json/secret.h"

#include <string.h>

static void wipe_strings(json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;

    if (json_is_string(value))
        explicit_bzero((char *)json_string_value(value), json_string_length(value));
    json_object_foreach(value, key, member) wipe_strings(member);
    json_array_foreach(value, i, member) wipe_strings(member);
}

void json_secret_free(json_t *document)
{
    wipe_strings(document);
    json_decref(document);
}
