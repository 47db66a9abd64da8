#include "lifecycle-svc/rest/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/rest/create_json.h"
#include "lifecycle-svc/rest/params.h"
#include "lifecycle-svc/rest/proxying.h"
#include "lifecycle-svc/rest/rest_call.h"
#include "lifecycle-svc/rest/sandbox_json.h"
#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/cleanup.h"

enum { OK = 200, ACCEPTED = 202, NO_CONTENT = 204 };

int rest_health(struct rest_call *call, struct error *err)
{
    (void)err; /* being able to answer is the answer */
    return answer_json(call, OK, json_pack("{s:s}", "status", "healthy"));
}

/* The contract's answer to a create does not say what the sandbox was made from. */
static void forget_source(struct sandbox_view *view)
{
    free(TAKE(view->image_uri));
    free(TAKE(view->snapshot_id));
}

int rest_create_sandbox(struct rest_call *call, struct error *err)
{
    SCOPED_CREATE_REQUEST struct create_request request = {0};
    SCOPED_VIEW struct sandbox_view view = {0};
    struct sandbox_caller caller = rest_caller(call);
    size_t length;
    const char *body = http_body(call->exchange, &length);

    if (create_json_read(body, length, &request, err) < 0)
        return unreadable(call, "body");
    if (sandbox_create(call->service, &request, &caller, &view, err) < 0)
        return -1;
    forget_source(&view);
    return answer_json(call, ACCEPTED, sandbox_json(&view));
}

struct list_reading {
    struct list_query query;
    struct error *err;
    bool failed;
};

static void read_list_pair(void *self, const char *name, const char *value)
{
    struct list_reading *reading = self;

    if (!reading->failed)
        reading->failed = list_query_read_pair(&reading->query, name, value, reading->err) < 0;
}

static bool is_metadata_error(const struct error *err)
{
    return strcmp(err->reason, contract_code_name(CODE_INVALID_METADATA_FORMAT)) == 0;
}

int rest_list_sandboxes(struct rest_call *call, struct error *err)
{
    struct list_reading reading = {.query = {.page = 1, .page_size = LIST_DEFAULT_PAGE_SIZE}, .err = err};
    SCOPED_SANDBOX_PAGE struct sandbox_page page = {0};

    http_query_each(call->exchange, read_list_pair, &reading);
    int listed = reading.failed ? -1 : sandbox_list(call->service, &reading.query, &page, err);
    list_query_done(&reading.query);
    if (reading.failed && !is_metadata_error(err))
        return unreadable(call, "query");
    if (listed < 0)
        return -1;
    return answer_json(call, OK, sandbox_page_json(&page));
}

int rest_get_sandbox(struct rest_call *call, struct error *err)
{
    SCOPED_VIEW struct sandbox_view view = {0};

    if (sandbox_get(call->service, call->match.params[0], &view, err) < 0)
        return -1;
    return answer_json(call, OK, sandbox_json(&view));
}

int rest_delete_sandbox(struct rest_call *call, struct error *err)
{
    if (sandbox_delete(call->service, call->match.params[0], err) < 0)
        return -1;
    return answer_empty(call, NO_CONTENT);
}

int rest_pause_sandbox(struct rest_call *call, struct error *err)
{
    struct sandbox_caller caller = rest_caller(call);
    int64_t generation; /* REST has no place for it */

    if (sandbox_pause(call->service, call->match.params[0], &caller, &generation, err) < 0)
        return -1;
    return answer_empty(call, ACCEPTED);
}

int rest_resume_sandbox(struct rest_call *call, struct error *err)
{
    struct sandbox_caller caller = rest_caller(call);
    int64_t generation; /* REST has no place for it */

    if (sandbox_resume(call->service, call->match.params[0], &caller, &generation, err) < 0)
        return -1;
    return answer_empty(call, ACCEPTED);
}

struct endpoint_query {
    bool through_proxy, expires_given;
    struct error *err;
    bool failed;
};

static void read_endpoint_pair(void *self, const char *name, const char *value)
{
    struct endpoint_query *query = self;
    int64_t ignored;
    int read = 0;

    if (query->failed)
        return;
    if (strcmp(name, "use_server_proxy") == 0) {
        read = param_read_bool(name, value, &query->through_proxy, query->err);
    } else if (strcmp(name, "expires") == 0) {
        query->expires_given = true;
        read = param_read_int(name, value, &ignored, query->err);
    }
    query->failed = read < 0;
}

static int refuse_endpoint_options(const struct endpoint_query *query, struct error *err)
{
    if (query->through_proxy && query->expires_given)
        return refuse(err, CODE_INVALID_PARAMETER, "use_server_proxy cannot be combined with expires");
    if (query->expires_given)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "expires: signed routes need gateway ingress, which is not configured");
    return 0;
}

int rest_get_endpoint(struct rest_call *call, struct error *err)
{
    struct endpoint_query query = {.err = err};
    struct sandbox_caller caller = rest_caller(call);
    SCOPED(string) char *address = NULL;
    int64_t port;

    if (param_read_int("port", call->match.params[1], &port, err) < 0)
        return unreadable(call, "path");
    http_query_each(call->exchange, read_endpoint_pair, &query);
    if (query.failed)
        return unreadable(call, "query");
    if (refuse_endpoint_options(&query, err) < 0 ||
        sandbox_endpoint(call->service, call->match.params[0], port, &caller, &address, err) < 0)
        return -1;
    SCOPED(string)
    char *through = query.through_proxy ? proxied_endpoint(call, call->match.params[0], port) : NULL;
    return answer_json(call, OK, json_pack("{s:o}", "endpoint", json_clean(through ? through : address)));
}

/* SDKs report how long a create took, and ignore the answer. */
int rest_take_event(struct rest_call *call, struct error *err)
{
    (void)err; /* nothing is read, so nothing can be wrong */
    return answer_empty(call, NO_CONTENT);
}

int rest_not_supported(struct rest_call *call, struct error *err)
{
    return refuse(err, CODE_API_NOT_SUPPORTED, "%s %s is not supported by this version of the server",
                  call->match.route->method, call->match.route->pattern);
}

int rest_no_pools(struct rest_call *call, struct error *err)
{
    return refuse(err, CODE_POOL_NOT_SUPPORTED,
                  "%s %s: pools are not supported by this version of the server", call->match.route->method,
                  call->match.route->pattern);
}
