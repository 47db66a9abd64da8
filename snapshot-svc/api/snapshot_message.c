#include "snapshot-svc/api/snapshot_message.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/restore.h"

typedef Opensandbox__Orchestrator__V1__SnapshotContainer container_message;

/* What the public API calls the container of a sandbox (contract/rest-api.md §4.2). */
#define MAIN_CONTAINER "sandbox"

/* ---- status ---- */

static void fill_containers(const struct message_memory *memory, const struct json_list *list,
                            snapshot_message *out)
{
    const struct snapshot_container *items = list->items;

    out->containers = message_part(memory, (list->count + 1) * sizeof(*out->containers));
    for (size_t i = 0; i < list->count; i++) {
        container_message *message = message_part(memory, sizeof(*message));
        opensandbox__orchestrator__v1__snapshot_container__init(message);
        message->container = message_text(memory, items[i].name);
        message->image_uri = message_text(memory, items[i].image_uri);
        message->image_digest = message_text(memory, items[i].image_digest);
        out->containers[out->n_containers++] = message;
    }
    out->container_count = (uint32_t)list->count;
}

static void fill_progress(const struct message_memory *memory, const struct sandboxsnapshot_status *status,
                          snapshot_message *out)
{
    if (!status->progress.phase || sandboxsnapshot_phase(status) != SNAPSHOT_COMMITTING)
        return;
    out->progress = message_part(memory, sizeof(*out->progress));
    opensandbox__orchestrator__v1__snapshot_progress__init(out->progress);
    out->progress->phase = message_text(memory, status->progress.phase);
    out->progress->bytes_read = status->progress.bytes_read;
    out->progress->bytes_total = status->progress.bytes_total;
    out->progress->bytes_pushed = status->progress.bytes_pushed;
    out->progress->files = status->progress.files;
}

static void fill_status(const struct message_memory *memory, const struct sandboxsnapshot_status *status,
                        snapshot_message *out)
{
    out->phase = message_text(memory, status->phase_name);
    out->conditions = message_conditions(memory, &status->conditions);
    out->n_conditions = status->conditions.count;
    fill_containers(memory, &status->containers, out);
    fill_progress(memory, status, out);
    out->size = status->size_bytes;
    out->layers = status->layers > 0 ? (uint32_t)status->layers : 0;
    out->attempts = status->attempts > 0 ? (uint32_t)status->attempts : 0;
    out->start_unix_ms = status->start_ms;
    out->completion_unix_ms = status->completion_ms;
    out->path = message_text(memory, status->path);
    out->path_message = message_text(memory, status->path_message);
    out->frozen_ms = status->frozen_ms;
    out->kept_on_node = message_text(memory, status->kept_on_node);
}

/* ---- restoring ---- */

/* The container that a sandbox made of the snapshot runs, or NULL: there are several, and none has the name. */
static const struct snapshot_container *restored_container(const struct sandboxsnapshot_status *status)
{
    const struct snapshot_container *named = sandboxsnapshot_container(status, MAIN_CONTAINER);
    const struct snapshot_container *usable = named                           ? named
                                              : status->containers.count == 1 ? status->containers.items
                                                                              : NULL;
    return usable && *usable->image_uri ? usable : NULL;
}

static void fill_restore(const struct message_memory *memory, const struct sandboxsnapshot_status *status,
                         snapshot_message *out)
{
    const struct snapshot_container *container = restored_container(status);

    if (!container || sandboxsnapshot_phase(status) != SNAPSHOT_SUCCEED)
        return;
    SCOPED(string) char *image = restore_image(container);
    out->restore_image = message_text(memory, image);
}

/* ---- meta ---- */

/* A label holds 63 characters, so a longer id is in there cut and hashed. */
static const char *source_of(const struct sandboxsnapshot *snapshot)
{
    const char *label = meta_label(&snapshot->meta, LABEL_SOURCE_SANDBOX_ID);
    SCOPED(string) char *expected = name_label_value(snapshot->sandbox_name);

    return label && strcmp(label, expected) != 0 ? label : snapshot->sandbox_name;
}

static void fill_meta(const struct message_memory *memory, const struct sandboxsnapshot *snapshot,
                      snapshot_message *out)
{
    const struct object_meta *meta = &snapshot->meta;

    out->name = message_text(memory, meta->name);
    out->id = message_text(memory, meta_label(meta, LABEL_SNAPSHOT_ID));
    out->sandbox = message_text(memory, source_of(snapshot));
    out->display_name = message_text(memory, meta_annotation(meta, ANNOTATION_DISPLAY_NAME));
    out->created_at_unix_ms = meta->created_ms;
    out->deleting = meta_is_deleting(meta);
}

void snapshot_message_fill(const struct message_memory *memory, const struct sandboxsnapshot *snapshot,
                           snapshot_message *out)
{
    fill_meta(memory, snapshot, out);
    fill_status(memory, &snapshot->status, out);
    fill_restore(memory, &snapshot->status, out);
}
