#include "lifecycle-svc/rest/edits_json.h"

#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/cleanup.h"

struct renewal {
    int64_t expires_ms;
};

static const struct json_field renewal_fields[] = {
    {"expiresAt", JSON_TIME, offsetof(struct renewal, expires_ms), JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

int renewal_json_read(const char *body, size_t length, int64_t *ret_expires_ms, struct error *err)
{
    SCOPED(json) json_t *json = NULL;
    struct renewal renewal = {0};

    if (json_parse(body, length, "body", &json, err) < 0 ||
        json_read(json, renewal_fields, "", &renewal, err) < 0)
        return refuse_as(err, CODE_INVALID_PARAMETER);
    *ret_expires_ms = renewal.expires_ms;
    return 0;
}

/* The body is the map: its members are the client's own. */
int metadata_json_read(const char *body, size_t length, struct json_map *changes, struct error *err)
{
    SCOPED(json) json_t *json = NULL;
    const char *key;
    json_t *value;

    if (json_parse(body, length, "body", &json, err) < 0)
        return refuse_as(err, CODE_INVALID_PARAMETER);
    if (!json_is_object(json))
        return refuse(err, CODE_INVALID_PARAMETER, "want an object with strings, or null to remove");
    json_object_foreach(json, key, value)
    {
        if (!json_is_string(value) && !json_is_null(value))
            return refuse(err, CODE_INVALID_PARAMETER, "metadata key \"%.80s\": want a string or null", key);
        json_map_set(changes, key, json_string_value(value));
    }
    return 0;
}
