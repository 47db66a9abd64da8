#include "snapshot-svc/reconcile/sandbox_pass.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pod_build.h"
#include "snapshot-svc/reconcile/restore.h"

enum {
    CREATES_PER_PASS_MAX = 64, /* replicas comes from outside; the pods just made wake the next pass */
    MORE_CREATES_MS = 1000,    /* and if they do not */
};

struct object_ref pass_sandbox(const struct sandbox_pass *pass)
{
    return (struct object_ref){KIND_BATCH_SANDBOX, &pass->sandbox->meta};
}

struct object_ref pass_snapshot(const struct sandbox_pass *pass)
{
    return (struct object_ref){KIND_SANDBOX_SNAPSHOT, &pass->seen->snapshot->meta};
}

void pass_set_condition(struct sandbox_pass *pass, enum sandbox_condition condition, const char *reason,
                        const char *message)
{
    condition_set(&pass->status.conditions, sandbox_condition_name(condition), reason, message, pass->now_ms);
}

void pass_clear_condition(struct sandbox_pass *pass, enum sandbox_condition condition)
{
    condition_remove(&pass->status.conditions, sandbox_condition_name(condition));
}

/* clang-format off */
static const struct {
    enum sandbox_condition condition;
    const char *reason, *message; /* NULL: the phase has no condition of its own */
} phase_conditions[SANDBOX_PHASE_MAX] = {
    [SANDBOX_PENDING]  = {CONDITION_PROGRESSING, "Creating",         "Sandbox is being created"},
    [SANDBOX_SUCCEED]  = {CONDITION_READY,       "PodsReady",        "Sandbox is running"},
    [SANDBOX_PAUSING]  = {CONDITION_PROGRESSING, "PauseInProgress",  "Pausing sandbox"},
    [SANDBOX_PAUSED]   = {CONDITION_PAUSED,      "Paused",           "Sandbox is paused"},
    [SANDBOX_RESUMING] = {CONDITION_PROGRESSING, "ResumeInProgress", "Resuming sandbox"},
};
/* clang-format on */

/* What a phase has to say besides its name, or NULL; the caller's. While one node alone has the files, that is what matters most. */
static char *detail_of(const struct sandbox_pass *pass, enum sandbox_phase phase)
{
    const struct sandboxsnapshot_status *snapshot =
        pass->standing == SNAPSHOT_OURS ? &pass->seen->snapshot->status : NULL;

    if (phase == SANDBOX_PAUSING && snapshot && snapshot->source_node_name &&
        sandboxsnapshot_phase(snapshot) == SNAPSHOT_COMMITTING && sandboxsnapshot_is_captured(snapshot))
        return xasprintf("Pausing sandbox: Uploading its files from node %s", snapshot->source_node_name);
    if (phase == SANDBOX_RESUMING && snapshot && sandboxsnapshot_is_kept(snapshot))
        return xasprintf("Resuming sandbox on node %s, which alone has its files", snapshot->kept_on_node);
    return NULL;
}

void pass_enter(struct sandbox_pass *pass, enum sandbox_phase phase)
{
    SCOPED(string) char *detail = detail_of(pass, phase);
    static const enum sandbox_condition exclusive[] = {CONDITION_READY, CONDITION_PROGRESSING,
                                                       CONDITION_PAUSED};

    batchsandbox_set_phase(&pass->status, phase);
    for (size_t i = 0; i < sizeof(exclusive) / sizeof(*exclusive); i++)
        if (!phase_conditions[phase].reason || phase_conditions[phase].condition != exclusive[i])
            pass_clear_condition(pass, exclusive[i]);
    if (phase_conditions[phase].reason)
        pass_set_condition(pass, phase_conditions[phase].condition, phase_conditions[phase].reason,
                           detail ? detail : phase_conditions[phase].message);
}

void pass_event(struct sandbox_pass *pass, bool warning, const char *reason, const char *message)
{
    act_event(&pass->events, pass_sandbox(pass), warning, reason, message);
}

void pass_acknowledge(struct sandbox_pass *pass)
{
    sandbox_acknowledge(pass->sandbox, &pass->status);
}

void pass_acknowledge_if(struct sandbox_pass *pass, enum pause_wish served)
{
    if (pass->sandbox->spec.pause == (int)served)
        pass_acknowledge(pass);
}

enum sandbox_phase pass_phase_of_pods(const struct sandbox_pass *pass)
{
    if (pass->health.failing > 0 || pass->unbuildable)
        return SANDBOX_FAILED;
    return pass->health.ready > 0 ? SANDBOX_SUCCEED : SANDBOX_PENDING;
}

const char *pass_failure(const struct sandbox_pass *pass, bool during_resume, char **ret_message)
{
    if (pass->health.failing > 0) {
        *ret_message = pod_health_message(&pass->health, during_resume);
        return pass->health.primary_reason;
    }
    *ret_message = xstrdup(pass->unbuildable);
    return "InvalidTemplate";
}

bool pass_snapshot_holds_files(const struct sandbox_pass *pass)
{
    return pass->standing == SNAPSHOT_OURS && !pass->snapshot_deleting &&
           sandboxsnapshot_has_files(&pass->seen->snapshot->status);
}

void pass_delete_snapshot(struct sandbox_pass *pass, struct plan *when)
{
    const char *of_snapshot = meta_annotation(&pass->seen->snapshot->meta, ANNOTATION_PAUSE_CYCLE);
    const int64_t known = pause_cycle_parse(meta_annotation(&pass->sandbox->meta, ANNOTATION_PAUSE_CYCLE));

    if (known < 0 || pause_cycle_parse(of_snapshot) <= known) {
        act_delete(when, pass_snapshot(pass), -1);
        return;
    }
    act_patch(&pass->before, pass_sandbox(pass),
              json_pack("{s:{s:{s:s}}}", "metadata", "annotations", ANNOTATION_PAUSE_CYCLE, of_snapshot));
    pass->hold_status = true;
}

bool pass_template_lacks_snapshot(const struct sandbox_pass *pass)
{
    SCOPED(json) json_t *patch = NULL;
    return restore_patch(pass->sandbox, pass->seen->snapshot, pass->config->resume_pull_secret, &patch) !=
           RESTORE_DONE;
}

void pass_delete_pod(struct sandbox_pass *pass, const struct pod *pod, int grace_s)
{
    struct object_ref object = {KIND_POD, &pod->meta};

    if (!meta_is_deleting(&pod->meta))
        act_delete(&pass->after, object, grace_s);
    else if (pod_is_only_an_object(pod) && pod->meta.finalizers.count == 0)
        act_delete(&pass->after, object, 0);
}

static void create_pod(struct sandbox_pass *pass, int32_t index)
{
    struct error why = {0};
    json_t *pod = NULL;

    if (pod_build(pass->sandbox, index, pass->config->has_scheduler, &pod, &why) < 0) {
        if (!pass->unbuildable)
            pass->unbuildable = xstrdup(why.text);
        return;
    }
    SCOPED(string) char *name = name_pod(pass->sandbox->meta.name, index);
    SCOPED(string) char *message = xasprintf("Created pod: %s", name);
    act_create(&pass->after, KIND_POD, pass->sandbox->meta.ns, name, pod, "FailedCreate");
    act_event(&pass->after, pass_sandbox(pass), false, "SuccessfulCreate", message);
}

/* The pods are sorted by index, so one walk over both finds the gaps. A pod being deleted still has its name.
 */
void pass_create_missing_pods(struct sandbox_pass *pass)
{
    const struct pod_health *health = &pass->health;
    int32_t at = 0, created = 0;

    for (int32_t index = 0; index < pass->sandbox->spec.replicas && !pass->unbuildable; index++) {
        while (at < health->total && health->pods[at].index < index)
            at++;
        if (at < health->total && health->pods[at].index == index)
            continue;
        if (created++ == CREATES_PER_PASS_MAX) {
            plan_requeue_at(&pass->after, pass->now_ms + MORE_CREATES_MS);
            return;
        }
        create_pod(pass, index);
    }
}
