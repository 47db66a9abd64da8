#include "lifecycle-svc/sandbox/orchestrator_error.h"

#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"

/* What snapshot-svc calls its refusals (proto/opensandbox/orchestrator/v1) where the class alone would not do. */
static const struct {
    const char *reason;
    enum contract_code code;
} codes[] = {
    // clang-format off
    {"InvalidState",       CODE_INVALID_STATE},
    {"NoRunningPod",       CODE_INVALID_STATE},
    {"BeingDeleted",       CODE_INVALID_STATE},
    {"NoExpiry",           CODE_NO_EXPIRATION},
    {"RequestMismatch",    CODE_INVALID_PARAMETER},
    {"ImageAuthSecret",    CODE_API_ERROR},
    {"AgentUnreachable",   CODE_INITIALIZATION_ERROR},
    {"SnapshotNotFound",   CODE_SNAPSHOT_NOT_FOUND},
    {"SnapshotConflict",   CODE_SNAPSHOT_INVALID_STATE},
    {"InvalidSourceState", CODE_SNAPSHOT_INVALID_SOURCE_STATE},
    // clang-format on
};

int orchestrator_error(struct error *err, const char *id)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(err->reason, codes[i].reason) == 0)
            return refuse_as(err, codes[i].code);
    switch (err->code) {
    case ERR_NOT_FOUND:
        return refuse(err, CODE_SANDBOX_NOT_FOUND, "Sandbox %.80s not found", id ? id : "");
    case ERR_PRECONDITION:
    case ERR_CONFLICT: /* another caller was first: for this one the state is now a wrong one */
        return refuse_as(err, CODE_INVALID_STATE);
    case ERR_INVALID:
        return refuse_as(err, CODE_INVALID_PARAMETER);
    case ERR_UNSUPPORTED:
        return refuse_as(err, CODE_API_NOT_SUPPORTED);
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        (void)error_wrap(err, "snapshot-svc cannot be reached, try again");
        return refuse_as(err, CODE_INITIALIZATION_ERROR);
    case ERR_CANCELLED: /* the client left, or this server stops: the doors know which */
        return -1;
    case ERR_NONE:
    case ERR_EXISTS:
    case ERR_DENIED:
    case ERR_UNAUTHENTICATED:
    case ERR_EXHAUSTED:
    case ERR_CORRUPT:
    case ERR_INTERNAL:
    case ERR_MAX:
        break;
    }
    return refuse_as(err, CODE_API_ERROR);
}
