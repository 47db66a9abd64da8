/* rpc/status.h - how a struct error crosses the wire.
 *
 * Code: one table maps error_code to the gRPC status code and back. Reason: travels as google.rpc.ErrorInfo
 * inside google.rpc.Status in the standard trailer `grpc-status-details-bin` (domain "stasis"), so any gRPC
 * client reads it. Text: the status message, cut to 256 bytes at a UTF-8 boundary. */
#pragma once

#include <grpc/status.h>

#include "shared/base/error.h"

grpc_status_code rpc_status_of(enum error_code code);
enum error_code rpc_error_code_of(grpc_status_code status);
const char *rpc_status_name(grpc_status_code status); /* "NOT_FOUND" */
