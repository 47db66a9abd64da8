/* One request: connect, credentials, 401, redirects; and the retries around it. */
#include <string.h>
#include <strings.h>

#include "committer-agent/registry/registry_priv.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/http/url.h"

enum { REDIRECTS_MAX = 5, REFUSALS_MAX = 2 };

char *registry_url(const struct registry *registry, const char *url)
{
    return *url == '/' ? xasprintf("%s%s", registry->base, url) : xstrdup(url);
}

int registry_location(const struct registry *registry, const struct http_response *response,
                      const char *asked_url, char **ret_url, struct error *err)
{
    SCOPED(string) char *url = NULL;
    const char *location = http_response_header(response, "location");

    if (!location)
        (void)error_set(err, ERR_INVALID, "HTTP %d without a Location", response->status);
    else if (url_resolve(asked_url, location, &url, err) < 0)
        (void)error_wrap(err, "HTTP %d, Location", response->status);
    else if (url_is_https(asked_url) && !url_is_https(url) && !registry->insecure)
        (void)error_set(err, ERR_INVALID,
                        "its Location leads from https to plain HTTP (%.120s): let its proxy set "
                        "X-Forwarded-Proto, or pass --snapshot-registry-insecure",
                        url);
    else {
        *ret_url = TAKE(url);
        return 0;
    }
    return error_reason(err, "RegistryError");
}

/* What read, write and head really are, so that their failures are told from the connection's. */
static long read_own(void *self, char *into, size_t room, struct error *err)
{
    struct exchange *exchange = self;
    long got = exchange->read(exchange->self, into, room, err);
    exchange->own_failure |= got < 0;
    return got;
}

static int write_own(void *self, const char *bytes, size_t length, struct error *err)
{
    struct exchange *exchange = self;
    int result = exchange->write(exchange->self, bytes, length, err);
    exchange->own_failure |= result < 0;
    return result;
}

static int head_own(void *self, const struct http_response *head, struct error *err)
{
    struct exchange *exchange = self;
    int result = exchange->head(exchange->self, head, err);
    exchange->own_failure |= result < 0;
    return result;
}

static struct http_client *client_for(const struct registry *registry, const struct exchange *exchange)
{
    return exchange->cleaning_up ? registry->cleanup_http : registry->http;
}

static int send_to(struct registry *registry, struct exchange *exchange, const char *url,
                   const char *authorization, struct http_response *ret_response, struct error *err)
{
    struct http_header headers[4];
    size_t count = 0;

    for (; count < exchange->header_count; count++)
        headers[count] = exchange->headers[count];
    if (authorization)
        headers[count++] = (struct http_header){"Authorization", authorization};
    struct http_request request = {
        .method = exchange->method,
        .url = url,
        .headers = headers,
        .header_count = count,
        .body = exchange->body,
        .body_length = exchange->body_length,
        .read = exchange->read ? read_own : NULL,
        .read_self = exchange,
        .read_length = exchange->read_length,
        .write = exchange->write ? write_own : NULL,
        .head = exchange->head ? head_own : NULL,
        .write_self = exchange,
        .max_body = exchange->max_body,
        .timeout_ms = exchange->timeout_ms,
        .stall_timeout_ms = exchange->stall_timeout_ms,
    };
    if (exchange->rewind)
        exchange->rewind(exchange->self);
    http_response_done(ret_response);
    if (http_do(client_for(registry, exchange), &request, ret_response, err) == 0)
        return 0;
    if (exchange->own_failure)
        return -1;
    exchange->retryable = err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT;
    return registry_no_answer(err);
}

static bool is_redirect(const struct exchange *exchange, const struct http_response *response)
{
    bool reads = strcmp(exchange->method, "GET") == 0 || strcmp(exchange->method, "HEAD") == 0;

    switch (response->status) {
    case 307:
    case 308:
        return true; /* the same method again, with its body */
    case 301:
    case 302:
    case 303:
        return reads;
    default:
        return false;
    }
}

/* All challenges of an answer as one list, as RFC 9110 allows to write them. */
static void collect_challenges(const struct http_response *response, struct strbuf *into)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (strcmp(response->headers[i].name, "www-authenticate") == 0)
            (void)strbuf_addf(into, "%s%s", into->length ? ", " : "", response->headers[i].value);
}

static int answer_refusal(struct registry *registry, const struct exchange *exchange, bool ours,
                          const struct http_response *response, bool sent, bool again, struct error *err)
{
    SCOPED_STRBUF struct strbuf challenges = STRBUF_INIT;
    struct auth_request who = {exchange->repository, exchange->scope};

    if (!ours) {
        (void)error_set(err, ERR_DENIED,
                        "HTTP 401 from a host that the registry sent us to; credentials do not go there");
        return error_reason(err, "RegistryUnauthorized");
    }
    collect_challenges(response, &challenges);
    return auth_refused(registry->auth, &who, strbuf_text(&challenges), sent, again, err);
}

/* Sends to where the URL, the redirects and the 401s lead. */
static int send_and_follow(struct registry *registry, struct exchange *exchange,
                           struct http_response *response, struct error *err)
{
    SCOPED(string) char *url = registry_url(registry, exchange->url);
    struct auth_request who = {exchange->repository, exchange->scope};

    for (int redirects = 0, refusals = 0;;) {
        const char *authorization = NULL;
        bool ours = url_same_origin(url, registry->base);
        if (ours &&
            auth_header(registry->auth, client_for(registry, exchange), &who, &authorization, err) < 0) {
            exchange->retryable = err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT;
            return -1;
        }
        if (send_to(registry, exchange, url, authorization, response, err) < 0)
            return -1;
        if (response->status == 401) {
            if (answer_refusal(registry, exchange, ours, response, authorization != NULL, refusals > 0, err) <
                0)
                return -1;
            if (++refusals > REFUSALS_MAX)
                return registry_refusal(response, err);
        } else if (is_redirect(exchange, response)) {
            char *next = NULL;
            if (++redirects > REDIRECTS_MAX)
                return registry_refusal(response, err);
            if (registry_location(registry, response, url, &next, err) < 0)
                return -1;
            string_freep(&url);
            url = next;
        } else {
            return 0;
        }
    }
}

static bool status_is_retryable(int status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

int registry_send(struct registry *registry, struct exchange *exchange, struct http_response *ret_response,
                  struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};

    exchange->retryable = exchange->own_failure = false;
    exchange->retry_after_ms = 0;
    if (registry_connect(registry, err) < 0) {
        exchange->retryable = err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT;
        return -1;
    }
    if (send_and_follow(registry, exchange, &response, err) < 0)
        return -1;
    exchange->retryable = status_is_retryable(response.status);
    if (exchange->retryable)
        exchange->retry_after_ms =
            retry_after_parse(http_response_header(&response, "retry-after"), clock_realtime_ms());
    http_response_done(ret_response);
    *ret_response = response;
    response = (struct http_response){0};
    return 0;
}

int registry_exchange(struct registry *registry, struct exchange *exchange,
                      struct http_response *ret_response, struct error *err)
{
    struct retry retry = retry_start(registry->cancelled);

    for (;;) {
        int result = registry_send(registry, exchange, ret_response, err);
        if (!exchange->retryable)
            return result;
        if (result == 0)
            (void)registry_refusal(ret_response, err);
        if (retry_wait(&retry, exchange->retry_after_ms, err) < 0)
            return -1;
    }
}
