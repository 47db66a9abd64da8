#include "snapshot-svc/reconcile/sandbox_ttl.h"

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

enum { SECOND_MS = 1000 };

static int64_t whole_seconds_up(int64_t unix_ms)
{
    return (unix_ms + SECOND_MS - 1) / SECOND_MS * SECOND_MS;
}

/* The time in an annotation, or `otherwise`: there is none, or nobody can read it. */
static int64_t time_in(const struct batchsandbox *sandbox, const char *key, int64_t otherwise)
{
    const char *text = meta_annotation(&sandbox->meta, key);
    struct error unreadable = {0};
    int64_t unix_ms;

    if (!text || rfc3339_parse(text, &unix_ms, &unreadable) < 0)
        return otherwise;
    return unix_ms;
}

/* ---- the clock ---- */

static bool phase_stands_still(enum sandbox_phase phase)
{
    switch (phase) {
    case SANDBOX_PAUSING:
    case SANDBOX_PAUSED:
    case SANDBOX_RESUMING:
        return true;
    case SANDBOX_PHASE_NONE:
    case SANDBOX_PENDING:
    case SANDBOX_SUCCEED:
    case SANDBOX_FAILED:
    case SANDBOX_PHASE_UNKNOWN:
    case SANDBOX_PHASE_MAX:
        break;
    }
    return false;
}

static bool stands_still(const struct batchsandbox *sandbox, enum intent intent,
                         const struct reconcile_config *config)
{
    /* Nobody ever answers the wish to pause a pooled sandbox. */
    const bool pause_wished = intent == INTENT_PAUSE && !batchsandbox_is_pooled(sandbox);

    return !config->ttl_runs_while_paused &&
           (pause_wished || phase_stands_still(batchsandbox_phase(&sandbox->status)));
}

/* When it stopped, or `otherwise`: it did not, nobody can read it, or it says that this was before there was a sandbox. */
static int64_t stopped_at(const struct batchsandbox *sandbox, int64_t otherwise)
{
    const int64_t stopped_ms = time_in(sandbox, ANNOTATION_TTL_STOPPED_AT, otherwise);

    return stopped_ms >= sandbox->meta.created_ms ? stopped_ms : otherwise;
}

/* A clock that went backwards takes nothing away. */
static int64_t expiry_after_start(const struct batchsandbox *sandbox, int64_t now_ms)
{
    const int64_t stood_ms = now_ms - stopped_at(sandbox, now_ms);

    return stood_ms > 0 ? whole_seconds_up(sandbox->spec.expire_time_ms + stood_ms)
                        : sandbox->spec.expire_time_ms;
}

static struct ttl_decision while_standing(const struct batchsandbox *sandbox)
{
    return (struct ttl_decision){.move = stopped_at(sandbox, -1) < 0 ? TTL_STOP : TTL_STAY};
}

static struct ttl_decision while_stopped(const struct batchsandbox *sandbox, enum intent intent,
                                         int64_t now_ms)
{
    const bool wished =
        intent == INTENT_RESUME || (intent == INTENT_PAUSE && !batchsandbox_is_pooled(sandbox));

    /* START counts all that came before it as answered, so a wish is answered first; that brings the next pass. */
    if (wished)
        return (struct ttl_decision){.move = TTL_STAY};
    return (struct ttl_decision){.move = TTL_START, .expire_time_ms = expiry_after_start(sandbox, now_ms)};
}

struct ttl_decision ttl_decide(const struct batchsandbox *sandbox, enum intent intent,
                               const struct reconcile_config *config, int64_t now_ms)
{
    const bool is_stopped = meta_annotation(&sandbox->meta, ANNOTATION_TTL_STOPPED_AT) != NULL;

    if (sandbox->spec.expire_time_ms == 0)
        return (struct ttl_decision){.move = is_stopped ? TTL_FORGET : TTL_STAY};
    if (stands_still(sandbox, intent, config))
        return while_standing(sandbox);
    if (is_stopped)
        return while_stopped(sandbox, intent, now_ms);
    if (sandbox->spec.expire_time_ms <= now_ms)
        return (struct ttl_decision){.move = TTL_EXPIRE};
    return (struct ttl_decision){.move = TTL_STAY, .requeue_at_ms = sandbox->spec.expire_time_ms};
}

/* ---- its writes ---- */

static json_t *annotation_patch(const char *key, json_t *value)
{
    return json_pack("{s:{s:{s:o}}}", "metadata", "annotations", key, value);
}

static json_t *stop_patch(int64_t now_ms)
{
    char now[RFC3339_SIZE];
    return annotation_patch(ANNOTATION_TTL_STOPPED_AT, json_string(rfc3339_format_ms(now_ms, now)));
}

static char *digest_with_expiry(const struct batchsandbox *sandbox, const char *expires)
{
    SCOPED(json) json_t *spec = json_copy(sandbox->raw_spec);
    const struct batchsandbox then = {.raw_spec = spec};

    json_object_set_new(spec, "expireTime", json_string(expires));
    return batchsandbox_spec_digest(&then);
}

static json_t *start_patch(const struct batchsandbox *sandbox, int64_t expire_time_ms)
{
    char expires[RFC3339_SIZE];
    json_t *patch = annotation_patch(ANNOTATION_TTL_STOPPED_AT, json_null());

    if (expire_time_ms == sandbox->spec.expire_time_ms)
        return patch; /* the same spec: no generation to account for */
    (void)rfc3339_format(expire_time_ms / SECOND_MS, expires);
    SCOPED(string) char *digest = digest_with_expiry(sandbox, expires);
    SCOPED(string)
    char *started = xasprintf("%lld %s", (long long)sandbox->meta.generation + 1, digest);
    json_object_set_new(json_object_get(json_object_get(patch, "metadata"), "annotations"),
                        ANNOTATION_TTL_STARTED, json_string(started));
    json_object_set_new(patch, "spec", json_pack("{s:s}", "expireTime", expires));
    return patch;
}

json_t *ttl_patch(const struct batchsandbox *sandbox, const struct ttl_decision *decision, int64_t now_ms)
{
    switch (decision->move) {
    case TTL_STOP:
        return stop_patch(now_ms);
    case TTL_START:
        return start_patch(sandbox, decision->expire_time_ms);
    case TTL_FORGET:
        return annotation_patch(ANNOTATION_TTL_STOPPED_AT, json_null());
    case TTL_STAY:
    case TTL_EXPIRE:
    case TTL_MOVE_MAX:
        break;
    }
    return NULL;
}

/* ---- retention ---- */

/* When this pause began, as the status says; 0: it does not. */
static int64_t paused_since(const struct batchsandbox *sandbox)
{
    const struct condition *paused =
        condition_find(&sandbox->status.conditions, sandbox_condition_name(CONDITION_PAUSED));

    return paused && batchsandbox_phase(&sandbox->status) == SANDBOX_PAUSED ? paused->last_transition_ms : 0;
}

static struct retention_decision warn(int64_t since_ms, int64_t full_ms, int64_t short_notice_ms)
{
    const int64_t ends_ms = full_ms > short_notice_ms ? full_ms : short_notice_ms;

    return (struct retention_decision){
        .move = RETENTION_WARN, .paused_since_ms = since_ms, .ends_at_ms = whole_seconds_up(ends_ms)};
}

struct retention_decision retention_decide(const struct batchsandbox *sandbox, enum intent intent,
                                           const struct reconcile_config *config, int64_t now_ms)
{
    const int64_t since_ms = paused_since(sandbox), notice_ms = config->paused_retention_ms / 10;
    const int64_t full_ms = since_ms + config->paused_retention_ms;

    if (config->paused_retention_ms == 0 || since_ms == 0 || intent == INTENT_RESUME)
        return (struct retention_decision){.move = RETENTION_STAY};
    /* What was told of an earlier pause, or under a shorter limit, ends too early for this one. */
    const int64_t told_ms = time_in(sandbox, ANNOTATION_RETENTION_ENDS_AT, 0);
    if (told_ms >= full_ms)
        return (struct retention_decision){.move = now_ms >= told_ms ? RETENTION_DELETE : RETENTION_STAY,
                                           .requeue_at_ms = told_ms};
    if (now_ms >= full_ms - notice_ms)
        return warn(since_ms, full_ms, now_ms + notice_ms);
    return (struct retention_decision){.move = RETENTION_STAY, .requeue_at_ms = full_ms - notice_ms};
}

json_t *retention_patch(const struct retention_decision *decision)
{
    char ends[RFC3339_SIZE];
    return annotation_patch(ANNOTATION_RETENTION_ENDS_AT,
                            json_string(rfc3339_format(decision->ends_at_ms / SECOND_MS, ends)));
}

char *retention_message(const struct retention_decision *decision)
{
    char since[RFC3339_SIZE], ends[RFC3339_SIZE];

    return xasprintf("paused since %s: it is deleted at %s (--paused-retention); resume it before then to "
                     "keep it",
                     rfc3339_format(decision->paused_since_ms / SECOND_MS, since),
                     rfc3339_format(decision->ends_at_ms / SECOND_MS, ends));
}
