/* snapshots.c - the routes of public snapshots. Spec: contract rest-api.md §12. */
#include <stdio.h>

#include "lifecycle-svc/rest/handlers.h"
#include "lifecycle-svc/rest/rest_call.h"
#include "lifecycle-svc/rest/snapshot_json.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

enum { OK = 200, ACCEPTED = 202, NO_CONTENT = 204 };

int rest_create_snapshot(struct rest_call *call, struct error *err)
{
    SCOPED_SNAPSHOT_VIEW struct snapshot_view view = {0};
    struct sandbox_caller caller = rest_caller(call);
    SCOPED(string) char *name = NULL;
    size_t length;
    const char *body = http_body(call->exchange, &length);

    if (snapshot_json_read(body, length, &name, err) < 0)
        return unreadable(call, "body");
    if (snapshot_create(call->service, call->match.params[0], name, &caller, &view, err) < 0)
        return -1;
    SCOPED(string) char *location = xasprintf("/v1/snapshots/%s", view.id);
    http_answer_header(call->exchange, "Location", location);
    return answer_json(call, ACCEPTED, snapshot_json(&view));
}

struct snapshot_reading {
    struct snapshot_query query;
    struct error *err;
    bool failed;
};

static void read_pair(void *self, const char *name, const char *value)
{
    struct snapshot_reading *reading = self;

    if (!reading->failed)
        reading->failed = snapshot_query_read_pair(&reading->query, name, value, reading->err) < 0;
}

int rest_list_snapshots(struct rest_call *call, struct error *err)
{
    struct snapshot_reading reading = {.query = {.page = 1, .page_size = LIST_DEFAULT_PAGE_SIZE}, .err = err};
    SCOPED_SNAPSHOT_PAGE struct snapshot_page page = {0};

    http_query_each(call->exchange, read_pair, &reading);
    int listed = reading.failed ? -1 : snapshot_list(call->service, &reading.query, &page, err);
    snapshot_query_done(&reading.query);
    if (reading.failed)
        return unreadable(call, "query");
    if (listed < 0)
        return -1;
    return answer_json(call, OK, snapshot_page_json(&page));
}

int rest_get_snapshot(struct rest_call *call, struct error *err)
{
    SCOPED_SNAPSHOT_VIEW struct snapshot_view view = {0};

    if (snapshot_get(call->service, call->match.params[0], &view, err) < 0)
        return -1;
    return answer_json(call, OK, snapshot_json(&view));
}

int rest_delete_snapshot(struct rest_call *call, struct error *err)
{
    if (snapshot_delete(call->service, call->match.params[0], err) < 0)
        return -1;
    return answer_empty(call, NO_CONTENT);
}
