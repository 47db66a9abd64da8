/* manifest.h - the BatchSandbox that a create request becomes: name, labels, annotations, expiry, pod
 * template. Pure; any thread. Spec: contract rest-api.md §4.2, §4.3. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/create_request.h"

struct manifest_settings {
    const char *execd_image;       /* NULL or "": no init container, the entrypoint runs directly */
    const char *image_pull_policy; /* "IfNotPresent" */
};

struct manifest {
    struct json_map labels, annotations; /* on the object and on the pod template alike */
    int64_t expire_time_unix_ms;         /* whole seconds; 0: never */
    char *template_json;                 /* PodTemplateSpec; holds the env values, so it is wiped */
};

/* Of a request that create_request_check() accepted. */
void manifest_build(const struct create_request *request, const struct manifest_settings *settings,
                    const char *id, int64_t now_ms, struct manifest *ret_manifest);
void manifest_done(struct manifest *manifest);
#define SCOPED_MANIFEST __attribute__((cleanup(manifest_done)))

extern const char *const LABEL_ID;          /* "opensandbox.io/id" */
extern const char *const LABEL_SNAPSHOT_ID; /* "opensandbox.io/snapshot-id" */
