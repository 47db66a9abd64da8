/* view.h - a sandbox as clients see it, built from snapshot-svc's view of the custom resource. Pure; any
 * thread. Spec: contract rest-api.md §3.3, §5. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/state.h"
#include "shared/json/json.h"

struct sandbox_view {
    char *id;
    struct sandbox_status status;
    int64_t created_unix_ms;
    int64_t expires_unix_ms; /* 0: never */
    char *image_uri;         /* NULL: restored from a snapshot, or not part of this answer */
    char *snapshot_id;       /* NULL: none */
    struct json_strings entrypoint;
    struct json_map metadata;
    char *os, *arch; /* both or none */
};

void sandbox_view_of(const orch_sandbox *sandbox, struct sandbox_view *ret_view);
void sandbox_view_done(struct sandbox_view *view);
#define SCOPED_VIEW __attribute__((cleanup(sandbox_view_done)))

/* label or CR name: what clients call the sandbox. Borrowed. */
const char *sandbox_id_of(const orch_sandbox *sandbox);

/* Is this label the client's own metadata? */
bool is_client_metadata(const char *label_key);
