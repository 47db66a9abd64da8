/* trust_priv.h - a client's judgement of its server, and what a failed handshake meant.
 *
 * The core verifies the chain and a name; whether the certificate has the role we want to reach is ours to say. The
 * core then reports no more than a number, so the story is kept here for whoever explains the failed call.
 * Threads: any; it locks for itself. */
#pragma once

#include "shared/rpc/tls_priv.h"

struct rpc_trust;

/* server_role NULL: any server that the core accepts, but with mutual TLS none. */
struct rpc_trust *rpc_trust_new(struct rpc_tls *tls, const char *server_role);
struct rpc_trust *rpc_trust_ref(struct rpc_trust *trust);
void rpc_trust_unref(struct rpc_trust *trust); /* NULL is fine */

/* The core's verify_peer_callback: 0 trusts the leaf certificate. trust as void *, as the core hands it back. */
int rpc_trust_judge(const char *target_name, const char *leaf_pem, void *trust);

/* The call failed on our side, with err from the core: makes it ERR_DENIED, reason PeerNotTrusted, when the handshake
 * was refused by us, and adds what else is known. */
void rpc_trust_explain(struct rpc_trust *trust, struct error *err);
