/* One call: its turn, its headers, its answer. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/kube/kube_priv.h"

enum {
    EXCHANGE_TIMEOUT_MS = 30 * 1000,
    RETRY_AFTER_MIN_MS = 200, /* a server that says "0" means soon, not a busy loop */
};

int kube_headers_init(struct kube_headers *headers, struct kube *kube, const char *content_type,
                      struct error *err)
{
    *headers = (struct kube_headers){0};
    if (token_header(kube->token, &headers->authorization, err) < 0)
        return -1;
    headers->list[headers->count++] = (struct http_header){"Accept", "application/json"};
    if (headers->authorization)
        headers->list[headers->count++] = (struct http_header){"Authorization", headers->authorization};
    if (content_type)
        headers->list[headers->count++] = (struct http_header){"Content-Type", content_type};
    if (kube->host)
        headers->list[headers->count++] = (struct http_header){"Host", kube->host};
    return 0;
}

void kube_headers_done(struct kube_headers *headers)
{
    token_header_free(&headers->authorization);
}

void kube_answer_done(struct http_response *answer)
{
    if (answer->body.bytes)
        explicit_bzero(answer->body.bytes, answer->body.length);
    http_response_done(answer);
}

static int exchange(struct kube *kube, const struct kube_call *call, const char *url, const char *body,
                    struct http_response *ret_answer, struct error *err)
{
    SCOPED_KUBE_HEADERS struct kube_headers headers = {0};

    if (kube_headers_init(&headers, kube, call->content_type, err) < 0)
        return -1;
    const struct http_request request = {
        .method = call->method,
        .url = url,
        .headers = headers.list,
        .header_count = headers.count,
        .body = body,
        .body_length = body ? strlen(body) : 0,
        .max_body = call->max_body ? call->max_body : KUBE_OBJECT_MAX_BYTES,
        .timeout_ms = EXCHANGE_TIMEOUT_MS,
    };
    return http_mux_do(kube->mux, &request, ret_answer, err);
}

/* When the server, which has not carried out the call, wants to be asked again; 0: it does not say. */
static int64_t retry_at_ms(const struct http_response *answer)
{
    const char *after = http_response_header(answer, "retry-after");
    char *end = NULL;

    if ((answer->status != 429 && answer->status != 503) || !after || *after < '0' || *after > '9')
        return 0;
    long seconds = strtol(after, &end, 10);
    if (*end || seconds > KUBE_CALL_BUDGET_MS / 1000)
        seconds = KUBE_CALL_BUDGET_MS / 1000 + 1;
    int64_t delay_ms = seconds * 1000;
    return clock_monotonic_ms() + (delay_ms > RETRY_AFTER_MIN_MS ? delay_ms : RETRY_AFTER_MIN_MS);
}

/* Many pauses at once make as many events as a third of all calls. What people read must not hold up what sandboxes
 * wait for. */
static struct limit *limit_of(const struct kube *kube, enum cluster_kind kind)
{
    return kind == KIND_EVENT ? kube->event_limit : kube->limit;
}

/* It may be a Secret. */
static void body_freep(char **body)
{
    if (*body)
        explicit_bzero(*body, strlen(*body));
    free(*body);
}

int kube_call(struct kube *kube, const struct kube_call *call, const char *url,
              struct http_response *ret_answer, struct error *err)
{
    SCOPED(body) char *body = call->body ? json_text(call->body) : NULL;
    struct limit *limit = limit_of(kube, call->what.kind);
    int64_t give_up_at_ms = clock_monotonic_ms() + KUBE_CALL_BUDGET_MS;

    for (;;) {
        SCOPED_KUBE_ANSWER struct http_response answer = {0};
        if (limit_wait(limit, KUBE_CALL_BUDGET_MS, err) < 0 ||
            exchange(kube, call, url, body, &answer, err) < 0)
            return -1;
        if (answer.status / 100 == 2) {
            *ret_answer = answer;
            answer = (struct http_response){0};
            return 0;
        }
        int64_t again_at_ms = retry_at_ms(&answer);
        if (again_at_ms == 0 || again_at_ms > give_up_at_ms)
            return status_error(answer.status, answer.body.bytes, answer.body.length, &call->what, err);
        if (limit_sleep_until(limit, again_at_ms, err) < 0)
            return -1;
    }
}
