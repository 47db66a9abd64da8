/* image_auth.h - the Secret that a sandbox's image is pulled with.
 *
 *   make it (a pod that is there before its Secret would fail to pull) -> create the sandbox -> give it to the sandbox,
 *   with which it goes, or drop it when there is none
 *
 * Two callers of one request may meet here. A drop removes only what nobody has touched since we made it, and a gift
 * makes the Secret anew when the other has dropped it. The bytes are in no log, no error and no buffer that is not wiped.
 * Spec: contract/rest-api.md §4.3. Threads: one. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

struct image_auth {
    struct cluster *cluster; /* both set by the caller, borrowed */
    const char *ns;

    json_t *secret;      /* as it is to be; NULL: there is none */
    char *uid, *version; /* of what we made; NULL: it was there */
};

/* name "": none. docker_config: the document, which this does not look into.
 * Errors have the reason ImageAuthSecret. */
int image_auth_make(struct image_auth *auth, const char *name, const char *sandbox_id,
                    const ProtobufCBinaryData *docker_config, struct error *err);
int image_auth_give(struct image_auth *auth, const json_t *sandbox, struct error *err);
/* Best effort; a failure is logged. */
void image_auth_drop(struct image_auth *auth);

void image_auth_done(struct image_auth *auth);
#define SCOPED_IMAGE_AUTH __attribute__((cleanup(image_auth_done)))
