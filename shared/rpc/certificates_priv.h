/* certificates_priv.h - one state of the certificate files: read, checked as a whole, then never changed.
 *
 * What is checked is what would otherwise fail in a handshake, where nobody can say why: PEM that parses to its end, a
 * key that belongs to its certificate, times, the chain up to ca.crt, a role. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/rpc/role_priv.h"

enum rpc_tls_kind { RPC_TLS_MUTUAL, RPC_TLS_SERVER, RPC_TLS_CLIENT };

enum rpc_tls_file { RPC_TLS_CA, RPC_TLS_CHAIN, RPC_TLS_KEY, RPC_TLS_FILES };

struct rpc_certificates {
    atomic_int refs;
    char *pem[RPC_TLS_FILES]; /* NULL: this kind has no such file */
    struct rpc_role role;     /* ours; mutual only */
    int64_t not_after_unix_s; /* of our certificate; INT64_MAX without one */
};

/* paths[file] NULL: this kind has no such file. *ret_certificates is the caller's. Errors as rpc_tls_open(). */
int rpc_certificates_load(enum rpc_tls_kind kind, char *const paths[RPC_TLS_FILES],
                          struct rpc_certificates **ret_certificates, struct error *err);
struct rpc_certificates *rpc_certificates_ref(struct rpc_certificates *certificates);
void rpc_certificates_unref(struct rpc_certificates *certificates); /* wipes the key; NULL is fine */
DEFINE_FREEP(rpc_certificates, struct rpc_certificates, rpc_certificates_unref)

bool rpc_certificates_equal(const struct rpc_certificates *a, const struct rpc_certificates *b);
