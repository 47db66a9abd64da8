/* submit.h - hands a create over to snapshot-svc. Any thread. */
#pragma once

#include "lifecycle-svc/sandbox/image_auth.h"
#include "lifecycle-svc/sandbox/orchestrator.h"
#include "lifecycle-svc/sandbox/service.h"

struct submission {
    const char *id;
    const struct create_request *request;
    const struct manifest *manifest; /* NULL: only the object that an equal request made before is wanted */
    const char *auth_secret;         /* NULL: the image needs no credentials */
    const struct docker_config *auth;
    const char *request_id; /* NULL: not to be repeated; then there is no fingerprint either */
    const char *fingerprint;
};

/* *ret_sandbox is the caller's: the new object, or, with a request id, the one that an equal request made before
 * (ret_sandbox->existed).
 * No contract code yet. ERR_NOT_FOUND: there is no earlier object. ERR_EXISTS: the name is taken; reason REQUEST_MISMATCH: by another request with this id; reason
 * BEING_DELETED: by the same request's, which is on its way out. */
int submit_sandbox(const struct sandbox_service *service, const struct submission *submission,
                   orch_sandbox **ret_sandbox, struct error *err);

#define REQUEST_MISMATCH "RequestMismatch"
#define BEING_DELETED    "BeingDeleted"
