/* describe.h - what an operator wants to know of one sandbox: its objects and Events, and what it wrote. As service.h: no
 * state, errors carry a contract code, any thread. Spec: contract rest-api.md §14. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/orchestrator.h"
#include "lifecycle-svc/sandbox/service.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"

typedef Opensandbox__Orchestrator__V1__SandboxDescription orch_description;

/* *ret_description is the caller's; its `sandbox` is never NULL. ERR_NOT_FOUND (KUBERNETES::SANDBOX_NOT_FOUND). */
int sandbox_describe(const struct sandbox_service *service, const char *id,
                     orch_description **ret_description, struct error *err);
void orch_description_free(orch_description *description);
DEFINE_FREEP(orch_description, orch_description, orch_description_free)

enum {
    LOG_TEXT_MAX = 1 << 20, /* bytes: of longer logs the newest lines are told */
    LOG_TIMEOUT_MS = 20000, /* SDKs give a request 30 s */
};

struct log_wish {
    int64_t tail;          /* lines at most */
    int64_t since_unix_ms; /* only newer ones; 0: all */
};

/* The newest lines of the sandbox's first container, each with its time, as UTF-8: appended to `ret_text`, at most
 * LOG_TEXT_MAX bytes of them. ERR_NOT_FOUND (KUBERNETES::SANDBOX_NOT_FOUND): no such sandbox, or no pod of it runs.
 * ERR_UNSUPPORTED (DIAGNOSTICS_NOT_IMPLEMENTED): this backend does not hand out logs. */
int sandbox_logs(const struct sandbox_service *service, const char *id, const struct log_wish *wish,
                 const struct sandbox_caller *caller, struct strbuf *ret_text, struct error *err);
