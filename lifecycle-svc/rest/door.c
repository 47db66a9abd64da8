#include "lifecycle-svc/rest/door.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/rest/cors.h"
#include "lifecycle-svc/rest/handlers.h"
#include "lifecycle-svc/rest/rest_call.h"
#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "shared/log/log.h"

const char *const REST_TOO_LARGE_BODY = "{\"code\":\"GENERAL::PAYLOAD_TOO_LARGE\",\"message\":\"The request "
                                        "body is too large: want at most 1 MiB.\"}";

const char *const REST_TOO_LONG_HEAD = "{\"code\":\"GENERAL::HEADERS_TOO_LARGE\",\"message\":\"The request's "
                                       "header fields are too large: want at most 32 KiB.\"}";

static const char REQUEST_ID[] = "X-Request-ID";
static const char API_KEY[] = "OPEN-SANDBOX-API-KEY";
static const char BLANKS[] = " \t";

/* What the client named its request, trimmed; NULL: it did not. */
static char *own_request_id(const struct http_exchange *exchange)
{
    const char *given = http_header_get(exchange, REQUEST_ID);

    if (!given)
        return NULL;
    given += strspn(given, BLANKS);
    size_t length = strlen(given);
    while (length > 0 && strchr(BLANKS, given[length - 1]))
        length--;
    return length > 0 ? xstrndup(given, length) : NULL;
}

static int refuse_route(const struct rest_call *call, struct error *err)
{
    const char *method = http_method(call->exchange), *path = http_path(call->exchange);

    if (call->match.wrong_method)
        return refuse(err, CODE_METHOD_NOT_ALLOWED, "Method Not Allowed: %.16s %.200s", method, path);
    return refuse(err, CODE_ROUTE_NOT_FOUND, "Not Found: %.200s", path);
}

static int admit(const struct rest_door *door, struct rest_call *call, struct error *err)
{
    char seconds[24];
    int admitted =
        api_keys_admit(door->keys, http_header_get(call->exchange, API_KEY), &call->admission, err);

    if (call->admission.retry_after_s > 0) {
        (void)snprintf(seconds, sizeof(seconds), "%" PRId64, call->admission.retry_after_s);
        http_answer_header(call->exchange, "Retry-After", seconds);
    }
    return admitted;
}

/* The key comes before the route: without one, a stranger learns nothing of what exists. */
static int serve(const struct rest_door *door, struct rest_call *call, struct error *err)
{
    const char *path = http_path(call->exchange);

    if (!path_is_public(path) && admit(door, call, err) < 0)
        return -1;
    route_find(rest_routes, http_method(call->exchange), path, &call->match);
    if (!call->match.route)
        return refuse_route(call, err);
    return call->match.route->handle(call, err);
}

static void count(const struct rest_door *door, const struct rest_call *call, int status, int64_t elapsed_ms)
{
    static const double bounds_s[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
    const char *route = call->match.route ? call->match.route->pattern : "none";
    SCOPED_STRBUF struct strbuf labels = STRBUF_INIT;
    char code[12];

    (void)snprintf(code, sizeof(code), "%d", status);
    metrics_label(&labels, "route", route);
    metric_observe(metrics_histogram(door->metrics, "stasis_http_request_duration_seconds",
                                     "Time to answer REST requests.", strbuf_text(&labels), bounds_s,
                                     sizeof(bounds_s) / sizeof(bounds_s[0])),
                   (double)elapsed_ms / 1000);
    metrics_label(&labels, "status", code);
    metric_add(metrics_counter(door->metrics, "stasis_http_requests_total", "REST requests answered.",
                               strbuf_text(&labels)),
               1);
}

static void log_answer(const struct rest_call *call, int status, int64_t elapsed_ms, const struct error *err)
{
    const char *route = call->match.route ? call->match.route->pattern : NULL;
    const char *id = call->match.params[0], *key = call->admission.key_name;

    LOG_SCOPE(log_str("request_id", call->request_id), log_str("method", http_method(call->exchange)),
              log_str("route", route), log_str("sandbox", id), log_i64("status", status),
              log_i64("elapsed_ms", elapsed_ms), log_str("api_key", *key ? key : NULL));
    if (err->code == ERR_NONE && call->match.route && call->match.route->probe)
        log_debug("request answered", log_str("door", "rest"));
    else if (err->code == ERR_NONE)
        log_info("request answered", log_str("door", "rest"));
    else
        log_failure(status >= 500 ? LOG_WARN : LOG_INFO, "request refused", err, log_str("door", "rest"));
}

/* Every answer names its request and lets browsers read it. made_id is used when the client gave no id. */
static void name_answer(struct rest_call *call, char made_id[HEX_ID_SIZE])
{
    call->request_id = call->own_request_id;
    if (!call->request_id) {
        hex_id(made_id);
        call->request_id = made_id;
    }
    http_answer_header(call->exchange, REQUEST_ID, call->request_id);
    cors_allow(call->exchange);
}

void rest_door_refused(void *self, struct http_exchange *exchange)
{
    SCOPED(string) char *own_id = own_request_id(exchange);
    struct rest_call call = {.exchange = exchange, .own_request_id = own_id};
    struct error err = {0};
    char made_id[HEX_ID_SIZE];
    int status = http_answer_status(exchange);

    name_answer(&call, made_id);
    count(self, &call, status, 0);
    (void)error_set(&err, ERR_INVALID, "the request is too large");
    log_answer(&call, status, 0, &err);
}

bool rest_door_streams(void *self, const struct http_exchange *exchange)
{
    const struct rest_door *door = self;

    return door->proxy && path_is_proxy(http_path(exchange));
}

void rest_door_handle(void *self, struct http_exchange *exchange)
{
    const struct rest_door *door = self;
    SCOPED(string) char *own_id = own_request_id(exchange);
    char made_id[HEX_ID_SIZE];
    struct rest_call call = {.service = door->service,
                             .proxy = door->proxy,
                             .public_host = door->public_host,
                             .exchange = exchange,
                             .own_request_id = own_id};
    struct error err = {0};
    int64_t began_ms = clock_monotonic_ms();

    name_answer(&call, made_id);
    if (cors_is_preflight(exchange))
        cors_answer_preflight(exchange);
    else if (serve(door, &call, &err) < 0)
        answer_error(&call, &err);

    if (http_is_streamed(exchange)) { /* it has only begun; the proxy counts and logs it at its end */
        route_match_done(&call.match);
        return;
    }
    int status = http_answer_status(exchange);
    int64_t elapsed_ms = clock_monotonic_ms() - began_ms;
    count(door, &call, status, elapsed_ms);
    log_answer(&call, status, elapsed_ms, &err);
    route_match_done(&call.match);
}
