#include "snapshot-svc/api/sandbox_message.h"

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/api/snapshot_message.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__Sandbox__LabelsEntry label_entry;
typedef Opensandbox__Orchestrator__V1__Sandbox__AnnotationsEntry annotation_entry;

/* ---- lists ---- */

static void fill_labels(const struct message_memory *memory, const struct json_map *labels,
                        sandbox_message *out)
{
    out->labels = message_part(memory, (labels->count + 1) * sizeof(*out->labels));
    for (size_t i = 0; i < labels->count; i++) {
        label_entry *entry = message_part(memory, sizeof(*entry));
        opensandbox__orchestrator__v1__sandbox__labels_entry__init(entry);
        entry->key = message_text(memory, labels->pairs[i].key);
        entry->value = message_text(memory, labels->pairs[i].value);
        out->labels[out->n_labels++] = entry;
    }
}

static void fill_annotations(const struct message_memory *memory, const struct json_map *annotations,
                             sandbox_message *out)
{
    out->annotations = message_part(memory, (annotations->count + 1) * sizeof(*out->annotations));
    for (size_t i = 0; i < annotations->count; i++) {
        annotation_entry *entry = message_part(memory, sizeof(*entry));
        opensandbox__orchestrator__v1__sandbox__annotations_entry__init(entry);
        entry->key = message_text(memory, annotations->pairs[i].key);
        entry->value = message_text(memory, annotations->pairs[i].value);
        out->annotations[out->n_annotations++] = entry;
    }
}

/* ---- snapshot ---- */

/* The snapshot of an earlier sandbox of the same name may still be around. */
static void fill_snapshot(const struct message_memory *memory, const json_t *json, const char *sandbox_uid,
                          sandbox_message *out)
{
    SCOPED_SANDBOXSNAPSHOT struct sandboxsnapshot snapshot = {0};
    struct error err = {0};

    if (!json)
        return;
    if (sandboxsnapshot_read(json, &snapshot, &err) < 0) {
        log_failure(LOG_DEBUG, "unreadable SandboxSnapshot left out", &err, log_str("sandbox", out->name));
        return;
    }
    if (!sandboxsnapshot_is_internal(&snapshot, sandbox_uid))
        return;
    out->snapshot = message_part(memory, sizeof(*out->snapshot));
    opensandbox__orchestrator__v1__snapshot__init(out->snapshot);
    snapshot_message_fill(memory, &snapshot, out->snapshot);
}

/* ---- sandbox ---- */

static void fill_meta(const struct message_memory *memory, const struct object_meta *meta,
                      sandbox_message *out)
{
    const char *endpoints = meta_annotation(meta, ANNOTATION_ENDPOINTS);

    out->name = message_text(memory, meta->name);
    out->namespace_ = message_text(memory, meta->ns);
    out->uid = message_text(memory, meta->uid);
    out->resource_version = message_text(memory, meta->resource_version);
    out->generation = meta->generation;
    out->created_at_unix_ms = meta->created_ms;
    out->deleting = meta_is_deleting(meta);
    out->endpoints_json = message_text(memory, endpoints);
    fill_labels(memory, &meta->labels, out);
    fill_annotations(memory, &meta->annotations, out);
}

static void fill_spec(const struct message_memory *memory, const struct batchsandbox_spec *spec,
                      sandbox_message *out)
{
    out->expire_time_unix_ms = spec->expire_time_ms;
    out->pool_ref = message_text(memory, spec->pool_ref);
    if (json_is_object(spec->template_)) {
        SCOPED(string) char *template = json_text(spec->template_);
        out->template_json = message_text(memory, template);
    }
}

static void fill_status(const struct message_memory *memory, const struct batchsandbox_status *status,
                        sandbox_message *out)
{
    out->phase = message_text(memory, status->phase_name);
    out->conditions = message_conditions(memory, &status->conditions);
    out->n_conditions = status->conditions.count;
    out->ready = status->ready;
    out->allocated = status->allocated;
    out->acknowledged_generation = status->pause_observed_generation;
}

void sandbox_message_fill(const struct message_memory *memory, const json_t *json, const json_t *snapshot,
                          sandbox_message *out)
{
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
    struct error err = {0};

    if (batchsandbox_read(json, &sandbox, &err) < 0) {
        const char *name = json_path_string(json, "metadata.name");
        out->name = message_text(memory, name);
        log_failure(LOG_DEBUG, "unreadable BatchSandbox shown by its name only", &err,
                    log_str("sandbox", name));
        return;
    }
    fill_meta(memory, &sandbox.meta, out);
    fill_spec(memory, &sandbox.spec, out);
    fill_status(memory, &sandbox.status, out);
    fill_snapshot(memory, snapshot, sandbox.meta.uid, out);
}

sandbox_message *sandbox_message_new(const json_t *sandbox, const json_t *snapshot)
{
    const struct message_memory memory = {.call = NULL};
    sandbox_message *message = xcalloc(1, sizeof(*message));

    opensandbox__orchestrator__v1__sandbox__init(message);
    sandbox_message_fill(&memory, sandbox, snapshot, message);
    return message;
}

void sandbox_message_free(sandbox_message *message)
{
    opensandbox__orchestrator__v1__sandbox__free_unpacked(message, NULL);
}
