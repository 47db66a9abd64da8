#include "shared/rpc/trust_priv.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"

struct rpc_trust {
    atomic_int refs;
    struct rpc_tls *tls; /* set by rpc_trust_new, like the role */
    char *server_role;   /* NULL: any */

    pthread_mutex_t lock; /* guards everything below */
    struct rpc_role last; /* of the server that the last handshake reached */
    bool refused;
};

struct rpc_trust *rpc_trust_new(struct rpc_tls *tls, const char *server_role)
{
    struct rpc_trust *trust = xcalloc(1, sizeof(*trust));

    atomic_init(&trust->refs, 1);
    trust->tls = rpc_tls_ref(tls);
    if (server_role || rpc_tls_kind(tls) == RPC_TLS_MUTUAL)
        trust->server_role = xstrdup(server_role); /* "" is nobody's */
    pthread_mutex_init(&trust->lock, NULL);
    return trust;
}

struct rpc_trust *rpc_trust_ref(struct rpc_trust *trust)
{
    (void)atomic_fetch_add(&trust->refs, 1);
    return trust;
}

void rpc_trust_unref(struct rpc_trust *trust)
{
    if (!trust || atomic_fetch_sub(&trust->refs, 1) != 1)
        return;
    rpc_tls_free(trust->tls);
    free(trust->server_role);
    pthread_mutex_destroy(&trust->lock);
    free(trust);
}

static struct rpc_role role_of_pem(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    struct rpc_role role = {.identities = 0};

    if (leaf)
        role = rpc_role_of(leaf);
    X509_free(leaf);
    BIO_free_all(bio);
    return role;
}

int rpc_trust_judge(const char *target_name, const char *leaf_pem, void *self)
{
    struct rpc_trust *trust = self;

    (void)target_name;    /* the core has compared it already */
    (void)ERR_set_mark(); /* this thread is the core's, in the middle of a handshake */
    struct rpc_role role = role_of_pem(leaf_pem);
    (void)ERR_pop_to_mark();
    bool refused = trust->server_role && !rpc_role_is(&role, trust->server_role);
    pthread_mutex_lock(&trust->lock);
    trust->last = role;
    trust->refused = refused;
    pthread_mutex_unlock(&trust->lock);
    return refused ? 1 : 0;
}

static bool is_named(struct error *err)
{
    (void)error_reason(err, RPC_PEER_NOT_TRUSTED);
    return true;
}

static bool explain_role(struct rpc_trust *trust, struct error *err)
{
    char found[RPC_TLS_ROLE_MAX + 32];

    pthread_mutex_lock(&trust->lock);
    struct rpc_role last = trust->last;
    bool refused = trust->refused;
    pthread_mutex_unlock(&trust->lock);
    if (!refused)
        return false;
    (void)rpc_role_text(&last, found);
    if (err->code == ERR_TIMEOUT) { /* the call waited for a better server */
        (void)error_wrap(err, "the server's certificate has %s, want %s", found, trust->server_role);
        return is_named(err);
    }
    if (!strstr(err->text, "Verify peer callback")) /* what failed now is something else */
        return false;
    (void)error_set(err, ERR_DENIED,
                    "the server's certificate has %s, want the role %s: is this the right address?", found,
                    trust->server_role);
    return is_named(err);
}

/* The words of the core and of OpenSSL: nothing but text comes out of a failed handshake. */
static bool explain_handshake(const struct rpc_trust *trust, struct error *err)
{
    if (strstr(err->text, "certificate verify failed")) {
        (void)error_set(err, ERR_DENIED,
                        "the server's certificate does not verify: expired, or issued by no CA in %s",
                        rpc_tls_ca_path(trust->tls));
        return is_named(err);
    }
    if (!strstr(err->text, "is not in peer certificate"))
        return false;
    if (trust->server_role)
        (void)error_set(err, ERR_DENIED, "the server's certificate is not that of %s: want it as DNS SAN too",
                        trust->server_role);
    else
        (void)error_set(err, ERR_DENIED, "the server's certificate is for another host name");
    return is_named(err);
}

static void explain_hang_up(const struct rpc_trust *trust, struct error *err)
{
    uint64_t generation;
    SCOPED(rpc_certificates) struct rpc_certificates *ours = rpc_tls_current(trust->tls, &generation);
    char until[RFC3339_SIZE];

    if (strstr(err->text, "wrong version number") || strstr(err->text, "packet length too long"))
        (void)error_wrap(err, "the server does not speak TLS");
    else if (clock_realtime_ms() / 1000 > ours->not_after_unix_s)
        (void)error_wrap(err, "our own certificate expired at %s",
                         rfc3339_format(ours->not_after_unix_s, until));
    else if (ours->pem[RPC_TLS_CHAIN] && !strstr(err->text, "onnection refused"))
        (void)error_wrap(err, "no connection, or the server refused our certificate (its log tells)");
}

void rpc_trust_explain(struct rpc_trust *trust, struct error *err)
{
    if (explain_role(trust, err) || err->code != ERR_UNAVAILABLE)
        return;
    if (!explain_handshake(trust, err))
        explain_hang_up(trust, err);
}
