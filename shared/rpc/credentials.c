#include "shared/rpc/credentials_priv.h"

#include <arpa/inet.h>
#include <assert.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/rpc/core_priv.h"

bool rpc_address_is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

bool rpc_address_is_local(const char *address)
{
    static const char *const local[] = {"127.0.0.1:", "[::1]:", "localhost:"};

    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        if (strncmp(address, local[i], strlen(local[i])) == 0)
            return true;
    return rpc_address_is_unix(address);
}

static int require_local(const char *address, const char *secure_with, struct error *err)
{
    if (rpc_address_is_local(address))
        return 0;
    return error_set(
        err, ERR_UNSUPPORTED,
        "%s would be plaintext beyond this machine: give %s, or use unix:/path, 127.0.0.1, [::1] or "
        "localhost",
        address, secure_with ? secure_with : "--tls-dir=FOLDER");
}

static bool is_in_clear(const char *address, const struct rpc_tls *tls)
{
    return rpc_address_is_unix(address) || !tls;
}

/* ---- client ---- */

static void forget_trust(void *trust)
{
    rpc_trust_unref(trust);
}

static grpc_channel_credentials *client_core(const struct rpc_certificates *certificates,
                                             struct rpc_trust *trust)
{
    grpc_ssl_pem_key_cert_pair ours = {.private_key = certificates->pem[RPC_TLS_KEY],
                                       .cert_chain = certificates->pem[RPC_TLS_CHAIN]};
    const grpc_ssl_verify_peer_options verify = {.verify_peer_callback = rpc_trust_judge,
                                                 .verify_peer_callback_userdata = rpc_trust_ref(trust),
                                                 .verify_peer_destruct = forget_trust};

    return grpc_ssl_credentials_create_ex(certificates->pem[RPC_TLS_CA], ours.cert_chain ? &ours : NULL,
                                          &verify, NULL);
}

int rpc_target_check(const char *target, const struct rpc_channel_options *options, struct error *err)
{
    return is_in_clear(target, options->tls) ? require_local(target, options->secure_with, err) : 0;
}

int rpc_client_credentials(const char *target, const struct rpc_channel_options *options,
                           struct rpc_client_credentials *ret_credentials, struct error *err)
{
    if (rpc_target_check(target, options, err) < 0)
        return -1;
    *ret_credentials = (struct rpc_client_credentials){.generation = 0};
    if (is_in_clear(target, options->tls)) {
        ret_credentials->core = grpc_insecure_credentials_create();
        return 0;
    }
    assert(rpc_tls_kind(options->tls) != RPC_TLS_SERVER);
    assert((rpc_tls_kind(options->tls) == RPC_TLS_MUTUAL) == (options->server_role != NULL));
    SCOPED(rpc_certificates)
    struct rpc_certificates *current = rpc_tls_current(options->tls, &ret_credentials->generation);
    ret_credentials->trust = rpc_trust_new(options->tls, options->server_role);
    ret_credentials->core = client_core(current, ret_credentials->trust);
    return 0;
}

/* ---- server ---- */

/* Called by the core when it opens the listener and before each handshake. In 1.51 it reads the certificates without a
 * lock after this returns, so a renewal in one thread could free them under a handshake that another thread begins
 * (grpc issue 36693). That needs two listening sockets with these credentials: each is accepted from by one thread at a
 * time. Hence one object for each listener, and numeric addresses only: a name may stand for several. */
static grpc_ssl_certificate_config_reload_status give(void *self,
                                                      grpc_ssl_server_certificate_config **ret_config)
{
    struct rpc_listener_tls *listener = self;
    uint64_t generation = rpc_tls_generation(listener->tls);

    if (generation == listener->given)
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    SCOPED(rpc_certificates)
    struct rpc_certificates *current = rpc_tls_current(listener->tls, &listener->given);
    const grpc_ssl_pem_key_cert_pair ours = {.private_key = current->pem[RPC_TLS_KEY],
                                             .cert_chain = current->pem[RPC_TLS_CHAIN]};
    /* The core insists on CAs, even where no client is asked for a certificate. */
    const char *clients_ca = current->pem[RPC_TLS_CA] ? current->pem[RPC_TLS_CA] : ours.cert_chain;
    *ret_config = grpc_ssl_server_certificate_config_create(clients_ca, &ours, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

static int require_numeric(const char *address, struct error *err)
{
    const char *colon = strrchr(address, ':');
    bool bracketed = address[0] == '[' && colon && colon > address + 1 && colon[-1] == ']';
    SCOPED(string)
    char *host = bracketed ? xstrndup(address + 1, (size_t)(colon - 1 - (address + 1)))
                           : xstrndup(address, colon ? (size_t)(colon - address) : strlen(address));
    struct in6_addr parsed; /* large enough for either */

    if (colon && inet_pton(bracketed ? AF_INET6 : AF_INET, host, &parsed) == 1)
        return 0;
    return error_set(err, ERR_INVALID,
                     "%s: with TLS want a numeric host:port, such as 0.0.0.0:9091 or [::]:9091", address);
}

static grpc_server_credentials *server_core(struct rpc_listener_tls *listener)
{
    bool is_mutual = rpc_tls_kind(listener->tls) == RPC_TLS_MUTUAL;

    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            is_mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                      : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            give, listener));
}

int rpc_server_credentials(const char *address, const struct rpc_server_options *options,
                           grpc_server_credentials **ret_credentials, struct rpc_listener_tls **ret_listener,
                           struct error *err)
{
    bool in_clear = is_in_clear(address, options->tls);

    if (in_clear && !options->insecure && require_local(address, options->secure_with, err) < 0)
        return -1;
    if (!in_clear && require_numeric(address, err) < 0)
        return -1;
    *ret_listener = NULL;
    if (in_clear) {
        *ret_credentials = grpc_insecure_server_credentials_create();
        return 0;
    }
    *ret_listener = xcalloc(1, sizeof(**ret_listener));
    (*ret_listener)->tls = rpc_tls_ref(options->tls);
    *ret_credentials = server_core(*ret_listener);
    rpc_core_tell_handshakes();
    return 0;
}

void rpc_listener_tls_free(struct rpc_listener_tls *listener)
{
    if (!listener)
        return;
    rpc_tls_free(listener->tls);
    free(listener);
}
