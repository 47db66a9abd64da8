#include "snapshot-svc/api/sandbox_message.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

typedef Opensandbox__Orchestrator__V1__Condition condition_message;
typedef Opensandbox__Orchestrator__V1__Snapshot snapshot_message;
typedef Opensandbox__Orchestrator__V1__SnapshotContainer container_message;
typedef Opensandbox__Orchestrator__V1__Sandbox__LabelsEntry label_entry;
typedef Opensandbox__Orchestrator__V1__Sandbox__AnnotationsEntry annotation_entry;

static void *take(const struct message_memory *memory, size_t size)
{
    return memory->call ? rpc_alloc(memory->call, size) : xcalloc(1, size);
}

static char *text(const struct message_memory *memory, const char *value)
{
    return memory->call ? rpc_strdup(memory->call, value) : xstrdup(value);
}

/* ---- lists ---- */

static void fill_labels(const struct message_memory *memory, const struct json_map *labels,
                        sandbox_message *out)
{
    out->labels = take(memory, (labels->count + 1) * sizeof(*out->labels));
    for (size_t i = 0; i < labels->count; i++) {
        label_entry *entry = take(memory, sizeof(*entry));
        opensandbox__orchestrator__v1__sandbox__labels_entry__init(entry);
        entry->key = text(memory, labels->pairs[i].key);
        entry->value = text(memory, labels->pairs[i].value);
        out->labels[out->n_labels++] = entry;
    }
}

static void fill_annotations(const struct message_memory *memory, const struct json_map *annotations,
                             sandbox_message *out)
{
    out->annotations = take(memory, (annotations->count + 1) * sizeof(*out->annotations));
    for (size_t i = 0; i < annotations->count; i++) {
        annotation_entry *entry = take(memory, sizeof(*entry));
        opensandbox__orchestrator__v1__sandbox__annotations_entry__init(entry);
        entry->key = text(memory, annotations->pairs[i].key);
        entry->value = text(memory, annotations->pairs[i].value);
        out->annotations[out->n_annotations++] = entry;
    }
}

static condition_message **conditions(const struct message_memory *memory, const struct json_list *list)
{
    const struct condition *items = list->items;
    condition_message **messages = take(memory, (list->count + 1) * sizeof(*messages));

    for (size_t i = 0; i < list->count; i++) {
        condition_message *message = messages[i] = take(memory, sizeof(*message));
        opensandbox__orchestrator__v1__condition__init(message);
        message->type = text(memory, items[i].type);
        message->status = text(memory, items[i].status);
        message->reason = text(memory, items[i].reason);
        message->message = text(memory, items[i].message);
        message->last_transition_unix_ms = items[i].last_transition_ms;
    }
    return messages;
}

/* ---- snapshot ---- */

static void fill_containers(const struct message_memory *memory, const struct json_list *list,
                            snapshot_message *out)
{
    const struct snapshot_container *items = list->items;

    out->containers = take(memory, (list->count + 1) * sizeof(*out->containers));
    for (size_t i = 0; i < list->count; i++) {
        container_message *message = take(memory, sizeof(*message));
        opensandbox__orchestrator__v1__snapshot_container__init(message);
        message->container = text(memory, items[i].name);
        message->image_uri = text(memory, items[i].image_uri);
        message->image_digest = text(memory, items[i].image_digest);
        out->containers[out->n_containers++] = message;
    }
}

static void fill_progress(const struct message_memory *memory, const struct sandboxsnapshot_status *status,
                          snapshot_message *out)
{
    if (!status->progress.phase || sandboxsnapshot_phase(status) != SNAPSHOT_COMMITTING)
        return;
    out->progress = take(memory, sizeof(*out->progress));
    opensandbox__orchestrator__v1__snapshot_progress__init(out->progress);
    out->progress->phase = text(memory, status->progress.phase);
    out->progress->bytes_read = status->progress.bytes_read;
    out->progress->bytes_total = status->progress.bytes_total;
    out->progress->bytes_pushed = status->progress.bytes_pushed;
    out->progress->files = status->progress.files;
}

static snapshot_message *snapshot_of(const struct message_memory *memory,
                                     const struct sandboxsnapshot *snapshot)
{
    const struct sandboxsnapshot_status *status = &snapshot->status;
    snapshot_message *out = take(memory, sizeof(*out));

    opensandbox__orchestrator__v1__snapshot__init(out);
    out->name = text(memory, snapshot->meta.name);
    out->phase = text(memory, status->phase_name);
    out->conditions = conditions(memory, &status->conditions);
    out->n_conditions = status->conditions.count;
    fill_containers(memory, &status->containers, out);
    fill_progress(memory, status, out);
    out->size = status->size_bytes;
    out->layers = status->layers > 0 ? (uint32_t)status->layers : 0;
    out->attempts = status->attempts > 0 ? (uint32_t)status->attempts : 0;
    out->start_unix_ms = status->start_ms;
    out->completion_unix_ms = status->completion_ms;
    return out;
}

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
    if (sandboxsnapshot_is_internal(&snapshot, sandbox_uid))
        out->snapshot = snapshot_of(memory, &snapshot);
}

/* ---- sandbox ---- */

static void fill_meta(const struct message_memory *memory, const struct object_meta *meta,
                      sandbox_message *out)
{
    const char *endpoints = meta_annotation(meta, ANNOTATION_ENDPOINTS);

    out->name = text(memory, meta->name);
    out->namespace_ = text(memory, meta->ns);
    out->uid = text(memory, meta->uid);
    out->resource_version = text(memory, meta->resource_version);
    out->generation = meta->generation;
    out->created_at_unix_ms = meta->created_ms;
    out->deleting = meta_is_deleting(meta);
    out->endpoints_json = text(memory, endpoints);
    fill_labels(memory, &meta->labels, out);
    fill_annotations(memory, &meta->annotations, out);
}

static void fill_spec(const struct message_memory *memory, const struct batchsandbox_spec *spec,
                      sandbox_message *out)
{
    out->expire_time_unix_ms = spec->expire_time_ms;
    out->pool_ref = text(memory, spec->pool_ref);
    if (json_is_object(spec->template_)) {
        SCOPED(string) char *template = json_text(spec->template_);
        out->template_json = text(memory, template);
    }
}

static void fill_status(const struct message_memory *memory, const struct batchsandbox_status *status,
                        sandbox_message *out)
{
    out->phase = text(memory, status->phase_name);
    out->conditions = conditions(memory, &status->conditions);
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
        out->name = text(memory, name);
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
