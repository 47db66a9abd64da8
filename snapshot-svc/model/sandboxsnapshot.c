#include "snapshot-svc/model/sandboxsnapshot.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

static const char *const phase_names[] = {
    [SNAPSHOT_PHASE_NONE] = "",     [SNAPSHOT_PENDING] = "Pending", [SNAPSHOT_COMMITTING] = "Committing",
    [SNAPSHOT_SUCCEED] = "Succeed", [SNAPSHOT_FAILED] = "Failed",   [SNAPSHOT_PHASE_UNKNOWN] = "Unknown",
};
_Static_assert(sizeof(phase_names) / sizeof(*phase_names) == SNAPSHOT_PHASE_MAX, "a phase without a name");

static const char *const committer_names[] = {[COMMITTER_AGENT] = "agent", [COMMITTER_JOB] = "job"};
_Static_assert(sizeof(committer_names) / sizeof(*committer_names) == COMMITTER_MAX,
               "a committer without a name");

/* clang-format off */
static const struct json_field container_fields[] = {
    {"containerName", JSON_STR, offsetof(struct snapshot_container, name),         JSON_REQUIRED, NULL, 0},
    {"imageUri",      JSON_STR, offsetof(struct snapshot_container, image_uri),    JSON_REQUIRED, NULL, 0},
    {"imageDigest",   JSON_STR, offsetof(struct snapshot_container, image_digest), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field progress_fields[] = {
    {"phase",       JSON_STR,  offsetof(struct snapshot_progress, phase),        JSON_OPTIONAL, NULL, 0},
    {"bytesRead",   JSON_SIZE, offsetof(struct snapshot_progress, bytes_read),   JSON_OPTIONAL, NULL, 0},
    {"bytesTotal",  JSON_SIZE, offsetof(struct snapshot_progress, bytes_total),  JSON_OPTIONAL, NULL, 0},
    {"bytesPushed", JSON_SIZE, offsetof(struct snapshot_progress, bytes_pushed), JSON_OPTIONAL, NULL, 0},
    {"files",       JSON_SIZE, offsetof(struct snapshot_progress, files),        JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

#define MEMBER(name) offsetof(struct sandboxsnapshot_status, name)
static const struct json_field status_fields[] = {
    {"phase",              JSON_STR,    MEMBER(phase_name),          JSON_OPTIONAL, NULL, 0},
    {"conditions",         JSON_LIST,   MEMBER(conditions),          JSON_OPTIONAL, condition_fields,
     sizeof(struct condition)},
    {"sourcePodName",      JSON_STR,    MEMBER(source_pod_name),     JSON_OPTIONAL, NULL, 0},
    {"sourceNodeName",     JSON_STR,    MEMBER(source_node_name),    JSON_OPTIONAL, NULL, 0},
    {"sourcePodUid",       JSON_STR,    MEMBER(source_pod_uid),      JSON_OPTIONAL, NULL, 0},
    {"containers",         JSON_LIST,   MEMBER(containers),          JSON_OPTIONAL, container_fields,
     sizeof(struct snapshot_container)},
    {"observedGeneration", JSON_INT64,  MEMBER(observed_generation), JSON_OPTIONAL, NULL, 0},
    {"progress",           JSON_STRUCT, MEMBER(progress),            JSON_OPTIONAL, progress_fields, 0},
    {"startTime",          JSON_TIME,   MEMBER(start_ms),            JSON_OPTIONAL, NULL, 0},
    {"completionTime",     JSON_TIME,   MEMBER(completion_ms),       JSON_OPTIONAL, NULL, 0},
    {"size",               JSON_SIZE,   MEMBER(size_bytes),          JSON_OPTIONAL, NULL, 0},
    {"layers",             JSON_INT32,  MEMBER(layers),              JSON_OPTIONAL, NULL, 0},
    {"attempts",           JSON_INT32,  MEMBER(attempts),            JSON_OPTIONAL, NULL, 0},
    {"committer",          JSON_STR,    MEMBER(committer_name),      JSON_OPTIONAL, NULL, 0},
    {"path",               JSON_STR,    MEMBER(path),                JSON_OPTIONAL, NULL, 0},
    {"pathMessage",        JSON_STR,    MEMBER(path_message),        JSON_OPTIONAL, NULL, 0},
    {"frozenMs",           JSON_INT64,  MEMBER(frozen_ms),           JSON_OPTIONAL, NULL, 0},
    {"keptOnNode",         JSON_STR,    MEMBER(kept_on_node),        JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};
#undef MEMBER

static const struct json_field spec_fields[] = {
    {"sandboxName", JSON_STR, offsetof(struct sandboxsnapshot, sandbox_name), JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field snapshot_fields[] = {
    {"metadata", JSON_STRUCT, offsetof(struct sandboxsnapshot, meta),   JSON_REQUIRED, object_meta_fields, 0},
    {"spec",     JSON_STRUCT, 0,                                        JSON_REQUIRED, spec_fields, 0},
    {"status",   JSON_STRUCT, offsetof(struct sandboxsnapshot, status), JSON_OPTIONAL, status_fields, 0},
    JSON_FIELDS_END,
};
/* clang-format on */

const char *snapshot_phase_name(enum snapshot_phase phase)
{
    return phase_names[phase];
}

enum snapshot_phase snapshot_phase_parse(const char *name)
{
    if (!name)
        return SNAPSHOT_PHASE_NONE;
    for (int phase = 0; phase < SNAPSHOT_PHASE_UNKNOWN; phase++)
        if (strcmp(phase_names[phase], name) == 0)
            return (enum snapshot_phase)phase;
    return SNAPSHOT_PHASE_UNKNOWN;
}

enum snapshot_committer sandboxsnapshot_committer(const struct sandboxsnapshot_status *status)
{
    const bool job =
        status->committer_name && strcmp(status->committer_name, committer_names[COMMITTER_JOB]) == 0;
    return job ? COMMITTER_JOB : COMMITTER_AGENT;
}

void sandboxsnapshot_set_committer(struct sandboxsnapshot_status *status, enum snapshot_committer committer)
{
    free(status->committer_name);
    status->committer_name = xstrdup(committer_names[committer]);
}

bool snapshot_phase_is_final(enum snapshot_phase phase)
{
    return phase == SNAPSHOT_SUCCEED || phase == SNAPSHOT_FAILED;
}

bool sandboxsnapshot_is_captured(const struct sandboxsnapshot_status *status)
{
    return condition_is_true(&status->conditions, SNAPSHOT_CONDITION_CAPTURED);
}

bool sandboxsnapshot_is_kept(const struct sandboxsnapshot_status *status)
{
    return sandboxsnapshot_phase(status) == SNAPSHOT_FAILED && status->kept_on_node && *status->kept_on_node;
}

bool sandboxsnapshot_has_files(const struct sandboxsnapshot_status *status)
{
    return sandboxsnapshot_phase(status) == SNAPSHOT_SUCCEED || sandboxsnapshot_is_kept(status);
}

int sandboxsnapshot_read(const json_t *object, struct sandboxsnapshot *out, struct error *err)
{
    if (json_read(object, snapshot_fields, "SandboxSnapshot", out, err) < 0)
        return -1;
    out->has_status = json_is_object(json_object_get(object, "status"));
    return 0;
}

void sandboxsnapshot_done(struct sandboxsnapshot *snapshot)
{
    json_free_fields(snapshot_fields, snapshot);
}

enum snapshot_phase sandboxsnapshot_phase(const struct sandboxsnapshot_status *status)
{
    return snapshot_phase_parse(status->phase_name);
}

void sandboxsnapshot_set_phase(struct sandboxsnapshot_status *status, enum snapshot_phase phase)
{
    free(status->phase_name);
    status->phase_name = phase == SNAPSHOT_PHASE_NONE ? NULL : xstrdup(phase_names[phase]);
}

const struct snapshot_container *sandboxsnapshot_container(const struct sandboxsnapshot_status *status,
                                                           const char *container)
{
    const struct snapshot_container *items = status->containers.items;

    for (size_t i = 0; i < status->containers.count; i++)
        if (strcmp(items[i].name, container) == 0)
            return &items[i];
    return NULL;
}

void sandboxsnapshot_add_container(struct sandboxsnapshot_status *status, const char *container,
                                   const char *image_uri)
{
    struct json_list *list = &status->containers;

    list->items = xrealloc_array(list->items, list->count + 1, sizeof(struct snapshot_container));
    ((struct snapshot_container *)list->items)[list->count++] =
        (struct snapshot_container){.name = xstrdup(container), .image_uri = xstrdup(image_uri)};
}

bool sandboxsnapshot_is_internal(const struct sandboxsnapshot *snapshot, const char *sandbox_uid)
{
    return meta_is_controlled_by_sandbox(&snapshot->meta, sandbox_uid);
}

char *sandboxsnapshot_commit_key(const struct sandboxsnapshot *snapshot, int32_t attempts)
{
    return xasprintf("%s.%d", snapshot->meta.uid ? snapshot->meta.uid : "", (int)attempts);
}

json_t *sandboxsnapshot_status_write(const struct sandboxsnapshot_status *status)
{
    static const char *const optional_numbers[] = {"observedGeneration", "size", "layers", "attempts",
                                                   "frozenMs"};
    json_t *document = json_write(status_fields, status);

    for (size_t i = 0; i < sizeof(optional_numbers) / sizeof(*optional_numbers); i++)
        if (json_integer_value(json_object_get(document, optional_numbers[i])) == 0)
            json_object_del(document, optional_numbers[i]);
    return document;
}

int sandboxsnapshot_status_read(const json_t *status, struct sandboxsnapshot_status *out, struct error *err)
{
    return json_read(status, status_fields, "status", out, err);
}

void sandboxsnapshot_status_copy(const struct sandboxsnapshot_status *from,
                                 struct sandboxsnapshot_status *ret_copy)
{
    SCOPED(json)
    json_t *document = sandboxsnapshot_status_write(from);
    struct error never = {0};

    *ret_copy = (struct sandboxsnapshot_status){0};
    int done = sandboxsnapshot_status_read(document, ret_copy, &never);
    assert(done == 0); /* reads what it wrote itself */
    (void)done;        /* when assert() is compiled out */
}

void sandboxsnapshot_status_done(struct sandboxsnapshot_status *status)
{
    json_free_fields(status_fields, status);
}
