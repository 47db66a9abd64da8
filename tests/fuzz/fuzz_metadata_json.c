/* PATCH /sandboxes/{id}/metadata: a body is refused with a code of the contract, or becomes a map whose JSON is read as the
 * same map. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/rest/edits_json.h"

static char *text_of(const struct json_map *changes)
{
    SCOPED(json) json_t *object = json_object();

    for (size_t i = 0; i < changes->count; i++)
        json_object_set_new(object, changes->pairs[i].key,
                            changes->pairs[i].value ? json_string(changes->pairs[i].value) : json_null());
    return json_text(object);
}

static bool are_equal(const struct json_map *a, const struct json_map *b)
{
    SCOPED(string) char *one = text_of(a);
    SCOPED(string) char *other = text_of(b);

    return strcmp(one, other) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_map changes = {0}, again = {0};
    struct error err = {0};

    if (metadata_json_read((const char *)data, size, &changes, &err) < 0) {
        FUZZ_CHECK(err.code == ERR_INVALID && *err.reason && *err.text);
    } else {
        SCOPED(string) char *text = text_of(&changes);
        FUZZ_CHECK(metadata_json_read(text, strlen(text), &again, &err) == 0 && are_equal(&changes, &again));
    }
    json_map_free(&changes);
    json_map_free(&again);
    return 0;
}
