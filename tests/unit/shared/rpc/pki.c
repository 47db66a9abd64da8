#include "pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

enum { HOUR_S = 3600 };

static void add_extension(X509 *certificate, const X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, (X509 *)issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void set_subject(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    assert_int_equal(
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0), 1);
}

static X509 *certificate_new(EVP_PKEY *key, const char *name, int64_t from_s, int64_t until_s)
{
    X509 *certificate = X509_new();
    uint64_t serial = 0;

    assert_int_equal(RAND_bytes((unsigned char *)&serial, sizeof(serial)), 1);
    assert_int_equal(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial), 1);
    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), (long)from_s));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), (long)until_s));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    set_subject(certificate, name);
    return certificate;
}

struct ca ca_new(const char *name)
{
    struct ca ca = {.key = EVP_EC_gen("P-256")};

    ca.certificate = certificate_new(ca.key, name, -2 * HOUR_S, 24 * HOUR_S);
    assert_int_equal(X509_set_issuer_name(ca.certificate, X509_get_subject_name(ca.certificate)), 1);
    add_extension(ca.certificate, ca.certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(ca.certificate, ca.certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(ca.certificate, ca.certificate, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(ca.certificate, ca.key, EVP_sha256()) > 0);
    return ca;
}

void ca_done(struct ca *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
}

static char *text_of(BIO *bio)
{
    char *bytes = NULL;
    long length = BIO_get_mem_data(bio, &bytes);
    char *text = xstrndup(bytes, (size_t)length);

    BIO_free(bio);
    return text;
}

static char *certificate_pem(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    return text_of(bio);
}

static char *key_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    return text_of(bio);
}

char *ca_pem(const struct ca *ca)
{
    return certificate_pem(ca->certificate);
}

void issue(const struct ca *ca, const struct leaf *leaf, char **ret_certificate_pem, char **ret_key_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_new(key, "leaf", leaf->from_s ? leaf->from_s : -HOUR_S,
                                        leaf->until_s ? leaf->until_s : HOUR_S);

    assert_int_equal(X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate)), 1);
    if (leaf->san)
        add_extension(certificate, ca->certificate, NID_subject_alt_name, leaf->san);
    if (leaf->usage)
        add_extension(certificate, ca->certificate, NID_ext_key_usage, leaf->usage);
    add_extension(certificate, ca->certificate, NID_authority_key_identifier, "keyid");
    assert_true(X509_sign(certificate, ca->key, EVP_sha256()) > 0);
    *ret_certificate_pem = certificate_pem(certificate);
    *ret_key_pem = key_pem(key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void put(const char *dir, const char *name, const char *text)
{
    SCOPED(string) char *path = xasprintf("%s/%s", dir, name);

    if (!text) {
        (void)unlink(path);
        return;
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void furnish(const char *dir, const struct ca *ca, const struct leaf *leaf)
{
    SCOPED(string) char *authority = ca_pem(ca);
    SCOPED(string) char *certificate = NULL;
    SCOPED(string) char *key = NULL;

    issue(ca, leaf, &certificate, &key);
    put(dir, "ca.crt", authority);
    put(dir, "tls.crt", certificate);
    put(dir, "tls.key", key);
}

void clear_away(const char *dir)
{
    put(dir, "ca.crt", NULL);
    put(dir, "tls.crt", NULL);
    put(dir, "tls.key", NULL);
    assert_int_equal(rmdir(dir), 0);
}
