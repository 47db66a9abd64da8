/* A pod's log: one long answer of text. Spec: Kubernetes API, "read log of the specified Pod". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/cluster/kube/kube_priv.h"
#include "snapshot-svc/cluster/kube/log_lines.h"
#include "snapshot-svc/cluster/kube/path.h"

struct cluster_log {
    struct kube *kube;
    struct strbuf url;
    struct http_stream *stream; /* its stop is for any thread, all else for the runner's */
};

static void append_queries(struct strbuf *url, const struct cluster_log_request *request)
{
    char lines[24];

    path_append_query(url, "container", request->container);
    path_append_query(url, "timestamps", "true");
    if (request->follow)
        path_append_query(url, "follow", "true");
    if (request->tail_lines <= 0)
        return;
    (void)snprintf(lines, sizeof(lines), "%" PRId64, request->tail_lines);
    path_append_query(url, "tailLines", lines);
}

int kube_log_open(struct cluster *cluster, const char *ns, const char *pod,
                  const struct cluster_log_request *request, struct cluster_log **ret_log, struct error *err)
{
    struct kube *kube = kube_of(cluster);
    SCOPED_STRBUF struct strbuf url = STRBUF_INIT;

    (void)strbuf_adds(&url, kube->server);
    if (path_append(&url, KIND_POD, ns, pod, "log", err) < 0)
        return -1;
    append_queries(&url, request);
    struct cluster_log *log = xcalloc(1, sizeof(*log));
    log->kube = kube;
    log->stream = kube_take_stream(kube);
    log->url = url;
    url = (struct strbuf)STRBUF_INIT;
    *ret_log = log;
    return 0;
}

void kube_log_stop(struct cluster_log *log)
{
    http_stream_stop(log->stream);
}

void kube_log_free(struct cluster_log *log)
{
    if (!log)
        return;
    kube_give_stream_back(log->kube, log->stream);
    strbuf_done(&log->url);
    free(log);
}

static int take_bytes(void *self, const char *bytes, size_t length, struct error *err)
{
    return log_lines_feed(self, bytes, length, err);
}

static int run(struct cluster_log *log, struct log_lines *lines, struct error *err)
{
    static const struct status_context what = {.verb = "get", .kind = KIND_POD, .subresource = "log"};
    SCOPED_KUBE_HEADERS struct kube_headers headers = {0};
    SCOPED_HTTP_RESPONSE struct http_response answer = {0};

    if (kube_headers_init(&headers, log->kube, NULL, err) < 0)
        return -1;
    headers.list[0] =
        (struct http_header){"Accept", "application/json, */*"}; /* a refusal is JSON, a log is text */
    const struct http_request request = {
        .method = "GET",
        .url = strbuf_text(&log->url),
        .headers = headers.list,
        .header_count = headers.count,
        .write = take_bytes,
        .write_self = lines,
    };
    if (http_stream_do(log->stream, &request, &answer, err) < 0)
        return -1;
    if (answer.status / 100 != 2)
        return status_error(answer.status, answer.body.bytes, answer.body.length, &what, err);
    return log_lines_end(lines, err);
}

int kube_log_run(struct cluster_log *log, cluster_log_fn *fn, void *self, struct error *err)
{
    struct log_lines lines;

    log_lines_init(&lines, fn, self);
    int done = run(log, &lines, err);
    log_lines_done(&lines);
    return done;
}
