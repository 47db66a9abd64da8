/* renew.c - moving the moment when a sandbox expires. */
#include "lifecycle-svc/sandbox/renew.h"

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/orchestrator.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "shared/base/clock.h"

/* As far as RFC 3339 goes, rounded to the whole second that is written. */
static const int64_t LAST_REPRESENTABLE_MS = 253402300799000; /* 9999-12-31T23:59:59Z */

static int check_expiry(int64_t expires_ms, struct error *err)
{
    if (expires_ms <= clock_realtime_ms())
        return refuse(err, CODE_INVALID_EXPIRATION, "expiresAt: want a time in the future");
    if (expires_ms > LAST_REPRESENTABLE_MS)
        return refuse(err, CODE_INVALID_EXPIRATION, "expiresAt: want a time up to the year 9999");
    return 0;
}

int sandbox_renew(const struct sandbox_service *service, const char *id, int64_t expires_unix_ms,
                  int64_t *ret_expires_unix_ms, struct error *err)
{
    Opensandbox__Orchestrator__V1__RenewSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__RENEW_SANDBOX_REQUEST__INIT;
    orch_sandbox *renewed;

    if (check_expiry(expires_unix_ms, err) < 0 || sandbox_check_id(id, err) < 0)
        return -1;
    request.name = (char *)id;
    request.expire_time_unix_ms = expires_unix_ms;
    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "RenewSandbox", &request.base, &renewed, NULL, err) <
        0) {
        if (err->code == ERR_PRECONDITION)
            return refuse(
                err, CODE_NO_EXPIRATION,
                "Sandbox %.80s never expires, and that cannot be changed; delete it when it is done", id);
        return orchestrator_error(err, id);
    }
    *ret_expires_unix_ms = renewed->expire_time_unix_ms;
    protobuf_c_message_free_unpacked(&renewed->base, NULL);
    return 0;
}
