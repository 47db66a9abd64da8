#include "snapshot-svc/controller/controller.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "shared/metrics/metrics.h"
#include "snapshot-svc/controller/controller_priv.h"
#include "snapshot-svc/controller/outcomes.h"
#include "snapshot-svc/secret/docker_secret.h"

enum { OVERDUE_DELAY_MS = 1000 }; /* a time that has passed already is no reason to spin */

bool controller_leads(struct controller *controller)
{
    return __atomic_load_n(&controller->leads, __ATOMIC_ACQUIRE) != 0;
}

bool controller_is_stopping(struct controller *controller)
{
    return __atomic_load_n(&controller->stopping, __ATOMIC_ACQUIRE) != 0;
}

/* ---- a worker ---- */

static void count(struct loop *loop, int result, const struct error *err, int64_t elapsed_ms)
{
    metric_observe(loop->seconds, (double)elapsed_ms / 1000);
    if (result == 0)
        metric_add(loop->succeeded, 1);
    else if (err->code == ERR_CONFLICT)
        metric_add(loop->conflicted, 1);
    else
        metric_add(loop->failed, 1);
}

static void requeue(struct loop *loop, const char *key, int64_t at_unix_ms)
{
    const int64_t now_ms = clock_realtime_ms();

    workqueue_forget(loop->queue, key);
    if (at_unix_ms == 0)
        return;
    workqueue_add_at(loop->queue, key, at_unix_ms > now_ms ? at_unix_ms : now_ms + OVERDUE_DELAY_MS);
}

static void work_on(struct loop *loop, const char *key)
{
    const char *slash = strchr(key, '/');
    SCOPED(string) char *ns = xstrndup(key, (size_t)(slash - key));
    const char *name = slash + 1;
    const int64_t begin_ms = clock_monotonic_ms();
    int64_t requeue_ms = 0;
    struct error err = {0};
    LOG_SCOPE(log_str(loop->log_key, name));

    int result = loop->reconcile(loop->controller, ns, name, &requeue_ms, &err);
    count(loop, result, &err, clock_monotonic_ms() - begin_ms);
    if (result == 0) {
        requeue(loop, key, requeue_ms);
        return;
    }
    if (err.code == ERR_CONFLICT)
        log_emit_error(LOG_DEBUG, "reconcile to be done again", &err, NULL, 0);
    else if (err.code != ERR_CANCELLED)
        log_emit_error(LOG_WARN, "reconcile failed", &err, NULL, 0);
    workqueue_add_rate_limited(loop->queue, key);
}

static void *worker(void *arg)
{
    struct loop *loop = arg;
    char *key;

    while ((key = workqueue_get(loop->queue))) {
        if (!controller_is_stopping(loop->controller))
            work_on(loop, key);
        workqueue_done(loop->queue, key);
        free(key);
    }
    return NULL;
}

/* ---- a loop ---- */

static struct metric *result_counter(struct metrics *metrics, const char *name, const char *result)
{
    SCOPED_STRBUF struct strbuf labels = STRBUF_INIT;

    metrics_label(&labels, "controller", name);
    metrics_label(&labels, "result", result);
    return metrics_counter(metrics, "stasis_reconciles_total", "Passes over one object.",
                           strbuf_text(&labels));
}

static void loop_init(struct loop *loop, struct controller *controller, const char *name, const char *log_key,
                      unsigned workers, reconcile_fn *reconcile)
{
    static const double bounds[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30};
    struct metrics *metrics = controller->service->metrics;
    SCOPED_STRBUF struct strbuf labels = STRBUF_INIT;

    metrics_label(&labels, "controller", name);
    *loop = (struct loop){.name = name,
                          .controller = controller,
                          .queue = workqueue_new(NULL),
                          .reconcile = reconcile,
                          .log_key = log_key,
                          .workers = workers,
                          .threads = xcalloc(workers, sizeof(*loop->threads)),
                          .succeeded = result_counter(metrics, name, "ok"),
                          .conflicted = result_counter(metrics, name, "conflict"),
                          .failed = result_counter(metrics, name, "error")};
    loop->seconds = metrics_histogram(metrics, "stasis_reconcile_seconds", "Time of one pass.",
                                      strbuf_text(&labels), bounds, sizeof(bounds) / sizeof(*bounds));
    loop->depth = metrics_gauge(metrics, "stasis_workqueue_depth", "Keys that wait for a worker.",
                                strbuf_text(&labels));
}

static int loop_start(struct loop *loop, struct error *err)
{
    for (; loop->started < loop->workers; loop->started++) {
        int failed = pthread_create(&loop->threads[loop->started], NULL, worker, loop);
        if (failed)
            return error_sys(err, failed, "starting worker %u of controller %s (--concurrency)",
                             loop->started, loop->name);
    }
    return 0;
}

static void loop_stop(struct loop *loop)
{
    workqueue_shutdown(loop->queue);
    for (; loop->started > 0; loop->started--)
        pthread_join(loop->threads[loop->started - 1], NULL);
}

static void loop_done(struct loop *loop)
{
    workqueue_free(loop->queue);
    free(loop->threads);
}

/* ---- the controllers ---- */

static int push_credentials(void *self, const char *ns, struct strbuf *docker_config, struct error *err)
{
    const struct controller *controller = self;
    const char *name = controller->config.snapshot_push_secret;
    SCOPED_DOCKER_SECRET struct docker_secret secret = {0};

    if (!name || !*name)
        return 0;
    if (docker_secret_read(controller->service->cluster, ns, name, &secret, err) < 0)
        return error_wrap(err, "push Secret %s", name);
    if (secret.config.length == 0)
        return error_set(err, ERR_NOT_FOUND, "push Secret %s: want type %s with .dockerconfigjson", name,
                         SECRET_TYPE_DOCKER);
    *docker_config = secret.config; /* moved, so that there is one copy */
    secret.config = (struct strbuf)STRBUF_INIT;
    return 0;
}

struct controller *controller_new(const struct controller_options *options)
{
    struct controller *controller = xcalloc(1, sizeof(*controller));
    const struct service *service = options->service;
    const struct dispatcher_options dispatcher = {.agents = service->agents,
                                                  .registry_insecure = options->registry_insecure,
                                                  .retry_first_ms = options->commit_retry_first_ms,
                                                  .credentials = push_credentials,
                                                  .changed = wake_for_commit,
                                                  .self = controller};

    controller->service = service;
    controller->config = options->config;
    for (int i = 0; i < BEGIN_LOCKS; i++)
        pthread_mutex_init(&controller->begin_locks[i], NULL);
    controller->index = snapshot_index_new();
    controller->refusals = refusals_new();
    controller->recorder = recorder_new(service->cluster);
    controller->outcomes = outcomes_new(service->metrics);
    controller->commits_followed =
        metrics_gauge(service->metrics, "stasis_commits_followed", "Commits without an outcome yet.", NULL);
    controller->dispatcher = dispatcher_new(&dispatcher);
    loop_init(&controller->sandboxes, controller, "batchsandbox", "sandbox", options->sandbox_workers,
              reconcile_sandbox);
    loop_init(&controller->snapshots, controller, "sandboxsnapshot", "snapshot", options->snapshot_workers,
              reconcile_snapshot);
    wake_subscribe(controller);
    agents_subscribe(service->agents, wake_for_agent, controller);
    return controller;
}

int controller_start(struct controller *controller, struct error *err)
{
    /* In this order: an event that still finds a follower has reached the caches before they are walked. */
    __atomic_store_n(&controller->leads, 1, __ATOMIC_SEQ_CST);
    wake_all(controller);
    if (loop_start(&controller->sandboxes, err) < 0 || loop_start(&controller->snapshots, err) < 0)
        return -1;
    return 0;
}

void controller_stop(struct controller *controller)
{
    __atomic_store_n(&controller->stopping, 1, __ATOMIC_RELEASE);
    agents_unsubscribe(controller->service->agents, wake_for_agent, controller);
    loop_stop(&controller->sandboxes);
    loop_stop(&controller->snapshots);
    dispatcher_stop(controller->dispatcher);
}

void controller_free(struct controller *controller)
{
    if (!controller)
        return;
    agents_unsubscribe(controller->service->agents, wake_for_agent, controller);
    dispatcher_free(controller->dispatcher);
    loop_done(&controller->sandboxes);
    loop_done(&controller->snapshots);
    outcomes_free(controller->outcomes);
    recorder_free(controller->recorder);
    for (int i = 0; i < BEGIN_LOCKS; i++)
        pthread_mutex_destroy(&controller->begin_locks[i]);
    snapshot_index_free(controller->index);
    refusals_free(controller->refusals);
    free(controller);
}

void controller_refresh_metrics(struct controller *controller)
{
    metric_set(controller->sandboxes.depth, (double)workqueue_length(controller->sandboxes.queue));
    metric_set(controller->snapshots.depth, (double)workqueue_length(controller->snapshots.queue));
    metric_set(controller->commits_followed, dispatcher_load(controller->dispatcher).followed);
}
