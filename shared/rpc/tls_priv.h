/* tls_priv.h - what credentials are made of. Threads: any; it locks for itself. */
#pragma once

#include "shared/rpc/certificates_priv.h"
#include "shared/rpc/tls.h"

struct rpc_tls *rpc_tls_ref(struct rpc_tls *tls);
enum rpc_tls_kind rpc_tls_kind(const struct rpc_tls *tls);
const char *rpc_tls_ca_path(const struct rpc_tls *tls); /* for error texts */

/* Looks whether the files changed (three stat calls), then answers the number of the certificates in use: it grows with
 * each renewal. */
uint64_t rpc_tls_generation(struct rpc_tls *tls);
/* The certificates in use, and their number; the caller's reference. */
struct rpc_certificates *rpc_tls_current(struct rpc_tls *tls, uint64_t *ret_generation);
