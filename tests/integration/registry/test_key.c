#include "tests/integration/registry/test_key.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/base64.h"

struct test_key {
    EVP_PKEY *key;
    X509 *certificate;
};

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

struct test_key *test_key_new(void)
{
    struct test_key *key = xcalloc(1, sizeof(*key));

    key->key = EVP_RSA_gen(2048);
    key->certificate = X509_new();
    X509_set_version(key->certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(key->certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(key->certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(key->certificate), 3600);
    X509_set_pubkey(key->certificate, key->key);
    X509_NAME *name = X509_get_subject_name(key->certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"stasis test", -1, -1, 0);
    X509_set_issuer_name(key->certificate, name);
    add_extension(key->certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(key->certificate, NID_subject_alt_name, "IP:127.0.0.1");
    X509_sign(key->certificate, key->key, EVP_sha256());
    return key;
}

void test_key_free(struct test_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->key);
    X509_free(key->certificate);
    free(key);
}

int test_key_write(const struct test_key *key, const char *key_path, const char *certificate_path)
{
    FILE *key_file = fopen(key_path, "w"), *certificate_file = fopen(certificate_path, "w");
    int written = key_file && certificate_file &&
                  PEM_write_PrivateKey(key_file, key->key, NULL, NULL, 0, NULL, NULL) &&
                  PEM_write_X509(certificate_file, key->certificate);

    if (key_file && fclose(key_file) != 0)
        written = 0;
    if (certificate_file && fclose(certificate_file) != 0)
        written = 0;
    return written ? 0 : -1;
}

static char *base64_of(const void *bytes, size_t length)
{
    char *text = xcalloc(BASE64_SIZE(length), 1);
    base64_encode(bytes, length, text);
    return text;
}

/* RFC 4648 base64url without padding, as JWTs are written. */
static char *base64url_of(const void *bytes, size_t length)
{
    char *text = base64_of(bytes, length);
    for (char *c = text; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    text[strcspn(text, "=")] = '\0';
    return text;
}

static char *certificate_base64(X509 *certificate)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    char *text = base64_of(der, (size_t)length);

    OPENSSL_free(der);
    return text;
}

char *test_key_sign_token(const struct test_key *key, const char *claims_json)
{
    char *certificate = certificate_base64(key->certificate);
    char *header_json = xasprintf("{\"typ\":\"JWT\",\"alg\":\"RS256\",\"x5c\":[\"%s\"]}", certificate);
    char *header = base64url_of(header_json, strlen(header_json));
    char *claims = base64url_of(claims_json, strlen(claims_json));
    char *signed_part = xasprintf("%s.%s", header, claims);
    unsigned char signature[512];
    size_t length = sizeof(signature);

    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->key);
    EVP_DigestSign(context, signature, &length, (unsigned char *)signed_part, strlen(signed_part));
    EVP_MD_CTX_free(context);

    char *tail = base64url_of(signature, length);
    char *token = xasprintf("%s.%s", signed_part, tail);
    free(certificate);
    free(header_json);
    free(header);
    free(claims);
    free(signed_part);
    free(tail);
    return token;
}
