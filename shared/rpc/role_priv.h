/* role_priv.h - the role that a certificate gives its owner, spelled as tls.h says.
 * Spec: SPIFFE X.509-SVID §2 for the URI: a certificate has one identity, or it has none that counts. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "shared/rpc/tls.h"

struct rpc_role {
    char name[RPC_TLS_ROLE_MAX + 1]; /* "": none, or not one of ours */
    unsigned identities;             /* different ones seen; only a single one counts */
};

/* Each looks at one SAN, which may hold any bytes. */
void rpc_role_note_uri(struct rpc_role *role, const char *uri, size_t length);
void rpc_role_note_dns(struct rpc_role *role, const char *name, size_t length);
/* All SANs of a certificate. */
struct rpc_role rpc_role_of(const X509 *certificate);

bool rpc_role_is(const struct rpc_role *role, const char *name);
/* "the role snapshot-svc", "no role of ours"; for error texts. `out` is the storage. */
const char *rpc_role_text(const struct rpc_role *role, char out[RPC_TLS_ROLE_MAX + 32]);
