#include "snapshot-svc/reconcile/intent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/names.h"

static enum intent wish_as_intent(int pause)
{
    if (pause == PAUSE_ABSENT)
        return INTENT_ACK_ONLY;
    return pause == PAUSE_TRUE ? INTENT_PAUSE : INTENT_RESUME;
}

/* An object that OpenSandbox's controller wrote has no memory: only what cannot be a leftover counts. */
static enum intent intent_without_memory(const struct batchsandbox *sandbox)
{
    const struct batchsandbox_status *status = &sandbox->status;
    const enum sandbox_phase phase = batchsandbox_phase(status);
    const bool failed_before =
        condition_is_true(&status->conditions, sandbox_condition_name(CONDITION_PAUSE_FAILED));

    if (status->pause_observed_generation == 0)
        return wish_as_intent(sandbox->spec.pause); /* new: whatever it says was never answered */
    if (sandbox->spec.pause == PAUSE_FALSE && phase == SANDBOX_PAUSED)
        return INTENT_RESUME;
    if (sandbox->spec.pause == PAUSE_TRUE && !failed_before &&
        (phase == SANDBOX_SUCCEED || phase == SANDBOX_PENDING || phase == SANDBOX_PHASE_NONE))
        return INTENT_PAUSE;
    return INTENT_ACK_ONLY;
}

/* Up to which generation the spec is accounted for, and its digest there. */
struct memory {
    int64_t generation;
    const char *digest; /* borrowed */
};

static struct memory memory_of(const struct batchsandbox *sandbox)
{
    const char *digest = sandbox->status.observed_spec_digest;
    const struct memory acknowledged = {sandbox->status.pause_observed_generation, digest ? digest : ""};
    const char *started = meta_annotation(&sandbox->meta, ANNOTATION_TTL_STARTED);
    char *end = NULL;

    if (!started)
        return acknowledged;
    errno = 0;
    const int64_t generation = strtoll(started, &end, 10);
    if (errno != 0 || *end != ' ' || generation <= acknowledged.generation)
        return acknowledged;
    return (struct memory){generation, end + 1};
}

enum intent sandbox_intent(const struct batchsandbox *sandbox)
{
    const struct batchsandbox_status *status = &sandbox->status;

    if (sandbox->meta.generation <= status->pause_observed_generation)
        return INTENT_NONE;
    if (!status->observed_pause)
        return intent_without_memory(sandbox);
    if (strcmp(status->observed_pause, pause_wish_name(sandbox->spec.pause)) != 0)
        return wish_as_intent(sandbox->spec.pause);

    SCOPED(string) char *digest = batchsandbox_spec_digest(sandbox);
    const struct memory memory = memory_of(sandbox);
    if (strcmp(digest, memory.digest) != 0 || sandbox->meta.generation == memory.generation)
        return INTENT_ACK_ONLY;
    /* The generation rose, and all the rest is as it was: pause went away and came back (true, null, true). */
    return wish_as_intent(sandbox->spec.pause);
}

void sandbox_acknowledge(const struct batchsandbox *sandbox, struct batchsandbox_status *status)
{
    free(status->observed_pause);
    free(status->observed_spec_digest);
    status->pause_observed_generation = sandbox->meta.generation;
    status->observed_pause = xstrdup(pause_wish_name(sandbox->spec.pause));
    status->observed_spec_digest = batchsandbox_spec_digest(sandbox);
}
