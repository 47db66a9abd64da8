#include "shared/base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

#define PREFIX "sha256:"
enum {
    PREFIX_LENGTH = sizeof(PREFIX) - 1,
    HEX_DIGITS = 64,
    GOT_SHOWN_BYTES = 90, /* of a refused text, in an error */
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1; /* uppercase is not a digest: OCI compares them as text */
}

static bool hex_decode(const char *hex, uint8_t bytes[32])
{
    for (size_t i = 0; i < HEX_DIGITS / 2; i++) {
        int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void spell(struct digest *digest)
{
    static const char hex[] = "0123456789abcdef";
    char *out = digest->text;

    memcpy(out, PREFIX, PREFIX_LENGTH);
    out += PREFIX_LENGTH;
    for (size_t i = 0; i < sizeof(digest->bytes); i++) {
        *out++ = hex[digest->bytes[i] >> 4];
        *out++ = hex[digest->bytes[i] & 0x0f];
    }
    *out = '\0';
}

int digest_parse(const char *text, struct digest *ret_digest, struct error *err)
{
    struct digest digest;
    if (strlen(text) != PREFIX_LENGTH + HEX_DIGITS || memcmp(text, PREFIX, PREFIX_LENGTH) != 0 ||
        !hex_decode(text + PREFIX_LENGTH, digest.bytes))
        return error_set(err, ERR_INVALID, "want " PREFIX " and %d lowercase hex digits, got \"%.*s\"",
                         HEX_DIGITS, GOT_SHOWN_BYTES, text);
    spell(&digest);
    *ret_digest = digest;
    return 0;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool digest_is_set(const struct digest *digest)
{
    return digest->text[0] != '\0';
}

/* OpenSSL refuses SHA-256 only when it is out of memory or its installation is broken. */
static void or_die(int ok)
{
    if (!ok) {
        (void)fputs("fatal: OpenSSL cannot compute SHA-256\n", stderr);
        abort();
    }
}

struct digest digest_of(const void *bytes, size_t length)
{
    struct digest digest;
    or_die(EVP_Digest(bytes, length, digest.bytes, NULL, EVP_sha256(), NULL));
    spell(&digest);
    return digest;
}

struct hasher {
    EVP_MD_CTX *context;
};

struct hasher *hasher_new(void)
{
    struct hasher *hasher = xcalloc(1, sizeof(*hasher));
    hasher->context = EVP_MD_CTX_new();
    or_die(hasher->context != NULL && EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL));
    return hasher;
}

void hasher_update(struct hasher *hasher, const void *bytes, size_t length)
{
    or_die(EVP_DigestUpdate(hasher->context, bytes, length));
}

struct digest hasher_finish(struct hasher *hasher)
{
    struct digest digest;
    or_die(EVP_DigestFinal_ex(hasher->context, digest.bytes, NULL));
    hasher_free(hasher);
    spell(&digest);
    return digest;
}

void hasher_free(struct hasher *hasher)
{
    if (!hasher)
        return;
    EVP_MD_CTX_free(hasher->context);
    free(hasher);
}
