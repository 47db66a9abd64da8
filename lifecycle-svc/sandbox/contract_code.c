#include "lifecycle-svc/sandbox/contract_code.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http_status;
    enum error_code class;
} codes[] = {
    // clang-format off
    [CODE_UNKNOWN_ERROR]                = {"GENERAL::UNKNOWN_ERROR", 500, ERR_INTERNAL},
    [CODE_MISSING_API_KEY]              = {"MISSING_API_KEY", 401, ERR_UNAUTHENTICATED},
    [CODE_INVALID_API_KEY]              = {"INVALID_API_KEY", 401, ERR_UNAUTHENTICATED},
    [CODE_INVALID_PARAMETER]            = {"SANDBOX::INVALID_PARAMETER", 400, ERR_INVALID},
    [CODE_INVALID_METADATA_LABEL]       = {"SANDBOX::INVALID_METADATA_LABEL", 400, ERR_INVALID},
    [CODE_RESERVED_METADATA_LABEL]      = {"INVALID_METADATA_LABEL", 400, ERR_INVALID},
    [CODE_INVALID_METADATA_FORMAT]      = {"INVALID_METADATA_FORMAT", 400, ERR_INVALID},
    [CODE_INVALID_ENTRYPOINT]           = {"DOCKER::INVALID_ENTRYPOINT", 400, ERR_INVALID},
    [CODE_INVALID_EXPIRATION]           = {"DOCKER::INVALID_EXPIRATION", 400, ERR_INVALID},
    [CODE_NO_EXPIRATION]                = {"DOCKER::INVALID_EXPIRATION", 409, ERR_PRECONDITION},
    [CODE_INVALID_PORT]                 = {"DOCKER::INVALID_PORT", 400, ERR_INVALID},
    [CODE_SANDBOX_NOT_FOUND]            = {"KUBERNETES::SANDBOX_NOT_FOUND", 404, ERR_NOT_FOUND},
    [CODE_INVALID_STATE]                = {"KUBERNETES::INVALID_STATE", 409, ERR_PRECONDITION},
    [CODE_POD_IP_NOT_AVAILABLE]         = {"KUBERNETES::POD_IP_NOT_AVAILABLE", 404, ERR_NOT_FOUND},
    [CODE_POD_READY_TIMEOUT]            = {"KUBERNETES::POD_READY_TIMEOUT", 504, ERR_TIMEOUT},
    [CODE_POD_FAILED]                   = {"KUBERNETES::POD_FAILED", 500, ERR_INTERNAL},
    [CODE_API_ERROR]                    = {"KUBERNETES::API_ERROR", 500, ERR_INTERNAL},
    [CODE_INITIALIZATION_ERROR]         = {"KUBERNETES::INITIALIZATION_ERROR", 503, ERR_UNAVAILABLE},
    [CODE_POOL_NOT_SUPPORTED]           = {"KUBERNETES::POOL_NOT_SUPPORTED", 501, ERR_UNSUPPORTED},
    [CODE_SNAPSHOT_NOT_IMPLEMENTED]     = {"SNAPSHOT::NOT_IMPLEMENTED", 501, ERR_UNSUPPORTED},
    [CODE_SNAPSHOT_NOT_FOUND]           = {"SNAPSHOT::NOT_FOUND", 404, ERR_NOT_FOUND},
    [CODE_SNAPSHOT_NOT_READY]           = {"SNAPSHOT::NOT_READY", 409, ERR_PRECONDITION},
    [CODE_SNAPSHOT_INVALID_STATE]       = {"SNAPSHOT::INVALID_STATE", 409, ERR_PRECONDITION},
    [CODE_SNAPSHOT_INVALID_SOURCE_STATE]   = {"SNAPSHOT::INVALID_SOURCE_STATE", 409, ERR_PRECONDITION},
    [CODE_SNAPSHOT_INVALID_RESTORE_CONFIG] = {"SNAPSHOT::INVALID_RESTORE_CONFIG", 409, ERR_PRECONDITION},
    [CODE_VOLUME_INVALID_NAME]          = {"VOLUME::INVALID_NAME", 400, ERR_INVALID},
    [CODE_VOLUME_DUPLICATE_NAME]        = {"VOLUME::DUPLICATE_NAME", 400, ERR_INVALID},
    [CODE_VOLUME_INVALID_MOUNT_PATH]    = {"VOLUME::INVALID_MOUNT_PATH", 400, ERR_INVALID},
    [CODE_VOLUME_INVALID_SUB_PATH]      = {"VOLUME::INVALID_SUB_PATH", 400, ERR_INVALID},
    [CODE_VOLUME_INVALID_HOST_PATH]     = {"VOLUME::INVALID_HOST_PATH", 400, ERR_INVALID},
    [CODE_VOLUME_HOST_PATH_NOT_ALLOWED] = {"VOLUME::HOST_PATH_NOT_ALLOWED", 400, ERR_INVALID},
    [CODE_VOLUME_INVALID_PVC_NAME]      = {"VOLUME::INVALID_PVC_NAME", 400, ERR_INVALID},
    [CODE_VOLUME_UNSUPPORTED_BACKEND]   = {"VOLUME::UNSUPPORTED_BACKEND", 400, ERR_INVALID},
    [CODE_API_NOT_SUPPORTED]            = {"SANDBOX::API_NOT_SUPPORTED", 501, ERR_UNSUPPORTED},
    [CODE_ROUTE_NOT_FOUND]              = {"GENERAL::NOT_FOUND", 404, ERR_NOT_FOUND},
    [CODE_METHOD_NOT_ALLOWED]           = {"GENERAL::METHOD_NOT_ALLOWED", 405, ERR_INVALID},
    [CODE_PAYLOAD_TOO_LARGE]            = {"GENERAL::PAYLOAD_TOO_LARGE", 413, ERR_INVALID},
    [CODE_RATE_LIMITED]                 = {"GENERAL::RATE_LIMITED", 429, ERR_EXHAUSTED},
    [CODE_DIAGNOSTICS_NOT_IMPLEMENTED]  = {"DIAGNOSTICS_NOT_IMPLEMENTED", 501, ERR_UNSUPPORTED},
    // clang-format on
};
_Static_assert(sizeof(codes) / sizeof(codes[0]) == CODE_MAX, "every contract code has a row");

const char *contract_code_name(enum contract_code code)
{
    return codes[code].name;
}

int refuse_as(struct error *err, enum contract_code code)
{
    err->code = codes[code].class;
    err->reason[0] = '\0';
    return error_reason(err, codes[code].name);
}

int refuse(struct error *err, enum contract_code code, const char *fmt, ...)
{
    char text[2 * sizeof(err->text)];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut texts are fine */
    va_end(args);
    (void)error_set(err, codes[code].class, "%s", text); /* it keeps the cut at a character */
    return refuse_as(err, code);
}

/* For errors that reach a door without a contract code: what their class says by itself. */
static enum contract_code code_for_class(enum error_code class)
{
    switch (class) {
    case ERR_INVALID:
        return CODE_INVALID_PARAMETER;
    case ERR_UNSUPPORTED:
        return CODE_API_NOT_SUPPORTED;
    case ERR_UNAVAILABLE:
    case ERR_CANCELLED: /* a client that still listens was cancelled by a stopping server */
    case ERR_EXHAUSTED:
        return CODE_INITIALIZATION_ERROR;
    case ERR_PRECONDITION:
    case ERR_CONFLICT:
        return CODE_INVALID_STATE;
    case ERR_NONE:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_DENIED:
    case ERR_UNAUTHENTICATED:
    case ERR_TIMEOUT:
    case ERR_CORRUPT:
    case ERR_INTERNAL:
    case ERR_MAX:
        break;
    }
    return CODE_UNKNOWN_ERROR;
}

/* Two rows may share a name; then the class tells them apart. */
static enum contract_code find_code(const struct error *err)
{
    enum contract_code found = CODE_MAX;

    for (enum contract_code code = 0; code < CODE_MAX; code++)
        if (strcmp(codes[code].name, err->reason) == 0 &&
            (found == CODE_MAX || codes[code].class == err->code))
            found = code;
    return found == CODE_MAX ? code_for_class(err->code) : found;
}

const char *contract_code_of(const struct error *err)
{
    return codes[find_code(err)].name;
}

int http_status_of(const struct error *err)
{
    return codes[find_code(err)].http_status;
}
