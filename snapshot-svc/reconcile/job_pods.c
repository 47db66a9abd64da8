#include "snapshot-svc/reconcile/job_pods.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

enum {
    PATIENCE_MS = 20 * 1000,       /* with what a second try may cure: a pull, a full node */
    NO_POD_TOLD_MS = 10 * 1000,    /* after the Job was made */
    NO_POD_GIVE_UP_MS = 60 * 1000, /* the controller-manager may be changing its leader */
    CREATING_TOLD_MS = 30 * 1000,  /* a volume that does not mount says so only in Events of the pod */
    FAILURE_TEXT_MAX = 1000,       /* of a message that is not ours */
};

/* ---- states ---- */

static bool is_over(const struct pod *pod)
{
    const enum pod_phase phase = pod_phase(pod);
    return phase == POD_SUCCEEDED || phase == POD_FAILED || pod_has_ended(pod);
}

static bool has_started(const struct pod *pod)
{
    const struct container_status *status = job_pod_container(pod);

    if (!status) /* evicted: its statuses are gone */
        return pod_phase(pod) == POD_FAILED || pod_phase(pod) == POD_SUCCEEDED ||
               pod_phase(pod) == POD_RUNNING;
    return status->runs || status->ended || status->restarts > 0;
}

bool job_pods_are_alive(const struct job_sighting *seen)
{
    for (size_t i = 0; i < seen->pod_count; i++)
        if (!is_over(seen->pods[i]))
            return true;
    return false;
}

bool job_pods_have_started(const struct job_sighting *seen)
{
    for (size_t i = 0; i < seen->pod_count; i++)
        if (has_started(seen->pods[i]))
            return true;
    return false;
}

bool job_pods_are_running(const struct job_sighting *seen)
{
    for (size_t i = 0; i < seen->pod_count; i++) {
        const struct container_status *status = job_pod_container(seen->pods[i]);
        if (status && status->runs && !meta_is_deleting(&seen->pods[i]->meta))
            return true;
    }
    return false;
}

/* ---- ends ---- */

static bool is_of(const struct job_sighting *seen, const struct pod *pod)
{
    return seen->job && meta_is_controlled_by(&pod->meta, seen->job->meta.uid);
}

static bool ended_so(const struct pod *pod, bool succeeded)
{
    const struct container_status *status = job_pod_container(pod);

    if (status && status->ended)
        return (status->terminated.exit_code == 0) == succeeded;
    return !succeeded && pod_phase(pod) == POD_FAILED;
}

bool job_pods_all_failed(const struct job_sighting *seen)
{
    int32_t failed = 0;

    for (size_t i = 0; i < seen->pod_count; i++) {
        if (!is_over(seen->pods[i]))
            return false;
        failed += is_of(seen, seen->pods[i]) && ended_so(seen->pods[i], false);
    }
    return seen->job && failed == seen->job->failed;
}

const struct pod *job_pods_newest(const struct job_sighting *seen, bool succeeded)
{
    const struct pod *newest = NULL;

    for (size_t i = 0; i < seen->pod_count; i++) {
        const struct pod *pod = seen->pods[i];
        if (is_of(seen, pod) && ended_so(pod, succeeded) &&
            (!newest || pod->meta.created_ms > newest->meta.created_ms))
            newest = pod;
    }
    return newest;
}

static const char *last_words(const struct pod *pod)
{
    const struct container_status *status = pod ? job_pod_container(pod) : NULL;
    return status && status->ended && status->terminated.message ? status->terminated.message : "";
}

void job_pod_result(const struct pod *pod, struct job_result *ret_result)
{
    job_result_read(last_words(pod), ret_result);
}

char *job_pod_failure(const struct pod *pod, bool *ret_orderly)
{
    SCOPED_JOB_RESULT struct job_result result = {0};
    const char *words = last_words(pod);

    *ret_orderly = false;
    job_result_read(words, &result);
    if (result.reason) {
        *ret_orderly = true;
        return xasprintf("%s: %s", result.reason, result.message ? result.message : "no details");
    }
    if (*words && *words != '{') /* the container runtime's, mostly: it could not start the program */
        return xasprintf("%.*s", FAILURE_TEXT_MAX, words);
    if (pod && pod->reason && *pod->reason)
        return xasprintf("%s: %s", pod->reason, pod->message ? pod->message : "no details");
    return NULL;
}

/* ---- trouble ---- */

static const struct {
    const char *reason;
    int64_t patience_ms;
} waiting_troubles[] = {
    {"InvalidImageName", 0},
    {"ErrImageNeverPull", 0},
    {"CreateContainerConfigError", 0},
    {"ErrImagePull", PATIENCE_MS},
    {"ImagePullBackOff", PATIENCE_MS},
    {"ImageInspectError", PATIENCE_MS},
    {"RegistryUnavailable", PATIENCE_MS},
    {"CreateContainerError", PATIENCE_MS},
    {"RunContainerError", PATIENCE_MS},
};

static bool waiting_trouble(const struct pod *pod, struct job_trouble *trouble)
{
    const struct container_status *status = job_pod_container(pod);
    const char *reason = status && status->waiting.reason ? status->waiting.reason : "";

    for (size_t i = 0; i < sizeof(waiting_troubles) / sizeof(*waiting_troubles); i++) {
        if (strcmp(waiting_troubles[i].reason, reason) != 0)
            continue;
        *trouble = (struct job_trouble){
            .reason = xstrdup(reason),
            .message = xstrdup(status->waiting.message ? status->waiting.message : "no details"),
            .give_up_ms = pod->meta.created_ms + waiting_troubles[i].patience_ms};
        return true;
    }
    return false;
}

static bool scheduling_trouble(const struct pod *pod, struct job_trouble *trouble)
{
    const struct condition *scheduled = condition_find(&pod->conditions, "PodScheduled");

    if (!scheduled || !scheduled->status || strcmp(scheduled->status, "False") != 0 || !scheduled->reason)
        return false;
    *trouble =
        (struct job_trouble){.reason = xstrdup(scheduled->reason),
                             .message = xstrdup(scheduled->message ? scheduled->message : "no details"),
                             .give_up_ms = pod->meta.created_ms + PATIENCE_MS};
    return true;
}

static void look_at(int64_t *again_ms, int64_t at_ms)
{
    if (*again_ms == 0 || at_ms < *again_ms)
        *again_ms = at_ms;
}

static bool slow_start(const struct pod *pod, int64_t now_ms, struct job_trouble *trouble, int64_t *again_ms)
{
    const int64_t told_ms = pod->meta.created_ms + CREATING_TOLD_MS;

    if (has_started(pod))
        return false;
    if (now_ms < told_ms) {
        look_at(again_ms, told_ms);
        return false;
    }
    *trouble = (struct job_trouble){
        .reason = xstrdup("ContainerCreating"),
        .message = xasprintf("its container is not made yet; see the Events of pod %s", pod->meta.name),
        .give_up_ms = INT64_MAX};
    return true;
}

/* Nobody made a pod: a quota, an admission plugin or a webhook says no, or nobody runs Jobs. */
static bool no_pod(const struct job *job, int64_t now_ms, struct job_trouble *trouble, int64_t *again_ms)
{
    const int64_t told_ms = job->meta.created_ms + NO_POD_TOLD_MS;

    if (now_ms < told_ms) {
        look_at(again_ms, told_ms);
        return false;
    }
    *trouble = (struct job_trouble){
        .reason = xstrdup("PodNotCreated"),
        .message = xasprintf("Job %s has no pod; its Events tell who refused it (kubectl describe job %s)",
                             job->meta.name, job->meta.name),
        .give_up_ms = job->meta.created_ms + NO_POD_GIVE_UP_MS};
    return true;
}

bool job_pods_trouble(const struct job_sighting *seen, int64_t now_ms, struct job_trouble *ret_trouble,
                      int64_t *ret_look_again_ms)
{
    *ret_look_again_ms = 0;
    if (seen->pod_count == 0)
        return seen->job->failed == 0 && no_pod(seen->job, now_ms, ret_trouble, ret_look_again_ms);
    for (size_t i = 0; i < seen->pod_count; i++) {
        const struct pod *pod = seen->pods[i];
        if (is_over(pod) || meta_is_deleting(&pod->meta))
            continue;
        if (waiting_trouble(pod, ret_trouble) || scheduling_trouble(pod, ret_trouble) ||
            slow_start(pod, now_ms, ret_trouble, ret_look_again_ms))
            return true;
    }
    return false;
}

void job_trouble_done(struct job_trouble *trouble)
{
    free(trouble->reason);
    free(trouble->message);
    *trouble = (struct job_trouble){0};
}
