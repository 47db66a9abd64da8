#include "tests/unit/snapshot-svc/node/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/json/json.h"
#include "snapshot-svc/node/node_priv.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

enum { AWAIT_S = 20 };

struct stage *stage_new(void)
{
    struct stage *stage = xcalloc(1, sizeof(*stage));
    pthread_condattr_t monotonic;

    stage->kit = local_kit_new();
    stage->kit->options.node = stage->node_name = "here";
    stage->kit->options.ns = stage->ns = "test";
    stage->retry_first_ms = 20;
    snprintf(stage->volumes_dir, sizeof(stage->volumes_dir), "%s/volumes", stage->kit->folder);
    snprintf(stage->claims_dir, sizeof(stage->claims_dir), "%s/claims", stage->kit->folder);
    snprintf(stage->agent_socket, sizeof(stage->agent_socket), "%s/agent.sock", stage->kit->folder);
    snprintf(stage->door, sizeof(stage->door), "unix:%s/door.sock", stage->kit->folder);
    pthread_mutex_init(&stage->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&stage->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    stage->runtime = fake_runtime_new(stage->agent_socket);
    return stage;
}

/* ---- every change wakes who awaits something ---- */

static void note_change(void *self, struct object *object)
{
    struct stage *stage = self;

    (void)object;
    pthread_mutex_lock(&stage->lock);
    stage->changes++;
    pthread_cond_broadcast(&stage->changed);
    pthread_mutex_unlock(&stage->lock);
}

static void note_update(void *self, struct object *old, struct object *object)
{
    (void)old;
    note_change(self, object);
}

/* ---- life ---- */

static void make_informers(struct stage *stage)
{
    for (enum cluster_kind kind = KIND_BATCH_SANDBOX; kind <= KIND_POD; kind++) {
        const struct informer_options options = {
            .cluster = stage->kit->cluster, .kind = kind, .ns = stage->ns};
        stage->service.informers[kind] = informer_new(&options);
        informer_subscribe(stage->service.informers[kind], &(struct informer_handler){.added = note_change,
                                                                                      .updated = note_update,
                                                                                      .deleted = note_change,
                                                                                      .self = stage});
    }
}

static void open_door(struct stage *stage)
{
    const struct rpc_server_options options = {.workers = 8};
    const struct rpc_channel_options channel = {.name = "snapshot-svc"};
    struct error err = {0};

    stage->server = rpc_server_new(&options);
    orchestrator_service_add(stage->orchestrator, stage->server);
    assert_ok(rpc_server_listen(stage->server, stage->door, NULL, &err));
    rpc_server_start(stage->server);
    stage->channel = rpc_channel_new(stage->door, &channel);
}

void stage_start(struct stage *stage)
{
    const struct node_options options = {.volumes_dir = stage->volumes_dir,
                                         .claims_dir = stage->claims_dir,
                                         .retry_first_ms = stage->retry_first_ms,
                                         .retry_max_ms = stage->retry_first_ms};
    SCOPED(string) char *agent = xasprintf("unix:%s", stage->agent_socket);
    struct error err = {0};

    local_kit_open(stage->kit);
    stage->service = (struct service){.cluster = stage->kit->cluster,
                                      .ns = stage->ns,
                                      .agents = agents_new(NULL),
                                      .node_name = stage->node_name};
    agents_put(stage->service.agents, stage->node_name, agent);
    make_informers(stage);
    if (!stage->without_node)
        stage->node = node_new(&stage->service, &options);
    stage->orchestrator = orchestrator_service_new(&stage->service);
    for (enum cluster_kind kind = KIND_BATCH_SANDBOX; kind <= KIND_POD; kind++)
        assert_ok(informer_start(stage->service.informers[kind], &err));
    for (enum cluster_kind kind = KIND_BATCH_SANDBOX; kind <= KIND_POD; kind++)
        assert_ok(informer_wait_synced(stage->service.informers[kind], AWAIT_S * 1000, &err));
    if (stage->node)
        assert_ok(node_start(stage->node, &err));
    if (stage->with_door)
        open_door(stage);
}

void stage_stop(struct stage *stage)
{
    if (stage->channel)
        rpc_channel_free(stage->channel);
    stage->channel = NULL;
    if (stage->server) {
        rpc_server_stop(stage->server, 0);
        rpc_server_free(stage->server);
        stage->server = NULL;
    }
    node_stop(stage->node);
    for (enum cluster_kind kind = KIND_BATCH_SANDBOX; kind <= KIND_POD; kind++)
        informer_free(stage->service.informers[kind]);
    node_free(stage->node);
    stage->node = NULL;
    orchestrator_service_free(stage->orchestrator);
    agents_free(stage->service.agents);
    local_kit_close(stage->kit);
    stage->service = (struct service){0};
    stage->orchestrator = NULL;
}

void stage_free(struct stage *stage)
{
    if (stage->service.cluster)
        stage_stop(stage);
    fake_runtime_free(stage->runtime);
    local_kit_free(stage->kit);
    pthread_cond_destroy(&stage->changed);
    pthread_mutex_destroy(&stage->lock);
    free(stage);
}

/* ---- objects ---- */

void stage_create(struct stage *stage, enum cluster_kind kind, const char *json)
{
    SCOPED(json) json_t *object = quoted(json);
    struct error err = {0};

    assert_ok(cluster_create(stage->kit->cluster, kind, "test", object, NULL, &err));
}

void stage_create_pod(struct stage *stage, const char *name, const char *image)
{
    SCOPED(string)
    char *json = xasprintf("{'metadata': {'name': '%s'},"
                           " 'spec': {'containers': [{'name': 'main', 'image': '%s'}]}}",
                           name, image);
    stage_create(stage, KIND_POD, json);
}

void stage_create_secret(struct stage *stage, const char *name, const char *docker_config)
{
    SCOPED(string) char *folder = xasprintf("%s/%s", stage->kit->secrets_dir, name);
    SCOPED(string) char *path = xasprintf("%s/.dockerconfigjson", folder);
    struct error err = {0};

    assert_ok(dir_ensure(folder, 0700, &err));
    assert_ok(file_write_atomic(path, docker_config, strlen(docker_config), 0600, &err));
}

void stage_delete(struct stage *stage, enum cluster_kind kind, const char *name, int grace_s)
{
    struct error err = {0};
    assert_ok(cluster_remove(stage->kit->cluster, kind, "test", name, NULL, grace_s, &err));
}

json_t *stage_get(struct stage *stage, enum cluster_kind kind, const char *name)
{
    struct error err = {0};
    json_t *object;

    if (cluster_get(stage->kit->cluster, kind, "test", name, &object, &err) == 0)
        return object;
    if (err.code != ERR_NOT_FOUND)
        fail_msg("%s", err.text);
    return NULL;
}

char *stage_uid(struct stage *stage, enum cluster_kind kind, const char *name)
{
    SCOPED(json) json_t *object = stage_get(stage, kind, name);

    assert_non_null(object);
    return xstrdup(json_path_string(object, "metadata.uid"));
}

int stage_events(struct stage *stage, const char *name, const char *reason)
{
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    struct error err = {0};
    json_int_t count = 0;
    size_t i;
    json_t *event;

    if (stage->node)
        assert_true(recorder_flush(stage->node->recorder, AWAIT_S * 1000));
    assert_ok(cluster_list(stage->kit->cluster, KIND_EVENT, "test", NULL, &items, &version, &err));
    json_array_foreach(items, i, event)
    {
        if (strcmp(json_path_string(event, "involvedObject.name"), name) == 0 &&
            strcmp(json_path_string(event, "reason"), reason) == 0)
            count += json_integer_value(json_object_get(event, "count"));
    }
    return (int)count;
}

/* ---- waiting ---- */

struct wanted {
    enum cluster_kind kind;
    const char *name, *path, *text;
    bool in_container, in_cache;
};

static bool is_so(struct stage *stage, const struct wanted *wanted)
{
    if (wanted->in_cache) {
        SCOPED(object)
        struct object *cached = informer_get(stage->service.informers[wanted->kind], "test", wanted->name);
        return cached != NULL;
    }
    SCOPED(json) json_t *object = stage_get(stage, wanted->kind, wanted->name);
    const json_t *at = object;

    if (!wanted->path)
        return object == NULL;
    if (wanted->in_container)
        at = json_array_get(json_path(object, "status.containerStatuses"), 0);
    const char *found = at ? json_path_string(at, wanted->path) : NULL;
    return found && strcmp(found, wanted->text) == 0;
}

/* Looks, and looks again at every change, until it is so. */
static bool becomes_so(struct stage *stage, const struct wanted *wanted)
{
    struct timespec until;
    bool late = false;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += AWAIT_S;
    while (!late) {
        pthread_mutex_lock(&stage->lock);
        uint64_t before = stage->changes;
        pthread_mutex_unlock(&stage->lock);
        if (is_so(stage, wanted))
            return true;
        pthread_mutex_lock(&stage->lock);
        while (stage->changes == before && !late)
            late = pthread_cond_timedwait(&stage->changed, &stage->lock, &until) != 0;
        pthread_mutex_unlock(&stage->lock);
    }
    return is_so(stage, wanted);
}

static void await(struct stage *stage, const struct wanted *wanted)
{
    if (becomes_so(stage, wanted))
        return;
    SCOPED(json) json_t *object = stage_get(stage, wanted->kind, wanted->name);
    SCOPED(string) char *text = object ? json_text(object) : xstrdup("nothing");
    fail_msg("%s: want %s %s, have %s", wanted->name, wanted->path ? wanted->path : "another state",
             wanted->text ? wanted->text : "", text);
}

void stage_await(struct stage *stage, enum cluster_kind kind, const char *name, const char *path,
                 const char *text)
{
    await(stage, &(struct wanted){.kind = kind, .name = name, .path = text ? path : NULL, .text = text});
}

void stage_await_container(struct stage *stage, const char *pod, const char *path, const char *text)
{
    await(stage,
          &(struct wanted){.kind = KIND_POD, .name = pod, .path = path, .text = text, .in_container = true});
}

void stage_await_cached(struct stage *stage, enum cluster_kind kind, const char *name)
{
    await(stage, &(struct wanted){.kind = kind, .name = name, .in_cache = true});
}
