/* pki.h - certificate authorities and certificates made on the spot, and the folders that services read them from. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

struct ca {
    X509 *certificate;
    EVP_PKEY *key;
};

struct ca ca_new(const char *name);
void ca_done(struct ca *ca);

/* What a certificate says. Zeroes: no such SAN, valid for an hour from an hour ago, for any purpose. */
struct leaf {
    const char *san;         /* OpenSSL's spelling: "URI:spiffe://stasis/x,DNS:x,IP:127.0.0.1" */
    const char *usage;       /* extended key usage: "serverAuth" */
    int64_t from_s, until_s; /* from now */
};

/* The SANs of a role, reachable as 127.0.0.1 too. */
#define ROLE(name)                                                                                           \
    {                                                                                                        \
        .san = "URI:spiffe://stasis/" name ",DNS:" name ",IP:127.0.0.1"                                      \
    }

/* PEM; the caller frees it. */
char *ca_pem(const struct ca *ca);
void issue(const struct ca *ca, const struct leaf *leaf, char **ret_certificate_pem, char **ret_key_pem);

/* Writes dir/name; text NULL removes the file. */
void put(const char *dir, const char *name, const char *text);
/* ca.crt, tls.crt and tls.key of a certificate that `ca` issued. */
void furnish(const char *dir, const struct ca *ca, const struct leaf *leaf);
/* Removes the three files and the folder. */
void clear_away(const char *dir);
