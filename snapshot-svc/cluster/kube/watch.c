/* A watch: one long answer, a line of JSON for each event.
 * Spec: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "410 Gone". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/ids.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/cluster/kube/frames.h"
#include "snapshot-svc/cluster/kube/kube_priv.h"
#include "snapshot-svc/cluster/kube/path.h"

enum {
    /* The server ends a watch when it has lasted as long as we asked for; when it does not, we do. A peer that is gone is
     * found out by keepalives much earlier. */
    OVERTIME_S = 30,
    EVENT_MAX_BYTES = KUBE_OBJECT_MAX_BYTES,
};

struct cluster_watch {
    struct kube *kube;
    struct status_context what;
    struct strbuf url;
    int64_t timeout_ms;
    struct http_stream *stream; /* its stop is for any thread, all else for the runner's */

    /* the runner's */
    cluster_watch_fn *fn;
    void *self;
    struct frames frames;
};

/* ---- opening ---- */

/* Spread, so that not all informers come back at once. */
static unsigned random_timeout_s(unsigned min_s)
{
    uint32_t roll;
    random_bytes(&roll, sizeof(roll));
    return min_s + roll % (min_s + 1);
}

static void append_queries(struct strbuf *url, const char *labels, const char *resource_version,
                           unsigned timeout_s)
{
    char seconds[16];

    (void)snprintf(seconds, sizeof(seconds), "%u", timeout_s);
    path_append_query(url, "watch", "true");
    path_append_query(url, "allowWatchBookmarks", "true");
    path_append_query(url, "timeoutSeconds", seconds);
    if (resource_version)
        path_append_query(url, "resourceVersion", resource_version);
    if (labels)
        path_append_query(url, "labelSelector", labels);
}

int kube_watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                    const char *resource_version, struct cluster_watch **ret_watch, struct error *err)
{
    struct kube *kube = kube_of(cluster);
    SCOPED_STRBUF struct strbuf url = STRBUF_INIT;
    unsigned timeout_s = random_timeout_s(kube->watch_min_s);

    (void)strbuf_adds(&url, kube->server);
    if (path_append(&url, kind, ns, NULL, NULL, err) < 0)
        return -1;
    append_queries(&url, labels, resource_version, timeout_s);

    struct cluster_watch *watch = xcalloc(1, sizeof(*watch));
    watch->kube = kube;
    watch->what = (struct status_context){.verb = "watch", .kind = kind};
    watch->timeout_ms = ((int64_t)timeout_s + OVERTIME_S) * 1000;
    watch->stream = kube_take_stream(kube);
    watch->url = url;
    url = (struct strbuf)STRBUF_INIT;
    *ret_watch = watch;
    return 0;
}

void kube_watch_stop(struct cluster_watch *watch)
{
    http_stream_stop(watch->stream);
}

void kube_watch_free(struct cluster_watch *watch)
{
    if (!watch)
        return;
    kube_give_stream_back(watch->kube, watch->stream);
    strbuf_done(&watch->url);
    free(watch);
}

/* ---- events ---- */

static const char *const type_names[] = {
    [WATCH_ADDED] = "ADDED",
    [WATCH_MODIFIED] = "MODIFIED",
    [WATCH_DELETED] = "DELETED",
    [WATCH_BOOKMARK] = "BOOKMARK",
};
_Static_assert(sizeof(type_names) / sizeof(type_names[0]) == WATCH_BOOKMARK + 1, "every event has a name");

static bool span_is(struct json_span value, const char *text)
{
    size_t length = strlen(text);
    return value.length == length + 2 && memcmp(value.at + 1, text, length) == 0;
}

static int tell_error(struct cluster_watch *watch, struct json_span text, struct error *err)
{
    SCOPED(json) json_t *status = json_loadb(text.at, text.length, 0, NULL);
    return status_object_error(status, &watch->what, err);
}

/* An object that we cannot read is left out; that it is gone can be told all the same. */
static void tell_unreadable(struct cluster_watch *watch, enum watch_event_type type, struct json_span text,
                            const struct error *failure)
{
    SCOPED(json) json_t *named = NULL;
    struct error err = {0};
    bool is_named = kube_object_parse_metadata(text, watch->what.kind, &named, &err) == 0;

    log_failure(LOG_WARN, "object left out of a watch", failure,
                log_str("kind", cluster_kind_info(watch->what.kind)->plural),
                log_str("event", type_names[type]),
                log_str("namespace", json_path_string(named, "metadata.namespace")),
                log_str("name", json_path_string(named, "metadata.name")));
    if (is_named && type == WATCH_DELETED)
        watch->fn(watch->self, type, named);
}

static void tell_object(struct cluster_watch *watch, enum watch_event_type type, struct json_span text)
{
    SCOPED(json) json_t *object = NULL;
    struct error failure = {0};

    if (kube_object_parse(text, watch->what.kind, &object, &failure) == 0)
        watch->fn(watch->self, type, object);
    else
        tell_unreadable(watch, type, text, &failure);
}

static int take_event(void *self, const char *line, size_t length, struct error *err)
{
    struct cluster_watch *watch = self;
    struct json_span frame = {line, length}, type, object;

    if (http_stream_is_stopped(watch->stream))
        return error_set(err, ERR_CANCELLED, "the watch was stopped");
    if (!json_scan_member(frame, "type", &type) || !json_scan_member(frame, "object", &object))
        return error_set(err, ERR_UNAVAILABLE,
                         "want a watch event, got something else (is this the API server?)");
    if (span_is(type, "ERROR"))
        return tell_error(watch, object, err);
    for (enum watch_event_type i = WATCH_ADDED; i <= WATCH_BOOKMARK; i++) {
        if (span_is(type, type_names[i])) {
            tell_object(watch, i, object);
            return 0;
        }
    }
    return error_set(err, ERR_UNAVAILABLE, "want a watch event ADDED, MODIFIED, DELETED, BOOKMARK or ERROR");
}

/* ---- running ---- */

static int take_bytes(void *self, const char *bytes, size_t length, struct error *err)
{
    struct cluster_watch *watch = self;

    if (frames_feed(&watch->frames, bytes, length, take_event, watch, err) == 0)
        return 0;
    if (err->code == ERR_EXHAUSTED) { /* the same watch would meet the same event; a list gets past it */
        err->code = ERR_PRECONDITION;
        (void)error_reason(err, "Expired");
    }
    return -1;
}

static int run(struct cluster_watch *watch, struct error *err)
{
    SCOPED_KUBE_HEADERS struct kube_headers headers = {0};
    SCOPED_HTTP_RESPONSE struct http_response answer = {0};

    if (kube_headers_init(&headers, watch->kube, NULL, err) < 0)
        return -1;
    const struct http_request request = {
        .method = "GET",
        .url = strbuf_text(&watch->url),
        .headers = headers.list,
        .header_count = headers.count,
        .write = take_bytes,
        .write_self = watch,
        .timeout_ms = watch->timeout_ms,
    };
    if (http_stream_do(watch->stream, &request, &answer, err) < 0)
        return -1;
    if (answer.status / 100 != 2)
        return status_error(answer.status, answer.body.bytes, answer.body.length, &watch->what, err);
    return error_set(err, ERR_UNAVAILABLE, "the API server ended the watch, as it does now and then");
}

int kube_watch_run(struct cluster_watch *watch, cluster_watch_fn *fn, void *self, struct error *err)
{
    watch->fn = fn;
    watch->self = self;
    frames_init(&watch->frames, EVENT_MAX_BYTES);
    int result = run(watch, err);
    frames_done(&watch->frames);
    return result;
}
