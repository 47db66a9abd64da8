#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"

/* ---- objects ---- */

json_t *quoted(const char *text)
{
    SCOPED(string) char *doc = xstrdup(text);
    json_error_t error;

    for (char *c = doc; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *value = json_loads(doc, JSON_DECODE_ANY, &error);
    if (!value)
        fail_msg("%s: %s", error.text, text);
    return value;
}

json_t *quotedf(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    assert_true(vasprintf(&text, format, args) >= 0);
    va_end(args);
    json_t *value = quoted(text);
    free(text);
    return value;
}

json_t *sandbox_named(const char *name)
{
    return quotedf("{'apiVersion': 'sandbox.opensandbox.io/v1alpha1', 'kind': 'BatchSandbox',"
                   " 'metadata': {'name': '%s'}, 'spec': {'template': {'spec': {'containers': []}}}}",
                   name);
}

json_t *snapshot_named(const char *name, const char *sandbox)
{
    return quotedf("{'apiVersion': 'sandbox.opensandbox.io/v1alpha1', 'kind': 'SandboxSnapshot',"
                   " 'metadata': {'name': '%s'}, 'spec': {'sandboxName': '%s'}}",
                   name, sandbox);
}

json_t *pod_named(const char *name)
{
    return quotedf("{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': '%s'},"
                   " 'spec': {'containers': [{'name': 'main', 'image': 'example.test/none:1'}]}}",
                   name);
}

json_t *owned_by(json_t *object, const json_t *owner)
{
    json_t *meta = json_object_get(object, "metadata");
    json_t *reference =
        json_pack("{s:O, s:O, s:O, s:O, s:b, s:b}", "apiVersion", json_object_get(owner, "apiVersion"),
                  "kind", json_object_get(owner, "kind"), "name", json_path(owner, "metadata.name"), "uid",
                  json_path(owner, "metadata.uid"), "controller", 1, "blockOwnerDeletion", 1);

    if (!json_object_get(meta, "ownerReferences"))
        json_object_set_new(meta, "ownerReferences", json_array());
    json_array_append_new(json_object_get(meta, "ownerReferences"), reference);
    return object;
}

json_t *status_patch(const char *phase)
{
    return quotedf(
        "{'status': {'replicas': 0, 'allocated': 0, 'ready': 0, 'taskRunning': 0, 'taskSucceed': 0,"
        " 'taskFailed': 0, 'taskPending': 0, 'taskUnknown': 0, 'phase': '%s'}}",
        phase);
}

/* ---- watching ---- */

static void note_event(void *self, enum watch_event_type type, json_t *object)
{
    struct watcher *watcher = self;

    pthread_mutex_lock(&watcher->lock);
    watcher->events = xrealloc_array(watcher->events, watcher->count + 1, sizeof(watcher->events[0]));
    watcher->events[watcher->count++] = (struct told){.type = type, .object = json_deep_copy(object)};
    pthread_cond_broadcast(&watcher->more);
    pthread_mutex_unlock(&watcher->lock);
}

static void *run_watch(void *arg)
{
    struct watcher *watcher = arg;
    struct error end = {0};

    (void)cluster_watch_run(watcher->cluster, watcher->watch, note_event, watcher,
                            &end); /* it always ends by an error */
    pthread_mutex_lock(&watcher->lock);
    watcher->end = end;
    watcher->ended = true;
    pthread_cond_broadcast(&watcher->more);
    pthread_mutex_unlock(&watcher->lock);
    return NULL;
}

struct watcher *watcher_start(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                              const char *version)
{
    struct watcher *watcher = xcalloc(1, sizeof(*watcher));
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *now = NULL;
    struct error err = {0};

    watcher->cluster = cluster;
    pthread_mutex_init(&watcher->lock, NULL);
    pthread_cond_init(&watcher->more, NULL);
    assert_ok(cluster_list(cluster, kind, ns, NULL, &items, &now, &err));
    assert_ok(cluster_watch_open(cluster, kind, ns, NULL, version ? version : now, &watcher->watch, &err));
    assert_int_equal(pthread_create(&watcher->thread, NULL, run_watch, watcher), 0);
    return watcher;
}

static bool wait_more(struct watcher *watcher, const struct timespec *until)
{
    return !watcher->ended && pthread_cond_timedwait(&watcher->more, &watcher->lock, until) == 0;
}

static struct timespec deadline(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    return until;
}

json_t *watcher_wait(struct watcher *watcher, enum watch_event_type type, const char *name, size_t *at)
{
    struct timespec until = deadline();
    json_t *found = NULL;

    pthread_mutex_lock(&watcher->lock);
    do {
        while (*at < watcher->count && !found) {
            struct told *event = &watcher->events[(*at)++];
            const char *told_name = json_path_string(event->object, "metadata.name");
            if (event->type == type && (!name || (told_name && strcmp(told_name, name) == 0)))
                found = event->object;
        }
    } while (!found && wait_more(watcher, &until));
    pthread_mutex_unlock(&watcher->lock);
    return found;
}

struct error watcher_wait_end(struct watcher *watcher)
{
    struct timespec until = deadline();

    pthread_mutex_lock(&watcher->lock);
    while (wait_more(watcher, &until))
        ;
    struct error end = watcher->end;
    pthread_mutex_unlock(&watcher->lock);
    return end;
}

size_t watcher_count(struct watcher *watcher)
{
    pthread_mutex_lock(&watcher->lock);
    size_t count = watcher->count;
    pthread_mutex_unlock(&watcher->lock);
    return count;
}

void watcher_stop(struct watcher *watcher)
{
    cluster_watch_stop(watcher->cluster, watcher->watch);
    pthread_join(watcher->thread, NULL);
    cluster_watch_free(watcher->cluster, watcher->watch);
    for (size_t i = 0; i < watcher->count; i++)
        json_decref(watcher->events[i].object);
    free(watcher->events);
    pthread_cond_destroy(&watcher->more);
    pthread_mutex_destroy(&watcher->lock);
    free(watcher);
}
