#include "lifecycle-svc/sandbox/submit.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest orch_create;
typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest__LabelsEntry label_entry;
typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest__AnnotationsEntry annotation_entry;
typedef Opensandbox__Orchestrator__V1__VolumeClaim orch_claim;

static void add_labels(orch_create *create, const struct json_map *labels)
{
    create->labels = xcalloc(labels->count, sizeof(*create->labels));
    for (size_t i = 0; i < labels->count; i++) {
        label_entry *entry = xcalloc(1, sizeof(*entry));
        opensandbox__orchestrator__v1__create_sandbox_request__labels_entry__init(entry);
        entry->key = labels->pairs[i].key;
        entry->value = labels->pairs[i].value;
        create->labels[create->n_labels++] = entry;
    }
}

static void add_annotations(orch_create *create, const struct json_map *annotations)
{
    create->annotations = xcalloc(annotations->count, sizeof(*create->annotations));
    for (size_t i = 0; i < annotations->count; i++) {
        annotation_entry *entry = xcalloc(1, sizeof(*entry));
        opensandbox__orchestrator__v1__create_sandbox_request__annotations_entry__init(entry);
        entry->key = annotations->pairs[i].key;
        entry->value = annotations->pairs[i].value;
        create->annotations[create->n_annotations++] = entry;
    }
}

static orch_claim *new_claim(const struct volume_claim *claim)
{
    orch_claim *out = xcalloc(1, sizeof(*out));

    opensandbox__orchestrator__v1__volume_claim__init(out);
    out->name = claim->name;
    out->create = claim->create_if_absent != 0;
    if (claim->storage)
        out->storage = claim->storage;
    if (claim->storage_class)
        out->storage_class = claim->storage_class;
    out->access_modes = claim->access_modes.items;
    out->n_access_modes = claim->access_modes.count;
    return out;
}

/* A claim that is mounted twice is asked for once, as its first volume wants it. */
static void add_claims(orch_create *create, const struct json_list *volumes)
{
    const struct volume *items = volumes->items;

    create->claims = xcalloc(volumes->count, sizeof(*create->claims));
    for (size_t i = 0; i < volumes->count; i++)
        if (items[i].claim.name && strcmp(manifest_volume_name(volumes, i), items[i].name) == 0)
            create->claims[create->n_claims++] = new_claim(&items[i].claim);
}

static void add_object(orch_create *create, const struct submission *submission)
{
    const struct manifest *manifest = submission->manifest;

    create->expire_time_unix_ms = manifest->expire_time_unix_ms;
    create->template_json = manifest->template_json;
    add_labels(create, &manifest->labels);
    add_annotations(create, &manifest->annotations);
    add_claims(create, &submission->request->volumes);
}

/* The texts are the submission's; only the lists are ours. */
static void create_message_done(orch_create *create)
{
    for (size_t i = 0; i < create->n_labels; i++)
        free(create->labels[i]);
    for (size_t i = 0; i < create->n_annotations; i++)
        free(create->annotations[i]);
    for (size_t i = 0; i < create->n_claims; i++)
        free(create->claims[i]);
    free(create->labels);
    free(create->annotations);
    free(create->claims);
}

int submit_sandbox(const struct sandbox_service *service, const struct submission *submission,
                   orch_sandbox **ret_sandbox, struct error *err)
{
    orch_create create = OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SANDBOX_REQUEST__INIT;
    const struct manifest *manifest = submission->manifest;

    create.name = (char *)submission->id;
    create.existing_only = !manifest;
    if (submission->auth_secret) {
        create.image_auth_secret = (char *)submission->auth_secret;
        create.image_auth_docker_config = (ProtobufCBinaryData){.data = (uint8_t *)submission->auth->bytes,
                                                                .len = submission->auth->length};
    }
    if (submission->request_id) {
        create.request_id = (char *)submission->request_id;
        create.request_fingerprint = (char *)submission->fingerprint;
    }
    if (manifest)
        add_object(&create, submission);
    int sent =
        rpc_unary(service->orchestrator, ORCHESTRATOR, "CreateSandbox", &create.base, ret_sandbox, NULL, err);
    create_message_done(&create);
    return sent;
}
