#include "snapshot-svc/model/batchsandbox.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/digest.h"

static const char *const phase_names[] = {
    [SANDBOX_PHASE_NONE] = "",     [SANDBOX_PENDING] = "Pending",       [SANDBOX_SUCCEED] = "Succeed",
    [SANDBOX_PAUSING] = "Pausing", [SANDBOX_PAUSED] = "Paused",         [SANDBOX_RESUMING] = "Resuming",
    [SANDBOX_FAILED] = "Failed",   [SANDBOX_PHASE_UNKNOWN] = "Unknown",
};
_Static_assert(sizeof(phase_names) / sizeof(*phase_names) == SANDBOX_PHASE_MAX, "a phase without a name");

static const char *const condition_names[] = {
    [CONDITION_READY] = "Ready",
    [CONDITION_PROGRESSING] = "Progressing",
    [CONDITION_PAUSED] = "Paused",
    [CONDITION_PAUSE_FAILED] = "PauseFailed",
    [CONDITION_RESUME_FAILED] = "ResumeFailed",
    [CONDITION_POD_FAILED] = "PodFailed",
};
_Static_assert(sizeof(condition_names) / sizeof(*condition_names) == SANDBOX_CONDITION_MAX,
               "a condition without a name");

/* clang-format off */
static const struct json_field spec_fields[] = {
    {"replicas",     JSON_INT32,    offsetof(struct batchsandbox_spec, replicas),       JSON_OPTIONAL, NULL, 0},
    {"poolRef",      JSON_STR,      offsetof(struct batchsandbox_spec, pool_ref),       JSON_OPTIONAL, NULL, 0},
    {"template",     JSON_ANY,      offsetof(struct batchsandbox_spec, template_),      JSON_OPTIONAL, NULL, 0},
    {"shardPatches", JSON_ANY,      offsetof(struct batchsandbox_spec, shard_patches),  JSON_OPTIONAL, NULL, 0},
    {"taskTemplate", JSON_ANY,      offsetof(struct batchsandbox_spec, task_template),  JSON_OPTIONAL, NULL, 0},
    {"expireTime",   JSON_TIME,     offsetof(struct batchsandbox_spec, expire_time_ms), JSON_OPTIONAL, NULL, 0},
    {"pause",        JSON_TRISTATE, offsetof(struct batchsandbox_spec, pause),          JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field status_fields[] = {
    {"replicas",    JSON_INT32, offsetof(struct batchsandbox_status, replicas),     JSON_OPTIONAL, NULL, 0},
    {"allocated",   JSON_INT32, offsetof(struct batchsandbox_status, allocated),    JSON_OPTIONAL, NULL, 0},
    {"ready",       JSON_INT32, offsetof(struct batchsandbox_status, ready),        JSON_OPTIONAL, NULL, 0},
    {"taskRunning", JSON_INT32, offsetof(struct batchsandbox_status, task_running), JSON_OPTIONAL, NULL, 0},
    {"taskSucceed", JSON_INT32, offsetof(struct batchsandbox_status, task_succeed), JSON_OPTIONAL, NULL, 0},
    {"taskFailed",  JSON_INT32, offsetof(struct batchsandbox_status, task_failed),  JSON_OPTIONAL, NULL, 0},
    {"taskPending", JSON_INT32, offsetof(struct batchsandbox_status, task_pending), JSON_OPTIONAL, NULL, 0},
    {"taskUnknown", JSON_INT32, offsetof(struct batchsandbox_status, task_unknown), JSON_OPTIONAL, NULL, 0},
    {"observedGeneration", JSON_INT64, offsetof(struct batchsandbox_status, observed_generation),
     JSON_OPTIONAL, NULL, 0},
    {"pauseObservedGeneration", JSON_INT64, offsetof(struct batchsandbox_status, pause_observed_generation),
     JSON_OPTIONAL, NULL, 0},
    {"phase",      JSON_STR,  offsetof(struct batchsandbox_status, phase_name), JSON_OPTIONAL, NULL, 0},
    {"conditions", JSON_LIST, offsetof(struct batchsandbox_status, conditions), JSON_OPTIONAL, condition_fields,
     sizeof(struct condition)},
    {"observedPause",      JSON_STR, offsetof(struct batchsandbox_status, observed_pause), JSON_OPTIONAL, NULL, 0},
    {"observedSpecDigest", JSON_STR, offsetof(struct batchsandbox_status, observed_spec_digest),
     JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field sandbox_fields[] = {
    {"metadata", JSON_STRUCT,     offsetof(struct batchsandbox, meta),     JSON_REQUIRED, object_meta_fields, 0},
    {"spec",     JSON_STRUCT,     offsetof(struct batchsandbox, spec),     JSON_OPTIONAL, spec_fields, 0},
    {"spec",     JSON_ANY_OBJECT, offsetof(struct batchsandbox, raw_spec), JSON_OPTIONAL, NULL, 0},
    {"status",   JSON_STRUCT,     offsetof(struct batchsandbox, status),   JSON_OPTIONAL, status_fields, 0},
    JSON_FIELDS_END,
};
/* clang-format on */

const char *sandbox_phase_name(enum sandbox_phase phase)
{
    return phase_names[phase];
}

enum sandbox_phase sandbox_phase_parse(const char *name)
{
    if (!name)
        return SANDBOX_PHASE_NONE;
    for (int phase = 0; phase < SANDBOX_PHASE_UNKNOWN; phase++)
        if (strcmp(phase_names[phase], name) == 0)
            return (enum sandbox_phase)phase;
    return SANDBOX_PHASE_UNKNOWN;
}

const char *sandbox_condition_name(enum sandbox_condition condition)
{
    return condition_names[condition];
}

const char *pause_wish_name(int wish)
{
    return wish == PAUSE_TRUE ? "true" : wish == PAUSE_FALSE ? "false" : "absent";
}

int batchsandbox_read(const json_t *object, struct batchsandbox *out, struct error *err)
{
    if (json_read(object, sandbox_fields, "BatchSandbox", out, err) < 0)
        return -1;
    if (!out->raw_spec)
        out->raw_spec = json_object();
    out->spec.replicas_set = json_is_integer(json_object_get(out->raw_spec, "replicas"));
    if (!out->spec.replicas_set)
        out->spec.replicas = 1;
    out->has_status = json_is_object(json_object_get(object, "status"));
    return 0;
}

void batchsandbox_done(struct batchsandbox *sandbox)
{
    json_free_fields(sandbox_fields, sandbox);
}

enum sandbox_phase batchsandbox_phase(const struct batchsandbox_status *status)
{
    return sandbox_phase_parse(status->phase_name);
}

void batchsandbox_set_phase(struct batchsandbox_status *status, enum sandbox_phase phase)
{
    free(status->phase_name);
    status->phase_name = phase == SANDBOX_PHASE_NONE ? NULL : xstrdup(phase_names[phase]);
}

bool batchsandbox_is_pooled(const struct batchsandbox *sandbox)
{
    return sandbox->spec.pool_ref && *sandbox->spec.pool_ref;
}

char *batchsandbox_spec_digest(const struct batchsandbox *sandbox)
{
    SCOPED(json)
    json_t *rest = json_object();
    const char *key;
    json_t *value;

    json_object_foreach(sandbox->raw_spec, key, value)
    {
        /* Go clients write "template": null where others leave it out: the same spec, the same digest. */
        if (strcmp(key, "pause") != 0 && !json_is_null(value))
            json_object_set(rest, key, value);
    }
    SCOPED(string)
    char *text = json_canonical(rest);
    return xstrdup(digest_of(text, strlen(text)).text);
}

json_t *batchsandbox_status_write(const struct batchsandbox_status *status)
{
    return json_write(status_fields, status);
}

int batchsandbox_status_read(const json_t *status, struct batchsandbox_status *out, struct error *err)
{
    return json_read(status, status_fields, "status", out, err);
}

void batchsandbox_status_copy(const struct batchsandbox_status *from, struct batchsandbox_status *ret_copy)
{
    SCOPED(json)
    json_t *document = batchsandbox_status_write(from);
    struct error never = {0};

    *ret_copy = (struct batchsandbox_status){0};
    int done = batchsandbox_status_read(document, ret_copy, &never);
    assert(done == 0); /* reads what it wrote itself */
    (void)done;        /* when assert() is compiled out */
}

void batchsandbox_status_done(struct batchsandbox_status *status)
{
    json_free_fields(status_fields, status);
}
