#include "tests/support/fake_node_runtime.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/rpc/server.h"

#define SERVICE    (&opensandbox__committer__v1__node_runtime__descriptor)
#define EXITED     OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__EXITED
#define RUNNING    OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__RUNNING
#define FROZEN     OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__FROZEN
#define WAITING    OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__WAITING
#define POD(state) OPENSANDBOX__COMMITTER__V1__POD_STATE__##state

enum { MAX_PODS = 64, MAX_CONTAINERS = 4, AWAIT_S = 20 };

typedef Opensandbox__Committer__V1__Pod pod_message;
typedef Opensandbox__Committer__V1__Container container_message;
typedef Opensandbox__Committer__V1__RunPodRequest run_request;

struct fake_pod {
    char uid[64], ns[64], name[128];
    int state; /* a PodState; 0: no such pod */
    bool is_rumoured_gone;
    int containers[MAX_CONTAINERS], exit_code;
    char container_names[MAX_CONTAINERS][64];
    size_t container_count;
    const char *reason;
    unsigned runs, stops;
    uint64_t version;
};

struct fake_runtime {
    char *socket_path;
    struct rpc_server *server;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct fake_pod pods[MAX_PODS];
    size_t count;
    uint64_t version;
    bool hold_starts, fail_stops;
    unsigned cancelled_runs;
    const char *bad_image;
    struct error bad_image_error;
    int64_t last_grace_ms;
    run_request *last_run;
    char *last_command;
};

/* ---- with the lock held ---- */

static struct fake_pod *by_uid(struct fake_runtime *fake, const char *uid)
{
    for (size_t i = 0; i < fake->count; i++)
        if (strcmp(fake->pods[i].uid, uid) == 0)
            return &fake->pods[i];
    return NULL;
}

static struct fake_pod *by_name(struct fake_runtime *fake, const char *name)
{
    struct fake_pod *found = NULL;

    for (size_t i = 0; i < fake->count; i++)
        if (strcmp(fake->pods[i].name, name) == 0)
            found = &fake->pods[i]; /* the newest of that name */
    return found;
}

static struct fake_pod *add(struct fake_runtime *fake, const char *uid, const char *ns, const char *name)
{
    struct fake_pod *pod = by_uid(fake, uid);

    if (!pod) {
        assert_true(fake->count < MAX_PODS);
        pod = &fake->pods[fake->count++];
        snprintf(pod->uid, sizeof(pod->uid), "%s", uid);
        snprintf(pod->ns, sizeof(pod->ns), "%s", ns);
        snprintf(pod->name, sizeof(pod->name), "%s", name);
    }
    return pod;
}

static void change(struct fake_runtime *fake, struct fake_pod *pod, int state, int container_state)
{
    pod->state = state;
    pod->is_rumoured_gone = false;
    for (size_t i = 0; i < pod->container_count; i++)
        pod->containers[i] = container_state;
    pod->version = ++fake->version;
    pthread_cond_broadcast(&fake->changed);
}

/* ---- a pod as a message in the call's memory ---- */

static void fill(struct rpc_call *call, const struct fake_pod *pod, pod_message *out)
{
    opensandbox__committer__v1__pod__init(out);
    out->pod = rpc_alloc(call, sizeof(*out->pod));
    opensandbox__committer__v1__pod_ref__init(out->pod);
    out->pod->uid = rpc_strdup(call, pod->uid);
    out->pod->namespace_ = rpc_strdup(call, pod->ns);
    out->pod->name = rpc_strdup(call, pod->name);
    out->state = (Opensandbox__Committer__V1__PodState)pod->state;
    out->ip = pod->state == POD(READY) ? (char *)"10.1.2.3" : (char *)"";
    out->containers = rpc_alloc(call, (pod->container_count + 1) * sizeof(*out->containers));
    for (size_t i = 0; i < pod->container_count; i++) {
        container_message *container = out->containers[out->n_containers++] =
            rpc_alloc(call, sizeof(*container));
        opensandbox__committer__v1__container__init(container);
        container->name = rpc_strdup(call, pod->container_names[i]);
        container->id = rpc_printf(call, "%s-%s", pod->uid, pod->container_names[i]);
        container->state = (Opensandbox__Committer__V1__ContainerState)pod->containers[i];
        if (container->state == EXITED) {
            container->exit_code = pod->exit_code;
            container->reason = rpc_strdup(call, pod->reason);
        }
    }
}

/* ---- handlers ---- */

static void wake(void *arg)
{
    struct fake_runtime *fake = arg;

    pthread_mutex_lock(&fake->lock);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static bool wants_bad_image(const struct fake_runtime *fake, const run_request *request)
{
    for (size_t i = 0; fake->bad_image && i < request->n_containers; i++)
        if (strcmp(request->containers[i]->image, fake->bad_image) == 0)
            return true;
    return false;
}

static void remember_run(struct fake_runtime *fake, const run_request *request)
{
    size_t length = opensandbox__committer__v1__run_pod_request__get_packed_size(request);
    SCOPED(memory) uint8_t *bytes = xcalloc(length + 1, 1);

    opensandbox__committer__v1__run_pod_request__pack(request, bytes);
    opensandbox__committer__v1__run_pod_request__free_unpacked(fake->last_run, NULL);
    fake->last_run = opensandbox__committer__v1__run_pod_request__unpack(NULL, length, bytes);
}

/* With the lock held. */
static int run_locked(struct fake_runtime *fake, struct rpc_call *call, const run_request *request,
                      struct error *err)
{
    struct fake_pod *pod = add(fake, request->pod->uid, request->pod->namespace_, request->pod->name);

    pod->runs++;
    remember_run(fake, request);
    pthread_cond_broadcast(&fake->changed);
    if (wants_bad_image(fake, request)) {
        *err = fake->bad_image_error;
        if (strcmp(err->reason, "ErrImagePull") != 0)
            change(fake, pod, POD(STARTING), WAITING);
        return -1;
    }
    if (pod->state == POD(READY) || pod->state == POD(ENDED))
        return 0;
    pod->container_count = 0;
    for (size_t i = 0; i < request->n_containers && i < MAX_CONTAINERS; i++)
        snprintf(pod->container_names[pod->container_count++], sizeof(pod->container_names[0]), "%s",
                 request->containers[i]->name);
    if (fake->hold_starts)
        change(fake, pod, POD(STARTING), WAITING);
    while (fake->hold_starts && !rpc_cancelled(call))
        pthread_cond_wait(&fake->changed, &fake->lock);
    if (rpc_cancelled(call)) {
        fake->cancelled_runs++;
        pthread_cond_broadcast(&fake->changed);
        return error_set(err, ERR_CANCELLED, "the caller left");
    }
    change(fake, pod, POD(READY), RUNNING);
    return 0;
}

static int run_pod(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const run_request *request = request_;
    struct fake_runtime *fake = rpc_self(call);

    rpc_on_cancel(call, wake, fake);
    pthread_mutex_lock(&fake->lock);
    int done = run_locked(fake, call, request, err);
    if (done == 0)
        fill(call, by_uid(fake, request->pod->uid), response);
    pthread_mutex_unlock(&fake->lock);
    rpc_on_cancel(call, NULL, NULL);
    return done;
}

static int stop_pod(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const Opensandbox__Committer__V1__StopPodRequest *request = request_;
    struct fake_runtime *fake = rpc_self(call);
    int done = 0;

    (void)response;
    pthread_mutex_lock(&fake->lock);
    struct fake_pod *pod = add(fake, request->pod->uid, "", "");
    fake->last_grace_ms = request->grace_ms;
    pod->stops++;
    if (fake->fail_stops)
        done = error_set(err, ERR_UNAVAILABLE, "containerd is away");
    else if (pod->state)
        change(fake, pod, POD(GONE), EXITED);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    return done;
}

/* With the lock held: the oldest change after `told`. */
static struct fake_pod *next_change(struct fake_runtime *fake, uint64_t told)
{
    struct fake_pod *oldest = NULL;

    for (size_t i = 0; i < fake->count; i++)
        if (fake->pods[i].version > told && (!oldest || fake->pods[i].version < oldest->version))
            oldest = &fake->pods[i];
    return oldest;
}

static int send_pod(struct rpc_call *call, const struct fake_pod *pod, bool initial, struct error *err)
{
    Opensandbox__Committer__V1__PodEvent event = OPENSANDBOX__COMMITTER__V1__POD_EVENT__INIT;
    pod_message message;

    event.initial = initial;
    if (pod) {
        fill(call, pod, &message);
        event.pod = &message;
    }
    return rpc_send(call, &event.base, err);
}

static int watch_pods(struct rpc_call *call, const void *request, struct error *err)
{
    struct fake_runtime *fake = rpc_self(call);
    uint64_t told = 0, list_to;
    bool listed = false;
    int done = 0;

    (void)request;
    rpc_on_cancel(call, wake, fake);
    pthread_mutex_lock(&fake->lock);
    list_to = fake->version;
    while (done == 0 && !rpc_cancelled(call)) {
        struct fake_pod *next = next_change(fake, told);
        bool ends_list = !listed && (!next || next->version > list_to);
        if (!next && !ends_list) {
            pthread_cond_wait(&fake->changed, &fake->lock);
            continue;
        }
        struct fake_pod copy = next && !ends_list ? *next : (struct fake_pod){0};
        pthread_mutex_unlock(&fake->lock);
        if (!ends_list)
            told = copy.version;
        if (listed && copy.is_rumoured_gone)
            copy.state = POD(GONE);
        if (ends_list || listed || copy.state != POD(GONE))
            done = send_pod(call, ends_list ? NULL : &copy, !listed && !ends_list, err);
        listed |= ends_list;
        pthread_mutex_lock(&fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
    rpc_on_cancel(call, NULL, NULL);
    return done < 0 ? -1 : error_set(err, ERR_CANCELLED, "the watch was cancelled");
}

/* Prints its input to stdout, its first word to stderr, and exits with 7. */
static int exec(struct rpc_call *call, const void *request_, struct error *err)
{
    const Opensandbox__Committer__V1__ExecRequest *request = request_;
    struct fake_runtime *fake = rpc_self(call);
    Opensandbox__Committer__V1__ExecEvent event;
    const char *word = request->n_command ? request->command[0] : "";

    pthread_mutex_lock(&fake->lock);
    free(fake->last_command);
    fake->last_command = xstrdup(word);
    struct fake_pod *pod = by_uid(fake, request->pod->uid);
    bool runs = pod && pod->state == POD(READY);
    pthread_mutex_unlock(&fake->lock);
    if (!runs)
        return error_set(err, ERR_NOT_FOUND, "no such pod");
    opensandbox__committer__v1__exec_event__init(&event);
    event.event_case = OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_STDOUT;
    event.stdout = request->stdin;
    if (rpc_send(call, &event.base, err) < 0)
        return -1;
    event.event_case = OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_STDERR;
    event.stderr = (ProtobufCBinaryData){.data = (uint8_t *)word, .len = strlen(word)};
    if (rpc_send(call, &event.base, err) < 0)
        return -1;
    event.event_case = OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_EXIT_CODE;
    event.exit_code = 7;
    return rpc_send(call, &event.base, err);
}

/* As many lines as were asked for: "line 1", ... */
static int logs(struct rpc_call *call, const void *request_, struct error *err)
{
    const Opensandbox__Committer__V1__LogsRequest *request = request_;
    Opensandbox__Committer__V1__LogsEvent event = OPENSANDBOX__COMMITTER__V1__LOGS_EVENT__INIT;

    for (int64_t i = 1; i <= request->tail_lines; i++) {
        char line[32];
        snprintf(line, sizeof(line), "line %d", (int)i);
        event.line = (ProtobufCBinaryData){.data = (uint8_t *)line, .len = strlen(line)};
        event.time_unix_ns = i;
        event.stderr = i % 2 == 0;
        if (rpc_send(call, &event.base, err) < 0)
            return -1;
    }
    return 0;
}

static const struct rpc_method methods[] = {
    {.name = "RunPod", .unary = run_pod},
    {.name = "StopPod", .unary = stop_pod},
    {.name = "WatchPods", .stream = watch_pods, .endless = true},
    {.name = "Exec", .stream = exec},
    {.name = "Logs", .stream = logs},
    {0},
};

/* ---- life ---- */

struct fake_runtime *fake_runtime_new(const char *socket_path)
{
    struct fake_runtime *fake = xcalloc(1, sizeof(*fake));
    pthread_condattr_t monotonic;

    fake->socket_path = xstrdup(socket_path);
    pthread_mutex_init(&fake->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&fake->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    fake_runtime_serve(fake);
    return fake;
}

void fake_runtime_serve(struct fake_runtime *fake)
{
    const struct rpc_server_options options = {.workers = 16};
    SCOPED(string) char *address = xasprintf("unix:%s", fake->socket_path);
    struct error err = {0};

    fake->server = rpc_server_new(&options);
    rpc_server_add(fake->server, SERVICE, methods, fake);
    if (rpc_server_listen(fake->server, address, NULL, &err) < 0)
        fail_msg("%s", err.text);
    rpc_server_start(fake->server);
}

void fake_runtime_go_away(struct fake_runtime *fake)
{
    rpc_server_stop(fake->server, 0);
    rpc_server_free(fake->server);
    fake->server = NULL;
}

void fake_runtime_free(struct fake_runtime *fake)
{
    if (fake->server)
        fake_runtime_go_away(fake);
    opensandbox__committer__v1__run_pod_request__free_unpacked(fake->last_run, NULL);
    free(fake->last_command);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake->socket_path);
    free(fake);
}

/* ---- what the test decides ---- */

void fake_runtime_on_image(struct fake_runtime *fake, const char *image, enum error_code code,
                           const char *reason, const char *text)
{
    pthread_mutex_lock(&fake->lock);
    fake->bad_image = code == ERR_NONE ? NULL : image;
    error_clear(&fake->bad_image_error);
    if (code != ERR_NONE) {
        (void)error_set(&fake->bad_image_error, code, "%s", text);
        (void)error_reason(&fake->bad_image_error, reason);
    }
    pthread_mutex_unlock(&fake->lock);
}

static void set_flag(struct fake_runtime *fake, bool *flag, bool value)
{
    pthread_mutex_lock(&fake->lock);
    *flag = value;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

void fake_runtime_hold_starts(struct fake_runtime *fake, bool hold)
{
    set_flag(fake, &fake->hold_starts, hold);
}

void fake_runtime_fail_stops(struct fake_runtime *fake, bool fail)
{
    set_flag(fake, &fake->fail_stops, fail);
}

void fake_runtime_add(struct fake_runtime *fake, const char *uid, const char *ns, const char *name)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_pod *pod = add(fake, uid, ns, name);
    pod->container_count = 1;
    strcpy(pod->container_names[0], "main");
    change(fake, pod, POD(READY), RUNNING);
    pthread_mutex_unlock(&fake->lock);
}

static void become(struct fake_runtime *fake, const char *name, int state, int container_state, int exit_code,
                   const char *reason)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_pod *pod = by_name(fake, name);
    assert_non_null(pod);
    pod->exit_code = exit_code;
    pod->reason = reason;
    change(fake, pod, state, container_state);
    pthread_mutex_unlock(&fake->lock);
}

void fake_runtime_exit(struct fake_runtime *fake, const char *name, int exit_code, const char *reason)
{
    become(fake, name, POD(ENDED), EXITED, exit_code, reason);
}

void fake_runtime_freeze(struct fake_runtime *fake, const char *name, bool frozen)
{
    become(fake, name, POD(READY), frozen ? FROZEN : RUNNING, 0, "");
}

void fake_runtime_end_sandbox(struct fake_runtime *fake, const char *name)
{
    become(fake, name, POD(ENDED), RUNNING, 0, "");
}

void fake_runtime_vanish(struct fake_runtime *fake, const char *name)
{
    become(fake, name, POD(GONE), EXITED, 0, "");
}

void fake_runtime_rumour_gone(struct fake_runtime *fake, const char *name)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_pod *pod = by_name(fake, name);
    assert_non_null(pod);
    pod->is_rumoured_gone = true;
    pod->version = ++fake->version;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

/* ---- what the test sees ---- */

typedef bool seen_fn(struct fake_runtime *fake, const char *what, unsigned count);

static void await(struct fake_runtime *fake, seen_fn *seen, const char *what, unsigned count)
{
    struct timespec until;
    int waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += AWAIT_S;
    pthread_mutex_lock(&fake->lock);
    while (!seen(fake, what, count) && waited == 0)
        waited = pthread_cond_timedwait(&fake->changed, &fake->lock, &until);
    pthread_mutex_unlock(&fake->lock);
    if (waited != 0)
        fail_msg("waited for %u calls about \"%s\" in vain", count, what ? what : "");
}

static bool was_run(struct fake_runtime *fake, const char *name, unsigned count)
{
    struct fake_pod *pod = by_name(fake, name);
    return pod && pod->runs >= count;
}

static bool was_stopped(struct fake_runtime *fake, const char *uid, unsigned count)
{
    struct fake_pod *pod = by_uid(fake, uid);
    return pod && pod->stops >= count;
}

static bool was_cancelled(struct fake_runtime *fake, const char *what, unsigned count)
{
    (void)what;
    return fake->cancelled_runs >= count;
}

void fake_runtime_await_runs(struct fake_runtime *fake, const char *name, unsigned count)
{
    await(fake, was_run, name, count);
}

void fake_runtime_await_stops(struct fake_runtime *fake, const char *uid, unsigned count)
{
    await(fake, was_stopped, uid, count);
}

void fake_runtime_await_cancelled_runs(struct fake_runtime *fake, unsigned count)
{
    await(fake, was_cancelled, NULL, count);
}

unsigned fake_runtime_runs(struct fake_runtime *fake, const char *name)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_pod *pod = by_name(fake, name);
    unsigned runs = pod ? pod->runs : 0;
    pthread_mutex_unlock(&fake->lock);
    return runs;
}

int64_t fake_runtime_last_grace_ms(struct fake_runtime *fake)
{
    pthread_mutex_lock(&fake->lock);
    int64_t grace_ms = fake->last_grace_ms;
    pthread_mutex_unlock(&fake->lock);
    return grace_ms;
}

const run_request *fake_runtime_last_run(struct fake_runtime *fake)
{
    pthread_mutex_lock(&fake->lock);
    const run_request *request = fake->last_run;
    pthread_mutex_unlock(&fake->lock);
    return request;
}

const char *fake_runtime_last_command(struct fake_runtime *fake)
{
    pthread_mutex_lock(&fake->lock);
    const char *command = fake->last_command ? fake->last_command : "";
    pthread_mutex_unlock(&fake->lock);
    return command;
}
