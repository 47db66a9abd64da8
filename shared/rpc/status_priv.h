/* status_priv.h - a struct error as the three things that a gRPC call ends with. */
#pragma once

#include <grpc/grpc.h>

#include "shared/base/error.h"

#define RPC_TEXT_MAX    256 /* bytes: the status travels in headers, of which 8 KiB are sure to pass */
#define RPC_DETAILS_KEY "grpc-status-details-bin"

struct rpc_wire_status {
    grpc_status_code status;
    grpc_slice text;       /* owned */
    grpc_metadata details; /* owned; valid when has_details */
    bool has_details;
};

/* err NULL: OK. An error without a code is our bug and travels as INTERNAL. */
void rpc_status_encode(const struct error *err, struct rpc_wire_status *out);
void rpc_wire_status_done(struct rpc_wire_status *wire);

/* What a peer answered, all of it outside bytes; status is not OK. Answers -1. */
int rpc_status_decode(grpc_status_code status, grpc_slice text, const grpc_metadata_array *trailers,
                      struct error *err);
