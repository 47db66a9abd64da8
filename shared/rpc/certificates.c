#include "shared/rpc/certificates_priv.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"

#define FILE_MAX_BYTES (1 << 20) /* the CAs of a whole machine are a fifth of it */

typedef STACK_OF(X509) certificate_stack;

static void certificate_stack_free(certificate_stack *stack)
{
    sk_X509_pop_free(stack, X509_free);
}

DEFINE_FREEP(certificate_stack, certificate_stack, certificate_stack_free)
DEFINE_FREEP(bio, BIO, BIO_free_all)
DEFINE_FREEP(private_key, EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(store, X509_STORE, X509_STORE_free)
DEFINE_FREEP(store_ctx, X509_STORE_CTX, X509_STORE_CTX_free)

static const char *const wanted[] = {
    [RPC_TLS_MUTUAL] = "TLS wants a folder with ca.crt, tls.crt and tls.key",
    [RPC_TLS_SERVER] = "TLS wants a folder with tls.crt and tls.key",
    [RPC_TLS_CLIENT] = "TLS wants a file with CAs to trust",
};

static int read_file(enum rpc_tls_kind kind, const char *path, char **ret_pem, struct error *err)
{
    struct strbuf text = STRBUF_INIT;

    if (file_read(path, FILE_MAX_BYTES, &text, err) < 0) {
        err->code = err->code == ERR_DENIED ? ERR_DENIED : ERR_INVALID;
        return error_wrap(err, "%s", wanted[kind]);
    }
    *ret_pem = xstrdup(strbuf_text(&text)); /* PEM has no NUL; what follows one would not parse anyway */
    if (text.bytes)
        explicit_bzero(text.bytes, text.length);
    strbuf_done(&text);
    return 0;
}

static bool at_end_of_pem(void)
{
    unsigned long last = ERR_peek_last_error();

    return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

/* Every certificate of the file. A file that is cut in the middle of one is refused, not taken for a shorter one. */
static int parse_certificates(const char *path, const char *pem, certificate_stack **ret_stack,
                              struct error *err)
{
    SCOPED(certificate_stack) certificate_stack *stack = sk_X509_new_null();
    SCOPED(bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate;

    while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (!sk_X509_push(stack, certificate)) {
            X509_free(certificate);
            return error_set(err, ERR_EXHAUSTED, "%s: no memory", path);
        }
    if (!at_end_of_pem())
        return error_set(err, ERR_INVALID, "%s: certificate %d is malformed or cut off; want PEM", path,
                         sk_X509_num(stack) + 1);
    if (sk_X509_num(stack) == 0)
        return error_set(err, ERR_INVALID,
                         "%s: no certificate in it; want PEM that begins with -----BEGIN CERTIFICATE-----",
                         path);
    *ret_stack = TAKE(stack);
    return 0;
}

static int no_passphrase(char *out, int size, int for_writing, void *self)
{
    (void)out;
    (void)size;
    (void)for_writing;
    (void)self;
    return -1; /* nobody is there to type one */
}

static int check_key(const char *path, const char *pem, const char *chain_path, const X509 *leaf,
                     struct error *err)
{
    SCOPED(bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    SCOPED(private_key) EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

    if (!key)
        return error_set(err, ERR_INVALID, "%s: no usable private key; want one in PEM, without a passphrase",
                         path);
    if (X509_check_private_key(leaf, key) != 1)
        return error_set(err, ERR_INVALID,
                         "%s is not the key of the certificate in %s: replace both together", path,
                         chain_path);
    return 0;
}

static int64_t unix_time_of(const ASN1_TIME *time)
{
    struct tm broken_down;

    return ASN1_TIME_to_tm(time, &broken_down) == 1 ? timegm(&broken_down) : 0;
}

static int check_times(const char *path, const X509 *leaf, struct error *err)
{
    int64_t now = clock_realtime_ms() / 1000;
    int64_t from = unix_time_of(X509_get0_notBefore(leaf)), until = unix_time_of(X509_get0_notAfter(leaf));
    char text[RFC3339_SIZE];

    if (now > until)
        return error_set(err, ERR_INVALID, "%s: the certificate expired at %s: renew it", path,
                         rfc3339_format(until, text));
    if (now < from)
        return error_set(err, ERR_INVALID, "%s: the certificate is valid only from %s: is the clock right?",
                         path, rfc3339_format(from, text));
    return 0;
}

static X509_STORE *store_of(const certificate_stack *authorities)
{
    X509_STORE *store = X509_STORE_new();

    for (int i = 0; store && i < sk_X509_num(authorities); i++)
        (void)X509_STORE_add_cert(store,
                                  sk_X509_value(authorities, i)); /* one missing shows when verifying */
    return store;
}

static int check_chain(char *const paths[RPC_TLS_FILES], certificate_stack *chain,
                       const certificate_stack *authorities, struct error *err)
{
    SCOPED(store) X509_STORE *store = store_of(authorities);
    SCOPED(store_ctx) X509_STORE_CTX *verify = X509_STORE_CTX_new();

    if (!store || !verify || X509_STORE_CTX_init(verify, store, sk_X509_value(chain, 0), chain) != 1)
        return error_set(err, ERR_EXHAUSTED, "%s: no memory", paths[RPC_TLS_CHAIN]);
    if (X509_verify_cert(verify) == 1)
        return 0;
    return error_set(err, ERR_INVALID, "%s is not issued by a CA in %s (%s): replace both together",
                     paths[RPC_TLS_CHAIN], paths[RPC_TLS_CA],
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(verify)));
}

/* A peer that refuses us for the wrong purpose can only hang up: say it here. */
static int check_purposes(const char *path, X509 *leaf, struct error *err)
{
    if (X509_check_purpose(leaf, X509_PURPOSE_SSL_CLIENT, 0) == 1 &&
        X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) == 1)
        return 0;
    return error_set(
        err, ERR_INVALID,
        "%s: the certificate must be for clients and servers: want the extended key usages clientAuth "
        "and serverAuth, or none",
        path);
}

static int check_role(const char *path, const struct rpc_role *role, struct error *err)
{
    char text[RPC_TLS_ROLE_MAX + 32];

    if (role->identities == 1 && *role->name)
        return 0;
    return error_set(err, ERR_INVALID,
                     "%s: the certificate has %s: want one, as URI SAN spiffe://stasis/<role> or as DNS SAN "
                     "<role>.roles.stasis.internal",
                     path, rpc_role_text(role, text));
}

static int check_ours(enum rpc_tls_kind kind, char *const paths[RPC_TLS_FILES], certificate_stack *chain,
                      const certificate_stack *authorities, struct rpc_certificates *certificates,
                      struct error *err)
{
    X509 *leaf = sk_X509_value(chain, 0);

    if (check_key(paths[RPC_TLS_KEY], certificates->pem[RPC_TLS_KEY], paths[RPC_TLS_CHAIN], leaf, err) < 0 ||
        check_times(paths[RPC_TLS_CHAIN], leaf, err) < 0)
        return -1;
    certificates->not_after_unix_s = unix_time_of(X509_get0_notAfter(leaf));
    if (kind != RPC_TLS_MUTUAL)
        return 0;
    certificates->role = rpc_role_of(leaf);
    if (check_chain(paths, chain, authorities, err) < 0 ||
        check_purposes(paths[RPC_TLS_CHAIN], leaf, err) < 0)
        return -1;
    return check_role(paths[RPC_TLS_CHAIN], &certificates->role, err);
}

static int check(enum rpc_tls_kind kind, char *const paths[RPC_TLS_FILES],
                 struct rpc_certificates *certificates, struct error *err)
{
    SCOPED(certificate_stack) certificate_stack *authorities = NULL;
    SCOPED(certificate_stack) certificate_stack *chain = NULL;
    char *const *pem = certificates->pem;

    if (pem[RPC_TLS_CA] && parse_certificates(paths[RPC_TLS_CA], pem[RPC_TLS_CA], &authorities, err) < 0)
        return -1;
    if (!pem[RPC_TLS_CHAIN])
        return 0;
    if (parse_certificates(paths[RPC_TLS_CHAIN], pem[RPC_TLS_CHAIN], &chain, err) < 0)
        return -1;
    return check_ours(kind, paths, chain, authorities, certificates, err);
}

int rpc_certificates_load(enum rpc_tls_kind kind, char *const paths[RPC_TLS_FILES],
                          struct rpc_certificates **ret_certificates, struct error *err)
{
    SCOPED(rpc_certificates) struct rpc_certificates *certificates = xcalloc(1, sizeof(*certificates));

    atomic_init(&certificates->refs, 1);
    certificates->not_after_unix_s = INT64_MAX;
    for (int file = 0; file < RPC_TLS_FILES; file++)
        if (paths[file] && read_file(kind, paths[file], &certificates->pem[file], err) < 0)
            return -1;
    /* The queue of OpenSSL errors belongs to this thread, which may be one of gRPC's in the middle of a handshake. */
    (void)ERR_set_mark();
    int result = check(kind, paths, certificates, err);
    (void)ERR_pop_to_mark();
    if (result == 0)
        *ret_certificates = TAKE(certificates);
    return result;
}

struct rpc_certificates *rpc_certificates_ref(struct rpc_certificates *certificates)
{
    (void)atomic_fetch_add(&certificates->refs, 1);
    return certificates;
}

void rpc_certificates_unref(struct rpc_certificates *certificates)
{
    if (!certificates || atomic_fetch_sub(&certificates->refs, 1) != 1)
        return;
    if (certificates->pem[RPC_TLS_KEY])
        explicit_bzero(certificates->pem[RPC_TLS_KEY], strlen(certificates->pem[RPC_TLS_KEY]));
    for (int file = 0; file < RPC_TLS_FILES; file++)
        free(certificates->pem[file]);
    free(certificates);
}

bool rpc_certificates_equal(const struct rpc_certificates *a, const struct rpc_certificates *b)
{
    for (int file = 0; file < RPC_TLS_FILES; file++)
        if (a->pem[file] && strcmp(a->pem[file], b->pem[file]) != 0)
            return false;
    return true;
}
