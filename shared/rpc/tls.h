/* rpc/tls.h - who we are and whom we trust: certificates in a folder, read again when they change.
 *
 * Between services TLS is mutual, and an identity is a role, told by a SAN of the certificate: the URI
 * "spiffe://stasis/<role>", or the DNS name "<role>.roles.stasis.internal" for issuers that cannot make URIs (Helm); both
 * together must agree. Clients name the role they want to reach, servers the roles they accept; host names play no part,
 * because agents are addressed by pod IP. (gRPC core wants a name to compare, though: the certificate also has the bare
 * role as DNS SAN.) The public door is ordinary TLS: only the server has a certificate, clients verify its host name.
 *
 * The folder is a mounted Secret of type kubernetes.io/tls, with ca.crt beside: PEM files that are replaced while we
 * run. They are looked at whenever a server accepts a connection or a client makes a call. New handshakes use the new
 * certificates, connections and calls under way go on with theirs. A new file that is unusable (half-written, expired,
 * a key of another certificate) is logged once, and the last good ones stay in use.
 *
 * TLS 1.2 or 1.3. Threads: any. */
#pragma once

#include <stdbool.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

#define RPC_TLS_ROLE_MAX 63 /* bytes of a role's name: a DNS label */

struct rpc_tls;

/* Mutual TLS, for both ends. dir holds ca.crt (one CA or more), tls.crt (ours, then intermediates) and tls.key. *ret_tls
 * is the caller's. ERR_INVALID: a file is missing, malformed or expired, the key is another certificate's, the
 * certificate is none of that CA or has no role; the text names the file and what to do. ERR_DENIED: may not be read. */
int rpc_tls_open(const char *dir, struct rpc_tls **ret_tls, struct error *err);

/* A public server: dir holds tls.crt and tls.key; clients have no certificates. Errors as above. */
int rpc_tls_open_server(const char *dir, struct rpc_tls **ret_tls, struct error *err);

/* A public client, without a certificate. ca_file NULL or "": the CAs of this machine. Errors as above. */
int rpc_tls_open_client(const char *ca_file, struct rpc_tls **ret_tls, struct error *err);

/* Servers and channels keep what they need, so it may go before them. NULL is fine. */
void rpc_tls_free(struct rpc_tls *tls);
DEFINE_FREEP(rpc_tls, struct rpc_tls, rpc_tls_free)

/* Our own role, as read at the open. NULL: not mutual TLS. */
const char *rpc_tls_role(const struct rpc_tls *tls);

/* For servers that speak something else: the certificate in use with its chain, and its key, as PEM. Files that changed are
 * looked at first. Both are the caller's, who wipes the key. Not for a client's. */
void rpc_tls_pem(struct rpc_tls *tls, char **ret_chain, char **ret_key);

/* Reasons of ERR_DENIED: a client does not trust its server; a server does not serve its client's role. */
#define RPC_PEER_NOT_TRUSTED "PeerNotTrusted"
#define RPC_ROLE_NOT_ALLOWED "RoleNotAllowed"

/* Was that call refused for certificates, not for what it asked? It may pass once they are renewed on both sides. */
bool rpc_tls_refused(const struct error *err);
