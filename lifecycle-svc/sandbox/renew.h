/* renew.h - moving the moment when a sandbox expires. As service.h: no state, any thread.
 * Spec: contract rest-api.md §8. */
#pragma once

#include "lifecycle-svc/sandbox/service.h"

/* In any state; sooner is as good as later. *ret_expires_unix_ms: what was written, whole seconds.
 * ERR_INVALID (DOCKER::INVALID_EXPIRATION): not in the future. ERR_NOT_FOUND. ERR_PRECONDITION
 * (DOCKER::INVALID_EXPIRATION, 409): the sandbox never expires, and that stays so. */
int sandbox_renew(const struct sandbox_service *service, const char *id, int64_t expires_unix_ms,
                  int64_t *ret_expires_unix_ms, struct error *err);
