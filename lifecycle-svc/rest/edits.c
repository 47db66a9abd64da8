/* edits.c - the routes that change a sandbox that is there: its expiry, its metadata. */
#include <stddef.h>

#include "lifecycle-svc/rest/handlers.h"
#include "lifecycle-svc/rest/rest_call.h"
#include "lifecycle-svc/rest/sandbox_json.h"
#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/metadata.h"
#include "lifecycle-svc/sandbox/renew.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"

enum { OK = 200 };

struct renewal {
    int64_t expires_ms;
};

static const struct json_field renewal_fields[] = {
    {"expiresAt", JSON_TIME, offsetof(struct renewal, expires_ms), JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

static int read_body(const struct rest_call *call, json_t **ret_body, struct error *err)
{
    size_t length;
    const char *body = http_body(call->exchange, &length);

    return json_parse(body, length, "body", ret_body, err);
}

int rest_renew_sandbox(struct rest_call *call, struct error *err)
{
    SCOPED(json) json_t *body = NULL;
    struct renewal renewal = {0};
    char text[RFC3339_SIZE];
    int64_t written_ms;

    if (read_body(call, &body, err) < 0 || json_read(body, renewal_fields, "", &renewal, err) < 0) {
        (void)refuse_as(err, CODE_INVALID_PARAMETER);
        return unreadable(call, "body");
    }
    if (sandbox_renew(call->service, call->match.params[0], renewal.expires_ms, &written_ms, err) < 0)
        return -1;
    return answer_json(call, OK, json_pack("{s:s}", "expiresAt", rfc3339_format(written_ms / 1000, text)));
}

/* The body is the map: its members are the client's own. */
static int read_changes(const struct rest_call *call, struct json_map *ret_changes, struct error *err)
{
    SCOPED(json) json_t *body = NULL;
    const char *key;
    json_t *value;

    if (read_body(call, &body, err) < 0)
        return refuse_as(err, CODE_INVALID_PARAMETER);
    if (!json_is_object(body))
        return refuse(err, CODE_INVALID_PARAMETER, "want an object with strings, or null to remove");
    json_object_foreach(body, key, value)
    {
        if (!json_is_string(value) && !json_is_null(value))
            return refuse(err, CODE_INVALID_PARAMETER, "metadata key \"%.80s\": want a string or null", key);
        json_map_set(ret_changes, key, json_string_value(value));
    }
    return 0;
}

int rest_patch_metadata(struct rest_call *call, struct error *err)
{
    struct json_map changes = {0};
    SCOPED_VIEW struct sandbox_view view = {0};

    int read = read_changes(call, &changes, err);
    int patched =
        read < 0 ? -1 : sandbox_patch_metadata(call->service, call->match.params[0], &changes, &view, err);
    json_map_free(&changes);
    if (read < 0)
        return unreadable(call, "body");
    return patched < 0 ? -1 : answer_json(call, OK, sandbox_json(&view));
}
