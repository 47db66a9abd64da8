/* manifest.h - the BatchSandbox that a create request becomes: name, labels, annotations, expiry, pod
 * template. Pure; any thread. Spec: contract rest-api.md §4.2, §4.3. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/create_request.h"
#include "lifecycle-svc/sandbox/template.h"

struct manifest_settings {
    const char *execd_image;                 /* NULL or "": no init container, the entrypoint runs directly */
    const char *image_pull_policy;           /* "IfNotPresent" */
    const json_t *execd_resources;           /* of the init container; NULL: none */
    const struct sandbox_template *template; /* NULL: none */
};

/* Which sandbox it is, and what it runs: the request's image, or that of a snapshot. */
struct manifest_subject {
    const char *id;
    const char *image;
    const char *pull_secret; /* NULL: none */
};

struct manifest {
    struct json_map labels,
        annotations;             /* of the object; the pod template has the same, less the operator's */
    int64_t expire_time_unix_ms; /* whole seconds; 0: never */
    char *template_json;         /* PodTemplateSpec; holds the env values, so it is wiped */
};

/* Of a request that create_request_check() accepted. */
void manifest_build(const struct create_request *request, const struct manifest_subject *subject,
                    const struct manifest_settings *settings, int64_t now_ms, struct manifest *ret_manifest);
/* The volume of the pod that this one is: a claim that is mounted twice is one volume, named as its first. Borrowed. */
const char *manifest_volume_name(const struct json_list *volumes, size_t at);
void manifest_done(struct manifest *manifest);
#define SCOPED_MANIFEST __attribute__((cleanup(manifest_done)))

extern const char *const LABEL_ID;          /* "opensandbox.io/id" */
extern const char *const LABEL_SNAPSHOT_ID; /* "opensandbox.io/snapshot-id" */
