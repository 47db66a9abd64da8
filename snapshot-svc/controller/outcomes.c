#include "snapshot-svc/controller/outcomes.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/metrics/metrics.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

/* A pause or resume under way, when this process saw it begin. */
struct begun {
    char *uid;
    int64_t at_ms;
    UT_hash_handle hh;
};

struct operation {
    enum sandbox_phase during, success;
    enum sandbox_condition failure;
    const char *failed_text;
    struct metric *succeeded, *failed, *seconds;
    struct begun *begun; /* BatchSandbox informer's thread only */
};

enum { PAUSE, RESUME, OPERATION_MAX };

/* status.path of a snapshot. */
static const struct {
    const char *name, *label;
} paths[] = {{"Handover", "path=\"Handover\""}, {"Hold", "path=\"Hold\""}, {"Live", "path=\"Live\""}};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

struct outcomes {
    struct operation operations[OPERATION_MAX];
    struct metric *commits_succeeded, *commits_failed;
    struct metric *frozen_seconds[PATHS];
};

static const double seconds_bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
enum { BOUND_COUNT = sizeof(seconds_bounds) / sizeof(*seconds_bounds) };
static const double frozen_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60};
enum { FROZEN_BOUND_COUNT = sizeof(frozen_bounds) / sizeof(*frozen_bounds) };

struct outcomes *outcomes_new(struct metrics *metrics)
{
    struct outcomes *outcomes = xcalloc(1, sizeof(*outcomes));

    outcomes->operations[PAUSE] = (struct operation){
        .during = SANDBOX_PAUSING,
        .success = SANDBOX_PAUSED,
        .failure = CONDITION_PAUSE_FAILED,
        .failed_text = "pause failed",
        .succeeded = metrics_counter(metrics, "stasis_pauses_total", "Pauses that ended.", "result=\"ok\""),
        .failed = metrics_counter(metrics, "stasis_pauses_total", "Pauses that ended.", "result=\"failed\""),
        .seconds = metrics_histogram(metrics, "stasis_pause_seconds", "From Pausing to Paused.", NULL,
                                     seconds_bounds, BOUND_COUNT)};
    outcomes->operations[RESUME] = (struct operation){
        .during = SANDBOX_RESUMING,
        .success = SANDBOX_SUCCEED,
        .failure = CONDITION_RESUME_FAILED,
        .failed_text = "resume failed",
        .succeeded = metrics_counter(metrics, "stasis_resumes_total", "Resumes that ended.", "result=\"ok\""),
        .failed =
            metrics_counter(metrics, "stasis_resumes_total", "Resumes that ended.", "result=\"failed\""),
        .seconds = metrics_histogram(metrics, "stasis_resume_seconds", "From Resuming to running again.",
                                     NULL, seconds_bounds, BOUND_COUNT)};
    outcomes->commits_succeeded =
        metrics_counter(metrics, "stasis_commits_total", "Snapshots that ended.", "result=\"ok\"");
    outcomes->commits_failed =
        metrics_counter(metrics, "stasis_commits_total", "Snapshots that ended.", "result=\"failed\"");
    for (size_t i = 0; i < PATHS; i++)
        outcomes->frozen_seconds[i] = metrics_histogram(metrics, "stasis_commit_frozen_seconds",
                                                        "How long containers stood still for a commit.",
                                                        paths[i].label, frozen_bounds, FROZEN_BOUND_COUNT);
    return outcomes;
}

static void begun_remove(struct operation *operation, struct begun *begun)
{
    HASH_DEL(operation->begun, begun);
    free(begun->uid);
    free(begun);
}

void outcomes_free(struct outcomes *outcomes)
{
    struct begun *begun, *next;

    if (!outcomes)
        return;
    for (size_t i = 0; i < OPERATION_MAX; i++) {
        HASH_ITER(hh, outcomes->operations[i].begun, begun, next)
        {
            begun_remove(&outcomes->operations[i], begun);
        }
    }
    free(outcomes);
}

static struct begun *begun_find(const struct operation *operation, const char *uid)
{
    struct begun *begun;

    HASH_FIND_STR(operation->begun, uid, begun);
    return begun;
}

static void begin(struct operation *operation, const char *uid)
{
    struct begun *begun = begun_find(operation, uid);

    if (!begun) {
        begun = xcalloc(1, sizeof(*begun));
        begun->uid = xstrdup(uid);
        HASH_ADD_KEYPTR(hh, operation->begun, begun->uid, strlen(begun->uid), begun);
    }
    begun->at_ms = clock_monotonic_ms();
}

static void tell_failure(const struct operation *operation, const struct object *now)
{
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
    struct error err = {0};

    if (batchsandbox_read(now->json, &sandbox, &err) < 0)
        return; /* its reconcile tells what is wrong with it */
    const struct condition *why =
        condition_find(&sandbox.status.conditions, sandbox_condition_name(operation->failure));
    log_warn(operation->failed_text, log_str("sandbox", now->name),
             log_str("reason", why ? why->reason : NULL), log_str("error", why ? why->message : NULL));
}

static void end(struct operation *operation, const struct object *now, enum sandbox_phase phase)
{
    struct begun *begun = begun_find(operation, now->uid);

    if (phase == operation->success) {
        metric_add(operation->succeeded, 1);
        if (begun)
            metric_observe(operation->seconds, (double)(clock_monotonic_ms() - begun->at_ms) / 1000);
    } else {
        metric_add(operation->failed, 1);
        tell_failure(operation, now);
    }
    if (begun)
        begun_remove(operation, begun);
}

void outcomes_sandbox_updated(struct outcomes *outcomes, const struct object *old, const struct object *now)
{
    const char *was = json_path_string(old->json, "status.phase");
    const char *is = json_path_string(now->json, "status.phase");
    const enum sandbox_phase from = sandbox_phase_parse(was), to = sandbox_phase_parse(is);

    if (from == to)
        return;
    log_info("phase entered", log_str("sandbox", now->name), log_str("from", was ? was : ""),
             log_str("to", is ? is : ""));
    for (size_t i = 0; i < OPERATION_MAX; i++) {
        if (to == outcomes->operations[i].during)
            begin(&outcomes->operations[i], now->uid);
        else if (from == outcomes->operations[i].during)
            end(&outcomes->operations[i], now, to);
    }
}

void outcomes_sandbox_deleted(struct outcomes *outcomes, const struct object *last)
{
    for (size_t i = 0; i < OPERATION_MAX; i++) {
        struct begun *begun = begun_find(&outcomes->operations[i], last->uid);
        if (begun)
            begun_remove(&outcomes->operations[i], begun);
    }
}

static void observe_frozen(struct outcomes *outcomes, const struct object *snapshot)
{
    const char *path = json_path_string(snapshot->json, "status.path");
    const json_int_t frozen_ms = json_integer_value(json_path(snapshot->json, "status.frozenMs"));

    for (size_t i = 0; path && i < PATHS; i++)
        if (strcmp(path, paths[i].name) == 0)
            metric_observe(outcomes->frozen_seconds[i], (double)frozen_ms / 1000);
}

void outcomes_snapshot_updated(struct outcomes *outcomes, const struct object *old, const struct object *now)
{
    const char *was = json_path_string(old->json, "status.phase");
    const char *is = json_path_string(now->json, "status.phase");
    const enum snapshot_phase from = snapshot_phase_parse(was), to = snapshot_phase_parse(is);

    if (from == to)
        return;
    log_info("phase entered", log_str("snapshot", now->name), log_str("from", was ? was : ""),
             log_str("to", is ? is : ""));
    if (from == SNAPSHOT_COMMITTING && snapshot_phase_is_final(to))
        metric_add(to == SNAPSHOT_SUCCEED ? outcomes->commits_succeeded : outcomes->commits_failed, 1);
    if (from == SNAPSHOT_COMMITTING && to == SNAPSHOT_SUCCEED)
        observe_frozen(outcomes, now);
}
