/* kube_priv.h - the parts of the cluster that its calls and its watches share. */
#pragma once

#include <pthread.h>

#include "shared/http/mux.h"
#include "shared/http/peer.h"
#include "shared/http/stream.h"
#include "snapshot-svc/cluster/kube/kube.h"
#include "snapshot-svc/cluster/kube/limit.h"
#include "snapshot-svc/cluster/kube/scan.h"
#include "snapshot-svc/cluster/kube/status.h"
#include "snapshot-svc/cluster/kube/token.h"

enum {
    KUBE_IDLE_STREAMS_MAX = KIND_MAX,
    KUBE_OBJECT_MAX_BYTES = 8 << 20, /* etcd keeps 1.5 MiB; managedFields and escapes come on top */
    KUBE_PAGE_MAX_BYTES = 64 << 20,
};

struct kube {
    struct cluster base; /* first: the port's view of us */

    /* set by cluster_kube_open */
    char *server; /* "https://host:port" */
    char *host;   /* header Host when the URL's host is the certificate's name; NULL: the URL's */
    struct http_peer *peer;
    struct http_mux *mux;
    struct limit *limit;
    struct limit *event_limit; /* of calls on Events */
    struct token *token;
    unsigned watch_min_s;

    pthread_mutex_t lock;                               /* guards everything below */
    struct http_stream *streams[KUBE_IDLE_STREAMS_MAX]; /* connections that long answers left behind */
    size_t stream_count;
};

static inline struct kube *kube_of(struct cluster *cluster)
{
    return (struct kube *)cluster;
}

/* ---- calls (call.c) ---- */

struct kube_call {
    struct status_context what;
    const char *method;
    const char *content_type; /* of the body; NULL without one */
    const json_t *body;       /* or NULL */
    size_t max_body;          /* of the answer; 0: KUBE_OBJECT_MAX_BYTES */
};

/* Headers of every request. The texts that are borrowed by `list` live in this struct. */
struct kube_headers {
    struct http_header list[4];
    size_t count;
    char *authorization; /* wiped by done */
};
int kube_headers_init(struct kube_headers *headers, struct kube *kube, const char *content_type,
                      struct error *err);
void kube_headers_done(struct kube_headers *headers);
#define SCOPED_KUBE_HEADERS __attribute__((cleanup(kube_headers_done)))

/* Sends a call and waits for its answer, which is a 2xx. May be secret: kube_answer_done(). */
int kube_call(struct kube *kube, const struct kube_call *call, const char *url,
              struct http_response *ret_answer, struct error *err);
void kube_answer_done(struct http_response *answer);
#define SCOPED_KUBE_ANSWER __attribute__((cleanup(kube_answer_done)))

/* ---- objects (object.c) ---- */

/* One object as callers get it: of this kind, without managedFields. ERR_INVALID: JSON that we cannot read. */
int kube_object_parse(struct json_span text, enum cluster_kind kind, json_t **ret_object, struct error *err);
/* Only what names it, for an object that we cannot read as a whole. */
int kube_object_parse_metadata(struct json_span text, enum cluster_kind kind, json_t **ret_object,
                               struct error *err);

/* Appends the objects of a page to items. *ret_version and *ret_continue (NULL: the last page) are the caller's.
 * ERR_UNAVAILABLE: this is no list, or half of one. */
int kube_page_parse(struct json_span page, enum cluster_kind kind, json_t *items, char **ret_version,
                    char **ret_continue, struct error *err);

/* ---- connections of long answers (streams.c) ---- */

struct http_stream *kube_take_stream(struct kube *kube);
void kube_give_stream_back(struct kube *kube, struct http_stream *stream);

/* ---- watches (watch.c) ---- */

int kube_watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                    const char *resource_version, struct cluster_watch **ret_watch, struct error *err);
int kube_watch_run(struct cluster_watch *watch, cluster_watch_fn *fn, void *self, struct error *err);
void kube_watch_stop(struct cluster_watch *watch);
void kube_watch_free(struct cluster_watch *watch);

/* ---- logs (logs.c) ---- */

int kube_log_open(struct cluster *cluster, const char *ns, const char *pod,
                  const struct cluster_log_request *request, struct cluster_log **ret_log, struct error *err);
int kube_log_run(struct cluster_log *log, cluster_log_fn *fn, void *self, struct error *err);
void kube_log_stop(struct cluster_log *log);
void kube_log_free(struct cluster_log *log);
