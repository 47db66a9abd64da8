/* service.h - what clients may do to sandboxes. Both doors (REST and gRPC) call these functions and nothing
 * below.
 *
 * The service keeps no state: every answer comes from snapshot-svc, and whatever waits rides on its watch
 * stream. Errors carry a contract code (contract_code.h), ready to be shown. Threads: any number at once. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/check.h"
#include "lifecycle-svc/sandbox/create_request.h"
#include "lifecycle-svc/sandbox/listing.h"
#include "lifecycle-svc/sandbox/manifest.h"
#include "lifecycle-svc/sandbox/view.h"
#include "shared/rpc/client.h"

struct sandbox_service {
    struct rpc_channel *orchestrator; /* borrowed */
    struct check_settings check;
    struct manifest_settings manifest;
    int64_t create_timeout_ms;
};

/* The client behind a call: for calls that wait, and for calls that are safe to repeat. */
struct sandbox_caller {
    const char *request_id; /* the client's own name of this request (X-Request-ID); NULL: it gave none */
    void *door;
    /* Runs fn(self) once when the client goes away or the server stops; fn NULL ends that, and then fn is not
     * running any more. As http_on_client_gone and rpc_on_cancel. */
    void (*on_gone)(void *door, void (*fn)(void *self), void *self);
    int64_t ms_left; /* of the client's own deadline; INT64_MAX: none */
};

/* Creates and waits until the sandbox is usable. `request` is settled. Whatever goes wrong after the object
 * exists (failed, too slow, client gone), the object is deleted again. ret_view echoes the request, as the
 * contract wants it. */
int sandbox_create(const struct sandbox_service *service, const struct create_request *request,
                   const struct sandbox_caller *caller, struct sandbox_view *ret_view, struct error *err);

/* Names of custom resources are lower case letters, digits, '-' and '.'. Anything else cannot exist, so nobody is asked:
 * ERR_NOT_FOUND (KUBERNETES::SANDBOX_NOT_FOUND). */
int sandbox_check_id(const char *id, struct error *err);

/* ERR_NOT_FOUND (KUBERNETES::SANDBOX_NOT_FOUND): also for the calls below. */
int sandbox_get(const struct sandbox_service *service, const char *id, struct sandbox_view *ret_view,
                struct error *err);

/* As sandbox_get, but snapshot-svc's own view. *ret_sandbox is the caller's
 * (protobuf_c_message_free_unpacked). */
int sandbox_fetch(const struct sandbox_service *service, const char *id, orch_sandbox **ret_sandbox,
                  struct error *err);

struct sandbox_page {
    struct page page;
    struct sandbox_view *items; /* page.count of them */
};
int sandbox_list(const struct sandbox_service *service, const struct list_query *query,
                 struct sandbox_page *ret_page, struct error *err);
void sandbox_page_done(struct sandbox_page *page);
#define SCOPED_SANDBOX_PAGE __attribute__((cleanup(sandbox_page_done)))

int sandbox_delete(const struct sandbox_service *service, const char *id, struct error *err);

/* Accepted when they return; the work goes on. caller->request_id: a repeated one answers as the first.
 * ERR_PRECONDITION (KUBERNETES::INVALID_STATE): not in this state. */
int sandbox_pause(const struct sandbox_service *service, const char *id, const struct sandbox_caller *caller,
                  int64_t *ret_generation, struct error *err);
int sandbox_resume(const struct sandbox_service *service, const char *id, const struct sandbox_caller *caller,
                   int64_t *ret_generation, struct error *err);

enum { ENDPOINT_WAIT_MS = 25000 }; /* SDKs give a request 30 s */

/* "<ip>:<port>" as a new string. While the sandbox is Pending or Resuming it waits for an address, up to
 * ENDPOINT_WAIT_MS. ERR_NOT_FOUND (KUBERNETES::POD_IP_NOT_AVAILABLE): it has none. */
int sandbox_endpoint(const struct sandbox_service *service, const char *id, int64_t port,
                     const struct sandbox_caller *caller, char **ret_endpoint, struct error *err);
/* The same, as it is now: waits for nothing. */
int sandbox_endpoint_now(const struct sandbox_service *service, const char *id, int64_t port,
                         char **ret_endpoint, struct error *err);
