/* http/server_tls.h - private to the server: certificates for TLS handshakes, by way of GnuTLS. */
#pragma once

#include <microhttpd.h>

#include "shared/http/server.h"

/* Fills at least four items: TLS 1.2 or 1.3, certificates from the server's own options. */
void server_tls_options(struct MHD_OptionItem *ret_items);

/* Does the certificate we have now parse? ERR_INVALID. */
int server_tls_check(const struct http_server_tls *tls, struct error *err);
