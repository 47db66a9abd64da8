/* edits.c - the routes that change a sandbox that is there: its expiry, its metadata. */
#include "lifecycle-svc/rest/edits_json.h"
#include "lifecycle-svc/rest/handlers.h"
#include "lifecycle-svc/rest/rest_call.h"
#include "lifecycle-svc/rest/sandbox_json.h"
#include "lifecycle-svc/sandbox/metadata.h"
#include "lifecycle-svc/sandbox/renew.h"
#include "shared/base/clock.h"

enum { OK = 200 };

int rest_renew_sandbox(struct rest_call *call, struct error *err)
{
    char text[RFC3339_SIZE];
    int64_t wanted_ms, written_ms;
    size_t length;
    const char *body = http_body(call->exchange, &length);

    if (renewal_json_read(body, length, &wanted_ms, err) < 0)
        return unreadable(call, "body");
    if (sandbox_renew(call->service, call->match.params[0], wanted_ms, &written_ms, err) < 0)
        return -1;
    return answer_json(call, OK, json_pack("{s:s}", "expiresAt", rfc3339_format(written_ms / 1000, text)));
}

int rest_patch_metadata(struct rest_call *call, struct error *err)
{
    struct json_map changes = {0};
    SCOPED_VIEW struct sandbox_view view = {0};
    size_t length;
    const char *body = http_body(call->exchange, &length);

    int read = metadata_json_read(body, length, &changes, err);
    int patched =
        read < 0 ? -1 : sandbox_patch_metadata(call->service, call->match.params[0], &changes, &view, err);
    json_map_free(&changes);
    if (read < 0)
        return unreadable(call, "body");
    return patched < 0 ? -1 : answer_json(call, OK, sandbox_json(&view));
}
