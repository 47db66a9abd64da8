#include "snapshot-svc/node/node.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/node/node_priv.h"

enum {
    WORKERS = 16,
    RETRY_FIRST_MS = 10000,
    RETRY_MAX_MS = 300000,
    AGAIN_FIRST_MS = 100,
    AGAIN_MAX_MS = 10000
};

/* ---- what the store says; on the informer's thread ---- */

static void note(struct node *node, const struct object *object)
{
    bool is_deleting = json_path_string(object->json, "metadata.deletionTimestamp") != NULL;

    table_note_stored(node->table, object->uid, object->ns, object->name, is_deleting);
    workqueue_add(node->queue, object->uid);
}

static void pod_added(void *self, struct object *object)
{
    note(self, object);
}

/* Under one name there may be another pod by now. */
static void pod_updated(void *self, struct object *old, struct object *object)
{
    struct node *node = self;

    if (strcmp(old->uid, object->uid) != 0) {
        table_note_unstored(node->table, old->uid);
        workqueue_add(node->queue, old->uid);
    }
    note(node, object);
}

static void pod_deleted(void *self, struct object *last)
{
    struct node *node = self;

    table_note_unstored(node->table, last->uid);
    workqueue_add(node->queue, last->uid);
}

/* ---- workers ---- */

bool node_is_stopping(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    bool stopping = node->stopping;
    pthread_mutex_unlock(&node->lock);
    return stopping;
}

static void work_on(struct node *node, const char *uid)
{
    struct error err = {0};
    int64_t wait_ms = 0;

    if (node_is_stopping(node))
        return;
    if (node_sync_pod(node, uid, &wait_ms, &err) == 0) {
        workqueue_forget(node->queue, uid);
        if (wait_ms > 0)
            workqueue_add_after(node->queue, uid, wait_ms);
        return;
    }
    if (node_is_stopping(node))
        return;
    log_failure(LOG_WARN, "pod could not be looked after; trying again", &err, log_str("uid", uid),
                log_u64("failures", workqueue_failures(node->queue, uid)));
    workqueue_add_rate_limited(node->queue, uid);
}

static void *work(void *arg)
{
    struct node *node = arg;
    char *uid;

    while ((uid = workqueue_get(node->queue))) {
        work_on(node, uid);
        workqueue_done(node->queue, uid);
        free(uid);
    }
    return NULL;
}

/* ---- life ---- */

struct node *node_new(const struct service *service, const struct node_options *options)
{
    const struct workqueue_options queue = {.backoff_first_ms = AGAIN_FIRST_MS,
                                            .backoff_max_ms = AGAIN_MAX_MS};
    struct node *node = xcalloc(1, sizeof(*node));
    pthread_condattr_t monotonic;

    *node =
        (struct node){.service = service,
                      .volumes_dir = xstrdup(options->volumes_dir),
                      .claims_dir = xstrdup(options->claims_dir),
                      .worker_count = options->workers ? options->workers : WORKERS,
                      .retry_first_ms = options->retry_first_ms ? options->retry_first_ms : RETRY_FIRST_MS,
                      .retry_max_ms = options->retry_max_ms ? options->retry_max_ms : RETRY_MAX_MS,
                      .table = table_new(),
                      .queue = workqueue_new(&queue),
                      .recorder = recorder_new(service->cluster)};
    pthread_mutex_init(&node->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&node->stop_asked, &monotonic);
    pthread_condattr_destroy(&monotonic);
    informer_subscribe(service->informers[KIND_POD],
                       &(struct informer_handler){
                           .added = pod_added, .updated = pod_updated, .deleted = pod_deleted, .self = node});
    return node;
}

static int start_workers(struct node *node, struct error *err)
{
    node->workers = xcalloc(node->worker_count, sizeof(*node->workers));
    for (; node->workers_started < node->worker_count; node->workers_started++) {
        int failed = pthread_create(&node->workers[node->workers_started], NULL, work, node);
        if (failed)
            return error_sys(err, failed, "starting a worker for pods");
    }
    return 0;
}

int node_start(struct node *node, struct error *err)
{
    if (start_workers(node, err) < 0)
        return -1;
    int failed = pthread_create(&node->follower, NULL, node_follow_agent, node);
    if (failed)
        return error_sys(err, failed, "starting the thread that watches the agent's pods");
    node->follower_started = true;
    return 0;
}

void node_stop(struct node *node)
{
    if (!node || node->stopped)
        return;
    node->stopped = true;
    pthread_mutex_lock(&node->lock);
    node->stopping = true;
    if (node->watch)
        rpc_stream_cancel(node->watch);
    pthread_cond_broadcast(&node->stop_asked);
    pthread_mutex_unlock(&node->lock);
    table_close(node->table);
    workqueue_shutdown(node->queue);
    if (node->follower_started)
        pthread_join(node->follower, NULL);
    for (unsigned i = 0; i < node->workers_started; i++)
        pthread_join(node->workers[i], NULL);
}

void node_free(struct node *node)
{
    if (!node)
        return;
    node_stop(node);
    pthread_cond_destroy(&node->stop_asked);
    pthread_mutex_destroy(&node->lock);
    recorder_free(node->recorder);
    workqueue_free(node->queue);
    table_free(node->table);
    free(node->workers);
    free(node->volumes_dir);
    free(node->claims_dir);
    free(node);
}
