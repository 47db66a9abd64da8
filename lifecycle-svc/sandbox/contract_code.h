/* contract_code.h - the error codes that clients of the API see, each with its HTTP status and gRPC class.
 * One table; nobody else knows a status. The code travels as error.reason. Threads: any.
 * Spec: contract rest-api.md §15. */
#pragma once

#include "shared/base/error.h"

enum contract_code {
    CODE_UNKNOWN_ERROR,
    CODE_MISSING_API_KEY,
    CODE_INVALID_API_KEY,
    CODE_INVALID_PARAMETER,
    CODE_INVALID_METADATA_LABEL,
    CODE_RESERVED_METADATA_LABEL, /* in a metadata patch; creates say CODE_INVALID_METADATA_LABEL */
    CODE_INVALID_METADATA_FORMAT,
    CODE_INVALID_ENTRYPOINT,
    CODE_INVALID_EXPIRATION,
    CODE_NO_EXPIRATION, /* the same name, but a conflict: the sandbox never expires */
    CODE_INVALID_PORT,
    CODE_SANDBOX_NOT_FOUND,
    CODE_INVALID_STATE,
    CODE_POD_IP_NOT_AVAILABLE,
    CODE_POD_READY_TIMEOUT,
    CODE_POD_FAILED,
    CODE_API_ERROR,
    CODE_INITIALIZATION_ERROR,
    CODE_POOL_NOT_SUPPORTED,
    CODE_SNAPSHOT_NOT_IMPLEMENTED,
    CODE_SNAPSHOT_NOT_FOUND,
    CODE_SNAPSHOT_NOT_READY,
    CODE_SNAPSHOT_INVALID_STATE,
    CODE_SNAPSHOT_INVALID_SOURCE_STATE,
    CODE_SNAPSHOT_INVALID_RESTORE_CONFIG,
    CODE_VOLUME_INVALID_NAME,
    CODE_VOLUME_DUPLICATE_NAME,
    CODE_VOLUME_INVALID_MOUNT_PATH,
    CODE_VOLUME_INVALID_SUB_PATH,
    CODE_VOLUME_INVALID_HOST_PATH,
    CODE_VOLUME_HOST_PATH_NOT_ALLOWED,
    CODE_VOLUME_INVALID_PVC_NAME,
    CODE_VOLUME_UNSUPPORTED_BACKEND,
    CODE_API_NOT_SUPPORTED,
    CODE_ROUTE_NOT_FOUND,
    CODE_METHOD_NOT_ALLOWED,
    CODE_PAYLOAD_TOO_LARGE,
    CODE_RATE_LIMITED,
    CODE_DIAGNOSTICS_NOT_IMPLEMENTED,
    CODE_MAX
};

/* "KUBERNETES::INVALID_STATE" */
const char *contract_code_name(enum contract_code code);

/* Fails with this code: its class, its name as the reason (whatever reason err had), and a text. Answers -1.
 */
int refuse(struct error *err, enum contract_code code, const char *fmt, ...) PRINTF(3, 4);

/* Keeps err's text and gives it this code. Answers -1. */
int refuse_as(struct error *err, enum contract_code code);

/* What a client sees of err. A reason that is no contract code is hidden behind one that fits its class. */
const char *contract_code_of(const struct error *err);
int http_status_of(const struct error *err);
