#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "committer-agent/agent.h"
#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/base/ids.h"
#include "shared/base/signals.h"
#include "shared/json/json.h"

/* oneshot.c - the agent as a command: the Job mode, and an operator's tool. */

enum { SHOW_EVERY_MS = 500, DOCKER_CONFIG_MAX = 1 << 20 };

static const char *const phase_names[] = {
    [COMMIT_RESOLVING] = "resolving", [COMMIT_FREEZING] = "freezing", [COMMIT_CAPTURING] = "capturing",
    [COMMIT_PUSHING] = "pushing",     [COMMIT_HOLDING] = "holding",   [COMMIT_DONE] = "done",
};

/* "namespace/name" or a uid. */
static int parse_pod(const char *text, char **ret_uid, char **ret_ns, char **ret_name, struct error *err)
{
    const char *slash = text ? strchr(text, '/') : NULL;

    if (!text || !*text || (slash && (slash == text || !slash[1])))
        return error_set(err, ERR_INVALID,
                         "--pod: want the pod's uid, or namespace/name; see committer-agent --help");
    *ret_uid = xstrdup(slash ? "" : text);
    *ret_ns = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup("");
    *ret_name = xstrdup(slash ? slash + 1 : "");
    return 0;
}

static int parse_container(const char *text, struct commit_container *ret_container, struct error *err)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text || !equals[1])
        return error_set(err, ERR_INVALID, "--container: want name=repository:tag, got \"%.80s\"", text);
    *ret_container = (struct commit_container){.name = xstrndup(text, (size_t)(equals - text)),
                                               .image = xstrdup(equals + 1)};
    return 0;
}

static int read_docker_config(const struct settings *settings, struct commit_request *request,
                              struct error *err)
{
    struct strbuf text = STRBUF_INIT;

    if (!settings->docker_config_file)
        return 0;
    if (file_read(settings->docker_config_file, DOCKER_CONFIG_MAX, &text, err) < 0)
        return error_wrap(err, "--docker-config");
    request->docker_config_length = text.length;
    request->docker_config = strbuf_take(&text);
    return 0;
}

static int build_request(const struct settings *settings, struct commit_request **ret_request,
                         struct error *err)
{
    SCOPED(commit_request) struct commit_request *request = xcalloc(1, sizeof(*request));
    char id[HEX_ID_SIZE];

    hex_id(id);
    request->key = xasprintf("oneshot.%s", id);
    request->insecure = settings->insecure;
    request->compression = settings->compression;
    request->timeout_ms = settings->commit_timeout_ms;
    request->hold_timeout_ms = settings->hold_timeout_ms;
    if (parse_pod(settings->pod, &request->pod_uid, &request->pod_ns, &request->pod_name, err) < 0)
        return -1;
    request->containers = xcalloc(settings->containers.count + 1, sizeof(*request->containers));
    for (; request->count < settings->containers.count; request->count++)
        if (parse_container(settings->containers.items[request->count], &request->containers[request->count],
                            err) < 0)
            return -1;
    if (read_docker_config(settings, request, err) < 0)
        return -1;
    *ret_request = TAKE(request);
    return 0;
}

struct cancellation {
    struct commits *commits;
    const char *key;
};

/* SIGTERM and SIGINT cancel: the containers are thawed before the process ends. A finished commit is not
 * touched. */
static void *cancel_on_signal(void *arg)
{
    const struct cancellation *cancellation = arg;
    struct error err;

    (void)signals_wait();
    if (commits_cancel(cancellation->commits, cancellation->key, &err) < 0)
        log_failure(LOG_ERROR, "cancelling the commit failed", &err);
    return NULL;
}

static void show_progress(const struct commit_report *report)
{
    (void)fprintf(stderr, "%-10s %12llu bytes read %12llu pushed %8llu files\n", phase_names[report->phase],
                  (unsigned long long)report->bytes_read, (unsigned long long)report->bytes_pushed,
                  (unsigned long long)report->files);
}

static struct commit_report follow(struct commit *commit)
{
    struct commit_report shown = {0};

    for (;;) {
        struct commit_report report = commit_wait(commit, &shown, SHOW_EVERY_MS);
        if (report.finished)
            return report;
        if (report.phase != shown.phase || report.phase == COMMIT_CAPTURING || report.phase == COMMIT_PUSHING)
            show_progress(&report);
        shown = report;
    }
}

static json_t *result_object(const struct commit_result *result)
{
    json_t *skipped = json_array();
    for (size_t i = 0; i < result->skipped_count; i++)
        (void)json_array_append_new(skipped, json_pack("{s:s, s:I, s:s}", "kind", result->skipped[i].kind,
                                                       "count", (json_int_t)result->skipped[i].count,
                                                       "example", result->skipped[i].example));
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:I, s:o}", "name", result->container, "image",
                     result->image, "digest", result->digest, "layerDigest", result->layer_digest,
                     "layerSize", (json_int_t)result->layer_size, "imageSize", (json_int_t)result->image_size,
                     "layers", (int)result->layers, "files", (json_int_t)result->files, "skipped", skipped);
}

static void print_result(const struct commit_report *report)
{
    json_t *containers = json_array();
    for (size_t i = 0; i < report->result_count; i++)
        (void)json_array_append_new(containers, result_object(&report->results[i]));
    SCOPED(json)
    json_t *document = json_pack("{s:o, s:I, s:I}", "containers", containers, "frozenMs",
                                 (json_int_t)report->frozen_ms, "elapsedMs", (json_int_t)report->elapsed_ms);
    SCOPED(string) char *text = json_text(document);
    (void)puts(text);
}

static int run_commit(struct agent *agent, struct commit_request *request, struct error *err)
{
    SCOPED(commit) struct commit *commit = NULL;
    struct cancellation cancellation = {.commits = agent->commits, .key = request->key};
    pthread_t canceller;

    if (commits_start(agent->commits, request, &commit, err) < 0)
        return -1;
    int failed = pthread_create(&canceller, NULL, cancel_on_signal, &cancellation);
    if (failed)
        return error_sys(err, failed, "waiting for signals");
    struct commit_report report = follow(commit);
    (void)pthread_kill(canceller, SIGTERM); /* it waits for a signal: this ends it */
    (void)pthread_join(canceller, NULL);
    if (report.failed) {
        *err = report.error;
        return -1;
    }
    print_result(&report);
    struct error ignored; /* a record that stays is forgotten by the next start */
    (void)commits_forget(agent->commits, request->key, &ignored); /* nobody can attach to this process */
    return 0;
}

int oneshot_commit(const struct settings *settings, struct error *err)
{
    SCOPED(commit_request) struct commit_request *request = NULL;
    struct agent agent;

    if (build_request(settings, &request, err) < 0 || agent_open(&agent, settings, err) < 0)
        return -1;
    int result = run_commit(&agent, request, err);
    agent_close(&agent, 0);
    return result;
}

int oneshot_unpause(const struct settings *settings, struct error *err)
{
    SCOPED(string) char *uid = NULL, *ns = NULL, *name = NULL;
    struct agent agent;
    unsigned thawed = 0;

    if (parse_pod(settings->pod, &uid, &ns, &name, err) < 0 || agent_open(&agent, settings, err) < 0)
        return -1;
    const struct pod_name pod = {.uid = uid, .pod_namespace = ns, .name = name};
    int result = commits_unpause(agent.commits, &pod, settings->containers.items, settings->containers.count,
                                 &thawed, err);
    agent_close(&agent, 0);
    if (result == 0)
        (void)printf("{\"thawed\":%u}\n", thawed);
    return result;
}
