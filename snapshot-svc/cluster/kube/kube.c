#include "snapshot-svc/cluster/kube/kube.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/kube/kube_priv.h"
#include "snapshot-svc/cluster/kube/login.h"
#include "snapshot-svc/cluster/kube/path.h"

enum { QPS = 100, BURST = 200, WATCH_MIN_S = 5 * 60, PAGE_SIZE = 500, RESTARTS_MAX = 3 };

static int object_url(const struct kube *kube, enum cluster_kind kind, const char *ns, const char *name,
                      const char *subresource, struct strbuf *url, struct error *err)
{
    (void)strbuf_adds(url, kube->server);
    return path_append(url, kind, ns, name, subresource, err);
}

/* Sends a call whose answer is one object. ret_object may be NULL. */
static int call_for_object(struct kube *kube, const struct kube_call *call, const struct strbuf *url,
                           json_t **ret_object, struct error *err)
{
    SCOPED_KUBE_ANSWER struct http_response answer = {0};

    if (kube_call(kube, call, strbuf_text(url), &answer, err) < 0)
        return -1;
    if (!ret_object)
        return 0;
    return kube_object_parse((struct json_span){strbuf_text(&answer.body), answer.body.length},
                             call->what.kind, ret_object, err);
}

/* ---- reading ---- */

static int kube_get(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                    json_t **ret_object, struct error *err)
{
    struct kube *kube = kube_of(cluster);
    SCOPED_STRBUF struct strbuf url = STRBUF_INIT;
    const struct kube_call call = {.what = {.verb = "get", .kind = kind}, .method = "GET"};

    if (object_url(kube, kind, ns, name, NULL, &url, err) < 0)
        return -1;
    return call_for_object(kube, &call, &url, ret_object, err);
}

struct listing {
    struct kube *kube;
    enum cluster_kind kind;
    const char *ns, *labels, *fields; /* selectors; NULL: all */
    unsigned page_size;
    cluster_item_fn *each;
    void *self;           /* of each */
    bool told_no;         /* by each: the error is the caller's own */
    char *version, *next; /* next: the server's mark where the next page begins; NULL: the first, or none */
};

static int tell_items(struct listing *listing, const json_t *items, struct error *err)
{
    size_t i;
    json_t *item;

    json_array_foreach(items, i, item)
    {
        if (listing->each(listing->self, item, err) < 0) {
            listing->told_no = true;
            return -1;
        }
    }
    return 0;
}

static int read_page(struct listing *listing, struct error *err)
{
    SCOPED_STRBUF struct strbuf url = STRBUF_INIT;
    SCOPED_KUBE_ANSWER struct http_response answer = {0};
    SCOPED(json) json_t *items = json_array();
    const struct kube_call call = {
        .what = {.verb = "list", .kind = listing->kind}, .method = "GET", .max_body = KUBE_PAGE_MAX_BYTES};
    SCOPED(string) char *size = xasprintf("%u", listing->page_size);
    char *version, *next;

    if (object_url(listing->kube, listing->kind, listing->ns, NULL, NULL, &url, err) < 0)
        return -1;
    path_append_query(&url, "limit", size);
    if (listing->next)
        path_append_query(&url, "continue", listing->next);
    if (listing->labels)
        path_append_query(&url, "labelSelector", listing->labels);
    if (listing->fields)
        path_append_query(&url, "fieldSelector", listing->fields);
    if (kube_call(listing->kube, &call, strbuf_text(&url), &answer, err) < 0 ||
        kube_page_parse((struct json_span){strbuf_text(&answer.body), answer.body.length}, listing->kind,
                        items, &version, &next, err) < 0)
        return -1;
    free(listing->version);
    free(listing->next);
    listing->version = version;
    listing->next = next;
    return tell_items(listing, items, err);
}

/* Smaller pages when one was too large, from the start when the server forgot where we were. */
static bool go_on_after(struct listing *listing, struct error *err, unsigned *restarts)
{
    if (listing->told_no)
        return false;
    if (err->code == ERR_EXHAUSTED && listing->page_size > 1) {
        listing->page_size = listing->page_size / 4 ? listing->page_size / 4 : 1;
        return true;
    }
    if (err->code == ERR_PRECONDITION && listing->next && ++*restarts <= RESTARTS_MAX) {
        free(TAKE(listing->next));
        return listing->each(listing->self, NULL, err) == 0;
    }
    return false;
}

static int read_pages(struct listing *listing, struct error *err)
{
    unsigned restarts = 0;
    bool more = true;

    while (more) {
        error_clear(err);
        if (read_page(listing, err) == 0)
            more = listing->next != NULL;
        else if (!go_on_after(listing, err, &restarts))
            return -1;
    }
    return 0;
}

static int kube_list_each(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                          cluster_item_fn *each, void *self, char **ret_version, struct error *err)
{
    struct listing listing = {.kube = kube_of(cluster),
                              .kind = kind,
                              .ns = ns,
                              .labels = labels,
                              .page_size = PAGE_SIZE,
                              .each = each,
                              .self = self};
    int result = read_pages(&listing, err);

    free(listing.next);
    if (result < 0) {
        free(listing.version);
        return -1;
    }
    *ret_version = listing.version;
    return 0;
}

struct found_events {
    json_t *items;
    size_t before; /* that were there already */
};

static int add_event(void *self, json_t *event, struct error *err)
{
    struct found_events *found = self;

    (void)err;
    if (event)
        return json_array_append(found->items, event);
    while (json_array_size(found->items) > found->before)
        json_array_remove(found->items, json_array_size(found->items) - 1);
    return 0;
}

static int kube_events_about(struct cluster *cluster, const char *ns, const char *name, json_t *items,
                             struct error *err)
{
    SCOPED(string) char *fields = xasprintf("involvedObject.name=%s", name);
    struct found_events found = {.items = items, .before = json_array_size(items)};
    struct listing listing = {.kube = kube_of(cluster),
                              .kind = KIND_EVENT,
                              .ns = ns,
                              .fields = fields,
                              .page_size = PAGE_SIZE,
                              .each = add_event,
                              .self = &found};
    int result = read_pages(&listing, err);

    free(listing.next);
    free(listing.version);
    return result;
}

/* ---- writing ---- */

static int kube_create(struct cluster *cluster, enum cluster_kind kind, const char *ns, const json_t *object,
                       json_t **ret_object, struct error *err)
{
    struct kube *kube = kube_of(cluster);
    SCOPED_STRBUF struct strbuf url = STRBUF_INIT;
    const struct kube_call call = {.what = {.verb = "create", .kind = kind},
                                   .method = "POST",
                                   .content_type = "application/json",
                                   .body = object};

    if (object_url(kube, kind, ns, NULL, NULL, &url, err) < 0)
        return -1;
    return call_for_object(kube, &call, &url, ret_object, err);
}

/* The patch with the version that it is for: the server refuses it with a conflict when that is not the newest. */
static json_t *with_version(const json_t *merge_patch, const char *resource_version)
{
    json_t *patch = json_copy((json_t *)merge_patch); /* not changed: a copy of the members */
    const json_t *metadata = json_object_get(merge_patch, "metadata");
    json_t *own = json_is_object(metadata) ? json_copy((json_t *)metadata) : json_object();

    json_object_set_new(own, "resourceVersion", json_string(resource_version));
    json_object_set_new(patch, "metadata", own);
    return patch;
}

static int send_patch(struct kube *kube, const struct status_context *what, const char *ns, const char *name,
                      const json_t *merge_patch, const char *resource_version, json_t **ret_object,
                      struct error *err)
{
    SCOPED_STRBUF struct strbuf url = STRBUF_INIT;
    SCOPED(json) json_t *versioned = NULL;

    if (!json_is_object(merge_patch))
        return error_set(err, ERR_INVALID, "%s \"%.80s\": want an object as merge patch",
                         cluster_kind_info(what->kind)->plural, name);
    if (object_url(kube, what->kind, ns, name, what->subresource, &url, err) < 0)
        return -1;
    versioned = resource_version ? with_version(merge_patch, resource_version) : NULL;
    const struct kube_call call = {.what = *what,
                                   .method = "PATCH",
                                   .content_type = "application/merge-patch+json",
                                   .body = versioned ? versioned : merge_patch};
    return call_for_object(kube, &call, &url, ret_object, err);
}

static int kube_patch(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                      const json_t *merge_patch, const char *resource_version, json_t **ret_object,
                      struct error *err)
{
    const struct status_context what = {.verb = "patch", .kind = kind};
    return send_patch(kube_of(cluster), &what, ns, name, merge_patch, resource_version, ret_object, err);
}

static int kube_patch_status(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                             const char *name, const json_t *merge_patch, const char *resource_version,
                             json_t **ret_object, struct error *err)
{
    const struct status_context what = {.verb = "patch", .kind = kind, .subresource = "status"};
    return send_patch(kube_of(cluster), &what, ns, name, merge_patch, resource_version, ret_object, err);
}

static json_t *delete_options(const char *uid, const char *resource_version, int grace_s)
{
    json_t *options = json_pack("{s:s, s:s, s:s}", "kind", "DeleteOptions", "apiVersion", "v1",
                                "propagationPolicy", "Background");

    if (grace_s >= 0)
        json_object_set_new(options, "gracePeriodSeconds", json_integer(grace_s));
    if (uid || resource_version)
        json_object_set_new(options, "preconditions",
                            json_pack("{s:s*, s:s*}", "uid", uid, "resourceVersion", resource_version));
    return options;
}

static int kube_remove(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                       const char *uid, const char *resource_version, int grace_s, struct error *err)
{
    struct kube *kube = kube_of(cluster);
    SCOPED_STRBUF struct strbuf url = STRBUF_INIT;
    SCOPED(json) json_t *options = delete_options(uid, resource_version, grace_s);
    const struct kube_call call = {.what = {.verb = "delete", .kind = kind},
                                   .method = "DELETE",
                                   .content_type = "application/json",
                                   .body = options};

    if (object_url(kube, kind, ns, name, NULL, &url, err) < 0)
        return -1;
    return call_for_object(kube, &call, &url, NULL, err);
}

/* ---- its life ---- */

static void kube_free(struct cluster *cluster)
{
    struct kube *kube = kube_of(cluster);

    limit_close(kube->limit);
    limit_close(kube->event_limit);
    http_mux_free(kube->mux);
    for (size_t i = 0; i < kube->stream_count; i++)
        http_stream_free(kube->streams[i]);
    http_peer_free(kube->peer);
    limit_free(kube->limit);
    limit_free(kube->event_limit);
    token_free(kube->token);
    pthread_mutex_destroy(&kube->lock);
    free(kube->host);
    free(kube->server);
    free(kube);
}

static const struct cluster_ops ops = {
    .free = kube_free,
    .get = kube_get,
    .list_each = kube_list_each,
    .events_about = kube_events_about,
    .create = kube_create,
    .patch = kube_patch,
    .patch_status = kube_patch_status,
    .remove = kube_remove,
    .watch_open = kube_watch_open,
    .watch_run = kube_watch_run,
    .watch_stop = kube_watch_stop,
    .watch_free = kube_watch_free,
    .log_open = kube_log_open,
    .log_run = kube_log_run,
    .log_stop = kube_log_stop,
    .log_free = kube_log_free,
};

/* curl checks the certificate against the URL's host: that becomes tls_name, while we connect to the real one. */
static void use_tls_name(struct kube *kube, const struct login *login, char **ret_connect_to)
{
    const char *scheme_end = strstr(login->server, "://") + 3;
    size_t host_length = strcspn(scheme_end, "/");
    SCOPED(string) char *host = xstrndup(scheme_end, host_length);
    const char *bracket = strchr(host, ']'), *colon = strchr(bracket ? bracket : host, ':');
    const char *port = colon ? colon + 1 : "443";

    kube->server = xasprintf("https://%s:%s%s", login->tls_name, port, scheme_end + host_length);
    kube->host = xstrdup(host);
    *ret_connect_to = colon ? xstrdup(host) : xasprintf("%s:443", host);
}

static int connect_with(struct kube *kube, const struct login *login, const char *user_agent,
                        struct error *err)
{
    SCOPED(string) char *connect_to = NULL;

    if (login->tls_name && strncmp(login->server, "https://", 8) == 0)
        use_tls_name(kube, login, &connect_to);
    else
        kube->server = xstrdup(login->server);
    const struct http_peer_options options = {
        .user_agent = user_agent,
        .ca = {login->ca.bytes, login->ca.length},
        .cert = {login->cert.bytes, login->cert.length},
        .key = {login->key.bytes, login->key.length},
        .insecure_tls = login->insecure_tls,
        .connect_to = connect_to,
    };
    kube->peer = http_peer_new(&options);
    kube->token = token_new(login->token, login->token_file);
    return http_mux_new(kube->peer, &kube->mux, err);
}

int cluster_kube_open(const struct cluster_kube_options *options, struct cluster **ret_cluster,
                      struct error *err)
{
    SCOPED(login) struct login *login = NULL;
    int result = options->kubeconfig ? login_from_kubeconfig(options->kubeconfig, &login, err)
                                     : login_from_pod(options->service_account_dir, &login, err);

    if (result < 0)
        return -1;
    struct kube *kube = xcalloc(1, sizeof(*kube));
    kube->base.ops = &ops;
    kube->watch_min_s = options->watch_min_s ? options->watch_min_s : WATCH_MIN_S;
    pthread_mutex_init(&kube->lock, NULL);
    const unsigned qps = options->qps ? options->qps : QPS, burst = options->burst ? options->burst : BURST;
    kube->limit = limit_new(qps, burst);
    kube->event_limit = limit_new(qps, burst);
    if (connect_with(kube, login, options->user_agent, err) < 0) {
        kube_free(&kube->base);
        return -1;
    }
    *ret_cluster = &kube->base;
    return 0;
}
