#include "shared/http/server_tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/http/server_priv.h"

enum { MAX_CHAIN = 16 };

static void wipe(char *key)
{
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
}

static int import_chain(const char *pem, gnutls_pcert_st **ret_chain, unsigned *ret_length)
{
    gnutls_datum_t text = {(unsigned char *)pem, (unsigned)strlen(pem)};
    /* GnuTLS frees it with gnutls_free, which is free(). */
    gnutls_pcert_st *chain = gnutls_calloc(MAX_CHAIN, sizeof(*chain));
    unsigned length = MAX_CHAIN;

    int failed = chain ? gnutls_pcert_list_import_x509_raw(chain, &length, &text, GNUTLS_X509_FMT_PEM,
                                                           GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED)
                       : GNUTLS_E_MEMORY_ERROR;
    if (failed < 0) {
        gnutls_free(chain);
        return failed;
    }
    *ret_chain = chain;
    *ret_length = length;
    return 0;
}

static int import_key(const char *pem, gnutls_privkey_t *ret_key)
{
    gnutls_datum_t text = {(unsigned char *)pem, (unsigned)strlen(pem)};
    gnutls_privkey_t key;
    int failed = gnutls_privkey_init(&key);

    if (failed < 0)
        return failed;
    failed = gnutls_privkey_import_x509_raw(key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (failed < 0) {
        gnutls_privkey_deinit(key);
        return failed;
    }
    *ret_key = key;
    return 0;
}

static void free_chain(gnutls_pcert_st *chain, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        gnutls_pcert_deinit(&chain[i]);
    gnutls_free(chain);
}

static int import_current(const struct http_server_tls *tls, gnutls_pcert_st **ret_chain,
                          unsigned *ret_length, gnutls_privkey_t *ret_key)
{
    char *chain = NULL, *key = NULL;

    tls->certificate(tls->self, &chain, &key);
    int failed = import_chain(chain, ret_chain, ret_length);
    if (failed == 0 && (failed = import_key(key, ret_key)) < 0)
        free_chain(*ret_chain, *ret_length);
    free(chain);
    wipe(key);
    return failed;
}

/* A gnutls_certificate_retrieve_function3. It has no argument of its own; libmicrohttpd keeps the connection in the
 * session, and from there the way to the server is known. */
static int certificate_for(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                           gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_ocsp_data_st **ret_ocsp,
                           unsigned *ret_ocsp_length, gnutls_privkey_t *ret_key, unsigned *ret_flags)
{
    const union MHD_ConnectionInfo *known =
        MHD_get_connection_info(gnutls_session_get_ptr(session), MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const struct connection *client = known->socket_context;

    (void)info;
    *ret_ocsp = NULL;
    *ret_ocsp_length = 0;
    *ret_flags = GNUTLS_CERT_RETR_DEINIT_ALL; /* it frees them after the handshake */
    return import_current(&client->server->options.tls, ret_chain, ret_length, ret_key) < 0 ? -1 : 0;
}

void server_tls_options(struct MHD_OptionItem *ret_items)
{
    static char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    size_t count = 0;

    ret_items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
    ret_items[count++] =
        (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(uintptr_t)certificate_for};
    ret_items[count++] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

int server_tls_check(const struct http_server_tls *tls, struct error *err)
{
    gnutls_pcert_st *chain;
    gnutls_privkey_t key;
    unsigned length;

    int failed = import_current(tls, &chain, &length, &key);
    if (failed < 0)
        return error_set(err, ERR_INVALID, "the certificate or its key is no use: %s",
                         gnutls_strerror(failed));
    free_chain(chain, length);
    gnutls_privkey_deinit(key);
    return 0;
}
