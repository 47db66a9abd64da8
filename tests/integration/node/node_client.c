#include "tests/integration/node/node_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/api/node_runtime_service.h"
#include "shared/base/alloc.h"
#include "shared/rpc/server.h"

typedef Opensandbox__Committer__V1__ContainerSpec container_wish;

#define SERVICE (&opensandbox__committer__v1__node_runtime__descriptor)

static void must(int result, const struct error *err, const char *what)
{
    if (result < 0)
        fail_msg("%s: %s (%s)", what, err->text, err->reason);
}

static void serve(struct world *world)
{
    SCOPED(string) char *logs = xasprintf("%s/logs", world->dir);
    SCOPED(string) char *state = xasprintf("%s/agent", world->dir);
    SCOPED(string) char *target = xasprintf("unix:%s/agent.sock", world->dir);
    SCOPED(string) char *mounts = xasprintf("%s/mounts", world->dir);
    struct node_options options = {.socket = world->containerd_socket,
                                   .log_dir = logs,
                                   .state_dir = state,
                                   .mounts_dir = mounts,
                                   .cgroup_parent = "/stasis-test"};
    struct error err = {0};

    must(node_new(&options, &world->node, &err), &err, "node_new");
    must(node_start(world->node, &err), &err, "node_start");
    world->server = rpc_server_new(&(struct rpc_server_options){0});
    node_runtime_service_add(world->server, world->node);
    must(rpc_server_listen(world->server, target, NULL, &err), &err, "listen");
    rpc_server_start(world->server);
    world->channel = rpc_channel_new(target, &(struct rpc_channel_options){.name = "agent"});
}

static void stop_serving(struct world *world)
{
    rpc_channel_free(world->channel);
    rpc_server_stop(world->server, 1000);
    rpc_server_free(world->server);
    node_free(world->node);
}

int world_start(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    const char *dir = getenv("STASIS_CONTAINERD_DIR"), *registry = getenv("STASIS_TEST_REGISTRY");

    world->image = getenv("STASIS_TEST_IMAGE");
    if (!dir || !registry || !world->image)
        return -1;
    world->dir = xstrdup(dir);
    world->registry = xstrdup(registry);
    world->containerd_socket = xasprintf("%s/containerd.sock", dir);
    serve(world);
    *state = world;
    return 0;
}

int world_end(void **state)
{
    struct world *world = *state;

    stop_serving(world);
    shell("rmdir /sys/fs/cgroup/*/stasis-test /sys/fs/cgroup/stasis-test 2>/dev/null || true");
    free(world->name);
    free(world->dir);
    free(world->registry);
    free(world->containerd_socket);
    free(world);
    return 0;
}

void world_restart_node(struct world *world)
{
    stop_serving(world);
    serve(world);
}

int world_new_pod(void **state)
{
    struct world *world = *state;

    uuid_v4(world->uid);
    free(world->name);
    world->name = xasprintf("pod-%.8s", world->uid);
    return 0;
}

int world_stop_pod(void **state)
{
    struct error err = {0};
    return stop_pod(*state, 0, &err);
}

static Opensandbox__Committer__V1__PodRef ref_of(struct world *world)
{
    Opensandbox__Committer__V1__PodRef ref = OPENSANDBOX__COMMITTER__V1__POD_REF__INIT;

    ref.uid = world->uid;
    ref.namespace_ = (char *)"team";
    ref.name = world->name;
    return ref;
}

static void fill_container(container_wish *spec, const char *name, const char *script, char **words,
                           const struct world *world, const struct pod_wish *wish)
{
    opensandbox__committer__v1__container_spec__init(spec);
    words[0] = (char *)(wish->shell ? wish->shell : "/bin/sh");
    words[1] = (char *)"-c";
    words[2] = (char *)script;
    spec->name = (char *)name;
    spec->image = (char *)(wish->image ? wish->image : world->image);
    spec->command = words;
    spec->n_command = 3;
    spec->working_dir = (char *)"/tmp";
    spec->image_pull_policy = (char *)(wish->policy ? wish->policy : "");
    spec->cpu_limit_millis = wish->cpu_limit_millis;
    spec->memory_limit_bytes = wish->memory_limit_bytes;
}

pod_answer *run_pod(struct world *world, const struct pod_wish *wish, struct error *err)
{
    Opensandbox__Committer__V1__RunPodRequest request = OPENSANDBOX__COMMITTER__V1__RUN_POD_REQUEST__INIT;
    Opensandbox__Committer__V1__PodRef ref = ref_of(world);
    Opensandbox__Committer__V1__EnvVar env = OPENSANDBOX__COMMITTER__V1__ENV_VAR__INIT, *envs[] = {&env};
    Opensandbox__Committer__V1__Mount mount = OPENSANDBOX__COMMITTER__V1__MOUNT__INIT, *mounts[] = {&mount};
    container_wish specs[2], *pointers[] = {&specs[0], &specs[1]};
    container_wish inits[2], *init_pointers[] = {&inits[0], &inits[1]};
    char *words[2][3], *init_words[2][3];
    ProtobufCBinaryData secret = {0};
    pod_answer *answer = NULL;

    fill_container(&specs[0], "main", wish->script, words[0], world, wish);
    env.name = (char *)"GREETING";
    env.value = (char *)"hello world";
    specs[0].env = envs;
    specs[0].n_env = 1;
    if (wish->host_path) {
        mount.host_path = (char *)wish->host_path;
        mount.container_path = (char *)"/data";
        mount.read_only = true;
        specs[0].mounts = mounts;
        specs[0].n_mounts = 1;
    }
    if (wish->side_script)
        fill_container(&specs[1], "side", wish->side_script, words[1], world, wish);
    if (wish->secret) {
        secret = (ProtobufCBinaryData){.data = (uint8_t *)wish->secret, .len = strlen(wish->secret)};
        request.pull_secrets = &secret;
        request.n_pull_secrets = 1;
    }
    for (size_t i = 0; i < 2 && wish->init_scripts[i]; i++) {
        fill_container(&inits[i], i ? "second" : "first", wish->init_scripts[i], init_words[i], world, wish);
        request.n_init_containers++;
    }
    request.init_containers = init_pointers;
    request.pod = &ref;
    request.hostname = (char *)"sandbox-7";
    request.containers = pointers;
    request.n_containers = wish->side_script ? 2 : 1;
    if (rpc_unary(world->channel, SERVICE, "RunPod", &request.base, &answer,
                  &(struct rpc_call_options){.timeout_ms = 60000}, err) < 0)
        return NULL;
    return answer;
}

void pod_answer_free(pod_answer *answer)
{
    if (answer)
        opensandbox__committer__v1__pod__free_unpacked(answer, NULL);
}

/* As snapshot-svc does: CRI cannot stop a container whose shim leaves in that moment, so it is asked again. */
int stop_pod(struct world *world, int64_t grace_ms, struct error *err)
{
    Opensandbox__Committer__V1__StopPodRequest request = OPENSANDBOX__COMMITTER__V1__STOP_POD_REQUEST__INIT;
    Opensandbox__Committer__V1__PodRef ref = ref_of(world);
    ProtobufCMessage *answer = NULL;
    int tries_left = 3, stopped;

    request.pod = &ref;
    request.grace_ms = grace_ms;
    do {
        error_clear(err);
        stopped = rpc_unary(world->channel, SERVICE, "StopPod", &request.base, &answer,
                            &(struct rpc_call_options){.timeout_ms = 60000}, err);
    } while (stopped < 0 && err->code == ERR_INTERNAL && --tries_left > 0);
    if (stopped < 0)
        return -1;
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

static int take_exec_event(const Opensandbox__Committer__V1__ExecEvent *event, struct executed *executed)
{
    switch (event->event_case) {
    case OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_STDOUT:
        return strbuf_append(&executed->out, event->stdout.data, event->stdout.len) ? 0 : -1;
    case OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_STDERR:
        return strbuf_append(&executed->errors, event->stderr.data, event->stderr.len) ? 0 : -1;
    case OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_EXIT_CODE:
        executed->exit_code = event->exit_code;
        return 0;
    default:
        return -1;
    }
}

static int exec_request(struct world *world, Opensandbox__Committer__V1__ExecRequest *request,
                        int64_t client_timeout_ms, struct executed *ret_executed, struct error *err)
{
    Opensandbox__Committer__V1__PodRef ref = ref_of(world);
    Opensandbox__Committer__V1__ExecEvent *event = NULL;
    struct rpc_stream *stream = NULL;
    int got;

    *ret_executed = (struct executed){.exit_code = -1};
    request->pod = &ref;
    if (rpc_stream_open(world->channel, SERVICE, "Exec", &request->base, &stream,
                        &(struct rpc_call_options){.timeout_ms = client_timeout_ms}, err) < 0)
        return -1;
    while ((got = rpc_stream_next(stream, &event, err)) == 1) {
        assert_int_equal(take_exec_event(event, ret_executed), 0);
        opensandbox__committer__v1__exec_event__free_unpacked(event, NULL);
    }
    rpc_stream_free(stream);
    return got;
}

int exec_words(struct world *world, char **words, size_t count, struct executed *ret_executed,
               struct error *err)
{
    Opensandbox__Committer__V1__ExecRequest request = OPENSANDBOX__COMMITTER__V1__EXEC_REQUEST__INIT;

    request.command = words;
    request.n_command = count;
    return exec_request(world, &request, 0, ret_executed, err);
}

int exec_script(struct world *world, const char *script, const char *input, size_t input_length,
                int64_t timeout_ms, struct executed *ret_executed, struct error *err)
{
    Opensandbox__Committer__V1__ExecRequest request = OPENSANDBOX__COMMITTER__V1__EXEC_REQUEST__INIT;
    char *words[] = {(char *)"sh", (char *)"-c", (char *)script};

    request.container = (char *)"main";
    request.command = words;
    request.n_command = 3;
    request.stdin = (ProtobufCBinaryData){.data = (uint8_t *)input, .len = input_length};
    request.timeout_ms = timeout_ms;
    return exec_request(world, &request, 0, ret_executed, err);
}

int exec_script_for(struct world *world, const char *script, int64_t client_timeout_ms,
                    struct executed *ret_executed, struct error *err)
{
    Opensandbox__Committer__V1__ExecRequest request = OPENSANDBOX__COMMITTER__V1__EXEC_REQUEST__INIT;
    char *words[] = {(char *)"sh", (char *)"-c", (char *)script};

    request.command = words;
    request.n_command = 3;
    return exec_request(world, &request, client_timeout_ms, ret_executed, err);
}

void executed_done(struct executed *executed)
{
    strbuf_done(&executed->out);
    strbuf_done(&executed->errors);
}

struct rpc_stream *watch_open(struct world *world)
{
    Opensandbox__Committer__V1__WatchPodsRequest request =
        OPENSANDBOX__COMMITTER__V1__WATCH_PODS_REQUEST__INIT;
    struct rpc_stream *stream = NULL;
    struct error err = {0};

    must(rpc_stream_open(world->channel, SERVICE, "WatchPods", &request.base, &stream,
                         &(struct rpc_call_options){.timeout_ms = 60000}, &err),
         &err, "WatchPods");
    return stream;
}

pod_event *watch_until(struct world *world, struct rpc_stream *watch, int state)
{
    struct error err = {0};

    for (;;) {
        pod_event *event = NULL;
        if (rpc_stream_next(watch, &event, &err) != 1)
            fail_msg("watch ended: %s", err.text);
        if (event->pod && strcmp(event->pod->pod->uid, world->uid) == 0 && (int)event->pod->state == state)
            return event;
        pod_event_free(event);
    }
}

static size_t init_ends(const pod_answer *pod)
{
    size_t ended = 0;

    for (size_t i = 0; i < pod->n_containers; i++)
        ended += pod->containers[i]->init &&
                 pod->containers[i]->state == OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__EXITED;
    return ended;
}

size_t watch_init_ends(struct world *world, struct rpc_stream *watch, size_t at_least)
{
    struct error err = {0};

    for (;;) {
        pod_event *event = NULL;
        if (rpc_stream_next(watch, &event, &err) != 1)
            fail_msg("watch ended: %s", err.text);
        size_t ended =
            event->pod && strcmp(event->pod->pod->uid, world->uid) == 0 ? init_ends(event->pod) : 0;
        pod_event_free(event);
        if (ended >= at_least)
            return ended;
    }
}

void pod_event_free(pod_event *event)
{
    if (event)
        opensandbox__committer__v1__pod_event__free_unpacked(event, NULL);
}

int read_logs(struct world *world, int64_t tail_lines, bool follow, struct strbuf *ret_text,
              struct error *err)
{
    Opensandbox__Committer__V1__LogsRequest request = OPENSANDBOX__COMMITTER__V1__LOGS_REQUEST__INIT;
    Opensandbox__Committer__V1__PodRef ref = ref_of(world);
    Opensandbox__Committer__V1__LogsEvent *event = NULL;
    struct rpc_stream *stream = NULL;
    int got;

    request.pod = &ref;
    request.tail_lines = tail_lines;
    request.follow = follow;
    if (rpc_stream_open(world->channel, SERVICE, "Logs", &request.base, &stream,
                        &(struct rpc_call_options){.timeout_ms = 60000}, err) < 0)
        return -1;
    while ((got = rpc_stream_next(stream, &event, err)) == 1) {
        strbuf_adds(ret_text, event->stderr ? "E " : "");
        strbuf_append(ret_text, event->line.data, event->line.len);
        strbuf_addc(ret_text, '\n');
        opensandbox__committer__v1__logs_event__free_unpacked(event, NULL);
    }
    rpc_stream_free(stream);
    return got;
}

void shell(const char *fmt, ...)
{
    char command[4096];
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    assert_in_range(length, 1, sizeof(command) - 1);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}
