/* test_logs.c - Logs where the cluster tells them and no agent does: as on Kubernetes. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "tests/unit/snapshot-svc/api/api_kit.h"
#include "tests/unit/snapshot-svc/api/meddled_cluster.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)

typedef Opensandbox__Orchestrator__V1__SandboxLogsEvent logs_event;

DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

/* ---- a cluster that tells one line, and goes on until it is stopped when it is followed ---- */

struct cluster_log {
    char *said; /* "<pod>/<container> <lines>" */
    bool follow;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopped;
};

static int told_open(struct cluster *cluster, const char *ns, const char *pod,
                     const struct cluster_log_request *request, struct cluster_log **ret_log,
                     struct error *err)
{
    struct cluster_log *log = xcalloc(1, sizeof(*log));

    (void)cluster;
    (void)ns;
    (void)err;
    log->said = xasprintf("%s/%s %d", pod, request->container, (int)request->tail_lines);
    log->follow = request->follow;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->changed, NULL);
    *ret_log = log;
    return 0;
}

static int told_run(struct cluster_log *log, cluster_log_fn *fn, void *self, struct error *err)
{
    if (fn(self, 42, log->said, strlen(log->said), err) < 0)
        return -1;
    if (!log->follow)
        return 0;
    pthread_mutex_lock(&log->lock);
    while (!log->stopped)
        pthread_cond_wait(&log->changed, &log->lock);
    pthread_mutex_unlock(&log->lock);
    return error_set(err, ERR_CANCELLED, "stopped");
}

static void told_stop(struct cluster_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->stopped = true;
    pthread_cond_signal(&log->changed);
    pthread_mutex_unlock(&log->lock);
}

static void told_free(struct cluster_log *log)
{
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    free(log->said);
    free(log);
}

/* ---- calls ---- */

static struct cluster_ops ops;
static struct meddled_cluster cluster;

static void tell_logs(struct stage *stage, bool tells)
{
    meddled_cluster_init(&cluster, stage->kit->cluster);
    ops = *cluster.cluster.ops;
    ops.log_open = tells ? told_open : NULL;
    ops.log_run = told_run;
    ops.log_stop = told_stop;
    ops.log_free = told_free;
    cluster.cluster.ops = &ops;
    stage->service.cluster = &cluster.cluster;
    stage->service.node_name = NULL;
}

static void give(struct stage *stage, bool with_pod)
{
    stage_create(stage, KIND_BATCH_SANDBOX, "{'metadata': {'name': 'web'}, 'spec': {'template': {}}}");
    SCOPED(string) char *uid = stage_uid(stage, KIND_BATCH_SANDBOX, "web");
    SCOPED(string)
    char *pod =
        xasprintf("{'metadata': {'name': 'web-0', 'ownerReferences': [{'apiVersion':"
                  " 'sandbox.opensandbox.io/v1alpha1', 'kind': 'BatchSandbox', 'name': 'web', 'uid':"
                  " '%s', 'controller': true}]}, 'spec': {'containers': [{'name': 'main', 'image': 'x'},"
                  " {'name': 'side', 'image': 'y'}]}}",
                  uid);
    if (!with_pod)
        return;
    stage_create(stage, KIND_POD, pod);
    stage_await_cached(stage, KIND_POD, "web-0");
}

struct asked {
    const char *container;
    int64_t tail_lines;
    bool follow;
};

static struct rpc_stream *logs(struct stage *stage, struct asked asked)
{
    Opensandbox__Orchestrator__V1__SandboxLogsRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX_LOGS_REQUEST__INIT;
    struct rpc_stream *stream;
    struct error err = {0};

    request.name = "web";
    request.container = (char *)asked.container;
    request.tail_lines = asked.tail_lines;
    request.follow = asked.follow;
    assert_ok(rpc_stream_open(stage->channel, ORCHESTRATOR, "Logs", &request.base, &stream, NULL, &err));
    return stream;
}

static void assert_line(struct rpc_stream *stream, const char *text)
{
    logs_event *event = NULL;
    struct error err = {0};

    if (rpc_stream_next(stream, &event, &err) != 1)
        fail_msg("no line: %s", err.text);
    assert_int_equal(event->line.len, strlen(text));
    assert_memory_equal(event->line.data, text, strlen(text));
    assert_int_equal(event->time_unix_ns, 42);
    protobuf_c_message_free_unpacked(&event->base, NULL);
}

static void assert_ends(struct rpc_stream *stream, enum error_code code)
{
    logs_event *event = NULL;
    struct error err = {0};

    assert_int_equal(rpc_stream_next(stream, &event, &err), code == ERR_NONE ? 0 : -1);
    if (err.code != code)
        fail_msg("%s", err.text);
}

static void the_first_container_is_read_unless_another_is_named(void **state)
{
    struct stage *stage = *state;

    tell_logs(stage, true);
    give(stage, true);
    SCOPED(stream) struct rpc_stream *first = logs(stage, (struct asked){"", 0, false});
    assert_line(first, "web-0/main 0");
    assert_ends(first, ERR_NONE);
    SCOPED(stream) struct rpc_stream *named = logs(stage, (struct asked){"side", 5, false});
    assert_line(named, "web-0/side 5");
    assert_ends(named, ERR_NONE);
}

static void a_log_that_is_followed_ends_with_its_server(void **state)
{
    struct stage *stage = *state;

    tell_logs(stage, true);
    give(stage, true);
    SCOPED(stream) struct rpc_stream *stream = logs(stage, (struct asked){"", 0, true});
    assert_line(stream, "web-0/main 0");
    rpc_server_stop(stage->server, 3600 * 1000);
    assert_ends(stream, ERR_UNAVAILABLE);
}

static void without_a_pod_there_is_no_log(void **state)
{
    struct stage *stage = *state;

    tell_logs(stage, true);
    give(stage, false);
    SCOPED(stream) struct rpc_stream *stream = logs(stage, (struct asked){"", 0, false});
    assert_ends(stream, ERR_PRECONDITION);
}

static void less_than_no_lines_are_refused(void **state)
{
    struct stage *stage = *state;

    tell_logs(stage, true);
    give(stage, true);
    SCOPED(stream) struct rpc_stream *stream = logs(stage, (struct asked){"", -1, false});
    assert_ends(stream, ERR_INVALID);
}

static void a_cluster_that_tells_no_logs_says_so(void **state)
{
    struct stage *stage = *state;

    tell_logs(stage, false);
    give(stage, true);
    SCOPED(stream) struct rpc_stream *stream = logs(stage, (struct asked){"", 0, false});
    assert_ends(stream, ERR_UNSUPPORTED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_container_is_read_unless_another_is_named),
        TEST(a_log_that_is_followed_ends_with_its_server),
        TEST(without_a_pod_there_is_no_log),
        TEST(less_than_no_lines_are_refused),
        TEST(a_cluster_that_tells_no_logs_says_so),
    };

    log_setup("test", LOG_LEVEL_MAX, LOG_FORMAT_JSON);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
